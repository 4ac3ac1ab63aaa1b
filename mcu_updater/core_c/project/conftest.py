"""The device of these tests: what `make` has built, on an emulated chip. `make`, then `pytest`.

Needs mcu-updater with the extra cpu. Your board is another one? Say so here, and in board.toml.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from mcu_updater.devkit import Device, NotBuilt

USART = "USART1"  # where the module is
IDLE = (
    "PA5",
    True,
)  # the pin that your application drives to this level when nothing is to be done
CUTS = ("some", "single", "any")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--cuts",
        choices=CUTS,
        default="some",
        help="of an upgrade: some single cuts; all single ones, with every outcome; or any number",
    )


@pytest.fixture(scope="session")
def device() -> Device:
    try:
        return Device(Path(__file__).parent, USART, IDLE)
    except NotBuilt as error:
        pytest.exit(str(error), returncode=4)
