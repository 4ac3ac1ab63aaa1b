"""Symbols of an ELF file, as pyelftools has it open."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

from flash_emulator.machine.symbols import Symbols

_EXECUTED = 4  # SHF_EXECINSTR


def elf_symbols(elf: Any) -> Symbols:
    """Functions, labels of assembly that say nothing of their kind, and variables."""
    functions = {at & ~1: (at & ~1, size, name) for at, size, name in _of_kind(elf, "STT_FUNC")}
    labels = {at: name for at, name in _labels(elf) if not _lies_within(functions, at)}
    named = (*functions.values(), *((at, 0, name) for at, name in labels.items()))
    return Symbols.of(_sized(elf, sorted(named)), _of_kind(elf, "STT_OBJECT"))


def _sized(elf: Any, functions: list[tuple[int, int, str]]) -> Iterator[tuple[int, int, str]]:
    """What assembly gives no size ends where the next one begins, or its section ends: else it
    would be the name of all code behind it, also of other memories."""
    ends = [section for section in elf.iter_sections() if section["sh_flags"] & _EXECUTED]
    for (at, size, name), following in zip_longest(functions, functions[1:]):
        for section in () if size else ends:
            end = section["sh_addr"] + section["sh_size"]
            if section["sh_addr"] <= at < end:
                size = min(end, following[0] if following else end) - at
        yield at, size, name


def _of_kind(elf: Any, kind: str) -> list[tuple[int, int, str]]:
    """Of several names of one place the last counts: weak ones, as of handlers that nobody has
    written, stand before that of the function itself."""
    symbols = sorted(_table(elf), key=lambda symbol: symbol["st_info"]["bind"] != "STB_WEAK")
    return [
        (symbol["st_value"], symbol["st_size"], symbol.name)
        for symbol in symbols
        if symbol["st_info"]["type"] == kind and symbol["st_value"]
    ]


def _table(elf: Any) -> Iterator[Any]:
    table = elf.get_section_by_name(".symtab")
    return iter(()) if table is None else table.iter_symbols()


def _labels(elf: Any) -> Iterator[tuple[int, str]]:
    """Of code, of no kind: neither mapping symbols such as ``$t``, nor numbers that the linker was
    given, nor what stands behind the last instruction."""
    for symbol in _table(elf):
        index, at = symbol["st_shndx"], symbol["st_value"] & ~1
        if symbol["st_info"]["type"] != "STT_NOTYPE" or not isinstance(index, int):
            continue
        if index >= elf.num_sections():  # of a damaged table
            continue
        if not symbol.name or symbol.name.startswith("$"):
            continue
        section = elf.get_section(index)
        end = section["sh_addr"] + section["sh_size"]
        if section["sh_flags"] & _EXECUTED and section["sh_addr"] <= at < end:
            yield at, symbol.name


def _lies_within(functions: dict[int, tuple[int, int, str]], at: int) -> bool:
    """Whether a function begins there, or one of a known size goes on."""
    starts = sorted(functions)
    index = bisect_right(starts, at) - 1
    if index < 0:
        return False
    begin = starts[index]
    return begin == at or at < begin + functions[begin][1]
