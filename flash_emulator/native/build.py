"""Compiles a bootloader into a shared library, into a cache folder and nowhere else.

The library's name is a digest of all that it is made of: the preprocessed sources, so their headers
count as well, the compiler and its command. What is there already is not compiled again.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Final

from flash_emulator.native.errors import NativeError

INCLUDE: Final = Path(__file__).parent / "c"
"""The folder of ``mcu_flash.h``."""

_GLUE: Final = INCLUDE / "glue.c"
_BOOTLOADER: Final = (
    *("-O1", "-g", "-fPIC", "-fno-common", "-fsanitize-coverage=trace-pc"),
    *("-fstack-protector-strong", "-U_FORTIFY_SOURCE"),  # a finding, and no end of the process
)
_LINK: Final = ("-shared", "-pthread", *(f"-Wl,{x}" for x in ("-z,now", "-z,relro", "-Bsymbolic")))
_WHERE_ACCEPTED: Final = (
    ("-ftrivial-auto-var-init=pattern",),  # what is on the stack is not left to chance
    ("-mllvm", "-sanitizer-coverage-prune-blocks=0"),  # clang: a count in every block
)


@dataclass(frozen=True, slots=True)
class Program:
    """What is compiled. Paths are absolute; *flags* come last, so they overrule ours."""

    sources: tuple[Path, ...]
    include: tuple[Path, ...] = ()
    defines: tuple[tuple[str, str], ...] = ()
    flags: tuple[str, ...] = ()
    compiler: str | None = None
    cache: Path | None = None

    @classmethod
    def of(
        cls,
        sources: Sequence[str | os.PathLike[str]],
        include: Sequence[str | os.PathLike[str]],
        defines: Mapping[str, object],
        flags: Sequence[str],
        compiler: str | None,
        cache: str | os.PathLike[str] | None,
    ) -> Program:
        """NativeError where a source is not there."""
        if isinstance(sources, str | os.PathLike):
            raise NativeError(f"sources: expected a list of files, found the one {str(sources)!r}")
        files = tuple(Path(each).absolute() for each in sources)
        if not files:
            raise NativeError("sources: expected at least one C file, found none")
        for file in files:
            if not file.is_file():
                raise NativeError(f"{file}: no such C file")
        return cls(
            files,
            tuple(Path(each).absolute() for each in include),
            tuple((name, _value(value)) for name, value in sorted(defines.items())),
            tuple(flags),
            compiler,
            Path(cache).absolute() if cache is not None else None,
        )

    @property
    def folder(self) -> Path:
        """Where libraries are kept."""
        if self.cache is not None:
            return self.cache
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        return Path(base).absolute() / "flash_emulator" / "native"

    def options(self, compiler: str) -> list[str]:
        """Of the compiler, for each source."""
        extra = [flag for flags in _WHERE_ACCEPTED if _accepts(compiler, flags) for flag in flags]
        include = [f"-I{each}" for each in (*self.include, INCLUDE)]
        defines = [f"-D{name}={value}" for name, value in self.defines]
        return ["-std=gnu11", *_BOOTLOADER, *extra, *include, *defines, *self.flags]


@dataclass(frozen=True, slots=True)
class Built:
    """A library: its *path* and *digest*; *sources*: digests of sources and headers, by name."""

    path: Path
    digest: str
    sources: tuple[tuple[str, str], ...]


def _value(value: object) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)


def find_compiler(wanted: str | None) -> str:
    """*wanted*, or what CC says, or the first of cc, gcc and clang that is there."""
    names = [wanted] if wanted else [os.environ.get("CC") or "", "cc", "gcc", "clang"]
    for name in filter(None, names):
        found = shutil.which(name)
        if found:
            return found
        if wanted:
            raise NativeError(f"no C compiler {wanted!r} on PATH")
    raise NativeError(
        "no C compiler on PATH: looked for CC, cc, gcc and clang. Install one (Debian: apt-get "
        "install gcc libc6-dev), or name it: compiler="
    )


def build(program: Program) -> Built:
    """The library of *program*, compiled where it is not there yet. NativeError says what failed:
    with the command and all that the compiler says."""
    if sys.platform in ("win32", "darwin"):
        raise NativeError(
            f"{sys.platform}: C code is booted where libraries are ELF files, such as on Linux; "
            "elsewhere boot it on the emulated CPU, or write the logic in Python"
        )
    compiler = find_compiler(program.compiler)
    with tempfile.TemporaryDirectory(prefix="mcu-native-") as folder:
        digest, sources = _digest(program, compiler, Path(folder))
        path = program.folder / f"{program.sources[0].stem}-{digest[:32]}.so"
        if not path.exists():
            _compile(program, compiler, Path(folder), path)
    return Built(path, digest, sources)


def _compile(program: Program, compiler: str, folder: Path, path: Path) -> None:
    """Into *path*, all at once: another process may do the same."""
    glue, library = folder / "glue.o", folder / "library.so"
    glue.write_bytes(_glue(compiler))
    sources = [*program.sources]
    _run([compiler, *program.options(compiler), *_LINK, *sources, glue, "-o", library])
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as partial:
            partial.write(library.read_bytes())
        Path(partial.name).replace(path)
    except OSError as error:
        raise NativeError(f"{path.parent}: cannot keep the library: {error}; see cache=") from error


@lru_cache
def _glue(compiler: str) -> bytes:
    """Our own part of each library, as an object file: four fifths of the time of a small build."""
    with tempfile.TemporaryDirectory(prefix="mcu-native-") as folder:
        glue = Path(folder, "glue.o")
        _run([compiler, "-std=gnu11", "-O2", "-fPIC", f"-I{INCLUDE}", "-c", _GLUE, "-o", glue])
        return glue.read_bytes()


def _digest(
    program: Program, compiler: str, folder: Path
) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Of all that the library is made of; and of each source and header but the system's."""
    options = program.options(compiler)
    digest = sha256(f"{platform.machine()} {_version(compiler)}\n{options} {_LINK}\n".encode())
    files = dict.fromkeys(program.sources)
    for number, source in enumerate(program.sources):
        out, rule = folder / f"{number}.i", folder / f"{number}.d"
        _run([compiler, *options, "-E", "-MMD", "-MF", rule, source, "-o", out])
        digest.update(out.read_bytes())
        files.update(dict.fromkeys(_prerequisites(rule)))
    for each in (_GLUE, INCLUDE / "glue.h", INCLUDE / "mcu_flash.h"):
        digest.update(each.read_bytes())
    return digest.hexdigest(), _sources([file for file in files if file.parent != INCLUDE])


def _prerequisites(rule: Path) -> list[Path]:
    """Files that a rule of make names behind its target."""
    text = rule.read_text().replace("\\\n", " ").partition(": ")[2]
    names = text.replace("\\ ", "\0").split()
    return [Path(name.replace("\0", " ")).absolute() for name in names]


def _sources(files: list[Path]) -> tuple[tuple[str, str], ...]:
    """By names that are the same wherever the sources lie."""
    common = Path(os.path.commonpath([file.parent for file in files]))
    return tuple(
        (file.relative_to(common).as_posix(), sha256(file.read_bytes()).hexdigest())
        for file in sorted(files)
    )


def _run(command: Sequence[str | Path]) -> None:
    words = [str(word) for word in command]
    done = subprocess.run(  # noqa: S603 - the compiler that was asked for
        words, capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode:
        said = (done.stderr + done.stdout).strip() or "it says nothing"
        raise NativeError(
            f"the C compiler failed with exit code {done.returncode}:\n$ {' '.join(words)}\n{said}"
        )


@lru_cache
def _version(compiler: str) -> str:
    return subprocess.run(  # noqa: S603
        [compiler, "--version"], capture_output=True, text=True, errors="replace", check=False
    ).stdout


@lru_cache
def _accepts(compiler: str, flags: tuple[str, ...]) -> bool:
    command = [compiler, "-Werror", *flags, "-x", "c", "-c", os.devnull, "-o", os.devnull]
    return not subprocess.run(command, capture_output=True, check=False).returncode  # noqa: S603
