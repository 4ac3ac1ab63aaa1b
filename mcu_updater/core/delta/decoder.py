"""The incremental decoder: package bytes in, image bytes out, however the bytes were cut.

    package -> header -> decompressor -> sequential patch -> new image
                              |                 |                |
                          its window      the old image       SHA-256

It is fed chunks of any size and gives the new image in order. What it keeps is bounded by the
header, which is checked against limits first, and can be saved between two chunks.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterator
from typing import Final, Protocol, Self

from mcu_updater.core.delta.container import (
    PREFIX_SIZE,
    Algorithm,
    Filter,
    Header,
    Limits,
    header_size,
    parse_header,
)
from mcu_updater.core.delta.errors import BaseMismatch, DeltaRejected
from mcu_updater.core.delta.heatshrink import HeatshrinkDecoder
from mcu_updater.core.delta.lzma import LzmaDecoder
from mcu_updater.core.delta.sequential import Read, SequentialDecoder, pack_number
from mcu_updater.core.delta.shifts import Shifts
from mcu_updater.core.digest import Hash, Sha256Resumable

BaseDigest = Callable[[int], bytes | None]
"""SHA-256 of the base image's first bytes, by their number; None where they cannot be read."""

Verify = Callable[[Header], None]
"""Raises an error unless the header is signed by somebody whom the receiver trusts."""

DETOOLS_HEAD: Final = {Algorithm.HEATSHRINK: 4, Algorithm.LZMA: 1}
"""detools' first byte: patch type 0 (sequential) and the compression."""

_STATE: Final = struct.Struct("<HII")  # head, payload bytes taken, decompressor


class Decompressor(Protocol):
    """One of the two profiles."""

    @property
    def window(self) -> int: ...

    @property
    def largest_state(self) -> int: ...

    def feed(self, data: bytes, last: bool) -> Iterator[bytes]: ...

    def state(self) -> bytes: ...


_DECOMPRESSORS: Final[dict[Algorithm, type[HeatshrinkDecoder | LzmaDecoder]]] = {
    Algorithm.HEATSHRINK: HeatshrinkDecoder,
    Algorithm.LZMA: LzmaDecoder,
}


def patch_head(header: Header) -> bytes:
    """What the payload begins with, whatever the decompressor."""
    return bytes([DETOOLS_HEAD[header.algorithm]]) + pack_number(header.target_size)


class DeltaDecoder:
    """Makes the new image of a delta package and the base image.

    *read* gives bytes of the base image by offset and size; *base_digest* says what it is.
    *resumable*: whether ``state`` will be asked for; the SHA-256 is slower then.
    *verify* is called with the header before anything else is done.

    Until ``header`` is set nothing was decoded, and nothing needs to be erased. All methods raise
    DeltaRejected, and pass on what *read* raises; afterwards the decoder must not be used again.
    """

    def __init__(
        self,
        read: Read,
        base_digest: BaseDigest,
        *,
        limits: Limits | None = None,
        resumable: bool = False,
        verify: Verify | None = None,
    ) -> None:
        self.header: Header | None = None
        self._read = read
        self._base_digest = base_digest
        self._limits = limits or Limits()
        self._verify = verify
        self._digest: Hash = Sha256Resumable() if resumable else hashlib.sha256()
        self._head = b""  # the container's header and the patch's own
        self._taken = 0  # bytes of the payload
        self._decompressor: Decompressor
        self._sequential: SequentialDecoder

    @property
    def made(self) -> int:
        """Bytes of the new image so far."""
        return 0 if self.header is None else self._sequential.made

    @property
    def largest_state(self) -> int:
        """Bytes that ``state`` has at most, once ``header`` is known."""
        packed = self._decompressor.largest_state + self._sequential.state_size
        return _STATE.size + len(self._head) + packed + Sha256Resumable.STATE_MAX

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take the next package bytes; give out the pieces of the new image that they make.

        An iterator, so that the pieces stay small however far a patch expands. The bytes count as
        taken when it is used up; only then ``state`` and the next ``feed`` have a meaning.

        Raises BaseMismatch with the first piece when the package is for another base.
        """
        if self.header is None:
            data = self._take_head(data)
        if self.header is None or not data:
            return
        self._taken += len(data)
        left = self.header.payload_size - self._taken
        if left < 0:
            raise DeltaRejected(
                "package goes on behind its patch",
                expected=f"{self.header.size + self.header.payload_size} bytes",
                found=f"{-left} more",
            )
        for piece in self._decompressor.feed(data, last=left == 0):
            made = self._sequential.feed(piece)
            if made:
                self._digest.update(made)
                yield made

    def finish(self) -> None:
        """State that the package has ended. Raises DeltaRejected unless what was made is, by its
        SHA-256, the image that the header names."""
        header = self.header
        if header is None:
            raise DeltaRejected(
                "package ends in its header", expected="a header and a patch", found="the end"
            )
        if self._taken < header.payload_size or not self._sequential.done:
            raise DeltaRejected(
                "package ends early",
                expected=f"{header.payload_size} bytes of a patch for {header.target_size}",
                found=f"{self._taken} for {self._sequential.made}",
            )
        if self._digest.digest() != header.target_sha256:
            raise DeltaRejected(
                "new image is not what it should be",
                expected=f"SHA-256 {header.target_sha256.hex()}",
                found=self._digest.digest().hex(),
            )

    # --- the head

    def _take_head(self, data: bytes) -> bytes:
        """Gather the head; return what is behind it."""
        known = len(self._head)
        self._head += data
        size = self._head_size()
        if size is None:
            return b""
        if len(self._head) < size:
            return b""
        self._head = self._head[:size]
        self._open()
        return data[size - known :]

    def _head_size(self) -> int | None:
        """None as long as it cannot be told."""
        if len(self._head) < PREFIX_SIZE:
            return None
        size = header_size(self._head)
        if len(self._head) < size:
            return None
        header = parse_header(self._head, self._limits)
        return size + len(patch_head(header)) + _DECOMPRESSORS[header.algorithm].HEAD_SIZE

    def _open(self) -> None:
        """Check all that can be checked before anything is made, and get ready."""
        header = parse_header(self._head, self._limits)
        if self._verify:
            self._verify(header)
        found = self._base_digest(header.base_size)
        if found != header.base_sha256:
            name = f" (version {header.base_version})" if header.base_version else ""
            raise BaseMismatch(
                f"delta package is for another base image{name}",
                expected=f"SHA-256 {header.base_sha256.hex()} of {header.base_size} bytes",
                found=found.hex() if found else "fewer bytes that can be read",
                then="A full package is needed",
            )
        expected = patch_head(header)
        patch = self._head[header.size :]
        self._taken = len(patch)
        if header.payload_size <= self._taken:
            raise DeltaRejected(
                "patch is too short",
                expected=f"more than {self._taken} bytes",
                found=str(header.payload_size),
            )
        if not patch.startswith(expected):
            raise DeltaRejected(
                "patch does not belong to its header",
                where=f"offset {header.size}",
                expected=expected.hex(" "),
                found=patch[: len(expected)].hex(" "),
            )
        self._decompressor = _DECOMPRESSORS[header.algorithm](patch[len(expected) :])
        if self._decompressor.window > header.window:
            raise DeltaRejected(
                "patch needs more memory than its header says",
                expected=f"a window of at most {header.window} bytes",
                found=str(self._decompressor.window),
            )
        shifts = Shifts() if header.filter is Filter.SHIFTS else None
        self._sequential = SequentialDecoder(
            header.base_size, header.target_size, self._read, shifts
        )
        self.header = header

    # --- state

    def state(self) -> bytes:
        """All that is needed to go on with the next package byte, after ``restore``.

        Raises RuntimeError unless the decoder was opened as resumable.
        """
        if not isinstance(self._digest, Sha256Resumable):
            raise RuntimeError("a plain digest has no state to save; open with resumable=True")
        if self.header is None:
            return _STATE.pack(len(self._head), 0, 0) + self._head
        packed = self._decompressor.state()
        return b"".join(
            (
                _STATE.pack(len(self._head), self._taken, len(packed)),
                self._head,
                packed,
                self._sequential.state(),
                self._digest.state(),
            )
        )

    @classmethod
    def restore(
        cls,
        state: bytes,
        read: Read,
        base_digest: BaseDigest,
        *,
        limits: Limits | None = None,
        verify: Verify | None = None,
    ) -> Self:
        """The decoder that gave *state*. Checks header, signature and base image once more.

        Raises ValueError when no decoder gave it.
        """
        decoder = cls(read, base_digest, limits=limits, resumable=True, verify=verify)
        fixed, rest = _split(state, _STATE.size)
        head_size, taken, packed_size = _STATE.unpack(fixed)
        head, rest = _split(rest, head_size)
        decoder._take_head(head)
        if decoder.header is None:
            return decoder
        packed, rest = _split(rest, packed_size)
        sequential, digest = _split(rest, decoder._sequential.state_size)
        decoder._taken = taken
        decoder._decompressor = _DECOMPRESSORS[decoder.header.algorithm].restore(packed)
        decoder._sequential.load(sequential)
        decoder._digest = Sha256Resumable.restore(digest)
        return decoder


def _split(state: bytes, size: int) -> tuple[bytes, bytes]:
    if len(state) < size:
        raise ValueError("not the state of a delta decoder")
    return state[:size], state[size:]


def apply_delta(package: bytes, base: bytes, limits: Limits | None = None) -> bytes:
    """The new image, whole. Raises DeltaRejected, and gives nothing out then."""

    def digest(size: int) -> bytes | None:
        return hashlib.sha256(base[:size]).digest() if size == len(base) else None

    decoder = DeltaDecoder(lambda at, size: base[at : at + size], digest, limits=limits)
    image = b"".join(decoder.feed(package))
    decoder.finish()
    return image
