"""What a subject has hidden comes out when its boot is over."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from flash_emulator.device.flash import EmulatedFlash


class _Follows(Protocol):
    flash: EmulatedFlash


@contextmanager
def what_is_hidden(follower: _Follows) -> Iterator[None]:
    """Raises at the end what the subject has hidden: a look at unknown content, or what the search
    has raised to end the boot."""
    try:
        yield
    finally:
        follower.flash.cells.halt.check()
