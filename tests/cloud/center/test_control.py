"""What the owner may do with one device: said before it is tried, and true."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcu_updater.cloud.center.control import DeviceAction, act_on_device, why_not
from mcu_updater.cloud.center.store import Store
from mcu_updater.core.errors import UsageError
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
    for plan in campaign.center.plans:
        campaign.write(store)
        if said.get(plan.name, {}).get(action) == "":
            assert act_on_device(campaign.center, store, plan.name, device, action, campaign.now_s)
        else:
            with pytest.raises(UsageError):
                act_on_device(campaign.center, store, plan.name, device, action, campaign.now_s)


def test_each_reason_is_said(store: Store):
    found: set[str] = set()

    @given(campaigns)
    def look(campaign: Campaign) -> None:
        campaign.write(store)
        with store.snapshot():
            for device in campaign.known:
                for said in why_not(campaign.center, store, device, campaign.now_s).values():
                    found.update(*(text.split("; ") for text in said.values()))

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
