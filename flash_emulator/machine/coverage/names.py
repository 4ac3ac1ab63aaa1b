"""Names of programs and their files that stand for one each, also where several programs have a
``main.c``, or are all called ``zephyr.elf``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from flash_emulator.machine.debug_info import DebugInfo


def program_names(infos: Sequence[DebugInfo]) -> list[str]:
    """File names of *infos*, with as many folders as tell them apart."""
    parts = [info.path.absolute().parts[1:] for info in infos]
    count = 1
    while len({each[-count:] for each in parts}) < len({*parts}):
        count += 1
    names = Counter(each[-1] for each in parts)
    return ["/".join(each[-count:]) if names[each[-1]] > 1 else each[-1] for each in parts]


def file_names(infos: Sequence[DebugInfo]) -> list[dict[str, str]]:
    """Of each program: what files are called that another one has, too."""
    if len(infos) < 2:
        return [{} for _ in infos]
    files = [_files(info) for info in infos]
    count = Counter(file for each in files for file in each)
    return [
        {file: f"{name}: {file}" for file in each if count[file] > 1}
        for name, each in zip(program_names(infos), files, strict=True)
    ]


def _files(info: DebugInfo) -> set[str]:
    rows = {row.file for row in info.rows()}
    return rows | {function.file for function in info.functions()} - {""}
