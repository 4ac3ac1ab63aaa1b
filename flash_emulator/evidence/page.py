"""The page to read: one HTML file that needs nothing else, and prints."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import jinja2

from flash_emulator.evidence import names
from flash_emulator.evidence.facts import Facts, Result
from flash_emulator.evidence.mapping import mapped
from flash_emulator.evidence.texts import CLAIMS_NOTHING, NOT_READ
from flash_emulator.evidence.words import headline

_TONES = {
    Result.PASSED: "good",
    Result.NARROWER: "warn",
    Result.INCOMPLETE: "warn",
    Result.FAILED: "bad",
}
_STATES = 200  # of a sample, in the command that is shown


def page(facts: Facts) -> bytes:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"number": lambda value: f"{value:,}", "printable": _printable}
    folder = files(__package__)
    template = environment.from_string(folder.joinpath("page.html").read_text(encoding="utf-8"))
    text = template.render(
        facts=facts,
        totals=facts.certificate.totals,
        header=facts.certificate.header,
        headline=headline(facts),
        tone=_TONES[facts.result],
        maps=list(mapped(facts)),
        claims_nothing=CLAIMS_NOTHING,
        not_read=NOT_READ,
        recheck=_recheck(facts.recheck),
        files=[(name, names.ROLES[name], facts.digests[name]) for name in _EVIDENCE],
        states=_STATES,
        style=folder.joinpath("page.css").read_text(encoding="utf-8"),
    )
    return text.encode()


_EVIDENCE = (names.CERTIFICATE, names.RECHECK, names.MODEL, names.TOOLS, names.PACK)


def _recheck(record: Any) -> str:
    """In one sentence."""
    if "checked" not in record:
        return (
            f"{record['kind']}: {record['states']:,} states were reached again, cut by cut, and "
            f"{record['boots']:,} boots ended as listed. A list that was stopped proves nothing"
        )
    counts = f"{record['checked']:,} of {record['states']:,} states"
    return f"{record['kind']}: {counts}, {record['cuts']:,} cuts tried again"


def _printable(text: str) -> str:
    """What firmware or a board file has put in, without what would change how a page looks."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
