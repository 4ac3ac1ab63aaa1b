"""What can be done to a served chip besides talking to it: lines on standard input.

    reset | off | on | cut | cut-at N [OUTCOME] | boot0 high|low | fault DEED:COMMAND[:N[+]]
    heal | spoil ADDRESS | status | quit

Each line gets one line on standard output: ``ok``, ``ok`` with what was asked for, or ``error``.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import click

from flash_emulator import CutAt, Outcome
from flash_emulator.bootrom import Chip, Fault, Faults, Line, State
from mcu_updater.core.errors import address_text

Handler = Callable[[list[str]], str]


class Control:
    """Carries out lines. *is_over* after ``quit``."""

    def __init__(self, line: Line) -> None:
        self.is_over = False
        self._line = line
        self._chip: Chip = line.chip
        self._pending = b""
        self._handlers: dict[str, Handler] = {
            "reset": self._reset,
            "off": self._off,
            "on": self._on,
            "cut": self._cut,
            "cut-at": self._cut_at,
            "boot0": self._boot0,
            "fault": self._fault,
            "heal": self._heal,
            "spoil": self._spoil,
            "status": self._status,
            "quit": self._quit,
        }

    def read(self, source: int) -> bool:
        """Lines from *source*. False at its end."""
        data = os.read(source, 4096)
        *lines, self._pending = (self._pending + data).split(b"\n")
        for line in lines:
            click.echo(self.obey(line.decode(errors="replace")))
        return bool(data)

    def obey(self, text: str) -> str:
        """One line, and what to say to it."""
        name, *words = text.split() or [""]
        handler = self._handlers.get(name)
        if handler is None:
            return f"error: {name!r} is none of {', '.join(self._handlers)}"
        try:
            said = handler(words)
        except (ValueError, IndexError) as error:
            return f"error: {name}: {error}"
        return f"ok {said}".rstrip()

    # --- power and pins

    def _reset(self, _: list[str]) -> str:
        self._chip.reset()
        return ""

    def _off(self, _: list[str]) -> str:
        self._chip.power_off()
        return ""

    def _on(self, _: list[str]) -> str:
        self._chip.power_on()
        return ""

    def _cut(self, _: list[str]) -> str:
        """Off and on again, between two operations."""
        self._chip.power_off()
        self._chip.power_on()
        return ""

    def _cut_at(self, words: list[str]) -> str:
        """At the Nth flash operation from now on."""
        self._chip.device.supply = CutAt(int(words[0]), Outcome(*words[1:2] or ["torn"]))
        return ""

    def _boot0(self, words: list[str]) -> str:
        if words[:1] not in (["high"], ["low"]):
            raise ValueError("expected high or low")
        self._chip.boot0 = words[0] == "high"
        return ""

    # --- damage

    def _fault(self, words: list[str]) -> str:
        """Commands are counted from now on."""
        self._chip.set_faults(Faults(Fault.parse(words[0])))
        return ""

    def _heal(self, _: list[str]) -> str:
        self._chip.set_faults(Faults())
        return ""

    def _spoil(self, words: list[str]) -> str:
        self._chip.device.spoil(int(words[0].replace("_", ""), 0))
        return ""

    # --- looking

    def _status(self, _: list[str]) -> str:
        chip, usage = self._chip, self._chip.device.usage
        found: dict[str, object] = {
            "state": chip.state.value,
            "resets": chip.resets,
            "programs": usage.programs,
            "erases": usage.erases,
            "time_us": chip.device.clock.now_us,
            "latency_ms": f"{self._line.speed.latency_ms:g}",
            "overruns": self._line.overrun_count,
            "misread": self._line.misread_count,
        }
        if chip.state is State.OFF and chip.cut is not None:
            found["cut"] = f"{chip.cut.kind.replace(' ', '-')}@{address_text(chip.cut.address)}"
        return " ".join(f"{name}={value}" for name, value in found.items())

    def _quit(self, _: list[str]) -> str:
        self.is_over = True
        return ""
