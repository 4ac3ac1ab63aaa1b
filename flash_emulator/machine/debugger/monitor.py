"""What ``monitor`` answers in gdb: where the boot is, what flash holds, and the way to the cut."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from flash_emulator.errors import AlignmentError
from flash_emulator.explore.render.film import film_lines
from flash_emulator.explore.report import tag_of
from flash_emulator.machine.board import Image
from flash_emulator.machine.debugger.debuggee import Debuggee
from flash_emulator.machine.debugger.flash_words import (
    read_in_words,
    sector_lines,
    spoilt_lines,
    spoilt_units,
    unit_lines,
)
from flash_emulator.machine.debugger.stops import Resume, Stop
from flash_emulator.machine.symbols import shown

_MOST_UNITS, _MOST_AT_ONCE = 16, 64
_RECORD_BYTES = 64

_ARGUMENTS = {"boot": 1, "cut": 2, "flash": 1, "register": 1, "help": 1}

HELP = """\
monitor where            boot, instruction, place, time, and how the boot has ended
monitor boot N           to the reset of boot N of the path
monitor reset            to the reset of this boot
monitor cut              to just before the flash operation that is cut: of this boot, or of the
                         last one that was cut; monitor cut N: of boot N
monitor cut after        to the end of that boot, and what the cut has left; monitor cut N after
monitor violation        to the instruction in which it goes wrong
monitor flash            sectors by signs, and units that a cut has touched
monitor flash ADDRESS    the unit there: cells, check bits, what ECC makes of it, how it reads
monitor journal          flash operations of this boot so far, and records that the board names
monitor register ADDRESS what a register keeps, and whose it is
monitor replay           the film of the path
monitor exit             end the server
gdb's own: break, watch, stepi, step, continue, reverse-stepi, reverse-step, reverse-continue.
Without commands.gdb, after boot, reset, cut or violation: maintenance flush register-cache"""


class _Wrong(Exception):
    """What is asked for cannot be done, in words."""


class Monitor:
    """Of *debuggee*. ``run`` gives the words, or how to go on; then ``arrived`` does, until there
    are words."""

    def __init__(self, debuggee: Debuggee) -> None:
        self._debuggee = debuggee
        self._next: Callable[[Stop], str | Resume] | None = None
        self.is_over = False
        """The user wants no more."""
        self._commands: dict[str, Callable[[list[str]], str | Resume]] = {
            "help": lambda _: f"{HELP}\n",
            "where": lambda _: self._lines(self._where()),
            "boot": self._boot,
            "reset": lambda _: self._go(self._debuggee.at_reset(self._debuggee.boot)),
            "cut": self._cut,
            "violation": self._violation,
            "flash": self._flash,
            "journal": lambda _: self._lines(self._journal()),
            "register": self._register,
            "replay": lambda _: self._lines(self._replay()),
            "exit": self._exit,
        }

    def run(self, text: str) -> str | Resume:
        """*text* is what stands behind ``monitor``; the first letters of a command will do."""
        name, *arguments = text.split() or ["help"]
        found = [known for known in self._commands if known.startswith(name)]
        if name in self._commands or len(found) == 1:
            command = name if name in self._commands else found[0]
            try:
                _check_number(command, arguments)
                return self._commands[command](arguments)
            except _Wrong as wrong:
                return f"{wrong}\n"
        what = f"{name!r} is {'more than one command' if found else 'no command'}"
        return f"{what}; known are {', '.join(self._commands)}\n"

    @property
    def is_going(self) -> bool:
        """Whether it waits for the machine to stand still somewhere."""
        return self._next is not None

    def arrived(self, stop: Stop) -> str | Resume:
        """It does."""
        assert self._next is not None
        then, self._next = self._next, None
        return then(stop)

    def _go(self, resume: Resume, then: Callable[[Stop], str | Resume] | None = None) -> Resume:
        self._next = then or self._is_there
        return resume

    def _is_there(self, _: Stop) -> str:
        return self._lines(self._where())

    @staticmethod
    def _lines(lines: Iterable[str]) -> str:
        return "".join(f"{line}\n" for line in lines)

    def _exit(self, _: list[str]) -> str:
        self.is_over = True
        return "the server ends\n"

    # --- where

    def _where(self) -> Iterator[str]:
        debuggee, machine = self._debuggee, self._debuggee.machine
        number, place = debuggee.number, debuggee.place(debuggee.pc)
        at = f"before instruction {number:,}" if not debuggee.end else f"behind {number - 1:,}"
        yield f"boot {debuggee.boot} of {debuggee.boots}, {at}, at {place}"
        done = sum(operation.done for operation, _ in machine.record.operations)
        yield f"{done} flash operations done, {machine.now_us / 1000:.3f} ms since power-on"
        start = debuggee.film.starts[debuggee.boot - 1]
        if start.cut is not None:
            yield f"this boot ends with a cut: {start.cut}"
        elif debuggee.film.violation is not None:
            question, text = debuggee.film.violation
            yield f"this boot goes wrong: {tag_of(question)}: {text}"
        if debuggee.end:
            yield f"it is over: {debuggee.end}"

    # --- going somewhere

    def _boot(self, arguments: list[str]) -> Resume:
        return self._go(self._debuggee.at_reset(self._number(arguments)))

    def _number(self, arguments: list[str]) -> int:
        last = self._debuggee.boots
        text = arguments[0] if arguments else ""
        if not text.isdecimal() or not 1 <= int(text) <= last:
            raise _Wrong(f"boot {text or 'N'}: a number from 1 to {last} is expected")
        return int(text)

    def _cut(self, arguments: list[str]) -> Resume:
        is_after = arguments[-1:] == ["after"]
        boot = self._cut_boot(arguments[:-1] if is_after else arguments)
        to_end = Resume(boot, drops_edits=True)
        if is_after:
            return self._go(to_end, lambda _: self._lines(self._left()))
        return self._go(to_end, lambda _: self._before_end("the cut"))

    def _cut_boot(self, arguments: list[str]) -> int:
        if len(arguments) > 1:
            raise _Wrong(f"monitor cut {' '.join(arguments)}: one boot at most, then after")
        starts = self._debuggee.film.starts
        boot = self._number(arguments) if arguments else self._debuggee.boot
        if not arguments and starts[boot - 1].cut is None:
            boot = max(boot - 1, 1)
        if starts[boot - 1].cut is None:
            raise _Wrong(f"power is not cut in boot {boot}: {self._how_it_ends()}")
        return boot

    def _how_it_ends(self) -> str:
        film = self._debuggee.film
        found = f"violation of {film.violation[0]}" if film.violation else f"at rest: {film.end}"
        return f"the path is {film.path}, and its last boot ends with {found}"

    def _violation(self, _: list[str]) -> Resume:
        if self._debuggee.film.violation is None:
            raise _Wrong(f"nothing is violated: {self._how_it_ends()}")
        to_end = Resume(self._debuggee.boots, drops_edits=True)
        return self._go(to_end, lambda _: self._before_end("the violation"))

    def _before_end(self, what: str) -> str | Resume:
        """The boot is over: back to the instruction in which it ended."""
        debuggee = self._debuggee
        last, why = debuggee.ends[debuggee.boot], debuggee.end
        if not last:
            return self._lines([f"no instruction was executed before {what}: {why}"])
        words = f"the next instruction is that of {what}: {why}"
        to_last = Resume(debuggee.boot, to=last)
        return self._go(to_last, lambda _: self._lines([*self._where(), words]))

    def _left(self) -> Iterator[str]:
        """What the cut has left, and what the next boot finds."""
        debuggee, flash = self._debuggee, self._debuggee.machine.flash
        yield from self._where()
        before = debuggee.film.starts[debuggee.boot - 1].state
        known = set(spoilt_units(before))
        changed = [
            unit
            for unit in spoilt_units(flash)
            if unit not in known or before.cells.raw(unit) != flash.cells.raw(unit)
        ]
        yield f"units that are not plain since this boot: {len(changed) or 'none'}"
        for unit in changed[:_MOST_UNITS]:
            yield f"  {shown(flash.address_of(unit))}  {read_in_words(flash, unit)}"
        if len(changed) > _MOST_UNITS:
            yield f"  and {len(changed) - _MOST_UNITS} more"
        yield f"monitor boot {debuggee.boot + 1} goes to the reset of the boot that finds it so"

    # --- looking

    def _flash(self, arguments: list[str]) -> str:
        flash = self._debuggee.machine.flash
        if not arguments:
            return self._lines([*sector_lines(flash), *spoilt_lines(flash, _MOST_UNITS)])
        address = _address(arguments[0])
        real = self._debuggee.memory.canonical(address)
        try:
            return self._lines(unit_lines(flash, real))
        except AlignmentError as error:
            raise _Wrong(f"{shown(address)} is not in flash: {error}") from error

    def _journal(self) -> Iterator[str]:
        debuggee = self._debuggee
        number, operations = 0, debuggee.machine.record.joined()
        if not operations:
            yield "no flash operation in this boot so far"
        for operation, pc in operations:
            first, number = number + 1, number + max(operation.done, 1)
            numbers = f"{first} to {number}" if number > first else f"{first}"
            yield f"{numbers:>12}  {operation}, at {debuggee.place(pc)}"
        records = [image for image in debuggee.board.images if self._is_record(image)]
        for image in records:
            data = debuggee.memory.read(image.address, len(image.data))
            words = [data[at : at + 4][::-1].hex() for at in range(0, len(data), 4)]
            as_before = "as the board file has it" if data == image.data else "changed"
            yield f"record {image.name} at {shown(image.address)}: {' '.join(words)}, {as_before}"
        if not records:
            yield f"the board file names no record (an image of at most {_RECORD_BYTES} bytes)"

    def _is_record(self, image: Image) -> bool:
        """Neither a program nor a part of one."""
        debuggee = self._debuggee
        programs = {program.name for program in debuggee.programs}
        published = {each.name for each in debuggee.board.questions.published}
        return len(image.data) <= _RECORD_BYTES and image.name not in programs | published

    def _register(self, arguments: list[str]) -> str:
        if not arguments:
            raise _Wrong("monitor register ADDRESS: of a register, such as 0x40022010")
        address = _address(arguments[0]) & ~3
        if self._debuggee.machine.space.peek(address, 4) is not None:
            raise _Wrong(f"{shown(address)} is memory, and no register: x/4xb shows it")
        space, memory = self._debuggee.machine.space, self._debuggee.memory
        offset = address - space.front.base
        if 0 <= offset < 0x400:
            name = f"FLASH_{space.front.name_of(offset) or 'nothing'}"
            read = "a read by the program may give more flags, and takes time"
        elif address >= 0xE000_0000:
            name, read = "the core's", "a read by the program gives this, and may clear COUNTFLAG"
        else:
            device = self._debuggee.machine.bus.device_at(address)
            named = getattr(device, "name", "SYSCFG") if device is not None else ""
            name = f"{named} + 0x{address - device.base:x}" if device is not None else "nobody's"
            read = (
                "a read by the program may give more, and act: take a byte, clear a flag"
                if device is not None
                else "nobody models it: it keeps what was written"
            )
        return f"{shown(address)}  {name}  keeps 0x{memory.register(address):08x}; {read}\n"

    def _replay(self) -> Iterator[str]:
        film = self._debuggee.film
        yield from film_lines(film)
        yield f"path: {film.path}"


def _check_number(command: str, arguments: list[str]) -> None:
    most = _ARGUMENTS.get(command, 0)
    if len(arguments) > most:
        taken = f"takes {most} at most" if most else "takes nothing more"
        raise _Wrong(f"monitor {command} {taken}, found {' '.join(arguments)!r}")


def _address(text: str) -> int:
    try:
        address = int(text, 0)
    except ValueError as error:
        raise _Wrong(f"{text!r} is no address: such as 0x08004800 is expected") from error
    if not 0 <= address <= 0xFFFF_FFFF:
        raise _Wrong(f"{text}: an address has 32 bits")
    return address
