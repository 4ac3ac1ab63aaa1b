"""``python judge.py isp|ctl PORT ...``: stm32isp and stm32ctl, told what they cannot be told.

stm32isp takes the first port of the machine and knows five PIDs; stm32ctl reads ``--port`` as a
number. All that goes over the line is theirs.
"""

from __future__ import annotations

import sys
from types import SimpleNamespace

G0B1 = {"id": 0x467, "name": "STM32G0B1", "opt_addr": 0x1FFF_7800}


def isp(port: str) -> None:
    from stm32isp import stm32isp

    stm32isp.comports = lambda: [SimpleNamespace(device=port, hwid="")]
    stm32isp.DEVICES.append(G0B1)
    stm32isp._main()


def ctl(port: str) -> None:
    """By its slower way to the port: the one in C, once in hundreds of runs, never closes it."""
    from hat.drivers import serial
    from stm32ctl import main

    serial.native_serial = None
    parse = main.parse_args
    main.parse_args = lambda argv: parse(argv)._replace(port=port)
    main.main()


if __name__ == "__main__":
    _, name, port, *rest = sys.argv
    sys.argv = [name, *rest]
    {"isp": isp, "ctl": ctl}[name](port)
