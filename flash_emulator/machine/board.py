"""What a firmware search is told: the chip, what lies in its flash, and what must hold.

A ``Board`` is made in Python, or read from a file (``board_file``). It is a plain value, so it goes
to other processes, and its digest tells one search from another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from flash_emulator.device.flash import EmulatedFlash
from flash_emulator.machine.hosts.session import Plan
from flash_emulator.machine.machine import Machine
from flash_emulator.machine.rest import Limits, Rests
from flash_emulator.parts.part import Part


@dataclass(frozen=True, slots=True)
class Image:
    """Bytes and where they lie. *name*: how findings call them; *vectors*: offset of its vector
    table."""

    name: str
    address: int
    data: bytes
    vectors: int = 0

    @property
    def reset_vector(self) -> int:
        """Where it begins by its vector table, without the Thumb bit."""
        return int.from_bytes(self.data[self.vectors + 4 : self.vectors + 8], "little") & ~1

    def __repr__(self) -> str:
        return f"Image({self.name!r}, 0x{self.address:08X}, {len(self.data)} bytes)"


@dataclass(frozen=True, slots=True)
class Slot:
    """Where an image runs from. *entry*: "reset", an image is entered by its reset vector and in
    thread mode; "any", anywhere and in any mode."""

    name: str
    address: int
    size: int
    entry: str = "reset"


@dataclass(frozen=True, slots=True)
class Reported:
    """A text of the output, as a regular expression over bytes in Latin-1, and the published image
    that runs where it stands; None: what the first group holds is the image's name."""

    pattern: str
    image: str | None = None


@dataclass(frozen=True, slots=True)
class Questions:
    """What must hold whenever a boot is at rest, however power was cut.

    * *safe*: what runs is, byte for byte, one of *published*, in thread mode, entered by its reset
      vector (see ``Slot.entry``), and VTOR is not elsewhere; nothing else runs from a slot.
    * *live*: left alone, the device comes to a rest of *rests_in*; and what runs is *wanted*, where
      that names an image: the update is not lost.
    * *reported*: what the output has said last of all these is the image that runs.
    * *never*: names of published images that must not run (no rollback).
    * *untouched*: ranges (address, size) that nobody may program or erase.
    """

    published: tuple[Image, ...] = ()
    safe: bool = True
    live: bool = True
    rests_in: tuple[str, ...] = ("slot", "text", "pin")
    wanted: str | None = None
    reported: tuple[Reported, ...] = ()
    never: tuple[str, ...] = ()
    untouched: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Board:
    """One board, with what lies in its flash before it is powered on the first time.

    *core*, *ram*: None, as the chip has them. *pins*: levels that the board gives to inputs.
    *host*: who is at the other end of a USART. *overrun*: bytes that firmware does not take in time
    are lost.
    *exact_pc*: see ``Machine``, as for the switches before it.
    *options*: option bytes that are not as delivered, *protected*: ranges (address, size) whose
    sectors are write-protected. *wake_us*: how long the chip stays in Standby; None: for ever.
    """

    part: Part
    images: tuple[Image, ...]
    slots: tuple[Slot, ...] = ()
    questions: Questions = field(default_factory=Questions)
    rests: Rests = field(default_factory=Rests)
    limits: Limits = field(default_factory=Limits)
    pins: Mapping[str, bool] = field(default_factory=dict)
    core: str | None = None
    ram: tuple[tuple[int, int], ...] | None = None
    clock_mhz: float = 16.0
    coalesce: bool = True
    helps: bool = True
    stack_floor: int | None = None
    options: Mapping[str, int] = field(default_factory=dict)
    protected: tuple[tuple[int, int], ...] = ()
    wake_us: float | None = None
    seed: int = 0
    exact_pc: bool = False
    host: Plan | None = None
    overrun: bool = False

    def flash(self) -> EmulatedFlash:
        """The board's flash, never powered on. AlignmentError where an image lies outside."""
        flash = EmulatedFlash(self.part, seed=self.seed)
        for image in self.images:  # pieces of one program may share a unit
            flash.preload(image.address, image.data)
        flash.options.check(self.options)
        flash.options.program(self.options)
        flash.options.load()
        flash.options.protect(self._protected_sectors())
        return flash

    def _protected_sectors(self) -> set[int]:
        ranges = [(begin - self.part.base, size) for begin, size in self.protected]
        return {
            at
            for at, room in self.part.sector_starts.items()
            if any(begin < at + room and at < begin + size for begin, size in ranges)
        }

    @property
    def _watching(self) -> Rests:
        """*rests*, and of published images that run on how they are entered. One at the base is
        where the core begins: that says nothing."""
        ranges = [(image.address, len(image.data)) for image in self.questions.published]
        return replace(
            self.rests,
            watched=tuple(
                (begin, size)
                for begin, size in ranges
                if not begin <= self.part.base < begin + size
                and not any(at <= begin < at + room for at, room in self.rests.slots)
            ),
        )

    def machine(self) -> Machine:
        """A new machine of this board."""
        return Machine(
            self.part,
            self.core,
            self.ram,
            rests=self._watching,
            limits=self.limits,
            pins=self.pins,
            clock_mhz=self.clock_mhz,
            coalesce=self.coalesce,
            helps=self.helps,
            stack_floor=self.stack_floor,
            exact_pc=self.exact_pc,
            output_matters=bool(self.questions.reported),
            wake_us=self.wake_us,
            overrun=self.overrun,
        )

    @property
    def machine_key(self) -> object:
        """Boards with the same key can use each other's machines."""
        part, pins = self.part, tuple(sorted(self.pins.items()))
        chip = part.name, part.base, part.size, part.program_unit, self.core, self.ram
        told = bool(self.questions.reported)
        switches = self.coalesce, self.helps, self.stack_floor, self.exact_pc, told
        outside = self.wake_us, self.overrun
        return (*chip, self._watching, self.limits, pins, self.clock_mhz, *switches, *outside)
