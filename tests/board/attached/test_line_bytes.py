"""One byte of the line is changed, lost or doubled, at every place there is: no device lies.

An ordinary run takes every nineteenth place, and all places of what the module says of the plan;
MCU_UPDATER_LINE=all takes all of them (``make line``).
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from typing import Any

import pytest

from mcu_updater.cloud.single_device import Package, Plan
from mcu_updater.core.errors import LinkError, ModuleRefused
from mcu_updater.core.events import Event, ModuleSaid
from mcu_updater.core.ports import BytePort
from mcu_updater.core.session import Policy, SessionOutcome
from mcu_updater.quectel.emulated.options import Faults
from tests import worlds
from tests.board.attached.attached_bench import Bench, codes, problems, told

STRIDE = 1 if os.environ.get("MCU_UPDATER_LINE") == "all" else 19
PACKAGE = worlds.package("bin", "2.0.0", size=1500)
PLAN = Plan("STM32", "2.0.0", Package(PACKAGE))
HOURS_S = 3 * 3600.0  # a plan that was refused by a misheard command is offered again by then


class Tap:
    """*port*, and all that went over it."""

    def __init__(self, port: BytePort) -> None:
        self._port = port
        self.said, self.heard = b"", b""

    def write(self, data: bytes) -> None:
        self.said += data
        self._port.write(data)

    def read(self, timeout_s: float) -> bytes:
        data = self._port.read(timeout_s)
        self.heard += data
        return data


def ordinary() -> Tap:
    """An upgrade without faults."""
    bench = Bench(PLAN)
    tap = Tap(bench.pipe)
    assert bench.board.attachment is not None
    bench.board.attachment = replace(bench.board.attachment, port=tap)
    bench.run()
    assert bench.version() == "2.0.0"
    return tap


TAP = ordinary()
DATA = {
    TAP.heard.index(PACKAGE[:1024]) + at for at in range(1024)
}  # of the package, which has digests: tests of reading are elsewhere


def places(line: bytes, first: int) -> set[int]:
    taken = set(range(first, len(line), STRIDE)) - DATA
    for at in range(len(line)):
        if line.startswith(b"+QIOTEVT: 7,10700", at):
            taken |= set(range(at, line.index(b"\r", at)))
    return taken


def stated(events: list[Event]) -> set[str]:
    """The versions that the device has said it runs."""
    texts = [text for text in told(events) if " runs version " in text]
    return {text.partition(" runs version ")[2] for text in texts}


def check_upgraded(kind: str, place: int) -> None:
    """In four sessions at most; and never was anything stated that nobody published."""
    fault: dict[str, Any] = {kind: frozenset({place})}
    bench, events = Bench(PLAN, faults=Faults(**fault)), list[Event]()
    for _ in range(4):
        with contextlib.suppress(LinkError, ModuleRefused):
            events += bench.run()
            if bench.board.result.outcome is SessionOutcome.UPDATED:
                break
        bench.clock.sleep(HOURS_S)
    assert (bench.version(), bench.module.versions["STM32"]) == ("2.0.0", "2.0.0"), place
    assert stated(events) <= {"1.0.0", "2.0.0"}, place


@pytest.mark.parametrize("kind", ["corrupt_sent", "drop_sent", "double_sent"])
def test_no_byte_that_the_module_says_makes_a_device_lie(kind: str) -> None:
    for place in places(TAP.heard, first=len(kind) % STRIDE):
        check_upgraded(kind, place)


@pytest.mark.parametrize("kind", ["corrupt_received", "drop_received", "double_received"])
def test_no_byte_that_the_module_hears_makes_a_device_lie(kind: str) -> None:
    for place in range(len(kind) % STRIDE, len(TAP.said), STRIDE):
        check_upgraded(kind, place)


# --- what it takes


def place_of_another_version() -> int:
    """A place in the first plan's version where the bit turned over makes a version of it."""
    start = TAP.heard.index(b'"2.0.0",') + 1
    flipped = {at: chr(TAP.heard[at] ^ 1 << at % 8) for at in range(start, start + 5)}
    return next(at for at, text in flipped.items() if text.isalnum())


VERSION_IN_PLAN = place_of_another_version()


def test_a_version_that_is_misheard_is_heard_again() -> None:
    bench = Bench(PLAN, faults=Faults(corrupt_sent=frozenset({VERSION_IN_PLAN})))
    events = bench.run()
    said = [event for event in events if isinstance(event, ModuleSaid) and event.code == 10700]
    versions = [plan.text.split("version ")[1].split(",")[0] for plan in said]
    assert versions[0] != "2.0.0"
    assert versions[1:] == ["2.0.0", "2.0.0"]
    assert bench.board.result.outcome is SessionOutcome.UPDATED


def test_a_device_that_believes_it_at_once_lies() -> None:
    """The fault is a real one: without the second request it does what it must not."""
    policy = Policy(plan_once=True)
    bench = Bench(PLAN, faults=Faults(corrupt_sent=frozenset({VERSION_IN_PLAN})), policy=policy)
    assert len(stated(bench.run()) - {"1.0.0", "2.0.0"}) == 1


def test_a_version_that_the_module_mishears_is_stated_again() -> None:
    verdict = TAP.said.rindex(b'"2.0.0"') + 1
    bench = Bench(PLAN, faults=Faults(corrupt_received=frozenset({verdict})))
    events = bench.run()
    assert [text for text in problems(events) if "understood another version" in text]
    assert codes(events)[-1] == 10706  # the misheard one was the verdict
    assert bench.module.versions["STM32"] == bench.version() == "2.0.0"


def test_without_a_look_at_what_it_understood_the_module_would_keep_the_other() -> None:
    verdict = TAP.said.rindex(b'"2.0.0"') + 1
    policy = Policy(corrections=0)
    bench = Bench(PLAN, faults=Faults(corrupt_received=frozenset({verdict})), policy=policy)
    bench.run()
    assert bench.module.versions["STM32"] != bench.version()
