"""Which chip answers: parts of ``flash_emulator`` by their PID and the size that they report."""

from __future__ import annotations

from functools import cache

from flash_emulator import Part, load_part, part_names
from mcu_updater.errors import UsageError
from mcu_updater.stm32.chip import Chip, FlashTimes, Sector, starts_of


def chip_of(part: Part) -> Chip:
    """What the host has to know of *part*."""
    sizes = part.sector_sizes
    starts = [start for bank in part.bank_starts for start in starts_of(bank, sizes)]
    count = len(sizes)
    identity = part.identity
    return Chip(
        name=part.name,
        pid=identity.usart_pid,
        program_unit=part.program_unit,
        sectors=tuple(map(Sector, range(len(starts)), starts, sizes * part.bank_count)),
        banks=tuple(range(bank * count, (bank + 1) * count) for bank in range(part.bank_count)),
        times=_times(part),
        uid=identity.uid,
        size_register=identity.flash_size_reg,
        option_bytes=identity.option_bytes,
        needs_wide_reads=part.family == "f4",
    )


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
    return tuple(chip_of(load_part(name)) for name in part_names())


def chips_with(pid: int) -> tuple[Chip, ...]:
    """All chips that we know with that PID; variants of one chip share it."""
    return tuple(chip for chip in _all_chips() if chip.pid == pid)


def choose_chip(candidates: tuple[Chip, ...], size: int | None) -> Chip:
    """The one of *candidates*, which share a PID, that has *size* bytes; None: size not known.

    The smallest that is large enough, cut down to *size*. Raises UsageError where two remain
    that are cut up differently: then a sector number would name different bytes.
    """
    large_enough = [chip for chip in candidates if size is None or chip.size >= size]
    if not large_enough:
        largest = max(candidates, key=lambda chip: chip.size)
        raise UsageError(
            "chip says that it has more flash than any known part of its PID",
            where=largest.name,
            expected=f"at most {largest.size} bytes",
            found=f"{size} bytes",
            then="Name it with --part, or give --geometry",
        )
    smallest = min(chip.size for chip in large_enough)
    fitting = [
        chip.limited(chip.size if size is None else size)
        for chip in large_enough
        if size is None or chip.size == smallest
    ]
    if len({chip.sectors for chip in fitting}) > 1:
        raise UsageError(
            "several parts have this PID, and their sectors differ",
            found=", ".join(chip.name for chip in fitting),
            then="Name yours with --part",
        )
    return fitting[0]
