"""The line's time: bytes, flash, the bridge's packets and timer; what a busy ROM does not hear."""

from __future__ import annotations

import pytest

from flash_emulator import EmulatedFlash, load_part
from flash_emulator.bootrom import Chip, Line, Noise, RomOptions, Speed
from flash_emulator.bootrom.times import with_times
from mcu_updater.stm32 import an3155 as host
from tests.flash_emulator.bootrom.rom_host import BASE, chip_of

BYTE_US = 11e6 / 115_200


class Wire:
    """A host with a clock of its own that jumps to whatever comes next."""

    def __init__(self, line: Line) -> None:
        self.line, self.now_us = line, 0.0

    def send(self, data: bytes, baud: int = 0) -> None:
        self.line.receive(data, self.now_us, baud)

    def receive(self, size: int) -> bytes:
        got = b""
        while len(got) < size:
            got += self.line.transmit(self.now_us)
            due_us = self.line.next_due_us()
            if len(got) < size:
                assert due_us is not None, got
                self.now_us = max(self.now_us, due_us)
        return got

    def do(self, exchange, size: int = 1) -> bytes:
        for step in exchange:
            self.send(step.frame)
            got = self.receive(size if step is exchange[-1] else 1)
        return got


def wire_at(speed: Speed, part: str = "STM32L476xG") -> Wire:
    chip = Chip(EmulatedFlash(with_times(load_part(part), "max")[0]))
    wire = Wire(Line(chip, speed))
    wire.send(b"\x7f")
    assert wire.receive(1) == b"\x79"
    wire.now_us = 1e6
    return wire


def test_a_write_takes_268_bytes_of_line() -> None:
    """Section 2.5 of the facts: 268 bytes of 11 bits, 25.6 ms at 115200."""
    wire = wire_at(Speed(115_200))
    assert wire.do(host.write(BASE, bytes(256))) == b"\x79"
    assert wire.now_us - 1e6 == pytest.approx(268 * BYTE_US, abs=1)


def test_flash_takes_its_time_only_when_asked() -> None:
    for flash, extra_us in ((False, 0), (True, 32 * 90)):
        wire = wire_at(Speed(115_200, flash=flash))
        wire.do(host.write(BASE, bytes(256)))
        assert wire.now_us - 1e6 == pytest.approx(268 * BYTE_US + extra_us, abs=2)
    wire = wire_at(Speed(flash=True))
    wire.do(host.extended_erase([0]))
    assert wire.now_us - 1e6 == pytest.approx(24_470, abs=2)


def test_each_turnaround_waits_for_the_bridges_timer() -> None:
    wire = wire_at(Speed(115_200, latency_ms=16))
    begin_us = wire.now_us
    wire.do(host.write(BASE, bytes(256)))
    assert (wire.now_us - begin_us) % 16_000 == pytest.approx((16_000 - begin_us) % 16_000, abs=1)
    assert 3 * 16_000 <= wire.now_us - begin_us <= 5 * 16_000


def test_the_timer_starts_anew_with_each_packet() -> None:
    """AN232B-04: it measures the time since data was last sent to the PC."""
    wire = wire_at(Speed(921_600, latency_ms=16))
    head = host.read(BASE, 247)
    for step in head[:2]:
        wire.send(step.frame)
        wire.receive(1)
    wire.now_us += 5_000  # between two ticks
    wire.send(head[2].frame)
    wire.receive(248)  # ends with a full packet
    full_us = wire.now_us
    wire.send(host.get()[0].frame)
    wire.receive(15)
    assert wire.now_us == pytest.approx(full_us + 16_000, abs=1)


def test_a_timer_with_nothing_to_send_goes_on_ticking() -> None:
    wire = wire_at(Speed(921_600, latency_ms=16))
    wire.send(host.get()[0].frame)
    wire.receive(15)
    tick_us = wire.now_us
    wire.now_us += 3.5 * 16_000
    wire.send(host.get()[0].frame)
    wire.receive(15)
    assert wire.now_us == pytest.approx(tick_us + 4 * 16_000, abs=1)


def test_a_read_that_fills_packets_does_not_wait() -> None:
    """ACK and 247 bytes are four packets of 62; one byte more waits for the timer."""
    ends = []
    for size in (247, 248):
        wire = wire_at(Speed(921_600, latency_ms=16))
        head = host.read(BASE, size)
        for step in head[:2]:
            wire.send(step.frame)
            wire.receive(1)
        begin_us = wire.now_us
        wire.send(head[2].frame)
        assert len(wire.receive(size + 1)) == size + 1
        ends.append(wire.now_us - begin_us)
    line_us = (2 + 248) * 11e6 / 921_600
    assert ends[0] == pytest.approx(line_us, abs=1)
    assert ends[1] == pytest.approx(line_us + 16_000, abs=1)  # after the last full packet


def test_the_timer_can_be_set_anew() -> None:
    wire = wire_at(Speed(921_600, latency_ms=16))
    wire.line.set_latency(1)
    begin_us = wire.now_us
    wire.send(host.get()[0].frame)
    assert len(wire.receive(15)) == 15
    assert wire.now_us - begin_us <= 1_000


def test_a_busy_rom_hears_one_byte_only() -> None:
    wire = wire_at(Speed(115_200, flash=True))
    for step in host.extended_erase([0]):
        wire.send(step.frame)
        wire.receive(1) if step.frame[0] == 0x44 else None
    wire.send(bytes.fromhex("00ff00ff00ff"))  # while it erases
    assert wire.receive(1) == b"\x79"
    wire.now_us += 1e6
    assert wire.line.transmit(wire.now_us) == b""
    assert wire.line.overrun_count == 5
    wire.send(b"\xff")  # with the 00 that was kept: GET
    assert wire.receive(15)[:2] == b"\x79\x0b"


def test_merged_frames_at_115200_survive() -> None:
    """The ROM looks away for the one byte of its ACK: the next one waits in the data register."""
    wire = wire_at(Speed(115_200))
    wire.send(b"".join(step.frame for step in host.read(BASE, 8)))
    assert wire.receive(11) == b"\x79\x79\x79" + b"\xff" * 8
    assert wire.line.overrun_count == 0


def test_a_rom_understands_the_speed_that_it_measured() -> None:
    chip = Chip(EmulatedFlash(load_part("STM32L476xG")), RomOptions(max_baud=256_000))
    wire = Wire(Line(chip, Speed(115_200)))
    wire.send(b"\x7f", 921_600)
    wire.now_us += 1e6
    assert wire.line.transmit(wire.now_us) == b""
    wire.send(b"\x7f", 230_400)
    assert wire.receive(1) == b"\x79"
    wire.send(b"\x00\xff", 115_200)
    wire.now_us += 1e6
    assert wire.line.transmit(wire.now_us) == b""
    assert wire.line.misread_count == 3
    wire.send(b"\x00\xff", 230_400)
    assert wire.receive(15)[0] == 0x79


def test_noise_is_drawn_from_the_seed() -> None:
    def heard(noise: Noise) -> bytes:
        chip = chip_of()
        line = Line(chip, Speed(), noise)
        said = b""
        for _ in range(200):
            line.receive(b"\x02\xfd", 0)
            said += line.transmit(0)
        return said

    quiet = heard(Noise())
    assert quiet == bytes.fromhex("7901041579") * 200
    for noise in (Noise(flip=0.01), Noise(lose=0.01), Noise(double=0.01)):
        assert heard(noise) == heard(noise) != quiet
    assert heard(Noise(flip=0.01, seed=1)) != heard(Noise(flip=0.01))
    assert heard(Noise(lose=1)) == b""
    with pytest.raises(ValueError, match="0 to 1"):
        Noise(flip=2)


def test_every_part_gets_times_or_says_which_are_missing() -> None:
    part, untimed = with_times(load_part("STM32L476xG"), "typ")
    assert untimed == ()
    assert part.timing.of("program_unit") == 90  # the maximum stands in
    assert part.timing.of("mass_erase") == 22_000  # a bank's
    part, untimed = with_times(load_part("STM32F429xI"), "max")
    assert part.timing.of("mass_erase") == 16_000_000
    part, untimed = with_times(load_part("STM32H743xI"), "typ")
    assert untimed == ("program",)
    assert part.timing.of("mass_erase") == 8 * 1_100_000  # a bank's sectors in a row
    part, untimed = with_times(load_part("STM32H743xI"), "typ", program_unit_us=100)
    assert (untimed, part.timing.of("program_unit")) == ((), 100)
