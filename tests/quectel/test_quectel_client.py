"""The client against the emulated module: whole upgrades, and modules that misbehave."""

from __future__ import annotations

import time
from typing import Any

import pytest

from mcu_updater.core import ota
from mcu_updater.core.errors import LinkError, ModuleRefused, PortError, UsageError
from mcu_updater.quectel.client import AtClient
from mcu_updater.quectel.emulated.options import Faults, ModuleOptions
from mcu_updater.quectel.link import Dialect
from mcu_updater.quectel.ota_events import MalformedEventError
from tests.quectel.quectel_bench import COMPONENT, NEW, OLD, Session, TestClock, make_plan

THREE_PIECES = ModuleOptions(piece_size=1000)


def checked(session: Session) -> Session:
    data, started = session.upgrade()
    assert data == session.plan.package.data
    assert started.md5 == session.plan.package.md5
    assert started.sha256 == session.plan.package.sha256
    return session


@pytest.mark.parametrize("options", [ModuleOptions(), THREE_PIECES, ModuleOptions(max_read=300)])
def test_upgrade(options):
    assert checked(Session(options=options)).client.retries == 0


@pytest.mark.parametrize(
    "inserted",
    [
        b"\r\n+QIOTEVT: 3,10200\r\n",
        b'\r\n+QIND: "FOTA","END",0\r\n',
        b"\r\n+QIOTEVT: 7,10708\r\n",
        b"\r\n\xff\xfe noise\r\n",
    ],
)
def test_lines_between_any_two_lines(inserted):
    checked(Session(options=THREE_PIECES, faults=Faults(insert_between_lines=inserted)))


@pytest.mark.parametrize("at", range(25))
def test_an_event_at_one_place_is_not_lost(at, monkeypatch):
    inserted = b'\r\n+QIOTEVT: 7,10799,"x"\r\n'
    faults = Faults(insert_between_lines=inserted, insert_at=frozenset({at}))
    session = Session(options=THREE_PIECES, faults=faults)
    seen = []
    take = session.client.next_event

    def noted(timeout_s):
        seen.append(take(timeout_s))
        return seen[-1]

    monkeypatch.setattr(session.client, "next_event", noted)
    checked(session)
    while session.client.next_event(1.0) is not None:
        pass
    assert seen.count(ota.OtherOtaEvent(10799, '"x"')) == 1


NAMES = {
    "E0": 1, "+QIOTSTATE": 2, "+QIOTREG": 2, "+QIOTOTARD": 4, "+QIOTMCUVER": 2,
    "+QIOTOTAREQ": 1, "+QIOTUPDATE": 4,
}  # fmt: skip
EVERY_COMMAND = [(name, n + 1) for name, count in NAMES.items() for n in range(count)]


@pytest.mark.parametrize("nth", EVERY_COMMAND)
@pytest.mark.parametrize("fault", ["lose_command", "lose_answer"])
@pytest.mark.parametrize("speed", [50.0, 1e6])
def test_any_one_loss_is_mended(nth, fault, speed):
    """At the high speed the next piece is there before the repeat: it must not be skipped."""
    options = ModuleOptions(piece_size=1000, download_bytes_per_s=speed)
    lost: dict[str, Any] = {fault: frozenset({nth})}
    session = checked(Session(options=options, faults=Faults(**lost)))
    assert session.client.retries >= 1


@pytest.mark.parametrize("position", range(0, 3500, 11))
def test_any_dropped_byte_is_mended_or_noticed(position):
    session = Session(faults=Faults(drop_sent=frozenset({position})))
    try:
        data, _ = session.upgrade()
    except (LinkError, AssertionError):
        return  # an event was lost or unreadable
    assert data == session.plan.package.data
    assert session.clock.time_s < 600


@pytest.mark.parametrize("size", range(2, 12))
@pytest.mark.parametrize("position", [600, 1700, 2900])
def test_lost_bytes_in_the_data_are_read_again(position, size):
    lost = frozenset(range(position, position + size))
    assert checked(Session(faults=Faults(drop_sent=lost))).client.retries >= 1


def test_data_of_another_offset_are_read_again():
    class OldPort:
        """The first answer to the second read is of an earlier one."""

        def __init__(self, pipe):
            self.write, self.pipe, self.changed = pipe.write, pipe, 0

        def read(self, timeout_s):
            data = self.pipe.read(timeout_s)
            found = data.startswith(b"\r\n+QIOTOTARD: 1024,") and not self.changed
            self.changed += found
            return data.replace(b" 1024,", b" 0,", 1) if found else data

    session = Session()
    port = OldPort(session.pipe)
    session.client = AtClient(port, session.clock)
    assert checked(session).client.retries == port.changed == 1


def test_a_module_that_ends_data_in_its_own_style():
    class OddPort:
        def __init__(self, pipe):
            self.write, self.pipe = pipe.write, pipe

        def read(self, timeout_s):
            data = self.pipe.read(timeout_s)
            odd = data.startswith(b"\r\n+QIOTOTARD: ") and data.endswith(b"\r\n\r\nOK\r\n")
            return data[:-8] + b"\r\nOK\r\n" if odd else data

    session = Session()
    session.client = AtClient(OddPort(session.pipe), session.clock)
    assert checked(session).client.retries == 1


def test_late_answers_do_not_answer_the_next_command():
    class LatePort:
        """Every answer to the first three commands comes four seconds late."""

        def __init__(self, session):
            self.pipe, self.clock, self.count, self.late = session.pipe, session.clock, 0, []

        def write(self, data):
            self.count += 1
            self.pipe.write(data)
            if self.count <= 3:
                self.late.append((self.clock.now_s() + 4.0, self.pipe.module.transmit()))

        def read(self, timeout_s):
            end_s = self.clock.now_s() + timeout_s
            if self.late and self.late[0][0] <= end_s:
                due_s, data = self.late.pop(0)
                self.clock.sleep(max(0.0, due_s - self.clock.now_s()))
                return data
            return self.pipe.read(timeout_s)

    session = Session()
    session.client = AtClient(LatePort(session), session.clock)
    assert checked(session).client.retries > 0


# --- refusals -------------------------------------------------------------------------------


def test_silent_module():
    session = Session(faults=Faults(silent_from=1))
    with pytest.raises(LinkError, match="no usable answer"):
        session.client.connect()
    assert session.clock.time_s == pytest.approx(15, abs=0.1)


def test_module_that_falls_silent():
    session = Session(faults=Faults(silent_from=9))
    with pytest.raises(LinkError):
        session.upgrade()


@pytest.mark.parametrize("after", range(12))
def test_unplugged(after):
    session = Session(faults=Faults(unplug_after=after))
    with pytest.raises(PortError, match="gone"):
        session.upgrade()


def test_pipe_unplug():
    session = Session()
    session.client.connect()
    session.pipe.unplug()
    with pytest.raises(PortError):
        session.client.request_plan()


@pytest.mark.parametrize("noise", [b"\xff\x00\x80", b"RDY", b"\r\n\x1b[0m\r\n", b"x" * 3000])
def test_noise_before_every_answer(noise):
    checked(Session(faults=Faults(noise_before_answer=noise)))


class Babbler:
    """A line that is never silent and never says anything."""

    def __init__(self, clock):
        self.clock = clock

    def write(self, data):
        pass

    def read(self, timeout_s):
        self.clock.sleep(0.001)
        return b"\r\nblah\r\n"


def test_endless_noise_ends():
    clock = TestClock()
    client = AtClient(Babbler(clock), clock)
    with pytest.raises(LinkError):
        client.connect()
    assert client.next_event(1.0) is None


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("+QIOTREG", "productinfo"),
        ("+QIOTMCUVER", "list of versions"),
        ("+QIOTOTAREQ", "offline"),
        ("+QIOTUPDATE", "No plan"),
    ],
)
def test_refused_commands(name, what):
    nths = frozenset((name, n) for n in range(1, 9))
    session = Session(faults=Faults(answer_error_to=nths))
    with pytest.raises(ModuleRefused, match=what):
        session.upgrade()


def test_an_error_to_ate0_is_forgiven_once():
    checked(Session(faults=Faults(answer_error_to=frozenset({("E0", 1)}))))


def test_half_a_command_from_an_earlier_run():
    session = Session()
    session.module.receive(b"AT+QIOTOTA", 0.0)
    checked(session)


def test_confirm_race_is_mended():
    session = checked(Session(options=ModuleOptions(confirm_race_s=0.2)))
    assert 1 <= session.client.retries <= 3


def test_actions_without_a_plan():
    client = (session := Session()).client
    client.connect()
    for act in (client.refuse, client.confirm, client.next_piece, client.announce_update):
        with pytest.raises(ModuleRefused):
            act()
    assert session.client.read(0, 1024) is None
    client.report_version(COMPONENT, OLD)
    client.request_plan()
    session.event(ota.PlanOffered)
    client.refuse()
    assert client.next_event(5.0) is None


@pytest.mark.parametrize("fault", ["lose_command", "lose_answer"])
def test_refusal_survives_a_loss(fault):
    lost: dict[str, Any] = {fault: frozenset({("+QIOTUPDATE", 1)})}
    session = Session(faults=Faults(**lost))
    client = session.client
    session.offered()
    client.refuse()
    assert session.module.ota_state == 0


@pytest.mark.parametrize(
    ("event", "text"), [((2, 10430), "wrong DeviceSecret"), ((1, 10423), "product key")]
)
def test_lasting_connection_error_is_named_at_once(event, text):
    session = Session(faults=Faults(refuse_connection=event))
    with pytest.raises(ModuleRefused, match=text):
        session.client.connect()
    assert session.clock.time_s < 5


def test_passing_connection_error_is_named_at_the_timeout():
    session = Session(faults=Faults(refuse_connection=(2, 10474)))
    with pytest.raises(ModuleRefused, match=r"state 7 .*network timeout"):
        session.client.connect()
    assert session.clock.time_s == pytest.approx(60, abs=5)


def test_registration_mode_of_the_module_is_kept():
    session = Session()
    session.module.receive(b"AT+QIOTREG=2\r\n", 0.0)
    session.client.connect()
    session.module.transmit()
    session.module.receive(b"AT+QIOTREG?\r\n", session.clock.time_s)
    assert b"+QIOTREG: 2" in session.module.transmit()


@pytest.mark.parametrize(
    ("component", "version"), [("", "1"), ("c" * 33, "1"), ("c", "v" * 65), ("a:b", "1"), ("c", "")]
)
def test_names_that_cannot_be(component, version):
    with pytest.raises(UsageError, match="QIOTMCUVER"):
        Session().client.report_version(component, version)


# --- reads and events -----------------------------------------------------------------------


def test_read_asks_no_more_than_the_module_gives():
    session = Session(options=ModuleOptions(max_read=300), dialect=Dialect(max_read=4096))
    checked(session)
    session = Session(options=ModuleOptions(max_read=4096), dialect=Dialect(max_read=4096))
    assert len(checked(session).plan.package.data) == 2500


def test_empty_payload_is_none():
    session = Session(options=ModuleOptions(empty_read_is_error=False))
    session.client.connect()
    assert session.client.read(0, 10) is None


def test_no_plan_is_no_event():
    session = Session(plan=make_plan(target_version=OLD))
    session.client.connect()
    session.client.report_version(COMPONENT, OLD)
    session.client.request_plan()
    assert session.client.next_event(90.0) is None
    assert session.clock.time_s > 90


def test_malformed_event_is_raised_in_its_turn():
    inserted = b'\r\n+QIOTEVT: 7,10708\r\n\r\n+QIOTEVT: 7,10703,"STM32",9\r\n'
    faults = Faults(insert_between_lines=inserted, insert_at=frozenset({0}))
    client = Session(faults=faults).client
    client.connect()
    assert client.next_event(1.0) == ota.OtherOtaEvent(10708, "")
    with pytest.raises(MalformedEventError, match="length,start,size"):
        client.next_event(1.0)
    assert client.next_event(1.0) is None


def test_next_piece_after_a_reboot_of_the_mcu():
    """A new client that has only read is able to go on, also when the answer is lost."""
    faults = Faults(lose_answer=frozenset({("+QIOTUPDATE", 2)}))
    session = Session(options=THREE_PIECES, faults=faults)
    session.downloaded()
    session.client = AtClient(session.pipe, session.clock)
    session.client.connect()
    assert session.client.read(999, 1024) == session.plan.package.data[999:1000]
    session.client.next_piece()
    assert session.event(ota.PieceReady).start == 1000


def test_next_piece_is_not_asked_for_twice_when_no_sign_of_it_arrives():
    class DeafPort:
        """Nothing arrives between the first action 2 and the command that follows it."""

        def __init__(self, pipe):
            self.pipe, self.deaf, self.times = pipe, False, 0

        def write(self, data):
            is_asked = b"+QIOTUPDATE=2" in data
            self.times += is_asked
            self.deaf = is_asked and self.times == 1
            self.pipe.write(data)

        def read(self, timeout_s):
            while (data := self.pipe.read(timeout_s)) and self.deaf:
                pass
            return data

    at_once = ModuleOptions(piece_size=1000, download_bytes_per_s=1e6)
    session = Session(options=at_once)
    port = DeafPort(session.pipe)
    session.client = client = AtClient(port, session.clock)
    session.downloaded()
    client.next_piece()
    assert port.times == 1
    assert client.read(1000, 1) == session.plan.package.data[1000:1001]


def test_module_power_cut_during_the_download():
    session = Session(dialect=Dialect(registration_mode=2))
    client = session.client
    session.downloaded()
    assert client.read(0, 1024) is not None
    session.module.power_cut(session.clock.now_s())
    session.module.power_on(session.clock.now_s())
    assert client.read(1024, 1024) is None  # not lost for good: the module boots and answers
    assert session.event(ota.PieceReady).start == 0
    assert client.read(0, 2500) == session.plan.package.data[:1024]


# --- the wire -------------------------------------------------------------------------------


def test_line_time_and_counters():
    session = Session()
    session.pipe.write(b"AT\r\n")
    assert session.clock.time_s == pytest.approx(40 / 115200)
    assert session.pipe.read(1.0) == b"AT\r\r\nOK\r\n"
    assert session.clock.time_s == pytest.approx(130 / 115200)
    assert session.pipe.read(2.0) == b""
    assert session.clock.time_s == pytest.approx(2 + 130 / 115200)
    assert (session.pipe.bytes_sent, session.pipe.bytes_received) == (4, 9)


def test_waiting_jumps_to_what_happens_next():
    session = Session()
    session.client.connect()
    session.client.report_version(COMPONENT, OLD)
    before_s = session.clock.time_s
    session.client.request_plan()
    session.event(ota.PlanOffered)
    assert session.clock.time_s - before_s < 0.3


def test_a_read_costs_little():
    """The budget is 150 us of the processor; the bound is loose, for machines that are busy."""
    size = 448 * 1024
    session = Session(plan=make_plan(size))
    client = session.client
    session.downloaded()
    began_s = time.process_time()
    data = b"".join(client.read(start, 1024) or b"" for start in range(0, size, 1024))
    per_read_s = (time.process_time() - began_s) / (size // 1024)
    assert data == session.plan.package.data
    assert per_read_s < 1e-3
    assert session.client.retries == 0
    client.announce_update()
    client.report_version(COMPONENT, NEW)
    session.event(ota.UpdateSucceeded)
