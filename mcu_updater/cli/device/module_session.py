"""An update whose module is behind a port: the cloud decides what comes; time is the clock's."""

from __future__ import annotations

import hashlib
import time
from contextlib import suppress
from pathlib import Path

from mcu_updater.board import Board
from mcu_updater.board_view import view as board_view
from mcu_updater.cli.device.module_link import BoardSaver, LinkOptions
from mcu_updater.cli.device.session import MOST_SESSIONS, Ending, Session, SessionSettings
from mcu_updater.cli.screen import Screen
from mcu_updater.core.errors import ImageRejected, ModuleRefused, UpdaterError
from mcu_updater.core.events import Decided, Event, ModuleTold, Progress
from mcu_updater.core.journal import IN_PROGRESS, Snapshot
from mcu_updater.core.mcu import NotAtRest
from mcu_updater.core.session import Result, SessionOutcome
from mcu_updater.host.stop import Stop, StopRequested
from mcu_updater.quectel.checks import Wanted

_VERDICT, _ANSWER, _PLAN = "verdict", "answer", "plan"
_AWAITED = {"REPORT": _VERDICT, "END_UPGRADE": _VERDICT, "ANNOUNCE": _ANSWER, "ASK": _PLAN}
"""What the module is waited for after it was told something, by step."""


def wanted_package(image: bytes) -> Wanted:
    md5 = hashlib.md5(image, usedforsecurity=False).digest()
    return Wanted(len(image), md5, hashlib.sha256(image).digest())


class ModuleSession(Session):
    """*board* with the module behind a port. *wanted*: the package that must come; None: any.

    *image*: that package, by which a board knows it that had it from the factory.
    """

    def __init__(
        self,
        board: Board,
        path: Path | None,
        settings: SessionSettings,
        screen: Screen,
        link: LinkOptions,
        wanted: Wanted | None,
        image: bytes | None = None,
    ) -> None:
        super().__init__(board, path, settings, screen)
        self._image = image
        self._link = link
        self._wanted = wanted
        self._stop = Stop()
        self._step = ""

    def follow(self) -> int:
        """Take the upgrade that the module offers. Returns the exit code.

        Raises PortError when the port cannot be opened, and ImageRejected when another package is
        half in the slot.
        """
        if self._wanted is not None:
            self._package_bytes = self._wanted.length
            _check_under_way(self._board, self._wanted)
        saver = BoardSaver(self._board, self._path)
        port = self._link.open()
        try:
            self._link.attach(self._board, port, self._stop, saver, self._wanted)
            with self._stop.on_signals():
                return self._conduct(self._sessions)
        finally:
            port.close()

    def _sessions(self) -> None:
        try:
            self._until(self._is_followed, MOST_SESSIONS)
        except NotAtRest as error:
            raise ModuleRefused(
                "the board does not get to the package asked for",
                found=str(board_view.running(self._board)),
                then=f"There were {MOST_SESSIONS} upgrades; look at the plans in the Developer "
                "Center",
            ) from error
        except StopRequested:
            raise KeyboardInterrupt from None

    def _is_followed(self, result: Result) -> bool:
        """Whether the session that ended so was the last one. Raises what became of it else."""
        if result.outcome is SessionOutcome.UPDATED and self._runs_wanted():
            return True
        if result.outcome is SessionOutcome.NO_PLAN and self._wanted and self._runs_wanted():
            self._outcome = f"already runs version {board_view.running(self._board).version}"
            return True
        if result.error is not None:
            raise result.error
        return False

    def _show(self, event: Event) -> None:
        super()._show(event)
        if isinstance(event, Decided):
            self._step = event.step
        elif isinstance(event, ModuleTold) and self._step in _AWAITED:
            self._say_awaited(_AWAITED[self._step])
        if self._stop.requested and isinstance(event, Decided | Progress):
            raise StopRequested

    def _say_awaited(self, what: str) -> None:
        """Silence is no standstill: how long it may take."""
        policy = self._settings.policy
        seconds = policy.plan_s if what is _PLAN else policy.verdict_s
        self._screen.note(f"Waiting for the module's {what}: {seconds:g} s at most")

    def _runs_wanted(self) -> bool:
        if self._wanted is None:
            return True
        snapshot = _snapshot_of_next(self._board)
        if snapshot is None or _is(snapshot, self._wanted):
            return snapshot is not None
        return snapshot.package is None and snapshot.image_sha256 == self._image_sha256()

    def _image_sha256(self) -> bytes | None:
        """Of the image in the package as a slot of this board would hold it."""
        if self._image is None:
            return None
        board, base = self._board, self._settings.policy.base
        with suppress(UpdaterError):
            made = Board.new(board.part, "1", self._image, strategy=board.strategy, base=base)
            snapshot = made.banks()[0].journal.read().snapshot
            return None if snapshot is None else snapshot.image_sha256
        return None

    def _elapsed_us(self) -> int:
        return round((time.perf_counter() - self._wall_start_s) * 1e6)

    def _link_us(self, flash_us: int) -> int:
        return self._elapsed_us() - (flash_us if self._link.flash_time else 0)

    def _ending_of_interrupt(self, interrupt: KeyboardInterrupt) -> Ending:
        ending = super()._ending_of_interrupt(interrupt)
        kept = "" if self._path is None else ": run again before the module gives up, after 60 s"
        return Ending(ending.outcome, ending.exit_code, ending.message + kept)


def _snapshot_of_next(board: Board) -> Snapshot | None:
    """Of the bank that the next start runs."""
    index = board.would_boot().bank
    return None if index is None else board_view.next_banks(board)[index].journal.read().snapshot


def _is(snapshot: Snapshot, wanted: Wanted) -> bool:
    package = snapshot.package
    return package is not None and (package.length, package.md5, package.sha256) == (
        wanted.length,
        wanted.md5,
        wanted.sha256,
    )


def _check_under_way(board: Board, wanted: Wanted) -> None:
    """An upgrade to something else must not be finished in the name of this image."""
    for bank in board_view.next_banks(board):
        reading = bank.journal.read()
        snapshot = reading.snapshot
        other = snapshot is not None and snapshot.package is not None and not _is(snapshot, wanted)
        if snapshot is not None and other and reading.phase in IN_PROGRESS:
            raise ImageRejected(
                "an upgrade to another package is under way",
                where=f"bank {bank.name}",
                expected="the image given",
                found=f"version {snapshot.version}",
                then="Finish that one first: run again with --any instead of the image",
            )
