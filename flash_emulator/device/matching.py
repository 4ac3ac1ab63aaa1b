"""Whether units hold what somebody asks for: less is looked at than by a read."""

from __future__ import annotations

from weakref import WeakMethod

from flash_emulator.array.ecc import Decoded, Verdict
from flash_emulator.array.pages import Slice
from flash_emulator.compiled import mypyc_attr
from flash_emulator.device.comparing import ReadBytes
from flash_emulator.device.possible import may_hold
from flash_emulator.device.sensing import Sensing

_MOST_NOTED = 256  # bytes that are read at once and note what they are compared with


@mypyc_attr(allow_interpreted_subclasses=True)
class Matching(Sensing):
    """The part of the device that compares."""

    def match(self, address: int, expected: bytes) -> int:
        """How many bytes from *address* on read as *expected*, up to a unit that does not.

        A unit that cannot be read holds nothing. No unit behind the first that differs is looked
        at, and of that one only whether it holds what is expected.
        """
        self._alive_to_look(address, len(expected))
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

    def _noting(self, offset: int, data: bytes) -> bytes:
        """*data*, which a boot has read there; in a search they note what it compares them with."""
        if self._watch is None or not self._explored or not 0 < len(data) <= _MOST_NOTED:
            return data
        return ReadBytes.of(data, offset, WeakMethod(self._note_compared))

    def _note_compared(self, offset: int, data: bytes, expected: bytes) -> None:
        """The first unit that differs, as ``match`` does. Nothing is noted of what is the same:
        a table that finds something by its content compares it with itself."""
        if self._watch is None or data == expected:
            return
        same = _same(data, expected)
        unit, begin = divmod(offset + same, self._unit)
        first = max(0, same - begin)
        begin = (offset + first) % self._unit
        piece = slice(first, first + self._unit - begin)
        self._watch.compared(unit, (begin, expected[piece]), never=False)

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
        if self._watch is not None and same > 0:
            self._watch.read(offset, same)
        return max(0, same)

    def _holds(self, unit: int, wanted: Slice) -> bool:
        """Whether *unit* holds this slice."""
        if self.cells.is_unknown(unit):
            if wanted not in self.cells.not_held(unit):
                self.cells.look(unit * self._unit, self._unit, wanted)
            held = False
        else:
            held = self._reads_as(unit, wanted)
        if self._watch is not None:
            self._watch.compared(
                unit, wanted, never=not held and not may_hold(self.cells, unit, wanted)
            )
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
        self._usage.corrected += decoded.verdict is Verdict.CORRECTED
        return holds(decoded)


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
