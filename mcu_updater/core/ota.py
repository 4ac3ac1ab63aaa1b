"""What the module says about an upgrade, and what it can be told. Protocol and values only.

The events are ``+QIOTEVT: 7,107xx`` of the QuecThing AT manual; the AT client in
``quectel/client.py`` is the implementation that speaks to real and emulated modules.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class PlanOffered:
    """10700: the cloud offers an upgrade. *space* is the package's size in bytes."""

    component: str
    source_version: str  # empty: any version may be upgraded
    target_version: str
    battery_limit: int  # percent
    min_signal: int  # dBm
    space: int


@dataclass(frozen=True, slots=True)
class DownloadStarted:
    """10701: the module begins to download. *length* is the whole package's, in bytes."""

    component: str
    length: int
    md5: bytes  # 16 bytes
    crc: int  # algorithm unknown: never checked
    sha256: bytes | None  # 32 bytes; None when it was not asked for


@dataclass(frozen=True, slots=True)
class Downloading:
    """10702: repeated about every 5 s; stands for 10701 on later pieces and on retries."""


@dataclass(frozen=True, slots=True)
class PieceReady:
    """10703: the module holds package bytes [start, start + size) and nothing else."""

    component: str
    length: int
    start: int
    size: int


@dataclass(frozen=True, slots=True)
class Updating:
    """10704: the module has taken note that the MCU updates itself."""


@dataclass(frozen=True, slots=True)
class UpdateSucceeded:
    """10705: the reported version equals the plan's target."""


@dataclass(frozen=True, slots=True)
class UpdateFailed:
    """10706: the module has given the upgrade up."""


@dataclass(frozen=True, slots=True)
class OtherOtaEvent:
    """An OTA event that changes nothing here: 10707, 10708, or one not known yet."""

    code: int
    arguments: str


OtaEvent = (
    PlanOffered
    | DownloadStarted
    | Downloading
    | PieceReady
    | Updating
    | UpdateSucceeded
    | UpdateFailed
    | OtherOtaEvent
)

EVENT_CODES: dict[type, int] = {
    PlanOffered: 10700,
    DownloadStarted: 10701,
    Downloading: 10702,
    PieceReady: 10703,
    Updating: 10704,
    UpdateSucceeded: 10705,
    UpdateFailed: 10706,
}


def is_reportable(text: str) -> bool:
    """Whether a component or version can be stated: ``:`` and ``;`` part the module's list of them,
    and a quote ends an AT string."""
    return text.isascii() and text.isprintable() and not set(':;"') & set(text)


class OtaModule(Protocol):
    """The module as the updater sees it.

    Every method raises LinkError when retries did not bring an answer, and PortError when the
    pipe is gone. A method that the module answered with ERROR raises ModuleRefused, except
    where it says otherwise.
    """

    def connect(self) -> None:
        """Make sure that the module is registered and ready (state 8)."""

    def report_version(self, component: str, version: str) -> None:
        """``AT+QIOTMCUVER=``: state the running version. During an upgrade this is the verdict."""

    def known_versions(self) -> Mapping[str, str]:
        """``AT+QIOTMCUVER?``: the versions that the module has been told, by component.

        Empty where it does not say.
        """

    def request_plan(self) -> None:
        """``AT+QIOTOTAREQ=1``: ask for a plan, with SHA-256. No plan means no event."""

    def refuse(self) -> None:
        """``AT+QIOTUPDATE=0``: decline the plan."""

    def confirm(self) -> None:
        """``AT+QIOTUPDATE=1``: accept the plan."""

    def next_piece(self) -> None:
        """``AT+QIOTUPDATE=2``: have the next piece downloaded; this one cannot be read again."""

    def announce_update(self) -> None:
        """``AT+QIOTUPDATE=3``: all is read, the MCU updates itself; 20 minutes from here."""

    def read(self, start: int, size: int) -> bytes | None:
        """``AT+QIOTOTARD=``: package bytes from the absolute offset *start*.

        Fewer than *size* at the end of the piece. None when the module answers ERROR: the
        offset is outside the piece, or it holds no piece at all.
        """

    def next_event(self, timeout_s: float) -> OtaEvent | None:
        """The next OTA event in order of arrival, or None after *timeout_s* without one.

        Raises LinkError for an event that arrived damaged; the next call goes on behind it.
        """

    def memory(self) -> Hashable:
        """What is held in RAM here, between two calls, that decides what later calls do."""
