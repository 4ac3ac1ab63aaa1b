"""The states of a certificate, one by one: each is reached again, cut by cut, and booted."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from flash_emulator import CutAt, EmulatedFlash, MetastableMode, Operation, Outcome, PowerLoss
from flash_emulator.certificate_check.boots import (
    ReadChoice,
    ended,
    most_flipped,
    powered,
    state_key,
)
from flash_emulator.certificate_check.container import NotConfirmed
from flash_emulator.certificate_check.file import Certificate, read
from flash_emulator.certificate_check.plain_cells import Mismatch
from flash_emulator.certificate_check.plain_replay import Shadow
from flash_emulator.certificate_check.schema import CUT, OUTCOMES, words_of
from flash_emulator.certificate_check.unseen import Slice, Unseen
from flash_emulator.certificate_check.verdict import Verdict
from flash_emulator.certificate_check.walk import Left, Walk
from flash_emulator.device.fingerprints import fingerprints

REPLAYED = 8  # states whose boots are held against the plain model


class _Moment(BaseException):
    """Power goes while no operation is under way."""


class Checker:
    """Checks states of *certificate*, one by one. *cuts* counts those that were tried."""

    def __init__(
        self, certificate: Certificate, subject: Any, flash: EmulatedFlash, external: Any
    ) -> None:
        self.certificate = certificate
        self.subject = subject
        self.outcomes = {OUTCOMES[code]: code for code in certificate.header["outcomes"]}
        self.metastable_modes = [MetastableMode(mode) for mode in certificate.header["readings"]]
        self.draws: int = certificate.header["draws"]
        self.compared = _compared(certificate)
        self.torn: dict[str, tuple[int, int]] = {}  # units, by the path whose last cut it was
        self.cuts = 0
        self.left_out = 0
        if certificate.header["opsr"] and not flash.part.opsr:
            raise NotConfirmed(f"states are told apart by FLASH_OPSR: {flash.part.name} has none")
        self._start = flash.fork(), external
        self._start[0].draws_by_place = True
        self.state = lru_cache(4096)(self._state)

    def check(self, path: str) -> None:
        """Raises NotConfirmed."""
        state, ways = self.state(path), [ReadChoice()]
        for read_choice in ways:  # it grows
            walk = Walk(self, path, state, read_choice)
            found = walk.follow()
            if found is not None and any(self._unseen(each).spans for each in _way(path)):
                self._really(path, read_choice, found)
            ways += [new for new in self._other_ways(read_choice, walk.flash) if new not in ways]
        for read_choice in self.certificate.boots[self.certificate.paths[path]]:
            if read_choice not in ways:
                raise NotConfirmed(f"{path}: bits read {read_choice}: no boot looks at these units")

    def _other_ways(self, read_choice: ReadChoice, flash: EmulatedFlash) -> list[ReadChoice]:
        """What else a state is booted in, after *flash* was booted in one way."""
        if read_choice.metastable_mode is not MetastableMode.STABLE or not flash.flickers:
            return []
        flipped, left, all_tried = (
            list[ReadChoice](),
            len(read_choice.flips),
            not flash.flickered_full,
        )
        for unit, among, count in flash.flickered:
            is_tried = count < most_flipped(among)
            all_tried &= is_tried
            if unit in read_choice.flips:
                left -= 1
            elif not left and is_tried and MetastableMode.FLIPPED in self.metastable_modes:
                flipped.append(ReadChoice(flips=read_choice.flips | {unit}))
        self.left_out += not all_tried
        others = (
            each
            for each in self.metastable_modes
            if each is not MetastableMode.FLIPPED or not all_tried
        )
        return [*flipped, *map(ReadChoice, others)]

    def _unseen(self, path: str) -> Unseen:
        return self.certificate.unseen[self.certificate.paths[path]]

    def left(self, flash: EmulatedFlash) -> EmulatedFlash:
        """What a cut leaves of *flash*, as far as the search goes."""
        if not self.certificate.header["merge"]:
            return flash
        if not self.certificate.header["opsr"]:
            flash.forget_interrupted()
        flash.cells.fade()
        if not self.certificate.header["representatives"]:
            return flash
        found: EmulatedFlash = self.subject.representative(flash)
        return found

    def _state(self, path: str) -> Left:
        """The state at the end of *path*, with all forgotten that the certificate forgets."""
        flash, external = (
            self._start if path == "-" else self._cut(self.state(_way(path)[-2]), path)
        )
        unseen, expected = self._unseen(path), self.certificate.paths[path]
        if not unseen.fits(flash):
            raise NotConfirmed(f"{path}: what is unknown is no range of units of this part")
        twin = unseen.forgotten(flash)
        found = (
            state_key(twin, external) if twin is not None else "one that may hold what is excluded"
        )
        if twin is None or found != expected:
            raise NotConfirmed(f"{path}: expected state {expected}, found {found}")
        if Unseen.held_by(twin) != unseen:
            raise NotConfirmed(f"{path}: less is called unknown than the state says nothing of")
        return twin, external

    def _cut(self, state: Left, path: str, shadow: Shadow | None = None) -> Left:
        """Boot *state* up to the last cut of *path*; with *shadow*, beside the plain model."""
        parsed = CUT.fullmatch(path.rpartition(".")[2])
        assert parsed is not None  # the file was read
        operation, code, draw, words, moment, _, way, read_choice = parsed.groups()
        flash = powered(state[0], ReadChoice.parse(read_choice))
        if shadow is not None:
            flash = shadow.powered(flash)
        boot = self.subject.boot(flash, state[1])
        flash.watch = _AtMoment(int(moment or 0))
        if operation:
            outcome, given = self._outcome(code, path), words_of(words)
            if (number := int(draw or 0)) >= self.draws:
                raise NotConfirmed(f"{path}: the search did not try draw {number}")
            flash.supply = CutAt(int(operation), outcome, draw=number, words=given)
        try:
            found = ended(flash, boot.run())
            flash.check_power()
        except _Moment:
            pass
        except PowerLoss as loss:
            if self.certificate.header["merge"]:
                self.torn[path] = _units(flash, loss)
        else:
            if operation or moment or found[1]:
                raise NotConfirmed(f"{path}: the last cut is never reached, found {found}")
        flash.watch = None
        ways = dict(boot.surviving())
        if (way or "") not in ways:
            raise NotConfirmed(f"{path}: power never comes back in the way {way or ''!r}")
        left = self.left(flash.alone())
        if shadow is not None:
            shadow.cut(flash, left, merge=self.certificate.header["merge"])
        external = ways[way or ""]
        return self.subject.returned(left, external), external

    def _outcome(self, code: str, path: str) -> Outcome:
        if OUTCOMES[code] not in self.outcomes:
            raise NotConfirmed(f"{path}: the search did not try the outcome {OUTCOMES[code]}")
        return OUTCOMES[code]

    def _really(self, path: str, read_choice: ReadChoice, expected: object) -> None:
        """The same cuts with nothing forgotten."""
        state = self._start
        for prefix in _way(path)[1:]:
            state = self._cut(state, prefix)
        flash = powered(state[0], read_choice)
        boot = self.subject.boot(flash, state[1])
        if (found := ended(flash, boot.run())) != expected:
            raise NotConfirmed(f"{path}: really ends in {found}, expected {expected}")

    def replay(self, path: str, shadow: Shadow) -> None:
        """All boots on the way to the end of *path*, and the one that follows, beside the plain
        model, with nothing forgotten. Raises NotConfirmed where the device does something else."""
        shadow.begin(self._start[0])
        state = self._start
        try:
            for prefix in _way(path)[1:]:
                state = self._cut(state, prefix, shadow)
            flash = shadow.powered(powered(state[0], ReadChoice()))
            self._to_rest(flash, self.subject.boot(flash, state[1]))
            shadow.rest(flash)
        except Mismatch as error:
            raise NotConfirmed(f"{path}: the plain model of the cells differs: {error}") from error

    def _to_rest(self, flash: EmulatedFlash, boot: Any) -> None:
        """Or to where it was before, or through as many operations as a boot may do."""
        been: set[tuple[bytes, bytes, str]] = set()

        def point(memory: object) -> None:
            here = flash.state_digest(), boot.volatile(), repr((memory, flash.boot_state()))
            if here in been:
                raise _Moment
            been.add(here)

        flash.supply = CutAt(self.certificate.header["operations"] + 1, Outcome.BEFORE)
        try:
            ended(flash, boot.run(), point)
        except (PowerLoss, _Moment):
            """It has come as far as it is followed."""


def _units(flash: EmulatedFlash, loss: PowerLoss) -> tuple[int, int]:
    """What was cut: the first unit, and behind the last."""
    size, part = flash.part.program_unit, flash.part
    at = flash.array_offset(loss.address)
    sizes = {
        "program": size,
        "erase": part.sector_starts.get(at, 0),
        "bank erase": part.bank_size,
        "mass erase": part.size,
    }
    return at // size, (at + sizes.get(loss.kind, 0)) // size


def _compared(certificate: Certificate) -> dict[int, set[Slice]]:
    """What the file says that boots compare units with."""
    return {
        unit: {(begin, bytes.fromhex(data)) for begin, data in slices}
        for unit, slices in certificate.totals["compared"]
    }


def _way(path: str) -> list[str]:
    """The paths to all states on the way, from the start to the end of *path*."""
    parts = [] if path == "-" else path.split(".")
    return ["-", *(".".join(parts[: count + 1]) for count in range(len(parts)))]


@dataclass
class _AtMoment:
    """Cuts at the moment of this number."""

    left: int

    def operation(self, operation: Operation) -> None:
        """Nothing: the supply cuts operations."""

    def read(self, offset: int, size: int) -> None:
        """Nothing."""

    def compared(self, unit: int, wanted: Slice, *, never: bool) -> None:
        """Nothing."""

    def moment(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise _Moment


def confirm(
    path: str,
    factory: Callable[[dict[str, str]], Any],
    *,
    sample: int = 0,
    seed: int = 0,
    head: str = "",
    also: Iterable[str] = (),
) -> Verdict:
    """Check all states, or a *sample* of them. Raises NotConfirmed with what does not hold.

    *also*: paths of states that are checked whether they are in the sample or not.

    *head*: the one that the certificate must have, where that is known. What can be asked without
    a boot is asked of the whole file in any case.
    """
    certificate = read(path)
    if head not in ("", certificate.head):
        raise NotConfirmed(f"another certificate: expected head {head}, found {certificate.head}")
    subject, flash, external = factory(certificate.header["world"])
    is_made_of(certificate, subject, flash, external)
    checker = Checker(certificate, subject, flash, external)
    paths = chosen(certificate, sample, seed, also)
    for each in paths:
        checker.check(each)
    shadow = Shadow()
    for each in random.Random(seed).sample(paths, min(REPLAYED, len(paths))):  # noqa: S311
        checker.replay(each, shadow)
    return _verdict(checker, len(paths), shadow)


def chosen(certificate: Certificate, sample: int, seed: int, also: Iterable[str] = ()) -> list[str]:
    """Paths of all states; or of a *sample*, and of those of *also* that the certificate has."""
    paths = list(certificate.paths)
    if not 0 < sample < len(paths):
        return paths
    drawn = random.Random(seed).sample(paths, sample)  # noqa: S311
    return list(dict.fromkeys([*drawn, *(path for path in also if path in certificate.paths)]))


_KINDS = {
    "tool": "program",
    "part": "part",
    "subject": "subject",
    "given": "subject",
    "start": "device at the start",
}


def is_made_of(certificate: Certificate, subject: Any, flash: EmulatedFlash, external: Any) -> None:
    """It must be for what is here. Raises NotConfirmed with what differs."""
    here, there = fingerprints(subject, flash, external), certificate.header["made_of"]
    for kind, facts in here.items():
        found = there[kind]
        for name in {**facts, **found}:
            if facts.get(name) != found.get(name):
                expected, other = (one.get(name, "nothing") for one in (facts, found))
                what = f"a certificate for another {_KINDS[kind]}: {name} {other}"
                raise NotConfirmed(f"{what}; here it is {expected}")


def _verdict(checker: Checker, checked: int, shadow: Shadow) -> Verdict:
    certificate = checker.certificate
    header, violations = certificate.header, certificate.totals["violations"]
    kinds = [tuple(s.violation) for s in certificate.segments.values() if s.violation]
    loops = [("live", "the run never comes to rest")] * (violations - len(kinds))
    return Verdict(
        checked=checked,
        states=len(certificate.unseen),
        cuts=checker.cuts,
        violations=violations,
        kinds=(*((question, text) for question, text in kinds), *loops),
        world=header["world"],
        subject=header["made_of"]["subject"]["name"],
        seed=header["made_of"]["start"]["seed"],
        represents=header["merge"] and header["representatives"],
        outcomes=tuple(checker.outcomes),
        metastable_modes=tuple(checker.metastable_modes),
        draws=checker.draws,
        erased_values=header["erased_values"],
        left_out=checker.left_out,
        replayed=shadow.boots,
        compared=shadow.compared[0],
        head=certificate.head,
    )
