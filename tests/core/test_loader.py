"""Package to slot: formats, digests, and checkpoints between any two pieces."""

from __future__ import annotations

import hashlib
import struct
from typing import get_args

import bincopy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcu_updater.core.errors import ImageRejected, VerificationFailed
from mcu_updater.core.image import SNIFF_SIZE, ImageFormat
from mcu_updater.core.journal import Package
from mcu_updater.core.loader import Loader
from mcu_updater.core.package import Wanted
from mcu_updater.core.slot import Window
from mcu_updater.files.package_build import Kind, Source, build
from tests.worlds import Format, TinyFlash

BASE = 0x1000
SIZES = (64, 128, 256, 512)
SLOT = sum(SIZES)
FORMATS: tuple[Format, ...] = get_args(Format)
EVERY_FORMAT = pytest.mark.parametrize("fmt", FORMATS)


def image(size: int) -> bytes:
    """A vector table, text, a blank stretch, and more text."""
    body = bytes(i * 7 % 251 for i in range(size))
    blank = b"\xff" * (size // 3)
    begin = size // 3
    data = struct.pack("<II", 0x2000_0400, BASE + 0x11) + body[8:begin] + blank
    return (data + body[len(data) :])[:size]


def packed(fmt: Format, data: bytes) -> bytes:
    if fmt == "bin":
        return data
    file = bincopy.BinFile()
    file.add_binary(data, BASE)
    file.execution_start_address = BASE + 0x11
    text: str = file.as_ihex() if fmt == "hex" else file.as_srec(address_length_bits=32)
    return text.encode()


def identity(data: bytes) -> Package:
    md5 = hashlib.md5(data, usedforsecurity=False).digest()
    return Package(len(data), md5, hashlib.sha256(data).digest())


def flash() -> TinyFlash:
    return TinyFlash(SIZES, 8, BASE)


def loader(
    device: TinyFlash, package: Package, *, done: int = 0, single: bool = True, base: int = BASE
) -> Loader:
    return Loader(Window(device, BASE, SIZES), package, base=base, done=done, single=single)


def load(made: Loader, data: bytes, step: int = 1024) -> list[int]:
    """The sectors that *data* completes, fed *step* bytes at a time, and those of the end."""
    named: list[int] = []
    for at in range(0, len(data), step):
        named += made.feed(data[at : at + step])
    return named + list(made.finish())


@EVERY_FORMAT
@pytest.mark.parametrize("step", [1, 2, 3, 7, 64, 1024])
def test_every_format_gives_the_same_image_however_it_is_read(fmt: Format, step: int) -> None:
    data = image(500)
    package, device = packed(fmt, data), flash()
    made = loader(device, identity(package))
    assert load(made, package, step) == [0, 1, 2, 3]
    assert device.read(BASE, 500) == data
    assert device.read(BASE + 500, SLOT - 500) == b"\xff" * (SLOT - 500)
    assert made.image_size == 500
    assert made.image_sha256 == hashlib.sha256(data).digest()
    expected = {"bin": ImageFormat.BIN, "hex": ImageFormat.HEX, "s19": ImageFormat.SREC}
    assert made.format is expected[fmt]


@EVERY_FORMAT
@pytest.mark.parametrize("single", [True, False])
def test_an_image_as_large_as_the_slot_fits(fmt: Format, single: bool) -> None:
    data = image(SLOT)
    package, device = packed(fmt, data), flash()
    made = loader(device, identity(package), single=single)
    assert load(made, package) == [0, 1, 2, 3]
    assert device.data == data
    assert made.image_sha256 == hashlib.sha256(data).digest()


def test_a_package_larger_than_the_slot_is_refused_before_anything_is_erased() -> None:
    package, device = image(SLOT + 1), flash()
    made = loader(device, identity(package))
    with pytest.raises(ImageRejected, match=f"at most {SLOT} bytes, found {SLOT + 1}"):
        list(made.feed(package[:16]))
    assert device.log == []


@pytest.mark.parametrize("fmt", ["hex", "s19"])
def test_a_text_package_may_be_larger_than_the_slot_and_its_image_may_not(fmt: Format) -> None:
    fits = packed(fmt, image(SLOT))
    assert len(fits) > SLOT
    load(loader(flash(), identity(fits)), fits)
    package = packed(fmt, image(SLOT + 1))
    with pytest.raises(ImageRejected, match="outside the slot"):
        load(loader(flash(), identity(package)), package)


@EVERY_FORMAT
@pytest.mark.parametrize("wrong", ["MD5", "SHA-256"])
@pytest.mark.parametrize("single", [True, False])
def test_a_wrong_digest_is_found_before_the_last_sector_is_written(
    fmt: Format, wrong: str, single: bool
) -> None:
    package, device = packed(fmt, image(500)), flash()
    right = identity(package)
    md5 = bytes(16) if wrong == "MD5" else right.md5
    sha256 = bytes(32) if wrong == "SHA-256" else right.sha256
    made = loader(device, Package(right.length, md5, sha256), single=single)
    named = list(made.feed(package))
    assert named == [0, 1, 2]
    before = list(device.log)
    with pytest.raises(ImageRejected, match=f"{wrong} of the package is wrong") as caught:
        list(made.finish())
    digest = right.md5 if wrong == "MD5" else right.sha256
    assert caught.value.found == digest.hex()
    assert caught.value.expected == "00" * len(digest)
    assert device.log == before


@EVERY_FORMAT
@given(data=st.data())
@settings(max_examples=30)
def test_a_damaged_package_never_ends_well(fmt: Format, data: st.DataObject) -> None:
    whole = packed(fmt, image(300))
    package = bytearray(whole)
    at = data.draw(st.integers(0, len(package) - 1))
    package[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises((ImageRejected, VerificationFailed)):
        load(loader(flash(), identity(whole)), bytes(package))


@EVERY_FORMAT
@given(data=st.data())
@settings(max_examples=30)
def test_a_truncated_package_never_ends_well(fmt: Format, data: st.DataObject) -> None:
    whole = packed(fmt, image(300))
    size = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(ImageRejected):
        load(loader(flash(), identity(whole)), whole[:size])


@pytest.mark.parametrize("fmt", ["hex", "s19"])
def test_a_package_without_its_last_record_is_truncated_whatever_its_digests_say(
    fmt: Format,
) -> None:
    ends = 2 if fmt == "s19" else 1  # a right count is an end, too
    package = b"\n".join(packed(fmt, image(300)).splitlines()[:-ends]) + b"\n"
    device = flash()
    made = loader(device, identity(package))
    list(made.feed(package))
    before = list(device.log)
    with pytest.raises(ImageRejected):
        list(made.finish())
    assert device.log == before


def test_an_empty_package_is_refused() -> None:
    device = flash()
    with pytest.raises(ImageRejected, match="empty"):
        list(loader(device, identity(b"")).finish())
    assert device.log == []


def test_a_raw_image_lies_where_it_is_linked() -> None:
    package, device = image(500), flash()
    made = loader(device, identity(package), base=BASE + 64)
    with pytest.raises(ImageRejected):  # and there is nothing at the slot's start
        load(made, package)
    assert device.log == []


def test_sectors_that_are_done_are_not_written_again() -> None:
    package, device = image(500), flash()
    load(loader(device, identity(package)), package)
    device.log.clear()
    made = loader(device, identity(package), done=2)
    assert load(made, package) == [2, 3]
    assert all(at >= BASE + 192 for _, at in device.log)
    assert made.image_sha256 == hashlib.sha256(package).digest()


def test_a_sector_that_does_not_verify_ends_it() -> None:
    package, device = image(500), flash()
    device.refused.add(BASE + 64)
    made = loader(device, identity(package))
    with pytest.raises(VerificationFailed, match="0x0000_1040"):
        load(made, package)


# --- checkpoints


@EVERY_FORMAT
@given(size=st.integers(9, 960), data=st.data())
@settings(max_examples=40)
def test_a_reset_between_any_two_pieces_changes_nothing(
    fmt: Format, size: int, data: st.DataObject
) -> None:
    content = image(size)
    package = packed(fmt, content)
    inner = st.integers(min(SNIFF_SIZE, len(package)), len(package))
    splits = sorted(data.draw(st.sets(inner, max_size=4)))
    straight, device = flash(), flash()
    expected = load(loader(straight, identity(package)), package)

    named: list[int] = []
    checkpoint = b""
    for begin, end in zip([0, *splits], [*splits, len(package)], strict=True):
        made = loader(device, identity(package), done=len(named), single=False)
        if checkpoint:
            made.resume(checkpoint)
        if begin < end:
            named += made.feed(package[begin:end])
        checkpoint = made.checkpoint()
    named += made.finish()
    assert named == expected
    assert (device.data, device.log) == (straight.data, straight.log)
    assert made.image_size == size
    assert made.image_sha256 == hashlib.sha256(content).digest()


@EVERY_FORMAT
@given(data=st.data())
@settings(max_examples=25)
def test_a_reset_within_a_piece_begins_the_piece_again(fmt: Format, data: st.DataObject) -> None:
    """Digests and decoder go back to the checkpoint; sectors that were finished stay finished."""
    content = image(700)
    package = packed(fmt, content)
    split = data.draw(st.integers(SNIFF_SIZE, len(package) - 1))
    lost = data.draw(st.integers(split, len(package)))
    device = flash()
    first = loader(device, identity(package), single=False)
    named = list(first.feed(package[:split]))
    checkpoint = first.checkpoint()
    named += first.feed(package[split:lost])
    device.log.clear()

    second = loader(device, identity(package), done=len(named), single=False)
    second.resume(checkpoint)
    border = BASE + sum(SIZES[: len(named)])
    assert named + load(second, package[split:]) == [0, 1, 2, 3]
    assert all(at >= border for _, at in device.log)
    assert device.read(BASE, 700) == content
    assert second.image_sha256 == hashlib.sha256(content).digest()


@EVERY_FORMAT
def test_a_wrong_digest_is_found_after_a_reset_too(fmt: Format) -> None:
    package, device = packed(fmt, image(500)), flash()
    right = identity(package)
    first = loader(device, Package(right.length, right.md5, bytes(32)), single=False)
    list(first.feed(package[:200]))
    second = loader(device, Package(right.length, right.md5, bytes(32)), done=1, single=False)
    second.resume(first.checkpoint())
    with pytest.raises(ImageRejected, match="SHA-256"):
        load(second, package[200:])


def test_a_checkpoint_of_nothing_is_refused() -> None:
    made = loader(flash(), identity(image(500)), single=False)
    with pytest.raises(ImageRejected, match="too small to tell the format"):
        made.checkpoint()
    list(made.feed(image(500)[: SNIFF_SIZE - 1]))
    with pytest.raises(ImageRejected, match=f"found {SNIFF_SIZE - 1}"):
        made.checkpoint()


def test_a_loader_for_one_piece_keeps_no_checkpoint() -> None:
    made = loader(flash(), identity(image(500)), single=True)
    list(made.feed(image(500)))
    with pytest.raises(ValueError, match="cannot be packed"):
        made.checkpoint()


def test_a_package_shorter_than_its_format_is_told_all_the_same() -> None:
    with pytest.raises(ImageRejected, match="vector table"):
        load(loader(flash(), identity(b"\x00\x04")), b"\x00\x04")


# --- archives

ARCHIVES = [*Kind]


def archive(kind: Kind, fmt: Format, data: bytes) -> bytes:
    sources = [
        Source(((f"app.{fmt}", packed(fmt, data)),), "STM32", "2"),
        Source((("other.bin", image(200)),), "other", "2"),
    ]
    return build(kind, sources, restart=256)


def archive_loader(device: TinyFlash, package: bytes, done: int = 0) -> Loader:
    return Loader(
        Window(device, BASE, SIZES),
        identity(package),
        base=BASE,
        done=done,
        single=False,
        wanted=Wanted("STM32", "2"),
    )


@pytest.mark.parametrize("kind", ARCHIVES)
@EVERY_FORMAT
@given(data=st.data())
@settings(max_examples=4)
def test_an_archive_goes_on_after_a_reset_between_and_within_pieces(
    kind: Kind, fmt: Format, data: st.DataObject
) -> None:
    """Sectors that were finished stay finished; what is in flash is the image."""
    content = image(700)
    package = archive(kind, fmt, content)
    split = data.draw(st.integers(300, len(package) - 1))
    lost = data.draw(st.integers(split, len(package)))
    device = flash()
    first = archive_loader(device, package)
    named = list(first.feed(package[:split]))
    checkpoint = first.checkpoint()
    named += first.feed(package[split:lost])
    device.log.clear()

    second = archive_loader(device, package, done=len(named))
    second.resume(checkpoint)
    border = BASE + sum(SIZES[: len(named)])
    assert named + load(second, package[split:], 100) == [0, 1, 2, 3]
    assert all(at >= border for _, at in device.log)
    assert device.read(BASE, 700) == content
    assert second.image_sha256 == hashlib.sha256(content).digest()


@pytest.mark.parametrize("kind", ARCHIVES)
def test_an_image_in_an_archive_may_be_too_large_for_the_slot(kind: Kind) -> None:
    package, device = archive(kind, "bin", image(SLOT + 1)), flash()
    with pytest.raises(ImageRejected, match="the image is larger than the slot"):
        load(archive_loader(device, package), package)
    assert device.log == []


@pytest.mark.parametrize("kind", ARCHIVES)
@given(data=st.data())
@settings(max_examples=15)
def test_a_damaged_archive_never_ends_well(kind: Kind, data: st.DataObject) -> None:
    whole = archive(kind, "bin", image(300))
    package = bytearray(whole)
    at = data.draw(st.integers(0, len(package) - 1))
    package[at] ^= data.draw(st.integers(1, 255))
    made = Loader(
        Window(flash(), BASE, SIZES),
        identity(whole),
        base=BASE,
        single=True,
        wanted=Wanted("STM32", "2"),
    )
    with pytest.raises((ImageRejected, VerificationFailed)):
        load(made, bytes(package))
