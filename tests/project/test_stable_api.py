"""The names that users may rely on: each is there, and none goes unsaid in the changelog."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

ERRORS = (
    "ChipRefused ImageRejected LinkError ModuleRefused NoBootloader PackageDamaged "
    "PortError Reverted RolledBack UntrustedImage UpdaterError UsageError "
    "VerificationFailed"
)
STABLE = {
    "flash_emulator": (
        "AlignmentError BusFault BusyError CutAt Decay EccNmi EmulatedFlash EnduranceWarning "
        "FlashError Interrupted MetastableMode Operation Outcome Part PartError PowerLoss "
        "PowerSupply ProgramError ReadProtected SteadySupply Trace UnknownContent UnknownTiming "
        "UnreadableUnit Usage VirtualClock Watch WriteProtected load_part load_part_file "
        "other_size_names part_names"
    ),
    "flash_emulator.explore": (
        "ALL_METASTABLE_MODES ALL_OUTCOMES Boot Check Counterexample Cut ExternalState Film Frame "
        "FunctionSubject Growth Kind Limits Nothing Path PathLeft Point Processes Progress Report "
        "Run Search SearchOptions SelfCheckFailed Subject Violation explore growth replay shrink "
        "tag_of"
    ),
    "mcu_updater": (
        f"{ERRORS} BankSwitch Board BytePort Clock Event FlashDevice Geometry ImageFile Layout "
        "MemoryImage OtaModule Package Plan Policy Strategy Trial Updater load_board read_image "
        "save_board"
    ),
    "mcu_updater.stm32": (
        "WIRINGS Chip ConnectOptions Connection DiffMethod Firmware FlashOptions FlashPlan "
        "FlashTimes Flasher FlasherEvent RomLine Sector Segment Timeouts Wiring "
        "chip_of_geometry connect join look make_plan"
    ),
}
"""A name that leaves this table, or comes to it, is a line in CHANGELOG.md."""


@pytest.mark.parametrize("package", STABLE)
def test_a_package_offers_the_stable_names_and_no_other(package: str) -> None:
    module = import_module(package)
    assert sorted(module.__all__) == sorted(STABLE[package].split())
    for name in module.__all__:
        assert getattr(module, name) is not None
    assert not {name for name in module.__all__ if name.startswith("_")}


@pytest.mark.parametrize("package", ["mcu_updater", "mcu_updater.stm32", "flash_emulator"])
def test_a_name_that_is_not_offered_is_an_attribute_error(package: str) -> None:
    with pytest.raises(AttributeError, match=rf"module '{package}' has no attribute 'Nonsense'"):
        _ = import_module(package).Nonsense


def loaded_by(statement: str) -> set[str]:
    """Top-level packages and modules outside of the standard library that *statement* imports."""
    code = (
        f"import sys; before = set(sys.modules); {statement}\n"
        "files = {m: getattr(sys.modules[m], '__file__', '') for m in set(sys.modules) - before}\n"
        "print(*{m.partition('.')[0] for m, file in files.items() if file})"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], check=True, capture_output=True, text=True
    )
    found = set(done.stdout.split()) - sys.stdlib_module_names
    return {name for name in found if not name.startswith("_sysconfigdata")}


@pytest.mark.parametrize(
    "statement",
    [
        "import flash_emulator",
        "from flash_emulator import *",
        "from flash_emulator.explore import *",
        "import mcu_updater",
        "import mcu_updater.stm32",
    ],
)
def test_it_needs_nothing_but_the_standard_library(statement: str) -> None:
    assert loaded_by(statement) <= {"flash_emulator", "mcu_updater"}


def test_the_emulator_is_imported_without_the_updater() -> None:
    assert loaded_by("from flash_emulator import *") == {"flash_emulator"}
