"""The form of a version package as it is posted: its fields, and files that are kept as they come.

A file that the platform does not take is not kept, and is a fault of the form, which comes back
with all that was typed. The others are kept until the form is right or refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

from starlette.requests import Request

from mcu_updater.cloud.center.model import MAX_FILES
from mcu_updater.cloud.center.packages import KeptUpload, UploadRefused, keep_upload
from mcu_updater.console.api.bodies import media_type, refuse_large
from mcu_updater.console.console import Console
from mcu_updater.console.pages.forms import Values
from mcu_updater.console.parts import Part, boundary_of, parts_of
from mcu_updater.console.problems import Problem
from mcu_updater.console.uploads import FORM, MAX_FORM, forget, in_thread, text_of

_UNNAMED = "package"  # folder of uploads for a package whose name is still missing


@dataclass(slots=True)
class PostedPackage:
    """*files* are on disk, and of nobody until a package names them. *refused*: why others are
    not."""

    values: Values = field(default_factory=dict)
    files: list[KeptUpload] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def forget(self, console: Console) -> None:
        """Remove the files, but for those that a package has."""
        forget(console, tuple(self.files))


async def posted_package(request: Request) -> PostedPackage:
    """Raises Problem where it is no form, or breaks off: nothing is kept then."""
    if media_type(request) != FORM:
        found = media_type(request) or "no type"
        raise Problem(415, f"This page takes a form; expected {FORM}, found {found}")
    boundary = boundary_of(request.headers["content-type"])
    refuse_large(request, MAX_FORM)
    console: Console = request.app.state.console
    return await in_thread(request, lambda chunks: _read(console, parts_of(boundary, chunks)))


def _read(console: Console, parts: Iterator[Part]) -> PostedPackage:
    posted = PostedPackage()
    with ExitStack() as stack:
        stack.callback(lambda: posted.forget(console))
        for part in parts:
            if part.filename is None:
                posted.values.setdefault(part.name, []).append(text_of(part))
            elif part.filename:
                _keep(console, posted, part)
        stack.pop_all()
    return posted


def _keep(console: Console, posted: PostedPackage, part: Part) -> None:
    """Of several files of one name the last one would do as little as the first."""
    name = next(iter(posted.values.get("name", ())), "") or _UNNAMED
    if len(posted.files) == MAX_FILES:
        posted.refused.append(f"{part.filename}: too many; expected {MAX_FILES} at most")
        return
    try:
        posted.files.append(keep_upload(console.file.path, name, part.filename or "", part.data))
    except UploadRefused as error:
        posted.refused.append(error.message)
