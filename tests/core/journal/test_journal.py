"""The journal: what it says after every cut, and what no damage can make it say."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from flash_emulator import EmulatedFlash, MetastableMode, Outcome, ProgramError
from mcu_updater.core.errors import VerificationFailed
from mcu_updater.core.journal import (
    END_MARK,
    HEADER_SIZE,
    MAX_ATTEMPTS,
    TURNS,
    Journal,
    JournalState,
    Package,
    Phase,
    Reason,
    Record,
    Snapshot,
    decode_header,
    encode_header,
)
from mcu_updater.core.slot import Window
from tests.thorough import one_in
from tests.worlds import (
    DAMAGES,
    SLOT_SECTORS,
    cut,
    damage_unit,
    journal,
    operations,
    rewrite,
    tiny_part,
    trailer,
)

EVERY = pytest.mark.parametrize("outcome", list(Outcome))
RECORD_AT = 256  # FORMAT: the place of SETTLED, with records of 8 bytes from there on

words = st.integers(0, 0xFFFF_FFFF)
HEADER_PHASES = [phase for phase in Phase if phase is not Phase.TRIAL]


def texts(most: int) -> st.SearchStrategy[str]:
    """Text of *most* bytes at most in UTF-8."""
    return st.text(max_size=most).filter(lambda text: len(text.encode()) <= most)


snapshots = st.builds(
    Snapshot,
    phase=st.sampled_from(HEADER_PHASES),
    generation=words,
    component=texts(32),
    version=texts(64),
    reason=st.sampled_from(Reason),
    package=st.none()
    | st.builds(
        Package,
        length=words,
        md5=st.binary(min_size=16, max_size=16),
        sha256=st.binary(min_size=32, max_size=32),
    ),
    image_size=words,
    image_sha256=st.binary(min_size=32, max_size=32),
    piece_start=words,
)

PLANNED = Snapshot(Phase.PLANNED, 7, "STM32", "2.0.0")
PACKAGE = Package(4500, bytes(range(16)), bytes(range(32)))
LOADING = replace(PLANNED, phase=Phase.LOADING, package=PACKAGE)
CHECKPOINTED = replace(LOADING, piece_start=1500, sectors_done=1, checkpoint=b"state" * 60)
VERIFIED = replace(PLANNED, phase=Phase.VERIFIED, package=PACKAGE, image_size=4500)
CONFIRMED = replace(VERIFIED, phase=Phase.CONFIRMED)
FAILED = replace(VERIFIED, phase=Phase.FAILED, reason=Reason.SELF_TEST)


# --- the header


@given(snapshots, st.integers(0, TURNS - 1))
def test_a_header_gives_back_every_field(snapshot: Snapshot, turn: int) -> None:
    raw = encode_header(snapshot, turn)
    assert raw[215] == turn  # FORMAT
    assert len(raw) == HEADER_SIZE == 256
    assert decode_header(raw) == snapshot


@given(snapshots, st.binary(min_size=1, max_size=600))
def test_a_header_keeps_length_and_crc_of_its_checkpoint(snapshot: Snapshot, held: bytes) -> None:
    read = decode_header(encode_header(replace(snapshot, checkpoint=held)))
    assert read is not None
    assert read.checkpoint == struct.pack("<II", len(held), zlib.crc32(held))
    assert replace(read, checkpoint=b"") == snapshot


def test_names_of_the_greatest_length_are_kept_and_longer_ones_refused() -> None:
    longest = replace(PLANNED, component="c" * 32, version="é" * 32)
    assert decode_header(encode_header(longest)) == longest
    with pytest.raises(ValueError, match=r"component .*at most 32 bytes"):
        encode_header(replace(PLANNED, component="c" * 33))
    with pytest.raises(ValueError, match=r"version .*at most 64 bytes"):
        encode_header(replace(PLANNED, version="é" * 32 + "v"))


def test_a_package_that_is_not_known_is_all_zero() -> None:
    raw = encode_header(PLANNED)
    assert raw[16:20] + raw[28:76] + raw[206:207] == bytes(53)
    assert raw[216:248] == bytes(32)  # reserved


@given(snapshots, st.integers(1, SLOT_SECTORS))
def test_a_header_says_nothing_of_sectors(snapshot: Snapshot, done: int) -> None:
    raw = encode_header(snapshot)
    assert encode_header(replace(snapshot, sectors_done=done)) == raw
    assert raw[24:28] == bytes(4)  # FORMAT


@pytest.mark.parametrize("unit", [2, 4, 8, 16, 32])
def test_the_last_unit_of_a_header_is_never_blank(unit: int) -> None:
    assert encode_header(PLANNED)[-len(END_MARK) :] == END_MARK == b"DONE"
    assert b"\xff" not in END_MARK[-unit:]


@pytest.mark.parametrize("snapshot", [PLANNED, CHECKPOINTED, CONFIRMED])
def test_every_flipped_bit_makes_it_no_header(snapshot: Snapshot) -> None:
    raw = encode_header(snapshot)
    for bit in range(8 * HEADER_SIZE):
        damaged = bytearray(raw)
        damaged[bit // 8] ^= 1 << bit % 8
        assert decode_header(bytes(damaged)) is None, bit


@given(snapshot=snapshots, unit=st.sampled_from([2, 4, 8, 16, 32]), data=st.data())
def test_a_header_that_was_cut_is_no_header(
    snapshot: Snapshot, unit: int, data: st.DataObject
) -> None:
    raw = encode_header(snapshot)
    written = unit * data.draw(st.integers(0, HEADER_SIZE // unit - 1))
    rest = raw[written:]
    torn = bytes(
        want | data.draw(st.integers(0, 255)) for want in raw[written : written + unit]
    ) + b"\xff" * (len(rest) - unit)
    if torn != rest:
        assert decode_header(raw[:written] + torn) is None


@given(snapshots, snapshots, st.sampled_from([8, 16, 32]), st.data())
def test_units_of_two_headers_make_no_third(
    one: Snapshot, other: Snapshot, unit: int, data: st.DataObject
) -> None:
    first, second = encode_header(one), encode_header(other)
    mixed = b"".join(
        data.draw(st.sampled_from([first, second]))[at : at + unit]
        for at in range(0, HEADER_SIZE, unit)
    )
    assert decode_header(mixed) in (one, other, None)


@pytest.mark.parametrize("size", [0, 1, 3, 4, 5, 100, 206, 207, 218, 219, 252, 255, 257])
def test_another_number_of_bytes_is_no_header(size: int) -> None:
    raw = encode_header(PLANNED) + b"\xff"
    assert decode_header(raw[:size]) is None
    assert decode_header(bytes(size)) is None  # the CRC of nothing is 0


def sealed(at: int, value: int) -> bytes:
    """A header with another byte at offset *at*, and a CRC that agrees with it."""
    raw = bytearray(encode_header(PLANNED))
    raw[at] = value
    return seal(raw)


def seal(raw: bytearray) -> bytes:
    raw[248:252] = struct.pack("<I", zlib.crc32(raw[:248]))
    return bytes(raw)


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (0, ord("m")),  # the magic
        (4, 1),  # the format's version, low byte: the one before
        (4, 3),  # and the next
        (5, 1),  # and high byte
        (6, Phase.TRIAL),  # is told by a record
        (6, 7),  # no such phase
        (7, 7),  # no such reason
        (109, 0xFF),  # the component is no UTF-8
    ],
)
def test_a_header_that_no_version_of_this_program_writes_is_none(at: int, value: int) -> None:
    assert decode_header(sealed(at, PLANNED.phase if at == 6 else encode_header(PLANNED)[at]))
    assert decode_header(sealed(at, value)) is None


@pytest.mark.parametrize("length", [681, 2000, 0xFFFF_FFFF])
def test_a_checkpoint_longer_than_the_trailer_makes_it_no_header(length: int) -> None:
    """Of a program with a larger trailer, say. Nothing is read beyond the half."""
    device = trailer()
    raw = bytearray(encode_header(replace(LOADING, checkpoint=b"x")))
    raw[207:211] = struct.pack("<I", length)
    assert decode_header(seal(raw)) is not None
    for half in (0, 1024):
        device.program(device.part.base + half, seal(raw))
    assert journal(device).read() == JournalState()


def test_what_a_boot_is_told_apart_by_does_not_depend_on_headers_decoded_before() -> None:
    """Decoded headers are remembered by their bytes; what a search notes must not know of it."""
    device = trailer()
    written = journal(device).snapshot(CHECKPOINTED)
    told: list[list[tuple[int, tuple[int, bytes]]]] = []
    for _ in range(2):
        boot = device.for_boot(MetastableMode.STABLE, frozenset())
        boot.power_on()
        boot.watch = noting = Noting()
        if not told:
            decode_header.cache_clear()
        assert journal(boot).read() == written
        told.append(noting.comparisons)
    assert told[0] == told[1] != []


class Noting:
    """A watch that keeps what was compared."""

    def __init__(self) -> None:
        self.comparisons: list[tuple[int, tuple[int, bytes]]] = []

    def read(self, offset: int, size: int) -> None: ...

    def compared(self, unit: int, wanted: tuple[int, bytes], *, never: bool) -> None:
        self.comparisons.append((unit, wanted))

    def operation(self, operation: object) -> None: ...

    def moment(self) -> None: ...


@contextmanager
def noted_reads(device: EmulatedFlash) -> Iterator[dict[range, bytes | None]]:
    """What is read meanwhile, in order, as offsets; None where that cannot be read.

    What is only compared counts as read in whole units, and as holding what was found to match.
    """
    reads: dict[range, bytes | None] = {}
    read, match, unit = device.read, device.match, device.part.program_unit

    def compared(address: int, expected: bytes) -> int:
        offset, same = address - device.part.base, match(address, expected)
        last = offset + min(same, len(expected) - 1)  # in the unit that differs, or the last one
        span = range(offset // unit * unit, last // unit * unit + unit)
        assert span not in reads, "read twice"
        reads[span] = expected[:same]
        return same

    def noted(address: int, size: int) -> bytes:
        span = range(address - device.part.base, address - device.part.base + size)
        assert span not in reads, "read twice"
        reads[span] = None
        reads[span] = read(address, size)
        return reads[span] or b""

    device.read = noted  # type: ignore[method-assign]
    device.match = compared  # type: ignore[method-assign]
    yield reads
    del device.read, device.match  # the class's own come back


# --- snapshots, power on


def test_a_virgin_trailer_says_nothing() -> None:
    reading = journal(trailer()).read()
    assert reading == JournalState()
    assert (reading.phase, reading.generation, reading.version) == (Phase.EMPTY, 0, "")
    assert not reading.needs_snapshot
    assert reading.current() is None


@pytest.mark.parametrize("unit", [2, 4, 8, 16, 32])
def test_snapshots_replace_one_another_in_turn(unit: int) -> None:
    kept = journal(trailer(unit=unit))
    halves, turns = [], []
    for snapshot in (PLANNED, LOADING, CHECKPOINTED, VERIFIED, LOADING, CONFIRMED, CONFIRMED):
        reading = kept.snapshot(snapshot)
        assert reading == kept.read()
        assert (reading.snapshot, reading.settled) == (snapshot, True)
        assert reading.sectors_done == snapshot.sectors_done
        halves.append(reading.half)
        turns.append(reading.turn)
    assert halves == [0, 1, 0, 1, 0, 1, 0]
    assert turns == [0, 1, 2, 3, 0, 1, 2]


def test_the_half_that_was_left_holds_no_header_any_more() -> None:
    device = trailer()
    kept = journal(device)
    for snapshot in (PLANNED, CHECKPOINTED, VERIFIED):
        kept.snapshot(snapshot)
    assert device.read(device.part.base + 1024, 512) == b"\xff" * 512


def test_the_header_goes_last_into_a_half_and_settled_behind_the_old_ones_erase() -> None:
    device = trailer()
    kept = journal(device)
    kept.snapshot(PLANNED)
    base, log = device.part.base, []
    program, erase = device.program, device.erase

    def noted_program(address: int, data: bytes) -> None:
        log.append(("program", address - base))
        program(address, data)

    def noted_erase(address: int) -> None:
        log.append(("erase", address - base))
        erase(address)

    device.program, device.erase = noted_program, noted_erase  # type: ignore[method-assign]
    kept.snapshot(CHECKPOINTED)
    assert log == [
        ("erase", 1024),
        ("erase", 1536),
        ("program", 1024 + 344),  # the checkpoint
        ("program", 1024 + 264),  # the record of sector 0, which is done
        ("program", 1024),
        ("erase", 0),
        ("program", 1024 + 256),
    ]


def test_a_checkpoint_comes_back_to_the_last_byte_it_may_have() -> None:
    kept = journal(trailer())
    assert kept.checkpoint_capacity == 1024 - 256 - 8 * (3 + MAX_ATTEMPTS)
    for size in (1, 7, 8, 9, kept.checkpoint_capacity - 1, kept.checkpoint_capacity):
        snapshot = replace(LOADING, checkpoint=bytes(i % 251 for i in range(size)))
        assert kept.snapshot(snapshot).snapshot == snapshot


def test_a_checkpoint_that_does_not_fit_is_the_callers_fault_and_changes_nothing() -> None:
    device = trailer()
    kept = journal(device)
    kept.snapshot(PLANNED)
    taken = device.supply.taken
    with pytest.raises(ValueError, match="does not fit"):
        kept.snapshot(replace(LOADING, checkpoint=bytes(kept.checkpoint_capacity + 1)))
    assert device.supply.taken == taken
    assert kept.read().snapshot == PLANNED


@pytest.mark.parametrize("done", [-1, SLOT_SECTORS + 1])
def test_sectors_done_that_no_slot_has_are_the_callers_fault(done: int) -> None:
    device = trailer()
    with pytest.raises(ValueError, match=f"LOADING with {done} sectors done"):
        journal(device).snapshot(replace(LOADING, sectors_done=done))
    with pytest.raises(ValueError, match="VERIFIED with 1 sectors done"):
        journal(device).snapshot(replace(VERIFIED, sectors_done=1))
    assert device.supply.taken == 0


def test_a_trailer_without_room_for_the_records_is_refused() -> None:
    device = EmulatedFlash(tiny_part([256] * 4))
    halves = Window(device, device.part.base, (256,)), Window(device, device.part.base, (256,))
    with pytest.raises(ValueError, match="do not fit"):
        Journal(halves, SLOT_SECTORS)


def test_a_half_holds_header_and_records_and_what_is_left_is_for_a_checkpoint() -> None:
    for sector, slot_sectors, left in ((512, 30, 8), (512, 31, 0), (1024, 94, 8), (512, 4, 168)):
        device = EmulatedFlash(tiny_part([sector] * 2))
        halves = (
            Window(device, device.part.base, [sector]),
            Window(device, device.part.base + sector, [sector]),
        )
        assert Journal(halves, slot_sectors).checkpoint_capacity == left


def test_a_trailer_that_takes_no_snapshot_is_named() -> None:
    device = trailer()
    kept = journal(device)
    kept.snapshot(PLANNED)
    device.erase = lambda address: None  # type: ignore[method-assign]  # a protected sector
    with pytest.raises(VerificationFailed, match=r"0x0800_0400.*something else"):
        kept.snapshot(LOADING)  # the other half was virgin, but the old header does not go away
    with pytest.raises(VerificationFailed, match=r"0x0800_0400.*PROGERR") as caught:
        kept.snapshot(VERIFIED)
    assert isinstance(caught.value.__cause__, ProgramError)
    assert kept.read().snapshot == PLANNED


def test_a_trailer_that_holds_something_else_is_named() -> None:
    device = trailer()
    device.program = lambda address, data: None  # type: ignore[method-assign]
    with pytest.raises(VerificationFailed, match="does not hold the journal"):
        journal(device).snapshot(PLANNED)


@pytest.mark.parametrize("at", [0, 248, 255, 264, 344])
def test_a_snapshot_that_loses_a_bit_on_the_way_leaves_the_old_one(at: int) -> None:
    """Header, CRC, end mark, record, checkpoint: read back before the old header is erased."""
    device = trailer()
    kept = journal(device)
    kept.snapshot(PLANNED)
    program, place = device.program, device.part.base + 1024 + at

    def faulty(address: int, data: bytes) -> None:
        damaged = bytearray(data)
        if address <= place < address + len(data):
            damaged[place - address] ^= 1
        program(address, bytes(damaged))

    device.program = faulty  # type: ignore[method-assign]
    with pytest.raises(VerificationFailed, match=r"0x0800_0400.*something else"):
        kept.snapshot(CHECKPOINTED)
    del device.program
    assert (kept.read().snapshot, kept.read().settled) == (PLANNED, True)
    assert kept.snapshot(CHECKPOINTED).snapshot == CHECKPOINTED


# --- records, power on


def test_sectors_are_counted_in_order_those_of_the_snapshot_first() -> None:
    kept = journal(trailer())
    reading = kept.snapshot(replace(LOADING, sectors_done=1))
    assert reading.snapshot == replace(LOADING, sectors_done=1)
    assert kept.read().sectors_done == 1
    kept.record(reading, Record.SECTOR, 3)
    assert kept.read().sectors_done == 1
    kept.record(reading, Record.SECTOR, 1)
    assert kept.read().sectors_done == 2
    kept.record(reading, Record.SECTOR, 2)
    assert kept.read().sectors_done == 4 == SLOT_SECTORS


@pytest.mark.parametrize("unit", [8, 16, 32])
@pytest.mark.parametrize("done", range(SLOT_SECTORS + 1))
@pytest.mark.parametrize("bad", range(SLOT_SECTORS))
def test_sectors_before_an_unreadable_record_count(done: int, bad: int, unit: int) -> None:
    device = trailer(unit=unit)
    kept = journal(device)
    kept.snapshot(replace(LOADING, sectors_done=done))
    size = max(8, unit)
    damage_unit(device, device.part.base + RECORD_AT + size * (1 + bad), "unreadable")
    assert kept.read().sectors_done == min(done, bad)


def test_sector_records_are_read_up_to_the_first_that_is_missing() -> None:
    """In one go, and nothing behind it."""
    device = EmulatedFlash(tiny_part([2048] * 4))
    base, sizes = device.part.base, device.part.sector_sizes
    halves = Window(device, base, sizes[:2]), Window(device, base + 4096, sizes[2:])
    kept = Journal(halves, 224)
    for done in (0, 1, 2, 3, 7, 8, 100, 223, 224):
        kept.snapshot(PLANNED)  # back to half 1
        kept.snapshot(replace(LOADING, sectors_done=done))
        with noted_reads(device) as reads:
            assert kept.read().sectors_done == done
        spans = [at for at in reads if at.start % 4096 >= RECORD_AT + 8]
        assert [len(span) for span in spans] == [8 * min(done + 1, 224)]


def test_records_of_a_snapshot_go_with_it() -> None:
    kept = journal(trailer())
    for _ in range(3):
        reading = kept.snapshot(LOADING)
        assert reading.sectors_done == 0
        kept.record(reading, Record.SECTOR, 0)
        assert kept.read().sectors_done == 1
        reading = kept.snapshot(VERIFIED)
        assert (reading.phase, reading.attempts, reading.failed) == (Phase.VERIFIED, 0, False)


def test_sector_records_count_for_a_package_under_way_only() -> None:
    kept = journal(trailer())
    for snapshot in (PLANNED, CONFIRMED, FAILED):
        reading = kept.snapshot(snapshot)
        kept.record(reading, Record.SECTOR, 0)
        assert kept.read() == reading


def test_the_way_of_a_trial() -> None:
    kept = journal(trailer())
    reading = kept.snapshot(VERIFIED)
    assert reading.phase is Phase.VERIFIED
    kept.record(reading, Record.SWITCHED)
    assert kept.read().phase is Phase.TRIAL
    for attempt in range(MAX_ATTEMPTS):
        assert kept.read().attempts == attempt
        kept.record(reading, Record.ATTEMPT, attempt)
    assert kept.read().attempts == MAX_ATTEMPTS
    assert kept.read().phase is Phase.TRIAL
    kept.record(reading, Record.FAILED)
    assert kept.read().phase is Phase.FAILED


def test_no_record_is_added_to_what_is_not_settled() -> None:
    device = trailer()
    kept = journal(device)
    with pytest.raises(ValueError, match="no settled snapshot"):
        kept.record(kept.read(), Record.SECTOR)
    total = operations(twin := device.fork(), lambda: journal(twin).snapshot(LOADING))
    assert cut(device, total, Outcome.BEFORE, lambda: kept.snapshot(LOADING))
    assert not kept.read().settled
    with pytest.raises(ValueError, match="no settled snapshot"):
        kept.record(kept.read(), Record.SECTOR)


def test_a_switch_in_a_half_that_is_not_settled_does_not_count() -> None:
    device = trailer()
    kept = journal(device)
    reading = kept.snapshot(VERIFIED)
    kept.record(reading, Record.SWITCHED)
    device.spoil(device.part.base + RECORD_AT)
    assert (kept.read().settled, kept.read().phase) == (False, Phase.VERIFIED)


def words_at(device: EmulatedFlash, place: int) -> bytes:
    at = RECORD_AT + 8 * place
    return device.read(device.part.base + at, 8)


def test_a_record_tells_kind_index_and_generation() -> None:
    device = trailer()
    kept = journal(device)
    reading = kept.snapshot(replace(LOADING, generation=0x01020304))
    kept.record(reading, Record.SECTOR, 2)
    generation = b"\x04\x03\x02\x01"
    assert words_at(device, 0) == b"\x4a\x00\x00\x00" + generation
    assert words_at(device, 3) == b"\x4a\x01\x02\x00" + generation


def test_a_record_counts_at_its_own_place_and_for_its_own_kind_only() -> None:
    device = trailer()
    kept = journal(device)
    reading = kept.snapshot(LOADING)
    kept.record(reading, Record.SECTOR, 0)
    first = words_at(device, 1)
    device.preload(device.part.base + RECORD_AT + 16, first)  # index 0 at the place of 1
    assert kept.read().sectors_done == 1

    other = trailer()
    verified = journal(other)
    verified.snapshot(VERIFIED)
    other.preload(other.part.base + RECORD_AT + 8, first)  # SECTOR 0 at the place of SWITCHED
    assert verified.read().phase is Phase.VERIFIED


def test_a_record_of_another_generation_does_not_count() -> None:
    device = trailer()
    kept = journal(device)
    reading = kept.snapshot(LOADING)
    kept.record(reading, Record.SECTOR, 0)
    settled, sector = words_at(device, 0), words_at(device, 1)
    other = trailer()
    later = journal(other)
    later.snapshot(replace(LOADING, generation=LOADING.generation + 1))
    other.preload(other.part.base + RECORD_AT + 8, sector)
    assert later.read().sectors_done == 0
    other.preload(other.part.base + RECORD_AT, settled)
    assert not later.read().settled


def test_the_highest_generation_has_records_too() -> None:
    kept = journal(trailer())
    last = kept.snapshot(replace(LOADING, generation=0xFFFF_FFFF))
    kept.record(last, Record.SECTOR, 0)
    assert kept.read().sectors_done == 1


@pytest.mark.parametrize("unit", [2, 8, 16, 32])
def test_a_record_with_one_wrong_bit_does_not_count(unit: int) -> None:
    device = trailer(unit=unit)
    kept = journal(device)
    size = max(8, unit)
    reading = kept.snapshot(VERIFIED)
    kept.record(reading, Record.SWITCHED)
    for bit in range(8 * size):
        for place, name in ((0, "settled"), (1, "switched")):
            at = device.part.base + RECORD_AT + place * size + bit // 8
            held = device.read(at, 1)
            device.preload(at, bytes([held[0] ^ 1 << bit % 8]))
            assert not getattr(kept.read(), name), (name, bit)
            device.preload(at, held)
    assert kept.read().switched


def test_a_place_that_is_taken_says_so() -> None:
    kept = journal(trailer())
    reading = kept.snapshot(LOADING)
    kept.record(reading, Record.SECTOR, 0)
    with pytest.raises(OSError, match="PROGERR"):
        kept.record(reading, Record.SECTOR, 0)


# --- readings


@pytest.mark.parametrize("phase", HEADER_PHASES)
@pytest.mark.parametrize("settled", [True, False])
def test_only_what_is_at_rest_needs_no_snapshot(phase: Phase, settled: bool) -> None:
    reading = JournalState(0, replace(PLANNED, phase=phase), settled)
    at_rest = settled and phase in (Phase.CONFIRMED, Phase.FAILED)
    assert reading.needs_snapshot is not at_rest


def test_the_current_snapshot_says_what_the_records_said() -> None:
    loading = replace(LOADING, sectors_done=3)
    assert JournalState(0, loading, True).sectors_done == 3
    assert JournalState(0, loading, True).current() == loading
    assert JournalState(0, VERIFIED, True).current() == VERIFIED
    assert JournalState(0, FAILED, True).current() == FAILED
    failed = replace(VERIFIED, phase=Phase.FAILED)
    damaged, spent = (
        JournalState(0, VERIFIED, True, switched=True, failed=True, attempts=n).current()
        for n in (0, 3)
    )
    assert damaged == replace(failed, reason=Reason.NOT_INTACT)
    assert spent == replace(failed, reason=Reason.ATTEMPTS)


def test_a_trial_cannot_be_told_in_a_header() -> None:
    with pytest.raises(ValueError, match="confirm or fail"):
        JournalState(0, VERIFIED, True, switched=True).current()


# --- snapshots, cut

OLD = replace(CHECKPOINTED, version="1.9", checkpoint=b"older" * 30)
NEW = replace(CHECKPOINTED, version="2.0")
NEXT = replace(PLANNED, version="2.1")


def settled_in(half: int) -> Callable[[], EmulatedFlash]:
    def start() -> EmulatedFlash:
        device = trailer(seed=half)
        for snapshot in [NEXT, OLD][1 - half :]:
            journal(device).snapshot(snapshot)
        assert (journal(device).read().half, journal(device).read().settled) == (half, True)
        return device

    return start


def unsettled_in(half: int) -> Callable[[], EmulatedFlash]:
    def start() -> EmulatedFlash:
        device = trailer(seed=half)
        if half:
            journal(device).snapshot(NEXT)
        last = operations(twin := device.fork(), lambda: journal(twin).snapshot(OLD))
        assert cut(device, last, Outcome.BEFORE, lambda: journal(device).snapshot(OLD))
        assert (journal(device).read().half, journal(device).read().settled) == (half, False)
        return device

    return start


def with_records() -> EmulatedFlash:
    device = settled_in(0)()
    kept = journal(device)
    for sector in (1, 2):
        kept.record(kept.read(), Record.SECTOR, sector)
    return device


STARTS = {
    "empty": (trailer, None, 0),
    "settled in half 0": (settled_in(0), OLD, 1),
    "settled in half 1": (settled_in(1), OLD, 1),
    "unsettled in half 0": (unsettled_in(0), OLD, 1),
    "unsettled in half 1": (unsettled_in(1), OLD, 1),
    "with records": (with_records, replace(OLD, sectors_done=3), 3),
}


@EVERY
@pytest.mark.parametrize("start", STARTS)
def test_a_snapshot_cut_anywhere_is_the_old_one_or_the_new_one(
    start: str, outcome: Outcome
) -> None:
    make, old, old_done = STARTS[start]
    begin = make()
    total = operations(twin := begin.fork(), lambda: journal(twin).snapshot(NEW))
    told = set()
    for operation in range(1, total + 1):
        device = begin.fork()
        kept = journal(device)
        assert cut(device, operation, outcome, partial(kept.snapshot, NEW))
        for _ in range(3):  # power-ons: weak units decay
            reading = kept.read()
            assert reading.snapshot in (old, NEW)
            told.add(reading.version)
            done = NEW.sectors_done if reading.snapshot == NEW else old_done
            assert reading.sectors_done == done
            again = device.fork()
            after = journal(again).snapshot(NEXT)
            assert (after.snapshot, after.settled) == (NEXT, True)
            for _ in range(3):
                again.power_on()
                assert journal(again).read() == after
            device.power_on()
    assert told == {old.version if old else "", NEW.version}


def renew(device: EmulatedFlash) -> None:
    """Write anew what is read, as the updater does after a reset."""
    current = journal(device).read().current()
    assert current is not None
    journal(device).snapshot(current)


@pytest.mark.parametrize(("start", "outcome"), one_in(2, [*product(STARTS, Outcome)]))
def test_a_renewal_that_is_cut_as_well_loses_nothing(start: str, outcome: Outcome) -> None:
    make, old, _ = STARTS[start]
    begin = make()

    def snapshot(device: EmulatedFlash) -> None:
        journal(device).snapshot(NEW)

    def turns(device: EmulatedFlash, call: Callable[[EmulatedFlash], None]) -> list[int]:
        """The operations that matter: erases, the end of the header, and what comes behind it."""
        total = operations(twin := device.fork(), lambda: call(twin))
        return [1, 2, 3, *range(total - 4, total + 1)]

    for first in turns(begin, snapshot):
        once = begin.fork()
        assert cut(once, first, outcome, partial(snapshot, once))
        if journal(once).read().snapshot is None:
            assert old is None
            continue
        for second, other in one_in(3, [*product(turns(once, renew), Outcome)], first):
            device = once.fork()
            assert cut(device, second, other, partial(renew, device))
            for _ in range(3):
                found = journal(device).read().current()
                if found is None:
                    assert old is None, f"cut at {first}, then at {second}, {other}"
                else:
                    assert found.version in (NEW.version, old.version if old else "")
                device.power_on()


@pytest.mark.parametrize("before", range(9))
def test_a_header_that_may_be_weak_never_costs_the_one_before(before: int) -> None:
    """Three cuts: before SETTLED; in the last unit of the next header, weak; in the renewal.

    The weak header must not be the one that counts, or its renewal erases the only strong one.
    *before*: snapshots so far, for turns and halves come round.
    """
    device = trailer()
    kept = journal(device)
    for _ in range(before):
        kept.snapshot(PLANNED)
    total = operations(twin := device.fork(), lambda: journal(twin).snapshot(OLD))
    assert cut(device, total, Outcome.BEFORE, lambda: kept.snapshot(OLD))
    total = operations(twin := device.fork(), lambda: journal(twin).snapshot(NEXT))
    header_end = total - 2  # behind it: the erase of the old header, and SETTLED
    for outcome in (Outcome.WEAK, Outcome.AFTER):
        twin = device.fork()
        assert cut(twin, header_end, outcome, partial(journal(twin).snapshot, NEXT))
        assert journal(twin).read().snapshot == OLD
        for operation in (1, 2, 3):
            again = twin.fork()
            assert cut(again, operation, Outcome.BEFORE, partial(renew, again))
            for _ in range(3):
                assert journal(again).read().snapshot == OLD
                again.power_on()


# --- what stands in flash does not tell how often power was lost


def step_by_step(snapshot: Snapshot, half: int, turn: int, *, unit: int = 8) -> bytes:
    """The half as a run without a cut leaves it: a snapshot, and a record for each sector."""
    device = trailer(unit=unit)
    kept = journal(device)
    reading = kept.snapshot(PLANNED)
    while (reading.half, reading.turn, reading.snapshot) != (half, turn, bare(snapshot)):
        reading = kept.snapshot(bare(snapshot))
    for sector in range(snapshot.sectors_done):
        kept.record(reading, Record.SECTOR, sector)
    return device.read(device.part.base + 1024 * half, 1024)


THREE = replace(CHECKPOINTED, sectors_done=3)


@pytest.mark.parametrize(("start", "outcome"), one_in(2, [*product(STARTS, Outcome)]))
def test_a_half_after_a_cut_and_a_renewal_is_that_of_a_run_without(
    start: str, outcome: Outcome
) -> None:
    """Byte for byte, whatever stood there: but for half and turn, of which there are four."""
    begin = STARTS[start][0]()
    total = operations(twin := begin.fork(), lambda: journal(twin).snapshot(THREE))
    places = set()
    for operation in range(1, total + 1):
        device = begin.fork()
        assert cut(device, operation, outcome, partial(journal(device).snapshot, THREE))
        if journal(device).read().snapshot is None:
            continue
        for _ in range(2):
            renew(device)
            reading = journal(device).read()
            assert reading.snapshot is not None
            assert reading.half is not None
            held = device.read(device.part.base + 1024 * reading.half, 1024)
            assert held == step_by_step(reading.snapshot, reading.half, reading.turn)
            places.add((reading.half, reading.turn))
            other = device.part.base + 1024 * (1 - reading.half)
            assert device.read(other, 512) == b"\xff" * 512
    assert len(places) <= TURNS


@pytest.mark.parametrize("unit", [2, 4, 8, 16])
@pytest.mark.parametrize("done", range(SLOT_SECTORS + 1))
def test_records_that_a_snapshot_carries_are_those_that_are_added(done: int, unit: int) -> None:
    device = trailer(unit=unit)
    for _ in range(TURNS + 2):
        snapshot = replace(CHECKPOINTED, sectors_done=done)
        reading = journal(device).snapshot(snapshot)
        assert reading.half is not None
        held = device.read(device.part.base + 1024 * reading.half, 1024)
        assert held == step_by_step(snapshot, reading.half, reading.turn, unit=unit)


@EVERY
@pytest.mark.parametrize("unit", [2, 8, 32])
@pytest.mark.parametrize("snapshots", range(3))
def test_of_a_half_without_a_header_its_last_header_unit_is_read(
    snapshots: int, unit: int, outcome: Outcome
) -> None:
    """And nothing else, whatever a cut has left in it; of half 1 nothing when half 0 is settled."""
    begin = trailer(unit=unit)
    for _ in range(snapshots):
        journal(begin).snapshot(OLD)
    half_size = 2 * begin.part.sector_sizes[0]
    total = operations(twin := begin.fork(), lambda: journal(twin).snapshot(NEW))
    void = 0
    for operation in range(1, total + 1):
        device = begin.fork()
        assert cut(device, operation, outcome, partial(journal(device).snapshot, NEW))
        for _ in range(2):
            with noted_reads(device) as reads:
                reading = journal(device).read()
            for half in (0, 1):
                seen = {at: held for at, held in reads.items() if at.start // half_size == half}
                last = range(half * half_size + 256 - unit, half * half_size + 256)
                if half == 1 and (reading.half, reading.settled) == (0, True):
                    assert not seen
                    void += 1
                    continue
                first = next(iter(seen))
                assert first == last
                if seen[first] != b"DONE"[-unit:]:
                    assert len(seen) == 1
                    void += 1
            device.power_on()
    assert void >= total


# --- records, cut

COUNTS = {
    Outcome.BEFORE: {1},
    Outcome.TORN: {1, 2},  # few cells were missing, and the ECC has put them right
    Outcome.METASTABLE: {1, 2},
    Outcome.BLANK: {1},
    Outcome.WEAK: {1, 2},
    Outcome.AFTER: {2},
}
"""Of one record that was there and one that was cut: how many a reading may give."""


@EVERY
def test_a_sector_record_that_was_cut_counts_itself_at_most(outcome: Outcome) -> None:
    device = trailer()
    kept = journal(device)
    reading = kept.snapshot(LOADING)
    kept.record(reading, Record.SECTOR, 0)
    assert cut(device, 1, outcome, lambda: kept.record(reading, Record.SECTOR, 1))
    counts = []
    for _ in range(3):
        counts.append(kept.read().sectors_done)
        device.power_on()
    assert set(counts) <= COUNTS[outcome]
    assert counts[0] == 2 or outcome is not Outcome.WEAK


@EVERY
def test_a_sector_that_was_not_recorded_never_counts(outcome: Outcome) -> None:
    device = trailer()
    kept = journal(device)
    reading = kept.snapshot(LOADING)
    assert cut(device, 1, outcome, lambda: kept.record(reading, Record.SECTOR, 0))
    kept.record(reading, Record.SECTOR, 1)  # it is verified, and yet one below it may not be
    for _ in range(3):
        assert kept.read().sectors_done in {2 * (count - 1) for count in COUNTS[outcome]}
        device.power_on()


@EVERY
def test_a_switch_that_was_cut_is_a_switch_or_none(outcome: Outcome) -> None:
    device = trailer()
    kept = journal(device)
    reading = kept.snapshot(VERIFIED)
    assert cut(device, 1, outcome, lambda: kept.record(reading, Record.SWITCHED))
    phases = []
    for _ in range(3):
        phases.append(kept.read().phase)
        device.power_on()
    by_count = {1: Phase.VERIFIED, 2: Phase.TRIAL}
    assert set(phases) <= {by_count[count] for count in COUNTS[outcome]}
    assert phases[0] is Phase.TRIAL or outcome is not Outcome.WEAK


@pytest.mark.parametrize("unit", [2, 4, 8, 16, 32])
@given(data=st.data())
@settings(max_examples=40)
def test_no_part_of_a_switch_is_a_switch(unit: int, data: st.DataObject) -> None:
    """Without ECC a torn unit reads as any mix of what it was and what it was to be."""
    device = trailer(unit=unit, ecc=False)
    kept = journal(device)
    reading = kept.snapshot(VERIFIED)
    size = max(8, unit)
    place = device.part.base + HEADER_SIZE + size
    kept.record(reading, Record.SWITCHED)
    whole = device.read(place, size)
    mask = data.draw(st.binary(min_size=size, max_size=size))
    torn = bytes(w | m for w, m in zip(whole, mask, strict=True))
    device.preload(place, torn)
    assert kept.read().switched == (torn == whole)


@EVERY
@pytest.mark.parametrize("ecc", [True, False])
@pytest.mark.parametrize("lost", range(3))
def test_attempts_that_were_cut_are_never_forgotten_once_another_follows(
    outcome: Outcome, ecc: bool, lost: int
) -> None:
    device = trailer(ecc=ecc)
    kept = journal(device)
    reading = kept.snapshot(VERIFIED)
    kept.record(reading, Record.SWITCHED)
    for attempt in range(lost):
        kept.record(reading, Record.ATTEMPT, attempt)
    assert cut(device, 1, outcome, lambda: kept.record(reading, Record.ATTEMPT, lost))
    assert lost <= kept.read().attempts <= lost + 1
    kept.record(reading, Record.ATTEMPT, lost + 1)
    for _ in range(3):
        assert kept.read().attempts == lost + 2
        device.power_on()


@pytest.mark.parametrize("record", [Record.ATTEMPT, Record.FAILED])
@pytest.mark.parametrize("ecc", [True, False])
def test_a_torn_record_of_the_bootloader_counts(record: Record, ecc: bool) -> None:
    """Unless so few cells have moved that it reads blank."""
    counted = 0
    for seed in range(40):
        device = trailer(ecc=ecc, seed=seed)
        kept = journal(device)
        reading = kept.snapshot(VERIFIED)
        kept.record(reading, Record.SWITCHED)
        assert cut(device, 1, Outcome.TORN, lambda: kept.record(reading, record))  # noqa: B023
        place = {Record.FAILED: 2, Record.ATTEMPT: 3}[record]
        window = Window(device, device.part.base, (512,))
        counts = window.peek(RECORD_AT + 8 * place, 8) != b"\xff" * 8
        assert kept.read().attempts == (counts and record is Record.ATTEMPT)
        assert kept.read().failed == (counts and record is Record.FAILED)
        counted += counts
    assert counted >= 30


# --- any damage


def bare(snapshot: Snapshot) -> Snapshot:
    """What header and checkpoint say."""
    return replace(snapshot, sectors_done=0)


WRITTEN = (PLANNED, LOADING, CHECKPOINTED, replace(CHECKPOINTED, checkpoint=b"other" * 60))


@st.composite
def damaged(draw: st.DrawFn) -> EmulatedFlash:
    """A trailer with a past, and then: units of other times and places, noise, unreadable units."""
    device = trailer(seed=draw(st.integers(0, 3)), ecc=draw(st.booleans()))
    kept = journal(device)
    base, size = device.part.base, device.part.size
    times = [device.read(base, size)]
    for snapshot in draw(st.lists(st.sampled_from(WRITTEN), min_size=1, max_size=4)):
        kept.snapshot(snapshot)
        times.append(device.read(base, size))
        if snapshot.phase is Phase.LOADING and draw(st.booleans()):
            kept.record(kept.read(), Record.SECTOR, snapshot.sectors_done)
            times.append(device.read(base, size))
    data, bad = bytearray(times[-1]), {}
    for _ in range(draw(st.integers(0, 6))):
        what = draw(st.sampled_from(["copy", "mix", "noise", "swap", "flip", "bad", "blank"]))
        at = 8 * draw(st.integers(0, size // 8 - 1))
        span = min(draw(st.sampled_from([8, 16, 256, 344, 512, 1024])), size - at)
        if what == "copy":  # an old half, or a part of one, also into the other half
            source = draw(st.sampled_from(times))
            begin = draw(st.sampled_from([at, (at + 1024) % size, 0, 1024]))
            piece = source[begin : begin + span]
            data[at : at + len(piece)] = piece
        elif what == "mix":
            source = draw(st.sampled_from(times))
            for unit in range(at, at + span, 8 * draw(st.integers(1, 4))):
                data[unit : unit + 8] = source[unit : unit + 8]
        elif what == "noise":
            data[at : at + 8] = draw(st.binary(min_size=8, max_size=8))
        elif what == "swap":
            other = draw(st.integers(0, size - 1))
            data[at], data[other] = data[other], data[at]
        elif what == "flip":
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif what == "blank":
            data[at : at + span] = b"\xff" * span
        else:
            bad[at] = draw(st.sampled_from(DAMAGES))
    assert len(data) == size
    rewrite(device, bytes(data))
    for at, how in bad.items():
        damage_unit(device, base + at, how)
    return device


@given(damaged())
@settings(max_examples=200)
def test_no_damage_makes_a_journal_say_what_was_not_written(device: EmulatedFlash) -> None:
    kept = journal(device)
    for _ in range(3):
        reading = kept.read()
        assert reading.snapshot is None or bare(reading.snapshot) in map(bare, WRITTEN)
        if reading.snapshot is not None and reading.snapshot.phase is not Phase.LOADING:
            assert reading.sectors_done == 0
        assert not reading.switched
        assert reading.sectors_done <= SLOT_SECTORS
        device.power_on()
    after = kept.snapshot(CONFIRMED)
    assert (after.snapshot, after.settled) == (CONFIRMED, True)


@given(raw=st.binary(min_size=64, max_size=64), bad=st.sets(st.integers(0, 255), max_size=8))
def test_noise_says_nothing(raw: bytes, bad: set[int]) -> None:
    device = trailer()
    device.preload(device.part.base, raw * 32)
    for unit in bad:
        device.spoil(device.part.base + 8 * unit)
    assert journal(device).read() == JournalState()


# --- the state machine

PLANS = [replace(snapshot, version=f"{n}") for n in range(3) for snapshot in WRITTEN[:3]]
TO_VERIFY = [replace(VERIFIED, version=f"v{n}") for n in range(2)]


class JournalMachine(RuleBasedStateMachine):
    """The journal against all that it may say.

    ``allowed``: bare snapshots that a reading may give, each with the sectors that it may tell
    of, and whether it may tell of a switch. One that came back from ``snapshot`` is alone in it.
    ``renewed``: a snapshot was written since power came; only then are records added.
    """

    @initialize(seed=st.integers(0, 3))
    def begin(self, seed: int) -> None:
        self.device = trailer(seed=seed)
        self.journal = journal(self.device)
        self.allowed: dict[Snapshot | None, set[int]] = {None: {0}}
        self.switched = {False}
        self.renewed = False

    @rule(snapshot=st.sampled_from(PLANS + TO_VERIFY))
    def write(self, snapshot: Snapshot) -> None:
        reading = self.journal.snapshot(snapshot)
        assert (reading.snapshot, reading.settled) == (snapshot, True)
        self.allowed = {bare(snapshot): {snapshot.sectors_done}}
        self.switched = {False}
        self.renewed = True

    @rule(
        snapshot=st.sampled_from(PLANS + TO_VERIFY),
        operation=st.integers(1, 3) | st.integers(30, 100),
        outcome=st.sampled_from(Outcome),
    )
    def write_and_lose_power(self, snapshot: Snapshot, operation: int, outcome: Outcome) -> None:
        lost = cut(self.device, operation, outcome, lambda: self.journal.snapshot(snapshot))
        self.renewed = not lost
        if not lost:
            self.allowed, self.switched = {}, {False}
        self.allowed.setdefault(bare(snapshot), set()).add(snapshot.sectors_done)
        self.switched.add(False)

    @rule(
        snapshot=st.sampled_from(PLANS + TO_VERIFY),
        left=st.integers(0, 3),
        outcome=st.sampled_from(Outcome),
    )
    def write_and_lose_power_late(self, snapshot: Snapshot, left: int, outcome: Outcome) -> None:
        """About the end of the header, the erase of the old one, and SETTLED."""
        total = operations(twin := self.device.fork(), lambda: journal(twin).snapshot(snapshot))
        self.write_and_lose_power(snapshot, total - left, outcome)

    def under_way(self, phase: Phase) -> bool:
        reading = self.journal.read()
        return self.renewed and reading.phase is phase

    @precondition(lambda self: self.under_way(Phase.LOADING))
    @rule(outcome=st.none() | st.sampled_from(Outcome))
    def record_a_sector(self, outcome: Outcome | None) -> None:
        reading = self.journal.read()
        sector = reading.sectors_done
        if sector == SLOT_SECTORS:
            return
        assert reading.snapshot is not None
        self.allowed[bare(reading.snapshot)].add(sector + 1)
        self._record(reading, Record.SECTOR, sector, outcome)

    @precondition(lambda self: self.under_way(Phase.VERIFIED))
    @rule(outcome=st.none() | st.sampled_from(Outcome))
    def switch(self, outcome: Outcome | None) -> None:
        self.switched.add(True)
        self._record(self.journal.read(), Record.SWITCHED, 0, outcome)

    def _record(
        self, after: JournalState, what: Record, index: int, outcome: Outcome | None
    ) -> None:
        def write() -> None:
            self.journal.record(after, what, index)
            again = self.journal.read()
            assert again.switched if what is Record.SWITCHED else again.sectors_done > index

        if outcome is None:
            write()
        elif cut(self.device, 1, outcome, write):
            self.renewed = False

    @rule()
    def lose_power_at_rest(self) -> None:
        self.renewed = False
        self.device.power_on()

    @precondition(lambda self: self.journal.read().snapshot is not None)
    @rule()
    def renew(self) -> None:
        reading = self.journal.read()
        current = replace(reading, switched=False).current()
        if current is None:  # of headers that were never settled: a moment ago it read otherwise
            assert None in self.allowed
            return
        after = self.journal.snapshot(current)
        assert (after.snapshot, after.sectors_done) == (current, reading.sectors_done)
        self.allowed = {bare(current): {current.sectors_done}}
        self.switched = {False}
        self.renewed = True

    @invariant()
    def it_says_what_it_may_say(self) -> None:
        reading = self.journal.read()
        told = reading.snapshot and bare(reading.snapshot)
        assert told in self.allowed
        assert reading.sectors_done in self.allowed[told]
        assert reading.switched in self.switched


JournalMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=25)
TestJournalMachine = JournalMachine.TestCase
