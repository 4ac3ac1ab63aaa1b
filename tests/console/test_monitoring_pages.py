"""Monitoring without scripts: counts, filters, page after page, one device and what may be done."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from mcu_updater.cloud.center.monitoring import DevicesPage
from mcu_updater.cloud.center.store import Ended, Ending
from mcu_updater.cloud.single_device import ComponentState as C
from mcu_updater.console.addresses import address
from mcu_updater.console.pages import monitoring
from mcu_updater.console.pages.monitoring import PAGE, Filter, columns
from tests.console.campaigns import Devices, devices_of
from tests.console.consoles import client_of, console_of
from tests.console.html_page import Page, get
from tests.console.page_center import write_site

ODD = "<script>a</script>"
FORMULA = "=1+1"
CENTER = f"""\
[[products]]
key = "p1"
components = [{{ id = "STM32" }}, {{ id = "radio" }}]

[[packages]]
name = "two"
target = "2.0"
files = ["new.s19"]

[[packages]]
name = "r2"
target = "r2"
files = ["delta.bin"]

[[plans]]
name = "both"
product = "p1"
upgrades = [{{ component = "STM32", package = "two" }}, {{ component = "radio", package = "r2" }}]
strategy = {{ retries = 0 }}

[[plans]]
name = "a/b <b>"
product = "p1"
mode = "confirmed"
upgrades = [{{ component = "STM32", package = "two" }}]

[[devices]]
id = "d"
count = 230
product = "p1"
versions = {{ STM32 = "1.0" }}

[[devices]]
id = "{ODD}"
product = "p1"

[[devices]]
id = "{FORMULA}"
product = "p1"
"""
PLAN = "/monitoring/both"
OTHER = address("/monitoring", "a/b <b>")
PAGES = ("/monitoring", PLAN, OTHER, "/devices", "/devices/d-001", address("/devices", ODD))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_site(tmp_path_factory.mktemp("site"), CENTER)


@pytest.fixture(scope="module")
def devices(path: Path) -> Iterator[Devices]:
    """A success, a failure for good, one under way, and one that has refused."""
    with devices_of(path) as devices:
        devices.report("d-001", C.RECEIVED, C.CONFIRMED, C.DOWNLOADING, C.SUCCESS)
        devices.report("d-002", C.RECEIVED, C.CONFIRMED, C.FAILED)
        devices.report("d-003", C.RECEIVED, C.CONFIRMED, C.DOWNLOADING)
        devices.report("d-004", C.RECEIVED, C.REFUSED)
        yield devices


@pytest.fixture(scope="module")
def client(path: Path, devices: Devices) -> Iterator[TestClient]:
    with client_of(console_of(path)) as client:
        yield client


def ids(page: Page) -> list[str]:
    return [one.text for one in page.all("a") if "data-device" in one.attributes]


def link(page: Page, words: str) -> str:
    return next(a for a in page.all("a") if a.text == words).attributes["href"]


def test_the_start_page_is_monitoring(client: TestClient):
    answer = client.get("/")
    assert (answer.status_code, answer.headers["location"]) == (303, "/monitoring")


@pytest.mark.parametrize("url", PAGES)
def test_no_text_of_others_is_markup(client: TestClient, url: str):
    answer = client.get(url)
    assert answer.status_code == 200
    assert "<script>a" not in answer.text
    assert "<b>" not in answer.text.split("a/b ")[-1][:4]
    assert 'style="' not in answer.text  # nothing that the policy forbids
    assert "onclick" not in answer.text


def test_plans_with_their_counts(client: TestClient):
    text = get(client, "/monitoring").text
    assert "both" in text
    assert "232 0 1 0.0%" in text  # d-001 has upgraded its first component alone
    bar = get(client, PLAN).one("svg").attributes["aria-label"]
    assert bar == (
        "Upgrades of both by stage: start 461, device confirmation 0, downloading 1, upgrading 0, "
        "success 1, failed 1"
    )


def test_every_device_is_on_one_page_and_in_order(client: TestClient):
    found: list[str] = []
    url = PLAN
    while True:
        page = get(client, url)
        shown = ids(page)
        assert f"{len(found) + 1} to {len(found) + len(shown)} of 232 devices" in page.text
        found += shown
        following = [a for a in page.all("a") if a.text == "Next"]
        if not following:
            break
        url = following[0].attributes["href"]
    assert len(found) == 232
    assert found == sorted(set(found))
    last = get(client, link(get(client, PLAN), "Last"))
    assert ids(last) == found[2 * PAGE :]
    back = link(last, "Previous")
    assert ids(get(client, back)) == found[PAGE : 2 * PAGE]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?state=upgrade+failed", ["d-002"]),
        ("?stage=success", ["d-001"]),
        ("?state=upgrading", ["d-001", "d-003"]),
        ("?q=D-00&stage=downloading", ["d-003"]),
        ("?q=%3Cscript%3E", [ODD]),
        ("?q=%25", []),
        ("?q=_", []),
        ("?q=d-22&state=&stage=", [f"d-22{n}" for n in range(10)]),
        ("?q=+d-230+&state=bogus&stage=1", ["d-230"]),
        ("?q=d-23&after=d-229", ["d-230"]),
    ],
)
def test_filters(client: TestClient, query: str, expected: list[str]):
    page = get(client, PLAN + query)
    assert ids(page) == expected
    if not expected:
        assert "No device matches." in page.text


def test_a_filter_stays_in_every_link_of_the_page(client: TestClient):
    page = get(client, PLAN + "?q=D-&state=not+upgraded")
    following = link(page, "Next")
    assert following == f"{PLAN}?q=D-&state=not+upgraded&after=d-103"
    table = link(page, "CSV")
    rows = list(csv.DictReader(io.StringIO(client.get(table).text)))
    assert len(rows) == 2 * 227
    assert {row["device_state"] for row in rows} == {"not upgraded"}


def test_the_table_is_read_piece_by_piece(client: TestClient, monkeypatch: pytest.MonkeyPatch):
    """And is whole, wherever the page is that it is asked from."""
    whole = client.get(PLAN + "/devices.csv?q=d-").text
    asked: list[str | None] = []

    def counted(self: Filter, *given: Any, **named: Any) -> DevicesPage:
        asked.append(self.after)
        return page_of(self, *given, **named)

    page_of = Filter.page
    monkeypatch.setattr(Filter, "page", counted)
    monkeypatch.setattr(monitoring, "BATCH", 100)
    answer = client.get(PLAN + "/devices.csv?q=d-&after=d-100")
    assert answer.text == whole
    assert "content-length" not in answer.headers
    assert asked == [None, "d-100", "d-200"]


def test_the_table_says_that_time_is_simulated():
    assert "changed_at_simulated" in columns(simulated=True)
    assert "changed_at" not in columns(simulated=True)


def test_the_table_is_csv_and_no_formula(client: TestClient):
    answer = client.get(PLAN + "/devices.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="devices.csv"'
    rows = list(csv.reader(io.StringIO(answer.text)))
    assert tuple(rows[0]) == columns(simulated=False)
    assert rows[0][9] == "changed_at_utc"
    assert len(rows) == 1 + 2 * 232
    assert next(row for row in rows if row[0] == "d-002") == [
        "d-002",
        "upgrade failed",
        "both",
        "STM32",
        "failed",
        "failed",
        "1.0",
        "2.0",
        "1",
        "2026-03-02 07:03:27",
        "failed",
    ]
    names = {row[0] for row in rows}
    assert f"'{FORMULA}" in names
    assert FORMULA not in names
    assert ODD in names


def test_fragments_are_what_a_script_puts_in_place(client: TestClient):
    for url in ("/monitoring", PLAN, "/devices", "/devices/d-001"):
        whole, part = client.get(url), client.get(url, params={"fragment": "1"})
        assert "<html" in whole.text
        assert "<html" not in part.text
        live = [
            one.attributes["id"]
            for one in Page(whole).all("section") + Page(whole).all("article")
            if "data-live" in one.attributes
        ]
        assert live
        assert all(f'id="{name}"' in part.text for name in live)


def test_the_drawer_is_in_the_page_of_its_address(client: TestClient):
    page = client.get(PLAN, params={"device": "d-002", "state": "upgrade failed"})
    assert '<article id="device" data-key="d-002"' in page.text
    assert 'aria-current="true">d-002' in page.text
    assert "<article" not in client.get(PLAN, params={"device": "nobody"}).text


def test_what_there_is_of_one_device(client: TestClient):
    text = get(client, "/devices/d-002").text
    assert "it failed, and the retries are used up" in text  # why it is not offered now
    assert "No: the plan needs no confirmation." in text
    assert "No: it has not failed." in text
    assert text.index("2026-03-02 07:03:27") < text.index("device confirmed")


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("/devices/nobody", 404),
        ("/monitoring/none", 404),
        ("/monitoring/none/devices.csv", 404),
        ("/monitoring/none?fragment=1", 404),
        ("/devices/nobody?fragment=1", 404),
    ],
)
def test_what_is_not_there(client: TestClient, url: str, status: int):
    assert client.get(url).status_code == status


def act(client: TestClient, device: str, url: str = "", **fields: str):
    return client.post(address("/devices", device, "act") + url, data=fields)


def test_actions_of_its_owner(client: TestClient, devices: Devices):
    done = act(client, "d-010", plan="both", action="cancel", back="/monitoring/both?q=d-01")
    assert (done.status_code, done.headers["location"]) == (303, "/monitoring/both?q=d-01")
    assert "cancelled by the owner" in get(client, "/devices/d-010").text
    again = act(client, "d-010", plan="both", action="cancel")
    assert again.status_code == 409
    assert "cancel is not possible" in again.text
    assert act(client, "d-002", plan="both", action="retry").status_code == 303
    assert devices.store.entries("d-002")["both", "STM32"].state is C.NOT_RECEIVED
    confirmed = act(client, "d-011", "?fragment=1", plan="a/b <b>", action="confirm")
    assert confirmed.status_code == 200
    assert "No: the user has confirmed already." in confirmed.text
    assert act(client, "d-011", plan="both", action="erase").status_code == 422
    assert act(client, "d-011", plan="none", action="cancel").status_code == 409
    assert act(client, "nobody", plan="both", action="cancel").status_code == 409
    assert act(client, "d-003", plan="both", action="cancel").status_code == 303  # its radio
    assert devices.store.entries("d-003")["both", "STM32"].state is C.DOWNLOADING


ELSEWHERE = (
    "//evil.example",
    "https://evil.example",
    "/\\evil",
    "/monitoring\\..",
    "",
    "javascript:",
)


@pytest.mark.parametrize(("number", "back"), list(enumerate(ELSEWHERE)))
def test_nobody_is_led_elsewhere(client: TestClient, number: int, back: str):
    done = act(client, f"d-02{number}", plan="both", action="cancel", back=back)
    assert done.headers["location"] == f"/devices/d-02{number}"


def test_how_devices_of_a_fleet_ended(client: TestClient, devices: Devices):
    with devices.store.transaction():
        for name, outcome in (("d-001", Ended.UPGRADED), ("d-002", Ended.FAILED)):
            devices.store.put_ending(Ending(name, outcome, "why <b>", "2.0", 2, 1, 3, "abcd"))
    page = get(client, PLAN)
    cells = [one.text for one in page.all("td", **{"class": "number"})]
    assert "How devices of the fleet ended" in page.text
    assert cells[:12] == ["1", "2", "1", "3", "1", "2", "1", "3", "2", "4", "2", "6"]
    assert (
        "failed: why <b>; cuts 2, faults 1, sessions 3; digest abcd"
        in get(client, "/devices/d-002").text
    )


def test_the_whole_log_is_one_click_away(client: TestClient, devices: Devices):
    for _ in range(40):
        devices.report("d-200", C.RECEIVED, C.CONFIRMED, C.FAILED)
    page = get(client, "/devices/d-200")
    whole = get(client, link(page, "The whole log"))
    assert len(page.all("li")) < len(whole.all("li"))
    assert whole.text.count("device confirmed") == 40


def test_a_filter_is_its_address():
    chosen = Filter("a&b", None, "success", "x")
    assert chosen.query() == "?q=a%26b&stage=success"
    assert chosen.query(stage=None, after="z") == "?q=a%26b&after=z"
    assert Filter().query() == "?"


def test_times_say_their_zone(client, devices):
    """Beside the list and in what is said of one device."""
    assert "Last change (UTC)" in client.get(PLAN).text
    drawer = client.get("/devices/d-002").text
    assert "Last change (UTC)" in drawer
    assert "Last change<" not in drawer
