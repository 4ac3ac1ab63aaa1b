"""Memory as the debugger sees and writes it: nothing that it does is an access of the chip.

Flash is shown as a read would give it, with no ECC error, no metastable bit drawn and no time
passed. Of a peripheral the value is shown that its register keeps: what a read would do, such as
taking a byte or clearing a flag, is not done, and what it would make up is not made up.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from flash_emulator.errors import AlignmentError
from flash_emulator.machine.address_space import AddressSpace
from flash_emulator.machine.machine import Machine
from flash_emulator.machine.symbols import shown
from flash_emulator.machine.system_control import BASE as SYSTEM
from flash_emulator.machine.system_control import SIZE as SYSTEM_SIZE

_PERIPHERALS = range(0x4000_0000, 0x6000_0000)
_PRIVATE = range(0xE000_0000, 0xE010_0000)


class Refused(Exception):
    """What the debugger asks for cannot be done; why, in words."""


@dataclass(frozen=True, slots=True)
class Region:
    """*kind* as gdb's memory maps have it: "ram", "rom" or "flash"; *block*: bytes of a sector."""

    kind: str
    address: int
    size: int
    block: int = 0


class Memory:
    """Of *machine*, while it stands still."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        part = machine.part
        self._flash = range(part.base, part.bank_starts[-1] + part.bank_size)

    @property
    def _space(self) -> AddressSpace:
        return self._machine.space

    # --- reading

    def read(self, address: int, size: int) -> bytes:
        """As many of *size* bytes as there are. Raises Refused where there is none at *address*."""
        found = bytearray()
        while len(found) < size and address + len(found) <= 0xFFFF_FFFF:
            at = address + len(found)
            piece = self._piece(at, min(size - len(found), 1024 - at % 1024))
            if piece is None:
                break
            found += piece
        if size and not found:
            raise Refused(f"nothing is at {shown(address)}")
        return bytes(found)

    def _piece(self, address: int, size: int) -> bytes | None:
        """Within one page of 1 KiB."""
        for ram in self._space.rams:
            at = ram.offset(address)
            if at is not None:
                return ram.read(at, min(size, ram.size - at))
        real = self._space.unaliased(address)
        if real in self._flash:
            try:
                return self._machine.flash.peek(real, min(size, self._flash.stop - real))
            except AlignmentError:  # between two banks
                return None
        if address in _PERIPHERALS or address in _PRIVATE or self._space.is_register(address):
            return self._registers(address, size)
        return None

    def _registers(self, address: int, size: int) -> bytes:
        first = address & ~3
        words = range(first, address + size, 4)
        data = b"".join(self.register(word).to_bytes(4, "little") for word in words)
        return data[address - first :][:size]

    def register(self, address: int) -> int:
        """What the word at *address* keeps."""
        if SYSTEM <= address < SYSTEM + SYSTEM_SIZE:
            return self._machine.system.peek(address - SYSTEM)
        if self._space.front.base <= address < self._space.front.base + 0x400:
            return self._space.front.held(address - self._space.front.base)
        return self._machine.bus.peek(address)

    # --- writing

    def write(self, address: int, data: bytes) -> None:
        """To RAM. Raises Refused elsewhere."""
        if any(ram.offset(address, len(data)) is not None for ram in self._space.rams):
            self._space.set_bytes(address, data)
            return
        last = address + max(len(data), 1) - 1
        if self._space.unaliased(address) in self._flash:
            raise Refused(
                f"{shown(address)} is flash, and the debugger does not program flash: what it "
                "holds is what the path left. Change the image in the board file instead"
            )
        if address in _PERIPHERALS or address in _PRIVATE:
            raise Refused(
                f"{shown(address)} is a register: a write by the debugger would act on the chip. "
                "Let the program write it, or change RAM and core registers"
            )
        raise Refused(f"{shown(address)} to {shown(last)} is not all RAM")

    def is_code_in_use(self, address: int) -> bool:
        """Whether RAM there was executed in this boot."""
        return any(
            at is not None and ram.was_executed(at)
            for ram in self._space.rams
            for at in [ram.offset(address)]
        )

    # --- where

    def canonical(self, address: int) -> int:
        """The same place without its alias."""
        for ram in self._space.rams:
            at = ram.offset(address)
            if at is not None:
                return ram.base + at
        return self._space.unaliased(address)

    def is_flash(self, place: int) -> bool:
        """Whether *place*, without aliases, is in flash."""
        return place in self._flash

    def physical(self, place: int) -> int:
        """Of a *place* in flash: where it is while no bank is mapped elsewhere."""
        flash, within = self._machine.flash, place % self._machine.part.program_unit
        return flash.physical_address(flash.unit_at(place)) + within

    def seen_at(self, place: int) -> list[int]:
        """*place*, and where else the CPU sees it."""
        found = [place]
        for ram in self._space.rams:
            at = ram.offset(place)
            if at is not None:
                found += [base + at for base, _ in ram.aliases]
        if place in self._flash and self._space.flash_alias:
            found.append(place - self._flash.start + self._space.flash_alias.start)
        return found

    def regions(self) -> Iterator[Region]:
        """All that there is, in ascending order, none in another."""
        regions = [*self._flash_regions(), *self._alias_regions()]
        regions += [Region("ram", ram.base, ram.size) for ram in self._space.rams]
        regions += [Region("ram", at, size) for ram in self._space.rams for at, size in ram.aliases]
        for wide in (_PERIPHERALS, _PRIVATE):
            regions += _around(wide, regions)
        last = 0
        for region in sorted(regions, key=lambda each: each.address):
            if region.address >= last:
                yield region
                last = region.address + region.size

    def _flash_regions(self) -> list[Region]:
        """Sectors of one size in a row are one region."""
        flash, joined = self._machine.flash, list[Region]()
        for offset, size in flash.part.sector_starts.items():
            address = flash.part.bank_starts[0] + offset
            if offset >= flash.part.bank_size:
                bank, within = divmod(offset, flash.part.bank_size)
                address = flash.part.bank_starts[bank] + within
            last = joined[-1] if joined else None
            if last is not None and last.address + last.size == address and last.block == size:
                joined[-1] = Region("flash", last.address, last.size + size, size)
            else:
                joined.append(Region("flash", address, size, size))
        return joined

    def _alias_regions(self) -> list[Region]:
        alias = self._space.flash_alias
        return [Region("rom", alias.start, len(alias))] if alias else []


def _around(wide: range, taken: list[Region]) -> list[Region]:
    """What is left of *wide*: backup SRAM stands among the peripherals."""
    found, at = list[Region](), wide.start
    for region in sorted(taken, key=lambda each: each.address):
        if region.address in wide:
            if region.address > at:
                found.append(Region("ram", at, region.address - at))
            at = max(at, region.address + region.size)
    if at < wide.stop:
        found.append(Region("ram", at, wide.stop - at))
    return found
