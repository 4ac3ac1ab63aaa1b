"""Forged certificates, their chains in order: each is refused, and for the right reason."""

from __future__ import annotations

import copy
import gzip
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flash_emulator import Outcome
from flash_emulator.certificate_check import NotConfirmed, confirm, container
from flash_emulator.explore import Limits, SearchOptions
from tests.flash_emulator.certificate_check import forgeries as forged
from tests.flash_emulator.certificate_check.forgeries import (
    Edit,
    Lines,
    chained,
    lines_of,
    recount,
    text_of,
    texts_of,
    write,
    write_text,
)
from tests.flash_emulator.evidence_toys import certified, world

FEW = SearchOptions(limits=Limits(violations=None), outcomes=(Outcome.BEFORE, Outcome.TORN))
ALL = SearchOptions(limits=Limits(violations=None))
TOYS = {"copy": ALL, "matching": ALL, "two copies": FEW, "waiting": ALL}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Lines]:
    """A true certificate of each toy."""
    folder = tmp_path_factory.mktemp("certificates")
    for toy, options in TOYS.items():
        certified(folder / toy, {"toy": toy}, options)
    return {toy: lines_of(folder / toy) for toy in TOYS}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "forged.certificate.gz"


def refused(file: Path, **options: Any) -> str:
    with pytest.raises(NotConfirmed) as caught:
        confirm(str(file), world, **options)
    return str(caught.value)


# What can be seen without a boot is seen in every sample of one state, too.
SEEN_AT_ONCE: list[tuple[Edit, str, str]] = [
    (forged.extra_in_header, "copy", "line 1: 'note' does not belong there"),
    (forged.extra_in_boot, "copy", "line 3: 'note' does not belong there"),
    (forged.extra_in_segment, "copy", "a segment: 'note' does not belong there"),
    (forged.extra_in_totals, "copy", "'note' does not belong there"),
    (forged.missing_field, "copy", "'excluded' is missing"),
    (forged.other_order, "copy", "its fields stand in another order"),
    (forged.older_version, "copy", "a certificate of version 2; expected 4"),
    (forged.other_formula, "copy", "'formulas' cannot be"),
    (forged.yes_for_a_count, "copy", "'operations' cannot be True"),
    (forged.half_an_operation, "copy", "'operations' cannot be 1.0"),
    (forged.outcomes_mixed_up, "copy", "'outcomes' cannot be"),
    (forged.outcome_called_otherwise, "copy", "'outcomes' cannot be"),
    (forged.unknown_reading, "copy", "'readings' cannot be"),
    (forged.path_with_zeros, "copy", "'path' cannot be '0"),
    (forged.flips_mixed_up, "copy", "'flips' cannot be [3, 1]"),
    (forged.flips_beside_a_reading, "copy", "units are flipped where reading is drawn"),
    (forged.spans_that_touch, "copy", "'unknown' cannot be"),
    (forged.edges_mixed_up, "copy", "'edges' cannot be"),
    (forged.the_same_cut_twice, "copy", "'edges' cannot be"),
    (forged.one_state_more, "copy", "totals say 32 states; the lines have 31"),
    (forged.one_boot_more, "copy", "totals say 88 boots; the lines have 87"),
    (forged.one_edge_more, "copy", "totals say 516 edges; the lines have 515"),
    (forged.no_violations, "waiting", "totals say 0 violations; the lines have 9"),
    (forged.hidden_violation, "waiting", "totals say 9 violations; the lines have 8"),
    (forged.stopped_and_complete, "copy", "not complete, stopped by 'states'"),
    (forged.two_states_under_one_path, "copy", "leads to two states"),
    (forged.two_states_under_one_path, "two copies", "leads to two states"),
    (forged.one_state_under_two_paths, "copy", "stands under two paths"),
    (forged.the_same_boot_twice, "copy", "the same boot stands twice"),
    (forged.a_node_twice, "copy", "stands twice"),
    (forged.another_start, "copy", "expected node"),
    (forged.another_state_under_the_start, "copy", "the first boot is that of path '-'"),
    (forged.lines_of_a_state_apart, "copy", "stands twice, and not in one place"),
    (forged.a_longer_path_first, "copy", "the state on the way to it is not listed"),
    (forged.a_way_over_nothing, "two copies", "the state on the way to it is not listed"),
    (forged.a_state_that_nothing_comes_to, "two copies", "is the end of no cut that is listed"),
    (forged.a_detour, "two copies", "2 cuts lead to it, and also 1"),
    (forged.a_shortcut, "copy", "which is not there"),
    (forged.an_end_cut_off, "copy", "1 cuts lead to it, and also 2"),
    (forged.a_state_removed, "copy", "which was never booted"),
    (forged.another_key, "two copies", "expected node"),
    (forged.not_merged, "copy", "something is unknown where the search does not merge"),
    (forged.dropped_edge, "copy", "1 cuts lead to it, and also 2"),
    (forged.another_tool, "copy", "a certificate for another program: sources 0000"),
    (forged.another_part, "copy", "a certificate for another part: values 0000"),
    (forged.another_part_file, "copy", "a certificate for another part: file 0000"),
    (forged.another_subject, "copy", "a certificate for another subject: sources 0000"),
    (forged.something_given, "copy", "a certificate for another subject: image 0000"),
    (forged.another_seed, "copy", "a certificate for another device at the start: seed 7"),
    (forged.another_image, "copy", "a certificate for another device at the start: cells 0000"),
    (forged.another_rest, "copy", "a certificate for another device at the start: rest 0000"),
    (forged.another_toy, "copy", "a certificate for another subject: name"),
    (forged.without_ecc, "copy", "a certificate for another part: values"),
]

# Only who boots can see these.
SEEN_BY_BOOTING: list[tuple[Edit, str, str]] = [
    (forged.another_key_everywhere, "two copies", "as it is listed, found"),
    (forged.another_end, "copy", "expected end 'all is well', found 'at rest'"),
    (forged.another_signature, "copy", "expected signature"),
    (forged.another_count, "copy", "expected operations 2, found 1"),
    (forged.invented_violation, "copy", "expected end '', found 'at rest'"),
    (forged.another_question, "waiting", "expected violation ['reported'"),
    (forged.a_boot_that_nobody_needs, "copy", "bits read !d: no boot looks at these units"),
    (forged.a_state_removed_with_all_its_edges, "copy", "what a cut leaves to be listed"),
    (forged.swapped_edges, "copy", "as it is listed, found"),
    (forged.invented_cut, "copy", "expected a cut 999b, as it is listed"),
    (forged.more_unknown, "two copies", "as it is listed, found"),
    (forged.less_unknown, "copy", "as it is listed, found"),
    (forged.unknown_outside, "two copies", "as it is listed|no range of units"),
    (forged.nothing_excluded, "matching", "as it is listed, found"),
    (forged.more_excluded, "matching", "as it is listed, found"),
    (forged.another_path, "two copies", "the last cut is never reached"),
    (forged.outcomes_not_tried, "two copies", "what a cut leaves to be listed"),
    (forged.outcomes_denied, "copy", "expected a cut 1w, as it is listed"),
    (forged.reading_denied, "copy", "bits read !07: no boot looks at these units"),
    (forged.fewer_operations, "copy", "expected a cut 2b, as it is listed"),
    (forged.boot_removed, "copy", "what a cut leaves to be listed"),
]
UNCOUNTED = {"waiting"}  # its loops are not in the lines
COUNTS = ("one_state_more", "one_boot_more", "one_edge_more", "no_violations", "hidden_violation")


def forge(made: dict[str, Lines], edit: Edit, toy: str, file: Path) -> None:
    lines = copy.deepcopy(made[toy])
    edit(lines)
    if toy not in UNCOUNTED and edit.__name__ not in COUNTS:
        recount(lines)
    write(file, lines)


def named(cases: list[tuple[Edit, str, str]]) -> list[str]:
    return [f"{edit.__name__}-{toy}" for edit, toy, _ in cases]


@pytest.mark.parametrize(("edit", "toy", "reason"), SEEN_AT_ONCE, ids=named(SEEN_AT_ONCE))
def test_a_forgery_is_seen_at_once(
    made: dict[str, Lines], edit: Edit, toy: str, reason: str, file: Path
) -> None:
    forge(made, edit, toy, file)
    assert reason in refused(file, sample=1)


@pytest.mark.parametrize(("edit", "toy", "reason"), SEEN_BY_BOOTING, ids=named(SEEN_BY_BOOTING))
def test_a_forgery_is_seen_by_booting(
    made: dict[str, Lines], edit: Edit, toy: str, reason: str, file: Path
) -> None:
    forge(made, edit, toy, file)
    said = refused(file)
    assert any(each in said for each in reason.split("|")), said


def test_what_is_forged_here_is_true_without_the_forgery(
    made: dict[str, Lines], file: Path
) -> None:
    for lines in made.values():
        write(file, lines)
        confirm(str(file), world)


# --- the file itself


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda packed: packed + packed, "behind the end of the gzip member"),
        (lambda packed: packed + gzip.compress(b"", mtime=0), "behind the end of the gzip member"),
        (lambda packed: packed + b"\0", "behind the end of the gzip member"),
        (lambda packed: packed[:3] + b"\x08" + packed[4:10] + b"x\0" + packed[10:], "a name"),
        (lambda packed: packed[:4] + b"\1" + packed[5:], "a time"),
        (lambda packed: packed[:-8] + bytes(4) + packed[-4:], "damaged gzip file"),
    ],
    ids=["twice", "an empty member", "a zero", "a name", "a time", "another sum"],
)
def test_a_file_is_one_gzip_member(
    made: dict[str, Lines], change: Callable[[bytes], bytes], reason: str, file: Path
) -> None:
    write(file, made["matching"])
    file.write_bytes(change(file.read_bytes()))
    assert reason in refused(file)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('"merge":', '"merge": ', "not in the one way"),
        ('"merge":true', '"merge":true,"merge":true', "no JSON text"),
        ('"toy"', '"t\\u006fy"', "not in the one way"),
        ('"matching"', '"match\u00efng"', "not in the one way"),
        ('"operations":', '"operations":-', "cannot be -"),
        ('"merge":true', '"merge":NaN', "'merge' cannot be nan"),
        ('"merge":true', '"merge":' + "[" * 100_000, "no JSON text"),
    ],
    ids=["a space", "a field twice", "an escape", "no ASCII", "negative", "NaN", "deep"],
)
def test_json_is_written_in_one_way(
    made: dict[str, Lines], old: str, new: str, reason: str, file: Path
) -> None:
    texts = texts_of(made["matching"])
    assert old in texts[0]
    write_text(file, chained([texts[0].replace(old, new, 1), *texts[1:]]))
    assert reason in refused(file)


def test_lines_end_and_none_is_empty(made: dict[str, Lines], file: Path) -> None:
    text = text_of(made["matching"])
    write_text(file, text.removesuffix(b"\n"))
    assert "its last line has no end" in refused(file)
    write_text(file, text + b"\n")
    assert "no JSON text" in refused(file)
    write_text(file, text.replace(b"\n", b"\r\n"))
    assert "not in the one way" in refused(file)


def test_a_line_has_a_bound(made: dict[str, Lines], file: Path, monkeypatch: Any) -> None:
    lines = copy.deepcopy(made["matching"])
    lines[0]["world"]["note"] = "x" * 20_000
    write(file, lines)
    monkeypatch.setattr(container, "MOST_BYTES", 10_000)
    assert "a line of more than 10000 bytes" in refused(file)
    write_text(file, b"0" * 20_000_000)
    assert "a line of more than 10000 bytes" in refused(file)


# --- any edit

NEUTRAL = """Edits that leave a true certificate, and why:
header operations    any limit that no boot meets
header erased_values that erases were tried with every value, or not: these toys ask no such one
totals compared      what boots compare no unit with that a cut tears
header readings      one more or less, where no boot looks at a metastable unit; the verdict says it
header representatives   these toys have none: each state is its own
world                facts that the factory of these toys does not ask for
path                 another one of as many cuts, which leads to the same state: it is run again
edges "*"            says that the search tried fewer cuts than it lists; the checker tries all
"""


@pytest.mark.parametrize("toy", ["matching", "two copies"])
def test_any_single_edit_is_refused_or_neutral(
    made: dict[str, Lines], toy: str, file: Path
) -> None:
    rng = random.Random(toy)
    lines = made[toy]
    for _ in range(150):
        edited = copy.deepcopy(lines)
        what = edit_at_random(edited, rng)
        if edited == lines:
            continue
        write(file, edited)
        try:
            confirm(str(file), world)
        except (NotConfirmed, KeyError, ValueError):  # the last two: the toys have no such world
            continue
        assert is_neutral(lines, edited), (what, NEUTRAL)


def is_neutral(lines: Lines, edited: Lines) -> bool:
    return canonical(lines) == canonical(edited)


def canonical(lines: Lines) -> Lines:
    """Without what ``NEUTRAL`` names, and without the chain, which is made anew."""
    twin = [{key: each for key, each in entry.items() if key != "chain"} for entry in lines]
    twin = copy.deepcopy(twin)
    header = twin[0]
    header["operations"] = header["operations"] > 100
    header["representatives"] = header["erased_values"] = None
    twin[-1]["compared"] = None
    header["world"] = {key: header["world"].get(key) for key in ("toy", "ecc", "seed")}
    if not any(entry["flips"] for entry in twin[1:-1]):
        header["readings"] = None
    for entry in twin[1:-1]:
        entry["path"] = entry["path"].count(".")
    for segment in forged.segments(twin):
        segment["edges"] = {k: cuts.replace("*", "") for k, cuts in segment["edges"].items()}
    return twin


def edit_at_random(lines: Lines, rng: random.Random) -> str:
    """One edit, somewhere: in a value, of a list, of a line. Says which."""
    if rng.random() < 0.15:
        return edit_a_list(lines, rng)
    holder: Any = rng.choice(lines)
    while True:
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        if not keys:
            return "nothing"
        key = rng.choice(keys)
        value = holder[key]
        if isinstance(value, dict | list) and value:
            if isinstance(value, list) and rng.random() < 0.3:
                return edit_a_list(value, rng)
            holder = value
            continue
        holder[key] = other_value(value, rng)
        return f"{key}: {value!r} is {holder[key]!r}"


def edit_a_list(items: list[Any], rng: random.Random) -> str:
    at, other = rng.randrange(len(items)), rng.randrange(len(items))
    match rng.choice(["drop", "double", "swap"]):
        case "drop":
            del items[at]
        case "double":
            items.insert(other, copy.deepcopy(items[at]))
        case _:
            items[at], items[other] = items[other], items[at]
    return f"a list at {at}, {other}"


def other_value(value: Any, rng: random.Random) -> Any:
    match value:
        case bool():
            return not value
        case int():
            return value + rng.choice([-1, 1, 8, 1000])
        case None:
            return rng.choice([[], "", "00" * 17])
        case str() if value:
            at = rng.randrange(len(value))
            return value[:at] + rng.choice("0123456789abf*. ") + value[at + 1 :]
        case _:
            return rng.choice(["x", 0, [[0, 64]]])


def test_the_random_edits_are_many() -> None:
    """The random numbers of the test above come to every kind of edit."""
    rng, kinds = random.Random(1), set[str]()
    example: Lines = [{"a": True, "b": 1, "c": None, "d": "text", "e": [], "f": [1, 2]}]
    for _ in range(300):
        edited = json.loads(json.dumps(example))
        kinds.add(edit_at_random(edited, rng).split(" ")[0])
    assert kinds >= {"a:", "b:", "c:", "d:", "e:", "a"}
