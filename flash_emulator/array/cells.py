"""The cells of the array: what units hold, who may look at it, and what is done to them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Hashable, Iterator

from flash_emulator.array.ecc import Code, Decoded, Verdict
from flash_emulator.array.halt import Halt
from flash_emulator.array.page_table import PageTable
from flash_emulator.array.pages import ERASED, Mark, NotHeld, Page, RawUnit, Slice
from flash_emulator.compiled import mypyc_attr
from flash_emulator.errors import UnknownContent

_PAGE = 2048  # bytes; or the smallest sector, when that is smaller
_MARKS = tuple(Mark)
_VIRGIN, _PROGRAMMED, _UNKNOWN = int(Mark.VIRGIN), int(Mark.PROGRAMMED), int(Mark.UNKNOWN)
_MOST_SUMS = 64
_sums: dict[tuple[int, int, tuple[int, ...]], bytes] = {}
_UNKNOWN_RUN = re.compile(rb"%c+" % Mark.UNKNOWN)


@mypyc_attr(allow_interpreted_subclasses=True, serializable=True)
class Cells(PageTable):
    """*size* bytes in units of *unit* bytes, none of them in more than one sector.

    *code* is None on parts without ECC. Offsets and sizes of sectors are page multiples.

    Nothing that tells what cells hold gets past the mark UNKNOWN: it raises UnknownContent, which
    *halt* keeps. Only ``peek`` and the marks themselves do, for whoever has forgotten it; where
    *is_open*, no boot is under way, and all that is called raw does.
    """

    __slots__ = ("_fading", "_word_bits", "code", "halt", "is_open")

    def __init__(self, size: int, unit: int, code: Code | None, smallest_sector: int) -> None:
        super().__init__(size, unit, min(_PAGE, smallest_sector))
        self.code = code
        self._word_bits = unit * 8 + (code.check_bits if code else 0)
        self._fading: frozenset[int] = frozenset()  # pages that may hold weak bits
        self.halt = Halt()
        self.is_open = False

    def fork(self) -> Cells:
        """The same cells, to go another way. Pages are shared until either side writes."""
        twin: Cells = Cells.__new__(Cells)
        self._share_pages(twin)
        twin.code, twin._word_bits = self.code, self._word_bits
        twin._fading, twin.halt, twin.is_open = self._fading, self.halt, self.is_open
        return twin

    # --- reading

    def look(self, offset: int, size: int, wanted: Slice | None = None) -> None:
        """Somebody looks at these bytes: raises UnknownContent where one is in an UNKNOWN unit.

        *wanted*: only whether one unit holds this.
        """
        if self._unknown and size and not self.is_known(offset, size):
            self.halt.stop(UnknownContent(offset, size, wanted))

    def raw_data(self, offset: int, size: int) -> bytes:
        """Data as the cells' last stable state has them; no ECC, no chance, no error."""
        if self._unknown and not self.is_open:
            self.look(offset, size)
        return self.peek(offset, size)

    def peek(self, offset: int, size: int) -> bytes:
        """``raw_data``, where UNKNOWN units read as erased ones. Never on behalf of a boot."""
        index, begin = divmod(offset, self._page_size)
        if begin + size <= self._page_size:  # most reads
            return bytes(self._pages[index].data[begin : begin + size]) if size else b""
        spans = self._spans(offset, size)
        return b"".join([self._pages[i].data[begin:stop] for i, begin, stop in spans])

    def peek_if_plain(self, offset: int, size: int) -> bytes | None:
        """``peek``, where all units are plain and known; for whoever looks only then."""
        index, begin = divmod(offset, self._page_size)
        page = self._pages[index]
        if begin + size <= self._page_size and not page.raw and not page.unknown:  # most reads
            return bytes(page.data[begin : begin + size])
        if self.peek_raw_units(offset, size) or not self.is_known(offset, size):
            return None
        return self.peek(offset, size)

    def raw_units(self, offset: int, size: int) -> list[int]:
        """Units within the range that are not plain, in ascending order; most often none."""
        if self._unknown and not self.is_open:
            self.look(offset, size)
        return self.peek_raw_units(offset, size)

    def peek_raw_units(self, offset: int, size: int) -> list[int]:
        """``raw_units``, for whoever has looked. Never on behalf of a boot that has not."""
        index, begin = divmod(offset, self._page_size)
        if size and begin + size <= self._page_size and not self._pages[index].raw:  # most reads
            return []
        found: list[int] = []
        for index, page, first, stop in self._touched(offset, size):
            if page.raw:
                base = index * self._units_per_page
                found += [base + unit for unit in sorted(page.raw) if first <= unit < stop]
        return found

    def _touched(self, offset: int, size: int) -> Iterator[tuple[int, Page, int, int]]:
        """Pages of the range that hold anything but plain units: index, page, and which units of
        it the range touches, first and behind the last. Most often none: this is asked often."""
        if not size:
            return
        per_page, pages = self._units_per_page, self._pages
        low, high = offset // self.unit, (offset + size - 1) // self.unit
        for index in range(low // per_page, high // per_page + 1):
            page = pages[index]
            if page.raw or page.unknown:
                base = index * per_page
                yield index, page, max(0, low - base), min(per_page, high - base + 1)

    @property
    def has_unknown(self) -> bool:
        """Whether any unit is marked UNKNOWN."""
        return self._unknown > 0

    def is_known(self, offset: int, size: int) -> bool:
        """Whether no unit that the range touches is marked UNKNOWN."""
        if not self._unknown:
            return True
        index, begin = divmod(offset, self._page_size)
        if size and begin + size <= self._page_size:  # most reads
            page, unit = self._pages[index], self.unit
            first, last = begin // unit, (begin + size - 1) // unit
            return not page.unknown or page.marks.find(_UNKNOWN, first, last + 1) < 0
        return not any(
            page.unknown and page.marks.find(_UNKNOWN, first, stop) >= 0
            for _, page, first, stop in self._touched(offset, size)
        )

    def plain_size(self, offset: int, size: int) -> int:
        """How many bytes from *offset* on, *size* at most, stand in plain and known units."""
        for index, page, first, stop in self._touched(offset, size):
            other = [unit for unit in page.raw if first <= unit < stop]
            unknown = page.marks.find(_UNKNOWN, first, stop) if page.unknown else -1
            if unknown >= 0:
                other.append(unknown)
            if other:
                end = (index * self._units_per_page + min(other)) * self.unit
                return min(size, max(0, end - offset))
        return size

    def sha256(self, offset: int, size: int) -> bytes:
        """Of ``raw_data``. Remembered by the digests of the pages, whoever holds them."""
        self.look(offset, size)
        first, last = offset // self._page_size, (offset + size - 1) // self._page_size
        pages = tuple([self._digest_of(index) for index in range(first, last + 1)])
        found = _sums.get((offset, size, pages))
        if found is None:
            if len(_sums) >= _MOST_SUMS:
                _sums.clear()
            found = hashlib.sha256(self.raw_data(offset, size)).digest()
            _sums[offset, size, pages] = found
        return found

    def unknown_spans(self) -> list[tuple[int, int]]:
        """Where units are marked UNKNOWN: first byte, behind the last one; ascending, joined."""
        spans: list[tuple[int, int]] = []
        for index, page in enumerate(self._pages) if self._unknown else ():
            start = index * self._page_size
            for run in _UNKNOWN_RUN.finditer(page.marks) if page.unknown else ():
                begin, end = (start + within * self.unit for within in run.span())
                if spans and spans[-1][1] == begin:
                    begin = spans.pop()[0]
                spans.append((begin, end))
        return spans

    def content(self, offset: int, size: int) -> Hashable:
        """All that the units of a range hold; of more than one page, what those pages do. Equal for
        equal units, and only for them. Never on behalf of a boot."""
        first, last = offset // self.unit, (offset + size - 1) // self.unit
        index, begin = divmod(first, self._units_per_page)
        stop = begin + last + 1 - first
        if stop <= self._units_per_page:
            return self._pages[index].content(begin, stop)
        end = last // self._units_per_page + 1
        return tuple([self._digest_of(number) for number in range(index, end)])

    @property
    def has_weak(self) -> bool:
        """Whether the next power-on may change any unit."""
        return bool(self._fading)

    @property
    def has_unsure(self) -> bool:
        """Whether any unit is known to read now so, now otherwise, or may come to without another
        cut: it fades, or takes a program weakly. Of UNKNOWN ones nothing is known."""
        raws = [page.raw for page in self._pages if page.raw]
        return any(
            unit.metastable or unit.marginal or any(unit.fading)
            for raw in raws
            for unit in raw.values()
        )

    def raw(self, unit: int) -> RawUnit | None:
        """The unit bit by bit, where it is not plain."""
        index, within = divmod(unit, self._units_per_page)
        page = self._pages[index]
        if page.unknown and not self.is_open and page.marks[within] == _UNKNOWN:
            self.look(unit * self.unit, self.unit)
        return page.raw.get(within)

    def plain_unit(self, unit: int) -> bytes | None:
        """The data of a unit that is plain and known; None of any other. No look: whoever is told
        that it is neither asks on, and then meets what ``raw`` has to say."""
        index, within = divmod(unit, self._units_per_page)
        page = self._pages[index]
        if page.marks[within] > _PROGRAMMED:
            return None
        begin = within * self.unit
        return bytes(page.data[begin : begin + self.unit])

    def decode(self, raw: RawUnit, flicker: int) -> Decoded:
        """What a read gives; *flicker* are random bits for the metastable ones."""
        word = raw.word ^ raw.metastable & flicker
        return self.code.decode(word) if self.code else Decoded(word, Verdict.CLEAN)

    @property
    def word_bits(self) -> int:
        """Bits of a unit, check bits included."""
        return self._word_bits

    def word(self, unit: int) -> int:
        """The unit's cells in their last stable state, check bits included."""
        raw = self.raw(unit)
        if raw is not None:
            return raw.word
        index, within = divmod(unit, self._units_per_page)
        page = self._pages[index]
        if page.marks[within] == _VIRGIN:
            return (1 << self._word_bits) - 1
        begin = within * self.unit
        data = int.from_bytes(page.data[begin : begin + self.unit], "little")
        return self.code.encode(data) if self.code else data

    def is_virgin(self, unit: int) -> bool:
        """Whether nothing was programmed since a completed erase."""
        if self._unknown:
            self.look(unit * self.unit, self.unit)
        index, within = divmod(unit, self._units_per_page)
        return self._pages[index].marks[within] == _VIRGIN

    def mark(self, unit: int) -> Mark:
        """Never on behalf of a boot: UNKNOWN is an answer, too."""
        index, within = divmod(unit, self._units_per_page)
        return _MARKS[self._pages[index].marks[within]]

    def is_unknown(self, unit: int) -> bool:
        """Whether it is marked UNKNOWN. That tells nothing of what it holds."""
        if not self._unknown:
            return False
        index, within = divmod(unit, self._units_per_page)
        return self._pages[index].marks[within] == _UNKNOWN

    def marks(self, first: int, count: int) -> bytes:
        """The marks of *count* units from *first* on, as ``mark``."""
        spans = self._spans(first * self.unit, count * self.unit)
        unit = self.unit
        return b"".join(self._pages[i].marks[a // unit : b // unit] for i, a, b in spans)

    def virgin_run(self, first: int, count: int) -> int:
        """How many units from *first* on, *count* at most, are virgin."""
        run = 0
        for index, begin, stop in self._spans(first * self.unit, count * self.unit):
            marks = self._pages[index].marks
            begin, stop = begin // self.unit, stop // self.unit
            if marks.count(_VIRGIN, begin, stop) < stop - begin:
                run += next(i for i in range(stop - begin) if marks[begin + i])
                self.look((first + run) * self.unit, self.unit)
                return run
            run += stop - begin
        return run

    def virgin_ahead(self, first: int, count: int) -> int:
        """How many units from *first* on in its page, *count* at most, are virgin. Of the unit
        behind them nothing is said: it may be unknown."""
        index, within = divmod(first, self._units_per_page)
        marks = self._pages[index].marks
        stop = min(within + count, len(marks))
        return len(marks[within:stop]) - len(marks[within:stop].lstrip(b"\0"))

    # --- writing, power on from begin to end

    def program(self, first: int, data: bytes) -> None:
        """Whole virgin units from *first* on take *data*."""
        taken = 0
        for index, begin, stop in self._spans(first * self.unit, len(data)):
            page, size = self._own(index), stop - begin
            page.data[begin:stop] = data[taken : taken + size]
            low, high = begin // self.unit, stop // self.unit
            page.marks[low:high] = bytes([Mark.PROGRAMMED]) * (size // self.unit)
            taken += size

    def erase(self, offset: int, size: int) -> None:
        """All units of the range are virgin."""
        for index, begin, stop in self._spans(offset, size):
            old = self._pages[index]
            if stop - begin == self._page_size:
                if old is not self._blank:
                    self._put(index, self._blank)
                    self._dirty[index] = 0  # its digest is 0
                continue
            page = self._own(index)
            page.data[begin:stop] = bytes([ERASED]) * (stop - begin)
            units = range(begin // self.unit, stop // self.unit)
            page.marks[units.start : units.stop] = bytes(len(units))
            page.forget(units)
            self._count_unknown(page)

    def forget(self, offset: int, size: int) -> None:
        """Mark every unit of the range UNKNOWN: whole units, whatever they hold."""
        for index, begin, stop in self._spans(offset, size):
            if stop - begin == self._page_size:
                if self._pages[index] is not self._forgotten:
                    self._put(index, self._forgotten)
                continue
            page = self._own(index)
            page.data[begin:stop] = bytes([ERASED]) * (stop - begin)
            units = range(begin // self.unit, stop // self.unit)
            page.marks[units.start : units.stop] = bytes([Mark.UNKNOWN]) * len(units)
            page.forget(units)
            self._count_unknown(page)

    def exchange(self, offset: int, other: int, size: int) -> None:
        """Let the whole pages of two ranges of *size* bytes change places."""
        pages = [(index, self._pages[index]) for index in self._indices(offset, size)]
        others = [(index, self._pages[index]) for index in self._indices(other, size)]
        for (index, _), (_, page) in zip([*pages, *others], [*others, *pages], strict=True):
            self._put(index, page if page in (self._blank, self._forgotten) else page.copy())
            if any(any(raw.fading) for raw in page.raw.values()):
                self._fading |= {index}

    def exclude(self, unit: int, slices: NotHeld) -> None:
        """Of an UNKNOWN unit: it does not hold any of these slices."""
        index, within = divmod(unit, self._units_per_page)
        self._own(index).not_held[within] = slices

    def excluded(self, offset: int = 0, size: int | None = None) -> dict[int, NotHeld]:
        """All that is known of what UNKNOWN units of the range do not hold, by unit."""
        per_page = self._units_per_page
        end = self.size if size is None else offset + size
        units = range(offset // self.unit, end // self.unit)
        return {
            index * per_page + unit: held
            for index in range(offset // self._page_size, -(-end // self._page_size))
            if self._pages[index].not_held
            for unit, held in sorted(self._pages[index].not_held.items())
            if index * per_page + unit in units
        }

    def not_held(self, unit: int) -> NotHeld:
        """What is known that an UNKNOWN unit does not hold."""
        index, within = divmod(unit, self._units_per_page)
        return self._pages[index].not_held.get(within, frozenset())

    def set_word(self, unit: int, raw: RawUnit) -> None:
        """Give a unit these cells. Cells that are as a whole program leaves them become plain."""
        index, within = divmod(unit, self._units_per_page)
        page = self._own(index)
        mask = (1 << self.unit * 8) - 1
        data = raw.word & mask
        begin = within * self.unit
        page.data[begin : begin + self.unit] = data.to_bytes(self.unit, "little")
        if self._is_plain(raw, data):
            page.raw.pop(within, None)
            page.marks[within] = Mark.PROGRAMMED
        else:
            page.raw[within] = raw
            page.marks[within] = Mark.RAW
            if any(raw.fading):
                self._fading |= {index}
        if page.unknown:
            page.not_held.pop(within, None)
            self._count_unknown(page)

    def _is_plain(self, raw: RawUnit, data: int) -> bool:
        if raw.metastable or any(raw.fading) or raw.marginal:
            return False
        return self.code is None or (raw.consumed and raw.word == self.code.encode(data))

    # --- keeping

    def export(self) -> tuple[bytes, bytes, dict[int, RawUnit]]:
        """Data and marks of the whole array, and its raw units."""
        self.look(0, self.size)
        data = b"".join([page.data for page in self._pages])
        marks = b"".join([page.marks for page in self._pages])
        raw = {
            index * self._units_per_page + unit: raw
            for index, page in enumerate(self._pages)
            for unit, raw in page.raw.items()
        }
        return data, marks, raw

    def restore(self, data: bytes, marks: bytes, raw: dict[int, RawUnit]) -> None:
        """Take over what ``export`` gave. Raises ValueError when it is of another size."""
        if len(data) != self.size or len(marks) * self.unit != self.size:
            raise ValueError(
                f"array of {len(data)} bytes and {len(marks)} marks; "
                f"expected {self.size} and {self.size // self.unit}"
            )
        self.erase(0, self.size)
        for index in range(len(self._pages)):
            begin, first = index * self._page_size, index * self._units_per_page
            page_marks = marks[first : first + self._units_per_page]
            if any(page_marks):
                page = self._own(index)
                page.data[:] = data[begin : begin + self._page_size]
                page.marks[:] = page_marks
                self._count_unknown(page)
        for unit, cells in raw.items():
            index, within = divmod(unit, self._units_per_page)
            self._own(index).raw[within] = cells
            self._fading |= {index}

    def fade(self) -> None:
        """Every weak bit is metastable from now on; its last stable state is the right one."""
        self._age(RawUnit.faded)
        self._fading = frozenset()

    def power_on(self) -> None:
        """Every weak bit is one power-on older."""
        self._age(RawUnit.after_power_on)

    def _age(self, older: Callable[[RawUnit], RawUnit]) -> None:
        for index in self._fading:
            page = self._pages[index]
            if any(any(raw.fading) for raw in page.raw.values()):
                own = self._own(index)
                own.raw = {unit: older(raw) for unit, raw in own.raw.items()}
