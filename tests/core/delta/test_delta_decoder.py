"""The incremental decoder: any chunks, any boundary to save at, bounded state."""

import hashlib
import random

import pytest

from mcu_updater.core.delta import Algorithm, BaseMismatch, DeltaDecoder, DeltaRejected, Limits
from mcu_updater.files.delta.make import make_delta
from mcu_updater.files.delta.makers import available
from tests.core.delta.pairs import PROFILES, edited, fixture_delta, fixtures

# Measured on our own firmware with both versions named in at most 5 characters; what FORMAT.md
# and docs/how-to/delta.md say.
STATE_MAX = {Algorithm.HEATSHRINK: 256 + 260 + 1028, Algorithm.LZMA: 4096 + 2 * 2615 + 400 + 1028}


class Base:
    """A base image that counts what is read of it."""

    def __init__(self, image: bytes) -> None:
        self.image = image
        self.read_size = 0

    def read(self, offset: int, size: int) -> bytes:
        assert offset >= 0
        assert offset + size <= len(self.image)
        self.read_size += size
        return self.image[offset : offset + size]

    def sha256(self, size: int) -> bytes | None:
        return hashlib.sha256(self.image[:size]).digest() if size <= len(self.image) else None


def opened(image: bytes, **options: object) -> DeltaDecoder:
    base = Base(image)
    return DeltaDecoder(base.read, base.sha256, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("algorithm", PROFILES)
@pytest.mark.parametrize("size", [1, 2, 13, 1024, 1 << 20])
def test_any_chunk_size(algorithm: Algorithm, size: int) -> None:
    base, target = fixtures()
    package = fixture_delta(algorithm).package
    decoder = opened(base)
    image = b""
    for at in range(0, len(package), size):
        image += b"".join(decoder.feed(package[at : at + size]))
        assert image == target[: len(image)]
    decoder.finish()
    assert image == target


@pytest.mark.parametrize("algorithm", PROFILES)
def test_saved_and_restored_at_every_boundary(algorithm: Algorithm) -> None:
    """At random boundaries, single bytes among them; each from the bytes of the state alone."""
    old, target = fixtures()
    base = Base(old)
    package = fixture_delta(algorithm).package
    rng = random.Random(7)
    decoder = DeltaDecoder(base.read, base.sha256, resumable=True)
    image = b""
    at = largest = 0
    while at < len(package):
        size = 1 if at < 200 else rng.randrange(1, 120)
        image += b"".join(decoder.feed(package[at : at + size]))
        at += size
        state = decoder.state()
        largest = max(largest, len(state))
        decoder = DeltaDecoder.restore(state, base.read, base.sha256)
        assert decoder.state() == state
    decoder.finish()
    assert image == target
    assert largest <= STATE_MAX[algorithm]


@pytest.mark.parametrize("algorithm", PROFILES)
def test_a_replay_from_an_older_state_gives_the_same_bytes(algorithm: Algorithm) -> None:
    old, target = fixtures()
    base = Base(old)
    package = fixture_delta(algorithm).package
    decoder = DeltaDecoder(base.read, base.sha256, resumable=True)
    before = b"".join(decoder.feed(package[:1500]))
    state = decoder.state()
    for _ in range(2):
        again = DeltaDecoder.restore(state, base.read, base.sha256)
        image = before + b"".join(again.feed(package[1500:]))
        again.finish()
        assert image == target


def test_a_plain_decoder_has_no_state() -> None:
    with pytest.raises(RuntimeError, match="resumable"):
        opened(b"x").state()


@pytest.mark.parametrize("state", [b"", b"\0" * 5, b"\xff" * 40])
def test_what_is_no_state_is_told(state: bytes) -> None:
    base = Base(b"x")
    with pytest.raises(ValueError, match="not the state"):
        DeltaDecoder.restore(state, base.read, base.sha256)


@pytest.mark.parametrize("algorithm", PROFILES)
def test_another_base_is_refused_before_anything_is_made(algorithm: Algorithm) -> None:
    old, _ = fixtures()
    package = fixture_delta(algorithm).package
    base = Base(old[:-1] + b"?")
    decoder = DeltaDecoder(base.read, base.sha256)
    with pytest.raises(BaseMismatch, match="full package"):
        list(decoder.feed(package))
    assert decoder.header is None
    assert base.read_size == 0


def test_a_slot_that_is_longer_than_the_base_will_do() -> None:
    """The base is what its size says; behind it anything may stand in the slot."""
    old, target = fixtures()
    base = Base(old + b"\xff" * 999)
    decoder = DeltaDecoder(base.read, base.sha256)
    assert b"".join(decoder.feed(fixture_delta(Algorithm.HEATSHRINK).package)) == target


def test_limits_and_signature_are_asked_before_the_base() -> None:
    old, _ = fixtures()
    package = fixture_delta(Algorithm.LZMA).package
    with pytest.raises(DeltaRejected, match="window has a size that is not taken"):
        list(opened(old, limits=Limits(window=1024)).feed(package))
    with pytest.raises(DeltaRejected, match="target image"):
        list(opened(old, limits=Limits(image=len(old))).feed(package))

    def refuse(header: object) -> None:
        raise DeltaRejected("not signed")

    with pytest.raises(DeltaRejected, match="not signed"):
        list(opened(b"another", verify=refuse).feed(package))


@pytest.mark.parametrize("algorithm", PROFILES)
def test_pieces_stay_small(algorithm: Algorithm) -> None:
    """A patch of a few bytes for a large image: it comes out in pieces all the same."""
    base = random.Random(1).randbytes(100_000)
    target = bytes(80_000) + base
    makers = {"builtin": available()["builtin"]}
    made = make_delta(base, target, algorithm=algorithm, makers=makers)
    assert len(made.package) < 12_000
    pieces = list(opened(base).feed(made.package))
    assert b"".join(pieces) == target
    assert max(map(len, pieces)) <= 4096 + 273


@pytest.mark.parametrize("algorithm", PROFILES)
@pytest.mark.parametrize("seed", range(40))
def test_edited_images(algorithm: Algorithm, seed: int) -> None:
    base, target = edited(seed)
    made = make_delta(base, target, algorithm=algorithm, makers={"builtin": available()["builtin"]})
    rng = random.Random(seed)
    decoder = opened(base)
    image, at = b"", 0
    while at < len(made.package):
        size = rng.randrange(1, 300)
        image += b"".join(decoder.feed(made.package[at : at + size]))
        at += size
    decoder.finish()
    assert image == target
