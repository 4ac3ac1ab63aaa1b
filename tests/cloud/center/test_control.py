"""What the owner may do with one device: said before it is tried, and true."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcu_updater.cloud.center.control import DeviceAction, act_on_device, why_not
from mcu_updater.cloud.center.lifecycle import PlanState
from mcu_updater.cloud.center.rules import Entry
from mcu_updater.cloud.center.store import Store
from mcu_updater.cloud.single_device import ComponentState as C
from mcu_updater.core.errors import UsageError
from tests.cloud.center.centers import T0, center, plan
from tests.cloud.center.drawn import DEVICES, Campaign, campaigns, open_store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder: Path = tmp_path_factory.mktemp("drawn")
    return open_store(folder / "center.db", simulated=False)


@settings(max_examples=150)
@given(campaigns, st.sampled_from(DEVICES), st.sampled_from(DeviceAction))
def test_what_is_said_not_to_be_possible_is_refused_and_nothing_else(
    store: Store, campaign: Campaign, device: str, action: DeviceAction
):
    campaign.write(store)
    with store.snapshot():
        said = why_not(campaign.center, store, device, campaign.now_s)
    for one in campaign.center.plans:
        campaign.write(store)
        if said.get(one.name, {}).get(action) == "":
            assert act_on_device(campaign.center, store, one.name, device, action, campaign.now_s)
        else:
            with pytest.raises(UsageError):
                act_on_device(campaign.center, store, one.name, device, action, campaign.now_s)


def test_each_reason_is_said(store: Store):
    found: set[str] = set()

    @given(campaigns)
    def look(campaign: Campaign) -> None:
        campaign.write(store)
        with store.snapshot():
            for device in campaign.known:
                for said in why_not(campaign.center, store, device, campaign.now_s).values():
                    parts = [part for text in said.values() for part in text.split("; ")]
                    found.update(re.sub(r"^(STM32|radio|modem): ", "", part) for part in parts)

    look()
    assert {
        "",
        "the plan needs no confirmation",
        "the plan is ended",
        "the plan is terminated",
        "it has ended for this device",
        "the user has confirmed already",
        "it is under way: after a confirm nobody can call it off",
        "it has not failed",
        "it is offered again without that: retries are left",
        "a retry needs one that is upgrading",
    } <= found


def test_components_that_differ_are_named(store: Store, tmp_path: Path):
    both = plan(upgrades=(("STM32", "full"), ("radio", "radio")))
    entries = {"STM32": Entry(C.SUCCESS), "radio": Entry(C.DOWNLOADING, confirmed_at_s=T0)}
    with closing(open_store(tmp_path / "a.db", simulated=False)) as own:
        with own.transaction():
            own.put_plan("plan", 0, PlanState.ACTIVE, "")
            for component, entry in entries.items():
                own.put_entry("d1", ("plan", component), entry)
        with own.snapshot():
            said = why_not(center(both), own, "d1", T0)["plan"]
    assert said[DeviceAction.CANCEL] == (
        "STM32: it has ended for this device; "
        "radio: it is under way: after a confirm nobody can call it off"
    )
    assert said[DeviceAction.RETRY] == "it has not failed"
