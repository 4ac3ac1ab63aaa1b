"""What stands behind a signed image: entries of type, length and value, in two areas.

    magic, 2 | size of the whole area, 2 | type, 2 | length, 2 | value | type, ...

What the *protected* area says is signed. The other one is not: it holds the digest, the name of
the key and the signature, which vouch for themselves, and nothing else is believed there. Each
type has its area, and may come once; dependencies alone come as often as there are images.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, TypeVar

from mcu_updater.core.errors import UntrustedImage
from mcu_updater.core.image_version import Version

PROTECTED_MAGIC: Final = 0x6908
UNPROTECTED_MAGIC: Final = 0x6907
INFO: Final = struct.Struct("<HH")  # magic, size of the area with these four bytes
_ENTRY: Final = struct.Struct("<HH")  # type, length of the value
_DEPENDENCY: Final = struct.Struct("<B3s8s")
_VENDOR: Final = range(0x00A0, 0xFFFF)


class Kind(IntEnum):
    """``IMAGE_TLV_*`` that are understood here."""

    KEYHASH = 0x01
    PUBKEY = 0x02
    SHA256 = 0x10
    SHA384 = 0x11
    SHA512 = 0x12
    RSA2048 = 0x20
    ECDSA = 0x22
    RSA3072 = 0x23
    ED25519 = 0x24
    SIG_PURE = 0x25
    DEPENDENCY = 0x40
    SEC_CNT = 0x50
    BOOT_RECORD = 0x60
    UUID_VID = 0x74
    UUID_CID = 0x75


DIGESTS: Final = {Kind.SHA256: "sha256", Kind.SHA384: "sha384", Kind.SHA512: "sha512"}
"""Names as hashlib has them."""

SIGNATURES: Final = (Kind.RSA2048, Kind.ECDSA, Kind.RSA3072, Kind.ED25519)
_VOUCH: Final = frozenset({Kind.KEYHASH, Kind.PUBKEY, Kind.SIG_PURE, *DIGESTS, *SIGNATURES})
_SIGNED: Final = frozenset(Kind) - _VOUCH


@dataclass(frozen=True, slots=True)
class Dependency:
    """Image number *image* must be there, in *version* or a later one."""

    image: int
    version: Version


@dataclass(frozen=True, slots=True)
class Claims:
    """What the TLVs say. *key_hash* or *public_key* names the key; *counter* None: there is none.

    *is_pure*: the signature is over the whole signed part, not over its digest.
    """

    digest_kind: Kind
    digest: bytes
    key_hash: bytes | None
    public_key: bytes | None
    signature_kind: Kind
    signature: bytes
    is_pure: bool
    counter: int | None
    dependencies: tuple[Dependency, ...]
    vendor_id: bytes | None
    class_id: bytes | None


def read_claims(protected: bytes, unprotected: bytes) -> Claims:
    """Both areas as they stand in the image; *protected* is empty where there is none.

    Raises UntrustedImage for whatever breaks a rule of this page.
    """
    signed = _sorted_out(protected, PROTECTED_MAGIC, "protected", _may_be_signed)
    vouching = _sorted_out(unprotected, UNPROTECTED_MAGIC, "unprotected", _may_vouch)
    digest_kind = _only(vouching, DIGESTS, "digest")
    signature_kind = _only(vouching, SIGNATURES, "signature")
    name = _only(vouching, (Kind.KEYHASH, Kind.PUBKEY), "name of a key")
    counter = _single(signed, Kind.SEC_CNT, 4)
    pure = _single(vouching, Kind.SIG_PURE, 1)
    if pure not in (None, b"\x01"):
        raise _bad("SIG_PURE is neither set nor absent", "01", str(pure and pure.hex()))
    (digest,), (signature,), (key,) = (vouching[k] for k in (digest_kind, signature_kind, name))
    return Claims(
        digest_kind,
        digest,
        key if name is Kind.KEYHASH else None,
        key if name is Kind.PUBKEY else None,
        signature_kind,
        signature,
        pure is not None,
        None if counter is None else int.from_bytes(counter, "little"),
        _dependencies(signed.get(Kind.DEPENDENCY, [])),
        _single(signed, Kind.UUID_VID, 16),
        _single(signed, Kind.UUID_CID, 16),
    )


def _may_be_signed(kind: int) -> bool:
    return kind in _SIGNED or kind in _VENDOR


def _may_vouch(kind: int) -> bool:
    return kind in _VOUCH


def _sorted_out(
    area: bytes, magic: int, name: str, may_stand: Callable[[int], bool]
) -> dict[int, list[bytes]]:
    """The area's values by type."""
    found: dict[int, list[bytes]] = {}
    if not area and magic == PROTECTED_MAGIC:
        return found
    for kind, value in entries(area, magic):
        if not may_stand(kind):
            raise _bad(f"a TLV that must not stand in the {name} area", "another area",
                       _kind_text(kind))  # fmt: skip
        if kind in found and kind != Kind.DEPENDENCY:
            raise _bad(f"a TLV comes twice in the {name} area", "one", _kind_text(kind))
        found.setdefault(kind, []).append(value)
    return found


def entries(area: bytes, magic: int) -> Iterator[tuple[int, bytes]]:
    """Types and values of *area*, which must be filled by them to its last byte."""
    if len(area) < INFO.size or INFO.unpack_from(area) != (magic, len(area)):
        raise _bad("TLVs of another size or kind than announced",
                   f"magic 0x{magic:04X}, {len(area)} bytes", area[: INFO.size].hex())  # fmt: skip
    offset = INFO.size
    while offset < len(area):
        rest = len(area) - offset - _ENTRY.size
        if rest < 0:
            raise _bad("a TLV is cut short", f"{_ENTRY.size} bytes", f"{_ENTRY.size + rest}")
        kind, length = _ENTRY.unpack_from(area, offset)
        if length > rest:
            raise _bad(f"TLV {_kind_text(kind)} is longer than its area",
                       f"at most {rest} bytes", f"{length}")  # fmt: skip
        offset += _ENTRY.size + length
        yield kind, area[offset - length : offset]


_K = TypeVar("_K", bound=Kind)


def _only(found: dict[int, list[bytes]], kinds: tuple[_K, ...] | dict[_K, str], what: str) -> _K:
    """The one of *kinds* that is there."""
    there = [kind for kind in kinds if kind in found]
    if len(there) != 1:
        names = ", ".join(kind.name for kind in there) or "none"
        raise _bad(f"a signed image has one {what}", "one", names)
    return there[0]


def _single(found: dict[int, list[bytes]], kind: Kind, size: int) -> bytes | None:
    if kind not in found:
        return None
    (value,) = found[kind]
    if len(value) != size:
        raise _bad(f"TLV {kind.name} has another length", f"{size} bytes", f"{len(value)}")
    return value


def _dependencies(values: list[bytes]) -> tuple[Dependency, ...]:
    found = []
    for value in values:
        if len(value) != _DEPENDENCY.size:
            raise _bad("TLV DEPENDENCY has another length", f"{_DEPENDENCY.size} bytes",
                       f"{len(value)}")  # fmt: skip
        image, padding, version = _DEPENDENCY.unpack(value)
        if any(padding):
            raise _bad("TLV DEPENDENCY asks for a certain slot", "any slot", padding.hex())
        found.append(Dependency(image, Version.unpack(version)))
    if len({dependency.image for dependency in found}) < len(found):
        raise _bad("two TLVs DEPENDENCY on one image", "one", f"{len(found)}")
    return tuple(found)


def _kind_text(kind: int) -> str:
    named = kind in Kind.__members__.values()
    return f"0x{kind:04X} {Kind(kind).name}" if named else f"0x{kind:04X}"


def _bad(what: str, expected: str, found: str) -> UntrustedImage:
    return UntrustedImage(
        what,
        where="TLVs behind the image",
        expected=expected,
        found=found,
        then="It will not be booted",
    )
