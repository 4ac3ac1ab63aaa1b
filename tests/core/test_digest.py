"""Our MD5 and SHA-256 against hashlib's, whole, cut, and across resets."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcu_updater.core.digest import (
    Md5Resumable,
    PackageDigest,
    ResumableHash,
    Sha256Resumable,
    new_digests,
)

BOTH = [(Md5Resumable, "md5"), (Sha256Resumable, "sha256")]
chunks = st.lists(st.binary(max_size=150), max_size=8)


@pytest.mark.parametrize(("ours", "name"), BOTH)
def test_every_length_about_a_block_border(ours: type[ResumableHash], name: str) -> None:
    data = bytes(range(200))
    for size in (0, 1, 54, 55, 56, 57, 63, 64, 65, 118, 119, 120, 127, 128, 129, 200):
        mine = ours()
        mine.update(data[:size])
        assert mine.digest() == hashlib.new(name, data[:size]).digest(), size


@pytest.mark.parametrize(("ours", "name"), BOTH)
@given(parts=chunks)
def test_cuts_and_resets_do_not_matter(
    ours: type[ResumableHash], name: str, parts: list[bytes]
) -> None:
    mine = ours()
    for part in parts:
        mine = ours.restore(mine.state())
        mine.update(part)
        mine.digest()  # asking must not change anything
    assert mine.digest() == hashlib.new(name, b"".join(parts)).digest()


@pytest.mark.parametrize(("ours", "name"), BOTH)
def test_many_blocks(ours: type[ResumableHash], name: str) -> None:
    data = bytes(i * i & 0xFF for i in range(50_000))
    mine = ours()
    mine.update(data)
    assert mine.digest() == hashlib.new(name, data).digest()


def test_published_vectors() -> None:
    """RFC 1321, A.5; FIPS 180-4 example for one block."""
    md5, sha256 = Md5Resumable(), Sha256Resumable()
    md5.update(b"message digest")
    sha256.update(b"abc")
    assert md5.digest().hex() == "f96b697d7cb7938d525a2f31aaf161d0"
    assert sha256.digest().hex() == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )


def test_state_is_length_chain_and_residue() -> None:
    md5, sha256 = Md5Resumable(), Sha256Resumable()
    for mine in (md5, sha256):
        mine.update(bytes(64) + b"residue")
    assert md5.state()[:8] == sha256.state()[:8] == (71).to_bytes(8, "big")
    assert md5.state()[8 + 16 :] == sha256.state()[8 + 32 :] == b"residue"


@given(chunks, chunks)
def test_package_digest_goes_on_after_a_reset(before: list[bytes], after: list[bytes]) -> None:
    digest, plain = new_digests(resumable=True), new_digests(resumable=False)
    for part in before:
        digest.update(part)
        plain.update(part)
    state = digest.state()
    assert len(state) <= 190
    digest = PackageDigest.restore(state)
    assert digest.state() == state
    for part in after:
        digest.update(part)
        plain.update(part)
    data = b"".join(before + after)
    assert digest.md5() == plain.md5() == hashlib.md5(data).digest()
    assert digest.sha256() == plain.sha256() == hashlib.sha256(data).digest()


def test_plain_digest_has_no_state() -> None:
    with pytest.raises(RuntimeError, match="a plain digest has no state to save"):
        new_digests(resumable=False).state()


@pytest.mark.parametrize("size", [0, 7, 23, 70])
def test_state_cut_short_is_refused(size: int) -> None:
    digest = new_digests(resumable=True)
    digest.update(b"x" * 10)
    with pytest.raises(ValueError, match="state"):
        PackageDigest.restore(digest.state()[:size])


def test_state_with_more_behind_it_is_refused() -> None:
    with pytest.raises(ValueError, match="SHA-256 state has the wrong size"):
        PackageDigest.restore(new_digests(resumable=True).state() + b"x")
