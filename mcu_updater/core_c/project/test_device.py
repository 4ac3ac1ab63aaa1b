"""Bootloader and application on an emulated chip: boots, trials, an upgrade, and cuts of power.

`pytest --cuts single` cuts an upgrade in every flash operation with every outcome, once: minutes.
`--cuts any` cuts what that leaves again, until no new state appears: of a trial a minute, of an
upgrade hours.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from flash_emulator import Outcome, PowerLoss
from flash_emulator.device.trace import Operation
from mcu_updater.core.journal import Phase
from mcu_updater.devkit import NEW, OLD, Device, plan_of

SOME = 16
OUTCOMES = (Outcome.TORN, Outcome.BEFORE, Outcome.AFTER)


def phases(device: Device, flash: Any) -> list[tuple[Phase, str]]:
    return [(each.phase, each.version) for each in device.journals(flash)]


# --- boots


def test_the_factory_image_starts(device: Device) -> None:
    """The bootloader starts your application, which tells the module its version and has nothing
    to do."""
    running = device.runs(device.installed(device.application()))
    ended = running.run(timeout_ms=300_000)
    said = running.machine.record.output.decode("latin-1")
    assert f'AT+QIOTMCUVER="{device.component}","{OLD}"' in said, said
    assert ended is not None, f"{device.idle} has not come in 300 s; sent: {said}"
    assert ended.kind == "pin", ended
    assert running.machine.record.faults == []


def test_nothing_runs_where_nothing_is_installed(device: Device) -> None:
    flash = device.blank()
    flash.preload(device.slot.start, device.small("rest"))  # it is there, and no journal says so
    running = device.boots(flash)
    assert running.run(timeout_ms=50) is None, "the bootloader must stay"
    assert running.machine.record.operations == []


def test_an_image_on_trial_is_started(device: Device) -> None:
    old, new = device.small("rest", 1), device.small("rest", 2)
    running = device.boots(device.on_trial(old, new), old, new, wanted=new)
    running.run()
    assert running.runs() == "slot image 2"


@pytest.mark.parametrize("behaviour", ["reset", "hang"])
def test_an_image_that_fails_its_trial_is_taken_back(device: Device, behaviour: str) -> None:
    """It resets the chip, or hangs until the watchdog does, and in the end the old one runs."""
    old, new = device.small("rest", 1), device.small(behaviour, 2)
    flash = device.on_trial(old, new)
    running = device.runs(flash)
    ended = running.run(timeout_ms=1_000_000)
    assert ended is not None, "the watchdog must be started before a trial"
    assert ended.kind == "breakpoint", f"the old image must run in the end: {ended}"
    assert len(running.machine.record.resets) >= device.attempts
    assert phases(device, running.flash)[1][0] is Phase.FAILED


def test_a_whole_upgrade(device: Device) -> None:
    """From the first AT to the confirmed version, with your application in both slots."""
    new = device.application(NEW)
    running = device.runs(
        device.installed(device.application()), plan_of(device.component, NEW, new)
    )
    ended = running.run(timeout_ms=1_000_000)
    said = running.machine.record.output.decode("latin-1")
    assert ended is not None, f"{device.idle} has not come; sent: {said}"
    assert ended.kind == "pin", f"{ended}; sent: {said}"
    assert f'"{NEW}"' in said, said
    assert (Phase.CONFIRMED, NEW) in phases(device, running.flash)
    assert running.machine.record.faults == []


# --- cuts of power


def test_no_cut_of_a_trial_breaks_it(
    device: Device, powerloss: Any, request: pytest.FixtureRequest
) -> None:
    """Cuts anywhere, with every outcome, from the first start of a new image, which fails each
    time, to the old one; images are copied and options programmed on the way.

    Left out, unless --cuts any says more: more than two cuts in a row; where images are copied,
    more than one.
    """
    old, new = device.small("rest", 1), device.small("reset", 2)
    found = request.config.getoption("--cuts")
    powerloss(
        device.starts(device.on_trial(old, new), old, new, wanted=old),
        cuts=None if found == "any" else few_cuts(device),
        allow_incomplete=found != "any",
    )


def few_cuts(device: Device) -> int:
    """In a row: a copy has many more places to cut than a start."""
    return 2 if device.exchanges_banks else 1


def test_no_cut_of_an_upgrade_breaks_it(
    device: Device, powerloss: Any, request: pytest.FixtureRequest
) -> None:
    """Your application loads a small image. Whatever a cut leaves, the next boot goes on to it.

    Left out, unless --cuts says more: most single cuts, and all cuts that come in a row.
    """
    old, new = device.application(), device.small("rest", 2)
    flash = device.installed(old)
    kind = request.config.getoption("--cuts")
    if kind != "some":
        cuts = 1 if kind == "single" else None
        powerloss(
            device.upgrades(flash, old, new, offered=new),
            cuts=cuts,
            allow_incomplete=cuts is not None,
        )
        return
    powerloss.called = True
    for number, outcome, survives in some_cuts(device, flash, old, new):
        running = device.upgrades(flash.fork(), old, new, offered=new, survives=survives)
        running.cut_at(number, outcome)
        with pytest.raises(PowerLoss):
            running.run()
        running.run()
        assert running.runs() == "breakpoint image 2", f"operation {number}, {outcome}"


def some_cuts(
    device: Device, flash: Any, old: bytes, new: bytes
) -> Iterator[tuple[int, Outcome, bool]]:
    """Operation, outcome, and whether the module has power of its own: sixteen of the erases and
    runs of programs, with the outcomes in turn; in two of them the module begins anew."""
    running = device.upgrades(flash.fork(), old, new, offered=new)
    running.run()
    assert running.runs() == "breakpoint image 2"
    operations = [operation for operation, _ in running.machine.record.operations]
    chosen = [at for at, each in enumerate(operations) if begins(operations, at, each)]
    for turn, at in enumerate(chosen[:: -(-len(chosen) // SOME)]):
        yield at + 1, OUTCOMES[turn % len(OUTCOMES)], turn % (SOME // 2) != 0


def begins(operations: list[Operation], at: int, each: Operation) -> bool:
    """Whether it does not go on where the one before it has ended."""
    before = operations[at - 1] if at else None
    return before is None or each.address != before.address + len(before.data)
