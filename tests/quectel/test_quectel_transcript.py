"""Transcripts: text that does not depend on how bytes were cut, and playback that is strict."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcu_updater.quectel.emulated.transcript import (
    Playback,
    Recorder,
    Said,
    Side,
    Silence,
    TranscriptMismatch,
    escape,
    format_transcript,
    joined,
    parse_transcript,
    rows,
    unescape,
)
from tests.quectel.test_quectel_at import pieces

READ = Said(Side.HOST, b"AT+QIOTOTARD=0,20\r\n")
PIECE = Said(Side.MODULE, b"\r\n+QIOTOTARD: 0,20\r\n\x00\\ OK\r\n+QIOTEVT: \xff \r\n\r\nOK\r\n")
FAILED = Said(Side.MODULE, b"\r\n+QIOTEVT: 7,10706\r\n")
TALK: list[Said | Silence] = [READ, PIECE, Silence(60.5), FAILED]
TEXT = r"""T AT+QIOTOTARD=0,20\r\n
R \r\n+QIOTOTARD: 0,20\r\n
R \x00\\ OK\r\n
R +QIOTEVT: \xff \r\n
R \r\nOK\r\n
= 60.5
R \r\n+QIOTEVT: 7,10706\r\n
"""


def test_text_and_back():
    assert format_transcript(TALK) == TEXT
    assert parse_transcript("# a comment\n\n" + TEXT) == TALK


@given(st.binary(max_size=600))
def test_any_bytes_come_back(data):
    assert unescape(escape(data)) == data
    assert b"".join(rows(data)) == data
    assert all(0 < len(row) <= 192 for row in rows(data))
    text = escape(data)
    assert text.isascii()
    assert text == "" or text == text.rstrip()


@given(st.lists(st.sampled_from([b"\r\n", b"\n", b"\0", b"OK", b"x" * 100]), max_size=30),
       st.sets(st.integers(0, 3000)))  # fmt: skip
def test_a_recorder_writes_the_same_however_the_bytes_were_cut(parts, cuts):
    data = b"".join(parts)
    lines: list[str] = []
    recorder = Recorder(lines.append)
    for part in pieces(data, {min(cut, len(data)) for cut in cuts}):
        recorder.said(Side.MODULE, part, 1.0)
    recorder.close()
    assert "".join(lines) == format_transcript([Said(Side.MODULE, data)] if data else [])


def test_a_recorder_writes_whole_lines_at_once_and_silences():
    lines: list[str] = []
    recorder = Recorder(lines.append)
    recorder.said(Side.HOST, b"AT\r\nAT", 5.0)
    assert lines == [r"T AT\r\n" + "\n"]
    recorder.said(Side.MODULE, b"\r\nOK\r\n", 5.05)
    recorder.said(Side.MODULE, b"\r\nOK\r\n", 7.05)
    recorder.close()
    assert lines[1:] == ["T AT\n", "R \\r\\nOK\\r\\n\n", "= 2\n", "R \\r\\nOK\\r\\n\n"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("X AT", "expected T, R or ="),
        ("TAT", "expected T, R or ="),
        (r"T A\q", "no escape"),
        (r"T A\x1", "no escape"),
        ("T \xe4", "ascii"),
        ("= -1", "cannot last"),
        ("= nan", "cannot last"),
        ("= soon", "float"),
    ],
)
def test_what_is_no_transcript(line, reason):
    with pytest.raises(ValueError, match=f"line 2: .*{reason}"):
        parse_transcript("T AT\n" + line)


def test_playback_keeps_to_the_text():
    playback = Playback(list(TALK))
    playback.advance(0.0)
    assert playback.transmit() == b""
    assert not playback.finished
    for byte in b"AT+QIOTOTARD=0,20\r\n":
        playback.receive(bytes([byte]), 1.0)
    assert playback.transmit() == PIECE.data
    assert playback.next_deadline() == 61.5
    playback.advance(61.0)
    assert playback.transmit() == b""
    playback.advance(61.5)
    assert playback.transmit() == FAILED.data
    assert playback.finished
    playback.finish()


@pytest.mark.parametrize("said", [b"AU", b"at", b"AT+QIOTOTARD=0,20\r\nAT"])
def test_playback_refuses_another_host(said):
    with pytest.raises(TranscriptMismatch, match="does not follow"):
        Playback(list(TALK)).receive(said, 0.0)


def test_playback_notices_what_was_not_said():
    playback = Playback(list(TALK))
    playback.receive(b"AT+", 0.0)
    with pytest.raises(TranscriptMismatch, match="expected QIOTOTARD"):
        playback.finish()


def test_a_host_may_be_faster_or_slower_than_the_recorded_one():
    for said_at_s in (0.0, 100.0):
        playback = Playback([FAILED, Silence(5), READ, PIECE])
        playback.advance(0.0)
        playback.receive(READ.data, said_at_s)
        assert playback.transmit() == FAILED.data + PIECE.data


def test_joined():
    assert joined([Silence(1), Silence(2), READ, READ]) == [
        Silence(3),
        Said(Side.HOST, READ.data * 2),
    ]
