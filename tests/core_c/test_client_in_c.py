"""The AT client in C and the one in Python: the same calls, the same answers of a module, the same
faults. What they send, wait for, find out and remember must be the same."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcu_updater.core.decide import Module
from mcu_updater.core.journal import Phase
from mcu_updater.quectel.connection import ERRORS
from mcu_updater.quectel.emulated.faults import Faults, Rate
from mcu_updater.quectel.emulated.options import ModuleOptions
from tests.core_c.client_in_c import OK, REFUSED
from tests.core_c.client_pair import (
    ANSWER,
    RIGHT_END,
    Call,
    Pair,
    Said,
    loading,
    on_module,
    scripted,
)
from tests.core_c.libraries import campaign

pytestmark = [pytest.mark.judge("gcc"), pytest.mark.usefixtures("client_library")]

SIZE = 2500
COMMANDS = (
    "E0", "+QIOTSTATE", "+QIOTREG", "+QIOTOTARD", "+QIOTMCUVER", "+QIOTOTAREQ", "+QIOTUPDATE",
)  # fmt: skip


def upgrade(pair: Pair, read_size: int = 1024) -> None:
    """A whole upgrade, as an updater goes about it, up to what a fault makes impossible."""
    pair.ask("hold", loading(SIZE))
    pair.ask("connect")
    pair.ask("report", "STM32", "1_0_0")
    pair.ask("knows", "STM32", "1_0_0")
    for _ in range(2):
        pair.ask("request_plan")
        pair.ask("hear", 30.0, Module.NO_PLAN)
    pair.ask("confirm")
    start = 0
    for _ in range(8):
        _, module = pair.ask("hear", 40.0, Module.QUIET)
        if module in (Module.HOLDS_NEXT, Module.HOLDS_FIRST, Module.UNKNOWN):
            start = read_piece(pair, start, read_size)
            pair.ask("hold", loading(SIZE, start))
            pair.ask("announce" if start >= SIZE else "next_piece")
    pair.ask("probe", loading(SIZE, start))
    pair.ask("announce")
    pair.ask("hear", 5.0, Module.UPDATING)
    pair.ask("report", "STM32", "2_0_0")
    pair.ask("next_event", 5.0)


def read_piece(pair: Pair, start: int, size: int) -> int:
    for _ in range(40):
        told = pair.ask("read", start, size)
        if told[0] != OK or told[1] is None:
            return start
        start += len(told[1])
    return start


def test_an_upgrade():
    upgrade(Pair(on_module(ModuleOptions(), Faults())))


@pytest.mark.parametrize("piece", [400, 1000, 1024])
def test_an_upgrade_in_pieces(piece: int):
    upgrade(Pair(on_module(ModuleOptions(piece_size=piece), Faults())), 333)


@pytest.mark.parametrize("fault", ["answer_error_to", "lose_command", "lose_answer", "reboot"])
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_or_its_answer_is_lost(name: str, fault: str):
    for numbers in ((1,), (2,), (3,), (1, 2, 3), (4, 5), tuple(range(1, 30))):
        given: Any = {fault: frozenset((name, number) for number in numbers)}
        upgrade(Pair(on_module(ModuleOptions(piece_size=1200), Faults(**given))))


@pytest.mark.parametrize(
    "faults",
    [
        Faults(hang=frozenset({("+QIOTOTARD", 3)}), hang_s=20.0),
        Faults(hang=frozenset({("+QIOTUPDATE", 1)})),
        Faults(link_loss=frozenset({("+QIOTSTATE", 2)})),
        Faults(silent_from=9),
        Faults(refuse_connection=(2, 10430)),
        Faults(refuse_connection=(2, 10450), refusals=2),
        Faults(refuse_connection=(1, 10404)),
        Faults(failing_downloads=2),
        Faults(bad_url_messages=1),
        Faults(insert_between_lines=b"\r\n+QIOTEVT: 7,10702\r\n"),
        Faults(noise_before_answer=b"\x00\xff\r\n+CSQ: 3\r\n"),
        Faults(truncate_answer=(("+QIOTOTARD", 2, 60), ("+QIOTSTATE", 1, 12))),
        Faults(delay_sent=Rate(0.002), delay_s=3.3),
        Faults(delay_sent=Rate(0.004), delay_s=1.7),
    ],
)
def test_other_faults(faults: Faults):
    upgrade(Pair(on_module(ModuleOptions(piece_size=1200), faults)), 500)


rates = st.sampled_from([0.0, 0.0005, 0.002, 0.01])
seeds = st.text(st.characters(codec="ascii"), max_size=3)


@given(rates, rates, rates, rates, rates, seeds, st.sampled_from([300, 1024, 4096]))
@settings(max_examples=campaign(15), suppress_health_check=list(HealthCheck))
def test_a_line_that_spoils_bytes(
    drop: float, double: float, change: float, late: float, back: float, seed: str, window: int
):
    faults = Faults(
        drop_sent=Rate(drop, seed + "a"),
        double_sent=Rate(double, seed + "b"),
        corrupt_sent=Rate(change, seed + "c"),
        delay_sent=Rate(late / 4, seed + "d"),
        delay_s=3.5,
        corrupt_received=Rate(back, seed + "e"),
    )
    upgrade(Pair(on_module(ModuleOptions(piece_size=window), faults)))


# --- what the faults above do not come to


@pytest.mark.parametrize("later", [(2,), (2, 3), (2, 3, 4, 5, 6), (3,)])
@pytest.mark.parametrize("number", range(1, 5))
@pytest.mark.parametrize("fault", ["lose_answer", "lose_command"])
def test_error_to_an_action_that_is_said_again(fault: str, number: int, later: tuple[int, ...]):
    """Was it the repeat of one that worked? A sign of the download tells."""
    errors = frozenset(("+QIOTUPDATE", number - 1 + each) for each in later)
    given: Any = {fault: frozenset({("+QIOTUPDATE", number)}), "answer_error_to": errors}
    for options in (ModuleOptions(piece_size=1200), ModuleOptions(url_delay_s=9.0)):
        pair = Pair(on_module(options, Faults(**given)))
        upgrade(pair)
        pair.ask("refuse")


@pytest.mark.parametrize("piece", [1, 2, 399, 1250, 2499, 2500])
def test_a_probe_finds_the_end_of_a_piece(piece: int):
    pair = Pair(on_module(ModuleOptions(piece_size=piece), Faults()))
    for call in (("connect",), ("report", "STM32", "1_0_0"), ("request_plan",)):
        pair.ask(*call)
    pair.ask("hear", 30.0, Module.NO_PLAN)
    pair.ask("confirm")
    for number in range(2):
        while pair.ask("hear", 40.0, Module.QUIET)[1] not in (
            Module.HOLDS_NEXT, Module.HOLDS_FIRST, Module.HOLDS_OTHER, Module.QUIET
        ):  # fmt: skip
            pass
        for start in (0, 1, piece - 1, piece, piece + 1, 2 * piece, SIZE - 1, SIZE, SIZE + 1):
            pair.ask("probe", loading(SIZE, start))
            pair.ask("probe", loading(SIZE, start, Phase.VERIFIED))
            pair.ask("probe", loading(0, start, Phase.PLANNED))
        if number == 0:
            pair.ask("hold", loading(SIZE, piece))
            pair.ask("next_piece")


def test_an_offer_that_was_passed_over_does_not_hide_the_next_one():
    """What was there before a probe is heard first, and the same offer again behind it."""
    said = b"\r\n" + PLAN + b"\r\n"
    again = said + said + b"\r\nOK\r\n"
    pair = Pair(scripted([Said(0, said), *[Said(0, ANSWER)] * 2, Said(5, again)]))
    pair.ask("probe", loading(0, phase=Phase.PLANNED))
    pair.ask("request_plan")
    told = [pair.ask("hear", 0.0, Module.QUIET)[1] for _ in range(3)]
    assert told == [Module.OFFERED_ONCE, Module.OFFERED, Module.QUIET]


@pytest.mark.parametrize("in_one_line", [False, True])
def test_versions_that_the_module_knows(in_one_line: bool):
    pair = Pair(on_module(ModuleOptions(versions_in_one_line=in_one_line), Faults()))
    pair.ask("knows", "STM32", "1_0_0")
    for component, version in (("A", "1"), ("STM32", "1_0_0"), ("STM3", "2"), ("STM32", "2_0_0")):
        pair.ask("report", component, version)
        for asked in ("STM32", "STM3", "A", "x" * 32):
            pair.ask("knows", asked, version)


@pytest.mark.parametrize("text", ['a"b', "a:b", "a;b", "\xe4", "", "a\tb"])
def test_what_cannot_be_stated_is_refused(text: str):
    """Python raises UsageError, and sends as little."""
    pair = Pair(scripted([]))
    assert pair.in_c.ask("report", "STM32", text) == (REFUSED,)
    assert pair.in_c.ask("report", text, "1") == (REFUSED,)
    assert pair.sent == ([], [])


BOUNDS = [
    b"(1-1024)", b"(0-9),(1-512)", b"(1,100)", b"(1 - 64)", b"(0-0)", b"(5)", b"(x-9)", b"((1-7)",
    b"(1-99999999999)", b"(1-8) (1-9", b"(1-8),(1-9x)", b"1-77", b"", b"(-5)", b"(1--5)", b"(1-8)(",
]  # fmt: skip


@pytest.mark.parametrize("bounds", BOUNDS)
def test_the_largest_read_that_the_module_tells(bounds: bytes):
    said = b"\r\n+QIOTOTARD: " + bounds + b"\r\n+QIOTOTARD: (1-3)" + RIGHT_END
    pair = Pair(scripted([*[Said(0, ANSWER)] * 2, Said(0, said), *[Said(0, ANSWER)] * 40]))
    pair.ask("connect")
    for size in (1024, 20, 1024):
        pair.ask("read", 0, size)
    pair.ask("connect")


@pytest.mark.parametrize("most", [b"(1-1024)", b"(1-100)", b"(1-40)", b"(1-7)"])
@pytest.mark.parametrize("bad", range(14))
def test_reads_shrink_and_grow_again(bad: int, most: bytes):
    begin = [Said(0, ANSWER)] * 2 + [Said(0, b"\r\n+QIOTOTARD: " + most + RIGHT_END)]
    spoilt = [Said(0, ANSWER, end=b"\r\n\rOK\r\n", spoilt=25 + number) for number in range(bad)]
    pair = Pair(scripted([*begin, *spoilt, *[Said(0, ANSWER)] * 120]))
    pair.ask("connect")
    for _ in range(100):
        pair.ask("read", 5, 1024)


@pytest.mark.parametrize("end", [b"\r\nOK\r\n", b"\n\nOK\n", b"\r\nOK", b"\r\n\r\n\r\n\r\nOK\r\n"])
@pytest.mark.parametrize("right", [0, 1])
def test_a_module_that_ends_data_in_its_own_style(end: bytes, right: int):
    own = [Said(0, ANSWER, end=end), Said(20, b"\r\n")]
    pair = Pair(scripted([*[Said(0, ANSWER)] * right, *own * 20]))
    for size in (1, 40, 40, 1024, 1):
        pair.ask("read", 7, size)


def test_data_that_are_believed_twice_alike_only():
    for changed in ((None, 30, None, None), (30, None, 31, 32), (30, 30, None), (30, 31, 31)):
        script = [Said(0, ANSWER, end=b"\r\nOK\r\n", spoilt=place) for place in changed]
        pair = Pair(scripted([*script, *[Said(0, ANSWER)] * 5]))
        pair.ask("read", 7, 40)
        pair.ask("read", 7, 40)


def test_after_a_smaller_read_was_asked_for_nothing_is_doubted():
    said = [b"\r\n+QIOTOTARD: 7,5\r\n" + data + b"\r\nOK\r\n" for data in (b"first", b"other")]
    pair = Pair(scripted([Said(0, said[0]), *[Said(0, said[1])] * 2, *[Said(0, ANSWER)] * 5]))
    assert pair.ask("read", 7, 1024)[1] not in (b"first", b"other")


def test_a_sign_from_before_is_none_of_the_next_piece():
    before = [Said(0, b"\r\n+QIOTEVT: 7,10702\r\n"), Said(3100, ANSWER)]
    pair = Pair(scripted([*before, *[Said(0, ANSWER)] * 5]))
    pair.ask("next_piece")


def test_on_a_slow_line_a_sign_is_waited_for_longer():
    late = [Said(3400, b"\r\nOK\r\n"), *[Said(0, ANSWER)] * 2]
    again = [Said(4500, ANSWER), Said(0, b"\r\nERROR\r\n")]
    pair = Pair(scripted([*late, *again, Said(7000, b"\r\n+QIOTEVT: 7,10702\r\n")]))
    pair.ask("request_plan")
    assert pair.ask("confirm") == (OK,)


@pytest.mark.parametrize("late_ms", [3001, 3400, 4211, 7003, 11990, 25000])
def test_a_slow_line_is_waited_for(late_ms: int):
    pair = Pair(scripted([Said(late_ms, ANSWER)] * 8 + [Said(late_ms // 2, ANSWER)] * 30))
    for _ in range(3):
        pair.ask("read", 0, 100)
        pair.ask("request_plan")


@pytest.mark.parametrize("kind", sorted({kind for kind, _ in ERRORS}))
def test_which_errors_of_the_connection_end_the_waiting(kind: int):
    codes = {code for _, code in ERRORS} | {10200, 9430, 11404, 11430, 12430, 430, 0, 65535, 10000}
    for code in sorted(codes):
        state = b"\r\n+QIOTSTATE: 5" + RIGHT_END
        event = b"\r\n+QIOTEVT: %d,%d\r\n" % (kind, code)
        begin = [Said(0, ANSWER), Said(0, state), *[Said(0, ANSWER)] * 2]
        pair = Pair(scripted([*begin, *[Said(0, event + state)] * 3, *[Said(0, ANSWER)] * 3]))
        pair.ask("connect")


@pytest.mark.parametrize("every_ms", [0, 1, 7, 90, 499, 2001])
@pytest.mark.parametrize("text", [b"\r\nnoise\r\n", b"x", b"\r\n+QIOTEVT: 4,1\r\n", b"y" * 700])
def test_a_line_that_is_never_silent(text: bytes, every_ms: int):
    pair = Pair(scripted([Said(every_ms, text)] * 6000))
    for wait_s in (0.0, 0.05, 0.5, 5.0):
        pair.ask("next_event", wait_s)
        pair.ask("hear", wait_s, Module.QUIET)
    pair.ask("next_piece")
    pair.ask("read", 0, 9)


# --- where less is kept than in Python

DOWNLOADING = b"\r\n+QIOTEVT: 7,10702\r\n"
READY = b'\r\n+QIOTEVT: 7,10703,"STM32",2500,0,2500\r\n'


FEW = {"LINE_MAX": 64, "PAYLOAD_MAX": 128, "EVENTS": 4}


def events_of(said: bytes) -> list[Any]:
    pair = Pair(scripted([Said(0, said), Said(0, ANSWER)]), **FEW)
    pair.in_c.ask("request_plan")
    told = iter(lambda: pair.in_c.ask("next_event", 0.0)[1], ("none",))
    return [event[0] if event[0] != "said" else event[1] for event in told]


def test_a_full_queue_keeps_what_counts():
    assert events_of(DOWNLOADING * 9 + READY) == [10702] * 3 + ["piece"]
    assert events_of(READY * 9 + DOWNLOADING) == ["piece"] * 4
    assert events_of(DOWNLOADING + READY * 9 + DOWNLOADING) == ["piece"] * 4


def test_lines_that_are_longer_than_is_kept():
    for size in (1, 60, 64, 65, 200, 5000):
        assert events_of(b"x" * size + READY) == ["piece"]
        assert events_of(b"+QIOTOTARD: 0,x" * size + READY) == ["piece"]


def test_a_module_that_talks_for_ever_is_left():
    """Each call ends, whatever comes without end."""
    for text in (DOWNLOADING, b"x" * 100, b"\r\n", b"+QIOTOTARD: 0,1024\r\n", b"\r\nOK\r\n", READY):
        for call in (
            ("connect",),
            ("confirm",),
            ("next_piece",),
            ("read", 0, 9),
            ("next_event", 5.0),
        ):
            pair = Pair(scripted([Said(10, text)] * 20_000))
            pair.in_c.ask(*call)
            assert pair.clocks[1].now_us < 200e6, (text, call)


# --- any traffic

PLAN = b'+QIOTEVT: 7,10700,"STM32","","2_0_0",0,0,2500'
LINES = [
    b"OK", b"ERROR", b"+CME ERROR: 3", b"+QIOTSTATE: 8", b"+QIOTSTATE: 1", b"+QIOTSTATE: 5",
    b"+QIOTSTATE: x", b"+QIOTSTATE", b"+QIOTREG: 2", b"+QIOTOTARD: (0-1),(1-512)", b"+CSQ: 9",
    b'+QIOTMCUVER: "STM32","1_0_0"', b'+QIOTMCUVER: "STM32:1_0_0;B:2"', b"+QIOTMCUVER:",
    b'+QIOTMCUVER: STM32:2;;x;STM32:1_0_0', b'+QIOTMCUVER: "STM32","9"', b'+QIOTMCUVER: "',
    b"+QIOTINFO: 1", b"AT+QIOTSTATE?", b"noise", b"+QIOTOTARD: (1-0)", b"+QIOTOTARD: 0,9999",
    PLAN, PLAN.replace(b"2500", b"2501"), PLAN.replace(b"STM32", b"OTHER"), PLAN[:-3],
    b"+QIOTEVT: 7, 10700" + PLAN[17:], b'+QIOTEVT: 7,10701,"STM32",2500,"' + b"ab" * 16 + b'",5',
    b'+QIOTEVT: 7,10703,"STM32",2500,0,1000', b'+QIOTEVT: 7,10703,"STM32",2500,1000,500',
    b'+QIOTEVT: 7,10703,"OTHER",2500,0,1000', b"+QIOTEVT: 7,10703,x", b"+QIOTEVT: 7,10703",
    b"+QIOTEVT: 7,10702", b"+QIOTEVT: 7,10704", b"+QIOTEVT: 7,10705", b"+QIOTEVT: 7,10706",
    b"+QIOTEVT: 7,10707", b"+QIOTEVT: 7", b"+QIOTEVT: 0,10701", b"+QIOTEVT: 0,10700,a",
    b"+QIOTEVT: 2,10200", b"+QIOTEVT: 2,10430", b"+QIOTEVT: 1,10450", b"+QIOTEVT: 4,10430",
]  # fmt: skip

times = st.sampled_from([0, 0, 0, 0, 1, 40, 149, 700, 1501, 2777, 2999, 3003, 5555, 7001, 30007])
lines = st.lists(st.sampled_from(LINES), min_size=1, max_size=3).map(
    lambda said: b"".join(b"\r\n" + line + b"\r\n" for line in said)
)
reads = st.builds(
    lambda start, size, data, end: b"\r\n+QIOTOTARD: %d,%d\r\n" % (start, size) + data + end,
    st.sampled_from([0, 0, 5, 1000]), st.sampled_from([0, 1, 3, 40]),
    st.sampled_from([b"", b"a", b"abc", bytes(40)]),
    st.sampled_from([b"\r\n\r\nOK\r\n", b"\nOK\r\n", b"\r\nOK\r\n", b""]),
)  # fmt: skip
answers = st.builds(
    Said,
    times,
    st.just(ANSWER),
    st.sampled_from([0, 0, 0, 0, 0, 1, 2, 3, 6, 7, 9]),
    st.sampled_from([RIGHT_END, RIGHT_END, b"\r\nOK\r\n", b"\n\nOK\n", b"\r\n\r\nERROR\r\n"]),
    st.sampled_from([None, None, None, 0, 9, 25, -1]),
)
chunks = st.builds(Said, times, lines | reads | st.binary(min_size=1, max_size=6))
scripts = st.lists(answers | answers | chunks, max_size=25)

snapshots = st.builds(
    loading,
    st.sampled_from([0, 1, 2, 2500, 0xFFFF_FFFF]),
    st.sampled_from([0, 1, 2, 1000, 2499, 2500]),
    st.sampled_from([Phase.PLANNED, Phase.LOADING, Phase.VERIFIED, Phase.CONFIRMED]),
)
modules = st.sampled_from(list(Module))
waits = st.sampled_from([0.0, 0.5, 5.0, 40.0])
calls: st.SearchStrategy[Call] = st.one_of(
    st.sampled_from(
        [("connect",), ("request_plan",), ("refuse",), ("confirm",), ("next_piece",), ("announce",)]
    ),
    st.tuples(st.just("knows"), st.just("STM32"), st.sampled_from(["1_0_0", "2"])),
    st.tuples(st.just("report"), st.just("STM32"), st.sampled_from(["1_0_0", "x" * 64])),
    st.tuples(st.just("read"), st.sampled_from([0, 5, 1000]), st.sampled_from([1, 40, 1024])),
    st.tuples(st.just("next_event"), waits),
    st.tuples(st.just("hear"), waits, modules),
    st.tuples(st.just("probe"), snapshots),
    st.tuples(st.just("hold"), st.none() | snapshots),
    st.tuples(st.just("set"), modules),
)


@given(scripts, st.lists(calls, min_size=1, max_size=7))
@settings(max_examples=campaign(300))
def test_any_traffic(script: list[Said], asked: list[Call]):
    pair = Pair(scripted(script))
    for call in asked:
        pair.ask(*call)


@given(st.lists(chunks, max_size=12), st.lists(answers, max_size=12), snapshots, modules)
@settings(max_examples=campaign(120))
def test_what_is_older_than_a_probe(before, after, snapshot, module):
    """Events that wait, are passed over, or are heard twice."""
    pair = Pair(scripted([*before, *after, *before]))
    for call in (
        ("hold", snapshot), ("set", module), ("probe", snapshot), ("hear", 5.0, Module.QUIET),
        ("request_plan",), ("probe", snapshot), ("next_event", 0.0), ("hear", 5.0, Module.QUIET),
        ("next_piece",), ("hear", 5.0, Module.QUIET), ("next_event", 0.0),
    ):  # fmt: skip
        pair.ask(*call)
