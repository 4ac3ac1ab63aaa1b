"""Links that are slow, that echo, and ROMs that do not tell everything."""

from __future__ import annotations

import pytest

from flash_emulator.an3155 import Command
from flash_emulator.bootrom.memory import Memory
from mcu_updater.cli.flasher.stm32_link import _timeouts
from mcu_updater.core.errors import (
    ChipRefused,
    LinkError,
    NoBootloader,
    Remedy,
    UpdaterError,
)
from mcu_updater.stm32.connection import ConnectOptions, connect
from mcu_updater.stm32.flasher import FlashOptions
from mcu_updater.stm32.line import WIRINGS
from mcu_updater.stm32.rom import Timeouts
from tests.stm32.emulated_chip import World, image, world
from tests.stm32.slow_line import EchoingLine, SlowLine, slow_world

DELAYS_S = (0.0, 0.05, 0.09, 0.1, 0.11, 0.15, 0.25, 0.4, 0.7, 1.0, 1.5, 2.5, 5.0)


def nobody(one: World, timeouts: Timeouts | None = None) -> UpdaterError:
    """Why nobody is reached."""
    options = ConnectOptions(timeouts=timeouts or Timeouts())
    with pytest.raises((NoBootloader, ChipRefused, LinkError)) as caught:
        connect(one.line, one.clock, options, one.notes.append)
    return caught.value


# --- slow


@pytest.mark.parametrize("jitter", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("delay_s", DELAYS_S)
def test_a_slow_link_connects_flashes_and_verifies_with_nothing_given(delay_s, jitter):
    one = slow_world(delay_s, jitter * delay_s if delay_s * (1 + jitter) < 6 else 0.0)
    firmware = image(3000)
    one.flash(firmware)
    assert one.holds(firmware)
    if delay_s > 0.1:
        assert any("slow link" in note for note in one.notes)


@pytest.mark.parametrize("delay_s", DELAYS_S)
def test_the_same_for_a_chip_that_has_spoken_already_and_one_in_the_middle_of_a_frame(delay_s):
    for left in (
        b"\x7f",
        b"\x7f\x31\xce",
        b"\x7f\x31\xce\x08\x00\x00\x00\x08\xff",
        b"\x7f\x44\xbb",
    ):
        one = slow_world(delay_s)
        one.line.write(left)
        one.flash(image(600))
        assert one.holds(image(600))


@pytest.mark.parametrize("delay_s", [0.0, 0.3, 2.0])
def test_answers_to_a_killed_run_are_not_taken_for_ours(delay_s):
    one = slow_world(delay_s)
    flasher = one.connect()
    for _ in range(3):
        one.line.write(b"\x11\xee")
        one.line.write(b"\x08\x00\x00\x00\x08")
        one.line.write(b"\xff\x00")  # 256 bytes are on their way
    del flasher
    one.flash(image(600, seed=2))
    assert one.holds(image(600, seed=2))


@pytest.mark.parametrize("delay_s", [8.0, 20.0])
def test_a_timeout_that_is_given_covers_a_link_that_is_slower_still(delay_s):
    error = nobody(slow_world(delay_s))
    assert error.remedies[-1] is Remedy.MORE_TIME and error.value == "24"
    one = slow_world(delay_s)
    rom, identity, _ = connect(
        one.line, one.clock, ConnectOptions(timeouts=_timeouts(30.0)), one.notes.append
    )
    assert identity.pid == 0x415
    assert rom.read(0x0800_0000, 16) == b"\xff" * 16


def test_a_short_timeout_is_heeded_and_the_advice_fits():
    error = nobody(slow_world(2.5), _timeouts(0.5))
    assert error.remedies[-1] is Remedy.MORE_TIME
    assert Remedy.LOWER_BAUD not in error.remedies and "ground" not in error.message


def test_a_dead_line_is_given_up_soon_and_silence_is_called_so():
    one = world()
    one.line.baud, one.line.best_baud = 115_200, 1
    error = nobody(one)
    assert "not a byte in 6 s" in error.message and error.remedies[-1] is Remedy.MORE_TIME
    assert one.clock.now < 10


def test_a_reset_by_modem_lines_over_a_slow_link():
    one = slow_world(0.4)
    one.line.wired = WIRINGS["dtr,!rts"]
    one.chip.boot0 = False
    one.chip.reset()
    options = ConnectOptions(wirings=(WIRINGS["dtr,!rts"],))
    _, identity, wiring = connect(one.line, one.clock, options, one.notes.append)
    assert identity.pid == 0x415 and wiring is not None


def test_a_link_that_becomes_slow_on_the_way():
    one = slow_world(0.02)
    flasher = one.connect()
    assert isinstance(one.line, SlowLine)
    one.line.delay_s = 0.9
    data = flasher.connection.rom.read(0x0800_0000, 256)
    assert len(data) == 256
    assert flasher.connection.rom.rom.round_trip_s > 0.8


def test_a_link_that_goes_silent_on_the_way_is_no_matter_of_baud():
    one = slow_world(0.0)
    flasher = one.connect()
    one.line.best_baud = 1
    with pytest.raises(LinkError) as caught:
        flasher.connection.rom.read(0x0800_0000, 256)
    assert "--baud" not in str(caught.value)


def test_a_fast_link_is_as_fast_as_ever():
    one = world()
    one.connect()
    assert one.clock.now < 0.3


# --- echo


@pytest.mark.parametrize("delay_s", [0.0, 0.05, 0.3, 1.0, 2.5])
@pytest.mark.parametrize("joined", [True, False])
def test_own_bytes_that_come_back_are_known_for_what_they_are(joined, delay_s):
    one = world()
    one.line = EchoingLine(one.chip, one.clock, delay_s, joined=joined)
    said = nobody(one).message
    assert "your own bytes come back" in said
    assert "TX joined to RX" in said and "echo" in said
    assert "--baud" not in said


def test_a_program_that_chatters_is_no_echo():
    one = world()

    class Chatter(SlowLine):
        def read(self, timeout_s: float) -> bytes:
            self.clock.now += min(timeout_s, 0.01)
            return b"temperature 21\r\n"

    one.line = Chatter(one.chip, one.clock, 0.0)
    said = nobody(one).message
    assert "own bytes" not in said and "nothing that makes sense" in said
    assert one.clock.now < 120


# --- what a ROM does not say


def unreadable(monkeypatch, *places: int) -> None:
    """Reads of these addresses are NACKed."""
    can_read = Memory.can_read
    monkeypatch.setattr(
        Memory, "can_read", lambda self, address: address not in places and can_read(self, address)
    )


@pytest.mark.parametrize("part", ["STM32L476xG", "STM32F103x8", "STM32H743xI"])
@pytest.mark.parametrize("what", ["uid", "size", "both"])
def test_a_rom_that_refuses_uid_or_size_goes_on_without(monkeypatch, part, what):
    one = world(part)
    identity = one.chip.device.part.identity
    places = {"uid": (identity.uid,), "size": (identity.flash_size_reg,)}
    unreadable(monkeypatch, *places.get(what, (identity.uid, identity.flash_size_reg)))
    firmware = image(3000)
    flasher = one.connect()
    list(flasher.flash(firmware, FlashOptions()))
    assert one.holds(firmware)
    assert (flasher.connection.uid == b"") == (what != "size")
    assert (flasher.connection.flash_size is None) == (what != "uid")
    assert not flasher.connection.is_protected
    said = " ".join(one.notes)
    assert ("its UID" in said) == (what != "size")
    assert ("how large" in said) == (what != "uid")


@pytest.mark.parametrize("command", [Command.GET, Command.GET_ID])
def test_a_rom_that_refuses_to_say_what_it_is(command):
    said = nobody(world(faults=[f"nack:{command.words}:1+"])).message
    assert f"refuses {command.words}" in said
    assert "--baud" not in said


def test_a_rom_without_get_version_is_none_the_worse():
    one = world(faults=["nack:get-version:1+"])
    one.flash(image(600))
    assert one.holds(image(600))
