"""Firmware that somebody released for real, fetched by package name when a test wants it.

`@pybricks/firmware` (MIT) carries the firmware of LEGO hubs: raw images, one zip a hub, at
`package/build/<hub>.zip`, member `firmware-base.bin`. Two consecutive releases make the most
honest A/B pair there is.

Nothing of it is kept in the repository. A download is cached in `.cache/released/` and believed
only if it has the SHA-256 written here, whether it comes from the registry or from the cache.
"""

import hashlib
import io
import shutil
import subprocess
import tarfile
import tempfile
import zipfile
from functools import cache
from pathlib import Path

import pytest

CACHE = Path(__file__).resolve().parent.parent / ".cache" / "released"
TIMEOUT_S = 60

SHA256 = {  # (version, hub): of firmware-base.bin, which is what counts, not of its wrappers
    ("7.27.0", "primehub"): "c3a35aac165c75ac5cfb2938ce1253258b9602ab51c128cd3b28dddc85a75431",
    ("7.28.0", "primehub"): "e5fd8bbd1030d7db5569b40f0758184ac04175c156ef2c4f72130bfd9e4c6316",
    ("7.27.0", "technichub"): "8f6e07126ebb08a0f0dc5383254ef595bf382008e28c13a1c29ab0cfab00502a",
    ("7.28.0", "technichub"): "b3b411cb46aceedf03677fe7117e920c224f54652d2da80799d3d12222c99a54",
}


def pybricks_firmware(version: str, hub: str = "primehub") -> bytes:
    """The released image, to be placed at 0x0800_8000.

    Skips the calling test where npm is missing or no registry answers. Raises `ValueError` for an
    image with no pinned hash, and `AssertionError` when the registry serves other bytes.
    """
    if (version, hub) not in SHA256:
        raise ValueError(f"no SHA-256 pinned for {hub} {version}; pinned: {sorted(SHA256)}")
    cached = CACHE / f"pybricks-{version}-{hub}.bin"
    if cached.exists() and _is_pinned(image := cached.read_bytes(), version, hub):
        return image

    package, reason = _packed(f"@pybricks/firmware@{version}")
    if reason:
        pytest.skip(reason)
    image = _unpacked(package, hub)
    assert _is_pinned(image, version, hub), (
        f"{hub} {version}: expected SHA-256 {SHA256[version, hub]}, "
        f"found {hashlib.sha256(image).hexdigest()}"
    )
    _keep(cached, image)
    return image


def _is_pinned(image: bytes, version: str, hub: str) -> bool:
    return hashlib.sha256(image).hexdigest() == SHA256[version, hub]


@cache  # a registry out of reach is asked once a process, not once a test
def _packed(package: str) -> tuple[bytes, str]:
    """The package's tarball, or no bytes and the reason why not."""
    npm = shutil.which("npm")
    if npm is None:
        return b"", f"{package}: npm is not installed"
    with tempfile.TemporaryDirectory() as empty:
        try:
            subprocess.run(
                [
                    npm,
                    "pack",
                    "--loglevel=error",
                    "--fetch-retries=1",
                    "--fetch-retry-mintimeout=1000",
                    package,
                ],
                cwd=empty,
                check=True,
                capture_output=True,
                text=True,
                timeout=TIMEOUT_S,
            )
        except subprocess.TimeoutExpired:
            return b"", f"{package}: no answer from the registry within {TIMEOUT_S} s"
        except subprocess.CalledProcessError as error:
            complaint = (error.stderr.splitlines() or ["no reason given"])[0]
            return b"", f"{package}: npm pack failed: {complaint}"
        (tarball,) = Path(empty).glob("*.tgz")
        return tarball.read_bytes(), ""


def _unpacked(package: bytes, hub: str) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(package)) as tarball:
        member = tarball.extractfile(f"package/build/{hub}.zip")
        assert member is not None, f"{hub}.zip is not a file in the package"
        with zipfile.ZipFile(io.BytesIO(member.read())) as archive:
            return archive.read("firmware-base.bin")


def _keep(path: Path, data: bytes) -> None:
    """Write `data` so that another process sees the whole file or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(data)
    Path(file.name).replace(path)
