"""A debugger at one boot of a path: the GDB remote serial protocol in front of the machine.

    debuggee = Debuggee(read.subject, path, options)
    Server(debuggee, port=0, log=print).serve()

``stepper`` counts instructions and stops; ``debuggee`` runs the boots and goes back; ``memory``,
``core_registers`` and ``flash_words`` look; ``packets``, ``protocol``, ``monitor``, ``connection``
and ``server`` talk.
"""

from pathlib import Path

from flash_emulator.machine.debugger.debuggee import Debuggee
from flash_emulator.machine.debugger.server import Server

COMMANDS = Path(__file__).with_name("commands.gdb")
"""What gdb is told beside (-x)."""

__all__ = ["COMMANDS", "Debuggee", "Server"]
