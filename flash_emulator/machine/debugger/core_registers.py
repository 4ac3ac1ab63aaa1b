"""The core's registers as gdb has them: numbers, sizes, and the XML that says so.

GDB manual, appendix G.5.3 "ARM Features": org.gnu.gdb.arm.m-profile, m-system and vfp.
"""

from __future__ import annotations

from dataclasses import dataclass

from flash_emulator.machine.debugger.memory import Refused
from flash_emulator.machine.machine import Machine

_GENERAL = (*(f"r{n}" for n in range(13)), "sp", "lr", "pc", "xpsr")
_SYSTEM = ("msp", "psp", "primask", "basepri", "faultmask", "control")
_NOT_ON_M0 = ("basepri", "faultmask")
_FPU_CORES = ("m4", "m7", "m33")
_FLAGS = 0xF80F_0000  # N, Z, C, V, Q and GE of xPSR
_POINTERS = {"sp": "data_ptr", "lr": "code_ptr", "pc": "code_ptr", "msp": "data_ptr"}
_BYTES = {"primask": 1, "basepri": 1, "faultmask": 1, "control": 1}
_FPSCR = 32


@dataclass(frozen=True, slots=True)
class Register:
    """*size* in bytes; *feature*: where the XML has it."""

    name: str
    size: int
    feature: str


def registers_of(core: str) -> tuple[Register, ...]:
    """In gdb's order; a register's number is its place."""
    is_small = core.startswith("m0")
    system = [name for name in _SYSTEM if not (is_small and name in _NOT_ON_M0)]
    found = [Register(name, 4, "org.gnu.gdb.arm.m-profile") for name in _GENERAL]
    found += [Register(n, _BYTES.get(n, 4), "org.gnu.gdb.arm.m-system") for n in system]
    if core in _FPU_CORES:
        found += [Register(f"d{n}", 8, "org.gnu.gdb.arm.vfp") for n in range(16)]
        found.append(Register("fpscr", 4, "org.gnu.gdb.arm.vfp"))
    return tuple(found)


def target_xml(core: str) -> str:
    """The target description. gdb makes s0 to s31 of d0 to d15."""
    lines = ['<?xml version="1.0"?>', '<!DOCTYPE target SYSTEM "gdb-target.dtd">', "<target>"]
    lines.append("  <architecture>arm</architecture>")
    feature = ""
    for register in registers_of(core):
        if register.feature != feature:
            lines += ["  </feature>"] if feature else []
            feature = register.feature
            lines.append(f'  <feature name="{feature}">')
        kind = "ieee_double" if register.size == 8 else _POINTERS.get(register.name, "int")
        kind = "uint8" if register.size == 1 else kind
        bits = 8 * register.size
        lines.append(f'    <reg name="{register.name}" bitsize="{bits}" type="{kind}"/>')
    return "\n".join([*lines, "  </feature>", "</target>", ""])


class CoreRegisters:
    """Of *machine*, while it stands still."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.all = registers_of(machine.core)

    def at(self, number: int) -> Register:
        """Raises Refused for a number that there is not."""
        if not 0 <= number < len(self.all):
            raise Refused(f"register {number}: this core has 0 to {len(self.all) - 1}")
        return self.all[number]

    def read(self, register: Register, pc: int) -> bytes:
        """Little-endian. *pc*: where the machine stands."""
        return self._value(register.name, pc).to_bytes(register.size, "little")

    def _value(self, name: str, pc: int) -> int:
        registers = self._machine.engine.registers
        if name == "pc":
            return pc
        if name == "fpscr":
            return registers.floats()[_FPSCR]
        if name.startswith("d"):
            index, floats = 2 * int(name[1:]), registers.floats()
            return floats[index] | floats[index + 1] << 32
        value = registers[name]
        return value & 7 if name == "control" else value

    def write(self, register: Register, value: int) -> None:
        """All but pc. Raises Refused for what belongs to exceptions."""
        registers, name = self._machine.engine.registers, register.name
        if name == "xpsr":
            old = registers["xpsr"]
            if (value ^ old) & ~_FLAGS:
                raise Refused(
                    f"xpsr = 0x{value:08x}: only its flags can be changed (N, Z, C, V, Q, GE); "
                    f"the other bits stay 0x{old & ~_FLAGS:08x}"
                )
            registers["xpsr"] = value
        elif name == "fpscr":
            registers.set_float(_FPSCR, value)
        elif name.startswith("d"):
            index = 2 * int(name[1:])
            registers.set_float(index, value & 0xFFFF_FFFF)
            registers.set_float(index + 1, value >> 32)
        else:
            registers[name] = value & ~3 if name in ("sp", "msp", "psp") else value
