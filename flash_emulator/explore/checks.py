"""A pass must not be vacuous. Each check looks at what the search did, and fails loudly.

That every planned cut fired, and that equal states do the same twice, is checked on the way
(``successors.CutNeverFired``, ``boots.Worker``).
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from flash_emulator.explore.graph import Graph
from flash_emulator.explore.report import Check, SelfCheckFailed
from flash_emulator.explore.states import Key


def check(
    graph: Graph, seen: AbstractSet[Key], *, complete: bool, everywhere: bool = True
) -> tuple[Check, ...]:
    """Raises SelfCheckFailed, naming what cannot be believed. *everywhere*: the first boot was to
    be cut at every place of it.

    A search that was stopped before its first batch came back has nothing to be checked, nor has
    one whose first boot is wrong before it changes anything: that is a finding, and no vacuous
    pass.
    """
    changes_nothing = graph.cuts == 0 or _changes(graph) <= 0 or len(seen) < 2
    wrong_at_once = changes_nothing and any(entry.violated for entry in graph.entries.values())
    if wrong_at_once or (not graph.starts and not complete):
        return ()
    return (
        *((_fired(graph), _changed(graph, seen)) if everywhere else ()),
        _repeatable(graph),
        _joins(graph),
        _ended(graph),
        *((_closed(graph, seen),) if complete else ()),
        *((_represented(graph),) if graph.represented else ()),
        *((_left_out(graph),) if graph.left_out else ()),
        *((_values_left_out(graph),) if graph.told.left_out else ()),
    )


def _fired(graph: Graph) -> Check:
    if graph.cuts == 0:
        raise SelfCheckFailed("nothing was cut: the subject did no flash operation")
    return Check("cuts fired", graph.cuts, "every planned cut fired")


def _changes(graph: Graph) -> int:
    return graph.operations - graph.idle


def _changed(graph: Graph, seen: AbstractSet[Key]) -> Check:
    changed = _changes(graph)
    if changed <= 0 or len(seen) < 2:
        raise SelfCheckFailed("no operation changed anything: no state but the first was reached")
    text = f"operations that changed the flash; {graph.idle} did not (erases of what was erased)"
    return Check("operations", changed, text)


def _repeatable(graph: Graph) -> Check:
    return Check("booted twice", graph.reruns, "states that did the same operations both times")


def _left_out(graph: Graph) -> Check:
    text = "boots that looked at more metastable units than are flipped in every combination"
    return Check("read choices left out", graph.left_out, text)


def _values_left_out(graph: Graph) -> Check:
    text = "values that boots ask for, in cuts that leave more of them than are tried"
    return Check("values left out", graph.told.left_out, text)


def _represented(graph: Graph) -> Check:
    text = f"states that did the same as what stands for them; {graph.represented} have another one"
    return Check("side by side", graph.compared, text)


def _joins(graph: Graph) -> Check:
    """What a run does behind a point where it was joined is what was found there."""
    for echo in graph.echoes:
        known = graph.entries.get(echo.node)
        if known is None or known.violated:
            continue
        found = (echo.operations, echo.signature, echo.next, echo.end)
        if found != (known.operations, known.signature, known.next, known.end):
            raise SelfCheckFailed(
                "two runs were joined, and do not do the same: what the subject yields as its "
                f"memory is not all of it ({known.operations} operations, then {echo.operations})"
            )
    return Check("joined", len(graph.echoes), "joined runs that were followed and did the same")


def _ended(graph: Graph) -> Check:
    if not graph.ends and not any(entry.violated for entry in graph.entries.values()):
        if all(length is None for length in graph.recoveries().values()):
            return Check("ends", 0, "no run comes to rest; see the violations of live")
        raise SelfCheckFailed("no run came to an end, and none was found to be endless")
    return Check("ends", sum(graph.ends.values()), "runs that came to rest")


def _closed(graph: Graph, seen: AbstractSet[Key]) -> Check:
    """Every state that a cut came to was booted, and every run was followed to where it goes."""
    booted = {key for key, _, _ in graph.starts.values()}
    missing = (graph.children | set(seen)) - booted
    if missing:
        raise SelfCheckFailed(f"not closed: {len(missing)} states were reached and not booted")
    for entry in graph.entries.values():
        if entry.next is not None and entry.next not in graph.entries:
            raise SelfCheckFailed("not closed: a run was joined to one that nobody followed")
    return Check("closed", len(booted), "states reached, all of them booted")
