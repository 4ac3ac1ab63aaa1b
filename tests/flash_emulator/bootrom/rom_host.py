"""A host in memory: our frames against the emulated ROM, no time, no wire."""

from __future__ import annotations

from flash_emulator import EmulatedFlash, load_part
from flash_emulator.an3155 import SYNC
from flash_emulator.bootrom import Chip, Faults, RomOptions
from mcu_updater.stm32.an3155 import Accepted, Answer, Exchange, ReplyReader

BASE = 0x0800_0000


def chip_of(part: str = "STM32L476xG", options: RomOptions | None = None, *faults) -> Chip:
    chip = Chip(EmulatedFlash(load_part(part)), options, faults=Faults(*faults))
    connect(chip)
    return chip


def connect(chip: Chip) -> bytes:
    chip.receive(bytes((SYNC,)))
    return chip.transmit()


def ask(chip: Chip, exchange: Exchange) -> Answer | None:
    """The last answer; that of the step that was not accepted, or None where none came."""
    answer: Answer | None = None
    rest = b""  # two ACKs in one breath: the second is the next step's
    for step in exchange:
        chip.receive(step.frame)
        reader = ReplyReader(step.reply)
        reader.feed(rest + chip.transmit())
        answer, rest = reader.answer, reader.rest
        if not isinstance(answer, Accepted):
            break
    return answer


def data_of(chip: Chip, exchange: Exchange) -> bytes:
    answer = ask(chip, exchange)
    assert isinstance(answer, Accepted), answer
    return answer.data
