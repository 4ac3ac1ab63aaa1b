"""An experiment: STM32L476 flash written by a stub of our own in RAM.

See docs/explanation/loader-stub.md.
"""
