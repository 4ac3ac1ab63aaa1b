"""Why a delta package is not taken. Both are *them*: nothing of the package will boot."""

from __future__ import annotations

from mcu_updater.core.errors import ImageRejected


class DeltaRejected(ImageRejected):
    """The delta package is damaged, or of a kind or size that is not taken here."""


class BaseMismatch(DeltaRejected):
    """The delta package is sound, but made for another base image. A full package would do."""
