"""One film as one HTML file, which needs nothing else: no network, no fonts, no server.

The page's own policy lets no other script run than the player's, whatever a subject's words hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

import jinja2

from flash_emulator.player.assets import inline_json, player_text, policy_hash

_START = """FlashPlayer.mount(
  document.getElementById("film"), JSON.parse(document.getElementById("data").textContent));
"""


def player_page(film: Mapping[str, Any], *, title: str, lines: Sequence[str] = ()) -> str:
    """*film*: as ``film_json`` makes it. *lines*: the same as text, for who runs no script."""
    style = files(__package__).joinpath("page.css").read_text(encoding="utf-8") + player_text(
        "player.css"
    )
    script = player_text("player.js") + _START
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(
        files(__package__).joinpath("page.html").read_text(encoding="utf-8")
    )
    return template.render(
        title=title,
        lines=lines,
        style=style,
        script=script,
        style_hash=policy_hash(style),
        script_hash=policy_hash(script),
        data=inline_json(film),
    )


def _text(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
