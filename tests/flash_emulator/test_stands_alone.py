"""The emulator is of use to other programs: it must not need this one."""

from __future__ import annotations

import subprocess
import sys
from ast import literal_eval

PROGRAM = """
import importlib, pkgutil, sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "mcu_updater":
            raise ImportError(f"{name} is not for the emulator")

sys.meta_path.insert(0, Blocked())
import flash_emulator

for module in pkgutil.walk_packages(flash_emulator.__path__, "flash_emulator."):
    if not {"contract", "testing"} & set(module.name.split(".")[:-1]):  # for those who have pytest
        importlib.import_module(module.name)

device = flash_emulator.EmulatedFlash(flash_emulator.load_part("STM32L476xG"))
device.program(0x0800_0000, bytes(8))
device.supply = flash_emulator.CutAt(1, flash_emulator.Outcome.TORN)
try:
    device.erase(0x0800_0000)
except flash_emulator.PowerLoss:
    print("dead")
outside = {name.partition(".")[0] for name in sys.modules} - set(sys.stdlib_module_names)
print(sorted(name for name in outside if not name.startswith(("_", "sitecustom"))))
"""


def test_it_imports_and_works_where_mcu_updater_cannot_be_imported() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    dead, outside = done.stdout.splitlines()
    assert dead == "dead"
    reports, boards = {"jinja2", "markupsafe"}, {"pydantic", "pydantic_core", "annotated_types"}
    below = {"typing_extensions", "typing_inspection"}
    signatures = {"cryptography"}
    others = {*reports, *boards, *below, *signatures}
    assert set(literal_eval(outside)) == {"flash_emulator", *others}
