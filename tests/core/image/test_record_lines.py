"""What holds for lines of records, whether Intel HEX or S-records."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcu_updater.core.errors import ImageRejected
from mcu_updater.core.image import Extent, HexDecoder, SrecDecoder
from tests.core.image import test_ihex, test_srec
from tests.core.image.decoding import bytewise, cut, decode, decode_in_parts, places, text


class Sample(NamedTuple):
    decoder: type[HexDecoder | SrecDecoder]
    name: str
    good: bytes  # a file with all that the format has
    data: str  # lines of it
    longest: str
    end: str


SAMPLES = [
    Sample(decoder, name, module.GOOD, module.DATA, module.LONGEST, module.END)
    for decoder, name, module in (
        (HexDecoder, "Intel HEX", test_ihex),
        (SrecDecoder, "S-record", test_srec),
    )
]
each_format = pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)


@each_format
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_line_ends_and_blank_lines(sample: Sample, newline: str) -> None:
    data = text("", sample.data, "", "", sample.longest, sample.end, "", newline=newline)
    assert [extent.line for extent in decode(sample.decoder(), data)] == [2, 5]


@each_format
@pytest.mark.parametrize("tail", [b"", b"\r", b"\r\n", b"\n\r\n"])
def test_last_line_may_lack_its_terminator(sample: Sample, tail: bytes) -> None:
    data = text(sample.data) + sample.end.encode() + tail
    assert len(decode(sample.decoder(), data)) == 1
    assert len(decode_in_parts(sample.decoder(), bytewise(data), reset=True)) == 1


@each_format
@given(at=places, reset=st.booleans(), crlf=st.booleans())
def test_cuts_do_not_matter(sample: Sample, at: list[int], reset: bool, crlf: bool) -> None:
    data = sample.good.replace(b"\n", b"\r\n") if crlf else sample.good
    whole = decode(sample.decoder(), sample.good)
    assert decode_in_parts(sample.decoder(), cut(data, at), reset) == whole


@each_format
@pytest.mark.parametrize("reset", [False, True])
def test_byte_by_byte(sample: Sample, reset: bool) -> None:
    whole = decode(sample.decoder(), sample.good)
    assert decode_in_parts(sample.decoder(), bytewise(sample.good), reset) == whole


@each_format
@pytest.mark.parametrize("of", ["nobody", "its own, cut short", "the other format"])
def test_foreign_state_is_refused(sample: Sample, of: str) -> None:
    (other,) = {each.decoder.CODE for each in SAMPLES} - {sample.decoder.CODE}
    state = {
        "nobody": b"",
        "its own, cut short": bytes([sample.decoder.CODE]),
        "the other format": bytes([other]) + bytes(60),
    }[of]
    with pytest.raises(ValueError, match=f"not the state of an {sample.name} decoder"):
        sample.decoder.restore(state)


@each_format
@given(
    junk=st.binary(max_size=120),
    where=st.integers(0, max(len(sample.good) for sample in SAMPLES)),
    at=places,
)
def test_damage_is_decoded_or_refused_the_same_however_cut(
    sample: Sample, junk: bytes, where: int, at: list[int]
) -> None:
    where %= len(sample.good) + 1
    data = sample.good[:where] + junk + sample.good[where + len(junk) :]
    assert outcome(sample, [data]) == outcome(sample, cut(data, at))


def outcome(sample: Sample, parts: list[bytes]) -> list[Extent] | str:
    try:
        return decode_in_parts(sample.decoder(), parts, reset=False)
    except ImageRejected as error:
        return error.message
