"""What the player is shown of a board file: the map as it is, why, marks of its past."""

from __future__ import annotations

from itertools import pairwise

import pytest

from flash_emulator import CutAt, Outcome, PowerLoss, load_part
from flash_emulator.player import FlashMap, sector_signs
from mcu_updater.board import Board
from mcu_updater.board_view.now import film_of_now
from mcu_updater.board_view.recorder import Recorder, reasons, sections_json
from mcu_updater.cloud.single_device import Package, Plan
from mcu_updater.core.errors import address_text
from mcu_updater.core.strategy import Strategy
from mcu_updater.flash_map.layouts import factory_image
from mcu_updater.flash_map.regions import regions
from mcu_updater.flash_map.strategies import strategies_of
from tests.flash_emulator.player.films import signs_of

PARTS = ("STM32L476xG", "STM32F429xI", "STM32F103x8", "STM32F407xG", "STM32H563xI")
CASES = [(part, strategy) for part in PARTS for strategy in strategies_of(load_part(part))]


@pytest.mark.parametrize(("name", "strategy"), CASES)
def test_a_board_in_the_middle_of_an_upgrade(name: str, strategy: Strategy):
    """Of one and of two banks, with sectors of one and of several sizes, in every strategy."""
    part = load_part(name)
    board = Board.new(part, "1.0.0", strategy=strategy, seed=4)
    image = factory_image(board.banks()[1].slot.link_address, "2.0.0") + bytes(range(256)) * 8
    board.offer(Plan("STM32", "2.0.0", Package(image)))
    operation = 50 if part.program_unit < 16 else 20
    with pytest.raises(PowerLoss):
        list(board.run(supply=CutAt(operation, Outcome.METASTABLE)))
    before = board.device.save()
    film = film_of_now(board, "it")
    assert board.device.save() == before
    (signs,) = signs_of(film)
    assert signs == sector_signs(board.device)
    assert "+" in signs and "!" in signs
    labels = {label for _, label in film["map"]["labels"]} - {""}
    assert labels == set(regions(part, strategy))
    assert any("slot" in label for label in labels)
    assert sum(count for count, _ in film["map"]["roles"]) == len(part.sector_starts)
    headings = [section["heading"] for section in film["sections"]]
    assert headings[0] == "Bank A" and headings[-2:] == ["Decision", "Marks of its past"]
    (frame,) = film["frames"]
    assert frame[2] == "now" and frame[3].startswith("the next start runs 1.0.0: bank A holds")
    (spoilt,) = film["sections"][-1]["lines"][2:]
    assert "bits that read one way now and the other way then" in spoilt


@pytest.mark.parametrize(("name", "strategy"), CASES)
def test_regions_lie_beside_one_another_on_whole_sectors(name: str, strategy: Strategy):
    part = load_part(name)
    spans = sorted(regions(part, strategy).values())
    for (at, size), (following, _) in pairwise(spans):
        assert at + size <= following
    for at, size in spans:
        assert at in part.sector_starts
        assert at + size in part.sector_starts or at + size == part.size
    assert spans[0][0] == 0  # the boot region


def test_what_is_filmed_of_a_swap_by_option_bytes():
    """No sector stands for option bytes, and nothing comes behind the operation that was cut."""
    board = Board.new(load_part("STM32H563xI"), "1.0.0", strategy=Strategy.SWAP_OPTION, seed=4)
    image = factory_image(board.banks()[1].slot.link_address, "2.0.0") + bytes(range(256))
    board.offer(Plan("STM32", "2.0.0", Package(image)))
    recorder = Recorder(board)
    recorder.power_on(9)
    with pytest.raises(PowerLoss) as cut:
        for event in board.run(supply=CutAt(9, Outcome.TORN)):
            recorder.event(event, 0)
    recorder.lost(cut.value)
    recorder.power_on(0)
    for event in board.run():
        recorder.event(event, 0)
    recorder.end("it rests")
    film = recorder.film(sections=sections_json(reasons(board)))
    frames = film["frames"]
    (options,) = (frame for frame in frames if ": options" in frame[3])
    assert options[4] == -1 and len(options) == 7
    at = next(index for index, frame in enumerate(frames) if frame[2] == "cut")
    assert [frame[1] for frame in frames[at - 1 : at + 1]] == [9, 9]
    assert frames[at - 1][3].startswith("3 to 9: program")
    exchanged = [len(frame) > 7 and "mapped" in frame[7] for frame in frames]
    assert exchanged == sorted(exchanged) and True in exchanged
    assert not exchanged[frames.index(options)] and exchanged[-1]
    first, bank_a = film["sections"][:2]
    assert first["heading"] == "Addresses"
    assert "flash bank 2 at 0x0800_0000" in first["lines"][0]
    half = FlashMap.of(board.part).address_of(regions(board.part, board.strategy)["B trailer 0"][0])
    assert address_text(half) in bank_a["lines"][0]
    assert film_of_now(board, "it")["frames"][0][7] == {"mapped": True}
