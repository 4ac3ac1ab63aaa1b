"""Which image of a package is taken, manifests, restart points, and what `build` makes."""

from __future__ import annotations

import io
import json
import random
import tarfile
import zipfile
from collections.abc import Callable
from typing import Any

import bincopy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flash_emulator import load_part
from mcu_updater.board import Board
from mcu_updater.cloud.single_device import Package, Plan
from mcu_updater.core.errors import ImageRejected
from mcu_updater.core.image.names import UNREADABLE
from mcu_updater.core.package import Entry, File, PackageDecoder, Wanted
from mcu_updater.core.package.manifest import NAME, parse, render
from mcu_updater.core.session import SessionOutcome
from mcu_updater.files.package_build import Kind, Source, build
from mcu_updater.quectel.emulated.options import ModuleOptions
from tests.core.package.archives import BASE, MAKERS, image, opened, read, refusal, zipped

IMAGE = image(20_000)
OTHER = image(3000, 13)
EVERY_KIND = pytest.mark.parametrize("kind", Kind)
TWO = [
    Source((("main.bin", IMAGE),), "STM32", "2.0.0", "STM32L476xG"),
    Source((("radio.bin", OTHER),), "radio", "5.1"),
]


def hex_of(data: bytes) -> bytes:
    file = bincopy.BinFile()
    file.add_binary(data, BASE)
    text: str = file.as_ihex()
    return text.encode()


@EVERY_KIND
def test_a_device_finds_its_image(kind: Kind) -> None:
    package = build(kind, TWO)
    assert read(package, wanted=Wanted("STM32", "2.0.0")) == IMAGE
    assert read(package, wanted=Wanted("radio", "5.1", "STM32L476xG")) == OTHER


@pytest.mark.parametrize(
    ("wanted", "what"),
    [
        (Wanted("modem"), "package holds no image for this device"),
        (Wanted("STM32", "2.0.0", "STM32F429xI"), "package holds no image for this device"),
        (Wanted("STM32", "2.0.1"), "package holds another version than was announced"),
        (Wanted(), "package holds several images for this device"),
    ],
)
def test_an_image_for_another_is_refused(wanted: Wanted, what: str) -> None:
    assert refusal(build(Kind.ZIP, TWO), wanted).what == what


@EVERY_KIND
def test_the_same_files_make_the_same_package(kind: Kind) -> None:
    assert build(kind, TWO) == build(kind, list(TWO))


def test_other_readers_take_what_is_built() -> None:
    expected = {"main.bin": IMAGE, "radio.bin": OTHER}
    with zipfile.ZipFile(io.BytesIO(build(Kind.ZIP, TWO))) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [NAME, *expected]
        assert {name: archive.read(name) for name in expected} == expected
    for kind in (Kind.TAR, Kind.TAR_GZ):
        with tarfile.open(fileobj=io.BytesIO(build(kind, TWO))) as tar:
            assert tar.getnames() == [NAME, *expected]
            assert {n: tar.extractfile(n).read() for n in expected} == expected  # type: ignore[union-attr]


@EVERY_KIND
@given(data=st.data())
@settings(max_examples=6)
def test_a_package_that_was_built_goes_on_after_any_reset(kind: Kind, data: st.DataObject) -> None:
    restart = data.draw(st.sampled_from([512, 1024, 4096]))
    package = build(kind, [Source((("app.bin", IMAGE),), "STM32", "2.0.0")], restart=restart)
    inner = st.integers(300, len(package))
    places = data.draw(st.lists(inner, max_size=8))
    assert read(package, places, Wanted("STM32"), reset=True) == IMAGE


def random_bytes(size: int) -> bytes:
    return IMAGE[:8] + random.Random(1).randbytes(size - 8)


@EVERY_KIND
@pytest.mark.parametrize(
    "make", [image, random_bytes, lambda size: image(8) + b"\xff" * (size - 8)]
)
@pytest.mark.parametrize("suffix", ["bin", "hex"])
def test_states_stay_small(kind: Kind, make: Callable[[int], bytes], suffix: str) -> None:
    """An STM32L476 keeps 4088 bytes: of them 2048 of a sector, and 308 that are the loader's."""
    data = make(12_000)
    file = data if suffix == "bin" else hex_of(data)
    sources = [Source(((f"app.{suffix}", file),), "STM32", "2.0.0", "STM32L476xG")]
    package = build(kind, [*sources, Source((("radio.bin", OTHER),), "radio", "5.1")])
    decoder = opened(package, Wanted("STM32"), resumable=True)
    largest = 0
    for at in range(0, len(package), 100):
        decoder.feed(package[at : at + 100])
        largest = max(largest, len(decoder.state()))
    assert largest < 4088 - 2048 - 308


def test_without_restart_points_a_large_package_comes_in_one_piece_only() -> None:
    data = random_bytes(60_000)
    package = build(Kind.TAR_GZ, [Source((("app.bin", data),))], restart=0)
    assert read(package) == data
    decoder = opened(package, resumable=True)
    decoder.feed(package[:40_000])
    with pytest.raises(ImageRejected, match="comes in pieces, and compressed data cannot be"):
        decoder.state()


def test_a_missing_restart_point_is_found() -> None:
    """The extra field promises what the stream does not keep."""
    package = bytearray(build(Kind.ZIP, [Source((("app.bin", IMAGE),))], restart=1024))
    at = package.rindex(b"MU\x04\x00\x00\x04\x00\x00")
    package[at + 4 : at + 8] = (1000).to_bytes(4, "little")
    with pytest.raises(ImageRejected, match=r"restart point is missing|damaged"):
        read(bytes(package))


def test_a_stream_that_runs_over_its_restart_points_is_refused_after_any_reset() -> None:
    """A match reaches over the border: zlib holds back what is behind it. Found by the fuzzer."""
    blank = IMAGE[:8] + bytes(2000)
    package = bytearray(build(Kind.ZIP, [Source((("app.bin", blank),))], restart=2048))
    at = package.rindex(b"MU\x04\x00\x00\x08\x00\x00")
    package[at + 4 : at + 8] = (100).to_bytes(4, "little")
    with pytest.raises(ImageRejected, match="restart point is missing"):
        read(bytes(package), list(range(len(package))), reset=True)


@pytest.mark.parametrize("kind", ["zip", "zip, streamed", "tar.gz"])
def test_a_large_package_of_others_comes_in_one_piece_only(kind: str) -> None:
    data = random_bytes(60_000)
    package = MAKERS[kind]({"app.bin": data})
    assert read(package) == data
    decoder = opened(package, resumable=True)
    decoder.feed(package[:8000])
    decoder.state()  # what is short can be taken again
    decoder.feed(package[8000:9000])
    with pytest.raises(ImageRejected, match="let it come in one piece"):
        decoder.state()


# --- without a manifest


@pytest.mark.parametrize("kind", MAKERS)
def test_numbered_parts_are_joined(kind: str) -> None:
    parts = {"fw.bin_1": IMAGE[:7000], "fw.bin_2": IMAGE[7000:7001], "fw.bin_3": IMAGE[7001:]}
    package = MAKERS[kind]({"notes.txt": b"x", **parts})
    assert read(package) == IMAGE
    assert read(package, [300, 2000, len(package) - 30], reset=kind == "tar") == IMAGE


@pytest.mark.parametrize(
    ("files", "what"),
    [
        ({"fw.bin_2": IMAGE}, "first part is missing"),
        ({"fw.bin_1": IMAGE, "fw.bin_3": IMAGE}, "package holds several images and no manifest"),
        ({"fw.bin_1": IMAGE, "ab.bin_2": IMAGE}, "package holds several images and no manifest"),
        ({"a.bin": IMAGE, "b.bin": IMAGE}, "package holds several images and no manifest"),
        ({"a.bin": IMAGE, "b.hex": b":"}, "package holds several images and no manifest"),
        ({"readme.txt": b"no image"}, "package holds no image"),
        ({"a.bin": b"\x00\x40"}, "file is too short to be an image"),
        ({"a.bin": hex_of(OTHER)}, "suffix and content disagree"),
        ({"a.hex": OTHER}, "control character in the text"),
        ({"a.bin": zipped({"b.bin": IMAGE})}, "a package in a package"),
        ({"a.elf": b"\x7fELF" + bytes(60)}, "an ELF file cannot be read as a stream"),
        *(({f"a{suffix}": b"x"}, "nobody can tell what this file is") for suffix in UNREADABLE),
        ({"a.hex": hex_of(OTHER).replace(b":00000001FF", b"")}, "end-of-file record is missing"),
        ({"a.bin": b"\x00\x40\x00\x20" + bytes(1 << 20)}, "the image is larger than the slot"),
    ],
)
def test_without_a_manifest_there_must_be_one_image(files: dict[str, bytes], what: str) -> None:
    if what == "the image is larger than the slot":  # told only where sizes are
        files = {NAME: render([_entry(files)]), **files}
    assert refusal(zipped(files)).what == what


def _entry(files: dict[str, bytes]) -> Entry:
    return Entry(tuple(File(name, len(data), bytes(32)) for name, data in files.items()))


def test_errors_in_a_file_name_file_and_line() -> None:
    broken = hex_of(OTHER).replace(b"\n:", b"\n;", 1)
    assert refusal(zipped({"d/a.hex": broken})).where == "d/a.hex, line 2, column 1"


# --- manifests

GOOD = json.loads(render([Entry((File("a.bin", 1, bytes(32)),), "STM32", "1", "")]))


def changed(change: Callable[[Any], object]) -> bytes:
    document = json.loads(json.dumps(GOOD))
    change(document)
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "manifest is no JSON"),
        (b"[" * 4000, "manifest is no JSON"),
        (b'{"format": 1, "format": 1, "images": []}', "'format' is given twice"),
        (b"[]", "document: manifest is built otherwise; expected format, images, found list"),
        (changed(lambda d: d.update(format=2)), "another format; expected 1, found 2"),
        (changed(lambda d: d.update(format=True)), "document.format: manifest is built otherwise"),
        (changed(lambda d: d.update(images=[])), "number of images; expected 1 to 8, found 0"),
        (changed(lambda d: d.update(more=1)), "manifest is built otherwise"),
        (changed(lambda d: d["images"].append(d["images"][0])), "belongs to two images"),
        (changed(lambda d: d["images"][0].update(files=[])), "an image without files"),
        (changed(lambda d: d["images"][0].update(version="x" * 65)), r"images\[0\].version: text"),
        (
            changed(lambda d: d["images"][0]["files"][0].update(name="../a")),
            "name of a file cannot",
        ),
        (changed(lambda d: d["images"][0]["files"][0].update(size=0)), "size or hash cannot be"),
        (changed(lambda d: d["images"][0]["files"][0].update(sha256="A" * 64)), "size or hash"),
    ],
)
def test_manifests_that_cannot_be(text: bytes, words: str) -> None:
    with pytest.raises(ImageRejected, match=words):
        parse(text)


@given(
    st.text("abc.", min_size=1, max_size=20),
    st.integers(1, 1 << 30),
    st.binary(min_size=32, max_size=32),
)
def test_a_manifest_is_read_as_it_was_written(version: str, size: int, sha256: bytes) -> None:
    entries = (Entry((File("a.bin", size, sha256), File("b.bin", 1, sha256)), "c", version, "p"),)
    assert parse(render(entries)) == entries


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda f: {"a.txt": b"", **f}, "manifest is not the first file"),
        (lambda f: {**f, "more.bin": IMAGE}, "file is not in the manifest"),
        (lambda f: {NAME: f[NAME]}, "file of the manifest is missing"),
        (lambda f: {**f, "main.bin": IMAGE[:-1] + b"\0"}, "file is not the one of the manifest"),
        (lambda f: {**f, "main.bin": IMAGE + b"\0"}, "size is not the manifest's"),
        (lambda f: {**f, NAME: b" " * 5000}, "manifest is too long"),
    ],
)
def test_a_package_must_keep_what_its_manifest_says(
    change: Callable[[dict[str, bytes]], dict[str, bytes]], what: str
) -> None:
    made = build(Kind.ZIP, TWO)
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    assert refusal(zipped(change(files)), Wanted("STM32")).what == what


def test_what_no_reader_would_take_is_not_built() -> None:
    with pytest.raises(ImageRejected, match="name of a file cannot be"):
        build(Kind.ZIP, [Source((("../a.bin", IMAGE),))])
    with pytest.raises(ImageRejected, match="without bytes"):
        build(Kind.ZIP, [Source((("a.bin", b""),))])
    with pytest.raises(ImageRejected, match="belongs to two images"):
        build(Kind.ZIP, [Source((("a.bin", IMAGE),)), Source((("a.bin", IMAGE),))])


@pytest.mark.parametrize("state", [b"", b"\x01abc"])
def test_a_state_of_something_else_is_refused(state: bytes) -> None:
    with pytest.raises(ValueError, match="not the state of a package"):
        PackageDecoder.restore(state, Wanted(), base=BASE)


# --- on a device


@pytest.mark.parametrize(
    ("part", "outcome"),
    [
        ("", SessionOutcome.UPDATED),
        ("STM32L476xG", SessionOutcome.UPDATED),
        ("STM32G474xE_dual", SessionOutcome.REJECTED),
    ],
)
def test_a_device_takes_only_what_is_for_its_part(part: str, outcome: SessionOutcome) -> None:
    board = Board.new(load_part("STM32L476xG"), "1.0.0")
    source = Source((("app.bin", IMAGE),), "STM32", "2.0.0", part)
    board.offer(Plan("STM32", "2.0.0", Package(build(Kind.ZIP, [source]))))
    for _ in board.run():
        pass
    assert board.result.outcome is outcome
    if outcome is SessionOutcome.REJECTED:
        assert "package holds no image for this device" in str(board.result.error)


@pytest.mark.parametrize(("piece_size", "outcome"), [(None, "updated"), (20_000, "image rejected")])
def test_a_device_takes_a_large_zip_of_others_in_one_piece_only(
    piece_size: int | None, outcome: str
) -> None:
    board = Board.new(load_part("STM32L476xG"), "1.0.0")
    board.configure_module(ModuleOptions(piece_size=piece_size))
    package = zipped({"app.bin": IMAGE[:8] + random_bytes(60_000)})
    board.offer(Plan("STM32", "2.0.0", Package(package)))
    for _ in board.run():
        pass
    assert board.result.outcome == outcome
    if outcome == "image rejected":
        assert "let it come in one piece" in str(board.result.error)
        assert board.would_boot().version == "1.0.0"
