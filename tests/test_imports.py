"""What the parts that others take load: the emulator the standard library, the core no OpenSSL."""

from __future__ import annotations

import subprocess
import sys

import pytest

OUTSIDE = """
import sys
before = set(sys.modules)
import {module}
known = set(sys.stdlib_module_names)
print(*sorted({{name.partition(".")[0] for name in set(sys.modules) - before}} - known))
"""


def loaded(module: str) -> set[str]:
    """Top-level modules outside the standard library that an import of *module* brings."""
    program = OUTSIDE.format(module=module)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_the_emulator_needs_nothing_but_the_standard_library() -> None:
    assert loaded("flash_emulator") == {"flash_emulator"}


@pytest.mark.parametrize("module", ["mcu_updater.core.mcu", "mcu_updater.core.updater"])
def test_the_core_loads_no_openssl_and_nothing_else_of_others(module: str) -> None:
    assert loaded(module) == {"mcu_updater"}


def test_a_key_loads_it() -> None:
    assert "cryptography" in loaded("mcu_updater.core.trust.openssl")
