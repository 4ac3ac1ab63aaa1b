"""Is this image what one of these keys has signed?

Signed is the digest, by ECDSA and RSA-PSS as a prehashed message, by Ed25519 as the message
itself; or, where the image says *pure*, by Ed25519 the whole signed part. A pure signature can be
checked only with all of the image at hand, and so only from flash: see ``is_checked``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping

from mcu_updater.core.errors import UntrustedImage
from mcu_updater.core.trust.keys import Algorithm, PublicKey
from mcu_updater.core.trust.tlv import DIGESTS, Claims, Kind


def hashes_of(keys: Iterable[PublicKey]) -> tuple[str, ...]:
    """Names of the digests that an image signed by one of *keys* may have."""
    kinds = {kind for key in keys for kind in key.algorithm.digests}
    return tuple(DIGESTS[kind] for kind in sorted(kinds))


def verify(
    claims: Claims,
    digests: Mapping[str, bytes],
    keys: Iterable[PublicKey],
    message: Callable[[], bytes] | None,
) -> PublicKey:
    """The one of *keys* that has signed what has these *digests*. Raises UntrustedImage.

    *message* gives the whole signed part; None: it is not at hand, and then a pure signature is
    left unchecked.
    """
    name = DIGESTS[claims.digest_kind]
    key = _named_key(claims, name, keys)
    algorithm = key.algorithm
    if claims.signature_kind is not algorithm.signature:
        raise _bad("a signature of another kind than the key's", algorithm.signature.name,
                   claims.signature_kind.name)  # fmt: skip
    if claims.digest_kind not in _digests(claims, algorithm):
        wanted = " or ".join(kind.name for kind in _digests(claims, algorithm)) or "no such image"
        raise _bad(f"a digest that {algorithm.title} does not sign here", wanted,
                   claims.digest_kind.name)  # fmt: skip
    if digests[name] != claims.digest:
        raise _bad("the image is not the one that was signed", f"{claims.digest_kind.name} "
                   f"{claims.digest.hex()}", digests[name].hex())  # fmt: skip
    if claims.is_pure and message is None:
        return key
    signed = claims.digest
    if claims.is_pure and message is not None:
        signed = message()  # read once more: it must be what was read before
        if hashlib.new(name, signed).digest() != claims.digest:
            raise _bad("the image reads differently from one time to the next",
                       claims.digest.hex(), "another digest")  # fmt: skip
    from mcu_updater.core.trust.openssl import has_signed_image

    if not has_signed_image(key.key, algorithm, claims.signature, signed):
        raise _bad("the signature is wrong", f"one by the {algorithm.title} key", "another")
    return key


def _named_key(claims: Claims, name: str, keys: Iterable[PublicKey]) -> PublicKey:
    for key in keys:
        if claims.public_key == key.encoded or claims.key_hash == key.hash(name):
            return key
    named = claims.key_hash or claims.public_key or b""
    raise _bad("signed by a key that is not trusted", "one of the keys given", named.hex()[:32])


def _digests(claims: Claims, algorithm: Algorithm) -> tuple[Kind, ...]:
    if not claims.is_pure:
        return algorithm.digests
    return (Kind.SHA512,) if algorithm is Algorithm.ED25519 else ()


def _bad(what: str, expected: str, found: str) -> UntrustedImage:
    return UntrustedImage(
        what,
        where="signature of the image",
        expected=expected,
        found=found,
        then="It will not be booted",
    )
