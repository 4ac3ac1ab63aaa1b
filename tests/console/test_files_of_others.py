"""A center file and a state file that others change while the console works on them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from mcu_updater.cloud.center.store import Store
from mcu_updater.console import console as console_module
from mcu_updater.console.app import Console
from tests.console.consoles import client_of, console_of, write_center
from tests.console.test_api import PLAN, etag


def test_what_is_changed_by_hand_is_seen_by_the_next_request(
    client: TestClient, console: Console
) -> None:
    text = console.file.path.read_text()
    console.file.path.write_text(text.replace('name = "summer"', 'name = "winter"'))
    names = [plan["name"] for plan in client.get("/api/plans").json()["plans"]]
    assert names == ["spring", "winter"]
    assert set(client.get("/api/plans").json()["plans"][1]) >= {"state", "revision"}


def test_a_file_that_is_broken_by_hand_is_not_edited(client: TestClient, console: Console) -> None:
    headers = etag(client, "/api/plans/summer")
    console.file.path.write_text("[[plans]\n")
    assert client.get("/api/plans").status_code == 200
    answer = client.delete("/api/plans/summer", headers=headers)
    assert answer.status_code == 422
    assert "TOML" in answer.json()["detail"]
    assert console.file.path.read_text() == "[[plans]\n"


@pytest.mark.parametrize("change", ["edited", "deleted", "package"])
def test_a_file_that_contradicts_what_was_activated_is_not_followed(
    client: TestClient, console: Console, change: str
) -> None:
    text, package = console.file.path.read_text(), console.file.path.with_name("new.bin")
    image = package.read_bytes()
    assert client.get("/api/plans").status_code == 200
    if change == "edited":
        console.file.path.write_text(
            text.replace('name = "spring"', 'name = "spring"\npush = false')
        )
    elif change == "deleted":
        console.file.path.write_text(text.replace('name = "spring"', 'name = "winter"'))
    else:
        package.write_bytes(image + b"1")
    assert client.get("/api/plans").json()["plans"][0]["push"] is True
    assert client.get("/api/monitoring/spring").json()["state"] == "active"
    assert console.file.fault is not None
    assert "has been activated" in str(console.file.fault)
    answer = client.post("/api/plans", json=PLAN)
    assert answer.status_code == 422
    assert "has been activated" in answer.text
    console.file.path.write_text(text)
    package.write_bytes(image)
    assert client.get("/api/plans").status_code == 200
    assert console.file.fault is None
    assert client.post("/api/plans", json=PLAN).status_code == 201


def test_a_database_that_somebody_holds_is_said_and_may_be_tried_again(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console_module, "BUSY_S", 0.1)
    console.store().close()
    db = sqlite3.connect(console.db, isolation_level=None)
    with client_of(console) as client, closing(db) as other:
        other.execute("BEGIN IMMEDIATE")
        assert client.get("/api/monitoring").status_code == 200
        answer = client.post("/api/plans/spring/actions", json={"action": "pause"})
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "1"
        assert answer.json()["busy"] is True
        other.execute("ROLLBACK")
        assert client.post("/api/plans/spring/actions", json={"action": "pause"}).status_code == 200


@pytest.mark.parametrize("content", [b"", b"no database at all" * 100])
def test_a_database_that_is_none(client: TestClient, console: Console, content: bytes) -> None:
    assert client.get("/api/monitoring").status_code == 200
    for name in ("", "-wal", "-shm"):
        console.db.with_name(console.db.name + name).unlink(missing_ok=True)
    console.db.write_bytes(content)
    answer = client.get("/api/monitoring")
    assert answer.status_code == 503
    assert "state file" in answer.json()["detail"]
    assert "Retry-After" not in answer.headers
    assert console.db.read_bytes() == content


def test_a_database_that_is_gone_is_made_again(client: TestClient, console: Console) -> None:
    client.post("/api/plans/summer/actions", json={"action": "activate"})
    for name in ("", "-wal", "-shm"):
        console.db.with_name(console.db.name + name).unlink(missing_ok=True)
    assert client.get("/api/plans").json()["plans"][1]["state"] == "saved"
    with closing(Store.open(console.db)) as store:
        assert list(store.plan_states()) == ["spring", "summer"]


def test_a_page_that_is_none_is_a_page(tmp_path: Path) -> None:
    with client_of(console_of(write_center(tmp_path))) as client:
        answer = client.get("/none/<script>")
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "<script>" not in answer.text
