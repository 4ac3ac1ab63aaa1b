"""Image files on the host: whole files in, an image of segments out, and back into any format."""

from mcu_updater.files.reading import ImageFile, read_image, read_package
from mcu_updater.files.segments import MemoryImage, Segment

__all__ = ["ImageFile", "MemoryImage", "Segment", "read_image", "read_package"]
