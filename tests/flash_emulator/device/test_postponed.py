"""Programs that are done later: nothing can tell, but that they are one operation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flash_emulator import CutAt, EmulatedFlash, Outcome, PowerLoss, ProgramError, Trace, load_part

PART = load_part("STM32L476xG")
BASE, UNIT, BANK = PART.base, PART.program_unit, PART.bank_size


@pytest.fixture
def flash():
    flash = EmulatedFlash(PART)
    flash.trace = Trace()
    return flash


def unit(number: int) -> bytes:
    return bytes([number % 251]) * UNIT


def test_consecutive_units_are_one_operation(flash):
    for number in range(5):
        flash.program_later(BASE + number * UNIT, unit(number))
    assert len(flash.trace) == 0
    flash.settle()
    assert [len(operation.data) for operation in flash.trace] == [5 * UNIT]


def test_a_gap_begins_another(flash):
    for number in (0, 1, 3, 2):
        flash.program_later(BASE + number * UNIT, unit(number))
    flash.settle()
    assert [len(operation.data) // UNIT for operation in flash.trace] == [2, 1, 1]


def test_no_operation_goes_across_banks(flash):
    for number in range(-1, 1):
        flash.program_later(BASE + BANK + number * UNIT, unit(number))
    flash.settle()
    assert len(flash.trace) == 2


LOOKS = {
    "read": lambda flash: flash.read(BASE, UNIT),
    "read across": lambda flash: flash.read(BASE + 4, UNIT),
    "match": lambda flash: flash.match(BASE, unit(0)),
    "sha256": lambda flash: flash.sha256(BASE, UNIT),
    "erase": lambda flash: flash.erase(BASE + 4096),
    "program": lambda flash: flash.program(BASE + 4096, unit(1)),
    "read_if_plain": lambda flash: flash.read_if_plain(BASE, UNIT),
    "fork": lambda flash: flash.fork(),
    "digest": lambda flash: flash.digest(),
    "state_digest": lambda flash: flash.state_digest(),
    "save": lambda flash: flash.save(),
    "reset": lambda flash: flash.reset(),
    "map_bank": lambda flash: flash.map_bank(1),
    "options": lambda flash: flash.launch_options(),
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_whoever_asks_the_device_finds_it_done(flash, look):
    flash.program_later(BASE, unit(0))
    look(flash)
    assert flash.trace.operations[0].data == unit(0)


def test_a_look_at_another_place_does_not_end_it(flash):
    flash.program_later(BASE, unit(0))
    assert flash.read_if_plain(BASE + 2048, 1024) == b"\xff" * 1024
    assert flash.read(BASE + UNIT, UNIT) == b"\xff" * UNIT
    assert flash.match(BASE + BANK, b"\xff" * UNIT) == UNIT
    flash.sha256(BASE + BANK, 4096)
    flash.program_later(BASE + UNIT, unit(1))
    flash.settle()
    assert len(flash.trace) == 1


def test_what_the_device_refuses_is_refused_at_once(flash):
    flash.program(BASE + UNIT, unit(9))
    flash.program_later(BASE, unit(0))
    with pytest.raises(ProgramError):
        flash.program_later(BASE + UNIT, unit(1))
    assert flash.read(BASE, UNIT) == unit(0)


def test_a_cut_leaves_the_units_before_it(flash):
    flash.supply = CutAt(3, Outcome.BEFORE)
    for number in range(5):
        flash.program_later(BASE + number * UNIT, unit(number))
    with pytest.raises(PowerLoss):
        flash.settle()
    flash.power_on()
    assert flash.read(BASE, 3 * UNIT) == unit(0) + unit(1) + b"\xff" * UNIT


@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 250)), max_size=20), st.integers(1, 20)
)
def test_a_cut_at_any_unit_leaves_what_it_leaves_without(places, operation):
    """Whatever is programmed where, and wherever power goes."""
    found = []
    for method in ("program", "program_later"):
        flash = EmulatedFlash(PART, supply=CutAt(operation, Outcome.TORN))
        flash.draws_by_place = True
        try:
            for place, number in places:
                try:
                    getattr(flash, method)(BASE + place * UNIT, unit(number))
                except ProgramError:
                    continue
            flash.settle()
        except PowerLoss:
            flash = flash.fork()
        flash.power_on()
        found.append(flash.digest())
    assert found[0] == found[1]
