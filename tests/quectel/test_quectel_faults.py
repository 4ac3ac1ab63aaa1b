"""Faults on order: by the API, by their names, and what the client makes of them."""

from __future__ import annotations

import pytest

from mcu_updater.core.errors import LinkError, ModuleRefused, UsageError
from mcu_updater.quectel.emulated.fault_text import KINDS, parse_faults
from mcu_updater.quectel.emulated.faults import DownloadFailure, Faults, Rate
from mcu_updater.quectel.emulated.options import ModuleOptions
from tests.quectel.quectel_bench import COMPONENT, NEW, Session, Terminal
from tests.quectel.test_quectel_module import ERROR, OK, S, answer, urc


def terminal(*texts: str) -> Terminal:
    return Terminal(faults=parse_faults(texts))


# --- commands ---------------------------------------------------------------------------------


def test_an_answer_is_cut_short():
    t = terminal("truncate@QIOTOTARD:1=60").downloaded()
    whole = answer(0, t.plan.package.data[:1024])
    assert t.send("AT+QIOTOTARD=0,1024") == whole[:60]
    assert t.send("AT+QIOTOTARD=0,1024") == whole


def test_a_module_that_hangs_until_its_power_is_cut():
    t = terminal("hang@QIOTOTARD:2").downloaded()
    t.ok("AT+QIOTOTARD=0,1")
    assert t.send("AT+QIOTOTARD=0,1") == b""
    t.reload()
    assert t.module.next_deadline() is None
    assert t.wait(10_000) == t.send("AT") == b""
    t.module.power_cut(t.now_s)
    t.module.power_on(t.now_s)
    assert urc('7,10703,"STM32",2500,0,2500') in t.wait(60)


def test_a_hanging_module_is_rebooted_by_its_watchdog():
    t = terminal("hang@QIOTUPDATE:2=30").downloaded()
    assert t.send("AT+QIOTUPDATE=3") == b""
    assert t.module.ota_state is S.DOWNLOADSUCCESS
    assert t.wait(30) == t.wait(2) == b""
    assert urc("7,10702") in t.wait(60)


def test_a_reboot_takes_the_commands_behind_it():
    t = terminal("reboot@QIOTSTATE:1").updating()
    t.module.receive(b"AT+QIOTSTATE?\r\nAT\r\n", t.now_s)
    assert t.module.transmit() == b""
    assert t.wait(2) == urc("7,10704")


def test_the_link_goes_on_order():
    t = terminal("link-loss@QIOTUPDATE:2=20").downloaded()
    assert t.send("AT+QIOTUPDATE=3") == OK + urc("7,10704")
    assert t.module.connection_state == 5
    assert t.wait(19.9) == b""
    assert t.wait(0.1) == urc("2,10200") + urc("3,10200")


def test_error_silence_and_losses_by_name():
    t = terminal("error@QIOTREG:1", "lose-command@QIOTREG:2", "lose-answer@QIOTREG:3")
    assert [t.send("AT+QIOTREG=1") for _ in range(3)] == [ERROR, b"", b""]
    assert b"3,10200" in t.wait(1)
    t = terminal("silent@2", "unplug@3")
    assert (t.send("AT"), t.send("AT"), t.module.unplugged) == (OK, b"", False)
    t.send("AT")
    assert t.module.unplugged


# --- bytes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("drop@2", b"\r\nK\r\n"),
        ("double@2", b"\r\nOOK\r\n"),
        ("corrupt@2", b"\r\nKK\r\n"),
        ("insert@3=+QIND: 1", b"\r\nO\r\n+QIND: 1\r\nK\r\n"),
        ("noise=?", b"\r\n?\r\n\r\nOK\r\n"),
        ("between-lines@0=?", b"\r\n?\r\n\r\nOK\r\n"),
        ("drop-received@0", b"\r\nERROR\r\n"),
        ("double-received@1", b"\r\nERROR\r\n"),
        ("corrupt-received@1", b"\r\nERROR\r\n"),
    ],
)
def test_one_byte(fault, said):
    assert terminal(fault).send("AT") == said


def test_bytes_that_come_late_keep_their_order():
    t = terminal("delay@3=2", "delay@8")
    assert t.send("AT") == b"\r\nO"
    t.reload()
    assert t.send("AT") == b""
    assert t.wait(1.9) == b""
    assert t.wait(0.1) == b"K\r\n\r\n"
    assert t.wait(2) == b"OK\r\n"


def test_an_event_within_data():
    """Nobody can tell it from data by counting: the digest does."""
    t = terminal().downloaded()
    header = len(b"\r\n+QIOTOTARD: 0,100\r\n")
    faults = Faults(insert_sent=((t.module._sent_size + header + 10, urc("3,10200")),))
    t.module.faults = faults
    data = t.plan.package.data[:100]
    whole = answer(0, data)
    at = header + 10
    assert t.send("AT+QIOTOTARD=0,100") == whole[:at] + urc("3,10200") + whole[at:]


def test_rates_are_the_same_in_every_run_and_about_as_often_as_they_say():
    rate = Rate(0.01, "7")
    hits = [at for at in range(100_000) if at in rate]
    assert hits == [at for at in range(100_000) if at in Rate(0.01, "7")]
    assert 850 < len(hits) < 1150
    assert hits != [at for at in range(100_000) if at in Rate(0.01, "8")]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("kind", ["drop", "delay", "drop-received", "double-received"])
def test_the_client_mends_a_bad_line_or_says_so(kind, seed):
    faults = parse_faults([f"{kind}=0.0005"], seed)
    session = Session(faults=faults, options=ModuleOptions(piece_size=1000))
    try:
        data, _ = session.upgrade()
    except (LinkError, ModuleRefused, AssertionError):
        return
    assert data == session.plan.package.data


# --- names ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("error@+QIOTREG:2", "answer_error_to", {("+QIOTREG", 2)}),
        ("hang@E0:1", "hang", {("E0", 1)}),
        ("link-loss@QIOTREG:1=5", "link_loss_s", 5.0),
        ("failing-downloads=2", "failing_downloads", 2),
        ("broken-downloads=2", "download_failure", DownloadFailure.BROKEN),
        ("refuse-connection=2,10430", "refuse_connection", (2, 10430)),
        ("refuse-connection=2,10430,3", "refusals", 3),
        ("bad-url=1", "bad_url_messages", 1),
        ("drop=0.5", "drop_sent", Rate(0.5, "0/drop")),
    ],
)
def test_a_fault_by_name(text, field, value):
    assert getattr(parse_faults([text]), field) == value


def test_faults_add_up():
    faults = parse_faults(["drop@1", "drop@2", "hang@QIOTREG:1", "hang@QIOTREG:2"])
    assert faults.drop_sent == {1, 2}
    assert len(faults.hang) == 2


@pytest.mark.parametrize(
    "text",
    [
        "", "nosuch", "drop", "drop@x", "drop@1=2", "drop=2", "drop=nan", "error", "error@QIOTREG",
        "error@QIOTREG:x", "error@QIOTREG:1=2", "truncate@QIOTREG:1", "hang@QIOTREG:1=-1",
        "silent@", "silent@1=2", "insert@1", "noise@1=x", "failing-downloads@1=2",
        "refuse-connection=9,1", "refuse-connection=2", "refuse-connection=2,10430,1,1",
        "drop@99999999999999999999",
    ],
)  # fmt: skip
def test_what_is_no_fault(text):
    with pytest.raises(UsageError, match="no such fault"):
        parse_faults([text])


def test_a_rate_and_a_position_do_not_mix():
    with pytest.raises(UsageError):
        parse_faults(["drop=0.1", "drop@1"])


EXAMPLES = {
    "@NAME:N": "@QIOTREG:1", "@NAME:N=SIZE": "@QIOTREG:1=1", "@NAME:N[=SECONDS]": "@QIOTREG:1",
    "@N": "@1", "@POSITION or =RATE": "@1", "@POSITION[=SECONDS] or =RATE": "@1=1",
    "@POSITION=TEXT": "@1=x", "[@LINE]=TEXT": "=x", "=TEXT": "=x", "=N": "=1",
    "=TYPE,CODE[,N]": "=2,10430",
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_in_the_table_is_one(kind):
    assert parse_faults([kind + EXAMPLES[KINDS[kind][0]]]) != Faults()


def test_saved_and_loaded_with_faults_on():
    one, two = (terminal("corrupt=0.01", "delay=0.002", "drop-received=0.001") for _ in range(2))
    for t in (one, two):
        t.send(f'AT+QIOTMCUVER="{COMPONENT}","{NEW}"')
    for _ in range(300):
        assert one.send("AT+QIOTINFO?") == two.send("AT+QIOTINFO?")
        assert one.wait(0.1234567) == two.wait(0.1234567)
        two.reload()
        one.module.save(one.now_s)
    assert one.module._sent_size == two.module._sent_size > 10_000
