"""Options to values: what cannot be is a usage error, found before anything is touched."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from mcu_updater.core.errors import ImageRejected
from mcu_updater.core.strategy import Strategy

_VERSION = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_COMPONENT = re.compile(r"[!-~ ]{1,32}")
_ADDRESS_LIMIT = 1 << 32

Callback = Callable[[click.Context, click.Parameter, Any], Any]


def version(_: click.Context, __: click.Parameter, text: str | None) -> str | None:
    """What AT+QIOTMCUVER can carry."""
    if text is not None and not _VERSION.fullmatch(text):
        raise click.BadParameter(f"{text!r} is not 1 to 64 letters, digits, '_', '-' or '.'")
    return text


def component(_: click.Context, __: click.Parameter, text: str | None) -> str | None:
    if text is not None and (not _COMPONENT.fullmatch(text) or set(':;"') & set(text)):
        raise click.BadParameter(f'{text!r} is not 1 to 32 ASCII characters without : ; and "')
    return text


def strategy(_: click.Context, __: click.Parameter, name: str | None) -> Strategy | None:
    return None if name is None else Strategy(name)


def byte_size(_: click.Context, __: click.Parameter, text: str | None) -> int | None:
    """Bytes, or ``512K``, ``1M``."""
    if text is None:
        return None
    try:
        value = size_of(text)
    except ValueError:
        value = 0
    if value < 1:
        raise click.BadParameter(f"{text!r} is no size, such as 512K")
    return value


def size_of(text: str) -> int:
    """Raises ValueError."""
    scale = {"K": 1024, "M": 1 << 20}.get(text[-1:].upper())
    return int(text[:-1]) * scale if scale else int(text)


def address(_: click.Context, __: click.Parameter, text: str | None) -> int | None:
    """Hexadecimal with 0x, else decimal; ``_`` between digits as in 0x0800_8000."""
    if text is None:
        return None
    try:
        value = int(text, 16 if text.lower().startswith("0x") else 10)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is not an address (example: 0x0800_8000)") from error
    if not 0 <= value < _ADDRESS_LIMIT:
        raise click.BadParameter(f"{text} is no 32-bit address")
    return value


def digest(size: int) -> Callback:
    """Hexadecimal digits for *size* bytes."""

    def parse(_: click.Context, __: click.Parameter, text: str | None) -> bytes:
        if text is None:
            return b""
        if not re.fullmatch(f"[0-9A-Fa-f]{{{2 * size}}}", text):
            raise click.BadParameter(f"{text!r} is not {2 * size} hexadecimal digits")
        return bytes.fromhex(text)

    return parse


def image(_: click.Context, __: click.Parameter, path: Path | None) -> bytes | None:
    """The bytes of the file, numbered parts joined. An empty one can be no package: the cloud would
    not take it; nor one that is no image. ``reading.package_options`` say how it is read."""
    if path is None:
        return None
    from mcu_updater.cli.reading import read_for_device  # it has options, which need values

    data = read_for_device(path)
    if not data:
        raise ImageRejected("the package is empty", where=str(path), then="Nothing was changed")
    return data
