"""C code that never ends, or ends what it should not: a finding with its line, and no more."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from flash_emulator import EmulatedFlash
from flash_emulator.explore import Violation, explore
from flash_emulator.native import Budget
from tests.flash_emulator.native.conftest import Make

pytestmark = pytest.mark.judge("gcc")

SMALL = Budget(blocks=2_000_000, calls=1000, resets=5)
CRASHES = {
    "an empty loop": (
        "int boot(void)\n{\n for (;;) ;\n}",
        ", at boot.c:4 in boot()",  # gcc counts no block in it, clang does
    ),
    "a loop": (
        "int boot(void)\n{\n for (volatile int i = 0;; i++) ;\n}",
        "no rest after 2,000,000 basic blocks of C code, at boot.c:4",
    ),
    "a loop that waits": (
        "volatile int flag;\nint boot(void)\n{\n while (!flag) ;\n return 1;\n}",
        "basic blocks of C code, at boot.c:5 in boot()",
    ),
    "reads": (
        "int boot(void)\n{\n char c;\n do flash_read(0x08008000, &c, 1);\n while (c); return 0;\n}",
        "no rest: more than 1,000 calls of flash functions that only look, at boot.c:5",
    ),
    "resets": ("int boot(void)\n{\n mcu_reset();\n}", "the MCU was reset 5 times"),
    "recursion": (
        """int f(int n) { volatile int a[9]; a[0] = n; return f(n + 1) + a[0]; }
        int boot(void) { return f(0); }""",
        "more than 262,144 bytes of stack, at boot.c:",
    ),
    "alloca": (
        """#include <alloca.h>
        __attribute__((noinline)) void g(char *p) { *p = 1; }
        int boot(void) { char *p = alloca(300000); g(p); return *p; }""",
        "bytes of stack, at boot.c:",
    ),
    "NULL": (
        "int *volatile at;\nint boot(void)\n{\n return *at;\n}",
        "crashes with SIGSEGV at 0x0, at boot.c:5 in boot()",
    ),
    "a pointer into flash": (
        "int boot(void)\n{\n return *(volatile int *)0x08008010;\n}",
        "0x8008010, an address of flash: read it with flash_read, not by a pointer, at boot.c:4",
    ),
    "a call of NULL": (
        "int (*volatile f)(void);\nint boot(void)\n{\n return f();\n}",
        "SIGSEGV at 0x0",
    ),
    "a division": (
        "volatile int zero;\nint boot(void)\n{\n return 100 % zero;\n}",
        "crashes with SIGFPE, at boot.c:5",
    ),
    "a trap": ("int boot(void)\n{\n __builtin_trap();\n}", "crashes with SIGILL, at boot.c:4"),
    "abort": (
        "#include <stdlib.h>\nint boot(void)\n{\n abort();\n}",
        "the C code calls abort(), at boot.c:5",
    ),
    "exit": ("#include <stdlib.h>\nint boot(void)\n{\n exit(3);\n}", "calls exit(3), at boot.c:5"),
    "assert": (
        '#include <assert.h>\nint boot(void)\n{\n int x = 1;\n assert(x && "y" && !x);\n}',
        'assertion failed: x && "y" && !x, at boot.c:6',
    ),
    "a local array": (
        """#include <string.h>
        volatile int size = 64;
        int boot(void) { char a[8]; memset(a, 1, size); return a[3]; }""",
        "the C code writes beyond a local array, at boot.c:4 in boot()",
    ),
    "a read to nowhere": (
        "int boot(void)\n{\n return flash_read(0x08008000, (void *)16, 8);\n}",
        "crashes with SIGSEGV at 0x10, at boot.c:4 in boot()",
    ),
    "a program from nowhere": (
        "int boot(void)\n{\n return flash_program(0x08008000, (void *)64, 8);\n}",
        "crashes with SIGSEGV at 0x40, at boot.c:4 in boot()",
    ),
    "a name from nowhere": (
        "int boot(void)\n{\n return option_program((const char *)1, 1);\n}",
        "crashes with SIGSEGV at 0x1, at boot.c:4 in boot()",
    ),
    "in the C library": (
        "#include <string.h>\nchar *volatile at;\nint boot(void)\n{\n return strlen(at);\n}",
        "crashes with SIGSEGV at 0x0",
    ),
}


def is_mapped(address: int) -> bool:
    """Whether this process has memory there: a heap that has grown large, for one."""
    spans = re.findall(
        r"^([0-9a-f]+)-([0-9a-f]+) ", Path("/proc/self/maps").read_text(), re.MULTILINE
    )
    return any(int(first, 16) <= address < int(end, 16) for first, end in spans)


@pytest.mark.parametrize("name", CRASHES)
def test_it_is_a_violation_and_the_next_boot_is_right(
    c: Make, flash: EmulatedFlash, name: str
) -> None:
    text, said = CRASHES[name]
    subject = c(text, budget=SMALL)
    if name == "a pointer into flash" and is_mapped(0x0800_8010):
        assert isinstance(subject.boot_once(flash), int)  # it reads what lies there by chance
        return
    for _ in range(3):
        with pytest.raises(Violation) as raised:
            subject.boot_once(flash)
        assert raised.value.question == "live"
        assert said in raised.value.text
    assert c("int boot(void) { return 4; }").boot_once(flash) == 4


@pytest.mark.parametrize(
    "name", ["a loop", "an empty loop", "NULL", "recursion", "assert", "reads"]
)
def test_a_search_finds_it_behind_the_cut_that_leads_there(
    c: Make, flash: EmulatedFlash, name: str
) -> None:
    """Only where a first unit was programmed and a second was not."""
    wrong = CRASHES[name][0].replace("int boot(void)", "int wrong(void)")
    subject = c(
        f"""{wrong}
        int boot(void)
        {{
            unsigned char one[8] = {{1}};
            int first = flash_match(0x08008000, one, 8), second = flash_match(0x08008008, one, 8);
            if (first && !second)
                return wrong();
            if (!first) {{
                flash_erase(0x08008000);
                flash_program(0x08008000, one, 8);
                flash_program(0x08008008, one, 8);
            }}
            return 0;
        }}""",
        budget=SMALL,
    )
    report = explore(flash, subject)
    assert report.violation_count
    found = report.violations[0]
    assert found.question == "live"
    assert "boot.c" in found.text
    assert len(found.path.cuts) == 1


KILLED = """
import faulthandler, sys
from pathlib import Path
from flash_emulator import EmulatedFlash, load_part
from flash_emulator.explore import Violation
from flash_emulator.native import NativeSubject
faulthandler.enable()
subject = NativeSubject([sys.argv[1]], cache=sys.argv[2])
try:
    subject.boot_once(EmulatedFlash(load_part("STM32L476xG")))
except Violation as violation:
    print(violation, flush=True)
faulthandler._sigsegv()
"""


def test_crashes_of_others_are_left_to_others(c: Make, tmp_path: Path) -> None:
    """A handler that stood before stands again."""
    c(CRASHES["NULL"][0])
    source, cache = tmp_path / "src" / "boot.c", tmp_path / "cache"
    done = subprocess.run(
        [sys.executable, "-c", KILLED, source, cache], capture_output=True, text=True
    )
    assert "live: the C code crashes with SIGSEGV" in done.stdout
    assert done.returncode < 0
    assert "Fatal Python error: Segmentation fault" in done.stderr
