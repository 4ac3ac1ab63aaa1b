"""What a search, or the check of one, boots: a subject on a flash, and what else survives a cut.

The simplest subject is a function, ``boot(flash)``. Whoever has more than flash (a modem, a second
chip), or runs so long that runs should be joined half-way, writes a ``Subject``.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable, Iterator, Sequence
from dataclasses import dataclass
from inspect import isgenerator
from typing import Any, Protocol

from flash_emulator.device.flash import EmulatedFlash

Run = Generator[Hashable, None, str]
"""A run from power-on to rest. It returns a short word on how it ended.

It may yield *memory*: all that it holds in RAM at this moment, as nested tuples of plain values.
It promises that its future depends on nothing but flash, ``Boot.volatile`` and that. Where the
same was seen before, the run is not carried on: what comes was explored already.
"""


class ExternalState(Protocol):
    """What survives a cut beside the flash. An immutable value that can be pickled."""

    @property
    def digest(self) -> bytes:
        """Equal states have equal digests, and only they."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """Nothing but the flash survives."""

    digest: bytes = b""


class Boot(Protocol):
    """One start of the subject, on a flash that has just been powered on.

    For films it may also have ``words()``, what it has to say since the last time, and ``where()``,
    the place in its program; and ``moment()``, what that was doing in full, a ``Running`` of
    ``flash_emulator.moment`` or None.
    """

    def run(self) -> Run:
        """Run to rest. Raises Violation where something is wrong that can be seen now."""

    def surviving(self) -> Sequence[tuple[str, ExternalState]]:
        """If power went now: the ways in which it may come back, and what is there then.

        Each way has a name without spaces; the first one's may be empty.
        """

    def volatile(self) -> bytes:
        """Digest of all that decides the future beside flash and memory; asked when run yields."""


class Subject(Protocol):
    """Makes boots. Must be picklable where an executor of other processes is used.

    *promise*: what ``representative`` relies on, in a few words for the verdict, such as
    "representatives of journal trailers".
    """

    promise: str = ""

    def boot(self, flash: EmulatedFlash, external: ExternalState) -> Boot: ...

    def representative(self, flash: EmulatedFlash) -> EmulatedFlash:
        """What a cut left, or another flash that is as good: only that one is booted.

        It promises that every boot does the same with both, but for the places where it does it,
        and that what the same cut leaves of them is again as good as each other. What is known of
        *flash* may be less than all; the answer must be right for whatever the rest holds. As it
        stands, nothing is as good as something else.

        Every search boots a sample of states and their representatives side by side.
        """
        return flash

    def returned(self, flash: EmulatedFlash, external: ExternalState) -> EmulatedFlash:
        """*flash* as it is when power comes back in the way of *external*; itself, or a twin.

        As it stands, the same in every way. A subject may call ``keep_power`` on a twin: the MCU
        was reset, and never without power. What it does must not depend on what cells hold, since
        of some of them nothing may be known.
        """
        del external
        return flash

    def canonical(self, flash: EmulatedFlash) -> Hashable:
        """A value that two flashes share which ``representative`` takes for as good as each other.

        It is asked of representatives, when boots are held side by side: for what the promise
        leaves different in them as well, such as the place of a record.
        """
        return flash.digest()

    def kind(self, one: EmulatedFlash, other: EmulatedFlash) -> Hashable:  # noqa: ARG002
        """In what way *one* differs from *other*, its representative, as far as the promise has
        cases: some of each kind are booted side by side."""
        return None


class Violation(Exception):
    """Something that must hold does not. *question* is "safe", "live", "reported" or one's own."""

    def __init__(self, question: str, text: str) -> None:
        self.question = question
        self.text = text
        super().__init__(f"{question}: {text}")

    def __reduce__(self) -> tuple[type[Violation], tuple[str, str]]:
        return type(self), (self.question, self.text)


def ended_in(error: BaseException) -> str:
    """What is said of a boot that ends in anything but rest or a Violation."""
    return f"the boot ended in {type(error).__name__}: {error}"


@dataclass(frozen=True, slots=True)
class FunctionSubject(Subject):
    """A function that boots on a flash, and one that judges the flash when it has come to rest.

    *function* returns when it is at rest, or is a generator that yields memory. *verdict* raises
    Violation. Any other exception of either is a violation of "live".
    """

    function: Callable[[EmulatedFlash], Any]
    verdict: Callable[[EmulatedFlash], object] | None = None

    def boot(self, flash: EmulatedFlash, external: ExternalState) -> Boot:
        return _FunctionBoot(self, flash, external)


@dataclass(frozen=True, slots=True)
class _FunctionBoot:
    subject: FunctionSubject
    flash: EmulatedFlash
    external: ExternalState

    def run(self) -> Run:
        result = self.subject.function(self.flash)
        if isgenerator(result):
            result = yield from _yielded(result)
        if self.subject.verdict is not None:
            self.subject.verdict(self.flash)
        return "at rest" if result is None else str(result)

    def surviving(self) -> Sequence[tuple[str, ExternalState]]:
        return (("", self.external),)

    def volatile(self) -> bytes:
        return b""


def subject_of(
    boot: Callable[[EmulatedFlash], Any] | Subject,
    verdict: Callable[[EmulatedFlash], object] | None,
) -> Subject:
    """*boot* itself, or the subject that a function is together with *verdict*.

    ValueError for a *verdict* beside a Subject, which judges by itself.
    """
    if callable(boot):
        return FunctionSubject(boot, verdict)
    if verdict is not None:
        raise ValueError("a Subject judges by itself: no verdict beside it")
    return boot


def _yielded(run: Iterator[Hashable]) -> Generator[Hashable, None, Any]:
    return (yield from run)
