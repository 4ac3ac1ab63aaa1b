"""Missing judges: skipped, counted, told in the last lines, installed, and a failure in CI."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.judges import EXCUSE, JUDGES, need
from tests.places import ROOT
from tests.thorough import one_in

pytest_plugins = ["pytester"]

CONFTEST = f"""
import sys
sys.path.insert(0, {str(ROOT / "tests")!r})
from tests.judges import Plugin
def pytest_configure(config):
    config.addinivalue_line("markers", "judge(name): asks it")
    config.pluginmanager.register(Plugin(), "judges")
"""
ASKS = """
import pytest
from tests.judges import need, out_of_reach
@pytest.mark.judge("srec_cat")
@pytest.mark.parametrize("_", range(3))
def test_by_marker(_): pass
def test_by_call(): assert need("stm32flash")
@pytest.fixture(scope="session")
def browser(): return need("chromium")
def test_by_fixture(browser): pass
def test_by_fixture_too(browser): pass
def test_of_the_net(): out_of_reach("no registry")
def test_for_another_reason(): pytest.skip("not here")
def test_that_passes(): pass
"""


@pytest.fixture
def nothing_on_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("CI", EXCUSE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))


def ran(pytester: pytest.Pytester, *arguments: str) -> tuple[int, str]:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(ASKS)
    found = pytester.runpytest_subprocess("-p", "no:cacheprovider", *arguments)
    found.assert_outcomes(passed=1, skipped=8)
    return int(found.ret), found.stdout.str()


TOLD = (
    "chromium is missing: 2 tests skipped. It judges HTML reports, in a browser.",
    "srec_cat is missing: 3 tests skipped. It judges Intel HEX, S-records and TI-TXT",
    "stm32flash is missing: 1 test skipped. It judges the emulated boot ROM, as a client.",
    "Released firmware is out of reach: 1 test skipped.",
)


@pytest.mark.parametrize(
    ("workers", "quiet"),
    one_in(2, [([], []), ([], ["-q"]), (["-n", "2"], []), (["-n", "2"], ["-q", "-ra"])], first=1),
)
def test_the_last_lines_tell_what_was_not_judged(
    pytester: pytest.Pytester, nothing_on_path: None, workers: list[str], quiet: list[str]
) -> None:
    code, said = ran(pytester, *workers, *quiet)
    assert code == 0
    last = said.splitlines()[-10:]
    for line in TOLD:
        assert sum(each.startswith(line) for each in last) == 1, said
    assert last.count("    get it: make apt") == 3
    assert "1 passed, 8 skipped" in last[-1], "and then how many passed"


@pytest.mark.parametrize("workers", one_in(2, [[], ["-n", "2"]]))
def test_with_ci_a_missing_judge_fails_the_run(
    pytester: pytest.Pytester,
    nothing_on_path: None,
    monkeypatch: pytest.MonkeyPatch,
    workers: list[str],
) -> None:
    monkeypatch.setenv("CI", "true")
    code, said = ran(pytester, *workers)
    assert code == 1
    assert "CI is set: a missing judge fails the run." in said


def test_with_ci_it_is_excused_where_apt_was_out_of_reach(
    pytester: pytest.Pytester, nothing_on_path: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    monkeypatch.setenv(EXCUSE, "no route to host")
    code, said = ran(pytester)
    assert code == 0
    assert "apt could not be reached, so that is no failure: no route to host" in said
    assert "CI is set" not in said


def test_with_ci_nothing_fails_where_no_judge_is_missing(
    pytester: pytest.Pytester,
    nothing_on_path: None,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("CI", "true")
    for name in ("srec_cat", "stm32flash", "chromium", "chromedriver"):
        program = tmp_path / name
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(ASKS)
    found = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    found.assert_outcomes(passed=7, skipped=2)
    assert found.ret == 0
    assert "is missing" not in found.stdout.str()


def test_a_judge_of_which_one_program_is_missing_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "chromium").write_text("#!/bin/sh\n")
    (tmp_path / "chromium").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(pytest.skip.Exception, match=r"chromium \(chromedriver not found: make apt"):
        need("chromium")


@pytest.mark.parametrize("judge", JUDGES.values(), ids=str)
def test_every_row_says_what_it_is_and_how_to_get_it(judge) -> None:
    assert judge.programs or judge.modules
    assert judge.what
    assert judge.debian or "pip install" in judge.get


def test_no_other_way_to_skip_for_want_of_a_program_or_a_module() -> None:
    """Else it would be missing from the last lines."""
    allowed = {"judges.py", "test_judges.py"}
    for path in (ROOT / "tests").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if path.name not in allowed:
            assert "importorskip" not in text, path
            assert not re.search(r"skipif\([^)]*which", text), path
            assert not re.search(r"is (not installed|missing): make apt", text), path


# --- .ci/debian-packages and .ci/run, with programs that only pretend ----------------------------

# Knows which packages are installed by the files in $STATE/installed; whether the package lists are
# there ($STATE/lists), and what the archive holds ($STATE/archive; no such file: out of reach).
APT_GET = """#!/bin/bash
echo "$*" >> "$STATE/calls"
verb=$1; shift
if [ "$verb" = update ]; then
    [ -f "$STATE/archive" ] || { echo "E: Temporary failure resolving" >&2; exit 100; }
    touch "$STATE/lists"; exit 0
fi
[ -f "$STATE/lists" ] && [ -f "$STATE/archive" ] || exit 100
packages=()
while [ $# -gt 0 ]; do
    case $1 in -o) shift ;; -*) ;; *) packages+=("$1") ;; esac; shift
done
for p in "${packages[@]}"; do
    grep -qx "$p" "$STATE/archive" || { echo "E: Unable to locate package $p" >&2; exit 100; }
done
for p in "${packages[@]}"; do touch "$STATE/installed/$p"; done
"""
DPKG_QUERY = """#!/bin/bash
[ -f "$STATE/installed/${@: -1}" ] && echo installed
"""
MAKE = """#!/bin/bash
echo "make $* ${APT_OUT_OF_REACH-not set}"
exit 42
"""
MAKE_BUT = """#!/bin/bash
echo "make $*"
[ "$*" != "$FAILS" ] || exit 42
"""
PACKAGES = sorted({package for judge in JUDGES.values() for package in judge.debian})


class Machine:
    """A machine with a project, and programs that pretend to be Debian's."""

    def __init__(self, folder: Path) -> None:
        self.state, self.bin = folder / "state", folder / "bin"
        (self.state / "installed").mkdir(parents=True)
        self.bin.mkdir()
        self.project = folder / "project"
        shutil.copytree(ROOT / ".ci", self.project / ".ci")
        (self.project / "tests").mkdir()
        shutil.copy(ROOT / "tests" / "judges.toml", self.project / "tests")
        self.program("apt-get", APT_GET)
        self.program("dpkg-query", DPKG_QUERY)
        self.program("make", MAKE)
        self.program("id", "#!/bin/sh\necho 0\n")

    def program(self, name: str, text: str) -> None:
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)

    def archive(self, *packages: str) -> None:
        (self.state / "archive").write_text("".join(f"{each}\n" for each in packages))

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PATH": f"{self.bin}:{os.environ['PATH']}"}
        environment |= {"STATE": str(self.state)}
        environment.pop(EXCUSE, None)
        command = [self.project / ".ci" / script]
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=60
        )

    @property
    def calls(self) -> list[str]:
        file = self.state / "calls"
        return [line.split()[0] for line in file.read_text().splitlines()] if file.exists() else []

    @property
    def installed(self) -> list[str]:
        return sorted(path.name for path in (self.state / "installed").iterdir())


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_fresh_machine_fetches_the_package_lists_first(machine: Machine) -> None:
    machine.archive(*PACKAGES)
    assert machine.run("debian-packages").returncode == 0
    assert machine.calls == ["install", "update", "install"]
    assert machine.installed == PACKAGES


def test_with_fresh_lists_they_are_not_fetched_again(machine: Machine) -> None:
    machine.archive(*PACKAGES)
    (machine.state / "lists").touch()
    assert machine.run("debian-packages").returncode == 0
    assert machine.calls == ["install"]


def test_where_all_are_installed_nothing_is_asked(machine: Machine) -> None:
    for package in PACKAGES:
        (machine.state / "installed" / package).touch()
    assert machine.run("debian-packages").returncode == 0
    assert machine.calls == []


def test_a_package_that_the_archive_lacks_keeps_no_other_one_away(machine: Machine) -> None:
    machine.archive(*[package for package in PACKAGES if package != "chromium-driver"])
    done = machine.run("debian-packages")
    assert done.returncode == 1
    assert "could not install: chromium-driver\n" in done.stderr
    assert machine.installed == [package for package in PACKAGES if package != "chromium-driver"]


@pytest.mark.parametrize("lists", [False, True])
def test_an_archive_out_of_reach_is_told_apart(machine: Machine, lists: bool) -> None:
    if lists:
        (machine.state / "lists").touch()
    done = machine.run("debian-packages")
    assert done.returncode == 75
    assert "cannot reach its archive; not installed: " in done.stderr


def test_ci_installs_and_runs_the_command_of_the_readme(machine: Machine) -> None:
    machine.archive(*PACKAGES)
    done = machine.run("run")
    assert (done.returncode, done.stdout) == (42, "make test not set\n")
    assert machine.installed == PACKAGES


def test_ci_goes_on_without_an_archive_and_says_so(machine: Machine) -> None:
    done = machine.run("run")
    assert done.returncode == 42
    assert done.stdout == "make test apt-get update failed in .ci/run\n"
    assert "the run goes on without the missing packages" in done.stderr


def test_ci_goes_on_without_one_package_and_makes_no_excuse_of_it(machine: Machine) -> None:
    machine.archive(*PACKAGES[1:])
    done = machine.run("run")
    assert (done.returncode, done.stdout) == (42, "make test not set\n")
    assert "not all packages could be installed" in done.stderr


def test_ci_installs_nothing_where_it_is_not_root(machine: Machine) -> None:
    machine.archive(*PACKAGES)
    machine.program("id", "#!/bin/sh\necho 1000\n")
    done = machine.run("run")
    assert (done.returncode, done.stdout) == (42, "make test not set\n")
    assert "not root" in done.stderr
    assert machine.calls == []


BEHIND = ["ci-compiled", "ci-speed"]


@pytest.mark.parametrize(
    ("fails", "code", "run"),
    [
        ("", 0, ["test", *BEHIND]),
        ("ci-compiled", 42, ["test", "ci-compiled"]),
        ("ci-speed", 0, ["test", *BEHIND]),
    ],
    ids=["all is well", "compiled code is wrong", "nothing can be measured"],
)
def test_ci_tests_the_wheel_and_says_what_a_commit_costs(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, fails: str, code: int, run: list[str]
) -> None:
    machine.archive(*PACKAGES)
    machine.program("make", MAKE_BUT)
    monkeypatch.setenv("FAILS", fails)
    done = machine.run("run")
    assert done.returncode == code
    assert done.stdout.splitlines() == [f"make {target}" for target in run]
    assert ("was not measured: make ended with 42" in done.stderr) == (fails == "ci-speed")


def test_ci_goes_on_where_nothing_can_be_compiled_and_says_so() -> None:
    """The target of .ci/run itself; the virtual environment is this one, which stays as it is."""
    venv = f"VENV={sys.prefix}"
    done = subprocess.run(
        ["make", "--no-print-directory", "ci-compiled", venv, "-o", f"{sys.prefix}/.installed"],
        cwd=ROOT,
        env={**os.environ, "CC": "/nowhere/cc"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    why = "the compiled build is not tested: there is no C compiler: /nowhere/cc\n"
    assert (done.returncode, done.stdout) == (0, why), done.stderr


def test_the_readme_names_the_commands() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for command in ("make test", "make apt", "make random"):
        assert command in readme
