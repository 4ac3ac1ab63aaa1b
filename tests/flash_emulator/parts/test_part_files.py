"""Part files of one's own: what they may leave out, and how each mistake is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flash_emulator.parts.catalogue import load_part_file, parse_part
from flash_emulator.parts.part_model import Numbering
from flash_emulator.parts.part_tables import PartError

MINE = """
name = "MINE"
class = "l4"

[geometry]
base = 0x0800_0000
size = 0x8000
bank_count = 2
sectors = [[8, 2048]]
sources = ["MY-BOARD"]

[banks]
aliasing = "fb_mode"
rww = true
sources = ["MY-BOARD"]

[timing]
program_unit_typ_us = 80
program_unit_max_us = 90
sources = ["MY-BOARD"]

[documents]
MY-BOARD = "measured on my board"
"""
SWAP = """
[options.SWAP]
role = "swap"
default = 0
active = 1
sources = ["MY-BOARD"]
"""


def read(folder: Path, text: str) -> Any:
    file = folder / "mine.toml"
    file.write_text(text)
    return load_part_file(file)


def test_a_short_file_will_do(tmp_path: Path) -> None:
    part = read(tmp_path, MINE)
    assert (part.name, part.size, part.bank_starts) == ("MINE", 32768, (0x0800_0000, 0x0800_4000))
    assert part.program_unit == 8  # the class's
    assert part.timing.of("sector_erase") is None
    assert part.identity.usart_pid is None
    assert part.documents["MY-BOARD"] == "measured on my board"


def test_its_rules_go_before_those_of_the_class(tmp_path: Path) -> None:
    own = '\n[rules]\nnumbering = "continuous"\nsources = ["MY-BOARD"]\n'
    part = read(tmp_path, MINE + own)
    assert part.numbering is Numbering.CONTINUOUS
    assert part.register_sector(8) == 8
    assert part.overwrite == "only_all_zero"


def test_banks_may_have_a_hole_between_them_and_the_array_has_none(tmp_path: Path) -> None:
    # G474 of 128 KB: bank 2 stays at 0x0804_0000
    text = MINE.replace("bank_count", "bank_starts = [0x0800_0000, 0x0804_0000]\nbank_count")
    part = read(tmp_path, text)
    assert part.address_of(0x4000) == 0x0804_0000
    assert part.offset_of(0x0804_0800) == 0x4800
    assert part.offset_of(0x0800_4000) is None  # in the hole
    assert list(part.sector_starts)[8] == 0x4000
    with pytest.raises(ValueError, match="none at offset 0x8000"):
        part.address_of(0x8000)


RULES: dict[str, tuple[str, str, str]] = {
    "unknown class": ('"l4"', '"l9"', "class: expected one of f1, f4, l4"),
    "no name": ('name = "MINE"', "", "name: expected the key, a text, found nothing"),
    "misspelt key": (
        "bank_count",
        "bank_cuont",
        "[geometry] bank_count: expected the key, a whole number from 1, found nothing",
    ),
    "key of nobody": (
        "rww = true",
        "rww = true\nspeed = 9",
        (
            "[banks] speed: expected one of aliasing, assumed, confirmed, disputed, inferred, "
            "recalled, rww, sources, write_while_write, found speed = 9"
        ),
    ),
    "table of nobody": ("[timing]", "[timming]", "timming: expected one of"),
    "wrong type": (
        "size = 0x8000",
        'size = "32K"',
        "[geometry] size: expected a whole number from 1, found '32K'",
    ),
    "a flag that is a number": ("rww = true", "rww = 1", "[banks] rww: expected true or false"),
    "a table that is none": (
        "[timing]",
        "timing = 5\n[x]",
        "[banks] timing: expected one of",  # TOML puts it into the table before
    ),
    "sectors do not fill the size": (
        "0x8000",
        "0x9000",
        "[geometry] size: expected the sum of all sectors, 32768, found 36864",
    ),
    "sectors that are no runs": (
        "[[8, 2048]]",
        "[8, 2048]",
        "[geometry] sectors: expected [[count, size], ...], found [8, 2048]",
    ),
    "a sector of nothing": (
        "[[8, 2048]]",
        "[[8, 0]]",
        "[geometry] sectors: expected a whole number from 1",
    ),
    "three banks": ("bank_count = 2", "bank_count = 3", "bank_count: expected 1 or 2, found 3"),
    "banks overlap": (
        "bank_count",
        "bank_starts = [0x0800_0000, 0x0800_2000]\nbank_count",
        (
            "[geometry] bank_starts: expected bank 2 from 0x0800_4000, where bank 1 ends, "
            "or behind it, found 0x0800_2000"
        ),
    ),
    "banks start elsewhere": (
        "bank_count",
        "bank_starts = [0x0801_0000, 0x0802_0000]\nbank_count",
        "[geometry] bank_starts: expected the first at base, 0x0800_0000, found 0x0801_0000",
    ),
    "too few banks": (
        "bank_count",
        "bank_starts = [0x0800_0000]\nbank_count",
        "[geometry] bank_starts: expected 2 addresses, found 1",
    ),
    "beyond 4 GiB": (
        "base = 0x0800_0000",
        "base = 0xFFFF_F000",
        "[geometry] size: expected an end below 4 GiB",
    ),
    "no address": (
        "base = 0x0800_0000",
        "base = 0x1_0000_0000",
        "[geometry] base: expected an address of 32 bits",
    ),
    "unit does not divide a sector": (
        "[[8, 2048]]",
        "[[7, 2048], [1, 2044], [1, 4]]",
        (
            "[geometry] sectors: expected multiples of the program unit, 8 bytes, "
            "found a sector of 2044 bytes"
        ),
    ),
    "unit does not divide the row": (
        "sectors",
        "row_bytes = 100\nsectors",
        "[geometry] row_bytes: expected a multiple of the program unit, 8 bytes, found 100",
    ),
    "numbers of sectors overlap": (
        "sectors",
        "first_sectors = [0, 4]\nsectors",
        "[geometry] first_sectors: expected bank 2 from 8 on, or from 0 as bank 1, found 4",
    ),
    "numbers of too many banks": (
        "sectors",
        "first_sectors = [0, 8, 16]\nsectors",
        "[geometry] first_sectors: expected 2 numbers, found 3",
    ),
    "no sources": (
        'rww = true\nsources = ["MY-BOARD"]',
        "rww = true",
        "[banks] sources: expected the key, a list of at least one source, found nothing",
    ),
    "empty sources": (
        'rww = true\nsources = ["MY-BOARD"]',
        "rww = true\nsources = []",
        "[banks] sources: expected a list of at least one source, found []",
    ),
    "a source that nobody explains": (
        'rww = true\nsources = ["MY-BOARD"]',
        'rww = true\nsources = ["RM9999"]',
        "[banks] sources: expected a key that [documents] explains, found 'RM9999'",
    ),
    "recalls what is not there": (
        "rww = true",
        'rww = true\nrecalled = ["speed"]',
        "[banks] recalled: expected keys of [banks], found 'speed'",
    ),
    "one bank and an alias": (
        "size = 0x8000\nbank_count = 2",
        "size = 0x4000\nbank_count = 1",
        "[banks] aliasing: expected none, where there is one bank, found 'fb_mode'",
    ),
    "swap without an option": (
        '"fb_mode"',
        '"swap_option"',
        "[banks] aliasing: expected one option with role swap, found none",
    ),
    "an option without swap": (
        "[timing]",
        f"{SWAP}\n[timing]",
        "[banks] aliasing: expected no option with role swap, found SWAP",
    ),
    "a swap without polarity": (
        "[timing]",
        SWAP.replace("active = 1", "") + "\n[timing]",
        "[options.SWAP] active: expected the value that swaps the banks, found nothing",
    ),
    "an option without source": (
        "[timing]",
        SWAP.replace('sources = ["MY-BOARD"]', "") + "\n[timing]",
        "[options.SWAP] sources: expected the key, a list of at least one source, found nothing",
    ),
    "a bit that no register has": (
        "[timing]",
        SWAP.replace("active = 1", "active = 1\nbit = 32") + "\n[timing]",
        "[options.SWAP] bit: expected a bit from 0 to 31, found 32",
    ),
    "typical beyond maximum": (
        "typ_us = 80",
        "typ_us = 95",
        "[timing] program_unit_max_us: expected min, typ and max in this order, found 95, 90",
    ),
    "no time at all": (
        "typ_us = 80",
        "typ_us = 0",
        "[timing] program_unit_typ_us: expected microseconds, more than 0, found 0",
    ),
    "time of a sector that is not there": (
        "program_unit_typ_us = 80",
        "sector_erase_typ_us = { 4096 = 5 }",
        "[timing] sector_erase_typ_us: expected sizes of sectors: 2048, found 4096",
    ),
    "a parallelism that is none": (
        "[documents]",
        "[timing.x12]\ncondition = 'x12'\nsources = ['MY-BOARD']\n[documents]",
        "[timing] x12: expected one of",
    ),
    "ecc over half a unit": (
        "[timing]",
        "[rules]\necc_data_bits = 32\nsources = ['MY-BOARD']\n[timing]",
        "[rules] ecc_data_bits: expected those of a program unit, 64, found 32",
    ),
    "a unit that cannot be chosen": (
        "[timing]",
        "[rules]\nprogram_units = [1, 2]\nsources = ['MY-BOARD']\n[timing]",
        "[rules] program_units: expected program_unit, 8, among them, found [1, 2]",
    ),
    "an overwrite rule of nobody": (
        "[timing]",
        "[rules]\noverwrite = 'always'\nsources = ['MY-BOARD']\n[timing]",
        (
            "[rules] overwrite: expected one of only_0x0000, bits_1_to_0, only_all_zero, executed, "
            "forbidden, found 'always'"
        ),
    ),
    "no TOML": ("[timing]", "[timing", "expected TOML, found"),
}


@pytest.mark.parametrize("rule", RULES)
def test_a_wrong_file_is_refused_with_the_place_and_the_reason(rule: str, tmp_path: Path) -> None:
    right, wrong, said = RULES[rule]
    assert right in MINE
    with pytest.raises(PartError) as caught:
        read(tmp_path, MINE.replace(right, wrong, 1))
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'mine.toml'}: ")
    assert said in message


def test_an_error_has_its_fields(tmp_path: Path) -> None:
    with pytest.raises(PartError) as caught:
        read(tmp_path, MINE.replace("0x8000", "0x9000"))
    error = caught.value
    assert error.file.endswith("mine.toml")
    assert (error.table, error.key) == ("geometry", "size")
    assert (error.expected, error.found) == ("the sum of all sectors, 32768", "36864")


def test_a_file_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_part_file(tmp_path / "none.toml")


def test_tables_that_are_none_are_refused() -> None:
    with pytest.raises(PartError, match=r"\[geometry\]: expected a table, found 5"):
        parse_part({"name": "t", "class": "l4", "geometry": 5})
    with pytest.raises(PartError, match=r"notes: expected an array of tables"):
        parse_part({"name": "t", "class": "l4", "notes": {"text": "t"}} | _minimal())


def _minimal() -> dict[str, Any]:
    source = {"sources": ["RM0440"]}
    geometry = {"base": 0, "size": 2048, "bank_count": 1, "sectors": [[1, 2048]], **source}
    return {"geometry": geometry, "banks": {"aliasing": "none", "rww": False, **source}}
