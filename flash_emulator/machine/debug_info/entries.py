"""Entries of a compilation unit as they lie, and the names of scopes around them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_SCOPES = {
    "DW_TAG_namespace", "DW_TAG_class_type", "DW_TAG_structure_type", "DW_TAG_union_type",
}  # fmt: skip
_OF_SCOPES = {0x04, 0x1A, 0x1C, 0x21, 0x2B, 0x2C}  # DW_LANG: C++, C++11, Rust, C++14, 17, 20


def entries_of(cu: Any, dwarf: Any) -> Iterator[tuple[Any, int]]:
    """All of them, with their depth."""
    from elftools.dwarf.die import DIE

    stream = dwarf.debug_info_sec.stream
    offset, depth = cu.cu_die_offset, 0
    end = cu.cu_offset + cu.size
    while offset < end:
        entry = DIE(cu, stream, offset)
        offset += entry.size
        if entry.is_null():
            depth -= 1
            if depth <= 0:
                return
            continue
        yield entry, depth
        depth += bool(entry.has_children)


class ScopeNames:
    """Of all units of *dwarf*, each read when one of its entries is asked for."""

    def __init__(self, dwarf: Any) -> None:
        self._dwarf = dwarf
        self._by_unit: dict[int, dict[int, str]] = {}

    def around(self, entry: Any) -> str:
        """``hw::Writer<int, 8>::``; empty where the language has no scopes, or *entry* is in
        none."""
        unit = entry.cu
        if unit.cu_offset not in self._by_unit:
            known = self._by_unit[unit.cu_offset] = {}
            language = number_of(unit.get_top_DIE(), "DW_AT_language")
            if language in _OF_SCOPES:
                known.update(_scopes(unit, self._dwarf))
        return self._by_unit[unit.cu_offset].get(entry.offset, "")


def _scopes(cu: Any, dwarf: Any) -> Iterator[tuple[int, str]]:
    """Offsets of entries within scopes, and the names of those."""
    around: list[tuple[int, str]] = []  # depth and name
    for entry, depth in entries_of(cu, dwarf):
        while around and around[-1][0] >= depth:
            around.pop()
        if around:
            yield entry.offset, "".join(f"{name}::" for _, name in around)
        if entry.tag in _SCOPES:
            around.append((depth, text_of(entry, "DW_AT_name") or "(anonymous)"))


def text_of(entry: Any, attribute: str) -> str:
    """Empty where it is not there."""
    found = entry.attributes.get(attribute)
    value = b"" if found is None else found.value
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else ""


def number_of(entry: Any, attribute: str) -> int:
    """0 where it is not there."""
    found = entry.attributes.get(attribute)
    return found.value if found is not None and isinstance(found.value, int) else 0
