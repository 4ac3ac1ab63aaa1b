"""The emulated flash: one door for every operation.

Each program of a unit, each erase and each change of option bytes asks the power supply what
happens. Bulk calls are as fast as slices, and every unit in them can be cut all the same.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import Any

from flash_emulator.array import cuts, rules
from flash_emulator.array.cells import Cells
from flash_emulator.array.ecc import code_for
from flash_emulator.array.option_bytes import OptionBytes
from flash_emulator.device import saved
from flash_emulator.device.base import Interrupted
from flash_emulator.device.clock import VirtualClock
from flash_emulator.device.keyed import Keyed
from flash_emulator.device.sensing import MetastableMode
from flash_emulator.device.trace import Operation
from flash_emulator.device.usage import Usage
from flash_emulator.errors import AlignmentError, ProgramError, ReadProtected
from flash_emulator.parts.part import Part
from flash_emulator.parts.part_model import Mode, Overwrite
from flash_emulator.power import PowerSupply, SteadySupply


class EmulatedFlash(Keyed):
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
        self._clock = clock or VirtualClock()
        self._supply = supply or SteadySupply()
        self.seed = seed
        self.timing = timing
        self.energy_uj = energy_uj or {}
        self._usage = Usage()
        self.recalls = frozenset()
        self.forget_completed()
        self.trace = None
        self._watch = None
        self.draws_by_place = False
        self.metastable_mode = MetastableMode.DRAWN
        self.flips = frozenset()
        self.background = False
        self._interrupted = None
        self._opsr_forgotten = False
        self.options = OptionBytes(part.options)
        self.stuck = {}
        code = code_for(part.ecc.data_bits, part.ecc.modelled_check_bits) if part.ecc else None
        self.cells = Cells(part.size, part.program_unit, code, min(part.sector_sizes))
        self.leave_search()
        self.cells.is_open = False
        self._erase_counts = [0] * (len(part.sector_sizes) * part.bank_count)
        self._busy_until_us = [0] * part.bank_count
        self._tell = None
        self._kept, self._kept_at = bytearray(), 0
        self._room_at = self._room = 0
        self._powered = True
        self._keeps_power = self.kept_power = False
        self.forget_history()
        self._set_up()
        self._mapped = self._bank_after_reset()

    def _set_up(self) -> None:
        """What follows from the part and is asked for at every operation."""
        self._unit = self.part.program_unit
        self._base, self._size = self.part.base, self.part.size
        self._hole = self.part.bank_starts[-1] + self.part.bank_size - self._base - self.part.size
        self._program_us = self.part.timing.of("program_unit", mode=self.timing)
        self._sector_indices = {start: index for index, start in enumerate(self.part.sector_starts)}
        self._protecting_options, self._protected_by_option = None, frozenset()

    @property
    def geometry(self) -> Part:
        return self.part

    # --- reading; see also ``Matching.match``

    def read(self, address: int, size: int) -> bytes:
        """Bytes as the CPU reads them.

        Raises UnreadableUnit (EccNmi or BusFault) with the unit's address where the ECC gives up,
        and ReadProtected where the area may not be read. A metastable unit may read differently
        from one time to the next.
        """
        self._alive_to_look(address, size)
        offset = self._offset(address, size)
        self._wait_for_read(offset, size)
        if self.options.read_protected:
            raise ReadProtected("RDERR", "protected against reads (PCROP)", address)
        data, raw_units = self._cells_seen(offset, size)
        data = self._decoded(data, address, offset, raw_units) if raw_units else data
        return self._noting(offset, data)

    def read_and_verdict(self, address: int, size: int) -> tuple[bytes, bool]:
        """``read``, and whether the ECC has corrected a single wrong bit in it."""
        before = self._usage.corrected
        data = self.read(address, size)
        return data, self._usage.corrected > before

    def sha256(self, address: int, size: int) -> bytes:
        """SHA-256 of what ``read`` gives; raises what that raises."""
        self._alive_to_look(address, size)
        offset = self._offset(address, size)
        if size == 0 or self.options.read_protected:
            return hashlib.sha256(self.read(address, size)).digest()
        self._look_at(offset, size)
        if self.cells.raw_units(offset, size):
            return hashlib.sha256(self.read(address, size)).digest()
        self._wait_for_read(offset, size)
        return self.cells.sha256(offset, size)

    # --- programming

    def program(self, address: int, data: bytes) -> None:
        """Program whole units in ascending order, each asked for at the supply.

        Raises ProgramError at the first unit that the family's rule refuses, WriteProtected for a
        protected sector; the units before it are programmed.
        A cut: see ``Outcome``. Units before it are complete, units after it untouched.
        AlignmentError where units are not whole; nothing is written then.
        """
        self._program(address, data)

    def _program(self, address: int, data: bytes, *, fast: bool = False) -> None:
        self._alive()
        unit = self._unit
        if address % unit or len(data) % unit:
            flag = f"{self.part.incomplete_flag}: " if self.part.incomplete_flag else ""
            what = f"{flag}program of {len(data)} bytes at 0x{address:08X}"
            raise AlignmentError(f"{what}: unit is {unit}")
        offset = self._offset(address, len(data))
        self._wait_for_write(address)
        self._check_protection(offset, len(data), address)
        first, done, count = offset // unit, 0, len(data) // unit
        while done < count:
            run = self.cells.virgin_run(first + done, count - done)
            if run:
                self._program_run(first + done, data[done * unit : (done + run) * unit], fast)
            else:
                rest = data[done * unit :]
                run = self._overwrite(first + done, rest, address + done * unit, fast)
            done += run

    def _program_run(self, first: int, data: bytes, fast: bool) -> None:
        """Virgin units."""
        unit = self._unit
        count = len(data) // unit
        if self._watch is not None:
            place = self._address(first * unit)
            self._watch.operation(Operation("program", place, data, count, fast=fast))
        granted = self._supply.take(count)
        self.cells.program(first, data[: granted * unit])
        if self.stuck:
            self._keep_stuck(range(first, first + granted))
        if granted:
            self._completed_program(first + granted - 1, None)
        self._programmed(first, data, granted, fast)
        if granted < count:
            self._cut_program(first + granted, data[granted * unit : (granted + 1) * unit])

    def _overwrite(self, unit: int, data: bytes, address: int, fast: bool) -> int:
        """One unit that is not virgin. Returns how many were programmed."""
        data = data[: self._unit]
        self._look_at(unit * self._unit, self._unit)
        if self._effect(unit, data, self._rule(fast)) is rules.Effect.REFUSED:
            flag = self.part.overwrite_flag or "PROGERR"
            raise ProgramError(flag, "the unit is not erased", address)
        place = self._address(unit * self._unit)
        if self.trace is not None:
            self.trace.overwritten.append(place)
        if self._watch is not None:
            self._watch.operation(Operation("program", place, data, fast=fast))
        if self._supply.take(1) < 1:
            self._cut_program(unit, data)
        old, new = cuts.held(self.cells, unit), self._word(data)
        result = cuts.programmed(old, new, self.cells.word_bits, self._rng(unit))
        self.cells.set_word(unit, result)
        self._keep_stuck(range(unit, unit + 1))
        self._completed_program(unit, old)
        self._programmed(unit, data, 1, fast)
        return 1

    def _cut_program(self, unit: int, data: bytes) -> None:
        self._decay_at_cut()
        word, outcome = self._word(data), self._supply.outcome
        cuts.cut_program(self.cells, unit, word, outcome, self._rng(unit), self._given_words())
        self._keep_stuck(range(unit, unit + 1))
        if self.part.options_at_risk and getattr(self._supply, "spoils_options", False):
            self.options.spoil()
        self._die("program", unit * self._unit)

    def _rule(self, fast: bool) -> Overwrite:
        """RM0440 3.3.7: fast programming goes without "verifying the flash locations"."""
        return (self.part.fast_overwrite if fast else None) or self.part.overwrite

    def _effect(self, unit: int, data: bytes, rule: Overwrite) -> rules.Effect:
        raw = self.cells.raw(unit)
        if raw is not None and not raw.consumed and rule is not Overwrite.CLEAR_BITS:
            return rules.Effect.REPLACES  # marginal: it looks erased to the controller
        virgin = self.cells.is_virgin(unit)
        return rules.overwrite(rule, rules.UnitView(virgin, self._reads_erased(unit)), data)

    def _reads_erased(self, unit: int) -> bool:
        ones = (1 << self.cells.word_bits) - 1
        return self.cells.code is None and self.cells.word(unit) == ones

    def _programmed(self, first: int, data: bytes, units: int, fast: bool) -> None:
        self._usage.programs += units
        self._spend("program_us", first * self._unit, self._program_us, units)
        if units:
            self.interrupted = None
        if self.trace is not None and units:
            done = data[: units * self._unit]
            place = self._address(first * self._unit)
            self._note(Operation("program", place, done, units, fast=fast))

    def program_fast(self, address: int, data: bytes) -> None:
        """A row (L4, G4) or a burst (U5) in one go; its time is that of its units.

        A row is not verified (``fast_overwrite``): where it is not erased, bits go from 1 to 0 and
        the ECC is as a rule wrong, with no error. A burst that is not erased is refused. A cut
        leaves any prefix complete, one unit as ``Outcome`` says, the rest untouched.
        AlignmentError on parts without, or for another size or alignment.
        """
        size = self.part.row_bytes or self.part.burst_bytes
        if size is None or len(data) != size or address % size:
            raise AlignmentError(f"{self.part.name}: a row is {size} bytes, on such an address")
        self._alive()
        offset, units = self._offset(address, size), size // self._unit
        forbidden = self._rule(fast=True) is Overwrite.FORBIDDEN
        if forbidden:
            self._look_at(offset, size)
            if self.cells.virgin_run(offset // self._unit, units) < units:
                raise ProgramError("PGSERR", "the burst is not erased", address)
        self._program(address, data, fast=not forbidden)

    def program_in_row(self, address: int, data: bytes) -> None:
        """Whole units of a row that fast programming has begun, as ``program_fast`` has them.

        For whoever takes a row unit by unit, as FLASH_CR's FSTPG does. Where the size of a row is
        not known it is one unit. AlignmentError for what leaves the row.
        """
        row = self.part.row_bytes or self._unit
        if address % row + len(data) > row:
            raise AlignmentError(f"{self.part.name}: a row is {row} bytes")
        self._program(address, data, fast=True)

    # --- forks, state

    def save(self) -> bytes:
        """All of the device but its clock, its supply and its trace; see ``saved.py``.

        Wear is in it: OutsideKey in a search.
        """
        self._not_in_key("save")
        self.settle()
        self._look_at(0, self.part.size)
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
        twin = EmulatedFlash.__new__(EmulatedFlash)
        self.become_fork(twin)
        return twin

    def become_fork(self, twin: EmulatedFlash) -> None:
        """Make *twin*, a device without any field yet, what ``fork`` gives."""
        self.settle()
        twin.part, twin.seed, twin.timing = self.part, self.seed, self.timing
        twin.energy_uj, twin.draws_by_place = self.energy_uj, self.draws_by_place
        twin._unit, twin._base, twin._size = self._unit, self._base, self._size
        twin._hole = self._hole
        twin._program_us, twin._sector_indices = self._program_us, self._sector_indices
        twin._protecting_options = self._protecting_options
        twin._protected_by_option = self._protected_by_option
        twin.cells, twin.options, twin.stuck = self.cells.fork(), self.options.copy(), self.stuck
        twin._clock, twin._supply = VirtualClock(self._clock.now_us), SteadySupply()
        twin._usage, twin._erase_counts = self._usage.copy(), self._erase_counts.copy()
        twin._interrupted, twin._opsr_forgotten = self._interrupted, self._opsr_forgotten
        twin.recalls, twin._last, twin._last_erase = self.recalls, self._last, self._last_erase
        twin.background, twin._busy_until_us = self.background, self._busy_until_us.copy()
        twin._mapped, twin._powered, twin._power_ons = self._mapped, self._powered, self._power_ons
        twin._keeps_power, twin.kept_power = self._keeps_power, self.kept_power
        twin._kept, twin._kept_at = bytearray(), self._kept_at
        twin._room_at, twin._room = self._room_at, 0
        twin.metastable_mode, twin.flips = self.metastable_mode, self.flips
        twin._flickers, twin._flickered, twin._live = self._flickers, self._flickered, self._live
        twin._flickered_full, twin._turned = self._flickered_full, self._turned
        twin._reads_as_all = self._reads_as_all
        twin.trace, twin._watch, twin._tell = None, None, None
        if self.cells.halt.is_watching:
            twin.leave_search()
            return
        if self._watch is not None:
            self.cells.halt.has_peeked = True
        twin._explored, twin._has_own_clock = self._explored, self._has_own_clock
        twin._asked, twin._passed_point = self._asked, self._passed_point

    def give_state(self) -> dict[str, object]:
        """All that is not in the cells, as JSON values; for ``save``."""
        self._not_in_key("give_state")
        self.settle()
        return {
            "options": self.options.save(),
            "erase_counts": self._erase_counts,
            "usage": asdict(self._usage),
            "interrupted": asdict(self._interrupted) if self._interrupted else None,
            "mapped_bank": self._mapped,
            "power_ons": self._power_ons,
            "powered": self._powered,
            "keeps_power": self._keeps_power,
            "stuck": sorted(self.stuck.items()),
        }

    def take_state(self, state: dict[str, Any]) -> None:
        """What ``give_state`` gave."""
        self.options.restore(state["options"])
        self._erase_counts = list(state["erase_counts"])
        self._usage = Usage(**state["usage"])
        self.interrupted = Interrupted(**state["interrupted"]) if state["interrupted"] else None
        self._power_ons, self._powered = state["power_ons"], state["powered"]
        self._keeps_power = state.get("keeps_power", False)
        self._mapped = state["mapped_bank"]
        self.stuck = dict(state.get("stuck", ()))

    def repeat(self, operation: Operation) -> None:
        """Do *operation* of a trace; its address is physical."""
        mapped, self._mapped = self._mapped, 0
        try:
            match operation.kind:
                case "program":
                    self._program(operation.address, operation.data, fast=operation.fast)
                case "erase":
                    self.erase(operation.address)
                case "bank erase":
                    bank = self.array_offset(operation.address) // self.part.bank_size
                    self.erase_bank(bank)
                case "mass erase":
                    self.erase_all()
                case "options":
                    self.program_options(**json.loads(operation.data))
                case kind:
                    raise ValueError(f"cannot repeat {kind!r}")
        finally:
            self._mapped = mapped
