"""The module's limits as a device meets them: just within, and just beyond.

30 s for the URL, 60 s between two reads, 20 minutes from action 3 to the version, five downloads
that fail in silence. The module's side of each: tests/quectel/test_quectel_module.py.
"""

from __future__ import annotations

import pytest

from mcu_updater.cloud.single_device import ComponentState
from mcu_updater.core.events import Event, JournalWritten
from mcu_updater.core.session import SessionOutcome
from mcu_updater.quectel.emulated.options import Faults, ModuleOptions
from tests.board.attached.attached_bench import Bench, codes


def stop_at(bench: Bench, moment: int | str, pause_s: float) -> None:
    """The MCU is reset when it has heard that code, or written that; and starts so much later."""
    for event in bench.board.run(bench.policy):
        written = event.phase if isinstance(event, JournalWritten) else None
        if moment in (written, *codes([event])):
            break
    bench.clock.sleep(pause_s)
    bench.module.advance(bench.clock.now_s())


def failures(bench: Bench) -> int:
    return [change.state for change in bench.center.history].count(ComponentState.FAILED)


def upgraded(bench: Bench, events: list[Event]) -> bool:
    versions = bench.version(), bench.module.versions["STM32"]
    ended = bench.board.result.outcome is SessionOutcome.UPDATED and codes(events)[-1] == 10705
    return ended and versions == ("2.0.0", "2.0.0")


@pytest.mark.parametrize(("url_s", "failed"), [(29.5, 0), (30.5, 1)])
def test_30_s_for_the_url(url_s: float, failed: int) -> None:
    bench = Bench(options=ModuleOptions(url_delay_s=url_s))
    stop_at(bench, 10700, 0)
    events = bench.run()
    assert (10706 in codes(events)) is bool(failed)
    assert (bench.board.result.outcome is SessionOutcome.UPDATED) is not failed
    if failed:  # tried as often as the plan may be, and the old version is what was told
        assert bench.plan.retry_times is not None
        assert failures(bench) == 1 + bench.plan.retry_times
        assert bench.version() == bench.module.versions["STM32"] == "1.0.0"
        assert bench.center.state_of(bench.plan) is ComponentState.FAILED


@pytest.mark.parametrize(("pause_s", "failed"), [(58.0, 0), (61.0, 1)])
def test_60_s_between_two_reads(pause_s: float, failed: int) -> None:
    bench = Bench(options=ModuleOptions(piece_size=1000))
    stop_at(bench, 10703, pause_s)
    assert failures(bench) == failed
    events = bench.run()
    assert upgraded(bench, events)  # by the plan's next attempt, where it has failed
    assert (codes(events).count(10701) > 0) is bool(failed)


@pytest.mark.parametrize(("pause_s", "failed"), [(1195.0, 0), (1201.0, 1)])
def test_20_minutes_for_the_update(pause_s: float, failed: int) -> None:
    """Too late the new version runs, is told, and is called a failure: the module's word."""
    bench = Bench()
    stop_at(bench, "TRIAL", pause_s)
    assert failures(bench) == failed
    bench.run()
    assert bench.version() == bench.module.versions["STM32"] == "2.0.0"
    state = ComponentState.FAILED if failed else ComponentState.SUCCESS
    assert bench.center.state_of(bench.plan) is state


@pytest.mark.parametrize(("failing", "failed"), [(1, 0), (5, 0), (6, 1)])
def test_five_downloads_may_fail(failing: int, failed: int) -> None:
    bench = Bench(faults=Faults(failing_downloads=failing))
    events = bench.run()
    assert failures(bench) == failed
    assert upgraded(bench, events)
    assert codes(events).count(10701) == 1 + failed  # a download that failed is silent: 10702
