"""LOCK and OPTLOCK: two keys in a row open a register, anything else locks it until reset.

RM0440 3.3.5: "Any wrong sequence locks up the FLASH_CR register until the next system reset. In
the case of a wrong key sequence, a bus error is detected". RM0090 3.6.1 and PM0068 2.3.1 say the
same of F4 and F1. H7: unlocking twice locks too (LOCK in FLASH_CR).
"""

from __future__ import annotations

from flash_emulator.registers.faults import BusError

KEYS = 0x4567_0123, 0xCDEF_89AB  # FLASH_KEYR of every family here
OPTION_KEYS = 0x0819_2A3B, 0x4C5D_6E7F  # FLASH_OPTKEYR of every family but F1


class KeyLock:
    """One lock. *address* is that of its key register, for the fault's text."""

    def __init__(self, keys: tuple[int, int], address: int, *, once: bool = False) -> None:
        self._keys = keys
        self._address = address
        self._once = once  # H7: keys written to an open lock shut it until reset
        self.reset()

    def reset(self) -> None:
        self.locked = True
        self.dead = False  # until reset
        self._given = 0

    def state(self) -> tuple[bool, bool, int]:
        return self.locked, self.dead, self._given

    def restore(self, state: tuple[bool, bool, int]) -> None:
        self.locked, self.dead, self._given = state

    def close(self) -> None:
        """Software sets the lock bit."""
        self.locked = True
        self._given = 0

    def key(self, value: int) -> None:
        """A write to the key register. A wrong one: BusError, and no key works until reset."""
        if self.dead:
            return
        if not self.locked and self._once:
            self.refuse()
            return
        if value != self._keys[self._given]:
            self.refuse()
            raise BusError(f"wrong key 0x{value:08X}, locked until reset", self._address)
        self._given += 1
        if self._given == len(self._keys):
            self.locked, self._given = False, 0

    def refuse(self) -> None:
        """Locked until reset."""
        self.close()
        self.dead = True
