"""Files, streams and signals of real processes: what the sweep over all commands does not see."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.command_line import NEW, OLD, run, runs
from tests.command_processes import CommandProcess

CLI = [sys.executable, "-m", "mcu_updater"]
IMPORTING = """
import os, signal, sys
sys.argv = ["mcu-updater", *sys.argv[2:]]
number = int(os.environ["NUMBER"])
class Finder:
    def find_spec(self, name, path, target=None):
        if name == os.environ["AT"]:
            os.kill(os.getpid(), number)
sys.meta_path.insert(0, Finder())
from mcu_updater.start import main
main()
"""


@contextlib.contextmanager
def serving(*words: object) -> Iterator[subprocess.Popen[str]]:
    process: CommandProcess[str] = CommandProcess(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


CHIP = ("chip", "serve", "STM32L476xG", "--file")
SERVERS = [
    ("chip", "serve", "STM32L476xG"),
    ("module", "serve", "--package", NEW["bin"], "--target-version", "2.0.0"),
]


@pytest.mark.parametrize("server", SERVERS, ids=lambda words: words[0])
def test_a_link_of_a_running_server_is_not_taken_over(server, tmp_path: Path):
    link = tmp_path / "tty"
    with serving(*server, "--link", link) as first:
        assert said(first) == str(link)
        terminal = link.readlink()
        with serving(*server, "--link", link) as second:
            assert second.stderr is not None
            assert f"in use by another process; found process {first.pid}" in second.stderr.read()
            assert second.wait() == 4
        assert link.readlink() == terminal
    assert list(tmp_path.iterdir()) == []


def test_a_link_that_a_killed_server_left_is_taken_over(tmp_path: Path):
    link = tmp_path / "tty"
    with serving(*SERVERS[0], "--link", link) as first:
        assert said(first) == str(link)
        first.kill()
        first.wait()
    assert link.is_symlink()
    with serving(*SERVERS[0], "--link", link) as second:
        assert said(second) == str(link)


def test_a_link_to_a_file_is_nobody_s_to_replace(tmp_path: Path):
    (tmp_path / "data").write_bytes(b"1")
    (tmp_path / "tty").symlink_to("data")
    with serving(*SERVERS[0], "--link", tmp_path / "tty") as process:
        assert process.wait() == 4
    assert (tmp_path / "tty").readlink() == Path("data")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (CHIP, ("board", "boot")),
        (CHIP, CHIP),
        (CHIP, ("update", NEW["bin"], "--board")),
    ],
    ids=lambda words: words[0],
)
def test_a_board_that_is_served_is_nobody_else_s(first, second, tmp_path: Path):
    file = tmp_path / "one.board"
    assert run("board", "new", file, "--version", "1.0.0").exit_code == 0
    with serving(*first, file) as process:
        said(process)
        result = run(*second, file)
        assert (result.exit_code, f"process {process.pid}" in result.stderr) == (4, True)
        assert run("board", "status", file).exit_code == 0
        assert run("board", "why", file).exit_code == 0
    if second[0] != "chip":
        assert run(*second, file).exit_code == 0


def test_two_updates_at_once_lose_nothing(tmp_path: Path):
    file = tmp_path / "one.board"
    assert run("board", "new", file, "--version", "1.0.0").exit_code == 0
    words = ("update", NEW["bin"], "--board", file, "--quiet")
    both: list[CommandProcess[bytes]]
    both = [CommandProcess(words, stderr=subprocess.PIPE) for _ in range(2)]
    codes = sorted(process.wait() for process in both if process.communicate())
    assert codes in ([0, 4], [0, 0])
    assert runs(file) == ("B", "2.0.0", "CONFIRMED")
    assert list(tmp_path.iterdir()) == [file]


# --- signals during imports


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("at", ["click", "mcu_updater.cli.exits", "mcu_updater.cli.images.image"])
@pytest.mark.parametrize("as_json", [True, False])
def test_a_signal_during_imports(number: signal.Signals, at: str, as_json: bool):
    words = ["image", "inspect", str(OLD), *(["--json"] if as_json else [])]
    done = subprocess.run(
        [sys.executable, "-c", IMPORTING, "-", *words],
        env={**os.environ, "AT": at, "NUMBER": str(int(number))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 128 + number
    assert done.stderr in ("error: interrupted\n", "error: terminated\n")
    assert ('"ok": false' in done.stdout) is as_json


def test_a_signal_that_is_ignored_stays_so():
    ignoring = "import signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    code = ignoring + "from mcu_updater import signals\nsignals.leave_at_signals()\n"
    code += "print(signal.getsignal(signal.SIGINT) is signal.SIG_IGN)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


# --- standard streams


@pytest.mark.parametrize(
    ("redirection", "code"),
    [(">&-", 4), ("2>&-", 0), ("<&-", 0), (">&- 2>&- <&-", 4), ("2>/dev/full", 0)],
)
def test_streams_that_are_closed(redirection: str, code: int, tmp_path: Path):
    out = tmp_path / "out.s19"
    shell = f'"$@" {redirection}'
    words = ["sh", "-c", shell, "sh", *CLI, "image", "convert", str(NEW["hex"]), str(out)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (code, False)
    assert out.read_bytes()[:2] == b"S0" or out.read_bytes()[:1] == b"S"


def test_a_head_that_has_seen_enough(tmp_path: Path):
    file = tmp_path / "one.board"
    shell = f'("$@"; echo $? >{tmp_path}/code) | head -1'
    words = [*CLI, "update", str(NEW["bin"]), "--board", str(file), "--json"]
    done = subprocess.run(
        ["sh", "-c", shell, "sh", *words], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith('{"schema": 2')
    assert "Traceback" not in done.stderr
    assert (tmp_path / "code").read_text() == "141\n"
    assert run("board", "boot", file).exit_code == 0  # what was done is kept
    assert runs(file)[1] in ("1.0.0", "2.0.0")


def test_names_that_the_terminal_cannot_show(tmp_path: Path):
    name = tmp_path / "\N{GREEK SMALL LETTER MU}\udcff.s19"
    done = subprocess.run(
        [*CLI, "image", "convert", NEW["hex"], name],
        env={**os.environ, "PYTHONIOENCODING": "ascii", "LC_ALL": "C"},
        capture_output=True,
        check=True,
    )
    assert b"\\u03bc\\udcff" in done.stdout


@pytest.mark.parametrize("answer", ["n\n", ""])
def test_a_question_that_is_not_answered_with_yes(answer: str):
    words = [*CLI, "protect", "--readout", "--port", "/dev/null", "--json"]
    done = subprocess.run(words, input=answer, capture_output=True, text=True, check=False)
    assert done.returncode == 13
    assert '"exit_code": 13' in done.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="a small file system is root's to mount")
def test_a_real_disk_that_is_full(tmp_path: Path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8k", "none", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        (disk / "keep").write_bytes(b"1")
        outputs = {
            "one.board": ("board", "new", "{}", "--version", "1.0.0"),
            "new.bin": ("image", "convert", NEW["hex"], "{}"),
            "new.zip": ("package", "build", "{}", NEW["hex"], "--component", "M", "--version", "2"),
            "keep": ("image", "convert", NEW["hex"], "{}", "--to", "hex", "--force"),
        }
        for name, words in outputs.items():
            result = run(*(str(word).format(disk / name) for word in words))
            assert (result.exit_code, "No space left" in result.stderr) == (4, True), result.output
            assert [path.name for path in disk.iterdir()] == ["keep"]
        assert (disk / "keep").read_bytes() == b"1"
    finally:
        time.sleep(0.01)
        subprocess.run(["umount", str(disk)], check=True)
