"""``mcu-updater center`` and ``mcu-updater fleet`` as a user runs them: output and exit codes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from mcu_updater.cloud.center.device_session import open_state
from mcu_updater.cloud.center.load import read_center
from mcu_updater.cloud.center.store import Ended, Store
from mcu_updater.fleet.device import FleetDevice
from tests.cli.command_line import run
from tests.places import FIXTURES

EXAMPLE = FIXTURES.parent / "examples" / "center" / "center.toml"
QUIET = ("--cuts", 0, "--faults", 0, "--jobs", 1)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The example, with its package beside it."""
    text = EXAMPLE.read_text(encoding="utf-8").replace("../../fixtures/", "")
    shutil.copy(FIXTURES / "fixture-2.0.0.s19", tmp_path)
    path = tmp_path / "center.toml"
    path.write_text(text, encoding="utf-8")
    return path


def fleet(file: Path, *options: object):
    return run("fleet", file, "--devices", 3, *QUIET, *options)


def read(*arguments: object) -> dict[str, Any]:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


# --- check


def test_check_of_a_good_file(file: Path):
    result = run("center", "check", file)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "products 1, packages 1, plans 1, devices 20" in result.stdout


def test_check_says_all_that_is_wrong(file: Path):
    text = file.read_text(encoding="utf-8")
    text = text.replace("retries = 3", "retries = -3").replace("min_battery", "battery")
    file.write_text(text, encoding="utf-8")
    result = run("center", "check", file)
    assert (result.exit_code, result.stdout) == (3, "")
    lines = result.stderr.splitlines()
    assert len(lines) == 2
    assert all(line.startswith(f'error: {file}: plans[1] "spring", strategy.') for line in lines)


def test_warnings_are_no_errors(file: Path):
    text = file.read_text(encoding="utf-8").replace('"pump-013"', '"pomp-013"')
    file.write_text(text, encoding="utf-8")
    result = run("center", "check", file)
    assert result.exit_code == 0
    assert "warning: " in result.stderr
    assert "pomp-013" in result.stderr


@pytest.mark.parametrize("command", ["check", "monitor", "fleet"])
def test_a_bad_center_file(command: str, tmp_path: Path):
    words = (command,) if command == "fleet" else ("center", command)
    bad = tmp_path / "bad.toml"
    bad.write_text("products = 5", encoding="utf-8")
    for path, code in ((bad, 3), (tmp_path / "none.toml", 4), (tmp_path, 4)):
        result = run(*words, path)
        assert (result.exit_code, result.stderr[:7]) == (code, "error: ")


# --- offer


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--device", "pump-001"), None),
        (("--device", "pump-013"), "the device is on the black list"),
        (("--device", "pump-001", "--version", "STM32=2.0.0"), "no update required"),
        (("--device", "pump-001", "--version", "STM32=0.9"), "the plan is not for the version"),
        (("--device", "pump-001", "--pushed"), "outside the push hours"),
        (("--device", "other"), "has not reported a version"),
        (("--device", "other", "--version", "STM32=1.0.0"), None),
    ],
)
def test_offer(options: tuple[str, ...], expected: str | None, file: Path):
    found = read("center", "offer", file, "--at", "2026-03-05T10:00", *options)
    (upgrade,) = found["upgrades"]
    assert upgrade["offered"] == (expected is None)
    assert (expected or "") in (upgrade["why_not"] or "")
    told = run("center", "offer", file, "--at", "2026-03-05T10:00", *options).stdout
    assert ("offered" in told) == (expected is None)


def test_offer_knows_the_state_file(file: Path):
    assert fleet(file).exit_code == 0
    (upgrade,) = read("center", "offer", file, "--device", "device-001")["upgrades"]
    assert upgrade["why_not"] == "no update required"


@pytest.mark.parametrize(
    "options",
    [
        ("--device", "pump-001", "--version", "STM32"),
        ("--device", "pump-001", "--version", "STM32=a b"),
        ("--device", "pump-001", "--version", "ST:M=1"),
        ("--device", "pump-001", "--at", "soon"),
        (),
    ],
)
def test_usage_of_offer(options: tuple[str, ...], file: Path):
    assert run("center", "offer", file, *options).exit_code == 2


# --- fleet and monitor


def test_a_fleet_and_what_monitoring_shows_of_it(file: Path):
    result = fleet(file)
    assert result.exit_code == 0, result.output
    assert "3 devices of" in result.stdout
    seen = read("center", "monitor", file)
    (plan,) = seen["plans"]
    assert plan["counts"]["upgraded"] == 3
    assert (plan["state"], plan["success_rate"]) == ("upgrading", 1.0)
    assert {e["outcome"] for e in seen["endings"]} == {"upgraded"}
    assert "100.0%" in run("center", "monitor", file).stdout
    assert "device-002" in run("center", "monitor", file, "--all").stdout
    log = read("center", "monitor", file, "--device", "device-002")["log"]
    texts = [line["text"] for line in log]
    assert texts[:3] == ["plan received", "plan received", "device confirmed"]  # it is said twice
    assert texts[-2:] == ["upgrading", "success"]
    assert "device confirmed" in run("center", "monitor", file, "--device", "device-002").stdout
    assert run("center", "monitor", file, "--device", "nobody").exit_code == 2


def test_devices_below_the_limits_are_in_the_table(file: Path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")  # no cell is wrapped
    result = fleet(file, "--devices", 6, "--weak", 1, "--seed", 2)
    assert result.exit_code == 0, result.output
    plan = read("center", "monitor", file)["plans"][0]
    refused = sum(one["components"][0]["state"] == "refused" for one in plan["devices"])
    assert refused >= 1
    assert result.stdout.count("not upgraded  STM32      refused") == refused
    assert "the plan asks for" in result.stdout


def test_a_state_file_is_not_replaced_unasked(file: Path):
    assert fleet(file).exit_code == 0
    assert fleet(file).exit_code == 4
    assert fleet(file, "--force").exit_code == 0
    file.with_suffix(".db").write_text("mine, and no state file")
    assert fleet(file, "--force").exit_code == 4
    assert file.with_suffix(".db").read_text() == "mine, and no state file"


def test_a_fleet_as_json(file: Path):
    found = json.loads(fleet(file, "--json").stdout)
    assert len(found["endings"]) == 3
    assert found["wall_s"] > 0


def test_replay_shows_what_a_device_did(file: Path):
    options = ("--seed", 4, "--devices", 5, "--cuts", 2, "--faults", 2)
    run("fleet", file, *options, "--jobs", 1)
    with (store := Store.open(file.with_suffix(".db"), read_only=True)).snapshot():
        ending = store.endings()[0]
    result = run("fleet", file, *options, "--replay", ending.device)
    assert f"{ending.device}: {ending.outcome}" in result.stdout
    assert f"digest {ending.digest}" in result.stdout
    assert "boot    bank A, version 1.0.0" in result.stdout


def test_a_lie_has_code_7(file: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(FleetDevice, "_judge", lambda self: (Ended.INCONSISTENT, "a lie"))
    result = fleet(file)
    assert result.exit_code == 7
    assert "3 of 3 devices gave an inconsistent report" in result.stderr
    assert "found a lie" in result.stderr


@pytest.mark.parametrize(
    "options",
    [
        ("--devices", 0),
        ("--cuts", 9),
        ("--faults", -1),
        ("--fault", "rain"),
        ("--bad-trials", 2),
        ("--jobs", 0),
        ("--part", "STM32X999"),
        ("--replay", "nobody"),
    ],
)
def test_usage_of_fleet(options: tuple[object, ...], file: Path):
    assert run("fleet", file, *options).exit_code == 2
    assert not file.with_suffix(".db").exists()


def test_monitoring_without_a_state_file(file: Path):
    result = run("center", "monitor", file)
    assert (result.exit_code, "no such state file" in result.stderr) == (4, True)


# --- control


def control(file: Path, action: str, *options: object):
    at = ("--at", "2026-03-05T10:00")
    return run("center", "control", file, action, "--plan", "spring", *at, *options)


def test_the_owner_acts(file: Path):
    assert control(file, "pause").stdout == "plan spring: paused\n"
    assert "plan spring: active" in control(file, "resume").stdout
    result = control(file, "cancel", "--device", "pump-002")
    assert result.stdout == "plan spring, device pump-002: cancel STM32\n"
    assert control(file, "cancel", "--device", "pump-002").exit_code == 2
    assert control(file, "activate").exit_code == 2
    assert "plan spring: terminated" in control(file, "terminate").stdout
    seen = read("center", "monitor", file, "--at", "2026-03-05T10:00")
    assert seen["plans"][0]["counts"]["upgrade failed"] == 19


def test_nothing_changes_who_took_part_in_a_fleet(file: Path):
    """Devices that were made up for it stand in place of the file's, for good."""
    assert fleet(file, "--devices", 3).exit_code == 0
    before = read("center", "monitor", file)
    names = {device["device"] for device in before["plans"][0]["devices"]}
    assert names == {"device-001", "device-002", "device-003"}
    read("center", "offer", file, "--device", "pump-001")
    for action in ("pause", "resume", "terminate"):
        assert control(file, action).exit_code == 0
    unknown = control(file, "cancel", "--device", "pump-001")
    assert (unknown.exit_code, "knows no such device" in unknown.stderr) == (2, True)
    served = run("module", "serve", "--center", file, "--device", "pump-001", "--stdio")
    assert (served.exit_code, "the state file is a fleet's" in served.stderr) == (2, True)
    far = ("--at", "2199-01-01T00:00")  # every plan is over
    for options in ((), far):
        (plan,) = read("center", "monitor", file, *options)["plans"]
        assert plan["success_rate"] == 1.0
        assert {device["device"] for device in plan["devices"]} == names
        assert sum(plan["counts"].values()) == 3


@pytest.mark.parametrize("options", [("pause", "--device", "pump-002"), ("cancel",), ("dance",)])
def test_usage_of_control(options: tuple[str, ...], file: Path):
    assert control(file, *options).exit_code == 2


@pytest.mark.parametrize(
    "command",
    [
        ("control", "pause", "--plan", "spring"),
        ("monitor",),
        ("monitor", "--device", "pump-001"),
        ("offer", "--device", "pump-001"),
    ],
)
def test_an_active_plan_can_neither_be_edited_nor_removed(command: tuple[str, ...], file: Path):
    open_state(read_center(file), file.with_suffix(".db")).close()
    good = file.read_text(encoding="utf-8")
    words = ("center", command[0], file, *command[1:])
    before, after = good.split("[[plans]]")
    without = before + after[after.index("[[devices]]") :]
    for text, said in (
        (good.replace("retries = 3", "retries = 4"), "cannot be edited any more"),
        (good.replace('name = "spring"', 'name = "fall"'), 'found the same plan as "fall"'),
        (without, "only one that is not active yet can be deleted"),
    ):
        assert text != good
        file.write_text(text, encoding="utf-8")
        result = run(*words)
        assert (result.exit_code, said in result.stderr) == (3, True), result.output
    file.write_text(good, encoding="utf-8")
    package = file.parent / "fixture-2.0.0.s19"
    data = package.read_bytes()
    package.write_bytes(data + b"\n")
    assert "of package" in run(*words).stderr
    package.write_bytes(data)
    assert run(*words).exit_code == 0


def test_a_module_is_not_served_where_an_active_plan_is_gone(file: Path):
    open_state(read_center(file), file.with_suffix(".db")).close()
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace('name = "spring"', 'name = "fall"'), encoding="utf-8")
    result = run("module", "serve", "--center", file, "--device", "pump-001")
    assert (result.exit_code, "cannot be deleted" in result.stderr) == (3, True)


def test_a_saved_plan_may_be_removed(file: Path):
    text = file.read_text(encoding="utf-8")
    _, rest = text.split("[[plans]]")
    saved = rest[: rest.index("[[devices]]")].replace('"spring"', '"later"')
    later = text.replace("[[devices]]", f"[[plans]]\nactive = false{saved}[[devices]]")
    file.write_text(later, encoding="utf-8")
    assert control(file, "pause").exit_code == 0
    assert [p["name"] for p in read("center", "monitor", file)["plans"]] == ["spring", "later"]
    file.write_text(text, encoding="utf-8")
    assert control(file, "resume").exit_code == 0
    assert [p["name"] for p in read("center", "monitor", file)["plans"]] == ["spring"]
    file.write_text(later, encoding="utf-8")
    assert run("center", "control", file, "activate", "--plan", "later").exit_code == 0
