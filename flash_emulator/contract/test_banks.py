"""Two banks, and which of them the CPU sees at the base address.

A mapping is a run-time alias, in force at once and gone with the next reset, or an option of the
device, in force with the next power-on at the latest and kept. Either is fine; a mix is not.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from flash_emulator.contract.bench import (
    check,
    cut_and_restart,
    fill,
    operations,
    reads_or_oserror,
    show_bank,
)
from flash_emulator.contract.layout import Expected, Layout
from flash_emulator.contract.shape import Cuttable, Powered, Switchable
from flash_emulator.power import Outcome


def _marked(device: Switchable, expected: Expected, layout: Layout) -> None:
    """Data in both banks, another one at each place."""
    for sector in layout.landmarks:
        fill(device, expected, layout.ends(sector))


def test_map_bank_exchanges_the_banks_and_nothing_else(
    switchable: Switchable, expected: Expected, layout: Layout
) -> None:
    """With bank 1 mapped, the CPU sees at the base address what it saw behind the bank, and the
    other way round, byte for byte; with bank 0 mapped again all is as it was."""
    _marked(switchable, expected, layout)
    check(switchable, expected)
    for bank in (1, 0, 1):
        show_bank(switchable, bank)
        expected.exchange_banks()
        check(switchable, expected)


def test_programs_and_erases_go_where_the_cpu_looks(
    switchable: Switchable, expected: Expected, layout: Layout
) -> None:
    """Addresses are those that the CPU uses now: a program and an erase change what a read of the
    same address shows, and the physical bank that is mapped there."""
    _marked(switchable, expected, layout)
    show_bank(switchable, 1)
    expected.exchange_banks()
    for bank in range(layout.bank_count):
        first = next(sector for sector in layout.sectors if sector.bank == bank)
        switchable.erase(first.address)
        expected.erase(first)
        check(switchable, expected)
        fill(switchable, expected, layout.ends(first), salt=1 + bank)
        check(switchable, expected)
    show_bank(switchable, 0)
    expected.exchange_banks()
    check(switchable, expected)


def test_mapping_the_mapped_bank_changes_nothing(
    switchable: Switchable, expected: Expected, layout: Layout
) -> None:
    """map_bank may be told what is so already."""
    _marked(switchable, expected, layout)
    for bank in (0, 1):
        for _ in range(2):
            show_bank(switchable, bank)
        if bank:
            expected.exchange_banks()
        check(switchable, expected)


def test_a_power_on_takes_the_mapping_back_or_keeps_it(
    switchable: Switchable,
    powered: Powered,
    expected: Expected,
    layout: Layout,
    say: Callable[[str], None],
) -> None:
    """A mapping in force at once is gone after a power-on (run-time alias) or kept; one that waits
    for a power-on (option) is kept from then on. No data change, and mapped_bank always says what
    is seen."""
    _marked(switchable, expected, layout)
    at_once = show_bank(switchable, 1)
    seen = set()
    for _ in range(3):
        powered.power_on()
        seen.add(switchable.mapped_bank)
        held = Expected(layout)
        held.data = expected.data[:]
        if switchable.mapped_bank:
            held.exchange_banks()
        check(switchable, held)
    assert len(seen) == 1, "the mapping changes from one power-on to the next"
    kept = seen == {1}
    assert at_once or kept, "a mapping that needs a power-on is lost with the next one"
    say(f"mapping: {'kept' if kept else 'gone after a power-on'}")


def test_a_reset_takes_the_mapping_back_or_keeps_it(
    switchable: Switchable, powered: Powered, expected: Expected, layout: Layout
) -> None:
    """A reset, where the device has one, does to a mapping in force what a power-on does."""
    reset = getattr(switchable, "reset", None)
    if reset is None:
        pytest.skip("the device has no reset")
    _marked(switchable, expected, layout)
    show_bank(switchable, 1)
    reset()
    after_reset = switchable.mapped_bank
    powered.power_on()
    assert after_reset == switchable.mapped_bank
    if after_reset:
        expected.exchange_banks()
    check(switchable, expected)


def test_a_cut_in_map_bank_leaves_one_bank_or_the_other(
    cuttable: Cuttable,
    switchable: Switchable,
    expected: Expected,
    layout: Layout,
    outcome: Outcome,
) -> None:
    """Where map_bank is an operation, a cut leaves the old mapping or the new one with all data, or
    a device that answers reads with OSError: option bytes that do not fit protect it from
    everyone. BEFORE leaves the old one, AFTER the new one."""
    if not operations(cuttable, lambda: switchable.map_bank(0)):
        pytest.skip("map_bank is no operation: there is nothing to be cut")
    _marked(switchable, expected, layout)
    cut_and_restart(cuttable, 1, outcome, lambda: switchable.map_bank(1))
    readable = reads_or_oserror(switchable, layout.base, layout.unit) is not None
    if outcome in (Outcome.BEFORE, Outcome.AFTER):
        assert readable
        assert switchable.mapped_bank == (outcome is Outcome.AFTER)
    if not readable:
        return
    if switchable.mapped_bank:
        expected.exchange_banks()
    check(switchable, expected)
