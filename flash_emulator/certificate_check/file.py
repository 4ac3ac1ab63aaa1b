"""What the file says, and whether it is whole: chain, totals, all that it mentions."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from flash_emulator import EmulatedFlash
from flash_emulator.pages import Mark

Slice = tuple[int, bytes]  # of a unit: where it begins, and what it is


class NotConfirmed(BaseException):
    """The certificate does not hold. No Exception, so that no subject can hide it."""


class NotACertificate(NotConfirmed):
    """The file is none, or was damaged: it says nothing that could hold."""


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
        raise NotACertificate(f"line {lines + 1}: {_in_words(error)}") from error
    certificate.head = chain
    _whole(certificate)
    return certificate


def _in_words(error: Exception) -> str:
    match error:
        case EOFError():
            return "the file is cut short"
        case gzip.BadGzipFile() | zlib.error():
            return f"no gzip file, or a damaged one: {error}"
        case UnicodeDecodeError() | json.JSONDecodeError():
            return "what is packed in it is no JSON text"
        case OSError():
            return f"cannot be read: {error.strerror or error}"
        case KeyError():
            return f"{error} is missing"
        case _:
            return "something else stands there than must stand in a certificate"


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
        raise NotACertificate(f"not such a certificate: {header.get('format')!r}")
    if not totals:
        raise NotACertificate("the file is cut short: no totals at its end")
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
