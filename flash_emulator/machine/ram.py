"""RAM: zeros at power-on, kept over resets.

The engine is slow to write to memory that may be executed, since it has to look for code that it
has translated. So pages of RAM lie in memory that may not be executed, until the first that is
executed: from then on until power-on it lies elsewhere.
"""

from __future__ import annotations

from typing import Any

from flash_emulator.machine.engine import (
    FETCH,
    MAY_FETCH,
    MAY_READ,
    MAY_WRITE,
    PAGE,
    Engine,
    Mapping,
)

_CHUNK = 4 * PAGE
EXECUTED = 0x8000_0000
"""Where RAM may be executed, in the engine's physical memory: its address and this. RAM begins at
0, or at 0x1000_0000 to 0x3800_0000."""


class StaleCode(BaseException):
    """The engine has translated a page of RAM that held something else, in an earlier boot."""


class Ram:
    """*size* bytes at *base*; also seen at *seen_at*, where there is such an alias."""

    def __init__(self, engine: Engine, base: int, size: int, seen_at: int | None = None) -> None:
        self.size = size
        self.base, self._engine = base, engine
        self._seen_always: tuple[int, ...] = (base,) if seen_at is None else (base, seen_at)
        self._seen: tuple[int, ...] = self._seen_always
        whole = -(-size // 0x1000) * 0x1000
        self._plain = engine.map_memory(base, whole, executable=False)
        self._code = engine.map_memory(base + EXECUTED, whole)
        self._executed: set[int] = set()  # offsets of pages that lie in ``_code``
        self._translated: dict[int, bytes] = {}  # pages of earlier boots, as they were then
        self._zeros = bytes(whole)

    @property
    def is_backup(self) -> bool:
        """Backup SRAM: it stands among the peripherals."""
        return self.base >= 0x4000_0000

    @property
    def aliases(self) -> tuple[tuple[int, int], ...]:
        """Where it is seen now beside its base, and how much of it."""
        return tuple((at, self.size) for at in self._seen if at != self.base)

    def was_executed(self, offset: int) -> bool:
        """Whether code of the page at *offset* was executed since power-on."""
        return offset // PAGE * PAGE in self._executed

    def offset(self, address: int, size: int = 1) -> int | None:
        """Where *size* bytes at *address* lie; None where they do not."""
        for base in self._seen:
            if base <= address and address + size <= base + self.size:
                return address - base
        return None

    def show_at_zero(self, shown: bool) -> None:
        """SYSCFG shows it at address 0, too, in place of flash."""
        self._seen = (*self._seen_always, 0) if shown else self._seen_always

    def power_on(self) -> None:
        """Nothing is left. (Of a chip's RAM nobody knows what it holds then.)"""
        for page in self._executed:
            self._translated[page] = self._code[page : page + PAGE]
        self._executed.clear()
        self._plain[:] = self._zeros

    def page(self, offset: int, access: int) -> Mapping:
        """Where the engine finds the page at *offset*. Raises StaleCode."""
        if access == FETCH and offset not in self._executed:
            data = self._plain[offset : offset + PAGE]
            if self._translated.get(offset, data) != data:
                raise StaleCode
            self._code[offset : offset + PAGE] = data
            self._executed.add(offset)
        if offset in self._executed:
            return Mapping(self.base + EXECUTED + offset, MAY_READ | MAY_WRITE | MAY_FETCH)
        return Mapping(self.base + offset, MAY_READ | MAY_WRITE)

    def forget_code(self) -> None:
        """The engine has forgotten all that it has translated."""
        self._translated.clear()

    # --- as others than the core see it

    def read(self, offset: int, size: int) -> bytes:
        """*size* bytes."""
        if not self._executed:
            return self._plain[offset : offset + size]
        first = offset // PAGE * PAGE
        pages = (self._page(page) for page in range(first, offset + size, PAGE))
        return b"".join(pages)[offset - first :][:size]

    def _page(self, page: int) -> bytes:
        memory = self._code if page in self._executed else self._plain
        return memory[page : page + PAGE]

    def clear(self, offset: int, size: int) -> None:
        """Zeros from *offset* on."""
        if self._executed:
            self.write(offset, bytes(size))
        else:
            self._plain[offset : offset + size] = self._zeros[:size]

    def write(self, offset: int, data: bytes) -> None:
        """Put *data* there."""
        while data:
            here = data[: PAGE - offset % PAGE]
            if offset // PAGE * PAGE in self._executed:
                self._engine.write(self.base + EXECUTED + offset, here)
            else:
                self._plain[offset : offset + len(here)] = here
            offset, data = offset + len(here), data[len(here) :]

    def digest(self, digest: Any) -> None:
        """Add all of it to *digest*."""
        for page in range(0, self.size, _CHUNK):
            chunk = self.read(page, _CHUNK)
            if chunk.count(0) != len(chunk):
                digest.update(page.to_bytes(4, "little") + chunk)
