"""What bootloader and application take, from the linker's maps and the compiler's call graphs.

python3 size_report.py build [--json]
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

PARTS = {
    "bootloader": ("fwu_boot", "fwu_install"),
    "journal and flash": ("fwu_journal", "fwu_flash", "fwu_bytes", "fwu_layout", "fwu_tables"),
    "digests": ("fwu_sha256", "fwu_md5", "fwu_hash"),
    "AT client": ("fwu_at", "fwu_client", "fwu_link", "fwu_reader", "fwu_event", "fwu_module"),
    "decoders": ("fwu_image", "fwu_decoder", "fwu_hex", "fwu_srec", "fwu_sniff", "fwu_record"),
    "updater": ("fwu_",),
    "compiler's library": ("lib",),
}
"""By how an object's name begins; what fits none is the chip's: start-up code and HAL."""

EXCEPTION_FRAME = 32  # bytes that the core pushes
CODE, RAM, BOTH = (".text",), (".bss", ".kept"), (".data",)
_OUTPUT = re.compile(r"^(\.\w+)\s+0x[0-9a-f]+\s+0x[0-9a-f]+", re.MULTILINE)
_INPUT = re.compile(r"^ (\.\S+|COMMON)\s+0x[0-9a-f]+\s+(0x[0-9a-f]+)\s+(\S+)$", re.MULTILINE)


def part_of(file: str) -> str:
    """Which part of a program an object belongs to."""
    name = Path(re.sub(r"^.*\((.*)\)$", r"lib\1", file)).name
    for part, begins in PARTS.items():
        if name.startswith(begins):
            return part
    return "start-up and HAL"


def sizes(text: str) -> tuple[Counter[str], Counter[str]]:
    """Bytes of flash and of RAM, by part, of a linker's map."""
    text = text[text.index("Linker script and memory map") :].replace("\n     ", " ")
    text = re.sub(r"\n (\.\S+)\n\s+", r"\n \1 ", text)
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


def worst_stack(folder: Path, first: Iterable[str]) -> tuple[int, list[str], list[str]]:
    """Bytes on the deepest way down from any of *first*, that way, and what cannot be known.

    Raises ValueError where functions call themselves: then there is no worst case.
    """
    frames: dict[str, int] = {}
    calls: dict[str, set[str]] = {}
    unknown: set[str] = set()
    for file in folder.rglob("*.ci"):
        text = file.read_text()
        for title, bytes_, kind in re.findall(
            r'title: "([^"]+)" label: "[^"]*?(\d+) bytes \((\w+)', text
        ):
            frames[title] = int(bytes_)
            if kind != "static":
                unknown.add(f"{title} takes more where its loops say so")
        for source, target in re.findall(r'sourcename: "([^"]+)" targetname: "([^"]+)"', text):
            calls.setdefault(source, set()).add(target)
    done: dict[str, tuple[int, list[str]]] = {}

    def deepest(name: str, above: tuple[str, ...]) -> tuple[int, list[str]]:
        if name in above:
            raise ValueError(f"{name} calls itself: {' > '.join(above)}")
        if name not in done:
            if name == "__indirect_call":
                unknown.add(f"{above[-1]} calls through a pointer")
            elif name not in frames:
                unknown.add(f"{name} is the compiler's library, counted as 16 bytes")
            ways = [deepest(each, (*above, name)) for each in sorted(calls.get(name, ()))]
            below, way = max(ways, default=(0, []))
            done[name] = frames.get(name, 16) + below, [name.rpartition(":")[2], *way]
        return done[name]

    starts = [each for each in frames if each.rpartition(":")[2] in set(first)]
    depth, way = max((deepest(each, ()) for each in starts), default=(0, []))
    return depth, way, sorted(unknown)


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
    flash, ram = sizes((folder / f"{name}.map").read_text())
    main, way, unknown = worst_stack(folder / name, ("reset_handler",))
    handlers = ("systick_interrupt", "serial_interrupt", "nmi_handler")
    handler, _, _ = worst_stack(folder / name, handlers)
    return Sizes(
        flash=sum(flash.values()),
        ram=sum(ram.values()),
        stack=main + 2 * (EXCEPTION_FRAME + handler),  # an interrupt, and an NMI in it
        flash_of=dict(flash.most_common()),
        ram_of=dict(ram.most_common()),
        deepest=way,
        not_known=unknown,
    )


def show(name: str, told: Sizes) -> None:
    print(f"{name}: flash {told.flash:,}, RAM {told.ram:,}, stack {told.stack:,} bytes")
    for part in {**told.flash_of, **told.ram_of}:
        print(f"  {part:20} {told.flash_of.get(part, 0):8,} {told.ram_of.get(part, 0):8,}")
    print("  deepest:", " > ".join(told.deepest))
    for each in told.not_known:
        print("  not known:", each)


def main() -> None:
    parser = argparse.ArgumentParser(description="What bootloader and application take.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    told = {name: report(given.folder, name) for name in ("bootloader", "application")}
    if given.json:
        print(json.dumps({name: asdict(each) for name, each in told.items()}, indent=1))
        return
    for name, each in told.items():
        show(name, each)


if __name__ == "__main__":
    main()
