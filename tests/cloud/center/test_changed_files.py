"""What becomes of a center's state when its file changes: plans, packages, devices, products."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mcu_updater.cloud.center import device_session
from mcu_updater.cloud.center.control import act_on_plan
from mcu_updater.cloud.center.device_session import check_plans, enter_file, open_state
from mcu_updater.cloud.center.faults import BadCenterFile
from mcu_updater.cloud.center.lifecycle import Action, PlanState
from mcu_updater.cloud.center.load import CenterFile
from mcu_updater.cloud.center.model import Device, Kind, UpgradePlan
from mcu_updater.cloud.center.monitoring import monitor
from mcu_updater.cloud.center.store import Store
from tests.cloud.center.centers import (
    COMPONENT,
    DEVICE,
    PACKAGES,
    PRODUCT,
    T0,
    center,
    file_of,
    package,
    plan,
    product,
)

KEY = ("plan", COMPONENT)
SAVED = plan(active=False)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Of the plan, activated, and one that is saved."""
    first = file_of(center(plan(), plan("later", active=False)))
    with closing(open_state(first, tmp_path / "center.db", now_s=T0)) as opened:
        yield opened


def enter(store: Store, file: CenterFile) -> None:
    with store.transaction():
        enter_file(file, store)


def faults(store: Store, file: CenterFile) -> str:
    """The same by who writes and by who only reads; the state stays what it was."""
    before = store.plan_digests(), list(store.all_entries())
    with pytest.raises(BadCenterFile) as caught:
        enter(store, file)
    with pytest.raises(BadCenterFile) as read, store.snapshot():
        check_plans(file, store)
    assert read.value.faults == caught.value.faults
    assert (store.plan_digests(), list(store.all_entries())) == before
    return caught.value.message


def counted(store: Store, file: CenterFile) -> dict[str, list[str]]:
    """Devices by plan, as monitoring shows them."""
    seen = monitor(file.center, store, T0)
    return {one.name: [device.device for device in one.devices] for one in seen.plans}


@pytest.mark.parametrize(
    ("plans", "given", "said"),
    [
        ((plan("other"),), {}, 'plans "plan": the plan has been activated and cannot be deleted'),
        ((plan("Plan"),), {}, 'plans "plan": the plan has been activated and cannot be deleted'),
        ((plan(push=False),), {}, "found another plan"),
        ((plan(upgrades=((COMPONENT, "other"),)),), {}, "found another plan"),
        ((plan(),), {"packages": (package(note="x"), *PACKAGES[1:])}, 'another package "full"'),
        (
            (plan(),),
            {"packages": (package(kind=Kind.DELTA, source="1.0"), *PACKAGES[1:])},
            'another package "full"',
        ),
    ],
)
def test_an_activated_plan_stays_what_it_was(
    plans: tuple[UpgradePlan, ...], given: dict[str, Any], said: str, store: Store
):
    if plans[0].upgrades[0].package == "other":
        given = {"packages": (*PACKAGES, package("other", "2.0"))}
    assert said in faults(store, file_of(center(*plans, **given)))


def test_its_packages_stay_what_they_were(store: Store):
    file = file_of(center())
    contents = {**file.contents, "full": (b"other",)}
    message = faults(store, replace(file, contents=contents))
    assert 'found other bytes in the files of package "full"' in message
    unused = {**file.contents, "radio": (b"other",)}
    enter(store, replace(file, contents=unused))


def test_all_that_is_wrong_is_said_at_once(store: Store):
    both = center(plan(), plan("later", active=False))
    act_on_plan(both, store, "later", Action.ACTIVATE, T0)
    message = faults(store, file_of(center(plan(push=False))))
    assert "2 faults" in message


def test_what_does_not_matter_may_change(store: Store):
    """Its place, ``active`` in the file, and what it does not use."""
    others = plan("first"), replace(plan(), active=False)
    enter(store, file_of(center(*others, products=(product(name="x"),))))
    assert list(store.plan_states()) == ["first", "plan"]
    assert store.plan_states()["plan"] is PlanState.ACTIVE


def test_a_plan_that_is_over_stays_too(store: Store):
    act_on_plan(file_of(center()).center, store, "plan", Action.TERMINATE, T0)
    assert "cannot be deleted" in faults(store, file_of(center(plan("other"))))


def test_a_state_file_of_an_earlier_version(store: Store):
    file = file_of(center())
    digest = device_session._first_digest(file.center.plans[0], file)
    with store.transaction():
        store.put_plan("plan", 0, PlanState.ACTIVE, digest)
    enter(store, file)
    assert "another plan or package" in faults(store, file_of(center(plan(push=False))))


def test_a_saved_plan_that_is_removed_is_forgotten(store: Store):
    assert ("later", COMPONENT) in store.entries(DEVICE)
    enter(store, file_of(center(plan())))
    assert set(store.plan_states()) == {"plan"}
    assert set(store.entries(DEVICE)) == {KEY}
    enter(store, file_of(center(plan(), plan("later", active=False))))
    assert store.plan_states()["later"] is PlanState.SAVED


def test_a_saved_plan_that_is_edited_is_for_whom_it_is_for_now(store: Store):
    edited = replace(plan("later", ((COMPONENT, "full"), ("radio", "radio")), active=False))
    file = file_of(center(plan(), replace(edited, blacklist=("d2",))))
    enter(store, file)
    assert counted(store, file) == {"plan": ["d1", "d2"], "later": ["d1"]}
    assert ("later", "radio") in store.entries("d1")


def test_who_reads_sees_what_who_writes_would(store: Store):
    """A saved plan that its file activates."""
    file = file_of(center(plan(), plan("later")))
    states = {one.name: one.state for one in monitor(file.center, store, T0).plans}
    assert states == {"plan": PlanState.ACTIVE, "later": PlanState.ACTIVE}
    enter(store, file)
    assert {one.name: one.state for one in monitor(file.center, store, T0).plans} == states


def test_devices_that_are_removed(store: Store):
    """One that came stays in monitoring, as one that was never described; the other does not."""
    with store.transaction():
        store.put_versions("d1", {COMPONENT: "1.0"}, T0)
    file = file_of(center(devices=(Device("d3", PRODUCT),)))
    enter(store, file)
    assert counted(store, file)["plan"] == ["d1", "d3"]
    assert set(store.devices()) == {"d1", "d2", "d3"}
    again = file_of(center())
    enter(store, again)
    assert counted(store, again)["plan"] == ["d1", "d2"]


def test_a_product_that_is_removed_goes_with_its_saved_plans(tmp_path: Path):
    other = product(key="p2")
    both = center(
        plan(),
        plan("second", product="p2", active=False),
        products=(product(), other),
        devices=(Device("d1", PRODUCT), Device("d2", "p2")),
    )
    with closing(open_state(file_of(both), tmp_path / "center.db", now_s=T0)) as store:
        file = file_of(center(devices=(Device("d1", PRODUCT),)))
        enter(store, file)
        assert counted(store, file) == {"plan": ["d1"]}
        assert not store.entries("d2")


def test_a_device_of_another_product(store: Store):
    """Its plans are those of the product that the file names now."""
    file = file_of(
        center(
            plan(),
            plan("second", product="p2"),
            products=(product(), product(key="p2")),
            devices=(Device("d1", "p2"), Device("d2", PRODUCT)),
        )
    )
    enter(store, file)
    assert counted(store, file) == {"plan": ["d2"], "second": ["d1"]}
    assert store.devices()["d1"] == "p2"


def test_all_devices_on_a_list(tmp_path: Path):
    """In 0.1 s on an idle machine, not in one step for each pair."""
    names = tuple(f"d{number}" for number in range(10_000))
    lists = plan(whitelist=names, blacklist=names[5_000:])
    file = file_of(center(lists, devices=tuple(Device(name, PRODUCT) for name in names)))
    started_s = time.process_time()
    with closing(open_state(file, tmp_path / "center.db", now_s=T0)) as store:
        assert time.process_time() - started_s < 1.5
        entered = {device for device, _, _ in store.all_entries()}
    assert entered == set(names[:5_000])
    assert [name for name in names[::500] if lists.covers(name)] == list(names[:5_000:500])
