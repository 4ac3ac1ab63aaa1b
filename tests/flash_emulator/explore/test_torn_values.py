"""Torn units that pass for something else: found for every seed, whatever the draw was.

Each toy is wrong for one word of the many that a cut may leave; a search that tries what is drawn
finds it for few seeds.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from flash_emulator import EmulatedFlash, FlashError
from flash_emulator.array.ecc import code_for
from flash_emulator.certificate_check.checker import confirm
from flash_emulator.certificate_check.container import NotConfirmed
from flash_emulator.explore import (
    FunctionSubject,
    Limits,
    Nothing,
    Search,
    SearchOptions,
    Violation,
    contents,
    explore,
    replay,
)
from flash_emulator.explore.certificate import CertificateWriter
from flash_emulator.explore.states import Expansion
from tests.flash_emulator.explore.compare_bootloaders import shortest
from tests.flash_emulator.explore.test_holes import ALL, BRUTE, MARK, nothing, quiet
from tests.flash_emulator.tiny_silicon import BASE, ERASED, SECTOR, UNIT, part
from tests.thorough import THOROUGH

SEEDS = range(64) if THOROUGH else range(0, 64, 4)
CODE = code_for(64, 8)

ERASED_TOO = replace(ALL, erased_values=True)

Boot = Callable[[EmulatedFlash], Any]
Ask = Callable[[EmulatedFlash, int, bytes], bool]

BEGIN = bytes.fromhex("1234567800000000")


def _another(record: bytes) -> bytes:
    """A record that a torn *record* may hold, its check bits too: more ones, none less."""
    word = CODE.encode(int.from_bytes(record, "little"))
    for data in range(1 << 20):
        other = int.from_bytes(record, "little") | data << 36
        if other.bit_count() > record_ones(record) + 5 and not word & ~CODE.encode(other):
            return other.to_bytes(UNIT, "little")
    raise AssertionError("no such record")


def record_ones(record: bytes) -> int:
    return int.from_bytes(record, "little").bit_count()


DONE = _another(BEGIN)


def by_match(flash: EmulatedFlash, address: int, wanted: bytes) -> bool:
    return flash.match(address, wanted) == len(wanted)


def by_read(flash: EmulatedFlash, address: int, wanted: bytes) -> bool:
    try:
        return flash.read(address, len(wanted)) == wanted
    except FlashError:
        return False


def by_read_turned(flash: EmulatedFlash, address: int, wanted: bytes) -> bool:
    try:
        return wanted == flash.read(address, len(wanted))
    except FlashError:
        return False


def by_one_of(flash: EmulatedFlash, address: int, wanted: bytes) -> bool:
    try:
        return flash.read(address, len(wanted)) in (MARK, wanted)
    except FlashError:
        return False


def by_start(flash: EmulatedFlash, address: int, wanted: bytes) -> bool:
    try:
        return flash.read(address, UNIT).startswith(wanted)
    except FlashError:
        return False


def by_slice(flash: EmulatedFlash, address: int, wanted: bytes) -> bool:
    try:
        data = flash.read(address, 2 * UNIT)
    except FlashError:
        return False
    return data[: len(wanted)] == wanted


def by_case(flash: EmulatedFlash, address: int, wanted: bytes) -> bool:
    try:
        match [flash.read(address, len(wanted)), wanted]:
            case [data, other] if data == other:
                return True
    except FlashError:
        pass
    return False


ASKS = [by_match, by_read, by_read_turned, by_one_of, by_start, by_slice, by_case]


def passes_for_done(ask: Ask) -> Boot:
    """BEGIN is written, and DONE never."""

    def boot(flash: EmulatedFlash) -> None:
        if ask(flash, BASE, DONE):
            raise Violation("safe", "done, though nobody said so")
        if not ask(flash, BASE, BEGIN):
            flash.erase(BASE)
            flash.program(BASE, BEGIN)

    return boot


def found(flash: EmulatedFlash, boot: Boot, verdict: Boot = nothing) -> dict[str, int]:
    """The same with all savings and without any; each finding replays."""
    report = explore(flash, boot, verdict, options=ALL)
    assert shortest(report) == shortest(explore(flash, boot, verdict, options=BRUTE))
    for violation in report.violations:
        film = replay(FunctionSubject(boot, verdict), flash, Nothing(), violation.path, ALL)
        assert film.violation == (violation.question, violation.text)
    return shortest(report)


@pytest.mark.parametrize("ecc", [False, True])
@pytest.mark.parametrize("ask", ASKS)
def test_a_torn_record_that_passes_for_another_is_found(ask: Ask, ecc: bool) -> None:
    assert found(EmulatedFlash(part(ecc=ecc)), passes_for_done(ask))["safe"] == 1


@pytest.mark.parametrize("ecc", [False, True])
def test_it_is_found_for_every_seed(ecc: bool) -> None:
    for seed in SEEDS:
        report = explore(
            EmulatedFlash(part(ecc=ecc), seed=seed), passes_for_done(by_match), options=ALL
        )
        assert shortest(report)["safe"] == 1


# --- lengths, short checksums, marks, counters


def read(flash: EmulatedFlash, address: int, size: int) -> bytes:
    try:
        return flash.read(address, size)
    except FlashError:
        return bytes(size)


LENGTH = bytes.fromhex("0300000000000000")


def trusts_a_length(flash: EmulatedFlash) -> None:
    """Three units are written; seven of them were never there."""
    if read(flash, BASE, UNIT)[0] == 7:
        raise Violation("safe", "seven units are taken")
    if by_read(flash, BASE, LENGTH):
        return
    flash.erase(BASE)
    flash.program(BASE, LENGTH)


def short_sum(data: bytes) -> int:
    return sum(data) * 7 + 1 & 0xFF


CHECKED = bytes.fromhex("01800000000000")
RECORD = CHECKED + bytes([short_sum(CHECKED)])


def trusts_a_short_checksum(flash: EmulatedFlash) -> None:
    """Whatever its one byte of checksum fits is a record."""
    data = read(flash, BASE, UNIT)
    if data[-1] == short_sum(data[:-1]) and data not in (bytes(UNIT), RECORD):
        raise Violation("safe", "a torn record fits its checksum")
    if data != RECORD:
        flash.erase(BASE)
        flash.program(BASE, RECORD)


def trusts_a_mark(flash: EmulatedFlash) -> None:
    """The mark is looked for first, and the payload behind it is not looked at at all."""
    if by_match(flash, BASE, BEGIN):
        if not by_match(flash, BASE + UNIT, MARK):
            raise Violation("safe", "a mark without its payload")
        return
    flash.erase(BASE)
    flash.program(BASE + UNIT, MARK)
    flash.program(BASE, BEGIN)


def asks_two_boots_later(flash: EmulatedFlash) -> None:
    """The boot after the cut reads the unit, and asks nothing; the one after that asks."""
    read(flash, BASE, UNIT)
    if by_match(flash, BASE + SECTOR, MARK):
        if by_match(flash, BASE, DONE):
            raise Violation("safe", "done, though nobody said so")
        return
    if quiet(flash, BASE) == ERASED:
        flash.program(BASE, BEGIN)
    if quiet(flash, BASE + SECTOR) != MARK:
        flash.erase(BASE + SECTOR)
        flash.program(BASE + SECTOR, MARK)


@pytest.mark.parametrize("ecc", [False, True])
@pytest.mark.parametrize(
    ("boot", "cuts"),
    [(trusts_a_length, 1), (trusts_a_mark, 2), (asks_two_boots_later, 2)],
)
def test_what_a_torn_unit_may_read_is_found(boot: Boot, cuts: int, ecc: bool) -> None:
    for seed in (0, 1, 2):
        report = explore(EmulatedFlash(part(ecc=ecc), seed=seed), boot, options=ERASED_TOO)
        assert shortest(report)["safe"] == cuts


def test_what_later_boots_ask_is_known_before_they_are_booted() -> None:
    """Probes have seen it: the search begins anew before much is done."""
    flash, subject = EmulatedFlash(part(ecc=False)), FunctionSubject(asks_two_boots_later)
    booted = list[Expansion]()
    begun = list[int]()  # how much was booted before
    Search(
        subject,
        flash,
        options=ALL,
        observer=booted.append,
        began=lambda _: begun.append(len(booted)),
    ).run()
    assert begun == [0, 1]  # behind the first state, none of whose cuts was booted yet


def test_a_short_checksum_that_a_torn_record_fits_is_found() -> None:
    """The checksum is made to fit what else was drawn: not where the checksum's own cells stay."""
    for seed in (0, 1, 2):
        device = EmulatedFlash(part(ecc=False), seed=seed)
        options = SearchOptions(limits=Limits(cuts=1, violations=None), draws=8)
        report = explore(device, trusts_a_short_checksum, options=options)
        assert shortest(report)["safe"] == 1


def counts_up(flash: EmulatedFlash) -> None:
    """A number is used otherwise than by comparing it: only draws are tried, and it is said."""
    number = int.from_bytes(read(flash, BASE, UNIT), "little")
    if number < 1 << 60:
        return
    flash.erase(BASE)
    flash.program(BASE, (1 << 59).to_bytes(UNIT, "little"))


def test_where_draws_decide_the_verdict_says_so() -> None:
    report = explore(
        EmulatedFlash(part(ecc=False)), counts_up, options=replace(ERASED_TOO, draws=3)
    )
    assert report.tried.startswith("3 draws per place and outcome, and every value compared with; ")
    assert "draws alone decide in" in report.tried and report.drawn
    compared = explore(EmulatedFlash(part(ecc=False)), passes_for_done(by_match), options=ALL)
    assert (
        compared.tried == "1 draw per place and outcome, and every value compared with in programs"
    )


# --- certificates


def world_of(
    subject: FunctionSubject, flash: EmulatedFlash
) -> Callable[[object], tuple[FunctionSubject, EmulatedFlash, Nothing]]:
    return lambda _: (subject, flash, Nothing())


def test_a_certificate_names_what_was_compared_and_holds_every_value(tmp_path: Path) -> None:
    file = tmp_path / "toy.cert.gz"
    for ecc, draws in ((False, 1), (True, 2)):
        flash, subject = EmulatedFlash(part(ecc=ecc)), FunctionSubject(passes_for_done(by_match))
        with file.open("wb") as out:
            writer = CertificateWriter(out, {})
            options = replace(ALL, draws=draws)
            search = Search(subject, flash, options=options, observer=writer, began=writer.begin)
            writer.finish(search.run())
        found = confirm(str(file), world_of(subject, flash))
        assert found.violations and found.draws == draws


@pytest.mark.parametrize("what", ["values", "compared", "draws"])
def test_a_certificate_that_lacks_some_is_refused(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a search would write it that forgot to try them."""
    file = tmp_path / "toy.cert.gz"
    flash, subject = EmulatedFlash(part(ecc=False)), FunctionSubject(asks_two_boots_later)
    with file.open("wb") as out, monkeypatch.context() as patched:
        writer = CertificateWriter(out, {})
        if what == "values":
            patched.setattr(contents.Cutting, "_turned", lambda *_: None)
            patched.setattr(contents.Unit, "may_read", lambda *_: False)
        report = Search(subject, flash, options=ALL, observer=writer, began=writer.begin).run()
        if what == "compared":
            report = replace(report, asked_late={})
        writer.finish(report)
    if what == "draws":
        edit(file, lambda lines: lines[0].update(draws=2))
    expected = {
        "values": "left as",
        "compared": "compare with to be listed",
        "draws": "what a cut leaves to be listed",
    }
    with pytest.raises(NotConfirmed, match=expected[what]):
        confirm(str(file), lambda _: (subject, flash, Nothing()))


def edit(file: Path, change: Callable[[list[dict[str, Any]]], object]) -> None:
    """With the chain made anew."""
    lines = [json.loads(line) for line in gzip.decompress(file.read_bytes()).splitlines()]
    change(lines)
    chain, packed = "0" * 64, []
    for line in lines:
        line["chain"] = chain
        packed.append(json.dumps(line, separators=(",", ":")).encode())
        chain = sha256(packed[-1]).hexdigest()
    file.write_bytes(gzip.compress(b"".join(each + b"\n" for each in packed), mtime=0))
