"""``auto``: the port that a module hangs on, by USB identity; never a guess between two.

Quectel modules carry the vendor's own identity. A module on a UART is behind a bridge chip that
may belong to anything, so bridges count only where no Quectel device is plugged in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from mcu_updater.core.errors import PortError, Remedy

QUECTEL_VID = 0x2C7C  # USB vendor identity of Quectel: linux, drivers/usb/serial/option.c
FTDI_VID = 0x0403
BRIDGES = {  # vendors of USB-to-UART bridges: linux, drivers/usb/serial
    FTDI_VID: "FTDI",
    0x10C4: "Silicon Labs CP210x",
    0x1A86: "WCH CH34x",
    0x067B: "Prolific PL2303",
}


class UsbPort(Protocol):
    """What pyserial's list says of a port."""

    @property
    def device(self) -> str: ...
    @property
    def vid(self) -> int | None: ...
    @property
    def pid(self) -> int | None: ...
    @property
    def description(self) -> str: ...
    @property
    def location(self) -> str | None: ...
    @property
    def serial_number(self) -> str | None: ...


PortLister = Callable[[], Iterable[UsbPort]]


def list_usb_ports() -> Iterable[UsbPort]:
    """The computer's serial ports."""
    from serial.tools import list_ports

    ports: Iterable[UsbPort] = list_ports.comports()
    return ports


def find_module_port(ports: Iterable[UsbPort]) -> str:
    """The one port that can be meant. Raises PortError for none, and for several, with a list."""
    known = list(ports)
    modules = [port for port in known if port.vid == QUECTEL_VID]
    candidates = modules or [port for port in known if port.vid in BRIDGES]
    if len(candidates) == 1:
        return candidates[0].device
    if not candidates:
        raise PortError(
            "no module found",
            where="auto",
            expected="a USB port of Quectel (2C7C), FTDI, CP210x, CH34x or PL2303",
            found=_listed(known) or "no serial port at all",
            remedies=[Remedy.NAME_PORT],
        )
    raise PortError(
        "more than one port may be the module's",
        where="auto",
        expected="exactly one",
        found=_listed(candidates),
        then="Name one of them; a module with several ports has its AT port among them",
    )


def is_ftdi(device: str, ports: Iterable[UsbPort]) -> bool:
    """Whether *device* is a bridge that packs what it receives into packets of 62 bytes."""
    return any(port.device == device and port.vid == FTDI_VID for port in ports)


def adapter_name(device: str, ports: Iterable[UsbPort]) -> str:
    """What tells the adapter of *device* from another: USB identity and serial number, or where it
    is plugged in; *device* itself where it is none."""
    port = next((port for port in ports if port.device == device), None)
    if port is None or port.vid is None:
        return device
    which = port.serial_number or f"at {port.location or device}"
    return f"{port.vid:04X}:{port.pid or 0:04X} {which}"


def _listed(ports: Iterable[UsbPort]) -> str:
    return ", ".join(map(_named, ports))


def _named(port: UsbPort) -> str:
    if port.vid is None:
        return port.device
    identity = f"{port.vid:04X}:{port.pid or 0:04X}"
    place = f" at {port.location}" if port.location else ""
    return f"{port.device} ({identity} {port.description}{place})"
