"""A Python function as a host: a generator that yields what it asks for, or one that blocks.

    def update(line):                     def update():
        line.expect(b"ready")                 yield Expect(b"ready")
        line.write(image)                     yield Send(image)

What such a host goes on with is known from what it was answered alone: a new one that is given the
same answers comes to the same place. So it must not draw random numbers, look at the real clock,
or keep anything from one try to the next.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Any

from flash_emulator.machine.hosts.asking import Answer, Asking, Ended, Request, Send
from flash_emulator.machine.hosts.line import PATIENCE_S, Line, ThreadAsking
from flash_emulator.machine.hosts.session import Plan, Session

Asked = Generator[Request | Send, Any, object]


@dataclass(frozen=True, repr=False)
class Talk(Plan):
    """*function*: a generator function without parameters, or, where *blocking*, a function that is
    given a ``Line``. It goes to other processes by its name: one of a module, or a ``partial`` of
    one. *patience_s*: real seconds that a blocking one may compute between two calls of its line.
    """

    function: Callable[[], Asked] | Callable[[Line], object]
    blocking: bool = False
    patience_s: float = PATIENCE_S

    def begin(self) -> Session:
        return Session(self, self._asking)

    def _asking(self) -> Asking:
        function: Callable[..., Any] = self.function
        if self.blocking:
            return ThreadAsking(function, self.patience_s)
        return _GeneratorAsking(function())

    def __repr__(self) -> str:
        """The same in every process: it goes into fingerprints."""
        return f"Talk({_name_of(self.function)}, {self.usart!r}, {self.baud}, {self.common!r})"


def _name_of(function: object) -> str:
    if isinstance(function, partial):
        given = *function.args, *sorted(function.keywords.items())
        told = sha256("".join(_name_of(each) for each in given).encode())
        return f"{_name_of(function.func)} of {told.hexdigest()[:16]}"
    name = getattr(function, "__qualname__", None)
    return repr(function) if name is None else f"{function.__module__}.{name}"


class _GeneratorAsking:
    keeper: None = None

    def __init__(self, generator: Asked) -> None:
        self._generator = generator

    def resume(self, answer: Answer) -> tuple[bytes, Request]:
        sent = bytearray()
        try:
            asked = self._generator.send(answer)
            while isinstance(asked, Send):
                sent += asked.data
                asked = self._generator.send(None)
        except StopIteration:
            raise Ended(bytes(sent)) from None
        except Exception as error:
            raise Ended(bytes(sent), error) from error
        return bytes(sent), asked

    def close(self) -> None:
        with suppress(RuntimeError):  # it asks for more while it is closed
            self._generator.close()
