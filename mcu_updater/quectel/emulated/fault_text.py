"""Faults as they are written on a command line: ``KIND[@PLACE][=VALUE]``.

One table says which kinds there are; ``--help`` and the parser are made of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from mcu_updater.core.errors import UsageError
from mcu_updater.quectel.at import format_line
from mcu_updater.quectel.connection import CONNECTION_EVENT_TYPES
from mcu_updater.quectel.emulated.faults import NOWHERE, DownloadFailure, Faults, Rate

# kind -> (form, meaning)
KINDS: dict[str, tuple[str, str]] = {
    "error": ("@NAME:N", "the Nth command of that name gets ERROR and is not carried out"),
    "lose-command": ("@NAME:N", "it never arrives"),
    "lose-answer": ("@NAME:N", "it is carried out, and nothing comes back"),
    "truncate": ("@NAME:N=SIZE", "so many bytes of its answer come"),
    "hang": (
        "@NAME:N[=SECONDS]",
        "all stops until the module's watchdog reboots it, or for ever",
    ),
    "reboot": ("@NAME:N", "the module reboots instead"),
    "link-loss": ("@NAME:N[=SECONDS]", "the network is gone from then on, for 60 s"),
    "silent": ("@N", "from command N on no answer and no URC"),
    "unplug": ("@N", "the pipe ends after N commands"),
    "drop": ("@POSITION or =RATE", "bytes that the module sends are lost"),
    "double": ("@POSITION or =RATE", "they come twice"),
    "corrupt": ("@POSITION or =RATE", "one bit of them is turned over"),
    "delay": ("@POSITION[=SECONDS] or =RATE", "they and what follows come later, by 0.5 s"),
    "insert": ("@POSITION=TEXT", "a line comes before that byte, even within data"),
    "drop-received": ("@POSITION or =RATE", "bytes that the host sends are lost"),
    "double-received": ("@POSITION or =RATE", "they come twice"),
    "corrupt-received": ("@POSITION or =RATE", "one bit of them is turned over"),
    "between-lines": ("[@LINE]=TEXT", "a line comes before every line of every answer, or that"),
    "noise": ("=TEXT", "comes before every answer"),
    "failing-downloads": ("=N", "the first N downloads get no HTTP header"),
    "refused-downloads": ("=N", "the first N get an HTTP error"),
    "broken-downloads": ("=N", "the first N break half-way"),
    "bad-url": ("=N", "the first N URL messages lack a field: 10706"),
    "refuse-connection": ("=TYPE,CODE[,N]", "the first N connections, or all, end in that event"),
}

_FORM = re.compile(r"([a-z-]+)(?:@([^=]*))?(?:=(.*))?", re.DOTALL)
_COMMANDS = {"error": "answer_error_to"}  # kinds whose field has another name
_BYTES = {
    "drop": "drop_sent",
    "double": "double_sent",
    "corrupt": "corrupt_sent",
    "delay": "delay_sent",
    "drop-received": "drop_received",
    "double-received": "double_received",
    "corrupt-received": "corrupt_received",
}
_DOWNLOADS = {
    "failing-downloads": DownloadFailure.HEADER,
    "refused-downloads": DownloadFailure.STATUS,
    "broken-downloads": DownloadFailure.BROKEN,
}


def parse_faults(texts: Iterable[str], seed: int = 0) -> Faults:
    """All of them together; *seed* is that of the rates. Raises UsageError."""
    faults = Faults()
    for text in texts:
        found = _FORM.fullmatch(text)
        kind = found[1] if found else ""
        if found is None or kind not in KINDS:
            raise _bad(text, f"one of {', '.join(KINDS)}")
        try:
            faults = replace(faults, **_fields(faults, kind, found[2], found[3], seed))
        except (ValueError, TypeError, OverflowError):
            raise _bad(text, kind + KINDS[kind][0]) from None
    return faults


def _bad(text: str, expected: str) -> UsageError:
    return UsageError("no such fault", expected=expected, found=text)


def _fields(
    faults: Faults, kind: str, place: str | None, value: str | None, seed: int
) -> dict[str, Any]:
    """The fields of Faults that this one changes. Raises ValueError or TypeError."""
    if kind in _BYTES:
        return _bytes(faults, kind, place, value, seed)
    if kind in _DOWNLOADS:
        count = _count(_only(value, place))
        return {"failing_downloads": count, "download_failure": _DOWNLOADS[kind]}
    return _READERS[kind](faults, kind, place, value)


def _bytes(
    faults: Faults, kind: str, place: str | None, value: str | None, seed: int
) -> dict[str, Any]:
    name = _BYTES[kind]
    if place is None:
        return {name: Rate(_share(value), f"{seed}/{kind}")}
    before = getattr(faults, name)
    if isinstance(before, Rate):
        raise ValueError("a rate and a position")
    fields = {name: before | {_count(place)}}
    if value is not None:
        if kind != "delay":
            raise ValueError(value)
        fields["delay_s"] = _seconds(value)
    return fields


def _nth(faults: Faults, kind: str, place: str | None, value: str | None) -> dict[str, Any]:
    """Kinds whose place is a command; some say for how long."""
    name = _COMMANDS.get(kind, kind.replace("-", "_"))
    fields: dict[str, Any] = {name: getattr(faults, name) | {_command(place)}}
    if value is not None:
        if kind not in ("hang", "link-loss"):
            raise ValueError(value)
        fields[f"{name}_s"] = _seconds(value)
    return fields


def _truncate(faults: Faults, _: str, place: str | None, value: str | None) -> dict[str, Any]:
    return {"truncate_answer": (*faults.truncate_answer, (*_command(place), _count(value)))}


def _silent(_: Faults, __: str, place: str | None, value: str | None) -> dict[str, Any]:
    return {"silent_from": _count(_only(place, value))}


def _unplug(_: Faults, __: str, place: str | None, value: str | None) -> dict[str, Any]:
    return {"unplug_after": _count(_only(place, value))}


def _insert(faults: Faults, _: str, place: str | None, value: str | None) -> dict[str, Any]:
    return {"insert_sent": (*faults.insert_sent, (_count(place), _line(value)))}


def _between(faults: Faults, _: str, place: str | None, value: str | None) -> dict[str, Any]:
    places = None if place is None else (faults.insert_at or NOWHERE) | {_count(place)}
    return {"insert_between_lines": _line(value), "insert_at": places}


def _noise(_: Faults, __: str, place: str | None, value: str | None) -> dict[str, Any]:
    return {"noise_before_answer": _line(_only(value, place))}


def _bad_url(_: Faults, __: str, place: str | None, value: str | None) -> dict[str, Any]:
    return {"bad_url_messages": _count(_only(value, place))}


def _refuse(_: Faults, __: str, place: str | None, value: str | None) -> dict[str, Any]:
    event_type, code, *times = map(_count, _only(value, place).split(","))
    if event_type not in CONNECTION_EVENT_TYPES or len(times) > 1:
        raise ValueError(value)
    return {"refuse_connection": (event_type, code), "refusals": times[0] if times else None}


_READERS: dict[str, Callable[[Faults, str, str | None, str | None], dict[str, Any]]] = {
    **dict.fromkeys(("error", "lose-command", "lose-answer", "hang", "reboot", "link-loss"), _nth),
    "truncate": _truncate,
    "silent": _silent,
    "unplug": _unplug,
    "insert": _insert,
    "between-lines": _between,
    "noise": _noise,
    "bad-url": _bad_url,
    "refuse-connection": _refuse,
}


# --- words --------------------------------------------------------------------------------


def _only(wanted: str | None, other: str | None) -> str:
    if wanted is None or other is not None:
        raise ValueError(other)
    return wanted


def _command(place: str | None) -> tuple[str, int]:
    """``+QIOTUPDATE:2``, or ``QIOTUPDATE:2``."""
    name, _, number = (place or "").rpartition(":")
    if not name:
        raise ValueError(place)
    plus = "" if name.startswith("+") or not name.startswith("Q") else "+"
    return plus + name, _count(number)


def _count(text: str | None) -> int:
    if text is None or not re.fullmatch("[0-9]{1,12}", text):
        raise ValueError(text)
    return int(text)


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise ValueError(text)
    return value


def _share(text: str | None) -> float:
    value = float(text or "")
    if not 0 < value <= 1:
        raise ValueError(text)
    return value


def _line(text: str | None) -> bytes:
    if text is None:
        raise ValueError(text)
    return format_line(text)
