"""Flash an image: compare, plan, erase, write, verify, and do over what did not hold.

Everything that can be known is checked before the first erase. "Done" is said of bytes that were
seen after all writing: by the chip's CRC or by reading them back. The one exception has to be asked
for, ``DiffMethod.CACHE``, and ``Verified.trusted_size`` says how much of it there was.

There is no resume: an interrupted run leaves sectors that differ, and the next one finds them. What
it could not find by looking (a sector whose erase was cut may read blank) the cache of the chip
knows.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass

from flash_emulator.an3155 import Command
from mcu_updater.core.errors import (
    ChipRefused,
    ImageRejected,
    LinkError,
    Remedy,
    UsageError,
    VerificationFailed,
    address_text,
)
from mcu_updater.core.image import check_vector_table
from mcu_updater.stm32.bulk_erase import BulkErase
from mcu_updater.stm32.chip import ERASED_TO_ZERO, Chip, Sector
from mcu_updater.stm32.compare import (
    Comparer,
    Comparing,
    Difference,
    DiffMethod,
    without,
)
from mcu_updater.stm32.connection import Connection, checksum_works
from mcu_updater.stm32.erasing import Eraser
from mcu_updater.stm32.events import (
    FlasherEvent,
    Planned,
    Problem,
    Progress,
    Stage,
    Started,
    Verified,
)
from mcu_updater.stm32.firmware import Firmware, Segment, blank_firmware, check_fits
from mcu_updater.stm32.guard import Guard
from mcu_updater.stm32.merging import Merging
from mcu_updater.stm32.plan import (
    FlashPlan,
    covered_sectors,
    make_plan,
)
from mcu_updater.stm32.retry import PartialWrite
from mcu_updater.stm32.sector_cache import CacheStore, NoCache, SectorCache

_ROUNDS = 3  # the first, and two more for what did not hold
_STRAY_BYTES = 16


Finding = Generator[FlasherEvent, None, dict[int, str]]
"""Yields events; returns the sectors that do not hold the image, by number, with what they hold."""


@dataclass(frozen=True, slots=True)
class FlashOptions:
    diff: DiffMethod = DiffMethod.AUTO
    verify: bool = True
    erase_chip: bool = False
    go: int | None = None


def identifies(uid: bytes) -> bool:
    """Whether *uid* tells one chip from another: not unread, and not blank, as in some clones."""
    return bool(uid) and set(uid) not in ({0x00}, {0xFF})


class Flasher:
    """One chip behind *connection*. Methods yield events; they raise UpdaterError.

    *merging*: whether commands may go out in one write; None: never.
    """

    def __init__(
        self,
        connection: Connection,
        chip: Chip,
        cache_store: CacheStore | None = None,
        merging: Merging | None = None,
    ) -> None:
        self.connection, self.chip = connection, chip
        self._rom = connection.rom
        is_known = cache_store is not None and identifies(connection.uid)
        self._cache_store: CacheStore = cache_store if cache_store and is_known else NoCache()
        self._cache: SectorCache = self._cache_store.load(connection.info.pid, connection.uid).of(
            chip
        )
        guards = not isinstance(self._cache_store, NoCache)
        self._merging = merging or Merging(self._rom, chip, wanted=False)
        self._eraser = Eraser(connection, chip, self._cache, self._remember, guards=guards)
        self._has_checksum: bool | None = None

    @property
    def has_checksum(self) -> bool:
        """Whether the ROM has a CRC that speaks our dialect; tried once."""
        if self._has_checksum is None:
            self._has_checksum = checksum_works(self._rom, self.connection.info, self.chip.base)
        return self._has_checksum

    # --- flash

    def plan(self, firmware: Firmware, options: FlashOptions) -> Iterator[FlasherEvent]:
        """Check everything, compare, and yield Planned. The chip is not changed."""
        self.check(firmware, options)
        padded = firmware.padded(self.chip.alignment)
        method = self._method(options)
        self.expect(reads=firmware.size if method is DiffMethod.READ else 0)
        comparer = Comparer(self._rom, padded)
        covered = covered_sectors(self.chip, padded)
        doubtful = {s.number for s in covered} & self._cache.doubtful
        same = yield from self._same(comparer, method, without(covered, doubtful))
        if doubtful:
            yield Problem(
                f"{len(doubtful)} sectors were left half done by an earlier run: they are erased"
            )
        blank = frozenset() if options.erase_chip else self._blank_beside(without(covered, same))
        yield Planned(
            make_plan(self.chip, firmware, same, erase_chip=options.erase_chip, blank=blank),
            str(method),
        )

    def flash(self, firmware: Firmware, options: FlashOptions) -> Iterator[FlasherEvent]:
        """The whole of it."""
        plan: FlashPlan | None = None
        for event in self.plan(firmware, options):
            if isinstance(event, Planned):
                plan = event.plan
            yield event
        assert plan is not None
        is_read = options.verify and not self._uses_checksum(plan)
        reads = plan.firmware.size - plan.kept_size if is_read else 0
        self.expect(reads=reads, writes=plan.write_size)
        yield from self._carry_out(plan, options)
        if options.go is not None:
            yield from self.start(options.go)

    def check(self, firmware: Firmware, options: FlashOptions) -> None:
        """Whatever can be known before anything is compared or changed. Raises UpdaterError."""
        self.check_supported()
        self.check_readable()
        check_fits(firmware, self.chip)
        commands = {Command.WRITE: "write"}
        for command, word in commands.items():
            if not self.connection.info.has(command):
                raise ChipRefused(f"this ROM cannot {word}", where=self.chip.name)
        if options.go is not None:
            head = b"".join(p.data for p in firmware.within(options.go, options.go + 8))
            if len(head) < 8:
                raise ImageRejected(
                    "nothing to start there",
                    where=address_text(options.go),
                    expected="a vector table of the image",
                    then="Nothing was changed",
                )
            check_vector_table(head, self.chip.base, self.chip.stop - self.chip.base)
        if options.diff is DiffMethod.CRC and not self.has_checksum:
            raise UsageError(
                "this ROM has no CRC",
                where=self.chip.name,
                expected="GET CHECKSUM as in AN3155",
                remedies=[Remedy.READ_ALL],
            )

    def check_readable(self) -> None:
        """Raise ChipRefused where read-out protection is on."""
        if self.connection.is_protected:
            raise ChipRefused(
                "the chip is read-out protected",
                where=self.chip.name,
                then="Nothing was changed",
                remedies=[Remedy.LIFT_READOUT],
            )

    def check_supported(self) -> None:
        """Raise ChipRefused for flash that erases to 00, before anything is erased or compared."""
        pid = self.connection.info.pid
        if pid in ERASED_TO_ZERO:
            raise erases_to_zero(pid)

    def _method(self, options: FlashOptions) -> DiffMethod:
        if options.erase_chip:
            return DiffMethod.OFF
        if options.diff is DiffMethod.AUTO:
            return DiffMethod.CRC if self.has_checksum else DiffMethod.READ
        return options.diff

    def _same(self, comparer: Comparer, method: DiffMethod, sectors: Sequence[Sector]) -> Comparing:
        match method:
            case DiffMethod.OFF:
                return set()
            case DiffMethod.CRC | DiffMethod.AUTO:
                return (yield from comparer.equal_by_crc(sectors, self._cache))
            case DiffMethod.CACHE:
                return comparer.equal_by_cache(sectors, self._cache)
            case DiffMethod.READ:
                return (yield from self._same_by_reading(comparer, sectors))

    def _same_by_reading(self, comparer: Comparer, sectors: Sequence[Sector]) -> Comparing:
        """A ROM that dies of a read (double ECC error) must not meet it in the next run again."""
        try:
            return (yield from comparer.equal_by_reading(sectors))
        except LinkError:
            self._cache.begin(s for s in sectors if s.start <= comparer.position < s.stop)
            self._remember()
            raise

    def _blank_beside(self, stale: Sequence[Sector]) -> frozenset[int]:
        """Sectors beside *stale* that hold nothing, where one erase of all would pay. If the ROM
        dies of looking, they are doubtful for the next run, which does not look again."""
        if isinstance(self._cache_store, NoCache):
            return frozenset()
        beside = BulkErase(self._rom, self.chip, has_checksum=self.has_checksum)
        sectors = beside.candidate(stale, self._cache.doubtful)
        try:
            is_blank = beside.are_blank(sectors)
        except LinkError:
            self._cache.begin(sectors)
            self._remember()
            raise
        return frozenset(sector.number for sector in sectors) if is_blank else frozenset()

    # --- carrying it out

    def _carry_out(self, plan: FlashPlan, options: FlashOptions) -> Iterator[FlasherEvent]:
        todo = plan
        bad: dict[int, str] = {}
        for round_number in range(_ROUNDS):
            if todo.touched or todo.erase.sectors:
                yield from self._eraser.erase(todo)
                bad = yield from self._write(todo)
            if options.verify or bad:
                bad |= yield from self._verify(todo, bad)
            if not bad:
                break
            if round_number == _ROUNDS - 1:
                raise self._not_held(bad)
            yield Problem(f"{len(bad)} sectors do not hold the image: they are erased again")
            good = {s.number for s in covered_sectors(self.chip, plan.firmware)} - set(bad)
            todo = make_plan(self.chip, plan.firmware, good)
        if options.verify:
            self._cache.finish(plan.touched, plan.firmware)
            self._remember()
            self._merging.settle()
            yield self._verified(plan, options)

    def _verified(self, plan: FlashPlan, options: FlashOptions) -> Verified:
        trusted = plan.kept_size if options.diff is DiffMethod.CACHE else 0
        by = "checksum" if self._uses_checksum(plan) else "read-back"
        return Verified(plan.firmware.size - trusted, by, trusted)

    def _uses_checksum(self, plan: FlashPlan) -> bool:
        return bool(plan.firmware.size) and self.has_checksum

    def _write(self, plan: FlashPlan) -> Finding:
        """Write all blocks; return the sectors that have to be erased again."""
        done, total = 0, plan.write_size
        bad: dict[int, str] = {}
        for block in plan.writes:
            sector = self.chip.sectors_of(block.address, block.address + 1)[0]
            if sector.number not in bad:
                try:
                    self._rom.write(block.address, block.data)
                except PartialWrite as partial:
                    bad[sector.number] = f"{partial}"
            done += len(block.data)
            yield Progress(Stage.WRITE, done, total)
        return bad

    # --- verifying

    def _verify(self, plan: FlashPlan, known_bad: dict[int, str]) -> Finding:
        """Look at all that was written; return what differs, by sector, in words."""
        comparer = Comparer(self._rom, plan.firmware)
        sectors = without(plan.touched, known_bad)
        total = sum(len(part.data) for s in sectors for part in comparer.parts(s))
        if self._uses_checksum(plan):
            same = (yield from comparer.equal_by_crc(sectors, self._cache)) if sectors else set()
            yield Progress(Stage.VERIFY, total, total)
            sectors = without(sectors, same)  # read those, to say what differs
        differing = yield from comparer.differing(sectors, Stage.VERIFY)
        bad = {number: _words(difference) for number, difference in differing.items()}
        if self._uses_checksum(plan):
            for sector in sectors:
                bad.setdefault(sector.number, f"another CRC of sector {sector.number}")
        return bad

    def verify(self, firmware: Firmware) -> Iterator[FlasherEvent]:
        """Compare the whole image with flash. Raises VerificationFailed at the end, for all."""
        self.check_supported()
        self.check_readable()
        check_fits(firmware, self.chip)
        plan = make_plan(self.chip, firmware)
        self.expect(reads=0 if self.has_checksum else firmware.size)
        bad = yield from self._verify(plan, {})
        if bad:
            raise self._not_held(bad, is_written=False)
        yield Verified(plan.firmware.size, "checksum" if self._uses_checksum(plan) else "read-back")

    def _not_held(self, bad: dict[int, str], *, is_written: bool = True) -> VerificationFailed:
        first = min(bad)
        return VerificationFailed(
            f"flash does not hold the image in {len(bad)} sectors",
            where=f"sector {first} of {self.chip.name}",
            found=bad[first],
            then="The sector may be write-protected or worn. The image is not complete"
            if is_written
            else "",
            remedies=[Remedy.LIFT_WRITE if is_written else Remedy.FLASH],
        )

    # --- the rest

    def expect(self, *, reads: int = 0, writes: int = 0) -> None:
        """So many bytes will be read and written: merge commands from now on, where that pays."""
        self._merging.begin(reads=reads, writes=writes)

    def erase(
        self, sectors: Sequence[Sector], *, everything: bool, verify: bool = True
    ) -> Iterator[FlasherEvent]:
        """Erase *sectors*, or the chip at once, and look whether they are blank."""
        self.check_supported()
        self.check_readable()
        plan = make_plan(self.chip, blank_firmware(sectors), erase_chip=everything)
        yield from self._eraser.erase(plan)
        bad = (yield from self._verify(plan, {})) if verify else {}
        if bad:
            raise self._not_held(bad)
        self._cache.blank(plan.erase.sectors)
        self._remember()
        if verify:
            by = "checksum" if self._uses_checksum(plan) else "read-back"
            yield Verified(plan.firmware.size, by)

    def read(self, address: int, size: int, *, twice: bool) -> Iterator[FlasherEvent | bytes]:
        """Yield the bytes between events. By CRC where there is one; *twice* where there is none:
        reads have no checksum."""
        self.check_readable()
        checked = self.has_checksum and size % 4 == 0 and address % 4 == 0
        whole = bytearray()
        self.expect(reads=size if checked or not twice else 2 * size)
        frame = self._rom.read_size
        for at in range(address, address + size, frame):
            count = min(frame, address + size - at)
            read = self._rom.read_surely if twice and not checked else self._rom.read
            data = read(at, count)
            whole += data
            yield data
            yield Progress(Stage.READ, at + count - address, size)
        if checked and not Comparer(self._rom, Firmware(())).crc_fits(
            Segment(address, bytes(whole))
        ):
            raise LinkError(
                "what was read has another CRC than the chip's",
                where=address_text(address),
                then="There is noise on the line",
                remedies=[Remedy.LOWER_BAUD],
            )

    def start(self, address: int) -> Iterator[FlasherEvent]:
        """Leave the ROM and run the program at *address*."""
        self._rom.go(address)
        yield Started(address)

    def forget(self) -> None:
        """Nothing is known of the chip's flash any more."""
        self.begin(self.chip.sectors)

    # --- for whoever writes past the ROM

    @property
    def doubtful(self) -> frozenset[int]:
        """Numbers of sectors that an earlier run left half done."""
        return frozenset(self._cache.doubtful)

    def guard(self, sectors: Sequence[Sector]) -> Guard:
        """It has looked at samples of what an erase of *sectors* is to leave alone."""
        return self._eraser.guard(sectors)

    def begin(self, sectors: Sequence[Sector]) -> None:
        """*sectors* are doubtful from now on."""
        self._cache.begin(sectors)
        self._remember()

    def finish(self, plan: FlashPlan) -> None:
        """All of *plan* was carried out and verified."""
        self._cache.finish(plan.touched, plan.firmware)
        touched = {sector.number for sector in plan.touched}
        self._cache.blank(without(plan.erase.sectors, touched))
        self._remember()

    def _remember(self) -> None:
        self._cache_store.store(self.connection.info.pid, self.connection.uid, self._cache)


def erases_to_zero(pid: int) -> ChipRefused:
    return ChipRefused(
        f"the flash of this chip erases to 00, which is not supported: {ERASED_TO_ZERO[pid]}",
        expected="flash that erases to FF",
        found=f"PID {pid:#05x}",
        then="To write it take another program, such as stm32flash. Nothing was changed",
        remedies=[Remedy.READ_BY_GEOMETRY],
    )


def _words(difference: Difference) -> str:
    return (
        f"{difference.found[:_STRAY_BYTES].hex(' ')} at {address_text(difference.address)} where "
        f"{difference.wanted[:_STRAY_BYTES].hex(' ')} should be"
    )
