"""The one place that knows unicorn, with its registers and its library beside it: a Cortex-M
without exceptions, and a wall around it.

unicorn executes instructions; what they mean beyond registers and RAM is asked of a ``Bus``. What
is special about unicorn 2.1.4, and what is done about it here (each has a test in
tests/flash_emulator/machine/test_engine.py):

* Page permissions are not trusted. A *virtual TLB* asks ``Bus.page`` at the first access of each
  kind to each page of 1 KiB; ``flush`` makes it ask again. Stores to flash go to a window of
  memory-mapped I/O, so they are calls, and nothing of them reaches the memory that is read.
* A hook inside an IT block leaves the IT bits of XPSR set, and the block that comes next skips an
  instruction: they are cleared in every hook that a memory access calls.
* ``emu_stop`` in such a hook leaves PC on the instruction, which would be executed again: only what
  is not to go on stops there. All else stops between two blocks, by the ``meter``.
* ``count`` and ``until`` are not honoured in blocks that are translated already, and cost a factor
  of four: the meter counts instead.
* What a hook raises is kept, and raised when unicorn has returned. A signal's handler may raise in
  any call that a hook makes, be it of a tuple: all of a hook's calls are within its ``try``.
* An engine is never thrown away and made anew: that costs memory for good. ``reset`` it.
"""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Callable
from typing import Any, NamedTuple

from flash_emulator.machine import engine_library
from flash_emulator.machine.engine_registers import XPSR, EngineRegisters
from flash_emulator.machine.meter import Meter

PAGE = 1024
"""Bytes of a page of the TLB: the smallest that an M-profile core of unicorn has."""

READ, WRITE, FETCH = 16, 17, 18  # UC_MEM_*: as the TLB is asked
MAY_READ, MAY_WRITE, MAY_FETCH = 1, 2, 4  # UC_PROT_*

_MOST_FILLS = 400
"""Pages that are asked for until the next run begins with a flush. The engine's table of pages has
64 entries, and doubles, up to millions, where more than 70 % of them were filled since, however
often the same; to flush a large one takes long."""

_OF_ONE_PROCESS: dict[str, Any] = (
    {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_PRIVATE") else {}
)
"""Memory that a process which is forked does not share: it would run on its parent's RAM."""

_NOWHERE = 0xFFFF_FFFC  # an ``until`` that is never reached
_IT_BITS = 0x0600_FC00  # ICI/IT of XPSR, Armv7-M ARM B1.4.2

SVC, PREFETCH, BREAKPOINT, RETURN, UNDEFINED, UNALIGNED = 2, 3, 7, 8, 1, 4
"""QEMU's numbers of what ends a block: EXCP_SWI, EXCP_PREFETCH_ABORT, EXCP_BKPT,
EXCP_EXCEPTION_EXIT, EXCP_UDEF, EXCP_DATA_ABORT."""


class Mapping(NamedTuple):
    """Where a page lies in the engine's physical memory, and what may be done with it there."""

    place: int
    rights: int


Page = Callable[[int, int], Mapping | None]
"""Who has the page at an address, for an access of a kind; None: nobody, a bus fault."""

Load = Callable[[int, int], int]
"""A read of memory-mapped I/O: offset in the window, width in bytes."""

Store = Callable[[int, int, int], None]
"""A write to memory-mapped I/O: offset, width, value."""


class Window:
    """Memory-mapped I/O: its two functions may be exchanged at any time."""

    __slots__ = ("load", "store")

    def __init__(self, load: Load, store: Store) -> None:
        self.load, self.store = load, store


Native = Callable[[int, int], tuple[int, int, int]]
"""Functions in C that answer for a window: given the addresses of those in Python, to call where
they cannot, they are two addresses, of a load and a store, and what both get as their data."""


class Stop(NamedTuple):
    """Why the engine has stopped. *number*: of what ended it, 0 where the meter did.

    *address* of the page that nobody has, where that is why.
    """

    number: int = 0
    address: int | None = None
    access: int = 0


class Engine:
    """One core. What *page* and the functions of windows raise ends the run."""

    def __init__(self, core: str, page: Page) -> None:
        self._lib, self._uc, self._const = engine_library.opened(core)
        self._handle = self._uc._uch  # noqa: SLF001  the binding wraps every callback twice
        self._page = page
        self._kept: list[Any] = []  # ctypes keeps no callback alive
        self._raised: BaseException | None = None
        self._stop: Stop | None = None
        self._fills = 0
        self._it_bits = not core.startswith("m0")
        self.entering: Callable[[], object] = int
        """Called before all else that is Python's, and when the engine has stopped."""
        self.it_met: Callable[[int], None] | None = None
        """Called before each IT instruction, with its address; to be set before anything runs."""
        self.meter = Meter(self.address_of("uc_emu_stop"))
        self._uc.ctl_set_tlb_mode(self._const.UC_TLB_VIRTUAL)
        self._registers = EngineRegisters(self._uc, self._lib, self._handle)
        self._registers.clear()  # before anything has run
        self._hook()

    def address_of(self, function: str) -> int:
        """Of a function of unicorn's, for those who call it from C."""
        address = ctypes.cast(getattr(self._lib, function), ctypes.c_void_p).value
        assert address is not None
        return address

    # --- memory

    def map_memory(self, place: int, size: int, *, executable: bool = True) -> mmap.mmap:
        """Host memory at *place* of the engine's physical memory; whole pages of 4 KiB.

        The engine asks for a page that may be executed at each write behind a read of another with
        the same place in its table.
        """
        memory = mmap.mmap(-1, size, **_OF_ONE_PROCESS)
        rights = self._const.UC_PROT_READ | self._const.UC_PROT_WRITE
        first = (ctypes.c_char * size).from_buffer(memory)
        self._kept.append(first)
        rights = self._const.UC_PROT_ALL if executable else rights
        address = ctypes.addressof(first)
        self._check(self._lib.uc_mem_map_ptr(self._handle, place, size, rights, address))
        return memory

    def write(self, place: int, data: bytes) -> None:
        """Write to physical memory: what is translated of it is translated again."""
        self._check(self._lib.uc_mem_write(self._handle, place, data, len(data)))

    def map_window(
        self, place: int, size: int, window: Window, native: Native | None = None
    ) -> None:
        """Memory-mapped I/O at *place* of the engine's physical memory; multiples of 4 KiB."""
        binding = engine_library.binding()
        read, write = self._calls_of(window)
        load, store = binding.MMIO_READ_CFUNC(read), binding.MMIO_WRITE_CFUNC(write)
        self._kept += load, store
        load_at, store_at = (engine_library.place_of(function) for function in (load, store))
        data = 0
        if native is not None:
            load_at, store_at, data = native(load_at, store_at)
        self._check(
            self._lib.uc_mmio_map(
                self._handle,
                place,
                size,
                ctypes.cast(load_at, binding.MMIO_READ_CFUNC),
                data,
                ctypes.cast(store_at, binding.MMIO_WRITE_CFUNC),
                data,
            )
        )

    def _calls_of(self, window: Window) -> tuple[Callable[..., int], Callable[..., None]]:
        engine, fields, has_it = self, self.meter.fields, self._it_bits

        def read(_handle: int, offset: int, width: int, _data: int) -> int:
            if engine._raised is not None:
                return 0
            try:
                engine.entering()
                value = window.load(offset, width)
            except BaseException as error:
                engine._end(error)
                return 0
            if has_it and fields.counted == fields.marked:
                engine._clear_it()
            return value

        def write(_handle: int, offset: int, width: int, value: int, _data: int) -> None:
            if engine._raised is not None:
                return
            try:
                engine.entering()
                window.store(offset, width, value)
            except BaseException as error:
                engine._end(error)
                return
            if has_it and fields.counted == fields.marked:
                engine._clear_it()

        return read, write

    def from_c(self, function: Callable[[], object]) -> int:
        """The address at which C calls *function*, within a hook: what it raises ends the run. C
        is told whether it gave anything that is true; that is false once something was raised."""

        def call() -> int:
            if self._raised is None:
                try:
                    return bool(function())
                except BaseException as error:
                    self._end(error)
            return 0

        callback = ctypes.CFUNCTYPE(ctypes.c_int)(call)
        self._kept.append(callback)
        return engine_library.place_of(callback)

    @property
    def handle(self) -> int:
        """What unicorn's functions ask for first."""
        return int(self._handle.value)

    @property
    def it_register(self) -> int:
        """The register whose IT bits a hook has to clear (see above), 0 on a core without them."""
        return XPSR if self._it_bits else 0

    def flush(self) -> None:
        """Ask for every page again. It may be called within a hook."""
        self._fills = 0
        self._uc.ctl(self._const.UC_CTL_TLB_FLUSH, self._const.UC_CTL_IO_WRITE)

    def forget_code(self) -> None:
        """Translate everything again. Never within a hook."""
        self._uc.ctl_flush_tb()
        self.flush()

    # --- hooks

    def _hook(self) -> None:
        binding, const = engine_library.binding(), self._const
        self._add(const.UC_HOOK_TLB_FILL, binding.HOOK_TLB_FILL_CFUNC(self._fill))
        self._add(const.UC_HOOK_INTR, binding.HOOK_INTR_CFUNC(self._interrupted))
        if self.meter.machine_code is not None:
            callback, data = self.meter.machine_code
            self._add(const.UC_HOOK_BLOCK, ctypes.c_void_p(callback), data)
        else:
            self._add(const.UC_HOOK_BLOCK, binding.HOOK_CODE_CFUNC(self.meter.count))

    def keep_pc_exact(self) -> None:
        """PC in hooks is the instruction that is executed, and not one before it in its block: the
        engine notes it at each instruction, and is slower. Before the engine has run."""
        address = self.meter.nothing
        if address is not None:
            self._add(self._const.UC_HOOK_CODE, ctypes.c_void_p(address))
            return
        nothing = engine_library.binding().HOOK_CODE_CFUNC(
            lambda _handle, _address, _size, _data: None
        )
        self._add(self._const.UC_HOOK_CODE, nothing)

    def hook_instructions(self, callback: Any, data: int = 0) -> None:
        """*callback*, of C, is called before each instruction, also of those that their IT block
        skips; for an engine that has not run yet."""
        self._add(self._const.UC_HOOK_CODE, callback, data)

    def hook_accesses(self, callback: Any, data: int = 0) -> None:
        """The same before each access of an instruction to memory. It has to call ``leave_hook``
        within an IT block."""
        const = self._const
        self._add(const.UC_HOOK_MEM_READ | const.UC_HOOK_MEM_WRITE, callback, data)

    def call(self, function: Callable[..., object], *arguments: Any) -> None:
        """Within a hook: what *function* raises ends the run."""
        if self._raised is None:
            try:
                self.entering()
                function(*arguments)
            except BaseException as error:
                self._end(error)

    def leave_hook(self) -> None:
        """At the end of a hook of an access: see *IT block* above."""
        if self.in_it:
            self._clear_it()

    def trace_blocks(self, call: Callable[[int, int], object]) -> None:
        """*call* is told address and bytes of each block that begins; for an engine that has not
        run yet. It slows down all."""
        binding = engine_library.binding()

        def begins(_handle: int, address: int, size: int, _data: int) -> None:
            if self._raised is None:
                try:
                    self.entering()
                    call(address, size)
                except BaseException as error:
                    self._end(error)

        self._add(self._const.UC_HOOK_BLOCK, binding.HOOK_CODE_CFUNC(begins))

    def _add(self, kind: int, callback: Any, data: int = 0, begin: int = 1, end: int = 0) -> int:
        handle = ctypes.c_size_t()
        self._kept.append(callback)
        self._check(
            self._lib.uc_hook_add(
                self._handle,
                ctypes.byref(handle),
                kind,
                callback,
                ctypes.c_void_p(data),
                ctypes.c_uint64(begin),
                ctypes.c_uint64(end),
            )
        )
        return handle.value

    def at(self, address: int, call: Callable[[int], None]) -> None:
        """*call* before the instruction at *address* each time; it has to be asked for before that
        is executed the first time. It may raise, and then the instruction is not executed."""

        def reached(_handle: int, place: int, _size: int, _data: int) -> None:
            if self._raised is not None:
                return
            try:
                self.entering()
                call(place)
            except BaseException as error:
                self._end(error)

        callback = engine_library.binding().HOOK_CODE_CFUNC(reached)
        self._add(self._const.UC_HOOK_CODE, callback, begin=address, end=address)

    def _fill(self, _handle: int, address: int, access: int, entry: Any, _data: int) -> bool:
        try:
            return self._filled(address, access, entry.contents)
        except BaseException as error:
            self._end(error)
            return False

    def _filled(self, address: int, access: int, entry: Any) -> bool:
        if address >= _NOWHERE & ~(PAGE - 1):  # ``until``
            found: Mapping | None = Mapping(address, MAY_FETCH)
        elif self._raised is not None:
            return False
        else:
            self.entering()
            found = self._page(address, access)
        if found is None:
            self._stop = Stop(PREFETCH, address, access)
            return False
        entry.paddr, entry.perms = found
        self._fills += 1
        fields = self.meter.fields
        if access != FETCH and self._it_bits and fields.counted == fields.marked:
            self._clear_it()  # not for code: a block may begin within an IT block
        return True

    def at_it(self, address: int) -> None:
        """There is an IT instruction: to be said before it is executed the first time.

        What of its block is in the next page is a block of the engine's by itself, which ends with
        the IT bits as they should be.
        """
        kind, marking = self._const.UC_HOOK_CODE, self.meter.marking
        if marking is None:
            callback = engine_library.binding().HOOK_CODE_CFUNC(self.meter.mark)
            self._add(kind, callback, begin=address, end=address)
        else:
            code, data = marking
            self._add(kind, ctypes.c_void_p(code), data, begin=address, end=address)
        if self.it_met is not None:
            self.at(address, self.it_met)

    def _interrupted(self, _handle: int, number: int, _data: int) -> None:
        try:
            self.entering()
            if self._stop is None:
                self._stop = Stop(number)
            self._lib.uc_emu_stop(self._handle)
        except BaseException as error:
            self._end(error)

    def _end(self, error: BaseException) -> None:
        """Nothing may be raised through the engine: it is kept until that has returned."""
        if self._raised is None:
            self._raised = error
        self._lib.uc_emu_stop(self._handle)

    def _clear_it(self) -> None:
        xpsr = self._registers.read_one(XPSR)
        if xpsr & _IT_BITS:
            self._registers.write_one(XPSR, xpsr & ~_IT_BITS)

    # --- running

    @property
    def in_it(self) -> bool:
        """Whether a hook is called in the block of an IT instruction. What it raises comes out only
        when that block is done, with registers that are changed."""
        fields = self.meter.fields
        return self._it_bits and bool(fields.counted == fields.marked)

    def save(self) -> Callable[[], None]:
        """Registers and count, as they are. Returns what puts them back."""
        context, counted = self._uc.context_save(), self.meter.counted

        def put_back() -> None:
            self._uc.context_restore(context)
            self.meter.fields.counted = counted

        return put_back

    def run(self, address: int) -> Stop:
        """Execute from *address* on, until something stops it. Raises what a hook has raised.

        Its table of pages is flushed here where many were asked for, and never within a hook that
        fills it. Nothing stops for that: how often a page is asked for depends on how the engine
        keeps it, and so on the clock of this machine.
        """
        self._stop = self._raised = None
        if self._fills >= _MOST_FILLS:
            self.flush()
        error = self._lib.uc_emu_start(self._handle, address | 1, _NOWHERE, 0, 0)
        self.entering()
        if self._raised is not None:
            raised, self._raised = self._raised, None
            raise raised
        if self._stop is not None:
            return self._stop
        if error == 0:
            return Stop()
        if error == self._const.UC_ERR_INSN_INVALID:
            return Stop(UNDEFINED)
        return Stop(PREFETCH)

    @property
    def registers(self) -> EngineRegisters:
        return self._registers

    @staticmethod
    def _check(error: int) -> None:
        if error:
            raise RuntimeError(f"unicorn: error {error}")
