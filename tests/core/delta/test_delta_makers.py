"""Every maker, both profiles, and what other programs make of the same patch."""

import hashlib
import importlib
import io
from dataclasses import replace

import hdiffpatch
import pytest

from mcu_updater.core.delta import (
    Algorithm,
    DeltaRejected,
    Filter,
    Header,
    Limits,
    Signature,
    SignatureKind,
    apply_delta,
    parse_header,
)
from mcu_updater.core.errors import UsageError
from mcu_updater.files.delta.make import make_delta
from mcu_updater.files.delta.makers import NAMES, available, pack_covers
from mcu_updater.files.delta.packing import pack_heatshrink
from tests.core.delta.pairs import PROFILES, edited, fixtures, released
from tests.judges import need

HEADER = Header(
    algorithm=Algorithm.HEATSHRINK,
    filter=Filter.NONE,
    base_size=5,
    target_size=6,
    payload_size=7,
    window=256,
    base_sha256=b"\1" * 32,
    target_sha256=b"\2" * 32,
    base_version="1.0.0",
    target_version="2.0.0",
)


@pytest.mark.parametrize("algorithm", PROFILES)
@pytest.mark.parametrize("name", NAMES)
def test_detools_applies_what_every_maker_makes(name: str, algorithm: Algorithm) -> None:
    detools = importlib.import_module(need("detools"))
    makers = available()
    assert name in makers, f"{name} is one of the packages of [dev]: set up anew"
    for base, target in (fixtures(), edited(3), edited(11)):
        made = make_delta(
            base, target, algorithm=algorithm, makers={name: makers[name]}, filters=[Filter.NONE]
        )
        theirs = io.BytesIO()
        detools.apply_patch(io.BytesIO(base), io.BytesIO(made.package[made.header.size :]), theirs)
        assert theirs.getvalue() == target == apply_delta(made.package, base)


@pytest.mark.parametrize("compression", ["heatshrink", "lzma"])
def test_we_apply_what_detools_makes(compression: str) -> None:
    """Its own patch in our container: its encoder, not ours."""
    detools = importlib.import_module(need("detools"))
    for base, target in (fixtures(), edited(5), released("technichub")):
        patch = io.BytesIO()
        detools.create_patch(io.BytesIO(base), io.BytesIO(target), patch, compression=compression)
        header = replace(
            HEADER,
            algorithm=Algorithm.LZMA if compression == "lzma" else Algorithm.HEATSHRINK,
            base_size=len(base),
            target_size=len(target),
            payload_size=len(patch.getvalue()),
            window=1 << 23,
            base_sha256=hashlib.sha256(base).digest(),
            target_sha256=hashlib.sha256(target).digest(),
        )
        theirs = io.BytesIO()
        detools.apply_patch(io.BytesIO(base), io.BytesIO(patch.getvalue()), theirs)
        package = header.pack() + patch.getvalue()
        limits = Limits(window=1 << 23)
        assert apply_delta(package, base, limits) == theirs.getvalue() == target


def test_covers_of_hdiffpatch_are_its_own() -> None:
    base, target = released("technichub")
    lite = hdiffpatch.diff_lite(base, target, compression="none")
    makers = {"hdiffpatch": available()["hdiffpatch"]}
    made = make_delta(base, target, algorithm=Algorithm.LZMA, makers=makers)
    assert apply_delta(made.package, base) == hdiffpatch.apply_lite(base, lite) == target
    assert made.header.payload_size < 11_000


def test_the_shortest_way_is_no_longer_than_the_usual_one() -> None:
    need("detools")
    heatshrink2 = importlib.import_module("heatshrink2")
    base, target = fixtures()
    stream = pack_covers(available()["builtin"](base, target), base, target)
    ours = pack_heatshrink(stream, 8)
    theirs = heatshrink2.compress(stream, window_sz2=8, lookahead_sz2=int(ours.setting[-1]))
    assert len(ours.data) - 1 <= len(theirs)


def test_the_smallest_wins_and_a_failing_maker_is_told() -> None:
    def fail(base: bytes, target: bytes) -> list[object]:
        raise OSError("no covers today")

    base, target = fixtures()
    makers = {"nothing": lambda base, target: [], "fails": fail, **available()}
    made = make_delta(base, target, makers=makers)  # type: ignore[arg-type]
    sizes = {one.maker: one.size for one in made.candidates if not one.trouble}
    assert len(made.package) == min(sizes.values()) == sizes[made.maker] < sizes["nothing"]
    assert [one.trouble for one in made.candidates if one.maker == "fails"] == ["no covers today"]
    with pytest.raises(DeltaRejected, match="fails: no covers today"):
        make_delta(base, target, makers={"fails": fail})  # type: ignore[dict-item]


def test_images_and_windows_that_cannot_be() -> None:
    with pytest.raises(UsageError, match="old image"):
        make_delta(b"", b"x")
    with pytest.raises(UsageError, match="new image"):
        make_delta(b"x", b"")
    with pytest.raises(UsageError, match="4 to 15 bits, found 16"):
        make_delta(b"x", b"y", window_bits=16)


# --- the header


def test_header_there_and_back() -> None:
    assert parse_header(HEADER.pack()) == HEADER
    assert len(HEADER.pack()) == HEADER.size


def test_every_flipped_bit_of_a_header_is_refused() -> None:
    packed = HEADER.pack()
    for bit in range(8 * len(packed)):
        data = bytearray(packed)
        data[bit // 8] ^= 1 << bit % 8
        with pytest.raises(DeltaRejected):
            parse_header(bytes(data))


def test_a_signature_covers_all_before_it() -> None:
    def sign(part: bytes) -> bytes:
        return hashlib.sha512(b"key" + part).digest()

    signed = HEADER.signed(SignatureKind.ED25519, b"12345678", sign)
    parsed = parse_header(signed.pack())
    assert parsed == signed
    assert parsed.signature == Signature(
        SignatureKind.ED25519, b"12345678", sign(parsed.signed_part())
    )
    assert signed.pack().startswith(signed.signed_part())
    assert replace(parsed, target_version="2.0.1").signed_part() != parsed.signed_part()


def test_a_signed_package_applies() -> None:
    base, target = fixtures()
    made = make_delta(
        base,
        target,
        sign=lambda header: header.signed(SignatureKind.ED25519, b"k" * 8, lambda part: b"s" * 64),
    )
    assert made.header.signature is not None
    assert apply_delta(made.package, base) == target
