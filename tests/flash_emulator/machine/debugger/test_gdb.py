"""gdb at the brick: attached, at a breakpoint, at the cut, and back."""

import os
import re
import signal
import subprocess

import pytest

from flash_emulator.machine.debugger import COMMANDS
from tests.command_processes import CommandProcess
from tests.flash_emulator.machine.debugger.client import EXAMPLE

BOARD, ELF = EXAMPLE / "first_try.toml", EXAMPLE / "first_try.elf"
SESSION = """\
info registers pc
monitor boot 1
break copy
continue
backtrace
x/2xw 0x08004800
monitor cut
backtrace
print/x $r3 & 2
reverse-continue
monitor where
delete
watch *(unsigned *) 0x08004800
reverse-continue
delete
cut
monitor cut after
monitor boot 2
continue
reverse-stepi
set {int} 0x20000000 = 5
set {int} 0x08000000 = 5
print *(int *) 0x20000000
load
monitor exit
"""


@pytest.fixture
def server():
    words = ("firmware", "explore", BOARD, "--replay", "first_try/x:3b", "--gdb", "0")
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with CommandProcess(words, stdout=subprocess.PIPE, text=True, env=environment) as process:
        yield process
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)


@pytest.mark.judge("gdb-multiarch")
def test_gdb_goes_to_the_cut_and_back(server, tmp_path):
    assert server.stdout is not None
    told = server.stdout.readline() + server.stdout.readline()
    port = re.search(r"127\.0\.0\.1:(\d+): boot 2 of 2, at reset", told)
    assert port is not None, told
    assert f"-x {COMMANDS} -ex 'target remote 127.0.0.1:{port[1]}'" in told
    words = ["gdb-multiarch", "-q", "-nx", "-d", str(EXAMPLE), "-x", str(COMMANDS)]
    words += ["-ex", f"target remote 127.0.0.1:{port[1]}", "-ex", "set trace-commands on", str(ELF)]
    environment = {**os.environ, "HOME": str(tmp_path)}
    done = subprocess.run(
        words,
        input=SESSION,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,  # what monitor answers
        text=True,
        timeout=60,
        env=environment,
        check=False,
    )
    answers = re.split(r"^\(gdb\) \+", done.stdout, flags=re.MULTILINE)[1:]
    assert len(answers) > 20, done.stdout

    def after(command, nth=0):
        return [each for each in answers if each.startswith(command)][nth]

    assert "0x800016a <start>" in after("info registers pc")
    assert re.search(r"Breakpoint 1, (0x\w+ in )?copy \(\) at bootloader.c:7\d", after("continue"))
    assert re.search(r"#0 .*copy \(\).*\n#1 .*start \(\)", after("backtrace"))
    assert "0x454e4f44\t0x00000048" in after("x/2xw"), "the mark is written, nothing is copied"
    assert "the next instruction is that of the cut" in after("monitor cut")
    assert re.search(r"#0 .*erase \(\) at bootloader.c:59\n#1 .*copy", after("backtrace", 1))
    assert "$1 = 0x2" in after("print/x"), "page erase"
    assert "Breakpoint 1, " in after("reverse-continue")
    assert "boot 1 of 2, before instruction 93" in after("monitor where")
    back = after("reverse-continue", 1)
    assert "Old value = 1162760004\nNew value = 4294967295" in back
    assert re.search(r"program \(\) at bootloader.c:(6\d|70)", back)
    assert "erase () at bootloader.c:59" in after("cut")
    assert "it is over: CUT: power lost at flash operation 3" in after("monitor cut after")
    assert "VIOLATION not live: version 1 runs" in after("continue", 1)
    assert "received signal SIGABRT" in after("continue", 1)
    assert "start () at bootloader.c:10" in after("reverse-stepi")
    assert "$2 = 5" in after("print *")
    assert "forbidden" in after("set {int} 0x08")
    assert "the server ends" in done.stdout
    assert server.wait(20) == 0


@pytest.mark.judge("gdb-multiarch")
def test_the_printed_command_attaches(server, tmp_path):
    """As it stands, with no file of the user's and nothing else given."""
    assert server.stdout is not None
    server.stdout.readline()
    command = server.stdout.readline().strip()
    done = subprocess.run(
        ["sh", "-c", f"{command} -nx -batch -ex 'list' -ex 'monitor exit'"],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "HOME": str(tmp_path)},
        check=False,
    )
    assert "start () at bootloader.c:98" in done.stdout, done.stdout + done.stderr
    assert "uint32_t size = REGISTER(REQUEST + 4u);" in done.stdout
    assert server.wait(20) == 0
