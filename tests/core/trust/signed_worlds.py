"""Boards that take signed images only, and what the cloud has for them."""

from __future__ import annotations

from functools import cache
from typing import Any

from flash_emulator import load_part
from mcu_updater.board import Board
from mcu_updater.cloud.single_device import Package, Plan
from mcu_updater.core.strategy import Strategy
from mcu_updater.core.trust import Trust, load_key
from mcu_updater.quectel.emulated.options import ModuleOptions
from tests.core.trust import signing

PART = "STM32L476xG"
COMPONENT = "STM32"

made = cache(signing.signed)
"""One signed image for one set of arguments: ECDSA and RSA-PSS sign differently each time."""


def trust(*kinds: str, **more: Any) -> Trust:
    algorithms = dict.fromkeys(signing.KINDS[kind].algorithm for kind in kinds or ("ed25519",))
    return Trust(tuple(load_key(signing.public_pem(name)) for name in algorithms), **more)


def plan(package: bytes, version: str, **more: Any) -> Plan:
    """The cloud believes in *package*: its digests are the true ones."""
    return Plan(COMPONENT, version, Package(package), retry_times=0, **more)


def factory_board(
    kind: str = "ed25519",
    *,
    counter: int | None = 1,
    strategy: Strategy | None = None,
    piece_size: int | None = None,
    trusted: Trust | None = None,
) -> Board:
    """A board whose 1.0.0 is signed, and whose bootloader has the keys, too."""
    board = Board.new(
        load_part(PART),
        "1.0.0",
        linked("1.0.0", kind, counter, strategy),
        strategy=strategy,
        component=COMPONENT,
        trust=trusted or trust(kind),
    )
    if piece_size is not None:
        board.configure_module(ModuleOptions(piece_size=piece_size))
    return board


def linked(version: str, kind: str, counter: int | None, strategy: Strategy | None) -> bytes:
    del strategy  # the slot that runs lies at the same address with remap and with copy
    return made(version, kind, counter=counter)


def run(board: Board, **more: Any) -> list[Any]:
    return list(board.run(**more))


def runs(board: Board) -> tuple[str, str]:
    """Bank and version of the next start; empty where nothing runs."""
    decision = board.would_boot()
    return ("", "") if decision.bank is None else ("AB"[decision.bank], decision.version)
