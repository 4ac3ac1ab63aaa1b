"""A host of steps that expect and send: a state machine that is cheap to keep."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Literal

from flash_emulator.machine.hosts.asking import (
    Answer,
    Asking,
    Ended,
    Expect,
    GaveUp,
    Keeper,
    Request,
    Wait,
    pattern_of,
)
from flash_emulator.machine.hosts.session import Plan, Session

OnTimeout = Literal["retry", "restart", "stop"]


@dataclass(frozen=True, slots=True)
class Step:
    """Exactly one of *expect*, a regular expression, *send* and *wait_s*. *timeout_s*: of that
    expectation; None: the script's."""

    expect: bytes | None = None
    send: bytes | None = None
    wait_s: float | None = None
    timeout_s: float | None = None

    def __post_init__(self) -> None:
        if sum(value is not None for value in (self.expect, self.send, self.wait_s)) != 1:
            raise ValueError("a step has exactly one of expect, send and wait_s")
        if self.expect is not None:
            pattern_of(self.expect)

    def __repr__(self) -> str:
        """Short, and the same for the same bytes."""
        if self.send is not None and len(self.send) > 32:
            digest = blake2b(self.send, digest_size=8).hexdigest()
            return f"Step(send={len(self.send)} bytes {digest})"
        return f"Step({self.expect!r}, {self.send!r}, {self.wait_s!r}, {self.timeout_s!r})"


@dataclass(frozen=True)
class Script(Plan):
    """*steps*, one after the other. Where what is expected has not come within *timeout_s*:
    "retry", what was sent just before it is sent again; "restart", all steps from the first;
    "stop", the host is silent from then on. *retries*: in a row and in one boot, then it gives up
    and a new try begins, see ``Common``."""

    steps: tuple[Step, ...] = ()
    timeout_s: float = field(default=1.0, kw_only=True)
    on_timeout: OnTimeout = field(default="retry", kw_only=True)
    retries: int = field(default=10, kw_only=True)

    def begin(self) -> Session:
        return Session(self, self._asking)

    def _asking(self) -> Asking:
        return ScriptAsking(self)


class ScriptAsking:
    """``Asking`` of a script: the number of a step is all that it keeps."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._at = 0
        self._failures = 0

    @property
    def keeper(self) -> Keeper:
        return self

    def memory(self) -> Hashable:
        return self._at, self._failures

    def kept(self) -> Hashable:
        return self._at

    def restore(self, kept: object) -> Request:
        assert isinstance(kept, int)
        self._at = kept
        return self._request(self._script.steps[self._at])

    def resume(self, answer: Answer) -> tuple[bytes, Request]:
        if self._is_waiting:
            try:
                self._has(answer)
            except GaveUp as error:
                raise Ended(error=error) from error
        sent = b""
        while self._at < len(self._script.steps):
            step = self._script.steps[self._at]
            if step.send is None:
                self._is_waiting = True
                return sent, self._request(step)
            sent += step.send
            self._at += 1
        raise Ended(sent)

    _is_waiting = False

    def _has(self, answer: Answer) -> None:
        """What the step has waited for has come, or its time is over."""
        step, script = self._script.steps[self._at], self._script
        if step.expect is None or answer is not None:
            self._at += 1
            self._failures = 0 if step.expect is not None else self._failures
            return
        self._failures += 1
        if script.on_timeout == "stop":
            self._at = len(script.steps)
        elif self._failures > script.retries:
            raise GaveUp(f"step {self._at + 1}: {step.expect!r} has not come")
        else:
            self._at = 0 if script.on_timeout == "restart" else self._sent_before(self._at)

    def _sent_before(self, at: int) -> int:
        """The first of the steps that send right before *at*; *at* where none does."""
        while at > 0 and self._script.steps[at - 1].expect is None:
            at -= 1
        return at

    def _request(self, step: Step) -> Request:
        self._is_waiting = True
        if step.wait_s is not None:
            return Wait(step.wait_s)
        assert step.expect is not None
        timeout_s = self._script.timeout_s if step.timeout_s is None else step.timeout_s
        return Expect(step.expect, timeout_s)

    def close(self) -> None:
        """Nothing runs."""
