"""What ``doctor`` looks at: whether this computer has what the program needs, and what helps.

Each check looks at one thing, changes nothing but a temporary file, and says what to do.
"""

from __future__ import annotations

import codecs
import importlib.metadata
import os
import re
import shutil
import sys
import tempfile
import zoneinfo
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from mcu_updater.build import Build, this_build
from mcu_updater.host.cache_folder import default_folder
from mcu_updater.host.ports import PROC, PortFacts, list_ports
from mcu_updater.host.serial_port import runs_modem_manager

DISTRIBUTION = "mcu-updater"
PYTHON = (3, 11)

PROGRAMS = {  # of tests and examples alone: program, Debian package, what for
    "srec_cat": ("srecord", "a second writer of image files, in tests"),
    "stm32flash": ("stm32flash", "a second client of the boot ROM, in tests"),
    "arm-none-eabi-gcc": ("gcc-arm-none-eabi", "makes firmware for tests"),
    "chromium": ("chromium", "looks at HTML reports in tests"),
    "chromedriver": ("chromium-driver", "drives that browser"),
}
_GROUPS = ("dialout", "uucp")  # that own serial ports: Debian, Fedora; Arch


class State(StrEnum):
    """How a check came out."""

    OK = "ok"
    NOTE = "note"  # optional, and not there
    WARNING = "warning"  # something will not work
    FAILED = "failed"  # the program cannot do its work


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. *advice*: what to do, where *state* is not OK."""

    subject: str
    name: str
    state: State
    found: str
    advice: str = ""


def checks() -> Iterator[Check]:
    """All of them, in the order in which they are told."""
    yield check_python(sys.version_info[:3])
    yield check_build(this_build())
    yield from check_libraries()
    yield from check_programs()
    yield from check_ports(list_ports())
    if hasattr(os, "getgroups"):
        yield check_groups(os.getgroups(), is_root=os.geteuid() == 0)
    yield check_modem_manager(PROC)
    yield check_encoding(getattr(sys.stdout, "encoding", None) or "")
    yield check_time_zones()
    yield check_cache(default_folder())
    yield check_pty()


def check_python(version: tuple[int, ...]) -> Check:
    found = ".".join(map(str, version))
    if version[:2] >= PYTHON:
        return Check("python", "Python", State.OK, f"{found}, {sys.executable}")
    wanted = ".".join(map(str, PYTHON))
    return Check("python", "Python", State.FAILED, found, f"install Python {wanted} or later")


def check_build(build: Build) -> Check:
    """Whether hot rooms run compiled; which ones, for whoever compares times."""
    if build.is_compiled:
        found = f"{build}: {', '.join(build.compiled)}"
        return Check("python", "build", State.OK, found)
    return Check("python", "build", State.NOTE, str(build), "install it with a C compiler there")


# --- libraries


def check_libraries() -> Iterator[Check]:
    """What the distribution declares: required ones must be there, extras may."""
    try:
        declared = importlib.metadata.requires(DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        yield Check(
            "library",
            DISTRIBUTION,
            State.FAILED,
            "is not installed, only run from its folder",
            "pip install .",
        )
        return
    for text in declared:
        requirement, _, marker = text.partition(";")
        extra = re.search(r"extra\s*==\s*['\"]([\w-]+)['\"]", marker)
        if extra is None:
            yield check_library(requirement.strip())
        else:
            yield check_library(requirement.strip(), extra=extra[1])


def check_library(requirement: str, *, extra: str = "") -> Check:
    """*requirement*: a name and limits, ``click<9,>=8.1``."""
    name, limits = _parted(requirement)
    subject = f"extra {extra}" if extra else "library"
    advice = f"pip install '{DISTRIBUTION}[{extra}]'" if extra else f"pip install '{requirement}'"
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        state = State.NOTE if extra else State.FAILED
        return Check(subject, name, state, "not installed", advice)
    if all(_keeps(version, limit) for limit in limits):
        return Check(subject, name, State.OK, version)
    state = State.WARNING if extra else State.FAILED
    return Check(subject, name, state, f"{version}, and {','.join(limits)} is wanted", advice)


def _parted(requirement: str) -> tuple[str, list[str]]:
    found = re.match(r"[\w.-]+", requirement)
    name = found[0] if found else requirement
    limits = re.findall(r"(?:>=|<=|==|<|>)\s*[\w.]+", requirement)
    return name, [limit.replace(" ", "") for limit in limits]


def _keeps(version: str, limit: str) -> bool:
    """Whether *version* keeps one limit; what is not a number ends the comparison."""
    operator = re.match(r"[<>=]+", limit)
    assert operator is not None
    have, want = _numbers(version), _numbers(limit[operator.end() :])
    width = max(len(have), len(want))
    one, other = (numbers + (0,) * (width - len(numbers)) for numbers in (have, want))
    return {
        ">=": one >= other,
        "<=": one <= other,
        "==": one == other,
        "<": one < other,
        ">": one > other,
    }[operator[0]]


def _numbers(version: str) -> tuple[int, ...]:
    found = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(number) for number in found[0].split(".")) if found else ()


# --- programs, ports, people


def check_programs() -> Iterator[Check]:
    for program, (package, use) in PROGRAMS.items():
        path = shutil.which(program)
        if path:
            yield Check("program", program, State.OK, path)
        else:
            found = f"not found; {use}"
            yield Check("program", program, State.NOTE, found, f"sudo apt-get install {package}")


def check_ports(ports: list[PortFacts]) -> Iterator[Check]:
    if not ports:
        found = "none; boards, modules and chips can still be emulated"
        yield Check("port", "serial ports", State.NOTE, found, "plug one in")
    for port in ports:
        what = f"{port.usb_id} {port.kind or port.description}".strip() or "a serial port"
        if port.may_open:
            state = State.NOTE if port.advice else State.OK
            yield Check("port", port.device, state, what, port.advice)
        else:
            found = f"{what}; {port.mode} {port.owner}:{port.group}, not for you"
            yield Check("port", port.device, State.WARNING, found, port.advice)


def check_groups(groups: list[int], *, is_root: bool) -> Check:
    """Whether this user is in the group that owns serial ports here."""
    import grp  # where there are groups

    for name in _GROUPS:
        with suppress(KeyError):
            if is_root:
                return Check("group", name, State.OK, "root may open every port")
            if grp.getgrnam(name).gr_gid in groups:
                return Check("group", name, State.OK, "you are in it")
            advice = f"sudo usermod -aG {name} $USER, then log in again"
            return Check("group", name, State.WARNING, "you are not in it", advice)
    return Check(
        "group", "dialout", State.NOTE, "there is no such group here", "see: ls -l /dev/tty*"
    )


def check_modem_manager(proc: Path) -> Check:
    if not runs_modem_manager(proc):
        return Check("service", "ModemManager", State.OK, "does not run")
    advice = "sudo systemctl stop ModemManager, or udev: ENV{ID_MM_DEVICE_IGNORE}=1"
    return Check("service", "ModemManager", State.WARNING, "runs, and opens every modem", advice)


# --- text, time, files


def check_encoding(encoding: str) -> Check:
    """Whether tables and drawings can be printed."""
    with suppress(LookupError):
        if codecs.lookup(encoding).name == "utf-8":
            return Check("text", "encoding", State.OK, encoding)
    found = f"{encoding or 'not known'}: drawings are printed in ASCII"
    return Check("text", "encoding", State.WARNING, found, "export LANG=C.UTF-8")


def check_time_zones() -> Check:
    try:
        zoneinfo.ZoneInfo("Europe/Berlin")
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        return Check("time", "time zones", State.FAILED, "not known here", "pip install tzdata")
    return Check("time", "time zones", State.OK, "known")


def check_cache(folder: Path) -> Check:
    """Whether what is remembered of chips can be kept."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".doctor-") as file:
            file.write(b"x")
            file.flush()
    except OSError as error:
        found = f"{folder}: {error.strerror}; what is flashed is not remembered"
        advice = "make it writable, or set XDG_CACHE_HOME"
        return Check("cache", "chip cache", State.WARNING, found, advice)
    return Check("cache", "chip cache", State.OK, str(folder))


def check_pty() -> Check:
    if not hasattr(os, "openpty"):
        advice = "run servers on Linux or macOS, and use their socket:// here"
        return Check("pty", "pty", State.NOTE, "this system has none: nothing is served", advice)
    try:
        ends = os.openpty()
    except OSError as error:
        found = (
            f"none can be opened ({error.strerror}): no emulated chip or module is served on one"
        )
        return Check("pty", "pty", State.WARNING, found, "serve on a socket")
    for end in ends:
        os.close(end)
    return Check("pty", "pty", State.OK, "can be opened")
