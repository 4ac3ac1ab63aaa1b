"""Where a flasher's events go: text with bars on stderr, JSON lines, or nowhere."""

from __future__ import annotations

import sys
import time
from typing import Any, Protocol, assert_never

import click

from mcu_updater.cli import answers
from mcu_updater.core.errors import UsageError, address_text
from mcu_updater.stm32.events import (
    Connected,
    FlasherEvent,
    Planned,
    Problem,
    Progress,
    Started,
    StubStarted,
    Verified,
)
from mcu_updater.stm32.plan import EraseKind, FlashPlan

_JSON_EVERY_S = 0.2  # progress; the last of a stage always comes


class FlasherScreen(Protocol):
    def event(self, event: FlasherEvent) -> None: ...

    def note(self, text: str) -> None:
        """Something about the line that only people need to be told."""

    def result(self, fields: dict[str, Any], text: str) -> None:
        """What the command found out or did."""

    def close(self) -> None: ...


def plan_json(plan: FlashPlan, compared_by: str) -> dict[str, Any]:
    return {
        "event": "plan",
        "chip": plan.chip.name,
        "compared_by": compared_by,
        "erase": str(plan.erase.kind),
        "erase_sectors": [sector.number for sector in plan.erase.sectors],
        "write_bytes": plan.write_size,
        "write_blocks": len(plan.writes),
        "kept_bytes": plan.kept_size,
        "kept_sectors": [sector.number for sector in plan.kept],
        "blank_bytes": plan.blank_size,
    }


def plan_text(plan: FlashPlan, compared_by: str) -> str:
    erase = _erase_text(plan)
    return (
        f"plan: {erase}; write {plan.write_size} bytes in {len(plan.writes)} blocks; "
        f"{plan.kept_size} bytes in {len(plan.kept)} sectors are there already "
        f"(by {compared_by}); {plan.blank_size} bytes are blank"
    )


def _erase_text(plan: FlashPlan) -> str:
    sectors = plan.erase.sectors
    match plan.erase.kind:
        case EraseKind.NOTHING:
            return "erase nothing"
        case EraseKind.SECTORS:
            spans = ", ".join(_spans([sector.number for sector in sectors]))
            return f"erase {len(sectors)} sectors ({spans})"
        case EraseKind.BANK:
            rest = ", ".join(_spans([sector.number for sector in plan.erase.rest]))
            more = f", of them one by one {rest}" if rest else ""
            return f"erase bank {plan.erase.bank + 1}, {len(sectors)} sectors{more}"
        case EraseKind.CHIP:
            return f"erase the whole chip, {len(sectors)} sectors"


def _spans(numbers: list[int]) -> list[str]:
    spans: list[list[int]] = []
    for number in numbers:
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return [str(first) if first == last else f"{first} to {last}" for first, last in spans]


def _event_json(event: FlasherEvent) -> dict[str, Any]:
    match event:
        case Connected():
            return {
                "event": "connected",
                "baud": event.baud,
                "rom": event.rom_version,
                "pid": event.pid,
                "chip": event.chip,
                "uid": event.uid,
            }
        case Planned(plan, compared_by):
            return plan_json(plan, compared_by)
        case Progress(stage, done, total):
            return {"event": "progress", "stage": str(stage), "done": done, "total": total}
        case Verified(size, by, trusted):
            return {"event": "verified", "bytes": size, "by": by, "trusted_bytes": trusted}
        case StubStarted(name, baud):
            return {"event": "stub", "name": name, "baud": baud}
        case Started(address):
            return {"event": "started", "address": address}
        case Problem(text):
            return {"event": "problem", "text": text}
        case _:
            assert_never(event)


def _event_text(event: FlasherEvent) -> str | None:
    match event:
        case Connected():
            uid = f", UID {event.uid}" if event.uid else ""
            return (
                f"{event.chip}: PID {event.pid:#05x}, boot ROM {event.rom_version}, "
                f"{event.baud} baud{uid}"
            )
        case Planned(plan, compared_by):
            return plan_text(plan, compared_by)
        case Progress():
            return None
        case Verified(size, by, trusted):
            more = f"; {trusted} more are believed, by cache and samples" if trusted else ""
            return f"verified: {size} bytes by {by}{more}"
        case StubStarted(name, baud):
            return f"the loader stub {name} runs in RAM, at {baud} baud"
        case Started(address):
            return f"started at {address_text(address)}"
        case Problem(text):
            return f"note: {text}"
        case _:
            assert_never(event)


class HumanScreen:
    """Lines on stdout, bars on stderr while that is a terminal."""

    def __init__(self) -> None:
        self._bars = None
        if sys.stderr.isatty():
            from mcu_updater.cli.flasher.stm32_bars import Bars  # rich takes 30 ms: not for scripts

            self._bars = Bars()

    def event(self, event: FlasherEvent) -> None:
        if isinstance(event, Progress):
            if self._bars:
                self._bars.show(event)
            return
        text = _event_text(event)
        if text is not None:
            click.echo(text)

    def note(self, text: str) -> None:
        click.echo(f"note: {text}", err=True)

    def result(self, fields: dict[str, Any], text: str) -> None:
        del fields
        self.close()
        click.echo(text)

    def close(self) -> None:
        if self._bars:
            self._bars.close()


class JsonScreen:
    """One object a line on stdout."""

    def __init__(self) -> None:
        self._shown_s = 0.0

    def event(self, event: FlasherEvent) -> None:
        if isinstance(event, Progress) and event.done < event.total:
            if time.monotonic() - self._shown_s < _JSON_EVERY_S:
                return
            self._shown_s = time.monotonic()
        answers.event(_event_json(event))

    def note(self, text: str) -> None:
        answers.event({"event": "note", "text": text})

    def result(self, fields: dict[str, Any], text: str) -> None:
        del text
        answers.result(fields)

    def close(self) -> None: ...


class QuietScreen:
    """Errors only, and those do not come here."""

    def event(self, event: FlasherEvent) -> None: ...

    def note(self, text: str) -> None: ...

    def result(self, fields: dict[str, Any], text: str) -> None: ...

    def close(self) -> None: ...


def open_flasher_screen(*, as_json: bool, quiet: bool) -> FlasherScreen:
    if as_json and quiet:
        raise UsageError("--json and --quiet are mutually exclusive")
    if as_json:
        return JsonScreen()
    return QuietScreen() if quiet else HumanScreen()
