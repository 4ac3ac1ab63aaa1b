"""Films a board while it runs: what happens in its flash, what it says, where power is cut."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from flash_emulator import EmulatedFlash, PowerLoss
from flash_emulator.array.pages import Slice
from flash_emulator.device.trace import Operation
from flash_emulator.explore.moments import Moments
from flash_emulator.explore.render.moment import moment_texts
from flash_emulator.player import FlashMap, Signs, Step, film_json, sector_signs, span_of
from flash_emulator.player.film import doing_of
from mcu_updater.board import Board
from mcu_updater.board_view.view import explain, mapped_next
from mcu_updater.core.boot import ATTEMPTS
from mcu_updater.core.errors import address_text
from mcu_updater.core.events import Event
from mcu_updater.flash_map.regions import regions
from mcu_updater.report.lines import line_of
from mcu_updater.report.why import Section


def map_of(board: Board) -> FlashMap:
    """Its banks and sectors, with slots and trailers as its strategy lays them out."""
    return FlashMap.of(board.part, regions(board.part, board.strategy))


def sections_json(sections: Iterable[Section]) -> list[dict[str, Any]]:
    """Headings and lines, as the player takes them."""
    return [{"heading": each.heading, "lines": list(each.lines)} for each in sections]


def reasons(board: Board) -> list[Section]:
    """Why it runs what it runs, and how addresses there differ from those of the map."""
    sections = explain(board, ATTEMPTS)
    if not mapped_next(board):
        return sections
    base = address_text(board.part.base)
    text = (
        f"The next start finds flash bank 2 at {base}, and bank 1 behind it: so do the addresses "
        "of banks A and B below. In the map, the steps and the marks no bank is mapped elsewhere."
    )
    return [Section("Addresses", (text,)), *sections]


class Recorder:
    """Watches the flash of *board* from now on. Tell it of power, events and cuts."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._flash: EmulatedFlash = board.device
        self._map = map_of(board)
        self._signs = Signs(self._flash)
        self._moments = Moments()
        self._steps: list[Step] = []
        self._spans: list[tuple[int, int]] = []
        self._boot = self._operation = self._cut = 0
        self._bulk: Operation | None = None  # what the last step tells of
        self._flash.watch = self

    def power_on(self, cut: int) -> None:
        """Power comes, to go in flash operation *cut*; 0: it stays."""
        self._boot, self._operation, self._cut = self._boot + 1, 0, cut
        self._moments.begin(self._board)
        self._note("boot", f"power-on {self._boot}")

    def event(self, event: Event, _time_us: int) -> None:
        """The board says something; what is drawn and not told is left out."""
        line = line_of(event)
        if line is not None:
            self._note("word", f"{line.kind:<7} {line.text}")

    def lost(self, loss: PowerLoss) -> None:
        """Power has gone: in the middle of what the last step tells of."""
        self._operation = loss.operation
        moment = self._moments.of_cut(self._flash, None)
        texts = moment_texts(moment, is_end=False)
        address = None if loss.kind == "options" else loss.address
        self._note("cut", f"CUT: {loss}", address, moment=texts)

    def end(self, text: str, *, is_wrong: bool = False) -> None:
        """The board rests, or what it did *is_wrong*."""
        texts = moment_texts(self._moments.of_end(self._flash, None), is_end=True)
        moment = texts if texts["flash"] else None
        self._note("violation" if is_wrong else "end", text, moment=moment)
        self._flash.watch = None

    def film(self, **more: Any) -> dict[str, Any]:
        """As the player takes it."""
        return film_json(self._map, self._steps, wordsTitle="What the board says", **more)

    @property
    def is_true(self) -> bool:
        """Whether the last step is what the cells hold; another look, which takes its time."""
        return bool(self._steps) and self._steps[-1].signs == sector_signs(self._flash)

    # --- Watch

    def operation(self, operation: Operation) -> None:
        """*operation* begins. What goes on where the last one ended, in its sector, is its step."""
        first, last = self._operation + 1, self._operation + operation.done
        self._operation = min(last, self._cut or last)  # none comes behind the one that is cut
        self._moments.operation(self._flash, operation, first, self._cut)
        whole = self._joined(operation)
        if whole is None:
            self._begin(first, operation)
        else:
            self._go_on(first - whole.done + operation.done, whole)

    def _begin(self, first: int, operation: Operation) -> None:
        span, doing = span_of(self._flash, operation), doing_of(operation.kind)
        address = None if span is None else operation.address
        self._note("operation", self._told(first, operation), address, doing, span)
        self._spans = [span] if span is not None else []
        self._bulk = operation

    def _go_on(self, first: int, whole: Operation) -> None:
        """The last step tells of all of it, as the flash was before it."""
        span, text = span_of(self._flash, whole), self._told(first, whole)
        self._steps[-1] = replace(self._steps[-1], operation=self._operation, text=text, span=span)
        self._spans = [span] if span is not None else []
        self._bulk = whole

    def _told(self, first: int, operation: Operation) -> str:
        last = self._operation
        return f"{first}{f' to {last}' if last > first else ''}: {operation}"

    def _joined(self, operation: Operation) -> Operation | None:
        bulk = self._bulk
        if bulk is None or (bulk.kind, operation.kind) != ("program", "program"):
            return None
        if bulk.address + len(bulk.data) != operation.address or bulk.fast != operation.fast:
            return None
        if self._map.index_of(bulk.address) != self._map.index_of(operation.address):
            return None
        data, done = bulk.data + operation.data, bulk.done + operation.done
        return replace(bulk, data=data, done=done)

    def read(self, offset: int, size: int) -> None:
        """Reads are not filmed."""

    def compared(self, unit: int, wanted: Slice, *, never: bool) -> None:
        """Nor are these."""

    def moment(self) -> None:
        """Power may go between two operations; here it does not."""

    def _note(
        self,
        kind: str,
        text: str,
        address: int | None = None,
        doing: str = "",
        span: tuple[int, int] | None = None,
        moment: Mapping[str, Any] | None = None,
    ) -> None:
        signs = self._signs.look(self._flash, self._spans)
        time_us = self._board.clock.now_us
        number = (self._boot, self._operation, kind, text, signs)
        is_mapped = bool(self._flash.mapped_bank)
        self._steps.append(Step(*number, address, doing, span, time_us, moment, is_mapped))
        self._spans, self._bulk = [], None
