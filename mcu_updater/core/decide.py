"""What to do next: a pure, total table from what is observed to one step.

``Observed`` is what both journals say, and what the module is known to be doing. The journals are
read again before every step, so a reset at a step boundary changes nothing but the last column:
the module is then UNKNOWN, and the table says how to find out.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum, auto

from mcu_updater.core.journal import VERSION_SIZE, Phase, Snapshot
from mcu_updater.core.ota import PieceReady, PlanOffered, is_reportable


class Module(StrEnum):
    """What is known of the module."""

    UNKNOWN = "unknown"  # nothing was heard since this start
    IDLE = "idle"  # our version was stated, no upgrade is under way
    ASKED = "asked for a plan"
    NO_PLAN = "offers no plan"
    OFFERED_ONCE = "offers a plan, said once"
    OFFERED = "offers a plan"  # said twice, and alike
    ACCEPTED = "plan confirmed"
    STARTED = "told the package"
    BUSY = "downloading"
    QUIET = "says nothing"  # while an upgrade should be under way
    HOLDS_NEXT = "holds the piece that is wanted"
    HOLDS_LAST = "holds the last piece, all of it read"
    HOLDS_USED = "holds a piece that was read"
    HOLDS_FIRST = "holds the first piece again"
    HOLDS_OTHER = "holds a piece that does not fit"
    UPDATING = "awaits the new version"
    SUCCEEDED = "reported success"
    FAILED = "reported failure"


class Step(Enum):
    """One thing to do. After it everything is observed anew."""

    SELF_TEST = auto()  # on trial: ask the image, confirm it or fail it
    RENEW_ACTIVE = auto()  # a new snapshot in the place of one that a reset may have spoilt
    RENEW_INACTIVE = auto()
    LEAVE = auto()  # a reset: what runs here has failed, and the bootloader has not read that
    REPORT = auto()  # state the running version: outside an upgrade, or as its verdict
    END_UPGRADE = auto()  # state the running version to end an upgrade that cannot go on
    ASK = auto()  # ask for a plan
    ASK_AGAIN = auto()  # ask once more: no digest guards what a plan says
    AWAIT = auto()  # wait for the module's next event
    ANSWER = auto()  # judge the plan; journal it and confirm, or refuse
    PROBE = auto()  # find out what the module still holds
    NOTE_PACKAGE = auto()  # journal what 10701 said
    START_OVER = auto()  # the package begins anew; finished sectors stay finished
    LOAD = auto()  # read the piece, write its sectors; checkpoint, or verify the whole image
    NEXT_PIECE = auto()  # action 2
    ANNOUNCE = auto()  # action 3
    SWITCH = auto()  # the commit point, then a reset
    FINISH = auto()  # nothing more to do in this session


@dataclass(frozen=True, slots=True)
class Observed:
    """What a step is decided on. *renewed*: written or found at rest since this start."""

    active: Phase
    inactive: Phase
    active_renewed: bool
    inactive_renewed: bool
    module: Module


_REST = {
    Module.UNKNOWN: Step.REPORT,
    Module.IDLE: Step.ASK,
    Module.ASKED: Step.AWAIT,
    Module.NO_PLAN: Step.FINISH,
    Module.OFFERED_ONCE: Step.ASK_AGAIN,
    Module.OFFERED: Step.ANSWER,
    Module.QUIET: Step.REPORT,
    Module.SUCCEEDED: Step.FINISH,
    Module.FAILED: Step.FINISH,
    # the module is in an upgrade and the journal is not: it was given up here, and is told so
    Module.ACCEPTED: Step.REPORT,
    Module.STARTED: Step.REPORT,
    Module.BUSY: Step.REPORT,
    Module.HOLDS_NEXT: Step.REPORT,
    Module.HOLDS_LAST: Step.REPORT,
    Module.HOLDS_USED: Step.REPORT,
    Module.HOLDS_FIRST: Step.REPORT,
    Module.HOLDS_OTHER: Step.REPORT,
    Module.UPDATING: Step.REPORT,
}

_UNDER_WAY = {  # the same for all phases of an upgrade
    Module.IDLE: Step.ASK,
    Module.QUIET: Step.ASK,
    Module.ASKED: Step.AWAIT,
    Module.NO_PLAN: Step.FINISH,
    Module.OFFERED_ONCE: Step.ASK_AGAIN,
    Module.OFFERED: Step.ANSWER,
    Module.ACCEPTED: Step.AWAIT,
    Module.STARTED: Step.NOTE_PACKAGE,
    Module.HOLDS_OTHER: Step.END_UPGRADE,
    # of another component, which the same plan upgrades first: ours has reported no version
    Module.SUCCEEDED: Step.AWAIT,
    Module.FAILED: Step.ASK,
}

_TABLE: dict[Phase, dict[Module, Step]] = {
    Phase.PLANNED: _UNDER_WAY
    | {
        Module.UNKNOWN: Step.PROBE,
        # 10701 was missed, so what comes could not be checked
        Module.BUSY: Step.END_UPGRADE,
        Module.HOLDS_NEXT: Step.END_UPGRADE,
        Module.HOLDS_LAST: Step.END_UPGRADE,
        Module.HOLDS_USED: Step.END_UPGRADE,
        Module.HOLDS_FIRST: Step.END_UPGRADE,
        Module.UPDATING: Step.END_UPGRADE,
    },
    Phase.LOADING: _UNDER_WAY
    | {
        Module.UNKNOWN: Step.PROBE,
        Module.BUSY: Step.AWAIT,
        Module.HOLDS_NEXT: Step.LOAD,
        Module.HOLDS_LAST: Step.END_UPGRADE,
        Module.HOLDS_USED: Step.NEXT_PIECE,
        Module.HOLDS_FIRST: Step.START_OVER,
        Module.UPDATING: Step.END_UPGRADE,
    },
    Phase.VERIFIED: _UNDER_WAY
    | {
        Module.UNKNOWN: Step.ANNOUNCE,
        Module.BUSY: Step.AWAIT,
        Module.HOLDS_NEXT: Step.NEXT_PIECE,
        Module.HOLDS_LAST: Step.ANNOUNCE,
        Module.HOLDS_USED: Step.NEXT_PIECE,
        Module.HOLDS_FIRST: Step.NEXT_PIECE,
        Module.UPDATING: Step.SWITCH,
    },
}
_TABLE |= {phase: _REST for phase in Phase if phase not in _TABLE}


def decide(observed: Observed) -> Step:
    """The next step. Defined for every combination of its inputs."""
    if observed.active in (Phase.TRIAL, Phase.VERIFIED):  # VERIFIED: started as a last resort
        return Step.SELF_TEST
    if not observed.active_renewed:
        return Step.RENEW_ACTIVE
    if observed.active is Phase.FAILED:  # of a record that a cut left doubtful, read otherwise
        return Step.LEAVE
    if not observed.inactive_renewed:
        return Step.RENEW_INACTIVE
    return _TABLE[observed.inactive][observed.module]


def fit(piece: PieceReady, snapshot: Snapshot) -> Module:
    """What *piece* is to an upgrade of which the journal says *snapshot*."""
    end = piece.start + piece.size
    if snapshot.package is not None and piece.length != snapshot.package.length:
        return Module.HOLDS_OTHER
    if snapshot.phase is Phase.VERIFIED:
        return Module.HOLDS_LAST if end == piece.length else Module.HOLDS_USED
    if piece.start == snapshot.piece_start:
        return Module.HOLDS_NEXT
    if end == snapshot.piece_start:
        return Module.HOLDS_USED
    return Module.HOLDS_FIRST if piece.start == 0 else Module.HOLDS_OTHER


def judge(plan: PlanOffered, component: str, version: str) -> str | None:
    """Why *plan* must be refused by a device of *component* that runs *version*; None: accept."""
    if plan.component != component:
        return f"it is for component {plan.component!r}, this device is {component!r}"
    if plan.source_version and plan.source_version != version:
        return f"it upgrades from version {plan.source_version!r}, {version!r} is running"
    if plan.target_version == version:
        return f"version {version!r} is running already"
    if not 0 < len(plan.target_version.encode()) <= VERSION_SIZE:
        return f"its target version is not 1 to {VERSION_SIZE} bytes long"
    if not is_reportable(plan.target_version):
        return f"nobody could report its target version {plan.target_version!r}"
    return None
