"""The decisions of the C core: every input of the tables, and of the functions all that matters."""

from __future__ import annotations

from itertools import product

import pytest

from mcu_updater.core.decide import Module, Observed, Step, decide, fit, judge
from mcu_updater.core.journal import Package, Phase, Snapshot
from mcu_updater.core.ota import PieceReady, PlanOffered, is_reportable
from mcu_updater.quectel.ota_events import format_ota_event
from tests.core_c.client_in_c import ParserInC, library, text_in_c

pytestmark = [pytest.mark.judge("gcc"), pytest.mark.usefixtures("client_library")]

MODULES, STEPS = list(Module), list(Step)


def test_decide():
    built = library()
    observed = built.ffi.new("struct fwu_observed *")
    inputs = list(product(Phase, Phase, (False, True), (False, True), Module))
    for active, inactive, one, other, module in inputs:
        observed.active, observed.inactive = active, inactive
        observed.active_renewed, observed.inactive_renewed = one, other
        observed.module = MODULES.index(module)
        expected = decide(Observed(active, inactive, one, other, module))
        assert STEPS[built.lib.fwu_decide(observed)] is expected, observed
    assert len(inputs) == 7 * 7 * 4 * 18


def snapshot_in_c(built, snapshot: Snapshot):
    made = built.ffi.new("struct fwu_snapshot *")
    made.phase, made.piece_start = snapshot.phase, snapshot.piece_start
    if snapshot.package is not None:
        made.has_package, made.package.length = True, snapshot.package.length
    return made


OFFSETS = (0, 1, 5, 6, 10, 11, 0xFFFF_FFFE, 0xFFFF_FFFF)
PIECES = [
    PieceReady("C", length, start, size)
    for length, start, size in product(OFFSETS, repeat=3)
    if size and start + size <= length
]


def test_fit():
    built = library()
    lengths = (None, 1, 10, 0xFFFF_FFFF)
    for phase, wanted, length in product(Phase, OFFSETS, lengths):
        package = None if length is None else Package(length, bytes(16), bytes(32))
        snapshot = Snapshot(phase, 1, "C", "2", package=package, piece_start=wanted)
        held = snapshot_in_c(built, snapshot)
        for piece in PIECES:
            given: tuple[object, ...] = ({}, piece.length, piece.start, piece.size)
            found = MODULES[built.lib.fwu_fit(built.ffi.new("struct fwu_piece *", given), held)]
            assert found is fit(piece, snapshot), (piece, snapshot)


REFUSALS = {
    "FWU_ACCEPTED": None,
    "FWU_OTHER_COMPONENT": "it is for component",
    "FWU_OTHER_SOURCE": "it upgrades from",
    "FWU_RUNS_ALREADY": "running already",
    "FWU_TARGET_LENGTH": "bytes long",
    "FWU_NOT_REPORTABLE": "nobody could report",
}

COMPONENTS = ("STM32", "STM3", "STM32x", "stm32", "\xff")
VERSIONS = ("1", "1_0_0", "x" * 64)
TARGETS = (
    "", "1", "2", "1_0_0", "x" * 63, "x" * 64, "y" * 64, "x" * 65, "x" * 200, "\xe4" * 32,
    "\xe4" * 33, "\xe4" * 64, "\xe4" * 65, "x" * 63 + "\xe4", "x" * 62 + "\xe4", "a:b", "a;b",
    'a"b', "a b", "a\tb", "\x7f", "~", "\x1f", "\x80",
)  # fmt: skip


@pytest.mark.parametrize("component", COMPONENTS)
def test_judge(component: str):
    """Plans as the module says them."""
    built = library()
    for source, target, version in product(("", *VERSIONS, "2"), TARGETS, VERSIONS):
        plan = PlanOffered(component, source, target, 1, -2, 3)
        said = next(iter(ParserInC(built).feed(format_ota_event(plan))))[3]
        event = built.ffi.new("struct fwu_event *")
        built.lib.fwu_event_parse(event, 7, 10700, built.ffi.new("char[]", said), len(said))
        ours = text_in_c(built, "fwu_component", "STM32"), text_in_c(built, "fwu_version", version)
        refusal = built.lib.fwu_judge(built.ffi.addressof(event, "is", "plan"), *ours)
        name = built.ffi.string(built.ffi.cast("enum fwu_refusal", refusal))
        why = judge(plan, "STM32", version)
        assert (why is None) == (name == "FWU_ACCEPTED"), (plan, name)
        assert (REFUSALS[name] or "") in (why or ""), (plan, name, why)


def test_which_texts_can_be_reported():
    lib = library().lib
    for code in range(256):
        text = f"a{chr(code)}"
        assert lib.fwu_is_reportable(text.encode("latin-1"), 2) == is_reportable(text), code
