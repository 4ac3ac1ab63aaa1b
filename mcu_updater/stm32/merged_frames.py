"""Which frames of a command may go out in one write: those of which a ROM out of step makes nothing
bad.

A ROM that gets its frames one at a time hears data only after it has said ACK to their address.
If all comes at once and bytes are lost, it says NACK somewhere and takes what follows for commands,
two bytes at a time. So data goes with its command only where it holds no command that changes
anything, however a run of up to ``MOST_LOST`` bytes is lost (a USART without FIFO keeps one byte,
and has one in its shift register), and where no other address has a fitting XOR then. Else, for 1
block of noise in 9, command and address go together, and data behind their ACK.

Data that goes with its command is for a multiple of 256: then the length that a ROM takes from the
wrong byte reaches no further than the block, which is read back and, where it is neither right nor
blank, erased again with its sector.
"""

from __future__ import annotations

import re
from typing import Final

from flash_emulator.an3155 import Command, checksum
from mcu_updater.stm32.an3155 import Exchange

MOST_LOST: Final = 2
_HARMLESS: Final = (
    Command.GET,
    Command.GET_VERSION,
    Command.GET_ID,
    Command.READ,
    Command.GET_CHECKSUM,
)
_CHANGING: Final = tuple(command for command in Command if command not in _HARMLESS)
_AS_COMMANDS: Final = re.compile(
    b"|".join(
        re.escape(bytes((code,))) + b".{0,%d}" % MOST_LOST + re.escape(bytes((code ^ 0xFF,)))
        for code in _CHANGING
    ),
    re.DOTALL,
)
_LAST_OF_ADDRESS: Final = 5
_HEAD: Final = slice(2, 2 + 5 + MOST_LOST)  # address, XOR, and what moves up where those are lost


def merged(exchange: Exchange, command: Command) -> tuple[Exchange, ...]:
    """The steps of *exchange*, a Read or a Write, in groups: the frames of one go out together."""
    frames = b"".join(step.frame for step in exchange)
    is_risky = (
        bool(_AS_COMMANDS.search(frames, 1))
        or _may_go_elsewhere(frames[_HEAD])
        or (command is Command.WRITE and frames[_LAST_OF_ADDRESS] != 0)
    )
    return (exchange[:2], exchange[2:]) if is_risky else (exchange,)


def _may_go_elsewhere(head: bytes) -> bool:
    """Whether what is left of *head* where a run of bytes is lost passes for another address."""
    return any(
        not checksum(five) and five[:4] != head[:4]
        for lost in range(1, MOST_LOST + 1)
        for at in range(5)
        for five in [(head[:at] + head[at + lost :])[:5]]
    )
