"""Names of functions by their addresses, for findings."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches


def shown(address: int) -> str:
    """``0x0800_0124``: as all messages have addresses."""
    return f"0x{address >> 16:04X}_{address & 0xFFFF:04X}"


@dataclass(frozen=True)
class Symbols:
    """Functions, and variables as *objects*: (address, size, name), ascending; size 0 where it is
    not known."""

    functions: tuple[tuple[int, int, str], ...] = ()
    objects: tuple[tuple[int, int, str], ...] = ()

    @classmethod
    def of(
        cls,
        functions: Iterable[tuple[int, int, str]],
        objects: Iterable[tuple[int, int, str]] = (),
    ) -> Symbols:
        """Bit 0 of a function's address, which says Thumb, is left out."""
        plain = sorted((at & ~1, size, name) for at, size, name in functions)
        return cls(tuple(plain), tuple(sorted(objects)))

    def find(self, name: str) -> tuple[int, int]:
        """Address and size of a variable or function. Raises KeyError with what is near."""
        for address, size, known in (*self.objects, *self.functions):
            if known == name:
                return address, size
        names = [known for _, _, known in (*self.objects, *self.functions)]
        near = get_close_matches(name, names, 3)
        raise KeyError(f"no symbol {name!r}; near: {', '.join(near) or 'none'}")

    def name(self, address: int) -> str:
        """``0x0800_0124 (flash_program+0x12)``."""
        place, function = shown(address), self.function(address)
        if function is None:
            return place
        begin, _, name = function
        offset = address - begin
        return f"{place} ({name}{f'+0x{offset:x}' if offset else ''})"

    def function(self, address: int) -> tuple[int, int, str] | None:
        """Address, size and name of the function that *address* lies in."""
        index = bisect_right(self.functions, (address, 1 << 32, "")) - 1
        if index < 0:
            return None
        begin, size, _ = self.functions[index]
        return None if size and address >= begin + size else self.functions[index]

    def names_in(self, address: int, size: int) -> bool:
        """Whether a function has code in these bytes."""
        index = bisect_right(self.functions, (address, 1 << 32, ""))
        begins_there = index < len(self.functions) and self.functions[index][0] < address + size
        return begins_there or self.function(address) is not None

    def spans(self, code: Sequence[range]) -> Iterator[tuple[int, int, str]]:
        """Functions as (begin, end, name); one whose size is not known ends where the next begins,
        or the stretch of *code* that it lies in."""
        for index, (begin, size, name) in enumerate(self.functions):
            room = next((each for each in code if begin in each), None)
            if room is None:
                continue
            rest = self.functions[index + 1 :]
            following = next((at for at, _, _ in rest if at > begin), room.stop)
            yield begin, begin + size if size else min(following, room.stop), name
