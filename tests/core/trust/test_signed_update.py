"""Whole updates of a board that takes signed images only: what runs, what is refused, what is kept.

Each claim of docs/explanation/security.md has its test here or in test_container.py.
"""

from __future__ import annotations

from dataclasses import replace

import bincopy
import pytest

from flash_emulator import CutAt, Outcome, PowerLoss, load_part
from mcu_updater.board import Board, Trial, load_board, save_board
from mcu_updater.cli import exits
from mcu_updater.cloud.single_device import Package, Plan
from mcu_updater.core.boot import floor_of
from mcu_updater.core.errors import ImageRejected, RolledBack, UntrustedImage
from mcu_updater.core.events import Progress, Work
from mcu_updater.core.image_version import NO_FLOOR, SecurityVersion, Version
from mcu_updater.core.journal import Phase, Reason
from mcu_updater.core.session import SessionOutcome
from mcu_updater.core.slot import Layout
from mcu_updater.core.strategy import Strategy
from tests.core.trust import signed_worlds as worlds
from tests.core.trust import signing
from tests.core.trust.test_container import rebuilt

EVERY_KIND = pytest.mark.parametrize("kind", signing.KINDS)


def take(board: Board, package: bytes, version: str) -> Board:
    board.offer(worlds.plan(package, version))
    worlds.run(board)
    return board


def slot_erases(board: Board) -> int:
    """Of sectors of the inactive bank's slot, since the factory."""
    assert isinstance(board.layout, Layout)
    slot = board.layout.slot
    first = len(board.part.sector_sizes) + slot.offset // 2048
    return sum(board.device.erase_counts[first : first + len(slot.sector_sizes)])


def reason(board: Board, bank: int) -> Reason:
    """Of what the journal of *bank* says."""
    snapshot = board.banks()[bank].journal.read().snapshot
    assert snapshot is not None
    return snapshot.reason


def check_refused(board: Board, error: type[ImageRejected], reason: Reason) -> None:
    """The old image runs on, the module heard so, and the journal says why."""
    assert board.result.outcome is SessionOutcome.REJECTED
    assert type(board.result.error) is error
    assert worlds.runs(board) == ("A", "1.0.0")
    assert board.module.versions == {worlds.COMPONENT: "1.0.0"}
    failed = board.banks()[1].journal.read().snapshot
    assert failed is not None
    assert (failed.phase, failed.reason) == (Phase.FAILED, reason)


# --- what is taken


@EVERY_KIND
@pytest.mark.parametrize("strategy", [Strategy.REMAP, Strategy.COPY])
def test_signed_by_every_kind_of_key(kind: str, strategy: Strategy) -> None:
    board = worlds.factory_board(kind, strategy=strategy)
    image = worlds.made("2.0.0", kind, counter=2)
    take(board, image, "2.0.0")
    assert board.result.outcome is SessionOutcome.UPDATED
    assert worlds.runs(board) == ("B", "2.0.0")
    snapshot = board.banks()[1].journal.read().snapshot
    assert snapshot is not None
    assert snapshot.security_version == snapshot.floor == SecurityVersion(Version(2), 2)
    assert board.banks()[1].slot.read(0, len(image)) == image


@pytest.mark.parametrize("kind", ["ed25519", "ed25519-pure", "p384"])
@pytest.mark.parametrize("size", [200, 1000, 2500])
def test_in_pieces(kind: str, size: int) -> None:
    """Nothing of the inspection is in the checkpoint: it is shown again what stands in flash."""
    board = worlds.factory_board(kind, piece_size=size)
    take(board, worlds.made("2.0.0", kind, counter=1, size=5000), "2.0.0")
    assert worlds.runs(board) == ("B", "2.0.0")
    board = worlds.factory_board(kind, piece_size=size)
    worse = bytearray(worlds.made("2.0.0", kind, counter=1, size=5000))
    worse[3000] ^= 0x10
    take(board, bytes(worse), "2.0.0")
    check_refused(board, UntrustedImage, Reason.UNTRUSTED)


@pytest.mark.parametrize("fmt", ["hex", "srec"])
def test_as_text(fmt: str) -> None:
    image = worlds.made("2.0.0", counter=1, size=3000)
    file = bincopy.BinFile()
    file.add_binary(image, signing.LINK_ADDRESS)
    file.execution_start_address = signing.LINK_ADDRESS + signing.HEADER_SIZE
    text = file.as_ihex() if fmt == "hex" else file.as_srec(address_length_bits=32)
    board = take(worlds.factory_board(), text.encode(), "2.0.0")
    assert worlds.runs(board) == ("B", "2.0.0")


def test_there_and_back_with_a_header_as_large_as_a_sector() -> None:
    board = worlds.factory_board()
    for number, version in enumerate(["2.0.0", "2.0.1", "2.1.0"]):
        image = worlds.made(version, counter=number + 1, header_size=2048)
        take(board, image, version)
        assert worlds.runs(board) == ("BA"[number % 2], version)


# --- what is refused, and when


@pytest.mark.parametrize(
    ("package", "version"),
    [
        (signing.body("2.0.0", header_size=0), "2.0.0"),  # not signed at all
        (signing.signed("2.0.0", counter=9), "3.0.0"),  # the plan says another version
        (signing.signed("2.0.0", counter=9)[:600], "2.0.0"),  # shorter than its header says
        (signing.signed("2.0.0", rom_fixed=0x0810_0000), "2.0.0"),
        (signing.signed("2.0.0", load_addr=0x2000_0000), "2.0.0"),
    ],
    ids=["unsigned", "another version", "cut short", "fixed elsewhere", "for RAM"],
)
def test_what_the_header_tells_is_found_before_the_first_erase(
    package: bytes, version: str
) -> None:
    board = worlds.factory_board()
    take(board, package, version)
    check_refused(board, UntrustedImage, Reason.UNTRUSTED)
    assert slot_erases(board) == 0


def test_what_only_the_end_tells_is_found_before_the_last_sector() -> None:
    image = signing.signed("2.0.0", counter=2, who="stranger", size=5000)
    board = worlds.factory_board()
    take(board, image, "2.0.0")
    check_refused(board, UntrustedImage, Reason.UNTRUSTED)
    assert slot_erases(board) == len(image) // 2048


def test_grown_after_signing() -> None:
    for more in (b"\0", bytes(3000)):
        board = worlds.factory_board()
        take(board, worlds.made("2.0.0", counter=2) + more, "2.0.0")
        check_refused(board, UntrustedImage, Reason.UNTRUSTED)


def test_a_tlv_trick_on_the_way() -> None:
    image = rebuilt(worlds.made("2.0.0", counter=0), more=b"\x50\x00\x04\x00\x09\x00\x00\x00")
    board = worlds.factory_board()
    take(board, image, "2.0.0")
    check_refused(board, UntrustedImage, Reason.UNTRUSTED)


def test_swapped_components() -> None:
    """Signed by the same owner for another class of devices."""
    mine, other = bytes([1] * 16), bytes([2] * 16)
    board = worlds.factory_board()
    board.trust = worlds.trust(class_id=mine)
    take(board, signing.signed("2.0.0", counter=2, cid=other.hex()), "2.0.0")
    check_refused(board, UntrustedImage, Reason.UNTRUSTED)
    take(board, signing.signed("2.0.0", counter=2, cid=mine.hex()), "2.0.0")
    assert worlds.runs(board) == ("B", "2.0.0")


def test_flash_that_holds_something_else_in_the_end_is_found_before_it_is_verified() -> None:
    """The signature counts only for what is read back from flash."""
    image = worlds.made("2.0.0", counter=2, size=5000)
    board = worlds.factory_board()
    board.offer(worlds.plan(image, "2.0.0"))
    slot = board.banks()[1].slot
    for event in board.run():
        if isinstance(event, Progress) and event.work is Work.PROGRAM and event.done == 4096:
            board.device.preload(slot.address + 2500, b"\0")
    assert board.result.outcome is SessionOutcome.REJECTED
    assert reason(board, 1) in (Reason.FLASH, Reason.UNTRUSTED)
    assert worlds.runs(board) == ("A", "1.0.0")


# --- versions of plans


@pytest.mark.parametrize("version", ["2.0", "v2.0.0", "two", "02.0.0"])
def test_a_plan_whose_version_no_signature_can_have(version: str) -> None:
    board = worlds.factory_board()
    board.offer(worlds.plan(worlds.made("2.0.0", counter=2), version))
    before = board.device.usage.erases
    worlds.run(board)
    assert board.result.outcome is SessionOutcome.REFUSED
    assert board.result.error is not None
    assert exits.code_for(board.result.error) == 3
    assert board.device.usage.erases == before


def test_a_bit_that_flips_in_the_plan_is_found() -> None:
    """AT lines carry no checksum: 2.0.0 may arrive as another version, and be reported as that."""
    image = worlds.made("2.0.0", counter=2)
    for place, bit in ((0, 0), (2, 1), (4, 3)):
        text = bytearray(b"2.0.0")
        text[place] ^= 1 << bit
        board = take(worlds.factory_board(), image, text.decode())
        assert board.result.outcome in (SessionOutcome.REJECTED, SessionOutcome.REFUSED), text
        assert board.module.versions == {worlds.COMPONENT: "1.0.0"}
    unsigned = Board.new(load_part(worlds.PART), "1.0.0", component=worlds.COMPONENT)
    take(unsigned, signing.body("2.0.0", header_size=0), "3.0.0")
    assert worlds.runs(unsigned) == ("B", "3.0.0")  # nothing to hold it against


def test_a_build_number_is_part_of_the_version() -> None:
    image = worlds.made("2.0.0+7", counter=2)
    assert worlds.runs(take(worlds.factory_board(), image, "2.0.0-7")) == ("B", "2.0.0-7")
    check_refused(take(worlds.factory_board(), image, "2.0.0"), UntrustedImage, Reason.UNTRUSTED)


# --- anti-rollback


def updated() -> Board:
    return take(worlds.factory_board(), worlds.made("2.0.0", counter=2), "2.0.0")


def test_an_old_version_again() -> None:
    """A replayed plan is refused before it is confirmed: nothing is erased, no upgrade begins."""
    board = updated()
    before = board.device.usage.erases
    take(board, worlds.made("1.0.0", counter=1), "1.0.0")
    assert board.result.outcome is SessionOutcome.REFUSED
    assert board.device.usage.erases == before
    assert worlds.runs(board) == ("B", "2.0.0")


def test_an_old_image_under_a_new_plan() -> None:
    board = updated()
    take(board, worlds.made("1.0.0", counter=1), "3.0.0")
    assert isinstance(board.result.error, UntrustedImage)
    assert worlds.runs(board) == ("B", "2.0.0")


def test_a_newer_version_with_a_lower_counter() -> None:
    board = updated()
    take(board, worlds.made("2.5.0", counter=1), "2.5.0")
    assert type(board.result.error) is RolledBack
    assert reason(board, 0) is Reason.ROLLED_BACK
    assert worlds.runs(board) == ("B", "2.0.0")


@pytest.mark.parametrize("trial", [Trial.FAIL, Trial.CRASH])
def test_a_trial_that_fails_raises_nothing(trial: Trial) -> None:
    board = worlds.factory_board()
    board.offer(worlds.plan(worlds.made("2.0.0", counter=9), "2.0.0"))
    worlds.run(board, trial=trial)
    assert worlds.runs(board) == ("A", "1.0.0")
    assert floor(board) == SecurityVersion(Version(1), 1)
    take(board, worlds.made("1.5.0", counter=1), "1.5.0")
    assert worlds.runs(board) == ("B", "1.5.0")


def floor(board: Board) -> SecurityVersion:
    return floor_of([bank.journal.read() for bank in board.banks()])


def test_the_floor_never_falls() -> None:
    """Through updates, rejections and reverts; each number by itself."""
    board, highest = worlds.factory_board(), SecurityVersion(Version(1), 1)
    for version, counter, trial in (
        ("2.0.0", 3, Trial.PASS),
        ("3.0.0", 4, Trial.FAIL),
        ("2.0.1", 3, Trial.PASS),
        ("2.0.2", 2, Trial.PASS),
        ("2.0.1", 7, Trial.PASS),
        ("2.5.0", 8, Trial.PASS),
    ):
        board.offer(worlds.plan(worlds.made(version, counter=counter), version))
        worlds.run(board, trial=trial)
        assert floor(board).raised(highest) == floor(board)
        highest = floor(board)
    assert highest == SecurityVersion(Version(2, 5), 8)


def test_no_cut_comes_between_confirmation_and_floor() -> None:
    """Every operation of the update, torn: confirmed means raised, and raised means confirmed."""
    image, old = worlds.made("2.0.0", counter=2), SecurityVersion(Version(1), 1)
    total = operations_of(image)
    seen = set()
    for operation in range(total - 40, total + 1):
        for outcome in (Outcome.BEFORE, Outcome.TORN, Outcome.AFTER):
            board = worlds.factory_board()
            board.offer(worlds.plan(image, "2.0.0"))
            with pytest.raises(PowerLoss):
                worlds.run(board, supply=CutAt(operation, outcome))
            board.device.power_on()
            confirmed = board.banks()[1].journal.read().phase is Phase.CONFIRMED
            assert floor(board) == (SecurityVersion(Version(2), 2) if confirmed else old)
            seen.add(confirmed)
            worlds.run(board)
            assert (worlds.runs(board), floor(board)) == (
                ("B", "2.0.0"),
                SecurityVersion(Version(2), 2),
            )
    assert seen == {False, True}


def operations_of(image: bytes) -> int:
    board = worlds.factory_board()
    board.offer(worlds.plan(image, "2.0.0"))
    worlds.run(board)
    return board.device.supply.taken


def test_what_was_revoked_does_not_run_even_if_nothing_else_does() -> None:
    """A raised counter bars the image before it from booting; a higher version alone does not."""
    board = updated()
    damage(board, 1)
    decision = board.would_boot()
    assert decision.bank is None
    assert any("security counter 1 is below 2" in reason for reason in decision.reasons)
    board = take(worlds.factory_board(), worlds.made("2.0.0", counter=1), "2.0.0")
    damage(board, 1)
    assert worlds.runs(board) == ("A", "1.0.0")


def damage(board: Board, index: int) -> None:
    board.device.preload(board.banks()[index].slot.address + 0x210, b"\x5a" * 8)


# --- keys that come and go


def test_without_keys_a_device_that_had_signed_images_takes_nothing() -> None:
    board = updated()
    board.trust = None
    take(board, signing.body("3.0.0", header_size=0), "3.0.0")
    assert board.result.outcome is SessionOutcome.REFUSED
    assert worlds.runs(board) == ("B", "2.0.0")


def test_keys_that_are_lost_in_the_middle_of_an_upgrade() -> None:
    image = worlds.made("2.0.0", counter=2, size=5000)
    for operation in range(1, operations_of(image), 60):
        board = worlds.factory_board()
        board.offer(worlds.plan(image, "2.0.0"))
        with pytest.raises(PowerLoss):
            worlds.run(board, supply=CutAt(operation, Outcome.TORN))
        board.trust = None
        worlds.run(board)
        assert worlds.runs(board) in (("A", "1.0.0"), ("B", "2.0.0"))


def test_an_unsigned_image_is_not_switched_to_once_signatures_are_required() -> None:
    """It was verified before the owner asked for signatures, and waited to be switched to."""
    seen = set()
    for operation in range(1, 400, 3):
        board = Board.new(load_part(worlds.PART), "1.0.0", component=worlds.COMPONENT)
        board.offer(worlds.plan(signing.body("2.0.0", header_size=0), "2.0.0"))
        try:
            worlds.run(board, supply=CutAt(operation, Outcome.BEFORE))
        except PowerLoss:
            board.device.power_on()
        phase = board.banks()[1].journal.read().phase
        if phase not in (Phase.PLANNED, Phase.LOADING, Phase.VERIFIED):
            continue
        seen.add(phase)
        board.trust = worlds.trust()
        worlds.run(board)
        assert worlds.runs(board) == ("A", "1.0.0")
        after = board.banks()[1].journal.read()
        assert after.phase in (Phase.PLANNED, Phase.FAILED)
        if phase is Phase.VERIFIED:
            assert reason(board, 1) is Reason.UNTRUSTED
    assert seen == {Phase.PLANNED, Phase.LOADING, Phase.VERIFIED}


# --- the bootloader's own look


def forge(board: Board, image: bytes) -> None:
    """What a program that runs on the device can do: write a slot, and a journal that fits it."""
    bank = board.banks()[1]
    for index in range(-(-len(image) // 2048)):
        bank.slot.erase_sector(index)
    bank.slot.program(0, image + b"\xff" * (-len(image) % 8))
    own = board.banks()[0].journal.read().snapshot
    assert own is not None
    digest = bank.slot.sha256(len(image))
    assert digest is not None
    forged = replace(own, version="9.9.9", generation=9, image_size=len(image), image_sha256=digest)
    bank.journal.snapshot(forged)


def test_a_bootloader_with_keys_believes_no_journal() -> None:
    board = worlds.factory_board()
    forge(board, signing.body("9.9.9", header_size=0))
    assert worlds.runs(board) == ("A", "1.0.0")
    forge(board, worlds.made("2.0.0", counter=2))  # signed, under another version
    assert worlds.runs(board) == ("A", "1.0.0")
    forge(board, signing.signed("9.9.9", counter=2, who="stranger"))
    assert worlds.runs(board) == ("A", "1.0.0")


def test_a_bootloader_without_keys_believes_the_journal() -> None:
    """Why security.md says that it needs them where the application is not trusted."""
    board = worlds.factory_board()
    board.boot_trust = None
    forge(board, signing.body("9.9.9", header_size=0))
    assert worlds.runs(board) == ("B", "9.9.9")


def test_an_unreadable_image_is_no_reason_to_stop() -> None:
    board = updated()
    board.device.spoil(board.banks()[1].slot.address + 0x220)
    assert board.would_boot().bank is None  # the old one is revoked


# --- the board's file


def test_the_file_keeps_the_keys(tmp_path) -> None:
    board = worlds.factory_board(trusted=worlds.trust("ed25519", "rsa2048", class_id=None))
    save_board(board, tmp_path / "one.board")
    copy = load_board(tmp_path / "one.board")
    assert copy.trust == board.trust
    assert copy.boot_trust == board.boot_trust
    plain = Board.new(load_part(worlds.PART), "1.0.0")
    save_board(plain, tmp_path / "two.board")
    assert load_board(tmp_path / "two.board").trust is None
    assert floor(plain) == NO_FLOOR


def test_a_factory_image_must_be_signed_as_well() -> None:
    with pytest.raises(ImageRejected):
        Board.new(load_part(worlds.PART), "1.0.0", trust=worlds.trust())
    with pytest.raises(UntrustedImage):
        Board.new(
            load_part(worlds.PART),
            "1.0.1",
            worlds.made("1.0.0", counter=1),
            trust=worlds.trust(),
        )


def test_a_plan_of_the_right_digests_and_the_wrong_bytes_is_the_packages_fault() -> None:
    """The package's own digests are looked at first: an accident is not called an attack."""
    image = worlds.made("2.0.0", counter=2, size=5000)
    worse = bytearray(image)
    worse[3000] ^= 1
    honest = Package(image)
    board = worlds.factory_board()
    package = Package(bytes(worse), honest.md5, honest.sha256)
    board.offer(Plan(worlds.COMPONENT, "2.0.0", package, retry_times=0))
    worlds.run(board)
    assert reason(board, 1) is Reason.PACKAGE_DIGEST
