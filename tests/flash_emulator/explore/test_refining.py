"""A look at what was forgotten refines where it was forgotten, and costs no new beginning."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flash_emulator import EmulatedFlash, Outcome
from flash_emulator.certificate_check import confirm
from flash_emulator.explore import (
    FunctionSubject,
    Limits,
    Nothing,
    Processes,
    Report,
    Search,
    SearchOptions,
    explore,
)
from flash_emulator.explore.certificate import CertificateWriter
from tests.flash_emulator.explore.brute_force import brute_force
from tests.flash_emulator.explore.compare_bootloaders import shortest
from tests.flash_emulator.explore.swapping import Retry, Swap
from tests.thorough import THOROUGH

ALL = SearchOptions(limits=Limits(violations=None, operations=10_000))
FEW = replace(ALL, outcomes=(Outcome.BEFORE, Outcome.TORN, Outcome.AFTER))

Toy = Swap | Retry


def searched(toy: Toy, options: SearchOptions = ALL, **words: Any) -> Report:
    subject = FunctionSubject(toy.boot, toy.verdict)
    return Search(subject, toy.device(), Nothing(), options, **words).run()


def with_nothing_forgotten(toy: Toy, options: SearchOptions, monkeypatch: Any) -> Report:
    """The same search, in which all content counts as looked at from the beginning."""
    job = Search._job

    def all_of_it(search: Search) -> Any:
        size = search._flash.part.size
        return replace(job(search), looked_at=frozenset({(0, size)}))

    with monkeypatch.context() as patch:
        patch.setattr(Search, "_job", all_of_it)
        return searched(toy, options)


@pytest.mark.parametrize(
    ("toy", "options"), [(Swap(1, 64), FEW), (Retry(64), FEW), *[(Retry(16), ALL)] * THOROUGH]
)
def test_it_finds_what_is_found_with_nothing_forgotten(
    toy: Toy, options: SearchOptions, monkeypatch: Any
) -> None:
    report = searched(toy, options)
    other = with_nothing_forgotten(toy, options, monkeypatch)
    assert report.complete and other.complete
    assert (report.refinements > 0, other.refinements) == (True, 0)
    assert shortest(report) == shortest(other)
    assert report.states < other.states


@pytest.mark.thorough
def test_it_finds_what_brute_force_finds() -> None:
    toy = Retry(16)
    truth = brute_force(toy.device(), toy.boot, toy.verdict, fade=True)
    assert truth.shortest
    assert shortest(searched(toy)) == truth.shortest


def test_little_of_the_work_is_done_again() -> None:
    """Boots of all rounds, against those of the last one."""
    toy, booted = Swap(1, 64), [0]

    def boot(flash: EmulatedFlash) -> Any:
        booted[0] += 1
        return toy.boot(flash)

    report = explore(toy.device(), boot, toy.verdict, options=FEW)
    assert report.refinements > 4
    assert booted[0] < 20 * report.boots


def test_processes_refine_as_one_does() -> None:
    alone = searched(Retry(64), FEW)
    with Processes(2) as executor:
        assert searched(Retry(64), FEW, executor=executor).chain == alone.chain


def test_a_certificate_of_a_refined_search_is_confirmed(tmp_path: Path) -> None:
    toy = Swap(1, 64)

    def here(_: object) -> Any:
        return FunctionSubject(toy.boot, toy.verdict), toy.device(), Nothing()

    with (tmp_path / "one").open("wb") as file:
        writer = CertificateWriter(file, {"toy": "swap"})
        report = searched(toy, FEW, observer=writer, began=writer.begin)
        writer.finish(report)
    assert report.refinements
    assert confirm(str(tmp_path / "one"), here).states == report.states


@pytest.mark.thorough
def test_a_sector_of_2_kib_ends() -> None:
    """One of 16 KiB had not ended after 70 s: what single units leave multiplies there."""
    report = searched(Swap(1, 2 << 10), FEW)
    assert report.complete and report.refinements
