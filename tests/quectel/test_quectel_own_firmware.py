"""The module's own firmware: it downloads, checks and installs it by itself, if the host says yes.

QuecThing's documents call that FOTA, and an MCU's upgrade SOTA.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mcu_updater.cloud.single_device import ComponentState, Plan, SingleDeviceCloud
from mcu_updater.quectel.emulated.module import EmulatedModule
from mcu_updater.quectel.emulated.options import Faults, ModuleOptions, Order
from tests.quectel.quectel_bench import COMPONENT, NEW, OLD, Terminal, make_plan
from tests.quectel.test_quectel_module import ERROR, OK, S, urc

OLD_OWN, NEW_OWN = "FC41DAAR12A01_QTH", "FC41DAAR12A03_QTH"
OWN = replace(
    make_plan(6000, component="app"), target_version=NEW_OWN, source_version=OLD_OWN, own=True
)
OPTIONS: dict[str, Any] = {"echo": False, "product_version": OLD_OWN}
BOOTED_S = 30 + 2  # it installs, and boots


def offered(plans: list[Plan] | None = None, mode: int = 2, **options) -> Terminal:
    t = Terminal(plans=plans or [OWN], options=ModuleOptions(**OPTIONS | options))
    t.ok(f'AT+QIOTMCUVER="{COMPONENT}","{OLD}"')
    t.ok(f"AT+QIOTREG={mode}")
    t.wait(1)
    t.ok("AT+QIOTOTAREQ=1")
    assert urc(f'7,10700,"app","{OLD_OWN}","{NEW_OWN}",30,-113,6000') in t.wait(0.2)
    return t


def test_the_whole_of_it():
    """Events without arguments; then it is gone for a while, and another."""
    t = offered()
    t.ok("AT+QIOTUPDATE=1")
    said = t.until(urc("7,10704"))
    assert said.startswith(urc("7,10701") + urc("7,10702"))
    assert said.endswith(urc("7,10703") + urc("7,10704"))
    assert t.wait(BOOTED_S - 1) == b""
    assert t.send("AT") == b""  # it boots
    said = t.wait(1)
    assert said.startswith(urc("7,10704") + urc("7,10705"))
    assert f"+QIOTINFO: version,{NEW_OWN}".encode() in t.ok("AT+QIOTINFO?")
    t.wait(2)
    assert t.center.state_of(OWN) is ComponentState.SUCCESS
    t.ok("AT+QIOTOTAREQ=1")
    assert t.wait(60) == b""  # it reports the new version: nothing is due


def test_no_action_and_no_read_is_for_it():
    """2 and 3 are for components of type MCU, and it has nothing for a host to read."""
    t = offered()
    t.ok("AT+QIOTUPDATE=1")
    for state in (S.SUBMITOTA, S.DOWNLOADSTART, S.DOWNLOADING, S.UPDATING):
        while t.module.ota_state is not state:
            deadline_s = t.module.next_deadline()
            assert deadline_s is not None
            t.now_s = deadline_s
            t.wait(0)
        for command in ("AT+QIOTUPDATE=2", "AT+QIOTUPDATE=3", "AT+QIOTOTARD=0,16"):
            assert t.send(command) == ERROR


def test_a_version_of_an_mcu_is_no_verdict_of_it():
    t = offered()
    t.ok("AT+QIOTUPDATE=1")
    assert t.send('AT+QIOTMCUVER="app","x"') == OK
    assert urc("7,10704") in t.until(urc("7,10704"))


def test_it_comes_in_one_piece_whatever_the_room_for_packages():
    t = offered(piece_size=1000)
    t.ok("AT+QIOTUPDATE=1")
    assert t.until(urc("7,10704")).count(urc("7,10703")) == 1


@pytest.mark.parametrize("digest", ["md5", "sha256"])
def test_a_damaged_package_is_found_by_the_module(digest):
    damage: dict[str, Any] = {digest: b"?" * 32}
    wrong = replace(OWN, package=replace(OWN.package, **damage))
    t = offered([wrong])
    t.ok("AT+QIOTUPDATE=1")
    said = t.until(urc("7,10706"))
    assert urc("7,10704") not in said
    assert f"+QIOTINFO: version,{OLD_OWN}".encode() in t.ok("AT+QIOTINFO?")
    assert t.center.state_of(wrong) is ComponentState.FAILED


def test_a_refusal():
    t = offered()
    t.ok("AT+QIOTUPDATE=0")
    assert t.wait(100) == b""
    assert t.center.state_of(OWN) is ComponentState.REFUSED


def test_a_power_cut_while_it_installs_costs_time_only():
    t = offered()
    t.ok("AT+QIOTUPDATE=1")
    t.until(urc("7,10704"))
    t.wait(29)
    t.module.power_cut(t.now_s)
    t.module.power_on(t.now_s)
    assert t.wait(2) == urc("7,10704")
    assert urc("7,10705") in t.wait(BOOTED_S)


def test_the_modules_own_mode_1_leaves_it_offline_and_the_success_is_told_later():
    t = offered(mode=1)
    t.ok("AT+QIOTUPDATE=1")
    t.until(urc("7,10705"))
    assert t.center.state_of(OWN) is ComponentState.UPGRADING
    t.ok("AT+QIOTREG=1")
    t.wait(1)
    assert t.center.state_of(OWN) is ComponentState.SUCCESS


def test_what_was_begun_goes_on_in_another_process():
    t = offered()
    t.ok("AT+QIOTUPDATE=1")
    t.until(urc("7,10704"))
    t.reload()
    assert urc("7,10705") in t.wait(BOOTED_S)
    saved = t.module.save(t.now_s)
    center = SingleDeviceCloud([OWN])
    again = EmulatedModule.load(saved, center, t.options, Faults(), t.now_s)
    again.receive(b"AT+QIOTINFO?\r\n", t.now_s + 5)
    assert NEW_OWN.encode() in again.transmit()


@pytest.mark.parametrize("order", [Order.BEFORE, Order.AFTER])
def test_the_modems_line_near_the_end(order):
    t = offered(fota_end=order)
    t.ok("AT+QIOTUPDATE=1")
    said = t.until(urc("7,10705"))
    said += t.wait(0)
    end, success = b'+QIND: "FOTA","END",0', b"7,10705"
    assert (said.index(end) < said.index(success)) is (order is Order.BEFORE)


def test_first_the_module_then_the_mcu_with_one_answer():
    mcu = make_plan(700)
    t = offered([OWN, mcu])
    t.ok("AT+QIOTUPDATE=1")
    assert t.center.state_of(mcu) is ComponentState.CONFIRMED
    t.until(urc("7,10705"))
    assert urc(f'7,10703,"{COMPONENT}",700,0,700') in t.until(b"7,10703")
    t.ok("AT+QIOTUPDATE=3")
    assert urc("7,10705") in t.send(f'AT+QIOTMCUVER="{COMPONENT}","{NEW}"')
    assert t.center.state_of(mcu) is ComponentState.SUCCESS
    # It was offline when it had become another, and one status alone waits for the link: the MCU's.
    assert t.center.state_of(OWN) is ComponentState.UPGRADING
    t.ok("AT+QIOTOTAREQ=1")
    assert t.wait(1) == b""
    assert t.center.state_of(OWN) is ComponentState.SUCCESS  # by the version that it reports
