"""``mcu-updater`` in a process of its own, started in a few milliseconds.

An interpreter that imports a command takes half a second of CPU, and the tests start many hundred.
On Linux each is forked from a process that has imported all (``fork_server.py``), as a child of the
test's own process: signals, exit codes, sessions, pipes and kills are what they are with any other.
Elsewhere, and where the environment has what only the start of an interpreter heeds, an interpreter
is started.

How the program itself starts is for tests that name ``sys.executable``: those of imports, of
signals during them, of closed streams, of searches with worker processes.
"""

from __future__ import annotations

import ctypes
import functools
import inspect
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, AnyStr

from tests.places import ROOT

PROGRAM = (sys.executable, "-m", "mcu_updater")
_HEEDED_AT_START = ("PYTHON", "LD_", "MALLOC_")
_PR_SET_CHILD_SUBREAPER = 36  # prctl(2)
_USUAL: dict[str, Any] = {"encoding": "utf-8", "largest": None, "obeys_modes": False}
_CHILD = inspect.signature(subprocess.Popen._execute_child)  # type: ignore[attr-defined]


class CommandProcess(subprocess.Popen[AnyStr]):
    """*words*: of the command; *given*: of ``subprocess.Popen``.

    *stream_encoding*: of its standard streams; *largest*: bytes of a file that it may write;
    *obeys_modes*: of files, though it is root. These three need Linux.
    """

    def __init__(
        self,
        words: Sequence[object],
        *,
        stream_encoding: str = "utf-8",
        largest: int | None = None,
        obeys_modes: bool = False,
        **given: Any,
    ) -> None:
        self._limits = {
            "encoding": stream_encoding,
            "largest": largest,
            "obeys_modes": obeys_modes,
        }
        super().__init__([*PROGRAM, *map(str, words)], **given)

    def _execute_child(self, *given: Any) -> None:
        """CPython's own seam between what a Popen is and how its process begins."""
        asked = _CHILD.bind(self, *given).arguments
        env = dict(os.environ if asked["env"] is None else asked["env"])
        server = _fork_server() if sys.platform == "linux" else None
        if server is None or asked["preexec_fn"] or server.heeded != _heeded(env):
            assert self._limits == _USUAL
            super()._execute_child(*given)  # type: ignore[misc]
            return
        streams = [asked[name] for name in ("p2cread", "c2pwrite", "errwrite")]
        request = {
            "words": asked["args"][len(PROGRAM) :],
            "cwd": os.fspath(asked["cwd"] or Path.cwd()),
            "env": env,
            "session": bool(asked["start_new_session"]),
            **self._limits,
        }
        self.pid = server.ask(request, [own if own >= 0 else at for at, own in enumerate(streams)])
        self._child_created = True
        names = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
        self._close_pipe_fds(*(asked[name] for name in names))  # type: ignore[attr-defined]


def run_command(
    *words: object, timeout_s: float | None = None, **given: Any
) -> subprocess.CompletedProcess[str]:
    """To its end, with what it says; *given*: of CommandProcess."""
    pipe = subprocess.PIPE
    process: CommandProcess[str]
    with CommandProcess(words, stdout=pipe, stderr=pipe, text=True, **given) as process:
        try:
            out, err = process.communicate(timeout=timeout_s)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def _heeded(env: Mapping[str, str]) -> dict[str, str]:
    heeded = {name: env[name] for name in env if name.startswith(_HEEDED_AT_START)}
    heeded.pop("PYTHONUNBUFFERED", None)  # the fork server does as it says
    return heeded


class _ForkServer:
    """It ends with this process, whose end of the socket is then gone."""

    def __init__(self) -> None:
        self.heeded = _heeded(os.environ)
        self._asking = threading.Lock()
        self._prctl = ctypes.CDLL(None).prctl
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.fork_server", str(theirs.fileno())],
                cwd=ROOT,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        self._answer()

    def ask(self, request: Mapping[str, object], streams: list[int]) -> int:
        """The number of the process. Only while it is begun do orphans become our children."""
        with self._asking:
            self._prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
            try:
                socket.send_fds(self._socket, [json.dumps(request).encode()], streams)
                pid = int(self._answer())
            finally:
                self._prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
        assert pid, f"it cannot be started so: {request}"
        return pid

    def _answer(self) -> bytes:
        answer = self._socket.recv(100)
        assert answer, f"the fork server ended with exit code {self._process.wait()}"
        return answer


_fork_server = functools.cache(_ForkServer)
