"""Limits of time bind inside a boot; a boot that never comes to rest is a finding with its path."""

from __future__ import annotations

import gc
import signal
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from itertools import product
from typing import Any

import pytest

from flash_emulator import EmulatedFlash, watchdog
from flash_emulator.explore import (
    FunctionSubject,
    Limits,
    Nothing,
    Processes,
    Report,
    SearchOptions,
    explore,
    replay,
)
from flash_emulator.explore.blame import trace_of
from tests.flash_emulator.explore import hanging, subjects
from tests.flash_emulator.explore.protocols import DONE, read
from tests.flash_emulator.explore.subjects import tiny
from tests.flash_emulator.tiny_silicon import BASE
from tests.thorough import one_in

Boot = Callable[[EmulatedFlash], Any]

SOON = SearchOptions(Limits(boot_s=0.3))
TEXT = "the boot never comes to rest: it has done nothing new for 0.3 s"


def found(report: Report) -> list[tuple[str, str, str]]:
    return [(each.question, each.text, str(each.path)) for each in report.violations]


ANYWHERE = [
    hanging.loop,
    hanging.sleep,
    hanging.wait_for_a_lock,
    hanging.read_on_and_on,
    hanging.swallow_everything,
    hanging.recurse,
    hanging.same_again,
    hanging.yield_on_and_on,
    hanging.backtrack,
]


@pytest.mark.parametrize(("merge", "boot"), one_in(3, [*product((True, False), ANYWHERE)]))
def test_a_boot_that_hangs_is_found(boot: Boot, merge: bool) -> None:
    report = explore(tiny(), boot, options=SearchOptions(SOON.limits, merge=merge))
    assert found(report) == [("live", TEXT, "-")]
    assert not report.complete
    if boot is not hanging.yield_on_and_on:  # it is found between two of its steps
        assert boot.__name__ in report.violations[0].trace
    assert "watchdog" not in report.violations[0].trace


@pytest.mark.parametrize("merge", [True, False], ids=["merged", "brute force"])
def test_a_boot_that_yields_for_ever_is_found_wherever_the_watchdog_looks(
    merge: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nearly all of its time is spent in the search, which is not interrupted."""
    monkeypatch.setattr(watchdog, "_is_own", lambda frame: True)
    options = SearchOptions(SOON.limits, merge=merge)
    report = explore(tiny(), hanging.yield_on_and_on, options=options)
    assert found(report) == [("live", TEXT, "-")]


def test_a_boot_is_not_blamed_for_a_slow_search(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch, watchdog.watching(silence_s=0.1):
        patch.setattr(watchdog, "_is_own", lambda frame: True)
        time.sleep(0.5)
        watchdog.beat()
    with watchdog.watching(silence_s=0.1), pytest.raises(watchdog.Hung):
        with suppress(watchdog.Hung):  # as a subject that hides it
            time.sleep(0.5)
        watchdog.beat()


def test_one_that_hangs_after_a_cut_is_found_with_its_path_and_replays() -> None:
    boot = hanging.wait_for_the_other_half
    for merge in (True, False):
        options = SearchOptions(SOON.limits, merge=merge)
        report = explore(tiny(), boot, options=options)
        ((question, text, path),) = found(report)
        assert (question, text) == ("live", TEXT)
        assert path != "-"
        film = replay(FunctionSubject(boot), tiny(), Nothing(), report.violations[0].path, options)
        assert film.violation == (question, text)
        assert "wait_for_the_other_half" in film.trace


@pytest.mark.parametrize(
    "make",
    [partial(ProcessPoolExecutor, 1), partial(Processes, 2)],
    ids=["a process", "processes that tell each other"],
)
@pytest.mark.parametrize("boot", [hanging.sleep, hanging.wait_for_the_other_half])
def test_it_is_found_in_other_processes(boot: Boot, make: Callable[[], Executor]) -> None:
    alone = explore(tiny(), boot, options=SOON)
    with make() as executor:
        report = explore(tiny(), boot, options=SOON, executor=executor)
    assert found(report) == found(alone) != []


def test_c_code_that_cannot_be_interrupted_ends_with_its_process() -> None:
    with Processes(2) as executor:
        report = explore(tiny(), hanging.count_in_c, options=SOON, executor=executor)
    assert found(report) == [("live", TEXT, "-")]


@pytest.mark.parametrize("boot", [hanging.loop, hanging.read_on_and_on, hanging.recurse])
def test_python_code_is_interrupted_in_other_threads(boot: Boot) -> None:
    with ThreadPoolExecutor(2) as executor:
        report = explore(tiny(), boot, options=SOON, executor=executor)
    assert found(report) == [("live", TEXT, "-")]


def test_a_search_may_run_in_another_thread() -> None:
    reports: list[Report] = []
    thread = threading.Thread(
        target=lambda: reports.append(explore(tiny(), hanging.loop, options=SOON))
    )
    thread.start()
    thread.join(20)
    assert [found(report) for report in reports] == [[("live", TEXT, "-")]]


@pytest.mark.parametrize("executor", [None, partial(Processes, 2)], ids=["here", "processes"])
def test_the_limit_of_time_binds_inside_a_boot(executor: Callable[[], Executor] | None) -> None:
    """No finding, as it may be a slow boot: it is longer patient than the search has time."""
    options = SearchOptions(Limits(time_s=1.0, boot_s=None))
    began_s = time.monotonic()
    if executor is None:
        report = explore(tiny(), hanging.sleep, options=options)
    else:
        with executor() as made:
            report = explore(tiny(), hanging.sleep, options=options, executor=made)
    assert (report.complete, report.stopped_by, found(report)) == (False, "time", [])
    assert time.monotonic() - began_s < 2.5


def test_a_search_with_little_time_is_less_patient() -> None:
    """Else it would be out of time before a boot can be said to hang."""
    report = explore(tiny(), hanging.loop, options=SearchOptions(Limits(time_s=2.0)))
    assert found(report) == [("live", TEXT.replace("0.3", "0.5"), "-")]


def test_a_boot_that_is_slow_and_does_something_is_no_finding() -> None:
    """Each step takes less than the patience, and the whole boot more."""

    def slow(device: EmulatedFlash) -> None:
        time.sleep(0.3)
        if read(device, subjects.MARK) == DONE:
            return
        device.erase(BASE)
        time.sleep(0.3)
        device.program(subjects.MARK, DONE)
        time.sleep(0.3)

    report = explore(tiny(), slow, options=SearchOptions(Limits(boot_s=0.5, time_s=4)))
    assert found(report) == []


def test_nothing_of_it_stays_behind() -> None:
    handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
    trace = sys.gettrace()
    explore(tiny(), hanging.swallow_everything, options=SOON)
    assert {number: signal.getsignal(number) for number in signal.valid_signals()} == handlers
    assert sys.gettrace() is trace
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)
    time.sleep(0.2)  # nothing is raised any more


# --- what a boot raises


def test_an_exception_shows_where_it_was_raised() -> None:
    report = explore(tiny(), hanging.raise_deep, options=SOON)
    first = report.violations[0]
    assert first.text == "the boot ended in ZeroDivisionError: nobody expects it"
    lines = first.trace.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-1] == "ZeroDivisionError: nobody expects it"
    assert [line.rpartition("in ")[2] for line in lines if line.startswith("  File")] == [
        "raise_deep",
        *["_deeper"] * 4,
    ]
    assert 'raise ZeroDivisionError("nobody expects it")' in first.trace
    film = replay(FunctionSubject(hanging.raise_deep), tiny(), Nothing(), first.path)
    assert film.trace == first.trace


def test_a_boot_that_wants_to_leave_python_is_a_finding() -> None:
    report = explore(tiny(), hanging.leave, options=SOON)
    assert [text for _, text, _ in found(report)] == ["the boot ended in SystemExit: 3"]


def test_callbacks_of_the_collector_do_not_swallow_it() -> None:
    """Python drops what is raised in them; while a boot is watched there are none."""
    seen: list[bool] = []

    def callback(phase: str, info: dict[str, int]) -> None:
        """Somebody's."""

    def collect_on_and_on(_: EmulatedFlash) -> None:
        seen.append(callback in gc.callbacks)
        while True:
            gc.collect(0)

    gc.callbacks.append(callback)
    try:
        report = explore(tiny(), collect_on_and_on, options=SOON)
        assert found(report) == [("live", TEXT, "-")]
        assert seen and not any(seen)
        assert callback in gc.callbacks
    finally:
        gc.callbacks.remove(callback)


def test_who_is_interrupted_again_on_the_way_out_is_shown_where_it_was() -> None:
    """The second time it is in the standard library's code already, which the search uses."""
    names: dict[str, Any] = {"Hung": watchdog.Hung}
    inside = f"{sysconfig.get_path('stdlib')}/contextlib.py"
    exec(compile("def boot():\n    raise Hung", "boot.py", "exec"), names)
    exec(compile("def leave():\n    raise Hung", inside, "exec"), names)
    with pytest.raises(watchdog.Hung) as again:
        try:
            names["boot"]()
        except watchdog.Hung:
            names["leave"]()
    here = again.value.__traceback__
    assert here is not None
    assert "in boot" in trace_of(again.value.with_traceback(here.tb_next))  # without this test


# An exception is on its way to this thread, and is taken back while a function traces.
TAKEN_BACK = """
import sys, threading
from flash_emulator import watchdog

with watchdog.watching():
    watch = watchdog._here.watch
    watch.is_asynchronous = True
    sys.settrace(lambda *_: None)
    watchdog.calm()
    print((lambda: "called")())
    assert not watch.is_asynchronous
sys.settrace(lambda *_: None)
print((lambda: "called")())
"""


def test_what_is_taken_back_stops_no_call_that_is_traced() -> None:
    done = subprocess.run(
        [sys.executable, "-c", TAKEN_BACK], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout.split()) == (0, ["called", "called"]), done.stderr


def test_what_is_taken_back_is_not_raised_later() -> None:
    with watchdog.watching():
        watch = watchdog._here.watch
        assert watch is not None
        watch.is_asynchronous = True
        watchdog.calm()
        for _ in range(1000):
            pass
