"""The file in which a served module and its cloud outlive their process.

JSON, replaced in one step whenever something changed that a power loss of the module would not
take: so a killed process loses nothing. The package's bytes are not in it; its SHA-256 is.
"""

from __future__ import annotations

import json
from collections.abc import Hashable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from mcu_updater.cloud.cloud import KeptCloud, packages_of
from mcu_updater.cloud.single_device import OtherPlans
from mcu_updater.core.errors import PortError, Remedy, UsageError
from mcu_updater.quectel.emulated.module import EmulatedModule
from mcu_updater.quectel.emulated.options import Faults, ModuleOptions
from mcu_updater.storage import hold, write_whole

VERSION = 1  # of the file


class StateFile:
    """*path*, which need not exist yet. From ``open`` to ``close`` it is nobody else's.

    *for_boot*: it is for a module that boots when it is opened again. Then what a boot loses is
    not worth a write. A kill of this process loses nothing, but a power cut of the computer may.
    """

    def __init__(self, path: Path, *, for_boot: bool = False) -> None:
        self._path = path
        self._for_boot = for_boot
        self._known: Hashable = None
        self._held = ExitStack()

    def open(
        self,
        center: KeptCloud,
        options: ModuleOptions,
        faults: Faults,
        paused: bool,
        now_s: float = 0.0,
    ) -> tuple[EmulatedModule, KeptCloud]:
        """Module and cloud as the file has them, or new ones, at *now_s*.

        The module has been without power meanwhile, and boots; with *paused* no time has passed
        for it at all. Raises PortError when the file cannot be read or another process has it,
        UsageError when it belongs to other plans than *center*'s.
        """
        with ExitStack() as held:
            held.enter_context(hold(self._path))
            opened = self._open(center, options, faults, paused, now_s)
            self._held = held.pop_all()
        return opened

    def close(self) -> None:
        """Let go of the file."""
        self._held.close()

    def _open(
        self,
        center: KeptCloud,
        options: ModuleOptions,
        faults: Faults,
        paused: bool,
        now_s: float,
    ) -> tuple[EmulatedModule, KeptCloud]:
        saved = self._read()
        if saved is None:
            return EmulatedModule(center, options, faults, now_s), center
        try:
            center = center.restored(saved["center"], saved["packages"])
            module = EmulatedModule.load(saved["module"], center, options, faults, now_s)
            self._check_under_way(module)
        except OtherPlans as other:
            raise self._of_others(other) from other
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise self._unusable("is no state of a module", str(error)) from error
        if not paused:
            module.transmit()  # what it said to the wire of a process that is gone
            module.power_cut(now_s)
            module.power_on(now_s)
        return module, center

    def keep(
        self, module: EmulatedModule, center: KeptCloud, now_s: float, always: bool = False
    ) -> None:
        """Write, if something has changed that is worth it, or *always*."""
        own = module.lasting_memory() if self._for_boot else module.own_memory()
        memory = own, center.kept()
        if always or memory != self._known:
            self.write(module, center, now_s)
            self._known = memory

    def write(self, module: EmulatedModule, center: KeptCloud, now_s: float) -> None:
        """Raises PortError when that cannot be done; the old file stays."""
        state = {
            "state": VERSION,
            "packages": packages_of(center),
            "module": module.save(now_s),
            "center": center.save(now_s),
        }
        data = json.dumps(state, indent=None if self._for_boot else 1).encode()
        write_whole(self._path, data, durable=not self._for_boot)

    def _read(self) -> dict[str, Any] | None:
        try:
            saved = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise self._unusable("is no readable state file", str(error)) from error
        if not isinstance(saved, dict) or saved.get("state") != VERSION:
            raise self._unusable("is no state file of this version", f"not version {VERSION}")
        return saved

    def _check_under_way(self, module: EmulatedModule) -> None:
        """What the module is about to install is still there."""
        plan = module.plan
        if plan is not None and not plan.package.data:
            expected = f"{plan.component} to {plan.target_version}, of the same package"
            raise OtherPlans("plans", expected, "a center file without it")

    def _of_others(self, other: OtherPlans) -> UsageError:
        return UsageError(
            f"the state belongs to other {other.what}",
            where=str(self._path),
            expected=json.dumps(other.expected),
            found=json.dumps(other.found),
            remedies=[Remedy.OTHER_STATE],
        )

    def _unusable(self, what: str, found: str) -> PortError:
        return PortError(what, where=str(self._path), found=found, then="Nothing was changed")
