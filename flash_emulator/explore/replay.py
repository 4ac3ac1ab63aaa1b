"""One path again, with a film of what happens; and the same finding with fewer cuts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from flash_emulator.array.pages import Slice
from flash_emulator.device.flash import EmulatedFlash
from flash_emulator.device.sensing import MetastableMode
from flash_emulator.device.trace import Operation
from flash_emulator.errors import UnknownContent
from flash_emulator.explore.blame import trace_of
from flash_emulator.explore.hanging import hung_text
from flash_emulator.explore.hidden import what_is_hidden
from flash_emulator.explore.moments import Moments
from flash_emulator.explore.path import Cut, Path
from flash_emulator.explore.read_choice import ReadChoice, powered
from flash_emulator.explore.report import COMES_BACK, tag_of
from flash_emulator.explore.search import SearchOptions
from flash_emulator.explore.states import Node, point_node
from flash_emulator.moment import Moment, SourceLine
from flash_emulator.player import sector_signs, span_of
from flash_emulator.power import DECAYS, CutAt, Outcome, PowerLoss
from flash_emulator.subject import Boot, ExternalState, Subject, Violation, ended_in
from flash_emulator.watchdog import Hung, beat_if_new, calm_if_hung, heed, watching


@dataclass(frozen=True, slots=True)
class Frame:
    """One thing that happened. *operation* is the number of the last one that was begun.

    *sectors* has a sign for each sector of the array at that moment, see ``player.signs``: where
    an operation begins, as it is before that.
    """

    boot: int  # from 1
    operation: int
    kind: str  # "boot", "operation", "word", "cut", "end", "violation"
    text: str
    address: int | None = None
    sectors: str = ""
    where: str = ""  # in the subject's program, where that says so
    moment: Moment | None = None  # of cuts, violations and ends
    span: tuple[int, int] | None = None  # offset and size of what an operation works on
    is_mapped: bool = False  # the CPU sees each bank where the other one is


@dataclass(frozen=True, slots=True)
class Start:
    """How one boot of a path begins: *state* is the flash before power comes. *cut*: what ends it;
    None in the last one."""

    number: int
    state: EmulatedFlash
    read_choice: ReadChoice
    external: ExternalState
    cut: Cut | None


@dataclass(frozen=True, slots=True)
class Film:
    """All frames of one path, and how its last boot ended."""

    path: Path
    frames: tuple[Frame, ...]
    end: str  # the subject's word; empty when there was a violation
    violation: tuple[str, str] | None
    flash: EmulatedFlash  # as the last boot left it
    trace: str = ""  # where in the subject that was, if it was an exception, or nothing more came
    starts: tuple[Start, ...] = ()  # of each boot

    @property
    def place(self) -> SourceLine | None:
        """File and line that power went in last; where there was no cut, where it went wrong."""
        kinds = ("cut",) if self.path.cuts else ("violation", "end")
        moments = [each.moment for each in self.frames if each.kind in kinds]
        return moments[-1].place if moments and moments[-1] is not None else None


class PathLeft(ValueError):
    """The path does not fit: a cut that it names was never reached."""


def replay(
    subject: Subject,
    flash: EmulatedFlash,
    external: ExternalState,
    path: Path,
    options: SearchOptions | None = None,
    *,
    has_moments: bool = True,
) -> Film:
    """Boot, cut, boot again ... as *path* says. Raises PathLeft where a cut does not fire.

    *options* are those of the search that found it: whether weak bits are metastable as soon as
    power goes depends on them, whether the next boot is that of the subject's representative, and
    how many operations a boot may do. *has_moments*: cuts and ends are told with ``Frame.moment``.
    """
    options = options or SearchOptions()
    state = flash.fork()
    state.draws_by_place = True
    state.recalls = {cut.decay for cut in path.cuts if cut.decay is not None}
    frames: list[Frame] = []
    moments = Moments() if has_moments else None
    starts: list[Start] = []
    for number, cut in enumerate(path.cuts, 1):
        starts.append(Start(number, state, cut.read_choice, external, cut))
        shot = Shot(subject, starts[-1], options, moments)
        shot.following = _read_choices(path)[number]
        shot.run()
        frames += shot.frames
        if shot.survived is None:
            raise PathLeft(f"cut {number} of {path}, {cut}: not reached; {shot.frames[-1].text}")
        state, external = shot.flash.alone(), shot.survived
        if options.merge:
            state.cells.fade()
            state = subject.representative(state) if options.representatives else state
        state = subject.returned(state, external)
    number = len(path.cuts) + 1
    starts.append(Start(number, state, path.read_choice, external, None))
    last = Shot(subject, starts[-1], options, moments)
    last.run()
    frames += last.frames
    end, flash = last.end, last.flash
    return Film(path, tuple(frames), end, last.violation, flash, last.trace, tuple(starts))


def _read_choices(path: Path) -> list[ReadChoice]:
    """How each boot reads, the last included."""
    return [*(cut.read_choice for cut in path.cuts), path.read_choice]


def shrink(
    subject: Subject,
    flash: EmulatedFlash,
    external: ExternalState,
    path: Path,
    options: SearchOptions | None = None,
) -> Path:
    """A path with the same question violated and as few cuts as can be left of this one.

    And with as few units flipped. *options* as for ``replay``.
    """
    options = options or SearchOptions()
    question = _question(subject, flash, external, path, options)
    if question is None:
        raise ValueError(f"{path}: nothing is violated")
    shorter = True
    while shorter:
        shorter = False
        for candidate in _simpler(path):
            if _question(subject, flash, external, candidate, options) == question:
                path, shorter = candidate, True
                break
    return path


def _simpler(path: Path) -> Iterator[Path]:
    """One cut less; then cuts that leave everything as it was; then one unit flipped less."""
    for index in range(len(path.cuts)):
        yield replace(path, cuts=path.cuts[:index] + path.cuts[index + 1 :])
    for index, cut in enumerate(path.cuts):
        if cut.operation and cut.outcome is not Outcome.BEFORE:
            plain = replace(cut, outcome=Outcome.BEFORE)
            yield replace(path, cuts=(*path.cuts[:index], plain, *path.cuts[index + 1 :]))
    for index, cut in enumerate(path.cuts):
        if cut.decay is not None:
            plain = replace(cut, decay=None)
            yield replace(path, cuts=(*path.cuts[:index], plain, *path.cuts[index + 1 :]))
    for index, cut in enumerate(path.cuts):
        for read_choice in _fewer(cut.read_choice):
            plain = replace(cut, read_choice=read_choice)
            yield replace(path, cuts=(*path.cuts[:index], plain, *path.cuts[index + 1 :]))
    for read_choice in _fewer(path.read_choice):
        yield replace(path, read_choice=read_choice)


def _fewer(read_choice: ReadChoice) -> Iterator[ReadChoice]:
    """Ways of reading with fewer units that do not read as they last did."""
    if read_choice.metastable_mode is not MetastableMode.STABLE:
        yield ReadChoice()
    for unit in sorted(read_choice.flips):
        yield ReadChoice(flips=read_choice.flips - {unit})


def _question(
    subject: Subject,
    flash: EmulatedFlash,
    external: ExternalState,
    path: Path,
    options: SearchOptions,
) -> str | None:
    try:
        film = replay(subject, flash, external, path, options, has_moments=False)
    except PathLeft:
        return None
    return film.violation[0] if film.violation else None


class _MomentCut(BaseException):
    """Power goes while no operation is under way."""


class _Loop(BaseException):
    """The boot does more operations than it may."""


class Shot:
    """One boot of a film, up to its cut."""

    def __init__(
        self,
        subject: Subject,
        start: Start,
        options: SearchOptions,
        moments: Moments | None = None,
    ) -> None:
        self._subject = subject
        self._state, self._read_choice = start.state, start.read_choice
        self._external = start.external
        self.flash = start.state
        self.frames: list[Frame] = []
        self.end = ""
        self.violation: tuple[str, str] | None = None
        self.survived: ExternalState | None = None
        self.trace = ""
        self._limits = options.limits
        self._done: set[Operation] = set()
        self._number = start.number
        self._cut = start.cut
        self._operation = 0
        self._moment = 0
        self._boot: Boot | None = None
        self._bulk: Operation | None = None  # what the last frame tells of
        self._moments = moments
        self.following: ReadChoice | None = None  # how the next boot reads

    def run(self) -> None:
        try:
            with watching(self._limits.patience_s), what_is_hidden(self):
                self._follow(self._started())
        except PowerLoss as loss:
            self._died(f"CUT: {loss}", None if loss.kind == "options" else loss.address)
        except UnknownContent as unknown:
            calm_if_hung()
            text = f"boot {self._number}: {unknown}, which the subject's representative forgets"
            raise PathLeft(text) from unknown
        except _MomentCut:
            self._died(f"CUT at moment {self._moment}, between two operations")
        except _Loop:
            most = self._limits.operations
            self._violated("live", f"no rest after {most} operations of one boot")
        except Hung as hung:
            self.trace = trace_of(hung)
            self._violated("live", hung_text(self._limits.patience_s))
        except Violation as violation:
            self._violated(violation.question, violation.text)
        except (Exception, SystemExit) as error:
            self.trace = trace_of(error)
            self._violated("live", ended_in(error))
        finally:
            self.flash.watch = None

    def _started(self) -> Boot:
        flash = powered(self._state, self._read_choice, self._attach)
        self._boot = self._subject.boot(flash, self._external)
        if self._moments is not None:
            self._moments.begin(self._boot)
        if self._cut is not None and self._cut.operation:
            cut = self._cut
            flash.supply = CutAt(
                cut.operation,
                cut.outcome,
                spoils_options=cut.spoils_options,
                decay=cut.decay,
                draw=cut.draw,
                words=dict(cut.words),
            )
        return self._boot

    def _attach(self, flash: EmulatedFlash) -> Shot:
        self.flash = flash
        self._note("boot", f"power-on {self._number}")
        return self

    def _follow(self, boot: Boot) -> None:
        run = boot.run()
        seen: set[Node] = set()
        while True:
            try:
                memory = next(run)
            except StopIteration as stop:
                self.flash.check_power()
                self.end = str(stop.value)
                break
            self._words()
            heed()
            here = point_node(self.flash, boot.volatile(), memory)
            if here in seen:
                raise Violation("live", COMES_BACK)
            seen.add(here)
        self._words()
        self._note("end", self.end, moment=self._moment_at_the_end())
        if self._cut is not None and not self._cut.operation and not self._cut.moment:
            self._died("CUT at rest")

    def _words(self) -> None:
        """What the subject has to say, where it says something."""
        tell = getattr(self._boot, "words", None)
        for text in tell() if tell is not None else ():
            self._note("word", text)

    def _died(self, text: str, address: int | None = None) -> None:
        assert self._cut is not None and self._boot is not None
        self._words()
        if self._cut.decay is not None:
            text += f"; {DECAYS[self._cut.decay]}"
            if not self._cut.operation:  # else the device has done it
                self.flash.decay(self._cut.decay)
        moment, where = None, self._where()
        if self._moments is not None:
            moment = self._moments.of_cut(self.flash, self.following)
        self._note("cut", f"{text}{where}", address, where, moment)
        ways = dict(self._boot.surviving())
        if self._cut.way not in ways:
            raise PathLeft(f"{self._cut}: no such way; known: {', '.join(map(repr, ways))}")
        self.survived = ways[self._cut.way]

    def _violated(self, question: str, text: str) -> None:
        self._words()
        self.violation = (question, text)
        moment = self._moment_at_the_end()
        self._note("violation", f"{tag_of(question)}: {text}", moment=moment)

    def _moment_at_the_end(self) -> Moment | None:
        if self._moments is None:
            return None
        return self._moments.of_end(self.flash, self._read_choice)

    def _note(
        self,
        kind: str,
        text: str,
        address: int | None = None,
        where: str = "",
        moment: Moment | None = None,
        span: tuple[int, int] | None = None,
    ) -> None:
        signs, number = sector_signs(self.flash), self._ended
        more = (address, signs, where, moment, span, bool(self.flash.mapped_bank))
        self.frames.append(Frame(self._number, number, kind, text, *more))

    # --- Watch

    def read(self, offset: int, size: int) -> None:
        """Reads are not filmed."""

    def compared(self, unit: int, wanted: Slice, *, never: bool) -> None:
        """Nor are these."""

    def operation(self, operation: Operation) -> None:
        self._words()
        first, self._operation = self._operation + 1, self._operation + operation.done
        if self._operation > self._limits.operations:
            raise _Loop
        beat_if_new(operation, self._done)
        if self._moments is not None:
            at = 0 if self._cut is None else self._cut.operation
            self._moments.operation(self.flash, operation, first, at)
        where = self._where()
        whole = self._joined(operation, where)
        if whole is None:
            span = span_of(self.flash, operation)
            address = None if span is None else operation.address
            text = self._told(first, operation, where)
            self._note("operation", text, address, where, span=span)
        else:  # as the flash was before it
            span = span_of(self.flash, whole)
            text = self._told(first + operation.done - whole.done, whole, where)
            self.frames[-1] = replace(self.frames[-1], operation=self._ended, text=text, span=span)
        self._bulk = whole or operation

    def _told(self, first: int, operation: Operation, where: str) -> str:
        numbers = f"{first} to {self._ended}" if self._ended > first else f"{first}"
        return f"{numbers}: {operation}{where}"

    @property
    def _ended(self) -> int:
        """The last operation that was begun: none comes behind the one that is cut."""
        cut = 0 if self._cut is None else self._cut.operation
        return min(self._operation, cut or self._operation)

    def _where(self) -> str:
        """Where in its program the subject is, where it says so."""
        tell = getattr(self._boot, "where", None)
        return "" if tell is None else f", at {tell()}"

    def _joined(self, operation: Operation, where: str) -> Operation | None:
        """Units that one place programs one behind the other are one frame."""
        bulk, last = self._bulk, self.frames[-1]
        if not where or bulk is None or (last.kind, last.where) != ("operation", where):
            return None
        if (bulk.kind, operation.kind) != ("program", "program") or bulk.fast != operation.fast:
            return None
        if bulk.address + len(bulk.data) != operation.address:
            return None
        data, done = bulk.data + operation.data, bulk.done + operation.done
        return replace(bulk, data=data, done=done)

    def moment(self) -> None:
        self._moment += 1
        if self._cut is not None and self._cut.moment == self._moment:
            raise _MomentCut
