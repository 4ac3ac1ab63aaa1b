"""The computer's serial ports: what each one is, who may open it, and who has it open."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcu_updater.host.rom_line import latency_timer_ms
from mcu_updater.host.usb import BRIDGES, QUECTEL_VID, PortLister, list_usb_ports

PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class PortFacts:
    """One port. *owner*, *group* and *mode* are those of its device file; empty where unknown.

    *latency_ms*: of an FTDI bridge's timer, where the driver tells it. *holders*: processes that
    have it open, as far as this user may see them.
    """

    device: str
    description: str
    vid: int | None
    pid: int | None
    serial: str
    kind: str  # what the USB vendor tells: a Quectel module, or a bridge
    owner: str
    group: str
    mode: str
    may_open: bool
    latency_ms: float | None
    holders: tuple[str, ...]

    @property
    def usb_id(self) -> str:
        """``0403:6001``, or nothing for a port that is no USB device."""
        return "" if self.vid is None else f"{self.vid:04X}:{self.pid or 0:04X}"

    @property
    def advice(self) -> str:
        """What to do, where something keeps this user from the port, or makes it slow."""
        if not self.may_open:
            return f"sudo usermod -aG {self.group or 'dialout'} $USER, then log in again"
        if self.holders:
            return f"in use by {', '.join(self.holders)}"
        if self.latency_ms is not None and self.latency_ms > 1:
            return f"each answer waits {self.latency_ms:g} ms: setserial {self.device} low_latency"
        return ""


def list_ports(lister: PortLister = list_usb_ports, proc: Path = PROC) -> list[PortFacts]:
    """All serial ports that pyserial finds, by device path."""
    found = sorted(lister(), key=lambda port: port.device)
    held = _holders({port.device for port in found}, proc)
    return [
        PortFacts(
            device=port.device,
            description=_said(port.description),
            vid=port.vid,
            pid=port.pid,
            serial=_said(getattr(port, "serial_number", None)),
            kind=_kind(port.vid),
            **_permissions(port.device),
            latency_ms=latency_timer_ms(port.device),
            holders=tuple(held.get(os.path.realpath(port.device), ())),
        )
        for port in found
    ]


def _said(text: str | None) -> str:
    """pyserial says "n/a" for what it does not know."""
    return "" if text in (None, "n/a") else str(text)


def _kind(vid: int | None) -> str:
    return "Quectel module" if vid == QUECTEL_VID else BRIDGES.get(vid or 0, "")


def _permissions(device: str) -> dict[str, Any]:
    try:
        status = os.stat(device)  # noqa: PTH116
    except OSError:
        return {"owner": "", "group": "", "mode": "", "may_open": False}
    return {
        "owner": _name_of(status.st_uid, users=True),
        "group": _name_of(status.st_gid, users=False),
        "mode": stat.filemode(status.st_mode),
        "may_open": os.access(device, os.R_OK | os.W_OK),
    }


def _name_of(number: int, *, users: bool) -> str:
    """The number itself where it has no name, or the system (Windows) has no such names."""
    try:
        import grp
        import pwd

        return pwd.getpwuid(number).pw_name if users else grp.getgrgid(number).gr_name
    except (ImportError, KeyError):
        return str(number)


def _holders(devices: set[str], proc: Path) -> dict[str, list[str]]:
    """Processes by the real path of the device that they have open."""
    wanted = {os.path.realpath(device) for device in devices}
    held: dict[str, list[str]] = {}
    for process in proc.glob("[0-9]*") if wanted else ():
        with suppress(OSError):  # it ended, or is another user's
            opened = {os.readlink(fd) for fd in (process / "fd").iterdir()}  # noqa: PTH115
            name = (process / "comm").read_text().strip()
            for device in opened & wanted:
                held.setdefault(device, []).append(f"{name} ({process.name})")
    return held
