"""What the emulated module does with a command: one table.

A handler returns the lines of the answer before ``OK``, or None for ``ERROR``. Whatever it sets
off is said later, by a timer or after the answer: OK first, URC afterwards.
Forms and limits: QuecThing AT manual and module SDK 2.9.0.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any, ClassVar

from mcu_updater.cloud.cloud import Cloud
from mcu_updater.quectel.at import Command, Kind, format_lines, format_payload
from mcu_updater.quectel.emulated.faults import Faults
from mcu_updater.quectel.emulated.options import ModuleOptions
from mcu_updater.quectel.emulated.registration import AUTOMATIC, Registration
from mcu_updater.quectel.emulated.settings import Settings
from mcu_updater.quectel.emulated.timers import Timers
from mcu_updater.quectel.emulated.upgrade import Upgrade
from mcu_updater.quectel.emulated.versions import Versions

Answer = list[bytes] | None


class UnknownCommand(Exception):
    """The modem's own parser answers this line."""


class CommandTable:
    """The module without its UART: settings, registration, versions, and the upgrade."""

    def __init__(
        self, center: Cloud, options: ModuleOptions, faults: Faults, timers: Timers
    ) -> None:
        self.upgrade = Upgrade(center, options, faults, timers)
        self.urcs = self.upgrade.urcs
        self.echo = options.echo
        self.versions = Versions(options)
        self.settings = Settings(options)
        self.own_version = options.product_version
        self.registration = Registration(
            options, faults, timers, self.urcs, self._ready, self.upgrade.link_down
        )
        self._options = options
        self._timers = timers
        self.handlers: dict[str, Callable[[], None]] = {
            "connect": self.registration.try_connecting,
            "plan": self._ask_for_plan,
            "push": self._pushed,
            "boot": self._booted,
            **self.upgrade.handlers,
        }

    def execute(self, command: Command) -> Answer:
        """The answer to a command that is known. Raises UnknownCommand for one that is not."""
        arguments = command.arguments
        if command.name == "+QIOTCFG" and command.kind is Kind.WRITE:
            return self._configure(*arguments)
        signature = "".join("i" if isinstance(a, int) else "s" for a in arguments)
        handler = self._COMMANDS.get((command.name, command.kind, signature))
        if handler is None:
            raise UnknownCommand(command.text)
        return handler(self, *arguments)

    # --- what happens by itself -----------------------------------------------------------

    def _ready(self) -> None:
        self.upgrade.link_up()
        self._timers.start("push", self._options.push_interval_s)

    @property
    def _all_versions(self) -> dict[str, str]:
        """What a request carries."""
        return {**self.versions.all, self._options.firmware_component: self.own_version}

    def _ask_for_plan(self) -> None:
        self.upgrade.plan_arrives(self._all_versions)

    def _pushed(self) -> None:
        self.upgrade.plan_arrives(self._all_versions, pushed=True)
        self._timers.start("push", self._options.push_interval_s)

    def power_lost(self) -> None:
        """Settings, versions and the upgrade's state are in the module's flash; the rest goes."""
        self.urcs.clear()
        self.registration.power_lost()
        self.upgrade.online = False
        self.echo = self._options.echo

    def installed(self) -> None:
        """The module's own new firmware is in its place; the next boot runs it."""
        self.own_version = self.upgrade.new_own_version or self.own_version

    def _booted(self) -> None:
        self.upgrade.rebooted(self.own_version)
        self.registration.booted()

    # --- handlers -----------------------------------------------------------------------

    def _set_echo(self, echo: bool) -> Answer:
        self.echo = echo
        return []

    def _register(self, mode: int) -> Answer:
        if mode > AUTOMATIC or not self.settings.complete:
            return None
        self.registration.set_mode(mode)
        return []

    def _request(self, info: int = 0) -> Answer:
        """Stores or clears the flags for SHA-256 and URL, and asks at once."""
        if not self.registration.connected or info > self._options.max_request_info:
            return None
        self.upgrade.want_sha256, self.upgrade.want_url = bool(info & 1), bool(info & 2)
        self._timers.start("plan", self._options.plan_delay_s)
        return []

    def _update(self, action: int) -> Answer:
        return [] if self.upgrade.act(action) else None

    def _read(self, start: int, size: int) -> Answer:
        limit = self._options.max_read
        if size > limit and self._options.oversized_read_is_error:
            return None
        data = self.upgrade.read(start, min(size, limit))
        if not data and self._options.empty_read_is_error:
            return None
        return [format_payload(start, data)]

    def _read_test(self) -> Answer:
        text = self._options.read_test_text.format(max_read=self._options.max_read)
        return _text(f"+QIOTOTARD: {text}")

    def _version(self, component: str) -> Answer:
        line = self.versions.line(component)
        return None if line is None else _text(line)

    def _set_version(self, component: str, version: str) -> Answer:
        """Stored at once; an empty version removes the component. The verdict comes after OK."""
        if not self.versions.set(component, version):
            return None
        self.upgrade.version_set(component, version)
        return []

    def _configure(self, item: int | str, *values: int | str) -> Answer:
        if not isinstance(item, str):
            return None
        if not values:
            line = self.settings.line(item)
            return None if line is None else _text(line)
        if self.registration.busy or not self.settings.write(item, values):
            return None
        if item == "productinfo":
            self.registration.product_changed()
        return []

    def _info(self) -> Answer:
        options = self._options
        items = {
            "type": options.family.value,
            "version": self.own_version,
            "mcu_version": self.versions.text,
            "sdk_ver": options.sdk_version,
            "battery": options.battery,
            "voltage": options.voltage_mv,
            "signal_strength": options.rsrp_dbm,
            "memory_free": options.memory_free,
            "rsrp": options.rsrp_dbm,
        }
        return _text(*(f"+QIOTINFO: {item},{value}" for item, value in items.items()))

    def _sleep_mode(self, mode: int) -> Answer:
        return [] if mode <= 2 else None

    # Arguments by type: i integer, s quoted string. What is not here is not known.
    _COMMANDS: ClassVar[dict[tuple[str, Kind, str], Callable[..., Answer]]] = {
        ("", Kind.EXEC, ""): lambda _: [],
        ("E", Kind.EXEC, ""): lambda self: self._set_echo(False),
        ("E0", Kind.EXEC, ""): lambda self: self._set_echo(False),
        ("E1", Kind.EXEC, ""): lambda self: self._set_echo(True),
        ("+CSQ", Kind.EXEC, ""): lambda self: _text(f"+CSQ: {self._options.signal_quality},99"),
        ("+CGATT", Kind.READ, ""): lambda _: _text("+CGATT: 1"),
        ("+CEREG", Kind.READ, ""): lambda _: _text("+CEREG: 0,1"),  # registered, at home
        ("+QSCLK", Kind.WRITE, "i"): _sleep_mode,
        ("+QIOTREG", Kind.TEST, ""): lambda _: _text("+QIOTREG: (0-2)"),
        ("+QIOTREG", Kind.READ, ""): lambda self: _text(f"+QIOTREG: {self.registration.mode}"),
        ("+QIOTREG", Kind.WRITE, "i"): _register,
        ("+QIOTSTATE", Kind.READ, ""): lambda self: _text(
            f"+QIOTSTATE: {self.registration.status}"
        ),
        ("+QIOTINFO", Kind.READ, ""): _info,
        ("+QIOTCFG", Kind.TEST, ""): lambda self: _text(*self.settings.listing()),
        ("+QIOTMCUVER", Kind.TEST, ""): lambda _: _text("+QIOTMCUVER: <MCU_number>,<MCU_version>"),
        ("+QIOTMCUVER", Kind.READ, ""): lambda self: _text(*self.versions.lines()),
        ("+QIOTMCUVER", Kind.WRITE, "s"): _version,
        ("+QIOTMCUVER", Kind.WRITE, "ss"): _set_version,
        ("+QIOTOTAREQ", Kind.TEST, ""): lambda self: _text(
            f"+QIOTOTAREQ: {self._options.request_test_text}"
        ),
        ("+QIOTOTAREQ", Kind.EXEC, ""): _request,
        ("+QIOTOTAREQ", Kind.WRITE, "i"): _request,
        ("+QIOTUPDATE", Kind.TEST, ""): lambda self: _text(
            f"+QIOTUPDATE: {self._options.update_test_text}"
        ),
        ("+QIOTUPDATE", Kind.WRITE, "i"): _update,
        ("+QIOTOTARD", Kind.TEST, ""): _read_test,
        ("+QIOTOTARD", Kind.WRITE, "ii"): _read,
    }

    # --- saved state --------------------------------------------------------------------

    def memory(self) -> Hashable:
        """``save`` as a value that can be compared fast, and what waits to be said."""
        return (
            self.echo,
            self.versions.memory(),
            self.registration.memory(),
            self.settings.memory(),
            tuple(self.urcs),
            self.upgrade.memory(),
            self.own_version,
        )

    def save(self) -> dict[str, Any]:
        return {
            "echo": self.echo,
            "versions": self.versions.all,
            "settings": self.settings.save(),
            "upgrade": self.upgrade.save(),
            "own_version": self.own_version,
            **self.registration.save(),
        }

    def load(self, saved: Mapping[str, Any]) -> None:
        """A file from before there were other settings has the product alone."""
        self.own_version = saved.get("own_version", self.own_version)
        self.echo = saved["echo"]
        self.registration.load(saved)
        self.versions.load(saved["versions"])
        self.settings.load(saved.get("settings") or {"productinfo": saved["product"]})
        self.upgrade.load(saved["upgrade"])


def _text(*lines: str) -> list[bytes]:
    """Lines of an answer, as in ``\\r\\nfirst\\r\\nsecond\\r\\n``."""
    first = [format_lines(lines[:1])] if lines else []
    return first + [line.encode("latin-1") + b"\r\n" for line in lines[1:]]
