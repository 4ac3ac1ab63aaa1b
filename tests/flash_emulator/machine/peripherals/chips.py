"""A chip for the tests of peripherals: time set by hand, pins in a table, bytes in lists."""

from __future__ import annotations

from typing import TypeVar

from flash_emulator import Part, load_part
from flash_emulator.machine.peripherals import Peripheral, peripherals_for

T = TypeVar("T", bound=Peripheral)


class FakeChip:
    """Satisfies ``Chip``. Bytes of *arrives* come at their time, in microseconds."""

    def __init__(self) -> None:
        self.now_us = 0.0
        self.levels: dict[str, bool] = {}
        self.irqs: dict[int, bool] = {}
        self.driven: list[tuple[str, bool]] = []
        self.out: dict[str, bytearray] = {}
        self.arrives: dict[str, list[tuple[float, int]]] = {}

    def set_irq(self, number: int, level: bool) -> None:
        self.irqs[number] = level

    def pin(self, name: str) -> bool | None:
        return self.levels.get(name)

    def pin_changed(self, name: str, level: bool) -> None:
        self.driven.append((name, level))

    def sent(self, usart: str, byte: int) -> None:
        self.out.setdefault(usart, bytearray()).append(byte)

    def received(self, usart: str, *, take: bool) -> int | None:
        queue = self.arrives.get(usart, [])
        if not queue or queue[0][0] > self.now_us:
            return None
        return (queue.pop(0) if take else queue[0])[1]

    def feed(self, usart: str, data: bytes, *, every_us: float = 0) -> None:
        start = self.now_us
        self.arrives[usart] = [(start + i * every_us, byte) for i, byte in enumerate(data)]


class Around:
    """All peripherals of a part, by name; time passes by ``wait``, with every ``tick`` on it."""

    def __init__(self, part: str | Part, **options: object) -> None:
        self.part = load_part(part) if isinstance(part, str) else part
        self.chip = FakeChip()
        made = peripherals_for(self.part, self.chip, **options)  # type: ignore[arg-type]
        self.all = {peripheral.name: peripheral for peripheral in made}

    def __getitem__(self, name: str) -> Peripheral:
        return self.all[name]

    def of(self, kind: type[T]) -> T:
        return next(p for p in self.all.values() if isinstance(p, kind))

    def wait(self, us: float) -> None:
        end_us = self.chip.now_us + us
        while True:
            due = [(at, p) for p in self.all.values() if (at := p.next_us()) is not None]
            at, first = min(due, default=(None, None), key=lambda pair: pair[0])
            if at is None or first is None or at > end_us:
                break
            self.chip.now_us = max(at, self.chip.now_us)
            first.tick()
        self.chip.now_us = end_us

    def reset(self, *, power_on: bool = False) -> None:
        for peripheral in self.all.values():
            peripheral.reset(power_on=power_on)

    def get(self, name: str, offset: int, width: int = 4) -> int:
        return self.all[name].read(offset, width)

    def set(self, name: str, offset: int, value: int, width: int = 4) -> None:
        self.all[name].write(offset, width, value)
