"""What a person does with a page: open, look, click, type; and what is wrong with its looks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from tests.flash_emulator.explore.headless import Driver

AUDIT = Path(__file__).with_name("audit.js").read_text()

DROP = """\
const [names, bytes] = arguments, transfer = new DataTransfer();
for (const name of names) transfer.items.add(new File([new Uint8Array(bytes)], name));
const zone = document.querySelector("[data-drop-zone]");
for (const kind of ["dragenter", "dragover", "drop"])
  zone.dispatchEvent(
    new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true }));
"""


def colours(driver: Driver, scheme: str) -> None:
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


class PageDriver:
    """What a person does: open, look, click, type."""

    def __init__(self, driver: Driver, base: str) -> None:
        self.driver, self.base = driver, base

    def open(self, url: str) -> None:
        self.driver.get(self.base + url)

    def css(self, selector: str) -> Any:
        return self.until(lambda: self.driver.find_element(By.CSS_SELECTOR, selector))

    def all(self, selector: str) -> list[Any]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def until(self, look: Callable[[], Any], seconds: float = 8.0) -> Any:
        return WebDriverWait(self.driver, seconds, 0.02).until(lambda _: _tried(look))

    def click(self, words: str) -> None:
        """The link or button that says so."""
        self.until(lambda: self._named(words)).click()

    def _named(self, words: str) -> Any:
        """A label may have a hint below it."""
        found = self.all("a, button, summary, label")
        return next(each for each in found if each.text.split("\n")[0].strip() == words)

    def field(self, name: str) -> Any:
        return self.css(f'[name="{name}"]')

    def type(self, name: str, text: str) -> None:
        field = self.field(name)
        field.clear()
        field.send_keys(text)

    def choose(self, name: str, text: str) -> None:
        Select(self.field(name)).select_by_visible_text(text)

    def wait_for(self, title: str) -> None:
        self.until(lambda: self.css("h1").text == title)

    def script(self, text: str, *given: Any) -> Any:
        return self.driver.execute_script(text, *given)

    def tab_to(self, selector: str, most: int = 80) -> None:
        """By the keyboard alone."""
        for _ in range(most):
            if self.script("return document.activeElement.matches(arguments[0])", selector):
                return
            self.press(Keys.TAB)
        raise AssertionError(f"{selector} is not reached by {most} tabs")

    def press(self, *keys: str) -> None:
        self.driver.switch_to.active_element.send_keys(*keys)


def _tried(look: Callable[[], Any]) -> Any:
    try:
        return look()
    except Exception:  # not there yet
        return False
