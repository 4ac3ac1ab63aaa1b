"""unicorn as a library: where it is, how an engine is opened, and which cores it has."""

from __future__ import annotations

import ctypes
from typing import Any

CORES = {"m0": 7, "m0plus": 7, "m3": 8, "m4": 9, "m7": 10, "m33": 11}
"""Numbers of unicorn's CPU models. It has no M0+: M0 executes the same instructions. Neither faults
on an access that is not aligned, as Armv6-M has it."""


class MissingEngine(ImportError):
    """The extra ``cpu`` is not installed."""


def place_of(callback: Any) -> int:
    """The address of a callback of ctypes."""
    return int(ctypes.cast(callback, ctypes.c_void_p).value or 0)


def binding() -> Any:
    """unicorn's module for Python. Raises MissingEngine."""
    try:
        from unicorn.unicorn_py3 import unicorn
    except ImportError as error:
        raise MissingEngine(
            "a CPU needs the engine unicorn, which is GPL-2.0 and therefore not installed by "
            "default: pip install 'mcu-updater[cpu]'"
        ) from error
    return unicorn


def opened(core: str) -> tuple[Any, Any, Any]:
    """The library, an engine for *core*, and unicorn's constants. Raises MissingEngine."""
    unicorn = binding()
    from unicorn import unicorn_const as const

    uc = unicorn.Uc(const.UC_ARCH_ARM, const.UC_MODE_THUMB | const.UC_MODE_MCLASS)
    uc.ctl_set_cpu_model(CORES[core])
    return unicorn.uclib, uc, const
