"""Compiled bootloaders on an emulated MCU: a first board file, one boot, every cut."""
