"""Searches of C code: the same as of the same logic in Python, wherever they run."""

from __future__ import annotations

import pickle
import zlib
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from flash_emulator import EmulatedFlash, MetastableMode, UnreadableUnit
from flash_emulator.explore import (
    FunctionSubject,
    Limits,
    Nothing,
    Processes,
    Report,
    Search,
    SearchOptions,
    Violation,
    explore,
    replay,
)
from flash_emulator.native import NativeError, NativeSubject
from tests.flash_emulator.native.conftest import Make
from tests.places import ROOT

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.judge("gcc")

EXAMPLE = ROOT / "examples" / "native_bootloader"
RUN, STAGED, SIZE = 0x0800_8000, 0x0800_8800, 64
MARK = RUN + SIZE


def image(version: int) -> bytes:
    body = bytes([version]) * (SIZE - 4)
    return body + zlib.crc32(body).to_bytes(4, "little")


@pytest.fixture
def flash(flash: EmulatedFlash) -> EmulatedFlash:
    flash.preload(RUN, image(1))
    flash.preload(MARK, b"DONE" + image(1)[-4:])
    flash.preload(STAGED, image(2))
    return flash


def verdict(flash: EmulatedFlash, returned: int = 0) -> None:
    for mode in MetastableMode:
        twin = flash.fork()
        twin.metastable_mode = mode
        if returned or reads(twin, RUN) != image(2):
            raise Violation("safe", "RUN does not always read as version 2")


def reads(flash: EmulatedFlash, address: int) -> bytes:
    try:
        return bytes(flash.read(address, SIZE))
    except UnreadableUnit:
        return b""


def is_image(data: bytes) -> bool:
    return zlib.crc32(data[:-4]).to_bytes(4, "little") == data[-4:]


def bootloader(flash: EmulatedFlash) -> str:
    """``bootloader.c``, line by line."""
    staged = reads(flash, STAGED)
    mark = b"DONE" + staged[-4:]
    if is_image(staged) and flash.match(MARK, mark) != 8:
        flash.erase(RUN)
        flash.program(RUN, staged)
        flash.program(MARK, mark)
    return "boot() returned 0"


def first_try(flash: EmulatedFlash) -> str:
    staged = reads(flash, STAGED)
    if is_image(staged) and flash.match(RUN, staged) != SIZE:
        flash.erase(RUN)
        flash.program(RUN, staged)
    return "boot() returned 0"


def native(name: str, tmp_path: Path, *, coalesce: bool = True) -> NativeSubject:
    sources = [EXAMPLE / f"{name}.c", EXAMPLE / "image.c"]
    return NativeSubject(sources, verdict, cache=tmp_path / "cache", coalesce=coalesce)


def facts(report: Report) -> tuple[object, ...]:
    """All that a search has found, and how it came to it."""
    violations = [(str(each.path), each.question, each.text) for each in report.violations]
    numbers = (report.states, report.boots, report.cuts, report.levels, report.edges)
    return (*numbers, report.complete, report.chain, violations)


@pytest.mark.parametrize("merge", [True, False], ids=["merged", "each for itself"])
@pytest.mark.parametrize("name", ["bootloader", "first_try"])
def test_the_search_is_that_of_the_same_logic_in_python(
    flash: EmulatedFlash, tmp_path: Path, name: str, merge: bool
) -> None:
    options = SearchOptions(Limits(cuts=None if merge else 1, violations=None), merge=merge)
    here = FunctionSubject({"bootloader": bootloader, "first_try": first_try}[name], verdict)
    in_python = Search(here, flash, options=options).run()
    in_c = explore(flash, native(name, tmp_path, coalesce=False), options=options)
    assert facts(in_c) == facts(in_python)
    assert bool(in_c.violation_count) is (name == "first_try" and merge)


@pytest.mark.thorough
@pytest.mark.judge("clang")
def test_another_compiler_finds_the_same(flash: EmulatedFlash, tmp_path: Path) -> None:
    sources = [EXAMPLE / "first_try.c", EXAMPLE / "image.c"]
    subject = NativeSubject(sources, verdict, compiler="clang", cache=tmp_path / "cache")
    assert facts(explore(flash, subject)) == facts(explore(flash, native("first_try", tmp_path)))


@pytest.mark.parametrize("name", ["bootloader", "first_try"])
def test_programs_that_are_one_operation_find_the_same(
    flash: EmulatedFlash, tmp_path: Path, name: str
) -> None:
    options = SearchOptions(Limits(violations=None))
    found = [
        explore(flash, native(name, tmp_path, coalesce=coalesce), options=options)
        for coalesce in (True, False)
    ]
    one, other = (
        (report.complete, report.cuts, report.levels, [str(v.path) for v in report.violations])
        for report in found
    )
    assert one == other


def test_a_path_replays_as_in_python(flash: EmulatedFlash, tmp_path: Path) -> None:
    subject = native("first_try", tmp_path)
    path = explore(flash, subject).violations[0].path
    film = replay(subject, flash, Nothing(), path, SearchOptions())
    same = replay(FunctionSubject(first_try, verdict), flash, Nothing(), path, SearchOptions())
    assert film.violation == same.violation is not None
    assert film.frames == same.frames


@pytest.mark.parametrize("name", ["bootloader", "first_try"])
def test_processes_find_the_same(flash: EmulatedFlash, tmp_path: Path, name: str) -> None:
    options = SearchOptions(Limits(violations=None))
    alone = explore(flash, native(name, tmp_path), options=options)
    with Processes(2) as executor:
        assert facts(
            explore(flash, native(name, tmp_path), options=options, executor=executor)
        ) == (facts(alone))
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
        found = explore(flash, native(name, tmp_path), options=options, executor=executor)
        assert facts(found) == facts(alone)


def test_a_pickled_subject_is_loaded_or_compiled_again(
    flash: EmulatedFlash, tmp_path: Path
) -> None:
    subject = native("bootloader", tmp_path)
    again = pickle.loads(pickle.dumps(subject))
    assert again == subject
    assert facts(explore(flash, again)) == facts(explore(flash, subject))
    packed = pickle.dumps(subject)
    for library in (tmp_path / "cache").iterdir():
        library.unlink()
    assert pickle.loads(packed).boot_once(flash.fork()) == 0
    assert len([*(tmp_path / "cache").iterdir()]) == 1


def test_sources_that_have_changed_are_not_taken_for_those_of_the_search(
    c: Make, tmp_path: Path
) -> None:
    subject = c("int boot(void) { return 1; }")
    packed = pickle.dumps(subject)
    for library in (tmp_path / "cache").iterdir():
        library.unlink()
    (tmp_path / "src" / "boot.c").write_text("int boot(void) { return 2; }")
    with pytest.raises(NativeError, match=r"boot\.c.* changed since the search began"):
        pickle.loads(packed)


COUNTS_ONE = """
int boot(void)
{
    unsigned char unit[8] = {0};
    int had = flash_match(0x08008000, unit, 8) == 8;
    if (!had) {
        flash_erase(0x08008000);
        flash_program(0x08008000, unit, 8);
    }
    return had;
}
"""


def test_what_boot_returns_is_told_to_the_verdict(c: Make, flash: EmulatedFlash) -> None:
    clean = EmulatedFlash(flash.part)
    told = set[int]()
    report = explore(clean, c(COUNTS_ONE, lambda _, returned: told.add(returned)))
    assert report.passed
    assert told == {0, 1}


def test_the_fixture_takes_it(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The example, as its reader runs it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for file in EXAMPLE.iterdir():
        if file.is_file():
            (pytester.path / file.name).write_bytes(file.read_bytes())
    done = pytester.runpytest_subprocess("-q", "--powerloss-certificates", "kept")
    done.assert_outcomes(passed=1, failed=1)
    done.stdout.fnmatch_lines(
        [
            "power loss: unsafe: RUN does not always read as version 2",
            "*boot 1: power lost at flash operation 9 (program at 0x0800_8038), outcome weak",
            "test_bootloader.py::test_bootloader: complete; *",
        ]
    )
    assert len([*(pytester.path / "kept").iterdir()]) == 2
    assert len([*(tmp_path / "cache" / "flash_emulator" / "native").iterdir()]) == 2
