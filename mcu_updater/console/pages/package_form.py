"""A version package as a form, and back. Its files come along, or stand there already."""

from __future__ import annotations

from typing import Any

from mcu_updater.cloud.center.faults import Place
from mcu_updater.cloud.center.model import VersionPackage
from mcu_updater.console.pages.forms import Form, given

LABELS = {
    "name": "Name",
    "type": "Component type",
    "kind": "Kind",
    "target": "Target version",
    "source": "Source version",
    "note": "Note",
    "files": "Files",
}
_TOGETHER: dict[Place | str, str] = {
    "a source version for a delta package, and none for a full one": "source",
    "a source version other than the target version": "source",
}
"""The field of what the model expects of two together."""


def fresh() -> Form:
    return Form({"type": ["mcu"], "kind": ["full"]}, LABELS)


def form_of(package: VersionPackage) -> Form:
    files = [file.as_posix() for file in package.files]
    form = given(
        {
            "name": package.name,
            "type": package.type.value,
            "kind": package.kind.value,
            "target": package.target,
            "source": package.source,
            "note": package.note,
            "had": files,
            "keep": files,
        }
    )
    form.labels = LABELS
    return form


def json_of(form: Form, files: list[str]) -> tuple[dict[str, Any], dict[Place | str, str]]:
    """The package that *form* describes, as JSON, and the field of each place in it."""
    source = form.text("source").strip()
    found: dict[str, Any] = {
        "name": form.text("name"),
        "type": form.text("type"),
        "kind": form.text("kind"),
        "target": form.text("target").strip(),
        "note": form.text("note").replace("\r\n", "\n"),
        "files": files,
    }
    if source:
        found["source"] = source
    fields: dict[Place | str, str] = {(name,): name for name in LABELS}
    fields |= _TOGETHER
    return found, fields


def group_of(field: str) -> str:
    return "files" if field in ("had", "keep", "files") else field
