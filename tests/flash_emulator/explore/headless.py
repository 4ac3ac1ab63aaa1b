"""A real browser without a screen, cut off from any network; tests skip where there is none."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from tests.judges import need

OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)

Driver = webdriver.Chrome


@contextmanager
def browser(profile: Path, *, dark: bool = False) -> Iterator[Driver]:
    """Chromium with a profile of its own."""
    chromium, driver = need("chromium"), shutil.which("chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for option in (*OPTIONS, f"--user-data-dir={profile}"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    made = webdriver.Chrome(options, Service(driver))
    try:
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        made.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
        yield made
    finally:
        made.quit()


def resize(driver: Driver, width: int, height: int = 900) -> None:
    """The page's own width, which may be less than a window's least."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def console(driver: Driver) -> list[str]:
    return [entry["message"] for entry in driver.get_log("browser")]


def requests(driver: Driver) -> list[str]:
    """URLs that were asked for since the last call."""
    events = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    sent: list[dict[str, Any]] = [e for e in events if e["method"] == "Network.requestWillBeSent"]
    return [event["params"]["request"]["url"] for event in sent]
