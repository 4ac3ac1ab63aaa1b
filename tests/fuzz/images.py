"""Coverage-guided fuzzing of decoders, containers and signed images: ``make fuzz``.

    python -m tests.fuzz.images NAME FOLDER [libFuzzer options]

FOLDER gets the seeds and the kept corpus first, and then whatever leads to something new. Inputs
that are findings are written where libFuzzer is told to (``-artifact_prefix=``).
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(
    include=[
        "mcu_updater.core.image",
        "mcu_updater.files",
        "mcu_updater.core.package",
        "mcu_updater.core.trust",
    ]
):
    from tests.fuzz.fuzz_images import TARGETS

from tests.fuzz.fuzz_corpus import kept, name_of
from tests.fuzz.fuzz_seeds import seeds

if __name__ == "__main__":
    name, folder, *options = sys.argv[1:]
    corpus = Path(folder)
    corpus.mkdir(parents=True, exist_ok=True)
    if not any(option.startswith("-merge") for option in options):  # it fills an empty folder
        for data in [*seeds(name), *kept(name)]:
            (corpus / name_of(data)).write_bytes(data)
    again = shlex.join([sys.executable, sys.argv[0], name])  # how libFuzzer starts it once more
    atheris.Setup([again, folder, *options], TARGETS[name])
    atheris.Fuzz()
