"""What a cut leaves, outcome by outcome; and that nobody touches flash after it."""

from __future__ import annotations

from functools import partial

import pytest

from flash_emulator import (
    CutAt,
    EmulatedFlash,
    Outcome,
    PowerLoss,
    ProgramError,
    SteadySupply,
    UnreadableUnit,
)
from flash_emulator.array.cells import Cells
from flash_emulator.array.ecc import Verdict
from flash_emulator.array.pages import RawUnit
from flash_emulator.parts.part_model import Overwrite
from tests.flash_emulator.tiny_silicon import (
    BASE,
    ERASED,
    SECTOR,
    UNIT,
    cut,
    flash,
    held,
    state,
    units,
)

BLANK = ERASED
ONES = (1 << 72) - 1
SEEDS = range(40)
EVERY = pytest.mark.parametrize("outcome", list(Outcome))


def cut_program(outcome: Outcome, *, ecc: bool = True, seed: int = 0) -> EmulatedFlash:
    """Five units, cut in the third, and powered on again."""
    device = flash(ecc=ecc, seed=seed)
    cut(device, 3, outcome, lambda: device.program(BASE, units(0, 5)))
    device.power_on()
    return device


def cut_erase(outcome: Outcome, *, ecc: bool = True, seed: int = 0) -> EmulatedFlash:
    """Three full sectors; power is lost in the erase of the second one, and comes again."""
    device = flash(ecc=ecc, seed=seed)
    device.program(BASE, units(0, 24))
    cut(device, 1, outcome, lambda: device.erase(BASE + SECTOR))
    device.power_on()
    return device


def is_virgin(device: EmulatedFlash, unit: int) -> bool:
    """Asked of the silicon: what is programmed now is there, and there to stay."""
    address = BASE + unit * UNIT
    twin = device.fork()
    try:
        twin.program(address, units(30, 1))
    except ProgramError:
        return False
    return held(twin, unit) == RawUnit(new_word(device, units(30, 1)))


def new_word(device: EmulatedFlash, data: bytes) -> int:
    """The cells of a whole program of *data*."""
    value = int.from_bytes(data, "little")
    return device.cells.code.encode(value) if device.cells.code else value


def read_or_none(device: EmulatedFlash, unit: int) -> bytes | None:
    try:
        return device.read(BASE + unit * UNIT, UNIT)
    except UnreadableUnit:
        return None


def read_as(cells: Cells, raw: RawUnit) -> bytes | None:
    """What a read of stable cells gives: a real decoder has it."""
    decoded = cells.decode(raw, 0)
    if decoded.verdict is Verdict.DETECTED:
        return None
    return decoded.data.to_bytes(UNIT, "little")


# --- programs


@EVERY
def test_units_before_the_cut_are_complete_and_units_behind_it_untouched(outcome: Outcome) -> None:
    device = cut_program(outcome)
    assert device.read(BASE, 2 * UNIT) == units(0, 2)
    assert device.read(BASE + 3 * UNIT, 2 * UNIT) == BLANK * 2
    assert not is_virgin(device, 1)
    assert is_virgin(device, 3)
    assert is_virgin(device, 4)


def test_before_leaves_the_unit_untouched() -> None:
    device = cut_program(Outcome.BEFORE)
    assert device.read(BASE + 2 * UNIT, UNIT) == BLANK
    assert is_virgin(device, 2)


def test_torn_moves_some_of_the_cells_and_the_decoder_says_what_comes_of_it() -> None:
    seen = set()
    for seed in SEEDS:
        device = cut_program(Outcome.TORN, seed=seed)
        raw, target = held(device, 2), new_word(device, units(2, 1))
        assert raw == RawUnit(raw.word)  # stable, and consumed
        assert raw.word & target == target  # no cell moves that the data leave alone
        assert read_or_none(device, 2) == read_as(device.cells, raw) == read_or_none(device, 2)
        assert not is_virgin(device, 2)
        with pytest.raises(ProgramError):
            device.program(BASE + 2 * UNIT, units(2, 1))
        seen.add("unreadable" if read_or_none(device, 2) is None else "read")
    assert seen == {"unreadable", "read"}


def test_an_unreadable_unit_is_named_by_its_address() -> None:
    device = next(
        device
        for device in (cut_program(Outcome.TORN, seed=seed) for seed in SEEDS)
        if read_or_none(device, 2) is None
    )
    with pytest.raises(UnreadableUnit) as caught:
        device.read(BASE, 5 * UNIT)
    assert caught.value.address == BASE + 2 * UNIT


def test_torn_is_a_part_of_the_bits_where_there_is_no_ecc() -> None:
    for seed in SEEDS:
        device = cut_program(Outcome.TORN, ecc=False, seed=seed)
        found, want = device.read(BASE + 2 * UNIT, UNIT), units(2, 1)
        assert all(f | w == f for f, w in zip(found, want, strict=True))
        assert found == device.read(BASE + 2 * UNIT, UNIT)
        if found not in (want, BLANK):
            with pytest.raises(ProgramError):
                device.program(BASE + 2 * UNIT, units(2, 1))


@pytest.mark.parametrize("ecc", [True, False])
def test_metastable_reads_differ_from_one_time_to_the_next(ecc: bool) -> None:
    changed = 0
    for seed in SEEDS:
        device = cut_program(Outcome.METASTABLE, ecc=ecc, seed=seed)
        raw, target = held(device, 2), new_word(device, units(2, 1))
        assert raw.metastable
        assert raw.metastable & target == 0
        assert raw.fading == (0, 0, 0)
        reads = [read_or_none(device, 2) for _ in range(20)]
        if not ecc:
            for found in reads:
                value = int.from_bytes(found or b"", "little") ^ raw.word
                assert value & ~raw.metastable == 0
        changed += len(set(reads)) > 1
        device.power_on()
        assert held(device, 2) == raw
        assert not is_virgin(device, 2) or (not ecc and raw.word == (1 << 64) - 1)
    assert changed >= 30


def test_blank_reads_ff_corrected_and_takes_nothing() -> None:
    for seed in SEEDS:
        device = cut_program(Outcome.BLANK, seed=seed)
        assert device.read(BASE + 2 * UNIT, UNIT) == BLANK
        assert device.usage.corrected == 1
        raw, target = held(device, 2), new_word(device, units(2, 1))
        assert raw == RawUnit(raw.word)
        assert (ONES ^ raw.word).bit_count() == 1
        assert raw.word & target == target
        with pytest.raises(ProgramError):
            device.program(BASE + 2 * UNIT, units(2, 1))


def test_blank_without_ecc_takes_a_program_and_does_not_keep_it() -> None:
    for seed in SEEDS:
        device = cut_program(Outcome.BLANK, ecc=False, seed=seed)
        assert device.read(BASE + 2 * UNIT, UNIT) == BLANK
        device.program(BASE + 2 * UNIT, units(20, 1))
        assert device.read(BASE + 2 * UNIT, UNIT) == units(20, 1)
        assert any(held(device, 2).fading)


@pytest.mark.parametrize("ecc", [True, False])
def test_weak_reads_right_after_one_power_on_and_fades_at_the_next_two(ecc: bool) -> None:
    ends = set()
    for seed in SEEDS:
        device = cut_program(Outcome.WEAK, ecc=ecc, seed=seed)
        want = units(0, 3)
        for _ in range(4):
            assert device.read(BASE, 3 * UNIT) == want  # reading does not wear it
        device.reset()
        assert device.read(BASE, 3 * UNIT) == want  # nor does a reset
        first, second, none = held(device, 2).fading
        assert first | second
        assert none == first & second == 0
        assert held(device, 2).word == new_word(device, units(2, 1))
        device.power_on()
        assert held(device, 2).metastable == first
        device.power_on()
        assert held(device, 2).metastable == first | second
        assert held(device, 2).fading == (0, 0, 0)
        ends |= {read_or_none(device, 2) for _ in range(8)}
        assert device.read(BASE, 2 * UNIT) == units(0, 2)
        assert not is_virgin(device, 2)
    assert len(ends) > 2


def test_after_is_as_if_nothing_had_happened() -> None:
    device, whole = cut_program(Outcome.AFTER), flash()
    whole.program(BASE, units(0, 3))
    assert state(device) == state(whole)
    device.power_on()
    device.power_on()
    assert state(device) == state(whole)


@EVERY
def test_an_erase_that_completes_mends_all_that_a_cut_program_left(outcome: Outcome) -> None:
    device = cut_program(outcome)
    device.erase(BASE)
    device.program(BASE, units(0, 8))
    for _ in range(3):
        assert device.read(BASE, SECTOR) == units(0, 8)
        device.power_on()


@pytest.mark.parametrize("ecc", [True, False])
@EVERY
def test_a_cut_overwrite_with_zero_leaves_what_a_cut_program_leaves(
    outcome: Outcome, ecc: bool
) -> None:
    for seed in range(8):
        device = flash(ecc=ecc, seed=seed)
        device.program(BASE, units(0, 2))
        old = held(device, 0).word
        cut(device, 1, outcome, partial(device.program, BASE, bytes(UNIT)))
        device.power_on()
        raw = held(device, 0)
        assert raw.word & old == raw.word  # a program sets no bit
        match outcome:
            case Outcome.BEFORE | Outcome.BLANK:  # what held data holds it
                assert device.read(BASE, UNIT) == units(0, 1)
            case Outcome.TORN | Outcome.METASTABLE:
                assert bool(raw.metastable) == (outcome is Outcome.METASTABLE)
            case Outcome.WEAK | Outcome.AFTER:
                assert device.read(BASE, UNIT) == bytes(UNIT)
        assert device.read(BASE + UNIT, UNIT) == units(1, 1)
        device.program(BASE, bytes(UNIT))  # zero goes over whatever a cut has left
        assert device.read(BASE, UNIT) == bytes(UNIT)


@pytest.mark.parametrize("ecc", [True, False])
@EVERY
def test_a_unit_that_held_data_takes_no_other_after_a_cut_overwrite(
    outcome: Outcome, ecc: bool
) -> None:
    device = flash(ecc=ecc)
    device.program(BASE, units(0, 1))
    cut(device, 1, outcome, lambda: device.program(BASE, bytes(UNIT)))
    device.power_on()
    with pytest.raises(ProgramError):
        device.program(BASE, units(5, 1))


@pytest.mark.parametrize(
    "weak", [RawUnit(0xFF00, metastable=0xF0), RawUnit(0xFF00, fading=(0, 0x0F, 0))]
)
def test_an_overwrite_strengthens_only_the_cells_that_it_clears(weak: RawUnit) -> None:
    """F4: bits that the new data leave 1 get no pulse."""
    device = flash(ecc=False, overwrite=Overwrite.CLEAR_BITS)
    device.cells.set_word(0, weak)
    device.program(BASE, b"\xff\xfe" + b"\xff" * 6)
    after = held(device, 0)
    assert after.word == weak.word & ~0x0100
    assert (after.metastable, after.fading) == (weak.metastable, weak.fading)
    device.program(BASE, b"\0" * 8)
    assert held(device, 0) == RawUnit(0)


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome.BEFORE,
        Outcome.TORN,
        Outcome.METASTABLE,
        Outcome.BLANK,
        pytest.param(
            Outcome.WEAK,
        ),
        Outcome.AFTER,
    ],
)
@pytest.mark.parametrize(
    "unsure", [RawUnit(0xFF00, metastable=0xF0), RawUnit(0xFF00, fading=(0x0F, 0xF0, 0))]
)
def test_a_cut_overwrite_leaves_the_cells_that_it_does_not_clear(
    outcome: Outcome, unsure: RawUnit
) -> None:
    """Power comes back, so what was fading is one step further."""
    device = flash(ecc=False, overwrite=Overwrite.CLEAR_BITS)
    device.cells.set_word(0, unsure)
    cut(device, 1, outcome, lambda: device.program(BASE, b"\xff\xfe" + b"\xff" * 6))
    device.power_on()
    after, others, older = held(device, 0), ~0x0100, unsure.after_power_on()
    assert after.word & others == unsure.word & others
    assert after.metastable & others == older.metastable
    assert tuple(mask & others for mask in after.fading) == older.fading


def test_blank_without_ecc_moves_no_cell_also_of_a_unit_that_only_seems_erased() -> None:
    device = flash(ecc=False)
    device.cells.set_word(0, RawUnit((1 << 64) - 1, metastable=0xF0))
    cut(device, 1, Outcome.BLANK, lambda: device.program(BASE, bytes(UNIT)))
    device.power_on()
    assert held(device, 0).metastable == 0xF0


def test_a_frail_unit_whose_program_was_cut_at_its_end_is_as_weak_as_any() -> None:
    whole, late = flash(), flash()
    for device in (whole, late):
        cut(device, 1, Outcome.WEAK, partial(device.erase, BASE))
        device.power_on()
    whole.program(BASE, units(0, 1))
    cut(late, 1, Outcome.AFTER, lambda: late.program(BASE, units(0, 1)))
    assert any(held(whole, 0).fading)
    assert any(held(late, 0).fading)


# --- erases


@EVERY
def test_a_cut_erase_stays_within_its_sector(outcome: Outcome) -> None:
    device = cut_erase(outcome)
    assert device.read(BASE, SECTOR) == units(0, 8)
    assert device.read(BASE + 2 * SECTOR, SECTOR) == units(16, 8)


def test_an_erase_that_never_began_leaves_the_sector() -> None:
    assert cut_erase(Outcome.BEFORE).read(BASE + SECTOR, SECTOR) == units(8, 8)


def test_a_torn_erase_leaves_neither_the_old_data_nor_a_blank_sector() -> None:
    device = cut_erase(Outcome.TORN, ecc=False)
    found = device.read(BASE + SECTOR, SECTOR)
    assert found not in (units(8, 8), b"\xff" * SECTOR)
    assert all(f & o == o for f, o in zip(found, units(8, 8), strict=True))


def test_a_torn_erase_is_unreadable_somewhere_where_there_is_ecc() -> None:
    reads = [
        read_or_none(cut_erase(Outcome.TORN, seed=seed), unit)
        for seed in range(8)
        for unit in range(8, 16)
    ]
    assert None in reads
    assert set(reads) != {None}


def test_a_metastable_erase_changes_between_reads() -> None:
    device = cut_erase(Outcome.METASTABLE, ecc=False)
    reads = {device.read(BASE + SECTOR, SECTOR) for _ in range(8)}
    assert len(reads) > 1
    for found in reads:
        assert all(f & o == o for f, o in zip(found, units(8, 8), strict=True))


@pytest.mark.parametrize(
    ("outcome", "boots"), [(Outcome.BLANK, 3), (Outcome.WEAK, 1), (Outcome.AFTER, 3)]
)
def test_other_cut_erases_read_blank(outcome: Outcome, boots: int) -> None:
    """A weak one for one boot: later reads may show zeros again."""
    device = cut_erase(outcome)
    for _ in range(boots):
        assert device.read(BASE + SECTOR, SECTOR) == b"\xff" * SECTOR
        device.power_on()


@EVERY
@pytest.mark.parametrize("ecc", [True, False])
def test_only_an_erase_that_completes_makes_a_unit_virgin(outcome: Outcome, ecc: bool) -> None:
    device = cut_erase(outcome, ecc=ecc)
    virgin = [is_virgin(device, unit) for unit in range(8, 16)]
    assert virgin == [outcome is Outcome.AFTER] * 8
    for _ in range(3):
        device.power_on()
    assert [is_virgin(device, unit) for unit in range(8, 16)] == virgin
    device.erase(BASE + SECTOR)
    assert all(is_virgin(device, unit) for unit in range(8, 16))


@pytest.mark.parametrize("ecc", [True, False])
@pytest.mark.parametrize("outcome", [Outcome.TORN, Outcome.METASTABLE, Outcome.BLANK, Outcome.WEAK])
def test_a_cut_erase_takes_virginity_from_units_that_had_it(outcome: Outcome, ecc: bool) -> None:
    device = flash(ecc=ecc)
    cut(device, 1, outcome, lambda: device.erase(BASE))
    device.power_on()
    assert device.read(BASE, SECTOR) == b"\xff" * SECTOR
    assert not any(is_virgin(device, unit) for unit in range(8))
    refuses = ecc and outcome is Outcome.BLANK
    for unit in range(8):
        assert held(device, unit).marginal is not refuses
        if refuses:
            with pytest.raises(ProgramError):
                device.program(BASE + unit * UNIT, units(30, 1))
        else:
            device.program(BASE + unit * UNIT, units(30, 1))
            assert device.read(BASE + unit * UNIT, UNIT) == units(30, 1)
            assert any(held(device, unit).fading)


# --- dead is dead


@EVERY
def test_the_device_is_dead_until_it_is_powered_on(outcome: Outcome) -> None:
    device = flash()
    touched: list[str] = []

    def call() -> None:
        try:
            device.program(BASE, units(0, 3))
        except Exception:
            touched.append("except Exception")
        finally:
            for name, touch in (
                ("read", lambda: device.read(BASE, 1)),
                ("program", lambda: device.program(BASE + SECTOR, units(0, 1))),
                ("erase", lambda: device.erase(BASE)),
            ):
                with pytest.raises(PowerLoss):
                    touch()
                    touched.append(name)

    cut(device, 2, outcome, call)
    assert touched == []
    after = state(device)
    with pytest.raises(PowerLoss):
        device.erase(BASE)
    assert state(device) == after
    device.power_on()
    device.erase(BASE)
    assert device.read(BASE, SECTOR) == b"\xff" * SECTOR


def test_power_loss_is_no_exception_that_anyone_may_catch() -> None:
    assert not issubclass(PowerLoss, Exception)
    loss = cut(device := flash(), 2, Outcome.TORN, lambda: device.program(BASE, units(0, 3)))
    assert (loss.operation, loss.outcome) == (2, Outcome.TORN)
    assert "operation 2" in str(loss)
    assert "torn" in str(loss)


def test_time_passes_for_what_completed_and_not_for_what_was_cut() -> None:
    device = cut_program(Outcome.AFTER)
    assert device.usage.programs == 2
    assert device.clock.now_us == 180


# --- the same silicon


def test_the_same_seed_gives_the_same_silicon_and_another_seed_another() -> None:
    for cut_one in (cut_program, cut_erase):
        for ecc in (True, False):
            once, again = (cut_one(Outcome.TORN, ecc=ecc, seed=7) for _ in range(2))
            assert state(once) == state(again)
            others = {state(cut_one(Outcome.TORN, ecc=ecc, seed=seed)) for seed in range(8)}
            assert len(others) >= 7


def test_two_places_tear_differently() -> None:
    found = set()
    for place in range(4):
        device = flash(ecc=False)
        address = BASE + place * UNIT
        cut(device, 1, Outcome.TORN, partial(device.program, address, bytes(8)))
        device.power_on()
        found.add(device.read(address, UNIT))
    assert len(found) == 4


@EVERY
@pytest.mark.parametrize("ecc", [True, False])
def test_a_bulk_call_cut_at_any_unit_equals_single_calls_cut_there(
    outcome: Outcome, ecc: bool
) -> None:
    for operation in range(1, 13):
        bulk, single = flash(ecc=ecc), flash(ecc=ecc)
        for device in (bulk, single):
            device.program(BASE + 4 * UNIT, units(20, 1))  # zero may go over it
        data = units(0, 4) + bytes(UNIT) + units(5, 7)

        def one_by_one(device: EmulatedFlash = single, data: bytes = data) -> None:
            for offset in range(0, len(data), UNIT):
                device.program(BASE + offset, data[offset : offset + UNIT])

        cut(bulk, operation, outcome, partial(bulk.program, BASE, data))
        cut(single, operation, outcome, one_by_one)
        assert state(bulk) == state(single)
        assert (bulk.usage, bulk.clock.now_us) == (single.usage, single.clock.now_us)


# --- supplies


def test_a_steady_supply_counts() -> None:
    supply = SteadySupply()
    assert supply.take(3) == 3
    assert supply.take(1) == 1
    assert supply.taken == 4


@pytest.mark.parametrize("operation", range(1, 9))
def test_a_cut_falls_on_the_same_operation_however_they_are_bundled(operation: int) -> None:
    for bundles in ([8], [1] * 8, [3, 5], [2, 2, 4], [7, 1]):
        supply, complete = CutAt(operation, Outcome.BEFORE), 0
        for count in bundles:
            assert not supply.fired
            granted = supply.take(count)
            complete += granted
            if granted < count:
                break
        assert complete == operation - 1
        assert supply.taken == operation
        assert supply.fired


def test_a_cut_comes_once() -> None:
    supply = CutAt(2, Outcome.BEFORE)
    assert supply.take(5) == 1
    assert supply.take(5) == 5
    assert supply.take(1) == 1


def test_a_cut_beyond_the_last_operation_never_fires() -> None:
    supply = CutAt(9, Outcome.BEFORE)
    assert supply.take(8) == 8
    assert not supply.fired


@pytest.mark.parametrize("operation", [0, -1])
def test_there_is_no_operation_before_the_first(operation: int) -> None:
    with pytest.raises(ValueError, match="numbered from 1"):
        CutAt(operation, Outcome.BEFORE)
