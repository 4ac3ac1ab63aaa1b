"""Signed images: MCUboot's format, keys, and what a device takes.

``container`` has the header and the stream, ``tlv`` what stands behind the image, ``keys`` and
``verify`` the cryptography, ``policy`` the decision.
docs/explanation/security.md says what each check stops.
"""

from mcu_updater.core.trust.keys import PublicKey, load_key
from mcu_updater.core.trust.policy import Inspection, Place, Trust, check_image

__all__ = ["Inspection", "Place", "PublicKey", "Trust", "check_image", "load_key"]
