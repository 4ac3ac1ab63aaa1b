"""What a device makes of events that are about the module's own firmware."""

from __future__ import annotations

from collections import deque
from typing import cast

import pytest

from mcu_updater.core.decide import Module
from mcu_updater.core.journal import Phase, Snapshot
from mcu_updater.core.module_state import ModuleTracker
from mcu_updater.core.ota import (
    Downloading,
    DownloadStarted,
    OtaEvent,
    OtaModule,
    OtherOtaEvent,
    PlanOffered,
    UpdateFailed,
    UpdateSucceeded,
    Updating,
)

OURS = Snapshot(Phase.VERIFIED, 2, "STM32", "2.0.0")
OWN_BEGUN = OtherOtaEvent(10701, "")
OWN_LOADED = OtherOtaEvent(10703, "")
STARTED = DownloadStarted("STM32", 9, bytes(16), 0, None)


class Link:
    """Says *events*, then nothing."""

    def __init__(self, events: tuple[OtaEvent, ...]) -> None:
        self.events = deque(events)

    def next_event(self, timeout_s: float) -> OtaEvent | None:
        del timeout_s
        return self.events.popleft() if self.events else None


def heard(*events: OtaEvent, module: Module = Module.QUIET) -> Module:
    """What is known of the module after one event that concerns us; QUIET: there was none."""
    link = cast("OtaModule", Link(events))
    tracker = ModuleTracker(link, lambda: OURS, "STM32", frozenset({"app"}))
    tracker.module = module
    list(tracker.hear(1.0, Module.QUIET))
    return tracker.module


@pytest.mark.parametrize("event", [Downloading(), Updating(), UpdateSucceeded(), UpdateFailed()])
def test_what_names_no_component_is_of_the_module_behind_its_own_download(event: OtaEvent):
    assert heard(event) is not Module.QUIET
    assert heard(OWN_BEGUN, event) is Module.QUIET
    assert heard(OWN_LOADED, event) is Module.QUIET


def test_our_upgrade_is_ours_again_when_that_of_the_module_has_ended():
    assert heard(OWN_BEGUN, Updating(), UpdateSucceeded(), Updating()) is Module.UPDATING
    assert heard(OWN_BEGUN, UpdateFailed(), UpdateFailed()) is Module.FAILED
    assert heard(OWN_BEGUN, STARTED) is Module.STARTED
    assert heard(OtherOtaEvent(10707, "0"), Updating()) is Module.UPDATING


def test_a_plan_of_the_module_is_heard_in_the_middle_of_ours_only_where_one_was_asked_for():
    plan = PlanOffered("app", "", "M2", 0, 0, 9)
    assert heard(plan, module=Module.ACCEPTED) is Module.QUIET
    assert heard(plan, module=Module.ASKED) is Module.OFFERED_ONCE
