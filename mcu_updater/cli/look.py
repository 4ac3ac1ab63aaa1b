"""What there is to see of a board, taken as values; looking changes nothing."""

from __future__ import annotations

from flash_emulator.traits import Kind
from mcu_updater.bank import Bank, open_banks
from mcu_updater.board import Board
from mcu_updater.boot import Decision
from mcu_updater.errors import address_text
from mcu_updater.journal import HEADER_SIZE, Phase, decode_header
from mcu_updater.quectel.connection import describe_state
from mcu_updater.report.status import BankStatus, BoardStatus, PlanStatus
from mcu_updater.report.summary import Running
from mcu_updater.report.why import Evidence, Half, Held
from mcu_updater.slot import ERASED, Region, Window


def next_banks(board: Board) -> tuple[Bank, Bank]:
    """Both banks of a twin that was powered on, as the next start will find them."""
    twin = board.device.fork()
    twin.power_on()
    return open_banks(twin, twin, board.layout)


def running(board: Board) -> Running:
    """What the next start would run."""
    decision = board.would_boot()
    if decision.bank is None:
        return Running("", "")
    bank = next_banks(board)[decision.bank]
    return Running(bank.name, bank.journal.read().version)


def is_confirmed(board: Board, version: str) -> bool:
    """Whether the next start would run *version*, confirmed."""
    decision = board.would_boot()
    if decision.bank is None:
        return False
    reading = next_banks(board)[decision.bank].journal.read()
    return reading.phase is Phase.CONFIRMED and reading.version == version


def place_of(board: Board, address: int) -> str:
    """Bank and region of the physical *address*."""
    bank, offset = divmod(address - board.part.base, board.part.bank_size)
    return f"bank {'AB'[bank]}, {_region_of(board, offset)}"


def _region_of(board: Board, offset: int) -> str:
    slot = board.layout.slot
    if _holds(slot, offset):
        starts = Window.of_bank(board.device, slot, mapped=True).sector_starts
        sector = sum(start <= offset - slot.offset for start in starts) - 1
        return f"slot, sector {sector}"
    for index, half in enumerate(board.layout.halves):
        if _holds(half, offset):
            return f"trailer, half {index}"
    return "outside slot and trailer"


def _holds(region: Region, offset: int) -> bool:
    return region.offset <= offset < region.offset + region.size


def timing_kinds(board: Board) -> dict[str, str]:
    """For ``sector_erase`` and ``program_unit``: typ or max, as the device counts; or nothing."""
    mode = board.device.timing
    known = board.part.timing.known(mode)
    kinds: tuple[Kind, ...] = ("sector_erase", "program_unit")
    return {kind: mode if kind in known else "" for kind in kinds}


# --- status


def board_status(board: Board, attempts: int) -> BoardStatus:
    decision = board.would_boot(attempts)
    usage = board.device.usage
    return BoardStatus(
        part=board.part.name,
        component=board.component,
        time_us=board.clock.now_us,
        option_bytes=dict(board.device.options.loaded),
        sectors_erased=usage.erases,
        units_programmed=usage.programs,
        boot_mode=decision.mode,
        boot_reasons=decision.reasons,
        banks=tuple(_bank_status(bank, decision) for bank in next_banks(board)),
        module_powered=board.module.powered,
        module_connection=describe_state(board.module.connection_state),
        module_ota_state=board.module.ota_state.name,
        module_versions=board.module.versions,
        plans=_plans(board),
    )


def _bank_status(bank: Bank, decision: Decision) -> BankStatus:
    reading = bank.journal.read()
    snapshot = reading.snapshot
    failed = reading.current() if reading.phase is Phase.FAILED else None
    has_image = snapshot is not None and snapshot.image_size > 0
    return BankStatus(
        name=bank.name,
        slot_first=bank.slot.address,
        slot_last=bank.slot.address + bank.slot.size - 1,
        boots_next=decision.bank == bank.index,
        journal_half=reading.half,
        phase=reading.phase.name,
        reason=failed.reason.name.lower().replace("_", " ") if failed else "",
        version=reading.version,
        generation=reading.generation,
        package_bytes=snapshot.package.length if snapshot and snapshot.package else 0,
        image_size=snapshot.image_size if snapshot else 0,
        image_sha256=snapshot.image_sha256.hex() if snapshot and has_image else "",
        intact=bank.is_intact(snapshot) if snapshot and has_image else None,
        sectors_done=reading.sectors_done,
        attempts=reading.attempts,
    )


def _plans(board: Board) -> tuple[PlanStatus, ...]:
    center = board.center
    return tuple(
        PlanStatus(
            plan.component,
            plan.source_version,
            plan.target_version,
            len(plan.package.data),
            center.state_of(plan).value,
        )
        for plan in center.plans
    )


# --- why


def evidence(board: Board) -> tuple[Evidence, Evidence]:
    """What the bootloader can see of both banks."""
    first, second = next_banks(board)
    return _evidence(board, first), _evidence(board, second)


def _evidence(board: Board, bank: Bank) -> Evidence:
    reading = bank.journal.read()
    snapshot = reading.snapshot
    intact = bank.is_intact(snapshot) if snapshot and snapshot.image_size else None
    device, mapped = bank.slot.device, bank.index == 0  # a twin after reset: bank A is mapped
    windows = [Window.of_bank(device, half, mapped=mapped) for half in board.layout.halves]
    return Evidence(bank.name, tuple(map(_half, windows)), reading, intact)


def _half(window: Window) -> Half:
    raw = window.peek(0, HEADER_SIZE)
    where = address_text(window.address)
    if raw is None:
        return Half(where, Held.UNREADABLE)
    if raw == bytes([ERASED]) * HEADER_SIZE:
        return Half(where, Held.ERASED)
    header = decode_header(raw)
    return Half(where, Held.DAMAGED if header is None else Held.HEADER, header)
