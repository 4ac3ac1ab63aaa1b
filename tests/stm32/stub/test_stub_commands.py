"""``flash --stub`` as its user meets it: words, exit codes, JSON."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from flash_emulator import EmulatedFlash
from mcu_updater.cli.flasher import stm32, stm32_link
from tests.cli.command_line import run
from tests.core.trust import signing
from tests.flash_emulator.bootrom.served_chip import serving
from tests.stm32.emulated_chip import World, image
from tests.stm32.stub.stub_line import StubLine, stub_world


@pytest.fixture
def firmware(tmp_path: Path) -> Path:
    path = tmp_path / "firmware.bin"
    path.write_bytes(image(5000).segments[0].data)
    return path


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """A chip whose stub is executed, behind any port."""
    made = stub_world()
    line = made.line
    line.notes, line.latency_ms, line.adapter = (), None, "x"  # type: ignore[attr-defined]
    line.close = lambda: None  # type: ignore[attr-defined]
    monkeypatch.setattr(stm32_link, "open_rom_line", lambda *_, **__: line)
    monkeypatch.setattr(stm32_link, "MonotonicClock", lambda: made.clock)
    return made


def flash(tmp_path: Path, firmware: Path, *more: str):
    common = ("--port", "any", "--reset", "dtr,rts", "--cache", tmp_path / "cache")
    return run("flash", firmware, *common, "--stub", *more)


def test_twice_with_json(tmp_path: Path, firmware: Path, world: World) -> None:
    for by, data in (("read-back", 1), ("the stub's CRC", 2)):
        firmware.write_bytes(image(5000, seed=data).segments[0].data)
        done = flash(tmp_path, firmware, "--json")
        assert done.exit_code == 0, done.output
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        events = {line["event"]: line for line in lines if "event" in line}
        assert events["stub"] == {"event": "stub", "name": "l476", "baud": 921_600}
        assert events["verified"]["by"] == by
        assert events["done"]["written_bytes"] == 5000
        assert world.holds(image(5000, seed=data))
    forced = flash(tmp_path, firmware, "--read-back")
    assert "by read-back" in forced.output and "nothing to do" in forced.output


def test_a_stub_that_says_what_is_not_so(tmp_path: Path, firmware: Path, world: World) -> None:
    line = world.line
    assert isinstance(line, StubLine)

    def damage(device: EmulatedFlash) -> None:
        line.on_end = lambda _: None
        device.erase(0x0800_0800)

    line.on_end = damage
    failed = flash(tmp_path, firmware)
    assert failed.exit_code == 7
    assert "The boot ROM has written the image then, and verified it" in failed.stderr
    assert world.holds(image(5000))
    later = flash(tmp_path, firmware)
    assert later.exit_code == 0 and "has failed on this chip before" in later.output


def test_a_signed_image_is_read_back_each_time(tmp_path: Path, world: World) -> None:
    key = tmp_path / "owner.pem"
    key.write_bytes(signing.public_pem("ed25519", "owner"))
    for version in ("2.0.0", "2.0.1"):
        signed = tmp_path / f"{version}.bin"
        signed.write_bytes(signing.signed(version, counter=2))
        done = flash(tmp_path, signed, "--base", "0x0800_8000", "--require-signature", str(key))
        assert done.exit_code == 0 and "by read-back" in done.output, done.output


def test_the_line_rate_is_that_of_the_stubs_speed(
    tmp_path: Path, firmware: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More bytes than the ROM's speed carries in that time, and the port keeps its rate."""
    monkeypatch.setattr(stm32, "time", SimpleNamespace(monotonic=world.clock.now_s))
    flash(tmp_path, firmware)
    firmware.write_bytes(image(100_000, seed=2).segments[0].data)
    done = json.loads(flash(tmp_path, firmware, "--json").stdout.splitlines()[-1])
    assert done["event"] == "done"
    assert done["wire_bytes"] * 10 / 115_200 > done["seconds"]
    assert 10 < done["line_rate_percent"] < 100


def test_where_nobody_listens_and_nobody_can_reset(tmp_path: Path, firmware: Path) -> None:
    """The served chip executes nothing: it is silent after Go. Nothing is claimed, nor changed."""
    common = ("--port", tmp_path / "tty", "--cache", tmp_path / "cache", "--timeout", "0.3")
    with serving("STM32L476xG", "--link", tmp_path / "tty"):
        planned = run("flash", firmware, *common, "--stub", "--dry-run")
        assert planned.exit_code == 0 and "Nothing was changed" in planned.output
        by_rom = run("flash", firmware, *common, "--dry-run")
        assert planned.output.splitlines()[-1] != by_rom.output.splitlines()[-1]
        lost = run("flash", firmware, *common, "--stub")
        assert lost.exit_code == 11 and "Set BOOT0 high, press reset" in lost.output


def test_a_chip_that_has_none(tmp_path: Path, firmware: Path) -> None:
    common = ("--port", tmp_path / "tty", "--cache", tmp_path / "cache", "--timeout", "0.3")
    with serving("STM32H743xI", "--link", tmp_path / "tty"):
        refused = run("flash", firmware, *common, "--stub")
    assert refused.exit_code == 6 and "Leave --stub out" in refused.output


def test_reading_back_belongs_to_the_stub(firmware: Path) -> None:
    refused = run("flash", firmware, "--port", "any", "--read-back")
    assert refused.exit_code == 2 and "without --stub" in refused.output


def test_what_the_stub_writes_is_always_verified(firmware: Path) -> None:
    refused = run("flash", firmware, "--port", "any", "--stub", "--no-verify")
    assert refused.exit_code == 2 and "--no-verify has no effect with --stub" in refused.output
