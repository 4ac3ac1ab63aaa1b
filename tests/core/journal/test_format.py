"""FORMAT.md, read by a program that shares nothing with the one that writes.

Every number below was taken from that page. A change to the bytes must change the page, this
reader, and the version.
"""

import hashlib
import struct
import zlib
from typing import Any

import pytest

from flash_emulator import CutAt, Outcome, PowerLoss
from mcu_updater.board import Board
from tests import worlds

BANKS = {"A": 0x00000, "B": 0x80000}
SLOT, HALVES, HALF_SIZE = 0x08000, (0x78000, 0x79800), 6 * 1024
PHASES = {1: "PLANNED", 2: "LOADING", 3: "VERIFIED", 5: "CONFIRMED", 6: "FAILED"}
RECORD_PLACES, CHECKPOINT = 225, 2056


def flash_of(board: Board) -> bytes:
    return board.device.cells.export()[0]


def text(raw: bytes) -> str:
    return raw[1 : 1 + raw[0]].decode()


def header_of(half: bytes) -> dict[str, Any] | None:
    """Section 3, byte by byte."""
    body, (crc,) = half[:248], struct.unpack_from("<I", half, 248)
    if half[0:4] != b"MCUJ" or zlib.crc32(body) != crc or half[4:6] != b"\x02\x00":
        return None
    if half[252:256] != b"DONE":
        return None
    assert half[24:28] == bytes(4)
    assert half[216:248] == bytes(32)
    u32 = {at: struct.unpack_from("<I", half, at)[0] for at in (8, 12, 16, 20, 207, 211)}
    return {
        "phase": PHASES[half[6]],
        "reason": half[7],
        "generation": u32[8],
        "image size": u32[12],
        "package length": u32[16],
        "piece start": u32[20],
        "package MD5": half[28:44],
        "package SHA-256": half[44:76],
        "image SHA-256": half[76:108],
        "component": text(half[108:141]),
        "version": text(half[141:206]),
        "package known": half[206],
        "checkpoint": half[CHECKPOINT : CHECKPOINT + u32[207]],
        "checkpoint CRC": u32[211],
        "turn": half[215],
    }


def record(kind: int, index: int, generation: int) -> bytes:
    """Section 4."""
    return struct.pack("<BBHI", 0x4A, kind, index, generation)


def place(half: bytes, number: int) -> bytes:
    return half[256 + 8 * number : 264 + 8 * number]


def trailer_of(board: Board, bank: str) -> tuple[dict[str, Any], bytes]:
    """The header that counts by section 5, and its half."""
    flash, found = flash_of(board), []
    for offset in HALVES:
        half = flash[BANKS[bank] + offset :][:HALF_SIZE]
        header = header_of(half)
        if header is not None:
            settled = place(half, 0) == record(0, 0, header["generation"])
            found.append((not settled, header, half))
    _, header, half = min(found, key=lambda entry: entry[0])
    return header, half


def test_a_board_from_the_factory() -> None:
    header, half = trailer_of(worlds.board(), "A")
    image = worlds.image("1.0.0")
    assert header["phase"] == "CONFIRMED"
    assert (header["generation"], header["reason"], header["turn"]) == (1, 0, 0)
    assert (header["component"], header["version"]) == ("STM32", "1.0.0")
    assert (header["image size"], header["image SHA-256"]) == (
        len(image),
        hashlib.sha256(image).digest(),
    )
    assert place(half, 0) == record(0, 0, 1)


def test_an_image_in_the_slot_after_an_update() -> None:
    board = worlds.board("hex")
    worlds.run(board)
    header, _ = trailer_of(board, "B")
    image, package = worlds.image("2.0.0"), worlds.package("hex", "2.0.0")
    assert (header["phase"], header["generation"]) == ("CONFIRMED", 2)
    assert (header["package known"], header["package length"]) == (1, len(package))
    assert header["package MD5"] == hashlib.md5(package).digest()
    assert header["package SHA-256"] == hashlib.sha256(package).digest()
    assert flash_of(board)[BANKS["B"] + SLOT :][: len(image)] == image


def test_sectors_that_are_recorded_stand_in_flash() -> None:
    """Cut while sectors are written: SECTOR records follow each other, and tell the truth."""
    image, seen = worlds.image("2.0.0"), set()
    for operation in range(70, 130):
        board = worlds.board("s19")
        with pytest.raises(PowerLoss):
            worlds.run(board, supply=CutAt(operation, Outcome.BEFORE))
        header, half = trailer_of(board, "B")
        if header["phase"] != "LOADING":
            continue
        done = 0
        while place(half, 1 + done) == record(1, done, 2):
            done += 1
        seen.add(done)
        stands = flash_of(board)[BANKS["B"] + SLOT :][: done * 2048]
        assert stands == image.ljust(3 * 2048, b"\xff")[: done * 2048]
    assert seen >= {0, 1, 2}


def test_the_switch_and_an_attempt() -> None:
    board, records = worlds.board("bin"), set()
    total = 0
    worlds.run(board)
    total = board.device.supply.taken
    for operation in range(total - 45, total + 1):
        board = worlds.board("bin")
        with pytest.raises(PowerLoss):
            worlds.run(board, supply=CutAt(operation, Outcome.BEFORE))
        header, half = trailer_of(board, "B")
        if header["phase"] == "VERIFIED":
            switched = place(half, 1) == record(2, 0, 2)
            records.add((switched, place(half, 3) == record(4, 0, 2)))
    assert records == {(False, False), (True, False), (True, True)}


def test_a_checkpoint_between_two_pieces() -> None:
    """Section 8: the bytes of the unfinished sector, and hash states of what was read."""
    board, found = worlds.board("bin", piece_size=1000), {}
    worlds.run(board)
    for operation in range(1, board.device.supply.taken, 7):
        board = worlds.board("bin", piece_size=1000)
        with pytest.raises(PowerLoss):
            worlds.run(board, supply=CutAt(operation, Outcome.BEFORE))
        try:
            header, _ = trailer_of(board, "B")
        except ValueError:
            continue  # no header yet
        if header["checkpoint"]:
            found[header["piece start"]] = header
    assert set(found) == {1000, 2000, 3000, 4000}
    image = worlds.image("2.0.0")
    for start, header in found.items():
        checkpoint = header["checkpoint"]
        assert zlib.crc32(checkpoint) == header["checkpoint CRC"]
        sector, held, decoder, package, digest = struct.unpack_from("<5H", checkpoint)
        assert (sector, held) == divmod(start, 2048)
        assert checkpoint[10 : 10 + held] == image[sector * 2048 : start]
        states = checkpoint[10 + held :]
        assert states[:decoder] == struct.pack("<BIQ", 1, 0x0800_8000, start)
        assert struct.unpack_from(">Q", states, decoder) == (start,)
        assert struct.unpack_from(">Q", states, decoder + package) == (sector * 2048,)
        assert len(states) == decoder + package + digest
