"""What whoever holds the key could do: sign a pack whose files contradict each other, or lie alike.

Every digest is right here, and so is the signature.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from elftools.elf.elffile import ELFFile

from flash_emulator.evidence.names import (
    BOM,
    CERTIFICATE,
    MODEL,
    PACK,
    PAGE,
    RECHECK,
    STATEMENT,
    TOOLS,
)
from mcu_updater.evidence.making import _sign
from tests.evidence.conftest import make
from tests.evidence.packs import (
    BOARD,
    change_certificate,
    change_json,
    check,
    payload_of,
    sign,
    sign_again,
    signer_of,
    write_board,
)

CONTENTS, RERUN = 12, 13


@pytest.fixture
def copy_of(pack: Callable[[str], Path], tmp_path: Path) -> Callable[[str], Path]:
    return lambda kind: Path(shutil.copytree(pack(kind), tmp_path / kind))


def refused(folder: Path, key: Path, capsys: pytest.CaptureFixture[str], code: int) -> str:
    found = check(folder, key, "--sample", 3)
    out = capsys.readouterr().out
    assert (found, "authentic" in out) == (code, False), out
    return out


def replace(name: str, old: str, new: str) -> Callable[[Path], object]:
    def replaced(pack: Path) -> None:
        text = (pack / name).read_text(encoding="utf-8")
        assert old in text
        (pack / name).write_text(text.replace(old, new), encoding="utf-8")

    return replaced


def in_json(name: str, change: Callable[[Any], object]) -> Callable[[Path], object]:
    return lambda pack: change_json(pack / name, change)


def is_a_pass(value: Any) -> None:
    value["violations"] = 0
    value["first violations"] = []


def claims(value: Any) -> None:
    for attestation in value["declarations"]["attestations"]:
        for each in attestation["map"]:
            if "counterClaims" in each:
                each["claims"] = each.pop("counterClaims")


def scored(value: Any) -> None:
    for attestation in value["declarations"]["attestations"]:
        for each in attestation["map"]:
            each["conformance"]["score"] = 1.0


def another_instruction(file: Path) -> None:
    with file.open("r+b") as elf:
        code = next(ELFFile(elf).iter_segments("PT_LOAD"))
        elf.seek(code["p_offset"] + code["p_filesz"] - 1)
        elf.write(b"\xbe")


LIES: dict[str, tuple[str, str, Callable[[Path], object]]] = {
    "page: passed": ("failed", PAGE, replace(PAGE, "failed:", "passed:")),
    "page: conforms": ("passed", PAGE, replace(PAGE, "no finding", "conforms to UN R156")),
    "page: one finding less": (
        *("failed", PAGE),
        lambda pack: (pack / PAGE).write_text(
            re.sub(
                "<tr><th>live.*?</tr>\n", "", (pack / PAGE).read_text(), count=1, flags=re.DOTALL
            )
        ),
    ),
    "page: incomplete is passed": ("incomplete", PAGE, replace(PAGE, "incomplete:", "passed:")),
    "CycloneDX: claims for counter claims": ("failed", BOM, in_json(BOM, claims)),
    "CycloneDX: a score": ("passed", BOM, in_json(BOM, scored)),
    "CycloneDX: not in its own form": ("passed", BOM, replace(BOM, "  ", " ")),
    "verdict: no violations": ("failed", RECHECK, in_json(RECHECK, is_a_pass)),
    "verdict: of another head": (
        *("passed", RECHECK),
        in_json(RECHECK, lambda value: value.update(head="0" * 64)),
    ),
    "verdict: confirmed, of some": (
        *("passed", RECHECK),
        in_json(RECHECK, lambda value: value.update(checked=3)),
    ),
    "verdict: confirmed, of a search that was stopped": (
        *("incomplete", RECHECK),
        in_json(RECHECK, lambda value: value.update(kind="confirmed")),
    ),
    "verdict: a list": ("passed", RECHECK, lambda pack: (pack / RECHECK).write_text("[]\n")),
    "verdict: a field twice": ("passed", RECHECK, replace(RECHECK, "{\n", '{\n  "kind": "x",\n')),
    "model: a limit less": (
        *("passed", MODEL),
        in_json(MODEL, lambda value: value.pop("not modelled: MCU")),
    ),
    "model: shortened": (
        *("passed", MODEL),
        in_json(MODEL, lambda value: value["assumed by the search"].pop()),
    ),
    "tools: other sources": (
        *("passed", TOOLS),
        in_json(
            TOOLS,
            lambda value: value["program"].update({"sources of flash_emulator, SHA-256": "0" * 64}),
        ),
    ),
    "pack: another key": (
        *("passed", PACK),
        in_json(PACK, lambda value: value["signer"].update(keyid="0" * 64)),
    ),
    "pack: another version": ("passed", PACK, in_json(PACK, lambda value: value.update(version=2))),
    "pack: a sentence for a time": (
        *("passed", PACK),
        in_json(PACK, lambda value: value.update(created="2026, certified")),
    ),
    "pack: a month that is none": (
        *("passed", PACK),
        in_json(PACK, lambda value: value.update(created="2026-13-01T00:00:00Z")),
    ),
    "pack: a time of another zone": (
        *("passed", PACK),
        in_json(PACK, lambda value: value.update(created="2026-12-01T00:00:00+05:00")),
    ),
    "pack: a field more": ("passed", PACK, in_json(PACK, lambda v: v.update(certified=True))),
    "pack: true for a number": ("passed", PACK, in_json(PACK, lambda v: v.update(version=True))),
    "tools: a sentence for a version": (
        *("passed", TOOLS),
        in_json(TOOLS, lambda value: value.update(python="CPython 3.11, approved by all")),
    ),
    "tools: a field more": ("passed", TOOLS, in_json(TOOLS, lambda v: v.update(approved="by all"))),
    "tools: a package more": (
        *("passed", TOOLS),
        in_json(TOOLS, lambda value: value["packages"].update(approval="1")),
    ),
    "verdict: a field more": ("passed", RECHECK, in_json(RECHECK, lambda v: v.update(seen="all"))),
    "verdict: a sample of more than all": (
        *("failed", RECHECK),
        in_json(RECHECK, lambda value: value.update(checked=10**9)),
    ),
    "verdict: more run again than listed": (
        *("incomplete", RECHECK),
        in_json(RECHECK, lambda value: value.update(states=10**9)),
    ),
    "verdict: a number too large": (
        *("passed", RECHECK),
        in_json(RECHECK, lambda value: value.update(cuts=1e300)),
    ),
    "model: a text for a list": ("passed", MODEL, in_json(MODEL, lambda v: v.update(more="text"))),
    "pack: another board": (
        *("passed", "inputs/boot.elf"),
        in_json(PACK, lambda value: value.update(board="inputs/boot.elf")),
    ),
    "pack: a board outside": (
        *("passed", PACK),
        in_json(PACK, lambda value: value.update(board="inputs/../../board.toml")),
    ),
    "pack: a field less": ("passed", PACK, in_json(PACK, lambda value: value.pop("created"))),
    "pack: a field of another type": ("passed", PACK, in_json(PACK, lambda v: v.update(signer=1))),
    "board: asks less": (
        *("passed", CERTIFICATE),
        replace("inputs/board.toml", 'wanted = "new"\n', ""),
    ),
    "board: names a file outside": (
        *("passed", "inputs/board.toml"),
        replace("inputs/board.toml", "boot.elf", "../../boot.elf"),
    ),
    "board: names an absolute path": (
        *("passed", "inputs/board.toml"),
        replace("inputs/board.toml", "boot.elf", "/etc/hostname"),
    ),
    "board: no TOML": ("passed", "inputs/board.toml", replace("inputs/board.toml", "=", ":")),
    "image of the same size": (
        *("passed", CERTIFICATE),
        lambda pack: another_instruction(pack / "inputs/boot.elf"),
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_files_that_contradict_each_other(copy_of, key, capsys, lie) -> None:
    kind, named, change = LIES[lie]
    folder = copy_of(kind)
    change(folder)
    sign_again(folder, key)
    assert named in refused(folder, key, capsys, CONTENTS)


def changed(path: list[str | int], value: object) -> Callable[[Any], None]:
    def change(statement: Any) -> None:
        for each in path[:-1]:
            statement = statement[each]
        statement[path[-1]] = value

    return change


def two_spellings(statement: Any) -> None:
    """One letter, composed and not: one file for some systems, two for others."""
    listed = statement["predicate"]["configuration"]
    listed += [{**listed[0], "name": f"inputs/{letter}.bin"} for letter in ("\u00e9", "e\u0301")]


STATEMENTS: dict[str, tuple[str, Callable[[Any], None], str]] = {
    "PASSED": ("failed", changed(["predicate", "result"], "PASSED"), "FAILED"),
    "PASSED, of a stopped one": (
        *("incomplete", changed(["predicate", "result"], "PASSED")),
        "FAILED",
    ),
    "WARNED, told as PASSED": ("narrower", changed(["predicate", "result"], "PASSED"), "WARNED"),
    "no failed tests": ("failed", changed(["predicate", "failedTests"], []), "failedTests"),
    "a test more": ("passed", changed(["predicate", "passedTests", 0], "all laws"), "complete:"),
    "another predicate": ("passed", changed(["predicateType"], "https://x"), "its types are"),
    "no subject": ("passed", changed(["subject"], None), "no statement of a pack"),
    "a name with ..": (
        *("passed", changed(["subject", 0, "name"], "../boot.elf")),
        "leads out of the pack",
    ),
    "an absolute name": (
        *("passed", changed(["subject", 0, "name"], "/etc/passwd")),
        "leads out of the pack",
    ),
    "a name of Windows": (
        *("passed", changed(["subject", 0, "name"], "inputs\\boot.elf")),
        "leads out of the pack",
    ),
    "a name twice": (
        *("passed", changed(["subject", 0, "name"], "Inputs/Board.toml")),
        "listed twice",
    ),
    "a name in two spellings": ("passed", two_spellings, "listed twice"),
    "a size that is none": (
        *("passed", changed(["subject", 0, "annotations", "bytes"], True)),
        "True is no number of bytes",
    ),
    "no size": ("passed", changed(["subject", 0, "annotations"], {}), "no statement of a pack"),
    "a subject more": (
        *("passed", lambda s: s["subject"].append(s["predicate"]["configuration"].pop())),
        "in line",
    ),
}


@pytest.mark.parametrize("lie", STATEMENTS)
def test_a_statement_that_says_something_else(copy_of, key, capsys, lie) -> None:
    kind, change, said = STATEMENTS[lie]
    folder = copy_of(kind)
    statement = payload_of(folder)
    change(statement)
    sign(folder, key, statement)
    out = refused(folder, key, capsys, CONTENTS)
    assert STATEMENT in out
    assert said in out


def test_an_input_that_nobody_needs(copy_of, key, capsys) -> None:
    folder = copy_of("passed")
    (folder / "inputs/notes.txt").write_text("")
    statement = payload_of(folder)
    empty = {"digest": {"sha256": sha256(b"").hexdigest()}, "annotations": {"bytes": 0}}
    entry = {"name": "inputs/notes.txt", **empty}
    statement["predicate"]["configuration"].append(entry)
    sign(folder, key, statement)
    assert "inputs/notes.txt" in refused(folder, key, capsys, CONTENTS)


def test_files_that_the_statement_leaves_out(copy_of, key, capsys) -> None:
    for name in (MODEL, TOOLS, BOM):
        folder = copy_of("passed")
        (folder / name).unlink()
        statement = payload_of(folder)
        listed = statement["predicate"]["configuration"]
        statement["predicate"]["configuration"] = [e for e in listed if e["name"] != name]
        sign(folder, key, statement)
        assert f"{name}: is missing, also from" in refused(folder, key, capsys, CONTENTS)
        shutil.rmtree(folder)


def test_a_certificate_of_another_firmware(copy_of, pack, key, capsys) -> None:
    folder = copy_of("passed")
    for name in (CERTIFICATE, RECHECK):
        shutil.copy(pack("failed") / name, folder / name)
    sign_again(folder, key)
    out = refused(folder, key, capsys, CONTENTS)
    assert "a certificate of another firmware or board" in out


def test_a_certificate_whose_chain_is_broken(copy_of, key, capsys) -> None:
    folder = copy_of("passed")

    def other_end(line: dict[str, Any]) -> None:
        line.get("totals", line)["states"] = line.get("states", 0)

    head = change_certificate(folder / CERTIFICATE, lambda line: None)
    assert head in (folder / RECHECK).read_text()  # nothing was changed: it is the same
    change_certificate(folder / CERTIFICATE, other_end)
    sign_again(folder, key)
    assert CERTIFICATE in refused(folder, key, capsys, CONTENTS)


# --- all files agree, and the firmware does not


def lied(folder: Path, key: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """A certificate that is well-formed and untrue, and a pack that says the same everywhere."""
    head = change_certificate(folder / CERTIFICATE, change)
    change_json(folder / RECHECK, lambda value: value.update(head=head))
    for name in (PAGE, BOM, STATEMENT):
        (folder / name).unlink()
    _sign(folder, signer_of(key))


def test_findings_that_were_taken_out_of_the_certificate(copy_of, key, capsys) -> None:
    """The pack says 'passed' everywhere; one of the states that are run again fails."""
    folder = copy_of("failed")

    def no_findings(line: dict[str, Any]) -> None:
        for segment in line.get("segments", ()):
            if segment["violation"] is not None:
                segment |= {"violation": None, "end": "new runs"}
        if "violations" in line:
            line["violations"] = 0

    change_json(folder / RECHECK, is_a_pass)
    lied(folder, key, no_findings)
    assert "passed:" in (folder / PAGE).read_text()
    found = check(folder, key, "--all")
    assert (found, "ends" in (out := capsys.readouterr().out) or "expected" in out) == (RERUN, True)


def test_a_finding_that_was_made_up(copy_of, key, capsys) -> None:
    """States of findings are run again whatever the sample is."""
    folder = copy_of("failed")

    def another_text(line: dict[str, Any]) -> None:
        for segment in line.get("segments", ()):
            if segment["violation"] is not None:
                segment["violation"] = [segment["violation"][0], "it was the weather"]

    lied(folder, key, another_text)
    assert "it was the weather" in refused(folder, key, capsys, RERUN)


@pytest.mark.parametrize("name", ["states", "boots", "edges", "violations"])
def test_counts_of_a_stopped_search_that_were_made_up(copy_of, key, capsys, name) -> None:
    folder = copy_of("incomplete")

    def more(line: dict[str, Any]) -> None:
        if "complete" in line:
            line[name] += 10**6

    head = change_certificate(folder / CERTIFICATE, more)
    change_json(folder / RECHECK, lambda value: value.update(head=head))
    sign_again(folder, key)
    out = refused(folder, key, capsys, CONTENTS)
    assert CERTIFICATE in out and f" {name}; the lines have " in out


def test_an_end_in_a_stopped_search_that_was_made_up(copy_of, key, capsys) -> None:
    folder = copy_of("incomplete")

    def another_end(line: dict[str, Any]) -> None:
        for segment in line.get("segments", ()):
            if segment["end"]:
                segment["end"] = "all is well"

    lied(folder, key, another_end)
    assert check(folder, key, "--all") == RERUN
    assert "all is well" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("kind", "name", "value", "sample"),
    [
        ("narrower", "cuts", 10**9, "--all"),
        ("passed", "taken for granted", [], "--sample=1"),
        ("passed", "left out", ["nothing at all"], "--sample=1"),
        ("failed", "first violations", [["live", "all is well"]], "--sample=1"),
    ],
)
def test_a_verdict_that_was_made_up(copy_of, key, capsys, kind, name, value, sample) -> None:
    """What does not depend on the sample must be right whatever the sample is."""
    folder = copy_of(kind)
    change_json(folder / RECHECK, lambda record: record.update({name: value}))
    for each in (PAGE, BOM, STATEMENT):
        (folder / each).unlink()
    _sign(folder, signer_of(key))
    assert check(folder, key, sample) == RERUN
    assert f"{name} is not what the re-check comes to" in capsys.readouterr().out


def test_a_pack_of_another_version_of_the_program(copy_of, key, capsys) -> None:
    """That is said, and nothing of it is called wrong."""
    folder, other = copy_of("passed"), "1" * 64

    def made_by_another(line: dict[str, Any]) -> None:
        if "made_of" in line:
            line["made_of"]["tool"]["sources"] = other

    name = "sources of flash_emulator, SHA-256"
    change_json(folder / TOOLS, lambda value: value["program"].update({name: other}))
    lied(folder, key, made_by_another)
    assert check(folder, key) == 2
    assert f"with flash_emulator of sources {other}" in capsys.readouterr().err


# --- packs that are no pass


@pytest.mark.parametrize(
    ("kind", "code", "said"),
    [
        ("failed", 5, "failed: findings: 33"),
        ("incomplete", 4, "incomplete: stopped by cuts"),
        ("narrower", 3, "narrower: all of"),
    ],
)
def test_what_is_authentic_and_no_pass(pack, key, capsys, kind, code, said) -> None:
    assert check(pack(kind), key, "--sample", 4) == code
    out = capsys.readouterr().out
    assert "authentic: 10 files" in out
    assert said in out
    assert out.endswith("This is no pass.\n")


# --- code of a board file


def test_code_of_a_pack_is_executed_only_where_that_is_asked_for(
    tmp_path, key, quick, capsys
) -> None:
    text = BOARD + '\n[host]\nusart = "USART2"\npython = "host.py:talk"\n'
    board = write_board(tmp_path / "board", text=text)
    mark = tmp_path / "executed"
    code = f"open({str(mark)!r}, 'a').close()\ndef talk():\n    yield from ()\n"
    (tmp_path / "board/host.py").write_text(code)
    result = make(tmp_path / "pack", board, key, "--cuts", 1)
    assert result.exit_code == 2, result.output
    mark.unlink()
    assert check(tmp_path / "pack", key) == CONTENTS
    assert "--allow-host-code" in capsys.readouterr().out
    assert not mark.exists()
    assert check(tmp_path / "pack", key, "--sample", 1, "--allow-host-code") == 4
    assert mark.exists()
