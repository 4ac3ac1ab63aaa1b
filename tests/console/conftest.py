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


@pytest.fixture(scope="session")
def one_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    with browser(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.fixture(scope="module")
def chromium(one_browser: Driver) -> Driver:
    """One browser for all pages: whoever takes it sets its width and colours. The page of the
    module before is left, for its server has ended."""
    one_browser.get("about:blank")
    messages_of(one_browser)
    return one_browser
