"""``mcu-updater ports``: the serial ports of this computer."""

from __future__ import annotations

from dataclasses import asdict

import click
from rich.table import Table

from mcu_updater.cli import answers
from mcu_updater.cli.screen import show
from mcu_updater.host.ports import PortFacts, list_ports

_NONE = (
    "no serial port found. Plug in the adapter; dmesg says what the kernel makes of it. "
    "A port of a container must be passed into it."
)


@click.command("ports", short_help="List serial ports, and who may open them.")
@answers.json_option("One JSON object instead of a table.")
def command(as_json: bool) -> None:
    """List the serial ports of this computer: USB identity, who may open each, latency timer.

    Changes nothing and opens no port. Exit code 0, also where there is none.
    """
    ports = list_ports()
    if as_json:
        answers.result(ports_json(ports))
    elif ports:
        show(ports_table(ports))
    else:
        click.echo(_NONE)


def ports_json(ports: list[PortFacts]) -> dict[str, object]:
    rows = [{**asdict(port), "usb_id": port.usb_id, "advice": port.advice} for port in ports]
    return {"event": "ports", "ports": rows}


def ports_table(ports: list[PortFacts]) -> Table:
    """Device and identity are never cut; what it is, folds."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("port", no_wrap=True)
    table.add_column("VID:PID", no_wrap=True)
    table.add_column("what it is", overflow="fold")
    table.add_column("you", no_wrap=True)
    for port in ports:
        may = "may open it" if port.may_open else "may NOT"
        table.add_row(port.device, port.usb_id or "-", "\n".join(_facts(port)), may)
    return table


def _facts(port: PortFacts) -> list[str]:
    named = [port.kind, port.description, port.serial and f"serial number {port.serial}"]
    access = f"{port.mode} {port.owner}:{port.group}" if port.mode else "no such device file"
    timer = "" if port.latency_ms is None else f"latency timer {port.latency_ms:g} ms"
    return [text for text in (", ".join(filter(None, named)), access, timer, port.advice) if text]
