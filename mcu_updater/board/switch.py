"""What brings a bank to the CPU of an emulated part, strategy by strategy."""

from __future__ import annotations

from dataclasses import dataclass

from flash_emulator import EmulatedFlash
from mcu_updater.core.flash import BankSwitch
from mcu_updater.core.install import Installer
from mcu_updater.core.slot import AnyLayout, CopyLayout
from mcu_updater.core.strategy import Strategy
from mcu_updater.flash_map.strategies import boot_bank_option


class OptionToggle:
    """A BankSwitch that programs the option by which the boot ROM chooses a bank.

    Each switch is a change of option bytes. On the parts that have this option they are erased and
    then programmed, and a cut in between locks the chip: this is here to show that.
    """

    maps_at_once = False

    def __init__(self, device: EmulatedFlash) -> None:
        name = boot_bank_option(device.part)
        if name is None:
            raise ValueError(f"{device.part.name} has no option that chooses a bank")
        self._device = device
        self._name = name

    @property
    def mapped_bank(self) -> int:
        return self._device.mapped_bank

    def map_bank(self, bank: int) -> None:
        """One operation, which can be cut; counts from the next option load on."""
        active = self._device.part.options.fields[self._name].active
        assert active is not None
        self._device.program_options(**{self._name: active if bank else 1 - active})


def switch_of(device: EmulatedFlash, strategy: Strategy, layout: AnyLayout) -> BankSwitch:
    """What *strategy* uses on *device*. For remap and swap-option that is the device itself."""
    if isinstance(layout, CopyLayout):
        return Installer(device, layout)
    return OptionToggle(device) if strategy is Strategy.OPTION_TOGGLE else device


@dataclass(frozen=True, slots=True)
class EmulatedChip:
    """*flash* of an emulated part as the MCU has it: see ``core.mcu.Chip``."""

    flash: EmulatedFlash
    strategy: Strategy
    layout: AnyLayout

    @property
    def name(self) -> str:
        return self.flash.part.name

    def switch(self) -> BankSwitch:
        return switch_of(self.flash, self.strategy, self.layout)

    def reset(self) -> None:
        self.flash.reset()

    def load_options(self) -> None:
        """OBL_LAUNCH, or any reset where that does."""
        if self.flash.part.options.effective == "reset":
            self.flash.reset()
        else:
            self.flash.launch_options()
