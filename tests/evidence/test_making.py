"""``mcu-updater evidence``: what it writes, what it asks for, and what it refuses."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import click
import pytest

from flash_emulator.evidence.names import CERTIFICATE, PACK, RECHECK
from mcu_updater.cli import evidence as cli
from mcu_updater.evidence import making
from tests.cli.command_line import run
from tests.evidence.conftest import make
from tests.evidence.packs import BAD, BOARD, PASS_PHRASE, check, write_board, write_key


@pytest.fixture
def board(tmp_path: Path) -> Path:
    return write_board(tmp_path / "board")


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch, pack: Any) -> None:
    """The search and its re-check were made before: for what has nothing to do with them."""
    made = pack("passed")
    monkeypatch.setattr(cli, "_search", lambda *given: shutil.copy(made / CERTIFICATE, given[2]))
    monkeypatch.setattr(making, "_rechecked", lambda *_: (made / RECHECK).read_bytes())


def files(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


# --- what is written


def test_two_runs_of_one_time_give_the_same_bytes(
    tmp_path, board, key, pack, quick, monkeypatch
) -> None:
    """The signature, too: Ed25519 draws no random number."""
    before = pack("incomplete")
    made = datetime.fromisoformat(json.loads((before / PACK).read_text())["created"])
    monkeypatch.setenv("SOURCE_DATE_EPOCH", str(int(made.timestamp())))
    assert make(tmp_path / "again", board, key, "--cuts", 1).exit_code == 2
    assert files(tmp_path / "again") == files(before)


def test_a_board_file_with_a_byte_order_mark(tmp_path, key, quick) -> None:
    board = write_board(tmp_path / "board", text=f"\ufeff{BOARD}")
    assert make(tmp_path / "pack", board, key, "--cuts", 1).exit_code == 2
    assert check(tmp_path / "pack", key, "--sample", 1) == 4


def test_the_time_stands_in_few_files(tmp_path, board, key, pack, stand_in, monkeypatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    assert make(tmp_path / "one", board, key).exit_code == 0
    assert json.loads((tmp_path / "one" / PACK).read_text())["created"] == "2023-11-14T22:13:20Z"
    one, other = files(tmp_path / "one"), files(pack("passed"))
    differ = {name for name in one if one[name] != other[name]}
    assert differ == {PACK, "evidence.html", "evidence.cdx.json", "statement.dsse.json"}


def test_it_says_what_it_made_and_how_to_check_it(tmp_path, board, key, stand_in) -> None:
    result = make(tmp_path / "pack", board, key)
    lines = result.stdout.splitlines()
    assert lines[0].endswith(
        "passed: all of 22 states that cuts of power can come to were booted; no finding"
    )
    assert lines[1].startswith("signed with Ed25519 key ")
    assert lines[2].startswith("python -m flash_emulator.evidence_check ")
    result = make(tmp_path / "json", board, key, "--json")
    value = json.loads(result.stdout)
    assert (value["result"], value["states"], value["ok"]) == ("passed", 22, True)


def test_a_certificate_that_exists(tmp_path, board, key, pack, quick) -> None:
    given = ("--board", board, "--key", key, "--quiet", "--certificate")
    certificate = pack("passed") / CERTIFICATE
    result = run("evidence", tmp_path / "pack", *given, certificate, "--recheck-sample", 2)
    assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / "pack" / RECHECK).read_text())["kind"] == "sample holds"
    assert check(tmp_path / "pack", key, "--sample", 1) == 0
    for other in (board, pack("failed") / CERTIFICATE):
        result = run("evidence", tmp_path / "other", *given, other)
        assert result.exit_code in (3, 7)
        assert not (tmp_path / "other").exists()
    result = run("evidence", tmp_path / "other", *given, certificate, "--cuts", 1)
    assert (result.exit_code, "--cuts" in result.stderr) == (2, True)


def test_a_re_check_that_refuses_makes_no_pack(tmp_path, board, key, pack, monkeypatch) -> None:
    made = pack("passed") / CERTIFICATE
    monkeypatch.setattr(cli, "_search", lambda *given: shutil.copy(made, given[2]))
    refused = subprocess.CompletedProcess([], 1, b"", b"after 2w: expected ...")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: refused)
    result = make(tmp_path / "pack", board, key)
    assert result.exit_code == 7
    assert "the independent re-check refuses the certificate" in result.stderr
    assert "after 2w" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["board"]


def test_a_first_boot_that_is_wrong_ends_the_search(tmp_path, key, quick) -> None:
    board = write_board(tmp_path / "board", text=BOARD.replace('wanted = "new"', 'wanted = "old"'))
    assert make(tmp_path / "pack", board, key).exit_code == 7
    assert check(tmp_path / "pack", key) == 5


# --- inputs


def test_inputs_lie_as_the_board_file_expects_them(tmp_path, key, stand_in, quick) -> None:
    board = write_board(tmp_path / "boards/one")
    (tmp_path / "build").mkdir()
    shutil.move(board.parent / "boot.elf", tmp_path / "build/boot.elf")
    board.write_text(BOARD.replace('"boot.elf"', '"../../build/boot.elf"'))
    assert make(tmp_path / "pack", board, key).exit_code == 0
    names = {name for name in files(tmp_path / "pack") if name.startswith("inputs/")}
    assert names == {"inputs/boards/one/board.toml", "inputs/build/boot.elf"}
    shutil.rmtree(tmp_path / "build")
    shutil.rmtree(tmp_path / "boards")
    assert check(tmp_path / "pack", key, "--sample", 1) == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('"boot.elf"', '"{folder}/boot.elf"'), "by its absolute path"),
        (('"boot.elf"', '"none.elf"'), "none.elf: No such file"),
        (('"boot.elf"', '"."'), "Is a directory"),
        (("part =", "parts ="), "docs/reference/board-files.md"),
        (('"boot.elf"', '"a:b.elf"'), "cannot"),
    ],
)
def test_a_board_that_no_pack_can_be_made_of(tmp_path, board, key, change, said) -> None:
    old, new = change
    board.write_text(BOARD.replace(old, new.format(folder=board.parent)))
    result = make(tmp_path / "pack", board, key)
    assert result.exit_code == 3
    assert said in result.stderr
    assert not (tmp_path / "pack").exists()


def test_a_part_file_and_an_elf_of_its_own_are_inputs(tmp_path, key, quick) -> None:
    from flash_emulator.machine.board_file import named_files, table_of

    text = BOARD.replace('"STM32L476xG"', '"parts/mine.toml"') + '[host]\nusart = "USART2"\n'
    text = text.replace('"boot.elf"\n', '"boot.elf"\nelf = "boot.debug"\n', 1)
    text += 'steps = [{file = "update.bin"}, {send = "x"}]\npython = "host.py:talk"\n'
    named = list(named_files(table_of(text, tmp_path / "board.toml")))
    assert named == ["parts/mine.toml", "boot.elf", "boot.debug", "update.bin", "host.py"]


# --- the folder


def test_what_is_there_is_left_as_it_is(tmp_path, board, key) -> None:
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack/mine.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for name in ("pack", "file", "none/pack"):
        result = make(tmp_path / name, board, key)
        assert (result.exit_code, "Traceback" in result.output) == (4, False), result.output
    assert files(tmp_path / "pack").keys() == {"mine.txt"}
    assert (tmp_path / "file").read_text() == "mine"


def test_an_empty_folder_is_filled(tmp_path, board, key, stand_in) -> None:
    (tmp_path / "pack").mkdir()
    assert make(tmp_path / "pack", board, key).exit_code == 0
    assert len(files(tmp_path / "pack")) == 10
    assert make(tmp_path / "pack", board, key).exit_code == 4


@pytest.mark.parametrize("step", ["_certify", "_describe", "_sign"])
def test_an_interrupted_run_leaves_nothing(
    tmp_path, board, key, stand_in, monkeypatch, step
) -> None:
    seen: list[set[str]] = []

    def interrupted(room: Path, *_: object) -> None:
        seen.append(set(files(room)))
        raise KeyboardInterrupt

    monkeypatch.setattr(making, step, interrupted)
    assert make(tmp_path / "pack", board, key).exit_code == 130
    assert [path.name for path in tmp_path.iterdir()] == ["board"]
    assert "statement.dsse.json" not in seen[0]


def test_a_folder_that_others_fill_meanwhile_is_not_replaced(
    tmp_path, board, key, stand_in, monkeypatch
) -> None:
    sign = making._sign

    def filled(room: Path, signer: Any) -> Any:
        (tmp_path / "pack").mkdir()
        (tmp_path / "pack/theirs").write_text("")
        return sign(room, signer)

    monkeypatch.setattr(making, "_sign", filled)
    assert make(tmp_path / "pack", board, key).exit_code == 4
    assert {path.name for path in tmp_path.iterdir()} == {"board", "pack"}
    assert files(tmp_path / "pack").keys() == {"theirs"}


# --- the key


def test_an_ecdsa_key_signs(tmp_path, board, stand_in) -> None:
    key = write_key(tmp_path / "keys", "p256")
    result = make(tmp_path / "pack", board, key)
    assert "signed with ECDSA P-256 key" in result.stdout
    assert check(tmp_path / "pack", key, "--sample", 1) == 0


def test_an_encrypted_key(tmp_path, board, stand_in, monkeypatch) -> None:
    key = write_key(tmp_path / "keys", encrypted=True)
    password = tmp_path / "password"
    result = make(tmp_path / "none", board, key)
    assert (result.exit_code, "--key-password-file" in result.stderr) == (2, True)
    for text, code in ((f"{PASS_PHRASE}\n", 0), ("wrong", 3), ("", 3)):
        password.write_text(text)
        result = make(tmp_path / f"pack {code}", board, key, "--key-password-file", password)
        assert result.exit_code == code, result.output
        assert PASS_PHRASE not in result.output
    asked: list[str] = []
    monkeypatch.setattr(cli, "_is_interactive", lambda: True)

    def prompt(text: str, **_: object) -> str:
        asked.append(text)
        return PASS_PHRASE

    monkeypatch.setattr(click, "prompt", prompt)
    assert make(tmp_path / "asked", board, key).exit_code == 0
    assert asked == [f"Pass phrase of {key}"]


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("public", "this is a public key, which cannot sign"),
        ("rsa", "a key of a kind that signs no packs"),
        ("p384", "a key of a kind that signs no packs"),
        ("openssh", "OpenSSH's own format"),
        ("text", "a file that is no PEM"),
        ("broken", "PEM that holds no private key"),
        ("empty", "a file that is no PEM"),
    ],
)
def test_a_key_that_cannot_sign(tmp_path, board, kind, said) -> None:
    file = tmp_path / "key"
    if kind in ("rsa", "p384"):
        file = write_key(tmp_path / "keys", kind)
    elif kind == "public":
        file = write_key(tmp_path / "keys").with_suffix(".pub")
    else:
        label = "OPENSSH PRIVATE KEY" if kind == "openssh" else "PRIVATE KEY"
        pem = f"-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n"
        file.write_text({"text": "secret", "empty": ""}.get(kind, pem))
    result = make(tmp_path / "pack", board, file)
    assert (result.exit_code, said in result.stderr) == (3, True), result.stderr
    assert not (tmp_path / "pack").exists()


# --- the checker is a program of its own

ALONE = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.startswith(("flash_emulator.explore", "mcu_updater")):
            raise ImportError(f"{name} is not for the checker")
sys.meta_path.insert(0, Blocked())
from flash_emulator.evidence_check.__main__ import main
code = main(sys.argv[1:])
not_its = ("flash_emulator.explore", "flash_emulator.native", "mcu_updater")
print("search:", sorted(name for name in sys.modules if name.startswith(not_its)))
sys.exit(code)
"""


def test_the_checker_runs_alone(pack, key, tmp_path) -> None:
    """In a process where search and updater cannot be imported, in an empty folder."""
    command = [
        sys.executable,
        "-c",
        ALONE,
        str(pack("passed")),
        "--key",
        str(key.with_suffix(".pub")),
    ]
    path = os.pathsep.join([str(Path(making.__file__).parents[2]), *sys.path])
    done = subprocess.run(
        [*command, "--sample", "2"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "search: []"
    assert "authentic" in done.stdout


def test_a_failed_search_is_told_with_its_first_finding(tmp_path, pack, key) -> None:
    board = write_board(tmp_path / "board", BAD)
    given = ("--board", board, "--key", key, "--quiet", "--recheck-sample", 1)
    certificate = pack("failed") / CERTIFICATE
    result = run("evidence", tmp_path / "pack", *given, "--certificate", certificate)
    assert result.exit_code == 7
    assert "the search failed; found live: " in result.stderr
    assert (tmp_path / "pack" / PACK).is_file()
