"""Public keys that may sign, from PEM; and what each kind of key signs with."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    SECP384R1,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from mcu_updater.errors import ImageRejected, Remedy
from mcu_updater.trust.tlv import Kind

AnyKey = Ed25519PublicKey | EllipticCurvePublicKey | RSAPublicKey


class Algorithm(Enum):
    """Kind of the signature, and the digests that it may be over, as imgtool has them."""

    ED25519 = "Ed25519", Kind.ED25519, (Kind.SHA256, Kind.SHA512)
    ECDSA_P256 = "ECDSA P-256", Kind.ECDSA, (Kind.SHA256,)
    ECDSA_P384 = "ECDSA P-384", Kind.ECDSA, (Kind.SHA384,)
    RSA_2048 = "RSA-2048", Kind.RSA2048, (Kind.SHA256,)
    RSA_3072 = "RSA-3072", Kind.RSA3072, (Kind.SHA256,)

    def __init__(self, title: str, signature: Kind, digests: tuple[Kind, ...]) -> None:
        self.title = title
        self.signature = signature
        self.digests = digests


_RULES: tuple[tuple[Algorithm, Callable[[object], bool]], ...] = (
    (Algorithm.ED25519, lambda key: isinstance(key, Ed25519PublicKey)),
    (Algorithm.ECDSA_P256, lambda key: _curve(key) is SECP256R1),
    (Algorithm.ECDSA_P384, lambda key: _curve(key) is SECP384R1),
    (Algorithm.RSA_2048, lambda key: isinstance(key, RSAPublicKey) and key.key_size == 2048),
    (Algorithm.RSA_3072, lambda key: isinstance(key, RSAPublicKey) and key.key_size == 3072),
)


def _curve(key: object) -> type | None:
    return type(key.curve) if isinstance(key, EllipticCurvePublicKey) else None


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that may sign. *encoded*: DER as MCUboot has it, of which images carry the hash."""

    algorithm: Algorithm
    pem: bytes
    encoded: bytes = field(repr=False)
    key: AnyKey = field(repr=False, compare=False)

    def hash(self, name: str) -> bytes:
        """What TLV KEYHASH holds in an image whose digest is *name*."""
        return hashlib.new(name, self.encoded).digest()

    def __reduce__(self) -> tuple[Callable[[bytes], PublicKey], tuple[bytes]]:
        return load_key, (self.pem,)


@lru_cache(maxsize=32)
def load_key(pem: bytes, name: str = "key") -> PublicKey:
    """The public key in *pem*; *name* says where that is from.

    Raises ImageRejected for what is none, and for a private key: it has no business on a device.
    """
    if b"PRIVATE KEY-----" in pem:
        raise ImageRejected(
            "this is a private key, which a device must not have",
            where=name,
            expected="a public key",
            remedies=[Remedy.PUBLIC_KEY],
        )
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        found = "PEM that holds no known key" if b"-----BEGIN" in pem else "a file that is not PEM"
        raise ImageRejected(
            "no public key", where=name, expected="a public key in PEM", found=found
        ) from error
    for algorithm, is_such in _RULES:
        if is_such(key):
            assert isinstance(key, AnyKey)
            return PublicKey(algorithm, pem, _encoded(key), key)
    raise ImageRejected(
        "a key of a kind that signs no images",
        where=name,
        expected=", ".join(algorithm.title for algorithm in Algorithm),
        found=_kind_of(key),
    )


def _encoded(key: AnyKey) -> bytes:
    """RSA keys as PKCS#1, all others as SubjectPublicKeyInfo."""
    formats = serialization.PublicFormat
    chosen = formats.PKCS1 if isinstance(key, RSAPublicKey) else formats.SubjectPublicKeyInfo
    return key.public_bytes(serialization.Encoding.DER, chosen)


def _kind_of(key: object) -> str:
    if isinstance(key, EllipticCurvePublicKey):
        return f"ECDSA {key.curve.name}"
    if isinstance(key, RSAPublicKey):
        return f"RSA-{key.key_size}"
    return type(key).__name__.removeprefix("_")
