"""Hosts: who is at the other end of a USART while firmware runs.

* ``Script``: steps that expect and send, from a board file or from Python.
* ``Talk``: a generator function, or an ordinary function that blocks (``blocking=True``), over a
  line; libraries can be used as they are.
* ``xmodem_host``, ``xcp``: hosts that send images. ``serial_port``, ``byte_port``: the line as
  pyserial has it, and as clients of boot ROMs want it.

All of them live in virtual time: the same firmware hears the same bytes at the same moments.
"""

from flash_emulator.machine.hosts.asking import Expect, Heard, Read, Send, Wait
from flash_emulator.machine.hosts.line import GaveUp, Line
from flash_emulator.machine.hosts.script import Script, Step
from flash_emulator.machine.hosts.session import HostBroken, HostState, Session, hosted
from flash_emulator.machine.hosts.talk import Talk

__all__ = [
    "Expect",
    "GaveUp",
    "Heard",
    "HostBroken",
    "HostState",
    "Line",
    "Read",
    "Script",
    "Send",
    "Session",
    "Step",
    "Talk",
    "Wait",
    "hosted",
]
