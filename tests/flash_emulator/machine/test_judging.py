"""What the questions of a board take for right, and what not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flash_emulator import load_part
from flash_emulator.device.trace import Operation
from flash_emulator.explore import Search, SearchOptions, Violation
from flash_emulator.explore.report import Limits
from flash_emulator.machine.board import Board, Image, Questions, Reported, Slot
from flash_emulator.machine.judging import Guard, Judge
from flash_emulator.machine.rest import Rests
from flash_emulator.machine.subject import FirmwareSubject
from flash_emulator.machine.symbols import Symbols
from flash_emulator.power import Outcome
from tests.flash_emulator.machine.boards import L476, MARK, REQUEST, SLOT, copy_board, program

APP_1, APP_2 = program("app_1").whole("app 1"), program("app_2").whole("app 2")
SAID = (Reported("app 1", "app 1"), Reported("app 2", "app 2"))


def board_that_runs_on(*, held=APP_1, **questions) -> Board:
    """Nothing is staged: a bootloader that starts what is in the slot, which then says its name."""
    asked = {"published": (APP_1, APP_2), "rests_in": ("text",), **questions}
    return Board(
        load_part(L476),
        (*program("copy_restart").images, held),
        slots=(Slot("application", SLOT, 0x4_0000),),
        questions=Questions(**asked),
        rests=Rests(texts=(b"app 1\r\n", b"app 2\r\n")),
    )


def judged(board: Board, change=lambda ended, machine: ended) -> str:
    """Boot it once; *change* what the judge gets to see."""
    machine, flash = board.machine(), board.flash()
    flash.power_on()
    ended = change(machine.boot(flash), machine)
    return Judge(board, Symbols(), flash, machine).judge(ended)


def violation(board: Board, change=lambda ended, machine: ended) -> tuple[str, str]:
    with pytest.raises(Violation) as caught:
        judged(board, change)
    return caught.value.question, caught.value.text


def test_an_application_that_is_started_is_known_by_what_it_says():
    assert judged(board_that_runs_on(reported=SAID)) == "text app 1"


def test_one_byte_that_is_not_the_images_is_unsafe():
    data = bytearray(APP_1.data)
    data[-1] ^= 1
    held = replace(APP_1, data=bytes(data))
    question, text = violation(board_that_runs_on(held=held))
    assert (question, "none of the published images" in text) == ("safe", True)


def test_a_handler_of_the_application_is_no_application():
    """PC is in the slot, VTOR is there, and every byte is right."""
    board = board_that_runs_on()

    def fault(ended, machine):
        machine.record.exceptions.append(("HardFault", SLOT + 0x40))
        return replace(ended, thread=False)

    question, text = violation(board, fault)
    assert question == "safe"
    assert "an exception is active (the last one was HardFault, at 0x0800_8040)" in text


def test_a_vector_table_elsewhere_is_unsafe():
    question, text = violation(
        board_that_runs_on(), lambda ended, _: replace(ended, table=0x0808_0000)
    )
    assert (question, "VTOR is 0x0808_0000" in text) == ("safe", True)


@pytest.mark.parametrize("table", [0, 0x0800_0000])
def test_a_vector_table_that_was_never_set_is_the_applications_choice(table):
    assert judged(board_that_runs_on(), lambda ended, _: replace(ended, table=table))


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ((SLOT + 0x50, True), "it is entered at 0x0800_8050, and its reset vector is 0x0800_80"),
        ((APP_1.reset_vector, False), "it is entered in handler mode"),
    ],
)
def test_an_application_is_entered_by_its_reset_vector(entry, said):
    board = board_that_runs_on()

    def elsewhere(ended, machine):
        assert machine.record.entries == {SLOT: (APP_1.reset_vector, True)}
        machine.record.entries[SLOT] = entry
        return ended

    question, text = violation(board, elsewhere)
    assert (question, said in text) == ("safe", True), text
    slot = replace(board.slots[0], entry="any")
    assert judged(replace(board, slots=(slot,)), elsewhere) == "text app 1"


def test_a_slot_is_entered_by_the_reset_vector_of_what_it_holds():
    """Where boots end at the slot: a fault handler would be entered elsewhere, in handler mode."""
    board = copy_board("copy_restart", 512)
    assert judged(board) == "slot new"
    question, text = violation(board, lambda ended, _: replace(ended, pc=ended.pc + 4))
    assert (question, "it is entered at 0x0800_8044" in text) == ("safe", True)
    question, text = violation(board, lambda ended, _: replace(ended, thread=False))
    assert (question, "in handler mode" in text) == ("safe", True)


def test_what_is_said_last_must_run():
    said = (Reported("app 1", "app 2"),)
    question, text = violation(board_that_runs_on(reported=said))
    assert (question, text) == ("reported", "'app 1' was sent, which app 2 says; app 1 runs")
    named = (Reported(r"(app \d)\r\n", None),)
    assert judged(board_that_runs_on(reported=named)) == "text app 1"
    later = (Reported("ap", "app 2"), Reported("app 1", "app 1"))
    assert judged(board_that_runs_on(reported=later)) == "text app 1"


def test_no_rollback():
    found = violation(board_that_runs_on(never=("app 1",)))
    assert found == ("no rollback", "app 1 runs")


def test_an_update_that_is_lost_is_not_live():
    question, text = violation(board_that_runs_on(wanted="app 2"))
    assert (question, "app 2 is lost" in text) == ("live", True)


def test_where_boots_must_not_end_is_not_live():
    board = replace(board_that_runs_on(), rests=Rests())
    question, text = violation(board)
    assert question == "live"
    assert text.startswith("loop at 0x0800_8")


def test_nothing_is_asked_where_nothing_is_published():
    assert judged(board_that_runs_on(published=())) == "text"


def test_where_safe_is_not_asked_anything_may_run():
    held = replace(APP_1, data=APP_1.data[:-1] + bytes([APP_1.data[-1] ^ 1]))
    assert violation(board_that_runs_on(held=held))[0] == "safe"
    assert judged(board_that_runs_on(safe=False, held=held)) == "text"


def test_an_image_outside_of_flash_is_not_held_by_it():
    in_ram = replace(APP_1, name="in RAM", address=0x2000_4000)
    board = board_that_runs_on(published=(APP_1, in_ram))
    there = 0x2000_4010
    question, text = violation(board, lambda ended, _: replace(ended, pc=there, table=0))
    assert (question, "none of the published images" in text) == ("safe", True)


CLEAN = (Outcome.BEFORE, Outcome.AFTER)


@pytest.mark.parametrize("ranges", [((MARK, 8),), ((REQUEST, 8),), ((SLOT + 2000, 8),)])
def test_what_must_stay_untouched(ranges):
    """The mark and the slot are written, each by another operation; the request never is."""
    board = copy_board("copy_restart", 512)
    board = replace(board, questions=replace(board.questions, untouched=ranges))
    options = SearchOptions(outcomes=CLEAN, limits=Limits(violations=1))
    report = Search(FirmwareSubject(board), board.flash(), options=options).run()
    if ranges[0][0] == REQUEST:
        assert report.passed, report.violations[:1]
    else:
        (found,) = report.violations[:1]
        assert found.question == "untouched"
        assert "near 0x0800_0" in found.text


def test_an_application_that_runs_on_is_searched_to_the_end():
    """What it says is part of a boot's memory, and how it was entered."""
    board = board_that_runs_on(reported=SAID, wanted="app 2")
    size = len(APP_2.data)
    staged = Image("staged", 0x0808_0000, APP_2.data)
    request = Image("request", REQUEST, b"STGD" + size.to_bytes(4, "little"))
    board = replace(board, images=(*board.images, staged, request))
    report = Search(FirmwareSubject(board), board.flash()).run()
    assert report.passed, report.violations[:1]
    assert report.ends.keys() == {"text app 2"}


def test_what_lies_right_behind_an_image_is_none():
    behind = APP_1.address + len(APP_1.data)
    for pc, said in ((behind - 2, "text app 1"), (behind, "")):
        board = board_that_runs_on()
        if said:
            assert judged(board, lambda ended, _, pc=pc: replace(ended, pc=pc)) == said
        else:
            question, text = violation(board, lambda ended, _, pc=pc: replace(ended, pc=pc))
            assert (question, "none of the published images" in text) == ("safe", True)


def test_the_last_byte_of_an_image_counts_where_it_begins_a_unit():
    longer = replace(APP_1, data=APP_1.data + bytes(-len(APP_1.data) % 8) + b"\1")
    other = replace(longer, data=longer.data[:-1] + b"\2")
    board = board_that_runs_on(held=longer, published=(longer,))
    assert judged(board) == "text app 1"
    assert violation(replace(board, images=(*board.images[:-1], other)))[0] == "safe"


def test_where_live_is_not_asked_a_boot_may_end_anywhere_with_anything():
    board = board_that_runs_on(live=False, wanted="app 2")
    assert judged(board) == "text app 1"
    assert judged(board, lambda ended, _: replace(ended, kind="lock-up")) == "lock-up"


@pytest.mark.parametrize(
    ("kind", "at", "data", "touched"),
    [
        ("program", 0, 8, range(8)),
        ("erase", 0x800, 0, range(0x800, 0x1000)),
        ("bank erase", 0, 0, range(0x8_0000)),
        ("bank erase", 0x8_0000, 0, range(0x8_0000, 0x10_0000)),
        ("mass erase", 0, 0, range(0x10_0000)),
        ("options", 0, 0, range(0)),
    ],
)
def test_what_an_operation_touches(kind, at, data, touched):
    """Its first byte and its last one, and not those before and behind."""
    board = copy_board("copy_restart", 256)
    flash = board.flash()
    base = flash.part.base
    operation = Operation(kind, base + at, bytes(data))
    for offset in {0, touched.start - 1, touched.start, touched.stop - 1, touched.stop, 0x1234}:
        if not 0 <= offset < flash.part.size:
            continue
        questions = replace(board.questions, untouched=((base + offset, 1),))
        guard = Guard(replace(board, questions=questions), Symbols(), flash)
        if offset in touched:
            with pytest.raises(Violation, match="touches"):
                guard(operation, base)
        else:
            guard(operation, base)


def test_vtor_is_at_the_vectors_of_an_image_that_has_a_header():
    headed = replace(APP_1, address=APP_1.address - 0x200, data=bytes(0x200) + APP_1.data)
    headed = replace(headed, vectors=0x200)
    board = board_that_runs_on(published=(headed,))
    board = replace(board, images=(*board.images[:-1], headed))
    assert judged(board) == "text app 1"
    at_header = headed.address
    assert violation(board, lambda ended, _: replace(ended, table=at_header))[0] == "safe"
