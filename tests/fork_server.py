"""Starts commands without paying for the start of an interpreter: see command_processes.py.

A process that has imported every command waits at the socket whose descriptor is its argument. For
each request, JSON with the three standard streams beside it, it forks one that becomes the command,
and answers with its number. An intermediate process ends in between, so that the command becomes a
child of whoever asked, as one that it had started itself.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import importlib
import io
import json
import os
import resource
import signal
import socket
import sys
import threading
import traceback
from typing import Any

from mcu_updater.cli.main import COMMANDS
from mcu_updater.signals import leave_at_signals
from mcu_updater.start import main

LATE = ("mcu_updater.__main__", "mcu_updater.console.app", "mcu_updater.console.server")
"""What commands import where they need it."""
LONGEST_REQUEST = 200_000  # bytes: all of an environment
FAILED = 99
"""Exit code of a command that could not even begin; Python itself never gives it."""
ENDS = (signal.SIGINT, signal.SIGTERM)


def serve(asked: socket.socket) -> None:
    while True:
        data, streams, _, _ = socket.recv_fds(asked, LONGEST_REQUEST, 3)
        if not data:
            return
        pid = _start(json.loads(data), streams, asked)
        for stream in streams:
            os.close(stream)
        asked.send(str(pid).encode())


def _start(request: dict[str, Any], streams: list[int], asked: socket.socket) -> int:
    """The process's number, once it is in its session and folder and ends at signals; else 0."""
    reader, writer = os.pipe()
    between = os.fork()
    if between == 0:
        if os.fork():
            os._exit(0)
        os.close(reader)
        asked.close()
        _become(request, streams, writer)
    os.close(writer)
    os.waitpid(between, 0)
    with os.fdopen(reader, "rb") as begun:
        return int(begun.read() or 0)


def _become(request: dict[str, Any], streams: list[int], begun: int) -> None:
    code = FAILED
    try:
        if request["session"]:
            os.setsid()
        os.chdir(request["cwd"])
        os.environ.clear()
        os.environ.update(request["env"])
        _take(streams, request["encoding"])
        if request["largest"] is not None:
            limit = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
            resource.setrlimit(resource.RLIMIT_FSIZE, (request["largest"], limit))
        if request["obeys_modes"]:
            _obey_modes()
        sys.argv = ["mcu-updater", *request["words"]]
        sys.modules["__main__"] = sys.modules["mcu_updater.__main__"]  # for processes of its own
        signal.signal(signal.SIGINT, signal.default_int_handler)
        leave_at_signals()  # as the first thing that the program does; nothing came before
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDS)
        os.write(begun, str(os.getpid()).encode())
        os.close(begun)
        code = _run()
    finally:
        os._exit(code)


def _take(streams: list[int], encoding: str) -> None:
    """As the interpreter makes them of the descriptors that it finds."""
    for descriptor, given in enumerate(streams):
        os.dup2(given, descriptor)
        os.close(given)
    bare = bool(os.environ.get("PYTHONUNBUFFERED"))
    file = io.FileIO(1, "wb", closefd=False)
    out: Any = file if bare else io.BufferedWriter(file)
    errors = io.BufferedWriter(io.FileIO(2, "wb", closefd=False))
    made = {
        "stdin": io.TextIOWrapper(io.BufferedReader(io.FileIO(0, closefd=False)), encoding),
        "stdout": io.TextIOWrapper(out, encoding, line_buffering=os.isatty(1), write_through=bare),
        "stderr": io.TextIOWrapper(errors, encoding, "backslashreplace", line_buffering=True),
    }
    for name, stream in made.items():
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _obey_modes() -> None:
    """Root, as any owner, without a right to what a file's mode forbids; so for what it starts.

    Another user would not do: an interpreter below root's home cannot import for it.
    Source: capabilities(7), capget(2), PR_CAPBSET_DROP(2const).
    """
    libc = ctypes.CDLL(None, use_errno=True)
    overrides = (1, 2)  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
    header = (ctypes.c_uint32 * 2)(0x2008_0522, 0)  # version 3; this process
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable; then of 32 and above
    failed = [libc.prctl(24, capability, 0, 0, 0) for capability in overrides]
    failed.append(libc.capget(header, sets))
    for place in range(3):
        sets[place] &= ~sum(1 << capability for capability in overrides)
    failed.append(libc.capset(header, sets))
    if any(failed):
        raise OSError(ctypes.get_errno(), "capabilities cannot be given up")


def _run() -> int:
    """As the interpreter ends: threads, what is to be done at exit, and what nobody reads."""
    code = 0
    try:
        main()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        code = 120
    return code


if __name__ == "__main__":
    for place in COMMANDS.values():
        importlib.import_module(f"mcu_updater.cli.{place.partition(':')[0]}")
    for name in LATE:
        importlib.import_module(name)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's is for whoever asks
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDS)  # until a command says what they do
    gc.freeze()
    with socket.socket(fileno=int(sys.argv[1])) as asked:
        asked.send(b"ready")
        serve(asked)
