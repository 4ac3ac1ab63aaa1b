"""A flash that remembers which operation came last, so that a cut can be told in words."""

from __future__ import annotations

from dataclasses import dataclass

from flash_emulator import EmulatedFlash


@dataclass(frozen=True, slots=True)
class Operation:
    """*kind* is ``program`` or ``erase``; *address* as the CPU saw it."""

    kind: str
    address: int


class WatchedFlash(EmulatedFlash):
    """Takes the place of *device*, whose cells, clock and counts it shares."""

    def __init__(self, device: EmulatedFlash) -> None:
        super().__init__(device.part, clock=device.clock, supply=device.supply, seed=device.seed)
        self.cells, self.options, self.usage = device.cells, device.options, device.usage
        self._call = Operation("program", device.part.base)
        self._taken_before = 0

    def program(self, address: int, data: bytes) -> None:
        self._begins("program", address)
        super().program(address, data)

    def erase(self, address: int) -> None:
        self._begins("erase", address)
        super().erase(address)

    def _begins(self, kind: str, address: int) -> None:
        self._call, self._taken_before = Operation(kind, address), self.supply.taken

    @property
    def last_operation(self) -> Operation:
        """Units of one call are taken one by one, in ascending order."""
        earlier = max(0, self.supply.taken - self._taken_before - 1)
        return Operation(self._call.kind, self._call.address + earlier * self.part.program_unit)
