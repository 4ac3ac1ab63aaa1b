"""``--scheduler``: the same answer from the workers of a dask cluster; clear words without one."""

import importlib
import json

import pytest

from mcu_updater.cli import exits
from mcu_updater.core.errors import PortError
from tests.cli.command_line import run
from tests.places import ROOT

BOARD = str(ROOT / "examples/c_bootloader/board.toml")
FACTS = ("verdict", "states", "boots", "cuts")


@pytest.fixture(scope="module")
def scheduler():
    distributed = importlib.import_module("distributed")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:
        yield cluster.scheduler_address


@pytest.mark.thorough
@pytest.mark.parametrize("command", [["firmware", "explore", BOARD], ["powerloss"]])
def test_a_cluster_gives_the_same_answer(command, scheduler):
    options = ["--json", "--quiet"]
    if command == ["powerloss"]:
        options += ["--size", "600"]
    found = []
    for who in (["--jobs", "1"], ["--scheduler", scheduler]):
        result = json.loads(run(*command, *options, *who).stdout)["results"][0]
        found.append({name: result.get(name, result["report"].get(name)) for name in FACTS})
    assert found[0] == found[1]


def test_nobody_answers(monkeypatch):
    monkeypatch.setattr("mcu_updater.cli.powerloss.cluster.PATIENCE_S", 0.5)
    done = run("firmware", "explore", BOARD, "--scheduler", "tcp://127.0.0.1:1")
    assert done.exit_code == exits.CODES[PortError]
    assert "no dask scheduler answers" in done.stderr
    assert "tcp://127.0.0.1:1" in done.stderr


def test_an_address_that_is_none():
    done = run("firmware", "explore", BOARD, "--scheduler", "somewhere")
    assert done.exit_code == exits.CODES[PortError]
    assert "Traceback" not in done.stderr
