"""Many emulated devices, upgraded against one center."""
