"""The player's script and style, and how they and data stand in a page that needs nothing else."""

from __future__ import annotations

import base64
import json
from hashlib import sha256
from importlib.resources import files

_NAMES = ("player.css", "player.js")


def player_assets() -> dict[str, bytes]:
    """``player.js``, ``player.css``: for a server to hand out."""
    folder = files(__package__)
    return {name: folder.joinpath(name).read_bytes() for name in _NAMES}


def player_text(name: str) -> str:
    """One of them, to stand in a page."""
    return player_assets()[name].decode()


def policy_hash(text: str) -> str:
    """Of an inline script or style, for the page's content security policy."""
    return "sha256-" + base64.b64encode(sha256(text.encode()).digest()).decode()


def inline_json(value: object) -> str:
    """JSON that ends no script element and begins none."""
    text = json.dumps(value, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
