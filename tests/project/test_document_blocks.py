"""Every shell and Python block of README and docs does what it says."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from tests.places import ROOT
from tests.project.documents_runner import Block, Reader, Wrong, agrees, blocks_of
from tests.thorough import THOROUGH

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCKS = {page: list(blocks_of(page)) for page in PAGES}
ALL = [block for blocks in BLOCKS.values() for block in blocks]
LANGUAGES = {"c", "console", "python", "toml", "text", "json", "yaml"}
NOT_RUN = {
    "it installs from a package registry": 6,
    "it needs a C compiler: test_native_search.py runs it where one is": 1,
    "it needs a real module": 2,
    "it needs a terminal and its shell": 1,
    "it needs programs of others, which the tests of the boot ROM run": 1,
    "it needs the program sqlite3": 1,
    "it takes minutes": 1,
    "it takes some minutes": 1,
    "no server runs at that address": 1,
    "mymodule is yours to write; the tests of the contract run the example of its README": 1,
    "the file is yours to write": 1,
    "the paths are those of one build": 1,
}
"""Blocks that no test runs, by the reason that the page gives. A new one is a line here."""


def is_run(block: Block) -> bool:
    runs = block.language in ("console", "python") and block.mark not in ("not run", "excerpt")
    return block.mark == "file" or (runs and (THOROUGH or block.mark != "thorough"))


RUN = [page for page, blocks in BLOCKS.items() if any(map(is_run, blocks))]


@pytest.mark.parametrize("page", RUN, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_blocks_of_a_page_do_what_they_say(page: Path, tmp_path: Path) -> None:
    with Reader(tmp_path) as reader:
        for block in BLOCKS[page]:
            if is_run(block):
                reader.run(block)


@pytest.mark.parametrize(
    "block", [b for b in ALL if b.mark == "excerpt"], ids=lambda block: block.place
)
def test_an_excerpt_stands_in_its_file(block: Block) -> None:
    """Each piece of it by itself: between two functions others may stand. Indents do not count."""
    file = [line.strip() for line in (ROOT / block.why).read_text(encoding="utf-8").splitlines()]
    for piece in block.text.strip().split("\n\n\n"):
        lines = [line.strip() for line in piece.splitlines()]
        starts = [at for at, line in enumerate(file) if line == lines[0]]
        assert any(file[at : at + len(lines)] == lines for at in starts), lines[0]


def test_a_client_is_not_faster_than_the_server_that_a_block_begins() -> None:
    """A shell goes on at once, and a server takes its time: the block waits for its link."""
    waits = 0
    for block in ALL:
        commands = [line[2:] for line in block.text.splitlines() if line.startswith("$ ")]
        for command, after in pairwise(commands):
            link = re.fullmatch(r"mcu-updater .*--link (\w+) &( .*)?", command)
            if link is not None:
                assert after == f"until test -e {link[1]}; do sleep 0.1; done", block.place
                waits += 1
    assert waits >= 5


def test_what_is_not_run_is_counted() -> None:
    assert Counter(block.why for block in ALL if block.mark == "not run") == NOT_RUN


def test_every_other_block_is_run() -> None:
    """No shell hides in a block of text or beside the fences."""
    assert {block.language for block in ALL if block.mark != "excerpt"} <= LANGUAGES
    assert {block.mark for block in ALL} <= {"", "not run", "thorough", "excerpt", "file"}
    shell = ("$ ", "mcu-updater ", "pytest ", "pip ", "make ", "python", "apt-get ")
    hidden = [
        block.place
        for block in ALL
        if block.language == "text"
        for line in block.text.splitlines()
        if line.startswith(shell) and not any(word.isupper() for word in line.split())
    ]
    indented = [
        f"{page.name}: {line}"
        for page in PAGES
        for line in page.read_text(encoding="utf-8").splitlines()
        if line.startswith(tuple(f"    {word}" for word in shell[:-1])) and "--replay" not in line
    ]
    assert (hidden, indented) == ([], [])
    assert sum(map(is_run, ALL)) >= 20


# --- the runner itself


@pytest.mark.parametrize(
    ("shown", "printed", "right"),
    [
        ("a\nb\n", "a\nb\n", True),
        ("a\n...\nc\n", "a\nb1\nb2\nc\n", True),
        ("took ... s\n", "took 1.25 s\n", True),
        ("a   \n", "a\n", True),
        ("a\nb\n", "a\n", False),
        ("a\n", "a\nb\n", False),
        ("took ... s\n", "took 1.25 ms\n", False),
        ("a.b", "axb", False),
    ],
)
def test_shown_and_printed_are_compared(shown: str, printed: str, right: bool) -> None:
    assert agrees(shown, printed) is right


def block_with(language: str, text: str) -> Block:
    return Block(ROOT / "README.md", 1, language, text, "", "")


@pytest.mark.parametrize(
    "text",
    [
        "$ mcu-updater part show STM32L476xG\nnot this\n",
        "$ mcu-updater part show nonsense\n$ mcu-updater part list\n...\n",
        "$ mcu-updater part show nonsense\n...\n$ echo $?\n0\n",
        "$ false\n$ true\n",
        "$ false\n",
    ],
)
def test_a_block_that_says_what_is_not_so_is_found(text: str, tmp_path: Path) -> None:
    with Reader(tmp_path) as reader, pytest.raises(Wrong):
        reader.run(block_with("console", text))


def test_a_python_block_that_fails_is_found(tmp_path: Path) -> None:
    with Reader(tmp_path) as reader, pytest.raises(FileNotFoundError):
        reader.run(block_with("python", 'open("fixtures/none.bin")\n'))
