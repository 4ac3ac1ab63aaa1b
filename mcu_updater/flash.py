"""Flash as the core sees it: Protocols only. The power-loss contract stands in the docstrings.

Addresses are those that the CPU uses *now*: the mapped bank at ``geometry.base``, the other one
behind it. All sizes are in bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Geometry(Protocol):
    """How the array is cut up. Every bank is laid out alike."""

    @property
    def base(self) -> int:
        """Address of the mapped bank."""

    @property
    def bank_count(self) -> int:
        """1 or 2."""

    @property
    def sector_sizes(self) -> Sequence[int]:
        """Sizes of one bank's sectors, in address order."""

    @property
    def program_unit(self) -> int:
        """Smallest programmable piece; written at most once per erase."""


class FlashDevice(Protocol):
    """Flash that can be read, programmed in whole units and erased in whole sectors.

    Errors of the device itself are ``OSError`` (read error, refused program); they say that the
    operation did not do what was asked, never that power was lost. Losing power ends the caller:
    nothing after the cut runs.
    """

    @property
    def geometry(self) -> Geometry: ...

    def read(self, address: int, size: int) -> bytes:
        """Return *size* bytes from *address*; any alignment.

        Raises OSError when a unit in the range cannot be read (double ECC error). After a cut,
        a unit may read differently from one time to the next.
        """

    def program(self, address: int, data: bytes) -> None:
        """Program whole units in ascending order; *address* and ``len(data)`` are unit multiples.

        Raises OSError when a unit is not virgin or fails; the units before it are done.
        A cut leaves the units before it done, those after it untouched, and the one that was
        being programmed in any state: untouched, partly programmed, unreadable, blank to the
        reader and yet not programmable, complete, or complete and weak.
        """

    def erase(self, address: int) -> None:
        """Erase the sector that starts at *address*; all of it reads 0xFF afterwards.

        Raises OSError when the device reports a failure. A cut leaves every unit of the sector
        in any state, reads of 0xFF included; only an erase that completes makes it virgin.
        """


class BankSwitch(Protocol):
    """Which bank the CPU sees at ``geometry.base``; or whose image it has at the address where
    images run."""

    @property
    def mapped_bank(self) -> int:
        """Physical bank at the base address: 0 or 1. Always 0 where banks are not exchanged."""

    @property
    def maps_at_once(self) -> bool:
        """Whether ``map_bank`` has done it all when it returns; else it takes a reset."""

    def map_bank(self, bank: int) -> None:
        """Let the CPU see *bank* at the base address, the other one behind it.

        Run-time alias (FB_MODE): takes effect at once, writes no flash and is gone at the next
        reset, after which bank 0 is mapped. Option: one operation that can be cut; it counts from
        the next reset or option load on, and stays. What a cut leaves of it is the family's: the
        old mapping or the new one, or a chip that is locked. Copy: see ``install.Installer``.
        Raises OSError, or VerificationFailed of the copy, when it cannot be done.
        """
