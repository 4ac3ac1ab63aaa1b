"""Subjects small enough to be explored in a moment, as evidence is made of their searches."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from flash_emulator import EmulatedFlash
from flash_emulator.explore import (
    ExternalState,
    FunctionSubject,
    Limits,
    Nothing,
    Report,
    Run,
    Search,
    SearchOptions,
    Subject,
    Violation,
    replay,
)
from flash_emulator.explore.campaign import Campaign, Expectation, Result
from flash_emulator.explore.certificate import CertificateWriter
from flash_emulator.player import FlashMap
from tests.flash_emulator.tiny_silicon import BANK, BASE, SECTOR, UNIT, part, units

PAYLOAD = units(0, SECTOR // UNIT - 1)
DONE = b"complete"


def read(flash: EmulatedFlash, address: int, size: int) -> bytes | None:
    """None where a unit cannot be read."""
    try:
        return flash.read(address, size)
    except OSError:
        return None


# --- one that passes: all is done again unless its last unit says that it was done


def copy_once(flash: EmulatedFlash) -> Iterator[str]:
    if read(flash, BASE + len(PAYLOAD), UNIT) == DONE:
        return
    flash.erase(BASE)
    yield "erased"
    flash.program(BASE, PAYLOAD)
    yield "written"
    flash.program(BASE + len(PAYLOAD), DONE)


def is_copied(flash: EmulatedFlash) -> None:
    if read(flash, BASE, len(PAYLOAD)) != PAYLOAD:
        raise Violation("safe", "the payload is not there")


def three_copies(flash: EmulatedFlash) -> Iterator[int]:
    """Sector by sector; the first unit of each says that it was done."""
    for index in range(3):
        begin = BASE + index * SECTOR
        if read(flash, begin, UNIT) == DONE:
            continue
        flash.erase(begin)
        yield index
        flash.program(begin + UNIT, PAYLOAD)
        flash.program(begin, DONE)


def late_copy(flash: EmulatedFlash) -> Iterator[str]:
    """The same, with a point before anything was read."""
    yield "power is on"
    yield from copy_once(flash)


def matching_copy(flash: EmulatedFlash) -> Iterator[str]:
    """The same, but asks only whether the last unit holds what it should."""
    if flash.match(BASE + len(PAYLOAD), DONE) == UNIT:
        return
    yield "not done"
    flash.erase(BASE)
    flash.program(BASE, PAYLOAD + DONE)


# --- one that fails: two copies, and one that reads right is believed to stay so


def two_copies(flash: EmulatedFlash) -> Iterator[int]:
    """Counts to three, in sectors that take turns."""
    while True:
        counts = [count_in(flash, BASE + index * SECTOR) for index in range(2)]
        newest = max(counts)
        if newest < 1:
            raise Violation("safe", "no copy is left </script><script>document.title='!'</script>")
        if newest == 3:
            return
        yield newest
        other = BASE + SECTOR * (1 - counts.index(newest))
        flash.erase(other)
        flash.program(other, record(newest + 1))


def record(count: int) -> bytes:
    text = count.to_bytes(4, "little") + b"copy"
    return text + zlib.crc32(text).to_bytes(8, "little")


def count_in(flash: EmulatedFlash, address: int) -> int:
    data = read(flash, address, 2 * UNIT)
    count = int.from_bytes(data[:4], "little") if data is not None else 0
    return count if data == record(count) else 0


# --- one that never ends where a unit was torn


def waiting(flash: EmulatedFlash) -> Iterator[str]:
    if read(flash, BASE, UNIT) not in (b"\xff" * UNIT, DONE):
        while True:
            yield "waiting"
    if read(flash, BASE, UNIT) != DONE:
        flash.program(BASE, DONE)


# --- one that holds more than flash, and may be cut between operations


@dataclass(frozen=True)
class Told:
    """How often the other side was told, up to once."""

    times: int

    @property
    def digest(self) -> bytes:
        return bytes([self.times])


@dataclass
class TellingBoot:
    """Copies, tells the other side, notes that it did. The other side may have lost its power."""

    flash: EmulatedFlash
    external: Told
    strict: bool
    said: list[str] = field(default_factory=list)

    def run(self) -> Run:
        yield from copy_once(self.flash)
        self.said.append("copied <script>document.title = 'x'</script><b>all</b>")
        if self.flash.watch is not None:
            self.flash.watch.moment()
        self.external = Told(1)
        yield "reported"
        if self.strict and read(self.flash, BASE + SECTOR, UNIT) is None:
            raise Violation("reported", "the note cannot be read <img src=x onerror=alert(2)>")
        if read(self.flash, BASE + SECTOR, UNIT) != DONE:
            self.flash.erase(BASE + SECTOR)
            self.flash.program(BASE + SECTOR, DONE)
        self.said.append("noted")
        return "reported"

    def surviving(self) -> Sequence[tuple[str, ExternalState]]:
        return (("", self.external), ("other", Told(0)))

    def volatile(self) -> bytes:
        return self.external.digest

    def words(self) -> list[str]:
        said, self.said = self.said, []
        return said


@dataclass(frozen=True)
class Telling(Subject):
    strict: bool = False

    def boot(self, flash: EmulatedFlash, external: ExternalState) -> TellingBoot:
        assert isinstance(external, Told)
        return TellingBoot(flash, external, self.strict)


# --- worlds: subject, flash and external state by name


World = tuple[Subject, EmulatedFlash, ExternalState]


def world(facts: Mapping[str, str]) -> World:
    """What the header of a certificate, or a test, asks for."""
    ecc = facts.get("ecc", "yes") == "yes"
    flash = EmulatedFlash(part(ecc=ecc), seed=int(facts.get("seed", "0")))
    match facts["toy"]:
        case "copy":
            return FunctionSubject(copy_once, is_copied), flash, Nothing()
        case "three copies":
            return FunctionSubject(three_copies), flash, Nothing()
        case "matching":
            return FunctionSubject(matching_copy), flash, Nothing()
        case "late":
            return FunctionSubject(late_copy, is_copied), flash, Nothing()
        case "two copies":
            flash.preload(BASE, record(1))
            return FunctionSubject(two_copies), flash, Nothing()
        case "waiting":
            return FunctionSubject(waiting), flash, Nothing()
        case "telling":
            return Telling(), flash, Told(0)
        case "strict":
            return Telling(strict=True), flash, Told(0)
        case other:
            raise ValueError(other)


def explored(facts: Mapping[str, str], options: SearchOptions | None = None) -> Report:
    return Search(*world(facts), options).run()


def certified(
    path: Path, facts: Mapping[str, str], options: SearchOptions | None = None
) -> tuple[Report, str]:
    """Explore, with a certificate at *path*; the report and the certificate's head."""
    with path.open("wb") as file:
        writer = CertificateWriter(file, facts)
        search = Search(*world(facts), options, observer=writer, began=writer.begin)
        report = search.run()
        return report, writer.finish(report)


# --- a campaign of them

REGIONS = {
    "bank A": (0, BANK),
    "slot A": (0, 3 * SECTOR),
    "trailer A": (3 * SECTOR, SECTOR),
    "bank B": (BANK, BANK),
}


def result(toy: str, options: SearchOptions | None = None, **fields: Any) -> Result:
    """The search of one toy, with films of its shortest counterexamples."""
    subject, flash, external = world({"toy": toy})
    report = Search(subject, flash, external, options).run()
    films = tuple(replay(subject, flash, external, found.path) for found in report.violations[:3])
    facts = {"part": flash.part.name, "toy": toy, "seed": "0"}
    array = FlashMap.of(flash.part, REGIONS)
    return Result(f"tiny/{toy}", report, array, facts, films, **fields)


@cache
def campaign() -> Campaign:
    """One of every verdict."""
    few = SearchOptions(limits=Limits(cuts=1))
    array = result("copy").array
    return Campaign(
        'Power loss <of toys> & "others"',
        (
            result("copy", certificate="0f" * 32),
            result("two copies"),
            result("telling", few),
            result("strict", SearchOptions(limits=Limits(violations=3))),
            result("waiting", expectation=Expectation.HAZARD),
            replace(result("late", expectation=Expectation.HAZARD), name="tiny/late"),
            Result("tiny/rng", None, array, error="the same state does not do the same twice"),
        ),
        created="2026-01-02T03:04:05",
        command="mcu-updater powerloss replay",
    )
