"""``flash --require-signature``: who signed what is about to be written, and for which place."""

from __future__ import annotations

from typing import Any

from mcu_updater.cli.signatures import trust_of
from mcu_updater.errors import ImageRejected, UsageError, address_text
from mcu_updater.stm32.chip import Chip
from mcu_updater.stm32.compare import DiffMethod
from mcu_updater.stm32.firmware import Firmware
from mcu_updater.stm32.flasher import FlashOptions


def refuse_unread(given: dict[str, Any], options: FlashOptions) -> None:
    """A signature is of all bytes, so all have to be seen in flash: neither believed nor left."""
    if trust_of(given) is None:
        return
    unread = {"--no-verify": not options.verify, "--diff cache": options.diff is DiffMethod.CACHE}
    for option, found in unread.items():
        if found:
            raise UsageError(
                f"{option} and --require-signature cannot be had together", then="Leave one out"
            )


def check_signature(given: dict[str, Any], firmware: Firmware, chip: Chip) -> str | None:
    """What was signed, in words; None where nobody asked.

    Raises UntrustedImage, or ImageRejected for one that is not for this place of *chip*.
    """
    trust = trust_of(given)
    if trust is None:
        return None
    from mcu_updater.trust import Place, check_image

    if len(firmware.segments) > 1:
        raise ImageRejected(
            "a signed image is one piece",
            where=address_text(firmware.segments[1].address),
            found=f"{len(firmware.segments)} pieces with gaps between them",
            then="Nothing was changed",
        )
    image = firmware.segments[0]
    stop = chip.sectors[-1].stop
    seal = check_image(trust, image.data, Place(image.address, max(0, stop - image.address)))
    return f"signed by a trusted key: version {seal.version}, security counter {seal.counter}"
