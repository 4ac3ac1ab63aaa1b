"""Intel HEX, read strictly.

Source: Intel, "Hexadecimal Object File Format Specification", revision A, 6 January 1988.

    :  LL  AAAA  TT  data (LL bytes)  CC
       |   |     |                    sum of all bytes is 0 modulo 256
       |   |     record type, see RECORDS
       |   16-bit load offset, big endian
       number of data bytes

The readers in common use are lenient in different ways: some take a file without end record,
which is what a truncated download looks like, some merge what follows it, and they disagree on
where a record goes that crosses 64 KiB. Here all of that is refused. A base of type 02 and one of
type 04 are added by some and replace each other for others; where the one before is zero, both come
to the same.

Why the record syntax is not left to bincopy: see ``records``.
"""

from __future__ import annotations

import struct
from binascii import unhexlify
from enum import IntEnum
from typing import ClassVar, Final, NamedTuple, NoReturn, Self

from mcu_updater.core.errors import address_text
from mcu_updater.core.image.allow import STRICT, Allow, Allowed
from mcu_updater.core.image.extent import Extent
from mcu_updater.core.image.records import RecordDecoder, Syntax
from mcu_updater.core.image.runs import Form, Run, joined_run


class RecordType(IntEnum):
    """The TT field."""

    DATA = 0
    END = 1
    SEGMENT = 2
    START_SEGMENT = 3
    LINEAR = 4
    START_LINEAR = 5


class Shape(NamedTuple):
    """What a record other than data must look like; its address field is always zero."""

    name: str
    length: int  # data bytes


RECORDS: Final[dict[int, Shape]] = {
    RecordType.END: Shape("end-of-file record", 0),
    RecordType.SEGMENT: Shape("extended segment address record", 2),
    RecordType.START_SEGMENT: Shape("start segment address record", 4),
    RecordType.LINEAR: Shape("extended linear address record", 2),
    RecordType.START_LINEAR: Shape("start linear address record", 4),
}

_UNIVERSAL: Final = frozenset(range(0x0A, 0x0F))
"""Types of the universal HEX of several boards ("micro:bit Universal Hex Format Specification")."""

_COLON: Final = ord(":")
_AROUND_DATA: Final = 5  # bytes of a record that are not data
_DATA_FORM: Final = Form(mark=b":", kind=None, uncounted=_AROUND_DATA, width=2, head=4, good_sum=0)
_WINDOW: Final = 0x1_0000  # bytes that the load offset can address
_LAST_WINDOW: Final = 0xFFFF_0000  # base of the last window below 4 GiB
_SPACE: Final = 1 << 32

_LENGTH_COLUMN: Final = 2
_ADDRESS_COLUMN: Final = 4
_TYPE_COLUMN: Final = 8
_DATA_COLUMN: Final = 10

# format code, line, base, base's record type or 0, entry given, entry, data seen, ended; the
# incomplete last line follows.
_STATE: Final = struct.Struct("<BQIB?I??")


class HexDecoder(RecordDecoder):
    """Intel HEX types 00 to 05, any record width up to 255, upper or lower case digits."""

    CODE: Final = 2
    SYNTAX: ClassVar[Syntax] = Syntax(
        name="Intel HEX",
        mark=b":",
        length_at=1,
        shortest=_AROUND_DATA,
        uncounted=_AROUND_DATA,
        good_sum=0,
        end="end-of-file record",
    )

    def __init__(self, allow: Allowed = STRICT) -> None:
        super().__init__(allow)
        self._base = 0
        self._base_type = 0  # SEGMENT or LINEAR, whichever the file uses; 0 before the first

    def _take_run(self, text: bytes, pitch: int) -> Run | None:
        run = joined_run(text, pitch, _DATA_FORM)
        if run is None:
            return None
        self._has_data = True
        offset, data = run  # which end within the offsets, as ``_room`` does
        return self._base + offset, data

    def _take_each(self, lines: list[bytes], number: int) -> list[Extent]:
        extents = []
        room = self._room
        for at, line in enumerate(lines, number):
            if not line:
                continue
            if self._ignores_rest:
                break
            self._line = at
            try:
                record = unhexlify(line[1:])
            except ValueError:
                record = b""
            size = len(record) - _AROUND_DATA
            if size < 0 or record[0] != size or sum(record) & 0xFF:
                self._refuse(line)
            if line[0] != _COLON or self._ended:
                self._refuse(line)
            if record[3]:
                self._take_other(record)
                room = self._room
                continue
            offset = record[1] << 8 | record[2]
            if offset + size > room:
                self._refuse_wrap(offset, size)
            if size:
                self._has_data = True
                extents.append(Extent(self._base + offset, record[4:-1], at))
        return extents

    @property
    def _room(self) -> int:
        """Offsets that a record may reach: to the end of its window, or of the address space."""
        return _SPACE - self._base if Allow.WINDOW in self._allow else _WINDOW

    def _take_other(self, record: bytes) -> None:
        kind = self._checked_kind(record)
        value = int.from_bytes(record[4:-1], "big")
        match kind:
            case RecordType.END:
                self._end()
            case RecordType.SEGMENT:
                self._set_base(kind, value << 4)
            case RecordType.LINEAR:
                self._set_base(kind, value << 16)
            case RecordType.START_SEGMENT:
                self._set_entry(((value >> 16) << 4) + (value & 0xFFFF))  # CS:IP
            case _:
                self._set_entry(value)

    def _checked_kind(self, record: bytes) -> int:
        """The type of a record other than data, after its shape was checked."""
        kind = record[3]
        shape = RECORDS.get(kind)
        if shape is None:
            self._refuse_type(kind)
        if record[0] != shape.length:
            raise self._rejected(
                f"{shape.name} has the wrong length",
                _LENGTH_COLUMN,
                f"{shape.length} data bytes",
                str(record[0]),
            )
        if record[1:3] != b"\0\0":
            if kind == RecordType.END and Allow.END_ADDRESS in self._allow:
                self._set_entry(int.from_bytes(record[1:3], "big"))
                return kind
            raise self._rejected(
                f"{shape.name} has an address",
                _ADDRESS_COLUMN,
                "0000",
                record[1:3].hex().upper(),
                Allow.END_ADDRESS if kind == RecordType.END else "",
            )
        return kind

    def _end(self) -> None:
        if not self._has_data:
            raise self._rejected(
                "image holds no data", 1, "data records before the end-of-file record", "none"
            )
        self._ended = True

    def _set_base(self, kind: int, base: int) -> None:
        """Segmented and linear addresses in one file: readers disagree on what that means, unless
        the one that was is zero, as objcopy makes it."""
        is_mixed = self._base_type not in (0, kind) and self._base != 0
        if is_mixed and Allow.MIXED not in self._allow:
            raise self._rejected(
                "segment and linear addresses are mixed",
                _TYPE_COLUMN,
                f"type {self._base_type:02X} throughout, or zero before another",
                f"type {kind:02X} while type {self._base_type:02X} says {address_text(self._base)}",
                Allow.MIXED,
            )
        self._base_type = kind
        self._base = base

    def _set_entry(self, entry: int) -> None:
        if self.entry == entry:
            return
        if self.entry is not None:
            if Allow.STARTS in self._allow:
                return
            raise self._rejected(
                "start address is given twice",
                _DATA_COLUMN,
                f"one, {address_text(self.entry)}",
                address_text(entry),
                Allow.STARTS,
            )
        self.entry = entry

    def _refuse_type(self, kind: int) -> NoReturn:
        if kind in _UNIVERSAL:
            raise self._rejected(
                "a universal HEX, which holds images of several boards",
                _TYPE_COLUMN,
                "the HEX of one board, types 00 to 05",
                f"type {kind:02X}",
            )
        raise self._rejected("unknown record type", _TYPE_COLUMN, "00 to 05", f"{kind:02X}")

    def _refuse_wrap(self, offset: int, length: int) -> NoReturn:
        room = self._room
        in_window = room == _WINDOW and self._base != _LAST_WINDOW
        raise self._rejected(
            "record runs past its 64 KiB window" if in_window else "record runs past 4 GiB",
            _ADDRESS_COLUMN,
            f"at most {room - offset} bytes at {address_text(self._base + offset)}",
            str(length),
            Allow.WINDOW if in_window else "",
        )

    def state(self) -> bytes:
        """All that the decoder knows, the incomplete last line included; at most 543 bytes."""
        head = _STATE.pack(
            self.CODE,
            self._line,
            self._base,
            self._base_type,
            self.entry is not None,
            self.entry or 0,
            self._has_data,
            self._ended,
        )
        return head + self._carry

    @classmethod
    def restore(cls, state: bytes) -> Self:
        """The decoder that gave *state*. Raises ValueError when no Intel HEX decoder did."""
        if len(state) < _STATE.size or state[0] != cls.CODE:
            raise ValueError(f"not the state of an Intel HEX decoder: {state.hex()}")
        _, line, base, base_type, has_entry, entry, has_data, ended = _STATE.unpack_from(state)
        decoder = cls()
        decoder._line = line
        decoder._base = base
        decoder._base_type = base_type
        decoder.entry = entry if has_entry else None
        decoder._has_data = has_data
        decoder._ended = ended
        decoder._carry = bytes(state[_STATE.size :])
        return decoder
