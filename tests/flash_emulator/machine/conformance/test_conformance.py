"""The same programs on this machine and on QEMU: registers, flags, memory, exceptions."""

import random

import pytest

from tests.flash_emulator.machine.conformance.corpus import corpus_cases, digest, expected
from tests.flash_emulator.machine.conformance.emulators import on_machine, on_qemu
from tests.flash_emulator.machine.conformance.frame import Case, Core, Result
from tests.flash_emulator.machine.conformance.programs import CORES, Maker, cases
from tests.flash_emulator.machine.conformance.turns import DIFFERENT
from tests.thorough import THOROUGH

BY_KEY = {core.key: core for core in CORES}
each_core = pytest.mark.parametrize("core", CORES, ids=list(BY_KEY))


def described(case: Case, ours: Result, theirs: Result | None = None) -> str:
    code = " ".join(f"{half_word:04x}" for half_word in case.code)
    return f"{case.name}: {code}\n  {case}\n  here {ours}\n  QEMU {theirs}"


@each_core
def test_all_is_as_qemu_once_had_it(core: Core) -> None:
    several, digests = corpus_cases(core), expected(core)
    assert len(several) == len(digests)
    found = zip(several, on_machine(core, several), digests, strict=True)
    wrong = [described(case, ours) for case, ours, wanted in found if digest(case, ours) != wanted]
    assert not wrong, wrong[0]


@pytest.mark.thorough
@pytest.mark.judge("qemu-system-arm")
@pytest.mark.parametrize("seed", range(2, 32 if THOROUGH else 3))
@each_core
def test_all_is_as_qemu_has_it(core: Core, seed: int, tmp_path) -> None:
    several = cases(core, seed, 1500)
    found = zip(several, on_machine(core, several), on_qemu(core, several, tmp_path), strict=True)
    wrong = [described(*each) for each in found if each[1] != each[2]]
    assert not wrong, wrong[0]


def test_the_cases_reach_what_they_are_meant_to_reach() -> None:
    """Most of them do something, and many end in an exception, also within an IT block."""
    core = BY_KEY["m4"]
    several = corpus_cases(core)
    results = on_machine(core, several)
    before = [(case.registers, case.flags, case.window) for case in several]
    after = [(each.registers, each.flags, each.window) for each in results]
    assert sum(one != other for one, other in zip(before, after, strict=True)) > 250
    assert {each.notes[1] for each in results} >= {0, 2, 5, 6, 11, 14, 15}
    assert any(each.notes[3] & 0x0600_FC00 for each in results)


ODD = [(turn, BY_KEY[key]) for turn, keys in DIFFERENT for key in keys]


@pytest.mark.judge("qemu-system-arm")
@pytest.mark.parametrize(("turn", "core"), ODD, ids=[f"{t.__name__}-{c.key}" for t, c in ODD])
def test_what_the_engine_does_otherwise_is_what_the_docs_say(turn, core: Core, tmp_path) -> None:
    maker = Maker(core, random.Random(1))
    maker.code += turn(maker)
    several = [maker.case(turn.__name__)]
    assert on_machine(core, several) != on_qemu(core, several, tmp_path)
