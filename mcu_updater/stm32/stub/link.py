"""The stub at the end of a line: put it there through the boot ROM, talk to it, come back."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import suppress
from typing import Final, TypeVar, cast

from mcu_updater.core.errors import ChipRefused, LinkError, NoBootloader, PortError, Remedy
from mcu_updater.stm32.chip import FRAME_SIZE, WORD
from mcu_updater.stm32.connection import Connection
from mcu_updater.stm32.events import FlasherEvent
from mcu_updater.stm32.line import START_S
from mcu_updater.stm32.retry import PartialWrite
from mcu_updater.stm32.stub import frames
from mcu_updater.stm32.stub.images import LOAD_ADDRESS, StubImage
from mcu_updater.stm32.stub.session import Session, StubTrouble, Work

T = TypeVar("T")

BAUDS: Final = (921_600, 460_800, 230_400)
"""Speeds to try, in order. Those that are not above the boot ROM's are left out."""
_LOADS: Final = 5  # of a block into RAM
_GONE_S: Final = 0.02  # more than two short frames take at any speed
_RESTARTS: Final = 20  # tries to reach the ROM: a tenth of a second each


class StubLink:
    """*connection* is in the ROM before ``start``, and after ``leave``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._rom = connection.rom
        self._line, self._clock = connection.rom.rom.line, connection.rom.rom.clock
        self.rom_baud = self._line.baud or 115_200

    @property
    def can_reset(self) -> bool:
        """Whether somebody can get the chip into its ROM whatever it does."""
        return self._connection.wiring is not None

    def bauds(self) -> tuple[int, ...]:
        """Speeds above the ROM's that the port takes."""
        return tuple(b for b in BAUDS if b > self.rom_baud and self._takes(b))

    def _takes(self, baud: int) -> bool:
        if not self._line.can_set_baud:
            return False
        try:
            self._line.set_baud(baud)
        except PortError:
            return False
        finally:
            self._line.set_baud(self.rom_baud)
        return True

    # --- there

    def start(self, image: StubImage) -> None:
        """Write it to RAM, look whether it is there, start it. Raises StubTrouble, LinkError."""
        data = image.data + bytes(-len(image.data) % WORD)
        try:
            for at in range(0, len(data), FRAME_SIZE):
                self._load(LOAD_ADDRESS + at, data[at : at + FRAME_SIZE])
            self._rom.go(LOAD_ADDRESS)
        except ChipRefused as error:
            raise StubTrouble(f"the boot ROM does not take the stub: {error.message}") from error

    def _load(self, address: int, data: bytes) -> None:
        """RAM can be written again, and what was read right once is right."""
        for _ in range(_LOADS):
            with suppress(PartialWrite):
                self._rom.write(address, data)
            if self._rom.read(address, len(data)) == data:
                return
        raise StubTrouble("RAM does not hold the stub, however often it is written")

    # --- talking

    def run(self, work: Work[T]) -> Generator[FlasherEvent, None, T]:
        """Yields what *work* tells. Raises what it raises; PortError."""
        session = Session(work, baud=self._line.baud or self.rom_baud)
        session.wake_at_us += self._now_us()
        traffic = self._rom.rom.traffic
        while True:
            if not session.is_done and self._now_us() >= session.wake_at_us:
                session.wake(self._now_us())
            events, session.events = session.events, []
            yield from events
            if session.is_done:
                break
            if self._line.can_set_baud:
                self._line.set_baud(session.baud)
            out = session.take()
            if out:
                traffic.sent += len(out)
                self._line.write(out)
            came = self._line.read(max(0.0, (session.wake_at_us - self._now_us()) / 1e6))
            traffic.received += len(came)
            session.receive(came, self._now_us())
        traffic.turnarounds += session.turn_count
        return cast("T", session.result)

    def _now_us(self) -> float:
        return self._clock.now_s() * 1e6

    # --- and back

    def hush(self) -> None:
        """Two frames that reset a chip in which a stub listens, and nobody waits for an answer."""
        with suppress(PortError):
            self._line.write(frames.sync().framed(0) + frames.reset().framed(1))

    def reset(self) -> None:
        """``hush``, and the port has its old speed again once that is gone."""
        self.hush()
        self._clock.sleep(_GONE_S)
        self._restore_baud()

    def _restore_baud(self) -> None:
        if self._line.can_set_baud:
            self._line.set_baud(self.rom_baud)

    def leave(self) -> None:
        """Back to the ROM: the adapter's lines reset the chip, or the stub, or its fault.

        Raises NoBootloader where nobody can.
        """
        self.hush()
        self._clock.sleep(START_S)
        self._restore_baud()
        if self._rom.reenter() or self._is_back():
            self._rom.identify()
            return
        raise NoBootloader(
            "the loader stub has the chip, and its boot ROM does not answer",
            where=str(getattr(self._line, "name", "")),
            expected="the ROM after a reset with BOOT0 high",
            then="Set BOOT0 high, press reset, and run again without the stub: what was begun is "
            "written anew",
            remedies=[] if self.can_reset else [Remedy.RESET_BY_LINES],
        )

    def _is_back(self) -> bool:
        for _ in range(_RESTARTS):
            with suppress(LinkError):
                if self._rom.rom.synchronize():
                    return True
        return False
