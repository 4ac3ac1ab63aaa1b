"""The stub's machine code on the machine's engine, with an emulated flash controller and USART.

Time is virtual. It passes with the instructions (counted by blocks, *cycles* each) and jumps where
the code executes YIELD, which the stub does in every loop that waits: to the next byte, the next
answer of the host, or the end of what flash does. The host, a ``Session``, is called as time
passes, so nothing runs ahead of anything.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.loader_stub import usart as bits
from benchmarks.loader_stub.session import Session
from benchmarks.loader_stub.usart import Usart, Wire
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

STUB = Path(__file__).with_name("stub-l476.bin")
LOAD = 0x2000_4000
RAM, RAM_SIZE = 0x2000_0000, 0x1_8000
SYSTEM, SYSTEM_SIZE = 0x1FFF_0000, 0x1_0000
FLASH = 0xB000_0000  # the window, in the engine's physical memory
PERIPHERALS = (0x4000_0000, 0x2000_0000), (0xE000_0000, 0x10_0000)
USARTS = {0x4001_3800: 1, 0x4000_4400: 2, 0x4000_4800: 3}
IDCODE, VTOR, AIRCR, IWDG_KR, MEMRMP = (
    0xE004_2000, 0xE000_ED08, 0xE000_ED0C, 0x4000_3000, 0x4001_0000,
)  # fmt: skip
YIELD, NOP = b"\x10\xbf", b"\x00\xbf"
_IDLE_STEPS = 200_000  # YIELDs in a row without a byte in or out: it hangs


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
        clock_hz: float = 72e6,
        cycles: float = 2.0,
        usart: int = 1,
        latency_ms: float = 0.0,
        noise: Noise | None = None,
        most_baud: int = 10**7,
        stub: bytes | None = None,
        idcode: int = 0x1007_6415,
        uid: bytes = b"twelve bytes",
    ) -> None:
        self.flash = flash
        flash.background = True
        self.front = front_for(flash, poll_us=0)
        self.usarts = {
            base: Usart(clock_hz, rom_baud if number == usart else 0)
            for base, number in USARTS.items()
        }
        self.usart = next(u for base, u in self.usarts.items() if USARTS[base] == usart)
        self.wire = Wire(self.usart, latency_ms=latency_ms, noise=noise, most_baud=most_baud)
        self.ended = ""  # "reset", "application"
        self.started_at = 0  # where, of the application
        self.instruction_count = 0
        self.longest_gap = 0  # instructions between two looks at the USART
        self.refresh_count = 0  # of the watchdog
        self.now_us = float(flash.clock.now_us)
        self._us_per_instruction = cycles / clock_hz * 1e6
        self._core = {0xE004_2000: idcode}
        self._last_look = self._yields = 0
        self._blocks: dict[int, int] = {}
        self._session: Session[Any] | None = None
        self._set_up(stub or STUB.read_bytes(), uid)

    def _set_up(self, stub: bytes, uid: bytes) -> None:
        self._engine = engine = Engine("m4", self._page)
        self._exceptions = Exceptions(engine.registers, self, "m4")
        self._ram = engine.map_memory(RAM, RAM_SIZE)
        system = engine.map_memory(SYSTEM, SYSTEM_SIZE, executable=False)
        part = self.flash.part
        engine.map_window(FLASH, part.size, self._window(part.base, self._load, self._store))
        for begin, size in PERIPHERALS:
            engine.map_window(begin, size, self._window(begin, self._read, self._write))
        engine.trace_blocks(self._block)
        for at in range(0, len(stub) - 1, 2):
            if stub[at : at + 2] == YIELD:
                engine.at(LOAD + at, self._yield)
        mark_it_blocks(engine, LOAD, stub)
        self._ram[:] = b"\xa5" * RAM_SIZE  # what is in RAM nobody knows
        at = LOAD - RAM
        self._ram[at : at + len(stub)] = stub.replace(YIELD, NOP)  # the engine ends at YIELD
        system[0x75E0:0x75E2] = (part.size >> 10).to_bytes(2, "little")
        system[0x7590 : 0x7590 + len(uid)] = uid
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
        if RAM <= address < RAM + RAM_SIZE:
            return Mapping(address, MAY_READ | MAY_WRITE | MAY_FETCH)
        if SYSTEM <= address < SYSTEM + SYSTEM_SIZE:
            return Mapping(address, MAY_READ)
        if any(begin <= address < begin + size for begin, size in PERIPHERALS):
            return Mapping(address, MAY_READ | MAY_WRITE)
        return None

    def run(self, session: Session[Any]) -> None:
        """Until the host's work is done, or the chip has left the stub."""
        self._session = session
        session.wake_at_us += self.now_us
        self._last_look = 0
        registers = self._engine.registers
        try:
            while not (session.is_done or self.ended):
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
        assert self._session is not None
        times = [self.usart.next_us(self.now_us), self.wire.next_us(), self._session.wake_at_us]
        if self.flash.is_busy():
            times.append(float(self.flash.busy_until_us))
        self.now_us = max(self.now_us, min(time for time in times if time is not None))

    def _exchange(self) -> None:
        """Let the host see what has come for it by now, and say what it has to say."""
        session = self._session
        assert session is not None
        data = self.wire.for_host(self.now_us)
        if data:
            session.receive(data, self.now_us)
        if not session.is_done and session.wake_at_us <= self.now_us:
            session.wake(self.now_us)
        self.wire.host_baud = session.baud
        out = session.take()
        if out:
            self._yields = 0
            self.wire.from_host(out, self.now_us)
        if session.is_done:
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
            if address - base == bits.ISR:
                self._look()
            return self.usarts[base].read(address - base, self.now_us)
        if base == self.front.base:
            return self.front.read(address - base, size)
        return self._core.get(address, 0)

    def _look(self) -> None:
        if self._last_look:
            self.longest_gap = max(self.longest_gap, self.instruction_count - self._last_look)
        self._last_look = self.instruction_count
        assert self._session is not None
        next_us = self.wire.next_us()
        if (next_us is not None and next_us <= self.now_us) or (
            self._session.wake_at_us <= self.now_us
        ):
            self._exchange()

    def _write(self, address: int, size: int, value: int) -> None:
        base = address & ~0x3FF
        if base in self.usarts:
            if address - base == bits.TDR:
                assert self.usarts[base] is self.usart, "the stub talks at another USART"
                self._yields = 0
                self.wire.from_chip(value & 0xFF, self.now_us)
            else:
                self.usarts[base].write(address - base, value)
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
