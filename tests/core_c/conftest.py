"""Tests of the C core; with MCU_UPDATER_CORE_C_SOURCES on another folder of C sources."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mcu_updater.core_c import native
from tests.core_c import built
from tests.core_c.client_in_c import library
from tests.core_c.mutants import SOURCES_VARIABLE, take_sources


@pytest.fixture(autouse=True, scope="session")
def _sources():
    given = os.environ.get(SOURCES_VARIABLE)
    if given:
        take_sources(Path(given))


@pytest.fixture(autouse=True, scope="session")
def _built(tmp_path_factory):
    """The folder of a worker lies in that of its run."""
    folder = tmp_path_factory.getbasetemp()
    built.share((folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "built")


@pytest.fixture(scope="session")
def client_library(_sources) -> native.Native:
    """Compiled before hypothesis tries anything: what does not compile is no example to shrink."""
    return library()
