"""The JSON API: a campaign driven by a program, and everything that it may ask for wrongly."""

from __future__ import annotations

import asyncio
import contextlib
import time
import tomllib
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs

import pytest
from starlette.testclient import TestClient

from mcu_updater.cloud.center.json_form import MOST_FAULTS
from mcu_updater.cloud.single_device import ComponentState as C
from mcu_updater.console.api import bodies
from mcu_updater.console.app import Console
from mcu_updater.console.pages import posted
from tests.console.campaigns import devices_of
from tests.console.consoles import DEVICE
from tests.console.test_openapi import check

PLAN = {
    "name": "autumn",
    "product": "p1",
    "upgrades": [{"component": "STM32", "package": "pump 2.0"}],
}
NAMES = [
    "a/b",
    "100%",
    "%2F",
    "<script>alert(1)</script>",
    "é ü",
    'say "hi"',
    "a.b",
    "?q=1#f",
    "\\",
]


def center_on_disk(console: Console) -> dict[str, Any]:
    return tomllib.loads(console.file.path.read_text())


def etag(client: TestClient, address: str) -> dict[str, str]:
    return {"If-Match": client.get(address).headers["ETag"]}


# --- definitions

VALUES: dict[str, dict[str, Any]] = {
    "products": {"key": "p2", "components": [{"id": "STM32"}]},
    "packages": {"name": "other", "target": "3.0", "files": ["new.bin"]},
    "plans": PLAN,
    "devices": {"id": "valve-1", "product": "p1"},
}
CHANGED: dict[str, dict[str, Any]] = {
    "products": {"name": "Valve"},
    "packages": {"note": "slower"},
    "plans": {"rejection_minutes": 60},
    "devices": {"versions": {"STM32": "1.1"}},
}
PATHS = {"products": "{key}", "packages": "{name}", "plans": "{name}", "devices": "{id}"}


@pytest.mark.parametrize("table", VALUES)
def test_each_kind_is_made_read_changed_and_deleted(
    client: TestClient, console: Console, table: str
) -> None:
    made = client.post(f"/api/{table}", json=VALUES[table])
    assert made.status_code == 201, made.text
    check(f"/api/{table}", "post", 201, made.json())
    address = made.headers["Location"]
    path = f"/api/{table}/{PATHS[table]}"
    read = client.get(address)
    assert read.headers["ETag"] == made.headers["ETag"] == f'"{made.json()["revision"]}"'
    changed = client.put(
        address,
        json={**read.json(), **CHANGED[table]},
        headers={"If-Match": read.headers["ETag"]},
    )
    assert changed.status_code == 200, changed.text
    check(path, "put", 200, changed.json())
    (field, value), *_ = CHANGED[table].items()
    assert center_on_disk(console)[table][-1][field] == value
    late = client.delete(address, headers={"If-Match": read.headers["ETag"]})
    assert late.status_code == 412
    check(path, "delete", 412, late.json())
    gone = client.delete(address, headers={"If-Match": changed.headers["ETag"]})
    assert (gone.status_code, gone.content) == (204, b"")
    assert client.put(address, json={}, headers={"If-Match": '"0"'}).status_code == 404
    assert "# One product" in console.file.path.read_text()
    assert "# much" in console.file.path.read_text()


def test_a_conflict_shows_both_values_and_nothing_is_lost(client: TestClient) -> None:
    mine, theirs = client.get("/api/plans/summer"), client.get("/api/plans/summer")
    headers = {"If-Match": mine.headers["ETag"]}
    first = client.put(
        "/api/plans/summer", json={**theirs.json(), "mode": "confirmed"}, headers=headers
    )
    assert first.status_code == 200
    second = client.put(
        "/api/plans/summer", json={**mine.json(), "rejection_minutes": 60}, headers=headers
    )
    assert second.status_code == 412
    assert second.headers["ETag"] == first.headers["ETag"]
    problem = second.json()
    check("/api/plans/{name}", "put", 412, problem)
    assert problem["current"]["mode"] == "confirmed"
    assert problem["differences"] == [
        {"field": "mode", "there": "confirmed", "wanted": "silent"},
        {"field": "rejection_minutes", "there": 120, "wanted": 60},
    ]
    again = {"If-Match": f'"{problem["revision"]}"'}
    merged = {**problem["current"], "rejection_minutes": 60}
    assert client.put("/api/plans/summer", json=merged, headers=again).status_code == 200
    found = client.get("/api/plans/summer").json()
    assert (found["mode"], found["rejection_minutes"]) == ("confirmed", 60)


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (None, 428),
        ("", 428),
        ("*", 428),
        ('"0123456789abcdef"', 412),
        ("{etag}", 200),
        ('"0", {etag}', 200),
        ("W/{etag}", 200),
        ("é", 412),
    ],
)
def test_a_change_names_the_revision_that_it_is_of(
    client: TestClient, header: str | None, status: int
) -> None:
    read = client.get("/api/plans/summer")
    text = None if header is None else header.replace("{etag}", read.headers["ETag"])
    headers = {} if text is None else {"If-Match": text.encode("latin-1")}
    answer = client.put("/api/plans/summer", json={**read.json(), "push": False}, headers=headers)
    assert answer.status_code == status
    assert client.get("/api/plans/summer").json()["push"] is (status != 200)


@pytest.mark.parametrize("name", NAMES)
def test_any_name_may_stand_in_a_path(client: TestClient, name: str) -> None:
    made = client.post("/api/plans", json={**PLAN, "name": name})
    assert made.status_code == 201, made.text
    address = made.headers["Location"]
    assert client.get(address).json()["name"] == name
    acted = client.post(f"{address}/actions", json={"action": "activate"})
    assert acted.json()["plan"] == name
    assert client.get(f"/api/monitoring/{address.rpartition('/')[2]}").json()["name"] == name


def test_what_is_made_twice_is_a_conflict(client: TestClient) -> None:
    answer = client.post("/api/plans", json={**PLAN, "name": "summer"})
    assert answer.status_code == 409
    check("/api/plans", "post", 409, answer.json())
    assert answer.json()["current"]["name"] == "summer"


def test_a_plan_is_not_active_unless_it_says_so(client: TestClient) -> None:
    assert client.post("/api/plans", json=PLAN).json()["state"] == "saved"
    active = client.post("/api/plans", json={**PLAN, "name": "now", "active": True})
    assert active.json()["state"] == "active"


@pytest.mark.parametrize("method", ["put", "delete"])
def test_an_activated_plan_can_neither_be_edited_nor_deleted(
    client: TestClient, console: Console, method: str
) -> None:
    before = console.file.path.read_bytes()
    headers = etag(client, "/api/plans/spring")
    body = {**client.get("/api/plans/spring").json(), "push": False}
    extra = {"json": body} if method == "put" else {}
    answer = client.request(method, "/api/plans/spring", headers=headers, **extra)
    assert answer.status_code == 409
    check("/api/plans/{name}", method, 409, answer.json())
    assert "activated" in answer.json()["detail"]
    assert console.file.path.read_bytes() == before


@pytest.mark.parametrize("address", ["/api/products/p1", "/api/packages/pump%202.0"])
def test_what_is_in_use_is_not_deleted(client: TestClient, address: str) -> None:
    answer = client.delete(address, headers=etag(client, address))
    assert answer.status_code == 409
    assert "spring" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("table", "change", "where"),
    [
        ("plans", {"name": 7}, "name"),
        ("plans", {"name": ""}, "name"),
        ("plans", {"name": "x" * 101}, "name"),
        ("plans", {"product": "none"}, "product"),
        ("plans", {"upgrades": []}, "upgrades"),
        ("plans", {"upgrades": [{"component": "STM32", "package": "none"}]}, "package"),
        ("plans", {"upgrades": "STM32"}, "upgrades"),
        ("plans", {"colour": "red"}, "colour"),
        ("plans", {"begin": "soon"}, "begin"),
        ("plans", {"begin": 5}, "begin"),
        ("plans", {"timezone": "Mars/Base"}, "timezone"),
        ("plans", {"timezone": "../../etc/passwd"}, "timezone"),
        ("plans", {"timezone": "a\0b"}, "timezone"),
        ("plans", {"push_hours": [1]}, "push_hours"),
        ("plans", {"push_hours": [5, 5]}, ""),
        ("plans", {"strategy": {"retries": 101}}, "retries"),
        ("plans", {"strategy": {"retries": 10**400}}, "retries"),
        ("plans", {"strategy": {"retries": 1.0}}, "retries"),
        ("plans", {"strategy": None}, "strategy"),
        ("plans", {"whitelist": ["a b"]}, "whitelist"),
        ("plans", {"whitelist": ["a", "a"]}, "whitelist"),
        ("packages", {"files": ["../../etc/passwd.bin"]}, "files"),
        ("packages", {"files": ["/etc/passwd.bin"]}, "files"),
        ("packages", {"files": ["none.bin"]}, "files"),
        ("packages", {"files": ["a\0.bin"]}, "files"),
        ("packages", {"files": ["new.exe"]}, "files"),
        ("packages", {"files": ["x" * 5000 + ".bin"]}, "files"),
        ("packages", {"files": [None]}, "files"),
        ("packages", {"source": "3.0", "kind": "delta"}, ""),
        ("packages", {"note": "x" * 201}, "note"),
        ("devices", {"id": "a b"}, "id"),
        ("devices", {"product": "none"}, "product"),
        ("devices", {"versions": {"STM32": "é"}}, "versions"),
        ("products", {"components": []}, "components"),
        ("products", {"components": [{"id": "a:b"}]}, "id"),
        ("products", {"components": [{"id": "a"}, {"id": "a"}]}, ""),
    ],
)
def test_what_cannot_be_is_said_with_its_place_and_changes_nothing(
    shared_client: TestClient,
    shared_console: Console,
    table: str,
    change: dict[str, Any],
    where: str,
) -> None:
    before = shared_console.file.path.read_bytes()
    answer = shared_client.post(f"/api/{table}", json={**VALUES[table], **change})
    assert answer.status_code == 422, answer.text
    check(f"/api/{table}", "post", 422, answer.json())
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert any(where in fault["where"] for fault in answer.json()["faults"]), answer.json()
    assert shared_console.file.path.read_bytes() == before


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"nonsense", 400),
        (b"\xff\xfe", 400),
        (b'{"name": NaN}', 400),
        (b'{"name": Infinity}', 400),
        (b'{"name": "a", "name": "b"}', 400),
        (b'{"name": "\\ud800"}', 400),
        (b"[" * 100_000, 400),
        (b'{"name": ' + b"9" * 5000 + b"}", 400),
        (b"[]", 422),
        (b"null", 422),
        (b'"text"', 422),
        (b"{}", 422),
        (b'{"": 1}', 422),
        (b" " * (4 * 1024 * 1024 + 1), 413),
    ],
)
@pytest.mark.parametrize("address", ["/api/plans", "/api/preview", "/api/plans/spring/actions"])
def test_a_body_that_is_none(
    shared_client: TestClient, address: str, body: bytes, status: int
) -> None:
    answer = shared_client.post(address, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status, answer.text
    assert answer.json()["status"] == status


def test_too_large_a_body_of_which_nobody_said_how_large_it_is(shared_client: TestClient) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(5):
            yield b" " * 1024 * 1024

    headers = {"Content-Type": "application/json"}
    answer = shared_client.post("/api/plans", content=pieces(), headers=headers)
    assert answer.status_code == 413


@pytest.mark.parametrize(
    "kind", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "é"]
)
def test_a_body_of_another_type(shared_client: TestClient, kind: str | None) -> None:
    headers = {} if kind is None else {"Content-Type": kind.encode("latin-1")}
    answer = shared_client.post("/api/plans", content=b"{}", headers=headers)
    assert answer.status_code == 415
    assert answer.headers["Accept"] == "application/json"


@pytest.mark.parametrize(
    ("method", "address", "allowed"),
    [
        ("PATCH", "/api/plans/spring", {"GET", "HEAD", "PUT", "DELETE"}),
        ("DELETE", "/api/plans", {"GET", "HEAD", "POST"}),
        ("OPTIONS", "/api/plans", {"GET", "HEAD", "POST"}),
        ("POST", "/api/openapi.json", {"GET", "HEAD"}),
        ("PUT", "/api/events", {"GET", "HEAD"}),
    ],
)
def test_a_method_that_is_not_known_there(
    shared_client: TestClient, method: str, address: str, allowed: set[str]
) -> None:
    answer = shared_client.request(method, address)
    assert (answer.status_code, answer.json()["status"]) == (405, 405)
    assert set(answer.headers["Allow"].split(", ")) == allowed


# --- control


def test_a_campaign_is_driven_by_a_program(client: TestClient) -> None:
    assert client.post("/api/plans", json=PLAN).status_code == 201
    seen = client.post("/api/preview", json={**PLAN, "whitelist": [DEVICE]}).json()
    check("/api/preview", "post", 200, seen)
    assert seen["counts"] == {
        "due after another plan": 1,
        "the device is not on the white list": 2,
    }
    for action, state in (
        ("activate", "active"),
        ("pause", "paused"),
        ("resume", "active"),
        ("terminate", "terminated"),
    ):
        acted = client.post("/api/plans/autumn/actions", json={"action": action})
        check("/api/plans/{name}/actions", "post", 200, acted.json())
        assert acted.json()["state"] == state
    over = client.post("/api/plans/autumn/actions", json={"action": "resume"})
    assert over.status_code == 409
    assert over.json()["found"] == "resume"
    cancelled = client.post(
        f"/api/devices/{DEVICE}/actions", json={"plan": "spring", "action": "cancel"}
    )
    check("/api/devices/{id}/actions", "post", 200, cancelled.json())
    assert cancelled.json()["components"] == ["STM32"]
    twice = client.post(
        f"/api/devices/{DEVICE}/actions", json={"plan": "spring", "action": "cancel"}
    )
    assert twice.status_code == 409
    (state,) = [
        one["state"]
        for one in client.get("/api/monitoring/spring").json()["devices"]
        if one["device"] == DEVICE
    ]
    assert state == "upgrade failed"
    texts = [line["text"] for line in client.get(f"/api/devices/{DEVICE}/log").json()["log"]]
    assert texts == [
        "failed: the plan is terminated",
        "failed: cancelled by the owner",
    ]


@pytest.mark.parametrize(
    ("address", "body", "status"),
    [
        ("/api/plans/spring/actions", {"action": "explode"}, 422),
        ("/api/plans/spring/actions", {"action": ["pause"]}, 422),
        ("/api/plans/spring/actions", {"action": "pause", "force": True}, 422),
        ("/api/plans/none/actions", {"action": "pause"}, 404),
        (f"/api/devices/{DEVICE}/actions", {"action": "retry"}, 422),
        (f"/api/devices/{DEVICE}/actions", {"plan": "none", "action": "retry"}, 422),
        (f"/api/devices/{DEVICE}/actions", {"plan": "spring", "action": "retry"}, 409),
        ("/api/devices/none/actions", {"plan": "spring", "action": "retry"}, 404),
    ],
)
def test_an_action_that_is_none(
    shared_client: TestClient, address: str, body: dict[str, Any], status: int
) -> None:
    answer = shared_client.post(address, json=body)
    assert answer.status_code == status, answer.text


def test_a_member_that_stands_twice_among_many_is_found_at_once(shared_client: TestClient) -> None:
    names = [f'"{number}":0' for number in range(20_000)]
    body = "{" + ",".join([*names, names[-1]]) + "}"
    begun_s = time.process_time()
    answer = shared_client.post(
        "/api/plans", content=body, headers={"Content-Type": "application/json"}
    )
    assert time.process_time() - begun_s < 1
    assert answer.status_code == 400
    assert "'19999' stands twice" in answer.json()["detail"]


def test_of_very_many_faults_the_first_are_told_and_all_are_counted(
    shared_client: TestClient,
) -> None:
    plan = {"name": "x", "product": "p1", "whitelist": [""] * 3000, "upgrades": [{}]}
    answer = shared_client.post("/api/plans", json=plan)
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("plan: 3002 faults")
    assert len(answer.json()["faults"]) == MOST_FAULTS


def test_bodies_are_read_where_nobody_else_waits(
    shared_client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The greatest take seconds, in which the event loop must serve others."""
    in_threads: list[bool] = []

    def told(original: Callable[..., Any]) -> Callable[..., Any]:
        def read(*args: Any, **named: Any) -> Any:
            with contextlib.suppress(RuntimeError):
                asyncio.get_running_loop()
                in_threads.append(False)
                return original(*args, **named)
            in_threads.append(True)
            return original(*args, **named)

        return read

    monkeypatch.setattr(bodies, "parsed", told(bodies.parsed))
    monkeypatch.setattr(posted, "parse_qs", told(parse_qs))
    assert shared_client.post("/api/plans", json={}).status_code == 422
    assert shared_client.post("/plans/new", data={"name": ""}).status_code == 422
    assert in_threads == [True, True]


def test_a_plan_that_is_merely_saved_does_not_count_in_what_a_device_is(
    console: Console, client: TestClient
):
    with devices_of(console.file.path) as devices:
        devices.report(DEVICE, C.RECEIVED, C.CONFIRMED, C.DOWNLOADING, C.SUCCESS)
    seen = client.get(f"/api/devices/{DEVICE}").json()
    assert [(one["plan"], one["state"]) for one in seen["components"]] == [
        ("spring", "success"),
        ("summer", "plan not received"),
    ]
    assert seen["state"] == "upgraded"
    for state, some in (("upgraded", [DEVICE]), ("upgrading", [])):
        listed = client.get("/api/devices", params={"state": state}).json()
        assert [one["device"] for one in listed["devices"]] == some
