from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flash_emulator import EmulatedFlash, load_part
from flash_emulator.native import NativeSubject

Make = Callable[..., NativeSubject]


@pytest.fixture
def flash() -> EmulatedFlash:
    return EmulatedFlash(load_part("STM32L476xG"), seed=1)


@pytest.fixture
def c(tmp_path: Path) -> Make:
    """A subject of C texts: the first is boot.c, the others by their names. The cache is in
    *tmp_path*."""

    def make(boot: str, verdict: Any = None, *, files: dict[str, str] | None = None, **more: Any):
        folder = tmp_path / "src"
        folder.mkdir(exist_ok=True)
        for name, text in {"boot.c": boot, **(files or {})}.items():
            (folder / name).write_text(f'#include "mcu_flash.h"\n{text}')
        sources = [folder / "boot.c", *(folder / n for n in files or {} if n.endswith(".c"))]
        return NativeSubject(sources, verdict, cache=tmp_path / "cache", **more)

    return make
