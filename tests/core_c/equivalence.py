"""The core in C against the core in Python, on every state of many closures.

    python -m tests.core_c.equivalence [--part P ...] [--scenario S ...] [--format F ...] [--jobs N]
                                       [--size BYTES] [--results FILE] [--table FILE]

What is compared stands in ``pairs``. Each closure is one line of the table. Exit code 1 where the
two differ, 2 where a search did not come to its end. Results are kept in a file of JSON lines, so
that a run that was interrupted goes on; one of another state of the sources counts for nothing.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from flash_emulator import load_part
from mcu_updater.core_c.native import source_digest
from mcu_updater.flash_map.strategies import default_strategy
from mcu_updater.powerloss.catalogue import filled, scenario, slot_of
from tests.core_c.pairs import compare
from tests.places import ROOT

PARTS = ("STM32L476xG", "STM32F103x8", "STM32F429xI", "STM32H743xI")
SCENARIOS = (
    *("good", "fail", "crash", "never", "corrupt", "stuck", "refused", "second", "pieces"),
    "module",
)
RESULTS = ROOT / ".cache" / "core-in-c.jsonl"
SMALL = 700  # bytes of an image, as in the table of costs

_DIFFERENT, _INCOMPLETE = 1, 2


@dataclass(frozen=True, slots=True)
class Closure:
    """What is compared at a time."""

    part: str
    name: str
    format: str
    size: int

    @property
    def key(self) -> str:
        return f"{self.part} {self.name} {self.format} {self.size}"


def size_of(part: str, name: str, asked: int) -> int:
    """*asked*, or the least that reaches the sector that is damaged."""
    if name not in ("stuck", "refused"):
        return asked
    chip = load_part(part)
    first = slot_of(chip, default_strategy(chip))[2][0]
    return max(asked, first + 100)


def run(closure: Closure) -> dict[str, Any]:
    """As a line of the file of results."""
    began_s = time.monotonic()
    target = filled(closure.part, closure.size, closure.format)  # type: ignore[arg-type]
    found = compare(scenario(closure.name, target))
    return {
        "closure": closure.key,
        "sources": digest(),
        "part": closure.part,
        "scenario": closure.name,
        "format": closure.format,
        "size": closure.size,
        "states": found.states,
        "boots": found.boots,
        "operations": found.operations,
        "lines": found.lines,
        "python_s": round(found.python_s, 1),
        "c_s": round(found.c_s, 1),
        "late_ms": found.late_ms,
        "differences": [str(each) for each in found.differences],
        "elapsed_s": round(time.monotonic() - began_s, 1),
    }


def digest() -> str:
    """Of what the results depend on: the C core, and the core and client in Python."""
    digest = hashlib.sha256(source_digest().encode())
    for folder in ("core", "quectel", "powerloss", "core_c"):
        for file in sorted((ROOT / "mcu_updater" / folder).rglob("*.py")):
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def known(file: Path) -> dict[str, dict[str, Any]]:
    """Results that still count."""
    if not file.exists():
        return {}
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    return {line["closure"]: line for line in lines if line["sources"] == digest()}


def table(results: Iterable[dict[str, Any]]) -> str:
    """In Markdown; the last line is the sum."""
    rows = list(results)
    head = (
        "| part | scenario | format, bytes | states | boots | flash operations | lines "
        "| differences | Python s | C s |"
    )
    lines = [head, "|---|---|---|---|---|---|---|---|---|---|"]
    lines += [
        f"| {row['part']} | {row['scenario']} | {row['format']}, {row['size']:,} | "
        f"{row['states']:,} | {row['boots']:,} | {row['operations']:,} | {row['lines']:,} | "
        f"{len(row['differences'])} | {row['python_s']:,.0f} | {row['c_s']:,.0f} |"
        for row in rows
    ]
    sums = [
        sum(row[key] for row in rows)
        for key in ("states", "boots", "operations", "lines", "python_s", "c_s")
    ]
    differences = sum(len(row["differences"]) for row in rows)
    states, boots, operations, said, python_s, c_s = sums
    lines.append(
        f"| all | | | {states:,} | {boots:,} | {operations:,} | {said:,} | {differences} | "
        f"{python_s:,.0f} | {c_s:,.0f} |"
    )
    return "\n".join(lines)


def closures(
    parts: Sequence[str], names: Sequence[str], formats: Sequence[str], size: int
) -> list[Closure]:
    """All combinations."""
    return [
        Closure(part, name, fmt, size_of(part, name, size))
        for part, name, fmt in product(parts, names, formats)
    ]


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--part", action="append", metavar="P")
    parser.add_argument("--scenario", action="append", metavar="S")
    parser.add_argument("--format", action="append", metavar="F")
    parser.add_argument("--size", type=int, default=SMALL, metavar="BYTES")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), metavar="N")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FILE")
    parser.add_argument("--table", type=Path, metavar="FILE")
    given = parser.parse_args()
    wanted = closures(
        given.part or PARTS, given.scenario or SCENARIOS, given.format or ("bin",), given.size
    )
    done = known(given.results)
    given.results.parent.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(given.jobs, max_tasks_per_child=1) as pool:
        running = [pool.submit(run, each) for each in wanted if each.key not in done]
        for future in as_completed(running):
            result = future.result()
            done[result["closure"]] = result
            with given.results.open("a") as file:
                file.write(json.dumps(result) + "\n")
            print(json.dumps(result), flush=True)
    rows = [done[each.key] for each in wanted if each.key in done]
    text = table(rows)
    print(text)
    if given.table:
        given.table.write_text(text + "\n")
    if len(rows) < len(wanted):
        return _INCOMPLETE
    return _DIFFERENT if any(row["differences"] for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
