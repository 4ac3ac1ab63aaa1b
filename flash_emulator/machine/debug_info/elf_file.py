"""An ELF file for debug information: opened without raising, with what is missing in words."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flash_emulator.machine.elf_symbols import elf_symbols
from flash_emulator.machine.symbols import Symbols

_MOST_BYTES = 512 << 20


@dataclass(slots=True)
class ElfFile:
    """*elf* and *dwarf* are pyelftools'; None where there is none. *code*: ranges of addresses that
    hold instructions. *entry*: where it begins. *missing* says in words what is not there."""

    path: Path
    elf: Any = None
    dwarf: Any = None
    code: tuple[range, ...] = ()
    symbols: Symbols = field(default_factory=Symbols)
    entry: int = 0
    missing: list[str] = field(default_factory=list)

    def segments(self) -> Iterator[tuple[int, int, bytes]]:
        """Of what is loaded: where it runs, where it is programmed, its bytes."""
        for segment in self.elf.iter_segments() if self.elf is not None else ():
            if segment["p_type"] == "PT_LOAD" and segment["p_filesz"]:
                yield segment["p_vaddr"], segment["p_paddr"], segment.data()


def open_elf(path: Path) -> ElfFile:
    """Never raises: what is wrong is in ``missing``."""
    file = ElfFile(path)
    try:
        data = _bytes(path)
    except OSError as error:
        file.missing.append(f"{path.name} cannot be read: {error.strerror or error}")
        return file
    if data[:4] != b"\x7fELF":
        file.missing.append(f"{path.name} is no ELF file: only those hold debug information")
        return file
    try:
        _open(file, data)
    except Exception as error:  # the reader raises whatever damage makes it raise
        file.missing.append(f"{path.name} is damaged: {in_words(error)}")
    return file


def _bytes(path: Path) -> bytes:
    if not path.is_file() and path.exists():
        raise OSError("it is no file")
    if path.stat().st_size > _MOST_BYTES:
        raise OSError(f"it has more than {_MOST_BYTES >> 20} MiB")
    return path.read_bytes()


def _open(file: ElfFile, data: bytes) -> None:
    from elftools.elf.elffile import ELFFile

    elf = ELFFile(io.BytesIO(data))
    if elf.header["e_machine"] != "EM_ARM" or elf.elfclass != 32 or not elf.little_endian:
        order = "little" if elf.little_endian else "big"
        file.missing.append(
            f"{file.path.name} is of another architecture: {elf.header['e_machine']}, "
            f"{elf.elfclass}-bit {order}-endian; expected 32-bit little-endian Arm (EM_ARM)"
        )
        return
    file.elf = elf
    file.entry = elf.header["e_entry"] & ~1
    file.code = tuple(_code(elf))
    file.symbols = elf_symbols(elf)
    if not file.symbols.functions:
        file.missing.append(f"{file.path.name} names no function: its symbols are stripped")
    if elf.has_dwarf_info(strict=True):
        file.dwarf = elf.get_dwarf_info(relocate_dwarf_sections=False, follow_links=False)
    else:
        file.missing.append(f"{file.path.name} has no lines: {_why_no_lines(elf)}")
    if file.dwarf is None or not file.dwarf.has_CFI():
        file.missing.append(f"{file.path.name} has no call frame information (.debug_frame)")


def _why_no_lines(elf: Any) -> str:
    if elf.get_section_by_name(".gnu_debuglink") is not None:
        return "they were stripped into a file of their own; name that one"
    return "compiled without -g, or stripped (no .debug_info)"


def _code(elf: Any) -> Iterator[range]:
    """Sections with instructions; where there are none, segments that may be executed."""
    found = False
    for section in elf.iter_sections():
        if section["sh_flags"] & 6 == 6 and section["sh_size"]:
            found = True
            yield range(section["sh_addr"], section["sh_addr"] + section["sh_size"])
    for segment in () if found else elf.iter_segments():
        if segment["p_type"] == "PT_LOAD" and segment["p_flags"] & 1:
            yield range(segment["p_vaddr"], segment["p_vaddr"] + segment["p_filesz"])


def in_words(error: BaseException) -> str:
    """Of a reader that was given damaged bytes: what it says, with the kind of error where that is
    no sentence."""
    text = " ".join(str(each) for each in error.args if each is not None).strip()
    text = text.splitlines()[0][:120] if text else ""
    return text if " " in text else f"{type(error).__name__}{f' ({text})' if text else ''}"
