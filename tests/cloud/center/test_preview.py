"""Who would be offered a plan: what the rules answer each device, told for all of them at once."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcu_updater.cloud.center import rules
from mcu_updater.cloud.center.device_session import fresh_states, look, open_state
from mcu_updater.cloud.center.lifecycle import PlanState
from mcu_updater.cloud.center.model import Device, UpgradePlan
from mcu_updater.cloud.center.preview import MAX_NAMED, Answer, Offer, answer_of, preview
from mcu_updater.cloud.center.rules import Situation, Why
from mcu_updater.cloud.center.store import Store
from tests.cloud.center.centers import COMPONENT, PRODUCT, T0, center, file_of, plan
from tests.cloud.center.drawn import (
    PLANS,
    Campaign,
    Draw,
    campaigns,
    campaigns_of_alike,
    open_store,
    seeds,
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder: Path = tmp_path_factory.mktemp("drawn")
    return open_store(folder / "center.db", simulated=False)


drafts = st.builds(
    lambda seed, name: Draw(seed).plan(name), seeds, st.sampled_from([*PLANS, "draft"])
)


def told(campaign: Campaign, store: Store | None, draft: UpgradePlan, pushed: bool):
    """By one device after the other, as the center would answer it."""
    at_s = max(campaign.now_s, draft.begin_s)
    others = [one for one in campaign.center.plans if one.name != draft.name]
    at = next((n for n, p in enumerate(campaign.center.plans) if p.name == draft.name), None)
    others.insert(len(others) if at is None else at, replace(draft, active=True))
    whole = replace(campaign.center, plans=tuple(others))
    described = {device.id: device for device in whole.devices}
    known = {one.id: one.product for one in whole.devices}
    known |= {} if store is None else store.devices()
    found: dict[Answer, list[str]] = defaultdict(list)
    for device, product in sorted(known.items()):
        versions = dict(described[device].versions) if device in described else {}
        if store is None:
            states = fresh_states(whole, at_s)
            situation = Situation(product, device, versions, at_s, pushed, plans=states)
            judged = rules.judge(whole, situation)
        else:
            versions |= store.versions(device)
            one = Device.__new__(Device)  # ids of no file: what the state file knows
            object.__setattr__(one, "id", device)
            object.__setattr__(one, "product", product)
            judged = look(whole, store, one, versions, at_s, pushed=pushed)
        found[answer_of(draft.name, judged)].append(device)
    return found


@settings(max_examples=150)
@given(campaigns, drafts, st.booleans(), st.booleans())
def test_all_at_once_are_told_what_each_would_be(
    store, campaign: Campaign, draft: UpgradePlan, pushed: bool, fresh: bool
):
    check(store, campaign, draft, pushed, fresh)


@settings(max_examples=150)
@given(campaigns_of_alike, st.booleans())
def test_devices_that_differ_in_one_fact_are_told_apart(store, campaign: Campaign, pushed: bool):
    for draft in campaign.center.plans:
        check(store, campaign, draft, pushed, fresh=False)


def check(store, campaign: Campaign, draft: UpgradePlan, pushed: bool, fresh: bool) -> None:
    if campaign.stored.get(draft.name) is PlanState.SAVED:
        campaign.stored[draft.name] = PlanState.ACTIVE  # the others' view of one to be activated
        campaign.write(store)
        expected = told(campaign, None if fresh else store, draft, pushed)
        campaign.stored[draft.name] = PlanState.SAVED
        campaign.write(store)
    else:
        campaign.write(store)
        expected = told(campaign, None if fresh else store, draft, pushed)
    seen = preview(campaign.center, None if fresh else store, draft, campaign.now_s, pushed=pushed)
    assert {answer: list(names) for answer, names in seen.first.items()} == dict(expected)
    assert seen.counts == {answer: len(names) for answer, names in expected.items()}


def test_answers_come_in_the_order_of_the_rules_with_some_of_the_devices():
    devices = tuple(Device(f"d{n:03}", PRODUCT, {COMPONENT: "1.0"}) for n in range(90))
    draft = plan("draft", blacklist=("d003",), active=False)
    seen = preview(center(devices=devices), None, draft, T0)
    assert list(seen.counts.items()) == [(Offer.LATER, 89), (Why.BLACKLISTED, 1)]
    assert len(seen.first[Offer.LATER]) == MAX_NAMED
    assert seen.devices == 90


def test_of_several_components_the_one_that_came_furthest_gives_the_reason():
    draft = plan(upgrades=((COMPONENT, "full"), ("radio", "radio")))
    devices = (
        Device("a", PRODUCT, {COMPONENT: "2.0"}),
        Device("b", PRODUCT, {COMPONENT: "2.0", "radio": "r1"}),
        Device("c", PRODUCT),
    )
    seen = preview(center(devices=devices), None, draft, T0)
    assert seen.first == {
        Offer.OFFERED: ("b",),
        Why.NO_VERSION: ("c",),
        Why.AT_TARGET: ("a",),
    }


def test_a_saved_plan_is_previewed_as_if_it_were_active_and_nothing_changes(tmp_path: Path):
    later = datetime.fromtimestamp(T0 + 999, UTC)
    saved = plan(active=False, begin=later)
    file = file_of(center(saved))
    store = open_state(file, tmp_path / "a.db", now_s=T0)
    before = list(store._db.iterdump())
    seen = preview(file.center, store, saved, T0)
    assert seen.at_s == T0 + 999
    assert seen.first == {Offer.OFFERED: ("d1",), Why.NO_VERSION: ("d2",)}
    assert list(store._db.iterdump()) == before
