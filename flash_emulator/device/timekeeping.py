"""What operations take: time, banks that are busy for it, energy, wear."""

from __future__ import annotations

from flash_emulator.device.decay import Decaying
from flash_emulator.errors import BusyError, UnknownTiming
from flash_emulator.parts.part_model import Mode


class Timekeeping(Decaying):
    """The part of the device that lets time pass and counts it."""

    timing: Mode
    energy_uj: dict[str, float]
    background: bool  # operations return at once, and their bank is busy for their time
    _busy_until_us: list[int]

    @property
    def is_timed(self) -> bool:
        """Whether every operation so far had a known time, so that the clock can be believed."""
        self._not_in_key("is_timed")
        return self._usage.untimed == 0

    def elapsed_us(self) -> int:
        """The clock, where it can be believed. Raises UnknownTiming where it cannot."""
        if not self.is_timed:
            raise UnknownTiming(
                f"{self.part.name}: {self._usage.untimed} operations take a time that no document "
                "gives; supply it with Part.with_timing"
            )
        return self.clock.now_us

    def energy_used_uj(self) -> float:
        """Energy of all operations. Raises UnknownTiming when none was given for their kind."""
        self._not_in_key("energy_used_uj")
        try:
            return (
                self._usage.programs * self.energy_uj["program"]
                + self._usage.erases * self.energy_uj["erase"]
            )
        except KeyError as error:
            raise UnknownTiming(f"no energy was given for {error}") from error

    def worn_sectors(self) -> list[int]:
        """Physical start addresses of sectors erased more often than the endurance says."""
        self._not_in_key("worn_sectors")
        if self.part.endurance is None:
            return []
        cycles, starts = self.part.endurance.cycles, list(self.part.sector_starts)
        return [self._address(starts[i]) for i, n in enumerate(self._erase_counts) if n > cycles]

    def is_busy(self, bank: int | None = None) -> bool:
        """Whether an operation is under way in the background: in physical *bank*, or anywhere."""
        busy = self._busy_until_us
        return (max(busy) if bank is None else busy[bank]) > self._clock.now_us

    @property
    def busy_until_us(self) -> int:
        """When all that is under way in the background ends; a past moment where nothing is."""
        return max(self._busy_until_us) if any(self._busy_until_us) else 0

    def wait(self) -> None:
        """Let the clock run until no bank is busy."""
        left_us = max(self._busy_until_us) - self._clock.now_us
        if left_us > 0:
            self._clock.advance_us(left_us)

    def pass_time(self, time_us: int) -> None:
        """Let the clock run, without a look at it."""
        self._clock.advance_us(time_us)

    def _busy_for_us(self) -> tuple[int, ...]:
        """How long each bank is busy still."""
        now_us = self._clock.now_us
        return tuple(max(0, until_us - now_us) for until_us in self._busy_until_us)

    def _spend(self, kind: str, offset: int, time_us: int | None, count: int) -> None:
        if time_us is None:
            self._usage.untimed += count
            return
        setattr(self._usage, kind, getattr(self._usage, kind) + time_us * count)
        if self.background:
            bank = offset // self.part.bank_size
            begin = max(self._clock.now_us, self._busy_until_us[bank])
            self._busy_until_us[bank] = begin + time_us * count
        else:
            self._clock.advance_us(time_us * count)

    def _wait_for_read(self, offset: int, size: int) -> None:
        """A read of a bank that is busy stalls the bus; without RWW any read does."""
        busy = self._busy_until_us
        if not any(busy):
            return
        if self.part.rww:
            first, last = (at // self.part.bank_size for at in (offset, offset + size - 1))
            busy = busy[first : last + 1] if size else []
        stall_us = max(busy, default=0) - self._clock.now_us
        if stall_us > 0:
            self._usage.stall_us += stall_us
            self._clock.advance_us(stall_us)

    def _wait_for_write(self, address: int) -> None:
        """While an operation is under way another is queued, bank by bank, or refused."""
        if self.part.write_while_write == "queued":
            return
        if max(self._busy_until_us) > self._clock.now_us:
            raise BusyError("BSY", "another operation is under way", address)
