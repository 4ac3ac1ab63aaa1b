"""Firmware that others released, booted on the machine: how far each comes, and all single cuts.

Each image is fetched by the name of its package when this is run, believed only with the SHA-256
written here, and kept in `.cache/`; nothing of it is in this repository. What stands before an
image on its board, a bootloader that nobody publishes, is stood for by a copy of its vectors.

    python -m benchmarks.foreign_firmware [NAME ...]
"""

from __future__ import annotations

import argparse
import io
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

import bincopy

from benchmarks.foreign_packages import Archive, Deb, Npm, OutOfReach
from flash_emulator import Part, load_part
from flash_emulator.explore import Search, SearchOptions
from flash_emulator.explore.report import Limits as SearchLimits
from flash_emulator.machine.board import Board, Image, Questions
from flash_emulator.machine.machine import Machine
from flash_emulator.machine.rest import Ended, Limits
from flash_emulator.machine.subject import FirmwareSubject

PYBRICKS = Npm(
    "@pybricks/firmware",
    "7.28.0",
    "pybricks-firmware-7.28.0.tgz",
    "9962aaa78e02d49e10d3c9db93768f98d36165ccdda6176a077e6c360ce52198",
)
PARTICLE = Npm(
    "particle-cli",
    "3.43.1",
    "particle-cli-3.43.1.tgz",
    "7d74f2bcb0dad7c7d0bfca19d795fb5ae2735de8e69569c23a2c02ee23169e0d",
)
ALTOS = Deb("altos", "1.9.16")

VECTORS = 0x200  # bytes of an image that stand for the loader before it
INSTRUCTIONS = 2_000_000
SEARCH_S = 60.0
_BLOCK = 0x400


@dataclass(frozen=True, slots=True)
class Foreign:
    """*path* in *archive*; *member* of the ZIP that it is. *like*: the packaged part that its chip
    is an other size of, with *sectors*. *base*: where a file without addresses lies."""

    name: str
    maker: str
    archive: Archive
    path: str
    part: str
    like: str
    sectors: tuple[tuple[int, int], ...]
    base: int = 0
    member: str = ""
    sha256: str = ""

    def chip(self) -> Part:
        sizes = tuple(size for count, size in self.sectors for _ in range(count))
        return replace(load_part(self.like), name=self.part, sector_sizes=sizes)

    def image(self) -> Image:
        """Raises OutOfReach."""
        data = self.archive.read(self.path, self.sha256)
        if self.member:
            with zipfile.ZipFile(io.BytesIO(data)) as packed:
                data = packed.read(self.member)
        if not self.path.endswith(".ihx"):
            return Image(self.name, self.base, data)
        lines = data.decode("ascii").splitlines()
        file = (
            bincopy.BinFile()
        )  # symbols follow the end of the file, as records of a type of its own
        file.add_ihex("\n".join(line for line in lines if line[7:9] in ("00", "01", "04", "05")))
        return Image(self.name, file.minimum_address, bytes(file.as_binary()))


def _hub(name: str, part: str, like: str, base: int, *sectors: tuple[int, int]) -> Foreign:
    path = f"package/build/{name}.zip"
    return Foreign(
        f"pybricks {name}",
        "Pybricks",
        PYBRICKS,
        path,
        part,
        like,
        sectors,
        base,
        "firmware-base.bin",
    )


def _altos(name: str, sha256: str) -> Foreign:
    return Foreign(
        f"altos {name}",
        "Altus Metrum",
        ALTOS,
        f"{name}-1.9.16.ihx",
        "STM32F042x6",
        "STM32F103x8",
        ((32, 1024),),
        sha256=sha256,
    )


F413 = (4, 0x4000), (1, 0x1_0000), (11, 0x2_0000)
FIRMWARE = (
    _hub("movehub", "STM32F070xB", "STM32F103xB", 0x0800_5000, (64, 2048)),
    _hub("cityhub", "STM32F030xC", "STM32F103xB", 0x0800_5000, (128, 2048)),
    _hub("technichub", "STM32L476xG", "STM32L476xG", 0x0800_8000, (256, 2048)),
    _hub("primehub", "STM32F413xH", "STM32F407xG", 0x0800_8000, *F413),
    _hub("essentialhub", "STM32F413xH", "STM32F407xG", 0x0800_8000, *F413),
    _altos("chaoskey-v1.0", "3d01b6790f1bd7a1dad923d54709afcba6556b09f13e4f383f03ce28adc5d19f"),
    _altos("telemini-v3.0", "c98f28b3ccfec5d06e70ad06eabfe92b340a3576f4b2ddfc28e877461e59fdc1"),
    Foreign(
        "core tinker",
        "Particle",
        PARTICLE,
        "package/assets/knownApps/core/tinker/core_tinker.bin",
        "STM32F103xB",
        "STM32F103xB",
        ((128, 1024),),
        0x0800_5000,
    ),
)


def board(foreign: Foreign) -> Board:
    image, part = foreign.image(), foreign.chip()
    images = [image]
    if image.address != part.base:
        images.append(Image("vectors", part.base, image.data[:VECTORS]))
    return Board(
        part,
        tuple(images),
        questions=Questions(safe=False, rests_in=("budget", "loop", "sleep")),
        limits=Limits(instructions=INSTRUCTIONS, resets=4),
    )


def said(machine: Machine, ended: Ended) -> Iterator[str]:
    """What the boot did, in words."""
    entered = Counter(name for name, _ in machine.record.exceptions)
    yield {"budget": "goes on"}.get(ended.kind, f"{ended.kind}: {ended.text}")
    yield f"{machine.now_us / 1e6:.1f} s of its time"
    for name, count in entered.most_common():
        yield f"{name} {count:,} times"
    if machine.record.resets:
        resets = Counter(machine.record.resets)
        yield ", ".join(f"reset by {why} {count} times" for why, count in resets.items())
    if machine.record.output:
        yield f"sends {bytes(machine.record.output[:24])!r}"
    for address, pc in machine.met.polls:
        yield f"helped over a poll of 0x{address:08X} at 0x{pc:08X}"
    blocks = Counter[int]()
    for address, count in machine.met.registers.items():
        blocks[address // _BLOCK * _BLOCK] += count
    if blocks:
        yield "not modelled: " + ", ".join(f"0x{at:08X}" for at, _ in blocks.most_common(3))


def all_single_cuts(made: Board) -> str:
    report = Search(
        FirmwareSubject(made),
        made.flash(),
        options=SearchOptions(
            limits=SearchLimits(cuts=1, violations=1, time_s=SEARCH_S, boot_s=30)
        ),
    ).run()
    if report.violations:
        return str(report.violations[0])
    stopped = f", not all in {SEARCH_S:g} s" if report.stopped_by == "time" else ""
    return f"{report.cuts:,} cuts, nothing found{stopped}"


def row(foreign: Foreign) -> tuple[str, ...]:
    """Raises OutOfReach."""
    made = board(foreign)
    machine, flash = made.machine(), made.flash()
    flash.power_on()
    began = time.process_time()
    ended = machine.boot(flash)
    seconds = time.process_time() - began
    none = "no flash operation, nothing to cut"
    verdict = all_single_cuts(made) if machine.record.operations else none
    told = "; ".join(said(machine, ended))
    return foreign.name, foreign.maker, foreign.part, told, verdict, f"{seconds:.1f} s"


def main() -> None:
    parser = argparse.ArgumentParser(description="Boot firmware of others.")
    parser.add_argument("names", nargs="*", help="only images whose name holds one of these")
    given = parser.parse_args()
    print(
        "| image | from | part | what it does | all single cuts | CPU |\n|---|---|---|---|---|---|"
    )
    for foreign in FIRMWARE:
        if given.names and not any(name in foreign.name for name in given.names):
            continue
        try:
            print("| " + " | ".join(row(foreign)) + " |", flush=True)
        except OutOfReach as error:
            print(
                f"| {foreign.name} | {foreign.maker} | {foreign.part} | out of reach: {error} | | |"
            )


if __name__ == "__main__":
    main()
