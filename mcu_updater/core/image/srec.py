"""Motorola S-records, read strictly: .s19 (S1), .s28 (S2), .s37 (S3), .srec, .mot.

Source: Motorola, "M68000 Family Programmer's Reference Manual", M68000PM/AD, appendix C.

    S  T  LL  address (2, 3 or 4 bytes)  data  CC
       |  |                                    sum of all bytes is FF modulo 256
       |  number of bytes that follow, address and checksum included
       record type, see RECORDS

The readers in common use take a file without terminator, one whose count record says otherwise,
and one that goes on after its end. Here all of that is refused. A count record that is last and
right shows as well as a terminator that nothing is missing: srec_cat and bincopy write no other end
where there is no start address. Each record may have an address of its own width, the shortest that
will do, as srec_cat writes them: no record says less for it. A record that begins below 64 KiB may
end above: srec_cat writes such ones, and all readers go on there.

Why the record syntax is not left to bincopy: see ``records``.
"""

from __future__ import annotations

import struct
from binascii import unhexlify
from enum import Enum, auto
from typing import ClassVar, Final, NamedTuple, NoReturn, Self

from mcu_updater.core.errors import address_text
from mcu_updater.core.image.allow import STRICT, Allow, Allowed
from mcu_updater.core.image.extent import Extent
from mcu_updater.core.image.records import RecordDecoder, Syntax, refuse_bad_text
from mcu_updater.core.image.runs import Form, Run, joined_run


class Role(Enum):
    """What a record is for."""

    HEADER = auto()
    DATA = auto()
    COUNT = auto()
    END = auto()


class Shape(NamedTuple):
    """How a record type is built. *width* is that of its address or count field, in bytes."""

    role: Role
    width: int


RECORDS: Final = {
    ord("0"): Shape(Role.HEADER, 2),
    ord("1"): Shape(Role.DATA, 2),
    ord("2"): Shape(Role.DATA, 3),
    ord("3"): Shape(Role.DATA, 4),
    # S4 is reserved
    ord("5"): Shape(Role.COUNT, 2),
    ord("6"): Shape(Role.COUNT, 3),
    ord("7"): Shape(Role.END, 4),
    ord("8"): Shape(Role.END, 3),
    ord("9"): Shape(Role.END, 2),
}

_DATA_OF_WIDTH: Final = {2: "S1", 3: "S2", 4: "S3"}
_FORM_OF_DATA: Final = {
    mark + name[1:].encode(): Form(
        mark=mark,
        kind=int(name[1:]),
        uncounted=2,
        width=width,
        head=2 + width,
        good_sum=0xFF + int(name[1:]),
    )
    for width, name in _DATA_OF_WIDTH.items()
    for mark in (b"S", b"s")
}
_END_OF_WIDTH: Final = {2: "S9", 3: "S8", 4: "S7"}

_MARKS: Final = frozenset(b"Ss")
_SHORTEST: Final = 4  # bytes in a record: length, a 2-byte address, checksum

_ADDRESS_SPACE: Final = 1 << 32

_TYPE_COLUMN: Final = 2
_LENGTH_COLUMN: Final = 3
_FIELD_COLUMN: Final = 5

# format code, line, widest address or 0, data records, data seen, flags, ended, entry given,
# entry; the incomplete last line follows.
_STATE: Final = struct.Struct("<BQBQ?B??I")
_STARTED: Final = 1  # flags: a record that holds no data was seen
_COUNTED: Final = 2  # the last record is a count, and right
_MIXED: Final = 4  # data records have addresses of several widths


class SrecDecoder(RecordDecoder):
    """S0 to S9 but S4, addresses of any widths. S and digits in either case."""

    CODE: Final = 3
    SYNTAX: ClassVar[Syntax] = Syntax(
        name="S-record",
        mark=b"S",
        length_at=2,
        shortest=_SHORTEST,
        uncounted=1,
        good_sum=0xFF,
        end="S7, S8 or S9 terminator",
    )

    def __init__(self, allow: Allowed = STRICT) -> None:
        super().__init__(allow)
        self._width = 0  # of the widest address of a data record, in bytes; 0 before the first
        self._data_records = 0
        self._started = False  # a record that holds no data was seen
        self._counted = False  # the last record is a count, and right
        self._mixed = False  # data records have addresses of several widths

    def _take_run(self, text: bytes, pitch: int) -> Run | None:
        form = _FORM_OF_DATA.get(text[:2])
        run = joined_run(text, pitch, form) if form else None
        if run is None or form is None:
            return None
        if form.width != self._width:
            self._set_width(form.width)
        self._data_records += len(text) // pitch
        self._counted = False
        self._has_data = True
        return run

    def _take_each(self, lines: list[bytes], number: int) -> list[Extent]:
        extents = []
        data = Role.DATA
        for at, line in enumerate(lines, number):
            if not line:
                continue
            if self._ignores_rest:
                break
            self._line = at
            try:
                record = unhexlify(line[2:])
            except ValueError:
                record = b""
            length = len(record) - 1
            if length < _SHORTEST - 1 or record[0] != length or sum(record) & 0xFF != 0xFF:
                self._refuse(line)
            if line[0] not in _MARKS or self._ended:
                self._refuse(line)
            role, width = RECORDS.get(line[1]) or self._refuse_type(line)
            size = length - 1 - width
            if size < 0:
                self._refuse_length(f"at least {width + 1}", length)
            field = int.from_bytes(record[1 : 1 + width], "big")
            if role is not data:
                self._take_other(role, width, field, size)
                continue
            if width != self._width:
                self._set_width(width)
            if field + size > _ADDRESS_SPACE:
                self._refuse_wrap(field, size)
            self._data_records += 1
            self._counted = False
            if size:
                self._has_data = True
                extents.append(Extent(field, record[1 + width : -1], at))
        return extents

    def _take_other(self, role: Role, width: int, field: int, size: int) -> None:
        """A record that holds no data of the image."""
        was_counted, self._counted = self._counted, False
        if role is Role.HEADER:
            self._header()
        elif size:
            self._refuse_length(str(width + 1), width + 1 + size)
        elif role is Role.COUNT:
            self._count(field)
        else:
            self._end(width, field, was_counted)
        self._started = True

    def _header(self) -> None:
        if (self._started or self._data_records) and Allow.HEADERS not in self._allow:
            raise self._rejected(
                "header is not the first record",
                _TYPE_COLUMN,
                "S0 only as first record",
                "S0",
                Allow.HEADERS,
            )

    def _count(self, count: int) -> None:
        self._counted = count == self._data_records
        if not self._counted and Allow.COUNT not in self._allow:
            raise self._rejected(
                "count record does not match",
                _FIELD_COLUMN,
                f"{self._data_records} data records, as many as came before it",
                str(count),
                Allow.COUNT,
            )

    @property
    def _is_whole(self) -> bool:
        return self._has_data and self._counted

    def _end(self, width: int, entry: int, was_counted: bool) -> None:
        """*was_counted*: nothing is missing, so an end of another width is no sign of that."""
        if not self._has_data:
            raise self._rejected(
                "image holds no data", 1, "data records before the terminator", "none"
            )
        is_told = was_counted or self._mixed or width == self._width
        if not is_told and Allow.TERMINATOR not in self._allow:
            raise self._rejected(
                "terminator does not match the data records",
                _TYPE_COLUMN,
                f"{_END_OF_WIDTH[self._width]} after {_DATA_OF_WIDTH[self._width]}",
                _END_OF_WIDTH[width],
                Allow.TERMINATOR,
            )
        self._ended = True
        self.entry = entry

    def _set_width(self, width: int) -> None:
        self._mixed = self._mixed or self._width != 0
        self._width = max(self._width, width)

    def _refuse_type(self, line: bytes) -> NoReturn:
        refuse_bad_text(line, self._line, self.SYNTAX)
        found = ascii(line[:2].decode("latin-1"))
        raise self._rejected("unknown record type", _TYPE_COLUMN, "S0 to S3 or S5 to S9", found)

    def _refuse_length(self, expected: str, found: int) -> NoReturn:
        raise self._rejected("record has the wrong length", _LENGTH_COLUMN, expected, str(found))

    def _refuse_wrap(self, address: int, size: int) -> NoReturn:
        room = _ADDRESS_SPACE - address
        raise self._rejected(
            "record runs past 4 GiB",
            _FIELD_COLUMN,
            f"at most {room} bytes at {address_text(address)}",
            str(size),
        )

    def state(self) -> bytes:
        """All that the decoder knows, the incomplete last line included; at most 541 bytes."""
        head = _STATE.pack(
            self.CODE,
            self._line,
            self._width,
            self._data_records,
            self._has_data,
            _STARTED * self._started | _COUNTED * self._counted | _MIXED * self._mixed,
            self._ended,
            self.entry is not None,
            self.entry or 0,
        )
        return head + self._carry

    @classmethod
    def restore(cls, state: bytes) -> Self:
        """The decoder that gave *state*. Raises ValueError when no S-record decoder did."""
        if len(state) < _STATE.size or state[0] != cls.CODE:
            raise ValueError(f"not the state of an S-record decoder: {state.hex()}")
        decoder = cls()
        _, line, width, count, has_data, flags, ended, has_entry, entry = _STATE.unpack_from(state)
        decoder._line = line
        decoder._width = width
        decoder._data_records = count
        decoder._has_data = has_data
        decoder._started = bool(flags & _STARTED)
        decoder._counted = bool(flags & _COUNTED)
        decoder._mixed = bool(flags & _MIXED)
        decoder._ended = ended
        decoder.entry = entry if has_entry else None
        decoder._carry = bytes(state[_STATE.size :])
        return decoder
