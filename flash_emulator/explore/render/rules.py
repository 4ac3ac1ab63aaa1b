"""What each question means, for those who meet a finding of it in a review."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    """*id*: the question; *short*: what is wrong; *text*: what that means, and where to look."""

    id: str
    short: str
    text: str

    @property
    def code(self) -> str:
        """As tools have it that know rules of others, too: ``powerloss-no-rollback``."""
        words = re.findall(r"\w+", self.id.lower())
        return "-".join(["powerloss", *words])


SAFE = Rule(
    "safe",
    "After a loss of power something runs that is no published image, or nothing does",
    "Power was lost at a flash operation, with one of the outcomes that the flash may leave. "
    "After that the device runs what is no published image, byte for byte, or nothing at all. "
    "Look for a decision that believes a flag, a length or a checksum before all that it speaks "
    "of is complete, and for units that are read though a cut may have torn them.",
)
LIVE = Rule(
    "live",
    "After a loss of power the device does not come to where it must come to by itself",
    "After these losses of power the device, left alone with its power on, does not come to rest "
    "with what must run: it hangs, locks up, resets for ever, or stays with another image. Look "
    "for a state on flash that no branch of the recovery handles, for reads of units with ECC "
    "errors that nothing catches, and for an erase or a write that is believed to be complete.",
)
REPORTED = Rule(
    "reported",
    "What the device says of itself is not what it runs",
    "After these losses of power the device reports another image than the one that runs, so who "
    "manages it decides on false grounds.",
)
ROLLBACK = Rule(
    "no rollback",
    "After a loss of power an image runs that must never run again",
    "After these losses of power an image runs that is named as never to run: an older one with "
    "known holes, as a rule. Look for a counter or a floor that is written after what it guards.",
)
UNTOUCHED = Rule(
    "untouched",
    "A flash operation goes where none may go",
    "The program erases or programs a range that it must leave alone. That may need no loss of "
    "power at all; the film says.",
)
LOST = Rule(
    "lost",
    "A good upgrade is lost, and nobody learns of it",
    "After these losses of power an upgrade that is good is given up, and who offers it takes it "
    "for done.",
)
TRIES = Rule(
    "tries",
    "A failed image is tried more often than it may be",
    "After these losses of power an image that has failed its trial is started again: the count of "
    "attempts is lost or written too late.",
)
TRUE = Rule(
    "true",
    "The journal says what is not so",
    "After these losses of power a record on flash says what did not happen, or not yet. Later "
    "decisions rest on it.",
)
ERASED = Rule(
    "erased",
    "Flash is programmed that no complete erase has made blank",
    "A unit reads blank because an erase was cut, and is programmed: what it holds fades.",
)
KNOWN = {
    rule.id: rule for rule in (SAFE, LIVE, REPORTED, ROLLBACK, UNTOUCHED, LOST, TRIES, TRUE, ERASED)
}

HAZARD_MISSED = Rule(
    "known hazard not found",
    "A hazard that is said to be known was not found",
    "The search was told to expect a finding, and it is complete without one. Either the hazard is "
    "mended, and the expectation must go; or the search does not look where the hazard is.",
)
INCOMPLETE = Rule(
    "incomplete",
    "A limit stopped the search before all was looked at",
    "Nothing is proved by what was not found: states are left that nobody has booted. A higher "
    "limit, or none, lets the search come to its end.",
)
BROKEN = Rule(
    "not to be believed",
    "A self-check of the search failed",
    "The program does not do the same twice from the same state, or a cut did not fire: what the "
    "search says of it cannot be believed.",
)


def rule_of(question: str, own: Mapping[str, str] | None = None) -> Rule:
    """*own*: help texts of questions that a subject asks beside these."""
    text = (own or {}).get(question)
    if text is None and question in KNOWN:
        return KNOWN[question]
    short = f"After a loss of power '{question}' does not hold"
    plain = f"The subject asks '{question}' by itself, and it does not hold after these cuts."
    return Rule(question, short, text or plain)
