"""By what a search tells flashes apart, and how it makes the ones that it boots.

See ``guarded`` for what it does not tell apart, and how boots are kept from finding that out.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from flash_emulator.device.postponed import Postponed
from flash_emulator.device.sensing import MetastableMode

if TYPE_CHECKING:
    from flash_emulator.device.flash import EmulatedFlash


class Keyed(Postponed):
    """The part of the device that says what it is, in short."""

    @abstractmethod
    def fork(self) -> EmulatedFlash:
        """A twin with the same silicon."""

    def digest(self) -> bytes:
        """32 bytes over all that survives a cut: cells, option bytes, OPSR. Not wear, not time.

        A boot of a search that asks for it looks at the whole array.
        """
        if self._explored:
            self._look_at(0, self.part.size)
        return self.state_digest()

    def state_digest(self) -> bytes:
        """``digest`` for a search, in which what is forgotten differs from all else. No look."""
        self.settle()
        more = repr(self._interrupted) if self._interrupted else ""
        if self._keeps_power:
            more += f"reset, {sorted(self.options.loaded.items())}"
        if self._opsr_forgotten or self.background or self.stuck:
            stuck = sorted(self.stuck.items())
            more += f"{self._opsr_forgotten} {self.background} {stuck}"
        return self.cells.digest().to_bytes(16, "little") + self.options.digest(more)

    def boot_state(self) -> tuple[object, ...]:
        """What decides the rest of this boot, beside what ``state_digest`` has."""
        busy = self._busy_for_us() if any(self._busy_until_us) else ()
        return (*self.settings(), busy, *self._counted(), *self.senses())

    def settings(self) -> tuple[object, ...]:
        """What the chip is set to in this boot: with ``state_digest``, all that decides what an
        operation leaves."""
        loaded = tuple(self.options.loaded.items())
        return self.part.name, self._mapped, self.kept_power, loaded, *self.decayed_key()

    def alone(self) -> EmulatedFlash:
        """A fork that is no part of any boot: what a cut leaves, to be booted or looked into."""
        twin = self.fork()
        twin.leave_search()
        return twin

    def for_boot(self, metastable_mode: MetastableMode, flips: frozenset[int]) -> EmulatedFlash:
        """A twin that a search boots, as if for the first time: before its power-on."""
        twin = self.fork()
        twin.enter_search()
        twin.metastable_mode, twin.flips = metastable_mode, flips
        twin.forget_history()
        return twin
