"""What the packets ask for: the GDB remote serial protocol, in front of a ``Debuggee``.

GDB manual, appendix E.2 to E.5. A request that cannot be done is answered with ``E.`` and why; one
that is not known with nothing, as the protocol has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from flash_emulator.machine.debugger.core_registers import CoreRegisters, target_xml
from flash_emulator.machine.debugger.debuggee import Debuggee
from flash_emulator.machine.debugger.memory import Refused, Region
from flash_emulator.machine.debugger.packets import MOST
from flash_emulator.machine.debugger.stops import Resume, Stop, Watchpoint

Answer = bytes | Resume | None
"""What is sent at once, None for nothing; or how the boot goes on: a stop reply is sent when it
stands still again."""

_WATCHES = {"2": "write", "3": "read", "4": "access"}
_WATCH_WORDS = {"write": "watch", "read": "rwatch", "access": "awatch"}
_FEATURES = (
    f"PacketSize={MOST:x}",
    "qXfer:features:read+",
    "qXfer:memory-map:read+",
    "QStartNoAckMode+",
    "ReverseStep+",
    "ReverseContinue+",
    "vContSupported+",
    "swbreak+",
    "hwbreak+",
)
_NOTHING = b""
_OK = b"OK"
_SILENCE = None


class Protocol:
    """*monitor* carries out ``monitor`` commands: words, or how to go on until there are some.

    *then*: how the boot goes on although no stop reply is waited for.
    """

    def __init__(self, debuggee: Debuggee, monitor: Callable[[str], str | Resume]) -> None:
        self._debuggee, self._monitor = debuggee, monitor
        self._registers = CoreRegisters(debuggee.machine)
        self._again: bytes | None = None
        self.attach()

    def attach(self) -> None:
        """Another debugger: nothing is set yet."""
        self.wants_acks, self.is_leaving = True, False
        self.then: Resume | None = None
        self._knows_swbreak = self._knows_hwbreak = False
        self._breakpoints: dict[tuple[str, int], int] = {}  # kind and address
        self._watchpoints: dict[tuple[str, int, int], Watchpoint] = {}
        self._set()

    def answer(self, packet: bytes) -> Answer:
        """Never raises, whatever *packet* holds."""
        try:
            text = packet.decode("latin-1")
            return self._known(text, packet)
        except Refused as refused:
            return _error(str(refused))
        except (ValueError, IndexError, OverflowError) as error:
            return _error(f"{text[:40]!r} is not what this request looks like: {error}")

    def _known(self, text: str, packet: bytes) -> Answer:
        first, rest = text[:1], text[1:]
        match first:
            case "?":
                return self.stopped(Stop())
            case "g":
                return self._all_registers().hex().encode()
            case "G":
                return self._edit(packet, partial(self._set_all, bytes.fromhex(rest)))
            case "p":
                return self._read_register(int(rest, 16)).hex().encode()
            case "P":
                number, _, value = rest.partition("=")
                write = partial(self._set_register, int(number, 16), bytes.fromhex(value))
                return self._edit(packet, write)
            case "m":
                address, size = _two(rest)
                return self._debuggee.memory.read(address, min(size, MOST // 2)).hex().encode()
            case "M" | "X":
                return self._write(first, rest, packet)
            case "Z" | "z":
                return self._set_stop(rest, is_set=first == "Z")
            case "H" | "T" | "!":
                return _OK
            case _:
                return self._running(first, rest, text)

    def _running(self, first: str, rest: str, text: str) -> Answer:
        match first:
            case "c" | "C" | "s" | "S":
                return self._old_resume(first, rest)
            case "b" if text in ("bs", "bc"):
                return self._back(is_step=text == "bs")
            case "k":
                self.is_leaving, self.then = True, self._debuggee.at_reset()
                return _SILENCE
            case "R":
                self.then = self._debuggee.at_reset()
                return _SILENCE
            case "D":
                self.is_leaving = True
                return _OK
            case "v":
                return self._v(text)
            case "q" | "Q":
                return self._query(text)
        return _NOTHING

    # --- stops

    def stopped(self, stop: Stop) -> bytes:
        """The stop reply."""
        why = ""
        if stop.watchpoint is not None:
            why = f"{_WATCH_WORDS[stop.watchpoint.kind]}:{stop.watchpoint.address:x};"
        elif stop.at_breakpoint:
            kinds = {kind for kind, at in self._breakpoints if self._is_here(at)}
            if "0" in kinds and self._knows_swbreak:
                why = "swbreak:;"
            elif "1" in kinds and self._knows_hwbreak:
                why = "hwbreak:;"
        elif stop.edge == "begin":
            why = "replaylog:begin;"
        return f"T{stop.signal:02x}{why}thread:1;".encode()

    def _is_here(self, address: int) -> bool:
        memory = self._debuggee.memory
        return memory.canonical(address & ~1) == memory.canonical(self._debuggee.pc)

    # --- registers and memory

    def _all_registers(self) -> bytes:
        pc = self._debuggee.pc
        return b"".join(self._registers.read(each, pc) for each in self._registers.all)

    def _read_register(self, number: int) -> bytes:
        return self._registers.read(self._registers.at(number), self._debuggee.pc)

    def _set_all(self, data: bytes) -> None:
        wanted = sum(register.size for register in self._registers.all)
        if len(data) != wanted:
            raise Refused(f"{len(data)} bytes of registers: this core has {wanted}")
        at = 0
        for number, register in enumerate(self._registers.all):
            value = data[at : at + register.size]
            at += register.size
            if value != self._read_register(number):
                self._set_register(number, value)

    def _set_register(self, number: int, data: bytes) -> None:
        register, value = self._registers.at(number), int.from_bytes(data, "little")
        if len(data) != register.size:
            raise Refused(f"{register.name} has {register.size} bytes, not {len(data)}")
        if register.name == "pc":
            self._debuggee.jump(value)
        else:
            self._registers.write(register, value)

    def _write(self, first: str, rest: str, packet: bytes) -> Answer:
        place, _, text = rest.partition(":")
        address, size = _two(place)
        data = bytes.fromhex(text) if first == "M" else text.encode("latin-1")
        if len(data) != size:
            raise Refused(f"{size} bytes are announced, and {len(data)} come")
        if not data:
            return _OK  # gdb asks so whether X is known
        return self._edit(packet, partial(self._put, address, data))

    def _put(self, address: int, data: bytes) -> None:
        memory, pc = self._debuggee.memory, self._debuggee.pc
        memory.write(address, data)
        if memory.is_code_in_use(address):
            self._debuggee.jump(pc)  # so that what is next is translated anew

    def _edit(self, packet: bytes, change: Callable[[], object]) -> Answer:
        """Between two instructions."""
        if self._debuggee.is_within:
            self._again = packet
            self.then = Resume(self._debuggee.boot, to=self._debuggee.number)
            return _SILENCE
        self._debuggee.edit(change)
        return _OK

    def arrived(self) -> Answer:
        """It stands before the instruction now: the change that was waiting."""
        packet, self._again = self._again, None
        return None if packet is None else self.answer(packet)

    # --- breakpoints and watchpoints

    def _set_stop(self, rest: str, *, is_set: bool) -> bytes:
        kind, address, size = rest.split(";")[0].split(",")
        at, length = int(address, 16), int(size, 16)
        if kind in ("0", "1"):
            self._keep(self._breakpoints, (kind, at), length, is_set)
        elif kind in _WATCHES:
            self._keep(self._watchpoints, (kind, at, length), self._watch(kind, at, length), is_set)
        else:
            return _NOTHING
        self._set()
        return _OK

    def _watch(self, kind: str, address: int, size: int) -> Watchpoint:
        if not size:
            raise Refused(f"a watchpoint of no bytes at 0x{address:08x}")
        place = self._debuggee.memory.canonical(address)
        return Watchpoint(_WATCHES[kind], address, place, size)

    @staticmethod
    def _keep(kept: dict, key: object, value: object, is_set: bool) -> None:  # type: ignore[type-arg]
        if is_set:
            kept[key] = value
        else:
            kept.pop(key, None)

    def _set(self) -> None:
        self._debuggee.set_breakpoints(address for _, address in self._breakpoints)
        self._debuggee.set_watchpoints(self._watchpoints.values())

    # --- running

    def _step(self) -> Resume:
        return Resume(self._debuggee.boot, to=self._debuggee.number + 1, breaks=True)

    def _continue(self) -> Resume:
        return Resume(self._debuggee.boot, breaks=True)

    def _back(self, *, is_step: bool) -> Answer:
        debuggee = self._debuggee
        if debuggee.number <= 1:
            begin = Stop(text="this is the reset of the boot: monitor boot N goes to another one")
            return Resume(debuggee.boot, to=debuggee.number, stop=_at_begin(begin))
        if is_step:
            return Resume(debuggee.boot, to=debuggee.number - 1)
        return Resume(debuggee.boot, to=debuggee.number, is_back=True)

    def _old_resume(self, first: str, rest: str) -> Answer:
        place = rest.partition(";")[2] if first in "CS" else rest
        if first in "CS":
            int(rest.partition(";")[0], 16)
        if place and self._debuggee.is_within:
            raise Refused("it stands within an instruction: step first, then go on elsewhere")
        if place:
            self._debuggee.edit(partial(self._debuggee.jump, int(place, 16)))
        return self._step() if first in "sS" else self._continue()

    def _v(self, text: str) -> Answer:
        if text == "vCont?":
            return b"vCont;c;C;s;S;r"
        if text.startswith("vCont;"):
            return self._v_cont(text.split(";")[1].partition(":")[0])
        if text.startswith("vKill"):
            self.is_leaving, self.then = True, self._debuggee.at_reset()
            return _OK
        if text.startswith("vFlash"):
            return _error(
                "flash is not programmed by the debugger: the board file names its images"
            )
        if text.startswith("vRun"):
            return self._debuggee.at_reset()
        return _NOTHING

    def _v_cont(self, action: str) -> Answer:
        match action[:1]:
            case "c" | "C":
                return self._continue()
            case "s" | "S":
                return self._step()
            case "r":
                begin, end = _two(action[1:])
                resume = self._continue()
                return Resume(resume.boot, breaks=True, within=range(begin, end))
        raise Refused(f"vCont;{action}: known are c, s and r")

    # --- queries

    def _query(self, text: str) -> Answer:
        name, _, rest = text.partition(":")
        match name:
            case "qSupported":
                self._knows_swbreak, self._knows_hwbreak = "swbreak+" in rest, "hwbreak+" in rest
                return ";".join(_FEATURES).encode()
            case "QStartNoAckMode":
                self.wants_acks = False
                return _OK
            case "qXfer":
                return self._transfer(rest)
            case "qC":
                return b"QC1"
            case "qfThreadInfo":
                return b"m1"
            case "qsThreadInfo":
                return b"l"
            case "qAttached":
                return b"1"
            case "qSymbol":
                return _OK
        if text.startswith("qRcmd,"):
            return self._command(bytes.fromhex(text[6:]).decode("utf-8", "replace"))
        return _NOTHING

    def _command(self, text: str) -> Answer:
        return self.told(self._monitor(text))

    def told(self, found: str | Resume) -> Answer:
        """What a ``monitor`` command has come to."""
        if isinstance(found, Resume):
            self.then = found
            return _SILENCE
        return b"O" + found.encode().hex().encode() if found else _OK

    def _transfer(self, rest: str) -> bytes:
        kind, verb, annex, window = rest.split(":")
        if verb != "read":
            raise Refused(f"qXfer:{kind}:{verb}: it can only be read")
        if kind == "features" and annex == "target.xml":
            document = target_xml(self._debuggee.machine.core)
        elif kind == "memory-map" and not annex:
            document = "\n".join(_memory_map(self._debuggee.memory.regions()))
        else:
            raise Refused(f"qXfer:{kind}:read:{annex}: there is no such document")
        begin, size = _two(window)
        data = document.encode()[begin : begin + min(size, MOST - 1)]
        return (b"m" if begin + len(data) < len(document) else b"l") + data


def _at_begin(stop: Stop) -> Stop:
    return Stop(stop.signal, stop.text, edge="begin")


def _memory_map(regions: Iterator[Region]) -> Iterator[str]:
    yield '<?xml version="1.0"?>'
    yield (
        '<!DOCTYPE memory-map PUBLIC "+//IDN gnu.org//DTD GDB Memory Map V1.0//EN" '
        '"http://sourceware.org/gdb/gdb-memory-map.dtd">'
    )
    yield "<memory-map>"
    for region in regions:
        place = f'type="{region.kind}" start="0x{region.address:x}" length="0x{region.size:x}"'
        if region.kind == "flash":
            block = f'<property name="blocksize">0x{region.block:x}</property>'
            yield f"<memory {place}>{block}</memory>"
        else:
            yield f"<memory {place}/>"
    yield "</memory-map>"


def _two(text: str) -> tuple[int, int]:
    first, second = text.split(",")
    found = int(first, 16), int(second, 16)
    if min(found) < 0 or found[0] > 0xFFFF_FFFF:
        raise ValueError("an address of 32 bits and a size are expected")
    return found


def _error(text: str) -> bytes:
    return f"E.{text}".encode("ascii", "replace")
