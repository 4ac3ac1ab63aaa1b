"""``examples/strategies``: cells of the table searched again, and what the search finds in them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from examples.strategies import cells, mended, table
from examples.strategies.__main__ import main
from examples.strategies.cells import cell_of, explore_cell, subject_of
from examples.strategies.flash_steps import write_image
from examples.strategies.images import Images
from examples.strategies.overwrite import Overwrite
from examples.strategies.picture import picture
from examples.strategies.places import DoesNotFit, Places, shortened
from examples.strategies.status_log import StatusLog
from examples.strategies.world import World
from flash_emulator import load_part
from flash_emulator.certificate_check import confirm
from flash_emulator.certificate_check.verdict import OK
from flash_emulator.explore import Limits, Path, Report, Search, SearchOptions
from flash_emulator.parts.catalogue import part_names
from flash_emulator.power import Outcome

OUTCOMES = table.load(table.DATA.read_text(encoding="utf-8"))
BY_CELL = {outcome.cell: outcome for outcome in OUTCOMES}
UNITS = 32


def searched(algorithm, part, *, is_good: bool = True, outcomes=tuple(Outcome)) -> Report:
    world = World(part, algorithm, is_good=is_good)
    options = SearchOptions(Limits(violations=1), outcomes=outcomes)
    return Search(world, world.flash, world.external, options).run()


def small(name: str):
    return shortened(load_part(name), UNITS)


# --- the table


def test_data_page_and_picture_are_one_thing() -> None:
    page = table.PAGE.read_text(encoding="utf-8")
    assert [outcome.cell for outcome in OUTCOMES] == [cell.id for cell in cells.all_cells()]
    assert table.save(OUTCOMES) == table.DATA.read_text(encoding="utf-8")
    assert table.with_tables(page, OUTCOMES) == page
    assert picture(OUTCOMES) == table.PICTURE.read_text(encoding="utf-8")


def test_one_part_of_each_class() -> None:
    families = {load_part(name).family for name in part_names()}
    assert set(cells.PARTS) == families
    assert all(load_part(part).family == family for family, part in cells.PARTS.items())


@pytest.mark.parametrize(
    "name",
    [
        "overwrite/published/STM32L476xG/good",
        "overwrite/published/STM32U575xI/bad",
        "overwrite/mended/STM32F103x8/bad",
        "bank-swap/ours/STM32F103x8/good",
    ],
)
def test_a_cell_comes_out_as_it_stands(name: str) -> None:
    assert explore_cell(cell_of(name)) == BY_CELL[name]


@pytest.mark.thorough
@pytest.mark.parametrize("cell", cells.all_cells(), ids=lambda cell: cell.id)
def test_every_cell_comes_out_as_it_stands(cell: cells.Cell) -> None:
    assert explore_cell(cell) == BY_CELL[cell.id]


def test_every_counterexample_replays() -> None:
    """Of the first three, whose paths take a moment each."""
    found = [each for each in OUTCOMES if each.path and "/ours/" not in each.cell]
    assert found
    for outcome in found:
        film = cells.film_of(subject_of(cell_of(outcome.cell)), Path.parse(outcome.path))
        assert film.violation is not None, outcome
        assert film.violation[0] == outcome.question
        assert len(film.path.cuts) == outcome.cuts


def test_a_replay_by_the_command_on_the_page(capsys) -> None:
    outcome = BY_CELL["overwrite/published/STM32L476xG/good"]
    assert main(["--replay", f"{outcome.cell}:{outcome.path}"]) == 1
    shown = capsys.readouterr().out
    assert "power lost" in shown
    assert shown.splitlines()[-1].endswith(outcome.text.partition(": ")[2])


@pytest.mark.parametrize("name", ["overwrite/published/STM32L476xG/none:1t", "nothing:"])
def test_no_such_cell(name: str, capsys) -> None:
    assert main(["--replay", name]) == 2
    assert "no such cell" in capsys.readouterr().err


# --- what mistakes the search finds


class MagicFirst(Overwrite):
    """The mark is written before the image, and nobody asks whether the image is whole."""

    def __init__(self, part) -> None:
        super().__init__(part)
        self.images = Believed(self.images.size)

    def stage(self, flash, image):
        self._trailer.erase(flash)
        self._trailer.write_magic(flash)
        yield from write_image(flash, self._secondary, self._size, image)


class Believed(Images):
    def is_whole(self, flash, address) -> bool:
        return True


class EarlyErase(StatusLog):
    """The half that counts is erased before the other one is written."""

    def write(self, flash, state):
        number, _ = self._counting(flash)
        flash.erase(self.halves[number])
        flash.erase(self.halves[1 - number])
        for place, value in enumerate((state, 0x5A)):
            flash.program(self.halves[1 - number] + place * self.unit, self._word(value))


def mistaken(make, log: type[StatusLog]):
    part = small("STM32L476xG")
    algorithm = make(part)
    old = algorithm._log
    algorithm._log = log(old.halves, old.unit, old.states, old.follows)
    return algorithm, part


MAKERS = (mended.overwrite, mended.swap_by_scratch, mended.swap_by_move)


@pytest.mark.parametrize("make", MAKERS)
def test_a_status_that_is_erased_too_early_is_found(make) -> None:
    report = searched(*mistaken(make, EarlyErase))
    assert report.violations[0].question == "safe"
    assert len(report.violations[0].path.cuts) == 1


@pytest.mark.parametrize(
    ("make", "first", "second"),
    [
        (mended.overwrite, 0, 2),
        (mended.swap_by_scratch, 1, 2),
        (mended.swap_by_move, 1, 2),
    ],
)
def test_copies_in_the_wrong_order_are_found(make, first: int, second: int) -> None:
    """A sector is written over before what it held is elsewhere."""
    part = small("STM32L476xG")
    algorithm = make(part)
    there = list(algorithm._there)
    there[first], there[second] = there[second], there[first]
    algorithm._there = there
    assert searched(algorithm, part, is_good=False).violations


def test_a_mark_before_the_image_is_found() -> None:
    """On a part without ECC, where as it is published nothing goes wrong by a single cut."""
    part = small("STM32F429xI")
    clean = (Outcome.BEFORE, Outcome.AFTER)
    (first, *_) = searched(MagicFirst(part), part, outcomes=clean).violations
    assert first.question == "safe"
    assert len(first.path.cuts) == 1
    assert BY_CELL["overwrite/published/STM32F429xI/good"].cuts == 2


# --- where it fits


def test_slots_take_sectors_that_follow_one_another() -> None:
    places = Places(load_part("STM32F429xI"))
    assert places.slot(4) == (0x0810_0000, 0x0810_4000, 0x0810_8000, 0x0810_C000)
    assert places.slot(3) == (0x0800_4000, 0x0800_8000, 0x0800_C000)
    with pytest.raises(DoesNotFit, match="16384 bytes"):
        places.slot(1)


@pytest.mark.parametrize("name", cells.PARTS.values())
def test_short_sectors_leave_the_rules_alone(name: str) -> None:
    part, short = load_part(name), small(name)
    assert min(short.sector_sizes) == UNITS * part.program_unit
    assert replace(short, sector_sizes=part.sector_sizes, bank_starts=part.bank_starts) == part


# --- a second opinion


@pytest.mark.thorough
@pytest.mark.parametrize(
    "name", ["overwrite/mended/STM32L476xG/good", "swap-scratch/mended/STM32F103x8/bad"]
)
def test_a_pass_is_confirmed_by_the_checker(name: str, tmp_path) -> None:
    path = tmp_path / "certificate.gz"
    main(["--cell", name, "--certificate", str(path)])
    verdict = confirm(str(path), cells.from_certificate)
    assert verdict.exit_code == OK
