"""One command, one answer: over a line where either may be lost and events come in between.

An AT answer does not say which command it belongs to. So after a lost answer nothing is sent
but ``AT+QIOTSTATE?`` until *its* answer, known by its line, has come: the module answers in
order, so every late answer has then gone by. An answer whose lines belong to another query is
skipped for the same reason.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import assert_never

from mcu_updater.core.errors import LinkError, Remedy
from mcu_updater.core.ports import BytePort, Clock
from mcu_updater.quectel.at import (
    UNREADABLE_URC_TYPE,
    Final,
    Kind,
    Line,
    Payload,
    ResponseParser,
    Urc,
    Value,
    format_command,
)
from mcu_updater.quectel.connection import CONNECTION_EVENT_TYPES
from mcu_updater.quectel.ota_events import OTA_EVENT_TYPE


@dataclass(frozen=True, slots=True)
class Dialect:
    """How to speak to one family of modules."""

    line_end: bytes = b"\r\n"  # Quectel's own tool sends both; the SDK's parser needs the LF
    response_timeout_s: float = 3.0  # AT manual: 300 ms at most; a field product waits 1 to 3 s
    retries: int = 3  # after a lost answer; our choice, 15 s in all on a dead line
    error_retries: int = 3  # confirm() can come before the module has stored the plan (SDK 2.9.0)
    error_retry_delay_s: float = 0.15  # same race: 100 to 200 ms
    error_doubts: int = 0  # ERROR may mean that the command lost a byte: ask again so often
    sign_timeout_s: float = 6.0  # 10702 comes every 5 s while downloading (SDK 2.9.0)
    max_read: int = 1024  # AT manual's example and porting default; the module may allow less
    ready_timeout_s: float = 60.0  # registering; our choice, covers the 1 s and 30 s reconnects
    poll_interval_s: float = 2.0  # AT+QIOTSTATE? while registering; our choice
    registration_mode: int = 1  # AT+QIOTREG: 1 by hand, 2 by itself at every boot of the module
    request_info: int = 1  # AT+QIOTOTAREQ: 1 with SHA-256; 0 for modules that refuse it
    request_before_confirm: bool = False  # a plan that came unasked: ask first, for the SHA-256
    echo: bool = False  # the module repeats what it is told; off, unless its owner needs it
    keep_alive_s: float = 20.0  # a read at least so often: the module's limit is 60 s (SDK 2.9.0)
    read_ahead: bool = False  # ask for the next read before the flash has taken the last one
    usb_packet: int | None = None  # payload of a USB packet: 62 for FTDI bridges. None: no matter


DEFAULT_DIALECT = Dialect()

# Codes that prove that a confirmed upgrade goes on, or has been given up.
SIGN_CODES = frozenset({10701, 10702, 10703, 10706})
PLAN_CODE = 10700

_MARGIN = 1.25  # what a link takes differs from time to time
OVERTIME_S = 1.0  # a line that is never silent is listened to no longer than this past a deadline


@dataclass(frozen=True, slots=True)
class Answer:
    """What came before the final result, and whether that was OK."""

    ok: bool
    lines: tuple[str, ...]
    payload: Payload | None

    def info(self, name: str) -> str | None:
        """The text after ``name:`` in the first line that has it."""
        for line in self.lines:
            head, colon, text = line.partition(":")
            if colon and head == name:
                return text.strip()
        return None


# The commands whose answers carry a line with their name; and those that may leave it out.
QUERIES = ("+QIOTSTATE", "+QIOTREG", "+QIOTOTARD")
NAMED = frozenset({*QUERIES, "+QIOTINFO", "+CSQ"})

# Of a module that never stops talking, no more is kept than:
MOST_LINES = 64  # of one answer; the longest that is used, AT+QIOTINFO?, has some twenty
MOST_EVENTS = 256  # waiting; an upgrade has one every 5 s, and each is taken as it comes


class AtLink:
    """Asks, waits, files events, and gets back in step after a loss."""

    def __init__(self, port: BytePort, clock: Clock, dialect: Dialect) -> None:
        self.retries = 0
        self.sign_count = 0
        self.dropped = 0  # lines and events beyond what is kept
        self.ota_events: deque[Urc] = deque()
        self.connection_events: deque[Urc] = deque(maxlen=MOST_EVENTS)
        self._port = port
        self._clock = clock
        self._dialect = dialect
        self._parser = ResponseParser()
        self._values: deque[Value] = deque()
        # A command that was sent ahead, and its answer when something else had to wait for it.
        # Not in ``memory``: runs that read ahead are not compared.
        self._extra_s = 0.0  # how much later than expected this link brings answers
        self._unanswered_s: float | None = None  # when the first command was sent of which no
        # answer has come since
        self._own_bytes = False  # nothing came but what was sent
        self._ahead: str | None = None
        self._early: Answer | None = None

    def memory(self) -> Hashable:
        """What has arrived and was not taken yet.

        Not the events of the connection, which are cleared before they are waited for, and not the
        counts: of signs only the increase during one call matters. How slow the link is counts for
        what is still waited for.
        """
        events, values = tuple(self.ota_events), tuple(self._values)
        sent_s, now_s = self._unanswered_s, self._clock.now_s()
        unanswered_s = None if sent_s is None else round(now_s - sent_s, 3)
        return events, values, self._parser.memory(), (self._extra_s, unanswered_s)

    # --- asking -------------------------------------------------------------------------

    def ask(
        self, name: str, kind: Kind = Kind.EXEC, arguments: Iterable[int | str] = ()
    ) -> Answer | None:
        """Send once, in one write. None: no answer within the response timeout."""
        self._settle()
        self._file_waiting()
        self._port.write(format_command(name, kind, arguments, self._dialect.line_end))
        wants_line = name in QUERIES and (kind is not Kind.WRITE or name == "+QIOTOTARD")
        return self._answer_to(name, wants_line)

    def send_ahead(self, name: str, kind: Kind, arguments: Iterable[int | str]) -> None:
        """Send, and leave the answer for ``collect``. It must have a line with the name."""
        self._settle()
        self._file_waiting()
        self._port.write(format_command(name, kind, arguments, self._dialect.line_end))
        self._ahead, self._early = name, None

    def collect(self) -> Answer | None:
        """The answer to what was sent ahead, once. None: it was lost, and we are in step again."""
        self._settle()
        answer, self._early = self._early, None
        return answer

    def _settle(self) -> None:
        """Nothing else may be said or heard before that answer has come."""
        if self._ahead is None:
            return
        name, self._ahead = self._ahead, None
        self._early = self._answer_to(name, wants_line=True)
        if self._early is None:
            self.get_in_step()

    def ask_until_answered(
        self, name: str, kind: Kind = Kind.EXEC, arguments: tuple[int | str, ...] = ()
    ) -> Answer:
        """For commands that may be carried out twice. Raises LinkError."""
        for _ in range(1 + self._dialect.retries):
            answer = self.ask_surely(name, kind, arguments)
            if answer is not None:
                return answer
        raise self.lost(name)

    def ask_surely(
        self, name: str, kind: Kind = Kind.EXEC, arguments: tuple[int | str, ...] = ()
    ) -> Answer | None:
        """An answer that is OK, or ERROR as often as it takes to believe it. None: it was lost, and
        we are in step again."""
        for _ in range(1 + self._dialect.error_doubts):
            answer = self.ask(name, kind, arguments)
            if answer is None:
                self.get_in_step()
                return None
            if answer.ok:
                return answer
            self.retries += 1
        self.retries -= 1  # the last one is believed
        return answer

    @property
    def extra_s(self) -> float:
        """How much more than usual has to be waited for what crosses the line."""
        return self._extra_s

    def get_in_step(self) -> None:
        """After a lost answer: let late answers go by. Raises LinkError when none comes.

        An answer that came late, and not in place of another, shows how slow the link is: from here
        on each may take as long.
        """
        for _ in range(1 + self._dialect.retries):
            self.retries += 1
            if self.ask("+QIOTSTATE", Kind.READ) is not None:
                return
        raise self.lost("+QIOTSTATE")

    def lost(self, name: str) -> LinkError:
        if self._own_bytes:
            return _own_bytes(name)
        return LinkError(
            "no usable answer",
            where=f"AT{name}",
            expected=f"OK or ERROR within {self._dialect.response_timeout_s + self._extra_s:g} s",
            found=f"none in {1 + self._dialect.retries} attempts",
            then="Check the module's power, the cable and the baud rate, then run again",
            remedies=[Remedy.MORE_TIME],
        )

    def _answer_to(self, name: str, wants_line: bool) -> Answer | None:
        sent_s = self._clock.now_s()
        deadline_s = sent_s + self._dialect.response_timeout_s + self._extra_s
        first_s = sent_s if self._unanswered_s is None else self._unanswered_s
        came = False
        lines: list[str] = []
        payload: Payload | None = None
        while (value := self._next_value(deadline_s)) is not None:
            match value:
                case Urc():
                    self._file(value)
                case Line(text):
                    if len(lines) < MOST_LINES:
                        lines.append(text)
                    else:
                        self.dropped += 1
                case Payload():
                    payload = value
                case Final(ok):
                    answer = Answer(ok, tuple(lines), payload)
                    came, self._own_bytes = True, False
                    if _answers(answer, name, wants_line):
                        self._unanswered_s = None
                        return answer
                    self._came_late(first_s)
                    lines, payload = [], None
                case _:
                    assert_never(value)
        self._unanswered_s = first_s
        own = bool(lines) and all(line.startswith("AT") for line in lines)
        self._own_bytes = own and not came
        self._parser.reset()
        return None

    def _came_late(self, first_s: float) -> None:
        """An answer to something before: to what was sent at *first_s* or later."""
        late_s = _MARGIN * (self._clock.now_s() - first_s) - self._dialect.response_timeout_s
        most_s = (1 + self._dialect.retries) * self._dialect.response_timeout_s
        if self._unanswered_s is not None:
            self._extra_s = max(self._extra_s, min(late_s, most_s))

    # --- events -------------------------------------------------------------------------

    def wait_for_any(self, timeout_s: float) -> Urc | None:
        """The next event of either queue; of the connection first, which comes first."""
        self._settle()
        deadline_s = self._clock.now_s() + timeout_s
        while not (self.connection_events or self.ota_events):
            value = self._next_value(deadline_s)
            if value is None:
                return None
            if isinstance(value, Urc):
                self._file(value)
        return (self.connection_events or self.ota_events).popleft()

    def wait_for(self, queue: deque[Urc], timeout_s: float) -> Urc | None:
        """The queue's next event; what arrives outside an answer and is no event is noise."""
        self._settle()
        deadline_s = self._clock.now_s() + timeout_s
        while not queue:
            value = self._next_value(deadline_s)
            if value is None:
                return None
            if isinstance(value, Urc):
                self._file(value)
        return queue.popleft()

    def listen(self, duration_s: float, until_sign: int | None = None) -> None:
        """File events for so long, or until the sign count has passed *until_sign*."""
        self._settle()
        deadline_s = self._clock.now_s() + duration_s
        while until_sign is None or self.sign_count <= until_sign:
            value = self._next_value(deadline_s)
            if value is None:
                return
            if isinstance(value, Urc):
                self._file(value)

    def _file_waiting(self) -> None:
        """Answers that nobody waits for any more go; events stay."""
        while self._values:
            value = self._values.popleft()
            if isinstance(value, Urc):
                self._file(value)

    def _file(self, urc: Urc) -> None:
        """An offer that waits already is not filed twice: a repeated request brings it again."""
        if urc.type in CONNECTION_EVENT_TYPES:
            self.connection_events.append(urc)
        elif urc.type in (OTA_EVENT_TYPE, UNREADABLE_URC_TYPE):
            self.sign_count += urc.code in SIGN_CODES
            if urc.code == PLAN_CODE and urc in self.ota_events:
                return
            if len(self.ota_events) < MOST_EVENTS:
                self.ota_events.append(urc)
            else:
                self.dropped += 1

    def _next_value(self, deadline_s: float) -> Value | None:
        """The next value, or None at the deadline. Reads the port once even when it has passed."""
        while not self._values:
            left_s = round(deadline_s - self._clock.now_s(), 6)  # sums of seconds are not exact
            if left_s < -OVERTIME_S:
                return None
            data = self._port.read(max(0.0, left_s))
            self._values.extend(self._parser.feed(data))
            if not self._values and (not data or left_s <= 0):
                return None
        return self._values.popleft()


def _own_bytes(name: str) -> LinkError:
    return LinkError(
        "your own bytes come back",
        where=f"AT{name}",
        expected="OK or ERROR",
        found="the command, and nothing of a module",
        then="Is TX joined to RX (a jumper, a loop plug)? Does the adapter echo: an RS-485 one "
        "that listens while it sends, a terminal server with local echo? Is the module on?",
    )


def _answers(answer: Answer, name: str, wants_line: bool) -> bool:
    """Whether this is the answer to *name* and not a late one to something else."""
    names = {line.partition(":")[0] for line in answer.lines} & NAMED
    if answer.payload is not None:
        names.add("+QIOTOTARD")
    if names - {name}:
        return False
    return not (answer.ok and wants_line) or name in names
