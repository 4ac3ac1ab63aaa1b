"""What keeps C code from being booted at all; what a boot does wrong is a Violation."""

from __future__ import annotations


class NativeError(Exception):
    """It could not be compiled or loaded: what, where, and what would help."""
