"""The device's page in a real browser: the flash of a board that a fleet has run, cut by cut."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys

from mcu_updater.console.addresses import address
from tests.console.browsing import AUDIT, PageDriver, colours
from tests.console.consoles import serving
from tests.console.test_device_film import run_site
from tests.flash_emulator.explore.headless import Driver, console, resize

pytestmark = pytest.mark.judge("chromium")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_site(tmp_path_factory.mktemp("ran"))


@pytest.fixture(scope="module")
def page(path: Path, chromium: Driver) -> Iterator[PageDriver]:
    console(chromium)
    with serving(path) as (_, url):
        yield PageDriver(chromium, url.rstrip("/"))


def test_the_film_of_a_device_is_opened_and_played_by_keys_alone(page: PageDriver):
    resize(page.driver, 1280)
    page.open(address("/devices", "device-001"))
    page.tab_to("[data-film] summary")
    page.press(Keys.ENTER)
    now = page.until(lambda: page.css(".flash-player .now"), seconds=20)
    assert "Replayed exactly" in page.css(".flash-player .note").text
    assert "A slot" in page.css(".flash-map").text
    assert "Decision" in page.css(".flash-player").text
    page.tab_to(".flash-player button")
    page.press(Keys.PAGE_DOWN)
    assert "CUT: power lost at flash operation" in now.text
    assert "after:" in page.css(".flash-player .held").text
    page.press(Keys.END)
    assert now.text.endswith("version 2.0.0 runs")
    page.press(Keys.PAGE_UP)
    assert "CUT" in now.text


def test_everybody_can_read_it(page: PageDriver):
    """At both widths, in both colours."""
    page.open(address("/devices", "device-001"))
    page.css("[data-film] summary").click()
    page.css(".flash-player .now")
    for scheme in ("light", "dark"):
        colours(page.driver, scheme)
        for width in (1280, 400):
            resize(page.driver, width)
            assert page.script(AUDIT)["found"] == [], (scheme, width)
    assert console(page.driver) == []
