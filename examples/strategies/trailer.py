"""The trailer of a slot as MCUboot has it: one unit for each status and flag, the magic last.

    status ... | swap size | swap type | copy done | image ok | magic (16 bytes, whole units)

A flag is read by its first byte: erased is *unset*, 1 is *set*, all else is *bad*. Nothing guards a
read: where the ECC gives up, the CPU has its fault.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from examples.strategies.world import Stuck
from flash_emulator import EmulatedFlash

_MAGIC = bytes.fromhex("77c295f360d2ef7f3552500f2cb67980")
_ERASED = b"\xff"


class Flag(StrEnum):
    UNSET = "unset"
    SET = "set"
    BAD = "bad"


class Swap(StrEnum):
    NONE = "none"
    TEST = "test"
    PERMANENT = "permanent"
    REVERT = "revert"


_TYPES = {Swap.TEST: 2, Swap.PERMANENT: 3, Swap.REVERT: 4}
_FIELDS = ("swap size", "swap type", "copy done", "image ok")


@dataclass(frozen=True, slots=True)
class Trailer:
    """At the end of the sector at *sector*, of *size* bytes; *unit* are programmed at once."""

    sector: int
    size: int
    unit: int
    entries: int

    def erase(self, flash: EmulatedFlash) -> None:
        flash.erase(self.sector)

    def begin(self, flash: EmulatedFlash, swap: Swap, size: int, *, image_ok: bool) -> None:
        """Say what is going to be done; the magic last of all."""
        self._write(flash, "swap type", bytes([_TYPES[swap]]))
        if image_ok:
            self.set(flash, "image ok")
        self._write(flash, "swap size", size.to_bytes(4, "little"))
        self.write_magic(flash)

    def write_magic(self, flash: EmulatedFlash) -> None:
        flash.program(self._magic_at, self._magic)
        if flash.match(self._magic_at, self._magic) < len(self._magic):
            raise Stuck("the magic reads otherwise than it was written")

    def set(self, flash: EmulatedFlash, name: str) -> None:
        self._write(flash, name, b"\x01")

    def write_status(self, flash: EmulatedFlash, entry: int) -> None:
        self._program(flash, self._status(entry), b"\x01")

    # --- reading

    def magic(self, flash: EmulatedFlash) -> Flag:
        found = flash.read(self._magic_at, len(self._magic))
        if found == self._magic:
            return Flag.SET
        return Flag.UNSET if found == _ERASED * len(self._magic) else Flag.BAD

    def flag(self, flash: EmulatedFlash, name: str) -> Flag:
        found = flash.read(self._field(name), 1)
        if found == b"\x01":
            return Flag.SET
        return Flag.UNSET if found == _ERASED else Flag.BAD

    def swap(self, flash: EmulatedFlash) -> Swap:
        found = flash.read(self._field("swap type"), 1)
        return next((swap for swap, value in _TYPES.items() if found == bytes([value])), Swap.NONE)

    def done(self, flash: EmulatedFlash) -> tuple[int, bool]:
        """Entries up to the last one that is written, and whether there is a gap among them."""
        written = [flash.read(self._status(entry), 1) != _ERASED for entry in range(self.entries)]
        last = max((entry + 1 for entry, is_set in enumerate(written) if is_set), default=0)
        return last, not all(written[:last])

    # --- places

    def areas(self, name: str) -> dict[str, tuple[int, int]]:
        """Address and size of each field, by its name in the trailer that is called *name*."""
        named = {field: (self._field(field), self._room) for field in _FIELDS}
        entries = {"status": (self._status(0), self.entries * self.unit)} if self.entries else {}
        fields = {"magic": (self._magic_at, len(self._magic)), **named, **entries}
        ordered = {f"{field} of the {name}": place for field, place in fields.items()}
        return {**ordered, name: (self.sector, self.size)}

    @property
    def _magic(self) -> bytes:
        """Whole units."""
        return _MAGIC + _ERASED * (-len(_MAGIC) % self.unit)

    @property
    def _magic_at(self) -> int:
        return self.sector + self.size - len(self._magic)

    @property
    def _room(self) -> int:
        """Of a field: the swap size takes four bytes."""
        return self.unit * -(-4 // self.unit)

    def _field(self, name: str) -> int:
        return self._magic_at - (len(_FIELDS) - _FIELDS.index(name)) * self._room

    def _status(self, entry: int) -> int:
        return self._field(_FIELDS[0]) - (self.entries - entry) * self.unit

    def _write(self, flash: EmulatedFlash, name: str, data: bytes) -> None:
        self._program(flash, self._field(name), data)

    def _program(self, flash: EmulatedFlash, address: int, data: bytes) -> None:
        data += _ERASED * (-len(data) % self.unit)
        flash.program(address, data)
        if flash.match(address, data) < len(data):
            raise Stuck(f"what was written at 0x{address:08X} reads otherwise")
