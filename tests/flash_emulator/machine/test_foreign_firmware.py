"""Firmware that others released: a part of what benchmarks/foreign_firmware.py boots."""

import pytest

from benchmarks.foreign_firmware import FIRMWARE, board
from benchmarks.foreign_packages import Npm, OutOfReach
from tests.judges import out_of_reach

BY_NAME = {foreign.name: foreign for foreign in FIRMWARE}


@pytest.mark.network
@pytest.mark.parametrize("name", ["pybricks technichub", "pybricks primehub", "pybricks movehub"])
def test_a_hub_comes_to_its_loop(name: str):
    """No fault, no reset, and its tick goes on; movehub has its vectors in SRAM."""
    try:
        made = board(BY_NAME[name])
    except OutOfReach as error:
        out_of_reach(str(error))
    machine, flash = made.machine(), made.flash()
    flash.power_on()
    ended = machine.boot(flash)
    names = [name for name, _ in machine.record.exceptions]
    assert (ended.kind, machine.record.resets) == ("budget", [])
    assert names.count("SysTick") > 50
    assert not any("Fault" in name for name in names)
    assert not machine.met.polls


def test_a_registry_without_its_client_is_out_of_reach(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.foreign_packages.CACHE", tmp_path)
    monkeypatch.setattr("shutil.which", lambda program: None)
    with pytest.raises(OutOfReach, match="npm is not installed"):
        Npm("some-package", "1.0", "some-package-1.0.tgz", "0" * 64).read("package/file")
