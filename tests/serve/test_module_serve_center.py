"""``module serve --center``: two devices of one center, upgraded by hand over TCP."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from mcu_updater.cli.main import cli
from tests.command_processes import CommandProcess
from tests.places import ROOT
from tests.serve.served import opened, where

SERVE = ("module", "serve", "--tcp", "127.0.0.1:0")


@pytest.fixture
def center(tmp_path: Path) -> Path:
    text = (ROOT / "examples/center/center.toml").read_text(encoding="utf-8")
    lines = text.replace("../../fixtures/", "").splitlines()
    kept = [line for line in lines if not line.startswith(("begin", "end", "push_hours"))]
    shutil.copy(ROOT / "fixtures/fixture-2.0.0.s19", tmp_path)
    path = tmp_path / "center.toml"
    path.write_text("\n".join(kept), encoding="utf-8")
    return path


def monitored(center: Path) -> dict[str, str]:
    result = CliRunner().invoke(cli, ["center", "monitor", str(center), "--json"])
    assert result.exit_code == 0, result.output
    (plan,) = json.loads(result.stdout)["plans"]
    return {d["device"]: d["components"][0]["state"] for d in plan["devices"]}


def start(client) -> None:
    client.ask("ATE0")
    client.ask('AT+QIOTMCUVER="STM32","1.0.0"')
    client.ask("AT+QIOTREG=1")
    client.until(b"3,10200\r\n")
    client.ask("AT+QIOTOTAREQ=1")
    client.until(b'7,10700,"STM32","","2.0.0",30,-113,')


def test_modules_of_one_center(center: Path):
    devices = ("--device", "pump-001", "--device", "pump-002")
    command = [*SERVE, "--center", str(center), *devices, "--speed", "20"]
    process: CommandProcess[bytes] = CommandProcess(command, stdout=subprocess.PIPE)
    with process:
        try:
            first, second = where(process), where(process)
            with opened(first) as one, opened(second) as two:
                start(one)
                start(two)
                assert monitored(center)["pump-002"] == "plan received"
                two.ask("AT+QIOTUPDATE=0")
                one.ask("AT+QIOTUPDATE=1")
                one.until(b"7,10703")
                assert monitored(center)["pump-001"] == "downloaded"
                one.ask("AT+QIOTUPDATE=3")
                one.ask('AT+QIOTMCUVER="STM32","2.0.0"')
                one.until(b"7,10705")
                seen = monitored(center)
                assert (seen["pump-001"], seen["pump-002"]) == ("success", "refused")
                assert seen["pump-003"] == "plan not received"
        finally:
            process.terminate()
    assert process.returncode == 0


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--center", "CENTER"),
        ("--device", "pump-001"),
        ("--package", "PACKAGE"),
        ("--target-version", "2.0.0"),
        ("--center", "CENTER", "--device", "pump-001", "--target-version", "2.0.0"),
        ("--center", "CENTER", "--device", "pump-001", "--count", "2"),
        ("--package", "PACKAGE", "--target-version", "2.0.0", "--db", "x.db"),
    ],
)
def test_a_module_has_one_cloud(options: tuple[str, ...], center: Path):
    package = center.with_name("fixture-2.0.0.s19")
    words = [{"CENTER": str(center), "PACKAGE": str(package)}.get(w, w) for w in options]
    result = CliRunner().invoke(cli, ["module", "serve", "--stdio", *words])
    assert result.exit_code == 2, result.output
    assert not center.with_suffix(".db").exists()
