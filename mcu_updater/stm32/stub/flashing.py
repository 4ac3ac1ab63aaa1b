"""``flash`` by a stub in RAM, with the boot ROM before, behind and beside it.

The ROM says what the chip is and takes the stub. On its first use on a chip all that the stub wrote
is read back through the ROM; what is remembered by UID is that this was right, or was not. Where
the stub says nothing, or no, the ROM writes the image as it does without a stub: what the stub had
begun is doubtful by then, and erased again.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace

from mcu_updater.core.errors import UpdaterError, VerificationFailed, address_text
from mcu_updater.stm32.compare import Comparer, DiffMethod
from mcu_updater.stm32.estimate import LineSpeed
from mcu_updater.stm32.events import (
    FlasherEvent,
    Problem,
    Stage,
    Started,
    StubStarted,
    Verified,
)
from mcu_updater.stm32.firmware import Firmware
from mcu_updater.stm32.flasher import Flasher, FlashOptions, identifies
from mcu_updater.stm32.guard import Guard
from mcu_updater.stm32.plan import FlashPlan, covered_sectors
from mcu_updater.stm32.stub import frames
from mcu_updater.stm32.stub.estimate import StubEstimate, estimate_by_stub
from mcu_updater.stm32.stub.images import stub_for
from mcu_updater.stm32.stub.link import StubLink
from mcu_updater.stm32.stub.records import NoRecords, StubRecords, StubState
from mcu_updater.stm32.stub.session import Batch, StubTrouble, Work
from mcu_updater.stm32.stub.writing import BY_STUB, Given, Order, flash


class Untrue(StubTrouble):
    """The stub said that flash holds the image, and the boot ROM reads something else."""


@dataclass(frozen=True, slots=True)
class StubOptions:
    """*read_back*: through the ROM, also where the stub has worked before."""

    read_back: bool = False


class StubFlasher:
    """Beside ``Flasher``, which it falls back on. Raises ChipRefused where there is no stub."""

    def __init__(
        self, flasher: Flasher, records: StubRecords, options: StubOptions | None = None
    ) -> None:
        self.image = stub_for(flasher.chip)
        self._flasher, self._connection = flasher, flasher.connection
        self._is_known = identifies(self._connection.uid)
        self._records: StubRecords = records if self._is_known else NoRecords()
        self._options = options or StubOptions()
        self._link = StubLink(self._connection)
        self.baud = self._link.rom_baud
        """At which the image went over the line."""

    def flash(self, firmware: Firmware, options: FlashOptions) -> Iterator[FlasherEvent]:
        """The whole of it. Raises VerificationFailed, too, where the stub said what was not so and
        the boot ROM has then written the image."""
        self._flasher.check(firmware, options)
        state = self._state()
        if state is StubState.FAILED:
            yield Problem("the stub has failed on this chip before: the boot ROM writes")
            yield from self._flasher.flash(firmware, options)
            return
        is_proven = state is StubState.PROVEN and not self._options.read_back
        untrue: Untrue | None = None
        try:
            for event in self._by_stub(firmware, options, is_proven=is_proven):
                if isinstance(event, StubStarted):
                    self.baud = event.baud
                yield event
            return
        except StubTrouble as trouble:
            self.baud = self._link.rom_baud
            yield Problem(f"{trouble}: the boot ROM writes the image")
            untrue = trouble if isinstance(trouble, Untrue) else None
        yield from self._flasher.flash(firmware, options)
        if untrue is not None:
            raise self._not_trusted(untrue)

    def estimate(self, plan: FlashPlan, rom: LineSpeed) -> tuple[StubEstimate, LineSpeed]:
        """Of *plan*, at the speed that port and stub are expected to agree upon."""
        bauds = (baud for baud in self._link.bauds() if baud <= self.image.expected_baud)
        speed = replace(rom, baud=next(bauds, rom.baud))
        return estimate_by_stub(plan, self.image, rom, speed), speed

    def _state(self) -> StubState:
        return self._records.load(
            self._connection.info.pid, self._connection.uid, self.image.digest
        )

    def _note(self, state: StubState) -> None:
        self._records.store(
            self._connection.info.pid, self._connection.uid, self.image.digest, state
        )

    def _not_trusted(self, untrue: Untrue) -> VerificationFailed:
        again = (
            "the stub is not used on this chip again"
            if self._is_known
            else "without a UID nothing of it is remembered: do not use the stub on this chip again"
        )
        return VerificationFailed(
            "the loader stub said that flash holds the image, and it did not",
            where=self._flasher.chip.name,
            found=str(untrue),
            then="The boot ROM has written the image then, and verified it; " + again,
        )

    # --- by the stub

    def _by_stub(
        self, firmware: Firmware, options: FlashOptions, *, is_proven: bool
    ) -> Iterator[FlasherEvent]:
        """Raises StubTrouble with the chip in its ROM."""
        link = self._link
        padded = firmware.padded(self._flasher.chip.alignment)
        guard = None
        if not is_proven:
            self._flasher.expect(reads=firmware.size)
            yield from self._rehearsed()
            guard = self._guard(padded, options)
        link.start(self.image)
        try:
            plan = yield from link.run(self._work(padded, options))
            if guard is None:
                self._flasher.finish(plan)
                yield Verified(plan.firmware.size, BY_STUB)
                yield from self._ended(options)
        except StubTrouble:
            link.leave()
            raise
        except BaseException:  # an interrupt, a port that is gone: nobody waits for an answer
            link.hush()
            raise
        if guard is not None:
            link.leave()
            yield from self._read_back(plan, guard)
            self._flasher.finish(plan)
            yield Verified(plan.firmware.size, "read-back")
            if options.go is not None:
                yield from self._flasher.start(options.go)

    def _guard(self, padded: Firmware, options: FlashOptions) -> Guard:
        """Samples of what the stub is to leave alone."""
        chip = self._flasher.chip
        return self._flasher.guard(
            chip.sectors if options.erase_chip else covered_sectors(chip, padded)
        )

    def _ended(self, options: FlashOptions) -> Iterator[FlasherEvent]:
        """The program runs, or the chip was reset: into its ROM where BOOT0 is high."""
        if options.go is None:
            self._link.reset()
        else:
            yield from self._link.run(_go(options.go))

    def _rehearsed(self) -> Iterator[FlasherEvent]:
        """Where no line resets the chip: whether the stub's own reset leads back into the ROM, so
        that all can be read back. Nothing of flash is changed by then."""
        if self._link.can_reset:
            return
        self._link.start(self.image)
        self._link.leave()
        yield Problem("first use of the stub on this chip: its way back into the boot ROM works")

    def _work(self, padded: Firmware, options: FlashOptions) -> Work[FlashPlan]:
        link = self._link
        given = Given(
            self.image, self._flasher.chip, self._connection.uid, link.rom_baud, link.bauds()
        )
        order = Order(
            padded,
            self._flasher.doubtful,
            diff=options.diff is not DiffMethod.OFF,
            erase_chip=options.erase_chip,
        )
        return flash(order, given, self._flasher.begin)

    # --- read back

    def _read_back(self, plan: FlashPlan, guard: Guard) -> Generator[FlasherEvent, None, None]:
        """All of the image through the ROM; samples of what was to be left alone. Raises Untrue."""
        comparer = Comparer(self._connection.rom, plan.firmware)
        covered = covered_sectors(plan.chip, plan.firmware)
        differing = yield from comparer.differing(covered, Stage.VERIFY)
        try:
            guard.compare()
        except UpdaterError:
            self._note(StubState.FAILED)
            raise
        if differing:
            self._note(StubState.FAILED)
            self._flasher.begin(covered)
            first = min(difference.address for difference in differing.values())
            raise Untrue(
                f"the stub said that flash holds the image, and {len(differing)} sectors hold "
                f"something else, the first at {address_text(first)}"
            )
        self._note(StubState.PROVEN)


def _go(address: int) -> Work[None]:
    yield Batch((frames.sync(),))
    try:
        yield Batch((frames.go(address),), tries=1)
    except StubTrouble:
        yield Problem(f"nobody confirmed the start at {address_text(address)}")
    else:
        yield Started(address)
