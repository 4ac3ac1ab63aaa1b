"""Tables and indexes of a center's state file; ``store`` says what stands in them.

Schema 2 has the table ``fleet``, and indexes for who looks at thousands of devices.
"""

from __future__ import annotations

APPLICATION_ID = 0x4D43_5543  # "MCUC", in the file's header
SCHEMA = 2
READABLE = (1, SCHEMA)

TABLES = """
CREATE TABLE center (
    file TEXT NOT NULL, simulated INTEGER NOT NULL, created_at_s REAL NOT NULL);
CREATE TABLE plan (
    name TEXT PRIMARY KEY, position INTEGER NOT NULL, state TEXT NOT NULL, digest TEXT NOT NULL);
CREATE TABLE device (id TEXT PRIMARY KEY, product TEXT NOT NULL);
CREATE TABLE version (
    device TEXT NOT NULL, component TEXT NOT NULL, version TEXT NOT NULL, at_s REAL NOT NULL,
    PRIMARY KEY (device, component)) WITHOUT ROWID;
CREATE TABLE entry (
    plan TEXT NOT NULL, device TEXT NOT NULL, component TEXT NOT NULL,
    state TEXT NOT NULL, failures INTEGER NOT NULL, pushed_at_s REAL NOT NULL,
    confirmed_at_s REAL, user_confirmed INTEGER NOT NULL, closed TEXT NOT NULL,
    PRIMARY KEY (device, plan, component)) WITHOUT ROWID;
CREATE TABLE log (
    id INTEGER PRIMARY KEY, at_s REAL NOT NULL, device TEXT NOT NULL, plan TEXT NOT NULL,
    component TEXT NOT NULL, text TEXT NOT NULL);
CREATE INDEX log_of_device ON log (device, id);
CREATE TABLE ending (
    device TEXT PRIMARY KEY, outcome TEXT NOT NULL, text TEXT NOT NULL,
    version TEXT NOT NULL, cuts INTEGER NOT NULL, faults INTEGER NOT NULL,
    sessions INTEGER NOT NULL, digest TEXT NOT NULL);
"""
"""Of schema 1."""

ADDED = """
CREATE TABLE fleet (settings TEXT NOT NULL, epoch_s REAL NOT NULL, devices INTEGER);
CREATE INDEX IF NOT EXISTS entry_of_plan ON entry (
    plan, device, component, state, failures, confirmed_at_s, closed, user_confirmed, pushed_at_s);
CREATE INDEX IF NOT EXISTS entry_begun ON entry (plan) WHERE confirmed_at_s IS NOT NULL;
CREATE INDEX IF NOT EXISTS log_by_time ON log (at_s);
"""
"""By schema 2."""


def statements(text: str) -> list[str]:
    return [statement for statement in text.split(";") if statement.strip()]
