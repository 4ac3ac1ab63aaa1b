"""Pairs of images to make deltas of: real ones, and small ones that need no registry."""

import random
from functools import cache

from mcu_updater.core.delta import Algorithm, Filter
from mcu_updater.files.delta.make import Made, make_delta
from mcu_updater.files.delta.makers import available
from tests.places import FIXTURES
from tests.project.released import pybricks_firmware

PROFILES = tuple(Algorithm)


def fixtures() -> tuple[bytes, bytes]:
    """Our own firmware, 1.0.0 and 2.0.0: 5 KiB and 9 KiB."""
    old, new = (FIXTURES / f"fixture-{version}.0.0.bin" for version in (1, 2))
    return old.read_bytes(), new.read_bytes()


def released(hub: str) -> tuple[bytes, bytes]:
    """Two consecutive releases of a hub's firmware: 200 or 290 KiB."""
    return pybricks_firmware("7.27.0", hub), pybricks_firmware("7.28.0", hub)


def edited(seed: int, size: int = 3000) -> tuple[bytes, bytes]:
    """Noise, and the same with pieces replaced, moved, put in and taken out."""
    rng = random.Random(seed)
    old = rng.randbytes(rng.randrange(1, size))
    new = bytearray(old)
    for _ in range(rng.randrange(6)):
        at, end = sorted(rng.randrange(len(new) + 1) for _ in range(2))
        match rng.randrange(4):
            case 0:
                new[at:end] = rng.randbytes(rng.randrange(50))
            case 1:
                piece = new[at:end]
                del new[at:end]
                new += piece
            case 2:
                new[at:at] = bytes(rng.randrange(300))
            case _:
                for i in range(at, min(end, at + 20)):
                    new[i] ^= 1 << rng.randrange(8)
    return old, bytes(new or b"x")


@cache
def fixture_delta(algorithm: Algorithm, kind: Filter = Filter.SHIFTS) -> Made:
    """By the built-in maker, so that it is the same wherever the tests run."""
    makers = {"builtin": available()["builtin"]}
    return make_delta(
        *fixtures(), algorithm=algorithm, makers=makers, filters=[kind], target_version="2.0.0"
    )
