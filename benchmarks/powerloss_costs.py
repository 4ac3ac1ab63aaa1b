"""What each power-loss scenario costs, measured: into ``costs.py`` and the docs.

    python benchmarks/powerloss_costs.py [SECONDS] [SCENARIO ...]

An STM32L476xG with an image of 700 bytes, one process, to the end; SECONDS (3600) at most for each.
A scenario that is not named keeps its row. One that comes to no end loses it, and its growth is
printed: states by the cuts that they take.
"""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path

from flash_emulator.explore import Limits, SearchOptions
from mcu_updater.core.errors import UsageError
from mcu_updater.powerloss import campaign
from mcu_updater.powerloss.catalogue import SCENARIOS, filled, scenario
from mcu_updater.powerloss.costs import COSTS, Cost
from mcu_updater.powerloss.searching import SearchSettings

ROOT = Path(__file__).parent.parent
CODE, PAGE = (
    ROOT / "mcu_updater" / "powerloss" / "costs.py",
    ROOT / "docs" / "explanation" / "powerloss.md",
)
PART, SIZE = "STM32L476xG", 700
HEAD = "| scenario | states | cuts tried | s |\n|---|---|---|---|\n"


def measured(name: str, limit_s: float) -> Cost | None:
    """None, and a line on why, where there is no end or no pass."""
    try:
        made = scenario(name, filled(PART, SIZE, "bin"))
    except UsageError as error:  # it needs a larger image
        print(f"{name:20} {error.message}")
        return None
    began_s = time.process_time()
    options = SearchOptions(limits=Limits(states=None, time_s=limit_s))
    result = campaign.explore(made, SearchSettings(options))
    spent_s, report = time.process_time() - began_s, result.report
    if report is None or not report.passed:
        why = result.error if report is None else f"{result.verdict}, states {report.levels}"
        print(f"{name:20} {why}, {spent_s:.0f} s", flush=True)
        return None
    print(f"{name:20} {report.states} states {report.levels}, {spent_s:.0f} s", flush=True)
    return Cost(report.states, report.cuts, round(spent_s))


def write(costs: dict[str, Cost]) -> None:
    """In the order of the scenarios."""
    rows = [(name, costs[name]) for name in SCENARIOS if name in costs]
    lines = [f'    "{name}": Cost({c.states}, {c.cuts:_}, {c.seconds:.0f}),' for name, c in rows]
    table = [f"| {name} | {c.states:,} | {c.cuts:,} | {c.seconds:.0f} |" for name, c in rows]
    code, page = CODE.read_text(), PAGE.read_text()
    block = re.compile(r"(?<=COSTS: dict\[str, Cost\] = \{\n).*?(?=^\}$)", re.DOTALL | re.MULTILINE)
    CODE.write_text(block.sub("\n".join(lines) + "\n", code))
    before, _, rest = page.partition(HEAD)
    PAGE.write_text(before + HEAD + "\n".join(table) + "\n" + rest[rest.index("\n\n") + 1 :])


def main() -> None:
    given = sys.argv[1:]
    limit_s = float(given.pop(0)) if given and given[0].isdigit() else 3600.0
    costs = dict(COSTS)
    for name in given or SCENARIOS:
        cost = measured(name, limit_s)
        costs.pop(name, None)
        if cost is not None:
            costs[name] = cost
        write(costs)


if __name__ == "__main__":
    main()
