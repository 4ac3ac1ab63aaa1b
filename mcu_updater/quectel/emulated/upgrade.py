"""The module's upgrade: what moves through the tables of ``ota_states``, by whom and when."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, ClassVar

from mcu_updater.cloud.cloud import Cloud
from mcu_updater.cloud.single_device import ComponentState, Package, Plan
from mcu_updater.core import ota
from mcu_updater.quectel.at import format_line
from mcu_updater.quectel.emulated.faults import DownloadFailure, Faults
from mcu_updater.quectel.emulated.options import Flag, ModuleOptions, Order
from mcu_updater.quectel.emulated.ota_states import (
    ACTIONS,
    ANSWERED_TOGETHER,
    LIMITS,
    REPORTED,
    RESTARTED_STATES,
    VERDICT_STATES,
    OtaState,
)
from mcu_updater.quectel.emulated.timers import Timers
from mcu_updater.quectel.ota_events import format_ota_event

S = OtaState

FOTA_END = format_line('+QIND: "FOTA","END",0')  # a line of the modem, of no meaning here


class Upgrade:
    """One component at a time. URCs gather in *urcs* until the module takes them."""

    TIMERS = ("race", "limit", "url", "header", "complete", "again", "broken", "install")

    def __init__(
        self, center: Cloud, options: ModuleOptions, faults: Faults, timers: Timers
    ) -> None:
        self.state = S.NOPLAN
        self.want_sha256 = self.want_url = False  # the flags of AT+QIOTOTAREQ
        self.online = False
        self.urcs: list[bytes] = []
        self._center = center
        self._options = options
        self._timers = timers
        self._failure = faults.download_failure
        self._bad_downloads = faults.failing_downloads
        self._bad_urls = faults.bad_url_messages
        self._plan: Plan | None = None
        self._others: tuple[Plan, ...] = ()  # of the same message: answered together, done in turn
        self._piece = range(0)
        self._announced = False  # 10701 was sent, or is not to be sent any more
        self._errors = 0  # above 0 in NOPLAN: the platform is to send the URL again
        self._unsent: ComponentState | None = None  # one status waits for the link
        self._target = ""  # of the last URL message: the plan's, or that of the upgrade before
        self.handlers: dict[str, Callable[[], None]] = {
            "race": lambda: self._enter(S.REVICEPLAN),
            "limit": lambda: self._enter(LIMITS[self.state][1]),
            "url": self._url_arrives,
            "header": lambda: self._enter(S.DOWNLOADING),
            "broken": lambda: self._enter(S.DOWNLOADERROR),
            "complete": lambda: self._enter(S.DOWNLOADSUCCESS),
            "again": self._downloading_again,
        }

    @property
    def plan(self) -> Plan | None:
        """The one that is offered, or under way."""
        return self._plan

    @property
    def piece(self) -> range:
        """Package bytes that the host may read, or is about to."""
        return self._piece

    # --- what the host and the cloud do -------------------------------------------------

    def plan_arrives(self, versions: Mapping[str, str], *, pushed: bool = False) -> None:
        """Ask the center, or let it push. A plan is taken in NOPLAN and REVICEPLAN only."""
        idle = self.state in (S.NOPLAN, S.REVICEPLAN) and not self._errors
        plans = self._message(versions, pushed) if idle and self.online else []
        if not plans:
            return
        self._plan, self._others = plans[0], tuple(plans[1:])
        for plan in plans:
            self._say(plan.offer())  # before the state changes: the race of SDK 2.9.0
        if self._options.confirm_race_s:
            self._timers.start("race", self._options.confirm_race_s)
        else:
            self._enter(S.REVICEPLAN)

    def _message(self, versions: Mapping[str, str], pushed: bool) -> Sequence[Plan]:
        now_s = self._timers.now_s
        return self._center.message(versions, now_s, pushed=pushed)[: self._options.max_tasks]

    def act(self, action: int) -> bool:
        """AT+QIOTUPDATE=*action*; False means ERROR."""
        row = ACTIONS.get((action, self.state))
        if row is None or not self._holds(row[0]) or (action >= 2 and self._is_own):
            return False
        if action == 2:
            self._piece = self._piece_at(self._piece.stop)
        if action in (0, 1) and row[1] is not None:
            self._say_flag(action)
        if row[1] is not None:
            self._enter(row[1])
        return True

    def version_set(self, component: str, version: str) -> None:
        """AT+QIOTMCUVER= is the verdict once a plan is confirmed: equal or failed.

        Equal to the target that the module knows. SDK 2.9.0 learns it from the URL message: until
        then it still has that of the upgrade before, or none.
        """
        plan = self._plan
        if plan is None or plan.component != component or self._met() not in VERDICT_STATES:
            return
        if plan.own:
            return
        target = self._target if self._options.target_comes_with_url else plan.target_version
        self._enter(S.UPDATESUCCESS if version == target else S.UPDATEERROR)

    def _met(self) -> int:
        """The state that a version meets; SDK 2.9.0 can mix it up with one that was not sent."""
        if self._unsent is None or not self._options.quirk_or_status:
            return self.state
        return self.state | next(s for s, reported in REPORTED.items() if reported is self._unsent)

    def read(self, start: int, size: int) -> bytes:
        """Package bytes from *start*, clipped at the piece's end; nothing outside it."""
        outside = start not in self._piece or size == 0 or self._is_own
        if self.state is not S.DOWNLOADSUCCESS or outside:
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

    def rebooted(self, own_version: str) -> None:
        """What a reboot makes of the state that the module, of that version now, had stored."""
        if self._is_at_rest and not self._options.old_target_survives_reboot:
            self._target = ""
        if self.state is S.UPDATING and self._plan is not None and self._plan.own:
            self._own_rebooted(own_version)
        elif self.state in RESTARTED_STATES:
            self._announced = True  # even if only confirmed: 10702 comes next, never 10701
            self._enter(S.DOWNLOADERROR)
        elif self.state is S.UPDATING:
            self._enter(S.UPDATING)
        elif self._errors:
            self._timers.start("url", self._options.url_retry_s)

    # --- conditions ---------------------------------------------------------------------

    @property
    def _is_at_rest(self) -> bool:
        """No upgrade is stored: the file of the last one was erased at its end."""
        return self.state is S.NOPLAN and not self._errors

    @property
    def _data(self) -> bytes:
        return b"" if self._plan is None else self._plan.package.data

    def _holds(self, condition: str) -> bool:
        is_last = self._piece.stop >= len(self._data)
        return {"always": True, "last piece": is_last, "more pieces": not is_last}[condition]

    @property
    def _is_own(self) -> bool:
        return self._plan is not None and self._plan.own

    def _piece_at(self, start: int) -> range:
        size = len(self._data) if self._is_own else self._options.piece_size or len(self._data)
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
        together = self._others if state in ANSWERED_TOGETHER else ()
        for plan in (self._plan, *together):
            if self.online:
                self._center.report(plan, REPORTED[state], self._timers.now_s)
        if not self.online:
            self._unsent = REPORTED[state]

    def _submitted(self) -> None:
        self._timers.start("url", self._options.url_delay_s)

    def _download_starts(self) -> None:
        if self._announced:
            self._say(ota.Downloading())
        else:
            self._say_started()
        self._announced = True
        failure = self._failure if self._bad_downloads else None
        if failure is DownloadFailure.STATUS:
            self._timers.start("broken", self._options.header_delay_s)
        elif failure is not DownloadFailure.HEADER:
            self._timers.start("header", self._options.header_delay_s)
        if failure in (DownloadFailure.STATUS, DownloadFailure.HEADER):
            self._bad_downloads -= 1

    def _downloads(self) -> None:
        duration_s = len(self._piece) / self._options.download_bytes_per_s
        if self._bad_downloads:
            self._bad_downloads -= 1
            self._timers.start("broken", duration_s / 2)
        else:
            self._timers.start("complete", duration_s)
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
        if self._is_own:
            self._own_downloaded(self._plan.package)
            return
        length, piece = len(self._data), self._piece
        self._say(ota.PieceReady(self._plan.component, length, piece.start, len(piece)))

    def _updates(self) -> None:
        self._say(ota.Updating())
        if self._is_own:
            self._timers.start("install", self._options.install_s)

    # --- the module's own firmware: no host is needed, and none can help

    @property
    def new_own_version(self) -> str | None:
        """What the module runs when it has installed; None: nothing is to be installed."""
        plan = self._plan
        return plan.target_version if plan and plan.own and self.state is S.UPDATING else None

    def _own_downloaded(self, package: Package) -> None:
        """All of it, and checked, as packages for an MCU are not."""
        self._say(ota.OtherOtaEvent(ota.EVENT_CODES[ota.PieceReady], ""))
        true = Package(package.data)
        intact = (true.md5, true.sha256) == (package.md5, package.sha256)
        self._enter(S.UPDATING if intact else S.UPDATEERROR)

    def _own_rebooted(self, own_version: str) -> None:
        """It runs the new version; or power went while it was installed, which goes on."""
        self._enter(S.UPDATING)
        if self.new_own_version == own_version:
            self._enter(S.UPDATESUCCESS)

    def _succeeded(self) -> None:
        end = self._options.fota_end
        if end is Order.BEFORE:
            self.urcs.append(FOTA_END)
        self._say(ota.UpdateSucceeded())
        if end is Order.AFTER:
            self.urcs.append(FOTA_END)
        self._next()

    def _failed(self) -> None:
        self._say(ota.UpdateFailed())
        self._next()

    def _refused(self) -> None:
        self._others = ()
        self._forget()

    def _next(self) -> None:
        """The other components were confirmed together with this one."""
        waiting, self._others = self._others, ()
        self._forget()
        if waiting:
            self._plan = waiting[0]
            self._enter(S.SUBMITOTA)
            self._others = waiting[1:]

    def _forget(self) -> None:
        """Back to NOPLAN: the stored file is erased, the counters start again."""
        self._timers.stop(*self.TIMERS)
        self.state = S.NOPLAN
        self._piece, self._announced, self._errors = range(0), False, 0
        if self._unsent is None:
            self._plan = None

    _ON_ENTRY: ClassVar[dict[OtaState, Callable[[Upgrade], None]]] = {
        S.SUBMITOTA: _submitted,
        S.REFUSEDOTA: _refused,
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
        if self._bad_urls:
            self._bad_urls -= 1
            self._enter(S.UPDATEERROR)
            return
        assert self._plan is not None
        self._target = self._plan.target_version
        self._piece = self._piece_at(0)
        self._enter(S.DOWNLOADSTART)

    # --- URCs ---------------------------------------------------------------------------

    def _say(self, event: ota.OtaEvent) -> None:
        self.urcs.append(format_ota_event(event))

    def _say_flag(self, action: int) -> None:
        """10707, the result of the first operation: 0 confirmed, 1 refused."""
        when, text = self._options.update_flag, self._options.update_flag_text
        if when is Flag.ALWAYS or (when is Flag.MULTI and self._others):
            value = 0 if self._options.quirk_flag_zero else 1 - action
            self._say(ota.OtherOtaEvent(10707, "" if text is None else text.format(value=value)))

    def _say_started(self) -> None:
        """10701, with the URL behind it if that was asked for."""
        assert self._plan is not None
        if self._is_own:
            self._say(ota.OtherOtaEvent(ota.EVENT_CODES[ota.DownloadStarted], ""))
            return
        package, crc = self._plan.package, self._options.crc
        event = ota.DownloadStarted(
            component=self._plan.component,
            length=len(package.data),
            md5=package.md5,
            crc=package.crc if crc is None else crc,
            sha256=package.sha256 if self.want_sha256 else None,
        )
        line = format_ota_event(event)
        if self.want_url:
            line = line[:-2] + f',"{self._options.package_url}"\r\n'.encode("latin-1")
        self.urcs.append(line)

    # --- saved state --------------------------------------------------------------------

    def memory(self) -> Hashable:
        """``save`` as a value that can be compared fast."""
        plan = None if self._plan is None else self._index(self._plan)
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
            self.want_url,
            self._bad_urls,
            tuple([self._index(other) for other in self._others]),
            self._target,
        )

    def _index(self, plan: Plan) -> int:
        """Two plans may say the same, and are two nevertheless."""
        return next(at for at, known in enumerate(self._center.plans) if known is plan)

    def save(self) -> dict[str, Any]:
        plan = None if self._plan is None else self._index(self._plan)
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
            "want_url": self.want_url,
            "bad_urls": self._bad_urls,
            "others": [self._index(other) for other in self._others],
            "target": self._target,
        }

    def load(self, saved: Mapping[str, Any]) -> None:
        """The last four fields are younger than the rest."""
        self.state = OtaState(saved["state"])
        self._plan = None if saved["plan"] is None else self._center.plans[saved["plan"]]
        self._piece = range(*saved["piece"])
        self.want_sha256, self.online = saved["want_sha256"], saved["online"]
        self._announced, self._errors = saved["announced"], saved["errors"]
        self._bad_downloads = saved["bad_downloads"]
        self._unsent = None if saved["unsent"] is None else ComponentState(saved["unsent"])
        self.want_url, self._bad_urls = saved.get("want_url", False), saved.get("bad_urls", 0)
        self._others = tuple(self._center.plans[index] for index in saved.get("others", ()))
        began = self._plan is not None and self.state not in (S.NOPLAN, S.REVICEPLAN, S.SUBMITOTA)
        known = self._plan.target_version if self._plan is not None and began else ""
        self._target = saved.get("target", known)
