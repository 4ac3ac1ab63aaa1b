"""The history of speed: what is said, kept and drawn of the samples."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks.history import __main__ as history
from benchmarks.history import measure, page
from benchmarks.history.kernels import KERNELS
from benchmarks.history.measure import Figure, Run
from tests.places import ROOT

NAMES = [pytest.param(name, id=name.replace(" ", "")) for name in KERNELS]


def run_of(**figures: Figure) -> Run:
    there = {"cpu": "a CPU", "cores": "2", "python": "3.11.7", "system": "Linux"}
    return Run("c" * 40, "2026-12-01T00:00:00+00:00", "b" * 40, there, figures)


@pytest.mark.parametrize(
    ("now", "before", "dearer"),
    [
        ([1.2, 1.2, 1.2], [1.0, 1.0, 1.0], True),
        ([1.09, 1.09, 1.09], [1.0, 1.0, 1.0], False),
        ([0.5, 0.5, 0.5], [1.0, 1.0, 1.0], False),
        ([1.2, 1.2, 1.0, 1.2, 1.2], [1.0, 1.0, 1.1, 1.0, 1.0], False),  # the least is not dearer
        ([1.3, 1.2, 1.2, 1.2, 1.3], [1.0, 1.05, 1.25, 1.0, 1.0], True),  # one slow sample before
        ([1.3, 1.3, 1.3, 1.15, 1.2], [1.0, 1.0, 1.0, 1.2, 1.25], False),  # two pairs say no
    ],
)
def test_dearer_is_more_than_a_tenth_in_all_pairs_but_one(
    now: list[float], before: list[float], dearer: bool
) -> None:
    assert Figure("MB", 1, now, before).dearer is dearer


def test_ratio_is_of_pairs_and_not_of_medians() -> None:
    """A machine that becomes slower in the middle of a run slows both of a pair."""
    figure = Figure("MB", 1, [1.0, 1.0, 4.0], [2.0, 2.0, 8.0])
    assert figure.ratio == 0.5
    assert Figure("MB", 1, [1.0]).ratio is None
    assert not Figure("MB", 1, [1.0]).dearer


def test_a_file_gives_the_run_again() -> None:
    figure = Figure("MB", 4.0, [0.5, 0.25], [0.5, 0.75])
    run = run_of(hex=figure, boots=Figure("boots", 1, [1.0], [], "no such module"))
    assert Run.from_json(run.to_json()) == run
    with pytest.raises(ValueError, match="schema: expected 1, found 2"):
        Run.from_json(json.dumps({"schema": 2}))


def test_amounts_are_rates_or_times() -> None:
    assert measure.amount(0.5, Figure("MB", 4.0)) == "8.0 MB/s"
    assert measure.amount(0.5, Figure("ops", 4000.0)) == "8,000 ops/s"
    assert measure.amount(0.5, Figure("search", 1)) == "500 ms"


def test_turns_alternate_and_a_change_that_looks_dearer_is_measured_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The commit before is simulated: what it costs is the fault that is to be found."""
    asked: list[Path] = []
    cost = {measure.ROOT: 1.5, tmp_path: 1.0}

    def sample(kernel: str, root: Path) -> dict[str, object]:
        asked.append(root)
        return {"cpu_s": cost[root], "work": 2.0, "unit": kernel}

    monkeypatch.setattr(measure, "sample", sample)
    monkeypatch.setattr(measure, "sources", lambda commit, folder: tmp_path)
    told: list[str] = []
    run = measure.measured(["hex"], 3, before="HEAD", tell=told.append)
    assert run.figures["hex"].ratio == 1.5
    assert len(run.figures["hex"].now) == 6  # twice as many: it looked dearer
    assert "x1.50 of what it cost before" in told[0]
    turns = asked[2:8]
    assert turns[::2] != turns[1::2]
    assert turns[0] == tmp_path
    assert turns[2] == measure.ROOT


def test_a_kernel_that_the_commit_before_has_not_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def sample(kernel: str, root: Path) -> dict[str, object]:
        if root == tmp_path:
            raise RuntimeError("ModuleNotFoundError: no module named 'x'")
        return {"cpu_s": 1.0, "work": 2.0, "unit": kernel}

    monkeypatch.setattr(measure, "sample", sample)
    monkeypatch.setattr(measure, "sources", lambda commit, folder: tmp_path)
    told: list[str] = []
    measure.measured(["hex"], 2, before="HEAD", tell=told.append)
    assert told[0].endswith(
        "nothing of the commit before: ModuleNotFoundError: no module named 'x'"
    )


@pytest.fixture
def measured_as(monkeypatch: pytest.MonkeyPatch) -> Callable[[Run], None]:
    def use(run: Run) -> None:
        monkeypatch.setattr(history, "resolved", lambda revision: revision)
        monkeypatch.setattr(history, "measured", lambda *args, **options: run)
        monkeypatch.setattr(sys, "argv", ["history", "say"])

    return use


@pytest.mark.parametrize("on_github", [False, True])
def test_what_became_dearer_is_said_and_fails_nothing(
    measured_as: Callable[[Run], None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    on_github: bool,
) -> None:
    if on_github:
        monkeypatch.setenv("GITHUB_ACTIONS", "true")
    else:
        monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    dearer = Figure("MB", 1, [1.5] * 3, [1.0] * 3)
    measured_as(run_of(hex=dearer, s19=Figure("MB", 1, [1.0] * 3, [1.0] * 3)))
    assert history.main() == 0
    text = capsys.readouterr().out
    assert text.count("costs more than 10% more than before: hex") == 1
    assert "before: s19" not in text
    assert ("::warning title=Speed::" in text) is on_github


def test_where_nothing_is_dearer_that_is_said(
    measured_as: Callable[[Run], None], capsys: pytest.CaptureFixture[str]
) -> None:
    measured_as(run_of(hex=Figure("MB", 1, [1.0] * 3, [1.0] * 3)))
    assert history.main() == 0
    assert "nothing costs more than 10% more than before" in capsys.readouterr().out


def test_a_commit_that_a_shallow_clone_has_not_is_said() -> None:
    missing = "0123456789abcdef0123456789abcdef01234567"
    command = [sys.executable, "-m", "benchmarks.history"]
    done = subprocess.run(
        [*command, "say", "--before", missing], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0
    assert f"no commit {missing} in this clone (shallow?)" in done.stdout
    done = subprocess.run(
        [*command, "run", "--before", missing], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert f"no commit {missing} in this clone" in done.stderr


@pytest.mark.parametrize("name", ["hex", "s19", "program", "update"])
def test_a_kernel_does_its_work(name: str) -> None:
    """In a process of its own, as it is measured; those that take long do so in make bench."""
    found = measure.sample(name, ROOT)
    assert found["cpu_s"] > 0
    assert (found["work"], found["unit"]) == (KERNELS[name].amount, KERNELS[name].unit)


def test_a_kernel_that_fails_says_why(tmp_path: Path) -> None:
    """Packages of another commit may lack what a kernel asks for."""
    for package in ("mcu_updater", "flash_emulator"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("")
    with pytest.raises(RuntimeError, match="No module named 'mcu_updater"):
        measure.sample("hex", tmp_path)


def test_the_page_is_what_the_files_give(tmp_path: Path) -> None:
    page.draw(tmp_path / "page.md", tmp_path / "picture.svg")
    assert (tmp_path / "page.md").read_text() == page.PAGE.read_text()
    assert (tmp_path / "picture.svg").read_text() == page.PICTURE.read_text()


def test_every_mark_lies_in_its_drawing() -> None:
    runs = [
        run_of(hex=Figure("MB", 1, [1.0, 3.0], [2.0, 4.0])),
        run_of(hex=Figure("MB", 1, [0.5, 0.5], []), s19=Figure("MB", 1, [9.0], [1.0])),
    ]
    drawn = ElementTree.fromstring(page.picture_of(runs))
    circles = drawn.findall(".//{http://www.w3.org/2000/svg}circle")
    assert len(circles) == 2 * 1 + 1 + 2  # medians of both, of one, of both
    for circle in circles:
        x, y = (float(circle.attrib[name]) for name in ("cx", "cy"))
        assert page._LEFT <= x <= page._LEFT + page._PLOT_WIDE
        assert page._TOP <= y <= page._TOP + page._PLOT_HIGH
    assert "hex: first 2,000 ms, last 500 ms" in page.picture_of(runs)


@pytest.mark.parametrize("name", NAMES)
def test_every_kernel_stands_on_the_page(name: str) -> None:
    assert f"* *{name}*: {KERNELS[name].what}" in page.PAGE.read_text()


def test_a_second_run_of_a_commit_takes_the_place_of_the_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(page, "RESULTS", tmp_path)
    page.keep(run_of(hex=Figure("MB", 1, [1.0])))
    page.keep(run_of(hex=Figure("MB", 1, [2.0])))
    assert [run.figures["hex"].now for run in page.kept()] == [[2.0]]
