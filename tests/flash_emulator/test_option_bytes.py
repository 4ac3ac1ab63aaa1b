"""Option bytes: when a change counts, what a cut leaves of it, and what that does to the chip."""

from __future__ import annotations

import pytest

from flash_emulator import (
    AlignmentError,
    CutAt,
    EmulatedFlash,
    Outcome,
    PowerLoss,
    ReadProtected,
    SteadySupply,
    WriteProtected,
    load_part,
    part_names,
)
from flash_emulator.parts.part import Part
from flash_emulator.parts.part_model import Aliasing, OptionRole

PARTS = [load_part(name) for name in part_names()]
PROTECTION = (OptionRole.READOUT, OptionRole.CODE_PROTECTION)
KEPT_APART = (OptionRole.SECTOR_PROTECTION, OptionRole.BROWN_OUT, OptionRole.OTHER)
BETWEEN = [Outcome.TORN, Outcome.METASTABLE, Outcome.BLANK, Outcome.WEAK]


def those(**wanted: str) -> list[Part]:
    """Parts that have options, and of their model what is *wanted*."""
    return [
        part
        for part in PARTS
        if part.options and all(getattr(part.options, k) == v for k, v in wanted.items())
    ]


def each(parts: list[Part]) -> pytest.MarkDecorator:
    assert parts
    return pytest.mark.parametrize("part", parts, ids=lambda part: part.name)


SWAPPING = [part for part in PARTS if part.options.swap]
PROTECTING = [
    part
    for part in PARTS
    if any(f.role is OptionRole.CODE_PROTECTION for f in part.options.fields.values())
]
READOUT = [
    part
    for part in PARTS
    if any(f.role is OptionRole.READOUT for f in part.options.fields.values())
]


def change_of(part: Part) -> dict[str, int]:
    """A change that every other value would be wrong for: each option but RDP, turned over."""
    return {
        name: 1 - option.default
        for name, option in part.options.fields.items()
        if option.role in (OptionRole.SWAP, OptionRole.BOOT_BANK)
    } or {"RDP": 0xBB}


def cut_change(part: Part, outcome: Outcome) -> EmulatedFlash:
    device = EmulatedFlash(part)
    device.preload(part.base, bytes(range(part.program_unit)))
    device.supply = CutAt(1, outcome)
    with pytest.raises(PowerLoss) as caught:
        device.program_options(**change_of(part))
    assert caught.value.kind == "options"
    device.supply = SteadySupply()
    device.power_on()
    return device


# --- what a cut leaves


@each(those())
@pytest.mark.parametrize(("outcome", "new"), [(Outcome.BEFORE, False), (Outcome.AFTER, True)])
def test_before_and_after_leave_the_old_and_the_new_options(
    part: Part, outcome: Outcome, new: bool
) -> None:
    device = cut_change(part, outcome)
    assert device.options.loaded == {**part.options, **(change_of(part) if new else {})}
    assert not device.options.mismatch


@each(those(update="atomic"))
@pytest.mark.parametrize("outcome", BETWEEN)
def test_atomic_options_keep_their_old_values(part: Part, outcome: Outcome) -> None:
    device = cut_change(part, outcome)
    assert device.options.loaded == dict(part.options)
    assert device.mapped_bank == 0
    assert device.read(part.base, 1) == b"\0"


@each(those(update="erase_then_program"))
@pytest.mark.parametrize("outcome", BETWEEN)
def test_others_fall_to_the_values_of_a_mismatch(part: Part, outcome: Outcome) -> None:
    device = cut_change(part, outcome)
    fields = device.part.options.fields
    assert set(part.options) <= set(fields)
    changed = set(change_of(part)) if part.options.per_byte else set(fields)
    for name, value in device.options.loaded.items():
        wanted = fields[name].mismatch if name in changed else None
        assert value == (part.options[name] if wanted is None else wanted), name
    if part in READOUT and "RDP" in changed:
        assert device.options.readout_level == 1
    for _ in range(3):  # it does not go away by itself
        device.power_on()
        assert device.options.mismatch or device.options.spoiled == changed


@each(those(update="erase_then_program"))
def test_a_mismatch_counts_at_the_next_load_only(part: Part) -> None:
    device = EmulatedFlash(part)
    device.options.cut(change_of(part), Outcome.TORN)
    assert device.options.loaded == dict(part.options)
    device.options.load()
    delivered = dict(part.options)
    fallen = part.options.mismatch_of(change_of(part))
    wanted = {**delivered, **fallen} if part.options.per_byte else part.options.mismatch(delivered)
    assert device.options.loaded == wanted


# --- what a mismatch does to the chip


@each([part for part in PROTECTING if part.options.update == "erase_then_program"])
def test_after_a_mismatch_nothing_can_be_read_written_or_erased(part: Part) -> None:
    device = cut_change(part, Outcome.TORN)
    base, unit = part.base, part.program_unit
    before = device.digest()
    with pytest.raises(ReadProtected) as read:
        device.read(base, 1)
    assert (read.value.flag, read.value.address) == ("RDERR", base)
    for call in (
        lambda: device.program(base + unit, bytes(unit)),
        lambda: device.erase(base),
        lambda: device.erase_bank(0),
        device.erase_all,
    ):
        with pytest.raises(WriteProtected) as write:
            call()
        assert write.value.flag == "WRPERR"
    assert device.digest() == before
    assert device.supply.taken == 0


@each([part for part in PROTECTING if part.options.update == "erase_then_program"])
def test_taking_the_protection_away_erases_everything_and_opens_the_chip(part: Part) -> None:
    device = cut_change(part, Outcome.TORN)
    fallen = dict(device.options.loaded)
    device.unprotect_readout()
    lifted = {name: part.options[name] for name in ("RDP", "PCROP")}
    assert device.options.loaded == {**fallen, **lifted}
    assert not device.options.mismatch
    assert device.read(part.base, part.program_unit) == b"\xff" * part.program_unit
    assert set(device.erase_counts) == {1}
    device.power_on()
    assert device.options.readout_level == 0
    device.program(part.base, bytes(part.program_unit))


@each(READOUT)
def test_from_level_1_to_0_user_options_keep_their_values_and_pcrop_does_not(part: Part) -> None:
    """RM0440 3.5.1. Also single sectors' write protection; what is erased is the flash."""
    device = EmulatedFlash(part)
    kept = {
        name: 1 - option.default
        for name, option in part.options.fields.items()
        if option.role not in (*PROTECTION, *KEPT_APART) and option.other_part is None
    }
    pcrop = {n: 1 for n, f in part.options.fields.items() if f.role is OptionRole.CODE_PROTECTION}
    device.preload(part.base, bytes(part.program_unit))
    device.protect_sectors(part.base)
    device.program_options(**kept, **pcrop, RDP=0xBB)
    device.power_on()
    device.unprotect_readout()
    kept = {} if part.options.per_byte else kept  # F1 erases all of them, PM0075 2.4.2
    wanted = {**part.options, **kept, "RDP": part.options.fields["RDP"].levels[0]}
    assert dict(device.options.loaded) == wanted
    assert device.options.protected
    device.power_on()
    assert dict(device.options.loaded) == wanted
    assert device.cells.raw_data(0, part.size) == b"\xff" * part.size


@each(
    [
        part
        for part in READOUT
        if part.options.update == "erase_then_program"
        and (not part.options.per_byte or "RDP" in change_of(part))
    ]
)
def test_a_cut_unprotection_never_opens_what_was_not_erased(part: Part) -> None:
    device = cut_change(part, Outcome.TORN)
    device.supply = CutAt(1, Outcome.BEFORE)
    with pytest.raises(PowerLoss):
        device.unprotect_readout()
    device.supply = SteadySupply()
    device.power_on()
    assert device.options.readout_level == 1


@each([part for part in PROTECTING if part.options.update == "erase_then_program"])
def test_another_option_written_after_a_mismatch_does_not_undo_it(part: Part) -> None:
    """What is not changed is programmed as it was loaded: RDP level 1 and all PCROP."""
    device = cut_change(part, Outcome.TORN)
    name = next(name for name, f in part.options.fields.items() if f.role not in PROTECTION)
    device.program_options(**{name: device.options.programmed[name]})
    device.power_on()
    assert device.options.readout_level == 1
    assert device.options.read_protected


@each(READOUT)
def test_read_out_protection_is_not_lowered_without_an_erase(part: Part) -> None:
    device = EmulatedFlash(part)
    device.preload(part.base, bytes(part.program_unit))
    device.program_options(RDP=0xBB)
    device.power_on()
    try:
        device.program_options(RDP=0xAA)
        device.power_on()
    except (AlignmentError, OSError):
        return
    held = device.read(part.base, part.program_unit)
    assert device.options.readout_level == 1 or held == b"\xff" * part.program_unit


# --- when a change counts


@each(SWAPPING)
def test_the_banks_are_swapped_when_the_part_loads_its_options_and_not_before(part: Part) -> None:
    device = EmulatedFlash(part)
    unit, bank_size = part.program_unit, part.bank_size
    one, two = b"\x11" * unit, b"\x22" * unit
    device.preload(part.base, one)
    device.preload(part.base + bank_size, two)
    device.map_bank(1)
    assert (device.mapped_bank, device.supply.taken) == (0, 1)
    assert device.read(part.base, unit) == one
    device.reset()
    if part.options.effective == "option_load":
        assert device.mapped_bank == 0
        device.launch_options()
    assert device.mapped_bank == 1
    assert device.read(part.base, unit) == two
    assert device.read(part.base + bank_size, unit) == one
    device.reset()
    device.power_on()
    assert device.mapped_bank == 1  # an option stays
    device.map_bank(0)
    device.power_on()
    assert device.mapped_bank == 0


@each(SWAPPING)
def test_programs_and_erases_follow_a_swap(part: Part) -> None:
    device = EmulatedFlash(part)
    device.map_bank(1)
    device.power_on()
    unit = part.program_unit
    device.program(part.base, bytes(unit))
    assert device.cells.raw_data(part.bank_size, unit) == bytes(unit)
    assert device.cells.raw_data(0, unit) == b"\xff" * unit
    device.erase(part.base)
    assert device.erase_counts[len(part.sector_sizes)] == 1
    device.erase_bank(0)  # physical
    assert device.erase_counts[0] == 1


@each(SWAPPING)
@pytest.mark.parametrize("outcome", list(Outcome))
def test_a_swap_that_was_cut_boots_one_bank_or_the_other(part: Part, outcome: Outcome) -> None:
    device = EmulatedFlash(part)
    device.supply = CutAt(1, outcome)
    with pytest.raises(PowerLoss):
        device.map_bank(1)
    device.power_on()
    match outcome:
        case Outcome.AFTER:
            assert device.mapped_bank == 1
        case Outcome.BEFORE:
            assert device.mapped_bank == 0
        case _ if part.options.update == "atomic":
            assert device.mapped_bank == 0
        case _:
            swap = part.options.fields[part.options.swap or ""]
            assert device.mapped_bank == (swap.mismatch == swap.active)


@pytest.mark.parametrize("name", ["STM32G0B1xE", "STM32L552xE"])
def test_the_swap_option_has_the_sense_of_its_part(name: str) -> None:
    device = EmulatedFlash(load_part(name))
    option = {"STM32G0B1xE": ("nSWAP_BANK", 0), "STM32L552xE": ("SWAP_BANK", 1)}[name]
    device.program_options(**{option[0]: option[1]})
    device.launch_options()
    assert device.mapped_bank == 1


# --- one report from the field: a cut of a plain program corrupts options of F4 and F7


@each(PARTS)
@pytest.mark.parametrize("outcome", list(Outcome))
def test_a_cut_program_corrupts_options_only_where_it_was_reported_and_is_asked_for(
    part: Part, outcome: Outcome
) -> None:
    data = bytes(part.program_unit)
    for asked in (False, True):
        device = EmulatedFlash(part, supply=CutAt(2, outcome, spoils_options=asked))
        with pytest.raises(PowerLoss):
            device.program(part.base, data * 4)
        device.supply = SteadySupply()
        device.power_on()
        assert device.options.mismatch == (asked and part.family == "f4")
        assert device.options.readout_level == (1 if device.options.mismatch else 0)


def test_a_cut_erase_corrupts_no_options() -> None:
    device = EmulatedFlash(load_part("STM32F429xI"))
    device.supply = CutAt(1, Outcome.TORN, spoils_options=True)
    with pytest.raises(PowerLoss):
        device.erase(device.part.base)
    assert not device.options.mismatch


# --- one bank or two

PAIRS = {"STM32L4R5xI": "DBANK", "STM32G474xE": "DBANK", "STM32F767xI": "nDBANK"}
both_ways = pytest.mark.parametrize(
    ("name", "other", "option"),
    [
        (f"{chip}_{one}", f"{chip}_{two}", option)
        for chip, option in PAIRS.items()
        for one, two in (("single", "dual"), ("dual", "single"))
    ],
)


def with_other_banks(name: str, option: str) -> EmulatedFlash:
    device = EmulatedFlash(load_part(name))
    device.program_options(**{option: 1 - device.part.options[option]})
    device.power_on()
    return device


@both_ways
def test_the_geometry_follows_the_option_when_it_is_loaded(
    name: str, other: str, option: str
) -> None:
    """RM0440 3.4.2; of L4+ inferred."""
    part, wanted = load_part(name), load_part(other)
    device = EmulatedFlash(part)
    device.erase(part.base)
    device.program_options(**{option: 1 - part.options[option]})
    assert device.geometry == part  # not loaded yet
    device.power_on()
    assert device.geometry == device.part == wanted
    assert sum(device.erase_counts[:1]) == 1 and len(device.erase_counts) == wanted.sector_count
    assert set(device.options.loaded) == set(wanted.options)
    last = max(wanted.sector_starts)
    device.program(wanted.base + last, bytes(wanted.program_unit))
    device.erase(wanted.base + last)
    assert device.erase_counts[-1] == 1
    if wanted.bank_count > 1:
        device.map_bank(1)
        assert device.mapped_bank == 1
    device.program_options(**{option: part.options[option]})
    device.power_on()
    assert device.part == part


@both_ways
def test_protected_sectors_stay_protected_with_other_banks(
    name: str, other: str, option: str
) -> None:
    device = EmulatedFlash(load_part(name))
    device.protect_sectors(device.part.base)
    device.program_options(**{option: 1 - device.part.options[option]})
    device.power_on()
    assert device.part.name == other
    with pytest.raises(WriteProtected):
        device.erase(device.part.base)
    device.erase(device.part.base + max(device.part.sector_starts))


@both_ways
def test_a_device_with_other_banks_can_be_kept_and_forked(
    name: str, other: str, option: str
) -> None:
    device = with_other_banks(name, option)
    device.program(device.part.base, bytes(device.part.program_unit))
    for part in (None, load_part(name), load_part(other)):
        again = EmulatedFlash.load(device.save(), part=part)
        assert (again.part.name, again.digest()) == (other, device.digest())
    twin = device.fork()
    twin.program_options(**{option: load_part(name).options[option]})
    twin.power_on()
    assert (twin.part.name, device.part.name) == (name, other)


@pytest.mark.parametrize("chip", ["STM32L4R5xI", "STM32G474xE"])
def test_after_a_mismatch_a_single_bank_chip_has_two_banks(chip: str) -> None:
    """DBANK is 1 then, and BFB2 with it; both stay when the protection is lifted."""
    device = cut_single_bank(load_part(f"{chip}_single"))
    assert device.part == load_part(f"{chip}_dual")
    assert (device.options.loaded["BFB2"], device.options.readout_level) == (1, 1)
    device.unprotect_readout()
    device.power_on()
    assert device.part.name == f"{chip}_dual"
    page = device.part.sector_sizes[0]
    device.program(device.part.base + page, bytes(8))
    device.erase(device.part.base)
    assert device.read(device.part.base + page, 8) == bytes(8), "a page of two banks is half of one"


def cut_single_bank(part: Part) -> EmulatedFlash:
    device = EmulatedFlash(part, supply=CutAt(1, Outcome.TORN))
    with pytest.raises(PowerLoss):
        device.program_options(RDP=0xAA)
    device.supply = SteadySupply()
    device.power_on()
    return device


@pytest.mark.parametrize("name", [p.name for p in PARTS if p.options.fields])
def test_another_part_is_the_same_chip_with_the_option_the_other_way(name: str) -> None:
    part = load_part(name)
    for option, field in part.options.fields.items():
        if field.other_part is not None:
            other = load_part(field.other_part)
            assert field.role is OptionRole.BANKS
            assert (other.size, other.base, other.identity) == (part.size, part.base, part.identity)
            assert other.options[option] == 1 - part.options[option]
            assert other.is_chip(name) and part.is_chip(other.name)


# --- levels


@each(READOUT)
def test_levels_of_read_out_protection(part: Part) -> None:
    device = EmulatedFlash(part)
    assert device.options.readout_level == 0
    levels = part.options.fields["RDP"].levels
    highest = 2 if len(levels) > 1 else 1
    for value, level in ((0xBB, 1), (0x00, 1), (0xFF, 1), (0xCC, highest)):
        twin = device.fork()
        twin.program_options(RDP=value)
        assert twin.options.readout_level == 0  # not yet
        twin.power_on()
        assert twin.options.readout_level == level


@each([part for part in READOUT if len(part.options.fields["RDP"].levels) > 1])
def test_level_2_is_for_ever(part: Part) -> None:
    device = EmulatedFlash(part)
    device.program_options(RDP=0xCC)
    device.power_on()
    before, taken = device.digest(), device.supply.taken
    with pytest.raises(AlignmentError, match="level 2"):
        device.program_options(RDP=0xAA)
    with pytest.raises(AlignmentError, match="level 2"):
        device.unprotect_readout()
    assert device.digest() == before
    assert device.supply.taken == taken
    assert device.options.readout_level == 2


def test_h7_may_swap_its_banks_at_level_2() -> None:
    device = EmulatedFlash(load_part("STM32H743xI"))
    device.program_options(RDP=0xCC)
    device.power_on()
    device.map_bank(1)
    device.reset()
    assert (device.mapped_bank, device.options.readout_level) == (1, 2)


@each([part for part in SWAPPING if part in READOUT and part.family not in ("h7", "h7ab")])
def test_no_other_part_swaps_its_banks_at_level_2(part: Part) -> None:
    device = EmulatedFlash(part)
    device.program_options(RDP=0xCC)
    device.power_on()
    with pytest.raises(AlignmentError, match="level 2"):
        device.map_bank(1)


# --- calls that no part can do


@each(PARTS)
def test_an_option_that_the_part_does_not_have_is_named(part: Part) -> None:
    device = EmulatedFlash(part)
    with pytest.raises(AlignmentError, match="no option 'NOSUCH'"):
        device.program_options(NOSUCH=1)
    assert device.supply.taken == 0


# --- sector protection


def test_a_protected_sector_refuses_and_its_neighbours_do_not() -> None:
    part = load_part("STM32L476xG")
    device = EmulatedFlash(part)
    base, size = part.base, part.sector_sizes[0]
    device.protect_sectors(base + size)
    device.program(base, bytes(size - 8))
    device.program(base + 2 * size, bytes(8))
    before = device.digest()
    for call in (
        lambda: device.program(base + size, bytes(8)),
        lambda: device.program(base + 2 * size - 8, bytes(8)),
        lambda: device.erase(base + size),
        lambda: device.erase_bank(0),
        device.erase_all,
    ):
        with pytest.raises(WriteProtected, match="WRPERR"):
            call()
    with pytest.raises(WriteProtected):  # a call across the edge does nothing at all
        device.program(base + size - 8, bytes(16))
    assert device.digest() == before
    device.erase(base)
    device.erase_bank(1)
    assert device.read(base + size, 8) == b"\xff" * 8


def test_all_sectors_can_be_protected_by_an_option() -> None:
    part = load_part("STM32L476xG")
    device = EmulatedFlash(part)
    device.program_options(WRP=1)
    device.program(part.base, bytes(8))  # not loaded yet
    device.launch_options()
    with pytest.raises(WriteProtected):
        device.program(part.base + 8, bytes(8))
    assert device.read(part.base, 8) == bytes(8)  # reads are free


# --- the boot ROM chooses a bank (BFB2, nDBOOT)

STACK, NO_STACK = (0x2000_8000).to_bytes(4, "little"), bytes(4)
CHOOSING = [
    (name, option, field.active)
    for name in part_names()
    if load_part(name).aliasing is Aliasing.FB_MODE
    for option, field in load_part(name).options.fields.items()
    if field.role is OptionRole.BOOT_BANK
]


@pytest.mark.parametrize(("name", "option", "active"), CHOOSING)
def test_the_rom_maps_bank_1_when_the_option_says_so_and_a_stack_pointer_is_there(
    name: str, option: str, active: int
) -> None:
    device = EmulatedFlash(load_part(name))
    second = device.part.base + device.part.bank_size
    device.program_options(**{option: active})
    device.launch_options()
    assert device.mapped_bank == 0  # it reads erased
    device.preload(second, NO_STACK)
    device.reset()
    assert device.mapped_bank == 0
    device.preload(second, STACK)
    device.reset()
    assert device.mapped_bank == 1
    assert device.read(device.part.base, 4) == STACK
    device.program_options(**{option: 1 - active})
    assert device.mapped_bank == 1  # not loaded yet
    device.power_on()
    assert device.mapped_bank == 0


def test_the_rom_does_not_take_a_word_that_cannot_be_read() -> None:
    device = EmulatedFlash(load_part("STM32L476xG"))
    device.program_options(BFB2=1)
    device.spoil(device.part.base + device.part.bank_size)
    device.power_on()
    assert device.mapped_bank == 0


def test_whether_a_mapping_waits_for_a_reset() -> None:
    at_once = {n: EmulatedFlash(load_part(n)).maps_at_once for n in ("STM32L476xG", "STM32H743xI")}
    assert at_once == {"STM32L476xG": True, "STM32H743xI": False}
