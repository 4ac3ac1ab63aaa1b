"""What may stand in a board file, as values: form only; ``board_file`` makes a board of it.

docs/reference/board-files.md says what each key means. Every value has exactly one type, so that a
file that is written of a model is read back as the same one.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, MinLen
from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, Strict
from pydantic.dataclasses import dataclass

MARKERS = ("size", "crc32")
"""What a word of an image may say of another image: ``"size:new"``."""


def _hex(text: str) -> str:
    try:
        bytes.fromhex(text)
    except ValueError as error:
        raise ValueError('pairs of hexadecimal digits such as "DE AD"') from error
    return text


def _word(value: Any) -> Any:
    if type(value) is int and 0 <= value < 1 << 32:
        return value
    if isinstance(value, str) and value.partition(":")[0] in MARKERS and value.partition(":")[2]:
        return value
    raise ValueError('a number of 32 bits, "size:IMAGE" or "crc32:IMAGE"')


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"a regular expression ({error})") from error
    return text


def _range(value: Any) -> Any:
    if isinstance(value, list | tuple) and len(value) == 2:
        address, size = value
        if type(address) is int and type(size) is int and 0 <= address < 1 << 32 and size > 0:
            return (address, size)
    raise ValueError("[address, size]")


def _floor(value: Any) -> Any:
    if value is False or (type(value) is int and 0 <= value < 1 << 32):
        return value
    raise ValueError("an address, or false")


Text = Annotated[str, Strict(), MinLen(1)]
Flag = Annotated[bool, Strict()]
Count = Annotated[int, Strict(), Ge(1)]
Address = Annotated[int, Strict(), Ge(0), Le(0xFFFF_FFFF)]
Range = Annotated[tuple[int, int], BeforeValidator(_range)]
Milliseconds = Annotated[int, Strict(), Ge(0)]
Texts = tuple[Text, ...]
Level = Literal["high", "low"]
Rest = Literal["slot", "text", "pin", "breakpoint", "exit", "loop", "sleep"]
Core = Literal["m0", "m0plus", "m3", "m4", "m7", "m33"]

_VALUE = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True, kw_only=True, config=_VALUE)
class ImageTable:
    """``[[images]]``: bytes, from a file or written out, and what they are."""

    name: Text | None = None
    file: Text | None = None
    hex: Annotated[str, Strict(), MinLen(2), AfterValidator(_hex)] | None = None
    words: Annotated[tuple[Annotated[Any, BeforeValidator(_word)], ...], MinLen(1)] | None = None
    text: Text | None = None
    address: Address | None = None
    in_flash: Flag = True
    published: Flag = False
    runs_at: Address | None = None
    vectors: Annotated[int, Strict(), Ge(0)] = 0
    elf: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True, config=_VALUE)
class SlotTable:
    """``[[slots]]``: where images run from."""

    name: Text
    address: Address
    size: Count
    rest: Flag = True
    entry: Literal["reset", "any"] = "reset"


@dataclass(frozen=True, slots=True, kw_only=True, config=_VALUE)
class RestTable:
    """``[rest]``: what ends a boot beside slots."""

    texts: Texts = ()
    pins: dict[str, Level] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True, config=_VALUE)
class LimitTable:
    """``[limits]`` of one boot."""

    instructions: Count = 50_000_000
    resets: Annotated[int, Strict(), Ge(0)] = 20


@dataclass(frozen=True, slots=True, kw_only=True, config=_VALUE)
class MachineTable:
    """``[machine]``: where the chip's own facts and the usual choices do not fit."""

    core: Core | None = None
    ram: Annotated[tuple[Range, ...], MinLen(1)] | None = None
    clock_mhz: Annotated[float, Strict(), Gt(0), Le(1000)] = 16.0
    coalesce: Flag = True
    help_polls: Flag = True
    stack_floor: Annotated[int | bool | None, BeforeValidator(_floor)] = None
    wake_us: Annotated[float, Strict(), Gt(0)] | None = None
    check_vectors: Flag = True
    seed: Annotated[int, Strict(), Ge(0)] = 0


@dataclass(frozen=True, slots=True, kw_only=True, config=_VALUE)
class ReportedTable:
    """``[[questions.reported]]``."""

    text: Text | None = None
    pattern: Annotated[str, Strict(), MinLen(1), AfterValidator(_pattern)] | None = None
    image: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True, config=_VALUE)
class QuestionTable:
    """``[questions]``."""

    safe: Flag | None = None
    live: Flag = True
    rests_in: Annotated[tuple[Rest, ...], MinLen(1)] | None = None
    wanted: Text | None = None
    never: Texts = ()
    untouched: tuple[Range, ...] = ()
    reported: tuple[ReportedTable, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, config=_VALUE)
class HostStepTable:
    """``[[host.steps]]``."""

    expect: Annotated[str, Strict(), MinLen(1), AfterValidator(_pattern)] | None = None
    send: Text | None = None
    hex: Annotated[str, Strict(), MinLen(2), AfterValidator(_hex)] | None = None
    file: Text | None = None
    image: Text | None = None
    wait_ms: Milliseconds | None = None
    timeout_ms: Milliseconds | None = None


@dataclass(frozen=True, slots=True, kw_only=True, config=_VALUE)
class XmodemTable:
    """``[host.xmodem]``."""

    image: Text
    mode: Literal["xmodem", "xmodem1k", "ymodem"] = "xmodem"


@dataclass(frozen=True, slots=True, kw_only=True, config=_VALUE)
class XcpTable:
    """``[host.xcp]``."""

    images: Annotated[Texts, MinLen(1)]
    checksum: Flag = False
    connect_mode: Annotated[int, Strict(), Ge(0), Le(255)] = 0
    clear_most: Count | None = None
    resets: Flag = True


@dataclass(frozen=True, slots=True, kw_only=True, config=_VALUE)
class HostTable:
    """``[host]``: who feeds a USART."""

    usart: Text
    baud: Annotated[int, Strict(), Ge(300), Le(12_500_000)] = 115_200
    overrun: Flag = False
    survives: Flag = False
    away: Annotated[tuple[Literal["short", "long"], ...], MinLen(1)] = ("short",)
    tries: Count | None = None
    again_ms: Milliseconds = 100
    timeout_ms: Milliseconds = 1000
    on_timeout: Literal["retry", "restart", "stop"] = "retry"
    retries: Annotated[int, Strict(), Ge(0)] = 10
    python: Text | None = None
    steps: tuple[HostStepTable, ...] = ()
    xmodem: XmodemTable | None = None
    xcp: XcpTable | None = None


@dataclass(frozen=True, slots=True, kw_only=True, config=_VALUE)
class BoardTable:
    """The whole file."""

    part: Text
    images: Annotated[tuple[ImageTable, ...], MinLen(1)]
    slots: tuple[SlotTable, ...] = ()
    rest: RestTable = RestTable()
    pins: dict[str, Level] = Field(default_factory=dict)
    options: dict[str, Annotated[int, Strict(), Ge(0)]] = Field(default_factory=dict)
    protected: tuple[Range, ...] = ()
    limits: LimitTable = LimitTable()
    machine: MachineTable = MachineTable()
    questions: QuestionTable = QuestionTable()
    host: HostTable | None = None
    sources: Texts = ()
