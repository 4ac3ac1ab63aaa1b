"""One device and one host, which offers 2.0.0: a good image until it runs, a bad one once.

The application of 1.0.0 takes what is offered: it stages the image, tells the host so, and resets.
Should it run again after that, the image was reverted: the host offers a good one again, and of a
bad one it hears that it failed. The application of 2.0.0 passes its test, is confirmed, and tells
the host; or it fails its test and resets, as a watchdog would have it.
"""

from __future__ import annotations

from collections.abc import Generator, Hashable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeVar

from examples.strategies.images import NEW, OLD, Images
from examples.strategies.judge import Judge
from flash_emulator import EmulatedFlash, Part
from flash_emulator.errors import FlashError
from flash_emulator.explore import Boot, ExternalState, Run, Subject, Violation

_Result = TypeVar("_Result")

Steps = Generator[Hashable, None, None]
"""What an algorithm does. It yields what it holds in RAM, where all else stands in flash."""

_FAULTS = 3  # starts in a row that end in a fault: the device boots nothing
_STARTS = 8  # without a word to the host: it never comes to rest


class Stuck(Exception):
    """An algorithm has stopped where its code says that it cannot go on (``assert``)."""


class Algorithm(Protocol):
    """A bootloader with what its application needs. *run_address*: of the image that runs. *areas*:
    address and size of what lies in flash, by name; the finer ones first.

    Every method may raise FlashError, which is a fault of the CPU where nobody catches it.
    """

    images: Images
    run_address: int
    areas: Mapping[str, tuple[int, int]]

    def factory(self, flash: EmulatedFlash, image: bytes) -> None:
        """Leave *flash* as it leaves the factory, with *image* to run."""

    def start(self, flash: EmulatedFlash) -> Steps:
        """The bootloader, from reset until it jumps."""

    def stage(self, flash: EmulatedFlash, image: bytes) -> Steps:
        """The application downloads *image*, and asks for it to be installed."""

    def confirm(self, flash: EmulatedFlash) -> Steps:
        """The application keeps what runs."""


class Said(StrEnum):
    """What the host was told last."""

    NOTHING = "nothing"
    STAGED = "staged"
    INSTALLED = "installed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Host:
    """What survives beside the flash."""

    said: Said = Said.NOTHING

    @property
    def digest(self) -> bytes:
        return self.said.encode()


class World(Subject):
    """*algorithm* on a device of *part*, with an image that passes its test or fails it."""

    def __init__(self, part: Part, algorithm: Algorithm, *, is_good: bool, seed: int = 0) -> None:
        self.algorithm = algorithm
        self.is_good = is_good
        self.versions = algorithm.images.by_version
        self.judge = Judge(self.versions, is_good=is_good)
        self.flash = EmulatedFlash(part, seed=seed)
        self.flash.draws_by_place = True
        self.readout_level = self.flash.options.readout_level
        algorithm.factory(self.flash, self.versions[OLD])
        self.external = Host()

    def boot(self, flash: EmulatedFlash, external: ExternalState) -> Boot:
        assert isinstance(external, Host)
        return WorldBoot(self, flash, external)


class WorldBoot(Boot):
    """One power-on, and on through resets to rest."""

    def __init__(self, world: World, flash: EmulatedFlash, host: Host) -> None:
        self._world = world
        self._flash = flash
        self._host = host
        self._words: list[str] = []

    def run(self) -> Run:
        world, flash = self._world, self._flash
        world.judge.options(flash, world.readout_level)
        starts = faults = 0
        while True:
            try:
                yield from self._named(("boot", starts, faults), world.algorithm.start(flash))
                version = self._running()
                starts, faults = starts + 1, 0
                if (yield from self._named((version, starts), self._session(version))):
                    world.judge.rests(version)
                    return f"{version} runs"
            except (FlashError, Stuck) as error:
                faults += 1
                self._words.append(f"fault: {error}")
                if faults == _FAULTS:
                    raise Violation("safe", f"nothing boots: {error}") from error
            if starts == _STARTS:
                raise Violation("live", f"no rest: {version} runs again and again, and resets")
            flash.reset()
            yield "reset", starts, faults

    @staticmethod
    def _named(
        name: Hashable, steps: Generator[Hashable, None, _Result]
    ) -> Generator[Hashable, None, _Result]:
        """*steps*, with *name* beside what they hold in RAM."""
        while True:
            try:
                memory = next(steps)
            except StopIteration as stop:
                result: _Result = stop.value
                return result
            yield name, memory

    def _running(self) -> str:
        address = self._world.algorithm.run_address
        version = self._world.judge.runs(lambda size: self._flash.sha256(address, size))
        self._words.append(f"{version} runs")
        return version

    def _session(self, version: str) -> Generator[Hashable, None, bool]:
        """The application. Returns whether all is at rest; else a reset is due."""
        algorithm, flash, said = self._world.algorithm, self._flash, self._host.said
        if version == OLD:
            if said is Said.NOTHING or (said is Said.STAGED and self._world.is_good):
                yield from algorithm.stage(flash, self._world.versions[NEW])
                self._tell(Said.STAGED)
                return False
            self._tell(Said.FAILED if said is Said.STAGED else said)
            return True
        if not self._world.is_good:
            self._words.append(f"{version} fails its test")
            return False
        yield from algorithm.confirm(flash)
        self._tell(Said.INSTALLED)
        return True

    def _tell(self, said: Said) -> None:
        self._host = Host(said)
        self._words.append(f"the host is told: {said}")

    def surviving(self) -> Sequence[tuple[str, ExternalState]]:
        return (("", self._host),)

    def volatile(self) -> bytes:
        return self._host.digest

    def words(self) -> list[str]:
        """What happened since this was asked last: for a film."""
        told, self._words = self._words, []
        return told
