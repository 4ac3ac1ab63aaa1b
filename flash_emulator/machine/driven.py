"""A device with compiled firmware that a test drives: its USARTs, pins, memory and supply.

    device = FirmwareDevice(read_board_file(Path("board.toml")))
    device.expect("ready")            # boots, and runs until it has sent that
    device.send("u")
    device.cut_at(7, Outcome.TORN)    # the seventh flash operation from here on
    with pytest.raises(PowerLoss):
        device.run()
    device.power_on()
    assert device.run().kind == "slot"

Time is virtual: a time-out of a second takes no second.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import replace
from weakref import finalize

from flash_emulator.device.flash import EmulatedFlash
from flash_emulator.machine.board import Board
from flash_emulator.machine.debug_info import DebugInfos
from flash_emulator.machine.hosts.session import Session, begun
from flash_emulator.machine.judging import Judge
from flash_emulator.machine.machine import Machine, Run
from flash_emulator.machine.outside import Sent
from flash_emulator.machine.peripherals import Exti
from flash_emulator.machine.record import Record
from flash_emulator.machine.rest import Ended
from flash_emulator.machine.subject import FirmwareSubject
from flash_emulator.machine.symbols import Symbols
from flash_emulator.power import CutAt, Outcome, PowerLoss, SteadySupply
from flash_emulator.subject import ExternalState, Nothing


class NothingSent(AssertionError):
    """A text did not come: the time is over, or the boot is at rest."""


class FirmwareDevice:
    """*board* with its flash. It is powered on by the first call that needs it. *debug*: of its
    programs, for films of a search.

    Raises MissingEngine where the extra ``cpu`` is not installed.
    """

    def __init__(
        self, board: Board, symbols: Symbols | None = None, debug: DebugInfos | None = None
    ) -> None:
        self.board, self.symbols = replace(board, coalesce=False), symbols or Symbols()
        self.debug = debug or DebugInfos()
        self.machine: Machine = self.board.machine()
        self.flash: EmulatedFlash = board.flash()
        """What it holds now; after a cut, what that has left."""
        self.ended: Ended | None = None
        """How the boot ended; None: it goes on."""
        self.host: Session | None = None
        """The board's host while power is on."""
        self._external: ExternalState = Nothing()
        self._listener = _Listener(self.machine)
        self.machine.outside.host = self._listener
        self._run: Run | None = None
        self._usart = ""

    @property
    def subject(self) -> FirmwareSubject:
        """For a search: ``powerloss(device)``, or ``Search(device.subject, device.flash)``."""
        return FirmwareSubject(replace(self.board, coalesce=True), self.symbols, self.debug)

    # --- supply

    def power_on(self) -> None:
        """From reset; what it sent before is forgotten. Nothing is executed yet."""
        if self._run is not None:
            self.power_off()
        self.flash.power_on()
        self._run, self.ended = self.machine.run(self.flash), None
        self.machine.record = Record()
        self._listener.begin()
        if self.board.host is not None:
            self.host = self._listener.other = begun(self.machine, self.board.host, self._external)
            finalize(self, self.host.close)  # its thread ends with the device

    def power_off(self) -> None:
        """Power goes between two operations; no cell is spoilt."""
        if self._run is not None:
            self._run.close()
            self.flash = self.flash.fork()
        self._off()

    def _off(self) -> None:
        self._run = None
        if self.host is not None:
            self._external = self.host.surviving(self._external)[0][1]
            self.host.close()
        self.host = self._listener.other = None

    def cut_at(self, operation: int, outcome: Outcome = Outcome.TORN) -> None:
        """Power will go in flash operation *operation*, counted from here on, from 1: a page that
        is erased, a unit that is programmed. What runs then raises PowerLoss."""
        self.flash.supply = CutAt(operation, outcome)

    # --- running

    def run(self, timeout_ms: float | None = None) -> Ended | None:
        """Go on to rest; None where *timeout_ms* of virtual time are over before.

        Raises PowerLoss where ``cut_at`` has said so; the device is then off.
        """
        self._go(timeout_ms, b"")
        return self.ended

    def expect(self, text: str | bytes, timeout_ms: float = 1000.0) -> bytes:
        """Go on until it has sent *text*. Returns what was sent since the last text that was
        expected, up to the end of this one.

        Raises NothingSent with what was sent instead, PowerLoss as ``run``.
        """
        wanted = text.encode() if isinstance(text, str) else text
        found = self._listener.take(wanted)
        if found is None:
            self._go(timeout_ms, wanted)
            found = self._listener.take(wanted)
        if found is None:
            why = f"{timeout_ms:g} ms are over"
            if self.ended is not None:
                where = self.symbols.name(self.ended.pc)
                why = f"the boot is at rest: {self.ended.kind} at {where}: {self.ended.text}"
            raise NothingSent(f"{text!r} was not sent: {why}; sent: {self._listener.heard_bytes!r}")
        return found

    def send(self, text: str | bytes, usart: str | None = None) -> None:
        """To *usart*, such as "USART2"; None: the one that has sent last. It arrives byte by byte
        while the device runs."""
        name = usart or self._listener.usart
        if not name:
            raise ValueError("no USART has sent anything yet: name one, such as usart='USART2'")
        if name not in self._usarts():
            raise ValueError(f"no {name} on {self.board.part.name}: {', '.join(self._usarts())}")
        if self._run is None:
            self.power_on()
        self.machine.outside.send(name, text.encode() if isinstance(text, str) else text)
        self.machine.recheck()

    def _usarts(self) -> list[str]:
        return sorted(p.name for p in self.machine.peripherals if "ART" in p.name)

    def _go(self, timeout_ms: float | None, wanted: bytes) -> None:
        if self._run is None:
            self.power_on()
        if self.ended is not None:
            return
        assert self._run is not None
        self._listener.wait(wanted, timeout_ms)
        try:
            while not self._listener.is_over:
                next(self._run)
        except StopIteration as stop:
            self.ended = stop.value
        except PowerLoss:
            self._off()
            self.flash = self.flash.fork()
            self.flash.supply = SteadySupply()
            raise

    # --- looking, and touching

    @property
    def output(self) -> bytes:
        """All that was sent since power came."""
        return bytes(self.machine.record.output)

    @property
    def now_ms(self) -> float:
        """Virtual time since power came."""
        return self.machine.now_us / 1000

    def runs(self) -> str:
        """Asks the board's questions of where the boot has come to rest; the answer in a word, such
        as "slot new". Raises Violation, and ValueError while it runs."""
        if self.ended is None:
            raise ValueError("the boot is not at rest: run() first")
        return Judge(self.board, self.symbols, self.flash, self.machine).judge(self.ended)

    def read(self, place: int | str, size: int | None = None) -> bytes:
        """RAM or flash at an address, or of a variable or function by name (KeyError).

        Raises what the device raises where flash cannot be read.
        """
        address, known = self.symbols.find(place) if isinstance(place, str) else (place, 4)
        size = known if size is None else size
        part = self.board.part
        if part.base <= address < part.bank_starts[-1] + part.bank_size:
            return self._powered().read(address, size)
        if self._run is None and self.ended is None:
            return bytes(size)  # as the machine has it before it runs
        return self.machine.space.bytes_at(address, size)

    def _powered(self) -> EmulatedFlash:
        """Itself; while it is off, a twin that is on."""
        if self._run is not None:
            return self.flash
        twin = self.flash.fork()
        twin.power_on()
        return twin

    def word(self, place: int | str) -> int:
        """Four bytes as a number."""
        return int.from_bytes(self.read(place, 4), "little")

    def set_pin(self, name: str, *, high: bool) -> None:
        """What the board gives to an input, such as "PC13"; an edge may raise an interrupt."""
        outside = self.machine.outside
        if outside.pins.get(name, False) is not high:
            for exti in (p for p in self.machine.peripherals if isinstance(p, Exti)):
                exti.pin_changed(name[1], int(name[2:]), high)
        outside.pins[name] = high

    def pin(self, name: str) -> bool | None:
        """What firmware drives a pin to; None: nothing."""
        return self.machine.outside.driven.get(name)


class _Listener:
    """At the other end of all lines, beside the board's host: it stops the machine when a text has
    come, or time is over."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.usart = ""
        self.other: Session | None = None
        self.begin()

    def begin(self) -> None:
        self.heard_bytes = b""  # that nobody has taken yet
        self.is_over = False
        self._wanted = b""
        self._until_us: float | None = None

    def wait(self, wanted: bytes, timeout_ms: float | None) -> None:
        self._wanted, self.is_over = wanted, False
        self._until_us = None if timeout_ms is None else self._machine.now_us + timeout_ms * 1000

    def take(self, wanted: bytes) -> bytes | None:
        at = self.heard_bytes.find(wanted)
        if at < 0:
            return None
        end = at + len(wanted)
        taken, self.heard_bytes = self.heard_bytes[:end], self.heard_bytes[end:]
        return taken

    def _stop(self) -> None:
        self.is_over, self._until_us = True, None
        self._machine.pause()

    # --- Host

    survives = False
    """Nobody asks: no search drives a device."""

    @property
    def progress(self) -> int:
        return 0 if self.other is None else self.other.progress

    def start(self, now_us: float) -> Iterable[Sent]:
        return () if self.other is None else self.other.start(now_us)

    def heard(self, usart: str, byte: int, now_us: float) -> Iterable[Sent]:
        self.usart = usart
        self.heard_bytes += bytes([byte])
        if self._wanted and self._wanted in self.heard_bytes[-len(self._wanted) :]:
            self._stop()
        return () if self.other is None else self.other.heard(usart, byte, now_us)

    def next_us(self) -> float | None:
        others_us = None if self.other is None else self.other.next_us()
        times = [at_us for at_us in (self._until_us, others_us) if at_us is not None]
        return min(times, default=None)

    def woken(self, now_us: float) -> Iterable[Sent]:
        if self._until_us is not None and self._until_us <= now_us:
            self._stop()
        others_us = None if self.other is None else self.other.next_us()
        if self.other is None or others_us is None or others_us > now_us:
            return ()
        return self.other.woken(now_us)

    def state(self, now_us: float) -> Hashable:
        return () if self.other is None else self.other.state(now_us)
