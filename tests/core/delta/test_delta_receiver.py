"""The decoder that a loader has for a delta package: bounds of its state, and a base that fades."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mcu_updater.core.delta import Algorithm, DeltaRejected, Filter
from mcu_updater.core.delta.receiver import DeltaImage, DeltaTerms
from mcu_updater.core.errors import VerificationFailed
from mcu_updater.core.slot import Window
from mcu_updater.files.delta.make import make_delta
from mcu_updater.files.delta.makers import available
from tests.core.delta.pairs import PROFILES, edited, fixture_delta, fixtures
from tests.worlds import TinyFlash

BASE = 0x1000
ROOM = 16 << 10
SECTOR = 512
LINK = 0x0800_8000


def terms(device: TinyFlash | None = None, **more: Any) -> DeltaTerms:
    device = device or holding(fixtures()[0])
    usual: dict[str, Any] = {
        "old": Window(device, BASE, device.sector_sizes),
        "version": "2.0.0",
        "new": Window(device, BASE, (SECTOR,) * (ROOM // SECTOR), LINK),
        "room": None,
    }
    return DeltaTerms(**usual | more)


def holding(image: bytes, device: Callable[..., TinyFlash] = TinyFlash) -> TinyFlash:
    flash = device((ROOM // 2, ROOM // 2), 8, BASE)
    flash.data[: len(image)] = image
    return flash


def taken(made: DeltaImage, data: bytes) -> bytes:
    """What *data* makes; its addresses must follow each other."""
    image, address = bytearray(), None
    for extent in made.feed(data):
        assert address in (None, extent.address)
        image += extent.data
        address = extent.address + len(extent.data)
    return bytes(image)


@pytest.mark.parametrize("algorithm", PROFILES)
@pytest.mark.parametrize("kind", Filter)
@pytest.mark.parametrize("step", [1, 7, 500])
def test_goes_on_from_its_state_which_is_never_larger_than_told(
    algorithm: Algorithm, kind: Filter, step: int
) -> None:
    made = fixture_delta(algorithm, kind)
    _, target = fixtures()
    asked = terms(room=1 << 20)
    decoder, image = DeltaImage(asked), bytearray()
    states = set()
    every = 40 if step == 1 else 1
    for number, at in enumerate(range(0, len(made.package), step)):
        image += taken(decoder, made.package[at : at + step])
        if number % every == 0:
            state = decoder.state()
            states.add(len(state))
            assert state[0] == DeltaImage.CODE
            decoder = DeltaImage.restore(state, asked)
    decoder.finish()
    assert image == target
    with pytest.raises(DeltaRejected, match="no room to carry on"):
        taken(DeltaImage(terms(room=SECTOR - 1 + max(states) - 1)), made.package)


@pytest.mark.parametrize("seed", range(12))
def test_the_bound_holds_for_every_patch(seed: int) -> None:
    base, target = edited(seed)
    for algorithm in PROFILES:
        makers = {"builtin": available()["builtin"]}
        package = make_delta(base, target, algorithm=algorithm, makers=makers).package
        asked = terms(holding(base), room=1 << 20, version=None)
        rest = asked.largest_rest(len(target))
        decoder, largest = DeltaImage(asked), 0
        for at in range(0, len(package), 11):
            taken(decoder, package[at : at + 11])
            largest = max(largest, len(decoder.state()))
        taken(DeltaImage(terms(holding(base), room=1 << 15)), package)
        with pytest.raises(DeltaRejected, match="no room to carry on"):
            taken(DeltaImage(terms(holding(base), room=rest + largest - 1)), package)


@pytest.mark.parametrize("algorithm", PROFILES)
def test_a_base_that_can_be_read_no_longer(algorithm: Algorithm) -> None:
    """It had its digest when the package began."""
    old, _ = fixtures()
    device = holding(old, Fading)
    assert isinstance(device, Fading)
    decoder = DeltaImage(terms(device))
    package = fixture_delta(algorithm).package
    taken(decoder, package[:200])
    device.faded = range(BASE, BASE + len(old))
    with pytest.raises(VerificationFailed, match="the running image") as caught:
        taken(decoder, package[200:])
    assert "0x0000_1000" in caught.value.message


class Fading(TinyFlash):
    """A device of which some addresses cannot be read."""

    faded = range(0)

    def read(self, address: int, size: int) -> bytes:
        if address in self.faded:
            raise OSError("double ECC error")
        return super().read(address, size)


def test_a_base_that_reads_otherwise_makes_another_image_which_is_found() -> None:
    old, _ = fixtures()
    device = holding(old)
    decoder = DeltaImage(terms(device))
    package = fixture_delta(Algorithm.HEATSHRINK).package
    taken(decoder, package[:200])
    device.data[: len(old)] = bytes(byte ^ 4 for byte in old)
    taken(decoder, package[200:])
    with pytest.raises(DeltaRejected, match="new image is not what it should be"):
        decoder.finish()


@pytest.mark.parametrize(
    ("size", "rest"), [(1, 1), (15, 15), (16, 15), (17, 15), (60, 44), (80, 63), (113, 63)]
)
def test_what_is_left_of_a_sector_at_most(size: int, rest: int) -> None:
    sizes = (16, 64, 32, 16)
    device = TinyFlash(sizes, 8, BASE)
    asked = terms(new=Window(device, BASE, sizes))
    assert asked.largest_rest(size) == rest
