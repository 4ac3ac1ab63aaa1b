"""How long the center takes with 10,000 devices, several plans and 100,000 log lines.

    python -m benchmarks.console_bench [--devices N] [--plans N] [--lines N] [--repeats N]

Medians in milliseconds of CPU time. The campaign is made up: devices in every state, in plans of
two components that are all active.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from starlette.testclient import TestClient

from mcu_updater.cloud.center import queries
from mcu_updater.cloud.center.device_session import open_state, seen_states, state_path
from mcu_updater.cloud.center.followed import FollowedFile
from mcu_updater.cloud.center.load import CenterFile, read_center
from mcu_updater.cloud.center.model import Center
from mcu_updater.cloud.center.monitoring import (
    STAGES,
    DeviceState,
    device_view,
    devices_page,
    monitor,
    overview,
)
from mcu_updater.cloud.center.preview import preview
from mcu_updater.cloud.center.rules import Entry
from mcu_updater.cloud.center.store import LogLine, Store
from mcu_updater.cloud.single_device import ComponentState as C
from mcu_updater.console.app import Console, make_app

BASE = "http://127.0.0.1:8021"
T0 = 1_772_435_000.0
COMPONENTS = ("STM32", "radio")


def write_center(folder: Path, devices: int, plans: int) -> CenterFile:
    """Plans of two components for *devices* of one product."""
    components = ", ".join(f'{{ id = "{one}" }}' for one in COMPONENTS)
    parts = [f'[[products]]\nkey = "p1"\ncomponents = [{components}]']
    for n in range(1, plans + 1):
        upgrades = ", ".join(f'{{ component = "{c}", package = "{c} {n}" }}' for c in COMPONENTS)
        for one in COMPONENTS:
            (folder / f"{one}-{n}.bin").write_bytes(b"image")
            name = f'name = "{one} {n}"\ntarget = "{n}.0"\nfiles = ["{one}-{n}.bin"]'
            parts.append(f"[[packages]]\n{name}")
        parts.append(f'[[plans]]\nname = "plan {n}"\nproduct = "p1"\nupgrades = [{upgrades}]')
    versions = '{ STM32 = "0.9" }'
    parts.append(
        f'[[devices]]\nid = "device"\ncount = {devices}\nproduct = "p1"\nversions = {versions}'
    )
    (folder / "center.toml").write_text("\n\n".join(parts))
    return read_center(folder / "center.toml")


def fill(store: Store, center: Center, lines: int) -> None:
    """As a campaign leaves it that is on its way."""
    draw = random.Random(1)
    with store.transaction():
        for device in center.devices:
            store.put_versions(device.id, {"STM32": "0.9", "radio": "0.8"}, T0)
            for plan in center.plans:
                for component in COMPONENTS:
                    state = draw.choice([*C])
                    begun = None if state in (C.NOT_RECEIVED, C.RECEIVED) else T0
                    entry = Entry(state, draw.randint(0, 1), T0, begun)
                    store.put_entry(device.id, (plan.name, component), entry)
        for n in range(lines):
            device = draw.choice(center.devices)
            key = draw.choice(center.plans).name, draw.choice(COMPONENTS)
            store.add_log(LogLine(T0 + n, device.id, *key, C.DOWNLOADING.value))


def questions(center: Center, store: Store) -> dict[str, Callable[[], object]]:
    """By name; each as a page or a part of one asks it."""
    now_s = T0 + 200_000
    last = center.plans[-1]
    states = seen_states(center, store, now_s)
    closing_ = queries.Closing.of(center, last, states[last.name], now_s)
    devices = [device.id for device in center.devices[:100]]
    draft = replace(last, name="draft")
    return {
        "query: upgrades of a plan by state": lambda: queries.count_components(store, closing_),
        "query: devices of a plan by state": lambda: queries.count_devices(store, closing_),
        "query: ranks of a plan": lambda: list(queries.ranks(store, closing_, "", set(STAGES))),
        "query: all ids": lambda: queries.known_devices(store, ""),
        "query: entries of 100 devices": lambda: list(queries.entries_of(store, devices)),
        "query: last lines of 100 devices": lambda: queries.last_changes_of(store, devices),
        "query: plans that have begun": store.begun_plans,
        "query: latest moment": store.latest_s,
        "overview": lambda: overview(center, store, now_s),
        "page of a plan": lambda: devices_page(center, store, now_s, plan=last.name),
        "page of a plan, by state": lambda: devices_page(
            center, store, now_s, plan=last.name, state=DeviceState.FAILED
        ),
        "page of a plan, by text": lambda: devices_page(
            center, store, now_s, plan=last.name, text="99"
        ),
        "last page of a plan": lambda: devices_page(
            center, store, now_s, plan=last.name, after="device-09900"
        ),
        "page of all devices": lambda: devices_page(center, store, now_s),
        "page of all devices, by state": lambda: devices_page(
            center, store, now_s, state=DeviceState.FAILED
        ),
        "one device": lambda: device_view(center, store, "device-05000", now_s),
        "preview of a draft": lambda: preview(center, store, draft, now_s),
        "preview before anything has happened": lambda: preview(center, None, draft, now_s),
        "monitor, all of it": lambda: monitor(center, store, now_s),
    }


def pages(path: Path, plan: str, repeats: int) -> Iterator[tuple[str, float]]:
    """Each page that has devices, as the server answers it, and what a live page asks for."""
    plan_page = f"/monitoring/{quote(plan)}"
    with TestClient(make_app(Console(FollowedFile(path), state_path(path))), BASE) as client:
        for url in (
            "/monitoring",
            "/monitoring?fragment=1",
            plan_page,
            f"{plan_page}?fragment=1",
            f"{plan_page}?state=upgrade+failed&stage=failed&device=device-00005",
            f"{plan_page}?q=99&after=device-05000",
            "/devices",
            "/devices?q=99",
            "/devices/device-00005",
            "/plans",
            f"/plans/{quote(plan)}",
            "/packages",
            "/products",
            "/api/monitoring",
            "/api/devices",
        ):
            client.get(url).raise_for_status()
            yield url, median_ms(lambda url=url: client.get(url), repeats)  # type: ignore[misc]


def median_ms(question: Callable[[], object], repeats: int) -> float:
    found = []
    for _ in range(repeats):
        begin = time.process_time()
        question()
        found.append(time.process_time() - begin)
    return 1000 * statistics.median(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, usual in (("devices", 10_000), ("plans", 5), ("lines", 100_000), ("repeats", 5)):
        parser.add_argument(f"--{name}", type=int, default=usual)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = write_center(Path(folder), given.devices, given.plans)
        path = state_path(file.path)
        with closing(open_state(file, path, now_s=T0)) as store:
            fill(store, file.center, given.lines)
            print(f"{given.devices} devices, {given.plans} plans, {given.lines} lines")
            print(f"{path.stat().st_size / 1e6:8.1f} MB state file")
            for name, question in questions(file.center, store).items():
                print(f"{median_ms(question, given.repeats):8.1f} ms {name}")
        for url, spent_ms in pages(file.path, file.center.plans[-1].name, given.repeats):
            print(f"{spent_ms:8.1f} ms GET {url}")


if __name__ == "__main__":
    main()
