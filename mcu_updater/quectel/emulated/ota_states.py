"""The states of the module's upgrade (module SDK 2.9.0), as tables.

::

    NOPLAN -> REVICEPLAN -1-> SUBMITOTA -> DOWNLOADSTART -> DOWNLOADING -> DOWNLOADSUCCESS
      ^ ^         |0              ^url         ^2 (next piece)                 |2   |3 (last piece)
      | +-- REFUSEDOTA            |            +-------------------------------+    v
      +---- DOWNLOADERROR --------+ (silent, from byte 0)                       UPDATING
      +---- UPDATESUCCESS / UPDATEERROR <- version set, limit passed, more than 5 errors

State names and numbers are the SDK's own, spelling included. The module verifies nothing of an
MCU package, and it does not check that a piece was read before it goes on.
"""

from __future__ import annotations

from enum import IntEnum

from mcu_updater.cloud.single_device import ComponentState


class OtaState(IntEnum):
    """The value that the module reports to the platform."""

    NOPLAN = 0
    REVICEPLAN = 1
    SUBMITOTA = 2
    REFUSEDOTA = 3
    DOWNLOADSTART = 4
    DOWNLOADING = 5
    DOWNLOADERROR = 6
    DOWNLOADSUCCESS = 8
    UPDATING = 9
    UPDATESUCCESS = 11
    UPDATEERROR = 12


S = OtaState

# How long a state may last (a field of ModuleOptions), and where it then goes.
LIMITS: dict[OtaState, tuple[str, OtaState]] = {
    S.SUBMITOTA: ("url_limit_s", S.UPDATEERROR),
    S.DOWNLOADSTART: ("header_limit_s", S.DOWNLOADERROR),
    S.DOWNLOADSUCCESS: ("read_gap_limit_s", S.UPDATEERROR),
    S.UPDATING: ("update_limit_s", S.UPDATEERROR),
}

# AT+QIOTUPDATE=n: (n, state) -> (condition, next state); None: OK without effect.
# What is not here answers ERROR.
ACTIONS: dict[tuple[int, OtaState], tuple[str, OtaState | None]] = {
    (0, S.REVICEPLAN): ("always", S.REFUSEDOTA),
    (1, S.REVICEPLAN): ("always", S.SUBMITOTA),
    (1, S.SUBMITOTA): ("always", None),
    (2, S.DOWNLOADSUCCESS): ("more pieces", S.DOWNLOADSTART),
    (3, S.DOWNLOADSUCCESS): ("last piece", S.UPDATING),
    (3, S.UPDATING): ("always", None),
}

# A version set for the component in one of these ends the upgrade, whatever the version.
VERDICT_STATES = frozenset(
    {S.SUBMITOTA, S.DOWNLOADSTART, S.DOWNLOADING, S.DOWNLOADERROR, S.DOWNLOADSUCCESS, S.UPDATING}
)

# After a reboot of the module these start over; UPDATING stays.
RESTARTED_STATES = VERDICT_STATES - {S.UPDATING}

# One answer of the host speaks for all components that one message offered.
ANSWERED_TOGETHER = frozenset({S.REVICEPLAN, S.SUBMITOTA, S.REFUSEDOTA})

REPORTED: dict[OtaState, ComponentState] = {
    S.REVICEPLAN: ComponentState.RECEIVED,
    S.SUBMITOTA: ComponentState.CONFIRMED,
    S.REFUSEDOTA: ComponentState.REFUSED,
    S.DOWNLOADSTART: ComponentState.WAITING_DOWNLOAD,
    S.DOWNLOADING: ComponentState.DOWNLOADING,
    S.DOWNLOADERROR: ComponentState.DOWNLOAD_FAILED,
    S.DOWNLOADSUCCESS: ComponentState.DOWNLOADED,
    S.UPDATING: ComponentState.UPGRADING,
    S.UPDATESUCCESS: ComponentState.SUCCESS,
    S.UPDATEERROR: ComponentState.FAILED,
}
