"""Files on the host: assembly of segments, ELF, conversion between all formats, differences."""

from __future__ import annotations

import io
import struct
import subprocess
import time
from pathlib import Path

import intelhex
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcu_updater.core.errors import ImageRejected, PortError, UsageError
from mcu_updater.core.image import Allow, Extent, ImageFormat
from mcu_updater.files import MemoryImage, Segment, read_image
from mcu_updater.files.elf import read_elf
from mcu_updater.files.facts import difference, identities, vectors
from mcu_updater.files.segments import assemble
from mcu_updater.files.writing import WRITABLE, write_image
from tests.core.image.decoding import layouts
from tests.core.image.oracles import ORACLES, oracle
from tests.files.elves import elf
from tests.places import ROOT

SUFFIX = {
    ImageFormat.BIN: ".bin",
    ImageFormat.HEX: ".hex",
    ImageFormat.SREC: ".s37",
    ImageFormat.TI_TXT: ".titxt",
}
few = settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
near = layouts(1 << 20)


def image_of(segments: dict[int, bytes], entry: int | None = None) -> MemoryImage:
    return MemoryImage(tuple(Segment(a, d) for a, d in sorted(segments.items())), entry)


@pytest.mark.parametrize("fmt", [f for f in WRITABLE if f is not ImageFormat.BIN])
@given(segments=near, entry=st.none() | st.integers(1, (1 << 32) - 1))
@few
def test_what_is_written_is_read_back(
    tmp_path: Path, fmt: ImageFormat, segments: dict[int, bytes], entry: int | None
) -> None:
    path = tmp_path / f"image{SUFFIX[fmt]}"
    path.write_bytes(write_image(image_of(segments, entry), fmt))
    found = read_image([path])
    assert found.format is fmt
    assert {s.address: s.data for s in found.image.segments} == segments
    if fmt is ImageFormat.HEX:
        assert found.image.entry == entry
    for name in ("bincopy", "intelhex") if fmt is ImageFormat.HEX else ("bincopy",):
        read, _ = ORACLES[name]
        assert read(path) == segments


@pytest.mark.parametrize("reader", ["srec_cat", "objcopy"])
@pytest.mark.parametrize("fmt", [ImageFormat.HEX, ImageFormat.SREC])
def test_other_programs_read_what_is_written(tmp_path: Path, reader: str, fmt: ImageFormat) -> None:
    read = oracle(reader)
    segments = {0x0800_8000: bytes(range(256)) * 300, 0x0801_FFFF: b"across", 0x0900_0000: b"x"}
    path = tmp_path / f"image{SUFFIX[fmt]}"
    path.write_bytes(write_image(image_of(segments, 0x0800_8001), fmt))
    assert read(path) == segments


@given(segments=near, data=st.data())
@few
def test_records_in_any_order_give_the_same_image(
    segments: dict[int, bytes], data: st.DataObject
) -> None:
    extents = [
        Extent(address + i, part[i : i + 7], 1)
        for address, part in segments.items()
        for i in range(0, len(part), 7)
    ]
    shuffled = data.draw(st.permutations(extents))
    assert assemble(shuffled) == assemble(extents) == image_of(segments)


@given(segments=near)
@few
def test_files_of_other_libraries_give_what_they_hold(
    tmp_path: Path, segments: dict[int, bytes]
) -> None:
    file = intelhex.IntelHex()
    for address, part in segments.items():
        file.puts(address, part)
    out = io.StringIO()
    file.write_hex_file(out)
    path = tmp_path / "image.hex"
    path.write_text(out.getvalue())
    found = read_image([path]).image
    assert {s.address: s.data for s in found.segments} == segments
    assert found.flat() == bytes(file.tobinarray())


def test_many_segments_take_linear_time() -> None:
    """Ten times as many take about ten times as long; quadratic time would be a hundred."""

    def seconds(count: int) -> float:
        extents = [Extent(2 * (i * 7919 % count), b"x", 1) for i in range(count)]
        best = 9.0
        for _ in range(3):
            start = time.process_time()
            assemble(extents, None, frozenset({Allow.GAPS}))
            best = min(best, time.process_time() - start)
        return best

    assert seconds(50_000) < 40 * seconds(5_000)


# --- numbered parts, suffixes


def test_numbered_parts_are_joined_with_those_beside_them(tmp_path: Path) -> None:
    whole = bytes(range(256))
    paths = [tmp_path / f"fw.bin_{i}" for i in (1, 2, 3)]
    for path, part in zip(paths, (whole[:100], whole[100:101], whole[101:]), strict=True):
        path.write_bytes(part)
    for given_paths in ([paths[0]], paths):
        assert read_image(given_paths).image.flat() == whole
    for wrong in (paths[1:2], paths[:2], [paths[0], paths[2]], [paths[1], paths[0], paths[2]]):
        with pytest.raises(ImageRejected, match="part"):
            read_image(wrong)


@pytest.mark.parametrize("suffix", [".pack", ".mini_1", ".mini_2", ".py"])
def test_what_nobody_can_interpret_is_taken_raw_only(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"module{suffix}"
    path.write_bytes(b"whatever it is")
    with pytest.raises(ImageRejected, match="nobody can interpret it"):
        read_image([path])
    assert read_image([path], raw=True).image.flat() == b"whatever it is"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PortError, match="cannot be read"):
        read_image([tmp_path / "none.hex"])
    with pytest.raises(UsageError, match="no file"):
        read_image([])


# --- ELF

CODE, VALUES = (0x0800_8000, 0x0800_8000, b"code" * 8), (0x2000_0000, 0x0800_8020, b"data" * 4)


def test_elf_segments_lie_at_their_physical_address(tmp_path: Path) -> None:
    path = tmp_path / "app.elf"
    path.write_bytes(elf(CODE, VALUES))
    found = read_image([path])
    assert found.image == image_of({0x0800_8000: b"code" * 8 + b"data" * 4}, 0x0800_8001)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (elf(CODE)[:-1], "program header 0: segment lies outside the file"),
        (elf(CODE, machine=62), "ELF machine is not one to be flashed; expected EM_ARM"),
        (elf(CODE, kind=1), "ELF type is not one to be flashed; expected ET_EXEC, found ET_REL"),
        (elf(), "image holds no data"),
        (elf((0, 0xFFFF_FFFE, b"abcd")), "segment runs past 4 GiB; expected 2 bytes, found 4"),
        (elf((0, 0, b"\x7fELF")), "segment contains the ELF header"),
        (elf(CODE).replace(b"\x7fELF\x01", b"\x7fELF\x02"), "ELF"),
        (b"\x7fELF", "ELF file is damaged"),
    ],
)
def test_elf_files_that_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(ImageRejected, match=message):
        read_elf(data)


def test_elf_segments_that_overlap_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "app.elf"
    path.write_bytes(elf(CODE, (0x2000_0000, 0x0800_8010, b"data")))
    with pytest.raises(ImageRejected, match="data overlap, and differ"):
        read_image([path])


def test_elf_without_physical_addresses_is_said_to_be_so() -> None:
    """objcopy takes the virtual ones; values of variables then go to RAM, which no flash holds."""
    two = elf((0x0800_0000, 0, b"code"), (0x2000_0000, 0, b"data"))
    for data in (two, elf((0x0800_0000, 0, b"code"))):
        with pytest.raises(ImageRejected, match="physical addresses are all 0") as caught:
            read_elf(data)
        assert caught.value.rule == Allow.VIRTUAL
    extents, _ = read_elf(two, frozenset({Allow.VIRTUAL}))
    assert extents == [Extent(0x0800_0000, b"code", 0), Extent(0x2000_0000, b"data", 0)]
    assert read_elf(elf((0, 0, b"code")))[0] == [Extent(0, b"code", 0)]  # linked for 0
    mixed = elf((0x0800_0000, 0x0800_0000, b"code"), (0x2000_0000, 0, b"data"))
    assert [e.address for e in read_elf(mixed, frozenset({Allow.VIRTUAL}))[0]] == [0x0800_0000, 0]


@pytest.mark.parametrize("far", [0x1FFF_F800, 0x2000_0000, 0x6000_0000, 0x9000_0000])
def test_memories_are_far_from_flash_and_that_is_no_damage(far: int) -> None:
    found = assemble([Extent(0x0800_0000, b"flash", 1), Extent(far, b"there", 2)])
    assert [s.address for s in found.segments] == [0x0800_0000, far]
    kept = found.within([range(0x0800_0002, 0x0800_0004), range(far + 4, far + 9)])
    assert kept is not None
    assert kept.segments == (Segment(0x0800_0002, b"as"), Segment(far + 4, b"e"))
    assert found.within([range(0x0800_0005, far)]) is None


@pytest.mark.parametrize("far", [0x4000_0000, 0xA000_0000, 0xFFFF_FFF0])
def test_no_image_is_that_far_away(far: int) -> None:
    with pytest.raises(ImageRejected, match="gap is absurd") as caught:
        assemble([Extent(0x0800_0000, b"flash", 1), Extent(far, b"x", 2)])
    assert caught.value.rule == Allow.GAPS


def test_another_machine_is_a_switch() -> None:
    extents, _ = read_elf(elf(CODE, machine=62), frozenset({Allow.MACHINE}))
    assert extents == [Extent(0x0800_8000, b"code" * 8, 0)]


@given(st.integers(0, 200), st.integers(0, 255))
@settings(max_examples=200)
def test_a_damaged_elf_ends_in_the_typed_error_or_in_an_image(at: int, byte: int) -> None:
    data = bytearray(elf(CODE, VALUES))
    data[at % len(data)] = byte
    try:
        extents, _ = read_elf(bytes(data))
    except ImageRejected:
        return
    assert sum(len(e.data) for e in extents) <= 2 * len(data)


# --- facts


def test_vectors_and_their_problems() -> None:
    good = struct.pack("<II", 0x2000_4000, 0x0800_8011) + bytes(16)
    assert vectors(image_of({0x0800_8000: good}), placed=True).problems == ()  # type: ignore[union-attr]
    bad = struct.pack("<II", 0x0800_0002, 0x0900_0000) + bytes(16)
    found = vectors(image_of({0x0800_8000: bad}), placed=True)
    assert found is not None
    assert len(found.problems) == 4
    assert vectors(image_of({0: b"short"}), placed=False) is None


def test_versions_that_an_image_carries() -> None:
    fixture = ROOT / "fixtures" / "fixture-2.0.0.bin"
    assert identities(read_image([fixture]).image) == {"fixture's version": "2.0.0"}
    header = struct.pack("<IIHHIIBBHII", 0x96F3B83D, 0, 32, 0, 0, 0, 1, 2, 3, 4, 0)
    assert identities(image_of({0: header})) == {"MCUboot header": "1.2.3+4"}
    note = struct.pack("<III", 4, 20, 3) + b"GNU\0" + bytes(range(20))
    assert identities(image_of({0: b"code" + note}))["GNU build ID"] == bytes(range(20)).hex()


@given(near, near)
@few
def test_a_difference_is_what_bytes_differ(one: dict[int, bytes], two: dict[int, bytes]) -> None:
    maps = [{a + i: b for a, d in s.items() for i, b in enumerate(d)} for s in (one, two)]
    found = difference(image_of(one), image_of(two))
    sets = [
        {address for span in ranges for address in span}
        for ranges in (found.changed, found.only_first, found.only_second)
    ]
    first, second = maps
    assert sets[0] == {a for a in first.keys() & second.keys() if first[a] != second[a]}
    assert sets[1] == first.keys() - second.keys()
    assert sets[2] == second.keys() - first.keys()
    assert found.is_none is (first == second)


LINKER_SCRIPT = """
SECTIONS {
  .text 0x08008000 : { *(.text) }
  .data 0x20000000 : AT (LOADADDR(.text) + SIZEOF(.text)) { *(.data) }
  .bss : { *(.bss) }
}
"""
ASSEMBLY = '.text\n.rept 99\n.long 0x12345678\n.endr\n.data\n.ascii "values"\n.bss\n.space 64\n'


@pytest.mark.judge("binutils")
def test_a_linked_elf_file_is_read_as_objcopy_reads_it(tmp_path: Path) -> None:
    """Any binutils that can make 32-bit files; where it is not Arm's, the machine is allowed."""
    (tmp_path / "a.s").write_text(ASSEMBLY)
    (tmp_path / "a.ld").write_text(LINKER_SCRIPT)
    commands = (
        ("as", "--32", "-o", "a.o", "a.s"),
        ("ld", "-m", "elf_i386", "-n", "-T", "a.ld", "-o", "a.elf", "a.o"),
        ("objcopy", "-O", "binary", "a.elf", "a.raw"),
    )
    for command in commands:
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
        if done.returncode:
            pytest.skip(f"{command[0]}: {done.stderr.decode()[:80]}")
    found = read_image([tmp_path / "a.elf"], allow=frozenset({Allow.MACHINE})).image
    assert found.start == 0x0800_8000
    assert found.flat() == (tmp_path / "a.raw").read_bytes()
    with pytest.raises(ImageRejected, match="expected EM_ARM, found EM_386"):
        read_image([tmp_path / "a.elf"])
