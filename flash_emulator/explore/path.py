"""How a state was reached: one cut after the other, as a line of text that replays it.

    600t            operation 600 of the first boot, torn
    600t.13w        and operation 13 of the boot that follows, weak
    600t2           the third draw of what that leaves; the first one has no number
    600t=1f20-0ff0  torn so that the cells of unit 0x1F20 hold 0x0FF0, check bits above the data;
                    of several units: 600t=1f20-0ff0+1f21-ffff
    600to           and the option bytes are corrupted, though they were not being written
    600t~module     power came back in the way called "module"
    600t.13w!1f20   in the second boot the metastable bits of unit 0x1F20 read the opposite of what
                    they last were; !1f20+1f21 of both units, !f of all
    600t.13w!d      in the second boot they are drawn; !t: each unit turns whenever it was read
    600t^last       and the last operation that was complete before is weak; 600t^drift: what is
                    blank of the sector erased last drifts back (``flash_emulator.device.decay``)
    @7              cut between operations, at the seventh moment that the subject offers
    z               cut when all was at rest
    600t.!1f20      as 600t; and then, in the last boot, bits read so

Operations are numbered from 1 in each boot.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from flash_emulator.explore.read_choice import CODE, ReadChoice
from flash_emulator.power import Decay, Outcome

OUTCOME_CODES = {
    Outcome.BEFORE: "b",
    Outcome.TORN: "t",
    Outcome.METASTABLE: "m",
    Outcome.BLANK: "k",
    Outcome.WEAK: "w",
    Outcome.AFTER: "a",
}

_OUTCOMES = {code: outcome for outcome, code in OUTCOME_CODES.items()}
WORDS = r"[0-9a-f]+-[0-9a-f]+(?:\+[0-9a-f]+-[0-9a-f]+)*"
_OPERATION = rf"([1-9]\d*)([btmkwa])(o?)([1-9]\d*)?(?:=({WORDS}))?"
_DECAY = "|".join(Decay)
_CUT = re.compile(
    rf"(?:{_OPERATION}|@([1-9]\d*)|(z))(?:\^({_DECAY}))?(?:~([^\s.!~]+))?(?:!({CODE}))?"
)
_LAST = re.compile(f"!({CODE})")


@dataclass(frozen=True, slots=True)
class Cut:
    """One loss of power. *operation* is 0 for a cut at a moment or at rest.

    *draw* and *words* as ``CutAt`` has them; words by unit, in ascending order.
    """

    operation: int = 0
    outcome: Outcome = Outcome.BEFORE
    moment: int = 0
    way: str = ""  # in which power came back
    read_choice: ReadChoice = field(default_factory=ReadChoice)  # in the boot that was cut
    spoils_options: bool = False
    decay: Decay | None = None
    draw: int = 0
    words: tuple[tuple[int, int], ...] = ()

    def __str__(self) -> str:
        if self.operation:
            spoils = "o" if self.spoils_options else ""
            place = f"{self.operation}{OUTCOME_CODES[self.outcome]}{spoils}{self.draw or ''}"
            words = "+".join(f"{unit:02x}-{word:02x}" for unit, word in self.words)
            place += f"={words}" if words else ""
        else:
            place = f"@{self.moment}" if self.moment else "z"
        way = f"~{self.way}" if self.way else ""
        decay = f"^{self.decay}" if self.decay else ""
        return f"{place}{decay}{way}{self.read_choice}"


@dataclass(frozen=True, slots=True)
class Path:
    """All cuts from the first boot on, and how metastable units read in the last one."""

    cuts: tuple[Cut, ...] = ()
    read_choice: ReadChoice = field(default_factory=ReadChoice)

    def then(self, cut: Cut) -> Path:
        return Path((*self.cuts, cut))

    def __str__(self) -> str:
        parts = [str(cut) for cut in self.cuts]
        last = str(self.read_choice)
        return ".".join([*parts, last] if last else parts) or "-"

    @classmethod
    def parse(cls, text: str) -> Path:
        """Raises ValueError, with the part that cannot be read."""
        parts = [] if text == "-" else text.split(".")
        last = _LAST.fullmatch(parts[-1]) if parts else None
        read_choice = ReadChoice.parse(last[1]) if last else ReadChoice()
        cuts = parts[:-1] if last else parts
        return cls(tuple(_parse_cut(part) for part in cuts), read_choice)


def _parse_cut(text: str) -> Cut:
    found = _CUT.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no cut: expected such as 600t, 600t~way!f, @7 or z")
    operation, outcome, spoils, draw, words, moment, _, decay, way, read_choice = found.groups()
    return Cut(
        int(operation or 0),
        _OUTCOMES[outcome or "b"],
        int(moment or 0),
        way or "",
        ReadChoice.parse(read_choice or ""),
        bool(spoils),
        Decay(decay) if decay else None,
        int(draw or 0),
        _parse_words(words or ""),
    )


def _parse_words(text: str) -> tuple[tuple[int, int], ...]:
    pairs = (each.split("-") for each in text.split("+") if each)
    return tuple(sorted((int(unit, 16), int(word, 16)) for unit, word in pairs))
