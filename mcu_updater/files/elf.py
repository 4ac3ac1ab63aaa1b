"""ELF: the loadable segments, where they are programmed.

Source: "Tool Interface Standard (TIS) Executable and Linking Format (ELF) Specification", version
1.2. Read by pyelftools; what is checked here is what it takes on trust. A segment goes to its
physical address (p_paddr): initial values of variables lie in flash there, and are copied to their
virtual address by the start-up code. Where a linker script says no physical addresses they are all
zero; objcopy then takes the virtual ones, and puts initial values into RAM.
"""

from __future__ import annotations

import io
from typing import Any

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from mcu_updater.core.errors import ImageRejected, address_text
from mcu_updater.core.image import STRICT, Allow, Allowed, Extent

_SPACE = 1 << 32
_SEGMENTS = 256


def read_elf(data: bytes, allow: Allowed = STRICT) -> tuple[list[Extent], int]:
    """The extents of all segments with bytes in the file, and the entry point.

    Raises ImageRejected for what is damaged, not for a 32-bit Arm, or not linked.
    """
    try:
        elf = ELFFile(io.BytesIO(data))
        _check_kind(elf, allow)
        headers = [segment.header for segment in _segments(elf)]
        entry = int(elf.header.e_entry)
    except ImageRejected:
        raise
    except (ELFError, ValueError, KeyError, AssertionError, OverflowError, MemoryError) as error:
        # pyelftools raises what its parsers meet
        found = str(error)[:80] or type(error).__name__
        raise ImageRejected("ELF file is damaged", where="ELF header", found=found) from error
    extents = []
    loaded = [h for h in headers if h.p_type == "PT_LOAD" and h.p_filesz]
    is_virtual = _has_no_physical(loaded)
    if is_virtual and Allow.VIRTUAL not in allow:
        raise ImageRejected(
            "physical addresses are all 0",
            where="program headers",
            expected="where each segment is programmed (p_paddr)",
            found="virtual addresses " + ", ".join(address_text(h.p_vaddr) for h in loaded[:8]),
            then="Let the linker script say AT(...) or AT> for each section that is loaded",
            rule=Allow.VIRTUAL,
        )
    for index, header in enumerate(headers):
        if header.p_type != "PT_LOAD" or not header.p_filesz:
            continue
        address = header.p_vaddr if is_virtual else header.p_paddr
        where = f"program header {index}"
        begin, size = header.p_offset, header.p_filesz
        if begin + size > len(data):
            raise ImageRejected(
                "segment lies outside the file",
                where=where,
                expected=f"at most {len(data)} bytes",
                found=f"{begin + size}",
                then="The file is truncated; build or upload it again",
            )
        if size > header.p_memsz:
            raise ImageRejected(
                "segment is larger in the file than in memory",
                where=where,
                expected=f"at most {header.p_memsz} bytes",
                found=str(size),
            )
        if address + size > _SPACE:
            raise ImageRejected(
                "segment runs past 4 GiB",
                where=where,
                expected=f"{_SPACE - address} bytes",
                found=str(size),
            )
        extents.append(Extent(address, data[begin : begin + size], 0))
    if not extents:
        raise ImageRejected(
            "image holds no data", where="ELF header", expected="a loadable segment", found="none"
        )
    _check_no_headers(extents, data)
    return extents, entry


def _has_no_physical(loaded: list[Any]) -> bool:
    """Whether the file says no physical addresses; one segment at 0 may be meant for there."""
    is_zero = all(header.p_paddr == 0 for header in loaded)
    return is_zero and any(header.p_vaddr != 0 for header in loaded)


def _segments(elf: ELFFile) -> list[Any]:
    count = elf.num_segments()
    if count > _SEGMENTS:
        raise ImageRejected(
            "too many program headers", where="ELF header", expected=str(_SEGMENTS),
            found=str(count),
        )  # fmt: skip
    return list(elf.iter_segments())


def _check_kind(elf: ELFFile, allow: Allowed) -> None:
    facts = {
        "class": (elf.elfclass, 32),
        "byte order": ("little" if elf.little_endian else "big", "little"),
        "type": (elf.header.e_type, "ET_EXEC"),
    }
    if Allow.MACHINE not in allow:
        facts["machine"] = (elf.header.e_machine, "EM_ARM")
    for name, (found, expected) in facts.items():
        if found != expected:
            raise ImageRejected(
                f"ELF {name} is not one to be flashed",
                where="ELF header",
                expected=str(expected),
                found=str(found),
                rule=Allow.MACHINE if name == "machine" else "",
            )


def _check_no_headers(extents: list[Extent], data: bytes) -> None:
    """A linker script without a page size makes the first segment begin with the ELF header."""
    for extent in extents:
        if extent.data[:4] == data[:4]:
            raise ImageRejected(
                "segment contains the ELF header",
                where=address_text(extent.address),
                expected="code and data",
                found="the file's first bytes",
                then="Link with -n (nmagic), so that headers are not loaded",
            )
