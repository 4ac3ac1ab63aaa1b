"""Every command in bad weather: no traceback, a documented code, nothing lost, nobody left."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import click
import pytest

from flash_emulator import load_part
from flash_emulator.bootrom import Faults, RomOptions
from mcu_updater.board import load_board
from mcu_updater.board.chip_store import ChipStore
from mcu_updater.cli import exits
from mcu_updater.cli.main import cli
from mcu_updater.cli.paths import Folder, InputFile, KeptFile, OutputFile
from mcu_updater.storage import hold
from tests.cli.boards import write_board
from tests.cli.command_line import run
from tests.cli.every_command import EXAMPLES, MAY_BE_NEW, READERS, SERVERS, leaves
from tests.command_processes import CommandProcess
from tests.evidence.packs import write_key
from tests.places import FIXTURES
from tests.thorough import one_in

HERE = Path(__file__).parent
TIMEOUT_S = 20.0
IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
USUAL = {
    "watch": 12,
    "powerloss": 2,
    "firmware explore": 2,
    "evidence": 2,
    "verify": 7,
    "module play": 8,
}
"""What an example ends with, where that is not 0: stopped, at a limit, a chip that is blank,
a client that says nothing."""
SIGNALS = {signal.SIGINT: 130, signal.SIGTERM: 143}


def test_every_command_has_an_example():
    assert sorted(EXAMPLES) == sorted(leaves())


# --- the processes


@dataclass
class Process:
    """A command that runs, or has run, in a session of its own."""

    process: CommandProcess[bytes]
    stdout: Path
    stderr: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def wait(self) -> int:
        """The exit code; negative: of a signal. After TIMEOUT_S all of its session is killed."""
        try:
            return self.process.wait(TIMEOUT_S)
        except subprocess.TimeoutExpired:
            os.killpg(self.pid, signal.SIGKILL)
            return self.process.wait()

    def said(self) -> str:
        return self.stderr.read_text(errors="replace")


# --- the world that each finds


@dataclass
class World:
    """A folder with all that the examples name."""

    folder: Path
    said: Path
    servers: list[Process] = field(default_factory=list)
    count: int = 0

    def words(self, name: str, **instead: str) -> list[str]:
        """The example's; *instead*: another path for each word of that kind."""
        return [*name.split(), *(self._word(word, instead) for word in EXAMPLES[name].split())]

    def _word(self, word: str, instead: dict[str, str]) -> str:
        kind, colon, rest = word.partition(":")
        if not colon or kind not in ("in", "kept", "new", "port", "module"):
            return word
        if kind in instead:
            return instead[kind]
        if kind in ("port", "module"):
            return self._served(kind)
        return str(self.folder / rest)

    def _served(self, kind: str) -> str:
        """What the command has at the other end of a line, ready before it begins."""
        link = self.said / f"served-{kind}-{self.count}"
        words = {
            "port": ["chip", "serve", "STM32L476xG", "--seed", "1"],
            "module": [
                *("module", "serve", "--target-version", "2.0.0"),
                *("--package", str(self.folder / "new.bin")),
            ],
        }
        server = self.start([*words[kind], "--link", str(link)])
        self.servers.append(server)
        until(lambda: server.stdout.stat().st_size > 0, server.said)
        link.resolve().chmod(0o666)
        return str(link)

    def start(
        self,
        words: list[str],
        *,
        stdout: str = "",
        encoding: str = "utf-8",
        largest: int | None = None,
        obeys_modes: bool = False,
        **env: str,
    ) -> Process:
        self.count += 1
        paths = [self.said / f"{self.count}.{name}" for name in ("out", "err")]
        for path in paths:
            path.touch()
            path.chmod(0o666)
        with opened_for_writing(stdout or str(paths[0])) as out, paths[1].open("wb") as errors:
            process: CommandProcess[bytes] = CommandProcess(
                words,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=errors,
                cwd=self.folder,
                env={**os.environ, "XDG_CACHE_HOME": str(self.said), **env},
                start_new_session=True,
                stream_encoding=encoding,
                largest=largest,
                obeys_modes=obeys_modes,
            )
        return Process(process, *paths)

    def end_servers(self) -> None:
        for server in self.servers:
            os.kill(server.pid, signal.SIGTERM)
            assert server.wait() == 0, server.said()
        self.servers.clear()

    def digests(self) -> dict[str, str]:
        files = (path for path in self.folder.rglob("*") if path.is_file())
        return {
            str(path.relative_to(self.folder)): sha256(path.read_bytes()).hexdigest()
            for path in files
        }


@contextlib.contextmanager
def opened_for_writing(path: str) -> Iterator[int]:
    """*path*, or "closed pipe": one that nobody reads."""
    if path == "closed pipe":
        reader, file = os.pipe()
        os.close(reader)
    else:
        file = os.open(path, os.O_WRONLY)
    yield file
    os.close(file)


def until(condition: Callable[[], bool], text: Callable[[], str]) -> None:
    end_s = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < end_s, text()
        time.sleep(0.002)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``World`` holds, once."""
    folder = tmp_path_factory.mktemp("template")
    for suffix in ("bin", "hex"):
        shutil.copy(FIXTURES / f"fixture-2.0.0.{suffix}", folder / f"new.{suffix}")
    shutil.copy(FIXTURES / "fixture-1.0.0.bin", folder / "old.bin")
    write_key(folder)
    made = [
        run("board", "new", folder / "one.board", "--version", "1.0.0"),
        run("delta", "make", folder / "old.bin", folder / "new.bin", "-o", folder / "patch.mcud"),
    ]
    text = (FIXTURES.parent / "examples" / "center" / "center.toml").read_text(encoding="utf-8")
    (folder / "center.toml").write_text(text.replace("../../fixtures/", ""), encoding="utf-8")
    shutil.copy(FIXTURES / "fixture-2.0.0.s19", folder)
    quiet = ("--devices", 2, "--cuts", 0, "--faults", 0, "--jobs", 1)
    made.append(run("fleet", folder / "center.toml", *quiet))
    assert [result.exit_code for result in made] == [0] * len(made), made[-1].output
    write_board(folder)
    store = ChipStore(folder / "one.chip")
    store.open(load_part("STM32L476xG"), RomOptions(), Faults(), seed=1)
    store.close()
    shutil.copy(FIXTURES / "at" / "c-no-plan.txt", folder / "talk.txt")
    return folder


@pytest.fixture
def world(template: Path) -> Iterator[World]:
    """In a folder that anybody may look into, which pytest's own are not."""
    with tempfile.TemporaryDirectory(prefix="mcu-updater-") as top:
        Path(top).chmod(0o755)
        said = Path(top, "said")
        said.mkdir()
        said.chmod(0o777)
        shutil.copytree(template, Path(top, "world"))
        made = World(Path(top, "world"), said)
        yield made
        made.end_servers()


# --- what must hold in every cell


def check(
    world: World,
    process: Process,
    before: dict[str, str],
    *,
    changed: tuple[str, ...] = (),
    says_little: bool = False,
) -> int:
    """The exit code, when all else is as it must be. *changed*: kinds of files that may be.
    *says_little*: there is no room for more."""
    code = process.wait()
    said = process.said()
    assert "Traceback" not in said and "Exception ignored" not in said, said
    assert code in exits.MEANINGS and code != exits.BUG, (code, said)
    assert code in (0, 9, 12) or says_little or "error: " in said, (code, said)
    until(lambda: is_gone(process.pid), lambda: "it left children")
    world.end_servers()
    after = world.digests()
    kept = {name for name in before if not ("kept" in changed and is_kept(name))}
    assert {name: after.get(name) for name in kept} == {name: before[name] for name in kept}
    left = [name for name in after if name.endswith((".new", ".lock"))]
    assert left == []
    if "new" not in changed:
        made = {name for name in after.keys() - before.keys() if not name.startswith("cache")}
        assert {name for name in made if not is_companion(name)} == set()
    check_kept(world)
    return code


def is_kept(name: str) -> bool:
    return name.startswith(("one.board", "one.chip", "center.db", "module.state"))


def is_companion(name: str) -> bool:
    """Of SQLite, which a reader of a file in WAL mode makes; and a state that was not there."""
    return name.endswith(("-wal", "-shm")) or name.startswith("module.state")


def check_kept(world: World) -> None:
    """A board or chip that was whole is whole."""
    board = world.folder / "one.board"
    if board.is_file() and os.access(board, os.R_OK) and board.stat().st_size > 100:
        load_board(board)
    if (world.folder / "one.chip").is_file():
        store = ChipStore(world.folder / "one.chip")
        with contextlib.suppress(FileNotFoundError):
            store.open(load_part("STM32L476xG"), RomOptions(), Faults(), seed=1)
            store.close()


def is_gone(group: int) -> bool:
    """All of its processes; what multiprocessing has to clean up sees its end a moment later."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


def having(*kinds: str) -> list[str]:
    return [name for name, text in EXAMPLES.items() if any(f"{kind}:" in text for kind in kinds)]


def finish(world: World, name: str, process: Process) -> None:
    """A server is told to end, once it serves."""
    if name not in SERVERS:
        return
    until(lambda: is_serving(process), process.said)
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGTERM)


def is_serving(process: Process) -> bool:
    """Or over."""
    state = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0]
    return process.stdout.stat().st_size > 0 or state == "Z"


# --- the weather


@pytest.mark.parametrize("name", one_in(3, having("in")))
@pytest.mark.parametrize("what", ["missing", "directory", "unreadable"])
def test_an_input_that_cannot_be_read(name: str, what: str, world: World) -> None:
    path = world.folder / "bad.bin"
    if what == "directory":
        path.mkdir()
    elif what == "unreadable":
        path.write_bytes(b"secret")
        path.chmod(0)
    before = world.digests()
    words = world.words(name, **{"in": str(path)})
    process = world.start(words, obeys_modes=IS_ROOT and what == "unreadable")
    assert check(world, process, before) == 4, process.said()


@pytest.mark.parametrize("name", having("kept"))
@pytest.mark.parametrize("what", ["missing", "directory", "unreadable", "empty", "garbage"])
def test_a_kept_file_that_is_none(name: str, what: str, world: World) -> None:
    path = world.folder / "bad.bin"
    if what == "directory":
        path.mkdir()
    elif what != "missing":
        path.write_bytes({"empty": b"", "unreadable": b"1", "garbage": bytes(range(256)) * 9}[what])
        path.chmod(0 if what == "unreadable" else 0o644)
    before = world.digests()
    process = world.start(
        world.words(name, kept=str(path)), obeys_modes=IS_ROOT and what == "unreadable"
    )
    may_be = what == "missing" and name in MAY_BE_NEW | {"center control"}
    finish(world, name, process)
    code = check(world, process, before, changed=("new",) if may_be else ())
    assert code == 4 or may_be, (code, process.said())


@pytest.mark.parametrize("name", one_in(3, having("in"), first=1))
@pytest.mark.parametrize("content", [b"", bytes(range(256)) * 9, b"<html>hello</html>\n" * 40])
def test_an_input_that_is_no_such_thing(name: str, content: bytes, world: World) -> None:
    path = world.folder / "bad.bin"
    path.write_bytes(content)
    before = world.digests()
    process = world.start(world.words(name, **{"in": str(path)}))
    finish(world, name, process)
    code = check(world, process, before, changed=("new", "kept"))
    may_be = (0, 3, USUAL.get(name, 3)) if content else (3,)
    assert code in may_be, (code, process.said())


@pytest.mark.parametrize("name", having("new", "kept"))
def test_a_folder_that_is_read_only(name: str, world: World) -> None:
    for path in (*world.folder.iterdir(), world.folder):
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = world.digests()
    process = world.start(world.words(name), obeys_modes=IS_ROOT)
    finish(world, name, process)
    code = check(world, process, before)
    only_cache = "new:" not in EXAMPLES[name].replace("new:cache", "")
    spared = name in READERS or (only_cache and "kept:" not in EXAMPLES[name])
    assert code == (USUAL.get(name, 0) if spared else 4), (code, process.said())
    world.folder.chmod(0o755)


@pytest.mark.parametrize("name", having("new", "kept"))
def test_a_disk_that_is_full(name: str, world: World) -> None:
    before = world.digests()
    process = world.start(world.words(name), largest=64, stdout=os.devnull)
    finish_blindly(world, name, process)
    code = check(world, process, before, says_little=True)
    assert code in (0, 4, USUAL.get(name)), process.said()
    if name in ("delta make", "image convert", "package build", "read", "board new", "update"):
        assert code == 4


def finish_blindly(world: World, name: str, process: Process) -> None:
    """Where nothing can be seen of it."""
    del world
    if name in SERVERS:
        wait_until_idle(process)
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGTERM)


def wait_until_idle(process: Process) -> None:
    """It has slept for a while, or is over: on a busy machine a start may take longer than that."""
    before, since_s, end_s = "", time.monotonic(), time.monotonic() + TIMEOUT_S
    while time.monotonic() - since_s < 0.3:
        assert time.monotonic() < end_s, process.said()
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        state, used = fields[0], " ".join(fields[11:13])  # its time on the processor
        if state == "Z":
            return
        if state != "S" or used != before:
            before, since_s = used, time.monotonic()
        time.sleep(0.02)


@pytest.mark.parametrize("name", one_in(3, list(EXAMPLES)))
@pytest.mark.parametrize(("stdout", "expected"), [("closed pipe", 141), ("/dev/full", 4)])
def test_a_standard_output_that_takes_nothing(
    name: str, stdout: str, expected: int, world: World
) -> None:
    before = world.digests()
    process = world.start(world.words(name), stdout=stdout)
    finish_blindly(world, name, process)
    code = check(world, process, before, changed=("new", "kept"))
    assert code == expected, (code, process.said())


@pytest.mark.parametrize("name", one_in(3, list(EXAMPLES), first=1))
def test_an_ascii_terminal_of_60_columns(name: str, world: World) -> None:
    before = world.digests()
    process = world.start(world.words(name), encoding="ascii", COLUMNS="60", LC_ALL="C")
    finish(world, name, process)
    code = check(world, process, before, changed=("new", "kept"))
    assert code == USUAL.get(name, 0), (code, process.said())
    process.stdout.read_bytes().decode("ascii")


@pytest.mark.parametrize("name", having("kept"))
def test_a_second_process(name: str, world: World) -> None:
    kept = next(word for word in EXAMPLES[name].split() if word.startswith("kept:"))
    with hold(world.folder / kept.removeprefix("kept:")):
        before = {n: d for n, d in world.digests().items() if not n.endswith(".lock")}
        process = world.start(world.words(name))
        finish(world, name, process)
        code = process.wait()
    if name in READERS | {"center control", "center serve"}:
        assert code == 0, process.said()
        return
    assert (code, f"process {os.getpid()}, since" in process.said()) == (4, True), process.said()
    world.end_servers()
    assert before == {n: d for n, d in world.digests().items() if n in before}


@pytest.mark.parametrize("name", one_in(3, list(EXAMPLES)))
@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal(name: str, number: signal.Signals, world: World) -> None:
    """At a moment of its own for each command, and for servers while they serve."""
    before = world.digests()
    process = world.start(world.words(name))
    if name in SERVERS:
        until(lambda: is_serving(process), process.said)
    else:
        time.sleep(sum(name.encode()) % 7 * 0.01)
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, number)
    code = check(world, process, before, changed=("new", "kept"))
    assert code in (USUAL.get(name, 0), SIGNALS[number]), (code, process.said())


# --- outputs, and what programs are told


@pytest.mark.parametrize("name", [name for name in having("in") if name in having("new")])
@pytest.mark.parametrize("link", ["same", "hard", "soft"])
def test_an_output_that_is_an_input(name: str, link: str, world: World) -> None:
    """Also with --force."""
    example = EXAMPLES[name].replace("new:cache", "").split()
    if not any(word.startswith("new:") for word in example):
        return
    read = next(word for word in example if word.startswith("in:")).removeprefix("in:")
    path = world.folder / read
    if link != "same":
        path = path.with_name(f"link{Path(EXAMPLES[name].split('new:')[1].split()[0]).suffix}")
        (path.hardlink_to if link == "hard" else path.symlink_to)(world.folder / read)
    before = world.digests()
    words = world.words(name, new=str(path))
    force = ["--force"] if has_option(name, "--force") else []
    process = world.start([*words, *force])
    assert check(world, process, before) in (2, 4), process.said()


def option(name: str, text: str) -> click.Parameter | None:
    command: click.Command = cli
    for word in name.split():
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), word)
        assert found is not None
        command = found
    return next((one for one in command.params if text in one.opts), None)


def has_option(name: str, text: str) -> bool:
    return option(name, text) is not None


FOR_PROGRAMS = [name for name in EXAMPLES if has_option(name, "--json")]


@pytest.mark.parametrize("name", EXAMPLES)
def test_files_are_of_a_known_kind(name: str) -> None:
    """So that what is read cannot be written over; and --json is a flag."""
    command: click.Command = cli
    for word in name.split():
        assert isinstance(command, click.Group)
        command = command.get_command(click.Context(command), word) or cli
    files = [(one.name, one.type) for one in command.params if isinstance(one.type, click.Path)]
    known = InputFile | OutputFile | KeptFile | Folder
    assert [each for each, kind in files if not isinstance(kind, known) and kind.file_okay] == []
    as_json = option(name, "--json")
    assert as_json is None or (isinstance(as_json, click.Option) and as_json.is_flag)


@pytest.mark.parametrize("name", one_in(3, FOR_PROGRAMS, first=1))
@pytest.mark.parametrize("what", ["usual", "no such option", "missing", "signal"])
def test_the_last_object_says_how_it_ended(name: str, what: str, world: World) -> None:
    instead = {"in": "/none", "kept": "/none/x", "port": "/none"} if what == "missing" else {}
    more = ["--no-such-option"] if what == "no such option" else []
    words = [*world.words(name, **instead), *more]
    process = world.start(words if "--json" in words else [*words, "--json"])
    if what == "signal":
        os.kill(process.pid, signal.SIGTERM)
    finish(world, name, process)
    code = process.wait()
    lines = [json.loads(line) for line in process.stdout.read_text().splitlines()]
    assert (lines[-1]["ok"], lines[-1]["exit_code"]) == (code == 0, code), process.said()
    assert bool(lines[-1].get("error")) == (code != 0)
    assert what != "no such option" or code == 2
    events = {line["event"] for line in lines if "event" in line}
    assert all(event == event.lower() and "_" not in event for event in events), events


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("name", ["fleet", "powerloss"])
def test_children_end_with_their_parent(name: str, number: signal.Signals, world: World) -> None:
    """Whatever ends it, once there are some."""
    if name == "powerloss":
        words = ["powerloss", "--size", "300", "--jobs", "2", "--quiet"]
    else:
        words = [*world.words(name), "--devices", "200", "--jobs", "2"]
    process = world.start(words)
    until(lambda: count_in(process.pid) > 2, process.said)
    time.sleep(0.5)  # Python loses what is raised while it forks: by then it has
    os.kill(process.pid, number)
    assert process.wait() in (128 + number, -number), process.said()
    until(lambda: is_gone(process.pid), lambda: "it left children")
    assert number == signal.SIGKILL or "Traceback" not in process.said(), process.said()


def count_in(group: int) -> int:
    """How many processes there are."""
    found = subprocess.run(["ps", "-eo", "pgid="], capture_output=True, text=True, check=True)
    return found.stdout.split().count(str(group))
