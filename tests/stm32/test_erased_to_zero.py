"""Flash that erases to 00 (L0, L1) is refused before anything is erased, by every command that
takes erased flash for FF; what only looks works."""

from __future__ import annotations

import pytest

from flash_emulator.bootrom import RomOptions
from mcu_updater.core.errors import ChipRefused
from mcu_updater.stm32.chip import ERASED_TO_ZERO, chip_of_geometry
from mcu_updater.stm32.connection import ConnectOptions, connect, look
from mcu_updater.stm32.flasher import Flasher, FlashOptions
from tests.cli.command_line import run
from tests.flash_emulator.bootrom.served_chip import serving
from tests.stm32.emulated_chip import World, image, world

SHAPE = ("--geometry", "0x0800_0000:1536x128", "--program-unit", 4)


def flasher_of(pid: int) -> tuple[World, Flasher]:
    """A chip that answers GET ID with *pid*, known by its geometry."""
    one = world("STM32L476xG", options=RomOptions(pid=pid))
    one.chip.device.preload(0x0800_0000, b"old firmware and its data" * 8)
    rom, identity, wiring = connect(one.line, one.clock, ConnectOptions(), one.notes.append)
    assert identity.pid == pid
    chip = chip_of_geometry(None, 0x0800_0000, [(1536, 128)], 4)
    return one, Flasher(look(rom, identity, wiring, (chip,)), chip, one.cache_store)


@pytest.mark.parametrize("pid", sorted(ERASED_TO_ZERO))
def test_no_command_that_takes_erased_for_ff_begins(pid: int) -> None:
    one, flasher = flasher_of(pid)
    before = one.chip.device.digest()
    firmware, options = image(1000), FlashOptions()
    for events in (
        flasher.flash(firmware, options),
        flasher.plan(firmware, options),
        flasher.verify(firmware),
        flasher.erase(flasher.chip.sectors[:1], everything=False),
        flasher.erase(flasher.chip.sectors, everything=True),
    ):
        with pytest.raises(ChipRefused, match="erases to 00, which is not supported") as caught:
            list(events)
        assert ERASED_TO_ZERO[pid] in str(caught.value)
        assert "Nothing was changed" in str(caught.value)
    assert one.chip.device.digest() == before
    read = [part for part in flasher.read(0x0800_0000, 32, twice=True) if isinstance(part, bytes)]
    assert b"".join(read).startswith(b"old firmware")


def test_the_families_are_those_of_stm32loader() -> None:
    """Its list is not whole; those that it calls L0 and L1 are all here, and no other of it is."""
    from stm32loader.bootloader import CHIP_IDS

    theirs = {pid for pid, name in CHIP_IDS.items() if name.startswith(("STM32L0", "STM32L1"))}
    assert len(theirs) >= 3
    assert theirs == set(CHIP_IDS) & set(ERASED_TO_ZERO)


@pytest.mark.parametrize("pid", [0x416, 0x447])
def test_on_the_command_line(pid: int, tmp_path) -> None:
    """With and without --geometry; served, so that a user can try it."""
    link, file = tmp_path / "tty", tmp_path / "app.bin"
    file.write_bytes(image(1000).segments[0].data)
    common = ("--port", link, "--cache", tmp_path / "cache", "--timeout", 0.3)
    with serving("STM32L476xG", "--pid", hex(pid), "--link", link) as chip:
        for command in (
            ("flash", file),
            ("flash", file, "--dry-run"),
            ("verify", file),
            ("erase", "--start", "0x0800_0000", "--size", 2048),
        ):
            for shape in ((), SHAPE):
                refused = run(*command, *common, *shape)
                assert refused.exit_code == 6, refused.output
                assert "erases to 00" in refused.output
        assert chip.status()["erases"] == "0"
        shown = run("info", *common)
        assert shown.exit_code == 0 and f"{pid:#05x}" in shown.output
        back = tmp_path / "back.bin"
        assert run("read", back, *common, *SHAPE, "--size", 256).exit_code == 0
        assert len(back.read_bytes()) == 256
