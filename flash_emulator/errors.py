"""What the controller and the bus report; all ``OSError``: the operation did not do its work."""

from __future__ import annotations


class FlashError(OSError):
    """*flag* is the status flag or fault as the reference manual names it."""

    def __init__(self, flag: str, reason: str, address: int) -> None:
        self.flag = flag
        self.address = address
        place = f"0x{address >> 16:04X}_{address & 0xFFFF:04X}"
        super().__init__(f"{flag}: {reason} at {place}")


class ProgramError(FlashError):
    """The unit is not erased and the rule of the family does not let it be programmed."""


class WriteProtected(FlashError):
    """WRPERR: the sector is protected. Nothing was done."""


class ReadProtected(FlashError):
    """RDERR: the area may be executed, not read."""


class BusyError(FlashError):
    """An operation is under way, and this part does not queue another one."""


class UnreadableUnit(FlashError):
    """A double ECC error."""


class EccNmi(UnreadableUnit):
    """L4, L5, G0, G4, WB, U5, H5: the read raises an NMI."""


class BusFault(UnreadableUnit):
    """H7: the read ends in a bus fault."""


class AlignmentError(ValueError):
    """An address or a size that no such operation can have (PGAERR, SIZERR, outside the array)."""


class EnduranceWarning(UserWarning):
    """A sector was erased more often than the datasheet guarantees. Said once for each sector."""


class UnknownTiming(ValueError):
    """Somebody asks for time, and no document says how long the operation takes."""


class OutsideKey(BaseException):
    """A boot of a search reads what the search does not tell states apart by.

    No error of the device: an answer would make the search unsound, so it ends it.
    """


class UnknownContent(BaseException):
    """Somebody looked at, or programmed, a unit of which nothing is assumed (``forget``).

    No error of the device: it tells whoever called ``forget`` that the content matters. *offset*
    and *size* are what was looked at, in the array, in bytes; *wanted* is what a unit was compared
    with, and where in it that begins.
    """

    def __init__(self, offset: int, size: int, wanted: tuple[int, bytes] | None = None) -> None:
        self.offset = offset
        self.size = size
        self.wanted = wanted
        super().__init__(f"unknown content matters: {size} bytes at offset 0x{offset:X}")

    def __reduce__(self) -> tuple[type[UnknownContent], tuple[object, ...]]:
        return UnknownContent, (self.offset, self.size, self.wanted)
