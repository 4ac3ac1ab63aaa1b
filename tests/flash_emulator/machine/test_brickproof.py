"""Verdicts of others: demo builds with documented faults, judged on the machine.

What they are and how they are judged is in benchmarks/brickproof.py, which judges all of them.
"""

import pytest

from benchmarks import brickproof
from benchmarks.brickproof import BUILDS, DEMOS, NO_CUT, WHEEL, Demo, judge
from benchmarks.foreign_packages import OutOfReach, Wheel
from tests.judges import out_of_reach
from tests.thorough import one_in

QUICK = [demo for demo in DEMOS if demo.documented == NO_CUT]
LONG = [demo for demo in DEMOS if demo.documented != NO_CUT]


@pytest.fixture(scope="module")
def folder():
    try:
        return WHEEL.unpacked() / BUILDS
    except OutOfReach as error:
        out_of_reach(str(error))


@pytest.mark.network
@pytest.mark.parametrize("demo", [*QUICK, *one_in(20, LONG, 3)], ids=lambda demo: demo.name)
def test_a_demo_falls_or_stands_as_its_author_says(folder, demo: Demo):
    verdict = judge(demo, folder)
    assert verdict.agrees, verdict


@pytest.mark.network
def test_each_build_for_these_chips_is_judged_or_named(folder):
    """44 of them; some are judged on two boards."""
    builds = {path.stem for path in folder.glob("*bootloader*.elf")}
    builds = {name for name in builds if not name.startswith(("nrf52", "h563"))}
    judged = {f"{demo.chip} {demo.build}".strip() for demo in DEMOS} | set(brickproof.OUT_OF_REACH)
    prefixes = {"f103": "bootloader", "f411": "f411_bootloader", "l476": "l476_bootloader"}
    assert len(builds) == 44
    assert builds == {
        "_".join([prefixes[chip], *rest]) for chip, *rest in (name.split() for name in judged)
    }


def test_what_a_registry_serves_must_be_what_was_pinned(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.foreign_packages.CACHE", tmp_path)
    wheel = Wheel("some-package", "1.0", "some_package-1.0-py3-none-any.whl", "0" * 64)

    def download(_wheel, folder):
        (folder / wheel.file).write_bytes(b"something else")

    monkeypatch.setattr(Wheel, "_download", download)
    with pytest.raises(OutOfReach, match="the registry has another file"):
        wheel.fetched()
