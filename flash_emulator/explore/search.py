"""Breadth first through all states that cuts can reach.

Level *n* holds the states that need *n* cuts in a row, so the first way to a state is a shortest
one. A level is booted in batches of fixed size and order, here or by an executor: what comes of it
does not depend on who does it.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import Executor
from contextlib import closing
from dataclasses import dataclass, field, replace
from hashlib import sha256
from uuid import uuid4

from flash_emulator.device.fingerprints import fingerprints
from flash_emulator.device.flash import EmulatedFlash
from flash_emulator.device.sensing import MetastableMode
from flash_emulator.explore import checks
from flash_emulator.explore.batches import SIZE, Booted, boot_all
from flash_emulator.explore.boots import Worker
from flash_emulator.explore.contents import Question
from flash_emulator.explore.graph import Graph
from flash_emulator.explore.path import Path
from flash_emulator.explore.probes import Prober
from flash_emulator.explore.read_choice import ReadChoice
from flash_emulator.explore.refining import Refining, Walked
from flash_emulator.explore.report import (
    Counterexample,
    Limits,
    Progress,
    Report,
    SelfCheckFailed,
    Stop,
    kept,
)
from flash_emulator.explore.states import (
    Expansion,
    Job,
    Key,
    Span,
    Spans,
    State,
    start_node,
    state_key,
)
from flash_emulator.power import Decay, Outcome
from flash_emulator.subject import ExternalState, Nothing, Subject
from flash_emulator.watchdog import OutOfTime, watching

_SAMPLE, _SAMPLE_EVERY = 64, 32  # states that are booted again at the end: the first, some others
_ROUNDS = 2000  # of one search, at most

ALL_OUTCOMES = tuple(Outcome)
ALL_METASTABLE_MODES = (
    MetastableMode.STABLE,
    MetastableMode.FLIPPED,
    MetastableMode.TURNING,
    MetastableMode.DRAWN,
)


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """How to search.

    *merge*: take what nobody looks at for unknown; without it, every unit is told apart.
    *metastable_modes*: how metastable bits read; STABLE is always tried, and FLIPPED stands for
    each unit by itself, too. *ahead*: how many batches of states an executor has at a time, beyond
    one. It bounds how many workers have something to do; and what a batch does not know of those at
    the same time is counted by each of them, so this number is part of what a search is.
    *representatives*: with *merge*, boot of the states that the subject takes for as good as each
    other only one; without it, all of them. *decays*: also let each cut make something weak that
    was complete; see ``flash_emulator.device.decay``. *draws*: how many are tried of each place and
    outcome that leaves something to chance. *erased_values*: let units of a sector whose erase is
    cut hold what boots compare them with, too, each by itself; without it, only units whose program
    is cut. *options_at_risk*: also let a cut of a plain program corrupt the option bytes, on parts
    of which that was reported. *places*: cut the first boot at these places alone, counted from 0
    through operations, moments and rest, and no boot behind them: such a search is never complete.
    """

    limits: Limits = field(default_factory=Limits)
    outcomes: tuple[Outcome, ...] = ALL_OUTCOMES
    metastable_modes: tuple[MetastableMode, ...] = ALL_METASTABLE_MODES
    merge: bool = True
    ahead: int = 4
    options_at_risk: bool = False
    representatives: bool = True
    decays: tuple[Decay, ...] = ()
    draws: int = 1
    erased_values: bool = False
    places: AbstractSet[int] | range | None = None

    def __post_init__(self) -> None:
        if self.draws < 1:
            raise ValueError(f"{self.draws} draws of each place and outcome; expected 1 or more")


class _Stopped(Exception):
    def __init__(self, by: Stop) -> None:
        self.by = by


@dataclass(slots=True)
class _Tally:
    """What is known so far of one search."""

    prober: Prober
    graph: Graph = field(default_factory=Graph)
    levels: list[int] = field(default_factory=list)
    violations: list[Counterexample] = field(default_factory=list)
    hot: Counter[int] = field(default_factory=Counter)
    looks: list[tuple[State, Span]] = field(default_factory=list)
    expansions: list[Expansion] = field(default_factory=list)  # where it *keeps* them
    keeps: bool = False
    seen: set[Key] = field(default_factory=set)
    chain: bytes = bytes(32)
    boots: int = 0
    booted: int = 0  # states of the last level
    first: Expansion | None = None  # of the first boot, as it reads without a cut
    sample: list[State] = field(default_factory=list)  # to be booted once more at the end


class Search:
    """One search, from one flash that has run to rest or is about to be started the first time."""

    def __init__(
        self,
        subject: Subject,
        flash: EmulatedFlash,
        external: ExternalState | None = None,
        options: SearchOptions | None = None,
        *,
        executor: Executor | None = None,
        progress: Callable[[Progress], None] | None = None,
        observer: Callable[[Expansion], None] | None = None,
        began: Callable[[Job], None] | None = None,
    ) -> None:
        """*observer* gets every expansion in its order; *began* is told when a search begins.

        A search may go through its states once more; what was observed before is void then.
        Raises TypeError for a subclass of EmulatedFlash: a fork does not keep what it adds.
        """
        if type(flash) is not EmulatedFlash:
            raise TypeError(f"{type(flash).__name__}: expected an EmulatedFlash, no subclass of it")
        self._options = options or SearchOptions()
        self._subject = subject
        self._flash = flash.fork()
        self._flash.draws_by_place = True
        self._flash.recalls = frozenset(self._options.decays)
        self._external: ExternalState = external if external is not None else Nothing()
        self._executor = executor
        self._progress = progress
        self._observer = observer
        self._began = began
        self._made_of = fingerprints(subject, self._flash, self._external) if began else {}
        self._began_s = 0.0
        self.interrupt: KeyboardInterrupt | None = None  # that ended it

    def run(self) -> Report:
        """Search until nothing is left, or a limit is met, or Ctrl-C is pressed.

        Raises SelfCheckFailed when the search cannot be believed.
        """
        self._began_s = time.monotonic()
        job, refining = self._job(), Refining()
        prober = Prober(job)
        for refinements in range(_ROUNDS):
            if job.name != prober.job.name:
                prober = Prober(job)
            prober.job, tally = job, _Tally(prober, keeps=refining.is_on)
            if self._began is not None:
                self._began(job)
            stopped = self._search(job, tally, refining)
            unasked = set() if stopped else self._unasked(job, tally)
            if not unasked and (not tally.looks or stopped in ("time", "interrupted")):
                self._boot_again(job, tally)
                return self._report(tally, stopped, refinements)
            if unasked:
                refining.forget()
                asked = job.asked | unasked | tally.graph.late  # also what no cut has torn so far
                job = replace(job, keep={}, asked=asked)  # probes see what they saw before
            else:
                job = self._refined(job, tally, refining)
        raise SelfCheckFailed(f"content is looked at ever anew, after {_ROUNDS} rounds")

    def _unasked(self, job: Job, tally: _Tally) -> set[Question]:
        """What boots ask of units that cuts have torn, and that not every cut was tried with."""
        graph, cells = tally.graph, self._flash.cells
        if not graph.told.unasked(cells, graph.asked()) - job.asked:
            return set()
        return graph.told.unasked(cells, graph.asked_late()) - job.asked

    def _refined(self, job: Job, tally: _Tally, refining: Refining) -> Job:
        """The job of the next round: what was looked at in this one is kept apart. Raises
        SelfCheckFailed where it was, until the subject forgot it."""
        size = self._flash.part.size
        if not refining.is_on:
            refining.is_on = True
            return job
        if any(low >= size for _, (low, _) in tally.looks) and not job.opsr:
            refining.forget()
            return replace(job, name=uuid4().hex, opsr=True)
        if refining.refine(tally.looks, Walked(tally.expansions)):
            return replace(job, keep=dict(refining.keep))
        looked_at = frozenset(span for _, span in tally.looks)
        if looked_at <= job.looked_at:
            raise SelfCheckFailed(_forgot(looked_at))
        refining.forget()
        return replace(job, name=uuid4().hex, looked_at=job.looked_at | looked_at)

    def _job(self) -> Job:
        options, left_s = self._options, self._left_s()
        return Job(
            self._subject,
            options.outcomes,
            options.metastable_modes,
            options.limits.operations,
            options.merge,
            frozenset(),
            uuid4().hex,
            options.limits.patience_s,
            None if left_s is None else time.time() + left_s,
            options.options_at_risk,
            options.representatives,
            decays=options.decays,
            draws=options.draws,
            erased_values=options.erased_values,
            made_of=self._made_of,
            places=options.places,
        )

    def _search(self, job: Job, tally: _Tally, refining: Refining) -> Stop:
        frontier = [
            State(state_key(self._flash, self._external), self._flash, self._external, Path())
        ]
        tally.seen.add(frontier[0].key)
        try:
            while frontier and not tally.looks and not self._unasked(job, tally):
                tally.levels.append(len(frontier))
                tally.booted = 0
                frontier = self._level(job, tally, refining, frontier)
        except _Stopped as stopped:
            return stopped.by
        except OutOfTime:
            return "time"
        except KeyboardInterrupt as interrupt:
            self.interrupt = interrupt.with_traceback(None)
            return "interrupted"
        is_settled = not tally.looks and not self._unasked(job, tally)
        return "cuts" if job.places is not None and is_settled else ""

    def _level(
        self, job: Job, tally: _Tally, refining: Refining, frontier: list[State]
    ) -> list[State]:
        """Boot one level; return the next one. Raises _Stopped at a limit."""
        limits, level = self._options.limits, len(tally.levels) - 1
        if limits.cuts is not None and level > limits.cuts:
            tally.levels.pop()
            raise _Stopped("cuts")
        began_s, (children, anew) = time.monotonic(), self._taken_over(tally, refining, frontier)
        done, of = 0, {state.key: state for state in anew}
        with closing(self._batches(job, tally, anew)) as batches:
            for size, booted in batches:
                for expansion in booted.expansions:
                    children += self._take(tally, expansion)
                    looked = sorted(expansion.looked)
                    tally.looks += [(of[expansion.state], span) for span in looked]
                refining.note(booted.expansions)
                self._keep(tally, anew[done : done + size])
                done += size
                whole = done if not booted.cut_short else done - size
                tally.booted = len(frontier) - len(anew) + whole
                self._tell(tally, level, len(frontier) - len(anew) + done, len(frontier), began_s)
                self._check_limits(tally, booted)
        return children

    def _taken_over(
        self, tally: _Tally, refining: Refining, frontier: list[State]
    ) -> tuple[list[State], list[State]]:
        """What earlier rounds came to, and the states of *frontier* that are to be booted."""
        children, anew = list[State](), list[State]()
        for state in frontier:
            known = refining.known(state, tally.graph.entries)
            if known is None:
                anew.append(state)
                continue
            for expansion in known:
                expansion.children = list(refining.children(expansion, tally.seen))
                children += self._take(tally, expansion)
            self._keep(tally, (state,))
        return children, anew

    def _take(self, tally: _Tally, expansion: Expansion) -> list[State]:
        tally.boots += 1
        if tally.first is None and not expansion.path.cuts:
            tally.first = expansion
        if tally.keeps:
            tally.expansions.append(expansion)
        for segment in tally.graph.add(expansion):
            tally.chain = sha256(tally.chain + segment.digest()).digest()
            if segment.violation is not None:
                path = replace(expansion.path, read_choice=expansion.read_choice)
                found = Counterexample(*segment.violation, path, segment.trace)
                tally.violations.append(found)
                tally.hot[expansion.sector] += 1
        if self._observer is not None:
            self._observer(expansion)
        new = [child for child in expansion.children if child.key not in tally.seen]
        tally.seen |= {child.key for child in new}
        return new

    # --- the same again

    def _keep(self, tally: _Tally, states: Iterable[State]) -> None:
        """For ``_boot_again``."""
        for state in states:
            if len(tally.sample) < _SAMPLE or state.key[1] % _SAMPLE_EVERY == 0:
                tally.sample.append(state)

    def _boot_again(self, job: Job, tally: _Tally) -> None:
        """At the very end, here, some states are booted once more, and must do the same: a subject
        that counts its boots, or keeps anything else between them, does not."""
        worker = Worker(tally.prober, ())
        with watching(job.boot_s):
            for state in tally.sample:
                left_s = self._left_s()
                if left_s is not None and left_s < 0:
                    return
                known = tally.graph.entries.get(start_node(state.key, ReadChoice()))
                if known is not None and not known.violated:
                    worker.again(state, known)

    # --- batches

    def _batches(
        self, job: Job, tally: _Tally, frontier: Sequence[State]
    ) -> Generator[tuple[int, Booted], None, None]:
        """Batches in their order, with what came of them."""
        batches = (frontier[at : at + SIZE] for at in range(0, len(frontier), SIZE))
        runner = self._executor or tally.prober
        return boot_all(batches, tally.graph.entries.keys(), job, runner, self._options.ahead)

    # --- limits and progress

    def _check_limits(self, tally: _Tally, booted: Booted) -> None:
        limits = self._options.limits
        if any(expansion.hung for expansion in booted.expansions):
            raise _Stopped("violations")  # each further one would take as long
        if booted.cut_short:
            raise _Stopped("time")
        if limits.states is not None and len(tally.seen) > limits.states:
            raise _Stopped("states")
        if limits.violations is not None and len(tally.violations) >= limits.violations:
            raise _Stopped("violations")
        left_s = self._left_s()
        if left_s is not None and left_s < 0:
            raise _Stopped("time")

    def _left_s(self) -> float | None:
        limit_s = self._options.limits.time_s
        return None if limit_s is None else self._began_s + limit_s - time.monotonic()

    def _tell(self, tally: _Tally, level: int, done: int, of: int, began_s: float) -> None:
        if self._progress is None:
            return
        now_s = time.monotonic()
        left_s = (now_s - began_s) / done * (of - done) if done else None
        self._progress(
            Progress(
                level,
                done,
                of,
                len(tally.seen),
                tally.boots,
                len(tally.violations),
                now_s - self._began_s,
                left_s,
                tally.graph.cuts,
            )
        )

    # --- the end

    def _report(self, tally: _Tally, stopped: Stop, refinements: int) -> Report:
        complete, first = not stopped, tally.first
        graph, of_first = tally.graph, first.places if first else 0
        recoveries = graph.recoveries()
        violations = tally.violations + graph.loops()
        violations.sort(key=lambda found: len(found.path.cuts))
        return Report(
            complete=complete,
            stopped_by=stopped,
            states=len(tally.seen),
            boots=tally.boots,
            cuts=graph.cuts,
            edges=graph.edges,
            levels=tuple(tally.levels),
            booted_last=tally.levels[-1] if stopped == "cuts" or complete else tally.booted,
            operations_first=next(iter(recoveries.values()), 0) or 0,
            operations_most=max((n for n in recoveries.values() if n is not None), default=0),
            ends=dict(sorted(graph.ends.items())),
            violations=kept(violations),
            violation_count=len(violations),
            heat=graph.heat_by_sector(),
            hot=dict(tally.hot),
            merged=graph.merged,
            draws=self._options.draws,
            enumerated=graph.enumerated,
            erased_values=self._options.erased_values,
            drawn=graph.told.read,
            values_left_out=graph.told.left_out,
            asked_late=graph.asked_late() if self._began is not None else {},
            refinements=refinements,
            checks=checks.check(
                graph, tally.seen, complete=complete, everywhere=self._options.places is None
            ),
            elapsed_s=time.monotonic() - self._began_s,
            chain=tally.chain.hex(),
            rests_on=self._rests_on(graph),
            decays=self._options.decays,
            outcomes=self._options.outcomes,
            places=of_first,
            places_cut=_of(self._options.places, of_first),
            uncut=tuple(first.uncut) if first else (),
        )

    def _rests_on(self, graph: Graph) -> tuple[str, ...]:
        """What the answer takes from the subject, in words for the verdict."""
        if not graph.represented:
            return ()
        promise = getattr(self._subject, "promise", "") or "representatives of the subject"
        return (f"{promise} (checked side by side in {graph.compared:,} states)",)


def _of(places: AbstractSet[int] | range | None, of_first: int) -> int:
    """How many of them a boot has that has *of_first*."""
    return of_first if places is None else sum(place in places for place in range(of_first))


def _forgot(looked_at: Spans) -> str:
    low, high = min(looked_at)
    return (
        f"a boot looks at bytes {low:#x} to {high - 1:#x} of the array, which the subject's "
        "representative forgets: it does not know what its boots read"
    )
