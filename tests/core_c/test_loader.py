"""The loader in C against that in Python: sectors, faults, flash and checkpoints, any reads."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import bincopy
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mcu_updater.core.errors import ImageRejected, VerificationFailed
from mcu_updater.core.journal import Package
from mcu_updater.core.loader import Loader
from tests import worlds
from tests.core_c.decoders import parts_of
from tests.core_c.faults import CODES, name_of
from tests.core_c.hal import SpiedFlash, Weakness, hal
from tests.core_c.libraries import PARTS, campaign, library
from tests.places import FIXTURES
from tests.worlds import Format

pytestmark = pytest.mark.judge("gcc")
MORE, SECTOR, REJECTED, NOT_HELD, DONE = range(5)  # enum fwu_load
FORMATS: tuple[Format, ...] = ("bin", "hex", "s19")
EVERY_FORMAT = pytest.mark.parametrize("fmt", FORMATS)
L476, F103, F429, H743 = PARTS
Step = tuple[object, ...]
Piece = Sequence[bytes]
"""What the reads of one piece give."""


@dataclass(frozen=True)
class Case:
    """*pieces* of a package that 10701 describes as *package*."""

    name: str
    package: Package
    pieces: Sequence[Piece]
    done: int = 0
    base: int | None = None


def identity(data: bytes) -> Package:
    md5 = hashlib.md5(data, usedforsecurity=False).digest()
    return Package(len(data), md5, hashlib.sha256(data).digest())


# --- in Python


def in_python(case: Case, flash: SpiedFlash) -> list[Step]:
    told: list[Step] = []
    try:
        for step in _steps_in_python(case, flash):
            told.append(step)  # noqa: PERF402 - those before an error count
    except ImageRejected as error:
        told.append((CODES[error.what],))
    except VerificationFailed:
        told.append(("NOT_HELD",))
    return told


def _steps_in_python(case: Case, flash: SpiedFlash) -> Iterator[Step]:
    slot, single, checkpoint = flash.bank.slot, len(case.pieces) == 1, b""
    base = slot.link_address if case.base is None else case.base
    for number, piece in enumerate(case.pieces, 1):
        loader = Loader(slot, case.package, base=base, done=case.done, single=single)
        if checkpoint:
            loader.resume(checkpoint)
        for data in piece:
            yield from (("sector", n) for n in loader.feed(data))
            yield "cursor", loader.writer.cursor
        if number < len(case.pieces):
            checkpoint = loader.checkpoint()
            yield "checkpoint", checkpoint
    yield from (("sector", n) for n in loader.finish())
    yield "done", loader.image_size, loader.image_sha256


# --- in C


class Ended(Exception):
    pass


class LoaderInC:
    def __init__(self, case: Case, flash: SpiedFlash) -> None:
        self.core, self.hal = library(case.name), hal(case.name)
        self.ffi, self.lib = self.core.ffi, self.core.lib
        self.case, self.flash = case, flash
        self.bank = self.hal.use(flash)
        self.sector = self.ffi.new("uint32_t *")
        self.c: Any = None
        self.told: list[Step] = []

    def begin(self) -> None:
        package, ffi = self.case.package, self.ffi
        self.c = ffi.new("struct fwu_loader *")
        ffi.memmove(self.c, b"\xa5" * ffi.sizeof(self.c[0]), ffi.sizeof(self.c[0]))
        said = ffi.new("struct fwu_package *", (package.length, package.md5, package.sha256))
        base = self.bank.link_address if self.case.base is None else self.case.base
        self.lib.fwu_loader_begin(self.c, self.bank, said, base, self.case.done)

    def until(self, end: int, call: Any) -> None:
        while (load := call(self.c, self.sector)) == SECTOR:
            self.hal.settle()
            self.told.append(("sector", self.sector[0]))
        self.settle(load, end)

    def settle(self, load: int, end: int) -> None:
        self.hal.settle()
        if load == REJECTED:
            self.told.append((name_of(self.core, self.c.fault),))
            raise Ended
        if load == NOT_HELD:
            self.told.append(("NOT_HELD",))
            raise Ended
        assert load == end

    def feed(self, data: bytes) -> None:
        memory = self.ffi.new("uint8_t[]", data)
        self.lib.fwu_loader_feed(self.c, memory, len(data))
        self.until(MORE, self.lib.fwu_loader_next)
        cursor = self.lib.fwu_writer_cursor(self.ffi.addressof(self.c.writer))
        self.told.append(("cursor", cursor))

    def finish(self) -> None:
        self.until(DONE, self.lib.fwu_loader_finish)
        digest = self.ffi.new("uint8_t[32]")
        size = self.lib.fwu_loader_image_size(self.c)
        self.lib.fwu_loader_image_sha256(self.c, digest)
        self.told.append(("done", size, bytes(digest)))

    def checkpoint(self) -> bytes:
        made = self.ffi.new("struct fwu_checkpoint *")
        self.settle(self.lib.fwu_loader_checkpoint(self.c, made), DONE)
        whole = b"".join(bytes(self.ffi.buffer(p.data, p.size)) for p in made.parts if p.size)
        assert made.size == len(whole)
        self.told.append(("checkpoint", whole))
        return whole

    def resume(self, checkpoint: bytes) -> bool:
        """False: the trailer has no room for it."""
        journal = self.ffi.new("struct fwu_journal *")
        journal.snapshot.checkpoint_size = len(checkpoint)
        half = self.flash.bank.halves[journal.half]
        start = self.lib.fwu_checkpoint_start(self.bank)
        if start + len(checkpoint) > half.size:
            return False
        for size, at in zip(half.sector_sizes, half.sector_starts, strict=True):
            self.flash.device.preload(half.address + at, b"\xff" * size)
        unit = half.unit
        padded = checkpoint + bytes(-len(checkpoint) % unit)
        self.flash.device.preload(half.address + start, padded)
        self.settle(self.lib.fwu_loader_resume(self.c, journal), MORE)
        return True


def in_c(case: Case, flash: SpiedFlash, checkpoints: Sequence[bytes]) -> list[Step]:
    """Goes on from *checkpoints*, which are those of Python, where there are any."""
    loader = LoaderInC(case, flash)
    try:
        for number, piece in enumerate(case.pieces):
            loader.begin()
            if number and not loader.resume(checkpoints[number - 1]):
                return loader.told
            for data in piece:
                loader.feed(data)
            if number + 1 < len(case.pieces):
                loader.checkpoint()
        loader.finish()
    except Ended:
        pass
    return loader.told


def check(case: Case, weakness: dict[str, dict[int, int]] | None = None) -> list[Step]:
    flashes = [SpiedFlash(case.name, Weakness()) for _ in range(2)]
    for flash in flashes:
        for kind, times in (weakness or {}).items():
            getattr(flash.weakness, kind).update(times)
    told = in_python(case, flashes[0])
    found = in_c(case, flashes[1], [step[1] for step in told if step[0] == "checkpoint"])  # type: ignore[misc]
    if found[-1][0] == "checkpoint":  # there is no room to go on from it
        assert found == told[: len(found)]
        return told
    assert found == told
    slot = flashes[0].bank.slot
    in_slot = [s for s in flashes[1].log if slot.address <= s[1] < slot.address + slot.size]
    assert in_slot == flashes[0].log
    return told


# --- packages


def package(fmt: Format, name: str, size: int) -> bytes:
    return worlds.package(fmt, "2.0.0", size, _link(name))


def solid(fmt: Format, name: str, size: int) -> bytes:
    """An image without a blank unit."""
    link = _link(name)
    data = struct.pack("<II", 0x2000_8000, link + 0x41).ljust(size, b"Z")
    file = bincopy.BinFile()
    file.add_binary(data, link)
    file.execution_start_address = link + 0x41
    text: str = file.as_ihex() if fmt == "hex" else file.as_srec(address_length_bits=32)
    return data if fmt == "bin" else text.encode()


def _link(name: str) -> int:
    return SpiedFlash(name).bank.slot.link_address


SIZES = {L476: 4500, F103: 2500, F429: 17_000, H743: 131_100}
pieces_of = st.lists(st.integers(0, 6000), max_size=3)
reads = st.sampled_from([(), (1,), (1, 2, 3), (3, 4), (4,), (16,), (63, 64, 70)])


def cut(data: bytes, places: Sequence[int], first: Sequence[int], size: int) -> list[list[bytes]]:
    """Pieces, of which the first begins with short reads; all others give *size* bytes."""
    pieces: list[list[bytes]] = []
    for piece in filter(None, parts_of(data, places)):
        begun = [] if pieces else [at for at in first if at < len(piece)]
        at = begun[-1] if begun else 0
        pieces.append([p for p in parts_of(piece, [*begun, *range(at, len(piece), size)]) if p])
    return pieces


@EVERY_FORMAT
@pytest.mark.parametrize("name", PARTS)
def test_a_package_in_one_piece(name: str, fmt: Format) -> None:
    data = package(fmt, name, SIZES[name])
    for first in ((), (1, 2, 3), (3, 10, 17)):
        told = check(Case(name, identity(data), cut(data, (), first, 1024)))
        assert told[-1][0] == "done"


@EVERY_FORMAT
@pytest.mark.parametrize(("name", "examples"), [(L476, 10), (F103, 15), (F429, 2)])
def test_a_package_in_pieces(name: str, fmt: Format, examples: int) -> None:
    data = package(fmt, name, min(SIZES[name], 4500 if name == L476 else 20_000))

    @settings(max_examples=campaign(examples))
    @given(places=pieces_of, first=reads, size=st.sampled_from([1024, 512, 100, 1]))
    def compare(places: list[int], first: Sequence[int], size: int) -> None:
        size = size if len(data) < 6000 else 1024
        check(Case(name, identity(data), cut(data, places, first, size)))

    compare()


@pytest.mark.thorough
@EVERY_FORMAT
def test_every_border_of_two_pieces(fmt: Format) -> None:
    data = package(fmt, F103, 2500)
    for border in range(1, len(data)):
        check(Case(F103, identity(data), cut(data, [border], (), 1024)))


@EVERY_FORMAT
@pytest.mark.parametrize("more", [-1, 0, 1])
def test_an_image_as_large_as_the_slot_and_one_byte_more(fmt: Format, more: int) -> None:
    data = solid(fmt, F103, SpiedFlash(F103).bank.slot.size + more)
    told = check(Case(F103, identity(data), cut(data, (), (), 1024)))
    too_large = "LARGER_THAN_SLOT" if fmt == "bin" else "OUTSIDE"
    assert told[-1][0] == (too_large if more > 0 else "done")


@pytest.mark.parametrize("held", [65_534, 65_535, 65_536, 70_000])
def test_more_of_a_sector_than_a_checkpoint_can_say(held: int) -> None:
    data = solid("bin", H743, 71_000)
    told = check(Case(H743, identity(data), cut(data, [held], (), 1024)))
    assert any(step[0] == "checkpoint" for step in told) == (held <= 0xFFFF)
    assert (told[-1][0] == "CHECKPOINT") == (held > 0xFFFF)


@EVERY_FORMAT
def test_what_is_wrong_with_a_package_as_a_whole(fmt: Format) -> None:
    data = package(fmt, L476, 4500)
    right = identity(data)
    for wrong, fault in (
        (replace(right, md5=bytes(16)), "MD5"),
        (replace(right, sha256=bytes(32)), "SHA256"),
        (replace(right, length=len(data) - 1), "done"),
        (replace(right, length=len(data) + 1), "done"),
        (replace(right, length=1 << 31), "LARGER_THAN_SLOT" if fmt == "bin" else "done"),
    ):
        assert check(Case(L476, wrong, cut(data, (), (), 1024)))[-1][0] == fault


@settings(max_examples=campaign(100))
@given(
    fmt=st.sampled_from(FORMATS),
    at=st.integers(0, 3000),
    bytes_=st.binary(max_size=3)
    | st.sampled_from([b"\n", b"\r", b"0" * 530, b":", b"S9030000FC\n"]),
    dropped=st.integers(0, 40) | st.just(1 << 20),
    first=reads,
    places=st.just([]) | pieces_of,
    done=st.sampled_from([0, 0, 1, 2]),
)
@example(fmt="hex", at=0, bytes_=b"", dropped=1 << 20, first=(), places=[], done=0)
def test_damaged_packages(
    fmt: Format,
    at: int,
    bytes_: bytes,
    dropped: int,
    first: Sequence[int],
    places: list[int],
    done: int,
) -> None:
    """With the digests of what came, so that the decoder is what finds it."""
    data = package(fmt, F103, 2500)
    data = data[:at] + bytes_ + data[at + dropped :]
    pieces = cut(data, places, first, 512)
    if pieces and not data.startswith((b"@", b"PK")):
        check(Case(F103, identity(data), pieces, done))


def test_a_fault_in_a_read_leaves_nothing_of_that_read(fmt: Format = "hex") -> None:
    """What comes before it would complete a sector: neither core begins to write it."""
    data = package(fmt, F103, 2500)
    lines = data.split(b"\n")
    bad = b"\n".join([*lines[:-3], b":00", *lines[-3:]])
    flash = SpiedFlash(F103)
    case = Case(F103, identity(bad), [[bad]])
    assert in_c(case, flash, []) == [("SHORT_RECORD",)]
    assert flash.log == []
    assert check(case) == [("SHORT_RECORD",)]


starts = st.sampled_from(
    [b"", b"\n" * 5, b"\r\n" * 30, b"\n" * 1030, b"\n" * 2000, b"\xef\xbb\xbf\n"]
)
behind = st.sampled_from(
    [
        b":",
        b"S1",
        b"text that is no image at all",
        b"\0\x80\0 A\x80\0\x08",
        bytes(range(90)),
    ]
)


@settings(max_examples=campaign(60))
@given(
    start=starts, middle=behind, end=st.binary(max_size=300), first=reads, more=st.integers(0, 3)
)
def test_packages_that_begin_with_empty_lines_or_with_what_is_told_late(
    start: bytes, middle: bytes, end: bytes, first: Sequence[int], more: int
) -> None:
    data = start + middle + end * (1 + 4 * more)
    for places in ([], [5], [1100]):
        check(Case(F103, identity(data), cut(data, places, first, 500)))


@pytest.mark.parametrize("lines", [0, 1, 900, 961, 1024, 1025, 1088, 3000])
@pytest.mark.parametrize("size", [1, 7, 512, 1024, 5000])
def test_empty_lines_before_an_image(lines: int, size: int) -> None:
    """As many as are looked behind, and more than the sector in RAM has room for."""
    for fmt in ("hex", "bin"):
        data = b"\n" * lines + package(fmt, F103, 1500)
        told = check(Case(F103, identity(data), cut(data, (), (), size)))
        assert told[-1][0] in ("done", "STACK_ALIGNMENT", "FORMAT")


@pytest.mark.parametrize("base", [0, 0x0800_0000, 0x0800_8000, 0xFFFF_FFF0])
@pytest.mark.parametrize("offset", [0, 4, 60, 1024, 3000])
@pytest.mark.parametrize("first", [(), (1, 2, 3)])
def test_a_raw_image_for_another_place(base: int, offset: int, first: Sequence[int]) -> None:
    link = _link(F103)
    data = package("bin", F103, 1500)
    for at in (base + offset, link + offset, link - offset):
        told = check(Case(F103, identity(data), cut(data, (), first, 700), base=at & 0xFFFF_FFFF))
        assert (told[-1][0] == "done") == (at == link)


@EVERY_FORMAT
@pytest.mark.parametrize("kind", ["program", "erase", "look", "bit"])
def test_flash_that_does_not_hold_what_is_written(fmt: Format, kind: str) -> None:
    data = solid(fmt, F103, 2500)
    slot = SpiedFlash(F103).bank.slot
    for sector, times in ((0, 1), (1, 2), (2, 2)):
        weakness = {kind: {slot.address + slot.sector_starts[sector]: times}}
        told = check(Case(F103, identity(data), cut(data, (), (), 1024)), weakness)
        assert told[-1][0] == ("done" if times == 1 else "NOT_HELD")


@pytest.mark.parametrize("name", ["fixture-2.0.0.bin", "fixture-2.0.0.hex", "fixture-2.0.0.s19"])
def test_firmware_of_a_compiler(name: str) -> None:
    data = (FIXTURES / name).read_bytes()
    for places in ((), (3000,), (1024, 2048, 2050)):
        assert check(Case(L476, identity(data), cut(data, places, (), 1024)))[-1][0] == "done"


# --- formats and checkpoints of others


@pytest.mark.parametrize("format_", ["ti-txt", "zip", "gzip", "elf", "delta"])
def test_what_only_python_reads_is_refused_before_anything_is_erased(format_: str) -> None:
    file = bincopy.BinFile()
    file.add_binary(worlds.image("2.0.0", 2500, _link(F103)), _link(F103))
    data = {
        "ti-txt": file.as_ti_txt().encode(),
        "zip": b"PK\x03\x04" + bytes(100),
        "gzip": b"\x1f\x8b\x08" + bytes(100),
        "elf": b"\x7fELF" + bytes(100),
        "delta": b"MCUD" + bytes(100),
    }[format_]
    flash = SpiedFlash(F103)
    assert in_c(Case(F103, identity(data), [[data]]), flash, []) == [("FORMAT",)]
    assert flash.log == []


def _checkpoint() -> tuple[Case, bytes]:
    data = package("hex", F103, 2500)
    case = Case(F103, identity(data), cut(data, [700], (), 1024))
    told = check(case)
    return case, next(step[1] for step in told if step[0] == "checkpoint")  # type: ignore[return-value]


def test_a_checkpoint_of_another_program_is_refused() -> None:
    """Each part cut short or too long, and decoders that are not here."""
    case, good = _checkpoint()
    sizes = struct.unpack_from("<HHHHH", good)
    decoder = 10 + sizes[1]
    bad = [good[:end] for end in (1, 9, 11, decoder, decoder + 5, len(good) - 1)]
    bad += [good[:decoder] + bytes([code]) + good[decoder + 1 :] for code in (0, 1, 4, 5, 6, 7)]
    for field in range(5):
        for change in (-1, 1, 2000):
            changed = [size + change * (field == n) for n, size in enumerate(sizes)]
            if changed[field] >= 0 and (field or changed[0] > 60):
                bad.append(struct.pack("<HHHHH", *changed) + good[10:])
    bad.append(good + b"\0")
    for checkpoint in bad:
        loader = LoaderInC(case, SpiedFlash(F103))
        loader.begin()
        with pytest.raises(Ended):
            loader.resume(checkpoint)
        assert loader.told == [("CARRIED_ON",)]


def test_a_checkpoint_that_cannot_be_read() -> None:
    case, good = _checkpoint()
    flash = SpiedFlash(F103)
    half = flash.bank.halves[0]
    loader = LoaderInC(case, flash)
    start = loader.lib.fwu_checkpoint_start(loader.bank)
    flash.weakness.look[half.address + (start + 300) // half.unit * half.unit] = 1
    loader.begin()
    with pytest.raises(Ended):
        loader.resume(good)
    assert loader.told == [("NOT_HELD",)]


def test_each_byte_of_a_checkpoint_is_read_once_and_in_order() -> None:
    case, good = _checkpoint()
    flash = SpiedFlash(F103)
    loader = LoaderInC(case, flash)
    seen: list[tuple[int, int]] = []
    read = flash.read

    def noting(address: int, size: int) -> bytes:
        seen.append((address, size))
        return read(address, size)

    flash.read = noting  # type: ignore[method-assign]
    loader.begin()
    assert loader.resume(good)
    start = flash.bank.halves[0].address + loader.lib.fwu_checkpoint_start(loader.bank)
    for at, size in seen:
        assert at == start
        start += size
    assert sum(size for _, size in seen) == len(good)
