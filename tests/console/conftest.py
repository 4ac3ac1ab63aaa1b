"""One console for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from mcu_updater.console.app import Console
from tests.console.consoles import client_of, console_of, write_center
from tests.flash_emulator.explore.headless import Driver, browser
from tests.flash_emulator.explore.headless import console as messages_of


@pytest.fixture
def console(tmp_path: Path) -> Console:
    return console_of(write_center(tmp_path))


@pytest.fixture
def client(console: Console) -> Iterator[TestClient]:
    with client_of(console) as client:
        yield client


@pytest.fixture(scope="session")
def shared_console(tmp_path_factory: pytest.TempPathFactory) -> Console:
    """For those that change nothing."""
    return console_of(write_center(tmp_path_factory.mktemp("shared")))


@pytest.fixture(scope="session")
def shared_client(shared_console: Console) -> Iterator[TestClient]:
    """For those that change nothing."""
    with client_of(shared_console) as client:
        yield client


@pytest.fixture(scope="package")
def one_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    with browser(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.fixture(scope="module")
def chromium(one_browser: Driver) -> Iterator[Driver]:
    """One browser for all pages: whoever takes it sets its width and colours. Behind a module its
    page is left, for its server has ended: it would go on to ask for it, and to draw."""
    messages_of(one_browser)
    yield one_browser
    one_browser.get("about:blank")
