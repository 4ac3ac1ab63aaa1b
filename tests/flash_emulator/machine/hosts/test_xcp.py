"""XCP as OpenBLT has it: against a target in Python, and one in C on the machine."""

from typing import Literal

import pytest

from flash_emulator.explore import Search, SearchOptions
from flash_emulator.machine.first_boot import boot_once
from flash_emulator.machine.hosts.xcp import Command, XcpUpdate, xcp_host
from flash_emulator.machine.rest import Limits
from flash_emulator.machine.subject import FirmwareSubject
from flash_emulator.power import Outcome
from flash_emulator.subject import Nothing
from tests.flash_emulator.machine.boards import SLOT, some_image
from tests.flash_emulator.machine.hosts.firmware_boards import BAUD, NEW, board_of

CLEAN = (Outcome.BEFORE, Outcome.AFTER)
U = "USART1"
DATA = bytes(range(200))


class Target:
    """What a bootloader answers; *wrong*: other answers, by command, each used once."""

    def __init__(self, *, most=32, big=False, checksum=False, seed=b"", wrong=None):
        self.most, self.checksum = most, checksum
        self.order: Literal["big", "little"] = "big" if big else "little"
        self.seed, self.wrong, self.is_locked = seed, dict(wrong or {}), bool(seed)
        self.memory: dict[int, int] = {}
        self.cleared: list[tuple[int, int]] = []
        self.commands: list[int] = []
        self.address = 0
        self.left = seed
        self.key = b""

    def answer(self, packet):
        command = Command(packet[0])
        self.commands.append(command)
        if command in self.wrong:
            return self.wrong.pop(command)
        if self.is_locked and command < Command.UNLOCK:
            return b"\xfe\x25" if command != Command.SET_MTA else b"\xff"
        return getattr(self, command.name.lower())(packet)

    def connect(self, packet):
        assert len(packet) == 2
        mode = int(self.order == "big")
        sizes = bytes((self.most,)) + self.most.to_bytes(2, self.order)
        return bytes((0xFF, 0x10 if self.seed else 0, mode)) + sizes + b"\x01\x01"

    def get_seed(self, packet):
        part = self.left[: self.most - 2]
        answer = bytes((0xFF, len(self.left))) + part
        self.left = self.left[len(part) :]
        return answer

    def unlock(self, packet):
        self.key += packet[2:]
        self.is_locked = self.key != bytes(b ^ 0xFF for b in self.seed)
        return b"\xff\x00"

    def program_start(self, packet):
        return bytes((0xFF, 0, 0, self.most, 0, 0, 0))

    def set_mta(self, packet):
        assert packet[1:4] == bytes(3)
        self.address = int.from_bytes(packet[4:8], self.order)
        return b"\xff"

    def program_clear(self, packet):
        self.cleared.append((self.address, int.from_bytes(packet[4:8], self.order)))
        return b"\xff"

    def program(self, packet):
        assert len(packet) == 2 + packet[1] <= self.most
        return self._programmed(packet[2:])

    def program_max(self, packet):
        assert len(packet) == self.most
        return self._programmed(packet[1:])

    def _programmed(self, data):
        self.memory.update(enumerate(data, self.address))
        self.address += len(data)
        return b"\xff"

    def program_reset(self, packet):
        return b""

    def disconnect(self, packet):
        return b"\xff"


def talked(target, update, silent=0):
    """The session, when all was said; the first *silent* packets are lost."""
    session, now_us = xcp_host(U, update).begin(), 0.0
    waiting = bytearray(b"".join(data for _, data in session.start(0.0)))
    for _ in range(2000):
        if waiting:
            size = waiting[0]
            framed = bytes(waiting[: 1 + size + target.checksum])
            del waiting[: len(framed)]
            if target.checksum:
                assert framed[-1] == sum(framed[:-1]) & 0xFF
            silent -= 1
            answer = b"" if silent >= 0 else target.answer(framed[1 : 1 + size])
            answer = bytes((len(answer),)) + answer if answer else b""
            if target.checksum and answer:
                answer += bytes((sum(answer) & 0xFF,))
            for byte in answer:
                for _, data in session.heard(U, byte, now_us):
                    waiting += data
        elif (at_us := session.next_us()) is not None:
            now_us = max(now_us, at_us)
            for _, data in session.woken(now_us):
                waiting += data
        else:
            break
    return session


@pytest.mark.parametrize(
    "options", [{}, {"big": True}, {"checksum": True}, {"most": 8}, {"most": 255}]
)
def test_all_bytes_come_to_their_places(options):
    target = Target(**options)
    update = XcpUpdate(
        ((0x0800_2000, DATA), (0x0800_3001, b"tail")), checksum=options.get("checksum", False)
    )
    session = talked(target, update)
    assert session.is_done, session.failures
    assert target.memory == {
        **dict(enumerate(DATA, 0x0800_2000)),
        **dict(enumerate(b"tail", 0x0800_3001)),
    }
    assert target.cleared == [(0x0800_2000, 200), (0x0800_3001, 4)]
    assert target.commands[-2:] == [Command.PROGRAM, Command.PROGRAM_RESET]


def test_it_connects_until_the_target_listens():
    target = Target()
    session = talked(target, XcpUpdate(((0, DATA),)), silent=25)
    assert session.is_done
    assert len(session.failures) == 25
    assert "CONNECT" in session.failures[0]


def test_large_pieces_may_be_cleared_in_parts():
    target = Target()
    assert talked(target, XcpUpdate(((0x1000, DATA),), clear_most=128)).is_done
    assert target.cleared == [(0x1000, 128), (0x1080, 72)]


def test_it_may_leave_the_target_running():
    target = Target()
    assert talked(target, XcpUpdate(((0, DATA),), resets=False)).is_done
    assert target.commands[-1] == Command.DISCONNECT


def test_a_target_that_locks_is_unlocked():
    target = Target(seed=bytes(range(20)), most=16)
    update = XcpUpdate(((0, DATA),), key=lambda seed: bytes(b ^ 0xFF for b in seed))
    assert talked(target, update).is_done
    assert len(target.memory) == len(DATA)


def test_a_target_that_locks_and_no_key():
    session = talked(Target(seed=b"1234"), XcpUpdate(((0, DATA),)))
    assert not session.is_done
    assert "access locked" in session.failures[0]


def test_a_busy_target_is_asked_again():
    target = Target(wrong={Command.PROGRAM_CLEAR: b"\xfe\x10"})
    session = talked(target, XcpUpdate(((0, DATA),)))
    assert session.is_done
    assert not session.failures


@pytest.mark.parametrize(
    ("command", "answer", "why"),
    [
        (Command.PROGRAM, b"\xfe\x31", "PROGRAM was refused: verify"),
        (Command.PROGRAM_MAX, b"", "PROGRAM_MAX was not answered within 1 s"),
        (Command.SET_MTA, b"\xfe\x99", "SET_MTA was refused: 0x99"),
        (Command.PROGRAM_START, b"\x33\x44", "PROGRAM_START was refused: 33 44"),
        (Command.CONNECT, b"\xff\x00", "CONNECT was answered by ff 00"),
        (Command.CONNECT, b"\xff\x00\x00\x02\x02\x00\x01\x01", "MAX_CTO is 2"),
    ],
)
def test_what_goes_wrong_ends_a_try(command, answer, why):
    """And the next one begins with CONNECT."""
    target = Target(wrong={command: answer})
    session = talked(target, XcpUpdate(((0, DATA),)))
    assert session.is_done
    assert why in session.failures[0]
    assert len(target.memory) == len(DATA)


def test_a_wrong_sum_is_no_answer():
    host = xcp_host(U, XcpUpdate(((0, DATA),), checksum=True), tries=1)
    begun = host.begin()
    begun.start(0.0)
    for byte in b"\x08\xff\x00\x00\x20\x20\x00\x01\x01\x99":
        begun.heard(U, byte, 0.0)
    assert begun.failures
    assert begun.surviving(Nothing()) == (("", Nothing()),)


# --- on the machine


def xcp_board(data=NEW.data, *, baud=BAUD, survives=False, **options):
    update = XcpUpdate(((SLOT, data),))
    host = xcp_host("USART2", update, baud=baud, survives=survives)
    return board_of("xcp_boot", host, overrun=True, **options)


@pytest.mark.parametrize("baud", [57_600, 115_200, 1_000_000])
def test_a_bootloader_is_fed(baud):
    seen = boot_once(xcp_board(baud=baud, limits=Limits(2_000_000)))
    assert seen.verdict == "slot new"
    assert seen.record.resets == ["SYSRESETREQ"]


def test_a_size_that_fills_no_packet():
    image = some_image("new", 301, 2)
    seen = boot_once(xcp_board(image.data))
    flashed = seen.record.operations
    assert seen.ended is not None
    assert seen.ended.kind == "slot"
    assert sum(len(operation.data) for operation, _ in flashed) == 304 + 8


def test_an_update_is_closed_under_all_cuts():
    board = xcp_board()
    report = Search(FirmwareSubject(board), board.flash()).run()
    assert report.passed, report.violations[:1]


@pytest.mark.thorough
def test_an_update_is_not_lost_where_the_host_survives():
    board = xcp_board(NEW.data, survives=True)
    options = SearchOptions(outcomes=CLEAN)
    report = Search(FirmwareSubject(board), board.flash(), options=options).run()
    assert report.passed, report.violations[:1]
