"""Who finds out what two images have in common.

All of them answer in one way: **covers**, stretches of the new image that resemble a stretch of the
old one. So one patch format, and one decoder, serve them all. ``builtin`` is always there; the
others are optional (``pip install mcu-updater[delta]``) and find more.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec
from typing import Final, NamedTuple

from mcu_updater.core.delta.sequential import pack_number
from mcu_updater.core.delta.shifts import Shifts


class Cover(NamedTuple):
    """*size* bytes at *target* of the new image resemble those at *base* of the old one."""

    base: int
    target: int
    size: int


Find = Callable[[bytes, bytes], "list[Cover]"]


def pack_covers(
    covers: Iterable[Cover], base: bytes, target: bytes, shifts: Shifts | None = None
) -> bytes:
    """The sequential patch that *covers*, in ascending order of *target*, lead to; see
    ``sequential``."""
    stream = [pack_number(0)]
    base_at = target_at = 0
    pending = b""  # the diff that waits for the extra data behind it
    for cover in [*covers, Cover(0, len(target), 0)]:
        extra = target[target_at : cover.target]
        step = cover.base - base_at if cover.size else 0
        if pending or extra or step:
            stream += [pack_number(len(pending)), pending]
            stream += [pack_number(len(extra)), extra, pack_number(step)]
        new = target[cover.target : cover.target + cover.size]
        old = base[cover.base : cover.base + cover.size]
        if shifts is None:
            pending = _difference(new, old)
        else:
            pending = shifts.subtract(new, old, (cover.base, cover.target))
        base_at = cover.base + cover.size
        target_at = cover.target + cover.size
    return b"".join(stream)


def _difference(new: bytes, old: bytes) -> bytes:
    return bytes([a - b & 0xFF for a, b in zip(new, old, strict=True)])


# --- built in

_KEY: Final = 8  # bytes that must be equal for a stretch to be looked at
_GIVE_UP: Final = 8  # how far the balance of equal and unequal bytes may fall


def _builtin(base: bytes, target: bytes) -> list[Cover]:
    """Greedy: where 8 bytes are equal, go on as long as more bytes are equal than not."""
    places: dict[bytes, int] = {}
    for at in range(0, len(base) - _KEY + 1, 2):
        places.setdefault(base[at : at + _KEY], at)
    covers: list[Cover] = []
    at = start = 0
    shift = 0  # from target to base, of the last cover
    while at <= len(target) - _KEY:
        key = target[at : at + _KEY]
        here = at + shift
        found = here if base[here : here + _KEY] == key and here >= 0 else places.get(key, -1)
        if found < 0:
            at += 1
            continue
        size = _extent(base, found, target, at)
        back = _backwards(base, found, target, at, at - start)
        covers.append(Cover(found - back, at - back, size + back))
        shift = found - at
        at = start = at + size
    return covers


def _extent(base: bytes, base_at: int, target: bytes, target_at: int) -> int:
    """How far the stretch goes: where the balance was at its best."""
    limit = min(len(base) - base_at, len(target) - target_at)
    best = balance = best_size = 0
    size = 0
    while size < limit and balance > best - 2 * _GIVE_UP:
        balance += 1 if base[base_at + size] == target[target_at + size] else -1
        size += 1
        if balance >= best:
            best, best_size = balance, size
    return best_size


def _backwards(base: bytes, base_at: int, target: bytes, target_at: int, room: int) -> int:
    limit = min(base_at, room)
    best = balance = best_size = 0
    size = 0
    while size < limit and balance > best - _GIVE_UP:
        size += 1
        balance += 1 if base[base_at - size] == target[target_at - size] else -1
        if balance > best:
            best, best_size = balance, size
    return best_size


# --- others


def _detools(base: bytes, target: bytes) -> list[Cover]:
    import detools

    patch = io.BytesIO()
    detools.create_patch(
        io.BytesIO(base), io.BytesIO(target), patch, compression="none", use_mmap=False
    )
    stream = patch.getvalue()
    head = 1 + len(pack_number(len(target))) + len(pack_number(0))
    return list(_covers_of_sequential(stream[head:], len(target)))


def _covers_of_sequential(stream: bytes, target_size: int) -> Iterator[Cover]:
    at = base = target = 0

    def number() -> int:
        nonlocal at
        first = stream[at]
        value, shift = first & 0x3F, 6
        while stream[at] & 0x80:
            at += 1
            value |= (stream[at] & 0x7F) << shift
            shift += 7
        at += 1
        return -value if first & 0x40 else value

    while target < target_size:
        size = number()
        if size:
            yield Cover(base, target, size)
        at += size
        extra = number()
        at += extra
        target += size + extra
        base += size + number()


def _bsdiff4(base: bytes, target: bytes) -> list[Cover]:
    from bsdiff4 import core

    control, _, _ = core.diff(base, target)
    numbers = [core.decode_int64(control[at : at + 8]) for at in range(0, len(control), 8)]
    covers = []
    base_at = target_at = 0
    for size, extra, step in zip(*[iter(numbers)] * 3, strict=True):
        if size:
            covers.append(Cover(base_at, target_at, size))
        target_at += size + extra
        base_at += size + step
    return covers


def _hdiffpatch(base: bytes, target: bytes) -> list[Cover]:
    import hdiffpatch

    return _covers_of_lite(hdiffpatch.diff_lite(base, target, compression="none"))


def _covers_of_lite(lite: bytes) -> list[Cover]:
    """The covers in an uncompressed HPatchLite patch.

        "hI" | compression, 0 | sizes of the two sizes, 3 bits each | new size | patch size
        number of covers, then for each: size | step in the old image | step in the new image |
        new bytes up to it | what to add to its old bytes, unless they are equal

    Source: HDiffPatch, HPatchLite/hpatch_lite.h and hdiffpatch's ``diff_lite``, version 2.6.0.
    """
    at = 4 + (lite[3] & 7) + (lite[3] >> 3 & 7)

    def number(value: int = 0) -> int:
        nonlocal at
        while True:
            byte = lite[at]
            at += 1
            value = value << 7 | byte & 0x7F
            if not byte & 0x80:
                return value

    covers = []
    base_end = target_end = 0
    for _ in range(number()):
        size = number()
        tag = lite[at]
        at += 1
        step = number(tag & 0x1F) if tag & 0x20 else tag & 0x1F
        base = base_end - step if tag & 0x40 else base_end + step
        gap = number()
        at += gap if tag & 0x80 else gap + size
        target = target_end + gap
        if size:
            covers.append(Cover(base, target, size))
        base_end, target_end = base + size, target + size
    return covers


_FINDERS: Final[dict[str, Find]] = {
    "builtin": _builtin,
    "bsdiff4": _bsdiff4,
    "detools": _detools,
    "hdiffpatch": _hdiffpatch,
}
NAMES: Final = tuple(_FINDERS)


def available() -> dict[str, Find]:
    """The makers that can be used here, by name."""
    return {name: find for name, find in _FINDERS.items() if name == "builtin" or find_spec(name)}
