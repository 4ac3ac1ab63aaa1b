"""Monitoring in a real browser, while devices in another process upgrade."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from mcu_updater.cloud.center.device_session import state_path
from mcu_updater.cloud.center.store import Store
from mcu_updater.cloud.single_device import ComponentState as C
from mcu_updater.console.addresses import address
from tests.command_processes import CommandProcess
from tests.console.browsing import AUDIT, PageDriver, colours
from tests.console.campaigns import Devices, devices_of
from tests.console.consoles import serving
from tests.console.page_center import write_site
from tests.console.test_monitoring_pages import CENTER, ODD
from tests.flash_emulator.explore.headless import Driver, console, requests, resize
from tests.places import ROOT

pytestmark = pytest.mark.judge("chromium")

PLAN = "/monitoring/both"
ALL = ("/monitoring", PLAN, f"{PLAN}?device=d-002", "/devices", address("/devices", ODD))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_site(tmp_path_factory.mktemp("site"), CENTER)


@pytest.fixture(scope="module")
def devices(path: Path) -> Iterator[Devices]:
    with devices_of(path) as devices:
        devices.report("d-002", C.RECEIVED, C.CONFIRMED, C.FAILED)
        yield devices


@pytest.fixture(scope="module")
def base(path: Path, devices: Devices) -> Iterator[str]:
    with serving(path) as (_, url):
        yield url.rstrip("/")


@pytest.fixture
def page(chromium: Driver, base: str) -> PageDriver:
    resize(chromium, 1280)
    colours(chromium, "light")
    console(chromium)
    return PageDriver(chromium, base)


def row(page: PageDriver, device: str) -> str:
    return str(page.css(f'tbody[data-key="{device}"]').text)


def is_live(page: PageDriver) -> bool:
    return page.css("#live").text in ("Live", "Connected again.")


@pytest.mark.parametrize("url", ALL)
def test_pages_are_readable_by_everybody(page: PageDriver, url: str):
    page.open(url)
    page.until(lambda: is_live(page))
    for scheme in ("light", "dark"):
        colours(page.driver, scheme)
        for width in (1280, 400):
            resize(page.driver, width)
            audit = page.script(AUDIT)
            assert audit["found"] == [], (url, scheme, width)
            assert audit["texts"] > 8
    assert console(page.driver) == []


def test_the_list_beside_a_device_has_room_for_what_a_fleet_says(page: PageDriver):
    """Its times are simulated, its devices have names of their own."""
    page.open(f"{PLAN}?device=d-003")
    page.until(lambda: is_live(page))
    resize(page.driver, 1280)
    page.script("""
        const all = (what) => document.querySelectorAll(`.devices ${what}`);
        const say = (what, text) => all(what).forEach((one) => { one.textContent = text; });
        say("thead th:last-child", "Last change (simulated time)");
        say("th a", "device-001");
        say("td .chip", "upgrade failed");
        say("time", "2026-03-02 11:04:45");
    """)
    assert page.script(AUDIT)["found"] == []
    lines = page.script(
        'return [...document.querySelectorAll(".devices th a")].map(a => a.getClientRects().length)'
    )
    assert set(lines) == {1}  # each id on one


def test_what_devices_do_is_seen_and_nothing_is_lost_that_a_reader_did(
    page: PageDriver, devices: Devices
):
    page.open(f"{PLAN}?device=d-003")
    page.until(lambda: is_live(page))
    page.css("#q").send_keys("d-00")
    page.until(lambda: "of 9 devices" in page.css(".range").text)
    page.css("article details summary").click()
    page.script("""
        window.kept = ["tbody[data-key=d-003]", "h1"].map((one) => document.querySelector(one));
        document.getElementById("drawer").scrollTop = 90;
        scrollTo(0, 120)""")
    place = page.script("return [scrollY, document.getElementById('drawer').scrollTop]")
    begin = time.monotonic()
    devices.report("d-003", C.RECEIVED, C.CONFIRMED, C.DOWNLOADING)
    page.until(lambda: "downloading" in row(page, "d-003"))
    assert time.monotonic() - begin < 4  # under a second where nothing else runs
    page.until(lambda: "downloading" in page.css("article .log").text)
    assert page.script("return kept[0].isConnected && kept[1].isConnected")
    assert page.script("return document.activeElement.id") in ("q", "")
    assert page.script("return [scrollY, document.getElementById('drawer').scrollTop]") == place
    assert page.script("return document.querySelector('[data-film]').open")
    assert page.css("#q").get_attribute("value") == "d-00"


def test_a_burst_of_reports_is_asked_for_twice_a_second_at_most(page: PageDriver, devices: Devices):
    page.open(PLAN)
    page.until(lambda: is_live(page))
    time.sleep(0.7)
    requests(page.driver)
    begin = time.monotonic()
    for number in range(100, 140):
        devices.report(f"d-{number}", C.RECEIVED, C.CONFIRMED, C.DOWNLOADING)
        time.sleep(0.02)
    devices.report("d-001", C.RECEIVED, C.CONFIRMED, C.DOWNLOADING)
    page.until(lambda: "downloading" in row(page, "d-001"))
    spent = time.monotonic() - begin
    asked = [url for url in requests(page.driver) if "fragment=1" in url]
    assert 1 <= len(asked) <= 2 * spent + 2


def test_the_drawer_opens_beside_the_list_and_closes(page: PageDriver):
    page.open("/monitoring")
    page.click("both")
    page.wait_for("both")
    page.until(lambda: is_live(page))
    page.click("d-002")
    page.until(lambda: page.css("#drawer h1").text == "d-002")
    assert "device=d-002" in page.driver.current_url
    page.until(lambda: page.script("return document.activeElement.textContent") == "d-002")
    page.click("Next")
    page.until(lambda: "101 to" in page.css(".range").text)
    assert page.css("#drawer h1").text == "d-002"
    page.driver.back()
    page.until(lambda: "1 to 100" in page.css(".range").text)
    page.css("#drawer h1").send_keys(Keys.ESCAPE)
    page.until(lambda: page.all("#drawer h1") == [])
    assert page.script("return document.activeElement.textContent") == "d-002"
    resize(page.driver, 400)
    page.click("d-002")
    page.wait_for("d-002")
    assert page.driver.current_url.endswith("/devices/d-002")


def test_an_upgrade_is_cancelled_in_the_drawer(page: PageDriver):
    page.open(f"{PLAN}?device=d-050&q=d-050")
    page.until(lambda: is_live(page))
    page.css("form[data-act] button[value=cancel]").click()
    page.until(lambda: "cancelled by the owner" in page.css("article .log").text)
    page.until(lambda: "upgrade failed" in row(page, "d-050"))
    assert not page.css("form[data-act] button[value=cancel]").is_enabled()
    page.script("document.querySelector('form[data-act] button[value=cancel]').disabled = false")
    page.css("form[data-act] button[value=cancel]").click()
    page.until(lambda: "cancel is not possible" in page.css("#told").text)


def test_a_double_click_does_once_what_it_does(page: PageDriver):
    """And says nothing of a second that could not be done."""
    page.open(f"{PLAN}?device=d-006")
    page.until(lambda: is_live(page))
    page.script("""
        const ask = fetch;
        window.posts = 0;
        window.fetch = (...given) => {
          posts += given[1]?.method === "POST";
          return ask(...given);
        }""")
    cancel = page.css("#drawer [value=cancel]")
    ActionChains(page.driver).double_click(cancel).perform()
    page.until(lambda: "upgrade failed" in row(page, "d-006"))
    assert page.script("return posts") == 1
    assert not page.css("#told").is_displayed()


def test_all_by_keyboard(page: PageDriver):
    page.open(PLAN)
    page.tab_to("#q")
    page.press("d-23")
    page.until(lambda: "of 1 device" in page.css(".range").text)
    page.tab_to("a[data-device='d-230']")
    page.press(Keys.ENTER)
    page.until(lambda: page.css("#drawer h1").text == "d-230")
    page.tab_to("[data-close]")
    page.press(Keys.ENTER)
    page.until(lambda: page.all("#drawer h1") == [])


BARE = (
    CENTER.split("[[plans]]")[0]
    + """
[[devices]]
id = "d"
count = 3
product = "p1"
versions = { STM32 = "1.0" }
"""
)


@pytest.mark.thorough
def test_the_drawer_of_a_made_plan_follows_what_its_devices_report(
    chromium: Driver, tmp_path: Path
):
    path = write_site(tmp_path, BARE)
    with serving(path) as (_, url):
        page = PageDriver(chromium, url.rstrip("/"))
        resize(chromium, 1280)
        page.open("/")
        page.click("Upgrade plans")
        page.click("Create upgrade plan")
        page.type("name", "clicked")
        page.choose("upgrades.STM32.package", "two (full to 2.0)")
        page.type("strategy.retries", "0")
        page.until(lambda: "3 of 3 devices of p1" in page.css("#preview").text)
        page.click("Save plan")
        page.click("Activate…")
        page.click("Activate clicked")
        page.until(lambda: "The plan is active now." in page.css("#banners").text)
        page.click("Monitor")
        page.until(lambda: is_live(page))
        page.click("d-001")
        page.until(lambda: "would be offered now" in page.css("#drawer").text)
        with devices_of(path) as devices:
            devices.report("d-001", C.RECEIVED, C.CONFIRMED, C.DOWNLOADING, C.UPGRADING)
            page.until(lambda: "the upgrade is under way" in page.css("#drawer").text)
            assert not page.css("#drawer button[value=cancel]").is_enabled()
            devices.report("d-001", C.SUCCESS)
            devices.report("d-002", C.RECEIVED, C.CONFIRMED, C.FAILED)
            page.until(lambda: "upgraded" in row(page, "d-001"))
            page.until(lambda: "upgrade failed" in row(page, "d-002"))
            page.until(lambda: "success rate 50.0%" in page.css("#plan-counts").text)
            page.click("d-002")
            page.until(lambda: page.css("#drawer h1").text == "d-002")
            page.css("#drawer button[value=retry]").click()
            page.until(lambda: "owner: retry" in page.css("#drawer .log").text)
            devices.report("d-002", C.RECEIVED, C.CONFIRMED, C.SUCCESS)
            page.until(lambda: "success rate 100.0%" in page.css("#plan-counts").text)
        page.click("upgraded 2")
        page.until(lambda: "of 2 devices" in page.css(".range").text)


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def test_a_lost_connection_is_said_and_taken_up_again(
    chromium: Driver, path: Path, devices: Devices
):
    port = free_port()
    with serving(path, port=port) as (_, url):
        page = PageDriver(chromium, url.rstrip("/"))
        page.open(f"{PLAN}?q=d-060")
        page.until(lambda: is_live(page))
    page.until(lambda: "connection is lost" in page.css("#live").text)
    devices.report("d-060", C.RECEIVED, C.CONFIRMED, C.UPGRADING)
    with serving(path, port=port):
        page.until(lambda: "upgrading" in row(page, "d-060"), 15)
        page.until(lambda: is_live(page))


def test_a_fleet_in_another_process_is_followed_to_its_end(chromium: Driver, tmp_path: Path):
    """One to success, one to failure, without a reload of the page."""
    example = ROOT / "examples" / "center"
    text = (example / "center.toml").read_text()
    path = tmp_path / "center.toml"
    path.write_text(text.replace("../../fixtures", str(ROOT / "fixtures")))
    options = ["--devices", "6", "--jobs", "1", "--seed", "3", "--bad-trials", "0.4"]
    words = ("fleet", path, "--db", state_path(path), *options)
    with CommandProcess(words, stdout=subprocess.PIPE, text=True) as fleet:
        while not state_path(path).exists():
            time.sleep(0.05)
        with serving(path) as (_, url):
            page = PageDriver(chromium, url.rstrip("/"))
            page.open("/monitoring/spring")
            page.script("window.mark = 1")
            fleet.communicate()
            with closing(Store.open(state_path(path), read_only=True)) as store:
                ended = [ending.outcome.value for ending in store.endings()]
            good, bad = ended.count("upgraded"), ended.count("failed")
            assert (good > 0, bad > 0) == (True, True), ended
            bar = f"success {good}, failed {bad}"
            page.until(lambda: bar in page.css("svg.stages").get_attribute("aria-label"))
            page.until(lambda: "How devices of the fleet ended" in page.css("#plan-counts").text)
            assert page.script("return window.mark") == 1
            page.css("#plan-counts summary").click()
            assert f"upgraded {good}" in page.css("#plan-counts details").text
