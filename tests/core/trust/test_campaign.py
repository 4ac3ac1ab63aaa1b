"""Single bits and missing ends, through whole updates: nothing of it boots.

The cloud is in it: the digests that it announces are those of the package that it sends, so the
signature alone stands in the way. The ordinary run tries a few hundred; ``make flips`` tries
MCU_UPDATER_FLIPS single bits, and every truncation of an image of every kind of key.
"""

from __future__ import annotations

import os
import random

import pytest

from mcu_updater.board import Board
from mcu_updater.core.errors import ImageRejected
from mcu_updater.core.events import Booted
from mcu_updater.core.session import SessionOutcome
from tests.core.trust import signed_worlds as worlds
from tests.core.trust import signing

FLIPS = int(os.environ.get("MCU_UPDATER_FLIPS", "0"))
EVERY_KIND = pytest.mark.parametrize("kind", signing.KINDS)
SHARE = -(-(FLIPS or 270) // len(signing.KINDS))
"""Of all flips, for each kind of key."""


@pytest.fixture(scope="module")
def factory() -> dict[str, Board]:
    return {}


def offered(factory: dict[str, Board], kind: str, package: bytes) -> tuple[Board, list[object]]:
    """A board from the factory that was offered *package*, and what happened."""
    if kind not in factory:
        factory[kind] = worlds.factory_board(kind)
    first = factory[kind]
    board = Board(first.part, component=worlds.COMPONENT, device=first.device.fork())
    board.trust = board.boot_trust = first.trust
    board.offer(worlds.plan(package, "2.0.0"))
    return board, worlds.run(board)


def check_nothing_booted(board: Board, events: list[object]) -> None:
    assert board.result.outcome is SessionOutcome.REJECTED
    assert isinstance(board.result.error, ImageRejected)
    assert {event.version for event in events if isinstance(event, Booted)} == {"1.0.0"}
    assert worlds.runs(board) == ("A", "1.0.0")
    assert board.module.versions == {worlds.COMPONENT: "1.0.0"}


@EVERY_KIND
def test_what_is_whole_boots(factory: dict[str, Board], kind: str) -> None:
    board, _ = offered(factory, kind, worlds.made("2.0.0", kind, counter=2))
    assert worlds.runs(board) == ("B", "2.0.0")


@pytest.mark.timeout(3600)
@EVERY_KIND
def test_bit_flips(factory: dict[str, Board], kind: str) -> None:
    image, rng = worlds.made("2.0.0", kind, counter=2), random.Random(f"flips of {kind}")
    for bit in rng.sample(range(8 * len(image)), min(SHARE, 8 * len(image))):
        worse = bytearray(image)
        worse[bit // 8] ^= 1 << bit % 8
        check_nothing_booted(*offered(factory, kind, bytes(worse)))


@pytest.mark.timeout(3600)
@EVERY_KIND
def test_truncations(factory: dict[str, Board], kind: str) -> None:
    image = worlds.made("2.0.0", kind, counter=2)
    sizes = range(1, len(image)) if FLIPS else [1, 31, 32, *range(100, len(image), 197)]
    for size in [*sizes, len(image) - 1]:
        check_nothing_booted(*offered(factory, kind, image[:size]))
