"""What one module differs in from another: the dialect table.

Every field carries its meaning and its source; docs/reference/module-dialect.md is made of them.
Where no document says what a module does, the default is what the sources make likely, and the
field is marked as unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any

from mcu_updater.quectel.emulated.faults import Faults, NthCommand

__all__ = ["Family", "Faults", "Flag", "ModuleOptions", "NthCommand", "Order", "option_rows"]

SDK, AT, SIM, DOC, INF, OURS = (
    "SDK 2.9.0",
    "AT manual",
    "Quectel's MCU simulator",
    "platform manual",
    "inferred",
    "ours",
)
UNKNOWN = "unknown; "  # before the source of the default


class Family(StrEnum):
    CELLULAR = "cellular"
    NB = "nb"
    WIFI = "wifi"


class Flag(StrEnum):
    """When 10707 is said."""

    NEVER = "never"
    MULTI = "multi"
    ALWAYS = "always"


class Order(StrEnum):
    NONE = "none"
    BEFORE = "before"
    AFTER = "after"


# What repeats after no time would repeat for ever, and sizes of nothing hold nothing.
ABOVE_ZERO = (
    "downloading_every_s",
    "push_interval_s",
    "url_retry_s",
    "download_bytes_per_s",
    "piece_size",
    "max_read",
    "max_line_size",
    "max_tasks",
)


def _option(default: Any, meaning: str, source: str) -> Any:
    return field(default=default, metadata={"meaning": meaning, "source": source})


@dataclass(frozen=True, slots=True)
class ModuleOptions:
    """The emulated module. A field that is None turns its behaviour off."""

    # Limits of the upgrade
    url_limit_s: float | None = _option(
        30.0, "from confirm to URL, else 10706", SDK + "; 2.11 and later, and NB: unknown"
    )
    header_limit_s: float | None = _option(
        5.0, "from URL to HTTP header, else a download error", SDK + "; later: unknown"
    )
    read_gap_limit_s: float | None = _option(
        60.0, "between two reads within the piece, else 10706", SDK + "; later: unknown"
    )
    update_limit_s: float | None = _option(
        1200.0, "from action 3 to the version report, else 10706", SDK + "; later: unknown"
    )
    downloading_every_s: float = _option(5.0, "10702 again while downloading", SDK)
    max_download_errors: int = _option(
        5, "download errors that are retried in silence; one more: 10706", SDK + "; later: unknown"
    )

    # Pace of the network and the cloud
    boot_s: float = _option(2.0, "deaf after power on", OURS)
    connect_s: float = _option(1.0, "QIOTREG to 2,10200 and 3,10200", OURS)
    plan_delay_s: float = _option(0.2, "QIOTOTAREQ to 10700", OURS)
    url_delay_s: float | None = _option(0.5, "confirm to URL; none: it never comes", OURS)
    header_delay_s: float | None = _option(0.2, "URL to HTTP header; none: it never comes", OURS)
    url_retry_s: float = _option(10.0, "download error to the next URL", OURS)
    download_bytes_per_s: float = _option(20_000.0, "of the network", OURS)
    push_interval_s: float | None = _option(
        None, "plans come unasked, first so long after connecting; the platform's is 600", DOC
    )
    confirm_race_s: float = _option(
        0.0, "10700 is said so long before it can be confirmed (seen up to SDK 2.10)", INF
    )
    answer_delay_s: float = _option(
        0.0, "command to answer; the manual allows 0.3 for every QIOT command", AT
    )
    reconnects: bool = _option(
        True, "after a failed connection, in 1 s, 30 s, 5 min, 10 min, then every 30 min", SDK
    )

    # Memory
    piece_size: int | None = _option(None, "bytes of a piece; none: the whole package fits", SDK)
    max_read: int = _option(1024, "bytes of one QIOTOTARD; up to 4096 in the simulator", AT)
    max_line_size: int = _option(1088, "bytes of a command line, 1024 + 64; longer: ERROR", AT)
    max_tasks: int = _option(20, "components that one plan message offers", SDK)

    # Set-up
    family: Family = _option(  # noqa: RUF009  it makes a field
        Family.CELLULAR, "cellular, nb or wifi: server and lifetime", AT
    )
    echo: bool = _option(True, "ATE1 after power on", AT)
    product_key: str = _option("p11111", 'AT+QIOTCFG="productinfo"', OURS)
    product_secret: str = _option("c2VjcmV0", "the same", OURS)
    product_version: str = _option("1.0", "the same, and the module's own version", OURS)
    firmware_component: str = _option("app", "the module's own firmware, as plans name it", AT)
    install_s: float = _option(30.0, "the module installs its own firmware, deaf, and boots", OURS)
    sdk_version: str = _option("2.9.0", "AT+QIOTINFO?, sdk_ver", SDK)
    battery: int = _option(100, "AT+QIOTINFO?, percent", OURS)
    voltage_mv: int = _option(3800, "AT+QIOTINFO?, voltage", OURS)
    rsrp_dbm: int = _option(-85, "AT+QIOTINFO?, signal", OURS)
    signal_quality: int = _option(20, "AT+CSQ, 0 to 31, or 99", OURS)
    memory_free: int = _option(1_000_000, "AT+QIOTINFO?, bytes", OURS)
    first_authentication_event: bool = _option(
        False, "1,10200 before 2,10200, at the first connection with a product key", INF
    )

    # Unknown: no document says
    read_test_text: str = _option("0,(1-{max_read})", "AT+QIOTOTARD=?", UNKNOWN + INF)
    update_test_text: str = _option("(0-3)", "AT+QIOTUPDATE=?", UNKNOWN + INF)
    request_test_text: str = _option("(0,1)", "AT+QIOTOTAREQ=?", UNKNOWN + INF)
    max_request_info: int = _option(
        1, "AT+QIOTOTAREQ: 2.9.0 refuses 2 and 3; from 2.18 bit 1 asks for the URL", UNKNOWN + SDK
    )
    package_url: str = _option(
        "http://iot-south.quectelcn.com/package",
        "at the end of 10701, when asked for",
        UNKNOWN + OURS,
    )
    empty_read_is_error: bool = _option(
        True, 'a read of 0 bytes; false: "+QIOTOTARD: start,0" and OK', UNKNOWN + INF
    )
    oversized_read_is_error: bool = _option(
        False, "a read of more than max_read; false: it is shortened", UNKNOWN + INF
    )
    versions_in_one_line: bool = _option(
        False, 'AT+QIOTMCUVER? of older firmware: one "A:1;B:2"', UNKNOWN + SIM
    )
    update_flag: Flag = _option(  # noqa: RUF009
        Flag.MULTI, "10707 after confirm and refuse: never, always, or for several components", SDK
    )
    update_flag_text: str | None = _option(
        "{value}", "arguments of 10707, a number in C; none: none", UNKNOWN + INF
    )
    crc: int | None = _option(
        None, "CRC in 10701, whose algorithm is unknown; none: the package's CRC-32", UNKNOWN + OURS
    )
    urcs_in_answers: bool = _option(
        False, "URCs come within an answer, after its first half; false: behind it", UNKNOWN + SDK
    )
    link_loss_code: int | None = _option(
        None,
        "event 2 when the network goes (10473 heartbeat, 10474 network timeout); none: nothing",
        UNKNOWN + OURS,
    )
    modem_error_text: str = _option(
        "ERROR", "to malformed and unknown lines; seen elsewhere: +CME ERROR: 3", UNKNOWN + INF
    )
    leading_line_ends: bool = _option(
        True, "CR LF before answers and URCs, as on a UART; the SDK's TCP front-end has none", SDK
    )
    config_space: bool = _option(
        True, 'a space in +QIOTCFG: "..."; some examples have none', UNKNOWN + AT
    )
    fota_end: Order = _option(  # noqa: RUF009
        Order.NONE, '+QIND: "FOTA","END",0 near 10705: none, before (2025), after (2022)', AT
    )

    # Which target version a verdict is compared with
    target_comes_with_url: bool = _option(
        True,
        "between confirm and URL a version is compared with the target of the upgrade before, or "
        "with none; false: with the plan's, as the documents read",
        SDK,
    )
    old_target_survives_reboot: bool = _option(
        True, "the target of an upgrade that is over is known after a reboot", UNKNOWN + INF
    )

    # Faults of SDK 2.9.0 that a module may have
    quirk_flag_zero: bool = _option(False, "10707 says 0 for refuse, too (else 1)", SDK)
    quirk_or_status: bool = _option(
        False, "a status that waits for the link is mixed into the state that a version meets", SDK
    )
    quirk_substring_versions: bool = _option(
        False, "a component is found by the end of another's name in the version list", SDK
    )

    def __post_init__(self) -> None:
        """Values that come from a file are plain text. Raises ValueError for what cannot be."""
        for name, kind in (("family", Family), ("update_flag", Flag), ("fota_end", Order)):
            object.__setattr__(self, name, kind(getattr(self, name)))
        for name in ABOVE_ZERO:
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"{name} must be more than 0, not {value}")
        self._check_texts()

    def _check_texts(self) -> None:
        """Each can be filled in and sent."""
        for one in fields(self):
            text = getattr(self, one.name)
            if isinstance(text, str):
                try:
                    if one.name.endswith("_text"):
                        text = text.format(max_read=self.max_read, value=0)
                    text.encode("latin-1")
                except (LookupError, ValueError) as error:
                    raise ValueError(f"{one.name} cannot be {text!r}: {error!r}") from error


def option_rows() -> list[tuple[str, ...]]:
    """Name, default, meaning and source of each."""
    return [
        (one.name, value_text(one.default), one.metadata["meaning"], one.metadata["source"])
        for one in fields(ModuleOptions)
    ]


def value_text(value: object) -> str:
    """As it is written in an assignment."""
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return str(value)


def parse_options(texts: Mapping[str, str]) -> dict[str, Any]:
    """Values for the named fields. Raises ValueError that says which, and what it may be."""
    return {name: _parse(name, text) for name, text in texts.items()}


_KINDS = {one.name: str(one.type) for one in fields(ModuleOptions)}
_WORDS = {"true": True, "false": False}
_CHOICES: dict[str, type[StrEnum]] = {"Family": Family, "Flag": Flag, "Order": Order}


def _parse(name: str, text: str) -> Any:
    kind = _KINDS.get(name)
    if kind is None:
        raise ValueError(f"no option is called {name!r}")
    base, _, optional = kind.partition(" | ")
    if optional and text == "none":
        return None
    try:
        if base in _CHOICES:
            return _CHOICES[base](text)
        return _WORDS[text.lower()] if base == "bool" else _READ[base](text)
    except (KeyError, ValueError):
        raise ValueError(f"{name} cannot be {text!r}: expected {_expected(kind)}") from None


def _unsigned_float(text: str) -> float:
    value = float(text)
    if not 0 <= value < float("inf"):
        raise ValueError(text)
    return value


_READ: dict[str, Callable[[str], Any]] = {"int": int, "float": _unsigned_float, "str": str}


def _expected(kind: str) -> str:
    if kind in _CHOICES:
        return ", ".join(_CHOICES[kind])
    words = {"bool": "true or false", "int": "a whole number", "float": "a number from 0 up"}
    base, _, optional = kind.partition(" | ")
    return words.get(base, "text") + (", or none" if optional else "")
