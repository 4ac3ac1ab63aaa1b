"""Whole upgrades of the emulated board: real images, every format, and input that is refused."""

from pathlib import Path
from typing import Any

import pytest

from flash_emulator import load_part
from mcu_updater.board import Board, Trial, load_board, save_board
from mcu_updater.cloud.single_device import ComponentState, Package, Plan
from mcu_updater.core.errors import (
    ImageRejected,
    LinkError,
    ModuleRefused,
    PortError,
    Reverted,
    UpdaterError,
    UsageError,
    VerificationFailed,
)
from mcu_updater.core.events import Event, ModuleSaid, ModuleTold
from mcu_updater.core.session import Policy, SessionOutcome
from mcu_updater.quectel.emulated.module import EmulatedModule
from mcu_updater.quectel.emulated.options import Faults, ModuleOptions
from tests import worlds
from tests.places import FIXTURES
from tests.project.released import pybricks_firmware

NORMAL = [10700, 10700, 10701, 10702, 10703, 10704, 10705]


def codes(events: list[Event]) -> list[int]:
    """Codes of the module's events, repeats of 10702 taken out."""
    said = [event.code for event in events if isinstance(event, ModuleSaid)]
    return [code for i, code in enumerate(said) if code != 10702 or said[i - 1] != 10702]


def running(board: Board) -> tuple[str, str]:
    """Bank and version of what the next start would run."""
    decision = board.would_boot()
    assert decision.bank is not None
    bank = board.banks()[decision.bank]
    return bank.name, bank.journal.read().version


@pytest.mark.parametrize("fmt", ["bin", "hex", "s19"])
def test_our_own_firmware(fmt: str) -> None:
    old, new = (FIXTURES / f"fixture-{v}.bin" for v in ("1.0.0", "2.0.0"))
    board = Board.new(load_part(worlds.PART), "1.0.0", old.read_bytes())
    package = (FIXTURES / f"fixture-2.0.0.{fmt}").read_bytes()
    board.offer(Plan("STM32", "2.0.0", Package(package)))
    events = worlds.run(board)
    assert board.result.outcome is SessionOutcome.UPDATED
    assert codes(events) == NORMAL
    assert running(board) == ("B", "2.0.0")
    image = new.read_bytes()
    assert board.banks()[1].slot.read(0, len(image)) == image
    assert board.center.history[-1].state is ComponentState.SUCCESS


@pytest.mark.network
@pytest.mark.parametrize("hub", ["primehub", "technichub"])
def test_between_two_releases_that_nobody_here_made(hub: str) -> None:
    old, new = pybricks_firmware("7.27.0", hub), pybricks_firmware("7.28.0", hub)
    board = Board.new(load_part(worlds.PART), "7.27.0", old, component="hub")
    board.offer(Plan("hub", "7.28.0", Package(new), source_version="7.27.0"))
    events = worlds.run(board)
    assert codes(events) == NORMAL
    assert running(board) == ("B", "7.28.0")
    assert board.banks()[1].slot.read(0, len(new)) == new
    assert board.banks()[0].slot.read(0, len(old)) == old


def test_there_and_back_and_there_again() -> None:
    """Four updates in a row: the banks take turns, and every generation is one higher."""
    board = worlds.board("bin")
    for number, version in enumerate(["2.0.0", "3.0.0", "4.0.0", "5.0.0"]):
        board.offer(Plan("STM32", version, Package(worlds.package("hex", version))))
        worlds.run(board)
        assert board.result.outcome is SessionOutcome.UPDATED
        bank, running_version = running(board)
        assert (bank, running_version) == ("BA"[number % 2], version)
        assert board.banks()["AB".index(bank)].journal.read().generation == number + 2


def test_a_package_in_pieces_is_read_piece_by_piece() -> None:
    board = worlds.board("hex", piece_size=1000)
    events = worlds.run(board)
    pieces = [e.text for e in events if isinstance(e, ModuleSaid) and e.code == 10703]
    length = len(worlds.package("hex", "2.0.0"))
    assert len(pieces) == -(-length // 1000)
    assert pieces[1] == f"bytes 1000 to 1999 of {length} can be read"
    assert board.result.outcome is SessionOutcome.UPDATED


@pytest.mark.parametrize("read_size", [1, 7, 100, 1023, 1024])
def test_any_read_size_gives_the_same_flash(read_size: int) -> None:
    board = worlds.board("s19")
    worlds.run(board, policy=Policy(read_size=read_size))
    assert board.result.outcome is SessionOutcome.UPDATED
    assert board.banks()[1].slot.read(0, 4500) == worlds.image("2.0.0")


def test_no_version_is_reported_between_confirm_and_verdict() -> None:
    events = worlds.run(worlds.board("bin"))
    confirmed = next(i for i, e in enumerate(events) if e == ModuleTold("the plan is confirmed"))
    reports = [e.text for e in events[confirmed:] if isinstance(e, ModuleTold) if "runs" in e.text]
    assert reports == ["STM32 runs version 2.0.0"]


@pytest.mark.parametrize("trial", [Trial.FAIL, Trial.CRASH])
def test_an_image_that_does_not_confirm_is_reverted(trial: Trial) -> None:
    board = worlds.board("bin")
    events = worlds.run(board, trial=trial)
    assert codes(events)[-1] == 10706
    assert board.result.outcome is SessionOutcome.REVERTED
    assert isinstance(board.result.error, Reverted)
    assert running(board) == ("A", "1.0.0")
    assert board.module.versions == {"STM32": "1.0.0"}


def test_board_file_keeps_everything(tmp_path: Path) -> None:
    board = worlds.board("hex", piece_size=3000)
    save_board(board, tmp_path / "one.board")
    copy = load_board(tmp_path / "one.board")
    worlds.run(board)
    worlds.run(copy)
    assert copy.device.cells.export() == board.device.cells.export()
    assert copy.device.digest() == board.device.digest()
    assert copy.clock.now_us == board.clock.now_us
    assert copy.module.versions == board.module.versions == {"STM32": "2.0.0"}


@pytest.mark.parametrize("names", [{"component": "C" * 33}, {"version": "9" * 65}, {"version": ""}])
def test_names_that_a_header_cannot_hold_are_refused(names: dict[str, str]) -> None:
    fields: dict[str, Any] = {"version": "1.0.0"} | names
    with pytest.raises(UsageError, match=r"bad (component|version); expected 1 to"):
        Board.new(load_part(worlds.PART), **fields)


# --- input that is refused: the error, the active slot, and what the module was told


def refused(board: Board) -> UpdaterError:
    """Run; the active slot must be untouched, and the old version run and be reported."""
    before = board.banks()[0].slot.read(0, board.banks()[0].slot.size)
    worlds.run(board)
    error = board.result.error
    assert error is not None
    assert board.banks()[0].slot.read(0, len(before)) == before
    assert running(board) == ("A", "1.0.0")
    assert board.module.versions == {"STM32": "1.0.0"}
    return error


def offering(package: Package, **plan: str) -> Board:
    board = Board.new(load_part(worlds.PART), "1.0.0", worlds.image("1.0.0"))
    fields: dict[str, Any] = {"component": "STM32", "target_version": "2.0.0"} | plan
    board.offer(Plan(package=package, **fields))
    return board


def flipped(data: bytes, position: int) -> bytes:
    return data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]


GOOD = worlds.package("bin", "2.0.0")
HEX = worlds.package("hex", "2.0.0")
SREC = worlds.package("s19", "2.0.0")


@pytest.mark.parametrize(
    ("package", "message"),
    [
        (Package(GOOD, md5=bytes(16)), "MD5 of the package is wrong"),
        (Package(GOOD, sha256=bytes(32)), "SHA-256 of the package is wrong"),
        (Package(GOOD[:6]), "image without a vector table"),
        (Package(bytes(8) + GOOD[8:]), "initial stack pointer is not in RAM"),
        (Package(GOOD * 120), "the package is larger than the slot"),
        (Package(HEX[: len(HEX) // 2]), "line"),
        (Package(HEX[: HEX.rindex(b":")]), "end-of-file record"),
        (Package(flipped(HEX, 300)), "line"),
        (Package(SREC[: SREC.rindex(b"S5")]), "terminator"),
        (Package(flipped(SREC, 301)), "line"),
        (Package(HEX.replace(b":020000040800", b":020000040801", 1)), "line 1"),
        (Package(b"\xef\xbb\xbf" + HEX), "byte order mark"),
        (Package(b"not an image at all, sir"), "text, and no image format"),
        (Package(bytes(range(100))), "stack pointer"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_packages(package: Package, message: str) -> None:
    board = offering(package)
    error = refused(board)
    assert isinstance(error, ImageRejected)
    assert message in error.message
    assert board.center.history[-1].state is ComponentState.FAILED


def test_an_image_linked_for_another_address() -> None:
    moved = GOOD.replace(b"\x41\x80\x00\x08", b"\x41\x80\x01\x09")  # its reset vector
    board = offering(Package(moved))
    error = refused(board)
    assert "another address" in error.message
    assert "0x0901_8040" in error.message


def test_a_raw_image_with_a_base_outside_the_slot() -> None:
    board = offering(Package(GOOD))
    worlds.run(board, policy=Policy(base=0x0800_0000))
    assert isinstance(board.result.error, ImageRejected)
    assert "data outside the slot" in board.result.error.message
    assert "0x0800_0000" in board.result.error.message


def test_nothing_is_erased_in_the_slot_before_the_vector_table_is_believed() -> None:
    board = offering(Package(bytes(8) + GOOD[8:]))
    board.banks()[1].slot.program(0, bytes(range(16)))
    refused(board)
    assert board.banks()[1].slot.read(0, 16) == bytes(range(16))


def test_the_cloud_offers_nothing_to_another_source_version() -> None:
    error = refused(offering(Package(GOOD), source_version="0.9.0"))
    assert isinstance(error, ModuleRefused)
    assert "offers no upgrade" in error.message


class RogueCenter:
    """A cloud that offers its plan to everybody: the device must look at it itself."""

    def __init__(self, board: Board) -> None:
        self.center = board.center

    def message(self, versions: object, now_s: float, *, pushed: bool) -> list[Plan]:
        return [self.center.plans[0]]

    def __getattr__(self, name: str) -> object:
        return getattr(self.center, name)


@pytest.mark.parametrize(
    ("plan", "why"),
    [
        ({"component": "ESP32"}, "for component 'ESP32'"),
        ({"source_version": "0.9.0"}, "from version '0.9.0'"),
        ({"target_version": "1.0.0"}, "running already"),
    ],
)
def test_a_plan_that_is_not_for_us_is_refused(plan: dict[str, str], why: str) -> None:
    board = offering(Package(GOOD), **plan)
    board.module = EmulatedModule(RogueCenter(board), board.module.options)  # type: ignore[arg-type]
    error = refused(board)
    assert why in error.message
    assert board.device.supply.taken == 0  # not one flash operation


def with_faults(faults: Faults) -> Board:
    board = worlds.board("bin")
    board.module = EmulatedModule(board.center, board.module.options, faults)
    return board


@pytest.mark.parametrize(
    ("faults", "error"),
    [
        (Faults(silent_from=1), LinkError),
        (Faults(silent_from=9), LinkError),
        (Faults(unplug_after=1), PortError),
        (Faults(unplug_after=9), PortError),
    ],
)
def test_a_module_that_goes_away_is_an_error_and_nothing_is_lost(
    faults: Faults, error: type[UpdaterError]
) -> None:
    board = with_faults(faults)
    with pytest.raises(error):
        worlds.run(board)
    assert running(board) == ("A", "1.0.0")
    board.module = EmulatedModule.load(board.module.save(), board.center, board.module.options)
    board.clock.sleep(100)
    worlds.run(board)
    assert running(board) == ("B", "2.0.0")


def test_a_module_that_answers_error_to_the_request() -> None:
    ordinals = frozenset(("+QIOTOTAREQ", n) for n in range(1, 9))
    error = refused(with_faults(Faults(answer_error_to=ordinals)))
    assert isinstance(error, ModuleRefused)


def test_lost_commands_answers_and_bytes_are_made_up_for() -> None:
    faults = Faults(
        lose_command=frozenset({("+QIOTOTARD", 2), ("+QIOTUPDATE", 1)}),
        lose_answer=frozenset({("+QIOTOTARD", 4), ("+QIOTUPDATE", 3)}),
        noise_before_answer=b'\r\n+QIND: "csq",21,99\r\n',
        drop_sent=frozenset(range(700, 703)),
    )
    board = with_faults(faults)
    worlds.run(board)
    assert running(board) == ("B", "2.0.0")


def test_a_stuck_sector_fails_the_update_and_not_the_device() -> None:
    board = worlds.board("bin")
    stuck = board.banks()[1].slot.address + 2048
    real_erase = board.device.erase

    def erase(address: int) -> None:
        if address == stuck:
            raise OSError("WRPERR")
        real_erase(address)

    board.device.erase = erase  # type: ignore[method-assign]
    error = refused(board)
    assert isinstance(error, VerificationFailed)
    assert "sector at 0x0808_8800" in error.message


def test_a_module_that_never_sends_the_url_gives_up_and_is_asked_again() -> None:
    board = worlds.board("bin")
    board.configure_module(ModuleOptions(url_delay_s=None))
    worlds.run(board)
    assert board.result.outcome in (SessionOutcome.LOST, SessionOutcome.NO_PLAN)
    assert running(board) == ("A", "1.0.0")
    board.configure_module(ModuleOptions())
    board.offer(Plan("STM32", "2.0.1", Package(worlds.package("bin", "2.0.1"))))
    worlds.run(board)
    assert running(board) == ("B", "2.0.1")


def test_what_no_checkpoint_holds_of_a_large_sector_is_a_refusal() -> None:
    """A sector of 128 KiB, and a piece that ends within it: 16 bits say how much is held."""
    board = worlds.board(part="STM32H743xI", size=100_000, piece_size=70_000)
    worlds.run(board)
    assert board.result.outcome is SessionOutcome.REJECTED
    assert board.result.error is not None
    assert "Let the module hold the whole package" in board.result.error.message
    assert board.would_boot().version == "1.0.0"
