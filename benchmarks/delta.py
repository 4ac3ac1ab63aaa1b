"""Sizes of delta packages, and what it takes to apply them, beside other programs in one run.

    python benchmarks/delta.py sizes     table of docs/how-to/delta.md: makers, profiles, pairs
    python benchmarks/delta.py apply     throughput and peak memory, ours and detools' own
    python benchmarks/delta.py state     bytes that the decoder keeps, by profile
    python benchmarks/delta.py resume    what cuts cost: reading again, against saving the state

Pairs: consecutive releases of real firmware (fetched, see tests/project/released.py), and our
fixtures.
Needs the extra [dev]. Memory is the growth of the process's resident set, from when all was read
and imported to its peak; each apply has a process of its own.
"""

import argparse
import bz2
import hashlib
import io
import json
import lzma
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from itertools import product
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from released import HUBS, altos_firmware, pybricks_firmware  # noqa: E402

from flash_emulator import CutAt, Outcome, PowerLoss, Trace, load_part  # noqa: E402
from mcu_updater.board import Board  # noqa: E402
from mcu_updater.cloud.single_device import Package, Plan  # noqa: E402
from mcu_updater.core.delta import Algorithm, DeltaDecoder, Filter, parse_header  # noqa: E402
from mcu_updater.core.delta.shifts import Shifts  # noqa: E402
from mcu_updater.files.delta.make import make_delta, pack_stream  # noqa: E402
from mcu_updater.files.delta.makers import available, pack_covers  # noqa: E402
from mcu_updater.powerloss.questions.erase_budget import slots_of  # noqa: E402
from mcu_updater.quectel.client import AtClient  # noqa: E402
from mcu_updater.quectel.emulated.options import ModuleOptions  # noqa: E402

APPLIED = ("technichub", "primehub")
SISTERS = (
    ("easymega-v1.0", "easymega-v2.0"),
    ("telemega-v4.0", "telemega-v5.0"),
    ("telemetrum-v2.0", "telemetrum-v3.0"),
)
WINDOWS = {Algorithm.HEATSHRINK: (8, 10), Algorithm.LZMA: (12, 16)}
CHUNK = 1024  # one AT+QIOTOTARD
ROUNDS = 5
CUTS = 12
PROCESSES = 1 if (os.cpu_count() or 1) < 4 else None


Pair = tuple[str, bytes, bytes]


def hub_pairs(hubs: Iterable[str]) -> Iterator[Pair]:
    for hub in hubs:
        images = (pybricks_firmware(version, hub) for version in ("7.27.0", "7.28.0"))
        yield f"pybricks {hub} 7.27 to 7.28", *images


def sister_pairs() -> Iterator[Pair]:
    for boards in SISTERS:
        yield f"altos {boards[0]} to {boards[1]}", *(altos_firmware(board) for board in boards)


def fixture_pair() -> Pair:
    old, new = (ROOT / "fixtures" / f"fixture-{version}.0.0.bin" for version in (1, 2))
    return "fixtures 1.0.0 to 2.0.0", old.read_bytes(), new.read_bytes()


# --- sizes


def sizes_of(base: bytes, target: bytes) -> Iterator[tuple[str, int]]:
    """Patches alone: a header of about 110 bytes comes to ours."""
    yield "full image", len(target)
    yield "full image, xz -9", len(lzma.compress(target, preset=9 | lzma.PRESET_EXTREME))
    for name, find in available().items():
        covers = find(base, target)
        for shifts in (None, Shifts()):
            stream = pack_covers(covers, base, target, shifts)
            filtered = ", shifts" if shifts else ""
            for algorithm, windows in WINDOWS.items():
                for bits in windows:
                    packed = pack_stream(stream, algorithm, bits)
                    yield f"{name}, {algorithm.name.lower()} 2^{bits}{filtered}", len(packed.data)
    yield from detools_sizes(base, target)
    yield from hdiffpatch_sizes(base, target)
    yield from peer_sizes(base, target)


def detools_sizes(base: bytes, target: bytes) -> Iterator[tuple[str, int]]:
    import detools

    for data_format in (None, "arm-cortex-m4"):
        for compression in ("heatshrink", "lzma"):
            patch, made = io.BytesIO(), io.BytesIO()
            detools.create_patch(
                io.BytesIO(base),
                io.BytesIO(target),
                patch,
                compression=compression,
                data_format=data_format,
            )
            patch.seek(0)
            detools.apply_patch(io.BytesIO(base), patch, made)
            assert made.getvalue() == target
            name = f"detools' own {compression}" + (f", {data_format}" if data_format else "")
            yield name, len(patch.getvalue())


def hdiffpatch_sizes(base: bytes, target: bytes) -> Iterator[tuple[str, int]]:
    import hdiffpatch

    for compression in ("tuz", "tamp", "zlib", "zstd", "lzma"):
        patch = hdiffpatch.diff_lite(base, target, compression=compression)
        assert hdiffpatch.apply_lite(base, patch) == target
        yield f"hdiffpatch's own lite, {compression}", len(patch)


def peer_sizes(base: bytes, target: bytes) -> Iterator[tuple[str, int]]:
    import bsdiff4
    import zstandard

    patch = bsdiff4.diff(base, target)
    assert bsdiff4.patch(base, patch) == target
    yield "bsdiff4's own", len(patch)
    dictionary = zstandard.ZstdCompressionDict(base, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    patch = zstandard.ZstdCompressor(level=19, dict_data=dictionary).compress(target)
    assert zstandard.ZstdDecompressor(dict_data=dictionary).decompress(patch) == target
    yield "zstd -19, old image as dictionary", len(patch)
    yield "full image, bzip2 -9", len(bz2.compress(target))


def print_sizes() -> None:
    print_table(list(hub_pairs(HUBS)))
    print()
    print_table([*sister_pairs(), fixture_pair()])


def print_table(pairs: list[Pair]) -> None:
    """One pair a column, each in a process of its own where there are processors for it."""
    with ProcessPoolExecutor(PROCESSES) as pool:
        columns = list(pool.map(sizes_of_pair, pairs))
    print("| bytes | " + " | ".join(name for name, _, _ in pairs) + " |")
    print("|---|" + "---|" * len(pairs))
    for row in columns[0]:
        print(f"| {row} | " + " | ".join(str(column[row]) for column in columns) + " |")


def sizes_of_pair(pair: Pair) -> dict[str, int]:
    _, base, target = pair
    return dict(sizes_of(base, target))


# --- apply


def apply_once(how: str, folder: Path) -> None:
    """In a process of its own: time and growth of memory, as JSON on stdout."""
    base = (folder / "base").read_bytes()
    package = (folder / ("shifts" if how == "ours, shifts" else "package")).read_bytes()
    header = parse_header(package)
    patch = io.BytesIO(package[header.size :])
    import detools

    before = resident("VmRSS")
    with (folder / "made").open("w+b") as made:
        started = time.perf_counter()
        if how == "detools":
            detools.apply_patch(io.BytesIO(base), patch, made)
        else:
            decoder = DeltaDecoder(
                lambda at, size: base[at : at + size],
                lambda size: hashlib.sha256(base[:size]).digest(),
                resumable=how == "ours, resumable",
            )
            for at in range(0, len(package), CHUNK):
                for piece in decoder.feed(package[at : at + CHUNK]):
                    made.write(piece)
            decoder.finish()
        seconds = time.perf_counter() - started
        made.seek(0)
        assert hashlib.sha256(made.read()).digest() == header.target_sha256
    print(json.dumps({"seconds": seconds, "kib": resident("VmHWM") - before}))


def resident(field: str) -> int:
    """KiB of this process, now (VmRSS) or at most so far (VmHWM)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field))


def print_apply() -> None:
    print("| pair, profile | how | image KiB/s | peak memory, KiB |")
    print("|---|---|---|---|")
    for name, base, target in (*hub_pairs(APPLIED), fixture_pair()):
        for algorithm in Algorithm:
            made = make_delta(base, target, algorithm=algorithm, filters=[Filter.NONE])
            with tempfile.TemporaryDirectory() as name_of_folder:
                folder = Path(name_of_folder)
                (folder / "base").write_bytes(base)
                (folder / "package").write_bytes(made.package)
                foretold = make_delta(base, target, algorithm=algorithm, filters=[Filter.SHIFTS])
                (folder / "shifts").write_bytes(foretold.package)
                for how in ("ours", "ours, resumable", "ours, shifts", "detools"):
                    runs = [measured(how, folder) for _ in range(ROUNDS)]
                    rate = len(target) / 1024 / min(run["seconds"] for run in runs)
                    memory = max(run["kib"] for run in runs)
                    title = f"{name}, {algorithm.name.lower()}"
                    print(f"| {title} | {how} | {rate:.0f} | {memory:.0f} |", flush=True)


def measured(how: str, folder: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "once", "--how", how, "--folder", str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, float] = json.loads(done.stdout)
    return result


# --- state


def print_state() -> None:
    print("| profile, window, filter | state | of it header | of it SHA-256, at most |")
    print("|---|---|---|---|")
    _, base, target = fixture_pair()
    for algorithm, windows in WINDOWS.items():
        for bits, kind in product(windows, Filter):
            made = make_delta(base, target, algorithm=algorithm, window_bits=bits, filters=[kind])
            size = largest_state(made.package, base)
            profile = f"{algorithm.name.lower()} 2^{bits}, {kind.name.lower()}"
            print(f"| {profile} | {size} | {made.header.size} | 103 |")


def largest_state(package: bytes, base: bytes) -> int:
    decoder = DeltaDecoder(
        lambda at, size: base[at : at + size],
        lambda size: hashlib.sha256(base[:size]).digest(),
        resumable=True,
    )
    largest = 0
    for at in range(0, len(package), 64):
        list(decoder.feed(package[at : at + 64]))
        largest = max(largest, len(decoder.state()))
    return largest


# --- resume


def print_resume() -> None:
    """Whole updates on the emulated board. Cuts come at random flash operations, twelve a run."""
    print(
        "| pair | pieces | cuts | read, bytes | slot erases | trailer erases | flash, s |"
        " decoder's state, bytes |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for name, base, target in hub_pairs(["technichub"]):
        package = make_delta(base, target, target_version="2.0.0").package
        state = largest_state(package, base)
        sectors = -(-len(target) // 2048)
        for pieces in (1, 3, sectors):
            for cuts in (0, CUTS):
                found = resumed(base, package, pieces, cuts)
                kept = 0 if pieces == 1 else state
                row = " | ".join(found)
                print(f"| {name} | {pieces} | {cuts} | {row} | {kept} |", flush=True)


def resumed(base: bytes, package: bytes, pieces: int, cuts: int) -> tuple[str, ...]:
    part = load_part("STM32L476xG")
    board = Board.new(part, "1.0.0", base)
    board.configure_module(ModuleOptions(piece_size=-(-len(package) // pieces)))
    board.offer(Plan("STM32", "2.0.0", Package(package), "1.0.0", retry_times=None))
    board.device.trace = Trace()
    rng, left = random.Random(pieces), cuts
    with counted_reads() as read:
        while left or board.would_boot().version != "2.0.0":
            supply = CutAt(rng.randint(1, 4000), Outcome.TORN) if left else None
            try:
                for _ in board.run(supply=supply):
                    pass
                left = 0
            except PowerLoss:
                left -= 1
    slot = set(slots_of(board)["B"])
    erased = [one.address for one in board.device.trace if one.kind == "erase"]
    in_slot = sum(address in slot for address in erased)
    usage = board.device.usage
    flash_s = (usage.erase_us + usage.program_us) / 1e6
    return str(sum(read)), str(in_slot), str(len(erased) - in_slot), f"{flash_s:.1f}"


@contextmanager
def counted_reads() -> Iterator[list[int]]:
    """Bytes of each AT+QIOTOTARD."""
    sizes: list[int] = []
    original = AtClient.read

    def read(self: AtClient, start: int, size: int) -> bytes | None:
        data = original(self, start, size)
        sizes.append(len(data or b""))
        return data

    AtClient.read = read  # type: ignore[method-assign]
    try:
        yield sizes
    finally:
        AtClient.read = original  # type: ignore[method-assign]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["sizes", "apply", "state", "resume", "once"])
    parser.add_argument("--how")
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    match options.what:
        case "sizes":
            print_sizes()
        case "apply":
            print_apply()
        case "state":
            print_state()
        case "resume":
            print_resume()
        case _:
            apply_once(options.how, options.folder)


if __name__ == "__main__":
    main()
