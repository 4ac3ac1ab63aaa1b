"""A message that offers upgrades of several components: ours is taken, the others' are not ours."""

from __future__ import annotations

import contextlib

import pytest

from mcu_updater.cloud.single_device import ComponentState, Package, Plan
from mcu_updater.core.errors import LinkError, ModuleRefused
from mcu_updater.core.session import SessionOutcome
from mcu_updater.quectel.emulated.options import ModuleOptions
from tests import worlds
from tests.board.attached.attached_bench import Bench, codes, problems, told

OURS = Plan("STM32", "2.0.0", Package(worlds.package("bin", "2.0.0")))
RADIO = Plan("radio", "r2", Package(worlds.package("bin", "9.9.9", size=3000)))
OWN = Plan("app", "m2", Package(bytes(5000)), own=True)
OPTIONS = ModuleOptions(product_version="m1")


def bench_of(*plans: Plan) -> Bench:
    """Our board behind a module that knows of a second MCU."""
    bench = Bench(OURS, options=OPTIONS, message=plans)
    bench.module.receive(b'AT+QIOTMCUVER="radio","r1"\r\n', 0.0)
    bench.module.transmit()
    return bench


def sessions(bench: Bench) -> list[SessionOutcome]:
    """How up to five sessions ended, until one has upgraded."""
    ends = []
    for _ in range(5):
        with contextlib.suppress(LinkError, ModuleRefused):
            bench.run()
            ends.append(bench.board.result.outcome)
            if ends[-1] is SessionOutcome.UPDATED:
                break
        bench.clock.sleep(600)
    return ends


@pytest.mark.parametrize("other", [RADIO, OWN], ids=["another MCU", "the module itself"])
def test_ours_first(other: Plan) -> None:
    bench = bench_of(OURS, other)
    events = bench.run()
    assert bench.board.result.outcome is SessionOutcome.UPDATED
    assert [text for text in told(events) if "confirmed" in text or "refused" in text] == [
        "the plan is confirmed"
    ]
    assert bench.version() == bench.module.versions["STM32"] == "2.0.0"
    assert not problems(events)
    assert codes(events).count(10700) >= 3  # the others' are heard, too


def test_the_module_itself_first() -> None:
    """It downloads, installs and boots; then comes our turn."""
    bench = bench_of(OWN, OURS)
    assert sessions(bench)[-1] is SessionOutcome.UPDATED
    assert bench.version() == bench.module.versions["STM32"] == "2.0.0"
    assert {bench.center.state_of(plan) for plan in (OWN, OURS)} == {ComponentState.SUCCESS}


def test_another_mcu_first_of_which_nobody_takes_care() -> None:
    """Its package is never taken for ours, and its failure is none of ours."""
    bench = bench_of(RADIO, OURS)
    ends = sessions(bench)
    assert ends[-1] is SessionOutcome.UPDATED
    assert bench.version() == bench.module.versions["STM32"] == "2.0.0"
    assert bench.module.versions["radio"] == "r1"
    assert bench.center.state_of(OURS) is ComponentState.SUCCESS
    assert bench.center.state_of(RADIO) is not ComponentState.SUCCESS


@pytest.mark.parametrize("other", [RADIO, OWN], ids=["another MCU", "the module itself"])
def test_a_message_for_others_alone_is_refused(other: Plan) -> None:
    bench = bench_of(other)
    bench.run()
    assert bench.board.result.outcome is SessionOutcome.REFUSED
    assert bench.board.result.error is not None
    assert f"for component {other.component!r}" in bench.board.result.error.message
    assert bench.center.state_of(other) is ComponentState.REFUSED
    assert bench.erases == 0


def test_a_success_of_another_component_is_not_ours() -> None:
    """10705 comes while our plan is journaled and nothing of it is loaded."""
    bench = bench_of(OWN, OURS)
    for event in bench.board.run(bench.policy):
        if codes([event]) == [10705]:
            break
    assert bench.version() == "1.0.0"
    events = bench.run()
    assert bench.board.result.outcome is SessionOutcome.UPDATED, events
    assert bench.version() == "2.0.0"
