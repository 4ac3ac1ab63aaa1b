"""What users type for a part: any case, a chip's marking, a board's name, a path; or nearly so."""

from __future__ import annotations

from pathlib import Path

import pytest

from flash_emulator.parts.catalogue import load_part, other_size_names, part_names
from flash_emulator.parts.part_lookup import SIZES_KIB, parse_marking
from flash_emulator.parts.part_tables import PartError
from tests.places import ROOT

NAMES = [*part_names(), *other_size_names()]

MEANT = {
    "stm32l476xg": "STM32L476xG",
    "STM32L476XG": "STM32L476xG",
    " STM32L476xG ": "STM32L476xG",
    "STM32L476RG": "STM32L476xG",
    "stm32l476rgt6": "STM32L476xG",
    "STM32L476RGT6TR": "STM32L476xG",
    "STM32L476RGTx": "STM32L476xG",
    "STM32L476JGY6TR": "STM32L476xG",
    "L476RG": "STM32L476xG",
    "NUCLEO-L476RG": "STM32L476xG",
    "NUCLEO-U575ZI-Q": "STM32U575xI",
    "STM32U575ZITxQ": "STM32U575xI",
    "STM32F103C8T6": "STM32F103x8",
    "STM32F407VGT6": "STM32F407xG",
    "STM32F429ZIT6": "STM32F429xI",
    "STM32WB55RGV6": "STM32WB55xG",
    "STM32F103CBT6": "STM32F103xB",
    "STM32H743ZG": "STM32H743xG",
    "STM32H7A3ZIT6Q": "STM32H7A3xI",
    "STM32L486RGT6": "STM32L476xG",  # alike, says the part file
    "STM32H753ZIT6": "STM32H743xI",
    "STM32U599NJH6Q": "STM32U5A5xJ",
    "stm32f767xi_DUAL": "STM32F767xI_dual",
}

NEAR = {
    "STM32L476RE": ("STM32L476xE_dual", "if the option bytes say DUAL"),
    "STM32L476RB": ("STM32L476xG", "1 MiB, not 128 KiB"),
    "STM32G0B1RET6": ("STM32G0B1xE", "with option bytes as delivered"),
    "STM32L476": ("STM32L476xG", "the name says no size"),
    "STM32L476xx": ("STM32L476xG", "the name says no size"),
    "STM32L467RG": ("STM32L476xG", "another line of the family L4"),
    "STM32F103CDT6": ("STM32F103x8", "64 KiB, not 384 KiB"),
    "STM32F429ZGT6": ("STM32F429xG_DB1M", "if the option bytes say DB1M"),
    "STM32F429ZG": ("STM32F429xG", "with option bytes as delivered"),
    "STM32F767ZIT6": ("STM32F767xI_single", "if the option bytes say SINGLE"),
    "STM32G474RET6": ("STM32G474xE_dual", "if the option bytes say DUAL"),
    "STM32WBA52CG": ("STM32WB55xG", "another line"),
    "ST32L476xG": ("STM32L476xG", "spelt alike"),
}


@pytest.mark.parametrize("text", MEANT)
def test_what_is_meant_beyond_doubt_is_taken(text: str) -> None:
    assert load_part(text).name == MEANT[text]


@pytest.mark.parametrize("text", NEAR)
def test_anything_else_is_refused_with_what_is_near_and_how_it_differs(text: str) -> None:
    with pytest.raises(PartError) as caught:
        load_part(text)
    name, difference = NEAR[text]
    message = str(caught.value)
    assert f"{name} (" in message and difference in message, message


@pytest.mark.parametrize("text", ["", "STM32", "ATMEGA328P", "xyzzy", "0x415"])
def test_what_is_near_nothing_gets_the_whole_list(text: str) -> None:
    with pytest.raises(PartError) as caught:
        load_part(text)
    assert all(name in str(caught.value) for name in part_names())


@pytest.mark.parametrize("name", NAMES)
def test_every_part_is_found_by_its_name_in_any_case_and_its_size_code_is_right(name: str) -> None:
    part = load_part(name)
    assert load_part(name.upper()) == load_part(name.lower()) == part
    marking = parse_marking(name)
    assert marking is not None
    assert SIZES_KIB[marking.size] * 1024 == part.size


def test_a_marking_never_chooses_what_option_bytes_decide() -> None:
    for name in NAMES:
        marking = parse_marking(name)
        assert marking is not None
        if marking.variant:
            with pytest.raises(PartError):
                load_part(f"STM32{marking.line}Z{marking.size}T6")


def test_no_marking_means_two_parts() -> None:
    meant = [
        (line, marking.size, marking.variant)
        for name in NAMES
        if (marking := parse_marking(name))
        for line in (marking.line, *load_part(name).alike)
    ]
    assert len(meant) == len(set(meant))


def test_a_file_of_that_name_goes_before_a_marking_and_a_packaged_name_before_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("l476rg", "STM32L476xG", "mine.toml"):
        text = PACKAGED.read_text().replace('name = "STM32L476xG"', 'name = "MINE"')
        (tmp_path / name).write_text(text)
    assert load_part("l476rg").name == "MINE"
    assert load_part("mine.toml").name == "MINE"
    assert load_part("./STM32L476xG").name == "MINE"
    assert load_part("STM32L476xG").name == "STM32L476xG"
    for text in ("l476rg", "mine.toml", "./STM32L476xG", str(tmp_path / "mine.toml")):
        assert load_part(load_part(text).spec).name == "MINE"


@pytest.mark.parametrize("path", ["nothing.toml", "./nothing", "."])
def test_a_file_that_cannot_be_read_is_a_part_error(path: str) -> None:
    with pytest.raises(PartError):
        load_part(path if path != "." else "./")


PACKAGED = ROOT / "flash_emulator" / "parts" / "STM32L476xG.toml"
