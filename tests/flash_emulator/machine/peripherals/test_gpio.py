"""GPIO: RM0351 chapter 8, RM0008 chapter 9."""

from __future__ import annotations

from flash_emulator.machine.peripherals import Exti
from flash_emulator.machine.peripherals.gpio import BRR, BSRR, IDR, MODER, ODR, OTYPER, PUPDR
from tests.flash_emulator.machine.peripherals.chips import Around

L4, F1 = "STM32L476xG", "STM32F103xG"
CRL, CRH, F1_IDR, F1_ODR, F1_BSRR, F1_BRR = 0x00, 0x04, 0x08, 0x0C, 0x10, 0x14


def test_an_input_shows_the_board_else_its_pull() -> None:
    around = Around(L4)
    around.set("GPIOC", MODER, 0)
    around.chip.levels = {"PC13": True, "PC1": False}
    around.set("GPIOC", PUPDR, 0b01 << 2 | 0b01 << 4 | 0b10 << 6)  # PC1, PC2 up, PC3 down
    assert around.get("GPIOC", IDR) == 1 << 13 | 1 << 2


def test_an_analog_pin_reads_0() -> None:
    around = Around(L4)
    around.chip.levels = {"PC13": True}
    assert around.get("GPIOC", IDR) == 0
    around.set("GPIOC", MODER, 0xFFFF_FFFF & ~(3 << 26))
    assert around.get("GPIOC", IDR) == 1 << 13


def test_an_output_tells_the_board_once_for_each_level() -> None:
    around = Around(L4)
    around.set("GPIOA", BSRR, 1 << 5)
    assert around.chip.driven == []  # no output yet
    around.set("GPIOA", MODER, 0b01 << 10)
    assert around.chip.driven == [("PA5", True)]
    around.set("GPIOA", BSRR, 1 << 5)
    around.set("GPIOA", BRR, 1 << 5)
    assert around.chip.driven == [("PA5", True), ("PA5", False)]
    assert around.get("GPIOA", IDR) & 1 << 5 == 0


def test_set_wins_over_reset_in_bsrr_and_bsrr_reads_0() -> None:
    around = Around(L4)
    around.set("GPIOB", BSRR, 0x0003_0001)
    assert around.get("GPIOB", ODR) == 1
    assert around.get("GPIOB", BSRR) == 0
    around.set("GPIOB", BSRR + 2, 1, 2)  # the upper half-word alone
    assert around.get("GPIOB", ODR) == 0


def test_an_open_drain_output_at_1_shows_the_board() -> None:
    around = Around(L4)
    around.set("GPIOB", OTYPER, 1 << 7)
    around.set("GPIOB", MODER, 0b01 << 14)
    around.set("GPIOB", ODR, 1 << 7)
    assert around.get("GPIOB", IDR) & 1 << 7 == 0
    around.chip.levels["PB7"] = True
    assert around.get("GPIOB", IDR) & 1 << 7
    around.set("GPIOB", ODR, 0)
    assert around.get("GPIOB", IDR) & 1 << 7 == 0


def test_f1_has_modes_of_its_own() -> None:
    around = Around(F1)
    around.chip.levels = {"PC9": True}
    assert around.get("GPIOC", F1_IDR) == 1 << 9  # floating after reset
    around.set("GPIOC", CRL, 0x8000_0002)  # PC7 pulled, PC0 push-pull
    around.set("GPIOC", F1_ODR, 1 << 7 | 1)
    assert around.chip.driven == [("PC0", False), ("PC0", True)]
    assert around.get("GPIOC", F1_IDR) == 1 << 9 | 1 << 7 | 1
    around.set("GPIOC", F1_BRR, 1 << 7)
    assert around.get("GPIOC", F1_IDR) == 1 << 9 | 1
    around.set("GPIOC", F1_BSRR, 1 << 16)
    assert around.chip.driven[-1] == ("PC0", False)


def test_an_edge_on_the_port_that_is_chosen_raises_its_interrupt() -> None:
    """RM0351 14.5: EXTICR4 chooses port C for line 13."""
    around = Around(L4)
    exti = around.of(Exti)
    around.set("SYSCFG", 0x14, 0x20)
    around.set("EXTI", 0x0, 1 << 13)
    around.set("EXTI", 0xC, 1 << 13)  # falling
    exti.pin_changed("A", 13, False)
    exti.pin_changed("C", 13, True)
    assert not around.chip.irqs.get(40, False)
    exti.pin_changed("C", 13, False)
    assert around.chip.irqs[40]
    assert around.get("EXTI", 0x14) == 1 << 13
    around.set("EXTI", 0x14, 1 << 13)
    assert not around.chip.irqs[40]


def test_software_raises_a_line_and_g0_keeps_edges_apart() -> None:
    around = Around("STM32G0B1xE")
    exti = around.of(Exti)
    around.set("EXTI", 0x80, 0b1)
    around.set("EXTI", 0x8, 0b1)
    assert around.get("EXTI", 0xC) == 1
    around.set("EXTI", 0xC, 1)
    assert around.get("EXTI", 0x8) == 0
    around.set("EXTI", 0x4, 0b1)
    exti.pin_changed("A", 0, False)
    assert (around.get("EXTI", 0xC), around.get("EXTI", 0x10)) == (0, 1)
