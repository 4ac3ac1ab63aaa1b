"""What the computer at the other end of the cable gives: serial ports, time, signals."""
