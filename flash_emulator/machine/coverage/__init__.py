"""Coverage under cuts: what of a bootloader ran, what of it after a cut of power, and which flash
operation was cut with which outcome.

    traced = TracedBoots(read.subject, read.board.flash())
    Search(read.subject, read.board.flash(), observer=traced, began=traced.begin).run()
    coverage = coverage_of(traced.finish(), infos, ())

Every boot that the search made is made once more, without its cuts, on a machine that is traced.
"""

from flash_emulator.machine.coverage.counting import coverage_of
from flash_emulator.machine.coverage.following import Joined, TracedBoots
from flash_emulator.machine.coverage.report import Coverage

__all__ = ["Coverage", "Joined", "TracedBoots", "coverage_of"]
