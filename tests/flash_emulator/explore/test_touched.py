"""What a film says of the flash that a cut has touched, against what the device reads."""

from __future__ import annotations

import pytest

from flash_emulator import EmulatedFlash, load_part
from flash_emulator.device.sensing import MetastableMode
from flash_emulator.errors import UnreadableUnit
from flash_emulator.explore import Cut, Path, SearchOptions, replay
from flash_emulator.explore.read_choice import ReadChoice, powered
from flash_emulator.explore.render.moment import moment_lines, touched_lines
from flash_emulator.explore.touched import _doubtful, readings
from flash_emulator.moment import Moment, Reading, Touched
from flash_emulator.power import CutAt, Outcome, PowerLoss
from flash_emulator.subject import FunctionSubject, Nothing

OLD, NEW = b"\x11\x22\x33\x44" * 16, b"\xa5\x00\xff\x5a" * 16
PARTS = ["STM32L476xG", "STM32F407xG", "STM32H743xI", "STM32F103xB"]


def read(flash: EmulatedFlash, address: int, size: int) -> Reading:
    """As the device itself answers."""
    corrected = flash.read_and_verdict
    try:
        data, is_corrected = corrected(address, size)
    except UnreadableUnit as error:
        kind = "bus fault" if "DBECC" in str(error) else "NMI"
        return Reading(error=f"double ECC error: {kind}")
    return Reading(data, is_corrected=is_corrected)


def cut_program(part_name: str, outcome: Outcome, seed: int) -> tuple[EmulatedFlash, int, int]:
    """A program that was cut; the device, faded as searches have it; address and size of it."""
    part = load_part(part_name)
    flash = EmulatedFlash(part, supply=CutAt(1, outcome), seed=seed)
    flash.power_on()
    with pytest.raises(PowerLoss):
        flash.program(part.base, NEW[: part.program_unit])
    flash.cells.fade()
    return flash, part.base, part.program_unit


def plain(reading: Reading) -> tuple[bytes, str, bool]:
    return reading.data, reading.error, reading.is_corrected


@pytest.mark.parametrize("outcome", list(Outcome))
@pytest.mark.parametrize("part", PARTS)
def test_a_unit_reads_as_the_film_says_now_and_then(part: str, outcome: Outcome) -> None:
    for seed in range(3):
        flash, address, size = cut_program(part, outcome, seed)
        for choice in (
            ReadChoice(),
            ReadChoice(MetastableMode.FLIPPED),
            ReadChoice(flips=frozenset({0})),
        ):
            said = readings(flash, 0, choice)
            now = read(powered(flash.fork(), choice), address, size)
            assert [plain(each) for each in said if each.is_next] == [plain(now)]
            assert said[0].is_next
        every = {plain(each) for each in said}
        device = powered(flash.fork(), ReadChoice(MetastableMode.DRAWN))
        drawn = {plain(read(device, address, size)) for _ in range(40)}
        if said[0].ways:  # all combinations were gone through
            assert drawn <= every
            assert sum(each.ways for each in said) & (sum(each.ways for each in said) - 1) == 0
        assert len(every) == len(said)


@pytest.mark.parametrize("part", PARTS)
def test_what_will_be_doubtful_only_later_is_told_at_once(part: str) -> None:
    """Of a weak unit, some bits turn at the second power-on and some at the third."""
    third = 0
    for seed in range(8):
        faded, _, _ = cut_program(part, Outcome.WEAK, seed)
        fresh = EmulatedFlash(load_part(part), supply=CutAt(1, Outcome.WEAK), seed=seed)
        fresh.power_on()
        with pytest.raises(PowerLoss):
            fresh.program(fresh.part.base, NEW[: fresh.part.program_unit])
        early, late = fresh.cells.raw(0), faded.cells.raw(0)
        assert early is not None and late is not None
        third |= early.fading[2]
        assert _doubtful(fresh, 0) == _doubtful(faded, 0) == late.metastable
    assert third


def boot(flash: EmulatedFlash) -> str:
    part = flash.part
    first, second = part.base, part.base + part.sector_sizes[0]
    flash.erase(first)
    flash.program(first, NEW)
    flash.program(second, OLD)
    return "done"


def film_of(part_name: str, *cuts: Cut) -> list[Moment]:
    """Moments of cuts and of the end, on flash that holds OLD in its first two sectors."""
    part = load_part(part_name)
    flash = EmulatedFlash(part)
    flash.preload(part.base, OLD)
    film = replay(FunctionSubject(boot), flash, Nothing(), Path(cuts), SearchOptions())
    return [each.moment for each in film.frames if each.moment is not None]


@pytest.mark.parametrize("part", PARTS)
def test_what_a_unit_held_before_and_after(part: str) -> None:
    unit = load_part(part).program_unit
    (before, *_) = film_of(part, Cut(2, Outcome.BEFORE))
    (after, *_) = film_of(part, Cut(3, Outcome.AFTER))
    for moment, index, expected in ((before, 0, "erased"), (after, 1, "")):
        (found,) = moment.touched
        data = NEW[index * unit : (index + 1) * unit]
        assert (found.kind, found.size, found.written) == ("program", unit, data)
        assert found.address == load_part(part).base + index * unit
        assert found.before == "erased"
        more = f" and {unit - 16} more bytes" if unit > 16 else ""
        assert found.after == (expected or data[:16].hex(" ") + more)
        assert found.doubtful == 0
    assert after.last[0].startswith("1: erase")


@pytest.mark.parametrize("part", PARTS)
def test_what_a_sector_held_before_and_after(part: str) -> None:
    unit = load_part(part).program_unit
    size = load_part(part).sector_sizes[0]
    (moment, end) = film_of(part, Cut(1, Outcome.TORN))
    (found,) = moment.touched
    total, held = size // unit, len(OLD) // unit
    assert found.before == (
        f"{total:,} units of {unit} bytes: {total - held:,} erased, {held:,} programmed"
    )
    spoilt = sum(each.count for each in found.units)
    whole = total - spoilt  # without an ECC, cells that have not moved hold what they held
    some = ", all spoilt by a cut" if not whole else f": {whole} programmed, {spoilt:,} spoilt"
    assert found.after.startswith(f"{total:,} units of {unit} bytes{some}")
    assert 0 <= whole <= held
    assert [each.kind for each in end.touched] == ["erase"]
    assert end.touched[0].before == found.after  # what the cut had left
    assert "programmed" in end.touched[0].after  # the second boot has erased it, and programmed


def test_a_cut_between_operations_and_at_rest_touches_nothing() -> None:
    (rest, cut, end) = film_of("STM32L476xG", Cut())
    assert [each.touched for each in (rest, cut, end)] == [(), (), ()]
    assert cut.last[-1].endswith("program 0x0800_0800, 64 bytes")


def test_options_that_were_cut_are_told() -> None:
    def swap(flash: EmulatedFlash) -> str:
        flash.program_options(BFB2=1)
        return "done"

    part = load_part("STM32L476xG")
    path = Path((Cut(1, Outcome.TORN),))
    film = replay(FunctionSubject(swap), EmulatedFlash(part), Nothing(), path)
    (found,) = next(each.moment for each in film.frames if each.kind == "cut").touched  # type: ignore[union-attr]
    assert found.kind == "options"
    assert found.before == "BFB2=0"
    assert found.after.startswith("BFB2=0; they fail their check")


def test_lines_say_what_is_now_and_what_is_then() -> None:
    every = (
        Reading(b"\xff\xff", ways=6, is_next=True),
        Reading(error="double ECC error: NMI", ways=2),
    )
    found = Touched("program", 0x0800_8000, 2, b"\x12\x34", "erased", "ff ff; 3 bits", every)
    assert list(touched_lines(found, is_end=False)) == [
        "flash: 0x0800_8000, a unit of 2 bytes",
        "  before: erased; 12 34 to be programmed",
        "  after:  ff ff; 3 bits",
        "  reads ff ff (in 6 of 8 ways, so in the boot that follows)",
        "  reads double ECC error: NMI (in 2 of 8 ways)",
    ]
    lines = list(moment_lines(Moment(touched=(found,)), 40, is_end=True))
    assert max(map(len, lines)) <= 40
    assert "so in this boot" in " ".join(line.strip() for line in lines)


def test_a_film_without_moments_is_the_same_film() -> None:
    part, path = load_part("STM32L476xG"), Path((Cut(2, Outcome.TORN),))
    films = [
        replay(FunctionSubject(boot), EmulatedFlash(part), Nothing(), path, has_moments=has)
        for has in (True, False)
    ]
    texts = [[(f.kind, f.text, f.sectors) for f in film.frames] for film in films]
    assert texts[0] == texts[1]
    assert all(frame.moment is None for frame in films[1].frames)
