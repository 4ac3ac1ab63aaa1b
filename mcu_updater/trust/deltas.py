"""Signatures of delta packages: checked by a device, made by whoever publishes.

A delta package names both images by their SHA-256, so its header is all that is signed. What the
package makes is an image like any other, and must be signed for itself where signatures are asked
for. The header's signature is what can be checked before the first erase.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.hashes import SHA256, SHA384

from mcu_updater.delta import Header, SignatureKind
from mcu_updater.delta.container import KEY_ID_SIZE
from mcu_updater.errors import ImageRejected, UntrustedImage
from mcu_updater.trust.keys import Algorithm, PublicKey, load_key

_PSS_SALT: Final = 32
_KINDS: Final = {
    Algorithm.ED25519: SignatureKind.ED25519,
    Algorithm.ECDSA_P256: SignatureKind.ECDSA,
    Algorithm.ECDSA_P384: SignatureKind.ECDSA,
    Algorithm.RSA_2048: SignatureKind.RSA_PSS,
    Algorithm.RSA_3072: SignatureKind.RSA_PSS,
}
_HALF: Final = {Algorithm.ECDSA_P256: 32, Algorithm.ECDSA_P384: 48}
"""Bytes of each of the two numbers of an ECDSA signature."""


def key_id(key: PublicKey) -> bytes:
    """How a delta package names *key*."""
    return key.hash("sha256")[:KEY_ID_SIZE]


def verify_delta(header: Header, keys: Iterable[PublicKey]) -> PublicKey:
    """The one of *keys* that has signed *header*. Raises UntrustedImage."""
    signature = header.signature
    if signature is None:
        raise _bad("the delta package is not signed", "a signature by one of the keys given", "")
    key = next((key for key in keys if key_id(key) == signature.key_id), None)
    if key is None:
        found = signature.key_id.hex()
        raise _bad("signed by a key that is not trusted", "one of the keys given", found)
    wanted = _KINDS[key.algorithm]
    if signature.kind is not wanted:
        raise _bad("a signature of another kind than the key's", wanted.name, signature.kind.name)
    try:
        _check(key, signature.value, header.signed_part())
    except InvalidSignature as error:
        expected = f"one by the {key.algorithm.title} key"
        raise _bad("the signature is wrong", expected, "another") from error
    return key


def _check(key: PublicKey, value: bytes, signed: bytes) -> None:
    match key.key:
        case Ed25519PublicKey() as ed25519:
            ed25519.verify(value, signed)
        case RSAPublicKey() as rsa:
            rsa.verify(value, signed, PSS(MGF1(SHA256()), _PSS_SALT), SHA256())
        case curve:
            half = _HALF[key.algorithm]
            if len(value) != 2 * half:
                raise InvalidSignature
            numbers = int.from_bytes(value[:half]), int.from_bytes(value[half:])
            curve.verify(encode_dss_signature(*numbers), signed, ECDSA(_hash(key.algorithm)))


def _hash(algorithm: Algorithm) -> SHA256 | SHA384:
    return SHA384() if algorithm is Algorithm.ECDSA_P384 else SHA256()


def _bad(what: str, expected: str, found: str) -> UntrustedImage:
    return UntrustedImage(
        what,
        where="signature of the delta package",
        expected=expected,
        found=found or "none",
        then="Nothing was erased",
    )


# --- on the host


def delta_signer(pem: bytes, name: str = "key") -> Callable[[Header], Header]:
    """What signs headers with the private key in *pem*; *name* says where that is from.

    Raises ImageRejected for what is none, or of a kind that signs no images.
    """
    try:
        private = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ImageRejected(
            "no private key that can be read",
            where=name,
            expected="a private key in PEM, without a password",
            found=str(error),
        ) from error
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    key = load_key(public, name)

    def sign(message: bytes) -> bytes:
        match private:
            case Ed25519PrivateKey():
                return private.sign(message)
            case RSAPrivateKey():
                return private.sign(message, PSS(MGF1(SHA256()), _PSS_SALT), SHA256())
            case EllipticCurvePrivateKey():
                half = _HALF[key.algorithm]
                made = private.sign(message, ECDSA(_hash(key.algorithm)))
                return b"".join(number.to_bytes(half) for number in decode_dss_signature(made))
        raise AssertionError("load_key lets no other kind pass")

    return lambda header: header.signed(_KINDS[key.algorithm], key_id(key), sign)
