"""Many emulated devices upgraded against one center, in as many processes as there are cores.

Each process has its own connection to the state file; who looks at it from elsewhere sees the
campaign as it goes. All times are simulated: those of the plans, too.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from mcu_updater.cloud.center.connections import exists_already
from mcu_updater.cloud.center.device_session import open_state
from mcu_updater.cloud.center.load import CenterFile
from mcu_updater.cloud.center.model import MAX_DEVICES, Center, Device
from mcu_updater.cloud.center.store import Ending, FleetRun, Store
from mcu_updater.core.errors import Remedy, UsageError
from mcu_updater.fleet.components import component_of
from mcu_updater.fleet.device import FleetDevice, Watch
from mcu_updater.fleet.fault_plan import FleetSettings
from mcu_updater.storage import disturb_again, undisturbed

DAY_S = 86_400.0
SOME_DAY_S = datetime(2026, 1, 1, tzinfo=UTC).timestamp()


def with_devices(file: CenterFile, count: int | None) -> CenterFile:
    """*file* with *count* devices of its first product in place of its own; None: as it is.

    Raises UsageError where there are none, or more than the platform takes.
    """
    center = file.center
    if count is not None:
        if not 1 <= count <= MAX_DEVICES:
            raise UsageError("bad number of devices", expected=f"1 to {MAX_DEVICES}")
        product = center.products[0].key
        width = max(3, len(str(count)))
        devices = tuple(Device(f"device-{at:0{width}}", product) for at in range(1, count + 1))
        center = replace(center, devices=devices)
    if not center.devices:
        raise UsageError(
            "the fleet has no devices",
            where=str(file.path),
            expected="[[devices]]",
            remedies=[Remedy.ADD_DEVICES],
        )
    for device in center.devices:
        component_of(center, device)
    return replace(file, center=center)


def begin_s(center: Center) -> float:
    """When the campaign begins: with the last plan to begin, and before any ends."""
    begins = [plan.begin_s for plan in center.plans if math.isfinite(plan.begin_s)]
    ends = [plan.end_s for plan in center.plans if math.isfinite(plan.end_s)]
    if begins:
        return max(begins)
    return min(ends) - DAY_S if ends else SOME_DAY_S


@dataclass(slots=True)
class _Worker:
    """What a process keeps from device to device."""

    file: CenterFile
    store: Store
    settings: FleetSettings
    epoch_s: float

    def run(self, device: Device, watch: Watch | None = None) -> Ending:
        one = FleetDevice(self.file, self.store, device, self.settings, self.epoch_s)
        if watch is not None:
            one.watch = watch
        return one.run()


_worker: _Worker | None = None  # of this process


def _start_worker(file: CenterFile, path: Path, settings: FleetSettings, epoch_s: float) -> None:
    global _worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends us: it hears of it as well
    disturb_again()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _worker = _Worker(file, Store.open(path), settings, epoch_s)


def _end_with_parent() -> None:
    """Whatever kills it: who waits for work would wait for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _run_in_worker(device: Device) -> Ending:
    assert _worker is not None
    return _worker.run(device)


def run_fleet(
    file: CenterFile,
    path: Path,
    settings: FleetSettings,
    jobs: int | None = None,
    *,
    count: int | None = None,
) -> Iterator[Ending]:
    """Upgrade every device of *file*, in a new state file *path*; yield each as it ends.

    *jobs*: processes; None: one for each core; 1: this one. *count*: what ``with_devices`` was
    asked for; it is kept, with *settings*, for who runs a device again. Raises PortError where
    *path* exists.
    """
    if path.exists():
        raise exists_already(path)
    epoch_s = begin_s(file.center)
    store = open_state(file, path, simulated=True, now_s=epoch_s)
    with store.transaction():
        store.put_fleet(FleetRun(settings.as_json(), epoch_s, count))
    devices = file.center.devices
    jobs = min(jobs or os.cpu_count() or 1, len(devices))
    if jobs == 1:
        with closing(store):
            worker = _Worker(file, store, settings, epoch_s)
            yield from map(worker.run, devices)
        return
    store.close()  # SQLite's connections must not be carried over to another process
    context = multiprocessing.get_context("spawn")
    start = (file, path, settings, epoch_s)
    with ProcessPoolExecutor(jobs, context, _start_worker, start) as pool:
        try:
            with undisturbed():  # a worker that is begun by half complains at length
                running = [pool.submit(_run_in_worker, device) for device in devices]
            for done in as_completed(running):
                yield done.result()
        except BaseException:
            for child in multiprocessing.active_children():  # SQLite keeps the file whole
                child.terminate()
            pool.shutdown(cancel_futures=True)
            raise
    Store.open(path).close()  # the last one to close it leaves one file


def replay(file: CenterFile, settings: FleetSettings, device_id: str, watch: Watch) -> Ending:
    """One device of a fleet again, alone, with a state file of its own; *watch* sees its events.

    As long as nobody acted on the plans meanwhile, it does what it did in the fleet.
    """
    device = file.center.device(device_id)
    if device is None:
        raise UsageError("no such device", where=device_id, expected="one of the fleet's")
    epoch_s = begin_s(file.center)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "replay.db"
        with closing(open_state(file, path, simulated=True, now_s=epoch_s)) as store:
            return _Worker(file, store, settings, epoch_s).run(device, watch)
