"""What the fuzzer asks of decoders, containers and signed images. Needs no fuzzer itself.

Each target takes any bytes. It ends quietly, also where the input is refused with the typed error;
all else is a finding: another exception, another answer or another complaint when the input is cut
otherwise or carried on from a checkpoint, and a state that grows with the input.

The first byte of an input for a decoder says how it is cut, the second one which rules are relaxed.
``make fuzz`` runs the targets; ``test_fuzz_corpus.py`` replays what was kept of them.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import pairwise

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mcu_updater.core.errors import ImageRejected, UntrustedImage
from mcu_updater.core.image import (
    Allow,
    Allowed,
    Decoder,
    Extent,
    ImageFormat,
    open_decoder,
    restore,
    sniff_size,
)
from mcu_updater.core.image_version import SecurityVersion, Version
from mcu_updater.core.package import PackageDecoder, Wanted, manifest, open_any
from mcu_updater.core.trust import Place, Trust, load_key
from mcu_updater.core.trust.tlv import INFO, UNPROTECTED_MAGIC, Kind, read_claims
from mcu_updater.files.elf import read_elf
from mcu_updater.files.segments import MemoryImage, assemble
from mcu_updater.files.writing import write_image

BASE = 0x0800_8000
ROOM = 1 << 20
DECODER_STATE = 600  # bytes at most: the contract of image.Decoder
PACKAGE_STATE = 32 * 1024  # what zlib must see again, a manifest, and some
SPARSE = 1 << 20  # bytes up to which an accepted image is written and read again
MOST_PARTS = 64  # of an input, about
ALLOWS = tuple(Allow)
TEXTS = (ImageFormat.HEX, ImageFormat.SREC, ImageFormat.TI_TXT)

Answer = tuple[str, list[tuple[int, bytes]]]
"""The complaint, empty where there is none; and the bytes, neighbours joined."""


def _joined(extents: Iterable[Extent]) -> list[tuple[int, bytes]]:
    found: list[tuple[int, bytes]] = []
    for address, data, *_ in extents:
        if found and found[-1][0] + len(found[-1][1]) == address:
            found[-1] = found[-1][0], found[-1][1] + data
        elif data:
            found.append((address, data))
    return found


def _answer(
    decoder: Decoder, parts: Iterable[bytes], reset: Callable[[Decoder], Decoder] | None
) -> Answer:
    """What becomes of *parts*; with *reset*, only states live on between two of them."""
    extents: list[Extent] = []
    try:
        for part in parts:
            extents += decoder.feed(part)
            if reset is not None:
                decoder = reset(decoder)
        decoder.finish()
    except ImageRejected as error:
        return error.message, []
    return "", _joined(extents)


def _cut(data: bytes, step: int) -> list[bytes]:
    """Parts of *step* bytes, or larger ones where those would be too many to be quick."""
    step = max(step, len(data) // MOST_PARTS)
    places = [*range(0, len(data), step), len(data)]
    return [data[begin:end] for begin, end in pairwise(places)]


# --- decoders


def _text(fmt: ImageFormat) -> Callable[[bytes], None]:
    def target(data: bytes) -> None:
        step, allow, text = _told(data)
        whole = _answer(open_decoder(fmt, BASE, allow), [text], None)
        assert _answer(open_decoder(fmt, BASE, allow), _cut(text, step), None) == whole
        if not allow:  # a state says nothing of relaxed rules: what comes over the air is strict
            parts = _cut(text, step)
            assert _answer(open_decoder(fmt, BASE), parts, _reset_decoder) == whole
        complaint, pieces = whole
        if not complaint:
            _check_round_trip(pieces, allow)

    return target


def _told(data: bytes) -> tuple[int, Allowed, bytes]:
    head, text = data[:2].ljust(2, b"\0"), data[2:]
    allow = frozenset({ALLOWS[head[1] % len(ALLOWS)]}) if head[1] & 0x80 else frozenset[Allow]()
    return 1 + head[0], allow, text


def _reset_decoder(decoder: Decoder) -> Decoder:
    state = decoder.state()
    assert len(state) < DECODER_STATE
    again = restore(state)
    assert again.state() == state
    return again


def _check_round_trip(pieces: list[tuple[int, bytes]], allow: Allowed) -> None:
    """What was taken, written in each format and read again, is the same image."""
    try:
        image = assemble([Extent(address, data, 0) for address, data in pieces], None, allow)
    except ImageRejected:
        return
    if image.size > SPARSE:
        return
    for fmt in TEXTS:
        written = write_image(image, fmt)
        again = open_decoder(fmt, BASE)
        extents = again.feed(written)
        again.finish()
        assert assemble(extents, None, allow).segments == image.segments


def elf(data: bytes) -> None:
    """An image, or the typed error; all of its bytes are the file's."""
    allow = frozenset({Allow.MACHINE})
    with suppress(ImageRejected):
        extents, entry = read_elf(data, allow)
        image: MemoryImage = assemble(extents, entry, allow)
        assert image.size <= len(data) * len(extents)


# --- containers


def _container(mend: Callable[[bytearray], None]) -> Callable[[bytes], None]:
    """*mend* puts sums right where the first byte of the input is odd: the rest is reached then."""

    def target(data: bytes) -> None:
        head, package = data[:1].ljust(1, b"\0"), bytearray(data[1:])
        if head[0] & 1:
            mend(package)
        _check_package(bytes(package), 1 + head[0])

    return target


def _check_package(package: bytes, step: int) -> None:
    first = package[: sniff_size(package)]

    def opened(*, resumable: bool) -> Decoder:
        return open_any(first, Wanted(), base=BASE, room=ROOM, resumable=resumable)

    try:
        whole = _answer(opened(resumable=False), [package], None)
    except ImageRejected:  # its first bytes are those of something that cannot be read
        return
    parts = _cut(package, step)
    assert _agree(_answer(opened(resumable=False), parts, None), whole)
    if isinstance(opened(resumable=True), PackageDecoder):
        carried = _answer(opened(resumable=True), parts, _reset_package)
        assert "cannot be carried on" in carried[0] or _agree(carried, whole)


def _agree(one: Answer, other: Answer) -> bool:
    """The same; but of compressed data that are damaged zlib gives more where it is fed less."""
    zlib_said = "compressed data are damaged"
    if zlib_said in one[0] or zlib_said in other[0]:
        return bool(one[0] and other[0])
    return one == other


def _reset_package(decoder: Decoder) -> Decoder:
    state = decoder.state()
    assert len(state) < PACKAGE_STATE
    again = PackageDecoder.restore(state, Wanted(), base=BASE, room=ROOM)
    assert again.state() == state
    return again


def _mend_zip(package: bytearray) -> None:
    """CRC and sizes of each file as they are, in its local header and in the directory."""
    at, told = 0, []
    while package[at : at + 4] == b"PK\x03\x04" and len(package) >= at + 30:
        method, packed, name, extra = (
            int.from_bytes(package[at + begin : at + end], "little")
            for begin, end in ((8, 10), (18, 22), (26, 28), (28, 30))
        )
        begin = at + 30 + name + extra
        data = bytes(package[begin : begin + packed])
        if method == 8:
            data = _inflated(data)[0]
        facts = struct.pack("<III", zlib.crc32(data), packed, len(data))
        package[at + 14 : at + 26] = facts
        told.append((facts, at))
        at = begin + packed
    for facts, begin in told:
        if package[at : at + 4] != b"PK\x01\x02" or len(package) < at + 46:
            return
        package[at + 16 : at + 28] = facts
        package[at + 42 : at + 46] = begin.to_bytes(4, "little")
        at += 46 + sum(int.from_bytes(package[at + i : at + i + 2], "little") for i in (28, 30, 32))


def _mend_gzip(package: bytearray) -> None:
    """CRC and length behind a stream whose header has no field but the extra one."""
    at = 10 + (2 + int.from_bytes(package[10:12], "little") if package[3:4] == b"\x04" else 0)
    data, rest = _inflated(bytes(package[at:]))
    tail = len(package) - rest
    package[tail : tail + 8] = struct.pack("<II", zlib.crc32(data), len(data))


def _inflated(packed: bytes) -> tuple[bytes, int]:
    """What comes out of a raw deflate stream, and how many bytes are left behind it."""
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        return stream.decompress(packed, ROOM), len(stream.unused_data)
    except zlib.error:
        return b"", 0


def _mend_tar(package: bytearray) -> None:
    """Each header's checksum as it must be (POSIX.1-2017, pax, "ustar Interchange Format")."""
    at = 0
    while at + 512 <= len(package) and any(package[at : at + 512]):
        package[at + 148 : at + 156] = b" " * 8
        package[at + 148 : at + 156] = b"%06o\0 " % sum(package[at : at + 512])
        size = bytes(package[at + 124 : at + 136]).strip(b"\0 ")
        told = int(size, 8) if size and not size.strip(b"01234567") else 0
        at += 512 + -(-told // 512) * 512


def read_manifest(data: bytes) -> None:
    """Entries that are written and read again the same, or the typed error."""
    with suppress(ImageRejected):
        entries = manifest.parse(data)
        assert manifest.parse(manifest.render(entries)) == entries
        for entry in entries:
            assert manifest.entry_of(manifest.note_of(entry)) == entry


# --- signed images

_KEY = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"fuzz").digest())
_PUBLIC = load_key(_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
_TRUST = Trust((_PUBLIC,))
_FLOOR = SecurityVersion(Version(1, 2, 0, 0), 5)
_ENTRY = struct.Struct("<HH")


def tlv(data: bytes) -> None:
    """Claims, or the typed error. The first two bytes say where the protected area ends."""
    size = int.from_bytes(data[:2], "little")
    with suppress(UntrustedImage):
        claims = read_claims(data[2 : 2 + size], data[2 + size :])
        assert claims.digest in data
        assert claims.signature in data


def signed(data: bytes) -> None:
    """Any header, body and TLVs; signed where the first byte is odd, so that all of it counts.

    Then the device's rules alone decide: whatever is taken is not below the floor. What is not
    signed is never taken.
    """
    is_signed, step, image = bool(data[:1] and data[0] & 1), 1 + (data[0] if data else 0), data[1:]
    if is_signed:
        image += _vouching(image)
    taken = _seal(image, len(image) or 1)
    assert _seal(image, step) == taken
    if taken is not None:
        assert is_signed
        assert taken.version >= _FLOOR.version
        assert taken.counter >= _FLOOR.counter


def _seal(image: bytes, step: int) -> SecurityVersion | None:
    """Of an image that comes *step* bytes at a time; None: it is refused.

    What it is refused for depends on how it comes: the header is judged as soon as it is there.
    """
    inspection = _TRUST.inspect(Place(BASE, ROOM), _FLOOR, None)
    try:
        for part in _cut(image, step):
            inspection.feed(part)
        return inspection.finish(lambda length: image[:length])
    except ImageRejected:
        return None


def _vouching(image: bytes) -> bytes:
    """Digest, name of the key and signature behind all of *image*."""
    digest = hashlib.sha256(image).digest()
    values = {
        Kind.SHA256: digest,
        Kind.KEYHASH: _PUBLIC.hash("sha256"),
        Kind.ED25519: _KEY.sign(digest),
    }
    entries = b"".join(_ENTRY.pack(kind, len(value)) + value for kind, value in values.items())
    return INFO.pack(UNPROTECTED_MAGIC, INFO.size + len(entries)) + entries


TARGETS: dict[str, Callable[[bytes], None]] = {
    "hex": _text(ImageFormat.HEX),
    "srec": _text(ImageFormat.SREC),
    "ti-txt": _text(ImageFormat.TI_TXT),
    "elf": elf,
    "zip": _container(_mend_zip),
    "tar": _container(_mend_tar),
    "gzip": _container(_mend_gzip),
    "manifest": read_manifest,
    "tlv": tlv,
    "signed": signed,
}
