"""The stream of events: what others write comes to every listener, once, in order."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from mcu_updater.cloud.center.store import LogLine, Store
from mcu_updater.console import feed as feed_module
from mcu_updater.console import look as look_module
from mcu_updater.console.api import events as events_module
from mcu_updater.console.api.events import EventStream, Position, Wanted, events, position_of
from mcu_updater.console.app import Console
from mcu_updater.console.feed import Feed
from mcu_updater.console.look import Look
from mcu_updater.console.problems import Problem

ALL = Wanted(None, None)
QUICK_S = 0.02


@dataclass
class Event:
    kind: str
    id: str
    data: dict[str, Any]


def parsed(data: bytes) -> list[Event]:
    """As a browser does."""
    found = []
    for block in data.decode().split("\n\n"):
        lines = [line.partition(": ")[::2] for line in block.split("\n") if line]
        fields = {name: value for name, value in lines if name in ("event", "id", "data")}
        if "data" in fields:
            kind = fields.get("event", "message")
            found.append(Event(kind, fields.get("id", ""), json.loads(fields["data"])))
    return found


def write(console: Console, *texts: str, device: str = "pump-001") -> None:
    """As another process does: on a connection of its own."""
    with closing(Store.open(console.db)) as store, store.transaction():
        for text in texts:
            store.add_log(LogLine(1.0, device, "spring", "STM32", text))


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "PER_SECOND", 1 / QUICK_S)


async def until(stream: AsyncIterator[bytes], count: int, kind: str = "log") -> list[Event]:
    """The next *count* events of that kind."""
    found: list[Event] = []
    async with asyncio.timeout(20):
        async for data in stream:
            found += [event for event in parsed(data) if event.kind == kind]
            if len(found) >= count:
                return found
    raise AssertionError(f"the stream ended after {found}")


def run(work: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(work(), 30))


def texts_of(found: list[Event]) -> list[str]:
    return [event.data["text"] for event in found]


@pytest.mark.parametrize("kept", [1, 4096])
def test_lines_come_from_now_on_with_ids_that_grow(
    console: Console, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    monkeypatch.setattr(feed_module, "KEPT", kept)
    monkeypatch.setattr(look_module, "_STATES_EVERY", 10**9)  # changes alone let it look
    console.store().close()
    write(console, "old")

    async def work() -> None:
        feed = Feed(console)
        async with aclosing(events(feed, None, ALL)) as stream:
            (plans,) = await until(stream, 1, "plans")
            assert plans.data == {"plans": {"spring": "active", "summer": "saved"}}
            write(console, "one", "two")
            found = await until(stream, 2)
            write(console, "three")
            found += await until(stream, 1)
        assert texts_of(found) == ["one", "two", "three"]
        epochs, numbers = zip(*(event.id.split("-") for event in found), strict=True)
        assert set(epochs) == {feed_epoch(console)}
        assert [int(number) for number in numbers] == [2, 3, 4]
        assert found[0].data == {
            "number": 2,
            "at_s": 1.0,
            "device": "pump-001",
            "plan": "spring",
            "component": "STM32",
            "text": "one",
        }

    run(work)


def feed_epoch(console: Console) -> str:
    with closing(Store.open(console.db)) as store:
        (made_at_s,) = next(iter(store.read("SELECT created_at_s FROM center", {})))
    return f"{round(1000 * made_at_s):x}"


@pytest.mark.parametrize("kept", [1, 7, 4096])
def test_a_client_that_comes_again_misses_nothing_and_gets_nothing_twice(
    console: Console, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    """At any line, while others write: also where it is far behind what is kept in memory."""
    monkeypatch.setattr(feed_module, "KEPT", kept)
    console.store().close()
    expected = [str(number) for number in range(60)]

    async def writing() -> None:
        for at in range(0, 60, 3):
            await asyncio.to_thread(write, console, *expected[at : at + 3])
            await asyncio.sleep(QUICK_S / 3)

    async def work() -> None:
        feed = Feed(console)
        writer = asyncio.create_task(writing())
        got: list[Event] = []
        position: Position | None = Position("", 0)
        while len(got) < 60:
            async with aclosing(events(feed, position, ALL)) as stream:
                got += await until(stream, 1)
            position = position_of(got[-1].id, "")
        await writer
        assert texts_of(got) == expected

    run(work)


def test_many_listeners_are_served_by_one_look(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0
    original = Look.again

    def counted(self: Any, *args: Any) -> Any:
        nonlocal looks
        looks += 1
        return original(self, *args)

    monkeypatch.setattr(Look, "again", counted)
    monkeypatch.setattr(feed_module, "PER_SECOND", 5)

    async def listen(feed: Feed) -> list[str]:
        async with aclosing(events(feed, Position("", 0), ALL)) as stream:
            return texts_of(await until(stream, 20))

    async def work() -> None:
        feed = Feed(console)
        console.store().close()
        listeners = [asyncio.create_task(listen(feed)) for _ in range(100)]
        for number in range(20):
            await asyncio.to_thread(write, console, str(number))
        assert all(
            found == [str(n) for n in range(20)] for found in await asyncio.gather(*listeners)
        )

    run(work)
    assert 1 <= looks <= 20


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Wanted("a", None), ["1", "3"]),
        (Wanted(None, "spring"), ["1", "2", "3"]),
        (Wanted("a", "summer"), []),
    ],
)
def test_lines_of_one_device_or_plan(console: Console, wanted: Wanted, expected: list[str]) -> None:
    console.store().close()
    for device, text in (("a", "1"), ("b", "2"), ("a", "3")):
        write(console, text, device=device)

    async def work() -> None:
        feed = Feed(console)
        found: list[str] = []
        async with aclosing(events(feed, Position("", 0), wanted)) as stream:
            async for data in stream:
                found += texts_of([event for event in parsed(data) if event.kind == "log"])
                if len(found) >= len(expected) and feed.seen.last == 3:
                    feed.close()
        assert found == expected

    run(work)


def test_states_and_the_center_file_are_told_when_they_change(
    client: TestClient, console: Console
) -> None:
    async def work() -> None:
        feed = Feed(console)
        async with aclosing(events(feed, None, ALL)) as stream:
            (before,) = await until(stream, 1, "center")
            client.post("/api/plans/summer/actions", json={"action": "activate"})
            (plans,) = await until(stream, 1, "plans")
            assert plans.data["plans"]["summer"] == "active"
            text = console.file.path.read_text()
            console.file.path.write_text(text.replace("Pump", "Pumps"))
            (after,) = await until(stream, 1, "center")
            assert after.data["revision"] != before.data["revision"]
            console.file.path.write_text("[[")
            (bad,) = await until(stream, 1, "center")
            assert (bad.data["revision"], "TOML" in bad.data["fault"]) == (
                after.data["revision"],
                True,
            )

    run(work)


def test_another_state_file_in_its_place_is_told_and_read_from_its_begin(
    console: Console, tmp_path: Path
) -> None:
    console.store().close()

    async def work() -> None:
        feed = Feed(console)
        async with aclosing(events(feed, Position("", 0), ALL)) as stream:
            await until(stream, 1, "plans")
            write(console, "kept in memory")
            assert texts_of(await until(stream, 1)) == ["kept in memory"]
            await asyncio.sleep(0.01)  # another millisecond: another epoch
            other = Store.create(tmp_path / "other.db", "", simulated=False, now_s=2.0)
            with closing(other), other.transaction():
                for text in ("new", "newer", "newest"):
                    other.add_log(LogLine(2.0, "pump-001", "spring", "STM32", text))
            for suffix in ("-wal", "-shm"):
                console.db.with_name(console.db.name + suffix).unlink(missing_ok=True)
            (tmp_path / "other.db").replace(console.db)
            found: list[Event] = []
            async for data in stream:
                found += [event for event in parsed(data) if event.kind in ("reset", "log")]
                if len(found) >= 4:
                    break
        assert [event.kind for event in found] == ["reset", "log", "log", "log"]
        assert texts_of(found[1:]) == ["new", "newer", "newest"]

    run(work)


def test_a_state_file_that_cannot_be_read_is_told_and_so_is_its_return(console: Console) -> None:
    console.store().close()
    good = console.db.read_bytes()

    async def work() -> None:
        feed = Feed(console)
        async with aclosing(events(feed, None, ALL)) as stream:
            await until(stream, 1, "plans")
            other = console.db.with_name("bad")
            other.write_bytes(b"no database" * 1000)
            other.replace(console.db)
            (problem,) = await until(stream, 1, "problem")
            assert "state file" in problem.data["detail"]
            other.write_bytes(good)
            other.replace(console.db)
            (problem,) = await until(stream, 1, "problem")
            assert problem.data == {"detail": None}

    run(work)


def test_a_silent_stream_has_heartbeats(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events_module, "HEARTBEAT_S", 0.05)

    async def work() -> None:
        async with aclosing(events(Feed(console), None, ALL)) as stream:
            async for data in stream:
                if data == b":\n\n":
                    return

    run(work)


@pytest.mark.parametrize("text", ["1", "x", "-1", "abc-", "ABC-1", "0-0-0", "9" * 40, "a-1\n", "é"])
def test_an_id_that_is_none(client: TestClient, text: str) -> None:
    with pytest.raises(Problem, match="is no id of an event"):
        position_of(text, "header, Last-Event-ID")
    answer = client.get("/api/events", params={"after": text})
    assert answer.status_code == 422
    header = {"Last-Event-ID": text.strip().encode("latin-1")}
    if "\n" not in text:
        assert client.get("/api/events", headers=header).status_code == 422


def test_who_has_left_leaves_nothing_behind(console: Console) -> None:
    """Fifty come and go at once, in the middle of what is sent; then nobody looks any more."""
    console.store().close()
    write(console, *map(str, range(2000)))

    async def one(feed: Feed, at: int) -> None:
        left = asyncio.Event()
        sent = 0

        async def receive() -> dict[str, Any]:
            await left.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            nonlocal sent
            sent += 1
            if sent > at % 4:
                left.set()
                await asyncio.sleep(3600)

        stream = EventStream(feed, Position("", 0), ALL)
        await stream({"type": "http", "method": "GET"}, receive, send)

    async def work() -> None:
        feed = Feed(console)
        before, files = asyncio.all_tasks(), open_files()
        await asyncio.gather(*(one(feed, at) for at in range(50)))
        await asyncio.sleep(0.1)
        assert asyncio.all_tasks() == before
        assert open_files() == files

    run(work)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_long_log_is_sent_in_pieces(console: Console) -> None:
    """Of a client that does not read, the server holds one piece alone."""
    console.store().close()
    write(console, *[f"{number:0200}" for number in range(500)])

    async def work() -> None:
        sizes, found = [], []
        async with aclosing(events(Feed(console), Position("", 0), ALL)) as stream:
            async for data in stream:
                sizes.append(len(data))
                found += [event for event in parsed(data) if event.kind == "log"]
                if len(found) == 500:
                    break
        assert [int(text) for text in texts_of(found)] == list(range(500))
        assert max(sizes) < 20_000

    run(work)
