"""Flash as the core sees it: Protocols, and how to compare by what a device can do.

The power-loss contract stands in the docstrings.

Addresses are those that the CPU uses *now*: the mapped bank at ``geometry.base``, the other one
behind it. All sizes are in bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, Protocol, cast

_CHUNK: Final = 16 * 1024  # bytes read at a time while a digest is taken


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


class ComparingFlash(FlashDevice, Protocol):
    """A FlashDevice that compares where the data is, with no need to hand them over.

    The answers are those that ``read`` would lead to, errors included.
    """

    def sha256(self, address: int, size: int) -> bytes:
        """Of *size* bytes from *address*. Raises OSError when a unit cannot be read."""

    def match(self, address: int, expected: bytes) -> int:
        """How many bytes from *address* on read as *expected*, up to a unit that does not.

        A unit that cannot be read holds nothing; none behind the first that differs is looked at.
        """


@lru_cache(maxsize=64)  # asked at every step of a boot
def _compares(kind: type) -> bool:
    return hasattr(kind, "sha256") and hasattr(kind, "match")


def comparing(device: FlashDevice) -> ComparingFlash | None:
    """*device*, where it can do more than read; None where it cannot."""
    return cast("ComparingFlash", device) if _compares(type(device)) else None


def sha256_of(device: FlashDevice, address: int, size: int) -> bytes:
    """As ``ComparingFlash.sha256``, by whatever *device* can do."""
    own = comparing(device)
    if own is not None:
        return own.sha256(address, size)
    digest = hashlib.sha256()
    for offset in range(0, size, _CHUNK):
        digest.update(device.read(address + offset, min(_CHUNK, size - offset)))
    return digest.digest()


def match_of(device: FlashDevice, address: int, expected: bytes) -> int:
    """As ``ComparingFlash.match``, by whatever *device* can do."""
    own = comparing(device)
    if own is not None:
        return own.match(address, expected)
    unit, base, done = device.geometry.program_unit, device.geometry.base, 0
    while done < len(expected):
        size = min(unit - (address - base + done) % unit, len(expected) - done)
        try:
            held = device.read(address + done, size)
        except OSError:
            break
        if held != expected[done : done + size]:
            break
        done += size
    return done


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
        Raises OSError, or VerificationFailed or ImageRejected of the copy, when it cannot be done.
        """
