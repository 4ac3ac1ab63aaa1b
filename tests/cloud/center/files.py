"""Center files to test with, with all ways of writing one."""

from __future__ import annotations

from pathlib import Path

GOOD = """
[[products]]
key = "p1"
components = [{ id = "STM32" }, { id = "modem", type = "module" }]

[[packages]]
name = "full"
target = "2.0"
files = ["full.bin"]

[[packages]]
name = "delta"
target = "2.0"
kind = "delta"
source = "1.0"
files = ["full.bin"]

[[plans]]
name = "spring"
product = "p1"
begin = 2026-03-01T00:00:00Z
end = 2026-04-01T00:00:00Z
whitelist = ["a-001"]
upgrades = [{ component = "STM32", package = "full" }]

[plans.strategy]
retries = 5

[[devices]]
id = "a"
count = 3
product = "p1"
versions = { STM32 = "1.0" }
"""

MANY_WAYS = '''# A center of pumps

# --- products
# the pump
[[products]]   # trailing
key = "p1"   # its key
name = "Pump"
components = [
  { id = "STM32" },   # main
  { id = "modem", type = "module" },
]

[[products]]
key = 'p2'
[[products.components]]
id = "A"
[[products.components]]
id = "B"  # second

# --- packages
[[packages]]
name = "full"
target = "2.0"
files = ["full.bin"]   # built by make
note = """
Several lines
[[plans]]
# no comment"""

# --- plans

[[plans]]
name = "spring"
product = "p1"
begin = 2026-03-01T00:00:00Z   # UTC
strategy.retries = 3   # not many
whitelist = [
    "pump-001",  # first
    "pump-002",
]
upgrades = [{ component = "STM32", package = "full" }]

# the second
[[plans]]
name = "summer"
product = "p1"
  timezone = "Europe/Berlin"
  push_hours = [22, 6]
  active = false
  [[plans.upgrades]]
  component = "STM32"   # c
  package = "full"
  [plans.strategy]
  min_battery = 40  # percent

# --- devices
[[devices]]
id = "pump"
count = 20
product = "p1"
versions = { STM32 = "1.0.0" }

[[devices]]
id = "x.y\\"z"
product = "p1"
versions.STM32 = "1.0"
versions.modem = "1"
# end
'''


def write_center(folder: Path, text: str) -> Path:
    """The file, with the package that all of these name."""
    (folder / "full.bin").write_bytes(b"package")
    path = folder / "center.toml"
    path.write_bytes(text.encode())
    return path
