"""A shared center: what devices get and report, what its owner does, what monitoring shows."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mcu_updater.cloud.center.control import DeviceAction, act_on_device, act_on_plan
from mcu_updater.cloud.center.device_center import DeviceCenter
from mcu_updater.cloud.center.device_session import device_of, enter_file, open_state
from mcu_updater.cloud.center.lifecycle import ACTIONS, Action, PlanState
from mcu_updater.cloud.center.load import BadCenterFile, CenterFile
from mcu_updater.cloud.center.model import (
    ComponentType,
    Device,
    Mode,
    Protocol,
    Strategy,
    UpgradePlan,
    VersionPackage,
)
from mcu_updater.cloud.center.monitoring import (
    STAGES,
    DeviceState,
    Monitoring,
    device_state,
    monitor,
)
from mcu_updater.cloud.center.rules import LWM2M_LIMIT_S, Why
from mcu_updater.cloud.center.store import Ended, Ending, Store
from mcu_updater.cloud.cloud import packages_of
from mcu_updater.cloud.single_device import ComponentState as C
from mcu_updater.core.errors import PortError, UsageError
from mcu_updater.quectel.emulated.module import EmulatedModule
from mcu_updater.quectel.emulated.options import ModuleOptions
from tests.cloud.center.centers import (
    COMPONENT,
    DEVICE,
    PACKAGES,
    PRODUCT,
    T0,
    center,
    file_of,
    plan,
    product,
)

OLD, NEW = {COMPONENT: "1.0"}, {COMPONENT: "2.0"}
HOUR_S = 3600.0


class World:
    """A center with its state file, and devices that speak to it at *now_s*."""

    def __init__(self, folder: Path, *plans: UpgradePlan, **given) -> None:
        self.file = file_of(center(*plans, **given))
        self.path = folder / "center.db"
        self.store = open_state(self.file, self.path, now_s=T0)
        self.now_s = 0.0

    def device(self, name: str = DEVICE) -> DeviceCenter:
        return DeviceCenter(self.file, self.store, device_of(self.file.center, name), T0)

    def ask(self, versions=OLD, name: str = DEVICE, pushed: bool = False):
        return list(self.device(name).message(versions, self.now_s, pushed=pushed))

    def report(self, *states: C, name: str = DEVICE, at: int = 0) -> None:
        device = self.device(name)
        for state in states:
            device.report(device.plans[at], state, self.now_s)

    def act(self, action: Action, name: str = "plan") -> PlanState:
        return act_on_plan(self.file.center, self.store, name, action, T0 + self.now_s)

    def act_on(self, action: DeviceAction, name: str = DEVICE):
        center_, at_s = self.file.center, T0 + self.now_s
        return act_on_device(center_, self.store, "plan", name, action, at_s)

    def view(self) -> Monitoring:
        return monitor(self.file.center, self.store, T0 + self.now_s)

    def state(self, name: str = DEVICE) -> C:
        devices = {d.device: d for d in self.view().plans[0].devices}
        return devices[name].components[0].state

    def texts(self, name: str = DEVICE) -> list[str]:
        return [line.text for line in self.store.log(name)]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_an_upgrade_from_offer_to_success(world: World):
    (offered,) = world.ask()
    assert (offered.target_version, offered.package.data[:4]) == ("2.0", b"full")
    assert (offered.battery_limit, offered.min_signal) == (30, -113)
    states = (C.RECEIVED, C.CONFIRMED, C.WAITING_DOWNLOAD, C.DOWNLOADING, C.UPGRADING, C.SUCCESS)
    world.report(*states)
    assert world.texts() == [state.value for state in states]
    assert world.ask(NEW) == []
    seen = world.view().plans[0]
    assert (seen.state, seen.counts[DeviceState.UPGRADED], seen.success_rate) == (
        PlanState.UPGRADING,
        1,
        1.0,
    )
    assert seen.devices[0].components[0].version == "2.0"


def test_a_device_that_is_up_to_date_needs_no_update(world: World):
    assert world.ask(NEW) == []
    assert world.state() is C.NOT_REQUIRED
    assert world.view().plans[0].counts[DeviceState.NOT_REQUIRED] == 1


def test_retries_are_counted_over_all_its_visits(tmp_path: Path):
    world = World(tmp_path, plan(strategy=Strategy(retries=1)))
    for _ in range(2):
        assert world.ask()
        world.report(C.RECEIVED, C.CONFIRMED, C.FAILED)
    assert world.ask() == []
    assert world.view().plans[0].devices[0].components[0].failures == 2


def test_a_device_that_nobody_described_is_known_when_it_comes(world: World):
    assert world.ask(name="new")
    assert world.store.devices()["new"] == PRODUCT
    assert world.state("new") is C.NOT_RECEIVED
    two = (product(), replace(product(), key="p2"))
    with pytest.raises(UsageError, match="several products"):
        device_of(center(products=two), "new")


def test_state_outlives_the_process(world: World):
    world.ask()
    world.report(C.RECEIVED, C.REFUSED)
    world.store.close()
    world.store = open_state(world.file, world.path)
    assert world.ask() == []
    world.now_s = 2 * HOUR_S
    assert len(world.ask()) == 1


def test_two_components_in_one_message(tmp_path: Path):
    world = World(tmp_path, plan(upgrades=((COMPONENT, "full"), ("radio", "radio"))))
    offered = world.ask(OLD | {"radio": "r1"})
    assert [one.component for one in offered] == [COMPONENT, "radio"]
    world.report(C.RECEIVED, C.CONFIRMED, C.SUCCESS)
    assert world.view().plans[0].devices[0].state is DeviceState.UPGRADING
    world.report(C.SUCCESS, at=1)
    assert world.view().plans[0].devices[0].state is DeviceState.UPGRADED


def test_two_plans_that_look_alike_keep_their_own_state(tmp_path: Path):
    world = World(tmp_path, plan(), plan("again"))
    world.report(C.SUCCESS, at=1)
    assert world.view().plans[0].devices[0].state is DeviceState.NOT_UPGRADED
    assert world.view().plans[1].devices[0].state is DeviceState.UPGRADED


def test_versions_that_are_not_reported_any_more_are_forgotten(world: World):
    world.ask(OLD | {"radio": "r1"})
    world.ask(OLD)
    assert world.store.versions(DEVICE) == OLD


def test_memory_is_that_of_the_device_alone(world: World):
    device = world.device()
    before = device.memory(0.0)
    world.ask(name="d2")
    assert device.memory(0.0) == before
    world.ask()
    assert device.memory(0.0) != before
    assert device.memory(5.0) != device.memory(0.0)
    assert device.memory_alone() == world.device().memory_alone()


# --- the owner


def test_every_action_in_every_state(tmp_path: Path):
    """The table is what ``act_on_plan`` does, and nothing else can be done."""
    ways = {
        PlanState.SAVED: (False, ()),
        PlanState.ACTIVE: (True, ()),
        PlanState.PAUSED: (True, (Action.PAUSE,)),
        PlanState.TERMINATED: (True, (Action.TERMINATE,)),
    }
    for number, (state, (active, actions)) in enumerate(ways.items()):
        for action in Action:
            folder = tmp_path / f"{number}-{action}"
            folder.mkdir()
            world = World(folder, plan(active=active))
            for step in actions:
                world.act(step)
            assert world.view().plans[0].state is state
            expected = ACTIONS.get((action, state))
            if expected is not None:
                assert world.act(action) is expected
                continue
            with pytest.raises(UsageError, match=f"a plan that is {state} cannot"):
                world.act(action)


def test_a_pause_stops_who_has_not_begun(world: World):
    world.ask()
    world.report(C.RECEIVED, C.CONFIRMED)
    assert world.act(Action.PAUSE) is PlanState.PAUSED
    assert world.ask(name="d2") == []
    world.report(C.FAILED)
    assert len(world.ask()) == 1  # its retries go on
    assert world.act(Action.RESUME) is PlanState.UPGRADING
    assert len(world.ask(name="d2")) == 1


def test_termination_fails_who_has_not_begun(world: World):
    world.ask()
    world.report(C.RECEIVED, C.CONFIRMED, C.DOWNLOADING)
    world.act(Action.TERMINATE)
    assert world.state() is C.DOWNLOADING
    assert world.state("d2") is C.FAILED
    assert world.texts("d2") == ["failed: the plan is terminated"]
    assert world.ask(name="d2") == []
    world.report(C.SUCCESS)
    assert world.view().plans[0].success_rate == 0.5


def test_the_end_of_a_plan_fails_who_has_not_begun_even_before_anybody_comes(tmp_path: Path):
    end = datetime.fromtimestamp(T0 + HOUR_S, UTC)
    world = World(tmp_path, plan(end=end))
    assert world.state() is C.NOT_RECEIVED
    world.now_s = HOUR_S
    assert world.view().plans[0].state is PlanState.ENDED
    assert world.state() is C.FAILED
    assert world.ask() == []
    assert world.texts() == ["failed: the plan is ended"]


def test_cancel_where_nothing_is_under_way(world: World):
    world.ask()
    world.report(C.RECEIVED)
    assert world.act_on(DeviceAction.CANCEL) == [("plan", COMPONENT)]
    assert (world.state(), world.ask()) == (C.FAILED, [])
    assert [one.why for one in world.device().look(OLD, 0.0)] == [Why.CLOSED]
    with pytest.raises(UsageError, match="not possible"):
        world.act_on(DeviceAction.CANCEL)


@pytest.mark.parametrize("state", [C.CONFIRMED, C.DOWNLOADING, C.UPGRADING, C.SUCCESS])
def test_what_is_under_way_cannot_be_cancelled(state: C, world: World):
    world.ask()
    world.report(state)
    with pytest.raises(UsageError, match=f"found {COMPONENT} {state.value}"):
        world.act_on(DeviceAction.CANCEL)
    assert world.state() is state


def test_what_a_device_does_after_a_cancel_is_recorded_all_the_same(world: World):
    world.ask()
    world.report(C.RECEIVED)
    world.act_on(DeviceAction.CANCEL)
    world.report(C.CONFIRMED, C.SUCCESS)
    assert world.state() is C.SUCCESS


def test_retry_after_it_has_failed_for_good(tmp_path: Path):
    world = World(tmp_path, plan(strategy=Strategy(retries=0)))
    world.ask()
    with pytest.raises(UsageError, match="retry is not possible"):
        world.act_on(DeviceAction.RETRY)
    world.report(C.CONFIRMED, C.FAILED)
    world.ask(name="d2")
    world.report(C.CONFIRMED, name="d2")
    assert world.ask() == []
    world.act_on(DeviceAction.RETRY)
    assert len(world.ask()) == 1


def test_users_confirm(tmp_path: Path):
    world = World(tmp_path, plan(mode=Mode.CONFIRMED))
    assert world.ask() == []
    world.act_on(DeviceAction.CONFIRM)
    assert len(world.ask()) == 1
    with pytest.raises(UsageError, match="confirm is not possible"):
        world.act_on(DeviceAction.CONFIRM)
    with pytest.raises(UsageError, match="knows no such device"):
        world.act_on(DeviceAction.CONFIRM, "nobody")
    with pytest.raises(UsageError, match="no such plan"):
        world.act(Action.PAUSE, "none")


def test_slow_products_have_48_hours(tmp_path: Path):
    world = World(tmp_path, products=(product(protocol=Protocol.LWM2M),))
    world.ask()
    world.report(C.CONFIRMED, C.DOWNLOADING)
    world.now_s = LWM2M_LIMIT_S
    assert world.state() is C.FAILED
    assert world.ask() == []


# --- editing


def test_a_plan_that_was_activated_cannot_be_edited(world: World):
    world.store.close()
    changed = file_of(center(plan(strategy=Strategy(retries=9))))
    with pytest.raises(BadCenterFile, match="has been activated"):
        open_state(changed, world.path)
    contents = {**world.file.contents, "full": (b"another",)}
    with pytest.raises(BadCenterFile, match='other bytes in the files of package "full"'):
        open_state(replace(world.file, contents=contents), world.path)
    more = file_of(center(plan(), plan("second"), devices=(Device("d9", PRODUCT),)))
    assert set(open_state(more, world.path).devices()) == {DEVICE, "d2", "d9"}


def test_a_saved_plan_may_be_edited(tmp_path: Path):
    world = World(tmp_path, plan(active=False))
    world.store.close()
    changed: CenterFile = file_of(center(plan(strategy=Strategy(retries=9))))
    assert open_state(changed, world.path).plan_states() == {"plan": PlanState.ACTIVE}


def test_what_is_entered_already_is_not_entered_again(world: World):
    """And what is missing is: of a plan that is new, of a device that is, of one that has moved."""
    store = world.store
    written: list[str] = []
    store._db.set_trace_callback(written.append)
    with store.transaction():
        enter_file(world.file, store)
    assert [sql for sql in written if "INTO entry" in sql or "INTO device" in sql] == []
    more = file_of(center(plan(), plan("second"), devices=(Device("d9", PRODUCT),)))
    with store.transaction():
        enter_file(more, store)
        assert set(store.entries("d9")) == {("plan", COMPONENT), ("second", COMPONENT)}
        store._db.execute("DELETE FROM entry WHERE device = 'd9' AND plan = 'plan'")
        store.move_device("d9", "another")
        enter_file(more, store)
    assert store.product_of("d9") == PRODUCT
    assert set(store.entries("d9")) == {("plan", COMPONENT), ("second", COMPONENT)}


# --- the file


def test_files_that_are_no_state(world: World, tmp_path: Path):
    (tmp_path / "text.db").write_text("no database" * 99)
    sqlite3.connect(tmp_path / "other.db").execute("CREATE TABLE a (b)").connection.close()
    for name in ("text.db", "other.db", "none.db", "."):
        with pytest.raises(PortError):
            Store.open(tmp_path / name)
    with pytest.raises(PortError, match="exists already"):
        Store.create(world.path, "x", simulated=False, now_s=0.0)
    with pytest.raises(PortError):
        Store.create(tmp_path / "none" / "x.db", "x", simulated=False, now_s=0.0)


def test_a_failed_transaction_leaves_nothing(world: World):
    with pytest.raises(RuntimeError), world.store.transaction():
        world.store.set_plan_state("plan", PlanState.PAUSED)
        raise RuntimeError
    assert world.store.plan_states() == {"plan": PlanState.ACTIVE}


def test_a_reader_cannot_write(world: World):
    reader = Store.open(world.path, read_only=True)
    with pytest.raises(PortError, match="readonly"), reader.transaction():
        reader.set_plan_state("plan", PlanState.PAUSED)


def test_an_ending_comes_back_as_it_was(world: World):
    ending = Ending(DEVICE, Ended.INCONSISTENT, "why", "1.0", 1, 2, 3, "abc")
    with world.store.transaction():
        world.store.put_ending(ending)
    assert world.store.endings() == [ending]
    assert not ending.is_consistent


# --- states


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ((C.NOT_RECEIVED,), DeviceState.NOT_UPGRADED),
        ((C.RECEIVED,), DeviceState.NOT_UPGRADED),
        ((C.REFUSED,), DeviceState.NOT_UPGRADED),
        ((C.DOWNLOADING,), DeviceState.UPGRADING),
        ((C.DOWNLOADING, C.FAILED), DeviceState.FAILED),
        ((C.SUCCESS, C.FAILED), DeviceState.FAILED),
        ((C.SUCCESS, C.NOT_RECEIVED), DeviceState.UPGRADING),
        ((C.SUCCESS, C.NOT_REQUIRED), DeviceState.UPGRADED),
        ((C.NOT_REQUIRED, C.NOT_REQUIRED), DeviceState.NOT_REQUIRED),
    ],
)
def test_a_devices_state_is_that_of_its_components(states, expected):
    assert device_state(list(states)) is expected


def test_every_state_had_a_stage_in_2022():
    assert set(STAGES) == set(C)
    assert set(STAGES.values()) == {
        "start",
        "device confirm",
        "downloading",
        "upgrading",
        "success",
        "failed",
    }


# --- the module


def test_an_emulated_module_speaks_to_it(world: World):
    device = world.device()
    module = EmulatedModule(device)

    def say(text: str, until_s: float = 0.0) -> bytes:
        module.receive(text.encode() + b"\r\n", world.now_s)
        world.now_s += until_s
        module.advance(world.now_s)
        return module.transmit()

    say("ATE0")
    say(f'AT+QIOTMCUVER="{COMPONENT}","1.0"')
    say("AT+QIOTREG=2", 2.0)
    size = len(world.file.contents["full"][0])
    expected = f'+QIOTEVT: 7,10700,"{COMPONENT}","","2.0",30,-113,{size}\r\n'
    assert expected.encode() in say("AT+QIOTOTAREQ=1", 1.0)
    assert b"7,10703" in say("AT+QIOTUPDATE=1", 9.0)
    saved = module.save(world.now_s)
    module = EmulatedModule.load(
        saved, device.restored(device.save(), packages_of(device)), now_s=world.now_s
    )
    assert b"full" in say("AT+QIOTOTARD=0,4")
    assert b"7,10704" in say("AT+QIOTUPDATE=3")
    assert b"7,10705" in say(f'AT+QIOTMCUVER="{COMPONENT}","2.0"')
    assert world.state() is C.SUCCESS


def test_the_modules_own_firmware_is_a_component_too(tmp_path: Path):
    """Of two files, as modules of SDK 2.9.0 take them for themselves; told by its version."""
    files = (Path("a.pack"), Path("b.pack"))
    own = VersionPackage("own", "m2", files=files, type=ComponentType.MODULE)
    both = plan(upgrades=(("modem", "own"), (COMPONENT, "full")))
    world = World(tmp_path, both, packages=(*PACKAGES, own))
    device = world.device()
    options = ModuleOptions(firmware_component="modem", product_version="m1", echo=False)
    module = EmulatedModule(device, options)

    def say(text: str, until_s: float) -> bytes:
        module.receive(text.encode() + b"\r\n", world.now_s)
        world.now_s += until_s
        module.advance(world.now_s)
        return module.transmit()

    say(f'AT+QIOTMCUVER="{COMPONENT}","1.0"', 0)
    say("AT+QIOTREG=2", 2.0)
    size = sum(map(len, world.file.contents["own"]))
    said = say("AT+QIOTOTAREQ=1", 1.0)
    assert f'+QIOTEVT: 7,10700,"modem","","m2",30,-113,{size}\r\n'.encode() in said
    assert said.count(b"7,10700") == 2
    said = say("AT+QIOTUPDATE=1", 60.0)
    assert said.index(b"7,10705") < said.index(f'7,10701,"{COMPONENT}"'.encode())
    say("AT+QIOTUPDATE=3", 0)
    say(f'AT+QIOTMCUVER="{COMPONENT}","2.0"', 0)
    assert say("AT+QIOTOTAREQ=1", 1.0).count(b"7,10700") == 0
    components = world.view().plans[0].devices[0].components
    assert [(one.component, one.state, one.version) for one in components] == [
        ("modem", C.SUCCESS, "m2"),
        (COMPONENT, C.SUCCESS, "2.0"),
    ]
    assert world.view().plans[0].counts[DeviceState.UPGRADED] == 1
