"""OTA events, ``+QIOTEVT: 7,107xx``, as text and as values of ``ota.py``.

Field orders: QuecThing AT manual, interaction events; quoting: its transcripts and the printf
formats of module SDK 2.9.0 (the manual's table leaves the quotes of 10700 out, so bare strings
are read too). Further arguments at the end are tolerated: SDK 2.18 can append a URL.

A known event whose arguments cannot be read raises MalformedEventError. It is not passed on as an
OtherOtaEvent: whoever waits for it would then wait until the module's 60 s limit has failed
the upgrade. Without any arguments, 10701 and 10703 speak of the module's own firmware, and
are OtherOtaEvent, like every code that is not known.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from mcu_updater.core import ota
from mcu_updater.core.errors import LinkError
from mcu_updater.quectel.at import Urc, format_urc, split_arguments, unquote

OTA_EVENT_TYPE = 7


class MalformedEventError(LinkError):
    """An event arrived that cannot be read; what it announced is lost."""

    def __init__(self, urc: Urc, reason: str) -> None:
        self.urc = urc
        self.reason = reason
        super().__init__(
            "event cannot be read",
            where=f"+QIOTEVT: {urc.type},{urc.code}",
            expected=reason,
            found=repr(urc.arguments),
            then="The module may hold a piece that nobody reads: read it, or end the upgrade",
        )


def parse_ota_event(urc: Urc) -> ota.OtaEvent:
    """The event's value. Raises MalformedEventError, see above."""
    if urc.type != OTA_EVENT_TYPE:
        raise MalformedEventError(urc, "an event of type 7")
    reader = _READERS.get(urc.code)
    if reader is None:
        return ota.OtherOtaEvent(urc.code, urc.arguments)
    try:
        return reader(urc.arguments)
    except (ValueError, IndexError) as error:
        raise MalformedEventError(urc, _FIELDS[urc.code]) from error


def _plan(arguments: str) -> ota.OtaEvent:
    fields = split_arguments(arguments)
    component, source, target = (unquote(field) for field in fields[:3])
    battery, signal, space = _unsigned(fields[3]), _signed(fields[4]), _unsigned(fields[5])
    return ota.PlanOffered(_named(component), source, target, battery, signal, space)


def _started(arguments: str) -> ota.OtaEvent:
    if not arguments:
        return ota.OtherOtaEvent(10701, "")
    fields = split_arguments(arguments)
    length, crc = _unsigned(fields[1]), _unsigned(fields[3])
    md5, component = _digest(fields[2], 16), _named(unquote(fields[0]))
    return ota.DownloadStarted(component, length, md5, crc, _sha256(fields[4:]))


def _sha256(rest: list[str]) -> bytes | None:
    """The fifth argument, unless it is missing or a URL stands in its place."""
    if not rest or not rest[0] or "://" in rest[0]:
        return None
    return _digest(rest[0], 32)


def _ready(arguments: str) -> ota.OtaEvent:
    if not arguments:
        return ota.OtherOtaEvent(10703, "")
    fields = split_arguments(arguments)
    length, start, size = (_unsigned(field) for field in fields[1:4])
    if size == 0 or start + size > length:
        raise ValueError("the piece lies outside the package")
    return ota.PieceReady(_named(unquote(fields[0])), length, start, size)


def _named(component: str) -> str:
    if not component:
        raise ValueError("the component has no name")
    return component


def _unsigned(token: str) -> int:
    """The SDK prints 32 bits."""
    if not (token.isascii() and token.isdigit()) or len(token) > 10 or int(token) >= 1 << 32:
        raise ValueError(f"{token!r} is not an unsigned number of 32 bits")
    return int(token)


def _signed(token: str) -> int:
    magnitude = token.removeprefix("-")
    return -_unsigned(magnitude) if magnitude != token else _unsigned(token)


def _digest(token: str, size: int) -> bytes:
    text = unquote(token)
    digest = bytes.fromhex(text)  # which passes over blanks
    if len(text) != 2 * size or len(digest) != size:
        raise ValueError(f"{token!r} is not a digest of {size} bytes")
    return digest


_READERS: dict[int, Callable[[str], ota.OtaEvent]] = {
    10700: _plan,
    10701: _started,
    10702: lambda _: ota.Downloading(),
    10703: _ready,
    10704: lambda _: ota.Updating(),
    10705: lambda _: ota.UpdateSucceeded(),
    10706: lambda _: ota.UpdateFailed(),
}

_FIELDS = {
    10700: '"component","source","target",battery,signal,space',
    10701: '"component",length,"md5",crc[,"sha256"]',
    10703: '"component",length,start,size within length',
}


def format_ota_event(event: ota.OtaEvent) -> bytes:
    """The bytes on the wire, ``\\r\\n`` on both sides."""
    if isinstance(event, ota.OtherOtaEvent):
        return format_urc(OTA_EVENT_TYPE, event.code, event.arguments)
    return format_urc(OTA_EVENT_TYPE, ota.EVENT_CODES[type(event)], _arguments_of(event))


def _arguments_of(event: ota.OtaEvent) -> str:
    match event:
        case ota.PlanOffered():
            strings = f'"{event.component}","{event.source_version}","{event.target_version}"'
            return f"{strings},{event.battery_limit},{event.min_signal},{event.space}"
        case ota.DownloadStarted():
            head = f'"{event.component}",{event.length},"{event.md5.hex()}",{event.crc}'
            return head if event.sha256 is None else f'{head},"{event.sha256.hex()}"'
        case ota.PieceReady():
            return f'"{event.component}",{event.length},{event.start},{event.size}'
        case ota.OtherOtaEvent():
            return event.arguments
        case ota.Downloading() | ota.Updating() | ota.UpdateSucceeded() | ota.UpdateFailed():
            return ""
        case _:
            assert_never(event)
