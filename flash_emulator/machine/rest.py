"""When a boot is at rest, how far it may go, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """How far one boot may go. *instructions*: two bytes of code are one. *resets* by software.
    *wake_ups*: how often an interrupt, such as SysTick, may end WFI, WFE or ``b .``; then it is at
    rest there."""

    instructions: int = 50_000_000
    resets: int = 20
    wake_ups: int = 20_000


@dataclass(frozen=True, slots=True)
class Rests:
    """When a boot is at rest.

    *slots*: ranges (address, size) of images: as soon as one would be executed. *texts*: as soon as
    a USART has sent one of them; *pins*: as soon as firmware drives a pin to a level. BKPT, a
    semihosting exit, ``b .`` and WFI or WFE with nothing to wait for always are. *watched*: ranges
    that ``Record.entries`` tells of, how they were entered; nothing ends there.
    """

    slots: tuple[tuple[int, int], ...] = ()
    texts: tuple[bytes, ...] = ()
    pins: tuple[tuple[str, bool], ...] = ()
    watched: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Ended:
    """How a boot ended.

    *kind*: "slot", "text", "pin", "breakpoint", "exit", "loop", "sleep"; or, where something is
    wrong, "lock-up", "budget", "resets". *pc*: where; *text*: in words; *table*: VTOR; *thread*:
    whether no exception was active; *sp*: the stack pointer.
    """

    kind: str
    pc: int
    text: str = ""
    table: int = 0
    thread: bool = True
    sp: int = 0


class AtRest(BaseException):
    """Raised in a hook: the boot goes no further. No Exception, since it is no fault."""

    def __init__(self, kind: str, text: str = "") -> None:
        self.kind, self.text = kind, text
        super().__init__(f"{kind}: {text}")
