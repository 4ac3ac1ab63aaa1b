"""A supply that decays slowly: the last complete operation is weak, blank cells drift back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from flash_emulator import Decay, EmulatedFlash, load_part
from flash_emulator.array.pages import Mark
from flash_emulator.errors import FlashError
from flash_emulator.explore import (
    FunctionSubject,
    Limits,
    Nothing,
    Path,
    Report,
    Search,
    SearchOptions,
    Violation,
    replay,
)
from flash_emulator.power import CutAt, Outcome, PowerLoss
from tests.flash_emulator.explore import subjects
from tests.flash_emulator.explore.bootloaders import SILICON, Grammar, silicon
from tests.flash_emulator.explore.bootloaders import device as random_device
from tests.flash_emulator.explore.brute_force import brute_force
from tests.flash_emulator.explore.protocols import DONE, read
from tests.flash_emulator.tiny_silicon import BASE, ERASED, SECTOR, UNIT, units
from tests.flash_emulator.tiny_silicon import flash as tiny
from tests.thorough import one_in

ALL = SearchOptions()
BRUTE = SearchOptions(limits=Limits(cuts=2), merge=False)
MARK, NEXT = subjects.MARK, BASE + SECTOR


# --- toys, each with what it should be


def mark_after_read_back(device: EmulatedFlash) -> None:
    """It reads back once what it has programmed, marks it as good, and never looks again."""
    if read(device, MARK) != DONE:
        device.erase(BASE)
        device.program(BASE, subjects.PAYLOAD)
        if device.read(BASE, len(subjects.PAYLOAD)) == subjects.PAYLOAD:
            device.program(MARK, DONE)


def mark_one_operation_later(device: EmulatedFlash) -> None:
    """The same, with an operation in between: when the mark is begun the payload is not the last
    complete operation any more."""
    if read(device, MARK) != DONE:
        device.erase(BASE)
        device.program(BASE, subjects.PAYLOAD)
        device.erase(NEXT)
        if device.read(BASE, len(subjects.PAYLOAD)) == subjects.PAYLOAD:
            device.program(MARK, DONE)


def erase_and_trust(device: EmulatedFlash) -> None:
    """It notes that a sector is erased, and takes the rest of it for blank in all later boots."""
    if read(device, MARK) != DONE:
        device.erase(BASE)
        device.program(BASE + UNIT, DONE)
        device.program(MARK, DONE)


def still_blank(device: EmulatedFlash) -> None:
    if read(device, MARK) == DONE and read(device, BASE) != ERASED:
        raise Violation("safe", "what was erased is not blank any more")


def erase_when_it_is_needed(device: EmulatedFlash) -> None:
    """Nothing is taken for blank that this boot has not erased."""
    if read(device, BASE) != DONE:
        device.erase(BASE)
        device.program(BASE, DONE)


def searched(
    boot: Callable[[EmulatedFlash], None],
    asked: Callable[[EmulatedFlash], None],
    *decays: Decay,
    options: SearchOptions,
    ecc: bool,
) -> Report:
    search = Search(
        FunctionSubject(boot, asked), device_of(ecc), options=replace(options, decays=decays)
    )
    return search.run()


def device_of(ecc: bool) -> EmulatedFlash:
    device = tiny(ecc=ecc)
    device.preload(BASE, units(0x40, 8))
    return device


@pytest.mark.parametrize(
    ("options", "ecc"),
    [(ALL, True), (ALL, False), pytest.param(BRUTE, False, marks=pytest.mark.thorough)],
    ids=["ecc", "no ecc", "brute"],
)
@pytest.mark.parametrize(
    ("wrong", "right", "asked", "decay"),
    [
        (mark_after_read_back, mark_one_operation_later, subjects.installed, Decay.LAST),
        (erase_and_trust, erase_when_it_is_needed, still_blank, Decay.DRIFT),
    ],
)
def test_a_decay_finds_who_trusts_what_was_complete(
    wrong: Callable[[EmulatedFlash], None],
    right: Callable[[EmulatedFlash], None],
    asked: Callable[[EmulatedFlash], None],
    decay: Decay,
    options: SearchOptions,
    ecc: bool,
) -> None:
    """Red with this decay and with nothing else; who does not trust it is green with it."""
    (other,) = set(Decay) - {decay}
    assert not searched(wrong, asked, options=options, ecc=ecc).violations
    assert not searched(wrong, asked, other, options=options, ecc=ecc).violations
    assert not searched(right, asked, decay, options=options, ecc=ecc).violations
    report = searched(wrong, asked, decay, options=options, ecc=ecc)
    assert report.violations and report.decays == (decay,)
    for found in report.violations:
        assert decay in {cut.decay for cut in found.path.cuts}
        assert Path.parse(str(found.path)) == found.path
        subject = FunctionSubject(wrong, asked)
        film = replay(subject, device_of(ecc), Nothing(), found.path, options)
        assert film.violation == (found.question, found.text)


@pytest.mark.parametrize("silicon_class", SILICON)
@pytest.mark.parametrize("seed", one_in(24, range(6, 30)))
def test_random_bootloaders_fare_as_in_a_brute_search(seed: int, silicon_class: str) -> None:
    """Every single cut, with both decays: the same questions violated, after as many cuts."""
    program, part = Grammar(seed).program(), silicon(silicon_class)
    flash = random_device(seed, part)
    truth = brute_force(
        flash,
        lambda chip: [*program.boot(chip)],
        program.verdict,
        fade=True,
        cuts=1,
        decays=[*Decay],
    )
    options = SearchOptions(limits=Limits(cuts=1), decays=tuple(Decay))
    report = Search(FunctionSubject(program.boot, program.verdict), flash, options=options).run()
    shortest: dict[str, int] = {}
    for found in report.violations:
        shortest.setdefault(found.question, len(found.path.cuts))
    assert shortest == truth.shortest


# --- the device


def cut_at(device: EmulatedFlash, decay: Decay, operation: Callable[[], None]) -> None:
    device.supply = CutAt(1, Outcome.BEFORE, decay=decay)
    with pytest.raises(PowerLoss):
        operation()
    device.power_on()


def recalling(*, ecc: bool = True) -> EmulatedFlash:
    device = tiny(ecc=ecc)
    device.recalls = frozenset(Decay)
    return device


def ages(device: EmulatedFlash, address: int) -> list[bytes]:
    """What three starts read."""
    found = []
    for _ in range(3):
        try:
            found.append(device.read(address, UNIT))
        except FlashError:
            found.append(b"?")
        device.power_on()
    return found


@pytest.mark.parametrize("ecc", [True, False])
def test_the_last_program_reads_right_at_first_and_fades(ecc: bool) -> None:
    device = recalling(ecc=ecc)
    device.program(BASE, units(1, 3))
    cut_at(device, Decay.LAST, lambda: device.erase(NEXT))
    first, last = ages(device.fork(), BASE + UNIT), ages(device, BASE + 2 * UNIT)
    assert first == [units(2, 1)] * 3  # the last but one is as strong as ever
    assert last[0] == units(3, 1) != last[2]


def test_within_a_bulk_program_it_is_the_unit_before() -> None:
    device = recalling()
    device.supply = CutAt(3, Outcome.TORN, decay=Decay.LAST)
    with pytest.raises(PowerLoss):
        device.program(BASE, units(1, 3))
    marks = [device.cells.mark(unit) for unit in range(4)]
    assert marks == [Mark.PROGRAMMED, Mark.RAW, Mark.RAW, Mark.VIRGIN]


def test_the_last_erase_gives_back_what_was_there() -> None:
    device = recalling()
    device.preload(BASE, units(0x40, 2))
    device.erase(BASE)
    cut_at(device, Decay.LAST, lambda: device.program(NEXT, DONE))
    read_later = ages(device, BASE)
    assert read_later[0] == ERASED != read_later[2]


def test_drift_is_of_what_is_blank_still_and_of_the_last_erase_only() -> None:
    device = recalling()
    device.erase(NEXT)
    device.erase(BASE)
    device.program(BASE, DONE)
    cut_at(device, Decay.DRIFT, lambda: device.program(NEXT, DONE))
    assert ages(device.fork(), BASE) == [DONE] * 3
    assert ages(device.fork(), NEXT) == [ERASED] * 3
    assert ages(device, BASE + UNIT)[2] != ERASED


@pytest.mark.parametrize("decay", Decay)
def test_nothing_decays_that_an_earlier_power_on_completed(decay: Decay) -> None:
    device = recalling()
    device.erase(BASE)
    device.program(BASE, units(1, 2))
    device.power_on()
    before = device.digest()
    assert not device.may_decay(decay)
    device.decay(decay)
    assert device.digest() == before


def test_options_and_bank_erases_do_not_decay_and_nothing_before_them_does() -> None:
    device = EmulatedFlash(load_part("STM32L476xG"))
    device.recalls = frozenset(Decay)
    for last in (
        lambda: device.erase_bank(1),
        lambda: device.program_options(BFB2=1),
    ):
        device.erase(device.part.base)
        assert device.may_decay(Decay.LAST)
        last()
        assert not any(map(device.may_decay, Decay))


def test_no_decay_unless_it_is_asked_for() -> None:
    device = tiny()
    device.erase(BASE)
    device.program(BASE, DONE)
    assert not any(map(device.may_decay, Decay))


@pytest.mark.parametrize("text", ["600t^last", "3wo^drift~module!1f20", "z^last", "@7^drift", "2b"])
def test_a_path_names_the_decay(text: str) -> None:
    assert str(Path.parse(text)) == text
    with pytest.raises(ValueError, match="is no cut"):
        Path.parse("600t^never")
