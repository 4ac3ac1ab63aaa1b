"""The emulated module at its UART: sans-I/O, with explicit time.

Bytes go in with ``receive`` and come out with ``transmit``; time passes with ``advance``, and
``next_deadline`` says how far it may jump. Power can be cut and given back at any moment;
``save`` and ``load`` carry a module over to another process as if nothing had happened.

How time passes makes no difference, in one step or in many, here or in several processes:

* everything happens at its own moment, in the order of the moments, and finds the module as it was;
* bytes that have left the module have left it. A hang, a reboot or a power cut loses those that
  it had still to send (``_held``), and never takes back what it sent before (``_out``);
* while the module is off, boots or hangs, nothing falls due in it: all that was under way has
  stopped, and what comes from outside is not noticed. Only the watchdog and the network go on.

Fault model: ``faults.Faults``. What the module's own documents leave open: ``options``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping
from typing import Any

from mcu_updater.cloud.cloud import Cloud
from mcu_updater.cloud.single_device import Plan
from mcu_updater.quectel.at import Command, CommandParser, Malformed, format_final, format_line
from mcu_updater.quectel.emulated.commands import CommandTable, UnknownCommand
from mcu_updater.quectel.emulated.faults import NO_FAULTS, Faults, NthCommand
from mcu_updater.quectel.emulated.options import ModuleOptions
from mcu_updater.quectel.emulated.ota_states import OtaState
from mcu_updater.quectel.emulated.timers import Timers

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
        self._firmware = CommandTable(center, options, faults, self._timers)
        self._handlers = {
            **self._firmware.handlers,
            "held": self._release,
            "network": lambda: None,  # it is back, for whoever asks
            "watchdog": self._reboot,
            "install": self._install,
        }
        self._parser = CommandParser(max_size=options.max_line_size)
        self._out = bytearray()
        self._held: list[tuple[float, bytes]] = []  # leaves so long after what stands before it
        self._hangs = False
        self._sent_size = 0
        self._received_size = 0
        self._line_count = 0
        self._ordinals: Counter[str] = Counter()

    @property
    def ota_state(self) -> OtaState:
        return self._firmware.upgrade.state

    @property
    def plan(self) -> Plan | None:
        """The plan that is offered, or under way."""
        return self._firmware.upgrade.plan

    @property
    def piece(self) -> range:
        """The piece of the package that is at hand, or downloaded next."""
        return self._firmware.upgrade.piece

    @property
    def versions(self) -> dict[str, str]:
        """The component versions that the module has stored."""
        return dict(self._firmware.versions.all)

    @property
    def own_version(self) -> str:
        """Of the firmware that the module itself runs."""
        return self._firmware.own_version

    @property
    def connection_state(self) -> int:
        """The value of ``AT+QIOTSTATE?``."""
        return self._firmware.registration.status

    @property
    def unplugged(self) -> bool:
        """The pipe has ended; whoever carries the bytes must say so."""
        limit = self.faults.unplug_after
        return limit is not None and self.commands_received >= limit

    # --- bytes --------------------------------------------------------------------------

    def receive(self, data: bytes, now_s: float) -> None:
        """Bytes from the host. Lost while the module is deaf."""
        self.advance(now_s)
        start, self._received_size = self._received_size, self._received_size + len(data)
        if self.faults.on_received:
            data = self.faults.distort_received(start, data)
        for command in self._parser.feed(data) if not self._deaf else ():
            if not self._deaf:  # what stood before it may have been its last
                self._handle(command)

    def transmit(self) -> bytes:
        """Take what is waiting for the host."""
        data = bytes(self._out)
        self._out.clear()
        return data

    @property
    def _deaf(self) -> bool:
        """Off, booting or hanging: it notices nothing."""
        return not self.powered or self._hangs or self._timers.runs("boot")

    def _handle(self, command: Command | Malformed) -> None:
        self.commands_received += 1
        name = command.name if isinstance(command, Command) else ""
        self._ordinals[name] += 1
        nth = (name, self._ordinals[name])
        if nth in self.faults.lose_command or self._silent or self._strikes(nth):
            return
        if self._firmware.echo:
            self._send(command.text.encode("latin-1") + b"\r")
        answer = self._answer(nth, command)
        if nth not in self.faults.lose_answer:
            self._send_answer(answer)
        self._send_urcs()

    def _strikes(self, nth: NthCommand) -> bool:
        """Whether a fault of the whole module takes this command with it."""
        faults = self.faults
        if nth in faults.hang:
            self._hang()
        elif nth in faults.reboot:
            self._reboot()
        if nth in faults.link_loss:
            self._lose_link(faults.link_loss_s)
        return nth in faults.hang | faults.reboot

    def _answer(self, nth: NthCommand, command: Command | Malformed) -> bytes:
        """Carry it out. All bytes of the answer, with what the faults put between its lines."""
        lines = [format_final(False)]
        try:
            if isinstance(command, Malformed):
                raise UnknownCommand(command.text)
            if nth not in self.faults.answer_error_to:
                answer = self._firmware.execute(command)
                lines = lines if answer is None else [*answer, format_final(True)]
        except UnknownCommand:
            lines = [format_line(self.options.modem_error_text)]
        lines[0] = self._framed(lines[0])
        whole = self.faults.noise_before_answer + b"".join(
            self._disturbance() + line for line in lines
        )
        for name, ordinal, size in self.faults.truncate_answer:
            whole = whole[:size] if (name, ordinal) == nth else whole
        return whole

    def _disturbance(self) -> bytes:
        """What the faults put before the next line of an answer."""
        at, self._line_count = self._line_count, self._line_count + 1
        places = self.faults.insert_at
        return self.faults.insert_between_lines if places is None or at in places else b""

    def _framed(self, line: bytes) -> bytes:
        return line if self.options.leading_line_ends else line.removeprefix(b"\r\n")

    def _send_answer(self, answer: bytes) -> None:
        delay_s = self.options.answer_delay_s
        if not delay_s:
            self._send(answer)
            return
        now_size = len(answer) // 2 if self.options.urcs_in_answers else 0
        self._send(answer[:now_size])
        self._hold(delay_s)
        self._send(answer[now_size:])

    def _send_urcs(self) -> None:
        """Behind what is still to be sent, or in the middle of it."""
        for urc in self._firmware.urcs:
            self._send(self._framed(urc), at_once=self.options.urcs_in_answers)
        self._firmware.urcs.clear()

    @property
    def _silent(self) -> bool:
        first = self.faults.silent_from
        return first is not None and self.commands_received >= first

    def _send(self, data: bytes, at_once: bool = False) -> None:
        if self._silent:
            return
        start, self._sent_size = self._sent_size, self._sent_size + len(data)
        if not self.faults.on_sent:
            self._queue(data, at_once)
            return
        for position, byte in enumerate(data, start):
            if position in self.faults.delay_sent:
                self._hold(self.faults.delay_s)
            self._queue(self.faults.distort_sent(position, byte), at_once)

    def _queue(self, data: bytes, at_once: bool) -> None:
        if self._held and not at_once:
            wait_s, held = self._held[-1]
            self._held[-1] = wait_s, held + data
        else:
            self._out += data

    def _hold(self, wait_s: float) -> None:
        """What is sent from now on leaves so long after all that was sent before."""
        self._held.append((wait_s, b""))
        if len(self._held) == 1:
            self._timers.start("held", wait_s)

    def _release(self) -> None:
        _, data = self._held.pop(0)
        self._out += data
        if self._held:
            self._timers.start("held", self._held[0][0])

    # --- time ---------------------------------------------------------------------------

    def next_deadline(self) -> float | None:
        """When something will happen by itself; None: never, without a command."""
        return self._timers.next_s()

    def advance(self, now_s: float) -> None:
        """Let everything happen that is due by *now_s*, in its order."""
        while (name := self._timers.pop_due(now_s)) is not None:
            self._handlers[name]()
            self._send_urcs()

    # --- power and link -----------------------------------------------------------------

    def power_cut(self, now_s: float) -> None:
        """Off until ``power_on``. What happened up to *now_s* and was stored, stays."""
        self.advance(now_s)
        self.powered = False
        self._lose_power()

    def power_on(self, now_s: float) -> None:
        """Boot: registers by itself in mode 2, starts a broken-off upgrade over."""
        self.advance(now_s)
        if not self.powered:
            self.powered = True
            self._timers.start("boot", self.options.boot_s)
            self.advance(now_s)

    def _lose_power(self) -> None:
        self._stop()
        self._firmware.power_lost()
        self._hangs = False

    def _stop(self) -> None:
        """All that is under way ends, on both directions of the line, too."""
        self._timers.stop_all(but=("network",))
        self._held.clear()
        self._parser = CommandParser(max_size=self.options.max_line_size)

    def _hang(self) -> None:
        self._stop()
        self._hangs = True
        self._timers.start("watchdog", self.faults.hang_s)

    def _reboot(self) -> None:
        self._lose_power()
        self._timers.start("boot", self.options.boot_s)

    def _install(self) -> None:
        self._firmware.installed()
        self._reboot()

    def lose_link(self, now_s: float, back_after_s: float) -> None:
        """The network goes and comes back; the upgrade's state is kept.

        A module that is off, boots or hangs finds out when it tries to connect.
        """
        self.advance(now_s)
        self._lose_link(back_after_s)
        self._send_urcs()

    def _lose_link(self, back_after_s: float) -> None:
        self._timers.start("network", max(back_after_s, self._timers.left_s("network")))
        if not self._deaf:
            self._firmware.registration.lose_link()

    def with_options(self, options: ModuleOptions, now_s: float) -> EmulatedModule:
        """This module, as it is, with other *options*: a battery that is charged, say."""
        return self.load(self.save(now_s), self._center, options, self.faults, now_s)

    # --- saved state --------------------------------------------------------------------

    def memory(self, now_s: float) -> Hashable:
        """All that decides what module and cloud will do, the power loss of either included.

        For modules of equal options, faults and plans. Times are relative to *now_s*, to the
        millisecond; counters are left out where there are no faults to look at them.
        """
        counters: Hashable = None
        if self.faults != NO_FAULTS:
            ordinals = frozenset(self._ordinals.items())
            sizes = self._sent_size, self._received_size, self._line_count
            counters = self.commands_received, sizes, ordinals
        return (
            self.powered,
            self._parser.partial,
            bytes(self._out),
            tuple(self._held),
            self._hangs,
            self._firmware.memory(),
            self._timers.memory(now_s),
            self._center.memory(now_s),
            counters,
        )

    def memory_alone(self) -> Hashable:
        """As ``memory`` while there is no host: what waits for it counts for nothing, and of all
        times only their order."""
        return *self.own_memory(), self._center.memory_alone()

    def own_memory(self) -> tuple[Hashable, ...]:
        """``memory_alone`` but for the cloud's."""
        return (
            self.powered,
            self._parser.partial,
            self._hangs,
            self._firmware.memory(),
            self._timers.order(),
        )

    def lasting_memory(self) -> Hashable:
        """Of ``own_memory`` what a reboot of the module leaves."""
        return self.powered, self._firmware.memory()

    def save(self, now_s: float | None = None) -> dict[str, Any]:
        """JSON values; times relative to *now_s* (None: the latest moment it knows of)."""
        return {
            "firmware": self._firmware.save(),
            "timers": self._timers.save(self._timers.now_s if now_s is None else now_s),
            "powered": self.powered,
            "received": self._parser.partial.decode("latin-1"),
            "waiting": self._out.decode("latin-1"),
            "held": [[wait_s, data.decode("latin-1")] for wait_s, data in self._held],
            "hangs": self._hangs,
            "counters": {  # nothing but faults looks at them
                "commands_received": self.commands_received,
                "sent_size": self._sent_size,
                "received_size": self._received_size,
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
        module._parser.partial = saved["received"].encode("latin-1")
        module._out += saved["waiting"].encode("latin-1")
        held = saved.get("held", ())  # younger than the rest, as "hangs" and "received_size"
        module._held = [(wait_s, text.encode("latin-1")) for wait_s, text in held]
        module._hangs = saved.get("hangs", False)
        counters = saved["counters"]
        module.commands_received = counters["commands_received"]
        module._sent_size, module._line_count = counters["sent_size"], counters["line_count"]
        module._received_size = counters.get("received_size", 0)
        module._ordinals = Counter(counters["ordinals"])
        return module
