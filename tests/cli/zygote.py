"""Real processes of the command line, without paying for its start each time.

A process that has imported every command forks one for each request, a line of JSON on its standard
input; it answers with the process's number, and after a second line with its exit code.
"""

from __future__ import annotations

import io
import json
import os
import resource
import signal
import sys
from importlib import import_module
from typing import Any

from mcu_updater.signals import leave_at_signals
from mcu_updater.start import main

ENDS = (signal.SIGINT, signal.SIGTERM)


def serve() -> None:
    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            print(_wait(request["wait"], request["timeout_s"]), flush=True)
            continue
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDS)
        child = os.fork()
        if child == 0:
            _become(request)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDS)
        print(child, flush=True)


def _wait(child: int, timeout_s: float) -> int:
    """The exit code; negative: of a signal. After *timeout_s* it is killed."""
    signal.signal(signal.SIGALRM, lambda *_: os.killpg(child, signal.SIGKILL))
    signal.setitimer(signal.ITIMER_REAL, timeout_s)
    _, status = os.waitpid(child, 0)
    signal.setitimer(signal.ITIMER_REAL, 0)
    return os.waitstatus_to_exitcode(status)


def _become(request: dict[str, Any]) -> None:
    code = 99
    try:
        os.setsid()
        os.chdir(request["cwd"])
        os.environ.update(request["env"])
        _streams(request)
        if request["largest"] is not None:
            limit = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
            resource.setrlimit(resource.RLIMIT_FSIZE, (request["largest"], limit))
        if request["is_nobody"]:
            os.setgroups([])
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
        sys.argv = ["mcu-updater", *request["arguments"]]
        leave_at_signals()  # as the first thing that the program does; nothing came before
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDS)
        code = _run()
    finally:
        os._exit(code)


def _streams(request: dict[str, Any]) -> None:
    for descriptor, path in enumerate((os.devnull, request["stdout"], request["stderr"])):
        flags = os.O_RDONLY if descriptor == 0 else os.O_WRONLY | os.O_CREAT
        if path == "closed pipe":
            reader, opened = os.pipe()
            os.close(reader)
        else:
            opened = os.open(path, flags, 0o666)
        os.dup2(opened, descriptor)
        os.close(opened)
    sys.stdout = io.TextIOWrapper(io.FileIO(1, "wb", closefd=False), request["encoding"])
    sys.stderr = io.TextIOWrapper(io.FileIO(2, "wb", closefd=False), request["encoding"])


def _run() -> int:
    try:
        main()
    except SystemExit as ended:
        sys.stdout.flush()
        sys.stderr.flush()
        return ended.code if isinstance(ended.code, int) else 0
    except BaseException:
        import traceback

        traceback.print_exc()
        sys.stderr.flush()
        return 98
    return 0


if __name__ == "__main__":
    late = "encodings.ascii", "encodings.cp437", "fcntl", "tty"  # user nobody could not find them
    for module in (*late, *sys.argv[1:]):
        import_module(module)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    print("ready", flush=True)
    serve()
