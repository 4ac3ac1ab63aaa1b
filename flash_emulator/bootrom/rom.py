"""The ROM's program: one coroutine that asks for so many bytes and says others.

It keeps no more than the frame that it is at: a Write of 256 bytes, or the page numbers of one
Extended Erase, which are no more than the part has pages.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import NoReturn, TypeVar

from flash_emulator.an3155 import (
    ACK,
    AT_LEVEL_1,
    BUSY,
    CRC_INITIAL,
    CRC_POLYNOMIAL,
    ERASE_EVERYTHING,
    FIRST_RESERVED,
    NACK,
    SYNC,
    Bulk,
    Command,
    checksum,
    crc32,
)
from flash_emulator.bootrom.faults import Deed, Faults
from flash_emulator.bootrom.memory import Memory, Unreachable
from flash_emulator.bootrom.model import RomModel, RomOptions
from flash_emulator.errors import FlashError, UnreadableUnit

T = TypeVar("T")
Taking = Generator[int, bytes, T]


class Refused(Exception):
    """NACK, and back to waiting for a command."""


class Left(Exception):
    """The ROM does not go on. *rest* is what came in the same breath and nobody has read."""

    rest = b""


class Reset(Left):
    """The chip resets itself. *loads_options*: by OBL_LAUNCH."""

    def __init__(self, *, loads_options: bool) -> None:
        self.loads_options = loads_options
        super().__init__()


class Go(Left):
    """It jumped to an application."""


class Hang(Left):
    """It is stuck until a reset."""


class Rom:
    """One run of the ROM, from reset to its end."""

    def __init__(
        self, memory: Memory, model: RomModel, options: RomOptions, faults: Faults
    ) -> None:
        self.memory = memory
        self.model = model
        self.options = options
        self.faults = faults
        self.is_synchronised = False
        self._deed: Deed | None = None
        self._out = bytearray()
        self._buffer = bytearray()
        self._program = self._run()
        self.needs = next(self._program)

    def receive(self, data: bytes) -> None:
        """Raises Reset, Go, Hang or the device's PowerLoss when the ROM does not go on."""
        buffer = self._buffer
        buffer += data
        try:
            while len(buffer) >= self.needs:
                frame = bytes(buffer[: self.needs])
                del buffer[: self.needs]
                self.needs = self._program.send(frame)
        except Left as left:
            left.rest = bytes(buffer)
            raise

    def transmit(self) -> bytes:
        said = bytes(self._out)
        self._out.clear()
        return said

    # --- the program

    def _run(self) -> Taking[NoReturn]:
        while (yield 1) != bytes((SYNC,)):
            pass
        self.is_synchronised = True
        self._say(ACK, *((ACK,) if self.model.double_ack else ()))
        while True:
            try:
                yield from self._command()
            except Refused:
                self._say(NACK)

    def _command(self) -> Taking[None]:
        code, complement = yield 2
        if code ^ complement != 0xFF or code not in self.model.commands:
            raise Refused
        command = Command(code)
        self._deed = self.faults.at(command)
        self._suffer(self._deed)
        if self.memory.readout_level and command not in AT_LEVEL_1:
            raise Refused
        handler = self._handlers().get(command)
        if handler is None:
            raise Refused
        self._say(ACK)
        yield from handler()

    def _suffer(self, deed: Deed | None) -> None:
        match deed:
            case Deed.NACK:
                raise Refused
            case Deed.HANG:
                raise Hang
            case Deed.RESET:
                raise Reset(loads_options=False)
            case Deed.BUSY:
                self._say(BUSY)

    def _handlers(self) -> dict[Command, Callable[[], Taking[None]]]:
        return {
            Command.GET: self._get,
            Command.GET_VERSION: self._get_version,
            Command.GET_ID: self._get_id,
            Command.READ: self._read,
            Command.GO: self._go,
            Command.WRITE: self._write,
            Command.ERASE: self._erase,
            Command.EXTENDED_ERASE: self._extended_erase,
            Command.WRITE_PROTECT: self._write_protect,
            Command.WRITE_UNPROTECT: self._write_unprotect,
            Command.READOUT_PROTECT: self._readout_protect,
            Command.READOUT_UNPROTECT: self._readout_unprotect,
            Command.GET_CHECKSUM: self._get_checksum,
        }

    # --- who are you

    def _get(self) -> Taking[None]:
        codes = bytes(self.model.commands)
        self._say(len(codes), self.model.version, *codes, ACK)
        yield from ()

    def _get_version(self) -> Taking[None]:
        self._say(self.model.version, 0, 0, ACK)
        yield from ()

    def _get_id(self) -> Taking[None]:
        self._say(1, *self.model.pid.to_bytes(2, "big"), ACK)
        yield from ()

    # --- memory

    def _read(self) -> Taking[None]:
        address = yield from self._address(self.memory.can_read)
        size, complement = yield 2
        if size ^ complement != 0xFF:
            raise Refused
        data = self._looked_at(address, size + 1)
        self._say(ACK, *self._spoilt(data))

    def _looked_at(self, address: int, size: int) -> bytes:
        """Memory, or what a read of it comes to."""
        try:
            return self.memory.read(address, size)
        except UnreadableUnit as error:
            match self.options.bad_read:
                case "nack":
                    raise Refused from error
                case "reset":
                    raise Reset(loads_options=False) from error
                case "hang":
                    raise Hang from error
        except (FlashError, Unreachable) as error:
            raise Refused from error

    def _go(self) -> Taking[None]:
        yield from self._address(self.memory.can_run)
        raise Go

    def _write(self) -> Taking[None]:
        address = yield from self._address(self.memory.can_write)
        head = yield 1
        size = head[0] + 1
        body = yield size + 1
        if checksum(head + body) or size % 4:
            raise Refused
        data = body[:size]
        if self.memory.is_option(address):
            self.memory.write_options(address, data)
            self._say(ACK)
            raise Reset(loads_options=True)
        if self._deed is not Deed.SKIP:
            self._programmed(address, data)
        self._say(ACK)

    def _programmed(self, address: int, data: bytes) -> None:
        try:
            self.memory.write(address, data, pad=self.options.short_writes == "pad")
        except Unreachable as error:
            raise Refused from error
        except FlashError as error:
            if self.options.refused_writes == "nack":
                raise Refused from error

    # --- erasing

    def _erase(self) -> Taking[None]:
        head = yield 1
        if head[0] == ERASE_EVERYTHING:
            (complement,) = yield 1
            if complement != ERASE_EVERYTHING ^ 0xFF:
                raise Refused
            self._wiped(self.memory.erase_all)
        else:
            pages = yield from self._listed(head, head[0] + 1, 1)
            self._wiped(lambda: self.memory.erase_pages(pages))
        self._say(ACK)

    def _extended_erase(self) -> Taking[None]:
        head = yield 2
        code = int.from_bytes(head, "big")
        if code >= FIRST_RESERVED:
            (check,) = yield 1
            self._wiped(self._bulk(code, checksum(head) ^ check))
        else:
            pages = yield from self._listed(head, code + 1, 2)
            self._wiped(lambda: self.memory.erase_pages(pages))
        self._say(ACK)

    def _bulk(self, code: int, difference: int) -> Callable[[], None]:
        if difference or code not in tuple(Bulk):
            raise Refused
        if code == Bulk.MASS:
            return self.memory.erase_all
        bank = Bulk.BANK_1 - code
        if bank >= self.memory.device.part.bank_count:
            raise Refused
        return lambda: self.memory.erase_bank(bank)

    def _listed(self, head: bytes, count: int, width: int) -> Taking[list[int]]:
        """Numbers of pages, those that exist."""
        if count > max(self.memory.device.part.sector_count, 256):
            raise Refused
        body = yield count * width + 1
        if checksum(head + body):
            raise Refused
        numbers = [
            int.from_bytes(body[at : at + width], "big") for at in range(0, count * width, width)
        ]
        known = [number for number in numbers if number in self.memory.pieces]
        if self.options.bad_pages == "nack" and len(known) < count:
            raise Refused
        return known

    def _wiped(self, erase: Callable[[], None]) -> None:
        """Protected sectors are passed over in silence (AN2662)."""
        if self._deed is not Deed.SKIP:
            erase()

    # --- protection

    def _write_protect(self) -> Taking[None]:
        head = yield 1
        body = yield head[0] + 2
        if checksum(head + body):
            raise Refused
        self.memory.protect(body[:-1])
        self._say(ACK)
        raise Reset(loads_options=True)

    def _write_unprotect(self) -> Taking[None]:
        yield from ()
        self.memory.unprotect()
        self._say(ACK)
        raise Reset(loads_options=True)

    def _readout_protect(self) -> Taking[None]:
        yield from ()
        self.memory.protect_readout()
        self._say(ACK)
        raise Reset(loads_options=True)

    def _readout_unprotect(self) -> Taking[None]:
        yield from ()
        if self.memory.readout_level == 2:
            raise Refused
        self.memory.unprotect_readout()
        self._say(ACK)
        raise Reset(loads_options=True)

    # --- checksum

    def _get_checksum(self) -> Taking[None]:
        address = yield from self._address(self.memory.can_read)
        if self.options.checksum_dialect == "private":
            size = yield from self._number()
            polynomial, initial = CRC_POLYNOMIAL, CRC_INITIAL
        else:
            size = 4 * (yield from self._number())
            polynomial = yield from self._number()
            initial = yield from self._number()
        if size == 0 or size % 4 or address % 4:
            raise Refused
        value = crc32(self._looked_at(address, size), polynomial, initial)
        answer = self._spoilt(value.to_bytes(4, "big"))
        self._say(ACK, *answer, checksum(answer))

    def _number(self) -> Taking[int]:
        """Four bytes and their XOR, ACKed."""
        frame = yield 5
        if checksum(frame):
            raise Refused
        self._say(ACK)
        return int.from_bytes(frame[:4], "big")

    # --- pieces

    def _address(self, is_possible: Callable[[int], bool]) -> Taking[int]:
        frame = yield 5
        address = int.from_bytes(frame[:4], "big")
        if checksum(frame) or not is_possible(address):
            raise Refused
        self._say(ACK)
        return address

    def _spoilt(self, data: bytes) -> bytes:
        if self._deed is not Deed.SPOIL:
            return data
        return bytes((data[0] ^ 1, *data[1:]))

    def _say(self, *data: int) -> None:
        self._out += bytes(data)
