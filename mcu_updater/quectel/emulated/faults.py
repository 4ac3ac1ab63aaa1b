"""What goes wrong with an emulated module, on purpose and always alike.

Commands are named by their name and their number among those of that name. Bytes are named by
their position in all that the module ever sent, or ever received; ``Rate`` names them by chance,
which is the same chance in every run with the same seed.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b

NthCommand = tuple[str, int]  # ("+QIOTUPDATE", 2): the second command of that name
NOWHERE: frozenset[int] = frozenset()
_DRAW_BITS = 32


@dataclass(frozen=True, slots=True)
class Rate:
    """Each position with *probability*, drawn from *seed* and the position alone."""

    probability: float
    seed: str = ""

    def __contains__(self, position: object) -> bool:
        drawn = blake2b(f"{self.seed}:{position}".encode(), digest_size=_DRAW_BITS // 8).digest()
        return int.from_bytes(drawn, "little") < self.probability * (1 << _DRAW_BITS)


class DownloadFailure(StrEnum):
    """How a failing download fails."""

    HEADER = "header"  # no HTTP header within the limit
    STATUS = "status"  # an HTTP error instead of 200 or 206
    BROKEN = "broken"  # the connection breaks half-way


@dataclass(frozen=True, slots=True)
class Faults:
    """All off by default."""

    # Commands
    answer_error_to: frozenset[NthCommand] = frozenset()  # ERROR, and not carried out
    lose_command: frozenset[NthCommand] = frozenset()  # never arrived
    lose_answer: frozenset[NthCommand] = frozenset()  # carried out; nothing comes back
    truncate_answer: tuple[tuple[str, int, int], ...] = ()  # name, number, bytes that still come
    silent_from: int | None = None  # from this command on (1 is the first): no answer, no URC
    unplug_after: int | None = None  # the pipe ends after that many commands

    # The module as a whole, instead of carrying out a command
    hang: frozenset[NthCommand] = frozenset()  # dead: no answer, no URC, no timer
    hang_s: float | None = None  # then its watchdog reboots it; None: until its power is cut
    reboot: frozenset[NthCommand] = frozenset()  # at once, and the command is lost
    link_loss: frozenset[NthCommand] = frozenset()  # the network goes; the command is carried out
    link_loss_s: float = 60.0  # and comes back

    # Bytes
    drop_sent: Container[int] = NOWHERE
    double_sent: Container[int] = NOWHERE
    corrupt_sent: Container[int] = NOWHERE  # one bit is turned over
    delay_sent: Container[int] = NOWHERE  # this byte, and what follows, comes later
    delay_s: float = 0.5
    insert_sent: tuple[tuple[int, bytes], ...] = ()  # before that position: within data, too
    drop_received: Container[int] = NOWHERE
    double_received: Container[int] = NOWHERE
    corrupt_received: Container[int] = NOWHERE
    noise_before_answer: bytes = b""
    insert_between_lines: bytes = b""  # a URC, say: before every line of every answer, or
    insert_at: frozenset[int] | None = None  # before these lines only, counted from 0

    # Network and cloud
    failing_downloads: int = 0  # the first so many fail,
    download_failure: DownloadFailure = DownloadFailure.HEADER  # in this way
    bad_url_messages: int = 0  # the first so many lack a field that they must have
    refuse_connection: tuple[int, int] | None = None  # event instead of 2,10200: (2, 10430)
    refusals: int | None = None  # so often; None: for ever

    @property
    def on_sent(self) -> bool:
        """Whether bytes to the host must be looked at one by one."""
        places = (self.drop_sent, self.double_sent, self.corrupt_sent, self.delay_sent)
        return bool(self.insert_sent) or any(place is not NOWHERE for place in places)

    @property
    def on_received(self) -> bool:
        places = (self.drop_received, self.double_received, self.corrupt_received)
        return any(place is not NOWHERE for place in places)

    def distort_sent(self, position: int, byte: int) -> bytes:
        """What becomes of the byte at *position*."""
        before = b"".join(data for at, data in self.insert_sent if at == position)
        return before + _distort(
            position, byte, self.drop_sent, self.double_sent, self.corrupt_sent
        )

    def distort_received(self, start: int, data: bytes) -> bytes:
        """What arrives of *data*, whose first byte is at position *start*."""
        places = (self.drop_received, self.double_received, self.corrupt_received)
        return b"".join(_distort(at, byte, *places) for at, byte in enumerate(data, start))


NO_FAULTS = Faults()


def _distort(
    position: int, byte: int, drop: Container[int], double: Container[int], corrupt: Container[int]
) -> bytes:
    if position in drop:
        return b""
    if position in corrupt:
        byte ^= 1 << position % 8
    return bytes([byte]) * (2 if position in double else 1)
