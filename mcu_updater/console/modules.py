"""The modules of a center in a process of their own, which ends with this one.

``ModuleFarm`` starts it and asks it; ``serve.farm`` is what runs in it. Between them is one
connection: its end tells the child that the console is gone, however that came about. A child
that ends by itself is started again: to its modules that was a power loss.
"""

from __future__ import annotations

import logging
import multiprocessing
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from multiprocessing.connection import Connection, wait
from typing import Any, Self

from mcu_updater.core.errors import InputRejected, PortError, UpdaterError, UsageError
from mcu_updater.serve.farm import Farm, FarmSettings

ANSWER_S = 5.0  # the longest that a page waits for the modules
_START_S = 120.0  # ten thousand devices take a while
_END_S = 20.0  # so do their states
_LOOK_EVERY_S = 0.2  # at whether it is still wanted, while it starts
_PAUSE_S = 0.5  # before a process that has ended is started again; the double after each short life
_LONGEST_PAUSE_S = 60.0
READY = "ready"

log = logging.getLogger(__name__)


class ModuleFarm:
    """Emulated modules, one for each device of a center file. For any number of threads."""

    def __init__(self, settings: FarmSettings) -> None:
        self.settings = settings
        self._lock = threading.Lock()
        self._process: multiprocessing.process.BaseProcess | None = None
        self._line: Connection | None = None
        self._owes = False  # an answer, to a question that was asked already
        self._stops = threading.Event()
        self._keeper: threading.Thread | None = None

    def start(self) -> None:
        """Returns when all modules can be reached. From then on a process that ends by itself is
        started again. Raises what ``Farm`` raises; PortError where the process does not start."""
        self._stops.clear()
        self._launch()
        self._keeper = threading.Thread(target=self._keep, name="modules", daemon=True)
        self._keeper.start()

    def _launch(self) -> None:
        context = multiprocessing.get_context("spawn")
        line, other = context.Pipe()
        process = context.Process(
            target=run, args=(self.settings, other), name="modules", daemon=True
        )
        with _uninterrupted():
            process.start()
        other.close()
        answer = self._first_answer(line)
        if answer != READY:
            line.close()
            _end(process)
            if isinstance(answer, UpdaterError):
                raise answer
            raise PortError("the process of the modules does not start", where="modules")
        with self._lock:
            self._process, self._line, self._owes = process, line, False

    def _first_answer(self, line: Connection) -> Any:
        """None: it does not come, or nobody wants it any more."""
        last_s = time.monotonic() + _START_S
        with suppress(OSError, EOFError):
            while time.monotonic() < last_s and not self._stops.is_set():
                if line.poll(_LOOK_EVERY_S):
                    return line.recv()
        return None

    def _keep(self) -> None:
        """Whatever ends it, the system short of memory for one: its modules boot, and go on."""
        pause_s = _PAUSE_S
        while (process := self._process) is not None:
            begun_s = time.monotonic()
            wait([process.sentinel])
            if self._stops.is_set():
                return
            process.join()
            is_new = time.monotonic() - begun_s < _LONGEST_PAUSE_S
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S) if is_new else _PAUSE_S
            log.error(
                "the process of the modules has ended, exit code %s; it is started again",
                process.exitcode,
            )
            self._launch_again(pause_s)

    def _launch_again(self, pause_s: float) -> None:
        """After *pause_s*, and until it succeeds or is not wanted any more."""
        while not self._stops.wait(pause_s):
            try:
                self._launch()
            except UpdaterError as error:
                if not self._stops.is_set():
                    log.error("the modules are not served: %s", error.message)
            else:
                return

    def stop(self) -> None:
        """Put all modules away. Stopping again does nothing."""
        self._stops.set()
        with self._lock:
            if self._line is not None:
                self._line.close()
                self._line = None
        if self._process is not None:
            _end(self._process)
        if self._keeper is not None:
            self._keeper.join()
        self._process = self._keeper = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.is_alive()

    def address_of(self, device_id: str) -> str | None:
        """What a client of that device opens, a ``socket://`` address or a path; None: it has
        no module."""
        found: str | None = self._ask("address", device_id)
        return found

    def addresses(self) -> dict[str, str]:
        """Of all devices; none where the process is gone."""
        return dict(self._ask("addresses") or {})

    def figures(self) -> dict[str, Any]:
        """``serve.farm.Figures``, and whether the process runs."""
        return {"running": self.is_running, **(self._ask("figures") or {})}

    def _ask(self, what: str, *arguments: str) -> Any:
        """None, too, where the modules are too busy to answer: they go on nevertheless."""
        with self._lock:
            if self._owes:  # to somebody who has waited long enough
                self._answer(0.0)
            if self._line is None or self._owes:
                return None
            with suppress(OSError):
                self._line.send((what, *arguments))
            self._owes = True
            return self._answer(ANSWER_S)

    def _answer(self, timeout_s: float) -> Any:
        """None: there is none yet, and it is still owed; or the process is gone."""
        line = self._line
        assert line is not None
        try:
            if not line.poll(timeout_s):
                return None
            answer = line.recv()
        except (OSError, EOFError):
            line.close()
            answer = self._line = None
        self._owes = False
        return answer


def _end(process: multiprocessing.process.BaseProcess) -> None:
    """Its line is closed: that ends it, once the modules are put away."""
    process.join(_END_S)
    if process.is_alive():
        log.warning("the process of the modules does not end, and is killed")
        process.kill()
        process.join()


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Of a process that is begun in it: until it ignores the terminal's interrupt by itself."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def run(settings: FarmSettings, line: Connection) -> None:
    """The child: until the other end of *line* is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the terminal: the console ends us
    signal.signal(signal.SIGTERM, lambda *_: line.close())
    logging.basicConfig(stream=sys.stderr, format="modules: %(message)s", level=logging.INFO)
    try:
        farm = Farm(settings)
    except UpdaterError as error:
        with suppress(OSError):  # nobody is there any more
            line.send(_plain(error))
        return
    try:
        _serve(farm, line)
    finally:
        farm.close()


def _plain(error: UpdaterError) -> UpdaterError:
    """The same, of a class that can be sent to another process."""
    kinds = (UsageError, InputRejected, PortError)
    kind = next((one for one in kinds if isinstance(error, one)), UpdaterError)
    names = ("where", "expected", "found", "then", "rule", "remedies", "value")
    return kind(error.what, **{name: getattr(error, name) for name in names})


def _serve(farm: Farm, line: Connection) -> None:
    answers: dict[str, Callable[..., Any]] = {
        "address": farm.address_of,
        "addresses": farm.addresses,
        "figures": lambda: asdict(farm.figures()),
    }
    has_left = False

    def answer() -> None:
        nonlocal has_left
        try:
            what, *arguments = line.recv()
            line.send(answers[what](*arguments))
        except (EOFError, OSError):
            has_left = True

    with suppress(OSError):
        line.send(READY)
    farm.loop.on_readable(line.fileno(), answer)
    while not (has_left or line.closed):
        farm.loop.turn()
