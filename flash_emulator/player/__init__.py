"""Shows flash over time in a browser: banks, sectors, regions; what an upgrade does, cut by cut.

One component for films of power-loss searches, devices of fleets and boards. ``film_json`` makes
what ``player.js`` draws, ``page.player_page`` a file that
needs nothing else.
"""

from flash_emulator.player.assets import player_assets
from flash_emulator.player.film import Step, film_json
from flash_emulator.player.flash_map import FlashMap
from flash_emulator.player.signs import Signs, sector_signs, span_of

__all__ = [
    "FlashMap",
    "Signs",
    "Step",
    "film_json",
    "player_assets",
    "sector_signs",
    "span_of",
]
