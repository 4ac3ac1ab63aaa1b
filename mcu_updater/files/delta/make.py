"""Making a delta package: every available maker is tried, the smallest wins, and it is applied
before anyone gets it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from mcu_updater.core.delta.container import Algorithm, Filter, Header, Limits
from mcu_updater.core.delta.decoder import apply_delta, patch_head
from mcu_updater.core.delta.errors import DeltaRejected
from mcu_updater.core.delta.shifts import Shifts
from mcu_updater.core.errors import UsageError
from mcu_updater.files.delta.makers import Find, available, pack_covers
from mcu_updater.files.delta.packing import LzmaSetting, Packed, pack_heatshrink, pack_lzma

WINDOW_BITS: Final[Mapping[Algorithm, range]] = {
    Algorithm.HEATSHRINK: range(4, 16),
    Algorithm.LZMA: range(12, 21),
}
WINDOW_DEFAULT: Final[Mapping[Algorithm, int]] = {Algorithm.HEATSHRINK: 8, Algorithm.LZMA: 12}
"""Bits of a window's size. More pays little: docs/how-to/delta.md has the sizes."""

Sign = Callable[[Header], Header]


@dataclass(frozen=True, slots=True)
class Candidate:
    """What one maker came to: a whole package of *size* bytes, or why there is none."""

    maker: str
    size: int = 0
    setting: str = ""
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Made:
    """A package that was applied and gave the new image."""

    package: bytes
    header: Header
    maker: str
    candidates: tuple[Candidate, ...]


def make_delta(
    base: bytes,
    target: bytes,
    *,
    algorithm: Algorithm = Algorithm.HEATSHRINK,
    window_bits: int | None = None,
    base_version: str = "",
    target_version: str = "",
    makers: Mapping[str, Find] | None = None,
    filters: Iterable[Filter] = tuple(Filter),
    sign: Sign | None = None,
) -> Made:
    """The smallest delta package from *base* to *target* that the *makers* come to.

    *sign* gives the header back with a signature, see ``Header.signed``.
    Raises UsageError for an image that is empty, and DeltaRejected when no maker made anything that
    leads to *target*.
    """
    bits = WINDOW_DEFAULT[algorithm] if window_bits is None else window_bits
    if bits not in WINDOW_BITS[algorithm]:
        known = WINDOW_BITS[algorithm]
        raise UsageError(
            "window has a size that is not possible",
            expected=f"{known.start} to {known.stop - 1} bits",
            found=str(bits),
        )
    _check_images(base, target)
    header = Header(
        algorithm=algorithm,
        filter=Filter.NONE,
        base_size=len(base),
        target_size=len(target),
        payload_size=1,
        window=1 << bits,
        base_sha256=hashlib.sha256(base).digest(),
        target_sha256=hashlib.sha256(target).digest(),
        base_version=base_version,
        target_version=target_version,
    )
    candidates: list[Candidate] = []
    best: tuple[bytes, Header, str] | None = None
    for maker, find in (available() if makers is None else makers).items():
        for kind in filters:
            try:
                covers = find(base, target)
                shifts = Shifts() if kind is Filter.SHIFTS else None
                packed = pack_stream(pack_covers(covers, base, target, shifts), algorithm, bits)
                made, package = _package(replace(header, filter=kind), packed, sign)
                if apply_delta(package, base) != target:
                    raise DeltaRejected("package does not lead to the new image")
            except Exception as error:  # makers are others' code: one that fails costs itself only
                candidates.append(Candidate(maker, trouble=str(error) or type(error).__name__))
                break
            setting = packed.setting + (", shifts" if shifts else "")
            candidates.append(Candidate(maker, len(package), setting))
            if best is None or len(package) < len(best[0]):
                best = package, made, maker
    if best is None:
        raise DeltaRejected("no maker made a delta package", found=_troubles(candidates))
    return Made(*best, tuple(candidates))


def pack_stream(stream: bytes, algorithm: Algorithm, window_bits: int) -> Packed:
    """*stream*, a sequential patch, compressed for a profile."""
    if algorithm is Algorithm.HEATSHRINK:
        return pack_heatshrink(stream, window_bits)
    return pack_lzma(stream, LzmaSetting(0, 0, 0, window_bits))


def _package(header: Header, packed: Packed, sign: Sign | None) -> tuple[Header, bytes]:
    payload = patch_head(header) + packed.data
    header = replace(header, payload_size=len(payload))
    if sign:
        header = sign(header)
    return header, header.pack() + payload


def _check_images(base: bytes, target: bytes) -> None:
    limit = Limits().image
    for name, image in (("old", base), ("new", target)):
        if not 0 < len(image) <= limit:
            raise UsageError(
                f"the {name} image has a size that no delta is made for",
                expected=f"1 to {limit} bytes",
                found=str(len(image)),
            )


def _troubles(candidates: Iterable[Candidate]) -> str:
    return ", ".join(f"{one.maker}: {one.trouble}" for one in candidates)
