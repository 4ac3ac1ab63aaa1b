"""The host against emulated chips, in virtual time: what it leaves, spares and says."""

from __future__ import annotations

import pytest

from flash_emulator.bootrom import RomOptions
from mcu_updater.core.errors import (
    ChipRefused,
    ImageRejected,
    LinkError,
    NoBootloader,
    PortError,
    Remedy,
    UsageError,
)
from mcu_updater.stm32.bulk_erase import BulkErase
from mcu_updater.stm32.compare import DiffMethod
from mcu_updater.stm32.connection import LADDER, ConnectOptions
from mcu_updater.stm32.events import Planned, Problem, Progress, Stage, Started, Verified
from mcu_updater.stm32.firmware import Firmware, Segment
from mcu_updater.stm32.flasher import FlashOptions
from mcu_updater.stm32.line import WIRINGS
from mcu_updater.stm32.plan import EraseKind
from tests.stm32.emulated_chip import PARTS, image, revive, world
from tests.stm32.timed_line import timed_world

CRC = RomOptions(version=0x33)


def planned(events):
    return next(event for event in events if isinstance(event, Planned))


def changed(firmware, *addresses):
    data = bytearray(firmware.segments[0].data)
    for address in addresses:
        data[address] ^= 0x5A
    return Firmware((Segment(firmware.start, bytes(data)),))


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("options", [None, CRC], ids=["read-back", "crc"])
def test_flash_then_flash_again_then_two_bytes_changed(part, options):
    one = world(part, options=options)
    firmware = image(40_000)
    assert isinstance(one.flash(firmware)[-1], Verified) and one.holds(firmware)
    again = planned(one.flash(firmware)).plan
    assert again.write_size == 0 and again.erase.kind is EraseKind.NOTHING
    second = changed(firmware, 100, 39_000)
    plan = planned(one.flash(second)).plan
    assert one.holds(second)
    sectors = [plan.chip.sectors_of(0x800_0000 + at, 0x800_0001 + at) for at in (100, 39_000)]
    touched = {sector.number for some in sectors for sector in some}
    assert {s.number for s in plan.erase.sectors} == touched


def test_what_lies_beside_the_image_is_kept():
    one = world()
    beside = Firmware((Segment(0x0800_4000, b"settings" * 16),))
    one.flash(beside)
    one.flash(image(9000))
    assert one.holds(beside) and one.holds(image(9000))
    one.flash(image(9000, seed=2), FlashOptions(erase_chip=True))
    assert not one.holds(beside)


def test_a_bank_is_erased_at_once_where_a_crc_says_that_the_rest_of_it_is_blank():
    one = world(options=CRC)
    plan = planned(
        one.flash(image(60_000))
    ).plan  # 30 sectors of 22 ms, a bank takes as long as one
    assert (plan.erase.kind, plan.erase.bank) == (EraseKind.BANK, 0)
    assert one.holds(image(60_000)) and len(plan.erase.needed) == 30


@pytest.mark.parametrize(("size", "kind"), [(500_000, EraseKind.BANK), (60_000, EraseKind.SECTORS)])
def test_without_a_crc_little_that_is_left_of_a_bank_is_read(size, kind):
    one = world()
    blank_sized = Firmware((Segment(0x0800_0000, bytes(size)),))
    flasher = one.connect()
    plan = planned(flasher.plan(blank_sized, FlashOptions())).plan
    assert plan.erase.kind is kind
    one.chip.device.program(0x0807_F000, bytes(8))
    assert planned(flasher.plan(blank_sized, FlashOptions())).plan.erase.kind is EraseKind.SECTORS


@pytest.mark.parametrize(
    ("baud", "latency_ms", "kind"),
    [
        (115_200, 1, EraseKind.SECTORS),  # 86 KiB read in 8 s save 4.9 s of 213 sectors
        (921_600, 1, EraseKind.BANK),
        (921_600, 16, EraseKind.BANK),
    ],
)
def test_what_is_left_of_a_bank_is_read_where_that_is_quicker_than_its_sectors(
    baud, latency_ms, kind
):
    one = timed_world(baud, latency_ms)
    flasher = one.connect(merged=None)
    plan = planned(flasher.plan(image(426 * 1024), FlashOptions())).plan
    assert plan.erase.kind is kind


def test_an_erase_of_all_is_weighed_against_that_of_a_bank_and_not_of_its_sectors():
    """The bank goes at one stroke anyway: 215 sectors would be saved, 5 s, and 41 read, 8 s."""
    flasher = timed_world(115_200, 1).connect()
    chip = flasher.chip
    bulk = BulkErase(flasher.connection.rom, chip, has_checksum=False)
    assert bulk.candidate(chip.sectors[: 256 + 215], ()) == ()
    assert bulk.candidate(chip.sectors[: 256 + 240], ()) == chip.sectors[256 + 240 :]


def test_no_bank_is_erased_at_once_where_anything_else_is_in_it_or_little_is_gained():
    one = world(options=CRC)
    beside = Firmware((Segment(0x0807_F000, b"settings" * 16),))
    one.flash(beside)
    plan = planned(one.flash(image(60_000))).plan
    assert plan.erase.kind is EraseKind.SECTORS and one.holds(beside)
    assert planned(world(options=CRC).flash(image(9000))).plan.erase.kind is EraseKind.SECTORS
    assert planned(world().flash(image(60_000))).plan.erase.kind is EraseKind.SECTORS  # no CRC


@pytest.mark.parametrize("faults", [[], [f"nack:extended-erase:{n}" for n in (1, 2, 3)]])
def test_an_image_of_a_bank_and_a_bit_erases_the_bank_and_the_bit(faults):
    one = world(faults=faults)
    beside = Firmware((Segment(0x080F_F000, b"settings" * 16),))
    one.chip.device.program(beside.start, beside.segments[0].data)
    one.chip.device.program(0x0808_0800, bytes(8))
    firmware = image(0x80000 + 4096)
    events = one.flash(firmware)
    plan = planned(events).plan
    assert plan.erase.kind is EraseKind.BANK and len(plan.erase.rest) == 2
    assert one.holds(firmware) and one.holds(beside)
    erasing = [e for e in events if isinstance(e, Progress) and e.stage is Stage.ERASE]
    assert erasing[-1].done == erasing[-1].total == 258 * 2048


def test_a_refused_erase_at_once_costs_no_other_sector():
    one = world(options=CRC, faults=[f"nack:extended-erase:{n}" for n in (1, 2, 3)])
    events = one.flash(image(60_000))
    assert planned(events).plan.erase.kind is EraseKind.BANK and one.holds(image(60_000))
    assert [e.text for e in events if isinstance(e, Problem)] == [
        "the ROM refuses to erase the bank at once: sector by sector"
    ]
    assert (
        sum(
            e.total
            for e in events
            if isinstance(e, Progress) and e.stage is Stage.ERASE and not e.done
        )
        == 30 * 2048
    )


def test_a_rom_that_dies_of_the_crc_of_other_sectors_is_not_asked_again():
    one = world(options=CRC)
    one.chip.device.spoil(0x0807_F000)
    with pytest.raises(LinkError):
        one.flash(image(60_000))
    revive(one)
    assert planned(one.flash(image(60_000))).plan.erase.kind is EraseKind.SECTORS
    assert one.holds(image(60_000))


def test_every_frame_is_one_write():
    one = world()
    one.flash(image(3000))
    sizes = {len(frame) for frame in one.line.writes}
    assert 258 in sizes and max(sizes) == 258  # N, 256 bytes, XOR


def test_merged_frames_are_one_write_and_leave_the_same():
    one = world()
    firmware = image(3000)
    list(one.connect(merged=True).flash(firmware, FlashOptions()))
    assert one.holds(firmware) and any(len(frame) == 265 for frame in one.line.writes)


def test_the_cache_spares_reading_and_is_not_believed_where_a_sample_disagrees():
    one = world()
    firmware = image(64_000)
    one.flash(firmware)
    cached = FlashOptions(diff=DiffMethod.CACHE)
    before = one.connect()
    sent = before.connection.rom.rom.traffic.wire_bytes
    events = list(before.flash(changed(firmware, 5000), cached))
    assert before.connection.rom.rom.traffic.wire_bytes - sent < 12_000
    verified = events[-1]
    assert isinstance(verified, Verified) and verified.trusted_size > 60_000
    device = one.chip.device
    device.erase(0x0800_0000)  # by something else: the cache knows nothing of it
    one.flash(changed(firmware, 5000), cached)
    assert one.holds(changed(firmware, 5000))


def test_a_private_checksum_dialect_is_seen_through():
    one = world(options=RomOptions(version=0x33, checksum_dialect="private"))
    events = one.flash(image())
    assert events[-1] == Verified(image().padded(8).size, "read-back") and one.holds(image())


def test_a_double_ack_does_no_harm():
    one = world(options=RomOptions(double_ack=True))
    one.flash(image())
    assert one.holds(image())


def test_go_starts_what_was_written_and_nothing_else():
    one = world()
    assert one.flash(image(), FlashOptions(go=0x0800_0000))[-1] == Started(0x0800_0000)
    with pytest.raises(NoBootloader, match="BOOT0"):
        one.connect()
    with pytest.raises(ImageRejected):
        world().flash(image(), FlashOptions(go=0x0801_0000))


def test_a_plan_changes_nothing():
    one = world()
    before = one.chip.device.digest()
    flasher = one.connect()
    plan = planned(flasher.plan(image(), FlashOptions())).plan
    assert plan.write_size and one.chip.device.digest() == before


def test_the_checksum_must_be_there_to_be_asked_for():
    with pytest.raises(UsageError, match="this ROM has no CRC") as caught:
        world().flash(image(), FlashOptions(diff=DiffMethod.CRC))
    assert caught.value.remedies == (Remedy.READ_ALL,)


@pytest.mark.parametrize("wiring", WIRINGS.values(), ids=WIRINGS)
def test_every_wiring_is_found_by_trying_all(wiring):
    one = world()
    one.chip.boot0 = False
    one.chip.reset()  # the program runs
    one.line.wired = wiring
    options = ConnectOptions(wirings=tuple(WIRINGS.values()))
    assert one.connect(options=options).connection.wiring is not None
    exact = ConnectOptions(wirings=(wiring,))
    assert one.connect(options=exact).connection.wiring is wiring


def test_the_ladder_ends_at_the_first_speed_that_works():
    one = world()
    one.line.wired = WIRINGS["dtr,rts"]
    one.line.best_baud = 300_000
    one.connect(options=ConnectOptions(bauds=LADDER, wirings=(WIRINGS["dtr,rts"],)))
    assert one.line.baud == 256_000


def test_reset_by_a_port_without_modem_lines_is_refused():
    with pytest.raises(PortError, match="DTR"):
        world().connect(options=ConnectOptions(wirings=(WIRINGS["dtr,rts"],)))


def test_protection_is_seen_before_anything_is_erased():
    one = world()
    one.chip.memory.protect_readout()
    one.chip.reload()
    before = one.chip.device.digest()
    with pytest.raises(ChipRefused, match="read-out protected") as caught:
        one.flash(image())
    assert caught.value.remedies == (Remedy.LIFT_READOUT,)
    assert one.chip.device.digest() == before


def test_too_big_is_seen_before_anything_is_erased():
    one = world("STM32F103x8")
    before = one.chip.device.digest()
    with pytest.raises(ImageRejected, match="too big"):
        one.flash(image(70_000))
    assert one.chip.device.digest() == before


@pytest.mark.parametrize("options", [None, CRC], ids=["read-back", "crc"])
def test_a_chip_that_holds_something_else_is_not_searched_for_long(options):
    one = world(options=options)
    one.flash(image(60_000, seed=2))
    flasher = one.connect()
    assert flasher.has_checksum is (options is CRC)
    before = flasher.connection.rom.rom.traffic.turnarounds
    plan = planned(flasher.plan(image(60_000), FlashOptions())).plan
    assert not plan.kept
    assert flasher.connection.rom.rom.traffic.turnarounds - before < 40


def test_what_is_blank_is_asked_for_at_once():
    one = world(options=CRC)
    flasher = one.connect()
    assert flasher.has_checksum
    before = flasher.connection.rom.rom.traffic.turnarounds
    list(flasher.erase(flasher.chip.sectors, everything=True))
    assert flasher.connection.rom.rom.traffic.turnarounds - before < 20
