"""A reset in mid-operation, for subjects of any kind: searched, replayed, certified."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path as File
from typing import Any

import pytest

from flash_emulator import EmulatedFlash, load_part
from flash_emulator.certificate_check import confirm
from flash_emulator.explore import (
    Boot,
    ExternalState,
    Limits,
    Nothing,
    Run,
    Search,
    SearchOptions,
    Subject,
    Violation,
    replay,
)
from flash_emulator.explore.certificate import CertificateWriter

OFF, RESET = Nothing(), Nothing(b"reset")


@dataclass(frozen=True, slots=True)
class Counted(Subject):
    """It erases a sector and programs a unit. It must not start by a reset (*allowed*: it may)."""

    allowed: bool = True

    def boot(self, flash: EmulatedFlash, external: ExternalState) -> Boot:
        return CountedBoot(self, flash, external)

    def returned(self, flash: EmulatedFlash, external: ExternalState) -> EmulatedFlash:
        if external != RESET:
            return flash
        twin = flash.fork()
        twin.keep_power()
        return twin


@dataclass(frozen=True, slots=True)
class CountedBoot(Boot):
    subject: Counted
    flash: EmulatedFlash
    external: ExternalState

    def run(self) -> Run:
        assert self.flash.kept_power == (self.external == RESET)
        if self.flash.kept_power and not self.subject.allowed:
            raise Violation("safe", "started by a reset")
        yield ()
        start, unit = self.flash.part.base, self.flash.part.program_unit
        self.flash.erase(start)
        self.flash.program(start, bytes(unit))
        if self.flash.read(start, unit) != bytes(unit):
            raise Violation("live", "not programmed")
        return "at rest"

    def surviving(self) -> Sequence[tuple[str, ExternalState]]:
        return ("", OFF), ("reset", RESET)

    def volatile(self) -> bytes:
        return self.external.digest


def world(facts: dict[str, str]) -> tuple[Subject, EmulatedFlash, ExternalState]:
    return Counted(facts["allowed"] == "yes"), EmulatedFlash(load_part("STM32L476xG")), OFF


@pytest.mark.parametrize("merge", [True, pytest.param(False, marks=pytest.mark.thorough)])
def test_it_is_searched_and_certified(merge: bool, tmp_path: File) -> None:
    path, facts = tmp_path / "resets.cert.gz", {"allowed": "yes"}
    with path.open("wb") as stream:
        writer = CertificateWriter(stream, facts)
        options = SearchOptions(merge=merge)
        made = Search(*world(facts), options, observer=writer, began=writer.begin)
        report = made.run()
        writer.finish(report)
    assert report.complete
    assert not report.violations
    assert confirm(str(path), world).checked == report.states


def test_its_path_names_it() -> None:
    facts: dict[str, Any] = {"allowed": "no"}
    report = Search(*world(facts), SearchOptions(limits=Limits(violations=None))).run()
    paths = [str(found.path) for found in report.violations]
    assert paths
    assert all(path.endswith("~reset") for path in paths)
    subject, flash, external = world(facts)
    film = replay(subject, flash, external, report.violations[0].path)
    assert film.violation == ("safe", "started by a reset")
