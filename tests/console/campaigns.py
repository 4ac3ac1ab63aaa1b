"""Devices that do something, beside a console: they write to the same state file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from mcu_updater.cloud.center.device_center import DeviceCenter
from mcu_updater.cloud.center.device_session import device_of, open_state, state_path
from mcu_updater.cloud.center.load import read_center
from mcu_updater.cloud.center.store import Store
from mcu_updater.cloud.single_device import ComponentState as C

OLD = {"STM32": "1.0"}
T0 = 1_772_435_000.0


class Devices:
    """Of a center file: what they ask and report."""

    def __init__(self, path: Path, store: Store) -> None:
        self.file, self.store = read_center(path), store
        self.now_s = 0.0

    def ask(self, name: str, versions: dict[str, str] | None = None) -> DeviceCenter:
        device = DeviceCenter(self.file, self.store, device_of(self.file.center, name), T0)
        device.message(OLD if versions is None else versions, self.now_s, pushed=False)
        return device

    def report(self, name: str, *states: C, at: int = 0) -> None:
        """Of the plan and component that is its number *at*."""
        device = self.ask(name)
        for state in states:
            self.now_s += 1.0
            device.report(device.plans[at], state, self.now_s)


@contextmanager
def devices_of(path: Path) -> Iterator[Devices]:
    with closing(open_state(read_center(path), state_path(path))) as store:
        yield Devices(path, store)
