"""One module for each device of a center: made on demand, kept, put away, followed."""

from __future__ import annotations

import json
import socket
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest

from mcu_updater.core.errors import PortError, UpdaterError, UsageError
from mcu_updater.serve.farm import Figures
from mcu_updater.serve.places import safe_name
from mcu_updater.serve.wires import TcpWire
from tests.serve.farms import Running, farming, free_ports, logged, settings_for
from tests.serve.served import opened, until

ONE, TWO = "board-001", "board-002"


def address(running: Running, device: str = ONE) -> str:
    found: dict[str, str] = running.ask(lambda farm: farm.addresses())
    return found[device]


def figures(running: Running) -> Figures:
    found: Figures = running.ask(lambda farm: farm.figures())
    return found


def offered(client, version: str = "1.0.0") -> None:
    client.ask("ATE0")
    client.ask(f'AT+QIOTMCUVER="STM32","{version}"')
    client.ask("AT+QIOTREG=1")
    client.until(b"3,10200\r\n")
    client.ask("AT+QIOTOTAREQ=1")
    client.until(b'7,10700,"STM32","","2.0.0",30,-113,')


def test_a_module_is_made_for_its_first_client_and_remembered_by_the_next_server(tmp_path: Path):
    settings = settings_for(tmp_path)
    with farming(settings) as running:
        assert (figures(running).devices, figures(running).awake) == (2, 0)
        with opened(address(running)) as client:
            offered(client)
            client.ask("AT+QIOTUPDATE=1")
            client.until(b"7,10703")
            assert (figures(running).awake, figures(running).clients) == (1, 1)
        with opened(address(running)) as client:  # the plan is under way
            client.send("AT+QIOTOTARD=0,4")
            client.until(b"+QIOTOTARD: 0,4\r\nS0")
    with farming(settings) as running:
        until(lambda: figures(running).awake == 1)  # without a client: it boots and goes on
        with opened(address(running)) as client:
            client.ask("ATE0")
            assert b'"STM32","1.0.0"' in client.ask("AT+QIOTMCUVER?")
            client.ask("AT+QIOTREG=1")
            client.until(b"7,10703")
            client.ask("AT+QIOTUPDATE=3")
            client.ask('AT+QIOTMCUVER="STM32","2.0.0"')
            client.until(b"7,10705")
    assert logged(settings, ONE)[-1] == "success"
    assert logged(settings, TWO) == []


def test_what_a_module_is_told_is_kept_before_it_answers(tmp_path: Path, monkeypatch):
    settings = settings_for(tmp_path)
    kept: list[str] = []

    def send(wire: TcpWire, data: bytes) -> None:
        kept.append((settings.folder / f"{ONE}.module.json").read_text())
        sent(wire, data)

    sent = TcpWire.send
    with farming(settings) as running, opened(address(running)) as client:
        client.ask("ATE0")
        monkeypatch.setattr(TcpWire, "send", send)
        client.ask('AT+QIOTMCUVER="STM32","7"')
    assert '"STM32": "7"' in kept[0]


def test_who_is_not_needed_is_put_away_and_found_as_it_was(tmp_path: Path):
    settings = settings_for(tmp_path, idle_s=0.05)
    with farming(settings) as running:
        with opened(address(running)) as client:
            client.ask("ATE0")
            client.ask('AT+QIOTMCUVER="STM32","7"')
            client.ask("AT+QIOTREG=1")
            client.until(b"3,10200\r\n")
            time.sleep(0.1)
            assert figures(running).awake == 1
        until(lambda: figures(running).awake == 0)
        with opened(address(running)) as client:
            assert b"+QIOTSTATE: 8\r\n" in client.ask("AT+QIOTSTATE?")  # it has not booted
            assert b'"STM32","7"' in client.ask("AT+QIOTMCUVER?")


def test_what_falls_due_wakes_a_module_that_was_put_away(tmp_path: Path):
    settings = settings_for(tmp_path, idle_s=0.05, speed=2000)
    with farming(settings) as running:
        with opened(address(running)) as client:
            client.ask('AT+QIOTMCUVER="STM32","1.0.0"')
            client.ask("AT+QIOTREG=1")
            client.until(b"3,10200\r\n")
        until(lambda: "plan received" in logged(settings, ONE))  # pushed after 600 s


def test_a_plan_made_while_a_client_is_there_is_offered(tmp_path: Path):
    settings = settings_for(tmp_path)
    text = settings.file.read_text()
    before, plan = text.split("[[plans]]")
    plan, devices = plan.split("[[devices]]")
    settings.file.write_text(f"{before}[[devices]]{devices}")
    with farming(settings) as running, opened(address(running)) as client:
        client.ask("ATE0")
        client.ask('AT+QIOTMCUVER="STM32","1.0.0"')
        client.ask("AT+QIOTREG=1")
        client.until(b"3,10200\r\n")
        settings.file.write_text(text)
        until(lambda: b"10700" in client.ask("AT+QIOTOTAREQ=1") + client.ask("AT"))


def test_devices_come_and_go_with_the_file(tmp_path: Path):
    first = free_ports(3)
    settings = settings_for(tmp_path, places=f"tcp:{first}-{first + 2}", idle_s=0.05)
    text = settings.file.read_text()
    three = text.replace("count = 2", "count = 3")
    other = text.replace('id = "board"\ncount = 2', 'id = "other/1"')
    with farming(settings) as running:
        with opened(address(running)) as client:
            client.ask("AT")
            settings.file.write_text(other)
            until(lambda: set(json.loads(settings.addresses_path.read_text())) == {ONE, "other/1"})
            client.ask("AT")  # its device is gone, and it is not
        until(lambda: set(json.loads(settings.addresses_path.read_text())) == {"other/1"})
        settings.file.write_text(three)
        names = {ONE, TWO, "board-003"}
        until(lambda: set(json.loads(settings.addresses_path.read_text())) == names)
        with opened(address(running, "board-003")) as client:
            client.ask("AT")
        assert len(set(running.ask(lambda farm: farm.addresses()).values())) == 3


def test_a_file_with_too_many_devices_serves_those_that_have_room(tmp_path: Path, caplog):
    settings = settings_for(tmp_path)
    with farming(settings) as running:
        text = settings.file.read_text()
        settings.file.write_text(text.replace("count = 2", "count = 4"))
        until(lambda: "4 ports" in caplog.text or "3 ports" in caplog.text)
        assert sorted(running.ask(lambda farm: farm.addresses())) == [ONE, TWO]
        with opened(address(running)) as client:
            client.ask("AT")


def test_a_bad_file_changes_nothing_and_is_told(tmp_path: Path, caplog):
    settings = settings_for(tmp_path)
    with farming(settings) as running:
        text = settings.file.read_text()
        for wrong, said in (
            (text.replace("retries = 5", "retries = 4"), "activated and cannot be edited"),
            (text + "\n=", "is no TOML"),
        ):
            settings.file.write_text(wrong)
            until(lambda said=said: said in figures(running).file_fault)
            assert said in caplog.text
        with opened(address(running)) as client:
            offered(client)
        settings.file.write_text(text)
        until(lambda: not figures(running).file_fault)


def test_clients_that_misbehave_hurt_nobody_else(tmp_path: Path):
    with farming(settings_for(tmp_path)) as running:
        bad = address(running, TWO).removeprefix("socket://").split(":")
        with opened(address(running)) as client:
            offered(client)
            for data in (b"\xff" * 70_000, b"AT+QIOT", b"\r\n" * 5000, b'AT+QIOTMCUVER="' * 999):
                with closing(socket.create_connection((bad[0], int(bad[1])))) as one:
                    with suppress(OSError):
                        one.sendall(data)
                    client.ask("AT")
            with closing(socket.create_connection((bad[0], int(bad[1])))) as deaf:
                deaf.setblocking(False)
                with suppress(OSError):
                    while True:  # asks and never reads, until nothing goes any more
                        deaf.send(b"AT+QIOTINFO?\r\n" * 100)
                client.ask("AT")
        with opened(address(running, TWO)) as client:
            client.send("")  # it ends what the last one left on the line
            client.ask("AT")
        assert figures(running).failures == 0


def test_a_locked_state_file_stops_nobody(tmp_path: Path):
    settings = settings_for(tmp_path)
    with farming(settings) as running, opened(address(running)) as client:
        offered(client)
        with closing(sqlite3.connect(settings.db, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            client.ask("AT+QIOTUPDATE=1")
            client.until(b"7,10703")
            client.ask("AT+QIOTUPDATE=3")
            client.ask('AT+QIOTMCUVER="STM32","2.0.0"')
            client.until(b"7,10705")
            assert logged(settings, ONE) == ["plan received"]
            other.execute("ROLLBACK")
        until(lambda: logged(settings, ONE)[-1] == "success")


def test_a_module_that_cannot_be_made_is_told_once_and_stops_no_other(tmp_path: Path, caplog):
    settings = settings_for(tmp_path)
    settings.folder.mkdir()
    (settings.folder / f"{ONE}.module.json").write_text("{")
    with farming(settings) as running:
        for _ in range(3):
            with opened(address(running)) as client, pytest.raises((AssertionError, OSError)):
                client.ask("AT")
        with opened(address(running, TWO)) as client:
            client.ask("AT")
        assert figures(running).failures >= 3
    assert caplog.text.count("is no readable state file") == 1
    assert (settings.folder / f"{ONE}.module.json").read_text() == "{"


def test_a_module_that_is_unplugged_is_not_there_any_more(tmp_path: Path):
    settings = settings_for(tmp_path, faults=("unplug@2",))
    with farming(settings) as running:
        with opened(address(running)) as client:
            client.ask("AT")
            client.send("AT")
            until(lambda: ONE not in running.ask(lambda farm: farm.addresses()))
        with opened(address(running, TWO)) as client:
            client.ask("AT")


def test_faults_with_a_rate_strike_each_device_at_other_places(tmp_path: Path):
    def drawn(farm) -> list[list[int]]:
        made = [farm._making(device).faults for device in (ONE, TWO, ONE)]
        return [[at for at in range(999) if at in one.drop_sent] for one in made]

    with farming(settings_for(tmp_path, faults=("drop=0.1",))) as running:
        one, two, again = running.ask(drawn)
    assert one == again != two


def test_terminals(tmp_path: Path):
    folder = tmp_path / "modules"
    settings = settings_for(tmp_path, places=f"pty:{folder}")
    for made in (folder, settings.folder):
        made.mkdir()
    (folder / "gone").symlink_to("/dev/pts/99999")  # of a server that was killed
    settings.addresses_path.write_text(json.dumps({"gone": str(folder / "gone")}))
    for _ in range(2):
        with farming(settings) as running:
            assert address(running) == str(folder / ONE)
            with opened(address(running)) as client:
                client.ask("AT")
    assert list(folder.iterdir()) == []
    assert not settings.addresses_path.exists()


def test_devices_named_like_files_of_the_farm(tmp_path: Path):
    names = ("modules", "addresses", "addresses.module", ".modules", "..", "a/b", "%2E")
    settings = settings_for(tmp_path, 1, f"pty:{tmp_path / 'modules'}")
    text = settings.file.read_text()
    devices = (f'[[devices]]\nid = "{name}"\nproduct = "p11111"\n' for name in names)
    settings.file.write_text(text.partition("[[devices]]")[0] + "".join(devices))
    for at, name in enumerate(names):
        with farming(settings) as running, opened(address(running, name)) as client:
            assert set(running.ask(lambda farm: farm.addresses())) == set(names)
            client.ask(f'AT+QIOTMCUVER="STM32","{at}"')
    kept = {name: (settings.folder / f"{safe_name(name)}.module.json") for name in names}
    for at, name in enumerate(names):
        assert f'"STM32": "{at}"' in kept[name].read_text()
    assert {*settings.folder.iterdir()} == {*kept.values()}
    assert list((tmp_path / "modules").iterdir()) == []


def test_two_servers_of_one_center(tmp_path: Path):
    with farming(settings_for(tmp_path)), pytest.raises(PortError, match="is in use"):
        Running(settings_for(tmp_path)).start()


@pytest.mark.parametrize("what", ["port taken", "range", "file", "folder", "fault"])
def test_what_cannot_be_served(tmp_path: Path, what: str):
    first = free_ports(2)
    settings = settings_for(tmp_path, places=f"tcp:{first}-{first + (what != 'range')}")
    error: type[UpdaterError] = PortError
    with socket.create_server(("127.0.0.1", first + 1 if what == "port taken" else 0)):
        if what == "range":
            error = UsageError
        elif what == "file":
            settings.file.write_text("products = 1")
            error = UpdaterError
        elif what == "folder":
            settings.folder.touch()
        elif what == "fault":
            error = UsageError
            settings = settings_for(tmp_path, faults=("nonsense",))
        with pytest.raises(error):
            Running(settings).start()
    assert not settings.db.exists() or what == "port taken"
