"""The command line; see the package.

Exit codes: 0 confirmed, all of it, and nothing was found; 1 refused; 2 usage; 3 a sample holds;
4 confirmed within fewer outcomes or metastable modes than there are; 5 it lists violations. The
highest that is true.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from flash_emulator.certificate_check import NotConfirmed, confirm
from flash_emulator.certificate_check.verdict import REFUSED


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="certificate_check", description="Check a certificate.")
    parser.add_argument("file")
    parser.add_argument("--subject", required=True, metavar="MODULE:FACTORY")
    parser.add_argument("--sample", type=int, default=0, help="states to check; all if not given")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--head", default="", help="the head that the certificate must have")
    chosen = parser.parse_args(arguments)
    module, _, name = chosen.subject.partition(":")
    try:
        factory = getattr(importlib.import_module(module), name)
        options = {"sample": chosen.sample, "seed": chosen.seed, "head": chosen.head}
        verdict = confirm(chosen.file, factory, **options)
    except NotConfirmed as error:
        print(f"not confirmed: {error}")
        return REFUSED
    print(verdict)
    return verdict.exit_code


if __name__ == "__main__":
    sys.exit(main())
