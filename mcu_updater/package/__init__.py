"""Packages: archives that hold images. Bytes in, extents out, no I/O."""

from mcu_updater.package.build import RESTART, Kind, Source, build
from mcu_updater.package.decoder import PackageDecoder, open_any, open_container
from mcu_updater.package.manifest import Entry, File, Wanted

__all__ = [
    "RESTART",
    "Entry",
    "File",
    "Kind",
    "PackageDecoder",
    "Source",
    "Wanted",
    "build",
    "open_any",
    "open_container",
]
