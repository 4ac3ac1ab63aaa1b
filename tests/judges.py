"""Judges: programs that nobody here wrote, and what comes of a test that needs one that is missing.

The table is judges.toml. A test says ``@pytest.mark.judge("srec_cat")``, or calls ``need`` where it
is about to run the program; nothing else in the tests skips for want of a program or a module.

The last lines of a run tell which were missing, how many tests were skipped because of each, and
how to get them. Where ``CI`` is set a missing judge fails the run, unless ``APT_OUT_OF_REACH``
holds the reason why nothing could be installed (.ci/run sets it), which is then told.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pytest

TABLE = Path(__file__).with_suffix(".toml")
EXCUSE = "APT_OUT_OF_REACH"
MISSING, UNREACHABLE = "judge is missing: ", "out of reach: "


@dataclass(frozen=True, slots=True)
class Judge:
    name: str
    what: str  # it judges
    programs: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    debian: tuple[str, ...] = ()
    get: str = "make apt"

    @property
    def lacks(self) -> list[str]:
        """What of it is not here."""
        programs = [name for name in self.programs if shutil.which(name) is None]
        return programs + [name for name in self.modules if not importlib.util.find_spec(name)]


def _read() -> dict[str, Judge]:
    rows = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    return {name: _judge(name, row) for name, row in rows.items()}


def _judge(name: str, row: dict[str, Any]) -> Judge:
    given: dict[str, Any] = {k: v if isinstance(v, str) else tuple(v) for k, v in row.items()}
    return Judge(name, **given)


JUDGES = _read()


def need(name: str) -> str:
    """The path of the judge's first program, or the name of its module. Skips the calling test
    where anything of it is missing."""
    judge = JUDGES[name]
    if lacks := judge.lacks:
        pytest.skip(f"{MISSING}{name} ({', '.join(lacks)} not found: {judge.get})")
    return shutil.which(judge.programs[0]) or "" if judge.programs else judge.modules[0]


def out_of_reach(reason: str) -> NoReturn:
    """Skip: what is to be judged comes from a registry of others, which does not answer."""
    pytest.skip(UNREACHABLE + reason)


class Plugin:
    """Skips by marker, counts, and tells. Registered by conftest.py."""

    def __init__(self) -> None:
        self.missing: Counter[str] = Counter()
        self.unreachable = 0
        self.other = 0

    @property
    def fails(self) -> bool:
        return bool(self.missing and os.environ.get("CI") and not os.environ.get(EXCUSE))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        for marker in item.iter_markers("judge"):
            for name in marker.args:
                need(name)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped and isinstance(report.longrepr, tuple):
            self._count(report.longrepr[2].removeprefix("Skipped: "))

    def _count(self, reason: str) -> None:
        found = re.match(re.escape(MISSING) + r"(\S+)", reason)
        if found:
            self.missing[found[1]] += 1
        elif reason.startswith(UNREACHABLE):
            self.unreachable += 1
        else:
            self.other += 1

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.fails and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> Iterator[None]:
        """Behind all other summaries."""
        yield
        lines = list(self.lines())
        if lines:
            terminalreporter.section("what was not judged")
        for line in lines:
            terminalreporter.write_line(line, red=self.fails, yellow=not self.fails)

    def lines(self) -> Iterator[str]:
        for name, count in sorted(self.missing.items()):
            judge = JUDGES[name]
            yield f"{name} is missing: {_tests(count)} skipped. It judges {judge.what}."
            yield f"    get it: {judge.get}"
        if self.unreachable:
            yield f"Released firmware is out of reach: {_tests(self.unreachable)} skipped."
        if self.missing and (reason := os.environ.get(EXCUSE)):
            yield f"apt could not be reached, so that is no failure: {reason}"
        elif self.fails:
            yield "CI is set: a missing judge fails the run."


def _tests(count: int) -> str:
    return f"{count} test{'s' * (count != 1)}"
