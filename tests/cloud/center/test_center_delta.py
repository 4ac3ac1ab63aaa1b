"""Delta packages in a center: who is offered one, and what comes after one that failed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mcu_updater.cloud.center.lifecycle import PlanState
from mcu_updater.cloud.center.load import CenterFile, read_center
from mcu_updater.cloud.center.model import Upgrade
from mcu_updater.cloud.center.rules import Entry, Situation, Why, choose, judge
from mcu_updater.cloud.center.store import Ended
from mcu_updater.cloud.single_device import ComponentState as C
from mcu_updater.core.delta import apply_delta, parse_header
from mcu_updater.files.delta.make import make_delta
from mcu_updater.fleet.fault_plan import FleetSettings
from mcu_updater.fleet.fleet import run_fleet, with_devices
from tests.cloud.center.centers import (
    COMPONENT,
    DEVICE,
    EXAMPLE,
    PRODUCT,
    T0,
    center,
    package,
    plan,
)
from tests.places import FIXTURES

DELTA = plan("delta", ((COMPONENT, "delta"),))
FULL = plan("full", ((COMPONENT, "full"),))
ONCE_FAILED = {("delta", COMPONENT): Entry(C.FAILED, failures=1, confirmed_at_s=T0)}


def judged(*plans, version="1.0", **given) -> dict[str, Why | None]:
    situation = Situation(PRODUCT, DEVICE, {COMPONENT: version}, T0, **given)
    return {one.plan.name: one.why for one in judge(center(*plans), situation)}


def offered(*plans, version="1.0", **given) -> list[str]:
    situation = Situation(PRODUCT, DEVICE, {COMPONENT: version}, T0, **given)
    return [one.plan.name for one in choose(judge(center(*plans), situation))]


def test_at_the_source_version_the_delta_and_the_full_package_otherwise():
    assert offered(DELTA, FULL) == ["delta"]
    assert offered(DELTA, FULL, version="0.9") == ["full"]
    assert offered(DELTA, FULL, version="2.0") == []


def test_a_delta_that_failed_once_makes_room_for_the_full_package():
    assert judged(DELTA, FULL, entries=ONCE_FAILED) == {"delta": Why.DELTA_FAILED, "full": None}
    assert offered(DELTA, FULL, entries=ONCE_FAILED) == ["full"]


def test_it_does_not_matter_why_the_full_package_has_to_wait():
    """The delta would fail again meanwhile."""
    waiting = replace(FULL, name="full")
    given = {"entries": ONCE_FAILED, "plans": {"full": PlanState.PAUSED}}
    assert offered(DELTA, waiting, **given) == []


@pytest.mark.parametrize(
    "full",
    [
        None,
        replace(FULL, blacklist=(DEVICE,)),
        replace(FULL, product="p2"),
        replace(FULL, upgrades=(Upgrade(COMPONENT, "full", ("0.9",)),)),
        plan("radio", (("radio", "full"),)),
        plan("other", ((COMPONENT, "newer"),)),
    ],
)
def test_without_a_full_package_for_the_device_the_delta_is_tried_again(full):
    plans = [DELTA, *([] if full is None else [full])]
    situation = Situation(PRODUCT, DEVICE, {COMPONENT: "1.0"}, T0, entries=ONCE_FAILED)
    one = center(*plans)
    one = replace(one, packages=(*one.packages, package("newer", "3.0")))
    assert next(found.plan.name for found in choose(judge(one, situation))) == "delta"
    spent = {("delta", COMPONENT): Entry(C.FAILED, failures=6)}
    again = judge(one, replace(situation, entries=spent))[0]
    assert again.why is Why.GIVEN_UP


# --- fleets


OLD_FILE = """
[[products]]
key = "p1"
[[products.components]]
id = "STM32"
[[packages]]
name = "old"
target = "1.0.0"
files = ["old.bin"]
[[packages]]
name = "step"
kind = "delta"
source = "1.0.0"
target = "2.0.0"
files = ["step.bin"]
[[packages]]
name = "full"
target = "2.0.0"
files = ["full.bin"]
[[plans]]
name = "by delta"
product = "p1"
[[plans.upgrades]]
component = "STM32"
package = "step"
[[plans]]
name = "in full"
product = "p1"
[[plans.upgrades]]
component = "STM32"
package = "full"
[[devices]]
id = "d"
count = 4
product = "p1"
versions = { STM32 = "1.0.0" }
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    old, new = ((FIXTURES / f"fixture-{n}.0.0.bin").read_bytes() for n in (1, 2))
    (tmp_path / "center.toml").write_text(OLD_FILE)
    (tmp_path / "old.bin").write_bytes(old)
    (tmp_path / "full.bin").write_bytes(new)
    (tmp_path / "step.bin").write_bytes(make_delta(old, new, target_version="2.0.0").package)
    return tmp_path


def endings(file: CenterFile, folder: Path, settings: FleetSettings):
    return list(run_fleet(file, folder / "state.db", settings, 1))


def test_a_fleet_upgrades_by_the_delta_with_cuts_and_faults(folder: Path):
    """Devices begin with the image that the center has for their version."""
    file = read_center(folder / "center.toml")
    assert not file.warnings
    found = endings(file, folder, FleetSettings(seed=5, cuts=2, faults=1))
    assert {one.outcome for one in found} <= {Ended.UPGRADED, Ended.LATE, Ended.FAILED}
    assert sum(one.outcome is Ended.UPGRADED for one in found) >= 2
    calm = endings(with_devices(file, 1), folder / "..", FleetSettings(cuts=0, faults=0))
    assert [(one.outcome, one.version, one.sessions) for one in calm] == [
        (Ended.UPGRADED, "2.0.0", 2)
    ]


def test_devices_with_another_image_of_that_version_get_the_full_package(folder: Path):
    """One session more: the delta is refused, then the full package comes."""
    (folder / "old.bin").write_bytes((FIXTURES / "fixture-1.0.0.bin").read_bytes()[:-4] + b"else")
    file = with_devices(read_center(folder / "center.toml"), 1)
    found = endings(file, folder, FleetSettings(cuts=0, faults=0))
    assert [(one.outcome, one.version, one.sessions) for one in found] == [
        (Ended.UPGRADED, "2.0.0", 3)
    ]


def test_a_delta_alone_upgrades_those_that_it_fits(folder: Path):
    text = OLD_FILE[: OLD_FILE.index('[[plans]]\nname = "in full"')]
    text += OLD_FILE[OLD_FILE.index("[[devices]]") :]
    (folder / "center.toml").write_text(text)
    file = with_devices(read_center(folder / "center.toml"), 1)
    assert "no full package for devices that the delta does not fit" in str(file.warnings)
    found = endings(file, folder, FleetSettings(cuts=0, faults=0))
    assert [(one.outcome, one.version) for one in found] == [(Ended.UPGRADED, "2.0.0")]


def test_a_full_package_before_the_delta_is_warned_of(folder: Path):
    first, second = OLD_FILE.index("[[plans]]"), OLD_FILE.index('[[plans]]\nname = "in full"')
    end = OLD_FILE.index("[[devices]]")
    text = OLD_FILE[:first] + OLD_FILE[second:end] + OLD_FILE[first:second] + OLD_FILE[end:]
    (folder / "center.toml").write_text(text)
    assert 'never offered: plan "in full" comes first' in str(
        read_center(folder / "center.toml").warnings
    )


def test_the_example() -> None:
    """Its delta leads from the image that its devices have to the one that it has in full."""
    file = read_center(EXAMPLE.with_name("delta.toml"))
    assert not file.warnings
    (old,), (step,), (new,) = (
        file.contents[name] for name in ("pump 1.0.0", "pump 1.0.0 to 2.0.0", "pump 2.0.0")
    )
    assert apply_delta(step, old) == new
    header = parse_header(step)
    assert (header.base_version, header.target_version) == ("1.0.0", "2.0.0")
