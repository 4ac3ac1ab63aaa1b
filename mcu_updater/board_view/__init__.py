"""What there is to see of an emulated board: as it is, and as a film while it runs."""
