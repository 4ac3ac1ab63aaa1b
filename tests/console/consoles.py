"""A small center with a console on it, asked without a network; or served by a process."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from starlette.testclient import TestClient

from mcu_updater.cloud.center.device_session import state_path
from mcu_updater.cloud.center.followed import FollowedFile
from mcu_updater.console.app import Console, make_app
from tests.command_processes import CommandProcess

BASE = "http://127.0.0.1:8021"
CENTER = """\
# One product, one plan that is saved, one that is active.

[[products]]
key = "p1"
name = "Pump"
components = [{ id = "STM32" }, { id = "radio" }]

[[packages]]
name = "pump 2.0"
target = "2.0"
files = ["new.bin"]
note = "faster"  # much

[[plans]]
name = "spring"
product = "p1"
upgrades = [{ component = "STM32", package = "pump 2.0" }]

[[plans]]
name = "summer"
product = "p1"
upgrades = [{ component = "STM32", package = "pump 2.0" }]
active = false

[[devices]]
id = "pump"
product = "p1"
count = 3
versions = { STM32 = "1.0" }
"""
DEVICE = "pump-001"


def write_center(folder: Path, text: str = CENTER) -> Path:
    path = folder / "center.toml"
    path.write_text(text)
    (folder / "new.bin").write_bytes(bytes.fromhex("00040020 c1010008") + bytes(range(256)) * 4)
    return path


def console_of(path: Path, token: str | None = None) -> Console:
    return Console(FollowedFile(path), state_path(path), token)


def client_of(console: Console, base_url: str = BASE) -> TestClient:
    return TestClient(make_app(console), base_url=base_url, follow_redirects=False)


@contextlib.contextmanager
def serving(
    path: Path, *words: str, port: str = "0"
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process and the address that it printed."""
    process: CommandProcess[str]
    with CommandProcess(
        ("center", "serve", path, "--port", port, *words),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()
