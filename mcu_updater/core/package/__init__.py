"""Packages: archives that hold images. Bytes in, extents out, no I/O."""

from mcu_updater.core.package.decoder import PackageDecoder, open_any, open_container
from mcu_updater.core.package.manifest import Entry, File, Wanted

__all__ = [
    "Entry",
    "File",
    "PackageDecoder",
    "Wanted",
    "open_any",
    "open_container",
]
