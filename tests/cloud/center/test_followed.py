"""A center file that others edit meanwhile."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mcu_updater.cloud.center import followed
from mcu_updater.cloud.center.faults import BadCenterFile
from mcu_updater.cloud.center.followed import FollowedFile
from mcu_updater.cloud.center.load import CenterFile, read_center, sign_of
from mcu_updater.core.errors import PortError
from tests.cloud.center.files import GOOD, write_center


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_center(tmp_path, GOOD)


def age(*paths: Path, by_s: float = 3600.0) -> None:
    """As if nobody had touched them for so long."""
    for path in paths:
        found = path.stat()
        os.utime(path, (found.st_atime - by_s, found.st_mtime - by_s))


def test_it_is_read_again_when_it_changes(path: Path):
    followed_file = FollowedFile(path)
    first = followed_file.now()
    assert followed_file.now() is first
    path.write_text(GOOD.replace("retries = 5", "retries = 6"), encoding="utf-8")
    assert followed_file.now().center.plans[0].strategy.retries == 6
    age(path)
    assert followed_file.now() == followed_file.now()


def test_its_packages_are_followed_too(path: Path):
    followed_file = FollowedFile(path)
    (path.parent / "full.bin").write_bytes(b"another")
    assert followed_file.now().contents["full"] == (b"another",)


def test_what_is_bad_leaves_the_last_that_was_good(path: Path):
    followed_file = FollowedFile(path)
    first = followed_file.now()
    path.write_text(GOOD.replace("full.bin", "none.bin"), encoding="utf-8")
    assert followed_file.now() == first
    assert "none.bin cannot be read" in str(followed_file.fault)
    (path.parent / "none.bin").write_bytes(b"here it is")  # the file itself does not change
    assert followed_file.now().contents["full"] == (b"here it is",)
    assert followed_file.fault is None
    path.unlink()
    assert followed_file.now().contents["full"] == (b"here it is",)
    assert followed_file.fault is not None
    write_center(path.parent, GOOD)
    assert followed_file.now() == first


def test_what_was_never_good_is_refused(path: Path):
    path.write_text("plans = 5", encoding="utf-8")
    with pytest.raises(BadCenterFile):
        FollowedFile(path)


def test_a_second_change_within_a_tick_of_the_clock_is_seen(
    path: Path, monkeypatch: pytest.MonkeyPatch
):
    sign = sign_of(path)
    monkeypatch.setattr(followed, "sign_of", lambda _: sign)  # whatever happens, no sign of it
    followed_file = FollowedFile(path)
    path.write_text(GOOD.replace("retries = 5", "retries = 6"), encoding="utf-8")
    (path.parent / "full.bin").write_bytes(b"another")
    assert followed_file.now().center.plans[0].strategy.retries == 5
    now_ns = time.time_ns() + 3_000_000_000
    monkeypatch.setattr(time, "time_ns", lambda: now_ns)
    assert followed_file.now().center.plans[0].strategy.retries == 6
    assert followed_file.now().contents["full"] == (b"another",)


def test_nothing_is_read_where_nothing_changes(path: Path, monkeypatch: pytest.MonkeyPatch):
    age(path, path.parent / "full.bin")
    now_ns = time.time_ns() + 3_600_000_000_000
    monkeypatch.setattr(time, "time_ns", lambda: now_ns)  # their ctime lies far back, too
    followed_file = FollowedFile(path)
    monkeypatch.delattr(followed, "read_center")
    started_s = time.perf_counter()
    for _ in range(1000):
        followed_file.now()
    assert (time.perf_counter() - started_s) / 1000 < 0.002  # 0.03 ms on an idle machine


def test_who_waits_while_a_check_fails_fails_with_it(path: Path) -> None:
    """A locked state file keeps all who ask as long as one, and not one after the other."""
    file = FollowedFile(path)
    checks: list[CenterFile] = []
    is_locked, waiting = True, threading.Barrier(9)

    def check(found: CenterFile) -> None:
        checks.append(found)
        if is_locked and len(checks) > 1:
            time.sleep(0.3)
            raise PortError("is locked")

    file.accept_only(check)
    path.write_text(GOOD.replace("retries = 5", "retries = 6"), encoding="utf-8")

    def ask() -> object:
        waiting.wait()
        try:
            return file.now()
        except PortError as error:
            return error.message

    with ThreadPoolExecutor(9) as pool:
        assert {found.result() for found in [pool.submit(ask) for _ in range(9)]} == {"is locked"}
    assert len(checks) == 2
    is_locked = False
    assert file.now().center.plans[0].strategy.retries == 6


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_pipe_or_a_device_in_its_place_is_not_waited_for(path: Path):
    followed_file = FollowedFile(path)
    first = followed_file.now()
    for make in (os.mkfifo, lambda name: Path(name).symlink_to("/dev/zero")):
        path.unlink()
        make(path)
        assert followed_file.now() is first
        assert followed_file.fault is not None
        assert "a pipe or a device" in followed_file.fault.message
        with pytest.raises(BadCenterFile, match="a pipe or a device"):
            read_center(path)
