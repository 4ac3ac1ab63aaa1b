"""USART of both kinds: RM0008 27.6, RM0351 40.8, RM0440 37.8."""

from __future__ import annotations

import pytest

from flash_emulator.machine.peripherals.usart import (
    FIFOEN,
    IDLE,
    IDLEIE,
    ORE,
    RE,
    REACK,
    RXNE,
    RXNEIE,
    TC,
    TCIE,
    TE,
    TEACK,
    TXE,
    TXEIE,
)
from tests.flash_emulator.machine.peripherals.chips import Around

OLD, NEW, FIFO = "STM32F103xG", "STM32L476xG", "STM32G474xE_dual"


class Port:
    """USART1 of a part, whatever its registers are called."""

    def __init__(self, part: str, **options: object) -> None:
        self.around, self.old = Around(part, **options), part == OLD
        self.name = "USART1"
        offsets = (0x00, 0x04, 0x04, 0x0C, 0x00) if self.old else (0x1C, 0x24, 0x28, 0x00, 0x20)
        self.places = dict(zip(("SR", "RDR", "TDR", "CR1", "ICR"), offsets, strict=True))
        self.enable = 1 << 13 if self.old else 1
        self.irq = 37

    def on(self, bits: int = 0) -> None:
        self["CR1"] = self.enable | TE | RE | bits

    def __getitem__(self, name: str) -> int:
        return self.around.get(self.name, self.places[name])

    def __setitem__(self, name: str, value: int) -> None:
        self.around.set(self.name, self.places[name], value)

    @property
    def raised(self) -> bool:
        return self.around.chip.irqs.get(self.irq, False)


both = pytest.mark.parametrize("part", [OLD, NEW])


@both
def test_after_a_reset_the_transmitter_is_empty(part: str) -> None:
    assert Port(part)["SR"] & 0xFF == TXE | TC


@both
def test_bytes_leave_while_the_transmitter_is_on(part: str) -> None:
    port = Port(part)
    port["TDR"] = ord("a")
    port.on()
    for byte in b"bc":
        assert port["SR"] & TXE
        port["TDR"] = byte
    assert port["SR"] & TC
    assert port.around.chip.out["USART1"] == b"bc"


@both
def test_bytes_arrive_in_their_time(part: str) -> None:
    port = Port(part)
    port.on()
    port.around.chip.feed("USART1", b"xyz", every_us=100)
    got = bytearray()
    for _ in range(30):
        if port["SR"] & RXNE:
            got.append(port["RDR"])
        port.around.wait(10)
    assert got == b"xyz"


@both
def test_nothing_is_received_while_the_receiver_is_off(part: str) -> None:
    port = Port(part)
    port["CR1"] = port.enable | TE
    port.around.chip.feed("USART1", b"x")
    assert not port["SR"] & RXNE


@both
def test_the_data_register_keeps_the_last_byte(part: str) -> None:
    port = Port(part)
    port.on()
    port.around.chip.feed("USART1", b"x")
    assert port["RDR"] == ord("x")
    assert port["RDR"] == ord("x")
    assert not port["SR"] & RXNE


@both
def test_interrupts_come_for_the_flags_that_are_enabled(part: str) -> None:
    port = Port(part)
    port.on(TXEIE)
    assert port.raised
    port.on()
    assert not port.raised
    port.on(TCIE)
    assert port.raised
    port.on(RXNEIE)
    assert not port.raised
    port.around.chip.feed("USART1", b"x")
    port.around.wait(100)
    assert port.raised
    assert port["RDR"] == ord("x")
    assert not port.raised


@both
def test_the_line_goes_idle_after_the_last_byte(part: str) -> None:
    port = Port(part)
    port.on(IDLEIE)
    assert not port["SR"] & IDLE
    port.around.chip.feed("USART1", b"x")
    assert port["SR"] & RXNE
    assert port["RDR"]
    assert port["SR"] & IDLE and port.raised
    port["ICR"] = IDLE
    assert port["RDR"] is not None  # F1: SR, then DR
    assert not port["SR"] & IDLE and not port.raised


@both
def test_tc_is_cleared_by_software_and_set_by_the_next_byte(part: str) -> None:
    port = Port(part)
    port.on()
    port["ICR"] = 0 if port.old else TC
    assert not port["SR"] & TC
    port["TDR"] = 1
    assert port["SR"] & TC


@both
def test_firmware_that_is_late_loses_bytes_if_that_is_asked_for(part: str) -> None:
    port = Port(part, overrun=True)
    port.on(RXNEIE)
    port.around.chip.feed("USART1", b"xyz")
    assert port["SR"] & (ORE | RXNE) == ORE | RXNE
    assert port["RDR"] == ord("x")
    assert not port["SR"] & RXNE
    port["ICR"] = ORE
    assert port["RDR"] is not None
    assert not port["SR"] & ORE


@both
def test_what_comes_before_the_receiver_is_on_is_lost_if_that_is_asked_for(part: str) -> None:
    for overrun in (False, True):
        port = Port(part, overrun=overrun)
        port.around.chip.feed("USART1", b"xyz")
        port.on()
        assert bool(port["SR"] & RXNE) != overrun
        assert not port["SR"] & ORE
        port.around.chip.feed("USART1", b"a")
        assert port["RDR"] == ord("a")


def test_a_fifo_holds_eight_bytes() -> None:
    port = Port(FIFO, overrun=True)
    port.on(FIFOEN)
    port.around.chip.feed("USART1", bytes(range(10)))
    got = bytearray()
    while port["SR"] & RXNE:
        got.append(port["RDR"])
    assert got == bytes(range(8))
    assert port["SR"] & ORE


def test_acknowledges_follow_enables() -> None:
    port = Port(NEW)
    port.on()
    assert port["SR"] & (TEACK | REACK) == TEACK | REACK
    port["CR1"] = TE | RE
    assert not port["SR"] & (TEACK | REACK)


def test_a_request_to_flush_drops_a_byte() -> None:
    port = Port(NEW)
    port.on()
    port.around.chip.feed("USART1", b"xy")
    port.around.set("USART1", 0x18, 1 << 3)
    assert port["RDR"] == ord("y")


def test_usarts_that_share_an_interrupt_hold_it_together() -> None:
    """G0B1: USART3 to 6 and LPUART1 have one line (RM0444 table 61)."""
    around = Around("STM32G0B1xE")
    line = 29
    for name in ("USART3", "LPUART1"):
        around.set(name, 0, 1 | TE | TXEIE)
    assert around.chip.irqs[line]
    around.set("USART3", 0, 0)
    assert around.chip.irqs[line]
    around.set("LPUART1", 0, 0)
    assert not around.chip.irqs[line]


def test_rcc_resets_a_usart() -> None:
    port = Port(NEW)
    port.on(TXEIE)
    port.around.set("RCC", 0x40, 1 << 14)  # RCC_APB2RSTR.USART1RST
    assert port["CR1"] == 0 and not port.raised
