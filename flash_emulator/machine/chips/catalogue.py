"""The chips that there are: read from the TOML files beside this module, one for each family.

A part belongs to the family whose name its own begins with, the longest first; a part with a name
of its own to the family of its behaviour class. Every file names its sources.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any, TypeVar

from flash_emulator.errors import AlignmentError
from flash_emulator.machine.chips.facts import (
    BackupFacts,
    ChipFacts,
    ClockFacts,
    ExtiFacts,
    PllFacts,
    PwrFacts,
    RccFacts,
    ReadyFacts,
    Unit,
)
from flash_emulator.parts.part import Part

T = TypeVar("T")

OF_CLASS = {"f1": "f1", "f4": "f4", "l4": "l4", "u5": "u5", "h7": "h7", "h7ab": "h7ab", "h5": "h5"}
"""The family of a part whose name says nothing, by its behaviour class."""


def core_of(part: Part) -> str:
    """The CPU: "m0", "m0plus", "m3", "m4", "m7" or "m33"."""
    return chip_of(part).core


def ram_of(part: Part) -> list[tuple[int, int]]:
    """Base and bytes of each RAM: SRAM, CCM, DTCM, ITCM. No memory comes twice.

    Backup SRAM that lies among the peripherals is one of them.
    """
    return list(longest(chip_of(part).ram, part.name) or ())


def ram_aliases_of(part: Part) -> list[tuple[int, int, int]]:
    """Where RAM is seen a second time: base, bytes, and the first address of what is seen."""
    return list(longest(chip_of(part).ram_aliases, part.name) or ())


def chip_of(part: Part) -> ChipFacts:
    """Raises AlignmentError for a part of a class that no family is known for."""
    by_name = {name: family for family in families() for name in load_chip(family).names}
    family = longest(by_name, part.name) or OF_CLASS.get(part.family)
    if family is None:
        raise AlignmentError(
            f"{part.name}: no chip of class {part.family!r} is known; the name of a part "
            f"must begin like one of {', '.join(sorted(by_name))}"
        )
    return load_chip(family)


def longest(values: Mapping[str, T], name: str) -> T | None:
    """The value of the longest key that *name* begins with; of one with no such key the last."""
    fits = [key for key in values if name.startswith(key)]
    if fits:
        return values[max(fits, key=len)]
    return None


@cache
def families() -> tuple[str, ...]:
    folder = resources.files("flash_emulator.machine.chips")
    names = [file.name for file in folder.iterdir() if file.name.endswith(".toml")]
    return tuple(sorted(name.removesuffix(".toml") for name in names))


@cache
def load_chip(family: str) -> ChipFacts:
    """The facts of ``families`` member *family*."""
    file = resources.files("flash_emulator.machine.chips").joinpath(f"{family}.toml")
    return _chip(family, tomllib.loads(file.read_text(encoding="utf-8")))


def _chip(family: str, data: Mapping[str, Any]) -> ChipFacts:
    watchdog = {unit.name: unit for unit in _units(data["watchdog"])}
    rng = _units(data.get("rng", {}))
    hsem = _units(data.get("hsem", {}))
    return ChipFacts(
        family=family,
        names=tuple(data["names"]),
        core=data["core"],
        ram=_rows(data["ram"]),
        ram_aliases=_rows(data.get("ram_aliases", {})),
        rcc=_rcc(data["rcc"], _clocks(data["clocks"])),
        pwr=_pwr(data["pwr"]),
        gpio_kind=data["gpio"]["kind"],
        gpio=_units(data["gpio"]),
        gpio_resets={name: _row(row) for name, row in data.get("gpio_resets", {}).items()},
        usart_kind=data["usart"]["kind"],
        usart_fifo=data["usart"]["fifo"],
        usart=_units(data["usart"]),
        wide_timers=tuple(f"TIM{number}" for number in data["timer"]["wide"]),
        timers=_units(data["timer"]),
        crc_kind=data["crc"]["kind"],
        crc=_units(data["crc"])[0],
        lsi_hz=data["watchdog"]["lsi_hz"],
        iwdg=watchdog["IWDG"],
        wwdg=watchdog["WWDG"],
        wwdg_prescaler=_row(data["watchdog"]["prescaler"]),
        backup=_backup(data["backup"]),
        rng=rng[0] if rng else None,
        hsem=hsem[0] if hsem else None,
        hsem_core=data.get("hsem", {}).get("core", 0),
        exti=_exti(data["exti"]),
        debug=data["debug"]["base"],
        ready=tuple(_ready(table) for table in data.get("ready", ())),
        sources=tuple(data["sources"]),
        recalled=tuple(data["recalled"]),
    )


def _row(values: list[Any]) -> Any:
    return tuple(values)


def _table(data: Mapping[str, Any], key: str) -> Any:
    return tuple(tuple(row) for row in data.get(key, ()))


def _rows(data: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(tuple(row) for row in rows) for name, rows in data.items()}


def _units(data: Mapping[str, Any]) -> tuple[Unit, ...]:
    return tuple(
        Unit(
            name,
            value["base"],
            value.get("irq"),
            _row(value["reset"]) if "reset" in value else None,
            value.get("apb", 1),
        )
        for name, value in data.items()
        if isinstance(value, Mapping)
    )


def _rcc(data: Mapping[str, Any], clocks: ClockFacts) -> RccFacts:
    return RccFacts(
        base=data["base"],
        switch=_row(data["switch"]),
        ready=_table(data, "ready"),
        ones=_table(data, "ones"),
        reset_values=dict(_table(data, "reset_values")),
        clocks=clocks,
        cause_register=data["cause_register"],
        clear=data["clear"],
        causes={name: tuple(bits) for name, bits in data["causes"].items()},
        backup_register=data["backup_register"],
        backup_reset=data["backup_reset"],
    )


def _clocks(data: Mapping[str, Any]) -> ClockFacts:
    msi = data.get("msi", {})
    return ClockFacts(
        switch=tuple(data["switch"]),
        hz=data["hz"],
        pll=PllFacts(**{key: _frozen(value) for key, value in data["pll"].items()}),
        ahb=_table(data, "ahb"),
        apb=_table(data, "apb"),
        hsi_divider=_frozen(data.get("hsi_divider")),
        msi_name=msi.get("name", ""),
        msi_range=_frozen(msi.get("range")),
        msi_chosen=_frozen(msi.get("chosen")),
        msi_standby=_frozen(msi.get("standby")),
        msi_hz=tuple(msi.get("hz", ())),
    )


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _pwr(data: Mapping[str, Any]) -> PwrFacts:
    return PwrFacts(
        base=data["base"],
        backup_access=_row(data["backup_access"]),
        follows=_table(data, "follows"),
        copies=_table(data, "copies"),
        ones=_table(data, "ones"),
        reset_values=dict(_table(data, "reset_values")),
        standby=_row(data["standby"]),
        wake_up=_row(data["wake_up"]),
        stands_by=_table(data, "stands_by"),
    )


def _backup(data: Mapping[str, Any]) -> BackupFacts:
    tables = {name: table for name, table in data.items() if isinstance(table, Mapping)}
    name, table = next((name, table) for name, table in tables.items() if "registers" in table)
    rtc = tables["RTC"]
    return BackupFacts(
        name=name,
        base=table["base"],
        runs=_table(table, "registers"),
        mask=data.get("mask", 0xFFFF_FFFF),
        rtc=rtc["base"],
        rtc_status=rtc.get("status"),
        rtc_protect=rtc.get("protect"),
        rtc_control=rtc.get("control"),
        sram=_frozen(data.get("sram")),
    )


def _exti(data: Mapping[str, Any]) -> ExtiFacts:
    return ExtiFacts(
        base=data["base"],
        mask=data["mask"],
        rising=data["rising"],
        falling=data["falling"],
        software=data["software"],
        pending=_row(data["pending"]),
        lines=_row(data["lines"]),
        select=_row(data["select"]),
    )


def _ready(data: Mapping[str, Any]) -> ReadyFacts:
    return ReadyFacts(
        name=data["name"],
        base=data["base"],
        size=data["size"],
        reset_values=dict(_table(data, "reset_values")),
        follows=_table(data, "follows"),
        ones=_table(data, "ones"),
        self_clearing=_table(data, "self_clearing"),
        set_only=_table(data, "set_only"),
        clears=_table(data, "clears"),
    )
