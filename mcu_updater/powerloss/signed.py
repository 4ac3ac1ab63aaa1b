"""Signed images to explore with, in MCUboot's format: one key, made from a word, signs them all.

1.0.0   counter 1    what the factory leaves
2.0.0   counter 2    the good update
1.1.0   counter 1    an update between the two; without a counter that revokes what was before
1.0.5   counter 1    older than that
1.5.0   counter 3    a lower version than the update's, and a counter that nobody has revoked
2.5.0   counter 1    a higher version, and a counter that the update has revoked
3.0.0   not signed
"""

from __future__ import annotations

import hashlib
import struct
from typing import TYPE_CHECKING, Final

from mcu_updater.core.errors import UsageError
from mcu_updater.core.image_version import Version
from mcu_updater.core.trust import load_key
from mcu_updater.core.trust.container import HEADER_SIZE, Flag, Header
from mcu_updater.core.trust.tlv import INFO, PROTECTED_MAGIC, UNPROTECTED_MAGIC, Kind
from mcu_updater.powerloss.images import filler

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

COUNTERS: Final = {"1.0.0": 1, "2.0.0": 2, "1.1.0": 1, "1.0.5": 1, "1.5.0": 3, "2.5.0": 1}
BETWEEN: Final = "1.1.0"
BELOW: Final = "1.0.5"
OLDER: Final = "1.5.0"
REVOKED: Final = "2.5.0"
UNSIGNED: Final = "3.0.0"
NEVER: Final = frozenset({OLDER, REVOKED, UNSIGNED, BELOW})
"""What must not run once 2.0.0, or for BELOW 1.1.0, is confirmed. Nothing plans it before."""

PUBLIC_KEY: Final = (
    b"-----BEGIN PUBLIC KEY-----\n"
    b"MCowBQYDK2VwAyEAqAz0NP9qcE61+XZI3NgYvf7emYDGBmzOgNOJNWZzWMM=\n"
    b"-----END PUBLIC KEY-----\n"
)
"""Of ``_key``, in PEM; written down, for a list of scenarios needs no cryptography."""

_ENTRY = struct.Struct("<HH")
_TLVS: Final = 12 + INFO.size + 2 * (_ENTRY.size + 32) + _ENTRY.size + 64
_LEAST_BODY: Final = 16


def _key() -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"powerloss").digest())


def images(size: int, address: int) -> dict[str, bytes]:
    """All of the table above, of *size* bytes each, for a slot at *address*.

    Raises UsageError for a size that has no room for header and signature.
    """
    body = size - HEADER_SIZE - _TLVS
    if body < _LEAST_BODY:
        raise UsageError(
            "no such signed image",
            expected=f"{HEADER_SIZE + _TLVS + _LEAST_BODY} bytes or more",
            found=str(size),
        )
    made = {version: _signed(version, body, address) for version in COUNTERS}
    return {**made, UNSIGNED: filler(UNSIGNED, size, address)}


def _signed(text: str, body_size: int, address: int) -> bytes:
    version = Version.parse(text)
    assert version is not None
    protected = _area(PROTECTED_MAGIC, {Kind.SEC_CNT: struct.pack("<I", COUNTERS[text])})
    header = Header(0, HEADER_SIZE, len(protected), body_size, Flag(0), version)
    signed = header.pack() + filler(text, body_size, address + HEADER_SIZE) + protected
    digest = hashlib.sha256(signed).digest()
    vouching = {
        Kind.SHA256: digest,
        Kind.KEYHASH: load_key(PUBLIC_KEY).hash("sha256"),
        Kind.ED25519: _key().sign(digest),
    }
    return signed + _area(UNPROTECTED_MAGIC, vouching)


def _area(magic: int, values: dict[Kind, bytes]) -> bytes:
    entries = b"".join(_ENTRY.pack(kind, len(value)) + value for kind, value in values.items())
    return INFO.pack(magic, INFO.size + len(entries)) + entries
