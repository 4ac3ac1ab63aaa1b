"""The command line; see the package.

Exit codes: 0 authentic, and the search passed; 3 authentic, and the search left something out;
4 authentic, and the search was stopped; 5 authentic, and the search failed; 2 usage, or a
pack that cannot be checked here: by another version of the program, or without its engine.
Refused: 10 not what the key has signed; 11 files are not those of the statement; 12 files
contradict each other; 13 the firmware does something else than the certificate lists.
"""

from __future__ import annotations

import argparse
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path

from flash_emulator.certificate_check import RunAgain, Verdict
from flash_emulator.evidence.facts import Result
from flash_emulator.evidence_check.check import Checked, Refused, check_pack
from flash_emulator.evidence_check.contents import OtherProgram
from flash_emulator.evidence_check.keys import EXPECTED, BadKey, read_public_key
from flash_emulator.machine.engine_library import MissingEngine

USAGE = 2
_MOST = 50  # faults that are printed
CODES = {Result.PASSED: 0, Result.NARROWER: 3, Result.INCOMPLETE: 4, Result.FAILED: 5}


def main(arguments: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    try:
        key = read_public_key(given.key.read_bytes())
    except OSError as error:
        print(f"error: {given.key}: {error.strerror or error}", file=sys.stderr)
        return USAGE
    except BadKey as error:
        print(f"error: {given.key}: expected {EXPECTED}, found {error}", file=sys.stderr)
        return USAGE
    sample = 0 if given.all else given.sample
    seed = secrets.randbits(32) if given.seed is None else given.seed
    try:
        checked = check_pack(
            given.folder, key, sample=sample, seed=seed, may_execute=given.allow_host_code
        )
    except MissingEngine as missing:
        print(f"error: the firmware cannot be run again here: {missing}", file=sys.stderr)
        return USAGE
    except OtherProgram as other:
        print(f"error: the pack cannot be checked here: {other}", file=sys.stderr)
        return USAGE
    except Refused as refused:
        for fault in refused.faults[:_MOST]:
            print(f"refused: {fault}")
        if (more := len(refused.faults) - _MOST) > 0:
            print(f"refused: and {more:,} more")
        return refused.faults[0].kind.value
    print(in_words(checked))
    return CODES[checked.result]


def _parser() -> argparse.ArgumentParser:
    codes = (__doc__ or "").partition("\n\n")[2]
    parser = argparse.ArgumentParser(
        prog="python -m flash_emulator.evidence_check",
        description="Check an evidence pack, and run states of its firmware again.",
        epilog=codes,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, help="the pack")
    parser.add_argument("--key", type=Path, required=True, help="public key of the signer, PEM")
    parser.add_argument(
        "--sample", type=_count, default=200, help="states to run again (default: 200)"
    )
    parser.add_argument("--all", action="store_true", help="run all states again")
    parser.add_argument("--seed", type=int, help="of the sample (default: drawn at random)")
    parser.add_argument(
        "--allow-host-code",
        action="store_true",
        help="execute the Python host of the board file, which you have read",
    )
    return parser


def _count(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of states, 1 or more")
    return int(text)


def in_words(checked: Checked) -> str:
    key = f"{checked.key.algorithm} key {checked.key.keyid}"
    lines = [
        f"authentic: {checked.files} files, signed with {key}",
        _run(checked.run, checked.seed),
    ]
    lines.append(f"the pack says: {checked.headline}")
    lines.append(f"it says that it was made on {checked.created}")
    if not checked.is_pass:
        lines.append("This is no pass.")
    return "\n".join(lines)


def _run(run: Verdict | RunAgain, seed: int) -> str:
    if isinstance(run, RunAgain):
        return f"run again: {run.states} states were reached, {run.boots} boots ended as listed"
    drawn = f", drawn with seed {seed}" if run.is_sample else ""
    return f"run again: {run.checked} of {run.states} states hold{drawn}; {run.cuts} cuts tried"


if __name__ == "__main__":
    sys.exit(main())
