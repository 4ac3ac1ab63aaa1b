"""Packets, however they come."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flash_emulator.machine.debugger.packets import (
    MOST,
    Ack,
    Damaged,
    Interrupt,
    Packet,
    Unpacker,
    packed,
)


def unpacked(*pieces):
    unpacker = Unpacker()
    return [item for piece in pieces for item in unpacker.feed(piece)]


@given(st.lists(st.binary(max_size=40), max_size=5), st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_what_was_packed_comes_out_in_whatever_pieces(datas, size):
    stream = b"".join(map(packed, datas))
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
    assert unpacked(*pieces) == [Packet(data) for data in datas]


@given(st.binary(max_size=200))
@settings(max_examples=60, deadline=None)
def test_behind_garbage_a_packet_is_found(garbage):
    """With its first try, or the second where garbage has begun one."""
    found = unpacked(garbage, packed(b"qC"), packed(b"qC"))
    assert found[-1] == Packet(b"qC")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"+-\x03", [Ack(True), Ack(False), Interrupt()]),
        (b"xyz", []),
        (b"$qC", []),
        (b"$qC#b", []),
        (b"$qC#B4", [Packet(b"qC")]),
        (b"$#00", [Packet(b"")]),
        (b"$a}\x03#", []),
    ],
)
def test_pieces(data, expected):
    assert unpacked(data) == expected


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"$qC#00", "checksum"),
        (b"$qC#zz", "checksum"),
        (b"$abc$qC#b4", "within another"),
        (b"$" + b"a" * (MOST + 20), "more than"),
        (b"$" + b"a" * (MOST + 20) + b"#00", "more than"),
    ],
)
def test_what_is_no_packet_is_told(data, why):
    found = unpacked(data, packed(b"?"))
    assert isinstance(found[0], Damaged)
    assert why in found[0].why
    assert found[-1] == Packet(b"?")
