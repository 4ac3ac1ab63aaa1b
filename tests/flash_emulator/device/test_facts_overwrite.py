"""What each family does with a unit that is not erased: one test for each sentence of the manuals.

Flash facts of the project, section 1.2.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from flash_emulator import (
    AlignmentError,
    CutAt,
    EmulatedFlash,
    Outcome,
    Part,
    PowerLoss,
    ProgramError,
    SteadySupply,
    UnreadableUnit,
)
from flash_emulator.array.pages import RawUnit
from flash_emulator.parts.part_model import Overwrite
from tests.flash_emulator.every_part import (
    PARTS,
    all_ones,
    data_of,
    each,
    every_part,
    held,
    of_class,
    read_or_none,
    with_ecc,
)

only_zero = of_class("l4", "u5")


def programmed(part: Part, data: bytes | None = None) -> EmulatedFlash:
    device = EmulatedFlash(part)
    device.program(part.base, data or data_of(part))
    return device


def refused(device: EmulatedFlash, data: bytes) -> ProgramError:
    """Nothing is done, nothing is counted."""
    before, usage, taken = device.digest(), device.usage.programs, device.supply.taken
    with pytest.raises(ProgramError) as caught:
        device.program(device.part.base, data)
    assert (device.digest(), device.usage.programs, device.supply.taken) == (before, usage, taken)
    return caught.value


# --- F0, F1, F3


@of_class("f1")
def test_a_location_that_is_not_erased_is_skipped_with_pgerr(part: Part) -> None:
    """FPEC: location is read first; if not erased "the program operation is skipped" and PGERR
    set."""
    device = programmed(part)
    for data in (data_of(part, 1), data_of(part), b"\xff\xff", b"\x00\x01"):
        error = refused(device, data)
        assert (error.flag, error.address) == ("PGERR", part.base)
    assert device.read(part.base, 2) == data_of(part)


@of_class("f1")
def test_the_location_is_read_so_what_reads_erased_is_programmed(part: Part) -> None:
    """FPEC: location is read first."""
    device = programmed(part, b"\xff\xff")
    device.program(part.base, data_of(part))
    assert device.read(part.base, 2) == data_of(part)


@of_class("f1")
def test_the_only_exception_is_0x0000(part: Part) -> None:
    """ "The only exception to this is when 0x0000 is programmed." """
    device = programmed(part)
    device.program(part.base, b"\0\0")
    device.program(part.base, b"\0\0")
    assert device.read(part.base, 2) == b"\0\0"
    assert refused(device, b"\x01\x00").flag == "PGERR"


# --- F2, F4, F7


@of_class("f4")
def test_bits_can_be_changed_from_1_to_0_again_and_again(part: Part) -> None:
    """ "Successive write operations are possible without the need of an erase operation when
    changing bits from 1 to 0." """
    device, unit = EmulatedFlash(part), part.program_unit
    value = (1 << 8 * unit) - 1
    for bit in range(8 * unit):
        value &= ~(1 << bit)
        device.program(part.base, value.to_bytes(unit, "little"))
        assert device.read(part.base, unit) == value.to_bytes(unit, "little")
    assert device.usage.programs == 8 * unit


@of_class("f4")
def test_a_1_over_a_0_has_no_effect(part: Part) -> None:
    """ "... when changing bits from 1 to 0": not the other way."""
    device = programmed(part)
    new = data_of(part, 3)
    device.program(part.base, new)
    expected = bytes(a & b for a, b in zip(data_of(part), new, strict=True))
    assert device.read(part.base, part.program_unit) == expected
    device.program(part.base, b"\xff" * part.program_unit)
    assert device.read(part.base, part.program_unit) == expected


@of_class("f4")
def test_no_access_crosses_a_128_bit_row(part: Part) -> None:
    """A program may not cross a 128-bit row (PGAERR): no unit that can be selected does."""
    assert part.access_row_bytes == 16
    assert all(part.access_row_bytes % unit == 0 for unit in part.program_units)
    for bits in (8, 16, 32, 64):
        device = EmulatedFlash(part.with_parallelism(bits))
        if bits > 8:
            with pytest.raises(AlignmentError):
                device.program(part.base + 16 - bits // 16, bytes(bits // 8))


@of_class("f4")
def test_the_access_width_is_psize(part: Part) -> None:
    """Access width must equal PSIZE (PGPERR)."""
    for bits in (8, 16, 32, 64):
        device = EmulatedFlash(part.with_parallelism(bits))
        width = bits // 8
        device.program(part.base, b"\x5a" * width)
        assert (device.usage.programs, device.supply.taken) == (1, 1)
        assert device.read(part.base, width + 1) == b"\x5a" * width + b"\xff"
        if width > 1:
            with pytest.raises(AlignmentError):
                device.program(part.base + 16, b"\0" * (width // 2))


# --- L4, L4+, L5, G0, G4, WB, U5


@only_zero
def test_a_programmed_address_is_not_programmed_again(part: Part) -> None:
    """L4/G4: "Programming in a previously programmed address is not allowed except if the data to
    write are all 0", else PROGERR, operation aborted. U5: same sentence."""
    device = programmed(part)
    almost = bytes(part.program_unit - 1) + b"\x80"
    for data in (data_of(part, 1), data_of(part), almost, b"\xff" * part.program_unit):
        error = refused(device, data)
        assert (error.flag, error.address) == ("PROGERR", part.base)
    assert device.read(part.base, part.program_unit) == data_of(part)


@only_zero
def test_all_0_is_programmed_over_anything(part: Part) -> None:
    """ "... except if the data to write are all 0" """
    device, zero = programmed(part), bytes(part.program_unit)
    for _ in range(2):
        device.program(part.base, zero)
        assert device.read(part.base, part.program_unit) == zero
    assert device.usage.corrected == 0  # the check bits of zero are zero
    device.spoil(part.base)
    device.program(part.base, zero)
    assert device.read(part.base, part.program_unit) == zero
    assert refused(device, data_of(part)).flag == "PROGERR"


@only_zero
def test_a_bulk_program_is_aborted_at_the_address_in_question(part: Part) -> None:
    """ "... else PROGERR, operation aborted." """
    device, unit = EmulatedFlash(part), part.program_unit
    device.program(part.base + 2 * unit, data_of(part, 5))
    with pytest.raises(ProgramError) as caught:
        device.program(part.base, data_of(part) * 4)
    assert caught.value.address == part.base + 2 * unit
    assert device.read(part.base, 4 * unit) == (
        data_of(part) * 2 + data_of(part, 5) + b"\xff" * unit
    )


@of_class("u5")
def test_u5_programs_quad_words_of_128_and_9_bits(part: Part) -> None:
    """U5: same sentence, quad-word, 128+9 bits."""
    device = EmulatedFlash(part)
    assert (part.program_unit, device.cells.word_bits) == (16, 137)
    with pytest.raises(AlignmentError):
        device.program(part.base, bytes(8))


# --- H7, H5


@of_class("h7", "h7ab", "h5")
def test_h7_executes_an_overwrite_and_its_ecc_is_inconsistent(part: Part) -> None:
    """ "It is not recommended to overwrite a flash word that is not virgin. The result may lead to
    an inconsistent ECC code that will be systematically reported". H5, captures of a
    NUCLEO-H563ZI: bits AND, the ECC no longer fits, no PGSERR."""
    reported = 0
    for seed in range(1, 40):
        device, unit = programmed(part), part.program_unit
        device.program(part.base, data_of(part, seed))  # executed
        assert device.usage.programs == 2
        old, new = (device._word(data_of(part, n)) for n in (0, seed))
        assert held(device, 0) == RawUnit(old & new)
        reads = []
        for _ in range(3):
            corrected = device.usage.corrected
            data = read_or_none(device, 0)
            reads.append((data, device.usage.corrected - corrected))
        assert len(set(reads)) == 1  # systematically
        reported += reads[0][0] is None or reads[0][1]
        assert unit == len(data_of(part))
    assert reported >= 35


@of_class("h7", "h7ab", "h5")
def test_the_same_flash_word_again_changes_nothing(part: Part) -> None:
    """ "The result *may* lead to an inconsistent ECC code": the AND of a word with itself is it."""
    device = programmed(part)
    before = device.digest()
    device.program(part.base, data_of(part))
    assert device.digest() == before


@of_class("h7", "h7ab")
def test_an_unreadable_flash_word_is_a_bus_fault(part: Part) -> None:
    """ "... that will be systematically reported": DBECCERR, and a bus fault."""
    device = EmulatedFlash(part)
    device.spoil(part.base)
    for _ in range(2):
        with pytest.raises(UnreadableUnit) as caught:
            device.read(part.base + 1, 1)
        assert (caught.value.flag, type(caught.value).__name__) == ("DBECCERR", "BusFault")
        assert caught.value.address == part.base


@of_class("l4", "u5", "h5")
def test_an_unreadable_unit_is_an_nmi_on_all_other_parts(part: Part) -> None:
    """ECCD, and an NMI."""
    device = EmulatedFlash(part)
    device.spoil(part.base + part.program_unit)
    with pytest.raises(UnreadableUnit) as caught:
        device.read(part.base, 3 * part.program_unit)
    assert (caught.value.flag, type(caught.value).__name__) == ("ECCD", "EccNmi")
    assert caught.value.address == part.base + part.program_unit


# --- H5


@of_class("h5")
@pytest.mark.parametrize(("at", "size"), [(8, 16), (4, 16), (0, 8), (0, 20), (0, 15), (12, 4)])
def test_a_misaligned_or_incomplete_quad_word_is_incerr_and_nothing_is_written(
    part: Part, at: int, size: int
) -> None:
    """Captures of a NUCLEO-H563ZI: INCERR alone, nothing is written."""
    device = programmed(part)
    before = device.digest()
    with pytest.raises(AlignmentError, match=r"^INCERR: ") as caught:
        device.program(part.base + 16 + at, bytes(size))
    assert "PGSERR" not in str(caught.value)
    assert (device.digest(), device.supply.taken, device.usage.programs) == (before, 1, 1)
    device.program(part.base + 16, data_of(part, 4))  # a whole one is taken at once


@of_class("h5")
@pytest.mark.parametrize("outcome", [Outcome.TORN, Outcome.METASTABLE, Outcome.WEAK])
def test_a_torn_quad_word_that_is_programmed_again_holds_the_and(
    part: Part, outcome: Outcome
) -> None:
    """An updater that goes on where it was cut is not refused: the unit holds old AND new."""
    device = EmulatedFlash(part, supply=CutAt(1, outcome))
    with pytest.raises(PowerLoss):
        device.program(part.base, data_of(part))
    device.supply = SteadySupply()
    device.power_on()
    torn = held(device, 0).word
    device.program(part.base, data_of(part, 7))
    assert held(device, 0).word == torn & device._word(data_of(part, 7))


def test_what_is_not_known_is_refused() -> None:
    """For a part file of one's own: ``overwrite = "forbidden"``; all zero as well."""
    part = replace(next(p for p in PARTS if p.family == "h5"), overwrite=Overwrite.FORBIDDEN)
    device = programmed(part)
    for data in (data_of(part, 1), data_of(part), bytes(16)):
        refused(device, data)


# --- FF, and virgin flash


@with_ecc
def test_a_granule_programmed_with_ff_is_no_longer_virgin(part: Part) -> None:
    """ "A granule programmed with all 0xFF is no longer virgin on ECC parts: reads 0xFF, refuses
    programming" """
    ff = b"\xff" * part.program_unit
    device = programmed(part, ff)
    assert device.read(part.base, part.program_unit) == ff
    assert held(device, 0).word != all_ones(device)
    if part.overwrite is Overwrite.EXECUTES:  # which refuses nothing
        device.program(part.base, data_of(part))
        assert held(device, 0).word == device._word(ff) & device._word(data_of(part))
        return
    refused(device, data_of(part))
    device.erase(part.base)
    device.program(part.base, data_of(part))


@with_ecc
def test_virgin_is_a_flag_of_its_own(part: Part) -> None:
    """The emulator needs a per-granule `virgin` flag distinct from the data value."""
    virgin, spent = EmulatedFlash(part), programmed(part, b"\xff" * part.program_unit)
    assert virgin.read(part.base, 64) == spent.read(part.base, 64)
    assert virgin.digest() != spent.digest()


@every_part
def test_padding_with_ff_costs_as_much_as_data(part: Part) -> None:
    """Padding an image with explicit 0xFF writes therefore costs something."""
    costs = []
    for data in (b"\xff" * part.program_unit, data_of(part)):
        device = programmed(part, data)
        costs.append((device.usage, device.clock.now_us, device.supply.taken))
    assert costs[0] == costs[1]
    assert costs[0][0].programs == 1


@with_ecc
def test_one_error_in_virgin_data_is_detected_and_corrected(part: Part) -> None:
    """ "For a virgin data: 0xFF FFFF FFFF FFFF FFFF, one error is detected and corrected ..." """
    for bit in range(part.program_unit * 8 + 8):
        device = EmulatedFlash(part)
        device.flip(part.base, bit)
        assert device.read(part.base, part.program_unit) == b"\xff" * part.program_unit
        assert device.usage.corrected == 1


@with_ecc
def test_two_errors_in_virgin_data_are_not_detected(part: Part) -> None:
    """ "... but two errors detection is not supported." """
    device = EmulatedFlash(part)
    device.flip(part.base, 0)
    device.flip(part.base, 13)
    assert device.read(part.base, 2) == b"\xfe\xdf"
    assert device.usage.corrected == 0


@every_part
def test_an_erased_word_reads_1_without_error(part: Part) -> None:
    """H7: erased word reads "all the bits ... at 1, without ECC error". All parts of the table."""
    device = programmed(part)
    device.erase(part.base)
    assert device.read(part.base, part.size) == b"\xff" * part.size
    assert device.usage.corrected == 0
    assert held(device, 0).word == all_ones(device)


@each(lambda part: part.ecc)
def test_after_an_erase_every_unit_takes_a_program(part: Part) -> None:
    """What a refusal means ends with an erase."""
    device = programmed(part)
    device.spoil(part.base + part.program_unit)
    device.erase(part.base)
    device.program(part.base, data_of(part) * (part.sector_sizes[0] // part.program_unit))
    assert device.read(part.base, part.program_unit) == data_of(part)
