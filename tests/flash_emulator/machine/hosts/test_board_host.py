"""``[host]`` of board files: what it comes to, and what is said of wrong ones."""

from __future__ import annotations

import importlib.util
import marshal
import pickle
import shutil
from pathlib import Path

import pytest

from flash_emulator.explore import Search, SearchOptions
from flash_emulator.machine.board_faults import BadBoardFile
from flash_emulator.machine.board_file import BoardFile, board_of
from flash_emulator.machine.board_text import text_of
from flash_emulator.machine.first_boot import boot_once
from flash_emulator.machine.hosts import Script, Step, Talk
from flash_emulator.machine.hosts.session import Common
from flash_emulator.power import Outcome
from tests.flash_emulator.machine.boards import PROGRAMS
from tests.flash_emulator.machine.hosts.firmware_boards import NEW, xmodem_blocks

BOARD = """\
part = "STM32L476xG"
[[images]]
file = "LOADER.elf"
[[images]]
name = "new"
file = "new.bin"
address = 0x0800_8000
in_flash = false
published = true
[[slots]]
name = "application"
address = 0x0800_8000
size = 0x4000
[limits]
instructions = 400_000
[questions]
wanted = "new"
[host]
usart = "USART2"
baud = 1_000_000
"""
STEPS = "timeout_ms = 3000\non_timeout = 'restart'\n[[host.steps]]\nexpect = 'C'\n" + "".join(
    f"[[host.steps]]\nhex = '{data.hex()}'\n[[host.steps]]\nexpect = '\\x06'\n"
    for data in (*xmodem_blocks(NEW.data), b"\x04")
)
PYTHON = """
from flash_emulator.machine.hosts import Expect, Send
from tests.flash_emulator.machine.hosts.firmware_boards import NEW, xmodem_blocks

def update():
    yield Expect(b"C", 3.0)
    for block in (*xmodem_blocks(NEW.data), b"\\x04"):
        yield Send(block)
        yield Expect(b"\\x06", 3.0)

def blocks(line):
    for asked in iter(update()):
        line.write(asked.data) if isinstance(asked, Send) else line.expect(asked.pattern, 3.0)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("xmodem_boot", "xcp_boot", "echo"):
        shutil.copy(PROGRAMS / f"{name}.elf", tmp_path)
    (tmp_path / "new.bin").write_bytes(NEW.data)
    (tmp_path / "host.py").write_text(PYTHON)
    return tmp_path


def read(folder: Path, host: str, loader: str = "xmodem_boot") -> BoardFile:
    return board_of(BOARD.replace("LOADER", loader) + host, folder / "board.toml")


@pytest.mark.parametrize(
    ("host", "loader"),
    [
        (STEPS, "xmodem_boot"),
        ("xmodem = { image = 'new' }\n", "xmodem_boot"),
        ("overrun = true\nxcp = { images = ['new'] }\n", "xcp_boot"),
        ("python = 'host.py:update'\n", "xmodem_boot"),
        ("python = 'host.py:blocks'\n", "xmodem_boot"),
    ],
    ids=["steps", "xmodem", "xcp", "generator", "blocking"],
)
def test_an_update_comes_from_it(folder, host, loader):
    found = read(folder, host, loader)
    assert boot_once(found.board, found.symbols).verdict == "slot new"
    again = board_of(text_of(found.table), folder / "board.toml")
    assert repr(again.board) == repr(found.board)  # a Talk is known by its name
    assert repr(pickle.loads(pickle.dumps(found.board))) == repr(found.board)


def test_an_update_is_searched(folder):
    found = read(folder, "survives = true\naway = ['short', 'long']\n" + STEPS)
    options = SearchOptions(outcomes=(Outcome.BEFORE, Outcome.AFTER))
    report = Search(found.subject, found.board.flash(), options=options).run()
    assert report.passed, report.violations[:1]


def test_all_that_a_script_can_say(folder):
    host = """
overrun = true
survives = true
away = ["long"]
tries = 3
again_ms = 200
retries = 4
steps = [
  { expect = "rea(d)y", timeout_ms = 50 },
  { send = "hi\\r" },
  { hex = "7F 00" },
  { file = "new.bin" },
  { image = "new" },
  { wait_ms = 20 },
]
"""
    board = read(folder, host, "echo").board
    assert board.overrun
    assert board.host == Script(
        "USART2",
        (
            Step(expect=b"rea(d)y", timeout_s=0.05),
            Step(send=b"hi\r"),
            Step(send=b"\x7f\x00"),
            Step(send=NEW.data),
            Step(send=NEW.data),
            Step(wait_s=0.02),
        ),
        retries=4,
        baud=1_000_000,
        common=Common(survives=True, tries=3, again_s=0.2, away=("long",)),
    )


def test_the_file_runs_and_no_compiled_code_beside_it(folder):
    """Whoever allows it has read the file; compiled code would be taken for it, whatever it is."""
    cache = Path(importlib.util.cache_from_source(str(folder / "host.py")))
    cache.parent.mkdir()
    code = marshal.dumps(compile("raise SystemExit('the other code')", "host.py", "exec"))
    flags = (1).to_bytes(4, "little")  # PEP 552: by hash, and never compared with the source
    cache.write_bytes(importlib.util.MAGIC_NUMBER + flags + bytes(8) + code)
    assert read(folder, "python = 'host.py:blocks'").board.host is not None
    shutil.rmtree(cache.parent)
    assert read(folder, "python = 'host.py:blocks'").board.host is not None
    assert not cache.parent.exists()


def test_functions_of_files_are_known_by_what_the_file_holds(folder):
    first = read(folder, "python = 'host.py:blocks'").board.host
    assert isinstance(first, Talk)
    assert first.blocking
    (folder / "host.py").write_text(PYTHON + "# other\n")
    assert repr(read(folder, "python = 'host.py:blocks'").board.host) != repr(first)


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("", "line 18: host: does not say what it does; expected one of steps, xmodem, xcp"),
        ("xmodem = { image = 'new' }\nxcp = { images = ['new'] }", "found xmodem and xcp"),
        ("steps = []", "host: does not say what it does"),
        ("steps = [{}]", "line 21: host.steps[1]: is not one thing to do; expected one of expect"),
        ("steps = [{ send = 'a', hex = '00' }]", "found send and hex"),
        ("steps = [{ sent = 'a' }]", "host.steps[1].sent: is no key here; expected send"),
        ("steps = [{ send = 'a', timeout_ms = 1 }]", "expected expect beside it, found send"),
        ("steps = [{ expect = '(' }]", "expected a regular expression"),
        ("steps = [{ expect = '\u20ac' }]", "host.steps[1].expect: cannot be; expected a regular"),
        ("steps = [{ expect = '(?u)a' }]", "host.steps[1].expect: cannot be; expected a regular"),
        ("steps = [{ hex = '0' }]", "host.steps[1].hex"),
        ("steps = [{ wait_ms = -1 }]", "host.steps[1].wait_ms"),
        ("steps = [{ file = 'no.bin' }]", "host.steps[1].file: cannot be read"),
        (
            "steps = [{ image = 'no' }]",
            "host.steps[1].image: is no image; expected 'LOADER', 'new'",
        ),
        ("xmodem = { image = 'no' }", "line 21: host.xmodem.image: is no image"),
        ("xmodem = { image = 'new', mode = 'zmodem' }", "host.xmodem.mode"),
        ("xcp = { images = [] }", "host.xcp.images: cannot be; expected at least one"),
        ("xcp = { images = ['no'] }", "host.xcp.images[1]: is no image"),
        ("xcp = { images = ['new'], connect_mode = 256 }", "host.xcp.connect_mode"),
        ("python = 'host.py'", 'host.python: cannot be; expected "FILE.py:FUNCTION"'),
        ("python = 'no.py:update'", "host.python: cannot be read"),
        ("python = 'host.py:no'", "host.python: host.py cannot be executed"),
        ("python = 'bad.py:update'", "found ZeroDivisionError: division by zero"),
        (
            "python = 'host.py:update'\nbaud_rate = 1",
            "host.baud_rate: is no key here; expected baud",
        ),
        ("python = 'host.py:update'\naway = ['never']", "host.away"),
    ],
)
def test_what_is_wrong_is_named(folder, host, said):
    (folder / "bad.py").write_text("1 / 0\n")
    with pytest.raises(BadBoardFile) as caught:
        read(folder, host)
    assert said.replace("LOADER", "xmodem_boot") in str(caught.value)


def test_a_usart_that_the_chip_does_not_have(folder):
    text = BOARD.replace("LOADER", "echo").replace('"USART2"', '"USART9"')
    with pytest.raises(BadBoardFile, match=r"line 19: host\.usart: is no USART of this chip; exp"):
        board_of(text + "steps = [{ send = 'a' }]", folder / "board.toml")
