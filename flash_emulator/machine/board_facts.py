"""A board in words: what names it in reports and certificates, what it is asked and not asked."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256

from flash_emulator.machine.board import Board
from flash_emulator.machine.board_file import BoardFile
from flash_emulator.machine.symbols import shown

NOT_MODELLED = (
    "DMA, USB, Ethernet, TrustZone, MPU faults, caches, cycles of single instructions, faults of "
    "accesses that are not aligned, the boot ROM's code"
)
"""Of the emulated MCU; of its flash see ``flash_emulator``."""


def name_of(read: BoardFile) -> str:
    """Of the search: the file's, and which board that was."""
    return f"{read.path.stem}/{digest_of(read)[:8]}"


def digest_of(read: BoardFile) -> str:
    """Of all that decides what a search finds."""
    return sha256(repr(sorted(read.subject.fingerprints().items())).encode()).hexdigest()


def world_of(read: BoardFile) -> dict[str, str]:
    """What a certificate says of it."""
    return {"firmware": read.path.stem, "part": read.board.part.name, "board": digest_of(read)}


def asked(board: Board) -> Iterator[str]:
    questions = board.questions
    if questions.safe and questions.published:
        yield f"safe: one of {', '.join(image.name for image in questions.published)} runs"
    if questions.live:
        wanted = f", and {questions.wanted} runs" if questions.wanted else ""
        yield f"live: a boot comes to {' or '.join(questions.rests_in)}{wanted}"
    if questions.reported:
        yield "reported: the output names what runs"
    if questions.never:
        yield f"no rollback: {', '.join(questions.never)} never runs"
    for address, size in questions.untouched:
        yield f"untouched: {shown(address)} to {shown(address + size - 1)}"


def not_asked(board: Board) -> Iterator[str]:
    """With what the board file needs for it."""
    questions = board.questions
    if not questions.published:
        yield "safe (no image has published = true)"
    elif not questions.safe:
        yield "safe"
    if not questions.live:
        yield "live"
    elif questions.wanted is None:
        yield "whether the update is lost (questions.wanted)"


def all_not_asked(board: Board) -> Iterator[str]:
    """Of all questions that there are: those that most boards do not need, too."""
    questions = board.questions
    yield from not_asked(board)
    if not questions.reported:
        yield "reported: whether the output names what runs (no questions.reported)"
    if not questions.never:
        yield "no rollback: whether an image runs that must not any more (no questions.never)"
    if not questions.untouched:
        yield "untouched: whether something is written that must not be (no questions.untouched)"
