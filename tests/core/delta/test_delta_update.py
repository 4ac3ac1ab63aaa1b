"""Delta packages in whole updates: what runs afterwards, what is refused, what cuts cost.

The explorer's scenarios try all outcomes and any number of cuts; here erases are counted.
"""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from flash_emulator import CutAt, Outcome, PowerLoss, Trace, load_part
from mcu_updater.board import Board
from mcu_updater.cloud.single_device import Package, Plan, SingleDeviceCloud
from mcu_updater.core.delta import Algorithm, BaseMismatch, DeltaRejected, Filter, parse_header
from mcu_updater.core.errors import ImageRejected, Remedy, UpdaterError
from mcu_updater.core.events import Problem
from mcu_updater.core.image import open_decoder, sniff
from mcu_updater.core.journal import Phase, Reason
from mcu_updater.core.session import Policy, SessionOutcome
from mcu_updater.core.strategy import Strategy
from mcu_updater.files.delta.make import make_delta
from mcu_updater.files.delta.makers import available
from mcu_updater.flash_map.strategies import default_strategy
from mcu_updater.powerloss.questions.erase_budget import slots_of
from mcu_updater.quectel.emulated.options import ModuleOptions
from tests import worlds
from tests.core.delta.pairs import PROFILES, fixtures

PART = worlds.PART
FULL_RETRIES = 5


@cache
def delta(
    base: bytes,
    target: bytes,
    algorithm: Algorithm = Algorithm.HEATSHRINK,
    version: str = "2.0.0",
    **more: Any,
) -> bytes:
    makers = {"builtin": available()["builtin"]}
    made = make_delta(
        base, target, algorithm=algorithm, makers=makers, target_version=version, **more
    )
    return made.package


def plan(package: bytes, version: str = "2.0.0", source: str = "1.0.0", retries: int = 0) -> Plan:
    return Plan(worlds.COMPONENT, version, Package(package), source, retry_times=retries)


def board_with(
    image: bytes, *plans: Plan, piece_size: int | None = None, strategy: Strategy | None = None
) -> Board:
    """A board that runs *image* as 1.0.0."""
    board = Board.new(load_part(PART), "1.0.0", image, strategy=strategy)
    board.center = SingleDeviceCloud(plans)
    board.configure_module(ModuleOptions(piece_size=piece_size))
    return board


def slot_erases(board: Board, bank: str = "B") -> int:
    """Of sectors of that bank's slot, cut ones too, since ``board.device.trace`` was set."""
    slot = slots_of(board)[bank]
    trace = board.device.trace
    assert trace is not None
    return sum(one.kind == "erase" and one.address in slot for one in trace)


def check_runs(board: Board, version: str, image: bytes, bank: int = 1) -> None:
    decision = board.would_boot()
    assert (decision.version, decision.bank) == (version, bank)
    assert board.banks()[bank].slot.read(0, len(image)) == image
    assert board.module.versions == {worlds.COMPONENT: version}


# --- what is taken


@pytest.mark.parametrize("read_size", [50, 1024])
@pytest.mark.parametrize("algorithm", PROFILES)
@pytest.mark.parametrize("kind", Filter)
def test_the_image_that_runs_becomes_the_new_one(
    algorithm: Algorithm, kind: Filter, read_size: int
) -> None:
    old, new = fixtures()
    board = board_with(old, plan(delta(old, new, algorithm, filters=(kind,))))
    worlds.run(board, policy=Policy(read_size=read_size))
    assert board.result.outcome is SessionOutcome.UPDATED
    check_runs(board, "2.0.0", new)


@pytest.mark.parametrize("piece_size", [60, 300, 2500])
def test_in_pieces_that_cannot_be_read_again(piece_size: int) -> None:
    """The first one may be too short for the header."""
    old, new = fixtures()
    board = board_with(old, plan(delta(old, new)), piece_size=piece_size)
    worlds.run(board)
    check_runs(board, "2.0.0", new)


@pytest.mark.parametrize(
    ("part", "strategy"),
    [
        ("STM32L476xG", Strategy.COPY),
        ("STM32F103xG", None),
        ("STM32F429xI", None),
        ("STM32H743xI", None),
        ("STM32U575xI", None),
    ],
)
def test_there_and_on_again_whatever_the_strategy(part: str, strategy: Strategy | None) -> None:
    """The second delta reads the bank that the first one wrote, and writes the other one."""
    chip = load_part(part)
    address = worlds.link_address(chip, strategy or default_strategy(chip))
    images = [worlds.image(f"{number}.0.0", 4500, address) for number in (1, 2, 3)]
    board = Board.new(chip, "1.0.0", images[0], strategy=strategy)
    for number in (2, 3):
        base, target = images[number - 2 : number]
        package = delta(base, target, version=f"{number}.0.0")
        board.offer(plan(package, f"{number}.0.0", f"{number - 1}.0.0"))
        worlds.run(board)
        check_runs(board, f"{number}.0.0", target, bank=number % 2 == 0)


# --- what is refused before the first erase


def refused(board: Board) -> Board:
    board.device.trace = Trace()
    worlds.run(board)
    assert board.result.outcome is SessionOutcome.REJECTED
    assert slot_erases(board) == 0
    assert board.would_boot().version == "1.0.0"
    assert board.module.versions == {worlds.COMPONENT: "1.0.0"}
    return board


def refusal(board: Board) -> UpdaterError:
    """Why *board* has refused what it was offered."""
    error = refused(board).result.error
    assert error is not None
    return error


def reason(board: Board) -> Reason:
    snapshot = board.banks()[1].journal.read().snapshot
    assert snapshot is not None
    assert snapshot.phase is Phase.FAILED
    return snapshot.reason


@pytest.mark.parametrize("wrong", ["another image", "a longer image", "more than the slot holds"])
def test_another_base_image(wrong: str) -> None:
    old, new = fixtures()
    base = old + b"\0" if wrong == "a longer image" else old[:-1] + b"?"
    package = delta(base, new)
    if wrong == "more than the slot holds":
        header = parse_header(package)
        package = replace(header, base_size=449 << 10).pack() + package[header.size :]
    board = refused(board_with(old, plan(package)))
    error = board.result.error
    if wrong == "more than the slot holds":
        assert isinstance(error, DeltaRejected)
        assert "base image has a size that is not taken" in error.message
        return
    assert isinstance(error, BaseMismatch)
    assert "A full package is needed" in error.message
    assert reason(board) is Reason.OTHER_BASE


def test_a_base_that_cannot_be_read_is_another_base() -> None:
    """A start would not have run it; it was spoilt since."""
    old, new = fixtures()
    board = board_with(old, plan(delta(old, new)))
    for event in board.run():
        if getattr(event, "code", 0) == 10701:
            board.device.spoil(board.banks()[0].slot.address + 4096)
    assert isinstance(board.result.error, BaseMismatch)
    assert "fewer bytes that can be read" in board.result.error.message


def test_another_version_than_the_plan_says() -> None:
    old, new = fixtures()
    board = board_with(old, plan(delta(old, new, version="2.0.1")))
    assert "another version than the one that was announced" in refusal(board).message
    assert reason(board) is Reason.IMAGE


def test_a_version_that_is_not_given_is_no_other_one() -> None:
    old, new = fixtures()
    board = board_with(old, plan(delta(old, new, version="")))
    worlds.run(board)
    check_runs(board, "2.0.0", new)


def test_an_image_that_is_larger_than_the_slot() -> None:
    old, new = fixtures()
    package = delta(old, new)
    header = parse_header(package)
    size = 1 + 224 * load_part(PART).sector_sizes[0]
    larger = replace(header, target_size=size).pack() + package[header.size :]
    error = refusal(board_with(old, plan(larger)))
    assert "target image has a size that is not taken" in error.message
    assert str(size) in error.message


def test_a_state_that_no_checkpoint_holds() -> None:
    old, new = fixtures()
    package = delta(old, new, Algorithm.LZMA)
    error = refusal(board_with(old, plan(package), piece_size=1000))
    assert "the trailer has no room to carry on" in error.message
    assert "algorithm LZMA" in error.message
    whole = board_with(old, plan(package))
    worlds.run(whole)
    check_runs(whole, "2.0.0", new)


def test_a_damaged_header() -> None:
    old, new = fixtures()
    package = bytearray(delta(old, new))
    package[30] ^= 1
    assert "header is damaged" in refusal(board_with(old, plan(bytes(package)))).message


def test_a_factory_has_no_image_to_apply_a_delta_to() -> None:
    with pytest.raises(ImageRejected, match="no image to apply it to"):
        Board.new(load_part(PART), "1.0.0", delta(*fixtures()))


def test_a_delta_is_no_image() -> None:
    package = delta(*fixtures())
    with pytest.raises(ImageRejected, match="a delta package is no image") as caught:
        open_decoder(sniff(package), 0)
    assert caught.value.remedies == (Remedy.LOOK_AT_DELTA,)


# --- what is found later


@pytest.mark.parametrize("at", [0.3, 0.6, 0.99])
@pytest.mark.parametrize("piece_size", [None, 700])
def test_a_patch_that_is_damaged_never_boots(at: float, piece_size: int | None) -> None:
    """Even when the cloud tells the digests of the damaged one."""
    old, new = fixtures()
    package = bytearray(delta(old, new))
    package[round(len(package) * at)] ^= 0x10
    board = board_with(old, plan(bytes(package)), piece_size=piece_size)
    worlds.run(board)
    assert board.result.outcome is SessionOutcome.REJECTED
    assert board.would_boot().version == "1.0.0"
    assert reason(board) is Reason.IMAGE


# --- what comes next


def test_after_another_base_the_next_offer_is_the_full_package() -> None:
    old, new = fixtures()
    full = plan(new, source="", retries=FULL_RETRIES)
    board = board_with(old, plan(delta(old[:-1] + b"?", new)), full)
    told = [event.text for event in worlds.run(board) if isinstance(event, Problem)]
    assert "delta package is for another base image" in told[0]
    first = board.result.outcome
    assert first is SessionOutcome.REJECTED
    worlds.run(board)
    assert board.result.outcome is SessionOutcome.UPDATED
    check_runs(board, "2.0.0", new)


def test_why_is_told_after_a_cut_too() -> None:
    """Power goes when the journal has just been written that says FAILED."""
    old, new = fixtures()
    package = delta(old[:-1] + b"?", new)
    said = set()
    for operation in range(1, 400, 5):
        board = board_with(old, plan(package))
        try:
            worlds.run(board, supply=CutAt(operation, Outcome.AFTER))
        except PowerLoss:
            worlds.run(board)
            assert board.result.error is not None
            said.add(board.result.error.message)
            continue
        break
    assert any("other base" in message for message in said), said
    assert all("base" in message or "no upgrade" in message for message in said), said


# --- what cuts cost


OLD_SMALL, NEW_SMALL = worlds.image("1.0.0", 6100), worlds.image("2.0.0", 6100)
SECTORS = 3


def carried_on(board: Board, cuts: list[tuple[int, Outcome]]) -> int:
    """Run with these cuts, then to the end. Returns how many of them fired."""
    fired = 0
    for operation, outcome in cuts:
        try:
            worlds.run(board, supply=CutAt(operation, outcome))
        except PowerLoss:
            fired += 1
            assert board.would_boot().version in ("1.0.0", "2.0.0")
    for _ in range(3):
        worlds.run(board)
        if board.result.outcome is SessionOutcome.NO_PLAN:
            break
    check_runs(board, "2.0.0", NEW_SMALL)
    return fired


@pytest.mark.parametrize("piece_size", [None, 60])
@pytest.mark.parametrize("outcome", [Outcome.TORN, Outcome.AFTER])
def test_a_cut_costs_one_sector_at_most(piece_size: int | None, outcome: Outcome) -> None:
    package = delta(OLD_SMALL, NEW_SMALL)
    assert len(package) > 3 * 60
    board = board_with(OLD_SMALL, plan(package, retries=9), piece_size=piece_size)
    worlds.run(board)
    last = board.device.supply.taken
    for operation in range(1, last + 1, 9 if piece_size is None else 41):
        board = board_with(OLD_SMALL, plan(package, retries=9), piece_size=piece_size)
        board.device.trace = Trace()
        assert carried_on(board, [(operation, outcome)]) == 1
        assert slot_erases(board) <= SECTORS + 1


def test_many_cuts_cost_one_sector_each_at_most() -> None:
    package = delta(OLD_SMALL, NEW_SMALL)
    rng = random.Random("cuts")
    most = 0
    for number in range(30):
        piece_size = rng.choice((None, 60, 150))
        board = board_with(OLD_SMALL, plan(package, retries=9), piece_size=piece_size)
        board.device.trace = Trace()
        cuts = [(rng.randint(1, 120), rng.choice(tuple(Outcome))) for _ in range(12)]
        fired = carried_on(board, cuts)
        assert slot_erases(board) <= SECTORS + fired, f"number {number}"
        most = max(most, slot_erases(board))
    assert most > SECTORS, "no cut ever hit a sector"
