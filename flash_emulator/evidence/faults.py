"""What can be wrong with a pack."""

from __future__ import annotations

from enum import Enum


class Kind(Enum):
    """Of a difference; the value is the exit code of the checker."""

    SIGNATURE = 10  # it is not the statement that the key has signed
    FILES = 11  # files are not those of the statement
    CONTENTS = 12  # files contradict each other
    RERUN = 13  # the firmware does something else


class PackFault(Exception):
    """One difference: in which *file*, *what*, what was *expected* and *found*."""

    def __init__(
        self, kind: Kind, file: str, what: str, expected: str = "", found: str = ""
    ) -> None:
        self.kind, self.file, self.what = kind, file, what
        self.expected, self.found = expected, found
        super().__init__(str(self))

    def __str__(self) -> str:
        parts = [f"expected {self.expected}"] if self.expected else []
        parts += [f"found {self.found}"] if self.found else []
        text = f"{self.file}: {self.what}" + (f": {', '.join(parts)}" if parts else "")
        return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)
