"""Frames of both ends: the bytes of the document, any split, any garbage, no more memory than one
frame."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from flash_emulator.an3155 import ACK, BUSY, NACK, Bulk, Command, crc32, with_checksum
from flash_emulator.bootrom import RomOptions, State
from mcu_updater.stm32 import an3155 as host
from mcu_updater.stm32.an3155 import Accepted, Garbled, Refused, Reply, ReplyReader
from tests.flash_emulator.bootrom.rom_host import BASE, ask, chip_of, connect, data_of

# --- the bytes, as AN3155 and AN2662 have them


@pytest.mark.parametrize(
    ("exchange", "frames"),
    [
        (host.get(), ["00 ff"]),
        (host.get_version(), ["01 fe"]),
        (host.get_id(), ["02 fd"]),
        (host.read(0x0800_1234, 256), ["11 ee", "08 00 12 34 2e", "ff 00"]),
        (host.read(0x0800_0000, 1), ["11 ee", "08 00 00 00 08", "00 ff"]),
        (host.go(0x0800_0000), ["21 de", "08 00 00 00 08"]),
        (
            host.write(0x2000_3100, bytes((1, 2, 3, 4))),
            ["31 ce", "20 00 31 00 11", "03 01 02 03 04 07"],
        ),
        (host.erase([3, 9]), ["43 bc", "01 03 09 0b"]),
        (host.erase_everything(), ["43 bc", "ff 00"]),
        (host.extended_erase([0, 0x102]), ["44 bb", "00 01 00 00 01 02 02"]),
        (host.extended_erase_bulk(Bulk.MASS), ["44 bb", "ff ff 00"]),
        (host.extended_erase_bulk(Bulk.BANK_1), ["44 bb", "ff fe 01"]),
        (host.extended_erase_bulk(Bulk.BANK_2), ["44 bb", "ff fd 02"]),
        (host.write_protect([5]), ["63 9c", "00 05 05"]),
        (host.write_unprotect(), ["73 8c", ""]),
        (host.readout_protect(), ["82 7d", ""]),
        (host.readout_unprotect(), ["92 6d", ""]),
        (
            host.get_checksum(0x0800_0000, 1024),
            [
                "a1 5e",
                "08 00 00 00 08",
                "00 00 01 00 01",
                "04 c1 1d b7 6f",
                "ff ff ff ff 00",
                "",
            ],
        ),
        (
            host.get_checksum_private(0x0800_0000, 1024),
            ["a1 5e", "08 00 00 00 08", "00 00 04 00 04", ""],
        ),
    ],
)
def test_the_hosts_frames(exchange, frames) -> None:
    assert [step.frame.hex(" ") for step in exchange] == frames


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ("7f", "79"),
        ("7f 00 ff", "79 79 0b 31 00 01 02 11 21 31 44 63 73 82 92 79"),
        ("7f 01 fe", "79 79 31 00 00 79"),
        ("7f 02 fd", "79 79 01 04 15 79"),
        ("7f 7f 7f", "79 1f"),
        ("7f 44 bb ff fb 04", "79 79 1f"),  # a reserved code
        ("7f 00 fe", "79 1f"),
        ("7f 43 bc", "79 1f"),  # there is Extended Erase, so no Erase
        ("7f 11 ee 08 00 00 00 09", "79 79 1f"),
        ("7f 11 ee 08 00 00 00 08 00 fe", "79 79 79 1f"),
        ("aa 55 00 ff 7f", "79"),  # deaf to all else until it has measured the speed
    ],
)
def test_the_chips_frames(sent, said) -> None:
    chip = chip_of()
    chip.reset()
    chip.receive(bytes.fromhex(sent))
    assert chip.transmit().hex(" ") == said


def test_the_crc_is_that_of_the_crc_unit() -> None:
    """Known values of the unit: of the words 0, 0xFFFF_FFFF and 0x1234_5678."""
    assert crc32(bytes(4)) == 0xC704_DD7B
    assert crc32(b"\xff" * 4) == 0
    assert crc32(bytes.fromhex("78563412")) == 0xDF8A_8A2B
    with pytest.raises(ValueError, match="words"):
        crc32(b"123")


# --- both ends together, however bytes are cut


def _cut(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return [data[a:b] for a, b in pairwise(places)]


CUTS = st.lists(st.integers(0, 600), max_size=8)
EXCHANGES = [
    host.get(),
    host.get_version(),
    host.get_id(),
    host.extended_erase([0, 1]),
    host.write(BASE, bytes(range(256))),
    host.read(BASE, 256),
]


@given(CUTS, CUTS)
@settings(max_examples=30)
def test_any_split_of_either_direction_gives_the_same(up, down) -> None:
    chip, whole = chip_of(), chip_of()
    for exchange in EXCHANGES:
        for step in exchange:
            for piece in _cut(step.frame, up):
                chip.receive(piece)
            reader = ReplyReader(step.reply)
            for piece in _cut(chip.transmit(), down):
                reader.feed(piece)
            assert isinstance(reader.answer, Accepted)
            assert reader.rest == b""
        expected = ask(whole, exchange)
        assert reader.answer == expected
    assert chip.device.digest() == whole.device.digest()


REPLIES = st.builds(Reply, st.one_of(st.none(), st.integers(0, 256)), st.booleans())


@given(REPLIES, st.binary(max_size=700), CUTS)
@example(Reply(None, is_closed=True), bytes((ACK, ACK, ACK, ACK, 0x0B)), [1, 2])
@settings(max_examples=200)
def test_a_reader_takes_any_garbage(reply, garbage, cuts) -> None:
    """One answer at most, the same however it was cut; never more in memory than a reply."""
    whole, pieces = ReplyReader(reply), ReplyReader(reply)
    whole.feed(garbage)
    for piece in _cut(garbage, cuts):
        pieces.feed(piece)
        assert len(pieces._buffer) <= 1 + 256 + 1 + 1
    assert (whole.answer, whole.rest) == (pieces.answer, pieces.rest)
    if whole.answer is None:
        assert len(garbage) - whole.busy_count <= 1 + 256 + 1 + 1


@given(st.binary(max_size=1200), CUTS)
@settings(max_examples=150)
def test_a_chip_takes_any_garbage(garbage, cuts) -> None:
    whole, pieces = chip_of(), chip_of()
    whole.receive(garbage)
    for piece in _cut(garbage, cuts):
        pieces.receive(piece)
        assert pieces.rom is None or len(pieces.rom._buffer) < pieces.rom.needs
    assert pieces.transmit() == whole.transmit()
    assert pieces.device.digest() == whole.device.digest()


def test_the_longest_frame_that_a_chip_waits_for_is_short() -> None:
    """No count of pages that makes it wait for 128 KiB."""
    chip = chip_of()
    chip.receive(bytes.fromhex("44 bb ff ef"))
    assert chip.transmit() == bytes((ACK, NACK))
    chip.receive(bytes.fromhex("44 bb 01 ff"))
    assert chip.needs == 512 * 2 + 1


COMMANDS = st.sampled_from([bytes((code, code ^ 0xFF)) for code in (*Command, 0xFE)])
MIDDLES = st.lists(st.one_of(COMMANDS, st.binary(max_size=9)), max_size=4).map(b"".join)


@given(MIDDLES)
@example(b"\x00")
@example(bytes.fromhex("31ce0800000008"))
@example(bytes.fromhex("44bb"))
@settings(max_examples=300)
def test_resync_brings_a_chip_back_from_anywhere(garbage) -> None:
    """One byte at a time until a NACK; then it takes commands, and flash is as it was."""
    chip = chip_of()
    chip.receive(garbage)
    if chip.state is not State.ROM or chip.rom is None or not chip.rom.is_synchronised:
        return  # it went, or waits to be connected to
    before = chip.device.digest()
    chip.transmit()
    sent = 0
    while not (said := chip.transmit()):
        chip.receive(host.RESYNC)
        sent += 1
        assert sent <= host.MAX_RESYNC
    if said[:1] != bytes((NACK,)):
        return  # a frame of the garbage, with an XOR that happened to be right
    assert chip.device.digest() == before
    assert host.pid_of(data_of(chip, host.get_id())) == 0x415


# --- the reader's rules


def read_whole(reply: Reply, data: bytes) -> ReplyReader:
    reader = ReplyReader(reply)
    reader.feed(data)
    return reader


def test_busy_is_patience() -> None:
    reader = read_whole(Reply(), bytes((BUSY,) * 1000))
    assert (reader.answer, reader.busy_count) == (None, 1000)
    reader.feed(bytes((ACK, 1, 2)))
    assert (reader.answer, reader.rest) == (Accepted(b""), b"\x01\x02")


def test_a_second_ack_before_a_count_is_skipped_once() -> None:
    counted = Reply(None, is_closed=True)
    plain = bytes((ACK, 1, 4, 0x15, ACK))
    assert read_whole(counted, plain).answer == Accepted(b"\x04\x15")
    assert read_whole(counted, bytes((ACK,)) + plain).answer == Accepted(b"\x04\x15")
    assert isinstance(read_whole(counted, bytes((ACK, ACK)) + plain).answer, Garbled)


def test_a_chip_that_says_ack_twice_is_understood() -> None:
    chip = chip_of(options=RomOptions(double_ack=True))
    chip.reset()
    assert connect(chip) == bytes((ACK, ACK))
    sync = host.SyncReader()
    sync.feed(bytes((0, ACK, ACK)))
    assert (sync.is_alive, sync.noise_count) == (True, 1)
    assert host.pid_of(data_of(chip, host.get_id())) == 0x415


def test_an_identity_may_be_longer() -> None:
    reply = bytes((ACK, 3, 0x01, 0x02, 0x03, 0x04, ACK))
    answer = read_whole(host.get_id()[0].reply, reply).answer
    assert isinstance(answer, Accepted)
    assert host.pid_of(answer.data) == 0x0102
    with pytest.raises(host.ReplyError, match="1 bytes"):
        host.pid_of(b"\x04")


def test_nack_and_nonsense_are_told_apart() -> None:
    assert read_whole(Reply(4), bytes((NACK, 7))).answer == Refused()
    found = read_whole(Reply(4), b"\x42").answer
    assert found == Garbled(b"\x42", "ACK or NACK")
    assert isinstance(read_whole(Reply(1, is_closed=True), bytes((ACK, 1, 2))).answer, Garbled)


def test_what_a_frame_cannot_carry_is_refused_at_once() -> None:
    for wrong in (
        lambda: host.read(BASE, 257),
        lambda: host.read(-1, 1),
        lambda: host.write(BASE, b"123"),
        lambda: host.write(BASE + 2, bytes(4)),
        lambda: host.erase(range(256)),
        lambda: host.extended_erase([0xFFF0]),
        lambda: host.extended_erase([]),
        lambda: host.get_checksum(BASE, 6),
        lambda: host.get_checksum_private(BASE + 1, 8),
    ):
        with pytest.raises(ValueError, match=r"\d"):
            wrong()


def test_what_get_says() -> None:
    info = host.RomInfo.of(data_of(chip_of(), host.get()))
    assert info.version_text == "3.1"
    assert info.has(Command.EXTENDED_ERASE)
    assert not info.has(Command.ERASE)
    with pytest.raises(host.ReplyError):
        host.RomInfo.of(b"")
    with pytest.raises(host.ReplyError):
        host.crc_of(b"12345")
    assert host.crc_of(with_checksum(b"\x01\x02\x03\x04")) == 0x0102_0304
