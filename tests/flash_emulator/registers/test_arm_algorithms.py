"""Arm's own flash algorithms work on the emulated chips, and meet their errors there.

Of the thirteen STM32 algorithms in pyocd 0.46 ten run here; F439 and H750 are copies of F429 and
H743, and no part of ours is an L0. For G0, G4, L5, U5, H5 and WB it has none.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from flash_emulator import CutAt, Outcome, PowerLoss, SteadySupply, Trace
from flash_emulator.registers import AccessFault
from flash_emulator.registers.h7_layouts import WRPERR
from tests.flash_emulator.registers.arm_algorithms import ERASE, PROGRAM, Runner


@dataclass(frozen=True, slots=True)
class Case:
    """An algorithm, the part it runs on, and a sector of it. *also* is erased besides."""

    module: str
    part: str
    sector: int
    page: int = 64
    also: int | None = None
    refuses_overwrite: bool = False  # ProgramPage says so; else it is executed
    notes_protected_erase: bool = True  # EraseSector looks at WRPERR at all
    notes_protected_program: bool = True

    def __str__(self) -> str:
        return f"{self.module} on {self.part}"


CASES = [
    Case("L475xx", "STM32L476xG", 0x0808_1000, refuses_overwrite=True),
    Case("L432xx", "STM32L476xG", 0x0800_1000, refuses_overwrite=True),
    Case("F429xx", "STM32F429xI", 0x0810_4000),
    Case("F429xx", "STM32F429xI", 0x0800_4000),
    Case("F412xx", "STM32F407xG", 0x0800_4000),
    Case("F767xx", "STM32F767xI_single", 0x0800_8000),
    Case("F103RC", "STM32F103xG", 0x0800_1000, refuses_overwrite=True, notes_protected_erase=False),
    Case(
        "F051T8", "STM32F103x8", 0x0800_1000, refuses_overwrite=True, notes_protected_erase=False
    ),  # F0 has the registers of F1; its sectors are 1 KiB as well
    Case(
        "H743xx",
        "STM32H743xI",
        0x0812_0000,
        also=0x0814_0000,
        notes_protected_erase=False,
        notes_protected_program=False,
    ),
    Case("H723xx", "STM32H743xI", 0x0802_0000, notes_protected_erase=False),  # bank 1 only
    Case(
        "H7B0xx",
        "STM32H7A3xI",
        0x0810_2000,
        page=256,
        notes_protected_erase=False,
        notes_protected_program=False,
    ),
]


def case_of(module: str) -> Case:
    return next(case for case in CASES if case.module == module)


every_case = pytest.mark.parametrize("case", CASES, ids=str)


def runner(case: Case) -> Runner:
    made = Runner(case.module, case.part)
    made.flash.trace = Trace()
    return made


def done(run: Runner) -> list[str]:
    assert run.flash.trace is not None
    return [str(operation) for operation in run.flash.trace]


def page_of(case: Case, salt: int = 1) -> bytes:
    """A page no two units of which are alike, none of them blank or zero."""
    return bytes((salt + index * 7 + index // 64) % 251 + 1 for index in range(case.page))


def at(address: int) -> str:
    return f"0x{address >> 16:04X}_{address & 0xFFFF:04X}"


# --- a debugger's session


@every_case
def test_erase_program_and_verify(case: Case) -> None:
    run = runner(case)
    old, data = page_of(case, 99), page_of(case)
    run.flash.preload(case.sector, old)
    run.flash.preload(case.sector - case.page, old)

    assert run.init(ERASE) == 0
    assert run.erase_sector(case.sector) == 0
    assert run.uninit(ERASE) == 0
    erased = [f"erase {at(case.sector)}"] + ([f"erase {at(case.also)}"] if case.also else [])
    assert done(run) == erased
    assert run.flash.read(case.sector, case.page) == b"\xff" * case.page

    assert run.init(PROGRAM) == 0
    assert run.program_page(case.sector, data) == 0
    assert run.uninit(PROGRAM) == 0
    assert run.flash.read(case.sector, case.page) == data
    assert run.flash.read(case.sector - case.page, case.page) == old, "the neighbour stays"
    unit = run.flash.part.program_unit
    assert len(done(run)) - len(erased) == case.page // unit, "each unit once"
    assert run.front.undefined == []


@every_case
def test_erase_all(case: Case) -> None:
    """F103RC and H723 know one bank only: the other one stays."""
    run = runner(case)
    run.flash.preload(case.sector, page_of(case))
    assert run.init(ERASE) == 0
    assert run.erase_all() == 0
    assert run.flash.read(case.sector, case.page) == b"\xff" * case.page
    one = case.module in ("F103RC", "H723xx")
    per_bank = len(run.flash.part.sector_sizes)
    assert set(run.flash.erase_counts[:per_bank]) == {1}
    assert set(run.flash.erase_counts[per_bank:]) <= {0 if one else 1}


@every_case
def test_the_algorithms_wait_for_a_device_that_takes_its_time(case: Case) -> None:
    run = runner(case)
    run.flash.background = True
    run.front.poll_us = 5_000
    assert run.init(ERASE) == 0
    assert run.erase_sector(case.sector) == 0
    assert run.program_page(case.sector, page_of(case)) == 0
    assert run.flash.read(case.sector, case.page) == page_of(case)
    assert not run.flash.is_busy()


# --- what they do to the registers: facts that were recorded against a stub that answers 0


def test_l475_registers() -> None:
    run = runner(case_of("L475xx"))
    run.init()
    assert run.steps() == [
        "write KEYR 0x45670123",
        "write KEYR 0xCDEF89AB",
        "write ACR 0x0",
        "write SR 0xC3FA",
    ]
    run.erase_sector(0x0808_1000)
    assert run.steps(reads=True)[1:] == [
        "write SR 0xC3FA",
        "write CR 0x812",  # BKER, PNB 2, PER
        "read CR 0x40000812",
        "write CR 0x40010812",
        "read SR 0x0",
        "write CR 0x0",
        "read SR 0x0",
    ]
    run.program_page(0x0808_1000, bytes(range(1, 9)))
    assert [str(access) for access in run.accesses] == [
        "write SR 0xC3FA",
        "write CR 0x0",
        "write CR 0x1",
        "store 0x08081000 0x4030201",
        "store 0x08081004 0x8070605",
        "read SR 0x0",
        "write CR 0x0",
        "read SR 0x0",
    ]
    run.uninit()
    assert run.steps() == ["write CR 0x80000000"]
    assert run.others == {0xE004_2000}, "DBGMCU_IDCODE"


def test_f429_registers() -> None:
    """The stub gave STRT back, hence 0x10088 at the end; here the hardware has cleared it."""
    run = runner(case_of("F429xx"))
    run.init()
    assert run.steps() == [
        "write KEYR 0x45670123",
        "write KEYR 0xCDEF89AB",
        "write ACR 0x0",
        "write SR 0xF0",
    ]
    run.erase_sector(0x0810_4000)
    writes = ["write SR 0xF0", "write CR 0x2", "write CR 0x8A", "write CR 0x1008A"]
    assert run.steps() == [*writes, "write CR 0x88"]  # SNB 17: sector 13
    run.program_page(0x0810_4000, b"\x01\x02\x03\x04")
    writes = ["write SR 0xF0", "write CR 0x0", "write CR 0x201"]
    assert run.steps() == [*writes, "write CR 0x200"]
    assert [a.place for a in run.accesses if a.kind == "store"] == ["0x08104000"]


def test_f103_registers() -> None:
    run = runner(case_of("F103RC"))
    run.init()
    assert run.steps() == ["write SR 0x34"]
    run.erase_sector(0x0800_1000)
    assert run.steps() == [
        "write KEYR 0x45670123",
        "write KEYR 0xCDEF89AB",
        "write CR 0x2",
        "write AR 0x8001000",
        "write CR 0x42",
        "write CR 0x0",
    ]
    run.program_page(0x0800_1000, b"\x01\x02\x03\x04")
    stores = [str(access) for access in run.accesses if access.kind == "store"]
    assert stores == ["store 0x08001000 0x201", "store 0x08001002 0x403"]


def test_h743_erases_the_next_sector_too() -> None:
    run = runner(case_of("H743xx"))
    run.init()
    run.erase_sector(0x0812_0000)
    starts = [step for step in run.steps() if "CR2" in step and "CCR" not in step]
    assert starts == [
        "write CR2 0x0",
        "write CR2 0x134",
        "write CR2 0x1B4",
        "write CR2 0x130",
        "write CR2 0x0",
        "write CR2 0x234",
        "write CR2 0x2B4",
        "write CR2 0x230",
    ]
    assert {0x5802_44D4, 0x5800_4800, 0x5800_4C00, 0x4000_2C00} <= run.others


def test_h7b0_registers() -> None:
    run = runner(case_of("H7B0xx"))
    run.init()
    run.erase_sector(0x0810_2000)
    starts = [step for step in run.steps() if "write CR2" in step]
    assert starts == ["write CR2 0x0", "write CR2 0x44", "write CR2 0x64", "write CR2 0x40"]


# --- error paths


@every_case
def test_a_program_over_programmed_data(case: Case) -> None:
    """Refused on L4 and F1; bits go from 1 to 0 on F4; executed on H7. Only verify tells."""
    run = runner(case)
    old, new = page_of(case, 1), page_of(case, 2)
    run.init()
    assert run.program_page(case.sector, old) == 0
    before = len(done(run))
    assert run.program_page(case.sector, new) == int(case.refuses_overwrite)
    cells = run.flash.cells.raw_data(case.sector - run.flash.part.base, case.page)
    if case.refuses_overwrite:
        assert cells == old and len(done(run)) == before
    else:
        assert cells == bytes(a & b for a, b in zip(old, new, strict=True))


@every_case
def test_a_protected_sector(case: Case) -> None:
    """Nothing happens to it; half of the algorithms do not notice. Always verify."""
    run = runner(case)
    run.flash.preload(case.sector, page_of(case))
    run.flash.protect_sectors(case.sector)
    run.init()
    assert run.erase_sector(case.sector) == int(case.notes_protected_erase)
    assert run.program_page(case.sector + case.page, page_of(case)) == int(
        case.notes_protected_program
    )
    assert run.flash.read(case.sector, 2 * case.page) == page_of(case) + b"\xff" * case.page
    assert f"erase {at(case.sector)}" not in done(run)


def test_h743_leaves_wrperr_behind() -> None:
    run = runner(case_of("H743xx"))
    run.flash.protect_sectors(0x0812_0000)
    run.init()
    assert run.program_page(0x0812_0000, bytes(range(1, 33))) == 0
    assert run.accesses[-1].kind == "write"
    assert run.front.read(0x110) == WRPERR


@pytest.mark.parametrize("case", [case_of("L475xx"), case_of("F429xx"), case_of("F103RC")], ids=str)
def test_after_a_wrong_key_the_keys_of_init_open_nothing(case: Case) -> None:
    """The algorithms do not look whether LOCK has gone: they report success."""
    run = runner(case)
    key_register = 0x08 if case.module == "L475xx" else 0x04
    with pytest.raises(AccessFault):
        run.front.write(key_register, 4, 0)
    run.init()
    assert run.erase_sector(case.sector) == 0
    assert done(run) == []
    run.flash.reset()
    run.front.reset()
    run.init()
    assert run.erase_sector(case.sector) == 0
    assert done(run)[0] == f"erase {at(case.sector)}"


# --- power cuts


@pytest.mark.parametrize("outcome", Outcome)
@every_case
def test_a_cut_in_program_page_stops_the_cpu_and_erase_heals(case: Case, outcome: Outcome) -> None:
    run = runner(case)
    run.init()
    run.flash.supply = CutAt(2, outcome)
    with pytest.raises(PowerLoss):
        run.program_page(case.sector, page_of(case))
    stores = sum(access.kind == "store" for access in run.accesses)
    with pytest.raises(PowerLoss):
        run.erase_sector(case.sector)
    assert done(run)[-1].endswith(f"CUT, {outcome}")
    assert stores <= 2 * run.flash.part.program_unit, "the CPU has stopped there"

    run.flash.supply = SteadySupply()
    run.power_on()
    unit = run.flash.part.program_unit
    assert run.flash.read(case.sector, unit) == page_of(case)[:unit], "what was before is whole"
    run.init()
    assert run.erase_sector(case.sector) == 0
    assert run.program_page(case.sector, page_of(case)) == 0
    assert run.flash.read(case.sector, case.page) == page_of(case)


@pytest.mark.parametrize("outcome", Outcome)
@every_case
def test_a_cut_in_erase_sector_and_the_next_erase_heals(case: Case, outcome: Outcome) -> None:
    run = runner(case)
    run.flash.preload(case.sector, page_of(case, 99))
    run.init()
    run.flash.supply = CutAt(1, outcome)
    with pytest.raises(PowerLoss):
        run.erase_sector(case.sector)
    run.flash.supply = SteadySupply()
    run.power_on()
    run.init()
    assert run.erase_sector(case.sector) == 0
    assert run.program_page(case.sector, page_of(case)) == 0
    run.flash.power_on()
    assert run.flash.read(case.sector, case.page) == page_of(case)


def test_l475_refuses_to_program_on_after_a_cut_without_an_erase() -> None:
    """The unit that the cut has torn is not erased: PROGERR."""
    case = case_of("L475xx")
    run = runner(case)
    run.init()
    run.flash.supply = CutAt(2, Outcome.TORN)
    with pytest.raises(PowerLoss):
        run.program_page(case.sector, page_of(case))
    run.flash.supply = SteadySupply()
    run.power_on()
    run.init()
    assert run.program_page(case.sector + 8, page_of(case)[8:]) == 1
