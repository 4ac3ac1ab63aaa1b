"""Any edits of any way to write a center file: what was meant is read, and comments stay."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcu_updater.cloud.center import editing
from mcu_updater.cloud.center.editing import as_json, revision_of
from mcu_updater.cloud.center.json_form import TABLES, name_of
from mcu_updater.cloud.center.load import read_center
from mcu_updater.cloud.center.model import (
    Component,
    ComponentType,
    Device,
    Kind,
    Mode,
    Product,
    Protocol,
    Strategy,
    Upgrade,
    UpgradePlan,
    VersionPackage,
)
from tests.cloud.center.files import MANY_WAYS, write_center

IN_LINE = """\
products = [{ key = "p1", components = [{ id = "STM32" }, { id = "modem", type = "module" }] }] # p
plans = [
    # the first
    { name = "spring", product = "p1", upgrades = [{ component = "STM32", package = "full" }] },
    { name = "summer", product = "p1", active = false, strategy = { retries = 3 }, upgrades = [{ component = "STM32", package = "full" }] }, # second
]
devices = [{ id = "pump", count = 20, product = "p1" }, {id='x.y"z', product="p1", versions={STM32="1.0"}}]
[[packages]]
name = "full" # the only one
target = "2.0"
files = ['full.bin']"""  # noqa: E501

OUT_OF_ORDER = """\
"devices" = []
[[ plans ]]
"name" = 'spring'
product = "p1"
upgrades = [ { "component" = "STM32", package = 'full' }, ]
[["packages"]]
name = "full"
target = '''2.0'''
files = [ # those
  "full.bin" ]
[plans.strategy]   # of spring
retries = 3
[[plans]]
name = "summer"
product = "p1"
active = false
upgrades = [{ component = "STM32", package = "full", versions = [
  "1.0", # old
] }]
[[products]]
\tkey = "p1"
\t[[products.components]]
\tid = "STM32"
\t[[products."components"]]
\tid = "modem"
\ttype = "module"
# the end"""

STYLES = {
    "many ways": MANY_WAYS,
    "many ways, CRLF": MANY_WAYS.replace("\n", "\r\n"),
    "some CRLF": MANY_WAYS.replace("\n\n", "\r\n\n"),
    "in line": IN_LINE,
    "in line, CRLF": IN_LINE.replace("\n", "\r\n"),
    "out of order": OUT_OF_ORDER,
    "no blank lines": re.sub(r"\n\n+", "\n", MANY_WAYS),
    "no newline at the end": MANY_WAYS.removesuffix("# end\n").rstrip(),
}
PUT = {
    Product: editing.put_product,
    VersionPackage: editing.put_package,
    UpgradePlan: editing.put_plan,
    Device: editing.put_device,
}
DELETE = {
    Product: editing.delete_product,
    VersionPackage: editing.delete_package,
    UpgradePlan: editing.delete_plan,
    Device: editing.delete_device,
}

NAMES = st.text(min_size=1, max_size=8) | st.sampled_from(
    [
        'a"b',
        "a'b",
        "a.b",
        "<script>",
        "\u00fc\u2028",
        "[[plans]]",
        "# no",
        "a\\",
        "\r\n",
        '"""',
        "'''",
    ]
)
DEVICES = st.from_regex(r"[!-~]{1,6}", fullmatch=True)
COMPONENTS = st.from_regex(r"[ -!#-9<-~]{1,5}", fullmatch=True)
VERSIONS = st.from_regex(r"[A-Za-z0-9_.\-]{1,4}", fullmatch=True)
NAME_LISTS = st.lists(DEVICES, max_size=4, unique=True).map(tuple)
ZONES: Any = st.sampled_from([None, UTC, timezone(timedelta(hours=5, minutes=30))])
MOMENTS = st.none() | st.datetimes(datetime(2025, 1, 1), datetime(2026, 12, 31), timezones=ZONES)
UPGRADES = st.lists(
    st.builds(
        Upgrade,
        st.just("STM32"),
        st.just("full"),
        st.lists(VERSIONS, max_size=3).map(tuple),
    ),
    min_size=1,
    max_size=1,
).map(tuple)
STRATEGIES = st.builds(Strategy, st.integers(0, 100), st.integers(0, 100), st.integers(-200, 0))
HOURS = st.none() | st.tuples(st.integers(0, 11), st.integers(12, 24))
PLAN_FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "begin": MOMENTS,
    "end": st.none(),
    "timezone": st.sampled_from(["UTC", "Europe/Berlin"]),
    "push_hours": HOURS,
    "mode": st.sampled_from(Mode),
    "push": st.booleans(),
    "active": st.booleans(),
    "rejection_minutes": st.integers(10, 1440),
    "whitelist": NAME_LISTS,
    "blacklist": NAME_LISTS,
    "strategy": STRATEGIES,
    "upgrades": UPGRADES,
}
MORE_COMPONENTS = st.lists(
    st.builds(Component, COMPONENTS, st.sampled_from(ComponentType)), max_size=2
)
FIELDS: dict[type[Any], dict[str, st.SearchStrategy[Any]]] = {
    UpgradePlan: PLAN_FIELDS,
    VersionPackage: {
        "target": VERSIONS,
        "note": st.text(max_size=20) | NAMES,
        "files": st.sampled_from([(Path("full.bin"),), (Path("full.bin"), Path("./full.bin"))]),
    },
    Product: {
        "name": st.text(max_size=10) | NAMES,
        "protocol": st.sampled_from(Protocol),
        "components": MORE_COMPONENTS.map(
            lambda more: (
                Component("STM32"),
                Component("modem", ComponentType.MODULE),
                *{c.id: c for c in more if c.id not in ("STM32", "modem")}.values(),
            )
        ),
    },
    Device: {"versions": st.dictionaries(COMPONENTS, VERSIONS, max_size=3)},
}
FRESH: dict[type[Any], st.SearchStrategy[Any]] = {
    UpgradePlan: NAMES.map(lambda n: UpgradePlan(n, "p1", (Upgrade("STM32", "full"),))),
    VersionPackage: st.builds(
        lambda n, v: VersionPackage(n, v, (Path("full.bin"),), kind=Kind.DELTA, source=f"{v}_"),
        NAMES,
        VERSIONS,
    ),
    Product: NAMES.map(lambda n: Product(n, (Component("A"), Component("B")))),
    Device: DEVICES.map(lambda n: Device(n, "p1")),
}


def edit(path: Path, data: st.DataObject) -> None:
    """One edit, drawn; the file then holds what it held, but for that."""
    center = read_center(path).center
    kind: Any = data.draw(st.sampled_from(list(PUT)), "kind")
    tables = {k: list(getattr(center, t)) for k, t in TABLES.items()}
    there = tables[kind]
    at = data.draw(st.integers(0, len(there)), "which")
    put: Any = PUT[kind]
    if at == len(there):
        new = data.draw(FRESH[kind], "new")
        if name_of(new) in {name_of(one) for one in there}:
            return
        put(path, new, revision=None, store=None)
        there.append(new)
    elif kind in (UpgradePlan, Device) and len(there) > 1 and data.draw(st.booleans(), "delete"):
        old = there.pop(at)
        delete: Any = DELETE[kind]
        delete(path, name_of(old), revision=revision_of(old), store=None)
    else:
        old = there[at]
        fields = data.draw(st.sets(st.sampled_from(list(FIELDS[kind])), min_size=1), "fields")
        values = {name: data.draw(FIELDS[kind][name], name) for name in sorted(fields)}
        if kind is UpgradePlan and old.name == "spring" and data.draw(st.booleans(), "rename"):
            values["name"] = data.draw(NAMES, "name")
            if values["name"] in {p.name for p in there}:
                return
        there[at] = replace(old, **values)
        put(path, there[at], revision=revision_of(old), store=None, name=name_of(old))
    found = read_center(path).center
    for one, table in TABLES.items():
        assert list(map(as_json, getattr(found, table))) == list(map(as_json, tables[one]))


def edits(style: str, folder: Path, data: st.DataObject) -> None:
    path = write_center(folder, STYLES[style])
    for _ in range(3):
        edit(path, data)
    text = path.read_bytes().decode()
    headings = [line for line in STYLES[style].splitlines() if line.startswith("# --- ")]
    if style.startswith("many"):
        assert [line for line in text.splitlines() if line.startswith("# --- ")] == headings
    if "CRLF" in style and "some" not in style:
        assert text.count("\n") == text.count("\r\n")


SLOW = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@pytest.mark.parametrize("style", STYLES)
@settings(max_examples=3, deadline=None, suppress_health_check=SLOW)
@given(data=st.data())
def test_any_edits_of_any_file(style: str, tmp_path: Path, data: st.DataObject):
    edits(style, tmp_path, data)


@pytest.mark.thorough
@pytest.mark.parametrize("style", STYLES)
@settings(max_examples=150, deadline=None, suppress_health_check=SLOW)
@given(data=st.data())
def test_many_edits_of_any_file(style: str, tmp_path: Path, data: st.DataObject):
    edits(style, tmp_path, data)
