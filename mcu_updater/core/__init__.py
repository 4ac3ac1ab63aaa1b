"""What runs on an MCU, or is ported to one. Knows no emulator, no port and no command line."""
