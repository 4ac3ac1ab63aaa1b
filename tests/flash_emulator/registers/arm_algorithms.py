"""Arm's flash algorithms, as pyocd ships them, run on the machine's engine, on a register front.

They are Thumb code for a debugger to load into RAM: Init, EraseSector, EraseAll, ProgramPage and
UnInit, called like C functions, 0 for success (CMSIS-Pack, "Flash Programming Algorithms"). Nobody
of this project has written them, so they know nothing of the emulator.

Flash is a window here: every load and every store is a call of the front. All else that the
algorithms touch is dumb: IWDG, WWDG, RCC, DBGMCU.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

from flash_emulator import EmulatedFlash, PowerSupply, load_part
from flash_emulator.machine.engine import (
    BREAKPOINT,
    FETCH,
    MAY_FETCH,
    MAY_READ,
    MAY_WRITE,
    Engine,
    Mapping,
    Window,
)
from flash_emulator.machine.special_instructions import mark_it_blocks
from flash_emulator.registers import AccessFault, Front, front_for

RAM, RAM_BYTES = 0x2000_0000, 0x4_0000
FLASH = 0xB000_0000  # the window, in the engine's physical memory
PERIPHERALS = (0x4000_0000, 0x2000_0000), (0xE000_0000, 0x10_0000)
IDCODE = {0xE004_2000: 0x1007_6415}  # DBGMCU of an L475, revision 4
MOST_ACCESSES = 2_000_000  # more than any call here needs: it hangs

ERASE, PROGRAM = 1, 2  # what Init is told, as pyocd calls them


@dataclass(frozen=True, slots=True)
class Access:
    """One access to a flash register, or a store to the array."""

    kind: str  # "read", "write", "store"
    place: str  # a register's name, or an address
    value: int

    def __str__(self) -> str:
        return f"{self.kind} {self.place} 0x{self.value:X}"


class Runner:
    """One algorithm in the RAM of one chip."""

    def __init__(self, module: str, part: str, *, supply: PowerSupply | None = None) -> None:
        name = f"pyocd.target.builtin.target_STM32{module}"
        self.algo: dict[str, Any] = importlib.import_module(name).FLASH_ALGO
        self.flash = EmulatedFlash(load_part(part), supply=supply, seed=1)
        self.front: Front = front_for(self.flash)
        self.accesses: list[Access] = []
        self.others: set[int] = set()  # peripherals that were touched and are not flash
        self._count = 0
        self._make_core()
        self._load_algorithm()

    # --- the CPU

    def _make_core(self) -> None:
        part = self.flash.part
        self._span = part.bank_starts[-1] + part.bank_size - part.base
        self.engine = Engine("m4", self._page)
        self._ram = self.engine.map_memory(RAM, RAM_BYTES)
        self.engine.map_window(FLASH, self._span, self._window(part.base, self._load, self._store))
        for begin, size in PERIPHERALS:
            self.engine.map_window(begin, size, self._window(begin, self._read, self._write))

    def _window(self, begin: int, load: Any, store: Any) -> Window:
        """*load* and *store* get addresses. An algorithm that does not end is ended."""

        def counted(call: Any, *given: int) -> Any:
            self._count += 1
            assert self._count <= MOST_ACCESSES, "the algorithm does not come to an end"
            return call(*given)

        return Window(
            lambda offset, width: counted(load, begin + offset, width),
            lambda offset, width, value: counted(store, begin + offset, width, value),
        )

    def _page(self, address: int, access: int) -> Mapping | None:
        base = self.flash.part.base
        if RAM <= address < RAM + RAM_BYTES:
            return Mapping(address, MAY_READ | MAY_WRITE | MAY_FETCH)
        if access == FETCH:
            return None
        if base <= address < base + self._span:
            return Mapping(FLASH + address - base, MAY_READ | MAY_WRITE)
        if any(begin <= address < begin + size for begin, size in PERIPHERALS):
            return Mapping(address, MAY_READ | MAY_WRITE)
        return None

    def _load_algorithm(self) -> None:
        words, at = self.algo["instructions"], self.algo["load_address"]
        code = b"".join(word.to_bytes(4, "little") for word in words)
        self.engine.registers.clear()
        self._write_ram(at, code)
        mark_it_blocks(self.engine, at, code)

    def _write_ram(self, address: int, data: bytes) -> None:
        self._ram[address - RAM : address - RAM + len(data)] = data

    def power_on(self) -> None:
        """Power is back: RAM is lost, registers are at their reset values."""
        self.flash.power_on()
        self.front.reset()
        self._ram[:] = bytes(RAM_BYTES)
        self._load_algorithm()

    def _store(self, address: int, size: int, value: int) -> None:
        value &= (1 << 8 * size) - 1
        self.accesses.append(Access("store", f"0x{address:08X}", value))
        self.front.store(address, size, value)

    def _load(self, address: int, size: int) -> int:
        return self.front.load(address, size)

    def _read(self, address: int, size: int) -> int:
        name = self._register(address)
        if name is None:
            self.others.add(address)
            return IDCODE.get(address, 0)
        value = self.front.read(address - self.front.base, size)
        self.accesses.append(Access("read", name, value))
        return value

    def _write(self, address: int, size: int, value: int) -> None:
        name = self._register(address)
        if name is None:
            self.others.add(address)
            return
        value &= (1 << 8 * size) - 1
        self.accesses.append(Access("write", name, value))
        self.front.write(address - self.front.base, size, value)

    def _register(self, address: int) -> str | None:
        register = self.front._map.get(address - self.front.base)
        return register.name if register else None

    def call(self, function: str, *arguments: int) -> int:
        """Call one of its functions; what it returns, 0 for success. Raises what the front raises.

        As pyocd does it: R9 has the static base, LR an address at which a breakpoint would be.
        """
        self.accesses.clear()
        self._count = 0
        back, registers = self.algo["load_address"], self.engine.registers
        for index, value in enumerate((*arguments, 0, 0, 0, 0)[:4]):
            registers[f"r{index}"] = value
        registers["r9"] = self.algo["static_base"]
        registers["sp"] = self.algo["begin_stack"]
        registers["lr"] = back | 1
        stop = self.engine.run(self.algo[function] & ~1)
        assert (stop.number, registers["pc"]) == (BREAKPOINT, back), stop
        return registers["r0"]

    # --- what a debugger does with it

    def init(self, what: int = ERASE) -> int:
        return self.call("pc_init", self.flash.part.base, 0, what)

    def uninit(self, what: int = ERASE) -> int:
        return self.call("pc_unInit", what) if "pc_unInit" in self.algo else 0

    def erase_sector(self, address: int) -> int:
        return self.call("pc_erase_sector", address)

    def erase_all(self) -> int:
        return self.call("pc_eraseAll")

    def program_page(self, address: int, data: bytes) -> int:
        buffer = self.algo["page_buffers"][0]
        self._write_ram(buffer, data)
        return self.call("pc_program_page", address, len(data), buffer)

    # --- what it did

    def steps(self, *, reads: bool = False) -> list[str]:
        """Its register accesses, without the stores; runs of the same access as one."""
        steps: list[str] = []
        for access in self.accesses:
            if access.kind == "store" or (access.kind == "read" and not reads):
                continue
            if not steps or steps[-1] != str(access):
                steps.append(str(access))
        return steps


__all__ = ["ERASE", "PROGRAM", "Access", "AccessFault", "Runner"]
