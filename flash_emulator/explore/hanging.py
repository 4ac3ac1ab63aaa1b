"""Boots that never come to rest: how that is told."""

from __future__ import annotations

from dataclasses import replace

from flash_emulator.explore.blame import trace_of
from flash_emulator.explore.read_choice import ReadChoice
from flash_emulator.explore.states import Expansion, Node, Segment, State, start_node
from flash_emulator.watchdog import Hung, calm


class HungBehind(BaseException):
    """A boot behind one of the cuts that were tried never comes to rest: *expansion* says where."""

    def __init__(self, expansion: Expansion) -> None:
        self.expansion = expansion
        super().__init__(str(expansion.path))


def hung_text(boot_s: float | None) -> str:
    """The finding, in words."""
    return f"the boot never comes to rest: it has done nothing new for {boot_s:g} s"


def hung_expansion(state: State, boot_s: float) -> Expansion:
    """Of a state at which a process could not be interrupted."""
    read_choice = ReadChoice()
    segment = Segment(start_node(state.key, read_choice), violation=("live", hung_text(boot_s)))
    return Expansion(state.key, read_choice, state.path, state.sector, [segment], [], hung=True)


def interrupted(expansion: Expansion, node: Node, hung: Hung, boot_s: float | None) -> Expansion:
    """A boot that was interrupted: what it had done so far counts for nothing."""
    calm()
    segment = Segment(node, violation=("live", hung_text(boot_s)))
    segment.trace = trace_of(hung)
    return replace(expansion, segments=[segment], children=[], echoes=[], hung=True)
