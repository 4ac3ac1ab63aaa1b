"""Random bootloaders, searched by the product and by ``brute_force``: both must find the same.

    make bootloaders FROM=0 TO=2000

``CLASSES`` names some of the classes of parts. Every difference is printed with the command that
repeats it. What is too large for the brute search is passed over, and counted.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence

from flash_emulator import EmulatedFlash
from flash_emulator.explore import Limits, Report, SearchOptions, SelfCheckFailed, explore
from tests.flash_emulator.explore.bootloaders import SILICON, Grammar, Program, device, silicon
from tests.flash_emulator.explore.brute_force import TooLarge, brute_force

ALL = SearchOptions(limits=Limits(violations=None, operations=300))
MOST = 400  # states of a brute search
NOTHING_TO_DO = ("nothing was cut", "no operation changed anything")


def shortest(report: Report) -> dict[str, int]:
    """Least number of cuts by the question that is violated."""
    lengths: dict[str, int] = {}
    for found in report.violations:
        cuts = len(found.path.cuts)
        lengths[found.question] = min(cuts, lengths.get(found.question, cuts))
    return lengths


def searched(program: Program, flash: EmulatedFlash, options: SearchOptions = ALL) -> Report:
    """Raises SelfCheckFailed; where there is nothing to search, what is wrong at once."""
    return explore(flash, program.boot, program.verdict, options=options)


def is_as_found(report: Report, brute: dict[str, int]) -> bool:
    """Whether the search finds what brute force does with as few cuts. What it finds beside that,
    or with fewer, comes of a unit that holds what a boot asks for; brute force only draws."""
    found = shortest(report)
    sooner = {q: cuts for q, cuts in found.items() if cuts < brute.get(q, cuts + 1)}
    by_value = {
        (each.question, len(each.path.cuts))
        for each in report.violations
        if any(cut.words for cut in each.path.cuts)
    }
    return brute.keys() <= found.keys() and all(
        cuts == brute.get(question) or (question in sooner and (question, cuts) in by_value)
        for question, cuts in found.items()
    )


def differences(seed: int, name: str, most: int = MOST, *, in_time: bool = True) -> Iterator[str]:
    """What is wrong with the search of one bootloader. Raises TooLarge.

    *in_time*: hold it, too, against bits that fade one power-on after the other, which the search
    takes for metastable at once: it must find all that is found then.
    """
    program, flash = Grammar(seed).program(), device(seed, silicon(name))
    opsr = program.asks_opsr
    judged = {
        fade: brute_force(flash, program.boot, program.verdict, fade=fade, most=most, opsr=opsr)
        for fade in ((True, False) if in_time else (True,))
    }
    try:
        report = searched(program, flash)
    except SelfCheckFailed as error:
        if not str(error).startswith(NOTHING_TO_DO):
            yield f"the search refuses: {error}"
        return
    found = shortest(report)
    if not is_as_found(report, judged[True].shortest):
        yield f"brute {judged[True].shortest}, the search {found}"
    for question, cuts in judged[not in_time].shortest.items():
        if found.get(question, cuts + 1) > cuts:
            yield f"with bits that fade in time brute {question} after {cuts}, the search {found}"


def main(arguments: Sequence[str]) -> int:
    first, last, *classes = arguments
    counted: Counter[str] = Counter()
    for seed in range(int(first), int(last)):
        for name in classes or SILICON:
            try:
                found = list(differences(seed, name))
            except TooLarge:
                counted["too large for brute force"] += 1
                continue
            counted["differ" if found else "agree"] += 1
            for text in found:
                print(f"seed {seed}, {name}: {text}")
                again = f"make bootloaders FROM={seed} TO={seed + 1} CLASSES={name}"
                print(f"  again: {again}", flush=True)
    print(", ".join(f"{count} {what}" for what, count in sorted(counted.items())))
    return 1 if counted["differ"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
