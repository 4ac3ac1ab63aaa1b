"""The device under test, by shape: what it must have, and what it may have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeGuard

from flash_emulator.power import PowerSupply


class Geometry(Protocol):
    """How the array is cut up; sizes in bytes. Banks follow one another and are laid out alike.

    May have ``overwrite``: the rule for units that are not erased, a value of
    ``flash_emulator.parts.part_model.Overwrite``. With it the device is held to that rule, without
    it to any.
    """

    @property
    def base(self) -> int: ...
    @property
    def bank_count(self) -> int: ...
    @property
    def sector_sizes(self) -> Sequence[int]: ...
    @property
    def program_unit(self) -> int: ...


class Flash(Protocol):
    """What every device has."""

    @property
    def geometry(self) -> Geometry: ...
    def read(self, address: int, size: int) -> bytes: ...
    def program(self, address: int, data: bytes) -> None: ...
    def erase(self, address: int) -> None: ...


class Powered(Flash, Protocol):
    """A device that can be switched on again."""

    def power_on(self) -> None: ...


class Cuttable(Powered, Protocol):
    """A device whose power can be cut: it asks *supply* before each program of a unit and erase.

    May have ``cut_outcomes``: those of ``flash_emulator.Outcome`` that it offers; all by default.
    May have ``digest()``: equal for two devices that differ in nothing a reader could ever see.
    """

    supply: PowerSupply


class Switchable(Flash, Protocol):
    """A device that can show either bank at its base address."""

    @property
    def mapped_bank(self) -> int: ...
    def map_bank(self, bank: int) -> None: ...


Make = Callable[[], Flash]
"""Gives a fresh, erased device. The one before it is not used any more."""


def can_be_powered(device: Flash) -> TypeGuard[Powered]:
    return hasattr(device, "power_on")


def can_be_cut(device: Flash) -> TypeGuard[Cuttable]:
    return hasattr(device, "supply") and can_be_powered(device)


def can_be_switched(device: Flash) -> TypeGuard[Switchable]:
    """Whether it has the methods; it may still refuse every bank."""
    return hasattr(device, "map_bank") and hasattr(device, "mapped_bank")


def offered_outcomes(device: Cuttable) -> frozenset[str] | None:
    """None when the device does not say: all of them."""
    names = getattr(device, "cut_outcomes", None)
    return None if names is None else frozenset(str(name) for name in names)


def digest(device: Flash) -> object:
    """Whatever the device's own digest gives; None for all devices without one."""
    taken = getattr(device, "digest", None)
    return taken() if callable(taken) else None
