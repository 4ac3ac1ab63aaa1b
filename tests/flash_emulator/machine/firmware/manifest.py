"""Prints the manifest of the images: who made them, and what they are."""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--compiler", required=True)
    parser.add_argument("--linker", required=True)
    parser.add_argument("images", nargs="+", type=Path)
    options = parser.parse_args()
    images = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in options.images}
    manifest = {"compiler": options.compiler, "linker": options.linker, "sha256": images}
    print(json.dumps(manifest, indent=2))


if __name__ == "__main__":
    main()
