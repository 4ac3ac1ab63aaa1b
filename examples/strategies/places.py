"""Where slots lie on a part: in sectors of one size, the smallest ones first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from flash_emulator import Part

IMAGE_SECTORS = 2
_SPARE_BYTES = 32  # of the last sector of an image: whole units on every part


class DoesNotFit(Exception):
    """Why a part has no room for a strategy, in one sentence."""


def shortened(part: Part, units: int) -> Part:
    """*part*, with sectors so short that the smallest has so many *units*: the same rules, and the
    same order of sectors, with fewer cuts that are alike."""
    factor = max(1, min(part.sector_sizes) // (units * part.program_unit))
    sizes = tuple(size // factor for size in part.sector_sizes)
    return replace(part, sector_sizes=sizes, bank_starts=())


class Places:
    """Hands out the sectors of *part*. The first one is the bootloader's."""

    def __init__(self, part: Part) -> None:
        starts = [
            (size, part.base + offset) for offset, size in part.sector_starts.items() if offset
        ]
        self._part = part
        self._free = sorted(starts)
        self.sector_size = self._free[0][0]

    def slot(self, sectors: int) -> tuple[int, ...]:
        """Addresses of so many of the smallest sectors, one behind the other. Raises DoesNotFit."""
        run: list[int] = []
        for size, address in self._free:
            if size != self.sector_size:
                break
            run = [*run, address] if run and address == run[-1] + size else [address]
            if len(run) == sectors:
                self._free = [each for each in self._free if each[1] not in run]
                return tuple(run)
        raise DoesNotFit(
            f"{self._part.name} has no {sectors} sectors of {self.sector_size} bytes left that "
            "follow one another"
        )

    def single(self) -> int:
        """Address of one sector of any size, the smallest first."""
        return self._free.pop(0)[1]

    @property
    def image_size(self) -> int:
        return IMAGE_SECTORS * self.sector_size - _SPARE_BYTES


def span(addresses: Sequence[int], size: int) -> tuple[int, int]:
    """Address and size of sectors of *size* bytes each that follow one another."""
    return addresses[0], len(addresses) * size
