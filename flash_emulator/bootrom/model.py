"""What the boot ROM of each part is: version, commands, RAM. And what documents leave open.

``roms.toml`` has the facts with their sources; ``RomOptions`` the assumptions with their defaults.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from flash_emulator.an3155 import Command
from flash_emulator.parts.catalogue import like_part, packaged_part
from flash_emulator.parts.part import Part
from flash_emulator.parts.part_file import package_toml
from flash_emulator.parts.part_tables import PartError

_COMMON = (
    Command.GET,
    Command.GET_VERSION,
    Command.GET_ID,
    Command.READ,
    Command.GO,
    Command.WRITE,
)
_PROTECTION = (
    Command.WRITE_PROTECT,
    Command.WRITE_UNPROTECT,
    Command.READOUT_PROTECT,
    Command.READOUT_UNPROTECT,
)


@dataclass(frozen=True, slots=True)
class RomModel:
    """One ROM. *version* as GET gives it: 0x31 is 3.1."""

    pid: int
    version: int
    commands: tuple[Command, ...]
    ram: tuple[range, ...]
    ram_reserved: tuple[range, ...]  # the ROM's own
    has_empty_flag: bool
    double_ack: bool  # says ACK twice after the first byte
    wrp_sectors: int  # so many sectors go by one code of WRITE_PROTECT

    @property
    def extended_erase(self) -> bool:
        return Command.EXTENDED_ERASE in self.commands


@dataclass(frozen=True, slots=True)
class RomOptions:
    """What no document at hand says, or what differs between ROM revisions.

    *version*: another one than ``roms.toml`` has; from 3.3 on GET lists GET_CHECKSUM.
    *checksum_dialect*: AN3155's four frames, or the two of an older ROM that stm32flash knows.
    *short_writes*: a frame that does not fill program units to their ends: "drop" programs whole
    units of an aligned frame and ACKs the rest away; "pad" fills with FF.
    *refused_writes*: what the host hears when flash refuses to be programmed.
    *bad_read*: what comes of a read of a unit with a double ECC error.
    *bad_pages*: what comes of a page number that does not exist.
    *double_ack*: whether the first byte is answered twice (L412, V13.1).
    *pid*: another product identity than the part's.
    *max_baud*: faster than this the first byte is not understood; 0: no limit.
    *deaf_us*: after an answer the ROM does not look at its USART for so long, besides the time of
    the answer's bytes (it checks an address, it looks at its other ports); *deaf_chance*: after how
    many of them, drawn from the device's seed.
    """

    version: int | None = None
    checksum_dialect: Literal["an3155", "private"] = "an3155"
    short_writes: Literal["drop", "pad"] = "drop"
    refused_writes: Literal["ack", "nack"] = "ack"
    bad_read: Literal["hang", "nack", "reset"] = "hang"
    bad_pages: Literal["nack", "ignore"] = "nack"
    double_ack: bool | None = None
    pid: int | None = None
    max_baud: int = 0
    deaf_us: float = 0.0
    deaf_chance: float = 1.0


def model_of(part: Part, options: RomOptions | None = None) -> RomModel:
    """The boot ROM of *part*. Raises PartError where none is known."""
    pid = part.identity.usart_pid
    rom = _rom_of(part)
    if rom is None or pid is None:
        raise PartError(
            f"{part.name}: its boot ROM is not known; expected a usart_pid in [identity] that a "
            f"packaged part has, found {'none' if pid is None else f'{pid:#05x}'}",
            table="bootrom",
        )
    options = options or RomOptions()
    version = options.version if options.version is not None else rom["version"]
    model = RomModel(
        pid=pid if options.pid is None else options.pid,
        version=version,
        commands=_commands(version, [Command(code) for code in rom.get("more_commands", ())]),
        ram=tuple(_span(ram) for ram in rom["ram"]),
        ram_reserved=tuple(_reserved(part)),
        has_empty_flag=rom.get("has_empty_flag", False),
        double_ack=rom.get("double_ack", False),
        wrp_sectors=rom.get("wrp_sectors", 1),
    )
    if options.double_ack is not None:
        model = replace(model, double_ack=options.double_ack)
    return model


def _rom_of(part: Part) -> Mapping[str, Any] | None:
    """That of the part's name; of a part of one's own, that of a packaged one with its PID."""
    roms: Mapping[str, Mapping[str, Any]] = package_toml("bootrom/roms.toml")
    name = like_part(part.name)
    if name in roms:
        return roms[name]
    alike = (roms[name] for name in roms if packaged_part(name).identity.usart_pid == _pid(part))
    return next(alike, None)


def _pid(part: Part) -> int:
    return part.identity.usart_pid or -1


def _commands(version: int, more: list[Command]) -> tuple[Command, ...]:
    erase = Command.EXTENDED_ERASE if version >= 0x30 else Command.ERASE
    checksum = (Command.GET_CHECKSUM,) if version >= 0x33 else ()
    return (*_COMMON, erase, *_PROTECTION, *checksum, *more)


def _span(pair: list[int]) -> range:
    return range(pair[0], pair[0] + pair[1])


def _reserved(part: Part) -> list[range]:
    ends = part.identity.bootloader_ram_end, part.identity.bootloader_ram_end_axi
    starts = 0x2000_0000, 0x2400_0000
    return [range(s, end) for s, end in zip(starts, ends, strict=True) if end is not None]
