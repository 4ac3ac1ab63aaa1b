"""Writes what is to be known of the built stub: hash, size, place in RAM, compiler."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path


def main(image: Path, compiler: str, recipe: str) -> None:
    data = image.read_bytes()
    stack = int.from_bytes(data[:4], "little")
    facts = {
        "name": image.name,
        "sha256": hashlib.sha256(data).hexdigest(),
        "size": len(data),
        "load_address": "0x20004000",
        "ram_end": f"0x{stack:08X}",
        "compiler": compiler,
        "recipe": recipe,
    }
    image.with_suffix(".json").write_text(json.dumps(facts, indent=2) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
