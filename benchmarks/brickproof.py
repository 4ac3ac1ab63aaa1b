"""44 demo builds of `brickproof-fw`, with verdicts that their author gave, judged here.

`brickproof-fw` (PyPI, Apache-2.0) comes with an A/B bootloader for several chips, in right builds
and in builds with one known fault each, as ELF files. What each must do is said in its package:
some fail with no cut at all, some at one clean cut, some only where an operation is torn, some only
at a second cut; some take an older or a damaged image. They are fetched by name when this is run
and kept in `.cache/`; nothing of them is in this repository.

    python benchmarks/brickproof.py [NAME ...] [--all-outcomes]

A demo is judged step by step, and the first step that finds something is its verdict:

1. one boot, no cut: the update must be installed and run;
2. every single clean cut;
3. the older image is staged after every single clean cut: it must not run (rollback);
4. images with a fault in them are staged: none of them may run, and the old one must;
5. every single cut, torn operations included;
6. every pair of clean cuts.
"""

from __future__ import annotations

import argparse
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.foreign_packages import Wheel
from flash_emulator import CutAt, EmulatedFlash, Outcome, PowerLoss, load_part
from flash_emulator.explore import Search, SearchOptions
from flash_emulator.explore.report import Limits as SearchLimits
from flash_emulator.machine.board import Board, Image, Questions, Slot
from flash_emulator.machine.image_files import read_firmware
from flash_emulator.machine.rest import Limits, Rests
from flash_emulator.machine.subject import FirmwareSubject
from flash_emulator.subject import Violation

WHEEL = Wheel(
    "brickproof-fw",
    "0.4.0",
    "brickproof_fw-0.4.0-py3-none-any.whl",
    "fbfb5f042da5a976e950f2974815a02fdce6dd345ade88eac5a34ce0835aa9a0",
)
BUILDS = "brickproof/demo/firmware/prebuilt"
F411 = Path(__file__).parent / "STM32F411xE.toml"

CLEAN = (Outcome.BEFORE, Outcome.AFTER)
TORN = (*CLEAN, Outcome.TORN)
HEADER, BODY = 0x10, 0x200  # offsets in an image: where its header ends, where its code begins
ERASED = b"\xff"


@dataclass(frozen=True, slots=True)
class Chip:
    """What the demo's description says of one chip. Ranges: address, size."""

    part: str
    prefix: str
    application: tuple[int, int]
    staged: int
    floor: int
    loader: tuple[int, int]


CHIPS = {
    "f103": Chip(
        "STM32F103xB", "", (0x0800_2000, 0xE000), 0x0801_0000, 0x0801_E000, (0x0800_0000, 0x2000)
    ),
    "f411": Chip(
        str(F411), "f411_", (0x0802_0000, 0x2_0000), 0x0804_0000, 0x0800_4000, (0x0800_0000, 0x4000)
    ),
    "l476": Chip(
        "STM32L476xG",
        "l476_",
        (0x0802_0000, 0x2_0000),
        0x0804_0000,
        0x0800_4000,
        (0x0800_0000, 0x4000),
    ),
}

RIGHT, NO_CUT, DAMAGED, CLEAN_CUT, ROLLBACK, TORN_CUT, TWO_CUTS, NOT_RUN = (
    "right",
    "no cut",
    "damaged image",
    "one clean cut",
    "rollback after one clean cut",
    "one torn operation",
    "two clean cuts",
    "not run",
)


@dataclass(frozen=True, slots=True)
class Demo:
    """One build, and what its author says of it. *options*: bytes that differ from the delivered
    ones; *protects*: whether the loader is write-protected, and the application by mistake.
    *compares*: it resumes by comparing, and looks at all that it wrote: nothing can be merged.
    *inside*: what the author takes for two operations is one of the chip's, OPTSTRT of F4, which
    erases option bytes and programs them: a cut between the two tears it."""

    chip: str
    build: str
    documented: str
    protects: str = "loader"
    wake_us: float | None = None
    watchdog: bool = False
    compares: bool = False
    inside: bool = False
    variant: str = ""

    @property
    def name(self) -> str:
        return f"{self.chip} {self.variant or self.build or 'bootloader'}"


def _demos() -> Iterator[Demo]:
    for chip in CHIPS:
        yield Demo(chip, "", RIGHT)
        yield Demo(chip, "hold_pg", RIGHT)
        for build in ("early_unpg", "no_erase", "no_unlock", "pop_after_switch"):
            yield Demo(chip, f"bug_{build}", NO_CUT)
        yield Demo(chip, "", NO_CUT, protects="application", variant="protected_slot")
        yield Demo(chip, "bug_consume_first", CLEAN_CUT)
        yield Demo(chip, "bug_naive_floor", ROLLBACK)
        yield Demo(chip, "bug_trust_header", CLEAN_CUT)
        yield Demo(chip, "bug_retry_limit", TWO_CUTS)
        if chip != "f411":
            yield Demo(chip, "bug_resume_copy", TORN_CUT, compares=True)
        if chip == "l476":
            yield Demo(chip, "bug_no_ecc_nmi", TORN_CUT)
            continue
        yield Demo(chip, "standby", RIGHT, wake_us=200_000)
        yield Demo(chip, "bug_standby_ram", NO_CUT, wake_us=200_000)
        yield Demo(chip, "bug_self_lock", CLEAN_CUT, protects="", inside=chip == "f411")
        yield Demo(chip, "", RIGHT, watchdog=True, variant="watchdog")
    yield Demo("f411", "bug_watchdog", NO_CUT, watchdog=True)


DEMOS = tuple(_demos())
NOR = "the staged image lies in a NOR flash on SPI1: no SPI is modelled"
EEPROM = "the floor lies in an EEPROM on I2C1: no I2C is modelled"
OUT_OF_REACH = {
    "f411 ext": NOR,
    "f411 ext_bug_consume_first": NOR,
    "f411 ee": EEPROM,
    "f411 ee_bug_no_invalidate": EEPROM,
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """*found*: one of the kinds above; *text*: what was found, and how to come there."""

    demo: Demo
    found: str
    text: str
    cuts: int
    boots: int
    seconds: float

    @property
    def agrees(self) -> bool:
        return self.found == (TORN_CUT if self.demo.inside else self.demo.documented)


# --- boards


def image(folder: Path, chip: Chip, version: int) -> Image:
    data = (folder / f"{chip.prefix}app_v{version}.img").read_bytes()
    return Image(f"v{version}", chip.application[0], data)


def board(demo: Demo, folder: Path, *, staged: bytes | None = None, wanted: str = "v2") -> Board:
    """The device as shipped: v1 runs, floor at 1, and *staged* (v2) asks to be installed."""
    chip = CHIPS[demo.chip]
    part = load_part(chip.part)
    build = f"_{demo.build}" if demo.build else ""
    loader = read_firmware(folder / f"{chip.prefix}bootloader{build}.elf", part)
    old, new = image(folder, chip, 1), image(folder, chip, 2)
    floor = Image("floor", chip.floor, (folder / "meta_floor1.bin").read_bytes())
    protected = {"loader": (chip.loader,), "application": (chip.loader, chip.application)}
    return Board(
        part,
        (*loader.images, old, floor, Image("staged", chip.staged, staged or new.data)),
        slots=(Slot("application", *chip.application, entry="any"),),
        questions=Questions(published=(old, new), wanted=wanted),
        rests=Rests(texts=(b"APP v1", b"APP v2")),
        limits=Limits(instructions=1_000_000, resets=8),
        stack_floor=loader.stack_floor,
        protected=protected.get(demo.protects, ()),
        options={"WDG_SW": 0} if demo.watchdog else {},
        wake_us=demo.wake_us,
    )


def damaged_images(good: bytes) -> dict[str, bytes]:
    """Images that must not be installed: cut off, with one bit wrong, erased."""
    size = BODY + _body_size(good)
    found = {
        f"cut off at {at}": good[:at] + ERASED * (size - at) + good[size:]
        for at in (size // 4, size // 2, 3 * size // 4, size - 4)
    }
    for place, at in {"header": HEADER // 2, "body": (BODY + size) // 2}.items():
        found[f"a bit of the {place} wrong"] = good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :]
    found["erased"] = ERASED * len(good)
    return found


def _body_size(good: bytes) -> int:
    """The header's third word."""
    return int(struct.unpack_from("<I", good, 8)[0])


# --- judging


def search(
    made: Board, outcomes: tuple[Outcome, ...], cuts: int, *, merge: bool = True
) -> tuple[str, int, int]:
    limits = SearchLimits(cuts=cuts, violations=1, boot_s=60)
    options = SearchOptions(outcomes=outcomes, limits=limits, merge=merge)
    report = Search(FirmwareSubject(made), made.flash(), options=options).run()
    found = str(report.violations[0]) if report.violations else ""
    return found, report.cuts, report.boots


def ended_wrong(made: Board, flash: EmulatedFlash) -> str:
    """What is wrong with a boot that nothing interrupts; "" where nothing is."""
    flash.power_on()
    try:
        for _ in FirmwareSubject(made).boot(flash, None).run():  # type: ignore[arg-type]
            pass
    except Violation as violation:
        return str(violation)
    return ""


def damaged_is_taken(demo: Demo, folder: Path) -> tuple[str, int, int]:
    good = image(folder, CHIPS[demo.chip], 2).data
    images = damaged_images(good)
    for name, data in images.items():
        made = board(demo, folder, staged=data, wanted="v1")
        if wrong := ended_wrong(made, made.flash()):
            return f"{name}: {wrong}", 0, len(images)
    return "", 0, len(images)


def rolls_back(demo: Demo, folder: Path) -> tuple[str, int, int]:
    """The old image is staged when the update is done, cut or not."""
    chip = CHIPS[demo.chip]
    made, old = board(demo, folder), image(folder, CHIPS[demo.chip], 1)
    machine, cuts = made.machine(), 0
    while True:
        for outcome in CLEAN:
            flash = made.flash()
            flash.power_on()
            flash.supply = CutAt(cuts + 1, outcome)
            with suppress(PowerLoss):
                machine.boot(flash)
                return "", 2 * cuts, 6 * cuts
            flash = flash.fork()
            flash.power_on()
            machine.boot(flash)
            flash = flash.fork()
            flash.preload(chip.staged, old.data)
            flash.power_on()
            machine.boot(flash)
            if bytes(machine.record.output).endswith(b"APP v1"):
                return f"v1 runs again [{cuts + 1}{outcome[0]}]", 2 * cuts, 6 * cuts
        cuts += 1


def judge(demo: Demo, folder: Path) -> Verdict:
    made, began = board(demo, folder), time.process_time()
    steps: tuple[tuple[str, Callable[[], tuple[str, int, int]]], ...] = (
        (NO_CUT, lambda: (ended_wrong(made, made.flash()), 0, 1)),
        (CLEAN_CUT, lambda: search(made, CLEAN, 1)),
        (ROLLBACK, lambda: rolls_back(demo, folder)),
        (DAMAGED, lambda: damaged_is_taken(demo, folder)),
        (TORN_CUT, lambda: search(made, TORN, 1, merge=not demo.compares)),
        (TWO_CUTS, lambda: search(made, CLEAN, 2)),
    )
    cuts = boots = 0
    for kind, step in steps:
        text, more_cuts, more_boots = step()
        cuts, boots = cuts + more_cuts, boots + more_boots
        if text:
            return Verdict(demo, kind, text, cuts, boots, time.process_time() - began)
    return Verdict(demo, RIGHT, "", cuts, boots, time.process_time() - began)


def beyond(demo: Demo, folder: Path) -> str:
    """What weak and metastable units add, within two cuts, where the author finds nothing."""
    text, cuts, _ = search(board(demo, folder), tuple(Outcome), 2)
    return text or f"nothing in {cuts:,} cuts"


def main() -> None:
    parser = argparse.ArgumentParser(description="Judge the demo builds of brickproof-fw.")
    parser.add_argument("names", nargs="*", help="only demos whose name holds one of these")
    parser.add_argument(
        "--all-outcomes",
        action="store_true",
        help="search right ones with weak and metastable units, too",
    )
    given = parser.parse_args()
    folder = WHEEL.unpacked() / BUILDS
    for demo in DEMOS:
        if given.names and not any(name in demo.name for name in given.names):
            continue
        verdict = judge(demo, folder)
        sign = " " if verdict.agrees else "!"
        print(
            f"{sign} {demo.name:28} {demo.documented:28} {verdict.found:28} {verdict.cuts:6} "
            f"{verdict.seconds:5.1f} s  {verdict.text}",
            flush=True,
        )
        if given.all_outcomes and verdict.found == RIGHT:
            print(f"    all outcomes, two cuts: {beyond(demo, folder)}", flush=True)


if __name__ == "__main__":
    main()
