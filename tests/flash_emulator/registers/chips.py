"""Chips for the tests of the register fronts, and what firmware does to them most."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flash_emulator import (
    CutAt,
    EmulatedFlash,
    Outcome,
    Part,
    PowerLoss,
    SteadySupply,
    Trace,
    load_part,
)
from flash_emulator.registers import Front, front_for
from flash_emulator.registers.locks import KEYS, OPTION_KEYS

BASE = 0x0800_0000


class Chip:
    """A front with registers by name. *open_* writes the keys."""

    def __init__(self, part: str | Part, *, opened: bool = True) -> None:
        known = load_part(part) if isinstance(part, str) else part
        self.flash = EmulatedFlash(known, seed=1)
        self.flash.trace = Trace()
        self.front: Front = front_for(self.flash)
        self._places = {r.name: r.offset for r in self.front._map.values()}
        if opened:
            self.open()

    def open(self, register: str = "KEYR", keys: tuple[int, int] = KEYS) -> None:
        names = {register, f"{register}1", f"{register}2", f"NS{register}"} & set(self._places)
        for name in sorted(names):
            for key in keys:
                self[name] = key

    def open_options(self, keys: tuple[int, int] = OPTION_KEYS) -> None:
        for key in keys:
            self["OPTKEYR"] = key

    def __getitem__(self, name: str) -> int:
        return self.front.read(self._places[name], 4)

    def __setitem__(self, name: str, value: int) -> None:
        self.front.write(self._places[name], 4, value)

    def raise_flags(self, flags: int) -> None:
        """Let SR hold *flags*, as if operations had gone wrong."""
        front: Any = self.front  # of a class with one status register
        front._sr = flags

    def place(self, name: str) -> int:
        return self._places[name]

    def store(self, address: int, *words: int, width: int = 4) -> None:
        """Ascending stores from *address* on."""
        for index, word in enumerate(words):
            self.front.store(address + index * width, width, word)

    def done(self) -> list[str]:
        """What has reached the array."""
        assert self.flash.trace is not None
        return [str(operation) for operation in self.flash.trace]

    def cut(self, operation: int, outcome: Outcome, call: Callable[[], object]) -> None:
        """Lose power in *call*, then power on, registers and all."""
        self.flash.supply = CutAt(operation, outcome)
        try:
            call()
        except PowerLoss:
            self.flash.supply = SteadySupply()
            self.flash.power_on()
            self.front.reset()
            return
        raise AssertionError("the cut never fired")
