"""A chip as a serial host meets it: flash, RAM, pins, and what it does after a reset.

``device`` is the silicon; this adds what only a host at the boot ROM sees: the BOOT0 pin, the
flash-empty flag, RAM, option bytes as memory, and an identity.
"""

from __future__ import annotations

import os
from enum import StrEnum

from flash_emulator.bootrom.faults import Faults
from flash_emulator.bootrom.memory import Memory
from flash_emulator.bootrom.model import RomModel, RomOptions, model_of
from flash_emulator.bootrom.rom import Go, Hang, Reset, Rom
from flash_emulator.device.flash import EmulatedFlash
from flash_emulator.parts.part_model import Aliasing
from flash_emulator.power import PowerLoss


class State(StrEnum):
    """What the chip does."""

    ROM = "rom"  # listens
    APPLICATION = "application"  # jumped to; says nothing
    HUNG = "hung"  # until a reset
    RESET = "reset"  # NRST is low
    OFF = "off"  # until power comes back


class Chip:
    """One STM32 behind its USART.

    *boot0*: the pin; high, a reset enters the ROM. *uid*: 96 bits; None: made from the device's
    seed, the same for every chip of that seed. ``fresh_uid`` makes one that no other chip has.
    """

    def __init__(
        self,
        device: EmulatedFlash,
        options: RomOptions | None = None,
        *,
        boot0: bool = True,
        uid: bytes | None = None,
        faults: Faults | None = None,
    ) -> None:
        self.device = device
        self.model: RomModel = model_of(device.part, options)
        self.options = options or RomOptions()
        self.boot0 = boot0
        self.faults = faults or Faults()
        self.memory = Memory(device, self.model, uid or _uid(device.seed))
        self.resets = 0
        self.cut: PowerLoss | None = None
        self._said = b""
        self.state = State.OFF
        self.rom: Rom | None = None
        self._begin()

    def set_faults(self, faults: Faults) -> None:
        """In place of those that there are; commands are counted from now on."""
        self.faults = faults
        if self.rom is not None:
            self.rom.faults = faults

    # --- pins

    def reset(self) -> None:
        """NRST, or the chip itself: RAM stays, registers do not. Nothing where power is off."""
        if self.state is State.OFF:
            return
        self.device.reset()
        self.resets += 1
        self._begin()

    def set_nrst(self, level: bool) -> None:
        """The pin: low, all stands still; going high, it is a reset."""
        if self.state is State.OFF:
            return
        if not level:
            self.state = State.RESET
            self.rom = None
        elif self.state is State.RESET:
            self.reset()

    def reload(self) -> None:
        """A reset that loads the option bytes too (OBL_LAUNCH)."""
        self.device.launch_options()
        self.memory.look_for_program()
        self.resets += 1
        self._begin()

    def power_off(self) -> None:
        """Between two operations; in the middle of one the supply cuts."""
        self.state = State.OFF
        self.rom = None

    def power_on(self) -> None:
        """Power comes back, RAM holds nothing. A chip that has power loses it first."""
        self.device.power_on()
        self.memory.power_on()
        self.cut = None
        self._begin()

    def _begin(self) -> None:
        starts_rom = self.boot0 or (self.model.has_empty_flag and self.memory.is_empty)
        self.state = State.ROM if starts_rom else State.APPLICATION
        self.rom = Rom(self.memory, self.model, self.options, self.faults) if starts_rom else None
        if self.rom is not None and self.device.part.aliasing is Aliasing.FB_MODE:
            self.device.map_bank(0)  # the ROM sets the alias when it jumps, not before

    # --- bytes

    @property
    def needs(self) -> int:
        """How many bytes the ROM waits for; 1 where nobody listens."""
        return self.rom.needs if self.rom is not None else 1

    def receive(self, data: bytes) -> None:
        """Bytes from the host. ``transmit`` has the answer; the device's clock what it took."""
        while data and self.rom is not None:
            data = self._feed(self.rom, data)

    def _feed(self, rom: Rom, data: bytes) -> bytes:
        try:
            rom.receive(data)
        except Reset as reset:
            self._said = rom.transmit()
            self.reload() if reset.loads_options else self.reset()
            return reset.rest
        except Go:
            self._stop(rom, State.APPLICATION)
        except Hang:
            self._stop(rom, State.HUNG)
        except PowerLoss as cut:
            self.cut = cut
            self._stop(rom, State.OFF)
        return b""

    def _stop(self, rom: Rom, state: State) -> None:
        self._said = b"" if state is State.OFF else rom.transmit()
        self.state = state
        self.rom = None

    def transmit(self) -> bytes:
        """What the chip says; empties it."""
        said, self._said = self._said, b""
        return said + (self.rom.transmit() if self.rom is not None else b"")


_UID_PREFIX = b"EMU"
UID_SIZE = 12


def _uid(seed: int) -> bytes:
    return _UID_PREFIX + (seed % (1 << 8 * _UID_FREE)).to_bytes(_UID_FREE, "big")


_UID_FREE = UID_SIZE - len(_UID_PREFIX)


def fresh_uid() -> bytes:
    """An identity that no other emulated chip has, as every real one has its own."""
    return _UID_PREFIX + os.urandom(_UID_FREE)
