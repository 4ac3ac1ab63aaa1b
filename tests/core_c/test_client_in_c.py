"""The AT client in C and the one in Python: the same calls, the same answers of a module, the same
faults. What they send, wait for, find out and remember must be the same."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcu_updater.core.decide import Module
from mcu_updater.core.journal import Phase
from mcu_updater.quectel.emulated.faults import Faults, Rate
from mcu_updater.quectel.emulated.options import ModuleOptions
from tests.core_c.client_in_c import OK
from tests.core_c.client_pair import ANSWER, Call, Pair, Said, loading, on_module, scripted
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
    Said, times, st.just(ANSWER), st.sampled_from([0, 0, 0, 0, 0, 1, 2, 3, 6, 7, 9])
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
