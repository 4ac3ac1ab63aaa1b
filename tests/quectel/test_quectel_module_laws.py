"""What holds for every module, whatever its host, its options, its faults and its luck."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from mcu_updater.quectel.emulated.fault_text import parse_faults
from mcu_updater.quectel.emulated.options import ModuleOptions
from mcu_updater.quectel.emulated.ota_states import VERDICT_STATES
from tests.quectel.quectel_bench import COMPONENT, NEW, OLD, Terminal, make_plan
from tests.quectel.test_quectel_module import REACHED, S, urc

COMMANDS = [
    f'AT+QIOTMCUVER="{COMPONENT}","{OLD}"', f'AT+QIOTMCUVER="{COMPONENT}","{NEW}"',
    'AT+QIOTMCUVER="B","1"', 'AT+QIOTMCUVER="B",""', "AT+QIOTREG=2", "AT+QIOTREG=2", "AT+QIOTREG=0",
    "AT+QIOTOTAREQ=1", "AT+QIOTOTAREQ=1", "AT+QIOTOTAREQ", "AT+QIOTUPDATE=0", "AT+QIOTUPDATE=1",
    "AT+QIOTUPDATE=1", "AT+QIOTUPDATE=2", "AT+QIOTUPDATE=3", "AT+QIOTOTARD=0,1024",
    "AT+QIOTOTARD=700,10", "AT+QIOTSTATE?", "ATE1", "nonsense",
]  # fmt: skip
# Of no common measure: a deadline at the very end of a wait is this side of it or that, by a hair.
WAITS_S = [
    0.05 * 2**0.5,
    0.3 * 3**0.5,
    1.7**0.5,
    6 * 1.1**0.5,
    29.9**1.0001,
    27 * 5**0.5,
    540 * 5**0.5,
]
STEPS = st.one_of(
    st.sampled_from(COMMANDS),
    st.sampled_from(COMMANDS),
    st.sampled_from(WAITS_S),
    st.sampled_from(["cut", "on", "link"]),
)
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "piece_size": st.sampled_from([100, 700, 1500]),
        "answer_delay_s": st.just(0.217),
        "urcs_in_answers": st.booleans(),
        "confirm_race_s": st.just(0.113),
        "push_interval_s": st.just(601.3),
        "header_delay_s": st.sampled_from([None, 0.2]),
        "url_delay_s": st.sampled_from([None, 0.5]),
        "leading_line_ends": st.booleans(),
        "quirk_or_status": st.booleans(),
        "quirk_substring_versions": st.booleans(),
    },
)
FAULTS = st.lists(
    st.sampled_from([
        "drop=0.01", "delay=0.003", "corrupt-received=0.003", "broken-downloads=2", "bad-url=1",
        "hang@QIOTSTATE:1=17", "reboot@QIOTUPDATE:2", "link-loss@QIOTUPDATE:1=7",
        "lose-answer@E1:1", "refuse-connection=2,10474,2", "truncate@QIOTOTARD:1=9",
        "insert@50=+QIND: 1",
    ]),
    max_size=3, unique_by=lambda text: re.split("[@=]", text)[0],
)  # fmt: skip


UPGRADE = [
    f'AT+QIOTMCUVER="{COMPONENT}","{OLD}"', "AT+QIOTREG=2", 1.7071, "AT+QIOTOTAREQ=1", 1.7071,
    "AT+QIOTUPDATE=1", 6.3019, "AT+QIOTOTARD=0,1024", "AT+QIOTUPDATE=3",
]  # fmt: skip


def terminal(options, faults) -> Terminal:
    plans = [make_plan(1500), make_plan(900, component="B")]
    return Terminal(
        plans=plans,
        options=ModuleOptions(**{"echo": False, **options}),
        faults=parse_faults(faults),
    )


def step(t: Terminal, what) -> bytes:
    if isinstance(what, float):
        return t.wait(what)
    if what == "cut":
        t.module.power_cut(t.now_s)
    elif what == "on":
        t.module.power_on(t.now_s)
    elif what == "link":
        t.module.lose_link(t.now_s, back_after_s=11.3)
    else:
        return t.send(what)
    return t.module.transmit()


def in_small_steps(t: Terminal, what) -> bytes:
    """The same, but time passes in hops, and the module goes to another process at each."""
    if not isinstance(what, float):
        t.reload()
        return step(t, what)
    end_s, said = t.now_s + what, b""
    while (due_s := t.module.next_deadline()) is not None and due_s < end_s:
        assert due_s >= t.now_s
        said += t.wait(due_s - t.now_s)
        before_s = t.now_s
        t.reload()
        end_s += t.now_s - before_s
    return said + t.wait(end_s - t.now_s)


@settings(max_examples=200)
@given(OPTIONS, FAULTS, st.integers(0, len(UPGRADE)), st.lists(STEPS, min_size=5, max_size=40))
def test_time_in_one_leap_or_in_hops_across_processes(options, faults, begun, steps):
    one, two = terminal(options, faults), terminal(options, faults)
    for what in [*UPGRADE[:begun], *steps]:
        assert step(one, what) == in_small_steps(two, what), what
        assert one.module.ota_state is two.module.ota_state


@settings(max_examples=200)
@given(st.sampled_from(list(REACHED)), st.lists(STEPS, min_size=5, max_size=40))
def test_the_rules_of_an_upgrade(start, steps):
    """Data come from a piece that is there, success from the target's version, and left alone the
    machine comes to rest."""
    t = REACHED[start](Terminal(make_plan(1500), ModuleOptions(echo=False, piece_size=1500)))
    for what in [*steps, "on", 7200.0]:
        before = t.module.ota_state
        said = step(t, what)
        if isinstance(what, str) and what.startswith("AT+QIOTOTARD"):
            assert (b"+QIOTOTARD: " in said) <= (before is S.DOWNLOADSUCCESS)
        if b"10705" in said:
            assert what == f'AT+QIOTMCUVER="{COMPONENT}","{NEW}"'
            assert before in VERDICT_STATES
        if before in VERDICT_STATES and what == f'AT+QIOTMCUVER="{COMPONENT}","{OLD}"' and said:
            assert said.endswith(urc("7,10706"))
    assert t.module.ota_state in (S.NOPLAN, S.REVICEPLAN)


@settings(max_examples=150)
@given(st.sampled_from(list(REACHED)), st.lists(STEPS, max_size=30), st.integers(0, 3))
def test_from_everywhere_a_good_host_gets_it_done(start, steps, cuts):
    """Whatever happened, power and patience bring the version: nothing is stuck."""
    t = REACHED[start](Terminal(make_plan(1500, retry_times=None, rejection_period_s=600.0)))
    for what in steps:
        step(t, what)
    for _ in range(cuts):
        step(t, "cut")
        step(t, "on")
    t.module.power_on(t.now_s)
    t.wait(60.0)
    for command in ("ATE0", "AT+QIOTREG=0", "AT+QIOTREG=2"):
        t.send(command)
    t.wait(7200.0)  # an upgrade that was under way ends by its limits
    t.ok(f'AT+QIOTMCUVER="{COMPONENT}","{OLD}"')
    t.ok("AT+QIOTOTAREQ=1")
    t.wait(1.0)
    assert t.module.ota_state is S.REVICEPLAN
    t.ok("AT+QIOTUPDATE=1")
    t.until(b"7,10703")
    assert t.plan.package.data[:1024] in t.ok("AT+QIOTOTARD=0,1024")
    t.ok("AT+QIOTUPDATE=3")
    assert urc("7,10705") in t.send(f'AT+QIOTMCUVER="{COMPONENT}","{NEW}"')
