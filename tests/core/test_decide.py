"""The table of steps: total, and what must never stand in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcu_updater.core.decide import Module, Observed, Step, decide, fit, judge
from mcu_updater.core.journal import IN_PROGRESS, Package, Phase, Snapshot
from mcu_updater.core.ota import PieceReady, PlanOffered

RUNNING = [phase for phase in Phase if phase not in (Phase.TRIAL, Phase.VERIFIED)]
STAYS = [phase for phase in RUNNING if phase is not Phase.FAILED]
HOLDS = {module for module in Module if module.name.startswith("HOLDS")}
RENEWALS = {Step.RENEW_ACTIVE, Step.RENEW_INACTIVE}


def table() -> Iterator[tuple[Observed, Step]]:
    for row in product(Phase, Phase, (False, True), (False, True), Module):
        observed = Observed(*row)
        yield observed, decide(observed)


def settled() -> Iterator[tuple[Observed, Step]]:
    """The rows in which neither a trial nor a renewal goes first, nor a reset."""
    return (
        (seen, step)
        for seen, step in table()
        if seen.active in STAYS and seen.active_renewed and seen.inactive_renewed
    )


def test_there_is_a_step_for_everything_that_can_be_observed() -> None:
    steps = list(table())
    assert len(steps) == len(Phase) ** 2 * 4 * len(Module)
    assert all(isinstance(step, Step) for _, step in steps)


def test_every_step_occurs() -> None:
    assert {step for _, step in table()} == set(Step)


def test_an_image_on_trial_is_tested_before_anything_else() -> None:
    for seen, step in table():
        assert (step is Step.SELF_TEST) == (seen.active in (Phase.TRIAL, Phase.VERIFIED))


def test_what_a_reset_may_have_spoilt_is_renewed_before_it_is_acted_on() -> None:
    for seen, step in table():
        if seen.active not in RUNNING:
            continue
        if not seen.active_renewed:
            assert step is Step.RENEW_ACTIVE
        elif seen.active is Phase.FAILED:
            assert step is Step.LEAVE
        elif not seen.inactive_renewed:
            assert step is Step.RENEW_INACTIVE
        else:
            assert step not in RENEWALS


def test_an_image_that_has_failed_says_nothing_and_is_left() -> None:
    """The bootloader read a doubtful record of its failure as none, and the updater reads it."""
    for seen, step in table():
        if seen.active is Phase.FAILED:
            assert step is (Step.LEAVE if seen.active_renewed else Step.RENEW_ACTIVE)


def test_no_version_is_stated_while_an_upgrade_is_under_way() -> None:
    """To the module it would be the verdict. END_UPGRADE means it; FINISH follows no plan."""
    for seen, step in settled():
        if seen.inactive in IN_PROGRESS:
            assert step is not Step.REPORT, seen
        if step is Step.FINISH and seen.inactive in IN_PROGRESS:
            assert seen.module is Module.NO_PLAN
        if step is Step.END_UPGRADE:
            assert seen.inactive in IN_PROGRESS


def test_nothing_is_loaded_but_the_piece_that_is_wanted() -> None:
    for seen, step in settled():
        wanted = seen.inactive is Phase.LOADING and seen.module is Module.HOLDS_NEXT
        assert (step is Step.LOAD) == wanted


def test_the_boot_is_switched_only_to_a_verified_image_that_the_module_waits_for() -> None:
    for seen, step in settled():
        ready = seen.inactive is Phase.VERIFIED and seen.module is Module.UPDATING
        assert (step is Step.SWITCH) == ready


def test_the_update_is_announced_only_when_the_image_is_verified() -> None:
    for seen, step in settled():
        if step is Step.ANNOUNCE:
            assert seen.inactive is Phase.VERIFIED


def test_a_package_is_noted_only_for_a_plan_that_was_accepted() -> None:
    for seen, step in settled():
        if step is Step.NOTE_PACKAGE:
            assert seen.inactive in IN_PROGRESS
            assert seen.module is Module.STARTED


def test_a_piece_is_given_away_only_where_it_is_not_needed() -> None:
    for seen, step in settled():
        if step is Step.NEXT_PIECE:
            assert seen.module in HOLDS
            assert (seen.inactive, seen.module) != (Phase.LOADING, Module.HOLDS_NEXT)


def test_a_module_that_was_not_heard_is_not_believed_to_be_idle() -> None:
    for seen, step in settled():
        if seen.module is Module.UNKNOWN:
            assert step in (Step.REPORT, Step.PROBE, Step.ANNOUNCE)
        if seen.module is Module.OFFERED_ONCE:
            assert step is Step.ASK_AGAIN
        assert (seen.module is Module.OFFERED) == (step is Step.ANSWER)
        if seen.module is Module.NO_PLAN:
            assert step is Step.FINISH


@pytest.mark.parametrize("inactive", list(Phase))
def test_the_active_phase_and_renewals_change_no_later_step(inactive: Phase) -> None:
    for module in Module:
        steps = {decide(Observed(active, inactive, True, True, module)) for active in STAYS}
        assert len(steps) == 1


# --- fit

LENGTH = 5000
LOADING = Snapshot(Phase.LOADING, 2, "STM32", "2.0", package=Package(LENGTH, bytes(16), bytes(32)))


def piece(start: int, size: int, length: int = LENGTH) -> PieceReady:
    return PieceReady("STM32", length, start, size)


@pytest.mark.parametrize(
    ("at", "start", "size", "expected"),
    [
        (0, 0, 5000, Module.HOLDS_NEXT),
        (0, 0, 2000, Module.HOLDS_NEXT),
        (2000, 2000, 2000, Module.HOLDS_NEXT),
        (2000, 0, 2000, Module.HOLDS_USED),
        (4000, 2000, 2000, Module.HOLDS_USED),
        (4000, 0, 2000, Module.HOLDS_FIRST),
        (2000, 0, 1000, Module.HOLDS_FIRST),
        (2000, 0, 5000, Module.HOLDS_FIRST),
        (0, 2000, 2000, Module.HOLDS_OTHER),
        (4000, 1000, 2000, Module.HOLDS_OTHER),
    ],
)
def test_a_piece_is_held_against_where_the_journal_is(
    at: int, start: int, size: int, expected: Module
) -> None:
    assert fit(piece(start, size), replace(LOADING, piece_start=at)) is expected


@given(st.sampled_from(Phase), st.integers(0, 9000), st.integers(1, 9000))
def test_a_piece_of_another_package_never_fits(phase: Phase, start: int, size: int) -> None:
    snapshot = replace(LOADING, phase=phase)
    assert fit(piece(start, size, LENGTH + 1), snapshot) is Module.HOLDS_OTHER


@given(at=st.integers(0, LENGTH - 1), start=st.integers(0, LENGTH - 1), data=st.data())
def test_only_a_piece_that_begins_where_the_journal_is_will_be_loaded(
    at: int, start: int, data: st.DataObject
) -> None:
    size = data.draw(st.integers(1, LENGTH - start))
    found = fit(piece(start, size), replace(LOADING, piece_start=at))
    assert (found is Module.HOLDS_NEXT) == (start == at)
    assert found in HOLDS - {Module.HOLDS_LAST}


@given(start=st.integers(0, LENGTH - 1), data=st.data())
def test_once_verified_every_piece_was_read(start: int, data: st.DataObject) -> None:
    size = data.draw(st.integers(1, LENGTH - start))
    found = fit(piece(start, size), replace(LOADING, phase=Phase.VERIFIED))
    last = start + size == LENGTH
    assert found is (Module.HOLDS_LAST if last else Module.HOLDS_USED)


def test_before_the_package_is_known_its_length_proves_nothing() -> None:
    planned = Snapshot(Phase.PLANNED, 2, "STM32", "2.0")
    assert fit(piece(0, 100, 100), planned) is Module.HOLDS_NEXT  # and is not loaded: see the table
    assert decide(Observed(Phase.CONFIRMED, Phase.PLANNED, True, True, Module.HOLDS_NEXT)) is (
        Step.END_UPGRADE
    )


# --- judge

PLAN = PlanOffered("STM32", "1.0", "2.0", 30, -113, 5000)


@pytest.mark.parametrize(
    ("plan", "why"),
    [
        (PLAN, None),
        (replace(PLAN, source_version=""), None),
        (replace(PLAN, target_version="2"), None),
        (replace(PLAN, target_version="2" * 64), None),
        (replace(PLAN, target_version="é" * 32), "nobody could report"),
        (replace(PLAN, target_version='2"0'), "nobody could report"),
        (replace(PLAN, target_version="2;0"), "nobody could report"),
        (replace(PLAN, component="GD32"), "for component 'GD32', this device is 'STM32'"),
        (replace(PLAN, source_version="0.9"), "from version '0.9', '1.0' is running"),
        (replace(PLAN, target_version="1.0"), "version '1.0' is running already"),
        (replace(PLAN, target_version=""), "not 1 to 64 bytes"),
        (replace(PLAN, target_version="2" * 65), "not 1 to 64 bytes"),
        (replace(PLAN, target_version="é" * 33), "not 1 to 64 bytes"),
    ],
)
def test_a_plan_is_accepted_or_refused_for_a_reason(plan: PlanOffered, why: str | None) -> None:
    found = judge(plan, "STM32", "1.0")
    if why is None:
        assert found is None
    else:
        assert found is not None
        assert why in found
