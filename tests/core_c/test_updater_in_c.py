"""Sessions that no search comes to, since something outside is wrong: both cores do the same."""

from __future__ import annotations

import pytest

from flash_emulator.explore import Path
from flash_emulator.explore.read_choice import ReadChoice
from flash_emulator.explore.states import State
from mcu_updater.core import slot
from mcu_updater.core.flash import FlashDevice
from mcu_updater.core.flash import sha256_of as real_sha256_of
from mcu_updater.core_c import mcu
from mcu_updater.powerloss.catalogue import filled, scenario
from mcu_updater.powerloss.in_c import subject_of
from mcu_updater.powerloss.scenario import Core
from mcu_updater.powerloss.subject import BoardSubject
from mcu_updater.quectel.emulated.module import EmulatedModule
from mcu_updater.quectel.emulated.pipe import ModulePipe
from tests.core_c.pairs import Step, first_difference, follow

pytestmark = pytest.mark.judge("gcc")

LINE_END = b"\r\n"


def followed() -> list[Step]:
    """What Python does in the scenario "good", after C has done the same."""
    target = filled("STM32L476xG", 700, "bin")
    found = []
    for core in Core:
        subject = subject_of(scenario("good", target, core=core))
        assert isinstance(subject, BoardSubject)
        state = State(b"", subject.flash, subject.external, Path())
        found.append(follow(subject, state, ReadChoice()).steps)
    python, c = found
    assert first_difference(python, c) is None
    return python


def lines(steps: list[Step]) -> list[bytes]:
    return [step[1] for step in steps if step[0] == "line" and isinstance(step[1], bytes)]


def test_an_image_that_is_not_what_was_written(monkeypatch: pytest.MonkeyPatch):
    """The digests of the slot that is written agree in all bytes but the last."""
    bank_b = 0x0808_8000

    def sha256_of(device: FlashDevice, address: int, size: int) -> bytes:
        digest = real_sha256_of(device, address, size)
        wrong = digest[:-1] + bytes([digest[-1] ^ 1])
        return wrong if address == bank_b else digest

    for module in (slot, mcu):
        monkeypatch.setattr(module, "sha256_of", sha256_of)
    steps = followed()
    assert b"AT+QIOTUPDATE=3" + LINE_END not in lines(steps)


def spoil(monkeypatch: pytest.MonkeyPatch, command: bytes, by: bytes, times: int) -> None:
    """The first so many of *command* in each boot come to the module as *by*."""
    left = [0]
    receive = EmulatedModule.receive

    def spoilt(module: EmulatedModule, data: bytes, now_s: float) -> None:
        is_spoilt = data == command + LINE_END and left[0] > 0
        left[0] -= is_spoilt
        receive(module, by + LINE_END if is_spoilt else data, now_s)

    monkeypatch.setattr(EmulatedModule, "receive", spoilt)
    renew(monkeypatch, left, times)


@pytest.mark.parametrize("refusals", [4, 5, 9])
def test_a_confirmation_that_is_refused(refusals: int, monkeypatch: pytest.MonkeyPatch):
    """No version may be stated then: the module may have taken it."""
    confirm = b"AT+QIOTUPDATE=1"
    spoil(monkeypatch, confirm, b"AT+QIOTUPDATE=9", refusals)
    said = lines(followed())
    assert said.count(confirm + LINE_END) > refusals
    first, last = (find(confirm + LINE_END) for find in (said.index, said[::-1].index))
    between = said[first : len(said) - last]
    assert not [line for line in between if line.startswith(b"AT+QIOTMCUVER=")]


@pytest.mark.parametrize("times", [1, 3, 4, 5])
def test_a_version_that_is_misheard(times: int, monkeypatch: pytest.MonkeyPatch):
    """It is stated again, and not for ever."""
    stated = b'AT+QIOTMCUVER="STM32","1.0.0"'
    spoil(monkeypatch, stated, stated.replace(b"1.0.0", b"1.0.8"), times)
    assert lines(followed()).count(stated + LINE_END) == min(times + 1, 4)


def test_a_last_word_of_a_download_behind_a_version(monkeypatch: pytest.MonkeyPatch):
    """10702 comes where 10705 or 10706 might: it is not waited on."""
    asked, left = b"AT+QIOTMCUVER?" + LINE_END, [0]
    write, arrived = ModulePipe.write, ModulePipe.read
    pending: list[bytes] = []

    def with_event(pipe: ModulePipe, data: bytes) -> None:
        write(pipe, data)
        if data == asked and left[0] > 0:
            left[0] -= 1
            pending.append(b"\r\n+QIOTEVT: 7,10702\r\n")

    def read(pipe: ModulePipe, timeout_s: float) -> bytes:
        data = arrived(pipe, timeout_s)
        return data + pending.pop() if pending and data.endswith(b"OK\r\n") else data

    monkeypatch.setattr(ModulePipe, "write", with_event)
    monkeypatch.setattr(ModulePipe, "read", read)
    renew(monkeypatch, left, 1)
    said = lines(followed())
    assert said.count(b"AT+QIOTOTAREQ=1" + LINE_END) >= 2


def renew(monkeypatch: pytest.MonkeyPatch, left: list[int], count: int) -> None:
    """*left* is *count* at the beginning of each boot."""
    board = BoardSubject.board

    def made(*arguments: object) -> object:
        left[0] = count
        return board(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(BoardSubject, "board", made)
