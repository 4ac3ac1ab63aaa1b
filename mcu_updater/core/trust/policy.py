"""What a device takes: whose images, for which place, and from which version on.

An ``Inspection`` looks at one image as its bytes come. It refuses at the first byte that allows
it: the header before anything is erased, all else after the last byte. The same inspection is
made again from flash before the image becomes VERIFIED, and by the bootloader where it has keys.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from mcu_updater.core.delta import Header as DeltaHeader
from mcu_updater.core.errors import RolledBack, UntrustedImage, address_text
from mcu_updater.core.image import check_vector_table
from mcu_updater.core.image_version import NO_FLOOR, SecurityVersion, Version
from mcu_updater.core.trust.container import Header, SignedStream, cut_short
from mcu_updater.core.trust.deltas import verify_delta
from mcu_updater.core.trust.keys import PublicKey
from mcu_updater.core.trust.tlv import INFO, Claims, read_claims
from mcu_updater.core.trust.verify import hashes_of, verify

OWN_IMAGE = 0
"""Number under which an image's dependencies name the image itself."""

_CHUNK = 16 * 1024  # bytes read at a time from flash

Read = Callable[[int, int], bytes]
"""Offset and size to bytes of an image."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an image is to run from, and how large it may be."""

    address: int
    size: int


@dataclass(frozen=True, slots=True)
class Trust:
    """What an owner trusts. *class_id*: the device's own UUID_CID, which images must carry then.

    *installed*: versions of the device's other images, by number, for dependencies on them.
    """

    keys: tuple[PublicKey, ...]
    class_id: bytes | None = None
    installed: Mapping[int, Version] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.keys:
            raise ValueError("trust without a key trusts nobody")

    def judge_plan(self, text: str, floor: SecurityVersion) -> str | None:
        """Why a plan to version *text* must be refused; None: no signed image is known yet."""
        version = Version.parse(text)
        if version is None:
            return f"no signed image can have its version {text!r}: expected such as 1.2.3"
        if version < floor.version:
            return f"version {version} is older than {floor.version}, which was confirmed here"
        return None

    def judge_delta(self, header: DeltaHeader) -> None:
        """Raises UntrustedImage unless the delta package is signed by one of the keys. What it
        makes is inspected as any image is."""
        verify_delta(header, self.keys)

    def inspect(self, place: Place, floor: SecurityVersion, version: str | None) -> Inspection:
        """Begin to look at an image that was announced as *version*; None: as any."""
        return Inspection(self, place, floor, version)

    def inspect_flash(
        self, read: Read, size: int, place: Place, floor: SecurityVersion, version: str | None
    ) -> tuple[SecurityVersion, bytes]:
        """Look at *size* bytes that stand in flash: their security version, and the SHA-256 of all
        of them.

        Both are of the same reading. Raises as ``Inspection`` does; *read* may raise OSError,
        which is passed on.
        """
        inspection, digest = self.inspect(place, floor, version), hashlib.sha256()
        for offset in range(0, size, _CHUNK):
            data = read(offset, min(_CHUNK, size - offset))
            inspection.feed(data)
            digest.update(data)
        return inspection.finish(lambda length: read(0, length)), digest.digest()


class Inspection:
    """One image, its bytes in order, however they are cut.

    Raises UntrustedImage for an image that must not run here, RolledBack for one that is older
    than the floor, and ImageRejected for a vector table of another place.
    """

    def __init__(
        self, trust: Trust, place: Place, floor: SecurityVersion, version: str | None
    ) -> None:
        self._trust = trust
        self._place = place
        self._floor = floor
        self._version = version
        self._length: int | None = None
        self._stream = SignedStream(hashes_of(trust.keys))
        self._judged_header = False
        self._judged_vectors = False

    @property
    def size(self) -> int:
        """Bytes taken."""
        return self._stream.size

    def expect(self, length: int) -> None:
        """The whole image will be *length* bytes long: the header can be held against that."""
        self._length = length

    def feed(self, data: bytes) -> None:
        self._stream.feed(data)
        header, vectors = self._stream.header, self._stream.vectors
        if header is not None and not self._judged_header:
            self._judge_header(header)
            self._judged_header = True
        if header is not None and vectors is not None and not self._judged_vectors:
            place, skipped = self._place, header.header_size
            check_vector_table(vectors, place.address + skipped, place.size - skipped)
            self._judged_vectors = True

    def finish(self, message: Callable[[int], bytes] | None = None) -> SecurityVersion:
        """The image has ended. *message* gives its first so many bytes; None: they are gone.

        Without it a pure signature is not checked, and the security version is only what the image
        claims.
        """
        header, protected, unprotected = self._stream.finish()
        claims = read_claims(protected, unprotected)
        whole = None if message is None else lambda: message(header.signed_size)
        verify(claims, self._stream.digests(), self._trust.keys, whole)
        self._judge_claims(header, claims)
        return SecurityVersion(header.version, claims.counter or 0)

    # --- before the first erase

    def _judge_header(self, header: Header) -> None:
        place = self._place
        least = header.signed_size + INFO.size
        if least > place.size:
            raise _bad("the signed image is larger than its slot", f"at most {place.size} bytes",
                       f"{least} or more")  # fmt: skip
        if self._length is not None and least > self._length:
            raise cut_short(least, self._length)
        if header.is_fixed and header.load_address != place.address:
            raise _bad("an image for another address", address_text(place.address),
                       address_text(header.load_address))  # fmt: skip
        if self._version is not None and Version.parse(self._version) != header.version:
            raise _bad("the signed version is not the one that was announced", self._version,
                       str(header.version))  # fmt: skip
        if header.version < self._floor.version:
            raise _older("version", str(self._floor.version), str(header.version))

    # --- after the last byte

    def _judge_claims(self, header: Header, claims: Claims) -> None:
        counter = claims.counter or 0
        if counter < self._floor.counter:
            found = "none" if claims.counter is None else str(counter)
            raise _older("security counter", str(self._floor.counter), found)
        wanted = self._trust.class_id
        if wanted is not None and claims.class_id != wanted:
            found = "none" if claims.class_id is None else claims.class_id.hex()
            raise _bad("an image for another class of devices", wanted.hex(), found)
        versions = {OWN_IMAGE: header.version, **self._trust.installed}
        for needed in claims.dependencies:
            there = versions.get(needed.image)
            if there is None or there < needed.version:
                found = "none" if there is None else str(there)
                raise _bad("an image that this one needs is not there",
                           f"image {needed.image}, version {needed.version} or later",
                           found)  # fmt: skip


def check_image(
    trust: Trust,
    image: bytes,
    place: Place,
    *,
    floor: SecurityVersion = NO_FLOOR,
    version: str | None = None,
) -> SecurityVersion:
    """Check a whole image that is in memory, before it is written by whatever means."""
    inspection = trust.inspect(place, floor, version)
    inspection.feed(image)
    return inspection.finish(lambda length: image[:length])


def _older(what: str, expected: str, found: str) -> RolledBack:
    return RolledBack(
        f"the image's {what} is lower than one that was confirmed here",
        where="signed image",
        expected=f"{expected} or higher",
        found=found,
        then="It will not be booted",
    )


def _bad(what: str, expected: str, found: str) -> UntrustedImage:
    return UntrustedImage(
        what, where="signed image", expected=expected, found=found, then="It will not be booted"
    )
