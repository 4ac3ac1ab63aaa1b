"""Firmware out of the module: ``AT+QIOTOTARD``, and the module's patience between two reads.

Reads may be asked for ahead (``Dialect.read_ahead``): as soon as an answer is there, the next one
is asked for, and comes in while its predecessor is written to flash. It is one command in
flight, no more; any other command first waits for it.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from contextlib import suppress

from mcu_updater import ota
from mcu_updater.errors import LinkError, PortError
from mcu_updater.ports import Clock
from mcu_updater.quectel.at import Kind, answer_size
from mcu_updater.quectel.link import Answer, AtLink, Dialect
from mcu_updater.quectel.ota_events import parse_ota_event

READ = "+QIOTOTARD"
PIECE_CODE = ota.EVENT_CODES[ota.PieceReady]


class PieceReader:
    """Reads of the piece that the module holds. *offset*: a byte that it is known to hold."""

    def __init__(self, link: AtLink, clock: Clock, dialect: Dialect) -> None:
        self.max_read = dialect.max_read
        self.offset: int | None = None
        self._link = link
        self._clock = clock
        self._dialect = dialect
        self._any_tail = False  # the module ends data in a style of its own
        # For ``tend`` and reads ahead, and not in ``memory``: where time counts, runs are not
        # compared, and neither are runs that read ahead.
        self._kept: int | None = None  # a byte to read before the module's patience ends
        self._read_at_s = 0.0
        self._end = 0  # of the piece; 0: not known
        self._asked: tuple[int, int] | None = None  # start and size of the read in flight

    def memory(self) -> tuple[Hashable, ...]:
        return self.max_read, self._any_tail, self.offset

    def learn_max_read(self) -> None:
        """The upper bound of ``(1-1024)``; asked once, for the literal is not documented."""
        answer = self._link.ask(READ, Kind.TEST)
        if answer is None:
            self._link.get_in_step()
            return
        bounds = re.findall(r"\(\d+\s*[-,]\s*(\d+)\)", answer.info(READ) or "")
        if bounds and int(bounds[-1]) > 0:
            self.max_read = min(self._dialect.max_read, int(bounds[-1]))

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
        """At most what one command carries: 1024 bytes, or less if the module says so.

        Data that do not end as they should are read again, and believed when two answers are
        alike: then this is how the module ends them, and later ones are believed at once.
        """
        wanted, size = size, self._fitting(start, min(size, self.max_read))
        doubtful: bytes | None = None
        for _ in range(1 + self._dialect.retries):
            answer = self._answer(start, size)
            self._read_at_s = self._clock.now_s()
            if not answer.ok:
                self.release()
                return None
            payload = answer.payload
            if payload is not None and payload.start == start and len(payload.data) <= size:
                self._any_tail |= not payload.clean and payload.data == doubtful
                if payload.clean or self._any_tail:
                    return self._take(start, payload.data, wanted)
                doubtful = payload.data
            self._link.retries += 1
        raise self._link.lost(f"{READ}={start},{size}")

    def _take(self, start: int, data: bytes, wanted: int) -> bytes | None:
        if data:
            self.offset = self._kept = start
            if self._dialect.read_ahead and wanted > 1:  # a single byte is a question
                self._ask_ahead(start + len(data), wanted)
        return data or None

    def _ask_ahead(self, start: int, wanted: int) -> None:
        size = min(wanted, self._end - start)
        if size > 0:
            size = self._fitting(start, min(size, self.max_read))
            self._link.send_ahead(READ, Kind.WRITE, (start, size))
            self._asked = start, size
            self._read_at_s = self._clock.now_s()

    def _answer(self, start: int, size: int) -> Answer:
        """Of the read in flight, if it is this one; else of a new one."""
        asked, self._asked = self._asked, None
        if asked is not None and asked[0] == start and asked[1] <= size:
            answer = self._link.collect()
            if answer is not None:
                return answer
        return self._link.ask_until_answered(READ, Kind.WRITE, (start, size))

    def _fitting(self, start: int, size: int) -> int:
        """A little less than *size*, where a bridge keeps the end of an answer back otherwise.

        A USB bridge hands on full packets at once, and what is left over after up to 16 ms.
        """
        packet = self._dialect.usb_packet
        if packet is None or self._dialect.echo or size < self.max_read:
            return size
        fitting = (n for n in range(size, size - packet, -1) if not answer_size(start, n) % packet)
        return next(fitting, size)

    # --- patience

    def tend(self) -> None:
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
