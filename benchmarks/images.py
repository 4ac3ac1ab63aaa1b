"""Reading image files: MB/s and peak memory beside intelhex, bincopy, srec_cat and objcopy.

Every reader runs in a process of its own, on the same files, in this run. MB are bytes of the
image; time is CPU time of the process, less that of the same reader with a tiny file; memory is its
peak (ru_maxrss). ``stream`` is our decoder alone, in 1024-byte reads, as a device uses it.

    python benchmarks/images.py [--sizes 1 16 100] [--width 32] [--check]

--check fails when we are slower than bincopy in the same run.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import tempfile
from pathlib import Path

BASE = 0x0800_0000
SLOW = {"intelhex": 16}  # MB that a reader is given at most: more takes minutes and gigabytes
SUFFIX = {"hex": "hex", "srec": "s37", "ti-txt": "titxt", "bin": "bin"}
READERS = {
    "hex": ("stream", "ours", "bincopy", "intelhex", "srec_cat", "objcopy"),
    "srec": ("stream", "ours", "bincopy", "srec_cat", "objcopy"),
    "ti-txt": ("stream", "ours", "bincopy", "srec_cat"),
    "bin": ("stream", "ours", "bincopy"),
}


def read(reader: str, path: Path, fmt: str) -> None:
    """One reading, in a process that does nothing else."""
    if reader == "stream":
        from mcu_updater.core.image import ImageFormat, open_decoder

        decoder = open_decoder(ImageFormat(fmt), BASE)
        with path.open("rb") as file:
            while data := file.read(1024):
                decoder.feed(data)
        decoder.finish()
    elif reader == "ours":
        from mcu_updater.files import read_image

        read_image([path], base=BASE)
    elif reader == "bincopy":
        import bincopy

        file = bincopy.BinFile()
        add = {"hex": file.add_ihex_file, "srec": file.add_srec_file}
        add |= {"ti-txt": file.add_ti_txt_file, "bin": file.add_binary_file}
        add[fmt](str(path))
    else:
        import intelhex

        intelhex.IntelHex(str(path))


def command(reader: str, path: Path, fmt: str) -> list[str]:
    if reader == "srec_cat":
        kind = {"hex": "-intel", "srec": "-motorola", "ti-txt": "-ti-txt"}[fmt]
        return ["srec_cat", str(path), kind, "-offset", f"-{BASE}", "-o", "/dev/null", "-binary"]
    if reader == "objcopy":
        kind = {"hex": "ihex", "srec": "srec"}[fmt]
        return ["objcopy", "-I", kind, "-O", "binary", str(path), f"{path}.out"]
    return [sys.executable, __file__, "--read", reader, str(path), fmt]


def measure(line: list[str]) -> tuple[float, int]:
    """CPU seconds and peak memory in MB. Raises RuntimeError when the reader fails."""
    pid = os.posix_spawn(shutil.which(line[0]) or line[0], line, os.environ)
    _, status, usage = os.wait4(pid, 0)
    if status:
        raise RuntimeError(f"{' '.join(line)} failed: status {status}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss // 1024


def write(fmt: str, path: Path, size: int, width: int) -> None:
    """Files as compilers' tools write them, made without any of the readers.

    A piece at a time: a process that is spawned begins with the peak memory of this one.
    """
    pieces = random.Random(size)
    if fmt == "bin":
        with path.open("wb") as out:
            for start in range(0, size, _PIECE):
                out.write(pieces.randbytes(min(_PIECE, size - start)))
        return
    with path.open("w") as text:
        if fmt == "ti-txt":
            text.write(f"@{BASE:08X}\n")
        for start in range(0, size, _PIECE):
            data = pieces.randbytes(min(_PIECE, size - start))
            for offset in range(0, len(data), width):
                text.write(record(fmt, BASE + start + offset, data[offset : offset + width]))
        text.write({"hex": ":00000001FF\n", "srec": "S70500000000FA\n", "ti-txt": "q\n"}[fmt])


_PIECE = 0x1_0000


def record(fmt: str, address: int, data: bytes) -> str:
    if fmt == "ti-txt":
        return data.hex(" ").upper() + "\n"
    if fmt == "srec":
        body = bytes((len(data) + 5,)) + address.to_bytes(4, "big") + data
        return f"S3{body.hex().upper()}{~sum(body) & 0xFF:02X}\n"
    lines = []
    if address & 0xFFFF == 0:
        lines.append(b"\x02\x00\x00\x04" + (address >> 16).to_bytes(2, "big"))
    lines.append(bytes((len(data),)) + (address & 0xFFFF).to_bytes(2, "big") + b"\0" + data)
    return "".join(f":{body.hex().upper()}{-sum(body) & 0xFF:02X}\n" for body in lines)


def compare(fmt: str, size: int, width: int, folder: Path) -> dict[str, float]:
    width = 16 if fmt == "ti-txt" else width
    path, tiny = (folder / f"{name}.{SUFFIX[fmt]}" for name in ("image", "tiny"))
    write(fmt, path, size << 20, width)
    write(fmt, tiny, 4 * width, width)
    rates = {}
    for reader in READERS[fmt]:
        if size > SLOW.get(reader, size) or (
            reader in ("srec_cat", "objcopy") and shutil.which(reader) is None
        ):
            continue
        start, floor = measure(command(reader, tiny, fmt))
        used, peak = measure(command(reader, path, fmt))
        seconds = max(used - start, 1e-3)
        rates[reader] = size / seconds
        name = f"{fmt}, {size} MB" + ("" if fmt == "bin" else f", {width} a line")
        print(f"{name:26} {reader:9} {rates[reader]:8.1f} MB/s {peak:6} MB peak, {floor} idle")
    return rates


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 16, 100])
    parser.add_argument("--width", type=int, nargs="+", default=[16, 32])
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--read", nargs=3)
    options = parser.parse_args()
    if options.read:
        reader, path, fmt = options.read
        read(reader, Path(path), fmt)
        return 0
    slower = []
    with tempfile.TemporaryDirectory() as folder:
        for size in options.sizes:
            for fmt in READERS:
                for width in options.width if fmt in ("hex", "srec") else options.width[:1]:
                    rates = compare(fmt, size, width, Path(folder))
                    if fmt != "bin" and rates["ours"] < rates["bincopy"]:
                        slower.append(f"{fmt}, {size} MB, {width} a line")
    print(f"slower than bincopy: {', '.join(slower) or 'nowhere'}")
    return 1 if options.check and slower else 0


if __name__ == "__main__":
    sys.exit(main())
