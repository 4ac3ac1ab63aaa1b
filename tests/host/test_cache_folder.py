"""The JSON records of the cache folder."""

from pathlib import Path

import pytest

from mcu_updater.host import cache_folder
from mcu_updater.host.cache_folder import load_object, store_object


def test_a_record_that_cannot_be_renewed_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it held may no longer be true: the next run looks at the chip."""
    path = tmp_path / "chips" / "one.json"
    store_object(path, {"a": 1})
    assert load_object(path) == {"a": 1}

    def refuse(_path: Path, _data: bytes) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(cache_folder, "write_whole", refuse)
    store_object(path, {"a": 2})
    assert not path.exists() and load_object(path) == {}
