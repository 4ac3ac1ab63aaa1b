"""Checks a certificate of an exhaustive search, and shares no code with the search.

    python -m flash_emulator.certificate_check FILE --subject module:factory
        [--sample N --seed S] [--head HEX]

The format is described in ``explore/certificate.py``. *factory* is called with the ``world`` of the
header and returns ``(subject, flash, rest)``, as the search had them. Four questions:

* Is the file whole: its chain, its totals, every state and point that it mentions?
* Is each state what the certificate says? It is built anew, cut by cut, from the start; what is
  said to be unknown is forgotten. Where that happened, the real path is gone as well, with nothing
  forgotten but what the subject's representative does not have, and must end in the same way.
* Does its boot do what stands there? It is followed to its very end; runs are not joined. A boot
  that looks at something unknown is refused. Where it looked at metastable units, it is booted
  with each of them flipped, too, and so on, up to as many at a time as ``most_flipped`` says;
  beyond, with all of them flipped.
* Is the list closed? In every operation of that boot, every unit is cut with every outcome. What
  is left must be listed for this place, as it is or among the states whose unknown content it has.

What the search assumes is assumed here, too: where it merges, weak bits are metastable after a cut,
and a state is as good as what the subject calls its representative.

If all states are checked, the answers prove by induction that no cut leads out of the list.
"""

from flash_emulator.certificate_check.checker import confirm
from flash_emulator.certificate_check.file import NotACertificate, NotConfirmed

__all__ = ["NotACertificate", "NotConfirmed", "confirm"]
