"""The host and an emulated chip in one process, in virtual time: a line without a port."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field

from flash_emulator import EmulatedFlash, load_part
from flash_emulator.bootrom import Chip as EmulatedChip
from flash_emulator.bootrom import Fault, Faults, Noise, RomOptions
from flash_emulator.bootrom.chip import State
from flash_emulator.bootrom.noise import NoisyWire
from mcu_updater.cli.flasher.chips import chips_with, choose_chip
from mcu_updater.core.errors import PortError
from mcu_updater.stm32.connection import ConnectOptions, connect, look
from mcu_updater.stm32.firmware import Firmware, Segment
from mcu_updater.stm32.flasher import Flasher, FlashOptions
from mcu_updater.stm32.line import LineName, Wiring
from mcu_updater.stm32.merging import MergeRecord, Merging
from mcu_updater.stm32.sector_cache import SectorCache

PARTS = (
    "STM32F103x8",
    "STM32F103xG",
    "STM32F429xI",
    "STM32L476xG",
    "STM32G0B1xE",
    "STM32G474xE_dual",
    "STM32H743xI",
)


@dataclass
class VirtualTime:
    now: float = 0.0

    def now_s(self) -> float:
        return self.now

    def sleep(self, duration_s: float) -> None:
        self.now += duration_s


class EmulatedLine:
    """``RomLine``. *wired*: how DTR and RTS reach the chip's NRST and BOOT0; None: not at all."""

    name = "emulated"
    wants_full_packets = True
    can_set_baud = True

    def __init__(self, chip: EmulatedChip, clock: VirtualTime, noise: Noise | None = None) -> None:
        self.chip, self.clock = chip, clock
        self.baud = 115_200
        self.wired: Wiring | None = None
        self.best_baud = 10_000_000
        self.dies_after: int | None = None  # bytes that the host may still send
        self.writes: list[bytes] = []
        self._there, self._back = (NoisyWire(noise or Noise()) for _ in range(2))
        self._in_reset = False
        self._waiting = b""

    @property
    def can_reset(self) -> bool:
        return self.wired is not None

    def set_baud(self, baud: int) -> None:
        self.baud = baud

    def set_modem_line(self, name: LineName, asserted: bool) -> None:
        assert self.wired is not None
        if name == self.wired.boot:
            self.chip.boot0 = asserted == self.wired.boot_when
        if name == self.wired.reset:
            held = asserted == self.wired.reset_when
            if self._in_reset and not held:
                self.chip.reset()
            self._in_reset = held

    def discard_input(self) -> None:
        self._waiting = b""

    def write(self, data: bytes) -> None:
        self.writes.append(data)
        if self.dies_after is not None:
            self.dies_after -= len(data)
            if self.dies_after < 0:
                raise PortError("the port is gone", where=self.name)
        if self.baud <= self.best_baud:
            self.chip.receive(self._there.carry(data))
            self._waiting += self._back.carry(self.chip.transmit())

    def read(self, timeout_s: float) -> bytes:
        came, self._waiting = self._waiting, b""
        if not came:
            self.clock.now += timeout_s
        return came


@dataclass
class KeptCaches:
    """Remembers between two runs."""

    kept: dict[bytes, SectorCache] = field(default_factory=dict)

    def load(self, pid: int, uid: bytes) -> SectorCache:
        return self.kept.get(uid) or SectorCache()

    def store(self, pid: int, uid: bytes, cache: SectorCache) -> None:
        self.kept[uid] = SectorCache(dict(cache.digests), set(cache.doubtful), cache.shape)


@dataclass
class KeptMerging:
    """Remembers one line to one chip between two runs."""

    record: MergeRecord = field(default_factory=MergeRecord)

    def load(self) -> MergeRecord:
        return self.record

    def store(self, record: MergeRecord) -> None:
        self.record = record


@dataclass
class World:
    chip: EmulatedChip
    line: EmulatedLine
    clock: VirtualTime
    cache_store: KeptCaches = field(default_factory=KeptCaches)
    notes: list[str] = field(default_factory=list)
    memory: KeptMerging = field(default_factory=KeptMerging)

    def connect(
        self, *, merged: bool | None = False, options: ConnectOptions | None = None
    ) -> Flasher:
        made = options or ConnectOptions(bauds=(self.line.baud,))
        rom, identity, wiring = connect(self.line, self.clock, made, self.notes.append)
        known = chips_with(identity.pid)
        connection = look(rom, identity, wiring, known)
        size = connection.flash_size or self.chip.device.part.size
        named = tuple(chip for chip in known if chip.name == self.chip.device.part.name)
        chip = choose_chip(named, size)
        merging = Merging(rom, chip, self.memory, wanted=merged)
        return Flasher(connection, chip, self.cache_store, merging)

    def flash(self, firmware: Firmware, options: FlashOptions | None = None) -> list[object]:
        return list(self.connect().flash(firmware, options or FlashOptions()))

    def holds(self, firmware: Firmware) -> bool:
        device = self.chip.device
        return all(
            device.read(segment.address, len(segment.data)) == segment.data
            for segment in firmware.segments
        )


def world(
    part: str = "STM32L476xG",
    *,
    faults: Iterable[str] = (),
    noise: Noise | None = None,
    options: RomOptions | None = None,
    seed: int = 0,
) -> World:
    device = EmulatedFlash(load_part(part), seed=seed)
    chip = EmulatedChip(device, options, faults=Faults(*map(Fault.parse, faults)))
    clock = VirtualTime()
    return World(chip, EmulatedLine(chip, clock, noise), clock)


def revive(one: World) -> None:
    """Power comes back, or somebody presses reset; BOOT0 stays high."""
    one.chip.faults = Faults()
    one.chip.boot0 = True
    if one.chip.state is State.OFF:
        one.chip.power_on()
    else:
        one.chip.reset()


def image(size: int = 9000, base: int = 0x0800_0000, seed: int = 1) -> Firmware:
    data = bytearray(random.Random(seed).randbytes(size))
    data[:8] = struct.pack("<II", 0x2000_2000, base + 0x101)
    return Firmware((Segment(base, bytes(data)),))
