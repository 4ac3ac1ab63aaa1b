"""The states of a plan, and what its owner may do in which.

::

    saved -activate-> active -> upgrading -> ended
      |                  |  ^       |
      | edit, delete     | paused <-+      pause and resume
                         +-> terminated <- from all three

*active* becomes *upgrading* by itself when a first device confirms, and any of them *ended* when
the planned time is over. So these two are not stored: they are seen.
"""

from __future__ import annotations

from enum import StrEnum

from mcu_updater.cloud.center.model import UpgradePlan


class PlanState(StrEnum):
    """What the platform shows of a plan."""

    SAVED = "saved"
    ACTIVE = "active"
    UPGRADING = "upgrading"
    PAUSED = "paused"
    TERMINATED = "terminated"
    ENDED = "ended"


class Action(StrEnum):
    """What the owner of a plan may do with it."""

    ACTIVATE = "activate"
    PAUSE = "pause"
    RESUME = "resume"
    TERMINATE = "terminate"


S, A = PlanState, Action

ACTIONS: dict[tuple[Action, PlanState], PlanState] = {
    (A.ACTIVATE, S.SAVED): S.ACTIVE,
    (A.PAUSE, S.ACTIVE): S.PAUSED,
    (A.PAUSE, S.UPGRADING): S.PAUSED,
    (A.RESUME, S.PAUSED): S.ACTIVE,
    (A.TERMINATE, S.ACTIVE): S.TERMINATED,
    (A.TERMINATE, S.UPGRADING): S.TERMINATED,
    (A.TERMINATE, S.PAUSED): S.TERMINATED,
}
"""What is not here cannot be done."""

OVER = frozenset({S.TERMINATED, S.ENDED})
"""Who has not confirmed by then has failed."""


def seen_state(plan: UpgradePlan, stored: PlanState, now_s: float, *, begun: bool) -> PlanState:
    """The state of *plan* at *now_s*. *begun*: a device has confirmed it."""
    if stored in (S.SAVED, S.TERMINATED):
        return stored
    if now_s >= plan.end_s:
        return S.ENDED
    return S.UPGRADING if stored is S.ACTIVE and begun else stored
