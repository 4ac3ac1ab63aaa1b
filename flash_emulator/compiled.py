"""What a class says to the compiler of the compiled build; pure Python reads over it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_extensions import mypyc_attr as mypyc_attr
else:  # the program does not need that package

    def mypyc_attr(*_words, **_attributes):
        """``allow_interpreted_subclasses=True``: classes that are not compiled may inherit, and
        ``__new__`` does not call ``__init__``, as in Python. ``serializable=True``: instances are
        pickled and copied; of no use alone, for mypyc 2.4 does not call ``__init__`` then."""
        return lambda decorated: decorated
