"""Firmware out of the module: ``AT+QIOTOTARD``, and the module's patience between two reads.

Reads may be asked for ahead (``Dialect.read_ahead``): as soon as an answer is there, the next one
is asked for, and comes in while its predecessor is written to flash. It is one command in
flight, no more; any other command first waits for it.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from contextlib import suppress
from enum import Enum, auto

from mcu_updater.core import ota
from mcu_updater.core.errors import LinkError, PortError
from mcu_updater.core.ports import Clock
from mcu_updater.quectel.at import Kind, Payload, answer_size
from mcu_updater.quectel.link import Answer, AtLink, Dialect
from mcu_updater.quectel.ota_events import parse_ota_event
from mcu_updater.quectel.read_size import SMALLEST, ReadSize

READ = "+QIOTOTARD"
PIECE_CODE = ota.EVENT_CODES[ota.PieceReady]


_SMALLEST_TRIES = 3  # times as many as of any other command: each loss was mended by an answer


class Tail(Enum):
    """How the module ends data."""

    UNKNOWN = auto()
    RIGHT = auto()  # what does not end so is spoilt
    OWN = auto()  # in a style of its own


class PieceReader:
    """Reads of the piece that the module holds. *offset*: a byte that it is known to hold."""

    def __init__(self, link: AtLink, clock: Clock, dialect: Dialect) -> None:
        self.size = ReadSize(dialect.max_read)
        self.offset: int | None = None
        self._link = link
        self._clock = clock
        self._dialect = dialect
        self._tail = Tail.UNKNOWN
        # For ``keepalive`` and reads ahead, and not in ``memory``: where time counts, runs are not
        # compared, and neither are runs that read ahead.
        self._kept: int | None = None  # a byte to read before the module's patience ends
        self._read_at_s = 0.0
        self._end = 0  # of the piece; 0: not known
        self._asked: tuple[int, int] | None = None  # start and size of the read in flight

    def memory(self) -> tuple[Hashable, ...]:
        return self.size.memory(), self._tail, self.offset

    def learn_max_read(self) -> None:
        """The upper bound of ``(1-1024)``; asked once, for the literal is not documented."""
        answer = self._link.ask(READ, Kind.TEST)
        if answer is None:
            self._link.get_in_step()
            return
        bounds = re.findall(r"\(\d+\s*[-,]\s*(\d+)\)", answer.info(READ) or "")
        if bounds and int(bounds[-1]) > 0:
            self.size.limit(min(self._dialect.max_read, int(bounds[-1])))

    # --- what becomes of the piece

    def note(self, event: ota.OtaEvent) -> None:
        """A piece has come, or the upgrade is over."""
        if isinstance(event, ota.PieceReady):
            self.offset = self._kept = event.start
            self._end, self._asked = event.start + event.size, None
            self._read_at_s = self._clock.now_s()
        elif isinstance(event, (ota.UpdateSucceeded, ota.UpdateFailed)):
            self.release()

    def given_away(self) -> None:
        """The next piece was asked for."""
        self.offset = None
        self.release()

    def release(self) -> None:
        """The module need not be kept waiting any more."""
        self._kept, self._end, self._asked = None, 0, None

    # --- reading

    def read(self, start: int, size: int) -> bytes | None:
        """At most what one command carries: 1024 bytes, or less if the module says so, or if the
        line has spoilt answers of late.

        Data that do not end as they should are read again, and believed when two answers are
        alike and none was ever right: then this is how the module ends them, and later ones are
        believed at once. So a first answer that is spoilt is followed by one of the same size, and
        then by smaller ones; the smallest are given up last, for the line does answer.
        """
        asked = self._fitting(start, min(size, self.size.now))
        doubtful: bytes | None = None
        failures, left = 0, _SMALLEST_TRIES * (1 + self._dialect.retries)
        while left:
            answer = self._answer(start, asked)
            self._read_at_s = self._clock.now_s()
            if answer is not None and not answer.ok:
                self.release()
                return None
            payload = None if answer is None else answer.payload
            if payload is not None and payload.start == start and len(payload.data) <= asked:
                if self._is_believed(payload, doubtful):
                    self.size.good(len(payload.data))
                    return self._take(start, payload.data, size)
                doubtful = payload.data
            self._link.retries += answer is not None
            failures += 1
            left -= asked <= SMALLEST or self.size.is_smallest
            if failures > 1 and asked > SMALLEST:
                self.size.spoilt(asked)
                asked, doubtful = min(asked, self.size.now), None
        raise self._link.lost(f"{READ}={start},{asked}")

    def _is_believed(self, payload: Payload, doubtful: bytes | None) -> bool:
        """*doubtful*: what the same read gave before, if that did not end as it should either."""
        if payload.clean:
            self._tail = Tail.RIGHT
        elif self._tail is Tail.UNKNOWN and payload.data == doubtful:
            self._tail = Tail.OWN
        return payload.clean or self._tail is Tail.OWN

    def _take(self, start: int, data: bytes, wanted: int) -> bytes | None:
        if data:
            self.offset = self._kept = start
            if self._dialect.read_ahead and wanted > 1:  # a single byte is a question
                self._ask_ahead(start + len(data), wanted)
        return data or None

    def _ask_ahead(self, start: int, wanted: int) -> None:
        size = min(wanted, self._end - start)
        if size > 0:
            size = self._fitting(start, min(size, self.size.now))
            self._link.send_ahead(READ, Kind.WRITE, (start, size))
            self._asked = start, size
            self._read_at_s = self._clock.now_s()

    def _answer(self, start: int, size: int) -> Answer | None:
        """Of the read in flight, if it is this one; else of a new one. None: it was lost."""
        asked, self._asked = self._asked, None
        if asked is not None and asked[0] == start and asked[1] <= size:
            answer = self._link.collect()
            if answer is not None and (answer.ok or not self._dialect.error_doubts):
                return answer
            self._link.retries += answer is not None
        return self._link.ask_surely(READ, Kind.WRITE, (start, size))

    def _fitting(self, start: int, size: int) -> int:
        """A little less than *size*, where a bridge keeps the end of an answer back otherwise.

        A USB bridge hands on full packets at once, and what is left over after up to 16 ms.
        """
        packet = self._dialect.usb_packet
        if packet is None or self._dialect.echo or size < self.size.most:
            return size
        fitting = (n for n in range(size, size - packet, -1) if not answer_size(start, n) % packet)
        return next(fitting, size)

    # --- patience

    def keep_alive(self) -> None:
        """Called while something takes long: read a byte before the module's patience ends.

        It may have begun without anybody listening, so the waiting events are looked at first.
        A failure is left to the next command, which says it better.
        """
        with suppress(LinkError, PortError):
            if self._asked is None:
                self._link.listen(0.0)
            start, age_s = self._kept, self._clock.now_s() - self._read_at_s
            if start is None:
                start, age_s = self._piece_waiting(), self._dialect.keep_alive_s
            if start is not None and age_s >= self._dialect.keep_alive_s:
                self._read_at_s = self._clock.now_s()
                self._link.ask(READ, Kind.WRITE, (start, 1))

    def _piece_waiting(self) -> int | None:
        """Where the piece begins of which nobody has heard yet."""
        for urc in self._link.ota_events:
            if urc.code == PIECE_CODE:
                event = parse_ota_event(urc)
                return event.start if isinstance(event, ota.PieceReady) else None
        return None
