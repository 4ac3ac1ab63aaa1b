"""Kinds of signatures, as imgtool has them."""

from __future__ import annotations

from enum import Enum

from mcu_updater.core.trust.tlv import Kind


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
