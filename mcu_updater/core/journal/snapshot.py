"""What a snapshot says of a slot, and the versions of the format that can say it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from mcu_updater.core.image_version import NO_FLOOR, SecurityVersion

FORMAT_VERSION = 2
SIGNED_FORMAT_VERSION = 3
"""Of a header that says more than version 2 can, mostly of signed images; written only there."""

COMPONENT_SIZE = 32  # bytes at most; the module's limits
VERSION_SIZE = 64


class Phase(IntEnum):
    """How far the slot's image has come. The value is what stands in the header."""

    EMPTY = 0  # no journal can be read: nothing is known of the slot
    PLANNED = 1  # a plan is accepted, or about to be
    LOADING = 2  # the package is known; sectors are being written
    VERIFIED = 3  # the whole image was verified from flash
    TRIAL = 4  # the boot has been switched to it: VERIFIED and Record.SWITCHED; in no header
    CONFIRMED = 5  # it has passed its trial
    FAILED = 6  # it will not be booted; ``reason`` says why


IN_PROGRESS = frozenset({Phase.PLANNED, Phase.LOADING, Phase.VERIFIED})
"""Phases in which no version may be reported: to the module it would be the verdict."""


class Reason(IntEnum):
    """Why a slot is FAILED."""

    NONE = 0
    PACKAGE_DIGEST = 1  # MD5 or SHA-256 of the package is wrong
    IMAGE = 2  # the image breaks a rule of its format, or does not fit the slot
    FLASH = 3  # flash does not hold what was written
    SELF_TEST = 4  # the image itself said no
    ATTEMPTS = 5  # the trial was never confirmed
    NOT_INTACT = 6  # the image in flash no longer has its digest
    UNTRUSTED = 7  # no signature that counts here, or an image for another device or version
    ROLLED_BACK = 8  # signed, and older than the rollback floor
    OTHER_BASE = 9  # a delta package for another image than the one that runs


_LATER_REASONS = frozenset({Reason.UNTRUSTED, Reason.ROLLED_BACK, Reason.OTHER_BASE})


@dataclass(frozen=True, slots=True)
class Package:
    """What 10701 says of the package. *length* in bytes, digests raw."""

    length: int
    md5: bytes
    sha256: bytes


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One header, and the checkpoint and the records that were written with it or since."""

    phase: Phase
    generation: int  # one more than the other slot's when this image was planned
    component: str
    version: str  # the version that the image will report
    reason: Reason = Reason.NONE
    package: Package | None = None  # LOADING and later
    image_size: int = 0  # VERIFIED and later; bytes from the slot's start
    image_sha256: bytes = bytes(32)
    piece_start: int = 0  # LOADING: the package offset that the checkpoint belongs to
    sectors_done: int = 0  # LOADING: sectors [0, n) are written and verified: what records say
    checkpoint: bytes = b""  # LOADING: the loader's state at piece_start, empty at 0
    security_version: SecurityVersion | None = (
        None  # VERIFIED and later, of an image whose signature was verified
    )
    floor: SecurityVersion = (
        NO_FLOOR  # the highest of all images that this device had confirmed by then
    )

    @property
    def format_version(self) -> int:
        """The oldest in which all of this can be said."""
        plain = self.security_version is None and self.floor == NO_FLOOR
        return (
            FORMAT_VERSION if plain and self.reason not in _LATER_REASONS else SIGNED_FORMAT_VERSION
        )
