"""``AT+QIOTCFG``: what a module keeps for its connection. One table, by item.

Items, limits and defaults: QuecThing AT manual; what it does not spell out is marked as ours.
Everything is saved; nothing can be set while the module is connected.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from mcu_updater.quectel.emulated.options import Family, ModuleOptions

Value = int | str
MAX_PRODUCT_SIZE = 32
MAX_TEXT_SIZE = 128  # ours, for URLs and keys


@dataclass(frozen=True, slots=True)
class Number:
    """An integer argument, both ends included."""

    lowest: int
    highest: int

    def fits(self, value: Value) -> bool:
        return isinstance(value, int) and self.lowest <= value <= self.highest

    def __str__(self) -> str:
        return f"({self.lowest}-{self.highest})"


@dataclass(frozen=True, slots=True)
class Text:
    """A quoted string argument, called *name* in the test form."""

    name: str
    longest: int = MAX_TEXT_SIZE

    def fits(self, value: Value) -> bool:
        return isinstance(value, str) and len(value) <= self.longest

    def __str__(self) -> str:
        return f"<{self.name}>"


Item = tuple[tuple[Number | Text, ...], tuple[Value, ...]]  # arguments, defaults


@lru_cache(maxsize=16)
def _items(family: Family, product_key: str, product_secret: str) -> dict[str, Item]:
    """By name; shared by all modules of this kind, never changed."""
    nb = family is Family.NB
    server_type = 0 if nb else 1  # LwM2M or MQTT
    url = "coap://iot-south.quectelcn.com:5683" if nb else "mqtt://iot-south.quectelcn.com:1883"
    flag: tuple[Number, ...] = (Number(0, 1),)
    items: dict[str, Item] = {
        "productinfo": (
            (Text("pk", MAX_PRODUCT_SIZE), Text("ps", MAX_PRODUCT_SIZE)),
            (product_key, product_secret),
        ),
        "server": ((Number(server_type, server_type), Text("url")), (server_type, url)),
        "lifetime": ((Number(1, 864_000 if nb else 65_535),), (86_400 if nb else 120,)),
        "buffer": (flag, (0,)),
        "act": ((Number(1, 15),), (1,)),
        "session_mode": (flag, (0,)),  # ranges of this and the next three: ours
        "tsl": (flag, (0,)),
        "dk_ds": ((Text("dk", 32), Text("ds")), ("", "")),
        "txid_mode": (flag, (0,)),
    }
    return {**items, "psk": ((Text("psk"),), ("",))} if nb else items


class Settings:
    """The items and their values."""

    def __init__(self, options: ModuleOptions) -> None:
        self._items = _items(options.family, options.product_key, options.product_secret)
        self._version = options.product_version
        self._colon = ": " if options.config_space else ":"
        self._values = {name: defaults for name, (_, defaults) in self._items.items()}

    @property
    def complete(self) -> bool:
        """Whether the module knows where to register, and as what."""
        _, url = self._values["server"]
        return all(self._values["productinfo"]) and bool(url)

    def listing(self) -> list[str]:
        """The lines of the test form."""
        return [
            f'+QIOTCFG{self._colon}"{name}",{",".join(map(str, arguments))}'
            for name, (arguments, _) in self._items.items()
        ]

    def line(self, name: str) -> str | None:
        """The line of the read form; None: no such item."""
        if name not in self._values:
            return None
        values = [*self._values[name], *([self._version] if name == "productinfo" else [])]
        written = ",".join(f'"{v}"' if isinstance(v, str) else str(v) for v in values)
        return f'+QIOTCFG{self._colon}"{name}",{written}'

    def write(self, name: str, values: tuple[Value, ...]) -> bool:
        """False: no such item, or not such values."""
        if name not in self._items:
            return False
        arguments, _ = self._items[name]
        fits = len(values) == len(arguments) and all(
            argument.fits(value) for argument, value in zip(arguments, values, strict=True)
        )
        if fits:
            self._values[name] = values
        return fits

    # --- saved state

    def memory(self) -> Hashable:
        return tuple(self._values.values())

    def save(self) -> dict[str, Any]:
        return {name: list(values) for name, values in self._values.items()}

    def load(self, saved: Mapping[str, Any]) -> None:
        self._values |= {name: tuple(v) for name, v in saved.items() if name in self._items}
