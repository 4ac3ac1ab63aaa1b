"""Two images. The last 32 bytes of each are the digest of the rest: so it is known to be whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from flash_emulator import EmulatedFlash

OLD, NEW = "1.0.0", "2.0.0"
_DIGEST = 32


@dataclass(frozen=True, slots=True)
class Images:
    """Both images have the same *size* in bytes: whole units, and less than whole sectors."""

    size: int

    @property
    def by_version(self) -> Mapping[str, bytes]:
        return {version: _image(version, self.size) for version in (OLD, NEW)}

    def is_whole(self, flash: EmulatedFlash, address: int) -> bool:
        """Whether the image at *address* fits its digest. Raises UnreadableUnit."""
        body = self.size - _DIGEST
        digest = flash.read(address + body, _DIGEST)
        if digest == b"\xff" * _DIGEST:
            return False  # it was not written to its end: there is nothing to hash
        return bool(digest == flash.sha256(address, body))


def _image(version: str, size: int) -> bytes:
    blocks = range(-(-size // _DIGEST))
    body = b"".join(sha256(f"{version}/{block}".encode()).digest() for block in blocks)
    body = body[: size - _DIGEST]
    return body + sha256(body).digest()
