"""The key of the signed images to explore with."""

from __future__ import annotations

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mcu_updater.powerloss import signed


def test_the_key_that_is_written_down_is_the_one_that_signs() -> None:
    public = signed._key().public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    assert pem == signed.PUBLIC_KEY
