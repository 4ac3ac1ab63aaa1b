"""The package's way into the slot: from what 10701 says of it to a verified image.

The steps of an upgrade that need a piece in the module and the slot that is being written. What
they leave is in the journal; the object lives for one start of the MCU.
"""

from __future__ import annotations

from collections.abc import Generator, Hashable, Iterator
from dataclasses import replace

from mcu_updater.core.admission import ADMIT_ALL, Admission
from mcu_updater.core.bank import Bank
from mcu_updater.core.decide import Module
from mcu_updater.core.delta import BaseMismatch, DeltaRejected
from mcu_updater.core.delta.receiver import DeltaTerms
from mcu_updater.core.errors import (
    ImageRejected,
    InternalError,
    ModuleRefused,
    PackageDamaged,
    Remedy,
    RolledBack,
    UntrustedImage,
    UpdaterError,
    VerificationFailed,
)
from mcu_updater.core.events import Event, ModuleTold, Problem, Progress, Work
from mcu_updater.core.image_version import NO_FLOOR, SecurityVersion
from mcu_updater.core.journal import Package, Phase, Reason, Record, Snapshot
from mcu_updater.core.journals import JournalSession
from mcu_updater.core.loader import Loader, checkpoint_room
from mcu_updater.core.module_state import ModuleTracker
from mcu_updater.core.ota import OtaModule, PieceReady
from mcu_updater.core.package import Wanted
from mcu_updater.core.trust import Inspection, Place, Trust

REASONS: dict[type[UpdaterError], Reason] = {
    PackageDamaged: Reason.PACKAGE_DIGEST,
    ImageRejected: Reason.IMAGE,
    DeltaRejected: Reason.IMAGE,
    BaseMismatch: Reason.OTHER_BASE,
    UntrustedImage: Reason.UNTRUSTED,
    RolledBack: Reason.ROLLED_BACK,
    VerificationFailed: Reason.FLASH,
}
"""What the journal keeps of an error that ends an upgrade."""


class Download:
    """Loads packages into *bank*, in reads of *read_size* bytes; *active* is the bank that runs,
    which delta packages are applied to.

    *base* is where a raw image is linked; None: at the slot. *part*: what an image in a package
    must be for, where the manifest says one; empty: for any. *trust*: whose signed images are
    taken, and no others; None: an image need not be signed. ``error`` says why the last package was
    rejected.
    """

    def __init__(
        self,
        bank: Bank,
        active: Bank,
        link: OtaModule,
        heard: ModuleTracker,
        journals: JournalSession,
        read_size: int,
        base: int | None,
        part: str,
        admission: Admission = ADMIT_ALL,
        trust: Trust | None = None,
    ) -> None:
        self._trust = trust
        self._bank = bank
        self._active = active
        self._link = link
        self._heard = heard
        self._journals = journals
        self._read_size = read_size
        self._base = base
        self._part = part
        self._admission = admission
        self.error: UpdaterError | None = None
        self._offset: int | None = None  # of the package, while LOAD is under way: what it reads
        self._sector: int | None = None  # of the slot: what it has finished last

    def memory(self) -> Hashable:
        """How far LOAD has come, and why the last package was rejected.

        The loader's state follows from these, the journal's checkpoint and the package.
        """
        error = self.error and (type(self.error), self.error.message)
        return self._offset, self._sector, error

    def note_package(self) -> Iterator[Event]:
        """Journal the package's identity. Sectors of the same package stay done."""
        started, snapshot = self._heard.started, self._journals.current(self._bank)
        self._heard.module = Module.BUSY  # 10701 is followed by the download
        if started is None or started.sha256 is None:
            yield Problem("the module did not say the package's SHA-256")
            self._heard.module = Module.HOLDS_OTHER
            return
        error = self._admission.judge_package(started)
        if error is not None:
            yield Problem(error.message)
            yield from self._reject(error)
            return
        package = Package(started.length, started.md5, started.sha256)
        same = snapshot.package == package
        if same and snapshot.phase is Phase.VERIFIED:
            return
        loading = Snapshot(
            Phase.LOADING,
            snapshot.generation,
            snapshot.component,
            snapshot.version,
            package=package,
            sectors_done=snapshot.sectors_done if same else 0,
            floor=snapshot.floor,
        )
        yield from self._journals.write(self._bank, loading, f"package of {package.length} bytes")

    def start_over(self) -> Iterator[Event]:
        snapshot = replace(self._journals.current(self._bank), piece_start=0, checkpoint=b"")
        yield from self._journals.write(self._bank, snapshot, "the package begins anew")
        self._heard.module = Module.HOLDS_NEXT

    def load(self) -> Iterator[Event]:
        """Read one piece and write its sectors; then checkpoint, or verify the whole image."""
        piece, snapshot = self._heard.piece, self._journals.current(self._bank)
        if piece is None or snapshot.package is None:
            raise InternalError("no piece to load")
        try:
            yield from self._load(self._open_loader(snapshot, piece), piece, snapshot)
        except (ImageRejected, VerificationFailed) as error:
            yield Problem(error.message)
            yield from self._reject(error)
        finally:
            self._offset = self._sector = None

    def _load(self, loader: Loader, piece: PieceReady, snapshot: Snapshot) -> Iterator[Event]:
        end = piece.start + piece.size
        if not (yield from self._read_piece(loader, piece)):
            return
        if end == piece.length:
            self._offset = end
            yield from self._sectors(loader, loader.finish())
            yield from self._verify(loader, snapshot)
        else:
            yield from self._checkpoint(loader, end)

    def _open_loader(self, snapshot: Snapshot, piece: PieceReady) -> Loader:
        slot, package = self._bank.slot, snapshot.package
        assert package is not None
        base = slot.link_address if self._base is None else self._base
        single = piece.size == package.length
        loader = Loader(
            slot,
            package,
            base=base,
            done=snapshot.sectors_done,
            single=single,
            inspection=self._inspection(snapshot),
            wanted=Wanted(snapshot.component, snapshot.version, self._part),
            delta=self._delta_terms(snapshot.version),
        )
        if snapshot.checkpoint:
            loader.resume(snapshot.checkpoint)
        return loader

    def _inspection(self, snapshot: Snapshot) -> Inspection | None:
        """Of the image that *snapshot* waits for, before anything of it is written."""
        if self._trust is not None:
            return self._trust.inspect(self._place(), snapshot.floor, snapshot.version)
        if snapshot.floor != NO_FLOOR:
            raise UntrustedImage(
                "this device has confirmed a signed image and is given no key to check one by",
                where=f"bank {self._bank.name}",
                expected=f"signed images, {snapshot.floor} or higher",
                then="Nothing of the package was written",
                remedies=[Remedy.KEY],
            )
        return None

    def _delta_terms(self, version: str) -> DeltaTerms:
        return DeltaTerms(
            old=self._active.slot,
            new=self._bank.slot,
            version=version,
            room=checkpoint_room(self._bank.journal.checkpoint_capacity),
            verify=None if self._trust is None else self._trust.judge_delta,
        )

    def _place(self) -> Place:
        return Place(self._bank.slot.link_address, self._bank.slot.size)

    def _read_piece(self, loader: Loader, piece: PieceReady) -> Generator[Event, None, bool]:
        """Feed the piece to the loader. False when the module no longer gives it."""
        offset, end = piece.start, piece.start + piece.size
        while offset < end:
            self._offset = offset
            data = self._link.read(offset, min(self._read_size, end - offset))
            if not data:
                self._heard.module = Module.BUSY  # the piece is gone; its next event says why
                return False
            yield from self._sectors(loader, loader.feed(data))
            offset += len(data)
            yield Progress(Work.DOWNLOAD, offset, piece.length)
        return True

    def _sectors(self, loader: Loader, finished: Iterator[int]) -> Iterator[Event]:
        """Journal each sector as it is finished, and not before."""
        for sector in finished:
            try:
                self._journals.record(self._bank, Record.SECTOR, sector)
            except OSError:
                done = replace(self._journals.current(self._bank), sectors_done=sector + 1)
                yield from self._journals.write(self._bank, done, "a record could not be written")
            self._sector = sector
            yield Progress(Work.PROGRAM, loader.writer.cursor, 0)

    def _checkpoint(self, loader: Loader, end: int) -> Iterator[Event]:
        """Keep what the next piece needs, before this one is given away."""
        checkpoint = loader.checkpoint()
        capacity = self._bank.journal.checkpoint_capacity
        if len(checkpoint) > capacity:
            raise ImageRejected(
                "the package comes in pieces, and the trailer has no room to carry on from one",
                expected=f"a checkpoint of at most {capacity} bytes",
                found=f"{len(checkpoint)}",
            )
        snapshot = replace(
            self._journals.current(self._bank), piece_start=end, checkpoint=checkpoint
        )
        yield from self._journals.write(self._bank, snapshot, f"package bytes up to {end}")
        self._heard.module = Module.HOLDS_USED

    def _verify(self, loader: Loader, snapshot: Snapshot) -> Iterator[Event]:
        """Compare the whole image in flash with what the package said, and its signature with the
        keys; journal that it is so."""
        size, digest = loader.image_size, loader.image_sha256
        security_version, found = self._look_at_flash(size, snapshot)
        if found != digest:
            raise VerificationFailed(
                "the image in flash is not the image of the package",
                where=f"bank {self._bank.name}",
                expected=f"SHA-256 {digest.hex()}",
                found="another",
                then="The image will not be booted",
            )
        yield Progress(Work.VERIFY, size, size)
        verified = Snapshot(
            Phase.VERIFIED,
            snapshot.generation,
            snapshot.component,
            snapshot.version,
            package=snapshot.package,
            image_size=size,
            image_sha256=digest,
            security_version=security_version,
            floor=snapshot.floor,
        )
        yield from self._journals.write(self._bank, verified, f"image of {size} bytes")
        self._heard.module = Module.HOLDS_LAST

    def _look_at_flash(
        self, size: int, snapshot: Snapshot
    ) -> tuple[SecurityVersion | None, bytes | None]:
        """Security version and SHA-256 of the first *size* bytes of the slot, of one reading; None:
        unreadable.

        With keys, what the signature is checked of is what the digest is taken of.
        """
        slot = self._bank.slot
        if self._trust is None:
            return None, slot.sha256(size)
        try:
            return self._trust.inspect_flash(
                slot.read, size, self._place(), snapshot.floor, snapshot.version
            )
        except OSError:
            return None, None

    def _reject(self, error: UpdaterError) -> Iterator[Event]:
        failed = replace(
            self._journals.current(self._bank),
            phase=Phase.FAILED,
            reason=REASONS[type(error)],
            checkpoint=b"",
            sectors_done=0,
            piece_start=0,
        )
        yield from self._journals.write(self._bank, failed, error.what)
        self.error = error

    def next_piece(self) -> Iterator[Event]:
        try:
            self._link.next_piece()
        except ModuleRefused:
            yield Problem("the module has no next piece")
            self._heard.module = Module.HOLDS_OTHER
            return
        yield ModuleTold("download the next piece")
        self._heard.module = Module.BUSY
