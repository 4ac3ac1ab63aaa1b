"""However time passes, in one step or in many, in one process or in several: it is the same module.

A leap lets everything happen in one ``advance``; hops stop at every deadline, or anywhere, and take
what was said there; across processes, module and cloud are saved and loaded at every stop.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcu_updater.quectel.emulated.fault_text import KINDS, parse_faults
from mcu_updater.quectel.emulated.options import ModuleOptions
from mcu_updater.quectel.emulated.timers import Timers
from mcu_updater.quectel.emulated.transcript import Playback, Said, Side, Silence
from tests.quectel.quectel_bench import COMPONENT, NEW, OLD, Terminal, make_plan
from tests.quectel.test_quectel_module import S, urc
from tests.quectel.test_quectel_module_laws import OPTIONS, UPGRADE
from tests.thorough import one_in

CONNECTED = urc("2,10200") + urc("3,10200")

# --- ways to let time pass -----------------------------------------------------------------------

Step = str | float
Steps = list[Step]
Pass = Callable[[Terminal, float], bytes]


def leap(t: Terminal, duration_s: float) -> bytes:
    return t.wait(duration_s)


def from_deadline_to_deadline(t: Terminal, duration_s: float, across: bool = False) -> bytes:
    end_s, said = t.now_s + duration_s, b""
    while (due_s := t.module.next_deadline()) is not None and due_s < end_s - 1e-9:
        assert due_s >= t.now_s - 1e-9
        said += t.wait(max(0.0, due_s - t.now_s))
        before_s = t.now_s
        if across:
            t.reload()
        end_s += t.now_s - before_s
    return said + t.wait(end_s - t.now_s)


def across_processes(t: Terminal, duration_s: float) -> bytes:
    t.reload()
    return from_deadline_to_deadline(t, duration_s, across=True)


def in_parts(t: Terminal, duration_s: float) -> bytes:
    """Stops where nothing is due, some of them in another process."""
    said = b""
    for number, part in enumerate((0.1, 0.23, 0.0, 0.3, 0.07)):
        said += t.wait(part * duration_s)
        if number % 2:
            t.reload()
    return said + t.wait(0.3 * duration_s)


WAYS: tuple[Pass, ...] = (leap, from_deadline_to_deadline, across_processes, in_parts)


def do(t: Terminal, what: Step, let_pass: Pass) -> bytes:
    if isinstance(what, float):
        return let_pass(t, what)
    deed, _, seconds = what.partition(" ")
    if deed == "cut":
        t.module.power_cut(t.now_s)
    elif deed == "on":
        t.module.power_on(t.now_s)
    elif deed == "link":
        t.module.lose_link(t.now_s, back_after_s=float(seconds))
    else:
        return t.send(what)
    return t.module.transmit()


def states_of(t: Terminal) -> tuple[object, ...]:
    """All that can be asked of module and cloud; no time in it."""
    module = t.module
    history = [(change.component, change.state) for change in t.center.history]
    return module.ota_state, module.connection_state, module.versions, module.powered, history


def film(
    let_pass: Pass, steps, faults=(), options=None, plans=None
) -> list[tuple[bytes, tuple[object, ...]]]:
    """What is said in each step, and how things stand after it."""
    options = ModuleOptions(**{"echo": False, **(options or {})})
    t = Terminal(plans=plans, options=options, faults=parse_faults(faults))
    return [(do(t, what, let_pass), states_of(t)) for what in steps]


def films_agree(steps, faults=(), options=None, plans=None) -> list[bytes]:
    """What was said in each step, which is the same in whatever way time passes."""
    whole = film(leap, steps, faults, options, plans)
    for way in WAYS[1:]:
        other = film(way, steps, faults, options, plans)
        for what, one, two in zip(steps, whole, other, strict=True):
            assert one == two, f"{what} {way.__name__}"
    return [said for said, _ in whole]


# --- a link loss during a hang -------------------------------------------------------------------

ONLINE: Steps = [f'AT+QIOTMCUVER="{COMPONENT}","{OLD}"', "AT+QIOTREG=2", 1.7]


def test_a_link_loss_in_a_hang_is_not_noticed_and_one_connection_follows_the_reboot():
    steps = [*ONLINE, "AT+QIOTSTATE?", "link 11.3", 29.91]
    assert films_agree(steps, ["hang@QIOTSTATE:1=17"])[-3:] == [b"", b"", CONNECTED]


@pytest.mark.parametrize("back_s", ["0.5", "11.3", "16.9", "17.0", "19.0", "20.0", "25.0", "300.0"])
def test_the_network_comes_back_in_its_own_time(back_s):
    """A module that reboots meanwhile waits for it: 17 s hang, 2 s boot, 1 s to connect."""
    steps = [*ONLINE, "AT+QIOTSTATE?", "link " + back_s, 19.95, 0.1]
    said = films_agree([*steps, 400.0], ["hang@QIOTSTATE:1=17"])
    due_s = max(20.0, float(back_s))
    assert said[-2:] == [CONNECTED if due_s == 20.0 else b"", CONNECTED if due_s > 20.0 else b""]


@pytest.mark.parametrize("fault", ["hang@QIOTSTATE:1=3", "reboot@QIOTSTATE:1"])
def test_a_network_that_goes_with_the_module_outlasts_its_reboot(fault):
    steps = [*ONLINE, "AT+QIOTSTATE?", 24.9, 0.2]
    said = films_agree(steps, [fault, "link-loss@QIOTSTATE:1=25"])
    assert said[-3:] == [b"", b"", CONNECTED]


@pytest.mark.parametrize("before", [["cut", "link 30.0", "on"], ["cut", "on", "link 30.0"]])
def test_a_network_that_goes_while_the_module_is_off_or_boots(before):
    assert films_agree([*ONLINE, *before, 29.9, 0.2])[-2:] == [b"", CONNECTED]


def test_of_two_outages_the_longer_one_counts():
    assert films_agree([*ONLINE, "link 30.0", 1.0, "link 5.0", 28.9, 0.2])[-2:] == [b"", CONNECTED]


# --- what falls due in a hang --------------------------------------------------------------------

REQUESTED: Steps = [*ONLINE, "AT+QIOTOTAREQ=1"]
OFFERED: Steps = [*REQUESTED, 0.2]
CONFIRMED: Steps = [*OFFERED, "AT+QIOTUPDATE=1"]
STARTING: Steps = [*CONFIRMED, 0.5]
DOWNLOADING: Steps = [*STARTING, 0.2]
DOWNLOADED: Steps = [*DOWNLOADING, 5.0]
UPDATING: Steps = [*DOWNLOADED, "AT+QIOTUPDATE=3"]
# Where a hang strikes: what is under way then, by the name of the timer that it has.
UNDER_WAY: dict[str, tuple[Steps, tuple[str, ...], dict[str, object]]] = {
    "connect": (ONLINE[:2], (), {}),
    "plan": (REQUESTED, (), {}),
    "push": (ONLINE, (), {"push_interval_s": 10.0}),
    "race": ([*REQUESTED, 0.21], (), {"confirm_race_s": 0.5}),
    "url": (CONFIRMED, (), {}),
    "limit for the URL": (CONFIRMED, (), {"url_delay_s": None}),
    "header": (STARTING, (), {}),
    "limit for the header": (STARTING, ("failing-downloads=1",), {}),
    "complete and again": (DOWNLOADING, (), {"download_bytes_per_s": 100.0}),
    "broken": (DOWNLOADING, ("broken-downloads=1",), {}),
    "limit between reads": (DOWNLOADED, (), {}),
    "limit for the update": (UPDATING, (), {"update_limit_s": 10.0}),
    "reconnect": (ONLINE, ("refuse-connection=2,10474,1",), {}),
    "answer": (ONLINE[:2], (), {"answer_delay_s": 5.0}),
    "bytes": ([*ONLINE, 'AT+QIOTMCUVER="B","1"'], ("delay@20=5",), {}),
}


@pytest.mark.parametrize(("what", "hang_s"), one_in(2, [*product(UNDER_WAY, [0.3, 17.0, 4000.0])]))
def test_nothing_falls_due_in_a_hang(what, hang_s):
    """Not in it, and not late: the reboot begins anew with what the module has stored."""
    start, faults, options = UNDER_WAY[what]
    steps = [*start, "AT+CSQ", hang_s - 0.1, 0.15 + 2.0, 100.0, 1300.0, 8000.0]
    said = films_agree(steps, [*faults, f"hang@+CSQ:1={hang_s}"], options)
    assert said[len(start)] == said[len(start) + 1] == b"", "it hangs"
    (_, before), *after = film(leap, steps, faults, options)[len(start) :]
    assert any(said or states != before for said, states in after), "something would fall due"
    for_ever = film(leap, steps, [*faults, "hang@+CSQ:1"], options)
    assert not any(said for said, _ in for_ever[len(start) :])


@pytest.mark.parametrize("command", [
    f'AT+QIOTMCUVER="{COMPONENT}","{NEW}"', "AT+QIOTREG=2", "AT+QIOTREG=0", "AT+QIOTOTAREQ=1",
    "AT+QIOTUPDATE=1", "AT+QIOTUPDATE=2", "AT+QIOTUPDATE=3", "AT+QIOTOTARD=0,1024",
    "AT+QIOTSTATE?", "ATE1", "AT+CGATT?", "AT+QIOTINFO?", "AT+QSCLK=1",
])  # fmt: skip
@pytest.mark.parametrize("before", [ONLINE, OFFERED, CONFIRMED, DOWNLOADED, UPDATING])
def test_a_hang_of_any_command_with_a_link_loss_in_it(before, command):
    name = command.removeprefix("AT").partition("=")[0].rstrip("?")  # as faults name it
    nth = sum(isinstance(w, str) and w.startswith("AT" + name) for w in before) + 1
    steps = [*before, command, 3.0, "link 11.3", 8.0, command, "link 4.0", 29.9, 1300.0]
    said = films_agree(steps, [f"hang@{name}:{nth}=17"])
    at = len(before)
    assert said[at : at + 6] == [b""] * 6
    assert said[at + 6].count(CONNECTED) == 1


# --- what was sent is sent -----------------------------------------------------------------------


def test_a_reboot_takes_back_nothing_that_was_sent_before_it():
    """The module's own firmware: 10701 to 10704, an installation, a boot and 10705 in one leap."""
    own = make_plan(5000, component="app", own=True, target_version="1.1")
    steps = [*OFFERED, "AT+QIOTUPDATE=1", 60.0]
    said = films_agree(steps, plans=[own])[-1]
    assert [said.index(urc(f"7,{code}")) for code in (10702, 10704, 10705)] == sorted(
        said.index(urc(f"7,{code}")) for code in (10702, 10704, 10705)
    )


def test_a_power_cut_takes_back_nothing_that_was_sent_before_it():
    t = Terminal().online()
    t.module.receive(b"AT+QIOTOTAREQ=1\r\n", t.now_s)
    t.module.power_cut(t.now_s + 0.3)
    said = t.module.transmit()
    assert said.startswith(b"\r\nOK\r\n")
    assert urc('7,10700,"STM32","1_0_0","2_0_0",30,-100')[:20] in said


def test_a_hang_takes_what_was_still_to_be_sent():
    t = Terminal(
        options=ModuleOptions(echo=False, answer_delay_s=5.0),
        faults=parse_faults(["hang@+CSQ:1=9"]),
    )
    t.module.receive(b"AT\r\nAT+CSQ\r\n", 0.0)
    t.reload()
    assert t.wait(100.0) == b""
    t.module.receive(b"AT\r\n", t.now_s)
    assert t.wait(5.0) == b"\r\nOK\r\n", "and the next answer is not held up by it"


# --- moments -------------------------------------------------------------------------------------


def test_a_moment_that_is_reached_in_tenths_is_the_same_moment():
    timers = Timers()
    timers.start("one", 1.0)
    now_s = 0.0
    for _ in range(10):
        assert timers.pop_due(now_s) is None
        now_s += 0.1
    assert now_s != 1.0, "as floats add up"
    assert timers.pop_due(now_s) == "one"


@given(st.lists(st.floats(0, 1e6), max_size=8), st.floats(0, 1e7), st.floats(0, 1e7))
def test_timers_are_the_same_in_another_process(after_s, now_s, later_s):
    timers, other = Timers(now_s), Timers()
    for number, each_s in enumerate(after_s):
        timers.start(str(number), each_s)
    other.load(timers.save(now_s), later_s)
    assert other.order() == timers.order()
    assert other.save(later_s) == timers.save(now_s)


def test_a_rejected_plan_comes_again_at_the_end_of_its_period_in_any_process():
    plans = [make_plan(900, rejection_period_s=600.1)]
    steps = [*OFFERED, "AT+QIOTUPDATE=0", 0.1, 599.8, "AT+QIOTOTAREQ", 0.2, "AT+QIOTOTAREQ", 0.2]
    said = films_agree(steps, plans=plans)
    assert b"10700" in said[-3], "at the end of the period, to the microsecond"


def test_a_playback_that_begins_with_a_silence():
    talk: list[Said | Silence] = [
        Silence(2.0),
        Said(Side.MODULE, b"\r\nRDY\r\n"),
        Silence(2.0),
        Said(Side.MODULE, b"X"),
    ]
    leaps, hops = Playback(list(talk)), Playback(list(talk))
    leaps.advance(3.0)
    for tenth in range(31):
        hops.advance(tenth / 10)
    assert leaps.transmit() == hops.transmit() == b"\r\nRDY\r\n"
    assert leaps.next_deadline() == hops.next_deadline() == 4.0


# --- everything at once --------------------------------------------------------------------------

NAMES = (
    "QIOTMCUVER",
    "QIOTREG",
    "QIOTOTAREQ",
    "QIOTUPDATE",
    "QIOTOTARD",
    "QIOTSTATE",
    "E1",
    "+CSQ",
)
PLACES = st.builds("{}:{}".format, st.sampled_from(NAMES), st.integers(1, 3))
SPANS_S = st.sampled_from(["0.1", "0.3", "1", "2", "7.77", "11.3", "17", "60", "400"])
POSITIONS = st.integers(0, 600)
COUNTS = st.integers(1, 7)
OF_KIND: dict[str, st.SearchStrategy[str]] = {
    **dict.fromkeys(
        ("error", "lose-command", "lose-answer", "reboot"), st.builds("@{}".format, PLACES)
    ),
    **dict.fromkeys(("hang", "link-loss"), st.builds("@{}={}".format, PLACES, SPANS_S)),
    "truncate": st.builds("@{}={}".format, PLACES, st.integers(0, 40)),
    "silent": st.builds("@{}".format, st.integers(3, 12)),
    "unplug": st.builds("@{}".format, st.integers(3, 12)),
    **dict.fromkeys(
        ("drop", "double", "corrupt", "drop-received", "double-received", "corrupt-received"),
        st.one_of(st.just("=0.01"), st.builds("@{}".format, POSITIONS)),
    ),
    "delay": st.one_of(st.just("=0.01"), st.builds("@{}={}".format, POSITIONS, SPANS_S)),
    "insert": st.builds("@{}=+QIND: 1".format, POSITIONS),
    "between-lines": st.just("=+QIND: 1"),
    "noise": st.just("=noise"),
    **dict.fromkeys(
        ("failing-downloads", "refused-downloads", "broken-downloads", "bad-url"),
        st.builds("={}".format, COUNTS),
    ),
    "refuse-connection": st.builds("=2,10474,{}".format, COUNTS),
}  # fmt: skip
WHOLE_MODULE = st.sampled_from(["hang", "hang", "link-loss", "reboot", "delay"])
FAULTS = st.lists(
    st.one_of(WHOLE_MODULE, st.sampled_from(sorted(OF_KIND))).flatmap(
        lambda kind: OF_KIND[kind].map(lambda rest: kind + rest)
    ),
    max_size=5,
    unique_by=lambda text: text.partition("@")[0].partition("=")[0] if text[0] in "dc" else text,
)
STEPS = st.one_of(
    st.sampled_from([
        f'AT+QIOTMCUVER="{COMPONENT}","{OLD}"', f'AT+QIOTMCUVER="{COMPONENT}","{NEW}"',
        'AT+QIOTMCUVER="B","1"', "AT+QIOTREG=2", "AT+QIOTREG=0", "AT+QIOTOTAREQ=1",
        "AT+QIOTUPDATE=0", "AT+QIOTUPDATE=1", "AT+QIOTUPDATE=2", "AT+QIOTUPDATE=3",
        "AT+QIOTOTARD=0,1024", "AT+QIOTOTARD=700,10", "AT+QIOTSTATE?", "ATE1", "AT+CSQ", "nonsense",
    ]),
    st.sampled_from([0.1, 0.2, 0.5, 1.0, 1.7, 5.0, 17.0, 29.91, 60.0, 600.0, 1800.0]),
    st.sampled_from(["cut", "on", "link 0.5", "link 11.3", "link 60.0", "link 2000.0"]),
)  # fmt: skip


def test_the_property_below_knows_every_kind_of_fault():
    assert OF_KIND.keys() == KINDS.keys()


@settings(max_examples=150)
@given(OPTIONS, FAULTS, st.integers(0, len(UPGRADE)), st.lists(STEPS, min_size=5, max_size=30))
def test_whatever_goes_wrong_the_way_in_which_time_passes_makes_no_difference(
    options, faults, begun, steps
):
    plans = [make_plan(1500), make_plan(900, component="B")]
    films_agree([*UPGRADE[:begun], *steps], faults, options, plans)


def test_a_film_tells_what_is_being_said():
    """The films above hold something to differ in."""
    said = films_agree([*UPDATING, f'AT+QIOTMCUVER="{COMPONENT}","{NEW}"'])
    assert urc("7,10705") in said[-1]
    assert film(leap, UPDATING)[-1][1][0] is S.UPDATING
