"""Hosts without a machine: what they ask, what they are answered, what of them survives."""

import pickle
import re
import threading
from functools import partial
from typing import ClassVar

import pytest

from flash_emulator.machine.hosts import (
    Expect,
    GaveUp,
    Heard,
    HostBroken,
    HostState,
    Read,
    Script,
    Send,
    Session,
    Step,
    Talk,
    Wait,
)
from flash_emulator.machine.hosts.session import Common
from flash_emulator.subject import Nothing

U = "USART2"
BYTE_US = 1e6 * 10 / 115_200


def threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("host")]


@pytest.fixture(autouse=True)
def _no_thread_is_left():
    yield
    for session in Wire.sessions:
        session.close()
    Wire.sessions.clear()
    assert not threads()


class Wire:
    """A session, fed by hand."""

    sessions: ClassVar[list[Session]] = []

    def __init__(self, plan, state=None):
        self.session, self.now_us, self.sent = plan.begin(), 0.0, b""
        self.sessions.append(self.session)
        if state is not None:
            self.session.restore(state)
        self._take(self.session.start(0.0))

    def _take(self, sent):
        for usart, data in sent:
            assert usart == U
            self.sent += data

    def hear(self, data):
        for byte in data:
            self._take(self.session.heard(U, byte, self.now_us))

    def sleep(self, time_s):
        """Wake it as often as it wants."""
        until = self.now_us + time_s * 1e6
        while (at_us := self.session.next_us()) is not None and at_us <= until:
            self.now_us = max(self.now_us, at_us)
            self._take(self.session.woken(self.now_us))
        self.now_us = until

    def left(self):
        ((_, state),) = self.session.surviving(Nothing())
        return state


def greets(line):
    line.expect(rb"na(m)e\?", 2.0)
    line.write(b"host\n")
    answer = line.read(3, 0.5)
    line.write(b"<" + answer + b">")
    if answer != b"yes":
        raise GaveUp("no")


def greets_too():
    yield Expect(rb"na(m)e\?", 2.0)
    yield Send(b"host\n")
    answer = yield Read(3, 0.5)
    yield Send(b"<" + answer + b">")
    if answer != b"yes":
        raise GaveUp("no")


BOTH = pytest.mark.parametrize(
    "talk",
    [partial(Talk, U, greets, blocking=True), partial(Talk, U, greets_too)],
    ids=["blocking", "generator"],
)


@BOTH
def test_a_host_goes_on_when_what_it_waits_for_has_come(talk):
    wire = Wire(talk())
    wire.hear(b"noise name")
    assert wire.sent == b""
    wire.hear(b"?ye")
    assert wire.sent == b"host\n"
    wire.hear(b"s")
    assert wire.sent == b"host\n<yes>"
    assert wire.session.is_done
    assert not wire.session.failures


@BOTH
def test_a_read_is_over_when_its_time_is(talk):
    wire = Wire(talk(common=Common(tries=1)))
    wire.hear(b"name?ye")
    assert wire.session.next_us() == pytest.approx(5 * BYTE_US + 0.5e6)  # from when all is out
    wire.sleep(0.6)
    assert wire.sent == b"host\n<ye>"
    assert wire.session.failures == ["GaveUp: no"]
    assert not wire.session.is_done
    assert wire.session.next_us() is None


@BOTH
def test_what_has_failed_is_tried_again(talk):
    wire = Wire(talk(common=Common(tries=2, again_s=0.1)))
    wire.hear(b"name?not")
    wire.hear(b"name?")  # while it pauses: nobody listens
    assert wire.sent == b"host\n<not>"
    wire.sleep(0.2)
    wire.hear(b"name?yes")
    assert wire.session.is_done


@BOTH
def test_one_that_survives_is_brought_back_by_what_it_was_answered(talk):
    plan = talk(common=Common(survives=True))
    wire = Wire(plan)
    wire.hear(b"name?y")
    state = pickle.loads(pickle.dumps(wire.left()))
    assert state.answers == (Heard(b"name?", (b"name?", b"m")),)
    again = Wire(plan, state)
    assert again.sent == b""  # said already
    again.hear(b"yes")
    assert again.sent == b"<yes>"
    assert again.session.is_done
    assert again.left() == HostState(is_done=True)
    assert Wire(plan, again.left()).sent == b""


def test_states_are_equal_where_what_was_answered_is():
    plan = Talk(U, greets_too, common=Common(survives=True))
    wires = [Wire(plan) for _ in range(3)]
    wires[0].hear(b"name?")
    wires[1].hear(b"name?y")
    wires[2].hear(b"your name?")
    digests = [wire.left().digest for wire in wires]
    assert digests[0] == digests[1] != digests[2]
    assert wires[0].session.state(0.0) != wires[1].session.state(0.0)  # while power is on


def test_a_long_absence_is_noticed():
    plan = Talk(U, greets, blocking=True, common=Common(survives=True, away=("short", "long")))
    wire = Wire(plan)
    wire.hear(b"name?")
    (_, short), (name, long) = wire.session.surviving(Nothing())
    assert name == "long"
    assert Wire(plan, short).sent == b""
    assert Wire(plan, long).sent == b"<>"


def test_one_that_does_not_survive_leaves_what_was_there():
    wire = Wire(Talk(U, greets_too))
    wire.hear(b"name?")
    before = Nothing()
    assert wire.session.surviving(before) == (("", before),)


def test_times_are_virtual():
    def clocks(line):
        line.wait(3600.0)
        line.write(b"%d" % round(line.now_s()))
        assert line.waiting == 0
        line.read(None, None)
        line.write(b" %d" % line.waiting)
        line.write(line.drop())

    wire = Wire(Talk(U, clocks, blocking=True))
    wire.sleep(3601.0)
    assert wire.sent == b"3600"
    wire.session.heard("USART1", 0x41, wire.now_us)  # not its line
    wire.hear(b"b")
    wire.hear(b"cd")
    assert wire.sent == b"3600 0"


# --- scripts


def script(*steps, **options):
    return Script(U, tuple(Step(**step) for step in steps), **options)


STEPS = ({"send": b"hi"}, {"expect": b"ok"}, {"wait_s": 0.5}, {"send": b"!"}, {"expect": b"end"})


def test_a_script_goes_through_its_steps():
    wire = Wire(script(*STEPS))
    wire.hear(b"...ok")
    assert wire.sent == b"hi"
    wire.sleep(0.6)
    assert wire.sent == b"hi!"
    wire.hear(b"end")
    assert wire.session.is_done


@pytest.mark.parametrize(
    ("on_timeout", "sent"),
    [("retry", b"hi!!"), ("restart", b"hi!hi"), ("stop", b"hi!")],
)
def test_a_script_that_hears_nothing(on_timeout, sent):
    wire = Wire(script(*STEPS, on_timeout=on_timeout))
    wire.hear(b"ok")
    wire.sleep(2.4)
    assert wire.sent == sent
    assert wire.session.is_done == (on_timeout == "stop")


def test_a_script_gives_up():
    wire = Wire(script(*STEPS, retries=2, common=Common(tries=2)))
    wire.sleep(60.0)
    assert wire.sent == b"hi" * 6
    assert len(wire.session.failures) == 2
    assert "step 2" in wire.session.failures[0]
    assert wire.session.next_us() is None


def test_of_a_script_the_number_of_its_step_survives():
    plan = script(*STEPS, common=Common(survives=True))
    wire = Wire(plan)
    wire.hear(b"ok")
    wire.sleep(0.6)
    assert wire.left() == HostState(memory=4)
    again = Wire(plan, wire.left())
    again.hear(b"end")
    assert again.session.is_done


def test_a_step_does_one_thing():
    with pytest.raises(ValueError, match="exactly one"):
        Step(send=b"a", wait_s=1.0)


# --- hosts that are wrong


def test_a_host_that_is_left_alone_leaves_no_thread():
    seen: list[object] = []

    def waits(line):
        try:
            line.read(1, None)
        except Exception as error:  # not ours
            seen.append(error)
        finally:
            seen.append("closed")

    wire = Wire(Talk(U, waits, blocking=True))
    assert threads()
    wire.session.close()
    assert not threads()
    assert seen == ["closed"]


def test_a_host_that_speaks_while_it_is_closed_leaves_no_thread():
    def stubborn(line):
        try:
            line.read(1, None)
        finally:
            line.read(1, None)

    wire = Wire(Talk(U, stubborn, blocking=True))
    wire.session.close()
    assert not threads()

    def asks_on():
        try:
            yield Read(1, None)
        finally:
            yield Wait(1.0)

    Wire(Talk(U, asks_on)).session.close()


def raises(line):
    line.read(1, 1.0)
    raise KeyError("oops")


def raises_too():
    yield Read(1, 1.0)
    raise KeyError("oops")


@pytest.mark.parametrize("plan", [Talk(U, raises, blocking=True), Talk(U, raises_too)])
def test_a_host_that_raises_is_no_device_that_fails(plan):
    wire = Wire(plan)
    with pytest.raises(HostBroken, match=r"USART2 raised KeyError: 'oops'"):
        wire.hear(b"x")
    assert not threads()


@pytest.mark.parametrize("error", [TimeoutError, OSError, GaveUp])
def test_what_a_line_raises_ends_a_try(error):
    def fails():
        yield Wait(1.0)
        raise error("gone")

    wire = Wire(Talk(U, fails, common=Common(tries=1)))
    wire.sleep(2.0)
    assert wire.session.failures == [f"{error.__name__}: gone"]


def test_an_expectation_that_is_not_met_is_a_timeout():
    wire = Wire(Talk(U, greets, blocking=True, common=Common(tries=1)))
    wire.sleep(3.0)
    (why,) = wire.session.failures
    assert why.startswith("TimeoutError: ")
    assert "2.0 s" in why


def test_a_host_that_lets_no_time_pass_is_told_so():
    def spins():
        while True:
            yield Read(1, 0.0)

    with pytest.raises(HostBroken, match="lets no time pass"):
        Wire(Talk(U, spins))


def test_a_host_that_asks_for_something_else_is_told_so():
    def odd():
        yield 42

    with pytest.raises(HostBroken, match="asks for 42: no Read, Expect, Wait or Send"):
        Wire(Talk(U, odd))


def test_patterns_may_be_texts():
    assert Expect("caf\xe9") == Expect(b"caf\xe9")

    def odd():
        yield Expect("(")

    with pytest.raises(HostBroken, match="raised error: missing \\)"):
        Wire(Talk(U, odd))
    with pytest.raises(re.error):
        Step(expect=b"(")


def test_a_host_says_what_it_did():
    wire = Wire(Talk(U, greets_too, common=Common(tries=3, again_s=0.1)))
    assert "waits: Expect" in wire.session.in_words()[0]
    wire.hear(b"name?not")
    wire.sleep(0.2)
    wire.hear(b"name?not")
    assert wire.session.in_words() == ("gave up 2 times: GaveUp: no",)
    wire.sleep(0.2)
    wire.hear(b"name?yes")
    assert wire.session.in_words() == ("gave up 2 times: GaveUp: no", "came to its end")


def test_a_host_that_does_not_come_back_is_told_so():
    go_on = threading.Event()
    plan = Talk(U, lambda line: go_on.wait(), blocking=True, patience_s=0.05)
    with pytest.raises(HostBroken, match="has not come back"):
        Wire(plan)
    go_on.set()
    for thread in threads():
        thread.join(10)


def test_a_line_is_of_one_thread():
    def shares(line):
        found = []

        def other():
            try:
                line.read(1)
            except RuntimeError as error:
                found.append(str(error))

        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        line.write(found[0].encode())
        line.read(1, None)

    wire = Wire(Talk(U, shares, blocking=True))
    assert b"only the thread" in wire.sent
    wire.session.close()


def test_a_host_that_writes_without_end_lets_time_pass():
    def floods(line):
        while True:
            line.write(b"x" * 1024)

    wire = Wire(Talk(U, floods, blocking=True))
    wire.sleep(1.0)
    assert len(wire.sent) < 3 << 16
    wire.session.close()


def test_a_host_that_is_another_one_each_time_is_told_so():
    moods = iter([b"a", b"b"])

    def moody():
        if next(moods) == b"a":
            yield Read(1, None)
            yield Read(1, None)

    plan = Talk(U, moody, common=Common(survives=True))
    wire = Wire(plan)
    wire.hear(b"x")
    with pytest.raises(HostBroken, match="something else"):
        Wire(plan, wire.left())


def test_a_talk_is_known_by_its_function():
    one, other = Talk(U, partial(greets, 1)), Talk(U, partial(greets, 2))
    assert repr(one) != repr(other)
    nested = [Talk(U, partial(greets, partial(greets, value))) for value in (1, 1, 2)]
    assert repr(nested[0]) == repr(nested[1]) != repr(nested[2])
    assert repr(pickle.loads(pickle.dumps(nested[0]))) == repr(nested[0])
    assert repr(one) == repr(pickle.loads(pickle.dumps(one)))
    assert not re.search("0x[0-9a-f]{6}", repr(one))
