"""The HALs of chips, function by function, on the emulated machine: ``hal_test.c``."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

from flash_emulator import EmulatedFlash, load_part
from flash_emulator.machine.board import Board, Image
from flash_emulator.machine.hosts import Talk
from flash_emulator.machine.hosts.line import Line
from flash_emulator.machine.hosts.session import Common, hosted
from flash_emulator.machine.image_files import read_firmware
from flash_emulator.machine.machine import Machine
from flash_emulator.machine.rest import Limits
from mcu_updater.core.slot import CopyLayout
from mcu_updater.core.strategy import Strategy
from mcu_updater.flash_map.layouts import layout_of
from tests.core_c.built import CLOCK_MHZ, hal_commands

pytestmark = pytest.mark.judge("arm-none-eabi-gcc")

L476 = "STM32L476xG", Strategy.REMAP
F103 = "STM32F103x8", Strategy.COPY
F103_XL = "STM32F103xG", Strategy.COPY
U575 = "STM32U575xI", Strategy.SWAP_OPTION
ALL = (L476, F103, F103_XL, U575, ("STM32L476xG", Strategy.COPY))
POWER, SOFTWARE, WATCHDOG = 0, 1, 2


@dataclass
class Chip:
    """A chip with ``hal_commands`` in it, and what it answers. *both*: in both banks."""

    name: str
    strategy: Strategy
    both: bool = True

    def __post_init__(self) -> None:
        self.machine: Machine
        self.part = load_part(self.name)
        firmware = read_firmware(hal_commands(self.name, self.strategy), self.part)
        images = list(firmware.images)
        if self.both and self.strategy is not Strategy.COPY:
            second = self.part.size // 2
            images += [Image("2", each.address + second, each.data) for each in firmware.images]
        self.board = Board(
            self.part,
            tuple(images),
            clock_mhz=CLOCK_MHZ[self.name],
            limits=Limits(30_000_000),
        )
        self.flash = self.board.flash()
        layout = layout_of(self.part, self.strategy)
        area = layout.execution if isinstance(layout, CopyLayout) else layout
        self.slot = self.part.base + area.slot.offset
        self.other = self.slot + self.part.size // 2

    @property
    def erase_ms(self) -> int:
        """Of one sector, by the datasheet."""
        span = self.part.timing.span("sector_erase", self.part.sector_sizes[0])
        times = [time_us for time_us in (span.typ, span.max) if time_us is not None]
        return round(max(times) / 1000)

    def run(self, script: Callable[[Callable[[str], str], Line], object]) -> EmulatedFlash:
        """Boot it, and let *script* ask."""

        def host(line: Line) -> None:
            def ask(command: str) -> str:
                line.write(command.encode() + b"\n")
                return line.expect(rb"\n", timeout_s=60).data.decode().strip()

            line.expect(rb"ready\n", timeout_s=5)
            script(ask, line)
            finished.append(True)
            line.write(b"q\n")

        finished: list[bool] = []
        machine = self.machine = self.board.machine()
        self.flash.power_on()
        talk = Talk("USART1", host, blocking=True, common=Common(tries=1))
        with hosted(machine, talk) as session:
            ended = machine.boot(self.flash)
        assert finished, (ended, session.in_words() if session else "")
        return self.flash


def words(data: Sequence[int]) -> str:
    return " ".join(f"{each:X}" for each in data)


@pytest.mark.parametrize(("name", "strategy"), ALL)
def test_flash_is_erased_programmed_and_read(name, strategy):
    chip = Chip(name, strategy)
    unit = chip.part.program_unit
    data = [(7 * i + 1) % 251 for i in range(4 * unit)]

    def script(ask, line):
        for sector in (chip.slot, chip.other):
            assert ask(f"e {sector:X}") == "00000001"
            assert ask(f"p {sector + unit:X} {len(data):X} {words(data)}") == "00000001"
            assert ask(f"r {sector + unit + 1:X} 5") == bytes(data[1:6]).hex().upper()
            assert ask(f"p {sector + unit:X} {unit:X} {words(range(1, unit + 1))}") == "00000000"
            assert ask(f"p {sector:X} {unit:X} {words(range(1, unit + 1))}") == "00000001"
            assert ask(f"r {sector:X} {unit:X}") == bytes(range(1, unit + 1)).hex().upper()
            assert ask(f"e {sector:X}") == "00000001"
            assert ask(f"r {sector + unit:X} 3") == "FFFFFF"

    flash = chip.run(script)
    erased = [op.address for op, _ in chip.machine.record.operations if op.kind == "erase"]
    assert erased == [chip.slot, chip.slot, chip.other, chip.other]
    assert flash.part.name == name


@pytest.mark.parametrize(("name", "strategy"), [L476, U575])
def test_a_unit_that_cannot_be_read_is_told_each_time(name, strategy):
    """A double ECC error is an NMI, which must not end the program."""
    chip = Chip(name, strategy)
    unit = chip.part.program_unit
    for sector in (chip.slot, chip.other):
        chip.flash.preload(sector, bytes(range(3 * unit)))
        chip.flash.spoil(sector + unit)

    def script(ask, line):
        for sector in (chip.slot, chip.other):
            for _ in range(2):
                assert ask(f"r {sector + unit:X} 1") == "no"
                assert ask(f"r {sector + unit - 1:X} 2") == "no"
                assert ask(f"r {sector + 2 * unit - 1:X} 1") == "no"
                assert ask(f"r {sector:X} {3 * unit:X}") == "no"
                assert ask(f"r {sector + unit - 1:X} 1") == f"{unit - 1:02X}"
                assert ask(f"r {sector + 2 * unit:X} 1") == f"{2 * unit:02X}"
            assert ask(f"e {sector:X}") == "00000001"
            assert ask(f"r {sector + unit:X} 1") == "FF"

    chip.run(script)


def test_an_nmi_that_no_read_expects_is_a_reset():
    """Code that cannot be read: a start that ends here costs a trial an attempt."""
    chip = Chip(*L476)
    firmware = read_firmware(hal_commands(*L476), chip.part)
    begin, size = firmware.symbols.find("fwu_hal_erase")
    chip.flash.spoil((begin + size // 2) & ~7)

    def script(ask, line):
        line.write(f"e {chip.slot:X}\n".encode())
        line.expect(rb"ready\n", timeout_s=5)
        assert ask("c") == f"{SOFTWARE:08X}"

    chip.run(script)


def test_banks_are_remapped_and_pages_are_found_where_they_are():
    chip = Chip(*L476)
    for sector in (chip.slot, chip.other):  # what is not erased takes no other data
        chip.flash.preload(sector, bytes(range(100, 108)))

    def script(ask, line):
        assert ask("b") == "00000000"
        assert ask("m 1") == "00000001"
        assert ask("b") == "00000001"
        assert ask(f"e {chip.slot:X}") == "00000001"  # of bank 2, which is here now
        assert ask(f"p {chip.slot:X} 8 {words(range(1, 9))}") == "00000001"
        assert ask("m 0") == "00000001"
        assert ask(f"r {chip.other:X} 8") == bytes(range(1, 9)).hex().upper()
        assert ask(f"r {chip.slot:X} 2") == "6465"
        assert ask("m 1") == "00000001"
        line.write(b"x\n")
        line.expect(rb"ready\n", timeout_s=5)
        assert ask("b") == "00000000"  # a reset takes it back

    flash = chip.run(script)
    assert flash.read(chip.other, 8) == bytes(range(1, 9))


@pytest.mark.parametrize(("name", "strategy"), [L476, U575])
def test_no_bank_is_brought_that_does_not_begin_with_the_bootloader(name, strategy):
    chip = Chip(name, strategy, both=False)

    def script(ask, line):
        assert ask("m 1") == "00000000"
        assert ask("b") == "00000000"
        assert ask("m 0") == "00000001"

    chip.run(script)
    assert not [op for op, _ in chip.machine.record.operations if op.kind == "options"]


def test_banks_are_swapped_by_the_option_and_what_is_kept_counts_once():
    chip = Chip(*U575)
    for sector in (chip.slot, chip.other):
        chip.flash.preload(sector, bytes(range(100, 116)))

    def script(ask, line):
        assert ask("s") == "00000000"
        assert ask("c") == f"{POWER:08X}"
        assert ask("m 1") == "00000001"
        assert ask("b") == "00000000"  # it counts from the next reset on
        line.write(b"k 1 2\n")
        line.expect(rb"\n")
        line.write(b"x\n")
        line.expect(rb"ready\n", timeout_s=5)
        assert ask("b") == "00000001"
        assert ask("s") == "00000001"
        assert ask("c") == f"{WATCHDOG:08X}"  # of the start that the reset belongs to
        assert ask(f"e {chip.slot:X}") == "00000001"
        assert ask(f"p {chip.slot:X} 10 {words(range(16))}") == "00000001"
        line.write(b"x\n")
        line.expect(rb"ready\n", timeout_s=5)
        assert ask("s") == "00000000"
        assert ask("c") == f"{SOFTWARE:08X}"
        assert ask("b") == "00000001"

    flash = chip.run(script)
    assert flash.read(chip.slot, 16) == bytes(range(16))


def test_what_is_kept_does_not_count_after_a_watchdog_reset():
    chip = Chip(*U575)

    def script(ask, line):
        line.write(b"k 1 0\n")
        line.expect(rb"\n")
        line.write(b"w\n")
        line.expect(rb"ready\n", timeout_s=60)
        assert ask("s") == "00000000"
        assert ask("c") == f"{WATCHDOG:08X}"

    chip.run(script)


@pytest.mark.parametrize(("name", "strategy"), ALL)
def test_causes_of_resets(name, strategy):
    chip = Chip(name, strategy)

    def script(ask, line):
        assert ask("c") == f"{POWER:08X}"
        line.write(b"x\n")
        line.expect(rb"ready\n", timeout_s=5)
        assert ask("c") == f"{SOFTWARE:08X}"
        started_s = line.now_s()
        line.write(b"w\n")
        line.expect(rb"ready\n", timeout_s=60)
        assert 25 < line.now_s() - started_s < 40
        assert ask("c") == f"{WATCHDOG:08X}"
        line.write(b"x\n")
        line.expect(rb"ready\n", timeout_s=5)
        assert ask("c") == f"{SOFTWARE:08X}"  # flags are cleared at each start

    chip.run(script)


@pytest.mark.parametrize(("name", "strategy"), ALL)
def test_bytes_that_come_while_a_sector_is_erased_are_kept(name, strategy):
    """As many as the line brings in that time. That the receiver, which holds one, is emptied
    meanwhile is not seen here: the emulated erase is one moment. See the next test."""
    chip = Chip(name, strategy)
    count = min(chip.erase_ms * 12, 1024)

    def script(ask, line):
        for sector in (chip.slot, chip.other):
            line.write(f"l {sector:X}\n".encode())
            line.expect(rb"go\n", timeout_s=1)
            line.write(bytes(count))
            said = line.expect(rb"[0-9A-F]{8} 0{8}\n", timeout_s=5).data
            assert int(said.split()[0], 16) == count

    chip.run(script)


@pytest.mark.parametrize(("name", "strategy"), ALL)
def test_what_runs_while_flash_is_busy_is_in_ram(name, strategy):
    """All of it, with its constants: else the CPU waits for flash, and bytes are lost."""
    elf = hal_commands(name, strategy)
    needed = {"program_unit", "erase_page", "serial_interrupt", "systick_interrupt"}
    listing = subprocess.run(
        ["arm-none-eabi-objdump", "-d", "-j", ".data", str(elf)],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert needed <= set(re.findall(r"^[0-9a-f]+ <(\w+)[.\w]*>:$", listing, re.MULTILINE))
    branches = re.findall(r"\tb\S*\t([0-9a-f]+) <", listing)
    assert branches
    assert {int(target, 16) >> 24 for target in branches} == {0x20}
    assert not re.search(r"\tblx?\tr\d", listing)


@pytest.mark.parametrize(("name", "strategy"), ALL)
def test_time_outs_are_kept_and_not_cut_short(name, strategy):
    chip = Chip(name, strategy)

    def script(ask, line):
        for timeout_ms in (0, 1, 300, 5000):
            line.wait(0.007)  # in the middle of a tick
            began_s = line.now_s()
            told_ms = int(ask(f"t {timeout_ms:X}"), 16)
            passed_ms = (line.now_s() - began_s) * 1000
            assert timeout_ms <= passed_ms <= timeout_ms + 40
            assert abs(told_ms - timeout_ms) <= 20

    chip.run(script)
