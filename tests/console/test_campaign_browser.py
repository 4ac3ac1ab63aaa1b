"""A whole campaign in a real browser, by clicking: upload, plan, offer, success and failure."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver.support.ui import Select

from mcu_updater.cloud.single_device import ComponentState as C
from tests.console.browsing import PageDriver
from tests.console.campaigns import devices_of
from tests.console.consoles import serving
from tests.console.page_center import IMAGE, write_site
from tests.flash_emulator.explore.headless import browser, resize

pytestmark = pytest.mark.judge("chromium")

DONE = (C.RECEIVED, C.CONFIRMED, C.DOWNLOADING, C.DOWNLOADED, C.UPGRADING, C.SUCCESS)
BAD = (C.RECEIVED, C.CONFIRMED, C.DOWNLOADING, C.DOWNLOAD_FAILED, C.FAILED)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_site(tmp_path)


@pytest.fixture
def page(path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageDriver]:
    profile = tmp_path_factory.mktemp("profile")
    with serving(path) as (_, url), browser(profile) as driver:
        resize(driver, 1280)
        yield PageDriver(driver, url.rstrip("/"))


def row(page: PageDriver, device: str) -> str:
    return str(page.css(f'tbody[data-key="{device}"]').text)


def test_an_upgrade_is_made_offered_and_watched_to_success_and_to_failure(
    page: PageDriver, path: Path
) -> None:
    page.open("/")
    page.click("Version packages")
    page.click("Add version package")
    page.type("name", "pump 3.0")
    page.type("target", "3.0")
    page.field("files").send_keys(str(IMAGE))
    page.css(".foot .main-action").click()
    page.wait_for("pump 3.0")
    page.click("Upgrade plans")
    page.click("Create upgrade plan")
    page.type("name", "winter")
    Select(page.field("upgrades.STM32.package")).select_by_value("pump 3.0")
    page.type("strategy.retries", "0")
    page.until(lambda: "9 of 10 devices of p1" in page.css("#preview").text)
    page.click("Save plan")
    page.wait_for("winter")
    page.click("Activate…")
    page.click("Activate winter")
    page.until(lambda: "The plan is active now." in page.css("#banners").text)
    page.click("Monitor")
    page.wait_for("winter")
    with devices_of(path) as devices:
        devices.report("pump-001", *DONE, at=-1)
        devices.report("pump-002", *BAD, at=-1)
    page.until(lambda: "pump-001 upgraded STM32" in row(page, "pump-001"))
    page.until(lambda: "upgrade failed" in row(page, "pump-002"))
    page.click("pump-002")
    page.until(lambda: "download failed" in page.css("article .log").text)
    page.click("Upgrade plans")
    page.until(lambda: "upgrading" in page.css("main").text)
    page.click("winter")
    page.until(lambda: page.css(".head .chip").text == "upgrading")
