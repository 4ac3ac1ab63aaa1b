"""The MCU from reset to reset, without a board: one loop, and one limit of starts."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import Any

import pytest

from mcu_updater.board import Board
from mcu_updater.board.switch import EmulatedChip
from mcu_updater.core import mcu as core
from mcu_updater.core.boot import ResetCause
from mcu_updater.core.errors import ImageRejected, LinkError, ModuleRefused, PortError
from mcu_updater.core.events import Booted, Event, Problem
from mcu_updater.core.mcu import (
    MOST_STARTS,
    ApplicationStopped,
    Firmware,
    Mcu,
    NotAtRest,
    NothingBoots,
    Surroundings,
    until_rest,
)
from mcu_updater.core.session import Result, SessionOutcome
from mcu_updater.core.slot import Layout
from tests import worlds

UPDATED = Result(SessionOutcome.UPDATED)
NO_PLAN = Result(SessionOutcome.NO_PLAN)
NO_MODULE: Any = None  # what runs here asks it nothing


class Ending:
    """Stands for an application: ends as it is told to, start by start."""

    def __init__(self, results: Iterator[Result]) -> None:
        self._results = results
        self.result = NO_PLAN

    def run(self) -> Iterator[Event]:
        self.result = next(self._results)
        yield Problem("ran")


def mcu_of(board: Board, monkeypatch: pytest.MonkeyPatch, results: Iterator[Result]) -> Mcu:
    monkeypatch.setattr(core, "Updater", lambda *_: Ending(results))
    chip = EmulatedChip(board.device, board.strategy, board.layout)
    return Mcu(chip, Firmware(), lambda: Surroundings(NO_MODULE))


def causes(events: list[Event]) -> list[str]:
    return [event.cause for event in events if isinstance(event, Booted)]


def ended(session: Generator[Event, None, Result]) -> tuple[list[Event], Result]:
    events = []
    while True:
        try:
            events.append(next(session))
        except StopIteration as stop:
            return events, stop.value


def test_a_session_ends_where_no_reset_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    results = iter([Result(SessionOutcome.RESET), Result(SessionOutcome.RESET), UPDATED])
    mcu = mcu_of(worlds.board(), monkeypatch, results)
    events, result = ended(mcu.session(ResetCause.POWER))
    assert result is UPDATED
    assert causes(events) == [ResetCause.POWER, ResetCause.SOFTWARE, ResetCause.SOFTWARE]


def test_there_is_one_limit_of_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    starts = 0

    def resets() -> Iterator[Result]:
        nonlocal starts
        while True:
            starts += 1
            yield Result(SessionOutcome.RESET)

    mcu = mcu_of(worlds.board(), monkeypatch, resets())
    with pytest.raises(NotAtRest, match=f"does not come to rest; found {MOST_STARTS} starts"):
        list(mcu.session(ResetCause.POWER))
    assert starts == MOST_STARTS


@pytest.mark.parametrize("cause", [ResetCause.WATCHDOG, ResetCause.SOFTWARE])
def test_an_application_that_stops_is_reset_by_what_it_says(cause: ResetCause) -> None:
    board = worlds.board()
    stops = iter([ApplicationStopped("it hangs", cause)])

    def self_test() -> bool:
        for stop in stops:
            raise stop
        return True

    chip = EmulatedChip(board.device, board.strategy, board.layout)
    firmware = Firmware(self_test=self_test)
    board.device.power_on()
    board.module.power_on(board.clock.now_s())
    events, result = ended(Mcu(chip, firmware, board._connect).session(ResetCause.POWER))
    at = next(i for i, event in enumerate(events) if event == Problem("it hangs"))
    assert causes(events[at:]) == [cause]
    assert result.outcome is SessionOutcome.UPDATED


def test_where_the_cause_is_not_known_the_bootloader_is_told_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    board = worlds.board()
    monkeypatch.setattr(core, "Updater", lambda *_: Ending(iter([UPDATED])))
    chip = EmulatedChip(board.device, board.strategy, board.layout)
    mcu = Mcu(chip, Firmware(knows_cause=False), lambda: Surroundings(NO_MODULE))
    events, _ = ended(mcu.session(ResetCause.POWER))
    assert causes(events) == [ResetCause.UNKNOWN]


def test_a_chip_without_an_image_names_its_part(monkeypatch: pytest.MonkeyPatch) -> None:
    board = worlds.board()
    assert isinstance(board.layout, Layout)
    for region in board.layout.halves:
        at = board.device.geometry.base + region.offset
        for start in range(at, at + region.size, region.sector_sizes[0]):
            board.device.erase(start)
    mcu = mcu_of(board, monkeypatch, iter(()))
    with pytest.raises(NothingBoots, match=r"^STM32L476xG: nothing can be booted; found no bank"):
        list(mcu.session(ResetCause.POWER))


# --- sessions until rest


def session_of(*endings: Result | Exception | None) -> tuple[list[int], Callable[[], core.Session]]:
    """Sessions that end so, one after the other, and a list that grows by each."""
    begun: list[int] = []

    def session() -> core.Session:
        begun.append(len(begun))
        yield Problem(f"session {len(begun)}")
        ending = endings[len(begun) - 1]
        if isinstance(ending, Exception):
            raise ending
        return ending

    return begun, session


def test_sessions_follow_each_other_until_one_is_the_last() -> None:
    begun, session = session_of(NO_PLAN, None, UPDATED, NO_PLAN)
    events, result = ended(until_rest(session, lambda result: result is UPDATED))
    assert result is UPDATED
    assert len(begun) == len(events) == 3


@pytest.mark.parametrize("error", [LinkError("l"), ModuleRefused("m"), PortError("p")])
def test_a_module_that_cannot_be_reached_is_tried_again_only_where_somebody_hears_of_it(
    error: LinkError,
) -> None:
    heard: list[Exception] = []
    begun, session = session_of(error, UPDATED)
    run = until_rest(session, lambda _: True, unreachable=heard.append)
    assert ended(run)[1] is UPDATED
    assert heard == [error]
    begun, session = session_of(error, UPDATED)
    with pytest.raises(type(error)):
        list(until_rest(session, lambda _: True))
    assert len(begun) == 1


def test_other_errors_end_it() -> None:
    begun, session = session_of(ImageRejected("no"), UPDATED)
    with pytest.raises(ImageRejected):
        list(until_rest(session, lambda _: True, unreachable=lambda _: None))
    assert len(begun) == 1


@pytest.mark.parametrize("ending", [None, NO_PLAN, LinkError("l")])
def test_it_gives_up_after_so_many_sessions(ending: Result | Exception | None) -> None:
    begun, session = session_of(*[ending] * 5)
    with pytest.raises(NotAtRest, match="found 4 sessions"):
        list(until_rest(session, lambda _: False, most=4, unreachable=lambda _: None))
    assert len(begun) == 4
