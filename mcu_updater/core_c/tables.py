"""``fwu_tables.h`` and ``fwu_tables.c``: the tables of Python, as C.

What the C core decides by is not written a second time: each table here is what the function in
Python answers to every input.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from enum import Enum
from itertools import product
from typing import Final

from mcu_updater.core.boot import (
    FALLBACK,
    MOST_SWAPS,
    Fail,
    Look,
    Mode,
    ResetCause,
    Start,
    View,
    choose,
)
from mcu_updater.core.decide import Module, Observed, Step, decide
from mcu_updater.core.errors import InternalError
from mcu_updater.core.image.sniff import MAGICS, OTHERS
from mcu_updater.core.image.vectors import SIGNED_MAGIC, STACK_RANGE
from mcu_updater.core.journal import (
    CRC_AT,
    END_MARK,
    HEADER_SIZE,
    MAX_ATTEMPTS,
    TURN_AT,
    TURNS,
    VERIFIED_PLACES,
    JournalState,
    Phase,
    Reason,
    Record,
    Snapshot,
)
from mcu_updater.core.journal.records import FIRST_PLACE
from mcu_updater.core.journal.snapshot import FORMAT_VERSION, SIGNED_FORMAT_VERSION
from mcu_updater.quectel.at import Urc
from mcu_updater.quectel.connection import ERRORS, INITIALISED, READY, is_lasting

ACTIONS: Final = ("LOOK", "FAIL", "NEXT", "START", "START_COUNTED")
"""What the boot table asks for. NEXT: try the next bank."""

_LOOKED: Final = (None, False, True)  # what is known of an image
_SWITCHES: Final = (False, True)
_ATTEMPTS: Final = 3  # any number: the tables know "spent" and "not spent"
_BY_MODULE: Final = 0xFF


def header() -> str:
    """``fwu_tables.h``."""
    body = "\n\n".join(
        (
            _values("phase", "What the journal says of a slot", Phase),
            _values("reason", "Why a slot is FAILED", Reason),
            _values("record", "Kinds of single records", Record),
            _names("module", "What is known of the module", [each.name for each in Module]),
            _names("step", "One thing to do", [each.name for each in Step]),
            _names("mode", "What kind of start it is", [each.name for each in Mode]),
            _names("action", "What the tables of the boot ask for", ACTIONS),
            _defines(),
            _DECLARATIONS,
        )
    )
    return (
        "/* Generated from the tables in Python: do not edit. */\n"
        f"#ifndef FWU_TABLES_H\n#define FWU_TABLES_H\n\n#include <stdint.h>\n\n{body}\n\n#endif\n"
    )


def source() -> str:
    """``fwu_tables.c``."""
    steps, modes = list(Step), list(Mode)
    lasting = _lasting()
    arrays = (
        _array("uint8_t", f"fwu_decide_first[{len(Phase)}][2][2]", _decide_first(steps)),
        _array("uint8_t", f"fwu_decide_table[{len(Phase)}][{len(Module)}]", _decide_table(steps)),
        _array("uint8_t", "fwu_trial_table[3][2][2]", _trial_table()),
        _array("uint8_t", "fwu_fallback_phase[FWU_FALLBACKS]", [int(p) for p, _ in FALLBACK]),
        _array(
            "uint8_t", "fwu_fallback_mode[FWU_FALLBACKS]", [modes.index(m) for _, m in FALLBACK]
        ),
        _array("uint8_t", "fwu_fallback_table[3]", _fallback_table()),
        _array("uint16_t", "fwu_lasting[FWU_LASTING]", lasting),
        _array("uint8_t", f"fwu_magics[{len(_magics())}]", list(_magics())),
    )
    return (
        "/* Generated from the tables in Python: do not edit. */\n"
        '#include "fwu_tables.h"\n\n' + "\n\n".join(arrays) + "\n"
    )


def _magics() -> bytes:
    magics = (*MAGICS.values(), *OTHERS)
    return b"".join(bytes([len(magic)]) + magic for magic in magics)


_DECLARATIONS: Final = f"""\
/* The step for (active phase, active renewed, inactive renewed); or FWU_BY_MODULE: then that for
 * (inactive phase, module). */
#define FWU_BY_MODULE {_BY_MODULE}u
extern const uint8_t fwu_decide_first[{len(Phase)}][2][2];
extern const uint8_t fwu_decide_table[{len(Phase)}][{len(Module)}];

/* What to do with a bank on trial: for (what is known of its image, power came back, attempts are
 * spent). Of an image is known: 0 nothing yet, 1 it must not run, 2 it may. */
extern const uint8_t fwu_trial_table[3][2][2];

/* Phases of banks that run without a trial, in the order in which they are tried, of each the
 * newest image first; the mode of that start; and what to do, by what is known of the image. */
extern const uint8_t fwu_fallback_phase[FWU_FALLBACKS];
extern const uint8_t fwu_fallback_mode[FWU_FALLBACKS];
extern const uint8_t fwu_fallback_table[3];

/* Events of the connection that waiting does not mend: type x 1000 + code - 10000, ascending. */
extern const uint16_t fwu_lasting[FWU_LASTING];

/* Beginnings of files, each behind its length, that the C core refuses: FWU_MAGICS_READ of what
 * Python reads, then those of what it does not. */
extern const uint8_t fwu_magics[{len(_magics())}];"""


def _defines() -> str:
    """Numbers that C and Python must have alike."""
    numbers = {
        "HEADER_SIZE": HEADER_SIZE,
        "HEADER_TURN_AT": TURN_AT,
        "HEADER_CRC_AT": CRC_AT,
        "TURNS": TURNS,
        "FORMAT_VERSION": FORMAT_VERSION,
        "SIGNED_FORMAT_VERSION": SIGNED_FORMAT_VERSION,
        "MAX_ATTEMPTS": MAX_ATTEMPTS,
        "MOST_SWAPS": MOST_SWAPS,
        "VERIFIED_PLACES": VERIFIED_PLACES,
        **{f"PLACE_{record.name}": place for record, place in FIRST_PLACE.items()},
        "END_MARK": int.from_bytes(END_MARK, "little"),
        "SIGNED_MAGIC": SIGNED_MAGIC,
        "STACK_FIRST": STACK_RANGE.start,
        "STACK_LAST": STACK_RANGE.stop - 1,
        "STATE_INITIALISED": INITIALISED,
        "STATE_READY": READY,
        "FALLBACKS": len(FALLBACK),
        "LASTING": len(_lasting()),
        "MAGICS": len(MAGICS) + len(OTHERS),
        "MAGICS_READ": len(MAGICS),
        "PHASES": len(Phase),
        "MODULES": len(Module),
    }
    return "\n".join(f"#define FWU_{name} {number}u" for name, number in numbers.items())


# --- tables: what Python answers to every input


def _decide_first(steps: Sequence[Step]) -> list[int]:
    """Where neither inactive phase nor module matters: the step."""
    return [
        _first(active, active_renewed, inactive_renewed, steps)
        for active, active_renewed, inactive_renewed in product(Phase, _SWITCHES, _SWITCHES)
    ]


def _first(active: Phase, one: bool, other: bool, steps: Sequence[Step]) -> int:
    told = {decide(Observed(active, phase, one, other, m)) for phase, m in product(Phase, Module)}
    if len(told) > 1:
        return _BY_MODULE
    return steps.index(told.pop())


def _decide_table(steps: Sequence[Step]) -> list[int]:
    """The same whatever the active phase is, where ``_decide_first`` leaves it to the module."""
    actives = [phase for phase in Phase if _first(phase, True, True, steps) == _BY_MODULE]
    table = []
    for inactive, module in product(Phase, Module):
        told = {decide(Observed(active, inactive, True, True, module)) for active in actives}
        if len(told) > 1:
            raise InternalError("what to do depends on the active phase, and the C core does not")
        table.append(steps.index(told.pop()))
    return table


def _trial_table() -> list[int]:
    return [
        _action(_trial(attempts=_ATTEMPTS * spent), looked, power=power)
        for looked, power, spent in product(_LOOKED, _SWITCHES, _SWITCHES)
    ]


def _fallback_table() -> list[int]:
    """The same for every phase in which a bank runs without a trial."""
    rows = {
        tuple(_action(_reading(phase), looked, power=power) for looked in _LOOKED)
        for (phase, _), power in product(FALLBACK, _SWITCHES)
    }
    if len(rows) > 1:
        raise InternalError("how banks are tried depends on more than the C core looks at")
    return list(rows.pop())


def _reading(phase: Phase) -> JournalState:
    return JournalState(0, Snapshot(phase, 1, "", ""), settled=True)


def _trial(attempts: int) -> JournalState:
    return replace(_reading(Phase.VERIFIED), switched=True, attempts=attempts)


def _action(reading: JournalState, looked: bool | None, *, power: bool) -> int:
    """Index in ACTIONS of what is done with a bank of which this is known, beside an empty one."""
    cause = ResetCause.POWER if power else ResetCause.UNKNOWN
    match choose([View(reading, looked), View(JournalState())], cause, _ATTEMPTS):
        case Look():
            return ACTIONS.index("LOOK")
        case Fail():
            return ACTIONS.index("FAIL")
        case Start(None):
            return ACTIONS.index("NEXT")
        case Start(counts=counts):
            return ACTIONS.index("START_COUNTED" if counts else "START")


def _lasting() -> list[int]:
    """Errors of the connection that only another set-up mends."""
    lasting = (key for key in ERRORS if is_lasting(Urc(*key, "")))
    return sorted(kind * 1000 + code - 10_000 for kind, code in lasting)


# --- as C


def _values(name: str, text: str, values: type[Enum]) -> str:
    """An enum whose values are those of Python."""
    return _enum(name, text, [f"{each.name} = {int(each.value)}" for each in values])


def _names(name: str, text: str, names: Iterable[str]) -> str:
    """An enum that counts from 0."""
    return _enum(name, text, names)


def _enum(name: str, text: str, lines: Iterable[str]) -> str:
    members = ",\n".join(f"    FWU_{name.upper()}_{line}" for line in lines)
    return f"/* {text}. */\nenum fwu_{name} {{\n{members}\n}};"


def _array(kind: str, declarator: str, numbers: Sequence[int]) -> str:
    """Flat: C99 fills rows in order, and our own compilers' warnings want braces; so they come."""
    dimensions = [part.rstrip("]") for part in declarator.split("[")[1:]]
    return f"const {kind} {declarator} = {_braced(numbers, len(dimensions), dimensions)};"


def _braced(numbers: Sequence[int], depth: int, dimensions: Sequence[str]) -> str:
    if depth == 1:
        return "{" + ", ".join(map(str, numbers)) + "}"
    rows = int(dimensions[0])
    size = len(numbers) // rows
    inner = (
        _braced(numbers[at : at + size], depth - 1, dimensions[1:])
        for at in range(0, len(numbers), size)
    )
    return "{" + ",\n    ".join(inner) + "}"
