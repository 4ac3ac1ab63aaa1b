"""Renders what searches found: JSON, JUnit XML, text, and one HTML file. Values in, text out."""

from flash_emulator.explore.render.film import film_lines
from flash_emulator.explore.render.page import campaign_html
from flash_emulator.explore.render.values import campaign_json
from flash_emulator.explore.render.xunit import campaign_junit

__all__ = ["campaign_html", "campaign_json", "campaign_junit", "film_lines"]
