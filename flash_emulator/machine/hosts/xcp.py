"""XCP over a serial line, as OpenBLT has it: the host that programs flash.

ASAM MCD-1 XCP 1.x: command codes, layout of packets. On the line each packet has its length in
front, one byte, and, where the target is built so, the sum of length and packet modulo 256 behind.
The sequence is: CONNECT again and again until the target listens, PROGRAM_START,
for each piece SET_MTA and PROGRAM_CLEAR, for each piece SET_MTA and its bytes, PROGRAM of nothing,
PROGRAM_RESET.

    Board(..., host=xcp_host("USART2", XcpUpdate(((0x0800_2000, image),)), baud=57_600))
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from enum import IntEnum
from functools import partial
from hashlib import sha256
from typing import Any, Final

from flash_emulator.machine.hosts.asking import Drop, GaveUp, Read, Request, Send, Wait
from flash_emulator.machine.hosts.session import Away, Common
from flash_emulator.machine.hosts.talk import Talk
from flash_emulator.machine.outside import BAUD
from flash_emulator.machine.symbols import shown


class Command(IntEnum):
    """First bytes of commands."""

    CONNECT = 0xFF
    DISCONNECT = 0xFE
    GET_SEED = 0xF8
    UNLOCK = 0xF7
    SET_MTA = 0xF6
    PROGRAM_START = 0xD2
    PROGRAM_CLEAR = 0xD1
    PROGRAM = 0xD0
    PROGRAM_RESET = 0xCF
    PROGRAM_MAX = 0xC9


POSITIVE: Final = 0xFF
NEGATIVE: Final = 0xFE
_BUSY: Final = 0x10  # ERR_CMD_BUSY
_MOST_BUSY: Final = 3
_PGM: Final = 0x10  # a resource: programming
_BIG_ENDIAN: Final = 0x01  # COMM_MODE_BASIC
_LEAST: Final = 8  # of a MAX_CTO

ERRORS: Final = {
    0x00: "synchronisation",
    0x10: "busy",
    0x11: "a DAQ list is running",
    0x12: "programming is under way",
    0x20: "unknown command",
    0x21: "syntax",
    0x22: "out of range",
    0x23: "write protected",
    0x24: "access denied",
    0x25: "access locked",
    0x29: "sequence",
    0x30: "no memory",
    0x31: "verify",
}


class XcpFailed(GaveUp):
    """The target has refused a command, or answered otherwise than it must."""


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds that the host waits: for most answers, for those to PROGRAM_START, PROGRAM_CLEAR,
    PROGRAM and PROGRAM_MAX, PROGRAM_RESET; and for one to CONNECT, until it is sent again."""

    answer_s: float = 1.0
    start_s: float = 2.0
    clear_s: float = 10.0
    program_s: float = 1.0
    reset_s: float = 1.0
    connect_s: float = 0.05


@dataclass(frozen=True, slots=True)
class XcpUpdate:
    """*pieces*: (address, bytes) to be programmed. *checksum*: a byte behind each packet.
    *connect_mode*: of CONNECT. *key*: of a seed, where the target locks programming. *clear_most*:
    bytes of one PROGRAM_CLEAR; None: a piece as a whole. *resets*: PROGRAM_RESET at the end, else
    DISCONNECT."""

    pieces: tuple[tuple[int, bytes], ...]
    times: Times = Times()
    checksum: bool = False
    connect_mode: int = 0
    key: Callable[[bytes], bytes] | None = None
    clear_most: int | None = None
    resets: bool = True

    def __repr__(self) -> str:
        """Short, and the same for the same bytes."""
        digest = sha256(repr(self.pieces).encode()).hexdigest()[:16]
        places = ", ".join(f"{len(data)} bytes at {shown(at)}" for at, data in self.pieces)
        options = self.times, self.checksum, self.connect_mode, self.clear_most, self.resets
        return f"XcpUpdate({places}: {digest}, {options!r})"


_TRIES: Final = 600


def xcp_host(
    usart: str,
    update: XcpUpdate,
    *,
    baud: int = BAUD,
    survives: bool = False,
    tries: int = _TRIES,
    away: tuple[Away, ...] = ("short",),
) -> Talk:
    """The host that does *update*. A CONNECT that is not answered ends a try, of so many in one
    boot, as does whatever goes wrong later: then it begins with CONNECT again."""
    common = Common(survives=survives, tries=tries, again_s=0.0, away=away)
    return Talk(usart, partial(programs, update), baud=baud, common=common)


Asked = Generator[Request | Send, Any, None]


def programs(update: XcpUpdate) -> Asked:
    """One session, from CONNECT to the target's reset. Raises XcpFailed, TimeoutError."""
    link = _Link(update)
    yield from link.connect()
    yield from link.start()
    for address, size in _to_clear(update):
        yield from link.clear(address, size)
    for address, data in update.pieces:
        yield from link.program(address, data)
    yield from link.end()


def _to_clear(update: XcpUpdate) -> Iterator[tuple[int, int]]:
    for address, data in update.pieces:
        most = update.clear_most or len(data)
        for at in range(0, len(data), most):
            yield address + at, min(most, len(data) - at)


class _Link:
    def __init__(self, update: XcpUpdate) -> None:
        self._update, self._times = update, update.times
        self._most = _LEAST  # bytes of a packet
        self._order = "little"

    # --- commands

    def connect(self) -> Asked:
        """What was sent more than once, in tries before this one, is answered more than once."""
        yield Send(self._framed(bytes((Command.CONNECT, self._update.connect_mode))))
        answer = yield from self._packet(self._times.connect_s)
        if answer is None:
            raise TimeoutError(f"CONNECT was not answered within {self._times.connect_s:g} s")
        if answer[:1] != bytes((POSITIVE,)) or len(answer) < _LEAST:
            raise XcpFailed(f"CONNECT was answered by {answer.hex(' ')}")
        yield Wait(self._times.connect_s)
        yield Drop()
        self._order = "big" if answer[2] & _BIG_ENDIAN else "little"
        self._most = answer[3]
        if self._most < _LEAST:
            raise XcpFailed(f"CONNECT: MAX_CTO is {self._most}, and it must be {_LEAST} at least")
        if answer[1] & _PGM and self._update.key is not None:
            yield from self._unlock(self._update.key)

    def _unlock(self, key: Callable[[bytes], bytes]) -> Asked:
        """Longer seeds and keys go in parts: what is left stands in front of each."""
        answer = yield from self._command(bytes((Command.GET_SEED, 0, _PGM)), self._times.answer_s)
        seed, left = answer[2:], answer[1] - len(answer[2:])
        while left > 0:
            request = bytes((Command.GET_SEED, 1, _PGM))
            answer = yield from self._command(request, self._times.answer_s)
            seed, left = seed + answer[2:], left - len(answer[2:])
        unlocks = key(seed) if seed else b""  # no seed: it is not locked
        while unlocks:
            part = unlocks[: self._most - 2]
            request = bytes((Command.UNLOCK, len(unlocks))) + part
            yield from self._command(request, self._times.answer_s)
            unlocks = unlocks[len(part) :]

    def start(self) -> Asked:
        request = bytes((Command.PROGRAM_START,))
        answer = yield from self._command(request, self._times.start_s)
        if len(answer) > 3 and answer[3] >= _LEAST:
            self._most = answer[3]

    def clear(self, address: int, size: int) -> Asked:
        yield from self._set_address(address)
        request = bytes((Command.PROGRAM_CLEAR, 0, 0, 0)) + self._number(size)
        yield from self._command(request, self._times.clear_s)

    def program(self, address: int, data: bytes) -> Asked:
        """Whole packets by PROGRAM_MAX; what is left, by PROGRAM, which says how much it is."""
        yield from self._set_address(address)
        whole, some, at = self._most - 1, self._most - 2, 0
        while len(data) - at >= whole:
            request = bytes((Command.PROGRAM_MAX,)) + data[at : at + whole]
            yield from self._command(request, self._times.program_s)
            at += whole
        while at < len(data):
            part = data[at : at + some]
            request = bytes((Command.PROGRAM, len(part))) + part
            yield from self._command(request, self._times.program_s)
            at += len(part)

    def end(self) -> Asked:
        """The target may have reset itself before it answers."""
        yield from self._command(bytes((Command.PROGRAM, 0)), self._times.program_s)
        last = Command.PROGRAM_RESET if self._update.resets else Command.DISCONNECT
        yield Send(self._framed(bytes((last,))))
        yield from self._packet(self._times.reset_s)

    def _set_address(self, address: int) -> Asked:
        request = bytes((Command.SET_MTA, 0, 0, 0)) + self._number(address)
        yield from self._command(request, self._times.answer_s)

    def _number(self, value: int) -> bytes:
        return value.to_bytes(4, "big" if self._order == "big" else "little")

    # --- packets

    def _command(self, request: bytes, timeout_s: float) -> Generator[Request | Send, Any, bytes]:
        name, busy = Command(request[0]).name, 0
        while True:
            yield Send(self._framed(request))
            answer = yield from self._packet(timeout_s)
            if answer is None:
                raise TimeoutError(f"{name} was not answered within {timeout_s:g} s")
            if answer[0] == POSITIVE:
                return answer
            busy += 1
            if answer[:2] != bytes((NEGATIVE, _BUSY)) or busy == _MOST_BUSY:
                raise XcpFailed(f"{name} was refused: {_in_words(answer)}")
            yield Wait(self._times.connect_s)

    def _packet(self, timeout_s: float) -> Generator[Request | Send, Any, bytes | None]:
        """The next one; None where it has not come, or its sum is wrong."""
        size = yield Read(1, timeout_s)
        if not size or not size[0]:
            return None
        rest = size[0] + self._update.checksum
        data: bytes = yield Read(rest, self._times.answer_s)
        if len(data) < rest:
            return None
        if not self._update.checksum:
            return data
        packet, found = data[:-1], data[-1]
        return packet if found == sum(size + packet) & 0xFF else None

    def _framed(self, packet: bytes) -> bytes:
        framed = bytes((len(packet),)) + packet
        return framed + bytes((sum(framed) & 0xFF,)) if self._update.checksum else framed


def _in_words(answer: bytes) -> str:
    if answer[0] != NEGATIVE or len(answer) < 2:
        return answer.hex(" ")
    return ERRORS.get(answer[1], f"0x{answer[1]:02X}")
