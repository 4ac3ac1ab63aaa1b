"""The published SOTA example, step by step, over AT commands: docs/how-to/quectel-example.md.

    python examples/quectel_sota.py PORT COMPONENT VERSION FILE

Connects, takes the plan that the Developer Center has, writes the package to FILE, and reports
the plan's target version. It is an example of the protocol: FILE stands for the MCU's flash, and
nothing is kept for a restart. ``mcu-updater update --module PORT`` does all of that.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path

from mcu_updater.host.clock import MonotonicClock
from mcu_updater.host.serial_port import open_port
from mcu_updater.quectel.api import EventType, OtaAction, OtaCode, QuecThing, split_value


class Application:
    """What the example's ``Ql_iotEventCB`` does, and what it leaves out."""

    def __init__(
        self, iot: QuecThing, component: str, version: str, flash: Callable[[bytes], None]
    ) -> None:
        self.iot = iot
        self.flash = flash
        self.component = component
        self.version = version
        self.image = b""
        self.result: OtaCode | None = None
        self._target = self._md5 = self._sha256 = ""

    def start(self) -> None:
        """Steps 3 and 4: connect, and say which version runs."""
        self.iot.init()
        self.iot.config_set_event_cb(self.event_cb)
        self.iot.config_set_mcu_version(self.component, self.version)
        self.iot.config_set_connmode(1)

    def event_cb(self, event: int, errcode: int, value: str | None) -> None:
        if (event, errcode) == (EventType.SUBSCRIBE, 10200):
            self.iot.cmd_ota_request(1)  # step 5, once the cloud is there; with SHA-256
        if event != EventType.OTA:
            return
        words = split_value(value)
        if errcode == OtaCode.TASK_NOTIFY:
            self._on_plan(words)
        elif errcode == OtaCode.START and words:
            self._md5 = words[2]
            self._sha256 = words[4] if len(words) > 4 else ""
        elif errcode == OtaCode.DOWNLOADED and words:
            self._on_piece(words)
        elif errcode == OtaCode.UPDATING:
            self.flash(self.image)  # 20 minutes at most
            self.iot.config_set_mcu_version(self.component, self._target)
        elif errcode in (OtaCode.UPDATE_OK, OtaCode.UPDATE_FAIL):
            self.result = OtaCode(errcode)

    def _on_plan(self, words: list[str]) -> None:
        """Step 6: is it for us?"""
        component, _source, self._target, _battery, _signal, _space = words[:6]
        fits = component == self.component and self._target != self.version
        self.iot.cmd_ota_action(OtaAction.CONFIRM if fits else OtaAction.REFUSE)

    def _on_piece(self, words: list[str]) -> None:
        """Step 7: read the piece, at its own address; then the next one, or the update."""
        length, start, size = (int(word) for word in words[1:4])
        if start == 0:
            self.image = b""  # the first piece, or a download that began anew
        while len(self.image) < start + size:
            data = self.iot.cmd_ota_mcu_fw_data_read(len(self.image), 1024)
            if not data:
                return  # the module holds the piece no more: 10706 follows
            self.image += data
        if len(self.image) < length:
            self.iot.cmd_ota_action(OtaAction.NEXT_PIECE)
        elif self._is_intact():
            self.iot.cmd_ota_action(OtaAction.UPDATING)  # before the flash is written
        else:
            self.iot.config_set_mcu_version(self.component, self.version)  # the old one: failed

    def _is_intact(self) -> bool:
        md5 = hashlib.md5(self.image, usedforsecurity=False).hexdigest()
        sha256 = hashlib.sha256(self.image).hexdigest()
        return md5 == self._md5.lower() and self._sha256.lower() in ("", sha256)


def main(name: str, component: str, version: str, file: str) -> int:
    port = open_port(name)
    port.drain()
    iot = QuecThing(port, MonotonicClock())
    application = Application(iot, component, version, lambda data: _write(Path(file), data))
    application.start()
    while application.result is None and iot.process(60.0):
        pass
    return 0 if application.result is OtaCode.UPDATE_OK else 1


def _write(file: Path, data: bytes) -> None:
    file.write_bytes(data)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
