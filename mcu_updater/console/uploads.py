"""Uploads: forms of files, and single files, written to disk as they come.

A thread takes what comes piece by piece and keeps it; the event loop goes on with others. What is
too large ends while it is read; of what fails, or breaks off, nothing is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TypeVar

import anyio
import anyio.from_thread
import anyio.to_thread
from starlette.requests import Request

from mcu_updater.cloud.center.faults import Fault
from mcu_updater.cloud.center.model import MAX_FILE_SIZE, MAX_FILES
from mcu_updater.cloud.center.packages import KeptUpload, forget_uploads, keep_upload
from mcu_updater.console.api.bodies import media_type, refuse_large
from mcu_updater.console.console import Console
from mcu_updater.console.parts import MAX_PARTS, Part, boundary_of, parts_of
from mcu_updater.console.problems import Problem

MAX_FIELD = 64 * 1024  # bytes of what is no file
MAX_FORM = MAX_FILES * MAX_FILE_SIZE + MAX_PARTS * MAX_FIELD
FORM = "multipart/form-data"
MOST = 16  # uploads at the same time; others wait, unread
PATIENCE_S = 30.0  # for the next piece of one

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class UploadForm:
    """What a form brought. *files* are on disk, and of nobody until a package names them."""

    fields: dict[str, str]
    files: tuple[KeptUpload, ...]

    def forget(self, console: Console) -> None:
        """Remove the files, but for those that a package has already."""
        forget(console, self.files)


def forget(console: Console, files: tuple[KeptUpload, ...]) -> None:
    forget_uploads(console.file.path, [kept.path for kept in files], console.file.now().center)


async def receive_form(request: Request) -> UploadForm:
    """A form with the field ``name`` of the package before its files.

    Raises Problem, and UploadRefused where the platform takes no such file: nothing is kept then.
    """
    if media_type(request) != FORM:
        text = f"The body must be {FORM}, and is {media_type(request) or 'of no type'}"
        raise Problem(415, text, headers={"Accept": FORM})
    boundary = boundary_of(request.headers["content-type"])
    refuse_large(request, MAX_FORM)
    console: Console = request.app.state.console
    return await in_thread(request, lambda chunks: _form(console, parts_of(boundary, chunks)))


async def receive_file(request: Request) -> KeptUpload:
    """The body as a file for the package in the path, by the name in the path."""
    if media_type(request) == FORM:
        raise Problem(415, "The body must be the file itself, and is a form")
    refuse_large(request, MAX_FILE_SIZE)
    console: Console = request.app.state.console
    package, filename = request.path_params["name"], request.path_params["filename"]
    return await in_thread(
        request, lambda chunks: keep_upload(console.file.path, package, filename, chunks)
    )


def _form(console: Console, parts: Iterator[Part]) -> UploadForm:
    fields: dict[str, str] = {}
    files: list[KeptUpload] = []
    with ExitStack() as stack:
        stack.callback(lambda: forget(console, tuple(files)))
        for part in parts:
            if part.filename is None:
                fields[part.name] = text_of(part)
            elif not part.filename:
                _skip(part)
            else:
                files.append(_kept(console, fields.get("name"), part, len(files)))
        stack.pop_all()
    return UploadForm(fields, tuple(files))


def _kept(console: Console, package: str | None, part: Part, already: int) -> KeptUpload:
    if not package:
        raise _bad_field("name", "must come before the files", "the name of the package")
    if already == MAX_FILES:
        raise _bad_field("files", "too many", f"{MAX_FILES} at most")
    return keep_upload(console.file.path, package, part.filename or "", part.data)


def text_of(part: Part) -> str:
    """Of a field that is no file. Raises Problem where it is none."""
    data = bytearray()
    for piece in part.data:
        data += piece
        if len(data) > MAX_FIELD:
            text = f"The field {part.name[:60]!r} is too large; expected {MAX_FIELD} bytes at most"
            raise Problem(413, text)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise _bad_field(part.name[:60], "is no text", "UTF-8") from error


def _skip(part: Part) -> None:
    """A file field of a browser's form in which no file was chosen."""
    if any(part.data):
        raise _bad_field(part.name[:60], "has no file name", "a name with its suffix")


def _bad_field(where: str, what: str, expected: str) -> Problem:
    fault = Fault(where, what, expected)
    return Problem(422, str(fault), faults=[fault])


async def in_thread(request: Request, work: Callable[[Iterator[bytes]], T]) -> T:
    """*work* in a thread, which waits for each piece of the body until it comes.

    The threads are of uploads alone, so that pages do not wait for who sends slowly. Raises Problem
    where nothing comes for PATIENCE_S.
    """
    stream = aiter(request.stream())

    async def piece() -> bytes | None:
        try:
            with anyio.fail_after(PATIENCE_S):
                return await anext(stream, None)
        except TimeoutError:
            text = f"Nothing more of the body came for {PATIENCE_S:g} s. Nothing of it was kept"
            raise Problem(408, text, headers={"Connection": "close"}) from None

    def pieces() -> Iterator[bytes]:
        while (data := anyio.from_thread.run(piece)) is not None:
            yield data

    limiter: anyio.CapacityLimiter = request.app.state.upload_threads
    return await anyio.to_thread.run_sync(work, pieces(), limiter=limiter)
