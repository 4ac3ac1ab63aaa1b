"""What one console works on: the center file and the state file, as every request finds them."""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from mcu_updater.cloud.center.device_session import open_state
from mcu_updater.cloud.center.followed import FollowedFile
from mcu_updater.cloud.center.load import CenterFile
from mcu_updater.cloud.center.store import Store
from mcu_updater.console.modules import ModuleFarm

BUSY_S = 5.0
"""How long a request waits for another process that writes to the state file."""


class _Entered:
    """Which center file has been entered into which state file. It is a write: once will do."""

    def __init__(self) -> None:
        self._last: tuple[CenterFile, tuple[int, int]] | None = None

    def opened(self, file: CenterFile, db: Path) -> Store:
        last = self._last
        if last is not None and last[0] is file and last[1] == identity(db):
            store = Store.open(db)
            store.wait_at_most(BUSY_S)
            return store
        store = open_state(file, db, busy_s=BUSY_S)
        found = identity(db)
        self._last = None if found is None else (file, found)
        return store


class _Revision:
    """Of the center file that was asked for last: it takes long for thousands of devices."""

    def __init__(self) -> None:
        self._last: tuple[CenterFile, str] | None = None

    def of(self, file: CenterFile) -> str:
        last = self._last
        if last is None or last[0] is not file:
            digest = hashlib.sha256(repr(file.center).encode()).hexdigest()[:16]
            self._last = last = file, digest
        return last[1]


def identity(path: Path) -> tuple[int, int] | None:
    """Another one, if the file was replaced; None, if there is none."""
    with contextlib.suppress(OSError):
        status = path.stat()
        return status.st_dev, status.st_ino
    return None


@dataclass(frozen=True)
class Console:
    """What one console works on. *boards*: where board files of emulated devices are kept.
    *modules*: those that it serves; None: nobody asked for them."""

    file: FollowedFile
    db: Path
    token: str | None = None
    boards: Path | None = None
    modules: ModuleFarm | None = None
    _entered: _Entered = field(default_factory=_Entered, repr=False, compare=False)
    _revision: _Revision = field(default_factory=_Revision, repr=False, compare=False)

    def __post_init__(self) -> None:
        """From now on a center file that contradicts the state file (an activated plan is another
        one, or gone) is a fault of the file: the console goes on with the one before.

        Raises BadCenterFile where it is so already, PortError where the state file cannot be used.
        """
        self.file.accept_only(lambda file: self._entered.opened(file, self.db).close())

    def module_address(self, device_id: str) -> str | None:
        """What a client of the device opens; None: it has no module here."""
        return None if self.modules is None else self.modules.address_of(device_id)

    def store(self) -> Store:
        """The state file, opened for one request: whoever asks closes it.

        All plans and devices of the center file are in it. Raises PortError where it cannot be
        used, BadCenterFile where another has taken its place, which the file contradicts.
        """
        return self._entered.opened(self.file.now(), self.db)

    def revision(self) -> str:
        """16 hex digits of what the center file holds now."""
        return self._revision.of(self.file.now())
