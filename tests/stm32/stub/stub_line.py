"""A line to an emulated chip that runs a stub's machine code once its boot ROM is told to.

Time is that of the chip while it runs the stub, and the host's else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.loader_stub.chip import StubChip
from flash_emulator import EmulatedFlash, PowerLoss, load_part
from flash_emulator.bootrom import Chip as EmulatedChip
from flash_emulator.bootrom import Noise
from flash_emulator.bootrom.chip import State
from mcu_updater.stm32.line import WIRINGS, LineName, Wiring
from mcu_updater.stm32.stub.images import LOAD_ADDRESS, STUBS
from mcu_updater.stm32.stub.records import StubState
from tests.stm32.emulated_chip import EmulatedLine, VirtualTime, World

GO_FRAME = LOAD_ADDRESS.to_bytes(4, "big")


class Listener:
    """``Host`` that hears the first bytes, or nothing until *wake_at_us*."""

    def __init__(self, baud: int, wake_at_us: float) -> None:
        self.baud, self.wake_at_us = baud, wake_at_us
        self.is_done = False
        self.heard = b""

    def receive(self, data: bytes, now_us: float) -> None:
        self.heard += data
        self.is_done = True

    def wake(self, now_us: float) -> None:
        self.is_done = True

    def take(self) -> bytes:
        return b""


class StubLine(EmulatedLine):
    """*deaf_after*: bytes to the stub, then nothing gets through. *reset_after*: then the chip
    resets itself, as a watchdog does. *on_end* is called with the flash when the stub is left."""

    def __init__(self, chip: EmulatedChip, clock: VirtualTime, noise: Noise | None) -> None:
        super().__init__(chip, clock)
        self.stub: StubChip | None = None
        self.stub_noise = noise
        self.stub_runs = 0
        self.deaf_after: int | None = None
        self.reset_after: int | None = None
        self.patch: Callable[[bytes], bytes] = lambda code: code
        self.on_end: Callable[[EmulatedFlash], None] = lambda _: None
        self.ended = ""
        self._ahead_s = 0.0  # of the host's clock, to the stub's
        self._wanted = 0  # bytes to the stub

    def write(self, data: bytes) -> None:
        if self.stub is None:
            super().write(data)
            if self.chip.state is State.APPLICATION and data[:4] == GO_FRAME:
                self._begin()
            return
        self._wanted += len(data)
        if self.reset_after is not None and self._wanted > self.reset_after:
            self.reset_after = None
            self._leave("watchdog")
        elif self.deaf_after is None or self._wanted <= self.deaf_after:
            self._run_until(self.clock.now)
            if self.stub is not None:
                self.stub.wire.host_baud = self.baud
                self.stub.wire.from_host(data, self.stub.now_us)

    def read(self, timeout_s: float) -> bytes:
        if self.stub is None or self._waiting:  # the ROM's last word
            return super().read(timeout_s)
        return self._run_until(self.clock.now + timeout_s)

    def set_baud(self, baud: int) -> None:
        self._catch_up()
        super().set_baud(baud)

    def settle(self) -> None:
        """A while goes by in which nobody says anything."""
        while self.stub is not None and self._run_until(self.clock.now + 0.1):
            pass

    def _catch_up(self) -> None:
        """The chip does what it did while the host slept."""
        while self.stub is not None and (heard := self._run_until(self.clock.now)):
            self._waiting += heard

    def set_modem_line(self, name: LineName, asserted: bool) -> None:
        self._catch_up()
        if self.stub is not None and self.wired is not None and name == self.wired.reset:
            self._leave("line", resets=False)
        super().set_modem_line(name, asserted)

    # --- the chip in its stub

    def _begin(self) -> None:
        image = STUBS[self.chip.device.part.name]
        loaded = self.chip.memory.read(LOAD_ADDRESS, len(image.data))
        uid = self.chip.memory.read(self.chip.device.part.identity.uid or 0, 12)
        self.stub = StubChip(
            self.chip.device, stub=self.patch(loaded), uid=uid, noise=self.stub_noise
        )
        self.stub_runs += 1
        self._ahead_s = self.clock.now - self.stub.now_us / 1e6

    def _run_until(self, when_s: float) -> bytes:
        stub = self.stub
        assert stub is not None
        listener = Listener(self.baud, (when_s - self._ahead_s) * 1e6)
        try:
            stub.run(listener)
        except PowerLoss as cut:
            self.chip.cut = cut
            self.chip.power_off()
            self._leave("power", resets=False)
        self.clock.now = max(self.clock.now, stub.now_us / 1e6 + self._ahead_s)
        if stub.ended:
            self._leave(stub.ended, resets=stub.ended == "reset")
        if not listener.heard and self.stub is None:
            self.clock.now = max(self.clock.now, when_s)
        return listener.heard

    def _leave(self, how: str, *, resets: bool = True) -> None:
        assert self.stub is not None
        self.ended = how
        self.chip.device.background = False
        if how != "power":
            self.chip.device.wait()
        self.stub = None
        self.on_end(self.chip.device)
        if resets:
            self.chip.reset()


@dataclass
class KeptRecords:
    """``StubRecords`` that remember between two runs."""

    kept: dict[tuple[int, bytes, str], StubState] = field(default_factory=dict)

    def load(self, pid: int, uid: bytes, digest: str) -> StubState:
        return self.kept.get((pid, uid, digest), StubState.UNKNOWN)

    def store(self, pid: int, uid: bytes, digest: str, state: StubState) -> None:
        self.kept[pid, uid, digest] = state


def stub_world(
    part: str = "STM32L476xG", *, wired: bool = True, noise: Noise | None = None
) -> World:
    """*wired*: DTR and RTS reach NRST and BOOT0; else BOOT0 stays high."""
    device = EmulatedFlash(load_part(part), seed=1)
    chip, clock = EmulatedChip(device), VirtualTime()
    line = StubLine(chip, clock, noise)
    line.wired = WIRING if wired else None
    return World(chip, line, clock)


WIRING: Wiring = WIRINGS["dtr,rts"]
