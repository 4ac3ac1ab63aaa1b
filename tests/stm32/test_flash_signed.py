"""``flash --require-signature``: judged before the first erase, read back after the last write."""

from __future__ import annotations

import pytest

from tests.cli.command_line import run
from tests.core.trust import signing
from tests.flash_emulator.bootrom.served_chip import serving

ADDRESS = "0x0800_8000"  # where the images of ``signing`` are linked


@pytest.fixture
def files(tmp_path):
    for who in ("owner", "stranger"):
        (tmp_path / f"{who}.pem").write_bytes(signing.public_pem("ed25519", who))
    (tmp_path / "signed.bin").write_bytes(signing.signed("2.0.0", counter=2))
    (tmp_path / "plain.bin").write_bytes(signing.body("2.0.0", header_size=0))
    return tmp_path


def flash(files, image, *more, key="owner", base=ADDRESS):
    port = ("--port", files / "tty", "--cache", files / "cache", "--base", base)
    return run("flash", files / image, *port, "--require-signature", files / f"{key}.pem", *more)


def chip(files):
    return serving("STM32L476xG", "--link", files / "tty")


def test_a_signed_image_is_flashed(files):
    with chip(files):
        planned = flash(files, "signed.bin", "--dry-run")
        done = flash(files, "signed.bin")
    assert planned.exit_code == 0 and "version 2.0.0, security counter 2" in planned.output
    assert done.exit_code == 0 and "version 2.0.0, security counter 2" in done.output
    assert "verified: " in done.output


def test_what_is_not_to_be_trusted_leaves_the_chip_as_it_was(files):
    image = bytearray(signing.signed("2.0.0"))
    image[0x300] ^= 1
    (files / "flipped.bin").write_bytes(image)
    (files / "cut.bin").write_bytes(signing.signed("2.0.0")[:-8])
    with chip(files) as served:
        before = served.status()
        for name, key, base, text in (
            ("plain.bin", "owner", ADDRESS, ""),
            ("flipped.bin", "owner", ADDRESS, ""),
            ("cut.bin", "owner", ADDRESS, ""),
            ("signed.bin", "stranger", ADDRESS, "not trusted"),
            ("signed.bin", "owner", "0x0804_0000", "reset"),  # linked for another place
        ):
            for more in ((), ("--dry-run",)):
                refused = flash(files, name, *more, key=key, base=base)
                assert refused.exit_code == 3, refused.output
                assert text in refused.output
        after = served.status()
    assert (before["programs"], before["erases"]) == (after["programs"], after["erases"])


def test_a_signature_for_another_class_of_devices(files):
    mine = "00112233-4455-6677-8899-aabbccddeeff"
    (files / "class.bin").write_bytes(signing.signed("2.0.0", cid=mine))
    with chip(files):
        assert flash(files, "signed.bin", "--require-class", mine).exit_code == 3
        assert flash(files, "class.bin", "--require-class", mine).exit_code == 0


@pytest.mark.parametrize("option", [("--no-verify",), ("--diff", "cache")])
def test_nothing_signed_is_left_unread(files, option):
    refused = flash(files, "signed.bin", *option)
    assert refused.exit_code == 2
    assert f"--require-signature without {' '.join(option)}" in refused.output


def test_a_signed_image_in_two_pieces(files):
    (files / "two.hex").write_text(
        ":020000040800F2\n:048000000001020376\n:049000000001020366\n:00000001FF\n"
    )
    refused = flash(files, "two.hex")  # no chip is there: it is not asked
    assert refused.exit_code == 3 and "bytes beside the signed image" in refused.output


def test_a_signed_image_that_would_start_behind_the_chips_flash(files):
    """It fits, and nothing is wrong with it elsewhere; this chip's flash ends before its code."""
    small = ("--geometry", "0x0800_0000:32x1K", "--program-unit", 2)
    with serving("STM32F103x8", "--link", files / "tty") as served:
        refused = flash(files, "signed.bin", *small, base="0x0800_7000")
        assert refused.exit_code == 3 and "reset vector" in refused.output, refused.output
        assert served.status()["erases"] == "0"
