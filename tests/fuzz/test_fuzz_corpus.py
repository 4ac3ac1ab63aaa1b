"""What the fuzzer has kept, and what it begins with: every target ends quietly on each input."""

from __future__ import annotations

import pytest

from tests.fuzz.fuzz_corpus import kept
from tests.fuzz.fuzz_images import TARGETS
from tests.fuzz.fuzz_seeds import seeds


@pytest.mark.parametrize("name", TARGETS)
def test_the_kept_corpus(name: str) -> None:
    inputs = kept(name)
    assert len(inputs) > 10, "the corpus is lost"
    for data in inputs:
        TARGETS[name](data)


@pytest.mark.parametrize("name", TARGETS)
def test_the_seeds(name: str) -> None:
    inputs = list(seeds(name))
    assert inputs
    for data in inputs:
        TARGETS[name](data)
