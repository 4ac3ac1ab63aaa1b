"""One emulated module for each device of a center file, all in one thread.

A module is made for its first client, and put away when nobody needs it. The file is followed:
devices that are added get theirs, those that are gone keep theirs until nobody needs it. What a
module knows stands in a folder beside the state file of the center, so that an upgrade goes on in
the next process.
"""

from __future__ import annotations

import json
import logging
import time
import zlib
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mcu_updater.cloud.center.device_center import DeviceCenter
from mcu_updater.cloud.center.device_session import device_of, now_of, open_to_serve
from mcu_updater.cloud.center.followed import FollowedFile
from mcu_updater.cloud.center.model import Device
from mcu_updater.cloud.center.shared import SharedCenter
from mcu_updater.core.errors import PortError, UpdaterError, UsageError
from mcu_updater.host.clock import MonotonicClock
from mcu_updater.quectel.emulated.fault_text import parse_faults
from mcu_updater.quectel.emulated.options import ModuleOptions
from mcu_updater.serve.keep import StateFile
from mcu_updater.serve.loop import Loop, Wants
from mcu_updater.serve.places import OWN, Places, safe_name
from mcu_updater.serve.seat import Making, Seat
from mcu_updater.storage import hold, write_whole

log = logging.getLogger(__name__)

BUSY_S = 0.1  # how long all modules wait for another process that writes to the state file
LOOK_EVERY_S = 0.5  # at the center file, and at what the state file did not take
IDLE_S = 30.0  # without a client, until a module is put away
_WAKE_EVERY_S = 0.01  # one module after another, of those that an earlier process had
_DESCRIPTORS = 64  # besides those of the devices: files, the loop, the interpreter's own


@dataclass(frozen=True, kw_only=True)
class FarmSettings:
    """What a farm serves, and where. *faults* as they are written on a command line."""

    file: Path
    db: Path
    places: Places
    options: ModuleOptions = field(default_factory=ModuleOptions)
    faults: tuple[str, ...] = ()
    seed: int = 0
    speed: float = 1.0
    addresses: Path | None = None
    """Where the address of each device is written to, as JSON; None: into the folder."""
    idle_s: float = IDLE_S

    @property
    def folder(self) -> Path:
        """Of what the modules know."""
        return self.db.with_name(f"{self.db.stem}.modules")

    @property
    def addresses_path(self) -> Path:
        return self.addresses or self.folder / "addresses.json"


@dataclass(frozen=True)
class Figures:
    """Of a farm, since it was opened. Sizes in bytes, times in seconds."""

    devices: int
    awake: int
    clients: int
    failures: int
    received_size: int
    sent_size: int
    cpu_s: float
    memory_size: int
    file_fault: str


class Farm:
    """Opened by its constructor; ``turn`` is one round of its loop. For one thread."""

    def __init__(self, settings: FarmSettings) -> None:
        """Raises BadCenterFile, PortError or UsageError for what cannot be served."""
        self.settings = settings
        self._seats: dict[str, Seat] = {}
        self._said: set[str] = set()
        parse_faults(settings.faults)
        with ExitStack() as stack:
            self._open(stack)
            self._stack = stack.pop_all()

    def _open(self, stack: ExitStack) -> None:
        settings = self.settings
        followed = FollowedFile(settings.file)
        self._check(len(followed.now().center.devices))
        _make_folder(settings.folder)
        stack.enter_context(hold(settings.folder / OWN))
        stack.enter_context(settings.places.held())
        settings.places.remove_old(self._old_addresses().values())
        self._store = open_to_serve(followed.now(), settings.db, simulated=settings.speed != 1)
        stack.callback(self._store.close)
        self._store.wait_at_most(BUSY_S)
        self._center = SharedCenter(followed, self._store, patient=True)
        self._epoch_s = self._first_moment_s()
        self.loop = Loop(MonotonicClock(settings.speed))
        stack.callback(self.loop.close)
        stack.callback(self._close_seats)
        self._take_seats(first=True)
        self.loop.add(_Look(self))

    def _check(self, count: int) -> None:
        self.settings.places.check(count)
        needed = _DESCRIPTORS + count * self.settings.places.descriptors
        room = _raise_limit()
        if room is not None and needed > room:
            raise UsageError(
                "there are more devices than this process may have files open",
                where=str(self.settings.file),
                expected=f"a limit of {needed} open files or more (ulimit -n)",
                found=f"{count} devices, a limit of {room}",
            )

    def _first_moment_s(self) -> float:
        """Of the center, at which the clock of the modules shows 0."""
        with self._store.snapshot():
            known_s = now_of(self._store) if self._store.simulated else 0.0
        return known_s or time.time()

    def close(self) -> None:
        """Put all modules away, and give back what was held."""
        self._stack.close()
        with suppress(OSError):  # a server that is killed leaves it: the next one removes links
            self.settings.addresses_path.unlink()

    def _close_seats(self) -> None:
        for seat in self._seats.values():
            try:
                seat.close(self.loop.clock.now_s())
            except UpdaterError as error:
                log.error("device %s: %s", seat.device, error.message)

    # --- devices

    def look(self) -> None:
        """Follow the file, and say again what the state file did not take."""
        try:
            self._follow()
        except UpdaterError as error:
            self._say(error.message)
        for seat in self._seats.values():
            seat.settle(self.loop.clock.now_s())

    def _follow(self) -> None:
        before = self._center.file
        self._center.now()
        self._say_fault()
        self._leave_seats()
        if self._center.file is not before or self._missing():
            self._take_seats()

    def _missing(self) -> bool:
        """Some may have had no room."""
        return len(self._seats) < len(self._center.file.center.devices)

    def _take_seats(self, first: bool = False) -> None:
        changed = False
        taken = {seat.wire.where for seat in self._seats.values()}
        for position, device in enumerate(self._center.file.center.devices):
            if device.id in self._seats:
                continue
            try:
                taken.add(self._take(device, position, taken).wire.where)
                changed = True
            except UpdaterError as error:
                if first:
                    raise
                self._say(f"device {device.id} is not served: {error.message}")
        if changed or first:
            self._write_addresses()

    def _take(self, device: Device, position: int, taken: set[str]) -> Seat:
        wire = self.settings.places.wire(device.id, position, taken)
        clock = self.loop.clock
        seat = Seat(device.id, wire, self._making(device.id), clock.now_s())
        if self._state_path(device.id).exists():
            seat.wake_at(clock.now_s() + _WAKE_EVERY_S * clock.speed * position)
        self._seats[device.id] = seat
        self.loop.add(seat)
        return seat

    def _making(self, device: str) -> Making:
        settings = self.settings
        return Making(
            center=lambda: self._center_of(device),
            options=settings.options,
            faults=parse_faults(settings.faults, settings.seed ^ zlib.crc32(device.encode())),
            state=lambda: StateFile(self._state_path(device), for_boot=True),
            idle_s=settings.idle_s * settings.speed,
        )

    def _center_of(self, device: str) -> DeviceCenter:
        file = self._center.now()
        found = device_of(file.center, device)
        return DeviceCenter(self._center, self._store, found, self._epoch_s)

    def _state_path(self, device: str) -> Path:
        """Never ``addresses.json``, whatever the device is called."""
        return self.settings.folder / f"{safe_name(device)}.module.json"

    def _leave_seats(self) -> None:
        """Those whose device is gone from the file, once nobody needs them."""
        known = {device.id for device in self._center.file.center.devices}
        now_s = self.loop.clock.now_s()
        gone = [seat for name, seat in self._seats.items() if name not in known]
        idle = [seat for seat in gone if not seat.is_needed(now_s)]
        for seat in gone:
            self._say(f"device {seat.device} is not in the center file any more")
        for seat in idle:
            del self._seats[seat.device]
            self.loop.drop(seat)
            seat.close(now_s)
        if idle:
            self._write_addresses()

    # --- what others want to know

    def addresses(self) -> dict[str, str]:
        """What a client of each device opens."""
        return {name: seat.wire.where for name, seat in self._seats.items() if not seat.unplugged}

    def address_of(self, device: str) -> str | None:
        """The same of one device; None: it has no module."""
        seat = self._seats.get(device)
        return None if seat is None or seat.unplugged else seat.wire.where

    def figures(self) -> Figures:
        seats = self._seats.values()
        fault = self._center.fault
        return Figures(
            devices=len(seats),
            awake=sum(seat.is_awake for seat in seats),
            clients=sum(seat.wire.occupied for seat in seats),
            failures=sum(seat.failures for seat in seats),
            received_size=sum(seat.wire.received_size for seat in seats),
            sent_size=sum(seat.wire.sent_size for seat in seats),
            cpu_s=time.process_time(),
            memory_size=_memory_size(),
            file_fault="" if fault is None else fault.message,
        )

    def _old_addresses(self) -> Mapping[str, str]:
        with suppress(OSError, ValueError):
            found = json.loads(self.settings.addresses_path.read_text(encoding="utf-8"))
            if isinstance(found, dict):
                return {name: one for name, one in found.items() if isinstance(one, str)}
        return {}

    def _write_addresses(self) -> None:
        data = json.dumps(self.addresses(), indent=1, ensure_ascii=False) + "\n"
        write_whole(self.settings.addresses_path, data.encode(), durable=False)

    def _say_fault(self) -> None:
        if self._center.fault is not None:
            self._say(f"{self._center.fault.message}. What was there before counts")

    def _say(self, text: str) -> None:
        """Once: it is found again at every look."""
        if text not in self._said:
            self._said.add(text)
            log.warning("%s", text)


@dataclass(eq=False)
class _Look:
    """The farm's own task."""

    farm: Farm
    due_s: float = 0.0

    def wants(self) -> Wants:
        return Wants((), self.due_s)

    def step(self, now_s: float) -> None:
        self.due_s = now_s + LOOK_EVERY_S * self.farm.settings.speed
        self.farm.look()


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise PortError(
            "the folder for what the modules know cannot be made",
            where=str(folder),
            found=error.strerror or str(error),
        ) from error


def _raise_limit() -> int | None:
    """Of open files, to what this user may have. Returns it; None where there is no such limit."""
    try:
        import resource
    except ImportError:
        return None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        return None if soft == resource.RLIM_INFINITY else _raised(resource, 1 << 20, hard, soft)
    return _raised(resource, hard, hard, soft)


def _raised(resource: Any, wanted: int, hard: int, soft: int) -> int:
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return soft


def _memory_size() -> int:
    """Bytes of memory that this process has; 0 where the system does not tell."""
    with suppress(OSError, ValueError, IndexError):
        import os

        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    return 0
