"""The kept inputs of each fuzz target: ``corpus/NAME.zip``.

    python -m tests.fuzz.fuzz_corpus NAME FOLDER

packs FOLDER, which is what ``tests.fuzz.images NAME FOLDER -merge=1 FOUND`` has left of FOUND:
for ``make fuzz``, ``.cache/fuzz/NAME``.
"""

from __future__ import annotations

import hashlib
import sys
import zipfile
from collections.abc import Iterable
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"
LARGEST = 4096  # bytes of an input that is kept


def kept(name: str) -> list[bytes]:
    """The inputs of target *name*."""
    path = CORPUS / f"{name}.zip"
    if not path.exists():
        return []
    with zipfile.ZipFile(path) as file:
        return [file.read(each) for each in file.namelist()]


def keep(name: str, inputs: Iterable[bytes]) -> int:
    """Pack *inputs*; return how many. The same inputs give the same file."""
    by_hash = {name_of(data): data for data in inputs if len(data) <= LARGEST}
    CORPUS.mkdir(exist_ok=True)
    with zipfile.ZipFile(CORPUS / f"{name}.zip", "w") as file:
        for each in sorted(by_hash):
            file.writestr(zipfile.ZipInfo(each), by_hash[each], zipfile.ZIP_DEFLATED)
    return len(by_hash)


def name_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


if __name__ == "__main__":
    _, name, folder = sys.argv
    print(keep(name, (path.read_bytes() for path in Path(folder).iterdir())), "inputs are kept")
