"""``part list`` and ``part show``: what the emulator knows of each part, and from where."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby

import click
from rich.text import Text

from flash_emulator.parts.catalogue import load_part, other_size_names, part_names
from flash_emulator.parts.part import Part
from flash_emulator.parts.part_model import (
    STANDINGS,
    Aliasing,
    BankSelect,
    OptionField,
    Overwrite,
    Provenance,
    Span,
    Timing,
)
from mcu_updater.cli import answers
from mcu_updater.cli.names import PART, PART_METAVAR
from mcu_updater.cli.screen import show
from mcu_updater.core.errors import UsageError, address_text
from mcu_updater.core.slot import AnyLayout, Layout
from mcu_updater.flash_map.layouts import layout_of
from mcu_updater.flash_map.strategies import hazard, strategies_of
from mcu_updater.report.part import (
    BankMap,
    PartList,
    PartReport,
    Row,
    Run,
    Section,
    StrategyReport,
    part_json,
    part_view,
    range_text,
    rows_json,
    size_text,
)

_UNKNOWN = "not known"
_ALIASES = {
    Aliasing.NONE: "",
    Aliasing.FB_MODE: "At run time FB_MODE (SYSCFG_MEMRMP, bit 8) puts bank 2 at the base address.",
    Aliasing.SWAP_OPTION: "The option {} puts bank 2 at the base address.",
}

_OVERWRITES = {
    Overwrite.ONLY_ZERO_HALFWORD: "refused with {}, unless the data are 0x0000",
    Overwrite.CLEAR_BITS: "clears bits, any number of times",
    Overwrite.ONLY_ALL_ZERO: "refused with {}, unless the data are all zero",
    Overwrite.EXECUTES: "executed: the data are ANDed, the ECC is as a rule wrong",
    Overwrite.FORBIDDEN: "not known, hence refused",
}
_SELECTS = {
    BankSelect.PHYSICAL: "a physical bank, whatever is mapped",
    BankSelect.MAPPED: "half of the addresses as they are mapped",
}
_BULK = {"parallel": "all sectors at once", "sequential": "one sector after the other"}


@click.group("part")
def commands() -> None:
    """List the parts that can be emulated; show one, or a part file of your own."""


@commands.command("list")
@answers.json_option("One JSON object instead of a table.")
@click.option("--all", "everything", is_flag=True, help="In other sizes and with one bank, too.")
def part_list(as_json: bool, everything: bool) -> None:
    """List all parts."""
    names = sorted([*part_names(), *(other_size_names() if everything else ())])
    rows = [_row(load_part(name)) for name in names]
    if as_json:
        answers.result(rows_json(rows))
    else:
        more = "mcu-updater part show NAME: everything about one part."
        show(PartList(rows), Text(more, style="dim"))


@commands.command("show", short_help="Show one with sources and a map.")
@click.argument("part", type=PART, metavar=PART_METAVAR)
@answers.json_option("One JSON object instead of text.")
def part_show(part: Part, as_json: bool) -> None:
    """Show all facts of a part with their sources, and draw its banks and sectors.

    NAME is one of `part list`; FILE is a part file of your own, which is checked as well.
    """
    report = _report(part)
    if as_json:
        answers.result(part_json(report, part))
    else:
        show(*part_view(report))


# --- values for the report


def _row(part: Part) -> Row:
    check_bits = part.ecc.check_bits if part.ecc else 0
    return Row(
        part.name,
        part.size,
        part.bank_count,
        tuple((len(list(run)), size) for size, run in groupby(part.sector_sizes)),
        part.program_unit,
        check_bits,
        part.aliasing.value,
        part.identity.usart_pid,
    )


def _report(part: Part) -> PartReport:
    return PartReport(
        name=f"{part.name}  class {part.family}",
        note=part.note,
        banks=tuple(_bank(part, bank) for bank in range(part.bank_count)),
        register="SNB" if part.bker_bit is None else "PNB",
        alias=_ALIASES[part.aliasing].format(part.options.swap),
        sections=tuple(section for section in _sections(part) if section.facts),
        strategies=tuple(_strategies(part)),
        documents=part.documents,
    )


def _bank(part: Part, bank: int) -> BankMap:
    per_bank = len(part.sector_sizes)
    index, runs = bank * per_bank, []
    for size, sectors in groupby(part.sector_sizes):
        count = len(list(sectors))
        address = part.address_of(list(part.sector_starts)[index])
        numbers = part.sector_number(index), part.register_sector(index)
        runs.append(Run(address, count, size, *numbers))
        index += count
    selector = "" if part.bker_bit is None else f"BKER = {bank}"
    return BankMap(bank + 1, part.bank_starts[bank], part.bank_size, tuple(runs), selector)


def _strategies(part: Part) -> Iterable[StrategyReport]:
    """What `board new` can make of the part; nothing where it knows no layout."""
    for strategy in strategies_of(part):
        try:
            layout = layout_of(part, strategy)
        except UsageError:
            continue
        risk = hazard(part, strategy)
        regions = _regions(part, layout)
        yield StrategyReport(strategy, risk.harmless, risk.why, risk.window, regions)


def _regions(part: Part, layout: AnyLayout) -> dict[str, str]:
    if isinstance(layout, Layout):
        return _area(part, layout, "slot", "trailer, half 0", "trailer, half 1")
    names = ("execution", "A", "B")
    areas = zip(names, (layout.execution, *layout.storage), strict=True)
    return {
        f"{name}: {region}": text
        for name, area in areas
        for region, text in _area(part, area, "slot", "half 0", "half 1").items()
    }


def _area(part: Part, area: Layout, *names: str) -> dict[str, str]:
    return {
        name: f"{range_text(part.base + region.offset, region.size)}, {size_text(region.size)}"
        for name, region in zip(names, area.regions, strict=True)
    }


def _sections(part: Part) -> Iterable[Section]:
    yield _section(part, "Geometry", _geometry(part), "geometry")
    yield _section(part, "Rules", _rules(part), f"{part.family}.rules", "rules")
    yield _section(part, "Banks", _banks(part), "banks")
    options = [entry.table for entry in part.provenance if "options" in entry.table]
    yield _section(part, "Option bytes", _options(part), *options)
    timing = [entry.table for entry in part.provenance if entry.table.startswith("timing")]
    yield _section(part, "Times and wear", _times(part), *timing, "endurance")
    yield _section(part, "Identity", _identity(part), "identity")
    notes = {str(number): note.text for number, note in enumerate(part.notes, 1)}
    entries = [entry.table for entry in part.provenance if entry.table.startswith("notes")]
    yield _section(part, "Notes", notes, *entries)


def _section(part: Part, title: str, facts: Mapping[str, str], *tables: str) -> Section:
    """A key that is not simply documented is told with the option's name, or the note's number."""
    entries = [entry for entry in part.provenance if entry.table in tables]
    return Section(
        title,
        facts,
        list(dict.fromkeys(source for entry in entries for source in entry.sources)),
        {
            word: [_key(entry, key) for entry in entries for key in getattr(entry, word)]
            for word in STANDINGS
        },
    )


def _key(entry: Provenance, key: str) -> str:
    _, below, option = entry.table.rpartition("options.")
    if below:
        return f"{option}.{key}"
    return entry.table.removeprefix("notes ") if key == "text" else key


def _geometry(part: Part) -> dict[str, str]:
    units = "/".join(map(str, part.program_units))
    choice = f"; {units} by PSIZE" if len(part.program_units) > 1 else ""
    return _present(
        {
            "size": size_text(part.size),
            "program unit": f"{part.program_unit} bytes{choice}",
            "fast-program row": _bytes(part.row_bytes),
            "burst": _bytes(part.burst_bytes),
            "access row": _bytes(part.access_row_bytes),
            "BKER": None if part.bker_bit is None else f"bit {part.bker_bit} of FLASH_CR",
        }
    )


def _bytes(count: int | None) -> str | None:
    return None if count is None else f"{count} bytes"


def _present(facts: Mapping[str, str | None]) -> dict[str, str]:
    return {name: fact for name, fact in facts.items() if fact is not None}


def _rules(part: Part) -> dict[str, str]:
    spends = {True: "spends the unit", False: "spends nothing", None: _UNKNOWN}
    return {
        "ECC": _ecc(part),
        "overwrite": _OVERWRITES[part.overwrite].format(part.overwrite_flag),
        "read of a bad unit": part.read_of_bad_unit.value,
        "program of all FF": spends[part.ff_spends_unit],
        "fast program": _fast(part),
        "bank erase": _BULK[part.bulk_erase],
        "FLASH_OPSR": "yes" if part.opsr else "no",
    }


def _fast(part: Part) -> str:
    if not part.row_bytes and not part.burst_bytes:
        return "none"
    rule = part.fast_overwrite or part.overwrite
    if rule is Overwrite.EXECUTES:
        return "verifies nothing: " + _OVERWRITES[rule]
    return _OVERWRITES[rule].format(part.overwrite_flag)


def _ecc(part: Part) -> str:
    if part.ecc is None:
        return "none"
    bits = part.ecc.check_bits
    check = f"{bits}" if bits else f"{_UNKNOWN} (assumed {part.ecc.check_bits_assumed})"
    return f"{part.ecc.data_bits} data bits, check bits: {check}"


def _named(part: Part, select: BankSelect) -> str | None:
    """Which bank a number names; of no interest where banks never change places."""
    return None if part.aliasing is Aliasing.NONE else _SELECTS[select]


def _banks(part: Part) -> dict[str, str]:
    facts = {
        "aliasing": part.aliasing.value,
        "sector erase names": _named(part, part.sector_erase_bank),
        "bank erase names": _named(part, part.bank_erase_bank),
        "read while write": "yes" if part.rww else "no",
        "write while write": part.write_while_write or (_UNKNOWN if part.bank_count > 1 else "no"),
    }
    return _present(facts)


def _options(part: Part) -> dict[str, str]:
    options = part.options
    facts = {
        "change": (options.update or _UNKNOWN).replace("_", " "),
        "takes effect": {"option_load": "at option load", "reset": "at reset", None: _UNKNOWN}[
            options.effective
        ],
    }
    return facts | {name: _option(option) for name, option in options.fields.items()}


def _option(option: OptionField) -> str:
    after = "" if option.mismatch is None else f", {_hex(option.mismatch)} after a mismatch"
    where = "" if option.register is None else f"; {option.register}, bit {option.bit}"
    meaning = f". {option.meaning}" if option.meaning else ""
    return f"{_hex(option.default)} as delivered{after}{where}{meaning}"


def _hex(value: int) -> str:
    return f"0x{value:X}" if value > 9 else str(value)


def _times(part: Part) -> dict[str, str]:
    facts = _timing(part.timing)
    for bits, timing in sorted(part.parallel_timing.items()):
        if bits != part.parallelism:
            times = {name: text for name, text in _timing(timing).items() if text != _UNKNOWN}
            facts |= {f"{name}, x{bits}": text for name, text in times.items()}
    if part.endurance:
        facts["endurance"] = _endurance(part)
    return {name: text for name, text in facts.items() if not name.startswith("condition,")}


def _timing(timing: Timing) -> dict[str, str]:
    facts = {"condition": timing.condition} if timing.condition else {}
    facts["program unit"] = _span(timing.span("program_unit"))
    sizes = timing.sector_erase if isinstance(timing.sector_erase, Mapping) else {}
    for size, span in sizes.items():
        facts[f"erase {size_text(size)}"] = _span(span)
    facts["erase bank"] = _span(timing.span("bank_erase"))
    facts["mass erase"] = _span(timing.span("mass_erase"))
    return facts


def _span(span: Span) -> str:
    given = {"min": span.min, "typ": span.typ, "max": span.max}
    known = [f"{name} {_time(time)}" for name, time in given.items() if time is not None]
    return ", ".join(known) or _UNKNOWN


def _time(time_us: float) -> str:
    for unit, name in ((1_000_000, "s"), (1_000, "ms")):
        if time_us >= unit:
            return f"{time_us / unit:g} {name}"
    return f"{time_us:g} us"


def _endurance(part: Part) -> str:
    wear = part.endurance
    assert wear is not None
    high = f"; {wear.high_cycles} for {wear.high_sectors} sectors of each bank"
    return f"{wear.cycles} erase cycles{high if wear.high_cycles else ''}"


def _identity(part: Part) -> dict[str, str]:
    chip = part.identity
    erase = {True: "extended (0x44)", False: "0x43", None: f"{_UNKNOWN}; ask GET"}
    pid = None if chip.usart_pid is None else f"0x{chip.usart_pid:03X}"
    places = {
        "flash registers": chip.flash_reg_base,
        "flash size": chip.flash_size_reg,
        "unique ID": chip.uid,
        "boot ROM's RAM ends": chip.bootloader_ram_end,
        "the same, AXI RAM": chip.bootloader_ram_end_axi,
    }
    ranges = {
        "system memory": chip.system_memory,
        "option bytes": chip.option_bytes,
        "the same, bank 2": chip.option_bytes_bank2,
        "OTP": chip.otp,
    }
    facts = {"USART PID": pid, "boot ROM's erase": erase[chip.extended_erase] if pid else None}
    facts |= {name: None if at is None else address_text(at) for name, at in places.items()}
    facts |= {n: None if r is None else range_text(r.start, len(r)) for n, r in ranges.items()}
    return _present(facts)
