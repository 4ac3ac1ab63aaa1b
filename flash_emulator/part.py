"""A part: geometry, rules, options and times of one STM32, read from ``parts/*.toml``.

A part file says what one part number is; ``classes.toml`` what its family has in common, and
``documents.toml`` what the sources are. Every table names its sources. What is unknown is
absent, never guessed; what an emulator has to choose all the same is listed as ``assumed``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib import resources
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, Literal

from flash_emulator.part_tables import (
    PartError,
    Table,
    address,
    count,
    counts,
    flag,
    member,
    one_of,
    positive,
    runs,
    span_of_addresses,
    text,
    time_us,
    times_by_size,
)
from flash_emulator.traits import (
    Aliasing,
    BadRead,
    Ecc,
    Endurance,
    Identity,
    Mode,
    Note,
    Numbering,
    OptionField,
    OptionModel,
    OptionRole,
    Overwrite,
    Provenance,
    Span,
    Timing,
)

__all__ = [
    "Aliasing",
    "BadRead",
    "Ecc",
    "Endurance",
    "Identity",
    "Mode",
    "Note",
    "Numbering",
    "OptionField",
    "OptionModel",
    "OptionRole",
    "Overwrite",
    "Part",
    "PartError",
    "Provenance",
    "Span",
    "Timing",
    "load_part",
    "load_part_file",
    "parse_part",
    "part_names",
]

BulkErase = Literal["parallel", "sequential"]
WriteWhileWrite = Literal["refused", "queued"]

_SNB_JUMP_FROM, _SNB_JUMP = 12, 4  # RM0090: SNB of bank 2 is 0b1xxxx


@dataclass(frozen=True, slots=True)
class Part:
    """What one part number is made of. Sizes in bytes. Satisfies the core's ``Geometry``.

    A *sector index* counts the sectors of the whole array from 0, in address order, with no
    quirk; ``sector_number`` and ``register_sector`` give what ST's manual and registers call it.
    """

    name: str
    family: str  # behaviour class: "f1", "f4", "l4", "u5", "h7", "h7ab", "h5"
    base: int
    program_unit: int
    bank_count: int
    sector_sizes: tuple[int, ...]  # of one bank; all banks are laid out alike
    overwrite: Overwrite
    ecc: Ecc | None
    aliasing: Aliasing
    options: OptionModel
    timing: Timing
    note: str = ""

    program_units: tuple[int, ...] = ()  # all that can be selected; F4: PSIZE
    row_bytes: int | None = None  # of one fast program (FSTPG)
    access_row_bytes: int | None = None  # F4: no program access crosses a multiple of it (PGAERR)
    burst_bytes: int | None = None  # U5: programmed at one go, aligned to its own size
    bank_starts: tuple[int, ...] = ()  # addresses; one behind the other unless the file says so
    numbering: Numbering = Numbering.PER_BANK
    first_sectors: tuple[int, ...] = ()  # ST's number of the first sector of each bank
    bker_bit: int | None = None  # in FLASH_CR; names the physical bank
    overwrite_flag: str | None = None
    read_of_bad_unit: BadRead = BadRead.NMI
    ff_spends_unit: bool | None = None  # whether programming all FF makes a unit unwritable
    rww: bool = False  # one bank can be read while the other is busy: the read stalls no bus
    write_while_write: WriteWhileWrite | None = None
    bulk_erase: BulkErase = "sequential"  # sectors of one bank; what a cut bank erase leaves
    opsr: bool = False  # FLASH_OPSR tells which operation a reset interrupted
    parallelism: int | None = None  # bits; what ``timing`` is for, where there is a choice
    parallel_timing: Mapping[int, Timing] = field(default_factory=dict)  # by bits
    endurance: Endurance | None = None
    identity: Identity = field(default_factory=Identity)
    notes: tuple[Note, ...] = ()
    provenance: tuple[Provenance, ...] = ()
    documents: Mapping[str, str] = field(default_factory=dict)

    bank_size: int = field(init=False, repr=False, compare=False)
    size: int = field(init=False, repr=False, compare=False)
    sector_starts: Mapping[int, int] = field(init=False, repr=False, compare=False)
    """Offset in the array of every sector, and its size. The array has no hole."""

    def __post_init__(self) -> None:
        bank_size = sum(self.sector_sizes)
        sizes = self.sector_sizes * self.bank_count
        starts = tuple(self.base + bank * bank_size for bank in range(self.bank_count))
        first = self.first_sectors or _first_sectors(self.numbering, len(self.sector_sizes))
        derived = {
            "overwrite": Overwrite(self.overwrite),
            "aliasing": Aliasing(self.aliasing),
            "program_units": self.program_units or (self.program_unit,),
            "bank_starts": self.bank_starts or starts,
            "first_sectors": first[: self.bank_count],
            "bank_size": bank_size,
            "size": bank_size * self.bank_count,
            "sector_starts": dict(zip(accumulate(sizes, initial=0), sizes, strict=False)),
        }
        for name, value in derived.items():
            object.__setattr__(self, name, value)

    # --- sectors

    @property
    def sector_count(self) -> int:
        return len(self.sector_sizes) * self.bank_count

    def bank_of(self, index: int) -> int:
        """Bank, from 0, of the sector with that index."""
        if not 0 <= index < self.sector_count:
            raise ValueError(f"{self.name} has sectors 0 to {self.sector_count - 1}, not {index}")
        return index // len(self.sector_sizes)

    def sector_number(self, index: int) -> int:
        """What ST's manual calls it: F42x 12 to 23 in bank 2, L4 from 0 in each bank."""
        bank = self.bank_of(index)
        return self.first_sectors[bank] + index - bank * len(self.sector_sizes)

    def register_sector(self, index: int) -> int | None:
        """What goes into SNB or PNB; the bank goes into BKER or is the register set's.

        None where FLASH_AR takes the sector's address (F1).
        """
        number = self.sector_number(index)
        match self.numbering:
            case Numbering.SNB:
                return number if number < _SNB_JUMP_FROM else number + _SNB_JUMP
            case Numbering.CONTINUOUS | Numbering.PER_BANK:
                return number
            case Numbering.ADDRESS:
                return None

    def sector_index(self, register: int, bank: int = 0) -> int | None:
        """Index of the sector that SNB or PNB *register* names; None where it names none.

        *bank* is BKER, or the number of the register set; it matters to ``per_bank`` alone.
        """
        per_bank = len(self.sector_sizes)
        indices = range(self.sector_count)
        if self.numbering is Numbering.PER_BANK:
            indices = indices[bank * per_bank : (bank + 1) * per_bank]
        return next((index for index in indices if self.register_sector(index) == register), None)

    # --- addresses: banks may have a hole between them, the array has none

    def address_of(self, offset: int) -> int:
        """CPU address of *offset* in the array, with no bank aliased."""
        if not 0 <= offset < self.size:
            raise ValueError(f"{self.name} has {self.size} bytes, none at offset {offset:#x}")
        return self.bank_starts[offset // self.bank_size] + offset % self.bank_size

    def offset_of(self, address: int) -> int | None:
        """Offset in the array of a CPU address, with no bank aliased; None outside the flash."""
        for bank, start in enumerate(self.bank_starts):
            if start <= address < start + self.bank_size:
                return bank * self.bank_size + address - start
        return None

    # --- variants

    def with_timing(self, **times: float | Mapping[int, float]) -> Part:
        """The same part with times that no document gives, or with measured ones.

        Names as in a part file: ``program_unit_typ_us=85``, ``sector_erase_max_us=40_000`` for
        every size, or ``{16384: 500_000}`` by size. Raises PartError for a name that is none.
        """
        data = {**_timing_data(self.timing), **_texted(times)}
        table = Table(data, file=self.name, name="timing", documents={})
        timing = _timing(table, self.sector_sizes)
        table.done()
        return replace(self, timing=timing)

    def with_parallelism(self, bits: int) -> Part:
        """The same part with PSIZE set to *bits*: its own times and, on F4, its program unit."""
        widths = {8 * unit for unit in self.program_units} if len(self.program_units) > 1 else set()
        if bits not in widths | set(self.parallel_timing):
            raise PartError(
                file=self.name,
                key="parallelism",
                expected=f"one of {sorted(widths | set(self.parallel_timing))}",
                found=str(bits),
            )
        timing = self.parallel_timing.get(bits, Timing())
        unit = bits // 8 if widths else self.program_unit
        return replace(self, timing=timing, program_unit=unit, parallelism=bits)


def _first_sectors(numbering: Numbering, sectors: int) -> tuple[int, int]:
    return (0, 0) if numbering is Numbering.PER_BANK else (0, sectors)


# --- loading


def part_names() -> list[str]:
    """Names of all parts that come with the package."""
    folder = resources.files("flash_emulator") / "parts"
    return sorted(f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith("toml"))


def load_part(name: str) -> Part:
    """The part called *name*. Raises PartError, with the names that exist."""
    if name not in part_names():
        raise PartError(f"unknown part {name!r}; known: {', '.join(part_names())}")
    return parse_part(_package_toml(f"parts/{name}.toml"), file=f"{name}.toml")


def load_part_file(path: str | Path) -> Part:
    """The part that a file of one's own describes. Raises PartError for a wrong file.

    OSError where it cannot be read.
    """
    source = Path(path)
    try:
        data = tomllib.loads(source.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PartError(file=str(source), expected="TOML", found=str(error)) from error
    return parse_part(data, file=str(source))


def parse_part(data: Mapping[str, Any], *, file: str = "part") -> Part:
    """A part from the tables of its file. Raises PartError with file, table, key."""
    documents = {**_package_toml("documents.toml"), **_own_documents(data, file)}
    root = Table(data, file=file, name="", documents=documents)
    root.table("documents")
    part = _Reader(root, documents).part()
    root.done()
    return part


def _package_toml(path: str) -> dict[str, Any]:
    file = resources.files("flash_emulator").joinpath(*path.split("/"))
    return tomllib.loads(file.read_text(encoding="utf-8"))


def _own_documents(data: Mapping[str, Any], file: str) -> dict[str, str]:
    table = Table(data.get("documents", {}), file=file, name="documents", documents={})
    return {key: table.take(key, text) for key in data.get("documents", {})}


class _Reader:
    """Takes a file apart, table by table; remembers where each fact comes from."""

    def __init__(self, root: Table, documents: Mapping[str, str]) -> None:
        self.root, self.documents = root, documents
        self.provenance: list[Provenance] = []
        classes = _package_toml("classes.toml")
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
        shape = self._geometry(geometry)
        rules, units = self._rules(geometry, shape["sector_sizes"])
        options = self._options()
        banks = self._banks(shape["bank_count"], options)
        timing = self._times(shape["sector_sizes"])
        return Part(
            name=name,
            note=note,
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
            found = f"{banks} x {sum(sizes)} bytes of sectors"
            raise table.wrong("size", f"the sum of all sectors, {banks * sum(sizes)}", found)
        starts = table.maybe("bank_starts", counts) or ()
        _check_banks(table, base, banks, sum(sizes), starts)
        first = table.maybe("first_sectors", counts) or ()
        _check_first_sectors(table, banks, len(sizes), first)
        return {
            "base": base,
            "bank_count": banks,
            "sector_sizes": sizes,
            "bank_starts": starts,
            "first_sectors": first,
        }

    # --- rules: those of the class, unless the file has its own

    def _rules(
        self, geometry: Table, sizes: tuple[int, ...]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        table = self._layered("rules")
        units = _units(table, geometry, sizes)
        opsr = table.maybe("opsr", flag)
        rules = {
            "ecc": _ecc(table, units["program_unit"]),
            "overwrite": table.take("overwrite", member(Overwrite)),
            "overwrite_flag": table.maybe("overwrite_flag", text),
            "read_of_bad_unit": table.take("read_of_bad_unit", member(BadRead)),
            "ff_spends_unit": table.maybe("ff_spends_unit", flag),
            "bulk_erase": table.take("bulk_erase", one_of("parallel", "sequential")),
            "opsr": bool(opsr),
            "numbering": table.take("numbering", member(Numbering)),
            "bker_bit": table.maybe("bker_bit", count),
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
            wanted = f"{'one option' if aliasing is Aliasing.SWAP_OPTION else 'no option'}"
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
            bit=table.maybe("bit", _bit),
            option_byte=table.maybe("option_byte", address),
            option_byte_bit=table.maybe("option_byte_bit", _bit),
            meaning=table.maybe("meaning", text) or "",
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
            parallel[int(name[1:])] = _timing(below, sizes)
            below.done()
        timing = _timing(table, sizes)
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


def _bit(value: Any) -> int:
    """a bit from 0 to 31"""
    if count(value) > 31:
        raise ValueError("a bit from 0 to 31")
    return count(value)


def _check_banks(
    table: Table, base: int, banks: int, bank_size: int, starts: tuple[int, ...]
) -> None:
    if not starts:
        return
    if len(starts) != banks:
        raise table.wrong("bank_starts", f"{banks} addresses", str(len(starts)))
    if starts[0] != base:
        raise table.wrong("bank_starts", f"the first at base, {base:#010x}", f"{starts[0]:#010x}")
    for one, next_one in pairwise(starts):
        if next_one < one + bank_size:
            expected = f"bank 2 from {one + bank_size:#010x}, where bank 1 ends, or behind it"
            raise table.wrong("bank_starts", expected, f"{next_one:#010x}")


def _check_first_sectors(table: Table, banks: int, sectors: int, first: tuple[int, ...]) -> None:
    if first and len(first) != banks:
        raise table.wrong("first_sectors", f"{banks} numbers", str(len(first)))
    if len(set(first)) == 2 and first[1] < first[0] + sectors:
        expected = f"bank 2 from {first[0] + sectors} on, or from {first[0]} as bank 1"
        raise table.wrong("first_sectors", expected, str(first[1]))


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


# --- times


def _timing(table: Table, sizes: tuple[int, ...]) -> Timing:
    return Timing(
        condition=table.maybe("condition", text) or "",
        program_unit=_time(table, "program_unit"),
        sector_erase=_sector_times(table, sizes),
        bank_erase=_time(table, "bank_erase"),
        mass_erase=_time(table, "mass_erase"),
    )


def _time(table: Table, kind: str) -> Span:
    typ, longest, shortest = (
        table.maybe(f"{kind}_{mode}_us", time_us) for mode in ("typ", "max", "min")
    )
    return _ordered(table, kind, Span(typ, longest, shortest))


def _sector_times(table: Table, sizes: tuple[int, ...]) -> dict[int, Span]:
    given = {
        mode: table.maybe(f"sector_erase_{mode}_us", times_by_size) or {}
        for mode in ("typ", "max", "min")
    }
    for mode, times in given.items():
        for size in set(times) - set(sizes) - {0}:
            expected = f"sizes of sectors: {', '.join(map(str, sorted(set(sizes))))}"
            raise table.wrong(f"sector_erase_{mode}_us", expected, str(size))
    spans = {
        size: Span(**{mode: times.get(size, times.get(0)) for mode, times in given.items()})
        for size in sorted(set(sizes))
    }
    return {size: _ordered(table, "sector_erase", span) for size, span in spans.items()}


def _ordered(table: Table, kind: str, span: Span) -> Span:
    known = [time for time in (span.min, span.typ, span.max) if time is not None]
    if known != sorted(known):
        found = ", ".join(f"{time:g}" for time in known)
        raise table.wrong(f"{kind}_max_us", "min, typ and max in this order", found)
    return span


def _timing_data(timing: Timing) -> dict[str, Any]:
    """The keys of a part file that give *timing*."""
    data: dict[str, Any] = {"condition": timing.condition} if timing.condition else {}
    for mode in ("typ", "max", "min"):
        for kind in ("program_unit", "bank_erase", "mass_erase"):
            data[f"{kind}_{mode}_us"] = getattr(timing.span(kind), mode)
        by_size = timing.sector_erase if isinstance(timing.sector_erase, Mapping) else {}
        times = {str(size): getattr(span, mode) for size, span in by_size.items()}
        data[f"sector_erase_{mode}_us"] = {k: v for k, v in times.items() if v is not None} or None
    return {key: value for key, value in data.items() if value is not None}


def _texted(times: Mapping[str, float | Mapping[int, float]]) -> dict[str, Any]:
    """Sizes as TOML has them: keys are texts."""
    return {
        key: {str(size): time for size, time in value.items()}
        if isinstance(value, Mapping)
        else value
        for key, value in times.items()
    }
