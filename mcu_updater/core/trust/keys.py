"""Public keys that may sign, from PEM; and what each kind of key signs with."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from mcu_updater.core.errors import ImageRejected, Remedy
from mcu_updater.core.trust.algorithms import Algorithm

if TYPE_CHECKING:
    from mcu_updater.core.trust.openssl import AnyKey

__all__ = ["Algorithm", "PublicKey", "load_key"]


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
    from mcu_updater.core.trust import openssl

    try:
        key = openssl.read_public(pem)
    except ValueError as error:
        found = "PEM that holds no known key" if b"-----BEGIN" in pem else "a file that is not PEM"
        raise ImageRejected(
            "no public key", where=name, expected="a public key in PEM", found=found
        ) from error
    match openssl.usable(key):
        case algorithm, public:
            return PublicKey(algorithm, pem, openssl.encoded(public), public)
        case _:
            raise ImageRejected(
                "a key of a kind that signs no images",
                where=name,
                expected=", ".join(algorithm.title for algorithm in Algorithm),
                found=openssl.kind_of(key),
            )
