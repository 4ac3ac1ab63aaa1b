"""The user's private key, and what signs with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from flash_emulator.evidence.dsse import Envelope, signed_bytes
from flash_emulator.evidence_check.keys import BadKey, Key, key_of
from mcu_updater.core.errors import InputRejected

_EXPECTED = "an Ed25519 or ECDSA P-256 private key in PEM (PKCS #8)"
_MAKE_ONE = "openssl genpkey -algorithm ed25519 -out KEY.pem makes one"


@dataclass(frozen=True, slots=True)
class Signer:
    """*key*: the public half."""

    key: Key
    _private: Ed25519PrivateKey | EllipticCurvePrivateKey

    def sign(self, payload: bytes) -> bytes:
        """The envelope of *payload*."""
        message = signed_bytes(payload)
        if isinstance(self._private, Ed25519PrivateKey):
            signature = self._private.sign(message)
        else:
            signature = self._private.sign(message, ECDSA(SHA256()))
        return bytes(Envelope(payload, self.key.keyid, signature))


def read_signer(pem: bytes, where: str, ask: Callable[[], str]) -> Signer:
    """*ask* gives the pass phrase of a key that is encrypted, and is called for no other.

    Raises InputRejected for what is no such key, and for a wrong pass phrase.
    """
    if b"PUBLIC KEY-----" in pem:
        then = "Give the private half; who checks the pack needs this one"
        raise _rejected("this is a public key, which cannot sign", where, "", then)
    private = _private(pem, where, ask)
    try:
        return Signer(key_of(private.public_key()), private)  # type: ignore[attr-defined, arg-type]
    except BadKey as error:
        raise _rejected("a key of a kind that signs no packs", where, str(error)) from error


def _private(pem: bytes, where: str, ask: Callable[[], str]) -> object:
    is_encrypted = b"ENCRYPTED" in pem
    password = ask().encode() if is_encrypted else None
    try:
        return load_pem_private_key(pem, password)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        if is_encrypted:
            what = "this encrypted key cannot be opened"
            raise _rejected(what, where, "a wrong pass phrase, or a damaged file") from error
        found = "PEM that holds no private key" if b"-----BEGIN" in pem else "a file that is no PEM"
        if b"OPENSSH" in pem:
            found = "a key in OpenSSH's own format"
        raise _rejected("no private key", where, found, _MAKE_ONE) from error


def _rejected(what: str, where: str, found: str, then: str = "") -> InputRejected:
    return InputRejected(what, where=where, expected=_EXPECTED, found=found, then=then)
