"""Where modules are served: what may be written, names of files, ports of devices."""

from __future__ import annotations

import os
import socket
from contextlib import closing, suppress
from pathlib import Path

import pytest

from mcu_updater.core.errors import PortError, UsageError
from mcu_updater.serve.places import PtyFolder, TcpPorts, parse_places, safe_name


def test_what_may_be_written(tmp_path: Path):
    assert parse_places("tcp:5001-5300") == TcpPorts(5001, 5300)
    assert parse_places("tcp:65535") == TcpPorts(65535, 65535)
    assert parse_places(f"pty:{tmp_path}/a:b") == PtyFolder(tmp_path / "a:b")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tcp",
        "tcp:",
        "tcp:0-5",
        "tcp:5-4",
        "tcp:1-65536",
        "tcp:1-2-3",
        "tcp:-1",
        "tcp: 1-2",
        "tcp:1-2\n",
        "tcp:٣-٤",
        "tcp:0x10",
        "tcp:127.0.0.1:5000",
        "TCP:1-2",
        "pty:",
        "pty",
        "udp:1-2",
    ],
)
def test_what_may_not(text: str):
    with pytest.raises(UsageError, match="bad place for modules; expected tcp:FIRST-LAST"):
        parse_places(text)


NAMES = [
    "pump-001",
    "a/b",
    "a%2Fb",
    ".",
    "..",
    ".x",
    "%2Ex",
    "ä b",
    "\n",
    "x" * 64,
    "ä" * 64,
    "ä" * 63,
]


def test_names_are_safe_and_different(tmp_path: Path):
    made = [safe_name(name) for name in NAMES]
    assert len(set(made)) == len(NAMES)
    assert made[0] == "pump-001"
    for name in made:
        assert "/" not in name
        assert not name.startswith(".")
        (tmp_path / f".{name}.json.lock").touch()


@pytest.mark.parametrize(
    ("count", "said"), [(3, "3 ports, as tcp:65000-65002"), (700, "from 64836 or a lower one")]
)
def test_a_range_that_is_too_small_says_how_many_it_takes(count: int, said: str):
    TcpPorts(65000, 65001).check(2)
    with pytest.raises(UsageError, match="more devices than ports") as caught:
        TcpPorts(65000, 65001).check(count)
    assert said in caught.value.expected
    assert caught.value.found == f"{count} devices, 2 ports"


def free_ports(count: int) -> int:
    """The first of so many that are free now."""
    for first in range(23_000, 30_000, count):
        with suppress(OSError):
            for port in range(first, first + count):
                socket.create_server(("127.0.0.1", port)).close()
            return first
    raise AssertionError("no free ports")


def test_a_device_has_the_port_of_its_place_or_one_that_is_free():
    first = free_ports(3)
    ports = TcpPorts(first, first + 2)
    with closing(ports.wire("b", 1, ())) as wire:
        assert wire.where == f"socket://127.0.0.1:{first + 1}"
        with closing(ports.wire("c", 1, {wire.where})) as other:
            assert other.where == f"socket://127.0.0.1:{first}"
        with pytest.raises(PortError, match=f"port {first + 1} cannot be had") as caught:
            ports.wire("d", 1, ())
    assert "device d" in caught.value.where
    assert "or 0" not in caught.value.message
    taken = {f"socket://127.0.0.1:{port}" for port in range(first, first + 3)}
    with pytest.raises(UsageError, match="more devices than ports"):
        ports.wire("e", 0, taken)


def test_a_folder_for_links_must_be_one(tmp_path: Path):
    file = tmp_path / "file"
    file.touch()
    for folder in (file, file / "in", tmp_path / "no" / "parent"):
        with (
            pytest.raises(PortError, match="modules cannot be served there"),
            PtyFolder(folder).held(),
        ):
            pass


def test_a_folder_is_held_by_one_server(tmp_path: Path):
    with PtyFolder(tmp_path).held(), pytest.raises(PortError), PtyFolder(tmp_path).held():
        pass


def test_what_is_no_link_of_ours_stays(tmp_path: Path):
    places = PtyFolder(tmp_path / "modules")
    with places.held():
        (places.folder / "pump").write_text("mine")
        (places.folder / "mine").symlink_to(tmp_path)
        (places.folder / "old").symlink_to("/dev/pts/99999")
        with pytest.raises(PortError, match="the link cannot be made"):
            places.wire("pump", 0, ())
        places.remove_old([str(places.folder / name) for name in ("pump", "mine", "old")])
        assert (places.folder / "pump").read_text() == "mine"
        assert (places.folder / "mine").is_symlink()
        assert not os.path.lexists(places.folder / "old")


def test_more_devices_than_terminals(tmp_path: Path):
    with pytest.raises(UsageError, match="more devices than terminals"):
        PtyFolder(tmp_path).check(10_000_000)
