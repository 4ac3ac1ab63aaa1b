"""Host and chip as two processes: one of them is killed at a random moment, then all goes again.

MCU_UPDATER_KILLS: how many kills that hit; 3 in the ordinary run.
MCU_UPDATER_KILL_SEED: another series.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.cli.command_line import run
from tests.command_processes import CommandProcess
from tests.flash_emulator.bootrom.served_chip import serving
from tests.stm32.emulated_chip import image

KILLS = int(os.environ.get("MCU_UPDATER_KILLS", "3"))
SEED = int(os.environ.get("MCU_UPDATER_KILL_SEED", "1"))
PATIENCE_S = 120


def tool(*arguments: object) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    return CommandProcess(arguments, text=True, stdout=pipe, stderr=pipe)


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    out, err = process.communicate(timeout=PATIENCE_S)
    return process.returncode, out + err


def completes(firmware: Path, common: tuple[object, ...]) -> None:
    """The second run, and somebody who looks at the chip again."""
    for command in ("flash", "verify"):
        result = run(command, firmware, *common)
        assert result.exit_code == 0 and "verified" in result.output, result.output


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    made = []
    for seed in (1, 2):
        path = tmp_path / f"{seed}.bin"
        path.write_bytes(image(16_000, seed=seed).segments[0].data)
        made.append(path)
    return made[0], made[1]


def test_a_kill_of_host_or_chip_costs_nothing_but_time(tmp_path, files):
    rng = random.Random(SEED)
    port, kept = tmp_path / "tty", tmp_path / "chip"
    options = ("--link", port, "--file", kept, "--baud", 921_600)
    common = ("--port", port, "--cache", tmp_path / "cache", "--timeout", 0.3)
    with serving("STM32L476xG", *options) as served:
        began_s = time.monotonic()
        assert finish(tool("flash", files[0], *common))[0] == 0
        whole_s = time.monotonic() - began_s
        assert served.end(signal.SIGTERM) == 0
    hits = {"host": 0, "chip": 0}
    for number in range(3 * KILLS):
        if sum(hits.values()) == KILLS:
            break
        firmware = files[(number + 1) % 2]
        victim = rng.choice(("host", "chip"))
        with serving("STM32L476xG", *options) as served:
            host = tool("flash", firmware, *common)
            time.sleep(rng.uniform(0.3 * whole_s, whole_s))
            if victim == "chip":
                served.end(signal.SIGKILL)
            else:
                host.kill()
            code, text = finish(host)
            hits[victim] += code != 0
            if code == 0:  # it came too late: the machine was slower when it was measured
                whole_s *= 0.8
            assert code in (0, 4, 8, 11, -signal.SIGKILL), text
            if victim == "host":
                completes(firmware, common)
        if victim == "chip":
            with serving("STM32L476xG", *options):
                completes(firmware, common)
    assert sum(hits.values()) >= KILLS // 2, f"kills came too late: {hits}"
