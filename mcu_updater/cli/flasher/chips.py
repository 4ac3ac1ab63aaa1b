"""Which chip answers: parts of ``flash_emulator`` by PID, size and the options that make banks.

Sector numbers and what they stand for differ between parts that share a PID, so no part is taken
because it is near: where chip and documents leave two, the user has to say which.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cache

from flash_emulator import Part, load_part, other_size_names, part_names
from flash_emulator.parts.part_model import BankSelect, OptionField, OptionRole
from mcu_updater.core.errors import ChipRefused, UsageError
from mcu_updater.stm32.chip import BankOption, Chip, FlashTimes, Sector, starts_of

BitReader = Callable[[BankOption], int | None]
"""What the chip's option bytes have there; None where the boot ROM does not show them."""

_NAME_IT = "Name yours with --part. Nothing was changed"


def chip_of(part: Part) -> Chip:
    """What the host has to know of *part*."""
    sizes = part.sector_sizes
    starts = [start for bank in part.bank_starts for start in starts_of(bank, sizes)]
    numbers = [part.rom_sector(index) for index in range(part.sector_count)]
    count = len(sizes)
    identity = part.identity
    return Chip(
        name=part.name,
        pid=identity.usart_pid,
        program_unit=part.program_unit,
        sectors=tuple(map(Sector, numbers, starts, sizes * part.bank_count)),
        banks=tuple(range(first, first + count) for first in numbers[::count]),
        times=_times(part),
        uid=identity.uid,
        size_register=identity.flash_size_reg,
        option_bytes=identity.option_bytes,
        free_ram=identity.bootloader_ram_end,
        needs_wide_reads=part.family == "f4",
        bank_options=tuple(_bank_options(part)),
        bank_erase_is_sure=_bank_erase_is_sure(part),
        # F103xF: the first 768 KB of an xG (OpenOCD stm32f1x.c)
        can_be_cut=part.bank_count == 1 or part.family == "f1",
    )


def _bank_options(part: Part) -> Iterable[BankOption]:
    """The geometry is for the value that such an option has "as delivered" in the part file.

    So are the ROM's numbers for banks that are not exchanged, where a number names a bank of the
    silicon whatever its address: whether the ROM makes up for that, no document says.
    """
    area = part.identity.option_bytes
    exchanged = part.sector_erase_bank is BankSelect.PHYSICAL
    for name, option in part.options.fields.items():
        if option.role is OptionRole.BANKS or (exchanged and option.role is OptionRole.SWAP):
            place = _place(option, area)
            yield (
                BankOption(name, option.default, *place)
                if place
                else BankOption(name, option.default)
            )


def _bank_erase_is_sure(part: Part) -> bool:
    """U5, H5: banks of the silicon, exchanged by an option that the boot ROM does not show."""
    swap = part.options.swap
    is_mapped = part.bank_erase_bank is not BankSelect.PHYSICAL
    return (
        swap is None
        or is_mapped
        or bool(_place(part.options.fields[swap], part.identity.option_bytes))
    )


def _place(option: OptionField, area: range | None) -> tuple[int, int] | None:
    """Word and bit; L4, G0, G4: FLASH_OPTR is the first word of the area."""
    if area is None:
        return None
    if option.option_byte is not None and option.option_byte_bit is not None:
        return option.option_byte, option.option_byte_bit
    if option.register == "FLASH_OPTR" and option.bit is not None:
        return area.start, option.bit
    return None


def _times(part: Part) -> FlashTimes:
    def either(kind: str, size: int | None = None) -> int | None:
        typical = part.timing.of(kind, size)  # type: ignore[arg-type]  # one of Kind, below
        return part.timing.of(kind, size, "max") if typical is None else typical  # type: ignore[arg-type]

    return FlashTimes(
        program_unit=either("program_unit"),
        sector_erase={size: either("sector_erase", size) for size in set(part.sector_sizes)},
        mass_erase=either("mass_erase"),
        bank_erase=either("bank_erase"),
    )


@cache
def _all_chips() -> tuple[Chip, ...]:
    return tuple(chip_of(load_part(name)) for name in (*part_names(), *other_size_names()))


def chips_with(pid: int) -> tuple[Chip, ...]:
    """All chips that we know with that PID; those of one die share it."""
    return tuple(chip for chip in _all_chips() if chip.pid == pid)


def choose_chip(
    candidates: Sequence[Chip], size: int | None, read_bit: BitReader = lambda _: None
) -> Chip:
    """The one of *candidates*, which share a PID, that has *size* bytes and these options.

    *size* None: the chip does not say. Raises UsageError, with the names, where that leaves several
    whose sectors differ, or their numbers; ChipRefused where it leaves none.
    """
    sized = _of_size(candidates, size)
    fitting = [
        chip for chip in sized if all(fits(option, read_bit) for option in chip.bank_options)
    ]
    if not fitting:
        raise ChipRefused(
            "the chip's option bytes fit none of the parts with its PID and size",
            expected="; ".join(f"{chip.name}: {_options(chip)}" for chip in sized),
            found=_found(sized, read_bit),
            then="Give --geometry. Nothing was changed",
        )
    if len({chip.sectors for chip in fitting}) > 1:
        raise UsageError(
            "several parts have this PID, and their sectors differ or are numbered otherwise",
            found=", ".join(chip.name for chip in fitting),
            then=_NAME_IT,
        )
    return fitting[0]


def confirm_chip(chip: Chip, size: int | None, read_bit: BitReader) -> Chip:
    """*chip*, which the user has named, as far as the chip itself does not contradict."""
    for option in chip.bank_options:
        if not fits(option, read_bit):
            raise ChipRefused(
                "the chip has other banks than the part that --part names",
                where=chip.name,
                expected=f"{option.name} = {option.value} in its option bytes",
                found=f"{option.name} = {read_bit(option)}",
                then="Leave --part out, or name the right one. Nothing was changed",
            )
    if size is None or size == chip.size:
        return chip
    known = [other for other in chips_with(chip.pid or 0) if other.size == size]
    if size < chip.size and chip.can_be_cut:
        return chip.limited(size)
    begins = [_begins_with(other, chip) for other in known] or [chip.can_be_cut]
    if size > chip.size and any(begins):
        return replace(chip, is_whole=False)
    raise ChipRefused(
        "the chip has another size than the part that --part names, and is laid out otherwise",
        where=chip.name,
        expected=f"{chip.size} bytes",
        found=f"{size} bytes" + _named(known),
        then="Leave --part out, or name the right one. Nothing was changed",
    )


def _begins_with(chip: Chip, smaller: Chip) -> bool:
    return chip.sectors[: len(smaller.sectors)] == smaller.sectors


def _named(chips: Sequence[Chip]) -> str:
    return f": {' or '.join(chip.name for chip in chips)}" if chips else ""


def fits(option: BankOption, read_bit: BitReader) -> bool:
    """What cannot be read contradicts nobody."""
    return read_bit(option) in (None, option.value)


def _of_size(candidates: Sequence[Chip], size: int | None) -> list[Chip]:
    exact = [chip for chip in candidates if size in (None, chip.size)]
    if exact or size is None:
        return exact
    larger = [chip for chip in candidates if chip.size > size]
    if not larger:
        largest = max(candidates, key=lambda chip: chip.size)
        raise UsageError(
            "chip says that it has more flash than any known part of its PID",
            where=largest.name,
            expected=f"at most {largest.size} bytes",
            found=f"{size} bytes",
            then="Name it with --part, or give --geometry",
        )
    return [chip.limited(size) for chip in larger]


def _options(chip: Chip) -> str:
    return ", ".join(f"{option.name} = {option.value}" for option in chip.bank_options) or "any"


def _found(chips: Sequence[Chip], read_bit: BitReader) -> str:
    options = {option.name: option for chip in chips for option in chip.bank_options}
    return ", ".join(f"{name} = {read_bit(option)}" for name, option in options.items())
