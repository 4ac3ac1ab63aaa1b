"""Whether units hold what somebody asks for: less is looked at than by a read."""

from __future__ import annotations

from flash_emulator.array.ecc import Decoded, Verdict
from flash_emulator.array.pages import Slice
from flash_emulator.device.comparing import Listener, ReadBytes, Tell
from flash_emulator.device.possible import may_be_corrected, may_hold
from flash_emulator.device.sensing import Sensing

_MOST_NOTED = 256  # bytes that are read at once and note what they are compared with


class Matching(Sensing):
    """The part of the device that compares."""

    _tell: Tell | None
    """Whom bytes tell what they are compared with: this device, from the first read on."""

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
        size, unit_size = len(expected), self._unit
        done = self._plainly_held(offset, expected) if size > unit_size else 0
        while done < size:
            unit, begin = divmod(offset + done, unit_size)
            part = expected[done : done + unit_size - begin]
            if not self._holds(unit, (begin, part)):
                break
            done += len(part)
        return done

    def _noting(self, offset: int, data: bytes) -> bytes:
        """*data*, which a boot has read there; in a search they note what it compares them with."""
        if self._watch is None or not self._explored or not 0 < len(data) <= _MOST_NOTED:
            return data
        tell = self._tell
        if tell is None:
            tell = self._tell = Listener(self._note_compared)
        return ReadBytes.of(data, offset, tell)

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
        size = self.cells.plain_size(offset, len(expected))
        data = self.cells.peek(offset, size)  # all of it is known
        same = size if expected.startswith(data) else _same(data, expected)
        if same < len(expected):
            same -= (offset + same) % self._unit
        if self._watch is not None and same > 0:
            self._watch.read(offset, same)
        return max(0, same)

    def _holds(self, unit: int, wanted: Slice) -> bool:
        """Whether *unit* holds this slice."""
        plain = self.cells.plain_unit(unit)
        if plain is not None:
            begin, part = wanted
            held = plain[begin : begin + len(part)] == part  # of bytes: tells where *part* is from
            if self._watch is not None:
                never = not held and not may_be_corrected(self.cells, plain, wanted)
                self._watch.compared(unit, wanted, never=never)
            return held
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
        """Whether a read of a unit that is not plain gives this slice; not where it cannot be
        read."""
        begin, part = wanted
        raw = self.cells.raw(unit)
        assert raw is not None
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
