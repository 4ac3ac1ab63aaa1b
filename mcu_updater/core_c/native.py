"""The C core, compiled for this machine: a library of one part and strategy, called through cffi.

What cffi is told is what the headers say, through the C preprocessor: nothing is declared twice.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from flash_emulator import Part
from flash_emulator.native.build import find_compiler
from flash_emulator.native.errors import NativeError
from flash_emulator.native.library import new_ffi
from mcu_updater.core.slot import AnyLayout
from mcu_updater.core.strategy import Strategy
from mcu_updater.core_c import config, layout, tables

SOURCES: Final = Path(__file__).parent / "src"
HOST: Final = Path(__file__).parent / "hal" / "host"

WARNINGS: Final[tuple[str, ...]] = ("-Wall", "-Wextra", "-Wconversion", "-Wpedantic", "-Werror")
_FLAGS: Final = ("-std=c99", "-O1", "-g", "-fPIC", "-shared")
_EMPTY_HEADERS: Final = ("stdint.h", "stdbool.h", "stddef.h")  # cffi knows their types


@dataclass(frozen=True, slots=True)
class Native:
    """*lib*: the functions of the C core; *ffi*: its types. See cffi."""

    ffi: Any
    lib: Any
    path: Path


def generate(
    folder: Path, part: Part, strategy: Strategy, laid_out: AnyLayout, component: str = "STM32"
) -> list[Path]:
    """Write what is made for a part and strategy into *folder*; returns the files."""
    texts = {
        "fwu_config.h": config.header(component),
        "fwu_layout.h": layout.header(part, strategy, laid_out),
        "fwu_layout.c": layout.source(part, strategy, laid_out),
        "fwu_tables.h": tables.header(),
        "fwu_tables.c": tables.source(),
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    return [folder / name for name in texts]


def build(
    part: Part,
    strategy: Strategy,
    laid_out: AnyLayout,
    *,
    defines: Mapping[str, object] | None = None,
    flags: Sequence[str] = (),
    sources: Path | None = None,
    compiler: str | None = None,
) -> Native:
    """The library of *part* and *strategy*, from a cache where it is there already.

    *defines*: choices of ``fwu_config.h`` without their ``FWU_``; *flags*: more for the compiler;
    *sources*: another folder than SOURCES. Raises NativeError with all that the compiler says.
    """
    given = [f"-DFWU_{name}={_value(value)}" for name, value in sorted((defines or {}).items())]
    options = [*_FLAGS, *WARNINGS, *given, *flags]
    cc, sources = find_compiler(compiler), sources or SOURCES
    with tempfile.TemporaryDirectory(prefix="fwu-") as name:
        folder = Path(name)
        generate(folder, part, strategy, laid_out)
        files = [
            *sorted(sources.glob("*.c")),
            *sorted(HOST.glob("*.c")),
            *sorted(folder.glob("*.c")),
        ]
        include = [f"-I{each}" for each in (folder, sources, HOST)]
        digest = _digest([*files, *_headers(folder, sources)], [cc, *options])
        path = _cache() / f"fwu-{digest}.so"
        if not path.exists():
            _compile(path, [cc, *options, *include, *map(str, files)])
        return _load(path, _declarations(cc, [*given, *include], folder))


def _value(value: object) -> str:
    """Sizes and times are unsigned."""
    return f"{value}u" if isinstance(value, int) else str(value)


def _headers(*folders: Path) -> list[Path]:
    return [file for folder in (*folders, HOST) for file in sorted(folder.glob("*.h"))]


def source_digest() -> str:
    """SHA-256 of all C sources, in hexadecimal."""
    digest = hashlib.sha256()
    for file in sorted(SOURCES.glob("*.[ch]")):
        digest.update(f"{file.name}\0".encode() + file.read_bytes())
    return digest.hexdigest()


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base).absolute() / "mcu_updater" / "core_c"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _digest(files: Sequence[Path], words: Sequence[str]) -> str:
    """Of all that the library is made of."""
    digest = hashlib.sha256("\0".join(words).encode())
    for file in files:
        digest.update(f"\0{file.name}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:32]


def _compile(path: Path, command: Sequence[str]) -> None:
    """Into *path*, all at once: another process may do the same."""
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as partial:
        pass
    _run([*command, "-o", partial.name])
    Path(partial.name).replace(path)


def _run(command: Sequence[str]) -> str:
    done = subprocess.run(  # noqa: S603 - the compiler that was asked for
        command, capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode:
        raise NativeError(f"the C compiler failed:\n$ {' '.join(command)}\n{done.stderr}")
    return done.stdout


def _declarations(cc: str, options: Sequence[str], folder: Path) -> str:
    """All headers behind the preprocessor, without those of the system."""
    empty = folder / "empty"
    empty.mkdir()
    for name in _EMPTY_HEADERS:
        (empty / name).write_text("")
    every = "".join(f'#include "{file.name}"\n' for file in _headers(folder, SOURCES))
    (folder / "every.h").write_text(every)
    return _run([cc, "-E", "-P", "-nostdinc", f"-I{empty}", *options, str(folder / "every.h")])


@cache
def _load(path: Path, declarations: str) -> Native:
    """The one of this process."""
    ffi = new_ffi(declarations)
    return Native(ffi, ffi.dlopen(str(path), ffi.RTLD_NOW), path)
