"""States, and what booting one of them comes to. Values that go to other processes and back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from hashlib import blake2b, sha256

from flash_emulator.device.fingerprints import Fingerprints
from flash_emulator.device.flash import EmulatedFlash
from flash_emulator.device.sensing import MetastableMode
from flash_emulator.explore.contents import Question, Told
from flash_emulator.explore.path import Cut, Path
from flash_emulator.explore.read_choice import ReadChoice
from flash_emulator.power import Decay, Outcome
from flash_emulator.subject import ExternalState, Subject

Key = bytes  # 16 bytes
Node = bytes  # the start of a state's boot, or a point of a run where it can be joined
NODE_SIZE = 17
Span = tuple[int, int]  # of the array: first byte, behind the last one
Keep = dict[Key, tuple[Span, ...]]
"""By the key of a state that must not come to be: what must not be forgotten where it would."""

Spans = frozenset[tuple[int, int]]  # ranges of the array, (first byte, behind the last one)


@dataclass(slots=True)
class State:
    """What a cut left. *flash* has not been powered on yet."""

    key: Key
    flash: EmulatedFlash
    external: ExternalState
    path: Path
    sector: int = -1  # offset of the sector that the last cut hit


@dataclass(frozen=True, slots=True)
class Job:
    """What is the same for all states of one search.

    *looked_at*: content of these ranges is never taken for unknown, since somebody looks at it.
    *name*: no other search has it, and for all jobs of one name probes see the same. *boot_s*: how
    long a boot may do nothing new; *until*: when the search is out of time, as ``time.time()``
    tells it, for other processes know no other clock.
    *keep*: see ``refining``. *opsr*: some boot reads FLASH_OPSR, so that states are told apart by
    that, too. *draws*: of each place and outcome; *asked*: what units are compared with, by boots
    that do it later than right after the cut. *erased_values*: cut erases, too, leave what boots
    ask for.
    *made_of*: for a certificate; empty where nobody writes one. *places*: as ``SearchOptions``.
    """

    subject: Subject
    outcomes: tuple[Outcome, ...]
    metastable_modes: tuple[MetastableMode, ...]
    operations: int
    merge: bool
    looked_at: Spans
    name: str
    boot_s: float | None = None
    until: float | None = None
    options_at_risk: bool = False
    representatives: bool = True
    opsr: bool = False
    decays: tuple[Decay, ...] = ()
    keep: Keep = field(default_factory=dict)
    draws: int = 1
    asked: frozenset[Question] = frozenset()
    erased_values: bool = False
    made_of: Fingerprints = field(default_factory=dict)
    places: AbstractSet[int] | range | None = None

    def is_cut(self, cuts: int, place: int) -> bool:
        """Whether a boot behind so many cuts is cut at that place of it."""
        return self.places is None or (not cuts and place in self.places)

    def represented(self, flash: EmulatedFlash) -> EmulatedFlash:
        """The state that is booted for *flash*: itself, where nothing may stand for it."""
        asked = self.merge and self.representatives
        return self.subject.representative(flash) if asked else flash


@dataclass(frozen=True, slots=True)
class Edge:
    """A cut, and the state that it came to. A *merged* one stands for many units and outcomes.

    *unknown*: what was unknown in the boot when it was cut.
    """

    key: Key
    cut: Cut
    merged: bool
    unknown: tuple[Span, ...] = ()
    units: tuple[int, int] = (0, 0)  # that the cut may have torn: first, behind the last


@dataclass(slots=True)
class Segment:
    """A stretch of a run: from a node to the next one, or to its end."""

    node: Node
    operations: int = 0
    idle: int = 0  # operations that changed nothing
    signature: bytes = b""  # of the operations
    edges: list[Edge] = field(default_factory=list)
    heat: Counter[tuple[int, Outcome]] = field(default_factory=Counter)
    next: Node | None = None
    end: str = ""  # the subject's word; where the run went to its end
    violation: tuple[str, str] | None = None
    asked: set[Question] = field(default_factory=set)  # what units were compared with
    trace: str = ""  # of the violation, where the subject raised it; no part of the digest

    def digest(self) -> bytes:
        """32 bytes over all of it: for the chain."""
        digest = sha256(self.node + self.signature)
        facts = (self.operations, self.next, self.end, self.violation)
        digest.update(repr(facts).encode())
        for edge in self.edges:
            digest.update(edge.key)
        return digest.digest()


@dataclass(slots=True)
class Expansion:
    """All that came of booting one state in one way of reading.

    *echoes* are stretches behind a point at which the run was joined with an earlier one, for
    comparison with what was found there. *late*: what boots of the children ask of units that the
    last cut has not torn, as far as probes have seen.
    """

    state: Key
    read_choice: ReadChoice
    path: Path
    sector: int
    segments: list[Segment]
    children: list[State]
    reruns: int = 0
    represented: int = 0  # states in whose place another one is booted
    compared: int = 0  # of those: booted side by side with it
    echoes: list[Segment] = field(default_factory=list)
    hung: bool = False  # the boot never comes to rest, and had to be interrupted
    left_out: bool = False  # units that it looked at are not flipped in every combination
    looked: Spans = frozenset()  # somebody looked at what had been taken for unknown before
    dissolved: set[Key] = field(default_factory=set)  # states that ``Job.keep`` has kept from being
    told: Told = field(default_factory=Told)  # what was told apart, of the cuts in it
    late: set[Question] = field(default_factory=set)
    places: int = 0  # where it could be cut
    uncut: list[tuple[int, int]] = field(default_factory=list)  # operations that were not, to last


def state_key(flash: EmulatedFlash, external: ExternalState) -> Key:
    return blake2b(flash.state_digest() + external.digest, digest_size=16).digest()


def start_node(key: Key, read_choice: ReadChoice) -> Node:
    return blake2b(key + str(read_choice).encode(), digest_size=NODE_SIZE).digest()


def point_node(flash: EmulatedFlash, volatile: bytes, memory: object) -> Node:
    """A point of a run: flash, all that else decides what comes of it, and the subject's memory.

    The way of reading is part of it, as far as it concerns units that are metastable still; also
    where none was looked at yet, for what comes may look at one. So is which of them were looked
    at in this boot, since only who has done it is booted with them flipped, too; and how often,
    where bits are drawn, since they depend on it. Not elsewhere: a run that only waits, and reads
    on and on, must be seen to come back.
    """
    text = repr((memory, *flash.boot_state())).encode()
    return blake2b(flash.state_digest() + volatile + text, digest_size=NODE_SIZE).digest()


def point_moment(flash: EmulatedFlash, volatile: bytes, memory: object) -> bytes:
    """The same but for what the cells hold."""
    text = repr((memory, *flash.boot_state())).encode()
    return blake2b(_beside_cells(flash) + volatile + text, digest_size=16).digest()


def start_moment(flash: EmulatedFlash, read_choice: ReadChoice, external: ExternalState) -> bytes:
    """All that decides what a boot does, but for what the cells hold."""
    text = repr((str(read_choice), flash.settings())).encode()
    return blake2b(_beside_cells(flash) + external.digest + text, digest_size=16).digest()


def _beside_cells(flash: EmulatedFlash) -> bytes:
    return flash.state_digest()[16:]
