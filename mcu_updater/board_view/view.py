"""What there is to see of a board, taken as values; looking changes nothing."""

from __future__ import annotations

from dataclasses import replace
from itertools import accumulate

from flash_emulator import EmulatedFlash
from flash_emulator.parts.part_model import Kind
from mcu_updater.board import Board
from mcu_updater.core.bank import Bank
from mcu_updater.core.boot import Decision, floor_of, objection
from mcu_updater.core.errors import address_text
from mcu_updater.core.image_version import NO_FLOOR, SecurityVersion
from mcu_updater.core.journal import HEADER_SIZE, Phase, decode_header
from mcu_updater.core.slot import ERASED, CopyLayout, Layout, Window
from mcu_updater.core.strategy import Strategy
from mcu_updater.core.trust import Trust
from mcu_updater.flash_map.strategies import hazard
from mcu_updater.quectel.connection import describe_state
from mcu_updater.report.status import BankStatus, BoardStatus, PlanStatus
from mcu_updater.report.summary import Running
from mcu_updater.report.why import Evidence, Half, Held, Section, why


def next_banks(board: Board) -> tuple[Bank, Bank]:
    """Both banks of a twin that was powered on, as the next start will find them."""
    return board.banks_of(_powered_twin(board))


def _powered_twin(board: Board) -> EmulatedFlash:
    twin = board.device.fork()
    twin.power_on()
    return twin


def mapped_next(board: Board) -> int:
    """The physical bank that the next start finds at the base address, before anything runs."""
    return _powered_twin(board).mapped_bank


def running(board: Board) -> Running:
    """What the next start would run."""
    decision = board.would_boot()
    if decision.bank is None:
        return Running("", "")
    return Running(next_banks(board)[decision.bank].name, decision.version)


def is_confirmed(board: Board, version: str) -> bool:
    """Whether the next start would run *version*, confirmed."""
    decision = board.would_boot()
    if decision.bank is None:
        return False
    reading = next_banks(board)[decision.bank].journal.read()
    return reading.phase is Phase.CONFIRMED and reading.version == version


def place_of(board: Board, address: int) -> str:
    """Area and region of the physical *address*, such as ``bank B, slot, sector 2``."""
    offset = address - board.part.base
    if isinstance(board.layout, CopyLayout):
        names = ("execution slot", "bank A", "bank B")
        areas = (board.layout.execution, *board.layout.storage)
        found = ((name, _region_of(area, offset)) for name, area in zip(names, areas, strict=True))
        return next((f"{name}, {region}" for name, region in found if region), _OUTSIDE)
    bank, offset = divmod(offset, board.part.bank_size)
    return f"bank {'AB'[bank]}, {_region_of(board.layout, offset) or _OUTSIDE}"


_OUTSIDE = "outside slot and trailer"


def _region_of(layout: Layout, offset: int) -> str:
    """Empty where *offset* belongs to none."""
    slot = layout.slot
    if slot.offset <= offset < slot.end:
        starts = accumulate(slot.sector_sizes, initial=slot.offset)
        return f"slot, sector {sum(start <= offset for start in starts) - 1}"
    for index, half in enumerate(layout.halves):
        if half.offset <= offset < half.end:
            return f"trailer, half {index}"
    return ""


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
    twin = _powered_twin(board)
    execution = board.execution_of(twin)
    return BoardStatus(
        part=board.part.name,
        strategy=board.strategy,
        hazard=hazard(board.part, board.strategy).why,
        component=board.component,
        time_us=board.clock.now_us,
        option_bytes=dict(board.device.options.loaded),
        sectors_erased=usage.erases,
        units_programmed=usage.programs,
        boot_mode=decision.mode,
        boot_reasons=decision.reasons,
        banks=tuple(_bank_status(bank, decision) for bank in board.banks_of(twin)),
        execution=_bank_status(execution, decision) if execution else None,
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
        seal=str(snapshot.security_version) if snapshot and snapshot.security_version else "",
        floor=str(snapshot.floor) if snapshot and snapshot.floor != NO_FLOOR else "",
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


def explain(board: Board, attempts: int) -> list[Section]:
    """Which records lead to the next boot decision, and what brings the bank to the CPU."""
    twin = _powered_twin(board)
    execution = board.execution_of(twin)
    banks = board.banks_of(twin)
    floor = floor_of([bank.journal.read() for bank in banks])
    return why(
        [_judged(_evidence(bank), bank, floor, board.boot_trust) for bank in banks],
        attempts,
        needs_option=board.strategy in (Strategy.SWAP_OPTION, Strategy.OPTION_TOGGLE),
        mapped=twin.mapped_bank,
        execution=_evidence(execution) if execution else None,
    )


def _judged(
    evidence: Evidence, bank: Bank, floor: SecurityVersion, trust: Trust | None
) -> Evidence:
    """With what the bootloader has against the image."""
    if not evidence.intact:
        return evidence
    why_not = objection(bank, evidence.reading.snapshot, floor, trust)
    return replace(evidence, objection=why_not)


def _evidence(bank: Bank) -> Evidence:
    reading = bank.journal.read()
    snapshot = reading.snapshot
    intact = bank.is_intact(snapshot) if snapshot and snapshot.image_size else None
    return Evidence(bank.name, tuple(map(_half, bank.halves)), reading, intact)


def _half(window: Window) -> Half:
    raw = window.peek(0, HEADER_SIZE)
    where = address_text(window.address)
    if raw is None:
        return Half(where, Held.UNREADABLE)
    if raw == bytes([ERASED]) * HEADER_SIZE:
        return Half(where, Held.ERASED)
    header = decode_header(raw)
    return Half(where, Held.DAMAGED if header is None else Held.HEADER, header)
