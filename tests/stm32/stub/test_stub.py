"""The loader stub's machine code, executed: images, requests that it has to refuse, its end."""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
import sys
import zlib
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from benchmarks.loader_stub.chip import MODELS, StubChip
from flash_emulator import load_part
from mcu_updater.stm32.chip import Sector
from mcu_updater.stm32.estimate import BITS_PER_BYTE
from mcu_updater.stm32.plan import covered_sectors
from mcu_updater.stm32.stub import frames
from mcu_updater.stm32.stub import images as stub_images
from mcu_updater.stm32.stub.frames import Command, Encoding, Facts, Reply, Request, Status
from mcu_updater.stm32.stub.images import LOAD_ADDRESS as LOAD
from mcu_updater.stm32.stub.images import STUBS
from mcu_updater.stm32.stub.link import BAUDS
from mcu_updater.stm32.stub.session import Batch, StubTrouble, Work
from mcu_updater.stm32.stub.writing import LOWEST_BRR
from tests.stm32.stub.stubs import (
    BASE,
    FIRMWARE,
    PAGE_SIZE,
    PART,
    PARTS,
    ROM_BAUD,
    Job,
    ask,
    check,
    contents,
    flash,
    flashed,
    host_chip,
    made_chip,
    noise_of,
    operations,
    run,
)
from tests.thorough import one_in

WRPERR = 1 << 4
PROGERR = 1 << 3
FASTEST_BAUD = BAUDS[0]
BANK_2 = BASE + 0x8_0000
SPARSE = b"\0" * 100 + b"\xff" * 5000 + b"end"
FOLDER = Path(stub_images.__file__).parent

# --- images

JOBS = {
    "firmware": Job(FIRMWARE),
    "noise": Job(noise_of(2501)),
    "sparse": Job(SPARSE),
    "one byte": Job(b"\1"),
    "across banks": Job(FIRMWARE[:3000], BANK_2 - PAGE_SIZE),
    "to the last byte": Job(noise_of(PAGE_SIZE), BASE + 0x10_0000 - PAGE_SIZE),
    "fast": Job(FIRMWARE[:4100], baud=921_600),
}


@cache
def manifest(part: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"stub-{STUBS[part].name}.json").read_text())
    return found


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("job", one_in(4, [*JOBS.values()]), ids=one_in(4, [*JOBS]))
def test_an_image_is_written_and_nothing_else_is_touched(part: str, job: Job) -> None:
    chip = made_chip(part)
    if job.address != BASE:  # the same place before the chip's end, or its middle
        size = chip.flash.part.size
        job = replace(job, address=BASE + (job.address - BASE) * size // 0x10_0000)
    check(chip, job, lambda: flashed(chip, job))
    erased = [line for line in operations(chip) if "erase" in line]
    assert len(erased) == len(set(erased)) == len(chip_sectors(chip, job)), "each sector once"
    assert chip.usart.overrun_count == 0
    assert chip.front.undefined == []


def chip_sectors(chip: StubChip, job: Job) -> tuple[Sector, ...]:
    host = host_chip(chip)
    return covered_sectors(host, job.firmware(host))


@pytest.mark.parametrize(
    ("part", "usart"), [(p, number) for p in PARTS for number in MODELS[p].usarts.values()]
)
def test_it_talks_at_the_usart_that_is_on(part: str, usart: int) -> None:
    chip = made_chip(part, usart=usart)
    (reply,) = ask(chip, frames.sync())
    base = next(base for base, number in MODELS[part].usarts.items() if number == usart)
    assert Facts.of(reply).usart_base == base


@pytest.mark.parametrize("window", [1, 2])
def test_small_windows(window: int) -> None:
    chip, job = made_chip(latency_ms=16), Job(FIRMWARE[:4000])
    check(chip, job, lambda: flashed(chip, job, window=window))


def test_a_second_run_writes_what_differs_only() -> None:
    chip = made_chip()
    image = FIRMWARE[:5000]
    flashed(chip, Job(image))
    done = len(operations(chip))
    assert flashed(chip, Job(image)).written == ()
    assert len(operations(chip)) == done
    changed = bytearray(image)
    changed[PAGE_SIZE + 7] ^= 1
    job = Job(bytes(changed))
    check(chip, job, lambda: flashed(chip, job))
    erased = [line for line in operations(chip)[done:] if "erase" in line]
    assert erased == ["erase 0x0800_0800"]


def test_erasing_everything_first() -> None:
    chip, job = made_chip(), Job(FIRMWARE[:3000], erase_all=True)
    flashed(chip, job)
    assert contents(chip) == job.image.ljust(0x10_0000, b"\xff")
    assert [line for line in operations(chip) if "erase" in line] == ["mass erase 0x0800_0000"]


def test_flash_before_a_page_is_the_dictionary() -> None:
    chip = made_chip()
    page = noise_of(PAGE_SIZE, 3)
    job = Job(noise_of(PAGE_SIZE, 2) + page + page + page)
    check(chip, job, lambda: flashed(chip, job))
    assert chip.wire.byte_counts[0] < 2 * PAGE_SIZE + 400, "noise, but the last two pages are known"


# --- speed


def test_a_speed_that_the_clock_does_not_divide_to_is_not_tried() -> None:
    chip, job = made_chip(clock_hz=16e6), Job(FIRMWARE[:100], baud=921_600)  # 2.1 % off
    flashed(chip, job)
    assert chip.usart.baud == pytest.approx(115_200, rel=0.01)


def test_the_old_speed_comes_back_when_the_new_one_does_not_work() -> None:
    chip, job = made_chip(most_baud=230_400), Job(FIRMWARE[:100], baud=460_800)
    check(chip, job, lambda: flashed(chip, job))
    assert chip.usart.baud == pytest.approx(115_200, rel=0.01)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("clock_mhz", one_in(3, [8, 16, 24, 48, 64, 80]))
def test_whatever_clock_the_rom_leaves(part: str, clock_mhz: int) -> None:
    """No document at hand gives it. All speeds are tried, and one that works is kept."""
    chip, job = made_chip(part, clock_hz=clock_mhz * 1e6), Job(FIRMWARE[:3000])
    check(chip, job, lambda: run(chip, flash(chip, job, bauds=BAUDS)))
    assert chip.usart.baud == pytest.approx(expected_baud(clock_mhz * 1e6), rel=0.03)


def expected_baud(clock_hz: float) -> int:
    """The fastest that is at least LOWEST_BRR ticks, and no more than 1.5 % off, of the clock that
    the ROM's own BRR tells."""
    clock_hz = round(clock_hz / ROM_BAUD) * ROM_BAUD
    ticks = {baud: round(clock_hz / baud) for baud in BAUDS}
    good = [b for b, n in ticks.items() if n >= LOWEST_BRR and abs(clock_hz / n / b - 1) < 0.015]
    return max(good, default=ROM_BAUD)


# --- what it refuses

GOOD = noise_of(64, 5)


def stored(address: int, data: bytes, *, crc: int | None = None, encoding: int = 0) -> Request:
    """A write that a sound host would not send."""
    head = address.to_bytes(4, "little") + (zlib.crc32(data) if crc is None else crc).to_bytes(
        4, "little"
    )
    return Request(
        Command.WRITE, head + len(data).to_bytes(2, "little") + bytes((encoding,)) + data
    )


REFUSED = {
    "wrong CRC": (stored(BASE, GOOD, crc=1), Status.BAD_DATA),
    "unknown encoding": (stored(BASE, GOOD, encoding=2), Status.BAD_DATA),
    "before flash": (stored(BASE - 8, GOOD), Status.BAD_ADDRESS),
    "behind flash": (stored(BASE + 0x10_0000 - 32, GOOD), Status.BAD_ADDRESS),
    "at the end of addresses": (stored(0xFFFF_FFF8, GOOD), Status.BAD_ADDRESS),
    "across pages": (stored(BASE + PAGE_SIZE - 8, GOOD), Status.BAD_ADDRESS),
    "not at a double word": (stored(BASE + 4, GOOD), Status.BAD_ADDRESS),
    "write without arguments": (Request(Command.WRITE), Status.BAD_REQUEST),
    "erase inside a page": (frames.erase(BASE + 8), Status.BAD_ADDRESS),
    "erase of RAM": (frames.erase(0x2000_4000), Status.BAD_ADDRESS),
    "erase behind flash": (frames.erase(BASE + 0x10_0000), Status.BAD_ADDRESS),
    "erase with too much": (Request(Command.ERASE, bytes(5)), Status.BAD_REQUEST),
    "checksum behind flash": (frames.checksum(BASE, PAGE_SIZE * 5, 128), Status.BAD_ADDRESS),
    "checksum of nothing": (frames.checksum(BASE, PAGE_SIZE, 0), Status.BAD_REQUEST),
    "too many checksums": (frames.checksum(BASE, 8, 129), Status.BAD_REQUEST),
    "checksum of all addresses": (frames.checksum(BASE, 0xFFFF_FFFF, 2), Status.BAD_REQUEST),
    "speed of no divider": (frames.speed(15), Status.BAD_REQUEST),
    "sync with arguments": (Request(Command.SYNC, b"x"), Status.BAD_REQUEST),
}


def test_bad_requests_change_nothing() -> None:
    chip = made_chip()
    for name, (request, status) in REFUSED.items():
        asked = [request] if request.command is Command.SYNC else [frames.sync(), request]
        assert ask(chip, *asked)[-1].status is status, name
    unknown = Request(99)  # type: ignore[arg-type]
    assert ask(chip, frames.sync(), unknown)[-1].status is Status.BAD_REQUEST
    assert operations(chip) == []


def test_after_a_failure_nothing_is_written_until_sync() -> None:
    chip = made_chip()
    erase = frames.erase(BASE)
    replies = ask(chip, frames.sync(), stored(BASE, GOOD, crc=1), erase, stored(BASE, GOOD))
    assert [reply.status for reply in replies[1:]] == [
        Status.BAD_DATA,
        Status.STOPPED,
        Status.STOPPED,
    ]
    assert operations(chip) == []
    replies = ask(chip, frames.sync(), erase, stored(BASE, GOOD))
    assert [reply.status for reply in replies] == [Status.OK] * 3


def test_blocks_that_are_no_lz4_write_nothing() -> None:
    """Random ones, and damaged good ones: all with a CRC that fits none of what they give."""
    chip, rng = made_chip(), random.Random(4)
    good = frames.write(BASE, FIRMWARE[:2048], Encoding.LZ4, b"").arguments
    asked = []
    for _ in range(60):
        block = rng.randbytes(rng.choice((0, 1, 2, 5, 50, 500)))
        asked += [frames.sync(), Request(Command.WRITE, good + block)]
    replies = ask(chip, *asked)
    assert {reply.status for reply in replies[1::2]} == {Status.BAD_DATA}
    assert operations(chip) == []


def test_a_match_that_begins_before_flash_is_refused() -> None:
    chip = made_chip()
    data = FIRMWARE[:8]
    block = b"\x40" + data[:4] + b"\x05\x00" + b"\x00"  # back 5 bytes, of which 4 are there
    (_, reply) = ask(chip, frames.sync(), frames.write(BASE, data, Encoding.LZ4, block))
    assert reply.status is Status.BAD_DATA


def test_a_frame_that_is_too_long_is_dropped() -> None:
    chip = made_chip()
    long = Request(Command.WRITE, noise_of(4000))

    def work() -> Work[list[Reply]]:
        yield Batch([frames.sync()])
        try:
            yield Batch([long], tries=2)
        except Exception:
            return (yield Batch([frames.sync()]))
        raise AssertionError("it was answered")

    result = run(chip, work()).result
    assert result is not None
    assert result[0].status is Status.OK


def test_programming_what_is_not_erased_is_refused() -> None:
    chip = made_chip()
    (_, reply) = ask(chip, frames.sync(), stored(BASE, GOOD))
    assert reply.status is Status.REFUSED
    assert int.from_bytes(reply.data, "little") & PROGERR


def test_a_protected_page() -> None:
    chip, job = made_chip(), Job(FIRMWARE[:4000])
    chip.flash.protect_sectors(BASE + PAGE_SIZE)
    before = contents(chip)
    with pytest.raises(StubTrouble, match="sectors do not hold"):
        flashed(chip, job)
    after = contents(chip)
    assert after[PAGE_SIZE:] == before[PAGE_SIZE:]
    assert set(after[:8]) == {0xFF}, "half an image has no vector table"
    (_, reply) = ask(chip, frames.sync(), frames.erase(BASE + PAGE_SIZE))
    assert reply.status is Status.REFUSED
    assert int.from_bytes(reply.data, "little") & WRPERR


def test_an_unreadable_double_word_is_told_and_written_anew() -> None:
    """It raises an NMI, which the stub must outlive."""
    chip, job = made_chip(), Job(FIRMWARE[:6000])
    flashed(chip, job)
    chip.flash.spoil(BASE + PAGE_SIZE + 64)
    (_, reply, after) = ask(
        chip, frames.sync(), frames.checksum(BASE, PAGE_SIZE, 3), frames.checksum(BASE, 8)
    )
    crcs = reply.checksums()
    assert crcs[1] is None
    whole = job.image.ljust(3 * PAGE_SIZE, b"\xff")
    assert (crcs[0], crcs[2]) == (zlib.crc32(whole[:PAGE_SIZE]), zlib.crc32(whole[2 * PAGE_SIZE :]))
    assert after.checksums() == [zlib.crc32(whole[:8])], "the next one is readable again"
    assert flashed(chip, job).written == (BASE + PAGE_SIZE,)
    assert chip.flash.read(BASE, len(job.image)) == job.image


@pytest.mark.parametrize(
    ("idcode", "register"),
    [(0x1007_6462, {}), (None, {0x4001_0000: 1 << 8})],
    ids=["another chip", "FB_MODE"],
)
def test_a_chip_that_it_is_not_for(idcode: int | None, register: dict[int, int]) -> None:
    chip = made_chip(idcode=idcode)
    for address, value in register.items():
        chip.set_register(address, value)
    with pytest.raises(StubTrouble):
        run(chip, flash(chip, Job(FIRMWARE)))
    assert operations(chip) == []


# --- how it ends


def test_go_starts_the_application() -> None:
    chip = made_chip()
    job = Job(bytes.fromhex("0080002011010008") + noise_of(400))
    flashed(chip, job)
    run(chip, _end(frames.go(BASE)))
    assert chip.ended == "application"
    assert (chip.started_at, chip.stack_pointer) == (0x0800_0110, 0x2000_8000)
    assert chip.register(0xE000_ED08) == BASE, "VTOR"


def test_reset() -> None:
    chip = made_chip()
    run(chip, _end(frames.reset()))
    assert chip.ended == "reset"


def _end(request: Request) -> Work[None]:
    yield Batch([frames.sync()])
    yield Batch([request])
    yield Batch([frames.sync()])  # nobody is there


# --- its needs


@pytest.mark.parametrize("part", PARTS)
def test_it_looks_at_the_usart_often_enough(part: str) -> None:
    """While a byte comes in at the fastest speed that the host tries, whatever the clock; with two
    cycles an instruction."""
    chip = made_chip(part, clock_hz=FASTEST_BAUD * LOWEST_BRR)
    job = Job(FIRMWARE[:3000] + noise_of(1100) + SPARSE, baud=FASTEST_BAUD)
    check(chip, job, lambda: flashed(chip, job))
    assert chip.usart.baud == FASTEST_BAUD
    assert 2 * chip.longest_gap < LOWEST_BRR * BITS_PER_BYTE
    assert chip.usart.overrun_count == 0


def test_it_refreshes_the_watchdog_while_it_works() -> None:
    chip = made_chip()
    counts = []
    for request in (frames.checksum(BASE, 8), frames.checksum(BASE, 16 * PAGE_SIZE)):
        before = chip.refresh_count
        ask(chip, frames.sync(), request)
        counts.append(chip.refresh_count - before)
    assert counts[1] - counts[0] >= 15, "once a page, where it waits for nothing"


@pytest.mark.parametrize("part", PARTS)
def test_it_keeps_to_its_ram(part: str) -> None:
    chip = made_chip(part)
    flashed(chip, Job(FIRMWARE[:5000], baud=460_800))
    start, end = 0x2000_0000, int(manifest(part)["ram_end"], 16)
    used_by_rom = chip.flash.part.identity.bootloader_ram_end
    assert used_by_rom is not None and used_by_rom <= LOAD
    assert chip.ram(start, LOAD - start) == b"\xa5" * (LOAD - start)
    assert set(chip.ram(end, start + chip.model.ram_size - end)) == {0xA5}
    assert set(chip.ram(end - 1024, 512)) == {0xA5}, "half of the stack was never used"


# --- where it comes from


@pytest.mark.parametrize("part", PARTS)
def test_a_stub_is_for_the_flash_that_its_part_has(part: str) -> None:
    image, facts = STUBS[part], load_part(part)
    assert (image.part, image.flash_kib) == (part, facts.size // 1024)
    assert image.device_id == facts.identity.usart_pid == MODELS[part].idcode & 0xFFF
    chip = made_chip(part)
    host = host_chip(chip)
    inside = [sector.start + sector.size // 2 for sector in host.sectors]
    requests = [r for place in inside for r in (frames.sync(), frames.erase(place))]
    assert {reply.status for reply in ask(chip, *requests)[1::2]} == {Status.BAD_ADDRESS}
    assert operations(chip) == []


@pytest.mark.parametrize("part", PARTS)
def test_the_committed_stub_is_what_its_manifest_says(part: str) -> None:
    stub, known = STUBS[part].data, manifest(part)
    assert hashlib.sha256(stub).hexdigest() == known["sha256"]
    assert len(stub) == known["size"]
    assert int(known["load_address"], 16) == LOAD
    assert int.from_bytes(stub[:4], "little") == int(known["ram_end"], 16)


@pytest.mark.judge("arm-none-eabi-gcc")
def test_the_stubs_come_out_of_their_sources(tmp_path: Path) -> None:
    gcc = ["arm-none-eabi-gcc", "--version"]
    banner = subprocess.run(gcc, capture_output=True, text=True, check=True).stdout
    if banner.splitlines()[0] != manifest(PART)["compiler"]:
        pytest.skip(f"another compiler: {banner.splitlines()[0]}")
    command = ["make", "-C", str(FOLDER / "firmware"), f"PYTHON={sys.executable}"]
    command += [f"OUT={tmp_path}", f"BUILD={tmp_path}"]
    subprocess.run(command, check=True, capture_output=True)
    for part, image in STUBS.items():
        assert (tmp_path / f"stub-{image.name}.bin").read_bytes() == image.data
        assert json.loads((tmp_path / f"stub-{image.name}.json").read_text()) == manifest(part)
