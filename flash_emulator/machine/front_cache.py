"""What the register front has answered once is answered again without Python.

Firmware that programs a unit touches FLASH registers seven times, and each touch is a call of
Python's. What a front does follows from its state (``Front.state``), so a transition that was seen
once can be gone again: from this state, this access leads to that state, and gives that value. The
extension ``_front_cache`` keeps such transitions and is asked by the engine; it knows no register
of any family. What it has not seen, or what does anything beyond the front, it leaves to Python.

Whole units that plain stores give shape to are kept, too, as far as the device says that it would
keep them without a look (``EmulatedFlash.room``), and handed over all at once.

Before anything of Python's is called by the engine, ``take_over`` gives the device what was kept,
and whoever asks for ``front`` finds it in the state that it has come to. So nobody can tell whether
the cache is there; without the extension, all of it is Python's.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Hashable
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from flash_emulator.device.flash import EmulatedFlash
from flash_emulator.errors import AlignmentError
from flash_emulator.registers import Front

if TYPE_CHECKING:
    from flash_emulator.machine.engine import Engine

EXTENSION = "flash_emulator.machine._front_cache"


def _built() -> ModuleType | None:
    try:
        return import_module(EXTENSION)
    except ImportError:
        return None


extension = _built()
"""None where it was not built (hatch_build.py): machines that are made then have no cache."""

_STATES, _TRANSITIONS, _BANKS, _KEPT, _LARGEST_UNIT = 1024, 8192, 2, 1 << 16, 128
_NO_PLAN, _UNKNOWN = -1, -1
_WIDTH = 4  # of accesses to registers


class _Plan(ctypes.Structure):
    _fields_ = (("after", ctypes.c_int32), ("width", ctypes.c_uint16), ("unit", ctypes.c_uint16))


class _Fields(ctypes.Structure):
    """``front_cache`` of the extension."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("engine", "read_register", "write_register")),
        *((name, ctypes.c_void_p) for name in ("counted", "marked", "load", "store")),
        *((name, ctypes.c_void_p) for name in ("store_flash", "resume", "program")),
        *((name, ctypes.c_int32) for name in ("xpsr", "is_ours", "state")),
        *((name, ctypes.c_uint32) for name in ("bank_size", "room_at", "room", "kept")),
        *((name, ctypes.c_uint32) for name in ("begun", "unit_at", "width", "count")),
        ("second_bank", ctypes.c_uint32),
        ("plans", _Plan * _STATES * _BANKS),
        ("transitions", ctypes.c_uint32 * 6 * _TRANSITIONS),
        ("data", ctypes.c_uint8 * (_KEPT + _LARGEST_UNIT)),
    )


class FrontCache:
    """Of one machine. *blocked*: whether Python has to see each unit now. *stored* is told where a
    unit is complete that Python sees."""

    def __init__(
        self,
        engine: Engine,
        module: ModuleType,
        blocked: Callable[[], bool],
        stored: Callable[[int], object],
    ) -> None:
        if ctypes.sizeof(_Fields) != module.SIZE:
            raise RuntimeError(
                f"{module.__file__}: was built from another version of the source: "
                f"{module.SIZE} bytes, expected {ctypes.sizeof(_Fields)}; build it again"
            )
        self._engine, self._blocked, self._stored = engine, blocked, stored
        self._fields = _Fields()
        entry = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, *[ctypes.c_uint32] * 5)
        self._enter = entry(module.ENTER)
        self._data = memoryview(self._fields.data).cast("B")
        self._ids: dict[Hashable, int] = {}
        self._states: list[Hashable] = []
        self._asked: set[tuple[int, int]] = set()  # banks and states whose plan is known
        self._live = _UNKNOWN  # the state that the front itself is in
        self._front: Front
        self._flash: EmulatedFlash
        self._part: object = None
        self._module = module
        self._connect()
        self._forget()

    def _connect(self) -> None:
        """What the extension calls, and looks at."""
        fields, engine = self._fields, self._engine
        fields.engine = engine.handle
        fields.read_register = engine.address_of("uc_reg_read")
        fields.write_register = engine.address_of("uc_reg_write")
        meter = ctypes.addressof(engine.meter.fields)
        fields.counted = meter + type(engine.meter.fields).counted.offset
        fields.marked = meter + type(engine.meter.fields).marked.offset
        fields.xpsr = engine.it_register
        fields.resume = engine.from_c(self._resume)
        fields.program = engine.from_c(self._program_unit)

    def of_registers(self, load: int, store: int) -> tuple[int, int, int]:
        """For ``Engine.map_window``: the page of registers."""
        self._fields.load, self._fields.store = load, store
        return self._module.LOAD, self._module.STORE, ctypes.addressof(self._fields)

    def of_flash(self, load: int, store: int) -> tuple[int, int, int]:
        """The same, of flash: loads stay Python's."""
        self._fields.store_flash = store
        return load, self._module.STORE_FLASH, ctypes.addressof(self._fields)

    def begin(self, flash: EmulatedFlash, front: Front) -> None:
        """Power is on, or the chip was reset; *front* is the one of *flash*."""
        fields = self._fields
        self._is_ours(False)
        fields.kept = fields.begun = fields.room = 0
        fields.state = self._live = _UNKNOWN
        self._flash = flash
        if self._part is not front.part or front is not self._front:
            self._front, self._part = front, front.part
            self._base = front.part.base
            fields.bank_size = front.part.bank_size
            fields.second_bank = front.part.bank_starts[-1] - self._base
            self._forget()

    def _forget(self) -> None:
        self._ids.clear()
        self._states.clear()
        self._asked.clear()
        fields = self._fields
        ctypes.memset(ctypes.byref(fields, _Fields.transitions.offset), 0, _Fields.transitions.size)
        fields.count = 0
        for bank in fields.plans:
            for plan in bank:
                plan.after = _NO_PLAN

    # --- the front

    @property
    def front(self) -> Front:
        """In the state that it has come to; whoever asks may change it."""
        front = self._in_its_state()
        self._fields.state = self._live = _UNKNOWN
        return front

    def _in_its_state(self) -> Front:
        fields = self._fields
        state = fields.state
        if state != self._live:
            self._front.restore(self._states[state])
            self._live = state
        if fields.begun:
            self._give_back()
        return self._front

    def _give_back(self) -> None:
        """A unit that is not complete is the front's."""
        fields = self._fields
        at, begun, width = fields.kept, fields.begun, fields.width
        fields.begun, fields.state, self._live = 0, _UNKNOWN, _UNKNOWN
        address = self._base + fields.unit_at
        for place in range(at, at + begun, width):
            value = int.from_bytes(self._data[place : place + width], "little")
            self._front.store(address + place - at, width, value)

    def _is_ours(self, is_ours: bool) -> None:
        """Whether the extension answers. Where it does not, most calls of Python's have nothing to
        take over, and ask nobody."""
        self._fields.is_ours = is_ours
        self._engine.entering = self.take_over if is_ours else int

    def take_over(self) -> None:
        """Python is called: the device gets what was kept."""
        fields = self._fields
        if fields.is_ours:
            self._is_ours(False)
            size = fields.kept
            if size:
                begun = bytes(self._data[size : size + fields.begun])
                data, fields.kept = bytes(self._data[:size]), 0
                self._data[: len(begun)] = begun
                self._flash.program_later(self._base + fields.room_at - size, data)

    def _resume(self) -> bool:
        """Whether the extension may answer from here on."""
        fields = self._fields
        if fields.state == _UNKNOWN:
            self._know()
            if fields.state == _UNKNOWN:
                return False
        self._look_for_room()
        self._is_ours(True)
        return True

    def _look_for_room(self) -> None:
        fields = self._fields
        at, size = self._flash.room
        fields.room_at, fields.room = at - self._base, 0 if self._blocked() else size

    def _know(self) -> None:
        """Which state the front is in, where all that it does follows from that."""
        if self._front.follows_state and not self._flash.is_busy():
            if len(self._states) == _STATES or self._fields.count == _TRANSITIONS // 2:
                self._forget()
            self._fields.state = self._live = self._id_of(self._front.state())

    def _id_of(self, state: Hashable) -> int:
        found = self._ids.get(state)
        if found is None:
            found = self._ids[state] = len(self._states)
            self._states.append(state)
        return found

    # --- accesses to registers that the extension does not know

    def read(self, offset: int, width: int) -> int:
        """As ``Front.read``."""
        before, front = self._leaves(), self._front
        value = front.read(offset, width)
        if before != _UNKNOWN and width == _WIDTH and front.is_plain(offset):
            self._learn(before, offset << 1, 0, value)
        return value

    def write(self, offset: int, width: int, value: int) -> None:
        """As ``Front.write``."""
        before, front = self._leaves(), self._front
        front.write(offset, width, value)
        if before != _UNKNOWN and width == _WIDTH and front.is_plain(offset, value):
            self._learn(before, offset << 1 | 1, value, 0)

    def _leaves(self) -> int:
        """The state that the front leaves now, as far as it is known."""
        self._in_its_state()
        before = self._live
        self._fields.state = self._live = _UNKNOWN
        return before

    def _learn(self, before: int, access: int, value: int, gives: int) -> None:
        """No access to a register begins a unit, or an operation where it is plain: what comes
        next follows from the state behind it, as it did from the one before."""
        if len(self._states) == _STATES:
            return
        after = self._id_of(self._front.state())
        self._enter(ctypes.addressof(self._fields), before, access, value, after, gives)
        self._fields.state = self._live = after

    # --- stores to flash

    def store(self, address: int, width: int, value: int) -> None:
        """As ``Front.store``."""
        before, front = self._leaves(), self._front
        if before != _UNKNOWN and len(self._states) < _STATES:
            self._plan(before, address, width)
        front.store(address, width, value)

    def _plan(self, state: int, address: int, width: int) -> None:
        """Look, once for each state, what becomes of a unit that is programmed without a flag."""
        front, unit = self._front, self._flash.part.program_unit
        bank = int(address - self._base >= self._fields.bank_size)
        if address % unit or unit % width or unit > _LARGEST_UNIT or (bank, state) in self._asked:
            return
        self._asked.add((bank, state))
        if front.store_width(address) != width:
            return
        programs: list[tuple[int, bytes]] = []
        programmer, data = front.programmer, bytes(range(1, unit + 1))
        front.programmer = lambda at, unit_data: programs.append((at, unit_data))
        for at in range(0, unit, width):
            front.store(address + at, width, int.from_bytes(data[at : at + width], "little"))
        after, follows = front.state(), front.follows_state
        front.programmer = programmer
        front.restore(self._states[state])
        if programs == [(address, data)] and follows:
            plan = self._fields.plans[bank][state]
            plan.after, plan.width, plan.unit = self._id_of(after), width, unit

    def _program_unit(self) -> None:
        """A unit is complete that does not follow what is kept: it is the device's now."""
        fields, begun = self._fields, self._fields.begun
        self.take_over()
        address, data = self._base + fields.unit_at, bytes(self._data[:begun])
        self._stored(address)
        bank = int(fields.unit_at >= fields.bank_size)
        if not self._is_taken(address, begun):
            self._in_its_state()
            return
        after = fields.plans[bank][fields.state].after
        fields.begun = 0
        self._flash.program_later(address, data)
        fields.state = after
        self._look_for_room()
        self._is_ours(True)

    def _is_taken(self, address: int, size: int) -> bool:
        try:
            return self._flash.may_be_kept(address, size)
        except AlignmentError:
            return False


def cached_front(
    engine: Engine, blocked: Callable[[], bool], stored: Callable[[int], object]
) -> FrontCache | None:
    """The cache of a machine; None where the extension was not built."""
    return None if extension is None else FrontCache(engine, extension, blocked, stored)
