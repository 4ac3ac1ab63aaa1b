"""Our own updater, explored: small images, everything that cuts can come to.

The whole slot is ``make powerloss``; here one sector and a bit of a part of every class.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from flash_emulator import Outcome, load_part
from flash_emulator.explore import Limits, Path, Report, SearchOptions
from flash_emulator.explore.campaign import Result, Verdict, parse_replay_id
from mcu_updater.board import Board
from mcu_updater.core.errors import UsageError
from mcu_updater.core.events import Event, JournalWritten
from mcu_updater.core.journal import Phase
from mcu_updater.core.strategy import Strategy
from mcu_updater.core.updater import Updater
from mcu_updater.flash_map.strategies import default_strategy
from mcu_updater.powerloss import campaign
from mcu_updater.powerloss.catalogue import (
    SCENARIOS,
    filled,
    scenario,
    slot_of,
    small_size,
    with_file,
)
from mcu_updater.powerloss.images import Format, filler
from mcu_updater.powerloss.questions import OPTIONS_LOST
from mcu_updater.powerloss.questions.running import Running
from mcu_updater.powerloss.questions.truth import Truth
from mcu_updater.powerloss.scenario import Way
from mcu_updater.powerloss.searching import SearchSettings
from mcu_updater.powerloss.subject import BoardSubject
from tests.thorough import THOROUGH, one_in

SIGNED = 300  # bytes of an image with its header and signature
SMALL = 700  # bytes of an image: less than a sector of any part

EACH_CLASS = {
    "f1": "STM32F103x8",
    "f4": "STM32F429xI",
    "l4": "STM32L476xG",
    "u5": "STM32U575xI",
    "h7": "STM32H743xI",
    "h7ab": "STM32H7A3xI",
    "h5": "STM32H563xI",
}


def explored(
    part: str = "STM32L476xG",
    name: str = "good",
    strategy: Strategy | None = None,
    *,
    size: int = SMALL,
    fmt: Format = "bin",
    merge: bool = True,
    **limits: int,
) -> Result:
    target = filled(part, size, fmt, strategy)
    options = SearchOptions(limits=Limits(**limits), merge=merge)
    return campaign.explore(scenario(name, target), SearchSettings(options))


def report_of(result: Result) -> Report:
    assert result.report is not None, result.error
    return result.report


def test_the_default_part_is_closed_under_any_number_of_cuts() -> None:
    result = explored()
    report = report_of(result)
    assert result.verdict is Verdict.PASSED, report.violations[:1]
    assert report.complete
    assert len(report.levels) > 5  # states that need so many cuts in a row, and no more
    assert report.operations_most < 2 * report.operations_first
    names = {check.name for check in report.checks}
    assert {"cuts fired", "operations", "booted twice", "joined", "ends", "closed"} <= names


CHEAPER = {"STM32F103x8": "corrupt"}
"""Instead of a good image on a device as it left the factory, which takes up to a minute; of the
other parts a package that is refused."""


@pytest.mark.parametrize("part", one_in(6, sorted({*EACH_CLASS.values()} - {"STM32L476xG"})))
@pytest.mark.thorough
def test_every_class_is_closed_under_any_number_of_cuts(part: str) -> None:
    """Where options are not atomic, what that explains is found, and nothing else anywhere."""
    result = explored(part, "good" if THOROUGH else CHEAPER.get(part, "unsigned"))
    report = report_of(result)
    assert report.complete
    harmless = not report.violations
    assert harmless is (part != "STM32U575xI")
    assert all(found.text.startswith(OPTIONS_LOST) for found in report.violations)
    assert result.verdict is (Verdict.PASSED if harmless else Verdict.HAZARD_FOUND)


@pytest.mark.thorough
def test_a_copy_survives_cuts_wherever_they_are() -> None:
    result = explored("STM32F103x8", cuts=2)
    report = report_of(result)
    assert not report.violations
    assert report.stopped_by == "cuts"
    assert result.verdict is Verdict.INCOMPLETE


def hollow(version: str, size: int, address: int) -> bytes:
    """An image of two sectors that takes few operations: blank but for its beginning and end."""
    image = bytearray(filler(version, size, address))
    image[96 : size - 300] = b"\xff" * (size - 300 - 96)
    return bytes(image)


@pytest.mark.parametrize("name", one_in(4, list(SCENARIOS)))
def test_every_scenario_survives_every_single_cut(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the ordinary run with the first states that a cut leaves, of several hundred."""
    for module in ("catalogue", "signed"):
        monkeypatch.setattr(f"mcu_updater.powerloss.{module}.filler", hollow)
    states: dict[str, Any] = {} if THOROUGH else {"states": 15}
    report = report_of(explored(name=name, cuts=1, size=2150, **states))
    assert not report.violations
    assert report.cuts > 500
    assert report.states > 10


@pytest.mark.parametrize(
    ("part", "name"),
    one_in(2, [*product(EACH_CLASS.values(), ("pieces", "package", "delta-pieces"))]),
)
def test_pieces_are_refused_where_no_checkpoint_holds_what_one_leaves(part: str, name: str) -> None:
    """What the scenario expects is what happens when nobody cuts; large sectors are refused."""
    chip = load_part(part)
    size = small_size(chip, default_strategy(chip))
    made = scenario(name, filled(part, size, "bin"))
    board = made.board()
    for _ in board.run(made.policy):
        pass
    assert board.would_boot().version == made.final
    assert (made.final == "1.0.0") is (part in ("STM32H743xI", "STM32F429xI"))


@pytest.mark.parametrize("fmt", ["hex", "s19"])
def test_formats(fmt: Format) -> None:
    states: dict[str, Any] = {} if THOROUGH else {"states": 15}
    assert not report_of(explored(fmt=fmt, cuts=1, **states)).violations


@pytest.mark.thorough
@pytest.mark.parametrize("part", ["STM32L476xG", "STM32G474xE_dual", "STM32F429xI"])
def test_the_naive_option_toggle_bricks_with_one_cut(part: str) -> None:
    result = explored(part, strategy=Strategy.OPTION_TOGGLE, cuts=1, size=300, violations=1)
    first = report_of(result).violations[0]
    assert first.question == "safe"
    assert first.text.startswith(OPTIONS_LOST)
    assert len(first.path.cuts) == 1
    assert result.verdict is Verdict.INCOMPLETE
    film = result.film(first.path)
    assert film is not None
    assert film.violation == (first.question, first.text)


@pytest.mark.thorough
def test_the_option_toggle_has_no_other_fault_than_that() -> None:
    result = explored(strategy=Strategy.OPTION_TOGGLE, size=300)
    report = report_of(result)
    assert report.complete
    assert result.verdict is Verdict.HAZARD_FOUND
    assert all(found.text.startswith(OPTIONS_LOST) for found in report.violations)


@pytest.mark.thorough
def test_copying_is_harmless_where_the_swap_is_not() -> None:
    assert not report_of(explored("STM32U575xI", strategy=Strategy.COPY, cuts=1)).violations


@pytest.mark.thorough
@pytest.mark.parametrize(("part", "name"), [("STM32L476xG", "good"), ("STM32F103x8", "unsigned")])
def test_brute_force_and_merging_agree(part: str, name: str) -> None:
    """Every unit told apart, against what is taken for unknown or alike: the same verdicts."""
    merged = report_of(explored(part, name, size=300, cuts=1))
    brute = report_of(explored(part, name, size=300, cuts=1, merge=False, states=100_000))
    assert brute.merged == 0
    assert merged.merged > 0
    assert brute.states > 3 * merged.states
    assert not merged.violations
    assert not brute.violations
    assert set(merged.ends) == set(brute.ends)
    assert merged.operations_first == brute.operations_first


def test_a_known_hazard_excuses_nothing_else() -> None:
    report = report_of(explored("STM32U575xI", "verified-alone", cuts=1))
    target = scenario("verified-alone", filled("STM32U575xI", SMALL, "bin"))
    assert campaign.expectation(target, report).name == "HAZARD"
    other = type(report.violations[0])("safe", "something else", Path())
    worse = campaign.expectation(target, replace(report, violations=(*report.violations, other)))
    assert worse.name == "PASS"
    unfound = campaign.expectation(target, replace(report, violations=()))
    assert unfound.name == "HAZARD"


@pytest.mark.thorough
def test_no_hazard_is_expected_of_an_upgrade_that_is_refused() -> None:
    """It changes no option bytes, so there is nothing to cut."""
    result = explored("STM32U575xI", "unsigned", size=SIGNED)
    assert not report_of(result).violations
    assert result.verdict is Verdict.PASSED
    assert result.as_expected


@pytest.mark.parametrize("name", ["stuck", "refused"])
def test_damage_that_the_image_does_not_reach_is_no_scenario(name: str) -> None:
    with pytest.raises(UsageError, match="the image does not reach"):
        scenario(name, filled("STM32L476xG", SMALL, "bin"))


def test_the_subject_finds_what_is_wrong() -> None:
    """What is expected of a whole run: each can be answered with no. The other questions are about
    single moments."""
    target = filled("STM32L476xG", SMALL, "bin")
    good, fail, second = (scenario(name, target) for name in ("good", "fail", "second"))
    another = {**good.images, "2.0.0": b"another"}
    for changed, question in (
        (replace(good, final="1.0.0"), "reported"),  # the cloud is told of a success
        (replace(fail, final="2.0.0"), "live"),
        (replace(good, images=another), "true"),
        (replace(second, images=another), "safe"),  # 2.0.0 runs already
    ):
        limits = Limits(cuts=1, violations=1)
        result = campaign.explore(changed, SearchSettings(SearchOptions(limits=limits)))
        assert report_of(result).violations[0].question == question


@pytest.fixture
def confirms_in_two_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two headers instead of one: the floor is raised after the confirmation."""

    def in_two_steps(self: Updater) -> Iterator[Event]:
        snapshot = self._read[0].snapshot
        assert snapshot is not None
        confirmed = replace(snapshot, phase=Phase.CONFIRMED)
        yield from self._journals.write(self._active, confirmed)
        floor = snapshot.floor.raised(snapshot.security_version)
        yield from self._journals.write(self._active, replace(confirmed, floor=floor))

    monkeypatch.setattr(Updater, "_do_self_test", in_two_steps)


@pytest.mark.thorough
@pytest.mark.usefixtures("confirms_in_two_steps")
def test_the_signed_scenario_finds_a_cut_between_confirmation_and_floor() -> None:
    first = report_of(explored(name="signed", cuts=1, size=SIGNED, violations=1)).violations[0]
    assert first.question == "safe"
    assert first.text.startswith("2.0.0 is confirmed, and the rollback floor is version 1.0.0")
    assert len(first.path.cuts) == 1


@pytest.mark.thorough
@pytest.mark.usefixtures("confirms_in_two_steps")
def test_a_cut_between_confirmation_and_floor_lets_the_revoked_image_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What that would come to, if nobody looked at the floor itself, or at what is verified."""
    monkeypatch.setattr(Running, "_check_floor", lambda asked, booted: None)
    monkeypatch.setattr(Truth, "_check_complete", lambda asked, bank, phase: None)
    result = explored(name="signed-revoked", cuts=1, size=SIGNED, violations=1)
    first = report_of(result).violations[0]
    assert first.question == "safe"
    assert first.text == "version '2.5.0' runs, which nobody published"
    assert len(first.path.cuts) == 1


def test_what_was_revoked_is_refused_under_any_number_of_cuts() -> None:
    """The device has confirmed a signed update; what comes then is offered once."""
    result = explored(name="revoked", size=SIGNED)
    report = report_of(result)
    assert result.verdict is Verdict.PASSED, report.violations[:1]
    assert report.complete
    assert set(report.ends) == {"runs 2.0.0, failed"}


def test_the_signed_scenario_signs_its_own_images() -> None:
    own = filled("STM32L476xG", 900, "s19").packages["3.0.0"]
    with pytest.raises(UsageError, match="signs images of its own"):
        scenario("signed", with_file(filled("STM32L476xG", SMALL, "bin"), own))
    with pytest.raises(UsageError, match="no such signed image"):
        scenario("signed", filled("STM32L476xG", 100, "bin"))


def test_an_image_of_ones_own_is_what_runs() -> None:
    address, _, _ = slot_of(load_part("STM32L476xG"), default_strategy(load_part("STM32L476xG")))
    target = filled("STM32L476xG", SMALL, "bin")
    package = filled("STM32L476xG", 900, "s19").packages["3.0.0"]
    own = with_file(target, package)
    assert own.format == "s19"
    assert own.images["2.0.0"] == filled("STM32L476xG", 900, "s19").images["3.0.0"]
    board = scenario("good", own).board()
    assert isinstance(board, Board)
    assert board.banks()[0].slot.link_address == address


def test_a_doubtful_record_of_a_failure_that_the_bootloader_does_not_read_reports_no_version() -> (
    None
):
    """What the updater then reads is FAILED, and it runs. Found by the search on an F429."""
    _, path = parse_replay_id("STM32F429xI/remap/crash/bin/700b/s0:65w.391m.!t")
    subject = BoardSubject(scenario("crash", filled("STM32F429xI", SMALL, "bin")))
    film = campaign.film(subject, path)
    assert film.violation is None
    assert film.end == "runs 1.0.0, failed"


@pytest.mark.parametrize("name", ["good", "module", "reset", "replaced", "pieces-module"])
def test_what_survives_depends_on_the_way(name: str) -> None:
    """All ways of the scenario, and no others: each leaves something of its own."""
    made = scenario(name, filled("STM32L476xG", SMALL, "bin"))
    subject = BoardSubject(made)
    board = subject.board(subject.flash.fork(), subject.external)
    for event in board.run(made.policy):  # on to where the module waits for something
        if isinstance(event, JournalWritten) and event.phase == Phase.LOADING.name:
            break
    ways = dict(subject.surviving(board))
    assert set(ways) == set(made.ways)
    assert len({external.digest for _, external in ways.items()}) == len(made.ways)


def test_every_way_is_that_of_a_scenario() -> None:
    target = filled("STM32L476xG", SMALL, "bin")
    offered = [scenario(name, target).ways for name in ("module", "reset", "replaced")]
    assert {way for ways in offered for way in ways} == set(Way)


def test_outcomes_are_all_tried() -> None:
    report = report_of(explored(cuts=1, states=10))
    assert {outcome for row in report.heat.values() for outcome in row} == set(Outcome)
