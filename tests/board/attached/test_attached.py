"""A module behind a port, in virtual time: its patience, its habits, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcu_updater.cloud.single_device import ComponentState, Package, Plan
from mcu_updater.core.admission import Judgement
from mcu_updater.core.errors import ImageRejected, Remedy
from mcu_updater.core.events import JournalWritten, ModuleSaid
from mcu_updater.core.ota import PlanOffered
from mcu_updater.core.session import Policy, SessionOutcome
from mcu_updater.quectel.checks import Checks
from mcu_updater.quectel.emulated.options import ModuleOptions
from mcu_updater.quectel.link import DEFAULT_DIALECT
from tests import worlds
from tests.board.attached.attached_bench import (
    ATTACHED,
    Bench,
    SlowFlash,
    codes,
    problems,
    told,
    wanted,
)

NORMAL = [10700, 10700, 10701, 10702, 10703, 10704, 10705]


@pytest.mark.parametrize("piece_size", [None, 1000])
def test_an_upgrade(piece_size):
    bench = Bench(options=ModuleOptions(piece_size=piece_size))
    events = bench.run()
    assert bench.board.result.outcome is SessionOutcome.UPDATED
    assert bench.version() == "2.0.0"
    assert codes(events)[:4] == NORMAL[:4]
    assert codes(events)[-2:] == NORMAL[-2:]
    assert bench.center.state_of(bench.plan) is ComponentState.SUCCESS
    assert not bench.board.module.versions  # the board's own module is not used


# --- the 60 s and the 20 minutes


def slow_bench(dialect=ATTACHED, **options) -> tuple[Bench, SlowFlash]:
    """Sectors that take 50 s to erase, and as long to program."""
    size = 20_000
    full = bytearray(worlds.image("2.0.0", size))
    full[64:] = bytes(i % 251 for i in range(size - 64))
    plan = Plan("STM32", "2.0.0", Package(bytes(full)))
    bench = Bench(plan, ModuleOptions(**options), dialect=dialect)
    slow = bench.board.device.clock = SlowFlash(bench.clock, 2000.0)
    return bench, slow


def test_slow_flash_does_not_starve_the_module():
    bench, slow = slow_bench()
    events = bench.run()
    assert 40e6 < slow.longest_us < 60e6  # no single operation may be longer than its patience
    assert codes(events) == NORMAL
    assert bench.board.result.outcome is SessionOutcome.UPDATED


def test_and_would_without_the_reads_that_keep_it_waiting():
    bench, _ = slow_bench(replace(ATTACHED, keep_alive_s=1e9))
    events = bench.run()
    assert 10706 in codes(events)
    assert bench.board.result.outcome is not SessionOutcome.UPDATED
    assert bench.version() == "1.0.0"


def test_between_the_announcement_and_the_version_there_is_little_flash_work():
    bench, slow = slow_bench()
    updating_s = None
    for event in bench.board.run(bench.policy):
        if codes([event]) == [10704]:
            updating_s = bench.clock.now_s()
        if codes([event]) == [10705]:
            assert updating_s is not None
            assert bench.clock.now_s() - updating_s < 1200
    assert slow.longest_us > 40e6
    assert bench.board.result.outcome is SessionOutcome.UPDATED


# --- plans that come unasked, or too early


def test_a_plan_that_comes_unasked_brings_its_sha256():
    """It comes while the answer to the version is waited for, before anybody asked for SHA-256."""
    bench = Bench(options=ModuleOptions(push_interval_s=2.0))
    events = bench.run()
    assert "is there a plan? with SHA-256" not in told(events)
    assert codes(events).count(10706) == 0
    assert bench.board.result.outcome is SessionOutcome.UPDATED


def test_without_asking_it_would_not():
    bench = Bench(
        options=ModuleOptions(push_interval_s=2.0),
        dialect=DEFAULT_DIALECT,
        policy=Policy(plan_once=True),
    )
    events = bench.run()
    assert "the module did not say the package's SHA-256" in problems(events)


def test_a_plan_that_comes_while_one_is_waited_for():
    """Nothing on request; the platform pushes ten minutes later."""
    options = ModuleOptions(push_interval_s=600.0, plan_delay_s=1e6)
    bench = Bench(options=options, policy=Policy(plan_s=700.0, plan_once=True))
    assert codes(bench.run()) == NORMAL[1:]
    assert bench.clock.now_s() > 600


# --- nothing but the line guards what a plan says


def test_a_plan_that_is_not_said_again_is_not_believed():
    """Unless its owner says so, as above. It waits in the module, and nothing was changed."""
    options = ModuleOptions(push_interval_s=600.0, plan_delay_s=1e6)
    bench = Bench(options=options, policy=Policy(plan_s=700.0))
    events = bench.run()
    assert set(codes(events)) == {10700}
    result = bench.board.result
    assert (result.outcome, bench.erases) == (SessionOutcome.LOST, 0)
    assert result.error is not None
    assert result.error.remedies == (Remedy.BELIEVE_ONE_PLAN,)
    assert bench.center.state_of(bench.plan) is ComponentState.RECEIVED


def test_a_confirmation_that_comes_too_early():
    bench = Bench(options=ModuleOptions(confirm_race_s=0.4))
    assert codes(bench.run()) == NORMAL
    assert bench.board.retries >= 1


def test_the_module_starts_over_at_byte_0():
    """Its power goes in the second piece: 10702, then a piece at 0, and the upgrade goes on."""
    bench = Bench(options=ModuleOptions(piece_size=1000))
    cut, events = False, []
    for event in bench.board.run(bench.policy):
        events.append(event)
        if not cut and "bytes 2000" in str(event):
            bench.module.power_cut(bench.clock.now_s())
            bench.module.power_on(bench.clock.now_s())
            cut = True
    assert bench.board.result.outcome is SessionOutcome.UPDATED
    assert sum("bytes 0 to 999" in str(event) for event in events) == 2


def test_a_reset_of_the_mcu_is_found_out_by_reading():
    bench = Bench(options=ModuleOptions(piece_size=1000))
    for event in bench.board.run(bench.policy):
        if "bytes 2000" in str(event):
            break  # the rest is lost: RAM, and what the client knew
    events = bench.run()
    assert any(text.startswith("what do you hold?") for text in told(events))
    assert bench.board.result.outcome is SessionOutcome.UPDATED


def test_what_the_module_said_before_it_was_probed_is_not_heard_after_it():
    """The first piece gets ready while the MCU, after a reset, renews its journal. Its 10703 stands
    in the line's buffer when a probe has found that piece already."""
    bench = Bench(options=ModuleOptions(piece_size=1000))
    for event in bench.board.run(bench.policy):
        if isinstance(event, JournalWritten) and event.phase == "LOADING":
            break
    bench.board.device.clock = SlowFlash(bench.clock, 2000.0)
    events = bench.run()
    assert any(text.startswith("what do you hold?") for text in told(events))
    said = [event.text for event in events if isinstance(event, ModuleSaid)]
    assert any("bytes 0 to 999" in text and "before it was asked" in text for text in said)
    assert bench.board.result.outcome is SessionOutcome.UPDATED
    assert bench.center.failures_of(bench.plan) == 0


def test_a_reset_after_the_modules_patience_is_an_honest_failure_and_a_new_attempt():
    bench = Bench()
    for event in bench.board.run(bench.policy):
        if codes([event]) == [10703]:
            break
    bench.clock.sleep(61)
    bench.module.advance(bench.clock.now_s())
    assert bench.center.state_of(bench.plan) is ComponentState.FAILED
    bench.run()
    assert bench.board.result.outcome is SessionOutcome.UPDATED


# --- what is refused


def test_another_package_is_refused_before_anything_is_erased():
    other = Package(worlds.package("bin", "3.0.0"))
    bench = Bench(wanted=wanted(other))
    slot = bench.board.banks()[1].slot
    before = slot.read(0, slot.size)
    events = bench.run()
    result = bench.board.result
    assert result.outcome is SessionOutcome.REJECTED
    assert isinstance(result.error, ImageRejected)
    assert result.error.expected == f"MD5 {other.md5.hex()}"
    assert 10703 not in codes(events)
    assert codes(events)[-1] == 10706
    assert slot.read(0, slot.size) == before
    assert bench.version() == "1.0.0"


def test_the_package_that_was_given_is_taken():
    bench = Bench()
    bench = Bench(bench.plan, wanted=wanted(bench.plan.package))
    bench.run()
    assert bench.board.result.outcome is SessionOutcome.UPDATED


@pytest.mark.parametrize(
    "limits, why",
    [
        ({"battery_limit": 101}, "battery is at 100 %, the plan asks for 101 %"),
        ({"min_signal": -60}, "signal is at -85 dBm, the plan asks for -60 dBm"),
        ({"component": "ESP32"}, "it is for component 'ESP32', this device is 'STM32'"),
        ({"source_version": "0.9"}, "it upgrades from version '0.9', '1.0.0' is running"),
    ],
)
def test_a_plan_is_refused_with_a_reason(limits, why, monkeypatch):
    bench = Bench()
    plan = replace(bench.plan, **limits)
    if "component" in limits or "source_version" in limits:
        # the cloud would not offer it: a module that was set up for something else does
        bench = Bench(plan)
        versions = {plan.component: plan.source_version or "1.0.0"}
        monkeypatch.setattr(bench.center, "_is_due", lambda *_: bool(versions))
    else:
        bench = Bench(plan)
    events = bench.run()
    assert bench.board.result.outcome is SessionOutcome.REFUSED
    assert f"the plan is refused: {why}" in told(events)
    assert bench.center.state_of(plan) is ComponentState.REFUSED
    assert bench.version() == "1.0.0"


def test_the_devices_own_battery_counts():
    bench = Bench(battery=29)
    events = bench.run()
    assert "the plan is refused: battery is at 29 %, the plan asks for 30 %" in told(events)


class Condition:
    def __init__(self, info=None, csq=None):
        self._info, self._csq = info or {}, csq

    def info(self):
        return self._info

    def csq(self):
        return self._csq


OFFER = PlanOffered("STM32", "", "2.0.0", 30, -113, 9000)


@pytest.mark.parametrize(
    "condition, judgement",
    [
        (Condition({"battery": "85", "rsrp": "-97"}), Judgement()),
        (Condition({"battery": "85%", "signal_strength": "-113"}), Judgement()),
        (
            Condition({"battery": "29", "rsrp": "-97"}),
            Judgement("battery is at 29 %, the plan asks for 30 %"),
        ),
        (
            Condition({"battery": "85", "rsrp": "-114"}),
            Judgement("signal is at -114 dBm, the plan asks for -113 dBm"),
        ),
        (Condition({"battery": "85", "signal_strength": "31"}, csq=0), Judgement()),
        (
            Condition({}, csq=99),
            Judgement(
                unchecked=(
                    "battery is not known: the limit of 30 % is not checked",
                    "signal is not known: the limit of -113 dBm is not checked",
                )
            ),
        ),
    ],
)
def test_limits(condition, judgement):
    assert Checks(condition, max_package=9000).judge_plan(OFFER) == judgement


def test_no_limits_no_questions():
    offer = replace(OFFER, battery_limit=0, min_signal=0)
    checks = Checks(None, max_package=9000)  # type: ignore[arg-type]  # a question would fail
    assert checks.judge_plan(offer) == Judgement()


def test_a_package_that_no_slot_of_this_size_can_need():
    judgement = Checks(Condition(), max_package=8999).judge_plan(OFFER)
    assert judgement.refusal == "it needs 9000 bytes, 8999 are the most for this slot"


@given(st.text(max_size=20), st.text(max_size=20))
def test_any_condition_is_judged(battery, rsrp):
    Checks(Condition({"battery": battery, "rsrp": rsrp}), max_package=9000).judge_plan(OFFER)
