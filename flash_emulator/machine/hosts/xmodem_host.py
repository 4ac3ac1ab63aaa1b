"""A host that sends an image by XMODEM or YMODEM, with the package ``xmodem`` (extra ``hosts``).

YMODEM is XMODEM between two blocks 0, of 128 bytes: one has the file's name and, behind a zero, its
size; the other is empty, since no file follows. Those two are sent here, the file by the package.
"""

from __future__ import annotations

import logging
from functools import partial
from hashlib import sha256
from importlib.util import find_spec
from io import BytesIO
from typing import Any, Literal

from flash_emulator.machine.hosts.asking import GaveUp
from flash_emulator.machine.hosts.line import Line
from flash_emulator.machine.hosts.session import Away, Common
from flash_emulator.machine.hosts.talk import Talk
from flash_emulator.machine.outside import BAUD

_ASKS = b"C"
_ACK, _SOH = b"\x06", b"\x01"
_BLOCK_ZERO = 128
_BEGUN_AGAIN = "the receiver has begun again"
Mode = Literal["xmodem", "xmodem1k", "ymodem"]


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
    """*data* in blocks of 128 bytes, or of 1,024 ("xmodem1k", "ymodem"). *retries* of a block,
    *timeout_s* of an answer. Whoever survives a cut begins again as soon as the receiver asks for
    the first block."""
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
    modem = XMODEM(link.get, link.put, mode="xmodem1k" if mode == "ymodem" else mode)
    if mode == "ymodem":
        _send_block_zero(line, modem, b"image.bin\0%d" % len(data), retries, timeout_s)
    if not modem.send(BytesIO(data), retry=retries, timeout=timeout_s, quiet=True):
        raise GaveUp("the receiver has not taken what was sent by XMODEM")
    if mode == "ymodem":
        _send_block_zero(line, modem, b"", retries, timeout_s)


def _send_block_zero(line: Line, modem: Any, text: bytes, retries: int, timeout_s: float) -> None:
    """Where the receiver asks for it. Raises GaveUp, TimeoutError."""
    block = text.ljust(_BLOCK_ZERO, b"\0")
    crc = modem.calc_crc(block).to_bytes(2, "big")
    line.expect(_ASKS, timeout_s)
    for _ in range(1 + retries):
        line.drop()
        line.write(_SOH + b"\x00\xff" + block + crc)
        answer = line.read(1, timeout_s)
        if answer == _ACK:
            return
        if answer == _ASKS:
            raise GaveUp(_BEGUN_AGAIN)
    raise GaveUp("the receiver has not taken YMODEM's block 0")


class _Link:
    """What the package reads and writes by. A receiver that asks for the first block once more has
    begun again, and the package would never know."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._has_begun = False

    def get(self, size: int, timeout: float = 1) -> bytes | None:
        found = self._line.read(size, timeout) or None
        if self._has_begun and found == _ASKS:
            raise GaveUp(_BEGUN_AGAIN)
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
