"""What somebody without the key can do to a pack: each is refused, with what differs."""

from __future__ import annotations

import base64
import json
import os
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from flash_emulator.evidence.names import BOM, CERTIFICATE, PACK, PAGE, RECHECK, STATEMENT
from flash_emulator.evidence_check import folder
from flash_emulator.evidence_check.__main__ import main
from flash_emulator.machine import subject
from flash_emulator.machine.board import Board
from flash_emulator.machine.engine_library import MissingEngine
from tests.evidence.packs import KEYS, check, payload_of, sign, write_key

SIGNATURE, FILES = 10, 11
NAMES = [
    *(PAGE, BOM, CERTIFICATE, RECHECK, PACK, "model.json", "tools.json"),
    *("inputs/board.toml", "inputs/boot.elf"),
]


@pytest.fixture
def copy(pack: Callable[[str], Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(pack("passed"), tmp_path / "pack"))


def digest(file: Path) -> str:
    return sha256(file.read_bytes()).hexdigest()


def refused(folder: Path, key: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    code = check(folder, key)
    out = capsys.readouterr().out
    assert "authentic" not in out
    return code, out


def test_all_files_are_named_here(copy: Path) -> None:
    found = {path.relative_to(copy).as_posix() for path in copy.rglob("*") if path.is_file()}
    assert found == {*NAMES, STATEMENT}


def test_nothing_was_changed(pack, key, capsys) -> None:
    assert check(pack("passed"), key, "--sample", 2, "--seed", 5) == 0
    out = capsys.readouterr().out
    assert "authentic: 10 files" in out
    assert "2 of 22 states hold, drawn with seed 5" in out
    assert "the pack says: passed" in out


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("where", ["first", "middle", "last"])
def test_a_byte_of_a_file(copy, key, capsys, name, where) -> None:
    file = copy / name
    data, before = bytearray(file.read_bytes()), digest(file)
    data[{"first": 0, "middle": len(data) // 2, "last": -1}[where]] ^= 1
    file.write_bytes(data)
    code, out = refused(copy, key, capsys)
    digests = f"expected SHA-256 {before}, found SHA-256 {digest(file)}"
    assert (code, out) == (FILES, f"refused: {name}: has other bytes: {digests}\n")


@pytest.mark.parametrize("at", range(0, 100, 9))
def test_a_byte_of_the_statement(copy, key, capsys, at) -> None:
    data = bytearray((copy / STATEMENT).read_bytes())
    data[at * len(data) // 100] ^= 1
    (copy / STATEMENT).write_bytes(data)
    code, out = refused(copy, key, capsys)
    assert code == SIGNATURE
    assert STATEMENT in out


Change = Callable[[Path], object]


def move(one: str, other: str) -> Change:
    return lambda pack: (pack / one).rename(pack / other)


def swap(one: str, other: str) -> Change:
    def swapped(pack: Path) -> None:
        move(one, "between")(pack)
        move(other, one)(pack)
        move("between", other)(pack)

    return swapped


def replace(name: str, old: str, new: str) -> Change:
    def replaced(pack: Path) -> None:
        text = (pack / name).read_text(encoding="utf-8")
        assert old in text
        (pack / name).write_text(text.replace(old, new), encoding="utf-8")

    return replaced


def remove(name: str) -> Change:
    return lambda pack: (pack / name).unlink()


def cut(name: str, size: int) -> Change:
    return lambda pack: os.truncate(pack / name, size)


def same_size(pack: Path) -> None:
    size = (pack / "inputs/boot.elf").stat().st_size
    (pack / "inputs/boot.elf").write_bytes(b"\x7fELF".ljust(size, b"\x00"))


def link_out(pack: Path) -> None:
    outside = pack.parent / "outside.elf"
    move("inputs/boot.elf", "../outside.elf")(pack)
    (pack / "inputs/boot.elf").symlink_to(outside)


def linked_folder(pack: Path) -> None:
    move("inputs", "../elsewhere")(pack)
    (pack / "inputs").symlink_to(pack.parent / "elsewhere")


FILE_CHANGES: dict[str, tuple[Change, str]] = {
    "page says failed": (replace(PAGE, "passed", "failed"), PAGE),
    "CycloneDX says failed": (replace(BOM, "passed", "failed"), BOM),
    "verdict has fewer states": (replace(RECHECK, '"states": 22', '"states": 21'), RECHECK),
    "image of the same size": (same_size, "inputs/boot.elf"),
    "certificate cut short": (cut(CERTIFICATE, 1000), CERTIFICATE),
    "board file emptied": (cut("inputs/board.toml", 0), "inputs/board.toml"),
    "input renamed": (move("inputs/boot.elf", "inputs/Boot.elf"), "inputs/Boot.elf"),
    "input moved up": (move("inputs/boot.elf", "boot.elf"), "boot.elf"),
    "two files swapped": (swap(PAGE, BOM), PAGE),
    "input and board file swapped": (swap("inputs/boot.elf", "inputs/board.toml"), "board.toml"),
    "file added": (lambda pack: (pack / "notes.txt").write_text("all is well"), "notes.txt"),
    "input added": (lambda pack: (pack / "inputs/more.bin").write_bytes(b"0"), "inputs/more.bin"),
    "hidden file added": (lambda pack: (pack / ".x").write_text(""), ".x"),
    "empty folder added": (lambda pack: (pack / "more").mkdir(), "more/"),
    "link to outside": (link_out, "symbolic link"),
    "folder that is a link": (linked_folder, "symbolic link"),
    "link to itself added": (lambda pack: (pack / "it").symlink_to("it"), "symbolic link"),
    "pipe": (lambda pack: os.mkfifo(pack / "pipe"), "no plain file"),
    **{f"{name} removed": (remove(name), f"{name}: is missing") for name in NAMES},
}


@pytest.mark.parametrize("change", FILE_CHANGES)
def test_files_that_are_not_those_that_were_signed(copy, key, capsys, change) -> None:
    act, named = FILE_CHANGES[change]
    act(copy)
    code, out = refused(copy, key, capsys)
    assert (code, named in out) == (FILES, True), out


def large(size: int) -> Change:
    """Files without blocks: they cost nothing, and whoever copied them would fill a disk."""

    def made(pack: Path) -> None:
        with (pack / "large").open("wb") as file:
            file.truncate(size)

    return made


def grown(name: str) -> Change:
    return lambda pack: os.truncate(pack / name, 1 << 42)


def many(pack: Path) -> None:
    for number in range(1100):
        (pack / f"{number}").touch()


LARGE: dict[str, tuple[Change, int, str]] = {
    "added": (large(1 << 42), FILES, "large: is not in the statement: it was added: expected no "),
    "an image": (grown("inputs/boot.elf"), FILES, "found 4,398,046,511,104 bytes"),
    "the statement": (grown(STATEMENT), SIGNATURE, "is larger than any statement"),
    "many files": (many, FILES, "holds many files that are not in the statement"),
}


@pytest.mark.parametrize("what", LARGE)
def test_no_more_is_read_than_was_signed(copy, key, capsys, what) -> None:
    act, expected, said = LARGE[what]
    act(copy)
    code, out = refused(copy, key, capsys)
    assert (code, said in out, out.count("\n")) == (expected, True, 1), out


def test_a_pipe_that_takes_the_place_of_a_file_meanwhile(copy, key, capsys, monkeypatch) -> None:
    """Between the look at the folder and the file that is opened; nobody waits for it."""
    look = folder._files

    def swapped(pack: Path, prefix: str) -> Any:
        yield from look(pack, prefix)
        (copy / PAGE).unlink()
        os.mkfifo(copy / PAGE)

    monkeypatch.setattr(folder, "_files", swapped)
    monkeypatch.setattr(folder, "_check_kind", late(folder._check_kind))
    code, out = refused(copy, key, capsys)
    assert (code, f"{PAGE}: is no plain file" in out) == (FILES, True), out


def late(check: Callable[[str, int], None]) -> Callable[[str, int], None]:
    """The first look at the page finds what was there before."""
    looks: list[str] = []

    def checked(name: str, mode: int) -> None:
        looks.append(name)
        if name != PAGE or looks.count(PAGE) > 2:
            check(name, mode)

    return checked


def deep(pack: Path) -> None:
    (pack / "/".join("d" * 45)).mkdir(parents=True)
    (pack / "/".join("d" * 45) / "file").write_text("")


NAMES_OF_FILES: dict[str, tuple[Change, str]] = {
    "a line end": (lambda pack: (pack / "a\nok").write_text(""), r"refused: a\nok: "),
    "no UTF-8": (lambda pack: (pack / os.fsdecode(b"\xff")).write_text(""), r"\udcff: "),
    "colours": (lambda pack: (pack / "\x1b[32mok").write_text(""), r"\x1b[32mok: "),
    "folders in folders": (deep, "lies too deep"),
}


@pytest.mark.parametrize("name", NAMES_OF_FILES)
def test_names_that_a_terminal_would_take_for_something_else(copy, key, capsys, name) -> None:
    act, said = NAMES_OF_FILES[name]
    act(copy)
    code, out = refused(copy, key, capsys)
    assert (code, said in out, out.count("\n")) == (FILES, True, 1), out


def test_a_machine_without_the_engine_is_no_fault_of_the_pack(
    copy, key, capsys, monkeypatch
) -> None:
    def missing(self: object) -> None:
        raise MissingEngine("no engine")

    monkeypatch.setattr(Board, "machine", missing)
    monkeypatch.setattr(subject, "_idle", {})
    assert check(copy, key) == 2
    assert "cannot be run again here: no engine" in capsys.readouterr().err


def test_all_that_differs_is_said_at_once(copy, key, capsys) -> None:
    (copy / PAGE).unlink()
    (copy / "notes.txt").write_text("")
    (copy / RECHECK).write_text("{}")
    code, out = refused(copy, key, capsys)
    assert (code, out.count("refused: ")) == (FILES, 3)


def test_files_of_another_pack(copy, pack, key, capsys) -> None:
    """Signed by the same key: each file must be of this one."""
    other = pack("failed")
    shutil.copy(other / CERTIFICATE, copy / CERTIFICATE)
    code, out = refused(copy, key, capsys)
    assert (code, CERTIFICATE in out) == (FILES, True)
    shutil.copy(other / STATEMENT, copy / STATEMENT)
    code, out = refused(copy, key, capsys)
    assert (code, "inputs/boot.elf: has other bytes" in out) == (FILES, True)


def envelope(pack: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((pack / STATEMENT).read_text())
    return value


def write_envelope(pack: Path, value: dict[str, Any], **how: object) -> None:
    text = json.dumps(value, **{"indent": 2, **how}) + "\n"  # type: ignore[arg-type]
    (pack / STATEMENT).write_text(text)


def other_signature(pack: Path) -> None:
    value = envelope(pack)
    value["signatures"][0]["sig"] = base64.b64encode(bytes(64)).decode()
    write_envelope(pack, value)


def two_signatures(pack: Path) -> None:
    value = envelope(pack)
    value["signatures"] *= 2
    write_envelope(pack, value)


def no_signature(pack: Path) -> None:
    write_envelope(pack, {**envelope(pack), "signatures": []})


def payload_changed(pack: Path) -> None:
    value = envelope(pack)
    payload = base64.b64decode(value["payload"]).replace(b"PASSED", b"FAILED")
    write_envelope(pack, {**value, "payload": base64.b64encode(payload).decode()})


def twice(pack: Path) -> None:
    """The first of two fields is the one that was signed."""
    text = (pack / STATEMENT).read_text()
    (pack / STATEMENT).write_text(text.replace("{\n", '{\n  "payload": "e30=",\n', 1))


ENVELOPES: dict[str, Change] = {
    "another signature": other_signature,
    "two signatures": two_signatures,
    "no signature": no_signature,
    "another payload": payload_changed,
    "another type": lambda p: write_envelope(p, {**envelope(p), "payloadType": "text/plain"}),
    "a field more": lambda p: write_envelope(p, {**envelope(p), "more": 1}),
    "a field twice": twice,
    "other white space": lambda p: write_envelope(p, envelope(p), indent=None),
    "no envelope": lambda p: (p / STATEMENT).write_text("[]\n"),
    "no text": lambda p: (p / STATEMENT).write_bytes(bytes(range(256))),
    "deeply nested": lambda p: (p / STATEMENT).write_text("[" * 100_000),
    "empty": lambda p: (p / STATEMENT).write_text(""),
    "removed": lambda p: (p / STATEMENT).unlink(),
}


@pytest.mark.parametrize("change", ENVELOPES)
def test_an_envelope_that_was_not_signed_so(copy, key, capsys, change) -> None:
    ENVELOPES[change](copy)
    code, out = refused(copy, key, capsys)
    assert (code, STATEMENT in out) == (SIGNATURE, True), out


def test_another_key(copy, key, tmp_path, capsys) -> None:
    other = write_key(tmp_path / "other")
    assert check(copy, other) == SIGNATURE
    assert "signed with another key than the one given: expected key" in capsys.readouterr().out
    sign(copy, other, payload_of(copy))
    assert check(copy, key) == SIGNATURE


def test_another_key_that_calls_itself_by_the_name_of_the_right_one(copy, key, tmp_path) -> None:
    value = envelope(copy)
    keyid = value["signatures"][0]["keyid"]
    sign(copy, write_key(tmp_path / "other"), payload_of(copy))
    value = envelope(copy)
    value["signatures"][0]["keyid"] = keyid
    write_envelope(copy, value)
    assert check(copy, key) == SIGNATURE


def test_an_archive_of_the_pack_and_what_is_no_folder(copy, key, tmp_path, capsys) -> None:
    archive = Path(shutil.make_archive(str(tmp_path / "pack"), "zip", copy))
    code, out = refused(archive, key, capsys)
    assert (code, "unpack it first" in out) == (FILES, True)
    for other in (tmp_path / "none", tmp_path / "link"):
        (tmp_path / "link").unlink(missing_ok=True)
        (tmp_path / "link").symlink_to(copy)
        assert refused(other, key, capsys)[0] == FILES


# --- the key


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("ed25519.pem", "a private key"),
        ("p384.pub", "a key of another kind: ECPublicKey on secp384r1"),
        ("rsa.pub", "a key of another kind: RSAPublicKey"),
        ("text", "no PEM"),
        ("broken.pub", "PEM that holds no public key"),
        ("missing.pub", "No such file"),
    ],
)
def test_a_key_that_cannot_verify(copy, tmp_path, capsys, name, found) -> None:
    if (kind := name.partition(".")[0]) in KEYS:
        write_key(tmp_path, kind)
    (tmp_path / "text").write_text("key")
    (tmp_path / "broken.pub").write_text(
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"
    )
    assert main([str(copy), "--key", str(tmp_path / name)]) == 2
    assert found in capsys.readouterr().err


@pytest.mark.parametrize("sample", ["0", "-1", "x", "1.5", ""])
def test_a_sample_that_cannot_be(copy, key, capsys, sample) -> None:
    with pytest.raises(SystemExit) as stop:
        check(copy, key, "--sample", sample)
    assert stop.value.code == 2
