"""Instructions that the machine has to know of before the engine executes them.

Code is scanned by pages as the engine comes to it; data that looks like such an instruction does no
harm, since a hook is called only where it is executed, and looks again.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from flash_emulator.machine.engine import Engine
from flash_emulator.machine.exceptions import Exceptions
from flash_emulator.machine.rest import AtRest

_SPECIAL = re.compile(
    rb"(?="  # matches overlap: one at an odd address must not hide the one behind it
    rb"(?P<loop>\xfe\xe7)"  # b .
    rb"|(?P<wait>[\x10\x20\x30\x40]\xbf|\xaf\xf3[\x01-\x04]\x80)"  # yield, wfe, wfi, sev
    rb"|(?P<unmask>[\x61-\x63]\xb6|[\x80-\x8f]\xf3[\x10-\x13]\x88)"  # cpsie; msr to a mask
    rb"|(?P<control>\xef\xf3\x14[\x80-\x8c])"  # mrs Rd, control
    rb"|(?P<it>[^\x00\x10\x20\x30\x40\x50\x60\x70\x80\x90\xa0\xb0\xc0\xd0\xe0\xf0]\xbf)"
    rb")"
)
_LOOP = 0xE7FE
_MRS, _CONTROL = 0xF3EF, 0x14
_WAITS = {0xBF10: "YIELD", 0xBF20: "WFE", 0xBF30: "WFI", 0xBF40: "SEV"}
_WIDE_HINT = 0xF3AF
_SFPA = 8
_PATIENCE = 100_000  # events in a row that do not end ``b .``


def mark_it_blocks(engine: Engine, address: int, data: bytes) -> None:
    """Tell *engine* of the IT instructions in code that it has not executed yet; for whoever uses
    an engine without a machine."""
    for found in _SPECIAL.finditer(data):
        if found.lastgroup == "it" and found.start() % 2 == 0:
            engine.at_it(address + found.start())


class Waits(BaseException):
    """The core has come to YIELD, WFE, WFI or SEV at *pc*, *size* bytes; it was not executed."""

    def __init__(self, pc: int, name: str, size: int) -> None:
        self.pc, self.name, self.size = pc, name, size
        super().__init__(name)


class SpecialInstructions:
    """Those of one engine. *half_word* reads code; *skip* lets time jump to the next event, or is
    False; *idled* counts that an exception has come to ``b .``, and says whether that is enough;
    *due* is called where something that is pending may have become due."""

    def __init__(
        self,
        engine: Engine,
        exceptions: Exceptions,
        *,
        half_word: Callable[[int], int],
        skip: Callable[[], bool],
        idled: Callable[[], bool],
        due: Callable[[], None],
    ) -> None:
        self._engine, self._exceptions = engine, exceptions
        self._half_word, self._skip, self._idled, self._due = half_word, skip, idled, due
        self._known: set[int] = set()
        self.reset()

    def reset(self) -> None:
        self._control_in = ""
        self._waited = (0, 0)  # how many exceptions were taken, events since that ended nothing

    def scan(self, address: int, data: bytes) -> None:
        """The engine is about to translate code of this page."""
        for found in _SPECIAL.finditer(data):
            at = address + found.start()
            if at % 2 or at in self._known:
                continue
            self._known.add(at)
            match found.lastgroup:
                case "loop":
                    self._engine.at(at, self._looped)
                case "wait":
                    self._engine.at(at, self._waits)
                case "unmask":
                    self._engine.at(at, self._unmasked)
                case "it":
                    self._engine.at_it(at)
                case "control":
                    self._engine.at(at, self._reads_control)
                    self._engine.at(at + 4, self._has_read_control)

    def _looped(self, pc: int) -> None:
        """Nothing but an exception that can be taken ends it; what is masked does not."""
        if self._half_word(pc) != _LOOP:
            return
        if self._exceptions.due() is not None:
            self._due()
            return
        taken, events = self._waited
        is_back = taken != self._exceptions.taken
        self._waited = self._exceptions.taken, 1 if is_back else events + 1
        if (is_back and self._idled()) or self._waited[1] > _PATIENCE or not self._skip():
            raise AtRest("loop", "b . (a branch to itself)")

    def _waits(self, pc: int) -> None:
        """The engine must not execute it, it would end."""
        hint, size = self._half_word(pc), 2
        if hint == _WIDE_HINT:  # its number is in the next half-word
            hint, size = 0xBF00 | (self._half_word(pc + 2) & 0xF) << 4, 4
        if hint in _WAITS:
            raise Waits(pc, _WAITS[hint], size)

    def _unmasked(self, _pc: int) -> None:
        if self._exceptions.pending:
            self._due()

    def _reads_control(self, pc: int) -> None:
        target = self._half_word(pc + 2)
        if self._half_word(pc) == _MRS and target & 0xFF == _CONTROL:
            self._control_in = f"r{target >> 8 & 0xF}"

    def _has_read_control(self, _pc: int) -> None:
        """The engine takes every core for one with TrustZone, and shows SFPA in CONTROL."""
        if self._control_in:
            register, self._control_in = self._control_in, ""
            self._engine.registers[register] &= ~_SFPA
