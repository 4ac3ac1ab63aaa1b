"""Signed images as imgtool makes them, and keys for that. Nothing here is our own code."""

from __future__ import annotations

import contextlib
import io
import struct
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from imgtool import keys as imgtool_keys
from imgtool.image import Image
from imgtool.version import decode_version

LINK_ADDRESS = 0x0800_8000
"""Of the slot, on the part that the tests use."""

HEADER_SIZE = 0x200


@dataclass(frozen=True)
class Kind:
    """A way to sign: the key's algorithm, and what is asked of imgtool."""

    algorithm: str
    sha: str = "auto"
    pure: bool = False
    padded: bool = False


KINDS = {
    "ed25519": Kind("ed25519"),
    "ed25519-sha512": Kind("ed25519", sha="512"),
    "ed25519-pure": Kind("ed25519", pure=True),
    "p256": Kind("p256"),
    "p256-padded": Kind("p256", padded=True),
    "p384": Kind("p384"),
    "p384-padded": Kind("p384", padded=True),
    "rsa2048": Kind("rsa2048"),
    "rsa3072": Kind("rsa3072"),
}


@cache
def private_pem(algorithm: str, who: str = "owner") -> bytes:
    """A new private key each time that the tests run, the same for the same *who*."""
    key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
    match algorithm:
        case "ed25519":
            key = ed25519.Ed25519PrivateKey.generate()
        case "p256":
            key = ec.generate_private_key(ec.SECP256R1())
        case "p384":
            key = ec.generate_private_key(ec.SECP384R1())
        case _:
            key = rsa.generate_private_key(65537, int(algorithm.removeprefix("rsa")))
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


@cache
def public_pem(algorithm: str, who: str = "owner") -> bytes:
    key = serialization.load_pem_private_key(private_pem(algorithm, who), None)
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


@cache
def imgtool_key(algorithm: str, who: str = "owner") -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "key.pem"
        path.write_bytes(private_pem(algorithm, who))
        return imgtool_keys.load(str(path))


def body(version: str, size: int = 700, header_size: int = HEADER_SIZE) -> bytes:
    """What the linker makes for the place behind the header."""
    start = LINK_ADDRESS + header_size
    table = struct.pack("<II", 0x2000_8000, start + 0x41)
    return (table + (version * size).encode())[:size]


def signed(
    version: str = "2.0.0",
    kind: str = "ed25519",
    *,
    counter: int | None = None,
    who: str = "owner",
    size: int = 700,
    header_size: int = HEADER_SIZE,
    key_in_full: bool = False,
    dependencies: dict[int, str] | None = None,
    custom: dict[int, bytes] | None = None,
    **options: Any,
) -> bytes:
    """A package: header, body and TLVs. *options* are those of imgtool's Image."""
    how = KINDS[kind]
    key = imgtool_key(how.algorithm, who)
    if how.padded:
        key.pad_sig = True
    image = Image(
        version=decode_version(version),
        header_size=header_size,
        pad_header=True,
        security_counter=counter,
        **options,
    )
    needed = None
    if dependencies is not None:
        versions = [decode_version(text) for text in dependencies.values()]
        needed = {"images": list(dependencies), "versions": versions}
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        raw, made = Path(folder) / "raw.bin", Path(folder) / "made.bin"
        raw.write_bytes(body(version, size, header_size))
        image.load(str(raw))
        image.create(
            key,
            "full" if key_in_full else "hash",
            None,
            dependencies=needed,
            custom_tlvs=custom,
            user_sha=how.sha,
            is_pure=how.pure,
        )
        image.save(str(made))
        if how.padded:
            key.pad_sig = False
        return made.read_bytes()


def imgtool_accepts(image: bytes, algorithm: str, who: str = "owner") -> bool:
    """What imgtool itself says of *image*."""
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        path = Path(folder) / "image.bin"
        path.write_bytes(image)
        try:
            result, *_ = Image.verify(str(path), imgtool_key(algorithm, who))
        except Exception:  # it raises whatever comes, on damaged input
            return False
    return bool(result.name == "OK")
