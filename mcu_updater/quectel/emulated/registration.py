"""How the emulated module gets to the platform, stays there, and comes back (module SDK 2.9.0)."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any

from mcu_updater.quectel.at import format_urc
from mcu_updater.quectel.connection import INITIALISED, MENDING_CODES, READY, SUCCESS_CODE
from mcu_updater.quectel.emulated.faults import Faults
from mcu_updater.quectel.emulated.options import ModuleOptions
from mcu_updater.quectel.emulated.timers import Timers

# AT+QIOTSTATE? values used here
REGISTERING, DEREGISTERED = 5, 11
FAILED_STATE = {1: 4, 2: 7, 3: 9}  # by the event type that refused: auth, access, subscribe
OFF, MANUAL, AUTOMATIC = 0, 1, 2  # AT+QIOTREG modes

RECONNECT_DELAYS_S = (1.0, 30.0, 300.0, 600.0)  # after the first failures
LAST_RECONNECT_DELAY_S = 1800.0  # after more than so many:
PATIENT_FAILURES = 6


class Registration:
    """Mode, state and reconnects. *ready* is called when the device is there, *lost* when not."""

    def __init__(
        self,
        options: ModuleOptions,
        faults: Faults,
        timers: Timers,
        urcs: list[bytes],
        ready: Callable[[], None],
        lost: Callable[[], None],
    ) -> None:
        self.mode = OFF
        self.status = INITIALISED
        self._options = options
        self._faults = faults
        self._timers = timers
        self._urcs = urcs
        self._ready = ready
        self._lost = lost
        self._authenticated = False  # with the product that is set
        self._refused = 0  # connections, since the last product was set
        self._failures = 0  # in a row

    @property
    def connected(self) -> bool:
        return self.status == READY

    @property
    def busy(self) -> bool:
        """Connected or about to be: no time to change settings."""
        return self.status in (READY, REGISTERING)

    def set_mode(self, mode: int) -> None:
        """AT+QIOTREG=*mode*."""
        self.mode = mode
        if mode == OFF and self.busy:
            self._disconnect(DEREGISTERED)
            self._urcs.append(format_urc(6, SUCCESS_CODE))
        elif mode == OFF:
            self._timers.stop("connect")
        elif not self.busy:
            self.connect(self._options.connect_s)

    def connect(self, after_s: float) -> None:
        self.status = REGISTERING
        self._timers.start("connect", after_s)

    def try_connecting(self) -> None:
        """The moment at which it turns out; without a network it takes until that is back."""
        if self._timers.runs("network"):
            self._timers.start("connect", self._timers.left_s("network"))
            return
        refusal, limit = self._faults.refuse_connection, self._faults.refusals
        if refusal is not None and (limit is None or self._refused < limit):
            self._fail(*refusal)
            return
        self.status, self._failures = READY, 0
        if self._options.first_authentication_event and not self._authenticated:
            self._urcs.append(format_urc(1, SUCCESS_CODE))
        self._authenticated = True
        self._urcs += [format_urc(2, SUCCESS_CODE), format_urc(3, SUCCESS_CODE)]
        self._ready()

    def _fail(self, event_type: int, code: int) -> None:
        self._refused += 1
        self._failures += 1
        self.status = FAILED_STATE[event_type]
        self._urcs.append(format_urc(event_type, code))
        if self._options.reconnects and code in MENDING_CODES:
            self._timers.start("connect", _reconnect_delay_s(self._failures))

    def lose_link(self) -> None:
        """The network is gone; when it is back, a module that was connected connects again."""
        if not self.busy:
            return
        code = self._options.link_loss_code
        if code is not None and self.connected:
            self._urcs.append(format_urc(2, code))
        self._disconnect(REGISTERING)
        self.connect(self._timers.left_s("network"))

    def _disconnect(self, status: int) -> None:
        self._timers.stop("connect", "plan", "push")
        self.status = status
        self._lost()

    def booted(self) -> None:
        if self.mode == AUTOMATIC:
            self.connect(self._options.connect_s)

    def power_lost(self) -> None:
        """The mode is kept; where it was is not."""
        self.status, self._failures = INITIALISED, 0

    def product_changed(self) -> None:
        """The platform does not know this device by its new name."""
        self._authenticated = False

    # --- saved state

    def memory(self) -> Hashable:
        return self.mode, self.status, self._authenticated, self._refused, self._failures

    def save(self) -> dict[str, Any]:
        return {
            "mode": self.mode,
            "status": self.status,
            "authenticated": self._authenticated,
            "refused": self._refused,
            "failures": self._failures,
        }

    def load(self, saved: Mapping[str, Any]) -> None:
        """What was saved before there were reconnects has no counts."""
        self.mode, self.status = saved["mode"], saved["status"]
        self._authenticated = saved.get("authenticated", self.status == READY)
        self._refused, self._failures = saved.get("refused", 0), saved.get("failures", 0)


def _reconnect_delay_s(failures: int) -> float:
    if failures > PATIENT_FAILURES:
        return LAST_RECONNECT_DELAY_S
    return RECONNECT_DELAYS_S[min(failures, len(RECONNECT_DELAYS_S)) - 1]
