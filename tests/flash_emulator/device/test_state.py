"""Forks, digests, saved devices, traces: the whole of a device as a value."""

from __future__ import annotations

import pickle
import random
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from flash_emulator import (
    CutAt,
    Decay,
    EmulatedFlash,
    FlashError,
    MetastableMode,
    Outcome,
    PowerLoss,
    SteadySupply,
    Trace,
    load_part,
    part_names,
)
from flash_emulator.array.pages import RawUnit
from tests.flash_emulator.tiny_silicon import BANK, BASE, SECTOR, UNIT, cut, flash, state, units

EVERY_PART = pytest.mark.parametrize("name", part_names())


def used(name: str, seed: int = 3) -> EmulatedFlash:
    """A device of a part, with a past: data, a cut, damage, wear, options."""
    part = load_part(name)
    device = EmulatedFlash(part, seed=seed, timing="typ")
    unit, base = part.program_unit, part.base
    device.program(base, bytes(range(unit)) * 3)
    device.erase(base + part.sector_sizes[0])
    last = base + part.size - part.sector_sizes[-1]
    for outcome in (Outcome.WEAK, Outcome.METASTABLE, Outcome.TORN):
        device.supply = CutAt(1, outcome)
        with pytest.raises(PowerLoss):
            device.program(last + 8 * unit * list(Outcome).index(outcome), bytes(unit))
        device.supply = SteadySupply()
        device.power_on()
    device.flip(base, 3)
    if part.options:
        device.program_options(**{next(iter(part.options)): next(iter(part.options.values()))})
    return device


def fresh_digest(device: EmulatedFlash) -> bytes:
    """Taken from nothing: by a device that was told the end and not the way."""
    return EmulatedFlash.load(device.save(), part=device.part).digest()


def page_ids(device: EmulatedFlash) -> list[int]:
    return [id(page) for page in device.cells._pages]


def fields_of(device: EmulatedFlash) -> dict[str, Any]:
    return cast("dict[str, Any]", device.__getstate__())


# --- forks


def test_neither_side_of_a_fork_sees_what_the_other_does() -> None:
    device = flash(seed=4)
    device.program(BASE, units(0, 20))
    device.trace = Trace()
    twin = device.fork()
    before, digest = state(device), device.digest()
    cut(twin, 2, Outcome.METASTABLE, lambda: twin.program(BASE + BANK, units(0, 3)))
    twin.power_on()
    twin.erase(BASE)
    twin.protect_sectors(BASE + SECTOR)
    twin.map_bank(1)
    assert (state(device), device.digest(), device.mapped_bank) == (before, digest, 0)
    assert device.usage.erases == device.clock.now_us - 20 * 90 == 0
    assert device.erase_counts == [0] * 8
    assert len(device.trace) == 0
    device.program(BASE + 3 * SECTOR, units(0, 1))
    assert twin.trace is None
    after, digest = state(twin), twin.digest()
    device.erase(BASE + BANK)
    device.erase(BASE + 3 * SECTOR)
    assert (state(twin), twin.digest()) == (after, digest)


def test_weak_units_of_a_fork_age_by_themselves() -> None:
    device = flash()
    cut(device, 1, Outcome.WEAK, lambda: device.program(BASE, bytes(8)))
    device.power_on()
    twin = device.fork()
    before = state(device)
    twin.power_on()
    assert state(device) == before
    assert state(twin) != before
    assert twin.digest() == fresh_digest(twin)
    assert device.digest() == fresh_digest(device)


def test_a_fork_of_a_fork_is_on_its_own_too() -> None:
    first = flash()
    first.program(BASE, units(0, 8))
    second = first.fork()
    third = second.fork()
    second.program(BASE, bytes(8))
    third.erase(BASE)
    assert [device.read(BASE, 8) for device in (first, second, third)] == [
        units(0, 1),
        bytes(8),
        b"\xff" * 8,
    ]
    assert len({device.digest() for device in (first, second, third)}) == 3
    for device in (first, second, third):
        assert device.digest() == fresh_digest(device)


def test_a_fork_has_every_field_of_the_device_and_none_is_forgotten() -> None:
    device = flash()
    device.recalls = frozenset(Decay)
    device.program(BASE, units(0, 2))
    device.erase(BASE + SECTOR)
    own = ("cells", "options", "_clock", "_supply", "_usage", "_erase_counts", "_busy_until_us")
    twin = device.fork()
    fields, there = fields_of(device), fields_of(twin)
    assert fields.keys() == there.keys()
    for name in fields:
        if name in own:
            assert there[name] is not fields[name], name
        else:
            assert there[name] == fields[name], name


def test_a_fork_that_changes_one_unit_shares_all_other_pages() -> None:
    device = EmulatedFlash(load_part("STM32L4R5xI_dual"))
    device.program(device.part.base, random.Random(1).randbytes(1 << 20))
    twin = device.fork()
    assert page_ids(twin) == page_ids(device)
    twin.program(device.part.base + 4096, bytes(8))
    assert sum(a != b for a, b in zip(page_ids(twin), page_ids(device), strict=True)) == 1
    device.program(device.part.base + 2048, bytes(8))
    assert sum(a != b for a, b in zip(page_ids(twin), page_ids(device), strict=True)) == 2


def test_a_hundred_forks_cost_what_they_change() -> None:
    device = EmulatedFlash(load_part("STM32U5A5xJ"))
    device.program(device.part.base, bytes(device.part.size))
    device.digest()
    tracemalloc.start()
    try:
        forks = [device.fork() for _ in range(100)]
        for index, twin in enumerate(forks):
            twin.erase(twin.part.base + 8192 * index)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 100 * 64 * 1024  # of 4 MiB each


def test_a_large_part_takes_less_than_64_mib() -> None:
    tracemalloc.start()
    try:
        device = EmulatedFlash(load_part("STM32U5A5xJ"))
        device.program(device.part.base, bytes(device.part.size))
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert device.part.size == 4 << 20
    assert size < 64 << 20


def test_a_dead_device_forks_dead() -> None:
    device = flash()
    cut(device, 1, Outcome.TORN, lambda: device.erase(BASE))
    twin = device.fork()
    with pytest.raises(PowerLoss):
        twin.read(BASE, 1)
    twin.power_on()
    with pytest.raises(PowerLoss):
        device.read(BASE, 1)


# --- digests


CHANGES: dict[str, Callable[[EmulatedFlash], object]] = {
    "program": lambda d: d.program(BASE + 64, units(0, 1)),
    "program of FF": lambda d: d.program(BASE + 64, b"\xff" * 8),
    "zero over data": lambda d: d.program(BASE, bytes(8)),
    "erase": lambda d: d.erase(BASE),
    "bank erase": lambda d: d.erase_bank(0),
    "mass erase": lambda d: d.erase_all(),
    "preload": lambda d: d.preload(BASE + 65, b"\0"),
    "flip": lambda d: d.flip(BASE, 0),
    "flip of a check bit": lambda d: d.flip(BASE, 71),
    "flip of a virgin cell": lambda d: d.flip(BASE + 64, 9),
    "spoil": lambda d: d.spoil(BASE),
    "metastable": lambda d: d.cells.set_word(0, RawUnit(d.cells.word(0), metastable=1)),
    "weak": lambda d: d.cells.set_word(0, RawUnit(d.cells.word(0), fading=(0, 0, 1))),
    "weaker": lambda d: d.cells.set_word(0, RawUnit(d.cells.word(0), fading=(0, 1, 0))),
    "consumed": lambda d: d.cells.set_word(9, RawUnit((1 << 72) - 1)),
    "marginal": lambda d: d.cells.set_word(
        9, RawUnit((1 << 72) - 1, consumed=False, marginal=True)
    ),
    "protection": lambda d: d.protect_sectors(BASE),
    "a damaged option": lambda d: d.options.cut({}, Outcome.TORN),
}


def with_data() -> EmulatedFlash:
    device = flash()
    device.program(BASE, units(0, 8))
    return device


def test_every_kind_of_change_changes_the_digest_in_its_own_way() -> None:
    digests = {"nothing": with_data().digest()}
    for name, change in CHANGES.items():
        device = with_data()
        device.digest()
        change(device)
        digests[name] = device.digest()
        assert digests[name] == fresh_digest(device), name
    same = {"erase", "bank erase", "mass erase"}  # of the only data that there are
    assert len({digests[name] for name in same}) == 1
    others = [digest for name, digest in digests.items() if name not in same]
    assert len({*others, digests["erase"]}) == len(others) + 1


def test_a_programmed_ff_is_in_the_digest_also_among_other_data() -> None:
    digests = set()
    for count in (1, 2):
        device = flash()
        device.program(BASE, units(0, 1) + b"\xff" * 8 * (count - 1))
        digests.add(device.digest())
    assert len(digests) == 2


def test_options_and_interruptions_are_in_the_digest() -> None:
    device = EmulatedFlash(load_part("STM32U575xI"))
    digests = [device.digest()]
    device.program_options(SWAP_BANK=1)
    digests.append(device.digest())
    device.power_on()
    assert device.digest() == digests[-1]
    device.supply = CutAt(1, Outcome.TORN)
    with pytest.raises(PowerLoss):
        device.erase(device.part.base)
    digests.append(device.digest())
    device.power_on()
    device.supply = SteadySupply()
    device.erase(device.part.base)
    assert device.digest() == digests[1]
    assert len(set(digests)) == 3


def test_wear_time_and_reads_are_not_in_the_digest() -> None:
    device = with_data()
    before = device.digest()
    for _ in range(3):
        device.erase(BASE)
        device.program(BASE, units(0, 8))
    device.clock.sleep(9)
    device.read(BASE, SECTOR)
    device.power_on()
    device.map_bank(1)
    assert device.digest() == before


def test_equal_pages_at_other_places_are_another_state() -> None:
    digests = set()
    for sectors in ((0,), (1,), (0, 1), (4,), ()):
        device = flash()
        for sector in sectors:
            device.program(BASE + sector * SECTOR, units(0, 8))
        digests.add(device.digest())
    assert len(digests) == 5


def test_a_fork_that_takes_its_digest_first_does_not_disturb_the_other() -> None:
    device = flash()
    device.program(BASE, units(0, 1))
    device.fork().digest()
    device.program(BASE + 8, units(1, 1))
    assert device.digest() == fresh_digest(device)


class DigestMachine(RuleBasedStateMachine):
    """However a state was reached, its digest is that of a device that was told of it."""

    @initialize(ecc=st.booleans())
    def begin(self, ecc: bool) -> None:
        self.device = flash(ecc=ecc)

    @rule(unit=st.integers(0, 63), count=st.integers(1, 12), zero=st.booleans())
    def program(self, unit: int, count: int, zero: bool) -> None:
        data = bytes(8 * count) if zero else units(unit, count)
        with suppress(FlashError):
            self.device.program(BASE + unit * UNIT, data[: 8 * (64 - unit)])

    @rule(sector=st.integers(0, 7))
    def erase(self, sector: int) -> None:
        self.device.erase(BASE + sector * SECTOR)

    @rule(bank=st.integers(0, 1))
    def erase_bank(self, bank: int) -> None:
        self.device.erase_bank(bank)

    @rule(unit=st.integers(0, 63), outcome=st.sampled_from(Outcome), erase=st.booleans())
    def cut(self, unit: int, outcome: Outcome, erase: bool) -> None:
        device, sector = self.device, BASE + unit // 8 * SECTOR
        call = device.erase if erase else (lambda a: device.program(a, bytes(8)))
        cut(device, 1, outcome, lambda: call(sector))
        device.power_on()

    @rule(unit=st.integers(0, 63), bit=st.integers(0, 63))
    def flip(self, unit: int, bit: int) -> None:
        self.device.flip(BASE + unit * UNIT, bit)

    @rule()
    def power_on(self) -> None:
        self.device.power_on()

    @rule(keep=st.booleans())
    def fork(self, keep: bool) -> None:
        twin = self.device.fork()
        self.device, other = (self.device, twin) if keep else (twin, self.device)
        other.erase(BASE)
        other.program(BASE, bytes(SECTOR))

    @rule()
    def it_is_the_digest_of_what_is_there(self) -> None:
        assert self.device.digest() == fresh_digest(self.device)

    def teardown(self) -> None:
        if hasattr(self, "device"):
            self.it_is_the_digest_of_what_is_there()


DigestMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=20)
TestDigestMachine = DigestMachine.TestCase


# --- saved


@EVERY_PART
def test_a_saved_device_comes_back_whole(name: str) -> None:
    device = used(name)
    copy = EmulatedFlash.load(device.save())
    assert copy.part == device.part
    assert copy.digest() == device.digest()
    assert copy.cells.export() == device.cells.export()
    assert (copy.usage, copy.erase_counts) == (device.usage, device.erase_counts)
    assert (copy.seed, copy.timing, copy.interrupted) == (3, "typ", device.interrupted)
    assert copy.options.loaded == device.options.loaded
    assert copy.save() == device.save()


@EVERY_PART
def test_a_saved_device_has_the_same_future(name: str) -> None:
    device = used(name)
    copy = EmulatedFlash.load(device.save())
    for twin in (device, copy):
        twin.supply = CutAt(1, Outcome.TORN)
        with pytest.raises(PowerLoss):
            twin.erase(twin.part.base)
        twin.power_on()
        twin.supply = SteadySupply()
    assert copy.digest() == device.digest()


def test_a_dead_device_comes_back_dead() -> None:
    device = flash()
    cut(device, 1, Outcome.BLANK, lambda: device.erase(BASE))
    copy = EmulatedFlash.load(device.save(), part=device.part)
    with pytest.raises(PowerLoss):
        copy.read(BASE, 1)


def test_a_device_of_a_part_of_ones_own_needs_that_part() -> None:
    device = flash()
    device.program(BASE, units(0, 1))
    with pytest.raises(ValueError, match="tiny"):
        EmulatedFlash.load(device.save())
    with pytest.raises(ValueError, match=r"is of tiny, not of STM32L476xG"):
        EmulatedFlash.load(device.save(), part=load_part("STM32L476xG"))
    assert EmulatedFlash.load(device.save(), part=device.part).digest() == device.digest()


def test_a_mapped_bank_is_saved() -> None:
    device = flash()
    device.map_bank(1)
    assert EmulatedFlash.load(device.save(), part=device.part).mapped_bank == 1


def test_a_damaged_file_is_refused() -> None:
    packed = flash().save()
    for at in range(0, len(packed), 3):
        damaged = bytearray(packed)
        damaged[at] ^= 0x10
        with pytest.raises(ValueError, match="saved flash"):
            EmulatedFlash.load(bytes(damaged), part=flash().part)
    for size in (0, 3, 37, 38, len(packed) - 1):
        with pytest.raises(ValueError, match="saved flash"):
            EmulatedFlash.load(packed[:size], part=flash().part)
    with pytest.raises(ValueError, match="version 2"):
        EmulatedFlash.load(packed[:4] + b"\2\0" + packed[6:], part=flash().part)


# --- traces


def traced(seed: int = 0) -> EmulatedFlash:
    device = flash(seed=seed)
    device.trace = Trace()
    device.program(BASE, units(0, 3))
    device.program(BASE, bytes(8))
    device.erase(BASE + SECTOR)
    device.erase_bank(1)
    return device


def test_a_trace_tells_kind_address_and_amount() -> None:
    device = traced()
    cut(device, 2, Outcome.TORN, lambda: device.program(BASE + BANK, units(0, 3)))
    lines = str(device.trace).splitlines()
    assert [line.split(None, 1)[1] for line in lines[:4]] == [
        "program 0x0800_0000, 24 bytes",
        "program 0x0800_0000, 8 bytes",
        "erase 0x0800_0040",
        "bank erase 0x0800_0100",
    ]
    assert lines[0].split()[0] == "1"
    assert lines[-1].split(None, 1)[1].startswith("program 0x0800_0108; CUT")
    assert lines[-1].endswith("torn")


def test_refused_operations_leave_no_trace() -> None:
    device = traced()
    count = len(device.trace or ())
    with pytest.raises(FlashError):
        device.program(BASE + 8, units(9, 1))
    assert len(device.trace or ()) == count


def test_the_first_divergence_is_found() -> None:
    one, other = traced(), traced()
    assert one.trace is not None
    assert other.trace is not None
    assert one.trace.divergence(other.trace) is None
    other.erase(BASE)
    assert one.trace.divergence(other.trace) == other.trace.divergence(one.trace) == 4
    one.program(BASE + BANK, bytes(8))
    assert one.trace.divergence(other.trace) == 4
    one.erase(BASE)
    assert one.trace.divergence(Trace()) == 0


@pytest.mark.parametrize("mapped", [0, 1])
def test_a_trace_done_again_leads_to_the_same_state(mapped: int) -> None:
    device = flash()
    device.trace = Trace()
    device.map_bank(mapped)
    device.program(BASE, units(0, 12))
    device.program(BASE + BANK + 8, units(3, 2))
    device.erase(BASE)
    device.program(BASE, bytes(8))
    again = flash()
    device.trace.replay(again)
    assert again.digest() == device.digest()
    assert again.usage == device.usage


def test_a_replay_stops_before_the_cut() -> None:
    device = traced()
    before = device.digest()
    cut(device, 1, Outcome.TORN, lambda: device.erase(BASE))
    again = flash()
    assert device.trace is not None
    device.trace.replay(again)
    assert again.digest() == before


def test_a_trace_with_options_is_done_again_too() -> None:
    device = EmulatedFlash(load_part("STM32H743xI"))
    device.trace = Trace()
    device.map_bank(1)
    again = EmulatedFlash(device.part)
    device.trace.replay(again)
    assert again.digest() == device.digest()


def test_what_was_cut_has_completed_nothing() -> None:
    device = traced()
    cut(device, 3, Outcome.TORN, lambda: device.program(BASE + BANK, units(0, 5)))
    assert device.trace is not None
    *_, whole, broken = device.trace
    assert (whole.done, whole.outcome) == (2, None)
    assert (broken.done, broken.outcome) == (0, Outcome.TORN)


def test_a_mass_erase_done_again_is_one_operation() -> None:
    """Or a cut that comes later falls on other silicon."""
    device, again = flash(), flash()
    device.trace = Trace()
    device.erase_all()
    device.trace.replay(again)
    assert (again.supply.taken, again.usage) == (device.supply.taken, device.usage)


def test_to_trace_changes_nothing() -> None:
    ends = []
    for trace in (None, Trace()):
        device = EmulatedFlash(load_part("STM32U575xI"))
        device.trace = trace
        device.supply = CutAt(1, Outcome.TORN)
        with pytest.raises(PowerLoss):
            device.erase(device.part.base)
        device.supply = SteadySupply()
        device.power_on()
        device.program(device.part.base + 8192, bytes(16))
        ends.append((device.interrupted, device.digest()))
    assert ends[0] == ends[1]


@given(seed=st.integers(0, 1 << 16))
@settings(max_examples=20)
def test_a_seed_is_kept(seed: int) -> None:
    assert EmulatedFlash.load(flash(seed=seed).save(), part=flash().part).seed == seed


class Watching:
    """Is told of looks, and keeps nothing."""

    def read(self, offset: int, size: int) -> None: ...
    def compared(self, unit: int, wanted: object, *, never: bool) -> None: ...
    def operation(self, operation: object) -> None: ...
    def moment(self) -> None: ...


def test_a_device_that_was_read_in_a_search_can_be_packed_and_copied() -> None:
    """It keeps a weak reference for what boots compare; processes and reports get devices whole."""
    device = EmulatedFlash(load_part("STM32L476xG"))
    twin = device.for_boot(MetastableMode.STABLE, frozenset())
    twin.power_on()
    twin.watch = Watching()
    assert twin.read(twin.part.base, 8) == b"\xff" * 8
    twin.watch = None
    assert twin._tell is not None
    for again in (pickle.loads(pickle.dumps(twin)), deepcopy(twin)):
        assert again._tell is None
        assert again.digest() == twin.digest()
