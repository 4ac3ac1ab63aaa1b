"""What is explored: one device, one cloud, one package, and what goes wrong beside the power."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from hashlib import sha256

from flash_emulator import load_part
from mcu_updater.board import Board, Trial
from mcu_updater.cloud.single_device import Package, Plan, SingleDeviceCloud
from mcu_updater.core.bank import Bank
from mcu_updater.core.events import JournalWritten
from mcu_updater.core.session import Policy
from mcu_updater.core.strategy import Strategy
from mcu_updater.core.trust import Trust, load_key
from mcu_updater.powerloss.images import Format
from mcu_updater.quectel.emulated.options import ModuleOptions

COMPONENT = "STM32"
READ_SIZE = 4096  # Quectel's own MCU simulator offers it; the fewest reads


class Core(StrEnum):
    """Which core is the device's firmware."""

    PYTHON = "python"
    C = "c"  # compiled for this machine


class Way(StrEnum):
    """How power comes back, as far as the module sees it."""

    SOON = ""
    """The module kept its power, and its patience: the time that it has waited already counts for
    nothing. (That it runs out is LATE. What lies between is one of the two.)"""

    LATE = "late"
    """The module kept its power; whatever it waited for has happened, or its time has run out."""

    MODULE = "module"
    """The module lost its power together with the MCU."""

    RESET = "reset"
    """Power was never gone: the watchdog or NRST has reset the MCU in the middle of the operation.
    It leaves the cells as a cut does ("not guaranteed if a device reset occurs", all reference
    manuals; seen on L4R5, U5 and H753), and the bootloader sees another cause."""

    REPLACED = "replaced"
    """The same; and in the cloud another package of the same version and length stands where the
    one stood that was under way."""


class Damage(StrEnum):
    """What is wrong with the flash of the bank that is written."""

    NONE = "none"
    STUCK = "stuck"  # two cells of one unit stay 1: on parts with ECC one would be corrected
    REFUSED = "refused"  # a sector is write-protected


class Beginning(StrEnum):
    """What else has happened to a board when a search begins."""

    NOTHING = ""
    SWITCHED = "switched"  # the commit point was written, with the module's upgrade under way
    DAMAGED_TRIAL = "damaged trial"  # and two cells of the image have flipped since
    CHANGED_TRIAL = "changed trial"  # and a unit of it reads as another, without any error
    DAMAGED_ACTIVE = "damaged active"  # two cells of the confirmed image that runs have flipped
    CHANGED_ACTIVE = "changed active"  # a unit of it reads as another, without any error
    DAMAGED_EXECUTION = "damaged execution"  # of what was installed; its storage slot is whole
    DAMAGED_INSTALLED = "damaged installed"  # the same where images are copied, else what runs
    VERIFIED_ALONE = "verified alone"  # the update was verified; then the image that runs flipped


def _switched(scenario: Scenario, board: Board) -> None:
    for event in board.run(scenario.policy, trial=scenario.trial):
        if isinstance(event, JournalWritten) and event.phase == "TRIAL":
            return
    raise AssertionError("the update never came to its commit point")


def _damaged_trial(scenario: Scenario, board: Board) -> None:
    _switched(scenario, board)
    _flip(board, board.banks()[1])


def _changed_trial(scenario: Scenario, board: Board) -> None:
    _switched(scenario, board)
    _change(board, board.banks()[1])


def _damaged_active(_: Scenario, board: Board) -> None:
    _flip(board, _running(board))


def _changed_active(_: Scenario, board: Board) -> None:
    _change(board, _running(board))


def _damaged_execution(_: Scenario, board: Board) -> None:
    bank = board.execution_of(board.device)
    assert bank is not None
    _flip(board, bank)


def _damaged_installed(_: Scenario, board: Board) -> None:
    _flip(board, board.execution_of(board.device) or _running(board))


def _verified_alone(scenario: Scenario, board: Board) -> None:
    for event in board.run(scenario.policy, trial=scenario.trial):
        if isinstance(event, JournalWritten) and event.phase == "VERIFIED":
            break
    _flip(board, _running(board))


_UNDAMAGED = (Beginning.NOTHING, Beginning.SWITCHED)


def _running(board: Board) -> Bank:
    bank = board.would_boot().bank
    assert bank is not None
    return board.banks()[bank]


def _flip(board: Board, bank: Bank) -> None:
    for bit in (1, 2):
        board.device.flip(bank.slot.address, bit)


def _change(board: Board, bank: Bank) -> None:
    slot = bank.slot
    data = bytearray(slot.read(0, slot.unit))
    data[0] ^= 0xFF
    board.device.preload(slot.address, bytes(data))


_BEGINNINGS: Mapping[Beginning, Callable[[Scenario, Board], None]] = {
    Beginning.SWITCHED: _switched,
    Beginning.DAMAGED_TRIAL: _damaged_trial,
    Beginning.CHANGED_TRIAL: _changed_trial,
    Beginning.DAMAGED_ACTIVE: _damaged_active,
    Beginning.CHANGED_ACTIVE: _changed_active,
    Beginning.DAMAGED_EXECUTION: _damaged_execution,
    Beginning.DAMAGED_INSTALLED: _damaged_installed,
    Beginning.VERIFIED_ALONE: _verified_alone,
}


@dataclass(frozen=True, slots=True)
class Scenario:
    """One world to explore. Images are as they stand in flash, by version; packages as files.

    *images*: those that were published, and may run. *unpublished*: those that are offered all the
    same, and may come to flash until they are refused.
    *plans*: version and package of each upgrade that the cloud has, in their order; those in
    *before* are carried out, uncut, before the search begins. *retries*: how often the cloud offers
    an upgrade again that failed; None: for ever. *final*: the version that must run in the end.
    *refused*: versions of further plans, which must not come to run; they stand behind that of the
    target, with *refused_first* before it. *keys*: in PEM, of those whose
    signed images the device takes, and no others; none: images need not be signed.
    *corrupt*: one bit of the package is wrong; with *md5_fits*, the MD5 is of the wrong one.
    *tells_cause*: the bootloader knows why it starts.
    *source*: the version that the upgrade is offered to, empty: any. *full*: the package that is
    offered behind it, for the same version. *begin*: what else has happened before the search.
    *falls_back_to*: the version that may run though a higher one was confirmed, whose flash is
    damaged. *replacement*: another image of the target's version and length, of which the package
    may be replaced while the upgrade is under way.
    *link*: power may go at every AT command too, between two flash operations. *alone*: the module
    may lose its power and get it back at any of the first so many AT commands, while the MCU lives.
    """

    name: str
    part: str
    strategy: Strategy
    format: Format
    images: Mapping[str, bytes]
    packages: Mapping[str, bytes]
    unpublished: Mapping[str, bytes] = field(default_factory=dict)
    final: str = "2.0.0"
    first: str = "1.0.0"
    before: tuple[str, ...] = ()
    target: str = "2.0.0"
    trial: Trial = Trial.PASS
    piece_size: int | None = None
    retries: int | None = None
    corrupt: bool = False
    md5_fits: bool = False
    tells_cause: bool = True
    damage: Damage = Damage.NONE
    ways: tuple[Way, ...] = (Way.SOON,)
    link: bool = False
    alone: int = 0
    refused: tuple[str, ...] = ()
    refused_first: bool = False
    keys: tuple[bytes, ...] = ()
    source: str = ""
    full: bytes | None = None
    begin: Beginning = Beginning.NOTHING
    falls_back_to: str = ""
    replacement: bytes | None = None
    seed: int = 0
    image: str = ""  # what the target image is, in a word
    core: Core = Core.PYTHON

    @property
    def is_damaged(self) -> bool:
        """Whether flash holds something else than what was written."""
        return self.damage is not Damage.NONE or self.begin not in _UNDAMAGED

    @property
    def is_healthy(self) -> bool:
        """Whether nothing is wrong with device and image: then nothing may fail."""
        is_good = self.trial is Trial.PASS and not self.corrupt and self.final == self.target
        return is_good and self.full is None and not self.is_damaged

    @property
    def is_patient(self) -> bool:
        """Whether nothing but the device decides whether an upgrade goes on."""
        return set(self.ways) <= {Way.SOON, Way.RESET} and not self.alone

    @property
    def id(self) -> str:
        """Names the scenario in replay IDs: part, strategy, name, format, image, seed; and the core
        where it is not that in Python."""
        words = [self.part, self.strategy, self.name, self.format, self.image, f"s{self.seed}"]
        return "/".join(words if self.core is Core.PYTHON else [*words, self.core])

    @property
    def world(self) -> dict[str, str]:
        """What it takes to make the scenario again, as text."""
        return {
            "part": self.part,
            "strategy": self.strategy,
            "scenario": self.name,
            "format": self.format,
            "image": self.image,
            "seed": str(self.seed),
            **({} if self.core is Core.PYTHON else {"core": self.core}),
        }

    @property
    def fingerprints(self) -> dict[str, str]:
        """SHA-256 of all that the scenario is made of, images and packages too, by field."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: sha256(repr(value).encode()).hexdigest() for name, value in values.items()}

    @property
    def options(self) -> ModuleOptions:
        return ModuleOptions(piece_size=self.piece_size, max_read=READ_SIZE)

    @property
    def policy(self) -> Policy:
        return Policy(component=COMPONENT, read_size=READ_SIZE)

    @property
    def trust(self) -> Trust | None:
        return Trust(tuple(load_key(pem) for pem in self.keys)) if self.keys else None

    def board(self) -> Board:
        """The device as it is before the search: factory-new, or after the upgrades *before*."""
        part = load_part(self.part)
        first = self.images[self.first]
        board = Board.new(
            part,
            self.first,
            first,
            strategy=self.strategy,
            component=COMPONENT,
            seed=self.seed,
            trust=self.trust,
        )
        board.configure_module(self.options)
        for version in self.before:
            board.offer(self._plan(version, retries=None, corrupt=False))
            for _ in board.run(self.policy):
                pass
        board.offer(self._plan(self.target, retries=self.retries, corrupt=self.corrupt))
        further = [self._plan(version, retries=0, corrupt=False) for version in self.refused]
        if self.full is not None:
            further.append(Plan(COMPONENT, self.target, Package(self.full), retry_times=None))
        if further:
            plans = [*board.center.plans, *further]
            board.center = SingleDeviceCloud(plans[::-1] if self.refused_first else plans)
            board.configure_module(self.options)
        self._damage(board)
        if self.begin in _BEGINNINGS:
            _BEGINNINGS[self.begin](self, board)
        return board

    def _plan(self, version: str, *, retries: int | None, corrupt: bool) -> Plan:
        data = self.packages[version]
        package = Package(data)
        if corrupt:  # the cloud tells the digests of the whole one
            broken = bytearray(data)
            broken[len(data) * 3 // 4] ^= 1
            whole, package = package, Package(bytes(broken))
            md5 = package.md5 if self.md5_fits else whole.md5
            package = Package(bytes(broken), md5, whole.sha256)
        source = self.source if version == self.target else ""
        return Plan(COMPONENT, version, package, source, retry_times=retries)

    def _damage(self, board: Board) -> None:
        if self.damage is Damage.NONE:
            return
        active = board.would_boot().bank
        assert active is not None
        slot = board.banks()[1 - active].slot
        sector = slot.sector_starts[1]
        if self.damage is Damage.REFUSED:
            board.device.protect_sectors(slot.address + sector)
        else:
            board.device.stick(slot.address + sector, _zeros(self.images[self.target], sector))


def _zeros(image: bytes, offset: int) -> int:
    """Two bits of the unit at *offset* that *image* has at 0: cells that must move."""
    word = int.from_bytes(image[offset : offset + 2], "little")
    found = [bit for bit in range(16) if not word >> bit & 1][:2]
    return sum(1 << bit for bit in found)
