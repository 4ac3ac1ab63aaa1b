"""Toys of which a search could be wrong: each has a fault that some reduction might hide.

Every toy is searched as usual and by ``brute_force``, which shares nothing with the search; both
must find the fault with as few cuts. Or the search must refuse, and say why.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from flash_emulator import EmulatedFlash, FlashError, Outcome, ProgramError
from flash_emulator.explore import (
    ExternalState,
    FunctionSubject,
    Limits,
    Nothing,
    Search,
    SearchOptions,
    SelfCheckFailed,
    Subject,
    Violation,
    explore,
    replay,
)
from flash_emulator.explore.recorder import Broken
from flash_emulator.parts.part_model import OptionField, OptionModel, OptionRole, Overwrite
from flash_emulator.watchdog import OutOfTime
from tests.flash_emulator.explore.brute_force import brute_force
from tests.flash_emulator.explore.compare_bootloaders import shortest
from tests.flash_emulator.tiny_silicon import BANK, BASE, SECTOR, UNIT, part, units
from tests.thorough import one_in

ALL = SearchOptions(limits=Limits(violations=None, operations=300))
ERASED = b"\xff" * UNIT
MARK, STACK = units(9, 1), b"\x00\x80\x00\x20" + b"\x5a" * 4
PAYLOAD = units(0, 4)
BFB2 = OptionModel(
    "erase_then_program", "option_load", {"BFB2": OptionField(OptionRole.BOOT_BANK, 1, 0, 1)}
)

Boot = Callable[[EmulatedFlash], Any]
Hiding = Callable[[Callable[[], Any]], Any]


def quiet(flash: EmulatedFlash, address: int) -> bytes:
    try:
        return flash.read(address, UNIT)
    except FlashError:
        return b"unreadable"


def nothing(_: EmulatedFlash) -> None:
    """Right whatever it holds."""


def found(flash: EmulatedFlash, boot: Boot, verdict: Boot = nothing) -> dict[str, int]:
    """What the search finds, which replays, and what the brute one finds, which is the same."""
    report = explore(flash, boot, verdict, options=ALL)
    truth = brute_force(flash, boot, verdict, fade=True)
    assert shortest(report) == truth.shortest
    assert shortest(report) == shortest(explore(flash, boot, verdict, options=BRUTE))
    for violation in report.violations:
        subject = FunctionSubject(boot, verdict)
        film = replay(subject, flash, Nothing(), violation.path, ALL)
        assert film.violation == (violation.question, violation.text)
    return shortest(report)


BRUTE = replace(ALL, merge=False)
STEADY = replace(ALL, outcomes=(Outcome.BEFORE, Outcome.TORN, Outcome.AFTER))
"""Nothing is metastable, so boots differ in nothing but what a test is about."""


# --- looks that nobody notices


def starts_half_written(flash: EmulatedFlash) -> None:
    """Bank 2 is written from its first word on, and that alone tells the boot ROM to start it."""
    if flash.mapped_bank:
        if not flash.match(BASE, STACK + PAYLOAD):
            raise Violation("safe", "what runs is not whole")
        if flash.match(BASE, STACK + PAYLOAD) < UNIT + len(PAYLOAD):
            raise Violation("safe", "half of it runs")
        return
    if flash.match(BASE + BANK, STACK + PAYLOAD) < UNIT + len(PAYLOAD):
        flash.erase(BASE + BANK)
        flash.program(BASE + BANK, STACK + PAYLOAD)


def test_the_boot_rom_looks_at_the_first_word_of_bank_2() -> None:
    flash = EmulatedFlash(part(options=BFB2))
    assert found(flash, starts_half_written)["safe"] == 1


def row_that_was_taken_twice(flash: EmulatedFlash) -> None:
    """It goes wrong only where the burst that was cut is taken again: it was still erased."""
    if quiet(flash, BASE + 2 * SECTOR) != MARK:
        flash.erase(BASE)
        flash.program(BASE + 2 * SECTOR, MARK)
        flash.program_fast(BASE, PAYLOAD[: 2 * UNIT])
        flash.program(BASE + 3 * SECTOR, MARK)
        return
    if quiet(flash, BASE + 3 * SECTOR) == MARK:
        return
    try:
        flash.program_fast(BASE, PAYLOAD[: 2 * UNIT])
    except ProgramError:
        flash.erase(BASE)
        return
    raise Violation("safe", "taken again")


def test_a_burst_that_may_be_refused_looks_at_its_row() -> None:
    flash = EmulatedFlash(part(overwrite=Overwrite.FORBIDDEN, burst_bytes=2 * UNIT))
    assert found(flash, row_that_was_taken_twice)["safe"] == 1


def damaged_in_the_field(flash: EmulatedFlash) -> None:
    """Somebody else writes a part of a unit: what it keeps of the rest is content."""
    if quiet(flash, BASE) not in (ERASED, PAYLOAD[:UNIT]):
        flash.preload(BASE + 1, b"\x00")
        if flash.read(BASE, 1) != b"\xff":
            flash.erase(BASE)
            raise Violation("safe", "it was written")
    flash.erase(BASE)
    flash.program(BASE, PAYLOAD)


def test_what_stays_of_a_unit_is_looked_at() -> None:
    assert found(EmulatedFlash(part()), damaged_in_the_field)["safe"] == 1


def reads_opsr(flash: EmulatedFlash) -> None:
    """FLASH_OPSR names the unit that was being programmed: the third one is handled wrong."""
    broken = flash.interrupted
    if broken is not None and broken.address == BASE + 2 * UNIT:
        raise Violation("safe", "the third unit")
    flash.erase(BASE)
    flash.program(BASE, PAYLOAD)


def test_a_boot_that_reads_opsr_meets_every_unit() -> None:
    flash = EmulatedFlash(part(opsr=True))
    assert shortest(explore(flash, reads_opsr, options=ALL)) == {"safe": 1}
    assert shortest(explore(flash, reads_opsr, options=BRUTE)) == {"safe": 1}
    report = explore(EmulatedFlash(part()), reads_opsr, options=ALL)
    assert not report.violations and not report.refinements


# --- looks that the subject hides


def bare(read: Callable[[], bytes]) -> bytes | None:
    try:
        return read()
    except:  # noqa: E722 - that is what it is about
        return None


def base_exception(read: Callable[[], bytes]) -> bytes | None:
    try:
        return read()
    except BaseException:
        return None


def suppressed(read: Callable[[], bytes]) -> bytes | None:
    with contextlib.suppress(BaseException):
        return read()
    return None


def returned_in_finally(read: Callable[[], bytes]) -> bytes | None:
    value = None
    try:
        value = read()
    finally:
        return value  # noqa: B012 - that is what it is about


def by_a_thread(read: Callable[[], bytes]) -> bytes | None:
    held: list[bytes] = []
    thread = threading.Thread(target=lambda: held.append(bare(read) or b""))
    thread.start()
    thread.join()
    return held[0] or None


def by_a_generator(read: Callable[[], bytes]) -> bytes | None:
    def values() -> Iterator[bytes | None]:
        try:
            value: bytes | None = read()
        except BaseException:
            value = None
        yield value

    return next(values())


def turned_into_another(read: Callable[[], bytes]) -> bytes | None:
    try:
        try:
            return read()
        except BaseException as error:
            raise ValueError from error
    except ValueError:
        return None


def read_on_and_on(read: Callable[[], bytes]) -> bytes | None:
    for _ in range(3):
        with contextlib.suppress(BaseException):
            return read()
    return None


HIDING = [
    bare,
    base_exception,
    suppressed,
    returned_in_finally,
    by_a_thread,
    by_a_generator,
    turned_into_another,
    read_on_and_on,
]


@pytest.mark.parametrize(("hiding", "fork"), one_in(3, [*product(HIDING, (False, True))]))
def test_a_look_that_the_subject_hides_is_a_look(hiding: Hiding, fork: bool) -> None:
    def boot(flash: EmulatedFlash) -> None:
        """It goes wrong where the unit can be read and is neither blank nor whole."""
        reader = flash.fork() if fork else flash
        value = hiding(lambda: reader.read(BASE, UNIT))
        if value not in (None, ERASED, PAYLOAD[:UNIT]):
            raise Violation("safe", "a torn unit is taken")
        flash.erase(BASE)
        flash.program(BASE, PAYLOAD)

    assert found(EmulatedFlash(part()), boot)["safe"] == 1


def test_a_hidden_limit_of_operations_is_met_all_the_same() -> None:
    def boot(flash: EmulatedFlash) -> None:
        with contextlib.suppress(BaseException):
            while True:
                flash.erase(BASE)
                flash.program(BASE, PAYLOAD)

    report = explore(EmulatedFlash(part()), boot, options=ALL)
    assert {(v.question, v.text) for v in report.violations} == {
        ("live", "no rest after 300 operations of one boot")
    }


def test_a_hidden_cut_is_replayed_all_the_same() -> None:
    def boot(flash: EmulatedFlash) -> None:
        with contextlib.suppress(BaseException):
            if quiet(flash, BASE) not in (ERASED, PAYLOAD[:UNIT]):
                raise Violation("safe", "hidden, too")
            flash.erase(BASE)
            flash.program(BASE, PAYLOAD)

    def verdict(flash: EmulatedFlash) -> None:
        if flash.match(BASE, PAYLOAD) < len(PAYLOAD):
            raise Violation("live", "not whole")

    assert found(EmulatedFlash(part()), boot, verdict)["live"] == 1


# --- state outside the key


def forgets_what_it_loaded(flash: EmulatedFlash) -> Iterator[object]:
    """Both ways come to the same flash and the same memory: but one has loaded its options."""
    if quiet(flash, BASE) not in (ERASED, PAYLOAD[:UNIT]):
        flash.program_options(BFB2=0)
        flash.launch_options()
        flash.program_options(BFB2=1)
    flash.erase(BASE)
    yield "here"
    if not flash.options.loaded["BFB2"]:
        raise Violation("safe", "other options are loaded than are programmed")
    flash.program(BASE, PAYLOAD[:UNIT])


def test_options_that_are_loaded_are_part_of_a_point() -> None:
    flash = EmulatedFlash(part(options=BFB2))
    assert found(flash, forgets_what_it_loaded)["safe"] == 1
    assert shortest(explore(flash, forgets_what_it_loaded, options=STEADY))["safe"] == 1


def maps_and_asks(flash: EmulatedFlash) -> Iterator[object]:
    """The same with an operation under way in the background."""
    torn = quiet(flash, BASE) not in (ERASED, PAYLOAD[:UNIT])
    flash.erase(BASE)
    if torn:
        flash.background = True
        flash.erase(BASE)
        flash.background = False
    yield "here"
    if flash.is_busy():
        raise Violation("safe", "busy")
    flash.program(BASE, PAYLOAD)


def test_what_is_under_way_is_part_of_a_point() -> None:
    assert found(EmulatedFlash(part()), maps_and_asks)["safe"] == 1
    assert shortest(explore(EmulatedFlash(part()), maps_and_asks, options=STEADY))["safe"] == 1


def after_a_point(ask: Boot) -> Boot:
    def boot(flash: EmulatedFlash) -> Iterator[object]:
        flash.erase(BASE)
        yield "here"
        ask(flash)
        flash.program(BASE, PAYLOAD)

    return boot


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda flash: flash.clock.now_us, "clock"),
        (lambda flash: flash.elapsed_us(), "is_timed"),
        (lambda flash: flash.supply.taken, "supply"),
        (lambda flash: flash.usage, "usage"),
        (lambda flash: flash.erase_counts[0], "erase_counts"),
        (lambda flash: flash.worn_sectors(), "worn_sectors"),
        (lambda flash: flash.is_timed, "is_timed"),
        (lambda flash: flash.save(), "save"),
        (lambda flash: flash.fork().erase_counts, "erase_counts"),
    ],
)
@pytest.mark.parametrize("hiding", [None, bare])
def test_what_is_in_no_key_may_not_be_read(ask: Boot, said: str, hiding: Hiding | None) -> None:
    hidden: Boot = ask if hiding is None else lambda flash: hiding(lambda: ask(flash))
    for options in (ALL, BRUTE):
        with pytest.raises(SelfCheckFailed, match=said):
            explore(EmulatedFlash(part()), after_a_point(hidden), options=options)


def slow_writer(flash: EmulatedFlash) -> Iterator[object]:
    """A clock that is read before the first point belongs to it; one of its own is its own."""
    began_us = flash.clock.now_us
    flash.erase(BASE)
    yield flash.clock.now_us - began_us
    flash.program(BASE, PAYLOAD)


def test_a_clock_may_be_read_before_the_first_point() -> None:
    assert explore(EmulatedFlash(part()), slow_writer, options=ALL).complete


class Counts:
    """Boots are counted where no cut reaches: the *wrong*-th is wrong, or all from there on."""

    def __init__(self, wrong: int, *, once: bool) -> None:
        self.boots, self.wrong, self.once = 0, wrong, once

    def __call__(self, flash: EmulatedFlash) -> None:
        self.boots += 1
        number = self.boots
        flash.erase(BASE)
        if number == self.wrong or (number > self.wrong and not self.once):
            flash.erase(BASE + SECTOR)
        flash.program(BASE, PAYLOAD)


@pytest.mark.parametrize(
    ("wrong", "once"), [(2, False), (3, False), (5, False), (1, True), (2, True)]
)
def test_a_subject_that_counts_its_boots_in_ram_is_noticed(wrong: int, once: bool) -> None:
    """Not one that is wrong in a single boot of many, whose state is not booted again: that it is
    not so is what *passed* takes from the subject."""
    with pytest.raises(SelfCheckFailed, match="does not do the same twice"):
        explore(EmulatedFlash(part()), Counts(wrong, once=once), options=ALL)


def keeps_a_secret(flash: EmulatedFlash) -> Iterator[object]:
    """What it yields is not all that it remembers."""
    torn = quiet(flash, BASE) not in (ERASED, PAYLOAD[:UNIT])
    flash.erase(BASE)
    yield "here"
    if torn:
        raise Violation("safe", "it was torn")
    flash.program(BASE, PAYLOAD)


def test_a_brute_search_joins_nothing() -> None:
    flash = EmulatedFlash(part())
    assert shortest(explore(flash, keeps_a_secret, options=BRUTE)) == {"safe": 1}


def test_a_run_that_comes_back_is_found_by_a_brute_search_too() -> None:
    def boot(flash: EmulatedFlash) -> Iterator[object]:
        flash.erase(BASE)
        flash.program(BASE, PAYLOAD)
        while True:
            yield "waits"

    for options in (ALL, BRUTE):
        assert shortest(explore(EmulatedFlash(part()), boot, options=options)) == {"live": 0}


class ActsInBoot(Subject):
    """Operations before ``run``, which nobody would cut."""

    def boot(self, flash: EmulatedFlash, external: ExternalState) -> Any:
        flash.erase(BASE + SECTOR)
        return FunctionSubject(slow_writer).boot(flash, external)


def test_operations_before_the_run_are_refused() -> None:
    with pytest.raises(Broken, match="not cut"):
        Search(ActsInBoot(), EmulatedFlash(part())).run()


# --- what ends a search may come at any moment


@pytest.mark.parametrize("count", range(1, 5))  # its boots and probes, but the last look
def test_a_search_may_end_where_a_boot_has_no_device_yet(count: int, monkeypatch: Any) -> None:
    left, for_boot = [count], EmulatedFlash.for_boot

    def made(*words: Any) -> EmulatedFlash:
        left[0] -= 1
        if not left[0]:
            raise OutOfTime
        return for_boot(*words)

    monkeypatch.setattr(EmulatedFlash, "for_boot", made)
    assert explore(EmulatedFlash(part()), reads_opsr, options=ALL).stopped_by == "time"
