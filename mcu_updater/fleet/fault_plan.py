"""What goes wrong with one device of a fleet: drawn from the fleet's seed and the device's name.

Nothing else decides it: not the number of devices, not their order, not how many run at once. So
the name and the seed replay a device alone.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from typing import Any

from pydantic import TypeAdapter, ValidationError

from flash_emulator import Outcome
from mcu_updater.board import Trial
from mcu_updater.fleet.condition import Conditions, draw_conditions
from mcu_updater.quectel.emulated.faults import DownloadFailure, Faults

MOST = 8  # cuts, and link faults, of one device

COMMANDS = (
    "E0",
    "+QIOTSTATE",
    "+QIOTMCUVER",
    "+QIOTOTAREQ",
    "+QIOTUPDATE",
    "+QIOTOTARD",
)
DEFAULT_PART = "STM32L476xG"
READ = "+QIOTOTARD"
READ_SIZE = 1024
COMMANDS_SIZE = 1500  # bytes that the host says in an upgrade, about
KINDS = (
    "lose command",
    "lose answer",
    "answer error",
    "drop byte",
    "double byte",
    "corrupt byte",
    "drop command byte",
    "double command byte",
    "corrupt command byte",
    "link loss",
    "reboot",
    "hang",
    "failing download",
)
HANG_S, LINK_LOSS_S = 30.0, 60.0
LONGEST_OUTAGE_S = LINK_LOSS_S + 10  # of the network, by one fault: a reboot takes less
MODULE_TOO = 0.3  # the share of cuts that take the module's power as well
PAUSES_S = (1.0, 20.0, 90.0, 1800.0)  # without power: the last is longer than any limit


@dataclass(frozen=True, slots=True)
class FleetSettings:
    """How a fleet is run. *cuts* and *faults*: how many a device has on average, at most 8.

    *bad_trials*: the share of devices on which no new image passes its trial. *weak*: the share of
    those whose battery or signal is too low for most plans, at first or for good. *version*: what
    a device runs of which the center file says nothing. *kinds*: the link faults to draw from.
    """

    seed: int = 0
    cuts: float = 1.0
    faults: float = 1.0
    bad_trials: float = 0.0
    weak: float = 0.0
    part: str = DEFAULT_PART
    version: str = "1.0.0"
    spread_s: float = 600.0  # devices come within this time
    kinds: tuple[str, ...] = KINDS

    def as_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> FleetSettings:
        """What ``as_json`` has written. Raises ValueError where it is something else."""
        try:
            values = TypeAdapter(dict[str, Any]).validate_json(text)
            found = TypeAdapter(cls).validate_python(values)
        except ValidationError as error:
            raise ValueError(f"no settings of a fleet: {text[:60]}") from error
        if unknown := values.keys() - {each.name for each in fields(cls)}:
            raise ValueError(f"settings of a fleet that are not known here: {', '.join(unknown)}")
        return found


@dataclass(frozen=True, slots=True)
class Cut:
    """Power goes at flash operation *operation* of a session, and comes back after *pause_s*."""

    operation: int
    outcome: Outcome
    module_too: bool
    pause_s: float


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """All of it, for one device. *cuts*: one for each session, the first sessions."""

    start_s: float
    cuts: tuple[Cut, ...]
    fault_kinds: tuple[str, ...]
    faults: Faults
    trial: Trial
    conditions: Conditions


def draw(settings: FleetSettings, device: str, operations: int, package_size: int) -> FaultPlan:
    """*operations*: how many flash operations an upgrade takes at least, so that cuts hit it."""
    rng = random.Random(f"{settings.seed}/{device}")  # noqa: S311  it must be the same again
    start_s = rng.uniform(0, settings.spread_s)
    bad_trial = rng.random() < settings.bad_trials
    cuts = tuple(_cuts(rng, operations, _count(rng, settings.cuts)))
    kinds = tuple(rng.choice(settings.kinds) for _ in range(_count(rng, settings.faults)))
    trial = rng.choice((Trial.FAIL, Trial.CRASH)) if bad_trial else Trial.PASS
    faults = _faults(rng, kinds, package_size)
    conditions = draw_conditions(rng, settings.weak)
    return FaultPlan(start_s, cuts, kinds, faults, trial, conditions)


def _count(rng: random.Random, mean: float) -> int:
    return sum(rng.random() < mean / MOST for _ in range(MOST))


def _cuts(rng: random.Random, operations: int, count: int) -> Iterator[Cut]:
    """Each within what the cuts before it have left to do."""
    for _ in range(count):
        operation = rng.randint(1, max(1, operations))
        operations -= operation
        yield Cut(
            operation=operation,
            outcome=rng.choice(list(Outcome)),
            module_too=rng.random() < MODULE_TOO,
            pause_s=rng.choice(PAUSES_S),
        )


def _faults(rng: random.Random, kinds: tuple[str, ...], package_size: int) -> Faults:
    commands: dict[str, set[tuple[str, int]]] = {kind: set() for kind in KINDS}
    said: dict[str, set[int]] = {kind: set() for kind in KINDS}
    heard: dict[str, set[int]] = {kind: set() for kind in KINDS}
    for kind in kinds:
        name = rng.choice(COMMANDS)
        reads = package_size // READ_SIZE
        commands[kind].add((name, rng.randint(1, max(1, reads) if name == READ else 3)))
        said[kind].add(rng.randrange(package_size + 1000))
        heard[kind].add(rng.randrange(COMMANDS_SIZE))
    return Faults(
        lose_command=frozenset(commands["lose command"]),
        lose_answer=frozenset(commands["lose answer"]),
        answer_error_to=frozenset(commands["answer error"]),
        drop_sent=frozenset(said["drop byte"]),
        double_sent=frozenset(said["double byte"]),
        corrupt_sent=frozenset(said["corrupt byte"]),
        drop_received=frozenset(heard["drop command byte"]),
        double_received=frozenset(heard["double command byte"]),
        corrupt_received=frozenset(heard["corrupt command byte"]),
        link_loss=frozenset(commands["link loss"]),
        link_loss_s=LINK_LOSS_S,
        reboot=frozenset(commands["reboot"]),
        hang=frozenset(commands["hang"]),
        hang_s=HANG_S,
        failing_downloads=kinds.count("failing download"),
        download_failure=rng.choice(list(DownloadFailure)),
    )
