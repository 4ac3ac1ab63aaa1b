"""The loop for an emulated chip: bytes and time into its line, bytes out of it.

It knows chip and line by shape only; ``cli`` brings the emulator.
"""

from __future__ import annotations

import select
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from mcu_updater.host.clock import MonotonicClock
from mcu_updater.serve.loop import LONGEST_WAIT_S
from mcu_updater.serve.server import Stopper
from mcu_updater.serve.wires import Wire


class ChipLine(Protocol):
    """A chip at the end of its line. Times in microseconds."""

    def receive(self, data: bytes, now_us: float, baud: int = 0) -> None: ...

    def transmit(self, now_us: float) -> bytes: ...

    def next_due_us(self) -> float | None: ...


@dataclass(slots=True)
class Desk:
    """What there is besides the line. *keep* is called after whatever the chip may have done,
    before its answer goes out: it raises an UpdaterError where the chip cannot be kept."""

    keep: Callable[[], None]
    is_over: Callable[[], bool]
    follows_baud: bool = False
    """Whether the client's own speed counts."""
    commands: dict[int, Callable[[], None]] = field(default_factory=dict)
    """Called when that file descriptor is readable. One may take itself out."""


def serve_chip(
    line: ChipLine, wire: Wire, desk: Desk, clock: MonotonicClock, stopper: Stopper
) -> None:
    """Until the client has left for good, the desk is over, or the stopper rings."""
    while not (wire.gone or desk.is_over()):
        for ready in _wait(line, wire, desk, clock, stopper):
            if ready == stopper.fileno and stopper.heard():
                return
            if ready in desk.commands:
                desk.commands[ready]()
        data = wire.receive()
        if data:
            line.receive(data, clock.now_s() * 1e6, wire.baud() if desk.follows_baud else 0)
        answer = line.transmit(clock.now_s() * 1e6)
        desk.keep()
        if answer:
            wire.send(answer)
        wire.flush()


def _wait(
    line: ChipLine, wire: Wire, desk: Desk, clock: MonotonicClock, stopper: Stopper
) -> list[int]:
    """File descriptors that have something, or none: it is time. Not poll, which counts in ms."""
    output = wire.output()
    due_us = line.next_due_us()
    left_s = LONGEST_WAIT_S if due_us is None else max(0.0, due_us / 1e6 - clock.now_s())
    sources = [stopper.fileno, wire.input(), *desk.commands]
    targets = [] if output is None else [output]
    ready, _, _ = select.select(sources, targets, [], min(left_s, LONGEST_WAIT_S))
    return ready
