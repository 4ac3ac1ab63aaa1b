"""The emulated module: settings, reconnects, several components, quirks, unknowns."""

from __future__ import annotations

import pytest

from mcu_updater.cloud.single_device import ComponentState
from mcu_updater.quectel.emulated.faults import DownloadFailure
from mcu_updater.quectel.emulated.options import Family, Faults, Flag, ModuleOptions, Order
from tests.quectel.quectel_bench import COMPONENT, NEW, OLD, Terminal, make_plan
from tests.quectel.test_quectel_module import ERROR, OK, S, answer, reboot, urc


def terminal(**options) -> Terminal:
    return Terminal(options=ModuleOptions(echo=False, **options))


# --- AT+QIOTCFG -------------------------------------------------------------------------------

RANGES = [  # item, values that are taken, values that are not
    ("productinfo", ['"p","s"', f'"{"p" * 32}","s"'], ['"p"', f'"{"p" * 33}","s"', "1,2"]),
    ("server", ['1,"mqtt://x:1"'], ['0,"coap://x:1"', '"mqtt://x:1"', "1"]),
    ("lifetime", ["1", "65535"], ["0", "65536", '"120"', "1,2"]),
    ("buffer", ["0", "1"], ["2"]),
    ("act", ["1", "15"], ["0", "16"]),
    ("session_mode", ["0", "1"], ["2"]),
    ("tsl", ["0", "1"], ["2"]),
    ("dk_ds", ['"1234","5678"'], ['"1234"', f'"{"d" * 33}",""']),
    ("txid_mode", ["0", "1"], ["2"]),
]


@pytest.mark.parametrize(("item", "good", "bad"), RANGES)
def test_every_setting_has_its_range(item, good, bad):
    t = terminal()
    for values in good:
        assert t.send(f'AT+QIOTCFG="{item}",{values}') == OK
        more = ',"1.0"' if item == "productinfo" else ""
        expected = f'\r\n+QIOTCFG: "{item}",{values}{more}\r\n'.encode() + OK
        assert t.send(f'AT+QIOTCFG="{item}"') == expected
    for values in bad:
        assert t.send(f'AT+QIOTCFG="{item}",{values}') == ERROR


@pytest.mark.parametrize("item", [item for item, _, _ in RANGES])
def test_no_setting_while_connected(item):
    good = next(good for name, good, _ in RANGES if name == item)
    t = terminal().online()
    assert t.send(f'AT+QIOTCFG="{item}",{good[0]}') == ERROR
    t.ok(f'AT+QIOTCFG="{item}"')
    t.ok("AT+QIOTREG=0")
    t.ok(f'AT+QIOTCFG="{item}",{good[0]}')


def test_the_test_form_lists_every_setting():
    lines = terminal().ok("AT+QIOTCFG=?").decode().split("\r\n")[1:-3]
    assert lines[0] == '+QIOTCFG: "productinfo",<pk>,<ps>'
    assert '+QIOTCFG: "lifetime",(1-65535)' in lines
    assert len(lines) == len(RANGES)


def test_nb_has_other_servers_and_lifetimes():
    t = terminal(family=Family.NB)
    assert b'0,"coap://iot-south.quectelcn.com:5683"' in t.ok('AT+QIOTCFG="server"')
    assert b",86400\r\n" in t.ok('AT+QIOTCFG="lifetime"')
    t.ok('AT+QIOTCFG="lifetime",864000')
    t.ok('AT+QIOTCFG="psk","x"')
    assert terminal().send('AT+QIOTCFG="psk"') == ERROR
    assert terminal().send('AT+QIOTCFG="nosuch"') == ERROR
    assert terminal().send("AT+QIOTCFG=1") == ERROR


def test_settings_survive_power_and_process():
    t = terminal()
    t.ok('AT+QIOTCFG="lifetime",7')
    t.reload()
    reboot(t)
    t.wait(5)
    assert b'"lifetime",7' in t.ok('AT+QIOTCFG="lifetime"')


def test_no_registration_without_a_server():
    t = terminal()
    t.ok('AT+QIOTCFG="server",1,""')
    assert t.send("AT+QIOTREG=1") == ERROR


def test_settings_can_be_written_without_a_space():
    t = terminal(config_space=False)
    assert b'+QIOTCFG:"buffer",0' in t.ok('AT+QIOTCFG="buffer"')


# --- connection -------------------------------------------------------------------------------


def test_the_first_authentication_of_a_product():
    t = terminal(first_authentication_event=True)
    t.ok("AT+QIOTREG=1")
    assert t.wait(1) == urc("1,10200") + urc("2,10200") + urc("3,10200")
    for product in (False, True):
        t.ok("AT+QIOTREG=0")
        if product:
            t.ok('AT+QIOTCFG="productinfo","other","secret"')
        t.ok("AT+QIOTREG=1")
        assert (urc("1,10200") in t.wait(1)) is product


def test_reconnects_wait_longer_and_longer():
    t = Terminal(faults=Faults(refuse_connection=(2, 10474)))
    t.ok("AT+QIOTREG=1")
    waits = (1, 1, 30, 300, 600, 600, 600, 1800, 1800)
    for wait_s in waits:
        assert t.wait(wait_s - 0.01) == b""
        assert t.wait(0.01) == urc("2,10474")
        assert t.module.connection_state == 7


def test_a_connection_comes_when_the_refusals_are_over():
    t = Terminal(faults=Faults(refuse_connection=(3, 10300), refusals=2))
    t.ok("AT+QIOTREG=1")
    assert t.wait(60) == urc("3,10300") * 2 + urc("2,10200") + urc("3,10200")


def test_what_waiting_does_not_mend_is_not_tried_again():
    t = Terminal(faults=Faults(refuse_connection=(1, 10422)))
    t.ok("AT+QIOTREG=1")
    assert t.wait(10_000) == urc("1,10422")
    assert t.module.connection_state == 4


def test_no_reconnect_after_mode_0():
    t = Terminal(faults=Faults(refuse_connection=(2, 10474)))
    t.ok("AT+QIOTREG=1")
    t.wait(1)
    t.ok("AT+QIOTREG=0")
    assert t.wait(10_000) == b""


def test_no_link_is_lost_that_nobody_asked_for():
    t = terminal()
    t.module.lose_link(0.0, back_after_s=5)
    assert t.wait(100) == b""
    assert t.module.connection_state == 1


def test_the_loss_of_the_link_may_be_told():
    t = terminal(link_loss_code=10473).online()
    t.module.lose_link(t.now_s, back_after_s=5)
    assert t.wait(5) == urc("2,10473") + urc("2,10200") + urc("3,10200")


# --- queries ----------------------------------------------------------------------------------


def test_what_strategy_checks_ask_for():
    t = terminal(battery=42, rsrp_dbm=-101, signal_quality=9, memory_free=5)
    t.ok('AT+QIOTMCUVER="a","1"')
    said = t.ok("AT+QIOTINFO?").decode()
    for item in ("type,cellular", "battery,42", "rsrp,-101", "memory_free,5", "mcu_version,a:1"):
        assert f"\r\n+QIOTINFO: {item}\r\n" in said
    assert b"+CSQ: 9,99" in t.ok("AT+CSQ")
    assert b"+CEREG: 0,1" in t.ok("AT+CEREG?")
    assert t.send("AT+QSCLK=0") == OK
    assert t.send("AT+QSCLK=3") == ERROR


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("AT+QIOTOTAREQ=?", "+QIOTOTAREQ: (0,1)"),
        ("AT+QIOTUPDATE=?", "+QIOTUPDATE: (0-3)"),
        ("AT+QIOTOTARD=?", "+QIOTOTARD: 0,(1-1024)"),
        ("AT+QIOTMCUVER=?", "+QIOTMCUVER: <MCU_number>,<MCU_version>"),
        ("AT+QIOTREG=?", "+QIOTREG: (0-2)"),
    ],
)
def test_test_forms(command, text):
    assert terminal().send(command) == f"\r\n{text}\r\n".encode() + OK


@pytest.mark.parametrize("command", ["AT+QIOTUPDATE?", "AT+QIOTUPDATE", "AT+QIOTOTARD?"])
def test_forms_that_do_not_exist(command):
    assert terminal().send(command) == ERROR


@pytest.mark.parametrize(
    "command",
    [
        "AT+QIOTREG=01", "AT+QIOTREG=-1", "AT+QIOTREG=+1", "AT+QIOTREG= 1", "AT+QIOTREG=1 ",
        "AT+QIOTREG=", "AT+QIOTREG=1,", "AT+QIOTREG=,1", "AT+QIOTREG=1,1", 'AT+QIOTREG="1"',
        "AT+QIOTREG=4294967296", "AT+QIOTREG=99999999999999999999", "AT+QIOTREG=1.0",
        "AT+QIOTOTARD=00,1", "AT+QIOTOTARD=0", "AT+QIOTOTARD=0,1,2", 'AT+QIOTOTARD="0","1"',
        "AT+QIOTMCUVER=STM32,1_0_0", 'AT+QIOTMCUVER="STM32,"1"', 'AT+QIOTMCUVER="STM32"1"',
        'AT+QIOTMCUVER="STM32", "1"', 'AT+QIOTMCUVER="a","b","c"', "AT+QIOTUPDATE=4",
        "AT+QIOTOTAREQ=2", "At+QIOTREG=1", "AT +QIOTREG=1", "+QIOTREG=1", "AT+QIOTREG=1;",
    ],
)  # fmt: skip
def test_malformed_lines_get_error_and_do_nothing(command):
    t = terminal().offered()
    before = t.module.memory(t.now_s)
    assert t.send(command) == ERROR
    assert t.module.memory(t.now_s) == before


# --- several components -----------------------------------------------------------------------

PLANS = [make_plan(600, component="A"), make_plan(700, component="B")]


def offered_both(**options) -> Terminal:
    t = Terminal(plans=PLANS, options=ModuleOptions(echo=False, **options))
    for component in ("B", "A"):
        t.ok(f'AT+QIOTMCUVER="{component}","{OLD}"')
    t.ok("AT+QIOTREG=2")
    t.wait(1)
    t.ok("AT+QIOTOTAREQ=0")
    offers = [urc(f'7,10700,"{name}","","{NEW}",30,-113,{size}') for name, size in (
        ("A", 600), ("B", 700))]  # fmt: skip
    assert t.wait(1) == b"".join(offers)
    return t


def test_several_components_are_done_in_their_order():
    t = offered_both()
    assert t.send("AT+QIOTUPDATE=1") == OK + urc("7,10707,0")
    assert [t.center.state_of(plan) for plan in PLANS] == [ComponentState.CONFIRMED] * 2
    for plan, size in zip(PLANS, (600, 700), strict=True):
        name = plan.component
        assert urc(f'7,10703,"{name}",{size},0,{size}') in t.wait(1)
        t.ok("AT+QIOTUPDATE=3")
        t.wait(500)
        t.reload()
        assert t.send(f'AT+QIOTMCUVER="{name}","{NEW}"').startswith(OK + urc("7,10705"))
        assert t.center.state_of(plan) is ComponentState.SUCCESS
    t.ok("AT+QIOTOTAREQ=0")
    assert t.wait(100) == b""


def test_one_failure_does_not_stop_the_others():
    t = offered_both()
    t.ok("AT+QIOTUPDATE=1")
    t.wait(1)
    assert urc("7,10706") in t.send(f'AT+QIOTMCUVER="A","{OLD}"')
    assert urc('7,10703,"B",700,0,700') in t.wait(1)


def test_a_refusal_refuses_all():
    t = offered_both()
    assert t.send("AT+QIOTUPDATE=0") == OK + urc("7,10707,1")
    assert [t.center.state_of(plan) for plan in PLANS] == [ComponentState.REFUSED] * 2
    t.ok("AT+QIOTOTAREQ=0")
    assert t.wait(100) == b""


def test_one_task_at_a_time_by_option():
    t = Terminal(plans=PLANS, options=ModuleOptions(echo=False, max_tasks=1))
    for component in ("B", "A"):
        t.ok(f'AT+QIOTMCUVER="{component}","{OLD}"')
    t.ok("AT+QIOTREG=2")
    t.wait(1)
    t.ok("AT+QIOTOTAREQ=0")
    assert t.wait(1).count(b"7,10700") == 1


# --- quirks and unknowns ----------------------------------------------------------------------


def test_quirk_18_the_flag_says_0_for_refuse():
    t = offered_both(quirk_flag_zero=True)
    assert t.send("AT+QIOTUPDATE=0") == OK + urc("7,10707,0")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, b""),
        ({"update_flag": Flag.ALWAYS}, urc("7,10707,0")),
        ({"update_flag": Flag.ALWAYS, "update_flag_text": None}, urc("7,10707")),
        ({"update_flag": Flag.ALWAYS, "update_flag_text": '"x",{value}'}, urc('7,10707,"x",0')),
    ],
)
def test_10707(options, said):
    assert terminal(**options).offered().send("AT+QIOTUPDATE=1") == OK + said


@pytest.mark.parametrize("quirk", [False, True])
def test_quirk_19_an_unsent_status_is_mixed_into_the_state(quirk):
    """NOPLAN | DOWNLOADERROR is 6, in which a version is the verdict."""
    t = terminal(quirk_or_status=quirk).downloading()
    t.module.lose_link(t.now_s, back_after_s=100)
    assert t.module.ota_state is S.NOPLAN
    said = t.send(f'AT+QIOTMCUVER="{COMPONENT}","{NEW}"')
    assert said == OK + (urc("7,10705") if quirk else b"")


@pytest.mark.parametrize("quirk", [False, True])
def test_quirk_20_names_are_found_inside_others(quirk):
    t = terminal(quirk_substring_versions=quirk)
    t.ok('AT+QIOTMCUVER="STMCU","1"')
    t.ok('AT+QIOTMCUVER="MCU","2"')
    assert t.module.versions == ({"STMCU": "2"} if quirk else {"STMCU": "1", "MCU": "2"})


def test_the_url_is_given_out_where_it_can_be_asked_for():
    t = terminal(max_request_info=3, package_url="http://x/y").online()
    t.ok("AT+QIOTOTAREQ=2")
    t.wait(1)
    t.ok("AT+QIOTUPDATE=1")
    assert f',{t.plan.package.crc},"http://x/y"\r\n'.encode() in t.wait(1)


def test_a_crc_of_another_kind():
    assert b'",7,"' in terminal(crc=7).confirmed().wait(1)


def test_oversized_reads_by_option():
    t = terminal(oversized_read_is_error=True).downloaded()
    assert t.send("AT+QIOTOTARD=0,1025") == ERROR
    t.ok("AT+QIOTOTARD=0,1024")


@pytest.mark.parametrize("command", ["AT+QIOTREG=01", "AT+NOSUCH", "hello"])
def test_modem_errors_for_what_is_not_known(command):
    t = terminal(modem_error_text="+CME ERROR: 3")
    assert t.send(command) == b"\r\n+CME ERROR: 3\r\n"
    assert t.send("AT+QIOTUPDATE=1") == ERROR


def test_the_front_end_without_leading_line_ends():
    t = terminal(leading_line_ends=False)
    assert t.send("AT") == b"OK\r\n"
    assert t.send("AT+QIOTREG?") == b"+QIOTREG: 0\r\n\r\nOK\r\n"
    assert t.send("AT+NOSUCH") == b"ERROR\r\n"
    t.send("AT+QIOTREG=1")
    assert t.wait(1) == b"+QIOTEVT: 2,10200\r\n+QIOTEVT: 3,10200\r\n"


@pytest.mark.parametrize("order", Order)
def test_the_modems_own_line_near_10705(order):
    t = terminal(fota_end=order).updating()
    line, event = b'\r\n+QIND: "FOTA","END",0\r\n', urc("7,10705")
    expected = {Order.NONE: event, Order.BEFORE: line + event, Order.AFTER: event + line}[order]
    assert t.send(f'AT+QIOTMCUVER="{COMPONENT}","{NEW}"') == OK + expected


def test_answers_take_their_time():
    t = terminal(answer_delay_s=0.3)
    assert t.send("AT+QIOTREG=1") == b""
    assert t.wait(0.29) == b""
    assert t.send("AT") == b""
    t.reload()
    assert t.wait(0.01) == OK
    assert t.wait(0.29) == b""
    assert t.wait(0.01) == OK
    module = terminal(answer_delay_s=0.3).module
    module.receive(b"AT\r\n", 0.0)
    module.power_cut(0.1)
    module.power_on(0.2)
    module.advance(10)
    assert module.transmit() == b""


@pytest.mark.parametrize("inside", [False, True])
def test_urcs_within_an_answer_or_behind_it(inside):
    t = Terminal(options=ModuleOptions(echo=False, urcs_in_answers=inside)).downloaded()
    t.module.lose_link(t.now_s, back_after_s=0.2)
    options = ModuleOptions(echo=False, urcs_in_answers=inside, answer_delay_s=0.3)
    saved = t.module.save(t.now_s)
    t.module = type(t.module).load(saved, t.center, options, now_s=t.now_s)
    whole, events = answer(0, t.plan.package.data[:100]), urc("2,10200") + urc("3,10200")
    said = t.send("AT+QIOTOTARD=0,100") + t.wait(0.3)
    half = len(whole) // 2
    assert said == (whole[:half] + events + whole[half:] if inside else whole + events)


# --- the upgrade's ways to fail ---------------------------------------------------------------


@pytest.mark.parametrize("failure", DownloadFailure)
def test_every_way_of_a_failing_download_is_silent_and_starts_over(failure):
    faults = Faults(failing_downloads=2, download_failure=failure)
    t = Terminal(faults=faults).starting()
    said = t.until(b"7,10703")
    again = failure is DownloadFailure.BROKEN  # 10702 for the header too
    assert said == urc("7,10702") * (3 + 2 * again) + urc('7,10703,"STM32",2500,0,2500')
    states = [change.state for change in t.center.history]
    assert states.count(ComponentState.DOWNLOAD_FAILED) == 2


@pytest.mark.parametrize("failure", DownloadFailure)
def test_five_failures_are_forgiven_and_the_sixth_is_not(failure):
    for failing, code in ((5, b"10703"), (6, b"10706")):
        faults = Faults(failing_downloads=failing, download_failure=failure)
        t = Terminal(faults=faults).starting()
        said = t.until(code)
        assert (b"10706" in said) is (failing == 6)


def test_the_failures_are_counted_across_reboots_and_forgotten_afterwards():
    t = Terminal(faults=Faults(failing_downloads=6, download_failure=DownloadFailure.STATUS))
    t.starting()
    t.wait(35)
    reboot(t)
    assert b"10703" not in t.until(b"7,10706")
    t.ok("AT+QIOTOTAREQ=1")
    t.until(b"7,10700")
    t.ok("AT+QIOTUPDATE=1")
    assert b"10703" in t.until(b"7,10703")


def test_a_url_message_that_lacks_a_field():
    t = Terminal(faults=Faults(bad_url_messages=1)).confirmed()
    assert t.wait(0.5) == urc("7,10706")
    assert t.center.state_of(t.plan) is ComponentState.FAILED


@pytest.mark.parametrize("name", ["url_limit_s", "read_gap_limit_s", "update_limit_s"])
def test_a_limit_can_be_another(name):
    """What 2.11 and later have is not known."""
    reach = {
        "url_limit_s": Terminal.confirmed,
        "read_gap_limit_s": Terminal.downloaded,
        "update_limit_s": Terminal.updating,
    }[name]
    delay = {"url_delay_s": None} if name == "url_limit_s" else {}
    t = reach(terminal(**{name: 7.0, **delay}))
    assert t.wait(6.9) == b""
    assert t.wait(0.1) == urc("7,10706")
    t = reach(terminal(**{name: None, **delay}))
    assert t.wait(1e6) == b""


def test_a_download_breaks_half_way():
    options = ModuleOptions(echo=False, download_bytes_per_s=1000)
    faults = Faults(failing_downloads=1, download_failure=DownloadFailure.BROKEN)
    t = Terminal(options=options, faults=faults).downloading()
    t.wait(1.24)
    assert t.center.state_of(t.plan) is ComponentState.DOWNLOADING
    t.wait(0.02)
    assert t.center.state_of(t.plan) is ComponentState.DOWNLOAD_FAILED


@pytest.mark.parametrize(("size", "said"), [(19, OK), (20, ERROR)])
def test_the_list_of_versions_has_512_bytes(size, said):
    t = terminal()
    for index in range(5):  # 5 entries of 32 + 1 + 64 bytes, and the signs between them
        t.ok(f'AT+QIOTMCUVER="{index:032}","{"v" * 64}"')
    assert 5 * (32 + 1 + 64) + 4 + len(";c:") + 19 + 1 == 512
    assert t.send(f'AT+QIOTMCUVER="c","{"v" * (size + 1)}"') == said
