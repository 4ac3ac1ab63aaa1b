"""The questions of a board, asked of a machine that has come to rest."""

from __future__ import annotations

import re
from dataclasses import dataclass

from flash_emulator.device.flash import EmulatedFlash
from flash_emulator.device.trace import Operation
from flash_emulator.errors import AlignmentError
from flash_emulator.machine.board import Board, Image, Slot
from flash_emulator.machine.fault_words import in_words
from flash_emulator.machine.machine import Machine
from flash_emulator.machine.rest import Ended
from flash_emulator.machine.symbols import Symbols, shown
from flash_emulator.subject import Violation


@dataclass(frozen=True, slots=True)
class Judge:
    """Raises Violation where an answer is wrong."""

    board: Board
    symbols: Symbols
    flash: EmulatedFlash
    machine: Machine

    def judge(self, ended: Ended) -> str:
        """A short word on how it ended."""
        questions = self.board.questions
        if ended.kind not in questions.rests_in:
            if questions.live:
                raise Violation("live", self.end_in_words(ended))
            return ended.kind
        running = self._running(ended)
        if running is None:
            return ended.kind
        self._judge_running(running)
        return f"{ended.kind} {running.name}"

    # --- safe

    def _running(self, ended: Ended) -> Image | None:
        """The published image that runs; None where nobody asks."""
        questions = self.board.questions
        wrong = ""
        for image in questions.published:
            if image.address <= ended.pc < image.address + len(image.data):
                why_not = self._wrong_start(image, ended)
                if not why_not and self._is_held(image):
                    return image
                wrong = wrong or why_not
        if not questions.safe or not questions.published:
            return None
        where = self.symbols.name(ended.pc)
        if wrong:
            raise Violation("safe", f"what runs at {where} was not started: {wrong}")
        raise Violation("safe", f"what runs at {where} is none of the published images")

    def _is_held(self, image: Image) -> bool:
        try:
            return self.flash.match(image.address, image.data) == len(image.data)
        except AlignmentError:
            return False

    def _wrong_start(self, image: Image, ended: Ended) -> str:
        """Why that is no start of *image*, whatever the flash holds; empty where it is one."""
        slot = self._slot_of(image.address)
        if slot is not None and slot.entry == "any":
            return ""
        pc: int | None = ended.pc
        is_thread = ended.thread
        if ended.kind != "slot":
            if not ended.thread:
                return f"an exception is active ({self._last_exception()})"
            if self._is_elsewhere(ended.table, image):
                return f"VTOR is {shown(ended.table)}, and the image at {shown(image.address)}"
            pc, is_thread = self.machine.record.entries.get(image.address, (None, True))
        if not is_thread:
            return f"it is entered in handler mode ({self._last_exception()})"
        if pc is not None and pc != image.reset_vector:
            vector = f"{shown(image.reset_vector)}"
            return f"it is entered at {shown(pc)}, and its reset vector is {vector}"
        return ""

    def _slot_of(self, address: int) -> Slot | None:
        slots = self.board.slots
        return next((s for s in slots if s.address <= address < s.address + s.size), None)

    def _is_elsewhere(self, table: int, image: Image) -> bool:
        """VTOR as it was after reset is fine: many applications leave it to the bootloader."""
        return table not in (0, self.board.part.base, image.address + image.vectors)

    def _last_exception(self) -> str:
        entered = self.machine.record.exceptions
        if not entered:
            return "no exception was seen"
        name, pc = entered[-1]
        return f"the last one was {name}, at {self.symbols.name(pc)}"

    # --- live, no rollback, reported

    def _judge_running(self, running: Image) -> None:
        questions = self.board.questions
        if running.name in questions.never:
            raise Violation("no rollback", f"{running.name} runs")
        if questions.live and questions.wanted not in (None, running.name):
            raise Violation(
                "live",
                f"{running.name} runs, and {questions.wanted} is lost: left alone, the "
                "device stays with it",
            )
        said = self._said()
        if said is not None and said[1] != running.name:
            text, name = said
            raise Violation(
                "reported", f"{text!r} was sent, which {name} says; {running.name} runs"
            )

    def _said(self) -> tuple[str, str] | None:
        """What the output has said last of the board's texts, and the image that it names."""
        output = self.machine.record.output.decode("latin-1")
        found = [
            (match.end(), match[0], reported.image or match[1])
            for reported in self.board.questions.reported
            for match in re.finditer(reported.pattern, output)
            if reported.image or match[1]
        ]
        return max(found)[1:] if found else None

    def end_in_words(self, ended: Ended) -> str:
        """Where and why a boot has ended, with the fault before it."""
        text = f"{ended.kind} at {self.symbols.name(ended.pc)}: {ended.text}"
        faults = self.machine.record.faults
        if faults:
            words = in_words(faults[-1], self.board, self.machine, self.symbols)
            text += f"; the last fault: {words}"
        return text


class Guard:
    """Raises Violation where an operation would touch what must stay untouched."""

    def __init__(self, board: Board, symbols: Symbols, flash: EmulatedFlash) -> None:
        self._ranges, self._symbols, self._flash = board.questions.untouched, symbols, flash

    def __call__(self, operation: Operation, pc: int) -> None:
        touched = touched_by(operation, self._flash)
        for address, size in self._ranges:
            if touched.start < address + size and address < touched.stop:
                raise Violation(
                    "untouched",
                    f"{operation} touches {shown(address)} to {shown(address + size - 1)}, near "
                    f"{self._symbols.name(pc)}",
                )


def touched_by(operation: Operation, flash: EmulatedFlash) -> range:
    """Addresses that *operation* programs or erases: physical, as its own is."""
    begin, part = operation.address, flash.part
    match operation.kind:
        case "program":
            return range(begin, begin + len(operation.data))
        case "erase":
            size = part.sector_starts[flash.array_offset(begin)]
            return range(begin, begin + size)
        case "bank erase":
            return range(begin, begin + part.bank_size)
        case "mass erase":
            return range(part.base, part.bank_starts[-1] + part.bank_size)
        case _:
            return range(0)
