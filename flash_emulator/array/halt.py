"""What has ended a boot from outside: kept on the device, where no handler of the boot can hide it.

A bare ``except`` around a read catches whatever the read raises. So what concerns whoever drives
the boot, and not the code that boots, is raised *and* kept: the device does nothing more, every
further call raises the same again, and whoever drives the boot asks ``check`` when it has returned.
"""

from __future__ import annotations

from typing import NoReturn

from flash_emulator.compiled import mypyc_attr


@mypyc_attr(allow_interpreted_subclasses=True, serializable=True)
class Halt:
    """One boot's. Forks that the boot makes share it; a copy in another process is a new one."""

    __slots__ = ("has_peeked", "is_watching", "reason")

    def __init__(self) -> None:
        self.reason: BaseException | None = None
        self.is_watching = False  # whoever watches is at work: its forks are no part of the boot
        # The boot has found out something that no watch was told: by the reads of a twin that it
        # has made, or by asking whether units are plain.
        self.has_peeked = False

    def stop(self, reason: BaseException) -> NoReturn:
        """Raises *reason*, or what stopped the boot before it."""
        if self.reason is None:
            self.reason = reason
        raise self.reason

    def check(self) -> None:
        """Raises what stopped the boot, if anything did."""
        if self.reason is not None:
            raise self.reason

    def __reduce__(self) -> tuple[type[Halt], tuple[()]]:
        return Halt, ()
