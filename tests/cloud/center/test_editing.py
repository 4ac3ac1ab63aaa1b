"""The center file, edited by a program."""

from __future__ import annotations

import difflib
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mcu_updater.cloud.center import toml_values
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
from mcu_updater.cloud.center.faults import BadCenterFile, BadValue
from mcu_updater.cloud.center.json_form import Value
from mcu_updater.cloud.center.lifecycle import Action
from mcu_updater.cloud.center.load import CenterFile, read_center
from mcu_updater.cloud.center.model import (
    Center,
    Component,
    ComponentType,
    Device,
    Product,
    Protocol,
    Strategy,
    Upgrade,
    UpgradePlan,
    VersionPackage,
)
from mcu_updater.cloud.center.packages import keep_upload
from mcu_updater.cloud.center.store import Store
from mcu_updater.core.errors import InternalError, PortError
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


@pytest.mark.parametrize(
    ("value", "said", "place"),
    [
        (replace(NEW_PLAN, product="p9"), "product: is not known", ("product",)),
        (
            replace(NEW_PLAN, upgrades=(Upgrade("STM32", "none"),)),
            "package: is not known; expected one of full",
            ("upgrades", 0, "package"),
        ),
        (
            replace(NEW_PLAN, upgrades=(Upgrade("x", "full"),)),
            "no such component",
            ("upgrades", 0, "component"),
        ),
        (
            replace(NEW_PLAN, upgrades=(Upgrade("modem", "full"),)),
            "another type of component",
            ("upgrades", 0, "package"),
        ),
        (VersionPackage("k", "3", (Path("../x.bin"),)), "leads out of the", ("files", 0)),
        (VersionPackage("k", "3", (Path("/etc/x.bin"),)), "leads out of the", ("files", 0)),
        (VersionPackage("k", "3", (Path("full.bin"), Path("no.bin"))), "no.bin", ("files", 1)),
        (VersionPackage("k", "3", (Path("a\0.bin"),)), "leads out", ("files", 0)),
        (Device("z", "p9"), 'devices "z", product: is not known', ("product",)),
    ],
)
def test_what_does_not_fit_the_rest_is_refused_with_its_place(
    value: Value, said: str, place: tuple[int | str, ...], path: Path
):
    put: Any = {UpgradePlan: put_plan, VersionPackage: put_package, Device: put_device}[type(value)]
    with pytest.raises(BadValue, match=said) as caught:
        put(path, value, revision=None, store=None)
    assert caught.value.faults[0].at == place
    assert path.read_bytes() == MANY_WAYS.encode()


def test_a_name_that_another_has(path: Path):
    plan = read_center(path).center.plans[1]
    renamed = replace(plan, name="spring")
    with pytest.raises(BadValue, match="plans: a name stands twice"):
        put_plan(path, renamed, revision=revision_of(plan), store=None, name="summer")


def test_a_file_that_is_bad_already_is_not_edited(path: Path):
    path.write_text("products = 5", encoding="utf-8")
    with pytest.raises(BadCenterFile):
        put_plan(path, NEW_PLAN, revision=None, store=None)
    assert path.read_text(encoding="utf-8") == "products = 5"


def test_what_is_written_again_changes_nothing(path: Path, store: Store):
    """Also of a plan that is activated: who asks twice gets the same answer."""
    plan = read_center(path).center.plans[0]
    before = path.stat()
    put_plan(path, plan, revision=revision_of(plan), store=store)
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert path.stat().st_ino == before.st_ino


def test_protocol_and_components_that_activated_plans_need(path: Path, store: Store):
    product = read_center(path).center.products[0]
    revision = revision_of(product)
    for fields in (
        {"protocol": Protocol.LWM2M},
        {"components": (Component("STM32", ComponentType.MODULE), product.components[1])},
        {"components": product.components[1:]},
    ):
        with pytest.raises(EditRefused, match="activated plans need its"):
            put_product(path, replace(product, **fields), revision=revision, store=store)
    more = replace(product, components=(*product.components, Component("radio")))
    assert put_product(path, more, revision=revision, store=store)


def test_what_does_not_come_out_as_it_was_meant_is_not_believed(
    path: Path, monkeypatch: pytest.MonkeyPatch
):
    """First the element is written anew; where that does not help, nothing is written."""
    monkeypatch.setattr(toml_values, "change", lambda table, *_: table.update({"name": "other"}))
    file = change(path, "spring", push=False)
    assert not file.center.plans[0].push
    assert file == read_center(path)
    assert "strategy = { retries = 3 }" in path.read_text(encoding="utf-8")
    before = path.read_bytes()
    monkeypatch.setattr(toml_values, "new_element", lambda *_: '[[plans]]\nname = "other"\n')
    with pytest.raises(InternalError, match="would damage it"):
        change(path, "spring", push=True)
    assert path.read_bytes() == before


def test_without_its_library_it_says_what_to_install(path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "tomlkit", None)
    with pytest.raises(PortError, match=r"pip install 'mcu-updater\[console\]'"):
        put_plan(path, NEW_PLAN, revision=None, store=None)
    assert path.read_bytes() == MANY_WAYS.encode()


@pytest.mark.parametrize(
    "text", ["products = []\n", "# mine\nproducts = []  # none", "products=[]"]
)
def test_a_center_from_nothing_and_back(text: str, tmp_path: Path):
    path = write_center(tmp_path, text)
    with closing(open_state(read_center(path), state_path(path), now_s=T0)) as store:
        product = Product("p1", (Component("STM32"),))
        package = VersionPackage("full", "2.0", (Path("full.bin"),))
        device = Device("d", "p1", {"STM32": "1.0"})
        put_product(path, product, revision=None, store=store)
        put_package(path, package, revision=None, store=store)
        put_plan(path, NEW_PLAN, revision=None, store=store)
        file = put_device(path, device, revision=None, store=store)
        assert file.center == Center((product,), (package,), (NEW_PLAN,), (device,))
        assert read_center(path) == file
        if "mine" in text:
            assert "# mine" in path.read_text(encoding="utf-8")
        delete_device(path, "d", revision=revision_of(device), store=store)
        delete_plan(path, "autumn", revision=revision_of(NEW_PLAN), store=store)
        delete_package(path, "full", revision=revision_of(package), store=store)
        file = delete_product(path, "p1", revision=revision_of(product), store=store)
        assert file.center == Center(())


def test_ten_thousand_devices_one_by_one(tmp_path: Path):
    """Read in 0.2 s, edited in 0.6 s on an idle machine."""
    one = '[[devices]]\nid = "pump-{:05}"\nproduct = "p1"\nversions = {{ STM32 = "1.0.0" }}\n\n'
    text = '[[products]]\nkey = "p1"\ncomponents = [{ id = "STM32" }]\n\n'
    text += "".join(one.format(number) for number in range(10_000))
    path = write_center(tmp_path, text)
    started_s = time.process_time()
    device = read_center(path).center.devices[5000]
    read_s = time.process_time() - started_s
    newer = replace(device, versions={"STM32": "2"})
    put_device(path, newer, revision=revision_of(device), store=None)
    assert len(changed_lines(path, text)) == 2
    assert read_s < 1.5
    assert time.process_time() - started_s < 6


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
