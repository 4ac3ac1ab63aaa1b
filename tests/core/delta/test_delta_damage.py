"""Damaged packages: never a wrong image, never anything but a typed error, never for long.

A few hundred a profile in the ordinary run; `MCU_UPDATER_DAMAGES=10000` for more.
"""

import os
import random
import time
import zlib

import pytest

from flash_emulator import load_part
from mcu_updater.board import Board
from mcu_updater.cloud.single_device import Package, Plan
from mcu_updater.core.delta import Algorithm, DeltaRejected, apply_delta
from mcu_updater.quectel.emulated.options import ModuleOptions
from tests.core.delta.pairs import PROFILES, fixture_delta, fixtures

DAMAGES = int(os.environ.get("MCU_UPDATER_DAMAGES", "300"))
LONGEST_S = 5.0


def damaged(package: bytes, rng: random.Random, header_size: int) -> bytes:
    """One to three faults, of the kinds that lines and flash are known for."""
    data = bytearray(package)
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(data)) if data else 0
        match rng.randrange(8):
            case 0:
                del data[at:]
            case 1:
                del data[at : at + rng.randrange(1, 40)]
            case 2:
                data[at:at] = rng.randbytes(rng.randrange(1, 40))
            case 3:
                data[at : at + 8] = rng.choice((b"\0", b"\xff")) * len(data[at : at + 8])
            case 4:
                piece = data[at : at + 64]
                data += piece
            case 5:
                other = rng.randrange(len(data) or 1)
                data[at : at + 16] = data[other : other + 16]
            case _:
                if data:
                    data[at] ^= 1 << rng.randrange(8)
    if rng.randrange(4) == 0 and len(data) >= header_size:  # a header that its CRC fits
        for _ in range(rng.randrange(3)):
            data[rng.randrange(8, 28)] ^= 1 << rng.randrange(8)
        data[header_size - 4 : header_size] = zlib.crc32(data[: header_size - 4]).to_bytes(
            4, "little"
        )
    return bytes(data)


@pytest.mark.parametrize("algorithm", PROFILES)
@pytest.mark.timeout(3600)
def test_damage_is_refused_or_harmless(algorithm: Algorithm) -> None:
    made = fixture_delta(algorithm)
    base, target = fixtures()
    rng = random.Random(f"damage {algorithm}")
    refused = 0
    for number in range(DAMAGES):
        package = damaged(made.package, rng, made.header.size)
        started = time.process_time()
        try:
            image = apply_delta(package, base)
        except DeltaRejected:
            refused += 1
        else:
            assert image == target, f"damage {number} led to another image"
        assert time.process_time() - started < LONGEST_S, f"damage {number}"
    assert refused > 0.9 * DAMAGES


@pytest.mark.parametrize("algorithm", PROFILES)
def test_noise_behind_a_sound_header(algorithm: Algorithm) -> None:
    """The decoder itself, with nothing before it that could refuse."""
    made = fixture_delta(algorithm)
    base, _ = fixtures()
    rng = random.Random(f"noise {algorithm}")
    heads = made.header.size + 3 + (1 if algorithm is Algorithm.HEATSHRINK else 13)
    for _ in range(DAMAGES // 3):
        at = rng.randrange(heads, len(made.package))
        package = made.package[:at] + rng.randbytes(len(made.package) - at)
        with pytest.raises(DeltaRejected):
            apply_delta(package, base)


@pytest.mark.parametrize("algorithm", PROFILES)
@pytest.mark.timeout(3600)
def test_no_damage_boots(algorithm: Algorithm) -> None:
    """A whole device, whose cloud tells the digests of the damaged package: fewer, for time."""
    made = fixture_delta(algorithm)
    images = dict(zip(("1.0.0", "2.0.0"), fixtures(), strict=True))
    factory = Board.new(load_part("STM32L476xG"), "1.0.0", images["1.0.0"])
    rng = random.Random(f"devices {algorithm}")
    runs = []
    for number in range(DAMAGES // 10):
        package = damaged(made.package, rng, made.header.size) or b"M"
        board = Board(factory.part, device=factory.device.fork())
        piece_size = rng.choice((None, 700, 1500))
        if algorithm is Algorithm.HEATSHRINK:
            board.configure_module(ModuleOptions(piece_size=piece_size))
        board.offer(Plan("STM32", "2.0.0", Package(package), "1.0.0", retry_times=0))
        for _ in board.run():
            pass
        decision = board.would_boot()
        assert decision.bank is not None
        image = images[decision.version]
        slot = board.banks()[decision.bank].slot
        assert slot.read(0, len(image)) == image, f"damage {number} boots"
        assert board.module.versions == {"STM32": decision.version}
        runs.append(decision.version)
    assert runs.count("1.0.0") > 0.9 * len(runs)


@pytest.mark.parametrize("algorithm", PROFILES)
def test_every_cut_is_refused(algorithm: Algorithm) -> None:
    package = fixture_delta(algorithm).package
    base, _ = fixtures()
    for size in [*range(200), *range(200, len(package), 97), len(package) - 1]:
        with pytest.raises(DeltaRejected):
            apply_delta(package[:size], base)
