"""Are seeded mistakes in the C core found by the comparison with Python? Runs ``mutants.toml``.

    python -m tests.core_c.mutants [--jobs N] [--table FILE] [NAME ...]

Each mistake is put into a copy of the C sources, and the copy compiled. Then it is held against

* the states behind one cut of some scenarios (``pairs``): the first difference finds it;
* and the tests of this folder that compare what its file does with all inputs (``TESTS``): first
  where the file is one of a decoder or of the module's line.

The sources as they are must pass the first: the control. A mistake that makes the C code hang or
crash is found, too. Exit code 1 where one survives, 3 where the control does not pass, 4 where an
edit does not fit.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

from flash_emulator.explore import Limits, SearchOptions
from flash_emulator.explore.read_choice import ReadChoice
from flash_emulator.explore.states import State
from mcu_updater.core.errors import UsageError
from mcu_updater.core_c import native
from mcu_updater.powerloss.catalogue import filled, scenario
from mcu_updater.powerloss.in_c import SubjectInC, core_of
from mcu_updater.powerloss.scenario import Core
from mcu_updater.powerloss.subject import BoardSubject
from tests.core_c.equivalence import SMALL, size_of
from tests.core_c.pairs import Doing, first_difference, follow, states_of
from tests.places import ROOT

SOURCES_VARIABLE = "MCU_UPDATER_CORE_C_SOURCES"
"""Of the tests: another folder of C sources."""

CLOSURES = (
    ("STM32L476xG", "good", "bin"),
    ("STM32F103x8", "fail", "s19"),
    ("STM32L476xG", "pieces", "bin"),
    ("STM32L476xG", "crash", "bin"),
    ("STM32L476xG", "corrupt", "hex"),
    ("STM32L476xG", "stuck", "bin"),
    ("STM32L476xG", "module", "bin"),
    ("STM32H743xI", "crash", "bin"),
)
"""Part, scenario and format: in this order, until one tells a mistake."""

TESTS = {
    "fwu_boot.c": ("test_boot.py", "test_install.py"),
    "fwu_journal.c": ("test_journal.py", "test_boot.py"),
    "fwu_journal_write.c": ("test_journal.py",),
    "fwu_install.c": ("test_install.py",),
    "fwu_writer.c": ("test_writer.py",),
    "fwu_loader.c": ("test_loader.py",),
    "fwu_hex.c": ("test_decoders.py",),
    "fwu_srec.c": ("test_decoders.py",),
    "fwu_at.c": ("test_at_in_c.py", "test_client_in_c.py"),
    "fwu_link.c": ("test_client_in_c.py",),
    "fwu_reader.c": ("test_client_in_c.py",),
    "fwu_client.c": ("test_client_in_c.py",),
    "fwu_module.c": ("test_client_in_c.py",),
    "fwu_decide.c": ("test_decide_in_c.py",),
    "fwu_updater.c": ("test_updater_in_c.py", "test_pairs.py"),
}
"""What compares the functions of a file, by itself."""

_BY_STATES_FIRST = (
    *("fwu_boot.c", "fwu_journal.c", "fwu_journal_write.c", "fwu_install.c", "fwu_writer.c"),
    "fwu_updater.c",
)

_STATES_S, _TESTS_S = 90, 600  # what a hang costs
_NOT_COMPILED = "it does not compile"
_SURVIVED, _CONTROL_FAILED, _BROKEN = 1, 3, 4


@dataclass(frozen=True, slots=True)
class Mutant:
    """*old* text of *file*, which must be there once, becomes *new*."""

    name: str
    file: str
    old: str
    new: str
    what: str


@dataclass(frozen=True, slots=True)
class Caught:
    """*by*: what found it; empty: nothing did."""

    mutant: Mutant
    by: str
    found: str
    elapsed_s: float


@dataclass(frozen=True, slots=True)
class Closure:
    """States of a search, and what Python does in each of them."""

    subject: SubjectInC
    states: tuple[tuple[State, ReadChoice], ...]
    doings: tuple[Doing, ...]


def load() -> list[Mutant]:
    """All of ``mutants.toml``."""
    with (Path(__file__).parent / "mutants.toml").open("rb") as file:
        tables = tomllib.load(file)
    return [Mutant(name, **table) for name, table in tables.items()]


def closures() -> list[Closure]:
    """What mistakes are held against first."""
    return [_closure(*each) for each in CLOSURES]


def _closure(part: str, name: str, fmt: str) -> Closure:
    target = filled(part, size_of(part, name, SMALL), fmt)  # type: ignore[arg-type]
    made = scenario(name, target)
    python = BoardSubject(made)
    states = tuple(states_of(python, SearchOptions(limits=Limits(cuts=1))))
    doings = tuple(follow(python, *state) for state in states)
    return Closure(SubjectInC(scenario(name, target, core=Core.C)), states, doings)


def put_into(mutant: Mutant, folder: Path) -> Path:
    """A copy of the sources with the mistake. ValueError where the edit does not fit."""
    sources = folder / "src"
    shutil.copytree(native.SOURCES, sources)
    file = sources / mutant.file
    text = file.read_text()
    if text.count(mutant.old) != 1:
        raise ValueError(
            f"{mutant.name}: {mutant.file} has {text.count(mutant.old)} x {mutant.old!r}"
        )
    file.write_text(text.replace(mutant.old, mutant.new))
    return sources


def hold(mutant: Mutant, closures: Sequence[Closure]) -> Caught:
    """Whether anything finds it."""
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutant-") as name:
        sources = put_into(mutant, Path(name))
        finders: list[Callable[[], tuple[str, str]]] = [
            lambda: _by_states(sources, closures),
            lambda: _by_tests(sources, TESTS[mutant.file]),
        ]
        if mutant.file not in _BY_STATES_FIRST:
            finders.reverse()
        by, found = next(filter(any, (find() for find in finders)), ("", ""))
    return Caught(mutant, by, found, time.monotonic() - began_s)


def _by_states(sources: Path, closures: Sequence[Closure]) -> tuple[str, str]:
    """In a process of its own: C code that is wrong may do anything. ValueError where it does not
    compile."""
    found = _told(sources, closures)
    if found.startswith(_NOT_COMPILED):
        raise ValueError(found)
    return ("states", found) if found else ("", "")


def _told(sources: Path, closures: Sequence[Closure]) -> str:
    here, there = get_context("fork").Pipe(duplex=False)
    child = get_context("fork").Process(target=_tell, args=(there, sources, closures))
    child.start()
    there.close()
    try:
        if not here.poll(_STATES_S):
            return "does not come to rest"
        return str(here.recv())
    except EOFError:
        child.join()
        return f"crashes: exit code {child.exitcode}"
    finally:
        child.kill()
        child.join()


def _tell(answer: Connection, sources: Path, closures: Sequence[Closure]) -> None:
    take_sources(sources)
    core_of.cache_clear()
    try:
        answer.send(next(_differences(closures), ""))
    except UsageError as error:
        answer.send(f"{_NOT_COMPILED}: {error}")
    answer.close()
    os._exit(0)


def take_sources(sources: Path) -> None:
    """From here on these are the C sources. What is unused in them now is no fault."""
    native.SOURCES = sources  # type: ignore[misc]
    native.WARNINGS = ("-w",)  # type: ignore[misc]


def _differences(closures: Sequence[Closure]) -> Iterator[str]:
    for closure in closures:
        for (state, choice), doing in zip(closure.states, closure.doings, strict=True):
            found = first_difference(doing.steps, follow(closure.subject, state, choice).steps)
            if found is not None:
                number, one, other = found
                where = f"{closure.subject.scenario.id}, state {state.path}{choice}"
                yield f"{where}, step {number}: {_short(one)}; in C {_short(other)}"


def _short(step: object) -> str:
    text = str(step)
    return text if len(text) < 100 else f"{text[:97]}..."


def _by_tests(sources: Path, files: Sequence[str]) -> tuple[str, str]:
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
    command += ["-n0", "--timeout", str(_TESTS_S), *(f"tests/core_c/{file}" for file in files)]
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, SOURCES_VARIABLE: str(sources)},
            capture_output=True,
            text=True,
            timeout=_TESTS_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "tests", "do not come to an end"
    failed = re.search(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE)
    if failed:
        return failed[1].partition("[")[0].rpartition("/")[2], failed[1]
    return ("", "") if done.returncode == 0 else ("tests", f"exit code {done.returncode}")


def table(caught: Sequence[Caught]) -> str:
    """In Markdown."""
    rows = (
        f"| {each.mutant.name} | `{each.mutant.file}` | {each.mutant.what} | "
        f"{each.by or '**nothing**'} | {each.elapsed_s:.0f} |"
        for each in caught
    )
    return "\n".join(
        ("| mistake | file | what it does | found by | seconds |", "|---|---|---|---|---|", *rows)
    )


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--table", type=Path)
    parser.add_argument("names", nargs="*", metavar="NAME")
    given = parser.parse_args()
    mutants = [each for each in load() if not given.names or each.name in given.names]
    known = closures()
    control = next(_differences(known), "")
    if control:
        print(f"the control does not pass: {control}")
        return _CONTROL_FAILED
    caught = []
    with ThreadPoolExecutor(given.jobs) as pool:
        try:
            for one in pool.map(lambda mutant: hold(mutant, known), mutants):
                caught.append(one)
                print(f"{one.mutant.name}: {one.by or 'SURVIVES'}: {one.found}", flush=True)
        except ValueError as error:
            print(error)
            return _BROKEN
    if given.table:
        given.table.write_text(table(caught) + "\n")
    survived = [each.mutant.name for each in caught if not each.by]
    print(f"{len(caught)} mistakes, {len(caught) - len(survived)} found", *survived)
    return _SURVIVED if survived else 0


if __name__ == "__main__":
    sys.exit(main())
