"""The fixtures of mcu_updater, in this very run."""

from __future__ import annotations

from mcu_updater.cloud.single_device import ComponentState, Package, Plan
from mcu_updater.pytest_plugin import MakeBoard, MakeModule


def test_board_makes_boards_that_run(board: MakeBoard) -> None:
    first, second = board(version="1.0.0", seed=1), board("STM32L476xG", "3.0.0", seed=2)
    list(first.run())
    list(second.run())
    assert (first.device.seed, second.device.seed) == (1, 2)
    assert first.device.digest() != second.device.digest()


def test_board_takes_the_other_arguments_of_a_new_board(board: MakeBoard) -> None:
    mine = board(component="MCU")
    mine.offer(Plan("MCU", "2.0.0", Package(b"no image")))
    assert (mine.component, len(mine.center.plans)) == ("MCU", 1)


def test_quectel_module_has_a_plan_to_offer(quectel_module: MakeModule) -> None:
    offering = quectel_module(b"package", "2.1.0", component="MCU")
    assert (offering.plan.component, offering.plan.target_version) == ("MCU", "2.1.0")
    assert offering.center.state_of(offering.plan) is ComponentState.NOT_RECEIVED
    module = offering.module
    module.power_on(0.0)
    module.advance(10.0)
    module.receive(b'AT+QIOTMCUVER="MCU","1.0.0"\r\n', 10.0)
    assert b"OK" in module.transmit()
