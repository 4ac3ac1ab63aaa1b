"""Hooks of the site: pages that stand outside of docs/, and links that lead there and back.

README, DESIGN and the like stay where a reader of the repository looks for them.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).parents[1]
ELSEWHERE = {
    "README.md": "index.md",
    "DESIGN.md": "explanation/design.md",
    "FORMAT.md": "reference/format.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
}
"""Pages by their place in the repository, and in the site."""
_LINK = re.compile(r"(?<!!)\[([^\]]*)\]\((?!\w+:|#)([^)#]+)(#[^)]*)?\)")
_PICTURE = re.compile(r"(!\[[^\]]*\])\((?!\w+:)([^)]+)\)")


def on_files(files: Any, config: Any) -> Any:
    for source, place in ELSEWHERE.items():
        files.append(File.generated(config, place, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    place = page.file.src_uri
    sources = {site: source for source, site in ELSEWHERE.items()}
    here = posixpath.dirname(sources.get(place, f"docs/{place}"))

    def target(link: str) -> str | None:
        """Where *link* leads in the site; None: it is no page of it."""
        source = posixpath.normpath(posixpath.join(here, link))
        site = ELSEWHERE.get(source) or (
            source.removeprefix("docs/") if source.startswith("docs/") else None
        )
        return site and posixpath.relpath(site, posixpath.dirname(place) or ".")

    def link(found: re.Match[str]) -> str:
        to = target(found[2])
        return f"[{found[1]}]({to}{found[3] or ''})" if to else found[1]

    def picture(found: re.Match[str]) -> str:
        return f"{found[1]}({target(found[2])})"

    return _PICTURE.sub(picture, _LINK.sub(link, markdown))
