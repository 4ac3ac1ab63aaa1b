"""What brings a bank to the CPU, strategy by strategy, and a start of the MCU with it."""

from __future__ import annotations

from dataclasses import replace

from flash_emulator import EmulatedFlash
from mcu_updater.board.strategies import boot_bank_option
from mcu_updater.boot import ATTEMPTS, MOST_SWAPS, Decision, ResetCause, boot
from mcu_updater.flash import BankSwitch
from mcu_updater.install import Installer
from mcu_updater.slot import AnyLayout, CopyLayout
from mcu_updater.strategy import Strategy
from mcu_updater.trust import Trust


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


def start(
    device: EmulatedFlash,
    strategy: Strategy,
    layout: AnyLayout,
    cause: ResetCause,
    attempts: int = ATTEMPTS,
    trust: Trust | None = None,
) -> Decision:
    """The bootloader, from a reset to the bank that runs, through the resets that it needs itself.

    *trust*: its own keys, if it has any.

    A cut leaves what ``boot`` says, and the next start decides anew.
    """
    told: tuple[str, ...] = ()
    for swaps in range(MOST_SWAPS + 1):
        switch = switch_of(device, strategy, layout)
        decision = boot(device, switch, layout, cause, attempts, swaps=swaps, trust=trust)
        told += decision.reasons
        if not decision.needs_reset:
            break
        told += ("the option that maps it was programmed, and the MCU reset",)
        restart(device)
    assert not decision.needs_reset, "the bootloader swaps for ever"
    if isinstance(switch, Installer) and switch.sectors_written:
        told += (f"its image was installed: sectors written: {switch.sectors_written}",)
    return replace(decision, reasons=told)


def restart(device: EmulatedFlash) -> None:
    """The reset that makes a change of options count: OBL_LAUNCH, or any reset where that does."""
    if device.part.options.effective == "reset":
        device.reset()
    else:
        device.launch_options()
