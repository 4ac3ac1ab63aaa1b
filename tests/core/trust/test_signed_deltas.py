"""Signed delta packages: by every kind of key, and what a device with keys refuses."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest

from flash_emulator import load_part
from mcu_updater.board import Board
from mcu_updater.core.delta import Header, Signature, SignatureKind, parse_header
from mcu_updater.core.errors import ImageRejected, UntrustedImage
from mcu_updater.core.journal import Reason
from mcu_updater.core.session import SessionOutcome
from mcu_updater.core.trust import load_key
from mcu_updater.core.trust.deltas import delta_signer, verify_delta
from mcu_updater.files.delta.make import make_delta
from mcu_updater.files.delta.makers import available
from mcu_updater.quectel.emulated.options import ModuleOptions
from tests.core.trust import signed_worlds as worlds
from tests.core.trust import signing
from tests.core.trust.test_signed_update import check_refused, slot_erases, take

ALGORITHMS = ("ed25519", "p256", "p384", "rsa2048", "rsa3072")
SIZE = 3000


@cache
def delta(algorithm: str | None, *, who: str = "owner", base: str = "1.0.0") -> bytes:
    """Between images that imgtool has signed with the owner's Ed25519 key."""
    old, new = image(base), image("2.0.0")
    sign = None if algorithm is None else delta_signer(signing.private_pem(algorithm, who))
    makers = {"builtin": available()["builtin"]}
    return make_delta(old, new, makers=makers, target_version="2.0.0", sign=sign).package


def image(version: str) -> bytes:
    return worlds.made(version, "ed25519", counter=1, size=SIZE)


def board(*algorithms: str, piece_size: int | None = None) -> Board:
    trust = worlds.trust("ed25519", *algorithms)
    made = Board.new(load_part(worlds.PART), "1.0.0", image("1.0.0"), trust=trust)
    made.configure_module(ModuleOptions(piece_size=piece_size))
    return made


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("piece_size", [None, 700])
def test_every_kind_of_key_signs(algorithm: str, piece_size: int | None) -> None:
    kind = {"rsa2048": "rsa2048", "rsa3072": "rsa3072"}.get(algorithm, algorithm)
    made = take(board(kind, piece_size=piece_size), delta(algorithm), "2.0.0")
    assert made.result.outcome is SessionOutcome.UPDATED
    assert worlds.runs(made) == ("B", "2.0.0")
    assert made.banks()[1].slot.read(0, len(image("2.0.0"))) == image("2.0.0")


@pytest.mark.parametrize("who", [None, "somebody else"])
def test_what_nobody_here_has_signed_is_refused_before_the_first_erase(who: str | None) -> None:
    package = delta(None) if who is None else delta("ed25519", who=who)
    made = take(board(), package, "2.0.0")
    check_refused(made, UntrustedImage, Reason.UNTRUSTED)
    assert slot_erases(made) == 0


def test_a_signature_of_another_package_is_refused_before_the_first_erase() -> None:
    signature = parse_header(delta("ed25519")).signature
    other = delta("ed25519", base="1.1.0")
    header = parse_header(other)
    made = take(
        board(), replace(header, signature=signature).pack() + other[header.size :], "2.0.0"
    )
    check_refused(made, UntrustedImage, Reason.UNTRUSTED)
    assert slot_erases(made) == 0


def test_a_signed_delta_does_not_vouch_for_the_image_that_it_makes() -> None:
    """The owner has signed the way to an image that nobody signed."""
    unsigned = signing.body("2.0.0", size=SIZE, header_size=0)
    sign = delta_signer(signing.private_pem("ed25519", "owner"))
    package = make_delta(image("1.0.0"), unsigned, sign=sign).package
    made = take(board(), package, "2.0.0")
    check_refused(made, UntrustedImage, Reason.UNTRUSTED)
    assert made.result.error is not None
    assert made.result.error.where == "image offset 0"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_bit_of_the_signed_part_and_of_the_signature_counts(algorithm: str) -> None:
    header = parse_header(delta(algorithm))
    key = load_key(signing.public_pem(algorithm))
    assert verify_delta(header, [key]) == key
    assert header.signature is not None
    value = header.signature.value
    for at in range(0, len(value), 7):
        worse = value[:at] + bytes([value[at] ^ 1]) + value[at + 1 :]
        refused(replace(header, signature=replace(header.signature, value=worse)), algorithm)
    for changed in (
        replace(header, target_size=header.target_size + 1),
        replace(header, base_sha256=bytes(32)),
        replace(header, target_version="3.0.0"),
        replace(header, signature=replace(header.signature, value=value[:-1])),
        replace(header, signature=None),
    ):
        refused(changed, algorithm)


def refused(header: Header, algorithm: str) -> None:
    with pytest.raises(UntrustedImage):
        verify_delta(header, [load_key(signing.public_pem(algorithm))])


def test_a_signature_of_another_kind_than_the_keys() -> None:
    header = parse_header(delta("ed25519"))
    assert header.signature is not None
    other = Signature(SignatureKind.ECDSA, header.signature.key_id, header.signature.value)
    with pytest.raises(UntrustedImage, match="another kind than the key's"):
        verify_delta(replace(header, signature=other), [load_key(signing.public_pem("ed25519"))])


@pytest.mark.parametrize("pem", [b"", b"nothing", signing.public_pem("ed25519")])
def test_only_a_private_key_signs(pem: bytes) -> None:
    with pytest.raises(ImageRejected, match="no private key"):
        delta_signer(pem)
