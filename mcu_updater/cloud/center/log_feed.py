"""What a state file has new, for whoever watches it while others write.

Lines of the log have numbers that only grow. They are of one state file: its *epoch* tells it from
another that took its place.
"""

from __future__ import annotations

from mcu_updater.cloud.center.store import LogLine, Store

Numbered = tuple[int, LogLine]


def data_version(store: Store) -> int:
    """Another number, whenever another connection has changed anything: cheap to ask."""
    (version,) = next(iter(store.read("PRAGMA data_version", {})))
    return int(version)


def epoch_of(store: Store) -> str:
    """When the file was made, in milliseconds: hexadecimal, no other file here has the same."""
    (made_at_s,) = next(iter(store.read("SELECT created_at_s FROM center", {})))
    return f"{round(1000 * made_at_s):x}"


def last_number(store: Store) -> int:
    """Of the log; 0 where it is empty."""
    (number,) = next(iter(store.read("SELECT coalesce(max(id), 0) FROM log", {})))
    return int(number)


def lines_after(store: Store, number: int, last: int, limit: int) -> list[Numbered]:
    """The first lines behind *number*, up to and with *last*."""
    rows = store.read(
        "SELECT id, at_s, device, plan, component, text FROM log"
        " WHERE id > :number AND id <= :last ORDER BY id LIMIT :limit",
        {"number": number, "last": last, "limit": limit},
    )
    return [(row[0], LogLine(*row[1:])) for row in rows]
