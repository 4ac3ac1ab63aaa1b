"""The address space as the ROM sees it: what can be read, written, run and erased.

Protected sectors are passed over without a word, as AN2662 has it: "No error is returned when
performing write/erase operations on write protected sectors".
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from flash_emulator.bootrom.model import RomModel
from flash_emulator.bootrom.numbers import Pieces, pieces_of, runs_of
from flash_emulator.bootrom.option_area import OptionArea
from flash_emulator.device.flash import EmulatedFlash
from flash_emulator.errors import WriteProtected
from flash_emulator.parts.part import Part
from flash_emulator.parts.part_model import OptionRole

_FF = 0xFF
_F1_LAST_CODE = 31  # of WRP3, bit 7


class Unreachable(Exception):
    """A range that leaves its area, or lies in none."""


class Memory:
    """Flash, RAM, option bytes and identity of one chip."""

    def __init__(self, device: EmulatedFlash, model: RomModel, uid: bytes) -> None:
        self.device = device
        self.uid = uid
        self.options = OptionArea(device)
        self._model = model
        self._ram = [(span, bytearray(len(span))) for span in model.ram]
        self._fixed = self._identity()
        self._number(device.part)
        self.is_empty = False
        self.look_for_program()

    # --- power and reset

    def power_on(self) -> None:
        for _, content in self._ram:
            content[:] = bytes(len(content))
        self.look_for_program()

    def look_for_program(self) -> None:
        """At power-on and option load: the flash-empty flag is the first word, and stays."""
        base = self.device.part.base
        self.is_empty = self.device.match(base, b"\xff\xff\xff\xff") == 4

    @property
    def readout_level(self) -> int:
        return self.options.readout_level

    # --- what lies where

    def is_flash(self, address: int) -> bool:
        return self.device.part.offset_of(address) is not None

    def is_option(self, address: int) -> bool:
        return self.options.holds(address)

    def can_read(self, address: int) -> bool:
        return self._area(address) is not None

    def can_write(self, address: int) -> bool:
        """ROM's own RAM is none of the host's; option bytes only from their start."""
        if self.is_option(address):
            return self.options.starts_at(address)
        return self.is_flash(address) or self._free_ram(address)

    def can_run(self, address: int) -> bool:
        return self.is_flash(address) or self._free_ram(address)

    def _free_ram(self, address: int) -> bool:
        return any(address in span for span, _ in self._ram) and not any(
            address in span for span in self._model.ram_reserved
        )

    def _area(self, address: int) -> range | None:
        areas = [
            *self._flash_runs(),
            *(span for span, _ in self._ram),
            *self.options.areas,
            *self._fixed,
        ]
        return next((area for area in areas if address in area), None)

    # --- reading

    def read(self, address: int, size: int) -> bytes:
        """Raises the device's errors, and Unreachable where the range leaves its area."""
        area = self._area(address)
        if area is None or address + size > area.stop:
            raise Unreachable
        if self.is_flash(address):
            return self._read_flash(address, size)
        if self.is_option(address):
            return self.options.read(address, size)
        for span, content in self._ram:
            if span == area:
                return bytes(content[address - span.start :][:size])
        return self._fixed[area][address - area.start :][:size]

    def _read_flash(self, address: int, size: int) -> bytes:
        """Banks may be swapped: a range across their border is two."""
        left = self._left_of_bank(address)
        if size <= left:
            return self.device.read(address, size)
        first = self.device.read(address, left)
        return first + self._read_flash(address + left, size - left)

    def _identity(self) -> dict[range, bytes]:
        """What is only read: UID and flash size, each with its 256 bytes around; OTP; the ROM."""
        identity = self.device.part.identity
        pages: dict[int, bytearray] = {}

        def put(address: int | None, data: bytes) -> None:
            for at, byte in enumerate(data, address or 0):
                if address is not None:
                    pages.setdefault(at & ~_FF, bytearray(b"\xff" * 256))[at & _FF] = byte

        put(identity.uid, self.uid)
        put(identity.flash_size_reg, (self.device.part.size >> 10).to_bytes(2, "little"))
        found = {range(start, start + 256): bytes(page) for start, page in pages.items()}
        for span in (identity.otp, identity.system_memory):
            if span is not None:
                found[span] = b"\xff" * len(span)
        return found

    # --- writing

    def write(self, address: int, data: bytes, *, pad: bool) -> None:
        """Program flash or fill RAM. Raises ProgramError, and Unreachable as ``read``."""
        area = self._area(address)
        if area is None or address + len(data) > area.stop:
            raise Unreachable
        if not self.is_flash(address):
            self._write_ram(address, data)
            return
        unit = self.device.part.program_unit
        if address % unit:
            if not pad:
                return
            data = b"\xff" * (address % unit) + data
            address -= address % unit
        tail = len(data) % unit
        if tail:
            data = data + b"\xff" * (unit - tail) if pad else data[: len(data) - tail]
        self._program(address, data)

    def _program(self, address: int, data: bytes) -> None:
        while data:
            left = self._left_of_sector(address)
            with suppress(WriteProtected):
                self.device.program(address, data[:left])
            address, data = address + left, data[left:]

    def _left_of_bank(self, address: int) -> int:
        part = self.device.part
        offset = part.offset_of(address)
        assert offset is not None, "whoever asks has looked that it is flash"
        return part.bank_size - offset % part.bank_size

    def _left_of_sector(self, address: int) -> int:
        """Bytes from *address* to the end of its sector: protection goes by sectors."""
        piece = next(piece for piece in self.pieces.values() if address in piece)
        return piece.stop - address

    def _write_ram(self, address: int, data: bytes) -> None:
        for span, content in self._ram:
            if address in span:
                content[address - span.start : address - span.start + len(data)] = data

    # --- erasing

    @property
    def pieces(self) -> Pieces:
        """Of the part that the chip is now: an option may have made two banks of one."""
        self._follow_part()
        return self._pieces

    def _flash_runs(self) -> list[range]:
        self._follow_part()
        return self._runs

    def _follow_part(self) -> None:
        if self._numbered is not self.device.part:
            self._number(self.device.part)

    def _number(self, part: Part) -> None:
        self._numbered, self._pieces = part, pieces_of(part)
        self._runs = runs_of(self._pieces.values())

    def erase_pages(self, numbers: Iterable[int]) -> None:
        """By the ROM's own numbers, in the order given."""
        for number in numbers:
            with suppress(WriteProtected):
                self.device.erase(self._mapped(self.pieces[number].start))

    def _mapped(self, address: int) -> int:
        """CPU address of a page that the ROM names by bank and number, as its part does."""
        part = self.device.part
        offset = part.offset_of(address)
        assert offset is not None, "pieces are the sectors of the part"
        number, within = divmod(offset, part.bank_size)
        bank = self.device.named_bank(number, part.sector_erase_bank)
        return part.address_of((bank ^ self.device.mapped_bank) * part.bank_size + within)

    def erase_bank(self, bank: int) -> None:
        """ST's bank *bank* + 1."""
        select = self.device.part.bank_erase_bank
        with suppress(WriteProtected):
            self.device.erase_bank(self.device.named_bank(bank, select))

    def erase_all(self) -> None:
        with suppress(WriteProtected):
            self.device.erase_all()

    # --- options and protection

    def write_options(self, address: int, data: bytes) -> None:
        self.options.write(address, data)

    def protect(self, codes: Iterable[int]) -> None:
        """Sector codes of Write Protect. What was protected before is protected no more; codes
        beyond the last sector are not checked (AN3155 3.9). F1: code 31 covers all that is left."""
        per_code, pieces = self._model.wrp_sectors, self.pieces
        wanted: set[int] = set()
        for code in codes:
            last = per_code > 1 and code == _F1_LAST_CODE
            end = max(pieces) + 1 if last else (code + 1) * per_code
            wanted.update(n for n in range(code * per_code, end) if n in pieces)
        self.device.options.unprotect_sectors()
        self.device.protect_sectors(*(self._mapped(pieces[number].start) for number in wanted))

    def unprotect(self) -> None:
        self.device.options.unprotect_sectors()
        roles = self.device.part.options.fields.items()
        names = [name for name, f in roles if f.role is OptionRole.WRITE_PROTECTION]
        if names:
            self.device.program_options(**dict.fromkeys(names, 0))

    def protect_readout(self) -> None:
        self.options.protect_readout()

    def unprotect_readout(self) -> None:
        """Erases everything; also where nothing was protected."""
        self.options.unprotect_readout()
        self.power_on()
