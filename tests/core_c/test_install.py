"""Boots that install the image (strategy copy): C does what Python does, unit by unit."""

from __future__ import annotations

import hashlib
import random
import struct
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import pytest

from flash_emulator import EmulatedFlash, Outcome
from mcu_updater.core.bank import Bank
from mcu_updater.core.boot import Decision, Mode, ResetCause, boot
from mcu_updater.core.image.vectors import SIGNED_MAGIC
from mcu_updater.core.image_version import SecurityVersion
from mcu_updater.core.install import Installer
from mcu_updater.core.journal import Phase, Record, Snapshot
from mcu_updater.core.slot import CopyLayout
from tests.core_c.devices import COPY, COPY_UNEVEN, TARGETS, Target, blank, hooks, recorded
from tests.thorough import one_in
from tests.worlds import cut, image

pytestmark = pytest.mark.judge("gcc")

COPIES = [target for target in TARGETS if target.name == COPY.name]
EVERY = pytest.mark.parametrize("target", COPIES, ids=str)
CAUSES, MODES = tuple(ResetCause), tuple(Mode)
SIZE = 2100  # two sectors and a part of a third


def layout(target: Target) -> CopyLayout:
    assert isinstance(target.layout, CopyLayout)
    return target.layout


def plain(target: Target, version: str, size: int = SIZE) -> bytes:
    return image(version, size, target.part.base + layout(target).execution.slot.offset)


SIGNED = struct.pack("<IIHH", SIGNED_MAGIC, 0, 0x200, 0).ljust(SIZE, b"\x55")


def store(target: Target, device: EmulatedFlash, index: int, data: bytes, **told: Any) -> None:
    """*data* in a storage slot, and its journal."""
    bank = target.banks(recorded(target, device))[index]
    unit = target.part.program_unit
    for at in range(0, len(data), 256):
        piece = data[at : at + 256].ljust(-(-min(256, len(data) - at) // unit) * unit, b"\xff")
        if piece.strip(b"\xff"):
            bank.slot.program(at, piece)
    digest = hashlib.sha256(data).digest()
    snapshot = Snapshot(Phase.CONFIRMED, 1, "STM32", "", image_size=len(data), image_sha256=digest)
    bank.journal.snapshot(replace(snapshot, **told))


def switch(target: Target, device: EmulatedFlash, index: int = 1) -> None:
    bank = target.banks(recorded(target, device))[index]
    bank.journal.record(bank.journal.read(), Record.SWITCHED)


@cache
def _two(target: Target) -> EmulatedFlash:
    device = blank(target)
    store(target, device, 0, plain(target, "1.0.0"), version="1.0.0")
    store(
        target,
        device,
        1,
        plain(target, "2.0.0"),
        version="2.0.0",
        generation=2,
        phase=Phase.VERIFIED,
    )
    return device


def two(target: Target, *, trial: bool = False) -> EmulatedFlash:
    """1.0.0 confirmed in A, 2.0.0 verified or on trial in B; nothing is installed."""
    device = _two(target).fork()
    if trial:
        switch(target, device)
    return device


@dataclass
class Booted:
    decision: Decision
    device: EmulatedFlash
    log: list[Any]
    writes: int
    looks: int


def in_python(target: Target, device: EmulatedFlash, cause: ResetCause, **fails: Any) -> Booted:
    flash = recorded(target, device, **fails)
    installer = Installer(flash, layout(target))
    decision = boot(flash, installer, target.layout, cause)
    return Booted(decision, device, flash.log, flash.writes, flash.looks)


def compare(
    target: Target, device: EmulatedFlash, cause: ResetCause = ResetCause.UNKNOWN, **fails: Any
) -> Booted:
    """What Python has done, after C has done the same."""
    python = in_python(target, device.fork(), cause, **fails)
    native = target.native()
    flash = recorded(target, device.fork(), **fails)
    hooks(target).connect(flash)
    told = native.ffi.new("struct fwu_decision *")
    assert native.lib.fwu_host_boot(CAUSES.index(cause), 0, told) == 0
    assert flash.log == python.log
    assert told.is_found == (python.decision.bank is not None)
    assert MODES[told.mode] is python.decision.mode
    assert not told.needs_reset
    if told.is_found:
        assert told.bank == python.decision.bank
        assert told.link_address == target.part.base + layout(target).execution.slot.offset
        version = bytes(native.ffi.buffer(told.version.text, told.version.size)).decode()
        assert version == python.decision.version
    assert flash.device.save() == python.device.save()
    return python


def execution(target: Target, device: EmulatedFlash) -> Bank:
    return target.banks(recorded(target, device))[2]


@EVERY
def test_an_image_is_installed_once_and_another_in_its_place(target: Target) -> None:
    device = two(target)
    for installs in (True, False):
        booted = compare(target, device)
        device = booted.device
        assert (booted.writes > 0) == installs
        assert execution(target, device).journal.read().version == "1.0.0"
    switch(target, device)
    booted = compare(target, device)
    assert (booted.decision.bank, booted.decision.mode) == (1, Mode.TRIAL)
    assert execution(target, booted.device).journal.read().version == "2.0.0"


@EVERY
def test_the_same_bytes_of_another_version_are_installed_anew(target: Target) -> None:
    device, image = blank(target), plain(target, "1.0.0")
    store(target, device, 0, image, version="1.0.0")
    store(target, device, 1, image, version="2.0.0", generation=2, phase=Phase.VERIFIED)
    device = compare(target, device).device
    switch(target, device)
    booted = compare(target, device)
    assert execution(target, booted.device).journal.read().version == "2.0.0"


@EVERY
def test_an_installation_that_is_cut_goes_on_alike(target: Target) -> None:
    """Cut anywhere, then once more: each time the next start does the same."""
    device = two(target)
    whole = in_python(target, device.fork(), ResetCause.POWER).writes
    outcomes = list(Outcome)
    for number, operation in enumerate(one_in(17, range(1, whole + 1))):
        rng, held = random.Random(operation), device.fork()
        outcome = outcomes[number % len(outcomes)]
        for at in (operation, rng.randint(1, whole)):
            start = partial(in_python, target, held, ResetCause.POWER)
            cut(held, at, outcome, start)
            compare(target, held, ResetCause.POWER)


@EVERY
def test_whatever_write_or_look_fails_the_rest_is_the_same(target: Target) -> None:
    for trial in (False, True):
        device = two(target, trial=trial)
        done = compare(target, device)
        for number in one_in(71, range(done.writes), trial):
            compare(target, device, failing_writes=frozenset({number}))
            compare(target, device, failing_writes=frozenset({number, number + 1}))
        for number in one_in(307, range(done.looks), trial):
            compare(target, device, failing_looks=frozenset({number}))


@EVERY
def test_every_look_at_journals_that_fails_leads_to_the_same(target: Target) -> None:
    """The first ones: those of both trailers, and of the trailer of the image to install."""
    device = two(target, trial=True)
    looks = in_python(target, device.fork(), ResetCause.UNKNOWN).looks
    for number in one_in(17, range(min(looks, 500))):
        compare(target, device, failing_looks=frozenset({number}))


@EVERY
def test_an_execution_slot_that_does_not_hold_the_image(target: Target) -> None:
    """Damaged where it runs: installed again. Worn there: the bank cannot be brought to the CPU."""
    device = in_python(target, two(target), ResetCause.UNKNOWN).device
    slot = execution(target, device).slot
    damaged = device.fork()
    damaged.preload(slot.address + 64, bytes(target.part.program_unit))
    booted = compare(target, damaged)
    assert booted.writes > 0
    assert booted.decision.bank == 0
    worn = damaged.fork()
    worn.stick(slot.address + 64, 0xFF)
    assert compare(target, worn).decision.mode is Mode.RECOVERY
    switch(target, worn)
    assert compare(target, worn).decision.mode is Mode.RECOVERY


@EVERY
def test_a_journal_that_is_not_settled_is_written_anew(target: Target) -> None:
    device = in_python(target, two(target), ResetCause.UNKNOWN).device
    held = execution(target, device)
    reading = held.journal.read()
    assert reading.snapshot is not None
    for operation in range(1, 400):
        cut_one = device.fork()
        bank = execution(target, cut_one)
        if not cut(
            cut_one, operation, Outcome.BEFORE, partial(bank.journal.snapshot, reading.snapshot)
        ):
            break
        if operation % 29 == 1 or operation > 130:
            compare(target, cut_one)


@EVERY
def test_a_signed_image_is_installed_with_its_header(target: Target) -> None:
    device = blank(target)
    version = SecurityVersion(counter=1)
    store(target, device, 0, SIGNED, security_version=version, floor=version)
    booted = compare(target, device)
    assert booted.decision.bank == 0
    assert execution(target, booted.device).slot.read(0, SIZE) == SIGNED


@EVERY
@pytest.mark.parametrize("size", [8, 9, 1023, 1024, 1025, 2048, 3072])
def test_images_of_any_size_are_installed_alike(target: Target, size: int) -> None:
    device = blank(target)
    store(target, device, 0, plain(target, "1", size) if size > 100 else plain(target, "1")[:size])
    booted = compare(target, device)
    assert booted.decision.bank == 0


@EVERY
def test_what_has_no_vector_table_is_not_run(target: Target) -> None:
    for data in (SIGNED, bytes(SIZE), b"\xff" * SIZE, plain(target, "1")[:7]):
        device = blank(target)
        store(target, device, 0, data)
        assert compare(target, device).decision.mode is Mode.RECOVERY


def test_sectors_of_unlike_sizes_are_copied_alike() -> None:
    """Storage in sectors of 64 KiB and 128 KiB, execution in sectors of 128 KiB: read by the
    latter, so that all of one is read before it is touched."""
    device = blank(COPY_UNEVEN)
    store(COPY_UNEVEN, device, 0, plain(COPY_UNEVEN, "1.0.0", 140_000))
    booted = compare(COPY_UNEVEN, device)
    assert booted.decision.bank == 0
    for look in (booted.looks // 3 + 1000, 40_000):
        compare(COPY_UNEVEN, device, failing_looks=frozenset({look}))
