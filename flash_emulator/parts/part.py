"""One part as a value: its geometry, its rules, and what ST calls its sectors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Literal

from flash_emulator.parts.part_model import (
    Aliasing,
    BadRead,
    BankSelect,
    Ecc,
    Endurance,
    Identity,
    Note,
    Numbering,
    OptionModel,
    Overwrite,
    OwnFile,
    Provenance,
    Timing,
)
from flash_emulator.parts.part_tables import PartError
from flash_emulator.parts.part_times import changed

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
    alike: tuple[str, ...] = ()  # other lines whose chips of this size have the same flash

    program_units: tuple[int, ...] = ()  # all that can be selected; F4: PSIZE
    row_bytes: int | None = None  # of one fast program (FSTPG)
    access_row_bytes: int | None = None  # F4: no program access crosses a multiple of it (PGAERR)
    burst_bytes: int | None = None  # U5: programmed at one go, aligned to its own size
    bank_starts: tuple[int, ...] = ()  # addresses; one behind the other unless the file says so
    numbering: Numbering = Numbering.PER_BANK
    first_sectors: tuple[int, ...] = ()  # ST's number of the first sector of each bank
    rom_first_sectors: tuple[int, ...] = ()  # the same as the boot ROM's erase commands count
    bker_bit: int | None = None  # in FLASH_CR; names the bank of a page erase
    sector_erase_bank: BankSelect = BankSelect.PHYSICAL  # which bank its number names
    bank_erase_bank: BankSelect = BankSelect.PHYSICAL  # MER1, MER2, or the register set
    overwrite_flag: str | None = None
    incomplete_flag: str | None = None  # for what is no whole, aligned program unit
    missing_sector_flag: str | None = None  # for an erase whose number names no sector
    fast_overwrite: Overwrite | None = None  # in fast programming; None: as ``overwrite``
    read_of_bad_unit: BadRead = BadRead.NMI
    options_at_risk: bool = False  # a cut of a plain program was reported to corrupt options
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
    own_file: OwnFile | None = field(default=None, repr=False, compare=False)  # None: packaged

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

    @property
    def spec(self) -> str:
        """What ``load_part`` finds it by again: its name, or the path of its own file."""
        if self.own_file is None:
            return self.name
        path = self.own_file.path
        return path if "/" in path or path.endswith(".toml") else f"./{path}"  # never a name

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

    def rom_sector(self, index: int) -> int:
        """What the boot ROM's erase commands call it. Unless the file says otherwise that is what
        the manual calls it, and through both banks where the manual counts from 0 in each."""
        per_bank, bank = len(self.sector_sizes), self.bank_of(index)
        first = self.rom_first_sectors
        if not first:
            restarts = len(set(self.first_sectors)) < self.bank_count
            first = tuple(range(0, per_bank * 2, per_bank)) if restarts else self.first_sectors
        return first[bank] + index - bank * per_bank

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

    def is_chip(self, name: str) -> bool:
        """Whether the part called *name* is this chip, maybe with one bank instead of two."""
        others = (option.other_part for option in self.options.fields.values())
        return name == self.name or name in others

    def with_timing(self, **times: float | Mapping[int, float]) -> Part:
        """The same part with times that no document gives, or with measured ones.

        Names as in a part file: ``program_unit_typ_us=85``, ``sector_erase_max_us=40_000`` for
        every size, or ``{16384: 500_000}`` by size. Raises PartError for a name that is none.
        """
        timing = changed(self.timing, self.sector_sizes, times, name=self.name)
        return replace(self, timing=timing)

    def with_sector_erase_bank(self, select: BankSelect | str) -> Part:
        """The same part, where the bank number of a sector erase names another bank after a swap.

        "physical" or "mapped": for L5, whose sources disagree. Raises ValueError for another word.
        """
        return replace(self, sector_erase_bank=BankSelect(select))

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
