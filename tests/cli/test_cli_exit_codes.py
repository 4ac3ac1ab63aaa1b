"""Each documented exit code, reached through the command; and what stays untouched."""

import json
import random
import zipfile
from pathlib import Path

import pytest

from flash_emulator import EmulatedFlash
from mcu_updater.cli import exits
from mcu_updater.quectel.emulated.pipe import ModulePipe
from tests.cli.command_line import NEW, OLD, run, runs, status, update


@pytest.fixture
def board(tmp_path: Path) -> Path:
    file = tmp_path / "one.board"
    assert run("board", "new", file, "--version", "1.0.0", "--image", OLD).exit_code == 0
    return file


def test_the_table_is_the_documented_one():
    assert sorted(exits.MEANINGS) == [*range(16), 129, 130, 141, 143]
    assert set(exits.CODES.values()) <= set(exits.MEANINGS)
    help_text = run("--help").stdout
    for code, meaning in exits.MEANINGS.items():
        assert f"{code:>3}  {meaning}" in help_text


@pytest.mark.parametrize(
    "options",
    [
        ("--part", "STM32X999"),
        ("--to", "a b"),
        ("--to", ""),
        ("--to", "1" * 65),
        ("--from", "1.0:0"),
        ("--component", "a:b"),
        ("--component", "x" * 33),
        ("--component", 'a"b'),
        ("--base", "0x1_0000_0000"),
        ("--base", "somewhere"),
        ("--read-size", 0),
        ("--read-size", 4097),
        ("--read-size", 4097),
        ("--piece-size", 0),
        ("--md5", "12"),
        ("--sha256", "0" * 63 + "g"),
        ("--cut-at", 0),
        ("--cut-module",),
        ("--outcome", "maybe"),
        ("--attempts", 9),
        ("--json", "--quiet"),
        ("--no-such-option",),
    ],
    ids=str,
)
def test_usage_errors_touch_nothing(options: tuple[object, ...], board: Path):
    before = board.read_bytes()
    result = update("--board", board, *options)
    assert result.exit_code == 2, result.output
    assert "error: " in result.stderr.lower()
    lines = result.stdout.splitlines()  # programs are told, too
    assert [json.loads(line)["exit_code"] for line in lines] == [2] * ("--json" in options)
    assert board.read_bytes() == before


def test_an_image_that_cannot_be_read_touches_nothing(tmp_path: Path):
    for image in (tmp_path / "none.bin", tmp_path):
        fresh = tmp_path / "fresh.board"
        assert update("--board", fresh, image=image).exit_code == 4
        assert not fresh.exists()


# --- 3


def garbled(tmp_path: Path, name: str) -> Path:
    raw, hex_ = NEW["bin"].read_bytes(), NEW["hex"].read_text()
    s19 = NEW["s19"].read_text()
    data = {
        "empty": b"",
        "garbage": bytes(range(256)) * 20,
        "over-the-slot": raw + bytes(448 * 1024),
        "truncated-hex": "".join(hex_.splitlines(keepends=True)[:-1]).encode(),
        "half-a-line": hex_[: len(hex_) // 2].encode(),
        "changed-hex": hex_.replace("\n:1", "\n:2", 1).encode(),
        "truncated-s19": "".join(s19.splitlines(keepends=True)[:-1]).encode(),
        "changed-s19": s19.replace("S3", "S2", 1).encode(),
    }[name]
    file = tmp_path / name
    file.write_bytes(data)
    return file


@pytest.mark.parametrize(
    "name",
    [
        "empty",
        "garbage",
        "over-the-slot",
        "truncated-hex",
        "half-a-line",
        "changed-hex",
        "truncated-s19",
        "changed-s19",
    ],
)
def test_a_bad_image_is_rejected(name: str, tmp_path: Path, board: Path):
    check_rejected(board, image=garbled(tmp_path, name))


@pytest.mark.parametrize(
    "options",
    [
        ("--md5", "0" * 32),
        ("--sha256", "0" * 64),
        ("--base", "0x0800_0000"),
        ("--base", "0x0808_8000"),
    ],
    ids=str,
)
@pytest.mark.parametrize("piece_size", [None, 3000])
def test_a_wrong_announcement_is_rejected(
    options: tuple[object, ...], piece_size: int | None, board: Path
):
    pieces = () if piece_size is None else ("--piece-size", piece_size)
    check_rejected(board, *options, *pieces)


def check_rejected(board: Path, *options: object, image: Path = NEW["bin"]) -> None:
    active = status(board)["banks"][0]
    result = update("--board", board, *options, image=image)
    assert result.exit_code == 3, result.output
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert status(board)["banks"][0] == active
    assert runs(board) == ("A", "1.0.0", "CONFIRMED")


# --- 4


@pytest.mark.parametrize("command", [("board", "status"), ("board", "boot"), ("board", "why")])
def test_a_bad_board_file(command: tuple[str, ...], tmp_path: Path):
    bad = tmp_path / "bad.board"
    bad.write_bytes(b"no board")
    for file in (bad, tmp_path / "none.board", tmp_path):
        result = run(*command, file)
        assert (result.exit_code, result.stderr[:7]) == (4, "error: ")
    assert bad.read_bytes() == b"no board"


def test_a_damaged_board_file_never_ends_in_a_traceback(board: Path):
    whole = board.read_bytes()
    rng = random.Random(4)
    codes = set()
    for _ in range(100):
        damaged = bytearray(whole)
        damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
        board.write_bytes(damaged)
        result = run("board", "status", board)
        codes.add(result.exit_code)
        assert result.exit_code in (0, 4), result.exception
    assert 4 in codes
    with zipfile.ZipFile(board, "w") as archive:
        archive.writestr("board.json", "[]")
    assert run("board", "status", board).exit_code == 4


def test_update_on_a_bad_board_file(tmp_path: Path):
    bad = tmp_path / "bad.board"
    bad.write_bytes(b"no board")
    result = update("--board", bad)
    assert result.exit_code == 4
    assert "found a file of another kind, or one whose end is missing" in result.stderr
    assert update("--board", tmp_path / "none" / "x.board").exit_code == 4


def test_new_does_not_overwrite(board: Path):
    before = board.read_bytes()
    assert run("board", "new", board, "--version", "9").exit_code == 4
    assert board.read_bytes() == before
    assert run("board", "new", board, "--version", "9", "--force").exit_code == 0
    assert runs(board) == ("A", "9", "CONFIRMED")


def test_an_unplugged_module(board: Path, monkeypatch: pytest.MonkeyPatch):
    ordinary = ModulePipe.read

    def read(self: ModulePipe, timeout_s: float) -> bytes:
        if self.bytes_received > 500:
            self.unplug()
        return ordinary(self, timeout_s)

    monkeypatch.setattr(ModulePipe, "read", read)
    result = update("--board", board)
    assert (result.exit_code, "the module is gone" in result.stderr) == (4, True)


# --- 5


@pytest.mark.parametrize("options", [("--from", "0.9"), ("--component", "Other")], ids=str)
def test_no_plan_for_this_board(options: tuple[str, ...], board: Path):
    result = update("--board", board, *options)
    assert (result.exit_code, options[1] in result.stderr) == (5, True)
    assert "offers no upgrade" in result.stderr
    assert runs(board) == ("A", "1.0.0", "CONFIRMED")


def test_a_plan_for_this_version_is_offered(board: Path):
    assert update("--board", board, "--from", "1.0.0").exit_code == 0


# --- 7, 8, 9, 10


def test_flash_that_does_not_hold_what_was_written(board: Path, monkeypatch: pytest.MonkeyPatch):
    ordinary = EmulatedFlash.program
    stuck = 0x0808_9000

    def program(self: EmulatedFlash, address: int, data: bytes) -> None:
        ordinary(self, address, data)
        if address <= stuck < address + len(data):
            self.preload(stuck, bytes([self.read(stuck, 1)[0] ^ 0x10]))

    monkeypatch.setattr(EmulatedFlash, "program", program)
    result = update("--board", board)
    assert (result.exit_code, "0x0808_9000" in result.stderr) == (7, True)
    monkeypatch.undo()
    assert runs(board) == ("A", "1.0.0", "CONFIRMED")


def test_a_module_that_does_not_answer(board: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ModulePipe, "write", lambda self, data: None)
    result = update("--board", board, "--json")
    assert (result.exit_code, "no usable answer" in result.stderr) == (8, True)
    assert '"retries": 4' in result.stdout
    monkeypatch.undo()
    assert runs(board) == ("A", "1.0.0", "CONFIRMED")


@pytest.mark.parametrize("trial", ["fail", "crash"])
def test_a_failed_trial_is_reverted(trial: str, board: Path):
    result = update("--board", board, "--trial", trial, "--attempts", 2)
    assert result.exit_code == 10
    assert " module  10706 " in result.stdout
    assert "Result: reverted" in result.stdout
    assert result.stderr.startswith("error: version 2.0.0 did not pass its trial")
    assert result.stdout.count("bank B is on trial, attempt") == (2 if trial == "crash" else 1)
    assert runs(board) == ("A", "1.0.0", "CONFIRMED")
    assert update("--board", board).exit_code == 0


def test_boot_has_the_same_codes(board: Path):
    assert run("board", "boot", board).exit_code == 0  # nothing was asked for
    assert run("board", "boot", board, "--cut-at", 1).exit_code == 2
    assert update("--board", board, "--cut-at", 600).exit_code == 9
    assert run("board", "boot", board, "--cut-at", 5, "--outcome", "after").exit_code == 9
    assert run("board", "boot", board, "--trial", "fail").exit_code == 10


def test_interrupt_outside_a_session(board: Path, monkeypatch: pytest.MonkeyPatch):
    def load(_: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mcu_updater.cli.device.board.load_board", load)
    assert run("board", "status", board).exit_code == 130


@pytest.mark.parametrize(
    "command",
    [
        "part show",
        "chip serve",
        "board new new.board --version 1 --part",
        "powerloss --states 1 --part",
        "image check old.bin --part",
        "update old.bin --part",
        "info --port x --part",
    ],
)
def test_a_part_file_is_judged_as_any_other_file(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("old.bin").write_bytes(OLD.read_bytes())
    Path("folder.toml").mkdir()
    Path("garbage.toml").write_bytes(bytes(range(256)))
    Path("other.toml").write_text("a = 1\n")
    for name, code in (
        ("missing.toml", 4),
        ("folder.toml", 4),
        ("garbage.toml", 3),
        ("other.toml", 3),
        ("STM32L476xz", 2),
    ):
        result = run(*command.split(), name)
        assert result.exit_code == code, (name, result.stderr)
        assert name in result.stderr


def test_a_folder_that_is_a_file_is_one_that_cannot_be_used(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"mine")
    result = run("powerloss", "--size", 300, "--states", 1, "--quiet", "--certificates", file)
    assert result.exit_code == 4 and str(file) in result.stderr
    assert file.read_bytes() == b"mine"
