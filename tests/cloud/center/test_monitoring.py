"""Counts and pages of devices by SQL: what ``monitor`` says of each device, for any campaign."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcu_updater.cloud.center import queries, rules
from mcu_updater.cloud.center.device_session import seen_states
from mcu_updater.cloud.center.lifecycle import PlanState
from mcu_updater.cloud.center.monitoring import (
    STAGE_ORDER,
    STAGES,
    ComponentView,
    DeviceState,
    DeviceView,
    Monitoring,
    device_state,
    device_view,
    devices_page,
    monitor,
    overview,
)
from mcu_updater.cloud.center.store import Store
from mcu_updater.cloud.single_device import ComponentState as C
from tests.cloud.center.centers import T0, center
from tests.cloud.center.drawn import DEVICES, PLANS, TEXTS, Campaign, campaigns, open_store


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Store]:
    """One of wall time and one of simulated time, to be written over."""
    folder: Path = tmp_path_factory.mktemp("drawn")
    return {kind: open_store(folder / f"{kind}.db", simulated=kind) for kind in (False, True)}


def views(seen: Monitoring, known: dict[str, str], plan: str | None) -> dict[str, DeviceView]:
    """By device; of all plans together where *plan* is None."""
    found: dict[str, list[ComponentView]] = defaultdict(list)
    saved = {one.name for one in seen.plans if one.state is PlanState.SAVED}
    for one in seen.plans:
        for device in one.devices if plan in (None, one.name) else ():
            found[device.device] += device.components
    ids = known if plan is None else found
    seen_of: dict[str, DeviceView] = {}
    for name in sorted(ids):
        counted = [c for c in found[name] if c.plan not in saved] or found[name]
        state = device_state([c.state for c in counted])
        seen_of[name] = DeviceView(name, state, tuple(found[name]))
    return seen_of


def ascii_lower(text: str) -> str:
    return "".join(c.lower() if c.isascii() else c for c in text)


@settings(max_examples=150)
@given(campaigns, st.booleans())
def test_the_overview_counts_what_monitor_lists(stores, campaign: Campaign, simulated: bool):
    store = stores[simulated]
    campaign.write(store)
    now_s = None if simulated else campaign.now_s
    seen = monitor(campaign.center, store, now_s)
    counted = overview(campaign.center, store, now_s)
    for plan, summary in zip(seen.plans, counted, strict=True):
        assert (summary.name, summary.product) == (plan.name, plan.product)
        assert (summary.state, summary.targets) == (plan.state, plan.targets)
        assert summary.counts == plan.counts
        assert summary.component_counts == plan.component_counts
        assert (summary.devices, summary.success_rate) == (len(plan.devices), plan.success_rate)
        assert overview(campaign.center, store, now_s, plan=plan.name) == (summary,)
        assert sum(summary.stages.values()) == sum(plan.component_counts.values())


@settings(max_examples=150)
@given(
    campaigns,
    st.booleans(),
    st.sampled_from([None, *PLANS]),
    st.sampled_from([None, *DeviceState]),
    st.sampled_from([None, *STAGE_ORDER]),
    st.sampled_from(TEXTS),
    st.integers(1, 4),
)
def test_pages_have_the_devices_that_monitor_lists(
    stores, campaign: Campaign, simulated: bool, plan, state, stage, text, limit
):
    store = stores[simulated]
    campaign.write(store)
    now_s = None if simulated else campaign.now_s
    seen = monitor(campaign.center, store, now_s)
    expected = [
        view
        for device, view in views(seen, campaign.known, plan).items()
        if ascii_lower(text) in ascii_lower(device)
        and state in (None, view.state)
        and (stage is None or any(stage == c.stage for c in view.components))
    ]
    found: list[DeviceView] = []
    after, befores, lasts = None, [""], []
    while True:
        page = devices_page(
            campaign.center,
            store,
            now_s,
            plan=plan,
            state=state,
            stage=stage,
            text=text,
            after=after,
            limit=limit,
        )
        assert (page.total, page.start) == (len(expected), len(found))
        assert page.previous == (befores[-2] if len(befores) > 1 else None)
        found += page.views
        lasts.append(page.last)
        if page.next is None:
            break
        after = page.next
        befores.append(after)
    assert found == expected
    assert lasts == [after] * (len(lasts) - 1) + [None]


@given(campaigns)
def test_every_filter_finds_what_monitor_says(stores, campaign: Campaign):
    store, now_s = stores[False], campaign.now_s
    campaign.write(store)
    seen = monitor(campaign.center, store, now_s)
    for plan in (None, *PLANS):
        all_of_it = views(seen, campaign.known, plan).values()
        for state in DeviceState:
            page = devices_page(campaign.center, store, now_s, plan=plan, state=state)
            assert list(page.views) == [view for view in all_of_it if view.state is state]
        for stage in STAGE_ORDER:
            page = devices_page(campaign.center, store, now_s, plan=plan, stage=stage)
            there = [v for v in all_of_it if stage in [c.stage for c in v.components]]
            assert list(page.views) == there


@given(campaigns, st.sampled_from(DEVICES))
def test_one_device_is_what_it_is_in_the_page_of_all(stores, campaign: Campaign, device: str):
    campaign.write(stores[False])
    page = devices_page(campaign.center, stores[False], campaign.now_s, limit=99)
    expected = {view.device: view for view in page.views}
    assert device_view(campaign.center, stores[False], device, campaign.now_s) == expected.get(
        device
    )


def test_a_page_after_a_device_that_is_gone_begins_behind_where_it_was(stores):
    store = stores[False]
    with store.transaction():
        for table in ("device", "entry"):
            store._db.execute(f"DELETE FROM {table}")
        for name in ("a", "b", "d"):
            store.add_device(name, "p", [])
    page = devices_page(center(), store, T0, after="c", limit=2)
    assert [view.device for view in page.views] == ["d"]
    assert (page.total, page.start, page.next, page.previous) == (3, 2, None, "")
    assert devices_page(center(), store, T0, after="z").views == ()


def test_every_state_has_a_stage_and_a_rank():
    assert set(STAGES) == set(C)
    assert set(STAGES.values()) == set(STAGE_ORDER)
    assert {queries.rank_of(state) for state in C} == set(queries.Rank)


def test_drawn_campaigns_have_what_time_ends(stores):
    """Else the tests above would compare little."""
    found = set()

    @given(campaigns)
    def look(campaign: Campaign) -> None:
        campaign.write(stores[False])
        states = seen_states(campaign.center, stores[False], campaign.now_s)
        for (_, (name, _)), entry in campaign.entries.items():
            plan = campaign.center.plan(name)
            if plan is not None:
                found.add(
                    rules.why_close(campaign.center, plan, states[name], entry, campaign.now_s)
                )

    look()
    assert found == {
        "",
        "no result within 48 hours",
        "the plan is ended",
        "the plan is terminated",
    }
