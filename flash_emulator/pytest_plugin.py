"""What pytest gets from this package: fixtures for one's own boot function, and contract options.

``emulated_flash``, ``make_emulated_flash`` and ``powerloss`` are in ``testing/fixtures.py``; the
contract tests in ``contract/README.md``.

Installed with the package, so loaded by every pytest run beside it: until a fixture or an option is
used, it imports nothing but the fixtures' names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

FLASH_MARKER = (
    "flash(part, **settings): the device of the fixture emulated_flash: a part's name, its file or "
    "a Part, and arguments of EmulatedFlash, such as seed"
)


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
    group = parser.getgroup("powerloss", "power loss (fixture powerloss)")
    group.addoption(
        "--powerloss-replay",
        metavar="ID",
        help="no search: boot and cut as ID of an earlier failure says, and print the film",
    )
    group.addoption(
        "--powerloss-html", metavar="FILE", help="write a report of all searches for a browser"
    )
    group.addoption(
        "--powerloss-junit", metavar="FILE", help="write all searches as JUnit XML, with films"
    )
    group.addoption(
        "--powerloss-certificates",
        metavar="FOLDER",
        help="write a certificate of each search, which flash_emulator.certificate_check checks",
    )


def pytest_configure(config: pytest.Config) -> None:
    """A wrong option is refused before anything is collected."""
    config.addinivalue_line("markers", FLASH_MARKER)
    if config.getoption("flash_device") or config.getoption("flash_part"):
        from flash_emulator.contract import targets  # for those alone who use it

        targets.chosen(config)
    from flash_emulator.testing import fixtures  # needs pytest, which is there by now

    fixtures.check_options(config)
    fixtures.register_reports(config)
    config.pluginmanager.register(fixtures, "flash_emulator fixtures")
