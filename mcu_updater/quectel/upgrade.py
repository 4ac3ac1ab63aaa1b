"""The module's upgrade state machine (module SDK 2.9.0): tables, and what moves through them.

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

from collections.abc import Callable, Hashable, Mapping
from enum import IntEnum
from typing import Any, ClassVar

from mcu_updater import ota
from mcu_updater.quectel.center import ComponentState, Plan
from mcu_updater.quectel.cloud import Cloud
from mcu_updater.quectel.options import ModuleOptions
from mcu_updater.quectel.ota_events import format_ota_event
from mcu_updater.quectel.timers import Timers


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


class Upgrade:
    """One upgrade at a time. URCs gather in *urcs* until the module takes them."""

    TIMERS = ("race", "limit", "url", "header", "complete", "again")

    def __init__(
        self, center: Cloud, options: ModuleOptions, timers: Timers, bad_downloads: int
    ) -> None:
        self.state = S.NOPLAN
        self.want_sha256 = False  # the flag of AT+QIOTOTAREQ
        self.online = False
        self.urcs: list[bytes] = []
        self._center = center
        self._options = options
        self._timers = timers
        self._bad_downloads = bad_downloads
        self._plan: Plan | None = None
        self._piece = range(0)
        self._announced = False  # 10701 was sent, or is not to be sent any more
        self._errors = 0  # above 0 in NOPLAN: the platform is to send the URL again
        self._unsent: ComponentState | None = None  # one status waits for the link
        self.handlers: dict[str, Callable[[], None]] = {
            "race": lambda: self._enter(S.REVICEPLAN),
            "limit": lambda: self._enter(LIMITS[self.state][1]),
            "url": self._url_arrives,
            "header": lambda: self._enter(S.DOWNLOADING),
            "complete": lambda: self._enter(S.DOWNLOADSUCCESS),
            "again": self._downloading_again,
        }

    # --- what the host and the cloud do -------------------------------------------------

    def plan_arrives(self, versions: Mapping[str, str], *, pushed: bool = False) -> None:
        """Ask the center, or let it push. A plan is taken in NOPLAN and REVICEPLAN only."""
        idle = self.state in (S.NOPLAN, S.REVICEPLAN) and not self._errors
        due = self._center.push if pushed else self._center.offer
        plan = due(versions, self._timers.now_s) if idle and self.online else None
        if plan is None:
            return
        self._plan = plan
        self._say(plan.offer())  # before the state changes: the race of SDK 2.9.0
        if self._options.confirm_race_s:
            self._timers.start("race", self._options.confirm_race_s)
        else:
            self._enter(S.REVICEPLAN)

    def act(self, action: int) -> bool:
        """AT+QIOTUPDATE=*action*; False means ERROR."""
        row = ACTIONS.get((action, self.state))
        if row is None or not self._holds(row[0]):
            return False
        if action == 2:
            self._piece = self._piece_at(self._piece.stop)
        if action in (0, 1) and row[1] and self._options.update_flag_text is not None:
            self._say(ota.OtherOtaEvent(10707, self._options.update_flag_text))
        if row[1] is not None:
            self._enter(row[1])
        return True

    def version_set(self, component: str, version: str) -> None:
        """AT+QIOTMCUVER= is the verdict once a plan is confirmed: equal or failed."""
        plan = self._plan
        if plan is None or plan.component != component or self.state not in VERDICT_STATES:
            return
        self._enter(S.UPDATESUCCESS if version == plan.target_version else S.UPDATEERROR)

    def read(self, start: int, size: int) -> bytes:
        """Package bytes from *start*, clipped at the piece's end; nothing outside it."""
        if self.state is not S.DOWNLOADSUCCESS or start not in self._piece or size == 0:
            return b""
        self._timers.start("limit", self._options.read_gap_limit_s)
        return self._data[start : min(start + size, self._piece.stop)]

    def link_up(self) -> None:
        self.online = True
        if self._unsent is not None and self._plan is not None:
            self._center.report(self._plan, self._unsent, self._timers.now_s)
        self._unsent = None
        if self.state is S.NOPLAN and not self._errors:
            self._plan = None

    def link_down(self) -> None:
        """The state is kept; only a running download breaks off."""
        self.online = False
        if self.state in (S.DOWNLOADSTART, S.DOWNLOADING):
            self._enter(S.DOWNLOADERROR)

    def rebooted(self) -> None:
        """What a reboot of the module makes of the state that it had stored."""
        if self.state in RESTARTED_STATES:
            self._announced = True  # even if only confirmed: 10702 comes next, never 10701
            self._enter(S.DOWNLOADERROR)
        elif self.state is S.UPDATING:
            self._enter(S.UPDATING)
        elif self._errors:
            self._timers.start("url", self._options.url_retry_s)

    # --- conditions ---------------------------------------------------------------------

    @property
    def _data(self) -> bytes:
        return b"" if self._plan is None else self._plan.package.data

    def _holds(self, condition: str) -> bool:
        is_last = self._piece.stop >= len(self._data)
        return {"always": True, "last piece": is_last, "more pieces": not is_last}[condition]

    def _piece_at(self, start: int) -> range:
        size = self._options.piece_size or len(self._data)
        return range(start, min(start + size, len(self._data)))

    # --- entering a state ---------------------------------------------------------------

    def _enter(self, state: OtaState) -> None:
        self.state = state
        self._timers.stop(*self.TIMERS)
        self._report(state)
        if state in LIMITS:
            self._timers.start("limit", getattr(self._options, LIMITS[state][0]))
        on_entry = self._ON_ENTRY.get(state)
        if on_entry is not None:
            on_entry(self)

    def _report(self, state: OtaState) -> None:
        assert self._plan is not None
        if self.online:
            self._center.report(self._plan, REPORTED[state], self._timers.now_s)
        else:
            self._unsent = REPORTED[state]

    def _submitted(self) -> None:
        self._timers.start("url", self._options.url_delay_s)

    def _download_starts(self) -> None:
        self._say(ota.Downloading() if self._announced else self._started())
        self._announced = True
        if self._bad_downloads > 0:
            self._bad_downloads -= 1
        else:
            self._timers.start("header", self._options.header_delay_s)

    def _downloads(self) -> None:
        self._timers.start("complete", len(self._piece) / self._options.download_bytes_per_s)
        self._downloading_again()

    def _downloading_again(self) -> None:
        self._say(ota.Downloading())
        self._timers.start("again", self._options.downloading_every_s)

    def _download_failed(self) -> None:
        """No URC. The platform sends the URL again, and all starts at byte 0."""
        self._errors += 1
        if self._errors > self._options.max_download_errors:
            self._enter(S.UPDATEERROR)
            return
        self.state = S.NOPLAN
        self._timers.start("url", self._options.url_retry_s)

    def _downloaded(self) -> None:
        assert self._plan is not None
        length, piece = len(self._data), self._piece
        self._say(ota.PieceReady(self._plan.component, length, piece.start, len(piece)))

    def _updates(self) -> None:
        self._say(ota.Updating())

    def _succeeded(self) -> None:
        self._say(ota.UpdateSucceeded())
        self._forget()

    def _failed(self) -> None:
        self._say(ota.UpdateFailed())
        self._forget()

    def _forget(self) -> None:
        """Back to NOPLAN: the stored file is erased, the counters start again."""
        self._timers.stop(*self.TIMERS)
        self.state = S.NOPLAN
        self._piece, self._announced, self._errors = range(0), False, 0
        if self._unsent is None:
            self._plan = None

    _ON_ENTRY: ClassVar[dict[OtaState, Callable[[Upgrade], None]]] = {
        S.SUBMITOTA: _submitted,
        S.REFUSEDOTA: _forget,
        S.DOWNLOADSTART: _download_starts,
        S.DOWNLOADING: _downloads,
        S.DOWNLOADERROR: _download_failed,
        S.DOWNLOADSUCCESS: _downloaded,
        S.UPDATING: _updates,
        S.UPDATESUCCESS: _succeeded,
        S.UPDATEERROR: _failed,
    }

    def _url_arrives(self) -> None:
        """Needs the link; without it the platform tries again later."""
        if not self.online:
            self._timers.start("url", self._options.url_retry_s)
            return
        self._piece = self._piece_at(0)
        self._enter(S.DOWNLOADSTART)

    # --- URCs ---------------------------------------------------------------------------

    def _say(self, event: ota.OtaEvent) -> None:
        self.urcs.append(format_ota_event(event))

    def _started(self) -> ota.DownloadStarted:
        assert self._plan is not None
        package = self._plan.package
        return ota.DownloadStarted(
            component=self._plan.component,
            length=len(package.data),
            md5=package.md5,
            crc=package.crc,
            sha256=package.sha256 if self.want_sha256 else None,
        )

    # --- saved state --------------------------------------------------------------------

    def memory(self) -> Hashable:
        """``save`` as a value that can be compared fast."""
        plan = None if self._plan is None else self._center.plans.index(self._plan)
        return (
            self.state,
            plan,
            self._piece.start,
            self._piece.stop,
            self.want_sha256,
            self.online,
            self._announced,
            self._errors,
            self._bad_downloads,
            self._unsent,
        )

    def save(self) -> dict[str, Any]:
        plan = None if self._plan is None else self._center.plans.index(self._plan)
        return {
            "state": int(self.state),
            "plan": plan,
            "piece": [self._piece.start, self._piece.stop],
            "want_sha256": self.want_sha256,
            "online": self.online,
            "announced": self._announced,
            "errors": self._errors,
            "bad_downloads": self._bad_downloads,
            "unsent": None if self._unsent is None else self._unsent.value,
        }

    def load(self, saved: Mapping[str, Any]) -> None:
        self.state = OtaState(saved["state"])
        self._plan = None if saved["plan"] is None else self._center.plans[saved["plan"]]
        self._piece = range(*saved["piece"])
        self.want_sha256, self.online = saved["want_sha256"], saved["online"]
        self._announced, self._errors = saved["announced"], saved["errors"]
        self._bad_downloads = saved["bad_downloads"]
        self._unsent = None if saved["unsent"] is None else ComponentState(saved["unsent"])
