"""What compiled firmware was doing at a moment of a film, from its debug information."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from flash_emulator.machine.debug_info import DebugInfo, DebugInfos, Location, StackFrame
from flash_emulator.machine.debug_info.disassembly import MissingDisassembler, disassembly
from flash_emulator.machine.engine_registers import REGISTERS
from flash_emulator.machine.machine import Machine
from flash_emulator.machine.rest import Ended
from flash_emulator.machine.symbols import Symbols
from flash_emulator.moment import Caller, Excerpt, Instruction, Running, SourceLine

_AROUND = 4  # lines of source on either side


def running(machine: Machine, debug: DebugInfos, symbols: Symbols, ended: Ended | None) -> Running:
    """Where *machine* is. *symbols*: of code that *debug* knows nothing of. *ended*: how the boot
    has ended, where it has."""
    pc = machine.pc() if ended is None else ended.pc
    registers = {name: machine.engine.registers[name] for name in REGISTERS} | {"pc": pc}
    info = debug.at(pc, machine.space.peek)
    if info is None:
        stack: tuple[Caller, ...] = (Caller(pc, symbols.name(pc)),)
        return _without_source(
            machine, symbols, stack, registers, debug.why_not(pc, machine.space.peek)
        )

    def other(address: int) -> DebugInfo | None:
        return debug.at(address, machine.space.peek)

    frames = info.unwind(registers, lambda at: _word(machine, at), other)
    if ended is not None and ended.kind == "slot":  # nobody has called what begins there
        frames = (replace(frames[0], note="begins here"),)
    stack = tuple(
        caller
        for frame in frames
        for caller in _callers(info if info.is_code(frame.pc) else other(frame.pc), frame)
    )
    excerpt, why_not = _excerpt(info, frames[0], debug)
    if excerpt is None:
        return _without_source(machine, info.symbols, stack, registers, why_not)
    return Running(stack, registers, excerpt)


def _word(machine: Machine, address: int) -> int | None:
    data = machine.space.peek(address, 4)
    return None if data is None else int.from_bytes(data, "little")


def _callers(info: DebugInfo | None, frame: StackFrame) -> Iterator[Caller]:
    """A function each: those that were inlined are told as if they had been called."""
    if info is None or not frame.locations:
        yield Caller(frame.pc, frame.symbol, note=frame.note)
        return
    for index, location in enumerate(frame.locations):
        is_inlined = index < len(frame.locations) - 1
        note = "" if index else frame.note
        source = _source(info, location)
        yield Caller(frame.pc, frame.symbol, source, is_inlined=is_inlined, note=note)


def _source(info: DebugInfo, location: Location) -> SourceLine:
    path = info.source_path(location.file)
    return SourceLine(
        location.function,
        location.file,
        location.line,
        location.column,
        "" if path is None else str(path),
    )


def _excerpt(info: DebugInfo, frame: StackFrame, debug: DebugInfos) -> tuple[Excerpt | None, str]:
    """The lines around the innermost place; else why there are none."""
    location = next((each for each in frame.locations if each.line), None)
    if location is None:
        return None, debug.why_not(frame.pc)
    text = info.source(location.file)
    if text is None:
        folders = ", ".join(str(folder) for folder in info.looked_in)
        return None, f"sources are gone: looked for {location.file} in {folders}"
    if location.line > len(text):
        why = f"{location.file} has {len(text)} lines, and line {location.line} ran"
        return None, f"the source is another one: {why}"
    first = max(1, location.line - _AROUND)
    lines = text[first - 1 : location.line + _AROUND]
    return Excerpt(location.file, first, lines, location.line), ""


def _without_source(
    machine: Machine,
    symbols: Symbols,
    stack: tuple[Caller, ...],
    registers: dict[str, int],
    why_not: str,
) -> Running:
    """With a disassembly in its place."""
    pc = registers["pc"]
    missing = [why_not]
    try:
        found = disassembly(machine.space.peek, pc, symbols)
    except MissingDisassembler as error:
        found = ()
        missing.append(str(error))
    instructions = (
        Instruction(each.address, each.data, each.text, each.address == pc) for each in found
    )
    return Running(stack, registers, None, tuple(instructions), tuple(missing))
