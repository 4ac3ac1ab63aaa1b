"""``info``, ``protect``, ``unprotect``, ``option-bytes``: what a real STM32 says of itself."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import click

from flash_emulator.an3155 import Command as RomCommand
from mcu_updater.cli.confirm import ask, yes_option
from mcu_updater.cli.flasher.chips import chips_with, choose_chip
from mcu_updater.cli.flasher.stm32_link import Bench, PortOptions, bit_reader, opened, port_options
from mcu_updater.cli.given import given_as
from mcu_updater.core.errors import ChipRefused, UsageError, address_text
from mcu_updater.stm32 import protection
from mcu_updater.stm32.connection import Connection
from mcu_updater.stm32.protection import read_option_bytes, write_option_bytes


@dataclass(frozen=True, kw_only=True)
class ProtectOptions(PortOptions):
    """Of ``protect``. *codes*: of sectors, as they were typed."""

    readout: bool
    codes: str | None
    yes: bool


@dataclass(frozen=True, kw_only=True)
class UnprotectOptions(PortOptions):
    """Of ``unprotect``."""

    readout: bool
    write: bool
    yes: bool


@dataclass(frozen=True, kw_only=True)
class OptionBytesOptions(PortOptions):
    """Of ``option-bytes``. *digits*: what to write, as it was typed; None: show them."""

    digits: str | None
    yes: bool


@click.command("info", short_help="Which STM32 answers, and what its boot ROM can do.")
@port_options
@given_as(PortOptions)
def info_command(given: PortOptions) -> None:
    """Ask the chip who it is. Changes nothing."""
    with opened(given, needs_chip=False) as bench:
        bench.screen.result(*_info(bench))


def _info(bench: Bench) -> tuple[dict[str, Any], str]:
    connection = bench.connection
    chip = bench.flasher.chip
    commands = [_command_name(code) for code in sorted(connection.info.info.codes)]
    known = _names(connection)
    options = _options_if_any(bench, connection)
    fields = {
        "event": "info",
        "pid": connection.info.pid,
        "parts": known,
        "rom": connection.info.info.version_text,
        "commands": commands,
        "uid": connection.uid.hex(),
        "flash_bytes": connection.flash_size,
        "readout_protected": connection.is_protected,
        "option_bytes": options,
    }
    size = f"{connection.flash_size} bytes" if connection.flash_size else "not known"
    is_one = known == [chip.name]
    lines = [
        f"PID            {connection.info.pid:#05x}: {', '.join(known) or 'no part known here'}",
        f"boot ROM       {connection.info.info.version_text}, {', '.join(commands)}",
        f"UID            {connection.uid.hex() or 'not known'}",
        f"flash          {size}"
        + (f", from {address_text(chip.base)}, {len(chip.sectors)} sectors" if is_one else ""),
        f"protection     {'read-out protected' if connection.is_protected else 'can be read'}",
        f"option bytes   {options or 'not to be seen'}",
    ]
    return fields, "\n".join(lines)


def _names(connection: Connection) -> list[str]:
    """The part that it is, or all that it may be."""
    known, size = chips_with(connection.info.pid), connection.flash_size
    sized = [chip for chip in known if size in (None, chip.size)] or list(known)
    with suppress(UsageError, ChipRefused):
        return [choose_chip(known, size, bit_reader(connection)).name]
    return [chip.name for chip in sized]


def _command_name(code: int) -> str:
    return RomCommand(code).words if code in tuple(RomCommand) else f"0x{code:02X}"


def _options_if_any(bench: Bench, connection: Connection) -> str:
    if connection.is_protected or bench.flasher.chip.option_bytes is None:
        return ""
    return read_option_bytes(bench.flasher).hex()


@click.command("protect", short_help="Protect an STM32 from being read, or sectors from writes.")
@port_options
@click.option("--readout", is_flag=True, help="Read-out protection, level 1.")
@click.option(
    "--write",
    "codes",
    metavar="N,N,...",
    help="Write protection of the sectors with these codes, and of no other.",
)
@yes_option
@given_as(ProtectOptions)
def protect_command(given: ProtectOptions) -> None:
    """Protect the chip. Level 1 is lifted by erasing everything, write protection at once."""
    if given.readout == (given.codes is not None):
        raise UsageError("protect from what?", expected="--readout, or --write N,N,...")
    codes = _codes(given.codes)
    if given.readout:
        ask("Only erasing the whole chip lifts it. Protect it?", yes=given.yes)
    with opened(given) as bench:
        events = (
            protection.protect_readout(bench.flasher)
            if given.readout
            else protection.protect_writing(bench.flasher, codes)
        )
        for event in events:
            bench.screen.event(event)
        what = "readout" if given.readout else "write"
        bench.screen.result({"event": "protected", "what": what}, f"{what} protection is set")


def _codes(text: str | None) -> list[int]:
    try:
        codes = [int(code, 0) for code in text.split(",")] if text is not None else []
    except ValueError as error:
        raise UsageError("bad --write", expected="numbers such as 0,1,2", found=text or "") from (
            error
        )
    if any(not 0 <= code <= 0xFF for code in codes):
        raise UsageError("bad --write", expected="codes from 0 to 255", found=text or "")
    return codes


@click.command("unprotect", short_help="Lift an STM32's protection.")
@port_options
@click.option("--readout", is_flag=True, help="Level 1 to 0: ERASES ALL FLASH.")
@click.option("--write", is_flag=True, help="Write protection of all sectors.")
@yes_option
@given_as(UnprotectOptions)
def unprotect_command(given: UnprotectOptions) -> None:
    """Lift read-out protection, which erases the whole chip, or write protection."""
    if given.readout == given.write:
        raise UsageError("lift which protection?", expected="--readout or --write")
    if given.readout:
        ask("This erases all flash of the chip. Go on?", yes=given.yes)
    with opened(given) as bench:
        lift = protection.unprotect_readout if given.readout else protection.unprotect_writing
        for event in lift(bench.flasher):
            bench.screen.event(event)
        what = "readout" if given.readout else "write"
        text = f"{what} protection is lifted"
        bench.screen.result({"event": "unprotected", "what": what}, text)


@click.command("option-bytes", short_help="Show or write an STM32's option bytes.")
@port_options
@click.option(
    "--write", "digits", metavar="HEX", help="All of them, as they are shown; the chip resets."
)
@yes_option
@given_as(OptionBytesOptions)
def option_bytes_command(given: OptionBytesOptions) -> None:
    """Show the option bytes, or write all of them at once.

    A power cut during the write may lock some parts for good. Level 2 is never written.
    """
    data = _digits(given.digits)
    if data is not None:
        ask("A power cut now may lock the chip. Write the option bytes?", yes=given.yes)
    with opened(given) as bench:
        if data is not None:
            for event in write_option_bytes(bench.flasher, data):
                bench.screen.event(event)
        held = read_option_bytes(bench.flasher)
        bench.screen.result({"event": "option-bytes", "hex": held.hex()}, held.hex())


def _digits(text: str | None) -> bytes | None:
    if text is None:
        return None
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise UsageError("bad --write", expected="hexadecimal digits", found=text) from error


COMMANDS = (info_command, protect_command, unprotect_command, option_bytes_command)
