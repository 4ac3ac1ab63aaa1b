"""``watch``: stay with a module, and carry out upgrades as they are offered.

Each round is an ordinary start of the device: what a lost port, a module without power or a killed
program has left is found in flash and module, as after a reset.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import click

from mcu_updater.board import Board, load_board, save_board
from mcu_updater.board_view import view as board_view
from mcu_updater.cli import answers, exits, paths
from mcu_updater.cli.device.module_link import (
    PORT_HELP,
    BoardSaver,
    LinkOptions,
    ModuleOptions,
    module_options,
)
from mcu_updater.cli.device.signatures import SignatureOptions, signature_options, trust_of
from mcu_updater.cli.device.watchlog import JsonLog, Log, TextLog
from mcu_updater.cli.given import given_as
from mcu_updater.cli.options import read_size_option
from mcu_updater.cli.switches import message_with_hint
from mcu_updater.core.errors import LinkError, PortError, UpdaterError
from mcu_updater.core.events import Decided, Event, Progress
from mcu_updater.core.mcu import until_rest
from mcu_updater.core.session import Policy, Result, SessionOutcome
from mcu_updater.host.serial_port import SerialPort
from mcu_updater.host.stop import Stop, StopRequested
from mcu_updater.storage import hold

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0


@dataclass(slots=True)
class Pause:
    """How long to wait after a failure: twice as long after each, from the start after none."""

    next_s: float = FIRST_PAUSE_S

    def take(self) -> float:
        taken, self.next_s = self.next_s, min(2 * self.next_s, LONGEST_PAUSE_S)
        return taken

    def reset(self) -> None:
        self.next_s = FIRST_PAUSE_S


class Watch:
    """*board*, kept in *path*, behind the module at *link*."""

    def __init__(
        self, board: Board, path: Path, link: LinkOptions, policy: Policy, log: Log, stop: Stop
    ) -> None:
        self._board = board
        self._path = path
        self._link = link
        self._policy = policy
        self._log = log
        self._stop = stop
        self._saver = BoardSaver(board, path)
        self._port: SerialPort | None = None
        self._pause = Pause()

    def run(self) -> int:
        """Until it is stopped. Returns the exit code. Raises PortError for the board's file."""
        with self._stop.on_signals():
            try:
                sessions = until_rest(self._session, self._ended, unreachable=self._unreachable)
                for event in sessions:
                    self._log.event(event)
                    if self._stop.requested and isinstance(event, Decided | Progress):
                        raise StopRequested
            except StopRequested:
                pass
            finally:
                self._close()
                save_board(self._board, self._path)
        running = board_view.running(self._board)
        self._log.say("stopped", f"stopped; the board runs {running}", version=running.version)
        return exits.STOPPED

    def _session(self) -> Generator[Event, None, Result]:
        """One session with the module, once it can be reached."""
        if self._stop.requested:
            raise StopRequested
        if self._port is None:
            self._open()
        result = yield from self._board.run(self._policy)
        save_board(self._board, self._path)
        return result

    def _unreachable(self, error: UpdaterError) -> None:
        match error:
            case PortError():
                self._close()
                self._wait("port-lost", error)
            case LinkError():
                self._close()  # over a network, silence may be all that is left of a connection
                self._wait("no-answer", error)
            case _:
                self._wait("not-ready", error)

    def _open(self) -> None:
        self._port = self._link.open()
        self._link.attach(self._board, self._port, self._stop, self._saver, None)
        self._log.say("port-opened", f"{self._port.name} is open", port=self._port.name)

    def _close(self) -> None:
        if self._port is not None:
            self._port.close()
            self._port = None

    def _ended(self, result: Result) -> bool:
        """Note how a session ended. No end is the last one, unless somebody asks for it."""
        if result.outcome in (SessionOutcome.UPDATED, SessionOutcome.NO_PLAN):
            self._pause.reset()
            if result.outcome is SessionOutcome.UPDATED:
                version = board_view.running(self._board).version
                self._log.say("upgraded", f"version {version} runs", version=version)
        else:
            self._wait(result.outcome, result.error)
        return self._stop.requested

    def _wait(self, name: str, error: UpdaterError | None) -> None:
        pause_s = self._pause.take()
        text = f"{message_with_hint(error) if error else name}. Again in {pause_s:g} s"
        self._log.say(name, text, exit_code=exits.code_for(error) if error else 0, again_s=pause_s)
        self._stop.wait(pause_s, time.sleep)


@dataclass(frozen=True, kw_only=True)
class WatchOptions(ModuleOptions, SignatureOptions):
    """Of ``watch``."""

    module: str
    file: Path
    ask_every: float  # seconds
    read_size: int
    as_json: bool
    verbose: bool


@click.command("watch", short_help="Monitor a module and install the upgrades it offers.")
@click.option("--module", required=True, metavar="PORT", help=PORT_HELP)
@click.option(
    "--board",
    "file",
    required=True,
    type=paths.KEPT,
    metavar="FILE",
    help="File that keeps the board.",
)
@click.option(
    "--ask-every",
    type=click.FloatRange(min=1),
    default=600.0,
    show_default=True,
    metavar="S",
    help="Ask for a plan so often; one that comes by itself is taken at once.",
)
@read_size_option
@signature_options
@module_options
@answers.json_option("JSON lines instead of text.")
@click.option("--verbose", is_flag=True, help="Also log each step that was decided.")
@click.pass_context
@given_as(WatchOptions)
def command(given: WatchOptions, ctx: click.Context) -> None:
    """Monitor the module at PORT and carry out upgrades as they are offered.

    Comes back when the port goes away and returns. SIGINT and SIGTERM end it between two steps,
    with exit code 12; the upgrade goes on with the next start.
    """
    trust = trust_of(given)
    file = given.file
    ctx.with_resource(hold(file))
    board = load_board(file)
    board.trust = trust or board.trust
    log = (JsonLog if given.as_json else TextLog)(verbose=given.verbose)
    policy = Policy(
        board.component,
        given.read_size,
        plan_s=given.ask_every,
        verdict_s=given.verdict_wait,
        plan_once=given.plan_once,
    )
    ctx.exit(
        Watch(
            board, file, LinkOptions.of(given.module, given, given.read_size), policy, log, Stop()
        ).run()
    )
