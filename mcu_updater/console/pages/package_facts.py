"""What there is to say of a package's files: digests, and what ``image inspect`` finds in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mcu_updater.core.errors import address_text


@dataclass(frozen=True, slots=True)
class FileFacts:
    """*facts*: what, and what was found. *trouble*: why there is no more to say."""

    name: str
    size: int
    sha256: str
    md5: str
    facts: tuple[tuple[str, str], ...] = ()
    trouble: str = ""
    picture: str = ""


def files_of(inspection: Mapping[str, Any]) -> list[FileFacts]:
    """One for each file; the image, which they hold together, is told of with the first."""
    found = []
    for at, file in enumerate(inspection["files"]):
        image = inspection["image"] if at == 0 else None
        trouble = (inspection["rejected"] or "") if at == 0 else ""
        found.append(
            FileFacts(
                file["path"].rpartition("/")[2],
                file["size"],
                file["sha256"],
                file["md5"],
                tuple(_facts(image)) if image else (),
                f"Not looked into: {trouble}." if trouble else "",
                image["picture"] if image else "",
            )
        )
    return found


def _facts(image: Mapping[str, Any]) -> list[tuple[str, str]]:
    inner = image["inner"]
    found = [("Format", image["format"] + (f", in it {inner}" if inner != image["format"] else ""))]
    for (address, size), memory in zip(
        image["segments"], image["memories"] or ["" for _ in image["segments"]], strict=False
    ):
        where = f"{size:,} bytes at {address_text(address)}"
        found.append(("Segment", where + (f", {memory}" if memory else "")))
    for name, key in (("Stack", "stack"), ("Reset", "reset"), ("Entry", "entry")):
        if image[key] is not None:
            found.append((name, address_text(image[key])))
    found += [(what, text) for what, text in image["identities"].items()]
    found += [("Problem", text) for text in image["problems"]]
    return found
