"""The certificate of a search that a limit has stopped: it proves nothing, but what it lists can be
run again. For findings above all: one that is there is there, however little else was looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from flash_emulator import CutAt, Outcome, PowerLoss
from flash_emulator.certificate_check.boots import ReadChoice, ended, powered
from flash_emulator.certificate_check.checker import Checker, chosen, is_made_of
from flash_emulator.certificate_check.container import NotConfirmed
from flash_emulator.certificate_check.file import Certificate, read, start_of

End = tuple[str, list[str] | None]  # the subject's word, or what is violated


@dataclass(frozen=True, slots=True)
class RunAgain:
    """*states*: reached again, cut by cut; *boots*: of those, that end as it is listed."""

    states: int
    boots: int
    head: str


def run_again(
    path: str,
    factory: Callable[[dict[str, str]], Any],
    *,
    sample: int = 0,
    seed: int = 0,
    also: Iterable[str] = (),
) -> RunAgain:
    """Reach all states, or a *sample* and those of *also*, and boot them. Raises NotConfirmed."""
    certificate = read(path, of_any_search=True)
    subject, flash, external = factory(certificate.header["world"])
    is_made_of(certificate, subject, flash, external)
    checker = Checker(certificate, subject, flash, external)
    paths, boots = chosen(certificate, sample, seed, also), 0
    for each in paths:
        for read_choice, expected in _ends(certificate, certificate.paths[each]):
            found = _boot(checker, each, read_choice)
            if found != expected:
                raise NotConfirmed(f"{each}{read_choice}: ends in {found}, listed is {expected}")
            boots += 1
    return RunAgain(len(paths), boots, certificate.head)


def _ends(certificate: Certificate, state: str) -> Iterator[tuple[ReadChoice, End]]:
    """The boots of *state* whose end is listed, wherever it stands."""
    for read_choice in certificate.boots[state]:
        end = _end(certificate, start_of(state, read_choice))
        if end is not None:
            yield read_choice, end


def _end(certificate: Certificate, node: str | None) -> End | None:
    """None where it comes back to a point, or to one whose line is not there."""
    been: set[str] = set()
    while node in certificate.segments and node not in been:
        been.add(node)
        segment = certificate.segments[node]
        if segment.next is None:
            return segment.end, segment.violation
        node = segment.next
    return None


def _boot(checker: Checker, path: str, read_choice: ReadChoice) -> End:
    state = checker.state(path)
    flash, most = powered(state[0], read_choice), checker.certificate.header["operations"]
    flash.supply = CutAt(most + 1, Outcome.BEFORE)
    try:
        return ended(flash, checker.subject.boot(flash, state[1]).run())
    except PowerLoss:
        return "", ["live", f"no rest after {most} operations of one boot"]
