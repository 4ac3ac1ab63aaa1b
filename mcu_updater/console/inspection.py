"""What there is to know of a package's files: size and digests, and what ``image inspect`` says."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from mcu_updater.cloud.center.load import CenterFile
from mcu_updater.cloud.center.model import ComponentType, VersionPackage
from mcu_updater.cloud.center.packages import KeptUpload
from mcu_updater.core.errors import UpdaterError
from mcu_updater.core.image import ImageFormat
from mcu_updater.files import read_image
from mcu_updater.report.image import image_json
from mcu_updater.report.image_report import image_report

MOST = 32 * 1024 * 1024
"""Bytes of files whose image is looked into: it is held in memory. No STM32 has so much flash."""

Sign = tuple[str, int, int, int]
"""Of a file: path, time of its last change in nanoseconds, size, inode."""


def digests(data: bytes) -> dict[str, Any]:
    """Size in bytes, SHA-256, and the MD5 that the platform names."""
    return {
        "size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "md5": hashlib.md5(data, usedforsecurity=False).hexdigest(),
    }


def inspection_of(file: CenterFile, package: VersionPackage) -> dict[str, Any]:
    """Of each file its digests; and the image that they hold together, or why there is none."""
    contents = file.contents[package.name]
    named = zip(package.files, contents, strict=True)
    files = [{"path": path.as_posix(), **digests(data)} for path, data in named]
    if package.type is ComponentType.MODULE:
        return {"files": files, "image": None, "rejected": "a module's firmware is not looked into"}
    return {"files": files, **inspected([file.path.parent / name for name in package.files])}


def upload_of(center_path: Path, kept: KeptUpload) -> dict[str, Any]:
    """The same of a file that has just come."""
    path = center_path.parent / kept.path
    with path.open("rb") as file:
        md5 = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    fields = {"path": kept.path.as_posix(), "size": kept.size, "sha256": kept.sha256, "md5": md5}
    return {**fields, **inspected([path])}


def inspected(paths: Sequence[Path]) -> dict[str, Any]:
    """What ``image inspect`` says of these files, but for the slots that it would fit."""
    size = sum(sign[2] for sign in map(_sign, paths))
    if size > MOST:
        text = f"too large to be looked into here: {size} bytes, and {MOST} at most"
        return {"image": None, "rejected": text}
    return _inspected(tuple(_sign(path) for path in paths))


@lru_cache(maxsize=64)
def _inspected(signs: tuple[Sign, ...]) -> dict[str, Any]:
    try:
        file = read_image([Path(sign[0]) for sign in signs])
        placed = file.inner is not ImageFormat.BIN
        report = image_json(image_report(file, placed, (), ()))
    except UpdaterError as error:
        return {"image": None, "rejected": error.message}
    names = [Path(name).name for name in file.names]
    return {"image": {**report, "names": names}, "rejected": None}


def _sign(path: Path) -> Sign:
    try:
        status = path.stat()
    except OSError:
        return str(path), 0, 0, 0
    return str(path), status.st_mtime_ns, status.st_size, status.st_ino
