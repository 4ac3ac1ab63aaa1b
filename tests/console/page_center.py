"""A center for tests of pages: names that are no markup, components of both types, odd devices."""

from __future__ import annotations

from pathlib import Path

from tests.places import ROOT

SCRIPT = "<script>document.title='hacked'</script>"
IMAGE = ROOT / "fixtures" / "fixture-2.0.0.s19"

CENTER = f"""\
# The campaign of this year

[[products]]
key = "p1"
name = "Pump"

[[products.components]]
id = "STM32"  # the controller

[[products.components]]
id = "modem"
type = "module"

[[products]]
key = "{SCRIPT}"
name = "{SCRIPT}"
protocol = "lwm2m"
components = [{{ id = "<i>MCU</i>" }}]

[[packages]]
name = "pump 2.0"
target = "2.0"
files = ["new.s19"]
note = "{SCRIPT}"

[[packages]]
name = "pump 1.0 to 2.0"
kind = "delta"
source = "1.0"
target = "2.0"
files = ["delta.bin"]

[[packages]]
name = "{SCRIPT}"
type = "module"
target = "M2"
files = ["delta.bin", "new.s19"]

[[plans]]
name = "spring"
product = "p1"
timezone = "Europe/Berlin"
begin = 2026-03-02T08:00:00
push_hours = [22, 6]
blacklist = ["pump-003"]
upgrades = [{{ component = "STM32", package = "pump 2.0", versions = ["0.9"] }}]

[[plans]]
name = "summer"
product = "p1"
active = false
upgrades = [{{ component = "STM32", package = "pump 2.0" }}]
strategy = {{ retries = 3 }}  # not more

[[plans]]
name = "{SCRIPT}"
product = "p1"
active = false
mode = "confirmed"
whitelist = ["{SCRIPT}", "pump-001"]

[[plans.upgrades]]
component = "modem"
package = "{SCRIPT}"

[[plans.upgrades]]
component = "STM32"
package = "pump 1.0 to 2.0"

[[devices]]
id = "pump"
count = 8
product = "p1"
versions = {{ STM32 = "1.0", modem = "M1" }}

[[devices]]
id = "{SCRIPT}"
product = "p1"
versions = {{ STM32 = "2.0" }}

[[devices]]
id = "quiet"
product = "p1"
"""


def write_site(folder: Path, text: str = CENTER) -> Path:
    path = folder / "center.toml"
    path.write_text(text)
    (folder / "new.s19").write_bytes(IMAGE.read_bytes())
    (folder / "delta.bin").write_bytes(bytes(range(256)) * 4)
    return path
