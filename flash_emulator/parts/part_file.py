"""From the tables of a part file and its class to a part, with every rule that must hold."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from itertools import pairwise
from typing import Any

from flash_emulator.parts.part import Part
from flash_emulator.parts.part_model import (
    LEVELS,
    Aliasing,
    BadRead,
    BankSelect,
    Ecc,
    Endurance,
    Identity,
    Note,
    Numbering,
    OptionField,
    OptionModel,
    OptionRole,
    Overwrite,
    Provenance,
)
from flash_emulator.parts.part_tables import (
    Table,
    address,
    bit,
    count,
    counts,
    flag,
    member,
    one_of,
    positive,
    runs,
    span_of_addresses,
    text,
    texts,
)
from flash_emulator.parts.part_times import read_timing


@cache
def package_toml(path: str) -> Mapping[str, Any]:
    """A TOML file that comes with the package. Nobody changes it."""
    file = resources.files("flash_emulator").joinpath(*path.split("/"))
    return tomllib.loads(file.read_text(encoding="utf-8"))


class PartReader:
    """Takes a file apart, table by table; remembers where each fact comes from."""

    def __init__(self, root: Table, documents: Mapping[str, str]) -> None:
        self.root, self.documents = root, documents
        self.provenance: list[Provenance] = []
        classes = package_toml("classes.toml")
        self.family = root.take("class", one_of(*classes))
        self._class = Table(
            classes[self.family], file="classes.toml", name=self.family, documents=documents
        )

    def part(self) -> Part:
        geometry = self._opened("geometry")
        made = self._part(geometry)
        geometry.done()
        return made

    def _part(self, geometry: Table) -> Part:
        name, note = self.root.take("name", text), self.root.maybe("note", text) or ""
        alike = self.root.maybe("alike", texts) or ()
        shape = self._geometry(geometry)
        rules, units = self._rules(geometry, shape["sector_sizes"])
        options = self._options()
        banks = self._banks(shape["bank_count"], options)
        timing = self._times(shape["sector_sizes"])
        return Part(
            name=name,
            note=note,
            alike=alike,
            family=self.family,
            options=options,
            **shape,
            **rules,
            **units,
            **banks,
            **timing,
            endurance=self._endurance(),
            identity=self._identity(),
            notes=self._notes(),
            provenance=tuple(self.provenance),
            documents=self._used_documents(),
        )

    def _opened(self, key: str) -> Table:
        table = self.root.table(key)
        self._remember(table)
        return table

    def _remember(self, table: Table) -> Provenance:
        provenance = table.provenance()
        if provenance.sources:
            self.provenance.append(provenance)
        return provenance

    def _used_documents(self) -> dict[str, str]:
        used = {source for entry in self.provenance for source in entry.sources}
        return {key: self.documents[key] for key in sorted(used)}

    # --- geometry

    def _geometry(self, table: Table) -> dict[str, Any]:
        base, sizes = table.take("base", address), table.take("sectors", runs)
        banks = table.take("bank_count", positive)
        if banks > 2:
            raise table.wrong("bank_count", "1 or 2", str(banks))
        declared = table.take("size", positive)
        if declared != banks * sum(sizes):
            expected = f"the sum of all sectors, {banks * sum(sizes)}"
            raise table.wrong("size", expected, str(declared))
        starts = table.maybe("bank_starts", counts) or ()
        _check_banks(table, base, banks, sum(sizes), starts)
        first = table.maybe("first_sectors", counts) or ()
        _check_first_sectors(table, "first_sectors", banks, len(sizes), first)
        rom_first = table.maybe("rom_first_sectors", counts) or ()
        _check_first_sectors(table, "rom_first_sectors", banks, len(sizes), rom_first)
        if banks == 2 and len(set(rom_first)) == 1:
            raise table.wrong("rom_first_sectors", "two numbers that differ", str(list(rom_first)))
        return {
            "base": base,
            "bank_count": banks,
            "sector_sizes": sizes,
            "bank_starts": starts,
            "first_sectors": first,
            "rom_first_sectors": rom_first,
        }

    # --- rules: those of the class, unless the file has its own

    def _rules(
        self, geometry: Table, sizes: tuple[int, ...]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        table = self._layered("rules")
        units = _units(table, geometry, sizes)
        keys = "sector_erase_bank", "bank_erase_bank"
        select = {key: table.maybe(key, member(BankSelect)) for key in keys}
        rules = {
            "ecc": _ecc(table, units["program_unit"]),
            "overwrite": table.take("overwrite", member(Overwrite)),
            "overwrite_flag": table.maybe("overwrite_flag", text),
            "read_of_bad_unit": table.take("read_of_bad_unit", member(BadRead)),
            "ff_spends_unit": table.maybe("ff_spends_unit", flag),
            "bulk_erase": table.take("bulk_erase", one_of("parallel", "sequential")),
            "opsr": bool(table.maybe("opsr", flag)),
            "numbering": table.take("numbering", member(Numbering)),
            "bker_bit": table.maybe("bker_bit", bit),
            "sector_erase_bank": select.get("sector_erase_bank") or BankSelect.PHYSICAL,
            "bank_erase_bank": select.get("bank_erase_bank") or BankSelect.PHYSICAL,
            "incomplete_flag": table.maybe("incomplete_flag", text),
            "missing_sector_flag": table.maybe("missing_sector_flag", text),
            "options_at_risk": bool(table.maybe("options_at_risk", flag)),
            "fast_overwrite": table.maybe("fast_overwrite", member(Overwrite)),
        }
        table.done()
        return rules, units

    def _layered(self, key: str) -> Table:
        """The class's table with the file's own keys over it."""
        common, own = self._class.table(key), self.root.table(key)
        self._remember(common)
        self._remember(own)
        return own.over(common)

    # --- banks and options

    def _banks(self, count_of_banks: int, options: OptionModel) -> dict[str, Any]:
        table = self._opened("banks")
        aliasing = table.take("aliasing", member(Aliasing))
        if aliasing is not Aliasing.NONE and count_of_banks < 2:
            raise table.wrong("aliasing", "none, where there is one bank", repr(str(aliasing)))
        swaps = [name for name, option in options.fields.items() if option.swaps]
        if len(swaps) != (aliasing is Aliasing.SWAP_OPTION):
            wanted = "one option" if aliasing is Aliasing.SWAP_OPTION else "no option"
            raise table.wrong("aliasing", f"{wanted} with role swap", ", ".join(swaps) or "none")
        banks = {
            "aliasing": aliasing,
            "rww": table.take("rww", flag),
            "write_while_write": table.maybe("write_while_write", one_of("refused", "queued")),
        }
        table.done()
        return banks

    def _options(self) -> OptionModel:
        common, own = self._class.table("options"), self.root.table("options")
        fields = {**self._fields(common), **self._fields(own)}
        self._remember(common)
        self._remember(own)
        table = own.over(common)
        model = OptionModel(
            update=table.maybe("update", one_of("atomic", "erase_then_program")),  # type: ignore[arg-type]
            effective=table.maybe("effective", one_of("option_load", "reset")),  # type: ignore[arg-type]
            per_byte=table.maybe("per_byte", flag) or False,
            fields=fields,
        )
        table.done()
        return model

    def _fields(self, options: Table) -> dict[str, OptionField]:
        return {name: self._field(table) for name, table in options.tables()}

    def _field(self, table: Table) -> OptionField:
        source = self._remember(table).sources
        if not source:
            raise table.wrong("sources", "a list of at least one source", "nothing")
        made = OptionField(
            role=table.take("role", member(OptionRole)),
            default=table.take("default", count),
            mismatch=table.maybe("mismatch", count),
            active=table.maybe("active", count),
            register=table.maybe("register", text),
            bit=table.maybe("bit", bit),
            option_byte=table.maybe("option_byte", address),
            option_byte_bit=table.maybe("option_byte_bit", bit),
            meaning=table.maybe("meaning", text) or "",
            other_part=table.maybe("other_part", text),
            width=table.maybe("width", positive),
            levels=table.maybe("levels", counts) or LEVELS,
            protects_bytes=table.maybe("protects_bytes", positive),
            protects_sectors=table.maybe("protects_sectors", positive),
            first_bit=table.maybe("first_bit", bit) or 0,
            first_bank=table.maybe("first_bank", count) or 0,
            to_the_end=table.maybe("to_the_end", flag) or False,
            source=source,
        )
        if made.swaps and made.active is None:
            raise table.wrong("active", "the value that swaps the banks", "nothing")
        table.done()
        return made

    # --- time and wear

    def _times(self, sizes: tuple[int, ...]) -> dict[str, Any]:
        table = self._opened("timing")
        parallelism = table.maybe("parallelism", positive)
        parallel = {}
        for name, below in table.tables("x(8|16|32|64)"):
            self._remember(below)
            parallel[int(name[1:])] = read_timing(below, sizes)
            below.done()
        timing = read_timing(table, sizes)
        table.done()
        if parallelism is not None:
            parallel[parallelism] = timing
        return {"timing": timing, "parallelism": parallelism, "parallel_timing": parallel}

    def _endurance(self) -> Endurance | None:
        table = self._opened("endurance")
        if not table.has("cycles"):
            table.done()
            return None
        endurance = Endurance(
            table.take("cycles", positive),
            table.maybe("high_cycles", positive),
            table.maybe("high_sectors_per_bank", positive),
        )
        table.done()
        return endurance

    # --- identity and words

    def _identity(self) -> Identity:
        table = self._opened("identity")
        addresses = ("flash_size_reg", "uid", "bootloader_ram_end", "bootloader_ram_end_axi")
        ranges = ("system_memory", "otp", "option_bytes", "option_bytes_bank2")
        identity = Identity(
            usart_pid=table.maybe("usart_pid", positive),
            extended_erase=table.maybe("extended_erase", flag),
            flash_reg_base=table.maybe("flash_reg_base", address),
            **{key: table.maybe(key, address) for key in addresses},  # type: ignore[arg-type]
            **{key: table.maybe(key, span_of_addresses) for key in ranges},  # type: ignore[arg-type]
        )
        table.done()
        return identity

    def _notes(self) -> tuple[Note, ...]:
        return tuple(self._note(row) for row in self.root.rows("notes"))

    def _note(self, row: Table) -> Note:
        source = self._remember(row).sources
        note = Note(row.take("text", text), source)
        row.done()
        return note


def _hex(address: int) -> str:
    return f"0x{address >> 16:04X}_{address & 0xFFFF:04X}"


def _check_banks(
    table: Table, base: int, banks: int, bank_size: int, starts: tuple[int, ...]
) -> None:
    starts = starts or tuple(base + bank * bank_size for bank in range(banks))
    if len(starts) != banks:
        raise table.wrong("bank_starts", f"{banks} addresses", str(len(starts)))
    if starts[0] != base:
        raise table.wrong("bank_starts", f"the first at base, {_hex(base)}", _hex(starts[0]))
    for one, next_one in pairwise(starts):
        if next_one < one + bank_size:
            expected = f"bank 2 from {_hex(one + bank_size)}, where bank 1 ends, or behind it"
            raise table.wrong("bank_starts", expected, _hex(next_one))
    if starts[-1] + bank_size > 1 << 32:
        raise table.wrong("size", "an end below 4 GiB", f"{starts[-1] + bank_size:#x}")


def _check_first_sectors(
    table: Table, key: str, banks: int, sectors: int, first: tuple[int, ...]
) -> None:
    if first and len(first) != banks:
        raise table.wrong(key, f"{banks} numbers", str(len(first)))
    if len(set(first)) == 2 and first[1] < first[0] + sectors:
        expected = f"bank 2 from {first[0] + sectors} on, or from {first[0]} as bank 1"
        raise table.wrong(key, expected, str(first[1]))


def _units(table: Table, geometry: Table, sizes: tuple[int, ...]) -> dict[str, Any]:
    unit = table.take("program_unit", positive)
    units = table.maybe("program_units", counts) or (unit,)
    if unit not in units:
        raise table.wrong("program_units", f"program_unit, {unit}, among them", str(list(units)))
    for sector in sizes:
        if sector % unit:
            found = f"a sector of {sector} bytes"
            raise geometry.wrong("sectors", f"multiples of the program unit, {unit} bytes", found)
    sized = {
        "row_bytes": geometry.maybe("row_bytes", positive),
        "access_row_bytes": table.maybe("access_row_bytes", positive),
        "burst_bytes": table.maybe("burst_bytes", positive),
    }
    for key, size in sized.items():
        if (size or 0) % unit:
            where = geometry if key == "row_bytes" else table
            raise where.wrong(key, f"a multiple of the program unit, {unit} bytes", str(size))
    return {"program_unit": unit, "program_units": units, **sized}


def _ecc(table: Table, unit: int) -> Ecc | None:
    data_bits = table.maybe("ecc_data_bits", positive)
    check_bits = table.maybe("ecc_check_bits", positive)
    assumed = table.maybe("ecc_check_bits_assumed", positive)
    if data_bits is None:
        if check_bits or assumed:
            raise table.wrong("ecc_data_bits", "the bits that are checked", "nothing")
        return None
    if data_bits != 8 * unit:
        raise table.wrong("ecc_data_bits", f"those of a program unit, {8 * unit}", str(data_bits))
    if check_bits is None and assumed is None:
        expected = "a number, or else ecc_check_bits_assumed"
        raise table.wrong("ecc_check_bits", expected, "neither")
    return Ecc(data_bits, check_bits, assumed)
