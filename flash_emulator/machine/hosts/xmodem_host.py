"""A host that sends an image by XMODEM, with the package ``xmodem`` (MIT, extra ``hosts``)."""

from __future__ import annotations

import logging
from functools import partial
from hashlib import sha256
from importlib.util import find_spec
from io import BytesIO
from typing import Literal

from flash_emulator.machine.hosts.asking import GaveUp
from flash_emulator.machine.hosts.line import Line
from flash_emulator.machine.hosts.session import Away, Common
from flash_emulator.machine.hosts.talk import Talk
from flash_emulator.machine.outside import BAUD

_ASKS = b"C"
Mode = Literal["xmodem", "xmodem1k"]


def is_installed() -> bool:
    """Whether the package is there."""
    return find_spec("xmodem") is not None


def xmodem_host(
    usart: str,
    data: bytes,
    *,
    mode: Mode = "xmodem",
    retries: int = 16,
    timeout_s: float = 10.0,
    baud: int = BAUD,
    survives: bool = False,
    tries: int = 10,
    away: tuple[Away, ...] = ("short",),
) -> Talk:
    """*data* in blocks of 128 bytes, or of 1,024 ("xmodem1k"). *retries* of a block, *timeout_s* of
    an answer. Whoever survives a cut begins again as soon as the receiver asks for the first block.
    """
    common = Common(survives=survives, tries=tries, away=away)
    function = partial(sends, _Data(data), mode, retries, timeout_s)
    return Talk(usart, function, blocking=True, baud=baud, common=common)


class _Data(bytes):
    """Bytes whose ``repr`` is short, and the same for the same bytes."""

    def __repr__(self) -> str:
        return f"{len(self)} bytes {sha256(self).hexdigest()[:16]}"


def sends(data: bytes, mode: Mode, retries: int, timeout_s: float, line: Line) -> None:
    """One transfer. Raises GaveUp."""
    from xmodem import XMODEM

    logging.getLogger("xmodem.XMODEM").addFilter(_silent)

    link = _Link(line)
    modem = XMODEM(link.get, link.put, mode=mode)
    if not modem.send(BytesIO(data), retry=retries, timeout=timeout_s, quiet=True):
        raise GaveUp("the receiver has not taken what was sent by XMODEM")


class _Link:
    """What the package reads and writes by. A receiver that asks for the first block once more has
    begun again, and the package would never know."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._has_begun = False

    def get(self, size: int, timeout: float = 1) -> bytes | None:
        found = self._line.read(size, timeout) or None
        if self._has_begun and found == _ASKS:
            raise GaveUp("the receiver has begun again")
        return found

    def put(self, data: bytes, timeout: float = 1) -> int:
        del timeout
        if not self._has_begun:
            self._line.drop()  # it may have asked more than once
            self._has_begun = True
        self._line.write(data)
        return len(data)


def _silent(record: logging.LogRecord) -> bool:
    """In a search each cut would be told of."""
    return record.levelno > logging.CRITICAL
