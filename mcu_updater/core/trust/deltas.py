"""Signatures of delta packages: checked by a device, made by whoever publishes.

A delta package names both images by their SHA-256, so its header is all that is signed. What the
package makes is an image like any other, and must be signed for itself where signatures are asked
for. The header's signature is what can be checked before the first erase.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from mcu_updater.core.delta import Header, SignatureKind
from mcu_updater.core.delta.container import KEY_ID_SIZE
from mcu_updater.core.errors import ImageRejected, UntrustedImage
from mcu_updater.core.trust.keys import Algorithm, PublicKey, load_key

_KINDS: Final = {
    Algorithm.ED25519: SignatureKind.ED25519,
    Algorithm.ECDSA_P256: SignatureKind.ECDSA,
    Algorithm.ECDSA_P384: SignatureKind.ECDSA,
    Algorithm.RSA_2048: SignatureKind.RSA_PSS,
    Algorithm.RSA_3072: SignatureKind.RSA_PSS,
}


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
    from mcu_updater.core.trust.openssl import has_signed_header

    if not has_signed_header(key.key, key.algorithm, signature.value, header.signed_part()):
        raise _bad("the signature is wrong", f"one by the {key.algorithm.title} key", "another")
    return key


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
    from mcu_updater.core.trust.openssl import read_private

    try:
        public, signer = read_private(pem)
    except ValueError as error:
        raise ImageRejected(
            "no private key that can be read",
            where=name,
            expected="a private key in PEM, without a password",
            found=str(error),
        ) from error
    key = load_key(public, name)
    sign = signer(key.algorithm)
    return lambda header: header.signed(_KINDS[key.algorithm], key_id(key), sign)
