"""The center file, edited by a program."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mcu_updater.cloud.center.control import act_on_plan
from mcu_updater.cloud.center.device_session import open_state, state_path
from mcu_updater.cloud.center.editing import (
    EditConflict,
    EditRefused,
    as_json,
    delete_device,
    delete_package,
    delete_plan,
    delete_product,
    from_json,
    put_device,
    put_package,
    put_plan,
    put_product,
    revision_of,
)
from mcu_updater.cloud.center.faults import BadValue
from mcu_updater.cloud.center.json_form import Value
from mcu_updater.cloud.center.lifecycle import Action
from mcu_updater.cloud.center.load import CenterFile, read_center
from mcu_updater.cloud.center.model import (
    Device,
    Strategy,
    Upgrade,
    UpgradePlan,
    VersionPackage,
)
from mcu_updater.cloud.center.packages import keep_upload
from mcu_updater.cloud.center.store import Store
from tests.cloud.center.centers import T0
from tests.cloud.center.files import MANY_WAYS, write_center

NEW_PLAN = UpgradePlan("autumn", "p1", (Upgrade("STM32", "full"),), active=False)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_center(tmp_path, MANY_WAYS)


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with closing(open_state(read_center(path), state_path(path), now_s=T0)) as opened:
        yield opened


def changed_lines(path: Path, before: str = MANY_WAYS) -> list[str]:
    after = path.read_bytes().decode()
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    return [line for line in lines if not line.startswith(("---", "+++", "@@"))]


def change(path: Path, plan: str, **fields: Any) -> CenterFile:
    old = read_center(path).center.plan(plan)
    assert old is not None
    return put_plan(path, replace(old, **fields), revision=revision_of(old), store=None)


# --- revisions


def test_a_revision_stands_for_a_value():
    text = revision_of(NEW_PLAN)
    assert len(text) == 16
    assert int(text, 16)
    assert revision_of(replace(NEW_PLAN)) == text
    assert revision_of(replace(NEW_PLAN, push=False)) != text
    assert revision_of(Device("a", "p")) != revision_of(Device("a", "q"))


def test_json_and_back(path: Path):
    center = read_center(path).center
    values: list[Value] = [*center.products, *center.packages, *center.plans, *center.devices]
    for one in values:
        assert from_json(type(one), as_json(one)) == one


# --- edits


def test_a_changed_field_is_a_changed_line(path: Path):
    file = change(path, "spring", strategy=Strategy(retries=4))
    assert file.center.plans[0].strategy.retries == 4
    assert file == read_center(path)
    assert changed_lines(path) == [
        "-strategy.retries = 3   # not many",
        "+strategy.retries = 4   # not many",
    ]


def test_what_is_new_stands_behind_those_of_its_kind(path: Path):
    put_plan(path, NEW_PLAN, revision=None, store=None)
    assert [plan.name for plan in read_center(path).center.plans] == ["spring", "summer", "autumn"]
    assert changed_lines(path) == [
        "+[[plans]]",
        '+name = "autumn"',
        '+product = "p1"',
        '+upgrades = [{ component = "STM32", package = "full" }]',
        "+active = false",
        "+",
    ]


def test_what_is_deleted_takes_its_comment_with_it(path: Path):
    old = read_center(path).center.plans[1]
    delete_plan(path, "summer", revision=revision_of(old), store=None)
    lines = changed_lines(path)
    assert lines[:3] == ["-# the second", "-[[plans]]", '-name = "summer"']
    assert all(line.startswith("-") for line in lines)
    assert "# --- devices" in path.read_text(encoding="utf-8")


# --- conflicts


def test_who_read_another_value_gets_a_conflict(path: Path):
    read = read_center(path).center.plans[0]
    change(path, "spring", push=False, strategy=Strategy(retries=9))
    before = path.read_bytes()
    mine = replace(read, rejection_minutes=30)
    with pytest.raises(EditConflict) as caught:
        put_plan(path, mine, revision=revision_of(read), store=None)
    conflict = caught.value
    now = read_center(path).center.plans[0]
    assert conflict.revision == revision_of(now)
    assert conflict.current == as_json(now)
    assert {(one.field, one.there, one.wanted) for one in conflict.differences} == {
        ("push", False, True),
        ("strategy.retries", 9, 3),
        ("rejection_minutes", 120, 30),
    }
    assert "strategy.retries is 9 and not 3" in conflict.message
    assert path.read_bytes() == before


def test_what_is_new_must_be_new_and_what_is_changed_must_be_there(path: Path):
    plan = read_center(path).center.plans[0]
    with pytest.raises(EditConflict, match="is there already"):
        put_plan(path, plan, revision=None, store=None)
    with pytest.raises(EditConflict, match="has deleted it") as caught:
        put_plan(path, NEW_PLAN, revision=revision_of(NEW_PLAN), store=None)
    assert (caught.value.current, caught.value.revision) == (None, None)
    with pytest.raises(EditConflict, match="has changed it"):
        delete_plan(path, "spring", revision="0" * 16, store=None)


# --- what the platform refuses


def test_a_plan_that_was_activated_is_neither_edited_nor_deleted(path: Path, store: Store):
    file = read_center(path)
    for name in ("spring", "summer"):  # the first by the file, the second by its owner
        if name == "summer":
            act_on_plan(file.center, store, name, Action.ACTIVATE, T0)
        plan = file.center.plan(name)
        assert plan is not None
        edited = replace(plan, push=not plan.push)
        with pytest.raises(EditRefused, match=r"cannot be edited.*has been activated"):
            put_plan(path, edited, revision=revision_of(plan), store=store)
        with pytest.raises(EditRefused, match=r"cannot be deleted.*has been activated"):
            delete_plan(path, name, revision=revision_of(plan), store=store)
    assert path.read_bytes() == MANY_WAYS.encode()


def test_a_package_or_product_that_is_used_stays(path: Path, store: Store):
    center = read_center(path).center
    package, product = center.packages[0], center.products[0]
    revision = revision_of(package)
    with pytest.raises(EditRefused, match="activated plans use it: spring"):
        put_package(path, replace(package, note="x"), revision=revision, store=store)
    with pytest.raises(EditRefused, match="plans use it: spring, summer"):
        delete_package(path, "full", revision=revision, store=store)
    with pytest.raises(EditRefused, match=r"used by plan spring, plan summer, device .*more"):
        delete_product(path, "p1", revision=revision_of(product), store=store)
    named = replace(product, name="Other")
    assert put_product(path, named, revision=revision_of(product), store=store)


def test_what_does_not_fit_the_rest_is_refused_with_its_place(path: Path):
    with pytest.raises(BadValue, match="product: is not known"):
        put_plan(path, replace(NEW_PLAN, product="p9"), revision=None, store=None)
    with pytest.raises(BadValue, match="leads out"):
        put_package(path, VersionPackage("k", "3", (Path("../x.bin"),)), revision=None, store=None)
    assert path.read_bytes() == MANY_WAYS.encode()


# --- files and state


def test_uploads_go_with_their_package(path: Path, store: Store):
    kept = keep_upload(path, "k", "k.bin", [b"1"]).path
    package = VersionPackage("k", "3", (kept,))
    file = put_package(path, package, revision=None, store=store)
    assert file.contents["k"] == (b"1",)
    delete_package(path, "k", revision=revision_of(package), store=store)
    assert not (path.parent / kept).exists()
    assert path.read_bytes() == MANY_WAYS.encode()


def test_a_deleted_plan_is_forgotten(path: Path, store: Store):
    plan = read_center(path).center.plans[1]
    assert ("summer", "STM32") in store.entries("pump-001")
    file = delete_plan(path, "summer", revision=revision_of(plan), store=store)
    assert "summer" not in store.plan_states()
    assert ("summer", "STM32") not in store.entries("pump-001")
    assert open_state(file, state_path(path))


def test_devices_of_a_group(path: Path):
    old = read_center(path).center.device("pump-019")
    assert old is not None
    newer = replace(old, versions={"STM32": "9"})
    file = put_device(path, newer, revision=revision_of(old), store=None)
    assert [d for d in file.center.devices if d.id == "pump-019"] == [newer]
    assert len(file.center.devices) == 21
    delete_device(path, "pump-007", revision=revision_of(replace(old, id="pump-007")), store=None)
    assert len(read_center(path).center.devices) == 20
