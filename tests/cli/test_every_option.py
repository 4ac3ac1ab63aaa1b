"""Every option of every command, in every way that the command can be run: used, or refused with
exit code 2. Commands are given files and ports that cannot be used, so that none gets far."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import click
import pytest

from tests.cli.command_line import run
from tests.cli.every_command import EXAMPLES, commands
from tests.places import FIXTURES

IMAGE = FIXTURES / "fixture-2.0.0.hex"
CENTER = FIXTURES.parent / "examples" / "center" / "center.toml"
NOWHERE = "/none"
READING = {"--allow", "--raw", "--only"}
OTHER_WAYS = ("--list", "--replay", "--check")
REPORTED_WAYS = ("--list", "--check")  # a film is written, too
MADE_UP = {"--format", "--size"}
PROJECT = ("--config", "--no-config", "--dry-run")
IMAGE_OF_ONE = {"--component", "--source-version", "--full"}
KEY = {"--require-class"}  # needs --require-signature

COMMANDS = dict(commands())


@dataclass(frozen=True)
class Mode:
    """A way to run *command*: *words*, and the options that mean nothing there."""

    command: str
    words: str
    refused: frozenset[str] = frozenset()

    def __str__(self) -> str:
        return f"{self.command} {self.words}".replace(str(FIXTURES.parent), "")


def mode(command: str, words: str, *refused: str) -> Mode:
    return Mode(command, words, frozenset(refused))


def all_but(command: str, *taken: str) -> set[str]:
    return {each.opts[0] for each in options_of(command)} - set(taken)


def options_of(command: str) -> Iterator[click.Option]:
    return (each for each in COMMANDS[command].params if isinstance(each, click.Option))


QUIET = ("--quiet", "--json")
SEARCH = (
    *("--brute-force", "--no-representatives", "--draws", "--erased-values"),
    *("--options-at-risk", "--decay"),
)
REPLAY_ONLY = ("--shrink", "--open")
REPLAYED = ("--replay", *REPLAY_ONLY, "--html")
SEARCH_OF_FIRMWARE = tuple(each for each in SEARCH if each != "--no-representatives")
PORT = f"--port {NOWHERE}/port"
SHAPE = "--geometry 0x0800_0000:128x2K"
ONE = f"--package {IMAGE} --target-version 2.0.0 --link {NOWHERE}/x"
MANY = f"--center {CENTER} --device pump-001 --db {NOWHERE}/x.db"
OF_MANY = ("--device", "--db")
OF_THE_MODULES = ("--modules-file", "--set", "--fault", "--seed", "--speed")
WITHOUT_KEYS = ("--require-class",)
SERVE = "STM32L476xG"
DB = f"--db {NOWHERE}/x.db"
OUT = f"{NOWHERE}/x"
MODES = [
    mode(
        "powerloss",
        f"--html {OUT}",
        *(*REPLAY_ONLY, "--budget"),
        *REPORTED_WAYS,
        "--check-sample",
        "--option-change-us",
        *READING,
    ),
    mode(
        "powerloss",
        f"--strategy all --html {OUT}",
        *(*REPLAY_ONLY, "--check-sample", "--budget", "--config", "--dry-run", *OTHER_WAYS),
        *READING,
    ),
    mode(
        "powerloss",
        f"{IMAGE} --html {OUT}",
        *(*REPLAY_ONLY, "--check-sample", "--option-change-us", "--budget", *REPORTED_WAYS),
        *("--config", "--no-config", *MADE_UP),
    ),
    mode(
        "powerloss",
        f"--quick --html {OUT}",
        *(*REPLAY_ONLY, "--check-sample", "--option-change-us", *OTHER_WAYS),
        *("--cuts", "--time", "--certificates", *READING),
    ),
    mode("powerloss", "--list", *all_but("powerloss", "--list", *QUIET)),
    mode(
        "powerloss",
        f"{IMAGE} --check {IMAGE}",
        *all_but("powerloss", "--check", "--check-sample", *QUIET, *READING),
    ),
    mode(
        "powerloss",
        f"{IMAGE} --check {IMAGE} --check-sample 2",
        *all_but("powerloss", "--check", "--check-sample", "--seed", *QUIET, *READING),
    ),
    mode(
        "powerloss",
        "--replay no-ID",
        *all_but("powerloss", *REPLAYED, *SEARCH, *QUIET),
    ),
    mode(
        "powerloss",
        f"{IMAGE} --replay no-ID",
        *all_but("powerloss", *REPLAYED, *SEARCH, *QUIET, *READING),
    ),
    mode(
        "firmware explore",
        f"{IMAGE} --html {OUT}",
        *(*REPLAY_ONLY, "--check-sample", "--check", "--gdb", "--budget", *PROJECT),
    ),
    mode(
        "firmware explore",
        f"{IMAGE} --quick --html {OUT}",
        *(*REPLAY_ONLY, "--check-sample", "--replay", "--check", "--gdb", "--cuts", "--time"),
        *("--certificates", "--coverage", *PROJECT),
    ),
    mode(
        "firmware explore",
        f"--html {OUT}",
        *(*REPLAY_ONLY, "--check-sample", "--replay", "--check", "--gdb", "--coverage"),
    ),
    mode(
        "firmware explore",
        f"{IMAGE} --replay no-ID",
        *all_but("firmware explore", *REPLAYED, "--gdb", *SEARCH_OF_FIRMWARE, *QUIET),
    ),
    mode(
        "firmware explore",
        f"{IMAGE} --replay no-ID --gdb 0",
        *all_but(
            "firmware explore", "--replay", "--shrink", "--gdb", "--quiet", *SEARCH_OF_FIRMWARE
        ),
    ),
    mode(
        "firmware explore",
        f"{IMAGE} --check {IMAGE}",
        *all_but("firmware explore", "--check", "--check-sample", *QUIET),
    ),
    mode("evidence", f"{OUT} --board {IMAGE} --key {IMAGE}"),
    mode(
        "evidence",
        f"{OUT} --board {IMAGE} --key {IMAGE} --certificate {IMAGE}",
        *all_but(
            "evidence",
            *("--board", "--key", "--key-password-file", "--certificate", "--recheck-sample"),
            *QUIET,
        ),
    ),
    mode("emit c", f"--part STM32L476xG -o {OUT}", "--strategy"),  # option-toggle is tried
    mode(
        "emit factory",
        f"{IMAGE} --part STM32L476xG --version 2.0.0 -o {OUT} --bootloader {IMAGE}",
    ),
    mode("firmware new", f"{IMAGE} --part STM32L476xG -o {OUT}"),
    mode("firmware run", f"{IMAGE}"),
    mode("fleet", f"{CENTER} --cuts 0 --faults 0 {DB}", "--replay", "--fault", "--from"),
    mode("fleet", f"{CENTER} --cuts 0 --faults 1 --replay nobody", "--jobs", "--db", "--from"),
    mode("fleet", f"{CENTER} --devices 1 --cuts 0 {DB}", "--replay"),
    mode(
        "chip serve",
        f"{SERVE} --link {OUT}",
        *(
            "--outcome",
            "--wiring",
            "--packet-size",
            "--max-baud",
            "--tcp",
            "--program-us",
            "--erase-us",
            "--mass-erase-us",
        ),
    ),
    mode(
        "chip serve",
        f"{SERVE} --link {OUT} --timing typ --latency-ms 1 --cut-at 9 --baud auto",
        *("--wiring", "--tcp"),
    ),
    mode(
        "module serve",
        ONE,
        *OF_MANY,
        "--center",
        "--tcp",
        "--stdio",
        "--seed",
        "--paused",
        "--full",
    ),
    mode(
        "module serve",
        MANY,
        "--join",
        *IMAGE_OF_ONE,
        *READING,
        "--package",
        "--target-version",
        "--seed",
        "--paused",
        "--count",
    ),
    mode(
        "module serve",
        f"--package {IMAGE} --target-version 2 --stdio --record {OUT}",
        *OF_MANY,
        "--center",
        "--tcp",
        "--link",
        "--once",
        "--count",
        "--seed",
        "--paused",
        "--full",
    ),
    mode("module play", f"{IMAGE} --link {OUT}"),
    mode("flash", f"{IMAGE} {PORT}", "--program-unit", "--read-back", *KEY),
    mode("flash", f"{IMAGE} {PORT} --stub", "--program-unit", "--no-verify", *KEY),
    mode("flash", f"{IMAGE} {PORT} --dry-run", "--program-unit", "--read-back", *KEY),
    mode(
        "flash",
        f"{IMAGE} {PORT} --part STM32L476xG",
        *("--geometry", "--program-unit", "--read-back"),
        *KEY,
    ),
    mode("flash", f"{IMAGE} {PORT} {SHAPE}", "--part", "--read-back", *KEY),
    mode("verify", f"{IMAGE} {PORT}", "--program-unit"),
    mode("install", f"{IMAGE} {PORT} --version 2.0.0", "--program-unit", *KEY),
    mode("info", PORT, "--program-unit"),
    mode("read", f"{OUT} {PORT}"),
    mode("erase", f"--start 0x08000000 --size 2048 {PORT}", "--all", "--program-unit"),
    mode("erase", f"--all --yes {PORT}", "--program-unit", "--start", "--size"),
    mode("protect", f"--readout --yes {PORT}", "--program-unit", "--write"),
    mode("protect", f"--write 1 --yes {PORT}", "--program-unit", "--readout"),
    mode("unprotect", f"--readout --yes {PORT}", "--program-unit", "--write"),
    mode("unprotect", f"--write --yes {PORT}", "--program-unit", "--readout"),
    mode("option-bytes", f"{PORT} --yes", "--program-unit"),
    mode("image inspect", f"{IMAGE}", "--strategy"),
    mode("image inspect", f"{IMAGE} --part STM32L476xG"),
    mode("image convert", f"{IMAGE} {OUT}.hex", "--fill"),
    mode("image convert", f"{IMAGE} {OUT}.bin"),
    mode("image diff", f"{IMAGE} {IMAGE}", "--strategy"),
    mode("image check", f"{IMAGE}", "--strategy"),
    mode("delta make", f"{IMAGE} {IMAGE} -o {OUT}"),
    mode("delta make", f"{IMAGE} {IMAGE} -o -", "--air-rate", "--baud", "--part", "--json"),
    mode("delta apply", f"{IMAGE} {IMAGE} -o {OUT}"),
    mode("delta info", f"{IMAGE}"),
    mode("package build", f"{OUT}.zip {IMAGE}"),
    mode("package build", f"{OUT}.tar.gz {IMAGE}"),
    mode("package build", f"{OUT}.tar {IMAGE}", "--restart"),
    mode("center serve", f"{CENTER} {DB} --port 0", *OF_THE_MODULES),
    mode("center serve", f"{CENTER} {DB} --port 0 --modules pty:{OUT}", "--seed"),
    mode("center offer", f"{CENTER} --device pump-001 {DB}"),
    mode("center monitor", f"{CENTER} {DB}"),
    mode("center monitor", f"{CENTER} {DB} --json", "--all"),
    mode("center monitor", f"{CENTER} {DB} --device pump-001", "--all", "--watch", "--at"),
    mode("center control", f"{CENTER} pause --plan spring {DB}", "--device"),
    mode("center control", f"{CENTER} retry --plan spring --device pump-001 {DB}"),
    mode("board boot", f"{OUT}", "--outcome", "--cut-module"),
    mode("board boot", f"{OUT} --cut-at 3"),
    mode("board new", f"{OUT} --version 1.0.0", *READING, *KEY),
    mode("board new", f"{OUT} --version 1.0.0 --image {IMAGE}", *KEY),
    mode("board status", OUT),
    mode("watch", f"--module {OUT} --board {OUT}", *KEY),
    mode("part list", ""),
    mode("part show", "STM32L476xG"),
]
ELSEWHERE = {
    "update",
    "doctor",
    "ports",
    "board why",
    "center check",
    "module options",
    "module faults",
}
"""``update``: see ``test_unused_options.py``; the others have no options but ``--json``."""

VALUES = {
    "--part": "STM32L476xG",
    "--geometry": "0x0800_0000:128x2K",
    "--base": "0x08008000",
    "--start": "0x08008000",
    "--go": "0x08008000",
    "--baud": "115200",
    "--only": "flash",
    "--allow": "bom",
    "--size": "4096",
    "--version": "2.0.0",
    "--from": "1.0.0",
    "--to": "2.0.0",
    "--source-version": "1.0.0",
    "--target-version": "2.0.0",
    "--component": "STM32",
    "--require-class": "00000000-0000-0000-0000-000000000001",
    "--rom-version": "3.3",
    "--pid": "0x415",
    "--flash-size": "512K",
    "--wiring": "nrst=dtr",
    "--noise": "flip=0.1",
    "--reset": "dtr,rts",
    "--at": "2026-03-02T10:00:00",
    "--device": "pump-001",
    "--devices": "1",
    "--window": "10",
    "--jobs": "1",
    "--set": "battery=50",
    "--draws": "2",
    "--tcp": "127.0.0.1:0",
    "--plan": "spring",
    "--modules": "tcp:5001-5020",
    "--scenario": "good",
    "--outcomes": "before,after",
    "--budget": "5",
    "--annotations": "github",
}
OF_ONE = {
    ("chip serve", "--fault"): "nack:write:1",
    ("chip serve", "--link"): OUT,
    ("chip serve", "--baud"): "9600",
    ("module serve", "--fault"): "unplug@1",
    ("center serve", "--fault"): "unplug@1",
    ("image convert", "--to"): "srec",
    ("protect", "--write"): "1",
    ("option-bytes", "--write"): "00",
    ("center offer", "--version"): "STM32=1.0.0",
    ("fleet", "--fault"): "drop byte",
    ("fleet", "--cuts"): "1",
}


def value_of(command: str, option: click.Option) -> list[str]:
    """Words that set it."""
    name = option.opts[0]
    if option.is_flag:
        return [name]
    if (command, name) in OF_ONE:
        return [name, OF_ONE[command, name]]
    if name in VALUES:
        return [name, VALUES[name]]
    kind = option.type
    if isinstance(kind, click.Choice):
        return [name, kind.choices[-1]]
    if isinstance(kind, click.IntRange | click.FloatRange):
        return [name, str(kind.max if kind.min is None else kind.min + 1)]
    if isinstance(kind, click.types.IntParamType):
        return [name, "1"]
    return [
        name,
        str(IMAGE)
        if "INPUT" in repr(kind)
        or name
        in ("--config", "--check", "--package", "--full", "--center", "--image", "--bootloader")
        else OUT,
    ]


@cache
def alone(one: Mode) -> str:
    """What the mode says without another option: it may itself name what there is none of."""
    return run(*one.command.split(), *one.words.split()).stderr


CASES = [(each, option) for each in MODES for option in options_of(each.command)]


def test_every_command_is_here() -> None:
    assert {each.command for each in MODES} | ELSEWHERE == set(COMMANDS) == set(EXAMPLES)
    for name in ELSEWHERE - {"update"}:
        assert {each.opts[0] for each in options_of(name)} <= {"--json"}


@pytest.mark.parametrize("one", MODES, ids=str)
def test_what_is_refused_there_are_options(one: Mode) -> None:
    assert one.refused <= {each.opts[0] for each in options_of(one.command)}


@pytest.mark.parametrize(
    ("one", "option"), CASES, ids=lambda each: getattr(each, "name", str(each))
)
def test_every_option_is_used_or_refused(one: Mode, option: click.Option) -> None:
    name, words = option.opts[0], one.words.split()
    if name in words and name not in one.refused:
        return  # it makes the mode
    done = run(*one.command.split(), *words, *value_of(one.command, option))
    assert "Usage:" not in done.stderr, done.output
    assert done.exit_code != 1, done.output
    refused = done.exit_code == 2 and done.stderr != alone(one)
    assert refused is (name in one.refused), done.output
