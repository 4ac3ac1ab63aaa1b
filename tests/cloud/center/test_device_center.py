"""Devices of one process: they follow the center file, share its packages, and outlast a lock."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from mcu_updater.cloud.center.connections import StoreBusy
from mcu_updater.cloud.center.control import act_on_plan
from mcu_updater.cloud.center.device_center import DeviceCenter
from mcu_updater.cloud.center.device_session import device_of, open_state
from mcu_updater.cloud.center.lifecycle import Action
from mcu_updater.cloud.center.load import BadCenterFile, CenterFile
from mcu_updater.cloud.center.model import Strategy
from mcu_updater.cloud.center.shared import SharedCenter
from mcu_updater.cloud.center.store import Store
from mcu_updater.cloud.cloud import packages_of
from mcu_updater.cloud.single_device import ComponentState as C
from mcu_updater.cloud.single_device import OtherPlans
from mcu_updater.quectel.emulated.module import EmulatedModule
from mcu_updater.quectel.emulated.options import ModuleOptions
from tests.cloud.center.centers import COMPONENT, DEVICE, T0, center, file_of, plan

OLD = {COMPONENT: "1.0"}
WEAK = Strategy(min_battery=0)


class Edited:
    """A center file that a test edits."""

    fault: BadCenterFile | None = None

    def __init__(self, file: CenterFile) -> None:
        self.file = file

    def now(self) -> CenterFile:
        return self.file

    def edit(self, *plans, contents=None) -> None:
        made = file_of(center(*plans))
        known = self.file.contents
        self.file = replace(made, contents=known if contents is None else contents)


class World:
    def __init__(self, folder: Path, *plans) -> None:
        self.edited = Edited(file_of(center(*plans)))
        self.path = folder / "center.db"
        self.store = open_state(self.edited.file, self.path, now_s=T0)
        self.shared = SharedCenter(self.edited, self.store, patient=True)

    def device(self, name: str = DEVICE) -> DeviceCenter:
        file = self.shared.now()
        return DeviceCenter(self.shared, self.store, device_of(file.center, name), T0)

    def activate(self, name: str) -> None:
        act_on_plan(self.edited.file.center, self.store, name, Action.ACTIVATE, T0)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, plan("first", active=False))


def targets(device: DeviceCenter, pushed: bool = False) -> list[str]:
    return [one.target_version for one in device.message(OLD, 0.0, pushed=pushed)]


@pytest.mark.parametrize("pushed", [False, True])
def test_a_plan_made_and_activated_later_is_offered(world: World, pushed: bool):
    device = world.device()
    assert targets(device, pushed) == []
    world.edited.edit(plan("first", active=False), plan("later", active=False))
    assert targets(device, pushed) == []
    world.activate("later")
    assert targets(device, pushed) == ["2.0"]
    device.report(device.plans[-1], C.RECEIVED, 0.0)
    assert [line.plan for line in world.store.log(DEVICE)] == ["later"]


def test_a_saved_plan_that_was_edited_is_offered_as_it_is_now(world: World):
    device = world.device()
    assert len(device.plans) == 1
    world.edited.edit(plan("first", active=True, strategy=WEAK))
    (offered,) = device.message(OLD, 0.0, pushed=False)
    assert offered.battery_limit == 0
    assert len(device.plans) == 1


def test_an_activated_plan_that_was_edited_does_not_count(world: World):
    device = world.device()
    world.activate("first")
    (before,) = device.message(OLD, 0.0, pushed=False)
    world.edited.edit(plan("first", strategy=WEAK), plan("more"))
    assert list(device.message(OLD, 1.0, pushed=False)) == [before]
    assert world.shared.fault is not None
    world.edited.edit(plan("first", active=False), plan("more"))
    assert list(device.message(OLD, 2.0, pushed=False)) == [before]
    assert world.shared.fault is None


def test_devices_of_one_process_have_each_package_once(world: World):
    devices = [world.device(name) for name in (DEVICE, "d2", DEVICE)]
    first = devices[0].plans[0].package
    assert all(device.plans[0].package is first for device in devices)
    same = {
        name: tuple(bytes(bytearray(d)) for d in c)
        for name, c in file_of(center()).contents.items()
    }
    world.edited.edit(plan("first", active=False), plan("later"), contents=same)
    assert targets(devices[1]) == ["2.0"]
    assert {id(one.package) for device in devices for one in device.plans} == {id(first)}


def test_a_package_whose_bytes_changed_is_offered_as_it_is_now(world: World):
    """Until its plan is activated it may change."""
    device = world.device()
    before = device.plans[0].package.data
    changed = {name: (b"other bytes",) * len(c) for name, c in world.edited.file.contents.items()}
    world.edited.edit(plan("first", active=True), contents=changed)
    (offered,) = device.message(OLD, 0.0, pushed=False)
    assert (offered.package.data, before == b"other bytes") == (b"other bytes", False)


def test_two_plans_that_say_the_same_are_two(tmp_path: Path):
    world = World(tmp_path, plan("ended", active=False), plan("twin"))
    device = world.device()
    module = EmulatedModule(device, ModuleOptions(plan_delay_s=0.0))
    for text in ("ATE0", f'AT+QIOTMCUVER="{COMPONENT}","1.0"', "AT+QIOTREG=1"):
        module.receive(text.encode() + b"\r\n", 0.0)
    module.receive(b"AT+QIOTOTAREQ=1\r\n", 2.0)
    module.advance(3.0)
    saved, kept, packages = module.save(3.0), device.save(), packages_of(device)
    world.edited.edit(plan("new", active=False), plan("ended", active=False), plan("twin"))
    again = world.device().restored(kept, packages)
    module = EmulatedModule.load(saved, again)
    module.receive(b"AT+QIOTUPDATE=1\r\n", 1.0)
    assert {line.plan for line in world.store.log(DEVICE)} == {"twin"}
    assert [one[0] for one in again.save()["plans"]] == ["ended", "twin", "new"]


def test_a_plan_that_is_gone_keeps_its_place(world: World):
    kept, packages = world.device().save(), packages_of(world.device())
    world.edited.edit(plan("other"))
    again = world.device().restored(kept, packages)
    assert [one.package.data[:4] for one in again.plans] == [b"", b"full"]
    (offered,) = again.message(OLD, 0.0, pushed=False)
    again.report(offered, C.RECEIVED, 0.0)
    assert [line.plan for line in world.store.log(DEVICE)] == ["other"]


def test_the_state_of_another_device_is_refused(world: World):
    kept = world.device("d2").save()
    with pytest.raises(OtherPlans) as caught:
        world.device().restored(kept, packages_of(world.device("d2")))
    assert (caught.value.what, caught.value.expected) == ("device", DEVICE)


def test_reports_wait_for_a_locked_state_file(world: World, monkeypatch: pytest.MonkeyPatch):
    world.activate("first")
    device = world.device()
    (offered,) = device.message(OLD, 0.0, pushed=False)
    world.store._db.execute("PRAGMA busy_timeout = 0")
    with closing(sqlite3.connect(world.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        device.report(offered, C.RECEIVED, 1.0)
        device.report(offered, C.CONFIRMED, 2.0)
        assert list(device.message(OLD, 3.0, pushed=False)) == []
        assert len(device.save()["unsent"]) == 2
        again = world.device().restored(device.save(), packages_of(device))
        other.execute("ROLLBACK")
    now_s = time.monotonic()
    monkeypatch.setattr("mcu_updater.cloud.center.shared.time.monotonic", lambda: now_s + 9)
    assert again.settle()
    assert [(line.at_s - T0, line.text) for line in world.store.log(DEVICE)] == [
        (1.0, C.RECEIVED.value),
        (2.0, C.CONFIRMED.value),
    ]
    assert "unsent" not in again.save()


def test_who_is_not_patient_hears_of_the_lock(world: World):
    device = DeviceCenter(
        world.edited.file, world.store, device_of(world.edited.file.center, DEVICE), T0
    )
    world.store._db.execute("PRAGMA busy_timeout = 0")
    with closing(sqlite3.connect(world.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreBusy, match="is locked by another process"):
            device.message(OLD, 0.0, pushed=False)
        other.execute("ROLLBACK")


def test_a_plan_of_the_file_is_in_the_state_file_too(world: World):
    world.edited.edit(plan("first", active=False), plan("later", active=False))
    world.shared.now()
    with closing(Store.open(world.path)) as other:
        assert list(other.plan_states()) == ["first", "later"]
