"""``flash --require-signature``: who signed what is about to be written, and for which place.

Judged twice: before the port is opened, for any place that the image may be linked for; and for the
chip that then answers, whose flash ends somewhere.
"""

from __future__ import annotations

from typing import Final

from mcu_updater.cli.device.signatures import SignatureOptions, trust_of
from mcu_updater.core.errors import UntrustedImage, UsageError, address_text
from mcu_updater.stm32.compare import DiffMethod
from mcu_updater.stm32.firmware import Firmware
from mcu_updater.stm32.flasher import FlashOptions

ANYWHERE: Final = 1 << 32


def refuse_unread(given: SignatureOptions, options: FlashOptions) -> None:
    """A signature is of all bytes, so all have to be seen in flash: neither believed nor left."""
    if trust_of(given) is None:
        return
    unread = {"--no-verify": not options.verify, "--diff cache": options.diff is DiffMethod.CACHE}
    for option, found in unread.items():
        if found:
            raise UsageError(
                "all of a signed image has to be seen in flash",
                expected=f"--require-signature without {option}",
                found="both",
            )


def check_signature(
    given: SignatureOptions, firmware: Firmware, stop: int = ANYWHERE
) -> str | None:
    """What was signed, in words; None where nobody asked. *stop*: where flash ends.

    Raises UntrustedImage, or ImageRejected for one that is not for this place.
    """
    trust = trust_of(given)
    if trust is None:
        return None
    from mcu_updater.core.trust import Place, check_image

    image, *more = firmware.segments
    if more:
        raise UntrustedImage(
            "bytes beside the signed image",
            where=address_text(more[0].address),
            expected="one piece",
            found=f"{len(firmware.segments)} pieces with gaps between them",
            then="Nothing was changed",
        )
    signed = check_image(trust, image.data, Place(image.address, max(0, stop - image.address)))
    return f"signed by a trusted key: version {signed.version}, security counter {signed.counter}"
