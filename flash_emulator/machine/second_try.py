"""An access that the engine has refused, tried once more.

The engine tells of the page that was refused, and not of the address in it; and where the access
is in an IT block, it may have gone on before it stops. So the access is made once more, by itself,
and where it fails registers are put back as they were.
"""

from __future__ import annotations

from collections import Counter

from flash_emulator.machine.address_space import AddressSpace
from flash_emulator.machine.engine import FETCH, Engine, Stop
from flash_emulator.registers import BusError

_MOST = 3  # tries of one access


class SecondTry:
    """Of one engine, in its address space."""

    def __init__(self, engine: Engine, space: AddressSpace) -> None:
        self._engine, self._space = engine, space

    def of(self, stop: Stop) -> Stop:
        """Where *stop* is a page that was refused: what comes of another try. Raises BusError with
        the address.

        An instruction that loads several words may be refused again at the same place; then all of
        it is let through.
        """
        tries: Counter[tuple[int, int]] = Counter()
        while stop.address is not None and stop.access != FETCH:
            here = self._engine.registers["pc"], stop.address
            tries[here] += 1
            if tries[here] > _MOST:
                break
            stop = self._again(stop.address, whole=tries[here] > 1)
        return stop

    def _again(self, page: int, *, whole: bool) -> Stop:
        engine, space = self._engine, self._space
        pc, put_back = engine.registers["pc"], engine.save()
        engine.flush()
        engine.meter.limit = engine.meter.counted + 1  # one block
        space.tried, space.tries = page, not whole
        try:
            return engine.run(pc)
        except BusError:
            if whole or space.tried is not None:
                put_back()
            raise
        finally:
            space.tried, space.tries = None, False
            engine.flush()
