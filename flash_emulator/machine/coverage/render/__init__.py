"""Coverage as text for a terminal, JSON, lcov and a page."""

from flash_emulator.machine.coverage.render.lcov import lcov
from flash_emulator.machine.coverage.render.page import coverage_html
from flash_emulator.machine.coverage.render.text import coverage_lines
from flash_emulator.machine.coverage.render.values import coverage_json

__all__ = ["coverage_html", "coverage_json", "coverage_lines", "lcov"]
