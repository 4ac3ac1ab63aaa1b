"""The page in a real browser: it asks for nothing, fits a telephone, and prints."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from flash_emulator.evidence.names import PAGE
from tests.flash_emulator.explore.headless import Driver, browser, console, requests, resize


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    with browser(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.mark.judge("chromium")
@pytest.mark.parametrize("kind", ["passed", "failed"])
def test_it_is_drawn_at_two_widths_and_printed(chromium, pack, kind) -> None:
    url = (pack(kind) / PAGE).as_uri()
    chromium.get("about:blank")
    requests(chromium)
    console(chromium)
    chromium.get(url)
    for width in (1280, 400):
        resize(chromium, width)
        assert chromium.execute_script("return document.documentElement.scrollWidth") == width
    found = chromium.execute_script("return document.querySelector('.result').innerText")
    assert found.startswith(f"{kind}:")
    assert requests(chromium) == [url]
    assert console(chromium) == []
    printed = chromium.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})
    pdf = base64.b64decode(printed["data"])
    assert pdf.startswith(b"%PDF-")
    assert 3 <= pdf.count(b"/Type /Page\n") + pdf.count(b"/Type /Page ") <= 8


def test_words_of_firmware_are_inert(pack, tmp_path) -> None:
    """What a board file calls its images goes into the page as text."""
    from dataclasses import replace

    from flash_emulator.evidence.facts import gather
    from flash_emulator.evidence.page import page

    folder: Path = pack("passed")
    files = (path for path in folder.rglob("*") if path.is_file())
    facts = gather(folder, {path.relative_to(folder).as_posix(): "0" * 64 for path in files})
    image = replace(facts.images[0], name="<script>alert(1)</script>\x1b\u202e")
    text = page(replace(facts, images=(image,))).decode()
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\N{REPLACEMENT CHARACTER}" in text
