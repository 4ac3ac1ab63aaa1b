"""What boots came to that looked at the same: found by content, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from flash_emulator import EmulatedFlash, load_part
from flash_emulator.array.cells import Cells
from flash_emulator.explore import Limits, Search, SearchOptions, SelfCheckFailed, explore, probes
from flash_emulator.explore.look_tree import LookTree, Rest, Seen, unwritten
from flash_emulator.explore.read_set import ReadSet
from flash_emulator.explore.states import Span
from flash_emulator.machine.subject import FirmwareSubject
from tests.flash_emulator.explore import subjects
from tests.flash_emulator.explore.protocols import DONE
from tests.flash_emulator.explore.subjects import SPARE, installed, tiny
from tests.flash_emulator.machine.boards import copy_board
from tests.flash_emulator.tiny_silicon import BASE, SECTOR, UNIT
from tests.thorough import THOROUGH

Boot = Callable[[EmulatedFlash], Any]

NOW = b"now"
PART = "STM32L476xG"


def cells_with(**units: int) -> Cells:
    """An erased array; *units*: what is programmed, by ``u`` and the number of the unit."""
    cells = EmulatedFlash(load_part(PART)).cells
    for name, value in units.items():
        cells.program(int(name[1:]), bytes([value]) * 8)
    return cells


def rest(name: int, *spans: Span) -> Rest:
    return Rest(Seen(ReadSet(dead=((name, name + 1),))), spans)


def test_finds_what_saw_the_same() -> None:
    tree = LookTree()
    tree.add(NOW, cells_with(u0=1), rest(1, (0, 8), (16, 24)))
    assert tree.find(NOW, cells_with(u0=1, u1=7)) == rest(1, (0, 8), (16, 24))
    assert tree.find(NOW, cells_with(u0=2)) is None
    assert tree.find(NOW, cells_with(u0=1, u2=7)) is None
    assert tree.find(b"later", cells_with(u0=1)) is None


def test_what_comes_next_depends_on_what_was_seen() -> None:
    tree = LookTree()
    tree.add(NOW, cells_with(u0=1), rest(1, (0, 8), (16, 24)))
    tree.add(NOW, cells_with(u0=2), rest(2, (0, 8), (32, 40)))
    tree.add(NOW, cells_with(u0=2, u4=1), rest(3, (0, 8), (32, 40), (64, 72)))
    assert tree.find(NOW, cells_with(u0=1, u4=9)) == rest(1, (0, 8), (16, 24))
    assert tree.find(NOW, cells_with(u0=2, u2=9)) == rest(2, (0, 8), (32, 40))
    assert tree.find(NOW, cells_with(u0=2, u4=1, u2=9)) == rest(3, (0, 8), (32, 40), (64, 72))
    assert tree.find(NOW, cells_with(u0=2, u4=1, u8=9)) is None


def test_two_spans_at_one_place_are_both_tried() -> None:
    tree = LookTree()
    tree.add(NOW, cells_with(u0=1), rest(1, (0, 16)))
    tree.add(NOW, cells_with(u0=2), rest(2, (0, 8), (8, 16)))
    assert tree.find(NOW, cells_with(u0=2)) == rest(2, (0, 8), (8, 16))
    assert tree.find(NOW, cells_with(u0=1)) == rest(1, (0, 16))


def test_forgotten_units_and_what_they_do_not_hold_are_content() -> None:
    tree, forgotten, excluded = LookTree(), cells_with(), cells_with()
    forgotten.forget(0, 8)
    excluded.forget(0, 8)
    excluded.exclude(0, frozenset({(0, b"x")}))
    tree.add(NOW, forgotten, rest(1, (0, 8)))
    assert tree.find(NOW, cells_with()) is None
    assert tree.find(NOW, excluded) is None
    assert tree.find(NOW, forgotten.fork()) == rest(1, (0, 8))


def test_content_of_several_pages() -> None:
    tree = LookTree()
    tree.add(NOW, cells_with(u1000=1), rest(1, (0, 8192)))
    assert tree.find(NOW, cells_with(u1000=1, u1024=5)) == rest(1, (0, 8192))
    assert tree.find(NOW, cells_with(u1000=2)) is None


def test_what_was_written_before_is_no_look() -> None:
    assert list(unwritten([(0, 8)], [(8, 16)])) == [(0, 8)]
    assert list(unwritten([(0, 24)], [(8, 16)])) == [(0, 8), (16, 24)]
    assert list(unwritten([(0, 24), (8, 16)], [(0, 8), (16, 32)])) == [(8, 16), (8, 16)]


MOST_CUTS = None if THOROUGH else 3
"""Of the two sectors: the first 313 of 822 states, and 433 of 2,609 joins."""

CASES = [
    pytest.param(subjects.install, installed, None, id="install"),
    pytest.param(subjects.trust_what_reads_right, installed, None, id="trust"),
    pytest.param(subjects.note_blank, subjects.still_blank, None, id="blank"),
    pytest.param(subjects.two_sectors, None, MOST_CUTS, id="joined"),
    pytest.param(subjects.erase_until_it_holds, None, None, id="comes-back"),
    pytest.param(subjects.work_for_ever, None, None, id="endless"),
]


@pytest.mark.parametrize(("boot", "verdict", "cuts"), CASES)
def test_a_search_comes_to_the_same_without_it(
    boot: Boot, verdict: Boot | None, cuts: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = SearchOptions(limits=Limits(violations=None, operations=64, cuts=cuts))
    found = explore(tiny(), boot, verdict, options=options)
    monkeypatch.setattr(LookTree, "find", lambda *_: None)
    assert replace(explore(tiny(), boot, verdict, options=options), elapsed_s=0.0) == replace(
        found, elapsed_s=0.0
    )


def test_most_boots_are_found_there(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    find = LookTree.find

    def noted(tree: LookTree, moment: bytes, cells: Cells) -> Rest | None:
        asked.append((found := find(tree, moment, cells)) is not None)
        return found

    monkeypatch.setattr(LookTree, "find", noted)
    options = SearchOptions(limits=Limits(cuts=MOST_CUTS))
    assert explore(tiny(), subjects.two_sectors, options=options).complete is THOROUGH
    assert sum(asked) > len(asked) / 3


def peeks(device: EmulatedFlash) -> None:
    """It looks at a unit behind the device's back."""
    if device.read(BASE, UNIT) == DONE:
        return
    if device.cells.peek(SECTOR, UNIT) != DONE:
        device.erase(SPARE)
        device.program(SPARE, DONE)
    device.erase(BASE)
    device.program(BASE, DONE)


def test_whoever_looks_behind_the_devices_back_is_found_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(probes, "_CHECK_EVERY", 1)
    with pytest.raises(SelfCheckFailed, match="behind the device's back"):
        explore(tiny(), peeks)


def go_by_a_twin(device: EmulatedFlash) -> None:
    """What it does depends on what a twin reads, and no watch is told what a twin reads."""
    if device.read(BASE, UNIT) == DONE:
        return
    if device.fork().read(SPARE, UNIT) != DONE:
        device.erase(SPARE)
        device.program(SPARE, DONE)
    device.erase(BASE)
    device.program(BASE, DONE)


def look_at_plain_pages(device: EmulatedFlash) -> None:
    """At the whole sector where all of it is plain: so the machine shows pages to firmware."""
    if device.read_if_plain(SPARE, SECTOR) is None:
        device.match(SPARE, DONE)
    if device.match(SPARE, DONE) != UNIT:
        device.erase(SPARE)
        device.program(SPARE, DONE)
    device.program(SPARE + UNIT, DONE)


@pytest.mark.parametrize("boot", [go_by_a_twin, look_at_plain_pages])
def test_what_no_watch_is_told_is_taken_for_a_look_at_everything(
    boot: Boot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every answer is checked by a boot, and the search is the one without answers."""
    monkeypatch.setattr(probes, "_CHECK_EVERY", 1)
    options = SearchOptions(limits=Limits(violations=None, operations=64))
    found = explore(tiny(), boot, options=options)
    monkeypatch.setattr(LookTree, "find", lambda *_: None)
    again = explore(tiny(), boot, options=options)
    assert replace(again, elapsed_s=0.0) == replace(found, elapsed_s=0.0)


def test_compiled_firmware_comes_to_the_same_with_every_answer_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What it looks at depends on what lies beside: see ``look_at_plain_pages``."""
    monkeypatch.setattr(probes, "_CHECK_EVERY", 1)
    board = copy_board("copy_restart", 4096)
    assert Search(FirmwareSubject(board), board.flash()).run().complete
