"""The loader stub on a bad line, and when power is cut: nothing wrong is kept or hidden."""

from __future__ import annotations

import os

import pytest

from benchmarks.loader_stub.chip import StubChip
from benchmarks.loader_stub.flashing import BASE, PAGE_SIZE, Job, flash
from flash_emulator import CutAt, Outcome, PowerLoss, SteadySupply, UnreadableUnit
from flash_emulator.bootrom import Noise
from tests.loader_stub.stubs import (
    FIRMWARE,
    check,
    contents,
    expected_after,
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
    chip, job = made_chip(noise=noise), Job(IMAGE, compress=False)
    session = None

    def flash_it() -> None:
        nonlocal session
        session = run(chip, flash(job), window=4)

    check(chip, job, flash_it)
    assert session is not None and session.is_done
    assert chip.wire.hits or seed, "the first line of each kind was bad"
    assert chip.front.undefined == []


def test_a_bad_line_at_full_speed() -> None:
    chip, job = made_chip(noise=Noise(flip=0.001, lose=0.001, seed=5)), Job(IMAGE, baud=921_600)
    check(chip, job, lambda: run(chip, flash(job), window=8))


CUTS = [(operation, outcome) for operation in (1, 2, 150, 330) for outcome in Outcome]


@pytest.mark.parametrize(("operation", "outcome"), one_in(12, CUTS))
def test_a_cut_in_the_middle(operation: int, outcome: Outcome) -> None:
    """The next run writes anew what was begun and not verified, whatever it reads as: a page that
    is blank or right may be so weakly. The job remembers; nothing in the chip could."""
    chip, job = made_chip(), Job(IMAGE)
    before = contents(chip)
    chip.flash.supply = CutAt(operation, outcome)
    with pytest.raises(PowerLoss):
        run(chip, flash(job))
    assert chip.flash.supply.fired
    assert job.begun == set(job.pages)
    device = chip.flash
    device.supply = SteadySupply()
    device.power_on()
    again = StubChip(device)
    run(again, flash(job))
    assert job.begun == set()
    assert contents(again) == expected_after(before, job)
    for page, data in job.pages.items():
        try:
            assert device.read(page, PAGE_SIZE) == data
        except UnreadableUnit as error:
            raise AssertionError(f"page 0x{page:08X}") from error


def test_after_a_cut_the_vector_table_does_not_start_half_an_image() -> None:
    chip, job = made_chip(), Job(IMAGE)
    vectors = chip.flash.read(BASE, 8)
    chip.flash.supply = CutAt(60, Outcome.TORN)
    with pytest.raises(PowerLoss):
        run(chip, flash(job))
    chip.flash.supply = SteadySupply()
    chip.flash.power_on()
    assert chip.flash.read(BASE, 8) == vectors, "the old one: its page is written last"
