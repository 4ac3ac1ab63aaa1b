"""What is in RAM at a step boundary decides what follows, together with flash and module.

So runs that are equal there may be joined: whatever became of one becomes of the other.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from flash_emulator import CutAt, Outcome, PowerLoss, PowerSupply
from flash_emulator.device.trace import Operation, Trace
from mcu_updater.board import Board, Trial
from mcu_updater.cloud.single_device import ComponentState, Package, Plan, SingleDeviceCloud
from mcu_updater.core.decide import Module
from mcu_updater.core.errors import PackageDamaged, VerificationFailed
from mcu_updater.core.events import Decided, Event, Progress, Work
from mcu_updater.core.mcu import Mcu
from mcu_updater.core.ota import DownloadStarted, PieceReady, PlanOffered, UpdateFailed
from mcu_updater.core.updater import Updater
from mcu_updater.quectel.at import Urc
from mcu_updater.quectel.client import AtClient
from mcu_updater.quectel.emulated.module import EmulatedModule
from mcu_updater.quectel.emulated.options import Faults
from mcu_updater.quectel.reader import Tail
from tests import worlds
from tests.thorough import THOROUGH

# --- equal memories, equal futures


def is_boundary(event: Event) -> bool:
    sector = isinstance(event, Progress) and event.work is Work.PROGRAM
    return sector or isinstance(event, Decided)


@dataclass
class Run:
    """A session without a cut, from its power-on to its end."""

    events: list[Event] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)
    marks: list[tuple[Hashable, int, int]] = field(default_factory=list)
    """Of each boundary: its key, and the numbers of events and operations before it."""

    def future(self, events: int, operations: int) -> tuple[list[Event], list[Operation]]:
        return self.events[events:], self.operations[operations:]


def running(board: Board) -> Updater:
    """The application that runs on *board*."""
    assert isinstance(board._mcu, Mcu)
    assert board._mcu._updater is not None
    return board._mcu._updater


def observed(board: Board, trial: Trial) -> Run:
    """Run *board* to its end."""
    trace = board.device.trace = Trace()
    run = Run()
    for event in board.run(trial=trial):
        if is_boundary(event):
            device = board.device
            memories = board.memory(), board.module.memory(board.clock.now_s())
            key = (device.digest(), device.mapped_bank, *memories)
            run.marks.append((key, len(run.events), len(trace)))
        run.events.append(event)
    run.operations = trace.operations
    assert len({key for key, _, _ in run.marks}) == len(run.marks), "it came to where it had been"
    return run


def power_on(board: Board, trial: Trial, supply: PowerSupply, until: int | None = None) -> None:
    """A start that is cut by *supply*, or let go at boundary number *until*."""
    seen = 0
    running = board.run(supply=supply, trial=trial)
    try:
        for event in running:
            if is_boundary(event):
                if seen == until:
                    running.close()
                    return
                seen += 1
    except PowerLoss:
        return
    pytest.fail("it came to its end")


NEVER = 10**9
TIMES = {"bin": 1, "hex": 7, "s19": 5} if THOROUGH else {"bin": 2, "hex": 29, "s19": 23}
"""Of how many operations one is cut; all of one world is enough."""


def runs(fmt: worlds.Format, pieces: int | None, trial: Trial) -> Iterator[Run]:
    """One without a cut; then, for each cut, one after it and one after three more starts."""
    whole = worlds.board(fmt, piece_size=pieces)
    yield observed(whole, trial)
    assert whole.device.trace is not None
    last = sum(len(at.data) // 8 or 1 for at in whole.device.trace)
    for operation in range(1, last + 1, TIMES[fmt]):
        outcome = list(Outcome)[operation % len(Outcome)]
        for restarts in (0, 3):
            board = worlds.board(fmt, piece_size=pieces, seed=operation)
            power_on(board, trial, CutAt(operation, outcome))
            for _ in range(restarts):
                power_on(board, trial, CutAt(NEVER, Outcome.AFTER), until=1)
            yield observed(board, trial)


@pytest.mark.parametrize(
    ("fmt", "pieces", "trial"),
    [
        ("bin", None, Trial.PASS),
        pytest.param("hex", 3000, Trial.PASS, marks=pytest.mark.thorough),
        pytest.param("s19", 5000, Trial.PASS, marks=pytest.mark.thorough),
        pytest.param("s19", None, Trial.FAIL, marks=pytest.mark.thorough),
    ],
)
def test_what_is_equal_at_a_boundary_goes_on_alike(
    fmt: worlds.Format, pieces: int | None, trial: Trial
) -> None:
    known: dict[Hashable, tuple[Run, int, int]] = {}
    met: dict[str, int] = {}
    for run in runs(fmt, pieces, trial):
        for key, events, operations in run.marks:
            if key not in known:
                known[key] = run, events, operations
                continue
            other, *at = known[key]
            assert run.future(events, operations) == other.future(*at)
            event = run.events[events]
            name = event.step if isinstance(event, Decided) else "sector"
            met[name] = met.get(name, 0) + 1
    boundaries = sum(met.values()) + len(known)
    assert len(known) < boundaries / 2
    expected = {"AWAIT", "LOAD", "sector", "ANNOUNCE", "SWITCH", "SELF_TEST", "REPORT", "FINISH"}
    assert {name for name, times in met.items() if times > (20 if THOROUGH else 4)} >= expected


# --- different memories, different keys


@pytest.fixture
def updater() -> Updater:
    """One that has been stopped in the middle of its package."""
    board = worlds.board("hex")
    for event in board.run():
        if isinstance(event, Progress) and event.work is Work.PROGRAM:
            break
    return running(board)


PLAN = PlanOffered("STM32", "", "2.0.0", 30, -113, 4500)
STARTED = DownloadStarted("STM32", 4500, bytes(16), 0, bytes(32))
PIECE = PieceReady("STM32", 4500, 0, 1500)


def heard(module: Module, **said: Any) -> Callable[[Updater], None]:
    def change(updater: Updater) -> None:
        updater._heard.module = module
        for name, event in said.items():
            setattr(updater._heard, name, event)

    return change


def with_error(error: Any) -> Callable[[Updater], None]:
    return lambda updater: setattr(updater._download, "error", error)


def client_of(updater: Updater) -> AtClient:
    assert isinstance(updater._link, AtClient)
    return updater._link


def arrived(data: bytes) -> Callable[[Updater], None]:
    def change(updater: Updater) -> None:
        link = client_of(updater)._link
        link._values.extend(link._parser.feed(data))

    return change


def filed(urc: Urc) -> Callable[[Updater], None]:
    return lambda updater: client_of(updater)._link._file(urc)


def with_bank_written(bank: int) -> Callable[[Updater], None]:
    def change(updater: Updater) -> None:
        written = updater._journals._written
        written[bank] = next(iter(written.values()))

    return change


def setting(path: str, value: Any) -> Callable[[Updater], None]:
    *names, last = path.split(".")

    def change(updater: Updater) -> None:
        found: Any = updater
        for name in names:
            found = getattr(found, name)
        assert getattr(found, last) != value
        setattr(found, last, value)

    return change


OTHER_STATES: list[Callable[[Updater], None]] = [
    lambda updater: None,
    setting("_connected", False),
    setting("_asked", 2),
    setting("_asked_again", 2),
    *(heard(module) for module in Module if module is not Module.HOLDS_NEXT),
    heard(Module.HOLDS_NEXT, piece=PIECE),
    heard(Module.HOLDS_NEXT, piece=replace(PIECE, size=3000)),
    heard(Module.HOLDS_FIRST, piece=PIECE),
    heard(Module.OFFERED, plan=PLAN),
    heard(Module.OFFERED, plan=replace(PLAN, target_version="3.0.0")),
    heard(Module.OFFERED_ONCE, plan=PLAN),
    heard(Module.OFFERED_ONCE, plan=replace(PLAN, target_version="3.0.0")),
    heard(Module.STARTED, started=STARTED),
    heard(Module.STARTED, started=replace(STARTED, sha256=None)),
    with_bank_written(0),
    setting("_download._offset", 3),
    setting("_download._sector", 3),
    with_error(PackageDamaged("one")),
    with_error(PackageDamaged("another")),
    with_error(VerificationFailed("one")),
    setting("_link._reader.size.most", 512),
    setting("_link._reader.size.now", 512),
    setting("_link._reader.size._good", 3),
    setting("_link._reader._tail", Tail.OWN),
    setting("_link._reader.offset", 7),
    setting("_link._link._extra_s", 0.5),
    setting("_link._link._parser._ends_cr", False),
    setting("_link._link._unanswered_s", 0.5),
    setting("_heard._waiting", deque([UpdateFailed()])),
    filed(Urc(7, 10702, "")),
    filed(Urc(7, 10706, "")),
    arrived(b"\r\n+QIOTEVT: 7,10702\r\n"),
    arrived(b"\r\nOK\r\n"),
    arrived(b"\r\n+QIOTE"),
    arrived(b"\r\n+QIOTOTARD: 0,9\r\n"),
    arrived(b"\r\n+QIOTOTARD: 0,9\r\n123"),
]


def test_whatever_decides_what_comes_next_is_in_the_memory(updater: Updater) -> None:
    memories = set()
    for change in OTHER_STATES:
        twin = copy.deepcopy(updater)
        change(twin)
        memories.add(twin.memory())
    assert len(memories) == len(OTHER_STATES)


def test_counts_and_what_no_step_needs_any_more_are_not_in_the_memory(updater: Updater) -> None:
    before = updater.memory()
    link = client_of(updater)._link
    link.retries += 1
    link.sign_count += 1
    link.connection_events.append(Urc(2, 10200, ""))
    updater._heard.plan, updater._heard.started = PLAN, STARTED
    assert updater.memory() == before
    reading = updater._active.journal.read()
    assert not reading.needs_snapshot
    updater._journals._written[0] = reading  # as after its confirmation
    assert updater.memory() == before


OF_A_MODULE_BEHIND_A_PORT = {
    "PieceReader": {"_kept", "_read_at_s", "_end", "_asked"},
    "AtLink": {"_ahead", "_early"},
}
"""Keeping alive and reading ahead: the emulated board's own module, whose runs are compared, knows
neither (``Board._on_board``)."""

FIXED_OR_COUNTED = {
    "Updater": {
        "_active",
        "_inactive",
        "_policy",
        "_self_test",
        "_act",
        "_result",
        "_trust",
        "_read",
        "_admission",
    },
    "ModuleTracker": {"_link", "_current", "_component", "_plan_once", "_module_components"},
    "JournalSession": set(),
    "Download": {
        "_bank",
        "_active",
        "_link",
        "_heard",
        "_journals",
        "_read_size",
        "_base",
        "_part",
        "_admission",
        "_trust",
    },
    "AtClient": {"_clock", "_dialect", "_requested"},
    "PieceReader": {"_link", "_clock", "_dialect", *OF_A_MODULE_BEHIND_A_PORT["PieceReader"]},
    "AtLink": {
        "_port",
        "_clock",
        "_dialect",
        "retries",
        "sign_count",
        "connection_events",
        "dropped",
        "_own_bytes",  # for the words of an error
        *OF_A_MODULE_BEHIND_A_PORT["AtLink"],
    },
    "ReadSize": set(),
    "ResponseParser": {"_at"},
}
IN_MEMORY = {
    "Updater": {
        "_connected",
        "_asked",
        "_asked_again",
        "_link",
        "_heard",
        "_journals",
        "_download",
    },
    "ModuleTracker": {"module", "plan", "started", "piece", "_is_of_module", "_waiting"},
    "JournalSession": {"_written", "_known"},
    "Download": {"_offset", "_sector", "error"},
    "AtClient": {"_reader", "_link"},
    "PieceReader": {"size", "_tail", "offset"},
    "ReadSize": {"most", "now", "_good"},
    "AtLink": {"ota_events", "_values", "_parser", "_extra_s", "_unanswered_s"},
    "ResponseParser": {"_buffer", "_header", "_ends_cr"},
}


def test_every_attribute_is_in_the_memory_or_known_not_to_matter(updater: Updater) -> None:
    client = client_of(updater)
    parts = [updater, updater._heard, updater._journals, updater._download]
    reader, link = client._reader, client._link
    for part in (*parts, client, reader, reader.size, link, link._parser):
        name = type(part).__name__
        assert set(vars(part)) == FIXED_OR_COUNTED[name] | IN_MEMORY[name], name


# --- the module and the cloud


def modules() -> Iterator[tuple[EmulatedModule, SingleDeviceCloud, float]]:
    """A module at each boundary of an update."""
    board = worlds.board(piece_size=3000)
    for event in board.run():
        if is_boundary(event):
            yield board.module, board.center, board.clock.now_s()


def leaves(saved: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths to the values of a saved state."""
    if isinstance(saved, (dict, list)):
        for key in list(saved) if isinstance(saved, dict) else range(len(saved)):
            yield from leaves(saved[key], (*path, key))
    else:
        yield path


TWO_VALUES = {
    ("firmware", "upgrade", "plan"): (None, 0),
    ("firmware", "upgrade", "state"): (0, 9),
    ("firmware", "upgrade", "unsent"): (None, ComponentState.FAILED.value),
}
"""What cannot have just any value."""


def with_other(saved: Any, path: tuple[Any, ...]) -> Any:
    """*saved* with another value at *path*."""
    saved = copy.deepcopy(saved)
    *way, last = path
    found = saved
    for key in way:
        found = found[key]
    value = found[last]
    if path in TWO_VALUES:
        first, second = TWO_VALUES[path]
        found[last] = second if value == first else first
    elif isinstance(value, bool):
        found[last] = not value
    else:
        found[last] = value + ("x" if isinstance(value, str) else 1)
    return saved


def test_every_value_that_a_module_saves_is_in_its_memory_but_for_counters() -> None:
    looked_at: set[str] = set()
    for module, center, now_s in modules():
        saved, memory = module.save(now_s), module.memory(now_s)
        for path in leaves(saved):
            other = with_other(saved, path)
            twin = EmulatedModule.load(other, center, module.options, now_s=now_s)
            assert (twin.memory(now_s) == memory) is (path[0] == "counters"), path
            looked_at.update(map(str, path))
    assert looked_at >= {"STM32", "limit", "plan", "piece", "received", "waiting", "counters"}


def test_a_modules_counters_are_in_its_memory_when_faults_look_at_them() -> None:
    module = EmulatedModule(SingleDeviceCloud(), faults=Faults(silent_from=9))
    saved = module.save(0.0)
    saved["counters"]["ordinals"] = {"E0": 1}
    paths = [path for path in leaves(saved) if path[0] == "counters"]
    assert len(paths) == 5
    before = EmulatedModule.load(saved, SingleDeviceCloud(), faults=module.faults).memory(0.0)
    for path in paths:
        other = with_other(saved, path)
        twin = EmulatedModule.load(other, SingleDeviceCloud(), faults=module.faults)
        assert twin.memory(0.0) != before


def test_the_time_of_day_is_not_in_the_memory() -> None:
    for module, center, now_s in modules():
        later = SingleDeviceCloud.load(
            center.save(now_s), *(plan.package for plan in center.plans), now_s=1e5
        )
        twin = EmulatedModule.load(module.save(now_s), later, module.options, now_s=1e5)
        assert twin.memory(1e5) == module.memory(now_s)
        assert module.memory(now_s + 3600) != module.memory(now_s) or not module.save()["timers"]


# --- the cloud


def center_with(state: ComponentState, failures: int, age_s: float, **plan: Any) -> Hashable:
    """The memory of a cloud with one plan, offered *age_s* ago."""
    made = Plan("STM32", "2.0.0", Package(b"x"), **plan)
    saved = SingleDeviceCloud([made]).save()
    saved["progress"] = [[state.value, failures, -age_s]]
    return SingleDeviceCloud.load(saved, made.package, now_s=50.0).memory(50.0)


def test_failures_of_a_plan_count_until_it_is_given_up() -> None:
    failed = [center_with(ComponentState.FAILED, n, 0, retry_times=2) for n in range(6)]
    assert len(set(failed[:4])) == 4
    assert failed[3] == failed[4] == failed[5]


def test_failures_of_a_plan_that_is_offered_for_ever_do_not_count() -> None:
    failed = {center_with(ComponentState.FAILED, n, 0, retry_times=None) for n in range(6)}
    assert len(failed) == 1


@pytest.mark.parametrize("state", list(ComponentState))
def test_the_time_of_an_offer_counts_while_it_may_be_refused_or_is(state: ComponentState) -> None:
    ages = [center_with(state, 0, age_s) for age_s in (0, 0.001, 7199, 7200, 9000)]
    assert len(set(ages)) == (
        4 if state in (ComponentState.RECEIVED, ComponentState.REFUSED) else 1
    )
    assert ages[3] == ages[4]


def test_the_history_is_not_in_the_memory() -> None:
    board = worlds.board()
    worlds.run(board)
    before = board.module.memory(board.clock.now_s())
    assert board.center.history
    board.center.history.clear()
    assert board.module.memory(board.clock.now_s()) == before
    states = {center_with(state, 0, 0) for state in ComponentState}
    assert len(states) == len(ComponentState)


def test_a_plan_without_a_limit_is_offered_however_often_it_failed() -> None:
    plan = Plan("STM32", "2.0.0", Package(b"x"), retry_times=None)
    center = SingleDeviceCloud([plan])
    for _ in range(50):
        assert center.offer({"STM32": "1.0.0"}, 0.0) is plan
        center.report(plan, ComponentState.FAILED, 0.0)
    again = SingleDeviceCloud.load(center.save(), plan.package)
    assert again.plans == (plan,)
    assert again.offer({"STM32": "1.0.0"}, 0.0) is again.plans[0]
