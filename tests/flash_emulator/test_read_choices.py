"""Every combination of what metastable units may read is booted, also where runs are joined."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from pathlib import Path as FilePath

import pytest

from flash_emulator import EmulatedFlash, MetastableMode, Outcome
from flash_emulator.array.pages import RawUnit
from flash_emulator.certificate_check import confirm
from flash_emulator.explore import (
    FunctionSubject,
    Limits,
    Nothing,
    Path,
    Report,
    Search,
    SearchOptions,
    SelfCheckFailed,
    Violation,
    explore,
    replay,
    shrink,
)
from flash_emulator.explore.certificate import CertificateWriter
from flash_emulator.explore.read_choice import Looked, ReadChoice, powered
from flash_emulator.explore.states import Expansion, state_key
from flash_emulator.power import CutAt, PowerLoss
from tests.flash_emulator.tiny_silicon import BASE, SECTOR, part

UNIT = 2
EACH = (MetastableMode.STABLE, MetastableMode.FLIPPED)


def unsure(*units: int, value: int = 0) -> EmulatedFlash:
    """These units hold *value*, or its lowest bit the other way."""
    flash = EmulatedFlash(part(ecc=False, program_unit=UNIT))
    for unit in units:
        flash.cells.set_word(unit, RawUnit(value, metastable=1))
    flash.preload(BASE + 3 * SECTOR, b"old data")
    return flash


def bit(flash: EmulatedFlash, unit: int) -> int:
    return flash.read(BASE + unit * UNIT, UNIT)[0] & 1


# --- points


def boot(flash: EmulatedFlash, *, points: bool) -> Iterator[str]:

    if points:
        yield "before anything was read"
    read = bit(flash, 0)
    flash.erase(BASE + SECTOR)
    flash.program(BASE + SECTOR, bytes([read, 0]))
    if read:
        raise Violation("safe", "the bit reads 1")


def explored(*, points: bool) -> Report:
    return explore(unsure(0), partial(boot, points=points))


def test_a_point_before_a_metastable_bit_hides_none_of_its_readings() -> None:
    with_points, without = explored(points=True), explored(points=False)
    assert without.violation_count
    assert with_points.violation_count == without.violation_count
    assert with_points.states == without.states


def read_and_erased(flash: EmulatedFlash) -> Iterator[str]:
    bit(flash, 0)
    flash.erase(BASE)
    yield "erased"
    flash.erase(BASE + SECTOR)
    bit(flash, SECTOR // UNIT)
    flash.program(BASE + SECTOR, bytes(UNIT))


def behind_the_erase(flash: EmulatedFlash) -> list[str]:
    """In which ways the first state is booted beyond its point."""
    found: list[Expansion] = []
    Search(FunctionSubject(read_and_erased), flash, observer=found.append).run()
    first = [each for each in found if not each.path.cuts]
    assert {str(each.read_choice) for each in first} == {"", "!00", "!t", "!d"}
    return [str(each.read_choice) for each in first if len(each.segments) > 1]


def test_boots_that_read_otherwise_are_one_where_nothing_is_metastable_any_more() -> None:
    assert behind_the_erase(unsure(0)) == [""]


@pytest.mark.parametrize(
    "raw",
    [
        RawUnit(0, metastable=1),
        RawUnit(0, fading=(0, 1, 0)),
        RawUnit(0xFFFF, consumed=False, marginal=True),
    ],
    ids=["metastable", "fading", "marginal"],
)
def test_they_are_not_where_something_is_unsure_elsewhere(raw: RawUnit) -> None:
    flash = unsure(0)
    flash.cells.set_word(2 * SECTOR // UNIT, raw)
    assert behind_the_erase(flash) == ["", "!t", "!d"]


def cut_by_itself(flash: EmulatedFlash, *, points: bool, twin: bool = False) -> Iterator[str]:
    """What a search cannot know beforehand: the boot makes a metastable unit, and reads it."""
    bit(flash, 0)
    flash.erase(BASE)
    if points:
        yield "erased"
    flash = flash.fork() if twin else flash
    flash.supply = CutAt(1, Outcome.METASTABLE)
    with suppress(PowerLoss):
        flash.program(BASE, bytes(UNIT))
    flash.power_on()
    bit(flash, 0)


@pytest.mark.parametrize("twin", [False, True])
def test_a_boot_that_makes_a_metastable_unit_itself_behind_a_point_ends_the_search(
    twin: bool,
) -> None:
    with pytest.raises(SelfCheckFailed, match="a unit became metastable within a boot"):
        explore(unsure(0), partial(cut_by_itself, points=True, twin=twin))
    assert explore(unsure(0), partial(cut_by_itself, points=False)).states


def test_what_was_looked_at_is_told_apart_by_when() -> None:
    flash = powered(unsure(*range(7)), ReadChoice())
    bit(flash, 0)
    before = Looked.by(flash)
    for unit in range(1, 7):
        bit(flash, unit)
    both = Looked.by(flash)
    later = both - before
    assert (before.to_flip, before.reads, before.left_out) == (frozenset({0}), 1, False)
    assert (later.to_flip, later.reads, later.left_out) == (frozenset(range(1, 6)), 6, True)
    assert before | later == both
    assert both - both == Looked()


def test_more_than_a_device_keeps_is_told_of_the_part_where_they_were_met() -> None:
    flash = powered(unsure(*range(40)), ReadChoice())
    for unit in range(20):
        bit(flash, unit)
    before = Looked.by(flash)
    for unit in range(20, 40):
        bit(flash, unit)
    full = Looked.by(flash)
    assert (before.is_full, full.is_full) == (False, True)
    assert ((full - before).is_full, (full - full).is_full) == (True, False)


# --- each unit by itself


def wrong_where(wanted: tuple[int, ...], flash: EmulatedFlash) -> None:
    found = tuple(bit(flash, unit) for unit in range(len(wanted)))
    if found == wanted:
        raise Violation("safe", f"read {found}")
    flash.erase(BASE + 3 * SECTOR)


@pytest.mark.parametrize("number", range(16))
def test_units_read_the_opposite_in_every_combination(number: int) -> None:
    wanted = tuple(number >> unit & 1 for unit in range(4))
    options = SearchOptions(metastable_modes=EACH, limits=Limits(cuts=0))
    report = explore(unsure(*range(4)), partial(wrong_where, wanted), options=options)
    flipped = "+".join(f"{unit:02x}" for unit in range(4) if wanted[unit])
    assert str(report.violations[-1].path) == (f"!{flipped}" if flipped else "-")
    film = replay(
        FunctionSubject(partial(wrong_where, wanted)),
        unsure(*range(4)),
        Nothing(),
        report.violations[0].path,
    )
    assert film.violation == ("safe", f"read {wanted}")


def check_then_use(flash: EmulatedFlash) -> None:
    if not bit(flash, 0) and bit(flash, 0):
        raise Violation("safe", "it read otherwise when it was used")
    flash.erase(BASE + 3 * SECTOR)


def test_a_unit_that_is_read_twice_may_turn_in_between() -> None:
    options = SearchOptions(metastable_modes=(*EACH, MetastableMode.TURNING), limits=Limits(cuts=0))
    report = explore(unsure(0), check_then_use, options=options)
    assert [str(found.path) for found in report.violations] == ["!t"]


def compares(flash: EmulatedFlash) -> None:
    flash.match(BASE, b"\x55\x55")
    flash.erase(BASE + 3 * SECTOR)


def test_a_unit_that_differs_whatever_it_reads_is_not_flipped() -> None:
    report = explore(
        unsure(0), compares, options=SearchOptions(metastable_modes=EACH, limits=Limits(cuts=0))
    )
    assert report.boots == 1, "as it last was"


def test_what_is_left_out_is_told() -> None:
    def reads_all(flash: EmulatedFlash) -> None:
        flash.read(BASE, 40 * UNIT)
        flash.erase(BASE + 3 * SECTOR)

    report = explore(unsure(*range(40)), reads_all, options=SearchOptions(limits=Limits(cuts=0)))
    assert report.boots < 120
    assert [check.count for check in report.checks if check.name == "read choices left out"] != []
    few = explore(unsure(0, 1), reads_all, options=SearchOptions(limits=Limits(cuts=0)))
    assert all(check.name != "read choices left out" for check in few.checks)


# --- against all combinations, one by one

UNITS = 3  # of the first sectors: one each, so that each can be erased
SCRATCH = BASE + 3 * SECTOR


@dataclass(frozen=True)
class Steps:
    """A boot drawn by lot: it reads units, remembers, forgets, erases and writes down."""

    steps: tuple[tuple[str, int], ...]

    def __call__(self, flash: EmulatedFlash) -> Iterator[object]:
        memory: tuple[int, ...] = ()
        for number, (kind, index) in enumerate(self.steps):
            match kind:
                case "read":
                    memory += (bit(flash, index * SECTOR // UNIT),)
                case "skip" if memory and memory[-1]:
                    memory = memory[:-1]
                    yield number, memory, "skipped"
                    continue
                case "erase":
                    flash.erase(BASE + index * SECTOR)
                case "erase if" if memory and memory[-1]:
                    flash.erase(BASE + index * SECTOR)
                case "forget":
                    memory = ()
                case "write":
                    flash.erase(SCRATCH)
                    flash.program(SCRATCH, bytes([len(memory), sum(memory)]))
            yield number, memory

    @classmethod
    def drawn(cls, seed: int) -> Steps:
        rng = random.Random(seed)
        kinds = ["read"] * 4 + ["erase", "erase if", "forget", "forget", "write"]
        drawn = ((rng.choice(kinds), rng.randrange(UNITS)) for _ in range(8))
        return cls((*drawn, ("write", 0)))


def start() -> EmulatedFlash:
    return unsure(*(index * SECTOR // UNIT for index in range(UNITS)))


@pytest.mark.parametrize("seed", range(20))
def test_every_combination_comes_to_where_the_search_was(seed: int, tmp_path: FilePath) -> None:
    subject, flash, reached = FunctionSubject(Steps.drawn(seed)), start(), set[bytes]()
    options = SearchOptions(
        limits=Limits(violations=None),
        outcomes=(Outcome.BEFORE,),
        metastable_modes=EACH,
        merge=False,
    )
    with (tmp_path / "file").open("wb") as file:
        writer = CertificateWriter(file, {})

        def observe(expansion: Expansion) -> None:
            writer(expansion)
            reached.update(edge.key for segment in expansion.segments for edge in segment.edges)

        search = Search(subject, flash, options=options, observer=observe, began=writer.begin)
        report = search.run()
        writer.finish(report)
    flash.draws_by_place = True
    units = [index * SECTOR // UNIT for index in range(UNITS)]
    for count in range(UNITS + 1):
        for flips in combinations(units, count):
            twin = powered(flash, ReadChoice(flips=frozenset(flips)))
            for _ in subject.boot(twin, Nothing()).run():
                pass
            assert state_key(twin, Nothing()) in reached, f"{flips}"
    confirm(str(tmp_path / "file"), lambda _: (subject, start(), Nothing()))


# --- paths


@pytest.mark.parametrize(
    "text",
    ["-", "600t.13w!1f20+1f21", "600t!d.!0d", "z~module!t.!f", "!0f", "!d", "@7!00.13w.!t"],
)
def test_paths_are_read_as_they_are_written(text: str) -> None:
    assert str(Path.parse(text)) == text


@pytest.mark.parametrize("text", ["600t!", "600t!1", "600t!x", "600t.!1f20+", "!d+0f", "!F0"])
def test_ways_of_reading_that_nobody_writes_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no cut"):
        Path.parse(text)


def test_a_path_is_left_with_the_units_that_matter() -> None:
    subject = FunctionSubject(lambda flash: wrong_where((0, 1), flash))
    flash, path = unsure(0, 1, 7), Path(read_choice=ReadChoice(flips=frozenset({1, 7})))
    assert str(shrink(subject, flash, Nothing(), path)) == "!01"
