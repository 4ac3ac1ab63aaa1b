"""Frames and sessions of the loader stub without a chip."""

from __future__ import annotations

import lz4.block
import pytest
from cobs import cobs
from hypothesis import given
from hypothesis import strategies as st

from mcu_updater.stm32.stub import cobs as our_cobs
from mcu_updater.stm32.stub import frames
from mcu_updater.stm32.stub.frames import (
    BLOCK_SIZE,
    Encoding,
    Facts,
    Reply,
    ReplyReader,
    Request,
    Status,
    content_of,
    frame,
)
from mcu_updater.stm32.stub.images import STUBS, StubImage
from mcu_updater.stm32.stub.lz4 import Lz4Encoder
from mcu_updater.stm32.stub.session import START_US, WINDOW, Batch, Session, Silence, Work
from tests.stm32.stub.stubs import FIRMWARE


def replied(seq: int, next_seq: int, status: Status = Status.OK, data: bytes = b"") -> bytes:
    return frame(bytes((seq, next_seq, status)) + data)


@given(st.binary(max_size=3000))
def test_what_is_framed_comes_out(content: bytes) -> None:
    framed = frame(content)
    assert framed[0] == framed[-1] == 0
    assert 0 not in framed[1:-1]
    if content:
        assert content_of(framed[1:-1]) == content


@given(st.binary(min_size=1, max_size=64), st.data())
def test_a_frame_with_a_flipped_bit_is_damaged(content: bytes, data: st.DataObject) -> None:
    stuffed = bytearray(frame(content)[1:-1])
    at = data.draw(st.integers(0, len(stuffed) - 1))
    stuffed[at] ^= 1 << data.draw(st.integers(0, 7))
    assert content_of(bytes(stuffed)) is None


@given(st.lists(st.binary(max_size=40), max_size=5), st.data())
def test_replies_come_out_however_the_bytes_are_cut(
    payloads: list[bytes], data: st.DataObject
) -> None:
    stream = b"junk" + b"".join(replied(1, 2, Status.OK, p) for p in payloads)
    reader, found = ReplyReader(), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        found += reader.feed(stream[:size])
        stream = stream[size:]
    assert [reply.data for reply in found] == payloads


def test_replies_that_are_none_are_left_out() -> None:
    reader = ReplyReader()
    assert reader.feed(frame(b"ab") + frame(b"\1\2\x63") + replied(1, 2)) == [
        Reply(1, 2, Status.OK)
    ]


def test_facts_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match="expected 44 bytes, found 3"):
        Facts.of(Reply(0, 1, Status.OK, b"abc"))


# --- sessions


def begun(work: Work[object], window: int = 4) -> Session[object]:
    session = Session(work, baud=115_200, window=window)
    session.wake(session.wake_at_us)
    return session


def sent(session: Session[object]) -> list[int]:
    """Sequence numbers of the requests that go out now."""
    return [content_of(part)[0] for part in session.take().split(b"\0") if part]  # type: ignore[index]


def erases(count: int) -> Work[list[Reply]]:
    return (yield Batch([frames.erase(index) for index in range(count)]))


def test_no_more_than_the_window_is_under_way() -> None:
    session = begun(erases(6))
    assert sent(session) == [0, 1, 2, 3]
    session.receive(replied(0, 1), 0)
    assert sent(session) == [4]
    session.receive(replied(3, 4), 0)
    assert sent(session) == [5]
    session.receive(replied(5, 6), 0)
    assert session.is_done
    assert [reply.status for reply in session.result] == [Status.OK] * 6  # type: ignore[attr-defined]


def test_a_damaged_request_is_sent_again_once_with_all_behind_it() -> None:
    session = begun(erases(4))
    assert sent(session) == [0, 1, 2, 3]
    session.receive(replied(0, 1), 0)
    for _ in range(3):  # 1 was damaged, so 2 and 3 are out of order
        session.receive(replied(0, 1, Status.RESEND, b"\0"), 0)
    assert sent(session) == [1, 2, 3]
    session.receive(replied(3, 4), 0)
    assert session.is_done


def test_a_request_that_came_twice_sends_nothing_again() -> None:
    session = begun(erases(6))
    assert sent(session) == [0, 1, 2, 3]
    session.receive(replied(0, 1), 0)
    assert sent(session) == [4]
    session.receive(replied(0, 1, Status.RESEND, b"\0\1"), 0)
    assert sent(session) == []
    session.receive(replied(1, 2, Status.RESEND, b"\0\1"), 0)
    assert sent(session) == [5], "it tells what is done, too"


def test_a_failure_whose_reply_was_lost_is_known() -> None:
    session = begun(erases(2))
    session.receive(replied(1, 2, Status.STOPPED), 0)
    assert [r.status for r in session.result] == [Status.STOPPED] * 2  # type: ignore[attr-defined]
    session = begun(erases(1))
    session.receive(replied(0, 1, Status.RESEND, b"\1"), 0)
    assert [r.status for r in session.result] == [Status.STOPPED]  # type: ignore[attr-defined]


def test_a_query_whose_reply_was_lost_is_asked_again() -> None:
    def work() -> Work[list[Reply]]:
        return (yield Batch([frames.checksum(0, 8)]))

    session = begun(work())
    assert sent(session) == [0]
    session.receive(replied(0, 1, Status.RESEND, b"\0"), 0)
    assert sent(session) == [1]
    session.receive(replied(1, 2, Status.OK, b"\1abcd"), 0)
    assert session.is_done


def test_sequence_numbers_run_over() -> None:
    session = begun(erases(600), window=8)
    answered = 0
    while not session.is_done:
        for seq in sent(session):
            assert seq == answered & 0xFF
            answered += 1
            session.receive(replied(seq, answered & 0xFF), 0)
    assert answered == 600


def test_silence_is_thrown_into_the_work() -> None:
    def work() -> Work[str]:
        try:
            yield Batch([frames.sync()], tries=3)
        except Silence:
            return "silent"
        return "answered"

    session = begun(work())
    for left in range(3):
        assert not session.is_done, left
        assert sent(session) == [0]
        session.wake(session.wake_at_us)
    assert session.is_done and session.result == "silent"


@pytest.mark.parametrize("image", STUBS.values(), ids=lambda image: image.name)
def test_silence_is_bounded(image: StubImage) -> None:
    """By docs/explanation/loader-stub.md: four times what the first request may take, and 4 s."""

    def longest_s(*requests: Request) -> float:
        def work() -> Work[None]:
            with pytest.raises(Silence):
                yield Batch(requests)

        session = begun(work(), window=WINDOW)
        began_us = START_US
        while not session.is_done:
            session.take()
            now_us = session.wake_at_us
            session.wake(now_us)
        return (now_us - began_us) / 1e6

    block = frames.write(0x0800_0000, b"x" * BLOCK_SIZE, Encoding.RAW, b"x" * BLOCK_SIZE)
    erase = frames.erase(0x0800_0000, work_s=image.sector_erase_s)
    everything = frames.erase(frames.EVERYTHING, work_s=image.bulk_erase_s)
    assert 2 < longest_s(frames.sync()) < 2.5
    assert longest_s(*[block] * WINDOW) < 5
    assert longest_s(erase, *[block] * (WINDOW - 1)) < 4 * image.sector_erase_s + 5
    assert longest_s(everything, *[block] * (WINDOW - 1)) < 4 * image.bulk_erase_s + 5


# --- beside programs of others


@given(st.lists(st.sampled_from([b"\0", b"\1", b"ab" * 127, b"x" * 254, b"y" * 253]), max_size=9))
def test_cobs_as_the_package_has_it(pieces: list[bytes]) -> None:
    data = b"".join(pieces)
    assert our_cobs.encode(data) == cobs.encode(data)
    assert our_cobs.decode(cobs.encode(data)) == data


@given(st.binary(max_size=600))
def test_cobs_decodes_what_the_package_does(stuffed: bytes) -> None:
    try:
        expected = cobs.decode(stuffed)
    except cobs.DecodeError:
        expected = None
    assert our_cobs.decode(stuffed) == expected


@given(
    st.lists(st.sampled_from([b"abcd", b"\0" * 40, b"x", b"abcdefgh" * 9, b"q12"]), max_size=60),
    st.integers(0, 300),
)
def test_lz4_blocks_are_those_of_the_format(pieces: list[bytes], start: int) -> None:
    data = b"".join(pieces)
    start = min(start, len(data))
    encoder = Lz4Encoder(data)
    head = encoder.block(0, start, 0)
    assert lz4.block.decompress(head, uncompressed_size=start) == data[:start]
    block = encoder.block(start, len(data), 0)
    rest = lz4.block.decompress(
        block, uncompressed_size=len(data) - start, dict=data[:start][-0xFFFF:]
    )
    assert rest == data[start:]


def test_lz4_is_not_much_longer_than_the_best() -> None:
    data = FIRMWARE[:8192]
    best = lz4.block.compress(data, mode="high_compression", store_size=False)
    assert len(Lz4Encoder(data).block(0, len(data), 0)) < 1.1 * len(best)
