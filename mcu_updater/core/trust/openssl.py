"""Keys and signatures by OpenSSL (cryptography): the one module that an MCU replaces by its own.

Imported where a key is there, and nowhere else: who checks no signature loads no OpenSSL.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    SECP384R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import (
    Prehashed,
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.hashes import SHA256, SHA384

from mcu_updater.core.trust.algorithms import Algorithm

AnyKey = Ed25519PublicKey | EllipticCurvePublicKey | RSAPublicKey
Sign = Callable[[bytes], bytes]

_PSS_SALT: Final = 32
_LONGEST_ECDSA: Final = {Algorithm.ECDSA_P256: 72, Algorithm.ECDSA_P384: 104}
_HALF: Final = {Algorithm.ECDSA_P256: 32, Algorithm.ECDSA_P384: 48}
"""Bytes of each of the two numbers of an ECDSA signature."""

_RULES: tuple[tuple[Algorithm, Callable[[object], bool]], ...] = (
    (Algorithm.ED25519, lambda key: isinstance(key, Ed25519PublicKey)),
    (Algorithm.ECDSA_P256, lambda key: _curve(key) is SECP256R1),
    (Algorithm.ECDSA_P384, lambda key: _curve(key) is SECP384R1),
    (Algorithm.RSA_2048, lambda key: isinstance(key, RSAPublicKey) and key.key_size == 2048),
    (Algorithm.RSA_3072, lambda key: isinstance(key, RSAPublicKey) and key.key_size == 3072),
)


# --- keys


def read_public(pem: bytes) -> object:
    """The public key in *pem*, of any kind. Raises ValueError where there is none."""
    try:
        return serialization.load_pem_public_key(pem)
    except UnsupportedAlgorithm as error:
        raise ValueError(str(error)) from error


def usable(key: object) -> tuple[Algorithm, AnyKey] | None:
    """What *key* signs with; None: no images."""
    for algorithm, is_such in _RULES:
        if is_such(key):
            assert isinstance(key, AnyKey)
            return algorithm, key
    return None


def encoded(key: AnyKey) -> bytes:
    """DER as MCUboot has it: RSA keys as PKCS#1, all others as SubjectPublicKeyInfo."""
    formats = serialization.PublicFormat
    chosen = formats.PKCS1 if isinstance(key, RSAPublicKey) else formats.SubjectPublicKeyInfo
    return key.public_bytes(serialization.Encoding.DER, chosen)


def kind_of(key: object) -> str:
    """For a message."""
    if isinstance(key, EllipticCurvePublicKey):
        return f"ECDSA {key.curve.name}"
    if isinstance(key, RSAPublicKey):
        return f"RSA-{key.key_size}"
    return type(key).__name__.removeprefix("_")


def _curve(key: object) -> type | None:
    return type(key.curve) if isinstance(key, EllipticCurvePublicKey) else None


# --- signatures of images


def has_signed_image(key: AnyKey, algorithm: Algorithm, signature: bytes, signed: bytes) -> bool:
    """Whether *signature* is one of *signed*: a digest, or with Ed25519 whatever it is over."""
    try:
        _check_image(key, algorithm, signature, signed)
    except InvalidSignature:
        return False
    return True


def _check_image(key: AnyKey, algorithm: Algorithm, signature: bytes, signed: bytes) -> None:
    match key:
        case Ed25519PublicKey() as ed25519:
            ed25519.verify(signature, signed)
        case EllipticCurvePublicKey() as curve:
            hashed = Prehashed(_hash(algorithm))
            curve.verify(_unpadded(signature, algorithm), signed, ECDSA(hashed))
        case rsa:
            padding = PSS(MGF1(SHA256()), _PSS_SALT)
            rsa.verify(signature, signed, padding, Prehashed(SHA256()))


def _unpadded(signature: bytes, algorithm: Algorithm) -> bytes:
    """The DER value alone: ``imgtool --pad-sig`` fills up with zeros to one length."""
    end = 2 + signature[1] if len(signature) > 2 else 0
    if len(signature) > _LONGEST_ECDSA[algorithm] or any(signature[end:]):
        raise InvalidSignature
    return signature[:end]


def _hash(algorithm: Algorithm) -> SHA256 | SHA384:
    return SHA384() if algorithm is Algorithm.ECDSA_P384 else SHA256()


# --- signatures of delta packages


def has_signed_header(key: AnyKey, algorithm: Algorithm, value: bytes, signed: bytes) -> bool:
    """Whether *value* is a signature of the header *signed*."""
    try:
        _check_header(key, algorithm, value, signed)
    except InvalidSignature:
        return False
    return True


def _check_header(key: AnyKey, algorithm: Algorithm, value: bytes, signed: bytes) -> None:
    match key:
        case Ed25519PublicKey() as ed25519:
            ed25519.verify(value, signed)
        case RSAPublicKey() as rsa:
            rsa.verify(value, signed, PSS(MGF1(SHA256()), _PSS_SALT), SHA256())
        case curve:
            half = _HALF[algorithm]
            if len(value) != 2 * half:
                raise InvalidSignature
            numbers = int.from_bytes(value[:half]), int.from_bytes(value[half:])
            curve.verify(encode_dss_signature(*numbers), signed, ECDSA(_hash(algorithm)))


def read_private(pem: bytes) -> tuple[bytes, Callable[[Algorithm], Sign]]:
    """The PEM of its public half, and what signs headers with it, by algorithm.

    Raises ValueError where there is no private key that can be read.
    """
    try:
        private = serialization.load_pem_private_key(pem, password=None)
    except (TypeError, UnsupportedAlgorithm) as error:
        raise ValueError(str(error)) from error
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )

    def signer(algorithm: Algorithm) -> Sign:
        return lambda message: _signed(private, algorithm, message)

    return public, signer


def _signed(private: object, algorithm: Algorithm, message: bytes) -> bytes:
    match private:
        case Ed25519PrivateKey():
            return private.sign(message)
        case RSAPrivateKey():
            return private.sign(message, PSS(MGF1(SHA256()), _PSS_SALT), SHA256())
        case EllipticCurvePrivateKey():
            half = _HALF[algorithm]
            made = private.sign(message, ECDSA(_hash(algorithm)))
            return b"".join(number.to_bytes(half) for number in decode_dss_signature(made))
    raise AssertionError("load_key lets no other kind pass")
