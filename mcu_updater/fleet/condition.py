"""Battery and signal of a device of a fleet, and what plans ask of them.

The platform only announces its limits; the device must look. So a fleet has devices that are below
them: they must refuse, they may come round, and one that lets itself be upgraded nevertheless lies.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from mcu_updater.cloud.center.model import Strategy

MOST_REFUSALS = 3  # then nobody will charge the device, or move it


@dataclass(frozen=True, slots=True)
class Condition:
    """Charge in percent, signal in dBm."""

    battery: int
    rsrp_dbm: int

    def lacks(self, strategy: Strategy) -> str | None:
        """What the plan asks for and this is not; None: it is good enough."""
        for name, unit, found, limit in (
            ("battery", "%", self.battery, strategy.min_battery),
            ("signal", "dBm", self.rsrp_dbm, strategy.min_signal),
        ):
            if limit and found < limit:  # 0: no limit
                return f"{name} is at {found} {unit}, the plan asks for {limit} {unit}"
        return None


@dataclass(frozen=True, slots=True)
class Conditions:
    """*first*, and from refusal number *better_after* on *later*; None: never."""

    first: Condition
    later: Condition
    better_after: int | None

    def after(self, refusals: int) -> Condition:
        better = self.better_after is not None and refusals >= self.better_after
        return self.later if better else self.first


def draw_conditions(rng: random.Random, weak: float) -> Conditions:
    """*weak*: the share of devices whose battery or signal is low. Half of these come round."""
    good = Condition(rng.randint(40, 100), rng.randint(-110, -60))
    if rng.random() >= weak:
        return Conditions(good, good, None)
    low = rng.choice(
        (
            Condition(rng.randint(1, 25), good.rsrp_dbm),
            Condition(good.battery, rng.randint(-130, -115)),
        )
    )
    better_after = rng.randint(1, MOST_REFUSALS - 1) if rng.random() < 0.5 else None
    return Conditions(low, good, better_after)
