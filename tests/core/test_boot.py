"""Which bank runs: the whole table, and the whole boot under damage."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flash_emulator import EmulatedFlash, Outcome
from mcu_updater.core.bank import Bank, open_banks
from mcu_updater.core.boot import (
    ATTEMPTS,
    Decision,
    Fail,
    Look,
    Mode,
    ResetCause,
    Start,
    View,
    boot,
    choose,
)
from mcu_updater.core.journal import MAX_ATTEMPTS, JournalState, Phase, Record, Snapshot
from mcu_updater.core.slot import Layout
from tests.worlds import DAMAGES, cut, damage_unit, image, rewrite, tiny_part

OTHER_CAUSES = [cause for cause in ResetCause if cause is not ResetCause.POWER]
BOOTABLE = {Phase.TRIAL, Phase.CONFIRMED, Phase.VERIFIED}

# --- the table


def reading(phase: Phase, generation: int = 1, attempts: int = 0) -> JournalState:
    """A reading of *phase*; VERIFIED, TRIAL and FAILED as records behind a VERIFIED header."""
    if phase is Phase.EMPTY:
        return JournalState()
    behind_verified = phase in (Phase.VERIFIED, Phase.TRIAL, Phase.FAILED)
    made = JournalState(
        0,
        Snapshot(Phase.VERIFIED if behind_verified else phase, generation, "STM32", "v"),
        True,
        switched=phase in (Phase.TRIAL, Phase.FAILED),
        attempts=attempts,
        failed=phase is Phase.FAILED,
    )
    assert made.phase is phase
    return made


def views(generation: int) -> list[View]:
    spent = {phase: (0, 1, 2, 3, MAX_ATTEMPTS) if phase is Phase.TRIAL else (0,) for phase in Phase}
    return [
        View(reading(phase, generation, attempts), intact)
        for phase in Phase
        for attempts in spent[phase]
        for intact in (None, True, False)
    ]


def rows() -> Iterator[tuple[tuple[View, View], ResetCause, int]]:
    for generations in ((1, 2), (2, 1), (1, 1)):
        first, second = (views(generation) for generation in generations)
        for a, b in product(first, second):
            for cause, attempts in product(ResetCause, (1, 3, MAX_ATTEMPTS)):
                yield (a, b), cause, attempts


def test_only_a_complete_and_verified_image_is_started() -> None:
    for banks, cause, attempts in rows():
        match choose(banks, cause, attempts):
            case Start(None, mode):
                assert mode is Mode.RECOVERY
                for view in banks:
                    assert view.reading.phase not in BOOTABLE or view.intact is False
            case Start(int() as bank, mode):
                view = banks[bank]
                assert view.intact is True
                by_phase = {
                    Phase.TRIAL: Mode.TRIAL,
                    Phase.CONFIRMED: Mode.RUN,
                    Phase.VERIFIED: Mode.LAST_RESORT,
                }
                assert mode is by_phase[view.reading.phase]


def test_nothing_is_looked_at_twice_or_without_need() -> None:
    for banks, cause, attempts in rows():
        choice = choose(banks, cause, attempts)
        if isinstance(choice, Look):
            assert banks[choice.bank].intact is None
            assert banks[choice.bank].reading.phase in BOOTABLE


def test_an_image_that_was_never_tried_waits_for_all_that_were() -> None:
    for banks, cause, attempts in rows():
        choice = choose(banks, cause, attempts)
        if isinstance(choice, Start) and choice.mode is Mode.LAST_RESORT:
            for view in banks:
                assert view.reading.phase not in (Phase.CONFIRMED, Phase.TRIAL) or (
                    view.intact is False
                )


def test_a_trial_goes_before_a_confirmed_image() -> None:
    for banks, cause, attempts in rows():
        choice = choose(banks, cause, attempts)
        if isinstance(choice, Start) and choice.mode is not Mode.TRIAL:
            assert all(view.reading.phase is not Phase.TRIAL for view in banks)


def test_the_newest_confirmed_image_wins() -> None:
    for banks, cause, attempts in rows():
        choice = choose(banks, cause, attempts)
        if isinstance(choice, Start) and choice.mode is Mode.RUN:
            assert choice.bank is not None
            other = banks[1 - choice.bank]
            if other.reading.phase is Phase.CONFIRMED and other.intact is not False:
                assert other.reading.generation <= banks[choice.bank].reading.generation


def test_power_loss_costs_a_trial_no_attempt_and_every_other_start_does() -> None:
    for banks, cause, attempts in rows():
        match choose(banks, cause, attempts):
            case Start(_, mode, _, counts):
                assert counts == (mode is Mode.TRIAL and cause is not ResetCause.POWER)
                assert cause is ResetCause.POWER or mode is not Mode.TRIAL or counts


def test_a_trial_fails_when_it_is_damaged_or_its_attempts_are_spent_and_never_else() -> None:
    failed = 0
    for banks, cause, attempts in rows():
        trials = [bank for bank, view in enumerate(banks) if view.reading.phase is Phase.TRIAL]
        choice = choose(banks, cause, attempts)
        if not trials:
            assert not isinstance(choice, Fail)
            continue
        bank = trials[0]
        view = banks[bank]
        spent = view.reading.attempts >= attempts and cause is not ResetCause.POWER
        assert isinstance(choice, Look) == (view.intact is None)
        assert isinstance(choice, Fail) == (view.intact is False or (view.intact is True and spent))
        if isinstance(choice, Fail):
            assert choice.bank == bank
            assert ("damaged" in choice.why) == (view.intact is False)
            assert "AB"[bank] in choice.why
            failed += 1
    assert failed


def test_asking_comes_to_an_end_and_finds_the_best_that_there_is() -> None:
    for banks, cause, attempts in rows():
        if any(view.intact is None for view in banks):
            continue
        truth = [bool(view.intact) for view in banks]
        known = [View(view.reading) for view in banks]
        for _ in range(5):  # two looks, two failures, and the answer
            choice = choose(known, cause, attempts)
            match choice:
                case Look(bank):
                    known[bank] = replace(known[bank], intact=truth[bank])
                case Fail(bank):
                    read = replace(known[bank].reading, failed=True)
                    known[bank] = replace(known[bank], reading=read)
                case Start():
                    break
        assert isinstance(choice, Start)
        sound = [view for view, intact in zip(known, truth, strict=True) if intact]
        assert (choice.bank is None) == (not any(v.reading.phase in BOOTABLE for v in sound))


# --- a device with two banks

SECTORS = [512] * 9
ATTEMPTS_AT = 256 + 3 * 8
"""Where the first attempt stands in a half: FORMAT.md, sections 2 and 4."""
LAYOUT = Layout.of(tiny_part(SECTORS), boot=1, slot=4, half=2)
IMAGES = {version: image(version, size) for version, size in (("1.0", 700), ("2.0", 1300))}


def snapshot(version: str, phase: Phase, generation: int) -> Snapshot:
    data = IMAGES[version]
    digest = hashlib.sha256(data).digest()
    return Snapshot(phase, generation, "STM32", version, image_size=len(data), image_sha256=digest)


@dataclass
class Rig:
    """Bank A holds 1.0, confirmed; bank B holds 2.0 in *phase*."""

    device: EmulatedFlash
    flickers: bool = False  # some units may read differently next time

    @classmethod
    def make(cls, phase: Phase = Phase.TRIAL, *, seed: int = 0, ecc: bool = True) -> Rig:
        rig = cls(EmulatedFlash(tiny_part(SECTORS, ecc=ecc), seed=seed))
        rig.write(0, "1.0", Phase.CONFIRMED)
        if phase is not Phase.EMPTY:
            rig.write(1, "2.0", phase)
        return rig

    def write(self, index: int, version: str, phase: Phase) -> None:
        bank = self.banks()[index]
        data = IMAGES[version]
        bank.slot.program(0, data + b"\xff" * (-len(data) % 8))
        header = Phase.VERIFIED if phase is Phase.TRIAL else phase
        found = bank.journal.snapshot(snapshot(version, header, index + 1))
        if phase is Phase.TRIAL:
            bank.journal.record(found, Record.SWITCHED)

    def banks(self) -> tuple[Bank, Bank]:
        return open_banks(self.device, self.device, LAYOUT)

    def boot(self, cause: ResetCause = ResetCause.SOFTWARE, attempts: int = ATTEMPTS) -> Decision:
        """A start of the CPU. Power is lost only where a test says so."""
        self.device.reset()
        return boot(self.device, self.device, LAYOUT, cause, attempts)

    def damage_image(self, index: int) -> None:
        self.device.reset()
        address = self.banks()[index].slot.address + 9
        held = self.device.read(address, 1)
        self.device.preload(address, bytes([held[0] ^ 0x10]))

    def reading(self, index: int) -> JournalState:
        return self.banks()[index].journal.read()


def test_without_an_update_the_confirmed_bank_runs_and_nothing_is_written() -> None:
    rig = Rig.make(Phase.EMPTY)
    before = rig.device.supply.taken
    for cause in ResetCause:
        decision = rig.boot(cause)
        assert (decision.bank, decision.mode) == (0, Mode.RUN)
        assert "1.0" in decision.reasons[-1]
    assert rig.device.supply.taken == before


@pytest.mark.parametrize("phase", [Phase.PLANNED, Phase.LOADING, Phase.VERIFIED, Phase.FAILED])
def test_an_upgrade_under_way_or_failed_boots_nothing_new(phase: Phase) -> None:
    decision = Rig.make(phase).boot()
    assert (decision.bank, decision.mode) == (0, Mode.RUN)


def test_the_newer_of_two_confirmed_banks_is_mapped() -> None:
    rig = Rig.make(Phase.CONFIRMED)
    decision = rig.boot(ResetCause.POWER)
    assert (decision.bank, rig.device.mapped_bank) == (1, 1)
    window = rig.banks()[1].slot
    assert window.address == window.link_address
    assert window.read(0, len(IMAGES["2.0"])) == IMAGES["2.0"]


@pytest.mark.parametrize("attempts", [1, 3, MAX_ATTEMPTS])
@pytest.mark.parametrize("cause", OTHER_CAUSES)
def test_attempts_are_recorded_until_they_are_spent(cause: ResetCause, attempts: int) -> None:
    rig = Rig.make()
    for attempt in range(attempts):
        decision = rig.boot(cause, attempts)
        assert (decision.bank, decision.mode) == (1, Mode.TRIAL)
        assert rig.reading(1).attempts == attempt + 1
        assert f"attempt {attempt + 1} of {attempts}" in decision.reasons[-1]
    decision = rig.boot(cause, attempts)
    assert (decision.bank, decision.mode) == (0, Mode.RUN)
    assert any("did not confirm" in reason for reason in decision.reasons)
    assert rig.reading(1).phase is Phase.FAILED
    assert rig.reading(1).attempts == attempts
    assert rig.boot(ResetCause.POWER, attempts).bank == 0


def test_starts_after_power_loss_cost_no_attempt_and_write_nothing() -> None:
    rig = Rig.make()
    taken = rig.device.supply.taken
    for _ in range(2 * MAX_ATTEMPTS):
        assert rig.boot(ResetCause.POWER).bank == 1
    assert rig.device.supply.taken == taken
    assert rig.reading(1).attempts == 0


@pytest.mark.parametrize("cause", list(ResetCause))
def test_a_damaged_trial_fails_and_the_other_bank_runs(cause: ResetCause) -> None:
    rig = Rig.make()
    rig.damage_image(1)
    decision = rig.boot(cause)
    assert (decision.bank, decision.mode) == (0, Mode.RUN)
    assert rig.reading(1).failed
    assert rig.reading(1).attempts == 0
    assert any("bank B" in reason and "damaged" in reason for reason in decision.reasons)


def test_a_damaged_confirmed_image_gives_way_to_the_older_one() -> None:
    rig = Rig.make(Phase.CONFIRMED)
    rig.damage_image(1)
    assert rig.boot().bank == 0


def test_a_verified_image_is_the_last_resort() -> None:
    rig = Rig.make(Phase.VERIFIED)
    rig.damage_image(0)
    decision = rig.boot()
    assert (decision.bank, decision.mode) == (1, Mode.LAST_RESORT)
    assert "never tried" in decision.reasons[-1]


@pytest.mark.parametrize("phase", [Phase.TRIAL, Phase.CONFIRMED, Phase.VERIFIED, Phase.LOADING])
def test_with_both_images_damaged_nothing_is_run(phase: Phase) -> None:
    rig = Rig.make(phase)
    rig.damage_image(0)
    rig.damage_image(1)
    decision = rig.boot()
    assert (decision.bank, decision.mode) == (None, Mode.RECOVERY)
    assert decision.reasons[-1] == "no bank holds a complete, verified image"
    assert rig.device.mapped_bank == 0


def test_every_reason_names_its_bank() -> None:
    rig = Rig.make()
    told = [*rig.boot(ResetCause.POWER).reasons, *rig.boot().reasons]
    rig.damage_image(1)
    told += rig.boot().reasons
    assert told == [
        "bank B is on trial; power was lost, which costs it no attempt (0 of 3 spent)",
        "bank B is on trial, attempt 1 of 3",
        "bank B: the image does not have its digest",
        "bank B was on trial, but its image is damaged or barred",
        "bank A holds version 1.0, generation 1, confirmed and intact",
    ]


def test_an_unreadable_image_is_a_damaged_one() -> None:
    rig = Rig.make(Phase.CONFIRMED)
    rig.device.spoil(rig.banks()[1].slot.address + 20 * 8)
    assert rig.boot().bank == 0


@pytest.mark.parametrize("size", [0, 4 * 512 + 1, 0xFFFF_FFFF])
def test_an_image_of_an_impossible_size_is_no_image(size: int) -> None:
    rig = Rig.make(Phase.EMPTY)
    empty = replace(snapshot("2.0", Phase.CONFIRMED, 9), image_size=size)
    if not size:
        empty = replace(empty, image_sha256=hashlib.sha256(b"").digest())
    rig.banks()[1].journal.snapshot(empty)
    assert rig.boot().bank == 0


def test_an_image_that_fills_the_slot_is_one() -> None:
    rig = Rig.make(Phase.EMPTY)
    bank = rig.banks()[1]
    data = bytes(range(256)) * 8
    bank.slot.program(0, data)
    digest = hashlib.sha256(data).digest()
    full = Snapshot(Phase.CONFIRMED, 9, "S", "9", image_size=2048, image_sha256=digest)
    bank.journal.snapshot(full)
    assert rig.boot().bank == 1


@pytest.mark.parametrize("attempts", [0, -1, MAX_ATTEMPTS + 1])
def test_attempts_that_the_journal_has_no_place_for_are_refused(attempts: int) -> None:
    with pytest.raises(ValueError, match=f"1 to {MAX_ATTEMPTS}"):
        Rig.make().boot(attempts=attempts)


# --- records that cannot be written


def test_a_trial_that_can_record_nothing_ends_and_the_old_image_runs() -> None:
    rig = Rig.make()

    def refuse(address: int, data: bytes) -> None:
        raise OSError("write protected")

    rig.device.program = refuse  # type: ignore[method-assign]
    for cause in OTHER_CAUSES:
        decision = rig.boot(cause)
        assert (decision.bank, decision.mode) == (0, Mode.RUN)
        assert "bank B: no attempt can be recorded any more" in decision.reasons
    assert rig.boot(ResetCause.POWER).mode is Mode.TRIAL


@pytest.mark.parametrize("spoilt", [1, 2])
def test_a_spoilt_place_is_passed_over_and_counts_as_spent(spoilt: int) -> None:
    rig = Rig.make()
    half = rig.banks()[1].halves[rig.reading(1).half or 0]
    for index in range(spoilt):
        damage_unit(rig.device, half.address + ATTEMPTS_AT + 8 * index, "consumed")
    assert rig.reading(1).attempts == 0
    assert rig.boot().mode is Mode.TRIAL
    rig.device.reset()
    assert rig.reading(1).attempts == spoilt + 1


def test_a_failure_whose_place_is_spoilt_spends_no_attempt() -> None:
    rig = Rig.make()
    half = rig.banks()[1].halves[rig.reading(1).half or 0]
    damage_unit(rig.device, half.address + ATTEMPTS_AT - 8, "consumed")
    rig.damage_image(1)
    assert rig.boot().bank == 0
    rig.device.reset()
    assert (rig.reading(1).phase, rig.reading(1).attempts) == (Phase.TRIAL, 0)


@dataclass
class Refusing:
    """A switch that does not let the CPU have bank B."""

    device: EmulatedFlash
    maps_at_once: bool = True
    mapped_bank: int = 0

    def map_bank(self, bank: int) -> None:
        if bank == 1:
            raise OSError("no alias")


@pytest.mark.parametrize("phase", [Phase.TRIAL, Phase.CONFIRMED])
def test_a_bank_that_cannot_be_mapped_gives_way_and_is_named(phase: Phase) -> None:
    rig = Rig.make(phase)
    decision = boot(rig.device, Refusing(rig.device), LAYOUT, ResetCause.SOFTWARE)
    assert (decision.bank, decision.mode) == (0, Mode.RUN)
    assert "bank B: no alias" in decision.reasons
    assert rig.reading(1).attempts == 0


def test_a_failure_that_cannot_be_recorded_is_decided_anew_every_time() -> None:
    rig = Rig.make()
    rig.damage_image(1)

    def refuse(address: int, data: bytes) -> None:
        raise OSError("write protected")

    rig.device.program = refuse  # type: ignore[method-assign]
    for cause in ResetCause:
        assert rig.boot(cause).bank == 0


@pytest.mark.parametrize("outcome", list(Outcome))
@pytest.mark.parametrize("attempts", [1, 2, 3, MAX_ATTEMPTS])
@pytest.mark.parametrize("ecc", [True, False])
def test_a_trial_that_never_confirms_ends_wherever_power_was_lost(
    outcome: Outcome, attempts: int, ecc: bool
) -> None:
    """Also when the cut left a place for an attempt that reads blank and takes nothing."""
    for lost in range(attempts + 1):  # the last one: FAILED
        rig = Rig.make(ecc=ecc)
        for _ in range(lost):
            assert rig.boot(ResetCause.WATCHDOG, attempts).mode is Mode.TRIAL
        assert cut(rig.device, 1, outcome, partial(rig.boot, ResetCause.WATCHDOG, attempts))
        after = rig.boot(ResetCause.POWER, attempts)
        assert after.bank is not None
        trials = 0
        while rig.boot(ResetCause.WATCHDOG, attempts).mode is Mode.TRIAL:
            trials += 1
            assert trials <= attempts, "the trial has no end"
        for cause in OTHER_CAUSES:
            assert rig.boot(cause, attempts).bank == 0


@pytest.mark.parametrize("outcome", list(Outcome))
def test_power_lost_at_every_attempt_still_comes_to_an_end(outcome: Outcome) -> None:
    rig = Rig.make()
    for _ in range(2 * MAX_ATTEMPTS):
        if not cut(rig.device, 1, outcome, lambda: rig.boot(ResetCause.WATCHDOG)):
            break
        assert rig.boot(ResetCause.POWER).bank is not None
    for _ in range(ATTEMPTS + 1):
        last = rig.boot(ResetCause.WATCHDOG)
    assert last.bank == 0


# --- any damage

SLOT_AT = LAYOUT.slot.offset
TRAILER_AT = LAYOUT.halves[0].offset
BANK_SIZE = sum(SECTORS)
PHASES = [Phase.EMPTY, Phase.LOADING, Phase.VERIFIED, Phase.TRIAL, Phase.CONFIRMED, Phase.FAILED]


@st.composite
def damaged(draw: st.DrawFn) -> Rig:
    """Both banks, and then damage in trailers and slots; some of it passes for a journal."""
    rig = Rig.make(draw(st.sampled_from(PHASES)), ecc=draw(st.booleans()))
    device = rig.device
    base, bad = device.part.base, {}
    data = bytearray(device.read(base, device.part.size))
    half = LAYOUT.halves[0].size
    for _ in range(draw(st.integers(0, 5))):
        what = draw(st.sampled_from(["trailer", "half", "image", "noise", "blank", "bad", "unit"]))
        bank = draw(st.integers(0, 1)) * BANK_SIZE
        other = BANK_SIZE - bank
        at = bank + 8 * draw(st.integers(0, BANK_SIZE // 8 - 1))
        header = bank + TRAILER_AT + draw(st.sampled_from([0, half])) + 8 * draw(st.integers(0, 44))
        place = draw(st.sampled_from([at, header]))
        if what == "trailer":  # the other bank's journal
            begin = bank + TRAILER_AT
            data[begin : begin + 2 * half] = data[
                other + TRAILER_AT : other + TRAILER_AT + 2 * half
            ]
        elif what == "half":  # a half where the other half was
            first, second = (bank + TRAILER_AT + n * half for n in draw(st.permutations([0, 1])))
            data[first : first + half] = data[second : second + half]
        elif what == "image":  # the other bank's image, or the beginning of it
            size = draw(st.sampled_from([8, 512, LAYOUT.slot.size]))
            data[bank + SLOT_AT : bank + SLOT_AT + size] = data[
                other + SLOT_AT : other + SLOT_AT + size
            ]
        elif what == "noise":
            data[place : place + 8] = draw(st.binary(min_size=8, max_size=8))
        elif what == "blank":
            size = draw(st.sampled_from([8, 512]))
            size = min(size, bank + BANK_SIZE - place)
            data[place : place + size] = b"\xff" * size
        elif what == "unit":  # a unit of the other bank's journal
            twin = place - bank + other
            data[place : place + 8] = data[twin : twin + 8]
        else:
            bad[place] = draw(st.sampled_from(DAMAGES))
    rewrite(device, bytes(data))
    for place, how in bad.items():
        damage_unit(device, base + place, how)
    rig.flickers = not {"metastable", "weak"}.isdisjoint(bad.values())
    rig.flickers |= not device.part.ecc and "unreadable" in bad.values()
    return rig


@given(rig=damaged(), cause=st.sampled_from(ResetCause), starts=st.integers(1, 6))
@settings(max_examples=150)
def test_no_damage_boots_what_was_not_verified(rig: Rig, cause: ResetCause, starts: int) -> None:
    for _ in range(starts):
        if cause is ResetCause.POWER:
            rig.device.power_on()
        decision = rig.boot(cause)
        if decision.bank is None:
            assert decision.mode is Mode.RECOVERY
            continue
        assert rig.device.mapped_bank == decision.bank
        bank = rig.banks()[decision.bank]
        if rig.flickers:  # what the bootloader read was right; the next read may not be
            continue
        held = rig.reading(decision.bank).snapshot
        assert held is not None
        expected = IMAGES[held.version]
        assert held.image_size == len(expected)
        assert bank.slot.read(0, len(expected)) == expected
        assert held.phase in (Phase.VERIFIED, Phase.CONFIRMED)


@given(rig=damaged(), cause=st.sampled_from(ResetCause))
@settings(max_examples=100)
def test_damage_elsewhere_never_stops_a_confirmed_bank(rig: Rig, cause: ResetCause) -> None:
    device, sound = rig.device, Rig.make(Phase.EMPTY).device
    for start, size in list(device.part.sector_starts.items())[: len(SECTORS)]:
        device.erase(device.part.base + start)
        held = sound.read(device.part.base + start, size)
        if held.strip(b"\xff"):
            device.preload(device.part.base + start, held)
    assert rig.boot(cause).bank is not None
