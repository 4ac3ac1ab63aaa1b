"""Flash that compares by itself: two Protocols, and a wrapper that hides neither."""

from __future__ import annotations

import hashlib

import pytest

from flash_emulator import EmulatedFlash, load_part
from mcu_updater.core.flash import Geometry, comparing, match_of, sha256_of
from mcu_updater.core.keepalive import STEP_SIZE, KeepAliveFlash
from mcu_updater.core.slot import Region, Window

PART = load_part("STM32L476xG")
BASE = PART.base
DATA = bytes(range(256)) * 40


class OnlyReads:
    """A FlashDevice that can do no more than that."""

    def __init__(self, device: EmulatedFlash, bad: range = range(0)) -> None:
        self._device, self._bad = device, bad
        self.reads: list[tuple[int, int]] = []

    @property
    def geometry(self) -> Geometry:
        return self._device.geometry

    def read(self, address: int, size: int) -> bytes:
        self.reads.append((address, size))
        if address < self._bad.stop and self._bad.start < address + size:
            raise OSError("unreadable")
        return self._device.read(address, size)

    def program(self, address: int, data: bytes) -> None:
        self._device.program(address, data)

    def erase(self, address: int) -> None:
        self._device.erase(address)


class Counting:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> None:
        self.calls += 1


@pytest.fixture
def device() -> EmulatedFlash:
    made = EmulatedFlash(PART)
    made.program(BASE, DATA)
    return made


def test_who_can_compare_is_asked_in_one_place(device: EmulatedFlash) -> None:
    assert comparing(device) is device
    assert comparing(OnlyReads(device)) is None
    assert comparing(KeepAliveFlash(OnlyReads(device), lambda: None)) is not None


@pytest.mark.parametrize("size", [1, 8, 100, STEP_SIZE, STEP_SIZE + 1, len(DATA)])
def test_all_of_them_say_the_same(device: EmulatedFlash, size: int) -> None:
    plain, calls = OnlyReads(device), Counting()
    ways = (device, plain, KeepAliveFlash(device, calls), KeepAliveFlash(plain, calls))
    expected = DATA[:size]
    other = expected[:-1] + bytes([expected[-1] ^ 1])
    differs = match_of(device, BASE, other)
    assert differs < size
    for way in ways:
        assert sha256_of(way, BASE, size) == hashlib.sha256(expected).digest()
        assert match_of(way, BASE, expected) == size
        assert match_of(way, BASE, other) == differs
    assert calls.calls


def test_the_wrapper_hands_both_to_a_device_that_has_them(device: EmulatedFlash) -> None:
    calls, asked = Counting(), []

    class Own(OnlyReads):
        def sha256(self, address: int, size: int) -> bytes:
            asked.append("sha256")
            return device.sha256(address, size)

        def match(self, address: int, expected: bytes) -> int:
            asked.append("match")
            return device.match(address, expected)

    own = Own(device)
    kept = KeepAliveFlash(own, calls)
    assert kept.sha256(BASE, len(DATA)) == hashlib.sha256(DATA).digest()
    assert kept.match(BASE, DATA) == len(DATA)
    assert "sha256" in asked and "match" in asked
    assert not own.reads
    assert calls.calls >= 1 + len(DATA) // STEP_SIZE


def test_a_slow_device_is_read_in_steps_and_somebody_is_let_in_between(
    device: EmulatedFlash,
) -> None:
    plain, calls = OnlyReads(device), Counting()
    KeepAliveFlash(plain, calls).sha256(BASE, len(DATA))
    assert max(size for _, size in plain.reads) <= STEP_SIZE
    assert calls.calls >= len(plain.reads)


def test_what_cannot_be_read_holds_nothing_and_has_no_digest(device: EmulatedFlash) -> None:
    bad = range(BASE + 5000, BASE + 5008)
    for way in (OnlyReads(device, bad), KeepAliveFlash(OnlyReads(device, bad), lambda: None)):
        window = Window.of_array(way, Region(0, (2048,) * 5))
        assert window.sha256(len(DATA)) is None
        assert window.match(0, DATA) == 5000
        assert window.sha256(4000) == hashlib.sha256(DATA[:4000]).digest()
