"""One command's work on one board: run it, survive the cut, save, sum up, name the exit code."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from pathlib import Path

from flash_emulator import CutAt, PowerLoss
from mcu_updater.board import Board, Trial, save_board
from mcu_updater.board_view import view as board_view
from mcu_updater.cli import exits
from mcu_updater.cli.exits import complain
from mcu_updater.cli.interrupts import text_and_code
from mcu_updater.cli.screen import Screen
from mcu_updater.cli.switches import message_with_hint
from mcu_updater.cloud.single_device import ComponentState, Plan
from mcu_updater.core.boot import ATTEMPTS
from mcu_updater.core.errors import ModuleRefused, PortError, UpdaterError
from mcu_updater.core.events import Event
from mcu_updater.core.mcu import NotAtRest, until_rest
from mcu_updater.core.session import Policy, Result, SessionOutcome
from mcu_updater.quectel.emulated.ota_states import OtaState
from mcu_updater.report.summary import CutMade, Operations, Summary

MOST_SESSIONS = 3  # one upgrade that was under way, the one asked for, and one to spare


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """How the board is run."""

    policy: Policy
    cut: CutAt | None = None
    cut_module: bool = False
    trial: Trial = Trial.PASS
    attempts: int = ATTEMPTS


@dataclass(frozen=True, slots=True)
class Ending:
    """How the work ended. *message* is an error when *exit_code* says so."""

    outcome: str
    exit_code: int = exits.OK
    message: str = ""
    cut: CutMade | None = None


class Session:
    """*board*, kept in *path* (None: in memory only), run under *settings*, shown on *screen*."""

    def __init__(
        self, board: Board, path: Path | None, settings: SessionSettings, screen: Screen
    ) -> None:
        self._board = board
        self._path = path
        self._settings = settings
        self._screen = screen
        self._outcome = "failed"
        self._package_bytes: int | None = None
        self._wall_start_s = time.perf_counter()
        self._start_us = board.clock.now_us
        self._usage_before = replace(board.device.usage)
        self._before = board_view.running(board)

    # --- the two kinds of work

    def upgrade(self, plan: Plan) -> int:
        """Offer *plan* and run until its version runs. Returns the exit code."""
        self._package_bytes = len(plan.package.data)
        return self._conduct(lambda: self._upgrade(plan))

    def boot(self) -> int:
        """Power on, and let the board do what it has to. Returns the exit code."""
        return self._conduct(self._boot)

    def _upgrade(self, plan: Plan) -> None:
        target = plan.target_version
        if self._is_done(plan):
            self._outcome = f"already runs version {target}"
            return
        self._board.offer(plan)
        try:
            self._until(lambda result: self._is_upgraded(result, plan), MOST_SESSIONS)
        except NotAtRest as error:
            raise ModuleRefused(
                "the board does not get to the version asked for",
                expected=f"version {target} within {MOST_SESSIONS} upgrades",
                found=str(board_view.running(self._board)),
            ) from error

    def _is_upgraded(self, result: Result, plan: Plan) -> bool:
        """Whether the session that ended so was the last one. Raises what became of it else."""
        done = board_view.is_confirmed(self._board, plan.target_version)
        if done and result.outcome in (SessionOutcome.UPDATED, SessionOutcome.NO_PLAN):
            return True
        if result.outcome is SessionOutcome.NO_PLAN:
            raise _no_plan(self._board, plan)
        if result.error is not None:
            raise _earlier(result.error) if self._is_waiting(plan) else result.error
        return False

    def _is_waiting(self, plan: Plan) -> bool:
        """The cloud has offered another plan instead."""
        return self._board.center.state_of(plan) is ComponentState.NOT_RECEIVED

    def _is_done(self, plan: Plan) -> bool:
        """The version runs, and the module is not waiting to hear so."""
        module, version = self._board.module, plan.target_version
        known = module.versions.get(plan.component, version) == version
        idle = module.ota_state is OtaState.NOPLAN
        return known and idle and board_view.is_confirmed(self._board, version)

    def _boot(self) -> None:
        self._until(lambda _: True)
        result = self._board.result
        if result.error is not None and result.outcome is not SessionOutcome.NO_PLAN:
            raise result.error

    def _until(self, is_rest: Callable[[Result], bool], most: int | None = None) -> None:
        """Run sessions and show their events; see ``until_rest``."""
        for event in until_rest(self._run, is_rest, most=most):
            self._show(event)

    def _run(self) -> Generator[Event, None, Result]:
        settings = self._settings
        result = yield from self._board.run(
            settings.policy, supply=settings.cut, trial=settings.trial, attempts=settings.attempts
        )
        self._outcome = result.outcome
        return result

    def _show(self, event: Event) -> None:
        self._screen.event(event, self._elapsed_us())

    def _elapsed_us(self) -> int:
        """Time since the session began, as it passes on the way to the module."""
        return self._board.clock.now_us - self._start_us

    def _link_us(self, flash_us: int) -> int:
        """Time that was not the flash's, of which *flash_us* passed."""
        return self._elapsed_us() - flash_us

    # --- how it ends

    def _conduct(self, work: Callable[[], None]) -> int:
        """Do *work*; then, whatever came, save the board, sum up, and say what went wrong."""
        try:
            ending = self._ending_of(work)
        finally:
            self._screen.close()
        ending = self._check_cut(self._save(ending))
        self._screen.summary(self._summary(ending))
        if ending.cut is not None:
            self._say_what_next()
        if ending.message:
            complain(ending.message)
        return ending.exit_code

    def _ending_of(self, work: Callable[[], None]) -> Ending:
        """The only place that catches PowerLoss: the device is dead, and nobody touches it."""
        try:
            work()
        except UpdaterError as error:
            return Ending(self._outcome, exits.code_for(error), message_with_hint(error))
        except PowerLoss as loss:
            return Ending("power cut", exits.POWER_CUT, cut=self._cut_made(loss))
        except KeyboardInterrupt as interrupt:
            return self._ending_of_interrupt(interrupt)
        return Ending(self._outcome)

    def _ending_of_interrupt(self, interrupt: KeyboardInterrupt) -> Ending:
        text, code = text_and_code(interrupt)
        saved = "" if self._path is None else f"; the board is kept in {self._path}"
        return Ending("interrupted", code, text + saved)

    def _cut_made(self, loss: PowerLoss) -> CutMade:
        if self._settings.cut_module:
            self._board.cut_module()
        return CutMade(
            operation=loss.operation,
            outcome=loss.outcome,
            kind=loss.kind,
            address=loss.address,
            place=board_view.place_of(self._board, loss.address),
            module_too=self._settings.cut_module,
            old_kept=self._board.part.options.update == "atomic",
        )

    def _save(self, ending: Ending) -> Ending:
        if self._path is None:
            return ending
        try:
            save_board(self._board, self._path)
        except PortError as error:
            return Ending(ending.outcome, exits.code_for(error), message_with_hint(error))
        return ending

    def _check_cut(self, ending: Ending) -> Ending:
        """A cut that never fired must not pass for a cut, whatever else happened."""
        cut = self._settings.cut
        if cut is None or cut.fired or ending.outcome == "interrupted":
            return ending
        message = f"the cut never fired: only {cut.taken} operations"
        message += f", {cut.operation} asked for"
        if ending.message:
            message = f"{ending.message}\nerror: {message}"
        return Ending(ending.outcome, exits.USAGE, message)

    def _say_what_next(self) -> None:
        if self._path is None:
            self._screen.note("This board was in memory only and is gone; keep one with --board.")
            return
        file = shlex.quote(str(self._path))
        self._screen.note(f"The board is kept in {self._path}. Look at it, then carry on:")
        for command in ("why", "boot"):
            self._screen.note(f"  mcu-updater board {command} {file}")

    def _summary(self, ending: Ending) -> Summary:
        usage, before = self._board.device.usage, self._usage_before
        kinds = board_view.timing_kinds(self._board)
        erases = Operations(
            usage.erases - before.erases,
            usage.erase_us - before.erase_us,
            kinds["sector_erase"],
        )
        programs = Operations(
            usage.programs - before.programs,
            usage.program_us - before.program_us,
            kinds["program_unit"],
        )
        return Summary(
            outcome=ending.outcome,
            error=ending.message,
            before=self._before,
            after=board_view.running(self._board),
            package_bytes=self._package_bytes,
            erases=erases,
            programs=programs,
            link_us=self._link_us(erases.time_us + programs.time_us),
            real_link=self._board.attachment is not None,
            retries=self._board.retries,
            wall_s=time.perf_counter() - self._wall_start_s,
            cut=ending.cut,
        )


def _earlier(error: UpdaterError) -> UpdaterError:
    """The same, but nobody must think that it was said of the image just given."""
    return type(error)(
        error.message,
        where="an earlier plan, which the cloud offers first",
        then="The plan asked for comes when that one is done or out of retries: run again",
        remedies=error.remedies,
        value=error.value,
    )


def _no_plan(board: Board, plan: Plan) -> ModuleRefused:
    """Why the cloud has nothing for this board, as far as it can be seen."""
    version = board_view.running(board).version
    found = f"the plan is {board.center.state_of(plan).value!r}"
    if plan.component != board.component:
        found = f"the plan is for {plan.component}"
    elif plan.source_version not in ("", version):
        found = f"the plan is for devices at version {plan.source_version}"
    return ModuleRefused(
        "the module offers no upgrade",
        expected=f"a plan for {board.component} at version {version}",
        found=found,
        then="Nothing was changed",
    )
