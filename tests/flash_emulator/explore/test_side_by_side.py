"""A representative is a promise: the search names it, samples it, and fails where it is broken."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from flash_emulator import EmulatedFlash
from flash_emulator.explore import FunctionSubject, Limits, Search, SearchOptions, SelfCheckFailed
from tests.flash_emulator.explore.protocols import DONE, read
from tests.flash_emulator.tiny_silicon import BASE, SECTOR, UNIT, flash

ALL = SearchOptions(limits=Limits(violations=None))
HALVES = (BASE, BASE + SECTOR)
WORK = BASE + 2 * SECTOR


def rotate(device: EmulatedFlash) -> None:
    """A mark in one of two halves; what a boot does is noted in the other one."""
    here = 1 if read(device, HALVES[1]) == DONE else 0
    there = HALVES[1 - here]
    device.erase(WORK)
    device.program(WORK, DONE)
    device.erase(there)
    device.program(there, DONE)
    device.erase(HALVES[here])


def prefers_half_1(device: EmulatedFlash) -> None:
    """The same, and one sector more is erased where half 1 counts."""
    if read(device, HALVES[1]) == DONE:
        device.erase(BASE + 3 * SECTOR)
    rotate(device)


class Halves(FunctionSubject):
    """It takes a mark in half 1 alone for as good as one in half 0 alone."""

    promise = "representatives of the two halves"

    def representative(self, flash: EmulatedFlash) -> EmulatedFlash:
        whole = [flash.cells.raw_data(half - BASE, UNIT) == DONE for half in HALVES]
        plain = (
            flash.cells.plain_size(SECTOR, SECTOR) == flash.cells.plain_size(0, SECTOR) == SECTOR
        )
        if whole != [False, True] or not plain:
            return flash
        twin = flash.fork()
        twin.cells.exchange(0, SECTOR, SECTOR)
        return twin

    def canonical(self, flash: EmulatedFlash) -> tuple[bytes, ...]:
        rest = flash.fork()
        rest.cells.forget(0, 2 * SECTOR)
        halves = sorted(flash.cells.raw_data(half - BASE, SECTOR) for half in HALVES)
        return (rest.digest(), *halves)


def start() -> EmulatedFlash:
    device = flash()
    device.program(HALVES[1], DONE)
    return device


def search(boot: object, options: SearchOptions = ALL) -> Search:
    return Search(Halves(boot), start(), options=options)  # type: ignore[arg-type]


def test_a_promise_that_holds_is_named_with_how_often_it_was_checked() -> None:
    report = search(rotate).run()
    assert report.complete
    (said,) = report.rests_on
    compared = next(check.count for check in report.checks if check.name == "side by side")
    assert compared > 0
    assert said == f"representatives of the two halves (checked side by side in {compared} states)"


def test_code_that_breaks_it_fails_the_search_and_both_states_are_named() -> None:
    with pytest.raises(
        SelfCheckFailed, match=r"state [0-9a-f]{32}, after .*and what stands for it"
    ):
        search(prefers_half_1).run()


@pytest.mark.parametrize("option", ["representatives", "merge"])
def test_without_representatives_nothing_rests_on_them(option: str) -> None:
    for boot in (rotate, prefers_half_1):
        changed: dict[str, Any] = {"limits": Limits(cuts=1), option: False}
        few = replace(ALL, **changed)
        report = search(boot, few).run()
        assert report.states > 1
        assert report.rests_on == ()
        assert "side by side" not in [check.name for check in report.checks]


def test_a_subject_without_a_promise_rests_on_nothing() -> None:
    few = replace(ALL, limits=Limits(cuts=1))
    report = Search(FunctionSubject(rotate), start(), options=few).run()
    assert report.rests_on == ()
