"""What a check comes to, in words: of how much, within what, and what it takes for granted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flash_emulator import MetastableMode, Outcome

OK, REFUSED, SAMPLE, WITHIN, VIOLATIONS = 0, 1, 3, 4, 5
"""Exit codes of the command; 2 is of its usage."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A certificate that was not refused. As text: what may be said of it, and no more.

    *kinds*: of the violations that it lists, question and text of each; *left_out*: boots that
    looked at too many metastable units to read them in every combination; *replayed*: boots that
    were held against ``plain_cells``, in *compared* reads, units and cuts.
    """

    checked: int
    states: int
    cuts: int
    violations: int
    kinds: tuple[tuple[str, str], ...]
    world: Mapping[str, str]
    subject: str
    seed: str
    represents: bool  # one state is booted for those that the subject calls as good
    outcomes: tuple[Outcome, ...]
    metastable_modes: tuple[MetastableMode, ...]
    draws: int
    erased_values: bool
    left_out: int
    replayed: int
    compared: int
    head: str

    @property
    def is_sample(self) -> bool:
        return self.checked < self.states

    @property
    def missing(self) -> tuple[str, ...]:
        """What the part does, and the search did not try."""
        return (
            *_missing("outcomes", self.outcomes, Outcome),
            *_missing("metastable modes", self.metastable_modes, MetastableMode),
        )

    @property
    def exit_code(self) -> int:
        """Of the first that is true: something was found, left out, or not looked at."""
        if self.violations:
            return VIOLATIONS
        if self.missing:
            return WITHIN
        return SAMPLE if self.is_sample else OK

    @property
    def summary(self) -> str:
        """The first line."""
        within = f", within: {'; '.join(self.missing)}" if self.missing else ""
        if self.is_sample:
            said = f"sample of {self.checked} of {self.states} states holds{within}; not confirmed"
        else:
            said = f"confirmed{within}: {self.checked} of {self.states} states"
        found = f"violations: {self.violations}"
        return f"{said}, {self.cuts} cuts tried; {found}; head {self.head}"

    @property
    def assumed(self) -> tuple[str, ...]:
        """What was not checked, and would make the answer wrong if it did not hold."""
        digests = "states with the same digest are the same: BLAKE2b of 128 bits, of points 136"
        device = (
            "the emulated flash is as its model says: cells, cuts, ECC, options, banks; a second "
            f"model of the cells agreed in {self.replayed} boots, {self.compared} times"
        )
        where = "" if self.erased_values else " in programs"
        draws = (
            f"of each place and outcome {self.draws} of all draws were tried, of seed {self.seed}; "
            f"and every value compared with{where}"
        )
        memory = "where the subject says that it has the same memory, it goes on in the same way"
        found = [digests, device, draws, memory]
        if self.represents:
            found.append("what the subject calls as good (its representative) is as good")
        if self.left_out:
            found.append(f"{self.left_out} boots read too many metastable units to try all ways")
        return tuple(found)

    def __str__(self) -> str:
        world = ", ".join(f"{name} {value}" for name, value in self.world.items())
        lines = [self.summary, f"of: {self.subject}; {world}"]
        return "\n".join([*lines, "taken for granted:", *(f"  {each}" for each in self.assumed)])


def _missing(
    what: str, tried: tuple[str, ...], all_of: type[Outcome | MetastableMode]
) -> list[str]:
    if set(tried) == set(all_of):
        return []
    return [f"{what} {', '.join(tried)} only"]
