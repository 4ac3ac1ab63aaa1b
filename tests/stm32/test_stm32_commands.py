"""The commands against ``chip serve``, as processes would meet: exit codes and words."""

from __future__ import annotations

import json

import pytest

from tests.cli.command_line import run
from tests.flash_emulator.bootrom.served_chip import serving
from tests.stm32.emulated_chip import image


@pytest.fixture
def firmware(tmp_path):
    path = tmp_path / "firmware.bin"
    path.write_bytes(image(6000).segments[0].data)
    return path


@pytest.fixture
def common(tmp_path):
    return ("--port", tmp_path / "tty", "--cache", tmp_path / "cache", "--timeout", 0.3)


def chip(tmp_path, *options, part="STM32L476xG"):
    return serving(part, "--link", tmp_path / "tty", *options)


def test_flash_verify_read_erase_in_json_and_in_words(tmp_path, firmware, common):
    with chip(tmp_path):
        flashed = run("flash", firmware, *common, "--json")
        lines = [json.loads(line) for line in flashed.stdout.splitlines()]
        assert flashed.exit_code == 0 and lines[0]["schema"] == 2
        done = lines[-1]
        assert done["event"] == "done" and done["written_bytes"] == 6000 and done["turnarounds"]
        assert "parity" in next(line["text"] for line in lines if line["event"] == "note")
        verified = run("verify", firmware, *common)
        assert verified.exit_code == 0 and "verified: 6000 bytes" in verified.output
        dry = run("flash", firmware, *common, "--dry-run")
        assert "erase nothing" in dry.output and "Nothing was changed" in dry.output
        back = tmp_path / "back.bin"
        assert run("read", back, *common, "--size", 6000).exit_code == 0
        assert back.read_bytes() == firmware.read_bytes()
        erased = run("erase", *common, "--start", "0x0800_0000", "--size", 2048)
        assert erased.exit_code == 0 and "2048 bytes" in erased.output
        again = run("verify", firmware, *common)
        assert again.exit_code == 7 and "0x0800_0000" in again.output
        assert run("erase", *common, "--start", "0x0800_0001", "--size", 2048).exit_code == 2


def test_protection_and_option_bytes(tmp_path, firmware, common):
    with chip(tmp_path):
        shown = run("option-bytes", *common, "--quiet").output + run("info", *common).output
        assert "PID            0x415" in shown and "option bytes   aa" in shown
        told = run("option-bytes", *common, "--json").stdout.splitlines()[-1]
        held = bytearray.fromhex(json.loads(told)["hex"])
        level_2 = bytes((0xCC,)) + held[1:]
        refused = run("option-bytes", *common, "--write", level_2.hex(), "--yes")
        assert refused.exit_code == 2 and "level 2" in refused.output
        held[2] ^= 0x10  # BFB2
        written = run("option-bytes", *common, "--write", held.hex(), "--yes")
        assert written.exit_code == 0 and held.hex() in written.output
        assert run("protect", *common, "--readout", "--yes").exit_code == 0
        locked = run("flash", firmware, *common)
        assert locked.exit_code == 6 and "unprotect --readout" in locked.output
        assert run("unprotect", *common, "--readout", "--yes").exit_code == 0
        assert run("flash", firmware, *common).exit_code == 0
        assert run("protect", *common, "--write", "0,1").exit_code == 0
        firmware.write_bytes(image(6000, seed=3).segments[0].data)
        guarded = run("flash", firmware, *common)
        assert guarded.exit_code == 7 and "unprotect --write" in guarded.output
        assert run("unprotect", *common, "--write").exit_code == 0
        assert run("flash", firmware, *common).exit_code == 0


def test_h7_has_no_option_bytes_in_memory(tmp_path, common):
    with chip(tmp_path, part="STM32H743xI"):
        refused = run("option-bytes", *common)
        assert refused.exit_code == 6 and "not memory" in refused.output


def test_wrong_part_too_small_unknown_and_by_geometry(tmp_path, firmware, common):
    with chip(tmp_path, part="STM32F103x8"):
        wrong = run("flash", firmware, *common, "--part", "STM32L476xG")
        assert wrong.exit_code == 6 and "0x410" in wrong.output
        big = tmp_path / "big.bin"
        big.write_bytes(image(70_000).segments[0].data)
        assert run("flash", big, *common).exit_code == 3
        shape = ("--geometry", "0x0800_0000:64x1K", "--program-unit", 2)
        assert run("flash", firmware, *common, *shape).exit_code == 0


def test_nobody_there_a_bad_port_and_a_damaged_file(tmp_path, firmware, common):
    with chip(tmp_path, "--fault", "hang:get:1+"):
        silent = run("flash", firmware, *common)
        assert silent.exit_code == 11 and "reliably" in silent.output
    assert run("flash", firmware, "--port", tmp_path / "none").exit_code == 4
    damaged = tmp_path / "damaged.hex"
    damaged.write_text(":0400000000200008D5\n:00000001FF\n")
    assert run("flash", damaged, *common).exit_code == 3
    with chip(tmp_path):
        reset = run("flash", firmware, *common, "--reset", "dtr,rts")
        assert reset.exit_code == 4 and "DTR" in reset.output


def test_a_dry_run_says_what_a_mass_erase_would_save(tmp_path, common):
    large = tmp_path / "large.bin"
    large.write_bytes(image(64 * 1024).segments[0].data)
    with chip(tmp_path):
        dry = run("flash", large, *common, "--dry-run")
        assert "--erase-chip: 0.8 s less, and all else is lost" in dry.output
        whole = run("flash", large, *common, "--erase-chip", "--dry-run", "--json")
        assert json.loads(whole.stdout.splitlines()[-1])["erase_chip_saves_s"] == 0


def test_a_slow_bridge_gets_commands_in_one_write_and_that_is_remembered(tmp_path, common):
    path = tmp_path / "firmware.bin"
    path.write_bytes(image(10 * 1024).segments[0].data)

    def turnarounds(*more: str) -> int:
        at = ("--baud", 921_600, "--diff", "off", "--json")
        done = run("flash", path, *common, *at, *more)
        assert done.exit_code == 0, done.output
        return int(json.loads(done.stdout.splitlines()[-1])["turnarounds"])

    with chip(tmp_path, "--latency-ms", "8"):
        strict = turnarounds("--no-merge")
        assert not list(tmp_path.rglob("merging/*.json"))
        first = turnarounds()
        (kept,) = tmp_path.rglob("merging/*.json")
        (record,) = json.loads(kept.read_text()).values()
        assert record == {"passed": [0x11, 0x31], "doubts": 0}
        assert turnarounds() < first < strict / 2
