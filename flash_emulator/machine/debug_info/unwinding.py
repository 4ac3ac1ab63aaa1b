"""The call stack by call frame information (.debug_frame), and through exception frames.

What a caller had in its registers follows from what the callee's CFI says of each of its
instructions. Where a return address is an EXC_RETURN, the core has stacked the registers itself
(Armv7-M ARM, B1.5.6 to B1.5.8).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

ReadWord = Callable[[int], int | None]
Elsewhere = Callable[[int], "Unwinder | None"]

_MOST_FRAMES = 64
_SP, _LR, _PC = 13, 14, 15
_NAMES = (*(f"r{n}" for n in range(13)), "sp", "lr", "pc")
_EXC_RETURN = 0xFFFF_FF00
_EXCEPTIONS = {
    2: "NMI", 3: "HardFault", 4: "MemManage", 5: "BusFault", 6: "UsageFault", 11: "SVCall",
    12: "DebugMonitor", 14: "PendSV", 15: "SysTick",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Level:
    """One frame: *pc* is of the instruction that is executed; *call*, of that which has called.
    *note* as ``StackFrame`` has it."""

    pc: int
    call: int
    cfa: int | None
    note: str = ""


class Stopped(Exception):
    """The stack cannot be followed further, and why; without text, where it ends."""


class Unwinder:
    """*dwarf* is pyelftools', None where there is no CFI. *name*: an address in words. *is_code*:
    whether instructions lie there. *bytes_at*: what the program holds at an address. *first*: the
    function that it begins with."""

    def __init__(
        self,
        dwarf: Any,
        name: Callable[[int], str],
        is_code: Callable[[int], bool],
        bytes_at: Callable[[int, int], bytes | None],
        first: range,
    ) -> None:
        self._dwarf, self.name, self._is_code = dwarf, name, is_code
        self.bytes_at, self._first = bytes_at, first

    def levels(
        self, registers: Mapping[str, int], read_word: ReadWord, elsewhere: Elsewhere
    ) -> Iterator[Level]:
        """From *registers* on: r0 to r12, sp, lr, pc; msp, psp where exceptions use both.
        *elsewhere*: that of another program whose code an address is."""
        unwinder = self
        values = {n: registers[name] for n, name in enumerate(_NAMES) if name in registers}
        banked = {"ipsr": registers.get("xpsr", 0) & 0x1FF, **registers}
        pc, is_exact, note = values.get(_PC, 0) & ~1, True, ""
        for _ in range(_MOST_FRAMES):
            call = pc if is_exact else pc - 2
            try:
                cfa, values = unwinder.caller(call, values, read_word, is_exact=is_exact)
                above = values.get(_LR, 0)
                if above >= _EXC_RETURN and above != 0xFFFF_FFFF:
                    yield Level(pc, call, cfa, note)
                    values, number = _unstacked(above, values, banked, read_word)
                    pc, is_exact = values[_PC] & ~1, True
                    unwinder = unwinder.of(pc, elsewhere) or unwinder
                    note = f"{exception_name(number)} was taken here"
                    continue
                unwinder = unwinder.above(call, above, elsewhere)
            except Stopped as stopped:
                words = "; ".join(part for part in (note, str(stopped)) if part)
                yield Level(pc, call, None, words)
                return
            yield Level(pc, call, cfa, note)
            pc, is_exact, note = above & ~1, False, ""
        yield Level(pc, pc - 2, None, f"more than {_MOST_FRAMES} frames")

    def of(self, address: int, elsewhere: Elsewhere) -> Unwinder | None:
        """Of the program whose code *address* is."""
        return self if self._is_code(address) else elsewhere(address)

    def above(self, call: int, above: int, elsewhere: Elsewhere) -> Unwinder:
        """Of the program that *above* returns to. Raises Stopped where none has called *call*."""
        if above in (0, 0xFFFF_FFFF):
            raise Stopped
        found = self.of(above & ~1, elsewhere) if above & 1 else None
        if found is None:
            raise Stopped(f"the return address is {self.name(above)}: no code that is known")
        at = (above & ~1) - 4
        is_bl = called(found.bytes_at(at, 4) or b"", at + 4) is not None  # calls its own program
        if found is not self and (is_bl or call in self._first):
            left = found.name(at)
            raise Stopped(f"another program has jumped here: lr is left of its call at {left}")
        return found

    def caller(
        self, call: int, values: dict[int, int], read_word: ReadWord, *, is_exact: bool
    ) -> tuple[int, dict[int, int]]:
        """CFA, and the registers of the caller. Raises Stopped where there is none: a function that
        does not return keeps no return address, and lr is left from its last call."""
        line = self._line(call)
        if is_exact and _SP in values and (popped := self._popped(call)) is not None:
            return _pop(popped, values, read_word)
        if line is None:
            lr = values.get(_LR)
            hint = f"; lr is {self.name(lr)}" if is_exact and lr is not None else ""
            raise Stopped(f"no call frame information for {self.name(call)}{hint}")
        rule = line["cfa"]
        if rule.expr is not None or rule.reg not in values:
            raise Stopped("the call frame information uses what is not supported: an expression")
        cfa = (values[rule.reg] + rule.offset) & 0xFFFF_FFFF
        if _LR not in line and (not is_exact or self._is_left_over(call, values.get(_LR, 0))):
            raise Stopped
        above = dict(values)
        above[_SP] = cfa
        for number in range(_PC):
            if number in line:
                _apply(line[number], number, cfa, values, above, read_word)
        return cfa, above

    def _popped(self, pc: int) -> int | None:
        """Registers, a bit each, that a POP with PC at *pc* loads; None where it is another
        instruction. Compilers for Armv6-M give no CFI for what comes before it."""
        code = int.from_bytes(self.bytes_at(pc, 2) or b"", "little")
        return code & 0xFF if code & 0xFF00 == 0xBD00 else None

    def _is_left_over(self, pc: int, lr: int) -> bool:
        """Whether *lr* is of a call that the function of *pc* has made, and not of the one that has
        called it: it points into the function, to where no return address is kept."""
        if lr >= _EXC_RETURN:
            return False
        call = (lr & ~1) - 2
        here, there = self._entry(pc), self._entry(call)
        return here is not None and here is there and _LR not in (self._line(call) or ())

    def _line(self, address: int) -> Mapping[Any, Any] | None:
        """The rules that hold at *address*."""
        entry = self._entry(address)
        table = () if entry is None else entry.get_decoded().table
        lines = [line for line in table if line["pc"] <= address]
        return lines[-1] if lines else None

    def _entry(self, address: int) -> Any:
        index = bisect_right(self._starts, address) - 1
        if index < 0:
            return None
        begin, end, entry = self._entries[index]
        return entry if begin <= address < end else None

    @cached_property
    def _starts(self) -> list[int]:
        return [begin for begin, _, _ in self._entries]

    @cached_property
    def _entries(self) -> list[tuple[int, int, Any]]:
        from elftools.dwarf.callframe import FDE

        if self._dwarf is None or not self._dwarf.has_CFI():
            return []
        found = []
        for entry in self._dwarf.CFI_entries():
            if isinstance(entry, FDE):
                begin, size = entry.header["initial_location"], entry.header["address_range"]
                if self._is_code(begin):
                    found.append((begin, begin + size, entry))
        return sorted(found, key=lambda each: each[:2])


def _pop(registers: int, values: dict[int, int], read_word: ReadWord) -> tuple[int, dict[int, int]]:
    """CFA and the registers of the caller, where the return address is about to be popped."""
    above, at = dict(values), values[_SP]
    for number in [*(n for n in range(8) if registers >> n & 1), _LR]:
        word = read_word(at)
        if word is None:
            raise Stopped(f"the stack at 0x{at:08X} cannot be read")
        above[number], at = word, at + 4
    above[_SP] = at
    return at, above


def _apply(
    rule: Any,
    number: int,
    cfa: int,
    values: dict[int, int],
    above: dict[int, int],
    read_word: ReadWord,
) -> None:
    """What register *number* held in the caller, into *above*."""
    match rule.type:
        case "OFFSET":
            word = read_word((cfa + rule.arg) & 0xFFFF_FFFF)
            if word is None:
                raise Stopped(f"the stack at 0x{cfa + rule.arg:08X} cannot be read")
            above[number] = word
        case "VAL_OFFSET":
            above[number] = (cfa + rule.arg) & 0xFFFF_FFFF
        case "REGISTER" if rule.arg in values:
            above[number] = values[rule.arg]
        case "UNDEFINED":
            above.pop(number, None)
            if number == _LR:
                raise Stopped
        case "SAME_VALUE":
            pass
        case _:
            raise Stopped("the call frame information uses what is not supported: an expression")


def _unstacked(
    exc_return: int, values: dict[int, int], banked: dict[str, int], read_word: ReadWord
) -> tuple[dict[int, int], int]:
    """The registers that an exception has interrupted, and its number, as IPSR does not tell it:
    that of the handler which runs."""
    on_psp = exc_return & 4 and "psp" in banked
    at = banked["psp"] if on_psp else values[_SP]
    words = [read_word(at + 4 * n) for n in range(8)]
    if None in words:
        raise Stopped(f"the exception frame at 0x{at:08X} cannot be read")
    r0, r1, r2, r3, r12, lr, pc, xpsr = (word or 0 for word in words)
    size = 0x20 if exc_return & 0x10 else 0x68
    above = {**values, 0: r0, 1: r1, 2: r2, 3: r3, 12: r12, _LR: lr, _PC: pc}
    above[_SP] = at + size + (4 if xpsr & 0x200 else 0)
    number = banked.get("ipsr", 0)
    banked["ipsr"] = xpsr & 0x1FF
    return above, number


def called(code: bytes, behind: int) -> int | None:
    """The address that a BL calls, whose four bytes *code* end at *behind*; None of all else
    (Armv7-M ARM, A7.7.18)."""
    first, second = int.from_bytes(code[:2], "little"), int.from_bytes(code[2:4], "little")
    if first & 0xF800 != 0xF000 or second & 0xD000 != 0xD000:
        return None
    sign, high, low = first >> 10 & 1, first & 0x3FF, second & 0x7FF
    bits = (1 ^ (second >> 13 & 1) ^ sign) << 1 | (1 ^ (second >> 11 & 1) ^ sign)
    offset = sign << 24 | bits << 22 | high << 12 | low << 1
    return (behind + offset - (sign << 25)) & 0xFFFF_FFFF


def exception_name(number: int) -> str:
    """``NMI``; ``interrupt 5`` of the chip's own; "an exception" where it is not known."""
    if number >= 16:
        return f"interrupt {number - 16}"
    return _EXCEPTIONS.get(number, "an exception")
