"""Ports that are far away: over TCP and RFC 2217, with a delay in both directions."""

from __future__ import annotations

import pytest

from tests.cli.command_line import run
from tests.flash_emulator.bootrom.delaying_proxy import delayed
from tests.flash_emulator.bootrom.served_chip import serving
from tests.flash_emulator.bootrom.test_remote_ports import remote
from tests.stm32.emulated_chip import image
from tests.thorough import one_in

pytestmark = pytest.mark.filterwarnings("ignore:set:DeprecationWarning")  # pyserial's threads


def port_of(where: str) -> int:
    return int(where.rpartition(":")[2])


@pytest.fixture
def firmware(tmp_path):
    path = tmp_path / "firmware.bin"
    path.write_bytes(image(256).segments[0].data)
    return path


@pytest.mark.parametrize("one_way_s", one_in(2, [0.02, 0.06], first=1))
def test_flash_and_verify_over_tcp(tmp_path, firmware, one_way_s):
    with (
        serving("STM32L476xG", "--tcp", "127.0.0.1:0") as chip,
        delayed(port_of(chip.where), one_way_s, one_way_s / 4) as port,
    ):
        common = ("--port", f"socket://127.0.0.1:{port}", "--cache", tmp_path / "cache")
        done = run("flash", firmware, *common)
        assert done.exit_code == 0, done.output
        assert ("a slow link" in done.output) == (one_way_s > 0.05)
        assert run("verify", firmware, *common).exit_code == 0


def test_flash_over_rfc2217(tmp_path, firmware):
    with (
        serving("STM32L476xG") as chip,
        remote(chip.where) as at,
        delayed(port_of(at), 0.05) as port,
    ):
        where = f"rfc2217://127.0.0.1:{port}"
        done = run("flash", firmware, "--port", where, "--cache", tmp_path / "cache")
        assert done.exit_code == 0, done.output


def test_a_link_slower_than_the_timeout_is_told_to_have_more(tmp_path, firmware):
    with (
        serving("STM32L476xG", "--tcp", "127.0.0.1:0") as chip,
        delayed(port_of(chip.where), 1.0) as port,
    ):
        common = ("--port", f"socket://127.0.0.1:{port}", "--cache", tmp_path / "cache")
        done = run("flash", firmware, *common, "--timeout", 0.2)
        assert done.exit_code == 11, done.output
        assert "--timeout" in done.output and "ground wire" not in done.output
