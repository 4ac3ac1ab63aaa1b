"""The ROM's commands with retries: what noise on the line can do to each, and how it is mended.

A NACK may be the chip's word or a bit that flipped on the way, so only NACKs in a row count. After
every failure both ends are brought back to a common place first. Then

* what changes nothing is asked again;
* an erase is asked again: erasing twice does no harm;
* a write is looked at: if flash holds the data, only the ACK was lost; if it is still blank, the
  write is repeated; anything else is ``PartialWrite``, for most flash cannot be programmed twice,
  and the sector has to be erased again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from flash_emulator.an3155 import Command
from mcu_updater.core.errors import ChipRefused, LinkError, Remedy, address_text
from mcu_updater.stm32.firmware import ERASED
from mcu_updater.stm32.rom import BootRom, Lost, Refused, RomError, RomIdentity

T = TypeVar("T")

RUN_AGAIN = "Reset the chip into its ROM and run again: what is done already is not done twice"


class PartialWrite(Exception):
    """Flash at *address* holds neither the data nor nothing."""

    def __init__(self, address: int) -> None:
        super().__init__(f"neither written nor blank at {address_text(address)}")
        self.address = address


class RetryingRom:
    """*tries* of each command. *reenter* resets the chip into its ROM; None: nobody can."""

    def __init__(
        self,
        rom: BootRom,
        *,
        tries: int = 5,
        reenter: Callable[[], bool] | None = None,
        note: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.rom = rom
        self.failures = 0
        self._tries, self._reenter, self.note = tries, reenter, note
        self.on_doubt: Callable[[], None] = lambda: None

    @property
    def read_size(self) -> int:
        """See ``BootRom``."""
        return self.rom.read_size

    # --- what changes nothing

    def identify(self) -> RomIdentity:
        """GET and GET ID, until two answers agree: they have no checksum."""

        def twice() -> RomIdentity:
            first, second = self.rom.identify(), self.rom.identify()
            if first != second:
                raise Lost(Command.GET, "execution", "the same answer twice", "two answers")
            return first

        return self._again(twice, "identify")

    def read(self, address: int, size: int) -> bytes:
        return self._again(lambda: self.rom.read(address, size), address_text(address))

    def read_surely(self, address: int, size: int) -> bytes:
        """Read until two reads in a row agree."""
        first = self.read(address, size)
        for _ in range(self._tries):
            second = self.read(address, size)
            if second == first:
                return first
            first = second
        raise LinkError(
            "two reads of the same bytes never agree",
            where=address_text(address),
            then="There is noise on the line, or the flash is marginal",
            remedies=[Remedy.LOWER_BAUD],
        )

    def read_range(self, address: int, size: int, frame: int) -> bytes:
        """*size* bytes in frames of *frame*."""
        parts = [
            self.read(at, min(frame, address + size - at))
            for at in range(address, address + size, frame)
        ]
        return b"".join(parts)

    def checksum(self, address: int, size: int) -> int:
        return self._again(lambda: self.rom.checksum(address, size), address_text(address))

    # --- what changes flash

    def write(self, address: int, data: bytes) -> None:
        """Raises PartialWrite; ChipRefused or LinkError when it cannot be had."""
        for _ in range(self._tries):
            try:
                self.rom.write(address, data)
                return
            except RomError as error:
                last = error
                self.recover(error)
            there = self.read(address, len(data))
            if there == data:
                return
            if there != ERASED * len(data):
                raise PartialWrite(address)
        raise self._given_up(last, address_text(address))

    def erase_sectors(self, info: RomIdentity, numbers: Sequence[int]) -> None:
        self._again(lambda: self.rom.erase_sectors(info, numbers), "erase")

    def erase_bank(self, bank: int) -> None:
        self._again(lambda: self.rom.erase_bank(bank), "erase of a bank")

    def erase_chip(self, info: RomIdentity) -> None:
        self._again(lambda: self.rom.erase_chip(info), "erase of the chip")

    def go(self, address: int) -> None:
        self._again(lambda: self.rom.go(address), address_text(address))

    # --- retries

    def _again(self, operation: Callable[[], T], where: str) -> T:
        refusals = 0
        last: RomError | None = None
        for _ in range(self._tries):
            try:
                return operation()
            except RomError as error:
                refusals = refusals + 1 if isinstance(error, Refused) else 0
                last = error
                self.recover(error)
            if refusals > 2:
                break
        raise self._given_up(last, where)

    def recover(self, error: RomError) -> None:
        """Be at a place where the ROM waits for a command. Raises LinkError."""
        self.failures += 1
        self.doubt_merged()
        in_erase = error.command in (Command.ERASE, Command.EXTENDED_ERASE)
        for _ in range(3):
            if self.rom.resync(in_erase=in_erase):
                return
        if self.reenter():
            self.note("the chip stopped answering: it was reset into its ROM")
            return
        raise LinkError(
            "the chip stopped answering",
            where=getattr(self.rom.line, "name", ""),
            found=str(error),
            then=RUN_AGAIN,
        ) from error

    def doubt_merged(self) -> None:
        """Something is not as it should be: from here on frame by frame, whatever it was."""
        if not self.rom.merged:
            return
        self.rom.merged = ()
        self.note("merged frames do not get through: going on with one frame at a time")
        self.on_doubt()

    def reenter(self) -> bool:
        """Reset the chip into its ROM, where somebody can. Whether it answers then."""
        return self._reenter is not None and self._reenter()

    def _given_up(self, error: RomError | None, where: str) -> Exception:
        if isinstance(error, Refused):
            return ChipRefused(
                f"the boot ROM refuses {error.command.words} at its {error.step}",
                where=where,
                expected="ACK",
                found="NACK",
                then=_advice(error),
                remedies=_remedies(error),
            )
        silent = isinstance(error, Lost) and error.is_silence  # which is no noise
        return LinkError(
            f"no good answer in {self._tries} tries",
            where=where,
            found=str(error),
            then=f"{'Is the chip powered, and the link up' if silent else 'Is the cable good'}? "
            f"{RUN_AGAIN}",
            remedies=[Remedy.MORE_TIME if silent else Remedy.LOWER_BAUD],
        )


def _advice(error: Refused) -> str:
    if error.step == "command":
        return "The chip is read-out protected, or its ROM lacks the command"
    if error.step == "address":
        return "The chip has no such address for this command: is it the right part?"
    return "Flash may be protected there"


def _remedies(error: Refused) -> list[Remedy]:
    if error.step == "command":
        return [Remedy.LIFT_READOUT]
    return [] if error.step == "address" else [Remedy.ASK_CHIP]
