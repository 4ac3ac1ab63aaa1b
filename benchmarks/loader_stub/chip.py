"""The stub's machine code on the machine's engine, with an emulated flash controller and USART.

Time is virtual. It passes with the instructions (counted by blocks, *cycles* each) and jumps where
the code executes YIELD, which the stub does in every loop that waits: to the next byte, the next
answer of the host, or the end of what flash does. The host, such as a ``Session``, is called as
time passes, so nothing runs ahead of anything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from benchmarks.loader_stub.usart import OldUsart, Usart, Wire
from flash_emulator import EmulatedFlash
from flash_emulator.bootrom.noise import Noise
from flash_emulator.machine.engine import (
    FETCH,
    MAY_FETCH,
    MAY_READ,
    MAY_WRITE,
    RETURN,
    Engine,
    Mapping,
    Window,
)
from flash_emulator.machine.exceptions import NMI, Exceptions
from flash_emulator.machine.meter import NEVER
from flash_emulator.machine.special_instructions import mark_it_blocks
from flash_emulator.registers import Nmi, front_for
from mcu_updater.stm32.stub.images import LOAD_ADDRESS as LOAD
from mcu_updater.stm32.stub.images import STUBS

RAM = 0x2000_0000
SYSTEM, SYSTEM_SIZE = 0x1FFF_0000, 0x1_0000
FLASH = 0xB000_0000  # the window, in the engine's physical memory
PERIPHERALS = (0x4000_0000, 0x2000_0000), (0xE000_0000, 0x10_0000)
VTOR, AIRCR, IWDG_KR = 0xE000_ED08, 0xE000_ED0C, 0x4000_3000
YIELD, NOP = b"\x10\xbf", b"\x00\xbf"
_IDLE_STEPS = 200_000  # YIELDs in a row without a byte in or out: it hangs


@dataclass(frozen=True, slots=True)
class Model:
    """What a part has beside its flash. *usarts*: numbers by address, those that its ROM listens
    at. *clock_hz*: as the ROM may leave it: a guess."""

    core: str
    ram_size: int
    idcode_at: int
    idcode: int
    usarts: dict[int, int]
    clock_hz: float
    usart: type[Usart] = Usart


_NEW_USARTS = {0x4001_3800: 1, 0x4000_4400: 2, 0x4000_4800: 3}
MODELS = {
    "STM32L476xG": Model("m4", 0x1_8000, 0xE004_2000, 0x1007_6415, _NEW_USARTS, 72e6),
    "STM32F407xG": Model(
        "m4",
        0x2_0000,
        0xE004_2000,
        0x1007_6413,
        {0x4001_1000: 1, 0x4000_4800: 3},
        24e6,
        OldUsart,
    ),
    "STM32G0B1xE": Model("m0plus", 0x2_4000, 0x4001_5800, 0x1000_6467, _NEW_USARTS, 24e6),
}


class Host(Protocol):
    """Who is at the other end of the line. Times in microseconds."""

    baud: int
    is_done: bool
    wake_at_us: float

    def receive(self, data: bytes, now_us: float) -> None: ...
    def wake(self, now_us: float) -> None: ...
    def take(self) -> bytes: ...


class _Over(Exception):
    """The host is done, or the chip has left the stub."""


class StubChip:
    """One chip in which the boot ROM has just executed Go. *uid* is 12 bytes.

    ``run`` raises what the host's work raises, and ``PowerLoss``; ``AssertionError`` where the stub
    does what it never should.
    """

    def __init__(
        self,
        flash: EmulatedFlash,
        *,
        rom_baud: int = 115_200,
        clock_hz: float | None = None,
        cycles: float = 2.0,
        usart: int = 1,
        latency_ms: float = 0.0,
        noise: Noise | None = None,
        most_baud: int = 10**7,
        stub: bytes | None = None,
        idcode: int | None = None,
        uid: bytes = b"twelve bytes",
    ) -> None:
        self.flash = flash
        self.model = model = MODELS[flash.part.name]
        clock_hz = clock_hz or model.clock_hz
        flash.background = True
        self.front = front_for(flash, poll_us=0)
        self.usarts = {
            base: model.usart(clock_hz, rom_baud if number == usart else 0)
            for base, number in model.usarts.items()
        }
        self.usart = next(u for base, u in self.usarts.items() if model.usarts[base] == usart)
        self.wire = Wire(self.usart, latency_ms=latency_ms, noise=noise, most_baud=most_baud)
        self.ended = ""  # "reset", "application"
        self.started_at = 0  # where, of the application
        self.instruction_count = 0
        self.longest_gap = 0  # instructions between two looks at the USART
        self.refresh_count = 0  # of the watchdog
        self.now_us = float(flash.clock.now_us)
        self._us_per_instruction = cycles / clock_hz * 1e6
        self._core = {model.idcode_at: idcode or model.idcode}
        self._last_look = self._yields = 0
        self._blocks: dict[int, int] = {}
        self._host: Host | None = None
        self._set_up(stub or STUBS[flash.part.name].data, uid)

    def _set_up(self, stub: bytes, uid: bytes) -> None:
        core, ram_size, identity = self.model.core, self.model.ram_size, self.flash.part.identity
        self._engine = engine = Engine(core, self._page)
        self._exceptions = Exceptions(engine.registers, self, core)
        self._ram = engine.map_memory(RAM, ram_size)
        system = engine.map_memory(SYSTEM, SYSTEM_SIZE, executable=False)
        part = self.flash.part
        engine.map_window(FLASH, part.size, self._window(part.base, self._load, self._store))
        for begin, size in PERIPHERALS:
            engine.map_window(begin, size, self._window(begin, self._read, self._write))
        engine.trace_blocks(self._block)
        for at in range(0, len(stub) - 1, 2):
            if stub[at : at + 2] == YIELD:
                engine.at(LOAD + at, self._yield)
        if not core.startswith("m0"):
            mark_it_blocks(engine, LOAD, stub)
        self._ram[:] = b"\xa5" * ram_size  # what is in RAM nobody knows
        at = LOAD - RAM
        self._ram[at : at + len(stub)] = stub.replace(YIELD, NOP)  # the engine ends at YIELD
        assert identity.flash_size_reg is not None and identity.uid is not None
        for address, held in (
            (identity.flash_size_reg, (part.size >> 10).to_bytes(2, "little")),
            (identity.uid, uid),
        ):
            system[address - SYSTEM : address - SYSTEM + len(held)] = held
        engine.registers.clear()
        engine.registers["sp"] = int.from_bytes(stub[:4], "little")
        engine.registers["pc"] = int.from_bytes(stub[4:8], "little") & ~1

    def _window(
        self, begin: int, load: Callable[[int, int], int], store: Callable[[int, int, int], object]
    ) -> Window:
        """*load* and *store* get addresses."""

        def read(offset: int, width: int) -> int:
            return self._timed(lambda: load(begin + offset, width))

        def write(offset: int, width: int, value: int) -> None:
            self._timed(lambda: store(begin + offset, width, value))

        return Window(read, write)

    def _page(self, address: int, access: int) -> Mapping | None:
        base = self.flash.part.base
        if base <= address < base + self.flash.part.size:
            if access == FETCH:
                self.ended = "application"
                raise _Over
            return Mapping(FLASH + address - base, MAY_READ | MAY_WRITE)
        if RAM <= address < RAM + self.model.ram_size:
            return Mapping(address, MAY_READ | MAY_WRITE | MAY_FETCH)
        if SYSTEM <= address < SYSTEM + SYSTEM_SIZE:
            return Mapping(address, MAY_READ)
        if any(begin <= address < begin + size for begin, size in PERIPHERALS):
            return Mapping(address, MAY_READ | MAY_WRITE)
        return None

    def run(self, host: Host) -> None:
        """Until *host* is done, or the chip has left the stub."""
        self._host = host
        self._last_look = 0
        registers = self._engine.registers
        try:
            while not (host.is_done or self.ended):
                self._run_from(registers["pc"])
        except _Over:  # at YIELD or a look at the USART, which may happen twice
            if self.ended == "application":
                self.started_at = registers["pc"]

    def _run_from(self, pc: int) -> None:
        """Until the engine stops, which is between two blocks or behind an exception's handler."""
        self._engine.meter.limit = NEVER
        stop = self._engine.run(pc)
        registers, exceptions = self._engine.registers, self._exceptions
        pc = registers["pc"]
        if stop.number == RETURN:
            pc = exceptions.leave(pc, pc)
        elif stop.number:
            raise AssertionError(f"the stub cannot go on at 0x{pc:08X}: {stop}")
        if exceptions.due() is not None:
            exceptions.table = self._core.get(VTOR, 0)
            pc = exceptions.take(NMI, pc)
        registers["pc"] = pc

    # --- memory, as exceptions need it

    def push(self, address: int, words: list[int]) -> bool:
        """Write *words* from *address* on."""
        data = b"".join(word.to_bytes(4, "little") for word in words)
        self._ram[address - RAM : address - RAM + len(data)] = data
        return True

    def pop(self, address: int, count: int) -> list[int]:
        """Read as many words."""
        data = self.ram(address, 4 * count)
        return [int.from_bytes(data[at : at + 4], "little") for at in range(0, 4 * count, 4)]

    def vector(self, address: int) -> int:
        """A word of the vector table."""
        return self.pop(address, 1)[0]

    # --- time

    def _block(self, address: int, size: int) -> None:
        count = self._blocks.get(address)
        if count is None:
            count = self._blocks[address] = _instructions(self.ram(address, size))
        self.instruction_count += count
        self.now_us += count * self._us_per_instruction

    def _yield(self, _address: int) -> None:
        """Nothing will happen until something happens."""
        self._timed(self._skip)

    def _skip(self) -> None:
        self._yields += 1
        if self._yields > _IDLE_STEPS:
            raise AssertionError("the stub waits, and nobody sends or is to answer")
        self._exchange()
        if self.usart.has_byte(self.now_us):
            return
        assert self._host is not None
        times = [self.usart.next_us(self.now_us), self.wire.next_us(), self._host.wake_at_us]
        if self.flash.is_busy():
            times.append(float(self.flash.busy_until_us))
        self.now_us = max(self.now_us, min(time for time in times if time is not None))

    def _exchange(self) -> None:
        """Let the host see what has come for it by now, and say what it has to say."""
        host = self._host
        assert host is not None
        data = self.wire.for_host(self.now_us)
        if data:
            host.receive(data, self.now_us)
        if not host.is_done and host.wake_at_us <= self.now_us:
            host.wake(self.now_us)
        self.wire.host_baud = host.baud
        out = host.take()
        if out:
            self._yields = 0
            self.wire.from_host(out, self.now_us)
        if host.is_done:
            raise _Over

    def _synchronise(self) -> None:
        """The flash has a clock of whole microseconds, which waits of its own may move on."""
        clock = self.flash.clock
        clock.now_us = max(clock.now_us, int(self.now_us))
        self.now_us = max(self.now_us, float(clock.now_us))

    # --- accesses

    def _timed(self, work: Callable[[], Any]) -> int:
        """Do *work* at the time that it is by now, and let the time pass that it takes."""
        self._synchronise()
        try:
            value = work()
        except Nmi:
            self._exceptions.pend(NMI)
            self._engine.meter.limit = 0  # stop before the next block
            return 0x5A  # not to be used
        self._synchronise()
        return int(value or 0)

    def _store(self, address: int, size: int, value: int) -> None:
        self.front.store(address, size, value & (1 << 8 * size) - 1)

    def _load(self, address: int, size: int) -> int:
        return self.front.load(address, size)

    def _read(self, address: int, size: int) -> int:
        base = address & ~0x3FF
        if base in self.usarts:
            if address - base == self.usart.STATUS:
                self._look()
            return self.usarts[base].read(address - base, self.now_us)
        if base == self.front.base:
            return self.front.read(address - base, size)
        return self._core.get(address, 0)

    def _look(self) -> None:
        if self._last_look:
            self.longest_gap = max(self.longest_gap, self.instruction_count - self._last_look)
        self._last_look = self.instruction_count
        assert self._host is not None
        next_us = self.wire.next_us()
        if (next_us is not None and next_us <= self.now_us) or (
            self._host.wake_at_us <= self.now_us
        ):
            self._exchange()

    def _write(self, address: int, size: int, value: int) -> None:
        base = address & ~0x3FF
        if base in self.usarts:
            if address - base == self.usart.DATA_OUT:
                assert self.usarts[base] is self.usart, "the stub talks at another USART"
                self._yields = 0
                self.wire.from_chip(value & 0xFF, self.now_us)
            else:
                self.usarts[base].write(address - base, value, self.now_us)
        elif base == self.front.base:
            self.front.write(address - base, size, value)
        elif address == AIRCR:
            self.ended = "reset"
            raise _Over
        elif address == IWDG_KR:
            self.refresh_count += 1
        else:
            self._core[address] = value

    # --- for tests

    def set_register(self, address: int, value: int) -> None:
        """A register that is nothing but storage here."""
        self._core[address] = value

    def register(self, address: int) -> int:
        return self._core.get(address, 0)

    def ram(self, address: int, size: int) -> bytes:
        return self._ram[address - RAM : address - RAM + size]

    @property
    def stack_pointer(self) -> int:
        return self._engine.registers["sp"]


def _instructions(code: bytes) -> int:
    """How many Thumb-2 instructions *code* has: those of 32 bits begin with 0b11101 and above."""
    at = count = 0
    while at < len(code):
        at += 4 if code[at + 1] >= 0xE8 else 2
        count += 1
    return count
