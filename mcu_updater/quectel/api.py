"""The calls of Quectel's QuecOpen SDK, on the other side of a UART.

A firmware engineer who knows the published SOTA example finds each of its steps here:

==================================  =========================================
in C, inside the module             here, over AT commands
==================================  =========================================
``Ql_iotInit``                      ``QuecThing.init``
``Ql_iotConfigSetEventCB``          ``QuecThing.config_set_event_cb``
``Ql_iotConfigSetProductinfo``      ``QuecThing.config_set_product_info``
``Ql_iotConfigSetConnmode``         ``QuecThing.config_set_connmode``
``Ql_iotConfigSetMcuVersion``       ``QuecThing.config_set_mcu_version``
``Ql_iotConfigGetMcuVersion``       ``QuecThing.config_get_mcu_version``
``Ql_iotCmdOtaRequest``             ``QuecThing.cmd_ota_request``
``Ql_iotCmdOtaAction``              ``QuecThing.cmd_ota_action``
``Ql_iotCmdOtaMcuFWDataRead``       ``QuecThing.cmd_ota_mcu_fw_data_read``
``Quos_stringSplit``                ``split_value``
the SDK's own thread                ``QuecThing.process``
==================================  =========================================

TRUE and FALSE are True and False. What cannot happen inside a module is an exception: LinkError
when it does not answer, PortError when the port is gone. ``docs/how-to/quectel-example.md`` has the
example in both languages, with what is wrong in the published one.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum

from mcu_updater.core.errors import ModuleRefused, UsageError
from mcu_updater.core.ports import BytePort, Clock
from mcu_updater.quectel.at import split_arguments, unquote
from mcu_updater.quectel.client import ANNOUNCE_UPDATE as UPDATING
from mcu_updater.quectel.client import CONFIRM, NEXT_PIECE, REFUSE, AtClient
from mcu_updater.quectel.link import DEFAULT_DIALECT, Dialect

EventCallback = Callable[[int, int, str | None], None]
"""*event*, *errcode*, *value*: the arguments as the URC has them, None for none."""


class EventType(IntEnum):
    """QIOT_ATEVENT_TYPE_..."""

    AUTH = 1
    CONNECT = 2
    SUBSCRIBE = 3
    OTA = 7


class OtaCode(IntEnum):
    """QIOT_OTA_..."""

    TASK_NOTIFY = 10700
    START = 10701
    DOWNLOADING = 10702
    DOWNLOADED = 10703
    UPDATING = 10704
    UPDATE_OK = 10705
    UPDATE_FAIL = 10706


class OtaAction(IntEnum):
    """Of ``cmd_ota_action``."""

    REFUSE = REFUSE
    CONFIRM = CONFIRM
    NEXT_PIECE = NEXT_PIECE
    UPDATING = UPDATING


def split_value(value: str | None) -> list[str]:
    """The words of an event's value, all without their quotes; commas inside quotes stay.

    Raises ValueError where quotes do not match. None has no words.
    """
    return [] if not value else [unquote(word) for word in split_arguments(value)]


class QuecThing:
    """One module behind *port*. Commands wait for their answers; events wait for ``process``."""

    def __init__(self, port: BytePort, clock: Clock, dialect: Dialect = DEFAULT_DIALECT) -> None:
        self._client = AtClient(port, clock, dialect)
        self._clock = clock
        self._callback: EventCallback | None = None

    def init(self) -> bool:
        """``Ql_iotInit``: find the module. False when it does not know the first command."""
        return self._accepted(self._client.begin)

    def config_set_event_cb(self, callback: EventCallback) -> bool:
        """``Ql_iotConfigSetEventCB``: called by ``process``, and from nowhere else."""
        self._callback = callback
        return True

    def config_set_product_info(self, key: str, secret: str) -> bool:
        """``Ql_iotConfigSetProductinfo``: once; the module keeps it. False while connected."""
        return self._accepted(lambda: self._client.set_product(key, secret))

    def config_set_connmode(self, mode: int) -> bool:
        """``Ql_iotConfigSetConnmode``: 0 off, 1 connect, 2 connect at every boot."""
        return self._accepted(lambda: self._client.set_mode(mode))

    def config_set_mcu_version(self, component: str, version: str) -> bool:
        """``Ql_iotConfigSetMcuVersion``. Between confirm and verdict it *is* the verdict.

        False for what the SDK refuses, too: 1 to 32 and 1 to 64 characters, without ``:;"``.
        """
        try:
            return self._accepted(lambda: self._client.report_version(component, version))
        except UsageError:
            return False

    def config_get_mcu_version(self, component: str | None = None) -> str:
        """``Ql_iotConfigGetMcuVersion``: the version of *component*, empty when it is unknown.

        None: the whole list, as ``one:1_0;two:2_0``.
        """
        versions = self._client.known_versions()
        if component is not None:
            return versions.get(component, "")
        return ";".join(f"{name}:{version}" for name, version in versions.items())

    def cmd_ota_request(self, mode: int) -> bool:
        """``Ql_iotCmdOtaRequest``: 1 wants SHA-256 with the package. No plan is no event."""
        return self._accepted(lambda: self._client.request_plan(mode))

    def cmd_ota_action(self, action: int) -> bool:
        """``Ql_iotCmdOtaAction``: see OtaAction. False when the module's state does not allow it.

        An action whose answer was lost is repeated only where that is safe.
        """
        client = self._client
        actions: dict[int, Callable[[], None]] = {
            OtaAction.REFUSE: client.refuse,
            OtaAction.CONFIRM: client.confirm,
            OtaAction.NEXT_PIECE: client.next_piece,
            OtaAction.UPDATING: client.announce_update,
        }
        act = actions.get(action)
        return act is not None and self._accepted(act)

    def cmd_ota_mcu_fw_data_read(self, start: int, size: int) -> bytes:
        """``Ql_iotCmdOtaMcuFWDataRead``: package bytes from the absolute offset *start*.

        Never more than *size*; fewer at a piece's end, or where the module gives fewer at a time.
        Empty, as 0 in C, when they cannot be had.
        """
        if start < 0 or size <= 0:
            return b""
        return self._client.read(start, size) or b""

    def process(self, timeout_s: float) -> bool:
        """Hand the next event to the callback; it may give commands. False: none has come."""
        urc = self._client.next_urc(timeout_s)
        if urc is None:
            return False
        if self._callback is not None:
            self._callback(urc.type, urc.code, urc.arguments or None)
        return True

    @staticmethod
    def _accepted(command: Callable[[], None]) -> bool:
        try:
            command()
        except ModuleRefused:
            return False
        return True
