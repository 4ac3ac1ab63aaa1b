"""The device: the one door to the cells, its time, and what watches it."""
