"""All questions, one after the other; see the package."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from flash_emulator.certificate_check import NotConfirmed, RunAgain, Verdict
from flash_emulator.evidence import names
from flash_emulator.evidence.facts import Facts, Result
from flash_emulator.evidence.faults import Kind, PackFault
from flash_emulator.evidence.recheck import BY_SAMPLE, BY_SEED, CONFIRMED, record_of
from flash_emulator.evidence.rerun import rerun
from flash_emulator.evidence.words import headline
from flash_emulator.evidence_check.contents import all_say_the_same, facts_of, readable
from flash_emulator.evidence_check.folder import copied
from flash_emulator.evidence_check.keys import Key
from flash_emulator.evidence_check.signed import expected_files, verified
from flash_emulator.machine.hosts import HostBroken
from flash_emulator.machine.subject import a_machine


class Refused(Exception):
    """*faults*: all that differs, of the first question that has the wrong answer."""

    def __init__(self, faults: list[PackFault]) -> None:
        self.faults = faults
        super().__init__("; ".join(map(str, faults)))


@dataclass(frozen=True, slots=True)
class Checked:
    """A pack that is authentic. *headline*: what it says of its firmware; *created*:
    when it was made, as it says."""

    result: Result
    headline: str
    created: str
    key: Key
    files: int
    run: Verdict | RunAgain
    seed: int

    @property
    def is_pass(self) -> bool:
        return self.result is Result.PASSED


def check_pack(
    folder: Path, key: Key, *, sample: int = 200, seed: int = 0, may_execute: bool = False
) -> Checked:
    """Raises Refused; OtherProgram, MissingEngine where it cannot be checked here.

    *sample*: states that are run again; 0: all of them. *may_execute*: the host's Python.
    """
    with tempfile.TemporaryDirectory(prefix="evidence-") as room:
        copy = Path(room)
        try:
            return _checked(folder, copy, key, sample, seed, may_execute=may_execute)
        except PackFault as fault:
            raise Refused([fault]) from fault


def _checked(
    folder: Path, copy: Path, key: Key, sample: int, seed: int, *, may_execute: bool
) -> Checked:
    payload = verified(folder, copy, key)
    expected = expected_files(payload)
    faults = copied(folder, copy, expected)
    if faults:
        raise Refused(faults)
    digests = {name: file.digest for name, file in expected.items()}
    with readable():
        facts = facts_of(copy, digests, key, may_execute=may_execute)
        all_say_the_same(copy, facts, payload)
    run = _run(facts, copy, sample, seed)
    return Checked(facts.result, headline(facts), facts.created, key, len(digests) + 1, run, seed)


def _run(facts: Facts, copy: Path, sample: int, seed: int) -> Verdict | RunAgain:
    certificate, also = copy / names.CERTIFICATE, [each.path for each in facts.findings]
    with a_machine(facts.read.board):
        """There is an engine: one that is missing would be taken for what a boot ends in."""
    try:
        run = rerun(certificate, facts.read, sample=sample, seed=seed, also=also)
    except HostBroken as broken:
        raise PackFault(Kind.RERUN, facts.board, f"its host is at fault: {broken}") from broken
    except NotConfirmed as error:
        made = facts.tools["program"]
        what = f"does not hold: {error} (made by {made['name']} {made['version']})"
        raise PackFault(Kind.RERUN, names.CERTIFICATE, what) from error
    _as_recorded(facts, run)
    return run


def _as_recorded(facts: Facts, run: Verdict | RunAgain) -> None:
    """The recorded verdict must be what this run comes to, but for numbers that depend on the seed,
    and where one of both is a sample on the sample."""
    record = facts.recheck
    if not isinstance(run, Verdict):
        return
    drawn = BY_SEED if record["kind"] == CONFIRMED and not run.is_sample else BY_SAMPLE
    found = record_of(replace(run, **{drawn[name]: record[name] for name in drawn}))
    for name, value in found.items():
        if record[name] != value:
            what = f"{name} is not what the re-check comes to"
            raise PackFault(Kind.RERUN, names.RECHECK, what, str(value), str(record[name]))
