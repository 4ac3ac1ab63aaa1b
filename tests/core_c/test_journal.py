"""The journal in C: on every trailer it says what Python says, and looks at the same units in the
same order; what it writes, and what comes of a write that fails, is the same unit by unit."""

from __future__ import annotations

import hashlib
import random
from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from flash_emulator import EmulatedFlash
from mcu_updater.core.bank import Bank
from mcu_updater.core.errors import VerificationFailed
from mcu_updater.core.image_version import Version
from mcu_updater.core.journal import (
    MAX_ATTEMPTS,
    TURNS,
    JournalState,
    Phase,
    Reason,
    Record,
    Snapshot,
    encode_header,
    record_bytes,
    record_offset,
    record_size,
)
from mcu_updater.core.slot import Window
from tests.core_c.devices import COPY, REMAP, TARGETS, Mapping, Target, blank, hooks, recorded
from tests.core_c.snapshots import (
    from_c,
    state_from_c,
    state_without_checkpoint,
    to_c,
    without_checkpoint,
)
from tests.core_c.trailers import (
    CONFIRMED,
    LOADING,
    PACKAGE,
    PLANNED,
    SIGNED,
    VERIFIED,
    any_snapshot,
    any_trailer,
)
from tests.thorough import THOROUGH, one_in

pytestmark = pytest.mark.judge("gcc")

EVERY = pytest.mark.parametrize("target", TARGETS, ids=str)


def many(target: Target) -> int:
    """How many trailers are tried: fewer where others of the same kind are."""
    if THOROUGH:
        return 4000
    return 80 if target in (REMAP, COPY) else 30


class Twin:
    """Two devices with the same in them, one for either language."""

    def __init__(self, target: Target, device: EmulatedFlash, index: int = 0, **fails: Any) -> None:
        self.python = recorded(target, device.fork(), **fails)
        self.c = recorded(target, device.fork(), **fails)
        self.bank: Bank = target.banks(self.python)[index]
        self._hooks = hooks(target)
        self._hooks.connect(self.c, Mapping())
        native = target.native()
        self.ffi, self.lib = native.ffi, native.lib
        self.c_bank = self.ffi.new("struct fwu_bank *")
        self.lib.fwu_open_bank(self.c_bank, index)
        self.journal = self.ffi.new("struct fwu_journal *")

    def read(self) -> JournalState:
        """What Python says, after C has said the same."""
        said = self.bank.journal.read()
        self.read_in_c()
        assert state_from_c(self.ffi, self.journal) == state_without_checkpoint(said)
        assert self.c.log == self.python.log
        return said

    def read_in_c(self) -> None:
        self.ffi.memmove(self.journal, b"\xa5" * self.ffi.sizeof(self.journal[0]), 8)
        self.lib.fwu_journal_read(self.c_bank, self.journal)

    def write_in_c(self, snapshot: Snapshot, rng: random.Random | None = None) -> bool:
        """The checkpoint in parts, cut at random; whole where there is no *rng*."""
        pieces = _cut_up(snapshot.checkpoint, rng)
        kept = [self.ffi.new("uint8_t[]", piece or b"\0") for piece in pieces]
        parts = self.ffi.new("struct fwu_bytes[]", max(1, len(pieces)))
        for part, data, piece in zip(parts, kept, pieces, strict=False):
            part.data, part.size = data, len(piece)
        told = to_c(self.ffi, replace(snapshot, checkpoint=b""))
        return bool(self.lib.fwu_journal_write(self.c_bank, self.journal, told, parts, len(pieces)))

    def assert_same_flash(self) -> None:
        if self.python.geometry.name in (REMAP.name, COPY.name):  # those of others are large
            assert self.c.device.save() == self.python.device.save()

    def write(self, snapshot: Snapshot, old: JournalState, rng: random.Random) -> bool:
        """Whether Python has written it, after C has done the same."""
        try:
            said = self.bank.journal.snapshot(snapshot, old if is_there(old) else None)
        except VerificationFailed:
            said = None
        if not is_there(old):
            self.read_in_c()  # as Python does again
        assert self.write_in_c(snapshot, rng) == (said is not None)
        assert self.c.log == self.python.log
        if said is not None:
            assert state_from_c(self.ffi, self.journal) == state_without_checkpoint(said)
        self.assert_same_flash()
        return said is not None


def is_there(state: JournalState) -> bool:
    return state.snapshot is not None


def _cut_up(data: bytes, rng: random.Random | None) -> list[bytes]:
    if not data:
        return []
    if rng is None:
        return [data]
    borders = sorted(rng.choices(range(len(data) + 1), k=rng.randrange(6)))
    return [data[a:b] for a, b in zip([0, *borders], [*borders, len(data)], strict=True)]


def indices(target: Target) -> int:
    return 3 if target.strategy.value == "copy" else 2


@EVERY
def test_every_trailer_is_read_alike(target: Target) -> None:
    phases = set()
    for number in range(many(target)):
        rng = random.Random(f"{target}/{number}")
        device, index = blank(target), number % indices(target)
        any_trailer(rng, device, target.banks(recorded(target, device))[index])
        said = Twin(target, device, index).read()
        phases.add((said.phase, said.settled, said.half))
    assert {phase for phase, _, _ in phases} >= set(Phase) - {Phase.TRIAL} or not THOROUGH
    assert len(phases) > 4


@EVERY
def test_every_pair_of_halves_is_read_alike(target: Target) -> None:
    """No header, or one of any turn, settled or not, in either half."""
    turns = (*range(TURNS), TURNS + 1, 255)  # no program writes the last ones
    sides = [None, *product(turns, (False, True))]
    counted = set()
    for halves in one_in(1 if target is REMAP else 11, list(product(sides, sides))):
        device = blank(target)
        bank = target.banks(recorded(target, device))[0]
        for number, (half, side) in enumerate(zip(bank.halves, halves, strict=True)):
            if side is not None:
                turn, settled = side
                plant(device, half, replace(VERIFIED, generation=5 + number), turn, settled)
        said = Twin(target, device).read()
        counted.add((said.half, said.settled))
    assert len(counted) > 3


def plant(
    device: EmulatedFlash, half: Window, snapshot: Snapshot, turn: int, settled: bool
) -> None:
    size = record_size(device.part.program_unit)
    half.program(0, encode_header(snapshot, turn))
    if settled:
        place = record_offset(Record.SETTLED, 0, size)
        half.program(place, record_bytes(Record.SETTLED, 0, snapshot.generation, size))


@EVERY
def test_every_set_of_spent_attempts_is_counted_alike(target: Target) -> None:
    """Also those that read blank before one that does not, and the other records of a trial."""
    size = record_size(target.part.program_unit)
    places = [(Record.SWITCHED, 0), (Record.FAILED, 0)]
    places += [(Record.ATTEMPT, index) for index in range(MAX_ATTEMPTS)]
    for spent in one_in(5 if target is REMAP else 41, range(1 << len(places))):
        device = blank(target)
        half = target.banks(recorded(target, device))[0].halves[0]
        plant(device, half, VERIFIED, 0, settled=spent % 3 > 0)
        for bit, (record, index) in enumerate(places):
            if spent >> bit & 1:
                data = record_bytes(record, index, VERIFIED.generation, size)
                is_torn = record is not Record.SWITCHED and index % 2
                half.program(record_offset(record, index, size), bytes(size) if is_torn else data)
        twin = Twin(target, device)
        assert_told_alike(twin, twin.read())


@EVERY
def test_a_look_that_fails_is_a_datum(target: Target) -> None:
    """Each look in turn cannot be done."""
    for number in range(many(target) // 20):
        rng = random.Random(f"{target}/look/{number}")
        device = blank(target)
        any_trailer(rng, device, target.banks(recorded(target, device))[0])
        looks = len(_logged(Twin(target, device)))
        for look in one_in(11, range(looks), number):
            Twin(target, device, failing_looks=frozenset({look})).read()


def _logged(twin: Twin) -> list[Any]:
    twin.read()
    return twin.c.log


@EVERY
def test_what_readings_say_is_the_same(target: Target) -> None:
    for number in range(many(target) // 4):
        rng = random.Random(f"{target}/said/{number}")
        device = blank(target)
        any_trailer(rng, device, target.banks(recorded(target, device))[0])
        twin = Twin(target, device)
        assert_told_alike(twin, twin.read())


def assert_told_alike(twin: Twin, said: JournalState) -> None:
    """What follows from a reading."""
    assert twin.lib.fwu_journal_phase(twin.journal) == said.phase
    assert twin.lib.fwu_journal_needs_snapshot(twin.journal) == said.needs_snapshot
    if said.snapshot is not None and said.phase is not Phase.TRIAL:
        current = said.current()
        assert current is not None
        told = twin.ffi.new("struct fwu_snapshot *")
        twin.lib.fwu_journal_current(twin.journal, told)
        assert from_c(twin.ffi, told[0]) == without_checkpoint(current)


@EVERY
def test_every_snapshot_is_written_alike(target: Target) -> None:
    taken = 0
    for number in range(many(target) // 2):
        rng = random.Random(f"{target}/write/{number}")
        device, index = blank(target), number % indices(target)
        bank = target.banks(recorded(target, device))[index]
        any_trailer(rng, device, bank)
        twin = Twin(target, device, index)
        taken += twin.write(any_snapshot(rng, bank), twin.read(), rng)
    assert taken > many(target) // 8


SNAPSHOTS = (
    PLANNED,
    replace(LOADING, sectors_done=2, checkpoint=bytes(range(100)), piece_start=9),
    VERIFIED,
    CONFIRMED,
)


@EVERY
@pytest.mark.parametrize("first", SNAPSHOTS, ids=lambda snapshot: snapshot.phase.name)
def test_whatever_write_or_look_fails_the_rest_is_the_same(target: Target, first: Snapshot) -> None:
    """Each write in turn is refused; then each look."""
    device = blank(target)
    target.banks(recorded(target, device))[1].journal.snapshot(first)
    rng, begin = random.Random(str(target)), SNAPSHOTS.index(first)
    for snapshot in one_in(3, SNAPSHOTS, begin):
        twin = Twin(target, device, 1)
        assert twin.write(snapshot, twin.read(), rng)
        writes, looks = twin.c.writes, twin.c.looks
        for number in one_in(9, range(writes), begin):
            twin = Twin(target, device, 1, failing_writes=frozenset({number}))
            assert not twin.write(snapshot, twin.read(), rng)
        for number in one_in(19, range(looks), begin):
            twin = Twin(target, device, 1, failing_looks=frozenset({number}))
            twin.write(snapshot, twin.read(), rng)


@EVERY
@pytest.mark.parametrize("size", [1, 63, 64, 65, 200, None])
def test_a_checkpoint_that_is_kept_is_copied(target: Target, size: int | None) -> None:
    """Python has it in RAM; C reads it once more, from the half that counts. None: the largest, up
    to 4096."""
    device = blank(target)
    bank = target.banks(recorded(target, device))[0]
    capacity = bank.journal.checkpoint_capacity
    data = random.Random(1).randbytes(min(4096, capacity) if size is None else size)
    loading = replace(LOADING, checkpoint=data, sectors_done=2)
    bank.journal.snapshot(loading)
    twin = Twin(target, device)
    said = twin.read()
    bank = twin.bank
    written = bank.journal.snapshot(loading, said)
    told = to_c(twin.ffi, loading)
    assert twin.lib.fwu_journal_write(twin.c_bank, twin.journal, told, twin.ffi.NULL, 0)
    assert state_from_c(twin.ffi, twin.journal) == state_without_checkpoint(written)
    twin.assert_same_flash()
    writes = [what for what in twin.c.log if what[0] != "look"]
    assert writes == [what for what in twin.python.log if what[0] != "look"]
    assert twin.c.looks - twin.python.looks == -(-len(data) // device.part.program_unit)


@EVERY
def test_a_kept_checkpoint_that_cannot_be_read_leaves_the_old_journal(target: Target) -> None:
    device = blank(target)
    loading = replace(LOADING, checkpoint=bytes(range(200)), sectors_done=2)
    target.banks(recorded(target, device))[0].journal.snapshot(loading)
    twin = Twin(target, device)
    before = twin.read()
    read = twin.c.looks
    units = 200 // device.part.program_unit
    for number in one_in(5, range(units)):
        twin = Twin(target, device, failing_looks=frozenset({read + number}))
        twin.read()
        told = to_c(twin.ffi, loading)
        assert not twin.lib.fwu_journal_write(twin.c_bank, twin.journal, told, twin.ffi.NULL, 0)
        assert target.banks(recorded(target, twin.c.device))[0].journal.read() == before


@EVERY
def test_a_kept_checkpoint_that_reads_otherwise_leaves_the_old_journal(target: Target) -> None:
    device = blank(target)
    loading = replace(LOADING, checkpoint=bytes(range(200)), sectors_done=2)
    target.banks(recorded(target, device))[0].journal.snapshot(loading)
    twin = Twin(target, device)
    before = twin.read()
    told = to_c(twin.ffi, replace(loading, checkpoint=bytes(200)))  # of another CRC
    assert not twin.lib.fwu_journal_write(twin.c_bank, twin.journal, told, twin.ffi.NULL, 0)
    assert target.banks(recorded(target, twin.c.device))[0].journal.read() == before
    header = twin.bank.halves[1].address
    assert all(address >= header + 256 for kind, address, *_ in twin.c.log if kind == "program")


@EVERY
def test_a_checkpoint_is_as_long_as_the_half_allows(target: Target) -> None:
    """One byte more, and the header counts for nothing: no byte of it is looked at."""
    device = blank(target)
    bank = target.banks(recorded(target, device))[0]
    start = bank.halves[0].size - bank.journal.checkpoint_capacity
    if bank.journal.checkpoint_capacity > 16_384:
        return  # a long read, unit by unit
    for size in (bank.journal.checkpoint_capacity, bank.journal.checkpoint_capacity + 1):
        held = device.fork()
        data = held.read(bank.halves[0].address + start, size)
        half = target.banks(recorded(target, held))[0].halves[0]
        plant(held, half, replace(LOADING, checkpoint=data), 0, settled=True)
        said = Twin(target, held).read()
        assert is_there(said) == (size == bank.journal.checkpoint_capacity)


OTHERS: tuple[dict[str, Any], ...] = (
    {"phase": Phase.FAILED},
    {"reason": Reason.IMAGE},
    {"generation": 8},
    {"component": "STM33"},
    {"component": "STM3"},
    {"version": "2.0.1"},
    {"version": "2.0.00"},
    {"package": None},
    {"package": replace(PACKAGE, length=1)},
    {"package": replace(PACKAGE, md5=bytes(15) + b"\1")},
    {"package": replace(PACKAGE, sha256=bytes(31) + b"\1")},
    {"image_size": 65},
    {"image_sha256": bytes(32)},
    {"piece_start": 1},
    {"security_version": None},
    {"security_version": replace(SIGNED.floor, counter=6)},
    {"security_version": replace(SIGNED.floor, version=Version(1, 2, 3, 5))},
    {"floor": replace(SIGNED.floor, counter=4)},
    {"floor": replace(SIGNED.floor, version=Version(1, 2, 4, 4))},
)


@pytest.mark.parametrize("other", [{}, *OTHERS], ids=str)
def test_a_valid_header_that_says_something_else_is_not_what_was_written(
    other: dict[str, Any],
) -> None:
    """Flash that holds another header than it was given: the old journal counts on."""
    device = blank(REMAP)
    REMAP.banks(recorded(REMAP, device))[0].journal.snapshot(PLANNED)
    twin = Twin(REMAP, device)
    old = twin.read()
    raw = encode_header(replace(SIGNED, **other), 1)
    for flash in (twin.python, twin.c):
        flash.headers[twin.bank.halves[1].address] = raw
    assert twin.write(SIGNED, old, random.Random(4)) == (not other)
    if other:
        assert REMAP.banks(recorded(REMAP, twin.c.device))[0].journal.read() == old


@EVERY
def test_what_reads_otherwise_at_the_end_was_not_written(target: Target) -> None:
    """The last looks are those of the new journal: its header, SETTLED, two sectors, and the place
    behind them. Each of them fails in turn."""
    device = blank(target)
    loading = replace(LOADING, sectors_done=2)
    rng = random.Random(3)
    whole = Twin(target, device)
    assert whole.write(loading, whole.read(), rng)
    last = whole.c.looks
    results = set()
    for number in range(last - 14, last):
        twin = Twin(target, device, failing_looks=frozenset({number}))
        results.add(twin.write(loading, twin.read(), rng))
    assert results == {False, True}  # of what is behind the last sector nothing is expected


@EVERY
def test_what_does_not_count_is_not_compared(target: Target) -> None:
    """A package, a security version and a CRC that nobody has asked for."""
    twin = Twin(target, blank(target))
    twin.read()
    told = to_c(twin.ffi, PLANNED)
    told.package.length, told.checkpoint_crc, told.security_version.counter = 1, 2, 3
    assert twin.lib.fwu_journal_write(twin.c_bank, twin.journal, told, twin.ffi.NULL, 0)
    assert state_from_c(twin.ffi, twin.journal).snapshot == PLANNED
    words, package, versions = 4 + 6 * 4, 4 + 16 + 32, 2 * (8 + 4)
    compared = twin.ffi.offsetof("struct fwu_snapshot", "component")
    assert compared == words + package + 32 + versions  # no gap


@EVERY
def test_what_the_trailer_cannot_hold_touches_nothing(target: Target) -> None:
    """ValueError in Python: a bug of ours."""
    twin = Twin(target, blank(target))
    twin.read()
    twin.c.log.clear()
    sectors, capacity = len(twin.bank.slot.sector_sizes), twin.bank.journal.checkpoint_capacity
    for snapshot in (
        replace(LOADING, checkpoint=bytes(capacity + 1)),
        replace(LOADING, sectors_done=sectors + 1),
        replace(PLANNED, sectors_done=1),
    ):
        with pytest.raises(ValueError, match=r"checkpoint of|sectors done"):
            twin.bank.journal.snapshot(snapshot)
        assert not twin.write_in_c(snapshot)
    told = to_c(twin.ffi, PLANNED)
    for text, size in ((told.component, 33), (told.version, 65)):
        kept, text.size = text.size, size
        assert not twin.lib.fwu_journal_write(twin.c_bank, twin.journal, told, twin.ffi.NULL, 0)
        text.size = kept
    assert twin.c.log == []
    assert twin.lib.fwu_journal_checkpoint_capacity(twin.c_bank) == capacity


@EVERY
def test_every_record_is_added_alike(target: Target) -> None:
    device = blank(target)
    sectors = len(target.banks(recorded(target, device))[0].slot.sector_sizes)
    places = [
        *((Record.SECTOR, index) for index in one_in(60, range(sectors))),
        (Record.SECTOR, sectors - 1),
        (Record.SWITCHED, 0),
        (Record.FAILED, 0),
        *((Record.ATTEMPT, index) for index in one_in(3, range(8))),
    ]
    for snapshot in (LOADING, VERIFIED):
        held = device.fork()
        target.banks(recorded(target, held))[0].journal.snapshot(snapshot)
        tries = [*((place, ()) for place in places), *((place, (0,)) for place in places[::3])]
        for (record, index), fails in tries:
            twin = Twin(target, held, failing_writes=frozenset(fails))
            after = twin.read()
            assert _recorded(twin, after, record, index) == (not fails)
            twin.read()
            twin.assert_same_flash()


def _recorded(twin: Twin, after: JournalState, record: Record, index: int) -> bool:
    """Whether Python has added it, after C has done the same."""
    in_c = twin.lib.fwu_journal_record(twin.c_bank, twin.journal, int(record), index)
    try:
        twin.bank.journal.record(after, record, index)
    except OSError:
        assert not in_c
        return False
    assert in_c
    return True


@EVERY
def test_no_record_is_added_to_what_is_not_settled(target: Target) -> None:
    twin = Twin(target, blank(target))
    twin.read()
    assert not twin.lib.fwu_journal_record(twin.c_bank, twin.journal, int(Record.SWITCHED), 0)
    twin.journal.is_there = True
    assert not twin.lib.fwu_journal_record(twin.c_bank, twin.journal, int(Record.SWITCHED), 0)
    assert twin.c.writes == 0


@EVERY
def test_banks_are_where_python_has_them(target: Target) -> None:
    """Every window, whichever bank is mapped; and every sector."""
    native, device = target.native(), recorded(target, blank(target))
    for mapped in (0, 1):
        hooks(target).connect(device, Mapping(mapped))
        for index, bank in enumerate(target.banks(device, 0 if indices(target) == 3 else mapped)):
            made = native.ffi.new("struct fwu_bank *")
            native.lib.fwu_open_bank(made, index)
            assert made.index == index
            assert made.link_address == bank.slot.link_address
            for ours, theirs in ((made.slot, bank.slot), *zip(made.half, bank.halves, strict=True)):
                assert ours.address == theirs.address
                assert ours.region.size == theirs.size
                _assert_same_sectors(native, ours.region, theirs.sector_starts, theirs.sector_sizes)


def _assert_same_sectors(
    native: Any, region: Any, starts: tuple[int, ...], sizes: tuple[int, ...]
) -> None:
    start, size = native.ffi.new("uint32_t *"), native.ffi.new("uint32_t *")
    found = []
    for index in range(len(sizes) + 2):
        native.lib.fwu_sector(region, index, start, size)
        found.append((start[0], size[0]))
    end = sum(sizes)
    assert found == [*zip(starts, sizes, strict=True), (end, 0), (end, 0)]


@EVERY
def test_an_image_is_intact_where_python_says_so(target: Target) -> None:
    device = blank(target)
    slot = target.banks(recorded(target, device))[0].slot
    data = random.Random(2).randbytes(224)
    slot.program(0, data)
    for size in (0, 1, 63, 64, 65, 200, 224, slot.size, slot.size + 1, 0xFFFF_FFFF):
        if size > 1000 and size <= slot.size and slot.size > 20_000:
            continue  # a long read, unit by unit
        for digest in (hashlib.sha256(data[:size]).digest(), bytes(32)):
            snapshot = replace(VERIFIED, image_size=size, image_sha256=digest)
            twin = Twin(target, device)
            intact = twin.bank.is_intact(snapshot)
            assert intact == (0 < size <= 224 and digest != bytes(32))
            assert twin.lib.fwu_is_intact(twin.c_bank, to_c(twin.ffi, snapshot)) == intact
            assert twin.c.log == twin.python.log
    for look in range(3):
        snapshot = replace(
            VERIFIED, image_size=200, image_sha256=hashlib.sha256(data[:200]).digest()
        )
        if not target.compares:
            twin = Twin(target, device, failing_looks=frozenset({look}))
            assert not twin.bank.is_intact(snapshot)
            assert not twin.lib.fwu_is_intact(twin.c_bank, to_c(twin.ffi, snapshot))
            assert twin.c.log == twin.python.log
