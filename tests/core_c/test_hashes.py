"""Digests, CRC and numbers in C, against hashlib, zlib and struct; states, against Python's."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcu_updater.core.digest import Md5Resumable, ResumableHash, Sha256Resumable
from mcu_updater.core.image_version import SecurityVersion
from tests.core_c.devices import REMAP
from tests.core_c.snapshots import (
    security_version_from_c,
    security_version_to_c,
    security_versions,
)

pytestmark = pytest.mark.judge("gcc")

DATA = bytes((7 * i + i // 256) % 256 for i in range(1000))


class InC:
    """MD5 or SHA-256 of the library, with what ResumableHash can do."""

    def __init__(self, name: str) -> None:
        native = REMAP.native()
        self._ffi, self._lib, self._name = native.ffi, native.lib, name
        self.hash = self._ffi.new("struct fwu_hash *")
        getattr(self._lib, f"fwu_{name}_begin")(self.hash)

    def _call(self, what: str, *arguments: Any) -> Any:
        return getattr(self._lib, f"fwu_hash_{what}")(*arguments)

    def add(self, data: bytes) -> None:
        self._call("add", self.hash, data, len(data))

    def digest(self) -> bytes:
        digest = self._ffi.new("uint8_t[]", 16 if self._name == "md5" else 32)
        self._call("end", self.hash, digest)
        return bytes(digest)

    def state(self) -> bytes:
        head = self._ffi.new("uint8_t[]", 24 if self._name == "md5" else 40)
        self._call("save", self.hash, head)
        held = self.hash.length % 64
        return bytes(head) + bytes(self.hash.residue)[:held]

    def restore(self, state: bytes) -> bool:
        size = 24 if self._name == "md5" else 40
        self._ffi.memmove(self.hash.residue, state[size:], len(state) - size)
        return bool(self._call("restore", self.hash, state[:size]))


KINDS = pytest.mark.parametrize(
    ("name", "of_hashlib", "of_python"),
    [("md5", hashlib.md5, Md5Resumable), ("sha256", hashlib.sha256, Sha256Resumable)],
)


@KINDS
def test_every_length_has_its_digest_and_its_state(
    name: str, of_hashlib: Callable[[bytes], Any], of_python: type[ResumableHash]
) -> None:
    grown = InC(name)
    for size in range(301):
        python = of_python()
        python.update(DATA[:size])
        assert grown.state() == python.state()
        restored = InC(name)
        assert restored.restore(python.state())
        assert restored.digest() == of_hashlib(DATA[:size]).digest()
        restored.restore(python.state())
        restored.add(DATA[size:])
        assert restored.digest() == of_hashlib(DATA).digest()
        grown.add(DATA[size : size + 1])


@KINDS
@given(pieces=st.lists(st.binary(max_size=200)))
def test_pieces_of_any_size_make_the_same_digest(
    name: str,
    of_hashlib: Callable[[bytes], Any],
    of_python: type[ResumableHash],
    pieces: list[bytes],
) -> None:
    in_c, python = InC(name), of_python()
    for piece in pieces:
        in_c.add(piece)
        python.update(piece)
    assert in_c.state() == python.state()
    assert in_c.digest() == of_hashlib(b"".join(pieces)).digest()


@KINDS
def test_a_length_that_has_more_than_29_bits_is_in_the_digest(
    name: str, of_hashlib: Callable[[bytes], Any], of_python: type[ResumableHash]
) -> None:
    """As if so much had been hashed: its size in bits does not fit a word."""
    chain = bytes(range(16 if name == "md5" else 32))
    for length in (0x1FFF_FFFF, 0x2000_0000, 0xFFFF_FFC0, 0xFFFF_FF85):
        state = length.to_bytes(8, "big") + chain + DATA[: length % 64]
        in_c = InC(name)
        assert in_c.restore(state)
        assert in_c.state() == state
        assert in_c.digest() == of_python.restore(state).digest()


@KINDS
def test_a_state_of_4_GiB_is_none_of_ours(
    name: str, of_hashlib: Callable[[bytes], Any], of_python: type[ResumableHash]
) -> None:
    state = bytearray(InC(name).state())
    for at in range(4):
        state[at] = 1
        assert not InC(name).restore(bytes(state))
        state[at] = 0
    assert InC(name).restore(bytes(state))


@given(st.lists(st.binary(max_size=300)))
def test_a_crc_is_that_of_zlib(pieces: list[bytes]) -> None:
    lib, crc = REMAP.native().lib, 0
    for piece in pieces:
        crc = lib.fwu_crc32(crc, piece, len(piece))
    assert crc == zlib.crc32(b"".join(pieces))


@given(st.integers(0, 0xFFFF_FFFF), st.integers(0, 7))
def test_numbers_are_little_endian_at_any_address(number: int, at: int) -> None:
    native = REMAP.native()
    held = native.ffi.new("uint8_t[]", 12)
    native.lib.fwu_put_u32(held + at, number)
    assert bytes(held) == number.to_bytes(4, "little").rjust(4 + at, b"\0").ljust(12, b"\0")
    assert native.lib.fwu_get_u32(held + at) == number
    assert native.lib.fwu_get_u16(held + at) == number & 0xFFFF
    native.lib.fwu_put_u16(held + at, number)
    assert native.lib.fwu_get_u16(held + at) == number & 0xFFFF


@given(st.binary(max_size=9), st.binary(max_size=9))
def test_names_are_the_same_where_size_and_bytes_are(one: bytes, other: bytes) -> None:
    native = REMAP.native()
    for kind, same in (
        ("component", native.lib.fwu_same_component),
        ("version", native.lib.fwu_same_version),
    ):
        made = [native.ffi.new(f"struct fwu_{kind} *") for _ in range(2)]
        for name, text in zip(made, (one, other), strict=True):
            native.ffi.memmove(name.text, text.ljust(12, b"?"), 12)
            name.size = len(text)
        assert same(*made) == (one == other)
        assert same(made[0], made[0])


@given(security_versions, security_versions)
def test_floors_are_raised_number_by_number(one: SecurityVersion, other: SecurityVersion) -> None:
    native = REMAP.native()
    first, second = (native.ffi.new("struct fwu_security_version *") for _ in range(2))
    for made, told in ((first, one), (second, other)):
        security_version_to_c(made, told)
        assert native.lib.fwu_is_no_floor(made) == (told == SecurityVersion())
    compared = native.lib.fwu_compare_versions(one.version.pack(), other.version.pack())
    assert compared == (one.version > other.version) - (one.version < other.version)
    native.lib.fwu_raise_floor(first, second)
    assert security_version_from_c(native.ffi, first) == one.raised(other)


@given(security_versions, st.integers(0, 3), st.integers(-1, 1))
def test_versions_that_differ_in_one_number_compare_by_it(
    one: SecurityVersion, field: int, step: int
) -> None:
    lib = REMAP.native().lib
    numbers = list(one.version)
    numbers[field] = max(0, min(numbers[field] + step, (255, 255, 0xFFFF, 0xFFFF_FFFF)[field]))
    other = type(one.version)(*numbers)
    compared = lib.fwu_compare_versions(one.version.pack(), other.pack())
    assert compared == (one.version > other) - (one.version < other)
