"""Power is cut at the flash operations of an update, with every outcome; then it goes on.

An ordinary run cuts each operation with some of the outcomes, ``make thorough`` with all of them.

Each run is checked three times: right after the cut a complete image can be booted (safe), left
alone the board comes to rest with the new version (live), and the module has been told so
(reported). A cut that does not fire fails the test.
"""

import random
from functools import cache

import pytest

from flash_emulator import CutAt, Outcome, PowerLoss
from mcu_updater.board import Board, Trial
from mcu_updater.core.bank import open_banks
from mcu_updater.core.session import SessionOutcome
from tests import worlds
from tests.thorough import one_in

FORMATS: tuple[worlds.Format, ...] = ("bin", "hex", "s19")
ALL_OUTCOMES = tuple(Outcome)


@cache
def operations(fmt: worlds.Format, piece_size: int | None = None) -> int:
    """Flash operations of an update that nothing interrupts."""
    board = worlds.board(fmt, piece_size=piece_size)
    worlds.run(board)
    assert board.result.outcome is SessionOutcome.UPDATED
    return board.device.supply.taken


def cut(board: Board, operation: int, outcome: Outcome, trial: Trial = Trial.PASS) -> None:
    """Run until power is lost at *operation*."""
    with pytest.raises(PowerLoss):
        worlds.run(board, supply=CutAt(operation, outcome), trial=trial)


def bootable(board: Board) -> str:
    """The version that the next start would run; its image is whole, byte for byte."""
    decision = board.would_boot()
    assert decision.bank is not None, decision.reasons
    twin = board.device.fork()
    twin.power_on()
    bank = open_banks(twin, twin, board.layout)[decision.bank]
    version = bank.journal.read().version
    expected = worlds.image(version)
    assert bank.slot.read(0, len(expected)) == expected
    return version


def check_carried_on(board: Board, expected: str) -> None:
    board.clock.sleep(1)
    assert bootable(board) in ("1.0.0", "2.0.0")
    worlds.settle(board)
    assert bootable(board) == expected
    assert board.module.versions == {worlds.COMPONENT: expected}


@pytest.mark.parametrize("outcome", ALL_OUTCOMES)
@pytest.mark.parametrize("fmt", FORMATS)
def test_every_operation(fmt: worlds.Format, outcome: Outcome) -> None:
    total = operations(fmt)
    assert total > 150
    turn = FORMATS.index(fmt) + ALL_OUTCOMES.index(outcome)
    for operation in one_in(2 * len(ALL_OUTCOMES), range(1, total + 1), turn):
        board = worlds.board(fmt, seed=operation)
        cut(board, operation, outcome)
        check_carried_on(board, "2.0.0")


@pytest.mark.parametrize("outcome", [Outcome.TORN, Outcome.METASTABLE, Outcome.WEAK])
def test_every_operation_with_the_module_cut_too(outcome: Outcome) -> None:
    for operation in one_in(7, range(1, operations("bin") + 1), ALL_OUTCOMES.index(outcome)):
        board = worlds.board("bin", seed=operation)
        cut(board, operation, outcome)
        board.cut_module()
        check_carried_on(board, "2.0.0")


@pytest.mark.parametrize("fmt", FORMATS)
def test_several_pieces(fmt: worlds.Format) -> None:
    """Earlier pieces are gone for good, so what they left must be in the checkpoint."""
    total = operations(fmt, 3000)
    assert total > operations(fmt) + 80
    for operation in one_in(43, range(1, total + 1), FORMATS.index(fmt)):
        board = worlds.board(fmt, piece_size=3000, seed=operation)
        cut(board, operation, Outcome.TORN)
        check_carried_on(board, "2.0.0")


@pytest.mark.parametrize("fmt", FORMATS)
def test_several_pieces_with_the_module_cut_too(fmt: worlds.Format) -> None:
    """The module starts over at package offset 0."""
    for operation in one_in(97, range(1, operations(fmt, 3000) + 1), FORMATS.index(fmt)):
        board = worlds.board(fmt, piece_size=3000, seed=operation)
        cut(board, operation, Outcome.WEAK)
        board.cut_module()
        check_carried_on(board, "2.0.0")


@pytest.mark.parametrize("trial", [Trial.FAIL, Trial.CRASH])
def test_an_image_that_fails_its_trial_is_reverted_whatever_is_cut(trial: Trial) -> None:
    board = worlds.board("bin")
    worlds.run(board, trial=trial)
    assert board.result.outcome is SessionOutcome.REVERTED
    total = board.device.supply.taken
    for operation in range(total - 90, total + 1):
        for outcome in one_in(6, ALL_OUTCOMES, operation):
            board = worlds.board("bin", seed=operation)
            cut(board, operation, outcome, trial)
            assert bootable(board) in ("1.0.0", "2.0.0")
            worlds.run(board, trial=trial)
            assert bootable(board) == "1.0.0"
            assert board.module.versions == {worlds.COMPONENT: "1.0.0"}


@pytest.mark.parametrize("seed", range(8))
def test_many_cuts_in_a_row(seed: int) -> None:
    """Up to eight cuts, each within a few operations of a start or somewhere in the update."""
    rng = random.Random(seed)
    for case in one_in(2, range(25), seed):
        board = worlds.board(rng.choice(FORMATS), seed=seed * 1000 + case)
        for _ in range(rng.randint(2, 8)):
            at = CutAt(rng.choice([5, 40, 160]), rng.choice(ALL_OUTCOMES))
            at.operation = rng.randint(1, at.operation)
            try:
                worlds.run(board, supply=at)
            except PowerLoss:
                assert bootable(board) in ("1.0.0", "2.0.0")
            if rng.random() < 0.3:
                board.cut_module()
            board.clock.sleep(rng.choice([0.01, 1, 20, 100, 2000]))
        check_carried_on(board, "2.0.0")


def test_three_cuts_in_trials_do_not_cost_the_update() -> None:
    """Power loss is not the image's fault: more cuts than attempts, and still the new version."""
    board = worlds.board("bin")
    trials = 0
    last = operations("bin") - 1  # an operation of the confirmation
    cut(board, last, Outcome.BEFORE)
    for _ in range(6):
        starts = [e for e in _events_until_cut(board) if getattr(e, "mode", "") == "trial"]
        trials += len(starts)
    assert trials == 6
    check_carried_on(board, "2.0.0")


def _events_until_cut(board: Board) -> list[object]:
    seen: list[object] = []
    with pytest.raises(PowerLoss):
        for event in board.run(supply=CutAt(1, Outcome.BEFORE)):
            seen.append(event)  # noqa: PERF402  kept when the cut comes
    return seen
