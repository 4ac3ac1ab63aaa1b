"""The fixtures for one's own boot function, as a firmware engineer's test run sees them."""

from __future__ import annotations

import re
import shlex
from xml.etree import ElementTree

import pytest

from flash_emulator.explore import Path as CutPath
from tests.places import ROOT

pytest_plugins = ["pytester"]

EXAMPLE = ROOT / "examples" / "toy_bootloader"
QUIET = ["-p", "no:cacheprovider", "-p", "no:randomly"]


@pytest.fixture(autouse=True)
def by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """In CI pytest repeats whole messages in its summary; what we look at must stand there once."""
    for name in ("CI", "BUILD_NUMBER"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def toy(pytester: pytest.Pytester) -> pytest.Pytester:
    """The toy bootloader of the README."""
    for file in EXAMPLE.glob("*.py"):
        pytester.path.joinpath(file.name).write_text(file.read_text("utf-8"), "utf-8")
    return pytester


def run(pytester: pytest.Pytester, *options: str) -> tuple[pytest.RunResult, str]:
    """In this process; where it matters what was imported, ``run_apart``."""
    result = pytester.runpytest_inprocess(*QUIET, *options)
    return result, result.stdout.str()


def run_apart(pytester: pytest.Pytester, *options: str) -> tuple[pytest.RunResult, str]:
    result = pytester.runpytest_subprocess(*QUIET, *options)
    return result, result.stdout.str()


def small(pytester: pytest.Pytester, body: str) -> None:
    """A test file with a boot function that writes one sector, one that writes four, and *body*."""
    pytester.makepyfile(
        f"""
        import pytest
        from flash_emulator.explore import Violation

        BASE = 0x0800_0000

        def boot(flash):
            flash.erase(BASE)
            flash.program(BASE, bytes(8))

        def whole(flash):
            for address in range(BASE, BASE + 4 * 2048, 2048):
                if not written(flash, address):
                    flash.erase(address)
                    flash.program(address, bytes(8))

        def written(flash, address):
            try:
                return flash.read(address, 8) == bytes(8)
            except OSError:
                return False

        def never(flash):
            raise Violation("reported", "nobody said so")

{body}
        """
    )


# --- the example of the README


def test_the_fixed_bootloader_passes_with_a_line_in_the_summary(toy: pytest.Pytester) -> None:
    result, out = run(toy, "-k", "test_bootloader.py and not first_try")
    assert result.ret == 0, out
    line = r"test_bootloader\.py::test_bootloader: complete; \d+ states, \d+ boots, [\d,]+ cuts, "
    assert re.search(line + r"states by cuts in a row 1 \d+ .*, \d+\.\d s", out), out


def test_the_first_try_fails_with_a_replay_that_fails_the_same_way(toy: pytest.Pytester) -> None:
    result, out = run(toy, "-k", "first_try")
    assert result.ret == 1, out
    (finding,) = re.findall(r"^power loss: (unsafe: .*)", out, re.MULTILINE)
    assert "boot 1: power lost at flash operation 9 (program at 0x0800_8038), outcome weak" in out
    (command,) = re.findall(r"^replay: pytest (.*)", out, re.MULTILINE)
    result, out = run(toy, *shlex.split(command))
    assert result.ret == 1
    assert f"power loss: {finding}" in out
    result.stdout.fnmatch_lines(
        [
            "*sectors: . erased*",
            "boot 1  +  1: erase 0x0800_8000",
            "boot 1  .  2 to 9: program 0x0800_8000, 64 bytes",
            "boot 1  !  CUT: power lost at flash operation 9 *, outcome weak",
            f"boot 2  !  {finding}",
        ]
    )


def test_a_replay_in_which_nothing_goes_wrong_is_no_pass(toy: pytest.Pytester) -> None:
    chosen = "test_bootloader.py::test_bootloader"
    result, out = run(toy, chosen, "--powerloss-replay", "9w.z")
    result.assert_outcomes(skipped=1)
    assert "replay of 9w.z: nothing goes wrong" in out
    assert "boot 3  +  at rest" in out


def test_a_replay_that_does_not_fit_fails(toy: pytest.Pytester) -> None:
    result, out = run(toy, "test_bootloader.py::test_bootloader", "--powerloss-replay", "99t")
    result.assert_outcomes(failed=1)
    assert "cut 1 of 99t, 99t: not reached" in out


def test_a_replay_id_that_cannot_be_read_is_refused(toy: pytest.Pytester) -> None:
    result = toy.runpytest_subprocess(*QUIET, "--powerloss-replay", "9x")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "--powerloss-replay: '9x' is no cut" in result.stderr.str()


def test_it_works_under_xdist(toy: pytest.Pytester) -> None:
    result, out = run_apart(toy, "-n", "2")
    result.assert_outcomes(passed=1, failed=1)
    summary = out.rpartition("= power loss =")[2]
    assert "::test_bootloader: complete; " in summary
    assert "::test_first_try: 2 violations, stopped at what it found; " in summary
    assert "--powerloss-replay 9w" in out


SEEDED = {
    "mark first": (
        "flash.program(RUN, staged)\n        flash.program(MARK, mark_of(staged))",
        "flash.program(MARK, mark_of(staged))\n        flash.program(RUN, staged)",
    ),
    "no erase where it reads erased": (
        "flash.erase(RUN)",
        "if read(flash, RUN, SIZE + 8) != b'\\xff' * (SIZE + 8): flash.erase(RUN)",
    ),
    "the ECC error is not caught": ("except UnreadableUnit", "except ZeroDivisionError"),
}


@pytest.mark.parametrize("fault", SEEDED)
def test_faults_in_the_toy_are_caught(toy: pytest.Pytester, fault: str) -> None:
    file = toy.path / "bootloader.py"
    right, wrong = SEEDED[fault]
    assert right in file.read_text("utf-8")
    file.write_text(file.read_text("utf-8").replace(right, wrong), "utf-8")
    result, out = run(toy, "test_bootloader.py::test_bootloader")
    result.assert_outcomes(failed=1)
    (path,) = re.findall(r"--powerloss-replay (.*)", out)
    assert len(CutPath.parse(path).cuts) <= 2


# --- what must not look like a pass


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        ("cuts=1", "by the limit of cuts in a row"),
        ("states=5", "by the limit of states"),
        ("time_s=0", "by the limit of time"),
    ],
)
def test_a_search_that_is_not_complete_fails(
    pytester: pytest.Pytester, limit: str, said: str
) -> None:
    small(
        pytester,
        f"""
        def test_it(emulated_flash, powerloss):
            powerloss(emulated_flash, whole, {limit})

        def test_as_allowed(emulated_flash, powerloss):
            assert not powerloss(emulated_flash, whole, {limit}, allow_incomplete=True).complete
        """,
    )
    result, out = run(pytester)
    result.assert_outcomes(passed=1, failed=1)
    failure, _, summary = out.rpartition("= power loss =")
    assert "the search is not complete" in failure
    assert said in failure
    assert summary.count("NOT COMPLETE") == 2


def test_a_test_that_never_calls_it_fails(pytester: pytest.Pytester) -> None:
    small(pytester, "        def test_it(powerloss):\n            pass\n")
    result, out = run(pytester)
    result.assert_outcomes(failed=1)
    assert "powerloss was never called: nothing was cut" in out


def test_a_second_search_in_a_test_fails(pytester: pytest.Pytester) -> None:
    small(
        pytester,
        """
        def test_it(emulated_flash, powerloss):
            powerloss(emulated_flash, boot)
            powerloss(emulated_flash, boot)
        """,
    )
    result, out = run(pytester)
    result.assert_outcomes(failed=1)
    assert "one search a test" in out


def test_a_search_that_cannot_be_believed_fails(pytester: pytest.Pytester) -> None:
    small(
        pytester,
        """
        def test_it(emulated_flash, powerloss):
            powerloss(emulated_flash, lambda flash: None)
        """,
    )
    result, out = run(pytester)
    result.assert_outcomes(failed=1)
    assert "cannot be believed: nothing was cut" in out
    assert "NOT BELIEVED" in out


def test_a_verdict_of_one_s_own_is_named(pytester: pytest.Pytester) -> None:
    small(
        pytester,
        """
        @pytest.mark.parametrize("seed", [1, 2])
        def test_it(seed, make_emulated_flash, powerloss):
            powerloss(make_emulated_flash(seed=seed), boot, never)
        """,
    )
    result, out = run(pytester)
    result.assert_outcomes(failed=2)
    assert "power loss: not reported: nobody said so" in out
    assert "::test_it[2]' --powerloss-replay -" in out


# --- devices


def test_the_marker_chooses_the_device(pytester: pytest.Pytester) -> None:
    small(
        pytester,
        """
        def test_the_default(emulated_flash):
            assert emulated_flash.part.name == "STM32L476xG"

        @pytest.mark.flash("STM32F429xI", seed=3)
        def test_another(emulated_flash):
            assert (emulated_flash.part.name, emulated_flash.seed) == ("STM32F429xI", 3)

        def test_several(make_emulated_flash):
            first, second = make_emulated_flash(seed=1), make_emulated_flash("STM32F103x8")
            assert (first.seed, second.part.name) == (1, "STM32F103x8")
        """,
    )
    result, _ = run(pytester, "--strict-markers")
    result.assert_outcomes(passed=3)


def test_it_stands_alone(pytester: pytest.Pytester) -> None:
    """Where mcu_updater cannot be imported, the fixtures work; unused, they bring nothing in."""
    pytester.makeconftest(
        """
        import sys

        class Blocked:
            def find_spec(self, name, path=None, target=None):
                if name.partition(".")[0] == "mcu_updater":
                    raise ImportError(name)

        for name in [n for n in sys.modules if n.partition(".")[0] == "mcu_updater"]:
            del sys.modules[name]
        sys.meta_path.insert(0, Blocked())
        """
    )
    small(
        pytester,
        """
        def test_nothing_was_imported_yet():
            import sys
            assert not [n for n in sys.modules if n.startswith("flash_emulator.contract")]

        def test_it(emulated_flash, powerloss):
            powerloss(emulated_flash, boot, cuts=1, allow_incomplete=True)
            with pytest.raises(ImportError):
                import mcu_updater.board
        """,
    )
    result, out = run_apart(pytester)
    assert result.ret == 0, out


def test_a_run_that_does_not_use_them_imports_no_search(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import sys

        def test_it():
            assert "flash_emulator.explore" not in sys.modules
            assert "mcu_updater.board" not in sys.modules
        """
    )
    result, out = run_apart(pytester)
    assert result.ret == 0, out


# --- boots that hang or end in an exception


def test_a_boot_that_never_comes_to_rest_fails_with_its_place(pytester: pytest.Pytester) -> None:
    small(
        pytester,
        """
        def stuck(flash):
            flash.erase(BASE)
            while flash.read(BASE + 8, 8) != bytes(8):
                pass

        def test_it(emulated_flash, powerloss):
            powerloss(emulated_flash, stuck, time_s=4)
        """,
    )
    result, out = run(pytester)
    result.assert_outcomes(failed=1)
    assert "power loss: not live: the boot never comes to rest" in out
    assert "while flash.read(BASE + 8, 8) != bytes(8):" in out
    assert "--powerloss-replay -" in out


def test_an_exception_shows_its_traceback_here_and_in_replay(pytester: pytest.Pytester) -> None:
    small(
        pytester,
        """
        def wrong(flash):
            boot(flash)
            table = {}
            table["no such key"]

        def test_it(emulated_flash, powerloss):
            powerloss(emulated_flash, wrong)
        """,
    )
    for options in ([], ["--powerloss-replay", "-"]):
        result, out = run(pytester, *options)
        result.assert_outcomes(failed=1)
        assert 'table["no such key"]' in out
        assert "in wrong" in out
        assert "explore/boots.py" not in out


# --- reports


@pytest.mark.parametrize(
    "workers",
    [[], pytest.param(["-n", "2"], marks=pytest.mark.thorough)],
    ids=["alone", "xdist"],
)
def test_reports_of_all_searches(toy: pytest.Pytester, workers: list[str]) -> None:
    reports = ["--powerloss-html=out/r.html", "--powerloss-junit=out/r.xml"]
    certificates = "--powerloss-certificates=out/certificates"
    result, _ = run_apart(toy, *workers, *reports, certificates)
    result.assert_outcomes(passed=1, failed=1)
    suites = ElementTree.parse(toy.path / "out" / "r.xml").getroot()
    assert (suites.get("tests"), suites.get("failures"), suites.get("errors")) == ("2", "1", "0")
    properties = {p.get("name"): p.get("value") for p in suites[0].iter("property")}
    assert "pytest" in (properties["tool"] or "")
    assert "--powerloss-html=out/r.html" in (properties["command line"] or "")
    assert properties["seed"] == "0"
    assert re.fullmatch(r"[0-9a-f]{64}", properties["SHA-256 of the flash before"] or "")
    page = (toy.path / "out" / "r.html").read_text("utf-8")
    assert "test_bootloader.py::test_bootloader" in page
    assert "updater" not in page.replace("mcu-updater", "").lower()
    found = sorted(file.name for file in (toy.path / "out" / "certificates").iterdir())
    assert len(found) == 2
    assert all(name.endswith(".certificate.gz") for name in found)


def test_a_report_that_cannot_be_written_fails_the_run(toy: pytest.Pytester) -> None:
    toy.path.joinpath("taken").mkdir()
    result, out = run(toy, "-k", "not first_try", "--powerloss-html=taken")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "taken cannot be written" in out
