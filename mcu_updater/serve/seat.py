"""One device's place in a farm: its wire, and the module behind it while somebody needs it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from mcu_updater.cloud.center.device_center import DeviceCenter
from mcu_updater.core.errors import UpdaterError
from mcu_updater.quectel.emulated.faults import Faults
from mcu_updater.quectel.emulated.module import EmulatedModule
from mcu_updater.quectel.emulated.options import ModuleOptions
from mcu_updater.quectel.emulated.ota_states import OtaState
from mcu_updater.serve.keep import StateFile
from mcu_updater.serve.loop import Wants, soonest
from mcu_updater.serve.server import Instance, events_of
from mcu_updater.serve.wires import Wire

log = logging.getLogger(__name__)

_RESTS = (OtaState.NOPLAN, OtaState.REVICEPLAN)
_STARVED_S = 1.0  # of the clock, until a client without a file descriptor is tried again


@dataclass(frozen=True)
class Making:
    """How the module of a device is made. *idle_s*: of the clock, until nobody needs it."""

    center: Callable[[], DeviceCenter]
    options: ModuleOptions
    faults: Faults
    state: Callable[[], StateFile]
    idle_s: float


class Seat:
    """Makes the module for its first client, keeps it while there is one or an upgrade is under
    way, and puts it away on disk then. What falls due in it wakes it again.

    Whatever goes wrong in it is this device's matter: it is logged, and the client is hung up on.
    """

    def __init__(self, device: str, wire: Wire, making: Making, now_s: float) -> None:
        self.device = device
        self.wire = wire
        self.failures = 0
        self.unplugged = False
        self._making = making
        self._instance: Instance | None = None
        self._state: StateFile | None = None
        self._center: DeviceCenter | None = None
        self._due_s: float | None = None  # of a module that is put away
        self._away_since_s: float | None = None  # None: since an earlier process
        self._last_s = now_s  # when somebody needed it
        self._said = ""

    @property
    def is_awake(self) -> bool:
        return self._instance is not None

    def is_needed(self, now_s: float) -> bool:
        """By a client, or for an upgrade."""
        return self.wire.occupied or not self._rests() or now_s < self._idle_at_s

    @property
    def _idle_at_s(self) -> float:
        return self._last_s + self._making.idle_s

    def wake_at(self, now_s: float) -> None:
        """Whatever comes: an earlier process has left an upgrade in it, perhaps."""
        self._due_s = now_s

    def wants(self) -> Wants:
        if self.unplugged:
            return Wants(())
        due_s = self._due_s
        if self._instance is not None:
            due_s = soonest(self._instance.module.next_deadline(), self._idle_at_s)
        if self.wire.is_starved:
            return Wants((), soonest(due_s, self._last_s + _STARVED_S))
        return Wants(events_of(self.wire), due_s, self.wire.generation)

    def step(self, now_s: float) -> None:
        """All that has come and all that is due; nothing that happens in it gets out of it."""
        try:
            self._step(now_s)
        except Exception as error:  # of one module: the others go on
            self._fail(error, now_s)

    def _step(self, now_s: float) -> None:
        self.wire.is_starved = False
        before = self.wire.received_size, self.wire.generation
        if self._instance is None:
            self._instance = self._wake(now_s)
        self._instance.step(now_s)
        if self._instance.ended():
            self.close(now_s)
            self.unplugged = True
            return
        is_used = self.wire.occupied or self.wire.is_starved
        if is_used or before != (self.wire.received_size, self.wire.generation):
            self._last_s = now_s
        elif now_s >= self._idle_at_s:
            self._put_away(now_s)

    def settle(self, now_s: float) -> None:
        """Tell the center what it could not be told before."""
        if self._center is not None:
            try:
                self._center.settle()
            except UpdaterError as error:
                self._fail(error, now_s)

    def close(self, now_s: float) -> None:
        """Put the module away, and close the wire. Raises PortError where it cannot be kept."""
        try:
            if self._instance is not None:
                self._write(now_s)
        finally:
            self._forget()
            self.wire.close()

    # --- the module

    def _wake(self, now_s: float) -> Instance:
        making, is_known = self._making, self._away_since_s is not None
        self._state = making.state()
        since_s = now_s if self._away_since_s is None else self._away_since_s
        module, center = self._state.open(
            making.center(), making.options, making.faults, paused=is_known, now_s=since_s
        )
        assert isinstance(center, DeviceCenter)
        self._center = center
        self._last_s = now_s
        return Instance(module, self.wire, state=self._state, center=center)

    def _put_away(self, now_s: float) -> None:
        if not self._rests():
            self._last_s = now_s  # looked at again later
        elif self._instance is not None:
            self._due_s = self._instance.module.next_deadline()
            self._write(now_s)
            self._away_since_s = now_s
            self._forget()

    def _rests(self) -> bool:
        if self._instance is None:
            return True
        assert isinstance(self._instance.module, EmulatedModule)
        has_told = self._center is None or self._center.has_told
        return self._instance.module.ota_state in _RESTS and has_told

    def _write(self, now_s: float) -> None:
        assert self._instance is not None
        assert self._center is not None
        assert self._state is not None
        assert isinstance(self._instance.module, EmulatedModule)
        self._state.keep(self._instance.module, self._center, now_s, always=True)

    def _forget(self) -> None:
        if self._state is not None:
            self._state.close()
        self._instance = self._state = self._center = None

    def _fail(self, error: Exception, now_s: float) -> None:
        """Once for each error: a client that comes again and again must not fill the log."""
        self.failures += 1
        self._last_s = now_s
        text = error.message if isinstance(error, UpdaterError) else repr(error)
        if text != self._said:
            self._said = text
            fault = None if isinstance(error, UpdaterError) else error
            log.error("device %s: %s", self.device, text, exc_info=fault)
        self._forget()
        self._due_s = self._away_since_s = None
        self.wire.receive()
        self.wire.hang_up()
