"""A signal while a command tells how it ended: what it told stays true."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

# A command that has a result, and is sent SIGTERM just before it says so, or just behind.
PROGRAM = """
import os, signal, sys
import click
from mcu_updater.cli import answers, main

@click.command("told")
@answers.json_option("")
def told(as_json):
    answers.result({"event": "told"})

def with_signal(moment):
    echo = click.echo
    def said(text, **more):
        if moment == "before":
            os.kill(os.getpid(), signal.SIGTERM)
        echo(text, **more)
        if moment == "behind":
            os.kill(os.getpid(), signal.SIGTERM)
    return said

click.echo = with_signal(sys.argv[1])
main.COMMANDS["told"] = ""
main.Commands.get_command = lambda self, ctx, name: told
sys.argv[1:] = ["told", "--json"]
main.main()
"""


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="signals cannot wait here")
@pytest.mark.parametrize("moment", ["before", "behind"])
def test_a_signal_waits_while_the_end_is_told(moment: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, moment],
        capture_output=True,
        text=True,
        env=os.environ,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert [json.loads(line)["exit_code"] for line in done.stdout.splitlines()] == [0]
