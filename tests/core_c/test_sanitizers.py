"""The comparisons with Python once more, with AddressSanitizer in front of the C core.

It must be loaded before Python is, so they run in a process of their own. There each piece of
memory that the C core is given is allocated by itself, and one byte beside it ends the process.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.core_c.libraries import SANITIZERS, campaign
from tests.judges import MISSING, need
from tests.places import ROOT
from tests.thorough import THOROUGH

SOME = "long_as_a_line or damaged or up_to_the_largest or any_arguments or full_queue"
FILES = (
    "test_decoders.py",
    "test_sniff.py",
    "test_writer.py",
    "test_loader.py",
    "test_at_in_c.py",
    "test_client_in_c.py",
    "test_hashes.py",
    "test_header.py",
    "test_journal.py",
    "test_boot.py",
    "test_install.py",
)
FOUND = "AddressSanitizer"


def environment() -> dict[str, str]:
    """Skips where the compiler has no AddressSanitizer."""
    asked = subprocess.run(
        [need("gcc"), "-print-file-name=libasan.so"], capture_output=True, text=True, check=True
    )
    path = Path(asked.stdout.strip())
    if not path.is_absolute():
        pytest.skip(f"{MISSING}gcc (libasan.so not found: make apt)")
    return {
        **os.environ,
        "LD_PRELOAD": str(path),
        "ASAN_OPTIONS": "detect_leaks=0",  # Python leaves its own to the end of the process
        "PYTHONMALLOC": "malloc",
        SANITIZERS: "address,undefined",
    }


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=environment(),
    )


def test_no_byte_beside_what_it_is_given() -> None:
    folder = Path(__file__).parent
    some = () if THOROUGH else ("-k", SOME)
    files = [str(folder / name) for name in FILES]
    profile = ("--hypothesis-profile", "random") if campaign(1) > 1 else ()
    done = run("-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *profile, *some, *files)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]


TOO_FAR = """
from tests.core_c.libraries import library
core = library()
core.lib.fwu_crc32(0, core.ffi.new("uint8_t[]", 5), 6)
"""


def test_one_byte_beside_would_be_found() -> None:
    done = run("-c", TOO_FAR)
    assert done.returncode != 0
    assert FOUND in done.stderr
