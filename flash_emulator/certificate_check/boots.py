"""One boot: how it reads metastable units, what it begins from, how it ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from flash_emulator import EmulatedFlash, MetastableMode

_CODES = {"f": MetastableMode.FLIPPED, "d": MetastableMode.DRAWN, "t": MetastableMode.TURNING}


@dataclass(frozen=True, slots=True)
class ReadChoice:
    """How metastable units read in one boot: *flips* read the opposite, where STABLE."""

    metastable_mode: MetastableMode = MetastableMode.STABLE
    flips: frozenset[int] = frozenset()

    @classmethod
    def parse(cls, code: str | None) -> ReadChoice:
        """As in a path, behind the ``!``."""
        if not code or code in _CODES:
            return cls(_CODES[code] if code else MetastableMode.STABLE)
        return cls(flips=frozenset(int(unit, 16) for unit in code.split("+")))

    def __str__(self) -> str:
        codes = {mode: code for code, mode in _CODES.items()}
        units = "+".join(f"{unit:02x}" for unit in sorted(self.flips))
        text = codes.get(self.metastable_mode, units)
        return f"!{text}" if text else ""


def most_flipped(among: int) -> int:
    """How many units are flipped at a time, where so many were looked at before the last one."""
    return 4 if among < 4 else 1 if among < 6 else 0


def powered(flash: EmulatedFlash, read_choice: ReadChoice) -> EmulatedFlash:
    """A twin that gets power as if for the first time."""
    twin = flash.for_boot(read_choice.metastable_mode, read_choice.flips)
    twin.power_on()
    return twin


def state_key(flash: EmulatedFlash, external: Any) -> str:
    return blake2b(flash.state_digest() + external.digest, digest_size=16).hexdigest()


def ended(
    flash: EmulatedFlash, run: Any, point: Callable[[object], None] | None = None
) -> tuple[str, list[str] | None]:
    """How a run on *flash*, left alone, ends: the subject's word, or what is violated.

    Raises what has ended the boot from outside, also where the subject has hidden it.
    """
    try:
        return _ended(flash, run, point)
    finally:
        flash.cells.halt.check()


def _ended(
    flash: EmulatedFlash, run: Any, point: Callable[[object], None] | None
) -> tuple[str, list[str] | None]:
    try:
        while True:
            memory = next(run)
            flash.cells.halt.check()
            if point is not None:
                point(memory)
    except StopIteration as stop:
        return str(stop.value), None
    except Exception as error:
        question = getattr(error, "question", None)
        if question is not None:
            return "", [question, str(getattr(error, "text", error))]
        return "", ["live", f"the boot ended in {type(error).__name__}: {error}"]
