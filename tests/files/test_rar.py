"""RAR archives: unpacked on a host, under the rules of every package."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mcu_updater.core.errors import ImageRejected, UsageError
from mcu_updater.core.image import ImageFormat
from mcu_updater.core.package import rules
from mcu_updater.files import read_image
from mcu_updater.files.rar import RarReader
from tests.cli.command_line import NEW, run
from tests.files.rar_writer import MAGIC_4, MAGIC_5, Files, file_5, header_5, number, rar4, rar5
from tests.project.released import rar_samples

IMAGE = NEW["bin"].read_bytes()[:3000]
WRITERS = {"4": rar4, "5": rar5}
ENCRYPTED = number(3) + number(1) + number(0) + b"\0"  # a record of 3 bytes, of type 1


@pytest.fixture
def written(tmp_path: Path) -> Callable[[bytes], Path]:
    path = tmp_path / "app.rar"

    def write(data: bytes) -> Path:
        path.write_bytes(data)
        return path

    return write


@pytest.mark.parametrize("version", WRITERS)
def test_an_image_in_an_archive(version: str, written: Callable[[bytes], Path]):
    files: Files = [("readme.txt", b"hello"), ("app.bin", IMAGE)]
    found = read_image([written(WRITERS[version](files))])
    assert found.image.flat() == IMAGE
    assert (found.format, found.inner) == (ImageFormat.RAR, ImageFormat.BIN)
    assert [(one.name, one.size) for one in found.members] == [("readme.txt", 5), ("app.bin", 3000)]


def test_a_manifest_counts_as_in_any_package(written: Callable[[bytes], Path]):
    text = {"images": [{"component": "STM32", "version": "2.0.0"}]}
    manifest = ("manifest.json", json.dumps(text).encode())
    with pytest.raises(ImageRejected, match="manifest"):
        read_image([written(rar5([manifest, ("a.bin", IMAGE)]))])


BAD: dict[str, tuple[Callable[..., bytes], Files, str]] = {
    "a path upwards": (rar5, [("../a.bin", IMAGE)], "name of a file cannot be"),
    "an absolute path": (rar4, [("/a.bin", IMAGE)], "name of a file cannot be"),
    "another alphabet": (rar5, [("\u00e4.bin", IMAGE)], "name of a file cannot be"),
    "a long name": (rar5, [("a" * 101 + ".bin", IMAGE)], "name of a file cannot be"),
    "a name twice": (rar4, [("a.txt", b"1"), ("A.TXT", b"2")], "name comes twice"),
    "many files": (rar5, [(f"{at}.txt", b"1") for at in range(17)], "too many files"),
    "two images": (rar5, [("a.bin", IMAGE), ("b.bin", IMAGE)], "several images and no manifest"),
    "no image": (rar4, [("a.txt", b"text")], "package holds no image"),
    "a program": (rar5, [("a.exe", IMAGE)], "nobody can tell"),
    "a package": (rar5, [("a.bin", b"PK\x03\x04" + IMAGE)], "a package in a package"),
    "nothing": (rar5, [], "package holds no image"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_no_package_may_hold(name: str, written: Callable[[bytes], Path]):
    make, files, expected = BAD[name]
    with pytest.raises(ImageRejected, match=expected):
        read_image([written(make(files))])


def test_archives_of_a_kind_that_is_not_taken(written: Callable[[bytes], Path]):
    files: Files = [("a.bin", IMAGE)]
    main = header_5(number(1) + number(0) + number(0))
    for data, expected in (
        (rar4(files, flags=0x0001), "several volumes"),
        (rar5(files, flags=0x0001), "several volumes"),
        (rar4(files, flags=0x0080), "encrypted"),
        (MAGIC_4, "nothing behind its first bytes"),
        (MAGIC_5 + header_5(number(4) + bytes(30)), "encrypted"),
        (MAGIC_5 + main + file_5("a.bin", IMAGE, extra=ENCRYPTED), "encrypted"),
        (MAGIC_5 + main + file_5("a.bin", IMAGE, crc=7), "CRC does not match"),
        (MAGIC_5 + main + file_5("a.bin", IMAGE, size=9000), "cut short|cannot be unpacked"),
    ):
        with pytest.raises(ImageRejected, match=expected):
            read_image([written(data)])


@pytest.mark.parametrize("version", WRITERS)
def test_damage_is_found_or_changes_nothing(version: str, written: Callable[[bytes], Path]):
    whole = WRITERS[version]([("note.txt", b"x" * 20), ("app.bin", IMAGE[:300])])
    drawn = random.Random(5)
    cut = [whole[:at] for at in range(0, len(whole), 7)]
    turned = []
    for _ in range(150):
        damaged = bytearray(whole)
        damaged[drawn.randrange(len(whole))] ^= 1 << drawn.randrange(8)
        turned.append(bytes(damaged))
    for data in (*cut, *turned):
        try:
            found = read_image([written(data)])
        except ImageRejected:
            continue
        assert found.image.flat() == IMAGE[:300]


def test_limits_hold_while_it_is_unpacked(
    written: Callable[[bytes], Path], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(rules, "MEMBER_BYTES", 2000)
    with pytest.raises(ImageRejected, match="file is too large"):
        read_image([written(rar5([("a.bin", IMAGE)]))])
    monkeypatch.setattr(rules, "MEMBER_BYTES", 5000)
    monkeypatch.setattr(rules, "TOTAL_BYTES", 4000)
    taken: list[rules.Item] = []
    with pytest.raises(ImageRejected, match="unpacks to too much"):
        path = written(rar4([("a.txt", bytes(2000)), ("b.txt", bytes(3000)), ("a.bin", IMAGE)]))
        for item in RarReader(path).feed(b""):
            taken.append(item)  # noqa: PERF402  extend keeps nothing of what fails
    opened = [one.name for one in taken if isinstance(one, rules.Opened)]
    assert opened == ["a.txt", "b.txt"]


def test_what_is_missing_is_said(written: Callable[[bytes], Path], monkeypatch: pytest.MonkeyPatch):
    path = written(rar5([("a.bin", IMAGE)]))
    monkeypatch.setitem(sys.modules, "libarchive", None)
    with pytest.raises(UsageError, match=r"pip install 'mcu-updater\[rar\]'"):
        read_image([path])
    inspected = run("image", "inspect", path)
    assert (inspected.exit_code, "libarchive-c is not installed" in inspected.stderr) == (2, True)


def test_a_device_does_not_unpack_it_and_a_host_does(
    written: Callable[[bytes], Path], tmp_path: Path
):
    path = written(rar5([("a.bin", IMAGE)]))
    refused = run("update", path)
    assert (refused.exit_code, "a device cannot unpack RAR" in refused.stderr) == (3, True)
    assert "image convert" in refused.stderr
    out = tmp_path / "app.hex"
    assert run("image", "convert", path, out, "--base", "0x08008000").exit_code == 0
    assert run("update", out).exit_code == 0
    other = tmp_path / "app.bin"
    other.write_bytes(path.read_bytes())
    assert "RAR archive" in run("image", "inspect", other).stderr


SAMPLES = {
    "rar3-readonly-unix.rar": ["ro_dir/ro_file.txt"],
    "rar5-crc.rar": ["stest1.txt", "stest2.txt"],
    "rar5-solid.rar": ["stest1.txt", "stest2.txt"],
    "rar5-quick-open.rar": ["stest1.txt", "stest2.txt"],
    "rar3-solid.rar": "solid",
    "rar3-old.rar": "several volumes",
    "rar5-vols.part1.rar": "several volumes",
    "rar3-comment-hpsw.rar": "encrypted",
    "rar5-psw.rar": "encrypted",
    "rar5-hpsw.rar": "encrypted",
    "rar5-blake.rar": "no checksum",
    "rar5-hlink.rar": "a link",
    "rar5-dups.rar": "a copy of another file",
    "rar3-symlink-unix.rar": "a link",
    "unicode.rar": "name of a file cannot be",
}
"""The files of archives that RARLAB's own program made, or why they are refused."""


def test_archives_of_the_real_program(written: Callable[[bytes], Path]):
    samples = rar_samples()
    for name, expected in SAMPLES.items():
        path = written(samples[name])
        if isinstance(expected, str):
            with pytest.raises(ImageRejected, match=expected):
                list(RarReader(path).feed(b""))
        else:
            items = RarReader(path).feed(b"")
            assert [one.name for one in items if isinstance(one, rules.Opened)] == expected, name
