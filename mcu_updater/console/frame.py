"""What stands around every page: where one is, and what is the matter with the files."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.requests import HTTPConnection

from mcu_updater.cloud.center.store import Store
from mcu_updater.core.errors import PortError
from mcu_updater.report.center import moment

if TYPE_CHECKING:
    from mcu_updater.console.console import Console

PAGES = (
    ("/products", "Products"),
    ("/packages", "Version packages"),
    ("/plans", "Upgrade plans"),
    ("/monitoring", "Upgrade monitoring"),
    ("/devices", "Devices"),
)
"""In the order in which an upgrade is made."""

_SAID = {
    "product-added": "The product was added.",
    "product-saved": "The product was saved.",
    "product-deleted": "The product was deleted.",
    "package-added": "The version package was added.",
    "package-saved": "The version package was saved.",
    "package-deleted": "The version package was deleted.",
    "plan-added": "The plan was saved. No device is offered it before it is activated.",
    "plan-saved": "The plan was saved.",
    "plan-deleted": "The plan was deleted.",
    "plan-activated": "The plan is active now.",
    "plan-paused": "The plan is paused: nobody begins, who has begun goes on.",
    "plan-resumed": "The plan goes on.",
    "plan-terminated": "The plan is terminated.",
}
"""What was done just before, by the word in the address: no text of others is shown as ours."""


@dataclass(frozen=True, slots=True)
class Frame:
    """*revision*: of the center file that the page shows; *faults*: of it as it stands on disk;
    *busy*: why the state file cannot be read."""

    file: str = ""
    revision: str = ""
    path: str = ""
    current: str = ""
    said: str = ""
    faults: tuple[str, ...] = ()
    busy: str = ""
    simulated: bool = False
    now: str = ""
    pages: tuple[tuple[str, str], ...] = PAGES


def frame_of(request: HTTPConnection) -> Frame:
    console: Console = request.app.state.console
    said = _SAID.get(request.query_params.get("said", ""), "")
    simulated, now, busy = _time_of(console)
    return Frame(
        console.file.path.name,
        console.revision(),
        str(console.file.path),
        _current(request),
        said,
        _faults(request, console),
        busy,
        simulated,
        now,
    )


def bare_frame(request: HTTPConnection) -> Frame:
    """Of an answer to somebody who may not even know which file it is."""
    return Frame(file="", current=_current(request))


def _current(request: HTTPConnection) -> str:
    first = "/" + request.scope["path"].strip("/").split("/")[0]
    return "/monitoring" if first == "/" else first


def _faults(request: HTTPConnection, console: Console) -> tuple[str, ...]:
    found = getattr(request.state, "fault", None) or console.file.fault
    return () if found is None else tuple(str(fault) for fault in found.faults)


def _time_of(console: Console) -> tuple[bool, str, str]:
    """Whether time is simulated, which it is then, and what hinders us from knowing."""
    if not console.db.exists():
        return False, "", ""
    try:
        with closing(Store.open(console.db, read_only=True)) as store:
            simulated = store.simulated
            return simulated, moment(store.latest_s() or 0.0) if simulated else "", ""
    except PortError as error:
        return False, "", error.message
    except sqlite3.Error as error:
        return False, "", f"{console.db.name}: {error}"
