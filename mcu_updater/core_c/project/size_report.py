"""What bootloader and application take, from the linker's maps and the compiler's call graphs.

python3 size_report.py build [--json] [--most bootloader.flash=6144 ...]

Exit code 1 where more is taken than --most says, or a function calls itself.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

PARTS = {
    "boot decision": ("fwu_boot", "fwu_install"),
    "journal": ("fwu_journal", "fwu_header", "fwu_security_version"),
    "flash, bytes, layout": ("fwu_flash", "fwu_bytes", "fwu_layout"),
    "SHA-256": ("fwu_sha256", "fwu_hash"),
    "MD5": ("fwu_md5",),
    "AT client": ("fwu_at", "fwu_client", "fwu_link", "fwu_reader", "fwu_event", "fwu_module"),
    "loader and writer": ("fwu_loader", "fwu_writer", "fwu_vectors"),
    "decoders": ("fwu_decoder", "fwu_hex", "fwu_srec", "fwu_sniff", "fwu_record", "fwu_scan"),
    "updater, decisions": ("fwu_",),
    "compiler's library": ("lib",),
}
"""By how an object's name begins; what fits none is the chip's: start-up code and HAL."""

HANDLERS = ("systick_interrupt", "serial_interrupt", "nmi_handler")
EXCEPTION_FRAME = 32  # bytes that the core pushes
UNKNOWN_FRAME = 16  # bytes; the compiler's own helpers are leaves
PROGRAMS = "bootloader", "application"
CODE, RAM, BOTH = (".text",), (".bss", ".kept"), (".data",)
_NODE = re.compile(r'title: "([^"]+)" label: "[^"]*?(\d+) bytes \((\w+)')
_EDGE = re.compile(r'sourcename: "([^"]+)" targetname: "([^"]+)"')
_OUTPUT = re.compile(r"^(\.\w+)\s+0x[0-9a-f]+\s+0x[0-9a-f]+", re.MULTILINE)
_INPUT = re.compile(r"^ (\.\S+|COMMON)\s+0x[0-9a-f]+\s+(0x[0-9a-f]+)\s+(\S+)$", re.MULTILINE)
"""A section of an object; long names have a line of their own."""


def part_of(file: str) -> str:
    """Which part of a program an object belongs to."""
    name = Path(re.sub(r"^.*\((.*)\)$", r"lib\1", file)).name
    for part, begins in PARTS.items():
        if name.startswith(begins):
            return part
    return "start-up and HAL"


def sizes(text: str) -> tuple[Counter[str], Counter[str]]:
    """Bytes of flash and of RAM, by part, of a linker's map."""
    text = text[text.index("Linker script and memory map") :]
    flash: Counter[str] = Counter()
    ram: Counter[str] = Counter()
    places = list(_OUTPUT.finditer(text))
    ends = [*(place.start() for place in places[1:]), len(text)]
    for found, end in zip(places, ends, strict=True):
        body = text[found.start() : end]
        for _, size, file in _INPUT.findall(body):
            if found[1] in CODE + BOTH:
                flash[part_of(file)] += int(size, 16)
            if found[1] in RAM + BOTH:
                ram[part_of(file)] += int(size, 16)
    return flash, ram


def linked(text: str) -> set[str]:
    """Functions that are in the program, of a linker's map."""
    text = text[text.index("Linker script and memory map") :]
    return {name.removeprefix(".text.") for name, _, _ in _INPUT.findall(text)}


class Stack:
    """What calls take, from the compiler's graphs in *folder* (-fcallgraph-info=su). A call through
    a pointer may lead to every function of *program* that nobody calls by its name."""

    def __init__(self, folder: Path, program: set[str], entries: Iterable[str]) -> None:
        self.frames: dict[str, int] = {}
        self.calls: dict[str, set[str]] = {}
        self.unknown: set[str] = set()
        self._done: dict[str, tuple[int, list[str]]] = {}
        for file in sorted(folder.rglob("*.ci")):
            self._read(file.read_text())
        called = {target for targets in self.calls.values() for target in targets}
        free = {each for each in self.frames if each not in called and short(each) in program}
        self.calls["__indirect_call"] = {each for each in free if short(each) not in set(entries)}
        self.frames["__indirect_call"] = 0

    def _read(self, text: str) -> None:
        for title, taken, kind in _NODE.findall(text):
            self.frames[title] = int(taken)
            if kind != "static":
                self.unknown.add(f"{short(title)} takes more where its loops say so")
        for source, target in _EDGE.findall(text):
            self.calls.setdefault(source, set()).add(target)

    def deepest(self, name: str, above: tuple[str, ...] = ()) -> tuple[int, list[str]]:
        """Bytes, and the way. Raises ValueError where functions call themselves: there is no worst
        case then."""
        if name in above:
            raise ValueError(f"{short(name)} calls itself: {' > '.join(map(short, above))}")
        if name not in self._done:
            if name not in self.frames:
                self.unknown.add(f"{short(name)} has no graph, and is counted as {UNKNOWN_FRAME}")
            here = (*above, name)
            ways = [self.deepest(each, here) for each in sorted(self.calls.get(name, ()))]
            below, way = max(ways, default=(0, []))
            self._done[name] = self.frames.get(name, UNKNOWN_FRAME) + below, [short(name), *way]
        return self._done[name]

    def of(self, names: Iterable[str]) -> tuple[int, list[str]]:
        """The deepest of *names*."""
        starts = [each for each in self.frames if short(each) in set(names)]
        return max((self.deepest(each) for each in starts), default=(0, []))


def short(title: str) -> str:
    """Of ``src/fwu_boot.c:choose`` the function."""
    return title.rpartition(":")[2]


@dataclass(frozen=True)
class Sizes:
    """Of one program, in bytes. *deepest*: the way of calls that takes most stack."""

    flash: int
    ram: int
    stack: int
    flash_of: dict[str, int]
    ram_of: dict[str, int]
    deepest: list[str]
    not_known: list[str]


def report(folder: Path, name: str) -> Sizes:
    text = (folder / f"{name}.map").read_text()
    flash, ram = sizes(text)
    stack = Stack(folder / name, linked(text), ("reset_handler", *HANDLERS))
    main, way = stack.of(["reset_handler"])
    handler, _ = stack.of(HANDLERS)
    return Sizes(
        flash=sum(flash.values()),
        ram=sum(ram.values()),
        stack=main + 2 * (EXCEPTION_FRAME + handler),  # an interrupt, and an NMI in it
        flash_of=dict(flash.most_common()),
        ram_of=dict(ram.most_common()),
        deepest=way,
        not_known=sorted(stack.unknown),
    )


def show(name: str, told: Sizes) -> None:
    print(f"{name}: flash {told.flash:,}, RAM {told.ram:,}, stack {told.stack:,} bytes")
    for part in {**told.flash_of, **told.ram_of}:
        print(f"  {part:20} {told.flash_of.get(part, 0):8,} {told.ram_of.get(part, 0):8,}")
    print("  deepest:", " > ".join(told.deepest))
    for each in told.not_known:
        print("  not known:", each)


def limit(text: str) -> tuple[str, str, int]:
    """Of "bootloader.flash=6144"."""
    found = re.fullmatch(rf"({'|'.join(PROGRAMS)})\.(flash|ram|stack)=(\d+)", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not like bootloader.flash=6144")
    return found[1], found[2], int(found[3])


def check(told: dict[str, Sizes], name: str, what: str, most: int) -> bool:
    """Whether it is too much, which is said."""
    taken: int = getattr(told[name], what)
    if taken > most:
        print(f"{name} takes {taken:,} bytes of {what}; LIMITS allow {most:,}", file=sys.stderr)
    return taken > most


def main() -> None:
    parser = argparse.ArgumentParser(description="What bootloader and application take.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--most", nargs="*", default=[], type=limit, metavar="PROGRAM.WHAT=BYTES")
    given = parser.parse_args()
    try:
        told = {name: report(given.folder, name) for name in PROGRAMS}
    except ValueError as error:
        sys.exit(f"no worst case of the stack: {error}")
    if given.json:
        print(json.dumps({name: asdict(each) for name, each in told.items()}, indent=1))
    else:
        for name, each in told.items():
            show(name, each)
    sys.exit(1 if sum(check(told, *each) for each in given.most) else 0)


if __name__ == "__main__":
    main()
