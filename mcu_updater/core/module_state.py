"""What is known of the module since this start: what it said, and what a probe finds out.

This is the only knowledge of the updater that is not in flash. After a reset it is gone, and the
module cannot be asked for its state, so what it still holds is found out by reading a byte.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterator

from mcu_updater.core.decide import Module, fit
from mcu_updater.core.errors import LinkError
from mcu_updater.core.events import Event, ModuleSaid, ModuleTold, Problem
from mcu_updater.core.journal import IN_PROGRESS, Snapshot
from mcu_updater.core.ota import (
    EVENT_CODES,
    Downloading,
    DownloadStarted,
    OtaEvent,
    OtaModule,
    OtherOtaEvent,
    PieceReady,
    PlanOffered,
    UpdateFailed,
    UpdateSucceeded,
    Updating,
)

OFFERS = (Module.OFFERED_ONCE, Module.OFFERED)
_ASKED = (Module.ASKED, *OFFERS)
_OF_ITS_OWN = (EVENT_CODES[DownloadStarted], EVENT_CODES[PieceReady])  # without arguments
_OF_A_DOWNLOAD = (DownloadStarted, Downloading, PieceReady)


class ModuleTracker:
    """Hears and probes *link*. Pieces are held against the inactive slot's journal.

    *current* gives what that says. *component* is ours: what the module says of others' upgrades
    is none of our business, but for plans of *module_components*. *plan_once*: a plan is believed
    though it was said once only.
    """

    def __init__(
        self,
        link: OtaModule,
        current: Callable[[], Snapshot | None],
        component: str,
        module_components: frozenset[str] = frozenset(),
        *,
        plan_once: bool = False,
    ) -> None:
        self._link = link
        self._current = current
        self._component = component
        self._module_components = module_components
        self._plan_once = plan_once
        self.module = Module.UNKNOWN
        self.plan: PlanOffered | None = None
        self.started: DownloadStarted | None = None
        self.piece: PieceReady | None = None
        self._is_of_module = False  # what it speaks of is the upgrade of its own firmware
        self._waiting: deque[OtaEvent] = deque()  # received before a probe, and to be heard yet

    def hear(self, timeout_s: float, silence: Module) -> Iterator[Event]:
        """Take the next event that says something; *silence* is what it means when none comes."""
        try:
            event = self._next_event(timeout_s)
            while event is not None and not self._concerns(event):
                yield ModuleSaid(_code(event), in_words(event))
                event = self._next_event(timeout_s)
        except LinkError as error:
            yield Problem(error.message)
            self.module = Module.UNKNOWN  # something has changed: find out what
            return
        if event is None:
            self.module = silence
            return
        yield ModuleSaid(_code(event), in_words(event))
        self.module = self._understand(event)

    def _next_event(self, timeout_s: float) -> OtaEvent | None:
        return self._waiting.popleft() if self._waiting else self._link.next_event(timeout_s)

    def _concerns(self, event: OtaEvent) -> bool:
        """Whether it changes anything here. A message may offer upgrades of several components.

        A plan that is only for others is heard, and refused. Beside a plan of ours it is not. One
        that the module carries out is heard also where ours is under way, and was asked for anew.

        10702 and 10704 to 10706 name no component: behind a 10701 or 10703 without arguments they
        are of the module's own firmware, and say nothing of ours.
        """
        was_of_module = self._is_of_module
        match event:
            case OtherOtaEvent(code):
                self._is_of_module = was_of_module or code in _OF_ITS_OWN
                return False
            case Downloading() | Updating():
                return not was_of_module
            case UpdateSucceeded() | UpdateFailed():
                self._is_of_module = False
                return not was_of_module
        self._is_of_module = False
        match event:
            case PlanOffered(component):
                if component in self._module_components and self.module in _ASKED:
                    return not self._is_offered()
                return component == self._component or not self._has_plan()
            case DownloadStarted(component) | PieceReady(component):
                return component == self._component

    def _has_plan(self) -> bool:
        """Ours has been offered just now, or is under way."""
        if self._is_offered():
            return True
        snapshot = self._current()
        return snapshot is not None and snapshot.phase in IN_PROGRESS

    def _is_offered(self) -> bool:
        plan = self.plan if self.module in OFFERS else None
        return plan is not None and plan.component == self._component

    def _understand(self, event: OtaEvent) -> Module:
        match event:
            case PlanOffered():
                return self._offered(event)
            case DownloadStarted():
                self.started = event
                return Module.STARTED
            case Downloading():
                return Module.BUSY
            case PieceReady():
                return self._hold(event)
            case Updating():
                return Module.UPDATING
            case UpdateSucceeded():
                return Module.SUCCEEDED
            case UpdateFailed():
                return Module.FAILED
            case OtherOtaEvent():
                return self.module

    def _offered(self, plan: PlanOffered) -> Module:
        """Nothing but the line guards a plan. So it is believed when it came twice, and alike."""
        again = self.module in OFFERS and plan == self.plan
        self.plan = plan
        return Module.OFFERED if again or self._plan_once else Module.OFFERED_ONCE

    def _hold(self, piece: PieceReady) -> Module:
        self.piece = piece
        snapshot = self._current()
        return fit(piece, snapshot) if snapshot else Module.HOLDS_OTHER

    def probe(self, snapshot: Snapshot) -> Iterator[Event]:
        """Find the piece that the module holds, by reading single bytes of it.

        Tried are the piece that *snapshot* wants next, the one before it, and the first one. The
        piece's end is found by halving, so that its length need not be kept anywhere. When no
        byte can be read, ``module`` stays UNKNOWN.
        """
        wanted = snapshot.piece_start
        length = snapshot.package.length if snapshot.package else 1
        for offset in dict.fromkeys((wanted, max(wanted - 1, 0), 0)):
            if offset < length and self._link.read(offset, 1):
                end = self._find_end(offset, length)
                start = wanted if offset == wanted else 0
                yield ModuleTold(f"what do you hold? package bytes up to {end}")
                self.module = self._hold(PieceReady(snapshot.component, length, start, end - start))
                yield from self._pass_over_what_is_older()
                return

    def _pass_over_what_is_older(self) -> Iterator[Event]:
        """What the module said of the download before it answered a probe is older than the answer.

        It stands in the line's buffer when the MCU was busy or without power while the module went
        on. Heard later, it would be taken for what follows the next request.
        """
        try:
            while (event := self._link.next_event(0.0)) is not None:
                if isinstance(event, _OF_A_DOWNLOAD):
                    yield ModuleSaid(_code(event), f"{in_words(event)} (before it was asked)")
                else:
                    self._waiting.append(event)
        except LinkError as error:
            yield Problem(error.message)
            self.module = Module.UNKNOWN

    def memory(self) -> Hashable:
        """What is known of the module, and what it said as long as a step to come needs it.

        ASK_AGAIN and ANSWER need the plan, NOTE_PACKAGE the package, START_OVER and LOAD the piece.
        """
        match self.module:
            case Module.OFFERED | Module.OFFERED_ONCE:
                said: object = self.plan
            case Module.STARTED:
                said = self.started
            case Module.HOLDS_NEXT | Module.HOLDS_FIRST:
                said = self.piece
            case _:
                said = None
        return self.module, said, self._is_of_module, tuple(self._waiting)

    def _find_end(self, inside: int, length: int) -> int:
        """The end of the piece that holds offset *inside*."""
        if self._link.read(length - 1, 1):
            return length
        low, high = inside + 1, length - 1
        while low < high:
            middle = (low + high) // 2
            if self._link.read(middle, 1):
                low = middle + 1
            else:
                high = middle
        return low


def _code(event: OtaEvent) -> int:
    return event.code if isinstance(event, OtherOtaEvent) else EVENT_CODES[type(event)]


def in_words(event: OtaEvent) -> str:
    """The event's arguments, for people."""
    match event:
        case PlanOffered(component, source, target, _, _, space):
            origin = f"from {source} " if source else ""
            return f"plan for {component}: {origin}to version {target}, {space} bytes"
        case DownloadStarted(_, length, md5, _, sha256):
            sha = f", SHA-256 {sha256.hex()[:16]}..." if sha256 else ", no SHA-256"
            return f"download of {length} bytes begins, MD5 {md5.hex()[:8]}...{sha}"
        case Downloading():
            return "downloading"
        case PieceReady(_, length, start, size):
            return f"bytes {start} to {start + size - 1} of {length} can be read"
        case Updating():
            return "the MCU updates itself"
        case UpdateSucceeded():
            return "upgrade succeeded"
        case UpdateFailed():
            return "upgrade failed"
        case OtherOtaEvent(_, arguments):
            return arguments
