"""Parts: what they say, what ST calls their sectors, and which times are known."""

from __future__ import annotations

import pickle

import pytest

from flash_emulator import Part, PartError, load_part, part_names
from flash_emulator.parts.catalogue import packaged_part
from flash_emulator.parts.part_model import Aliasing, BadRead, Numbering, OptionRole, Overwrite

ALL = [load_part(name) for name in part_names()]
L476, F429 = load_part("STM32L476xG"), load_part("STM32F429xI")

K, M = 1024, 1024 * 1024

# The overview table of the facts, written down by hand and not from the part files: banks, runs
# of sectors, unit, check bits (None: not known), overwrite, aliasing, boot or swap option, PID.
OVERVIEW = {
    "STM32F103xG": (2, [(256, 2 * K)], 2, 0, "only_0x0000", "none", "BFB2", 0x430),
    "STM32F103x8": (1, [(64, 1 * K)], 2, 0, "only_0x0000", "none", None, 0x410),
    "STM32F407xG": (
        1, [(4, 16 * K), (1, 64 * K), (7, 128 * K)],
        4, 0, "bits_1_to_0", "none", None, 0x413,
    ),
    "STM32F429xI": (
        2, [(4, 16 * K), (1, 64 * K), (7, 128 * K)],
        4, 0, "bits_1_to_0", "fb_mode", "BFB2", 0x419,
    ),
    "STM32F429xG_DB1M": (
        2, [(4, 16 * K), (1, 64 * K), (3, 128 * K)],
        4, 0, "bits_1_to_0", "fb_mode", "BFB2", 0x419,
    ),
    "STM32F767xI_dual": (
        2, [(4, 16 * K), (1, 64 * K), (7, 128 * K)],
        4, 0, "bits_1_to_0", "fb_mode", "nDBOOT", 0x451,
    ),
    "STM32F767xI_single": (
        1, [(4, 32 * K), (1, 128 * K), (7, 256 * K)],
        4, 0, "bits_1_to_0", "none", None, 0x451,
    ),
    "STM32L476xG": (2, [(256, 2 * K)], 8, 8, "only_all_zero", "fb_mode", "BFB2", 0x415),
    "STM32L4R5xI_dual": (2, [(256, 4 * K)], 8, 8, "only_all_zero", "fb_mode", "BFB2", 0x470),
    "STM32L4R5xI_single": (1, [(256, 8 * K)], 8, 8, "only_all_zero", "none", None, 0x470),
    "STM32L552xE": (2, [(128, 2 * K)], 8, 8, "only_all_zero", "swap_option", "SWAP_BANK", 0x472),
    "STM32U575xI": (2, [(128, 8 * K)], 16, 9, "only_all_zero", "swap_option", "SWAP_BANK", 0x482),
    "STM32U5A5xJ": (2, [(256, 8 * K)], 16, 9, "only_all_zero", "swap_option", "SWAP_BANK", 0x481),
    "STM32G0B1xE": (2, [(128, 2 * K)], 8, 8, "only_all_zero", "swap_option", "nSWAP_BANK", 0x467),
    "STM32G474xE_dual": (2, [(128, 2 * K)], 8, 8, "only_all_zero", "fb_mode", "BFB2", 0x469),
    "STM32G474xE_single": (1, [(128, 4 * K)], 8, 8, "only_all_zero", "none", None, 0x469),
    "STM32H743xI": (2, [(8, 128 * K)], 32, 10, "executed", "swap_option", "SWAP_BANK_OPT", 0x450),
    "STM32H7A3xI": (
        2, [(128, 8 * K)],
        16, None, "executed", "swap_option", "SWAP_BANK_OPT", 0x480,
    ),
    "STM32H563xI": (2, [(128, 8 * K)], 16, None, "executed", "swap_option", "SWAP_BANK", 0x484),
    "STM32WB55xG": (1, [(256, 4 * K)], 8, 8, "only_all_zero", "none", None, 0x495),
}  # fmt: skip

SIZES = {"STM32F103x8": 64 * K, "STM32U5A5xJ": 4 * M} | {
    name: size
    for size, names in {
        M: "F103xG F407xG F429xG_DB1M L476xG WB55xG",
        512 * K: "L552xE G0B1xE G474xE_dual G474xE_single",
        2 * M: "F429xI F767xI_dual F767xI_single L4R5xI_dual L4R5xI_single U575xI H743xI H7A3xI "
        "H563xI",
    }.items()
    for name in (f"STM32{short}" for short in names.split())
}


def test_the_package_has_exactly_the_parts_of_the_overview() -> None:
    assert set(part_names()) == set(OVERVIEW) == set(SIZES)


@pytest.mark.parametrize("name", OVERVIEW)
def test_a_part_says_what_the_overview_says(name: str) -> None:
    banks, runs, unit, check_bits, overwrite, aliasing, option, pid = OVERVIEW[name]
    part = load_part(name)
    assert part.name == name
    assert part.base == 0x0800_0000
    assert part.bank_count == banks
    assert part.sector_sizes == tuple(size for count, size in runs for _ in range(count))
    assert part.program_unit == unit
    assert part.overwrite == overwrite
    assert part.aliasing == aliasing
    assert part.identity.usart_pid == pid
    chooses = [n for n, o in part.options.fields.items() if o.role in ("swap", "boot_bank")]
    assert chooses == ([option] if option else [])
    if check_bits == 0:
        assert part.ecc is None
    else:
        assert part.ecc is not None
        assert (part.ecc.data_bits, part.ecc.check_bits) == (8 * unit, check_bits)
        assert part.ecc.modelled_check_bits == (check_bits or 9)


@pytest.mark.parametrize("part", ALL, ids=lambda part: part.name)
def test_sectors_fill_the_array_without_a_gap(part: Part) -> None:
    assert part.size == SIZES[part.name]
    assert part.bank_size * part.bank_count == part.size
    end = 0
    for start, size in part.sector_starts.items():
        assert start == end
        assert size % part.program_unit == 0
        end = start + size
    assert end == part.size
    assert len(part.sector_starts) == part.sector_count


@pytest.mark.parametrize("part", ALL, ids=lambda part: part.name)
def test_registers_name_each_sector_once(part: Part) -> None:
    if part.numbering is Numbering.ADDRESS:
        assert part.register_sector(0) is None
        return
    for index in range(part.sector_count):
        register = part.register_sector(index)
        assert register is not None
        assert part.sector_index(register, part.bank_of(index)) == index
    assert part.sector_index(999) is None
    with pytest.raises(ValueError, match=f"not {part.sector_count}"):
        part.sector_number(part.sector_count)


# --- sector numbers


def test_f42x_numbers_jump_from_11_to_16_in_the_register_and_not_in_the_manual() -> None:
    assert [F429.sector_number(i) for i in (0, 11, 12, 23)] == [0, 11, 12, 23]
    assert [F429.register_sector(i) for i in (0, 11, 12, 13, 23)] == [0, 11, 16, 17, 27]
    assert F429.sector_index(17) == 13  # pyocd's own algorithm for 0x0810_4000: SNB = 17
    assert F429.offset_of(0x0810_4000) == list(F429.sector_starts)[13]
    assert [F429.sector_index(n) for n in range(12, 16)] == [None] * 4


def test_db1m_has_8_sectors_a_bank_and_bank_2_starts_at_sector_12_all_the_same() -> None:
    part = load_part("STM32F429xG_DB1M")
    assert [part.sector_number(i) for i in (7, 8, 15)] == [7, 12, 19]
    assert [part.register_sector(i) for i in (7, 8, 15)] == [7, 16, 23]
    assert [part.sector_index(n) for n in (8, 11, 16, 24)] == [None, None, 8, None]


def test_l4_pages_are_counted_in_the_bank_that_bker_names() -> None:
    assert L476.register_sector(258) == 2  # pyocd's algorithm for 0x0808_1000: BKER and PNB 2
    assert L476.bank_of(258) == 1
    assert L476.address_of(list(L476.sector_starts)[258]) == 0x0808_1000
    assert L476.sector_index(2, bank=0) == 2
    assert L476.sector_index(2, bank=1) == 258
    assert L476.sector_index(256, bank=0) is None
    assert L476.bker_bit == 11
    assert load_part("STM32G0B1xE").bker_bit == 13


def test_g474_pages_are_numbered_in_the_bank_or_through_by_its_option() -> None:
    dual, single = load_part("STM32G474xE_dual"), load_part("STM32G474xE_single")
    assert [dual.register_sector(i) for i in (127, 128)] == [127, 0]
    assert [single.register_sector(i) for i in (0, 127)] == [0, 127]
    assert (dual.bker_bit, single.bker_bit) == (11, None)
    assert dual.options["DBANK"] == 1
    assert single.options["DBANK"] == 0


def test_xl_density_pages_have_an_address_and_no_number_in_a_register() -> None:
    part = load_part("STM32F103xG")
    assert part.sector_number(256) == 256
    assert part.register_sector(256) is None


# --- rules, options, times


def test_l476_rules_are_those_of_a_part_with_ecc_and_a_run_time_alias() -> None:
    assert L476.overwrite is Overwrite.ONLY_ALL_ZERO
    assert L476.overwrite_flag == "PROGERR"
    assert L476.read_of_bad_unit is BadRead.NMI
    assert L476.ff_spends_unit is True
    assert L476.aliasing is Aliasing.FB_MODE
    assert L476.bulk_erase == "parallel"
    assert (L476.write_while_write, load_part("STM32H743xI").write_while_write) == (
        "refused",
        "queued",
    )


def test_what_no_document_says_about_h7_is_not_said() -> None:
    h7 = load_part("STM32H743xI")
    assert h7.ff_spends_unit is None
    assert h7.endurance is None
    assert h7.timing.of("program_unit") is None
    assert load_part("STM32H563xI").identity.bootloader_ram_end is None


def test_only_u5_and_h5_tell_what_a_reset_interrupted() -> None:
    assert {part.family for part in ALL if part.opsr} == {"u5", "h5"}


def test_options_as_delivered_and_after_a_mismatch() -> None:
    assert L476.options.update == "erase_then_program"
    assert L476.options.effective == "option_load"
    assert dict(L476.options) == {"RDP": 0xAA, "BFB2": 0, "BOR_LEV": 0, "PCROP": 0, "WRP": 0}
    fallen = L476.options.mismatch({**L476.options, "BOR_LEV": 3})
    assert fallen == {"RDP": 0xFF, "BFB2": 1, "BOR_LEV": 0, "PCROP": 1, "WRP": 0}


def test_a_mismatch_leaves_alone_what_nobody_has_documented() -> None:
    fallen = F429.options.mismatch({**F429.options, "BFB2": 1})
    assert (fallen["RDP"], fallen["PCROP"], fallen["BFB2"]) == (0xFF, 1, 1)


@pytest.mark.parametrize("part", ALL, ids=lambda part: part.name)
def test_no_part_is_delivered_with_its_banks_swapped(part: Part) -> None:
    options = part.options
    assert not options.swapped({})
    assert (options.swap is not None) == (part.aliasing is Aliasing.SWAP_OPTION)
    if options.swap is not None:
        assert options.swapped({options.swap: options.fields[options.swap].active or 0})


def test_g0_swaps_when_its_option_is_0() -> None:
    options = load_part("STM32G0B1xE").options
    assert options.swap == "nSWAP_BANK"
    assert options.swapped({"nSWAP_BANK": 0})
    assert options.fields["nSWAP_BANK"].role is OptionRole.SWAP


def test_only_h7_and_h5_change_options_in_one_step() -> None:
    atomic = {part.family for part in ALL if part.options.update == "atomic"}
    assert atomic == {"h7", "h7ab", "h5"}


def test_a_maximum_is_never_taken_for_a_typical_time() -> None:
    timing = L476.timing
    assert timing.of("program_unit") is None
    assert timing.of("program_unit", mode="max") == 90
    assert timing.of("sector_erase", 2048, "max") == 24_470
    assert timing.of("bank_erase") == 22_000
    assert timing.known() == {"bank_erase"}
    assert timing.known("max") == {"program_unit", "sector_erase", "bank_erase"}
    assert (timing.program_unit_us, timing.sector_erase_us) == (90, 24_470)


def test_f4_erase_times_go_by_sector_and_by_parallelism() -> None:
    assert F429.timing.of("sector_erase", 16 * K) == 250_000
    assert F429.timing.of("sector_erase", 128 * K, "max") == 2_000_000
    assert F429.timing.of("sector_erase") is None  # of which size?
    bytewise = F429.with_parallelism(8)
    assert (bytewise.program_unit, bytewise.parallelism) == (1, 8)
    assert bytewise.timing.of("sector_erase", 64 * K) == 1_200_000
    doubles = F429.with_parallelism(64)
    assert (doubles.program_unit, doubles.timing.known("max")) == (8, frozenset())
    assert doubles.with_parallelism(32) == F429


def test_h7_parallelism_changes_times_and_not_the_flash_word() -> None:
    h7 = load_part("STM32H743xI")
    fast = h7.with_parallelism(64)
    assert fast.program_unit == 32
    assert h7.timing.of("sector_erase", mode="max") == 2_200_000
    assert fast.timing.of("sector_erase", mode="max") == 2_000_000


def test_a_parallelism_that_the_part_does_not_have_is_refused() -> None:
    with pytest.raises(PartError, match=r"expected one of \[8, 16, 32, 64\], found 24"):
        F429.with_parallelism(24)
    with pytest.raises(PartError, match=r"expected one of \[\], found 32"):
        L476.with_parallelism(32)


def test_half_words_of_f1_take_52_and_a_half_microseconds_rounded_up() -> None:
    timing = load_part("STM32F103x8").timing
    assert timing.span("program_unit").typ == 52.5
    assert timing.of("program_unit") == 53
    assert timing.span("sector_erase", K).min == 20_000


def test_users_give_the_times_that_no_document_has() -> None:
    part = load_part("STM32L4R5xI_dual").with_timing(
        program_unit_typ_us=82, sector_erase_typ_us=22_000, sector_erase_max_us={4096: 25_000}
    )
    assert part.timing.of("program_unit") == 82
    assert part.timing.of("sector_erase", 4096, "max") == 25_000
    assert part.timing.of("mass_erase") is None
    assert L476.with_timing(program_unit_typ_us=82).timing.of("program_unit", mode="max") == 90


@pytest.mark.parametrize(
    ("times", "said"),
    [
        ({"program_us": 1}, "program_us: expected one of bank_erase_max_us"),
        ({"program_unit_typ_us": 0}, "expected microseconds, more than 0, found 0"),
        ({"program_unit_typ_us": 91}, "expected min, typ and max in this order, found 91, 90"),
        ({"sector_erase_typ_us": {512: 5}}, "expected sizes of sectors: 2048, found 512"),
    ],
    ids=str,
)
def test_a_time_that_cannot_be_is_refused(times: dict[str, int], said: str) -> None:
    with pytest.raises(PartError) as caught:
        L476.with_timing(**times)
    assert said in str(caught.value)


# --- as a value


def test_a_part_can_be_sent_to_another_process() -> None:
    for part in ALL:
        assert pickle.loads(pickle.dumps(part)) == part


@pytest.mark.parametrize("part", ALL, ids=lambda part: part.name)
def test_every_source_is_explained_and_no_machine_is_named(part: Part) -> None:
    assert part.provenance
    for entry in part.provenance:
        assert entry.sources
        for key in entry.sources:
            assert len(part.documents[key]) > 8
    assert not any("/work" in text or "/home" in text for text in part.documents.values())


@pytest.mark.parametrize("name", ["STM32F000", "", "stm32l476xg", "../STM32L476xG"])
def test_an_unknown_part_is_told_the_known_ones(name: str) -> None:
    with pytest.raises(PartError) as caught:
        packaged_part(name)
    assert repr(name) in str(caught.value)
    assert "STM32L476xG" in str(caught.value)
