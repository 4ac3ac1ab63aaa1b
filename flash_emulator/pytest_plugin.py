"""Options for the contract tests; see ``contract/README.md``.

Installed with the package, so loaded by every pytest run beside it: it adds two options and, until
one of them is given, imports nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("flash", "flash contract (--pyargs flash_emulator.contract)")
    group.addoption(
        "--flash-device",
        metavar="MODULE:CALLABLE",
        help="hold the devices that CALLABLE makes to the contract; the default is the emulator",
    )
    group.addoption(
        "--flash-part",
        action="append",
        metavar="NAME",
        help="emulate this part only (a name, or a part file); may be given several times",
    )


def pytest_configure(config: pytest.Config) -> None:
    """A wrong option is refused before anything is collected."""
    if config.getoption("flash_device") or config.getoption("flash_part"):
        from flash_emulator.contract import targets  # for those alone who use it

        targets.chosen(config)
