"""imgtool's images, every kind of key: taken as they are, and refused however they are changed."""

from __future__ import annotations

import hashlib
import random
import struct
from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, x25519
from hypothesis import given, settings
from hypothesis import strategies as st

from mcu_updater.core.errors import ImageRejected, RolledBack, UntrustedImage
from mcu_updater.core.image_version import NO_FLOOR, SecurityVersion, Version
from mcu_updater.core.trust import Place, Trust, check_image, load_key
from mcu_updater.core.trust.container import HEADER_SIZE, MAX_TLVS, SignedStream
from mcu_updater.core.trust.tlv import PROTECTED_MAGIC, UNPROTECTED_MAGIC, read_claims
from tests.core.trust import signing

PLACE = Place(signing.LINK_ADDRESS, 448 * 1024)
EVERY_KIND = pytest.mark.parametrize("kind", signing.KINDS)


def trust(algorithm: str = "ed25519", who: str = "owner", **more) -> Trust:
    return Trust((load_key(signing.public_pem(algorithm, who)),), **more)


def of(kind: str) -> Trust:
    return trust(signing.KINDS[kind].algorithm)


# --- what is accepted


@EVERY_KIND
@pytest.mark.parametrize("full", [False, True], ids=["hash", "pubkey"])
def test_every_kind_of_key(kind: str, full: bool) -> None:
    image = signing.signed("2.3.4+5", kind, counter=7, key_in_full=full)
    assert check_image(of(kind), image, PLACE, version="2.3.4-5") == SecurityVersion(
        Version(2, 3, 4, 5), 7
    )


@EVERY_KIND
@pytest.mark.parametrize("step", [1, 7, 1024, 4096])
def test_however_it_is_cut(kind: str, step: int) -> None:
    image = signing.signed("1.0.0", kind, counter=1)
    inspection = of(kind).inspect(PLACE, NO_FLOOR, "1.0.0")
    for at in range(0, len(image), step):
        inspection.feed(image[at : at + step])
    assert inspection.finish(lambda size: image[:size]) == SecurityVersion(Version(1), 1)
    assert inspection.size == len(image)


def test_what_stands_in_flash_is_looked_at_again() -> None:
    for kind in signing.KINDS:
        image = signing.signed("1.0.0", kind, size=40_000)

        def read(offset: int, size: int, image: bytes = image) -> bytes:
            return image[offset : offset + size]

        security_version, digest = of(kind).inspect_flash(
            read, len(image), PLACE, NO_FLOOR, "1.0.0"
        )
        assert security_version == SecurityVersion(Version(1), 0)
        assert digest == hashlib.sha256(image).digest()
        worse = bytearray(image)
        worse[30_000] ^= 1

        def read_worse(offset: int, size: int, image: bytes = bytes(worse)) -> bytes:
            return image[offset : offset + size]

        with pytest.raises(UntrustedImage):
            of(kind).inspect_flash(read_worse, len(image), PLACE, NO_FLOOR, "1.0.0")


def test_imgtool_agrees() -> None:
    for kind, how in signing.KINDS.items():
        image = signing.signed("1.0.0", kind)
        if not how.pure:  # imgtool 2.5.0 cannot verify what it has signed so with the private key
            assert signing.imgtool_accepts(image, how.algorithm), kind
        for at in (40, signing.HEADER_SIZE + 50, len(image) - 20):
            worse = bytearray(image)
            worse[at] ^= 4
            if signing.imgtool_accepts(bytes(worse), how.algorithm):
                continue
            with pytest.raises(ImageRejected):
                check_image(of(kind), bytes(worse), PLACE)


def test_several_keys_may_sign() -> None:
    keys = [load_key(signing.public_pem(how.algorithm)) for how in signing.KINDS.values()]
    anyone = Trust(tuple(dict.fromkeys(keys)))
    for kind in signing.KINDS:
        check_image(anyone, signing.signed("1.0.0", kind), PLACE)


# --- what is refused


@EVERY_KIND
def test_single_bits(kind: str) -> None:
    """The long campaign is tests/core/trust/test_campaign.py."""
    image, rng = signing.signed("2.0.0", kind, counter=3), random.Random(kind)
    trusted = of(kind)
    bits = [rng.randrange(8 * len(image)) for _ in range(150)]
    bits += [8 * at + bit for at in range(HEADER_SIZE) for bit in (0, 7)]
    for bit in bits:
        worse = bytearray(image)
        worse[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ImageRejected):
            check_image(trusted, bytes(worse), PLACE)


@EVERY_KIND
def test_truncations_and_growth(kind: str) -> None:
    image = signing.signed("2.0.0", kind, counter=3)
    for size in [*range(0, len(image), 37), *range(len(image) - 120, len(image))]:
        with pytest.raises(UntrustedImage, match="cut short"):
            check_image(of(kind), image[:size], PLACE)
    for more in (b"\0", b"\xff", b"\xff" * 5000, image):
        with pytest.raises(UntrustedImage, match="bytes behind the signed image"):
            check_image(of(kind), image + more, PLACE)


@EVERY_KIND
def test_another_key(kind: str) -> None:
    image = signing.signed("2.0.0", kind, who="stranger")
    with pytest.raises(UntrustedImage, match="a key that is not trusted"):
        check_image(of(kind), image, PLACE)
    named = with_key_of(image, signing.signed("2.0.0", kind), kind)
    with pytest.raises(UntrustedImage, match="the signature is wrong"):
        check_image(of(kind), named, PLACE)


def with_key_of(image: bytes, owner: bytes, kind: str) -> bytes:
    """*image*, a stranger's, which names the owner's key."""
    size = 64 if "512" in kind or "pure" in kind else 48 if "384" in kind else 32
    mark = struct.pack("<HH", 1, size)
    at, there = image.index(mark) + 4, owner.index(mark) + 4
    return image[:at] + owner[there : there + size] + image[at + size :]


def test_a_signature_of_another_image() -> None:
    one, other = signing.signed("2.0.0"), signing.signed("2.0.1")
    end = signing.HEADER_SIZE + 700
    with pytest.raises(UntrustedImage, match="is not the one that was signed"):
        check_image(trust(), one[:end] + other[end:], PLACE)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"load_addr": 0x2000_0000}, "cannot be run from a slot"),
        ({"non_bootable": True}, "cannot be run from a slot"),
        ({"rom_fixed": 0x0804_0000}, "for another address"),
    ],
)
def test_images_for_another_place(options: dict[str, Any], text: str) -> None:
    with pytest.raises(UntrustedImage, match=text):
        check_image(trust(), signing.signed("1.0.0", **options), PLACE)


def test_an_image_that_is_fixed_to_this_place() -> None:
    image = signing.signed("1.0.0", rom_fixed=signing.LINK_ADDRESS)
    check_image(trust(), image, PLACE)


def test_an_image_that_is_linked_for_another_place() -> None:
    with pytest.raises(ImageRejected, match="linked for another address"):
        check_image(trust(), signing.signed("1.0.0"), Place(0x0804_0000, PLACE.size))


def test_an_image_larger_than_the_slot_is_refused_by_its_header() -> None:
    image = signing.signed("1.0.0", size=5000)
    inspection = trust().inspect(Place(PLACE.address, 4096), NO_FLOOR, None)
    with pytest.raises(UntrustedImage, match="larger than its slot"):
        inspection.feed(image[:HEADER_SIZE])


# --- versions, counters, devices


def test_the_version_announced_is_the_one_that_was_signed() -> None:
    inspection = trust().inspect(PLACE, NO_FLOOR, "3.0.0")
    with pytest.raises(UntrustedImage, match=r"expected 3\.0\.0, found 2\.0\.0"):
        inspection.feed(signing.signed("2.0.0")[:HEADER_SIZE])


@pytest.mark.parametrize(
    ("version", "counter", "accepted"),
    [
        ("1.9.9", 9, False),
        ("2.0.0", 4, False),
        ("2.0.0", None, False),
        ("2.0.0", 5, True),
        ("2.0.0+1", 5, True),
        ("10.0.0", 6, True),
    ],
)
def test_nothing_older_than_the_floor(version: str, counter: int | None, accepted: bool) -> None:
    image, floor = signing.signed(version, counter=counter), SecurityVersion(Version(2), 5)
    if accepted:
        check_image(trust(), image, PLACE, floor=floor)
        return
    with pytest.raises(RolledBack):
        check_image(trust(), image, PLACE, floor=floor)


def test_an_older_version_is_refused_by_its_header() -> None:
    inspection = trust().inspect(PLACE, SecurityVersion(Version(2), 0), None)
    with pytest.raises(RolledBack):
        inspection.feed(signing.signed("1.0.0")[:HEADER_SIZE])


def test_dependencies() -> None:
    image = signing.signed("1.0.0", dependencies={0: "1.0.0", 3: "4.5.6"})
    with pytest.raises(UntrustedImage, match=r"image 3, version 4\.5\.6 or later, found none"):
        check_image(trust(), image, PLACE)
    with pytest.raises(UntrustedImage, match=r"found 4\.5\.5"):
        check_image(trust(installed={3: Version(4, 5, 5)}), image, PLACE)
    check_image(trust(installed={3: Version(4, 5, 6)}), image, PLACE)
    with pytest.raises(UntrustedImage, match="an image that this one needs"):
        check_image(trust(), signing.signed("1.0.0", dependencies={0: "1.0.1"}), PLACE)


def test_classes_of_devices() -> None:
    """Two components, one key: what is signed for one does not run on the other."""
    mine, other = bytes(range(16)), bytes(range(1, 17))
    image = signing.signed("1.0.0", cid=mine.hex())
    check_image(trust(class_id=mine), image, PLACE)
    for refused in (signing.signed("1.0.0", cid=other.hex()), signing.signed("1.0.0")):
        with pytest.raises(UntrustedImage, match="another class of devices"):
            check_image(trust(class_id=mine), refused, PLACE)


# --- TLV tricks. ``rebuilt`` keeps what is signed, so digest and signature stay right


def rebuilt(image: bytes, protected: bytes | None = None, more: bytes = b"") -> bytes:
    """*image* with *more* in its unprotected area, and *protected* for the protected one."""
    _, _, header_size, protected_size, body_size = struct.unpack_from("<IIHHI", image)
    end = header_size + body_size + protected_size
    area = image[end + 4 :] + more
    info = struct.pack("<HH", UNPROTECTED_MAGIC, 4 + len(area))
    signed = image[:end] if protected is None else image[: header_size + body_size] + protected
    return signed + info + area


def entry(kind: int, value: bytes, length: int | None = None) -> bytes:
    return struct.pack("<HH", kind, len(value) if length is None else length) + value


COUNTER = entry(0x50, struct.pack("<I", 99))


def test_a_rebuilt_image_is_the_same() -> None:
    image = signing.signed("1.0.0", counter=1)
    assert rebuilt(image) == image


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (COUNTER, "must not stand in the unprotected area"),
        (entry(0x40, bytes(12)), "must not stand in the unprotected area"),
        (entry(0x75, bytes(16)), "must not stand in the unprotected area"),
        (entry(0xA0, b"vendor"), "must not stand in the unprotected area"),
        (entry(0x31, bytes(24)), "must not stand in the unprotected area"),
        (entry(0x10, bytes(32)), "comes twice"),
        (entry(0x24, bytes(64)), "comes twice"),
        (entry(0x01, bytes(32)), "comes twice"),
        (entry(0x02, bytes(32)), "one name of a key"),
        (entry(0x12, bytes(64)), "one digest"),
        (entry(0x22, bytes(70)), "one signature"),
        (entry(0x25, b"\x00"), "SIG_PURE is neither set nor absent"),
        (entry(0x25, b"\x01"), "a digest that Ed25519 does not sign here"),
        (entry(0x25, b""), "another length"),
        (entry(0x25, b"\x01", length=2), "longer than its area"),
        (entry(0x25, b"", length=0xFFFF), "longer than its area"),
        (b"\x25\x00", "cut short"),
        (bytes(20_000), "TLVs of an impossible size"),
    ],
)
def test_tricks_in_the_unprotected_area(more: bytes, text: str) -> None:
    with pytest.raises(UntrustedImage, match=text):
        check_image(trust(), rebuilt(signing.signed("1.0.0", counter=1), more=more), PLACE)


def test_a_counter_cannot_be_put_in_the_place_of_the_signed_one() -> None:
    image = signing.signed("1.0.0", counter=1)
    forged = struct.pack("<HH", PROTECTED_MAGIC, 12) + COUNTER
    with pytest.raises(UntrustedImage, match="is not the one that was signed"):
        check_image(trust(), rebuilt(image, protected=forged), PLACE)


def test_what_is_not_signed_must_not_stand_where_it_would_be() -> None:
    """Duplicates and vouchers in the protected area, under a signature that is right."""
    for custom in ({0xA0: b"x", 0xA1: b"y" * 100}, {}):
        check_image(trust(), signing.signed("1.0.0", custom=custom), PLACE)
    good = signing.signed("1.0.0", counter=1)
    vouching = good[signing.HEADER_SIZE + 700 + 12 :]
    for entries, text in (
        (COUNTER + COUNTER, "comes twice in the protected"),
        (entry(0x10, bytes(32)), "must not stand in the protected"),
        (entry(0x24, bytes(64)), "must not stand in the protected"),
        (entry(0x76, bytes(4)), "must not stand in the protected"),
        (entry(0x50, bytes(8)), "another length"),
        (entry(0x40, b"\1\1" + bytes(10)), "a certain slot"),
        (entry(0x40, bytes(12)) * 2, "two TLVs DEPENDENCY"),
    ):
        area = struct.pack("<HH", PROTECTED_MAGIC, 4 + len(entries)) + entries
        with pytest.raises(UntrustedImage, match=text):
            read_claims(area, vouching)


# --- keys


def test_a_private_key_is_refused() -> None:
    with pytest.raises(ImageRejected, match="must not have"):
        load_key(signing.private_pem("ed25519"), "owner.pem")


def test_what_is_no_key(tmp_path) -> None:
    for pem, found in (
        (b"", "found a file that is not PEM"),
        (b"hello", "found a file that is not PEM"),
        (signing.public_pem("p256")[:60], "found PEM that holds no known key"),
    ):
        with pytest.raises(ImageRejected, match=f"no public key.*{found}"):
            load_key(pem)
    for key in (ec.generate_private_key(ec.SECP521R1()), x25519.X25519PrivateKey.generate()):
        pem = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        with pytest.raises(ImageRejected, match="signs no images"):
            load_key(pem)


def test_versions_as_text() -> None:
    assert Version.parse("1.2.3") == Version(1, 2, 3)
    assert {Version.parse(f"1.2.3{mark}4") for mark in "+-._"} == {Version(1, 2, 3, 4)}
    for text in ("", "1", "1.2", "v1.2.3", "1.2.3.4.5", "01.2.3", "256.0.0", "1.0.65536",
                 "1.2.3+4294967296", " 1.2.3", "1.2.3\n", "1.2.\u0663"):  # fmt: skip
        assert Version.parse(text) is None, text
    assert str(Version(1, 2, 3, 4)) == "1.2.3+4"


# --- anything at all

KINDS_OF_IMAGE = ("ed25519", "ed25519-pure", "p384")


@cache
def whole(kind: str) -> bytes:
    return signing.signed("1.0.0", kind, counter=1, dependencies={0: "1.0.0"})


@st.composite
def mangled(draw: st.DrawFn) -> tuple[str, bytes]:
    kind = draw(st.sampled_from(KINDS_OF_IMAGE))
    image = bytearray(whole(kind))
    tail = len(image) - 300
    for _ in range(draw(st.integers(1, 4))):
        if not image:
            break
        at = draw(st.integers(0, HEADER_SIZE) | st.integers(tail, tail + 300)) % len(image)
        piece = draw(st.binary(max_size=6))
        image[at : at + draw(st.integers(0, 6))] = piece
    return kind, bytes(image)


@settings(max_examples=200)
@given(mangled())
def test_mangled_images_end_in_typed_errors(given: tuple[str, bytes]) -> None:
    kind, image = given
    if image == whole(kind):
        return
    with pytest.raises(ImageRejected):
        check_image(of(kind), image, PLACE)


@settings(max_examples=150)
@given(st.binary(max_size=300), st.integers(1, 64), st.booleans())
def test_any_bytes_end_in_typed_errors(data: bytes, step: int, as_image: bool) -> None:
    """And no more than so much of them is kept."""
    if as_image:
        data = signing.signed("1.0.0")[:HEADER_SIZE] + data
    stream = SignedStream(("sha256",))
    with pytest.raises(UntrustedImage):
        for at in range(0, len(data), step):
            stream.feed(data[at : at + step])
        stream.finish()


@settings(max_examples=150)
@given(st.binary(max_size=80), st.binary(max_size=80), st.booleans())
def test_any_tlvs_end_in_typed_errors(protected: bytes, other: bytes, framed: bool) -> None:
    if framed:
        protected = struct.pack("<HH", PROTECTED_MAGIC, 4 + len(protected)) + protected
        other = struct.pack("<HH", UNPROTECTED_MAGIC, 4 + len(other)) + other
    with pytest.raises(UntrustedImage):
        read_claims(protected, other)


def test_memory_is_bounded() -> None:
    """A gigabyte behind a header that announces it: nothing but the last bytes is kept."""
    stream = SignedStream(("sha256",))
    header = bytearray(signing.signed("1.0.0")[:HEADER_SIZE])
    struct.pack_into("<I", header, 12, 64 << 20)
    stream.feed(bytes(header))
    with pytest.raises(UntrustedImage):
        for _ in range(70):
            stream.feed(bytes(1 << 20))
    held = len(stream._tlvs) + len(stream._head) + len(stream._vectors)
    assert held <= MAX_TLVS + 64
