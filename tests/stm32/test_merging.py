"""Commands in one write: where it pays, what ROMs that lose bytes make of it, what is kept."""

from __future__ import annotations

import random

import pytest

from flash_emulator import load_part, part_names
from flash_emulator.an3155 import Command, checksum
from flash_emulator.bootrom import RomOptions
from mcu_updater.cli.flasher.chips import chip_of
from mcu_updater.core.errors import LinkError
from mcu_updater.host.cache_folder import MergeFile
from mcu_updater.host.usb import adapter_name
from mcu_updater.stm32 import an3155
from mcu_updater.stm32.compare import DiffMethod
from mcu_updater.stm32.firmware import Firmware, Segment
from mcu_updater.stm32.flasher import FlashOptions
from mcu_updater.stm32.merged_frames import MOST_LOST, merged
from mcu_updater.stm32.merging import MOST_DOUBTS, MergeRecord, _patterns
from tests.host.test_serial_port import Usb
from tests.stm32.emulated_chip import World, image, revive
from tests.stm32.timed_line import TimedLine, timed_world

BYTE_US = 11e6 / 115_200
BOTH = frozenset((Command.READ, Command.WRITE))
DEAF = RomOptions(deaf_us=1.5 * BYTE_US)
HARD_OF_HEARING = RomOptions(deaf_us=1.5 * BYTE_US, deaf_chance=0.004)
SIZE = 48 * 1024


def flashed(one: World, firmware: Firmware, merged: bool | None = None) -> float:
    """Seconds of the emulated clock."""
    began_s = one.clock.now
    flasher = one.connect(merged=merged)
    list(flasher.flash(firmware, FlashOptions(diff=DiffMethod.OFF)))
    assert one.holds(firmware)
    return one.clock.now - began_s


def longest(one: World) -> int:
    return max(map(len, one.line.writes))


def overruns(one: World) -> int:
    assert isinstance(one.line, TimedLine)
    return one.line.line.overrun_count


# --- whether it pays


@pytest.mark.parametrize(
    ("baud", "latency_ms", "size", "least"),
    [
        (115_200, 16, SIZE, 1.7),
        (921_600, 16, SIZE, 2.7),
        (921_600, 1, SIZE, 1.1),
        (115_200, 1, 160 * 1024, 1.015),
    ],
)
def test_a_bridge_that_waits_is_waited_for_once_a_command(baud, latency_ms, size, least):
    firmware = image(size)
    strict_s = flashed(timed_world(baud, latency_ms), firmware, merged=False)
    one = timed_world(baud, latency_ms)
    assert strict_s / flashed(one, firmware) > least
    assert one.memory.record == MergeRecord(BOTH) and not one.notes
    assert longest(one) == 265


def test_a_line_without_a_bridge_is_not_tested():
    one = timed_world(latency_ms=0)
    flashed(one, image(SIZE))
    assert one.memory.record == MergeRecord() and longest(one) == 258


def test_a_small_image_is_not_worth_the_test():
    one = timed_world(latency_ms=16)
    flashed(one, image(500))
    assert one.memory.record == MergeRecord() and longest(one) <= 258


def test_it_can_be_forbidden_and_asked_for():
    one = timed_world(latency_ms=16)
    flashed(one, image(SIZE), merged=False)
    assert longest(one) == 258
    flashed(one, image(500), merged=True)
    assert longest(one) == 265


# --- ROMs that lose bytes


def test_a_rom_that_looks_away_is_found_out_by_the_test():
    one = timed_world(latency_ms=16, options=DEAF)
    strict = timed_world(latency_ms=16, options=DEAF)
    before = one.chip.memory.read(0x2000_3100, 256)
    firmware = image(SIZE)
    lost_s = flashed(one, firmware) - flashed(strict, firmware, merged=False)
    assert one.memory.record == MergeRecord(doubts=1)
    assert "one frame at a time" in one.notes[0] and len(one.notes) == 1
    assert 0 < lost_s < 5
    assert one.chip.memory.read(0x2000_3100, 256) == before


def test_what_always_fails_is_not_tried_for_ever_unless_asked_for():
    one = timed_world(latency_ms=16, options=DEAF)
    for _ in range(MOST_DOUBTS + 1):
        flashed(one, image(SIZE))
    assert one.memory.record.doubts == MOST_DOUBTS and len(one.notes) == MOST_DOUBTS
    flashed(one, image(SIZE), merged=True)
    assert len(one.notes) == MOST_DOUBTS + 1


@pytest.mark.parametrize("seed", [0, 1, 2, 4, 5, 6])  # of 3 the test is not passed
def test_a_rom_that_loses_bytes_now_and_then_is_given_up_at_the_first_doubt(seed):
    one = timed_world(latency_ms=16, options=HARD_OF_HEARING, seed=seed)
    beside = Firmware((Segment(0x0806_0000, random.Random(seed).randbytes(4096)),))
    flashed(one, beside, merged=False)
    level = one.chip.memory.readout_level
    flashed(one, image(SIZE, seed=seed))
    assert overruns(one) and one.memory.record == MergeRecord(doubts=1)
    assert one.holds(beside) and one.chip.memory.readout_level == level
    lengths = [len(frame) for frame in one.line.writes]
    assert 265 in lengths and 265 not in lengths[-200:]


@pytest.mark.parametrize("fault", ["nack:write:40", "busy:write:40", "hang:read:60"])
def test_any_refusal_or_silence_is_doubt(fault):
    one = timed_world(latency_ms=16, faults=(fault,))
    if fault.startswith("hang"):
        with pytest.raises(LinkError):
            flashed(one, image(SIZE))
        revive(one)
    flashed(one, image(SIZE))
    doubts = 0 if fault.startswith("busy") else 1
    assert one.memory.record.doubts == doubts or one.memory.record.passed == BOTH
    assert bool(one.notes) == bool(doubts)


def test_a_byte_that_is_read_back_wrong_is_doubt():
    one = timed_world(latency_ms=16, faults=("skip:write:60",))
    flashed(one, image(SIZE))
    assert one.memory.record.doubts == 1


# --- what is remembered


def test_a_line_that_has_passed_is_tested_shortly_and_forgotten_at_a_doubt():
    one = timed_world(latency_ms=16)
    first_s = flashed(one, image(SIZE))
    again_s = flashed(one, image(SIZE))
    assert again_s < first_s - 0.1
    one.chip.options = HARD_OF_HEARING  # another adapter at the same port, or a worse cable
    flashed(one, image(SIZE))
    assert one.memory.record == MergeRecord(doubts=1)
    one.chip.options = RomOptions()
    flashed(one, image(SIZE))
    assert one.memory.record == MergeRecord(BOTH)


def test_another_adapter_another_chip_and_another_speed_know_nothing(tmp_path):
    uid, record = bytes(range(12)), MergeRecord(BOTH, doubts=2)
    memory = MergeFile(tmp_path, 0x415, uid, "0403:6001 A1, 115200 baud")
    assert memory.load() == MergeRecord()
    memory.store(record)
    assert memory.load() == record
    for pid, chip, line in (
        (0x415, uid, "0403:6001 A2, 115200 baud"),
        (0x415, uid, "0403:6001 A1, 921600 baud"),
        (0x415, bytes(12), "0403:6001 A1, 115200 baud"),
    ):
        other = MergeFile(tmp_path, pid, chip, line)
        assert other.load() == MergeRecord()
        other.store(MergeRecord(doubts=1))
    assert memory.load() == record
    path = tmp_path / "merging" / f"0415-{uid.hex()}.json"
    for damage in ("", "[]", "{", '{"0403:6001 A1, 115200 baud": {"passed": 1}}'):
        path.write_text(damage)
        assert memory.load() == MergeRecord()


def test_an_adapter_is_told_by_its_serial_number_or_by_where_it_is_plugged_in():
    ports = [
        Usb("/dev/ttyUSB0", 0x0403, 0x6001, serial_number="A1"),
        Usb("/dev/ttyUSB1", 0x1A86, 0x7523, location="1-2"),
    ]
    assert adapter_name("/dev/ttyUSB0", ports) == "0403:6001 A1"
    assert adapter_name("/dev/ttyUSB1", ports) == "1A86:7523 at 1-2"
    assert adapter_name("/dev/pts/7", ports) == "/dev/pts/7"


def test_looking_leaves_ram_alone_and_writing_leaves_it_as_it_was():
    one = timed_world(latency_ms=16)
    flashed(one, image(SIZE), merged=False)
    held = random.Random(3).randbytes(256)
    one.chip.memory.write(0x2000_3100, held, pad=False)
    one.line.writes.clear()
    list(one.connect(merged=True).verify(image(SIZE)))
    list(one.connect(merged=True).plan(image(SIZE), FlashOptions()))
    assert longest(one) == 9  # a Read in one write, and no Write at all
    flashed(one, image(SIZE))
    assert one.chip.memory.read(0x2000_3100, 256) == held


# --- what may go out in one write


FREE_RAM = {name: chip_of(load_part(name)).free_ram for name in part_names()}


def test_a_chip_whose_ram_nobody_knows_gets_its_writes_frame_by_frame():
    assert [name for name, ram in FREE_RAM.items() if ram is None] == ["STM32H563xI"]
    one = timed_world(latency_ms=16, part="STM32H563xI")
    flashed(one, image(SIZE))
    assert one.memory.record == MergeRecord(frozenset((Command.READ,)))
    assert longest(one) == 258


@pytest.mark.parametrize("name", [name for name, ram in FREE_RAM.items() if ram is not None])
def test_the_test_really_merges_on_every_part(name):
    ram = FREE_RAM[name]
    assert ram is not None and ram % 256 == 0
    patterns = [pattern for pattern, _ in zip(_patterns(ram), range(4), strict=False)]
    assert len(set(patterns)) == 4
    assert all(len(merged(an3155.write(ram, p), Command.WRITE)) == 1 for p in patterns)


CHANGING = [c for c in Command if not c.name.startswith(("GET", "READ_")) and c != Command.READ]


@pytest.mark.parametrize("code", CHANGING, ids=lambda code: code.words)
@pytest.mark.parametrize("apart", range(MOST_LOST + 2))
def test_data_that_holds_a_command_waits_for_the_ack_of_its_address(code, apart):
    data = bytes(100) + bytes((code,)) + bytes(apart) + bytes((code ^ 0xFF,))
    data += bytes(256 - len(data))
    groups = merged(an3155.write(0x0800_0100, data), Command.WRITE)
    assert [len(group) for group in groups] == ([2, 1] if apart <= MOST_LOST else [3])


def test_data_that_completes_another_address_waits_for_the_ack_of_its_own():
    """08 00 01 00 09 FF FE: without the two in the middle, 0x0800_09FF and its XOR."""
    for first, groups in ((0xFE, [2, 1]), (0xFD, [3])):
        exchange = an3155.write(0x0800_0100, bytes((first,)) + bytes(255))
        assert [len(group) for group in merged(exchange, Command.WRITE)] == groups


def test_no_run_of_lost_bytes_leads_to_another_address_or_to_a_command():
    """Each block of noise that goes out in one write, with each run of 1 or 2 bytes lost in it."""
    rng = random.Random(22)
    whole = 0
    for number in range(60):
        address = 0x0800_0000 + 256 * number
        exchange = an3155.write(address, rng.randbytes(256))
        groups = merged(exchange, Command.WRITE)
        whole += len(groups) == 1
        if len(groups) > 1:
            continue
        frames = b"".join(step.frame for step in exchange)
        for lost in range(1, MOST_LOST + 1):
            for at in range(len(frames) - lost):
                assert harmless(frames[:at] + frames[at + lost :], address)
    assert whole > 45


def harmless(heard: bytes, address: int) -> bool:
    """What the grammar of AN3155 makes of *heard*: Writes to the block of *address*, or nothing."""
    at = 0
    while at + 1 < len(heard):
        code = heard[at]
        if code ^ heard[at + 1] != 0xFF or code not in tuple(Command):
            at += 2
            continue
        if code != Command.WRITE:
            return code in (Command.GET, Command.GET_VERSION, Command.GET_ID)
        at += 2
        five, at = heard[at : at + 5], at + 5
        if checksum(five):
            continue
        if int.from_bytes(five[:4], "big") != address:
            return False
        at += heard[at] + 3
    return True
