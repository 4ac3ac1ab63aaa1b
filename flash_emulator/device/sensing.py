"""How units read that are not plain: the ECC's verdict, and what metastable bits read."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import NamedTuple

from flash_emulator.array.ecc import Decoded, Verdict
from flash_emulator.array.pages import RawUnit
from flash_emulator.device.timekeeping import Timekeeping
from flash_emulator.errors import BusFault, EccNmi, OutsideKey, UnreadableUnit
from flash_emulator.parts.part_model import BadRead

_FLICKERED = 32  # metastable units that a boot is remembered to have looked at


class MetastableMode(StrEnum):
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


def _readable(decoded: Decoded) -> Decoded | None:
    return decoded if decoded.verdict is not Verdict.DETECTED else None


class Sensing(Timekeeping):
    """The part of the device that reads units as the controller does, and keeps what was drawn."""

    metastable_mode: MetastableMode
    flips: frozenset[int]  # units that read the opposite while STABLE
    _power_ons: int

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

        And which of them were looked at. Units that are metastable no more do not count; and where
        none is, nor may become so before the next cut, nor does the way of reading. A boot that
        then meets such a unit all the same, for it cuts its own power, ends the search.
        """
        if not self.cells.has_unsure:
            self._reads_as_all = True
            return ()
        if not self._flickers and not self.flips:
            return (self.metastable_mode.value, 0, (), (), False, ())
        drawn = (
            self._flickers
            if self.metastable_mode is MetastableMode.DRAWN
            else min(self._flickers, 1)
        )
        flips = self._metastable(
            self.flips if self.metastable_mode is MetastableMode.STABLE else ()
        )
        looked, turned = self._metastable(self._live), self._metastable(self._turned)
        return (self.metastable_mode.value, drawn, flips, looked, self._flickered_full, turned)

    def forget_history(self) -> None:
        """Draw what metastable bits read as if this were the first power-on."""
        self._power_ons = 0
        self._reads_as_all = False  # a point of this boot is one however metastable bits read
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
        if self._reads_as_all and self._explored:
            self.cells.halt.stop(
                OutsideKey(
                    "a unit became metastable within a boot, after a point of its run where none "
                    "was: runs that read otherwise were joined there; yield no point before it"
                )
            )
        flicker = self._flicker(unit)
        decoded = self.cells.decode(raw, flicker)
        notes = self.metastable_mode is MetastableMode.STABLE and not self._flickered_full
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

    # --- for debuggers: no look of the boot's

    def unit_at(self, address: int) -> int:
        """The unit that the CPU sees at *address* now. AlignmentError where there is none."""
        return self._offset(address, 1) // self.cells.unit

    def physical_address(self, unit: int) -> int:
        """Of *unit*: as operations have it, with no bank mapped elsewhere."""
        return self._address(unit * self.cells.unit)

    def address_of(self, unit: int) -> int:
        """Where the CPU sees *unit* now."""
        offset = unit * self.cells.unit
        if self._mapped:
            offset = (offset + self.part.bank_size) % self.part.size
        return self._address(offset)

    def peek(self, address: int, size: int) -> bytes:
        """What ``read`` may give now, and nothing happens: no time passes, nothing is drawn, nobody
        is told. Of a unit that the ECC gives up, and of one of which nothing is known, the data
        as the cells have them. AlignmentError as ``read``.
        """
        offset, unit_size = self._offset(address, size), self.cells.unit
        result = bytearray(self.cells.peek(offset, size))
        for unit in self.cells.peek_raw_units(offset, size):
            decoded = self.peek_unit(unit)
            if decoded is not None and decoded.verdict is not Verdict.DETECTED:
                data, begin = decoded.data.to_bytes(unit_size, "little"), unit * unit_size - offset
                low, high = max(begin, 0), min(begin + unit_size, size)
                result[low:high] = data[low - begin : high - begin]
        return bytes(result)

    def peek_unit(self, unit: int) -> Decoded | None:
        """What the ECC makes of a unit that is not plain, as its metastable bits would read next;
        where they are drawn, as they last were. None of a plain unit."""
        raw = None if self.cells.is_unknown(unit) else self.cells.raw(unit)
        if raw is None:
            return None
        match self.metastable_mode:
            case MetastableMode.STABLE:
                is_opposite = unit in self.flips
            case MetastableMode.TURNING:
                is_opposite = unit in self._turned
            case mode:
                is_opposite = mode is MetastableMode.FLIPPED
        return self.cells.decode(raw, -1 if is_opposite else 0)

    def _flicker(self, unit: int) -> int:
        """Random bits for the metastable ones of a unit that is read now: 1 reads the opposite."""
        self._flickers += 1
        match self.metastable_mode:
            case MetastableMode.STABLE:
                return -1 if unit in self.flips else 0
            case MetastableMode.FLIPPED:
                return -1
            case MetastableMode.TURNING:
                self._turned ^= {unit}
                return 0 if unit in self._turned else -1
        text = f"{self.seed}/{unit}/{self._power_ons}/{self._flickers}"
        return random.Random(text).getrandbits(self.cells.word_bits)  # noqa: S311

    def _look_at(self, offset: int, size: int) -> None:
        """The door of all reads: whoever reads cells on behalf of the chip comes through here.

        Raises UnknownContent where the range touches a unit that was forgotten.
        """
        if self._watch is not None:
            self._watch.read(offset, size)
        self.cells.look(offset, size)

    def _cells_seen(self, offset: int, size: int) -> tuple[bytes, list[int]]:
        """Through the door: the bytes of a range, and its units that are not plain."""
        self._look_at(offset, size)
        return self.cells.peek(offset, size), self.cells.peek_raw_units(offset, size)

    def read_if_plain(self, address: int, size: int) -> bytes | None:
        """What ``read`` gives where nothing is special about it: every unit is whole, and known.

        None where a unit has to be read by itself, since a cut or a flipped bit has touched it,
        nothing is known of it, or the area is protected; nothing was looked at then, but for that.
        """
        self._alive_to_look(address, size)
        self.cells.halt.has_peeked = True
        if self.options.read_protected:
            return None
        offset = self._offset(address, size)
        data = self.cells.peek_if_plain(offset, size)
        if data is not None:
            if any(self._busy_until_us):
                self._wait_for_read(offset, size)
            if self._watch is not None:
                self._watch.read(offset, size)
        return data

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
        self._usage.corrected += decoded.verdict is Verdict.CORRECTED
        return decoded.data.to_bytes(self._unit, "little")

    def _unreadable(self, address: int) -> UnreadableUnit:
        if self.part.read_of_bad_unit is BadRead.BUS_ERROR:
            return BusFault("DBECCERR", "double ECC error", address)
        return EccNmi("ECCD", "double ECC error", address)
