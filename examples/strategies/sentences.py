"""A counterexample in one sentence: which cuts, of what, and what comes of them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from examples.strategies.ours import Ours
from examples.strategies.world import World
from flash_emulator.explore import Film
from mcu_updater.flash_map.regions import regions

_LEFT = {
    "before": "nothing done",
    "after": "all done",
    "torn": "some cells changed",
    "metastable": "some cells unsure",
    "weak": "it reads right for now",
    "blank": "it reads erased",
}
_CUT = re.compile(r"\((?P<kind>\w+) (?:at|of) .*\), outcome (?P<outcome>\w+)")


def sentence(film: Film, subject: World | Ours) -> str:
    assert film.violation is not None
    areas = areas_of(subject)
    cuts = [
        _cut(frame.text, _named(frame.address, areas))
        for frame in film.frames
        if frame.kind == "cut"
    ]
    end = film.violation[1]
    return f"{'; then '.join(cuts)}: {end}" if cuts else f"Without any cut: {end}"


def _cut(text: str, place: str) -> str:
    found = _CUT.search(text)
    if found is None:
        return text
    verb = {"erase": "erase", "program": "program"}.get(found["kind"], found["kind"])
    return f"cut in the {verb} of {place} ({_LEFT.get(found['outcome'], found['outcome'])})"


def areas_of(subject: World | Ours) -> Mapping[str, tuple[int, int]]:
    """By name: address and size. The first one that has an address names it."""
    if isinstance(subject, World):
        return subject.algorithm.areas
    part = subject.part
    named = regions(part, subject.scenario.strategy)
    return {name: (part.base + offset, size) for name, (offset, size) in named.items()}


def _named(address: int | None, areas: Mapping[str, tuple[int, int]]) -> str:
    if address is None:
        return "the option bytes"
    for name, (start, size) in areas.items():
        if start <= address < start + size:
            return f"the {name}"
    return f"0x{address >> 16:04X}_{address & 0xFFFF:04X}"
