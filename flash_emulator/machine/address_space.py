"""What lies where: RAM, flash and its alias, bit-band regions, registers; and all else is a fault.

Armv7-M Architecture Reference Manual B3.1, and the memory maps of the reference manuals. A page of
1 KiB is asked for at its first access; see ``engine``.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from flash_emulator.device.flash import EmulatedFlash
from flash_emulator.errors import AlignmentError, FlashError
from flash_emulator.machine import memory_map
from flash_emulator.machine.engine import (
    FETCH,
    MAY_READ,
    MAY_WRITE,
    PAGE,
    WRITE,
    Engine,
    Mapping,
    Window,
)
from flash_emulator.machine.flash_memory import FRAMES, FRAMES_SIZE, WINDOW, FlashMemory
from flash_emulator.machine.front_cache import FrontCache, cached_front
from flash_emulator.machine.peripherals import ram_aliases_of
from flash_emulator.machine.ram import EXECUTED, Ram
from flash_emulator.machine.rest import AtRest
from flash_emulator.machine.symbols import shown
from flash_emulator.machine.system_control import BASE as SYSTEM
from flash_emulator.machine.system_control import DWT_CYCCNT, SYST_CVR
from flash_emulator.machine.system_control import SIZE as SYSTEM_SIZE
from flash_emulator.parts.part import Part
from flash_emulator.parts.part_model import BadRead
from flash_emulator.registers import BusError, Front, Nmi, front_for

if TYPE_CHECKING:
    from flash_emulator.machine.machine import Machine

_NOT_TO_BE_USED = 0x5A5A_5A5A
_NOBODY = 0xCF10_0000  # of the engine's physical memory: every access is a bus error
_REGISTERS = 0xCF00_0000  # the page of FLASH registers, in the engine's physical memory


class AddressSpace:
    """All that the core of *machine* can reach."""

    def __init__(
        self, machine: Machine, part: Part, core: str, ram: Sequence[tuple[int, int]]
    ) -> None:
        self._machine, self._part = machine, part
        self._ram_bits, self._peripheral_bits = memory_map.bit_bands_of(core)
        self._ram_ranges = tuple(ram)
        self._span = part.bank_starts[-1] + part.bank_size - part.base
        whole = -(-self._span // 0x1000) * 0x1000
        self._flash_pages = range(part.base, part.base + self._span)
        self._alias = memory_map.alias_of(part, core, self._span)
        self._seen_twice: set[int] = set()  # pages of flash that were looked at by their alias
        self._faults_on_read = part.read_of_bad_unit is BadRead.BUS_ERROR
        self._read_only = tuple(range(base, base + size) for base, size in memory_map.SYSTEM_MEMORY)
        windows = [memory_map.PERIPHERALS, memory_map.PRIVATE, *memory_map.SYSTEM_MEMORY]
        self._windows = tuple(range(base, base + size) for base, size in windows)
        if self._ram_bits:
            self._windows += (self._ram_bits,)
        self._whole = whole
        self._registers = Window(self._load_register, self._store_register)
        self.rams: list[Ram] = []
        self.tried: int | None = None
        """A page that was refused, and is tried again, see ``Machine._again``."""
        self.tries = False
        self.unreadable = ""
        self._fronted: Part | None = None  # the part that ``front`` is for
        self.flash: FlashMemory
        self._front: Front
        self._cache: FrontCache | None = None
        self._engine: Engine

    def attach(self, engine: Engine) -> None:
        """Map all memory."""
        self._engine = engine
        aliases = {first: base for base, _, first in ram_aliases_of(self._part)}
        for base, size in self._ram_ranges:
            self.rams.append(Ram(engine, base, size, aliases.get(base)))
        for window in self._windows:
            self._map_window(engine, window)
        base = self._part.base
        stores = Window(
            lambda offset, width: self._load_flash(base + offset, width),
            lambda offset, width, value: self._store_flash(base + offset, width, value),
        )
        if self._machine.coalesce:
            self._cache = cached_front(engine, lambda: bool(self._seen_twice), self._stored)
        cache = self._cache
        engine.map_window(WINDOW, self._whole, stores, cache.of_flash if cache else None)
        registers = self._registers
        engine.map_window(_REGISTERS, 0x1000, registers, cache.of_registers if cache else None)
        engine.map_window(_NOBODY, 0x1000, Window(self._load_nobody, self._store_nobody))
        memory = engine.map_memory(FRAMES, FRAMES_SIZE)
        self.flash = FlashMemory(
            memory, self._part.base, fetched=self._machine.special.scan, flush=engine.flush
        )

    def _map_window(self, engine: Engine, window: range) -> None:
        first, load, store = window.start, self.load, self.store
        engine.map_window(
            first,
            len(window),
            Window(
                lambda offset, width: load(first + offset, width),
                lambda offset, width, value: store(first + offset, width, value),
            ),
        )

    def power_on(self, flash: EmulatedFlash) -> None:
        """RAM holds zeros (which no chip promises), so that two boots are alike."""
        for ram in self.rams:
            ram.power_on()
        if self.flash.is_full:
            self.forget_code()
        self.flash.begin(flash)
        if self._fronted is not flash.part:
            self._front, self._fronted = front_for(flash), flash.part
        self._front.attach(flash)
        told: FrontCache | Front = self._front if self._cache is None else self._cache
        self._registers.load, self._registers.store = told.read, told.write
        self._store = told.store
        if self._machine.coalesce:
            self._front.programmer = flash.program_later
        if self._cache is not None:
            self._cache.begin(flash, self._front)

    def forget_code(self) -> None:
        """Let the engine translate everything again. Never within a hook."""
        self.flash.clear()
        for ram in self.rams:
            ram.forget_code()
        self._engine.forget_code()

    def show_ram_at_zero(self, shown: bool) -> None:
        """As SYSCFG has it. The engine must be flushed."""
        for ram in self.rams:
            if ram.offset(memory_map.MAIN_RAM) == 0:
                ram.show_at_zero(shown)

    def lose_ram(self) -> None:
        """What is no backup SRAM has been without power."""
        for ram in self.rams:
            if not ram.is_backup:
                ram.power_on()

    def reset(self) -> None:
        self._front.reset()
        if self._cache is not None:
            self._cache.begin(self._machine.flash, self._front)
        self.flash.begin(self._machine.flash)

    @property
    def front(self) -> Front:
        """The FLASH registers, for whoever looks at them or changes them."""
        return self._front if self._cache is None else self._cache.front

    # --- pages

    def page(self, address: int, access: int) -> Mapping | None:
        if address in self._flash_pages:
            return self._flash_page(address, access)
        if address == self.tried and access != FETCH:
            return Mapping(_NOBODY, MAY_READ | MAY_WRITE)
        for ram in self.rams:
            at = ram.offset(address)
            if at is not None:
                if access == FETCH:
                    self._machine.special.scan(address, ram.read(at, PAGE))
                return ram.page(at, access)
        if address in self._alias and access != WRITE:
            aliased = self.unaliased(address)
            self._seen_twice.add(aliased)
            return self._flash_page(aliased, access, address)
        if address == self._front.base and access != FETCH:
            return Mapping(_REGISTERS, MAY_READ | MAY_WRITE)
        if access == FETCH or not any(address in window for window in self._windows):
            return None
        is_read_only = any(address in memory for memory in self._read_only)
        if is_read_only and access == WRITE and not self._machine.bus.has_page(address):
            return None  # a stack that has run out of RAM, for one
        return Mapping(address, MAY_READ | MAY_WRITE)

    @property
    def flash_alias(self) -> range:
        """Where flash is seen beside its place."""
        return self._alias

    def is_register(self, address: int) -> bool:
        """Whether a device answers at *address* outside of the regions for peripherals."""
        is_there = any(address in memory for memory in self._read_only)
        return is_there and self._machine.bus.has_page(address)

    def seen_at(self, place: int) -> int:
        """Where the CPU sees what the engine has at *place* of its physical memory, as ``page``
        has told it; without aliases."""
        if _REGISTERS <= place < _REGISTERS + 0x1000:
            return self._front.base // PAGE * PAGE + place - _REGISTERS
        for ram in self.rams:
            if 0 <= place - ram.base - EXECUTED < ram.size:
                return place - EXECUTED
        address = self.flash.seen_at(place)
        return place if address is None else self.unaliased(address)

    def unaliased(self, address: int) -> int:
        """The address in flash of what is seen at *address*."""
        offset = address - self._alias.start
        return self._part.base + offset if address in self._alias else address

    def _load_nobody(self, offset: int, width: int) -> int:
        del width
        assert self.tried is not None
        raise BusError("nobody answers there", self.tried + offset)

    def _store_nobody(self, offset: int, width: int, value: int) -> None:
        del value
        self._load_nobody(offset, width)

    def _flash_page(self, address: int, access: int, seen_at: int | None = None) -> Mapping | None:
        if access == WRITE:
            return self.flash.window(address)
        if access == FETCH:
            self._enters_slot(self._machine.pc())
        elif self._may_fault_in_it(address):
            return None
        try:
            return self.flash.page(address, access, seen_at)
        except AlignmentError:  # between two banks
            return None

    def _may_fault_in_it(self, address: int) -> bool:
        """Refused at first: what is raised within an IT block comes when that block is done, and
        registers are changed. It is tried again from where it can be taken back."""
        return (
            self._faults_on_read
            and (self._engine.in_it or self.tries)
            and address != self.tried
            and self._machine.flash.read_if_plain(address, PAGE) is None
        )

    def _enters_slot(self, pc: int) -> None:
        for begin, size in self._machine.rests.slots:
            if begin <= pc < begin + size and self._machine.exceptions.due() is None:
                raise AtRest("slot", f"the slot at {shown(begin)}")
        for begin, size in self._machine.rests.watched:
            if begin <= pc < begin + size:
                is_thread = not self._machine.exceptions.active
                self._machine.record.entries.setdefault(begin, (pc, is_thread))

    def is_in_slot(self, pc: int) -> bool:
        """Whether a boot is at rest there, unless an exception comes first."""
        return any(begin <= pc < begin + size for begin, size in self._machine.rests.slots)

    # --- memory-mapped I/O

    def load(self, address: int, width: int) -> int:
        if address >= 0xE000_0000:
            return self._load_private(address, width)
        if address >= 0x4000_0000:
            if address in self._peripheral_bits:
                target, bit = memory_map.banded(address, self._peripheral_bits)
                return self._load_register(target, 1) >> bit & 1
            return self._load_register(address, width)
        if address in self._flash_pages:
            return self._load_flash(address, width)
        if address in self._ram_bits:
            target, bit = memory_map.banded(address, self._ram_bits)
            return self.bytes_at(target, 1)[0] >> bit & 1
        return self._load_register(address, width)

    def _load_register(self, address: int, width: int) -> int:
        offset = address - self._front.base
        if 0 <= offset < 0x400:
            return self.front.read(offset, width)
        return self._machine.bus.read(address, width)

    def _load_private(self, address: int, width: int) -> int:
        if address in (SYST_CVR, DWT_CYCCNT):
            self._machine.bus.does_not_wait()
        if SYSTEM <= address < SYSTEM + SYSTEM_SIZE:
            return self._machine.system.read(address - SYSTEM, width)
        if address == DWT_CYCCNT:
            return self._machine.system.read_cycles()
        return self._machine.bus.read(address, width)

    def _load_flash(self, address: int, width: int) -> int:
        if self._faults_on_read:
            self._engine.flush()  # so that each access asks, see _may_fault_in_it
        try:
            value = self.front.load(address, width)
        except BusError as error:
            raise BusError(error.reason, address) from error
        except Nmi:
            self._machine.exceptions.pend(2)
            self._machine.recheck()
            value = _NOT_TO_BE_USED & (1 << 8 * width) - 1
        self.tried = None
        return value

    def read_trap(self, address: int) -> bool:
        """See ``FlashMemory.read_trap``."""
        address = self.unaliased(address)
        return address in self._flash_pages and self.flash.read_trap(address, self._load_flash)

    def half_word(self, address: int) -> int:
        """Code at *address*."""
        return int.from_bytes(self.bytes_at(address & ~1, 2), "little")

    def store(self, address: int, width: int, value: int) -> None:
        value &= (1 << 8 * width) - 1
        if address >= 0xE000_0000:
            if SYSTEM <= address < SYSTEM + SYSTEM_SIZE:
                self._machine.system.write(address - SYSTEM, width, value)
            elif address == DWT_CYCCNT:
                self._machine.system.write_cycles(value)
            else:
                self._machine.bus.write(address, width, value)
        elif address >= 0x4000_0000:
            if address in self._peripheral_bits:
                target, bit = memory_map.banded(address, self._peripheral_bits)
                old = self._load_register(target & ~3, 4)
                bit += 8 * (target & 3)
                self._store_register(target & ~3, 4, old & ~(1 << bit) | (value & 1) << bit)
            else:
                self._store_register(address, width, value)
        elif address in self._flash_pages:
            self._store_flash(address, width, value)
        elif address in self._ram_bits:
            target, bit = memory_map.banded(address, self._ram_bits)
            byte = self.bytes_at(target, 1)[0]
            self.set_bytes(target, bytes([byte & ~(1 << bit) | (value & 1) << bit]))
        else:
            self._machine.bus.write(address, width, value)

    def _store_flash(self, address: int, width: int, value: int) -> None:
        self._store(address, width, value)
        self._stored(address)

    def _stored(self, address: int) -> None:
        if address & ~(PAGE - 1) in self._seen_twice:
            self._seen_twice.clear()
            self._engine.flush()  # the engine knows the page at its alias as it was

    def _store_register(self, address: int, width: int, value: int) -> None:
        offset = address - self._front.base
        if 0 <= offset < 0x400:
            self.front.write(offset, width, value)
        else:
            self._machine.bus.write(address, width, value)

    # --- memory, as exceptions and users see it

    def _ram_at(self, address: int, size: int) -> tuple[Ram, int] | None:
        for ram in self.rams:
            at = ram.offset(address, size)
            if at is not None:
                return ram, at
        return None

    def bytes_at(self, address: int, size: int) -> bytes:
        """Bytes of RAM or flash; zeros where there is neither, or a unit that is not plain."""
        found = self._ram_at(address, size)
        if found is not None:
            ram, at = found
            return ram.read(at, size)
        address = self.unaliased(address)
        if address in self._flash_pages:
            with suppress(AlignmentError):
                return self._machine.flash.read_if_plain(address, size) or bytes(size)
        return bytes(size)

    def peek(self, address: int, size: int) -> bytes | None:
        """Bytes of RAM or flash as they are, for whoever looks at a machine from outside: no boot
        sees them, also after power has gone. None where there is neither."""
        found = self._ram_at(address, size)
        if found is not None:
            ram, at = found
            return ram.read(at, size)
        flash, address = self._machine.flash, self.unaliased(address)
        if address not in self._flash_pages:
            return None
        try:
            return flash.cells.peek(flash.mapped_offset(address, size), size)
        except AlignmentError:
            return None

    def set_bytes(self, address: int, data: bytes) -> None:
        """Write to RAM. Raises BusError elsewhere."""
        found = self._ram_at(address, len(data))
        if found is None:
            raise BusError("no RAM there", address)
        ram, at = found
        ram.write(at, data)

    def clear(self, address: int, size: int) -> None:
        """Zeros in RAM; nothing where there is none."""
        found = self._ram_at(address, size)
        if found is not None:
            ram, at = found
            ram.clear(at, size)

    def push(self, address: int, words: list[int]) -> bool:
        if self._ram_at(address, 4 * len(words)) is None:
            return False
        self.set_bytes(address, b"".join(word.to_bytes(4, "little") for word in words))
        return True

    def pop(self, address: int, count: int) -> list[int] | None:
        if self._ram_at(address, 4 * count) is None:
            return None
        data = self.bytes_at(address, 4 * count)
        return [int.from_bytes(data[at : at + 4], "little") for at in range(0, 4 * count, 4)]

    def vector(self, address: int) -> int | None:
        """A word of the vector table, or of what is at address 0; ``unreadable`` says why not."""
        self.unreadable = "no memory there"
        if self._ram_at(address, 4) is not None:
            return int.from_bytes(self.bytes_at(address, 4), "little")
        address = self.unaliased(address)
        if address not in self._flash_pages:
            return None
        try:
            return int.from_bytes(self._machine.flash.read(address, 4), "little")
        except (AlignmentError, FlashError, OSError) as error:
            self.unreadable = str(error)
            return None

    def digest(self, digest: Any) -> None:
        """Add what RAM holds to *digest*."""
        for ram in self.rams:
            ram.digest(digest)
