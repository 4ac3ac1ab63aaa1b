"""What every run of the tests has: hypothesis that finds the same in every run, and the judges.

* ``ordinary`` (make test, CI): the examples of a test depend on nothing but its source. What fails
  has failed everywhere, and what passes passes again.
* ``random`` (make random): other examples in every run, by a seed that is told and that repeats it.

Neither fails a test because the machine was busy.
"""

from __future__ import annotations

import gc
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from mcu_updater.build import this_build
from tests.judges import Plugin
from tests.longest_first import dealt
from tests.thorough import THOROUGH

BUSY: dict[str, Any] = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.too_slow],
    "print_blob": True,
}

settings.register_profile("ordinary", derandomize=True, database=None, **BUSY)
settings.register_profile("random", derandomize=False, database=None, **BUSY)
settings.load_profile("ordinary")  # --hypothesis-profile overrules it


# As a shell has it for a job behind it, and nohup: processes under test would ignore it, too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Plugin(), "judges")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if this_build().is_compiled:
        why = pytest.mark.skip(reason="puts something else into a module that is compiled here")
        for item in items:
            if item.get_closest_marker("pure"):
                item.add_marker(why)
    if THOROUGH:
        return
    left = [item for item in items if item.get_closest_marker("thorough")]
    config.hook.pytest_deselected(items=left)
    gone = set(left)
    kept = [item for item in items if item not in gone]
    workers = getattr(config, "workerinput", {}).get("workercount", 1)
    modules = [item.nodeid.partition("::")[0] for item in kept]
    items[:] = dealt(kept, modules, workers) if workers > 1 else kept


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Modules and tests stay to the end: whoever looks for garbage need not look at a million
    objects of theirs, neither while they are made nor in any test."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()
