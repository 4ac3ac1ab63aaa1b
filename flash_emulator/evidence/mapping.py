"""What this result shows of each clause, in words. A search that did not pass shows no clause."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from flash_emulator.evidence.facts import Facts, Result
from flash_emulator.evidence.texts import TEXTS, WANTED, Clause, Text


@dataclass(frozen=True, slots=True)
class Mapped:
    """*shows*, *not_shown*: of the clause; *is_counter*: the result speaks against it."""

    clause: Clause
    shows: str
    not_shown: str
    is_counter: bool

    @property
    def shows_something(self) -> bool:
        return self.shows != NOTHING


NOTHING = "nothing"


def mapped(facts: Facts) -> Iterator[tuple[Text, tuple[Mapped, ...]]]:
    for text in TEXTS:
        yield text, tuple(_mapped(clause, facts) for clause in text.clauses)


def _mapped(clause: Clause, facts: Facts) -> Mapped:
    asked = {*facts.questions, *([WANTED] if facts.wanted is not None else [])}
    missing = [name for name in clause.needs if name not in asked]
    if not clause.shows:
        return Mapped(clause, NOTHING, clause.not_shown, is_counter=False)
    if missing:
        asks = (
            f"anything here: the board file does not ask {', '.join(missing)}; {clause.not_shown}"
        )
        return Mapped(clause, NOTHING, asks, is_counter=False)
    match facts.result:
        case Result.FAILED if set(clause.needs) & set(facts.violated):
            count = facts.certificate.totals["violations"]
            shows = f"the contrary: findings: {count}, of {', '.join(facts.violated)}; see Findings"
            return Mapped(clause, shows, clause.not_shown, is_counter=True)
        case Result.FAILED | Result.INCOMPLETE:
            why = "that it holds: the search did not pass; "
            return Mapped(clause, NOTHING, why + clause.not_shown, is_counter=False)
        case Result.NARROWER:
            within = f"; within what was tried, without {'; '.join(facts.left_out)}"
            return Mapped(clause, clause.shows + within, clause.not_shown, is_counter=False)
        case _:
            return Mapped(clause, clause.shows, clause.not_shown, is_counter=False)
