"""The protocol, without gdb: what a debugger may send, and what it must never break."""

import random
import re
import socket
import struct
import time
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from flash_emulator import load_part
from flash_emulator.machine.board import Board, Image, Questions
from flash_emulator.machine.debugger.stops import Resume
from flash_emulator.machine.subject import FirmwareSubject
from tests.flash_emulator.machine.boards import L476, MARK, program
from tests.flash_emulator.machine.debugger.client import (
    Client,
    debuggee_of,
    example,
    framed,
    served,
)

RESET, COPY, FLAG = 0x0800_016A, 0x0800_00EC, 0x2000_0000
POWER, ABORT, TRAP = "T20", "T06", "T05"


@pytest.fixture(scope="module")
def server():
    """Version 1 runs, since the mark was written first: after a cut of operation 3."""
    with served(example("first_try", "3b")) as server:
        yield server


@pytest.fixture
def client(server):
    client = Client(server.port)
    client.without_acks()
    client.monitor("boot 1")
    yield client
    client.close()


def loop_board(turns: int) -> FirmwareSubject:
    """``ldr r0, turns; subs r0, #1; bne .-2; bkpt``."""
    code = struct.pack("<II4HI", 0x2000_1000, 0x0800_0009, 0x4801, 0x3801, 0xD1FD, 0xBE00, turns)
    questions = Questions(safe=False, live=False, rests_in=("breakpoint",))
    return FirmwareSubject(
        Board(load_part(L476), (Image("loop", 0x0800_0000, code),), questions=questions)
    )


# --- attaching


def test_it_stands_at_reset_of_the_last_boot(server):
    client = Client(server.port)
    client.monitor("boot 2")
    assert client.ask("?").startswith("T05thread:1;")
    registers = client.registers()
    assert (registers["pc"], registers["sp"], registers["lr"]) == (
        RESET,
        0x2001_8000,
        0xFFFF_FFFF,
    )
    assert "boot 2 of 2, before instruction 1, at 0x0800_016A (start)" in client.monitor("where")
    client.close()


@pytest.mark.parametrize(
    ("part", "core", "has_fpu", "has_basepri"),
    [(L476, None, True, True), (L476, "m3", False, True), ("STM32G0B1xE", None, False, False)],
)
def test_documents_and_registers_fit(part, core, has_fpu, has_basepri):
    loader = program("selftest" if part == L476 else "selftest_m0", part)
    board = Board(load_part(part), loader.images, core=core, questions=Questions(safe=False))
    with served(debuggee_of(FirmwareSubject(board))) as server:
        client = Client(server.port)
        text, piece = "", "m"
        while piece[0] == "m":
            piece = client.ask(f"qXfer:features:read:target.xml:{len(text):x},80")
            text += piece[1:]
        found = ElementTree.XML(text).iter("reg")
        names = [(reg.attrib["name"], int(reg.attrib["bitsize"])) for reg in found]
        assert len(client.ask("g")) == sum(bits for _, bits in names) // 4
        assert [len(client.ask(f"p{n:x}")) * 4 for n in range(len(names))] == [b for _, b in names]
        assert client.ask(f"p{len(names):x}").startswith("E.")
        known = dict(names)
        assert ("d15" in known, "fpscr" in known) == (has_fpu, has_fpu)
        assert ("basepri" in known, "faultmask" in known) == (has_basepri, has_basepri)
        document = client.ask("qXfer:memory-map:read::0,3000")[1:]
        regions = ElementTree.XML(document[document.index("<memory-map>") :])
        places = [
            (int(each.attrib["start"], 16), int(each.attrib["length"], 16), each.attrib["type"])
            for each in regions
        ]
        assert (0x0800_0000, load_part(part).size, "flash") in places
        assert all(a + size <= b for (a, size, _), (b, _, _) in pairwise(places))
        client.close()


# --- looking


def test_looking_changes_nothing(client):
    """All memory, registers and words, at several places: the boot goes on as the film has it."""
    client.monitor("boot 1")
    assert client.ask("vCont;c")[:3] == POWER
    expected = client.monitor("where"), client.registers(), client.monitor("flash")
    client.monitor("boot 1")
    for _ in range(30):
        for address in (0, 0x0800_0000, MARK, 0x2000_0000, 0x4002_2000, 0x4000_4400, 0xE000_E000):
            assert len(client.ask(f"m{address:x},400")) == 0x800
        client.ask("g")
        for words in ("flash", "journal", f"flash {MARK:#x}", "register 0x40022010", "where"):
            assert client.monitor(words)
        assert client.ask("vCont;s")[:3] == TRAP
    assert client.ask("vCont;c")[:3] == POWER
    assert (client.monitor("where"), client.registers(), client.monitor("flash")) == expected


@pytest.mark.parametrize(
    ("path", "unit"), [("2t", "double ECC error: a read raises NMI"), ("2m", "metastable")]
)
def test_looking_at_a_torn_unit_changes_nothing(path, unit):
    """Units that raise an NMI, and those of which each read may be another."""
    with served(example("first_try", path)) as server:
        client = Client(server.port)
        assert client.ask("c")
        expected = client.monitor("where"), client.registers()
        client.monitor("reset")
        assert unit in client.monitor(f"flash {MARK:#x}")
        for _ in range(10):
            client.word(MARK)
            client.monitor("flash")
            client.ask("s")
        assert client.ask("c")
        assert (client.monitor("where"), client.registers()) == expected
        client.close()


def test_flash_is_seen_at_its_alias_too(client):
    assert client.ask("m0,100") == client.ask("m8000000,100")


# --- going on and back


def test_each_step_back_is_the_inverse_of_the_step(client):
    """Registers and memory at every instruction of the boot, forwards and backwards."""

    def seen():
        return client.registers(), client.word(FLAG), client.word(MARK), client.monitor("journal")

    places = [seen()]
    while client.ask("vCont;s")[:3] == TRAP:
        places.append(seen())
    assert len(places) == 110
    for expected in reversed(places):
        assert client.ask("bs")[:3] == TRAP
        assert seen() == expected
    assert client.ask("bs") == "T05replaylog:begin;thread:1;"
    assert client.ask("bc") == "T05replaylog:begin;thread:1;"
    assert client.pc == RESET


def test_breakpoints_in_both_directions(client):
    assert client.ask(f"Z1,{COPY:x},2") == "OK"
    client.ask("qSupported:swbreak+;hwbreak+")
    assert client.ask("vCont;c") == "T05hwbreak:;thread:1;"
    assert client.pc == COPY
    assert client.ask("vCont;c")[:3] == POWER
    assert client.ask("bc") == "T05hwbreak:;thread:1;"
    assert client.pc == COPY
    assert client.ask("bc") == "T05replaylog:begin;thread:1;"
    assert client.ask(f"z1,{COPY:x},2") == "OK"
    assert client.ask("vCont;c")[:3] == POWER
    assert client.word(COPY) == client.word(COPY - 0x0800_0000), "nothing is patched"


@pytest.mark.parametrize(
    ("kind", "address", "word", "hits"),
    [
        (2, FLAG, "watch", 2),
        (3, FLAG, "rwatch", 1),
        (4, FLAG, "awatch", 3),
        (2, MARK, "watch", 2),  # the erase and the program: not the first of its two stores
        (2, MARK + 0x400, "watch", 1),  # the erase
        (2, MARK - 0x0800_0000, "watch", 2),  # by the alias
        (2, 0x0800_8000, "watch", 1),  # the erase that is cut
        (3, MARK, "rwatch", 1),
        (4, MARK + 2, "awatch", 3),
        (2, 0x4002_2014, "watch", 7),
        (2, COPY, "watch", 0),
    ],
)
def test_watchpoints(client, kind, address, word, hits):
    """On RAM, flash and registers: as often forwards as backwards, with the address as given."""

    def stops(resume):
        found = []
        while f"{word}:{address:x};" in (reply := client.ask(resume)):
            found.append(client.monitor("where").splitlines()[0])
        return found, reply[:3]

    assert client.ask(f"Z{kind},{address:x},1") == "OK"
    forwards, end = stops("vCont;c")
    assert (len(forwards), end) == (hits, POWER)
    backwards, end = stops("bc")
    assert (len(backwards), end) == (hits, TRAP)


@pytest.mark.parametrize(("part", "name"), [(L476, "selftest"), ("STM32G0B1xE", "selftest_m0")])
def test_a_place_is_the_same_step_by_step_and_at_once(part, name):
    """Across exceptions, IT blocks, faults and a reset by software: all registers and the time."""
    images = program(name, part).images
    board = Board(load_part(part), images, questions=Questions(safe=False, live=False))
    debuggee = debuggee_of(FirmwareSubject(board))

    class Front:
        def __init__(self):
            self.seen, self.numbers = {}, []

        def wants_stop(self):
            return False

        def stopped(self, stop):
            found = (
                debuggee.pc,
                debuggee.machine.engine.registers.snapshot(),
                debuggee.machine.now_us,
            )
            if self.numbers:
                assert debuggee.number == self.numbers[-1]
                assert found == self.seen[debuggee.number]
                self.numbers.pop()
            elif not debuggee.end:
                self.seen[debuggee.number] = found
                return Resume(1, to=debuggee.number + 1)
            else:
                self.numbers = random.Random(1).sample(sorted(self.seen), 60)
            if not self.numbers:
                raise KeyboardInterrupt
            return Resume(1, to=self.numbers[-1])

    debuggee.front = Front()
    with pytest.raises(KeyboardInterrupt):
        debuggee.run()
    assert len(debuggee.front.seen) > 10_000


def test_a_range_is_stepped_through(client):
    assert client.ask(f"vCont;r{RESET:x},{RESET + 8:x}:1")[:3] == TRAP
    assert not RESET <= client.pc < RESET + 8


def test_the_end_of_a_boot_is_told_and_goes_on_being_told(client):
    for _ in range(2):
        assert client.ask("vCont;c")[:3] == POWER
        assert "CUT: power lost at flash operation 3 (erase at 0x0800_8000)" in client.console
    client.monitor("boot 2")
    for resume in ("vCont;c", "vCont;s", "c", "C05"):
        assert client.ask(resume)[:3] == ABORT
        assert "VIOLATION not live: version 1 runs" in client.console
        assert "it is over: VIOLATION" in client.monitor("where")
    assert client.ask("bs")[:3] == TRAP


def test_a_boot_that_comes_to_rest_says_so():
    with served(example("board", "-")) as server:
        client = Client(server.port)
        assert client.ask("c").startswith(TRAP)
        assert "the boot is at rest: slot version 2" in client.console
        assert "nothing is violated" in client.monitor("violation")
        assert "power is not cut in boot 1" in client.monitor("cut")
        client.close()


def test_to_the_cut_and_what_it_has_left(client):
    told = client.monitor("cut")
    assert (
        "boot 1 of 2, before instruction 110, at 0x0800_00C6 (erase+0x1e), bootloader.c:59" in told
    )
    assert client.pc == 0x0800_00C6
    assert re.search(
        r"^ +2  program 0x0800_4800, 8 bytes, at", client.monitor("journal"), re.MULTILINE
    )
    client.monitor("boot 2")
    assert client.monitor("cut") == told, "of the boot before"
    assert "it is over: CUT" in client.monitor("cut after")
    told = client.monitor("violation")
    assert "the next instruction is that of the violation" in told
    assert client.ask("vCont;s")[:3] == ABORT


# --- changing


def test_changes_are_made_again_and_going_back_undoes_them(client):
    client.ask(f"Z0,{COPY:x},2")
    client.ask("vCont;c")
    assert client.ask("Pb=78563412") == "OK"
    assert client.ask(f"M{FLAG:x},2:beef") == "OK"
    for _ in range(3):
        client.ask("vCont;s")
    before = client.registers()
    assert before["r11"] == 0x1234_5678
    client.ask("vCont;s")
    client.ask("bs")
    assert client.registers() == before
    assert client.word(FLAG) & 0xFFFF == 0xEFBE
    for _ in range(4):
        client.ask("bs")
    assert client.word(FLAG) & 0xFFFF == 0
    client.ask("vCont;s")
    assert client.registers()["r11"] != 0x1234_5678


def test_the_program_goes_on_where_pc_is_set(client):
    """To the rest of start, as if nothing had been asked for: version 1 is started at once."""
    assert client.ask("Pf=80010008") == "OK"  # 0x0800_0180, and a thumb bit does no harm
    target = 0x0800_018E
    assert client.ask(f"Pf={struct.pack('<I', target | 1).hex()}") == "OK"
    assert client.pc == target
    assert client.ask("vCont;s")[:3] == TRAP
    assert client.pc == target
    client.ask("vCont;s")
    assert target < client.pc < target + 8
    client.ask("bs")
    assert client.pc == target


def test_a_change_within_an_access_is_made_before_the_instruction(client):
    client.ask(f"Z2,{FLAG:x},1")
    assert "watch" in client.ask("vCont;c")
    place = client.monitor("where")
    assert client.ask("P0=01000000") == "OK"
    assert client.monitor("where") == place
    assert client.registers()["r0"] == 1
    client.ask(f"z2,{FLAG:x},1")
    client.ask("vCont;s")
    assert client.registers()["r0"] == 1


# --- what cannot be done


@pytest.mark.parametrize(
    "request_",
    [
        *("M8000000,4:00000000", "M40022000,4:00000000", "M60000000,4:00000000", "X8000000,1:a"),
        *("P10=00000000", "P99=00", "P0=00", "Pzz", "P", "p", "pffffffff", "G00", "m", "m1"),
        *("mz,4", "m60000000,4", "m-1,4", "m100000000,4", "M20000000,4:00", "M20000000,4:zz"),
        *("M2001fffe,4:00000000", "Z0", "Z2,20000000,0", "Z1,xx,2", "vCont;z", "vCont;"),
        *("vFlashErase:08000000,800", "qXfer:features:read:other.xml:0,10", "qXfer:features"),
        *("qXfer:memory-map:write::0,10", "qRcmd,zz", "cxx", "Czz"),
    ],
)
def test_what_cannot_be_done_is_refused_in_words(client, request_):
    before = client.registers()
    reply = client.ask(request_)
    assert reply.startswith("E."), reply
    assert len(reply) > 12
    assert client.registers() == before


@pytest.mark.parametrize(
    "request_", ["", "vMustReplyEmpty", "qFoo", "QBar:1", "Z9,0,0", "j", "bx", "i"]
)
def test_what_is_not_known_is_answered_with_nothing(client, request_):
    assert client.ask(request_) == ""


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ("nothing", "is no command; known are help"),
        ("r", "is more than one command"),
        ("boot", "a number from 1 to 2 is expected"),
        ("boot 3", "a number from 1 to 2 is expected"),
        ("boot -1", "a number from 1 to 2 is expected"),
        ("cut 2", "power is not cut in boot 2"),
        ("cut x", "a number from 1 to 2 is expected"),
        ("flash zzz", "is no address"),
        ("flash 0x100000000", "has 32 bits"),
        ("flash 0x20000000", "is not in flash"),
        ("register", "ADDRESS"),
        ("register 0x5fff0001", "nobody's"),
        ("register 0x20000000", "0x2000_0000 is memory, and no register"),
        ("register 0x08000000", "0x0800_0000 is memory, and no register"),
        ("boot 1 2", "monitor boot takes 1 at most, found '1 2'"),
        ("cut 1 1", "monitor cut 1 1: one boot at most, then after"),
        ("cut after after", "a number from 1 to 2 is expected"),
        ("reset now", "monitor reset takes nothing more, found 'now'"),
        ("flash 0x08000000 8", "monitor flash takes 1 at most"),
        ("journal", "record request at 0x0800_4000"),
        ("boot 2", "this boot goes wrong: not live: "),
        ("", "monitor where"),
    ],
)
def test_monitor_says_what_is_wrong(client, words, answer):
    assert answer in client.monitor(words)
    assert "record version" not in client.monitor("journal")  # an image that may run


def test_after_the_end_nothing_can_be_changed(client):
    client.ask("vCont;c")
    assert client.ask("P0=00000000").startswith("E.the boot is over")
    assert client.ask(f"M{FLAG:x},1:00").startswith("E.the boot is over")


# --- the line


def test_a_wrong_checksum_is_asked_for_again(server):
    client = Client(server.port)
    client.raw(b"$qC#00")
    assert client.byte() == b"-"
    assert client.ask("qC") == "QC1"
    client.raw(b"-")
    assert client.reply() == "QC1", "once more"
    client.without_acks()
    client.raw(b"$qC#00")
    assert client.reply().startswith("E.checksum")
    client.close()


def test_garbage_and_pieces(client):
    client.raw(b"\0\xff hello \x03\x03++-")
    for byte in framed("qC"):
        client.raw(bytes([byte]))
        time.sleep(0.001)
    assert client.reply() == "QC1"
    client.raw(b"$abc" + framed("qC"))
    assert client.reply().startswith("E.a packet begins within another")
    assert client.reply() == "QC1"
    client.raw(b"$" + b"x" * 40_000)
    assert client.reply().startswith("E.a packet of more than")
    client.raw(framed("qC") + framed("?"))
    assert [client.reply(), client.reply()[:3]] == ["QC1", TRAP]


def test_all_of_memory_may_be_watched(client):
    client.monitor("boot 1")
    assert client.ask("Z2,0,ffffffff") == "OK"
    assert client.ask("vCont;c").startswith("T05watch:0;")  # the first store
    assert client.ask("z2,0,ffffffff") == "OK"


def test_the_same_thing_is_logged_once_in_a_row():
    told: list[str] = []
    with served(example("first_try", "3b"), told.append) as server:
        client = Client(server.port)
        client.raw(b"$" * 500 + framed("QStartNoAckMode"))
        while client.byte() != b"+":
            pass
        client.close()
    wrong = "the debugger has sent what is no packet: a packet begins within another"
    assert told[:3] == ["a debugger is attached", wrong, "the debugger is gone"]


def test_one_debugger_at_a_time_and_one_after_the_other(server, client):
    client.ask(f"Z1,{COPY:x},2")
    client.ask("vCont;c")
    with socket.create_connection(("127.0.0.1", server.port)) as other:
        assert client.ask("qC") == "QC1"  # whoever is attached is served
        assert b"E.another debugger is attached" in other.recv(100)
        assert other.recv(100) == b""
    assert client.ask("D") == "OK"
    second = Client(server.port)
    second.without_acks()
    assert second.pc == COPY, "where it was left"
    assert second.ask("vCont;c")[:3] == POWER, "its breakpoints are gone"
    second.send("k")
    with pytest.raises(EOFError):
        second.byte()
    third = Client(server.port)
    assert "boot 2 of 2, before instruction 1," in third.monitor("where")
    third.raw(b"$half")
    third.close()
    fourth = Client(server.port)
    assert fourth.ask("vKill;1") == "OK"
    fourth.close()


def test_a_long_run_is_interrupted_and_left(request):
    """By Ctrl-C; by a debugger that goes away; also while it goes back."""
    with served(debuggee_of(loop_board(15_000_000))) as server:
        client = Client(server.port)
        client.send("vCont;c")
        time.sleep(0.05)
        client.raw(b"\x03")
        assert client.reply()[:3] == "T02"
        number = _number(client)
        assert 1 < number < 30_000_000
        client.send("bc")
        client.raw(b"\x03")
        assert client.reply()[:3] in ("T02", TRAP)
        assert _number(client) in (number, 1)
        client.send("vCont;c")
        client.close()
        second = Client(server.port)
        assert second.pc in (0x0800_000A, 0x0800_000C)
        assert second.ask("vCont;s")[:3] == TRAP
        second.close()


def _number(client: Client) -> int:
    found = re.search(r"instruction ([\d,]+)", client.monitor("where"))
    assert found is not None
    return int(found[1].replace(",", ""))
