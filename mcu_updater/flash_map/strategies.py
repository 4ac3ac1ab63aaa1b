"""Which boot strategies a part can have, which one it gets, and what each one puts at risk.

    run-time alias (F42x, F76x, L4, G4)   remap, copy, option-toggle
    swap option (H7, H5, L5, U5, G0B1)    swap-option, copy
    neither (one bank, F103)              copy

The first is the default. An option byte is written in the field only where there is nothing else
that exchanges the banks, and never by default where that write can destroy the chip and an alias
exists.
"""

from __future__ import annotations

from dataclasses import dataclass

from flash_emulator import Part
from flash_emulator.parts.part_model import Aliasing, OptionRole
from mcu_updater.core.errors import UsageError
from mcu_updater.core.strategy import Strategy


def strategies_of(part: Part) -> tuple[Strategy, ...]:
    """What *part* can have, the default first."""
    if part.aliasing is Aliasing.SWAP_OPTION:
        return Strategy.SWAP_OPTION, Strategy.COPY
    if part.aliasing is not Aliasing.FB_MODE:
        return (Strategy.COPY,)
    toggle = (Strategy.OPTION_TOGGLE,) if boot_bank_option(part) else ()
    return Strategy.REMAP, Strategy.COPY, *toggle


def default_strategy(part: Part) -> Strategy:
    return strategies_of(part)[0]


def check_strategy(part: Part, strategy: Strategy) -> Strategy:
    """*strategy*, where *part* can have it. Raises UsageError where it cannot."""
    possible = strategies_of(part)
    if strategy not in possible:
        raise UsageError(
            f"{part.name} cannot have the strategy {strategy}",
            expected=f"one of {', '.join(possible)}",
        )
    return strategy


def boot_bank_option(part: Part) -> str | None:
    """Name of the option by which the boot ROM chooses a bank (BFB2, nDBOOT); None without."""
    fields = part.options.fields.items()
    return next((name for name, f in fields if f.role is OptionRole.BOOT_BANK), None)


# --- what can go wrong for good


@dataclass(frozen=True, slots=True)
class Hazard:
    """What a cut in the middle of a switch comes to.

    *window_us*: how long an option change takes, during which a cut does harm; 0 where there is
    no such time, None where no document gives it.
    """

    strategy: Strategy
    harmless: bool
    why: str
    window_us: int | None

    @property
    def window(self) -> str:
        """In words."""
        if self.window_us is None:
            return "unknown"
        return f"{self.window_us} us" if self.window_us else "none"


def hazard(part: Part, strategy: Strategy, *, option_change_us: int | None = None) -> Hazard:
    """What *strategy* risks on *part*.

    *option_change_us*: how long a change of the option bytes takes, measured or from a datasheet;
    none of the documents behind the part files says. Raises UsageError for a strategy that the
    part cannot have.
    """
    match check_strategy(part, strategy):
        case Strategy.REMAP:
            why = "the alias is a register bit: to switch writes neither flash nor option bytes"
            return Hazard(strategy, True, why, 0)
        case Strategy.COPY:
            why = "no option byte is written; a copy that is cut goes on at the next start"
            return Hazard(strategy, True, why, 0)
        case Strategy.SWAP_OPTION | Strategy.OPTION_TOGGLE:
            if part.options.update == "atomic":
                why = "an option change that is interrupted keeps the old value"
                return Hazard(strategy, True, why, 0)
            return Hazard(strategy, False, _harm(part), option_change_us)


def _harm(part: Part) -> str:
    """What a load after a cut option change takes from whoever is inside the chip."""
    roles = {f.role for f in part.options.fields.values() if f.mismatch}
    harms = ["read-out protection level 1, which only a mass erase takes back"]
    if OptionRole.CODE_PROTECTION in roles:
        harms.append("all flash execute-only (PCROP), so that nothing can be verified or written")
    return f"option bytes are erased, then programmed; a cut between leaves {', and '.join(harms)}"
