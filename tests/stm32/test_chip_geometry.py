"""Which sectors a chip has, what its ROM calls them, and that no other is ever erased.

The emulated ROM counts by ``erase_numbers.toml``, the host by the part files: two hands wrote them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace

import pytest

from flash_emulator import EmulatedFlash, load_part, other_size_names, part_names
from flash_emulator.bootrom import Chip as EmulatedChip
from mcu_updater.cli.flasher.chips import chip_of, chips_with, choose_chip, confirm_chip
from mcu_updater.cli.flasher.stm32_link import bit_reader
from mcu_updater.core.errors import (
    ChipRefused,
    ImageRejected,
    Remedy,
    UpdaterError,
    UsageError,
)
from mcu_updater.stm32.chip import Chip, GivenBank, Sector, chip_of_banks, chip_of_geometry
from mcu_updater.stm32.connection import ConnectOptions, connect, look
from mcu_updater.stm32.firmware import Firmware, Segment, check_fits, holes_in
from mcu_updater.stm32.flasher import Flasher, FlashOptions
from mcu_updater.stm32.plan import EraseKind, make_plan
from mcu_updater.stm32.sector_cache import SectorCache
from tests.stm32.emulated_chip import KeptCaches, World, world

BASE, K = 0x0800_0000, 1024
EVERY = [*part_names(), *other_size_names()]

# The chip cannot say which of these it is: its ROM shows no option bytes
CANNOT_SAY = {
    "STM32L4R5xI_dual": "DBANK",
    "STM32L4R5xI_single": "DBANK",
    "STM32L4R5xG_dual": "DB1M",
    "STM32L4R5xG_single": "DB1M",
    "STM32L552xE": "DBANK",
    "STM32L552xE_single": "DBANK",
    "STM32L552xC_dual": "DB256K",
    "STM32L552xC_single": "DB256K",
    "STM32U575xG_dual": "DUALBANK",
    "STM32U575xG_single": "DUALBANK",
    "STM32U5A5xI_dual": "DUALBANK",
    "STM32U5A5xI_single": "DUALBANK",
}


def recognized(one: World, named: str | None = None) -> Flasher:
    """As ``mcu-updater flash`` does, with ``--part`` *named* or without."""
    rom, identity, wiring = connect(one.line, one.clock, ConnectOptions(), one.notes.append)
    known = chips_with(identity.pid)
    connection = look(rom, identity, wiring, known)
    size, reader = connection.flash_size, bit_reader(connection)
    chip = (
        choose_chip(known, size, reader)
        if named is None
        else confirm_chip(chip_of(load_part(named)), size, reader)
    )
    return Flasher(connection, chip, one.cache_store)


def chip_of_data(name: str) -> World:
    """Each sector begins with bytes of its own."""
    one = world(name)
    device = one.chip.device
    for index, offset in enumerate(device.part.sector_starts):
        device.preload(device.part.address_of(offset), mark(index))
    return one


def mark(index: int) -> bytes:
    return struct.pack("<IIII", index, ~index & 0xFFFF_FFFF, 0x600D_F00D, 0) * 2


def lost(one: World) -> set[int]:
    """Addresses of sectors that no longer begin as ``chip_of_data`` left them."""
    device = one.chip.device
    starts = [device.part.address_of(offset) for offset in device.part.sector_starts]
    return {start for index, start in enumerate(starts) if device.read(start, 32) != mark(index)}


def image_in(*addresses: int) -> Firmware:
    return Firmware(tuple(Segment(address, b"new firmware" * 40) for address in sorted(addresses)))


# --- every size of every family


@pytest.mark.parametrize("name", EVERY)
def test_no_sector_is_erased_but_those_of_the_image(name: str) -> None:
    """First and last sector of each bank, on a chip that is full of other data."""
    one = chip_of_data(name)
    flasher = recognized(one, name if name in CANNOT_SAY else None)
    assert flasher.chip.name == name
    part = one.chip.device.part
    per_bank, count = len(part.sector_sizes), part.sector_count
    starts = [part.address_of(offset) for offset in part.sector_starts]
    wanted = {starts[at] for b in range(0, count, per_bank) for at in (b, b + per_bank - 1)}
    firmware = image_in(*wanted)
    list(flasher.flash(firmware, FlashOptions()))
    assert one.holds(firmware)
    assert lost(one) == wanted


@pytest.mark.parametrize("name", EVERY)
def test_nothing_outside_of_the_flash_is_read_erased_or_written(name: str) -> None:
    one = chip_of_data(name)
    part = load_part(name)
    chip = recognized(one, name).chip
    assert chip.size == part.size and chip.stop == part.bank_starts[-1] + part.bank_size
    outside = {chip.stop, *(hole.start for hole in holes_in(chip, range(chip.base, chip.stop)))}
    device = one.chip.device
    before = device.digest()
    for address in outside:
        with pytest.raises(ImageRejected):
            check_fits(Firmware((Segment(address - 4, bytes(8)),)), chip)
        for rom_call in (
            lambda rom, at=address: rom.read(at, 4),
            lambda rom, at=address: rom.write(at, bytes(32)),
            lambda rom, at=address: rom.read(at - 4, 8),
        ):
            with pytest.raises(ChipRefused):
                rom_call(recognized(one, name).connection.rom)
    numbers = {sector.number for sector in chip.sectors}
    for number in {max(numbers) + 1, *range(min(600, max(numbers)))} - numbers:
        flasher = recognized(one, name)
        if number <= 0xFF or flasher.chip.pid != 0x410:
            with pytest.raises(ChipRefused):
                flasher.connection.rom.erase_sectors(flasher.connection.info, [number])
            break
    assert device.digest() == before


@pytest.mark.parametrize("name", sorted(CANNOT_SAY))
def test_a_chip_that_cannot_say_how_many_banks_it_has_is_asked_for(name: str) -> None:
    one = chip_of_data(name)
    before = one.chip.device.digest()
    with pytest.raises(UsageError, match="--part") as caught:
        recognized(one)
    assert name in str(caught.value) and "Nothing was changed" in str(caught.value)
    assert one.chip.device.digest() == before


def test_every_number_of_the_emulated_rom_is_the_hosts_and_was_written_by_hand() -> None:
    """Not one table read twice: a number that only one side changes is seen, below."""
    compared = 0
    for name in EVERY:
        part = load_part(name)
        pieces = EmulatedChip(EmulatedFlash(part)).memory.pieces
        ours = {s.number: range(s.start, s.stop) for s in chip_of(part).sectors}
        assert ours == pieces, name
        compared += len(ours)
    assert compared > 8_000


# Numbers and addresses as documents and reports have them, a third time
@pytest.mark.parametrize(
    ("name", "number", "address", "size"),
    [
        ("STM32F429xI", 12, 0x0810_0000, 16 * K),  # RM0090 table 6
        ("STM32F429xI", 23, 0x081E_0000, 128 * K),
        ("STM32F429xG_DB1M", 12, 0x0808_0000, 16 * K),  # RM0090 table 7
        ("STM32F429xG_DB1M", 19, 0x080E_0000, 128 * K),
        ("STM32F429xG", 8, 0x0808_0000, 128 * K),  # DB1M = 0, as delivered
        ("STM32F429xG", 11, 0x080E_0000, 128 * K),
        ("STM32F767xG_dual", 12, 0x0808_0000, 16 * K),  # STM32Cube_MCU_Overall_Offer 11, 34
        ("STM32F767xG_single", 7, 0x080C_0000, 256 * K),
        ("STM32L476xE_dual", 256, 0x0804_0000, 2 * K),  # RM0351 table 5, stlink 388
        ("STM32L476xE_single", 128, 0x0804_0000, 2 * K),
        ("STM32L476xC_dual", 256, 0x0802_0000, 2 * K),
        ("STM32G474xC_dual", 128, 0x0804_0000, 2 * K),  # Zephyr 30148: a hole before it
        ("STM32G474xB_dual", 128, 0x0804_0000, 2 * K),
        ("STM32G474xC_single", 63, 0x0803_F000, 4 * K),
        ("STM32H743xG", 8, 0x0810_0000, 128 * K),  # OpenOCD stm32h7x.c: always 0x0810_0000
        ("STM32H7A3xG", 128, 0x0810_0000, 8 * K),
        ("STM32U575xG_dual", 128, 0x0808_0000, 8 * K),
        ("STM32G0B1xC_dual", 128, 0x0802_0000, 2 * K),
        ("STM32WB55xE", 127, 0x0807_F000, 4 * K),
        ("STM32F103xB", 127, 0x0801_FC00, 1 * K),
    ],
)
def test_numbers_as_documents_have_them(name: str, number: int, address: int, size: int) -> None:
    assert Sector(number, address, size) in chip_of(load_part(name)).sectors
    one = chip_of_data(name)
    flasher = recognized(one, name)
    flasher.connection.rom.erase_sectors(flasher.connection.info, [number])
    assert lost(one) == {address}


# --- what the option bytes decide


@pytest.mark.parametrize(
    ("name", "other", "option"),
    [
        ("STM32F429xG", "STM32F429xG_DB1M", "DB1M"),
        ("STM32F429xG_DB1M", "STM32F429xG", "DB1M"),
        ("STM32F767xI_dual", "STM32F767xI_single", "nDBANK"),
        ("STM32F767xG_single", "STM32F767xG_dual", "nDBANK"),
        ("STM32L476xE_dual", "STM32L476xE_single", "DUALBANK"),
        ("STM32G474xE_single", "STM32G474xE_dual", "DBANK"),
        ("STM32G0B1xE", "STM32G0B1xE_single", "DUAL_BANK"),
        ("STM32G0B1xC_single", "STM32G0B1xC_dual", "DUAL_BANK"),
    ],
)
def test_a_part_that_the_option_bytes_contradict_is_refused(name, other, option) -> None:
    one = chip_of_data(name)
    before = one.chip.device.digest()
    assert recognized(one).chip.name == name
    with pytest.raises(ChipRefused, match=f"{option} = .*Nothing was changed"):
        recognized(one, other)
    assert one.chip.device.digest() == before


def test_a_g0b1_with_exchanged_banks_is_refused() -> None:
    """Its page numbers name banks of the silicon; what the ROM makes of them is not known."""
    one = chip_of_data("STM32G0B1xE")
    one.chip.device.program_options(nSWAP_BANK=0)
    one.chip.reload()
    for named in (None, "STM32G0B1xE"):
        with pytest.raises(UpdaterError, match="nSWAP_BANK = 0"):
            recognized(one, named)
    assert not one.chip.device.options.protected


@pytest.mark.parametrize(
    ("name", "named", "size"),
    [
        ("STM32L476xE_dual", "STM32L476xG", 512),
        ("STM32H743xG", "STM32H743xI", 1024),
        ("STM32F429xI", "STM32F429xG_DB1M", 2048),
    ],
)
def test_a_part_of_another_size_that_is_laid_out_otherwise_is_refused(name, named, size) -> None:
    with pytest.raises(ChipRefused, match=f"{size * K} bytes: .*{name}"):
        recognized(chip_of_data(name), named)


def test_a_smaller_part_of_the_same_sectors_may_be_named_and_the_rest_is_left_alone() -> None:
    """64 KB of 128: an erase of all would take the upper half along."""
    one = chip_of_data("STM32F103xB")
    flasher = recognized(one, "STM32F103x8")
    firmware = Firmware((Segment(BASE, b"\xa5" * 64 * K),))
    list(flasher.flash(firmware, FlashOptions()))
    assert lost(one) == set(range(BASE, BASE + 64 * K, K))


def test_a_geometry_by_hand_is_never_erased_as_a_whole_unless_all_was_named() -> None:
    chip = chip_of_geometry(None, BASE, [(4, 2 * K)], 8)
    whole = Firmware((Segment(BASE, b"\xa5" * chip.size),))
    assert make_plan(chip, whole).erase.kind is EraseKind.SECTORS
    assert make_plan(chip, whole, erase_chip=True).erase.kind is EraseKind.CHIP


@pytest.mark.parametrize(
    ("pid", "size"), [(0x415, 768), (0x469, 384), (0x450, 1536), (0x451, 512), (0x482, 512)]
)
def test_a_size_that_nobody_has_described_is_not_made_by_cutting_banks(pid, size) -> None:
    with pytest.raises(ChipRefused, match="how less flash of this part is laid out") as caught:
        choose_chip(chips_with(pid), size * K)
    assert caught.value.remedies == (Remedy.GEOMETRY,)


@pytest.mark.parametrize(("pid", "size"), [(0x430, 768), (0x495, 320), (0x413, 256)])
def test_flash_of_one_run_may_be_cut(pid, size) -> None:
    chip = choose_chip(chips_with(pid), size * K)
    assert chip.size == size * K
    assert [sector.number for sector in chip.sectors] == list(range(len(chip.sectors)))


def test_a_chip_that_does_not_say_its_size_is_asked_for() -> None:
    for pid in (0x419, 0x415, 0x450, 0x495):
        with pytest.raises(UsageError, match="--part"):
            choose_chip(chips_with(pid), None)


# --- a host that is wrong is noticed


def numbered(chip: Chip, number: Callable[[int, Sector], int]) -> Chip:
    """*chip* as a host has it that counts otherwise."""
    sectors = tuple(s._replace(number=number(at, s)) for at, s in enumerate(chip.sectors))
    banks, first = [], 0
    for members in chip.banks:
        banks.append(range(sectors[first].number, sectors[first].number + len(members)))
        first += len(members)
    return replace(chip, sectors=sectors, banks=tuple(banks))


WRONG = {
    "through all banks": lambda at, _: at,
    "one too few": lambda at, s: max(0, s.number - 1) if at else s.number + 1,
    "banks exchanged": lambda at, s: (s.number + 12) % 24,
}


def taken_for(flasher: Flasher, chip: Chip) -> Flasher:
    """The same connection, with another idea of the chip behind it."""
    return Flasher(flasher.connection, chip, KeptCaches())


@pytest.mark.parametrize("how", WRONG)
def test_a_host_that_counts_otherwise_never_says_verified(how: str) -> None:
    """The two tables can disagree; then this is what comes of it, with the chip full of data."""
    one = chip_of_data("STM32F429xG_DB1M" if how == "through all banks" else "STM32F429xI")
    flasher = recognized(one)
    right = flasher.chip
    flasher = taken_for(flasher, numbered(right, WRONG[how]))
    target = right.sectors[-3].start
    with pytest.raises(UpdaterError):
        list(flasher.flash(image_in(target), FlashOptions()))
    assert target not in lost(one)
    assert len(lost(one)) <= 1  # one sector was tried before it was seen


@pytest.mark.parametrize("is_full", [True, False])
def test_a_chip_of_one_bank_taken_for_two_is_told_before_a_word_is_written(is_full: bool) -> None:
    """DB1M = 0 taken for 1, counted through: 64 KiB at 0x0808_0000 erase 512 KiB, and verify."""
    one = chip_of_data("STM32F429xG")
    if is_full:
        one.chip.device.preload(0x0808_4000, bytes(16))
    flasher = recognized(one)
    flasher = taken_for(flasher, numbered(chip_of(load_part("STM32F429xG_DB1M")), lambda at, _: at))
    firmware = Firmware((Segment(0x0808_0000, b"\x5a" * 64 * K),))
    with pytest.raises(UpdaterError, match=r"another sector.*nothing was written"):
        list(flasher.flash(firmware, FlashOptions()))
    behind = {0x080A_0000, 0x080C_0000, 0x080E_0000}
    assert lost(one) == {0x0808_0000} | (set() if is_full else behind)


def test_an_erase_that_hits_what_was_to_be_kept_is_told_from_a_worn_sector() -> None:
    one = chip_of_data("STM32H743xI")
    flasher = recognized(one)
    flasher = taken_for(flasher, numbered(flasher.chip, lambda at, s: s.number + 1))
    with pytest.raises(UpdaterError, match="another sector") as caught:
        list(flasher.flash(image_in(0x0806_0000, 0x0808_0000), FlashOptions()))
    assert Remedy.NAME_PART in caught.value.remedies
    assert lost(one) == {0x0808_0000}


def test_a_rom_that_counts_otherwise_is_noticed_too() -> None:
    """The other side changed: a ROM that gives bank 2 of an L476xE the numbers from 128 on."""
    one = chip_of_data("STM32L476xE_dual")
    pieces = one.chip.memory.pieces
    one.chip.memory._pieces = {n if n < 128 else n - 128: piece for n, piece in pieces.items()}
    flasher = recognized(one)
    with pytest.raises(ChipRefused, match="erase"):
        list(flasher.flash(image_in(0x0804_0000), FlashOptions()))
    assert lost(one) == set()


@pytest.mark.parametrize("name", ["STM32U575xI", "STM32H563xI"])
@pytest.mark.parametrize("size", [8 * K, 1024 * K])
def test_banks_that_an_option_has_exchanged_unseen_cost_one_sector_at_most(name, size) -> None:
    """BKER names banks of the silicon there, and the ROM shows no option bytes."""
    one = chip_of_data(name)
    swap = one.chip.device.part.options.swap
    assert swap is not None
    one.chip.device.program_options(**{swap: 1})
    one.chip.reload()
    before = {a: one.chip.device.read(a, 32) for a in range(BASE, BASE + 0x20_0000, 8 * K)}
    flasher = recognized(one)
    with pytest.raises(UpdaterError, match="exchanged its banks"):
        list(flasher.flash(Firmware((Segment(BASE, b"\x5a" * size),)), FlashOptions()))
    changed = [a for a, held in before.items() if one.chip.device.read(a, 32) != held]
    assert changed == [BASE + 0x10_0000]


# --- a geometry by hand of two banks


def test_a_geometry_of_two_banks_has_the_hole_and_the_numbers_that_were_given() -> None:
    banks = [GivenBank(BASE, [(64, 2 * K)]), GivenBank(0x0804_0000, [(64, 2 * K)], 128)]
    given = chip_of_banks(None, banks, 8)
    assert given.sectors == chip_of(load_part("STM32G474xC_dual")).sectors
    assert given.banks == (range(64), range(128, 192))
    for bad in (
        [banks[0], GivenBank(BASE + 2 * K, [(1, 2 * K)])],  # it overlaps
        [banks[0], GivenBank(0x0804_0000, [(1, 2 * K)], 63)],  # a number that is taken
        [banks[1], banks[0]],
    ):
        with pytest.raises(UsageError, match="in the order of their addresses and numbers"):
            chip_of_banks(None, bad, 8)


# --- holes


def test_an_image_across_the_hole_is_rejected_and_both_runs_are_named() -> None:
    chip = chip_of(load_part("STM32G474xC_dual"))
    with pytest.raises(ImageRejected) as caught:
        check_fits(Firmware((Segment(BASE, bytes(0x4_8000)),)), chip)
    assert "0x0800_0000 up to 0x0802_0000 and 0x0804_0000 up to 0x0806_0000" in str(caught.value)
    check_fits(image_in(BASE, 0x0804_0000), chip)


# --- what is remembered of a chip


def test_numbers_of_another_shape_say_nothing_and_leave_no_doubt_behind() -> None:
    two, single = chip_of(load_part("STM32G474xE_dual")), chip_of(load_part("STM32G474xE_single"))
    memory = SectorCache(shape=two.shape)
    memory.begin(two.sectors[200:201])
    memory.digests[3] = "digest"
    assert memory.of(two) is memory
    other = memory.of(single)
    assert other.digests == {} and other.doubtful == {s.number for s in single.sectors}
    assert SectorCache(shape=two.shape).of(single).doubtful == set()
    assert two.shape != single.shape
