"""Fleets: many devices, one center, faults from a seed; no report is inconsistent."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from mcu_updater.cloud.center.device_session import device_of, open_state
from mcu_updater.cloud.center.lifecycle import PlanState
from mcu_updater.cloud.center.load import CenterFile, read_center
from mcu_updater.cloud.center.model import Mode, Strategy
from mcu_updater.cloud.center.monitoring import DeviceState, monitor
from mcu_updater.cloud.center.store import Ended, Ending, Store
from mcu_updater.cloud.single_device import ComponentState as C
from mcu_updater.core.admission import Judgement
from mcu_updater.core.errors import PortError, UsageError
from mcu_updater.fleet import fault_plan, fleet
from mcu_updater.fleet.condition import Condition, Conditions
from mcu_updater.fleet.device import FleetDevice
from mcu_updater.fleet.fault_plan import KINDS, FleetSettings, draw
from mcu_updater.fleet.fleet import begin_s, replay, run_fleet, with_devices
from mcu_updater.fleet.verdict import both
from mcu_updater.quectel.checks import Checks
from mcu_updater.quectel.emulated.faults import NO_FAULTS
from tests.cloud.center.centers import EXAMPLE
from tests.places import FIXTURES

ROUGH = FleetSettings(seed=7, cuts=2, faults=2, bad_trials=0.1)


@pytest.fixture(scope="module")
def file() -> CenterFile:
    return read_center(EXAMPLE)


def run(
    file: CenterFile, folder: Path, settings: FleetSettings, jobs: int = 1
) -> dict[str, Ending]:
    return {e.device: e for e in run_fleet(file, folder / "fleet.db", settings, jobs)}


def test_a_fleet_with_faults_ends_in_success_or_a_true_failure(file: CenterFile, tmp_path: Path):
    endings = run(file, tmp_path, ROUGH, jobs=2)
    outcomes = Counter(ending.outcome for ending in endings.values())
    assert len(endings) == 20
    assert outcomes[Ended.INCONSISTENT] == 0, [
        e.text for e in endings.values() if not e.is_consistent
    ]
    assert outcomes[Ended.UPGRADED] >= 12
    assert endings["pump-013"].outcome is Ended.NOT_OFFERED
    assert "black list" in endings["pump-013"].text
    assert sum(ending.cuts for ending in endings.values()) >= 15
    seen = monitor(file.center, Store.open(tmp_path / "fleet.db", read_only=True))
    counts = seen.plans[0].counts
    assert counts[DeviceState.UPGRADED] == outcomes[Ended.UPGRADED]
    assert counts[DeviceState.FAILED] == outcomes[Ended.FAILED] + outcomes[Ended.LATE]
    assert sum(counts.values()) == 19
    assert set(seen.endings) == set(endings.values())


def test_what_happens_to_a_device_does_not_depend_on_the_others(file: CenterFile, tmp_path: Path):
    """Nor on the number of processes: a replay has the same digest of all its events."""
    few = replace(file, center=replace(file.center, devices=file.center.devices[:6]))
    endings = run(few, tmp_path, ROUGH, jobs=2)
    events = []
    for device, ending in endings.items():
        assert replay(file, ROUGH, device, lambda event, _: events.append(event)) == ending
    assert events
    other = replay(file, replace(ROUGH, seed=8), "pump-001", lambda *_: None)
    assert other.digest != endings["pump-001"].digest


def test_another_process_may_look_while_it_runs(file: CenterFile, tmp_path: Path):
    """Every look is of one moment: the plan's counts are the sum of its devices, and only grow."""
    path, done = tmp_path / "fleet.db", threading.Event()
    looks: list[tuple[int, int]] = []
    lost: list[Exception] = []

    def look() -> None:
        while not path.exists():
            time.sleep(0.001)
        while not done.is_set():
            try:
                seen = monitor(file.center, Store.open(path, read_only=True))
            except PortError as error:  # no tables yet
                if looks:
                    lost.append(error)
                continue
            plan = seen.plans[0]
            if len(plan.devices) == 19:
                assert sum(plan.counts.values()) == 19
                looks.append((plan.counts[DeviceState.UPGRADED], len(seen.endings)))

    reader = threading.Thread(target=look)
    reader.start()
    try:
        between = [
            len(monitor(file.center, Store.open(path, read_only=True)).endings)
            for _ in run_fleet(file, path, ROUGH, 2)
        ]
    finally:
        done.set()
        reader.join()
    assert not lost
    ended = [endings for _, endings in looks]
    assert ended == sorted(ended)
    assert any(0 < endings < 20 for endings in (*ended, *between)), "nobody looked in between"


def test_devices_on_which_no_image_passes_its_trial_fail_when_the_retries_are_used_up(
    file: CenterFile, tmp_path: Path
):
    few = with_devices(file, 2)
    for ending in run(few, tmp_path, FleetSettings(cuts=0, faults=0, bad_trials=1)).values():
        assert (ending.outcome, ending.version) == (Ended.FAILED, "1.0.0")
        assert ending.text.startswith("failures 4; of late: version 2.0.0 did not pass its trial")


def test_without_troubles_everyone_upgrades(file: CenterFile, tmp_path: Path):
    endings = run(with_devices(file, 3), tmp_path, FleetSettings(cuts=0, faults=0)).values()
    assert {(e.outcome, e.version, e.sessions) for e in endings} == {(Ended.UPGRADED, "2.0.0", 2)}


def test_a_plan_that_users_have_not_confirmed_is_offered_to_nobody(
    file: CenterFile, tmp_path: Path
):
    (plan,) = file.center.plans
    center = replace(file.center, plans=(replace(plan, mode=Mode.CONFIRMED),))
    endings = run(
        with_devices(replace(file, center=center), 2), tmp_path, FleetSettings(cuts=0, faults=0)
    )
    assert {ending.outcome for ending in endings.values()} == {Ended.NOT_OFFERED}


def test_two_plans_one_after_the_other(file: CenterFile, tmp_path: Path):
    """A device that has made it to 2.0.0 goes on to 3.0.0."""
    (plan,), (package,) = file.center.plans, file.center.packages
    third = replace(package, name="third", target="3.0.0")
    upgrade = replace(plan.upgrades[0], package="third", versions=("2.0.0",))
    later = replace(plan, name="later", upgrades=(upgrade,))
    center = replace(file.center, plans=(plan, later), packages=(package, third))
    contents = {**file.contents, "third": file.contents[package.name]}
    two = with_devices(replace(file, center=center, contents=contents), 2)
    for ending in run(two, tmp_path, replace(ROUGH, bad_trials=0)).values():
        assert (ending.outcome, ending.version) == (Ended.UPGRADED, "3.0.0")


# --- battery and signal


def test_devices_below_the_limits_refuse_and_are_seen_to(file: CenterFile, tmp_path: Path):
    """Some come round and upgrade; the others end in a refusal whose reason is true."""
    settings = FleetSettings(seed=1, cuts=0.5, faults=0.5, weak=0.7)
    endings = run(with_devices(file, 16), tmp_path, settings)
    assert {ending.outcome for ending in endings.values()} == {Ended.UPGRADED, Ended.REFUSED}
    reasons = [e.text for e in endings.values() if e.outcome is Ended.REFUSED]
    assert all(
        re.fullmatch(
            r"battery is at \d+ %, the plan asks for 30 %|"
            r"signal is at -\d+ dBm, the plan asks for -113 dBm",
            reason,
        )
        for reason in reasons
    )
    assert {reason.split()[0] for reason in reasons} == {"battery", "signal"}
    seen = monitor(file.center, Store.open(tmp_path / "fleet.db", read_only=True))
    refused = [one for one in seen.plans[0].devices if one.components[0].state is C.REFUSED]
    assert {one.device for one in refused} == {
        name for name, ending in endings.items() if ending.outcome is Ended.REFUSED
    }
    log = [line.text for line in Store.open(tmp_path / "fleet.db", read_only=True).log()]
    assert log.count(C.REFUSED.value) > 3 * len(reasons) - 1, "those that came round, too"


def test_a_weak_device_may_come_round(file: CenterFile, tmp_path: Path):
    one = fleet_device(file, tmp_path)
    low, good = Condition(20, -85), Condition(80, -85)
    one.fault_plan = replace(one.fault_plan, conditions=Conditions(low, good, 2))
    ending = one.run()
    assert (ending.outcome, one.refusals) == (Ended.UPGRADED, 2)


def test_an_upgrade_below_the_limits_is_a_lie(
    file: CenterFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A device that does not look."""
    monkeypatch.setattr(Checks, "judge_plan", lambda *_: Judgement())
    one = fleet_device(file, tmp_path)
    low = Condition(20, -85)
    one.fault_plan = replace(one.fault_plan, conditions=Conditions(low, low, None))
    ending = one.run()
    assert not ending.is_consistent
    assert ending.text == "it took spring nevertheless: battery is at 20 %, the plan asks for 30 %"


def test_a_refusal_without_a_reason_is_a_lie(
    file: CenterFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(Checks, "judge_plan", lambda *_: Judgement("it does not feel like it"))
    ending = fleet_device(file, tmp_path).run()
    assert not ending.is_consistent
    assert "it refused spring, and nothing is amiss" in ending.text


@pytest.mark.parametrize(
    "condition, lack",
    [
        (Condition(30, -113), None),
        (Condition(29, -113), "battery is at 29 %, the plan asks for 30 %"),
        (Condition(30, -114), "signal is at -114 dBm, the plan asks for -113 dBm"),
    ],
)
def test_what_a_condition_lacks(condition: Condition, lack: str | None):
    assert condition.lacks(Strategy()) == lack
    assert Condition(0, -200).lacks(Strategy(min_battery=0, min_signal=0)) is None


# --- lies are found


def fleet_device(file: CenterFile, folder: Path) -> FleetDevice:
    store = open_state(file, folder / "device.db", simulated=True, now_s=0.0)
    device = device_of(file.center, "pump-001")
    return FleetDevice(file, store, device, FleetSettings(cuts=0, faults=0), begin_s(file.center))


def lie(one: FleetDevice, change) -> Ending:
    """Let the device upgrade, then *change* something before it is judged."""
    ordinary = one._judge

    def judged():
        change(one)
        return ordinary()

    one._judge = judged  # type: ignore[method-assign]
    return one.run()


def claim(state: C):
    return lambda one: one.cloud.report(one.cloud.plans[0], state, one.board.clock.now_s())


def tell(version: str):
    return lambda one: one.board.module._firmware.versions.all.__setitem__("STM32", version)


def damage(one: FleetDevice) -> None:
    number = one.board.would_boot().bank
    assert number is not None
    bank = one.board.banks()[number]
    address = bank.slot.link_address - one.board.part.base
    del one.images["2.0.0"]
    one.images["2.0.0"] = b"another image" + bytes(address % 7)


LIES = {
    "called failed after all": (claim(C.FAILED), "s after success"),
    "another image": (damage, "is not version 2.0.0"),
    "a version nobody published": (lambda one: one.images.clear(), "nobody published"),
    "another version told": (tell("9.9"), "the module was told 9.9"),
}


@pytest.mark.parametrize("name", LIES)
def test_lies_are_found(name: str, file: CenterFile, tmp_path: Path):
    change, expected = LIES[name]
    ending = lie(fleet_device(file, tmp_path), change)
    assert not ending.is_consistent
    assert expected in ending.text


def test_success_of_a_device_that_runs_the_old_version_is_a_lie(file: CenterFile, tmp_path: Path):
    one = fleet_device(file, tmp_path)
    one._run = lambda: claim(C.SUCCESS)(one)  # type: ignore[method-assign]
    one.board.module._firmware.versions.all["STM32"] = "1.0.0"
    ending = one.run()
    assert not ending.is_consistent


def test_a_device_that_never_rests_is_an_inconsistent_report(
    file: CenterFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(FleetDevice, "_rests", lambda self: False)
    ending = fleet_device(file, tmp_path).run()
    assert not ending.is_consistent
    assert "not at rest after 60 sessions; the center says spring success" in ending.text


# --- what is drawn


def test_troubles_are_the_same_again_and_about_as_many_as_asked_for():
    settings = FleetSettings(seed=3, cuts=2, faults=1.5, bad_trials=0.2, weak=0.3)
    drawn = [draw(settings, f"d{at}", 1000, 9000) for at in range(400)]
    assert drawn == [draw(settings, f"d{at}", 1000, 9000) for at in range(400)]
    assert 1.8 < sum(len(one.cuts) for one in drawn) / 400 < 2.2
    assert 1.3 < sum(len(one.fault_kinds) for one in drawn) / 400 < 1.7
    assert {kind for one in drawn for kind in one.fault_kinds} == set(KINDS)
    low = [one for one in drawn if one.conditions.first.lacks(Strategy())]
    assert 0.25 < len(low) / 400 < 0.35
    assert 0.4 < sum(one.conditions.better_after is None for one in low) / len(low) < 0.6
    assert not any(one.conditions.later.lacks(Strategy()) for one in drawn)
    quiet = draw(FleetSettings(cuts=0, faults=0), "d", 1000, 9000)
    assert (quiet.cuts, replace(quiet.faults, hang_s=None, link_loss_s=60.0)) == (
        (),
        replace(NO_FAULTS, download_failure=quiet.faults.download_failure),
    )


def test_cuts_hit_what_is_left():
    drawn = (draw(FleetSettings(cuts=8), f"d{at}", 50, 9000).cuts for at in range(50))
    assert all(sum(cut.operation for cut in cuts) <= 50 + len(cuts) for cuts in drawn)


# --- set-up


def test_fleets_that_cannot_be(file: CenterFile, tmp_path: Path):
    for count in (0, 10_001):
        with pytest.raises(UsageError, match="bad number of devices"):
            with_devices(file, count)
    empty = replace(file, center=replace(file.center, devices=()))
    with pytest.raises(UsageError, match="the fleet has no devices"):
        with_devices(empty, None)
    (tmp_path / "fleet.db").touch()
    with pytest.raises(PortError):
        run(file, tmp_path, ROUGH)
    with pytest.raises(UsageError, match="no such device"):
        replay(file, ROUGH, "nobody", lambda *_: None)


def test_a_campaign_begins_when_plans_are_on(file: CenterFile):
    (plan,) = file.center.plans
    assert begin_s(file.center) == plan.begin_s
    for changed in (replace(plan, begin=None), replace(plan, begin=None, end=None)):
        center = replace(file.center, plans=(changed,))
        assert changed.begin_s <= begin_s(center) < changed.end_s
    assert fleet.SOME_DAY_S > 0
    assert fault_plan.LONGEST_OUTAGE_S > fault_plan.LINK_LOSS_S


def test_plans_are_upgrading_afterwards(file: CenterFile, tmp_path: Path):
    run(with_devices(file, 1), tmp_path, FleetSettings(cuts=0, faults=0))
    seen = monitor(file.center, Store.open(tmp_path / "fleet.db", read_only=True))
    assert seen.plans[0].state is PlanState.UPGRADING
    assert seen.simulated


def test_an_ending_of_an_earlier_state_file_is_known_by_its_new_name():
    assert Ended("dishonest") is Ended.INCONSISTENT
    with pytest.raises(ValueError, match="nonsense"):
        Ended("nonsense")


# --- the module's own firmware


@pytest.fixture(scope="module")
def with_module(tmp_path_factory: pytest.TempPathFactory) -> CenterFile:
    """An MCU and the module, in two plans; in one, where ``together``."""
    folder = tmp_path_factory.mktemp("center")
    (folder / "a.pack").write_bytes(bytes(range(256)) * 10)
    (folder / "b.pack").write_bytes(b"rest")
    (folder / "two.s19").write_bytes((FIXTURES / "fixture-2.0.0.s19").read_bytes())
    (folder / "center.toml").write_text(WITH_MODULE, encoding="utf-8")
    return read_center(folder / "center.toml")


WITH_MODULE = """
products = [{ key = "p", components = [{ id = "STM32" }, { id = "modem", type = "module" }] }]
packages = [
    { name = "two", target = "2.0.0", files = ["two.s19"] },
    { name = "own", target = "M2", files = ["a.pack", "b.pack"], type = "module" },
]
devices = [{ id = "d", count = 12, product = "p", versions = { STM32 = "1.0.0", modem = "M1" } }]

[[plans]]
name = "both"
product = "p"
upgrades = [{ component = "STM32", package = "two" }, { component = "modem", package = "own" }]
"""


def plans_apart(file: CenterFile, *, module_first: bool) -> CenterFile:
    """*file* with a plan for each component."""
    (plan,) = file.center.plans
    apart = [replace(plan, name=each.component, upgrades=(each,)) for each in plan.upgrades]
    plans = tuple(reversed(apart) if module_first else apart)
    return replace(file, center=replace(file.center, plans=plans))


@pytest.mark.parametrize(
    ("one", "other", "worse"),
    [
        (Ended.FAILED, Ended.UPGRADED, Ended.FAILED),
        (Ended.LATE, Ended.UPGRADED, Ended.LATE),
        (Ended.FAILED, Ended.LATE, Ended.FAILED),
        (Ended.REFUSED, Ended.UPGRADED, Ended.REFUSED),
        (Ended.NOT_OFFERED, Ended.UPGRADED, Ended.UPGRADED),
    ],
)
def test_a_device_ends_as_its_worse_component(one: Ended, other: Ended, worse: Ended):
    assert both((one, "a"), (other, "b")) == both((other, "b"), (one, "a"))
    assert both((one, "a"), (other, "b"))[0] is worse


@pytest.mark.parametrize("order", ["MCU first", "module first", "together"])
def test_a_module_upgrades_itself_with_the_consent_of_its_device(
    order: str, with_module: CenterFile, tmp_path: Path
):
    file = with_module
    if order != "together":
        file = plans_apart(file, module_first=order == "module first")
    settings = FleetSettings(seed=2, cuts=1, faults=2)
    endings = run(file, tmp_path, settings)
    assert {ending.outcome for ending in endings.values()} <= {Ended.UPGRADED, Ended.FAILED}
    seen = monitor(file.center, Store.open(tmp_path / "fleet.db", read_only=True))
    views = [one for plan in seen.plans for device in plan.devices for one in device.components]
    own = [one for one in views if one.component == "modem"]
    assert [(one.state, one.version) for one in own] == [(C.SUCCESS, "M2")] * 12
    mcu = Counter(one.version for one in views if one.component == "STM32")
    assert mcu["2.0.0"] >= 9


def test_a_device_does_not_let_the_module_upgrade_when_its_battery_is_low(
    with_module: CenterFile, tmp_path: Path
):
    """Nor does it ask again when the module's plan is all that there is."""
    file = plans_apart(with_module, module_first=True)
    only = replace(file, center=replace(file.center, plans=file.center.plans[:1]))
    endings = run(with_devices(only, 4), tmp_path, FleetSettings(cuts=0, faults=0, weak=1))
    for ending in endings.values():
        if ending.outcome is Ended.REFUSED:
            assert re.match(r"modem: (battery|signal) is at", ending.text)
        else:
            assert ending.outcome is Ended.UPGRADED and ending.version == "1.0.0"
    assert Ended.REFUSED in {ending.outcome for ending in endings.values()}


def test_a_module_that_does_not_run_what_the_center_says_is_found(
    with_module: CenterFile, tmp_path: Path
):
    file = plans_apart(with_module, module_first=True)
    store = open_state(file, tmp_path / "device.db", simulated=True, now_s=0.0)
    device = device_of(file.center, "d-001")
    one = FleetDevice(file, store, device, FleetSettings(cuts=0, faults=0), begin_s(file.center))

    def lose(device: FleetDevice) -> None:
        device.board.module._firmware.own_version = "M1"
        with store.transaction():
            store.put_versions("d-001", {"STM32": "2.0.0", "modem": "M1"}, 1e9)

    ending = lie(one, lose)
    assert not ending.is_consistent
    assert "the module runs modem M1; by what the center says it is M2" in ending.text
