"""``RomLine`` over ``Line``: bytes, bridge and flash take their time, in virtual time."""

from __future__ import annotations

from flash_emulator import EmulatedFlash, load_part
from flash_emulator.bootrom import Chip as EmulatedChip
from flash_emulator.bootrom import Fault, Faults, Line, Noise, RomOptions, Speed
from flash_emulator.bootrom.times import with_times
from tests.stm32.emulated_chip import EmulatedLine, VirtualTime, World


class TimedLine(EmulatedLine):
    def __init__(self, line: Line, clock: VirtualTime, baud: int) -> None:
        super().__init__(line.chip, clock)
        self.line, self.baud = line, baud

    def write(self, data: bytes) -> None:
        self.writes.append(data)
        self.line.receive(data, self.clock.now * 1e6)

    def discard_input(self) -> None:
        self.line.transmit(self.clock.now * 1e6)

    def read(self, timeout_s: float) -> bytes:
        deadline_s = self.clock.now + max(0.0, timeout_s)
        due_us = self.line.next_due_us()
        if due_us is None or due_us / 1e6 > deadline_s:
            self.clock.now = deadline_s
            return b""
        self.clock.now = max(self.clock.now, due_us / 1e6)
        return self.line.transmit(max(due_us, self.clock.now * 1e6))


def timed_world(
    baud: int = 115_200,
    latency_ms: float = 16.0,
    part: str = "STM32L476xG",
    *,
    options: RomOptions | None = None,
    noise: Noise | None = None,
    faults: tuple[str, ...] = (),
    seed: int = 0,
) -> World:
    """With flash times of the part: typical ones where documents give them."""
    timed, _ = with_times(load_part(part), "typ")
    device = EmulatedFlash(timed, seed=seed)
    chip = EmulatedChip(device, options, faults=Faults(*map(Fault.parse, faults)))
    clock = VirtualTime()
    line = Line(chip, Speed(baud, latency_ms, flash=True), noise)
    return World(chip, TimedLine(line, clock, baud), clock)
