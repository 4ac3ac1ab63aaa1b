"""State files of schema 1: read as they are, brought up to date by who may write."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from mcu_updater.cloud.center.schema import SCHEMA
from mcu_updater.cloud.center.store import Ended, Ending, FleetRun, Store
from mcu_updater.core.errors import PortError

ENDING = Ending("a", Ended.UPGRADED, "", "2.0.0", 1, 0, 2, "0123456789abcdef")
RUN = FleetRun('{"seed": 7}', 12.5, 300)


def schema_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        return int(db.execute("PRAGMA user_version").fetchone()[0])


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """As version 1 has left it: with what it knew, and no table of the fleet."""
    path = tmp_path / "old.db"
    with closing(Store.create(path, "center.toml", simulated=True, now_s=1.0)) as store:
        with store.transaction():
            store.put_ending(ENDING)
        store.leave_wal()
    with closing(sqlite3.connect(path)) as db:
        db.execute("DROP TABLE fleet")
        db.execute("PRAGMA user_version = 1")
    return path


def test_who_reads_takes_schema_1_as_it_is(old: Path):
    with closing(Store.open(old, read_only=True)) as store:
        assert store.fleet() is None
        assert store.ending("a") == ENDING
        assert store.ending("b") is None
    assert schema_of(old) == 1


def test_who_may_write_brings_it_up_to_date_with_nothing_lost(old: Path):
    with closing(Store.open(old)) as store:
        assert store.fleet() is None
        with store.transaction():
            store.put_fleet(FleetRun("{}", 0.0, None))
            store.put_fleet(RUN)
        assert store.fleet() == RUN
        assert store.endings() == [ENDING]
    assert schema_of(old) == SCHEMA
    with closing(Store.open(old, read_only=True)) as store:
        assert store.fleet() == RUN


def test_many_may_open_it_at_once(old: Path):
    def opened(_: int) -> FleetRun | None:
        with closing(Store.open(old)) as store:
            return store.fleet()

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(opened, range(16))) == [None] * 16
    assert schema_of(old) == SCHEMA


@pytest.mark.parametrize("schema", [0, SCHEMA + 1])
@pytest.mark.parametrize("read_only", [True, False])
def test_another_schema_is_refused_and_left_alone(old: Path, schema: int, read_only: bool):
    with closing(sqlite3.connect(old)) as db:
        db.execute(f"PRAGMA user_version = {schema}")
    with pytest.raises(PortError, match=f"schema 1 or 2.*found .*schema {schema}"):
        Store.open(old, read_only=read_only)
    assert schema_of(old) == schema


def test_a_folder_in_its_place_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(PortError, match="is no file; expected a state file of a center"):
        Store.open(tmp_path)
