"""Small synthetic worlds: an image that costs few flash operations, and a board about to take it.

The image is mostly 0xFF, which the writer skips, and yet every sector of it holds something and
the last one is not full. A whole update with it takes a hundred and sixty operations, so a test
can cut every one of them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import bincopy

from flash_emulator import CutAt, EmulatedFlash, Outcome, Part, PowerLoss, SteadySupply, load_part
from flash_emulator.array.pages import RawUnit
from flash_emulator.parts.part_model import Aliasing, Ecc, OptionModel, Overwrite, Timing
from mcu_updater.board import Board, Trial
from mcu_updater.cloud.single_device import Package, Plan
from mcu_updater.core.events import Event
from mcu_updater.core.journal import Journal
from mcu_updater.core.session import SessionOutcome
from mcu_updater.core.slot import CopyLayout, Window
from mcu_updater.core.strategy import Strategy
from mcu_updater.flash_map.layouts import layout_of
from mcu_updater.flash_map.strategies import default_strategy
from mcu_updater.quectel.emulated.options import ModuleOptions

Format = Literal["bin", "hex", "s19"]

PART = "STM32L476xG"
COMPONENT = "STM32"
LINK_ADDRESS = 0x0800_8000
"""Where the default layout of the part has its slot."""

_ENTRY = 0x41  # odd: Thumb; from the link address on


def image(version: str, size: int = 4500, address: int = LINK_ADDRESS) -> bytes:
    """A raw image that no other *version* equals: vector table, three islands, a last byte."""
    data = bytearray(b"\xff" * size)
    struct.pack_into("<II", data, 0, 0x2000_8000, address + _ENTRY)
    text = (version * 32).encode()
    for begin, length in ((64, 32), (2040, 16), (size - 20, 20)):
        island = slice(begin, min(begin + length, size))
        data[island] = text[: max(0, island.stop - island.start)]
    return bytes(data[:size])


def package(fmt: Format, version: str, size: int = 4500, address: int = LINK_ADDRESS) -> bytes:
    """``image`` as the file that the cloud would have, written by a program that is not ours."""
    data = image(version, size, address)
    if fmt == "bin":
        return data
    file = bincopy.BinFile()
    file.add_binary(data, address)
    file.execution_start_address = address + _ENTRY
    text: str = file.as_ihex() if fmt == "hex" else file.as_srec(address_length_bits=32)
    return text.encode()


def board(
    fmt: Format = "bin",
    *,
    piece_size: int | None = None,
    seed: int = 0,
    target: str = "2.0.0",
    part: str = PART,
    strategy: Strategy | None = None,
    size: int = 4500,
) -> Board:
    """A fresh board that runs 1.0.0; *target* is planned and not asked for yet.

    *size* is that of both images, which are linked for the slot of *part* with *strategy*.
    """
    chip = load_part(part)
    address = link_address(chip, strategy or default_strategy(chip))
    first = image("1.0.0", size, address)
    made = Board.new(chip, "1.0.0", first, strategy=strategy, component=COMPONENT, seed=seed)
    if piece_size is not None:
        made.configure_module(ModuleOptions(piece_size=piece_size))
    made.offer(Plan(COMPONENT, target, Package(package(fmt, target, size, address))))
    return made


def link_address(part: Part, strategy: Strategy) -> int:
    """Where images for *part* are linked."""
    layout = layout_of(part, strategy)
    area = layout.execution if isinstance(layout, CopyLayout) else layout
    return part.base + area.slot.offset


def run(board: Board, **kw: Any) -> list[Event]:
    """Everything that happens until the board is done, or until power is lost."""
    return list(board.run(**kw))


def settle(board: Board, trial: Trial = Trial.PASS) -> None:
    """Let the board run until nothing is left to do."""
    for _ in range(3):
        run(board, trial=trial)
        if board.result.outcome is SessionOutcome.NO_PLAN:
            return
    raise AssertionError(f"never at rest: {board.result}")


# --- smaller still: devices on which every unit can be looked at


CHECK_BITS = {8: 8, 16: 9, 32: 10}
"""Of one unit, by its size in bytes; all the codes that there are."""


def tiny_part(sectors: Sequence[int], *, unit: int = 8, ecc: bool = True) -> Part:
    """An imaginary part of two banks of *sectors*: the rules of an L4, without ECC those of an F1.

    Units below eight bytes have no ECC, as on silicon.
    """
    checked = ecc and unit in CHECK_BITS
    return Part(
        name="tiny",
        family="l4",
        base=0x0800_0000,
        program_unit=unit,
        bank_count=2,
        sector_sizes=tuple(sectors),
        overwrite=Overwrite.ONLY_ALL_ZERO if checked else Overwrite.ONLY_ZERO_HALFWORD,
        ecc=Ecc(8 * unit, CHECK_BITS[unit]) if checked else None,
        aliasing=Aliasing.FB_MODE,
        options=OptionModel(),
        timing=Timing(),
        overwrite_flag="PROGERR" if checked else "PGERR",
    )


SLOT_SECTORS = 4


def trailer(*, unit: int = 8, ecc: bool = True, seed: int = 0) -> EmulatedFlash:
    """A device that is nothing but one trailer: two halves of two sectors."""
    sector = 512 if unit <= 16 else 1024
    return EmulatedFlash(tiny_part([sector] * 4, unit=unit, ecc=ecc), seed=seed)


def journal(device: EmulatedFlash) -> Journal:
    """The journal in it, of a slot of SLOT_SECTORS sectors. Checkpoints up to 680 bytes."""
    base, sizes = device.part.base, device.part.sector_sizes
    halves = Window(device, base, sizes[:2]), Window(device, base + sum(sizes[:2]), sizes[2:])
    return Journal(halves, SLOT_SECTORS)


def cut(device: EmulatedFlash, operation: int, outcome: Outcome, call: Callable[[], Any]) -> bool:
    """Lose power in operation *operation* of *call* and get it back. False: call was done first."""
    device.supply = CutAt(operation, outcome)
    try:
        call()
    except PowerLoss:
        device.power_on()
        return True
    finally:
        device.supply = SteadySupply()
    return False


def rewrite(device: EmulatedFlash, data: bytes) -> None:
    """Let the whole array read *data*, with no operation; what changes is programmed thereby."""
    base, unit = device.part.base, device.part.program_unit
    held = device.read(base, len(data))
    for at in range(0, len(data), unit):
        if held[at : at + unit] != data[at : at + unit]:
            device.preload(base + at, data[at : at + unit])


Damage = Literal["unreadable", "metastable", "weak", "consumed", "marginal"]
DAMAGES: tuple[Damage, ...] = ("unreadable", "metastable", "weak", "consumed", "marginal")


def damage_unit(device: EmulatedFlash, address: int, what: Damage) -> None:
    """Put the unit at *address* into a state that a cut may leave. Two cells are concerned."""
    cells, unit = device.cells, (address - device.part.base) // device.part.program_unit
    word, ones = cells.word(unit), (1 << cells.word_bits) - 1
    match what:
        case "unreadable" if cells.code is not None:
            device.spoil(address)
        case "unreadable" | "metastable":
            cells.set_word(unit, RawUnit(word, metastable=0x1010))
        case "weak":
            cells.set_word(unit, RawUnit(word, fading=(0, 0x10, 0x1000)))
        case "consumed":
            cells.set_word(unit, RawUnit(ones))
        case "marginal":
            cells.set_word(unit, RawUnit(ones, consumed=False, marginal=True))


def operations(device: EmulatedFlash, call: Callable[[], Any]) -> int:
    """How many flash operations *call* takes."""
    device.supply = SteadySupply()
    call()
    return device.supply.taken


@dataclass
class TinyFlash:
    """A FlashDevice that shares nothing with the emulator: one bank, any geometry, no power.

    A unit takes one program after an erase. *refused*: addresses whose program raises; *faults*:
    how many programs of a unit lose a bit. *log* holds what was erased and programmed.
    """

    sector_sizes: tuple[int, ...]
    program_unit: int
    base: int = 0x1000
    bank_count: int = 1
    refused: set[int] = field(default_factory=set)
    faults: dict[int, int] = field(default_factory=dict)
    log: list[tuple[str, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.data = bytearray(b"\x5a" * sum(self.sector_sizes))  # the image before
        self.virgin: set[int] = set()

    @property
    def geometry(self) -> TinyFlash:
        return self

    def read(self, address: int, size: int) -> bytes:
        offset = address - self.base
        assert 0 <= offset <= offset + size <= len(self.data)
        return bytes(self.data[offset : offset + size])

    def program(self, address: int, data: bytes) -> None:
        unit = self.program_unit
        assert data
        assert address % unit == 0
        assert len(data) % unit == 0
        for at in range(address, address + len(data), unit):
            self.log.append(("program", at))
            if at in self.refused or at not in self.virgin:
                raise OSError(f"unit at {at:#x} refuses")
            self.virgin.remove(at)
            piece = bytearray(data[at - address : at - address + unit])
            if self.faults.get(at, 0) > 0:
                self.faults[at] -= 1
                piece[-1] ^= 0x80
            self.data[at - self.base : at - self.base + unit] = piece

    def erase(self, address: int) -> None:
        start = self.base
        for size in self.sector_sizes:
            if start == address:
                self.log.append(("erase", address))
                self.data[start - self.base : start - self.base + size] = b"\xff" * size
                self.virgin |= set(range(start, start + size, self.program_unit))
                return
            start += size
        raise AssertionError(f"no sector starts at {address:#x}")
