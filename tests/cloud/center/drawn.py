"""Campaigns in the middle, drawn at random: whatever a state file can hold, likely or not.

From a seed: what hypothesis draws by itself is mostly empty.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import strategies as st

from mcu_updater.cloud.center.lifecycle import PlanState
from mcu_updater.cloud.center.model import (
    Center,
    Device,
    Mode,
    Protocol,
    Strategy,
    Upgrade,
    UpgradePlan,
)
from mcu_updater.cloud.center.rules import LWM2M_LIMIT_S, Entry, Key
from mcu_updater.cloud.center.store import LogLine, Store
from mcu_updater.cloud.single_device import ComponentState
from tests.cloud.center.centers import COMPONENT, PRODUCT, T0, center, product

DEVICES = ("d1", "d2", "D10", "a%b", "a_b", "a'b", "100%", "äöü", "ÄÖÜ", '"', "\\", "<script>")
"""Of which a center file may name those in ASCII."""

PLANS = ("spring", "Sommer '26", "%")
OTHER_PRODUCT = "p2"
COMPONENTS = (COMPONENT, "radio", "modem")
VERSIONS = ("1.0", "2.0", "r2", "m2")
MOMENTS = (T0 - 2 * LWM2M_LIMIT_S, T0 - LWM2M_LIMIT_S, T0 - 3600.0, T0, T0 + 3600.0)
TEXTS = ("", "d", "D", "1", "%", "_", "'", "ä", "Ä", "\\", "a_b", "nobody", "<SCRIPT>", " ")

UPGRADES = (
    (COMPONENT, "full"),
    (COMPONENT, "delta"),
    (COMPONENT, "many"),
    ("radio", "radio"),
    ("modem", "modem"),
)
T = TypeVar("T")
ASCII = tuple(device for device in DEVICES if device.isascii())


class Draw(random.Random):
    """What a campaign is made of."""

    def some(self, of: Sequence[T], most: int = 99) -> list[T]:
        return self.sample(of, self.randint(0, min(most, len(of))))

    def moment(self, *choices: float | None) -> datetime | None:
        at_s = self.choice(choices)
        return None if at_s is None else datetime.fromtimestamp(at_s, UTC)

    def flag(self) -> bool:
        return self.random() < 0.5

    def upgrades(self) -> tuple[Upgrade, ...]:
        pairs = dict(self.sample(UPGRADES, self.randint(1, 3)))
        only = {"full": self.choice([(), ("1.0",)])}
        return tuple(Upgrade(c, package, only.get(package, ())) for c, package in pairs.items())

    def names(self) -> tuple[str, ...]:
        return tuple(self.some(ASCII, 3)) if self.random() < 0.3 else ()

    def plan(self, name: str) -> UpgradePlan:
        return UpgradePlan(
            name,
            self.choice([PRODUCT, PRODUCT, PRODUCT, OTHER_PRODUCT]),
            self.upgrades(),
            begin=self.moment(None, None, T0 - 9 * LWM2M_LIMIT_S, T0 + 60.0),
            end=self.moment(None, None, T0 + 600.0, T0 + 7200.0),
            push_hours=self.choice([None, (0, 12), (12, 24)]),
            mode=self.choice([*Mode]),
            push=self.flag(),
            rejection_minutes=self.choice([10, 120]),
            whitelist=self.names(),
            blacklist=self.names(),
            strategy=Strategy(retries=self.randint(0, 2)),
            active=self.random() < 0.7,
        )

    def entry(self) -> Entry:
        return Entry(
            self.choice([*ComponentState]),
            self.choice([0, 0, 0, 1, 2, 3]),
            self.choice(MOMENTS),
            self.choice([None, *MOMENTS]),
            self.flag(),
            self.choice(["", "", "", "cancelled by the owner"]),
        )

    def changed(self, entry: Entry, name: str) -> Entry:
        return replace(entry, **{name: getattr(self.entry(), name)})

    def versions(self) -> dict[str, str]:
        return {component: self.choice(VERSIONS) for component in self.some(COMPONENTS)}


@dataclass(frozen=True)
class Campaign:
    """What a center file and a state file say."""

    center: Center
    stored: dict[str, PlanState]
    known: dict[str, str]  # product by device, as in the state file
    entries: dict[tuple[str, Key], Entry]
    versions: dict[str, dict[str, str]]
    log: list[tuple[float, str, Key]]
    now_s: float

    def write(self, store: Store) -> None:
        """In place of all that is in *store*."""
        with store.transaction():
            for table in ("plan", "device", "version", "entry", "log"):
                store._db.execute(f"DELETE FROM {table}")
            for position, (name, state) in enumerate(self.stored.items()):
                store.put_plan(name, position, state, "")
            for device, product_ in self.known.items():
                store.add_device(device, product_, [])
                store.put_versions(device, self.versions.get(device, {}), T0)
            for (device, key), entry in self.entries.items():
                store.put_entry(device, key, entry)
            for number, (at_s, device, key) in enumerate(self.log):
                store.add_log(LogLine(at_s, device, *key, f"line {number}"))


def campaign(seed: int) -> Campaign:
    draw = Draw(seed)
    names = draw.sample(PLANS, draw.randint(1, len(PLANS)))
    which = (PRODUCT, PRODUCT, PRODUCT, OTHER_PRODUCT)
    described = draw.some(ASCII, 5)
    known = {device: draw.choice(which) for device in draw.some(DEVICES)}
    keys = [(plan, component) for plan in (*PLANS, "not in the file") for component in COMPONENTS]
    places = [(device, key) for device in known for key in keys]
    return Campaign(
        center(
            *map(draw.plan, names),
            products=(
                product(protocol=draw.choice([*Protocol])),
                product(key=OTHER_PRODUCT),
            ),
            devices=tuple(Device(d, draw.choice(which), draw.versions()) for d in described),
        ),
        {name: draw.choice([*PlanState]) for name in draw.some([*PLANS, "gone"])},
        known,
        {place: draw.entry() for place in draw.some(places)},
        {device: draw.versions() for device in draw.some(list(known))},
        [(draw.choice(MOMENTS), *place) for place in draw.some(places, 20)],
        draw.choice(MOMENTS),
    )


def of_alike(seed: int) -> Campaign:
    """Devices that differ in next to nothing: one fact of one upgrade."""
    draw, whole = Draw(seed), campaign(seed)
    plans = tuple(
        replace(plan, product=PRODUCT, whitelist=(), blacklist=()) for plan in whole.center.plans
    )
    plan = draw.choice(plans)
    key = plan.name, draw.choice(plan.upgrades).component
    likely: dict[str, Any] = {"closed": "", "failures": 0, "user_confirmed": True}
    likely["state"] = draw.choice([ComponentState.REFUSED, ComponentState.NOT_RECEIVED])
    usual = replace(draw.entry(), **{name: likely[name] for name in draw.some([*likely])})
    names = [field.name for field in fields(Entry)]
    return replace(
        whole,
        center=replace(whole.center, plans=plans, devices=()),
        known=dict.fromkeys(DEVICES, PRODUCT),
        entries={(d, key): draw.changed(usual, draw.choice(names)) for d in DEVICES},
        versions=dict.fromkeys(DEVICES, draw.versions() | {key[1]: "1.0"}),
        log=[],
    )


seeds = st.integers(0, 2**32)
campaigns = seeds.map(campaign)
campaigns_of_alike = seeds.map(of_alike)


def open_store(path: Path, *, simulated: bool) -> Store:
    return Store.create(path, "center.toml", simulated=simulated, now_s=T0)
