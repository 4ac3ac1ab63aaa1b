"""Faults of form are told in words of our own, with their place, whatever a value is."""

from __future__ import annotations

import math
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from mcu_updater.cloud.center.editing import from_json
from mcu_updater.cloud.center.faults import BadCenterFile, BadValue, Fault
from mcu_updater.cloud.center.form_faults import _EXPECTED, form_faults
from mcu_updater.cloud.center.load import center_of, read_center
from mcu_updater.cloud.center.model import (
    Device,
    Product,
    UpgradePlan,
    VersionPackage,
)

PHRASES = (
    "Input", "should", "valid", "Tuple", "String", "Field required", "or equal to", "dictionary",
    "instance", "Unexpected", "keyword", "_type", "pattern", "parse", "Value error", "class",
    "datetime", "pydantic", "http", "^",
)  # fmt: skip

PLAN: dict[str, Any] = {
    "name": "a",
    "product": "p",
    "upgrades": [{"component": "c", "package": "p"}],
}
PACKAGE = {"name": "a", "target": "1", "files": ["a.bin"]}
PRODUCT = {"key": "a", "components": [{"id": "c"}]}
DEVICE = {"id": "a", "product": "p"}
NINE = [str(at) for at in range(9)]
A_MOMENT = "expected a date with its time, such as 2026-03-02T08:00:00"


def upgrade(**fields: Any) -> dict[str, Any]:
    return {"upgrades": [{"component": "c", "package": "p", **fields}]}


WRONG: list[tuple[type[Any], dict[str, Any], dict[str, Any], str]] = [
    (UpgradePlan, PLAN, {"name": 5}, "name: cannot be; expected a text, found 5"),
    (UpgradePlan, PLAN, {"name": None}, "name: cannot be; expected a text, found null"),
    (UpgradePlan, PLAN, {"name": ""}, "name: cannot be; expected a text of at least 1 character"),
    (UpgradePlan, PLAN, {"name": "x" * 101}, "expected a text of at most 100 characters, found 'x"),
    (UpgradePlan, PLAN, {"name": "\ud800"}, "expected a text that UTF-8 can hold"),
    (UpgradePlan, PLAN, {"name": ...}, "name: is missing"),
    (UpgradePlan, PLAN, {"nome": "a"}, "nome: is not known here, found 'a'"),
    (UpgradePlan, PLAN, {"upgrades": []}, "expected a list of at least 1 item, found []"),
    (UpgradePlan, PLAN, {"upgrades": 5}, "upgrades: cannot be; expected a list, found 5"),
    (UpgradePlan, PLAN, {"upgrades": {}}, "upgrades: cannot be; expected a list, found {}"),
    (UpgradePlan, PLAN, {"upgrades": [5]}, "upgrades[1]: cannot be; expected a table, found 5"),
    (UpgradePlan, PLAN, {"upgrades": [{}]}, "upgrades[1], component: is missing"),
    (UpgradePlan, PLAN, upgrade(x=1), 'upgrades[1] "c", x: is not known here, found 1'),
    (UpgradePlan, PLAN, upgrade(component="c:"), "printable ASCII without : ; and \", found 'c:'"),
    (UpgradePlan, PLAN, upgrade(component="c" * 33), "a text of at most 32 characters"),
    (UpgradePlan, PLAN, upgrade(versions=NINE), "expected a list of at most 8 items"),
    (UpgradePlan, PLAN, upgrade(versions=["a b"]), "expected 1 to 64 letters, digits, and charac"),
    (UpgradePlan, PLAN, {"timezone": 4}, "timezone: cannot be; expected a text, found 4"),
    (UpgradePlan, PLAN, {"timezone": "Mars"}, "expected a time zone such as Europe/Berlin or UTC"),
    (UpgradePlan, PLAN, {"begin": 5}, f"begin: cannot be; {A_MOMENT}, found 5"),
    (UpgradePlan, PLAN, {"begin": "soon"}, f"begin: cannot be; {A_MOMENT}, found 'soon'"),
    (UpgradePlan, PLAN, {"end": date(2026, 3, 2)}, f"end: cannot be; {A_MOMENT}, found 2026-03-02"),
    (UpgradePlan, PLAN, {"end": time(8)}, f"end: cannot be; {A_MOMENT}, found 08:00:00"),
    (UpgradePlan, PLAN, {"push_hours": [1]}, "push_hours[2]: is missing"),
    (UpgradePlan, PLAN, {"push_hours": [1, 2, 3]}, "expected a list of at most 2 items"),
    (UpgradePlan, PLAN, {"push_hours": 5}, "push_hours: cannot be; expected a list, found 5"),
    (UpgradePlan, PLAN, {"push_hours": ["1", 2]}, "push_hours[1]: cannot be; expected an integer"),
    (UpgradePlan, PLAN, {"push_hours": [24, 1]}, "expected a number of at most 23, found 24"),
    (UpgradePlan, PLAN, {"push_hours": [0, 0]}, "expected a number of at least 1, found 0"),
    (UpgradePlan, PLAN, {"push_hours": [3, 3]}, "expected push_hours of one hour at least"),
    (UpgradePlan, PLAN, {"mode": "loud"}, "expected 'silent' or 'confirmed', found 'loud'"),
    (UpgradePlan, PLAN, {"push": 1}, "push: cannot be; expected true or false, found 1"),
    (UpgradePlan, PLAN, {"rejection_minutes": True}, "expected an integer, found true"),
    (UpgradePlan, PLAN, {"rejection_minutes": 10.0}, "expected an integer, found 10.0"),
    (UpgradePlan, PLAN, {"rejection_minutes": math.nan}, "expected an integer, found nan"),
    (UpgradePlan, PLAN, {"rejection_minutes": 2**70}, "expected a number of at most 1440"),
    (UpgradePlan, PLAN, {"whitelist": ["a", "a"]}, "whitelist: cannot be; expected no name twice"),
    (UpgradePlan, PLAN, {"whitelist": "a"}, "whitelist: cannot be; expected a list, found 'a'"),
    (UpgradePlan, PLAN, {"whitelist": ["a b"]}, "1 to 64 printable ASCII characters without space"),
    (UpgradePlan, PLAN, {"strategy": []}, "strategy: cannot be; expected a table, found []"),
    (UpgradePlan, PLAN, {"strategy": {"x": 1}}, "strategy.x: is not known here, found 1"),
    (
        UpgradePlan,
        PLAN,
        {"strategy": {"retries": -1}},
        "strategy.retries: cannot be; expected a",
    ),
    (UpgradePlan, PLAN, {"upgrades": PLAN["upgrades"] * 2}, "expected each component once"),
    (VersionPackage, PACKAGE, {"files": [5]}, "files[1]: cannot be; expected the name of a file"),
    (VersionPackage, PACKAGE, {"files": ["a"] * 6}, "expected a list of at most 5 items"),
    (VersionPackage, PACKAGE, {"kind": "delta"}, "expected a source version for a delta package"),
    (VersionPackage, PACKAGE, {"note": "x" * 201}, "expected a text of at most 200 characters"),
    (VersionPackage, PACKAGE, {"type": 5}, "expected 'mcu' or 'module', found 5"),
    (Product, PRODUCT, {"components": []}, "expected a list of at least 1 item"),
    (Product, PRODUCT, {"protocol": "http1"}, "expected 'mqtt' or 'lwm2m', found 'http1'"),
    (Device, DEVICE, {"id": "a b"}, "1 to 64 printable ASCII characters without space"),
    (Device, DEVICE, {"versions": []}, "versions: cannot be; expected a table, found []"),
    (Device, DEVICE, {"versions": {"a": 1}}, "versions.a: cannot be; expected a text, found 1"),
    (Device, DEVICE, {"versions": {"a:": "1"}}, "versions.a:: cannot be; expected printable ASCII"),
]
TABLES = {UpgradePlan: "plans", VersionPackage: "packages", Product: "products", Device: "devices"}


GOOD: dict[Any, dict[str, Any]] = {
    UpgradePlan: PLAN,
    VersionPackage: PACKAGE,
    Product: PRODUCT,
    Device: DEVICE,
}


def check_words(faults: tuple[Fault, ...]) -> None:
    for fault in faults:
        words = f"{fault.where} {fault.what} {fault.expected}"
        assert not [phrase for phrase in PHRASES if phrase in words], words


@pytest.mark.parametrize(("kind", "good", "fields", "said"), WRONG)
def test_each_fault_of_form(
    kind: type[Any], good: dict[str, Any], fields: dict[str, Any], said: str, tmp_path: Path
):
    """Both of a value that a program gives, and of a file."""
    value = {key: item for key, item in (good | fields).items() if item is not ...}
    with pytest.raises(BadValue) as caught:
        from_json(kind, value)
    check_words(caught.value.faults)
    assert len(caught.value.faults) == (2 if fields.get("upgrades") == [{}] else 1)
    assert said in str(caught.value.faults[0])
    assert caught.value.faults[0].at[:1] in ((), (next(iter(fields)),))
    raw = {"products": [], TABLES[kind]: [value]}
    with pytest.raises(BadCenterFile) as of_file:
        center_of(tmp_path / "center.toml", raw)
    check_words(of_file.value.faults)
    place, _, text = said.rpartition(": cannot be") if ": cannot be" in said else ("", "", said)
    assert text in str(of_file.value.faults[0])
    assert place.split("[")[0] in str(of_file.value.faults[0])
    assert of_file.value.faults[0].at[:2] == (TABLES[kind], 0)


@pytest.mark.parametrize("value", [5, None, [], "plan", [["name", "a"]]])
def test_what_is_no_table(value: Any, tmp_path: Path):
    for kind in TABLES:
        with pytest.raises(BadValue, match="expected a table") as caught:
            from_json(kind, value)
        check_words(caught.value.faults)
    with pytest.raises(BadCenterFile, match="expected a list"):
        center_of(tmp_path / "center.toml", {"products": 5})


def test_every_kind_of_fault_that_the_model_can_have_has_words():
    """The types of fault that its schema can give, as far as pydantic lists them."""
    seen = set()
    for kind, good, fields, _ in WRONG:
        value = {key: item for key, item in (good | fields).items() if item is not ...}
        with pytest.raises(ValidationError) as caught:
            TypeAdapter(kind).validate_python(value)
        seen |= {detail["type"] for detail in caught.value.errors()}
    own = {"missing", "unexpected_keyword_argument"}
    assert seen - own <= _EXPECTED.keys()
    assert _EXPECTED.keys() - seen <= {"int_parsing_size"}


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["a", "1.0", "UTC", "silent", "delta", "2026-03-02T08:00:00", ""])
    | st.datetimes()
    | st.dates()
    | st.binary(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=50)
@given(data=st.data())
def test_whatever_a_value_is_its_faults_are_ours(data: st.DataObject):
    kind: Any = data.draw(st.sampled_from(list(TABLES)))
    good = GOOD[kind]
    names = [*kind.__pydantic_fields__, "other"]
    fields = data.draw(st.dictionaries(st.sampled_from(names), VALUES, min_size=1, max_size=3))
    try:
        assert isinstance(from_json(kind, {**good, **fields}), kind)
    except BadValue as error:
        assert error.faults
        check_words(tuple(fault for fault in error.faults if fault.what != "is not known here"))


def test_more_devices_than_there_may_be(tmp_path: Path):
    group = {"id": "a", "count": 10_000, "product": "p"}
    raw = {"products": [PRODUCT], "devices": [group, {**group, "id": "b"}, {**group, "id": "c"}]}
    with pytest.raises(BadCenterFile, match="expected a list of at most 10000 items"):
        center_of(tmp_path / "center.toml", raw)
    for wrong in ({"count": 3}, {"id": 5, "count": 3}):
        with pytest.raises(BadCenterFile, match=r"devices\[1\], id: cannot be; expected a text"):
            center_of(tmp_path / "center.toml", {"products": [PRODUCT], "devices": [wrong]})


def test_moments_that_a_file_cannot_hold():
    plan = from_json(UpgradePlan, {**PLAN, "begin": "2026-03-02T08:00:00+01:00:30"})
    assert plan.begin == datetime.fromisoformat("2026-03-02T06:59:30+00:00")
    assert from_json(UpgradePlan, {**PLAN, "begin": "2026-03-02T08:00:00Z"}).begin_s == 1772438400
    for text in ("2026-03-02", "20260302", "2026-W10-1", "0001-01-01T00:00:00+14:00:01"):
        with pytest.raises(BadValue, match="begin: cannot be"):
            from_json(UpgradePlan, {**PLAN, "begin": text})


def test_values_that_cannot_be_written_out(tmp_path: Path):
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    for value, said in ((1 << 40_000, "found 0x1000"), (deep, "a value of very many levels")):
        with pytest.raises(BadValue, match=said):
            from_json(UpgradePlan, {**PLAN, "rejection_minutes": value})
        with pytest.raises(BadCenterFile, match=said):
            center_of(tmp_path / "center.toml", {"products": [PRODUCT], "packages": [value]})
    path = tmp_path / "center.toml"
    path.write_text(f"products = [{'0x' + 'f' * 5000}]", encoding="utf-8")
    with pytest.raises(BadCenterFile, match="expected a table, found 0xffff"):
        read_center(path)


def test_halves_of_characters_in_names_and_keys():
    half = "\ud800"
    for fields in (
        upgrade(x=1, component=half),
        {half: 1},
        {"strategy": {half: 1}},
        {"name": half},
    ):
        with pytest.raises(BadValue) as caught:
            from_json(UpgradePlan, {**PLAN, **fields})
        for fault in caught.value.faults:
            assert f"{fault} {fault.at}".encode()


def test_other_codes_have_words_too():
    """What a later pydantic may say."""
    error = ValidationError.from_exception_data(
        "x", [{"type": "int_from_float", "loc": ("a",), "input": 1.5}]
    )
    assert str(form_faults({}, error)[0]) == "a: cannot be; expected another value, found 1.5"
