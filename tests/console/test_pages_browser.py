"""The pages in a real browser: by mouse, by keyboard, in both colours, at 400 and 1280 pixels."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from mcu_updater.console.addresses import address
from tests.console.browsing import AUDIT, DROP, PageDriver, colours
from tests.console.consoles import serving
from tests.console.page_center import IMAGE, SCRIPT, write_site
from tests.flash_emulator.explore.headless import Driver, console, resize

pytestmark = pytest.mark.judge("chromium")

LEFT = """\
const event = new Event("beforeunload", { cancelable: true });
dispatchEvent(event);
return event.defaultPrevented;
"""
PAGES = (
    "/products",
    "/products/new",
    address("/products", SCRIPT),
    "/packages",
    "/packages/new",
    "/packages/pump%202.0",
    "/packages/pump%201.0%20to%202.0",
    "/plans",
    "/plans/new",
    "/plans/spring",
    "/plans/summer",
    address("/plans", SCRIPT),
    "/plans/summer/activate",
    "/no-such-page",
)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_site(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def base(path: Path) -> Iterator[str]:
    with serving(path) as (_, url):
        yield url.rstrip("/")


@pytest.fixture
def page(chromium: Driver, base: str) -> Iterator[PageDriver]:
    resize(chromium, 1280)
    colours(chromium, "light")
    console(chromium)
    yield PageDriver(chromium, base)
    chromium.execute_script("document.dispatchEvent(new CustomEvent('leaving'))")


def plan(path: Path, name: str) -> dict[str, Any]:
    plans = tomllib.loads(path.read_text())["plans"]
    return next(one for one in plans if one["name"] == name)


def test_every_page_can_be_read_by_everybody(page: PageDriver) -> None:
    """Both widths, both colours: no sideways scroll, contrast, labels, focus; and no script ran."""
    for url in PAGES:
        page.open(url)
        for scheme in ("light", "dark"):
            colours(page.driver, scheme)
            for width in (1280, 400):
                resize(page.driver, width)
                audit = page.script(AUDIT)
                assert audit["found"] == [], (url, scheme, width)
                assert audit["texts"] > 8
        assert "hacked" not in page.driver.title or "script" in page.driver.title
        refused = [line for line in console(page.driver) if "no-such-page" not in line]
        assert refused == []


def test_the_longest_names_fit(page: PageDriver, path: Path) -> None:
    name, version = "N" * 100, "9" * 60
    package = f'[[packages]]\nname = "{name}"\ntarget = "{version}"\nfiles = ["new.s19"]\n'
    head = f'[[plans]]\nname = "{name}"\nproduct = "p1"\nactive = false\n'
    upgrades = f'upgrades = [{{ component = "STM32", package = "{name}" }}]\n'
    before = path.read_text()
    path.write_text(f"{before}\n{package}{head}{upgrades}")
    for url in ("/plans", "/plans/{}/activate", "/packages/{}", "/monitoring/{}"):
        page.open(url.format(name))
        for width in (1280, 400):
            resize(page.driver, width)
            assert page.script(AUDIT)["found"] == [], (url, width)
    path.write_text(before)


def test_the_audit_finds_what_is_wrong(page: PageDriver) -> None:
    page.open("/products")
    page.script(
        "document.querySelector('main').insertAdjacentHTML('beforeend',"
        "`<h4>Deep</h4><input id=main><button></button><p id=pale>pale</p><div id=wide>w</div>"
        "<div id=thin>t h i n l e t t e r s</div>`);"
        "document.getElementById('thin').style.width = '1em';"
        "document.getElementById('pale').style.color = '#bbb';"
        "document.getElementById('wide').style.width = '3000px';"
        "document.querySelector('.table th').style.minWidth = '3000px';"
        "document.querySelector('.main-action').style.outline = 'none'"
    )
    found = " ".join(page.script(AUDIT)["found"])
    for fault in (
        "sideways",
        "no label",
        "no name",
        "id twice",
        "leaps",
        "contrast",
        "squeezed",
        "no focus",
    ):
        assert fault in found


# --- uploads


def test_files_are_added_by_drag_and_by_the_chooser(page: PageDriver, path: Path) -> None:
    """What the platform does not take is told of before it is sent."""
    page.open("/packages/new")
    page.type("name", "dropped <b>1</b>")
    page.type("target", "3.0")
    page.script(DROP, ["new.exe", "part.bin"], [1, 2, 3])
    lines = [line.text.split("\n") for line in page.all(".files li")]
    assert [line[:2] for line in lines] == [["new.exe", "3 B"], ["part.bin", "3 B"]]
    assert lines[0][-1] == "the platform takes no such file"
    page.click("Add version package")
    assert page.script("return document.querySelector('form').checkValidity()") is False
    page.css("[aria-label='Remove new.exe']").click()
    page.field("files").send_keys(str(IMAGE))
    assert len(page.all(".files li")) == 2
    page.click("Add version package")
    page.wait_for("dropped <b>1</b>")
    text = page.css("main").text
    assert hashlib.sha256(IMAGE.read_bytes()).hexdigest() in text
    assert hashlib.sha256(bytes([1, 2, 3])).hexdigest() in text
    folder = path.with_suffix(".packages") / "dropped_b_1_b"
    assert sorted(file.name for file in folder.iterdir()) == [IMAGE.name, "part.bin"]


def test_a_refused_upload_loses_nothing_and_shows_its_progress(
    page: PageDriver, tmp_path: Path
) -> None:
    """The name is taken: the server says so when all is there, and the file is still chosen."""
    large = tmp_path / "large.bin"
    large.write_bytes(b"x" * 2_000_000)
    page.open("/packages/new")
    page.type("name", "pump 2.0")
    page.type("target", "9.9")
    page.click("delta")
    page.type("source", "1.0")
    page.type("note", "slow")
    assert "4 of 200 characters." in page.css("main").text
    page.field("files").send_keys(str(large))
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 4_000_000}
    page.driver.execute_cdp_cmd("Network.enable", {})
    page.driver.execute_cdp_cmd("Network.emulateNetworkConditions", slow)
    page.script(
        "window.seen = []; const said = document.querySelector('[data-said]');"
        "new MutationObserver(() => seen.push(said.textContent)).observe(said, {childList: true})"
    )
    page.click("Add version package")
    assert page.script(LEFT) is True, "what is under way is not left by mistake"
    told = page.css("#summary").text
    page.driver.execute_cdp_cmd(
        "Network.emulateNetworkConditions", {**slow, "uploadThroughput": -1}
    )
    assert "of that name already" in told
    assert any("of 1.9 MiB" in text for text in page.script("return seen"))
    assert page.field("note").get_attribute("value") == "slow"
    assert page.field("source").get_attribute("value") == "1.0"
    assert [line.text.split("\n")[0] for line in page.all(".files li")] == ["large.bin"]
    page.type("name", "slow one")
    page.click("Add version package")
    page.wait_for("slow one")


def test_a_lost_answer_is_not_told_as_nothing_saved(page: PageDriver) -> None:
    """All may have come but the answer."""
    page.open("/packages/new")
    page.type("name", "lost")
    page.type("target", "3.0")
    page.field("files").send_keys(str(IMAGE))
    page.script("""
        const send = XMLHttpRequest.prototype.send;
        XMLHttpRequest.prototype.send = function (data) {
          const other = new XMLHttpRequest();
          other.onload = () => this.dispatchEvent(new ProgressEvent("error"));
          other.open("POST", location.href);
          send.call(other, data);
        }""")
    page.click("Add version package")
    page.until(lambda: "does not answer" in page.css("[data-said]").text)
    assert "Whether it was saved is not known" in page.css("[data-said]").text
    page.open("/packages/lost")
    page.wait_for("lost")


# --- plans


def test_a_plan_is_created_and_activated_by_clicking_only(page: PageDriver, path: Path) -> None:
    page.open("/products")
    page.click("Upgrade plans")
    page.click("Create upgrade plan")
    page.type("name", "clicked")
    page.choose("upgrades.STM32.package", "pump 2.0 (full to 2.0)")
    page.until(lambda: "8 of 10 devices of p1" in page.css("#preview").text)
    page.field("blacklist").send_keys("pump-002\npump-002")
    page.until(lambda: "twice: pump-002" in page.css("main").text)
    page.until(lambda: "no name twice" in page.css("#preview").text)
    assert "stale" in page.css("#preview").get_attribute("class")
    page.field("blacklist").send_keys(Keys.BACKSPACE + "5")
    page.until(lambda: "6 of 10 devices of p1" in page.css("#preview").text)
    page.css("[data-why=blacklisted] summary").click()
    names = page.css("[data-why=blacklisted] .names")
    assert names.text.split() == ["pump-002", "pump-005"]
    page.type("strategy.retries", "1")
    page.click("confirmed by the user")
    page.until(lambda: page.css("[data-why=user]"))
    assert page.css("[data-why=blacklisted] details").get_attribute("open"), "what was opened stays"
    page.click("Save plan")
    page.wait_for("clicked")
    assert plan(path, "clicked")["active"] is False
    assert plan(path, "clicked")["strategy"]["retries"] == 1
    page.click("Activate…")
    page.wait_for("Activate clicked?")
    text = page.css("main").text
    assert "An active plan can neither be edited nor deleted." in text
    assert "6 of 10 devices of p1 will be offered STM32 2.0." in text
    page.click("Activate clicked")
    page.wait_for("clicked")
    assert "The plan is active now." in page.css("#banners").text
    assert page.all("form input") == []
    page.click("Pause")
    page.until(lambda: "paused" in page.css(".head").text)
    page.click("Resume")
    page.until(lambda: page.css(".head .chip").text == "active")
    page.click("Terminate plan…")
    page.click("Terminate clicked")
    page.until(lambda: page.css(".head .chip").text == "terminated")


def test_a_plan_is_created_by_the_keyboard_only(page: PageDriver, path: Path) -> None:
    page.open("/plans")
    page.press(Keys.TAB)
    assert page.script("return document.activeElement.className") == "skip"
    page.press(Keys.ENTER)
    page.tab_to("[href='/plans/new']")
    page.press(Keys.ENTER)
    page.wait_for("New upgrade plan")
    page.tab_to("[name=name]")
    page.press("typed")
    page.tab_to("[name='upgrades.STM32.package']")
    page.press("pump 2")
    page.tab_to("[name=whitelist]")
    page.press("pump-001")
    page.tab_to("[value=save]")
    page.press(Keys.ENTER)
    page.wait_for("typed")
    assert plan(path, "typed")["whitelist"] == ["pump-001"]
    page.tab_to("[href$='/activate']")
    page.press(Keys.ENTER)
    page.wait_for("Activate typed?")


def test_a_fault_takes_the_keyboard_to_what_is_wrong(page: PageDriver) -> None:
    page.open("/plans/new")
    page.type("name", "summer")
    page.choose("upgrades.STM32.package", "pump 2.0 (full to 2.0)")
    page.click("Save plan")
    page.until(lambda: page.script("return document.activeElement.id") == "summary")
    page.press(Keys.TAB, Keys.ENTER)
    page.until(lambda: page.script("return document.activeElement.name") == "name")
    assert page.field("name").get_attribute("aria-invalid") == "true"
    assert page.field("name").get_attribute("value") == "summer"


def test_another_product_brings_its_components_and_keeps_what_was_typed(page: PageDriver) -> None:
    page.open("/plans/new")
    page.type("name", "kept")
    page.field("whitelist").send_keys("a b")
    Select(page.field("product")).select_by_value(SCRIPT)
    page.css("[name='upgrades.<i>MCU</i>.package']")
    assert page.field("name").get_attribute("value") == "kept"
    assert page.field("whitelist").get_attribute("value") == "a b"


def test_what_is_typed_is_not_left_by_mistake(page: PageDriver) -> None:
    page.open("/plans/summer")
    assert page.script(LEFT) is False
    page.field("blacklist").send_keys("x")
    assert page.script(LEFT) is True
    page.field("blacklist").clear()
    assert page.script(LEFT) is False


# --- others who edit


def test_back_shows_what_stands_there_now(page: PageDriver, path: Path) -> None:
    """Old words beside the revision of new ones would be saved over them unseen."""
    package = 'upgrades = [{ component = "STM32", package = "pump 2.0" }]'
    name = 'name = "back"\nproduct = "p1"\nactive = false'
    path.write_text(f"{path.read_text()}\n[[plans]]\n{name}\n{package}\n")
    page.open("/plans/back")
    page.type("blacklist", "mine-1")
    page.click("Save plan")
    page.until(lambda: "The plan was saved." in page.css("#banners").text)
    path.write_text(path.read_text().replace("mine-1", "theirs-9"))
    page.driver.back()
    page.until(lambda: page.field("blacklist").get_attribute("value") == "theirs-9")


def test_a_file_that_is_edited_meanwhile_is_told_of_and_nothing_typed_is_lost(
    page: PageDriver, path: Path
) -> None:
    page.open("/plans/summer")
    page.field("blacklist").send_keys("pump-007")
    before = path.read_text()
    path.write_text(before.replace("retries = 3", "retries = 4"))
    notice = page.until(lambda: page.css("#changed").text)
    assert "center.toml has changed on disk. What you typed stays" in notice
    assert page.field("blacklist").get_attribute("value") == "pump-007"
    page.click("Save plan")
    page.wait_for("summer was changed meanwhile")
    rows = {row.find_element(By.TAG_NAME, "th").text: row for row in page.all("tbody tr")}
    told = {name.split("\n")[0]: name.split("\n")[1] for name in rows}
    assert told == {"Retries": "changed by the other", "Black list": "changed by you"}
    for width in (400, 1280):
        resize(page.driver, width)
        assert page.script(AUDIT)["found"] == []
    page.click("Save as chosen")
    page.wait_for("summer")
    assert plan(path, "summer")["strategy"]["retries"] == 4
    assert plan(path, "summer")["blacklist"] == ["pump-007"]
    path.write_text(path.read_text() + "\n[[plans]\n")
    page.until(lambda: "is not good as it stands" in page.css("#changed").text)
    path.write_text(path.read_text().replace("\n[[plans]\n", ""))
    page.until(lambda: not page.css("#changed").is_displayed())


def test_components_of_a_product_come_and_go(page: PageDriver, path: Path) -> None:
    page.open("/products/new")
    page.type("key", "p9")
    assert len(page.all("li.row")) == 1
    page.type("components.0.id", "A")
    page.click("Add component")
    page.click("Add component")
    page.type("components.1.id", "B")
    page.type("components.2.id", "C")
    page.all("[data-drop]")[1].click()
    page.click("Add product")
    page.wait_for("p9")
    products = tomllib.loads(path.read_text())["products"]
    assert [one["id"] for one in products[-1]["components"]] == ["A", "C"]
    page.click("Delete product…")
    page.click("Delete p9")
    page.until(lambda: "The product was deleted." in page.css("#banners").text)
