"""What ``make thorough`` tries in full; an ordinary run tries a part of it, always the same."""

import os
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

THOROUGH = bool(os.environ.get("MCU_UPDATER_THOROUGH"))


def one_in(step: int, items: Sequence[T], first: int = 0) -> Sequence[T]:
    """Of *items* every *step*-th, all in a thorough run. Tests that differ in one parameter begin
    at different places, so that together they try more of them."""
    return items if THOROUGH else items[first % step :: step]
