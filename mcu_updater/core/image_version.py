"""What a signature vouches for, beyond the bytes: a version and a security counter.

The version is that of MCUboot's header, ``major.minor.revision+build``. The counter is raised by
whoever signs when an older image must never run again, and only then.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from typing import Final, NamedTuple, Self

_TEXT: Final = re.compile(
    r"(0|[1-9][0-9]{0,2})\.(0|[1-9][0-9]{0,2})\.(0|[1-9][0-9]{0,4})(?:[-+._](0|[1-9][0-9]{0,9}))?"
)
_PACKED: Final = struct.Struct("<BBHI")
_LIMITS: Final = (0xFF, 0xFF, 0xFFFF, 0xFFFF_FFFF)


class Version(NamedTuple):
    """Compares number by number, the build last."""

    major: int = 0
    minor: int = 0
    revision: int = 0
    build: int = 0

    def __str__(self) -> str:
        text = f"{self.major}.{self.minor}.{self.revision}"
        return f"{text}+{self.build}" if self.build else text

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The version that *text* names; None where it names none.

        The build may follow behind ``+``, or ``-``, ``.``, ``_``: the module carries no ``+``.
        """
        found = _TEXT.fullmatch(text)
        if found is None:
            return None
        numbers = [int(digits or 0) for digits in found.groups()]
        if any(number > limit for number, limit in zip(numbers, _LIMITS, strict=True)):
            return None
        return cls(*numbers)

    def pack(self) -> bytes:
        """The eight bytes of MCUboot's header."""
        return _PACKED.pack(*self)

    @classmethod
    def unpack(cls, raw: bytes) -> Self:
        return cls(*_PACKED.unpack(raw))


_LOWEST: Final = Version()


@dataclass(frozen=True, slots=True)
class SecurityVersion:
    """Version and security counter: of one image, or the least that a device still takes."""

    version: Version = _LOWEST
    counter: int = 0

    def raised(self, other: SecurityVersion | None) -> SecurityVersion:
        """The higher of both, each number by itself."""
        if other is None:
            return self
        return SecurityVersion(max(self.version, other.version), max(self.counter, other.counter))

    def __str__(self) -> str:
        return f"version {self.version}, security counter {self.counter}"


NO_FLOOR: Final = SecurityVersion()
"""Of a device that has confirmed no signed image yet: any may come."""


def highest(security_versions: Iterable[SecurityVersion]) -> SecurityVersion:
    """Each number by itself; NO_FLOOR where there are none."""
    return reduce(SecurityVersion.raised, security_versions, NO_FLOOR)
