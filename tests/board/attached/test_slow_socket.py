"""An upgrade from a served module over a TCP connection that is slow, both ways."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcu_updater.host.clock import MonotonicClock
from mcu_updater.host.serial_port import open_port
from mcu_updater.quectel.client import AtClient
from mcu_updater.quectel.link import Dialect
from tests.board.attached.test_port_urls import TRAPS, upgrade
from tests.flash_emulator.bootrom.delaying_proxy import delayed
from tests.serve.served import serving, where


@pytest.fixture
def package(tmp_path: Path) -> Path:
    path = tmp_path / "package.bin"
    path.write_bytes(TRAPS[:1500])
    return path


SERVED = ("--component", "STM32", "--target-version", "2_0_0", "--tcp", "127.0.0.1:0")


def test_an_upgrade_with_a_quarter_second_each_way(package):
    with serving("--package", package, "--raw", *SERVED) as served:
        port_number = int(where(served).rpartition(":")[2])
        with delayed(port_number, 0.25, 0.05) as relay:
            port = open_port(f"socket://127.0.0.1:{relay}")
            assert upgrade(port) == TRAPS[:1500]
            port.close()


def test_a_link_that_is_slower_than_the_timeout_shows_how_slow_it_is(package):
    with serving("--package", package, "--raw", *SERVED) as served:
        port_number = int(where(served).rpartition(":")[2])
        with delayed(port_number, 0.4) as relay:
            port = open_port(f"socket://127.0.0.1:{relay}")
            client = AtClient(port, MonotonicClock(), Dialect(response_timeout_s=0.5))
            client.connect()
            before = client.retries
            assert before > 0
            client.report_version("STM32", "1_0_0")
            assert client.known_versions() == {"STM32": "1_0_0"}
            assert client.retries == before
            port.close()
