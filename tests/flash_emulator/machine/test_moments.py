"""Films of compiled firmware in the developer's terms: call stack, source, registers, flash."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path as File

import pytest

from flash_emulator.explore import (
    Film,
    Limits,
    Nothing,
    Path,
    Report,
    Search,
    SearchOptions,
    replay,
    shrink,
)
from flash_emulator.explore.campaign import Campaign, Result
from flash_emulator.explore.render import campaign_json, campaign_junit, film_lines
from flash_emulator.machine import debug_info
from flash_emulator.machine.board_file import BoardFile, read_board_file
from flash_emulator.machine.debug_info import disassembly
from flash_emulator.moment import Moment, Running
from flash_emulator.player import FlashMap
from flash_emulator.testing.film import cuts_in_words, drawn
from tests.places import ROOT

EXAMPLE = ROOT / "examples/c_bootloader"
FLASH_C = """\
#include <stdint.h>
#define REGISTER(address) (*(volatile uint32_t *)(address))
static void unlock(void)
{
    REGISTER(0x40022008u) = 0x45670123u;
    REGISTER(0x40022008u) = 0xCDEF89ABu;
}
static inline __attribute__((always_inline)) void write_unit(uint32_t address)
{
    REGISTER(0x40022014u) = 1u;
    REGISTER(address) = 0x12345678u;
    REGISTER(address + 4u) = 0x9ABCDEF0u; /* the unit is programmed here */
    while (REGISTER(0x40022010u) & (1u << 16)) {
    }
}
void nmi(void)
{
    write_unit(0x08004000u);
}
__attribute__((noinline)) static void install(void)
{
    unlock();
    REGISTER(0xE000ED04u) = 1u << 31; /* NMIPENDSET */
    __asm volatile("dsb\\n\\tisb" ::: "memory");
    write_unit(0x08004008u);
}
void start(void)
{
    install();
    __asm volatile("bkpt 1");
}
__attribute__((noinline)) void hang(void)
{
    for (;;) {
    }
}
extern uint32_t stack_top[];
__attribute__((section(".vectors"), used)) static void *const vectors[16] = {
    stack_top, start, nmi, hang, hang, hang, hang, 0, 0, 0, 0, hang, hang, 0, hang, hang,
};
"""
BOARD = """\
part = "STM32L476xG"
[[images]]
file = "made.elf"
[questions]
rests_in = ["breakpoint"]
"""


def filmed(read: BoardFile, path: str) -> Film:
    subject = read.subject.unit_by_unit
    return replay(subject, read.board.flash(), Nothing(), Path.parse(path))


def moment_of(film: Film, kind: str = "cut") -> Moment:
    (found,) = [each.moment for each in film.frames if each.kind == kind and each.moment]
    return found


def running_of(film: Film, kind: str = "cut") -> Running:
    running = moment_of(film, kind).running
    assert running is not None
    return running


@pytest.fixture(scope="module")
def board() -> BoardFile:
    return read_board_file(EXAMPLE / "first_try.toml")


@pytest.fixture(scope="module")
def film(board: BoardFile) -> Film:
    """Power goes in the erase of the slot, before anything has happened."""
    return filmed(board, "3b")


def line_of(text: str) -> int:
    lines = (EXAMPLE / "bootloader.c").read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


def test_a_cut_is_told_with_function_line_and_callers(film: Film) -> None:
    running = running_of(film)
    erase, copy = line_of("FLASH_CR = page | 2u | 1u << 16"), line_of("erase(SLOT + at)")
    start = line_of("        install(size);")
    assert str(running) == (
        f"erase(), bootloader.c:{erase}, called from copy(), bootloader.c:{copy}, called from "
        f"install(), bootloader.c, called from start(), bootloader.c:{start}"
    )
    assert film.place == running.stack[0].source
    assert film.place is not None
    assert File(film.place.path).samefile(EXAMPLE / "bootloader.c")


def test_the_line_that_was_cut_is_marked_in_the_source(film: Film) -> None:
    excerpt = running_of(film).excerpt
    assert excerpt is not None
    assert "1u << 16" in excerpt.lines[excerpt.marked - excerpt.first]
    text = (EXAMPLE / "bootloader.c").read_text().splitlines()
    assert tuple(text[excerpt.first - 1 : excerpt.first - 1 + len(excerpt.lines)]) == excerpt.lines


def test_registers_are_those_of_the_store(film: Film) -> None:
    registers = running_of(film).registers
    assert registers["r0"] == 0x0800_8000  # what erase() was given
    assert registers["r3"] & 1 << 16  # STRT, about to be stored
    assert registers["pc"] == running_of(film).stack[0].pc


def test_the_end_says_where_it_went_wrong_and_what_the_flash_holds_now(film: Film) -> None:
    moment = moment_of(film, "violation")
    assert moment.running is not None
    (start,) = moment.running.stack
    assert (str(start).split(":")[0], start.note) == ("start(), application.c", "begins here")
    (now,) = moment.touched
    assert now.address == 0x0800_8000
    assert now.before == now.after


def test_tests_that_fail_name_the_place(film: Film) -> None:
    words = list(cuts_in_words(film))
    assert f"in erase(), bootloader.c:{line_of('1u << 16;')}, called from copy()" in words[1]
    assert any("> " in line and "1u << 16" in line for line in drawn(film))


def test_the_film_fits_into_a_hundred_columns_below_each_cut(film: Film) -> None:
    lines = list(film_lines(film))
    told = [line for line in lines if line.startswith(" " * 22)]
    assert max(map(len, told)) <= 100
    assert f"{'':22}in erase(), bootloader.c:{line_of('1u << 16;')}" in lines
    assert any(line.strip().startswith("> ") and "1u << 16" in line for line in lines)
    assert sum("called from" in line for line in lines) == 3
    assert any("before: 256 units of 8 bytes: 247 erased, 9 programmed" in line for line in lines)


@pytest.fixture(scope="module")
def report(board: BoardFile) -> Report:
    """Of a search in which nobody may read debug information."""

    def read(*_args: object, **_named: object) -> None:
        raise AssertionError("debug information was read")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(debug_info.of_board, "read_debug_info", read)
        fresh = read_board_file(board.path)
        options = SearchOptions(limits=Limits(violations=6))
        report = Search(fresh.subject, fresh.board.flash(), options=options).run()
        with pytest.raises(AssertionError, match="debug information was read"):
            filmed(fresh, "3b")
    return report


def test_a_search_reads_no_debug_information(report: Report) -> None:
    assert report.violations


def test_reports_carry_the_place(board: BoardFile, film: Film, report: Report) -> None:
    found = replace(report.violations[0], path=film.path)
    report, array = (
        replace(report, violations=(found,), complete=True),
        FlashMap.of(board.board.part),
    )
    done = Campaign("C", (Result("boot", report, array, films=(film,)),))
    values = json.loads(campaign_json(done))["results"][0]["counterexamples"][0]["film"]
    place = values["place"]
    assert (place["function"], place["file"]) == ("erase", "bootloader.c")
    assert place["line"] == line_of("1u << 16;")
    (cut,) = [each["moment"] for each in values["frames"] if each["kind"] == "cut"]
    assert [each["source"]["function"] for each in cut["running"]["stack"]] == [
        *("erase", "copy", "install", "start")
    ]
    assert cut["running"]["registers"]["r0"] == 0x0800_8000
    assert cut["touched"][0]["before"].startswith("256 units")
    assert "(power lost in erase(), bootloader.c:" in campaign_junit(done)


def test_counterexamples_have_the_fewest_cuts(board: BoardFile, report: Report) -> None:
    """A search goes by numbers of cuts, so nothing is left to take away."""
    flash = board.board.flash()
    for found in report.violations[:6]:
        shorter = shrink(board.subject, flash, Nothing(), found.path)
        assert len(shorter.cuts) == len(found.path.cuts)


# --- exceptions, inlined functions


@pytest.fixture(scope="module")
def in_nmi(tmp_path_factory: pytest.TempPathFactory) -> File:
    folder = tmp_path_factory.mktemp("nmi")
    shutil.copy(EXAMPLE / "memory.ld", folder)
    (folder / "made.c").write_text(FLASH_C)
    (folder / "board.toml").write_text(BOARD)
    return folder


def compile_it(folder: File, *flags: str) -> BoardFile:
    command = ["arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb", "-ffreestanding", "-nostdlib"]
    link = ["-static", "-T", "memory.ld", "-Wl,--defsym=BEGIN=0x08000000", "-Wl,--build-id=none"]
    files = ["made.c", "-o", "made.elf"]
    subprocess.run([*command, *link, *flags, *files], cwd=folder, check=True, capture_output=True)
    return read_board_file(folder / "board.toml")


@pytest.mark.judge("arm-none-eabi-gcc")
@pytest.mark.parametrize("level", ["-O0", "-O2", "-Os"])
@pytest.mark.parametrize("version", [2, 5])
def test_a_cut_in_an_nmi_handler_shows_what_the_handler_interrupted(
    in_nmi: File, level: str, version: int
) -> None:
    read = compile_it(in_nmi, level, f"-gdwarf-{version}")
    running = running_of(filmed(read, "1t"))
    names = [each.source.function for each in running.stack if each.source]
    assert (names[:2], names[-2:]) == (["write_unit", "nmi"], ["install", "start"])
    assert [each.is_inlined for each in running.stack[:2]] == [True, False]
    assert running.stack[2].note == "NMI was taken here"
    text = FLASH_C.splitlines()
    assert running.place is not None
    assert "the unit is programmed here" in text[running.place.line - 1]
    called = running.stack[1].source
    assert called is not None
    assert "write_unit(0x08004000u)" in text[called.line - 1]
    outermost = running.stack[-1].source
    assert outermost is not None
    assert "install();" in text[outermost.line - 1]


@pytest.mark.judge("arm-none-eabi-gcc")
def test_a_fault_that_ends_in_a_loop_shows_the_instruction_that_faulted(in_nmi: File) -> None:
    source = FLASH_C.replace('__asm volatile("bkpt 1");', "REGISTER(0x60000000u) = 1u;")
    (in_nmi / "made.c").write_text(source)
    try:
        read = compile_it(in_nmi, "-Os", "-g")
    finally:
        (in_nmi / "made.c").write_text(FLASH_C)
    running = running_of(filmed(read, "-"), "violation")
    assert [each.source.function for each in running.stack if each.source] == ["hang", "start"]
    assert running.stack[1].note == "HardFault was taken here"
    line = running.stack[1].source
    assert line is not None
    assert "0x60000000" in source.splitlines()[line.line - 1]


@pytest.mark.judge("arm-none-eabi-gcc")
def test_code_that_runs_from_ram_is_found_by_where_it_runs(in_nmi: File, tmp_path: File) -> None:
    """As flash drivers do: linked for RAM, held in flash, copied by start-up code."""
    lines = (
        (in_nmi / "memory.ld")
        .read_text()
        .replace(
            "    .bss",
            "    .ram : { run = .; *(.ramcode) . = ALIGN(8); run_end = .; } > RAM AT > FLASH\n"
            "    held = LOADADDR(.ram);\n    .bss",
        )
    )
    (tmp_path / "memory.ld").write_text(lines)
    shutil.copy(in_nmi / "board.toml", tmp_path)
    source = FLASH_C.replace(
        "__attribute__((noinline)) static void install(void)",
        '__attribute__((noinline, section(".ramcode"), long_call)) static void install(void)',
    ).replace("    install();", COPIES)
    (tmp_path / "made.c").write_text(source)
    read = compile_it(tmp_path, "-Os", "-g")
    running = running_of(filmed(read, "2t"))
    assert running.stack[0].pc >> 28 == 2
    names = [each.source.function for each in running.stack if each.source]
    assert names == ["write_unit", "install", "start"]
    assert running.excerpt is not None


COPIES = """\
    extern uint32_t run[], run_end[], held[];
    for (volatile uint32_t *to = run, *from = held; to < run_end;) {
        *to++ = *from++;
    }
    install();"""


@pytest.mark.judge("arm-none-eabi-gcc")
def test_registers_of_a_store_in_an_it_block_are_those_of_the_store(
    in_nmi: File, tmp_path: File
) -> None:
    """The engine goes on to the end of the block; what is told is from before."""
    for name in ("memory.ld", "board.toml"):
        shutil.copy(in_nmi / name, tmp_path)
    conditional = (
        '__asm volatile("cmp %0, %0\\n\\tittt eq\\n\\tstreq %0, [%1, #4]\\n\\tmoveq %0, #0'
        '\\n\\tmoveq r9, #7" : "+r"(word) : "r"(address) : "r9", "memory");'
    )
    source = FLASH_C.replace("REGISTER(address + 4u) = 0x9ABCDEF0u;", conditional).replace(
        "    REGISTER(0x40022014u) = 1u;",
        "    uint32_t word = 0xFACEu;\n    REGISTER(0x40022014u) = 1u;",
    )
    assert source.count("word") == 2
    (tmp_path / "made.c").write_text(source)
    registers = running_of(filmed(compile_it(tmp_path, "-Os", "-g"), "1t")).registers
    assert 0xFACE in registers.values()
    assert registers["r9"] != 7


# --- what is missing


def copied(folder: File) -> BoardFile:
    shutil.copytree(EXAMPLE, folder, dirs_exist_ok=True)
    return read_board_file(folder / "first_try.toml")


def test_sources_that_are_gone_are_told_and_instructions_shown(tmp_path: File) -> None:
    copied(tmp_path)
    (tmp_path / "bootloader.c").unlink()
    film = filmed(read_board_file(tmp_path / "first_try.toml"), "3b")
    running = running_of(film)
    assert running.excerpt is None
    assert running.missing == (f"sources are gone: looked for bootloader.c in {tmp_path}",)
    (here,) = [each for each in running.instructions if each.is_next]
    assert here.address == running.registers["pc"]
    assert here.text.startswith("str")
    assert str(running).startswith("erase(), bootloader.c:")
    assert film.place is not None
    assert film.place.path == ""
    lines = [line.strip() for line in film_lines(film)]
    assert any(line.startswith("(sources are gone: looked for") for line in lines)
    assert any(line.startswith("> 0x0800_00C6") for line in lines)


def test_a_source_that_is_too_short_is_another_one(tmp_path: File) -> None:
    read = copied(tmp_path)
    (tmp_path / "bootloader.c").write_text("int x;\n")
    running = running_of(filmed(read, "3b"))
    assert running.excerpt is None
    assert running.missing[0].startswith("the source is another one: bootloader.c has 1 lines")


@pytest.mark.judge("arm-none-eabi-binutils")
@pytest.mark.parametrize(
    ("options", "symbol", "words"),
    [
        (["--strip-debug"], "0x0800_00C6 (erase+0x1e)", "has no lines: compiled without -g"),
        (["--strip-all"], "0x0800_00C6", "its symbols are stripped"),
    ],
)
def test_without_lines_there_are_symbol_and_instructions(
    tmp_path: File, options: list[str], symbol: str, words: str
) -> None:
    copied(tmp_path)
    subprocess.run(["arm-none-eabi-strip", *options, "first_try.elf"], cwd=tmp_path, check=True)
    running = running_of(filmed(read_board_file(tmp_path / "first_try.toml"), "3b"))
    assert running.stack[0].symbol == symbol
    assert running.stack[0].source is None
    assert words in "; ".join(running.missing)
    assert any(each.is_next for each in running.instructions)


@pytest.mark.judge("arm-none-eabi-gcc")
def test_assembly_without_debug_information_has_labels(in_nmi: File, tmp_path: File) -> None:
    """A label that says nothing of its kind is a name, too."""
    for name in ("memory.ld", "board.toml"):
        shutil.copy(in_nmi / name, tmp_path)
    (tmp_path / "made.s").write_text(
        '.syntax unified\n.thumb\n.section .vectors,"ax"\n.word 0x20001000, entry + 1\n'
        ".text\nentry: ldr r0, =0x40022000\nldr r1, =0x45670123\nstr r1, [r0, #8]\n"
        "ldr r1, =0xCDEF89AB\nstr r1, [r0, #8]\nmovs r1, #1\nstr r1, [r0, #0x14]\n"
        "ldr r2, =0x08004000\nstr r1, [r2]\nwrite_it: str r1, [r2, #4]\nbkpt 1\n"
    )
    command = ["arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb", "-nostdlib", "-static", "made.s"]
    link = ["-T", "memory.ld", "-Wl,--defsym=BEGIN=0x08000000", "-Wl,-eentry", "-o", "made.elf"]
    subprocess.run([*command, *link], cwd=tmp_path, check=True, capture_output=True)
    running = running_of(filmed(read_board_file(tmp_path / "board.toml"), "1t"))
    assert running.stack[0].symbol.endswith("(write_it)")
    assert [each.text for each in running.instructions if each.is_next] == ["str r1, [r2, #4]"]


def test_without_the_disassembler_films_say_how_to_get_it(
    board: BoardFile, tmp_path: File, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> None:
        raise disassembly.MissingDisassembler("needs capstone: pip install")

    monkeypatch.setattr(disassembly, "_decoder", missing)
    read = copied(tmp_path)
    (tmp_path / "bootloader.c").unlink()
    running = running_of(filmed(read, "3b"))
    assert running.instructions == ()
    assert "needs capstone" in running.missing[-1]


def test_an_elf_that_was_built_again_is_not_told_from(tmp_path: File) -> None:
    read = copied(tmp_path)
    shutil.copy(EXAMPLE / "bootloader.elf", tmp_path / "first_try.elf")
    running = running_of(filmed(read, "3b"))
    assert running.stack[0].source is None
    assert "does not hold the bytes of image 'first_try'" in running.missing[0]
