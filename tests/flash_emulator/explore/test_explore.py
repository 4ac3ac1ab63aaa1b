"""The search itself: against brute force, against itself, and against what it must refuse."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from flash_emulator import CutAt, EmulatedFlash, MetastableMode, Outcome, PowerLoss, load_part
from flash_emulator.array.pages import Mark
from flash_emulator.explore import (
    FunctionSubject,
    Limits,
    Nothing,
    Path,
    Processes,
    Progress,
    Report,
    Search,
    SearchOptions,
    SelfCheckFailed,
    Violation,
    explore,
    replay,
    shrink,
)
from flash_emulator.explore.batches import SIZE
from flash_emulator.explore.path import Cut
from tests.flash_emulator.explore import subjects
from tests.flash_emulator.explore.compare_bootloaders import shortest
from tests.flash_emulator.explore.protocols import DONE, exponential, read
from tests.flash_emulator.explore.subjects import installed, tiny
from tests.flash_emulator.tiny_silicon import BASE, SECTOR, UNIT, units
from tests.flash_emulator.tiny_silicon import flash as made
from tests.judges import need
from tests.thorough import one_in

ALL = SearchOptions(limits=Limits(violations=None))
BRUTE = replace(ALL, merge=False)

Boot = Callable[[EmulatedFlash], Any]


def timeless(report: Report) -> Report:
    return replace(report, elapsed_s=0.0)


# --- merged, against brute force

CASES = [
    pytest.param(boot, verdict, ecc, id=f"{boot.__name__}-{'ecc' if ecc else 'plain'}")
    for boot, verdict, ecc in [
        (subjects.install, installed, True),
        (subjects.install, installed, False),
        (subjects.mark_first, installed, True),
        (subjects.trust_what_reads_right, installed, True),
        (subjects.trust_blank, None, True),
    ]
]
MORE = [
    pytest.param(
        subjects.two_sectors, None, ecc, id=f"two_sectors-{name}", marks=pytest.mark.thorough
    )
    for ecc, name in ((True, "ecc"), (False, "plain"))
]


SOONER = {subjects.trust_what_reads_right}
"""Who trusts what reads right: a weak unit does so for one boot, and fails one cut later. Whoever
merges takes it for metastable as soon as power goes: it may read right and then wrong in one boot,
which is more than the silicon's model allows."""


def states_of(
    flash: EmulatedFlash, subject: FunctionSubject, options: SearchOptions
) -> tuple[Report, list[EmulatedFlash]]:
    """The report, and every state that the search came to."""
    found: dict[bytes, EmulatedFlash] = {}

    def observe(expansion: Any) -> None:
        found.update((child.key, child.flash) for child in expansion.children)

    report = Search(subject, flash, options=options, observer=observe).run()
    return report, list(found.values())


def unknown_units(flash: EmulatedFlash) -> frozenset[int]:
    count = flash.part.size // UNIT
    marks = flash.cells.marks(0, count)
    return frozenset(unit for unit in range(count) if marks[unit] == Mark.UNKNOWN)


def without(flash: EmulatedFlash, units: frozenset[int]) -> bytes:
    """Digest of *flash*, were nothing known of *units*."""
    twin = flash.fork()
    for unit in units:
        twin.forget(BASE + unit * UNIT, UNIT)
    return twin.digest()


@pytest.mark.parametrize("ecc", [True, False])
@pytest.mark.parametrize("merge", [True, False])
def test_a_sector_whose_erase_was_cut_may_read_zeros_again_later(ecc: bool, merge: bool) -> None:
    """Each unit that may drift back is a reading of its own, not a draw: the search finds it."""
    boot, verdict = subjects.note_blank, subjects.still_blank
    options = replace(ALL, merge=merge)
    for outcomes, expected in (((Outcome.BEFORE, Outcome.AFTER), False), ((Outcome.WEAK,), True)):
        here = replace(options, outcomes=outcomes)
        report = explore(tiny(ecc=ecc), boot, verdict, options=here)
        found = [v for v in report.violations if "noted as blank" in v.text]
        assert bool(found) == expected
        for violation in found:
            assert "w" in str(violation.path)


@pytest.mark.parametrize(("boot", "verdict", "ecc"), [*CASES, *MORE])
def test_merging_finds_what_brute_force_finds(boot: Boot, verdict: Boot | None, ecc: bool) -> None:
    subject = FunctionSubject(boot, verdict)
    brute, concrete = states_of(tiny(ecc=ecc), subject, BRUTE)
    merged, abstract = states_of(tiny(ecc=ecc), subject, ALL)
    assert brute.complete
    assert merged.complete
    sooner = {"safe": 1} if boot in SOONER else {}
    assert shortest(merged) == shortest(brute) | sooner

    by_unknown: dict[frozenset[int], set[bytes]] = {}
    for flash in abstract:
        by_unknown.setdefault(unknown_units(flash), set()).add(flash.digest())
    for flash in concrete:
        flash.cells.fade()  # the merged search takes weak bits for metastable at once
        assert any(without(flash, units) in digests for units, digests in by_unknown.items()), (
            "brute force came to a state that no merged one stands for"
        )


def test_merging_saves_states() -> None:
    merged = explore(tiny(), subjects.install, options=ALL)
    brute = explore(tiny(), subjects.install, options=BRUTE)
    assert brute.merged == 0
    assert merged.merged > 0
    assert merged.states < brute.states / 2


@pytest.mark.parametrize(
    ("boot", "cuts", "brute"),
    [
        (subjects.mark_first, 1, 1),
        # weak: it reads right for one boot; whoever merges lets it read either way at once
        (subjects.trust_what_reads_right, 1, 2),
        (subjects.trust_blank, 1, 1),
    ],
)
def test_seeded_faults_are_found_with_the_fewest_cuts_and_replay(
    boot: Boot, cuts: int, brute: int
) -> None:
    subject = FunctionSubject(boot, always_right)
    for options, fewest in ((ALL, cuts), (BRUTE, brute)):
        report = Search(subject, tiny(), options=options).run()
        assert not report.passed
        assert len(report.violations[0].path.cuts) == fewest
        for found in report.violations:
            film = replay(subject, tiny(), Nothing(), Path.parse(str(found.path)), options)
            assert film.violation == (found.question, found.text)


def not_locked(device: EmulatedFlash) -> None:
    if device.options.readout_level:
        raise Violation("safe", "the chip is locked")


def test_corrupted_options_are_found_where_they_are_asked_for_and_replayed() -> None:
    """F4, F7, one report from the field: off unless asked for, and then one state each program."""
    subject = FunctionSubject(subjects.install, not_locked)
    f429 = load_part("STM32F429xI")
    device = made(ecc=False, options=f429.options, options_at_risk=True)
    device.preload(BASE, units(0x40, 8))
    for merge in (True, False):
        options = replace(ALL, merge=merge)
        assert not Search(subject, device.fork(), options=options).run().violations
        options = replace(options, options_at_risk=True)
        report = Search(subject, device.fork(), options=options).run()
        assert report.violations and report.complete
        for found in report.violations:
            cut = found.path.cuts[-1]
            assert cut.spoils_options
            assert "the chip is locked" in found.text or "WRPERR" in found.text
            assert Path.parse(str(found.path)) == found.path
            film = replay(subject, device.fork(), Nothing(), found.path, options)
            assert film.violation == (found.question, found.text)


def test_options_of_a_part_without_a_report_are_not_corrupted() -> None:
    subject = FunctionSubject(subjects.install, not_locked)
    report = Search(subject, tiny(), options=replace(ALL, options_at_risk=True)).run()
    assert report.complete and not report.violations


@pytest.mark.parametrize("text", ["600to", "600ko~module", "3wo!1f20", "2to.1b.!d", "600o", "zo"])
def test_a_path_says_that_options_were_corrupted(text: str) -> None:
    if text in ("600o", "zo"):
        with pytest.raises(ValueError, match="is no cut"):
            Path.parse(text)
        return
    path = Path.parse(text)
    assert str(path) == text
    assert path.cuts[0].spoils_options


def always_right(device: EmulatedFlash) -> None:
    """The payload, however its metastable cells read; or DONE alone."""
    for metastable_mode in MetastableMode:
        twin = device.fork()
        twin.metastable_mode = metastable_mode
        if read(twin, BASE) != DONE:
            installed(twin)


# --- what it does not depend on


@pytest.fixture(scope="module")
def alone() -> Report:
    """Levels of several batches, with no executor."""
    subject, flash, _ = exponential(2)
    report = Search(subject, flash).run()
    assert report.complete
    assert max(report.levels) > 3 * SIZE, "several batches"
    return timeless(report)


@pytest.mark.thorough
def test_two_searches_are_equal(alone: Report) -> None:
    subject, flash, _ = exponential(2)
    assert timeless(Search(subject, flash).run()) == alone
    assert alone.chain


EXECUTORS: dict[str, Callable[[], Executor]] = {
    "1 process": partial(ProcessPoolExecutor, 1),
    "2 threads": partial(ThreadPoolExecutor, 2),
    "2 processes": partial(ProcessPoolExecutor, 2),
    "3 that tell each other": partial(Processes, 3),
}


@pytest.mark.parametrize(
    "make", one_in(2, [*EXECUTORS.values()], 1), ids=one_in(2, [*EXECUTORS], 1)
)
def test_the_report_does_not_depend_on_the_executor(
    alone: Report, make: Callable[[], Executor]
) -> None:
    subject, flash, _ = exponential(2)
    with make() as executor:
        report = Search(subject, flash, executor=executor).run()
    assert timeless(report) == alone


@pytest.mark.thorough
def test_the_report_is_the_same_on_a_cluster(alone: Report) -> None:
    distributed = importlib.import_module(need("distributed"))
    subject, flash, _ = exponential(2)
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    )
    with cluster, distributed.Client(cluster) as client:
        report = Search(subject, flash, executor=client.get_executor()).run()
    assert timeless(report) == alone


def test_another_seed_is_another_search() -> None:
    chains = {explore(tiny(seed=seed), subjects.trust_blank).chain for seed in (1, 1, 2)}
    assert len(chains) == 2


def test_the_flash_itself_is_not_changed() -> None:
    flash = tiny()
    before = flash.digest()
    explore(flash, subjects.install)
    assert flash.digest() == before
    assert flash.supply.taken == 0


# --- limits

BIG = exponential(3)


@pytest.mark.parametrize(
    ("limits", "by"),
    [
        (Limits(cuts=1), "cuts"),
        (Limits(states=50), "states"),
        (Limits(time_s=0), "time"),
    ],
)
def test_a_limit_is_told_and_is_no_pass(limits: Limits, by: str) -> None:
    subject, flash, external = BIG
    report = Search(subject, flash, external, SearchOptions(limits)).run()
    assert (report.complete, report.passed, report.stopped_by) == (False, False, by)
    assert report.violation_count == 0


def test_a_limit_of_violations_stops_it() -> None:
    options = SearchOptions(Limits(violations=1))
    report = explore(tiny(), subjects.mark_first, installed, options=options)
    assert (report.complete, report.stopped_by) == (False, "violations")
    assert len(report.levels) == 2


def test_single_cuts_boot_what_one_cut_leaves_and_no_more() -> None:
    """With the true ageing of weak cells: merging lets them read either way a boot too soon."""
    every = explore(tiny(), subjects.trust_what_reads_right, always_right, options=BRUTE)
    single = explore(
        tiny(),
        subjects.trust_what_reads_right,
        always_right,
        options=replace(BRUTE, limits=Limits(cuts=1)),
    )
    assert single.levels == every.levels[:2]
    assert not single.violation_count
    assert every.violation_count, "two in a row show it"


def test_a_limit_that_is_not_met_leaves_it_complete() -> None:
    free = explore(tiny(), subjects.install)
    last = len(free.levels) - 1
    report = explore(tiny(), subjects.install, options=SearchOptions(Limits(cuts=last)))
    assert report.complete
    assert report.states == free.states


def test_ctrl_c_gives_what_is_known_so_far() -> None:
    told: list[Progress] = []

    def progress(now: Progress) -> None:
        told.append(now)
        if len(told) == 3:
            raise KeyboardInterrupt

    subject, flash, external = BIG
    report = Search(subject, flash, external, progress=progress).run()
    assert (report.complete, report.stopped_by) == (False, "interrupted")
    assert report.boots == told[-1].boots > 0
    assert [now.level for now in told] == [0, 1, 2]


def test_ctrl_c_in_the_first_batch_gives_what_is_known_so_far() -> None:
    def impatient(device: EmulatedFlash) -> None:
        raise KeyboardInterrupt

    report = explore(tiny(), impatient)
    assert (report.complete, report.passed, report.stopped_by) == (False, False, "interrupted")
    assert (report.states, report.boots, report.checks) == (1, 0, ())


# --- every counterexample again


@pytest.mark.parametrize("options", [ALL, BRUTE])
@pytest.mark.parametrize(("boot", "ecc"), [(each.values[0], each.values[2]) for each in CASES])
def test_every_counterexample_replays(boot: Boot, ecc: bool, options: SearchOptions) -> None:
    subject = FunctionSubject(boot, always_right)
    limits = replace(options.limits, cuts=options.limits.cuts or 3)
    options = replace(options, limits=limits)
    report = Search(subject, tiny(ecc=ecc), options=options).run()
    for found in report.violations:
        film = replay(subject, tiny(ecc=ecc), Nothing(), found.path, options)
        assert film.violation == (found.question, found.text), f"{found.path}"


def test_a_counterexample_is_shrunk_with_the_options_of_its_search() -> None:
    subject = FunctionSubject(subjects.trust_what_reads_right, always_right)
    for options, text in ((ALL, "7w"), (BRUTE, "7w.z")):
        report = Search(subject, tiny(), options=options).run()
        path = report.violations[0].path
        assert str(shrink(subject, tiny(), Nothing(), path, options)) == text


# --- what never ends


@pytest.mark.parametrize("boot", [subjects.wait_for_ever, subjects.erase_until_it_holds])
def test_a_run_that_comes_back_to_where_it_was_is_found(boot: Boot) -> None:
    flash = tiny()
    report = explore(flash, boot, options=SearchOptions(Limits(operations=200, violations=None)))
    loops = [found for found in report.violations if "never comes to rest" in found.text]
    assert loops
    assert {found.question for found in loops} == {"live"}
    film = replay(FunctionSubject(boot), flash, Nothing(), loops[0].path)
    assert film.violation == ("live", loops[0].text)


def test_a_run_without_points_is_stopped_by_its_operations() -> None:
    options = SearchOptions(Limits(operations=20, violations=3))
    report = explore(tiny(), subjects.work_for_ever, options=options)
    assert report.violations[0].text == "no rest after 20 operations of one boot"


# --- what cannot be believed


@pytest.mark.parametrize(
    ("boot", "said"),
    [
        (subjects.idle, "nothing was cut"),
        (subjects.draw_lots, "does not do the same twice"),
    ],
)
def test_a_search_that_proves_nothing_is_refused(boot: Boot, said: str) -> None:
    with pytest.raises(SelfCheckFailed, match=said):
        explore(tiny(), boot)


def test_one_that_is_wrong_before_it_does_anything_is_a_finding() -> None:
    def wrong(_: EmulatedFlash) -> None:
        raise Violation("safe", "at once")

    report = explore(tiny(), wrong)
    assert [found.text for found in report.violations] == ["at once"]
    assert not report.passed


def test_a_subject_that_changes_nothing_is_refused() -> None:
    options = SearchOptions(outcomes=(Outcome.BEFORE, Outcome.AFTER), merge=False)
    with pytest.raises(SelfCheckFailed, match="no operation changed anything"):
        explore(EmulatedFlash(tiny().part), subjects.erase_what_is_erased, options=options)


class Forgetful(FunctionSubject):
    """Takes the mark for something that no boot reads."""

    def representative(self, flash: EmulatedFlash) -> EmulatedFlash:
        twin = flash.fork()
        twin.forget(subjects.MARK, UNIT)
        return twin


def test_a_representative_that_forgets_what_boots_read_is_noticed() -> None:
    search = Search(Forgetful(subjects.install, subjects.installed), tiny())
    with pytest.raises(SelfCheckFailed, match="which the subject's representative forgets"):
        search.run()


def test_the_last_operation_counts_only_where_it_changed_something() -> None:
    report = explore(tiny(), write_and_erase_nothing, options=SearchOptions(Limits(cuts=0)))
    changed = next(check for check in report.checks if check.name == "operations")
    assert (changed.count, "1 did not" in changed.text) == (2, True)


def write_and_erase_nothing(device: EmulatedFlash) -> None:
    device.erase(BASE)
    device.program(BASE, DONE)
    device.erase(BASE + SECTOR)


def test_a_subclass_is_refused() -> None:
    class Other(EmulatedFlash):
        pass

    with pytest.raises(TypeError, match="Other: expected an EmulatedFlash"):
        explore(Other(tiny().part), subjects.install)


def test_memory_that_is_not_all_is_noticed() -> None:
    """One join in 16 is followed: some of these flashes have one."""
    assert any(is_refused(salt) for salt in range(48))


def is_refused(salt: int) -> bool:
    flash = tiny()
    flash.preload(BASE + 4 * SECTOR, bytes([salt]) * UNIT)
    try:
        explore(flash, subjects.forgetful)
    except SelfCheckFailed as failed:
        assert "not all of it" in str(failed)
        return True
    return False


def test_a_cut_that_does_not_fire_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EmulatedFlash, "repeat", lambda *_: None)
    with pytest.raises(SelfCheckFailed, match="a planned cut did not fire"):
        explore(tiny(), subjects.install)


def test_every_unit_is_cut_with_every_outcome() -> None:
    options = SearchOptions(Limits(cuts=0), merge=False)
    report = explore(tiny(), subjects.install, options=options)
    operations = 1 + len(subjects.PAYLOAD) // UNIT + 1
    assert report.operations_first == operations
    assert report.heat == {0: dict.fromkeys(sorted(Outcome), operations)}
    assert report.cuts == operations * len(Outcome)


# --- cells that read either way


def read_once(wrong: bytes, device: EmulatedFlash) -> None:
    """Fails where a unit reads *wrong*."""
    found = read(device, BASE)
    if found == wrong:
        raise Violation("safe", "read as nobody wrote it")
    if found != DONE:
        device.erase(BASE)
        device.program(BASE, DONE)


def flipped_word() -> bytes:
    """What the unit reads after a metastable cut, each unsure cell the other way."""
    flash = tiny(ecc=False)
    flash.draws_by_place = True
    flash.erase(BASE)
    flash.supply = CutAt(1, Outcome.METASTABLE)
    with pytest.raises(PowerLoss):
        flash.program(BASE, DONE)
    flash.power_on()
    flash.metastable_mode = MetastableMode.STABLE
    stable = flash.read(BASE, UNIT)
    flash.metastable_mode = MetastableMode.FLIPPED
    assert flash.read(BASE, UNIT) != stable
    return flash.read(BASE, UNIT)


def test_metastable_cells_are_read_in_every_way() -> None:
    boot = partial(read_once, flipped_word())
    report = explore(tiny(ecc=False), boot)
    assert "2m.!00" in [str(found.path) for found in report.violations]
    stable = explore(
        tiny(ecc=False), boot, options=SearchOptions(metastable_modes=(MetastableMode.STABLE,))
    )
    assert all(cut.words for found in stable.violations for cut in found.path.cuts)
    assert report.boots > report.states


def test_operations_that_are_one_frame_are_shown_as_the_flash_was_before_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def bulk(flash: EmulatedFlash) -> None:
        flash.erase(BASE)
        for at in range(0, 4 * UNIT, 2 * UNIT):
            flash.program(BASE + at, units(at, 2))

    subject = FunctionSubject(bulk)
    boot = type(subject.boot(tiny(), Nothing()))
    monkeypatch.setattr(boot, "where", lambda _: "bulk()", raising=False)
    path = Path((Cut(4, Outcome.TORN),))
    frames = replay(subject, tiny(), Nothing(), path).frames
    _, erase, joined, cut = frames[:4]
    assert (erase.operation, joined.operation, cut.operation) == (1, 4, 4)
    assert joined.text.startswith("2 to 4: program") and joined.span == (0, 4 * UNIT)
    assert joined.sectors[0] == "." and cut.sectors[0] != "."
    last = frames[-2]
    assert last.text.startswith("2 to 5: program") and last.operation == 5
    assert last.sectors[0] == "."


def test_no_sector_is_shown_for_option_bytes() -> None:
    def swap(flash: EmulatedFlash) -> None:
        flash.program_options(SWAP_BANK=1)

    device = EmulatedFlash(load_part("STM32H563xI"))
    path = Path((Cut(1, Outcome.BEFORE),))
    frames = replay(FunctionSubject(swap), device, Nothing(), path).frames
    told = [frame for frame in frames if "options" in frame.text]
    assert [frame.kind for frame in told] == ["operation", "cut", "operation"]
    assert [frame.address for frame in told] == [None] * 3
