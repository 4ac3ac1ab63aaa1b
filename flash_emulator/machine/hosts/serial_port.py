"""A host's line with pyserial's methods, for libraries that want a port."""

from __future__ import annotations

from flash_emulator.machine.hosts.line import Line


class SerialPort:
    """*timeout* of reads, in virtual seconds; None: for ever. Bytes are out when ``flush`` returns,
    not before. Modem lines, breaks and speeds reach nobody."""

    def __init__(self, line: Line, baudrate: int = 115_200, timeout: float | None = None) -> None:
        self._line = line
        self.baudrate, self.timeout = baudrate, timeout
        self.write_timeout: float | None = None
        self.is_open = True
        self.port = self.name = "host"
        self.dtr = self.rts = True

    def read(self, size: int = 1) -> bytes:
        """Fewer than *size*, or none, when the time is over."""
        return self._line.read(size, self.timeout)

    def read_until(self, expected: bytes = b"\n", size: int | None = None) -> bytes:
        """Up to *expected*, *size* bytes, or the end of a read's time."""
        found = bytearray()
        while not found.endswith(expected) and (size is None or len(found) < size):
            byte = self.read(1)
            if not byte:
                break
            found += byte
        return bytes(found)

    def readline(self) -> bytes:
        """Up to a line feed."""
        return self.read_until()

    def write(self, data: bytes) -> int:
        """All of *data*; returns how many that are."""
        self._line.write(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Returns when all is out."""
        self._line.wait(0.0)

    @property
    def in_waiting(self) -> int:
        """How many bytes have come that were not read."""
        return self._line.waiting

    def reset_input_buffer(self) -> None:
        """Drop what has come."""
        self._line.drop()

    def reset_output_buffer(self) -> None:
        """Nothing is kept back."""

    def close(self) -> None:
        """The line stays as it is."""
        self.is_open = False
