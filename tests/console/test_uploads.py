"""Uploads: kept as they come, and nothing kept of what is refused or breaks off."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from mcu_updater.cloud.center import packages
from mcu_updater.console import inspection, uploads
from mcu_updater.console.app import Console, make_app
from tests.console.test_openapi import check
from tests.places import FIXTURES

DATA = bytes(range(256)) * 40
FIELDS = {"name": "pack", "target": "3.0"}


def files_of(console: Console) -> list[str]:
    folder = console.file.path.parent
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


@pytest.fixture
def before(client: TestClient, console: Console) -> list[str]:
    client.get("/api/plans")
    return files_of(console)


def form(*parts: tuple[str, str | None, bytes], boundary: str = "XX", end: str = "--") -> bytes:
    body = b""
    for name, filename, data in parts:
        file = "" if filename is None else f'; filename="{filename}"'
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'
        body += head.encode() + data + b"\r\n"
    return body + f"--{boundary}{end}\r\n".encode()


NAME = ("name", None, b"pack")
TARGET = ("target", None, b"3.0")
HEADERS = {"Content-Type": "multipart/form-data; boundary=XX"}


def test_a_file_is_put_and_then_named(client: TestClient, console: Console) -> None:
    data = (FIXTURES / "fixture-2.0.0.s19").read_bytes()
    put = client.put("/api/packages/pack/files/app.s19", content=data)
    check("/api/packages/{name}/files/{filename}", "put", 201, put.json())
    assert put.json()["sha256"] == hashlib.sha256(data).hexdigest()
    assert put.json()["md5"] == hashlib.md5(data).hexdigest()
    assert put.json()["size"] == len(data)
    assert put.json()["image"]["format"] == "srec"
    assert put.json()["rejected"] is None
    made = client.post("/api/packages", json={**FIELDS, "files": [put.json()["path"]]})
    assert made.status_code == 201, made.text
    assert (console.file.path.parent / put.json()["path"]).read_bytes() == data
    seen = client.get("/api/packages/pack/inspection").json()
    assert seen["image"] == put.json()["image"]


def test_a_package_is_made_by_one_form(client: TestClient, console: Console) -> None:
    files = [("files", ("app.bin", DATA)), ("files", ("more.bin", DATA[::-1]))]
    made = client.post("/api/packages", data={**FIELDS, "note": "", "source": ""}, files=files)
    assert made.status_code == 201, made.text
    check("/api/packages", "post", 201, made.json())
    assert len(made.json()["files"]) == 2
    kept = [(console.file.path.parent / name).read_bytes() for name in made.json()["files"]]
    assert kept == [DATA, DATA[::-1]]
    inspected = client.get("/api/packages/pack/inspection").json()
    assert [one["size"] for one in inspected["files"]] == [len(DATA), len(DATA)]
    assert "only numbered parts" in inspected["rejected"]


@pytest.mark.parametrize("step", [1, 7, 61, 4096])
def test_a_form_is_read_however_its_bytes_are_cut(
    client: TestClient, console: Console, step: int
) -> None:
    data = b"\r\n--X\r\n--XX-\r" + DATA[:600] + b"\r\n--X"
    body = form(NAME, TARGET, ("files", "app.bin", data))

    def pieces() -> Iterator[bytes]:
        for at in range(0, len(body), step):
            yield body[at : at + step]

    made = client.post("/api/packages", content=pieces(), headers=HEADERS)
    assert made.status_code == 201, made.text
    assert (console.file.path.parent / made.json()["files"][0]).read_bytes() == data


@pytest.mark.parametrize(
    "filename",
    ["../../up.bin", "/etc/cron.d/up.bin", "..\\\\up.bin", "C:\\\\a\\\\up.bin", "a/../../../up.bin",
     ".bin", "-rf.bin", "con.bin", "up.BIN", "é ü.bin", "a" * 300 + ".bin"],
)  # fmt: skip
def test_a_file_name_leads_nowhere_else(
    client: TestClient, console: Console, filename: str, before: list[str]
) -> None:
    body = form(NAME, TARGET, ("files", filename, DATA))
    made = client.post("/api/packages", content=body, headers=HEADERS)
    assert made.status_code == 201, made.text
    (new,) = set(files_of(console)) - set(before)
    assert new == made.json()["files"][0]
    assert Path(new).parts[:2] == ("center.packages", "pack")
    assert len(Path(new).parts) == 3
    assert not Path(new).name.startswith(".")


@pytest.mark.parametrize("package", ["../..", "..%2f..%2fx", "%2fetc", ".", "%00", "a%5cb", "con"])
def test_a_package_s_name_leads_nowhere_else(
    client: TestClient, console: Console, package: str, before: list[str]
) -> None:
    answer = client.put(f"/api/packages/{package}/files/app.bin", content=DATA)
    new = set(files_of(console)) - set(before)
    assert answer.status_code == 201 or not new
    assert all(Path(name).parts[0] == "center.packages" for name in new)
    assert not list(console.file.path.parent.parent.glob("*.bin"))


@pytest.mark.parametrize(
    ("body", "status", "what"),
    [
        (form(NAME, TARGET), 422, "files"),
        (form(TARGET, ("files", "app.bin", DATA), NAME), 422, "before the files"),
        (form(NAME, ("files", "app.bin", DATA)), 422, "target"),
        (form(NAME, TARGET, ("files", "app.exe", DATA)), 422, "takes no such file"),
        (form(NAME, TARGET, ("files", "app.bin", b"")), 422, "empty"),
        (form(NAME, TARGET, ("files", "", b"")), 422, "files"),
        (form(NAME, TARGET, ("files", "", DATA)), 422, "file name"),
        (form(NAME, TARGET, ("colour", None, b"red"), ("f", "a.bin", DATA)), 422, "colour"),
        (form(NAME, TARGET, ("kind", None, b"delta"), ("f", "a.bin", DATA)), 422, "source"),
        (form(NAME, TARGET, ("note", None, b"\xff"), ("f", "a.bin", DATA)), 422, "no text"),
        (form(NAME, TARGET, ("note", None, b"x" * 70_000), ("f", "a.bin", DATA)), 413, "note"),
        (form(NAME, TARGET, *[("f", f"{n}.bin", DATA) for n in range(6)]), 422, "too many"),
        (form(NAME, TARGET, *[("x", None, b"")] * 80), 413, "too many parts"),
        (form(NAME, TARGET, ("f", "good.bin", DATA), ("f", "bad.exe", DATA)), 422, "no such file"),
        (form(("name", None, b"pump 2.0"), TARGET, ("f", "a.bin", DATA)), 409, "already"),
        (form(NAME, TARGET, ("files", "app.bin", DATA), end=""), 400, "too early"),
        (form(NAME, TARGET, ("files", "app.bin", DATA))[:-3000], 400, "too early"),
        (form(NAME, TARGET, ("files", "app.bin", DATA), boundary="YY"), 400, "no form"),
        (b"", 400, "too early"),
        (b"nonsense", 400, "no form"),
        (b"--XX\r\n\r\nno headers\r\n--XX--\r\n", 400, "Content-Disposition"),
        (b"--XX\r\nContent-Disposition: form-data\r\n\r\n1\r\n--XX--\r\n", 400, "name"),
        (b"--XX\r\n" + b"A: b\r\n" * 100 + b"\r\n\r\n--XX--\r\n", 400, "no form"),
        (b"--XX\r\nA: " + b"b" * 100_000 + b"\r\n\r\n\r\n--XX--\r\n", 400, "no form"),
    ],
    ids=range(24),
)
def test_a_form_that_cannot_be_leaves_nothing(
    shared_client: TestClient, shared_console: Console, body: bytes, status: int, what: str
) -> None:
    before = files_of(shared_console)
    text = shared_console.file.path.read_bytes()
    answer = shared_client.post("/api/packages", content=body, headers=HEADERS)
    assert (answer.status_code, what in answer.text) == (status, True), answer.text
    check("/api/packages", "post", status, answer.json())
    assert files_of(shared_console) == before
    assert shared_console.file.path.read_bytes() == text
    assert not (shared_console.file.path.parent / "center.packages").exists()


@pytest.mark.parametrize(
    "kind",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        f"multipart/form-data; boundary={'x' * 71}",
    ],
)
def test_a_form_without_a_boundary(shared_client: TestClient, kind: str) -> None:
    answer = shared_client.post("/api/packages", content=form(NAME), headers={"Content-Type": kind})
    assert answer.status_code == 400
    assert "boundary" in answer.text


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("way", ["put", "form"])
def test_too_large_a_file_ends_while_it_is_read(
    client: TestClient,
    console: Console,
    before: list[str],
    monkeypatch: pytest.MonkeyPatch,
    told: bool,
    way: str,
) -> None:
    monkeypatch.setattr(packages, "MAX_FILE_SIZE", 100_000)
    monkeypatch.setattr(uploads, "MAX_FILE_SIZE", 100_000)
    monkeypatch.setattr(uploads, "MAX_FORM", 500_000)
    sent = 0

    def pieces() -> Iterator[bytes]:
        nonlocal sent
        if way == "form":
            yield form(NAME, TARGET, ("files", "app.bin", b""), end="")[: -len("\r\n--XX\r\n")]
        for _ in range(1000):
            sent += 1000
            yield bytes(1000)

    if told:  # then nothing of it is read
        monkeypatch.setattr(uploads, "keep_upload", None)
    headers = dict(HEADERS) if way == "form" else {}
    extra: dict[str, Any] = {"headers": headers | ({"Content-Length": "1000000"} if told else {})}
    if way == "put":
        answer = client.put("/api/packages/pack/files/app.bin", content=pieces(), **extra)
    else:
        answer = client.post("/api/packages", content=pieces(), **extra)
    assert answer.status_code == 413, answer.text
    assert files_of(console) == before
    assert not (console.file.path.parent / "center.packages").exists()


def test_a_large_file_is_kept_and_not_looked_into(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspection, "MOST", len(DATA) - 1)
    put = client.put("/api/packages/pack/files/app.bin", content=DATA)
    assert put.json()["image"] is None
    assert "too large to be looked into" in put.json()["rejected"]
    assert put.json()["md5"] == hashlib.md5(DATA).hexdigest()


def test_a_form_is_not_a_file(client: TestClient) -> None:
    answer = client.put("/api/packages/p/files/a.bin", content=form(NAME), headers=HEADERS)
    assert answer.status_code == 415


def test_what_is_uploaded_again_does_not_change_what_is_there(
    client: TestClient, console: Console
) -> None:
    """An active plan may need it."""
    first = client.put("/api/packages/pack/files/app.bin", content=DATA).json()["path"]
    assert client.put("/api/packages/pack/files/app.bin", content=DATA).json()["path"] == first
    second = client.put("/api/packages/pack/files/app.bin", content=DATA[1:]).json()["path"]
    assert second != first
    assert (console.file.path.parent / first).read_bytes() == DATA


def test_who_sends_nothing_more_is_not_waited_for(
    console: Console, before: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "PATIENCE_S", 0.05)
    app = make_app(console)
    path = "/api/packages/pack/files/app.bin"
    scope = {
        "type": "http",
        "method": "PUT",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"host", b"localhost")],
    }
    sent: list[Any] = []

    async def ask() -> None:
        pieces = [{"type": "http.request", "body": DATA, "more_body": True}]

        async def receive() -> Any:
            while not pieces:
                await asyncio.sleep(1)
            return pieces.pop()

        async def send(message: Any) -> None:
            sent.append(message)

        async with app.router.lifespan_context(app):
            await asyncio.wait_for(app(scope, receive, send), 20)

    asyncio.run(ask())
    assert sent[0]["status"] == 408
    check("/api/packages/{name}/files/{filename}", "put", 408, json.loads(sent[1]["body"]))
    assert files_of(console) == before
