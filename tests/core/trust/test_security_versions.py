"""The security versions in the journal, read by a program that knows FORMAT.md and nothing else."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcu_updater.board import Board, Trial
from mcu_updater.core.events import Booted
from mcu_updater.core.image_version import NO_FLOOR, SecurityVersion, Version, highest
from mcu_updater.core.journal import (
    HEADER_SIZE,
    Phase,
    Reason,
    Snapshot,
    decode_header,
    encode_header,
)
from tests.core.trust import signed_worlds as worlds

PLAIN = Snapshot(Phase.CONFIRMED, 3, "STM32", "2.0.0", image_size=5000, image_sha256=bytes(32))
SIGNED = replace(
    PLAIN,
    security_version=SecurityVersion(Version(2, 1, 0x0304, 0x05060708), 9),
    floor=SecurityVersion(Version(1), 8),
)

security_versions = st.builds(
    SecurityVersion,
    st.builds(
        Version,
        st.integers(0, 255),
        st.integers(0, 255),
        st.integers(0, 0xFFFF),
        st.integers(0, 0xFFFF_FFFF),
    ),
    st.integers(0, 0xFFFF_FFFF),
)


def test_every_byte_by_the_page() -> None:
    raw = encode_header(SIGNED)
    assert raw[4:6] == b"\x03\x00"
    assert raw[216] == 1
    assert raw[217:225] == bytes([2, 1, 4, 3, 8, 7, 6, 5])
    assert raw[225:229] == bytes([9, 0, 0, 0])
    assert raw[229:237] == bytes([1, 0, 0, 0, 0, 0, 0, 0])
    assert raw[237:241] == bytes([8, 0, 0, 0])
    assert raw[241:248] == bytes(7)


def test_what_has_nothing_to_say_of_signatures_is_version_2() -> None:
    raw = encode_header(PLAIN)
    assert raw[4:6] == b"\x02\x00"
    assert raw[216:248] == bytes(32)
    assert decode_header(raw) == PLAIN
    for more in (
        replace(PLAIN, security_version=NO_FLOOR),
        replace(PLAIN, floor=SecurityVersion(counter=1)),
        replace(PLAIN, phase=Phase.FAILED, reason=Reason.UNTRUSTED),
        replace(PLAIN, phase=Phase.FAILED, reason=Reason.ROLLED_BACK),
    ):
        assert encode_header(more)[4:6] == b"\x03\x00"


@given(
    st.none() | security_versions,
    security_versions,
    st.sampled_from([p for p in Phase if p.name != "TRIAL"]),
)
def test_what_is_written_is_read(
    security_version: SecurityVersion | None, floor: SecurityVersion, phase: Phase
) -> None:
    snapshot = replace(PLAIN, phase=phase, security_version=security_version, floor=floor)
    assert decode_header(encode_header(snapshot)) == snapshot


def test_every_flipped_bit_makes_it_no_header() -> None:
    raw = encode_header(SIGNED)
    for bit in range(8 * HEADER_SIZE):
        damaged = bytearray(raw)
        damaged[bit // 8] ^= 1 << bit % 8
        assert decode_header(bytes(damaged)) is None, bit


@pytest.mark.parametrize("version", [1, 2, 4])
def test_another_version_with_security_versions_is_no_header(version: int) -> None:
    """Version 2 among them: a floor that a reader would not see must not be overlooked."""
    raw = bytearray(encode_header(replace(SIGNED, phase=Phase.FAILED, reason=Reason.UNTRUSTED)))
    raw[4] = version
    raw[248:252] = struct.pack("<I", zlib.crc32(raw[:248]))
    assert decode_header(bytes(raw)) is None


@given(st.lists(security_versions, max_size=4))
def test_the_highest_is_at_least_each(found: list[SecurityVersion]) -> None:
    top = highest(found)
    assert all(top.raised(security_version) == top for security_version in found)
    assert top == highest(reversed(found))


def header_of(board: Board, bank: int) -> tuple[Any, ...]:
    """Security version and rollback floor of the half that counts: the settled one. Offsets from
    FORMAT.md."""
    flash = board.device.cells.export()[0]
    for half in (0x78000, 0x79800):
        raw = flash[bank * 0x80000 + half :][:512]
        if raw[:4] != b"MCUJ" or raw[252:256] != b"DONE":
            continue
        (generation,) = struct.unpack_from("<I", raw, 8)
        if raw[256:264] == struct.pack("<BBHI", 0x4A, 0, 0, generation):
            known, *numbers = struct.unpack_from("<BBBHIIBBHII", raw, 216)
            return raw[4], raw[6], known, tuple(numbers[:5]), tuple(numbers[5:])
    raise AssertionError("no settled half")


ONE, TWO, NONE = (1, 0, 0, 0, 1), (2, 0, 0, 0, 7), (0, 0, 0, 0, 0)


def test_the_way_of_a_seal() -> None:
    """From the factory, through trial and confirmation, to what the next plan takes over."""
    board = worlds.factory_board()
    assert header_of(board, 0) == (3, 5, 1, ONE, ONE)
    board.offer(worlds.plan(worlds.made("2.0.0", counter=7), "2.0.0"))
    seen = set()
    for event in board.run():
        if getattr(event, "bank", None) == "B" and hasattr(event, "phase"):
            seen.add((event.phase, *header_of(board, board.device.mapped_bank ^ 1)))
        if isinstance(event, Booted) and event.bank == "B":
            break
    phases = {name: rest for name, *rest in seen}
    assert phases["PLANNED"] == [3, 1, 0, NONE, ONE]
    assert phases["LOADING"] == [3, 2, 0, NONE, ONE]
    assert phases["VERIFIED"] == [3, 3, 1, TWO, ONE]
    worlds.run(board)
    assert header_of(board, 1) == (3, 5, 1, TWO, TWO)
    board.offer(worlds.plan(worlds.made("3.0.0", counter=8), "3.0.0"))
    worlds.run(board, trial=Trial.FAIL)
    assert header_of(board, 0) == (3, 6, 1, (3, 0, 0, 0, 8), TWO)
