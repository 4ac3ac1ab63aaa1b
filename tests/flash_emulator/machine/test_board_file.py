"""Board files: what they come to, what is said of wrong ones, and that one is read back equal."""

from __future__ import annotations

import re
import shutil
import struct
import tomllib
import zlib
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some
from pydantic import TypeAdapter

from flash_emulator.explore import Search
from flash_emulator.machine import board_model as model
from flash_emulator.machine.board import Reported
from flash_emulator.machine.board_faults import BadBoardFile
from flash_emulator.machine.board_file import BoardFile, board_of, read_board_file
from flash_emulator.machine.board_model import BoardTable
from flash_emulator.machine.board_text import text_of
from flash_emulator.machine.toml_lines import Lines
from tests.flash_emulator.machine.boards import PROGRAMS, SLOT, STAGED, some_image
from tests.places import ROOT

OLD, NEW = some_image("old", 512, 1), some_image("new", 512, 2)
GOOD = """\
part = "STM32L476xG"

[[images]]                     # line 3
file = "copy_restart.elf"

[[images]]
file = "old.bin"
address = 0x0800_8000
published = true

[[images]]
name = "new"
file = "new.bin"
address = 0x0808_0000
runs_at = 0x0800_8000
published = true

[[images]]                     # line 18
name = "request"
address = 0x0800_4000
words = [0x4447_5453, "size:new"]

[[slots]]
name = "application"
address = 0x0800_8000
size = 0x4_0000

[questions]
wanted = "new"
untouched = [[0x0800_0000, 0x4000]]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy(PROGRAMS / "copy_restart.elf", tmp_path)
    (tmp_path / "old.bin").write_bytes(OLD.data)
    (tmp_path / "new.bin").write_bytes(NEW.data)
    return tmp_path


def read(folder: Path, text: str) -> BoardFile:
    file = folder / "board.toml"
    file.write_text(text, encoding="utf-8")
    return read_board_file(file)


def faults_of(folder: Path, text: str) -> list[str]:
    with pytest.raises(BadBoardFile) as caught:
        read(folder, text)
    assert all(line.startswith(f"{folder}/board.toml: ") for line in str(caught.value).splitlines())
    return [str(fault) for fault in caught.value.faults]


# --- a good one


def test_what_a_file_comes_to(folder):
    found = read(folder, GOOD)
    board = found.board
    assert board.part.name == "STM32L476xG"
    assert [image.name for image in board.images] == ["copy_restart", "old", "new", "request"]
    assert board.images[2].address == STAGED
    assert board.images[3].data == b"STGD" + struct.pack("<I", 512)
    assert [(i.name, i.address, i.data) for i in board.questions.published] == [
        ("old", SLOT, OLD.data),
        ("new", SLOT, NEW.data),
    ]
    assert (board.questions.safe, board.questions.live) == (True, True)
    assert board.questions.rests_in == ("slot",)
    assert board.rests.slots == ((SLOT, 0x4_0000),)
    assert board.stack_floor == 0x2000_0008  # behind was_unreadable of flash.c
    assert "flash_program" in found.symbols.name(0x0800_02C0)


def test_what_a_file_comes_to_is_searched(folder):
    found = read(folder, GOOD)
    report = Search(found.subject, found.board.flash()).run()
    assert report.passed, report.violations[:1]


def test_words_speak_of_other_images_wherever_those_stand(folder):
    text = GOOD.replace('"size:new"]', '"size:new", "crc32:old"]')
    request = read(folder, text).board.images[3]
    assert request.data[8:] == struct.pack("<I", zlib.crc32(OLD.data))


def test_an_elf_with_an_address_lies_there_and_runs_where_it_is_linked(folder):
    shutil.copy(PROGRAMS / "app_2.elf", folder)
    text = GOOD.replace('file = "new.bin"', 'file = "app_2.elf"').replace(
        "runs_at = 0x0800_8000\n", ""
    )
    found = read(folder, text)
    lies = next(image for image in found.board.images if image.name == "new")
    runs = found.board.questions.published[1]
    assert (lies.address, runs.address) == (STAGED, SLOT)
    assert lies.data == runs.data


def test_an_image_may_come_from_elsewhere(folder):
    text = GOOD.replace("address = 0x0808_0000\n", "in_flash = false\n")
    board = read(folder, text).board
    assert [image.name for image in board.images] == ["copy_restart", "old", "request"]
    assert board.questions.published[1].address == SLOT


def test_all_that_can_be_said(folder):
    text = GOOD.replace('wanted = "new"', 'wanted = "new"\nnever = ["old"]').replace(
        "size = 0x4_0000", 'size = 0x4_0000\nrest = false\nentry = "any"'
    )
    text += """
rests_in = ["text", "loop"]
[[questions.reported]]
text = "app (1)"
image = "old"
[[questions.reported]]
pattern = "version (\\\\w+)"
[rest]
texts = ["ready\\r\\n"]
pins = { PA5 = "high" }
[pins]
PC13 = "low"
[limits]
instructions = 1000
resets = 3
[machine]
core = "m3"
ram = [[0x2000_0000, 0x1_8000]]
clock_mhz = 80
coalesce = false
help_polls = false
stack_floor = 0x2000_1000
wake_us = 100
seed = 7
[options]
BFB2 = 0
"""
    text = text.replace("[[images]]", "protected = [[0x0800_0000, 0x800]]\n[[images]]", 1)
    board = read(folder, text).board
    assert board.questions.never == ("old",)
    assert board.questions.rests_in == ("text", "loop")
    assert board.questions.reported == (
        Reported(r"app\ \(1\)", "old"),
        Reported(r"version (\w+)", None),
    )
    assert (board.rests.slots, board.rests.texts) == ((), (b"ready\r\n",))
    assert board.rests.pins == (("PA5", True),)
    assert (board.slots[0].entry, board.pins) == ("any", {"PC13": False})
    assert (board.limits.instructions, board.limits.resets) == (1000, 3)
    assert (board.core, board.ram, board.clock_mhz) == ("m3", ((0x2000_0000, 0x1_8000),), 80.0)
    assert (board.coalesce, board.helps, board.stack_floor) == (False, False, 0x2000_1000)
    assert board.flash().seed == 7
    assert (board.options, board.wake_us) == ({"BFB2": 0}, 100.0)
    assert board.protected == ((0x0800_0000, 0x800),)


def test_a_part_file_lies_beside_the_board_file(folder):
    own = (Path(__file__).parents[3] / "flash_emulator/parts/STM32L476xG.toml").read_text()
    (folder / "mine.toml").write_text(own.replace('name = "STM32L476xG"', 'name = "MINE"', 1))
    text = GOOD.replace('"STM32L476xG"', '"mine.toml"')
    (fault,) = faults_of(folder, text)
    assert fault.startswith("line 1: machine.ram: the RAM of MINE is not known; expected ram = [[")
    text += "[machine]\nram = [[0x2000_0000, 0x1_8000]]\n"
    assert read(folder, text).board.part.name == "MINE"


# --- wrong ones: line, key, what was expected, what was found


WRONG = {
    "no TOML": ("address = 0x0808_0000", "address = = 1", "line 14: is no TOML"),
    "no such part": ("STM32L476xG", "STM32L999xG", "line 1: part: cannot be, found unknown part"),
    "no part file": ("STM32L476xG", "x/y.toml", "line 1: part: cannot be read"),
    "no key": ("published", "publish", "line 9: images[2].publish: is no key here; expected publ"),
    "no such table": ("[questions]", "[question]", "line 28: question: is no key here; expected q"),
    "no number": ("0x0800_4000", '"0x08004000"', "line 20: images[4].address: cannot be; expec"),
    "no boolean": (
        "true",
        '"yes"',
        "line 9: images[2].published: cannot be; expected a valid bool",
    ),
    "no file": ("old.bin", "odd.bin", "line 7: images[2].file: cannot be read"),
    "a folder": ('"old.bin"', '"."', "line 7: images[2].file: cannot be read"),
    "no address": (
        "address = 0x0808_0000\nruns_at = 0x0800_8000\n",
        "",
        "line 13: images[3].file: n",
    ),
    "no address of words": (
        "address = 0x0800_4000\n",
        "",
        "line 18: images[4]: has no address; ex",
    ),
    "published elsewhere": (
        "runs_at = 0x0800_8000\n",
        "",
        "line 11: images[3]: has no vector table at offset 0, or runs elsewhere; expected a reset",
    ),
    "published words": (
        "words",
        "published = true\nwords",
        "line 18: images[4]: has no vector tab",
    ),
    "outside": ("0x0808_0000", "0x0900_0000", "line 13: images[3].file: new.bin, addresses"),
    "in RAM": ("0x0800_4000", "0x2000_4000", "line 20: images[4].address: lies elsewhere; exp"),
    "overlap": ("0x0800_4000", "0x0800_0000", "line 18: images[4]: overlaps 'copy_restart' at"),
    "two kinds": ("words", 'hex = "00"\nwords', "line 18: images[4]: has no bytes of its own"),
    "no bytes": ('words = [0x4447_5453, "size:new"]', "", "line 18: images[4]: has no bytes of i"),
    "no hex": ('words = [0x4447_5453, "size:new"]', 'hex = "0"', "line 21: images[4].hex: cannot"),
    "a long word": ("0x4447_5453", "0x1_0000_0000", "line 21: images[4].words[1]: cannot be; ex"),
    "a word of none": ("size:new", "size:gnu", "line 21: images[4].words[2]: speaks of no image"),
    "a word of self": ("size:new", "size:request", "line 21: images[4].words[2]: speaks of no im"),
    "named twice": ('"new"\nfile', '"old"\nfile', "line 12: images[3].name: a name stands twice"),
    "slot outside": ("0x4_0000", "0x400_0000", "line 23: slots[1]: lies elsewhere; expected fla"),
    "slot of nothing": ("0x4_0000", "0", "line 26: slots[1].size: cannot be; expected greater"),
    "slot of the loader": (
        "address = 0x0800_8000\nsize",
        "address = 0x0800_0000\nsize",
        "line 23: slots[1]: the code that boots lies in it",
    ),
    "wanted": ('wanted = "new"', 'wanted = "v3"', "line 29: questions.wanted: is no published im"),
    "never": ('wanted = "new"', 'never = ["v3"]', "line 29: questions.never[1]: is no published"),
    "never and wanted": (
        'wanted = "new"',
        'wanted = "new"\nnever = ["new"]',
        "line 30: questions.never[1]: is wanted, too",
    ),
    "untouched": ("[[0x0800_0000, 0x4000]]", "[[1, 2]]", "line 30: questions.untouched[1]: lies"),
    "no range": (
        "[[0x0800_0000, 0x4000]]",
        "[3]",
        "line 30: questions.untouched[1]: cannot be; ex",
    ),
    "no rest": (
        "size = 0x4_0000",
        "size = 0x4_0000\nrest = false",
        "line 29: questions: nothing s",
    ),
    "rests": ("wanted", 'rests_in = ["pin"]\nwanted', "line 29: questions.rests_in[1]: no boot ca"),
    "no image at the base": (
        'file = "copy_restart.elf"',
        'hex = "00"\naddress = 0x0800_1000',
        "line 3: images: no image lies at 0x0800_0000, where the core reads its vector table",
    ),
    "no stack": (
        'file = "copy_restart.elf"',
        'hex = "00"\naddress = 0x0800_0000',
        "line 3: images: no image lies at 0x0800_0000",
    ),
    "no vectors": (
        'file = "copy_restart.elf"',
        'text = "plain text"\naddress = 0x0800_0000',
        "line 3: images[1]: has no vector table at its start (machine.check_vectors = false takes",
    ),
    "no Thumb": (
        'file = "copy_restart.elf"',
        "words = [0x2000_1000, 0x0800_0008, 0]\naddress = 0x0800_0000",
        "line 3: images[1]: has no vector table at its start (machine.check_vectors = false takes",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_named_with_line_and_key(folder, name):
    before, after, said = WRONG[name]
    assert before in GOOD
    found = faults_of(folder, GOOD.replace(before, after, 1))
    assert any(fault.startswith(said) for fault in found), "\n".join(found)


ADDED = {
    'pins = { PA16 = "high" }': "line 33: rest.pins.PA16: is no pin of this chip; expected P",
    'pins = { PA1 = "up" }': "line 33: rest.pins.PA1: cannot be; expected 'high' or 'low'",
    "texts = 3": "line 33: rest.texts: cannot be; expected a list, found 3",
    'texts = [""]': "line 33: rest.texts[1]: cannot be",
}


@pytest.mark.parametrize("line", ADDED)
def test_wrong_rests(folder, line):
    (found,) = faults_of(folder, f"{GOOD}\n[rest]\n{line}\n")
    assert found.startswith(ADDED[line])


def test_wrong_options_and_protection(folder):
    text = GOOD.replace("[[images]]", "protected = [[0x2000_0000, 8]]\n[[images]]", 1)
    (fault,) = faults_of(folder, f"{text}\n[options]\nBFB3 = 1\nRDP = -1\n")
    assert fault.startswith("line 35: options.RDP: cannot be; expected greater than or equal to 0")
    found = faults_of(folder, f"{text}\n[options]\nBFB3 = 1\n")
    assert found[0].startswith("line 3: protected[1]: lies elsewhere; expected flash of STM32L476")
    assert found[1].startswith("line 34: options.BFB3: cannot be, found no option 'BFB3'; this")


REPORTED = {
    "": "says nothing to look for; expected text or pattern, found none",
    'text = "a"\npattern = "b"': "says nothing to look for; expected text or pattern, found both",
    'text = "a"': "names no image; expected image, or a pattern whose first group",
    'pattern = "a"': "names no image; expected image, or a pattern whose first group",
    'text = "a"\nimage = "v9"': "image: is no published image; expected 'old', 'new', found v9",
    'pattern = "("': "pattern: cannot be; expected a regular expression",
}


@pytest.mark.parametrize("lines", REPORTED)
def test_wrong_reports(folder, lines):
    (found,) = faults_of(folder, f"{GOOD}\n[[questions.reported]]\n{lines}\n")
    assert REPORTED[lines] in found


MACHINE = {
    "clock_mhz = 0": "line 33: machine.clock_mhz: cannot be; expected greater than 0, found 0",
    'core = "m55"': "line 33: machine.core: cannot be; expected 'm0', 'm0plus'",
    "ram = []": "line 33: machine.ram: cannot be; expected at least one, found []",
    "ram = [[0x2000_0000]]": "line 33: machine.ram[1]: cannot be; expected [address, size]",
    "stack_floor = true": "line 33: machine.stack_floor: cannot be; expected an address, or false",
    "stack_floor = 0x0800_0000": "line 33: machine.stack_floor: lies elsewhere; expected RAM, 0x",
}


@pytest.mark.parametrize("line", MACHINE)
def test_wrong_machines(folder, line):
    found = faults_of(folder, f"{GOOD}\n[machine]\n{line}\n")
    assert found[0].startswith(MACHINE[line])


def test_all_faults_are_told_at_once(folder):
    text = GOOD.replace("old.bin", "odd.bin").replace("0x4_0000", "0x400_0000")
    assert len(faults_of(folder, text)) == 2


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(BadBoardFile, match="cannot be read"):
        read_board_file(tmp_path / "none.toml")


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xfe", b"part = 1", b"images = 3", b"[[images]]\n" * 3]
)
def test_what_is_no_board_file(tmp_path, data):
    file = tmp_path / "board.toml"
    file.write_bytes(data)
    with pytest.raises(BadBoardFile) as caught:
        read_board_file(file)
    assert str(file) in str(caught.value)


FOREIGN = {
    "an ELF of x86": (b"\x7fELF\x02\x01\x01", "structure"),
    "half an ELF": (None, "the segment at 0x0800_0000; expected 736 bytes, found 0"),
    "text": (b"hello", "format"),
    "nothing": (b"", "contents"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_bootloader_that_is_none(folder, name):
    data, said = FOREIGN[name]
    whole = (PROGRAMS / "copy_restart.elf").read_bytes()
    (folder / "copy_restart.elf").write_bytes(whole[: len(whole) // 8] if data is None else data)
    found = faults_of(folder, GOOD)
    assert any(f"images[1].file: copy_restart.elf, {said}" in fault for fault in found), found


def test_an_elf_of_another_architecture(folder):
    elf = bytearray((PROGRAMS / "copy_restart.elf").read_bytes())
    elf[18:20] = (243).to_bytes(2, "little")  # EM_RISCV
    (folder / "copy_restart.elf").write_bytes(elf)
    (found, *_) = faults_of(folder, GOOD)
    assert "expected 32-bit little-endian Arm (EM_ARM), found EM_RISCV, 32-bit little" in found


@pytest.mark.parametrize(
    ("at", "value", "said"),
    [
        (4, 2, "found EM_ARM, 64-bit little-endian"),
        (5, 2, "32-bit big-endian"),
        (31, 0xF0, "structure; expected a whole ELF file, found one cut short or damaged ("),
        (44, 0, "contents; expected something for flash, found nothing"),
        (68 + 1, 0x7F, "the segment at 0x0800_0000; expected "),
    ],
)
def test_an_elf_with_one_byte_that_is_wrong(folder, at, value, said):
    """Class, byte order, place of the program header, their number, size of the segment."""
    elf = bytearray((PROGRAMS / "copy_restart.elf").read_bytes())
    elf[at] = value
    (folder / "copy_restart.elf").write_bytes(elf)
    (found, *_) = faults_of(folder, GOOD)
    assert said in found, found


def test_an_elf_that_is_linked_elsewhere(folder):
    shutil.copy(PROGRAMS / "selftest_m0.elf", folder / "copy_restart.elf")
    text = GOOD.replace("STM32L476xG", "STM32F103x8")
    found = faults_of(folder, text)
    assert any("flash of STM32F103x8, 0x0800_0000 to 0x0800_FFFF" in fault for fault in found)


# --- writing


def test_a_written_file_is_read_back_equal(folder):
    first = read(folder, GOOD)
    again = board_of(text_of(first.table), folder / "board.toml")
    assert again.table == first.table
    assert again.board == first.board


_words = some.text(min_size=1, max_size=8)
_numbers = some.integers(0, 0xFFFF_FFFF)
_ranges = some.tuples(_numbers, some.integers(1, 1 << 20))
_pins = some.dictionaries(_words, some.sampled_from(["high", "low"]), max_size=2)


@given(
    some.fixed_dictionaries(
        {
            "part": _words,
            "images": some.lists(
                some.fixed_dictionaries(
                    {"text": _words},
                    optional={
                        "name": _words,
                        "address": _numbers,
                        "published": some.booleans(),
                        "words": some.lists(_numbers | some.just("size:x"), min_size=1, max_size=3),
                    },
                ),
                min_size=1,
                max_size=3,
            ),
        },
        optional={
            "rest": some.fixed_dictionaries(
                {}, optional={"texts": some.lists(_words), "pins": _pins}
            ),
            "pins": _pins,
            "machine": some.fixed_dictionaries(
                {},
                optional={
                    "clock_mhz": some.floats(0.001, 1000),
                    "ram": some.lists(_ranges, min_size=1, max_size=2),
                    "stack_floor": _numbers | some.just(False),
                    "coalesce": some.booleans(),
                },
            ),
            "questions": some.fixed_dictionaries(
                {},
                optional={
                    "safe": some.booleans(),
                    "never": some.lists(_words),
                    "untouched": some.lists(_ranges, max_size=2),
                    "reported": some.lists(some.fixed_dictionaries({"text": _words}), max_size=2),
                },
            ),
            "host": some.fixed_dictionaries(
                {"usart": _words},
                optional={
                    "baud": some.integers(300, 1_000_000),
                    "away": some.just(["short", "long"]),
                    "steps": some.lists(some.fixed_dictionaries({"send": _words}), max_size=2),
                    "xmodem": some.fixed_dictionaries({"image": _words}),
                    "xcp": some.fixed_dictionaries({"images": some.lists(_words, min_size=1)}),
                },
            ),
        },
    )
)
def test_any_table_is_read_back_equal(raw):
    adapter = TypeAdapter(BoardTable)
    table = adapter.validate_python(raw)
    text = text_of(table)
    assert adapter.validate_python(tomllib.loads(text)) == table


# --- the page on it


PAGE = (ROOT / "docs/reference/board-files.md").read_text(encoding="utf-8")
SECTIONS = {
    "At the top": model.BoardTable,
    "`[[images]]`": model.ImageTable,
    "`[[slots]]`": model.SlotTable,
    "`[rest]`": model.RestTable,
    "`[limits]`": model.LimitTable,
    "`[machine]`": model.MachineTable,
    "`[questions]`": model.QuestionTable,
    "`[[questions.reported]]`": model.ReportedTable,
    "`[host]`": model.HostTable,
    "`[[host.steps]]`": model.HostStepTable,
    "`[host.xmodem]`": model.XmodemTable,
    "`[host.xcp]`": model.XcpTable,
}


@pytest.mark.parametrize("title", SECTIONS)
def test_the_page_has_every_key_and_no_other(title):
    flags = re.MULTILINE | re.DOTALL
    (section,) = re.findall(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", PAGE, flags)
    said = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    assert said == [field.name for field in fields(SECTIONS[title])]


# --- lines


LINED = """\
# a comment
a = 1
text = '''
[not.a.header]
'''
[[b]]
x = [
  1,
  2,
]
[[b]]
"y.z" = { q = 1 }
[[b.c]]
d.e = "]"
[t.u]
"""


@pytest.mark.parametrize(
    ("place", "line"),
    [
        (("a",), 2),
        (("text",), 3),
        (("b", 0), 6),
        (("b", 0, "x", 1), 7),
        (("b", 1, "y.z", "q"), 12),
        (("b", 1, "c", 0, "d", "e"), 14),
        (("b", 1, "c", 0, "missing"), 13),
        (("t", "u"), 15),
        (("nowhere",), 1),
    ],
)
def test_lines_of_values(place, line):
    assert Lines(LINED).of(place) == line
