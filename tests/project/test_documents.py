"""What README, DESIGN, FORMAT and docs/ say of the program, held against the program.

A figure, a list or a name that stands in the text and can be computed has a line in a table below.
What is measured (times, states of a search) cannot be; it says how it was measured.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
import yaml

from flash_emulator import Outcome, load_part, part_names
from flash_emulator.parts.part_file import package_toml
from mcu_updater.cli import exits
from mcu_updater.cli.main import cli
from mcu_updater.core.slot import Layout
from mcu_updater.core.strategy import Strategy
from mcu_updater.flash_map.layouts import layout_of
from mcu_updater.flash_map.strategies import default_strategy
from mcu_updater.powerloss.catalogue import SCENARIOS
from mcu_updater.quectel.emulated.fault_text import KINDS
from tests.places import ROOT

PAGES = [
    ROOT / name
    for name in ("README.md", "DESIGN.md", "FORMAT.md", "CHANGELOG.md", "CONTRIBUTING.md")
]
PAGES += sorted((ROOT / "docs").rglob("*.md"))
NUMBERS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def page_text(name: str) -> str:
    """The text of the one page below docs/ of that name."""
    (found,) = (ROOT / "docs").rglob(f"{name}.md")
    return text_of(found)


# --- figures


def _hostile() -> int:
    decisions = tomllib.loads(text_of(ROOT / "fixtures" / "hostile" / "decisions.toml"))
    files = {path.name for path in (ROOT / "fixtures" / "hostile").iterdir()}
    return len(files & set(decisions)) or len(files - {"decisions.toml"})


FIGURES: dict[str, Callable[[], int]] = {
    r"[Aa]ll (\w+) parts of the emulator": lambda: len(part_names()),
    r"(\w+) parts, of \w+ behaviour classes": lambda: len(part_names()),
    r"\w+ parts, of (\w+) behaviour classes": lambda: len(package_toml("classes.toml")),
    r"(\w+)\s+hostile files": _hostile,
    r"(\w+) kinds of faults": lambda: len(KINDS),
    r"full slot \((\d+) KiB\)": lambda: slot_kib("STM32L476xG"),
    r"L476 remap, the whole slot, (\d+) KiB": lambda: slot_kib("STM32L476xG"),
    r"U575 swap-option, the whole slot, (\d+) KiB": lambda: slot_kib("STM32U575xI"),
    r"H743 swap-option, the whole slot, (\d+) KiB": lambda: slot_kib("STM32H743xI"),
}


def slot_kib(part: str) -> int:
    chip = load_part(part)
    layout = layout_of(chip, default_strategy(chip))
    assert isinstance(layout, Layout)
    return layout.slot.size // 1024


@pytest.mark.parametrize("pattern", FIGURES)
def test_a_figure_in_the_text_is_what_runs(pattern: str) -> None:
    """On whatever page it stands; on one at least, or the pattern is stale."""
    found = [(page.name, said) for page in PAGES for said in re.findall(pattern, text_of(page))]
    assert found, f"no page says this any more: {pattern}"
    right = FIGURES[pattern]()
    words = {str(right), NUMBERS[right - 2] if 2 <= right < 2 + len(NUMBERS) else str(right)}
    assert [(name, said) for name, said in found if said.lower() not in words] == []


def test_the_layout_in_the_format_is_that_of_the_part() -> None:
    layout = layout_of(load_part("STM32L476xG"), Strategy.REMAP)
    assert isinstance(layout, Layout)
    page = text_of(ROOT / "FORMAT.md")
    for name, region in zip(
        ("slot", "trailer, half 0", "trailer, half 1"), layout.regions, strict=True
    ):
        cells = rf"^\| {name} \| `\+0x([0-9A-F]+)` \| (\d+) KiB \| (\d+) \|"
        row = re.search(cells, page, flags=re.MULTILINE)
        assert row is not None, name
        said = int(row[1], 16), int(row[2]) * 1024, int(row[3])
        assert said == (region.offset, region.size, len(region.sector_sizes)), name


# --- lists


def test_the_exit_codes_of_the_page_are_those_of_the_program() -> None:
    rows = re.findall(r"^\| ([\d, ]+) \|", page_text("commands"), flags=re.MULTILINE)
    said = {int(code) for row in rows for code in row.split(",")}
    assert said == set(exits.MEANINGS)


def test_a_page_has_all_scenarios() -> None:
    text = page_text("search-power-loss")
    row = re.search(r"^\| `--scenario NAME`, `all` \| (.*) \|$", text, flags=re.MULTILINE)
    assert row is not None
    assert set(re.findall(r"`([^`]+)`", row[1])) == set(SCENARIOS)


def test_pages_have_all_strategies_and_outcomes() -> None:
    rows = re.findall(r"^\| `([a-z][a-z-]*)` \|", page_text("boot-strategies"), flags=re.MULTILINE)
    assert set(rows) == {strategy.value for strategy in Strategy}
    outcomes = re.search(r"--outcome\s+([a-z|]+)`", page_text("commands"))
    assert outcomes is not None
    assert outcomes[1].split("|") == [outcome.value for outcome in Outcome]


# --- commands and options


def commands(
    command: click.Command = cli, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            below = command.get_command(click.Context(command), name)
            assert below is not None
            yield from commands(below, (*path, name))
    else:
        yield path, command


COMMANDS = dict(commands())
GROUPS = {path[:1] for path in COMMANDS if len(path) > 1}


def options_of(path: tuple[str, ...]) -> set[str]:
    """All names of its options; every command has help."""
    parameters = COMMANDS[path].params
    names = {opt for one in parameters for opt in (*one.opts, *one.secondary_opts)}
    return {name for name in names if name.startswith("-")} | {"-h", "--help"}


def named_in(table: str) -> set[tuple[str, ...]]:
    """Commands in the first column: ``a b`` and, behind it, ``c`` for a c."""
    found: set[tuple[str, ...]] = set()
    for row in re.findall(r"^\| (`.*?) \|", table, flags=re.MULTILINE):
        group: tuple[str, ...] = ()
        for words in re.findall(r"`([^`]+)`", row):
            path = tuple(w for w in words.split() if re.fullmatch(r"[a-z][a-z-]*", w))
            group = path[:1] if path[:1] in GROUPS else group
            below = (*group, *path)
            found.add(below if below in COMMANDS else path)
    return found


def test_the_table_has_all_commands_and_no_other() -> None:
    said = named_in(page_text("commands").split("| exit code")[0])
    also = {path for path in COMMANDS if path[:1] == ("part",)}  # on the page on the emulator
    assert said | also == set(COMMANDS)
    assert all(f"mcu-updater {' '.join(path)}" in page_text("emulate-flash") for path in also)


def shown_commands() -> list[tuple[str, str]]:
    """Command lines in code and in running text, where they are continued with a backslash too."""
    found = []
    for page in PAGES:
        text = text_of(page).replace("\\\n", " ")
        for line in text.splitlines():
            words = re.findall(r"(?:^|[`$ (])mcu-updater ([^`#|\"]*)", line)
            found += [(page.name, shown.strip()) for shown in words]
    return found


def test_every_command_line_in_the_text_can_be_typed() -> None:
    wrong = []
    shown = shown_commands()
    for page, line in shown:
        words = line.split()
        path = next((p for p in (tuple(words[:2]), tuple(words[:1])) if p in COMMANDS), None)
        if path is None:
            is_group = tuple(words[:1]) in GROUPS and len(words) == 1
            if words and re.fullmatch(r"[a-z][a-z-]*", words[0]) and not is_group:
                wrong.append(f"{page}: mcu-updater {line}")
            continue
        known = options_of(path)
        given = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", line))
        wrong += [f"{page}: mcu-updater {line}: {option}" for option in given - known]
    assert wrong == []
    assert len(shown) > 40


OF_OTHERS = {
    *("--flash-device", "--flash-part", "--pyargs", "--lf"),  # pytest, and our plugin for it
    *("--pad", "--pad-sig", "--pure", "--public-key-format", "--rom-fixed"),  # imgtool
    "--nmagic",  # ld
    *("--stub", "--erase-all", "--clock-hz"),  # the loader stub, which is not shipped
    "--allow-host-code",  # the checker of evidence packs
    *("--powerloss-replay", "--powerloss-html", "--powerloss-junit", "--powerloss-certificates"),
}
"""Options that are not of ``mcu-updater`` alone; what stands beside another tool's name is no
matter."""
_TOOLS = re.compile(
    r"curl|imgtool|pipx? |pytest|stm32flash|stm32loader|make |python |srec_cat|objcopy|detools"
    r"|hdiff|bsdiff|xz|lzma|gcc|git |run\.py|benchmarks|mutmut|examples/|littlefs"
)


def test_every_option_in_the_text_is_one() -> None:
    known = {option for path in COMMANDS for option in options_of(path)} | OF_OTHERS
    known |= {"--version"}
    wrong = [
        f"{page.name}: {option}: {line.strip()[:90]}"
        for page in PAGES
        for line in text_of(page).splitlines()
        if not _TOOLS.search(line)
        for option in re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", line)
        if option not in known
    ]
    assert wrong == []


# --- names of tests and files


def _there() -> set[str]:
    files = (ROOT / "tests").rglob("test_*.py")
    contract = (ROOT / "flash_emulator" / "contract").rglob("test_*.py")
    names = set()
    for file in (*files, *contract):
        names |= {file.stem, *re.findall(r"def (test_\w+)", file.read_text())}
    return names


def test_every_test_that_a_page_names_is_there() -> None:
    there = _there()
    wrong = {
        (page.name, name)
        for page in PAGES
        for name in re.findall(r"`(test_\w+)`", text_of(page))
        if name not in there
    }
    assert wrong == set()


def test_every_file_that_a_page_names_is_there() -> None:
    folders = "tests|docs|mcu_updater|flash_emulator|examples|fixtures|benchmarks"
    wrong = set()
    for page in PAGES:
        for name in re.findall(rf"`((?:{folders})/[\w./-]+\.\w+)`", text_of(page)):
            if not (ROOT / name).exists():
                wrong.add((page.name, name))
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text_of(page)):
            if not (page.parent / link).exists():
                wrong.add((page.name, link))
    assert wrong == set()


def anchors_of(page: Path) -> set[str]:
    """Of its headings, as GitHub and the site make them."""
    text = re.sub(r"^```.*?^```$", "", text_of(page), flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    plain = (re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", title).lower() for title in titles)
    return {re.sub(r"[^\w -]", "", title).strip().replace(" ", "-") for title in plain}


def test_every_anchor_that_a_page_names_is_there() -> None:
    wrong = {
        (page.name, f"{link}#{anchor}")
        for page in PAGES
        for link, anchor in re.findall(r"\]\((?!\w+:)([^)#]*)#([^)]*)\)", text_of(page))
        if anchor not in anchors_of(page.parent / link if link else page)
    }
    assert wrong == set()


# --- the way in


def test_the_front_door_is_short_and_leads_everywhere() -> None:
    """One click to what *passed* means, and to the list of all pages."""
    front = text_of(ROOT / "README.md")
    assert len(front.splitlines()) <= 150
    links = set(re.findall(r"\]\(([^)#]+)", front))
    assert {"docs/explanation/passed.md", "docs/pages.md"} <= links
    full = page_text("passed")
    for word in ("any number of cuts at any points with every modelled outcome", "*incomplete*"):
        assert word in full
    for question in ("safe", "live", "reported", "lost", "true", "tried", "erased"):
        assert f"**{question}**" in full


def test_every_page_is_listed_and_in_the_site() -> None:
    """In docs/pages.md for readers of the repository, in the navigation of the site."""
    docs = ROOT / "docs"
    written = {str(page.relative_to(docs)) for page in docs.rglob("*.md")}
    listed = set(re.findall(r"\]\(([\w/-]+\.md)\)", page_text("pages")))
    assert listed | {"pages.md"} == written
    site = yaml.safe_load(text_of(ROOT / "mkdocs.yml"))
    places = set(re.findall(r"[\w/-]+\.md", str(site["nav"])))
    elsewhere = {"index.md", "explanation/design.md", "reference/format.md"}
    assert places - written == elsewhere | {"changelog.md", "contributing.md"}
    assert written <= places


def test_the_picture_is_in_the_repository_and_has_two_coats() -> None:
    picture = text_of(ROOT / "docs" / "assets" / "data-path.svg")
    assert "prefers-color-scheme: dark" in picture and "<title" in picture and "<desc" in picture
    assert "http" not in picture.replace('xmlns="http://www.w3.org/2000/svg"', "")
