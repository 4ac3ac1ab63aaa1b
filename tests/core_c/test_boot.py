"""The boot in C against that in Python: every input of the table, in either strategy that maps
banks. C looks at journals in a flash that is played; Python is told what stands there.

Compared are what is looked at, recorded and mapped, in its order, and the decision.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from typing import Any

import pytest

from mcu_updater.core import boot as python_boot
from mcu_updater.core.boot import MOST_SWAPS, Decision, Mode, ResetCause, boot
from mcu_updater.core.image.vectors import SIGNED_MAGIC
from mcu_updater.core.image_version import SecurityVersion
from mcu_updater.core.journal import (
    MAX_ATTEMPTS,
    JournalState,
    Phase,
    Record,
    Snapshot,
    encode_header,
    record_bytes,
    record_offset,
    record_size,
)
from mcu_updater.core.slot import Layout
from tests.core_c.devices import REMAP, SWAP, Hooks, Mapping, Recorded, Target
from tests.thorough import one_in

pytestmark = pytest.mark.judge("gcc")

IMAGE = bytes(range(64))
DIGEST = hashlib.sha256(IMAGE).digest()
SEALED = Snapshot(Phase.VERIFIED, 1, "STM32", "v", image_size=64, image_sha256=DIGEST)
CAUSES = tuple(ResetCause)
MODES = tuple(Mode)
TABLES = pytest.mark.parametrize("target", [REMAP, SWAP], ids=str)


@dataclass(frozen=True)
class Seen:
    """What stands in one bank."""

    reading: JournalState
    intact: bool = True

    @property
    def generation(self) -> int:
        return self.reading.generation


def of_generation(seen: Seen, generation: int) -> Seen:
    if seen.reading.snapshot is None:
        return seen
    snapshot = replace(seen.reading.snapshot, generation=generation)
    return replace(seen, reading=replace(seen.reading, snapshot=snapshot))


def in_phase(phase: Phase, **more: Any) -> JournalState:
    return JournalState(0, replace(SEALED, phase=phase), settled=True, **more)


TRIALS = [in_phase(Phase.VERIFIED, switched=True, attempts=n) for n in range(MAX_ATTEMPTS + 1)]
RUNNABLE = [in_phase(Phase.CONFIRMED), in_phase(Phase.VERIFIED), *TRIALS]
EVERY = [
    Seen(JournalState()),
    Seen(in_phase(Phase.PLANNED)),
    Seen(in_phase(Phase.LOADING)),
    Seen(in_phase(Phase.FAILED)),
    Seen(in_phase(Phase.VERIFIED, switched=True, failed=True, attempts=2)),
    *(Seen(reading, intact) for reading in RUNNABLE for intact in (True, False)),
]
GENERATIONS = ((1, 2), (2, 1), (1, 1))


@dataclass(frozen=True)
class Refused:
    """What the hardware does not do: banks it does not map, places that take no record."""

    maps: frozenset[int] = frozenset()
    places: frozenset[tuple[Record, int]] = frozenset()


NOTHING = Refused()
FAILED_PLACE = (Record.FAILED, 0)
ATTEMPT_PLACES = frozenset((Record.ATTEMPT, index) for index in range(MAX_ATTEMPTS))
REFUSALS = tuple(
    Refused(frozenset(maps), frozenset(places))
    for maps, places in product(
        ((), (0,), (1,), (0, 1)),
        ((), (FAILED_PLACE,), ATTEMPT_PLACES, ATTEMPT_PLACES - {(Record.ATTEMPT, 2)}),
    )
)


# --- in Python


@dataclass
class ToldBank:
    """A bank, as ``boot`` asks it, and its journal."""

    index: int
    seen: Seen
    refused: Refused
    log: list[Any]

    @property
    def journal(self) -> ToldBank:
        return self

    def read(self) -> JournalState:
        return self.seen.reading

    def is_intact(self, snapshot: Snapshot) -> bool:
        self.log.append(("look", self.index))
        return self.seen.intact

    def record(self, reading: JournalState, record: Record, index: int) -> None:
        self.log.append(("record", self.index, record, index))
        if (record, index) in self.refused.places:
            raise OSError("refused")


@dataclass
class ToldSwitch:
    mapped_bank: int
    maps_at_once: bool
    refused: Refused
    log: list[Any]

    def map_bank(self, bank: int) -> None:
        self.log.append(("map", bank))
        if bank in self.refused.maps:
            raise OSError("refused")


@pytest.fixture(autouse=True)
def _told_banks(monkeypatch: pytest.MonkeyPatch) -> None:
    """In Python the banks themselves stand for the device that they are on."""
    monkeypatch.setattr(python_boot, "open_banks", lambda told, *_: told)


def in_python(
    target: Target, banks: Sequence[Seen], cause: ResetCause, refused: Refused, **more: int
) -> tuple[Decision, list[Any]]:
    log: list[Any] = []
    told = [ToldBank(index, seen, refused, log) for index, seen in enumerate(banks)]
    switch = ToldSwitch(more["mapped"], target is REMAP, refused, log)
    device: Any = told  # see the fixture
    decision = boot(device, switch, target.layout, cause, more["attempts"], swaps=more["swaps"])
    return decision, log


# --- in C


@cache
def trailer(reading: JournalState, unit: int) -> bytes:
    """The first half of a trailer that says *reading*."""
    if reading.snapshot is None:
        return b"\xff" * 1024
    size, generation = record_size(unit), reading.snapshot.generation
    raw = bytearray(encode_header(reading.snapshot, reading.turn).ljust(1024, b"\xff"))
    records = [(Record.SETTLED, 0)]
    records += [(Record.SWITCHED, 0)] * reading.switched + [FAILED_PLACE] * reading.failed
    records += [(Record.ATTEMPT, index) for index in range(reading.attempts)]
    for record, index in records:
        at = record_offset(record, index, size)
        raw[at : at + size] = record_bytes(record, index, generation, size)
    return bytes(raw)


class PlayedFlash(Recorded):
    """Two slots and two first halves; what is read of anything else is blank."""

    def __init__(self, target: Target) -> None:
        self._part = target.part
        self._bank_size = sum(self._part.sector_sizes)
        layout = target.layout
        assert isinstance(layout, Layout)
        self._slot, self._half = layout.slot.offset, layout.halves[0].offset
        self.switch = Mapping()
        self.banks: Sequence[Seen] = ()
        self.refused = NOTHING
        self.log = []
        self.image = IMAGE

    def _place(self, address: int) -> tuple[int, int]:
        """Physical bank and offset in it."""
        bank, offset = divmod(address - self._part.base, self._bank_size)
        return bank ^ self.switch.mapped_bank, offset

    def read(self, address: int, size: int) -> bytes:
        bank, offset = self._place(address)
        if offset == self._slot:
            self.log.append(("look", bank))
            return self.image[:size] if self.banks[bank].intact else bytes(size)
        at = offset - self._half
        held = trailer(self.banks[bank].reading, self._part.program_unit)
        return held[at : at + size] if 0 <= at < len(held) else b"\xff" * size

    def program(self, address: int, data: bytes) -> None:
        bank, offset = self._place(address)
        _, kind, index, _ = struct.unpack_from("<BBHI", data)
        snapshot = self.banks[bank].reading.snapshot
        assert snapshot is not None
        size = record_size(self._part.program_unit)
        assert offset - self._half == record_offset(Record(kind), index, size)
        assert data == record_bytes(Record(kind), index, snapshot.generation, size)
        self.log.append(("record", bank, Record(kind), index))
        if (Record(kind), index) in self.refused.places:
            raise OSError("refused")


class InC:
    """The boot of one library."""

    def __init__(self, target: Target, **defines: object) -> None:
        native = target.native(**defines)
        self.ffi, self.lib = native.ffi, native.lib
        self.hooks = Hooks(native)
        self.flash = PlayedFlash(target)
        self.decision = self.ffi.new("struct fwu_decision *")

    def connect(self, banks: Sequence[Seen], refused: Refused, mapped: int) -> None:
        flash = self.flash
        flash.banks, flash.refused, flash.log = banks, refused, []
        flash.switch = Mapping(mapped)
        self.hooks.connect(flash, flash.switch)
        self.hooks.log = flash.log
        self.hooks.refuses = set(refused.maps)


@cache
def in_c(target: Target, attempts: int) -> InC:
    return InC(target, **({} if attempts == python_boot.ATTEMPTS else {"ATTEMPTS": f"{attempts}u"}))


def compare(
    target: Target,
    banks: Sequence[Seen],
    cause: ResetCause,
    refused: Refused = NOTHING,
    *,
    attempts: int = python_boot.ATTEMPTS,
    swaps: int = 0,
    mapped: int = 0,
) -> Decision:
    """What Python decides, after C has done and decided the same."""
    decision, log = in_python(
        target, banks, cause, refused, attempts=attempts, swaps=swaps, mapped=mapped
    )
    native = in_c(target, attempts)
    native.connect(banks, refused, mapped)
    told = native.decision
    assert native.lib.fwu_host_boot(CAUSES.index(cause), swaps, told) == 0
    case = (banks, cause, refused, attempts, swaps, mapped)
    assert native.flash.log == log, case
    assert told.is_found == (decision.bank is not None), case
    assert told.needs_reset == decision.needs_reset, case
    assert MODES[told.mode] is decision.mode, case
    if decision.bank is not None:
        assert told.bank == decision.bank, case
        layout = target.layout
        assert isinstance(layout, Layout)
        assert told.link_address == target.part.base + layout.slot.offset, case
    return decision


def pairs() -> Iterator[tuple[Seen, Seen]]:
    for one, other in product(EVERY, EVERY):
        for generations in GENERATIONS:
            yield of_generation(one, generations[0]), of_generation(other, generations[1])


PAIRS = tuple(pairs())


@TABLES
def test_every_pair_of_banks_is_started_alike(target: Target) -> None:
    swaps = range(MOST_SWAPS + 2) if target is SWAP else (0,)
    found = set()
    for number, (banks, cause, swap) in enumerate(product(PAIRS, CAUSES, swaps)):
        decision = compare(target, banks, cause, swaps=swap, mapped=number % 2)
        found.add((decision.mode, decision.bank, decision.needs_reset))
    modes = {mode for mode, _, _ in found}
    assert modes == set(Mode)
    assert any(reset for _, _, reset in found) == (target is SWAP)


@TABLES
@pytest.mark.parametrize("attempts", [1, 3, MAX_ATTEMPTS])
def test_any_number_of_attempts_is_counted_alike(target: Target, attempts: int) -> None:
    if target is SWAP and attempts != 1:
        target = REMAP
    rows = [pair for pair in PAIRS if Phase.TRIAL in (pair[0].reading.phase, pair[1].reading.phase)]
    for banks in one_in(5, rows, attempts):
        for cause in (ResetCause.POWER, ResetCause.WATCHDOG):
            compare(target, banks, cause, attempts=attempts)


@TABLES
def test_what_the_hardware_refuses_leads_to_the_same(target: Target) -> None:
    rows = list(product(PAIRS, REFUSALS, CAUSES[:2], (0, 1)))
    for banks, refused, cause, mapped in one_in(53, rows):
        compare(target, banks, cause, refused, mapped=mapped)


@TABLES
def test_security_counters_bar_the_same_images(target: Target) -> None:
    counters = [
        (SecurityVersion(counter=counter) if counter is not None else None, floor)
        for counter, floor in product((None, 0, 1, 2), (0, 1, 2))
    ]
    readings = [
        replace(
            reading,
            snapshot=replace(
                reading.snapshot or SEALED,
                security_version=counter,
                floor=SecurityVersion(counter=floor),
            ),
        )
        for reading in (RUNNABLE[0], RUNNABLE[1], TRIALS[0])
        for counter, floor in counters
    ]
    for one, other in product(readings, readings):
        for swaps in (0,) if target is REMAP else (0, 2):
            compare(target, (Seen(one), Seen(other)), ResetCause.UNKNOWN, swaps=swaps)


# --- from a reset to the bank that runs


def started(target: Target, banks: Sequence[Seen], image: bytes, **numbers: int) -> list[Any]:
    """What fwu_start asks of the chip, but for looks."""
    native = in_c(target, python_boot.ATTEMPTS)
    native.connect(banks, NOTHING, numbers.pop("mapped", 0))
    native.flash.image = image
    native.hooks.numbers = {"swaps": 0, **numbers}
    native.lib.fwu_start(native.decision)
    native.flash.image = IMAGE
    return [what for what in native.flash.log if what[0] != "look"]


def test_a_start_that_needs_a_reset_keeps_its_cause_and_counts() -> None:
    banks = (Seen(RUNNABLE[0]), of_generation(Seen(TRIALS[0]), 2))
    for cause in range(len(CAUSES)):
        done = started(SWAP, banks, IMAGE, cause=cause, mapped=0)
        assert done == [("keep", 0, cause), ("map", 1), ("keep", 1, cause), ("reset",)]
        done = started(SWAP, banks, IMAGE, cause=cause, mapped=1, swaps=1)
        counted = [] if CAUSES[cause] is ResetCause.POWER else [("record", 1, Record.ATTEMPT, 0)]
        assert done == [("keep", 0, cause), *counted]
        assert in_c(SWAP, 3).decision.bank == 1
        # the trial could not be mapped: back to the other, and never to and fro
        done = started(SWAP, banks, IMAGE, cause=cause, mapped=0, swaps=1)
        assert done == [("keep", 0, cause)]
        assert in_c(SWAP, 3).decision.bank == 0


def test_nothing_to_run_is_said_and_not_run() -> None:
    banks = (Seen(JournalState()), Seen(in_phase(Phase.FAILED)))
    assert started(SWAP, banks, IMAGE, cause=0) == [("keep", 0, 0)]
    assert not in_c(SWAP, 3).decision.is_found
    assert started(REMAP, banks, IMAGE, cause=0) == []
    assert not in_c(REMAP, 3).decision.is_found


@TABLES
def test_a_signed_image_is_run_behind_its_header(target: Target) -> None:
    layout = target.layout
    assert isinstance(layout, Layout)
    slot = target.part.base + layout.slot.offset
    signed = struct.pack("<IIHH", SIGNED_MAGIC, 0, 0x0200, 0).ljust(64, b"\0")
    odd = struct.pack("<IIHH", SIGNED_MAGIC ^ 1, 0, 0x0200, 0).ljust(64, b"\0")
    for image, address in ((signed, slot + 0x200), (odd, slot), (IMAGE, slot)):
        snapshot = replace(
            SEALED, phase=Phase.CONFIRMED, image_sha256=hashlib.sha256(image).digest()
        )
        banks = (Seen(JournalState(0, snapshot, settled=True)), Seen(JournalState()))
        native = in_c(target, python_boot.ATTEMPTS)
        started(target, banks, image, cause=0)
        assert native.decision.link_address == address
