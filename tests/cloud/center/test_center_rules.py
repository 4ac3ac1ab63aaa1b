"""Who is offered what: the table of hurdles, and the small center as an oracle."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcu_updater.cloud.center.lifecycle import PlanState
from mcu_updater.cloud.center.model import Mode, Protocol, Strategy, Upgrade
from mcu_updater.cloud.center.rules import (
    HURDLES,
    LWM2M_LIMIT_S,
    Entry,
    Situation,
    Why,
    choose,
    judge,
    why_close,
)
from mcu_updater.cloud.single_device import ComponentState as C
from mcu_updater.cloud.single_device import Package, Plan, SingleDeviceCloud
from tests.cloud.center.centers import (
    COMPONENT,
    DEVICE,
    PRODUCT,
    T0,
    center,
    package,
    plan,
    product,
)

KEY = ("plan", COMPONENT)
OFFERED = None


def situation(**given) -> Situation:
    usual = {"product": PRODUCT, "device": DEVICE, "versions": {COMPONENT: "1.0"}, "now_s": T0}
    return Situation(**{**usual, **given})


def why(one=None, **given) -> Why | None:
    (judged,) = judge(center(one or plan()), situation(**given))
    return judged.why


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(T0 + seconds, UTC)


def test_reasons_and_hurdles_are_one_list():
    assert list(HURDLES) == list(Why)


@pytest.mark.parametrize(
    ("black", "white", "expected"),
    [
        ((), (), OFFERED),
        ((), (DEVICE,), OFFERED),
        ((), ("other",), Why.NOT_WHITELISTED),
        ((DEVICE,), (), Why.BLACKLISTED),
        ((DEVICE,), (DEVICE,), Why.BLACKLISTED),  # black wins
        (("other",), (), OFFERED),
        (("other",), (DEVICE,), OFFERED),
    ],
)
def test_lists(black, white, expected):
    assert why(plan(blacklist=black, whitelist=white)) is expected


@pytest.mark.parametrize(
    ("versions", "package_name", "only", "expected"),
    [
        ({COMPONENT: "1.0"}, "full", (), OFFERED),
        ({COMPONENT: "0.1"}, "full", (), OFFERED),
        ({COMPONENT: "2.0"}, "full", (), Why.AT_TARGET),
        ({"radio": "1.0"}, "full", (), Why.NO_VERSION),
        ({}, "full", (), Why.NO_VERSION),
        ({COMPONENT: "1.0"}, "delta", (), OFFERED),
        ({COMPONENT: "1.1"}, "delta", (), Why.OTHER_SOURCE),
        ({COMPONENT: "2.0"}, "delta", (), Why.AT_TARGET),
        ({COMPONENT: "1.0"}, "full", ("1.0", "0.9"), OFFERED),
        ({COMPONENT: "1.1"}, "full", ("1.0", "0.9"), Why.NOT_SPECIFIED),
        ({COMPONENT: "1.0"}, "many", (), Why.SEVERAL_FILES),
    ],
)
def test_versions_and_packages(versions, package_name, only, expected):
    one = plan()
    one = replace(one, upgrades=(Upgrade(COMPONENT, package_name, only),))
    assert why(one, versions=versions) is expected


def test_other_products_and_module_firmware():
    assert why(product="p2") is Why.PRODUCT
    one = plan(upgrades=(("modem", "modem"),))
    assert why(one, versions={"modem": "m1"}) is OFFERED
    assert why(one, versions={COMPONENT: "1.0"}) is Why.NO_VERSION


@pytest.mark.parametrize(
    ("begin", "end", "state", "expected"),
    [
        (-1, 1, PlanState.ACTIVE, OFFERED),
        (0, 1, PlanState.UPGRADING, OFFERED),
        (1, 2, PlanState.ACTIVE, Why.NOT_BEGUN),
        (-1, 1, PlanState.SAVED, Why.SAVED),
        (-1, 1, PlanState.PAUSED, Why.PAUSED),
        (-1, 1, PlanState.TERMINATED, Why.TERMINATED),
        (-2, -1, PlanState.ENDED, Why.ENDED),
    ],
)
def test_planned_time_and_states(begin, end, state, expected):
    one = plan(begin=at(begin), end=at(end))
    assert why(one, plans={"plan": state}) is expected


@pytest.mark.parametrize("state", [PlanState.PAUSED, PlanState.TERMINATED, PlanState.ENDED])
def test_who_has_confirmed_once_is_tried_again_whatever_became_of_the_plan(state):
    failed = Entry(C.FAILED, failures=1, confirmed_at_s=T0 - 9)
    assert why(entries={KEY: failed}, plans={"plan": state}) is OFFERED


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (Entry(), OFFERED),
        (Entry(C.RECEIVED), OFFERED),
        (Entry(C.CONFIRMED), Why.UNDER_WAY),
        (Entry(C.DOWNLOAD_FAILED), Why.UNDER_WAY),
        (Entry(C.UPGRADING), Why.UNDER_WAY),
        (Entry(C.FAILED, failures=1), OFFERED),
        (Entry(C.FAILED, failures=2), OFFERED),
        (Entry(C.FAILED, failures=3), Why.GIVEN_UP),
        (Entry(C.FAILED, closed="cancelled"), Why.CLOSED),
        (Entry(C.SUCCESS), OFFERED),  # and yet it reports an old version: it went back
    ],
)
def test_what_became_of_it(entry, expected):
    one = plan(strategy=Strategy(retries=2))
    assert why(one, entries={KEY: entry}) is expected


@pytest.mark.parametrize(
    ("given_plan", "waited_s", "expected"),
    [
        ({}, 0, Why.REFUSED),
        ({}, 7199, Why.REFUSED),
        ({}, 7200, OFFERED),  # counted from the push
        ({"rejection_minutes": 10}, 599, Why.REFUSED),
        ({"rejection_minutes": 10}, 600, OFFERED),
        ({"push": False}, 0, OFFERED),  # the period is that of pushed plans
    ],
)
def test_the_rejection_period(given_plan, waited_s, expected):
    refused = Entry(C.REFUSED, pushed_at_s=T0 - waited_s)
    assert why(plan(**given_plan), entries={KEY: refused}) is expected


def test_users_confirm_first():
    one = plan(mode=Mode.CONFIRMED)
    assert why(one) is Why.USER
    assert why(one, pushed=True) is Why.USER
    assert why(one, entries={KEY: Entry(user_confirmed=True)}) is OFFERED


@pytest.mark.parametrize(
    ("hours", "zone", "hour_utc", "expected"),
    [
        (None, "UTC", 3, True),
        ((2, 4), "UTC", 1, False),
        ((2, 4), "UTC", 2, True),
        ((2, 4), "UTC", 3, True),
        ((2, 4), "UTC", 4, False),
        ((22, 6), "UTC", 23, True),
        ((22, 6), "UTC", 5, True),
        ((22, 6), "UTC", 6, False),
        ((22, 24), "UTC", 23, True),
        ((22, 24), "UTC", 0, False),
        ((2, 4), "Asia/Shanghai", 18, True),
        ((2, 4), "Asia/Shanghai", 2, False),
    ],
)
def test_push_hours_are_for_pushes_alone(hours, zone, hour_utc, expected):
    now_s = datetime(2026, 3, 2, hour_utc, 30, tzinfo=UTC).timestamp()
    one = plan(push_hours=hours, timezone=zone)
    assert one.pushes_at(now_s) is expected
    assert why(one, now_s=now_s, pushed=True) is (OFFERED if expected else Why.HOURS)
    assert why(one, now_s=now_s) is OFFERED


def test_a_plan_that_is_not_pushed_must_be_asked_for():
    assert why(plan(push=False), pushed=True) is Why.NOT_PUSHED
    assert why(plan(push=False)) is OFFERED


def test_summer_time_is_that_of_the_plan():
    naive = datetime(2026, 7, 1, 12)
    assert (
        plan(begin=naive, timezone="Europe/Berlin").begin_s
        == datetime(2026, 7, 1, 10, tzinfo=UTC).timestamp()
    )


def test_the_first_plan_that_has_something_due_is_offered_with_all_its_components():
    plans = (
        plan("none", blacklist=(DEVICE,)),
        plan("two", ((COMPONENT, "full"), ("radio", "radio"))),
        plan("three"),
    )
    judged = judge(center(*plans), situation(versions={COMPONENT: "1.0", "radio": "r1"}))
    assert [one.key for one in choose(judged)] == [("two", COMPONENT), ("two", "radio")]
    judged = judge(center(*plans), situation(versions={COMPONENT: "1.0", "radio": "r2"}))
    assert [one.key for one in choose(judged)] == [("two", COMPONENT)]
    assert choose(judge(center(*plans), situation(versions={}))) == []


# --- what time ends


@pytest.mark.parametrize(
    ("entry", "state", "protocol", "expected"),
    [
        (Entry(), PlanState.UPGRADING, Protocol.MQTT, ""),
        (Entry(), PlanState.ENDED, Protocol.MQTT, "the plan is ended"),
        (Entry(C.REFUSED), PlanState.TERMINATED, Protocol.MQTT, "the plan is terminated"),
        (Entry(), PlanState.PAUSED, Protocol.MQTT, ""),
        (Entry(C.SUCCESS), PlanState.ENDED, Protocol.MQTT, ""),
        (Entry(C.NOT_REQUIRED), PlanState.ENDED, Protocol.MQTT, ""),
        (Entry(C.FAILED, failures=9), PlanState.ENDED, Protocol.MQTT, ""),
        (Entry(C.DOWNLOADING, confirmed_at_s=0.0), PlanState.ENDED, Protocol.MQTT, ""),
        (
            Entry(C.DOWNLOADING, confirmed_at_s=T0 - LWM2M_LIMIT_S),
            PlanState.UPGRADING,
            Protocol.LWM2M,
            "no result within 48 hours",
        ),
        (
            Entry(C.DOWNLOADING, confirmed_at_s=T0 - LWM2M_LIMIT_S + 1),
            PlanState.ENDED,
            Protocol.LWM2M,
            "",
        ),
    ],
)
def test_what_time_ends(entry, state, protocol, expected):
    one = center(products=(product(protocol=protocol),))
    assert why_close(one, one.plans[0], state, entry, T0) == expected


# --- the small center as an oracle

OTHERS = ["1.0", "1.1", "2.0"]
STATES = [state for state in C if state is not C.NOT_REQUIRED]
steps = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.sampled_from(OTHERS)),
        st.tuples(st.just("report"), st.sampled_from(STATES)),
        st.tuples(st.just("wait"), st.sampled_from([1, 300, 301, 600, 7200])),
    ),
    max_size=30,
)


@given(steps, st.booleans(), st.integers(0, 3), st.sampled_from([10, 120]))
def test_for_one_silent_plan_it_decides_as_the_small_center_does(
    history, delta: bool, retries: int, minutes: int
):
    """Offers are alike after any history of reports."""
    one = plan(
        upgrades=((COMPONENT, "delta" if delta else "full"),),
        strategy=Strategy(retries=retries),
        rejection_minutes=minutes,
    )
    old_plan = Plan(
        COMPONENT, "2.0", Package(b"x"), "1.0" if delta else "", 30, -113, retries, 60.0 * minutes
    )
    old, entry, now_s, pushed = SingleDeviceCloud([old_plan]), Entry(), T0, False
    for step, value in history:
        if step == "wait":
            now_s += value
        elif step == "report":
            old.report(old_plan, value, now_s)
            entry = entry.reported(value, now_s)
        else:
            seen = situation(versions={COMPONENT: value}, now_s=now_s, entries={KEY: entry})
            mine = choose(judge(center(one), seen))
            assert bool(mine) == (old.offer({COMPONENT: value}, now_s) is not None), (entry, pushed)
            if value == "2.0" and entry.state is C.NOT_RECEIVED:
                entry = entry.reported(C.NOT_REQUIRED, now_s)
            if mine:
                entry = replace(entry, pushed_at_s=now_s)


@given(st.sets(st.sampled_from("abcd")), st.sets(st.sampled_from("abcd")), st.sampled_from("abcd"))
def test_nobody_on_the_black_list_and_nobody_missing_on_the_white_list_is_offered(
    black, white, device
):
    one = plan(blacklist=tuple(sorted(black)), whitelist=tuple(sorted(white)))
    offered = why(one, device=device) is OFFERED
    assert offered == (device not in black and (not white or device in white))


def test_packages_are_checked_when_they_are_made():
    with pytest.raises(ValueError, match="a source version for a delta"):
        package(source="1.0")
    with pytest.raises(ValueError, match="an end after the begin"):
        plan(begin=at(0), end=at(0) - timedelta(seconds=1))
