"""The plain model of the cells: it agrees with the device, and sees where the device goes wrong."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flash_emulator import CutAt, EmulatedFlash, MetastableMode, Outcome, PowerLoss, load_part
from flash_emulator.array import cuts
from flash_emulator.array.cells import Cells
from flash_emulator.array.ecc import Code, Decoded, Verdict
from flash_emulator.array.pages import RawUnit
from flash_emulator.certificate_check import NotConfirmed, confirm
from flash_emulator.certificate_check.boots import ReadChoice, powered
from flash_emulator.certificate_check.plain_cells import Mismatch
from flash_emulator.certificate_check.plain_replay import Shadow
from flash_emulator.errors import ProgramError, UnreadableUnit
from flash_emulator.explore import FunctionSubject, Nothing, Search, SearchOptions
from flash_emulator.explore.certificate import CertificateWriter
from flash_emulator.parts.part_model import Overwrite
from tests.flash_emulator.evidence_toys import DONE, certified, world
from tests.flash_emulator.tiny_silicon import BASE, SECTOR, UNIT, flash, part
from tests.thorough import one_in

RULES = {
    "L4": part(),
    "F1": part(ecc=False),
    "F4": part(ecc=False, overwrite=Overwrite.CLEAR_BITS),
    "H7": part(overwrite=Overwrite.EXECUTES),
    "fast L4": part(fast_overwrite=Overwrite.EXECUTES, row_bytes=SECTOR),
    "forbidden": part(overwrite=Overwrite.FORBIDDEN),
    "parallel": part(bulk_erase="parallel"),
}


def campaign(device: EmulatedFlash, rng: random.Random, boots: int) -> Shadow:
    """Random operations and reads, each boot with a cut. Raises Mismatch."""
    shadow = Shadow()
    shadow.begin(device)
    for _ in range(boots):
        flips = frozenset(rng.sample(range(16), 4))
        read_choice = [ReadChoice(flips=flips), *map(ReadChoice, MetastableMode)]
        on = shadow.powered(powered(device, rng.choice(read_choice)))
        on.supply = CutAt(rng.randrange(1, 12), rng.choice(list(Outcome)))
        try:
            for _ in range(40):
                act(on, rng)
        except PowerLoss:
            pass
        device = on.fork()
        device.cells.fade()
        shadow.cut(on, device, merge=True)
    return shadow


def act(on: EmulatedFlash, rng: random.Random) -> None:
    unit = rng.randrange(16)
    address = BASE + unit * UNIT
    count = rng.choice([1, 1, 2, 5])
    data = bytes(rng.choice([0, 0xFF, 0x5A, rng.randrange(256)]) for _ in range(UNIT * count))
    try:
        match rng.choice(["program", "program", "erase", "read", "read", "match", "hash", "more"]):
            case "program":
                on.program(address, rng.choice([data, bytes(len(data))]))
            case "erase":
                on.erase(BASE + rng.choice([0, 1]) * SECTOR)
            case "read":
                on.read(address + rng.randrange(UNIT), rng.choice([1, UNIT, 3 * UNIT]))
            case "match":
                on.match(address, data)
            case "hash":
                on.sha256(BASE, SECTOR)
            case _ if on.part.row_bytes:
                on.program_fast(BASE, bytes(rng.randrange(256) for _ in range(SECTOR)))
            case _ if rng.random() < 0.1:
                on.erase_bank(0)
            case _:
                on.map_bank(rng.choice([0, 1]))
    except (ProgramError, UnreadableUnit):
        pass


@pytest.mark.parametrize("rules", RULES)
@pytest.mark.parametrize("seed", one_in(4, range(4)))
def test_both_models_agree_whatever_is_done(rules: str, seed: int) -> None:
    device = EmulatedFlash(RULES[rules], seed=seed)
    shadow = campaign(device, random.Random(f"{rules}/{seed}"), boots=40)
    assert shadow.boots == 40
    assert shadow.compared[0] > 500


@pytest.mark.parametrize("name", ["STM32U575xI", "STM32F429xI"])
def test_both_agree_on_real_geometries(name: str) -> None:
    shadow = Shadow()
    device = EmulatedFlash(load_part(name))
    shadow.begin(device)
    on, size = shadow.powered(powered(device, ReadChoice())), device.part.program_unit
    on.program(device.part.base, bytes(range(64)) + bytes(size))
    on.erase(device.part.base)
    on.program(device.part.base, bytes(range(64)))
    assert on.read(device.part.base, 64) == bytes(range(64))
    shadow.rest(on)


AFTER_IT: dict[str, Callable[[EmulatedFlash], object]] = {
    "erase": lambda on: on.erase(BASE + SECTOR),
    "bank erase": lambda on: on.erase_bank(0),
    "mass erase": lambda on: on.erase_all(),
    "program": lambda on: on.program(BASE + SECTOR, bytes(UNIT)),
    "fast program": lambda on: on.program_fast(BASE + SECTOR, bytes(SECTOR)),
}


@pytest.mark.parametrize("then", AFTER_IT)
@pytest.mark.parametrize("outcome", Outcome)
def test_a_cut_of_a_postponed_program_is_no_cut_of_what_came_after_it(
    then: str, outcome: Outcome
) -> None:
    """Programs of firmware are done when the next operation needs them: power goes in it then."""
    device = EmulatedFlash(RULES["fast L4"])
    device.program(BASE + 2 * SECTOR, bytes(range(UNIT)))
    shadow = Shadow()
    shadow.begin(device)
    on = shadow.powered(powered(device, ReadChoice()))
    on.supply = CutAt(2, outcome)
    on.program_later(BASE, bytes(4 * UNIT))
    with pytest.raises(PowerLoss) as lost:
        AFTER_IT[then](on)
    assert (lost.value.kind, lost.value.address) == ("program", BASE + UNIT)
    shadow.rest(on)


# --- devices that are wrong


def torn_moves_another(
    cells: Cells, unit: int, new: int, outcome: Outcome, rng: Any, *given: Any
) -> None:
    """A cell that does not move goes from 0 to 1."""
    RIGHT(cells, unit, new, outcome, rng, *given)
    raw = cuts.held(cells, unit)
    cells.set_word(unit, replace(raw, word=raw.word | ~raw.word & -~raw.word))


def weak_leaves_one(
    cells: Cells, unit: int, new: int, outcome: Outcome, rng: Any, *given: Any
) -> None:
    old = cuts.held(cells, unit)
    RIGHT(cells, unit, new, outcome, rng, *given)
    if outcome is Outcome.WEAK:
        moved = old.word & ~cells.word(unit)
        raw = cuts.held(cells, unit)
        cells.set_word(unit, replace(raw, word=raw.word | moved & -moved))


def strong_for_weak(
    cells: Cells, unit: int, new: int, outcome: Outcome, rng: Any, *given: Any
) -> None:
    """All cells have moved, and none is weak."""
    RIGHT(cells, unit, new, outcome, rng, *given)
    if outcome is Outcome.WEAK:
        cells.set_word(unit, RawUnit(cells.word(unit)))


RIGHT = cuts.cut_program


@pytest.mark.pure
@pytest.mark.parametrize("wrong", [torn_moves_another, weak_leaves_one, strong_for_weak])
def test_a_wrong_cut_of_a_program_is_seen(wrong: Callable[..., None], monkeypatch: Any) -> None:
    monkeypatch.setattr(cuts, "cut_program", wrong)
    with pytest.raises(Mismatch, match="a program cut"):
        campaign(flash(), random.Random(3), boots=60)


@pytest.mark.pure
def test_a_wrong_cut_of_an_erase_is_seen(monkeypatch: Any) -> None:
    right = cuts._erased

    def wrong(cells: Cells, units: range, *rest: Any) -> Any:
        for unit, raw in right(cells, units, *rest):
            yield unit, replace(raw, word=raw.word & ~1)  # a cell goes from 1 to 0

    monkeypatch.setattr(cuts, "_erased", wrong)
    with pytest.raises(Mismatch, match="an erase cut"):
        campaign(flash(), random.Random(3), boots=60)


@pytest.mark.pure
def test_a_wrong_decoder_is_seen(monkeypatch: Any) -> None:
    """It believes what it should correct."""
    right = Code.decode

    def wrong(self: Code, word: int) -> Decoded:
        found = right(self, word)
        data = word & (1 << self.data_bits) - 1
        return Decoded(data, Verdict.CLEAN) if found.verdict is Verdict.CORRECTED else found

    monkeypatch.setattr(Code, "decode", wrong)
    with pytest.raises(Mismatch, match=r"read of unit|match"):
        campaign(flash(), random.Random(3), boots=60)


def test_a_wrong_overwrite_is_seen(monkeypatch: Any) -> None:
    """The controller of an L4 takes whatever it is given."""
    monkeypatch.setattr(EmulatedFlash, "_effect", lambda *a: None)
    with pytest.raises(Mismatch, match="the plain model refuses"):
        campaign(flash(), random.Random(3), boots=60)


def test_a_wrong_bank_is_seen(monkeypatch: Any) -> None:
    """Reads go to the bank that is not mapped."""
    right = EmulatedFlash.read

    def wrong(self: EmulatedFlash, address: int, size: int) -> bytes:
        self._mapped ^= 1
        try:
            return right(self, address, size)
        finally:
            self._mapped ^= 1

    monkeypatch.setattr(EmulatedFlash, "read", wrong)
    with pytest.raises(Mismatch, match="read of unit"):
        campaign(flash(), random.Random(3), boots=60)


# --- in the check of a certificate


def test_the_check_replays_boots_on_both(tmp_path: Path) -> None:
    certified(tmp_path / "one", {"toy": "copy"})
    verdict = confirm(str(tmp_path / "one"), world)
    assert verdict.replayed >= 16
    assert f"agreed in {verdict.replayed} boots, {verdict.compared} times" in str(verdict)


class NeverRead(FunctionSubject):
    """Nobody reads the second sector, so all that it may hold is one to the search."""

    def representative(self, flash: EmulatedFlash) -> EmulatedFlash:
        twin = flash.fork()
        twin.forget(BASE + SECTOR, SECTOR)
        return twin


def scribbles(device: EmulatedFlash) -> Iterator[str]:
    """Waits at points for nobody, before and behind its operations."""
    if device.match(BASE, DONE) == UNIT:
        return
    yield "not done"
    device.erase(BASE + SECTOR)
    yield "erased"
    device.program(BASE + SECTOR, DONE)
    yield "written"
    device.erase(BASE)
    device.program(BASE, DONE)


def test_it_replays_what_a_representative_forgets_from_point_to_point(tmp_path: Path) -> None:
    def here(_: object) -> Any:
        return NeverRead(scribbles), flash(), Nothing()

    with (tmp_path / "one").open("wb") as file:
        writer = CertificateWriter(file, {"toy": "scribbles"})
        search = Search(*here({}), observer=writer, began=writer.begin)
        writer.finish(search.run())
    verdict = confirm(str(tmp_path / "one"), here)
    assert verdict.replayed >= verdict.states


def test_a_boot_that_never_rests_is_replayed_up_to_where_it_was(tmp_path: Path) -> None:
    certified(tmp_path / "one", {"toy": "waiting"})
    verdict = confirm(str(tmp_path / "one"), world)
    assert verdict.replayed >= verdict.states


@pytest.mark.pure
def test_a_wrong_device_is_refused_though_the_search_had_the_same(
    tmp_path: Path, monkeypatch: Any
) -> None:
    """Search and checker share the device, so they agree; the plain model does not."""
    monkeypatch.setattr(cuts, "cut_program", strong_for_weak)
    certified(tmp_path / "one", {"toy": "waiting"}, SearchOptions(merge=False))
    with pytest.raises(NotConfirmed, match="the plain model of the cells differs"):
        confirm(str(tmp_path / "one"), world)
