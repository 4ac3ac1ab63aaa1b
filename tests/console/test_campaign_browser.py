"""A whole campaign in a real browser, only by clicking, with real clients: from the product and the
upload by drag to one device that succeeds and one whose new image fails its trial."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.command_processes import CommandProcess
from tests.console.browsing import DROP, PageDriver
from tests.console.consoles import serving
from tests.console.page_center import IMAGE
from tests.flash_emulator.explore.headless import Driver, resize
from tests.serve.farms import free_ports

pytestmark = pytest.mark.judge("chromium")

CENTER = """\
[[products]]
key = "p1"
name = "Pump"
components = [{ id = "STM32" }]

[[devices]]
id = "pump"
product = "p1"
count = 2
versions = { STM32 = "1.0.0" }
"""
QUICK = ("connect_s=0", "plan_delay_s=0", "url_delay_s=0", "header_delay_s=0")


@contextmanager
def client(module: str, trial: str) -> Iterator[subprocess.Popen[str]]:
    """``mcu-updater update`` with a fresh board, in a process of its own."""
    options = ["--trial", trial, "--verdict-wait", "2", "--wait", "60"]
    process: CommandProcess[str]
    with CommandProcess(
        ("update", "--any", "--module", module, *options),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def row(page: PageDriver, device: str) -> str:
    return str(page.css(f'tbody[data-key="{device}"]').text)


def make_component_and_package(page: PageDriver) -> None:
    page.click("Products")
    page.click("p1")
    page.click("Add component")
    page.type("components.1.id", "radio")
    page.click("Save product")
    page.until(lambda: "The product was saved." in page.css("#banners").text)
    page.click("Version packages")
    page.click("Add version package")
    page.type("name", "pump 2.0")
    page.type("target", "2.0.0")
    page.script(DROP, [IMAGE.name], list(IMAGE.read_bytes()))
    page.css(".foot .main-action").click()
    page.wait_for("pump 2.0")


def make_plan(page: PageDriver) -> None:
    page.click("Upgrade plans")
    page.click("Create upgrade plan")
    page.type("name", "winter")
    page.choose("upgrades.STM32.package", "pump 2.0 (full to 2.0.0)")
    page.type("strategy.retries", "0")
    page.until(lambda: "2 of 2 devices" in page.css("#preview").text)
    page.click("Save plan")
    page.wait_for("winter")
    page.click("Activate…")
    page.click("Activate winter")
    page.until(lambda: "The plan is active now." in page.css("#banners").text)


def test_an_upgrade_is_made_offered_and_watched_to_success_and_to_failure_by_clicking(
    chromium: Driver, tmp_path: Path
) -> None:
    path, first = tmp_path / "center.toml", free_ports(2)
    path.write_text(CENTER)
    options = ["--modules", f"tcp:{first}-{first + 1}"]
    options += [word for option in QUICK for word in ("--set", option)]
    with serving(path, *options) as (_, url), ExitStack() as stack:
        page = PageDriver(chromium, url.rstrip("/"))
        resize(chromium, 1280)
        page.open("/")
        make_component_and_package(page)
        make_plan(page)
        page.click("Monitor")
        page.wait_for("winter")
        page.script("window.mark = 1")
        one, two = (
            stack.enter_context(client(f"socket://127.0.0.1:{first + at}", trial))
            for at, trial in enumerate(("pass", "fail"))
        )
        page.until(lambda: "pump-001 upgraded STM32" in row(page, "pump-001"), 60)
        page.until(lambda: "upgrade failed" in row(page, "pump-002"), 60)
        page.until(lambda: "success rate 50.0%" in page.css("#plan-counts").text)
        page.click("pump-002")
        page.until(lambda: page.css("#drawer h1").text == "pump-002")
        log = page.css("#drawer .log").text
        assert log.index("failed") < log.index("upgrading") < log.index("device confirmed")
        assert page.script("return window.mark") == 1, "the page was loaded again"
        assert "Result: updated" in one.communicate(timeout=60)[0]
        assert "did not pass its trial" in two.communicate(timeout=60)[0]
        assert (one.returncode, two.returncode) == (0, 10)
        page.click("Upgrade plans")
        page.click("winter")
        page.until(lambda: page.css(".head .chip").text == "upgrading")
