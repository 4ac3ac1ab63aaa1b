"""A boot is followed to its very end; all that cuts leave on the way must be listed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import blake2b
from itertools import combinations
from typing import TYPE_CHECKING, Any

from flash_emulator import (
    CutAt,
    EmulatedFlash,
    MetastableMode,
    Operation,
    Outcome,
    PowerLoss,
    UnknownContent,
)
from flash_emulator.array.torn import reads_as, torn_word
from flash_emulator.certificate_check.boots import ReadChoice, ended, powered, state_key
from flash_emulator.certificate_check.container import NotConfirmed
from flash_emulator.certificate_check.file import Listed
from flash_emulator.certificate_check.schema import words_of
from flash_emulator.certificate_check.unseen import Slice

if TYPE_CHECKING:
    from flash_emulator.certificate_check.checker import Checker

Left = tuple[EmulatedFlash, Any]  # what a cut leaves: the flash, and all else that survives


class _Endless(BaseException):
    """The boot does more operations than it may."""


class _Loop(BaseException):
    """The boot has come back to a point."""


class Walk:
    """One boot to its very end, beside the segments that the certificate has for it.

    A boot in another way of reading is listed from where the first unit is looked at that reads
    otherwise. Up to there it is what it is in a way with fewer units flipped, and stands there.
    """

    def __init__(self, checker: Checker, path: str, state: Left, read_choice: ReadChoice) -> None:
        self._path, self._read_choice = path, read_choice
        try:
            self.flash = powered(state[0], read_choice)
        except UnknownContent as unknown:
            raise self._not(f"a power-on that looks at nothing unknown; {unknown}") from unknown
        self._boot = checker.subject.boot(self.flash, state[1])
        self._checker = checker
        self._visited: set[str] = set()
        self._left: int = checker.certificate.header["operations"]
        self._done = self._moments = 0
        key = bytes.fromhex(state_key(*state))
        self._enter(lambda like: blake2b(key + str(like).encode(), digest_size=17).hexdigest())

    def follow(self) -> tuple[str, list[str] | None] | None:
        """How it ends; None where it comes back to where it was. Raises NotConfirmed."""
        self.flash.watch = self
        try:
            end, violation = ended(self.flash, self._boot.run(), self._point)
            if violation is None:
                self._closed(self.flash.alone(), "at rest", "z")
        except _Loop:
            if self._checker.certificate.header["merge"]:
                return None
            text = "the run comes back to a state where it was before: it never comes to rest"
            end, violation = "", ["live", text]
        except _Endless:
            most = self._checker.certificate.header["operations"]
            end, violation = "", ["live", f"no rest after {most} operations of one boot"]
        except UnknownContent as unknown:
            raise self._not(f"a boot that never looks at unknown content; {unknown}") from unknown
        finally:
            self.flash.watch = None
        self._leave(None, end, violation)
        return end, violation

    def _enter(self, name: Callable[[ReadChoice], str]) -> None:
        """Begin the segment of a node, called *name* of how units are read."""
        segments = self._checker.certificate.segments
        self._listed: list[tuple[ReadChoice, Listed]] = []
        for like in self._alike():
            if (node := name(like)) in segments:
                self._listed.append((like, segments[node]))
                if like == self._read_choice:
                    break
        self._node = name(self._read_choice)
        if not self._listed:
            raise self._not(f"node {self._node} to be listed")
        unseen = self._checker.certificate.unseen
        self._edges = {key: None for _, segment in self._listed for key in segment.edges}
        self._named = self._cuts_named()
        self._classes = list({unseen[key]: None for key in self._edges if unseen[key].spans})
        self._operations, self._signature = 0, blake2b(digest_size=16)

    def _cuts_named(self) -> dict[str, str]:
        """States by the cuts that come to them, where it is this boot that they are listed for."""
        state = self._checker.certificate.paths[self._path]
        for read_choice, listed in self._listed:
            if read_choice == self._read_choice and (listed.state, listed.read_choice) == (
                state,
                read_choice,
            ):
                cuts = ((key, cut) for key, text in listed.edges.items() for cut in text.split(" "))
                return {cut.removeprefix("*"): key for key, cut in cuts}
        return {}

    def _alike(self) -> Iterator[ReadChoice]:
        """Ways of reading in which this boot would have been the same so far; its own first."""
        yield self._read_choice
        if self._read_choice.metastable_mode is not MetastableMode.STABLE:
            if not self.flash.flickers:
                yield ReadChoice()
            return
        free = sorted(self._read_choice.flips - self._looked())
        for count in range(1, len(free) + 1):
            for units in combinations(free, count):
                yield ReadChoice(flips=self._read_choice.flips.difference(units))

    def _looked(self) -> set[int]:
        return {flicker.unit for flicker in self.flash.flickered}

    def _point(self, memory: object) -> None:
        before = self.flash.state_digest() + self._boot.volatile()

        def name(like: ReadChoice) -> str:
            twin = self.flash if like == self._read_choice else self.flash.fork()
            twin.metastable_mode, twin.flips = like.metastable_mode, like.flips
            text = repr((memory, *twin.boot_state())).encode()
            return blake2b(before + text, digest_size=17).hexdigest()

        if not self._checker.certificate.header["merge"]:  # a brute search has one segment a boot
            self._visit(name(self._read_choice))
            return
        self._leave(name, "", None)
        self._enter(name)
        self._visit(self._node)

    def _visit(self, node: str) -> None:
        if node in self._visited:
            raise _Loop
        self._visited.add(node)

    def _leave(
        self, name: Callable[[ReadChoice], str] | None, end: str, violation: list[str] | None
    ) -> None:
        """End the segment; *name* is that of the node where the next one begins."""
        alike = list(self._alike())
        if self._named:
            raise self._not(f"a cut {min(self._named)}, as it is listed")
        like, segment = next((each for each in self._listed if each[0] in alike), (None, None))
        if like is None or segment is None:
            raise self._not("a boot of its own in this way of reading, found none listed")
        following = name(like) if name is not None else None
        found = {
            "operations": self._operations,
            "signature": self._signature.hexdigest(),
            "next": following,
            "end": end,
            "violation": violation,
        }
        for fact, value in found.items():
            if value != getattr(segment, fact):
                raise self._not(f"{fact} {getattr(segment, fact)!r}, found {value!r}")

    def _not(self, expected: str) -> NotConfirmed:
        how = str(self._read_choice).removeprefix("!") or "as they last were"
        return NotConfirmed(f"after {self._path}, bits read {how}: expected {expected}")

    # --- Watch

    def operation(self, operation: Operation) -> None:
        self._left -= operation.done
        if self._left < 0:
            raise _Endless
        head = f"{operation.kind} {operation.address:x} {len(operation.data)} "
        self._signature.update(head.encode() + operation.data)
        self._operations += operation.done
        twin, size = self.flash.alone(), self.flash.part.program_unit
        for at in range(operation.done):
            piece = operation
            if operation.kind == "program":
                data = operation.data[at * size : (at + 1) * size]
                address = operation.address + at * size
                piece = replace(operation, address=address, data=data, done=1)
            self._done += 1
            for outcome, code in self._checker.outcomes.items():
                self._try_all(twin, piece, outcome, f"{self._done}{code}")
            if operation.done > 1:
                twin.repeat(piece)

    def moment(self) -> None:
        self._moments += 1
        self._closed(self.flash.alone(), "at a moment", f"@{self._moments}")

    def read(self, offset: int, size: int) -> None:
        """Who looks at what is unknown is told so by the device."""

    def compared(self, unit: int, wanted: Slice, *, never: bool) -> None:
        """What a boot asks of a unit must be listed, so that all cuts are asked; but for units that
        the last cut has torn."""
        del never
        low, high = self._checker.torn.get(self._path, (0, 0))
        is_listed = wanted in self._checker.compared.get(unit, ())
        if not is_listed and not low <= unit < high:
            what = f"{wanted[1].hex()} at byte {wanted[0]} of unit {unit:x}"
            raise self._not(f"all that boots compare with to be listed; {what} is not")

    def _try_all(
        self, flash: EmulatedFlash, operation: Operation, outcome: Outcome, cut: str
    ) -> None:
        """Every draw; every content that is listed beside them; and every value compared with."""
        left_to_chance = outcome not in (Outcome.BEFORE, Outcome.AFTER)
        for draw in range(self._checker.draws if left_to_chance else 1):
            name = f"{cut}{draw or ''}"
            self._try(flash, operation, CutAt(1, outcome, draw=draw), name)
            given = self._words_named(f"{name}=")
            for text in given:
                words = words_of(text)
                supply = CutAt(1, outcome, draw=draw, words=words)
                self._try(flash, operation, supply, f"{name}={text}")
            if outcome is Outcome.TORN:
                self._try_values(flash, operation, draw)

    def _words_named(self, begin: str) -> list[str]:
        found = {
            re.split("[~!]", cut.removeprefix(begin), maxsplit=1)[0]
            for cut in self._named
            if cut.startswith(begin)
        }
        return sorted(found)

    def _try_values(
        self,
        flash: EmulatedFlash,
        operation: Operation,
        draw: int,
    ) -> None:
        """What boots compare these units with, and the operation may leave, must be left."""
        if operation.kind != "program" and not (
            operation.kind == "erase" and self._checker.certificate.header["erased_values"]
        ):
            return
        cells, size = flash.cells, flash.part.program_unit
        first = flash.array_offset(operation.address) // size
        count = 1 if operation.kind == "program" else flash.part.sector_starts[first * size] // size
        units = self._checker.compared.keys() & set(range(first, first + count))
        units = {unit for unit in units if not cells.is_unknown(unit)}
        if not units:
            return
        drawn = _cut(flash, operation, CutAt(1, Outcome.TORN, draw=draw)).cells
        for unit in units:
            old, new = cells.word(unit), _new_word(flash, operation)
            moving = (old & ~new) if operation.kind == "program" else (new & ~old)
            for wanted in self._checker.compared[unit]:
                if any(reads_as(cells.code, word, wanted) for word in self._words_of(unit)):
                    continue
                word = torn_word(cells.code, drawn.word(unit), moving, [wanted])
                if word is None or (operation.kind == "program" and word in (old & new, old)):
                    continue
                supply = CutAt(1, Outcome.TORN, draw=draw, words={unit: word})
                self._try(flash, operation, supply, "")

    def _words_of(self, unit: int) -> set[int]:
        """Contents of the unit that this stretch of the boot is listed with."""
        found = (
            words_of(text)
            for _, segment in self._listed
            for cuts in segment.edges.values()
            for text in _WORDS.findall(cuts)
        )
        return {words[unit] for words in found if unit in words}

    def _try(self, flash: EmulatedFlash, operation: Operation, supply: CutAt, cut: str) -> None:
        try:
            twin = _cut(flash, operation, supply)
        except ValueError as error:
            raise self._not(f"a cut {cut} that can be; {error}") from error
        self._closed(twin, f"{operation}, {supply.outcome}{_given(supply)}", cut)

    def _closed(self, flash: EmulatedFlash, what: str, cut: str) -> None:
        """What a *cut* left must be listed; where this cut is named, for the state named so."""
        left = self._checker.left(flash)
        for way, external in self._boot.surviving():
            flash = self._checker.subject.returned(left, external)
            self._checker.cuts += 1
            name = f"{cut}~{way}{self._read_choice}" if way else f"{cut}{self._read_choice}"
            key = self._named.pop(name, None)
            if key is not None:
                self._is_as_named(flash, external, key, name)
            elif not self._is_listed(flash, external):
                found = state_key(flash, external)
                raise self._not(f"what a cut leaves to be listed ({what}, way {way!r}): {found}")

    def _is_as_named(self, flash: EmulatedFlash, external: Any, key: str, name: str) -> None:
        unseen = self._checker.certificate.unseen[key]
        twin = unseen.forgotten(flash)
        if twin is None or state_key(twin, external) != key:
            found = state_key(flash, external)
            raise self._not(f"cut {name} to leave {key}, as it is listed, found {found}")

    def _is_listed(self, flash: EmulatedFlash, external: Any) -> bool:
        """As it is, or when that is forgotten which one of the listed states leaves unknown."""
        for index, unseen in enumerate(self._classes):
            twin = unseen.forgotten(flash)
            if twin is not None and state_key(twin, external) in self._edges:
                self._classes.insert(0, self._classes.pop(index))  # most likely the next one, too
                return True
        return state_key(flash, external) in self._edges


_WORDS = re.compile(r"=([0-9a-f+-]+)")


def _cut(flash: EmulatedFlash, operation: Operation, supply: CutAt) -> EmulatedFlash:
    """What is left of *operation*. Raises ValueError where it cannot leave what *supply* says."""
    twin = flash.alone()
    twin.supply = supply
    try:
        twin.repeat(operation)
    except PowerLoss:
        return twin
    raise ValueError(f"power is not lost in {operation}")


def _new_word(flash: EmulatedFlash, operation: Operation) -> int:
    """The cells of a unit that is programmed whole; all ones of an erase."""
    code = flash.cells.code
    if operation.kind != "program":
        return (1 << flash.cells.word_bits) - 1
    data = int.from_bytes(operation.data, "little")
    return code.encode(data) if code else data


def _given(supply: CutAt) -> str:
    words = ", ".join(f"unit {unit:x} left as {word:x}" for unit, word in supply.words.items())
    return f", {words}" if words else ""
