"""Flash that both cores write to: every unit that is looked at, programmed or erased is noted.

What lies outside of the places that are allowed is a trap: whoever goes there fails the test.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from types import TracebackType
from typing import Any

from flash_emulator import EmulatedFlash
from mcu_updater.core.bank import Bank, open_banks
from mcu_updater.core.flash import Geometry
from mcu_updater.core_c.native import Native
from tests.core_c.libraries import library, target

Step = tuple[str, int, bytes]


class Trapped(AssertionError):
    """Flash outside of slot and trailer was looked at or written to."""


@dataclass(slots=True)
class Weakness:
    """What goes wrong, by address of the unit or sector: how many times from the first on."""

    program: Counter[int] = field(default_factory=Counter)  # is refused
    erase: Counter[int] = field(default_factory=Counter)  # is refused
    look: Counter[int] = field(default_factory=Counter)  # finds it unreadable
    bit: Counter[int] = field(default_factory=Counter)  # a look finds a wrong bit

    def strikes(self, kind: str, address: int) -> bool:
        left: Counter[int] = getattr(self, kind)
        left[address] -= 1
        return left[address] >= 0


class SpiedFlash:
    """A FlashDevice: the emulated flash of a part, *allowed* only where a bank's regions lie."""

    def __init__(self, name: str, weakness: Weakness | None = None) -> None:
        self.part, _, self.layout = target(name)
        self.device = EmulatedFlash(self.part, seed=1)
        self.unit = self.part.program_unit
        self.weakness = weakness or Weakness()
        self.log: list[Step] = []
        self.bank = self._open()
        self.allowed = [_span(w) for w in (self.bank.slot, *self.bank.halves)]
        self.mapped_bank = 0

    def _open(self) -> Bank:
        """Bank B, which is written to while A runs."""

        class Mapped:
            mapped_bank = 0
            maps_at_once = True

            def map_bank(self, bank: int) -> None:
                raise Trapped

        return open_banks(self, Mapped(), self.layout)[1]

    @property
    def geometry(self) -> Geometry:
        return self.device.geometry

    def read(self, address: int, size: int) -> bytes:
        self._check(address, size)
        first = address - address % self.unit
        units = range(first, address + size, self.unit)
        if self.weakness.look or self.weakness.bit:
            data = b"".join(map(self._look, units))
        else:
            self.log += [("look", at, b"") for at in units]
            data = self.device.read(first, len(units) * self.unit)
        return data[address - first :][:size]

    def _look(self, at: int) -> bytes:
        self.log.append(("look", at, b""))
        if self.weakness.strikes("look", at):
            raise OSError(f"unit at {at:#x} cannot be read")
        held = bytearray(self.device.read(at, self.unit))
        held[-1] ^= self.weakness.strikes("bit", at)
        return bytes(held)

    def program(self, address: int, data: bytes) -> None:
        self._check(address, len(data))
        units = [(address + at, data[at : at + self.unit]) for at in range(0, len(data), self.unit)]
        if self.weakness.program:
            for at, unit in units:
                self._program(at, unit)
        else:
            self.log += [("program", at, unit) for at, unit in units]
            self.device.program(address, data)

    def _program(self, at: int, unit: bytes) -> None:
        self.log.append(("program", at, unit))
        if self.weakness.strikes("program", at):
            raise OSError(f"unit at {at:#x} refuses")
        self.device.program(at, unit)

    def erase(self, address: int) -> None:
        self._check(address, 1)
        self.log.append(("erase", address, b""))
        if self.weakness.strikes("erase", address):
            raise OSError(f"sector at {address:#x} refuses")
        self.device.erase(address)

    def _check(self, address: int, size: int) -> None:
        if not any(begin <= address <= address + size <= end for begin, end in self.allowed):
            raise Trapped(f"{size} bytes at {address:#x}")


def _span(window: Any) -> tuple[int, int]:
    return window.address, window.address + window.size


class FlashHal:
    """The hooks of a library that ask *flash*. What is no answer in C is raised by ``settle``."""

    def __init__(self, core: Native) -> None:
        self._core, self._ffi = core, core.ffi
        self.flash: SpiedFlash | None = None
        self._raised: BaseException | None = None
        self._hooks = self._ffi.new("struct fwu_hooks *")
        self._kept = []  # must live as long as the library calls them
        for name in ("read", "program", "erase", "mapped_bank"):
            kind = self._ffi.typeof(getattr(self._hooks, name))
            function = getattr(self, f"_{name}")
            hook = self._ffi.callback(kind, function, error=-1, onerror=self._failed)
            self._kept.append(hook)
            setattr(self._hooks, name, hook)

    def use(self, flash: SpiedFlash) -> Any:
        """``struct fwu_bank``, bank B of *flash*, which is asked from now on."""
        self.flash = flash
        self._core.lib.fwu_host_set_up(self._hooks)
        bank = self._ffi.new("struct fwu_bank *")
        self._core.lib.fwu_open_bank(bank, 1)
        return bank

    def settle(self) -> None:
        error, self._raised = self._raised, None
        if error is not None:
            raise error

    def _failed(self, _: type[BaseException], error: BaseException, _at: TracebackType) -> None:
        if not isinstance(error, OSError):
            self._raised = error

    def _read(self, address: int, data: Any, size: int) -> int:
        assert self.flash is not None
        self._ffi.memmove(data, self.flash.read(address, size), size)
        return 0

    def _program(self, address: int, data: Any, size: int) -> int:
        assert self.flash is not None
        self.flash.program(address, bytes(self._ffi.buffer(data, size)))
        return 0

    def _erase(self, address: int) -> int:
        assert self.flash is not None
        self.flash.erase(address)
        return 0

    def _mapped_bank(self) -> int:
        return 0


@cache
def hal(name: str) -> FlashHal:
    return FlashHal(library(name))


def operations(log: Iterable[Step]) -> list[Step]:
    """What of *log* changes flash."""
    return [step for step in log if step[0] != "look"]
