"""A/B firmware updater for a microcontroller behind a Quectel module.

    from mcu_updater import Board, Package, Plan

    board = Board.new(load_part("STM32L476xG"), "1.0.0")
    board.offer(Plan("STM32", "2.0.0", Package(image)))
    for event in board.run():
        print(event)

What ``__all__`` names is the stable API, with ``mcu_updater.stm32`` for chips behind their boot
ROM, and ``flash_emulator`` and ``flash_emulator.explore`` below. Everything else may change in any
release. Errors that the user can do something about are ``UpdaterError``; losing power on an
emulated board is ``flash_emulator.PowerLoss``.
"""

from typing import TYPE_CHECKING

from mcu_updater.exports import lazily

if TYPE_CHECKING:
    from mcu_updater.board import Board, Trial, load_board, save_board
    from mcu_updater.cloud.single_device import Package, Plan
    from mcu_updater.core.errors import (
        ChipRefused,
        ImageRejected,
        LinkError,
        ModuleRefused,
        NoBootloader,
        PackageDamaged,
        PortError,
        Reverted,
        RolledBack,
        UntrustedImage,
        UpdaterError,
        UsageError,
        VerificationFailed,
    )
    from mcu_updater.core.events import Event
    from mcu_updater.core.flash import BankSwitch, FlashDevice, Geometry
    from mcu_updater.core.ota import OtaModule
    from mcu_updater.core.ports import BytePort, Clock
    from mcu_updater.core.session import Policy
    from mcu_updater.core.slot import Layout
    from mcu_updater.core.strategy import Strategy
    from mcu_updater.core.updater import Updater
    from mcu_updater.files import ImageFile, MemoryImage, read_image

__version__ = "0.1.0"  # the only place that states it; pyproject.toml reads it here

_HOMES = {
    "board": ("Board", "Trial", "load_board", "save_board"),
    "core.errors": (
        "ChipRefused",
        "ImageRejected",
        "LinkError",
        "ModuleRefused",
        "NoBootloader",
        "PackageDamaged",
        "PortError",
        "Reverted",
        "RolledBack",
        "UntrustedImage",
        "UpdaterError",
        "UsageError",
        "VerificationFailed",
    ),
    "core.events": ("Event",),
    "files": ("ImageFile", "MemoryImage", "read_image"),
    "core.flash": ("BankSwitch", "FlashDevice", "Geometry"),
    "core.ota": ("OtaModule",),
    "core.ports": ("BytePort", "Clock"),
    "cloud.single_device": ("Package", "Plan"),
    "core.slot": ("Layout",),
    "core.strategy": ("Strategy",),
    "core.session": ("Policy",),
    "core.updater": ("Updater",),
}

__getattr__ = lazily(__name__, _HOMES)

__all__ = [
    "BankSwitch",
    "Board",
    "BytePort",
    "ChipRefused",
    "Clock",
    "Event",
    "FlashDevice",
    "Geometry",
    "ImageFile",
    "ImageRejected",
    "Layout",
    "LinkError",
    "MemoryImage",
    "ModuleRefused",
    "NoBootloader",
    "OtaModule",
    "Package",
    "PackageDamaged",
    "Plan",
    "Policy",
    "PortError",
    "Reverted",
    "RolledBack",
    "Strategy",
    "Trial",
    "UntrustedImage",
    "Updater",
    "UpdaterError",
    "UsageError",
    "VerificationFailed",
    "load_board",
    "read_image",
    "save_board",
]
