"""What the host needs of the line to the chip, and how DTR and RTS get the chip into its ROM."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Final, Literal, Protocol

from mcu_updater.core.errors import UsageError
from mcu_updater.core.ports import BytePort, Clock

LineName = Literal["dtr", "rts"]

RESET_S: Final = 0.1  # NRST low; stm32loader holds it as long
START_S: Final = 0.1  # from NRST to the ROM's first read: it takes some ms, 2 ms are too few


class RomLine(BytePort, Protocol):
    """A byte port whose speed and modem lines can be set."""

    @property
    def baud(self) -> int: ...
    @property
    def can_reset(self) -> bool:
        """Whether DTR and RTS reach anything."""

    @property
    def can_set_baud(self) -> bool: ...

    @property
    def wants_full_packets(self) -> bool:
        """Whether a read that fills USB packets comes earlier than one that does not."""

    def set_baud(self, baud: int) -> None:
        """Raises PortError when the port does not take it."""

    def set_modem_line(self, name: LineName, asserted: bool) -> None:
        """Raises PortError where there is no such line."""

    def discard_input(self) -> None:
        """Drop what has arrived."""


@dataclass(frozen=True, slots=True)
class Wiring:
    """Which modem line pulls NRST and which sets BOOT0, and at which level.

    *reset_when*: the state of the line, True for asserted, that holds the chip in reset;
    *boot_when* the one that starts the ROM. An asserted line is low at a bridge's TTL side.
    """

    reset: LineName
    boot: LineName
    reset_when: bool
    boot_when: bool

    @property
    def name(self) -> str:
        def marked(line: str, when: bool) -> str:
            return line if when else f"!{line}"

        return f"{marked(self.reset, self.reset_when)},{marked(self.boot, self.boot_when)}"


_LINES: Final[tuple[tuple[LineName, LineName], ...]] = (("dtr", "rts"), ("rts", "dtr"))
WIRINGS: Final = {
    wiring.name: wiring
    for wiring in (
        Wiring(reset, boot, reset_when, boot_when)
        for (reset, boot), reset_when, boot_when in product(_LINES, (True, False), (True, False))
    )
}
"""All there are, by name: first the line at NRST, then the one at BOOT0; ``!`` where the line acts
when it is not asserted."""


def wiring_named(name: str) -> Wiring:
    if name not in WIRINGS:
        raise UsageError("unknown wiring", expected=", ".join(WIRINGS), found=name)
    return WIRINGS[name]


def reset_chip(line: RomLine, clock: Clock, wiring: Wiring, *, into_rom: bool) -> None:
    """Pulse NRST with BOOT0 as asked. Raises PortError where the line cannot."""
    line.set_modem_line(wiring.boot, wiring.boot_when is into_rom)
    line.set_modem_line(wiring.reset, wiring.reset_when)
    clock.sleep(RESET_S)
    line.discard_input()  # what the firmware said to its end
    line.set_modem_line(wiring.reset, not wiring.reset_when)
    clock.sleep(START_S)
