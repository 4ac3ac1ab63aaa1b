"""A compiled bootloader on its board as what is searched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import sha256

from flash_emulator.explore import Nothing, Progress
from flash_emulator.explore.campaign import Origin, Result
from flash_emulator.machine.board_facts import (
    NOT_MODELLED,
    asked,
    name_of,
    not_asked,
    world_of,
)
from flash_emulator.machine.board_file import BoardFile
from flash_emulator.machine.first_boot import SeenBoot
from flash_emulator.player import FlashMap
from mcu_updater.core.errors import address_text
from mcu_updater.powerloss.known_hazards import KnownHazard, with_known
from mcu_updater.powerloss.searching import SearchSettings, Target, explore_target

_SOME = 20  # registers


def target_of(read: BoardFile, first: SeenBoot) -> Target:
    """*first*: one boot of it, for what a report says of that."""
    subject, board = read.subject, read.board
    return Target(
        name_of(read),
        subject,
        board.flash(),
        Nothing(),
        map_of(read),
        facts_of(read, first),
        world_of(read),
        filmed=subject.unit_by_unit,
        origin=origin_of(read),
    )


def map_of(read: BoardFile) -> FlashMap:
    """Of its part, with the slots that the board file names."""
    board = read.board
    found = {slot.name: (board.part.offset_of(slot.address), slot.size) for slot in board.slots}
    regions = {name: (at, size) for name, (at, size) in found.items() if at is not None}
    return FlashMap.of(board.part, regions)


def explore_board(
    read: BoardFile,
    first: SeenBoot,
    settings: SearchSettings,
    tell: Callable[[Progress], None],
    known: Sequence[KnownHazard] = (),
    origin: Origin | None = None,
) -> Result:
    """Where the first boot is wrong, no cut makes it worse: the search ends there. *known* and
    *origin* as ``campaign.explore`` has them."""
    limits = settings.options.limits
    if first.violation is not None:
        limits = replace(limits, violations=1)
    elif known:  # they are found again and again
        limits = replace(limits, violations=None)
    settings = replace(settings, options=replace(settings.options, limits=limits))
    target = target_of(read, first)
    expected = with_known(known, target.expectation)
    target = replace(target, expectation=expected, origin=origin or target.origin)
    return explore_target(target, settings, tell)


def origin_of(read: BoardFile) -> Origin:
    """Paths as they were given. Sources may lie beside the board file, its images, and where the
    file says."""
    folder = read.path.parent
    files = [image.file or "" for image in read.table.images]
    beside = [folder, *((folder / file).parent for file in files if file)]
    beside += [folder / name for name in read.table.sources]
    folders = dict.fromkeys(map(str, beside))
    return Origin(str(read.path), 1, tuple(folders), read.path.stem)


def facts_of(read: BoardFile, first: SeenBoot) -> dict[str, str]:
    """What a report says of it."""
    board = read.board
    images = {
        f"image {image.name}": f"{len(image.data)} bytes at {address_text(image.address)}, SHA-256 "
        f"{sha256(image.data).hexdigest()}"
        for image in board.images
    }
    return {
        "part": board.part.name,
        **images,
        "questions": "; ".join(asked(board)),
        "not asked": "; ".join(not_asked(board)) or "none",
        "operations": "coalesced" if board.coalesce else "unit by unit",
        "first boot": first.verdict or str(first.violation),
        "registers that nobody models": _some(registers_met(first)) or "none were met",
        "polls that were cut short": ", ".join(polls_met(read, first)) or "none",
        "not modelled at all": NOT_MODELLED,
    }


def _some(texts: list[str]) -> str:
    more = f" and {len(texts) - _SOME:,} more" if len(texts) > _SOME else ""
    return ", ".join(texts[:_SOME]) + more


def registers_met(first: SeenBoot) -> list[str]:
    """Addresses that nobody models, with how often each was used."""
    return [
        f"{address_text(address)} ({count} times)"
        for address, count in sorted(first.met.registers.items())
    ]


def polls_met(read: BoardFile, first: SeenBoot) -> list[str]:
    """Loops that were helped over: register, PC, how often."""
    return [
        f"{address_text(address)} at {read.symbols.name(pc)} ({count} times)"
        for (address, pc), count in sorted(first.met.polls.items())
    ]
