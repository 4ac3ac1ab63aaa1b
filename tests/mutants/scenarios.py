"""What a faulty updater is held against: small worlds, cut everywhere, the cheapest first.

Beside what ``BoardSubject`` asks of every state (safe, live, told) these worlds ask whether the
journal is **true**. An updater with a single fault is often rescued by its next line of defence:
an image that was taken for good unread is refused by the bootloader, and all ends well. Here it is
found at the line that failed.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable, Iterator
from dataclasses import dataclass
from typing import Any

from flash_emulator import EmulatedFlash, load_part
from flash_emulator.explore import (
    Boot,
    Film,
    Limits,
    Options,
    Path,
    Report,
    Rest,
    Search,
    Violation,
    replay,
)
from mcu_updater.bank import Bank
from mcu_updater.board import Board, Trial
from mcu_updater.board.layout import layout_of
from mcu_updater.board.strategies import default_strategy
from mcu_updater.events import (
    Booted,
    Decided,
    Event,
    JournalWritten,
    ModuleSaid,
    Progress,
    Resumed,
    Work,
)
from mcu_updater.powerloss.images import Format, as_file, filler
from mcu_updater.powerloss.scenario import Damage, Scenario, Way
from mcu_updater.powerloss.subject import BoardBoot, BoardSubject, ModuleRest
from mcu_updater.quectel.center import ComponentState
from mcu_updater.slot import CopyLayout

L4, F1, H7 = "STM32L476xG", "STM32F103x8", "STM32H743xI"
VERSIONS = ("1.0.0", "2.0.0", "3.0.0")
TAIL = 76  # bytes of an image in its last sector: whole units and a half
WHOLE_TAIL = 64  # of the image from the factory: whole units of any part, so that it is written
MOST_STATES = 4000  # of one search; the updater as it is comes to a quarter of that at most
ISLAND = 100  # bytes at either end of what a sparse image has before that

# --- factory: the one place that knows how a scenario is made


@dataclass(frozen=True, slots=True)
class Prepared(Scenario):
    """A scenario whose search begins at a board to which *prepare* has happened."""

    prepare: Callable[[Scenario, Board], None] | None = None

    def board(self) -> Board:
        board = Scenario.board(self)  # super() and slots do not go together
        if self.prepare is not None:
            self.prepare(self, board)
        return board


def make(
    name: str,
    part: str = L4,
    *,
    fmt: Format = "bin",
    sectors: int = 2,
    sparse: bool = False,
    **kw: Any,
) -> Prepared:
    """Images of *sectors* slot sectors, the last of which holds TAIL bytes.

    *sparse*: most of what is not in the last sector reads 0xFF, which costs nothing to program.
    """
    chip = load_part(part)
    strategy = default_strategy(chip)
    layout = layout_of(chip, strategy)
    slot = (layout.execution if isinstance(layout, CopyLayout) else layout).slot
    address, ahead = chip.base + slot.offset, sum(slot.sector_sizes[: sectors - 1])
    tails = dict.fromkeys(VERSIONS, TAIL) | {VERSIONS[0]: WHOLE_TAIL}
    images = {version: filler(version, ahead + tail, address) for version, tail in tails.items()}
    if sparse:
        images = {version: _sparse(image, ahead) for version, image in images.items()}
    packages = {version: as_file(image, address, fmt) for version, image in images.items()}
    return Prepared(name, part, strategy, fmt, images, packages, **kw)


def _sparse(image: bytes, ahead: int) -> bytes:
    return image[:ISLAND] + b"\xff" * (ahead - 2 * ISLAND) + image[ahead - ISLAND :]


def switched(scenario: Scenario, board: Board) -> None:
    """Begin where the commit point has just been written, with the module's upgrade under way."""
    for event in board.run(scenario.policy, trial=scenario.trial):
        if isinstance(event, JournalWritten) and event.phase == "TRIAL":
            return
    raise AssertionError("the update never came to its commit point")


def rotten_trial(scenario: Scenario, board: Board) -> None:
    """The same, and the image on trial has lost two cells since it was verified."""
    switched(scenario, board)
    _rot(board, board.banks()[1])


def rotten_active(_: Scenario, board: Board) -> None:
    """The confirmed image that runs has lost two cells; the one before it is whole."""
    bank = board.would_boot().bank
    assert bank is not None
    _rot(board, board.banks()[bank])


def rotten_execution(_: Scenario, board: Board) -> None:
    """What was installed has lost two cells; the storage slot that it came from is whole."""
    bank = board.execution_of(board.device)
    assert bank is not None
    _rot(board, bank)


def _rot(board: Board, bank: Bank) -> None:
    for bit in (1, 2):
        board.device.flip(bank.slot.address, bit)


# --- what is asked


class StrictSubject(BoardSubject):
    """``BoardSubject``, and the journal must be true in every state.

    * What the journal calls written, verified or confirmed stands in flash.
    * An image with which nothing is wrong is never called FAILED.
    * An upgrade that the journal could carry on is not ended by what the module is told.

    Each state is booted as it is: that trailers in the other half are as good is a promise of our
    code, and a fault may break it.
    """

    def representative(self, flash: EmulatedFlash) -> EmulatedFlash:
        return flash

    def boot(self, flash: EmulatedFlash, rest: Rest) -> Boot:
        assert isinstance(rest, ModuleRest)
        return StrictBoot(self, flash, rest)


class StrictBoot(BoardBoot):
    def __init__(self, subject: BoardSubject, flash: EmulatedFlash, rest: ModuleRest) -> None:
        super().__init__(subject, flash, rest)
        self._inactive = 0
        self._phase = ""  # of the inactive slot, when the last step was decided
        scenario = subject.scenario
        prepare = getattr(scenario, "prepare", None)
        self._is_rotten = prepare not in (None, switched)  # then the journal is no more to blame
        self._is_good = (
            scenario.trial is Trial.PASS
            and not scenario.corrupt
            and scenario.damage is Damage.NONE
            and not self._is_rotten
        )
        self._is_awaited = self._is_good and set(scenario.ways) == {Way.SOON}

    def _session(self, events: Iterator[Event]) -> Generator[Hashable, None, bool]:
        return (yield from super()._session(self._judged(events)))

    def _judged(self, events: Iterator[Event]) -> Iterator[Event]:
        for event in events:
            self._judge(event)
            yield event

    def _judge(self, event: Event) -> None:
        match event:
            case Booted(bank=str(name)):
                self._inactive = 1 - "AB".index(name)
            case Decided():
                self._phase = event.inactive
            case Progress(Work.PROGRAM, done):
                self._check_written(done, "a sector done")
            case Resumed():
                self._check_resumed(event.sectors_done)
            case JournalWritten(name, "VERIFIED" | "TRIAL" | "CONFIRMED" as phase) if (
                not self._is_rotten
            ):
                self._check_complete("AB".index(name), phase)
            case JournalWritten(_, "FAILED") if self._is_good:
                raise Violation("true", "a good image is called FAILED")
            case ModuleSaid(10706) if self._is_awaited and self._phase != "PLANNED":
                why = f"the module gave the upgrade up, and the journal says {self._phase}"
                raise Violation("told", why)

    def _check_resumed(self, sectors: int) -> None:
        slot = self._board.banks()[self._inactive].slot
        self._check_written(sum(slot.sector_sizes[:sectors]), f"{sectors} sectors done")

    def _check_written(self, done: int, what: str) -> None:
        if self._scenario.corrupt:
            return
        expected = self._scenario.images[self._scenario.target][:done]
        found = self._board.banks()[self._inactive].slot.peek(0, len(expected))
        if found != expected:
            raise Violation("true", f"the journal calls {what}, and flash holds something else")

    def _check_complete(self, index: int, phase: str) -> None:
        bank = self._board.banks()[index]
        image = self._scenario.images[bank.journal.read().version]
        if bank.slot.peek(0, len(image)) != image:
            raise Violation("true", f"bank {bank.name} is {phase}, and does not hold its image")

    def _verdict(self) -> str:
        word = super()._verdict()
        state = self._board.center.state_of(self._board.center.plans[-1])
        if self._scenario.final != self._scenario.target and state is ComponentState.SUCCESS:
            raise Violation("told", f"version {self._scenario.final} runs, the cloud says success")
        return word


# --- the checks


@dataclass(frozen=True, slots=True)
class Check:
    """One search: a scenario, and how many cuts in a row."""

    name: str
    scenario: Prepared
    cuts: int = 1
    slow: bool = False  # more than five seconds: only for faults that name it
    time_s: float = 200.0  # on a busy machine; none takes a tenth of it when that is idle

    def run(self, violations: int = 1) -> Report:
        """Stops at so many *violations*. Raises SelfCheckFailed, see ``Search``."""
        subject = StrictSubject(self.scenario)
        limits = Limits(self.cuts, MOST_STATES, self.time_s, violations)
        return Search(subject, subject.flash, subject.rest, Options(limits=limits)).run()

    def film(self, path: Path) -> Film:
        """That path again, see ``replay``."""
        subject = StrictSubject(self.scenario)
        return replay(subject, subject.flash, subject.rest, path)


_LOST = {"retries": 0, "final": "1.0.0"}  # the upgrade must fail, and once is enough
_FAIL = {"trial": Trial.FAIL, **_LOST}
_CRASH = {"trial": Trial.CRASH, **_LOST}
_NEXT = {"before": ("2.0.0",), "target": "3.0.0"}
_PIECES = {"piece_size": 1000}
_ALL_WAYS = {"ways": (Way.SOON, Way.LATE, Way.MODULE)}
_MODULE = {"ways": (Way.MODULE,)}
_ON_TRIAL = {"sectors": 1, "prepare": switched}


def checks() -> list[Check]:
    """All of them, the cheapest first."""
    quick = [
        Check("refused", make("refused", damage=Damage.REFUSED, **_LOST)),
        Check("stuck", make("stuck", damage=Damage.STUCK, **_LOST)),
        Check("corrupt", make("corrupt", corrupt=True, **_LOST)),
        Check("good", make("good")),
        Check("fail", make("fail", **_FAIL)),
        Check("crash", make("crash", **_CRASH)),
        Check("rotten trial", make("rotten", prepare=rotten_trial, **_LOST)),
        Check("rotten active", make("rotten", prepare=rotten_active, final="3.0.0", **_NEXT)),
        Check("second", make("second", final="3.0.0", **_NEXT)),
        Check("module", make("module", **_MODULE)),
        Check("link", make("link", sparse=True, link=True)),
        Check("pieces", make("pieces", **_PIECES)),
    ]
    slow = [
        ("late", make("late", **_ALL_WAYS, **_FAIL), 1),
        ("pieces, module", make("pieces", sparse=True, **_PIECES, **_MODULE), 1),
        ("copy", make("copy", F1, sparse=True), 1),
        ("copy, fail", make("copy", F1, sparse=True, **_FAIL), 1),
        ("copy, rotten", make("copy", F1, sparse=True, prepare=rotten_execution), 1),
        ("swap", make("swap", H7, sectors=1), 1),
        ("swap, crash", make("swap", H7, sectors=1, **_CRASH), 1),
        ("swap, trial", make("swap", H7, **_ON_TRIAL, **_CRASH), 3),
        ("trial", make("trial", **_ON_TRIAL), 5),
        ("trial, crash", make("trial", **_ON_TRIAL, **_CRASH), 5),
        ("deep", make("deep", sectors=1), 4),
    ]
    return quick + [Check(name, scenario, cuts, slow=True) for name, scenario, cuts in slow]
