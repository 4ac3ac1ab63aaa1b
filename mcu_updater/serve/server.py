"""The loop: bytes and time into the modules, bytes out of them, until nobody needs them."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mcu_updater.cloud.cloud import KeptCloud
from mcu_updater.host.clock import MonotonicClock
from mcu_updater.quectel.emulated.module import EmulatedModule
from mcu_updater.quectel.emulated.transcript import Conversation, Recorder, Side
from mcu_updater.serve.keep import StateFile
from mcu_updater.serve.loop import READ, WRITE, Loop, Wants
from mcu_updater.serve.wires import StdioWire, Wire, check_system


class Stopper:
    """Turns SIGINT and SIGTERM into a readable file descriptor, so that all is put away first.

    The signal itself writes to it (``set_wakeup_fd``): a handler in Python would run only after a
    ``poll`` that the signal came just before, which may be never. So any signal that has a handler
    makes it readable, and ``heard`` says whether it was one that ends.
    """

    _ENDS = frozenset((signal.SIGINT, signal.SIGTERM))
    _RING = 0xFF  # no signal

    def __init__(self) -> None:
        check_system()
        self.fileno, self._bell = os.pipe()
        for end in (self.fileno, self._bell):
            os.set_blocking(end, False)

    def ring(self) -> None:
        os.write(self._bell, bytes((self._RING,)))

    def heard(self) -> bool:
        """Whether it is to end; takes what has come."""
        try:
            said = os.read(self.fileno, 4096)
        except BlockingIOError:
            return False
        return any(number in self._ENDS or number == self._RING for number in said)

    @contextlib.contextmanager
    def at_signals(self) -> Iterator[Stopper]:
        before = [signal.signal(kind, lambda *_: None) for kind in self._ENDS]
        bell = signal.set_wakeup_fd(self._bell, warn_on_full_buffer=False)
        try:
            yield self
        finally:
            signal.set_wakeup_fd(bell)
            for kind, handler in zip(self._ENDS, before, strict=True):
                signal.signal(kind, handler)


@dataclass(slots=True, eq=False)
class Instance:
    """One module, or a playback, on its wire. With *state* and *center*: remembered in that."""

    module: Conversation
    wire: Wire
    recorder: Recorder | None = None
    state: StateFile | None = None
    center: KeptCloud | None = None

    def wants(self) -> Wants:
        """What the loop waits for on its behalf."""
        return Wants(events_of(self.wire), self.module.next_deadline(), self.wire.generation)

    def step(self, now_s: float) -> None:
        """All that has come and all that is due; kept before the client gets the answer, so that
        a kill in between is a lost answer."""
        self.module.advance(now_s)
        data = self.wire.receive()
        if data:
            self._record(Side.HOST, data, now_s)
            self.module.receive(data, now_s)
        said = self.module.transmit()
        if said:
            self._record(Side.MODULE, said, now_s)
        self._keep(now_s)
        if said:
            self.wire.send(said)
        self.wire.flush()

    def ended(self) -> bool:
        return self.wire.gone or (self.module.unplugged and self.wire.output() is None)

    def close(self, now_s: float) -> None:
        self._keep(now_s, always=True)
        self.wire.close()

    def _record(self, side: Side, data: bytes, now_s: float) -> None:
        if self.recorder is not None:
            self.recorder.said(side, data, now_s)

    def _keep(self, now_s: float, always: bool = False) -> None:
        if self.state is not None and self.center is not None:
            assert isinstance(self.module, EmulatedModule)
            self.state.keep(self.module, self.center, now_s, always)


def events_of(wire: Wire) -> tuple[tuple[int, int], ...]:
    """What to wait for on *wire*: bytes of the client, and room for those that it has to get."""
    source, target = wire.input(), wire.output()
    if target is None:
        return ((source, READ),)
    return ((source, READ | WRITE),) if target == source else ((source, READ), (target, WRITE))


def serve(instances: Sequence[Instance], clock: MonotonicClock, stopper: Stopper) -> None:
    """Until every instance has ended, or the stopper rings. Closes what it was given."""
    living = dict.fromkeys(instances)
    rung = False

    def ring() -> None:
        nonlocal rung
        rung = stopper.heard()

    loop = Loop(clock, every_file=any(isinstance(one.wire, StdioWire) for one in instances))
    try:
        loop.on_readable(stopper.fileno, ring)
        for instance in instances:
            loop.add(instance)
        while living and not rung:
            loop.turn()
            for instance in [one for one in living if one.ended()]:
                del living[instance]
                loop.drop(instance)
                instance.close(clock.now_s())
    finally:
        loop.close()
        for instance in living:
            instance.close(clock.now_s())
