"""Tables about delta packages."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import RenderableType
from rich.table import Table

from mcu_updater.core.delta import Header
from mcu_updater.files.delta.make import Made


@dataclass(frozen=True, slots=True)
class Cost:
    """What a package takes, from the cloud into flash. *flash_s* is None where nobody says."""

    size: int
    air_s: float
    serial_s: float
    flash_s: float | None


@dataclass(frozen=True, slots=True)
class Costs:
    """The two ways to the same image."""

    full: Cost
    delta: Cost


def makers_table(made: Made) -> RenderableType:
    table = _table("maker", "bytes", "window, length or LZMA setting")
    for one in sorted(made.candidates, key=lambda one: (bool(one.trouble), one.size)):
        size = "-" if one.trouble else str(one.size)
        table.add_row(one.maker, size, one.trouble or one.setting)
    return table


def costs_table(costs: Costs) -> RenderableType:
    table = _table("package", "bytes", "on air", "over the UART", "on flash")
    for name, cost in (("full", costs.full), ("delta", costs.delta)):
        flash = "not known" if cost.flash_s is None else f"{cost.flash_s:.1f} s"
        table.add_row(name, str(cost.size), f"{cost.air_s:.1f} s", f"{cost.serial_s:.1f} s", flash)
    return table


def header_table(header: Header) -> RenderableType:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    for row in header_rows(header):
        table.add_row(*row)
    return table


def header_rows(header: Header) -> tuple[tuple[str, str], ...]:
    """What, and how it is; without a name: more of the row before."""
    signature = header.signature
    signed = f"{signature.kind.name}, key {signature.key_id.hex()}" if signature else "none"
    return (
        ("algorithm", f"sequential, {header.algorithm.name.lower()}"),
        ("filter", header.filter.name.lower()),
        ("base", f"{header.base_version or 'version not given'}, {header.base_size} bytes"),
        ("", header.base_sha256.hex()),
        ("target", f"{header.target_version or 'version not given'}, {header.target_size} bytes"),
        ("", header.target_sha256.hex()),
        ("header", f"{header.size} bytes"),
        ("patch", f"{header.payload_size} bytes"),
        ("window", f"{header.window} bytes of RAM"),
        ("signature", signed),
    )


def _table(first: str, *columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column(first, no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table
