"""A package as an image: unpacks on the way, and decodes the one image that is for this device.

It looks like any other ``image.Decoder``: bytes in, extents out, and a state for a checkpoint. So
updater and loader need not know that what comes is a package.

    container reader -> which file is it? -> its hash -> decoder of its format -> extents

A package with a manifest, which must be its first file, says what its files are, and holds no
others. In a package without one there must be exactly one image, told by its suffix; what may lie
beside it is skipped.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Final, assert_never

from mcu_updater.core.digest import Hash, Sha256Resumable
from mcu_updater.core.errors import ImageRejected, PackageDamaged
from mcu_updater.core.image import (
    PACKAGES,
    SNIFF_SIZE,
    STRICT,
    Allowed,
    Decoder,
    Extent,
    ImageFormat,
    identify,
    open_decoder,
    restore,
    sniff,
    sniff_size,
    told_by,
)
from mcu_updater.core.image.names import NUMBERED, format_of, suffix_of
from mcu_updater.core.package import manifest
from mcu_updater.core.package.gzipstream import GzipReader
from mcu_updater.core.package.manifest import Entry, File, Wanted
from mcu_updater.core.package.rules import (
    NOTES,
    Closed,
    Container,
    Opened,
    damaged,
    is_neighbour,
    pack,
    unpack,
)
from mcu_updater.core.package.tarstream import TarReader
from mcu_updater.core.package.zipstream import ZipReader

_MANIFEST, _IMAGE, _OTHER = "manifest", "image", "other"  # what the open file is


def open_container(fmt: ImageFormat) -> Container:
    """A reader for *fmt*, one of PACKAGES."""
    match fmt:
        case ImageFormat.ZIP:
            return ZipReader()
        case ImageFormat.TAR:
            return TarReader()
        case ImageFormat.GZIP:
            return GzipReader()
        case _:
            raise ValueError(f"{fmt} is no package")


def open_any(
    first_bytes: bytes,
    wanted: Wanted,
    *,
    base: int,
    room: int | None = None,
    resumable: bool = False,
    allow: Allowed = STRICT,
) -> Decoder:
    """The decoder for what begins with *first_bytes*, ``sniff_size`` of them: image or package.

    Raises ImageRejected where it is neither. See ``PackageDecoder`` for the rest.
    """
    fmt = sniff(first_bytes, allow)
    if fmt in PACKAGES:
        return PackageDecoder(fmt, wanted, base=base, room=room, resumable=resumable, allow=allow)
    return open_decoder(fmt, base, allow)


class PackageDecoder:
    """See above. *base*: where a raw image is linked. *room*: bytes that the slot has for it.

    *container*: what reads the archive; None: the reader for *fmt*.
    *resumable*: the file's hash can be kept in a state; ours is slower than hashlib's.
    ``entry`` is the image that was chosen, once that is known.
    """

    CODE: Final = 5

    def __init__(
        self,
        fmt: ImageFormat,
        wanted: Wanted,
        *,
        base: int,
        room: int | None = None,
        resumable: bool,
        allow: Allowed = STRICT,
        container: Container | None = None,
    ) -> None:
        self._fmt = fmt
        self._container = container or open_container(fmt)
        self._wanted = wanted
        self._base, self._room, self._allow = base, room, allow
        self._resumable = resumable
        self.entry: Entry | None = None
        self.entries: tuple[Entry, ...] = ()  # all of the manifest, once it was read
        self.members: list[Opened] = []  # since this object was made
        self._has_manifest = False
        self._others: frozenset[bytes] = frozenset()  # marks of all names in the manifest
        self._seen = 0  # files that were opened
        self._taken = 0  # files of the image that are complete
        self._kind = ""
        self._name = ""
        self._held = b""  # of the manifest; of the image, until its format is known
        self._size = 0  # of the open file, as far as it came
        self._hash = self._new_hash()
        self._decoder: Decoder | None = None
        self.format: ImageFormat | None = None

    def _new_hash(self) -> Hash:
        return Sha256Resumable() if self._resumable else hashlib.sha256()

    @property
    def start(self) -> int | None:
        """Start address that the image gives, where its format can."""
        found: int | None = getattr(self._decoder, "entry", None)
        return found

    def feed(self, data: bytes) -> list[Extent]:
        """Take the next package bytes. Raises ImageRejected: offsets are the package's, lines the
        file's."""
        extents: list[Extent] = []
        for item in self._container.feed(data):
            match item:
                case Opened():
                    self._open(item)
                case Closed():
                    extents += self._short_image()
                    self._close()
                case bytes():
                    extents += self._data(item)
                case _:
                    assert_never(item)
        return extents

    def finish(self) -> None:
        """The package has ended; with it the image."""
        self._container.finish()
        entry = self.entry
        if entry is not None and self._taken < len(entry.files):
            missing = repr(entry.files[self._taken].name)
            raise damaged("file of the manifest is missing", "package", missing, "the end")
        if self._decoder is None:
            raise damaged("package holds no image", "package", self._expected_image(), "none")
        self._checked(self._decoder.finish)

    # --- files

    def _open(self, member: Opened) -> None:
        self.members.append(member)
        self._name = member.name
        self._kind = self._kind_of(member)
        self._seen += not is_neighbour(member.name)
        self._size = 0
        if self._kind == _IMAGE:
            self._hash = self._new_hash()

    def _kind_of(self, member: Opened) -> str:
        name = member.name
        if is_neighbour(name):
            return _OTHER
        if name == manifest.NAME:
            if self._seen:
                raise damaged("manifest is not the first file", name, "nothing before it", "files")
            if member.size is not None and member.size > manifest.MANIFEST_BYTES:
                limit = f"at most {manifest.MANIFEST_BYTES} bytes"
                raise damaged("manifest is too long", name, limit, str(member.size))
            return _MANIFEST
        return self._listed(member) if self._has_manifest else self._unlisted(name)

    def _listed(self, member: Opened) -> str:
        """A file of a package that has a manifest."""
        entry = self.entry
        assert entry is not None
        expected = entry.files[self._taken] if self._taken < len(entry.files) else None
        if expected is not None and member.name == expected.name:
            if member.size not in (None, expected.size):
                raise damaged(
                    "size is not the manifest's", member.name, str(expected.size), str(member.size)
                )
            return _IMAGE
        if member.name in {file.name for file in entry.files}:
            raise damaged(
                "file is out of order", member.name, "the order of the manifest", "another"
            )
        if _mark(member.name) not in self._others:
            raise damaged(
                "file is not in the manifest", member.name, "only files of it", "one more"
            )
        return _OTHER

    def _unlisted(self, name: str) -> str:
        """A file of a package that has none: the suffix tells."""
        if format_of(name) is None:
            if suffix_of(name) in NOTES:
                return _OTHER
            raise damaged(
                "nobody can tell what this file is",
                name,
                self._expected_image(),
                f"suffix {suffix_of(name)!r}",
            )
        numbered = NUMBERED.fullmatch(name)
        if self.entry is None:
            if numbered and numbered[2] != "1":
                raise damaged("first part is missing", name, f"{numbered[1]}_1 first", repr(name))
            self.entry = Entry((File(name),))
            return _IMAGE
        follows = self.entry.files[-1].name
        before = NUMBERED.fullmatch(follows)
        if numbered and before and name == f"{before[1]}_{self._taken + 1}":
            self.entry = Entry((*self.entry.files, File(name)))
            return _IMAGE
        raise damaged(
            "package holds several images and no manifest",
            name,
            f"one image, or {manifest.NAME} first",
            f"{follows!r} and {name!r}",
        )

    def _expected_image(self) -> str:
        return "a file .bin, .hex, .s19, .srec, .mot or .titxt"

    def _data(self, data: bytes) -> list[Extent]:
        self._size += len(data)
        if self._kind == _MANIFEST:
            self._held += data
            if self._size > manifest.MANIFEST_BYTES:  # a stream that told no size
                limit = f"at most {manifest.MANIFEST_BYTES} bytes"
                raise damaged("manifest is too long", self._name, limit, "more")
        if self._kind != _IMAGE:
            return []
        self._hash.update(data)
        if self._decoder is None:
            data = self._held = self._held + data
            if len(data) < sniff_size(data):
                return []
            self._open_image()
        return self._decode(data)

    def _short_image(self) -> list[Extent]:
        """What is held of a file that ends before its format was told; it is all of it."""
        if self._kind != _IMAGE or self._decoder is not None:
            return []
        held = self._held
        if len(held) < SNIFF_SIZE:
            found = f"{len(held)} bytes"
            raise damaged("file is too short to be an image", self._name, found=found)
        self._open_image()
        return self._decode(held)

    def _decode(self, data: bytes) -> list[Extent]:
        assert self._decoder is not None
        self._held = b""
        try:
            return list(self._decoder.feed(data))
        except ImageRejected as error:
            raise self._placed(error) from error

    def _open_image(self) -> None:
        entry = self.entry
        assert entry is not None
        packed = told_by(self._held)
        if packed in PACKAGES:
            raise damaged("a package in a package", self._name, "an image", str(packed))
        try:
            fmt = self.format = identify(self._name, self._held, allow=self._allow)
        except ImageRejected as error:
            raise self._placed(error) from error
        if fmt in PACKAGES:
            raise damaged("a package in a package", self._name, "an image", fmt)
        size = sum(file.size or 0 for file in entry.files)
        if fmt is ImageFormat.BIN and self._room is not None and size > self._room:
            raise ImageRejected(
                "the image is larger than the slot",
                where=self._name,
                expected=f"at most {self._room} bytes",
                found=str(size),
                then="Nothing was erased",
            )
        self._decoder = open_decoder(fmt, self._base, self._allow)

    def _close(self) -> None:
        if self._kind == _MANIFEST:
            self.entries = manifest.parse(self._held)
            self._held = b""
            self.entry = manifest.choose(self.entries, self._wanted)
            self._others = frozenset(
                _mark(file.name) for entry in self.entries for file in entry.files
            )
            self._has_manifest = True
        elif self._kind == _IMAGE:
            self._close_image()
        self._kind = ""

    def _close_image(self) -> None:
        entry = self.entry
        assert entry is not None
        file = entry.files[self._taken]
        if file.sha256 and (file.size, file.sha256) != (self._size, self._hash.digest()):
            raise PackageDamaged(
                "file is not the one of the manifest",
                where=self._name,
                expected=f"{file.size} bytes, SHA-256 {file.sha256.hex()}",
                found=f"{self._size}, {self._hash.digest().hex()}",
                then="The image will not be booted",
            )
        self._taken += 1

    def _checked(self, act: Callable[[], None]) -> None:
        try:
            act()
        except ImageRejected as error:
            raise self._placed(error) from error

    def _placed(self, error: ImageRejected) -> ImageRejected:
        """The same, with the file's name."""
        is_named = error.where.startswith(self._name)
        return error.placed(error.where if is_named else f"{self._name}, {error.where}")

    # --- states

    def state(self) -> bytes:
        """All that is known, with what the container must see again.

        Raises ImageRejected where compressed data cannot be carried on, and ValueError when the
        hash is not resumable.
        """
        if not isinstance(self._hash, Sha256Resumable):
            raise ValueError("a package in one piece cannot be packed")
        notes = {
            "manifest": self._has_manifest,
            "seen": self._seen,
            "taken": self._taken,
            "kind": self._kind,
            "name": self._name,
            "size": self._size,
            "format": self.format,
            "entry": manifest.note_of(self.entry),
        }
        return bytes((self.CODE,)) + pack(
            self._fmt.encode(),
            json.dumps(notes, separators=(",", ":")).encode(),
            self._container.state(),
            self._decoder.state() if self._decoder else b"",
            self._hash.state() if self._kind == _IMAGE else b"",
            b"".join(sorted(self._others)),
            self._held,
        )

    @classmethod
    def restore(
        cls, state: bytes, wanted: Wanted, *, base: int, room: int | None = None
    ) -> PackageDecoder:
        """The decoder that gave *state*; the rest as it was made with. ValueError: none gave it."""
        if state[:1] != bytes((cls.CODE,)):
            raise ValueError(f"not the state of a package: {state[:16].hex()}")
        fmt, told, container, decoder, digest, others, held = unpack(state[1:])
        package = cls(ImageFormat(fmt.decode()), wanted, base=base, room=room, resumable=True)
        package._container.resume(container)
        notes = json.loads(told)
        package._has_manifest, package._seen = notes["manifest"], notes["seen"]
        package._taken, package._kind = notes["taken"], notes["kind"]
        package._name, package._size = notes["name"], notes["size"]
        package.format = ImageFormat(notes["format"]) if notes["format"] else None
        package.entry = manifest.entry_of(notes["entry"])
        package._decoder = restore(decoder) if decoder else None
        if digest:
            package._hash = Sha256Resumable.restore(digest)
        package._others = frozenset(
            others[i : i + _MARK_BYTES] for i in range(0, len(others), _MARK_BYTES)
        )
        package._held = held
        return package


_MARK_BYTES: Final = 6


def _mark(name: str) -> bytes:
    """Enough of a hash to tell the names of one manifest apart."""
    return hashlib.sha256(name.encode()).digest()[:_MARK_BYTES]
