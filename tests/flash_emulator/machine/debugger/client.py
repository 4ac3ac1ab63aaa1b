"""A client of the GDB remote serial protocol, and a server for it in a thread."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from flash_emulator.explore.path import Path as CutPath
from flash_emulator.explore.search import SearchOptions
from flash_emulator.machine.board_file import read_board_file
from flash_emulator.machine.debugger import Debuggee, Server
from flash_emulator.machine.subject import FirmwareSubject
from tests.places import ROOT

EXAMPLE = ROOT / "examples/c_bootloader"
TIMEOUT_S = 8.0


class Client:
    """Attached to *port*."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), TIMEOUT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.console = ""
        self._bytes = b""
        self._acks = True

    def close(self) -> None:
        self.socket.close()

    def raw(self, data: bytes) -> None:
        self.socket.sendall(data)

    def send(self, text: str) -> None:
        self.raw(framed(text))

    def byte(self) -> bytes:
        while not self._bytes:
            self._bytes = self.socket.recv(1 << 16)
            if not self._bytes:
                raise EOFError
        first, self._bytes = self._bytes[:1], self._bytes[1:]
        return first

    def reply(self) -> str:
        """The next packet that is no console output."""
        while True:
            while self.byte() != b"$":
                pass
            data = b""
            while (byte := self.byte()) != b"#":
                data += byte
            assert int(self.byte() + self.byte(), 16) == sum(data) & 0xFF
            if self._acks:
                self.raw(b"+")
            text = data.decode("latin-1")
            if text[:1] != "O" or text == "OK":
                return text
            self.console += bytes.fromhex(text[1:]).decode()

    def ask(self, text: str) -> str:
        self.send(text)
        return self.reply()

    def without_acks(self) -> None:
        assert self.ask("QStartNoAckMode") == "OK"
        self._acks = False

    def monitor(self, text: str) -> str:
        self.console = ""
        assert self.ask(f"qRcmd,{text.encode().hex()}") == "OK"
        return self.console

    # --- in the client's terms

    def registers(self) -> dict[str, int]:
        """The general ones, and xpsr."""
        data = bytes.fromhex(self.ask("g"))
        names = [*(f"r{n}" for n in range(13)), "sp", "lr", "pc", "xpsr"]
        words = (int.from_bytes(data[at : at + 4], "little") for at in range(0, 68, 4))
        return dict(zip(names, words, strict=True))

    @property
    def pc(self) -> int:
        return int.from_bytes(bytes.fromhex(self.ask("pf")), "little")

    def word(self, address: int) -> int:
        return int.from_bytes(bytes.fromhex(self.ask(f"m{address:x},4")), "little")


def framed(text: str) -> bytes:
    data = text.encode("latin-1")
    return b"$%b#%02x" % (data, sum(data) & 0xFF)


@contextmanager
def served(
    debuggee: Debuggee, log: Callable[[str], object] = lambda text: None
) -> Iterator[Server]:
    """In a thread, until the end."""
    server = Server(debuggee, 0, log)
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    yield server
    last = Client(server.port)
    last.without_acks()
    last.monitor("exit")
    thread.join(TIMEOUT_S)
    assert not thread.is_alive()


def example(name: str, path: str) -> Debuggee:
    """*path* of a board file of the C example."""
    read = read_board_file(EXAMPLE / f"{name}.toml")
    return Debuggee(read.subject, CutPath.parse(path), SearchOptions())


def debuggee_of(subject: FirmwareSubject, path: str = "-") -> Debuggee:
    return Debuggee(subject, CutPath.parse(path), SearchOptions())
