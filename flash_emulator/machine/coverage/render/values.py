"""Coverage as JSON, for programs."""

from __future__ import annotations

import json
from typing import Any

from flash_emulator.machine.coverage.report import (
    Boots,
    Branch,
    Coverage,
    CutOperation,
    FunctionCoverage,
    SourceFile,
    Unreached,
    Way,
)
from flash_emulator.machine.debug_info import Location

FORMAT, VERSION = "flash power-loss coverage", 1


def coverage_json(coverage: Coverage) -> str:
    """The whole file; docs/how-to/coverage-under-cuts.md says what is in it."""
    values = {
        "format": FORMAT,
        "version": VERSION,
        "boots": _boots(coverage.boots),
        "hung": coverage.hung,
        "missing": list(coverage.missing),
        "unreached": [_unreached(each) for each in coverage.unreached()],
        "never_entered": [each.name for each in coverage.never_entered()],
        "files": [_file(each) for each in coverage.files],
    }
    return json.dumps(values, indent=1) + "\n"


def _boots(boots: Boots) -> dict[str, Any]:
    return {"any": boots.all, "after_a_cut": boots.after}


def _place(place: Location | None) -> dict[str, Any] | None:
    if place is None:
        return None
    return {"function": place.function, "file": place.file, "line": place.line}


def _unreached(each: Unreached) -> dict[str, Any]:
    return {
        **(_place(each.branch.place) or {}),
        "never_taken": _way(each.way),
        "without_a_cut": each.way.boots.all,
        "boots_after_a_cut": each.branch.boots.after,
        "text": str(each),
    }


def _way(way: Way) -> dict[str, Any]:
    return {
        "condition_holds": way.taken,
        "address": way.address,
        "to": _place(way.to),
        **_boots(way.boots),
    }


def _file(file: SourceFile) -> dict[str, Any]:
    return {
        "program": file.program,
        "file": file.name,
        "source": file.text is not None,
        "lines": [{"line": line.number, **_boots(line.boots)} for line in file.lines],
        "functions": [_function(each) for each in file.functions],
        "branches": [_branch(each) for each in file.branches],
        "operations": [_operation(each) for each in file.operations],
    }


def _function(each: FunctionCoverage) -> dict[str, Any]:
    return {"name": each.name, "line": each.line, **_boots(each.boots)}


def _branch(branch: Branch) -> dict[str, Any]:
    return {
        **(_place(branch.place) or {}),
        "kind": branch.kind,
        "addresses": list(branch.addresses),
        **_boots(branch.boots),
        "ways": [_way(way) for way in branch.ways],
    }


def _operation(each: CutOperation) -> dict[str, Any]:
    return {
        **(_place(each.place) or {}),
        "address": each.address,
        "kind": each.kind,
        "cuts": dict(each.cuts),
        "cuts_in_boots_after_a_cut": dict(each.again),
    }
