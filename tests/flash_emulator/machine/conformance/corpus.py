"""What QEMU made of a fixed set of cases: a digest of each, by core, in ``corpus/``.

    python -m tests.flash_emulator.machine.conformance.corpus

writes it again, with the QEMU that is installed (``make conformance``).
"""

from __future__ import annotations

import tempfile
from hashlib import sha256
from pathlib import Path

from tests.flash_emulator.machine.conformance.emulators import on_qemu, qemu_version
from tests.flash_emulator.machine.conformance.frame import Case, Core, Result
from tests.flash_emulator.machine.conformance.programs import CORES, cases

FOLDER = Path(__file__).with_name("corpus")
SEED, COUNT = 1, 400


def corpus_cases(core: Core) -> list[Case]:
    return cases(core, SEED, COUNT)


def digest(case: Case, result: Result) -> str:
    """Of a case and of what came of it."""
    return sha256(repr((case, result)).encode()).hexdigest()[:16]


def expected(core: Core) -> list[str]:
    """Digests by QEMU, in the order of the cases."""
    lines = (FOLDER / f"{core.key}.txt").read_text(encoding="utf-8").splitlines()
    return [line.split()[0] for line in lines if not line.startswith("#")]


def write() -> None:
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for core in CORES:
            several = corpus_cases(core)
            found = zip(several, on_qemu(core, several, Path(folder)), strict=True)
            lines = [f"{digest(case, result)} {case.name}" for case, result in found]
            head = f"# {qemu_version()}: digest and name of each case; corpus.py writes this\n"
            path = FOLDER / f"{core.key}.txt"
            path.write_text(head + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write()
