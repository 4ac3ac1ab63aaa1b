"""The console as a process: how it starts, what it refuses, and how it ends."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from mcu_updater.cloud.center.device_session import open_state
from mcu_updater.cloud.center.load import read_center
from mcu_updater.cloud.center.rules import Entry
from mcu_updater.cloud.center.store import LogLine, Store
from mcu_updater.cloud.single_device import ComponentState
from mcu_updater.console.server import Place
from mcu_updater.console.uploads import MOST
from tests.cli.command_line import run
from tests.console.consoles import CENTER, DEVICE, serving, write_center
from tests.places import ROOT

LONGEST_S = 20
SCRIPT = ROOT / "examples" / "console" / "campaign.sh"


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + LONGEST_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, int, Path]]:
    """One server for those that leave it as it is: its process, port and center file."""
    path = write_center(tmp_path_factory.mktemp("served"))
    with serving(path) as (process, url):
        yield process.pid, urlsplit(url).port or 0, path


@contextmanager
def asking(port: int) -> Iterator[http.client.HTTPConnection]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=LONGEST_S)) as connection:
        yield connection


def files_of(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def threads_of(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_at_once_also_with_streams_open(
    tmp_path: Path, number: signal.Signals
) -> None:
    with serving(write_center(tmp_path)) as (process, url):
        with connected(url) as client:
            client.sendall(b"GET /api/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            said = b""
            while b"event: plans" not in said:
                said += client.recv(4096)
            process.send_signal(number)
            assert process.wait(LONGEST_S) == 0
            while piece := client.recv(4096):
                said += piece
        assert said.endswith(b"0\r\n\r\n")
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert sorted(p.name for p in tmp_path.iterdir()) == ["center.db", "center.toml", "new.bin"]


def test_who_interrupts_twice_sees_no_traceback(tmp_path: Path) -> None:
    with serving(write_center(tmp_path)) as (process, _):
        for _ in range(2):
            process.send_signal(signal.SIGINT)
            time.sleep(0.02)
        assert process.wait(LONGEST_S) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_bodies_that_a_signal_cuts_off_leave_nothing(tmp_path: Path) -> None:
    with serving(write_center(tmp_path)) as (process, url), connected(url) as client:
        begin_upload(client)
        until(lambda: list(tmp_path.rglob("*.upload")))
        with connected(url) as other:
            other.sendall(b"POST /api/plans HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n")
            other.sendall(b"Content-Type: application/json\r\n\r\n{")
            process.send_signal(signal.SIGTERM)
            assert process.wait(LONGEST_S) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert not (tmp_path / "center.packages").exists()


def connected(url: str) -> socket.socket:
    return socket.create_connection(("127.0.0.1", urlsplit(url).port or 0))


def begin_upload(client: socket.socket) -> None:
    client.sendall(
        b"PUT /api/packages/pack/files/app.bin HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        b"Content-Length: 1000000\r\n\r\n" + bytes(300_000)
    )


def test_a_browser_that_leaves_in_the_middle_of_an_upload_leaves_nothing(
    served: tuple[int, int, Path],
) -> None:
    pid, port, path = served
    before = None
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", port)) as client:
            begin_upload(client)
            until(lambda: list(path.parent.rglob("*.upload")))
        until(lambda: not (path.parent / "center.packages").exists())
        before = before or files_of(pid)
    until(lambda: files_of(pid) <= (before or 0))


def test_fifty_streams_that_come_and_go_leave_nothing(served: tuple[int, int, Path]) -> None:
    pid, port, _ = served
    with asking(port) as connection:
        connection.request("GET", "/api/plans")
        assert connection.getresponse().read()
    until(lambda: files_of(pid) < 20)
    before, threads = files_of(pid), threads_of(pid)
    for at in range(50):
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"GET /api/events?after=0 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            if at % 3:
                assert client.recv(65536)
            if at % 3 == 2:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    until(lambda: files_of(pid) <= before)
    until(lambda: threads_of(pid) <= threads + 1)


def test_listeners_see_what_other_processes_write_while_they_do(
    served: tuple[int, int, Path],
) -> None:
    _, port, path = served
    count = 400

    def write() -> None:
        with closing(Store.open(path.with_suffix(".db"))) as store:
            for number in range(count):
                with store.transaction():
                    store.add_log(LogLine(1.0, DEVICE, "spring", "STM32", f"line {number}"))

    with socket.create_connection(("127.0.0.1", port), timeout=LONGEST_S) as client:
        client.sendall(b"GET /api/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        said = b""
        while b"event: plans" not in said:
            said += client.recv(65536)
        writer = threading.Thread(target=write)
        writer.start()
        while f'"line {count - 1}"'.encode() not in said:
            said += client.recv(65536)
        writer.join()
    numbers = [int(part.split(b'"')[0]) for part in said.split(b'"line ')[1:]]
    assert numbers == list(range(count))


def test_answers_are_not_held_back_by_nagle() -> None:
    """Head and body are written one after another: else each answer takes 40 ms."""
    with closing(Place("127.0.0.1", 0)) as place:
        assert place.socket.proto == socket.IPPROTO_TCP


@pytest.mark.judge("curl")
@pytest.mark.parametrize("succeeds", [True, False])
def test_a_campaign_is_driven_from_ci_by_curl(tmp_path: Path, succeeds: bool) -> None:
    path, image = write_center(tmp_path), tmp_path / "app.bin"
    image.write_bytes(bytes(range(256)) * 8)
    words = ["sh", str(SCRIPT), "URL", str(image), "3.0", "p1", "STM32"]
    environment = {**os.environ, "CONSOLE_WAIT_S": "0.1"}
    with serving(path) as (_, url):
        words[2] = url.rstrip("/")
        script = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment)
        with closing(Store.open(path.with_suffix(".db"))) as store:
            until(lambda: store.plan_states().get("ci 3.0") == "active" or script.poll())
            report(path, store, succeeds)
        said, _ = script.communicate(timeout=LONGEST_S)
        again = subprocess.run(words, capture_output=True, text=True, env=environment, timeout=60)
        assert (again.returncode, "is there already" in again.stdout) == (22, True)
    assert script.returncode == (0 if succeeds else 1), said
    assert ("every device runs 3.0" in said) is succeeds
    assert '"counts":{"due after another plan":3}' in said or '"counts":{"offered":3}' in said


def report(path: Path, store: Store, succeeds: bool) -> None:
    """As modules do: all but the last device succeed, and then that one, or it fails."""
    entry = Entry(confirmed_at_s=1.0)
    with store.transaction():
        for device in sorted(store.devices()):
            good = succeeds or not device.endswith("3")
            state = ComponentState.SUCCESS if good else ComponentState.FAILED
            ended = replace(entry, state=state, failures=0 if good else 9)
            store.put_entry(device, ("ci 3.0", "STM32"), ended)


def test_the_port_of_another_is_not_taken(served: tuple[int, int, Path], tmp_path: Path) -> None:
    path = write_center(tmp_path)
    result = run("center", "serve", path, "--port", served[1])
    assert result.exit_code == 4
    assert "cannot listen there" in result.output
    assert str(served[1]) in result.output


@pytest.mark.parametrize(
    "address", ["192.0.2.1", "no such host", "nowhere.invalid", "1.2.3.4.5", "é"]
)
def test_an_address_that_is_not_ours(tmp_path: Path, address: str) -> None:
    result = run("center", "serve", write_center(tmp_path), "--address", address, "--port", "0")
    assert result.exit_code == 4, result.output
    assert "cannot listen there" in result.output


@pytest.mark.parametrize("address", ["0.0.0.0", "::"])
def test_an_address_that_others_reach_needs_a_token(tmp_path: Path, address: str) -> None:
    words = ("center", "serve", write_center(tmp_path), "--port", "0", "--address", address)
    result = run(*words)
    assert result.exit_code == 2, result.output
    assert "--token-file" in result.output


def test_with_a_token_others_reach_it(tmp_path: Path) -> None:
    path, file = write_center(tmp_path), tmp_path / "token"
    words = ("--address", "0.0.0.0", "--token-file", str(file))
    with serving(path, *words) as (process, url):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        token = file.read_text().strip()
        assert parse_qs(urlsplit(url).query) == {"token": [token]}
        with asking(urlsplit(url).port or 0) as connection:
            for headers, status in (
                ({}, 401),
                ({"Authorization": f"Bearer {token}"}, 200),
                ({"Authorization": f"Bearer {token}", "Host": "center.example:8021"}, 200),
            ):
                connection.request("GET", "/api/plans", headers=headers)
                answer = connection.getresponse()
                assert (answer.status, bool(answer.read())) == (status, True)
        process.terminate()
        assert process.wait(LONGEST_S) == 0
        assert process.stderr is not None
        assert token not in process.stderr.read()


def test_localhost_and_ipv6_are_this_computer(tmp_path: Path) -> None:
    for address in ("localhost", "::1"):
        with serving(write_center(tmp_path), "--address", address) as (_, url):
            parts = urlsplit(url)
            with closing(http.client.HTTPConnection(parts.hostname or "", parts.port)) as one:
                one.request("GET", "/api/plans")
                assert one.getresponse().status == 200


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[[", "is no TOML"),
        ("", "products"),
        (CENTER.replace('["new.bin"]', '["none.bin"]'), "none.bin cannot be read"),
    ],
)
def test_a_center_file_that_is_bad_at_the_start(tmp_path: Path, text: str, expected: str) -> None:
    result = run("center", "serve", write_center(tmp_path, text), "--port", "0")
    assert (result.exit_code, expected in result.output) == (3, True), result.output
    assert not (tmp_path / "center.db").exists()


def test_a_center_file_that_contradicts_what_was_activated(tmp_path: Path) -> None:
    path = write_center(tmp_path)
    open_state(read_center(path), path.with_suffix(".db")).close()
    path.write_text(CENTER.replace('"spring"', '"autumn"'))
    result = run("center", "serve", path, "--port", "0")
    assert (result.exit_code, "activated" in result.output) == (3, True), result.output


def test_a_database_of_another_schema(tmp_path: Path) -> None:
    path = write_center(tmp_path)
    open_state(read_center(path), path.with_suffix(".db")).close()
    with closing(sqlite3.connect(path.with_suffix(".db"))) as db:
        db.execute("PRAGMA user_version = 99")
    result = run("center", "serve", path, "--port", "0")
    assert (result.exit_code, "schema 99" in result.output) == (4, True), result.output


def test_without_the_extra_it_says_what_to_install(tmp_path: Path) -> None:
    """As for who has installed nothing but the project: the libraries cannot be found."""
    code = (
        "import sys\n"
        "sys.modules |= dict.fromkeys(('starlette', 'uvicorn', 'tomlkit'))\n"
        "from mcu_updater.start import main\n"
        "main()\n"
    )
    words = ["center", "serve", str(write_center(tmp_path)), "--port", "0"]
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=LONGEST_S
    )
    assert done.returncode == 4, done.stderr
    assert "pip install 'mcu-updater[console]'" in done.stderr
    assert "starlette, uvicorn, tomlkit" in done.stderr


def test_the_browser_is_opened_where_it_is_asked_for(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {seen}\n')
    browser.chmod(0o755)
    os_environ = dict(os.environ)
    os.environ["BROWSER"] = str(browser)
    try:
        with serving(write_center(tmp_path), "--open") as (_, url):
            until(lambda: seen.exists() and seen.read_text())
            assert seen.read_text().strip() == url
    finally:
        os.environ.clear()
        os.environ.update(os_environ)


def test_pages_do_not_wait_for_uploads_that_come_slowly(served: tuple[int, int, Path]) -> None:
    _, port, path = served
    with ExitStack() as stack:
        for _ in range(45):  # more than the threads that requests share
            client = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            begin_upload(client)
        until(lambda: len(list(path.parent.rglob("*.upload"))) == MOST)
        with asking(port) as connection:
            connection.request("GET", "/api/plans")
            assert connection.getresponse().status == 200
    until(lambda: not (path.parent / "center.packages").exists())


def test_head_of_the_stream_ends(served: tuple[int, int, Path]) -> None:
    with asking(served[1]) as connection:
        for _ in range(2):
            connection.request("HEAD", "/api/events")
            answer = connection.getresponse()
            assert (answer.status, answer.read()) == (200, b"")
            assert answer.headers["Content-Type"].startswith("text/event-stream")
        connection.request("GET", "/api/plans")
        assert connection.getresponse().status == 200
