"""What keeps C code from being booted is said in full; what compiling leaves is in the cache."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from flash_emulator import EmulatedFlash
from flash_emulator.native import INCLUDE, NativeError, NativeSubject
from flash_emulator.native.build import find_compiler
from tests.flash_emulator.native.conftest import Make

pytestmark = pytest.mark.judge("gcc")


def test_what_the_compiler_says_is_shown_with_its_command(c: Make) -> None:
    with pytest.raises(NativeError) as raised:
        c("int boot(void)\n{\n return nonsense;\n}")
    said = str(raised.value)
    assert "the C compiler failed with exit code 1:\n$ /" in said
    assert "-I" in said
    assert "boot.c:4:9: error: " in said
    assert "nonsense" in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("int other(void) { return 0; }", r"no function boot: expected `int boot\(void\)`"),
        ("static __attribute__((used)) int boot(void) { return 0; }", "boot|static"),
        ("int missing(void); int boot(void) { return missing(); }", "missing"),
        ('#include "not_there.h"\nint boot(void) { return 0; }', r"not_there\.h"),
        ("_Thread_local int n; int boot(void) { return n++; }", "thread-local"),
    ],
)
def test_c_code_that_cannot_be_booted(c: Make, text: str, said: str) -> None:
    with pytest.raises(NativeError, match=said):
        c(text)


def test_sources_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(NativeError, match=r"boot\.c: no such C file"):
        NativeSubject([tmp_path / "boot.c"])
    with pytest.raises(NativeError, match="expected at least one C file, found none"):
        NativeSubject([])
    with pytest.raises(NativeError, match=r"expected a list of files, found the one 'boot\.c'"):
        NativeSubject("boot.c")


def test_without_a_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(NativeError, match=r"no C compiler on PATH: .*apt-get install gcc"):
        find_compiler(None)
    with pytest.raises(NativeError, match="no C compiler 'gcc-99' on PATH"):
        find_compiler("gcc-99")


def test_without_cffi(c: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cffi", None)
    with pytest.raises(NativeError, match=r"cffi is not installed.*mcu-updater\[native\]"):
        c("int boot(void) { return 1; }")


def test_importing_it_loads_no_cffi() -> None:
    code = (
        "import sys, flash_emulator.native; print('cffi' in sys.modules, 'elftools' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("False")


def test_macros_folders_and_flags_reach_the_compiler(
    c: Make, flash: EmulatedFlash, tmp_path: Path
) -> None:
    folder = tmp_path / "with space"
    folder.mkdir()
    (folder / "more.h").write_text("#define MORE 20")
    subject = c(
        "#include <more.h>\nint boot(void) { return A + MORE + ON + sizeof(TEXT) + SIGNED; }",
        include=[folder],
        defines={"A": 1, "ON": True, "TEXT": '"abc"', "SIGNED": "((char)-1 > 0)"},
        flags=["-funsigned-char"],
    )
    assert subject.boot_once(flash) == 1 + 20 + 1 + 4 + 1
    assert set(subject.fingerprints()) == {"boot.c", "with space/more.h", "defines", "flags"} or (
        "src/boot.c" in subject.fingerprints()
    )


def test_a_change_of_any_part_is_compiled_anew(
    c: Make, flash: EmulatedFlash, tmp_path: Path
) -> None:
    files = {"n.h": "#define N 1"}
    text = '#include "n.h"\nint boot(void) { return N + M; }'
    assert c(text, files=files, defines={"M": 10}).boot_once(flash) == 11
    assert c(text, files={"n.h": "#define N 2"}, defines={"M": 10}).boot_once(flash) == 12
    assert c(text, files=files, defines={"M": 20}).boot_once(flash) == 21
    assert c(text, files=files, defines={"M": 10}).boot_once(flash) == 11
    assert len([*(tmp_path / "cache").iterdir()]) == 3


def test_nothing_is_left_but_in_the_cache(c: Make, tmp_path: Path) -> None:
    before = {*tmp_path.rglob("*")}
    c("int boot(void) { return 1; }")
    with pytest.raises(NativeError):
        c("int boot(void) { return }")
    left = {each.relative_to(tmp_path).parts[0] for each in {*tmp_path.rglob("*")} - before}
    assert left == {"src", "cache"}
    assert [each.suffix for each in (tmp_path / "cache").iterdir()] == [".so"]


def test_fingerprints_tell_sources_apart_and_no_folders(
    tmp_path: Path,
) -> None:
    found = []
    for place, text in (("one", "1"), ("two", "1"), ("three", "2")):
        folder = tmp_path / place
        folder.mkdir()
        (folder / "n.h").write_text(f"#define N {text}")
        (folder / "boot.c").write_text('#include "n.h"\nint boot(void) { return N; }')
        found.append(NativeSubject([folder / "boot.c"], cache=tmp_path / "cache").fingerprints())
    assert set(found[0]) == {"boot.c", "n.h", "defines", "flags"}
    assert found[0] == found[1]
    assert found[0]["boot.c"] == found[2]["boot.c"]
    assert found[0]["n.h"] != found[2]["n.h"]


def test_the_header_stands_alone(tmp_path: Path) -> None:
    source = tmp_path / "alone.c"
    source.write_text('#include "mcu_flash.h"\n#include "mcu_flash.h"\nint x;\n')
    flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only"]
    subprocess.run([find_compiler(None), *flags, f"-I{INCLUDE}", source], check=True)
