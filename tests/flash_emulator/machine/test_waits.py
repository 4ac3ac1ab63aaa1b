"""Loops that wait for a byte that nobody sends, and give up by a clock: at the time they mean."""

import pytest

from tests.flash_emulator.machine.test_machine import running

WATCHDOG = "0148 0249 0160 03e0 00300040 cccc0000"  # IWDG_KR = 0xCCCC: 512 ms, never refreshed
# Each: until RXNE of USART2, bkpt #1; or the time is over, bkpt #0.
WAITS = {
    # RVR = 15999; CSR = 5; COUNTFLAG for the 100th time
    "COUNTFLAG": (
        (
            "0848 0949 094a 4a60 0522 0a60 6423 0268 9206 05d4 0a68 d203 f9d5 013b f7d1 00be 01be "
            "00bf 1c440040 10e000e0 7f3e0000"
        ),
        100,
    ),
    # CYCCNT = 0; CYCCNT >= 160000
    "CYCCNT": (
        (
            "0648 0749 074b 0022 0a60 0268 9206 03d4 0a68 9a42 f9d3 00be 01be 00bf"
            "1c440040 041000e0 00710200"
        ),
        10,
    ),
    # RVR = 0xFFFFFF; CSR = 5; CVR <= 0xFFFFFF - 160000
    "CVR": (
        (
            "0748 0849 084b 0022 d243 4a60 0522 0a60 0268 9206 03d4 8a68 9a42 f9d8 00be 01be"
            "1c440040 10e000e0 ff8efd00"
        ),
        10,
    ),
}


@pytest.mark.parametrize("before", ["", WATCHDOG], ids=["nothing else", "IWDG"])
@pytest.mark.parametrize("clock", WAITS)
def test_a_wait_is_given_up_in_time(clock: str, before: str) -> None:
    code, expected_ms = WAITS[clock]
    machine, ended = running(before + code)
    assert (ended.kind, ended.text) == ("breakpoint", "BKPT #0")
    assert machine.now_us / 1000 == pytest.approx(expected_ms, rel=0.01)
    assert (machine.record.resets, machine.met.polls) == ([], {})


def test_no_time_is_spent_on_a_flag_that_is_looked_at() -> None:
    """100 ms are 1.6 million cycles; between two flags only the patience is executed."""
    machine, _ = running(WAITS["COUNTFLAG"][0])
    assert machine.engine.meter.counted < 400_000


# A look at RXNE of USART2 before each of 100 units that are programmed; bkpt #0 at the end.
PROGRAMS = (
    "0b48 0c49 0c4a 8a60 0c4a 8a60 0122 4a61 0b4b 6424 0268 9206 09d4 1c60 5c60 0a69 d203 fcd4"
    "0833 013c f4d1 00be 01be 00bf 1c440040 00200240 23016745 ab89efcd 00000408"
)


@pytest.mark.parametrize("before", ["", WATCHDOG], ids=["nothing else", "IWDG"])
def test_work_between_two_looks_is_no_wait(before: str) -> None:
    machine, ended = running(before + PROGRAMS)
    assert (ended.kind, ended.text) == ("breakpoint", "BKPT #0")
    assert machine.now_us / 1000 == pytest.approx(100 * 0.0908, rel=0.01)
    assert machine.record.resets == []
