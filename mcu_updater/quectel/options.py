"""What one module differs in from another: dialect, limits, unknowns, and faults.

[SDK] module SDK 2.9.0; [AT] QuecThing AT manual; [SIM] Quectel's MCU simulator; [ours] a choice.
Whether the [SDK] limits still hold in 2.11 and later, or on the NB LwM2M line, is not known.
"""

from __future__ import annotations

from dataclasses import dataclass

NthCommand = tuple[str, int]  # ("+QIOTUPDATE", 2): the second command of that name


@dataclass(frozen=True, slots=True)
class ModuleOptions:
    """The emulated module. A field that is None turns its behaviour off."""

    # Limits of the upgrade
    url_limit_s: float = 30.0  # confirm to URL [SDK]
    header_limit_s: float = 5.0  # URL to HTTP header [SDK]
    read_gap_limit_s: float = 60.0  # between two in-range reads [SDK]
    update_limit_s: float = 1200.0  # action 3 to the version report, 20 min [SDK]
    downloading_every_s: float = 5.0  # 10702 again [SDK]
    max_download_errors: int = 5  # one more fails the upgrade [SDK]

    # Pace of the network and the cloud [ours]
    boot_s: float = 2.0  # deaf after power on
    connect_s: float = 1.0  # QIOTREG to 2,10200 and 3,10200
    plan_delay_s: float = 0.2  # QIOTOTAREQ to 10700
    url_delay_s: float | None = 0.5  # confirm to URL; None: it never comes
    header_delay_s: float | None = 0.2  # URL to HTTP header; None: it never comes
    url_retry_s: float = 10.0  # download error to the next URL
    download_bytes_per_s: float = 20_000.0
    push_interval_s: float | None = None  # plans come unasked; the platform's is 600
    confirm_race_s: float = 0.0  # 10700 precedes its state by this (seen up to SDK 2.10)

    # Memory
    piece_size: int | None = None  # None: the whole package fits
    max_read: int = 1024  # 1024 [AT], up to 4096 [SIM]

    # Set-up
    echo: bool = True  # ATE1 after power on [AT]
    product_key: str = "p11111"
    product_secret: str = "c2VjcmV0"  # noqa: S105  an example, in the form that the platform gives
    product_version: str = "1.0"
    sdk_version: str = "2.9.0"

    # Unknown: no document says. Defaults are what the sources make likely. (Also unknown: the
    # CRC, which is Package.crc, and URCs within an answer, which are Faults.insert_between_lines.)
    read_test_text: str = "0,(1-{max_read})"  # after "+QIOTOTARD: "
    update_test_text: str = "(0-3)"
    request_test_text: str = "(0,1)"
    max_request_info: int = 1  # 2.9.0 refuses 2 and 3; from 2.18 they ask for the URL
    empty_read_is_error: bool = True  # else "+QIOTOTARD: start,0" and OK
    versions_in_one_line: bool = False  # older firmware: one "A:1;B:2"
    update_flag_text: str | None = None  # arguments of 10707 after confirm and refuse


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong, on purpose and always alike. All off by default."""

    answer_error_to: frozenset[NthCommand] = frozenset()  # ERROR, and not carried out
    lose_command: frozenset[NthCommand] = frozenset()  # never arrived
    lose_answer: frozenset[NthCommand] = frozenset()  # carried out; nothing comes back
    silent_from: int | None = None  # from this command on (1 is the first): no answer, no URC
    unplug_after: int | None = None  # the pipe ends after that many commands
    drop_sent: frozenset[int] = frozenset()  # positions in all that the module ever sent
    noise_before_answer: bytes = b""
    insert_between_lines: bytes = b""  # a URC, say: before every line of every answer, or
    insert_at: frozenset[int] | None = None  # before these lines only, counted from 0
    failing_downloads: int = 0  # the first so many end without HTTP success
    refuse_connection: tuple[int, int] | None = None  # event instead of 2,10200: (2, 10430)
