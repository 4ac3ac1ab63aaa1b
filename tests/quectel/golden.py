"""The transcripts in fixtures/at, and modules that are set up for them."""

from __future__ import annotations

import re

from mcu_updater.cloud.single_device import Package, Plan, SingleDeviceCloud
from mcu_updater.quectel.emulated.module import EmulatedModule
from mcu_updater.quectel.emulated.options import ModuleOptions, parse_options
from mcu_updater.quectel.emulated.transcript import Entry, parse_transcript
from tests.places import ROOT

FOLDER = ROOT / "fixtures" / "at"
NAMES = sorted(path.stem for path in FOLDER.glob("*.txt"))


def text_of(name: str) -> str:
    return (FOLDER / f"{name}.txt").read_text()


def entries_of(name: str) -> list[Entry]:
    return parse_transcript(text_of(name))


def _head(name: str, word: str) -> str:
    found = re.search(f"^# {word}: (.*)$", text_of(name), re.MULTILINE)
    return "" if found is None else found[1]


def package_of(name: str) -> bytes:
    file, _, times = _head(name, "package").partition(" x ")
    return b"" if file == "none" else (FOLDER / file).read_bytes() * int(times or 1)


def module_of(name: str) -> EmulatedModule:
    data = package_of(name)
    plans = [Plan("STM32", "2_0_0", Package(data))] if data else []
    given = dict(pair.split("=") for pair in _head(name, "options").split())
    options = ModuleOptions(**{"echo": False, **parse_options(given)})
    return EmulatedModule(SingleDeviceCloud(plans), options)
