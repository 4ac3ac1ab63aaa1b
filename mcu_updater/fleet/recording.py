"""A device of a fleet again, as a film: what happened in its flash, and why it runs what it runs.

The seed that the state file keeps and the device's name decide all that goes wrong, so the device
does what it did. That is compared: every event of a run goes into its digest.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from flash_emulator import PowerLoss, load_part
from mcu_updater.board_view.recorder import Recorder, reasons, sections_json
from mcu_updater.cloud.center.device_session import open_state
from mcu_updater.cloud.center.load import CenterFile
from mcu_updater.cloud.center.store import Ending, FleetRun
from mcu_updater.core.errors import PortError, UpdaterError, UsageError
from mcu_updater.fleet.device import FleetDevice
from mcu_updater.fleet.fault_plan import Cut, FleetSettings
from mcu_updater.fleet.fleet import begin_s, with_devices

LIMIT_S = 60.0  # of a replay, by the wall's clock: the usual one takes less than a second


@dataclass(frozen=True, slots=True)
class Recording:
    """*film*: as the player takes it. *ending*: of the replay. *is_same*: whether it is what the
    fleet's device did; None: nobody said what that was."""

    film: dict[str, Any]
    ending: Ending
    is_same: bool | None


class TooLong(PortError):
    """A replay did not end in its time."""


def record(
    file: CenterFile,
    settings: FleetSettings,
    device_id: str,
    *,
    epoch_s: float | None = None,
    ended: Ending | None = None,
) -> Recording:
    """Run *device_id* of the fleet again, alone, and film it. Changes nothing.

    *epoch_s*: when the fleet's time began; None: as *file* says now. *ended*: how the device ended
    in the fleet. Raises UsageError where *file* has no such device, or none that can be upgraded.
    """
    device = file.center.device(device_id)
    if device is None:
        raise UsageError("no such device", where=device_id, expected="one of the fleet's")
    alone = replace(file, center=replace(file.center, devices=(device,)))
    begin = begin_s(file.center) if epoch_s is None else epoch_s
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "replay.db"
        with closing(open_state(alone, path, simulated=True, now_s=begin)) as store:
            return _filmed(FleetDevice(alone, store, device, settings, begin), ended)


def record_again(file: CenterFile, run: FleetRun, ended: Ending) -> Recording:
    """The device that *ended* so in the fleet of *run*. Raises what ``record`` raises."""
    try:
        settings = FleetSettings.from_json(run.settings)
        load_part(settings.part)
    except ValueError as error:
        raise UsageError("the fleet cannot be run again", found=str(error)) from error
    whole = with_devices(file, run.devices)
    return record(whole, settings, ended.device, epoch_s=run.epoch_s, ended=ended)


def _filmed(one: FleetDevice, ended: Ending | None) -> Recording:
    recorder = Recorder(one.board)

    def power(cut: Cut | None) -> None:
        recorder.power_on(0 if cut is None else cut.operation)

    def loss(found: PowerLoss) -> None:
        recorder.lost(found)

    one.watch, one.on_power, one.on_loss = recorder.event, power, loss
    ending = one.run()
    text = f"{ending.outcome}: {ending.text or f'version {ending.version} runs'}"
    recorder.end(text, is_wrong=not ending.is_consistent)
    is_same = None if ended is None else ended.digest == ending.digest
    film = recorder.film(
        title=f"{one.device.id}: {ending.outcome}",
        facts=list(_facts(one, ending)),
        notes=[] if ended is None else [comparison(ended, ending)],
        sections=sections_json(reasons(one.board)),
    )
    return Recording(film, ending, is_same)


def comparison(ended: Ending, again: Ending) -> str:
    """Whether the replay is what the fleet's device did."""
    if ended.digest == again.digest:
        return (
            f"Replayed exactly: all that it did and reported has the digest {again.digest} again."
        )
    return (
        f"This is another history: the device of the fleet ended {ended.outcome}, with digest "
        f"{ended.digest}; the replay ends {again.outcome}, with {again.digest}. The owner has "
        "acted on the plans meanwhile, or the center file or a package is another one now."
    )


def _facts(one: FleetDevice, ending: Ending) -> Iterator[tuple[str, str]]:
    yield "part", one.part.name
    yield "strategy", one.board.strategy.value
    yield "first version", one.first_version
    yield "runs", ending.version or "nothing"
    yield "power-ons", str(ending.sessions)
    yield "power cuts", str(ending.cuts)
    yield "link faults", ", ".join(one.fault_plan.fault_kinds) or "none"
    condition = one.condition
    yield "battery, signal", f"{condition.battery} %, {condition.rsrp_dbm} dBm"
    yield "seed", str(one.settings.seed)


# --- in a process of its own


def record_apart(
    file: CenterFile, run: FleetRun, ended: Ending, limit_s: float = LIMIT_S
) -> Recording:
    """``record_again`` in a process of its own, which is ended after *limit_s* seconds.

    Raises TooLong then, and what ``record`` raises.
    """
    with tempfile.TemporaryDirectory() as folder:  # ours: who is killed cleans nothing up
        found = _asked((file, run, ended, folder), limit_s)
    if isinstance(found, UpdaterError):
        raise found
    return found


Task = tuple[CenterFile, FleetRun, Ending, str]


def _asked(task: Task, limit_s: float) -> Recording | UpdaterError:
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(sender, *task), daemon=True)
    process.start()
    sender.close()
    try:
        return received(receiver, task[2], limit_s)
    finally:
        process.kill()
        process.join()
        receiver.close()


def received(receiver: Connection, ended: Ending, limit_s: float) -> Recording | UpdaterError:
    """What the other process sends within *limit_s* seconds, or what is wrong with it."""
    if not receiver.poll(limit_s):
        return TooLong(
            "the replay takes too long",
            where=ended.device,
            expected=f"an end within {limit_s:g} s",
            then="It was ended. Nothing was changed",
        )
    try:
        found: Recording | UpdaterError = receiver.recv()
    except EOFError:
        return TooLong("the replay ended without a word", where=ended.device)
    return found


def _serve(sender: Connection, file: CenterFile, run: FleetRun, ended: Ending, folder: str) -> None:
    """*folder*: for files that nobody needs any more."""
    tempfile.tempdir = folder
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends us: it hears of it as well
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        sender.send(record_again(file, run, ended))
    except UpdaterError as error:
        sender.send(UsageError(error.message))  # others cannot all be sent


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
