"""The contract holds the emulator on every part, and lets no broken device pass.

Every broken device here breaks one clause, and the run has to fail in the test of that name.
"""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from importlib import metadata, resources
from pathlib import Path

import pytest

from flash_emulator import (
    EmulatedFlash,
    Outcome,
    PowerLoss,
    PowerSupply,
    ProgramError,
    SteadySupply,
    load_part,
    part_names,
)
from flash_emulator.array.pages import Mark, RawUnit
from flash_emulator.parts.part_model import Aliasing, Overwrite
from tests.places import ROOT
from tests.thorough import THOROUGH, one_in

pytest_plugins = ["pytester"]

CONTRACT = ["--pyargs", "flash_emulator.contract", "-q", "-p", "no:cacheprovider"]
PLUGIN = (
    []
    if metadata.entry_points(group="pytest11", name="flash_emulator")
    else ["-p", "flash_emulator.pytest_plugin"]
)
"""The installed package brings the plugin along; a checkout that is not installed does not."""

TINY = replace(
    load_part("STM32L476xG"), name="tiny", sector_sizes=(64, 64, 256, 128), bank_starts=()
)


class Sound(EmulatedFlash):
    """What the broken ones are made of: two banks, sectors of three sizes, every outcome."""

    def __init__(self, **changes: object) -> None:
        super().__init__(replace(TINY, **changes))  # type: ignore[arg-type]

    def sector(self, address: int) -> int:
        """Size of the sector that starts at *address*."""
        return self.part.sector_starts[address - self.part.base]


def bits_clear() -> EmulatedFlash:
    return Sound(ecc=None, overwrite=Overwrite.CLEAR_BITS)


def swap_option() -> EmulatedFlash:
    h7 = load_part("STM32H743xI")
    return Sound(aliasing=Aliasing.SWAP_OPTION, options=h7.options)


# --- broken in what every device does


class DropsTheLastUnitOfASector(Sound):
    def program(self, address: int, data: bytes) -> None:
        if address + len(data) != self.part.base + 128:
            super().program(address, data)


class RefusesTheLastUnit(Sound):
    """An end that is taken for the last address."""

    def program(self, address: int, data: bytes) -> None:
        if address + len(data) >= self.part.base + self.part.size:
            raise ValueError("outside")
        super().program(address, data)


class ReadsPastTheEnd(Sound):
    def read(self, address: int, size: int) -> bytes:
        room = self.part.base + self.part.size - address
        return (
            super().read(address, min(size, max(room, 0)))
            if size > room > -9
            else super().read(address, size)
        )


class AlignsForTheCaller(Sound):
    def program(self, address: int, data: bytes) -> None:
        super().program(address - address % 8, data + b"\xff" * (-len(data) % 8))


class ErasesFromWithin(Sound):
    def erase(self, address: int) -> None:
        offset = address - self.part.base
        starts = [start for start in self.part.sector_starts if start <= offset]
        inside = starts and 0 <= offset < self.part.size
        super().erase(self.part.base + starts[-1] if inside else address)


class CallsItAnOSError(Sound):
    def erase(self, address: int) -> None:
        try:
            super().erase(address)
        except ValueError as error:
            raise OSError(str(error)) from error


class ErasesTheNeighbour(Sound):
    """The size of the first sector for all of them."""

    def erase(self, address: int) -> None:
        super().erase(address)
        if self.sector(address) == 64:
            self.cells.erase(address - self.part.base, 128)


class ErasesAllButTheLastUnit(Sound):
    def erase(self, address: int) -> None:
        end = address + self.sector(address)
        last = super().read(end - 8, 8)
        super().erase(address)
        if last != b"\xff" * 8:
            self.preload(end - 8, last)


class ErasesToZero(Sound):
    def read(self, address: int, size: int) -> bytes:
        return bytes(0 if byte == 0xFF else byte for byte in super().read(address, size))


class WritesOnlyOnce(Sound):
    """After the first erase of a sector its units read 0xFF and are not erased."""

    def erase(self, address: int) -> None:
        super().erase(address)
        self.cells.set_word((address - self.part.base) // 8, RawUnit((1 << 72) - 1))


class SpendsTheNextUnit(Sound):
    def program(self, address: int, data: bytes) -> None:
        super().program(address, data)
        after = (address - self.part.base + len(data)) // 8
        if data and after * 8 < self.part.size and self.cells.mark(after) is Mark.VIRGIN:
            self.cells.set_word(after, RawUnit((1 << 72) - 1))


class FlipsBitsUp(Sound):
    def program(self, address: int, data: bytes) -> None:
        try:
            super().program(address, data)
        except ProgramError:
            self.preload(address, data)


class DropsASecondProgram(Sound):
    def program(self, address: int, data: bytes) -> None:
        try:
            super().program(address, data)
        except ProgramError:
            return


class SpoilsWhatItRefuses(Sound):
    def program(self, address: int, data: bytes) -> None:
        try:
            super().program(address, data)
        except ProgramError as error:
            self.preload(error.address, bytes(8))
            raise


class RefusesAsAWhole(Sound):
    """A bulk program looks for units that are not erased before it begins."""

    def program(self, address: int, data: bytes) -> None:
        if not address % 8 and self.part.base <= address:
            first, count = (address - self.part.base) // 8, len(data) // 8
            room = min(count, self.part.size // 8 - first)
            if room > 0 and self.cells.virgin_run(first, room) < room:
                raise ProgramError("PROGERR", "not erased", address)
        super().program(address, data)


class SwapsTheHalvesOfABulk(Sound):
    def program(self, address: int, data: bytes) -> None:
        if len(data) > 64:
            half = len(data) // 16 * 8
            data = data[half:] + data[:half]
        super().program(address, data)


# --- broken in its banks


class MapsWithoutErases(Sound):
    """Reads and programs follow the mapping, erases go to the physical bank."""

    def erase(self, address: int) -> None:
        mapped, self._mapped = self._mapped, 0
        try:
            super().erase(address)
        finally:
            self._mapped = mapped


class MapsTheFirstSectorOnly(Sound):
    def read(self, address: int, size: int) -> bytes:
        data = super().read(address, size)
        if self._mapped:
            return data[:64] + bytes(len(data[64:]))
        return data


class TakesAnyBank(Sound):
    def map_bank(self, bank: int) -> None:
        super().map_bank(bank & 1)


class LosesTheMappingInSilence(Sound):
    """mapped_bank says what was asked for, not what is."""

    asked = 0

    @property
    def mapped_bank(self) -> int:
        return self.asked

    def map_bank(self, bank: int) -> None:
        super().map_bank(bank)
        self.asked = bank


# --- broken when power is lost


class IgnoresTheCut(Sound):
    @property
    def supply(self) -> PowerSupply:
        return SteadySupply()

    @supply.setter
    def supply(self, supply: PowerSupply) -> None:
        pass


class LosesPowerAsAnError(Sound):
    def program(self, address: int, data: bytes) -> None:
        try:
            super().program(address, data)
        except PowerLoss as loss:
            raise OSError(str(loss)) from None


class LivesOn(Sound):
    def program(self, address: int, data: bytes) -> None:
        self._powered = True
        super().program(address, data)


class AnswersReadsWithoutPower(Sound):
    def read(self, address: int, size: int) -> bytes:
        powered, self._powered = self._powered, True
        try:
            return super().read(address, size)
        finally:
            self._powered = powered


class CountsCalls(Sound):
    """A bulk program is one operation, as for a wrapper that sees calls and no units."""

    def program(self, address: int, data: bytes) -> None:
        supply, units = self.supply, len(data) // 8
        if units > 1 and self._powered:
            if supply.take(1) < 1:
                self._powered = False
                raise PowerLoss(supply.taken, supply.outcome, "program", address)
            self.supply = SteadySupply()
        try:
            super().program(address, data)
        finally:
            self.supply = supply


class ZeroesUncut(Sound):
    """A program over data has a way of its own, past the supply."""

    def program(self, address: int, data: bytes) -> None:
        if any(data) or not data or not self._powered:
            super().program(address, data)
        else:
            supply, self.supply = self.supply, SteadySupply()
            super().program(address, data)
            self.supply = supply


class CutTooLate(Sound):
    """A cut unit takes the one behind it along."""

    def program(self, address: int, data: bytes) -> None:
        try:
            super().program(address, data)
        except PowerLoss as loss:
            after = loss.address + 8
            if loss.kind == "program" and after < self.part.base + self.part.size:
                self.preload(after, bytes(8))
            raise


class SpendsUnitsBehindACut(Sound):
    """They read 0xFF, and cannot be programmed."""

    def program(self, address: int, data: bytes) -> None:
        try:
            super().program(address, data)
        except PowerLoss as loss:
            after = (loss.address - self.part.base) // 8 + 1
            if loss.kind == "program" and after * 8 < self.part.size:
                self.cells.set_word(after, RawUnit((1 << 72) - 1))
            raise


class TearsTheNextSector(Sound):
    def erase(self, address: int) -> None:
        try:
            super().erase(address)
        except PowerLoss as loss:
            after = address + self.sector(address)
            if loss.kind == "erase" and after < self.part.base + self.part.size:
                self.preload(after, bytes(8))
            raise


class ErasesMarksOnly(Sound):
    """What a cut made weak or consumed stays so through an erase: the data are FF, no more."""

    def erase(self, address: int) -> None:
        first, count = (address - self.part.base) // 8, self.sector(address) // 8
        scars = {u: r for u in range(first, first + count) if (r := self.cells.raw(u)) is not None}
        super().erase(address)
        for unit in scars:
            self.cells.set_word(unit, RawUnit((1 << 72) - 1))


class PanicsAtABadUnit(Sound):
    def read(self, address: int, size: int) -> bytes:
        try:
            return super().read(address, size)
        except OSError as error:
            raise RuntimeError(str(error)) from error


class FinishesWhatWasCut(Sound):
    """Does not offer the outcome BEFORE, and does not say so."""

    def program(self, address: int, data: bytes) -> None:
        try:
            super().program(address, data)
        except PowerLoss as loss:
            if loss.outcome is Outcome.BEFORE and loss.kind == "program":
                self.preload(loss.address, data[loss.address - address :][:8])
            raise


BROKEN = {
    DropsTheLastUnitOfASector: "test_a_program_reads_back",
    RefusesTheLastUnit: "test_a_program_reads_back",
    ReadsPastTheEnd: "test_unaligned_or_outside_is_a_valueerror_and_changes_nothing",
    AlignsForTheCaller: "test_unaligned_or_outside_is_a_valueerror_and_changes_nothing",
    ErasesFromWithin: "test_unaligned_or_outside_is_a_valueerror_and_changes_nothing",
    CallsItAnOSError: "test_unaligned_or_outside_is_a_valueerror_and_changes_nothing",
    ErasesTheNeighbour: "test_an_erase_restores_ff_over_exactly_one_sector",
    ErasesAllButTheLastUnit: "test_an_erase_of_a_full_sector_restores_all_of_it",
    ErasesToZero: "test_a_fresh_device_reads_ff",
    WritesOnlyOnce: "test_a_unit_is_programmable_after_each_erase",
    SpendsTheNextUnit: "test_programming_leaves_neighbours_alone",
    FlipsBitsUp: "test_programming_again_is_refused_or_clears_bits",
    DropsASecondProgram: "test_programming_again_is_refused_or_clears_bits",
    SpoilsWhatItRefuses: "test_programming_again_is_refused_or_clears_bits",
    RefusesAsAWhole: "test_the_units_before_a_refused_one_are_done",
    SwapsTheHalvesOfABulk: "test_a_bulk_program_equals_unit_by_unit",
    MapsWithoutErases: "test_programs_and_erases_go_where_the_cpu_looks",
    MapsTheFirstSectorOnly: "test_map_bank_exchanges_the_banks_and_nothing_else",
    TakesAnyBank: "test_mapping_a_bank_that_is_none_is_a_valueerror",
    LosesTheMappingInSilence: "test_a_power_on_takes_the_mapping_back_or_keeps_it",
    IgnoresTheCut: "test_a_cut_ends_the_call_with_what_no_handler_of_errors_catches",
    LosesPowerAsAnError: "test_a_cut_ends_the_call_with_what_no_handler_of_errors_catches",
    LivesOn: "test_nothing_in_a_finally_reaches_the_flash",
    AnswersReadsWithoutPower: "test_a_cut_leaves_the_device_dead_until_power_on",
    CountsCalls: "test_a_cut_in_a_bulk_program_equals_a_cut_in_single_calls",
    ZeroesUncut: "test_a_cut_in_a_program_over_data_touches_its_own_unit_only",
    CutTooLate: "test_a_cut_program_touches_its_own_unit_only",
    SpendsUnitsBehindACut: "test_units_behind_a_cut_program_are_still_erased",
    TearsTheNextSector: "test_a_cut_erase_touches_no_other_sector",
    ErasesMarksOnly: "test_an_erase_and_a_program_heal_what_a_cut_left",
    PanicsAtABadUnit: "test_a_read_after_a_cut_raises_nothing_but_oserror",
    FinishesWhatWasCut: "test_a_cut_program_leaves_what_its_outcome_says",
}


def run(pytester: pytest.Pytester, *options: str) -> tuple[set[str], set[str], set[str]]:
    """Names of the clauses that passed, were skipped, failed."""
    pytester.syspathinsert(ROOT)
    record = pytester.inline_run(*CONTRACT, *PLUGIN, *options)
    passed, skipped, failed = (
        {report.nodeid.partition("::")[2].partition("[")[0] for report in reports}
        for reports in record.listoutcomes()
    )
    assert passed | failed, "nothing was run"
    return passed, skipped, failed


def one_of_each_kind() -> list[str]:
    """Of parts whose flash follows the same rules, the one with the smallest sectors."""
    kinds: dict[tuple[object, ...], str] = {}
    for part in sorted(map(load_part, part_names()), key=lambda part: max(part.sector_sizes)):
        rules = part.program_unit, part.ecc, part.overwrite, part.aliasing
        kinds.setdefault(rules, part.name)
    return sorted(kinds.values())


@pytest.mark.parametrize("name", part_names() if THOROUGH else one_in(3, one_of_each_kind()))
def test_the_emulator_keeps_the_contract(pytester: pytest.Pytester, name: str) -> None:
    passed, skipped, failed = run(pytester, f"--flash-part={name}")
    assert not failed
    assert len(passed) >= 30
    banks = load_part(name).aliasing is not Aliasing.NONE
    assert skipped <= clauses_about_banks() | refusing(name), "power could not be cut"
    assert banks == ("test_map_bank_exchanges_the_banks_and_nothing_else" in passed)


def refusing(part: str) -> set[str]:
    """What has nothing to look at on a part that never programs a unit twice."""
    refuses = load_part(part).overwrite is Overwrite.FORBIDDEN
    return {"test_a_cut_in_a_program_over_data_touches_its_own_unit_only"} if refuses else set()


def clauses_about_banks() -> set[str]:
    text = (resources.files("flash_emulator") / "contract" / "test_banks.py").read_text("utf-8")
    return {
        *re.findall(r"^def (test_\w+)", text, re.MULTILINE),
        "test_mapping_a_bank_that_is_none_is_a_valueerror",
    }


@pytest.mark.parametrize("device", ["Sound", "bits_clear", "swap_option"])
def test_a_sound_device_keeps_the_contract(pytester: pytest.Pytester, device: str) -> None:
    _, skipped, failed = run(pytester, f"--flash-device={__name__}:{device}")
    assert not failed
    assert skipped <= {"test_a_cut_in_map_bank_leaves_one_bank_or_the_other"}


@pytest.mark.parametrize(("broken", "clause"), one_in(2, [*BROKEN.items()]))
def test_a_broken_device_fails_in_the_clause_that_it_breaks(
    pytester: pytest.Pytester, broken: type, clause: str
) -> None:
    _, _, failed = run(
        pytester, f"--flash-device={__name__}:{broken.__name__}", "-k", clause, "--tb=no"
    )
    assert clause in failed


# --- as others run it


def pytest_in(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", *CONTRACT, *PLUGIN, *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_it_runs_from_any_directory(tmp_path: Path) -> None:
    done = pytest_in(tmp_path, "--flash-part=STM32F103x8", "--flash-part=STM32L552xE")
    assert done.returncode == 0, done.stdout
    assert "STM32L552xE: zeros over data: old AND new" in done.stdout
    assert "STM32L552xE: mapping: kept" in done.stdout


def test_the_device_of_the_readme_passes_and_the_rest_is_skipped_with_reasons(
    tmp_path: Path,
) -> None:
    text = (resources.files("flash_emulator") / "contract" / "README.md").read_text("utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (tmp_path / "mymodule.py").write_text(code, encoding="utf-8")
    done = pytest_in(tmp_path, "--flash-device=mymodule:Ram", "-rs")
    assert done.returncode == 0, done.stdout
    assert "its power cannot be cut" in done.stdout
    assert "the device has one bank" in done.stdout
    assert "the device has no power_on" in done.stdout
    passed, _ = re.findall(r"(\d+) passed, (\d+) skipped", done.stdout)[0]
    assert int(passed) > 20


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--flash-device=mymodule"], "expected MODULE:CALLABLE, found 'mymodule'"),
        (["--flash-device=no_such:make"], "No module named 'no_such'"),
        (["--flash-device=json:no_such"], "json has no callable 'no_such'"),
        (["--flash-part=STM32F999"], "unknown part 'STM32F999'; known: STM32F103x8"),
        (["--flash-part=no_such.toml"], "no_such.toml"),
        (["--flash-device=json:loads", "--flash-part=STM32F103x8"], "not with --flash-device"),
    ],
)
def test_options_that_name_nothing_are_refused_before_anything_runs(
    tmp_path: Path, options: list[str], said: str
) -> None:
    done = pytest_in(tmp_path, *options)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_the_plugin_imports_nothing_for_those_who_do_not_use_it() -> None:
    program = (
        "import sys; import flash_emulator.pytest_plugin; "
        "print(sorted(m for m in sys.modules if m.startswith(('pytest', 'flash_emulator.con'))))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
