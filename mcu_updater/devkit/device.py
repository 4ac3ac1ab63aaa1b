"""An emitted folder as a device: its programs in the flash of an emulated chip.

    device = Device(Path("."), usart="USART1", idle=("PA5", True))
    flash = device.installed(image)
    powerloss(device.boots(flash, images))

``board.toml`` says what the machine is; the layout is that which ``emit`` wrote, and which the
headers in ``generated/`` say.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from flash_emulator import EmulatedFlash
from flash_emulator.machine.board import Board, Image, Questions, Slot
from flash_emulator.machine.board_file import read_board_file
from flash_emulator.machine.chips.catalogue import ram_of
from flash_emulator.machine.driven import FirmwareDevice
from flash_emulator.machine.image_files import Firmware, read_firmware
from flash_emulator.machine.rest import Limits, Rests
from flash_emulator.machine.symbols import Symbols
from mcu_updater.board import Board as UpdaterBoard
from mcu_updater.board.switch import switch_of
from mcu_updater.cloud.single_device import Plan
from mcu_updater.core.bank import open_banks
from mcu_updater.core.events import JournalWritten
from mcu_updater.core.journal import JournalState, Phase
from mcu_updater.core.slot import AnyLayout, CopyLayout, Layout
from mcu_updater.core.strategy import Strategy
from mcu_updater.devkit.module import module_host, plan_of
from mcu_updater.devkit.small_images import small_image
from mcu_updater.flash_map.layouts import layout_of

OLD, NEW = "1.0.0", "2.0.0"
"""Versions: what runs first, and what is offered."""

MOST_INSTRUCTIONS = 400_000_000
"""Of one boot: an upgrade of a large image, with its waits, takes less."""

_STRATEGIES = {1: Strategy.REMAP, 2: Strategy.SWAP_OPTION, 3: Strategy.COPY}
_NEEDED = ("bootloader.elf", "application.elf", "hal_test.elf")


class NotBuilt(Exception):
    """``make`` comes first."""


class Device:
    """*folder*: where ``emit`` wrote. *usart*: the module's; *idle*: the pin, and its level, that
    says that the application has nothing to do.

    Raises NotBuilt where a program is missing, BadBoardFile where ``board.toml`` is wrong.
    """

    def __init__(self, folder: Path, usart: str, idle: tuple[str, bool]) -> None:
        self.folder, self.usart, self.idle = folder, usart, idle
        missing = [name for name in _NEEDED if not (folder / "build" / name).exists()]
        if missing:
            raise NotBuilt(f"no build/{missing[0]} in {folder}: run make first")
        read = read_board_file(folder / "board.toml")
        self.board, self.symbols = read.board, read.symbols
        self.part = read.board.part

    # --- what the folder says

    def _number(self, file: str, name: str) -> int:
        text = (self.folder / "generated" / file).read_text(encoding="utf-8")
        found = re.search(rf"^#define {name} (0x[0-9A-Fa-f]+|\d+)u?\b", text, re.MULTILINE)
        if found is None:
            raise ValueError(f"generated/{file} has no number {name}")
        return int(found[1], 0)

    @cached_property
    def strategy(self) -> Strategy:
        return _STRATEGIES[self._number("fwu_layout.h", "FWU_STRATEGY")]

    @cached_property
    def attempts(self) -> int:
        return self._number("fwu_config.h", "FWU_ATTEMPTS")

    @cached_property
    def component(self) -> str:
        text = (self.folder / "generated/fwu_config.h").read_text(encoding="utf-8")
        found = re.search(r'^#define FWU_COMPONENT "(.*?)"', text, re.MULTILINE)
        if found is None:
            raise ValueError("generated/fwu_config.h has no FWU_COMPONENT")
        return found[1]

    @cached_property
    def layout(self) -> AnyLayout:
        return layout_of(self.part, self.strategy)

    @property
    def _area(self) -> Layout:
        return self.layout.execution if isinstance(self.layout, CopyLayout) else self.layout

    @property
    def slot(self) -> range:
        """Where images run."""
        begin = self.part.base + self._area.slot.offset
        return range(begin, begin + self._area.slot.size)

    @property
    def other_slot(self) -> range:
        """The other bank's; where images are copied, what is behind half of flash."""
        half = self.part.size // 2
        return range(self.slot.start + half, self.slot.start + half + len(self.slot))

    @property
    def exchanges_banks(self) -> bool:
        return self.strategy is not Strategy.COPY

    @property
    def has_ecc(self) -> bool:
        return self.part.ecc is not None

    @property
    def stack(self) -> int:
        base, size = (self.board.ram or ram_of(self.part))[0]
        return base + size

    # --- programs

    def program(self, name: str) -> Firmware:
        return read_firmware(self.folder / "build" / f"{name}.elf", self.part)

    @cached_property
    def bootloader(self) -> tuple[Image, ...]:
        """In every bank that may be mapped."""
        return self.in_every_bank(self.program("bootloader").images)

    def in_every_bank(self, images: tuple[Image, ...]) -> tuple[Image, ...]:
        shift = self.part.size // 2
        moved = [Image(f"{i.name} in bank 2", i.address + shift, i.data) for i in images]
        return (*images, *moved) if self.exchanges_banks else images

    def application(self, version: str = OLD) -> bytes:
        """What ``make`` has built; one of another *version* is longer, and else the same."""
        data = self.program("application").whole("application").data
        return data if version == OLD else data + version.encode().ljust(16, b"\x00")

    def small(self, what: str, version: int = 1) -> bytes:
        """An image of 64 bytes: see ``small_image``."""
        return small_image(what, self.slot.start, self.stack, version)

    # --- what lies in flash

    def blank(self) -> EmulatedFlash:
        """With the bootloader, and nothing else."""
        return self._with_bootloader(EmulatedFlash(self.part, seed=self.board.seed))

    def installed(self, image: bytes) -> EmulatedFlash:
        """As it leaves the factory: *image* is confirmed as version 1.0.0."""
        return self._with_bootloader(self._factory(image).device)

    def on_trial(self, old: bytes, new: bytes) -> EmulatedFlash:
        """*old* is confirmed, and *new* was written and verified; the next reset tries it."""
        board = self._factory(old)
        board.offer(plan_of(self.component, NEW, new))
        for event in board.run():
            if isinstance(event, JournalWritten) and event.phase == Phase.TRIAL.name:
                return self._with_bootloader(board.device.fork())
        raise ValueError("the new image was not taken: is it another one than the old?")

    def _factory(self, image: bytes) -> UpdaterBoard:
        return UpdaterBoard.new(
            self.part,
            OLD,
            image,
            strategy=self.strategy,
            component=self.component,
            seed=self.board.seed,
        )

    def _with_bootloader(self, flash: EmulatedFlash) -> EmulatedFlash:
        for image in self.bootloader:
            data = image.data + b"\xff" * (-len(image.data) % self.part.program_unit)
            flash.preload(image.address, data)
        return flash

    def journals(self, flash: EmulatedFlash) -> list[JournalState]:
        """Of both slots, as the updater in Python reads them."""
        twin = flash.fork()
        twin.power_on()
        switch = switch_of(twin, self.strategy, self.layout)
        return [bank.journal.read() for bank in open_banks(twin, switch, self.layout)]

    # --- what boots

    def runs(self, flash: EmulatedFlash, plan: Plan | None = None) -> FirmwareDevice:
        """To drive: the module offers *plan*; a boot is at rest where the application is idle."""
        host = module_host(self.usart, plan)
        board = replace(
            self._quiet(), rests=Rests(pins=(self.idle,)), host=host, questions=_NOTHING_ASKED
        )
        return self._with(board, flash)

    def boots(
        self, flash: EmulatedFlash, *images: bytes, wanted: bytes | None = None
    ) -> FirmwareDevice:
        """To search: a boot is at rest where an image would run, which must be one of *images*,
        unchanged, and in the end *wanted*."""
        begin, size = self.slot.start, len(self.slot)
        published = self._published(images)
        board = replace(
            self._quiet(),
            slots=(Slot("slot", begin, size),),
            rests=Rests(slots=((begin, size),)),
            questions=Questions(
                published,
                rests_in=("slot",),
                wanted=_name(images, wanted),
                untouched=self._boot_regions(),
            ),
        )
        return self._with(board, flash)

    def starts(
        self,
        flash: EmulatedFlash,
        *images: bytes,
        wanted: bytes,
        plan: Plan | None = None,
        survives: bool = False,
    ) -> FirmwareDevice:
        """To search: images run, and a boot is at rest where a small one of *images* rests, which
        must be *wanted* in the end. The module offers *plan*."""
        board = replace(
            self._quiet(),
            rests=Rests(),
            host=None if plan is None else module_host(self.usart, plan, survives=survives),
            questions=Questions(
                self._published(images),
                rests_in=("breakpoint",),
                wanted=_name(images, wanted),
                untouched=self._boot_regions(),
            ),
        )
        return self._with(board, flash)

    def upgrades(
        self, flash: EmulatedFlash, *images: bytes, offered: bytes, survives: bool = False
    ) -> FirmwareDevice:
        """To search: the application asks for *offered*, a small image that rests, and installs
        it. The module *survives* cuts, or begins anew, which takes the device some minutes to
        believe."""
        plan = plan_of(self.component, NEW, offered)
        return self.starts(flash, *images, wanted=offered, plan=plan, survives=survives)

    def _quiet(self) -> Board:
        """The board's stack floor is that of the bootloader; here applications run, too."""
        limits = Limits(MOST_INSTRUCTIONS, self.board.limits.resets, wake_ups=1_000_000)
        return replace(self.board, images=(), slots=(), limits=limits, host=None, stack_floor=None)

    def _published(self, images: tuple[bytes, ...]) -> tuple[Image, ...]:
        return tuple(Image(_name(images, i) or "", self.slot.start, i) for i in images)

    def _boot_regions(self) -> tuple[tuple[int, int], ...]:
        return tuple((image.address, len(image.data)) for image in self.bootloader)

    def _with(self, board: Board, flash: EmulatedFlash) -> FirmwareDevice:
        made = FirmwareDevice(board, Symbols() if self.symbols is None else self.symbols)
        made.flash = flash
        return made


_NOTHING_ASKED = Questions(safe=False, live=False)


def _name(images: tuple[bytes, ...], image: bytes | None) -> str | None:
    return None if image is None else f"image {images.index(image) + 1}"
