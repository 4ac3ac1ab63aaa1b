"""Real processes of the command line, without paying for its start each time.

A process that has imported every command forks one for each request, a line of JSON on its standard
input; it answers with the process's number, and after a second line with its exit code.
"""

from __future__ import annotations

import ctypes
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
        if request["obeys_modes"]:
            _obey_modes()
        sys.argv = ["mcu-updater", *request["arguments"]]
        leave_at_signals()  # as the first thing that the program does; nothing came before
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDS)
        code = _run()
    finally:
        os._exit(code)


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
    for module in sys.argv[1:]:
        import_module(module)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    print("ready", flush=True)
    serve()
