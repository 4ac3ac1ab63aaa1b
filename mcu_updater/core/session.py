"""A session of the updater from outside: what its owner chooses, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from mcu_updater.core.errors import ImageRejected, Reverted, UpdaterError, VerificationFailed
from mcu_updater.core.journal import Reason, Snapshot


@dataclass(frozen=True, slots=True)
class Policy:
    """What the owner of a device may choose. Times in seconds, sizes in bytes."""

    component: str = "STM32"
    read_size: int = 1024  # one AT+QIOTOTARD
    base: int | None = None  # where a raw image is linked; None: at the slot
    part: str = ""  # which an image in a package must be for, where its manifest says one
    plan_s: float = 30  # after asking: no plan means no event at all
    quiet_s: float = 40  # the module gives up by itself 30 s after a confirm without a URL
    corrections: int = 3  # how often a version that the module has misheard is stated again
    verdict_s: float = 5  # 10705 or 10706 after a version was stated
    plan_once: bool = False  # believe a plan that was said once: nothing guards it but the line
    requests: int = 7  # plans asked for in one session: once, and again when the module gave up
    module_components: frozenset[str] = frozenset()  # plans for these are the module's to carry out


class SessionOutcome(StrEnum):
    """How a session ended."""

    RESET = "reset"  # the MCU must start again: the boot has something to decide
    UPDATED = "updated"
    NO_PLAN = "no plan"
    REFUSED = "plan refused"
    REVERTED = "reverted"
    REJECTED = "image rejected"
    LOST = "given up by the module"
    MODULE = "the module upgrades itself"  # our yes was all that it needed


@dataclass(frozen=True, slots=True)
class Result:
    """How a session ended, and the error that a caller should raise for it."""

    outcome: SessionOutcome
    error: UpdaterError | None = None


REVERTS = frozenset({Reason.SELF_TEST, Reason.ATTEMPTS, Reason.NOT_INTACT})
"""Reasons of a trial; the others are found before the image could boot."""


def result_of(failed: Snapshot) -> Result:
    """How the session ends that reported the old version because of *failed*."""
    if failed.reason in REVERTS:
        error: UpdaterError = Reverted(
            f"version {failed.version} did not pass its trial",
            found=failed.reason.name.replace("_", " ").lower(),
            then="The old version runs again and was reported",
        )
        return Result(SessionOutcome.REVERTED, error)
    kind = VerificationFailed if failed.reason is Reason.FLASH else ImageRejected
    error = kind(
        f"version {failed.version} was rejected",
        found=failed.reason.name.replace("_", " ").lower(),
        then="The old version runs on and was reported",
    )
    return Result(SessionOutcome.REJECTED, error)
