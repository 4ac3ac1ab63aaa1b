"""What there is to say of a package's files: digests, and what is in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mcu_updater.cloud.center.load import CenterFile
from mcu_updater.cloud.center.model import ComponentType, Kind, VersionPackage
from mcu_updater.console.inspection import inspection_of
from mcu_updater.core.delta import parse_header
from mcu_updater.core.errors import UpdaterError, address_text
from mcu_updater.report.delta import header_rows

Facts = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class FileFacts:
    """*facts*: what, and what was found. *trouble*: why there is no more to say."""

    name: str
    size: int
    sha256: str
    md5: str
    facts: Facts
    trouble: str = ""
    picture: str = ""


def files_of(file: CenterFile, package: VersionPackage) -> list[FileFacts]:
    """One for each file; the image, which they hold together, is told of with the first."""
    found = inspection_of(file, package)
    facts, trouble, picture = _content(file, package, found)
    rows = [
        FileFacts(one["path"].rpartition("/")[2], one["size"], one["sha256"], one["md5"], [])
        for one in found["files"]
    ]
    first = rows[0]
    rows[0] = FileFacts(first.name, first.size, first.sha256, first.md5, facts, trouble, picture)
    return rows


def _content(
    file: CenterFile, package: VersionPackage, found: Mapping[str, Any]
) -> tuple[Facts, str, str]:
    """Facts, trouble and picture."""
    if package.type is ComponentType.MODULE:
        return [], "The firmware of a module is not looked into.", ""
    if package.kind is Kind.DELTA:
        return _delta(package, file.contents[package.name][0])
    if found["image"] is None:
        text = str(found["rejected"]).replace(f"{file.path.parent}/", "")
        return [("Problem", text)], "", ""
    return list(_image(found["image"])), "", found["image"]["picture"]


def _image(image: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    inner = image["inner"]
    yield "Format", image["format"] + (f", in it {inner}" if inner != image["format"] else "")
    memories = image["memories"] or ["" for _ in image["segments"]]
    for (address, size), memory in zip(image["segments"], memories, strict=True):
        where = f"{size:,} bytes at {address_text(address)}"
        yield "Segment", where + (f", {memory}" if memory else "")
    for name, key in (("Stack", "stack"), ("Reset", "reset"), ("Entry", "entry")):
        if image[key] is not None:
            yield name, address_text(image[key])
    yield from image["identities"].items()
    yield from (("Problem", text) for text in image["problems"])


def _delta(package: VersionPackage, data: bytes) -> tuple[Facts, str, str]:
    """What the header of a delta of ours says; others are not known here."""
    try:
        header = parse_header(data)
    except UpdaterError:
        return [], "It is no delta package of this project, so no more is known of it.", ""
    facts = [(what.capitalize(), text) for what, text in header_rows(header)]
    for what, said, own in (
        ("base", header.base_version, package.source),
        ("target", header.target_version, package.target),
    ):
        if said and said != own:
            facts.append(("Problem", f"its {what} is {said}, and the version package says {own}"))
    return facts, "", ""
