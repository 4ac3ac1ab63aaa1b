"""What is special about unicorn, and that the engine keeps it from whoever uses it.

Thumb code is given in hexadecimal, as it lies in memory, with what it says beside it.
"""

import pytest

from flash_emulator.machine.engine import (
    BREAKPOINT,
    FETCH,
    MAY_FETCH,
    MAY_READ,
    MAY_WRITE,
    PREFETCH,
    READ,
    RETURN,
    SVC,
    UNDEFINED,
    WRITE,
    Engine,
    Mapping,
    Window,
)
from flash_emulator.machine.meter import Meter

CODE, RAM, IO, STORES = 0x0800_0000, 0x2000_0000, 0x4000_0000, 0x0900_0000
ALL = MAY_READ | MAY_WRITE | MAY_FETCH
BKPT = "00be"


class Bench:
    """A core with code, RAM, a register block, and a page whose stores are calls."""

    def __init__(self, core: str = "m4") -> None:
        self.asked: list[tuple[int, int]] = []
        self.reads: list[int] = []
        self.writes: list[tuple[int, int]] = []
        self.answers: list[int] = []
        self.raises: BaseException | None = None
        self.nobody: set[int] = set()
        self.engine = Engine(core, self.page)
        self.code = self.engine.map_memory(CODE, 0x2000)
        self.ram = self.engine.map_memory(RAM, 0x2000)
        self.engine.map_window(IO, 0x1000, Window(self.load, self.store))
        self.engine.map_window(STORES, 0x2000, Window(self.load, self.store))
        self.registers = self.engine.registers
        self.registers.clear()
        self.registers["sp"] = RAM + 0x800

    def page(self, address: int, access: int) -> Mapping | None:
        self.asked.append((address, access))
        if address in self.nobody:
            return None
        if address >= CODE + 0x1000 and address < CODE + 0x2000 and access == WRITE:
            return Mapping(STORES + address - CODE, MAY_WRITE)
        if CODE <= address < CODE + 0x2000:
            return Mapping(address, MAY_READ | MAY_FETCH)
        return Mapping(address, ALL)

    def load(self, offset: int, width: int) -> int:
        if self.raises is not None:
            raise self.raises
        self.reads.append(offset)
        return self.answers.pop(0) if self.answers else 0

    def store(self, offset: int, width: int, value: int) -> None:
        if self.raises is not None:
            raise self.raises
        self.writes.append((offset, value))

    def put(self, at: int, *code: str) -> int:
        data = bytes.fromhex("".join(code).replace(" ", ""))
        self.code[at : at + len(data)] = data
        return CODE + at


@pytest.fixture
def bench():
    return Bench()


# --- memory


def test_a_store_to_a_window_is_a_call_and_nothing_of_it_reaches_what_is_read(bench):
    at = bench.put(0, "0860", "0a68", BKPT)  # str r0, [r1]; ldr r2, [r1]
    bench.code[0x1000:0x1004] = b"\x11\x22\x33\x44"
    bench.registers["r0"], bench.registers["r1"] = 0xDEAD_BEEF, CODE + 0x1000
    assert bench.engine.run(at).number == BREAKPOINT
    assert bench.writes == [(0x1000, 0xDEAD_BEEF)]
    assert bench.code[0x1000:0x1004] == b"\x11\x22\x33\x44"
    assert bench.registers["r2"] == 0x4433_2211


def test_a_double_store_is_two_calls(bench):
    at = bench.put(0, "c1e90002", BKPT)  # strd r0, r2, [r1]
    bench.registers["r0"], bench.registers["r1"], bench.registers["r2"] = 1, IO, 2
    bench.engine.run(at)
    assert bench.writes == [(0, 1), (4, 2)]


def test_a_page_is_asked_for_once_for_each_kind_of_access_and_again_after_a_flush(bench):
    at = bench.put(0, "0a68", "0a68", BKPT)  # ldr r2, [r1], twice
    bench.registers["r1"] = CODE + 0x1000
    bench.engine.run(at)
    assert bench.asked.count((CODE + 0x1000, READ)) == 1
    bench.engine.run(at)
    assert bench.asked.count((CODE + 0x1000, READ)) == 1
    bench.engine.flush()
    bench.engine.run(at)
    assert bench.asked.count((CODE + 0x1000, READ)) == 2


def test_a_load_behind_a_store_to_the_same_page_asks_again(bench):
    """So what was stored can be done before it is read."""
    at = bench.put(0, "0a68", "0860", "0a68", BKPT)
    bench.registers["r1"] = CODE + 0x1000
    bench.engine.run(at)
    kinds = [kind for address, kind in bench.asked if address == CODE + 0x1000]
    assert kinds == [READ, WRITE, READ]


def test_a_page_that_nobody_has_stops_at_the_instruction_with_its_address(bench):
    bench.nobody.add(0x6000_0000)
    at = bench.put(0, "0a68", BKPT)
    bench.registers["r1"], bench.registers["r2"] = 0x6000_0123 & ~3, 7
    stop = bench.engine.run(at)
    assert (stop.number, stop.address, stop.access) == (PREFETCH, 0x6000_0000, READ)
    assert bench.registers["pc"] == at
    assert bench.registers["r2"] == 7


def test_execution_from_a_page_that_nobody_has_stops_there(bench):
    bench.nobody.add(0x6000_0000)
    at = bench.put(0, "0847")  # bx r1
    bench.registers["r1"] = 0x6000_0101
    stop = bench.engine.run(at)
    assert (stop.number, stop.access) == (PREFETCH, FETCH)
    assert bench.registers["pc"] == 0x6000_0100


# --- what hooks raise


@pytest.mark.parametrize("code", ["0a68", "0860"])
def test_what_a_window_raises_comes_out_and_nothing_more_is_done(bench, code):
    bench.raises = KeyboardInterrupt()
    at = bench.put(0, code, "0b60", BKPT)  # str r3, [r1] behind it
    bench.registers["r1"] = IO
    with pytest.raises(KeyboardInterrupt):
        bench.engine.run(at)
    assert bench.reads == []
    assert bench.writes == []
    assert bench.registers["pc"] == at


def test_what_a_page_raises_comes_out(bench):
    at = bench.put(0, "0a68", BKPT)
    bench.registers["r1"] = RAM

    def page(address: int, access: int) -> Mapping | None:
        raise LookupError(hex(address))

    bench.engine._page = page
    with pytest.raises(LookupError):
        bench.engine.run(at)


@pytest.mark.parametrize("code", [BKPT, "0868"])  # ldr r0, [r1], which nobody has
def test_what_a_signal_raises_in_a_hook_comes_out(bench, code, monkeypatch):
    """A signal's handler may raise in any Python code: here where a hook says why it stops."""

    def interrupted(*_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("flash_emulator.machine.engine.Stop", interrupted)
    bench.nobody = {0x3000_0000}
    bench.registers["r1"] = 0x3000_0000
    with pytest.raises(KeyboardInterrupt):
        bench.engine.run(bench.put(0, code, BKPT))


def test_an_engine_goes_on_after_what_was_raised(bench):
    bench.raises = LookupError()
    at = bench.put(0, "0a68", BKPT)
    bench.registers["r1"] = IO
    with pytest.raises(LookupError):
        bench.engine.run(at)
    bench.raises = None
    bench.answers = [0x1234]
    bench.engine.run(at)
    assert bench.registers["r2"] == 0x1234


# --- IT blocks

IT = [
    ("load of a register", "0a68", IO),
    ("store to a register", "0860", IO),
    ("load of flash", "0a68", CODE + 0x1000),
    ("store to flash", "0860", CODE + 0x1000),
    ("load of RAM", "0a68", RAM),
    ("double store", "c1e90003", IO),
    ("multiple load", "91e80c00", CODE + 0x1000),  # ldm.w r1, {r2, r3}
]


@pytest.mark.parametrize(("what", "access", "where"), IT, ids=[i[0] for i in IT])
@pytest.mark.parametrize("condition", ["18bf", "08bf", "04bf"])  # it ne; it eq; itt eq
def test_no_instruction_behind_an_it_block_is_skipped(bench, what, access, where, condition):
    """cmp r5, #0; IT; access; then eight times adds r4, #1 in blocks of their own."""
    second = "0b46" if condition == "04bf" else ""  # mov r3, r1
    count = "0134" + "ffe7"  # adds r4, #1; b to the next instruction
    at = bench.put(0, "002d", condition, access, second, *[count] * 8, BKPT)
    for r5 in (0, 1):
        bench.registers["r4"], bench.registers["r5"] = 0, r5
        bench.registers["r1"] = where
        bench.engine.at_it(at + 2)
        bench.engine.flush()  # every access is a first one
        bench.engine.run(at)
        assert bench.registers["r4"] == 8, what


@pytest.mark.parametrize("block", [("d1f80020", "0b46"), ("0b46", "d1f80020"), ("0b46", "0a68")])
@pytest.mark.parametrize("before", range(0, 12, 2))
def test_nor_behind_one_that_reaches_into_the_next_page(bench, before, block):
    """Where the engine's blocks end. mov r3, r1 and ldr r2, [r1], in two orders."""
    at = bench.put(0x400 - before, "04bf", *block, *["0134" + "ffe7"] * 8, BKPT)
    bench.engine.at_it(at)
    for z in (0, 1):
        bench.registers["xpsr"] = 0x0100_0000 | z << 30
        bench.registers["r4"], bench.registers["r1"], bench.registers["r3"] = 0, IO, 0
        bench.engine.flush()
        bench.engine.run(at)
        assert bench.registers["r4"] == 8
        assert bench.registers["r3"] == (IO if z else 0)


def test_an_it_block_without_a_mark_would_skip_one(bench):
    """The fault that is kept away: this is what happens where nobody says that there is an IT."""
    at = bench.put(0, "002d", "08bf", "0a68", *["0134" + "ffe7"] * 8, BKPT)
    bench.registers["r1"] = IO
    bench.engine._clear_it = lambda: None
    bench.registers["r4"], bench.registers["r5"] = 0, 0
    bench.engine.run(at)
    assert bench.registers["r4"] < 8


# --- the meter


@pytest.mark.parametrize("in_python", [False, True])
def test_the_meter_counts_bytes_of_code_and_stops_between_blocks(bench, in_python, monkeypatch):
    if in_python:
        monkeypatch.setattr("flash_emulator.machine.meter.executable", lambda code: None)
        bench = Bench()
    at = bench.put(0, "0134", "fde7")  # loop: adds r4, #1; b loop
    bench.engine.meter.limit = 400
    stop = bench.engine.run(at)
    assert stop.number == 0
    assert bench.engine.meter.counted == 400
    assert bench.registers["pc"] == at
    assert bench.registers["r4"] == 100


def test_the_limit_holds_in_code_that_is_translated_already(bench):
    at = bench.put(0, "0134", "fde7")
    for number in (1, 2, 3):
        bench.engine.meter.limit = 400 * number
        bench.engine.run(at)
        assert bench.registers["r4"] == 100 * number


def test_both_meters_count_the_same(bench, monkeypatch):
    code = ("642d", "01d1", "0025", "0134", "0135", "f9e7")
    counts = []
    for in_python in (False, True):
        if in_python:
            monkeypatch.setattr("flash_emulator.machine.meter.executable", lambda code: None)
        bench = Bench()
        at = bench.put(0, *code)
        bench.engine.meter.limit = 10_000
        bench.engine.run(at)
        counts.append((bench.engine.meter.counted, bench.registers["r4"], bench.registers["pc"]))
    assert counts[0] == counts[1]


def test_memory_that_cannot_be_executed_is_done_without(monkeypatch):
    def refuses(*args, **kwargs):
        raise PermissionError

    monkeypatch.setattr("flash_emulator.machine.meter.mmap.mmap", refuses)
    assert Meter(0).machine_code is None


# --- exceptions, as the engine tells them


@pytest.mark.parametrize(
    ("code", "number"),
    [("01df", SVC), ("00be", BREAKPOINT), ("00de", UNDEFINED)],
)
def test_what_ends_a_block(bench, code, number):
    assert bench.engine.run(bench.put(0, code, BKPT)).number == number


def test_a_return_from_an_exception(bench):
    at = bench.put(0, "7047")  # bx lr
    bench.registers["xpsr"] = 0x0100_0003  # handler mode: HardFault
    bench.registers["lr"] = 0xFFFF_FFF9
    assert bench.engine.run(at).number == RETURN
    assert bench.registers["pc"] & ~1 == 0xFFFF_FFF8


def test_two_resets_leave_the_same(bench):
    at = bench.put(0, "0134", "70b5", BKPT)  # adds r4, #1; push {r4-r6, lr}
    found = []
    for _ in range(2):
        bench.registers.clear()
        bench.registers["sp"] = RAM + 0x800
        bench.ram[:] = bytes(len(bench.ram))
        bench.engine.run(at)
        found.append((bench.registers.snapshot(), bench.ram[:]))
        for name in ("r4", "r7", "r12", "lr", "psp", "primask"):
            bench.registers[name] = 1
    assert found[0] == found[1]
