"""A module behind a port, in the place of the one on the board.

The chip and its flash stay the board's; time on the way to the module is the port's own.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from flash_emulator import VirtualClock
from mcu_updater.core.ports import BytePort, Clock
from mcu_updater.quectel.checks import Checks, Wanted
from mcu_updater.quectel.client import AtClient
from mcu_updater.quectel.link import DEFAULT_DIALECT, Dialect

PACKAGE_PER_SLOT = 4
"""A text format takes up to three characters a byte, and some to spare for short records."""

_NAP_US = 2000  # sleeps shorter than this are inaccurate: they are saved up


@dataclass(frozen=True, slots=True)
class Attachment:
    """The module behind *port*. *wanted*: the package that must come; None: any.

    *battery*, *signal*: what the device itself measures, in percent and in dBm; None: what the
    module says.
    """

    port: BytePort
    clock: Clock
    dialect: Dialect = field(default=DEFAULT_DIALECT)
    wanted: Wanted | None = None
    battery: int | None = None
    signal: int | None = None

    def client(self) -> AtClient:
        """A client as a start of the MCU makes it: nothing is known of the module."""
        return AtClient(self.port, self.clock, self.dialect)

    def checks(self, client: AtClient, slot_size: int) -> Checks:
        return Checks(
            client,
            max_package=PACKAGE_PER_SLOT * slot_size,
            battery=self.battery,
            signal=self.signal,
            wanted=self.wanted,
        )


class PacedClock(VirtualClock):
    """A device's clock whose time takes as long as it says: erases are slow, as on silicon."""

    __slots__ = ("_owed_us",)

    def __init__(self, now_us: int = 0) -> None:
        super().__init__(now_us)
        self._owed_us = 0

    def advance_us(self, duration_us: int) -> None:
        super().advance_us(duration_us)
        self._owed_us += duration_us
        if self._owed_us >= _NAP_US:
            time.sleep(self._owed_us / 1e6)
            self._owed_us = 0
