"""The scenarios that we offer: what happens to one image on one part, with one strategy."""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from flash_emulator import Part, load_part
from mcu_updater.board import Board, Trial
from mcu_updater.core.delta.receiver import PART_MAX
from mcu_updater.core.errors import Remedy, UsageError
from mcu_updater.core.image import ImageFormat, sniff, sniff_size
from mcu_updater.core.loader import checkpoint_room
from mcu_updater.core.strategy import Strategy
from mcu_updater.files.package_build import Kind, Source, build
from mcu_updater.flash_map.strategies import check_strategy, default_strategy
from mcu_updater.powerloss import signed
from mcu_updater.powerloss.images import Format, as_file, delta_package, edition, filler
from mcu_updater.powerloss.scenario import (
    COMPONENT,
    Beginning,
    Core,
    Damage,
    Scenario,
    Way,
)

ALL_WAYS = (Way.SOON, Way.LATE, Way.MODULE)
_FORMAT_NAMES: dict[ImageFormat, Format] = {
    ImageFormat.BIN: "bin",
    ImageFormat.HEX: "hex",
    ImageFormat.SREC: "s19",
}

KEYS = (signed.PUBLIC_KEY,)
_AFTER_THE_UPDATE: dict[str, Any] = {"before": ("2.0.0",), "retries": 0}

_SECOND: dict[str, Any] = {"before": ("2.0.0",), "target": "3.0.0", "final": "3.0.0"}
_FALLEN_BACK: dict[str, Any] = {
    "keys": KEYS,
    "before": (signed.BETWEEN,),
    "begin": Beginning.DAMAGED_ACTIVE,
    "falls_back_to": "1.0.0",
}

# name: what it is, and how it differs from a good image that the cloud offers for ever
SCENARIOS: dict[str, tuple[str, dict[str, Any]]] = {
    "good": ("a good image; only the MCU loses power", {}),
    "module": (
        "a good image; the module keeps its power, loses its patience, or loses power too",
        {"ways": ALL_WAYS},
    ),
    "alone": (
        "a good image; the module alone loses power, at any AT command of the first boot",
        {"alone": 48},
    ),
    "link": (
        "a good image; power goes at every AT command too, not only in flash operations",
        {"ways": ALL_WAYS, "link": True},
    ),
    "reset": (
        "a good image; the watchdog or NRST resets the MCU in mid-operation, or power goes",
        {"ways": (Way.SOON, Way.RESET)},
    ),
    "fail": (
        "the new image's self-test says no",
        {"trial": Trial.FAIL, "final": "1.0.0", "retries": 0},
    ),
    "crash": (
        "the new image crashes on trial; the watchdog resets the MCU",
        {"trial": Trial.CRASH, "final": "1.0.0", "retries": 0},
    ),
    "crash-unknown": (
        "the same, and the bootloader is never told why it starts: each start counts",
        {"trial": Trial.CRASH, "tells_cause": False, "final": "1.0.0", "retries": 0},
    ),
    "never": (
        "the new image runs and never confirms; somebody resets the device",
        {"trial": Trial.NEVER, "final": "1.0.0", "retries": 0},
    ),
    "corrupt": (
        "one bit of the package is wrong",
        {"corrupt": True, "final": "1.0.0", "retries": 0},
    ),
    "corrupt-md5": (
        "the same, and the MD5 that the cloud announces fits the wrong package",
        {"corrupt": True, "md5_fits": True, "final": "1.0.0", "retries": 0},
    ),
    "stuck": (
        "two cells of the slot that is written stay 1",
        {"damage": Damage.STUCK, "final": "1.0.0", "retries": 0},
    ),
    "refused": (
        "a sector of the slot that is written is write-protected",
        {"damage": Damage.REFUSED, "final": "1.0.0", "retries": 0},
    ),
    "second": (
        "a second upgrade, back into the bank that the first one left",
        _SECOND,
    ),
    "pieces": (
        "the package comes in several pieces; refused where no checkpoint can hold what one leaves",
        {"pieces": 3},
    ),
    "pieces-module": (
        "the same, and the module may lose its power with the MCU: the download begins anew",
        {"pieces": 3, "ways": (Way.SOON, Way.MODULE)},
    ),
    "replaced": (
        "another package of the same version and length takes the place of the one under way",
        {"ways": (Way.SOON, Way.REPLACED), "replaced": True},
    ),
    "confirmed-damaged": (
        "two cells of the confirmed image have flipped; the one before it runs until an update",
        _SECOND | {"begin": Beginning.DAMAGED_ACTIVE},
    ),
    "confirmed-changed": (
        "the same, and the wrong unit reads without any error on all parts",
        _SECOND | {"begin": Beginning.CHANGED_ACTIVE},
    ),
    "installed-damaged": (
        "two cells of what the CPU runs have flipped: of the copy, where images are copied",
        _SECOND | {"begin": Beginning.DAMAGED_INSTALLED},
    ),
    "verified-alone": (
        "two cells of the only confirmed image have flipped; an update was verified before",
        {"begin": Beginning.VERIFIED_ALONE},
    ),
    "trial-damaged": (
        "two cells of the image on trial have flipped since it was verified",
        {"begin": Beginning.DAMAGED_TRIAL, "final": "1.0.0", "retries": 0},
    ),
    "trial-changed": (
        "a unit of the image on trial reads as another, without any error",
        {"begin": Beginning.CHANGED_TRIAL, "final": "1.0.0", "retries": 0},
    ),
    "package": (
        "the image comes in a .tar.gz with a manifest, in two pieces",
        {"packed": Kind.TAR_GZ, "pieces": 2},
    ),
    "signed": (
        "signed images only; behind the good one comes an older version",
        {"keys": KEYS, "refused": (signed.OLDER,)},
    ),
    "signed-fail": (
        "signed images only; the self-test of the new one says no",
        {"keys": KEYS, "trial": Trial.FAIL, "final": "1.0.0", "retries": 0},
    ),
    "revoked": (
        "after a signed update that was confirmed, a higher version with a revoked counter",
        {"keys": KEYS, "target": signed.REVOKED} | _AFTER_THE_UPDATE,
    ),
    "unsigned": (
        "after a signed update that was confirmed, an image that is not signed",
        {"keys": KEYS, "target": signed.UNSIGNED} | _AFTER_THE_UPDATE,
    ),
    "signed-damaged": (
        "the newest of two signed and confirmed images is damaged; a higher one comes",
        _FALLEN_BACK,
    ),
    "signed-floor": (
        "the same; before it comes one that is higher than what runs, and lower than the damaged",
        _FALLEN_BACK | {"refused": (signed.BELOW,), "refused_first": True},
    ),
    "signed-revoked": (
        "signed images only; behind the good one comes the revoked one (10,000 states and more)",
        {"keys": KEYS, "refused": (signed.REVOKED,)},
    ),
    "delta": (
        "a delta package, applied to the image that runs",
        {"delta": True, "source": "1.0.0"},
    ),
    "delta-pieces": (
        "a delta package that comes in several pieces",
        {"delta": True, "source": "1.0.0", "pieces": 3},
    ),
    "delta-base": (
        "a delta package for another image than the one that runs; the full one comes behind it",
        {"delta": False, "source": "1.0.0", "retries": 0},
    ),
}


@dataclass(frozen=True, slots=True)
class Target:
    """A part with a strategy, and the images for it. *tag* names the images in replay IDs.

    *unpublished*: as in ``Scenario``.
    """

    part: Part
    strategy: Strategy
    images: Mapping[str, bytes]
    packages: Mapping[str, bytes]
    format: Format
    tag: str
    unpublished: Mapping[str, bytes] = field(default_factory=dict)


def slot_of(part: Part, strategy: Strategy) -> tuple[int, int, tuple[int, ...]]:
    """Link address and size of the slot, and the sizes of its sectors."""
    slot = Board(part, strategy=strategy).banks()[0].slot
    return slot.link_address, slot.size, slot.sector_sizes


def small_size(part: Part, strategy: Strategy, sectors: int = 2) -> int:
    """Bytes of an image that fills so many sectors, but for its last hundred bytes."""
    _, _, sizes = slot_of(part, strategy)
    return sum(sizes[:sectors]) - 100


def filled(part: str, size: int | None, fmt: Format, strategy: Strategy | None = None) -> Target:
    """*part* with made-up images of *size* bytes; None: as large as the slot."""
    chip = load_part(part)
    chosen = strategy or default_strategy(chip)
    check_strategy(chip, chosen)
    address, room, _ = slot_of(chip, chosen)
    size = room if size is None else size
    if not 16 <= size <= room:
        raise UsageError(
            "no such image", where=f"{part}, {chosen}", expected=f"16 to {room} bytes",
            found=str(size),
        )  # fmt: skip
    images = {version: filler(version, size, address) for version in ("1.0.0", "2.0.0", "3.0.0")}
    packages = {version: as_file(image, address, fmt) for version, image in images.items()}
    return Target(chip, chosen, images, packages, fmt, f"{size}b")


def with_file(target: Target, package: bytes) -> Target:
    """*target*, upgraded to the image in *package*. Raises ImageRejected where it does not fit."""
    image = _flashed(target, package)
    fmt = sniff(package[: sniff_size(package)])
    if fmt not in _FORMAT_NAMES:
        raise UsageError(
            "no scenario for this format", expected=", ".join(_FORMAT_NAMES), found=fmt.value
        )
    return Target(
        target.part,
        target.strategy,
        {**target.images, "2.0.0": image},
        {**target.packages, "2.0.0": package},
        _FORMAT_NAMES[fmt],
        hashlib.sha256(package).hexdigest()[:8],
    )


def _flashed(target: Target, package: bytes) -> bytes:
    """*package* as it stands in a slot, found by the updater's own loader on a board of its own."""
    board = Board.new(target.part, "2.0.0", package, strategy=target.strategy)
    bank = board.banks()[0]
    snapshot = bank.journal.read().snapshot
    assert snapshot is not None
    return bank.slot.read(0, snapshot.image_size)


def _signed(target: Target) -> Target:
    """*target* with signed images of the same size. UsageError where its image is a file."""
    size = len(target.images["2.0.0"])
    if target.tag != f"{size}b":
        raise UsageError("this scenario signs images of its own", found=f"image {target.tag}")
    address, _, _ = slot_of(target.part, target.strategy)
    images = signed.images(size, address)
    packages = {
        version: as_file(image, address, target.format) for version, image in images.items()
    }
    never = {version: images.pop(version) for version in signed.NEVER}
    return replace(target, images=images, packages=packages, unpublished=never)


def _packed(target: Target, kind: Kind) -> dict[str, bytes]:
    name = f"app.{target.format}"
    return {
        version: build(kind, [Source(((name, data),), COMPONENT, version)])
        for version, data in target.packages.items()
    }


def _delta(target: Target, *, fits: bool) -> Target:
    """*target* with a delta package, for the image that runs or for another one.

    UsageError where its image is a file: the images are made to resemble each other.
    """
    size = len(target.images["2.0.0"])
    if target.tag != f"{size}b":
        raise UsageError("this scenario makes images of its own", found=f"image {target.tag}")
    first = target.images["1.0.0"]
    image = edition(first, "2.0.0")
    base = first if fits else edition(first, "0.9.0")
    package = delta_package(base, image)
    return replace(
        target,
        images={**target.images, "2.0.0": image},
        packages={**target.packages, "2.0.0": package},
    )


def _replacement(target: Target) -> bytes:
    """Another image of the same length, which calls itself the same version."""
    if target.format != "bin":
        raise UsageError("this scenario is for raw images", expected="bin", found=target.format)
    address, _, _ = slot_of(target.part, target.strategy)
    return filler("2.0.0, made anew", len(target.images["2.0.0"]), address)


def _carries_on(target: Target, piece_size: int, *, raw: bool) -> bool:
    """Whether a checkpoint can hold what each piece leaves of a sector; else it is refused.

    Where the package is not the image itself, a piece may leave a whole sector.
    """
    bank = Board(target.part, strategy=target.strategy).banks()[0]
    room = min(PART_MAX, checkpoint_room(bank.journal.checkpoint_capacity))
    size, starts = len(target.images["2.0.0"]), bank.slot.sector_starts
    if not raw or target.format != "bin":
        used = bank.slot.sector_sizes[: bisect_left(starts, size)]
        return min(size, max(used)) <= room
    borders = range(piece_size, size, piece_size)
    return all(border - starts[bisect_right(starts, border) - 1] <= room for border in borders)


def _check_reaches_damage(name: str, target: Target) -> None:
    size, first = len(target.images["2.0.0"]), slot_of(target.part, target.strategy)[2][0]
    if size <= first:
        raise UsageError(
            f"scenario {name} damages the second sector, which the image does not reach",
            where=f"{target.part.name}, {target.strategy}",
            expected=f"an image of more than {first} bytes",
            found=f"{size}",
            remedies=[Remedy.LARGER_IMAGE],
        )


_NOT_IN_C = ("keys", "packed", "delta")


def names_of(core: Core) -> list[str]:
    """The scenarios that *core* can take part in: that in C has no keys, archives and deltas."""
    return [
        name
        for name, (_, changes) in SCENARIOS.items()
        if core is Core.PYTHON or not any(changes.get(each) is not None for each in _NOT_IN_C)
    ]


def scenario(name: str, target: Target, *, seed: int = 0, core: Core = Core.PYTHON) -> Scenario:
    """The scenario *name* for *target*, with *core* as the firmware.

    Raises UsageError for a name that is none or not for that core, and where the image does not
    reach what is damaged.
    """
    if name not in SCENARIOS:
        raise UsageError(f"no scenario {name!r}", expected=f"one of {', '.join(SCENARIOS)}")
    if name not in names_of(core):
        raise UsageError(
            f"the core in C cannot take part in scenario {name}",
            expected=f"one of {', '.join(names_of(core))}",
            then="It checks no signatures, and reads no archives and no delta packages",
        )
    changes = dict(SCENARIOS[name][1])
    if "damage" in changes:
        _check_reaches_damage(name, target)
    packed = changes.pop("packed", None)
    if packed:
        target = replace(target, packages=_packed(target, packed))
    pieces = changes.pop("pieces", None)
    delta = changes.pop("delta", None)
    if delta is not None:
        target = _delta(target, fits=delta)
        if not delta:
            address, _, _ = slot_of(target.part, target.strategy)
            changes["full"] = as_file(target.images["2.0.0"], address, target.format)
    if pieces:
        size = len(target.packages["2.0.0"])
        changes["piece_size"] = -(-size // pieces)
        if not _carries_on(target, changes["piece_size"], raw=not packed and delta is None):
            changes |= {"final": "1.0.0", "retries": 0}
    if changes.pop("replaced", False):
        changes["replacement"] = _replacement(target)
    if "keys" in changes:
        target = _signed(target)
    return Scenario(
        name,
        target.part.spec,
        target.strategy,
        target.format,
        target.images,
        target.packages,
        target.unpublished,
        seed=seed,
        image=target.tag,
        core=core,
        **changes,
    )
