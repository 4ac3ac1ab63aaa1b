"""Checks a certificate of an exhaustive search, and shares no code with the search.

    python -m flash_emulator.certificate_check FILE --subject module:factory
        [--sample N --seed S] [--head HEX]

The format is described in ``explore/certificate.py``. *factory* is called with the ``world`` of the
header and returns ``(subject, flash, external)``, as the search had them. Five questions:

* Is the file whole, and nothing but that: chain, notation, totals counted again, every state and
  point once, each reached from what stands there? All of the file, also where states are sampled.
* Is it for what is here: this program, this part, this subject, what it was made of, its start?
* Is each state what the certificate says? It is built anew, cut by cut, from the start; what is
  said to be unknown is forgotten. Where that happened, the real path is gone as well, with nothing
  forgotten but what the subject's representative does not have, and must end in the same way.
* Does its boot do what stands there? It is followed to its very end; runs are not joined. A boot
  that looks at something unknown is refused. Where it looked at metastable units, it is booted
  with each of them flipped, too, and so on, up to as many at a time as ``most_flipped`` says;
  beyond, with all of them flipped. No other boot may be listed.
* Is the list closed? In every operation of that boot, every unit is cut with every outcome. What
  is left must be listed for this place, as it is or among the states whose unknown content it has.
  A cut that is listed must leave the state that it is listed for, and every one must be met.

If all states are checked, the answers prove by induction that no cut leads out of the list. What
the proof takes for granted, the verdict says (``Verdict.assumed``), and what the search did not try
(``Verdict.missing``). Of a sample nothing is proved, and it is not called confirmed. The
certificate of a search that a limit has stopped is refused; ``run_again`` boots what it lists.

The device is shared with the search: ``EmulatedFlash``, its part, its digests. ``plain_cells`` is a
second, slow model of the cells, which ``plain_replay`` holds the device against.
"""

from flash_emulator.certificate_check.checker import confirm
from flash_emulator.certificate_check.container import NotACertificate, NotConfirmed
from flash_emulator.certificate_check.stopped import RunAgain, run_again
from flash_emulator.certificate_check.verdict import Verdict

__all__ = ["NotACertificate", "NotConfirmed", "RunAgain", "Verdict", "confirm", "run_again"]
