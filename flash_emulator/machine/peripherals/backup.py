"""The backup domain: registers that outlive a system reset, and what of RTC firmware waits for.

RM0351 38.6 (RTC_BKPxR), RM0440 36.6 (TAMP_BKPxR), RM0008 6.4 (BKP_DRx). They are written only while
DBP of PWR is set, and cleared at power-on (there is no battery) and by BDRST. RTC keeps no time.
"""

from __future__ import annotations

from collections.abc import Callable

from flash_emulator.machine.chips.facts import BackupFacts
from flash_emulator.machine.peripherals.base import Chip, Registers

INIT, INITF, RSF = 1 << 7, 1 << 6, 1 << 5
WRITE_FLAGS = 0b111  # WUTWF, ALRBWF, ALRAWF
F1_RTOFF, F1_RSF = 1 << 5, 1 << 3


class BackupDomain(Registers):
    """A block of the backup domain: no write counts while *is_open* says no."""

    def __init__(
        self,
        chip: Chip,
        name: str,
        base: int,
        is_open: Callable[[], bool],
        *,
        mask: int = 0xFFFF_FFFF,
        size: int = 0x400,
    ) -> None:
        super().__init__(chip, name, base, size)
        self._is_open, self._mask = is_open, mask

    def _reset(self, *, power_on: bool) -> None:
        if power_on:
            super()._reset(power_on=True)

    def clear(self) -> None:
        """BDRST, or the last power is gone."""
        super()._reset(power_on=True)
        self._touched = True

    def write(self, offset: int, width: int, value: int) -> None:
        if self._is_open():
            super().write(offset, width, value)

    def _hold(self, word: int, value: int) -> None:
        super()._hold(word, value & self._mask)


class Rtc(BackupDomain):
    """INITF follows INIT, RSF and the write flags are set, WPR takes its keys."""

    def __init__(
        self, chip: Chip, facts: BackupFacts, is_open: Callable[[], bool], *, name: str = "RTC"
    ) -> None:
        super().__init__(chip, name, facts.rtc, is_open)
        if facts.rtc_status is not None:
            self._status = facts.rtc_status
            self._readers[facts.rtc_status] = self._read_status
        if facts.rtc_control is not None:
            self._status = facts.rtc_control
            self._readers[facts.rtc_control] = self._read_f1
        if facts.rtc_protect is not None:
            self._readers[facts.rtc_protect] = int

    def _read_status(self) -> int:
        held = self._held.get(self._status, 0)
        follows = INITF if held & INIT else 0
        return held & INIT | follows | RSF | WRITE_FLAGS

    def _read_f1(self) -> int:
        return self._held.get(self._status, 0) | F1_RTOFF | F1_RSF
