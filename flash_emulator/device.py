"""The emulated flash: one door for every operation.

Each program of a unit, each erase and each change of option bytes asks the power supply what
happens. Bulk calls are as fast as slices, and every unit in them can be cut all the same.
"""

from __future__ import annotations

import hashlib
import json
import random
import warnings
from collections.abc import Callable, Iterable
from copy import copy
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from flash_emulator import cuts, rules, saved
from flash_emulator.cells import Cells, Mark, RawUnit, Slice
from flash_emulator.clock import VirtualClock
from flash_emulator.ecc import Decoded, Verdict, code_for
from flash_emulator.errors import (
    AlignmentError,
    BusFault,
    BusyError,
    EccNmi,
    EnduranceWarning,
    ProgramError,
    ReadProtected,
    UnknownContent,
    UnknownTiming,
    UnreadableUnit,
    WriteProtected,
)
from flash_emulator.options import Options
from flash_emulator.part import Part
from flash_emulator.power import Outcome, PowerLoss, PowerSupply, SteadySupply
from flash_emulator.trace import Operation, Trace
from flash_emulator.traits import Aliasing, BadRead, Kind, Mode, Overwrite

_FLICKERED = 32  # metastable units that a boot is remembered to have looked at
_SRAM = range(0x2000_0000, 0x4000_0000)  # Armv7-M, DDI 0403, table B3-1


@dataclass(slots=True)
class Usage:
    """Operations since the device was made, and the time they took, in microseconds."""

    programs: int = 0
    erases: int = 0
    program_us: int = 0
    erase_us: int = 0
    stall_us: int = 0  # reads that had to wait for a busy bank
    corrected: int = 0  # single-bit errors that reads have met
    untimed: int = 0  # operations whose time no document gives


class Reading(StrEnum):
    """What metastable bits read."""

    DRAWN = "drawn"  # anew each time, from the seed
    STABLE = "stable"  # what the cells' last stable state was; but the opposite in units of *flips*
    FLIPPED = "flipped"  # the opposite, in all units
    TURNING = "turning"  # first what the last stable state was; each unit turns when it was read


class Flicker(NamedTuple):
    """A metastable unit that was looked at, where it mattered how it reads."""

    unit: int
    among: int  # such units that were looked at before it in this boot, and are metastable still
    flipped: int  # those of them that read the opposite of their last stable state


class Watch(Protocol):
    """Told what is about to happen in the array; see ``flash_emulator.explore``."""

    def read(self, offset: int, size: int) -> None:
        """These bytes of the array are looked at; also by a program that may be refused."""

    def compared(self, unit: int, wanted: Slice, *, never: bool) -> None:
        """A unit was asked whether it holds *wanted*, and nothing else of it was looked at.

        *never*: it does not, and will not whatever metastable and fading bits do.
        """

    def operation(self, operation: Operation) -> None:
        """*operation* begins now: its whole bulk, with power on so far."""

    def moment(self) -> None:
        """Nothing happens in the array; whoever drives the device says that power may go now."""


@dataclass(frozen=True, slots=True)
class Interrupted:
    """FLASH_OPSR of U5 and H5 after a reset: the operation that it broke off."""

    kind: str
    address: int


def _readable(decoded: Decoded) -> Decoded | None:
    return decoded if decoded.verdict is not Verdict.DETECTED else None


class EmulatedFlash:
    """Flash of one part, with power, time and the marks of its past.

    Addresses are those that the CPU uses now. All randomness comes from *seed*. *timing* chooses
    the datasheet's "typ" or "max" values; operations without one are counted as untimed.
    *energy_uj* gives the energy of a "program" (one unit) and an "erase" (one sector).
    """

    def __init__(
        self,
        part: Part,
        *,
        clock: VirtualClock | None = None,
        supply: PowerSupply | None = None,
        seed: int = 0,
        timing: Mode = "max",
        energy_uj: dict[str, float] | None = None,
    ) -> None:
        self.part = part
        self.clock = clock or VirtualClock()
        self.supply: PowerSupply = supply or SteadySupply()
        self.seed = seed
        self.timing = timing
        self.energy_uj = energy_uj or {}
        self.usage = Usage()
        self.trace: Trace | None = None
        self.watch: Watch | None = None
        self.draws_by_place = False  # what a cut leaves depends on seed and place alone
        self.reading = Reading.DRAWN
        self.flips: frozenset[int] = frozenset()  # units that read the opposite while STABLE
        self.background = False  # operations return at once, and their bank is busy for their time
        self.interrupted: Interrupted | None = None
        self.options = Options(part.options)
        self.stuck: dict[int, int] = {}  # by unit: cells that no program moves
        code = code_for(part.ecc.data_bits, part.ecc.modelled_check_bits) if part.ecc else None
        self.cells = Cells(part.size, part.program_unit, code, min(part.sector_sizes))
        self.erase_counts = [0] * (len(part.sector_sizes) * part.bank_count)
        self._busy_until_us = [0] * part.bank_count
        self._powered = True
        self._power_ons = 0
        self._forget_flickers()
        self._set_up()
        self._mapped = self._bank_after_reset()

    def _set_up(self) -> None:
        """What follows from the part and is asked for at every operation."""
        self._unit = self.part.program_unit
        self._base = self.part.base
        self._program_us = self.part.timing.of("program_unit", mode=self.timing)
        self._sector_indices = {start: index for index, start in enumerate(self.part.sector_starts)}

    @property
    def geometry(self) -> Part:
        return self.part

    # --- power, reset, banks

    def power_on(self) -> None:
        """After a cut or at the start of a session: registers reset, weak units a step weaker."""
        self.cells.power_on()
        self._powered = True
        self._power_ons += 1
        self._forget_flickers()
        self.options.load()
        self.reset()

    def reset(self) -> None:
        """System reset: a run-time alias is gone, and with it all that is under way."""
        self.options.reset()
        self._busy_until_us = [0] * self.part.bank_count
        self._mapped = self._bank_after_reset()

    def _bank_after_reset(self) -> int:
        match self.part.aliasing:
            case Aliasing.SWAP_OPTION:
                return int(self.options.swapped)
            case Aliasing.FB_MODE:
                return int(self.options.rom_chooses_bank and self._rom_takes_bank_1())
            case Aliasing.NONE:
                return 0

    def _rom_takes_bank_1(self) -> bool:
        """The boot ROM looks at the first word of bank 1 (ST: bank 2), an initial stack pointer.

        Where it is one, the ROM sets FB_MODE and jumps (RM0440, 2.6.1; the rule as in ST's F1
        FLASH_DualBoot). Which addresses it takes for RAM is assumed: the SRAM region.
        """
        offset = self.part.bank_size
        if self.options.read_protected:
            return False
        data, raw_units = self.cells.raw_data(offset, 4), self.cells.raw_units(offset, 4)
        try:
            word = self._decoded(data, self._base + offset, offset, raw_units)
        except UnreadableUnit:
            return False
        return int.from_bytes(word, "little") in _SRAM

    @property
    def mapped_bank(self) -> int:
        """Physical bank at the base address."""
        return self._mapped

    @property
    def maps_at_once(self) -> bool:
        """Whether ``map_bank`` takes effect at once; else the option counts from a reset on."""
        return self.part.aliasing is not Aliasing.SWAP_OPTION

    def map_bank(self, bank: int) -> None:
        """Let the CPU see *bank* at the base address.

        FB_MODE parts: at once, volatile, costs no operation. Parts with a swap option: the option
        is programmed, which is an operation that can be cut; it counts from the next option load
        or reset on, as the family has it. Other parts cannot: AlignmentError.
        """
        self._alive()
        if not 0 <= bank < self.part.bank_count or self.part.aliasing is Aliasing.NONE:
            raise AlignmentError(f"{self.part.name} cannot map bank {bank}")
        if self.part.aliasing is Aliasing.FB_MODE:
            self._mapped = bank
        else:
            self.program_options(**self.options.swap_to(bank))

    # --- reading

    def read(self, address: int, size: int) -> bytes:
        """Bytes as the CPU reads them.

        Raises UnreadableUnit (EccNmi or BusFault) with the unit's address where the ECC gives up,
        and ReadProtected where the area may not be read. A metastable unit may read differently
        from one time to the next.
        """
        self._alive()
        offset = self._offset(address, size)
        self._wait_for_read(offset, size)
        if self.options.read_protected:
            raise ReadProtected("RDERR", "protected against reads (PCROP)", address)
        self._look_at(offset, size)
        raw_units = self.cells.raw_units(offset, size) if size else []
        data = self.cells.raw_data(offset, size)
        return self._decoded(data, address, offset, raw_units) if raw_units else data

    def sha256(self, address: int, size: int) -> bytes:
        """SHA-256 of what ``read`` gives; raises what that raises."""
        offset = self._offset(address, size)
        if size == 0 or self.options.read_protected or self.cells.raw_units(offset, size):
            return hashlib.sha256(self.read(address, size)).digest()
        self._alive()
        self._wait_for_read(offset, size)
        self._look_at(offset, size)
        return self.cells.sha256(offset, size)

    def match(self, address: int, expected: bytes) -> int:
        """How many bytes from *address* on read as *expected*, up to a unit that does not.

        A unit that cannot be read holds nothing. No unit behind the first that differs is looked
        at, and of that one only whether it holds what is expected.
        """
        self._alive()
        offset = self._offset(address, len(expected))
        self._wait_for_read(offset, len(expected))
        if self.options.read_protected:
            return 0
        done = self._plainly_held(offset, expected)
        while done < len(expected):
            unit, begin = divmod(offset + done, self._unit)
            part = expected[done : done + self._unit - begin]
            if not self._holds(unit, (begin, part)):
                break
            done += len(part)
        return done

    def _plainly_held(self, offset: int, expected: bytes) -> int:
        """How many bytes of *expected* stand in whole plain units from *offset* on."""
        unit = self._unit
        if len(expected) <= unit:
            return 0
        size = self.cells.plain_size(offset, len(expected))
        data = self.cells.raw_data(offset, size)
        same = size if expected.startswith(data) else _same(data, expected)
        if same < len(expected):
            same -= (offset + same) % unit
        if self.watch is not None and same > 0:
            self.watch.read(offset, same)
        return max(0, same)

    def _holds(self, unit: int, wanted: Slice) -> bool:
        """Whether *unit* holds this slice."""
        if self.cells.mark(unit) is Mark.UNKNOWN:
            if wanted not in self.cells.not_held(unit):
                raise UnknownContent(unit * self._unit, self._unit, wanted)
            held = False
        else:
            held = self._reads_as(unit, wanted)
        if self.watch is not None:
            self.watch.compared(unit, wanted, never=not held and not self.may_hold(unit, wanted))
        return held

    def _reads_as(self, unit: int, wanted: Slice) -> bool:
        """Whether a read of the unit gives this slice; not where it cannot be read."""
        begin, part = wanted
        raw = self.cells.raw(unit)
        if raw is None:
            return self.cells.raw_data(unit * self._unit + begin, len(part)) == part
        number, mask = int.from_bytes(part, "little"), (1 << 8 * len(part)) - 1

        def holds(decoded: Decoded) -> bool:
            right = decoded.data >> 8 * begin & mask == number
            return right and decoded.verdict is not Verdict.DETECTED

        decoded = self._sensed(unit, raw, holds)
        self.usage.corrected += decoded.verdict is Verdict.CORRECTED
        return holds(decoded)

    def may_hold(self, unit: int, wanted: Slice) -> bool:
        """Whether a read may ever give this slice, as long as no operation touches the unit.

        Not where more bits differ for good than the ECC corrects.
        """
        if self.cells.mark(unit) is Mark.UNKNOWN:
            return False
        return self._cells_may_hold(cuts.held(self.cells, unit), wanted)

    def may_hold_after_erase(
        self, address: int, unit: int, outcome: Outcome, wanted: Slice
    ) -> bool:
        """The same of a *unit* in the sector at physical *address*, whose erase is cut so."""
        if self.cells.mark(unit) is Mark.UNKNOWN and outcome not in (
            Outcome.BLANK,
            Outcome.WEAK,
            Outcome.AFTER,
        ):
            return True
        offset = address - self._base
        size = self.part.sector_starts[offset]
        units = range(offset // self._unit, (offset + size) // self._unit)
        raw = cuts.erased_unit(self.cells, units, unit, outcome, self._seed_of(offset))
        return self._cells_may_hold(raw, wanted)

    def _cells_may_hold(self, raw: RawUnit, wanted: Slice) -> bool:
        begin, part = wanted
        unsure = raw.metastable | raw.fading[0] | raw.fading[1] | raw.fading[2]
        mask = ((1 << 8 * len(part)) - 1) << 8 * begin
        differs = (raw.word ^ int.from_bytes(part, "little") << 8 * begin) & mask & ~unsure
        return differs.bit_count() <= (1 if self.cells.code else 0)

    def _look_at(self, offset: int, size: int) -> None:
        """Raises UnknownContent where the range touches a unit that was forgotten."""
        if self.watch is not None:
            self.watch.read(offset, size)
        if self.cells.has_unknown and size and not self.cells.is_known(offset, size):
            raise UnknownContent(offset, size)

    def _decoded(self, data: bytes, address: int, offset: int, units: list[int]) -> bytes:
        """*data* with its raw *units* as the ECC gives them."""
        result = bytearray(data)
        for unit in units:
            value = self._read_unit(unit, address + unit * self._unit - offset)
            begin = unit * self._unit - offset
            low, high = max(begin, 0), min(begin + self._unit, len(data))
            result[low:high] = value[low - begin : high - begin]
        return bytes(result)

    def _read_unit(self, unit: int, address: int) -> bytes:
        raw = self.cells.raw(unit)
        assert raw is not None
        decoded = self._sensed(unit, raw)
        if decoded.verdict is Verdict.DETECTED:
            raise self._unreadable(address)
        self.usage.corrected += decoded.verdict is Verdict.CORRECTED
        return decoded.data.to_bytes(self._unit, "little")

    def _unreadable(self, address: int) -> UnreadableUnit:
        if self.part.read_of_bad_unit is BadRead.BUS_ERROR:
            return BusFault("DBECCERR", "double ECC error", address)
        return EccNmi("ECCD", "double ECC error", address)

    # --- metastable bits

    @property
    def flickers(self) -> int:
        """How often metastable units were read since power-on."""
        return self._flickers

    @property
    def flickered(self) -> tuple[Flicker, ...]:
        """Units that were read since power-on, STABLE, and would have read otherwise flipped.

        In their order. No more are noted once so many of them were metastable at a time that
        ``flickered_full`` is true.
        """
        return tuple(self._flickered.values())

    @property
    def flickered_full(self) -> bool:
        """Whether there were more units than ``flickered`` has room for."""
        return self._flickered_full

    def senses(self) -> tuple[object, ...]:
        """All that decides, beside the cells, how metastable units read from now on in this boot.

        And which of them were looked at. Units that are metastable no more do not count.
        """
        if not self._flickers and not self.flips:
            return (self.reading.value, 0, (), (), False, ())
        drawn = self._flickers if self.reading is Reading.DRAWN else min(self._flickers, 1)
        flips = self._metastable(self.flips if self.reading is Reading.STABLE else ())
        looked, turned = self._metastable(self._live), self._metastable(self._turned)
        return (self.reading.value, drawn, flips, looked, self._flickered_full, turned)

    def forget_history(self) -> None:
        """Draw what metastable bits read as if this were the first power-on."""
        self._power_ons = 0
        self._forget_flickers()

    def _forget_flickers(self) -> None:
        self._flickers = 0
        self._flickered: dict[int, Flicker] = {}  # replaced, never changed: forks share it
        self._live: tuple[int, ...] = ()  # those of them that may be metastable still
        self._flickered_full = False
        self._turned: frozenset[int] = frozenset()

    def _metastable(self, units: Iterable[int]) -> tuple[int, ...]:
        """Those of *units* that are metastable now, in ascending order."""
        held = ((unit, self.cells.raw(unit)) for unit in sorted(units))
        return tuple(unit for unit, raw in held if raw is not None and raw.metastable)

    def _sensed(
        self, unit: int, raw: RawUnit, seen: Callable[[Decoded], object] = _readable
    ) -> Decoded:
        """What a read of the unit gives now; *seen* is all that the caller sees of it."""
        if not raw.metastable:
            return self.cells.decode(raw, 0)
        flicker = self._flicker(unit)
        decoded = self.cells.decode(raw, flicker)
        notes = self.reading is Reading.STABLE and not self._flickered_full
        if notes and unit not in self._flickered:
            other = self.cells.decode(raw, ~flicker)
            if seen(other) != seen(decoded):
                self._note_flicker(unit)
        return decoded

    def _note_flicker(self, unit: int) -> None:
        live = self._metastable(self._live)
        if len(live) >= _FLICKERED:
            self._flickered_full = True
            return
        flicker = Flicker(unit, len(live), len(self.flips.intersection(live)))
        self._flickered = {**self._flickered, unit: flicker}
        self._live = (*live, unit)

    def _flicker(self, unit: int) -> int:
        """Random bits for the metastable ones of a unit that is read now: 1 reads the opposite."""
        self._flickers += 1
        match self.reading:
            case Reading.STABLE:
                return -1 if unit in self.flips else 0
            case Reading.FLIPPED:
                return -1
            case Reading.TURNING:
                self._turned ^= {unit}
                return 0 if unit in self._turned else -1
        text = f"{self.seed}/{unit}/{self._power_ons}/{self._flickers}"
        return random.Random(text).getrandbits(self.cells.word_bits)  # noqa: S311

    # --- programming

    def program(self, address: int, data: bytes) -> None:
        """Program whole units in ascending order, each asked for at the supply.

        Raises ProgramError at the first unit that the family's rule refuses, WriteProtected for a
        protected sector; the units before it are programmed.
        A cut: see ``Outcome``. Units before it are complete, units after it untouched.
        """
        self._alive()
        unit = self._unit
        if address % unit or len(data) % unit:
            raise AlignmentError(f"program of {len(data)} bytes at 0x{address:08X}: unit is {unit}")
        offset = self._offset(address, len(data))
        self._wait_for_write(address)
        self._check_protection(offset, len(data), address)
        first, done, count = offset // unit, 0, len(data) // unit
        while done < count:
            run = self.cells.virgin_run(first + done, count - done)
            if run:
                self._program_run(first + done, data[done * unit : (done + run) * unit])
            else:
                run = self._overwrite(first + done, data[done * unit :], address + done * unit)
            done += run

    def _program_run(self, first: int, data: bytes) -> None:
        """Virgin units."""
        unit = self._unit
        count = len(data) // unit
        if self.watch is not None:
            self.watch.operation(Operation("program", self._base + first * unit, data, count))
        granted = self.supply.take(count)
        self.cells.program(first, data[: granted * unit])
        if self.stuck:
            self._keep_stuck(range(first, first + granted))
        self._programmed(first, data, granted)
        if granted < count:
            self._cut_program(first + granted, data[granted * unit : (granted + 1) * unit])

    def _overwrite(self, unit: int, data: bytes, address: int) -> int:
        """One unit that is not virgin. Returns how many were programmed."""
        data = data[: self._unit]
        self._look_at(unit * self._unit, self._unit)
        if self._effect(unit, data) is rules.Effect.REFUSED:
            flag = self.part.overwrite_flag or "PROGERR"
            raise ProgramError(flag, "the unit is not erased", address)
        if self.watch is not None:
            self.watch.operation(Operation("program", self._base + unit * self._unit, data))
        if self.supply.take(1) < 1:
            self._cut_program(unit, data)
        old, new = cuts.held(self.cells, unit), self._word(data)
        result = cuts.programmed(old, new, self.cells.word_bits, self._dice(unit))
        self.cells.set_word(unit, result)
        self._keep_stuck(range(unit, unit + 1))
        self._programmed(unit, data, 1)
        return 1

    def _effect(self, unit: int, data: bytes) -> rules.Effect:
        raw = self.cells.raw(unit)
        if raw is not None and not raw.spent and self.part.overwrite is not Overwrite.CLEAR_BITS:
            return rules.Effect.REPLACES  # frail: it looks erased to the controller
        virgin = self.cells.mark(unit) is Mark.VIRGIN
        return rules.overwrite(
            self.part.overwrite, rules.UnitView(virgin, self._reads_erased(unit)), data
        )

    def _reads_erased(self, unit: int) -> bool:
        ones = (1 << self.cells.word_bits) - 1
        return self.cells.code is None and self.cells.word(unit) == ones

    def _word(self, data: bytes) -> int:
        """*data* of one unit with the check bits that belong to them."""
        value = int.from_bytes(data, "little")
        return self.cells.code.encode(value) if self.cells.code else value

    def _programmed(self, first: int, data: bytes, units: int) -> None:
        self.usage.programs += units
        self._spend("program_us", first * self._unit, self._program_us, units)
        if units:
            self.interrupted = None
        if self.trace is not None and units:
            done = data[: units * self._unit]
            self._note(Operation("program", self._base + first * self._unit, done, units))

    def program_fast(self, address: int, data: bytes) -> None:
        """A row (L4, G4) or a burst (U5) in one go; its time is that of its units.

        The whole of it must be virgin; a cut leaves any prefix complete, one unit as ``Outcome``
        says, the rest virgin. AlignmentError on parts without, or for another size or alignment.
        """
        size = self.part.row_bytes or self.part.burst_bytes
        if size is None or len(data) != size or address % size:
            raise AlignmentError(f"{self.part.name}: a row is {size} bytes, on such an address")
        offset = self._offset(address, size)
        units = size // self._unit
        if self.cells.virgin_run(offset // self._unit, units) < units:
            raise ProgramError("PGSERR", "the row is not erased", address)
        self.program(address, data)

    # --- erasing

    def erase(self, address: int) -> None:
        """Erase the sector that starts at *address*. A cut: see ``Outcome``."""
        self._alive()
        offset = self._offset(address, 1)
        index = self._sector_indices.get(offset)
        if index is None:
            raise AlignmentError(f"no sector starts at 0x{address:08X}")
        size = self.part.sector_starts[offset]
        self._wait_for_write(address)
        self._check_protection(offset, size, address)
        if self.watch is not None:
            self.watch.operation(Operation("erase", self._base + offset))
        if self.supply.take(1) < 1:
            dice, seed = self._dice(offset), self._seed_of(offset)
            cuts.cut_erase(self.cells, offset, size, self.supply.outcome, dice, seed)
            self._die("erase", offset)
        self._erased(index, offset, size)
        time_us = self.part.timing.of("sector_erase", size=size, mode=self.timing)
        self._spend("erase_us", offset, time_us, 1)
        self._note(Operation("erase", self._base + offset))

    def _erased(self, index: int, offset: int, size: int) -> None:
        self.cells.erase(offset, size)
        self.erase_counts[index] += 1
        self.usage.erases += 1
        endurance = self.part.endurance
        if endurance is not None and self.erase_counts[index] == endurance.cycles + 1:
            place = f"0x{self._base + offset:08X}"
            text = f"{self.part.name}: sector at {place} erased {endurance.cycles + 1} times"
            warnings.warn(f"{text}; guaranteed are {endurance.cycles}", EnduranceWarning, 3)

    def erase_bank(self, bank: int) -> None:
        """Erase physical bank *bank* (MER1, MER2 name physical banks). One operation.

        A cut leaves all its sectors as ``Outcome`` says where the family pulses them together
        (L4 class); else sectors in ascending order: some erased, one as it says, the rest
        untouched.
        """
        if not 0 <= bank < self.part.bank_count:
            raise AlignmentError(f"{self.part.name} has no bank {bank}")
        self._erase_banks(range(bank, bank + 1), "bank_erase")

    def erase_all(self) -> None:
        """Mass erase: all banks. One operation; a cut hits all banks, see ``erase_bank``."""
        self._erase_banks(range(self.part.bank_count), "mass_erase")

    def _erase_banks(self, banks: range, kind: Kind, *, protected: bool = True) -> None:
        self._alive()
        per_bank = len(self.part.sector_sizes)
        for bank in banks:
            start = bank * self.part.bank_size
            self._wait_for_write(self._base + start)
            if protected:
                self._check_protection(start, self.part.bank_size, self._base + start)
        start = self._base + banks.start * self.part.bank_size
        if self.watch is not None:
            self.watch.operation(Operation(kind.replace("_", " "), start))
        if self.supply.take(1) < 1:
            for bank in banks:
                self._cut_bank_erase(bank)
            self._die(kind.replace("_", " "), banks.start * self.part.bank_size)
        sectors = list(self.part.sector_starts.items())
        for index in range(banks.start * per_bank, banks.stop * per_bank):
            self._erased(index, *sectors[index])
        time_us = self.part.timing.of(kind, mode=self.timing)
        self._spend("erase_us", banks.start * self.part.bank_size, time_us, 1)
        busy = self._busy_until_us
        busy[banks.start : banks.stop] = [max(busy[banks.start : banks.stop])] * len(banks)
        self._note(Operation(kind.replace("_", " "), start))

    def _cut_bank_erase(self, bank: int) -> None:
        outcome, start = self.supply.outcome, bank * self.part.bank_size
        dice = self._dice(start)
        per_bank = len(self.part.sector_sizes)
        sectors = list(self.part.sector_starts.items())[bank * per_bank :][:per_bank]
        if self.part.bulk_erase == "parallel" or outcome in (Outcome.BEFORE, Outcome.AFTER):
            for offset, size in sectors:
                cuts.cut_erase(self.cells, offset, size, outcome, dice)
            return
        reached = dice.randrange(per_bank)
        for offset, size in sectors[:reached]:
            self.cells.erase(offset, size)
        cuts.cut_erase(self.cells, *sectors[reached], outcome, dice)

    # --- options and protection

    def program_options(self, **fields: int) -> None:
        """Change option bytes. One operation; its outcomes are those of the family.

        They count from the next option load or reset on. Raises AlignmentError for a field that
        the part does not have.
        """
        self._alive()
        self.options.check(fields)
        data = json.dumps(fields, sort_keys=True).encode()
        if self.watch is not None:
            self.watch.operation(Operation("options", self._base, data))
        if self.supply.take(1) < 1:
            self.options.cut(fields, self.supply.outcome)
            self._die("options", 0)
        self.options.program(fields)
        self._note(Operation("options", self._base, data))

    def launch_options(self) -> None:
        """OBL_LAUNCH: load the option bytes and reset."""
        self._alive()
        self.options.load()
        self.reset()

    def unprotect_readout(self) -> None:
        """RDP level 1 to 0: erases all banks, then loads the default protection."""
        self._alive()
        self.options.check_unprotect()
        self._erase_banks(range(self.part.bank_count), "mass_erase", protected=False)
        self.options.unprotect()
        self.launch_options()

    def protect_sectors(self, *addresses: int) -> None:
        """Write-protect the sectors that start at *addresses* (WRP), at once."""
        sectors = {self._offset(address, 1) for address in addresses}
        if not sectors <= self.part.sector_starts.keys():
            raise AlignmentError("protection goes by sectors: an address is no sector's start")
        self.options.protect(sectors)

    def _check_protection(self, offset: int, size: int, address: int) -> None:
        if self.options.write_protected:
            raise WriteProtected("WRPERR", "all sectors are protected", address)
        for sector in self.options.protected:
            end = sector + self.part.sector_starts[sector]
            if sector < offset + size and offset < end:
                raise WriteProtected("WRPERR", "the sector is protected", address)

    # --- the array without operations

    def preload(self, address: int, data: bytes) -> None:
        """Put *data* into the array as if it had always been there: no rule, no time, no trace.

        Any alignment. The units concerned are programmed, whatever they were.
        """
        begin = self._offset(address, len(data))
        first, last = begin // self._unit, -(-(begin + len(data)) // self._unit)
        units = bytearray(self.cells.raw_data(first * self._unit, (last - first) * self._unit))
        within = begin - first * self._unit
        units[within : within + len(data)] = data
        for index in range(last - first):
            word = self._word(bytes(units[index * self._unit : (index + 1) * self._unit]))
            self.cells.set_word(first + index, RawUnit(word))

    def forget(self, address: int, size: int) -> None:
        """Assume nothing any more of the whole units of a physical range, until they are erased.

        Whoever reads or programs one of them meets UnknownContent, and so does whoever asks by
        ``match`` for what it is not known not to hold. A completed erase makes them virgin. A
        search through states uses this for what a cut left where nobody looks.
        """
        self.cells.forget(address - self._base, size)

    # --- injected damage

    def flip(self, address: int, bit: int) -> None:
        """Flip one cell (retention, disturb). *bit* counts from the unit's first data bit; those
        behind the data are check bits. The unit must be whole: *address* is its first byte."""
        unit = self._offset(address, self._unit) // self._unit
        if not 0 <= bit < self.cells.word_bits:
            raise AlignmentError(f"bit {bit}: a unit has {self.cells.word_bits} cells")
        spent = self.cells.mark(unit) is not Mark.VIRGIN
        raw = self.cells.raw(unit) or RawUnit(self.cells.word(unit), spent=spent)
        word = raw.word ^ 1 << bit
        ones = (1 << self.cells.word_bits) - 1
        self.cells.set_word(unit, replace(raw, word=word, spent=raw.spent or word != ones))

    def stick(self, address: int, cells: int) -> None:
        """These cells of the unit at *address* (a mask of its bits) stay 1, whatever is programmed.

        On parts with ECC a single one is corrected, and nobody notices but the counter.
        """
        unit = self._offset(address, self._unit) // self._unit
        self.stuck = {**self.stuck, unit: cells}

    def _keep_stuck(self, units: range) -> None:
        for unit, cells in self.stuck.items():
            if unit in units and self.cells.mark(unit) is not Mark.VIRGIN:
                held = cuts.held(self.cells, unit)
                self.cells.set_word(unit, replace(held, word=held.word | cells))

    def spoil(self, address: int) -> None:
        """Make the unit at *address* unreadable on parts with ECC: two cells of it are wrong."""
        unit = self._offset(address, self._unit) // self._unit
        code = self.cells.code
        if code is None:
            raise AlignmentError(f"{self.part.name} has no ECC")
        word = code.encode(0x1234) ^ 0b11
        self.cells.set_word(unit, RawUnit(word))

    # --- forks, state

    def save(self) -> bytes:
        """All of the device but its clock, its supply and its trace; see ``saved.py``."""
        return saved.pack(self)

    @classmethod
    def load(
        cls, data: bytes, *, clock: VirtualClock | None = None, part: Part | None = None
    ) -> EmulatedFlash:
        """The device that ``save`` packed. *part* is needed for one that does not come with us.

        Raises ValueError when *data* is damaged, of another version, or of another part.
        """
        return saved.unpack(cls, data, clock, part)

    def fork(self) -> EmulatedFlash:
        """A twin with the same silicon, a steady supply, and a clock of its own.

        Pages are shared until either side writes: a fork costs what it changes.
        """
        twin = object.__new__(EmulatedFlash)
        twin.__dict__.update(self.__dict__)
        twin.cells = self.cells.fork()
        twin.clock = VirtualClock(self.clock.now_us)
        twin.supply = SteadySupply()
        twin.usage = copy(self.usage)
        twin.options = self.options.copy()
        twin.erase_counts = self.erase_counts.copy()
        twin._busy_until_us = self._busy_until_us.copy()
        twin.trace = None
        twin.watch = None
        return twin

    def give_state(self) -> dict[str, object]:
        """All that is not in the cells, as JSON values; for ``save``."""
        return {
            "options": self.options.save(),
            "erase_counts": self.erase_counts,
            "usage": asdict(self.usage),
            "interrupted": asdict(self.interrupted) if self.interrupted else None,
            "mapped_bank": self._mapped,
            "power_ons": self._power_ons,
            "powered": self._powered,
            "stuck": sorted(self.stuck.items()),
        }

    def take_state(self, state: dict[str, Any]) -> None:
        """What ``give_state`` gave."""
        self.options.restore(state["options"])
        self.erase_counts = list(state["erase_counts"])
        self.usage = Usage(**state["usage"])
        self.interrupted = Interrupted(**state["interrupted"]) if state["interrupted"] else None
        self._power_ons, self._powered = state["power_ons"], state["powered"]
        self._mapped = state["mapped_bank"]
        self.stuck = dict(state.get("stuck", ()))

    def digest(self) -> bytes:
        """32 bytes over all that survives a cut: cells, option bytes, OPSR. Not wear, not time."""
        interrupted = repr(self.interrupted) if self.interrupted else ""
        return self.cells.digest().to_bytes(16, "little") + self.options.digest(interrupted)

    def repeat(self, operation: Operation) -> None:
        """Do *operation* of a trace; its address is physical."""
        mapped, self._mapped = self._mapped, 0
        try:
            match operation.kind:
                case "program":
                    self.program(operation.address, operation.data)
                case "erase":
                    self.erase(operation.address)
                case "bank erase":
                    bank = (operation.address - self._base) // self.part.bank_size
                    self.erase_bank(bank)
                case "mass erase":
                    self.erase_all()
                case "options":
                    self.program_options(**json.loads(operation.data))
                case kind:
                    raise ValueError(f"cannot repeat {kind!r}")
        finally:
            self._mapped = mapped

    # --- time

    @property
    def is_timed(self) -> bool:
        """Whether every operation so far had a known time, so that the clock can be believed."""
        return self.usage.untimed == 0

    def elapsed_us(self) -> int:
        """The clock, where it can be believed. Raises UnknownTiming where it cannot."""
        if not self.is_timed:
            raise UnknownTiming(
                f"{self.part.name}: {self.usage.untimed} operations take a time that no document "
                "gives; supply it with Part.with_timing"
            )
        return self.clock.now_us

    def energy_used_uj(self) -> float:
        """Energy of all operations. Raises UnknownTiming when none was given for their kind."""
        try:
            return (
                self.usage.programs * self.energy_uj["program"]
                + self.usage.erases * self.energy_uj["erase"]
            )
        except KeyError as error:
            raise UnknownTiming(f"no energy was given for {error}") from error

    def worn_sectors(self) -> list[int]:
        """Physical start addresses of sectors erased more often than the endurance says."""
        if self.part.endurance is None:
            return []
        cycles, starts = self.part.endurance.cycles, list(self.part.sector_starts)
        return [self._base + starts[i] for i, n in enumerate(self.erase_counts) if n > cycles]

    # --- inside

    def _alive(self) -> None:
        if not self._powered:
            raise PowerLoss(
                self.supply.taken, self.supply.outcome, "none: power is off", self._base
            )

    def _offset(self, address: int, size: int) -> int:
        """Offset in the array. A range must not leave it, nor cross banks while they are mapped."""
        offset = address - self._base
        if offset < 0 or size < 0 or offset + size > self.part.size:
            raise AlignmentError(f"0x{address:08X}, {size} bytes: outside {self.part.name}")
        if self._mapped:
            bank_size = self.part.bank_size
            if offset < bank_size < offset + size:
                raise AlignmentError(f"0x{address:08X}, {size} bytes: across mapped banks")
            offset += bank_size if offset < bank_size else -bank_size
        return offset

    def _spend(self, kind: str, offset: int, time_us: int | None, count: int) -> None:
        if time_us is None:
            self.usage.untimed += count
            return
        setattr(self.usage, kind, getattr(self.usage, kind) + time_us * count)
        if self.background:
            bank = offset // self.part.bank_size
            begin = max(self.clock.now_us, self._busy_until_us[bank])
            self._busy_until_us[bank] = begin + time_us * count
        else:
            self.clock.advance_us(time_us * count)

    def _wait_for_read(self, offset: int, size: int) -> None:
        """A read of a bank that is busy stalls the bus; without RWW any read does."""
        busy = self._busy_until_us
        if not any(busy):
            return
        if self.part.rww:
            first, last = (at // self.part.bank_size for at in (offset, offset + size - 1))
            busy = busy[first : last + 1] if size else []
        stall_us = max(busy, default=0) - self.clock.now_us
        if stall_us > 0:
            self.usage.stall_us += stall_us
            self.clock.advance_us(stall_us)

    def _wait_for_write(self, address: int) -> None:
        """While an operation is under way another is queued, bank by bank, or refused."""
        if self.part.write_while_write == "queued":
            return
        if max(self._busy_until_us) > self.clock.now_us:
            raise BusyError("BSY", "another operation is under way", address)

    def is_busy(self, bank: int | None = None) -> bool:
        """Whether an operation is under way in the background: in physical *bank*, or anywhere."""
        until_us = max(self._busy_until_us) if bank is None else self._busy_until_us[bank]
        return until_us > self.clock.now_us

    @property
    def busy_until_us(self) -> int:
        """When all that is under way in the background ends; a past moment where nothing is."""
        return max(self._busy_until_us)

    def wait(self) -> None:
        """Let the clock run until no bank is busy."""
        self.clock.advance_us(max(0, self.busy_until_us - self.clock.now_us))

    def _dice(self, place: int) -> random.Random:
        """The same seed, place and operation number give the same silicon."""
        return random.Random(self._seed_of(place))  # noqa: S311

    def _seed_of(self, place: int) -> str:
        number = 0 if self.draws_by_place else self.supply.taken
        return f"{self.seed}/{place}/{number}"

    def _cut_program(self, unit: int, data: bytes) -> None:
        word, outcome = self._word(data), self.supply.outcome
        cuts.cut_program(self.cells, unit, word, outcome, self._dice(unit))
        self._keep_stuck(range(unit, unit + 1))
        self._die("program", unit * self._unit)

    def _note(self, operation: Operation) -> None:
        self.interrupted = None
        if self.trace is not None:
            self.trace.operations.append(operation)

    def _die(self, kind: str, offset: int) -> None:
        """Power is gone. On parts with OPSR the next start can see what was under way."""
        address, outcome = self._base + offset, self.supply.outcome
        if self.trace is not None:
            self.trace.operations.append(Operation(kind, address, done=0, outcome=outcome))
        if self.part.opsr and outcome not in (Outcome.BEFORE, Outcome.AFTER):
            self.interrupted = Interrupted(kind, address)
        self._powered = False
        raise PowerLoss(self.supply.taken, outcome, kind, address)


def _same(one: bytes, other: bytes) -> int:
    """How many bytes the two have in common, from their start."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
