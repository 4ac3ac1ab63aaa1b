"""The model statement: what is assumed, what is left out, how far the part file can be relied on.

Nothing of it is written here: it is what the docstrings of the model, the board and the part file
say, so whoever has this program can make it again.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import flash_emulator
from flash_emulator.docstrings import bullets, paragraph
from flash_emulator.machine.board_facts import NOT_MODELLED, all_not_asked
from flash_emulator.machine.board_file import BoardFile
from flash_emulator.parts.part import Part
from flash_emulator.parts.part_model import STANDINGS

_WEAK = STANDINGS[1:]  # all but what somebody has measured


def model_statement(read: BoardFile) -> dict[str, Any]:
    """By heading; of each, points in words."""
    search = _docstring(Path(flash_emulator.__file__).parent / "explore/__init__.py")
    return {
        "not modelled: flash": [paragraph(flash_emulator.__doc__, "**Not modelled**")],
        "not modelled: MCU": [f"{NOT_MODELLED}."],
        "not asked of this board": list(all_not_asked(read.board)) or ["nothing"],
        "not confirmed of this part": list(_unconfirmed(read.board.part)),
        "assumed by the model of the flash": bullets(
            flash_emulator.__doc__, "**Assumptions, first.**"
        ),
        "assumed by the search": bullets(search, "**What is assumed.**"),
    }


def _docstring(file: Path) -> str | None:
    """Of a module, which is read and not imported."""
    return ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))


def _unconfirmed(part: Part) -> Iterator[str]:
    """Keys of the part file that are not as a document has them, or that nobody has measured."""
    yield "Nothing was measured for this pack: no hardware was asked."
    for standing in _WEAK:
        keys = [
            f"{entry.table}.{key}" if entry.table else key
            for entry in part.provenance
            for key in getattr(entry, standing)
        ]
        if keys:
            yield f"{standing}: {', '.join(keys)}"
