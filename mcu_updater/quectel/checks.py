"""The platform's limits, held against what the module knows; and the package that was asked for.

Battery and signal are read from ``AT+QIOTINFO?``, whose items differ from module to module, and
the signal from ``AT+CSQ`` where they do not have it. A plan gives its signal limit in dBm; the
manual's example, -113, is the lowest value of CSQ. What cannot be found out is not held against
a plan, and said.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from mcu_updater.core.admission import Judgement
from mcu_updater.core.errors import ImageRejected, UpdaterError
from mcu_updater.core.ota import DownloadStarted, PlanOffered

SIGNAL_ITEMS = ("rsrp", "signal_strength")  # of AT+QIOTINFO?; where negative, dBm
BATTERY_ITEM = "battery"  # percent


class ModuleInfo(Protocol):
    """The module, as far as it can be asked for its condition."""

    def info(self) -> Mapping[str, str]:
        """Items of ``AT+QIOTINFO?``; empty where the module does not know the command."""

    def csq(self) -> int | None:
        """The first number of ``AT+CSQ``; None where there is none."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The package that must come, and no other: length in bytes, digests raw."""

    length: int
    md5: bytes
    sha256: bytes


class Checks:
    """``Admission`` by the limits of the plan and the owner's wishes.

    *battery* and *signal* are the device's own readings, in percent and in dBm; None: the module's
    counts. *max_package* is the largest package, in bytes, that can hold an image for the slot.
    """

    def __init__(
        self,
        module: ModuleInfo,
        *,
        max_package: int,
        battery: int | None = None,
        signal: int | None = None,
        wanted: Wanted | None = None,
    ) -> None:
        self._module = module
        self._max_package = max_package
        self._battery, self._signal = battery, signal
        self._wanted = wanted

    def judge_plan(self, plan: PlanOffered) -> Judgement:
        if plan.space > self._max_package:
            found = f"it needs {plan.space} bytes, {self._max_package} are the most for this slot"
            return Judgement(found)
        return self.judge_module_plan(plan)

    def judge_module_plan(self, plan: PlanOffered) -> Judgement:
        judgement = self._judge_condition(plan)
        if judgement.refusal is None and (plan.battery_limit or plan.min_signal):
            return self._judge_condition(plan)  # a digit may have been misread: look twice
        return judgement

    def _judge_condition(self, plan: PlanOffered) -> Judgement:
        info = self._module.info() if plan.battery_limit or plan.min_signal else {}
        limits: list[tuple[str, int, str, Callable[[], int | None]]] = [
            ("battery", plan.battery_limit, "%", lambda: self._battery_percent(info)),
            ("signal", plan.min_signal, "dBm", lambda: self._signal_dbm(info)),
        ]
        unchecked = []
        for name, limit, unit, measure in limits:
            value = measure() if limit else limit  # 0: the plan sets no limit
            if value is None:
                unchecked.append(f"{name} is not known: the limit of {limit} {unit} is not checked")
            elif value < limit:
                return Judgement(f"{name} is at {value} {unit}, the plan asks for {limit} {unit}")
        return Judgement(unchecked=tuple(unchecked))

    def judge_package(self, started: DownloadStarted) -> UpdaterError | None:
        wanted = self._wanted
        if wanted is None:
            return None
        pairs = (
            ("length", f"{wanted.length} bytes", f"{started.length} bytes"),
            ("MD5", wanted.md5.hex(), started.md5.hex()),
            ("SHA-256", wanted.sha256.hex(), (started.sha256 or wanted.sha256).hex()),
        )
        for name, expected, found in pairs:
            if expected != found:
                return ImageRejected(
                    "the package offered is not the one given",
                    where="event 10701",
                    expected=f"{name} {expected}",
                    found=found,
                    then="Nothing was erased; the module was told that the upgrade failed",
                )
        return None

    def _battery_percent(self, info: Mapping[str, str]) -> int | None:
        return self._battery if self._battery is not None else _integer(info.get(BATTERY_ITEM))

    def _signal_dbm(self, info: Mapping[str, str]) -> int | None:
        if self._signal is not None:
            return self._signal
        for item in SIGNAL_ITEMS:
            value = _integer(info.get(item))
            if value is not None and value < 0:
                return value
        csq = self._module.csq()
        return None if csq is None or not 0 <= csq <= 31 else 2 * csq - 113  # 3GPP TS 27.007, 8.5


def _integer(text: str | None) -> int | None:
    """A leading whole number: items come as ``-97`` or ``85%``."""
    found = re.match(r"\s*(-?[0-9]{1,6})\b", text or "")
    return int(found[1]) if found else None
