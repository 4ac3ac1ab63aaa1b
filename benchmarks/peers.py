"""The peer of the power-loss explorer: littlefs's own test runner, on this machine, in this run.

The source package of littlefs-python on PyPI carries all of littlefs, its test runner, emulated
block device and test suites with it. They are fetched (pinned by hash) into ``.cache/``, built with
gcc for speed (-O2, no coverage counters: littlefs's own build has -Os and counters, and is slower)
and run on one core, asserts on.

What is counted: a *state* is the flash as one cut left it, in a test that is then started again on
it; equal states are counted as often as they are met, since littlefs does not look for them. A
*boot* is one start of a test on a flash, a mount and work on top, cut or not. A cut falls after a
whole program or erase call, never inside one; many tests run a second time with the block that was
written first since the last sync put back as it was. These are small C tests of a file system, not
an updater that hashes an image: the rates say what a peer's machinery manages here, not how much
faster or slower an updater would be explored by it.

    python benchmarks/peers.py [linear single double] [--json]
"""

import argparse
import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

CACHE = Path(__file__).resolve().parent.parent / ".cache" / "peers"
PACKAGE, SDIST, SDIST_HASH = (
    "littlefs-python==0.19.0",
    "littlefs_python-0.19.0.tar.gz",
    "4ce8c6eeeb2703abaf8cb60f2dab624b17af42b13df3dbc6c42d4142bad79a59",
)
# littlefs's scripts read their tests with it; it is imported out of the wheel as it is.
TOML, TOML_WHEEL, TOML_HASH = (
    "toml==0.10.2",
    "toml-0.10.2-py2.py3-none-any.whl",
    "806143ae5bfb6a3c6e736a764057db0e6a0e05e338b5630894a5f779cabb4f9b",
)
SOURCE = CACHE / SDIST.removesuffix(".tar.gz") / "littlefs"
BUILD = "build-O2"  # in SOURCE, so that no name outside littlefs's own reaches its Makefile
FLAGS = "-I. -std=c99 -g -O2"
FETCH_S, BUILD_S, RUN_S = 180, 300, 20


@dataclass(frozen=True)
class Scenario:
    """Which cuts, in which suites or tests; none named is all that can be cut.

    Each run ends by itself, in seconds; two cuts in all tests take days, its CI notes say.
    """

    powerloss: str
    tests: tuple[str, ...]
    what: str


SCENARIOS: Mapping[str, Scenario] = {
    "linear": Scenario(
        "linear",
        (),
        "one chain of cuts a test: boot k is cut after its k-th whole program or erase call, "
        "until a boot gets through; a state is the flash at a cut, repeats counted",
    ),
    "single": Scenario(
        "1",
        (
            *("test_dirs", "test_move", "test_orphans"),
            *("test_relocations", "test_superblocks", "test_truncate"),
        ),
        "every single cut after a whole program or erase call, six suites; "
        "a state is the flash at a cut, repeats counted",
    ),
    "double": Scenario(
        "2",
        ("test_move_reentrant_file",),
        "every cut after a whole program or erase call and every cut of the boot after it, "
        "one test, five geometries, in and out of order; "
        "a state is the flash at a cut, repeats counted",
    ),
}


@dataclass(frozen=True)
class PeerResult:
    name: str
    version: str
    what: str
    interrupted_states: int
    boots: int
    wall_s: float

    @property
    def states_per_s(self) -> float:
        return self.interrupted_states / self.wall_s

    @property
    def boots_per_s(self) -> float:
        return self.boots / self.wall_s


class NoPeer(Exception):
    """Why there is none to measure here."""


def measure(scenario: str = "linear") -> PeerResult | None:
    """One run of one scenario; None, with the reason printed, where it cannot be had."""
    try:
        runner = build()
        return run(runner, SCENARIOS[scenario])
    except NoPeer as reason:
        print(f"no peer: {reason}", file=sys.stderr)
        return None


def build() -> Path:
    """The test runner, fetched and built where that has not been done yet."""
    for tool in ("gcc", "make"):
        if shutil.which(tool) is None:
            raise NoPeer(f"littlefs cannot be built without {tool}")
    fetch()
    jobs = os.cpu_count() or 1
    command = ["make", "--silent", f"--jobs={jobs}", "test-runner", f"BUILDDIR={BUILD}"]
    done("make", [*command, "NO_COV=1", "CC=gcc", f"CFLAGS={FLAGS}"], BUILD_S, SOURCE)
    return SOURCE / BUILD / "runners" / "test_runner"


def fetch() -> None:
    if not (CACHE / SDIST).exists() or not (CACHE / TOML_WHEEL).exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        wanted = CACHE / "requirements.txt"
        wanted.write_text(
            f"{PACKAGE} --hash=sha256:{SDIST_HASH}\n{TOML} --hash=sha256:{TOML_HASH}\n"
        )
        options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes"]
        options += ["--no-binary=littlefs-python", "--only-binary=toml", "--retries=1"]
        command = [sys.executable, "-m", "pip", "download", *options, f"--dest={CACHE}"]
        done("pip download", [*command, f"--requirement={wanted}"], FETCH_S, CACHE)
    if not (SOURCE / "Makefile").exists():
        shutil.unpack_archive(CACHE / SDIST, CACHE / "unpacking")
        (CACHE / "unpacking" / SOURCE.parent.name).rename(SOURCE.parent)


def done(name: str, command: Sequence[str], limit: float, folder: Path) -> str:
    """What the command printed; its last words are the reason where it failed."""
    kept = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MFLAGS")}
    search = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    own = {"PATH": search, "PYTHONPATH": str(CACHE / TOML_WHEEL), "LC_ALL": "C.UTF-8"}
    try:
        ended = subprocess.run(
            command,
            cwd=folder,
            env=kept | own,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=limit,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise NoPeer(f"{name} took longer than {limit} s") from None
    if ended.returncode:
        words = (ended.stderr or ended.stdout).strip().splitlines()[-3:]
        raise NoPeer(f"{name} failed ({ended.returncode}): {' / '.join(words)}")
    return ended.stdout


def run(runner: Path, scenario: Scenario) -> PeerResult:
    start = time.perf_counter()
    command = [str(runner), f"-P{scenario.powerloss}", *scenario.tests]
    output = done("littlefs test runner", command, RUN_S, SOURCE)
    wall = time.perf_counter() - start
    said = Counter(line.partition(" ")[0] for line in output.splitlines())
    cuts, tests = said["powerloss"], said["finished"]
    if not cuts or tests != said["running"]:
        raise NoPeer(f"littlefs: {cuts} cuts, {tests} of {said['running']} tests came to an end")
    # The runner names each cut and starts the test again after it; each test has one more start.
    return PeerResult(
        "littlefs test_runner", littlefs_version(), scenario.what, cuts, cuts + tests, wall
    )


def littlefs_version() -> str:
    found = re.search(r"#define LFS_VERSION 0x([0-9a-f]{8})", (SOURCE / "lfs.h").read_text())
    if found is None:
        raise NoPeer("littlefs does not say which version it is")
    packed = int(found[1], 16)
    return f"{packed >> 16}.{packed & 0xFFFF} (from {PACKAGE})"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("scenario", nargs="*", help=f"{', '.join(SCENARIOS)}; all if none")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if unknown := set(arguments.scenario) - set(SCENARIOS):
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}")
    results: dict[str, PeerResult] = {}
    for name in arguments.scenario or SCENARIOS:
        result = measure(name)
        if result is not None:
            results[name] = result
    if arguments.json:
        print(json.dumps({name: dataclasses.asdict(result) for name, result in results.items()}))
        return 0
    for name, result in results.items():
        print(f"{result.name} {result.version}, {name}: {result.what}")
        print(
            f"  {result.interrupted_states:,} states, {result.boots:,} boots, "
            f"{result.wall_s:.1f} s on one core: {result.states_per_s:,.0f} states/s, "
            f"{result.boots_per_s:,.0f} boots/s"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
