"""Registers whose status bits follow from control bits: ready flags, resets that clear themselves.

Firmware waits for such a bit after it has set another. The status is worked out when it is read and
never stored: a read, a change and a write of the same register would otherwise keep an old status.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from flash_emulator.machine.peripherals.base import Chip, Reader, Registers, Writer

Follows = tuple[int, int, int, int]
"""Status register and bit, control register and bit."""

Copies = tuple[int, int, int, int, int]
"""Status register and lowest bit, control register and lowest bit, how many bits."""


class StatusBits(Registers):
    """*ones*, by register, are bits that read as 1; *self_clearing* bits that are never kept.

    *set_only* bits stay where 0 is written to them; *clears* is register, bit, and the bits of the
    same register that end where 1 is written to that one.
    """

    def __init__(
        self,
        chip: Chip,
        name: str,
        base: int,
        size: int = 0x400,
        *,
        resets: Mapping[int, int] | None = None,
        follows: Iterable[Follows] = (),
        copies: Iterable[Copies] = (),
        ones: Iterable[tuple[int, int]] = (),
        self_clearing: Iterable[tuple[int, int]] = (),
        set_only: Iterable[tuple[int, int]] = (),
        clears: Iterable[tuple[int, int, int]] = (),
    ) -> None:
        super().__init__(chip, name, base, size, resets=resets)
        self._shown: dict[int, int] = {}  # status as it follows from what is held now
        self._copies: dict[int, list[tuple[int, int, int, int]]] = {}
        for status, bit, control, other, *count in (*((*f, 1) for f in follows), *copies):
            row = bit, control, other, (1 << count[0]) - 1
            self._copies.setdefault(status, []).append(row)
        self._ones: dict[int, int] = {}
        for register, bits in ones:
            self._ones[register] = self._ones.get(register, 0) | bits
        self._never_kept = dict(self_clearing)
        self._set_only, self._clears = dict(set_only), tuple(clears)
        for register in {*self._copies, *self._ones}:
            self._readers[register] = self._status_reader(register)
        for register, bits in self._never_kept.items():
            self._writers[register] = self._clearing_writer(register, bits)
        self.reset(power_on=True)

    def _status_reader(self, register: int) -> Reader:
        rows, ones = self._copies.get(register, []), self._ones.get(register, 0)
        hidden = ~sum({mask << bit for bit, _, _, mask in rows})

        def read() -> int:
            value = self._shown.get(register)
            if value is None:
                held = self._held
                value = held.get(register, 0) & hidden | ones
                for bit, control, other, mask in rows:
                    value |= (held.get(control, 0) >> other & mask) << bit
                self._shown[register] = value
            return value

        return read

    def _hold(self, word: int, value: int) -> None:
        super()._hold(word, value)
        self._shown = {}

    def _reset(self, *, power_on: bool) -> None:
        super()._reset(power_on=power_on)
        self._shown = {}

    def _restored(self) -> None:
        self._shown = {}

    def _clearing_writer(self, register: int, bits: int) -> Writer:
        stay = self._set_only.get(register, 0)
        ends = [(1 << bit, ~others) for at, bit, others in self._clears if at == register]

        def write(value: int) -> None:
            kept = value | self._held.get(register, 0) & stay
            for asked, left in ends:
                kept &= left if value & asked else -1
            self._hold(register, kept & ~bits)

        return write
