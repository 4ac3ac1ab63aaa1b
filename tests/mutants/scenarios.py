"""What a faulty updater is held against: small worlds, cut everywhere, the cheapest first.

What is asked of them is what ``mcu-updater powerloss`` asks (``mcu_updater.powerloss.questions``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flash_emulator import EmulatedFlash, load_part
from flash_emulator.explore import Film, Limits, Path, Report, Search, SearchOptions, replay
from mcu_updater.board import Trial
from mcu_updater.core.slot import CopyLayout
from mcu_updater.flash_map.layouts import layout_of
from mcu_updater.flash_map.strategies import default_strategy
from mcu_updater.powerloss.images import Format, as_file, filler
from mcu_updater.powerloss.scenario import (
    Beginning,
    Damage,
    Scenario,
    Way,
)
from mcu_updater.powerloss.subject import BoardSubject

L4, F1, H7 = "STM32L476xG", "STM32F103x8", "STM32H743xI"
VERSIONS = ("1.0.0", "2.0.0", "3.0.0")
TAIL = 76  # bytes of an image in its last sector: whole units and a half
WHOLE_TAIL = 64  # of the image from the factory: whole units of any part, so that it is written
MOST_STATES = 4000  # of one search; the updater as it is comes to a quarter of that at most
ISLAND = 100  # bytes at either end of what a sparse image has before that

# --- factory: the one place that knows how a scenario is made


def make(
    name: str,
    part: str = L4,
    *,
    fmt: Format = "bin",
    sectors: int = 2,
    sparse: bool = False,
    **kw: Any,
) -> Scenario:
    """Images of *sectors* slot sectors, the last of which holds TAIL bytes.

    *sparse*: most of what is not in the last sector reads 0xFF, which costs nothing to program.
    """
    chip = load_part(part)
    strategy = default_strategy(chip)
    layout = layout_of(chip, strategy)
    slot = (layout.execution if isinstance(layout, CopyLayout) else layout).slot
    address, ahead = chip.base + slot.offset, sum(slot.sector_sizes[: sectors - 1])
    tails = dict.fromkeys(VERSIONS, TAIL) | {VERSIONS[0]: WHOLE_TAIL}
    images = {version: filler(version, ahead + tail, address) for version, tail in tails.items()}
    if sparse:
        images = {version: _sparse(image, ahead) for version, image in images.items()}
    packages = {version: as_file(image, address, fmt) for version, image in images.items()}
    return Scenario(name, part, strategy, fmt, images, packages, **kw)


def _sparse(image: bytes, ahead: int) -> bytes:
    return image[:ISLAND] + b"\xff" * (ahead - 2 * ISLAND) + image[ahead - ISLAND :]


class PlainSubject(BoardSubject):
    """``BoardSubject``; but each state is booted as it is: that trailers in the other half are as
    good is a promise of our code, and a fault may break it."""

    def representative(self, flash: EmulatedFlash) -> EmulatedFlash:
        return flash


# --- the checks


@dataclass(frozen=True, slots=True)
class Check:
    """One search: a scenario, and how many cuts in a row."""

    name: str
    scenario: Scenario
    cuts: int = 1
    slow: bool = False  # more than five seconds: only for faults that name it
    time_s: float = 900.0  # on a busy machine; none takes a tenth of it when that is idle

    def run(self, violations: int = 1) -> Report:
        """Stops at so many *violations*. Raises SelfCheckFailed, see ``Search``."""
        subject = PlainSubject(self.scenario)
        limits = Limits(self.cuts, MOST_STATES, self.time_s, violations)
        return Search(subject, subject.flash, subject.external, SearchOptions(limits=limits)).run()

    def film(self, path: Path) -> Film:
        """That path again, see ``replay``."""
        subject = PlainSubject(self.scenario)
        return replay(subject, subject.flash, subject.external, path)


_LOST: dict[str, Any] = {"retries": 0, "final": "1.0.0"}  # the upgrade must fail, once is enough
_FAIL: dict[str, Any] = {"trial": Trial.FAIL, **_LOST}
_CRASH: dict[str, Any] = {"trial": Trial.CRASH, **_LOST}
_NEXT: dict[str, Any] = {"before": ("2.0.0",), "target": "3.0.0"}
_PIECES: dict[str, Any] = {"piece_size": 1000}
_ALL_WAYS: dict[str, Any] = {"ways": (Way.SOON, Way.LATE, Way.MODULE)}
_MODULE: dict[str, Any] = {"ways": (Way.MODULE,)}
_ON_TRIAL: dict[str, Any] = {"sectors": 1, "begin": Beginning.SWITCHED}


def checks() -> list[Check]:
    """All of them, the cheapest first."""
    quick = [
        Check("refused", make("refused", damage=Damage.REFUSED, **_LOST)),
        Check("stuck", make("stuck", damage=Damage.STUCK, **_LOST)),
        Check("corrupt", make("corrupt", corrupt=True, **_LOST)),
        Check("good", make("good")),
        Check("fail", make("fail", **_FAIL)),
        Check("crash", make("crash", **_CRASH)),
        Check("rotten trial", make("rotten", begin=Beginning.DAMAGED_TRIAL, **_LOST)),
        Check(
            "rotten active", make("rotten", begin=Beginning.DAMAGED_ACTIVE, final="3.0.0", **_NEXT)
        ),
        Check("second", make("second", final="3.0.0", **_NEXT)),
        Check("module", make("module", **_MODULE)),
        Check("link", make("link", sparse=True, link=True)),
        Check("pieces", make("pieces", **_PIECES)),
    ]
    slow = [
        ("late", make("late", **_ALL_WAYS, **_FAIL), 1),
        ("pieces, module", make("pieces", sparse=True, **_PIECES, **_MODULE), 1),
        ("copy", make("copy", F1, sparse=True), 1),
        ("copy, fail", make("copy", F1, sparse=True, **_FAIL), 1),
        ("copy, rotten", make("copy", F1, sparse=True, begin=Beginning.DAMAGED_EXECUTION), 1),
        ("swap", make("swap", H7, sectors=1), 1),
        ("swap, crash", make("swap", H7, sectors=1, **_CRASH), 1),
        ("swap, trial", make("swap", H7, **_ON_TRIAL, **_CRASH), 3),
        ("trial", make("trial", **_ON_TRIAL), 5),
        ("trial, crash", make("trial", **_ON_TRIAL, **_CRASH), 5),
        ("deep", make("deep", sectors=1), 4),
    ]
    return quick + [Check(name, scenario, cuts, slow=True) for name, scenario, cuts in slow]
