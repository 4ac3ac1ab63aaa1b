"""Symbols of an ELF file, as pyelftools has it open."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import Any

from flash_emulator.machine.symbols import Symbols

_EXECUTED = 4  # SHF_EXECINSTR


def elf_symbols(elf: Any) -> Symbols:
    """Functions, labels of assembly that say nothing of their kind, and variables."""
    functions = {at & ~1: (at, size, name) for at, size, name in _of_kind(elf, "STT_FUNC")}
    labels = {at: name for at, name in _labels(elf) if not _lies_within(functions, at)}
    return Symbols.of(
        (*functions.values(), *((at, 0, name) for at, name in labels.items())),
        _of_kind(elf, "STT_OBJECT"),
    )


def _of_kind(elf: Any, kind: str) -> list[tuple[int, int, str]]:
    return [
        (symbol["st_value"], symbol["st_size"], symbol.name)
        for symbol in _table(elf)
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
