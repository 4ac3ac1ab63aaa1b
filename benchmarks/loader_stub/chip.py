"""The stub's machine code on the CPU of unicorn, with an emulated flash controller and USART.

Time is virtual. It passes with the instructions (counted by blocks, *cycles* each) and jumps where
the code executes YIELD, which the stub does in every loop that waits: to the next byte, the next
answer of the host, or the end of what flash does. The host, a ``Session``, is called as time
passes, so nothing runs ahead of anything.
"""

from __future__ import annotations

import ctypes
import mmap
from pathlib import Path
from typing import Any

import unicorn
from unicorn import arm_const as arm
from unicorn import unicorn_const as uc_const

from benchmarks.loader_stub import usart as bits
from benchmarks.loader_stub.session import Session
from benchmarks.loader_stub.usart import Usart, Wire
from flash_emulator import EmulatedFlash
from flash_emulator.bootrom.noise import Noise
from flash_emulator.registers import Nmi, front_for

STUB = Path(__file__).with_name("stub-l476.bin")
LOAD = 0x2000_4000
RAM, RAM_SIZE = 0x2000_0000, 0x1_8000
SYSTEM, SYSTEM_SIZE = 0x1FFF_0000, 0x1_0000
PERIPHERALS, CORE = (0x4000_0000, 0x2000_0000), (0xE000_0000, 0x10_0000)
USARTS = {0x4001_3800: 1, 0x4000_4400: 2, 0x4000_4800: 3}
IDCODE, VTOR, AIRCR, IWDG_KR, MEMRMP = (
    0xE004_2000, 0xE000_ED08, 0xE000_ED0C, 0x4000_3000, 0x4001_0000,
)  # fmt: skip
YIELD, NOP = b"\x10\xbf", b"\x00\xbf"
_IDLE_STEPS = 200_000  # YIELDs in a row without a byte in or out: it hangs


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
        self._nmi = False
        self._resume = 0
        self._raised: BaseException | None = None
        self._blocks: dict[int, int] = {}
        self._session: Session[Any] | None = None
        self._set_up(stub or STUB.read_bytes(), uid)

    def _set_up(self, stub: bytes, uid: bytes) -> None:
        cpu: Any = unicorn  # its functions have no types
        uc = cpu.Uc(uc_const.UC_ARCH_ARM, uc_const.UC_MODE_THUMB | uc_const.UC_MODE_MCLASS)
        uc.ctl_set_cpu_model(arm.UC_CPU_ARM_CORTEX_M4)
        part = self.flash.part
        uc.mem_map(RAM, RAM_SIZE)
        uc.mem_map(SYSTEM, SYSTEM_SIZE, uc_const.UC_PROT_READ)
        self._seen = mmap.mmap(-1, part.size)  # what the CPU finds in flash: filled at each load
        place = ctypes.addressof(ctypes.c_char.from_buffer(self._seen))
        uc.mem_map_ptr(part.base, part.size, uc_const.UC_PROT_ALL, place)
        uc.mem_protect(part.base, part.size, uc_const.UC_PROT_READ | uc_const.UC_PROT_EXEC)
        for begin, size in (PERIPHERALS, CORE):
            uc.mmio_map(begin, size, self._read, begin, self._write, begin)
        span = {"begin": part.base, "end": part.base + part.size - 1}
        uc.hook_add(uc_const.UC_HOOK_MEM_WRITE_PROT, self._store, **span)
        uc.hook_add(uc_const.UC_HOOK_MEM_READ, self._load, **span)
        uc.hook_add(uc_const.UC_HOOK_BLOCK, self._block)
        for at in range(0, len(stub) - 1, 2):
            if stub[at : at + 2] == YIELD:
                uc.hook_add(uc_const.UC_HOOK_CODE, self._yield, begin=LOAD + at, end=LOAD + at + 1)
        uc.mem_write(RAM, b"\xa5" * RAM_SIZE)  # what is in RAM nobody knows
        uc.mem_write(LOAD, stub.replace(YIELD, NOP))  # unicorn ends at YIELD, by an error
        uc.mem_write(SYSTEM + 0x75E0, (part.size >> 10).to_bytes(2, "little"))
        uc.mem_write(SYSTEM + 0x7590, uid)
        stack, entry = (int.from_bytes(stub[at : at + 4], "little") for at in (0, 4))
        uc.reg_write(arm.UC_ARM_REG_SP, stack)
        self._uc, self._resume = uc, entry

    def run(self, session: Session[Any]) -> None:
        """Until the host's work is done, or the chip has left the stub."""
        self._session = session
        session.wake_at_us += self.now_us
        self._last_look = 0
        self._raised = None
        while not (session.is_done or self.ended):
            self._uc.emu_start(self._resume | 1, 0xFFFF_FFFE)
            if self._nmi and self._raised is None:
                self._take_nmi()
                continue
            # The host is done: at YIELD or a look at the USART, which may happen twice.
            self._resume = int(self._uc.reg_read(arm.UC_ARM_REG_PC))
            if self._raised is not None:
                raise self._raised

    def _take_nmi(self) -> None:
        """Run the handler that the table names, then go on as if nothing had been."""
        self._nmi = False
        table = self._core.get(VTOR, 0)
        handler = int.from_bytes(self._uc.mem_read(table + 8, 4), "little")
        before, resume = self._uc.context_save(), self._resume
        self._uc.reg_write(arm.UC_ARM_REG_LR, LOAD | 1)  # a place that no handler gets to
        self._uc.emu_start(handler, LOAD)
        if self._raised is not None:
            raise self._raised
        self._uc.context_restore(before)
        self._resume = resume

    # --- time

    def _block(self, uc: Any, address: int, size: int, _: Any) -> None:
        if self.flash.part.base <= address < self.flash.part.base + self.flash.part.size:
            self._stop("application", address)
            return
        if self._nmi or self._raised is not None:
            self._resume = address
            uc.emu_stop()
            return
        count = self._blocks.get(address)
        if count is None:
            count = self._blocks[address] = _instructions(uc.mem_read(address, size))
        self.instruction_count += count
        self.now_us += count * self._us_per_instruction

    def _yield(self, _uc: Any, _address: int, _size: int, _: Any) -> None:
        """Nothing will happen until something happens."""
        self._guard(self._skip)

    def _skip(self) -> int:
        self._yields += 1
        if self._yields > _IDLE_STEPS:
            raise AssertionError("the stub waits, and nobody sends or is to answer")
        self._exchange()
        if self.usart.has_byte(self.now_us) or self.ended:
            return 0
        assert self._session is not None
        times = [self.usart.next_us(self.now_us), self.wire.next_us(), self._session.wake_at_us]
        if self.flash.is_busy():
            times.append(float(self.flash.busy_until_us))
        self.now_us = max(self.now_us, min(time for time in times if time is not None))
        self._synchronise()
        return 0

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
            self._stop()

    def _synchronise(self) -> None:
        """The flash has a clock of whole microseconds, which waits of its own may move on."""
        clock = self.flash.clock
        clock.now_us = max(clock.now_us, int(self.now_us))
        self.now_us = max(self.now_us, float(clock.now_us))

    # --- accesses

    def _stop(self, why: str = "", at: int = 0) -> None:
        if why:
            self.ended, self.started_at = why, at
        self._uc.emu_stop()

    def _guard(self, work: Any) -> int:
        """Nothing may be raised through the CPU: keep it, stop, raise it when the CPU has gone."""
        if self._raised is None:
            try:
                self._synchronise()
                value: int = work() or 0
                self._synchronise()
            except Nmi:
                self._nmi = True
                return 0x5A5A_5A5A  # not to be used
            except BaseException as error:  # PowerLoss is one
                self._raised = error
            else:
                return value
        self._uc.emu_stop()
        return 0

    def _store(self, _uc: Any, _kind: int, address: int, size: int, value: int, _: Any) -> bool:
        value &= (1 << 8 * size) - 1
        self._guard(lambda: self.front.store(address, size, value))
        return True

    def _load(self, _uc: Any, _kind: int, address: int, size: int, _value: int, _: Any) -> None:
        value = self._guard(lambda: self.front.load(address, size))
        at = address - self.flash.part.base
        self._seen[at : at + size] = (value & (1 << 8 * size) - 1).to_bytes(size, "little")

    def _read(self, _uc: Any, offset: int, size: int, begin: int) -> int:
        return self._guard(lambda: self._read_register(begin + offset, size))

    def _read_register(self, address: int, size: int) -> int:
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

    def _write(self, _uc: Any, offset: int, size: int, value: int, begin: int) -> None:
        self._guard(lambda: self._write_register(begin + offset, size, value))

    def _write_register(self, address: int, size: int, value: int) -> None:
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
            self._stop("reset")
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
        return bytes(self._uc.mem_read(address, size))

    @property
    def stack_pointer(self) -> int:
        return int(self._uc.reg_read(arm.UC_ARM_REG_SP))


def _instructions(code: bytes) -> int:
    """How many Thumb-2 instructions *code* has: those of 32 bits begin with 0b11101 and above."""
    at = count = 0
    while at < len(code):
        at += 4 if code[at + 1] >= 0xE8 else 2
        count += 1
    return count
