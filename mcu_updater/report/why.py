"""Why the next start runs what it runs: the records found, the rules asked, the decision."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import assert_never

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from mcu_updater.core.boot import Fail, Look, Mode, ResetCause, Start, View, choose
from mcu_updater.core.image_version import NO_FLOOR
from mcu_updater.core.install import is_of
from mcu_updater.core.journal import IN_PROGRESS, JournalState, Phase, Snapshot


class Held(StrEnum):
    """What stands where a half of a trailer has its header."""

    HEADER = "a header"
    ERASED = "it reads erased; no header"
    DAMAGED = "no valid header: it is incomplete, or its CRC is wrong"
    UNREADABLE = "no header: it cannot be read (double ECC error)"


@dataclass(frozen=True, slots=True)
class Half:
    """One half of a trailer. *header* is there when *held* is HEADER."""

    address: str
    held: Held
    header: Snapshot | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that the bootloader can see of one bank. *intact* is None when no image is known.

    *objection*: why the image must not run; empty where it may.
    """

    name: str
    halves: tuple[Half, ...]
    reading: JournalState
    intact: bool | None
    objection: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands below it."""

    heading: str
    lines: tuple[str, ...]


PHASE_MEANING = {
    Phase.EMPTY: "nothing is known of the slot; it will not be booted",
    Phase.PLANNED: "an upgrade is accepted; its package is not known yet; it will not be booted",
    Phase.LOADING: "the image is being written; it is not complete and will not be booted",
    Phase.VERIFIED: "the image is complete and verified; it has not been switched to",
    Phase.TRIAL: "switched to, and not confirmed yet: it runs on probation",
    Phase.CONFIRMED: "the image has passed its trial, or came from the factory",
    Phase.FAILED: "the image will not be booted",
}

_MODE_MEANING = {
    Mode.RUN: "confirmed",
    Mode.TRIAL: "on trial",
    Mode.LAST_RESORT: "as a last resort",
    Mode.RECOVERY: "",
}

_AFTERWARDS = {
    Phase.PLANNED: "the upgrade to version {version} is carried on with its package",
    Phase.LOADING: "the upgrade to version {version} is carried on; sectors done already: {done}",
    Phase.VERIFIED: "version {version} is switched to as soon as the module agrees",
}


def why(
    banks: Sequence[Evidence],
    attempts: int,
    *,
    needs_option: bool = False,
    mapped: int = 0,
    execution: Evidence | None = None,
) -> list[Section]:
    """One section for each bank, then the rules in order, then the decision.

    *needs_option*: an option byte decides which bank is mapped, *mapped* now. *execution*: where
    the chosen image is copied to, if it is.
    """
    sections = [Section(f"Bank {bank.name}", tuple(_bank_lines(bank))) for bank in banks]
    trail, start = _follow(banks, attempts)
    decision = "the bootloader stays; nothing is run"
    if start.bank is not None:
        bank = banks[start.bank]
        how = _MODE_MEANING[start.mode]
        decision = f"bank {bank.name} runs, version {bank.reading.version}, {how}"
    rules = Section("Rules, in order, for a start after power-on", tuple(trail))
    means: tuple[str, ...] = ()
    if start.bank is not None and execution is not None:
        sections.append(Section("Execution slot", tuple(_execution_lines(execution))))
        means = (_installation(banks[start.bank], execution),)
    elif needs_option and start.bank not in (None, mapped):
        means = ("first the option that maps it is programmed, and the MCU reset",)
    lines = (decision, *means, *_afterwards(banks, start))
    return [*sections, rules, Section("Decision", lines)]


# --- what is there


def _bank_lines(bank: Evidence) -> Iterator[str]:
    for index, half in enumerate(bank.halves):
        counts = index == bank.reading.half
        yield f"half {index} at {half.address}: {_half_text(half, counts)}"
    yield from _record_lines(bank.reading)
    yield f"so the slot is {_phase_text(bank.reading)}"
    if bank.intact is not None:
        has = "has" if bank.intact else "does NOT have"
        yield f"the image in flash {has} the SHA-256 of its header"
    yield from _signed_lines(bank.reading.snapshot)


def _signed_lines(snapshot: Snapshot | None) -> Iterator[str]:
    if snapshot is None:
        return
    if snapshot.security_version is not None:
        yield f"its signature was verified: {snapshot.security_version}"
    if snapshot.floor != NO_FLOOR:
        yield f"nothing below {snapshot.floor} is taken on this device"


def _half_text(half: Half, counts: bool) -> str:
    if half.header is None:
        return half.held
    header = half.header
    standing = "counts" if counts else "does not count: the other half is settled or came first"
    return (
        f"header {header.phase.name}, version {header.version}, "
        f"generation {header.generation}; {standing}"
    )


def _record_lines(reading: JournalState) -> Iterator[str]:
    if reading.snapshot is None:
        return
    if reading.settled:
        yield "record settled: the other half is void"
    else:
        yield "no valid record settled: power was lost while the journal moved to this half"
    if reading.phase is Phase.LOADING:
        yield f"sector records: {reading.sectors_done}, each a sector written and verified"
    if reading.snapshot.phase is Phase.VERIFIED:
        yield from _trial_lines(reading)


def _trial_lines(reading: JournalState) -> Iterator[str]:
    if reading.switched:
        yield "record switched: the commit point is behind"
    else:
        yield "no valid record switched: the commit point is not reached"
    if reading.attempts:
        yield f"attempt records: {reading.attempts}, each a trial boot that has begun"
    if reading.failed:
        yield "record failed: the bootloader has ended the trial"


def _phase_text(reading: JournalState) -> str:
    phase = reading.phase
    snapshot = reading.current() if phase is Phase.FAILED else None
    reason = f" ({snapshot.reason.name.lower().replace('_', ' ')})" if snapshot else ""
    return f"{phase.name}{reason}: {PHASE_MEANING[phase]}"


def _execution_lines(execution: Evidence) -> Iterator[str]:
    for index, half in enumerate(execution.halves):
        yield f"half {index} at {half.address}: {_half_text(half, index == execution.reading.half)}"
    reading = execution.reading
    if reading.phase is Phase.LOADING:
        yield f"so version {reading.version} is being copied; sectors done: {reading.sectors_done}"
    elif reading.phase is Phase.CONFIRMED:
        yield f"so version {reading.version} was copied to its end"
    else:
        yield "so nothing is known of what stands there"
    if reading.phase is Phase.CONFIRMED:
        has = "has" if execution.intact else "does NOT have"
        yield f"the image in flash {has} the SHA-256 of its header"


def _installation(chosen: Evidence, execution: Evidence) -> str:
    """What the bootloader still has to copy."""
    held = execution.reading
    if not is_of(held.snapshot, chosen.reading.snapshot):
        return "first its image is copied to the execution slot"
    if held.phase is Phase.LOADING:
        return f"first the copy of its image goes on behind sectors done: {held.sectors_done}"
    if execution.intact:
        return "its image stands in the execution slot"
    return "first its image is copied to the execution slot again: what stands there is damaged"


# --- how it is decided


def _follow(banks: Sequence[Evidence], attempts: int) -> tuple[list[str], Start]:
    """Ask the boot table as ``boot.boot`` does, and note what each rule came to."""
    views = [View(bank.reading) for bank in banks]
    notes: dict[int, list[str]] = {1: [], 2: [], 3: [], 4: []}
    while True:
        rule = _rule_asked(views)
        choice = choose(views, ResetCause.POWER, attempts)
        match choice:
            case Look(bank):
                intact, why_not = bool(banks[bank].intact), banks[bank].objection
                views[bank] = replace(views[bank], intact=intact and not why_not)
                if not intact:
                    notes[rule].append(f"bank {banks[bank].name} is NOT intact")
                elif why_not:
                    notes[rule].append(f"bank {banks[bank].name}: {why_not}")
            case Fail(bank, reason):
                views[bank] = replace(
                    views[bank], reading=replace(views[bank].reading, failed=True)
                )
                notes[rule].append(reason)
            case Start():
                decisive = _RULE_OF_MODE[choice.mode]
                notes[decisive].append(choice.why)
                return _told(notes, decisive), choice
            case _:
                assert_never(choice)


_RULES = {
    1: "a bank on trial goes first, while it is intact and has attempts left",
    2: "else the newest confirmed bank that is intact",
    3: "else a verified bank that is intact, though never tried: better than nothing",
    4: "else the bootloader stays",
}
_RULE_OF_MODE = {Mode.TRIAL: 1, Mode.RUN: 2, Mode.LAST_RESORT: 3, Mode.RECOVERY: 4}
_NOT_MET = {1: "no bank is on trial", 2: "no bank is confirmed", 3: "no bank is verified"}


def _rule_asked(views: Sequence[View]) -> int:
    """The rule that the table is about to apply, for the Look or Fail that it may answer."""
    if any(view.reading.phase is Phase.TRIAL for view in views):
        return 1
    confirmed = [view for view in views if view.reading.phase is Phase.CONFIRMED]
    return 2 if any(view.intact is not False for view in confirmed) else 3


def _told(notes: dict[int, list[str]], decisive: int) -> list[str]:
    lines = []
    for rule in range(1, decisive + 1):
        found = "; ".join(notes[rule]) or _NOT_MET.get(rule, "")
        verdict = "decides" if rule == decisive else "goes on"
        lines.append(f"{rule}. {_RULES[rule]}: {found} -> {verdict}")
    return lines


def _afterwards(banks: Sequence[Evidence], start: Start) -> Iterator[str]:
    """What the application will do once it runs."""
    if start.bank is None:
        return
    if start.mode is Mode.TRIAL:
        yield "then the image tests itself: it is confirmed, or the other bank comes back"
        return
    other = banks[1 - start.bank].reading
    if other.phase in IN_PROGRESS:
        text = _AFTERWARDS[other.phase].format(version=other.version, done=other.sectors_done)
        yield f"then {text}"
    else:
        yield "then its version is reported, and a plan asked for"


def render_sections(sections: Sequence[Section]) -> Group:
    """Headings in bold; long lines hang below themselves."""
    parts: list[RenderableType] = []
    for section in sections:
        parts.append(Text(section.heading, style="bold"))
        grid = Table.grid(padding=(0, 1))
        grid.add_column(width=2, justify="right")
        grid.add_column(overflow="fold")
        for line in section.lines:
            number, dot, rest = line.partition(". ")
            numbered = bool(dot) and number.isdigit()
            grid.add_row(*map(Text, (f"{number}.", rest) if numbered else ("-", line)))
        parts.append(grid)
    return Group(*parts)
