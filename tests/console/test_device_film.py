"""The device behind the row: films of fleets and of board files, and why there is none."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from flash_emulator import CutAt, Outcome, PowerLoss, load_part
from mcu_updater.board import Board
from mcu_updater.board.file import save_board
from mcu_updater.cloud.center.device_session import state_path
from mcu_updater.cloud.center.followed import FollowedFile
from mcu_updater.cloud.center.load import read_center
from mcu_updater.cloud.center.store import Store
from mcu_updater.console import device_film
from mcu_updater.console.app import Console
from mcu_updater.console.device_film import DeviceFilms, board_file, film_of
from mcu_updater.fleet.fault_plan import FleetSettings
from mcu_updater.fleet.fleet import run_fleet, with_devices
from mcu_updater.fleet.recording import record_again
from mcu_updater.storage import hold, holder_of
from tests.cloud.center.centers import EXAMPLE
from tests.console.consoles import client_of, console_of, write_center
from tests.flash_emulator.player.films import signs_of
from tests.places import FIXTURES

ODD = "<script>pump</script>"


def run_site(folder: Path) -> Path:
    """The file of a center in *folder*, whose fleet of two has run with cuts and ended."""
    path = folder / "center.toml"
    text = EXAMPLE.read_text(encoding="utf-8").replace("../../fixtures/", "")
    path.write_text(text, encoding="utf-8")
    shutil.copy(FIXTURES / "fixture-2.0.0.s19", folder)
    settings = FleetSettings(seed=11, cuts=4)
    list(run_fleet(with_devices(read_center(path), 2), state_path(path), settings, 1, count=2))
    return path


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_site(tmp_path_factory.mktemp("ran")).parent


@pytest.fixture
def console(ran: Path, tmp_path: Path) -> Console:
    shutil.copy(ran / "center.db", tmp_path)
    return Console(FollowedFile(ran / "center.toml"), tmp_path / "center.db", None, tmp_path)


def forget(console: Console, statement: str) -> None:
    with closing(sqlite3.connect(console.db)) as db:
        db.execute(statement)
        db.commit()


@dataclass
class Counted:
    """How often a device is run again."""

    times: int = 0


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counted]:
    """In this process: another one would take its time to start."""
    counted = Counted()

    def counting(file: Any, run: Any, ending: Any, limit_s: float) -> Any:
        counted.times += 1
        assert limit_s > 0
        return record_again(file, run, ending)

    monkeypatch.setattr(device_film, "record_apart", counting)
    monkeypatch.setattr(device_film, "_FILMS", DeviceFilms())
    yield counted


def test_a_device_of_a_fleet_has_a_film_which_is_kept(console: Console, runs: Counted):
    with client_of(console) as client:
        answer = client.get("/api/devices/device-001/film")
        again = client.get("/api/devices/device-001/film")
    film = answer.json()
    assert (answer.status_code, again.json(), runs.times) == (200, film, 1)
    assert film["notes"][0].startswith("Replayed exactly")
    kinds = [frame[2] for frame in film["frames"]]
    with closing(Store.open(console.db, read_only=True)) as store:
        ending = store.ending("device-001")
    assert ending is not None and kinds.count("cut") == ending.cuts > 0
    assert film["sections"][0]["heading"] == "Bank A"
    film_of(console, "device-002")
    assert runs.times == 2


def test_many_who_ask_at_once_wait_for_one_replay(console: Console, runs: Counted):
    films: list[dict[str, Any]] = []
    threads = [
        threading.Thread(target=lambda: films.append(film_of(console, "device-001")))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert runs.times == 1
    assert len(films) == 6 and all(film is films[0] for film in films)


def test_who_waits_for_films_takes_no_threads_from_other_pages(
    console: Console, monkeypatch: pytest.MonkeyPatch
):
    """More than a few that ask at once are told to come again."""
    begun, go_on = threading.Semaphore(0), threading.Event()

    def slow(file: Any, run: Any, ending: Any, limit_s: float) -> Any:
        begun.release()
        go_on.wait(30)
        return record_again(file, run, ending)

    monkeypatch.setattr(device_film, "record_apart", slow)
    films, found = DeviceFilms(), list[dict[str, Any]]()
    threads = [
        threading.Thread(target=lambda: found.append(films.of(console, "device-001")))
        for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    assert begun.acquire(timeout=30)
    for _ in range(200):
        if len(found) == 12:
            break
        go_on.wait(0.05)
    assert ["Films of many devices" in each["reason"] for each in found] == [True] * 12
    go_on.set()
    for thread in threads:
        thread.join(30)
    assert ["frames" in each for each in found] == [False] * 12 + [True] * 8


def test_in_a_process_of_its_own_it_is_ended_in_time(console: Console):
    found = DeviceFilms(0.001).of(console, "device-001")
    assert "the replay takes too long" in found["reason"]


def test_a_device_that_has_not_ended_yet(console: Console, runs: Counted):
    forget(console, "DELETE FROM ending WHERE device = 'device-001'")
    assert "has not ended yet" in film_of(console, "device-001")["reason"]
    assert runs.times == 0


def test_a_fleet_of_an_earlier_version(console: Console, runs: Counted):
    forget(console, "DROP TABLE fleet")
    forget(console, "PRAGMA user_version = 1")
    reason = film_of(console, "device-001")["reason"]
    assert "--replay device-001" in reason and runs.times == 0


def test_a_fleet_that_was_run_with_devices_that_are_gone(console: Console, runs: Counted):
    forget(console, "UPDATE fleet SET devices = NULL")
    assert "no such device" in film_of(console, "device-001")["reason"]
    forget(console, "UPDATE fleet SET settings = '[1]'")
    assert "cannot be run again" in film_of(console, "device-001")["reason"]
    assert runs.times == 2


def test_real_devices_cannot_be_seen(tmp_path: Path):
    console = console_of(write_center(tmp_path))
    with client_of(console) as client:
        answer = client.get("/api/devices/pump-001/film").json()
        assert "Only emulated boards can be seen" in answer["reason"]
        assert "without --boards" in answer["reason"]
        assert client.get("/api/devices/nobody/film").status_code == 404
        for odd in ("..%2F..%2Fx", "a%2Fb", "%00", ODD):
            assert client.get(f"/api/devices/{odd}/film").status_code in (400, 404)


# --- board files


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = Board.new(load_part("STM32L476xG"), "1.0.0", seed=2)
    made.device.supply = CutAt(1, Outcome.METASTABLE)
    with pytest.raises(PowerLoss):
        made.device.program(made.banks()[1].slot.address, bytes(8))
    path = tmp_path_factory.mktemp("boards") / "one.board"
    save_board(made, path)
    return path


@pytest.fixture
def beside(console: Console, board: Path) -> Path:
    """The board file of pump-001, which the fleet knows nothing of."""
    assert console.boards is not None
    return Path(shutil.copy(board, console.boards / "pump-001.board"))


def test_a_board_file_is_shown_as_it_is(console: Console, beside: Path):
    before = beside.read_bytes()
    film = film_of(console, "pump-001")
    (signs,) = signs_of(film)
    assert signs.count("!") == 1
    assert "1 units programmed" not in film["sections"][-1]["lines"][0]
    assert "bits that read one way now" in film["sections"][-1]["lines"][-1]
    assert film["sections"][-2]["lines"][0] == "bank A runs, version 1.0.0, confirmed"
    assert film["notes"][0].startswith("pump-001.board as it was written at ")
    assert len(film["notes"]) == 1
    assert beside.read_bytes() == before
    assert [each.name for each in beside.parent.iterdir() if "lock" in each.name] == []


def test_a_board_file_in_use_is_shown_and_said_to_be(console: Console, beside: Path):
    with hold(beside):
        film = film_of(console, "pump-001")
        assert "is in use by process" in film["notes"][1]
    assert holder_of(beside) is None


@pytest.mark.parametrize("content", [b"", b"PK", b"\0" * 5000, None])
def test_a_damaged_board_file_is_a_reason(console: Console, beside: Path, content: bytes | None):
    whole = beside.read_bytes()
    beside.write_bytes(whole[: len(whole) // 2] if content is None else content)
    assert "The board file cannot be shown" in film_of(console, "pump-001")["reason"]


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "..", "../one", "a/../one", "/etc/passwd", "sub/one", "a\\b", "c:one"),
        *("one\0", "x" * 300, "link", ODD, "one\n", "\udc80"),
    ],
)
def test_no_name_leads_out_of_the_folder(name: str, board: Path, tmp_path: Path):
    folder = tmp_path / "boards"
    (folder / "sub").mkdir(parents=True)
    for each in (folder / "sub" / "one.board", tmp_path / "one.board"):
        shutil.copy(board, each)
    (folder / "link.board").symlink_to(tmp_path / "one.board")
    assert board_file(folder, name) is None
    shutil.copy(board, folder / "one.board")
    assert board_file(folder, "one") == folder / "one.board"
    assert board_file(None, "one") is None


def test_the_player_is_served_and_nothing_else_of_its_package(console: Console):
    with client_of(console) as client:
        script = client.get("/static/player/player.js")
        style = client.get("/static/player/player.css")
        assert script.headers["Content-Type"].startswith("text/javascript")
        assert style.headers["Content-Type"].startswith("text/css")
        assert "flash-player" in script.text and "flash-player" in style.text
        assert script.headers["ETag"] != style.headers["ETag"]
        for name in ("page.html", "film.py", "../app.py", ""):
            assert client.get(f"/static/player/{name}").status_code == 404
