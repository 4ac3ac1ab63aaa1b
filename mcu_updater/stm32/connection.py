"""From a port to a chip that can be flashed: reset, speed, identity. Nothing is changed here.

The ROM measures the speed of the first byte after a reset, and keeps it. So a ladder needs
a reset for each rung; where nobody can reset the chip, only a ROM that did not understand the
first byte gets another one. A speed counts when the answers are the same several times over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from flash_emulator.an3155 import Command, crc32
from mcu_updater.core.errors import (
    ChipRefused,
    LinkError,
    NoBootloader,
    PortError,
    Remedy,
    UpdaterError,
    UsageError,
)
from mcu_updater.core.ports import Clock
from mcu_updater.stm32.chip import FRAME_SIZE, WORD, BankOption, Chip
from mcu_updater.stm32.line import RomLine, Wiring, reset_chip
from mcu_updater.stm32.retry import RetryingRom
from mcu_updater.stm32.rom import BootRom, Refused, RomError, RomIdentity, Timeouts

T = TypeVar("T")

DEFAULT_BAUD: Final = 115_200  # the highest that ST has tested: AN3155 2.2
LADDER: Final = (921_600, 460_800, 256_000, DEFAULT_BAUD)
UID_SIZE: Final = 12
_SELF_TESTS: Final = 4
DEFAULT_TIMEOUTS: Final = Timeouts()

ChipChooser = Callable[[int, int | None], Chip]
"""From PID and size in bytes, None where the chip does not say, to the chip. Raises."""


@dataclass(frozen=True, slots=True)
class ConnectOptions:
    """*bauds*: what to try, in order. *wirings*: none: the chip is in its ROM already."""

    bauds: Sequence[int] = (DEFAULT_BAUD,)
    wirings: Sequence[Wiring] = ()
    timeouts: Timeouts = DEFAULT_TIMEOUTS


@dataclass(frozen=True, slots=True)
class Connection:
    """*uid* is empty where it cannot be read, *is_protected* where nothing can."""

    rom: RetryingRom
    info: RomIdentity
    uid: bytes
    flash_size: int | None
    is_protected: bool
    wiring: Wiring | None


class Connector:
    """*note* is told what only people need to know."""

    def __init__(
        self, line: RomLine, clock: Clock, options: ConnectOptions, note: Callable[[str], None]
    ) -> None:
        self._line, self._clock, self._options, self._note = line, clock, options, note
        self._rom = BootRom(line, clock, options.timeouts)
        self._answered = False
        self._refusals: list[Refused] = []

    def connect(self) -> tuple[RetryingRom, RomIdentity, Wiring | None]:
        """Raises NoBootloader, with what to try next.

        First as on a fast link. Where that fails and yet something comes, all again with the
        patience that a slow one needs: an answer of an earlier try may look like one of this.
        """
        found = self._tried(self._reach)
        if found is None and not self._is_silent():
            if self._rom.echoes():
                raise self._own_bytes()
            self._answered, self._refusals = False, []
            found = self._tried(self._rom.reach_slowly)
            if found is None and self._rom.echoes():
                raise self._own_bytes()
        if found is None:
            raise self._nobody()
        if self._rom.round_trip_s > self._options.timeouts.resync_s:
            self._note(f"a slow link: answers take {self._rom.round_trip_s:.2f} s")
        return found

    def _tried(
        self, reach: Callable[[], bool]
    ) -> tuple[RetryingRom, RomIdentity, Wiring | None] | None:
        """Every speed and wiring, until a ROM answers reliably."""
        for baud in self._options.bauds:
            self._set_baud(baud)
            for wiring in self._options.wirings or (None,):
                if wiring is not None:
                    reset_chip(self._line, self._clock, wiring, into_rom=True)
                if not reach():
                    continue
                info = self._self_tested()
                if info is not None:
                    return self._retrying(wiring), info, wiring
                self._answered = True
                self._note(f"{baud} baud: the ROM answers, but not reliably")
        return None

    def _is_silent(self) -> bool:
        """Whether nothing has come back, nor does for as long as a slow link may take."""
        late = self._rom.listen_till_quiet(self._options.timeouts.longest_s)
        return not late and not self._rom.traffic.received

    def _set_baud(self, baud: int) -> None:
        if self._line.can_set_baud:
            self._line.set_baud(baud)

    def _reach(self) -> bool:
        """Whether a ROM answers. One left in the middle of a frame needs it filled first."""
        return self._rom.synchronize() or self._rom.resync(in_erase=True)

    def _self_tested(self) -> RomIdentity | None:
        """GET and GET ID, the same every time; one resync is allowed for what was left before.

        Where the speed was given, two in a row that agree will do: nothing is chosen by them.
        """
        found: list[RomIdentity] = []
        for _ in range(_SELF_TESTS):
            if len(self._options.bauds) == 1 and len(found) > 1 and found[-1] == found[-2]:
                return found[-1]
            try:
                found.append(self._rom.identify())
            except RomError as error:
                self._refusals += [error] if isinstance(error, Refused) else []
                if not self._rom.resync():
                    return None
        agreed = [info for info in found if info == found[0]]
        return found[0] if len(agreed) >= _SELF_TESTS - 1 else None

    def _retrying(self, wiring: Wiring | None) -> RetryingRom:
        def reenter() -> bool:
            assert wiring is not None
            reset_chip(self._line, self._clock, wiring, into_rom=True)
            return self._rom.synchronize()

        return RetryingRom(self._rom, reenter=reenter if wiring else None, note=self._note)

    def _nobody(self) -> UpdaterError:
        bauds = ", ".join(map(str, self._options.bauds))
        if len(self._refusals) >= _SELF_TESTS - 1:
            return self._unidentified(self._refusals[-1])
        if self._answered:
            return NoBootloader(
                "the boot ROM does not answer reliably",
                where=self._where,
                found=f"different or no answers at {bauds} baud"
                + (f", as late as {self._rom.round_trip_s:.2f} s" if self._is_slow() else ""),
                then="A link with less delay helps"
                if self._is_slow()
                else "Reset the chip, and check the ground wire",
                remedies=[Remedy.MORE_TIME if self._is_slow() else Remedy.LOWER_BAUD],
                value=f"{4 * self._rom.round_trip_s:.0f}" if self._is_slow() else "57600",
            )
        longest_s = self._options.timeouts.longest_s
        silent = not self._rom.traffic.received
        return NoBootloader(
            "no boot ROM answers",
            where=self._where,
            expected="ACK to 0x7F",
            found=f"not a byte in {longest_s:g} s at {bauds} baud"
            if silent
            else f"nothing that makes sense at {bauds} baud",
            then=self._entry_hint(),
            remedies=[*self._entry_remedies(), *([Remedy.MORE_TIME] if silent else [])],
            value=f"{self._patient_s():g}",
        )

    def _is_slow(self) -> bool:
        """A slow link is not mended by a ground wire."""
        return self._rom.round_trip_s > self._options.timeouts.resync_s

    def _patient_s(self) -> float:
        """A timeout to try next."""
        return max(4 * self._options.timeouts.longest_s, DEFAULT_TIMEOUTS.longest_s)

    def _unidentified(self, refused: Refused) -> ChipRefused:
        return ChipRefused(
            f"the boot ROM refuses {refused.command.words}",
            where=self._where,
            expected="the ROM's commands and a product identity",
            found=f"NACK, {len(self._refusals)} times",
            then="Without it nobody knows what this chip is; nothing was changed. Reset it into "
            "its ROM and try again",
        )

    def _own_bytes(self) -> NoBootloader:
        return NoBootloader(
            "your own bytes come back",
            where=self._where,
            expected="a boot ROM's answers",
            found="an echo of what was sent",
            then="Is TX joined to RX (a jumper, a loop plug)? Does the adapter echo: an RS-485 one "
            "that listens while it sends, a terminal server with local echo? Or does a program on "
            "the chip echo, and its ROM does not run? Nothing was changed",
        )

    @property
    def _where(self) -> str:
        return str(getattr(self._line, "name", ""))

    def _entry_remedies(self) -> list[Remedy]:
        by_hand = self._line.can_reset and not self._options.wirings
        return [Remedy.RESET_BY_LINES] if by_hand else []

    def _entry_hint(self) -> str:
        if not self._line.can_reset:
            return "This port cannot reset the chip: set BOOT0 high, press reset, and run again"
        if not self._options.wirings:
            return "Set BOOT0 high, press reset, and run again; or let DTR and RTS do it"
        tried = ", ".join(wiring.name for wiring in self._options.wirings)
        return (
            f"Tried {tried} for NRST and BOOT0. Are RX and TX crossed, is BOOT0 wired, does this "
            "part's ROM listen on these pins (AN2606)?"
        )


def connect(
    line: RomLine, clock: Clock, options: ConnectOptions, note: Callable[[str], None]
) -> tuple[RetryingRom, RomIdentity, Wiring | None]:
    """Get to a ROM that answers reliably. Raises NoBootloader, PortError, UsageError."""
    if options.wirings and not line.can_reset:
        raise PortError(
            "this port has no DTR and RTS",
            where=str(getattr(line, "name", "")),
            expected="a serial port, to reset the chip by its lines",
            then="Reset the chip into its ROM by hand",
            remedies=[Remedy.NO_RESET],
        )
    if not options.bauds:
        raise UsageError("no baud rate to try")
    rom, info, wiring = Connector(line, clock, options, note).connect()
    return rom, info, wiring


def look(
    rom: RetryingRom, info: RomIdentity, wiring: Wiring | None, known: Sequence[Chip]
) -> Connection:
    """UID, size and protection of the chip. *known*: those with its PID; any says where to look."""
    place = known[0] if known else None
    size, size_known = _asked(rom, lambda: _read_size(rom, place))
    uid, uid_known = _asked(rom, lambda: _read_uid(rom, place))
    if (place is None or not (size_known and uid_known)) and is_protected(rom):
        return Connection(rom, info, b"", None, is_protected=True, wiring=wiring)
    for known_now, what in ((size_known, "how large its flash is"), (uid_known, "its UID")):
        if not known_now:
            rom.note(f"the boot ROM does not say {what}: going on without it")
    return Connection(rom, info, uid or b"", size, is_protected=False, wiring=wiring)


def _asked(rom: RetryingRom, read: Callable[[], T]) -> tuple[T | None, bool]:
    """What is good to know and may be refused; and whether it is known. Raises LinkError where the
    ROM answers nothing else either."""
    try:
        return read(), True
    except (Refused, ChipRefused, LinkError):
        rom.identify()
        return None, False


def _read_uid(rom: RetryingRom, place: Chip | None) -> bytes:
    return b"" if place is None or place.uid is None else _wide(rom, place, place.uid, UID_SIZE)


def is_protected(rom: RetryingRom) -> bool:
    """READ is refused at the command itself: AN3155, read-out protection."""
    for _ in range(2):
        rom.rom.resync()
        try:
            rom.rom.read(0x0800_0000, 4)
        except Refused as refused:
            if refused.step == "command":
                continue
            return False
        except RomError:
            return False
        return False
    return True


def _read_size(rom: RetryingRom, place: Chip | None) -> int | None:
    if place is None or place.size_register is None:
        return None
    kib = int.from_bytes(_wide(rom, place, place.size_register, 2), "little")
    return None if kib in (0, 0xFFFF) else kib * 1024


def _wide(rom: RetryingRom, place: Chip, address: int, size: int) -> bytes:
    """F4's ROM gives UID and size only as part of 256 bytes (stm32loader)."""
    if not place.needs_wide_reads:
        return rom.read_surely(address, size)
    start = address - address % FRAME_SIZE
    return rom.read_surely(start, FRAME_SIZE)[address - start :][:size]


def read_option(rom: RetryingRom, option: BankOption) -> int | None:
    """The option's value in the option bytes; None where the ROM does not show them."""
    if option.address is None:
        return None
    try:
        word = int.from_bytes(rom.read_surely(option.address, WORD), "little")
    except ChipRefused:
        return None
    return word >> option.bit & 1


def checksum_works(rom: RetryingRom, info: RomIdentity, address: int) -> bool:
    """Whether GET CHECKSUM is there and speaks AN3155: there is an older dialect (stm32flash).

    Its answer is compared with bytes that were read.
    """
    if not info.has(Command.GET_CHECKSUM):
        return False
    wanted = crc32(rom.read(address, FRAME_SIZE))
    try:
        return rom.rom.checksum(address, FRAME_SIZE) == wanted
    except RomError as error:
        rom.recover(error)
        return False
