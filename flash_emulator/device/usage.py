"""What operations have come to, as a value."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Usage:
    """Operations since the device was made, and the time they took, in microseconds."""

    programs: int = 0
    erases: int = 0
    program_us: int = 0
    erase_us: int = 0
    stall_us: int = 0  # reads that had to wait for a busy bank
    corrected: int = 0  # single-bit errors that reads have met
    untimed: int = 0  # operations whose time no document gives

    def copy(self) -> Usage:
        return Usage(
            self.programs,
            self.erases,
            self.program_us,
            self.erase_us,
            self.stall_us,
            self.corrected,
            self.untimed,
        )
