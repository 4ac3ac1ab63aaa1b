"""Several editors of one center file, and editors that die: no edit is lost, no file is torn."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mcu_updater.cloud.center import editing
from mcu_updater.cloud.center.control import act_on_plan
from mcu_updater.cloud.center.device_session import enter_file, open_state, state_path
from mcu_updater.cloud.center.editing import (
    EditConflict,
    EditRefused,
    delete_device,
    delete_plan,
    put_device,
    put_plan,
    revision_of,
)
from mcu_updater.cloud.center.followed import FollowedFile
from mcu_updater.cloud.center.lifecycle import Action, PlanState
from mcu_updater.cloud.center.load import read_center
from mcu_updater.cloud.center.model import Device
from mcu_updater.core.errors import PortError, UsageError
from mcu_updater.storage import FileInUse, hold
from tests.cloud.center.centers import T0
from tests.cloud.center.files import MANY_WAYS, write_center

EACH = 6  # edits


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_center(tmp_path, MANY_WAYS)


def count_up(path: Path, times: int = EACH) -> int:
    """So many edits of one field that all editors edit; how often another was faster."""
    conflicts = 0
    with closing(open_state(read_center(path), state_path(path))) as store:
        while times:
            plan = read_center(path).center.plans[1]
            newer = replace(plan, rejection_minutes=plan.rejection_minutes + 1)
            try:
                put_plan(path, newer, revision=revision_of(plan), store=store)
            except EditConflict as conflict:
                assert conflict.current is not None
                conflicts += 1
            else:
                times -= 1
    return conflicts


def counted(path: Path) -> int:
    return read_center(path).center.plans[1].rejection_minutes - 120


def add_devices(path: Path, letter: str) -> None:
    for number in range(EACH):
        device = Device(f"{letter}{number}", "p1")
        put_device(path, device, revision=None, store=None)
        if number % 2:
            delete_device(path, device.id, revision=revision_of(device), store=None)


def test_threads_lose_no_edit(path: Path):
    open_state(read_center(path), state_path(path)).close()
    with ThreadPoolExecutor(4) as pool:
        running: list[Future[Any]] = [pool.submit(count_up, path) for _ in range(2)]
        running += [pool.submit(add_devices, path, letter) for letter in "xy"]
        followed = FollowedFile(path)
        while not all(one.done() for one in running):
            followed.now()
            assert followed.fault is None
        for one in running:
            one.result()
    assert counted(path) == 2 * EACH
    found = {device.id for device in read_center(path).center.devices}
    assert {f"{letter}{n}" for letter in "xy" for n in range(0, EACH, 2)} <= found
    assert len(found) == 21 + EACH
    assert not [one for one in path.parent.iterdir() if one.name.startswith(".")]


def test_processes_lose_no_edit(path: Path):
    open_state(read_center(path), state_path(path)).close()
    context = multiprocessing.get_context("fork")
    others = [context.Process(target=count_up, args=(path, 2 * EACH)) for _ in range(2)]
    for one in others:
        one.start()
    count_up(path, EACH)
    for one in others:
        one.join()
    assert [one.exitcode for one in others] == [0, 0]
    assert counted(path) == 5 * EACH


def _edit_for_ever(path: Path) -> None:
    while True:
        count_up(path, 1)


def test_an_editor_that_is_killed_leaves_a_whole_file_and_no_lock(path: Path):
    open_state(read_center(path), state_path(path)).close()
    context = multiprocessing.get_context("fork")
    last = 0
    for attempt in range(6):
        editor = context.Process(target=_edit_for_ever, args=(path,))
        editor.start()
        time.sleep(0.03 + 0.013 * attempt)
        assert editor.pid is not None
        editor.kill()
        editor.join()
        assert editor.exitcode == -signal.SIGKILL
        assert counted(path) >= last  # it is whole
        count_up(path, 1)  # and nobody has it
        last = counted(path)


def activate(path: Path) -> PlanState:
    """As soon as nobody edits the plan between reading it and this."""
    while True:
        file = read_center(path)
        with closing(open_state(file, state_path(path))) as store, suppress(UsageError):
            return act_on_plan(file.center, store, "summer", Action.ACTIVATE, T0)


def test_a_plan_that_is_activated_meanwhile_is_not_edited(path: Path):
    """The plan's state is asked for and the file written in one transaction."""
    file = read_center(path)
    plan = file.center.plans[1]
    with (
        closing(open_state(file, state_path(path), now_s=T0)) as store,
        ThreadPoolExecutor(1) as pool,
    ):
        other = pool.submit(activate, path)
        with pytest.raises(EditRefused, match="has been activated"):
            while True:
                newer = replace(plan, push=not plan.push)
                put_plan(path, newer, revision=revision_of(plan), store=store)
                plan = newer
        assert other.result() is PlanState.ACTIVE
    open_state(read_center(path), state_path(path)).close()  # state and file agree


def test_who_activates_a_plan_activates_what_they_have_read(path: Path):
    read = read_center(path)
    plan = read.center.plans[1]
    with closing(open_state(read, state_path(path), now_s=T0)) as store:
        newer = replace(plan, push=False)
        file = put_plan(path, newer, revision=revision_of(plan), store=store)
        with pytest.raises(UsageError, match="another has edited the plan meanwhile"):
            act_on_plan(read.center, store, "summer", Action.ACTIVATE, T0)
        assert act_on_plan(file.center, store, "summer", Action.ACTIVATE, T0) is PlanState.ACTIVE


def test_who_read_the_file_before_an_edit_does_not_undo_it_in_the_state(path: Path):
    old = read_center(path)
    plan = old.center.plans[1]
    with closing(open_state(old, state_path(path), now_s=T0)) as store:
        newer = replace(plan, blacklist=("pump-001",))
        new = put_plan(path, newer, revision=revision_of(plan), store=store)
        digest = store.plan_digests()["summer"]
        with store.transaction():
            enter_file(old, store)
        assert store.plan_digests()["summer"] == digest
        delete_plan(path, "summer", revision=revision_of(newer), store=store)
        with store.transaction():
            enter_file(old, store)
        assert "summer" not in store.plan_states()
        for center in (old.center, new.center):
            with pytest.raises(UsageError, match="another has edited the plan meanwhile"):
                act_on_plan(center, store, "summer", Action.ACTIVATE, T0)
        assert set(store.plan_states()) == {"spring"}
    with closing(open_state(old, path.with_name("new.db"), now_s=T0)) as fresh:
        assert set(fresh.plan_states()) == {"spring", "summer"}


def test_who_waits_too_long_is_told_who_has_it(path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(editing, "PATIENCE_S", 0.05)
    with hold(path), pytest.raises(FileInUse, match="in use by another process"):
        put_device(path, Device("z", "p1"), revision=None, store=None)
    put_device(path, Device("z", "p1"), revision=None, store=None)


def test_what_somebody_writes_by_hand_meanwhile_is_kept(
    path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A text editor takes no lock: what it wrote since the file was read counts."""
    made, by_hand = editing._Attempt.made, ["# by hand\n"]

    def slowly(attempt: editing._Attempt):
        answer = made(attempt)
        if by_hand:
            path.write_text(by_hand.pop() + path.read_text(encoding="utf-8"), encoding="utf-8")
        return answer

    monkeypatch.setattr(editing._Attempt, "made", slowly)
    put_device(path, Device("z", "p1"), revision=None, store=None)
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# by hand\n# A center")
    assert 'id = "z"' in text
    by_hand += [f"# {number}\n" for number in range(50)]
    with pytest.raises(PortError, match="is written all the time"):
        put_device(path, Device("zz", "p1"), revision=None, store=None)
    assert "zz" not in path.read_text(encoding="utf-8")


def test_a_file_that_cannot_be_written_stays(path: Path):
    before = path.read_bytes()
    path.chmod(0o444)
    with closing(open_state(read_center(path), state_path(path), now_s=T0)) as store:
        device = Device("z", "p1")
        try:
            put_device(path, device, revision=None, store=store)
        except PortError as error:  # root may write it
            assert "read-only" in error.message
            assert path.read_bytes() == before
            assert "z" not in store.devices()


def test_what_a_text_editor_saves_until_the_last_moment_stays(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new file is on the disk, and takes the name of the old one a moment later."""
    write = os.fsync
    saved: list[str] = []

    def slow(descriptor: int) -> None:
        write(descriptor)
        if not saved:
            saved.append("# typed meanwhile\n")
            path.write_text(path.read_text() + saved[0])

    monkeypatch.setattr(os, "fsync", slow)
    with closing(open_state(read_center(path), state_path(path))) as store:
        put_device(path, Device("late", "p1"), revision=None, store=store)
    assert saved[0] in path.read_text()
    assert read_center(path).center.device("late") is not None
