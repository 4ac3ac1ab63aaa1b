"""Nothing of a device tells what its cells hold without being noticed.

Every public method and property is called on devices that differ in content alone. Where the answer
differs, a watch must have been told, and on a device that has forgotten that content the call must
raise UnknownContent and the device keep it. A name that stands in no table fails.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import flash_emulator
from flash_emulator import CutAt, EmulatedFlash, Outcome, PowerLoss, UnknownContent
from flash_emulator.device.sensing import MetastableMode
from flash_emulator.device.trace import Operation
from flash_emulator.errors import OutsideKey
from flash_emulator.parts.part_model import OptionField, OptionModel, OptionRole, Overwrite
from flash_emulator.power import Decay
from tests.flash_emulator.tiny_silicon import BASE, SECTOR, UNIT, cut, flash, part, state, units

OPTIONS = OptionModel(
    "erase_then_program", "option_load", {"BFB2": OptionField(OptionRole.BOOT_BANK, 1, 0, 1)}
)
ROW = 4 * UNIT
DATA = units(0, 2)

Call = Callable[[EmulatedFlash], Any]


def then(call: Call, look: Call) -> Call:
    """Do *call*, and tell what there is to see by *look*."""

    def both(flash: EmulatedFlash) -> object:
        call(flash)
        return look(flash)

    return both


def held(flash: EmulatedFlash) -> object:
    """The first unit's cells."""
    return flash.cells.raw(0) or flash.cells.word(0)


def bank(flash: EmulatedFlash) -> int:
    return flash.mapped_bank


LOOKS: dict[str, Call] = {
    "read": lambda f: f.read(BASE, UNIT),
    "program_later": then(lambda f: f.program_later(BASE, DATA), lambda f: f.settle()),
    "read_and_verdict": lambda f: f.read_and_verdict(BASE, UNIT),
    "sha256": lambda f: f.sha256(BASE, SECTOR),
    "match": lambda f: f.match(BASE, DATA),
    "program": lambda f: f.program(BASE, DATA),
    "program_fast": lambda f: f.program_fast(BASE, units(0, 4)),
    "program_in_row": lambda f: f.program_in_row(BASE, DATA),
    "repeat": lambda f: f.repeat(Operation("program", BASE, DATA, 2)),
    "flip": then(lambda f: f.flip(BASE, 3), held),
    "power_on": then(lambda f: f.power_on(), bank),
    "reset": then(lambda f: f.reset(), bank),
    "launch_options": then(lambda f: f.launch_options(), bank),
    "preload": then(lambda f: f.preload(BASE + 1, b"\x55"), held),
    "save": lambda f: f.save(),
    "digest": lambda f: f.digest(),
}

INDIFFERENT: dict[str, Call] = {
    "erase": lambda f: f.erase(BASE),
    "erase_bank": lambda f: f.erase_bank(0),
    "erase_all": lambda f: f.erase_all(),
    "forget": lambda f: f.forget(BASE, SECTOR),
    "spoil": then(lambda f: f.spoil(BASE), held),
    "stick": lambda f: f.stick(BASE, 1),
    "map_bank": then(lambda f: f.map_bank(1), bank),
    "program_options": lambda f: f.program_options(BFB2=0),
    "protect_sectors": lambda f: f.protect_sectors(BASE),
    "array_offset": lambda f: f.array_offset(BASE),
    "mapped_offset": lambda f: f.mapped_offset(BASE, UNIT),
    "unit_at": lambda f: f.unit_at(BASE),
    "address_of": lambda f: f.address_of(0),
    "physical_address": lambda f: f.physical_address(0),
    "draw_seed": lambda f: f.draw_seed(0),
    "named_bank": lambda f: f.named_bank(1, f.part.bank_erase_bank),
    "is_busy": lambda f: f.is_busy(),
    "wait": lambda f: f.wait(),
    "settle": lambda f: f.settle(),
    "keep_power": lambda f: f.keep_power(),
    "pass_time": lambda f: f.pass_time(5),
    "check_power": lambda f: f.check_power(),
    "forget_history": lambda f: f.forget_history(),
    "forget_interrupted": lambda f: f.forget_interrupted(),
    "senses": lambda f: f.senses(),
    "settings": lambda f: f.settings(),
    "boot_state": lambda f: f.boot_state(),
    "elapsed_us": lambda f: f.elapsed_us(),
    "decay": lambda f: decay_all(erased(f)),
    "may_decay": lambda f: [f.may_decay(each) for each in sorted(erased(f).recalls)],
    "forget_completed": lambda f: f.forget_completed(),
    "take_state": lambda f: None,  # what was packed, by ``load``
    "load": lambda f: None,  # makes another device
}
PROPERTIES = (
    "busy_until_us", "clock", "flickered", "flickered_full", "flickers", "geometry", "interrupted",
    "mapped_bank", "maps_at_once", "protected", "supply", "watch",
)  # fmt: skip
FIELDS = (
    "background", "draws_by_place", "energy_uj", "flips", "kept_power", "metastable_mode",
    "options", "part", "recalls", "seed", "stuck", "timing", "trace",
)  # fmt: skip
OUTSIDE_KEY: dict[str, Call] = {
    "usage": lambda f: f.usage,
    "erase_counts": lambda f: f.erase_counts,
    "is_timed": lambda f: f.is_timed,
    "worn_sectors": lambda f: f.worn_sectors(),
    "energy_used_uj": lambda f: f.energy_used_uj(),
    "save": lambda f: f.save(),
    "give_state": lambda f: f.give_state(),
}
FOR_SEARCHES = {
    "peek": "for debuggers, never on behalf of a boot: see the test of who calls them",
    "peek_unit": "the same; nothing is told of a forgotten unit",
    "state_digest": "tells forgotten units from all else, not what they hold",
    "decayed_key": "the same, of what was there before the last erase",
    "cells": "``Cells`` raises by itself; ``peek`` and marks: see the test of who calls them",
    "read_if_plain": "tells whether units are to be read by themselves, as ``read`` then does",
    "takes": "tells whether ``program_later`` may wait; ``program`` looks by itself",
    "room": "what `program_later` has looked at: erased units of a page, to be programmed next",
    "may_be_kept": "as `takes`",
    "fork": "a twin, which looks as the device does",
    "become_fork": "what `fork` calls, on a twin of any class",
    "alone": "the same", "for_boot": "the same",
    "enter_search": "sets what is guarded", "leave_search": "the same",
    "unprotect_readout": "erases all; part without read-out protection here",
}  # fmt: skip


def erased(flash: EmulatedFlash) -> EmulatedFlash:
    """With its first sector erased, and all that a decay needs remembered."""
    flash.recalls = frozenset(Decay)
    flash.erase(BASE)
    return flash


def decay_all(flash: EmulatedFlash) -> None:
    for each in flash.recalls:
        flash.decay(each)


class Told:
    """A watch that notes what is looked at."""

    def __init__(self) -> None:
        self.units: set[int] = set()

    def read(self, offset: int, size: int) -> None:
        self.units |= set(range(offset // UNIT, -(-(offset + size) // UNIT)))

    def compared(self, unit: int, wanted: tuple[int, bytes], *, never: bool) -> None:
        self.units.add(unit)

    def operation(self, operation: Operation) -> None:
        if operation.kind == "program":
            self.read(operation.address - BASE, len(operation.data))

    def moment(self) -> None:
        """Nothing."""


def device(content: bytes, *, rule: Overwrite = Overwrite.FORBIDDEN) -> EmulatedFlash:
    """With *content* in every sector; the boot ROM chooses the bank by bank 2's first word."""
    chip = part(options=OPTIONS, overwrite=rule, row_bytes=ROW)
    flash = EmulatedFlash(chip)
    for sector in chip.sector_starts:
        flash.preload(BASE + sector, content)
    return flash


STACK = b"\x00\x80\x00\x20" + bytes(4)
CONTENTS = (DATA, STACK * 2, b"")


def forgotten(flash: EmulatedFlash) -> EmulatedFlash:
    flash.forget(BASE, flash.part.size)
    return flash


def answer(call: Call, flash: EmulatedFlash) -> object:
    try:
        return call(flash)
    except (OSError, ValueError) as error:
        return repr(error)


def members() -> set[str]:
    made = EmulatedFlash(part())
    return {name for name in {*dir(EmulatedFlash), *vars(made)} if not name.startswith("_")}


def test_every_public_name_is_in_a_table() -> None:
    known = {*LOOKS, *INDIFFERENT, *PROPERTIES, *FIELDS, *OUTSIDE_KEY, *FOR_SEARCHES}
    assert members() - known == set(), "say here whether it tells what cells hold"
    assert known - members() == set()


@pytest.mark.parametrize("name", LOOKS)
def test_who_tells_what_cells_hold_is_noticed(name: str) -> None:
    answers, told = [], set[int]()
    for content in CONTENTS:
        flash, watch = device(content), Told()
        if name in ("save", "digest"):
            flash = (
                flash.for_boot(MetastableMode.STABLE, frozenset()) if name == "digest" else flash
            )
        flash.watch = watch
        answers.append(answer(LOOKS[name], flash))
        told |= watch.units
    assert len({repr(each) for each in answers}) > 1, "it does not tell: it is no look"
    assert told, "the watch was not told"
    unknown = forgotten(device(DATA))
    if name == "digest":
        unknown = unknown.for_boot(MetastableMode.STABLE, frozenset())
    with pytest.raises(UnknownContent):
        LOOKS[name](unknown)
    with pytest.raises(UnknownContent):
        unknown.cells.halt.check()
    with pytest.raises(UnknownContent):
        unknown.erase(BASE)


@pytest.mark.parametrize("name", [*INDIFFERENT, *PROPERTIES, *FIELDS])
def test_all_else_does_not_depend_on_content(name: str) -> None:
    call = INDIFFERENT.get(name, lambda flash: getattr(flash, name))
    skipped = name in ("clock", "supply", "options", "watch")  # objects of their own
    answers = {repr(answer(call, device(content))) for content in CONTENTS}
    assert len(answers) == 1 or skipped
    call(forgotten(device(DATA)))


@pytest.mark.parametrize("name", OUTSIDE_KEY)
def test_sums_over_all_boots_are_refused_in_a_search(name: str) -> None:
    flash = device(DATA)
    flash.energy_uj = {"program": 1.0, "erase": 1.0}
    OUTSIDE_KEY[name](flash)
    boot = flash.for_boot(MetastableMode.STABLE, frozenset())
    for twin in (boot, boot.fork()):
        with pytest.raises(OutsideKey):
            OUTSIDE_KEY[name](twin)
    OUTSIDE_KEY[name](boot.alone())


@pytest.mark.parametrize("partial", [False, True])
def test_preload_looks_at_units_of_which_it_keeps_a_part(partial: bool) -> None:
    flash = forgotten(device(DATA))
    flash.preload(BASE, bytes(2 * UNIT))
    assert flash.read(BASE, 2 * UNIT) == bytes(2 * UNIT)
    if partial:
        with pytest.raises(UnknownContent):
            flash.preload(BASE + 2 * UNIT, bytes(UNIT + 1))


@pytest.mark.parametrize("ecc", [True, False])
def test_what_is_preloaded_is_as_programmed_whatever_stood_there(ecc: bool) -> None:
    """Torn, flipped or forgotten: nothing of it stays."""
    plain, spoilt = flash(ecc=ecc), flash(ecc=ecc)
    cut(spoilt, 1, Outcome.METASTABLE, lambda: spoilt.program(BASE, bytes(UNIT)))
    spoilt.power_on()
    spoilt.program(BASE + UNIT, bytes(UNIT))
    spoilt.flip(BASE + UNIT, 3)
    assert spoilt.cells.raw_units(0, SECTOR) != []
    spoilt.forget(BASE + 2 * UNIT, 3 * UNIT)
    spoilt.forget(BASE + SECTOR, SECTOR)
    content = bytes(range(2 * SECTOR))
    for device_of in (plain, spoilt):
        device_of.preload(BASE, content)
        assert device_of.read(BASE, 2 * SECTOR) == content
    assert not spoilt.cells.has_unknown
    assert state(spoilt) == state(plain)
    assert spoilt.cells.digest() == plain.cells.digest()


def test_the_rom_looks_where_it_chooses_a_bank_and_only_there() -> None:
    flash, bank = device(DATA), 4 * SECTOR
    flash.forget(BASE + bank, UNIT)
    for start in (flash.power_on, flash.reset, flash.launch_options):
        twin = flash.alone()
        with pytest.raises(UnknownContent) as met:
            getattr(twin, start.__name__)()
        assert (met.value.offset, met.value.size) == (bank, 4)
    flash.program_options(BFB2=0)
    flash.power_on()


def test_a_chip_that_has_forgotten_opsr_says_so_until_the_next_operation() -> None:
    flash = EmulatedFlash(part(opsr=True))
    flash.supply = CutAt(1, Outcome.TORN)
    with pytest.raises(PowerLoss):
        flash.program(BASE, DATA[:UNIT])
    flash.forget_interrupted()
    known = flash.alone()
    known.interrupted = None
    assert flash.state_digest() != known.state_digest()
    flash.power_on()
    twin = flash.alone()
    with pytest.raises(UnknownContent) as met:
        _ = twin.interrupted
    assert met.value.offset == flash.part.size
    flash.erase(BASE + SECTOR)
    assert flash.interrupted is None


# --- who goes past the marks

PAST = (
    "peek",
    "peek_if_plain",
    "peek_raw_units",
    "mark",
    "marks",
    "excluded",
    "not_held",
    "unknown_spans",
    "plain_size",
    "plain_unit",
)
MAY = {
    "array/cells.py", "array/cuts.py", "array/pages.py", "device/matching.py", "device/possible.py",
    "device/sensing.py", "device/injection.py",
    "explore/replay.py", "explore/certificate.py", "explore/successors.py", "explore/edges.py",
    "explore/next_boots.py", "explore/refining.py",
    "certificate_check/unseen.py", "certificate_check/plain_replay.py",
    "explore/touched.py", "machine/address_space.py", "machine/debugger/flash_words.py",
    "player/signs.py",
}  # fmt: skip
"""``sensing`` is the door; ``matching`` asks which units are plain and known; ``injection``
rewrites what it looked at; ``cuts`` leaves alone what nothing is known of; films and the debugger
look from outside, and no boot sees it."""


def test_only_searches_go_past_the_marks() -> None:
    home = Path(flash_emulator.__file__).parent
    callers = set()
    for file in home.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Attribute) and node.attr in PAST and _of_cells(node.value):
                callers.add(str(file.relative_to(home)))
    assert callers - MAY == set()


def _of_cells(node: ast.expr) -> bool:
    name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
    return name in ("cells", "self")
