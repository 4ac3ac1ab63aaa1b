"""The order of tests for several workers: who takes a long one last works on when all others rest.

pytest-xdist (worksteal) gives each worker a piece of the order, and whoever has none left takes
from another's end. So each piece begins with its share of the modules that have a test of eight
seconds and more on a machine of two processors, all tests of a module together for what they share.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

LONGEST = (  # by their longest test
    "tests/core_c/test_sanitizers.py",
    "tests/powerloss/test_powerloss.py",
    "tests/powerloss/test_cli_powerloss.py",
    "tests/stm32/test_kills.py",
    "tests/core_c/test_pairs.py",
    "tests/core_c/test_core_on_the_chip.py",
    "tests/core_c/test_bootloader_on_the_chip.py",
    "tests/core_c/test_on_the_chip.py",
    "tests/flash_emulator/bootrom/test_slow_ports.py",
    "tests/core_c/test_devkit.py",
    "tests/project/test_document_blocks.py",
    "tests/board/attached/test_slow_socket.py",
    "tests/powerloss/test_powerloss_ends.py",
    "tests/console/test_modules.py",
    "tests/board/attached/test_two_processes.py",
)
Named = TypeVar("Named")


def dealt(items: Sequence[Named], modules: Sequence[str], workers: int) -> list[Named]:
    """*items*, each of the module beside it, in an order for so many *workers*."""
    long: dict[str, list[Named]] = {name: [] for name in LONGEST}
    rest: list[Named] = []
    for item, module in zip(items, modules, strict=True):
        long.get(module, rest).append(item)
    present = [found for found in long.values() if found]
    order: list[Named] = []
    for worker in range(workers):
        size = (len(items) - len(order)) // (workers - worker)  # as xdist deals what is left
        mine = [item for found in present[worker::workers] for item in found]
        room = max(0, size - len(mine))
        order += mine + rest[:room]
        del rest[:room]
    return order + rest
