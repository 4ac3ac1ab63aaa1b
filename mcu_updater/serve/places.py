"""Where the modules of a center are served: a range of TCP ports, or a folder of pty links.

``tcp:5001-5300``: device n of the center file has port 5001 + n - 1, on this computer only.
``pty:DIR``: device ``pump-001`` has the terminal ``DIR/pump-001``.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from mcu_updater.core.errors import PortError, UsageError
from mcu_updater.serve.wires import PtyWire, TcpWire, Wire
from mcu_updater.storage import hold

HOST = "127.0.0.1"  # a module asks nobody for a token: only this computer gets at it
OWN = ".modules"  # what a farm locks in a folder: names of devices do not begin with a dot
_NAME_SIZE = 200  # bytes of a device in a file name: file systems take 255, locks add to it
_EXPECTED = "tcp:FIRST-LAST with ports from 1 to 65535, such as tcp:5001-5300, or pty:DIR"


def safe_name(device: str) -> str:
    """A file name for *device*, whatever its characters; another one for every device."""
    name = quote(device, safe="").replace(".", "%2E", 1 if device.startswith(".") else 0)
    if len(name) <= _NAME_SIZE:
        return name
    return f"{name[:_NAME_SIZE]}%{hashlib.sha256(device.encode()).hexdigest()[:16]}"


class Places(ABC):
    """Gives each device a wire of its own."""

    descriptors: int  # that one device takes besides its client

    @abstractmethod
    def check(self, count: int) -> None:
        """Raises UsageError where *count* devices have no room."""

    @abstractmethod
    def wire(self, device: str, position: int, taken: Collection[str]) -> Wire:
        """For *device*, which is the *position*-th of the file, counted from 0.

        *taken*: where other devices are. Raises PortError where it cannot be had, UsageError where
        there is no room left.
        """

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Nobody else serves there meanwhile. Raises PortError."""
        yield

    def remove_old(self, addresses: Collection[str]) -> None:  # noqa: B027  TCP leaves none
        """What a server that was killed has left at these *addresses*."""


@dataclass(frozen=True)
class TcpPorts(Places):
    """Ports *first* to *last* of this computer."""

    first: int
    last: int
    descriptors = 1

    def check(self, count: int) -> None:
        room: int = self.last - self.first + 1
        if count > room:
            raise UsageError(
                "there are more devices than ports",
                where=f"tcp:{self.first}-{self.last}",
                expected=self._enough(count),
                found=f"{count} devices, {room} ports",
            )

    def _enough(self, count: int) -> str:
        last: int = self.first + count - 1
        if last > 0xFFFF:
            return f"{count} ports, from {0xFFFF - count + 1} or a lower one on"
        return f"{count} ports, as tcp:{self.first}-{last}"

    def wire(self, device: str, position: int, taken: Collection[str]) -> Wire:
        port = self._port(position, taken)
        try:
            return TcpWire(HOST, port)
        except PortError as error:
            raise PortError(
                f"port {port} cannot be had",
                where=f"tcp:{self.first}-{self.last}, device {device}",
                expected="ports that no other program listens at",
                found=error.found,
                then="Give another range of ports",
            ) from error

    def _port(self, position: int, taken: Collection[str]) -> int:
        """That of the position, or the first that is free: no device moves when others go."""
        ports = range(self.first, self.last + 1)
        wanted = itertools.chain(ports[position : position + 1], ports)
        free = (port for port in wanted if f"socket://{HOST}:{port}" not in taken)
        port: int | None = next(free, None)
        if port is None:
            self.check(len(taken) + 1)
            raise AssertionError("a port is free where there are fewer devices")
        return port


@dataclass(frozen=True)
class PtyFolder(Places):
    """Links in *folder*, which is made where it is missing."""

    folder: Path
    descriptors = 3  # both ends, and the lock of the link

    def check(self, count: int) -> None:
        most = _most_terminals()
        if most is not None and count > most:
            raise UsageError(
                "there are more devices than terminals",
                where=f"pty:{self.folder}",
                expected=f"at most {most} devices, as the system allows (kernel.pty.max), or tcp:",
                found=f"{count} devices",
            )

    def wire(self, device: str, position: int, taken: Collection[str]) -> Wire:
        del position, taken
        try:
            return PtyWire(self.folder / safe_name(device))
        except OSError as error:
            raise PortError(
                "no terminal can be had",
                where=f"device {device}",
                found=error.strerror or str(error),
                then="Serve fewer devices, or serve them at TCP ports",
            ) from error

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        self._make()
        with hold(self.folder / OWN):
            yield

    def _make(self) -> None:
        try:
            self.folder.mkdir(exist_ok=True)
            if not os.access(self.folder, os.W_OK | os.X_OK):
                raise PermissionError(0, "no file can be made in it")
        except OSError as error:
            raise PortError(
                "modules cannot be served there",
                where=f"pty:{self.folder}",
                expected="a folder that can be written to, or a free name in one",
                found=error.strerror or str(error),
            ) from error

    def remove_old(self, addresses: Collection[str]) -> None:
        """Their terminals are gone, or somebody else's by now."""
        for link in map(Path, addresses):
            if link.parent == self.folder and link.is_symlink():
                with contextlib.suppress(OSError):
                    if str(link.readlink()).startswith("/dev/"):
                        link.unlink()


def _most_terminals() -> int | None:
    """As the system says it; None where it does not."""
    with contextlib.suppress(OSError, ValueError):
        return int(Path("/proc/sys/kernel/pty/max").read_text(encoding="ascii"))
    return None


def parse_places(text: str) -> Places:
    """``tcp:FIRST-LAST``, ``tcp:PORT`` or ``pty:DIR``. Raises UsageError."""
    kind, _, rest = text.partition(":")
    if kind == "pty" and rest:
        return PtyFolder(Path(rest).absolute())
    found = re.fullmatch(r"([0-9]{1,5})(?:-([0-9]{1,5}))?", rest, re.ASCII)
    if kind != "tcp" or found is None:
        raise _bad(text)
    first, last = int(found[1]), int(found[2] or found[1])
    if not 1 <= first <= last <= 0xFFFF:
        raise _bad(text)
    return TcpPorts(first, last)


def _bad(text: str) -> UsageError:
    return UsageError("bad place for modules", expected=_EXPECTED, found=repr(text))
