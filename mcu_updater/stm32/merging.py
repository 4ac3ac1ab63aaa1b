"""Whether commands are merged into one write: where that pays, after a test, until the first doubt.

A turnaround costs what the bridge's latency timer says, 16 ms as an FTDI comes; a command in one
write has one turnaround in place of three. What a ROM makes of bytes that come while it answers no
document says, so it is tested, on this line and with this chip:

* Reads of flash, each compared with what a Read frame by frame gave;
* Writes of 256 bytes, the longest there are, to RAM that the ROM leaves alone, each read back; what
  that RAM held is put back. A chip whose RAM nobody knows gets its Writes frame by frame.

Doubt is any NACK, silence, surplus byte, or byte that is read back wrong. It ends the merging for
the rest of the run, whatever caused it, and what was remembered of this line and this chip. Where
doubts come three times in a row, it is not tried again unless asked for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import count, islice
from typing import Final, Protocol

from flash_emulator.an3155 import MAX_BLOCK, Command
from mcu_updater.core.errors import address_text
from mcu_updater.stm32 import an3155
from mcu_updater.stm32.chip import Chip
from mcu_updater.stm32.merged_frames import merged
from mcu_updater.stm32.retry import RetryingRom
from mcu_updater.stm32.rom import RomError

READS: Final = 4  # of a full test, besides one to each write
WRITES: Final = 4
MOST_DOUBTS: Final = 3  # in a row, then it has to be asked for
_SPARED: Final = 2  # turnarounds of a command
_WORTH: Final = 2.0  # what is spared must be so many times what the test takes


@dataclass(frozen=True, slots=True)
class MergeRecord:
    """*passed*: codes of the commands that a verified run has merged. *doubts*: runs since then
    that had to give it up."""

    passed: frozenset[int] = frozenset()
    doubts: int = 0


class MergeMemory(Protocol):
    """Where a MergeRecord of one line and one chip survives the program."""

    def load(self) -> MergeRecord: ...
    def store(self, record: MergeRecord) -> None: ...


class NoMergeMemory:
    """Forgets everything."""

    def load(self) -> MergeRecord:
        return MergeRecord()

    def store(self, record: MergeRecord) -> None: ...


class Merging:
    """*wanted* True: tested and used even where it does not pay; False: never; None: as it pays."""

    def __init__(
        self,
        rom: RetryingRom,
        chip: Chip,
        memory: MergeMemory | None = None,
        *,
        wanted: bool | None = None,
    ) -> None:
        self._rom, self._chip = rom, chip
        self._memory: MergeMemory = memory or NoMergeMemory()
        self._wanted = wanted
        self._is_over = wanted is False
        rom.on_doubt = self._doubted

    def begin(self, *, reads: int = 0, writes: int = 0) -> None:
        """So many bytes are going to be read and written. Raises LinkError where the link fails."""
        expected = {Command.READ: reads}
        if self._chip.free_ram is not None:
            expected[Command.WRITE] = writes
        rom = self._rom.rom
        new = {c: size for c, size in expected.items() if size and c not in rom.merged}
        if self._is_over or not new:
            return
        record = self._memory.load()
        if self._wanted is None and record.doubts >= MOST_DOUBTS:
            return
        is_known = new.keys() <= record.passed
        if self._wanted or self._pays(new, is_known=is_known):
            passed = frozenset(rom.merged)
            rom.merged = passed | new.keys() if self._pass(new, is_known=is_known) else ()

    def settle(self) -> None:
        """What was written has been seen: it works, and is remembered."""
        passed = frozenset(self._rom.rom.merged)
        record = self._memory.load()
        if passed and (not passed <= record.passed or record.doubts):
            self._memory.store(MergeRecord(record.passed | passed))

    def _doubted(self) -> None:
        self._is_over = True
        self._memory.store(MergeRecord(doubts=self._memory.load().doubts + 1))

    # --- whether it pays

    def _pays(self, new: Mapping[Command, int], *, is_known: bool) -> bool:
        rom = self._rom.rom
        spared = new.get(Command.READ, 0) // rom.read_size + new.get(Command.WRITE, 0) // MAX_BLOCK
        whole = at_once = 0  # commands of the test: frame by frame, and in one write
        if Command.READ in new:
            whole, at_once = 1, 1 if is_known else READS
        if Command.WRITE in new:
            whole, at_once = whole + 4, at_once + 2 * (1 if is_known else WRITES)
        test_s = (3 * whole + at_once) * rom.turnaround_s + rom.wire_s((whole + at_once) * 268)
        return spared * _SPARED * rom.turnaround_s > _WORTH * test_s

    # --- the test

    def _pass(self, new: Collection[Command], *, is_known: bool) -> bool:
        """Whether *new* get through; those that were merged before are not tested again."""
        if Command.READ in new:
            wanted = self._rom.read(self._chip.base, MAX_BLOCK)
            if not self._read_alike(self._chip.base, wanted, 1 if is_known else READS):
                return False
        if Command.WRITE not in new:
            return True
        assert self._chip.free_ram is not None
        return self._writes_pass(self._chip.free_ram, 1 if is_known else WRITES)

    def _read_alike(self, address: int, wanted: bytes, times: int = 1) -> bool:
        rom = self._rom.rom
        rom.merged = {Command.READ}
        try:
            is_alike = all(rom.read(address, len(wanted)) == wanted for _ in range(times))
        except RomError as error:
            self._rom.recover(error)  # which doubts
            return False
        if not is_alike:
            self._rom.doubt_merged()
        return is_alike

    def _writes_pass(self, ram: int, times: int) -> bool:
        rom = self._rom.rom
        rom.merged = ()
        held = self._rom.read_surely(ram, MAX_BLOCK)
        try:
            rom.write(ram, held)
        except RomError as error:
            self._rom.recover(error)
            self._is_over = True
            self._rom.note(f"the boot ROM does not write RAM at {address_text(ram)}: no test there")
            return False
        try:
            return all(self._written_alike(ram, p) for p in islice(_patterns(ram), times))
        finally:
            self._put_back(ram, held)

    def _written_alike(self, ram: int, pattern: bytes) -> bool:
        rom = self._rom.rom
        rom.merged = {Command.WRITE}
        try:
            rom.write(ram, pattern)
        except RomError as error:
            self._rom.recover(error)
            return False
        return self._read_alike(ram, pattern)

    def _put_back(self, ram: int, held: bytes) -> None:
        rom = self._rom.rom
        rom.merged = ()
        for _ in range(3):
            try:
                rom.write(ram, held)
            except RomError as error:
                self._rom.recover(error)
                continue
            with suppress(RomError):
                if rom.read(ram, len(held)) == held:
                    return
        self._rom.note(f"{len(held)} bytes of RAM at {address_text(ram)} are not as they were")


def _patterns(ram: int) -> Iterator[bytes]:
    """Blocks that go out in one write, all different, with each byte value in its place."""
    for step in count(1, 2):
        pattern = bytes((at * step + step) & 0xFF for at in range(MAX_BLOCK))
        if len(merged(an3155.write(ram, pattern), Command.WRITE)) == 1:
            yield pattern
