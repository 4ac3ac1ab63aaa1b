"""The emulated module: the action table, timers, verdict, power, save."""

from __future__ import annotations

import json

import pytest

from mcu_updater.cloud.single_device import ComponentState, Package, SingleDeviceCloud
from mcu_updater.quectel.emulated.options import Faults, Flag, ModuleOptions
from mcu_updater.quectel.emulated.ota_states import ACTIONS, VERDICT_STATES, OtaState
from tests.quectel.quectel_bench import COMPONENT, NEW, OLD, Terminal, make_plan, package_bytes

OK, ERROR = b"\r\nOK\r\n", b"\r\nERROR\r\n"
S = OtaState


def urc(text: str) -> bytes:
    return f"\r\n+QIOTEVT: {text}\r\n".encode()


def answer(start: int, data: bytes) -> bytes:
    return b"\r\n+QIOTOTARD: %d,%d\r\n" % (start, len(data)) + data + b"\r\n\r\nOK\r\n"


# --- tables -----------------------------------------------------------------------------------

REACHED = {
    S.NOPLAN: Terminal.online,
    S.REVICEPLAN: Terminal.offered,
    S.SUBMITOTA: Terminal.confirmed,
    S.DOWNLOADSTART: Terminal.starting,
    S.DOWNLOADING: Terminal.downloading,
    S.DOWNLOADSUCCESS: Terminal.downloaded,
    S.UPDATING: Terminal.updating,
}


@pytest.mark.parametrize("state", REACHED)
@pytest.mark.parametrize("action", range(5))
@pytest.mark.parametrize("pieces", [1, 2])
def test_every_action_in_every_state(state, action, pieces):
    if pieces == 2 and state is S.UPDATING:
        return
    options = ModuleOptions(echo=False, piece_size=2500 if pieces == 1 else 1250)
    t = REACHED[state](Terminal(options=options))
    assert t.module.ota_state is state
    accepted = {
        (0, S.REVICEPLAN): S.NOPLAN,
        (1, S.REVICEPLAN): S.SUBMITOTA,
        (1, S.SUBMITOTA): S.SUBMITOTA,
        (3, S.UPDATING): S.UPDATING,
        (2, S.DOWNLOADSUCCESS): S.DOWNLOADSTART if pieces == 2 else None,
        (3, S.DOWNLOADSUCCESS): S.UPDATING if pieces == 1 else None,
    }.get((action, state))
    got = t.send(f"AT+QIOTUPDATE={action}")
    assert got.startswith(ERROR if accepted is None else OK)
    assert t.module.ota_state is (state if accepted is None else accepted)


def test_the_tables_name_reachable_states_only():
    assert {state for _, state in ACTIONS} <= set(REACHED)
    assert {2, 4, 5, 6, 8, 9} == VERDICT_STATES


@pytest.mark.parametrize("state", REACHED)
@pytest.mark.parametrize(("version", "code"), [(NEW, 10705), (OLD, 10706), ("2_0_0a", 10706)])
def test_verdict(state, version, code):
    """As the documents read: one rule from confirm to the end."""
    t = REACHED[state](Terminal(options=ModuleOptions(echo=False, target_comes_with_url=False)))
    got = t.send(f'AT+QIOTMCUVER="{COMPONENT}","{version}"')
    if state in VERDICT_STATES:
        assert got == OK + urc(f"7,{code}")
        assert t.module.ota_state is S.NOPLAN
        assert t.wait(3000) == b""
    else:
        assert got == OK
        assert t.module.ota_state is state


@pytest.mark.parametrize("state", sorted(VERDICT_STATES & set(REACHED)))
@pytest.mark.parametrize("version", [OLD, NEW, "2_0_0a"])
def test_verdict_of_a_first_upgrade_as_sdk_2_9_0_has_it(state, version):
    """Before the URL there is no target to be equal to: the right one gives 10706."""
    t = REACHED[state](Terminal())
    got = t.send(f'AT+QIOTMCUVER="{COMPONENT}","{version}"')
    equal = version == NEW and state is not S.SUBMITOTA
    assert got == OK + urc(f"7,{10705 if equal else 10706}")
    assert t.module.ota_state is S.NOPLAN


def second_upgrade(**options) -> Terminal:
    """2_0_0 came by an upgrade; the one to 3_0_0 is confirmed, and its URL is not there."""
    plans = [make_plan(), make_plan(target_version="3_0_0")]
    t = Terminal(plans=plans, options=ModuleOptions(echo=False, **options)).updating()
    assert urc("7,10705") in t.send(f'AT+QIOTMCUVER="{COMPONENT}","{NEW}"')
    return t


def confirm_again(t: Terminal) -> None:
    t.ok("AT+QIOTOTAREQ=1")
    assert b'"3_0_0"' in t.wait(0.2)
    assert t.send("AT+QIOTUPDATE=1") == OK
    assert t.module.ota_state is S.SUBMITOTA


@pytest.mark.parametrize("saved", [False, True])
@pytest.mark.parametrize(("version", "code"), [(NEW, 10705), ("3_0_0", 10706), (OLD, 10706)])
def test_before_the_url_a_version_meets_the_target_of_the_upgrade_before(version, code, saved):
    t = second_upgrade()
    confirm_again(t)
    if saved:
        t.reload()
    assert t.send(f'AT+QIOTMCUVER="{COMPONENT}","{version}"') == OK + urc(f"7,{code}")


@pytest.mark.parametrize(("survives", "code"), [(True, 10705), (False, 10706)])
def test_the_old_target_after_a_reboot(survives, code):
    t = second_upgrade(old_target_survives_reboot=survives)
    reboot(t)
    t.wait(60)
    confirm_again(t)
    assert t.send(f'AT+QIOTMCUVER="{COMPONENT}","{NEW}"') == OK + urc(f"7,{code}")


def test_after_the_url_the_new_target_counts():
    t = second_upgrade()
    confirm_again(t)
    assert b"7,10701" in t.wait(0.5)
    assert t.send(f'AT+QIOTMCUVER="{COMPONENT}","3_0_0"') == OK + urc("7,10705")


def test_the_next_component_of_a_plan_meets_the_target_of_the_first():
    plans = [make_plan(), make_plan(component="other", target_version="9")]
    t = Terminal(plans=plans, options=ModuleOptions(echo=False, update_flag=Flag.NEVER))
    t.ok('AT+QIOTMCUVER="other","8"')
    t.updating()
    assert urc("7,10705") in t.send(f'AT+QIOTMCUVER="{COMPONENT}","{NEW}"')
    assert t.module.ota_state is S.SUBMITOTA
    assert t.send(f'AT+QIOTMCUVER="other","{NEW}"') == OK + urc("7,10705")


def test_other_components_are_no_verdict():
    t = Terminal().downloaded()
    assert t.send('AT+QIOTMCUVER="other","9"') == OK
    assert t.module.ota_state is S.DOWNLOADSUCCESS


def test_deleting_the_component_fails_the_upgrade():
    assert Terminal().downloaded().send('AT+QIOTMCUVER="STM32",""') == OK + urc("7,10706")


# --- timers -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reach", "options", "limit_s", "said"),
    [
        (Terminal.confirmed, {"url_delay_s": None}, 30, urc("7,10706")),
        (Terminal.downloaded, {}, 60, urc("7,10706")),
        (Terminal.updating, {}, 1200, urc("7,10706")),
    ],
)
def test_limits(reach, options, limit_s, said):
    t = reach(Terminal(options=ModuleOptions(echo=False, **options)))
    reached_s = t.now_s
    assert t.module.next_deadline() == pytest.approx(reached_s + limit_s)
    assert t.wait(limit_s - 0.001) == b""
    assert t.wait(0.002) == said
    assert t.module.ota_state is S.NOPLAN
    assert t.center.state_of(t.plan) is ComponentState.FAILED


def test_each_read_in_range_restarts_the_gap():
    t = Terminal().downloaded()
    t.ok("AT+QIOTOTARD=0,1")
    for _ in range(5):
        assert t.wait(59) == b""
        t.ok("AT+QIOTOTARD=10,1024")
    assert t.wait(59) == b""
    assert t.send("AT+QIOTOTARD=2500,1024") == ERROR
    assert t.wait(1) == urc("7,10706")


def test_no_header_is_a_download_error_and_the_sixth_fails():
    t = Terminal(options=ModuleOptions(echo=False, header_delay_s=None)).starting()
    assert t.wait(5 + 10) == urc("7,10702")
    for _ in range(4):
        assert t.wait(5 + 10) == urc("7,10702")
    assert t.wait(5) == urc("7,10706")


@pytest.mark.parametrize(("failing", "code"), [(1, b"10703"), (5, b"10703"), (6, b"10706")])
def test_silent_retries(failing, code):
    t = Terminal(faults=Faults(failing_downloads=failing)).confirmed()
    said = t.wait(200 if failing == 6 else 5 * failing + 10 * failing + 3)
    assert said.count(b"7,10701") == 1
    assert code in said
    assert said.count(b"7,10702") == min(failing, 5) + (failing < 6)


def test_downloading_again_every_5_s():
    options = ModuleOptions(echo=False, download_bytes_per_s=100)
    t = Terminal(make_plan(2500), options).downloading()
    assert t.wait(24.9) == urc("7,10702") * 4
    assert t.wait(0.2) == urc('7,10703,"STM32",2500,0,2500')


def test_pushed_unasked():
    t = Terminal(options=ModuleOptions(echo=False, push_interval_s=600)).online()
    assert t.wait(599) == b""
    assert b"7,10700" in t.wait(1)


def test_confirm_race():
    t = Terminal(options=ModuleOptions(echo=False, confirm_race_s=0.1)).offered()
    assert t.send("AT+QIOTUPDATE=1") == ERROR
    t.wait(0.1)
    assert t.send("AT+QIOTUPDATE=1") == OK


# --- reads, requests, versions, settings ------------------------------------------------------


def test_reads_are_clipped_by_option():
    t = Terminal(make_plan(9000), ModuleOptions(echo=False, max_read=4096)).downloaded()
    assert t.send("AT+QIOTOTARD=1,9000") == answer(1, t.plan.package.data[1:4097])
    assert t.send("AT+QIOTOTARD=0,0") == ERROR
    assert t.ok("AT+QIOTOTARD=?") == b"\r\n+QIOTOTARD: 0,(1-4096)\r\n\r\nOK\r\n"


def test_empty_read_by_option():
    t = Terminal(options=ModuleOptions(echo=False, empty_read_is_error=False)).online()
    assert t.send("AT+QIOTOTARD=5,10") == answer(5, b"")


@pytest.mark.parametrize(
    ("requests", "with_sha"), [(["=1"], True), (["=0"], False), (["=1", ""], False)]
)
def test_the_sha256_flag(requests, with_sha):
    t = Terminal().online()
    for request in requests:
        t.ok(f"AT+QIOTOTAREQ{request}")
    t.wait(1)
    t.ok("AT+QIOTUPDATE=1")
    assert (t.plan.package.sha256.hex().encode() in t.wait(1)) is with_sha
    assert t.send("AT+QIOTOTAREQ=2") == ERROR


def test_a_request_during_an_upgrade_is_silent():
    t = Terminal().downloaded()
    t.ok("AT+QIOTOTAREQ=1")
    assert t.wait(1) == b""


@pytest.mark.parametrize(
    "command",
    [
        f'AT+QIOTMCUVER="{"c" * 33}","1"',
        f'AT+QIOTMCUVER="c","{"1" * 65}"',
        'AT+QIOTMCUVER="","1"',
        'AT+QIOTMCUVER="a:b","1"',
        'AT+QIOTMCUVER="a","1;2"',
        'AT+QIOTMCUVER="nobody"',
        "AT+QIOTMCUVER=1,2",
        "AT+QIOTREG=3",
        "AT+QIOTOTARD=0",
        "AT+NOSUCH",
        "garbage",
    ],
)
def test_refused(command):
    assert Terminal().send(command) == ERROR


def test_version_list():
    t = Terminal()
    assert t.send("AT+QIOTMCUVER?") == OK
    t.ok('AT+QIOTMCUVER="a","1"')
    t.ok('AT+QIOTMCUVER="b","2"')
    assert t.ok("AT+QIOTMCUVER?") == (
        b'\r\n+QIOTMCUVER: "a","1"\r\n+QIOTMCUVER: "b","2"\r\n\r\nOK\r\n'
    )
    assert t.ok('AT+QIOTMCUVER="b"') == b'\r\n+QIOTMCUVER: "b","2"\r\n\r\nOK\r\n'
    t.ok('AT+QIOTMCUVER="a",""')
    assert t.module.versions == {"b": "2"}
    for index in range(4):
        t.ok(f'AT+QIOTMCUVER="{index:032}","{"v" * 64}"')
    assert t.send(f'AT+QIOTMCUVER="{9:032}","{"v" * 64}"') == OK
    assert t.send(f'AT+QIOTMCUVER="{8:032}","{"v" * 64}"') == ERROR  # 512 bytes


def test_versions_in_one_line():
    t = Terminal(options=ModuleOptions(echo=False, versions_in_one_line=True))
    t.ok('AT+QIOTMCUVER="A","1"')
    t.ok('AT+QIOTMCUVER="B","2"')
    assert b'\r\n+QIOTMCUVER: "A:1;B:2"\r\n' in t.ok("AT+QIOTMCUVER?")


def test_echo_and_plain_commands():
    t = Terminal(options=ModuleOptions())
    assert t.send("AT+CSQ") == b"AT+CSQ\r\r\n+CSQ: 20,99\r\n\r\nOK\r\n"
    assert t.send("ATE0") == b"ATE0\r" + OK
    assert t.send("AT") == OK
    assert t.send("ATE1") == OK
    assert t.send("AT") == b"AT\r" + OK
    assert b"+CGATT: 1" in t.ok("AT+CGATT?")
    assert b"sdk_ver,2.9.0" in t.ok("AT+QIOTINFO?")


def test_settings_and_registration():
    t = Terminal(options=ModuleOptions(echo=False, product_key=""))
    assert t.send("AT+QIOTREG=1") == ERROR
    t.ok('AT+QIOTCFG="productinfo","pk","ps"')
    assert b'"productinfo","pk","ps","1.0"' in t.ok('AT+QIOTCFG="productinfo"')
    t.ok("AT+QIOTREG=1")
    assert b"+QIOTSTATE: 5" in t.ok("AT+QIOTSTATE?")
    t.wait(1)
    assert b"+QIOTSTATE: 8" in t.ok("AT+QIOTSTATE?")
    assert t.send("AT+QIOTREG=1") == OK
    assert t.send('AT+QIOTCFG="productinfo","pk","ps"') == ERROR
    assert b"+QIOTREG: 1" in t.ok("AT+QIOTREG?")
    assert t.send("AT+QIOTREG=0") == OK + urc("6,10200")
    assert b"+QIOTSTATE: 11" in t.ok("AT+QIOTSTATE?")


# --- link and power ---------------------------------------------------------------------------


def test_link_loss_keeps_the_state_and_caches_one_status():
    t = Terminal().downloaded()
    t.module.lose_link(t.now_s, back_after_s=100)
    assert t.wait(3) == b""
    t.ok("AT+QIOTOTARD=0,1")
    t.ok("AT+QIOTUPDATE=3")
    assert t.center.state_of(t.plan) is ComponentState.DOWNLOADED
    assert b"3,10200" in t.wait(100)
    assert t.center.state_of(t.plan) is ComponentState.UPGRADING


def test_verdict_while_offline_is_told_later():
    t = Terminal().updating()
    t.module.lose_link(t.now_s, back_after_s=100)
    assert t.send('AT+QIOTMCUVER="STM32","2_0_0"') == OK + urc("7,10705")
    assert t.center.state_of(t.plan) is ComponentState.UPGRADING
    t.wait(100)
    assert t.center.state_of(t.plan) is ComponentState.SUCCESS
    t.ok("AT+QIOTOTAREQ=1")
    assert t.wait(1) == b""


def reboot(t: Terminal, off_s: float = 7) -> None:
    t.module.power_cut(t.now_s)
    assert t.module.next_deadline() is None
    assert t.send("AT") == b""
    assert t.wait(off_s) == b""
    t.module.power_on(t.now_s)
    assert t.send("AT") == b""  # boots


@pytest.mark.parametrize("state", [S.SUBMITOTA, S.DOWNLOADSTART, S.DOWNLOADING, S.DOWNLOADSUCCESS])
def test_power_cut_starts_the_download_over(state):
    t = REACHED[state](Terminal())
    reboot(t)
    said = t.wait(60)
    expected = [
        urc("2,10200"),
        urc("3,10200"),
        urc("7,10702"),
        urc("7,10702"),
        urc('7,10703,"STM32",2500,0,2500'),
    ]
    assert said == b"".join(expected)
    t.ok("AT+QIOTOTARD=0,1024")


def test_power_cut_on_the_second_piece_goes_back_to_the_first():
    t = Terminal(options=ModuleOptions(echo=False, piece_size=1250)).downloaded()
    t.ok("AT+QIOTUPDATE=2")
    assert b"1250,1250" in t.wait(10)
    reboot(t)
    assert urc('7,10703,"STM32",2500,0,1250') in t.wait(60)


def test_power_cut_while_updating():
    t = Terminal().updating()
    t.wait(1000)
    reboot(t)
    assert t.wait(2) == urc("7,10704")
    assert t.wait(1199) == urc("2,10200") + urc("3,10200")
    assert t.wait(1) == urc("7,10706")


def test_power_cuts_are_download_errors():
    t = Terminal().downloaded()
    for _ in range(5):
        reboot(t)
        assert b"7,10703" in t.wait(60)
    reboot(t)
    assert urc("7,10706") in t.wait(60)


def test_power_cut_while_the_plan_waits():
    t = Terminal().offered()
    reboot(t)
    t.wait(10)
    t.ok("AT+QIOTUPDATE=1")
    assert b"7,10701" in t.wait(1)


def test_power_cut_in_manual_mode_stays_offline():
    t = Terminal().online()
    t.ok("AT+QIOTREG=1")
    reboot(t)
    assert t.wait(100) == b""
    assert t.module.versions == {COMPONENT: OLD}
    assert t.send("AT+QIOTOTAREQ=1") == ERROR
    t.ok("AT+QIOTREG=1")
    assert b"3,10200" in t.wait(1)


# --- saved state ------------------------------------------------------------------------------


def to_the_end(t: Terminal) -> bytes:
    """All that a module says from here until success, with a host that does what is due."""
    said = b""
    for _ in range(40):
        said += t.wait(0.37)
        state = t.module.ota_state
        if state is S.REVICEPLAN:
            said += t.send("AT+QIOTUPDATE=1")
        elif state is S.DOWNLOADSUCCESS:
            said += t.send("AT+QIOTOTARD=0,1024") + t.send("AT+QIOTOTARD=1250,1024")
            last = t.send("AT+QIOTUPDATE=3")
            said += last if last.startswith(OK) else last + t.send("AT+QIOTUPDATE=2")
        elif state is S.UPDATING:
            said += t.send('AT+QIOTMCUVER="STM32","2_0_0"')
    assert t.center.state_of(t.plan) is ComponentState.SUCCESS
    return said


@pytest.mark.parametrize("state", REACHED)
def test_save_and_load_in_every_state(state):
    options = ModuleOptions(echo=False, piece_size=1250 if state is not S.UPDATING else None)
    one, two = REACHED[state](Terminal(options=options)), REACHED[state](Terminal(options=options))
    for t in (one, two):
        if state is S.NOPLAN:
            t.send("AT+QIOTOTAREQ=1")  # the answer waits, the plan is under way
        t.module.receive(b"AT+CS", t.now_s)
    two.reload()
    assert two.module.ota_state is one.module.ota_state
    assert one.send("Q") == two.send("Q") != b""
    assert to_the_end(one) == to_the_end(two)
    kept = [[(c.component, c.state) for c in t.center.history] for t in (one, two)]
    assert kept[0] == kept[1]


def test_saved_state_is_json_without_the_package():
    t = Terminal(make_plan(5000)).downloaded()
    text = json.dumps([t.module.save(t.now_s), t.center.save(t.now_s)])
    assert len(text) < 2500


def test_saved_while_off():
    t = Terminal().downloaded()
    t.module.power_cut(t.now_s)
    t.reload()
    assert not t.module.powered
    t.module.power_on(t.now_s)
    assert b"7,10703" in t.wait(60)


# --- the center -------------------------------------------------------------------------------


def test_history():
    t = Terminal().updating()
    t.ok('AT+QIOTMCUVER="STM32","2_0_0"')
    assert [change.state.value for change in t.center.history] == [
        "plan received", "device confirmed", "waiting download", "downloading",
        "downloaded", "upgrading", "success",
    ]  # fmt: skip


def test_refused_plan_comes_again_after_the_period():
    t = Terminal().offered()
    t.ok("AT+QIOTUPDATE=0")
    assert t.center.state_of(t.plan) is ComponentState.REFUSED
    t.ok("AT+QIOTOTAREQ=1")
    assert t.wait(7100) == b""
    t.ok("AT+QIOTOTAREQ=1")
    assert t.wait(100) == b""
    t.ok("AT+QIOTOTAREQ=1")
    assert b"7,10700" in t.wait(1)


def test_failed_plan_is_offered_again_until_the_retries_are_used_up():
    t = Terminal(make_plan(retry_times=2)).online()
    for offered in (True, True, True, False):
        t.ok("AT+QIOTOTAREQ=1")
        assert (b"7,10700" in t.wait(1)) is offered
        if offered:
            t.ok("AT+QIOTUPDATE=1")
            assert b"10706" in t.ok('AT+QIOTMCUVER="STM32","1_0_0"')


@pytest.mark.parametrize(
    ("fields", "versions", "offered"),
    [
        ({}, {COMPONENT: OLD}, True),
        ({}, {COMPONENT: NEW}, False),
        ({}, {}, False),
        ({}, {"other": OLD}, False),
        ({"source_version": OLD}, {COMPONENT: OLD}, True),
        ({"source_version": "0"}, {COMPONENT: OLD}, False),
    ],
)
def test_who_is_offered_what(fields, versions, offered):
    plan = make_plan(**fields)
    assert (SingleDeviceCloud([plan]).offer(versions, 0.0) is plan) is offered


def test_a_wrong_digest_is_announced():
    plan = make_plan(package=Package(package_bytes(2500), md5=b"\1" * 16))
    t = Terminal(plan).confirmed()
    assert b"01" * 16 in t.wait(1)
