"""A bootloader in C as a subject of a search."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flash_emulator.device.flash import EmulatedFlash
from flash_emulator.native.build import Built, Program, build
from flash_emulator.native.errors import NativeError
from flash_emulator.native.library import Budget, Library, load
from flash_emulator.subject import Boot, ExternalState, Run, Subject

Paths = Sequence[str | os.PathLike[str]]
Verdict = Callable[[EmulatedFlash, int], object]


@dataclass(frozen=True)
class NativeSubject(Subject):
    """C *sources* that are booted, and a *verdict* on the flash that they leave.

    *verdict* is told the flash and what ``boot()`` has returned, and raises Violation; where it
    goes to other processes it must be picklable. *include*: folders of headers; *defines*: macros;
    *flags*: more for the compiler, behind ours (``-O1 -g``); *compiler*: else CC, cc, gcc or clang;
    *cache*: where compiled libraries are kept, else in the user's cache folder.

    *coalesce*: units that are programmed one behind the other may be one operation of many units
    (``EmulatedFlash.program_later``).

    Compiled when it is made: NativeError says what failed. In another process it is loaded from
    the cache, or compiled again from the same sources.
    """

    sources: Paths
    verdict: Verdict | None = None
    include: Paths = ()
    defines: Mapping[str, object] = field(default_factory=dict)
    flags: Sequence[str] = ()
    compiler: str | None = None
    cache: str | os.PathLike[str] | None = None
    budget: Budget = field(default_factory=Budget)
    coalesce: bool = True

    def __post_init__(self) -> None:
        program = Program.of(
            self.sources, self.include, self.defines, self.flags, self.compiler, self.cache
        )
        self._take(program, build(program))

    def _take(self, program: Program, built: Built) -> None:
        self.__dict__.update(_program=program, _built=built, _library=load(built.path))

    def __reduce__(self) -> tuple[Any, ...]:
        return _elsewhere, (self.__dict__["_program"], self.__dict__["_built"], self._plain())

    def _plain(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def boot(self, flash: EmulatedFlash, external: ExternalState) -> Boot:
        return _NativeBoot(self, self.__dict__["_library"], flash, external)

    def boot_once(self, flash: EmulatedFlash) -> int:
        """Boot on *flash* as it is, outside of a search: what ``boot()`` returns."""
        library: Library = self.__dict__["_library"]
        return library.boot(flash, self.budget, coalesce=self.coalesce)

    def fingerprints(self) -> dict[str, str]:
        """For certificates: digests of the sources and their headers, macros and flags."""
        program: Program = self.__dict__["_program"]
        built: Built = self.__dict__["_built"]
        return {
            **dict(built.sources),
            "defines": " ".join(f"{name}={value}" for name, value in program.defines),
            "flags": " ".join(program.flags),
        }


def _elsewhere(program: Program, built: Built, plain: dict[str, Any]) -> NativeSubject:
    """In another process, or another place."""
    if not built.path.exists():
        again = build(program)
        if again.sources != built.sources:
            names = ", ".join(name for name, _ in built.sources)
            raise NativeError(f"{names}: the C sources have changed since the search began")
        built = again
    subject = object.__new__(NativeSubject)
    subject.__dict__.update(plain)
    subject._take(program, built)
    return subject


@dataclass(frozen=True, slots=True)
class _NativeBoot:
    subject: NativeSubject
    library: Library
    flash: EmulatedFlash
    external: ExternalState

    def run(self) -> Run:
        asked = self.subject
        returned = self.library.boot(self.flash, asked.budget, coalesce=asked.coalesce)
        if self.subject.verdict is not None:
            self.subject.verdict(self.flash, returned)
        return f"boot() returned {returned}"
        yield

    def surviving(self) -> Sequence[tuple[str, ExternalState]]:
        return (("", self.external),)

    def volatile(self) -> bytes:
        return b""
