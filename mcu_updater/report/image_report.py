"""What there is to say of an image file, gathered."""

from __future__ import annotations

from mcu_updater.core.image.memory import Region, region_of
from mcu_updater.files import ImageFile
from mcu_updater.files.facts import compressibility, hashes, identities, vectors
from mcu_updater.report.image import Fit, ImageReport, picture


def image_report(
    file: ImageFile, placed: bool, found: tuple[Fit, ...], areas: tuple[Region, ...]
) -> ImageReport:
    """Of an image that is *placed* at addresses, or whose addresses are offsets. *found*: the slots
    that were tried; *areas*: the memories of the part that it is for."""
    image = file.image
    table = vectors(image, placed=placed)
    packed = compressibility(image)
    flat = b"".join(segment.data for segment in image.segments)
    return ImageReport(
        names=file.names,
        file_size=file.size,
        format=file.format.value,
        inner=file.inner.value,
        placed=placed,
        segments=tuple((segment.address, len(segment.data)) for segment in image.segments),
        memories=tuple(region_of(s.address, areas).name for s in image.segments) if placed else (),
        entry=image.entry,
        stack=table.stack if table else None,
        reset=table.reset if table else None,
        problems=table.problems if table else (),
        identities=identities(image),
        hashes={f"{name} of the data": text for name, text in hashes(flat).items()},
        packed={
            "deflate": round(packed.deflate / packed.sample, 3),
            "LZMA": round(packed.lzma / packed.sample, 3),
            "bits of a byte": round(packed.bits_of_byte, 2),
            "blank": round(packed.blank / packed.sample, 3),
        },
        members=tuple((member.name, member.size) for member in file.members),
        images=tuple(
            (entry.component, entry.version, entry.part, tuple(f.name for f in entry.files))
            for entry in file.entries
        ),
        picture=picture(image.start, image.end, [(s.address, s.data) for s in image.segments]),
        fits=found,
    )
