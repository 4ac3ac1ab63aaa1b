"""One piece of the package into the slot: digests, decoder, writer, in 1024-byte reads.

Between two pieces a loader can be packed into a checkpoint, because the module will not give the
earlier piece again. Within a piece nothing is kept: after a reset the piece is read again from
its start, digests and decoder run over it as before, and the writer leaves alone the sectors
that the journal calls done. An archive is unpacked on the way, and a delta package applied to the
image that runs: their decoders go into the checkpoint like any other.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import replace

from mcu_updater.core.delta import Header
from mcu_updater.core.delta.receiver import PART_MAX, DeltaImage, DeltaTerms
from mcu_updater.core.digest import (
    DIGESTS_MAX,
    Hash,
    PackageDigest,
    Sha256Resumable,
    new_digests,
)
from mcu_updater.core.errors import (
    ImageRejected,
    PackageDamaged,
    VerificationFailed,
    address_text,
)
from mcu_updater.core.image import (
    PACKAGES,
    Decoder,
    Extent,
    ImageFormat,
    open_decoder,
    restore,
    sniff,
    sniff_size,
)
from mcu_updater.core.journal import Package
from mcu_updater.core.package import PackageDecoder, Wanted
from mcu_updater.core.slot import ERASED, Window
from mcu_updater.core.trust import Inspection
from mcu_updater.core.writer import SectorWriter

ANYONE = Wanted()

_CHUNK = 4096  # bytes at a time, where an inspection is shown what it has missed
_STATE = struct.Struct("<HHHHH")  # sector; sizes of held bytes, decoder, package, image digest


def checkpoint_room(capacity: int) -> int:
    """Bytes of a checkpoint of *capacity* that are there for decoder and unfinished sector."""
    return capacity - _STATE.size - DIGESTS_MAX - Sha256Resumable.STATE_MAX


class Loader:
    """Takes the package's bytes in order; yields the sectors that they complete.

    *base* is where a raw image is linked. *single* says that the package comes in one piece, so
    that no checkpoint will be asked for and the digests may be of the fast kind. *inspection*
    sees every byte of the image before it can be written; None: it need not be signed. *wanted*
    is what an image in an archive must be for. *delta*: what is asked of a delta package; None:
    there is no image to apply one to.
    """

    def __init__(
        self,
        slot: Window,
        package: Package,
        *,
        base: int,
        done: int = 0,
        single: bool,
        inspection: Inspection | None = None,
        wanted: Wanted = ANYONE,
        delta: DeltaTerms | None = None,
    ) -> None:
        self._slot = slot
        self._package = package
        self._base = base
        self._single = single
        self._wanted = wanted
        self._digest = new_digests(resumable=not single)
        self._image: Hash = hashlib.sha256() if single else Sha256Resumable()
        self._decoder: Decoder | None = None
        self._head = b""  # what came before the format was known
        self._inspection = inspection
        self._delta = delta
        self.writer = self._new_writer(done)
        self.format: ImageFormat | None = None

    def feed(self, data: bytes) -> Iterator[int]:
        """Take the next package bytes. Raises ImageRejected or VerificationFailed."""
        self._digest.update(data)
        if self._decoder is None:
            data = self._head = self._head + data
            if len(data) < min(sniff_size(data), self._package.length):
                return
            self._decoder = self._open(data)
        inspection = self._inspection
        for extent in self._decoder.feed(data):
            if inspection is None:
                yield from self.writer.put(extent)
                continue
            for record in extent.each_line():
                self._show(inspection, self.writer.place(record), record)
                yield from self.writer.put(record)

    def finish(self) -> Iterator[int]:
        """The package has ended: the format, both digests, the signature, then the last sector."""
        if self._decoder is None:
            raise ImageRejected("the package is empty")
        self._decoder.finish()
        self._check_digests()
        if self._inspection is not None:
            self._inspection.finish()
        yield from self.writer.finish()

    @property
    def image_size(self) -> int:
        return self.writer.cursor

    @property
    def image_sha256(self) -> bytes:
        """SHA-256 of the image as it must stand in flash; whole after ``finish``."""
        return self._image.digest()

    def _new_writer(self, done: int) -> SectorWriter:
        plain = self._inspection is None
        return SectorWriter(self._slot, self._image, done=done, check_vectors=plain)

    @staticmethod
    def _show(inspection: Inspection, offset: int, extent: Extent) -> None:
        """Let *inspection* see *extent*, and the gap before it as it will be in flash."""
        while inspection.size < offset:
            inspection.feed(bytes([ERASED]) * min(_CHUNK, offset - inspection.size))
        inspection.feed(extent.data)

    def _open(self, first: bytes) -> Decoder:
        self.format = sniff(first)
        if self.format is ImageFormat.BIN and self._package.length > self._slot.size:
            raise ImageRejected(
                "the package is larger than the slot",
                where=f"slot at {address_text(self._slot.address)}",
                expected=f"at most {self._slot.size} bytes",
                found=f"{self._package.length}",
                then="Nothing was erased",
            )
        if self.format is ImageFormat.BIN and self._inspection is not None:
            self._inspection.expect(self._package.length)
        if self.format in PACKAGES:
            return PackageDecoder(
                self.format,
                self._wanted,
                base=self._base,
                room=self._slot.size,
                resumable=not self._single,
            )
        if self.format is ImageFormat.DELTA:
            return DeltaImage(self._delta_terms())
        return open_decoder(self.format, self._base)

    def _restore(self, state: bytes) -> Decoder:
        match state[0]:
            case PackageDecoder.CODE:
                room = self._slot.size
                return PackageDecoder.restore(state, self._wanted, base=self._base, room=room)
            case DeltaImage.CODE:
                return DeltaImage.restore(state, self._delta_terms())
        return restore(state)

    def _delta_terms(self) -> DeltaTerms:
        """As they were given; and an inspection learns from the header how long the image is."""
        terms = self._delta
        if terms is None:
            raise ImageRejected(
                "a delta package, and no image to apply it to",
                expected="a full package",
                then="Nothing was erased",
            )

        def verify(header: Header) -> None:
            if terms.verify is not None:
                terms.verify(header)
            if self._inspection is not None:
                self._inspection.expect(header.target_size)

        return replace(terms, verify=verify, room=None if self._single else terms.room)

    def _check_digests(self) -> None:
        for name, expected, found in (
            ("MD5", self._package.md5, self._digest.md5()),
            ("SHA-256", self._package.sha256, self._digest.sha256()),
        ):
            if expected != found:
                raise PackageDamaged(
                    f"{name} of the package is wrong",
                    expected=expected.hex(),
                    found=found.hex(),
                    then="The image will not be booted",
                )

    # --- checkpoints

    def checkpoint(self) -> bytes:
        """All that is known here, for ``resume`` at the next piece."""
        if self._decoder is None:
            raise ImageRejected(
                "the first piece is too small to tell the format",
                expected=f"at least {sniff_size(self._head)} bytes",
                found=f"{len(self._head)}",
            )
        if not isinstance(self._image, Sha256Resumable):
            raise ValueError("digests of a package in one piece cannot be packed")
        sector, held = self.writer.state()
        parts = (held, self._decoder.state(), self._digest.state(), self._image.state())
        if max(map(len, parts)) > PART_MAX:
            raise ImageRejected(
                "the package comes in pieces, and a checkpoint cannot hold what one leaves",
                where=f"sector {sector} of the slot",
                expected=f"at most {PART_MAX} bytes of a sector, or of a decoder",
                found=str(max(map(len, parts))),
                then="Let the module hold the whole package",
            )
        return _STATE.pack(sector, *map(len, parts)) + b"".join(parts)

    def resume(self, checkpoint: bytes) -> None:
        """Take over the state that another loader packed.

        An inspection is shown again what was written since the package began. Raises
        VerificationFailed where that cannot be read any more.
        """
        sector, *sizes = _STATE.unpack_from(checkpoint)
        parts, offset = [], _STATE.size
        for size in sizes:
            parts.append(checkpoint[offset : offset + size])
            offset += size
        held, decoder, digest, image = parts
        self._decoder = self._restore(decoder)
        self._digest = PackageDigest.restore(digest)
        self._image = Sha256Resumable.restore(image)
        self.writer = self._new_writer(self.writer.done)
        self.writer.resume(sector, held)
        if self._inspection is not None:
            self._show_again(self._inspection, self.writer.cursor - len(held))
            self._inspection.feed(held)

    def _show_again(self, inspection: Inspection, end: int) -> None:
        for offset in range(0, end, _CHUNK):
            data = self._slot.peek(offset, min(_CHUNK, end - offset))
            if data is None:
                raise VerificationFailed(
                    "what was written of the image cannot be read any more",
                    where=address_text(self._slot.address + offset),
                    then="The image will not be booted",
                )
            inspection.feed(data)
