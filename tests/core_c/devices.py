"""Parts whose core in C is compiled for tests, and how C and Python get to the same flash."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from flash_emulator import EmulatedFlash, Part, load_part
from mcu_updater.core.bank import Bank, open_banks, open_execution
from mcu_updater.core.slot import AnyLayout, CopyLayout
from mcu_updater.core.strategy import Strategy
from mcu_updater.core_c.native import Native, build
from mcu_updater.flash_map.layouts import layout_of
from mcu_updater.flash_map.strategies import default_strategy
from tests.core_c.libraries import library

FAILED = -1


@dataclass(frozen=True, slots=True)
class Target:
    """A part with a strategy; *compares*: whether the HAL compares by itself."""

    name: str
    strategy: Strategy
    compares: bool = False

    def __str__(self) -> str:
        return f"{self.name}-{self.strategy}{'-compares' if self.compares else ''}"

    @property
    def part(self) -> Part:
        return load_part(self.name)

    @property
    def layout(self) -> AnyLayout:
        return _layout(self.name, self.strategy)

    def native(self, **defines: object) -> Native:
        return _build(self, tuple(defines.items()))

    def banks(self, device: Recorded, mapped: int = 0) -> tuple[Bank, ...]:
        """As the core in Python opens them."""
        banks = open_banks(device, Mapping(mapped), self.layout)
        if isinstance(self.layout, CopyLayout):
            return (*banks, open_execution(device, self.layout))
        return banks


REMAP = Target("STM32L476xG", Strategy.REMAP)
COPY = Target("STM32F103x8", Strategy.COPY)
COPY_UNEVEN = Target("STM32F429xI", Strategy.COPY)
SWAP = Target("STM32H743xI", Strategy.SWAP_OPTION)
TARGETS: Final = (
    REMAP,
    COPY,
    COPY_UNEVEN,
    SWAP,
    Target(REMAP.name, REMAP.strategy, compares=True),
    Target(COPY.name, COPY.strategy, compares=True),
)


@cache
def _layout(name: str, strategy: Strategy) -> AnyLayout:
    return layout_of(load_part(name), strategy)


@cache
def _build(target: Target, defines: tuple[tuple[str, object], ...]) -> Native:
    if not defines and not target.compares and target.strategy is default_strategy(target.part):
        return library(target.name)
    flags = ("-DFWU_HAL_COMPARES",) if target.compares else ()
    return build(target.part, target.strategy, target.layout, defines=dict(defines), flags=flags)


@dataclass
class Mapping:
    """A BankSwitch that does what it is told."""

    mapped_bank: int = 0
    maps_at_once: bool = True

    def map_bank(self, bank: int) -> None:
        self.mapped_bank = bank


@dataclass
class Recorded:
    """*device*, unit by unit: *log* has all that is looked at and written, in order.

    *failing_writes* and *failing_looks*: numbers of those that raise, counted from 0. *headers*: by
    address, what the flash will hold in place of the header that is programmed there.
    """

    device: EmulatedFlash
    failing_writes: frozenset[int] = frozenset()
    failing_looks: frozenset[int] = frozenset()
    log: list[tuple[Any, ...]] = field(default_factory=list)
    writes: int = 0
    looks: int = 0
    headers: dict[int, bytes] = field(default_factory=dict)

    @property
    def geometry(self) -> Part:
        return self.device.geometry

    def read(self, address: int, size: int) -> bytes:
        return b"".join(self._look(at, length) for at, length in self._units(address, size))

    def program(self, address: int, data: bytes) -> None:
        unit = self.geometry.program_unit
        for at in range(0, len(data), unit):
            self._write("program", address + at, data[at : at + unit])
            self.device.program(address + at, self._held(address + at, data[at : at + unit]))

    def _held(self, address: int, data: bytes) -> bytes:
        for begin, raw in self.headers.items():
            if 0 <= address - begin < len(raw):
                return raw[address - begin :][: len(data)]
        return data

    def erase(self, address: int) -> None:
        self._write("erase", address)
        self.device.erase(address)

    def _units(self, address: int, size: int) -> Iterator[tuple[int, int]]:
        unit, end = self.geometry.program_unit, address + size
        while address < end:
            length = min(unit - (address - self.geometry.base) % unit, end - address)
            yield address, length
            address += length

    def _look(self, address: int, size: int) -> bytes:
        self.log.append(("look", address, size))
        self.looks += 1
        if self.looks - 1 in self.failing_looks:
            raise OSError("a look that fails")
        return self.device.read(address, size)

    def _write(self, *what: Any) -> None:
        self.log.append(what)
        self.writes += 1
        if self.writes - 1 in self.failing_writes:
            raise OSError("a write that fails")


class RecordedComparing(Recorded):
    """One that compares by itself."""

    def match(self, address: int, expected: bytes) -> int:
        done = 0
        for at, size in self._units(address, len(expected)):
            try:
                held = self._look(at, size)
            except OSError:
                break
            if held != expected[done : done + size]:
                break
            done += size
        return done

    def sha256(self, address: int, size: int) -> bytes:
        self.log.append(("sha256", address, size))
        return self.device.sha256(address, size)


class Hooks:
    """What the HAL of *native* asks, answered by a device and a switch."""

    def __init__(self, native: Native) -> None:
        self._native, self.ffi = native, native.ffi
        self.device: Recorded
        self.switch = Mapping()
        self.refuses: set[int] = set()  # banks that cannot be mapped
        self.log: list[tuple[Any, ...]] = []
        self.numbers = {"cause": 0, "swaps": 0}
        self._hooks = self.ffi.new("struct fwu_hooks *")
        self._kept = [self._hook(name) for name in _FLASH + _CHIP]

    def connect(self, device: Recorded, switch: Mapping | None = None) -> None:
        """Calls of the HAL go there from now on."""
        self.device, self.switch = device, switch or Mapping()
        self.log = []
        self._native.lib.fwu_host_set_up(self._hooks)

    def _hook(self, name: str) -> Any:
        given = getattr(self, f"_{name}")

        def answer(*arguments: Any) -> int:
            try:
                return int(given(*arguments))
            except OSError:
                return FAILED

        kind = self.ffi.typeof("struct fwu_hooks").fields
        callback = self.ffi.callback(dict(kind)[name].type, answer)
        setattr(self._hooks, name, callback)
        return callback

    def _read(self, address: int, data: Any, size: int) -> int:
        self.ffi.memmove(data, self.device.read(address, size), size)
        return 0

    def _program(self, address: int, data: Any, size: int) -> int:
        self.device.program(address, bytes(self.ffi.buffer(data, size)))
        return 0

    def _erase(self, address: int) -> int:
        self.device.erase(address)
        return 0

    def _match(self, address: int, expected: Any, size: int) -> int:
        assert isinstance(self.device, RecordedComparing)
        return self.device.match(address, bytes(self.ffi.buffer(expected, size)))

    def _sha256(self, address: int, size: int, digest: Any) -> int:
        assert isinstance(self.device, RecordedComparing)
        self.ffi.memmove(digest, self.device.sha256(address, size), 32)
        return 0

    def _mapped_bank(self) -> int:
        return self.switch.mapped_bank

    def _map_bank(self, bank: int) -> int:
        self.log.append(("map", bank))
        if bank in self.refuses:
            return FAILED
        self.switch.map_bank(bank)
        return 0

    def _cause(self) -> int:
        return self.numbers["cause"]

    def _swaps(self) -> int:
        return self.numbers["swaps"]

    def _keep(self, swaps: int, cause: int) -> int:
        self.log.append(("keep", swaps, cause))
        return 0

    def _reset(self) -> int:
        self.log.append(("reset",))
        return 0


_FLASH: Final = ("read", "program", "erase", "match", "sha256")
_CHIP: Final = ("mapped_bank", "map_bank", "cause", "swaps", "keep", "reset")

hooks: Callable[[Target], Hooks] = cache(lambda target: Hooks(target.native()))
"""One for each library of this process."""


def recorded(
    target: Target,
    device: EmulatedFlash,
    *,
    failing_writes: frozenset[int] = frozenset(),
    failing_looks: frozenset[int] = frozenset(),
) -> Recorded:
    kind = RecordedComparing if target.compares else Recorded
    return kind(device, failing_writes, failing_looks)


@cache
def _blank(name: str) -> EmulatedFlash:
    return EmulatedFlash(load_part(name), seed=1)


def blank(target: Target) -> EmulatedFlash:
    """A new device, erased."""
    return _blank(target.name).fork()
