"""The cache of the register front: nobody can tell whether it is there."""

from __future__ import annotations

import ctypes
import io
import random
from collections import Counter
from dataclasses import dataclass

import pytest

from flash_emulator import EmulatedFlash, load_part
from flash_emulator.explore import Search, SearchOptions
from flash_emulator.explore.certificate import CertificateWriter
from flash_emulator.explore.report import Limits
from flash_emulator.machine.machine import Machine
from flash_emulator.machine.subject import FirmwareSubject
from flash_emulator.power import CutAt, Outcome
from flash_emulator.registers import f1, f4, h5_layout, h7_layouts, l4_layouts
from flash_emulator.registers.locks import KEYS
from tests.flash_emulator.machine.boards import L476, booted, copy_board, program
from tests.flash_emulator.machine.extension import built, machines_with
from tests.flash_emulator.machine.test_alias import booted as at_both_addresses

LOAD = ctypes.CFUNCTYPE(
    ctypes.c_uint64, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint, ctypes.c_void_p
)
STORE = ctypes.CFUNCTYPE(
    None, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint, ctypes.c_uint64, ctypes.c_void_p
)


@pytest.fixture(scope="module")
def extension(tmp_path_factory):
    return built(tmp_path_factory.mktemp("extension"))


class Chip:
    """A machine whose FLASH registers and flash are reached as the engine reaches them."""

    def __init__(self, part, module) -> None:
        with machines_with(module):
            self.machine = Machine(part)
        self.space, self.module = self.machine.space, module
        self.flash = EmulatedFlash(part)
        self.flash.power_on()
        self.machine._power_on(self.flash)
        self.base = part.base

    @property
    def cache(self):
        return self.space._cache

    def _data(self):
        return ctypes.addressof(self.cache._fields)

    def load(self, offset: int, width: int = 4):
        if self.module is None:
            return self._caught(self.space._registers.load, offset, width)
        value = LOAD(self.module.LOAD)(None, offset, width, self._data())
        return self._raised() or value

    def store(self, offset: int, value: int, width: int = 4):
        if self.module is None:
            return self._caught(self.space._registers.store, offset, width, value)
        STORE(self.module.STORE)(None, offset, width, value, self._data())
        return self._raised()

    def program(self, place: int, value: int, width: int):
        if self.module is None:
            return self._caught(self.space._store_flash, self.base + place, width, value)
        STORE(self.module.STORE_FLASH)(None, place, width, value, self._data())
        return self._raised()

    def python(self) -> None:
        """As if a hook of Python's were called."""
        if self.cache is not None:
            self.cache.take_over()

    def _caught(self, function, *arguments):
        try:
            return function(*arguments)
        except Exception as error:
            return repr(error)

    def _raised(self):
        engine = self.machine.engine
        error, engine._raised = engine._raised, None
        return None if error is None else repr(error)

    def told(self):
        """All that anybody could see."""
        self.python()
        machine, front = self.machine, self.space.front
        operations = [operation for operation, _ in machine.record.operations]
        return front.state(), front.undefined, operations, self.flash.room, machine.now_us

    def settled(self):
        self.python()
        self.flash.settle()
        return self.told(), self.flash.state_digest()


@dataclass(frozen=True)
class Family:
    """Registers and bits of a family, for drivers."""

    name: str
    keys: int
    cr: int
    sr: int
    programs: tuple[int, ...]
    erases: tuple[tuple[int, int], ...]
    """What is written to CR: to choose a sector, and the bit that starts."""
    choice: int = 0  # of CR, beside those
    width: int = 4


PAGES = tuple((l4_layouts.PER | page << 3, l4_layouts.STRT) for page in range(3))
PG, EOPIE = l4_layouts.PG, l4_layouts.EOPIE
PSIZES = tuple(f4.PG | size << 8 for size in (0, 1, 3, 2))
H7_PG = h7_layouts.PG | 3 << 4
FAMILIES = [
    Family("STM32L476xG", 0x08, 0x14, 0x10, (PG,), PAGES, EOPIE),
    Family("STM32G0B1xE", 0x08, 0x14, 0x10, (PG,), PAGES),
    Family("STM32L552xE", 0x08, 0x28, 0x20, (PG, PG | EOPIE), PAGES),
    Family("STM32U575xI", 0x08, 0x28, 0x20, (PG,), PAGES, EOPIE),
    Family("STM32F103xG", 0x04, 0x10, 0x0C, (f1.PG,), ((f1.PER, f1.STRT),), f1.EOPIE, 2),
    Family("STM32F407xG", 0x04, 0x10, 0x0C, PSIZES, ((f4.SER, f4.STRT),), f4.EOPIE),
    Family("STM32H743xI", 0x04, 0x0C, 0x10, (H7_PG,), ((h7_layouts.SER, 1 << 7),)),
    Family("STM32H563xI", 0x04, 0x28, 0x20, (h5_layout.PG,), ((h5_layout.SER, h5_layout.STRT),)),
]
of_each_family = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


class Firmware:
    """What firmware may do to the controller at random: sense and nonsense."""

    def __init__(self, family: Family, seed: str) -> None:
        self.family, self.dice = family, random.Random(seed)
        self.unit, self.at = load_part(family.name).program_unit, 0
        self.registers = [family.cr, family.sr, family.sr - 4, 0, 0x10, 0x14, 0x18, 0x20, 0x30]

    def accesses(self, count: int):
        deeds = {
            self.unlocks: 2, self.chooses: 6, self.looks: 10, self.programs: 14,
            self.programs_somewhere: 2, self.erases: 1, self.clears: 2, self.is_left: 1,
            self.writes_nonsense: 0.5, self.is_reset: 1,
        }  # fmt: skip
        for deed in self.dice.choices([*deeds], [*deeds.values()], k=count):
            yield from deed()

    def unlocks(self):
        yield from (("store", self.family.keys, key) for key in KEYS)

    def chooses(self):
        choices = (0, self.family.choice, *self.family.programs)
        yield "store", self.family.cr, self.dice.choice(choices)

    def looks(self):
        yield "load", self.dice.choice(self.registers)

    def programs(self):
        """Units, one behind the other."""
        family, dice = self.family, self.dice
        yield "store", family.cr, dice.choice(family.programs)
        for _ in range(dice.randint(1, 6)):
            for place in range(self.at, self.at + self.unit, family.width):
                if dice.random() < 0.02:
                    break  # and another unit is begun
                yield "program", place, dice.getrandbits(8 * family.width), family.width
                if dice.random() < 0.02:
                    yield "load", family.sr
            self.at = (self.at + self.unit) % 4096

    def programs_somewhere(self):
        width = self.dice.choice([1, 2, 4])
        self.at = self.dice.randrange(0, 4096, self.unit)
        yield "program", self.at + self.dice.choice([0, width, 2]), self.dice.getrandbits(8), width

    def erases(self):
        sector, start = self.dice.choice(self.family.erases)
        yield "store", self.family.cr, sector
        yield "store", self.family.cr, sector | start

    def clears(self):
        yield "store", self.dice.choice([self.family.sr, 0x14, 0x30]), 0x7FFF_FFFF

    def is_left(self):
        """The engine calls something else."""
        yield "python", self.dice.choice(["", "front", "settle"])

    def is_reset(self):
        yield "python", "reset"
        yield from self.unlocks()

    def writes_nonsense(self):
        yield "store", self.family.cr, self.dice.getrandbits(32) & ~(7 << 26)


def counting(calls: Counter[str], function):
    def called(*given):
        calls[function.__name__] += 1
        return function(*given)

    return called


def done(chip: Chip, access) -> object:
    match access:
        case "load", offset:
            return chip.load(offset)
        case "store", offset, value:
            return chip.store(offset, value)
        case "program", place, value, width:
            return chip.program(place, value, width)
        case "python", what:
            chip.python()
            if what == "settle":
                chip.flash.settle()
            elif what == "reset":
                chip.flash.reset()
                chip.space.reset()
            return chip.space.front.state() if what == "front" else None
    raise AssertionError(access)


@of_each_family
def test_every_access_gives_what_python_gives(family, extension):
    part = load_part(family.name)
    cached, plain = Chip(part, extension), Chip(part, None)
    firmware = Firmware(family, family.name)
    for number, access in enumerate(firmware.accesses(1500)):
        assert done(cached, access) == done(plain, access), (number, access)
        if number % 97 == 0:
            assert cached.told() == plain.told(), (number, access)
    assert cached.settled() == plain.settled()
    assert len(cached.machine.record.operations) > 10
    assert cached.cache._fields.count > 20  # it has learned, which holds at the next start, too
    for chip in (cached, plain):
        chip.flash.power_on()
        chip.machine._power_on(chip.flash)
    for access in firmware.accesses(200):
        assert done(cached, access) == done(plain, access), access
    assert cached.settled() == plain.settled()


@of_each_family
def test_most_accesses_are_not_pythons(family, extension):
    """256 units, as a driver programs them: no more than one call for each of them."""
    chip = Chip(load_part(family.name), extension)
    unit, calls = chip.flash.part.program_unit, Counter[str]()
    registers, cache = chip.space._registers, chip.cache
    registers.load, registers.store = counting(calls, cache.read), counting(calls, cache.write)
    chip.space._store = counting(calls, cache.store)
    for key in KEYS:
        chip.store(family.keys, key)
    for place in range(0, 256 * unit, unit):
        chip.load(family.sr)
        chip.store(family.cr, family.programs[-1])
        for at in range(place, place + unit, family.width):
            chip.program(at, place & 0xFFFF, family.width)
        chip.load(family.sr)
        chip.store(family.cr, 0)
    chip.settled()
    done = sum(len(operation.data) for operation, _ in chip.machine.record.operations)
    assert done == 256 * unit
    assert calls.total() < 64


def unlocked(part, extension):
    """A chip with the cache and one without, ready to program; of the L4 class."""
    chips, family = [Chip(part, extension), Chip(part, None)], FAMILIES[0]
    for chip in chips:
        for key in KEYS:
            chip.store(family.keys, key)
        chip.store(family.cr, PG)
    return chips, family


def test_what_is_read_while_a_bank_works_is_not_remembered(extension):
    """BSY is gone when the operation is done, and the front's state is the same as before."""
    chips, family = unlocked(load_part(L476), extension)
    seen = []
    for chip in chips:
        chip.flash.background = True
        chip.store(family.cr, PAGES[0][0])
        chip.store(family.cr, PAGES[0][0] | l4_layouts.STRT)
        busy = [chip.load(family.sr) for _ in range(3)]
        chip.flash.wait()
        seen.append((busy, chip.load(family.sr), chip.load(family.sr), chip.settled()))
    assert seen[0] == seen[1]
    assert seen[0][:3] == ([l4_layouts.BSY] * 3, 0, 0)


def test_a_store_between_two_banks_fails_at_once(extension):
    """The second bank of this part lies behind a hole: half of a unit is refused there, too."""
    part = load_part("STM32G474xC_dual")
    hole, second = part.bank_size, part.bank_starts[1] - part.base
    chips, _ = unlocked(part, extension)
    seen = []
    for chip in chips:
        good = [chip.program(second + at, at, 4) for at in range(0, 32, 4)]
        seen.append((good, chip.program(hole, 1, 4), chip.program(hole + 4, 1, 4), chip.settled()))
    assert seen[0] == seen[1]
    assert "BusError" in seen[0][1]


def test_what_is_programmed_is_seen_at_both_addresses(extension):
    """As in test_alias, but two units: the cache knows how the second is programmed. Each is read
    by both addresses before and after."""
    code = (
        "0e480f4981600f498160104b104f1c683d680d4941611e68d7f800800121"
        "41611960 5960d3f80090d7f800a0 9960d960d3f80890d7f808a0 00be00bf"
        "00200240 23016745 ab89efcd 22000100 00200008 00200000"
    )

    def tested():
        machine, ended = at_both_addresses(code, held=bytes(range(8)))
        return ended, [machine.engine.registers[f"r{n}"] for n in (4, 5, 6, 8, 9, 10)]

    with_it, without = both(extension, tested)
    assert with_it == without
    assert with_it[1] == [0x0302_0100, 0x0302_0100, 0xFFFF_FFFF, 0xFFFF_FFFF, 1, 1]


def boot(board, *, supply=None):
    """What a boot of *board* leaves, and all that it was seen to do."""
    machine, flash = board.machine(), board.flash()
    if supply is not None:
        flash.supply = supply
    flash.power_on()
    try:
        ended = machine.boot(flash)
    except BaseException as error:  # power is lost
        ended = repr(error)
    record = machine.record
    return ended, record, machine.now_us, machine.met, flash.state_digest(), flash.clock.now_us


def both(extension, work):
    results = []
    for module in (extension, None):
        with machines_with(module):
            results.append(work())
    return results


@pytest.mark.parametrize("name", ["copy_restart", "copy_resume", "copy_done_first"])
def test_boots_are_the_same(name, extension):
    with_it, without = both(extension, lambda: boot(copy_board(name, 4096)))
    assert with_it == without
    assert with_it[1].operations


@pytest.mark.parametrize("outcome", [Outcome.TORN, Outcome.BEFORE])
@pytest.mark.parametrize("operation", [1, 3, 4, 5, 40, 300, 515])
def test_a_cut_hits_the_same_unit(operation, outcome, extension):
    with_it, without = both(
        extension,
        lambda: boot(copy_board("copy_restart", 4096), supply=CutAt(operation, outcome)),
    )
    assert with_it == without
    assert "PowerLoss" in with_it[0]


@pytest.mark.parametrize(
    "name", ["copy_restart", pytest.param("copy_done_first", marks=pytest.mark.thorough)]
)
def test_searches_are_the_same(name, extension):
    """Certificates, which have every state and cut of a search, are byte for byte the same."""

    def searched():
        file, board = io.BytesIO(), copy_board(name, 256)
        writer = CertificateWriter(file, {"board": name})
        options = SearchOptions(limits=Limits(violations=None))
        subject = FirmwareSubject(board)
        search = Search(
            subject, board.flash(), options=options, observer=writer, began=writer.begin
        )
        report = search.run()
        writer.finish(report)
        return report.states, report.boots, report.cuts, report.violations, file.getvalue()

    with_it, without = both(extension, searched)
    assert with_it == without


def test_it_blocks_are_left_in_order(extension):
    """The program has loads and stores of registers in IT blocks, and says what came of them."""

    def tested():
        machine = Machine(load_part(L476))
        return booted(machine, program("selftest")), bytes(machine.record.output)

    with_it, without = both(extension, tested)
    assert with_it == without
