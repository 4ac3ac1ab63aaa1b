"""What a device asks before it lets a plan or a package in, beyond component and versions.

The platform's limits of battery, signal and space only work if the device checks them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from mcu_updater.core.errors import UpdaterError
from mcu_updater.core.ota import DownloadStarted, PlanOffered


@dataclass(frozen=True, slots=True)
class Judgement:
    """*refusal*: why not; None: accept. *unchecked*: limits that could not be held against it."""

    refusal: str | None = None
    unchecked: tuple[str, ...] = ()


class Admission(Protocol):
    """May raise LinkError and PortError where it asks the module."""

    def judge_plan(self, plan: PlanOffered) -> Judgement:
        """Asked before the plan is journaled and confirmed: a refusal costs nothing."""

    def judge_module_plan(self, plan: PlanOffered) -> Judgement:
        """The same, of a plan for the module's own firmware: no slot has to hold it."""

    def judge_package(self, started: DownloadStarted) -> UpdaterError | None:
        """Asked before the first erase. What it returns ends the upgrade: the old version is
        reported, which the module answers with 10706."""


class AdmitAll:
    """Whatever is for this component and version may come."""

    def judge_plan(self, plan: PlanOffered) -> Judgement:
        del plan
        return Judgement()

    def judge_module_plan(self, plan: PlanOffered) -> Judgement:
        return self.judge_plan(plan)

    def judge_package(self, started: DownloadStarted) -> UpdaterError | None:
        del started
        return None


ADMIT_ALL = AdmitAll()
