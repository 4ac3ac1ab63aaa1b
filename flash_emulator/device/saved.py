"""A device as bytes: for a file, for another process.

    "FLEM" | version (2) | SHA-256 of the rest (32) | zlib: size of the JSON (4), JSON, data, marks

The JSON holds part, seed, options, raw units, wear and usage. Little-endian.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from typing import TYPE_CHECKING, Any

from flash_emulator.array.pages import RawUnit
from flash_emulator.device.clock import VirtualClock
from flash_emulator.parts.catalogue import packaged_part
from flash_emulator.parts.part import Part

if TYPE_CHECKING:
    from flash_emulator.device.flash import EmulatedFlash

VERSION = 1
_HEADER = struct.Struct("<4sH32s")
_MAGIC = b"FLEM"
_LENGTH = struct.Struct("<I")


def pack(device: EmulatedFlash) -> bytes:
    data, marks, raw = device.cells.export()
    state = json.dumps(_state(device, raw)).encode()
    body = zlib.compress(_LENGTH.pack(len(state)) + state + data + marks, level=1)
    return _HEADER.pack(_MAGIC, VERSION, hashlib.sha256(body).digest()) + body


def unpack(
    cls: type[EmulatedFlash], packed: bytes, clock: VirtualClock | None, part: Part | None
) -> EmulatedFlash:
    body = _checked(packed)
    (length,) = _LENGTH.unpack_from(body)
    state = json.loads(body[_LENGTH.size : _LENGTH.size + length])
    part = part or packaged_part(state["part"])
    if part.name != state["part"] and part.is_chip(state["part"]):
        part = packaged_part(state["part"])  # an option made one bank of two, or two of one
    if part.name != state["part"]:
        raise ValueError(f"saved flash is of {state['part']}, not of {part.name}")
    device = cls(part, clock=clock, seed=state["seed"], timing=state["timing"])
    array = body[_LENGTH.size + length :]
    raw = {unit: _raw_unit(fields) for unit, *fields in state["raw"]}
    device.cells.restore(array[: part.size], array[part.size :], raw)
    device.take_state(state)
    return device


def _checked(packed: bytes) -> bytes:
    if len(packed) < _HEADER.size:
        raise ValueError("saved flash: shorter than its header")
    magic, version, digest = _HEADER.unpack_from(packed)
    body = packed[_HEADER.size :]
    if magic != _MAGIC:
        raise ValueError("saved flash: not of this kind")
    if version != VERSION:
        raise ValueError(f"saved flash: version {version}, this program reads {VERSION}")
    if hashlib.sha256(body).digest() != digest:
        raise ValueError("saved flash: damaged, its SHA-256 is wrong")
    return zlib.decompress(body)


def _state(device: EmulatedFlash, raw: dict[int, RawUnit]) -> dict[str, Any]:
    return {
        "part": device.part.name,
        "seed": device.seed,
        "timing": device.timing,
        "raw": [[unit, *_fields(cells)] for unit, cells in sorted(raw.items())],
        **device.give_state(),
    }


def _fields(raw: RawUnit) -> list[Any]:
    words = (raw.word, raw.metastable, *raw.fading)
    return [*(f"{word:x}" for word in words), raw.consumed, raw.marginal]


def _raw_unit(fields: list[Any]) -> RawUnit:
    word, metastable, *fading = (int(text, 16) for text in fields[:5])
    first, second, third = fading
    return RawUnit(word, metastable, (first, second, third), consumed=fields[5], marginal=fields[6])
