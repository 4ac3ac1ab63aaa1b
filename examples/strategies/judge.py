"""What is asked of all six, in the same words.

* **safe**: at every start a complete published image runs, and the option bytes are what they were.
* **live**: left alone, the device comes to rest; a bad image is reverted.
* **lost**: a good image that was offered is what runs in the end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256

from examples.strategies.images import NEW, OLD
from flash_emulator import EmulatedFlash, UnreadableUnit
from flash_emulator.explore import Violation

OPTIONS_LOST = "option bytes lost"
"""How every violation begins that a cut in a change of option bytes explains."""


class Judge:
    """*images*: those that may run, by version. *is_good*: whether the new one passes its test."""

    def __init__(self, images: Mapping[str, bytes], *, is_good: bool) -> None:
        self._digests = {
            version: (len(image), sha256(image).digest()) for version, image in images.items()
        }
        self._is_good = is_good

    def options(self, flash: EmulatedFlash, level_before: int) -> None:
        """At power-on. Nobody has to come with a probe and erase the chip."""
        options = flash.options
        if options.readout_level > level_before or options.read_protected:
            raise Violation(
                "safe",
                f"{OPTIONS_LOST}: read-out protection level {options.readout_level}; only a mass "
                "erase from outside takes that back",
            )

    def runs(self, digest_of: Callable[[int], bytes]) -> str:
        """The version that runs; *digest_of* so many bytes of what the CPU runs."""
        for version, (size, digest) in self._digests.items():
            try:
                if digest_of(size) == digest:
                    return version
            except UnreadableUnit as error:
                raise Violation("safe", f"what runs cannot be read: {error}") from error
        raise Violation("safe", "what runs is no complete published image")

    def rests(self, version: str) -> None:
        """The device has nothing more to do."""
        if self._is_good and version == OLD:
            raise Violation("lost", f"at rest {OLD} runs: the good image was given up")
        if not self._is_good and version == NEW:
            raise Violation("live", f"at rest {NEW} runs, which fails its test: no revert")
