"""A host under way: what it waits for, what it has heard, and what of it survives a cut."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Literal

from flash_emulator.machine.hosts.asking import (
    Answer,
    Asking,
    Ended,
    GaveUp,
    Request,
    Wait,
    answer_of,
    late_answer_of,
    timeout_of,
)
from flash_emulator.machine.hosts.line import Stuck
from flash_emulator.machine.machine import Machine
from flash_emulator.machine.outside import BAUD, Sent, byte_us
from flash_emulator.subject import ExternalState

_MOST_AT_ONCE = 100_000
_FAILED = GaveUp, TimeoutError, OSError
_PICOSECONDS = 6  # decimals of a microsecond in a state

Away = Literal["short", "long"]


class HostBroken(Exception):
    """The host itself is wrong: it raised what no host raises, or never comes back."""


@dataclass(frozen=True)
class Common:
    """What all hosts have in common.

    *survives*: it goes on after a cut where it was; else it begins anew with each power-on. *tries*
    in one boot: as often it begins, *again_s* after it has given up. *away*: how long power is
    away when it survives: "short", it has not noticed, and a wait that was under way begins anew;
    "long", what it waited for has not come in time.
    """

    survives: bool = False
    tries: int = 10
    again_s: float = 0.1
    away: tuple[Away, ...] = ("short",)


@dataclass(frozen=True)
class Plan(ABC):
    """What a board knows of its host: whom to begin. *usart*: "USART2"; *baud*: of both ways."""

    usart: str
    baud: int = field(default=BAUD, kw_only=True)
    common: Common = field(default=Common(), kw_only=True)

    @abstractmethod
    def begin(self) -> Session:
        """One that has not begun yet."""


@dataclass(frozen=True, slots=True)
class HostState:
    """What survives a cut. *memory*: None where *answers* are all that tells where it is.
    *is_late*: what it waited for has not come in time. What it has heard and not taken is gone:
    else the same host would be another with each byte of each boot."""

    answers: tuple[Answer, ...] = ()
    memory: object = None
    is_done: bool = False
    is_late: bool = False

    @property
    def digest(self) -> bytes:
        return blake2b(repr(self).encode(), digest_size=16).digest()


class Session:
    """One host in one boot: ``Host`` of ``outside``."""

    def __init__(self, plan: Plan, make: Callable[[], Asking]) -> None:
        self.plan, self._make = plan, make
        self.failures: list[str] = []
        """Why it has given up, each time."""
        self.is_done = False
        """It came to its end, with nothing left to do."""
        self.progress = 0
        """How often it went on."""
        self._asking: Asking | None = None
        self._request: Request | None = None
        self._answers: list[Answer] = []
        self._told = blake2b(digest_size=16)
        self._unread = bytearray()
        self._quiet_us = 0.0  # all that was sent is out then
        self._late_us: float | None = None
        self._is_late = self._is_paused = False

    # --- Host

    @property
    def survives(self) -> bool:
        return self.plan.common.survives

    def start(self, now_us: float) -> Iterable[Sent]:
        self._quiet_us = now_us
        if self.is_done:
            return ()
        if self._asking is None:
            return self._go_on(now_us, None)
        self._ask_for(self._request, now_us)
        if self._is_late and self._request is not None:
            self._is_late = False
            self._late_us = now_us
            return self._time_is_over(now_us)
        return self._answered(now_us)

    def heard(self, usart: str, byte: int, now_us: float) -> Iterable[Sent]:
        if usart != self.plan.usart or self._asking is None:
            return ()
        self._unread.append(byte)
        return self._answered(now_us)

    def next_us(self) -> float | None:
        return self._late_us

    def woken(self, now_us: float) -> Iterable[Sent]:
        return self._time_is_over(now_us)

    def state(self, now_us: float) -> Hashable:
        left = None if self._late_us is None else round(self._late_us - now_us, _PICOSECONDS)
        busy = round(max(0.0, self._quiet_us - now_us), _PICOSECONDS)
        keeper = None if self._asking is None else self._asking.keeper
        told = self._told.digest() if keeper is None else repr(keeper.memory())
        flags = self.is_done, self._is_paused, len(self.failures)
        return told, bytes(self._unread), left, busy, flags

    def in_words(self) -> tuple[str, ...]:
        """What it did, and what it waits for."""
        failed = f"gave up {len(self.failures)} times" if len(self.failures) > 1 else "gave up"
        said = (f"{failed}: {self.failures[-1]}",) if self.failures else ()
        if self.is_done:
            return (*said, "came to its end")
        if self._is_paused or self._request is None:
            return said
        return (*said, f"waits: {self._request}")

    # --- what survives

    def surviving(self, external: ExternalState) -> Sequence[tuple[str, ExternalState]]:
        """If power went now: the ways in which it may go on, see ``Common``."""
        common = self.plan.common
        if not common.survives:
            return (("", external),)
        return tuple(
            ("" if number == 0 else away, self._left(is_late=away == "long"))
            for number, away in enumerate(common.away)
        )

    def _left(self, *, is_late: bool) -> HostState:
        if self.is_done:
            return HostState(is_done=True)
        if self._asking is None or self._is_paused:
            return HostState()
        keeper = self._asking.keeper
        memory = None if keeper is None else keeper.kept()
        answers = tuple(self._answers) if keeper is None else ()
        is_late = is_late and self._request is not None and timeout_of(self._request) is not None
        return HostState(answers, memory, is_late=is_late)

    def restore(self, state: HostState) -> None:
        """Go on where another session of the plan was: before ``start``."""
        self.is_done = state.is_done
        if state == HostState() or state.is_done:
            return
        self._asking = self._make()
        self._is_late = state.is_late
        keeper = self._asking.keeper
        if keeper is not None:
            self._request = keeper.restore(state.memory)
            return
        self._request = self._replayed(self._asking, None)
        for answer in state.answers:
            self._note(answer)
            self._request = self._replayed(self._asking, answer)

    def _replayed(self, asking: Asking, answer: Answer) -> Request:
        try:
            return asking.resume(answer)[1]
        except Exception as error:
            raise self._broken(
                f"does something else when it hears the same again: {error!r}"
            ) from (error)

    # --- going on

    def _go_on(self, now_us: float, answer: Answer) -> list[Sent]:
        """Resume it until it has to wait. Returns what it sends."""
        sent, self._request, self._late_us = list[Sent](), None, None
        self.progress += 1
        for _ in range(_MOST_AT_ONCE):
            request = self._resumed(sent, answer, now_us)
            if request is None:
                return sent
            if not isinstance(request, Request):
                raise self._broken(f"asks for {request!r}: no Read, Expect, Wait or Send")
            is_there, answer = answer_of(request, self._unread, now_us)
            if not is_there and timeout_of(request) == 0.0 and now_us >= self._quiet_us:
                is_there, answer = True, late_answer_of(request, self._unread)
            if not is_there:
                self._ask_for(request, now_us)
                return sent
            self._note(answer)
        raise self._broken(f"asks its line {_MOST_AT_ONCE:,} times and lets no time pass")

    def _resumed(self, sent: list[Sent], answer: Answer, now_us: float) -> Request | None:
        """None: it is done, or pauses."""
        if self._asking is None:
            self._asking = self._make()
        try:
            data, request = self._asking.resume(answer)
        except Ended as ended:
            self._out(sent, ended.sent, now_us)
            self._has_ended(ended.error, now_us)
            return None
        except Stuck as error:
            raise self._broken(str(error)) from error
        self._out(sent, data, now_us)
        return request

    def _has_ended(self, error: BaseException | None, now_us: float) -> None:
        if error is None:
            self._asking, self.is_done = None, True
        elif isinstance(error, _FAILED):
            self._fail(f"{type(error).__name__}: {error}", now_us)
        else:
            self._asking = None
            raise self._broken(f"raised {type(error).__name__}: {error}") from error

    def _out(self, sent: list[Sent], data: bytes, now_us: float) -> None:
        if data:
            sent.append((self.plan.usart, data))
            begin_us = max(now_us, self._quiet_us)
            self._quiet_us = begin_us + len(data) * byte_us(self.plan.baud)

    def _fail(self, why: str, now_us: float) -> None:
        """It begins again, from nothing, where there is a try left."""
        self.failures.append(why)
        self._forget()
        if len(self.failures) < self.plan.common.tries:
            self._is_paused = True
            self._ask_for(Wait(self.plan.common.again_s), now_us)

    def _forget(self) -> None:
        self.close()
        self._answers.clear()
        self._told = blake2b(digest_size=16)
        self._unread.clear()
        self._request = self._late_us = None

    def _ask_for(self, request: Request | None, now_us: float) -> None:
        self._request = request
        timeout_s = None if request is None else timeout_of(request)
        begin_us = max(now_us, self._quiet_us)
        self._late_us = None if timeout_s is None else begin_us + timeout_s * 1e6

    def _answered(self, now_us: float) -> Iterable[Sent]:
        if self._request is None or self._is_paused:
            return ()
        is_there, answer = answer_of(self._request, self._unread, now_us)
        if not is_there:
            return ()
        self._note(answer)
        return self._go_on(now_us, answer)

    def _time_is_over(self, now_us: float) -> Iterable[Sent]:
        if self._is_paused:
            self._is_paused = False
            return self._go_on(now_us, None)
        assert self._request is not None
        answer = late_answer_of(self._request, self._unread)
        self._note(answer)
        return self._go_on(now_us, answer)

    def _note(self, answer: Answer) -> None:
        self._answers.append(answer)
        self._told.update(repr(answer).encode())

    def _broken(self, what: str) -> HostBroken:
        return HostBroken(f"the host at {self.plan.usart} {what}")

    def close(self) -> None:
        """Its boot is over."""
        asking, self._asking = self._asking, None
        if asking is not None:
            asking.close()


def begun(machine: Machine, plan: Plan, external: ExternalState | None = None) -> Session:
    """The host of *plan* as *external* has it, for the next boot of *machine*. Whoever asks puts it
    at the line, and closes it. Raises ValueError where the chip has no such USART."""
    known = machine.outside.usarts
    if plan.usart not in known:
        part = machine.part.name
        raise ValueError(f"the host's {plan.usart} is no USART of {part}: {', '.join(known)}")
    session = plan.begin()
    if isinstance(external, HostState):
        try:
            session.restore(external)
        except BaseException:
            session.close()
            raise
    machine.outside.byte_us = byte_us(plan.baud)
    return session


@contextmanager
def hosted(
    machine: Machine, plan: Plan | None, external: ExternalState | None = None
) -> Iterator[Session | None]:
    """*machine* with the host of *plan* at its line, as *external* has it; before it boots."""
    outside = machine.outside
    if plan is None:
        outside.host = None
        yield None
        return
    session = begun(machine, plan, external)
    outside.host = session
    try:
        yield session
    finally:
        outside.host = None
        session.close()
