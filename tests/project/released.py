"""Firmware that somebody released for real, fetched by package name when a test wants it.

`@pybricks/firmware` (MIT) carries the firmware of LEGO hubs: raw images, one zip a hub, at
`package/build/<hub>.zip`, member `firmware-base.bin`. Two consecutive releases make the most
honest A/B pair there is. Debian's `altos` (GPL) has firmware of flight computers, of which sister
boards come from one source.

Nothing of it is kept in the repository. A download is cached in `.cache/released/` and believed
only if it has the SHA-256 written here, whether it comes from the registry or from the cache.
"""

import hashlib
import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from functools import cache
from pathlib import Path

from mcu_updater.core.image import Allow
from mcu_updater.files import read_image
from tests.judges import out_of_reach
from tests.places import ROOT

CACHE = ROOT / ".cache" / "released"
TIMEOUT_S = 60
APT_TIMEOUT_S = 100

SHA256 = {  # (version, hub): of firmware-base.bin, which is what counts, not of its wrappers
    ("7.27.0", "cityhub"): "54b34fb2035cc22f57eaec48e54b9a38d6772e563f0bfcf9b084e45a88d073f3",
    ("7.28.0", "cityhub"): "975ce4b16a24f7de4deccd87157cc96fd4cc15a6eb01c5f72c80e174d9d45a9d",
    ("7.27.0", "essentialhub"): "663c925390e334054fd94642796ca4558b4462ea85e0fb53dafe065b7b0372fa",
    ("7.28.0", "essentialhub"): "fd3bf86d1dbad6e561232016e0238b69383f22a2e955cf5dcbf6f1cf17ab562f",
    ("7.27.0", "ev3"): "cf4f6aa28a994b2f61021925016f1bb46e535f479418085bac67ba938bbcbfbe",
    ("7.28.0", "ev3"): "490e8556f1bf11bc12de7ffa1aee15b85921c215988cd3a3071fb92707eb97be",
    ("7.27.0", "movehub"): "849ecc23b5ab8ed532cf3d442b6825b84c6248bc8ea496f375f8818be59be040",
    ("7.28.0", "movehub"): "a7a4c4f78c369a66a20e150e44bfd7c96d7ba7ed60f2ecce4d27001a9bddd7fb",
    ("7.27.0", "nxt"): "01555595718978710a748f77e8a43c720cadb9294ae57ae2a33f3fe14050d36e",
    ("7.28.0", "nxt"): "a35ff5ef86de06e5b187198a6e3ef8bb3ef85f503a698f440e03e4c1bd6d87c8",
    ("7.27.0", "primehub"): "c3a35aac165c75ac5cfb2938ce1253258b9602ab51c128cd3b28dddc85a75431",
    ("7.28.0", "primehub"): "e5fd8bbd1030d7db5569b40f0758184ac04175c156ef2c4f72130bfd9e4c6316",
    ("7.27.0", "technichub"): "8f6e07126ebb08a0f0dc5383254ef595bf382008e28c13a1c29ab0cfab00502a",
    ("7.28.0", "technichub"): "b3b411cb46aceedf03677fe7117e920c224f54652d2da80799d3d12222c99a54",
}
HUBS = tuple(dict.fromkeys(hub for _, hub in SHA256))

ALTOS = {  # flight computers of Debian's package altos 1.9.16: SHA-256 of the HEX file
    "easymega-v1.0": "a7b3913764df5fee947f584ddeed9522400f49118f9093ae64a66912d6dc5363",
    "easymega-v2.0": "9b3e2d8ea247dc00e4ff9d03916c9f37cdcf060ef26ac26ef61faac7168bea45",
    "telemega-v4.0": "ac137857735ce1138382accf6c08dd528065489c516459d21ad4765dd0b55b86",
    "telemega-v5.0": "82373e1daf92dc4eed30510b4f83529a6f5df202c339729d2d6696b171f1f9c1",
    "telemetrum-v2.0": "0d2f0d8688d2c286c91a022cbc8559a997e5998110f405208fddf8379ad40cb8",
    "telemetrum-v3.0": "905f92005d3e1566ab56a7cfaf7c30c3be91c8223b03a2509102fef9c28fa1ec",
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
        out_of_reach(reason)
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


@cache
def debian_files(package: str) -> tuple[Path | None, str]:
    """The files of Debian's *package*, kept for later runs; or none and why."""
    folder = CACHE / f"debian-{package}"
    if folder.exists():
        return folder, ""
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        return None, f"{package}: apt-get and dpkg-deb are needed"
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
        try:
            subprocess.run(
                ["apt-get", "download", package],
                cwd=scratch,
                check=True,
                capture_output=True,
                timeout=APT_TIMEOUT_S,
            )
            (deb,) = Path(scratch).glob("*.deb")
            subprocess.run(["dpkg-deb", "-x", deb, f"{scratch}/files"], check=True, timeout=60)
        except (subprocess.SubprocessError, ValueError) as error:
            return None, f"{package}: cannot be fetched: {error}"
        Path(scratch, "files").rename(folder)
    return folder, ""


def altos_firmware(board: str) -> bytes:
    """The image for *board*, one of ALTOS, from its first byte to its last.

    Skips the calling test where apt or its archive is out of reach, or has another release.
    """
    folder, reason = debian_files("altos")
    if folder is None:
        out_of_reach(reason)
    found = sorted(folder.rglob(f"{board}-*.ihx"))
    if not found or hashlib.sha256(found[0].read_bytes()).hexdigest() != ALTOS[board]:
        out_of_reach(f"altos: this archive has another release of {board}")
    with tempfile.TemporaryDirectory() as name:  # readers go by the suffix
        copy = Path(name) / f"{board}.hex"
        copy.write_bytes(found[0].read_bytes())
        return read_image([copy], allow=frozenset({Allow.AFTER_END})).image.flat()


RARFILE = "rarfile-4.2"
RARFILE_SHA256 = "8e1c8e72d0845ad2b32a47ab11a719bc2e41165ec101fd4d3fe9e92aa3f469ef"


@cache
def rar_samples() -> dict[str, bytes]:
    """The archives in the tests of PyPI's `rarfile` (ISC), by name; RARLAB's program made them.

    Skips the calling test where pip or its index is out of reach.
    """
    cached = CACHE / f"{RARFILE}.tar.gz"
    if not cached.exists():
        with tempfile.TemporaryDirectory() as folder:
            words = ["download", "--quiet", "--no-deps", "--no-binary", ":all:", "--dest", folder]
            try:
                subprocess.run(
                    [sys.executable, "-m", "pip", *words, RARFILE.replace("-", "==")],
                    check=True,
                    capture_output=True,
                    timeout=TIMEOUT_S,
                )
                (tarball,) = Path(folder).glob("*.tar.gz")
            except (subprocess.SubprocessError, ValueError) as error:
                out_of_reach(f"{RARFILE}: cannot be fetched: {error}")
            _keep(cached, tarball.read_bytes())
    data = cached.read_bytes()
    assert hashlib.sha256(data).hexdigest() == RARFILE_SHA256, "the index serves other bytes"
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        members = [one for one in archive if one.isfile() and one.name.endswith(".rar")]
        opened = ((Path(one.name).name, archive.extractfile(one)) for one in members)
        return {name: file.read() for name, file in opened if file is not None}
