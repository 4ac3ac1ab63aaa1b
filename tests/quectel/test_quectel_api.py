"""The seed's interface: its documented flow against the emulated module, and its return values."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mcu_updater.cloud.single_device import ComponentState, Package
from mcu_updater.quectel.api import EventType, OtaAction, OtaCode, QuecThing, split_value
from mcu_updater.quectel.emulated.options import Faults, ModuleOptions
from tests.places import ROOT, load_script
from tests.quectel.quectel_bench import COMPONENT, NEW, OLD, Session, make_plan, package_bytes

EXAMPLE = ROOT / "examples" / "quectel_sota.py"


def example():
    return load_script("quectel_sota", EXAMPLE)


def things(**given) -> tuple[Session, QuecThing]:
    session = Session(**given)
    return session, QuecThing(session.pipe, session.clock)


def run_example(session: Session, iot: QuecThing):
    flashed: list[bytes] = []
    application = example().Application(iot, COMPONENT, OLD, flashed.append)
    application.flashed = flashed
    application.start()
    while application.result is None:
        assert iot.process(60.0)
    return application


@pytest.mark.parametrize("piece_size", [None, 1000, 1024])
def test_the_documented_flow(piece_size):
    """Three pieces are what the published example cannot do."""
    session, iot = things(options=ModuleOptions(piece_size=piece_size))
    application = run_example(session, iot)
    assert application.result is OtaCode.UPDATE_OK
    assert application.flashed == [session.plan.package.data]
    assert session.center.state_of(session.plan) is ComponentState.SUCCESS
    assert iot.config_get_mcu_version(COMPONENT) == NEW


def test_a_damaged_package_is_reported_as_a_failure():
    plan = make_plan(package=Package(package_bytes(2500), md5=bytes(16)))
    session, iot = things(plan=plan)
    application = run_example(session, iot)
    assert application.result is OtaCode.UPDATE_FAIL
    assert not application.flashed
    assert session.module.versions == {COMPONENT: OLD}


def test_a_download_that_begins_anew():
    session, iot = things(
        options=ModuleOptions(piece_size=1000), faults=Faults(failing_downloads=1)
    )
    assert run_example(session, iot).image == session.plan.package.data


def test_a_plan_for_somebody_else_is_refused():
    session, iot = things()
    application = example().Application(iot, "ESP32", OLD, None)
    application.start()
    iot.config_set_mcu_version(COMPONENT, OLD)
    while iot.process(10.0):
        pass
    assert application.result is None
    assert session.center.state_of(session.plan) is ComponentState.REFUSED


# --- the calls one by one


@pytest.fixture
def connected():
    session, iot = things()
    events = []
    assert iot.init()
    assert iot.config_set_event_cb(lambda *event: events.append(event))
    assert iot.config_set_mcu_version(COMPONENT, OLD)
    assert iot.config_set_connmode(1)
    while iot.process(5.0):
        pass
    assert events == [(EventType.CONNECT, 10200, None), (EventType.SUBSCRIBE, 10200, None)]
    events.clear()
    return session, iot, events


def offered(iot, events):
    assert iot.cmd_ota_request(1)
    assert iot.process(5.0)
    assert events[-1] == (
        EventType.OTA,
        OtaCode.TASK_NOTIFY,
        f'"{COMPONENT}","","{NEW}",30,-113,2500',
    )


def until(iot, events, code):
    while not events or events[-1][1] != code:
        assert iot.process(60.0)


def test_actions_that_the_modules_state_does_not_allow_are_false(connected):
    _, iot, events = connected
    for action in (*OtaAction, 4, -1):
        assert not iot.cmd_ota_action(action)
    offered(iot, events)
    assert not iot.cmd_ota_action(OtaAction.UPDATING)
    assert iot.cmd_ota_action(OtaAction.CONFIRM)
    until(iot, events, OtaCode.DOWNLOADED)
    assert not iot.cmd_ota_action(OtaAction.NEXT_PIECE)
    assert not iot.cmd_ota_action(OtaAction.REFUSE)
    assert iot.cmd_ota_action(OtaAction.UPDATING)
    assert iot.cmd_ota_mcu_fw_data_read(0, 1024) == b""  # nothing can be read after it


def test_reads_are_absolute_clipped_and_checked(connected):
    session, iot, events = connected
    assert iot.cmd_ota_mcu_fw_data_read(0, 1024) == b""
    offered(iot, events)
    iot.cmd_ota_action(OtaAction.CONFIRM)
    until(iot, events, OtaCode.DOWNLOADED)
    data = session.plan.package.data
    assert iot.cmd_ota_mcu_fw_data_read(0, 9000) == data[:1024]
    assert iot.cmd_ota_mcu_fw_data_read(2048, 1024) == data[2048:]
    assert iot.cmd_ota_mcu_fw_data_read(2500, 1) == b""
    assert iot.cmd_ota_mcu_fw_data_read(-1, 1) == iot.cmd_ota_mcu_fw_data_read(0, 0) == b""


def test_the_sha256_comes_when_asked_for(connected):
    _, iot, events = connected
    iot.cmd_ota_request(0)
    iot.process(5.0)
    iot.cmd_ota_action(OtaAction.CONFIRM)
    until(iot, events, OtaCode.START)
    assert len(split_value(events[-1][2])) == 4


@pytest.mark.parametrize("one_line", [False, True])
def test_versions(one_line):
    _, iot = things(options=replace(ModuleOptions(), versions_in_one_line=one_line))
    assert iot.init()
    assert iot.config_get_mcu_version() == ""
    assert iot.config_set_mcu_version("STM32", "1_0")
    assert iot.config_set_mcu_version("ESP32", "2_0")
    assert iot.config_get_mcu_version() == "STM32:1_0;ESP32:2_0"
    assert iot.config_get_mcu_version("ESP32") == "2_0"
    assert iot.config_get_mcu_version("other") == ""
    for component, version in (("", "1"), ("a" * 33, "1"), ("a:b", "1"), ("a", "1;2"), ("a", "")):
        assert not iot.config_set_mcu_version(component, version)


def test_settings_are_refused_while_connected(connected):
    _, iot, _ = connected
    assert not iot.config_set_product_info("key", "secret")
    assert not iot.config_set_connmode(3)
    assert iot.config_set_connmode(0)
    assert iot.config_set_product_info("key", "secret")
    assert not iot.cmd_ota_request(1)


def test_without_a_callback_events_go_by():
    _, iot = things()
    iot.init()
    iot.config_set_connmode(1)
    assert iot.process(5.0)
    assert iot.process(5.0)
    assert not iot.process(1.0)


@pytest.mark.parametrize(
    "value, words",
    [
        (None, []),
        ('"STM32",27954,0,27954', ["STM32", "27954", "0", "27954"]),
        ('"a,b","",1', ["a,b", "", "1"]),
    ],
)
def test_values_are_split_without_their_quotes(value, words):
    assert split_value(value) == words


def test_quotes_that_do_not_match():
    with pytest.raises(ValueError, match="quotes do not match"):
        split_value('"STM32,1')
