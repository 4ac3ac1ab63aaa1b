"""Arm's flash algorithms, as pyocd ships them, run on the CPU of unicorn against a register front.

They are Thumb code for a debugger to load into RAM: Init, EraseSector, EraseAll, ProgramPage and
UnInit, called like C functions, 0 for success (CMSIS-Pack, "Flash Programming Algorithms"). Nobody
of this project has written them, so they know nothing of the emulator.

Flash is mapped for reading only: a store raises the WRITE_PROT hook, which discards it and hands it
to the front. All else that the algorithms touch is dumb: IWDG, WWDG, RCC, DBGMCU.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from unicorn import arm_const as arm
from unicorn import unicorn_const as uc_const
from unicorn.unicorn import Uc

from flash_emulator import EmulatedFlash, PowerSupply, load_part
from flash_emulator.registers import AccessFault, Front, front_for

RAM, RAM_BYTES = 0x2000_0000, 0x4_0000
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
        self._raised: BaseException | None = None
        self._count = 0
        self._power_up()

    # --- the CPU

    def _power_up(self) -> None:
        uc = Uc(uc_const.UC_ARCH_ARM, uc_const.UC_MODE_THUMB | uc_const.UC_MODE_MCLASS)
        uc.ctl_set_cpu_model(arm.UC_CPU_ARM_CORTEX_M4)
        part = self.flash.part
        uc.mem_map(RAM, RAM_BYTES)
        uc.mem_map(part.base, part.size, uc_const.UC_PROT_READ | uc_const.UC_PROT_EXEC)
        for begin, size in PERIPHERALS:
            uc.mmio_map(begin, size, self._mmio_read, begin, self._mmio_write, begin)
        flash = {"begin": part.base, "end": part.base + part.size - 1}
        uc.hook_add(uc_const.UC_HOOK_MEM_WRITE_PROT, self._store, **flash)
        uc.hook_add(uc_const.UC_HOOK_MEM_READ, self._load, **flash)
        self.uc = uc
        words = self.algo["instructions"]
        code = b"".join(word.to_bytes(4, "little") for word in words)
        uc.mem_write(self.algo["load_address"], code)

    def power_on(self) -> None:
        """Power is back: RAM is lost, registers are at their reset values."""
        self.flash.power_on()
        self.front.reset()
        self._power_up()

    def _guard(self, work: Callable[[], int | None]) -> int:
        """Nothing may be raised through the CPU: keep it, stop, raise it when the CPU has gone."""
        self._count += 1
        if self._count > MOST_ACCESSES:
            self._raised = self._raised or AssertionError("the algorithm does not come to an end")
        if self._raised is None:
            try:
                return work() or 0
            except BaseException as error:  # PowerLoss is one
                self._raised = error
        self.uc.emu_stop()
        return 0

    def _store(self, _uc: Any, _kind: int, address: int, size: int, value: int, _: Any) -> bool:
        value &= (1 << 8 * size) - 1
        self.accesses.append(Access("store", f"0x{address:08X}", value))
        self._guard(lambda: self.front.store(address, size, value))
        return True

    def _load(self, uc: Any, _kind: int, address: int, size: int, _value: int, _: Any) -> None:
        value = self._guard(lambda: self.front.load(address, size))
        uc.mem_write(address, value.to_bytes(size, "little"))

    def _mmio_read(self, _uc: Any, offset: int, size: int, begin: int) -> int:
        address = begin + offset
        name = self._register(address)
        if name is None:
            self.others.add(address)
            return IDCODE.get(address, 0)
        value = self._guard(lambda: self.front.read(address - self.front.base, size))
        self.accesses.append(Access("read", name, value))
        return value

    def _mmio_write(self, _uc: Any, offset: int, size: int, value: int, begin: int) -> None:
        address = begin + offset
        name = self._register(address)
        if name is None:
            self.others.add(address)
            return
        self.accesses.append(Access("write", name, value))
        self._guard(lambda: self.front.write(address - self.front.base, size, value))

    def _register(self, address: int) -> str | None:
        register = self.front._map.get(address - self.front.base)
        return register.name if register else None

    def call(self, function: str, *arguments: int) -> int:
        """Call one of its functions; what it returns, 0 for success. Raises what the front raises.

        As pyocd does it: R9 has the static base, LR an address at which a breakpoint would be.
        """
        self.accesses.clear()
        self._raised, self._count = None, 0
        back = self.algo["load_address"]
        registers = [arm.UC_ARM_REG_R0, arm.UC_ARM_REG_R1, arm.UC_ARM_REG_R2, arm.UC_ARM_REG_R3]
        for register, value in zip(registers, (*arguments, 0, 0, 0, 0), strict=False):
            self.uc.reg_write(register, value)
        self.uc.reg_write(arm.UC_ARM_REG_R9, self.algo["static_base"])
        self.uc.reg_write(arm.UC_ARM_REG_SP, self.algo["begin_stack"])
        self.uc.reg_write(arm.UC_ARM_REG_LR, back | 1)
        self.uc.emu_start(self.algo[function], back)
        if self._raised is not None:
            raise self._raised
        return int(self.uc.reg_read(arm.UC_ARM_REG_R0))

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
        self.uc.mem_write(buffer, data)
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
