"""A board at rest: tables for people, one JSON object for programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from mcu_updater.core.errors import address_text
from mcu_updater.report.schema import SCHEMA

_HASH_DIGITS = 16  # of 64, for people


@dataclass(frozen=True, slots=True)
class BankStatus:
    """One bank, or the execution slot, as the next start will find it.

    *intact* is None where there is no whole image.
    """

    name: str
    slot_first: int  # addresses as mapped after a reset
    slot_last: int
    boots_next: bool
    journal_half: int | None
    phase: str
    reason: str  # why FAILED, else empty
    version: str
    generation: int
    package_bytes: int
    image_size: int
    image_sha256: str
    intact: bool | None
    sectors_done: int
    attempts: int
    seal: str = ""  # signed version and security counter, where a signature was verified
    floor: str = ""  # what the device takes at least, as this bank's journal has it


@dataclass(frozen=True, slots=True)
class PlanStatus:
    """One plan of the cloud, and what became of it on this board."""

    component: str
    source_version: str
    target_version: str
    package_bytes: int
    state: str


@dataclass(frozen=True, slots=True)
class BoardStatus:
    """Chip, banks, module and cloud. *hazard*: what a cut in the middle of a switch comes to."""

    part: str
    strategy: str
    hazard: str
    component: str
    time_us: int
    option_bytes: Mapping[str, int]
    sectors_erased: int
    units_programmed: int
    boot_mode: str
    boot_reasons: tuple[str, ...]
    banks: tuple[BankStatus, ...]
    execution: BankStatus | None  # where images are copied to, with the strategy copy
    module_powered: bool
    module_connection: str
    module_ota_state: str
    module_versions: Mapping[str, str]
    plans: tuple[PlanStatus, ...]


def status_json(status: BoardStatus) -> dict[str, Any]:
    return {"schema": SCHEMA, **asdict(status)}


def status_tables(status: BoardStatus) -> list[RenderableType]:
    return [_board(status), _banks(status), _module(status), _plans(status.plans)]


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", title_style="bold")


def _facts(title: str, rows: Mapping[str, str]) -> Table:
    table = _table(title)
    table.show_header = False
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows.items():
        table.add_row(name, Text(value))
    return table


def _board(status: BoardStatus) -> Table:
    options = ", ".join(f"{name}={value:#x}" for name, value in status.option_bytes.items())
    return _facts(
        "Board",
        {
            "Part": status.part,
            "Strategy": f"{status.strategy}: {status.hazard}",
            "Component": status.component,
            "Time since made": f"{status.time_us / 1e6:.3f} s",
            "Option bytes": options or "none known",
            "Sectors erased": f"{status.sectors_erased} since made",
            "Units programmed": f"{status.units_programmed} since made",
            "Next start": f"{status.boot_mode}: {'; '.join(status.boot_reasons)}",
        },
    )


def _banks(status: BoardStatus) -> Table:
    table = _table("Banks")
    table.add_column("")
    for bank in status.banks:
        next_start = ", boots next" if bank.boots_next else ""
        table.add_column(f"bank {bank.name}{next_start}", overflow="fold")
    columns = [_bank_facts(bank) for bank in status.banks]
    if status.execution:
        table.add_column(status.execution.name, overflow="fold")
        columns.append(_bank_facts(status.execution))
    for name in columns[0]:
        table.add_row(name, *(Text(facts[name]) for facts in columns))
    return table


def _bank_facts(bank: BankStatus) -> dict[str, str]:
    known = bank.journal_half is not None
    reason = f" ({bank.reason})" if bank.reason else ""
    size = f"{bank.image_size} bytes" if bank.image_size else "-"
    return {
        "Slot": f"{address_text(bank.slot_first)} to {address_text(bank.slot_last)}",
        "Journal": f"half {bank.journal_half}" if known else "none",
        "Phase": bank.phase + reason,
        "Version": bank.version or "-",
        "Generation": str(bank.generation) if known else "-",
        "Image": size,
        "Image SHA-256": f"{bank.image_sha256[:_HASH_DIGITS]}..." if bank.image_sha256 else "-",
        "Image intact": {None: "-", True: "yes", False: "NO"}[bank.intact],
        "Signed": bank.seal or "-",
        "Rollback floor": bank.floor or "-",
        "Package": f"{bank.package_bytes} bytes" if bank.package_bytes else "-",
        "Sectors done": str(bank.sectors_done) if bank.phase == "LOADING" else "-",
        "Trial attempts": str(bank.attempts) if known else "-",
    }


def _module(status: BoardStatus) -> Table:
    versions = ", ".join(f"{name} {version}" for name, version in status.module_versions.items())
    return _facts(
        "Module",
        {
            "Power": "on" if status.module_powered else "lost",
            "Connection": status.module_connection,
            "OTA state": status.module_ota_state,
            "Stored versions": versions or "none",
        },
    )


def _plans(plans: tuple[PlanStatus, ...]) -> RenderableType:
    if not plans:
        return Text("Cloud: no plans")
    table = _table("Cloud: plans")
    for name in ("component", "from", "to", "package", "state"):
        table.add_column(name)
    for plan in plans:
        source = plan.source_version or "any"
        size = f"{plan.package_bytes} bytes"
        table.add_row(*map(Text, (plan.component, source, plan.target_version, size, plan.state)))
    return table
