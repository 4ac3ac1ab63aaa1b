"""An emulated module as the host of compiled firmware, at the line of an emulated MCU.

Talk("USART2", partial(serve, make_module), blocking=True)     # of flash_emulator.machine.hosts
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from mcu_updater.quectel.emulated.module import EmulatedModule


class DeviceLine(Protocol):
    """What ``flash_emulator.machine.hosts.Line`` has of what is needed here."""

    def write(self, data: bytes) -> None: ...
    def read(self, size: int | None, timeout_s: float | None) -> bytes: ...
    def now_s(self) -> float: ...


def serve(make_module: Callable[[], EmulatedModule], line: DeviceLine) -> None:
    """A new module, powered on together with the device. Never returns."""
    module = make_module()
    while True:
        due_s, now_s = module.next_deadline(), line.now_s()
        data = line.read(None, None if due_s is None else max(0.0, due_s - now_s))
        now_s = line.now_s()
        if data:
            module.receive(data, now_s)
        else:
            module.advance(now_s if due_s is None else max(now_s, due_s))
        line.write(module.transmit())
