"""A file is written whole or not at all, and never over what was read."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from mcu_updater.core.errors import PortError, Remedy, UsageError
from mcu_updater.storage import check_output, new_file, write_whole

FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from mcu_updater.core.errors import PortError
from mcu_updater.storage import write_whole
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_whole(Path(sys.argv[1]), bytes(5000))
except PortError as error:
    print(error.message)
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def umask_027():
    before = os.umask(0o027)
    yield
    os.umask(before)


def test_a_new_file_honours_the_umask(tmp_path, umask_027):
    write_whole(tmp_path / "new", b"1")
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640
    assert names(tmp_path) == ["new"]


@pytest.mark.parametrize("mode", [0o600, 0o755, 0o664])
def test_a_replaced_file_keeps_its_permissions(tmp_path, mode, umask_027):
    file = tmp_path / "old"
    file.write_bytes(b"1")
    file.chmod(mode)
    write_whole(file, b"22")
    assert (file.read_bytes(), stat.S_IMODE(file.stat().st_mode)) == (b"22", mode)


def test_a_symbolic_link_stays_one(tmp_path):
    (tmp_path / "real").write_bytes(b"1")
    (tmp_path / "link").symlink_to("real")
    write_whole(tmp_path / "link", b"2")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"2"


@pytest.mark.parametrize("exists", [True, False])
def test_a_full_disk_leaves_what_was_there_and_nothing_else(tmp_path, exists):
    file = tmp_path / "file"
    if exists:
        file.write_bytes(b"old")
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(file)], capture_output=True, text=True, check=True
    )
    assert "cannot be written" in done.stdout
    assert names(tmp_path) == (["file"] if exists else [])
    assert not exists or file.read_bytes() == b"old"


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_who_stops_half_way_leaves_nothing(tmp_path, error):
    with pytest.raises(error), new_file(tmp_path / "file") as file:
        file.write(b"half")
        raise error
    assert names(tmp_path) == []


def test_a_name_of_any_length_has_room_beside_it(tmp_path):
    for name in ("n" * 255, "\N{GREEK SMALL LETTER MU}" * 127):
        write_whole(tmp_path / name, b"1")
        assert (tmp_path / name).read_bytes() == b"1"


def test_what_is_no_file_is_written_to_as_it_is():
    write_whole(Path("/dev/null"), b"1")
    assert Path("/dev/null").is_char_device()
    with pytest.raises(PortError, match="No space left"):
        write_whole(Path("/dev/full"), b"1")


def test_an_output_that_exists_needs_force(tmp_path):
    file = tmp_path / "file"
    check_output(file)
    file.write_bytes(b"")
    with pytest.raises(PortError, match="exists already") as caught:
        check_output(file)
    assert caught.value.remedies == (Remedy.REPLACE,)
    check_output(file, force=True)


def same_files(folder: Path) -> list[Path]:
    """Other names of ``folder/one``."""
    (folder / "sub").mkdir()
    (folder / "hard").hardlink_to(folder / "one")
    (folder / "soft").symlink_to("one")
    (folder / "sub" / "far").symlink_to(folder / "soft")
    return [
        folder / "one",
        folder / "hard",
        folder / "soft",
        folder / "sub" / "far",
        folder / "sub" / ".." / "one",
    ]


def test_an_input_is_never_written_over(tmp_path):
    (tmp_path / "one").write_bytes(b"1")
    for name in same_files(tmp_path):
        with pytest.raises(UsageError, match="a file that is read"):
            check_output(name, inputs=[tmp_path / "one"], force=True)


@pytest.mark.parametrize(
    ("name", "why"), [("", "a directory"), ("none/file", "no folder"), ("one/file", "irectory")]
)
def test_where_no_file_can_be_made(tmp_path, name, why):
    (tmp_path / "one").write_bytes(b"1")
    with pytest.raises(PortError, match=why):
        check_output(tmp_path / name, force=True)
