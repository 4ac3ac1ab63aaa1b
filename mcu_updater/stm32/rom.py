"""The boot ROM's commands over a line: one method a command, one try each, everything counted.

What goes wrong here has two shapes. ``Refused``: the ROM said NACK, and at which step. ``Lost``:
it said nothing, or something that is no answer; then both ends may disagree about where in a
frame they are, and ``resync`` has to come next. Retries are the business of ``patient``.

Every frame goes out in one write: a USB bridge then sends it in one packet, and over TCP there is
no delayed ACK to wait for. *merged*: command, address and data go out together, and the answers
come together. AN3155 asks to wait in between; a ROM that is busy when a byte comes loses it. So it
is off unless the user asks, and tested before it is used.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from flash_emulator import an3155
from flash_emulator.an3155 import Bulk, Command, with_checksum, with_complement
from mcu_updater.ports import Clock
from mcu_updater.stm32.estimate import BITS_PER_BYTE
from mcu_updater.stm32.line import RomLine

FILLER: Final = 0x02
"""What ``resync`` fills an unfinished frame with. Checksums of frames made of it never fit: even
and not 0, so that N, N + 1 times itself and its XOR disagree; no command, no complement. And it is
small: after EXTENDED_ERASE it asks for 515 pages, so 1030 bytes end that frame."""

_FILLS: Final = (2, 6, 64, 260, 1100)  # bytes; a command, an address, ..., the longest erase
_MAX_PAGES: Final = 511  # of one extended erase: the L082's ROM takes no more (stm32flash)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds without an answer, on top of the time that the bytes take."""

    answer_s: float = 1.0
    sector_erase_s: float = 5.0  # each: F4, 128 KiB, x8: 4 s at most (DS9405)
    chip_erase_s: float = 40.0  # F4, x8: 32 s at most (DS9405)
    resync_s: float = 0.1


class RomError(Exception):
    """A command that did not come to its end."""


class Refused(RomError):
    """NACK. *step*: "command", "address", "data" or "execution"."""

    def __init__(self, command: Command, step: str) -> None:
        super().__init__(f"NACK to {command.words} at its {step}")
        self.command, self.step = command, step


class Lost(RomError):
    """No answer, or none that makes sense."""

    def __init__(self, command: Command | None, step: str, found: bytes, wanted: str) -> None:
        name = "SYNC" if command is None else command.words
        shown = found[:16].hex(" ") or "nothing"
        super().__init__(f"{name}, {step}: expected {wanted}, found {shown}")
        self.command, self.step, self.found = command, step, found


@dataclass(frozen=True, slots=True)
class RomInfo:
    """What GET and GET ID say."""

    version: int
    commands: frozenset[int]
    pid: int

    @property
    def version_text(self) -> str:
        return f"{self.version >> 4}.{self.version & 0xF}"

    def has(self, command: Command) -> bool:
        return command in self.commands


@dataclass(slots=True)
class Traffic:
    sent: int = 0
    received: int = 0
    turnarounds: int = 0  # times that the host waited for the chip

    def since(self, earlier: Traffic) -> Traffic:
        return Traffic(
            self.sent - earlier.sent,
            self.received - earlier.received,
            self.turnarounds - earlier.turnarounds,
        )


class BootRom:
    """The ROM at the other end of *line*. Addresses and sizes are checked by the caller."""

    def __init__(self, line: RomLine, clock: Clock, timeouts: Timeouts = Timeouts()) -> None:  # noqa: B008
        self.line, self.clock, self.timeouts = line, clock, timeouts
        self.merged = False
        self.traffic = Traffic()
        self._held = bytearray()

    def traffic_now(self) -> Traffic:
        return replace(self.traffic)

    # --- coming into contact

    def synchronize(self) -> bool:
        """Send 7F, twice where the first is not answered. Whether a ROM answers.

        One that was spoken to before takes both as a bad command and answers NACK: alive, too.
        """
        self._drop_input()
        for _ in range(2):
            self._send(bytes((an3155.SYNC,)))
            answer = self._take_up_to(1, self.timeouts.resync_s + 2 * self._wire_s(1))
            if answer and answer[0] in (an3155.ACK, an3155.NACK):
                self._drop_input()  # L412's ROM acknowledges twice (stm32flash)
                return True
        return False

    def resync(self, *, in_erase: bool = False) -> bool:
        """End whatever frame the ROM believes to be in. Whether it waits for a command now.

        *in_erase*: it may wait for page numbers; then 7F, which could be one, comes last.
        """
        self._drop_input()
        if not in_erase and self.synchronize():
            return self._align()
        for size in _FILLS:
            self._send(bytes((FILLER,)) * size)
            answer = self._take_up_to(1, self.timeouts.resync_s + self._wire_s(size))
            if answer:
                self._drop_input()
                return self._align()
        return self.synchronize() and self._align()

    def _align(self) -> bool:
        """Whether NACK follows a bad command; half of one may be waiting."""
        for _ in range(3):
            self._send(bytes((FILLER,)))
            answer = self._take_up_to(1, self.timeouts.resync_s + self._wire_s(1))
            if answer == bytes((an3155.NACK,)):
                return True
            self._drop_input()
        return False

    # --- asking

    def identify(self) -> RomInfo:
        """GET and GET ID. Of a longer ID (BlueNRG) the first two bytes count."""
        answer = self._counted(Command.GET)
        pid = self._counted(Command.GET_ID)
        if len(answer) < 2 or len(pid) < 2:
            raise Lost(Command.GET, "answer", answer + pid, "a version, commands and a PID")
        return RomInfo(answer[0], frozenset(answer[1:]), int.from_bytes(pid[:2], "big"))

    def _counted(self, command: Command) -> bytes:
        self._command(command)
        count = self._take(command, 1, "count")[0] + 1
        data = self._take(command, count, "answer")
        self._ack(command, "end")
        return data

    # --- reading

    def read(self, address: int, size: int) -> bytes:
        """1 to 256 bytes. There is no checksum on them."""
        frames = (
            with_complement(Command.READ),
            with_checksum(struct.pack(">I", address)),
            with_complement(size - 1),
        )
        self._frames(Command.READ, frames, ("command", "address", "data"))
        return self._take(Command.READ, size, "data")

    def checksum(self, address: int, size: int) -> int:
        """CRC of whole words, as the CRC unit makes it after a reset. AN3155 3.13."""
        command = Command.GET_CHECKSUM
        self._command(command)
        words = (address, size // 4, an3155.CRC_POLYNOMIAL, an3155.CRC_INITIAL)
        for word, step in zip(words, ("address", "data", "data", "data"), strict=True):
            self._say(command, with_checksum(struct.pack(">I", word)), step)
        self._ack(command, "execution", self.timeouts.answer_s + size / 1e6)  # 1 MB/s at least
        answer = self._take(command, 5, "answer")
        if an3155.checksum(answer):
            raise Lost(command, "answer", answer, "a CRC and its XOR")
        return int.from_bytes(answer[:4], "big")

    # --- changing

    def write(self, address: int, data: bytes, timeout_s: float | None = None) -> None:
        """1 to 256 bytes; address and length multiples of 4, and of the program unit.

        The ACK says that the ROM is done, not that flash holds *data*.
        """
        frames = (
            with_complement(Command.WRITE),
            with_checksum(struct.pack(">I", address)),
            with_checksum(bytes((len(data) - 1,)) + data),
        )
        self._frames(Command.WRITE, frames, ("command", "address", "execution"), timeout_s)

    def erase_sectors(self, info: RomInfo, numbers: Sequence[int]) -> None:
        """Erase the sectors *numbers*, in as few commands as the ROM takes."""
        extended = info.has(Command.EXTENDED_ERASE)
        most = _MAX_PAGES if extended else 0xFF
        for at in range(0, len(numbers), most):
            some = numbers[at : at + most]
            wait_s = self.timeouts.answer_s + self.timeouts.sector_erase_s * len(some)
            if extended:
                frame = struct.pack(f">{len(some) + 1}H", len(some) - 1, *some)
                self._erase(Command.EXTENDED_ERASE, with_checksum(frame), wait_s)
            else:
                frame = bytes((len(some) - 1, *some))
                self._erase(Command.ERASE, with_checksum(frame), wait_s)

    def erase_bank(self, bank: int) -> None:
        """All sectors of *bank*, 0 or 1. Not every ROM can."""
        code = (Bulk.BANK_1, Bulk.BANK_2)[bank]
        frame = with_checksum(struct.pack(">H", code))
        self._erase(Command.EXTENDED_ERASE, frame, self.timeouts.chip_erase_s)

    def erase_chip(self, info: RomInfo) -> None:
        """All flash. Not every ROM can."""
        if info.has(Command.EXTENDED_ERASE):
            frame = with_checksum(struct.pack(">H", Bulk.MASS))
            self._erase(Command.EXTENDED_ERASE, frame, self.timeouts.chip_erase_s)
        else:
            frame = with_complement(an3155.ERASE_EVERYTHING)
            self._erase(Command.ERASE, frame, self.timeouts.chip_erase_s)

    def _erase(self, command: Command, frame: bytes, timeout_s: float) -> None:
        self._command(command)
        self._say(command, frame, "execution", timeout_s)

    def go(self, address: int) -> None:
        """Start at *address*: stack pointer from there, program counter from 4 behind it."""
        self._command(Command.GO)
        self._say(Command.GO, with_checksum(struct.pack(">I", address)), "address")

    def write_protect(self, sectors: Sequence[int]) -> None:
        """Protect sectors by ST's codes, and no other. The chip resets."""
        self._command(Command.WRITE_PROTECT)
        frame = with_checksum(bytes((len(sectors) - 1, *sectors)))
        self._say(Command.WRITE_PROTECT, frame, "execution", self.timeouts.sector_erase_s)

    def change_protection(self, command: Command, timeout_s: float) -> None:
        """The commands without arguments: two ACKs, then the chip resets."""
        self._command(command)
        self._ack(command, "execution", timeout_s)

    # --- frames

    def _frames(
        self,
        command: Command,
        frames: tuple[bytes, ...],
        steps: tuple[str, ...],
        timeout_s: float | None = None,
    ) -> None:
        """Say *frames*, each after the ACK to the one before, or all at once."""
        if self.merged:
            self._held.clear()
            self._send(b"".join(frames))
            self.traffic.turnarounds += 1
            wait_s = (timeout_s or self.timeouts.answer_s) + self._wire_s(sum(map(len, frames)))
            for step in steps:
                self._ack(command, step, wait_s, counted=False)
            return
        self._held.clear()
        for frame, step in zip(frames, steps, strict=True):
            last = step == steps[-1]
            self._say(command, frame, step, timeout_s if last else None)

    def _command(self, command: Command) -> None:
        self._held.clear()
        self._say(command, with_complement(command), "command")

    def _say(self, command: Command, frame: bytes, step: str, timeout_s: float | None = None) -> None:
        self._send(frame)
        self._ack(command, step, (timeout_s or self.timeouts.answer_s) + self._wire_s(len(frame)))

    def _ack(
        self, command: Command, step: str, timeout_s: float | None = None, *, counted: bool = True
    ) -> None:
        """Wait for ACK; BUSY begins the wait anew."""
        self.traffic.turnarounds += counted
        while True:
            answer = self._take(command, 1, step, timeout_s, "ACK")[0]
            if answer == an3155.ACK:
                return
            if answer == an3155.NACK:
                raise Refused(command, step)
            if answer != an3155.BUSY:
                raise Lost(command, step, bytes((answer,)), "ACK")

    # --- bytes

    def _wire_s(self, size: int) -> float:
        return size * BITS_PER_BYTE / (self.line.baud or 115_200)

    def _send(self, data: bytes) -> None:
        self.traffic.sent += len(data)
        self.line.write(data)

    def _take(
        self,
        command: Command,
        size: int,
        step: str,
        timeout_s: float | None = None,
        wanted: str = "",
    ) -> bytes:
        wait_s = (timeout_s or self.timeouts.answer_s) + self._wire_s(size)
        data = self._take_up_to(size, wait_s)
        if len(data) < size:
            raise Lost(command, step, data, wanted or f"{size} bytes")
        return data

    def _take_up_to(self, size: int, timeout_s: float) -> bytes:
        """*size* bytes, or what has come of them in *timeout_s*."""
        deadline_s = self.clock.now_s() + timeout_s
        while len(self._held) < size:
            left_s = deadline_s - self.clock.now_s()
            if left_s <= 0:
                break
            came = self.line.read(left_s)
            self.traffic.received += len(came)
            self._held += came
        data = bytes(self._held[:size])
        del self._held[:size]
        return data

    def _drop_input(self) -> None:
        self._held.clear()
        self.line.discard_input()
