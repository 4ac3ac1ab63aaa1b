"""Runs the code on standard input as on a system without POSIX: ``python as_windows.py < code``.

Our two packages find none of the modules that Windows lacks, and none of the functions, signals and
flags. What they stand on keeps them, for it picks another way there by the system's name, which
stays the same.
"""

from __future__ import annotations

import builtins
import os
import select
import signal
import socket
import sys
from importlib.util import find_spec
from types import ModuleType
from typing import Any

OURS = ("flash_emulator", "mcu_updater")
MODULES = frozenset(
    [
        "crypt",
        "curses",
        "fcntl",
        "grp",
        "nis",
        "ossaudiodev",
        "posix",
        "pty",
        "pwd",
        "readline",
        "resource",
        "spwd",
        "syslog",
        "termios",
        "tty",
        "_posixshmem",
        "_posixsubprocess",
    ]
)
NAMES: dict[ModuleType, str] = {
    os: "chown chroot ctermid fchdir fchmod fchown fork forkpty getegid geteuid getgid getgroups "
    "getpgid getpgrp getpriority getsid getuid initgroups kill killpg lchown mkfifo mknod nice "
    "openpty register_at_fork sched_yield sched_getaffinity setegid seteuid setgid setgroups "
    "setpgid setpriority setsid setuid statvfs sync sysconf tcgetpgrp ttyname uname wait WNOHANG "
    "O_ASYNC O_CLOEXEC O_DIRECTORY O_DSYNC O_NOCTTY O_NOFOLLOW O_NONBLOCK O_SYNC",
    select: "devpoll epoll kevent kqueue poll",
    signal: "ITIMER_PROF ITIMER_REAL ITIMER_VIRTUAL SIGALRM SIGCHLD SIGCONT SIGHUP SIGIO SIGKILL "
    "SIGPIPE SIGPROF SIGQUIT SIGSTOP SIGTSTP SIGTTIN SIGTTOU SIGURG SIGUSR1 SIGUSR2 SIGVTALRM "
    "SIGWINCH SIG_BLOCK SIG_SETMASK SIG_UNBLOCK alarm getitimer pause pthread_kill "
    "pthread_sigmask setitimer siginterrupt sigpending sigtimedwait sigwait sigwaitinfo",
    socket: "AF_UNIX socketpair_unix",
}


class Without(ModuleType):
    """*module*, as one of ours sees it."""

    def __init__(self, module: ModuleType) -> None:
        super().__init__(module.__name__)
        self.__dict__["_module"] = module
        self.__dict__["_gone"] = frozenset(NAMES[module].split())

    def __getattr__(self, name: str) -> Any:
        if name in self.__dict__["_gone"]:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return getattr(self.__dict__["_module"], name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self.__dict__["_module"], name, value)


def begin() -> None:
    """From here on in this process."""
    real, seen = builtins.__import__, {module.__name__: Without(module) for module in NAMES}

    def find(
        name: str,
        globals: Any = None,  # noqa: A002  as who names them calls the real one
        locals: Any = None,  # noqa: A002
        fromlist: Any = (),
        level: int = 0,
    ) -> Any:
        importer = str((globals or {}).get("__name__", "")).partition(".")[0]
        if importer in OURS and not level:
            if name.partition(".")[0] in MODULES:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)
            if name in seen:
                missing = [one for one in fromlist or () if not hasattr(seen[name], one)]
                if missing:
                    raise ImportError(f"cannot import name {missing[0]!r} from {name!r}")
                return seen[name]
        return real(name, globals, locals, fromlist, level)

    builtins.__import__ = find
    for name in OURS:
        assert find_spec(name) is not None
        assert name not in sys.modules


if __name__ == "__main__":
    code = compile(sys.stdin.read(), "<input>", "exec")
    begin()
    exec(code, {"__name__": "__main__"})
