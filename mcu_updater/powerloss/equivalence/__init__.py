"""States of which one stands for all: trailers that tell the same.

What cuts leave in a trailer differs in ways that no journal tells apart, and every such difference
doubles all that comes after it, once for each trailer. So of those states one is explored. Three
steps, each with its own reasons:

* ``unread``: what the journal does not read is forgotten;
* ``records``: a record that is surely not written is blank;
* ``rotation``: a trailer stands in half 0, with turn 0.

The first needs no promise: who looks at what is forgotten is found out. The others are promises of
the code that is explored. Every search boots a sample of states and what stands for them side by
side (``flash_emulator.explore.side_by_side``; ``same`` says what must be equal), and says that its
answer rests on them; with ``--no-representatives`` it does without.
``tests/powerloss/equivalence/test_equivalent_boots.py`` compares more states and more outcomes, and
explores one closure with and without all of it. Seeded faults (``make mutants``) are explored
without.
"""

from __future__ import annotations

from collections.abc import Sequence

from flash_emulator import EmulatedFlash
from mcu_updater.powerloss.equivalence.records import blanked
from mcu_updater.powerloss.equivalence.rotation import turned_back
from mcu_updater.powerloss.equivalence.same import canonical, kind
from mcu_updater.powerloss.equivalence.trailers import Trailer, trailers_of
from mcu_updater.powerloss.equivalence.unread import without_unread

__all__ = ["Trailer", "canonical", "kind", "representative", "trailers_of"]


def representative(flash: EmulatedFlash, trailers: Sequence[Trailer]) -> EmulatedFlash:
    """The one that stands for all that are as good as *flash*; *flash* itself stays as it is."""
    return turned_back(blanked(without_unread(flash, trailers), trailers), trailers)
