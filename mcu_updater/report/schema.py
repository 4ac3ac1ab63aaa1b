"""The form of what is printed for programs."""

from __future__ import annotations

import re
from typing import Final

SCHEMA: Final = 2
"""Of the JSON lines; one more whenever a field is renamed, removed or changes its meaning."""

_INNER_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def event_name(name: str) -> str:
    """The name of a class, such as ``ModuleSaid``, as that of an event: ``module-said``."""
    return _INNER_CAPITAL.sub("-", name).replace(" ", "-").lower()
