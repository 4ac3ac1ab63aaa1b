"""The module's own grammar under fire: never a crash, never unbounded memory, always an answer."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mcu_updater.cloud.single_device import Package, Plan
from mcu_updater.quectel.at import Payload, ResponseParser
from mcu_updater.quectel.emulated.commands import CommandTable
from mcu_updater.quectel.emulated.options import ModuleOptions
from tests.quectel.quectel_bench import NEW, Session, Terminal, package_bytes
from tests.quectel.test_quectel_module import ERROR, OK, REACHED, S

NAMES = sorted({name for name, _, _ in CommandTable._COMMANDS} | {"+QIOTCFG", "+NOSUCH"})
NUMBERS = st.sampled_from(["0", "1", "2", "3", "4", "01", "-1", "1024", "2500", "4294967295",
    "4294967296", "9" * 30, "9" * 5000, "1e3", "0x10", ""])  # fmt: skip
TEXTS = st.sampled_from([
    '""', '"STM32"', '"2_0_0"', '"1_0_0"', '"productinfo"', '"server"', '"a',
    'a"', '"a"b"', '"' + "x" * 33 + '"', '"' + "x" * 600 + '"', '"a:b"', "STM32", '"\xff\0"',
])  # fmt: skip
LINES = st.one_of(
    st.builds(
        lambda prefix, name, kind, arguments: prefix + name + kind + ",".join(arguments),
        st.sampled_from(["AT", "at", "At", ""]),
        st.sampled_from(NAMES),
        st.sampled_from(["", "?", "=?", "=", "=", "="]),
        st.lists(st.one_of(NUMBERS, TEXTS), max_size=4),
    ),
    st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=60),
)
FINAL = re.compile(rb"(\r\nOK\r\n|\r\nERROR\r\n)")


@settings(max_examples=300)
@given(st.sampled_from(list(REACHED)), st.lists(LINES, max_size=6))
@example(S.DOWNLOADSUCCESS, ["AT+QIOTOTARD=4294967295,4294967295", "AT+QIOTUPDATE=3"])
def test_every_line_is_answered_once(state, lines):
    t = REACHED[state](Terminal())
    for line in lines:
        said = t.send(line)
        if not line:
            assert said == b""
        elif not line.startswith(("AT+QIOTOTARD", "at+QIOTOTARD")):
            assert len(FINAL.findall(said)) == 1, (line, said)
        t.wait(0.5)
    before = t.module.memory(t.now_s)
    t.reload()
    assert t.module.memory(t.now_s) == before


@settings(max_examples=150)
@given(st.binary(max_size=400), st.sets(st.integers(0, 400)))
def test_any_bytes_however_cut(data, cuts):
    """The answers are the same, and the module is still there."""
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    whole, cut = Terminal(), Terminal()
    whole.module.receive(data, 0.0)
    for first, last in itertools.pairwise(edges):
        cut.module.receive(data[first:last], 0.0)
    assert whole.module.memory(0.0) == cut.module.memory(0.0)
    cut.module.receive(b"\r\n", 0.0)
    cut.module.transmit()
    cut.module.receive(b"ATE0\r\n", 0.0)
    assert cut.module.transmit().endswith(OK)


def test_an_endless_line_is_bounded_and_answered_once():
    t = Terminal()
    for _ in range(200):
        t.module.receive(b"AT+QIOTMCUVER=" + b'"' * 50_000, 0.0)
        assert len(t.module.save(0.0)["received"]) <= 1089
        assert t.module.transmit() == b""
    assert t.send("") == ERROR
    assert t.send("AT") == OK


def test_a_line_of_just_the_limit():
    options = ModuleOptions(echo=False, max_line_size=12)
    assert Terminal(options=options).send("AT+QIOTREG=1") == OK
    options = ModuleOptions(echo=False, max_line_size=11)
    assert Terminal(options=options).send("AT+QIOTREG=1") == ERROR


# --- hostile payloads -------------------------------------------------------------------------

TRAPS = [
    b"\r\nOK\r\n",
    b"\r\nERROR\r\n",
    b"\r\n+QIOTEVT: 7,10706\r\n",
    b"\r\n+QIOTOTARD: 0,1024\r\n",
    b"\0" * 8,
    b"AT+QIOTUPDATE=3\r\n",
]


@pytest.mark.parametrize("trap", [*TRAPS, b"".join(TRAPS)])
def test_hostile_data_cut_at_every_byte_boundary(trap):
    """One answer of the emulated module, in two parts cut at each place, through the client's
    parser: the same values always, and the data whole."""
    size = len(trap)
    t = Terminal(Plan("STM32", NEW, Package(trap)))
    t.downloaded()
    answer = t.send(f"AT+QIOTOTARD=0,{size}")
    expected = ResponseParser().feed(answer)
    assert isinstance(expected[0], Payload)
    assert expected[0].data == trap
    for at in range(len(answer) + 1):
        parser = ResponseParser()
        assert parser.feed(answer[:at]) + parser.feed(answer[at:]) == expected


@pytest.mark.parametrize("at_start", [True, False])
def test_a_whole_upgrade_of_nothing_but_traps(at_start):
    data = b"".join(TRAPS) * 20
    plan = Plan("STM32", NEW, Package(data if at_start else b"x" + data))
    session = Session(plan=plan, options=ModuleOptions(piece_size=777))
    assert session.upgrade()[0] == plan.package.data


def test_an_upgrade_whose_every_byte_comes_alone(monkeypatch):
    session = Session(plan=Plan("STM32", NEW, Package(package_bytes(1500))))
    take, waiting = session.module.transmit, bytearray()

    def one_byte() -> bytes:
        waiting.extend(take())
        first = bytes(waiting[:1])
        del waiting[:1]
        return first

    monkeypatch.setattr(session.module, "transmit", one_byte)
    assert session.upgrade()[0] == session.plan.package.data
