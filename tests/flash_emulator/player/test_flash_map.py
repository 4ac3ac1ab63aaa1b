"""What is drawn of a part, and what sectors hold."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from flash_emulator import CutAt, EmulatedFlash, Outcome, PowerLoss, load_part, part_names
from flash_emulator.device.trace import Operation
from flash_emulator.player import FlashMap, Signs, Step, film_json, sector_signs, span_of
from tests.flash_emulator import tiny_silicon
from tests.flash_emulator.player.films import signs_of
from tests.flash_emulator.tiny_silicon import BASE, SECTOR, UNIT, part, units


@pytest.mark.parametrize("name", part_names())
def test_every_sector_of_every_part_is_found_by_its_address(name: str) -> None:
    chip = load_part(name)
    flash_map = FlashMap.of(chip)
    for index, (offset, size) in enumerate(chip.sector_starts.items()):
        first = flash_map.address_of(offset)
        assert first == chip.bank_starts[offset // chip.bank_size] + offset % chip.bank_size
        assert flash_map.index_of(first) == flash_map.index_of(first + size - 1) == index
        assert flash_map.indices(offset, size) == range(index, index + 1)
    assert flash_map.index_of(chip.base - 1) == -1
    assert flash_map.index_of(chip.bank_starts[-1] + chip.bank_size) == -1
    json = flash_map.as_json()
    assert sum(count for count, _ in json["sizes"]) == len(chip.sector_starts)
    assert sum(count * size for count, size in json["sizes"]) == chip.size


def test_four_banks_with_holes_and_sectors_of_several_sizes() -> None:
    starts = tuple(BASE + bank * 0x10_0000 for bank in range(4))
    chip = part(bank_count=4, sector_sizes=(64, 64, 256), bank_starts=starts)
    flash_map = FlashMap.of(chip, {"boot": (0, 64), "A slot": (64, 320), "trailer": (384, 64)})
    assert [flash_map.address_of(384 * bank + 64) for bank in range(4)] == [
        start + 64 for start in starts
    ]
    assert flash_map.index_of(starts[3] + 200) == 11
    assert flash_map.index_of(starts[1] - 1) == flash_map.index_of(starts[0] + 384) == -1
    assert flash_map.indices(64, 400) == range(1, 5)
    assert [flash_map.role(offset) for offset in (0, 64, 384, 448)] == [
        "boot",
        "slot",
        "journal",
        "",
    ]
    assert flash_map.as_json()["banks"] == tuple((start, 384) for start in starts)


def test_a_map_without_banks_has_its_base() -> None:
    flash_map = FlashMap(0x100, ((0, 8), (8, 16)))
    assert (flash_map.address_of(9), flash_map.index_of(0x100 + 23)) == (0x109, 1)
    assert flash_map.index_of(0x100 + 24) == -1
    assert FlashMap(0, ()).index_of(0) == -1


class Looker:
    """Keeps signs while a device works, as a recorder does."""

    def __init__(self, flash: EmulatedFlash) -> None:
        self.flash, self.signs, self.steps = flash, Signs(flash), list[Step]()
        self.seen: list[str] = []
        self._spans: list[tuple[int, int]] = []
        flash.watch = self

    def operation(self, operation: Operation) -> None:
        self.look()
        span = span_of(self.flash, operation)
        self._spans = [span] if span is not None else []

    def look(self) -> None:
        signs = self.signs.look(self.flash, self._spans)
        self.steps.append(Step(1, len(self.steps), "operation", "", signs))
        self.seen.append(sector_signs(self.flash))

    def read(self, offset: int, size: int) -> None: ...

    def compared(self, unit: int, wanted: object, *, never: bool) -> None: ...

    def moment(self) -> None: ...


@pytest.mark.parametrize("ecc", [True, False])
def test_signs_are_those_of_the_cells_at_every_step(ecc: bool) -> None:
    rng = random.Random(7)
    flash = tiny_silicon.flash(ecc=ecc)
    looker = Looker(flash)
    for number in range(150):
        sector = rng.randrange(8)
        address = BASE + sector * SECTOR
        flash.supply = CutAt(rng.randint(1, 9), rng.choice(list(Outcome)))
        try:
            if rng.random() < 0.3:
                flash.erase(address)
            elif rng.random() < 0.05:
                flash.erase_all()
            elif rng.random() < 0.1:
                flash.erase_bank(number % 2)
            else:
                unit = rng.randrange(8)
                flash.program(address + unit * UNIT, units(number % 50, 8 - unit))
        except PowerLoss:
            flash.power_on()
        except OSError:
            continue  # refused: nothing was done
    looker.look()
    film = film_json(FlashMap.of(flash.part), looker.steps)
    assert list(signs_of(film)) == looker.seen
    assert looker.seen[-1] == sector_signs(flash)
    assert set("".join(looker.seen)) == set(".#+!")


def test_words_of_others_move_no_cursor_and_turn_no_text() -> None:
    step = Step(1, 0, "word", "a\x1b[2Jb\u202ec\nd", "." * 8)
    (row,) = film_json(FlashMap.of(part()), [step])["frames"]
    assert row == [1, 0, "word", "a\\x1b[2Jb\\u202ec\\x0ad", -1, [], None]


def test_an_operation_names_all_sectors_that_it_works_on() -> None:
    flash_map = FlashMap.of(part())
    step = Step(1, 3, "operation", "x", "#" * 8, BASE, "program", (40, 100), 1500)
    row = film_json(flash_map, [step, replace(step, doing="")])["frames"]
    assert row[0][4:] == [0, [(0, "#" * 8)], 2, {"doing": ["program", 0, 3]}]
    assert row[1][4:] == [0, [], 2]
