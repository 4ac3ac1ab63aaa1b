"""A Cortex-M in front of emulated flash, and what stands around the two on the chip."""
