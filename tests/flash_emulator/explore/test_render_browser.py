"""The page in a real browser: drawn without errors, without a network, at two widths."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from flash_emulator.explore.render import campaign_html
from flash_emulator.moment import (
    Caller,
    Excerpt,
    Instruction,
    Moment,
    Running,
    SourceLine,
    Touched,
)
from tests.flash_emulator.evidence_toys import campaign
from tests.flash_emulator.explore.headless import Driver, browser, console, requests, resize

TWO_COPIES = "#result-1"
STRICT = "#result-3"


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    with browser(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("page") / "campaign.html"
    file.write_text(campaign_html(campaign()), encoding="utf-8")
    return file.as_uri()


@pytest.fixture
def page(chromium: Driver, url: str) -> Driver:
    chromium.get("about:blank")
    console(chromium)
    requests(chromium)
    resize(chromium, 1280)
    chromium.get(url)
    return chromium


def css(driver: Any, selector: str) -> list[Any]:
    return list(driver.find_elements(By.CSS_SELECTOR, selector))


def test_it_asks_for_nothing_and_complains_of_nothing(page: Driver, url: str) -> None:
    page.execute_script("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert len(css(page, ".heat .flash-map")) == len(campaign().results) - 1
    assert requests(page) == [url]
    assert console(page) == []


def test_words_of_a_subject_are_inert(page: Driver) -> None:
    assert page.title == 'Power loss <of toys> & "others"'
    (slider, *_) = css(page, f"{STRICT} .film input")
    slider.send_keys(Keys.END)
    assert "<script>document.title" in css(page, f"{STRICT} .words")[0].text
    assert css(page, "img, .words b, .words script, .now script") == []
    assert "<img src=x onerror" in css(page, f"{STRICT} .now")[0].text


def test_foreign_scripts_do_not_run(page: Driver) -> None:
    """Were there a hole in the escaping, the page's policy would still stand."""
    page.execute_script(
        "const s = document.createElement('script'); s.textContent = 'document.title = 1';"
        "document.body.append(s)"
    )
    assert page.title.startswith("Power loss")
    assert any("Content Security Policy" in line for line in console(page))


def test_the_slider_moves_through_the_film(page: Driver) -> None:
    film = campaign().results[1].films[0]
    (slider, *_), (now, *_) = css(page, f"{TWO_COPIES} .film input"), css(page, ".film .now")
    signs = []
    for index, frame in enumerate(film.frames):
        assert f"moment {index + 1} of {len(film.frames)}, boot {frame.boot}" in now.text
        assert frame.text.split("<")[0] in now.text
        shown = css(page, f"{TWO_COPIES} .film")[0].find_elements(
            By.CSS_SELECTOR, ".flash-map .cell"
        )
        signs.append("".join(cell.get_attribute("data-sign") for cell in shown))
        slider.send_keys(Keys.ARROW_RIGHT)
    assert now.value_of_css_property("position") == "static"
    assert signs == [frame.sectors for frame in film.frames]
    assert "violation" in now.get_attribute("class")
    assert len(css(page, f"{TWO_COPIES} .film")[0].find_elements(By.CSS_SELECTOR, ".tick")) == 3
    slider.send_keys(Keys.HOME)
    assert "moment 1 of" in now.text


def test_buttons_and_lines_move_it_too(page: Driver) -> None:
    box = css(page, f"{TWO_COPIES} .film")[0]
    now, cuts = box.find_element(By.CSS_SELECTOR, ".now"), []
    button = next(b for b in box.find_elements(By.TAG_NAME, "button") if b.text == "Next cut")
    for _ in range(2):
        button.click()
        cuts.append(now.text)
    assert all("CUT: power lost" in text for text in cuts)
    assert cuts[0] != cuts[1]
    button.send_keys(Keys.ARROW_LEFT)
    assert "CUT" not in now.text
    box.find_elements(By.CSS_SELECTOR, ".frames li")[1].click()
    assert "moment 2 of" in now.text


def test_the_heat_map_has_a_cell_for_each_sector(page: Driver) -> None:
    found = campaign().results[1]
    assert found.report is not None
    cells = css(page, f"{TWO_COPIES} .heat .flash-map .cell")
    assert len(cells) == len(found.array.sectors)
    hot = [cell for cell in cells if cell.get_attribute("data-step") != "0"]
    assert len(hot) == len(found.report.heat)
    cells[0].click()
    text = css(page, f"{TWO_COPIES} .readout")[0].text
    assert text.startswith("0x08000000, 64 bytes, bank A / slot A: ")
    assert f"torn {found.report.heat[0]['torn']}".replace(",", "") in text.replace("\u2009", "")  # type: ignore[index]
    css(page, f"{TWO_COPIES} .heat .flash-map")[0].send_keys(Keys.ARROW_RIGHT)
    assert "0x08000040" in css(page, f"{TWO_COPIES} .readout")[0].text
    css(page, f"{TWO_COPIES} .heat button")[1].click()
    assert "violations" in css(page, f"{TWO_COPIES} .heat .flash-map")[0].get_attribute("class")


def test_the_replay_id_can_be_copied(page: Driver) -> None:
    button = css(page, f"{TWO_COPIES} .copy")[0]
    path = campaign().results[1].films[0].path
    expected = f"mcu-updater powerloss replay 'tiny/two copies:{path}'"
    assert button.get_attribute("data-text") == expected
    button.click()
    page.execute_async_script("setTimeout(arguments[0], 100)")
    assert button.text == "Copied"


def test_rows_can_be_filtered(page: Driver) -> None:
    css(page, "#filter")[0].send_keys("COP")
    assert [row.text for row in css(page, ".summary tbody th") if row.is_displayed()] == [
        "tiny/copy",
        "tiny/two copies",
    ]
    css(page, "#unexpected")[0].click()
    assert [row.text for row in css(page, ".summary tbody th") if row.is_displayed()] == [
        "tiny/two copies"
    ]


@pytest.mark.parametrize("width", [1280, 1160, 1000, 700, 400, 320])
def test_nothing_sticks_out(width: int, page: Driver) -> None:
    resize(page, width)
    page.execute_script("document.querySelectorAll('details').forEach(each => each.open = true)")
    wide = page.execute_script(
        "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert wide == [width, width]


def test_a_link_opens_its_scenario(page: Driver) -> None:
    assert not css(page, "#result-0 > details[open]")
    css(page, ".summary a")[0].click()
    assert css(page, "#result-0 > details[open] .heat .flash-map")


# --- moments of compiled firmware

EVIL = "<img src=x onerror=document.title='!'> &amp; </script>"


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A film with source at its cuts, and instructions where it ends."""
    source = SourceLine("program", EVIL, 83)
    long = "    *address = " + "value_with_a_long_name + " * 12 + "0;"
    excerpt = Excerpt(EVIL, 82, (f"    {EVIL}", long, "}"), 83)
    stack = (Caller(0x0800_0124, "", source), Caller(0x0800_0200, f"0x0800_0200 ({EVIL})"))
    registers = {f"r{n}": n for n in range(13)} | {"pc": 0x0800_0124}
    held = Touched("program", 0x0800_8000, 8, b"12345678", "erased", EVIL)
    with_source = Moment(Running(stack, registers, excerpt), (held,))
    code = (Instruction(0x0800_0124, b"\x5a\x60", "str r2, [r3, #4]", is_next=True),)
    without = Moment(Running(stack, registers, None, code, (f"sources are gone: {EVIL}",)))
    moments = {"cut": with_source, "violation": without, "end": Moment()}
    found = campaign().results[1]
    film = found.films[0]
    frames = tuple(replace(each, moment=moments.get(each.kind)) for each in film.frames)
    result = replace(found, films=(replace(film, frames=frames),))
    file = tmp_path_factory.mktemp("told") / "told.html"
    file.write_text(campaign_html(replace(campaign(), results=(result,))), encoding="utf-8")
    return file.as_uri()


@pytest.mark.parametrize("width", [1280, 400])
def test_a_cut_shows_stack_source_registers_and_flash(
    chromium: Driver, told: str, width: int
) -> None:
    resize(chromium, width)
    chromium.get(told)
    console(chromium)
    assert css(chromium, ".moment") == []
    button = next(b for b in css(chromium, ".film button") if b.text == "Next cut")
    button.click()
    (marked,) = css(chromium, ".moment .source .marked")
    assert marked.text.startswith("83")
    assert "value_with_a_long_name" in marked.text
    assert len(css(chromium, ".moment .source span")) == 3
    assert [line.text for line in css(chromium, ".moment .stack li")] == [
        f"in program(), {EVIL}:83",
        f"called from 0x0800_0200 ({EVIL})",
    ]
    assert "r12\n0000000c" in css(chromium, ".moment .registers")[0].text
    assert "before: erased; 31 32 33" in css(chromium, ".moment .held")[0].text
    assert css(chromium, "img") == []
    wide = "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    assert chromium.execute_script(wide) == [width, width]
    css(chromium, ".film button")[-1].click()  # the end
    assert css(chromium, ".moment .missing")[0].text == f"sources are gone: {EVIL}"
    assert "str r2, [r3, #4]" in css(chromium, ".moment .source .marked")[0].text
    assert chromium.execute_script(wide) == [width, width]
    assert console(chromium) == []
