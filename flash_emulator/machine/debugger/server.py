"""Serves one path of a search to debuggers, one after the other, until it is interrupted."""

from __future__ import annotations

from collections.abc import Callable

from flash_emulator.machine.debugger.connection import Connection, Gone
from flash_emulator.machine.debugger.debuggee import Debuggee
from flash_emulator.machine.debugger.monitor import Monitor
from flash_emulator.machine.debugger.protocol import Answer, Protocol
from flash_emulator.machine.debugger.stops import Resume, Stop

_CHUNK = 2000  # characters of one O packet


class _Over(BaseException):
    """``monitor exit``."""


def _once_in_a_row(log: Callable[[str], object]) -> Callable[[str], object]:
    """A debugger that sends garbage gives a thousand times the same to tell."""
    last = [""]

    def told(text: str) -> None:
        if text != last[0]:
            last[0] = text
            log(text)

    return told


class Server:
    """*log* is told, in words, what happens that no debugger shows.

    Raises OSError where the port cannot be had.
    """

    def __init__(self, debuggee: Debuggee, port: int, log: Callable[[str], object]) -> None:
        self._debuggee, self._log = debuggee, _once_in_a_row(log)
        self._connection = Connection(port, self._log)
        self._monitor = Monitor(debuggee)
        self._protocol = Protocol(debuggee, self._monitor.run)
        self._is_running = False
        self._output = 0
        debuggee.front = self

    @property
    def port(self) -> int:
        return self._connection.port

    def serve(self) -> None:
        """Until ``monitor exit``, or whoever called it interrupts it."""
        try:
            self._debuggee.run()
        except _Over:
            pass
        finally:
            self._connection.close()

    # --- Front

    def wants_stop(self) -> bool:
        return self._connection.is_interrupted()

    def stopped(self, stop: Stop) -> Resume:
        try:
            resume = self._tell(stop)
            if resume is not None:
                return resume
        except Gone:
            self._left()
        while True:
            try:
                if not self._connection.is_attached:
                    self._connection.attach()
                resume = self._next()
            except Gone:
                self._left()
                continue
            if resume is not None:
                return resume

    def _left(self) -> None:
        """It stays where it is for the next one."""
        self._is_running = False
        self._connection.drop()
        self._protocol.attach()

    # ---

    def _tell(self, stop: Stop) -> Resume | None:
        """What the debugger waits for."""
        output, told = self._debuggee.machine.record.output, self._output
        self._output = len(output)
        if self._is_running:
            self._is_running = False
            self._console(output[told:].decode("latin-1"))
            self._console(f"{stop.text}\n" if stop.text else "")
            self._connection.send(self._protocol.stopped(stop))
            return None
        if self._monitor.is_going:
            return self._give(self._protocol.told(self._monitor.arrived(stop)))
        return self._give(self._protocol.arrived())

    def _console(self, text: str) -> None:
        for at in range(0, len(text), _CHUNK):
            self._connection.send(b"O" + text[at : at + _CHUNK].encode().hex().encode())

    def _next(self) -> Resume | None:
        packet = self._connection.next()
        answer = self._protocol.answer(packet)
        if isinstance(answer, bytes) and answer.startswith(b"E."):
            self._log(f"refused: {answer[2:].decode()}")
        return self._give(answer)

    def _give(self, answer: Answer) -> Resume | None:
        """Send it. Returns how the boot goes on; None: not yet."""
        if isinstance(answer, Resume):
            self._is_running = True
            return answer
        if answer is not None:
            self._send(answer)
        if self._monitor.is_over:
            raise _Over
        then, self._protocol.then = self._protocol.then, None
        if self._protocol.is_leaving:
            self._left()
        return then

    def _send(self, answer: bytes) -> None:
        if answer.startswith(b"O") and answer != b"OK":  # words of a monitor command
            self._console(bytes.fromhex(answer[1:].decode()).decode())
            answer = b"OK"
        self._connection.send(answer)
        self._connection.acks = self._protocol.wants_acks
