"""What each fuzz target begins with: files that others or our own makers have made."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from mcu_updater.core.trust.container import parse_header
from mcu_updater.files.package_build import Kind, Source, build
from tests.core.package import archives
from tests.core.trust import signing
from tests.files import elves
from tests.places import ROOT

HOSTILE = ROOT / "fixtures" / "hostile"
LARGEST = 4096  # bytes; a few hostile files are larger, and say nothing more
_SUFFIXES = {"hex": (".hex",), "srec": (".s19", ".s28", ".s37"), "ti-txt": (".titxt",)}
_OURS = {"zip": Kind.ZIP, "tar": Kind.TAR, "gzip": Kind.TAR_GZ}
_IMAGE = archives.image(700)
_FILES = {"app.bin": _IMAGE, "README.md": b"read me", "LICENSE": b""}


def seeds(name: str) -> Iterator[bytes]:
    """Of the target *name*, with the bytes in front that say how to go about it."""
    match name:
        case "hex" | "srec" | "ti-txt":
            for path in sorted(HOSTILE.iterdir()):
                if path.suffix in _SUFFIXES[name] and path.stat().st_size <= LARGEST:
                    yield b"\x06\x00" + path.read_bytes()
        case "elf":
            yield elves.elf((0x0800_0000, 0x0800_0000, _IMAGE))
            yield elves.elf((0, 0x0800_0000, b"code"), (0x2000_0000, 0x0800_0010, b"data"))
        case "zip" | "tar" | "gzip":
            for package in _packages(name):
                yield b"\x06" + package
                yield b"\x07" + package
        case "manifest":
            sources = [Source((("app.bin", _IMAGE),), "STM32", "2.0.0"), Source((("b.bin", b"b"),))]
            yield build(Kind.TAR, sources)[512:].split(b"\0")[0]
        case "tlv":
            for image in _signed_images():
                protected, unprotected = _areas(image)
                yield struct.pack("<H", len(protected)) + protected + unprotected
        case "signed":
            for image in _signed_images():
                yield b"\x06" + image
                yield b"\x07" + image[: -len(_areas(image)[1])]
        case _:
            raise ValueError(f"no such target: {name}")


def _packages(name: str) -> Iterator[bytes]:
    kinds = {"gzip": "tar.gz"}
    for kind, make in archives.MAKERS.items():
        if kind.split(",")[0] == kinds.get(name, name):
            yield make(_FILES)
    yield build(_OURS[name], [Source((("app.bin", archives.image(2500)),))])


def _signed_images() -> Iterator[bytes]:
    for kind in signing.KINDS:
        full = kind == "p256"
        yield signing.signed("2.0.0", kind, counter=7, size=64, header_size=32, key_in_full=full)
    needs = {0: "1.0.0", 1: "1.2.3"}
    yield signing.signed("2.0.0", counter=5, size=64, header_size=32, dependencies=needs)


def _areas(image: bytes) -> tuple[bytes, bytes]:
    """Protected and unprotected TLVs of *image*."""
    header = parse_header(image[:32])
    return image[header.tlv_offset : header.signed_size], image[header.signed_size :]
