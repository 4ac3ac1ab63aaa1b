"""The MCU from reset to reset: bootloader, application, and again, until nothing asks for a reset.

``Mcu.session`` is what happens between a reset from outside and the moment at which the application
has nothing more to do. ``until_rest`` runs sessions until the device is at rest. Both are used
wherever an MCU is: on the emulated board, on a chip behind its boot ROM, in fleets and in searches
for fatal power cuts.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Protocol

from mcu_updater.core.admission import ADMIT_ALL, Admission
from mcu_updater.core.bank import NAMES, open_banks
from mcu_updater.core.boot import ATTEMPTS, MOST_SWAPS, Decision, ResetCause, boot
from mcu_updater.core.errors import (
    LinkError,
    ModuleRefused,
    PortError,
    UpdaterError,
    VerificationFailed,
)
from mcu_updater.core.events import Booted, Event, Problem
from mcu_updater.core.flash import BankSwitch, FlashDevice
from mcu_updater.core.install import Installer
from mcu_updater.core.ota import OtaModule
from mcu_updater.core.session import Policy, Result, SessionOutcome
from mcu_updater.core.slot import AnyLayout
from mcu_updater.core.trust import Trust
from mcu_updater.core.updater import Updater

MOST_STARTS = 32
"""Starts of the MCU in one session: two are usual, and a device that never rests has a fault."""


class Chip(Protocol):
    """The silicon, as bootloader and application need it."""

    @property
    def name(self) -> str:
        """Of the part, for messages."""

    @property
    def flash(self) -> FlashDevice: ...

    @property
    def layout(self) -> AnyLayout: ...

    def switch(self) -> BankSwitch:
        """What brings a bank to the CPU, made anew for each start: it may count what it does."""

    def reset(self) -> None:
        """Reset the MCU. A run-time alias is gone afterwards."""

    def load_options(self) -> None:
        """The reset after which a changed mapping option counts."""


class ApplicationStopped(Exception):
    """Raised in a self-test: the application does not go on, and the MCU is reset by *cause*."""

    def __init__(self, text: str, cause: ResetCause) -> None:
        super().__init__(text)
        self.text, self.cause = text, cause


class NothingBoots(VerificationFailed):
    """No bank holds an image that may run: the bootloader stays where it is."""


class NotAtRest(VerificationFailed):
    """The MCU asks for one reset after another, or the device for one session after another."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an application finds around the MCU when it starts. *flash*: as it gets there, where
    that is another way than the bootloader's."""

    module: OtaModule
    admission: Admission = ADMIT_ALL
    flash: FlashDevice | None = None


@dataclass(frozen=True, slots=True)
class Firmware:
    """How bootloader and application are built.

    *trust* is the application's, *boot_trust* the bootloader's own: whose images are taken, and
    run. *knows_cause*: whether the bootloader can read the reset flags.
    """

    policy: Policy = field(default_factory=Policy)
    self_test: Callable[[], bool] = lambda: True
    attempts: int = ATTEMPTS
    trust: Trust | None = None
    boot_trust: Trust | None = None
    knows_cause: bool = True


Session = Generator[Event, None, Result | None]
"""Yields what happens; returns how it ended, or None where power or link were lost on the way."""


class Processor(Protocol):
    """What runs the firmware: ``Mcu``, or the core in C."""

    def session(self, cause: ResetCause) -> Generator[Event, None, Result]:
        """See ``Mcu.session``."""

    def memory(self) -> Hashable:
        """See ``Updater.memory``."""


class Mcu:
    """*chip* with *firmware*; *connect* is called by each start of the application."""

    def __init__(self, chip: Chip, firmware: Firmware, connect: Callable[[], Surroundings]) -> None:
        self._chip = chip
        self._firmware = firmware
        self._connect = connect
        self._updater: Updater | None = None  # of the start at hand
        self.decision: Decision | None = None  # of the last start

    def session(self, cause: ResetCause) -> Generator[Event, None, Result]:
        """Boot because of *cause*, run the application, and again after every reset it asks for.

        Raises what ``Updater.run`` raises; NotAtRest after MOST_STARTS starts; NothingBoots.
        """
        return (yield from until_no_reset(self._chip, self._start, cause))

    def _start(self, cause: ResetCause) -> Generator[Event, None, Result | ResetCause]:
        """One start. Returns how the session ended, or the cause of the next start."""
        known = cause if self._firmware.knows_cause else ResetCause.UNKNOWN
        self.decision = decision = start(
            self._chip, known, self._firmware.attempts, self._firmware.boot_trust
        )
        if decision.bank is None:
            raise NothingBoots(
                "nothing can be booted",
                where=self._chip.name,
                found="; ".join(decision.reasons),
            )
        name = NAMES[decision.bank]
        yield Booted(name, decision.version, decision.mode, known, decision.reasons)
        self._updater = updater = self._application(decision.bank)
        try:
            yield from updater.run()
        except ApplicationStopped as stopped:
            yield Problem(stopped.text)
            return stopped.cause
        is_reset = updater.result.outcome is SessionOutcome.RESET
        return ResetCause.SOFTWARE if is_reset else updater.result

    def _application(self, bank: int) -> Updater:
        chip, firmware, around = self._chip, self._firmware, self._connect()
        banks = open_banks(around.flash or chip.flash, chip.switch(), chip.layout)
        active, inactive = banks[bank], banks[1 - bank]
        return Updater(
            active,
            inactive,
            around.module,
            firmware.policy,
            firmware.self_test,
            around.admission,
            firmware.trust,
        )

    def memory(self) -> Hashable:
        """See ``Updater.memory``; of the application that runs."""
        return None if self._updater is None else self._updater.memory()


def until_no_reset(
    chip: Chip,
    start: Callable[[ResetCause], Generator[Event, None, Result | ResetCause]],
    cause: ResetCause,
) -> Generator[Event, None, Result]:
    """One *start* after another, until one is the last: it returns how the session ended, and not
    the cause of a reset. Raises NotAtRest after MOST_STARTS starts."""
    for _ in range(MOST_STARTS):
        ended = yield from start(cause)
        if isinstance(ended, Result):
            return ended
        cause = ended
        chip.reset()
    raise NotAtRest("the MCU does not come to rest", found=f"{MOST_STARTS} starts")


def start(
    chip: Chip, cause: ResetCause, attempts: int = ATTEMPTS, trust: Trust | None = None
) -> Decision:
    """The bootloader, from a reset to the bank that runs, through the resets that it needs itself.

    *trust*: its own keys, if it has any. A cut leaves what ``boot`` says, and the next start
    decides anew.
    """
    reasons: tuple[str, ...] = ()
    for swaps in range(MOST_SWAPS + 1):
        switch = chip.switch()
        decision = boot(chip.flash, switch, chip.layout, cause, attempts, swaps=swaps, trust=trust)
        reasons += decision.reasons
        if not decision.needs_reset:
            break
        reasons += ("the option that maps it was programmed, and the MCU reset",)
        chip.load_options()
    assert not decision.needs_reset, "the bootloader swaps for ever"
    if isinstance(switch, Installer) and switch.sectors_written:
        reasons += (f"its image was installed: sectors written: {switch.sectors_written}",)
    return replace(decision, reasons=reasons)


def until_rest(
    session: Callable[[], Session],
    is_rest: Callable[[Result], bool],
    *,
    most: int | None = None,
    unreachable: Callable[[UpdaterError], None] | None = None,
) -> Generator[Event, None, Result]:
    """Run one *session* after another, until the result of one *is_rest*. Returns that.

    A session that returns None is followed by the next one; so is one whose module cannot be
    reached, after *unreachable* has heard of it (None: that error is raised). Raises NotAtRest
    after *most* sessions, and what a session raises.
    """
    for _ in count() if most is None else range(most):
        try:
            result = yield from session()
        except (LinkError, ModuleRefused, PortError) as error:
            if unreachable is None:
                raise
            unreachable(error)
            continue
        if result is not None and is_rest(result):
            return result
    raise NotAtRest("the device does not come to rest", found=f"{most} sessions")
