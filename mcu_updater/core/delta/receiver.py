"""A delta package on its way into flash: package bytes in, extents of the new image out.

The old image is read where it stands, in the slot that runs. All that can be refused is refused
before the first extent, and so before anything is erased: a signature that does not count, another
target version, an image that has no room, another base image, a state that has no room between
two pieces.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

from mcu_updater.core.delta.container import Header, Limits
from mcu_updater.core.delta.decoder import DeltaDecoder, Verify
from mcu_updater.core.delta.errors import DeltaRejected
from mcu_updater.core.errors import Remedy, VerificationFailed, address_text
from mcu_updater.core.image import Extent
from mcu_updater.core.slot import Window

PART_MAX: Final = 0xFFFF
"""Bytes of each part of a checkpoint, at most: what its sizes can say."""


@dataclass(frozen=True, slots=True)
class DeltaTerms:
    """What a device asks of a delta package.

    *old*: where the running image stands; *new*: where the one that is made goes. *version*: what
    that was announced as; None: as any. *room*: bytes that the decoder's state and the unfinished
    sector may have between two pieces; None: the package comes in one piece. *verify* raises an
    error unless the package is signed by somebody who is trusted; None: it need not be signed.
    """

    old: Window
    new: Window
    version: str | None
    room: int | None
    verify: Verify | None = None

    def largest_rest(self, size: int) -> int:
        """Bytes of an unfinished sector, at most, while an image of *size* bytes is written."""
        sectors = zip(self.new.sector_starts, self.new.sector_sizes, strict=True)
        return max(min(sector - 1, size - start) for start, sector in sectors if start < size)


class DeltaImage:
    """The decoder that a loader has for a delta package."""

    CODE: Final = 6

    def __init__(self, terms: DeltaTerms, state: bytes | None = None) -> None:
        """*state*: go on where the decoder that gave it was. See ``restore``."""
        self._terms = terms
        self._judged_state = False
        # the old image and the new one may fill their slots, and no more
        limits = Limits(image=max(terms.old.size, terms.new.size))
        if state is None:
            resumable = terms.room is not None
            self._decoder = DeltaDecoder(
                self._read, self._digest, limits=limits, resumable=resumable, verify=self._judge
            )
        else:
            self._decoder = DeltaDecoder.restore(
                state, self._read, self._digest, limits=limits, verify=self._judge
            )

    def feed(self, data: bytes) -> Iterator[Extent]:
        """Take the next package bytes; give out what they make, in pieces of some KiB.

        Raises DeltaRejected; BaseMismatch where the package is for another image than the one
        that runs; VerificationFailed where that can be read no longer.
        """
        address = self._terms.new.link_address + self._decoder.made
        try:
            for piece in self._decoder.feed(data):
                self._judge_state()
                yield Extent(address, piece, 0)
                address += len(piece)
        except OSError as error:
            raise VerificationFailed(
                "the running image, which the new one is made of, cannot be read",
                where=f"slot at {address_text(self._terms.old.address)}",
                found=str(error),
                then="A full package is needed",
            ) from error
        self._judge_state()

    def finish(self) -> None:
        """State that the package has ended. Raises DeltaRejected unless the image is whole, and
        the one that the header names."""
        self._decoder.finish()

    def state(self) -> bytes:
        """FORMAT.md, section 8."""
        return bytes([self.CODE]) + self._decoder.state()

    @classmethod
    def restore(cls, state: bytes, terms: DeltaTerms) -> Self:
        """Go on where the decoder that gave *state* was. Judges header and base image again.

        Raises ValueError when no decoder gave it.
        """
        return cls(terms, state[1:])

    # --- the old image

    def _read(self, offset: int, size: int) -> bytes:
        return self._terms.old.read(offset, size)

    def _digest(self, size: int) -> bytes | None:
        return self._terms.old.sha256(size) if size <= self._terms.old.size else None

    # --- before the first byte is made

    def _judge(self, header: Header) -> None:
        terms = self._terms
        if terms.verify is not None:
            terms.verify(header)
        if terms.version is not None and header.target_version not in ("", terms.version):
            raise DeltaRejected(
                "the delta package makes another version than the one that was announced",
                expected=terms.version,
                found=header.target_version,
                then="Nothing was erased",
            )
        if header.target_size > terms.new.size:
            raise DeltaRejected(
                "the delta package makes an image that is larger than the slot",
                expected=f"at most {terms.new.size} bytes",
                found=f"{header.target_size}",
                then="Nothing was erased",
            )

    def _judge_state(self) -> None:
        """Once the header is known: whatever the piece ends in, is there room to keep it?"""
        header, room = self._decoder.header, self._terms.room
        if self._judged_state or header is None:
            return
        self._judged_state = True
        decoder = 1 + self._decoder.largest_state
        rest = self._terms.largest_rest(header.target_size)
        if room is None or (decoder + rest <= room and max(decoder, rest) <= PART_MAX):
            return
        raise DeltaRejected(
            "the delta package comes in pieces, and the trailer has no room to carry on from one",
            where=f"algorithm {header.algorithm.name}, filter {header.filter.name}",
            expected=f"at most {room} bytes for decoder and sector, {PART_MAX} for each",
            found=f"up to {decoder} and {rest}",
            then="Nothing was erased. Make it for a smaller decoder, or let the module hold the "
            "whole package",
            remedies=[Remedy.SMALLER_DELTA],
        )
