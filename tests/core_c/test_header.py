"""The 256 bytes of a header: C writes what Python writes, and reads what Python reads."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mcu_updater.core.image_version import SecurityVersion, Version
from mcu_updater.core.journal import (
    CRC_AT,
    END_MARK,
    TURNS,
    Package,
    Phase,
    Reason,
    Snapshot,
    decode_header,
    encode_header,
)
from tests.core_c.devices import REMAP
from tests.core_c.snapshots import from_c, snapshots, to_c
from tests.thorough import one_in

pytestmark = pytest.mark.judge("gcc")

SIGNED = Snapshot(
    Phase.CONFIRMED,
    7,
    "STM32",
    "2.0.0-é",
    package=Package(4500, bytes(range(16)), bytes(range(32))),
    image_size=4500,
    image_sha256=bytes(range(100, 132)),
    security_version=SecurityVersion(Version(2, 0, 1, 9), 3),
    floor=SecurityVersion(Version(1, 9, 0, 4), 2),
)
PLAIN = replace(SIGNED, security_version=None, floor=SecurityVersion(), phase=Phase.VERIFIED)


def encoded(snapshot: Snapshot, turn: int = 0) -> bytes:
    native = REMAP.native()
    raw = native.ffi.new("uint8_t[]", b"\xa5" * 256)
    native.lib.fwu_encode_header(to_c(native.ffi, snapshot), turn, raw)
    return bytes(raw)[:256]


def decoded(raw: bytes) -> Snapshot | None:
    native = REMAP.native()
    made = native.ffi.new("struct fwu_snapshot *")
    native.ffi.memmove(made, b"\xa5" * native.ffi.sizeof(made[0]), native.ffi.sizeof(made[0]))
    return from_c(native.ffi, made) if native.lib.fwu_decode_header(raw, made) else None


def sealed(body: bytes | bytearray) -> bytes:
    """With the CRC and the end mark that belong to it."""
    return bytes(body[:CRC_AT]) + struct.pack("<I", zlib.crc32(body[:CRC_AT])) + END_MARK


@given(snapshots, st.integers(0, TURNS - 1), st.binary(max_size=80))
def test_c_writes_what_python_writes(snapshot: Snapshot, turn: int, held: bytes) -> None:
    snapshot = replace(snapshot, checkpoint=held)
    raw = encode_header(snapshot, turn)
    assert encoded(snapshot, turn) == raw
    assert decoded(raw) == decode_header(raw)


@pytest.mark.parametrize("snapshot", [PLAIN, SIGNED], ids=["plain", "signed"])
def test_every_value_of_every_byte_is_read_alike(snapshot: Snapshot) -> None:
    """With the right CRC behind it, so that the fields themselves are judged."""
    raw = encode_header(snapshot)
    step = 1 if snapshot is SIGNED else 5
    for at, value in one_in(step, list(product(range(CRC_AT), range(256)))):
        changed = sealed(raw[:at] + bytes([value]) + raw[at + 1 :])
        assert decoded(changed) == decode_header(changed), (at, value)


@pytest.mark.parametrize("snapshot", [PLAIN, SIGNED], ids=["plain", "signed"])
def test_every_flipped_bit_makes_it_no_header(snapshot: Snapshot) -> None:
    raw = encode_header(snapshot)
    for bit in range(8 * len(raw)):
        damaged = bytearray(raw)
        damaged[bit // 8] ^= 1 << bit % 8
        assert decoded(bytes(damaged)) is None


@given(st.binary(min_size=CRC_AT, max_size=CRC_AT))
def test_any_bytes_are_read_alike(body: bytes) -> None:
    raw = sealed(body)
    assert decoded(raw) == decode_header(raw)
    raw = sealed(b"MCUJ" + body[4:])
    assert decoded(raw) == decode_header(raw)


@given(
    snapshots,
    st.lists(st.tuples(st.integers(0, CRC_AT - 1), st.integers(0, 255)), max_size=4),
)
def test_a_header_with_other_bytes_is_read_alike(
    snapshot: Snapshot, changes: list[tuple[int, int]]
) -> None:
    raw = bytearray(encode_header(snapshot))
    for at, value in changes:
        raw[at] = value
    changed = sealed(raw)
    assert decoded(changed) == decode_header(changed)


FIELDS = ((108, 33), (141, 65))
"""Where a text stands with its length, and in how many bytes."""


@given(
    st.sampled_from(FIELDS),
    st.binary(max_size=64)
    | st.lists(
        st.sampled_from(
            [
                0x00,
                0x41,
                0x7F,
                0x80,
                0x8F,
                0x90,
                0x9F,
                0xA0,
                0xBF,
                0xC0,
                0xC1,
                0xC2,
                0xDF,
                0xE0,
                0xE1,
                0xEC,
                0xED,
                0xEE,
                0xEF,
                0xF0,
                0xF1,
                0xF3,
                0xF4,
                0xF5,
                0xFF,
            ]
        ),
        max_size=9,
    ).map(bytes),
    st.none() | st.integers(0, 255),
)
@example(FIELDS[0], b"\xe2\x82\xac" * 10 + b"\xe2\x82", 255)  # cut short by the field's end
@example(FIELDS[1], b"x" * 64, 65)
def test_texts_are_utf_8_in_both(field: tuple[int, int], text: bytes, size: int | None) -> None:
    at, room = field
    text = text[: room - 1]
    size = len(text) if size is None else size
    raw = bytearray(encode_header(PLAIN))
    raw[at : at + room] = (bytes([size]) + text).ljust(room, b"\0")
    changed = sealed(raw)
    assert decoded(changed) == decode_header(changed)


def test_every_sequence_of_utf_8_up_to_three_bytes_is_judged_alike() -> None:
    """Of the second and third byte the borders only."""
    borders = (0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xFF)
    raw = bytearray(encode_header(PLAIN))
    for first, second, third in product(range(0x80, 0x100), borders, borders):
        for tail in (b"", b"\x80", b"A"):
            text = bytes([first, second, third]) + tail
            raw[141 : 141 + 65] = (bytes([len(text)]) + text).ljust(65, b"\0")
            changed = sealed(raw)
            assert decoded(changed) == decode_header(changed), text


def test_reason_phase_and_version_are_judged_together() -> None:
    raw = bytearray(encode_header(PLAIN))
    for version, phase, reason, signed, floor in product(
        range(6), range(9), range(12), (0, 1, 2), (0, 1)
    ):
        raw[4:8] = bytes([version, 0, phase, reason])
        raw[216], raw[229] = signed, floor
        changed = sealed(raw)
        assert decoded(changed) == decode_header(changed)


def test_all_reasons_are_there() -> None:
    """The last one is named in C: a new one must be put in there."""
    lib = REMAP.native().lib
    assert max(Reason) == lib.FWU_REASON_OTHER_BASE
    assert min(r for r in Reason if replace(PLAIN, reason=r).format_version == 3) == (
        lib.FWU_REASON_UNTRUSTED
    )
