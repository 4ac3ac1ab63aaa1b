"""Every boot strategy on every part: whole updates, and power cuts; what survives them, and what
an option change that is cut does not."""

from __future__ import annotations

import hashlib
import random
from dataclasses import replace
from functools import cache, partial
from itertools import pairwise
from typing import Any

import pytest

from flash_emulator import CutAt, EmulatedFlash, Outcome, PowerLoss, load_part, part_names
from flash_emulator.parts.part_model import Aliasing, OptionRole
from mcu_updater.board import Board, Trial, load_board, save_board
from mcu_updater.core import mcu
from mcu_updater.core.bank import Bank
from mcu_updater.core.boot import MOST_SWAPS, Decision, Mode, ResetCause, boot
from mcu_updater.core.errors import UsageError, VerificationFailed
from mcu_updater.core.events import Booted
from mcu_updater.core.install import Installer, install
from mcu_updater.core.journal import HEADER_SIZE, JournalState, Phase, Record, Snapshot
from mcu_updater.core.session import SessionOutcome
from mcu_updater.core.slot import AnyLayout, CopyLayout, Layout
from mcu_updater.core.strategy import Strategy
from mcu_updater.flash_map.layouts import default_layout, layout_of
from mcu_updater.flash_map.strategies import default_strategy, hazard, strategies_of
from tests import worlds
from tests.places import ROOT
from tests.thorough import THOROUGH, one_in

Case = tuple[str, Strategy]

EVERY: list[Case] = [(name, s) for name in part_names() for s in strategies_of(load_part(name))]
HARMLESS = [case for case in EVERY if hazard(load_part(case[0]), case[1]).harmless]
BETWEEN = [o for o in Outcome if o not in (Outcome.BEFORE, Outcome.AFTER)]

every_case = pytest.mark.parametrize(("name", "strategy"), EVERY)


def areas(layout: AnyLayout) -> tuple[Layout, ...]:
    if isinstance(layout, CopyLayout):
        return (layout.execution, *layout.storage)
    return (layout,)


@cache
def size_of(name: str, strategy: Strategy) -> int:
    """Of an image that goes into a second sector; or, where sectors are large, stays in one."""
    first = areas(layout_of(load_part(name), strategy))[-1].slot.sector_sizes[0]
    return first + 700 if first <= 16384 else 4500


def board(name: str, strategy: Strategy, seed: int = 0) -> Board:
    size = size_of(name, strategy)
    return worlds.board(part=name, strategy=strategy, size=size, seed=seed)


def expected_image(board: Board, version: str) -> bytes:
    address = worlds.link_address(board.part, board.strategy)
    return worlds.image(version, size_of(board.part.name, board.strategy), address)


def bootable(board: Board) -> str:
    """The version that the next start runs; its image is whole, at the address it is linked for."""
    twin, decision = board.boot_twin()
    assert decision.bank is not None, decision.reasons
    bank = board.banks_of(twin)[decision.bank]
    version = bank.journal.read().version
    expected = expected_image(board, version)
    assert bank.slot.read(0, len(expected)) == expected
    assert twin.read(bank.slot.link_address, len(expected)) == expected
    return version


def check_carried_on(board: Board, expected: str = "2.0.0") -> None:
    board.clock.sleep(1)
    assert bootable(board) in ("1.0.0", "2.0.0")
    worlds.settle(board)
    assert bootable(board) == expected
    assert board.module.versions == {worlds.COMPONENT: expected}


# --- strategies and hazards, as values


def test_an_option_byte_is_written_by_default_only_where_nothing_else_exchanges_the_banks() -> None:
    for name in part_names():
        part = load_part(name)
        expected = {
            Aliasing.FB_MODE: Strategy.REMAP,
            Aliasing.SWAP_OPTION: Strategy.SWAP_OPTION,
            Aliasing.NONE: Strategy.COPY,
        }
        assert default_strategy(part) is expected[part.aliasing]
        assert Strategy.COPY in strategies_of(part)


@every_case
def test_what_can_be_harmed_is_told_and_no_time_is_made_up(name: str, strategy: Strategy) -> None:
    part = load_part(name)
    risk = hazard(part, strategy)
    writes_options = strategy in (Strategy.SWAP_OPTION, Strategy.OPTION_TOGGLE)
    assert risk.harmless == (not writes_options or part.options.update == "atomic")
    assert risk.window == ("none" if risk.harmless else "unknown")
    assert hazard(part, strategy, option_change_us=900).window == (
        "none" if risk.harmless else "900 us"
    )


def test_a_strategy_that_a_part_cannot_have_is_refused() -> None:
    for name, strategy in (("STM32F407xG", Strategy.REMAP), ("STM32L476xG", Strategy.SWAP_OPTION)):
        part = load_part(name)
        with pytest.raises(UsageError, match=f"{name}"):
            Board.new(part, "1.0.0", strategy=strategy)
        with pytest.raises(UsageError, match="expected one of"):
            hazard(part, strategy)


# --- layouts


@every_case
def test_regions_do_not_overlap_and_leave_the_boot_region_alone(
    name: str, strategy: Strategy
) -> None:
    part = load_part(name)
    layout = layout_of(part, strategy)
    room = part.size if isinstance(layout, CopyLayout) else part.bank_size
    regions = sorted((r for area in areas(layout) for r in area.regions), key=lambda r: r.offset)
    assert regions[0].offset >= part.sector_sizes[0]
    for lower, upper in pairwise(regions):
        assert lower.end <= upper.offset
    assert regions[-1].end <= room


@every_case
def test_a_trailer_has_room_for_records_and_a_checkpoint_where_sectors_are_small(
    name: str, strategy: Strategy
) -> None:
    layout = layout_of(load_part(name), strategy)
    unit = load_part(name).program_unit
    written = layout.storage if isinstance(layout, CopyLayout) else (layout,)
    for area in written:
        records = HEADER_SIZE + max(11, 1 + len(area.slot.sector_sizes)) * max(8, unit)
        largest = max(area.slot.sector_sizes)
        needed = records + (largest + 1024 if largest <= 8192 else 1024)
        assert all(half.size >= needed for half in area.halves)


def test_the_layout_of_the_first_part_is_as_it_was_released() -> None:
    part = load_part("STM32L476xG")
    assert default_layout(part) == Layout.of(part, boot=16, slot=224, half=3)


# --- whole updates


@every_case
@pytest.mark.parametrize("trial", list(Trial))
def test_a_whole_update(name: str, strategy: Strategy, trial: Trial) -> None:
    made = board(name, strategy)
    assert bootable(made) == "1.0.0"
    worlds.run(made, trial=trial)
    passed = trial is Trial.PASS
    assert made.result.outcome is (SessionOutcome.UPDATED if passed else SessionOutcome.REVERTED)
    version = "2.0.0" if passed else "1.0.0"
    assert bootable(made) == version
    assert made.module.versions == {worlds.COMPONENT: version}
    assert made.device.options.readout_level == 0


@every_case
def test_at_rest_a_start_does_no_flash_operation(name: str, strategy: Strategy) -> None:
    made = board(name, strategy)
    worlds.run(made)
    worlds.settle(made)
    before = made.device.digest()
    worlds.run(made)
    assert made.device.supply.taken == 0
    assert made.device.digest() == before


@pytest.mark.parametrize("strategy", [Strategy.SWAP_OPTION, Strategy.COPY])
def test_a_board_file_keeps_the_strategy(strategy: Strategy, tmp_path) -> None:
    made = board("STM32H743xI", strategy)
    cut(made, operations("STM32H743xI", strategy) // 2, Outcome.TORN)
    save_board(made, tmp_path / "b")
    again = load_board(tmp_path / "b")
    assert (again.strategy, again.layout) == (strategy, made.layout)
    check_carried_on(again)


# --- cuts


@cache
def operations(name: str, strategy: Strategy, trial: Trial = Trial.PASS) -> int:
    made = board(name, strategy)
    worlds.run(made, trial=trial)
    return made.device.supply.taken


def cut(board: Board, operation: int, outcome: Outcome, trial: Trial = Trial.PASS) -> PowerLoss:
    with pytest.raises(PowerLoss) as caught:
        worlds.run(board, supply=CutAt(operation, outcome), trial=trial)
    return caught.value


SWEPT: list[Case] = [
    ("STM32H743xI", Strategy.SWAP_OPTION),
    ("STM32H563xI", Strategy.SWAP_OPTION),
    ("STM32U575xI", Strategy.SWAP_OPTION),
    ("STM32F429xI", Strategy.REMAP),
    ("STM32F103x8", Strategy.COPY),
    ("STM32L476xG", Strategy.COPY),
]
CUTS_OF_A_SWEEP = 200 if THOROUGH else 12  # operations, evenly spread


def is_between(loss: PowerLoss) -> bool:
    """Whether an option change was cut so that neither old nor new options are there."""
    return loss.kind == "options" and loss.outcome in BETWEEN


def check_locked(board: Board) -> None:
    """The chip is locked for good; and what that means for whoever is inside."""
    twin = board.device.fork()
    twin.power_on()
    assert twin.options.readout_level == 1
    roles = {field.role for field in board.part.options.fields.values() if field.mismatch}
    if OptionRole.CODE_PROTECTION in roles:  # nothing can be read, hence nothing verified
        assert board.would_boot().mode is Mode.RECOVERY


@pytest.mark.parametrize("outcome", list(Outcome))
@pytest.mark.parametrize(("name", "strategy"), SWEPT)
def test_cut_here_and_there(name: str, strategy: Strategy, outcome: Outcome) -> None:
    total = operations(name, strategy)
    harmless = (name, strategy) in HARMLESS
    for operation in range(1, total + 1, max(1, total // CUTS_OF_A_SWEEP)):
        made = board(name, strategy, seed=operation)
        if is_between(cut(made, operation, outcome)) and not harmless:
            check_locked(made)
            continue
        assert made.device.options.readout_level == 0
        check_carried_on(made)


@pytest.mark.parametrize("strategy", [Strategy.SWAP_OPTION, Strategy.COPY])
def test_sectors_of_128_kib(strategy: Strategy) -> None:
    """An image that goes into a second one."""
    case: dict[str, Any] = {"part": "STM32H743xI", "strategy": strategy, "size": 0x2_0000 + 700}
    whole = worlds.board(**case)
    worlds.run(whole)
    for operation in range(1, whole.device.supply.taken + 1, 9):
        made = worlds.board(**case, seed=operation)
        cut(made, operation, Outcome.TORN)
        worlds.settle(made)
        assert made.module.versions == {worlds.COMPONENT: "2.0.0"}


@pytest.mark.parametrize("trial", [Trial.FAIL, Trial.CRASH])
@pytest.mark.parametrize(("name", "strategy"), SWEPT)
def test_a_failed_trial_is_reverted_whatever_is_cut(
    name: str, strategy: Strategy, trial: Trial
) -> None:
    total = operations(name, strategy, trial)
    rng = random.Random(f"{name} {trial}")
    for operation in sorted(rng.choices(range(total // 2, total + 1), k=40 if THOROUGH else 20)):
        made = board(name, strategy, seed=operation)
        outcome = rng.choice(list(Outcome))
        if is_between(cut(made, operation, outcome, trial)):
            continue
        assert bootable(made) in ("1.0.0", "2.0.0")
        worlds.run(made, trial=trial)
        assert bootable(made) == "1.0.0"
        assert made.module.versions == {worlds.COMPONENT: "1.0.0"}


@pytest.mark.parametrize(("name", "strategy"), SWEPT)
def test_many_cuts_in_a_row(name: str, strategy: Strategy) -> None:
    """Cuts within a few operations of a start, or anywhere; also in the work that follows a cut."""
    rng = random.Random(name)
    total = operations(name, strategy)
    for case in range(25):
        made = board(name, strategy, seed=case)
        locked = False
        for _ in range(rng.randint(2, 8)):
            at = CutAt(rng.randint(1, rng.choice([5, 40, total])), rng.choice(list(Outcome)))
            try:
                worlds.run(made, supply=at)
            except PowerLoss as loss:
                locked = locked or is_between(loss)
                if not locked:
                    assert bootable(made) in ("1.0.0", "2.0.0")
            made.clock.sleep(rng.choice([0.01, 1, 20]))
            if locked and (name, strategy) not in HARMLESS:
                check_locked(made)
                break
        else:
            check_carried_on(made)


# --- the option change


OPTION_WRITERS = [case for case in EVERY if case not in HARMLESS]


def option_operation(name: str, strategy: Strategy) -> int:
    """Number of the operation that changes the options in an update."""
    low, high = 1, operations(name, strategy)
    for operation in range(high, low - 1, -1):
        if cut(board(name, strategy), operation, Outcome.BEFORE).kind == "options":
            return operation
    raise AssertionError("the update changes no options")


@pytest.mark.parametrize(("name", "strategy"), one_in(2, OPTION_WRITERS))
def test_an_option_change_that_is_cut_locks_the_chip_and_no_other_cut_does(
    name: str, strategy: Strategy
) -> None:
    at = option_operation(name, strategy)
    for outcome in Outcome:
        made = board(name, strategy)
        loss = cut(made, at, outcome)
        assert loss.kind == "options"
        if outcome in BETWEEN:
            check_locked(made)
        else:
            check_carried_on(made)
    for operation in (*range(at - 6, at), *range(at + 1, at + 7)):
        made = board(name, strategy, seed=operation)
        cut(made, operation, Outcome.TORN)
        assert made.device.options.readout_level == 0
        check_carried_on(made)


@pytest.mark.parametrize(
    "name", ["STM32L476xG", "STM32L4R5xI_dual", "STM32G474xE_dual", "STM32F429xI"]
)
def test_the_naive_toggle_leaves_a_chip_that_boots_nothing(name: str) -> None:
    made = board(name, Strategy.OPTION_TOGGLE)
    cut(made, option_operation(name, Strategy.OPTION_TOGGLE), Outcome.TORN)
    decision = made.would_boot()
    assert (decision.bank, decision.mode) == (None, Mode.RECOVERY)


@pytest.mark.parametrize("outcome", list(Outcome))
@pytest.mark.parametrize("name", ["STM32H743xI", "STM32H563xI", "STM32H7A3xI"])
def test_an_atomic_option_change_may_be_cut(name: str, outcome: Outcome) -> None:
    made = board(name, Strategy.SWAP_OPTION)
    cut(made, option_operation(name, Strategy.SWAP_OPTION), outcome)
    check_carried_on(made)


# --- swaps: what is recorded when, and that they end


def device_on_trial(name: str = "STM32H743xI") -> tuple[Board, EmulatedFlash]:
    """A board that was switched to bank B and has not been reset yet: bank A is still mapped."""
    made = board(name, Strategy.SWAP_OPTION)
    cut(made, option_operation(name, Strategy.SWAP_OPTION), Outcome.BEFORE)
    made.device.power_on()
    return made, made.device


@pytest.mark.parametrize("cause", [ResetCause.SOFTWARE, ResetCause.WATCHDOG, ResetCause.POWER])
def test_no_attempt_is_recorded_before_the_bank_is_mapped(cause: ResetCause) -> None:
    made, device = device_on_trial()
    decision = boot(device, device, made.layout, cause)
    assert (decision.bank, decision.mode, decision.needs_reset) == (1, Mode.TRIAL, True)
    assert made.banks()[1].journal.read().attempts == 0
    device.reset()
    decision = boot(device, device, made.layout, cause, swaps=1)
    assert (decision.bank, decision.needs_reset, device.mapped_bank) == (1, False, 1)
    assert made.banks()[1].journal.read().attempts == (cause is not ResetCause.POWER)


def spoil_places(made: Board, device: EmulatedFlash) -> None:
    """No FAILED and no ATTEMPT can be recorded in bank B any more, and none reads so."""
    device.protect_sectors(*(half.address for half in made.banks()[1].halves))


def test_a_trial_that_cannot_be_counted_is_left_and_not_tried_again_in_that_start() -> None:
    made, device = device_on_trial()
    spoil_places(made, device)
    mapped = []
    for swaps in range(MOST_SWAPS + 1):
        decision = boot(device, device, made.layout, ResetCause.SOFTWARE, swaps=swaps)
        mapped.append(device.mapped_bank)
        if not decision.needs_reset:
            break
        device.reset()
    assert mapped == [0, 1, 0]
    assert (decision.bank, decision.mode) == (0, Mode.RUN)


def test_a_trial_that_was_left_by_a_swap_is_not_gone_back_to() -> None:
    made, device = device_on_trial()
    decision = boot(device, device, made.layout, ResetCause.SOFTWARE, swaps=1)
    assert (decision.bank, decision.needs_reset) == (0, False)
    assert made.banks()[1].journal.read().phase is Phase.TRIAL  # the next start may try


def test_after_the_last_swap_the_mapped_bank_runs_or_none() -> None:
    """However sound the other one is: banks that read now so, now so are not swapped for ever."""
    made = board("STM32H743xI", Strategy.SWAP_OPTION)
    worlds.run(made)
    device = made.device
    device.power_on()
    cause = ResetCause.SOFTWARE
    decision = boot(device, device, made.layout, cause, swaps=MOST_SWAPS)
    assert (decision.bank, decision.needs_reset) == (1, False)
    device.preload(made.banks()[1].slot.address, bytes(32))
    decision = boot(device, device, made.layout, cause, swaps=MOST_SWAPS)
    assert (decision.bank, decision.mode, decision.needs_reset) == (None, Mode.RECOVERY, False)
    decision = boot(device, device, made.layout, cause, swaps=MOST_SWAPS - 1)
    assert (decision.bank, decision.needs_reset) == (0, True)


def test_the_reasons_name_the_swap() -> None:
    made = board("STM32U575xI", Strategy.SWAP_OPTION)
    starts = [event for event in worlds.run(made) if isinstance(event, Booted)]
    assert [start.bank for start in starts] == ["A", "B"]
    assert "the option that maps it was programmed, and the MCU reset" in starts[1].reasons
    assert made.banks()[1].journal.read().phase is Phase.CONFIRMED


# --- installation


def execution(made: Board, device: EmulatedFlash | None = None) -> Bank:
    found = made.execution_of(device or made.device)
    assert found is not None
    return found


def switched(name: str = "STM32L476xG", strategy: Strategy = Strategy.COPY) -> Board:
    """A board on which version 2.0.0 is about to be installed, or tried."""
    made = board(name, strategy)
    total = operations(name, strategy)
    for operation in range(total // 2, total):
        trial = board(name, strategy)
        cut(trial, operation, Outcome.BEFORE)
        if trial.would_boot().mode is Mode.TRIAL:
            return trial
    raise AssertionError(f"never on trial: {made}")


def test_a_switch_that_the_bootloader_has_not_read_costs_no_image(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """SWITCHED fades: the bootloader of one start reads none, the application behind it does."""
    made = switched(strategy=Strategy.REMAP)
    starts = iter([Decision(0, Mode.RUN, (), version="1.0.0")])
    start = mcu.start

    def first_blind(*arguments, **more) -> Decision:
        return next(starts, None) or start(*arguments, **more)

    monkeypatch.setattr(mcu, "start", first_blind)
    worlds.run(made)
    assert next(starts, None) is None
    assert made.result.outcome is SessionOutcome.UPDATED
    assert bootable(made) == "2.0.0"


def installer(made: Board, device: EmulatedFlash) -> Installer:
    assert isinstance(made.layout, CopyLayout)
    return Installer(device, made.layout)


def test_an_installation_leaves_the_storage_slots_untouched_and_is_done_once() -> None:
    made = switched()
    twin = made.device.fork()
    twin.power_on()
    before = [bank.journal.read() for bank in made.banks_of(twin)]
    first = installer(made, twin)
    first.map_bank(1)
    assert first.sectors_written == 2
    assert [bank.journal.read() for bank in made.banks_of(twin)] == before
    held = execution(made, twin)
    assert (held.journal.read().phase, held.journal.read().version) == (Phase.CONFIRMED, "2.0.0")
    again = installer(made, twin)
    digest = twin.digest()
    again.map_bank(1)
    assert (again.sectors_written, twin.digest()) == (0, digest)


@pytest.mark.parametrize("outcome", list(Outcome))
def test_an_installation_that_is_cut_ends_in_the_same_flash(outcome: Outcome) -> None:
    """Canonical: what stands in the execution slot does not tell how often power was lost."""
    made = switched()

    def twin() -> EmulatedFlash:
        fork = made.device.fork()
        fork.power_on()
        return fork

    def once(device: EmulatedFlash) -> None:
        installer(made, device).map_bank(1)

    def contents(device: EmulatedFlash) -> bytes:
        held = execution(made, device)
        assert held.journal.read().phase is Phase.CONFIRMED
        return held.slot.read(0, size_of(made.part.name, Strategy.COPY))

    whole = twin()
    total = worlds.operations(whole, lambda: once(whole))
    expected = contents(whole)
    for operation in range(1, total + 1, 3):
        device = twin()
        device.seed = operation
        assert worlds.cut(device, operation, outcome, partial(once, device))
        once(device)
        assert contents(device) == expected


def test_a_cut_costs_one_sector() -> None:
    made = switched()
    device = made.device.fork()
    device.power_on()
    assert next(install(made.banks_of(device)[1], execution(made, device))) == 0  # then a reset
    assert execution(made, device).journal.read().sectors_done == 1
    rest = installer(made, device)
    rest.map_bank(1)
    assert rest.sectors_written == 1


def test_sectors_of_another_image_do_not_count() -> None:
    made = switched()
    made.device.power_on()
    first, second = made.banks()
    held = execution(made)
    made.device.preload(held.slot.address + 100, b"\x00")
    assert next(install(first, held)) == 0  # then a reset, and another choice
    assert held.journal.read().phase is Phase.LOADING
    assert list(install(second, held)) == [0, 1]


def test_a_confirmation_that_was_cut_before_it_was_settled_is_renewed() -> None:
    made = switched()
    whole, device = made.device.fork(), made.device.fork()
    whole.power_on()
    device.power_on()
    total = worlds.operations(whole, lambda: installer(made, whole).map_bank(1))
    assert worlds.cut(device, total, Outcome.BEFORE, lambda: installer(made, device).map_bank(1))
    read = execution(made, device).journal.read
    assert (read().phase, read().settled) == (Phase.CONFIRMED, False)
    again = installer(made, device)
    again.map_bank(1)
    assert (again.sectors_written, read().phase, read().settled) == (0, Phase.CONFIRMED, True)


def test_an_image_that_was_damaged_where_it_runs_is_installed_again() -> None:
    made = board("STM32L476xG", Strategy.COPY)
    held = execution(made)
    made.device.preload(held.slot.address + 100, b"\x00")
    worlds.run(made)
    worlds.settle(made)
    assert bootable(made) == "2.0.0"
    made.device.preload(execution(made).slot.address + 100, b"\x00")
    starts = [event for event in worlds.run(made) if isinstance(event, Booted)]
    assert starts[0].reasons[-1] == "its image was installed: sectors written: 2"
    assert bootable(made) == "2.0.0"


def test_damage_below_the_sectors_done_is_found_at_the_end_and_mended() -> None:
    made = switched()
    device = made.device
    device.power_on()
    assert next(install(made.banks()[1], execution(made))) == 0  # then a reset
    device.preload(execution(made).slot.address + 100, b"\x00")
    rest = installer(made, device)
    rest.map_bank(1)
    assert rest.sectors_written == 3  # the second; then both
    assert execution(made).journal.read().phase is Phase.CONFIRMED


def test_what_cannot_be_installed_is_not_run() -> None:
    """The execution slot is protected: the bootloader stays, and says why."""
    made = board("STM32L476xG", Strategy.COPY)
    held = execution(made)
    made.device.preload(held.slot.address + 100, b"\x00")
    made.device.protect_sectors(held.slot.address)
    decision = made.would_boot()
    assert (decision.bank, decision.mode) == (None, Mode.RECOVERY)
    assert any("bank A: " in reason for reason in decision.reasons)


def test_an_attempt_is_counted_when_the_installation_is_complete() -> None:
    made = switched()
    device = made.device
    device.power_on()
    assert made.banks()[1].journal.read().attempts == 0
    seen = []

    class Watched(Installer):
        def map_bank(self, bank: int) -> None:
            seen.append(made.banks()[1].journal.read().attempts)
            super().map_bank(bank)
            seen.append(made.banks()[1].journal.read().attempts)

    assert isinstance(made.layout, CopyLayout)
    decision = boot(device, Watched(device, made.layout), made.layout, ResetCause.WATCHDOG)
    assert (decision.bank, decision.mode) == (1, Mode.TRIAL)
    assert seen == [0, 0]
    assert made.banks()[1].journal.read().attempts == 1


def test_a_record_that_the_trailer_refuses_is_told_in_a_header() -> None:
    made = switched()
    made.device.power_on()
    held = execution(made)
    real_record = held.journal.record
    refused = list[int]()

    def refuse(after: JournalState, record: Record, index: int = 0) -> None:
        if not refused:
            refused.append(index)
            raise OSError("worn")
        real_record(after, record, index)

    held.journal.record = refuse  # type: ignore[method-assign]
    assert list(install(made.banks()[1], held)) == [0, 1]
    assert refused == [0]
    assert held.journal.read().phase is Phase.CONFIRMED


def test_there_must_be_an_image_to_install() -> None:
    made = board("STM32L476xG", Strategy.COPY)
    with pytest.raises(VerificationFailed, match=r"^bank B: no journal of the image to install"):
        list(install(made.banks()[1], execution(made)))


def test_an_image_without_a_vector_table_is_not_run() -> None:
    """A journal vouches for it, and it begins with something else: the bootloader goes on."""
    made = board("STM32L476xG", Strategy.COPY)
    bank = made.banks()[0]
    image = bytes(100)
    made.device.preload(bank.slot.address, image + bytes(-len(image) % bank.slot.unit))
    old = bank.journal.read().snapshot
    assert old is not None
    bank.journal.snapshot(replace(old, image_size=100, image_sha256=hashlib.sha256(image).digest()))
    decision = made.would_boot()
    assert (decision.bank, decision.mode) == (None, Mode.RECOVERY)
    assert any("initial stack pointer" in reason for reason in decision.reasons)


def test_a_source_that_cannot_be_read_gives_way_to_the_other_bank() -> None:
    """Intact when it was looked at, gone when it is copied: the old image is installed again."""
    made = switched()
    device = made.device
    device.power_on()

    class Fading(Installer):
        def map_bank(self, bank: int) -> None:
            if bank == 1:
                device.spoil(made.banks()[1].slot.address + 64)
            super().map_bank(bank)

    assert isinstance(made.layout, CopyLayout)
    decision = boot(device, Fading(device, made.layout), made.layout, ResetCause.POWER)
    assert (decision.bank, decision.mode) == (0, Mode.RUN)
    assert any("cannot be read any more" in reason for reason in decision.reasons)
    assert execution(made).journal.read().version == "1.0.0"


def test_a_package_in_pieces_is_refused_where_a_sector_does_not_fit_the_trailer() -> None:
    """Sectors of 128 KiB: what was read of one before the piece ends may be too much to keep."""
    for piece_size, outcome in (
        (90_000, SessionOutcome.UPDATED),
        (125_000, SessionOutcome.REJECTED),
    ):
        made = worlds.board(part="STM32F429xI", size=130_000, piece_size=piece_size)
        worlds.run(made)
        assert made.result.outcome is outcome
        assert made.would_boot().bank == (outcome is SessionOutcome.UPDATED)


def test_snapshots_of_the_execution_slot_are_of_the_known_format() -> None:
    made = board("STM32F103x8", Strategy.COPY)
    snapshot = execution(made).journal.read().snapshot
    assert isinstance(snapshot, Snapshot)
    assert (snapshot.phase, snapshot.generation) == (Phase.CONFIRMED, 1)


@every_case
def test_the_format_page_gives_every_slot(name: str, strategy: Strategy) -> None:
    page = (ROOT / "FORMAT.md").read_text()
    short = name.removeprefix("STM32").replace("_", " ")
    rows = [line for line in page.splitlines() if line.startswith("| ") and short in line]
    for area in areas(layout_of(load_part(name), strategy)):
        cell = f"`+0x{area.slot.offset:05X}`, {area.slot.size // 1024} KiB"
        assert any(cell in row for row in rows), (short, cell)
