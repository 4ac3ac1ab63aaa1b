"""The C core as tests call it: compiled so that undefined behaviour ends the process.

MCU_UPDATER_SANITIZERS names other sanitizers than ``undefined``. AddressSanitizer must be loaded
before Python is: ``test_sanitizers.py`` does that.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Final

from flash_emulator import Part, load_part
from mcu_updater.core.slot import AnyLayout
from mcu_updater.core.strategy import Strategy
from mcu_updater.core_c import native
from mcu_updater.core_c.native import Native
from mcu_updater.flash_map.layouts import layout_of
from mcu_updater.flash_map.strategies import default_strategy

SANITIZERS: Final = "MCU_UPDATER_SANITIZERS"
PARTS: Final = ("STM32L476xG", "STM32F103x8", "STM32F429xI", "STM32H743xI")
ANY_PART: Final = PARTS[0]


def target(name: str) -> tuple[Part, Strategy, AnyLayout]:
    """A part with the strategy and the layout that it has by itself."""
    part = load_part(name)
    strategy = default_strategy(part)
    return part, strategy, layout_of(part, strategy)


@cache
def library(name: str = ANY_PART, **choices: object) -> Native:
    """*choices* of ``fwu_config.h``. Those with the same ones share their hooks."""
    sanitizers = os.environ.get(SANITIZERS, "undefined")
    flags = (f"-fsanitize={sanitizers}", "-fno-sanitize-recover=all") if sanitizers else ()
    return native.build(*target(name), defines=choices, flags=flags)


def campaign(examples: int) -> int:
    """How many examples a comparison tries: MCU_UPDATER_C_EXAMPLES times as many, 1 by default."""
    return examples * int(os.environ.get("MCU_UPDATER_C_EXAMPLES", "1"))
