"""Boards of the programs in ``firmware``."""

import random
import struct
from pathlib import Path

from flash_emulator import EmulatedFlash, load_part
from flash_emulator.machine.board import Board, Image, Questions, Reported, Slot
from flash_emulator.machine.image_files import Firmware, read_firmware
from flash_emulator.machine.machine import Machine
from flash_emulator.machine.rest import Ended, Rests
from tests.places import ROOT

PROGRAMS = ROOT / "tests/flash_emulator/machine/firmware"
L476 = "STM32L476xG"
SLOT, STAGED, REQUEST, MARK = 0x0800_8000, 0x0808_0000, 0x0800_4000, 0x0800_4800


def program(name: str, part: str = L476) -> Firmware:
    return read_firmware(PROGRAMS / f"{name}.elf", load_part(part))


def booted(machine: Machine, *firmware: Firmware) -> Ended:
    """*firmware* from power-on to rest on *machine*."""
    flash = EmulatedFlash(machine.part)
    unit = machine.part.program_unit
    for image in [image for each in firmware for image in each.images]:
        flash.preload(image.address, image.data + b"\xff" * (-len(image.data) % unit))
    flash.power_on()
    return machine.boot(flash)


def some_image(name: str, size: int, seed: int) -> Image:
    """A vector table, and bytes that no other image has."""
    body = random.Random(seed).randbytes(size - 8)
    return Image(name, SLOT, struct.pack("<II", 0x2000_1000, SLOT + 0x41) + body)


def copy_board(name: str, size: int, *, wanted: str | None = "new", **options) -> Board:
    """A copy bootloader: "old" runs, "new" is staged and asked for."""
    loader = program(name)
    old, new = some_image("old", size, 1), some_image("new", size, 2)
    request = Image("request", REQUEST, b"STGD" + struct.pack("<I", size))
    return Board(
        load_part(L476),
        (*loader.images, old, Image("staged", STAGED, new.data), request),
        slots=(Slot("application", SLOT, size),),
        questions=Questions(published=(old, new), wanted=wanted),
        rests=Rests(slots=((SLOT, 0x4_0000),)),
        stack_floor=loader.stack_floor,
        **options,
    )


def swap_option_board(**options) -> Board:
    """Version 1 in bank 1 is asked to swap; version 2 lies in bank 2."""
    one, two = program("swap_option_1"), program("swap_option_2")
    bank_2 = two.whole("firmware 2")
    return Board(
        load_part(L476),
        (
            *one.images,
            Image("firmware 2", bank_2.address + 0x8_0000, bank_2.data),
            Image("request", REQUEST, b"SWAP" + bytes(4)),
        ),
        questions=Questions(
            published=(one.whole("firmware 1"), bank_2),
            reported=(Reported("(firmware [12])"),),
        ),
        rests=Rests(texts=(b"firmware 1\r\n", b"firmware 2\r\n")),
        stack_floor=one.stack_floor,
        **options,
    )


def swap_fb_board(size: int, **options) -> Board:
    """A loader that copies into bank 2 and starts that copy by FB_MODE; "old" lies in bank 1."""
    loader = program("swap_fb")
    old, new = some_image("old", size, 1), some_image("new", size, 2)
    return Board(
        load_part(L476),
        (
            *loader.images,
            old,
            Image("staged", 0x080C_0000, new.data),
            Image("request", REQUEST, b"STGD" + struct.pack("<I", size)),
        ),
        slots=(Slot("application", SLOT, size),),
        questions=Questions(published=(old, new), wanted="new"),
        rests=Rests(slots=((SLOT, 0x4_0000),)),
        stack_floor=loader.stack_floor,
        **options,
    )


__all__ = ["L476", "MARK", "REQUEST", "SLOT", "STAGED", "Path", "booted", "copy_board", "program"]
