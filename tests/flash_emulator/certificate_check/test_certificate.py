"""Certificates: good ones are confirmed, others refused with a reason."""

from __future__ import annotations

import gzip
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from flash_emulator import EmulatedFlash, MetastableMode, Outcome
from flash_emulator.certificate_check import NotConfirmed, confirm
from flash_emulator.certificate_check.__main__ import main
from flash_emulator.device.trace import Operation
from flash_emulator.explore import (
    Limits,
    Processes,
    Search,
    SearchOptions,
    checks,
    probes,
    recorder,
    search,
)
from flash_emulator.explore.certificate import CertificateWriter
from flash_emulator.explore.read_set import ReadSet
from flash_emulator.explore.states import Node, point_node
from flash_emulator.explore.successors import Successor, Successors
from tests.flash_emulator.certificate_check.forgeries import lines_of, write
from tests.flash_emulator.evidence_toys import certified, world
from tests.places import ROOT
from tests.thorough import THOROUGH

TOYS = ["copy", "matching", "two copies", "waiting", "telling"]
ALL = SearchOptions(limits=Limits(violations=None))
FEW = SearchOptions(limits=Limits(violations=None), outcomes=(Outcome.BEFORE, Outcome.TORN))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "toy.cert.gz"


def refused(file: Path, **options: Any) -> str:
    with pytest.raises(NotConfirmed) as caught:
        confirm(str(file), world, **options)
    return str(caught.value)


# --- good ones


@pytest.mark.parametrize("ecc", ["yes", "no"])
@pytest.mark.parametrize("toy", TOYS)
def test_a_good_one_is_confirmed(toy: str, ecc: str, file: Path) -> None:
    options = FEW if toy in ("two copies", "telling") else ALL
    report, head = certified(file, {"toy": toy, "ecc": ecc}, options)
    assert report.complete
    verdict = confirm(str(file), world, head=head)
    assert (verdict.checked, verdict.states) == (report.states, report.states)
    assert (verdict.violations, verdict.head) == (report.violation_count, head)
    assert verdict.summary.startswith("confirmed")
    assert bool(verdict.missing) == (options is FEW)


def test_every_outcome_with_another_seed(file: Path) -> None:
    report, _ = certified(file, {"toy": "two copies", "seed": "5"}, ALL)
    assert report.violation_count
    assert "sample of 40 of" in str(confirm(str(file), world, sample=40, seed=2))


@pytest.mark.thorough
def test_who_joins_before_a_metastable_bit_is_read_in_all_ways_too(file: Path) -> None:
    """Behind the point, another one that had read such a bit before it had been already."""
    certified(file, {"toy": "three copies"})
    confirm(str(file), world, sample=60, seed=1)


@pytest.mark.thorough
def test_merging_is_not_needed(file: Path) -> None:
    certified(file, {"toy": "copy"}, SearchOptions(merge=False))
    confirm(str(file), world)


def test_content_that_somebody_looks_at_is_told_apart(file: Path) -> None:
    _, _ = certified(file, {"toy": "copy"})
    lines = lines_of(file)
    assert any(entry["unknown"] for entry in lines[1:-1])
    assert any("*" in cuts for s in lines[1]["segments"] for cuts in s["edges"].values())


def test_the_same_search_gives_the_same_bytes(file: Path, tmp_path: Path) -> None:
    certified(file, {"toy": "copy"})
    certified(tmp_path / "again", {"toy": "copy"})
    assert file.read_bytes() == (tmp_path / "again").read_bytes()


@pytest.mark.parametrize("processes", [ProcessPoolExecutor, Processes])
def test_a_search_in_two_processes_is_confirmed(
    file: Path, monkeypatch: Any, processes: Callable[[int], Executor]
) -> None:
    monkeypatch.setattr(search, "SIZE", 8)
    facts = {"toy": "copy"}
    with processes(2) as executor, file.open("wb") as stream:
        writer = CertificateWriter(stream, facts)
        writer.finish(
            Search(*world(facts), executor=executor, observer=writer, began=writer.begin).run()
        )
    confirm(str(file), world)


def test_a_search_that_begins_anew_leaves_its_last_one(file: Path) -> None:
    with file.open("wb") as stream:
        facts = {"toy": "copy"}
        writer = CertificateWriter(stream, facts)
        for _ in range(2):
            made = Search(*world(facts), observer=writer, began=writer.begin)
            report = made.run()
        writer.finish(report)
    assert len(lines_of(file)) == report.boots + 2
    confirm(str(file), world)


def test_nothing_is_certified_that_was_not_begun(file: Path) -> None:
    with file.open("wb") as stream, pytest.raises(ValueError, match="began"):
        Search(*world({"toy": "copy"}), observer=CertificateWriter(stream, {})).run()


# --- files that are not whole


def test_every_line_is_held_by_the_chain(file: Path) -> None:
    _, head = certified(file, {"toy": "waiting"})
    text = gzip.decompress(file.read_bytes())
    lines = text.splitlines(keepends=True)
    for index, line in enumerate(lines[1:-1], 2):
        other = re.sub(rb'"signature":"(.)', lambda m: b'"signature":"%d' % (m[1] == b"0"), line)
        changed = b"".join([*lines[: index - 1], other, *lines[index:]])
        file.write_bytes(gzip.compress(changed, mtime=0))
        assert f"line {index + 1}: expected chain" in refused(file)
    file.write_bytes(gzip.compress(text, mtime=0))
    assert "expected head" in refused(file, head="0" * 64)
    confirm(str(file), world, head=head)


def test_a_file_cut_short(file: Path) -> None:
    certified(file, {"toy": "waiting"})
    whole, lines = file.read_bytes(), lines_of(file)
    for size in (0, 1, 20, len(whole) // 2, len(whole) - 4):
        file.write_bytes(whole[:size])
        assert re.search("cut short|no gzip file", refused(file)) or size == 0
    write(file, lines[:-1])
    assert "cut short" in refused(file)
    write(file, [*lines, lines[1]])
    assert "behind the totals" in refused(file)
    write(file, [])
    assert "not such a certificate" in refused(file)


def test_an_interrupted_search_says_so(file: Path) -> None:
    report, _ = certified(file, {"toy": "two copies"}, SearchOptions(limits=Limits(cuts=1)))
    assert not report.complete
    assert "not complete, stopped by 'cuts'" in refused(file)
    lines = lines_of(file)
    states = len({entry["state"] for entry in lines[1:-1]})
    lines[-1] |= {"complete": True, "stopped_by": "", "states": states}
    write(file, lines)
    assert "never booted" in refused(file)


# --- explorers that are wrong


def test_an_explorer_that_forgets_an_outcome(file: Path, monkeypatch: Any) -> None:
    """It cuts programs with every outcome but one, and says that it tried all."""
    right = Successors.of

    def wrong(self: Successors, operation: Operation) -> Iterator[Successor]:
        return (s for s in right(self, operation) if s.cut.outcome is not Outcome.WEAK)

    monkeypatch.setattr(Successors, "of", wrong)
    report, _ = certified(file, {"toy": "waiting"})
    assert report.complete
    assert "what a cut leaves to be listed (program 0x0800_0000, 8 bytes, weak" in refused(file)


def test_an_explorer_that_loses_a_state(file: Path, monkeypatch: Any) -> None:
    right = Search._take
    lost: list[Any] = []

    def wrong(self: Search, tally: Any, expansion: Any) -> Any:
        found = right(self, tally, expansion)
        lost.extend(found[:1] if not lost else [])
        return [state for state in found if state not in lost]

    monkeypatch.setattr(Search, "_take", wrong)
    monkeypatch.setattr(checks, "check", lambda *a, **k: ())  # its own check finds it, too
    certified(file, {"toy": "copy"})
    lines = lines_of(file)
    lines[-1]["states"] -= len(lost)
    write(file, lines)
    assert "never booted" in refused(file)


def test_an_explorer_that_joins_runs_that_read_otherwise(file: Path, monkeypatch: Any) -> None:
    """A point is what it is in any way of reading, it believes, until a bit was looked at."""

    right = point_node

    def wrong(flash: EmulatedFlash, volatile: bytes, memory: object) -> Node:
        twin = flash.fork()
        if not flash.flickers:
            twin.metastable_mode, twin.flips = MetastableMode.STABLE, frozenset()
        return right(twin, volatile, memory)

    monkeypatch.setattr(recorder, "point_node", wrong)
    monkeypatch.setattr(checks, "check", lambda *a, **k: ())  # its own check finds it, too
    certified(file, {"toy": "late"})
    assert ": expected next" in refused(file)


def test_an_explorer_that_merges_what_is_looked_at(file: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(probes.Prober, "read_set_of", lambda *a: ReadSet())
    monkeypatch.setattr(recorder.Recorder, "_close", close_without_a_look)
    certified(file, {"toy": "copy"})
    assert "a boot that never looks at unknown content" in refused(file)


def close_without_a_look(recorder: Any) -> None:
    recorder._segment.signature = recorder._signature.digest()
    recorder._expansion.segments.append(recorder._segment)
    recorder._expansion.looked = frozenset()


# --- the command


def test_exit_codes(file: Path, capsys: Any) -> None:
    _, head = certified(file, {"toy": "copy"})
    subject = ["--subject", "tests.flash_emulator.evidence_toys:world"]
    assert main([str(file), *subject, "--head", head]) == 0
    assert capsys.readouterr().out.startswith("confirmed: ")
    assert main([str(file), *subject, "--sample", "3", "--seed", "1", "--head", head]) == 3
    assert capsys.readouterr().out.startswith("sample of 3 of 31 states holds; not confirmed, ")
    assert main([str(file), *subject, "--head", "0" * 64]) == 1
    assert "not confirmed: another certificate" in capsys.readouterr().out
    certified(file, {"toy": "two copies"}, FEW)
    assert main([str(file), *subject, "--sample", "3"]) == 4
    said = "sample of 3 of 19 states holds, within: outcomes before, torn only; not confirmed, "
    assert capsys.readouterr().out.startswith(said)
    certified(file, {"toy": "waiting"}, ALL)
    assert main([str(file), *subject]) == 5
    assert "violations: 9" in capsys.readouterr().out


def test_what_was_not_tried_is_said(file: Path) -> None:
    certified(file, {"toy": "two copies"}, FEW)
    verdict = confirm(str(file), world)
    assert verdict.missing == ("outcomes before, torn only",)
    assert verdict.summary.startswith("confirmed, within: outcomes before, torn only: 19 of 19 ")
    certified(
        file,
        {"toy": "copy"},
        SearchOptions(metastable_modes=(MetastableMode.STABLE, MetastableMode.FLIPPED)),
    )
    assert confirm(str(file), world).missing == ("metastable modes stable, flipped only",)


def test_what_is_taken_for_granted_is_said(file: Path) -> None:
    certified(file, {"toy": "copy", "seed": "5"})
    said = str(confirm(str(file), world))
    subject = "FunctionSubject(tests.flash_emulator.evidence_toys.copy_once, "
    assert f"of: flash_emulator.subject.{subject}" in said
    assert "; toy copy, seed 5\n" in said
    for granted in ("the same digest", "its model", "of seed 5", "its representative"):
        assert granted in said.partition("taken for granted:")[2]
    if THOROUGH:
        certified(file, {"toy": "copy"}, SearchOptions(merge=False))
        assert "representative" not in str(confirm(str(file), world))


def test_the_checker_runs_without_the_explorer_of_its_own(file: Path) -> None:
    """It imports nothing of it; only the subject does."""
    certified(file, {"toy": "copy"})
    code = (
        "import sys; from flash_emulator import certificate_check; "
        "assert not any('explore' in name for name in sys.modules), sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    command = [sys.executable, "-m", "flash_emulator.certificate_check", str(file)]
    ended = subprocess.run(
        [*command, "--subject", "tests.flash_emulator.evidence_toys:world"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout.startswith("confirmed: ")
