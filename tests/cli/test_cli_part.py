"""``part list`` and ``part show``: for people within 80 columns, for programs as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from flash_emulator import other_size_names, part_names
from tests.cli.command_line import run

WIDTH = 80


@pytest.fixture(autouse=True)
def _narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(WIDTH))


def shown(*arguments: object) -> str:
    result = run("part", *arguments)
    assert result.exit_code == 0, result.output
    lines = [line.rstrip() for line in result.stdout.splitlines()]
    assert max(map(len, lines)) <= WIDTH
    assert "…" not in result.stdout  # nothing is cut off
    return "\n".join(lines)


def shown_json(*arguments: object) -> dict[str, Any]:
    result = run("part", *arguments, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


# --- the list


def test_the_list_has_a_line_for_each_part() -> None:
    lines = shown("list").splitlines()
    cells = {line.split()[0]: line.split()[1:] for line in lines[1 : 1 + len(part_names())]}
    assert list(cells) == part_names()
    assert cells["STM32L476xG"] == ["1M", "2", "256x2K", "8", "8", "fb_mode", "0x415"]
    mixed = ["1M", "2", "4x16K", "64K", "3x128K", "4", "-", "fb_mode", "0x419"]
    assert cells["STM32F429xG_DB1M"] == mixed
    assert cells["STM32H563xI"] == ["2M", "2", "128x8K", "16", "?", "option", "0x484"]


def test_the_list_for_programs() -> None:
    found = shown_json("list")
    assert found["schema"] == 2
    rows = {row["name"]: row for row in found["parts"]}
    assert list(rows) == part_names()
    assert rows["STM32F407xG"]["sectors"] == [[4, 16384], [1, 65536], [7, 131072]]
    assert rows["STM32F407xG"]["ecc_check_bits"] == 0
    assert rows["STM32H7A3xI"]["ecc_check_bits"] is None
    assert rows["STM32G0B1xE"]["aliasing"] == "swap_option"
    assert rows["STM32U5A5xJ"]["size"] == 4 * 1024 * 1024


# --- one part


@pytest.mark.parametrize("name", part_names())
def test_every_part_can_be_shown_and_says_where_it_has_its_facts_from(name: str) -> None:
    text = shown("show", name)
    assert text.startswith(name)
    assert "0x0800_0000" in text
    assert "sources" in text
    assert shown_json("show", name)["name"] == name


def test_the_map_draws_runs_with_the_numbers_of_manual_and_register() -> None:
    text = shown("show", "STM32F429xI")
    for line in (
        "bank 1  0x0800_0000 to 0x080F_FFFF  1 MiB",
        "  0x0800_0000  |#...............|  4 x 16 KiB   sectors 0 to 3",
        "  0x0801_0000  |.#..............|  1 x 64 KiB   sector 4",
        "  0x0802_0000  |..##############|  7 x 128 KiB  sectors 5 to 11",
        "bank 2  0x0810_0000 to 0x081F_FFFF  1 MiB",
        "  0x0812_0000  |..##############|  7 x 128 KiB  sectors 17 to 23 (SNB 21 to 27)",
    ):
        assert line in text.splitlines()


def test_it_says_which_bank_an_erase_names_after_a_swap() -> None:
    l552, h743, wb55 = (shown("show", f"STM32{name}") for name in ("L552xE", "H743xI", "WB55xG"))
    assert "sector erase names    half of the addresses as they are mapped" in l552
    assert "bank erase names      a physical bank, whatever is mapped" in l552
    assert "bank erase names      half of the addresses as they are mapped" in h743
    assert "erase names" not in wb55


def test_it_says_that_fast_programming_verifies_nothing() -> None:
    text = shown("show", "STM32L476xG")
    assert "fast program          verifies nothing: executed" in text
    assert "fast program          not known, hence refused" in shown("show", "STM32U575xI")
    assert "fast program          none" in shown("show", "STM32F407xG")


def test_banks_of_an_l4_are_named_by_bker() -> None:
    text = shown("show", "STM32L476xG")
    assert "bank 2  0x0808_0000 to 0x080F_FFFF  512 KiB  BKER = 1" in text
    assert "sectors 0 to 255" in text


def test_what_is_unknown_recalled_or_assumed_is_called_so() -> None:
    text = shown("show", "STM32H563xI")
    assert "check bits: not known (assumed 9)" in text
    assert "program unit          not known" in text
    assert "assumed               ecc_check_bits_assumed, bulk_erase, bank_erase_bank" in text
    assert "confirmed             overwrite, incomplete_flag, sector_erase_bank" in text
    assert "disputed              sector_erase_bank" in shown("show", "STM32L552xE")
    assert "inferred              bulk_erase" in shown("show", "STM32L476xG")
    wb55 = shown("show", "STM32WB55xG")
    assert "  recalled              2\n" in wb55  # the note about CPU2


def test_it_says_whether_the_updater_knows_a_layout() -> None:
    assert "slot                  0x0800_8000 to 0x0807_7FFF, 448 KiB" in shown(
        "show", "STM32L476xG"
    )
    assert shown_json("show", "STM32L476xG")["layout"]["slot"].startswith("0x0800_8000")


def test_it_says_what_each_strategy_risks() -> None:
    u575, h743 = (" ".join(shown("show", f"STM32{name}").split()) for name in ("U575xI", "H743xI"))
    assert "Strategy swap-option, the default" in u575
    assert "HAZARD, for a time that is unknown: option bytes are erased" in u575
    assert "harmless: an option change that is interrupted keeps the old value" in h743
    found = shown_json("show", "STM32L476xG")["strategies"]
    assert [entry["name"] for entry in found] == ["remap", "copy", "option-toggle"]
    assert [entry["harmless"] for entry in found] == [True, True, False]


def test_a_part_for_programs_has_runs_ranges_and_provenance() -> None:
    found = shown_json("show", "STM32F429xI")
    assert found["banks"][1]["runs"][0] == {
        "address": 0x0810_0000,
        "count": 4,
        "sector_size": 16384,
        "first_number": 12,
        "first_register": 16,
    }
    assert found["identity"]["system_memory"] == [0x1FFF_0000, 0x7800]
    assert found["timing"]["sector_erase"]["16384"] == {
        "typ": 250_000,
        "max": 500_000,
        "min": None,
    }
    assert found["ecc"] is None
    tables = {entry["table"]: entry["sources"] for entry in found["provenance"]}
    assert tables["endurance"] == ["DS9405"]
    assert "DS9405" in found["documents"]


# --- a file of one's own

MINE = """
name = "MINE"
class = "l4"
[geometry]
base = 0x0800_0000
size = 0x8000
bank_count = 2
bank_starts = [0x0800_0000, 0x0804_0000]
sectors = [[8, 2048]]
sources = ["MY-BOARD"]
[banks]
aliasing = "fb_mode"
rww = true
sources = ["MY-BOARD"]
[documents]
MY-BOARD = "measured on my board"
"""


def test_a_part_file_of_ones_own_is_shown_with_the_hole_between_its_banks(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(MINE)
    text = shown("show", file)
    assert text.startswith("MINE  class l4")
    assert "hole    0x0800_4000 to 0x0803_FFFF  240 KiB" in text
    assert "MY-BOARD              measured on my board" in text


def test_a_bad_part_file_is_rejected_with_table_and_key(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(MINE.replace("0x8000", "0x9000"))
    result = run("part", "show", file)
    assert result.exit_code == 3
    expected = "[geometry] size: expected the sum of all sectors, 32768, found 36864"
    assert expected in " ".join(result.stderr.split())


@pytest.mark.parametrize("name", ["STM32F000", "l476", ""])
def test_an_unknown_part_is_a_usage_error_that_names_the_known_ones(name: str) -> None:
    result = run("part", "show", name)
    assert result.exit_code == 2
    assert f"unknown part {name!r}" in result.stderr
    assert "STM32L476xG" in result.stderr


def test_all_lists_parts_in_other_sizes_too() -> None:
    shown = json.loads(run("part", "list", "--all", "--json").stdout.splitlines()[0])
    assert [row["name"] for row in shown["parts"]] == sorted([*part_names(), *other_size_names()])
    assert "STM32L476xE_dual" in run("part", "list", "--all").stdout
    assert run("part", "show", "STM32G474xC_dual").exit_code == 0
