"""What the file says, and whether it is whole: all that can be asked without a boot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b, sha256
from pathlib import Path
from typing import Any

from flash_emulator import MetastableMode
from flash_emulator.certificate_check.boots import ReadChoice
from flash_emulator.certificate_check.container import NotACertificate, NotConfirmed, lines_of
from flash_emulator.certificate_check.schema import (
    BOOT,
    FORMAT,
    HEADER,
    SEGMENT,
    TOTALS,
    VERSION,
    check,
    parsed,
)
from flash_emulator.certificate_check.unseen import Unseen


@dataclass(slots=True)
class Listed:
    """A segment, and the line that it stands in: the boot of a state, in one way of reading."""

    state: str
    read_choice: ReadChoice
    node: str
    operations: int
    signature: str
    next: str | None
    end: str
    violation: list[str] | None
    edges: dict[str, str]  # cuts by key


@dataclass
class Certificate:
    """What the file says. States and nodes are named by their keys, in hex."""

    header: dict[str, Any]
    paths: dict[str, str] = field(default_factory=dict)  # states, by path
    levels: dict[str, int] = field(default_factory=dict)  # cuts that lead to a state
    unseen: dict[str, Unseen] = field(default_factory=dict)  # by state
    boots: dict[str, dict[ReadChoice, None]] = field(default_factory=dict)  # by state
    segments: dict[str, Listed] = field(default_factory=dict)  # by node
    totals: dict[str, Any] = field(default_factory=dict)
    head: str = ""


def read(path: str, *, of_any_search: bool = False) -> Certificate:
    """The certificate in the file. Raises NotConfirmed where the file is not whole.

    *of_any_search*: also of one that a limit has stopped, where nothing is said of what its states
    come to; only its lines are asked then, and counted.
    """
    reader = _Reader()
    try:
        with Path(path).open("rb") as file:
            for line, chain in lines_of(file):
                reader.take(line, chain)
    except OSError as error:
        raise NotACertificate(f"cannot be read: {error.strerror or error}") from error
    certificate = reader.certificate
    certificate.head = reader.head
    _has_both_ends(certificate)
    if certificate.totals["complete"] or not of_any_search:
        _whole(certificate)
    else:
        _counted(certificate, _known(certificate))
    return certificate


class _Reader:
    """Takes line after line; refuses what cannot stand where it does."""

    def __init__(self) -> None:
        self.certificate = Certificate({})
        self.head = ""
        self._lines = 0
        self._path = ""  # of the line before

    def take(self, line: bytes, chain: str) -> None:
        self._lines += 1
        where = f"line {self._lines}"
        entry = parsed(line, self._lines)
        if entry.get("chain", chain) != chain:
            raise NotConfirmed(f"{where}: expected chain {chain}, found {entry['chain']}")
        if self.certificate.totals:
            raise NotConfirmed(f"{where}: something stands behind the totals")
        if self._lines == 1:
            self._header(entry)
        elif "complete" in entry:
            check(entry, TOTALS, where)
            self.certificate.totals = entry
            self.head = sha256(line).hexdigest()
        else:
            check(entry, BOOT, where)
            self._boot(entry, where)

    def _header(self, entry: dict[str, Any]) -> None:
        found = entry.get("format"), entry.get("version")
        if found[0] != FORMAT:
            raise NotACertificate(f"not such a certificate: {found[0]!r}")
        if found[1] != VERSION:
            raise NotACertificate(f"a certificate of version {found[1]!r}; expected {VERSION}")
        check(entry, HEADER, "line 1")
        self.certificate.header = entry

    def _boot(self, entry: dict[str, Any], where: str) -> None:
        path, state = entry["path"], entry["state"]
        read_choice = ReadChoice(MetastableMode(entry["reading"]), frozenset(entry["flips"]))
        if read_choice.flips and read_choice.metastable_mode is not MetastableMode.STABLE:
            raise NotACertificate(
                f"{where}: units are flipped where reading is {read_choice.metastable_mode}"
            )
        if entry["unknown"] and not self.certificate.header["merge"]:
            raise NotConfirmed(f"{where}: something is unknown where the search does not merge")
        if path != self._path:
            self._new_state(entry, where)
            if read_choice != ReadChoice():
                raise NotConfirmed(f"{where}: {path}: its first boot flips no unit")
        elif self.certificate.paths[path] != state:
            raise NotConfirmed(f"{where}: {path} leads to two states")
        elif Unseen.of(entry) != self.certificate.unseen[state]:
            raise NotConfirmed(f"{where}: {path}: what is unknown differs from its line before")
        boots = self.certificate.boots.setdefault(state, {})
        if read_choice in boots:
            raise NotConfirmed(f"{where}: {path}: the same boot stands twice")
        boots[read_choice] = None
        self._segments(entry, state, read_choice, where)

    def _new_state(self, entry: dict[str, Any], where: str) -> None:
        path, state, known = entry["path"], entry["state"], self.certificate
        level = 0 if path == "-" else path.count(".") + 1
        if path in known.paths:
            raise NotConfirmed(f"{where}: {path} stands twice, and not in one place")
        if state in known.unseen:
            raise NotConfirmed(f"{where}: state {state} stands under two paths")
        if (level == 0) != (not known.paths):
            raise NotConfirmed(f"{where}: the first boot is that of path '-', and no other")
        if level < known.levels.get(known.paths.get(self._path, ""), 0):
            raise NotConfirmed(f"{where}: {path} stands behind longer paths")
        if level and (path.rpartition(".")[0] or "-") not in known.paths:
            raise NotConfirmed(f"{where}: {path}: the state on the way to it is not listed")
        known.paths[path], known.levels[state] = state, level
        known.unseen[state] = Unseen.of(entry)
        self._path = path

    def _segments(
        self, entry: dict[str, Any], state: str, read_choice: ReadChoice, where: str
    ) -> None:
        expected: str | None = start_of(state, read_choice)
        for found in entry["segments"]:
            check(found, SEGMENT, f"{where}, a segment")
            listed = Listed(state, read_choice, **found)
            if expected is None or listed.node != expected:
                raise NotConfirmed(f"{where}: expected node {expected}, found {listed.node}")
            if listed.node in self.certificate.segments:
                raise NotConfirmed(f"{where}: node {listed.node} stands twice")
            if (listed.violation is not None or listed.next is not None) and listed.end:
                raise NotConfirmed(f"{where}: node {listed.node} ends, and does not end at rest")
            if listed.violation is not None and listed.next is not None:
                raise NotConfirmed(f"{where}: node {listed.node} goes on after a violation")
            self.certificate.segments[listed.node] = listed
            expected = listed.next


def start_of(state: str, read_choice: ReadChoice) -> str:
    """The node where a boot of *state* begins."""
    return blake2b(bytes.fromhex(state) + str(read_choice).encode(), digest_size=17).hexdigest()


# --- all of it together


def _has_both_ends(certificate: Certificate) -> None:
    if not certificate.header:
        raise NotACertificate("not such a certificate: nothing is packed in it")
    if not certificate.totals:
        raise NotACertificate("the file is cut short: no totals at its end")


def _whole(certificate: Certificate) -> None:
    totals = certificate.totals
    if not totals["complete"] or totals["stopped_by"]:
        raise NotConfirmed(f"the search was not complete, stopped by {totals['stopped_by']!r}")
    _counted(certificate, set(certificate.unseen))
    _joined(certificate)
    _reached(certificate)


def _known(certificate: Certificate) -> set[str]:
    """States that were booted, and those that cuts come to."""
    ends = (key for segment in certificate.segments.values() for key in segment.edges)
    return {*certificate.unseen, *ends}


def _counted(certificate: Certificate, states: set[str]) -> None:
    segments = certificate.segments
    loops = {min(loop) for loop in _loops(segments)}
    found = {
        "states": len(states),
        "boots": sum(map(len, certificate.boots.values())),
        "edges": sum(len(c.split(" ")) for s in segments.values() for c in s.edges.values()),
        "violations": sum(s.violation is not None for s in segments.values()) + len(loops),
    }
    for name, count in found.items():
        if certificate.totals[name] != count:
            said = certificate.totals[name]
            raise NotConfirmed(f"totals say {said} {name}; the lines have {count}")


def _joined(certificate: Certificate) -> None:
    for node, segment in certificate.segments.items():
        if segment.next is not None and segment.next not in certificate.segments:
            raise NotConfirmed(f"node {node}: goes on at {segment.next}, which is not there")


def _reached(certificate: Certificate) -> None:
    """Every state is the end of a cut, from a state with one cut less; and of none with fewer."""
    levels, nearest = certificate.levels, dict[str, int]()
    for node, segment in certificate.segments.items():
        behind = levels[segment.state] + 1
        for key in segment.edges:
            if key not in levels:
                raise NotConfirmed(f"node {node}: cuts come to {key}, which was never booted")
            nearest[key] = min(nearest.get(key, behind), behind)
    for key, level in levels.items():
        found = nearest.get(key)
        if level and found is None:
            raise NotConfirmed(f"state {key} is the end of no cut that is listed")
        if found is not None and level and found != level:
            raise NotConfirmed(f"state {key}: {level} cuts lead to it, and also {found}")


def _loops(segments: dict[str, Listed]) -> Iterator[list[str]]:
    """Runs that come back to where they were: the nodes of each."""
    done: set[str] = set()
    for start in segments:
        way: dict[str, None] = {}
        node: str | None = start
        while node in segments and node not in done and node not in way:
            way[node] = None
            node = segments[node].next
        if node in way:
            yield list(way)[list(way).index(node) :]
        done |= way.keys()
