"""Archives of others: what is taken, however it is cut; and what is refused."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import tracemalloc
import zipfile
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcu_updater.core.errors import ImageRejected
from mcu_updater.core.image import sniff_size
from mcu_updater.core.package import PackageDecoder, open_any
from tests.core.package.archives import (
    ANYONE,
    MAKERS,
    gzipped,
    image,
    opened,
    read,
    refusal,
    tarred,
    zipped,
)

EVERY_KIND = pytest.mark.parametrize("kind", MAKERS)
IMAGE = image(5000)
FILES = {"notes/": b"", "notes/README.md": b"read me", "app.bin": IMAGE, "LICENSE": b""}


def packed(kind: str, files: dict[str, bytes]) -> bytes:
    if kind in ("zip", "zip, stored"):  # Python gives streamed directories a descriptor
        return MAKERS[kind](files)
    return MAKERS[kind]({name: data for name, data in files.items() if not name.endswith("/")})


@EVERY_KIND
@pytest.mark.parametrize("step", [1, 7, 1024, 1 << 20])
def test_the_image_comes_out_however_the_package_is_cut(kind: str, step: int) -> None:
    package = packed(kind, FILES)
    assert read(package, list(range(0, len(package), step))) == IMAGE


@EVERY_KIND
@given(data=st.data())
@settings(max_examples=10)
def test_a_reset_between_any_two_parts_changes_nothing(kind: str, data: st.DataObject) -> None:
    """Also where there are no restart points: these packages are short enough to be replayed."""
    package = packed(kind, FILES)
    first = sniff_size(package)
    places = data.draw(st.lists(st.integers(first, len(package)), max_size=5))
    assert read(package, places, reset=True) == IMAGE


@pytest.mark.parametrize("kind", [kind for kind in MAKERS if kind == "tar.gz" or "zip" in kind])
@given(data=st.data())
@settings(max_examples=40)
def test_a_bit_flip_is_refused_or_changes_nothing(kind: str, data: st.DataObject) -> None:
    """Owner, time and mode of a file do not matter; everything else has a check.

    The data of a plain tar have none: there the manifest's hash and the plan's tell.
    """
    package = bytearray(packed(kind, FILES))
    at = data.draw(st.integers(0, len(package) - 1))
    package[at] ^= 1 << data.draw(st.integers(0, 7))
    try:
        decoder = open_any(
            bytes(package[: sniff_size(bytes(package))]), ANYONE, base=0x0800_8000, room=1 << 20
        )
        if not isinstance(decoder, PackageDecoder):
            return  # not told as a package any more: a raw image, without a vector table
        found = read(bytes(package))
    except ImageRejected:
        return
    assert found == IMAGE


@EVERY_KIND
@given(data=st.data())
@settings(max_examples=10)
def test_a_truncated_package_is_refused(kind: str, data: st.DataObject) -> None:
    package = packed(kind, FILES)
    end = data.draw(st.integers(sniff_size(package), len(package) - 1))
    if kind.startswith("tar") and kind != "tar.gz":  # zeros up to a whole record may be missing
        end = min(end, len(package.rstrip(b"\0")) + 512)
    refusal(package[:end])


@EVERY_KIND
def test_bytes_behind_the_end_are_refused(kind: str) -> None:
    assert "behind" in refusal(packed(kind, FILES) + b"x" * 512).what


@given(junk=st.binary(max_size=600), kind=st.sampled_from(["zip", "tar", "tar.gz"]))
@settings(max_examples=150)
def test_junk_ends_in_the_typed_error(junk: bytes, kind: str) -> None:
    start = {"zip": b"PK\x03\x04", "tar": tarred({"a.bin": b"x"})[:512], "tar.gz": b"\x1f\x8b\x08"}
    data = start[kind] + junk
    with pytest.raises(ImageRejected):
        decoder = opened(data)
        decoder.feed(data)
        decoder.finish()


@pytest.mark.parametrize(
    "name",
    [
        "../app.bin",
        "/app.bin",
        "a/../app.bin",
        "a//app.bin",
        ".//app.bin",
        "././app.bin",
        "C:app.bin",
        "a\\app.bin",
        "app\x01.bin",
        "\xe4pp.bin",
        "a" * 97 + ".bin",
        "app.bin\x7f",
    ],
)
def test_names_that_could_mean_another_file_are_refused(name: str) -> None:
    assert refusal(zipped({name: IMAGE})).what == "name of a file cannot be"
    if len(name) <= 100:
        info = {name: IMAGE}
        assert refusal(tarred(info, tarfile.GNU_FORMAT)).what == "name of a file cannot be"


def test_names_that_differ_in_case_only_are_refused() -> None:
    package = zipped({"readme.md": b"a", "README.MD": b"b", "app.bin": IMAGE})
    assert refusal(package).what == "name comes twice, but for case"


def test_a_bomb_is_refused_by_its_ratio_with_little_memory() -> None:
    package = zipped({"app.bin": IMAGE[:8] + bytes(60 << 20)})
    decoder = opened(package)
    tracemalloc.start()
    with pytest.raises(ImageRejected, match="unpacks to far more than it is"):
        for at in range(0, len(package), 1024):
            decoder.feed(package[at : at + 1024])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20


def test_a_bomb_of_tar_gz_is_refused() -> None:
    package = gzip.compress(tarred({"app.bin": IMAGE[:8] + bytes(20 << 20)}))
    assert refusal_of(package) == "unpacks to far more than it is"


def test_what_is_wrong_first_is_told_however_the_package_is_cut() -> None:
    """A manifest that is none, and behind it an archive that breaks off wrongly."""
    for kind, make in MAKERS.items():
        package = make({"manifest.json": b"{}}", "app.bin": IMAGE})
        assert "manifest is no JSON" in refusal(package[:-1] + b"x").message, kind


def refusal_of(package: bytes) -> str:
    with pytest.raises(ImageRejected) as caught:
        read(package, list(range(0, len(package), 4096)))
    return caught.value.what


def test_too_many_files_are_refused() -> None:
    files = {f"note{i}.txt": b"" for i in range(17)}
    assert refusal(tarred(files)).what == "too many files"
    assert refusal(zipped(files)).what == "too many files"


def test_a_file_larger_than_the_cloud_takes_is_refused_by_its_header() -> None:
    header = bytearray(tarred({"app.bin": b"x"})[:512])
    header[124:136] = b"%011o\0" % 100_000_001
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    with pytest.raises(ImageRejected, match="too large"):
        opened(bytes(header)).feed(bytes(header))


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        (tarfile.SYMTYPE, "symbolic link"),
        (tarfile.LNKTYPE, "hard link"),
        (tarfile.CHRTYPE, "character device"),
        (tarfile.FIFOTYPE, "FIFO"),
    ],
)
def test_links_and_devices_are_refused(kind: bytes, found: str) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        info = tarfile.TarInfo("app.bin")
        info.type, info.linkname = kind, "/etc/passwd"
        archive.addfile(info)
    error = refusal(out.getvalue())
    assert (error.what, found in error.found) == ("not a plain file", True)


def test_a_link_in_a_zip_is_refused() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        info = zipfile.ZipInfo("app.bin")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, IMAGE)
    assert refusal(out.getvalue()).what == "a link"


def test_pax_headers_must_not_rename_or_resize() -> None:
    long_name = "d/" * 60 + "app.bin"
    error = refusal(tarred({long_name: IMAGE}, tarfile.PAX_FORMAT))
    assert (error.what, error.found) == ("pax header changes a file", "b'path'")


def bent_zip(offset_of: bytes, at: int, new: bytes, package: bytes | None = None) -> bytes:
    """A zip with *new* at *at* bytes behind the last header that begins with *offset_of*."""
    made = bytearray(package or zipped({"app.bin": IMAGE}))
    place = made.rindex(offset_of) + at
    made[place : place + len(new)] = new
    return bytes(made)


LOCAL, CENTRAL, END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"


@pytest.mark.parametrize(
    ("package", "what"),
    [
        (bent_zip(LOCAL, 6, b"\x01\x00"), "file is encrypted"),
        (bent_zip(LOCAL, 6, b"\x20\x00"), "file has unknown flags"),
        (bent_zip(LOCAL, 8, b"\x0c\x00"), "file is packed in an unknown way"),
        (bent_zip(LOCAL, 22, b"\xff" * 4), "file needs zip64"),
        (bent_zip(LOCAL, 14, bytes(4)), "file is not what its header says"),
        (bent_zip(LOCAL, 22, b"\x01\x00\x00\x00"), "file is not what its header says"),
        (bent_zip(CENTRAL, 46, b"b"), "directory and local headers disagree"),
        (bent_zip(CENTRAL, 16, bytes(4)), "directory and local headers disagree"),
        (bent_zip(CENTRAL, 42, b"\x01"), "directory and local headers disagree"),
        (bent_zip(END, 10, b"\x02"), "number of files is wrong"),
        (bent_zip(END, 4, b"\x01"), "volume is wrong"),
        (bent_zip(END, 16, b"\x00"), "offset of the directory is wrong"),
        (b"PK\x03\x04" + bytes(26) + b"PK\x05\x06" + bytes(18), "name of a file cannot be"),
        (zipped({"app.bin": IMAGE}).replace(CENTRAL, b"PK\x06\x06"), "no part of a zip archive"),
    ],
)
def test_tricks_with_zip_headers(package: bytes, what: str) -> None:
    assert refusal(package).what == what


def test_two_archives_in_a_row_are_refused() -> None:
    """A reader that begins at the end would find the second one."""
    first, second = zipped({"app.bin": IMAGE}), zipped({"app.bin": image(4000, 11)})
    assert refusal(first + second).what == "data behind the archive's end"


def test_a_stored_file_that_tells_its_size_later_is_refused() -> None:
    package = MAKERS["zip, streamed"]({"app.bin": IMAGE})
    stored = bytearray(package)
    stored[8:10] = b"\0\0"
    assert refusal(bytes(stored)).what == "a stored file tells no size"


def test_gzip_checks() -> None:
    package = gzipped({"app.bin": IMAGE})
    crc = struct.pack("<I", zlib.crc32(tarred({"app.bin": IMAGE})) ^ 1)
    assert refusal(package[:-8] + crc + package[-4:]).what == "stream is not what its end says"
    assert refusal(package + package).what == "data behind the stream's end"
    assert refusal(b"\x1f\x8b\x08\xe0" + package[4:]).what == "no gzip header"
    assert refusal(gzip.compress(IMAGE)).what == "no tar header"


@pytest.mark.parametrize("flags", range(32))
def test_gzip_headers_with_every_field(flags: int) -> None:
    body = gzipped({"app.bin": IMAGE})[10:]
    head = b"\x1f\x8b\x08" + bytes((flags,)) + bytes(6)
    head += b"\x03\x00abc" if flags & 4 else b""
    head += b"name\0" if flags & 8 else b""
    head += b"comment\0" if flags & 16 else b""
    head += struct.pack("<H", zlib.crc32(head) & 0xFFFF) if flags & 2 else b""
    assert read(head + body, list(range(60))) == IMAGE


NEIGHBOURS = ["__MACOSX/._app.bin", "._app.bin", ".DS_Store", "sub/Thumbs.db", "sub/desktop.ini"]


@EVERY_KIND
@pytest.mark.parametrize("place", ["before", "behind"])
def test_what_a_desktop_leaves_beside_an_image_is_no_image(kind: str, place: str) -> None:
    beside = {name: bytes.fromhex("00051607") + bytes(60) for name in NEIGHBOURS}
    files = {**beside, "app.bin": IMAGE} if place == "before" else {"app.bin": IMAGE, **beside}
    package = packed(kind, files)
    for step in (1, 1024, len(package)):
        assert read(package, list(range(0, len(package), step))) == IMAGE


@EVERY_KIND
def test_a_folder_that_is_packed_as_a_dot(kind: str) -> None:
    files = {"./": b"", "./sub/": b"", "./sub/notes.txt": b"n", "./app.bin": IMAGE}
    assert read(packed(kind, files), []) == IMAGE
    twice = packed(kind, {"app.bin": IMAGE, "./app.bin": IMAGE})
    assert "name comes twice" in refusal(twice).message


def test_pax_headers_may_carry_what_neither_renames_nor_resizes() -> None:
    def with_headers(**headers: str) -> bytes:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
            info = tarfile.TarInfo("app.bin")
            info.size, info.pax_headers = len(IMAGE), headers
            archive.addfile(info, io.BytesIO(IMAGE))
        return out.getvalue()

    good = {"LIBARCHIVE.xattr.com.apple.quarantine": "MDA4Mw", "SCHILY.dev": "1", "uid": "501"}
    assert read(with_headers(**good), []) == IMAGE
    for bad in ({"SCHILY.realsize": "9"}, {"GNU.sparse.name": "b.bin"}, {"hdrcharset": "BINARY"}):
        assert "pax header changes a file" in refusal(with_headers(**bad)).message
