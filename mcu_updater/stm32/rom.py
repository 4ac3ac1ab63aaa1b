"""The boot ROM's commands over a line: one method a command, one try each, everything counted.

What goes wrong here has two shapes. ``Refused``: the ROM said NACK, and at which step. ``Lost``:
it said nothing, or something that is no answer; then both ends may disagree about where in a
frame they are, and ``resync`` has to come next. Retries are the business of ``retry``.

Every frame goes out in one write: a USB bridge then sends it in one packet, and over TCP there is
no delayed ACK to wait for. Of the commands in *merged*, command, address and data go out together,
and the answers come together. AN3155 asks to wait in between; a ROM that is busy when a byte comes
loses it. So it is tested before it is used (``merging``), and some of it never (``merged_frames``).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final

from flash_emulator.an3155 import MAX_BLOCK, NACK, Bulk, Command
from mcu_updater.core.ports import Clock
from mcu_updater.stm32 import an3155
from mcu_updater.stm32.an3155 import Exchange, Garbled, ReplyError, ReplyReader, Step, Wait
from mcu_updater.stm32.estimate import BITS_PER_BYTE, PACKET_SIZE
from mcu_updater.stm32.line import RomLine
from mcu_updater.stm32.merged_frames import merged

FILLER: Final = 0x02
"""What ``resync`` fills an unfinished frame with. Checksums of frames made of it never fit: even
and not 0, so that N, N + 1 times itself and its XOR disagree; no command, no complement. And it is
small: after EXTENDED_ERASE it asks for 515 pages, so 1033 bytes end that frame. ``an3155.RESYNC``
would not do here: to a ROM that has just acknowledged 0x43, FF 00 is the erase of everything."""

_FILLS: Final = (2, 6, 64, 260, 1100)  # bytes; a command, an address, ..., the longest erase
_WITH_ADDRESS: Final = (Command.READ, Command.WRITE, Command.GO, Command.GET_CHECKSUM)
NOTHING: Final = "0 bytes"
_ODD_REPLY: Final = 16  # bytes of one that are shown


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds without an answer, on top of the time that the bytes take."""

    answer_s: float = 1.0
    sector_erase_s: float = 5.0  # each: F4, 128 KiB, x8: 4 s at most (DS9405)
    chip_erase_s: float = 40.0  # F4, x8: 32 s at most (DS9405)
    resync_s: float = 0.1  # for the first try; a link that is slower shows it
    longest_s: float = 6.0  # how late a first answer may be: bridges over Wi-Fi, mobile networks


class RomError(Exception):
    """A command that did not come to its end. *step*: "command", "address" or "execution"."""

    def __init__(self, text: str, command: Command, step: str) -> None:
        super().__init__(text)
        self.command, self.step = command, step


class Refused(RomError):
    """NACK."""

    def __init__(self, command: Command, step: str) -> None:
        super().__init__(f"NACK to {command.words} at its {step}", command, step)


class Lost(RomError):
    """No answer, or none that makes sense."""

    def __init__(self, command: Command, step: str, wanted: str, found: str) -> None:
        text = f"{command.words}, {step}: expected {wanted}, found {found}"
        super().__init__(text, command, step)
        self.is_silence = found == NOTHING


@dataclass(frozen=True, slots=True)
class RomIdentity:
    """What GET and GET ID say."""

    info: an3155.RomInfo
    pid: int

    def has(self, command: Command) -> bool:
        return self.info.has(command)


@dataclass(slots=True)
class Traffic:
    sent: int = 0
    received: int = 0
    turnarounds: int = 0  # times that the host waited for the chip

    @property
    def wire_bytes(self) -> int:
        return self.sent + self.received

    def since(self, earlier: Traffic) -> Traffic:
        return Traffic(
            self.sent - earlier.sent,
            self.received - earlier.received,
            self.turnarounds - earlier.turnarounds,
        )


class BootRom:
    """The ROM at the other end of *line*. Addresses and sizes are checked by the caller."""

    def __init__(self, line: RomLine, clock: Clock, timeouts: Timeouts) -> None:
        self.line, self.clock, self.timeouts = line, clock, timeouts
        self.merged: Collection[Command] = ()
        self.traffic = Traffic()
        self.round_trip_s = 0.0  # of the slowest prompt answer so far
        self._prompt_s, self._prompts = 0.0, 0  # waited for prompt answers, and how many came
        self._rest = b""  # came behind a reply

    def traffic_now(self) -> Traffic:
        return replace(self.traffic)

    @property
    def read_size(self) -> int:
        """Bytes of one read: what fills an FTDI's packets together with the ACKs before it, or all
        that the ROM gives at once."""
        if not self.line.wants_full_packets:
            return MAX_BLOCK
        return 4 * PACKET_SIZE - (3 if Command.READ in self.merged else 1)

    # --- coming into contact

    def synchronize(self) -> bool:
        """Send 7F, twice where the first is not answered. Whether a ROM answers."""
        self._drop_input()
        reader = an3155.SyncReader()
        for _ in range(2):
            self._send(reader.FRAME)
            reader.feed(self._come(self.patience_s + 2 * self.wire_s(1)))
            if reader.is_alive:
                self._drop_input()
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
            if self._come(self.patience_s + self.wire_s(size)):
                self._drop_input()
                return self._align()
        return self.synchronize() and self._align()

    def _align(self) -> bool:
        """Whether NACK follows a bad command; half of one may be waiting."""
        for _ in range(3):
            self._send(bytes((FILLER,)))
            if self._come(self.patience_s + self.wire_s(1)) == bytes((NACK,)):
                return True
            self._drop_input()
        return False

    @property
    def patience_s(self) -> float:
        """How long an answer at hand may take, on a link as slow as this one has shown to be."""
        return max(self.timeouts.resync_s, 2 * self.round_trip_s + self.timeouts.resync_s / 2)

    def reach_slowly(self) -> bool:
        """As ``synchronize``, one byte at a time, over a link that may be slow. Whether it answers.

        All late answers are let go by first, so the first byte after ours tells how slow it is. A
        frame that the ROM believes to be in is filled last.
        """
        self.listen_till_quiet(self.timeouts.longest_s)
        for frame in (an3155.SyncReader.FRAME,) * 2 + (bytes((FILLER,)) * _FILLS[-1],):
            began_s, wire_s = self.clock.now_s(), self.wire_s(len(frame) + 1)
            self._send(frame)
            if self._come(self.timeouts.longest_s + wire_s):
                self._note_round_trip(self.clock.now_s() - began_s)
                self._drop_input()
                if self._align():
                    return True
        return False

    def listen_till_quiet(self, quiet_s: float) -> bool:
        """Let everything go by until nothing comes for *quiet_s*. Whether anything came.

        A line that is never silent is listened to no longer than three times as long.
        """
        self._rest = b""
        deadline_s = self.clock.now_s() + 3 * quiet_s
        came = False
        while self._come(quiet_s):
            came = True
            if self.clock.now_s() >= deadline_s:
                break
        return came

    def echoes(self) -> bool:
        """Whether the line gives back what is sent. A ROM says NACK to these bytes, if anything."""
        own = 0
        for _ in range(4):
            self._drop_input()
            self._send(bytes((FILLER,)))
            own += self._come(self.patience_s + self.wire_s(1))[:1] == bytes((FILLER,))
        return own >= 3

    @property
    def turnaround_s(self) -> float:
        """What a prompt answer has taken so far, on average, besides the time of its bytes."""
        return self._prompt_s / self._prompts if self._prompts else 0.0

    def _note_prompt(self, took_s: float) -> None:
        self._prompt_s += max(0.0, took_s)
        self._prompts += 1
        self._note_round_trip(took_s)

    def _note_round_trip(self, took_s: float) -> None:
        self.round_trip_s = min(max(self.round_trip_s, took_s), self.timeouts.longest_s)

    # --- asking

    def identify(self) -> RomIdentity:
        """GET and GET ID. Of a longer ID (BlueNRG) the first two bytes count."""
        answer = self._run(Command.GET, an3155.get())
        pid = self._run(Command.GET_ID, an3155.get_id())
        try:
            return RomIdentity(an3155.RomInfo.of(answer), an3155.pid_of(pid))
        except ReplyError as error:
            raise Lost(Command.GET_ID, "execution", "a version and a PID", str(error)) from error

    def read(self, address: int, size: int) -> bytes:
        """1 to 256 bytes. There is no checksum on them."""
        return self._run(Command.READ, an3155.read(address, size))

    def checksum(self, address: int, size: int) -> int:
        """CRC of whole words, as the CRC unit makes it after a reset. AN3155 3.13."""
        wait_s = self.timeouts.answer_s + size / 1e6  # 1 MB/s at least
        command = Command.GET_CHECKSUM
        answer = self._run(command, an3155.get_checksum(address, size), wait_s)
        try:
            return an3155.crc_of(answer)
        except ReplyError as error:
            raise Lost(command, "execution", "a CRC and its XOR", answer.hex(" ")) from error

    # --- changing

    def write(self, address: int, data: bytes) -> None:
        """1 to 256 bytes; address and length multiples of 4, and of the program unit.

        The ACK says that the ROM is done, not that flash holds *data*.
        """
        self._run(Command.WRITE, an3155.write(address, data))

    def write_options(self, address: int, data: bytes) -> None:
        """All option bytes at once. The chip resets."""
        exchange = an3155.write_options(address, data)
        self._run(Command.WRITE, exchange, self.timeouts.sector_erase_s)

    def erase_sectors(self, rom: RomIdentity, numbers: Sequence[int]) -> None:
        """Erase the sectors *numbers*, in as few commands as the ROM takes."""
        extended = rom.has(Command.EXTENDED_ERASE)
        command = Command.EXTENDED_ERASE if extended else Command.ERASE
        erase = an3155.extended_erase if extended else an3155.erase
        most = an3155.MAX_PAGES_IN_EXTENDED_ERASE if extended else an3155.MAX_PAGES_IN_ERASE
        for at in range(0, len(numbers), most):
            some = numbers[at : at + most]
            self._run(command, erase(some), self.timeouts.sector_erase_s * len(some))

    def erase_bank(self, bank: int) -> None:
        """All sectors of *bank*, 0 or 1. Not every ROM can."""
        exchange = an3155.extended_erase_bulk((Bulk.BANK_1, Bulk.BANK_2)[bank])
        self._run(Command.EXTENDED_ERASE, exchange, self.timeouts.chip_erase_s)

    def erase_chip(self, rom: RomIdentity) -> None:
        """All flash. Not every ROM can."""
        if rom.has(Command.EXTENDED_ERASE):
            exchange = an3155.extended_erase_bulk(Bulk.MASS)
            self._run(Command.EXTENDED_ERASE, exchange, self.timeouts.chip_erase_s)
        else:
            self._run(Command.ERASE, an3155.erase_everything(), self.timeouts.chip_erase_s)

    def go(self, address: int) -> None:
        """Start at *address*: stack pointer from there, program counter from 4 behind it."""
        self._run(Command.GO, an3155.go(address))

    def write_protect(self, codes: Sequence[int]) -> None:
        """Protect sectors by ST's codes, and no other. The chip resets."""
        exchange = an3155.write_protect(codes)
        self._run(Command.WRITE_PROTECT, exchange, self.timeouts.sector_erase_s)

    def write_unprotect(self) -> None:
        """The chip resets."""
        exchange = an3155.write_unprotect()
        self._run(Command.WRITE_UNPROTECT, exchange, self.timeouts.sector_erase_s)

    def readout_protect(self) -> None:
        """The chip resets."""
        exchange = an3155.readout_protect()
        self._run(Command.READOUT_PROTECT, exchange, self.timeouts.sector_erase_s)

    def readout_unprotect(self) -> None:
        """Erases flash and RAM. The chip resets."""
        exchange = an3155.readout_unprotect()
        self._run(Command.READOUT_UNPROTECT, exchange, self.timeouts.chip_erase_s)

    # --- frames

    def _grouped(self, command: Command, exchange: Exchange) -> tuple[Exchange, ...]:
        """The frames of a group go out in one write."""
        if command in self.merged:
            return merged(exchange, command)
        return tuple((step,) for step in exchange)

    def _run(self, command: Command, exchange: Exchange, work_s: float | None = None) -> bytes:
        """Each group of frames after the replies to the one before; the last reply's data.

        *work_s*: how long the chip may take for what is not prompt.
        """
        self._rest = b""
        at, answer = 0, b""
        for group in self._grouped(command, exchange):
            frames = b"".join(step.frame for step in group)
            if frames:
                self._send(frames)
                self.traffic.turnarounds += 1
            sent_s = self.wire_s(len(frames)) if len(group) > 1 else 0.0
            try:
                for step in group:
                    answer = self._reply(command, _name_of(command, at), step, work_s, sent_s)
                    at += 1
                if len(group) > 1 and self._rest:
                    raise Lost(command, "execution", "no more", self._rest[:_ODD_REPLY].hex(" "))
            except RomError:
                if len(group) > 1:  # what the ROM makes of the other bytes has to go by
                    self.listen_till_quiet(sent_s + self.patience_s)
                raise
        return answer

    def _reply(
        self,
        command: Command,
        name: str,
        step: Step,
        work_s: float | None,
        late_s: float = 0.0,
    ) -> bytes:
        """*late_s*: the time of frames that went before this one."""
        reader = ReplyReader(step.reply)
        reader.feed(self._rest)
        size = len(step.frame) + (step.reply.size or 32) + 2
        began_s = self.clock.now_s()
        patience_s = self.timeouts.answer_s + 2 * self.round_trip_s + late_s + self.wire_s(size)
        if step.wait is not Wait.PROMPT and work_s is not None:
            patience_s += work_s
        deadline_s = began_s + patience_s
        busy, size_come = 0, 0
        while reader.answer is None:
            left_s = deadline_s - self.clock.now_s()
            if left_s <= 0:
                raise Lost(command, name, "ACK" if not size_come else "more", f"{size_come} bytes")
            came = self._come(left_s)
            if came and not size_come and step.wait is Wait.PROMPT and not late_s:
                wire_s = self.wire_s(len(step.frame) + len(came))
                self._note_prompt(self.clock.now_s() - began_s - wire_s)
            size_come += len(came)
            reader.feed(came)
            if reader.busy_count > busy:
                busy, deadline_s = reader.busy_count, self.clock.now_s() + patience_s
        self._rest = reader.rest
        match reader.answer:
            case an3155.Accepted(data):
                return data
            case an3155.Refused():
                raise Refused(command, name)
            case Garbled(found, expected):
                raise Lost(command, name, expected, found[:_ODD_REPLY].hex(" "))

    # --- bytes

    def wire_s(self, size: int) -> float:
        """The time of *size* bytes on the wire, one way."""
        return size * BITS_PER_BYTE / (self.line.baud or 115_200)

    def _send(self, data: bytes) -> None:
        self.traffic.sent += len(data)
        self.line.write(data)

    def _come(self, timeout_s: float) -> bytes:
        came = self.line.read(timeout_s)
        self.traffic.received += len(came)
        return came

    def _drop_input(self) -> None:
        """Also what is still on its way: it must not be taken for an answer to what comes next."""
        self._rest = b""
        if self.patience_s > self.timeouts.resync_s:
            self.listen_till_quiet(self.patience_s)
        self.line.discard_input()


def _name_of(command: Command, at: int) -> str:
    if at == 0:
        return "command"
    return "address" if at == 1 and command in _WITH_ADDRESS else "execution"
