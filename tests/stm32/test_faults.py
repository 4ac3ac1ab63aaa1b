"""What goes wrong on the line and in the chip: never "verified" on a shortfall, and a second run
completes."""

from __future__ import annotations

import random

import pytest

from flash_emulator import CutAt, Outcome
from flash_emulator.bootrom import Noise
from mcu_updater.cli import exits
from mcu_updater.core.errors import (
    ChipRefused,
    LinkError,
    NoBootloader,
    PortError,
    UpdaterError,
    VerificationFailed,
)
from mcu_updater.stm32.events import Verified
from tests.stm32.emulated_chip import PARTS, image, revive, world

FIRMWARE = image(6000)


def ends(one):
    """The error's exit code, or 0 for a run that says it is verified."""
    try:
        events = one.flash(FIRMWARE)
    except UpdaterError as error:
        assert error.message
        return exits.code_for(error)
    assert isinstance(events[-1], Verified)
    return 0


@pytest.mark.parametrize("kind", ["flip", "lose", "double"])
@pytest.mark.parametrize("chance", [0.0003, 0.003, 0.05])
def test_a_bad_line_costs_time_but_never_the_truth(kind, chance):
    good = 0
    for seed in range(6):
        one = world(noise=Noise(**{kind: chance}, seed=seed))
        code = ends(one)
        assert code in (0, 6, 7, 8, 11)
        if code == 0:
            good += 1
            assert one.holds(FIRMWARE)
        quiet = world()
        quiet.chip, quiet.cache_store = one.chip, one.cache_store
        quiet.line.chip = one.chip
        revive(quiet)
        assert ends(quiet) == 0 and quiet.holds(FIRMWARE)
    if chance < 0.001:
        assert good >= 5


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("nack:write:1+", ChipRefused),
        ("nack:extended-erase:1+", ChipRefused),
        ("nack:get-id:1+", ChipRefused),
        ("hang:write:5", LinkError),
        ("hang:extended-erase:1", LinkError),
        ("hang:read:9", LinkError),
        ("hang:get:1", NoBootloader),
        ("skip:write:1+", VerificationFailed),
        ("skip:write:7+", VerificationFailed),
    ],
)
def test_a_chip_that_will_not(fault, error):
    one = world(faults=[fault])
    with pytest.raises(error) as caught:
        one.flash(FIRMWARE)
    assert caught.value.then or caught.value.found
    revive(one)
    assert ends(one) == 0 and one.holds(FIRMWARE)


@pytest.mark.parametrize(
    "fault",
    [
        "nack:write:3",
        "nack:read:20",
        "reset:write:5",
        "reset:read:30",
        "reset:extended-erase:1",
        "busy:write:2",
        "busy:extended-erase:1",
        "skip:write:4",
        "skip:extended-erase:1",
        "spoil:read:25",
        "spoil:read:1",
    ],
)
def test_a_chip_that_slips_once_is_helped(fault):
    one = world(faults=[fault])
    one.chip.device.preload(0x0800_0000, b"old!" * 1500)
    assert ends(one) == 0 and one.holds(FIRMWARE)


@pytest.mark.parametrize("part", PARTS)
def test_a_chip_that_loses_power_at_any_operation_is_completed_by_the_next_run(part):
    rng = random.Random(part)
    for _ in range(4):
        one = world(part, seed=rng.randrange(1000))
        one.chip.device.preload(0x0800_0000, b"old!" * 500)
        outcome = rng.choice(list(Outcome))
        one.chip.device.supply = CutAt(rng.randrange(1, 60), outcome)
        code = ends(one)
        assert code in (0, 8)
        revive(one)
        code = ends(one)
        if code:  # a ROM that dies of a unit that cannot be read: known now, and not read again
            revive(one)
            code = ends(one)
        assert code == 0 and one.holds(FIRMWARE)


def test_a_cable_that_is_pulled_out_is_carried_on_from():
    one = world()
    one.line.dies_after = 5000
    with pytest.raises(PortError):
        one.flash(FIRMWARE)
    one.line.dies_after = None
    revive(one)
    assert ends(one) == 0 and one.holds(FIRMWARE)


def test_a_sector_that_may_be_half_erased_is_erased_again_though_it_reads_right():
    one = world()
    one.flash(FIRMWARE)
    memory = one.cache_store.kept[b"EMU" + bytes(9)]
    memory.doubtful = {1}
    plan = next(event.plan for event in one.flash(FIRMWARE) if hasattr(event, "plan"))
    assert [sector.number for sector in plan.erase.sectors] == [1]
    assert not one.cache_store.kept[b"EMU" + bytes(9)].doubtful
