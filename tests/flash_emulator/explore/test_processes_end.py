"""A search that is stopped ends, whatever its processes were about to send."""

import subprocess
import sys

import pytest

from tests.places import ROOT

DROPS = """
import time
from flash_emulator.explore.batches import Processes

with Processes(2) as processes:
    for each in processes._each:
        each.under_way[each.executor.submit(bytes, 200_000_000)] = ()
    time.sleep({delay})
print("end")
"""


@pytest.mark.parametrize("delay", [0.15, 0.3, 0.45])
def test_processes_that_are_dropped_while_they_send_let_us_end(delay):
    """Somewhere in this time the process writes a result that the pipe does not hold."""
    code = DROPS.format(delay=delay)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, "end\n"), done.stderr
