"""A certificate: every state of a search, how it was reached, and what its boot did and cut.

    with open("update.cert.gz", "wb") as file:
        writer = CertificateWriter(file, {"scenario": "toy"})
        report = Search(subject, flash, observer=writer, began=writer.begin).run()
        head = writer.finish(report)

``flash_emulator.certificate_check`` reads it and shares no code with the search.

**The file** is JSON lines in one gzip member, with nothing behind it: no name, no time. A line is
compact JSON, its fields in the order given here, ``chain`` last: the SHA-256 of the line before it,
of all its bytes but the line end; 64 zeros in the first. No line is longer than 64 MiB. *head* is
that of the last line: whoever keeps the head, keeps the whole file. A file without its last line is
cut short, and worth nothing. Another field, order or notation than this is refused.

First line, the header::

    format, version      "flash power-loss certificate", 4
    world                what was explored, as the caller describes it: text by name
    made_of              digests of program, part, subject, and of what the search began from:
                         see ``flash_emulator/device/fingerprints.py``
    outcomes, readings   those that were tried, in the order of their enumerations; outcomes by
                         their letter in a path
    draws                of each place and outcome that leaves something to chance
    erased_values        whether cut erases, too, leave units as boots ask for them
    operations           of one boot; more is a violation of "live"
    merge                whether the search merges; then weak bits are metastable after a cut,
                         and, with *representatives*, the state is what
    representatives      ``Subject.representative`` makes of what is left
    opsr                 whether states are told apart by FLASH_OPSR: then some boot reads it
    formulas             how states, points and signatures are named

Then one line for each boot, level by level: those of the states that need fewest cuts first. The
lines of one state stand together. It is booted with no unit flipped first; where boots looked at
metastable bits, in other ways, too, as ``read_choice.py`` has it::

    state     key of the state that was booted
    path      the cuts that lead to it from the start, as in ``path.py``; "-" for none
    reading   how metastable bits were read in this boot
    flips     units whose metastable bits read the opposite, where reading is stable; ascending
    unknown   ranges of the array, [first byte, behind the last], whose content is any content
    excluded  [unit, slices] of those of which something is known: they do not hold these slices,
              each [where in the unit it begins, its bytes in hex]
    segments  from the start to the first point, from there to the next ...; each has
        node        the start of this boot, or the point where it begins; no node stands twice
        operations, signature   what was done; a bulk program is as many as it has units
        next        the point where it ends; null at the end of the run
        end         the subject's word, at the end of the run
        violation   [question, text], or null
        edges       the states that cuts come to, in the order of their keys: for each the cuts of
                    this boot, as in a path and in the order of their text; "*" marks merged ones,
                    which stand for others beside the one that is named

A run that came to a point that stands in the file already is not followed any further: what comes
stands there. Last line: the totals of all lines, whether the search is complete, else what stopped
it; and *compared*: [unit, slices] of what boots compared units with that their last cut has not
torn, as *excluded*.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Mapping, Sequence
from errno import EFBIG
from hashlib import sha256
from typing import Any, BinaryIO

from flash_emulator.array.cells import Cells
from flash_emulator.array.pages import Slice
from flash_emulator.device.sensing import MetastableMode
from flash_emulator.explore.path import OUTCOME_CODES, Path
from flash_emulator.explore.report import Report
from flash_emulator.explore.states import Expansion, Job, Key, Node, Segment
from flash_emulator.power import Outcome

FORMAT = "flash power-loss certificate"
VERSION = 4
MOST_BYTES = 1 << 26  # of a line

FORMULAS = {
    "state": "blake2b-128(flash.state_digest() + rest.digest)",
    "start": "blake2b-136(state + reading as in a path, such as !d or !1f20+1f21)",
    "point": "blake2b-136(flash.state_digest() + boot.volatile() + "
    "repr((memory, *flash.boot_state())))",
    "signature": "blake2b-128 of, for each operation, '{kind} {address:x} {len(data)} ' + data",
}

_Unseen = dict[str, list[Any]]
_KNOWN: _Unseen = {"unknown": [], "excluded": []}


class CertificateWriter:
    """Writes the certificate of one search into *file*, which can be sought and truncated.

    The same search gives the same bytes.
    """

    def __init__(self, file: BinaryIO, world: Mapping[str, str]) -> None:
        self._file = file
        self._world = dict(world)
        self._start = file.tell()
        self._zip: gzip.GzipFile | None = None
        self._chain = "0" * 64
        self._unseen: dict[Key, _Unseen] = {}
        self._nodes: set[Node] = set()  # that stand in the file

    def begin(self, job: Job) -> None:
        """A search begins. One that was begun before is void."""
        if self._zip is not None:
            self._zip.close()  # it writes what it holds: before the file is emptied
        self._file.seek(self._start)
        self._file.truncate()
        self._zip = gzip.GzipFile("", "wb", compresslevel=1, fileobj=self._file, mtime=0)
        self._chain = "0" * 64
        self._unseen.clear()
        self._nodes.clear()
        self._write(
            {
                "format": FORMAT,
                "version": VERSION,
                "world": self._world,
                "made_of": job.made_of,
                "outcomes": {OUTCOME_CODES[o]: o for o in Outcome if o in job.outcomes},
                "readings": [
                    metastable_mode
                    for metastable_mode in MetastableMode
                    if metastable_mode in job.metastable_modes
                ],
                "draws": job.draws,
                "erased_values": job.erased_values,
                "operations": job.operations,
                "merge": job.merge,
                "representatives": job.representatives,
                "opsr": job.opsr,
                "formulas": FORMULAS,
            }
        )

    def __call__(self, expansion: Expansion) -> None:
        """Take over one boot; the search's observer."""
        for child in expansion.children:
            if child.flash.cells.has_unknown:
                self._unseen[child.key] = _unseen(child.flash.cells)
        self._write(
            {
                "state": expansion.state.hex(),
                "path": str(Path(expansion.path.cuts)),
                "reading": expansion.read_choice.metastable_mode,
                "flips": sorted(expansion.read_choice.flips),
                **self._unseen.get(expansion.state, _KNOWN),
                "segments": [_segment(segment) for segment in self._new(expansion.segments)],
            }
        )

    def _new(self, segments: Sequence[Segment]) -> Sequence[Segment]:
        """Those before the first that stands in the file; batches may find the same at a time."""
        known = (i for i, segment in enumerate(segments) if segment.node in self._nodes)
        new = segments[: next(known, len(segments))]
        self._nodes.update(segment.node for segment in new)
        return new

    def finish(self, report: Report) -> str:
        """Write the totals; return the head. *file* stays open."""
        head = self._write(
            {
                "complete": report.complete,
                "stopped_by": report.stopped_by,
                "states": report.states,
                "boots": report.boots,
                "edges": report.edges,
                "violations": report.violation_count,
                "compared": _slices(report.asked_late),
            }
        )
        if self._zip is not None:
            self._zip.close()
        return head

    def _write(self, entry: dict[str, Any]) -> str:
        """One line more; returns what the next one has to say of it."""
        if self._zip is None:
            raise ValueError("no search was begun: give the writer's begin to Search as began")
        line = json.dumps(entry | {"chain": self._chain}, separators=(",", ":")).encode()
        if len(line) > MOST_BYTES:
            raise OSError(EFBIG, f"a line of {len(line)} bytes; a certificate has {MOST_BYTES}")
        self._zip.write(line + b"\n")
        self._chain = sha256(line).hexdigest()
        return self._chain


def _unseen(cells: Cells) -> _Unseen:
    return {"unknown": list(cells.unknown_spans()), "excluded": _slices(cells.excluded())}


def _slices(by_unit: Mapping[int, Iterable[Slice]]) -> list[Any]:
    return [
        [unit, [[begin, data.hex()] for begin, data in sorted(by_unit[unit])]]
        for unit in sorted(by_unit)
    ]


def _segment(segment: Segment) -> dict[str, Any]:
    edges: dict[Key, list[str]] = {}
    for edge in segment.edges:
        edges.setdefault(edge.key, []).append(f"{'*' * edge.merged}{edge.cut}")
    return {
        "node": segment.node.hex(),
        "operations": segment.operations,
        "signature": segment.signature.hex(),
        "next": segment.next.hex() if segment.next is not None else None,
        "end": segment.end,
        "violation": segment.violation,
        "edges": {key.hex(): " ".join(sorted(edges[key])) for key in sorted(edges)},
    }
