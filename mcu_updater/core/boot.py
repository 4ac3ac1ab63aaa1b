"""Which bank to run, and why.

``choose`` is the pure table; ``boot`` asks it, looks at what it asks for, lets the CPU have the
bank, and writes the one record that is wanted. It erases nothing in the banks.

    a bank on trial     may it run? no   -> it has failed; go on below
                        the last start ended by itself, and its attempts are spent
                                         -> it has failed; go on below
                        else             -> run it, on trial
    confirmed banks     newest first, may run -> run it
    verified banks      may run          -> run it: better than nothing at all
    none                                 -> stay in the bootloader

An image may run when it is intact and its security counter is not below that of an image that was
ever confirmed here; and where the bootloader has keys of its own, when one of them has signed it.

A trial whose attempt cannot be recorded is not given: it could be given for ever.
A start after power was lost costs the trial no attempt: a cut is not the image's fault. All other
starts count, also those whose cause is unknown.

Where a mapping takes a reset (swap option), ``boot`` has the option programmed and says that a
reset is needed; no attempt is recorded before the bank that it counts for is mapped. A bank that
was left by such a reset is not tried again without another one, and after MOST_SWAPS resets in a
row only the mapped bank is considered: banks cannot be swapped to and fro for ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from mcu_updater.core.bank import Bank, open_banks
from mcu_updater.core.errors import ImageRejected, VerificationFailed
from mcu_updater.core.flash import BankSwitch, FlashDevice
from mcu_updater.core.image_version import SecurityVersion, highest
from mcu_updater.core.journal import MAX_ATTEMPTS, JournalState, Phase, Record, Snapshot
from mcu_updater.core.slot import AnyLayout
from mcu_updater.core.trust import Place, Trust

ATTEMPTS = 3
"""Trial boots before the old image comes back (policy; at most journal.MAX_ATTEMPTS)."""

MOST_SWAPS = 2
"""Resets of the bootloader's own in one start: to a trial, and back when it cannot be given."""


class ResetCause(StrEnum):
    """Why the CPU starts, as the chip's reset flags say."""

    POWER = "power"
    SOFTWARE = "software"
    WATCHDOG = "watchdog"
    UNKNOWN = "unknown"


class Mode(StrEnum):
    """What kind of start it is."""

    RUN = "run"
    TRIAL = "trial"
    LAST_RESORT = "last resort"
    RECOVERY = "recovery"  # nothing can be run


FALLBACK = ((Phase.CONFIRMED, Mode.RUN), (Phase.VERIFIED, Mode.LAST_RESORT))
"""Phases of banks that run without a trial, in the order in which they are tried; and the mode."""


@dataclass(frozen=True, slots=True)
class View:
    """What is known of one bank. *intact*: its image may run; None until somebody has looked."""

    reading: JournalState
    intact: bool | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """The table needs to know whether this bank's image may run."""

    bank: int


@dataclass(frozen=True, slots=True)
class Fail:
    """This bank's trial is over: record it, then ask again."""

    bank: int
    why: str


@dataclass(frozen=True, slots=True)
class Start:
    """Run *bank* (None: none can be run). *counts*: record a trial attempt first."""

    bank: int | None
    mode: Mode
    why: str
    counts: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """The start that was chosen, and every reason on the way to it.

    *needs_reset*: the bank is not mapped yet; reset the MCU and boot again.
    """

    bank: int | None
    mode: Mode
    reasons: tuple[str, ...]
    needs_reset: bool = False
    version: str = ""  # of the bank's image, as its journal has it


def choose(views: Sequence[View], cause: ResetCause, attempts: int) -> Look | Fail | Start:
    """The table above. Pure; asked again after each Look and each Fail, four times at most."""
    for bank, view in enumerate(views):
        if view.reading.phase is Phase.TRIAL:
            return _choose_trial(bank, view, cause, attempts)
    for phase, mode in FALLBACK:
        for bank in _newest_first(views, phase):
            if views[bank].intact is None:
                return Look(bank)
            if views[bank].intact:
                return Start(bank, mode, _why(bank, views[bank].reading, mode))
    return Start(None, Mode.RECOVERY, "no bank holds a complete, verified image")


def _newest_first(views: Sequence[View], phase: Phase) -> list[int]:
    banks = [bank for bank, view in enumerate(views) if view.reading.phase is phase]
    return sorted(banks, key=lambda bank: -views[bank].reading.generation)


def _choose_trial(bank: int, view: View, cause: ResetCause, attempts: int) -> Look | Fail | Start:
    spent = view.reading.attempts
    if view.intact is None:
        return Look(bank)
    if not view.intact:
        return Fail(bank, f"bank {'AB'[bank]} was on trial, but its image is damaged or barred")
    if cause is ResetCause.POWER:
        why = f"bank {'AB'[bank]} is on trial; power was lost, which costs it no attempt"
        return Start(bank, Mode.TRIAL, f"{why} ({spent} of {attempts} spent)")
    if spent >= attempts:
        return Fail(bank, f"bank {'AB'[bank]} did not confirm within {attempts} attempts")
    why = f"bank {'AB'[bank]} is on trial, attempt {spent + 1} of {attempts}"
    return Start(bank, Mode.TRIAL, why, counts=True)


def _why(bank: int, reading: JournalState, mode: Mode) -> str:
    text = f"bank {'AB'[bank]} holds version {reading.version}, generation {reading.generation}"
    if mode is Mode.LAST_RESORT:
        return f"{text}, verified but never tried; no confirmed image is intact"
    return f"{text}, confirmed and intact"


def examine(bank: Bank) -> View:
    """What the bank's journal says; its image has not been looked at."""
    return View(bank.journal.read())


def boot(
    device: FlashDevice,
    switch: BankSwitch,
    layout: AnyLayout,
    cause: ResetCause,
    attempts: int = ATTEMPTS,
    *,
    swaps: int = 0,
    trust: Trust | None = None,
) -> Decision:
    """Choose a bank and let the CPU have it. Programs one record at most for each bank.

    *cause* is that of the start at hand, and *swaps* how many resets the bootloader itself has
    asked for since: both are kept where a reset does not clear them. *trust*: the bootloader's own
    keys; None: it relies on the journal's digests. What a cut leaves: see
    ``Journal.record`` and ``BankSwitch.map_bank``; the next start decides anew.
    """
    if not 1 <= attempts <= MAX_ATTEMPTS:
        raise ValueError(f"attempts: 1 to {MAX_ATTEMPTS}, not {attempts}")
    banks = open_banks(device, switch, layout)
    examined = [examine(bank) for bank in banks]
    floor = floor_of([view.reading for view in examined])
    views = _limited(examined, switch.mapped_bank, swaps)
    reasons: list[str] = []
    while True:
        choice = choose(views, cause, attempts)
        match choice:
            case Look(bank):
                why_not = objection(banks[bank], views[bank].reading.snapshot, floor, trust)
                views[bank] = replace(views[bank], intact=not why_not)
                if why_not:
                    reasons.append(f"bank {'AB'[bank]}: {why_not}")
            case Fail(bank, why):
                reasons.append(why)
                _record(banks[bank], views[bank].reading, Record.FAILED, range(1))
                views[bank] = _failed(views[bank])
            case Start(None, mode, why):
                return Decision(None, mode, (*reasons, why))
            case Start(int(bank), mode, why, counts):
                is_mapped = not switch.maps_at_once and bank == switch.mapped_bank
                if not is_mapped and (error := _map(switch, bank)):
                    reasons.append(f"bank {'AB'[bank]}: {error}")
                    views[bank] = replace(views[bank], intact=False)
                    continue
                if not is_mapped and not switch.maps_at_once:
                    return Decision(bank, mode, (*reasons, why), needs_reset=True)
                banks = open_banks(device, switch, layout)
                if counts and not _count(banks[bank], views[bank].reading, attempts):
                    reasons.append(f"bank {'AB'[bank]}: no attempt can be recorded any more")
                    views[bank] = _failed(views[bank])
                    continue
                version = views[bank].reading.version
                return Decision(bank, mode, (*reasons, why), version=version)


def floor_of(readings: Sequence[JournalState]) -> SecurityVersion:
    """The highest security version that was confirmed on a device whose journals say *readings*."""
    return highest(reading.snapshot.floor for reading in readings if reading.snapshot is not None)


def objection(
    bank: Bank, snapshot: Snapshot | None, floor: SecurityVersion, trust: Trust | None = None
) -> str:
    """Why the image that *snapshot* tells of must not run; empty where it may.

    An older version may: it is the one to go back to. A lower security counter may not: that is
    what its signer raised it for.
    """
    if snapshot is None or not bank.is_intact(snapshot):
        return "the image does not have its digest"
    counter = snapshot.security_version.counter if snapshot.security_version else 0
    if counter < floor.counter:
        return f"security counter {counter} is below {floor.counter}, which was confirmed here"
    if trust is None:
        return ""
    place = Place(bank.slot.link_address, bank.slot.size)
    least = SecurityVersion(counter=floor.counter)
    try:
        _, digest = trust.inspect_flash(
            bank.slot.read, snapshot.image_size, place, least, snapshot.version
        )
    except (OSError, ImageRejected) as error:
        return str(error)
    return "" if digest == snapshot.image_sha256 else "the image reads differently each time"


def _limited(views: list[View], mapped: int, swaps: int) -> list[View]:
    """What may still be chosen after *swaps* resets of the bootloader's own."""
    other = 1 - mapped
    if swaps >= MOST_SWAPS:
        views[other] = View(JournalState())
    elif swaps and views[other].reading.phase is Phase.TRIAL:
        views[other] = _failed(views[other])
    return views


def _map(switch: BankSwitch, bank: int) -> str:
    """Let the CPU have *bank*. Returns why that cannot be done; empty where it is done."""
    try:
        switch.map_bank(bank)
    except (OSError, VerificationFailed, ImageRejected) as error:
        return str(error)
    return ""


def _count(bank: Bank, reading: JournalState, attempts: int) -> bool:
    return _record(bank, reading, Record.ATTEMPT, range(reading.attempts, attempts))


def _failed(view: View) -> View:
    return replace(view, reading=replace(view.reading, failed=True))


def _record(bank: Bank, reading: JournalState, record: Record, places: range) -> bool:
    """Write *record* at the first of *places* that takes it; a spoilt one counts as spent."""
    for index in places:
        try:
            bank.journal.record(reading, record, index)
        except OSError:
            continue
        return True
    return False
