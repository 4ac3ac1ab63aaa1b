"""Two states of the sources by turns, in the same run: medians, spread, and what became dearer."""

from __future__ import annotations

import io
import json
import os
import platform
import statistics
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
KERNELS_FILE = Path(__file__).with_name("kernels.py")
DEARER = 1.10
"""From this ratio of medians on, a change is said to cost more."""
SCHEMA = 1
_KERNEL_S = 120  # seconds a kernel may take; one of another commit may never end


class NotThere(Exception):
    """The commit is not in this clone."""


@dataclass
class Figure:
    """Seconds of CPU of one kernel, by sample; *before*: of the commit before, turn by turn."""

    unit: str
    work: float
    now: list[float] = field(default_factory=list)
    before: list[float] = field(default_factory=list)
    missing: str = ""  # why there is nothing of the commit before

    @property
    def ratio(self) -> float | None:
        """Median of what each pair says; above 1: dearer than before."""
        if not self.before:
            return None
        return statistics.median(
            now / before for now, before in zip(self.now, self.before, strict=True)
        )

    @property
    def dearer(self) -> bool:
        """More than a tenth by median and by least, in all pairs but one: a slow sample is none."""
        if self.ratio is None or min(self.ratio, min(self.now) / min(self.before)) <= DEARER:
            return False
        worse = sum(now > before for now, before in zip(self.now, self.before, strict=True))
        return worse >= max(len(self.now) - 1, 1)


@dataclass
class Run:
    """What one run measured. *commit* is of the sources, "+" behind it: with changes on top."""

    commit: str
    date: str
    before: str
    machine: dict[str, str]
    figures: dict[str, Figure]

    def to_json(self) -> str:
        figures = {
            name: {
                "unit": figure.unit,
                "work": figure.work,
                "cpu_s": [round(value, 6) for value in figure.now],
                "before_cpu_s": [round(value, 6) for value in figure.before],
                **({"missing": figure.missing} if figure.missing else {}),
            }
            for name, figure in self.figures.items()
        }
        content = {
            "schema": SCHEMA,
            "commit": self.commit,
            "date": self.date,
            "before": self.before,
            "machine": self.machine,
            "figures": figures,
        }
        return json.dumps(content, indent=1) + "\n"

    @staticmethod
    def from_json(text: str) -> Run:
        content: dict[str, Any] = json.loads(text)
        if content.get("schema") != SCHEMA:
            raise ValueError(f"schema: expected {SCHEMA}, found {content.get('schema')!r}")
        figures = {
            name: Figure(
                given["unit"],
                given["work"],
                given["cpu_s"],
                given["before_cpu_s"],
                given.get("missing", ""),
            )
            for name, given in content["figures"].items()
        }
        commit, date, before = (str(content[name]) for name in ("commit", "date", "before"))
        return Run(commit, date, before, dict(content["machine"]), figures)


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, text=True)
    if done.returncode:
        raise NotThere(done.stderr.strip() or f"git {' '.join(arguments)} failed")
    return done.stdout.strip()


def resolved(revision: str) -> str:
    """The commit that *revision* names. Raises NotThere, with what git says."""
    return _git("rev-parse", "--verify", f"{revision}^{{commit}}")


def sources(commit: str, folder: Path) -> Path:
    """The sources of *commit*, unpacked below *folder*."""
    place = folder / commit[:12]
    archive = subprocess.run(
        ["git", "-C", ROOT, "archive", commit], capture_output=True, check=True
    ).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
        packed.extractall(place, filter="data")
    return place


def machine() -> dict[str, str]:
    """What figures of different runs cannot be compared across."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in _lines(Path("/proc/cpuinfo"))
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return {
        "cpu": model,
        "cores": str(len(os.sched_getaffinity(0))),
        "python": platform.python_version(),
        "system": platform.system(),
    }


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.is_file() else []


def sample(kernel: str, root: Path) -> dict[str, Any]:
    """One process that does the work once, with the packages below *root*."""
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run(
        [sys.executable, "-P", KERNELS_FILE, kernel],
        env=environment,
        cwd=root,
        capture_output=True,
        text=True,
        timeout=_KERNEL_S,
    )
    if done.returncode:
        words = (done.stderr.strip().splitlines() or ["no word"])[-1]
        raise RuntimeError(words.replace(f"{root}/", ""))
    return dict(json.loads(done.stdout))


def measured(
    kernels: Sequence[str],
    runs: int,
    *,
    before: str | None,
    now: str | None = None,
    tell: Callable[[str], None] = print,
) -> Run:
    """*runs* samples of each kernel, by turns with commit *before* where one is given.

    *now*: a commit in place of the sources as they lie here.
    """
    with tempfile.TemporaryDirectory() as folder:
        here = sources(now, Path(folder)) if now else ROOT
        there = sources(before, Path(folder)) if before else None
        figures = {}
        for kernel in kernels:
            if now and (why := _refusal(kernel, here)):
                tell(f"{kernel:14} is not in this commit: {why}")
                continue
            figure = _figure(kernel, runs, here, there)
            if figure.dearer:  # once more, and longer, before anything is said
                figure = _figure(kernel, 2 * runs, here, there)
            figures[kernel] = figure
            tell(line(kernel, figure))
    commit = now or resolved("HEAD") + ("+" if _git("status", "--porcelain") else "")
    date = _git("show", "--no-patch", "--format=%cI", commit.rstrip("+"))
    return Run(commit, date, before or "", machine(), figures)


def _figure(kernel: str, runs: int, here: Path, there: Path | None) -> Figure:
    first = sample(kernel, here)  # writes byte code; not counted
    figure = Figure(first["unit"], first["work"])
    if there is not None:
        figure.missing = _refusal(kernel, there)
        there = None if figure.missing else there
    for turn in range(runs):
        order = [(here, figure.now)]
        if there is not None:
            order.append((there, figure.before))
        for root, values in order if turn % 2 else reversed(order):
            values.append(float(sample(kernel, root)["cpu_s"]))
    return figure


def _refusal(kernel: str, root: Path) -> str:
    """Why the sources of another commit cannot do this work; empty where they can."""
    try:
        sample(kernel, root)
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        return str(error)
    return ""


def line(kernel: str, figure: Figure) -> str:
    """One figure in words: what a unit of work costs now, spread, and the ratio."""
    low, middle, high = min(figure.now), statistics.median(figure.now), max(figure.now)
    text = (
        f"{kernel:14} {amount(middle, figure)}, samples {low / middle:.2f} to {high / middle:.2f}"
    )
    if figure.missing:
        return f"{text}; nothing of the commit before: {figure.missing}"
    if figure.ratio is None:
        return text
    return f"{text}; x{figure.ratio:.2f} of what it cost before"


def amount(cpu_s: float, figure: Figure) -> str:
    """*cpu_s* for the figure's work as a rate, or as a time where the work is one thing."""
    if figure.work == 1:
        return f"{cpu_s * 1e3:,.0f} ms"
    rate = figure.work / cpu_s
    return f"{rate:,.1f} {figure.unit}/s" if rate < 1000 else f"{rate:,.0f} {figure.unit}/s"
