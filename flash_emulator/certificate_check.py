"""Checks a certificate of an exhaustive search, and shares no code with the search.

    python -m flash_emulator.certificate_check FILE --subject module:factory
        [--sample N --seed S] [--head HEX]

The format is described in ``explore/certificate.py``. *factory* is called with the ``world`` of the
header and returns ``(subject, flash, rest)``, as the search had them. Four questions:

* Is the file whole: its chain, its totals, every state and point that it mentions?
* Is each state what the certificate says? It is built anew, cut by cut, from the start; what is
  said to be unknown is forgotten. Where that happened, the real path is gone as well, with nothing
  forgotten, and must end in the same way.
* Does its boot do what stands there? It is followed to its very end; runs are not joined. A boot
  that looks at something unknown is refused. Where it looked at metastable units, it is booted
  with each of them flipped, too, and so on, up to as many at a time as ``most_flipped`` says;
  beyond, with all of them flipped.
* Is the list closed? In every operation of that boot, every unit is cut with every outcome. What
  is left must be listed for this place, as it is or among the states whose unknown content it has.

What the search assumes is assumed here, too: where it merges, weak bits are metastable after a cut,
and a state is as good as what the subject calls its representative.

If all states are checked, the answers prove by induction that no cut leads out of the list.
"""

from __future__ import annotations

import argparse
import gzip
import importlib
import json
import random
import re
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b, sha256
from itertools import combinations
from typing import Any

from flash_emulator import (
    CutAt,
    EmulatedFlash,
    Operation,
    Outcome,
    PowerLoss,
    Reading,
    SteadySupply,
    UnknownContent,
    VirtualClock,
)
from flash_emulator.cells import Mark

_CUT = re.compile(r"(?:(\d+)([a-z])|@(\d+)|z)(?:~([^\s.!~]+))?(?:!([0-9a-z+]+))?")
_CODES = {"f": Reading.FLIPPED, "d": Reading.DRAWN, "t": Reading.TURNING}

Slice = tuple[int, bytes]  # of a unit: where it begins, and what it is
Left = tuple[EmulatedFlash, Any]  # what a cut leaves: the flash, and all else that survives


@dataclass(frozen=True, slots=True)
class Unseen:
    """What a state says nothing of: ranges, but for the slices that units do not hold."""

    spans: tuple[tuple[int, int], ...] = ()
    excluded: tuple[tuple[int, frozenset[Slice]], ...] = ()

    @classmethod
    def of(cls, entry: dict[str, Any]) -> Unseen:
        spans = tuple((low, end) for low, end in entry["unknown"])
        excluded = tuple(
            (unit, frozenset((begin, bytes.fromhex(data)) for begin, data in slices))
            for unit, slices in entry["excluded"]
        )
        return cls(spans, excluded)

    def forgotten(self, flash: EmulatedFlash) -> EmulatedFlash | None:
        """*flash* with all of it forgotten; None where a unit may hold what it must not."""
        if any(may_hold(flash, unit, each) for unit, slices in self.excluded for each in slices):
            return None
        twin = flash.fork()
        for low, high in self.spans:
            twin.forget(flash.part.base + low, high - low)
        for unit, slices in self.excluded:
            twin.cells.exclude(unit, slices)
        return twin


def may_hold(flash: EmulatedFlash, unit: int, wanted: Slice) -> bool:
    """Whether a read may ever give this slice: not if more bits differ than the ECC corrects."""
    cells, (begin, data) = flash.cells, wanted
    if cells.mark(unit) is Mark.UNKNOWN:
        return wanted not in cells.not_held(unit)
    raw = cells.raw(unit)
    unsure = raw.metastable | raw.fading[0] | raw.fading[1] | raw.fading[2] if raw else 0
    stored = cells.word(unit) >> 8 * begin & (1 << 8 * len(data)) - 1
    differs = (stored ^ int.from_bytes(data, "little")) & ~(unsure >> 8 * begin)
    return differs.bit_count() <= (1 if cells.code else 0)


@dataclass(frozen=True, slots=True)
class Reads:
    """How metastable units read in one boot: *flips* read the opposite, where STABLE."""

    reading: Reading = Reading.STABLE
    flips: frozenset[int] = frozenset()

    @classmethod
    def parse(cls, code: str | None) -> Reads:
        """As in a path, behind the ``!``."""
        if not code or code in _CODES:
            return cls(_CODES[code] if code else Reading.STABLE)
        return cls(flips=frozenset(int(unit, 16) for unit in code.split("+")))

    def __str__(self) -> str:
        codes = {reading: code for code, reading in _CODES.items()}
        units = "+".join(f"{unit:02x}" for unit in sorted(self.flips))
        text = codes.get(self.reading, units)
        return f"!{text}" if text else ""


def most_flipped(among: int) -> int:
    """How many units are flipped at a time, where so many were looked at before the last one."""
    return 4 if among < 4 else 1 if among < 6 else 0


class NotConfirmed(BaseException):
    """The certificate does not hold. No Exception, so that no subject can hide it."""


class _Moment(BaseException):
    """Power goes while no operation is under way."""


class _Endless(BaseException):
    """The boot does more operations than it may."""


class _Loop(BaseException):
    """The boot has come back to a point."""


@dataclass
class Certificate:
    """What the file says. States and nodes are named by their keys, in hex."""

    header: dict[str, Any]
    paths: dict[str, str] = field(default_factory=dict)  # states, by path
    unseen: dict[str, Unseen] = field(default_factory=dict)  # by state
    boots: int = 0
    segments: dict[str, dict[str, Any]] = field(default_factory=dict)  # by node
    totals: dict[str, Any] = field(default_factory=dict)
    head: str = ""


def read(path: str) -> Certificate:
    """The certificate in the file. Raises NotConfirmed where the file is not whole."""
    lines, chain = 0, "0" * 64
    certificate = Certificate({})
    try:
        with gzip.open(path, "rb") as file:
            for line in file:
                entry, lines = json.loads(line), lines + 1
                if entry["chain"] != chain:
                    raise NotConfirmed(f"line {lines}: expected chain {chain}: {entry['chain']}")
                chain = sha256(line.rstrip(b"\n")).hexdigest()
                _take(certificate, entry, lines)
    except (EOFError, zlib.error, ValueError, LookupError, TypeError, OSError) as error:
        raise NotConfirmed(f"line {lines + 1}: not as it must be: {error!r}") from error
    certificate.head = chain
    _whole(certificate)
    return certificate


def _take(certificate: Certificate, entry: dict[str, Any], line: int) -> None:
    if certificate.totals:
        raise NotConfirmed(f"line {line}: something stands behind the totals")
    if line == 1:
        certificate.header = entry
    elif "complete" in entry:
        certificate.totals = entry
    else:
        certificate.paths[entry["path"]] = entry["state"]
        certificate.unseen[entry["state"]] = Unseen.of(entry)
        certificate.boots += 1
        for segment in entry["segments"]:
            certificate.segments.setdefault(segment["node"], segment)


def _whole(certificate: Certificate) -> None:
    """All that can be asked without a boot."""
    header, totals, segments = certificate.header, certificate.totals, certificate.segments
    if (header.get("format"), header.get("version")) != ("flash power-loss certificate", 2):
        raise NotConfirmed(f"not such a certificate: {header.get('format')!r}")
    if not totals:
        raise NotConfirmed("the file is cut short: no totals at its end")
    if not totals["complete"]:
        raise NotConfirmed(f"the search was not complete, stopped by {totals['stopped_by']!r}")
    found = {
        "states": len(certificate.unseen),
        "boots": certificate.boots,
        "edges": sum(len(c.split()) for s in segments.values() for c in s["edges"].values()),
        "violations": sum(s["violation"] is not None for s in segments.values())
        + len({min(loop) for loop in _loops(segments)}),
    }
    for name, count in found.items():
        if totals[name] != count:
            raise NotConfirmed(f"totals say {totals[name]} {name}; the lines have {count}")
    for node, segment in segments.items():
        if lost := segment["edges"].keys() - certificate.unseen.keys():
            raise NotConfirmed(f"node {node}: cuts come to {min(lost)}, which was never booted")
        if segment["next"] is not None and segment["next"] not in segments:
            raise NotConfirmed(f"node {node}: goes on at {segment['next']}, which is not there")


def _loops(segments: dict[str, dict[str, Any]]) -> Iterator[list[str]]:
    """Runs that come back to where they were: the nodes of each."""
    done: set[str] = set()
    for start in segments:
        way: dict[str, None] = {}
        node: str | None = start
        while node in segments and node not in done and node not in way:
            way[node] = None
            node = segments[node]["next"]
        if node in way:
            yield list(way)[list(way).index(node) :]
        done |= way.keys()


def powered(flash: EmulatedFlash, reads: Reads) -> EmulatedFlash:
    """A twin that gets power as if for the first time."""
    twin = flash.fork()
    twin.clock, twin.supply = VirtualClock(), SteadySupply()
    twin.reading, twin.flips = reads.reading, reads.flips
    twin.forget_history()
    twin.power_on()
    return twin


def state_key(flash: EmulatedFlash, rest: Any) -> str:
    return blake2b(flash.digest() + rest.digest, digest_size=16).hexdigest()


def ended(run: Any, point: Callable[[object], None] | None = None) -> tuple[str, list[str] | None]:
    """How a run left alone ends: the subject's word, or what is violated."""
    try:
        while True:
            memory = next(run)
            if point is not None:
                point(memory)
    except StopIteration as stop:
        return str(stop.value), None
    except Exception as error:
        question = getattr(error, "question", None)
        if question is not None:
            return "", [question, str(getattr(error, "text", error))]
        return "", ["live", f"the boot ended in {type(error).__name__}: {error}"]


class Checker:
    """Checks states of *certificate*, one by one. *cuts* counts those that were tried."""

    def __init__(
        self, certificate: Certificate, subject: Any, flash: EmulatedFlash, rest: Any
    ) -> None:
        self.certificate = certificate
        self.subject = subject
        self.outcomes = {code: Outcome(o) for code, o in certificate.header["outcomes"].items()}
        self.readings = [Reading(reading) for reading in certificate.header["readings"]]
        self.cuts = 0
        self._start = flash.fork(), rest
        self._start[0].draws_by_place = True
        self.state = lru_cache(4096)(self._state)

    def check(self, path: str) -> None:
        """Raises NotConfirmed."""
        state, ways = self.state(path), [Reads()]
        for reads in ways:  # it grows
            walk = Walk(self, path, state, reads)
            found = walk.follow()
            if found is not None and any(self._unseen(each).spans for each in _way(path)):
                self._really(path, reads, found)
            ways += [new for new in self._other_ways(reads, walk.flash) if new not in ways]

    def _other_ways(self, reads: Reads, flash: EmulatedFlash) -> list[Reads]:
        """What else a state is booted in, after *flash* was booted in one way."""
        if reads.reading is not Reading.STABLE or not flash.flickers:
            return []
        flipped, left, all_tried = list[Reads](), len(reads.flips), not flash.flickered_full
        for unit, among, count in flash.flickered:
            is_tried = count < most_flipped(among)
            all_tried &= is_tried
            if unit in reads.flips:
                left -= 1
            elif not left and is_tried and Reading.FLIPPED in self.readings:
                flipped.append(Reads(flips=reads.flips | {unit}))
        others = (each for each in self.readings if each is not Reading.FLIPPED or not all_tried)
        return [*flipped, *map(Reads, others)]

    def _unseen(self, path: str) -> Unseen:
        return self.certificate.unseen[self.certificate.paths[path]]

    def left(self, flash: EmulatedFlash) -> EmulatedFlash:
        """What a cut leaves of *flash*, as far as the search goes."""
        flash.interrupted = None
        if not self.certificate.header["merge"]:
            return flash
        flash.cells.fade()
        found: EmulatedFlash = self.subject.representative(flash)
        return found

    def _state(self, path: str) -> Left:
        """The state at the end of *path*, with all forgotten that the certificate forgets."""
        if path not in self.certificate.paths:
            raise NotConfirmed(f"{path}: other states are reached over this one: it is not listed")
        flash, rest = self._start if path == "-" else self._cut(self.state(_way(path)[-2]), path)
        twin, expected = self._unseen(path).forgotten(flash), self.certificate.paths[path]
        found = state_key(twin, rest) if twin is not None else "one that may hold what is excluded"
        if twin is None or found != expected:
            raise NotConfirmed(f"{path}: expected state {expected}, found {found}")
        return twin, rest

    def _cut(self, state: Left, path: str) -> Left:
        """Boot *state* up to the last cut of *path*."""
        parsed = _CUT.fullmatch(path.rpartition(".")[2])
        if parsed is None:
            raise NotConfirmed(f"{path}: its last part is no cut")
        operation, outcome, moment, way, reads = parsed.groups()
        flash = powered(state[0], Reads.parse(reads))
        boot = self.subject.boot(flash, state[1])
        flash.watch = _AtMoment(int(moment or 0))
        if operation:
            flash.supply = CutAt(int(operation), self.outcomes[outcome])
        try:
            found = ended(boot.run())
        except (PowerLoss, _Moment):
            pass
        else:
            if operation or moment or found[1]:
                raise NotConfirmed(f"{path}: the last cut is never reached, found {found}")
        flash.watch = None
        return self.left(flash), dict(boot.surviving())[way or ""]

    def _really(self, path: str, reads: Reads, expected: object) -> None:
        """The same cuts with nothing forgotten."""
        state = self._start
        for prefix in _way(path)[1:]:
            state = self._cut(state, prefix)
        boot = self.subject.boot(powered(state[0], reads), state[1])
        if (found := ended(boot.run())) != expected:
            raise NotConfirmed(f"{path}: really ends in {found}, expected {expected}")


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


class Walk:
    """One boot to its very end, beside the segments that the certificate has for it.

    A boot in another way of reading is listed from where the first unit is looked at that reads
    otherwise. Up to there it is what it is in a way with fewer units flipped, and stands there.
    """

    def __init__(self, checker: Checker, path: str, state: Left, reads: Reads) -> None:
        self.flash = powered(state[0], reads)
        self._reads = reads
        self._boot = checker.subject.boot(self.flash, state[1])
        self._checker = checker
        self._path = path
        self._visited: set[str] = set()
        self._left: int = checker.certificate.header["operations"]
        key = bytes.fromhex(state_key(*state))
        self._enter(lambda like: blake2b(key + str(like).encode(), digest_size=17).hexdigest())

    def follow(self) -> tuple[str, list[str] | None] | None:
        """How it ends; None where it comes back to where it was. Raises NotConfirmed."""
        self.flash.watch = self
        try:
            end, violation = ended(self._boot.run(), self._point)
            if violation is None:
                self._closed(self.flash.fork(), "at rest")
        except _Loop:
            return None
        except _Endless:
            most = self._checker.certificate.header["operations"]
            end, violation = "", ["live", f"no rest after {most} operations of one boot"]
        except UnknownContent as unknown:
            raise self._not(f"a boot that never looks at unknown content; {unknown}") from unknown
        finally:
            self.flash.watch = None
        self._leave(None, end, violation)
        return end, violation

    def _enter(self, name: Callable[[Reads], str]) -> None:
        """Begin the segment of a node, called *name* of how units are read."""
        segments = self._checker.certificate.segments
        self._listed: list[tuple[Reads, dict[str, Any]]] = []
        for like in self._alike():
            if (node := name(like)) in segments:
                self._listed.append((like, segments[node]))
                if like == self._reads:
                    break
        self._node = name(self._reads)
        if not self._listed:
            raise self._not(f"node {self._node} to be listed")
        unseen = self._checker.certificate.unseen
        self._edges = {key: None for _, segment in self._listed for key in segment["edges"]}
        self._classes = list({unseen[key]: None for key in self._edges if unseen[key].spans})
        self._operations, self._signature = 0, blake2b(digest_size=16)

    def _alike(self) -> Iterator[Reads]:
        """Ways of reading in which this boot would have been the same so far; its own first."""
        yield self._reads
        if self._reads.reading is not Reading.STABLE:
            if not self.flash.flickers:
                yield Reads()
            return
        free = sorted(self._reads.flips - self._looked())
        for count in range(1, len(free) + 1):
            for units in combinations(free, count):
                yield Reads(flips=self._reads.flips.difference(units))

    def _looked(self) -> set[int]:
        return {flicker.unit for flicker in self.flash.flickered}

    def _point(self, memory: object) -> None:
        bank, before = self.flash.mapped_bank, self.flash.digest() + self._boot.volatile()

        def name(like: Reads) -> str:
            twin = self.flash if like == self._reads else self.flash.fork()
            twin.reading, twin.flips = like.reading, like.flips
            text = repr((bank, memory, *twin.senses())).encode()
            return blake2b(before + text, digest_size=17).hexdigest()

        self._leave(name, "", None)
        self._enter(name)
        if self._node in self._visited:
            raise _Loop
        self._visited.add(self._node)

    def _leave(
        self, name: Callable[[Reads], str] | None, end: str, violation: list[str] | None
    ) -> None:
        """End the segment; *name* is that of the node where the next one begins."""
        alike = list(self._alike())
        like, segment = next((each for each in self._listed if each[0] in alike), (None, {}))
        if like is None:
            raise self._not("a boot of its own in this way of reading, found none listed")
        following = name(like) if name is not None else None
        found = {
            "operations": self._operations,
            "signature": self._signature.hexdigest(),
            "next": following,
            "end": end,
            "violation": violation,
        }
        for fact, value in found.items():
            if value != segment[fact]:
                raise self._not(f"{fact} {segment[fact]!r}, found {value!r}")

    def _not(self, expected: str) -> NotConfirmed:
        how = str(self._reads).removeprefix("!") or "as they last were"
        return NotConfirmed(f"after {self._path}, bits read {how}: expected {expected}")

    # --- Watch

    def operation(self, operation: Operation) -> None:
        self._left -= operation.done
        if self._left < 0:
            raise _Endless
        head = f"{operation.kind} {operation.address:x} {len(operation.data)} "
        self._signature.update(head.encode() + operation.data)
        self._operations += operation.done
        twin, size = self.flash.fork(), self.flash.part.program_unit
        for at in range(operation.done):
            piece = operation
            if operation.kind == "program":
                data = operation.data[at * size : (at + 1) * size]
                piece = Operation("program", operation.address + at * size, data)
            for outcome in self._checker.outcomes.values():
                self._try(twin, piece, outcome)
            if operation.done > 1:
                twin.repeat(piece)

    def moment(self) -> None:
        self._closed(self.flash.fork(), "at a moment")

    def read(self, offset: int, size: int) -> None:
        """Who looks at what is unknown is told so by the device."""

    def compared(self, unit: int, wanted: Slice, *, never: bool) -> None:
        """As ``read``."""

    def _try(self, flash: EmulatedFlash, operation: Operation, outcome: Outcome) -> None:
        twin = flash.fork()
        twin.supply = CutAt(1, outcome)
        try:
            twin.repeat(operation)
        except PowerLoss:
            self._closed(twin, f"{operation}, {outcome}")
        else:
            raise self._not(f"power to be lost in {operation}, found it complete")

    def _closed(self, flash: EmulatedFlash, what: str) -> None:
        """What a cut left must be listed."""
        flash = self._checker.left(flash)
        for way, rest in self._boot.surviving():
            self._checker.cuts += 1
            if not self._is_listed(flash, rest):
                found = state_key(flash, rest)
                raise self._not(f"what a cut leaves to be listed ({what}, way {way!r}): {found}")

    def _is_listed(self, flash: EmulatedFlash, rest: Any) -> bool:
        """As it is, or when that is forgotten which one of the listed states leaves unknown."""
        for index, unseen in enumerate(self._classes):
            twin = unseen.forgotten(flash)
            if twin is not None and state_key(twin, rest) in self._edges:
                self._classes.insert(0, self._classes.pop(index))  # most likely the next one, too
                return True
        return state_key(flash, rest) in self._edges


def confirm(
    path: str,
    factory: Callable[[dict[str, str]], Any],
    *,
    sample: int = 0,
    seed: int = 0,
    head: str = "",
) -> str:
    """Check all states, or a *sample* of them; in words what was done. Raises NotConfirmed.

    *head*: the one that the certificate must have, where that is known.
    """
    certificate = read(path)
    if head not in ("", certificate.head):
        raise NotConfirmed(f"another certificate: expected head {head}, found {certificate.head}")
    subject, flash, rest = factory(certificate.header["world"])
    checker, paths = Checker(certificate, subject, flash, rest), list(certificate.paths)
    count = min(sample or len(paths), len(paths))
    if count < len(paths):
        paths = random.Random(seed).sample(paths, count)  # noqa: S311
    for each in paths:
        checker.check(each)
    return (
        f"confirmed: {count} of {certificate.totals['states']} states, {checker.cuts} cuts tried; "
        f"violations: {certificate.totals['violations']}; head {certificate.head}"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="certificate_check", description="Check a certificate.")
    parser.add_argument("file")
    parser.add_argument("--subject", required=True, metavar="MODULE:FACTORY")
    parser.add_argument("--sample", type=int, default=0, help="states to check; all if not given")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--head", default="", help="the head that the certificate must have")
    chosen = parser.parse_args(arguments)
    module, _, name = chosen.subject.partition(":")
    try:
        factory = getattr(importlib.import_module(module), name)
        options = {"sample": chosen.sample, "seed": chosen.seed, "head": chosen.head}
        print(confirm(chosen.file, factory, **options))
    except NotConfirmed as error:
        print(f"not confirmed: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
