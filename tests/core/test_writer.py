"""Extents to sectors, against a plain model, on geometries that no part has."""

from __future__ import annotations

import hashlib
import struct
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcu_updater.core.errors import ImageRejected, VerificationFailed
from mcu_updater.core.image import Extent
from mcu_updater.core.slot import Window
from mcu_updater.core.writer import TRIES, SectorWriter, runs
from tests.worlds import TinyFlash

BASE = 0x1000
OLD = b"\x5a"  # what TinyFlash holds before
SIZES = [(64, 64, 64), (32, 96, 128), (256,), (128, 32, 32, 32), (32,) * 8]
VECTORS = struct.pack("<II", 0x2000_8000, BASE + 9)

geometries = st.tuples(st.sampled_from(SIZES), st.sampled_from([2, 4, 8, 16, 32]))


def flash(sizes: tuple[int, ...] = (64, 64, 64), unit: int = 8, **kw) -> TinyFlash:
    return TinyFlash(sizes, unit, BASE, **kw)


def window(device: TinyFlash) -> Window:
    return Window(device, BASE, device.sector_sizes)


def write(
    device: TinyFlash, extents: list[Extent], done: int = 0
) -> tuple[SectorWriter, list[int]]:
    """The writer after all of *extents*, and the sectors in the order that it named them."""
    writer = SectorWriter(window(device), hashlib.sha256(), done=done)
    named = [sector for extent in extents for sector in writer.put(extent)]
    named += writer.finish()
    return writer, named


@st.composite
def extents(draw: st.DrawFn, size: int) -> list[Extent]:
    """Ascending, with gaps; they begin with a vector table, which may come in two parts."""
    made: list[Extent] = []
    offset = 0
    head = draw(st.integers(1, 8))
    for gap, data in [
        (0, VECTORS[:head]),
        (0, VECTORS[head:] + draw(st.binary(max_size=20))),
        *draw(
            st.lists(
                st.tuples(
                    st.sampled_from([0, 0, 1, 5, 8, 31, 64, 100]),
                    st.binary(min_size=1, max_size=90)
                    | st.integers(1, 90).map(lambda n: b"\xff" * n),
                ),
                max_size=6,
            )
        ),
    ]:
        offset += gap
        data = data[: max(0, size - offset)]
        if data:
            made.append(Extent(BASE + offset, data, len(made) + 1))
            offset += len(data)
    return made


def model(extents: list[Extent]) -> bytes:
    """The image: every byte up to the last one, 0xFF where nothing was said."""
    end = max(extent.address - BASE + len(extent.data) for extent in extents)
    image = bytearray(b"\xff" * end)
    for address, data, *_ in extents:
        image[address - BASE : address - BASE + len(data)] = data
    return bytes(image)


@given(geometry=geometries, data=st.data())
def test_flash_holds_the_image_and_nothing_behind_it_is_touched(
    geometry: tuple[tuple[int, ...], int], data: st.DataObject
) -> None:
    sizes, unit = geometry
    given_extents = data.draw(extents(sum(sizes)))
    image = model(given_extents)
    device = flash(sizes, unit)
    writer, named = write(device, given_extents)
    starts = [*accumulate(sizes, initial=0)]
    last = next(i for i in range(len(sizes)) if starts[i + 1] >= len(image))
    end = starts[last + 1]
    assert device.read(BASE, end) == image.ljust(end, b"\xff")
    assert device.read(BASE + end, starts[-1] - end) == OLD * (starts[-1] - end)
    assert named == list(range(last + 1))
    assert writer.cursor == len(image)
    assert writer._digest.digest() == hashlib.sha256(image).digest()
    assert [at for what, at in device.log if what == "erase"] == [
        BASE + s for s in starts[: last + 1]
    ]


@given(geometry=geometries, data=st.data())
def test_units_that_hold_nothing_are_not_programmed_and_others_once(
    geometry: tuple[tuple[int, ...], int], data: st.DataObject
) -> None:
    sizes, unit = geometry
    given_extents = data.draw(extents(sum(sizes)))
    image = model(given_extents)
    device = flash(sizes, unit)
    writer, _ = write(device, given_extents)
    programmed = [at - BASE for what, at in device.log if what == "program"]
    expected = [
        at for at in range(0, len(image), unit) if image[at : at + unit].strip(b"\xff") != b""
    ]
    assert programmed == expected
    assert writer.units_programmed == len(expected)
    assert writer.cursor == len(image)


@given(geometry=geometries, data=st.data())
def test_how_the_image_is_cut_up_does_not_matter(
    geometry: tuple[tuple[int, ...], int], data: st.DataObject
) -> None:
    sizes, unit = geometry
    whole = data.draw(extents(sum(sizes)))
    single = [
        Extent(extent.address + i, extent.data[i : i + 1], 0)
        for extent in whole
        for i in range(len(extent.data))
    ]
    one, other = flash(sizes, unit), flash(sizes, unit)
    assert write(one, whole)[1] == write(other, single)[1]
    assert (one.data, one.log) == (other.data, other.log)


@given(geometry=geometries, data=st.data())
def test_a_writer_that_resumes_goes_on_as_if_nothing_had_been(
    geometry: tuple[tuple[int, ...], int], data: st.DataObject
) -> None:
    sizes, unit = geometry
    given_extents = data.draw(extents(sum(sizes)))
    split = data.draw(st.integers(0, len(given_extents)))
    one, other = flash(sizes, unit), flash(sizes, unit)
    _, named = write(one, given_extents)
    digest = hashlib.sha256()
    first = SectorWriter(window(other), digest)
    before = [s for extent in given_extents[:split] for s in first.put(extent)]
    second = SectorWriter(window(other), digest, done=len(before))
    second.resume(*first.state())
    assert second.cursor == first.cursor
    after = [s for extent in given_extents[split:] for s in second.put(extent)]
    after += second.finish()
    assert before + after == named
    assert (one.data, one.log) == (other.data, other.log)
    assert digest.digest() == hashlib.sha256(model(given_extents)).digest()


@given(geometry=geometries, done=st.integers(0, 8), data=st.data())
def test_sectors_that_are_done_are_left_alone_and_yet_belong_to_the_digest(
    geometry: tuple[tuple[int, ...], int], done: int, data: st.DataObject
) -> None:
    sizes, unit = geometry
    given_extents = data.draw(extents(sum(sizes)))
    done = min(done, len(sizes))
    device = flash(sizes, unit)
    writer, named = write(device, given_extents, done)
    border = sum(sizes[:done])
    assert device.read(BASE, border) == OLD * border
    assert all(at >= BASE + border for _, at in device.log)
    whole = write(flash(sizes, unit), given_extents)[1]
    assert named == [sector for sector in whole if sector >= done]
    assert writer._digest.digest() == hashlib.sha256(model(given_extents)).digest()


def test_a_gap_over_whole_sectors_is_erased() -> None:
    device = flash()
    _, named = write(device, [Extent(BASE, VECTORS, 1), Extent(BASE + 130, b"end", 2)])
    assert named == [0, 1, 2]
    assert device.read(BASE + 8, 122) == b"\xff" * 122
    assert [what for what, _ in device.log].count("program") == 2


def test_a_sector_is_named_once_it_is_verified_and_no_sooner() -> None:
    device = flash()
    writer = SectorWriter(window(device), hashlib.sha256())
    seen = []
    for sector in writer.put(Extent(BASE, VECTORS + bytes(range(150)), 1)):
        seen.append(sector)
        start = BASE + 64 * sector
        assert device.read(start, 64) == (VECTORS + bytes(range(150)))[64 * sector :][:64]
        assert device.read(start + 64, 64) == OLD * 64
    assert seen == [0, 1]
    assert writer.state() == (2, bytes(range(120, 150)))


@pytest.mark.parametrize("step", [4, 8, 16, 32])
def test_a_sector_is_named_by_the_extent_that_fills_it(step: int) -> None:
    writer = SectorWriter(window(flash()), hashlib.sha256())
    data = VECTORS + bytes(120)
    named = [
        (offset + step, sector)
        for offset in range(0, len(data), step)
        for sector in writer.put(Extent(BASE + offset, data[offset : offset + step], 0))
    ]
    assert named == [(64, 0), (128, 1)]


def test_an_image_that_fills_the_slot_is_complete_without_a_last_sector() -> None:
    device = flash()
    data = VECTORS + bytes(184)
    writer = SectorWriter(window(device), hashlib.sha256())
    assert list(writer.put(Extent(BASE, data, 0))) == [0, 1, 2]
    assert writer.cursor == 192
    assert list(writer.finish()) == []
    assert writer.cursor == 192
    assert device.read(BASE, 192) == data
    with pytest.raises(ImageRejected, match="outside the slot"):
        list(writer.put(Extent(BASE + 192, b"x", 9)))


# --- what is refused

HEAD = Extent(BASE, VECTORS + bytes(56), 1)


@pytest.mark.parametrize(
    ("address", "size"),
    [(BASE - 1, 1), (BASE - 8, 100), (BASE + 191, 2), (BASE + 192, 1), (0, 4), (0xFFFF_FFF0, 16)],
)
def test_data_outside_the_slot_are_refused_with_line_and_addresses(address: int, size: int) -> None:
    device = flash()
    writer = SectorWriter(window(device), hashlib.sha256())
    with pytest.raises(ImageRejected, match="outside the slot") as caught:
        list(writer.put(Extent(address, bytes(size), 17)))
    assert caught.value.where == "line 17"
    assert caught.value.expected == "0x0000_1000 to 0x0000_10BF"
    end = address + size - 1
    assert (
        f"0x{address >> 16:04X}_{address & 0xFFFF:04X} to 0x{end >> 16:04X}" in caught.value.found
    )
    assert device.log == []


@pytest.mark.parametrize("address", [BASE, BASE + 1, BASE + 63, BASE + 79])
def test_data_that_overlap_or_descend_are_refused_with_line_and_address(address: int) -> None:
    writer = SectorWriter(window(flash()), hashlib.sha256())
    list(writer.put(HEAD))
    list(writer.put(Extent(BASE + 72, bytes(8), 2)))
    with pytest.raises(ImageRejected, match="overlap, or do not ascend") as caught:
        list(writer.put(Extent(address, b"x", 3)))
    assert caught.value.where == "line 3"
    assert caught.value.expected.startswith("an address from 0x0000_1050")
    assert caught.value.found == f"0x0000_{address:04X}"


def test_formats_without_lines_name_the_offset() -> None:
    writer = SectorWriter(window(flash()), hashlib.sha256())
    list(writer.put(HEAD))
    with pytest.raises(ImageRejected) as caught:
        list(writer.put(Extent(BASE, b"x", 0)))
    assert caught.value.where == "image offset 64"


def test_what_is_linked_for_another_slot_is_refused_before_anything_is_erased() -> None:
    device = flash()
    writer = SectorWriter(window(device), hashlib.sha256())
    foreign = struct.pack("<II", 0x2000_8000, 0x0801_0009)
    with pytest.raises(ImageRejected, match="linked for another address"):
        list(writer.put(Extent(BASE, foreign + bytes(100), 1)))
    assert device.log == []


def test_an_image_that_is_written_to_the_other_bank_is_linked_for_this_one() -> None:
    device = flash()
    other = Window(device, BASE, device.sector_sizes, link_address=0x0800_8000)
    writer = SectorWriter(other, hashlib.sha256())
    data = struct.pack("<II", 0x2000_8000, 0x0800_8009) + bytes(8)
    list(writer.put(Extent(0x0800_8000, data, 1)))
    assert list(writer.finish()) == [0]
    assert device.read(BASE, 16) == data
    with pytest.raises(ImageRejected, match="outside"):
        list(writer.put(Extent(BASE + 32, b"x", 2)))


@pytest.mark.parametrize("size", [0, 1, 7])
def test_an_image_without_a_vector_table_is_refused(size: int) -> None:
    device = flash()
    writer = SectorWriter(window(device), hashlib.sha256())
    list(writer.put(Extent(BASE, VECTORS[:size], 1)))
    with pytest.raises(ImageRejected, match="without a vector table"):
        list(writer.finish())
    assert device.log == []


def test_an_image_that_begins_behind_the_slots_start_has_no_vector_table() -> None:
    device = flash()
    writer = SectorWriter(window(device), hashlib.sha256())
    with pytest.raises(ImageRejected):
        list(writer.put(Extent(BASE + 64, VECTORS, 1)))
    assert device.log == []


# --- flash that does not do what it is told


@pytest.mark.parametrize("unit", [0x1000, 0x1038])
def test_a_sector_that_loses_a_bit_is_written_again(unit: int) -> None:
    device = flash(faults={unit: 1})
    writer, named = write(device, [Extent(BASE, VECTORS + bytes(100), 1)])
    assert named == [0, 1]
    assert device.read(BASE, 108) == VECTORS + bytes(100)
    assert [at for what, at in device.log if what == "erase"] == [BASE, BASE, BASE + 64]
    assert writer.units_programmed == 8 + 8 + 6


@pytest.mark.parametrize("kind", ["loses a bit", "refuses"])
def test_a_sector_that_does_not_verify_twice_is_given_up_with_its_address(kind: str) -> None:
    at = BASE + 64
    device = flash(faults={at: TRIES}) if kind == "loses a bit" else flash(refused={at})
    writer = SectorWriter(window(device), hashlib.sha256())
    named: list[int] = []
    with pytest.raises(VerificationFailed, match="0x0000_1040") as caught:
        named.extend(writer.put(Extent(BASE, VECTORS + bytes(180), 1)))
    assert named == [0]
    assert f"{TRIES} times" in caught.value.found
    assert [address for what, address in device.log if what == "erase"] == [BASE, at, at]
    assert device.read(BASE + 128, 64) == OLD * 64


def test_an_erase_that_the_device_refuses_is_a_sector_that_does_not_verify() -> None:
    device = flash()

    def refuse(address: int) -> None:
        raise OSError("write protected")

    device.erase = refuse  # type: ignore[method-assign]
    with pytest.raises(VerificationFailed):
        write(device, [HEAD])
    assert device.data == OLD * 192


def test_an_erase_that_does_nothing_is_found_out() -> None:
    device = flash()
    device.erase = lambda address: None  # type: ignore[method-assign]  # ACKed, as by a boot ROM
    with pytest.raises(VerificationFailed):
        write(device, [HEAD])


def test_blank_units_are_verified_too() -> None:
    device = flash()
    erase = device.erase

    def erase_badly(address: int) -> None:
        erase(address)
        device.data[40] = 0x7F

    device.erase = erase_badly  # type: ignore[method-assign]
    with pytest.raises(VerificationFailed):
        write(device, [Extent(BASE, VECTORS, 1), Extent(BASE + 56, bytes(8), 2)])


def test_a_unit_that_cannot_be_read_is_a_sector_that_does_not_verify() -> None:
    device = flash()

    def refuse(address: int, size: int) -> bytes:
        raise OSError("double ECC error")

    device.read = refuse  # type: ignore[method-assign]
    with pytest.raises(VerificationFailed):
        write(device, [HEAD])


# --- runs


@given(
    units=st.lists(st.sampled_from([b"\xff" * 4, b"\xff\xff\xff\x00", b"abcd"]), max_size=12),
    unit=st.sampled_from([2, 4]),
)
def test_runs_are_the_stretches_without_a_blank_unit(units: list[bytes], unit: int) -> None:
    data = b"".join(units)
    found = list(runs(data, unit)) if data else []
    rebuilt, end = bytearray(b"\xff" * len(data)), -1
    for offset, run in found:
        assert run
        assert offset % unit == len(run) % unit == 0
        assert offset > end  # two that touch are one
        for at in range(0, len(run), unit):
            assert run[at : at + unit] != b"\xff" * unit
        rebuilt[offset : offset + len(run)] = run
        end = offset + len(run)
    assert bytes(rebuilt) == data


def test_runs_look_at_units_and_not_at_any_stretch_of_ff() -> None:
    data = b"\x00\xff\xff\xff" + b"\xff\x00\x00\x00"
    assert list(runs(data, 4)) == [(0, data)]
    assert list(runs(b"\xff" * 8, 4)) == []
    assert list(runs(b"abcd" * 3, 4)) == [(0, b"abcd" * 3)]


@given(
    geometry=geometries,
    lines=st.integers(2, 20),
    width=st.integers(1, 40),
    before=st.integers(-40, 400),
    held=st.integers(0, 40),
)
def test_lines_that_come_together_are_written_and_refused_as_one_by_one(
    geometry: tuple[tuple[int, ...], int], lines: int, width: int, before: int, held: int
) -> None:
    """The same sectors, erased and programmed in the same order, and the same complaint."""
    sizes, unit = geometry
    data = (VECTORS + bytes(range(256)) * 4)[: lines * width]
    first = [Extent(BASE, VECTORS + bytes(held), 1)]
    together = Extent(BASE + before, data, 2, lines)

    def tried(extents: list[Extent]) -> tuple[list[int], str, object, bytes]:
        device, complaint = flash(sizes, unit), ""
        named: list[int] = []
        writer = SectorWriter(window(device), hashlib.sha256())
        try:
            for extent in first + extents:
                named += writer.put(extent)
        except ImageRejected as error:
            complaint = str(error)
        return named, complaint, device.log, writer.state()[1]

    assert tried([together]) == tried(list(together.each_line()))
