"""Every option changes something: what is printed, the exit code, or a file.

``test_every_option.py`` says where an option is refused. Here each command that needs no port is
run with and without each of its options, in the same folder, and what it does must differ. An
option that is silently ignored, or that nobody has put into the table, is found.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import chdir, closing
from functools import cache
from pathlib import Path

import click
import pytest

from tests.cli.command_line import NEW, OLD, in_trial, run
from tests.cli.every_command import commands
from tests.core.trust.signing import private_pem, public_pem, signed

COMMANDS = dict(commands())
CLASS = "00000000-0000-0000-0000-000000000001"
CENTER = """\
[[products]]
key = "p1"

[[products.components]]
id = "STM32"

[[packages]]
name = "two"
target = "2.0.0"
files = ["new.bin"]

[[plans]]
name = "spring"
product = "p1"
begin = 2026-03-02T08:00:00
push_hours = [0, 6]
upgrades = [{ component = "STM32", package = "two" }]

[[devices]]
id = "pump"
count = 2
product = "p1"
versions = { STM32 = "1.0.0" }
"""


BASES = {
    "update": "new.bin",
    "board boot": "trial.board",
    "board new": "fresh.board --version 1.0.0",
    "board status": "one.board",
    "center control": "center.toml pause --plan spring --db new.db",
    "center monitor": "center.toml --db center.db",
    "center offer": "center.toml --device pump-009 --version STM32=1.0.0 --at 2026-03-02T10:00",
    "delta apply": "old.bin patch.mcud -o result.bin",
    "delta info": "patch.mcud",
    "delta make": "old.bin new.bin -o result.mcud",
    "emit c": "--part STM32L476xG -o emitted",
    "emit factory": "new.bin --part STM32L476xG --version 2.0.0 -o factory.hex",
    "fleet": "center.toml --cuts 2 --faults 2 --jobs 1 --db fleet.db",
    "image check": "new.bin",
    "image convert": "new.bin result.s19",
    "image diff": "old.bin new.bin",
    "image inspect": "new.bin",
    "package build": "package.zip new.bin",
    "part list": "",
    "part show": "STM32L476xG",
}
USUAL = {
    "--component": "OTHER",
    "--part": "STM32U575xI",
    "--strategy": "copy",
    "--base": "0x0800C000",
    "--version": "3.0.0",
    "--from": "1.5.0",
    "--to": "3.0.0",
    "--seed": "5",
    "--attempts": "2",
    "--read-size": "512",
    "--baud": "9600",
    "--trial": "fail",
    "--force": "",
    "--json": "",
    "--quiet": "",
    "--verbose": "",
    "--all": "",
    "--md5": "0" * 32,
    "--sha256": "0" * 64,
    "--db": "one.db",
    "--at": "2026-03-03T04:00",
}
"""What an option is given, unless a case says otherwise."""

CASES = {
    # command: option: words without it, and the option's value; "": those of BASES, and USUAL
    "update": {
        "--allow": ("noend.hex", "no-end"),
        "--raw": ("odd.pack", ""),
        "--join": ("fw.bin_1", ""),
        "--only": ("new.hex", "0x08008000:0x100"),
        "--board": ("", "kept.board"),
        "--wait": ("new.bin --board one.board --from 9.0.0", "7"),
        "--piece-size": ("", "900"),
        "--verdict-wait": ("", "0"),
        "--plan-once": ("", ""),
        "--battery": ("", "29"),
        "--signal": ("", "-114"),
        "--cut-at": ("", "9"),
        "--outcome": ("new.bin --cut-at 9 --board one.board", "after"),
        "--cut-module": ("new.bin --cut-at 40 --board one.board", ""),
        "--require-signature": ("", "public.pem"),
        "--require-class": ("new.bin --require-signature public.pem --board one.board", CLASS),
    },
    "board boot": {
        "--cut-at": ("", "1"),
        "--outcome": ("trial.board --cut-at 1", "after"),
        "--cut-module": ("trial.board --cut-at 1", ""),
    },
    "board new": {
        "--allow": ("fresh.board --version 1.0.0 --image noend.hex", "no-end"),
        "--raw": ("fresh.board --version 1.0.0 --image odd.pack", ""),
        "--only": ("fresh.board --version 1.0.0 --image new.hex", "0x08008000:0x100"),
        "--image": ("", "new.bin"),
        "--require-signature": ("fresh.board --version 2.0.0 --image signed.bin", "public.pem"),
        "--require-class": (
            "fresh.board --version 2.0.0 --image signed.bin --require-signature public.pem",
            CLASS,
        ),
        "--force": ("one.board --version 1.0.0", ""),
    },
    "center control": {
        "--device": ("center.toml cancel --plan spring --db new.db", "pump-001"),
        "--db": ("center.toml pause --plan spring", "other.db"),
    },
    "center monitor": {
        "--device": ("", "pump-001"),
        "--at": ("", "2199-01-01"),
        "--all": ("", ""),
        "--db": ("center.toml", "one.db"),
    },
    "center offer": {
        "--version": ("", "STM32=2.0.0"),
        "--db": ("", "one.db"),
        "--pushed": ("", ""),
    },
    "delta apply": {
        "--allow": ("noend.hex patch.mcud -o result.bin", "no-end"),
        "--raw": ("old.hex patch.mcud -o result.bin", ""),
        "--only": ("old.hex patch.mcud -o result.bin", "0x08008000:0x100"),
        "--base": ("old.hex patch.mcud -o result.bin", "0x08000000"),
        "--force": ("old.bin patch.mcud -o new.bin", ""),
    },
    "delta make": {
        "--allow": ("old.bin noend.hex -o result.mcud", "no-end"),
        "--raw": ("old.hex new.hex -o result.mcud", ""),
        "--only": ("old.hex new.hex -o result.mcud", "0x08008000:0x100"),
        "--base": ("old.hex new.hex -o result.mcud", "0x08007F00"),
        "--force": ("old.bin new.bin -o new.hex", ""),
        "--profile": ("", "host"),
        "--window": ("", "9"),
        "--sign": ("", "private.pem"),
        "--air-rate": ("", "10"),
    },
    "emit c": {"--force": ("--part STM32L476xG -o full", "")},
    "emit factory": {
        "--allow": ("noend.hex --part STM32L476xG --version 2.0.0 -o factory.hex", "no-end"),
        "--raw": ("odd.pack --part STM32L476xG --version 2.0.0 -o factory.hex", ""),
        "--only": (
            "new.hex --part STM32L476xG --version 2.0.0 -o factory.hex",
            "0x08008000:0x100",
        ),
        "--bootloader": ("", "boot.hex"),
        "--force": ("new.bin --part STM32L476xG --version 2.0.0 -o new.hex", ""),
    },
    "fleet": {
        "--devices": ("", "1"),
        "--cuts": ("", "0"),
        "--faults": ("", "0"),
        "--fault": ("", "hang"),
        "--bad-trials": ("", "1"),
        "--weak": ("", "1"),
        "--from": ("center.toml --devices 1 --db fleet.db", "1.5.0"),
        "--jobs": ("center.toml --replay pump-001", "1"),
        "--db": ("center.toml --devices 1 --jobs 1", "other.db"),
        "--force": ("center.toml --devices 1 --jobs 1 --db center.db", ""),
        "--replay": ("center.toml", "pump-001"),
    },
    "image check": {
        "--part": ("big.bin", "STM32L476xG"),
        "--annotate": ("bad.bin", ""),
        "--allow": ("noend.hex", "no-end"),
        "--raw": ("new.hex", ""),
        "--only": ("wide.hex", "flash"),
        "--strategy": ("big.bin --part STM32U575xI", "copy"),
        "--component": ("two.zip", "ONE"),
    },
    "image convert": {
        "--to": ("", "hex"),
        "--fill": ("gap.hex result.bin", "0"),
        "--force": ("new.bin new.hex", ""),
        "--allow": ("noend.hex result.s19", "no-end"),
        "--raw": ("new.hex result.s19", ""),
        "--only": ("new.hex result.s19", "0x08008000:0x100"),
        "--component": ("two.zip result.s19", "ONE"),
    },
    "image diff": {
        "--equal": ("", ""),
        "--strategy": ("new.bin big.bin --part STM32U575xI", "copy"),
        "--allow": ("noend.hex new.hex", "no-end"),
        "--raw": ("old.hex new.hex", ""),
        "--only": ("old.hex new.hex", "0x08008000:0x100"),
        "--component": ("two.zip new.bin", "ONE"),
    },
    "image inspect": {
        "--strategy": ("new.bin --part STM32L476xG", "copy"),
        "--allow": ("noend.hex", "no-end"),
        "--raw": ("new.hex", ""),
        "--only": ("new.hex", "0x08008000:0x100"),
        "--component": ("two.zip", "ONE"),
    },
    "package build": {
        "--restart": ("", "0"),
        "--force": ("two.zip new.bin", ""),
        "--allow": ("package.zip noend.hex", "no-end"),
        "--raw": ("package.zip odd.pack", ""),
        "--only": ("package.zip new.hex", "0x08008000:0x100"),
        "--part": ("package.zip new.bin --component STM32 --version 2.0.0", "STM32L476xG"),
        "--component": ("package.zip new.bin --version 2.0.0", "STM32"),
        "--version": ("package.zip new.bin --component STM32", "2.0.0"),
    },
    **{command: {} for command in ("board status", "delta info", "part list", "part show")},
}

ELSEWHERE = {
    "update": {
        *("--module", "--any", "--line-log", "--baud", "--echo", "--line-end", "--timeout"),
        *("--register", "--read-ahead", "--usb-packet", "--flash-time"),
        *("--target", "--target-baud", "--target-reset"),
    },
    "center monitor": {"--watch"},
}
"""Options that need a port, or do not end."""

OF_PORTS = {
    *(
        "center serve",
        "chip serve",
        "doctor",
        "erase",
        "flash",
        "info",
        "install",
        "module faults",
        "verify",
    ),
    *("module options", "module play", "module serve", "option-bytes", "ports", "protect", "read"),
    *("unprotect", "watch", "board why", "center check"),
    *("evidence", "firmware explore", "firmware new", "firmware run", "powerloss"),
}
"""Commands that need a port or search for long; and a few that have no options."""

TIMES = re.compile(r"in [0-9.]+ s|\"wall_s\": [0-9.e-]+|Wall time.*")


def options_of(command: str) -> Iterator[str]:
    for each in COMMANDS[command].params:
        if isinstance(each, click.Option) and each.opts[0] not in ELSEWHERE.get(command, ()):
            yield each.opts[0]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all that the cases name."""
    folder = tmp_path_factory.mktemp("files")
    (folder / "old.bin").write_bytes(OLD.read_bytes()[:SIZE])
    (folder / "new.bin").write_bytes(NEW["bin"].read_bytes()[:SIZE])
    (folder / "odd.pack").write_bytes(NEW["bin"].read_bytes()[:SIZE])
    (folder / "center.toml").write_text(CENTER, encoding="utf-8")
    (folder / "fw.bin_1").write_bytes(NEW["bin"].read_bytes()[:900])
    (folder / "fw.bin_2").write_bytes(NEW["bin"].read_bytes()[900:SIZE])
    (folder / "big.bin").write_bytes(NEW["bin"].read_bytes() + b"big." * 250_000)
    (folder / "bad.bin").write_bytes(b"no image at all.")
    (folder / "signed.bin").write_bytes(signed("2.0.0", size=3000))
    (folder / "private.pem").write_bytes(private_pem("ed25519", "owner"))
    (folder / "public.pem").write_bytes(public_pem("ed25519"))
    with chdir(folder):
        for words in MAKERS:
            done = run(*words.split())
            assert done.exit_code == 0, done.output
    lines = (folder / "new.hex").read_text(encoding="ascii").splitlines(keepends=True)
    (folder / "noend.hex").write_text("".join(lines[:-1]), encoding="ascii")
    (folder / "gap.hex").write_text("".join(lines[:9] + lines[10:]), encoding="ascii")
    (folder / "wide.hex").write_text("".join(lines[:-1] + OUTSIDE), encoding="ascii")
    in_trial(folder / "trial.board")
    return folder


UNNAMED = ("new.bin", "fw.bin_2")  # the center file's package, and a part beside the first
SIZE = 2000  # of an image; what it says inside about itself does not matter here
OUTSIDE = [":020000042000DA\n", ":0400000001020304F2\n", ":00000001FF\n"]  # four bytes of RAM
MAKERS = (
    "image convert new.bin new.hex --base 0x08008000",
    "image convert old.bin old.hex --base 0x08008000",
    "delta make old.bin new.bin -o patch.mcud",
    "package build two.zip old.bin:ONE:1.0.0 new.bin:TWO:2.0.0",
    "board new one.board --version 1.0.0 --seed 1",
    "emit c --part STM32L476xG -o full",
    "image convert bad.bin boot.hex --raw --base 0x08000000",
    "fleet center.toml --cuts 0 --faults 0 --jobs 1 --db center.db",
    "fleet center.toml --devices 1 --cuts 0 --faults 0 --jobs 1 --db one.db",
    "center control center.toml pause --plan spring --db one.db",
)


Deed = tuple[int, str, str, dict[str, str]]


@pytest.fixture(scope="module")
def did(files: Path) -> Callable[[str], Deed]:
    """What a command line does in a folder of those files."""
    place = files.parent / "place"

    @cache
    def do(words: str) -> Deed:
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        for path in files.iterdir():
            if path.name in words or path.name in UNNAMED:
                (shutil.copytree if path.is_dir() else shutil.copy)(path, place / path.name)
        with chdir(place):
            done = run(*words.split())
        found = {
            str(path.relative_to(place)): hashlib.sha256(_content(path)).hexdigest()
            for path in place.rglob("*")
            if path.is_file()
        }
        out, err = (TIMES.sub("", text) for text in (done.stdout, done.stderr))
        return done.exit_code, out, err, found

    return do


def _content(path: Path) -> bytes:
    if path.suffix != ".db":
        return path.read_bytes()
    with closing(sqlite3.connect(path)) as database:
        return "\n".join(database.iterdump()).encode()


def words_of(command: str, option: str) -> tuple[str, str]:
    """A command line without the option, and the same one with it."""
    cases: dict[str, tuple[str, str]] = CASES[command]
    base, value = cases.get(option, ("", USUAL.get(option)))
    assert value is not None, "a new option needs a case: what does it change?"
    without = f"{command} {base or BASES[command]}"
    name = option if option.startswith("--") else f"-{option[-1]}"
    return without, f"{without} {name} {value}".strip()


def test_every_command_is_here_or_needs_a_port():
    assert BASES.keys() | OF_PORTS == COMMANDS.keys()
    assert CASES.keys() == BASES.keys()


@pytest.mark.parametrize("command", BASES)
def test_every_option_has_an_effect(command: str, did: Callable[[str], Deed]):
    idle = []
    for option in options_of(command):
        if option in BASES[command].split():
            continue
        without, given = words_of(command, option)
        if did(given) == did(without) or did(given)[0] == 2:
            idle.append(given)
    assert idle == [], [did(one)[:3] for one in idle]
