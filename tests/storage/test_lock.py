"""One writer of a file at a time, and no lock that outlives its process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from mcu_updater.cli import exits
from mcu_updater.core.errors import PortError
from mcu_updater.storage import FileInUse, hold
from mcu_updater.storage.lock import lock_file

HOLD = """
import sys
from pathlib import Path
from mcu_updater.storage import hold
with hold(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""
WITHOUT_LOCKS = """
import sys
sys.modules["fcntl"] = sys.modules["msvcrt"] = None
from pathlib import Path
from mcu_updater.storage import hold
with hold(Path(sys.argv[1])):
    print("held")
"""
ADD_ONE = """
import sys, time
from pathlib import Path
from mcu_updater.storage import FileInUse, hold, write_whole
file, left = Path(sys.argv[1]), 25
while left:
    try:
        with hold(file):
            write_whole(file, str(int(file.read_text()) + 1).encode())
            left -= 1
    except FileInUse:
        time.sleep(0.0005)
"""


@contextmanager
def holder(path: Path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin and process.stdout
    try:
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.stdin.close()
        process.wait()
        process.stdout.close()


def test_the_second_is_told_who_has_it(tmp_path):
    file = tmp_path / "one.board"
    with holder(file) as process:
        with pytest.raises(FileInUse) as caught, hold(file):
            pass
        found = caught.value.holder
        assert found is not None and found.pid == process.pid
        assert f"process {process.pid}, since 20" in str(caught.value)
        assert str(file) in found.command and exits.code_for(caught.value) == 4
    with hold(file):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_killed_holder_blocks_nobody(tmp_path):
    file = tmp_path / "one.board"
    with holder(file) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert lock_file(file).exists()
        with hold(file):
            assert json.loads(lock_file(file).read_text())["pid"] == os.getpid()
    assert list(tmp_path.iterdir()) == []


def test_two_names_of_a_file_have_one_lock(tmp_path):
    (tmp_path / "real").write_bytes(b"")
    (tmp_path / "link").symlink_to("real")
    with hold(tmp_path / "real"), pytest.raises(FileInUse), hold(tmp_path / "link"):
        pass
    with hold(tmp_path / "real"), hold(tmp_path / "link", follow=False):
        pass


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_it_goes_with_the_block(tmp_path, error):
    with pytest.raises(error), hold(tmp_path / "x"):
        raise error
    with hold(tmp_path / "x"):
        pass


def test_no_lock_can_be_made(tmp_path):
    with pytest.raises(PortError, match="cannot be locked"), hold(tmp_path / "none" / "x"):
        pass


def test_a_lock_file_that_says_nothing_is_still_a_lock(tmp_path):
    with holder(tmp_path / "x"):
        lock_file(tmp_path / "x").write_text("?")
        with pytest.raises(FileInUse, match="did not say"), hold(tmp_path / "x"):
            pass


def test_a_system_without_locks_keeps_nobody_out(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_LOCKS, str(tmp_path / "x")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "held\n"


def test_nothing_that_two_processes_write_is_lost(tmp_path):
    """Also while one removes the lock file that the other has opened."""
    file = tmp_path / "count"
    file.write_text("0")
    both = [subprocess.Popen([sys.executable, "-c", ADD_ONE, str(file)]) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    assert file.read_text() == "50"
    assert list(tmp_path.iterdir()) == [file]
