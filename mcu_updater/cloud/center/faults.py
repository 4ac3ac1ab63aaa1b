"""What is wrong with a center file, or with a value that somebody wants to put into one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mcu_updater.core.errors import InputRejected, Remedy

Place = tuple[int | str, ...]
"""Keys, and indices counted from 0: ``("plans", 1, "strategy", "retries")``."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong. *where*, for people: ``plans[2] "spring", strategy.retries``;
    *at*, for programs: the same place, where it is known."""

    where: str
    what: str
    expected: str = ""
    found: str = ""
    at: Place = ()

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}"
        text += f"; expected {self.expected}" if self.expected else ""
        return text + (f", found {self.found}" if self.found else "")


class _Faulty(InputRejected):
    def __init__(
        self, where: str, faults: Iterable[Fault], remedy: Remedy | None, more: int = 0
    ) -> None:
        self.faults = tuple(faults)
        count = len(self.faults) + more
        super().__init__(
            f"{count} faults" if count > 1 else "a fault",
            where=where,
            found="; ".join(str(fault) for fault in self.faults[:3]),
            remedies=[remedy] if remedy is not None and len(self.faults) > 3 else (),
        )


class BadCenterFile(_Faulty):
    """*Them*: the center file, or a package that it names, is not what it must be.

    *files*: the packages that it names, as far as they are known.
    """

    def __init__(self, path: Path, faults: Iterable[Fault], files: Iterable[Path] = ()) -> None:
        self.files = tuple(files)
        super().__init__(str(path), faults, Remedy.CHECK_CENTER)


class BadValue(_Faulty):
    """*Them*: a product, package, plan or device that cannot be. Places are within it. *more*: how
    many faults there are besides *faults*, which nobody would read."""

    def __init__(self, where: str, faults: Iterable[Fault], more: int = 0) -> None:
        super().__init__(where, faults, None, more)
