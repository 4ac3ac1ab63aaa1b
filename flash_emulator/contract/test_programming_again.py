"""What becomes of a program over a unit that is not erased.

Cells go from 1 to 0 in a program and never back. So there are three honest answers: the device
refuses (OSError, nothing changed), the unit holds old AND new, or it holds an AND whose ECC does
not fit and which cannot be read (OSError) until the sector is erased.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from flash_emulator.contract.bench import check, ending, fill, hexed, reads_or_oserror, said
from flash_emulator.contract.layout import ERASED, Expected, Layout
from flash_emulator.contract.shape import Flash
from flash_emulator.parts.part_model import Overwrite

REFUSED, CLEARED, UNREADABLE = "refused", "old AND new", "unreadable"
MISCORRECTED = "old AND new but for one bit"


def answer(device: Flash, address: int, old: bytes, new: bytes) -> str:
    """Program *new* over *old*; which of the answers came. Fails for any other."""
    anded = bytes(a & b for a, b in zip(old, new, strict=True))
    error = ending(lambda: device.program(address, new))
    if error is not None and not isinstance(error, OSError):
        pytest.fail(f"program over a programmed unit: expected OSError, found {said(error)}")
    found = reads_or_oserror(device, address, len(old))
    if error is not None:
        if found == old:
            return REFUSED
        pytest.fail(f"refused ({said(error)}), and yet {text(old)} became {text(found)}")
    if found is None:
        return UNREADABLE
    if found == anded:
        return CLEARED
    difference = int.from_bytes(found, "little") ^ int.from_bytes(anded, "little")
    if difference.bit_count() == 1 and rule_of(device) is Overwrite.EXECUTES:
        return MISCORRECTED
    what = {old: "it was dropped without an error", new: "bits went from 0 to 1"}
    pytest.fail(
        f"{text(new)} over {text(old)} at {hexed(address)}: expected OSError or {text(anded)}, "
        f"found {text(found)}: {what.get(found, 'neither old nor new nor old AND new')}"
    )


def text(data: bytes | None) -> str:
    return "an unreadable unit" if data is None else data.hex()


def rule_of(device: Flash) -> Overwrite | None:
    """The rule that the device says is its family's; None for one that does not say."""
    name = getattr(device.geometry, "overwrite", None)
    return None if name is None else Overwrite(name)


def allowed(rule: Overwrite | None, old: bytes, new: bytes) -> set[str]:
    """The answers that *rule* has for *new* over a unit that was programmed with *old*."""
    match rule:
        case None:
            return {REFUSED, CLEARED, UNREADABLE}
        case Overwrite.CLEAR_BITS:
            return {CLEARED}
        case Overwrite.EXECUTES:
            return {CLEARED, UNREADABLE, MISCORRECTED}
        case Overwrite.ONLY_ZERO_HALFWORD if old == ERASED * len(old):
            return {CLEARED}  # the controller looks at the cells, and they are erased
        case Overwrite.ONLY_ALL_ZERO | Overwrite.ONLY_ZERO_HALFWORD:
            return {REFUSED} if any(new) else {CLEARED}
        case Overwrite.FORBIDDEN:
            return {REFUSED}


@pytest.mark.parametrize("what", ["other data", "the same data", "zeros", "ones"])
def test_programming_again_is_refused_or_clears_bits(
    device: Flash,
    expected: Expected,
    layout: Layout,
    what: str,
    say: Callable[[str], None],
) -> None:
    """A unit that is programmed again without an erase is refused with OSError and keeps its data,
    or holds old AND new, or cannot be read any more: as the family's rule says where the device
    names one. It is never anything else, no bit goes from 0 to 1, and no program is dropped in
    silence. The neighbours keep what they have."""
    units = list(layout.run(16))
    fill(device, expected, units)
    rule, answers = rule_of(device), set()
    for address in units[1:-1:2]:
        old = expected.get(range(address, address + layout.unit))
        new = {
            "other data": layout.data(address, salt=1),
            "the same data": old,
            "zeros": bytes(layout.unit),
            "ones": b"\xff" * layout.unit,
        }[what]
        came = answer(device, address, old, new)
        assert came in allowed(rule, old, new), f"rule {rule}, {what} over data: {came}"
        answers.add(came)
        if came is CLEARED:
            expected.put(address, bytes(a & b for a, b in zip(old, new, strict=True)))
        for span in (range(address - layout.unit, address), *_after(address, layout, units)):
            assert device.read(span.start, len(span)) == expected.get(span), hexed(span.start)
        if came in (UNREADABLE, MISCORRECTED):
            _heal(device, expected, layout, address)
    check(device, expected)
    say(f"{what} over data: {', '.join(sorted(answers))}")


def _after(address: int, layout: Layout, units: list[int]) -> list[range]:
    after = address + layout.unit
    return [range(after, after + layout.unit)] if after in units else []


def _heal(device: Flash, expected: Expected, layout: Layout, address: int) -> None:
    """Erase the sector of a spoilt unit and write the others of it once more."""
    sector = next(sector for sector in layout.sectors if address in sector.span)
    held = {
        unit: expected.get(range(unit, unit + layout.unit))
        for unit in layout.run(16)
        if unit in sector.span
    }
    device.erase(sector.address)
    for unit, data in held.items():
        device.program(unit, data)


def test_the_units_before_a_refused_one_are_done(
    device: Flash, expected: Expected, layout: Layout
) -> None:
    """When one unit of a bulk program is refused, those before it are programmed and those behind
    it untouched and still erased. Where it is not refused, all of them are programmed."""
    units = list(layout.run())
    if len(units) < 3:
        pytest.skip("two sectors have fewer than three units")
    taken = units[len(units) // 2]
    fill(device, expected, [taken], salt=1)
    new = layout.data(units[0], len(units))
    error = ending(lambda: device.program(units[0], new))
    if error is not None and not isinstance(error, OSError):
        pytest.fail(f"expected OSError, found {said(error)}")
    span = range(taken, taken + layout.unit)
    for address in units:
        if address < taken or (error is None and address > taken):
            expected.put(address, layout.data(address))
    check(device, expected, without=span)
    if error is not None:
        check(device, expected)
        fill(device, expected, [address for address in units if address > taken])
        check(device, expected)


def test_an_erase_heals_a_unit_that_was_programmed_again(
    device: Flash, expected: Expected, layout: Layout
) -> None:
    """Whatever a second program came to, after an erase the unit takes that program."""
    sector = layout.small
    address = layout.ends(sector)[0]
    fill(device, expected, [address])
    ending(lambda: device.program(address, layout.data(address, salt=1)))
    device.erase(sector.address)
    expected.erase(sector)
    fill(device, expected, [address], salt=1)
    check(device, expected)


def test_a_unit_that_took_ff_is_programmed_or_refused(
    device: Flash, expected: Expected, layout: Layout, say: Callable[[str], None]
) -> None:
    """A unit into which 0xFF was programmed takes a program, or refuses it with OSError and still
    reads 0xFF, or cannot be read any more: with ECC the check bits are consumed."""
    address = layout.ends(layout.small)[0]
    erased = ERASED * layout.unit
    device.program(address, erased)
    came = answer(device, address, erased, layout.data(address))
    assert came in allowed(rule_of(device), erased, layout.data(address)), came
    say(f"other data over 0xFF: {came}")
    if came is CLEARED:
        expected.put(address, layout.data(address))
    check(device, expected, without=range(address, address + layout.unit))
    device.erase(layout.small.address)
    expected.erase(layout.small)
    fill(device, expected, [address])
    check(device, expected)
