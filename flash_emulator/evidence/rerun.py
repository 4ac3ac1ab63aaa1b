"""The firmware of a pack, run again: states of its certificate, from its inputs alone.

    python -m flash_emulator.evidence.rerun CERTIFICATE BOARD SAMPLE

prints the verdict as JSON; SAMPLE is a number of states, 0 for all. So a pack gets its independent
re-check, in a process of its own.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from flash_emulator.certificate_check import NotConfirmed, RunAgain, Verdict, confirm, run_again
from flash_emulator.certificate_check.file import read
from flash_emulator.evidence.json_text import text_of
from flash_emulator.evidence.recheck import record_of
from flash_emulator.machine.board_file import BoardFile, read_board_file
from flash_emulator.subject import Nothing


def rerun(
    certificate: Path,
    board: BoardFile,
    *,
    sample: int = 0,
    seed: int = 0,
    also: Iterable[str] = (),
) -> Verdict | RunAgain:
    """All states, or a *sample*, and those of *also*. Raises NotConfirmed."""

    def world(_: dict[str, str]) -> tuple[Any, Any, Any]:
        return board.subject, board.board.flash(), Nothing()

    is_complete = read(str(certificate), of_any_search=True).totals["complete"]
    run = confirm if is_complete else run_again
    return run(str(certificate), world, sample=sample, seed=seed, also=also)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="rerun", description="Run a certificate's states again.")
    parser.add_argument("certificate", type=Path)
    parser.add_argument("board", type=Path)
    parser.add_argument("sample", type=int, help="states; 0: all")
    given = parser.parse_args(arguments)
    try:
        board = read_board_file(given.board)
        verdict = rerun(given.certificate, board, sample=given.sample)
    except NotConfirmed as error:
        print(error, file=sys.stderr)
        return 1
    sys.stdout.buffer.write(text_of(record_of(verdict)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
