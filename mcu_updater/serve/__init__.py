"""The emulated module behind real file descriptors, in real time."""

from mcu_updater.serve.keep import StateFile
from mcu_updater.serve.server import Instance, Stopper, serve
from mcu_updater.serve.wires import PtyWire, StdioWire, TcpWire, Wire

__all__ = [
    "Instance",
    "PtyWire",
    "StateFile",
    "StdioWire",
    "Stopper",
    "TcpWire",
    "Wire",
    "serve",
]
