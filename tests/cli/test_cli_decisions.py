"""One decision about what a file is, and a switch for each rule: in every command."""

from __future__ import annotations

import re
import shutil
import struct
import tomllib
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from mcu_updater.cli.flasher import stm32
from mcu_updater.core.errors import PortError
from mcu_updater.core.image import Allow
from tests.cli.command_line import run
from tests.files.elves import elf
from tests.places import FIXTURES

HOSTILE = FIXTURES / "hostile"
DECISIONS: dict[str, dict[str, Any]] = tomllib.loads((HOSTILE / "decisions.toml").read_text())
USING = (
    "flash",
    "flash --dry-run",
    "verify",
    "image check",
    "image convert",
    "image diff",
    "delta make",
)
TO_DEVICE = ("update", "board new", "module serve", "package build", "powerloss")
NO_IMAGE = "text, and no image|format is known|suffix and content|nobody can"


@pytest.fixture(autouse=True)
def no_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """A port is opened (exit code 4) when nothing is left to refuse."""

    class Bench:
        @property
        def flasher(self) -> None:
            raise PortError("opened")

    monkeypatch.setattr(stm32, "opened", lambda given: nullcontext(Bench()))


def command(name: str, path: Path, tmp_path: Path, *more: str) -> tuple[int, str]:
    """Exit code, 0 where the file was taken, and what was complained of."""
    out = tmp_path / "out"
    arguments = {
        "flash": ("flash", path, "--port", "x", "--force"),
        "flash --dry-run": ("flash", path, "--port", "x", "--force", "--dry-run"),
        "verify": ("verify", path, "--port", "x"),
        "image check": ("image", "inspect", path, "--json"),
        "image convert": ("image", "convert", path, out, "--to", "srec", "--force"),
        "image diff": ("image", "diff", path, path),
        "delta make": ("delta", "make", path, path, "-o", out, "--force"),
        "update": ("update", path, "--quiet"),
        "board new": ("board", "new", out, "--version", "1", "--image", path, "--force"),
        "module serve": (*SERVE, path),
        "package build": ("package", "build", tmp_path / "p.zip", path, "--force"),
        "powerloss": ("powerloss", path, "--states", "1"),
    }[name]
    result = run(*arguments, *more)
    opens = name in ("flash", "flash --dry-run", "verify") and "opened" in result.stderr
    return (0 if opens else result.exit_code), result.stderr


SERVE = ("module", "serve", "--target-version", "2", "--stdio", "--tcp", "x:1", "--package")
"""Two wires are a usage error (2), which is found behind the image."""


@pytest.mark.parametrize("name", [n for n in DECISIONS if n != "many-segments.s37"])
def test_every_command_decides_alike_about_every_hostile_file(name: str, tmp_path: Path) -> None:
    """What is text or another kind of file is refused by all; what is an image is read by all that
    use one. A device is strict, and its own reasons may come on top."""
    path = HOSTILE / name
    says = DECISIONS[name].get("says")
    for one in USING:
        code, complaint = command(one, path, tmp_path)
        if one == "delta make" and says is None:
            assert "Traceback" not in complaint  # too far apart, or no smaller: reasons of its own
            continue
        assert code == (3 if says else 0), (one, complaint)
        if says:
            assert re.search(re.escape(says), complaint), (one, complaint)
    if says is not None and name != "only-second.bin_2":  # a part that is packed with others
        for one in ("update", "board new", "package build"):
            code, complaint = command(one, path, tmp_path)
            assert code == 3, (one, complaint)


@pytest.mark.parametrize("name", [n for n, d in DECISIONS.items() if "says" in d])
def test_what_is_no_image_goes_to_no_device(name: str, tmp_path: Path) -> None:
    if not re.search(NO_IMAGE, DECISIONS[name]["says"]):
        return
    for one in TO_DEVICE:
        code, complaint = command(one, HOSTILE / name, tmp_path)
        assert code == 3, (one, complaint)


@pytest.mark.parametrize("name", [n for n, d in DECISIONS.items() if "allow" in d])
@pytest.mark.parametrize("one", ["flash", "image check", "update", "package build"])
def test_a_refusal_names_its_switch_and_the_switch_relaxes_it(
    name: str, one: str, tmp_path: Path
) -> None:
    rule, says = DECISIONS[name]["allow"], DECISIONS[name]["says"].split(": ")[-1]
    code, complaint = command(one, HOSTILE / name, tmp_path)
    assert code == 3
    if one == "update" and says not in complaint:
        return  # these bytes are for another address, or do not ascend: a device says so first
    assert set(re.findall(r"--allow ([a-z-]+)", complaint)) in ({rule}, set())
    assert f"--allow {rule}" in complaint or "image convert" in complaint, complaint
    again, complaint = command(one, HOSTILE / name, tmp_path, "--allow", rule)
    assert again == 0 or (one == "update" and says not in complaint), complaint


def test_every_rule_that_can_be_relaxed_has_a_file() -> None:
    of_files = {d["allow"] for d in DECISIONS.values() if "allow" in d}
    assert (
        of_files | {Allow.MACHINE, Allow.VIRTUAL}
        >= set(Allow) - {Allow.TERMINATOR, Allow.COUNT} | of_files
    )
    assert {Allow.TERMINATOR, Allow.COUNT} <= of_files


VECTORS = struct.pack("<II", 0x2000_2000, 0x0800_0011) + bytes(24)


@pytest.mark.parametrize(
    ("name", "data", "switch"),
    [
        ("hello.bin", b"hello\n", "--raw"),
        ("a.hex.bin", b":00000001FF\n", "--raw"),
        ("a.rar", VECTORS, "--raw"),
        ("picture.png", b"\x89PNG\r\n\x1a\n" + bytes(9), "--raw"),
        ("page.bin", b"<!DOCTYPE html>", "--raw"),
        ("machine.elf", elf((0x0800_0000, 0x0800_0000, VECTORS), machine=62), "--allow machine"),
        ("virtual.elf", elf((0x0800_0000, 0, VECTORS)), "--allow virtual"),
        ("elsewhere.bin", VECTORS.replace(b"\x11\0", b"\x11\x80"), "--force"),
        ("blank.bin", b"\xff" * 64, "--force"),
    ],
)
def test_flash_names_the_switch_and_takes_it(
    name: str, data: bytes, switch: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    refused = run("flash", path, "--port", "x")
    assert refused.exit_code == 3
    assert switch in refused.stderr
    taken = run("flash", path, "--port", "x", *switch.split(), "--force")
    assert "opened" in taken.stderr, taken.stderr


@pytest.mark.parametrize("one", ["flash", "flash --dry-run", "verify"])
def test_elf_files_are_flashed_as_they_are(one: str, tmp_path: Path) -> None:
    path = tmp_path / "app.elf"
    path.write_bytes(elf((0x0800_0000, 0x0800_0000, VECTORS)))
    assert "opened" in run(*one.split(), path, "--port", "x").stderr


@pytest.mark.parametrize("name", ["option-bytes.hex", "qspi.hex", "ram.hex"])
def test_an_image_in_several_memories_is_shown_and_cut(name: str, tmp_path: Path) -> None:
    shown = run("image", "inspect", HOSTILE / name)
    assert shown.exit_code == 0
    assert "0x0800_8000" in shown.stdout and "flash" in shown.stdout
    memory = {"option-bytes.hex": "option bytes", "qspi.hex": "external", "ram.hex": "RAM"}[name]
    assert memory.split()[-1] in shown.stdout
    out = tmp_path / "cut.hex"
    cut = run("image", "convert", HOSTILE / name, out, "--only", "flash")
    assert cut.exit_code == 0
    assert "left out:" in cut.stderr and memory in cut.stderr
    part = run("image", "inspect", out, "--json").stdout
    assert '"segments": [[134250496, 4]]' in part
    too_large = run("image", "convert", HOSTILE / name, tmp_path / "a.bin")
    assert too_large.exit_code == 2 and "--only flash" in too_large.stderr


def test_check_names_the_part_outside_and_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "both.hex"
    image, ram = tmp_path / "a.elf", (0x2000_0000, 0x2000_0000, b"data")
    image.write_bytes(elf((0x0800_0000, 0x0800_0000, VECTORS), ram))
    assert run("image", "convert", image, path).exit_code == 0
    checked = run("image", "check", path)
    assert checked.exit_code == 3
    assert "4 bytes at 0x2000_0000, RAM" in checked.stderr and "--only flash" in checked.stderr
    assert run("image", "check", path, "--only", "flash").exit_code == 0
    spans = ("--only", "0x08000000:32")
    assert run("image", "check", path, *spans).exit_code == 0
    assert run("image", "check", path, "--only", "0x30000000:4").exit_code == 3
    for bad in ("ram", "0x08000000", "0x08000000:0", "-1:4", "0xFFFFFFFF:2"):
        assert run("image", "check", path, "--only", bad).exit_code == 2


def test_an_update_takes_what_fits_and_says_what_it_left(tmp_path: Path) -> None:
    new = FIXTURES / "fixture-2.0.0.hex"
    lines = new.read_text().splitlines()
    at = next(i for i, line in enumerate(lines) if line[7:9] in ("05", "03", "01"))
    option_bytes = [":020000041FFFDC", ":08F80000A55AFF00FF00FF0004"]
    path = tmp_path / "both.hex"
    path.write_text("\n".join([*lines[:at], *option_bytes, *lines[at:]]) + "\n")
    refused = run("update", path, "--quiet")
    assert refused.exit_code == 3
    assert "option bytes" in refused.stderr and "--only flash" in refused.stderr
    taken = run("update", path, "--quiet", "--only", "flash")
    assert taken.exit_code == 0, taken.stderr
    assert "left out: 8 bytes at 0x1FFF_F800" in taken.stderr


def test_a_package_is_made_of_what_a_device_takes(tmp_path: Path) -> None:
    bom = tmp_path / "app.hex"
    shutil.copy(HOSTILE / "bom.hex", bom)
    package = tmp_path / "p.zip"
    assert run("package", "build", package, bom).exit_code == 3
    assert run("package", "build", package, bom, "--allow", "bom").exit_code == 0
    assert run("image", "inspect", package).exit_code == 0


NO_RECORDS = (b"\x01\x02\x03\x04" * 20, b"\xb9\xcc\xbc\xfe" * 20, b"\0:00000001FF\n", b"\x80\x90\n")


@pytest.mark.parametrize("suffix", ["hex", "s19", "titxt"])
@pytest.mark.parametrize("data", NO_RECORDS)
def test_what_a_name_calls_text_is_raw_to_no_device(
    data: bytes, suffix: str, tmp_path: Path
) -> None:
    """A device sees no name, so the commands that hand it a file have to."""
    path = tmp_path / f"app.{suffix}"
    path.write_bytes(data)
    for one in (*USING[:6], *TO_DEVICE):
        code, complaint = command(one, path, tmp_path)
        assert code == 3 and "column" in complaint, (one, complaint)


def test_a_refusal_names_its_file(tmp_path: Path) -> None:
    """Of two on a command line, too; ``image check`` says it once."""
    good, bad = FIXTURES / "fixture-2.0.0.hex", tmp_path / "bad.hex"
    bad.write_bytes(good.read_bytes().replace(b"\n", b"\n;\n", 1))
    for arguments in (
        ("image", "inspect", bad),
        ("image", "check", good, bad),
        ("image", "diff", good, bad),
        ("delta", "make", good, bad, "-o", tmp_path / "out"),
        ("flash", bad, "--port", "x"),
        ("package", "build", tmp_path / "p.zip", good, bad),
        ("update", bad, "--quiet", "--allow", "bom"),
    ):
        said = run(*arguments)
        assert said.exit_code == 3
        assert said.stderr.count(str(bad)) == 1, said.stderr
        assert f"{bad}, line 2, column 1" in said.stderr, said.stderr
