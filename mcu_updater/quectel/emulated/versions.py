"""``AT+QIOTMCUVER``: which component has which version, in a list of limited size."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

from mcu_updater.quectel.emulated.options import ModuleOptions

MAX_COMPONENT_SIZE = 32
MAX_VERSION_SIZE = 64
MAX_LIST_SIZE = 512  # "no:ver;no:ver" in one string, hence neither sign in a field


class Versions:
    """The list. With ``quirk_substring_versions`` a name is found inside another, as strstr does:
    "MCU" in "STMCU:1;MCU:2" is STMCU."""

    def __init__(self, options: ModuleOptions) -> None:
        self.all: dict[str, str] = {}
        self._options = options

    @property
    def text(self) -> str:
        """As the module stores it."""
        return _list(self.all)

    def lines(self) -> list[str]:
        """The lines of the read form."""
        if self._options.versions_in_one_line:
            return [f'+QIOTMCUVER: "{self.text}"']
        return [f'+QIOTMCUVER: "{no}","{version}"' for no, version in self.all.items()]

    def line(self, component: str) -> str | None:
        """The line of one component; None: unknown."""
        version = self.all.get(self._found(component))
        return None if version is None else f'+QIOTMCUVER: "{component}","{version}"'

    def set(self, component: str, version: str) -> bool:
        """An empty version removes the component. False: too long, or the list is full."""
        if not _fits(component, version):
            return False
        key = self._found(component)
        versions = {**self.all, key: version}
        if not version:
            del versions[key]
        if len(_list(versions)) > MAX_LIST_SIZE:
            return False
        self.all = versions
        return True

    def _found(self, component: str) -> str:
        """The name that the module takes for this one."""
        if self._options.quirk_substring_versions:
            return next((name for name in self.all if name.endswith(component)), component)
        return component

    # --- saved state

    def memory(self) -> Hashable:
        return tuple(self.all.items())

    def load(self, saved: Mapping[str, str]) -> None:
        self.all = dict(saved)


def _list(versions: Mapping[str, str]) -> str:
    return ";".join(f"{component}:{version}" for component, version in versions.items())


def _fits(component: str, version: str) -> bool:
    sized = 1 <= len(component) <= MAX_COMPONENT_SIZE and len(version) <= MAX_VERSION_SIZE
    return sized and not set(":;") & set(component + version)
