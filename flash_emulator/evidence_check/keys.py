"""Public keys of who signs packs: Ed25519, and ECDSA on P-256."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)

EXPECTED = "an Ed25519 or ECDSA P-256 public key in PEM"


class BadKey(ValueError):
    """No key that can verify a pack. The text says what was found."""


@dataclass(frozen=True, slots=True)
class Key:
    """*keyid*: SHA-256 of SubjectPublicKeyInfo in DER, in hex."""

    algorithm: str
    keyid: str
    _public: Ed25519PublicKey | EllipticCurvePublicKey

    def has_signed(self, message: bytes, signature: bytes) -> bool:
        try:
            if isinstance(self._public, Ed25519PublicKey):
                self._public.verify(signature, message)
            else:
                self._public.verify(signature, message, ECDSA(SHA256()))
        except InvalidSignature:
            return False
        return True


def read_public_key(pem: bytes) -> Key:
    """Raises BadKey."""
    if b"PRIVATE KEY-----" in pem:
        raise BadKey("a private key: whoever checks a pack needs the public half alone")
    try:
        public = load_pem_public_key(pem)
    except UnsupportedAlgorithm as error:
        raise BadKey(f"a key of a kind that is not known: {error}") from error
    except ValueError as error:
        found = "PEM that holds no public key" if b"-----BEGIN" in pem else "no PEM"
        raise BadKey(found) from error
    return key_of(public)


def key_of(public: object) -> Key:
    """Raises BadKey for one of another kind."""
    if isinstance(public, Ed25519PublicKey):
        name = "Ed25519"
    elif isinstance(public, EllipticCurvePublicKey) and isinstance(public.curve, SECP256R1):
        name = "ECDSA P-256"
    else:
        kind = type(public).__name__.removeprefix("_")
        curve = f" on {public.curve.name}" if isinstance(public, EllipticCurvePublicKey) else ""
        raise BadKey(f"a key of another kind: {kind}{curve}")
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Key(name, sha256(der).hexdigest(), public)
