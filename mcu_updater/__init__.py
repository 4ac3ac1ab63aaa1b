"""A/B firmware updater for a microcontroller behind a Quectel module."""

__version__ = "0.1.0"
