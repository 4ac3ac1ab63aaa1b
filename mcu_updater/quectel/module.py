"""The emulated module at its UART: sans-I/O, with explicit time.

Bytes go in with ``receive`` and come out with ``transmit``; time passes with ``advance``, and
``next_deadline`` says how far it may jump. Power can be cut and given back at any moment;
``save`` and ``load`` carry a module over to another process as if nothing had happened.

Fault model (``Faults``): commands answered ERROR, lost, or carried out with the answer lost;
bytes dropped from what the module sends; noise and URCs between lines; silence; unplugging.
Not modelled: bytes changed on the way (a real UART has no check either; the digests catch it).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping
from typing import Any

from mcu_updater.quectel.at import Command, CommandParser, Malformed, format_final
from mcu_updater.quectel.cloud import Cloud
from mcu_updater.quectel.firmware import REGISTERING, Answer, Firmware
from mcu_updater.quectel.options import Faults, ModuleOptions
from mcu_updater.quectel.timers import Timers
from mcu_updater.quectel.upgrade import OtaState

NO_FAULTS = Faults()
DEFAULT_OPTIONS = ModuleOptions()


class EmulatedModule:
    """A module that is powered, booted and not registered, with no version stored."""

    def __init__(
        self,
        center: Cloud,
        options: ModuleOptions = DEFAULT_OPTIONS,
        faults: Faults = NO_FAULTS,
        now_s: float = 0.0,
    ) -> None:
        self.options = options
        self.faults = faults
        self.powered = True
        self.commands_received = 0
        self._center = center
        self._timers = Timers(now_s)
        self._firmware = Firmware(center, options, faults, self._timers)
        self._parser = CommandParser()
        self._out = bytearray()
        self._sent_size = 0
        self._line_count = 0
        self._ordinals: Counter[str] = Counter()

    @property
    def ota_state(self) -> OtaState:
        return self._firmware.upgrade.state

    @property
    def versions(self) -> dict[str, str]:
        """The component versions that the module has stored."""
        return dict(self._firmware.versions)

    @property
    def connection_state(self) -> int:
        """The value of ``AT+QIOTSTATE?``."""
        return self._firmware.status

    @property
    def unplugged(self) -> bool:
        """The pipe has ended; whoever carries the bytes must say so."""
        limit = self.faults.unplug_after
        return limit is not None and self.commands_received >= limit

    # --- bytes --------------------------------------------------------------------------

    def receive(self, data: bytes, now_s: float) -> None:
        """Bytes from the host. Lost while the module is off or boots."""
        self.advance(now_s)
        if not self.powered or self._timers.runs("boot"):
            return
        for command in self._parser.feed(data):
            self._handle(command)

    def transmit(self) -> bytes:
        """Take what is waiting for the host."""
        data = bytes(self._out)
        self._out.clear()
        if self.faults.drop_sent:
            kept = (b for at, b in enumerate(data, self._sent_size) if self._passes(at))
            self._sent_size += len(data)
            return bytes(kept)
        self._sent_size += len(data)
        return data

    def _passes(self, position: int) -> bool:
        return position not in self.faults.drop_sent

    def _handle(self, command: Command | Malformed) -> None:
        self.commands_received += 1
        name = command.name if isinstance(command, Command) else ""
        self._ordinals[name] += 1
        nth = (name, self._ordinals[name])
        if nth in self.faults.lose_command or self._silent:
            return
        if self._firmware.echo:
            self._send(command.text.encode("latin-1") + b"\r")
        refused = isinstance(command, Malformed) or nth in self.faults.answer_error_to
        answer = None if refused else self._execute(command)
        if nth not in self.faults.lose_answer:
            self._answer(answer)
        self._send_urcs()

    def _execute(self, command: Command | Malformed) -> Answer:
        return self._firmware.execute(command) if isinstance(command, Command) else None

    def _answer(self, answer: Answer) -> None:
        self._send(self.faults.noise_before_answer)
        for line in (*(answer or ()), format_final(answer is not None)):
            if self.faults.insert_at is None or self._line_count in self.faults.insert_at:
                self._send(self.faults.insert_between_lines)
            self._line_count += 1
            self._send(line)

    def _send_urcs(self) -> None:
        for urc in self._firmware.urcs:
            self._send(urc)
        self._firmware.urcs.clear()

    @property
    def _silent(self) -> bool:
        first = self.faults.silent_from
        return first is not None and self.commands_received >= first

    def _send(self, data: bytes) -> None:
        if not self._silent:
            self._out += data

    # --- time ---------------------------------------------------------------------------

    def next_deadline(self) -> float | None:
        """When something will happen by itself; None: never, without a command."""
        return self._timers.next_s()

    def advance(self, now_s: float) -> None:
        """Let everything happen that is due by *now_s*, in its order."""
        while (name := self._timers.pop_due(now_s)) is not None:
            self._firmware.handlers[name]()
            self._send_urcs()

    # --- power and link -----------------------------------------------------------------

    def power_cut(self, now_s: float) -> None:
        """Off until ``power_on``. What happened up to *now_s* and was stored, stays."""
        self.advance(now_s)
        self.powered = False
        self._firmware.power_lost()
        self._out.clear()
        self._parser = CommandParser()

    def power_on(self, now_s: float) -> None:
        """Boot: registers by itself in mode 2, starts a broken-off upgrade over."""
        self.advance(now_s)
        if not self.powered:
            self.powered = True
            self._timers.start("boot", self.options.boot_s)
            self.advance(now_s)

    def lose_link(self, now_s: float, back_after_s: float) -> None:
        """The network goes and comes back; the upgrade's state is kept."""
        self.advance(now_s)
        self._firmware.disconnect(REGISTERING, back_after_s)
        self._send_urcs()

    # --- saved state --------------------------------------------------------------------

    def memory(self, now_s: float) -> Hashable:
        """All that decides what module and cloud will do, the power loss of either included.

        For modules of equal options, faults and plans. Times are relative to *now_s*, to the
        millisecond; counters are left out where there are no faults to look at them.
        """
        counters: Hashable = None
        if self.faults != NO_FAULTS:
            ordinals = frozenset(self._ordinals.items())
            counters = self.commands_received, self._sent_size, self._line_count, ordinals
        return (
            self.powered,
            self._parser.partial,
            bytes(self._out),
            self._firmware.memory(),
            self._timers.memory(now_s),
            self._center.memory(now_s),
            counters,
        )

    def memory_alone(self) -> Hashable:
        """As ``memory`` while there is no host: what waits for it counts for nothing, and of all
        times only their order."""
        return (
            self.powered,
            self._parser.partial,
            self._firmware.memory(),
            self._timers.order(),
            self._center.memory_alone(),
        )

    def save(self, now_s: float | None = None) -> dict[str, Any]:
        """JSON values; times relative to *now_s* (None: the latest moment it knows of)."""
        return {
            "firmware": self._firmware.save(),
            "timers": self._timers.save(self._timers.now_s if now_s is None else now_s),
            "powered": self.powered,
            "received": self._parser.partial.decode("latin-1"),
            "waiting": self._out.decode("latin-1"),
            "counters": {  # nothing but faults looks at them
                "commands_received": self.commands_received,
                "sent_size": self._sent_size,
                "line_count": self._line_count,
                "ordinals": dict(self._ordinals),
            },
        }

    @classmethod
    def load(
        cls,
        saved: Mapping[str, Any],
        center: Cloud,
        options: ModuleOptions = DEFAULT_OPTIONS,
        faults: Faults = NO_FAULTS,
        now_s: float = 0.0,
    ) -> EmulatedModule:
        """The module as it was saved; *center*, *options* and *faults* as they were then."""
        module = cls(center, options, faults, now_s)
        module._timers.load(saved["timers"], now_s)
        module._firmware.load(saved["firmware"])
        module.powered = saved["powered"]
        module._parser = CommandParser(saved["received"].encode("latin-1"))
        module._out += saved["waiting"].encode("latin-1")
        counters = saved["counters"]
        module.commands_received = counters["commands_received"]
        module._sent_size, module._line_count = counters["sent_size"], counters["line_count"]
        module._ordinals = Counter(counters["ordinals"])
        return module
