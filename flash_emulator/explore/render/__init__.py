"""Renders what searches found: JSON, JUnit XML, SARIF, text, one HTML file, and what forges show.

Values in, text out; only where sources lie is looked up in the tree of files."""

from flash_emulator.explore.render.film import film_lines
from flash_emulator.explore.render.forges import (
    campaign_codequality,
    github_commands,
    github_summary,
)
from flash_emulator.explore.render.page import campaign_html
from flash_emulator.explore.render.places import SourceTree
from flash_emulator.explore.render.sarif import campaign_sarif
from flash_emulator.explore.render.values import campaign_json
from flash_emulator.explore.render.xunit import campaign_junit

__all__ = [
    "SourceTree",
    "campaign_codequality",
    "campaign_html",
    "campaign_json",
    "campaign_junit",
    "campaign_sarif",
    "film_lines",
    "github_commands",
    "github_summary",
]
