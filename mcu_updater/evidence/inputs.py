"""The inputs of a search, byte for byte: the board file, and all that it names, in the folders in
which it expects them, so that the copy can be read as the original."""

from __future__ import annotations

import os.path
from pathlib import Path

from flash_emulator.evidence.names import INPUTS
from flash_emulator.machine.board_file import named_files, table_of
from mcu_updater.core.errors import InputRejected

_THEN = "Nothing was written"


def collect(board: Path) -> tuple[str, dict[str, bytes]]:
    """The place of *board* in the pack, and the bytes of all inputs by theirs.

    Raises InputRejected; BadBoardFile where its form is wrong.
    """
    text = board.read_bytes()
    path = Path(os.path.abspath(board))  # noqa: PTH100  as it is written, whatever links are on it
    named = list(dict.fromkeys(named_files(table_of(text.decode("utf-8-sig"), board))))
    for name in named:
        _check(name, board)
    places = {name: os.path.normpath(path.parent / name) for name in named}
    root = Path(os.path.commonpath([path.parent, *(os.path.dirname(p) for p in places.values())]))  # noqa: PTH120
    found = {_place(path, root): text}
    for name, place in places.items():
        found[_place(Path(place), root)] = _bytes(board, name)
    return _place(path, root), found


def _check(name: str, board: Path) -> None:
    if Path(name).is_absolute():
        raise InputRejected(
            "the board file names a file by its absolute path",
            where=str(board),
            expected="a path relative to the board file: a pack stands alone, wherever it lies",
            found=name,
            then=_THEN,
        )


def _place(path: Path, root: Path) -> str:
    name = INPUTS + path.relative_to(root).as_posix()
    if not name.isprintable() or "\\" in name or ":" in name:
        raise InputRejected(
            "this name cannot stand in a pack",
            where=str(path),
            expected="printable characters without \\ and :",
            found=ascii(name),
            then=_THEN,
        )
    return name


def _bytes(board: Path, name: str) -> bytes:
    try:
        return (board.parent / name).read_bytes()
    except OSError as error:
        raise InputRejected(
            "a file that the board file names cannot be read",
            where=str(board),
            found=f"{name}: {error.strerror or error}",
            then=_THEN,
        ) from error
