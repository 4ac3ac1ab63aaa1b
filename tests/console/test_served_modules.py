"""``center serve --modules``: a plan that is made and activated here upgrades a client there."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from click.testing import CliRunner

from mcu_updater.cli.main import cli
from tests.console.consoles import CENTER, DEVICE, serving, write_center
from tests.console.test_openapi import check
from tests.serve.farms import free_ports
from tests.serve.served import PATIENCE_S, opened

PLAN = {
    "name": "now",
    "product": "p1",
    "upgrades": [{"component": "STM32", "package": "pump 2.0"}],
    "whitelist": ["pump-002"],
}


def asked(url: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    with urlopen(Request(url, data, headers), timeout=PATIENCE_S) as answer:
        return json.loads(answer.read())


def test_a_plan_made_here_upgrades_a_client_there(tmp_path: Path):
    first = free_ports(3)
    file = write_center(tmp_path)
    options = ("--modules", f"tcp:{first}-{first + 2}", "--set", "connect_s=0")
    with serving(file, *options) as (process, url):
        seen = asked(f"{url}api/devices/pump-002")
        check("/api/devices/{id}", "get", 200, seen)
        assert seen["module"] == f"socket://127.0.0.1:{first + 1}"
        with urlopen(f"{url}devices/pump-002", timeout=PATIENCE_S) as page:
            assert seen["module"] in page.read().decode()
        with opened(seen["module"]) as client:
            client.ask("ATE0")
            client.ask('AT+QIOTMCUVER="STM32","1.5"')
            client.ask("AT+QIOTREG=1")
            client.until(b"3,10200\r\n")
            asked(f"{url}api/plans", {**PLAN, "name": "other", "whitelist": [DEVICE]})
            asked(f"{url}api/plans", PLAN)
            asked(f"{url}api/plans/now/actions", {"action": "activate"})
            client.ask("AT+QIOTOTAREQ=1")
            client.until(b'7,10700,"STM32","","2.0",')
            client.ask("AT+QIOTUPDATE=1")
            client.until(b"7,10703")
            modules = asked(f"{url}api/modules")
            check("/api/modules", "get", 200, modules)
            assert (modules["figures"]["clients"], modules["figures"]["awake"]) == (1, 1)
            assert modules["addresses"][DEVICE] == f"socket://127.0.0.1:{first}"
            client.ask("AT+QIOTUPDATE=3")
            client.ask('AT+QIOTMCUVER="STM32","2.0"')
            client.until(b"7,10705")
        process.send_signal(signal.SIGKILL)
        process.wait()
        deadline_s = time.monotonic() + PATIENCE_S
        while not is_free(first):
            assert time.monotonic() < deadline_s
            time.sleep(0.01)
    assert (tmp_path / "center.modules" / "pump-002.module.json").exists()


def is_free(port: int) -> bool:
    with suppress(OSError), socket.create_server(("127.0.0.1", port)):
        return True
    return False


def test_modules_are_told_of_only_where_there_are_any(client, console):
    assert client.get(f"/api/devices/{DEVICE}").json()["module"] is None
    answer = client.get("/api/modules")
    assert answer.status_code == 404
    assert "center serve --modules" in answer.text
    assert console.modules is None


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("--set", "battery=5"), 2, "--set has no effect without --modules"),
        (("--speed", "2"), 2, "--speed has no effect without --modules"),
        (("--modules-file", "x.json"), 2, "--modules-file has no effect without --modules"),
        (("--modules", "tcp:5-4"), 2, "--modules: bad place for modules"),
        (("--modules", "tcp:9000-9001"), 2, "expected 3 ports, as tcp:9000-9002"),
        (("--modules", "tcp:9000-9002", "--seed", "1"), 2, "--seed has no effect without --fault"),
        (("--modules", "tcp:9000-9002", "--fault", "x"), 2, "--fault"),
        (("--modules", "tcp:9000-9002", "--set", "x=1"), 2, "no option is called 'x'"),
        (("--modules", "tcp:9000-9002", "--modules-file", "FILE"), 2, "is a file that is read"),
        (("--modules", "tcp:9000-9002", "--modules-file", "FILE/x"), 4, "cannot be written"),
        (("--modules", "pty:FILE/x"), 4, "modules cannot be served there"),
    ],
)
def test_what_cannot_be_asked_for(tmp_path: Path, options: tuple[str, ...], code: int, said: str):
    file = write_center(tmp_path)
    words = [word.replace("FILE", str(file)) for word in options]
    result = CliRunner().invoke(cli, ["center", "serve", str(file), "--port", "0", *words])
    assert (result.exit_code, said in result.output) == (code, True), result.output
    assert not os.path.lexists(tmp_path / "center.db")
    assert file.read_text() == CENTER
