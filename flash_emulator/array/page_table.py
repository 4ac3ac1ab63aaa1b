"""The pages that hold the array: copied when they are written, and digested when they are asked.

So a fork costs what it changes, and a digest the pages that changed.
"""

from __future__ import annotations

from flash_emulator.array.pages import ERASED, Mark, Page, forgotten_digest, forgotten_page
from flash_emulator.compiled import mypyc_attr


@mypyc_attr(allow_interpreted_subclasses=True, serializable=True)
class PageTable:
    """*size* bytes in pages of *page_size* bytes, in units of *unit* bytes. At first all is blank.

    Blank and forgotten pages are one object each, which all places share.
    """

    __slots__ = (
        "_blank",
        "_dirty",
        "_forgotten",
        "_owned",
        "_page_size",
        "_pages",
        "_total",
        "_units_per_page",
        "_unknown",
        "size",
        "unit",
    )

    def __init__(self, size: int, unit: int, page_size: int) -> None:
        self.size, self.unit, self._page_size = size, unit, page_size
        self._units_per_page = page_size // unit
        self._blank = Page(bytearray([ERASED]) * page_size, bytearray(self._units_per_page), {})
        self._blank.digest = 0
        self._forgotten = forgotten_page(page_size, self._units_per_page)
        self._pages = [self._blank] * (size // page_size)
        self._owned = bytearray(len(self._pages))
        self._dirty = bytearray(len(self._pages))  # 1: not in the total
        self._total = 0
        self._unknown = 0  # units that are marked so

    def _share_pages(self, twin: PageTable) -> None:
        """Let *twin*, which has no field yet, have the same pages."""
        twin.size, twin.unit, twin._page_size = self.size, self.unit, self._page_size
        twin._units_per_page = self._units_per_page
        twin._blank, twin._forgotten = self._blank, self._forgotten
        twin._pages = self._pages.copy()
        twin._owned = bytearray(len(self._owned))
        self._owned = bytearray(len(self._owned))
        twin._dirty, twin._total = self._dirty.copy(), self._total
        twin._unknown = self._unknown

    def digest(self) -> int:
        """128 bits over all that a power cut leaves; pages that did not change cost nothing."""
        index = self._dirty.find(1)
        while index >= 0:
            self._total ^= self._digest_of(index)
            self._dirty[index] = 0
            index = self._dirty.find(1, index + 1)
        return self._total

    def _digest_of(self, index: int) -> int:
        page = self._pages[index]
        if page is self._forgotten:
            return forgotten_digest(self._page_size, self._units_per_page, index)
        return page.take_digest(index)

    def _own(self, index: int) -> Page:
        """The page, to be written now."""
        page = self._pages[index]
        if not self._dirty[index]:
            self._total ^= self._digest_of(index)
            self._dirty[index] = 1
        if not self._owned[index]:
            page = self._pages[index] = page.copy()
            self._owned[index] = 1
        page.digest = None
        return page

    def _put(self, index: int, shared: Page) -> None:
        """Let the page be one that many share; it has to be digested."""
        old = self._pages[index]
        if not self._dirty[index]:
            self._total ^= self._digest_of(index)
        self._dirty[index] = 1
        self._unknown += shared.unknown - old.unknown
        self._pages[index] = shared
        self._owned[index] = 0

    def _count_unknown(self, page: Page) -> None:
        self._unknown -= page.unknown
        page.unknown = page.marks.count(Mark.UNKNOWN)
        self._unknown += page.unknown

    def _indices(self, offset: int, size: int) -> range:
        if offset % self._page_size or size % self._page_size:
            raise ValueError(f"{size} bytes at {offset}: expected whole pages")
        return range(offset // self._page_size, (offset + size) // self._page_size)

    def _spans(self, offset: int, size: int) -> list[tuple[int, int, int]]:
        """Page index, begin and end within it, for every page of a range."""
        index, begin = divmod(offset, self._page_size)
        if 0 < size <= self._page_size - begin:  # most ranges
            return [(index, begin, begin + size)]
        spans = []
        end = offset + size
        while offset < end:
            index, begin = divmod(offset, self._page_size)
            stop = min(self._page_size, begin + end - offset)
            spans.append((index, begin, stop))
            offset += stop - begin
        return spans
