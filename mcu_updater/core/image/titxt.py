"""TI-TXT, read strictly.

Source: Texas Instruments, "MSP430 Assembly Language Tools", SLAU131, section "TI-TXT hex format".

    @8000                                              section: its address, 2 to 8 hex digits
    31 40 00 03 B2 40 80 5A 20 01 D2 D3 22 00 D2 E3    1 to 16 bytes of two digits, a blank between
    q                                                  end of the file

There is no checksum and no length: a line that lost bytes at its end looks like one that has
fewer. So a line of fewer than 16 bytes is taken only where a section ends, which is where TI's
tools write one. TI's own files carry a blank behind the last byte of a line, and end with q or Q.
"""

from __future__ import annotations

import re
import struct
from binascii import unhexlify
from typing import ClassVar, Final, NoReturn, Self

from mcu_updater.core.errors import ImageRejected, address_text
from mcu_updater.core.image.allow import STRICT, Allow, Allowed
from mcu_updater.core.image.extent import Extent
from mcu_updater.core.image.records import LineDecoder, at, refuse_byte_order_mark, rule_of
from mcu_updater.core.image.runs import Run

BYTES_OF_LINE: Final = 16
_FULL: Final = 3 * BYTES_OF_LINE - 1  # characters of a full line
_ADDRESS_SPACE: Final = 1 << 32
_SECTION = re.compile(rb"@[0-9A-Fa-f]{2,8}")
_DATA = re.compile(rb"[0-9A-Fa-f]{2}(?: [0-9A-Fa-f]{2}){0,15} ?")
_ENDS = (b"q", b"Q")

# format code, line, next address, inside a section, last line was short, data seen, ended; the
# incomplete last line follows.
_STATE: Final = struct.Struct("<BQQ????")


class TiTxtDecoder(LineDecoder):
    """Sections of bytes, any order; digits and q in either case."""

    CODE: Final = 4
    LONGEST: ClassVar[int] = _FULL + 1
    END: ClassVar[str] = "q line"

    def __init__(self, allow: Allowed = STRICT) -> None:
        super().__init__(allow)
        self._address = 0  # of the next byte
        self._in_section = False
        self._short = False  # the last line had fewer than 16 bytes: the section must end

    def _take_run(self, text: bytes, pitch: int) -> Run | None:
        size = BYTES_OF_LINE * (len(text) // pitch)
        if (
            pitch - 1 not in (_FULL, _FULL + 1)
            or not self._in_section
            or self._short
            or self._address + size > _ADDRESS_SPACE
        ):
            return None
        digits = bytearray(text)
        if pitch - 1 == _FULL:
            digits[_FULL::pitch] = b" " * (len(text) // pitch)
        else:
            del digits[_FULL + 1 :: pitch]
        if digits[2::3] != b" " * size:
            return None
        del digits[2::3]
        try:
            data = unhexlify(digits)
        except ValueError:
            return None
        address = self._address
        self._address += size
        self._has_data = True
        return address, data

    def _take_each(self, lines: list[bytes], number: int) -> list[Extent]:
        extents = []
        for line_number, line in enumerate(lines, number):
            if not line:
                continue
            if self._ignores_rest:
                break
            self._line = line_number
            if self._ended:
                self._refuse(line)
            if line in _ENDS:
                self._end()
            elif _SECTION.fullmatch(line):
                self._address = int(line[1:], 16)
                self._in_section, self._short = True, False
            elif _DATA.fullmatch(line):
                extents.append(self._data(line))
            else:
                self._refuse(line)
        return extents

    def _data(self, line: bytes) -> Extent:
        if not self._in_section:
            raise self._rejected("data before the first section", 1, "@ and an address", "data")
        data = unhexlify(line.replace(b" ", b""))
        if self._short:
            raise self._rejected(
                "line before this one is short",
                1,
                f"{BYTES_OF_LINE} bytes on every line but the last of a section",
                "more data",
            )
        if self._address + len(data) > _ADDRESS_SPACE:
            raise self._rejected(
                "data run past 4 GiB",
                1,
                f"at most {_ADDRESS_SPACE - self._address} bytes at {address_text(self._address)}",
                str(len(data)),
            )
        extent = Extent(self._address, data, self._line)
        self._address += len(data)
        self._short = len(data) < BYTES_OF_LINE
        self._has_data = True
        return extent

    def _end(self) -> None:
        if not self._has_data:
            raise self._rejected("image holds no data", 1, "data before the q line", "none")
        self._ended = True

    def _explain(self, line: bytes, number: int) -> NoReturn:
        if number == 1:
            refuse_byte_order_mark(line)
        rule = rule_of(line)
        if len(line) > self.LONGEST:
            column, expected = self.LONGEST + 1, f"at most {_FULL} characters and a blank"
            what, found = "line is too long", "more"
        elif line.startswith(b"@"):
            what, column, expected = "section has no address", 2, "2 to 8 hex digits"
            found = ascii(line[1:].decode("latin-1"))
        else:
            what, expected = "line is no TI-TXT line", "@address, bytes such as '0A 1B', or q"
            column = _first_fault(line)
            found = (
                ascii(line[column - 1 : column].decode("latin-1"))
                if line[column - 1 :]
                else ("end of the line")
            )
            if line[column - 1 : column] == b"\r":
                rule = Allow.CR
        raise ImageRejected(
            what, where=at(number, column), expected=expected, found=found, rule=rule
        )

    def state(self) -> bytes:
        """All that the decoder knows, the incomplete last line included; at most 69 bytes."""
        head = _STATE.pack(
            self.CODE,
            self._line,
            self._address,
            self._in_section,
            self._short,
            self._has_data,
            self._ended,
        )
        return head + self._carry

    @classmethod
    def restore(cls, state: bytes) -> Self:
        """The decoder that gave *state*. Raises ValueError when no TI-TXT decoder did."""
        if len(state) < _STATE.size or state[0] != cls.CODE:
            raise ValueError(f"not the state of a TI-TXT decoder: {state.hex()}")
        decoder = cls()
        _, line, address, in_section, short, has_data, ended = _STATE.unpack_from(state)
        decoder._line = line
        decoder._address = address
        decoder._in_section = in_section
        decoder._short = short
        decoder._has_data = has_data
        decoder._ended = ended
        decoder._carry = bytes(state[_STATE.size :])
        return decoder


def _first_fault(line: bytes) -> int:
    """Column of the first character that fits no data line; behind the last if one is missing."""
    for index, byte in enumerate(line):
        is_good = byte == ord(" ") if index % 3 == 2 else byte in b"0123456789abcdefABCDEF"
        if not is_good:
            return index + 1
    return len(line) + 1
