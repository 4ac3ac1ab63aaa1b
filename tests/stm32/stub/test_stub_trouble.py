"""The loader stub on a bad line, and when power is cut: nothing wrong is kept or hidden."""

from __future__ import annotations

import os

import pytest

from benchmarks.loader_stub.chip import StubChip
from flash_emulator import CutAt, Outcome, PowerLoss, SteadySupply, UnreadableUnit
from flash_emulator.bootrom import Noise
from mcu_updater.stm32.chip import Sector
from mcu_updater.stm32.plan import covered_sectors
from tests.stm32.stub.stubs import (
    BASE,
    FIRMWARE,
    PARTS,
    Job,
    check,
    contents,
    expected_after,
    flash,
    host_chip,
    made_chip,
    run,
)
from tests.thorough import one_in

IMAGE = FIRMWARE[:3000]

SEEDS = int(os.environ.get("MCU_UPDATER_STUB_SEEDS", "1"))  # bad lines of each kind

LINES = {
    "flipped bits": Noise(flip=0.001),
    "lost bytes": Noise(lose=0.001),
    "doubled bytes": Noise(double=0.002),
    "all of it": Noise(flip=0.001, lose=0.001, double=0.001),
}


@pytest.mark.parametrize("seed", range(SEEDS))
@pytest.mark.parametrize("noise", one_in(4, [*LINES.values()], 3), ids=one_in(4, [*LINES], 3))
def test_a_bad_line_costs_time_only(noise: Noise, seed: int) -> None:
    noise = Noise(noise.flip, noise.lose, noise.double, seed=seed)
    chip, job = made_chip(noise=noise), Job(IMAGE)
    session = None

    def flash_it() -> None:
        nonlocal session
        session = run(chip, flash(chip, job), window=4)

    check(chip, job, flash_it)
    assert session is not None and session.is_done
    assert chip.wire.hits or seed, "the first line of each kind was bad"
    assert chip.front.undefined == []


def test_a_bad_line_at_full_speed() -> None:
    chip, job = made_chip(noise=Noise(flip=0.001, lose=0.001, seed=5)), Job(IMAGE, baud=921_600)
    check(chip, job, lambda: run(chip, flash(chip, job), window=8))


CUTS = [
    (part, operation, outcome)
    for part in PARTS
    for operation in (1, 2, 150, 330)
    for outcome in Outcome
]


def host_sectors(chip: StubChip, job: Job) -> tuple[Sector, ...]:
    host = host_chip(chip)
    return covered_sectors(host, job.firmware(host))


@pytest.mark.parametrize(("part", "operation", "outcome"), one_in(12, CUTS))
def test_a_cut_in_the_middle(part: str, operation: int, outcome: Outcome) -> None:
    """The next run writes anew what was begun and not verified, whatever it reads as: a page that
    is blank or right may be so weakly. The job remembers; nothing in the chip could."""
    chip, job = made_chip(part), Job(IMAGE)
    before = contents(chip)
    chip.flash.supply = CutAt(operation, outcome)
    with pytest.raises(PowerLoss):
        run(chip, flash(chip, job))
    assert chip.flash.supply.fired
    assert job.begun == {sector.number for sector in host_sectors(chip, job)}
    device = chip.flash
    device.supply = SteadySupply()
    device.power_on()
    again = StubChip(device)
    run(again, flash(again, job))
    assert job.begun == set()
    assert contents(again) == expected_after(again, before, job)
    try:
        assert device.read(BASE, len(IMAGE)) == IMAGE
    except UnreadableUnit as error:
        raise AssertionError("what was written cannot be read") from error


@pytest.mark.parametrize("part", PARTS)
def test_after_a_cut_no_vector_table_starts_half_an_image(part: str) -> None:
    """Its sector is erased first, and it is programmed last."""
    chip, job = made_chip(part), Job(IMAGE)
    chip.flash.supply = CutAt(60, Outcome.TORN)
    with pytest.raises(PowerLoss):
        run(chip, flash(chip, job))
    chip.flash.supply = SteadySupply()
    chip.flash.power_on()
    assert chip.flash.read(BASE, 8) == b"\xff" * 8
