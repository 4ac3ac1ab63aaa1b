"""What ran, what ran after a cut, what was cut, and what no cut ever reached."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flash_emulator.explore import Limits, Processes, SelfCheckFailed
from flash_emulator.machine.board_file import read_board_file
from flash_emulator.machine.coverage import coverage_of, following
from flash_emulator.machine.coverage.boots import Request, Rules, Stretch, trace_all
from flash_emulator.machine.coverage.render import coverage_json, coverage_lines
from flash_emulator.machine.debug_info import read_debug_info
from flash_emulator.power import Decay, Outcome
from tests.flash_emulator.machine.boards import PROGRAMS, copy_board
from tests.flash_emulator.machine.coverage.covering import (
    C_BOOTLOADER,
    branches,
    copying,
    covered,
    lines,
    number,
    operations,
    traced,
)

RECOVERY, FLASH = PROGRAMS / "recovery.c", PROGRAMS / "flash.c"


@pytest.fixture(scope="module")
def example():
    """Both programs of the example: the good one and the first try, with their coverage."""
    found = {}
    for name, elf, cuts in (("board", "bootloader.elf", None), ("first_try", "first_try.elf", 1)):
        read = read_board_file(C_BOOTLOADER / f"{name}.toml")
        found[elf] = covered(read.board, C_BOOTLOADER / elf, limits=Limits(cuts=cuts))
    return found


@pytest.mark.parametrize("elf", ["bootloader.elf", "first_try.elf"])
def test_the_handler_of_ecc_errors_runs_after_a_cut_and_not_else(example, elf):
    _, coverage = example[elf]
    source = C_BOOTLOADER / "bootloader.c"
    count = lines(coverage, "bootloader.c")[number(source, "unreadable = true")]
    assert count.all == count.after > 0
    assert count.status == "after"


@pytest.mark.parametrize("elf", ["bootloader.elf", "first_try.elf"])
def test_every_cut_of_the_search_stands_at_the_line_that_was_cut(example, elf):
    report, coverage = example[elf]
    source = C_BOOTLOADER / "bootloader.c"
    erases, programs = operations(coverage)
    assert erases.place.line == number(source, "FLASH_CR = page | 2u | 1u << 16;")
    assert programs.place.line == number(source, "REGISTER(address + 4u) = high;")
    assert (erases.kind, programs.kind) == ("erase", "program")
    assert sum(sum(each.cuts.values()) for each in operations(coverage)) == report.cuts
    for each in (erases, programs):
        assert set(each.cuts) == set(Outcome)
        assert 0 < sum(each.again.values()) <= sum(each.cuts.values())


def test_each_boot_counts_once(example):
    report, coverage = example["bootloader.elf"]
    assert coverage.boots.all == report.boots
    assert coverage.boots.after == report.boots - 1
    start = lines(coverage, "bootloader.c")[
        number(C_BOOTLOADER / "bootloader.c", "SCB_VTOR = SLOT")
    ]
    assert start == coverage.boots  # also of boots that were joined with others on their way


def test_a_function_that_no_boot_came_to(example):
    _, coverage = example["bootloader.elf"]
    assert [each.name for each in coverage.never_entered()] == ["hang"]
    assert lines(coverage, "bootloader.c")[109].status == "never"


# --- a branch that no cut can reach


def test_a_branch_of_recovery_that_no_cut_can_reach_is_named():
    _, coverage = copying("recovery")
    asked, called = number(RECOVERY, "asked[0] == REPAIR"), number(RECOVERY, "return repair(size)")
    found = {str(each) for each in coverage.unreached() if each.branch.place.line == asked}
    count = lines(coverage, "recovery.c")[asked].after
    text = f"install(), recovery.c:{asked}: never goes to recovery.c:{called}, in {count} boots"
    assert f"{text} after a cut" in found
    assert any(text in line for line in coverage_lines(coverage))
    assert f'"text": "{text} after a cut"' in coverage_json(coverage)
    assert "repair" in [each.name for each in coverage.never_entered()]


def test_a_branch_that_cuts_reach_is_not_named():
    """A unit of the slot that its ECC gives up: check() returns early, in install() only."""
    _, coverage = copying("recovery")
    line = number(RECOVERY, "if (!flash_read(SLOT + offset, copied))")
    in_install, in_is_copied = sorted(
        branches(coverage, "check", line), key=lambda each: -each.addresses[0]
    )
    assert all(way.boots.after for way in in_install.ways)
    assert [way.boots.after > 0 for way in in_is_copied.ways] == [False, True]
    named = [each.branch for each in coverage.unreached() if each.branch.place.line == line]
    assert named == [in_is_copied]


def test_a_guarded_instruction_counts_where_its_condition_held():
    """``asked[0] = 0u`` has no branch of its own: an IT instruction guards it."""
    _, coverage = copying("recovery")
    line, compared = number(RECOVERY, "asked[0] = 0u;"), number(RECOVERY, "copied[1] == staged[1]")
    (it,) = (each for each in branches(coverage, "check", compared) if each.kind != "branch")
    counts = lines(coverage, "recovery.c")
    assert it.kind == "conditional instructions (IT)"
    assert 0 < counts[line].all == it.ways[1].boots.all < it.boots.all


def test_without_a_cut_nothing_ran_after_one():
    report, coverage = copying("recovery", limits=Limits(cuts=0))
    assert (report.boots, coverage.boots.after) == (1, 0)
    assert {count.status for count in lines(coverage, "recovery.c").values()} == {"never", "no cut"}
    assert coverage.unreached() == ()


# --- the same, whoever does it


def test_boots_that_were_joined_did_what_they_would_have_by_themselves(monkeypatch):
    """Each boot once more, to its end: what ran on its way is what was put together for it."""
    asked: list[tuple[Rules, Request]] = []

    def noted(rules, requests):
        asked.extend((rules, each) for each in requests)
        return trace_all(rules, requests)

    monkeypatch.setattr(following, "trace_all", noted)
    _, joined = traced(read_board_file(C_BOOTLOADER / "board.toml").board)
    ways, shared = joined.ways(), 0
    for rules, request in asked:
        way = ways[request.stretches[0].node]
        whole = tuple(Stretch(n, joined.ran[n].done.total(), joined.following[n]) for n in way)
        shared += len(whole) > len(request.stretches)
        alone = trace_all(rules, [replace(request, stretches=whole)])
        assert all(alone[node] == joined.ran[node] for node in way), request.state.path
    assert len(asked) == len(ways)
    assert shared > 10


ODD = {
    "an end at a limit of operations": ("copy_restart", {"limits": Limits(operations=5)}),
    "three draws": ("recovery", {"draws": 3, "limits": Limits(states=40)}),
    "a supply that decays": ("recovery", {"decays": tuple(Decay), "limits": Limits(states=20)}),
    "nothing merged": ("recovery", {"merge": False, "limits": Limits(states=20)}),
    "units one by one": ("copy_restart", {"coalesce": False, "limits": Limits(cuts=1)}),
}


@pytest.mark.parametrize("odd", ODD.values(), ids=list(ODD))
def test_no_boot_and_no_cut_of_a_search_is_left_out(odd):
    name, options = odd
    wanted = {key: value for key, value in options.items() if key != "coalesce"}
    board = copy_board(name, 16, coalesce=options.get("coalesce", True))
    report, coverage = covered(board, PROGRAMS / f"{name}.elf", **wanted)
    assert coverage.boots.all == report.boots
    assert sum(sum(each.cuts.values()) for each in operations(coverage)) == report.cuts


def test_processes_cover_the_same():
    board = copy_board("recovery", 8)
    with Processes(2) as processes:
        _, joined = traced(board, executor=processes)
    coverage = coverage_of(joined, [read_debug_info(PROGRAMS / "recovery.elf")], ())
    assert coverage_json(coverage) == coverage_json(copying("recovery")[1])


def test_a_boot_that_does_something_else_than_in_the_search_is_not_believed(monkeypatch):
    """And the search is not touched by it."""

    def lies(rules, requests):
        first = requests[0].stretches[0]
        more = replace(first, operations=first.operations + 1)
        return trace_all(rules, [replace(requests[0], stretches=(more,))])

    monkeypatch.setattr(following, "trace_all", lies)
    with pytest.raises(SelfCheckFailed, match="operations, then"):
        traced(copy_board("recovery", 8), limits=Limits(cuts=0))
