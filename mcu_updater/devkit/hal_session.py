"""``hal_test.elf`` on the emulated chip: a test asks, and the functions of the HAL answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from enum import IntEnum

from flash_emulator import EmulatedFlash
from flash_emulator.device.trace import Operation
from flash_emulator.machine.board import Questions
from flash_emulator.machine.hosts import Talk
from flash_emulator.machine.hosts.line import Line
from flash_emulator.machine.hosts.session import Common, HostBroken, hosted
from flash_emulator.machine.machine import Machine
from flash_emulator.machine.rest import Limits, Rests
from mcu_updater.devkit.device import Device

_READY_S, _ANSWER_S = 5.0, 90.0


class Cause(IntEnum):
    """``enum fwu_cause``."""

    POWER = 0
    SOFTWARE = 1
    WATCHDOG = 2
    UNKNOWN = 3


class HalSession:
    """A chip with ``hal_test`` in it, in both banks where these are exchanged."""

    def __init__(
        self, device: Device, *, both: bool = True, protected: Iterable[range] = ()
    ) -> None:
        self.device, self.part = device, device.part
        images = device.program("hal_test").images
        self._board = replace(
            device.board,
            images=device.in_every_bank(images) if both else images,
            slots=(),
            rests=Rests(),
            limits=Limits(60_000_000, wake_ups=1_000_000),
            questions=Questions(safe=False, live=False),
            protected=tuple((each.start, len(each)) for each in protected),
            coalesce=False,
            stack_floor=None,
        )
        self.flash: EmulatedFlash = self._board.flash()
        self.flash.background = True  # an operation takes its time: who does not wait is seen
        self.machine: Machine = self._board.machine()
        self.line: Line
        self._finished = False

    def run(self, script: Callable[[], object], baud: int = 115_200) -> None:
        """Boot it, and let *script* ask. Raises what it raises; AssertionError where the chip does
        not answer."""
        failed: list[BaseException] = []

        def host(line: Line) -> None:
            self.line = line
            try:
                self.wait_until_ready()
                script()
            except BaseException as error:  # Abandoned, too: it is no Exception
                failed.append(error)
                raise
            self._finished = True
            line.write(b"q\n")

        self.flash.power_on()
        talk = Talk(self.device.usart, host, blocking=True, baud=baud, common=Common(tries=1))
        end = ""
        with hosted(self.machine, talk):
            try:
                ended = self.machine.boot(self.flash)
                end = f"{ended.kind}: {ended.text}"
            except HostBroken as error:
                end = str(error)
        if failed and isinstance(failed[0], Exception):
            raise failed[0] from None
        assert self._finished, f"the chip does not answer any more: {end}"

    def wait_until_ready(self, timeout_s: float = _READY_S) -> None:
        """It has started, and has an open ear."""
        try:
            self.line.expect(rb"ready\n", timeout_s=timeout_s)
        except TimeoutError:
            raise AssertionError(
                f"hal_test does not say that it is ready, at {self.device.usart}, within "
                f"{timeout_s:g} s after a reset: does fwu_hal_put send, and which USART is it?"
            ) from None

    def ask(self, *words: str | int) -> str:
        """A command of ``hal_test.c``, its numbers in hexadecimal."""
        self.say(*words)
        command = " ".join(f"{word:X}" if isinstance(word, int) else word for word in words)
        try:
            return self.line.expect(rb"\n", timeout_s=_ANSWER_S).data.decode("latin-1").strip()
        except TimeoutError:
            raise AssertionError(f"no answer to {command!r}: does fwu_hal_get hear it?") from None

    def say(self, *words: str | int) -> None:
        """A command that is not answered."""
        text = " ".join(f"{word:X}" if isinstance(word, int) else word for word in words)
        self.line.write(text.encode() + b"\n")

    # --- the functions

    def read(self, address: int, size: int, offset: int = 0) -> bytes | None:
        """None: it says that it cannot be read. To a buffer at *offset* of a word."""
        answer = self.ask("r", address, size, offset)
        if answer == "no":
            return None
        assert "outside" not in answer, f"fwu_hal_read of {size} bytes at {address:#x}: {answer}"
        return bytes.fromhex(answer)

    def program(self, address: int, data: bytes) -> bool:
        return self._number("p", address, len(data), *data) != 0

    def erase(self, address: int) -> bool:
        """Raises AssertionError where it comes back while flash is busy."""
        self.say("e", address)
        first = self.line.read(1, _ANSWER_S)
        assert first, f"no answer to an erase of {address:#x}"
        assert not self.flash.is_busy(), "fwu_hal_erase comes back while the erase is under way"
        rest = self.line.expect(rb"\n", timeout_s=_ANSWER_S).data
        return int(first + rest, 16) != 0

    def mapped_bank(self) -> int:
        return self._number("b")

    def map_bank(self, bank: int) -> bool:
        return self._number("m", bank) != 0

    def cause(self) -> Cause:
        return Cause(self._number("c"))

    def swaps(self) -> int:
        return self._number("s")

    def keep(self, swaps: int, cause: Cause) -> None:
        self.ask("k", swaps, cause)

    def reset(self) -> None:
        """By fwu_hal_reset."""
        self.say("x")
        self.wait_until_ready()

    def starve_watchdog(self) -> float:
        """Seconds until it resets the chip."""
        began_s = self.line.now_s()
        self.say("w")
        self.wait_until_ready(timeout_s=120.0)
        return self.line.now_s() - began_s

    def get_for(self, timeout_ms: int) -> tuple[int, float]:
        """What fwu_hal_now_ms says of a fwu_hal_get that gets nothing, and how long it took."""
        began_s = self.line.now_s()
        told_ms = self._number("t", timeout_ms)
        return told_ms, (self.line.now_s() - began_s) * 1000

    def get_on_trial(self, timeout_ms: int) -> int:
        """fwu_hal_get with the watchdog running: how many bytes."""
        return self._number("d", timeout_ms)

    def heard(self, command: str, number: int, data: bytes) -> tuple[int, int]:
        """*data* come after "go": how many arrived, and their sum."""
        self.say(command, number)
        self.line.expect(rb"go\n", timeout_s=_READY_S)
        self.line.write(data)
        count, total = self.line.expect(rb"\n", timeout_s=_ANSWER_S).data.split()
        return int(count, 16), int(total, 16)

    def _number(self, *words: str | int) -> int:
        answer = self.ask(*words)
        assert answer.strip("0123456789ABCDEF") == "", f"it answers {answer!r} to {words[0]!r}"
        return int(answer, 16)

    # --- what flash has seen

    def operations(self, kind: str) -> list[Operation]:
        return [op for op, _ in self.machine.record.operations if op.kind == kind]

    def content(self) -> bytes:
        """All of flash, by address; what cannot be read stands as it may."""
        return bytes(self.flash.cells.peek(0, self.part.size))


def sum_of(data: bytes) -> tuple[int, int]:
    """What ``heard`` must return."""
    return len(data), sum(byte * (at + 1) for at, byte in enumerate(data)) & 0xFFFF_FFFF
