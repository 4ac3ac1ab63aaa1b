"""The module as the updater sees it, over AT commands.

What may be repeated after a lost answer (was the command lost, or only its answer?):

=================  =============================================================================
queries, ATE0      always
AT+QIOTREG=m       always: the same mode again is OK without effect
AT+QIOTMCUVER=     always: if it was the verdict, the module is in NOPLAN now, and a version
                   set there changes nothing
AT+QIOTOTAREQ=1    always: at worst the same plan is offered twice
AT+QIOTOTARD=      always: within a piece, reads repeat in any order
AT+QIOTUPDATE=0    yes, but ERROR then proves nothing: after a refusal no plan is left to refuse.
                   Nothing is pending either way, so ERROR to a repeat is success
AT+QIOTUPDATE=1    yes, unless a sign of the download has come meanwhile. Before the URL is there
                   a repeat is OK without effect; after it, ERROR. So after ERROR to a repeat,
                   wait for a sign: 10702 comes at least every 5 s
AT+QIOTUPDATE=2    never blindly: if it worked and the next piece is there already, a repeat is
                   OK and *skips that piece*. Read one byte of the old piece first: only if
                   it is still there the command was lost
AT+QIOTUPDATE=3    yes: in UPDATING it is OK without effect
=================  =============================================================================

Acceptance by state: module SDK 2.9.0; ``upgrade.ACTIONS`` holds the same table.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Mapping
from contextlib import suppress

from mcu_updater.core import ota
from mcu_updater.core.errors import LinkError, ModuleRefused, UsageError
from mcu_updater.core.ports import BytePort, Clock
from mcu_updater.quectel.at import Kind, Urc, split_arguments, unquote
from mcu_updater.quectel.connection import (
    INITIALISED,
    READY,
    describe,
    describe_state,
    is_error,
    is_lasting,
)
from mcu_updater.quectel.link import DEFAULT_DIALECT, AtLink, Dialect
from mcu_updater.quectel.ota_events import OTA_EVENT_TYPE, parse_ota_event
from mcu_updater.quectel.reader import PieceReader

MAX_COMPONENT_SIZE = 32  # AT+QIOTMCUVER limits: module SDK 2.9.0
MAX_VERSION_SIZE = 64

REFUSE, CONFIRM, NEXT_PIECE, ANNOUNCE_UPDATE = range(4)  # AT+QIOTUPDATE

_WHY_REFUSED = {
    REFUSE: "No plan is waiting to be refused",
    CONFIRM: "No plan is waiting to be confirmed",
    NEXT_PIECE: "The module holds no piece, or the last one",
    ANNOUNCE_UPDATE: "The module does not hold the last piece",
}


class AtClient:
    """``ota.OtaModule`` over a byte port. *retries* counts what had to be said again."""

    def __init__(self, port: BytePort, clock: Clock, dialect: Dialect = DEFAULT_DIALECT) -> None:
        self._clock = clock
        self._dialect = dialect
        self._link = AtLink(port, clock, dialect)
        self._reader = PieceReader(self._link, clock, dialect)
        self._requested = False  # the module was told to send SHA-256 with a package

    @property
    def retries(self) -> int:
        return self._link.retries

    @property
    def dropped(self) -> int:
        """Lines and events that came in such numbers that they were not kept."""
        return self._link.dropped

    def memory(self) -> Hashable:
        return *self._reader.memory(), self._link.memory()

    # --- connection ---------------------------------------------------------------------

    def begin(self) -> None:
        """Echo as it shall be, and the largest read learnt. Raises ModuleRefused."""
        self._set_echo()
        self._reader.learn_max_read()

    def set_mode(self, mode: int) -> None:
        """``AT+QIOTREG=``: 0 off, 1 on, 2 on at every boot. Events say when it is done."""
        if not self._link.ask_until_answered("+QIOTREG", Kind.WRITE, (mode,)).ok:
            raise _refused("+QIOTREG", 'Set product key and secret: AT+QIOTCFG="productinfo"')

    def set_product(self, key: str, secret: str) -> None:
        """``AT+QIOTCFG="productinfo"``: only while the module is off."""
        arguments = ("productinfo", key, secret)
        if not self._link.ask_until_answered("+QIOTCFG", Kind.WRITE, arguments).ok:
            raise _refused("+QIOTCFG", "Disconnect first: AT+QIOTREG=0")

    def connect(self) -> None:
        """Echo set, registered, state 8. Raises ModuleRefused naming the state or the event."""
        self._set_echo()
        if self._state() != READY:
            self._register()
            self._wait_until_ready()
        self._reader.learn_max_read()

    def _set_echo(self) -> None:
        """ERROR once is normal: an earlier run may have left half a command in the module."""
        name = "E1" if self._dialect.echo else "E0"
        for _ in range(2):
            if self._link.ask_until_answered(name).ok:
                return
        raise _refused(name, "The module does not know the most basic command")

    def _state(self) -> int | None:
        return self._number("+QIOTSTATE")

    def _number(self, name: str) -> int | None:
        info = self._link.ask_until_answered(name, Kind.READ).info(name)
        return int(info) if info is not None and re.fullmatch("[0-9]{1,9}", info) else None

    def _register(self) -> None:
        """A module that registers at every boot is left so: the mode is stored in it."""
        self._link.connection_events.clear()
        mode = 2 if self._number("+QIOTREG") == 2 else self._dialect.registration_mode
        self.set_mode(mode)

    def _wait_until_ready(self) -> None:
        deadline_s = self._clock.now_s() + self._dialect.ready_timeout_s
        error: Urc | None = None
        while (state := self._state()) != READY:
            if state == INITIALISED:  # it has lost its power since: what was asked of it is gone
                self._register()
            left_s = deadline_s - self._clock.now_s()
            wait_s = min(self._dialect.poll_interval_s, max(left_s, 0.0))
            event = self._link.wait_for(self._link.connection_events, wait_s)
            error = event if event is not None and is_error(event) else error
            if left_s <= 0 or (error is not None and is_lasting(error)):
                raise _not_ready(state, error)

    # --- versions and plans -------------------------------------------------------------

    def report_version(self, component: str, version: str) -> None:
        """During an upgrade of *component* this is the verdict, whatever the version."""
        _check_version(component, version)
        command = ("+QIOTMCUVER", Kind.WRITE, (component, version))
        if not self._link.ask_until_answered(*command).ok:
            raise _refused("+QIOTMCUVER", "The module's list of versions may be full (512 bytes)")

    def known_versions(self) -> dict[str, str]:
        """``AT+QIOTMCUVER?``: what the module has stored, in either shape that modules use."""
        answer = self._link.ask_until_answered("+QIOTMCUVER", Kind.READ)
        versions: dict[str, str] = {}
        for line in answer.lines:
            name, _, text = line.partition(":")
            fields = [unquote(token) for token in _tokens(text)] if name == "+QIOTMCUVER" else []
            if len(fields) == 2:
                versions[fields[0]] = fields[1]
            elif len(fields) == 1:
                pairs = (entry.partition(":") for entry in fields[0].split(";"))
                versions |= {component: version for component, colon, version in pairs if colon}
        return versions

    def request_plan(self, info: int | None = None) -> None:
        """*info* 1 wants SHA-256 with the package, 0 does not; None: as the dialect has it."""
        info = self._dialect.request_info if info is None else info
        if not self._link.ask_until_answered("+QIOTOTAREQ", Kind.WRITE, (info,)).ok:
            raise _refused("+QIOTOTAREQ", "The module is offline, or its SDK is older than 2.8.2")
        self._requested = True

    # --- the module's condition -----------------------------------------------------------

    def info(self) -> Mapping[str, str]:
        """``AT+QIOTINFO?``: item and value of each line; empty where the module has no such."""
        answer = self._link.ask_until_answered("+QIOTINFO", Kind.READ)
        lines = (text.partition(":") for text in answer.lines)
        pairs = (text.partition(",") for name, _, text in lines if name == "+QIOTINFO")
        return {unquote(item.strip()): unquote(value.strip()) for item, _, value in pairs}

    def csq(self) -> int | None:
        """``AT+CSQ``: 0 to 31, or 99 for unknown."""
        text = self._link.ask_until_answered("+CSQ").info("+CSQ")
        found = re.match(r"[0-9]{1,2}\b", text or "")
        return int(found[0]) if found else None

    # --- actions ------------------------------------------------------------------------

    def refuse(self) -> None:
        self._act(REFUSE, took_effect=lambda: False, after_error=lambda: True)

    def confirm(self) -> None:
        """ERROR is asked again: the plan is printed before the module has stored it."""
        if self._dialect.request_before_confirm and not self._requested:
            self.request_plan()  # it came unasked: without this, perhaps without SHA-256
        before = self._link.sign_count
        self._act(
            CONFIRM,
            took_effect=lambda: self._link.sign_count > before,
            after_error=lambda: self._sign_comes(before),
            error_retries=self._dialect.error_retries,
        )

    def next_piece(self) -> None:
        """The piece that the module holds is gone from here on."""
        self._link.listen(0.0)
        before = self._link.sign_count
        self._act(
            NEXT_PIECE,
            took_effect=lambda: self._link.sign_count > before or self._piece_is_gone(),
            after_error=lambda: self._link.sign_count > before,
        )
        self._reader.given_away()

    def announce_update(self) -> None:
        self._act(ANNOUNCE_UPDATE, took_effect=lambda: False, after_error=lambda: False)
        self._reader.release()

    def _act(
        self,
        action: int,
        took_effect: Callable[[], bool],
        after_error: Callable[[], bool],
        error_retries: int = 0,
    ) -> None:
        """Send the action; the module's docstring says what may be repeated, and why.

        *took_effect* is asked before a repeat, *after_error* when a repeat got ERROR: whether
        the first attempt has worked, though its answer was lost.
        """
        error_retries = max(error_retries, self._dialect.error_doubts)
        lost, errors = 0, 0
        while lost <= self._dialect.retries:
            answer = self._link.ask("+QIOTUPDATE", Kind.WRITE, (action,))
            if answer is None:
                lost += 1
                self._link.get_in_step()
                if took_effect():
                    return
            elif answer.ok or (lost and after_error()):
                return
            elif errors == error_retries:
                raise _refused(f"+QIOTUPDATE={action}", _WHY_REFUSED[action])
            else:
                errors += 1
                self._link.retries += 1
                self._link.listen(self._dialect.error_retry_delay_s)
        raise self._link.lost(f"+QIOTUPDATE={action}")

    def _sign_comes(self, before: int) -> bool:
        self._link.listen(self._dialect.sign_timeout_s + self._link.extra_s, until_sign=before)
        return self._link.sign_count > before

    def _piece_is_gone(self) -> bool:
        """Raises LinkError when no byte of the piece is known: then nothing is certain."""
        if self._reader.offset is None:
            raise self._link.lost(f"+QIOTUPDATE={NEXT_PIECE}")
        return self.read(self._reader.offset, 1) is None

    # --- data and events ----------------------------------------------------------------

    def read(self, start: int, size: int) -> bytes | None:
        """At most what one command carries: 1024 bytes, or less if the module says so."""
        return self._reader.read(start, size)

    def keep_alive(self) -> None:
        """Called while something takes long: the module must not be kept waiting."""
        self._reader.keep_alive()

    def next_event(self, timeout_s: float) -> ota.OtaEvent | None:
        """Raises MalformedEventError, in its turn, for an event that cannot be read."""
        urc = self._link.wait_for(self._link.ota_events, timeout_s)
        if urc is None:
            return None
        event = parse_ota_event(urc)
        self._reader.note(event)
        return event

    def next_urc(self, timeout_s: float) -> Urc | None:
        """As ``next_event``, but in the module's words, and events of the connection too."""
        urc = self._link.wait_for_any(timeout_s)
        if urc is not None and urc.type == OTA_EVENT_TYPE:
            with suppress(LinkError):
                self._reader.note(parse_ota_event(urc))
        return urc


def _tokens(text: str) -> list[str]:
    """Arguments of a line; none where quotes do not match."""
    try:
        return split_arguments(text.strip())
    except ValueError:
        return []


def _refused(name: str, then: str) -> ModuleRefused:
    return ModuleRefused(
        "the module refused a command", where=f"AT{name}", expected="OK", found="ERROR", then=then
    )


def _not_ready(state: int | None, error: Urc | None) -> ModuleRefused:
    found = describe_state(state) + ("" if error is None else f" after {describe(error)}")
    return ModuleRefused(
        "the module does not get ready",
        where="AT+QIOTREG",
        expected=describe_state(READY),
        found=found,
        then="Check antenna, SIM (AT+CGATT?) and product settings (AT+QIOTCFG?), then run again",
    )


def _check_version(component: str, version: str) -> None:
    """The limits of AT+QIOTMCUVER."""
    fits = 1 <= len(component) <= MAX_COMPONENT_SIZE and 1 <= len(version) <= MAX_VERSION_SIZE
    if fits and ota.is_reportable(component + version):
        return
    raise UsageError(
        "component or version cannot be reported",
        where="AT+QIOTMCUVER",
        expected=f'1 to {MAX_COMPONENT_SIZE} and 1 to {MAX_VERSION_SIZE} characters without :;"',
        found=f"{component!r}, {version!r}",
        then="Give names as they stand on the platform",
    )
