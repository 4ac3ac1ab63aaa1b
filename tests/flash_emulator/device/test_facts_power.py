"""What a loss of power leaves: one test for each sentence of the project's flash facts.

Section 4.1: what ST documents; 4.2: what was observed; 4.3: the fault model, P and E as there.
"""

from __future__ import annotations

from functools import partial

import pytest

from flash_emulator import (
    AlignmentError,
    BusFault,
    CutAt,
    EccNmi,
    EmulatedFlash,
    MetastableMode,
    Outcome,
    Part,
    PowerLoss,
    ProgramError,
    ReadProtected,
    SteadySupply,
    Trace,
    WriteProtected,
)
from flash_emulator.array.ecc import Verdict
from flash_emulator.array.pages import Mark, RawUnit
from flash_emulator.parts.part_model import Overwrite
from tests.flash_emulator.every_part import (
    PARTS,
    all_ones,
    cut,
    cut_erase,
    cut_program,
    data_of,
    each,
    every_part,
    full_sector,
    held,
    of_class,
    read_or_none,
    with_ecc,
    without_ecc,
    word_of,
)

SEEDS = range(16)
TOUCHED = [Outcome.TORN, Outcome.METASTABLE, Outcome.BLANK, Outcome.WEAK]

keeps_ecc_rules = of_class("l4", "u5")
opsr = each(lambda part: part.opsr, at_least=3)
not_atomic = each(lambda part: part.options.update == "erase_then_program" and part.options)
with_readout = each(
    lambda part: part.options.update == "erase_then_program" and "RDP" in part.options
)
with_pcrop = each(
    lambda part: part.options.update == "erase_then_program" and "PCROP" in part.options
)


# --- 4.1: what ST documents


@every_part
def test_contents_are_not_guaranteed_after_a_reset_during_an_operation(part: Part) -> None:
    """ "The contents of the flash memory are not guaranteed if a device reset occurs during a
    flash memory operation." Neither the old nor the new ones, on any family."""
    for cut_one, unit, old in ((cut_program, 1, b"\xff"), (cut_erase, 0, None)):
        before = old * part.program_unit if old else data_of(part)
        after = data_of(part) if old else b"\xff" * part.program_unit
        seen = {
            read_or_none(cut_one(part, outcome, seed=seed), unit)
            for seed in range(3)
            for outcome in Outcome
        }
        assert {before, after} <= seen
        assert len(seen) > 2


def interrupted(part: Part, call: str, *args: object) -> EmulatedFlash:
    device = full_sector(part)
    device.supply = CutAt(1, Outcome.TORN)
    with pytest.raises(PowerLoss):
        getattr(device, call)(*args)
    device.supply = SteadySupply()
    device.power_on()
    return device


@opsr
def test_opsr_names_an_interrupted_write_and_asks_for_page_erase_and_write(part: Part) -> None:
    """U5 Table 56: "single write -> page erase and single write" """
    at = part.base + sum(part.sector_sizes[:3])
    device = interrupted(part, "program", at, data_of(part))
    assert device.interrupted is not None
    assert (device.interrupted.kind, device.interrupted.address) == ("program", at)
    device.erase(at)
    device.program(at, data_of(part))
    assert device.interrupted is None
    assert device.read(at, part.program_unit) == data_of(part)


@opsr
def test_the_page_must_be_erased_for_the_location_may_no_longer_be_writable(part: Part) -> None:
    """ "For single and burst write, it is mandatory to perform a page erase because the current
    flash memory locations may no longer be writable." """
    for outcome in (Outcome.TORN, Outcome.METASTABLE, Outcome.BLANK, Outcome.WEAK):
        device = cut_program(part, outcome)
        if part.overwrite is Overwrite.EXECUTES:  # H5 takes it, and the unit holds an AND
            torn, new = held(device, 1).word, device._word(data_of(part, 3))
            device.program(part.base + part.program_unit, data_of(part, 3))
            assert held(device, 1).word == torn & new
            continue
        with pytest.raises(ProgramError):
            device.program(part.base + part.program_unit, data_of(part))


@opsr
def test_the_remaining_page_must_be_saved_and_restored(part: Part) -> None:
    """ "Consequently, the remaining page content must be saved before page erase and restored." """
    device = cut_program(part, Outcome.TORN)
    unit = part.program_unit
    saved = device.read(part.base, unit)
    device.erase(part.base)
    assert device.read(part.base, unit) == b"\xff" * unit
    device.program(part.base, saved + data_of(part))
    assert device.read(part.base, 2 * unit) == saved + data_of(part)


@each(lambda part: part.burst_bytes)
def test_an_interrupted_burst_leaves_a_prefix_and_one_unit(part: Part) -> None:
    """ "burst -> page erase and burst"; 4.3: "Burst and fast-row: any prefix complete, one granule
    partial, rest virgin." """
    check_row(part, part.burst_bytes or 0)


@each(lambda part: part.row_bytes)
def test_an_interrupted_fast_row_leaves_a_prefix_and_one_unit(part: Part) -> None:
    """4.3: "Burst and fast-row: any prefix complete, one granule partial, rest virgin." """
    check_row(part, part.row_bytes or 0)


def check_row(part: Part, size: int) -> None:
    count, data = size // part.program_unit, data_of(part)
    for number in {1, 2, count // 2, count}:
        device = EmulatedFlash(part)
        cut(device, number, Outcome.WEAK, partial(device.program_fast, part.base, data * count))
        assert device.read(part.base, number * part.program_unit) == data * number
        marks = [device.cells.mark(unit) for unit in range(count)]
        assert marks == (
            [Mark.PROGRAMMED] * (number - 1) + [Mark.RAW] + [Mark.VIRGIN] * (count - number)
        )


@each(lambda part: part.burst_bytes)
def test_a_burst_over_what_is_not_erased_is_not_known_hence_refused(part: Part) -> None:
    """4.1, burst: "page erase and burst" again. Zeros go over a used unit one by one, not so."""
    size, unit = part.burst_bytes or 0, part.program_unit
    device = EmulatedFlash(part)
    device.program(part.base + size - unit, data_of(part))
    before = device.digest()
    with pytest.raises(ProgramError, match="PGSERR"):
        device.program_fast(part.base, bytes(size))
    assert device.digest() == before


rows = each(lambda part: part.row_bytes, at_least=2)


@rows
def test_fast_programming_verifies_nothing_and_bits_go_from_1_to_0(part: Part) -> None:
    """RM0440 3.3.7: "eliminating the need for verifying the flash locations"; PROGERR is a flag of
    standard programming. So no error, the AND of both, and an ECC that as a rule does not fit."""
    size, unit = part.row_bytes or 0, part.program_unit
    old, new = data_of(part), data_of(part, 3)
    device = EmulatedFlash(part)
    device.program(part.base + 2 * unit, old)
    device.program_fast(part.base, new * (size // unit))
    assert device.usage.programs == 1 + size // unit
    assert held(device, 2).word == device._word(old) & device._word(new)
    assert held(device, 2).word != device._word(bytes(a & b for a, b in zip(old, new, strict=True)))
    assert read_or_none(device, 2) != new
    for other in (0, 1, 3, size // unit - 1):
        assert read_or_none(device, other) == new
    with pytest.raises(ProgramError, match="PROGERR"):
        device.program(part.base, new)  # standard programming still looks


@rows
def test_a_row_again_with_the_same_data_changes_nothing(part: Part) -> None:
    size = part.row_bytes or 0
    device = EmulatedFlash(part)
    data = data_of(part) * (size // part.program_unit)
    device.program_fast(part.base, data)
    before = device.digest()
    device.program_fast(part.base, data)
    assert device.digest() == before


@rows
@pytest.mark.parametrize("outcome", [Outcome.TORN, Outcome.BLANK, Outcome.WEAK, Outcome.METASTABLE])
def test_a_row_that_was_cut_takes_the_same_row_again(part: Part, outcome: Outcome) -> None:
    """Nothing is verified, so nothing is refused: what was torn or weak has a whole pulse now."""
    size, unit = part.row_bytes or 0, part.program_unit
    data = data_of(part) * (size // unit)
    device = EmulatedFlash(part)
    cut(device, 5, outcome, lambda: device.program_fast(part.base, data))
    device.program_fast(part.base, data)
    assert held(device, 4).word == device._word(data_of(part))
    assert not any((*held(device, 4).fading, held(device, 4).metastable))


@rows
def test_a_trace_does_a_fast_program_again_as_it_was(part: Part) -> None:
    size, unit = part.row_bytes or 0, part.program_unit
    first, second = EmulatedFlash(part), EmulatedFlash(part)
    first.trace = Trace()
    first.program(part.base, data_of(part))
    first.program_fast(part.base, data_of(part, 5) * (size // unit))
    assert any("fast program" in str(operation) for operation in first.trace)
    first.trace.replay(second)
    assert second.digest() == first.digest()


@each(lambda part: part.row_bytes or part.burst_bytes)
def test_a_row_or_burst_needs_its_size_and_its_alignment(part: Part) -> None:
    size, unit = part.row_bytes or part.burst_bytes or 0, part.program_unit
    device = EmulatedFlash(part)
    before = device.digest()
    for address, length in ((part.base + unit, size), (part.base, size - unit), (part.base, 0)):
        with pytest.raises(AlignmentError):
            device.program_fast(address + 2 * size, bytes(length))
    assert device.digest() == before
    device.program_fast(part.base + size, data_of(part) * (size // unit))
    assert device.read(part.base + size, size) == data_of(part) * (size // unit)


@each(lambda part: not part.row_bytes and not part.burst_bytes)
def test_other_parts_have_no_fast_programming(part: Part) -> None:
    with pytest.raises(AlignmentError):
        EmulatedFlash(part).program_fast(part.base, bytes(256))


@opsr
def test_opsr_names_an_interrupted_erase_which_is_done_again(part: Part) -> None:
    """ "page/bank/mass erase -> same erase again" """
    second = part.base + part.bank_size
    for call, args, kind, place, size in (
        ("erase", (second,), "erase", second, part.sector_sizes[0]),
        ("erase_bank", (1,), "bank erase", second, part.bank_size),
        ("erase_all", (), "mass erase", part.base, part.size),
    ):
        device = interrupted(part, call, *args)
        assert device.interrupted is not None
        assert (device.interrupted.kind, device.interrupted.address) == (kind, place)
        getattr(device, call)(*args)
        assert device.interrupted is None
        assert device.read(place, size) == b"\xff" * size
        device.program(place, data_of(part))


@opsr
def test_opsr_names_an_interrupted_option_change(part: Part) -> None:
    """ "option change -> again" """
    device = EmulatedFlash(part)
    device.supply = CutAt(1, Outcome.TORN)
    with pytest.raises(PowerLoss):
        device.map_bank(1)
    device.supply = SteadySupply()
    device.power_on()
    interrupted = device.interrupted
    assert interrupted is not None
    assert interrupted.kind == "options"
    device.map_bank(1)
    device.power_on()
    assert (device.interrupted, device.mapped_bank) == (None, 1)


@opsr
@pytest.mark.parametrize("outcome", [Outcome.BEFORE, Outcome.AFTER])
def test_opsr_is_clear_where_no_operation_was_under_way(part: Part, outcome: Outcome) -> None:
    """FLASH_OPSR: "after a reset, before any other operation": it tells of an interruption."""
    assert cut_program(part, outcome).interrupted is None


@each(lambda part: not part.opsr)
def test_other_parts_have_no_opsr(part: Part) -> None:
    """4.1: U5 and H5 only."""
    assert cut_program(part, Outcome.TORN).interrupted is None


@of_class("h7")
@pytest.mark.parametrize("outcome", list(Outcome))
def test_h7_keeps_the_original_option_value(part: Part, outcome: Outcome) -> None:
    """ "If a reset or a power-down occurs while the option byte modification is ongoing, the
    original option byte value is kept." """
    device = EmulatedFlash(part)
    cut(device, 1, outcome, lambda: device.program_options(SWAP_BANK_OPT=1))
    assert device.options.loaded["SWAP_BANK_OPT"] == (outcome is Outcome.AFTER)
    assert device.options.readout_level == 0


@not_atomic
@pytest.mark.parametrize("outcome", TOUCHED)
def test_options_are_erased_then_programmed(part: Part, outcome: Outcome) -> None:
    """ "L4/G4/F4 options: erase, then program; interrupted -> mismatch defaults of 3.1." """
    device = EmulatedFlash(part)
    name = next(iter(part.options))
    cut(device, 1, outcome, lambda: device.program_options(**{name: part.options[name]}))
    assert device.options.loaded == part.options.mismatch(dict(part.options))


@each(lambda part: part.name.startswith("STM32F429"), at_least=2)
def test_f429_has_been_seen_dead_with_rdp_1_and_all_sectors_pcrop(part: Part) -> None:
    """ "Seen on F429: RDP=1, all sectors PCROP, chip dead" """
    device = EmulatedFlash(part)
    cut(device, 1, Outcome.TORN, lambda: device.program_options(BFB2=1))
    assert (device.options.readout_level, device.options.read_protected) == (1, True)
    for offset in part.sector_starts:
        with pytest.raises(ReadProtected):
            device.read(part.base + offset, 1)
        with pytest.raises(WriteProtected):
            device.erase(part.base + offset)


@of_class("f4")
def test_f4_may_read_right_and_not_be_retained(part: Part) -> None:
    """ "F4: under-volted programming may read right and 'not be retained'." Here: a cut at its
    very end."""
    lost = 0
    for seed in SEEDS:
        device = cut_program(part, Outcome.WEAK, seed=seed)
        assert read_or_none(device, 1) == data_of(part)
        device.power_on()
        device.power_on()
        lost += any(read_or_none(device, 1) != data_of(part) for _ in range(8))
    assert lost > len(SEEDS) // 2


# --- 4.2: what was observed


@of_class("l4", "u5", "h5")
def test_a_reset_inside_a_double_word_program_yields_an_eccd_nmi_at_its_address(
    part: Part,
) -> None:
    """L4R5: "watchdog reset inside a double-word program reproducibly yields ECCD NMI at that
    address"; "most hits miss the window". U5: the same of a write or an erase."""
    hits = 0
    for seed in SEEDS:
        device = cut_program(part, Outcome.TORN, seed=seed)
        if read_or_none(device, 1) is None:
            hits += 1
            for _ in range(3):
                with pytest.raises(EccNmi) as caught:
                    device.read(part.base, 3 * part.program_unit)
                assert caught.value.address == part.base + part.program_unit
            device.power_on()
            assert read_or_none(device, 1) is None
    assert hits
    assert not any(read_or_none(cut_program(part, Outcome.BEFORE), n) is None for n in range(3))


@of_class("h7", "h7ab")
def test_h7_stays_unreadable_until_the_sector_is_erased(part: Part) -> None:
    """H743: "power off while writing leaves the area unreadable, HardFault loop until the sector
    is erased" """
    device = next(
        device
        for device in (cut_program(part, Outcome.TORN, seed=seed) for seed in range(99))
        if read_or_none(device, 1) is None
    )
    for _ in range(4):
        with pytest.raises(BusFault):
            device.read(part.base + part.program_unit, 1)
        device.power_on()
    device.erase(part.base)
    assert read_or_none(device, 1) == b"\xff" * part.program_unit


@of_class("h7", "h7ab", "l4", "u5", "h5")
def test_an_interrupted_erase_leaves_unreadable_units(part: Part) -> None:
    """U5: double-ECC NMI "can occur if a Flash write- or erase-operation is interrupted by a power
    loss or reset" """
    units = part.sector_sizes[0] // part.program_unit
    device = cut_erase(part, Outcome.TORN, seed=1)
    assert None in {read_or_none(device, unit) for unit in range(units)}


@keeps_ecc_rules
@pytest.mark.parametrize("outcome", TOUCHED)
def test_a_bad_unit_is_mended_with_zeros(part: Part, outcome: Outcome) -> None:
    """X-CUBE-EEPROM "programs the bad double word with zeros, which the PROGERR exception permits;
    it then reads 0 without ECC error" """
    for seed in range(8):
        device = cut_program(part, outcome, seed=seed)
        device.program(part.base + part.program_unit, bytes(part.program_unit))
        for _ in range(4):
            device.usage.corrected = 0
            assert read_or_none(device, 1) == bytes(part.program_unit)
            assert device.usage.corrected == 0
            device.power_on()


@every_part
def test_reads_of_perturbed_cells_are_random_each_time(part: Part) -> None:
    """POUDEL19: "aborted operations put NOR cells of a microcontroller into perturbed states whose
    reads are random each time" """
    changing = 0
    for seed in SEEDS:
        device = cut_program(part, Outcome.METASTABLE, seed=seed)
        changing += len({read_or_none(device, 1) for _ in range(16)}) > 1
    assert changing > len(SEEDS) // 3


@every_part
def test_an_incomplete_erase_makes_later_programs_unreliable(part: Part) -> None:
    """TSENG11: "incomplete erase makes later programs of that block unreliable" """
    device = cut_erase(part, Outcome.WEAK)
    device.program(part.base, data_of(part))
    assert read_or_none(device, 0) == data_of(part)
    assert any(held(device, 0).fading)
    for _ in range(3):
        device.power_on()
    assert held(device, 0).metastable


@every_part
def test_never_trust_reads_ff(part: Part) -> None:
    """ "a part-erased block may read blank yet flip later; never trust 'reads 0xFF'" """
    for outcome in (Outcome.BLANK, Outcome.WEAK):
        device = cut_erase(part, outcome)
        size = part.sector_sizes[0]
        assert device.read(part.base, size) == b"\xff" * size
        assert device.cells.virgin_run(0, size // part.program_unit) == 0


# --- 4.3: a program, P0 to P4


@every_part
def test_only_bits_whose_target_is_0_move_and_never_from_0_to_1(part: Part) -> None:
    """ "only bits whose target is 0 may move; never 0->1" """
    for outcome in Outcome:
        for seed in range(6):
            device = cut_program(part, outcome, seed=seed)
            raw, target = held(device, 1), word_of(device, data_of(part))
            touched = all_ones(device) ^ raw.word | raw.metastable
            for mask in raw.fading:
                touched |= mask
            assert touched & target == 0


@every_part
def test_p0_untouched_virgin(part: Part) -> None:
    """P0: "untouched, virgin" """
    device, other = cut_program(part, Outcome.BEFORE), EmulatedFlash(part)
    other.program(part.base, data_of(part))
    assert device.digest() == other.digest()
    assert device.cells.mark(1) is Mark.VIRGIN


@every_part
def test_p1_random_subset_of_the_target_0_bits_is_0(part: Part) -> None:
    """P1: "random subset of the target-0 bits is 0" """
    words = set()
    for seed in SEEDS:
        device = cut_program(part, Outcome.TORN, seed=seed)
        raw, target = held(device, 1), word_of(device, data_of(part))
        assert raw.word & target == target
        assert (raw.metastable, raw.fading) == (0, (0, 0, 0))
        words.add(raw.word)
    assert len(words) > len(SEEDS) // 2


@every_part
def test_p2_metastable_bits_reads_differ_from_read_to_read(part: Part) -> None:
    """P2: "metastable bits: reads differ from read to read" """
    for seed in SEEDS:
        device = cut_program(part, Outcome.METASTABLE, seed=seed)
        assert held(device, 1).metastable
    device.cells.set_word(1, RawUnit(word_of(device, data_of(part)), metastable=0xFF))
    assert len({read_or_none(device, 1) for _ in range(32)}) > 2


@with_ecc
def test_p2_the_verdict_itself_changes_between_reads(part: Part) -> None:
    """ "With P2 the verdict itself changes between reads." """
    for seed in range(60):
        device = cut_program(part, Outcome.METASTABLE, seed=seed)
        verdicts = set()
        for _ in range(24):
            device.usage.corrected = 0
            data = read_or_none(device, 1)
            verdicts.add((data is None, device.usage.corrected))
        if len(verdicts) > 1:
            return
    pytest.fail("the verdict never changed")


@every_part
def test_p3_complete_but_weak_reads_right_then_decays(part: Part) -> None:
    """P3: "complete but weak: reads right, decays on later reads / time / reset". Here: on later
    power-ons."""
    decayed = 0
    for seed in SEEDS:
        device = cut_program(part, Outcome.WEAK, seed=seed)
        for _ in range(4):
            assert device.read(part.base, 3 * part.program_unit)[: 2 * part.program_unit] == (
                data_of(part) * 2
            )
        assert held(device, 1).word == word_of(device, data_of(part))
        device.power_on()
        device.power_on()
        assert held(device, 1).metastable
        decayed += any(read_or_none(device, 1) != data_of(part) for _ in range(16))
    assert decayed > len(SEEDS) // 2


@every_part
def test_p4_complete(part: Part) -> None:
    """P4: "complete"; power was lost before anybody polled BSY."""
    device, other = cut_program(part, Outcome.AFTER), EmulatedFlash(part)
    other.program(part.base, data_of(part) * 2)
    for _ in range(3):
        assert device.digest() == other.digest()
        device.power_on()


def verdicts_of_torn_programs(part: Part, seeds: range) -> set[str]:
    found = set()
    for seed in seeds:
        data = bytes([0xFE]) + b"\xff" * (part.program_unit - 1) if seed % 2 else data_of(part)
        device = cut_program(part, Outcome.TORN, seed=seed, data=data)
        raw, ones = held(device, 1), all_ones(device)
        decoded = device.cells.decode(raw, 0)
        missing = raw.word ^ word_of(device, data)
        moved = ones ^ raw.word
        if raw.word == ones:
            found.add("virgin")
        elif moved.bit_count() == 1:
            assert (decoded.verdict, read_or_none(device, 1)) == (
                Verdict.CORRECTED,
                b"\xff" * part.program_unit,
            )
            found.add("all-FF, corrected")
        elif moved.bit_count() == 2:
            assert decoded.verdict is Verdict.CLEAN
            in_data = moved & (1 << 8 * part.program_unit) - 1
            assert (read_or_none(device, 1) == b"\xff" * part.program_unit) is not bool(in_data)
            found.add("two cells, undetected")
        elif decoded.verdict is Verdict.DETECTED:
            assert read_or_none(device, 1) is None
            found.add("double error")
        elif decoded.data != int.from_bytes(data, "little"):
            assert missing.bit_count() > 2
            found.add("wrong, silently")
        else:
            found.add("right")
    return found


@with_ecc
def test_the_raw_word_goes_through_a_real_secded_decoder(part: Part) -> None:
    """ "Results: virgin; corrected (right data, ECCC); all-FF with ECCC (one cell moved); two cells
    moved from virgin: undetected; ECCD -> NMI or bus fault; three or more errors may miscorrect
    silently." """
    found = verdicts_of_torn_programs(part, range(300))
    assert found >= {"all-FF, corrected", "two cells, undetected", "double error"}
    assert found & {"wrong, silently"}
    assert found & {"right"}


@keeps_ecc_rules
@pytest.mark.parametrize("outcome", TOUCHED)
def test_the_granule_is_not_virgin_any_more(part: Part, outcome: Outcome) -> None:
    """ "Granule is not virgin any more: reprogram -> PROGERR, zero-write accepted." """
    for seed in range(12):
        device = cut_program(part, outcome, seed=seed)
        at = part.base + part.program_unit
        for data in (data_of(part), data_of(part, 1), b"\xff" * part.program_unit):
            with pytest.raises(ProgramError) as caught:
                device.program(at, data)
            assert (caught.value.flag, caught.value.address) == ("PROGERR", at)
        device.program(at, bytes(part.program_unit))
        assert device.read(at, part.program_unit) == bytes(part.program_unit)


@without_ecc
def test_without_ecc_the_reader_gets_the_partial_value_as_plain_data(part: Part) -> None:
    """ "Non-ECC (F1/F4/F7): the reader gets the partial value as plain data." """
    partial = 0
    for seed in SEEDS:
        device = cut_program(part, Outcome.TORN, seed=seed)
        found = read_or_none(device, 1)
        assert found == held(device, 1).word.to_bytes(part.program_unit, "little")
        partial += found not in (data_of(part), b"\xff" * part.program_unit)
    assert partial > len(SEEDS) // 2


@of_class("f1")
def test_a_partial_half_word_is_reprogrammed_with_0x0000_only(part: Part) -> None:
    """ "F1: a partial half-word cannot be reprogrammed except with 0x0000." """
    tried = 0
    for seed in SEEDS:
        device = cut_program(part, Outcome.TORN, seed=seed)
        if read_or_none(device, 1) == b"\xff\xff":
            continue  # no cell has moved: there is nothing partial
        for data in (data_of(part), b"\x00\x01"):
            with pytest.raises(ProgramError, match="PGERR"):
                device.program(part.base + 2, data)
        device.program(part.base + 2, b"\0\0")
        assert read_or_none(device, 1) == b"\0\0"
        tried += 1
    assert tried > len(SEEDS) // 2


@of_class("f4")
@pytest.mark.parametrize("outcome", list(Outcome))
def test_f4_rewriting_the_same_value_completes_it(part: Part, outcome: Outcome) -> None:
    """ "F4: rewriting the same value completes it." Unless nothing of it was begun, and the unit
    only looks erased."""
    for seed in range(12):
        device = cut_program(part, outcome, seed=seed)
        device.program(part.base + part.program_unit, data_of(part))
        if outcome is Outcome.BLANK:
            assert any(held(device, 1).fading)
            continue
        assert held(device, 1) == RawUnit(word_of(device, data_of(part)))


@every_part
@pytest.mark.parametrize("outcome", list(Outcome))
def test_exactly_one_granule_and_all_earlier_ones_intact(part: Part, outcome: Outcome) -> None:
    """ "Scope: exactly one granule" ... "All earlier granules stay intact" """
    device = full_sector(part)
    at = part.base + sum(part.sector_sizes[:2])
    before = device.cells.export()
    data = b"".join(data_of(part, n) for n in range(9))
    cut(device, 6, outcome, lambda: device.program(at, data))
    unit, first = part.program_unit, (at - part.base) // part.program_unit
    assert device.read(at, 5 * unit) == data[: 5 * unit]
    after = device.cells.export()
    for old, new, size in zip(before[:2], after[:2], (unit, 1), strict=True):
        assert new[: first * size] == old[: first * size]
        assert new[(first + 6) * size :] == old[(first + 6) * size :]
    assert set(after[2]) <= {first + 5}


@of_class("h7", "h7ab")
def test_h7_a_second_flash_word_is_untouched(part: Part) -> None:
    """ "H7: the buffered, unwritten flash word is simply lost" """
    device = cut_program(part, Outcome.TORN)
    assert device.cells.mark(2) is Mark.VIRGIN


# --- 4.3: an erase, E0 to E4


@every_part
def test_e0_old_content_unchanged(part: Part) -> None:
    """E0: "old content, unchanged" """
    assert cut_erase(part, Outcome.BEFORE).digest() == full_sector(part).digest()


@every_part
@pytest.mark.parametrize("outcome", [Outcome.TORN, Outcome.METASTABLE])
def test_e1_mix_of_old_bits_and_1s_over_the_whole_page_and_not_a_prefix(
    part: Part, outcome: Outcome
) -> None:
    """E1: "cell-random mix of old bits and 1s over the *whole* page (not a prefix)" """
    device = cut_erase(part, outcome, seed=5)
    units = part.sector_sizes[0] // part.program_unit
    old = word_of(device, data_of(part))
    words = [held(device, unit).word for unit in range(units)]
    assert all(word & old == old for word in words)
    quarters = [words[i : i + units // 4] for i in range(0, units - units // 4 + 1, units // 4)]
    moved = [sum((word ^ old).bit_count() for word in quarter) for quarter in quarters]
    assert max(moved) < 1.35 * min(moved)
    zeros = device.cells.word_bits - old.bit_count()
    assert 0 < sum(moved) < zeros * units
    assert len(set(words)) > 2


@with_ecc
def test_e1_on_ecc_parts_a_mix_of_clean_corrected_unreadable_and_wrong(part: Part) -> None:
    """E1: "on ECC parts a mix of clean, ECCC, ECCD, miscorrected and FF granules" """
    found = set()
    units = part.sector_sizes[0] // part.program_unit
    old = int.from_bytes(data_of(part), "little")
    for seed in range(24):
        device = cut_erase(part, Outcome.TORN, seed=seed)
        for unit in range(0, units, 3):
            raw = held(device, unit)
            decoded = device.cells.decode(raw, 0)
            found.add("FF" if raw.word == all_ones(device) else decoded.verdict.value)
            if decoded.verdict is Verdict.CORRECTED and decoded.data != old:
                found.add("miscorrected")
    assert found >= {"corrected", "double error", "miscorrected"}


@every_part
def test_e2_parts_of_the_page_change_between_reads(part: Part) -> None:
    """E2: "metastable: parts of the page change between reads" """
    device = cut_erase(part, Outcome.METASTABLE, seed=2)
    units = range(min(64, part.sector_sizes[0] // part.program_unit))
    reads = [[read_or_none(device, unit) for unit in units] for _ in range(6)]
    changing = [unit for unit in units if len({read[unit] for read in reads}) > 1]
    assert changing


@every_part
def test_e3_reads_all_ff_weakly_erased(part: Part) -> None:
    """E3: "reads all 0xFF, weakly erased: ... programming it may report success but decay, or raise
    PROGERR (virgin flag false)" """
    size, results = part.sector_sizes[0], set()
    for outcome in (Outcome.BLANK, Outcome.WEAK):
        device = cut_erase(part, outcome)
        assert device.read(part.base, size) == b"\xff" * size
        assert device.cells.mark(0) is Mark.RAW
        if part.overwrite is Overwrite.EXECUTES and outcome is Outcome.BLANK:
            continue  # executes whatever it is told
        try:
            device.program(part.base, data_of(part))
        except ProgramError:
            results.add("refused")
        else:
            assert read_or_none(device, 0) == data_of(part)
            assert any(held(device, 0).fading)
            results.add("decays")
    refuses = part.ecc is not None and part.overwrite is not Overwrite.EXECUTES
    assert results == ({"refused", "decays"} if refuses else {"decays"})


@every_part
def test_e3_later_reads_may_show_zeros_again(part: Part) -> None:
    """E3: "later reads may show 0s": only where there were some, after one power-on or two."""
    device = cut_erase(part, Outcome.WEAK)
    old = word_of(device, data_of(part))
    units = range(part.sector_sizes[0] // part.program_unit)
    erased = b"\xff" * part.sector_sizes[0]
    assert device.read(part.base, len(erased)) == erased
    unsure = 0
    for _ in range(2):
        device.power_on()
        assert all(held(device, unit).word == all_ones(device) for unit in units)
        before, unsure = unsure, sum(held(device, u).metastable.bit_count() for u in units)
        assert unsure > before
    assert all(held(device, unit).metastable & old == 0 for unit in units)
    assert all(held(device, unit).metastable for unit in units)
    assert 0.2 < unsure / sum((~old & all_ones(device)).bit_count() for _ in units) < 0.3
    for metastable_mode, changed in (
        (MetastableMode.STABLE, False),
        (MetastableMode.FLIPPED, True),
    ):
        device.metastable_mode = metastable_mode
        found = [read_or_none(device, unit) for unit in units]
        assert any(data != erased[: part.program_unit] for data in found) == changed


@every_part
def test_e3_an_erase_that_completes_ends_it(part: Part) -> None:
    device = cut_erase(part, Outcome.WEAK)
    device.erase(part.base)
    for _ in range(3):
        device.power_on()
        device.metastable_mode = MetastableMode.FLIPPED
        assert device.read(part.base, part.sector_sizes[0]) == b"\xff" * part.sector_sizes[0]


@every_part
def test_e3_what_was_blank_before_has_nothing_to_come_back(part: Part) -> None:
    device = EmulatedFlash(part)
    cut(device, 1, Outcome.WEAK, lambda: device.erase(part.base))
    assert not any(any(held(device, unit).fading) for unit in range(4))
    assert held(device, 0).marginal


@every_part
def test_e3_cells_that_a_program_leaves_at_1_may_still_come_back(part: Part) -> None:
    """They got no pulse: neither an erase's nor a program's."""
    device = cut_erase(part, Outcome.WEAK)
    unsure = sum(held(device, 0).fading)
    ones = b"\xff" * part.program_unit
    device.program(part.base, ones)
    word = device._word(ones)  # its check bits may have zeros
    assert held(device, 0).word == word
    assert unsure and sum(held(device, 0).fading) & word == unsure & word


@every_part
def test_e4_complete(part: Part) -> None:
    """E4: "complete" """
    device, other = cut_erase(part, Outcome.AFTER), full_sector(part)
    other.erase(part.base)
    assert device.digest() == other.digest()


@every_part
@pytest.mark.parametrize("outcome", list(Outcome))
def test_a_cut_erase_keeps_to_its_sector(part: Part, outcome: Outcome) -> None:
    """ "whole page/sector at once" """
    device, other = cut_erase(part, outcome), full_sector(part)
    size = part.sector_sizes[0]
    mine, theirs = device.cells.export(), other.cells.export()
    assert mine[0][size:] == theirs[0][size:]
    assert mine[1][size // part.program_unit :] == theirs[1][size // part.program_unit :]
    assert all(unit < size // part.program_unit for unit in mine[2])


# --- 4.3: bank and mass erase


def sector_states(device: EmulatedFlash) -> list[str]:
    """Of every sector: old, erased, or between."""
    states, part = [], device.part
    for offset, size in part.sector_starts.items():
        units = range(offset // part.program_unit, (offset + size) // part.program_unit)
        marks = {device.cells.mark(unit) for unit in units}
        named = {Mark.VIRGIN: "erased", Mark.PROGRAMMED: "old", Mark.RAW: "cut"}
        states.append(named[marks.pop()] if len(marks) == 1 else "cut")
    return states


def full(part: Part, seed: int = 0) -> EmulatedFlash:
    device = EmulatedFlash(part, seed=seed)
    device.preload(part.base, data_of(part) * (part.size // part.program_unit))
    return device


@of_class("l4")
@pytest.mark.parametrize("outcome", TOUCHED)
def test_l4_class_erases_all_pages_of_a_bank_together(part: Part, outcome: Outcome) -> None:
    """ "Bank/mass erase: L4 class: all pages E1-E3 together" """
    device = full(part)
    cut(device, 1, outcome, lambda: device.erase_bank(0))
    states = sector_states(device)
    assert states[:4] == ["cut"] * 4
    assert states[4:] == ["old"] * (len(states) - 4)
    cut(device, 1, outcome, device.erase_all)
    assert sector_states(device) == ["cut"] * len(states)


@each(lambda part: part.bulk_erase == "sequential", at_least=8)
def test_f4_class_erases_sectors_in_order(part: Part) -> None:
    """ "F4 class: sectors in order, prefix E4, one partial, rest E0 (both banks in parallel for
    mass). H7: unknown, use the F4 rule" """
    reached = set()
    for seed in range(10):
        device = full(part, seed)
        bank = part.bank_count - 1
        cut(device, 1, Outcome.WEAK, partial(device.erase_bank, bank))
        states = sector_states(device)
        mine = states[bank * 4 :]
        assert states[: bank * 4] == ["old"] * (bank * 4)
        at = mine.index("cut")
        assert mine == ["erased"] * at + ["cut"] + ["old"] * (3 - at)
        reached.add(at)
    assert len(reached) > 1


@each(lambda part: part.bulk_erase == "sequential" and part.bank_count == 2)
def test_a_cut_mass_erase_has_reached_both_banks(part: Part) -> None:
    """ "(both banks in parallel for mass)" """
    device = full(part)
    cut(device, 1, Outcome.WEAK, device.erase_all)
    states = sector_states(device)
    assert states[:4].count("cut") == states[4:].count("cut") == 1


@every_part
@pytest.mark.parametrize("outcome", [Outcome.BEFORE, Outcome.AFTER])
def test_a_bulk_erase_that_never_began_or_is_complete_is_so_everywhere(
    part: Part, outcome: Outcome
) -> None:
    """E0 and E4 of a bank."""
    device = full(part)
    cut(device, 1, outcome, lambda: device.erase_bank(0))
    wanted = "old" if outcome is Outcome.BEFORE else "erased"
    assert sector_states(device)[:4] == [wanted] * 4


# --- 4.3: marks, options, after the cut


@every_part
@pytest.mark.parametrize("outcome", TOUCHED)
def test_only_a_completed_erase_clears_the_marks(part: Part, outcome: Outcome) -> None:
    """ "Only a *completed* erase clears P*/E* marks; a page whose last erase was cut needs a fresh
    full erase whatever it reads." """
    units = part.sector_sizes[0] // part.program_unit
    device = cut_erase(part, outcome)
    for _ in range(3):
        assert device.cells.virgin_run(0, units) == 0
        device.power_on()
    cut(device, 1, outcome, lambda: device.erase(part.base))
    assert device.cells.virgin_run(0, units) == 0
    device.erase(part.base)
    assert device.cells.virgin_run(0, units) == units
    device.program(part.base, data_of(part))
    for _ in range(4):
        assert read_or_none(device, 0) == data_of(part)
        device.power_on()


@every_part
@pytest.mark.parametrize("outcome", TOUCHED)
def test_a_completed_erase_clears_what_a_cut_program_left(part: Part, outcome: Outcome) -> None:
    """ "Only a *completed* erase clears P*/E* marks" """
    device = cut_program(part, outcome)
    device.erase(part.base)
    fresh = EmulatedFlash(part)
    assert device.cells.export() == fresh.cells.export()


@each(lambda part: part.options.update == "atomic", at_least=3)
def test_atomic_options_are_old_or_new(part: Part) -> None:
    """ "Options: atomic (H7, H5 via OPSR): old or new." """
    for outcome in Outcome:
        device = EmulatedFlash(part)
        cut(device, 1, outcome, partial(device.map_bank, 1))
        assert device.mapped_bank == (outcome is Outcome.AFTER)
        assert not device.options.mismatch


@with_readout
def test_other_options_are_old_new_or_the_mismatch_defaults(part: Part) -> None:
    """ "Erase-then-program (F4, L4, G4, G0, L5, U5): old, new, or mismatch defaults (RDP1 + BFB2=1
    on L4/G4; F4: RDP1, PCROP)." """
    seen = []
    for outcome in Outcome:
        device = EmulatedFlash(part)
        cut(device, 1, outcome, partial(device.program_options, RDP=0xBB))
        seen.append(device.options.loaded)
    old, new = dict(part.options), {**part.options, "RDP": 0xBB}
    fallen = part.options.mismatch(old)
    assert all(values in (old, new, fallen) for values in seen)
    assert [old, fallen, new] == [seen[0], seen[1], seen[-1]]
    if part.family == "l4" and "BFB2" in fallen:
        assert fallen["BFB2"] == 1
    if "PCROP" in fallen:
        assert fallen["PCROP"] == 1


@with_pcrop
def test_after_rdp1_readout_unprotect_mass_erases(part: Part) -> None:
    """ "After RDP1 the serial ROM can only Readout-Unprotect, which mass-erases" """
    device = full(part)
    cut(device, 1, Outcome.TORN, lambda: device.program_options(RDP=0xBB))
    device.unprotect_readout()
    assert device.read(part.base, part.size) == b"\xff" * part.size
    assert device.options.readout_level == 0


@every_part
@pytest.mark.parametrize("outcome", list(Outcome))
def test_after_every_cut_registers_are_at_their_reset_value(part: Part, outcome: Outcome) -> None:
    """ "After every cut: RAM lost, registers at reset value, OPSR set on U5/H5." """
    device = EmulatedFlash(part)
    if part.aliasing.value == "fb_mode":
        device.map_bank(1)
    device.background = True
    cut(device, 1, outcome, lambda: device.erase(part.base))
    assert device.mapped_bank == 0
    before = device.clock.now_us
    device.wait()
    assert device.clock.now_us == before
    assert (device.interrupted is not None) == (part.opsr and outcome in TOUCHED)


@every_part
def test_the_same_seed_gives_the_same_silicon(part: Part) -> None:
    """ "All randomness from one seed." """
    for outcome in Outcome:
        once, again = (cut_erase(part, outcome, seed=9) for _ in range(2))
        assert once.digest() == again.digest()
        one, two = (cut_program(part, outcome, seed=9) for _ in range(2))
        assert [read_or_none(one, 1) for _ in range(8)] == [read_or_none(two, 1) for _ in range(8)]


def test_every_part_of_the_table_is_here() -> None:
    assert len(PARTS) == 20
