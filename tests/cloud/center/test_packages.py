"""Uploads: kept beside the center file, never outside of it, and nothing of what is refused."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from mcu_updater.cloud.center import packages
from mcu_updater.cloud.center.packages import UploadRefused, UploadTooLarge, keep_upload
from mcu_updater.core.errors import PortError
from tests.cloud.center import centers


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "center"
    folder.mkdir()
    return folder / "center.toml"


def everything(path: Path) -> set[str]:
    return {found.relative_to(path.parents[1]).as_posix() for found in path.parents[1].rglob("*")}


def test_an_upload_is_kept(path: Path):
    kept = keep_upload(path, "pump 2.0.0", "pump-2.0.0.BIN", [b"ab", b"", b"c"])
    assert kept.path == Path("center.packages/pump_2.0.0/pump-2.0.0.bin")
    assert (kept.size, kept.sha256) == (3, hashlib.sha256(b"abc").hexdigest())
    assert (path.parent / kept.path).read_bytes() == b"abc"


def test_nothing_is_written_over(path: Path):
    first = keep_upload(path, "a/b", "x.tar.gz", [b"1"])
    assert keep_upload(path, "a?b", "x.tar.gz", [b"1"]) == first
    second = keep_upload(path, "a?b", "x.tar.gz", [b"2"])
    third = keep_upload(path, "a?b", "x.tar.gz", [b"3"])
    assert [kept.path.name for kept in (first, second, third)] == [
        "x.tar.gz",
        "x-2.tar.gz",
        "x-3.tar.gz",
    ]
    assert (path.parent / first.path).read_bytes() == b"1"


@pytest.mark.parametrize(
    ("filename", "name"),
    [
        ("../../etc/x.bin", "x.bin"),
        ("C:\\Windows\\x.bin", "x.bin"),
        ("/etc/x.bin", "x.bin"),
        ("..bin", "package.bin"),
        (".bin", "package.bin"),
        (".hidden.bin", "hidden.bin"),
        ("con.bin", "_con.bin"),
        ("a\0b\nc.bin", "a_b_c.bin"),
        ("<script>.bin", "script.bin"),
        ("\ud800x.bin", "x.bin"),
        ("u\u0308.bin", "\u00fc.bin"),
        ("x.bin_1", "x.bin_1"),
        ("\u00fc" * 300 + ".zip", "\u00fc" * 40 + ".zip"),
    ],
)
def test_names_lead_nowhere_else(filename: str, name: str, path: Path):
    for package in ("p", "..", "../..", "/etc", "", "\0", "nul", "x" * 300):
        kept = keep_upload(path, package, filename, [b"1"])
        assert kept.path.name == name
        assert kept.path.parts[0] == "center.packages"
        assert len(kept.path.parts) == 3
    assert all(
        found.startswith("center/center.packages") for found in everything(path) - {"center"}
    )


@pytest.mark.parametrize(
    "filename", ["x.exe", "bin", "", "x.bin/", "x.bin ", "x.bin\0", "x.tar.xz"]
)
def test_other_files_are_refused(filename: str, path: Path):
    with pytest.raises(UploadRefused, match=r"takes no such file.*\.bin \.rar"):
        keep_upload(path, "p", filename, [b"1"])
    assert everything(path) == {"center"}


def test_the_limit_holds_while_it_is_read(path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(packages, "MAX_FILE_SIZE", 10)
    taken = []

    def chunks() -> Iterator[bytes]:
        for size in (4, 6, 1, 1):
            taken.append(size)
            yield b"x" * size

    with pytest.raises(UploadTooLarge, match="1 to 10 bytes"):
        keep_upload(path, "p", "x.bin", chunks())
    assert taken == [4, 6, 1]  # the rest was not asked for
    assert everything(path) == {"center"}
    with pytest.raises(UploadRefused, match="is empty"):
        keep_upload(path, "p", "x.bin", [])
    assert everything(path) == {"center"}
    assert keep_upload(path, "p", "x.bin", [b"x" * 10]).size == 10


@pytest.mark.parametrize("error", [KeyboardInterrupt, ConnectionResetError, GeneratorExit])
def test_nothing_is_left_of_what_breaks_off(error: type[BaseException], path: Path):
    def chunks() -> Iterator[bytes]:
        yield b"half"
        raise error

    with pytest.raises((error, PortError)):
        keep_upload(path, "p", "x.bin", chunks())
    assert everything(path) == {"center"}
    keep_upload(path, "p", "y.bin", [b"1"])
    with pytest.raises((error, PortError)):
        keep_upload(path, "p", "x.bin", chunks())
    assert len(everything(path)) == 4


@pytest.mark.parametrize("link", ["center.packages", "center.packages/p"])
def test_a_link_in_place_of_the_folder_leads_nowhere(link: str, path: Path):
    elsewhere = path.parents[1] / "elsewhere"
    elsewhere.mkdir()
    (path.parent / link).parent.mkdir(exist_ok=True)
    (path.parent / link).symlink_to(elsewhere)
    with pytest.raises(PortError, match="leads out of the folder"):
        keep_upload(path, "p", "x.bin", [b"1"])
    assert not list(elsewhere.iterdir())


def test_uploads_that_nobody_names_are_forgotten(path: Path):
    kept = [keep_upload(path, "p", "x.bin", [data]).path for data in (b"1", b"2")]
    (path.parent / "mine.bin").write_bytes(b"by hand")
    one = replace(centers.package(), files=(kept[0],))
    center = centers.center(packages=(one,))
    packages.forget_uploads(path, [*kept, Path("mine.bin"), Path("../center/mine.bin")], center)
    assert (path.parent / kept[0]).exists()
    assert not (path.parent / kept[1]).exists()
    assert (path.parent / "mine.bin").exists()
    packages.forget_uploads(path, kept, replace(center, packages=()))
    assert not (path.parent / kept[0]).parent.exists()


def test_uploads_at_once_take_names_of_their_own(path: Path):
    """Others break off meanwhile, and take the folder with them where it is empty."""

    def upload(number: int) -> str:
        broken = number % 2
        chunks = [b"%d" % number, b"" if not broken else None]
        with suppress(TypeError):
            return keep_upload(path, "p", "x.bin", chunks).path.name  # type: ignore[arg-type]
        return ""

    with ThreadPoolExecutor(8) as pool:
        names = [name for name in pool.map(upload, range(40)) if name]
    assert len(set(names)) == 20
    folder = packages.packages_folder(path) / "p"
    assert {found.name for found in folder.iterdir()} == set(names)
    assert sorted(int((folder / name).read_bytes()) for name in names) == list(range(0, 40, 2))
