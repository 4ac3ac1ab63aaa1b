"""What the emulated module does with a command: one table, and the registration behind it.

A handler returns the lines of the answer before ``OK``, or None for ``ERROR``. Whatever it sets
off is said later, by a timer or after the answer: OK first, URC afterwards.
Forms and limits: QuecThing AT manual and module SDK 2.9.0.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any, ClassVar

from mcu_updater.quectel.at import Command, Kind, format_lines, format_payload, format_urc
from mcu_updater.quectel.cloud import Cloud
from mcu_updater.quectel.options import Faults, ModuleOptions
from mcu_updater.quectel.timers import Timers
from mcu_updater.quectel.upgrade import Upgrade

Answer = list[bytes] | None

# AT+QIOTSTATE? values used here
INITIALISED, REGISTERING, SUBSCRIBED, DEREGISTERED = 1, 5, 8, 11
FAILED_STATE = {1: 4, 2: 7, 3: 9}  # by the event type that refused: auth, access, subscribe
OFF, MANUAL, AUTOMATIC = 0, 1, 2  # AT+QIOTREG modes

MAX_COMPONENT_SIZE = 32
MAX_VERSION_SIZE = 64
MAX_VERSION_LIST_SIZE = 512  # "no:ver;no:ver" in one string, hence neither sign in a field
MAX_PRODUCT_SIZE = 32


class Firmware:
    """The module without its UART: settings, registration, and the upgrade."""

    def __init__(
        self, center: Cloud, options: ModuleOptions, faults: Faults, timers: Timers
    ) -> None:
        self.upgrade = Upgrade(center, options, timers, faults.failing_downloads)
        self.urcs = self.upgrade.urcs
        self.echo = options.echo
        self.versions: dict[str, str] = {}
        self.mode = OFF
        self.status = INITIALISED
        self.product = (options.product_key, options.product_secret)
        self._options = options
        self._refuse_connection = faults.refuse_connection
        self._timers = timers
        self.handlers: dict[str, Callable[[], None]] = {
            "connect": self._connected,
            "plan": lambda: self.upgrade.plan_arrives(self.versions),
            "push": self._pushed,
            "boot": self._booted,
            **self.upgrade.handlers,
        }

    def execute(self, command: Command) -> Answer:
        signature = "".join("i" if isinstance(a, int) else "s" for a in command.arguments)
        handler = self._COMMANDS.get((command.name, command.kind, signature))
        return None if handler is None else handler(self, *command.arguments)

    # --- registration -------------------------------------------------------------------

    def _connected(self) -> None:
        if self._refuse_connection is not None:
            event_type, code = self._refuse_connection
            self.status = FAILED_STATE[event_type]
            self.urcs.append(format_urc(event_type, code))
            return
        self.status = SUBSCRIBED
        self.urcs += [format_urc(2, 10200), format_urc(3, 10200)]
        self.upgrade.link_up()
        self._timers.start("push", self._options.push_interval_s)

    def _pushed(self) -> None:
        self.upgrade.plan_arrives(self.versions, pushed=True)
        self._timers.start("push", self._options.push_interval_s)

    def _connect(self, after_s: float) -> None:
        self.status = REGISTERING
        self._timers.start("connect", after_s)

    def disconnect(self, status: int, back_after_s: float | None = None) -> None:
        """The link is gone; with *back_after_s* the module reconnects by itself."""
        self._timers.stop("connect", "plan", "push")
        self.status = status
        self.upgrade.link_down()
        if back_after_s is not None:
            self._connect(back_after_s)

    def power_lost(self) -> None:
        """Settings, versions and the upgrade's state are in the module's flash; the rest goes."""
        self._timers.stop_all()
        self.urcs.clear()
        self.status = INITIALISED
        self.upgrade.online = False
        self.echo = self._options.echo

    def _booted(self) -> None:
        self.upgrade.rebooted()
        if self.mode == AUTOMATIC:
            self._connect(self._options.connect_s)

    # --- handlers -----------------------------------------------------------------------

    def _set_echo(self, echo: bool) -> Answer:
        self.echo = echo
        return []

    def _register(self, mode: int) -> Answer:
        if mode > AUTOMATIC or not all(self.product):
            return None
        self.mode = mode
        if mode == OFF and self.status in (SUBSCRIBED, REGISTERING):
            self.disconnect(DEREGISTERED)
            self.urcs.append(format_urc(6, 10200))
        elif mode != OFF and self.status not in (SUBSCRIBED, REGISTERING):
            self._connect(self._options.connect_s)
        return []

    def _request(self, info: int = 0) -> Answer:
        """Stores or clears the SHA-256 flag, and asks at once."""
        if self.status != SUBSCRIBED or info > self._options.max_request_info:
            return None
        self.upgrade.want_sha256 = bool(info & 1)
        self._timers.start("plan", self._options.plan_delay_s)
        return []

    def _update(self, action: int) -> Answer:
        return [] if self.upgrade.act(action) else None

    def _read(self, start: int, size: int) -> Answer:
        data = self.upgrade.read(start, min(size, self._options.max_read))
        if not data and self._options.empty_read_is_error:
            return None
        return [format_payload(start, data)]

    def _read_test(self) -> Answer:
        text = self._options.read_test_text.format(max_read=self._options.max_read)
        return _text(f"+QIOTOTARD: {text}")

    def _versions(self) -> Answer:
        if self._options.versions_in_one_line:
            return _text(f'+QIOTMCUVER: "{_version_list(self.versions)}"')
        return _text(*(f'+QIOTMCUVER: "{no}","{ver}"' for no, ver in self.versions.items()))

    def _version(self, component: str) -> Answer:
        version = self.versions.get(component)
        return None if version is None else _text(f'+QIOTMCUVER: "{component}","{version}"')

    def _set_version(self, component: str, version: str) -> Answer:
        """Stored at once; an empty version removes the component. The verdict comes after OK."""
        if not _fits(component, version):
            return None
        versions = {**self.versions, component: version}
        if not version:
            del versions[component]
        if len(_version_list(versions)) > MAX_VERSION_LIST_SIZE:
            return None
        self.versions = versions
        self.upgrade.version_set(component, version)
        return []

    def _product(self, item: str) -> Answer:
        key, secret = self.product
        version = self._options.product_version
        known = item == "productinfo"
        return _text(f'+QIOTCFG: "{item}","{key}","{secret}","{version}"') if known else None

    def _set_product(self, item: str, key: str, secret: str) -> Answer:
        too_long = max(len(key), len(secret)) > MAX_PRODUCT_SIZE
        if item != "productinfo" or too_long or self.status in (SUBSCRIBED, REGISTERING):
            return None
        self.product = (key, secret)
        return []

    def _info(self) -> Answer:
        items = {"type": "emulated", "sdk_ver": self._options.sdk_version, "battery": 100}
        return _text(*(f"+QIOTINFO: {item},{value}" for item, value in items.items()))

    # Arguments by type: i integer, s quoted string. What is not here answers ERROR.
    _COMMANDS: ClassVar[dict[tuple[str, Kind, str], Callable[..., Answer]]] = {
        ("", Kind.EXEC, ""): lambda _: [],
        ("E", Kind.EXEC, ""): lambda self: self._set_echo(False),
        ("E0", Kind.EXEC, ""): lambda self: self._set_echo(False),
        ("E1", Kind.EXEC, ""): lambda self: self._set_echo(True),
        ("+CSQ", Kind.EXEC, ""): lambda _: _text("+CSQ: 20,99"),
        ("+CGATT", Kind.READ, ""): lambda _: _text("+CGATT: 1"),
        ("+QIOTREG", Kind.TEST, ""): lambda _: _text("+QIOTREG: (0-2)"),
        ("+QIOTREG", Kind.READ, ""): lambda self: _text(f"+QIOTREG: {self.mode}"),
        ("+QIOTREG", Kind.WRITE, "i"): _register,
        ("+QIOTSTATE", Kind.READ, ""): lambda self: _text(f"+QIOTSTATE: {self.status}"),
        ("+QIOTINFO", Kind.READ, ""): _info,
        ("+QIOTCFG", Kind.TEST, ""): lambda _: _text('+QIOTCFG: "productinfo",<pk>,<ps>'),
        ("+QIOTCFG", Kind.WRITE, "s"): _product,
        ("+QIOTCFG", Kind.WRITE, "sss"): _set_product,
        ("+QIOTMCUVER", Kind.TEST, ""): lambda _: _text("+QIOTMCUVER: <MCU_number>,<MCU_version>"),
        ("+QIOTMCUVER", Kind.READ, ""): _versions,
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
            tuple(self.versions.items()),
            self.mode,
            self.status,
            self.product,
            tuple(self.urcs),
            self.upgrade.memory(),
        )

    def save(self) -> dict[str, Any]:
        return {
            "echo": self.echo,
            "versions": dict(self.versions),
            "mode": self.mode,
            "status": self.status,
            "product": list(self.product),
            "upgrade": self.upgrade.save(),
        }

    def load(self, saved: Mapping[str, Any]) -> None:
        self.echo, self.mode, self.status = saved["echo"], saved["mode"], saved["status"]
        self.versions = dict(saved["versions"])
        self.product = (saved["product"][0], saved["product"][1])
        self.upgrade.load(saved["upgrade"])


def _text(*lines: str) -> list[bytes]:
    """Lines of an answer, as in ``\\r\\nfirst\\r\\nsecond\\r\\n``."""
    first = [format_lines(lines[:1])] if lines else []
    return first + [line.encode("latin-1") + b"\r\n" for line in lines[1:]]


def _version_list(versions: Mapping[str, str]) -> str:
    return ";".join(f"{component}:{version}" for component, version in versions.items())


def _fits(component: str, version: str) -> bool:
    sized = 1 <= len(component) <= MAX_COMPONENT_SIZE and len(version) <= MAX_VERSION_SIZE
    return sized and not set(":;") & set(component + version)
